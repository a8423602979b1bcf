//! The record of everything done: append-only, a hash chain per writer, durable before anything happens.
//!
//! Owns the order of records, their integrity and who wrote them. Must not know what a run or a step means beyond the
//! records' kinds, nor decide anything: whoever acts appends first, and does not act when that fails.

pub mod absent;
pub mod attending;
pub mod chain;
#[cfg(test)]
mod conformance;
pub mod export;
pub mod fallback;
pub mod lease;
pub mod looking;
pub mod opening;
pub mod postgres;
pub mod process;
mod row;
pub mod sqlite;
pub mod store;
mod team;

pub use row::Found;
pub use store::{Reader, Store, Team};
pub use team::TeamReader;

use crate::domain::record::{Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::runbook::Approval;
use crate::runbook::approvals::Request;
use crate::runbook::history::Unread;
use async_trait::async_trait;
use jiff::Timestamp;
use lease::{Grant, Lease, Taken};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

/// Why the journal could not do it. A change must not start then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({hint})")]
pub struct JournalError {
    /// What failed, and where (the file, or the server).
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

impl JournalError {
    /// From what failed and how to mend it.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// That the team's journal is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Since when that is known here.
    pub since: Timestamp,
    /// What fails, and how to mend it.
    pub why: JournalError,
}

impl Away {
    /// As whoever works here is told of it.
    pub fn told(&self) -> Unread {
        Unread { why: self.text(), since: self.since }
    }

    /// `the team's journal is away since 12:04:31Z (…): this machine's own records what is done from here`.
    pub fn text(&self) -> String {
        let since = self.since.strftime("%H:%M:%SZ");
        format!(
            "the team's journal is away since {since}, and what is done from here is recorded on this machine alone: {}",
            self.why
        )
    }

    /// Why what a run locks binds nobody on another machine.
    pub fn unbound(&self) -> String {
        let since = self.since.strftime("%H:%M:%SZ");
        format!(
            "the team's journal is away since {since}: what it locks is locked on this machine alone, and nobody else is kept from it"
        )
    }

    /// Why what is told of locks is not all.
    pub fn unseen(&self) -> String {
        format!("the team's journal is away, and what is held on other machines is not known: {}", self.why)
    }
}

/// It belongs to an incident, or says how its writer's clock stands. [`TELL_OF_INCIDENTS`] is the same in SQL.
fn tells_of_incidents(record: &Record) -> bool {
    let clocks =
        matches!(record.entry.kind, RecordKind::JournalOpen | RecordKind::JournalAway | RecordKind::JournalMerge);
    clocks || record.incident.is_some()
}

/// Which records the index `record_incident` of both stores holds: a query must say it word by word.
const TELL_OF_INCIDENTS: &str = "(incident IS NOT NULL OR kind IN ('journal.open', 'journal.away', 'journal.merge'))";

/// The newest `limit` records of incidents, as [`Journal::of_incidents`] has them, and behind them all that runs did which were begun before their incident and
/// were said to belong to it ([`RecordKind::IncidentRun`]).
///
/// # Errors
/// When the journal can't be read.
pub async fn incidents(journal: &dyn Journal, limit: u32) -> Result<Vec<Record>, JournalError> {
    let mut records = journal.of_incidents(limit).await?;
    let included = records.iter().filter(|record| record.entry.kind == RecordKind::IncidentRun);
    let runs: BTreeSet<RunId> =
        included.filter_map(|record| record.entry.data["run"].as_str()?.parse().ok().map(RunId)).collect();
    for run in runs {
        let of_run = journal.of_run(run).await?;
        records.extend(of_run.into_iter().filter(|record| record.incident.is_none()));
    }
    Ok(records)
}

/// Where records go.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds one record to this process's chain; returns only once it is durable.
    async fn append(&self, entry: Entry) -> Result<Record, JournalError>;
    /// Adds a record to this incident, whatever this process attends to. The default is for a journal that records nothing.
    async fn append_to(&self, incident: IncidentId, entry: Entry) -> Result<Record, JournalError> {
        let _ = incident;
        self.append(entry).await
    }
    /// What this process records from now on belongs to this incident; `None`: to none. What a run does belongs to the one that it was begun in. The default is
    /// for a journal that records nothing.
    async fn attend(&self, incident: Option<IncidentId>) {
        let _ = incident;
    }
    /// The newest `limit` records that belong to an incident or say how their writer's clock stands, oldest first, whoever wrote them. The default is
    /// for a journal that keeps few.
    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let mut records = self.recent(u32::MAX).await?;
        records.retain(tells_of_incidents);
        let more = records.len().saturating_sub(limit as usize);
        Ok(records.split_off(more))
    }
    /// The newest `limit` records of all writers, oldest first.
    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError>;
    /// All records of the runs that have a `run.start` (or a `run.resume`) and no `run.finish` after it, oldest first, whoever wrote them; without
    /// the runs that a living process drives (its own start, or its claim).
    async fn unfinished(&self) -> Result<Vec<Record>, JournalError>;
    /// The same, with the runs that a living process drives.
    async fn open_runs(&self) -> Result<Vec<Record>, JournalError>;
    /// The machine that this process is on, where several share the journal; `None`: there is one alone. What was begun on another one can't
    /// be looked at from here: the same name may mean another thing there (`local`, a socket).
    async fn host(&self) -> Option<String> {
        None
    }
    /// That the team's journal can't be written, so that what is done from here is recorded on this machine alone; `None`: it can, or there is
    /// none.
    async fn away(&self) -> Option<Away> {
        None
    }
    /// This process's chain, and how far the server's clock is ahead of this machine's, in milliseconds; `None`: it has not said so yet, or
    /// there is no server.
    async fn clock(&self) -> Option<(Uuid, i64)> {
        None
    }
    /// Why nothing can be recorded though all can be read, with the mend, in one sentence: this login may look and not act. `None`: it may act,
    /// or the journal can't tell, which whatever is done next says.
    async fn only_looks(&self) -> Option<String> {
        None
    }
    /// Takes over a run found by [`Journal::unfinished`]. False: it is finished meanwhile, or another living process
    /// drives it: leave it alone. The default is for a journal that one process alone uses.
    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let _ = run;
        Ok(true)
    }
    /// Takes over a run that is to be gone on with or taken back, and appends what says so ([`RecordKind::RunResume`] with that run), both or
    /// neither. `None`: another living process drives it. The default is for a journal that one process alone uses.
    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        self.append(entry).await.map(Some)
    }
    /// All records of a run, oldest first; none: it is not known.
    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        let mut records = self.recent(u32::MAX).await?;
        records.retain(|record| record.entry.run == Some(run));
        Ok(records)
    }
    /// Takes all of these resources for a run, or none. The run holds them until they are released or lapse; see [`lease`].
    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        let _ = (run, resources, ttl);
        Err(no_leases())
    }
    /// Says that a run still wants what it was granted, from now on for `ttl`. False: one of it is somebody else's by now, and
    /// the run may change nothing any more.
    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        let _ = (run, grants, ttl);
        Err(no_leases())
    }
    /// Gives back all that a run holds.
    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let _ = run;
        Err(no_leases())
    }
    /// Who holds these; those that nobody holds are left out.
    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        let _ = resources;
        Err(no_leases())
    }
    /// The names of all that runs hold, or have held and not given back: [`Journal::held`] says who.
    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        Err(no_leases())
    }
    /// Moves what a run holds to the run that is to begin with it, as the record with this id ([`RecordKind::LockWanted`]) asks: granted by the
    /// process of the run that holds it, or taken over by who asked. `None`: it is done; else why not, in words.
    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let _ = wanted;
        Err(no_leases())
    }
    /// Appends a record about an approval, which the server judges: who asks, approves, refuses is who logged in there.
    async fn decide(&self, entry: Entry) -> Result<Record, JournalError> {
        let _ = entry;
        Err(no_team())
    }
    /// What a second person has approved of the plan with this hash, for this login, and can still be used.
    async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        let _ = plan_hash;
        Ok(None)
    }
    /// The requests for approval of the last day, oldest first, with their time by the server's clock.
    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        Err(no_team())
    }
    /// Follows what other writers append after the record with this id; `None`: from now on. The default is for a journal that one
    /// process alone uses.
    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        let _ = after;
        Ok(None)
    }
}

/// What other writers append: each record once, in the order of the store.
#[async_trait]
pub trait Others: Send {
    /// Something may have been written since the last call. Costs next to nothing: it is asked every second, and allocates nothing.
    fn stirs(&mut self) -> bool;
    /// What was written since the last call, oldest first, a bounded number at once; when there is more, or after an error,
    /// [`Others::stirs`] says so next time.
    ///
    /// # Errors
    /// When the journal cannot be read. A record that cannot be is left out: `verify` tells of it.
    async fn read(&mut self) -> Result<Vec<Record>, JournalError>;
}

fn no_team() -> JournalError {
    JournalError::new(
        "a second person approves through a team's journal, and this one is a file of one machine",
        "write [journal.postgres] in the config, or break the glass",
    )
}

fn no_leases() -> JournalError {
    JournalError::new("this journal keeps no locks", "name a file as path in [journal]")
}
