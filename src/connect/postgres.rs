//! PostgreSQL servers: who reads, who acts, the pools of both, and what a failure means.
//!
//! Reading sessions start with `default_transaction_read_only=on`. That is a guard against slips, not against intent (a
//! function can change things all the same): what holds is a login that may not. So `act_as` names a second one.

use super::secret::Keeper;
use super::{dsn, libpq, root};
use crate::domain::SourceError;
use crate::domain::secret::{Secret, SecretRef};
use crate::redact::Redactor;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Row};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// How quarterdeck's own sessions are called on the server: they are told from the others by it.
pub const APPLICATION: &str = "quarterdeck";
/// Connections of one pool at most: quarterdeck is used when they are scarce.
const CONNECTIONS: u32 = 2;
/// The same for a database that only a fence names: it is asked once in a while.
const OTHER_CONNECTIONS: u32 = 1;
/// Longest wait for a free connection of a pool, or a new one.
const ACQUIRE: Duration = Duration::from_secs(5);
/// An unused connection of a pool is given back after this.
const UNUSED: Duration = Duration::from_mins(1);
/// Longest statement of an acting session, unless its step says otherwise.
const ACT_STATEMENT: Duration = Duration::from_secs(30);
/// Longest wait for a lock: quarterdeck must not join the queue that it was called to look at.
const LOCK: Duration = Duration::from_secs(2);
/// A transaction that nobody goes on with (a closed laptop) is ended by the server after this.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// A login as a config has it. Without `dsn`: `PGSERVICE` and the `PG*` variables, else the local socket and the current user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSettings {
    /// `postgres://user@host:port/database` or `host=… port=… user=… dbname=…`, without a password.
    #[serde(deserialize_with = "dsn::deserialize")]
    #[schemars(with = "Option<String>")]
    pub dsn: Option<String>,
    /// Where the password is. Absent: `PGPASSWORD`, the password file of libpq, or none.
    pub password: Option<SecretRef>,
}

/// One configured server.
pub struct Postgres {
    name: String,
    read: Login,
    act: Login,
    same_login: bool,
    /// The same logins on other databases of the server, each made when it is first asked for.
    others: Mutex<BTreeMap<String, Arc<Self>>>,
}

impl Postgres {
    /// The server `name`. Without `act` the reading login acts too. `read_timeout` limits each statement of a reading
    /// session. Does not connect.
    ///
    /// # Errors
    /// When a `dsn` can't be read, or holds a password, or when the two go to different places.
    pub fn new(
        name: &str,
        read: &LoginSettings,
        act: Option<&LoginSettings>,
        read_timeout: Duration,
    ) -> Result<Self, SourceError> {
        let read_options = options(&format!("[postgres.{name}]"), read)?;
        let act_options = match act {
            Some(act) => options(&format!("act_as of [postgres.{name}]"), act)?,
            None => read_options.clone(),
        };
        if let Some(what) = differ(&read_options, &act_options) {
            return Err(SourceError::new(format!("[postgres.{name}]: {what}"), TOGETHER));
        }
        let same_login = read_options.get_username() == act_options.get_username();
        let act_password = act.map_or(&read.password, |act| &act.password);
        let only_read = [("default_transaction_read_only", "on")];
        Ok(Self {
            name: name.to_owned(),
            read: Login::new(limited(read_options, read_timeout).options(only_read), read.password.clone()),
            act: Login::new(limited(act_options, ACT_STATEMENT), act_password.clone()),
            same_login,
            others: Mutex::default(),
        })
    }

    /// The same server and logins, on another database: with sessions of its own, for a session never changes its database.
    pub fn database(&self, name: &str) -> Arc<Self> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let other = || {
            Arc::new(Self {
                name: self.name.clone(),
                read: self.read.on(name),
                act: self.act.on(name),
                same_login: self.same_login,
                others: Mutex::default(),
            })
        };
        Arc::clone(others.entry(name.to_owned()).or_insert_with(other))
    }

    /// Every password found from now on is hidden by `redactor` too.
    pub(super) fn hide_with(&mut self, redactor: &Redactor) {
        for login in [&mut self.read, &mut self.act] {
            login.hide_with(redactor);
        }
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is and who reads there, as in `db-primary:5432 as quarterdeck`.
    pub fn place(&self) -> String {
        self.read.place()
    }

    /// The host that is read from; empty for a local socket.
    pub fn host(&self) -> &str {
        let options = &self.read.options;
        let socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        if socket { "" } else { options.get_host() }
    }

    /// Where the reading login goes, or the acting one: `db-primary:5432`, `db-primary:5432/app` on another database than the
    /// config's.
    pub fn address(&self, acting: bool) -> String {
        if acting { self.act.server() } else { self.read.server() }
    }

    /// The same with user, database and options, always: `ops@db-primary:5432/app`, `… with sslmode=require, search_path=other`. What a plan is about is told, and
    /// hashed, by this: each of them decides what a statement means.
    pub fn target(&self, acting: bool) -> String {
        if acting { self.act.target() } else { self.read.target() }
    }

    /// Reading and acting use the same user.
    pub fn same_login(&self) -> bool {
        self.same_login
    }

    /// The pool of reading sessions.
    ///
    /// # Errors
    /// When the password can't be found. Errors of the pool itself go to [`Self::explain`].
    pub async fn read(&self) -> Result<PgPool, SourceError> {
        self.read.pool().await
    }

    /// The pool of acting sessions.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn act(&self) -> Result<PgPool, SourceError> {
        self.act.pool().await
    }

    /// A reading session of its own, outside the pool.
    ///
    /// # Errors
    /// When there is no server, or it does not let the login in.
    pub async fn connect_read(&self) -> Result<PgConnection, SourceError> {
        self.connect(&self.read).await
    }

    /// An acting session of its own, outside the pool.
    ///
    /// # Errors
    /// As [`Self::connect_read`].
    pub async fn connect_act(&self) -> Result<PgConnection, SourceError> {
        self.connect(&self.act).await
    }

    /// An acting session of its own, called so on the server.
    ///
    /// # Errors
    /// As [`Self::connect_read`].
    pub async fn connect_as(&self, application: &str) -> Result<PgConnection, SourceError> {
        let options = self.act.options().await?.application_name(application);
        PgConnection::connect_with(&options).await.map_err(|error| self.explain_at(&self.act.place(), &error))
    }

    /// Cancels the statement that an acting session of quarterdeck's own runs, through a second connection: dropping
    /// the future leaves it running. `pid` is that session's `pg_backend_pid()`. False: there was none any more.
    ///
    /// # Errors
    /// When the server can't be reached: then nobody knows whether the statement runs on.
    pub async fn cancel(&self, pid: i32) -> Result<bool, SourceError> {
        let mut connection = self.connect_act().await?;
        let asked = sqlx::query_scalar("SELECT pg_cancel_backend($1)").bind(pid).fetch_one(&mut connection).await;
        let cancelled = asked.map_err(|error| self.explain(&error))?;
        // The answer is here; how the connection ends does not change it.
        let _ = connection.close().await;
        Ok(cancelled)
    }

    /// Asks the server what the logins may do, and says what should be otherwise: one sentence each, with its mend.
    ///
    /// # Errors
    /// When a login can't be asked.
    pub async fn advise(&self) -> Result<Vec<String>, SourceError> {
        let read = self.rights(self.connect_read().await?).await?;
        let act = if self.same_login { None } else { Some(self.rights(self.connect_act().await?).await?) };
        Ok(advice(&self.name, &read, act.as_ref()))
    }

    async fn rights(&self, mut connection: PgConnection) -> Result<Rights, SourceError> {
        let row = sqlx::query(RIGHTS).fetch_one(&mut connection).await;
        let rights = row.and_then(|row| {
            let [superuser, sees_all, may_end] = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
            Ok(Rights { user: row.try_get(0)?, superuser, sees_all, may_end })
        });
        let rights = rights.map_err(|error| self.explain(&error))?;
        let _ = connection.close().await;
        Ok(rights)
    }

    async fn connect(&self, login: &Login) -> Result<PgConnection, SourceError> {
        let options = login.options().await?;
        PgConnection::connect_with(&options).await.map_err(|error| self.explain_at(&login.place(), &error))
    }

    /// What an error of the database driver means, and how to mend it. A password that was refused is asked for again
    /// at the next use: it may have been changed.
    pub fn explain(&self, error: &sqlx::Error) -> SourceError {
        self.explain_at(&self.read.server(), error)
    }

    /// What answers is no PostgreSQL, or something between garbles it.
    pub fn nonsense(&self) -> SourceError {
        let what = format!("what answers at {} makes no sense as PostgreSQL", self.read.server());
        SourceError::new(what, "is it really PostgreSQL, version 12 or later, that listens there?")
    }

    fn explain_at(&self, place: &str, error: &sqlx::Error) -> SourceError {
        if is_refused(error) {
            self.read.forget();
            self.act.forget();
        }
        explain(&format!("[postgres.{}]", self.name), place, &self.read, error)
    }
}

/// The login was not let in: its password may be another one by now.
fn is_refused(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "28P01" | "28000"))
}

/// `table`: where the config has the login.
fn explain(table: &str, place: &str, login: &Login, error: &sqlx::Error) -> SourceError {
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            let what = format!("PostgreSQL at {place} refuses: {} ({code})", refused.message());
            let hint = match (&*code, &login.database) {
                ("3D000", Some(_)) => "name a database of that server in `on=NAME/database`".to_owned(),
                ("42501", Some(name)) => format!("GRANT what it needs in the database {name}"),
                (code, _) => hint(table, code, refused.message()),
            };
            SourceError::new(what, hint)
        }
        sqlx::Error::Io(error) if is_unknown_host(error) => SourceError::new(
            format!("no PostgreSQL answers at {place}: the host name is not known"),
            format!("check the host in dsn of {table}, or PGHOST"),
        ),
        sqlx::Error::Io(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
                _ => error.to_string(),
            };
            let hint = format!("start it, set PGHOST and PGPORT, or write dsn in {table}");
            SourceError::new(format!("no PostgreSQL answers at {place}: {why}"), hint)
        }
        sqlx::Error::PoolTimedOut => SourceError::new(
            format!("PostgreSQL at {place} gave no connection within {} s", ACQUIRE.as_secs()),
            format!(
                "it is down, hangs or takes no more clients, or quarterdeck's pool is at work: {} connections at most",
                login.most
            ),
        ),
        sqlx::Error::Tls(error) => SourceError::new(
            format!("no TLS with PostgreSQL at {place}: {}", root(&**error)),
            "check sslmode and sslrootcert in dsn",
        ),
        error => SourceError::new(
            format!("PostgreSQL at {place}: {}", root(error)),
            "is it really PostgreSQL, version 12 or later, that answers there?",
        ),
    }
}

/// The standard library has no kind of error for it.
fn is_unknown_host(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address information")
}

fn hint(table: &str, code: &str, message: &str) -> String {
    match code {
        "28P01" => format!("set PGPASSWORD or ~/.pgpass, or write password in {table}"),
        "28000" => format!("set PGUSER or write dsn in {table}, and see pg_hba.conf"),
        "3D000" => format!("set PGDATABASE, or name a database at the end of dsn in {table}"),
        "53300" => "every connection is taken: that may be the incident; a superuser still gets in".to_owned(),
        "57P03" | "57P01" | "57P02" => "it is starting or stopping: wait, then see its log".to_owned(),
        "57014" if message.contains("user request") => "somebody cancelled it".to_owned(),
        "57014" => format!("it is too slow just now: raise timeout in {table}"),
        "22021" => format!("name a database with the encoding UTF8 in dsn of {table}: this one has none"),
        "42501" => "GRANT pg_monitor to the reading login".to_owned(),
        _ if message.contains("startup parameter") => {
            "a pooler stands in front: name the server itself, for only it knows its sessions".to_owned()
        }
        _ => "see the server's log".to_owned(),
    }
}

/// What a login may do; a superuser may everything.
struct Rights {
    user: String,
    superuser: bool,
    sees_all: bool,
    may_end: bool,
}

const RIGHTS: &str = "SELECT rolname::text, rolsuper, pg_has_role(oid, 'pg_read_all_stats', 'usage'), \
     pg_has_role(oid, 'pg_signal_backend', 'usage') FROM pg_catalog.pg_roles WHERE rolname = current_user";

fn advice(name: &str, read: &Rights, act: Option<&Rights>) -> Vec<String> {
    let mut said = Vec::new();
    let user = &read.user;
    if read.superuser {
        said.push(format!(
            "postgres/{name} reads as {user}, a superuser, so nothing keeps a check from changing things: \
             CREATE ROLE quarterdeck LOGIN, GRANT pg_monitor TO quarterdeck, and read as that"
        ));
    } else if !read.sees_all {
        said.push(format!(
            "postgres/{name} reads as {user}, who sees only their own sessions: GRANT pg_monitor TO {user}"
        ));
    }
    if act.is_some() && !read.superuser && read.may_end {
        said.push(format!(
            "postgres/{name} reads as {user}, who may end sessions: REVOKE pg_signal_backend FROM {user}"
        ));
    }
    let acting = act.unwrap_or(read);
    if !acting.superuser && !acting.may_end {
        let user = &acting.user;
        said.push(format!(
            "postgres/{name} acts as {user}, who may not end others' sessions: GRANT pg_signal_backend TO {user}"
        ));
    }
    said
}

fn options(table: &str, settings: &LoginSettings) -> Result<PgConnectOptions, SourceError> {
    let options = match &settings.dsn {
        None => match libpq::service()? {
            None => PgConnectOptions::new(),
            Some(service) => PgConnectOptions::from_str(&service).map_err(|_| {
                SourceError::new("the service that PGSERVICE names has a value that is none", "mend its section")
            })?,
        },
        Some(dsn) => parse_dsn(table, dsn)?,
    };
    // The server would take the database named like the user, which a login made for watching has not.
    let options = if options.get_database().is_none() { options.database("postgres") } else { options };
    Ok(options.application_name(APPLICATION).disable_statement_logging())
}

// No message repeats the dsn: it may hold a password, although it must not.
fn parse_dsn(table: &str, dsn: &str) -> Result<PgConnectOptions, SourceError> {
    let wrong = |(why, hint): (String, String)| SourceError::new(format!("dsn in {table} {why}"), hint);
    dsn::check(dsn).map_err(wrong)?;
    let none = || wrong(("is no address".to_owned(), dsn::EXAMPLE.to_owned()));
    let url = dsn::address(dsn).ok_or_else(none)?;
    if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
        return Err(SourceError::new(
            format!("dsn in {table} holds a password, and a config holds no secrets"),
            "take it out and write password = { env = \"NAME\" }, { command = \"…\" } or { file = \"/path\" } beside it",
        ));
    }
    PgConnectOptions::from_str(url.as_str()).map_err(|_| none())
}

/// How logins that go to different places are mended.
const TOGETHER: &str = "write the same host, port, database and search_path in both, since checks ask by dsn what act_as changes; another \
                        server or database is a table of its own";

/// That what reads and what acts go to different places, as `what: mend`; `None`: they do not, or that can't be told yet. Checks, plans and
/// verifications ask by the one what is changed by the other: they must mean the same. Who logs in may differ.
pub fn apart(read: &LoginSettings, act: &LoginSettings) -> Option<String> {
    // What the surroundings say is known when it is opened.
    let both = read.dsn.is_some() && act.dsn.is_some();
    let (read, act) = both.then(|| Some((options("", read).ok()?, options("", act).ok()?)))??;
    differ(&read, &act).map(|what| format!("{what}: {TOGETHER}"))
}

fn differ(read: &PgConnectOptions, act: &PgConnectOptions) -> Option<String> {
    let (read, act) = (whereabouts(read), whereabouts(act));
    (read != act).then(|| format!("act_as goes to {act}, and dsn to {read}"))
}

/// The server, the database and the schemas that names are looked for in.
fn whereabouts(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    let path = session_options(options).into_iter().find(|option| option.starts_with("search_path="));
    let with = path.map(|path| format!(" with {path}")).unwrap_or_default();
    format!("{}/{database}{with}", server_of(options))
}

/// Host and port, or the socket's folder.
fn server_of(options: &PgConnectOptions) -> String {
    let port = options.get_port();
    match options.get_socket() {
        Some(socket) => format!("{} port {port}", socket.display()),
        None if options.get_host().starts_with('/') => format!("{} port {port}", options.get_host()),
        None => format!("{}:{port}", options.get_host()),
    }
}

/// The settings that sessions begin with, as the config has them.
fn session_options(options: &PgConnectOptions) -> Vec<&str> {
    let ours = |option: &&str| LIMITS.iter().any(|name| option.starts_with(name));
    let all = options.get_options().unwrap_or_default().split("-c ").map(str::trim);
    all.filter(|option| !option.is_empty() && !ours(option)).collect()
}

/// The word of a mode that somebody has chosen; `None`: it is the usual one.
fn ssl_mode(options: &PgConnectOptions) -> Option<&'static str> {
    match options.get_ssl_mode() {
        PgSslMode::Prefer => None,
        PgSslMode::Disable => Some("sslmode=disable"),
        PgSslMode::Allow => Some("sslmode=allow"),
        PgSslMode::Require => Some("sslmode=require"),
        PgSslMode::VerifyCa => Some("sslmode=verify-ca"),
        PgSslMode::VerifyFull => Some("sslmode=verify-full"),
    }
}

/// The settings that [`limited`] and the reading login add: they decide how long something may take, and not what it means.
const LIMITS: [&str; 4] =
    ["statement_timeout=", "lock_timeout=", "idle_in_transaction_session_timeout=", "default_transaction_read_only="];

fn limited(options: PgConnectOptions, statement: Duration) -> PgConnectOptions {
    options.options([
        ("statement_timeout", statement.as_millis()),
        ("lock_timeout", LOCK.as_millis()),
        ("idle_in_transaction_session_timeout", FORGOTTEN.as_millis()),
    ])
}

/// One login, its password found at the first use, its pool made then.
pub struct Login {
    options: PgConnectOptions,
    password: Option<Arc<Keeper>>,
    /// The database, when it is another one than the config's.
    database: Option<String>,
    /// The connections that its pool has at most.
    most: u32,
    pool: AsyncMutex<Option<PgPool>>,
}

impl Login {
    fn new(options: PgConnectOptions, password: Option<SecretRef>) -> Self {
        let password = password.map(|password| Arc::new(Keeper::new(password)));
        Self { options, password, database: None, most: CONNECTIONS, pool: AsyncMutex::default() }
    }

    /// A login for what is no source: with `most` connections, and these settings of a session. `table` is where the config has it.
    /// Does not connect.
    ///
    /// # Errors
    /// When the `dsn` can't be read, or holds a password.
    pub fn alone(
        table: &str,
        settings: &LoginSettings,
        most: u32,
        session: &[(&str, &str)],
    ) -> Result<Self, SourceError> {
        let options = options(table, settings)?.options(session.iter().copied());
        Ok(Self { most, ..Self::new(options, settings.password.clone()) })
    }

    /// Every password found from now on is hidden by `redactor` too, also those that libpq's files and variables hold.
    pub fn hide_with(&mut self, redactor: &Redactor) {
        // Nobody else has it yet: other databases come later.
        if let Some(password) = self.password.as_mut().and_then(Arc::get_mut) {
            password.hide_with(redactor);
        }
        let variable = std::env::var("PGPASSWORD").ok().map(Secret::from);
        for password in variable.into_iter().chain(libpq::passwords()) {
            redactor.learn(&password);
        }
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// What an error of the database driver means, and how to mend it. `table` is where the config has the login.
    pub fn explain(&self, table: &str, error: &sqlx::Error) -> SourceError {
        if is_refused(error) {
            self.forget();
        }
        explain(table, &self.place(), self, error)
    }

    /// The same login on another database.
    fn on(&self, database: &str) -> Self {
        let options = self.options.clone().database(database);
        let (password, database) = (self.password.clone(), Some(database.to_owned()));
        Self { options, password, database, most: OTHER_CONNECTIONS, pool: AsyncMutex::default() }
    }

    /// Where it is and who logs in there, as in `db-primary:5432 as quarterdeck`.
    pub fn place(&self) -> String {
        format!("{} as {}", self.server(), self.options.get_username())
    }

    /// Where it is, with the database: `db-primary:5432/app`.
    pub fn server_and_database(&self) -> String {
        match self.database {
            Some(_) => self.server(),
            // A login without a database goes to the one that is called like its user.
            None => format!("{}/{}", self.server(), self.options.get_database().unwrap_or(self.options.get_username())),
        }
    }

    fn server(&self) -> String {
        let server = server_of(&self.options);
        self.database.as_ref().map_or_else(|| server.clone(), |database| format!("{server}/{database}"))
    }

    fn target(&self) -> String {
        let (options, user, server) = (&self.options, self.options.get_username(), self.server_and_database());
        let theirs: Vec<&str> = ssl_mode(options).into_iter().chain(session_options(options)).collect();
        let with = if theirs.is_empty() { String::new() } else { format!(" with {}", theirs.join(", ")) };
        format!("{user}@{server}{with}")
    }

    async fn options(&self) -> Result<PgConnectOptions, SourceError> {
        let options = self.options.clone();
        match &self.password {
            Some(password) => Ok(options.password(password.get().await?.expose_secret())),
            None => Ok(options),
        }
    }

    /// Somebody finding the password just now will find the new one.
    fn forget(&self) {
        if let Some(password) = &self.password {
            password.forget();
        }
    }

    /// One session outside the pool, which tells at once and exactly why there is none. `table` is where the config has the login.
    ///
    /// # Errors
    /// When the password can't be found, there is no server, or it does not let the login in.
    pub async fn connect(&self, table: &str) -> Result<PgConnection, SourceError> {
        let options = self.options().await?;
        match tokio::time::timeout(ACQUIRE, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(|error| self.explain(table, &error)),
            Err(_) => Err(self.explain(table, &sqlx::Error::PoolTimedOut)),
        }
    }

    /// Its connections.
    ///
    /// # Errors
    /// When the password can't be found.
    pub async fn pool(&self) -> Result<PgPool, SourceError> {
        let options = self.options().await?;
        let mut pool = self.pool.lock().await;
        let made = pool.get_or_insert_with(|| pool_options(self.most).connect_lazy_with(options.clone()));
        if self.password.is_some() {
            made.set_connect_options(options);
        }
        Ok(made.clone())
    }

    /// Gives up its connections, of which some may hang: the next use opens new ones. Whoever uses one goes on with it.
    pub async fn hang_up(&self) {
        if let Some(pool) = self.pool.lock().await.take() {
            tokio::spawn(async move { pool.close().await });
        }
    }
}

fn pool_options(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(UNUSED)
        .max_lifetime(Duration::from_mins(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(dsn: &str) -> LoginSettings {
        LoginSettings { dsn: Some(dsn.to_owned()), password: None }
    }

    fn new(read: &str, act: Option<&str>) -> Result<Postgres, SourceError> {
        Postgres::new("primary", &login(read), act.map(login).as_ref(), Duration::from_secs(5))
    }

    #[test]
    fn a_password_in_the_config_is_refused_and_not_repeated() {
        for dsn in [
            "postgres://me:hunter2@db/app",
            "postgres://me@db/app?password=hunter2",
            "me:hunter2@db",
            "x://a:hunter2@b",
        ] {
            let error = new(dsn, None).err().unwrap();
            assert!(error.what.starts_with("dsn in [postgres.primary] "), "{}", error.what);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn one_login_or_two() {
        let one = "postgres://quarterdeck@db:5433/app";
        assert!(new(one, None).unwrap().same_login());
        assert!(new(one, Some(one)).unwrap().same_login());
        let two = new(one, Some("postgres://ops@db:5433/app")).unwrap();
        assert!(!two.same_login());
        assert_eq!(two.place(), "db:5433 as quarterdeck");
        assert_eq!(two.act.place(), "db:5433 as ops");
    }

    #[test]
    fn what_acts_goes_where_what_reads_asks() {
        let one = "postgres://quarterdeck@db:5433/app";
        for (other, where_to) in [
            ("postgres://ops@db-2:5433/app", "db-2:5433/app"),
            ("postgres://ops@db:5432/app", "db:5432/app"),
            ("postgres://ops@db:5433/billing", "db:5433/billing"),
            ("postgres://ops@db:5433", "db:5433/postgres"),
            ("postgres:///app?host=/run/db&port=5433", "/run/db port 5433/app"),
            ("postgres://ops@db:5433/app?options[search_path]=old", "db:5433/app with search_path=old"),
        ] {
            let error = new(one, Some(other)).err().unwrap();
            let what = format!("[postgres.primary]: act_as goes to {where_to}, and dsn to db:5433/app");
            assert_eq!(error.what, what, "{other}");
            assert!(error.hint.contains("the same host, port, database"), "{}", error.hint);
        }
        for same in ["host=db port=5433 dbname=app user=ops", "postgres://ops@db:5433/app?sslmode=require"] {
            assert!(new(one, Some(same)).is_ok(), "{same}");
        }
    }

    #[test]
    fn a_target_tells_all_that_decides_what_a_statement_means() {
        let target = |dsn: &str| new(dsn, None).unwrap().target(true);
        let plain = "postgres://ops@db:5433/app";
        assert_eq!(target(plain), "ops@db:5433/app");
        assert_eq!(new(plain, None).unwrap().target(false), "ops@db:5433/app", "its own limits are no part of it");
        for (more, with) in [
            ("sslmode=disable", "sslmode=disable"),
            ("sslmode=verify-full", "sslmode=verify-full"),
            ("options[search_path]=old", "search_path=old"),
            ("options=-c%20search_path=old%20-c%20role=boss", "search_path=old, role=boss"),
            ("sslmode=require&options[role]=boss", "sslmode=require, role=boss"),
        ] {
            assert_eq!(target(&format!("{plain}?{more}")), format!("ops@db:5433/app with {with}"));
        }
    }

    #[test]
    fn only_reading_sessions_are_read_only() {
        let postgres = new("postgres://quarterdeck@db/app", None).unwrap();
        let read = postgres.read.options.get_options().unwrap();
        assert!(read.contains("statement_timeout=5000") && read.contains("default_transaction_read_only=on"), "{read}");
        let act = postgres.act.options.get_options().unwrap();
        assert!(act.contains("statement_timeout=30000") && act.contains("lock_timeout=2000"), "{act}");
        assert!(!act.contains("read_only"), "{act}");
        assert_eq!(postgres.read.options.get_application_name(), Some("quarterdeck"));
    }

    #[test]
    fn another_database_has_the_same_logins_and_sessions_of_its_own() {
        let server = new("postgres://quarterdeck@db:5433/app", Some("postgres://ops@db:5433/app")).unwrap();
        let other = server.database("billing");
        assert_eq!((other.name(), other.place().as_str()), ("primary", "db:5433/billing as quarterdeck"));
        assert_eq!(other.address(true), "db:5433/billing");
        assert!(other.target(true).ends_with("@db:5433/billing"), "{}", other.target(true));
        assert_eq!(other.act.options.get_database(), Some("billing"));
        assert_eq!(other.act.options.get_options(), server.act.options.get_options());
        assert!(Arc::ptr_eq(&other, &server.database("billing")) && !Arc::ptr_eq(&other, &server.database("app")));
    }

    #[test]
    fn a_database_that_nobody_named_is_the_one_that_always_is() {
        assert_eq!(options("t", &login("postgres://me@db")).unwrap().get_database(), Some("postgres"));
        assert_eq!(options("t", &login("postgres://me@db/app")).unwrap().get_database(), Some("app"));
    }

    #[test]
    fn a_user_that_nobody_named_is_the_one_who_runs_it() {
        let user = std::env::var("PGUSER").unwrap_or_else(|_| whoami::username().unwrap());
        assert_eq!(options("t", &LoginSettings::default()).unwrap().get_username(), user);
        assert_ne!(user, "anonymous");
    }

    fn rights(user: &str, [superuser, sees_all, may_end]: [bool; 3]) -> Rights {
        Rights { user: user.to_owned(), superuser, sees_all, may_end }
    }

    #[test]
    fn advice_names_login_and_mend() {
        let [good, ops] = [rights("q", [false, true, false]), rights("ops", [false, true, true])];
        assert_eq!(advice("a", &good, Some(&ops)), Vec::<String>::new());
        assert!(advice("a", &rights("q", [true; 3]), Some(&ops))[0].contains("a superuser"));
        let blind = advice("a", &rights("q", [false; 3]), None);
        assert!(blind[0].ends_with("GRANT pg_monitor TO q"), "{blind:?}");
        assert!(blind[1].ends_with("GRANT pg_signal_backend TO q"), "{blind:?}");
        assert!(advice("a", &ops, Some(&ops))[0].ends_with("REVOKE pg_signal_backend FROM ops"));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_the_mend() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let postgres = new(&format!("postgres://me@127.0.0.1:{port}/app"), None).unwrap();
        let error = postgres.connect_read().await.unwrap_err();
        assert_eq!(error.what, format!("no PostgreSQL answers at 127.0.0.1:{port} as me: nothing listens there"));
        let postgres = new("postgres://me@/app?host=/nowhere&port=5432", None).unwrap();
        let error = postgres.connect_read().await.unwrap_err();
        assert_eq!(error.what, "no PostgreSQL answers at /nowhere port 5432 as me: there is no such socket");
    }

    #[test]
    fn a_host_name_that_nobody_knows_is_no_server_to_start() {
        let postgres = new("postgres://me@db-primray/app", None).unwrap();
        let why = "failed to lookup address information: Name or service not known";
        let error = postgres.explain(&sqlx::Error::Io(std::io::Error::other(why)));
        assert_eq!(error.what, "no PostgreSQL answers at db-primray:5432: the host name is not known");
        assert_eq!(error.hint, "check the host in dsn of [postgres.primary], or PGHOST");
    }
}
