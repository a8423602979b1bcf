//! The journal of a team: one PostgreSQL database that all of them share, from whichever machine.
//!
//! The server says who somebody is (`session_user`), what time it is for locks, and who is alive: a process is while it is heard of.
//! An append is one statement, so that a line that breaks leaves it done or not done, and asking tells which. Nothing is opened before it
//! is used, and what could not be reached is tried again at the next use.

mod approval;
mod fault;
mod lease;
mod line;
mod others;
mod read;
mod rights;
pub mod schema;

pub(super) use line::Failed;
pub use read::Reader;
pub use rights::{Rights, rights};

use super::attending::{Attending, Meant};
use super::chain::Hand;
use super::lease::{Grant, Lease, Taken};
use super::process::{Process, actor};
use super::{Journal, JournalError, Others, chain};
use crate::clock;
use crate::connect::postgres::{Login, LoginSettings};
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::redact::Redactor;
use crate::runbook::Approval;
use crate::runbook::approvals::Request;
use async_trait::async_trait;
use serde_json::json;
use sqlx::{PgPool, Row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

/// Where the config has the login.
pub const TABLE: &str = "[journal.postgres]";
/// Connections at most: one listens, one writes, one reads.
const CONNECTIONS: u32 = 3;
/// For so long an append goes on over a broken line before it fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(200);
/// A process says so often that it lives; the server counts it dead after 45 s of silence.
const BEAT: Duration = Duration::from_secs(10);
/// What a session asks of the server. An append waits for others no longer than this, and counts once it is on disk there.
const SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "20000"),
    ("lock_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "10000"),
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
];

/// The login of a team's journal. Does not connect.
///
/// # Errors
/// When the `dsn` can't be read, or holds a password.
pub fn login(settings: &LoginSettings, redactor: &Redactor) -> Result<Login, JournalError> {
    let login = Login::alone(TABLE, settings, CONNECTIONS, &SESSION);
    let mut login = login.map_err(|error| JournalError::new(error.what, error.hint))?;
    login.hide_with(redactor);
    Ok(login)
}

/// A team's journal, as one writer of it. A clone is the same writer.
#[derive(Clone)]
pub struct PostgresJournal {
    inner: Arc<Inner>,
}

struct Inner {
    login: Arc<Login>,
    reader: Reader,
    env: String,
    redactor: Redactor,
    writer: Uuid,
    process: Process,
    /// Host and user of this machine; the name in records is the login's.
    here: Actor,
    attending: Attending,
    /// The tables are those of this version.
    seen: OnceCell<()>,
    /// Who writes, once the chain has begun.
    begun: OnceCell<Actor>,
    /// Number and hash of this chain's last record, when they are known for certain.
    head: Mutex<Option<(u64, String)>>,
    /// The server is told that this process lives.
    beating: AtomicBool,
}

impl PostgresJournal {
    /// Begins nothing yet: the first use does. What `redactor` knows, now or later, is hidden in every record.
    ///
    /// # Errors
    /// When the login can't be one.
    pub fn new(settings: &LoginSettings, env: &str, redactor: Redactor) -> Result<Self, JournalError> {
        Self::new_as(settings, env, redactor, actor(), Process::this())
    }

    /// The same in the name of another person or process: for tests of what happens when a process has died.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_as(
        settings: &LoginSettings,
        env: &str,
        redactor: Redactor,
        here: Actor,
        process: Process,
    ) -> Result<Self, JournalError> {
        let login = Arc::new(login(settings, &redactor)?);
        let inner = Inner {
            reader: Reader::over(Arc::clone(&login)),
            login,
            env: env.to_owned(),
            redactor,
            writer: Uuid::new_v4(),
            process,
            here,
            attending: Attending::default(),
            seen: OnceCell::new(),
            begun: OnceCell::new(),
            head: Mutex::new(None),
            beating: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of this process's chain.
    pub fn writer(&self) -> Uuid {
        self.inner.writer
    }

    /// For reading everything that is there.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// As [`Journal::renew`]; for how long the server has granted it: less than was asked for when it is to be taken over before. While the
    /// server can't be reached it is used for so long and no longer.
    pub(super) async fn grant(
        &self,
        run: RunId,
        grants: &[Grant],
        ttl: Duration,
    ) -> Result<Option<Duration>, JournalError> {
        let (inner, grants) = (Arc::clone(&self.inner), grants.to_vec());
        self.whole(async move { inner.renew(run, &grants, ttl).await }).await
    }

    async fn append_meant(&self, meant: Meant) -> Result<Record, JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole(async move { inner.append(meant).await }).await
    }

    /// Does it in a task of its own: a caller that stops waiting leaves it done or not done.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, JournalError>> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.inner.ready().await?;
        tokio::spawn(work).await.unwrap_or_else(|cut| {
            let what = format!("the journal at {}: it was cut off ({cut})", self.inner.login.place());
            Err(JournalError::new(what, "try again"))
        })
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn attend(&self, incident: Option<IncidentId>) {
        self.inner.attending.set(incident);
    }

    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        self.append_meant(self.inner.attending.meant(entry, self).await).await
    }

    async fn append_to(&self, incident: IncidentId, entry: Entry) -> Result<Record, JournalError> {
        self.append_meant(Meant::to(incident, entry)).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.recent(limit).await
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.of_incidents(limit).await
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.unfinished(self.inner.writer).await
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.open_runs().await
    }

    async fn host(&self) -> Option<String> {
        Some(self.inner.here.host.clone())
    }

    async fn only_looks(&self) -> Option<String> {
        if self.inner.begun.initialized() {
            return None;
        }
        let rights = rights(&self.inner.reader).await.ok()?;
        if rights.appends {
            // That it is here is recorded; if it can't be, the next append says why.
            let _ = self.inner.ready().await;
        }
        rights.only_looks()
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole(async move { inner.claim(run).await }).await
    }

    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        let inner = Arc::clone(&self.inner);
        let meant = inner.attending.meant(entry, self).await;
        self.whole(async move { inner.reopen(meant).await }).await
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.inner.reader.of_run(run).await
    }

    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        let (inner, resources) = (Arc::clone(&self.inner), resources.to_vec());
        self.whole(async move { inner.take(run, &resources, ttl).await }).await
    }

    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        self.grant(run, grants, ttl).await.map(|granted| granted.is_some())
    }

    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole(async move { inner.release(run).await }).await
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        self.inner.reader.held(resources).await
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        self.inner.reader.locked().await
    }

    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole(async move { inner.pass(wanted).await }).await
    }

    async fn decide(&self, entry: Entry) -> Result<Record, JournalError> {
        self.append(entry).await
    }

    async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.approval(plan_hash).await
    }

    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        self.inner.seen().await?;
        self.inner.reader.approvals().await
    }

    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        Ok(Some(Box::new(others::Following::new(self.inner.reader.clone(), self.inner.writer, after).await)))
    }
}

impl Inner {
    /// Refuses tables of another version. For reading that is all: it needs no chain.
    async fn seen(&self) -> Result<(), JournalError> {
        self.seen.get_or_try_init(|| schema::check(&self.login)).await.copied()
    }

    /// Begins this process's chain, if it has not begun.
    async fn ready(self: &Arc<Self>) -> Result<&Actor, JournalError> {
        self.begun.get_or_try_init(|| self.begin()).await
    }

    async fn begin(self: &Arc<Self>) -> Result<Actor, JournalError> {
        self.seen().await?;
        let pool = self.reader.pool().await?;
        let (name, ahead) = self.hello(&pool).await.map_err(|error| self.explain("begin a chain in", &error))?;
        let actor = Actor { name, ..self.here.clone() };
        self.add(&pool, Meant { entry: self.opening(ahead), incident: self.attending.now() }, &actor).await?;
        if !self.beating.swap(true, Ordering::AcqRel) {
            tokio::spawn(beat(Arc::downgrade(self)));
        }
        Ok(actor)
    }

    /// Who logged in, by the server, and how far its clock is ahead of this machine's, in milliseconds.
    async fn hello(&self, pool: &PgPool) -> sqlx::Result<(String, i64)> {
        let asked = clock::now().wall;
        let begin = sqlx::query("SELECT * FROM quarterdeck.begin($1::uuid, $2)").bind(self.writer.to_string());
        let row = begin.bind(&self.process.boot).fetch_one(pool).await?;
        Ok((row.try_get("o_login")?, line::ahead(asked, row.try_get("o_now")?)))
    }

    fn opening(&self, ahead_ms: i64) -> Entry {
        let mut data = serde_json::to_value(&self.process).unwrap_or_default();
        data["user"] = json!(self.here.name);
        data["clock_ahead_ms"] = json!(ahead_ms);
        let kind = RecordKind::JournalOpen;
        Entry { kind, run: None, step: None, role: None, target: None, env: self.env.clone(), data }
    }

    async fn append(self: &Arc<Self>, meant: Meant) -> Result<Record, JournalError> {
        let actor = self.ready().await?;
        let mut entry = self.redactor.entry(meant.entry);
        entry.data = chain::settle(entry.data);
        self.add(&self.reader.pool().await?, Meant { entry, ..meant }, actor).await
    }

    /// One that has an end nobody drives; of two who take it up at once the server lets in the first.
    async fn reopen(self: &Arc<Self>, meant: Meant) -> Result<Option<Record>, JournalError> {
        let run = meant.entry.run.unwrap_or(RunId(Uuid::nil()));
        if self.is_driven(run).await? && !self.claim(run).await? {
            return Ok(None);
        }
        match self.append(meant).await {
            Err(_) if self.is_driven(run).await? => Ok(None),
            appended => appended.map(Some),
        }
    }

    /// A run has no end, and another process than this one is to see to it.
    async fn is_driven(&self, run: RunId) -> Result<bool, JournalError> {
        Ok(self.reader.driven(Some(run)).await?.iter().any(|open| open.driver != self.writer))
    }

    /// One after the other; after a failure the server is asked where the chain stands.
    async fn add(&self, pool: &PgPool, meant: Meant, actor: &Actor) -> Result<Record, JournalError> {
        let mut head = self.head.lock().await;
        let (seq, prev) = match head.take() {
            Some(known) => known,
            None => self.last(pool).await.map_err(|error| self.explain("append a record to", &error))?,
        };
        let hand = Hand { writer: self.writer, actor: actor.clone(), incident: meant.incident };
        let record = chain::link(clock::now(), hand, seq + 1, prev, meant.entry);
        self.store(pool, &record, PATIENCE).await.map_err(|error| {
            let error = self.explain("append a record to", &error);
            fault::resuming(error, record.entry.run)
        })?;
        *head = Some((record.seq, record.hash.clone()));
        Ok(record)
    }

    /// Goes on over a broken line: whether the record is there is asked, and only what is not there is sent again.
    async fn store(&self, pool: &PgPool, record: &Record, patience: Duration) -> sqlx::Result<()> {
        let end = Instant::now() + patience;
        let mut doubtful = false;
        loop {
            let failed = match insert(pool, record).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            doubtful |= fault::is_broken_line(&failed);
            if !doubtful {
                return Err(failed);
            }
            match self.last(pool).await {
                Ok((_, hash)) if hash == record.hash => return Ok(()),
                Ok(_) if !fault::is_broken_line(&failed) => return Err(failed),
                Ok(_) | Err(_) if Instant::now() < end => sleep(AGAIN).await,
                Ok(_) | Err(_) => return Err(failed),
            }
        }
    }

    /// Number and hash of this chain's last record.
    async fn last(&self, pool: &PgPool) -> sqlx::Result<(u64, String)> {
        let last = "SELECT seq, hash FROM quarterdeck.record WHERE writer = $1::uuid ORDER BY seq DESC LIMIT 1";
        let last: Option<(i64, String)> =
            sqlx::query_as(last).bind(self.writer.to_string()).fetch_optional(pool).await?;
        Ok(last.map_or_else(|| (0, chain::GENESIS.to_owned()), |(seq, hash)| (seq.unsigned_abs(), hash)))
    }

    fn explain(&self, doing: &str, error: &sqlx::Error) -> JournalError {
        fault::explain(&self.login, doing, error)
    }
}

/// `place`, `actor_name` and `stored` are the server's.
async fn insert(pool: &PgPool, record: &Record) -> sqlx::Result<()> {
    let entry = &record.entry;
    sqlx::query(
        "INSERT INTO quarterdeck.record (writer, seq, id, prev, hash, at, mono_ms, incident, actor_uid, actor_host, \
         kind, run, step, role, target, env, data) VALUES ($1::uuid, $2, $3::uuid, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12::uuid, $13, $14, $15, $16, $17)",
    )
    .bind(record.writer.to_string())
    .bind(i64::try_from(record.seq).unwrap_or(i64::MAX))
    .bind(record.id.to_string())
    .bind(&record.prev)
    .bind(&record.hash)
    .bind(record.at.to_string())
    .bind(i64::try_from(record.mono_ms).unwrap_or(i64::MAX))
    .bind(&record.incident)
    .bind(i64::from(record.actor.uid))
    .bind(&record.actor.host)
    .bind(entry.kind.word())
    .bind(entry.run.map(|run| run.to_string()))
    .bind(&entry.step)
    .bind(&entry.role)
    .bind(&entry.target)
    .bind(&entry.env)
    .bind(chain::canonical(&entry.data))
    .execute(pool)
    .await?;
    Ok(())
}

/// Says that this process lives, as long as somebody has its journal.
async fn beat(inner: Weak<Inner>) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let Ok(pool) = inner.reader.pool().await else { continue };
        let said = sqlx::query("SELECT quarterdeck.beat($1::uuid)").bind(inner.writer.to_string()).execute(&pool).await;
        if let Err(error) = said {
            tracing::warn!(%error, "the journal was not told that this process lives");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
