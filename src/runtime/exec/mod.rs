//! Plans, runs, and what a start has to clear up after a crash.
//!
//! One task per run owns the pure [`crate::runbook::machine`] and does what it says: intent durable, then act, then exit
//! durable, then wait and verify. The screen learns all of it from the journal's records. Must not decide: the gate and the
//! machine do. Never unjournaled: when a record cannot be written, no change begins.

mod approval;
mod by_hand;
mod captured;
mod child;
mod drive;
mod earlier;
mod lease;
mod live;
mod pages;
mod plan;
mod poll;
mod progress;
mod reconcile;
mod resolve;
mod scene;
mod want;
mod when;

#[cfg(test)]
mod tests;

use crate::connect::Connections;
use crate::domain::record::{Entry, Record, RunOutcome};
use crate::domain::risk::Policy;
use crate::domain::{Now, RunId, text};
use crate::effect::RunAnswer;
use crate::event::{Ended, Event, RunEvent};
use crate::journal::{Journal, JournalError};
use crate::runbook::machine::REQUESTED;
use crate::runbook::{Approved, Library, Plan, PlanRequest, Refusal};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;
pub use want::{Came, Wanted};

/// What runs are made from.
pub struct Exec {
    /// Everything that can be reached.
    pub connections: Connections,
    /// The runbooks.
    pub library: Arc<Library>,
    /// Where every step is written before and after it is done.
    pub journal: Arc<dyn Journal>,
    /// The environment's name.
    pub env: String,
    /// The answer that each risk takes.
    pub policy: Policy,
    /// The environment is one where a mistake costs much.
    pub guarded: bool,
    /// `--read-only`: nothing is ever started.
    pub read_only: bool,
    /// Where run events go.
    pub events: mpsc::Sender<Event>,
    /// The clock.
    pub clock: fn() -> Now,
    /// Where the answers for each run under way go.
    pub runs: Running,
    /// The plan that is being made.
    pub planning: Planning,
}

/// The plan that is being made: one at a time.
#[derive(Clone, Default)]
pub struct Planning(Arc<Mutex<Option<AbortHandle>>>);

impl Planning {
    /// Another one takes its place, or none; what was being made is given up. Only read-only questions are cut off by that.
    fn replace(&self, task: Option<AbortHandle>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(before) = before {
            before.abort();
        }
    }
}

/// The runs under way.
#[derive(Clone, Default)]
pub struct Running {
    answers: Arc<Mutex<BTreeMap<RunId, mpsc::UnboundedSender<RunAnswer>>>>,
    kin: Arc<Mutex<BTreeMap<RunId, child::Kin>>>,
    /// Locks that change hands.
    hands: want::Slot,
    /// The signal by which the program was told to end, if it was.
    signal: Arc<OnceLock<&'static str>>,
    /// The last record is on this machine alone: that the team's journal is away is told once.
    away: Arc<AtomicBool>,
}

impl Running {
    /// The program was told to end by this signal: runs that end by that say so.
    pub fn told_to_end(&self, signal: &'static str) {
        self.signal.get_or_init(|| signal);
    }

    /// The signal by which the program was told to end.
    fn ended_by(&self) -> Option<&'static str> {
        self.signal.get().copied()
    }

    /// The reason of a stop that no person asked for; `None`: it stays as it is.
    fn who_ended(&self, outcome: RunOutcome, reason: &str) -> Option<String> {
        let (signal, rest) = self.ended_by().zip(reason.strip_prefix(REQUESTED))?;
        (outcome == RunOutcome::Stopped).then(|| format!("quarterdeck was told to end ({signal}){rest}"))
    }

    /// This process drives the run.
    pub fn drives(&self, run: RunId) -> bool {
        self.with(|runs| runs.contains_key(&run))
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<RunId, mpsc::UnboundedSender<RunAnswer>>) -> T) -> T {
        // The map is whole after every operation on it, so a panic elsewhere does no harm to it.
        work(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn kin<T>(&self, work: impl FnOnce(&mut BTreeMap<RunId, child::Kin>) -> T) -> T {
        work(&mut self.kin.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Exec {
    /// The same with other ways out and another policy. A run that is under way goes on with those that it was begun with.
    #[must_use]
    pub fn renewed(&self, connections: Connections, policy: Policy) -> Self {
        Self {
            connections,
            policy,
            library: Arc::clone(&self.library),
            journal: Arc::clone(&self.journal),
            env: self.env.clone(),
            guarded: self.guarded,
            read_only: self.read_only,
            events: self.events.clone(),
            clock: self.clock,
            runs: self.runs.clone(),
            planning: self.planning.clone(),
        }
    }

    /// The same with other runbooks. A run that is under way goes on with the page that it was begun with.
    #[must_use]
    pub fn with_library(&self, library: Arc<Library>) -> Self {
        Self { library, ..self.renewed(self.connections.clone(), self.policy) }
    }

    /// Makes a plan in a task of its own, in place of one that is still being made; [`RunEvent::Planned`] or
    /// [`RunEvent::NotPlanned`] tells, under the same number. Only read-only fences are asked.
    pub fn plan(self: &Arc<Self>, number: u64, request: PlanRequest) {
        let exec = Arc::clone(self);
        let task = tokio::spawn(async move {
            let (started, runbook) = (Instant::now(), request.runbook.clone());
            let made = exec.make_plan(&request).await;
            let ms = started.elapsed().as_millis();
            let event = match made {
                Ok(plan) => {
                    tracing::info!(runbook, ms, blocked = plan.body().blocked.len(), "planned");
                    RunEvent::Planned { number, plan: Box::new(plan) }
                }
                Err(why) => {
                    tracing::warn!(runbook, ms, why, "not planned");
                    RunEvent::NotPlanned { number, request, why: text::clean_lines(&why) }
                }
            };
            exec.tell(event).await;
        });
        self.planning.replace(Some(task.abort_handle()));
    }

    /// Gives up the plan that is being made. What it still waits for is not waited for any more.
    pub fn give_up_plan(&self) {
        self.planning.replace(None);
    }

    /// Starts an approved plan in a task of its own. `None` in a read-only dashboard, which says so as
    /// [`RunEvent::Trouble`]: the gate has refused already, and this is the second lock on the door.
    pub fn start(self: &Arc<Self>, plan: Plan<Approved>) -> Option<RunId> {
        let exec = Arc::clone(self);
        if self.read_only {
            tokio::spawn(async move { exec.trouble(None, &Refusal::ReadOnly.to_string()).await });
            return None;
        }
        let resumes = plan.body().request.resumes;
        let new = || self.runs.begins_as(&plan.body().locks).unwrap_or_else(|| RunId(Uuid::now_v7()));
        let run = resumes.map_or_else(new, |resumption| resumption.run);
        if self.runs.with(|runs| runs.contains_key(&run)) {
            tokio::spawn(async move { exec.trouble(Some(run), "it is under way already").await });
            return None;
        }
        let caller = plan.body().request.caller.clone();
        if let Some(Err(why)) = caller.as_ref().map(|caller| self.runs.adopt(caller, run)) {
            tokio::spawn(async move { exec.trouble(None, &why).await });
            return None;
        }
        tracing::info!(run = %run.short(), runbook = plan.body().runbook.id, "started");
        let (sender, answers) = mpsc::unbounded_channel();
        self.runs.with(|runs| runs.insert(run, sender));
        tokio::spawn(async move {
            let driven = tokio::spawn(drive::drive(Arc::clone(&exec), run, plan, answers)).await;
            let broke = driven.is_err();
            exec.runs.with(|runs| runs.remove(&run));
            exec.runs.forget(run);
            if let Some(caller) = caller {
                let over = driven.unwrap_or_else(|_| Some(drive::Over::cut_off()));
                exec.runs.tell(caller.run, child::News::Ended(run, over));
            }
            if broke {
                let what = format!("run {} was cut off by a defect: start again, and it is cleared up", run.short());
                exec.trouble(Some(run), &what).await;
            }
        });
        Some(run)
    }

    /// Hands an answer to a run; a run that is over takes none.
    pub fn answer(&self, run: RunId, answer: RunAnswer) {
        self.runs.with(|runs| runs.get(&run).map(|sender| sender.send(answer).is_ok()));
    }

    /// This process drives the run.
    pub fn drives(&self, run: RunId) -> bool {
        self.runs.drives(run)
    }

    /// The program ends: ends a run before its next change and asks nobody; what is in flight is finished and verified.
    pub fn leave(&self, run: RunId) {
        self.answer(run, RunAnswer::Leave);
    }

    /// The runs under way.
    pub fn running(&self) -> Vec<RunId> {
        self.runs.with(|runs| runs.keys().copied().collect())
    }

    /// Clears up the runs that earlier processes have left unfinished: each change that may have happened is looked at, none is
    /// ever sent again. [`RunEvent::Reconciled`] tells which.
    pub async fn reconcile(self: &Arc<Self>) {
        reconcile::reconcile(self).await;
    }

    /// Looks once more at a run of which something is in doubt, whether it has an end or not; `None`: nothing of it is, it was given up, or it
    /// is left to [`Exec::reconcile`].
    ///
    /// # Errors
    /// When another process drives it, or the journal can't be read or written.
    pub async fn look_again(&self, run: RunId) -> Result<Option<Ended>, String> {
        reconcile::look_again(self, run).await
    }

    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let record = self.journal.append(entry).await.inspect_err(|error| tracing::error!(%error, "the journal"))?;
        if self.runs.away.swap(record.kept.local, Ordering::AcqRel) != record.kept.local {
            let away = self.journal.away().await.filter(|_| record.kept.local);
            self.tell(RunEvent::Away(away.map(|away| away.told()))).await;
        }
        self.recorded(&record).await;
        Ok(record)
    }

    async fn recorded(&self, record: &Record) {
        super::log::record(record);
        self.tell(RunEvent::Record(Box::new(record.clone()))).await;
    }

    async fn tell(&self, event: RunEvent) {
        // Nobody listens any more: the program ends, and the journal has it all.
        let _ = self.events.send(Event::Run(event)).await;
    }

    async fn trouble(&self, run: Option<RunId>, what: &str) {
        let what = text::clean(what).into_owned();
        self.tell(RunEvent::Trouble { run, what }).await;
    }
}
