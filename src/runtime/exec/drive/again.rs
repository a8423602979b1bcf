//! A run that is taken up again: that it is open once more, and, when it goes backwards, what each of its steps comes to.

use super::super::Exec;
use super::Run;
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, RunOutcome, StepState};
use crate::domain::text::clean;
use crate::runbook::machine::{Effect, Watched};
use crate::runbook::plan::{Onward, Resumption};
use crate::runbook::{Approval, Approved, Glass, Plan};
use crate::steps::Settled;
use serde_json::json;

/// Takes a run up, unless another process drives it or it is another one than the plan is about: the error says so.
pub(super) async fn reopen(exec: &Exec, plan: &Plan<Approved>, of: Resumption) -> Result<Record, String> {
    let body = plan.body();
    let records = exec.journal.of_run(of.run).await.map_err(|error| error.to_string())?;
    if body.again.as_ref().map(|again| again.records) != Some(records.len()) {
        return Err("something was recorded of it since the plan was made: plan it again".to_owned());
    }
    let to_go = body.steps.iter().filter(|step| step.past.is_none() || of.way == Onward::Undo).count();
    let data = json!({
        "way": of.way.word(),
        "reason": format!("{to_go} to go"),
        "answer": super::typed(plan),
        "plan_hash": body.hash,
        "locks": !body.locks.is_empty(),
        "parent": body.request.caller.as_ref().map(|caller| json!({ "run": caller.run, "step": caller.step })),
        "break_glass": plan.glass().map(Glass::reason),
        "approval": plan.approval().map(Approval::id),
        "approved_by": plan.approval().map(Approval::by),
        "approval_reason": plan.approval().map(Approval::reason),
    });
    exec.take_up(of.run, data).await
}

/// It was taken up, and what it locks is somebody else's: it is over again, as it was before.
pub(super) async fn put_down(exec: &Exec, plan: &Plan<Approved>, run: RunId, why: &str) {
    let before = plan.body().again.as_ref().and_then(|again| again.outcome).unwrap_or(RunOutcome::Stopped);
    let data = json!({ "outcome": before, "reason": clean(&format!("not taken up: {why}")) });
    if let Err(error) = exec.append(exec.entry_of(run, RecordKind::RunFinish, data)).await {
        tracing::error!(%error, "a run that was not taken up has no end");
    }
}

/// What a step of a run that goes backwards comes to.
pub(super) const fn back(state: StepState) -> StepState {
    match state {
        StepState::Ok => StepState::Undone,
        StepState::Failed | StepState::TimedOut => StepState::UndoFailed,
        StepState::Planned
        | StepState::Checking
        | StepState::Intent
        | StepState::Running
        | StepState::Cancelled
        | StepState::Unknown
        | StepState::Skipped
        | StepState::Undone
        | StepState::UndoFailed => state,
    }
}

impl Run {
    /// No `verify` is about an undo: what was said of it counts, and where nobody knows, the traces that it left.
    pub(super) async fn watch_back(&mut self, step: usize) -> Watched {
        if !self.step.doubt {
            return Watched::Passed("taken back".to_owned());
        }
        match self.settle(step).await {
            Settled::Ended(acted) => {
                let open = match &acted.effect {
                    Effect::Unknown(why) => Watched::CannotTell(why.clone()),
                    Effect::Done(_) | Effect::Failed(_) | Effect::NotSent(_) | Effect::Refused(_) => {
                        Watched::Passed("taken back".to_owned())
                    }
                };
                self.learn(*acted).unwrap_or(open)
            }
            Settled::Happened(how) => Watched::Passed(how),
            Settled::DidNot(why) => {
                self.step.not_sent = true;
                Watched::Failed(why)
            }
            Settled::NotYet(why) | Settled::CannotTell(why) => Watched::CannotTell(why),
            Settled::AskVerify => {
                Watched::CannotTell("nobody can tell whether it was taken back: look yourself".to_owned())
            }
        }
    }

    /// Of a step that an earlier life of the run has done: which of its fences were left out then.
    pub(super) fn remember(&mut self, step: usize) {
        if self.planned(step).past.is_some() && self.at != Some(step) {
            (self.at, self.step) = (Some(step), super::Progress::default());
        }
    }

    /// How it ended, why, and what was taken back and is left to undo.
    pub(super) fn verdict(&self, outcome: RunOutcome, reason: String, left: &[usize]) -> (RunOutcome, String, String) {
        let told = self.taken_back() + &self.left(left);
        match outcome {
            RunOutcome::Ok if !self.backwards => (outcome, self.results.whole(outcome, reason), String::new()),
            _ if !self.backwards => (outcome, self.results.whole(outcome, reason), told),
            RunOutcome::Ok if left.is_empty() => {
                (RunOutcome::Undone, "all that it did was taken back".to_owned(), self.order())
            }
            RunOutcome::Ok | RunOutcome::Stopped | RunOutcome::Undone => {
                (RunOutcome::Stopped, format!("not all was taken back: {reason}"), told)
            }
            RunOutcome::Failed | RunOutcome::Unknown => (outcome, format!("THE UNDO FAILED: {reason}"), told),
        }
    }

    /// In which order all of it was taken back; an earlier life of it may have begun with that.
    fn order(&self) -> String {
        let mut was = self.plan.body().again.iter().flat_map(|again| &again.was);
        let lead = if was.any(|was| was.undo == Some(StepState::Undone)) { ", at last " } else { ": " };
        let order = self.back_named();
        if order.is_empty() { order } else { format!("{lead}{order}") }
    }

    /// The rollout and the batch that a step belongs to.
    pub(super) fn batch_of(&self, step: Option<usize>) -> Option<(usize, usize)> {
        let last = step?;
        let rollings = self.plan.body().script.rollings.iter().enumerate();
        rollings.into_iter().find_map(|(at, rolling)| {
            let lane = rolling.lanes.iter().find(|lane| lane.steps.contains(&last))?;
            Some((at, lane.batch))
        })
    }

    /// The run that a step called in an earlier life of this one, when it goes backwards.
    pub(in super::super) fn called_before(&self, step: usize) -> Option<RunId> {
        let again = self.plan.body().again.as_ref().filter(|_| self.backwards)?;
        again.called.get(&self.planned(step).id).copied()
    }
}
