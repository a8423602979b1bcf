//! A PostgreSQL server: its sessions, locks, replication and databases; versions 12 to 17.
//!
//! Asks on one kept connection, so that it still sees the sessions when no new connection is to be had. What blocks a
//! session is asked only of those that wait for a lock: `pg_blocking_pids` takes the lock manager's own locks. What changes
//! slowly is asked less often, and may fail alone.

mod answers;
mod extras;
mod parse;
mod rates;
mod statements;
mod waits;

use super::{Part, Source, SourceKind, pace};
use crate::connect::postgres::{APPLICATION, LoginSettings, apart};
use crate::connect::{Connections, Postgres, dsn};
use crate::domain::secret::SecretRef;
use crate::domain::{Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use extras::Extras;
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Error, IntoDeserializer};
use sqlx::PgConnection;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "postgres",
    doc: "A PostgreSQL server: its sessions and what they wait for, its connections, replication and databases.",
    example: EXAMPLE,
    read: Some(read),
    schema: Some(super::schema::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[postgres.primary]
# Where it is and who reads, without a password. Absent: PGSERVICE or the PG* variables, else the local socket and the current user.
dsn = "postgres://quarterdeck@db-primary/app"
# Where the password is: { env = "NAME" }, { command = "…" } or { file = "/path" }. Absent: PGPASSWORD or ~/.pgpass.
password = { command = "pass show db/quarterdeck" }
# The login that may act (cancel, terminate), on the same host, port and database; the one above then only reads. Absent: one login does both.
act_as = { dsn = "postgres://quarterdeck_ops@db-primary/app", password = { env = "OPS_PASSWORD" } }
# How often it is asked, 250ms to 1h.
interval = "1s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
"#;

/// `[postgres.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `postgres://user@host:port/database` or `host=… port=… user=… dbname=…`, without a password.
    #[serde(deserialize_with = "dsn::deserialize")]
    #[schemars(with = "Option<String>")]
    pub dsn: Option<String>,
    /// Where the password of `dsn` is.
    pub password: Option<SecretRef>,
    /// The login that acts.
    pub act_as: Option<LoginSettings>,
    /// Time from poll to poll.
    #[serde(deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// When a poll is given up; the limit of each statement too.
    #[serde(deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let [interval, timeout] = [Duration::from_secs(1), Duration::from_secs(5)];
        Self { dsn: None, password: None, act_as: None, interval, timeout }
    }
}

impl Settings {
    fn connect(&self, name: &str) -> Result<Postgres, SourceError> {
        Postgres::new(name, &self.login(), self.act_as.as_ref(), self.timeout)
    }

    /// What reads.
    fn login(&self) -> LoginSettings {
        LoginSettings { dsn: self.dsn.clone(), password: self.password.clone() }
    }
}

/// Reads a table; one whose two logins go to different places is none.
fn read(table: toml::Spanned<toml::de::DeValue<'_>>) -> Result<Box<dyn super::Settings>, toml::de::Error> {
    let settings = Settings::deserialize(table.into_deserializer())?;
    match settings.act_as.as_ref().and_then(|act| apart(&settings.login(), act)) {
        Some(what) => Err(Error::custom(what)),
        None => Ok(Box::new(settings)),
    }
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Databases, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let server = connections.add_postgres(self.connect(id.name())?);
        let (timeout, extras) = (self.timeout, Extras::default());
        Ok(vec![Box::new(Sessions { server, timeout, connection: None, extras })])
    }

    fn advice(&self) -> Vec<String> {
        let one_login = self.connect("name").is_ok_and(|server| server.same_login());
        let advice = "reading and acting use the same login, so nothing but quarterdeck itself keeps a check from \
                      changing things: name a login that may act as act_as, and let this one only read";
        if one_login { vec![advice.to_owned()] } else { Vec::new() }
    }
}

struct Sessions {
    server: Arc<Postgres>,
    timeout: Duration,
    /// Kept from one good poll to the next. Taken out while it is used: a poll that is given up must not leave half an
    /// answer on it.
    connection: Option<PgConnection>,
    extras: Extras,
}

impl Sessions {
    async fn ask(&mut self, connection: &mut PgConnection) -> Result<Snapshot, sqlx::Error> {
        let server: parse::Server = sqlx::query_as(statements::SERVER).fetch_one(&mut *connection).await?;
        let rows = sqlx::query_as(statements::SESSIONS).bind(APPLICATION).fetch_all(&mut *connection).await?;
        let mut database = parse::database(&server, rows);
        self.server.host().clone_into(&mut database.host);
        self.extras.add(connection, &server, &mut database, self.timeout).await?;
        database.note_blockers();
        Ok(Snapshot::Database(database))
    }

    async fn look(&mut self) -> Result<Snapshot, SourceError> {
        if let Some(mut kept) = self.connection.take()
            && let Ok(snapshot) = self.ask(&mut kept).await
        {
            self.connection = Some(kept);
            return Ok(snapshot);
        }
        // The server was restarted, or ended the session: that alone is no failure.
        let mut connection = self.server.connect_read().await?;
        let snapshot = self.ask(&mut connection).await.map_err(|error| self.server.explain(&error))?;
        self.connection = Some(connection);
        Ok(snapshot)
    }
}

#[async_trait]
impl Source for Sessions {
    fn place(&self) -> String {
        format!("PostgreSQL at {}", self.server.address(false))
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        // The driver panics over some answers that no PostgreSQL gives.
        let looked = AssertUnwindSafe(self.look()).catch_unwind().await;
        looked.unwrap_or_else(|_| Err(self.server.nonsense()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Settings as _;

    #[test]
    fn one_login_for_both_is_advised_against() {
        let dsn = |user: &str| Some(format!("postgres://{user}@db/app"));
        let one = Settings { dsn: dsn("q"), ..Settings::default() };
        assert!(one.advice()[0].contains("act_as"), "{:?}", one.advice());
        let ops = LoginSettings { dsn: dsn("ops"), password: None };
        assert_eq!(Settings { act_as: Some(ops), ..one }.advice(), Vec::<String>::new());
    }

    #[test]
    fn opening_registers_the_server_for_the_steps() {
        let mut connections = Connections::default();
        let settings = Settings { dsn: Some("postgres://q@db/app".into()), ..Settings::default() };
        settings.open(&SourceId::new("postgres", "primary"), &mut connections).unwrap();
        assert!(connections.need_postgres("primary").unwrap().same_login());
    }
}
