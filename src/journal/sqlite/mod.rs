//! The embedded journal: one SQLite file that several processes of one person share.
//!
//! An append is one `BEGIN IMMEDIATE` transaction that reads the chain's head and adds to it, so the sequence lives in
//! the file and nothing in memory can disagree with it. `synchronous=FULL` in WAL mode syncs at every commit. Appends
//! run in a task of their own: a caller that stops waiting leaves either a whole record or none.

mod adopt;
mod fault;
mod file;
mod lease;
mod others;
mod read;

pub use file::BUSY_TIMEOUT;
pub use read::Reader;

use super::attending::{Attending, Meant};
use super::chain::Hand;
use super::lease::{Grant, Lease, Taken};
use super::process::{Process, actor};
use super::{Journal, JournalError, Others, chain};
use crate::clock;
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::redact::Redactor;
use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The journal in a SQLite file, as one writer of it. A clone is the same writer.
#[derive(Clone, Debug)]
pub struct SqliteJournal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    write: SqlitePool,
    reader: Reader,
    opened: file::Opened,
    writer: Uuid,
    actor: Actor,
    attending: Attending,
    redactor: Redactor,
}

impl SqliteJournal {
    /// Opens the journal, makes it when there is none, and begins this process's chain with `journal.open`. What `redactor`
    /// knows, now or later, is hidden in every record. Errors: a folder or file that is not writable or that others
    /// may write to, a full disk, a damaged file, one of a newer version.
    pub async fn open(path: &Path, env: &str, redactor: Redactor) -> Result<Self, JournalError> {
        Self::open_as(path, env, redactor, actor(), Process::this()).await
    }

    /// The same in the name of another person or process: for tests of what happens when a process has died.
    pub async fn open_as(
        path: &Path,
        env: &str,
        redactor: Redactor,
        actor: Actor,
        process: Process,
    ) -> Result<Self, JournalError> {
        let opened = file::prepare(path)?;
        let write = file::connect(&opened, 1).await?;
        file::migrate(&opened, &write).await?;
        let reader = Reader::over(file::connect(&opened, 2).await?, opened.path.clone());
        let inner =
            Inner { write, reader, opened, writer: Uuid::new_v4(), actor, attending: Attending::default(), redactor };
        let journal = Self { inner: Arc::new(inner) };
        journal.append(opening(env, &process)).await?;
        Ok(journal)
    }

    /// The id of this process's chain.
    pub fn writer(&self) -> Uuid {
        self.inner.writer
    }

    /// For reading everything that is in the file.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// Closes the file. Nothing is lost without it; the write-ahead log is then folded in by the next process.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.write.close().await;
    }
}

fn opening(env: &str, process: &Process) -> Entry {
    Entry {
        kind: RecordKind::JournalOpen,
        run: None,
        step: None,
        role: None,
        target: None,
        env: env.to_owned(),
        data: serde_json::to_value(process).unwrap_or_default(),
    }
}

#[async_trait]
impl Journal for SqliteJournal {
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
        self.inner.reader.recent(limit).await
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.inner.reader.of_incidents(limit).await
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.reader.unfinished(self.inner.writer).await
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.reader.open_runs().await
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move { inner.claim(run).await });
        task.await.unwrap_or_else(|cut| Err(self.inner.opened.fault("claim a run", &format!("it was cut off ({cut})"))))
    }

    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        let inner = Arc::clone(&self.inner);
        let meant = inner.attending.meant(entry, self).await;
        let task = tokio::spawn(async move { inner.reopen(meant).await });
        task.await
            .unwrap_or_else(|cut| Err(self.inner.opened.fault("take up a run", &format!("it was cut off ({cut})"))))
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.inner.reader.of_run(run).await
    }

    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        let (inner, resources) = (Arc::clone(&self.inner), resources.to_vec());
        let taken = async move { inner.take(run, &resources, ttl).await };
        self.whole("take a lock in", taken).await
    }

    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        let (inner, grants) = (Arc::clone(&self.inner), grants.to_vec());
        let renewed = async move { inner.renew(run, &grants, ttl).await };
        self.whole("renew a lock in", renewed).await
    }

    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        let released = async move { inner.release(run).await };
        self.whole("release a lock in", released).await
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        self.inner.reader.held(resources, &self.inner.actor).await
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        self.inner.reader.locked().await
    }

    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole("pass on a lock in", async move { inner.pass(wanted).await }).await
    }

    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        let (reader, us) = (self.inner.reader.clone(), self.inner.writer);
        let place = reader.place(after).await?;
        Ok(Some(Box::new(others::Following::new(reader, us, place))))
    }
}

impl SqliteJournal {
    async fn append_meant(&self, meant: Meant) -> Result<Record, JournalError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move { inner.append(meant).await });
        task.await
            .unwrap_or_else(|cut| Err(self.inner.opened.fault("append", &format!("the write was cut off ({cut})"))))
    }

    /// Does it in a task of its own: a caller that stops waiting leaves it done or not done.
    async fn whole<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl Future<Output = sqlx::Result<T>> + Send + 'static,
    ) -> Result<T, JournalError> {
        let opened = &self.inner.opened;
        opened.check()?;
        match tokio::spawn(work).await {
            Ok(done) => done.map_err(|error| opened.explain(doing, &error)),
            Err(cut) => Err(opened.fault(doing, &format!("it was cut off ({cut})"))),
        }
    }
}

impl Inner {
    async fn append(&self, meant: Meant) -> Result<Record, JournalError> {
        self.opened.check()?;
        let meant = self.settled(meant);
        self.try_append(meant).await.map_err(|error| self.opened.explain("append a record", &error))
    }

    /// Without secrets, and in the one form that is hashed.
    fn settled(&self, meant: Meant) -> Meant {
        let mut entry = self.redactor.entry(meant.entry);
        entry.data = chain::settle(entry.data);
        Meant { entry, ..meant }
    }

    async fn reopen(&self, meant: Meant) -> Result<Option<Record>, JournalError> {
        self.opened.check()?;
        let meant = self.settled(meant);
        self.try_reopen(meant).await.map_err(|error| self.opened.explain("take up a run", &error))
    }

    async fn try_reopen(&self, meant: Meant) -> sqlx::Result<Option<Record>> {
        let mut change = self.begin().await?;
        let run = meant.entry.run.unwrap_or(RunId(Uuid::nil()));
        // One that is finished nobody drives.
        if let Some(driver) = read::driver(&mut change, run).await?
            && driver != self.writer
            && read::is_alive(&mut change, driver).await?
        {
            return Ok(None);
        }
        claim(&mut change, run, self.writer).await?;
        let record = self.add(&mut change, meant).await?;
        change.commit().await?;
        Ok(Some(record))
    }

    async fn try_append(&self, meant: Meant) -> sqlx::Result<Record> {
        let mut change = self.begin().await?;
        let record = self.add(&mut change, meant).await?;
        change.commit().await?;
        Ok(record)
    }

    /// The next record of this writer's chain.
    async fn add(&self, change: &mut SqliteConnection, meant: Meant) -> sqlx::Result<Record> {
        let head: Option<(i64, String)> =
            sqlx::query_as("SELECT seq, hash FROM record WHERE writer = ? ORDER BY seq DESC LIMIT 1")
                .bind(self.writer.to_string())
                .fetch_optional(&mut *change)
                .await?;
        let (seq, prev) = head.unwrap_or_else(|| (0, chain::GENESIS.to_owned()));
        let record = self.record(meant, seq.unsigned_abs() + 1, prev);
        insert(change, &record).await?;
        Ok(record)
    }

    async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }

    fn record(&self, meant: Meant, seq: u64, prev: String) -> Record {
        let hand = Hand { writer: self.writer, actor: self.actor.clone(), incident: meant.incident };
        chain::link(clock::now(), hand, seq, prev, meant.entry)
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        self.opened.check()?;
        self.try_claim(run).await.map_err(|error| self.opened.explain("claim a run", &error))
    }

    async fn try_claim(&self, run: RunId) -> sqlx::Result<bool> {
        let mut change = self.begin().await?;
        let Some(driver) = read::driver(&mut change, run).await? else { return Ok(false) };
        if driver == self.writer {
            return Ok(true);
        }
        if read::is_alive(&mut change, driver).await? {
            return Ok(false);
        }
        claim(&mut change, run, self.writer).await?;
        change.commit().await?;
        Ok(true)
    }
}

async fn claim(connection: &mut SqliteConnection, run: RunId, writer: Uuid) -> sqlx::Result<()> {
    let claim = "INSERT INTO claim (run, writer) VALUES (?, ?) \
                 ON CONFLICT (run) DO UPDATE SET writer = excluded.writer";
    sqlx::query(claim).bind(run.to_string()).bind(writer.to_string()).execute(connection).await?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
    let entry = &record.entry;
    sqlx::query(
        "INSERT INTO record (writer, seq, id, prev, hash, at, mono_ms, incident, actor_name, actor_uid, actor_host, \
         kind, run, step, role, target, env, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.writer.to_string())
    .bind(i64::try_from(record.seq).unwrap_or(i64::MAX))
    .bind(record.id.to_string())
    .bind(&record.prev)
    .bind(&record.hash)
    .bind(record.at.to_string())
    .bind(i64::try_from(record.mono_ms).unwrap_or(i64::MAX))
    .bind(&record.incident)
    .bind(&record.actor.name)
    .bind(i64::from(record.actor.uid))
    .bind(&record.actor.host)
    .bind(entry.kind.word())
    .bind(entry.run.map(|run| run.to_string()))
    .bind(&entry.step)
    .bind(&entry.role)
    .bind(&entry.target)
    .bind(&entry.env)
    .bind(chain::canonical(&entry.data))
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
