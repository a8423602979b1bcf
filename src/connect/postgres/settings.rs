//! What a config says of a login, and the options of a session that it makes.

use super::APPLICATION;
use crate::connect::{dsn, libpq};
use crate::domain::SourceError;
use crate::domain::secret::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::str::FromStr;
use std::time::Duration;

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

pub(super) fn options(table: &str, settings: &LoginSettings) -> Result<PgConnectOptions, SourceError> {
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
pub(super) const TOGETHER: &str = "write the same host, port, database and search_path in both, since checks ask by dsn what act_as changes; another \
                        server or database is a table of its own";

/// That what reads and what acts go to different places, as `what: mend`; `None`: they do not, or that can't be told yet. Checks, plans and
/// verifications ask by the one what is changed by the other: they must mean the same. Who logs in may differ.
pub fn apart(read: &LoginSettings, act: &LoginSettings) -> Option<String> {
    // What the surroundings say is known when it is opened.
    let both = read.dsn.is_some() && act.dsn.is_some();
    let (read, act) = both.then(|| Some((options("", read).ok()?, options("", act).ok()?)))??;
    differ(&read, &act).map(|what| format!("{what}: {TOGETHER}"))
}

pub(super) fn differ(read: &PgConnectOptions, act: &PgConnectOptions) -> Option<String> {
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
pub(super) fn server_of(options: &PgConnectOptions) -> String {
    let port = options.get_port();
    match options.get_socket() {
        Some(socket) => format!("{} port {port}", socket.display()),
        None if options.get_host().starts_with('/') => format!("{} port {port}", options.get_host()),
        None => format!("{}:{port}", options.get_host()),
    }
}

/// The settings that sessions begin with, as the config has them.
pub(super) fn session_options(options: &PgConnectOptions) -> Vec<&str> {
    let ours = |option: &&str| LIMITS.iter().any(|name| option.starts_with(name));
    let all = options.get_options().unwrap_or_default().split("-c ").map(str::trim);
    all.filter(|option| !option.is_empty() && !ours(option)).collect()
}

/// The word of a mode that somebody has chosen; `None`: it is the usual one.
pub(super) fn ssl_mode(options: &PgConnectOptions) -> Option<&'static str> {
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

pub(super) fn limited(options: PgConnectOptions, statement: Duration) -> PgConnectOptions {
    options.options([
        ("statement_timeout", statement.as_millis()),
        ("lock_timeout", LOCK.as_millis()),
        ("idle_in_transaction_session_timeout", FORGOTTEN.as_millis()),
    ])
}
