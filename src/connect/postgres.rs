//! PostgreSQL servers: who reads, who acts, the pools of both, and what a failure means.
//!
//! Reading sessions start with `default_transaction_read_only=on`. That is a guard against slips, not against intent (a
//! function can change things all the same): what holds is a login that may not. So `act_as` names a second one.

mod explain;
mod login;
mod rights;
mod settings;
#[cfg(test)]
mod tests;

pub use login::Login;
pub use settings::{LoginSettings, apart};

use crate::domain::SourceError;
use crate::redact::Redactor;
use explain::{explain, is_refused};
use rights::{RIGHTS, Rights, advice};
use settings::{TOGETHER, differ, limited, options};
use sqlx::{Connection, PgConnection, PgPool, Row};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How quarterdeck's own sessions are called on the server: they are told from the others by it.
pub const APPLICATION: &str = "quarterdeck";
/// Longest statement of an acting session, unless its step says otherwise.
const ACT_STATEMENT: Duration = Duration::from_secs(30);

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
        self.read.host()
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
