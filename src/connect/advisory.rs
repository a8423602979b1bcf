//! A lock on a PostgreSQL database itself (`pg_try_advisory_lock`), so that teams whose journals differ exclude each other.
//!
//! A session of its own holds it for as long as a run takes; its name on the server tells which run that is and whose. When its line breaks the
//! server gives the lock away: it is taken again before the next change, or that change is refused. Behind a pooler that lends sessions
//! by transactions it holds nothing.

use super::Postgres;
use crate::domain::SourceError;
use crate::domain::text::{clean, truncate};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgExecutor, Row};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Longest wait for an answer about a lock: quarterdeck is used when servers are slow.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an application's name that the server keeps.
const NAME: usize = 63;

/// It does not end by itself while nothing is asked of it, and the server finds out soon when nobody is there any more.
const SESSION: &str = "SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '15' WHEN 'tcp_keepalives_interval' THEN '5'
         WHEN 'tcp_keepalives_count' THEN '3' ELSE '0' END, false)
     FROM pg_settings WHERE name IN ('idle_session_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')";
const HOLDER: &str = "SELECT application_name, usename::text AS login, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since
     FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32) | objid::bigint = $1 AND pid <> pg_backend_pid() LIMIT 1";

/// A database that is held, or was.
pub struct Advisory {
    /// `database/primary`.
    resource: String,
    /// What the session is called.
    name: String,
    session: Mutex<PgConnection>,
}

/// Why it is not held.
#[derive(Clone, Debug)]
pub enum Not {
    /// Somebody else has it: who, in a sentence.
    Held(String),
    /// Nobody could be asked.
    Unreached(SourceError),
}

impl Advisory {
    /// Takes it. `name` is what the server shows of the session: `quarterdeck run 1a2b3c by ada@bastion`.
    ///
    /// # Errors
    /// When somebody else has it, or the server can't be asked.
    pub async fn take(server: &Postgres, resource: &str, name: &str) -> Result<Self, Not> {
        let name = truncate(&clean(name), NAME).to_string();
        let session = timeout(PATIENCE, open(server, resource, &name)).await.map_err(|_| too_slow(server))??;
        Ok(Self { resource: resource.to_owned(), name, session: Mutex::new(session) })
    }

    /// Sees whether the session is still there; if it is not, takes the lock again.
    ///
    /// # Errors
    /// When it is lost, and can't be taken again: who has it, or why.
    pub async fn check(&self, server: &Postgres) -> Result<(), Not> {
        let mut session = self.session.lock().await;
        if matches!(timeout(PATIENCE, session.ping()).await, Ok(Ok(()))) {
            return Ok(());
        }
        let again = timeout(PATIENCE, open(server, &self.resource, &self.name)).await;
        *session = again.map_err(|_| too_slow(server))??;
        Ok(())
    }

    /// Gives it back, by ending the session.
    pub async fn release(self) {
        let mut session = self.session.into_inner();
        // The server gives it back when the line is gone, too; but whoever comes next shall find it free.
        let _ = timeout(PATIENCE, sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session)).await;
        let _ = timeout(PATIENCE, session.close()).await;
    }
}

async fn open(server: &Postgres, resource: &str, name: &str) -> Result<PgConnection, Not> {
    let mut session = server.connect_as(name).await.map_err(Not::Unreached)?;
    let explain = |error: sqlx::Error| Not::Unreached(server.explain(&error));
    sqlx::query(SESSION).execute(&mut session).await.map_err(explain)?;
    let key = key_of(&mut session).await.map_err(explain)?;
    let took = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(&mut session).await;
    if took.map_err(explain)? {
        return Ok(session);
    }
    let holder = who(&mut session, key).await.map_err(explain)?;
    Err(Not::Held(held(resource, holder.as_deref())))
}

/// Who holds a database, as the reading login sees it, in a sentence; `None`: nobody does.
///
/// # Errors
/// When the server can't be asked within five seconds.
pub async fn holder(server: &Postgres, resource: &str) -> Result<Option<String>, SourceError> {
    let asked = async {
        let pool = server.read().await?;
        let mut session = pool.acquire().await.map_err(|error| server.explain(&error))?;
        let key = key_of(&mut *session).await.map_err(|error| server.explain(&error))?;
        let found = who(&mut *session, key).await.map_err(|error| server.explain(&error))?;
        Ok(found.map(|who| held(resource, Some(&who))))
    };
    match timeout(PATIENCE, asked).await {
        Ok(found) => found,
        Err(_) => Err(SourceError::new(format!("{} does not answer", server.place()), "see whether it is at work")),
    }
}

/// The key of the database that a session is on: the same from everywhere, whatever a config calls it.
async fn key_of(session: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    let database: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(session).await?;
    Ok(key(&database))
}

/// The first eight bytes of the SHA-256 of a name that nobody else uses.
fn key(database: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(format!("quarterdeck/lock/database/{database}")).into();
    i64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

async fn who(session: impl PgExecutor<'_>, key: i64) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(HOLDER).bind(key).fetch_optional(session).await?;
    row.map(|row| {
        let (name, login): (String, String) = (row.try_get("application_name")?, row.try_get("login")?);
        let since: Option<Timestamp> = row.try_get::<Option<String>, _>("since")?.and_then(|since| since.parse().ok());
        let since = since.map_or_else(String::new, |since| format!(" since {}", since.strftime("%H:%M:%S UTC")));
        Ok(format!("{name:?} (login {login}){since}"))
    })
    .transpose()
}

fn held(resource: &str, who: Option<&str>) -> String {
    let who = who.map_or_else(|| "a session that has just ended".to_owned(), |who| clean(who).into_owned());
    format!("{} is held on the database itself by {who}", clean(resource))
}

fn too_slow(server: &Postgres) -> Not {
    Not::Unreached(SourceError::new(format!("{} does not answer", server.place()), "see whether it is at work"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_same_for_every_quarterdeck() {
        assert_eq!(key("app"), key("app"));
        assert_ne!(key("app"), key("apps"));
        assert_eq!(key("postgres"), i64::from_be_bytes(first("quarterdeck/lock/database/postgres")));
    }

    fn first(text: &str) -> [u8; 8] {
        let hash: [u8; 32] = Sha256::digest(text).into();
        [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]
    }
}
