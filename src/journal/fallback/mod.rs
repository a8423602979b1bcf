//! A team's journal that goes on in a file of this machine while its server is away, and brings there what was recorded meanwhile.
//!
//! One chain for both places: a record has its number before it is sent, and what the server may have or not is written to the file as the
//! same record. What the server took is written to the file too before an append returns, so that the file knows all that was done from this
//! machine: a start while the server is away can tell what an earlier process left unfinished.

mod away;
mod file;
mod locks;
mod merge;
mod others;
mod patience;
#[cfg(test)]
mod tests;
mod writing;

pub use merge::Merged;

use super::attending::{Attending, Meant};
use super::lease::{Grant, Lease, Taken};
use super::postgres::{Failed, PostgresJournal};
use super::process::{Process, actor};
use super::{Away, Journal, JournalError, Others, chain};
use crate::connect::postgres::LoginSettings;
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::redact::Redactor;
use crate::runbook::Approval;
use crate::runbook::approvals::Request;
use async_trait::async_trait;
use away::look_for;
use file::Here;
use locks::Locks;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex as Plain};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

/// For so long an append waits for the server before it is made durable here.
const BOUND: Duration = Duration::from_secs(2);
/// For so long a question waits for the server before it is answered from here.
const ANSWER: Duration = Duration::from_secs(4);

/// A team's journal with a file to fall back to. A clone is the same writer.
#[derive(Clone)]
pub struct Fallback {
    inner: Arc<Inner>,
}

struct Inner {
    team: PostgresJournal,
    here: Here,
    env: String,
    redactor: Redactor,
    writer: Uuid,
    process: Process,
    /// Host and user of this machine; the name in records is the login's, once the server has said it.
    actor: Actor,
    attending: Attending,
    chain: Mutex<Chain>,
    away: Plain<Option<Left>>,
    /// The server was left.
    left: Arc<Notify>,
    locks: Mutex<Locks>,
    /// The runs that this process has taken over.
    claimed: Plain<BTreeSet<RunId>>,
    /// What earlier processes have left in the file is on the server.
    settled: AtomicBool,
}

/// That the server is away.
#[derive(Clone, Debug)]
struct Left {
    away: Away,
    /// The server is there, and this login may not act any more: why.
    looks: Option<String>,
}

/// Where this process's chain stands, wherever its last record is.
struct Chain {
    seq: u64,
    hash: String,
    /// Who writes, once the server has said it.
    login: Option<String>,
    /// How far the server's clock is ahead, when it said so.
    ahead_ms: Option<i64>,
    /// The next record, which the server may have or not.
    doubt: Option<Record>,
    /// That the server is away is recorded.
    noted: bool,
}

impl Chain {
    fn advance(&mut self, record: &Record) {
        self.seq = record.seq;
        self.hash.clone_from(&record.hash);
        self.doubt = None;
    }
}

impl Fallback {
    /// Begins nothing yet: the first use does. `file`: where it falls back to; none: it can't, and says so then. To be called inside an async runtime.
    ///
    /// # Errors
    /// When the login can't be one.
    pub fn new(
        settings: &LoginSettings,
        file: Option<PathBuf>,
        env: &str,
        redactor: Redactor,
    ) -> Result<Self, JournalError> {
        Self::new_as(settings, file, env, redactor, actor(), Process::this())
    }

    /// The same in the name of another person or process: for tests of what happens when a process has died.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_as(
        settings: &LoginSettings,
        file: Option<PathBuf>,
        env: &str,
        redactor: Redactor,
        actor: Actor,
        process: Process,
    ) -> Result<Self, JournalError> {
        let team = PostgresJournal::new_as(settings, env, redactor.clone(), actor.clone(), process.clone())?;
        let (writer, left) = (team.writer(), Arc::new(Notify::new()));
        let inner = Arc::new(Inner {
            here: Here::new(file, writer, actor.clone()),
            team,
            env: env.to_owned(),
            redactor,
            writer,
            process,
            actor,
            attending: Attending::default(),
            chain: Mutex::new(Chain {
                seq: 0,
                hash: chain::GENESIS.to_owned(),
                login: None,
                ahead_ms: None,
                doubt: None,
                noted: false,
            }),
            away: Plain::default(),
            left: Arc::clone(&left),
            locks: Mutex::default(),
            claimed: Plain::default(),
            settled: AtomicBool::new(false),
        });
        tokio::spawn(look_for(Arc::downgrade(&inner), left));
        Ok(Self { inner })
    }

    /// The id of this process's chain.
    pub fn writer(&self) -> Uuid {
        self.inner.writer
    }

    /// Brings to the server what the file has and the server lacks, of all processes of this login.
    ///
    /// # Errors
    /// When the server is away, or lets this login not write.
    pub async fn merge(&self) -> Result<Merged, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.bring().await.map_err(Failed::why) }).await
    }
}

impl Fallback {
    async fn append_meant(&self, meant: Meant) -> Result<Record, JournalError> {
        let inner = Arc::clone(&self.inner);
        let none = || JournalError::new("the journal has not taken a record", "this is a defect: report it");
        whole(async move { inner.append(meant, None).await?.ok_or_else(none) }).await
    }
}

/// Only the server can judge it: an approval, and what begins by one.
fn takes_server(entry: &Entry) -> bool {
    let asks = matches!(
        entry.kind,
        RecordKind::ApprovalAsked
            | RecordKind::ApprovalGiven
            | RecordKind::ApprovalRefused
            | RecordKind::ApprovalWithdrawn
    );
    let begins = matches!(entry.kind, RecordKind::RunStart | RecordKind::RunResume);
    asks || begins && entry.data["approval"].is_string()
}

/// Does it in a task of its own: a caller that stops waiting leaves it done or not done.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, JournalError>> + Send + 'static,
) -> Result<T, JournalError> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|cut| Err(JournalError::new(format!("the journal: it was cut off ({cut})"), "try again")))
}

#[async_trait]
impl Journal for Fallback {
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
        match self.inner.ask(self.inner.team.recent(limit)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.recent(limit).await?).await,
        }
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.of_incidents(limit)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.of_incidents(limit).await?).await,
        }
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.unfinished()).await? {
            Some(records) => Ok(records),
            None => self.inner.file().await?.unfinished().await,
        }
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.open_runs()).await? {
            Some(records) => Ok(records),
            None => self.inner.file().await?.open_runs().await,
        }
    }

    async fn host(&self) -> Option<String> {
        Some(self.inner.actor.host.clone())
    }

    async fn only_looks(&self) -> Option<String> {
        match self.inner.is_left() {
            Some(left) => left.looks,
            None => self.inner.only_looks().await,
        }
    }

    async fn away(&self) -> Option<Away> {
        self.inner.is_left().map(|left| left.away)
    }

    async fn clock(&self) -> Option<(Uuid, i64)> {
        // Nobody waits for that while something is recorded.
        let chain = self.inner.chain.try_lock().ok()?;
        Some((self.inner.writer, chain.ahead_ms?))
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.claim(run).await }).await
    }

    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        let inner = Arc::clone(&self.inner);
        let meant = inner.attending.meant(entry, self).await;
        whole(async move { inner.reopen(meant).await }).await
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.of_run(run)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.of_run(run).await?).await,
        }
    }

    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        let (inner, resources) = (Arc::clone(&self.inner), resources.to_vec());
        whole(async move { inner.take(run, resources, ttl).await }).await
    }

    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        let (inner, grants) = (Arc::clone(&self.inner), grants.to_vec());
        whole(async move { inner.renew(run, &grants, ttl).await }).await
    }

    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.release(run).await }).await
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        match self.inner.ask(self.inner.team.held(resources)).await? {
            Some(held) => Ok(self.inner.held_here_too(held, resources).await),
            None => self.inner.file().await?.held(resources).await,
        }
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        match self.inner.ask(self.inner.team.locked()).await? {
            Some(locked) => Ok(locked),
            None => self.inner.file().await?.locked().await,
        }
    }

    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.pass(wanted).await }).await
    }

    async fn decide(&self, entry: Entry) -> Result<Record, JournalError> {
        self.append(entry).await
    }

    async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        Ok(self.inner.ask(self.inner.team.approval(plan_hash)).await?.flatten())
    }

    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        self.inner.ask(self.inner.team.approvals()).await?.ok_or_else(|| self.inner.takes_two())
    }

    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        Ok(Some(Box::new(others::Both::new(Arc::clone(&self.inner), after).await)))
    }
}

impl Drop for Inner {
    /// Whoever looks for the server ends.
    fn drop(&mut self) {
        self.left.notify_one();
    }
}
