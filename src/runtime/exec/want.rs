//! Locks that change hands: asked for, handed over at a step's boundary, taken over when the holder was told.
//!
//! What was asked for goes to a run that is to begin with it: its id is chosen when it is asked for, so that nobody else can come between.

use super::{Exec, Running};
use crate::domain::reason;
use crate::domain::record::{Entry, Record, RecordKind, RunOutcome};
use crate::domain::text::clean;
use crate::domain::{RunId, time};
use crate::journal::JournalError;
use crate::journal::lease::GRACES;
use crate::runbook::machine::REQUESTED;
use crate::runbook::plan::PlannedLock;
use crate::runbook::wants::Want;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

/// From one look to the next at whether it is ours.
const LOOK: Duration = Duration::from_secs(1);
/// After this nobody waits any more for what was only asked for.
const PATIENCE: Duration = Duration::from_mins(30);

/// What changes hands from here or to here.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// The runs that are to begin with something, and with what.
    ours: BTreeMap<RunId, Vec<String>>,
    /// The runs that hand over what they hold at their end, and to whom.
    given: BTreeMap<RunId, Want>,
}

/// The slot for it.
pub(super) type Slot = Arc<Mutex<Hands>>;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of which run.
    pub of: RunId,
    /// What.
    pub resources: Vec<String>,
    /// For which run; a new one has no id yet.
    pub for_run: Option<RunId>,
    /// After this it is taken over; `None`: it is only asked for.
    pub grace: Option<Duration>,
    /// Why.
    pub reason: String,
}

/// How what was asked for came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Its holder handed it over.
    Handed,
    /// It was taken over.
    Taken,
    /// Nobody holds it any more.
    Free,
}

impl Came {
    /// The words in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Handed => "handed over",
            Self::Taken => "taken over",
            Self::Free => "given back",
        }
    }
}

impl Running {
    fn hands<T>(&self, work: impl FnOnce(&mut Hands) -> T) -> T {
        work(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What this run holds was passed on to whoever plans here.
    pub(super) fn is_passed(&self, run: RunId) -> bool {
        self.hands(|hands| hands.ours.contains_key(&run))
    }

    /// A lock was passed on to a run that is to begin here.
    pub fn passed(&self, run: RunId, resources: Vec<String>) {
        self.hands(|hands| hands.ours.insert(run, resources));
    }

    /// The id under which a run begins that locks these, if some of it was passed on to it. Once.
    pub(super) fn begins_as(&self, locks: &[PlannedLock]) -> Option<RunId> {
        let wanted = |resources: &Vec<String>| locks.iter().any(|lock| resources.contains(&lock.resource));
        self.hands(|hands| {
            let run = hands.ours.iter().find(|(_, resources)| wanted(resources)).map(|(run, _)| *run)?;
            hands.ours.remove(&run).map(|_| run)
        })
    }

    /// Why a run ended that was stopped to hand something over.
    pub(super) fn who_has_it(&self, run: RunId, outcome: RunOutcome, reason: &str) -> Option<String> {
        let rest = reason.strip_prefix(REQUESTED).filter(|_| outcome == RunOutcome::Stopped)?;
        let want = self.hands(|hands| hands.given.get(&run).cloned())?;
        let (what, by) = (want.resources.join(", "), &want.by);
        Some(clean(&format!("{what} was handed over to {}@{}{rest}", by.name, by.host)).into_owned())
    }
}

impl Exec {
    /// Asks for what a run holds, by a record that its holder sees; the want's id, and the run that is to begin with it.
    ///
    /// # Errors
    /// When nothing may be changed from here, that is no reason, or the journal can't be written.
    pub async fn want(&self, wanted: &Wanted) -> Result<(Uuid, RunId), String> {
        if self.read_only {
            return Err("this dashboard is read-only".to_owned());
        }
        let for_run = wanted.for_run.unwrap_or_else(|| RunId(Uuid::now_v7()));
        let grace = wanted.grace.map(|grace| grace.clamp(GRACES.0, GRACES.1));
        let data = json!({
            "run": wanted.of,
            "resources": wanted.resources,
            "for_run": for_run,
            "reason": reason::given(&wanted.reason)?,
            "take": grace.is_some(),
            "grace_ms": grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)),
        });
        let record = self.note(RecordKind::LockWanted, data).await.map_err(|error| error.to_string())?;
        Ok((record.id, for_run))
    }

    /// Waits until what was asked for is held for the run that is to begin with it, and takes it over where that was said.
    ///
    /// # Errors
    /// When nobody handed it over in time, or it went to somebody else: who.
    pub async fn until_ours(&self, wanted: &Wanted, (id, for_run): (Uuid, RunId)) -> Result<Came, String> {
        let asked = (self.clock)();
        loop {
            if wanted.grace.is_some() && matches!(self.journal.pass(id).await, Ok(None)) {
                self.note_passed(wanted, id, for_run, Came::Taken).await;
                self.runs.passed(for_run, wanted.resources.clone());
                return Ok(Came::Taken);
            }
            // While the journal is away nothing changes hands.
            if let Ok(held) = self.journal.held(&wanted.resources).await {
                if held.iter().any(|lease| lease.run == for_run) {
                    self.runs.passed(for_run, wanted.resources.clone());
                    return Ok(Came::Handed);
                }
                match held.first() {
                    None => return Ok(Came::Free),
                    Some(lease) if lease.run != wanted.of => return Err(lease.to_string()),
                    Some(_) => {}
                }
            }
            if time::between(asked.wall, (self.clock)().wall) > PATIENCE {
                return Err("nobody has handed it over within 30 minutes".to_owned());
            }
            sleep(LOOK).await;
        }
    }

    /// Stops a run of this process before its next change; what is wanted goes to who wants it when it ends.
    pub fn hand_over(&self, run: RunId, want: Want) {
        self.runs.hands(|hands| hands.given.insert(run, want));
        self.answer(run, crate::effect::RunAnswer::Stop);
    }

    /// A run ends that hands something over: to whom it went.
    pub(super) async fn hand_on(&self, run: RunId) -> Option<String> {
        let want = self.runs.hands(|hands| hands.given.get(&run).cloned())?;
        match self.journal.pass(want.id).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                tracing::warn!(why, "a lock is not handed over");
                return None;
            }
            Err(error) => {
                tracing::error!(%error, "a lock is not handed over");
                return None;
            }
        }
        let wanted = Wanted {
            of: run,
            resources: want.resources.clone(),
            for_run: Some(want.for_run),
            grace: None,
            reason: want.reason.clone(),
        };
        self.note_passed(&wanted, want.id, want.for_run, Came::Handed).await;
        Some(format!("{}@{}", want.by.name, want.by.host))
    }

    async fn note_passed(&self, wanted: &Wanted, id: Uuid, for_run: RunId, how: Came) {
        let detail = format!("{} is {}: {}", wanted.resources.join(", "), how.word(), wanted.reason);
        let data = json!({
            "run": wanted.of,
            "wanted": id,
            "resources": wanted.resources,
            "for_run": for_run,
            "how": how.word(),
            "detail": clean(&detail),
        });
        if let Err(error) = self.note(RecordKind::LockPassed, data).await {
            tracing::error!(%error, "that a lock changed hands is not recorded");
        }
    }

    /// A record that is of no run: another process's records are not mixed with a run's own.
    async fn note(&self, kind: RecordKind, data: Value) -> Result<Record, JournalError> {
        self.append(Entry { kind, run: None, step: None, role: None, target: None, env: self.env.clone(), data }).await
    }
}
