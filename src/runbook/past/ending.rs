//! How a run ended, or ends, as its records alone tell.

use super::{Past, StepPast, are_behind};
use crate::domain::record::{RunOutcome, StepState};

impl Past {
    /// Every step was done or was not needed.
    pub fn is_whole(&self) -> bool {
        let fine = |id: &str| {
            matches!(
                self.steps.get(id),
                Some(StepPast { state: Some(StepState::Ok | StepState::Skipped), undo: None, .. })
            )
        };
        self.ids().next().is_some() && self.ids().all(fine)
    }

    /// It has its end, and no step is left to do: there is nothing to go on with. Where a step failed and the others came after it, an end that
    /// was written by who looked afterwards is none: a person has not decided yet.
    pub fn is_through(&self) -> bool {
        let state = |id: &str| self.steps.get(id).and_then(|step| step.state).unwrap_or(StepState::Planned);
        self.open.is_empty()
            && match self.outcome {
                Some(RunOutcome::Ok) => self.is_whole(),
                Some(RunOutcome::Failed) => {
                    !self.looked_after && !self.has_failed_undo() && are_behind(self.ids().map(|id| (id, state(id))))
                }
                Some(RunOutcome::Stopped | RunOutcome::Undone | RunOutcome::Unknown) | None => false,
            }
    }

    /// How a run ended of which nothing is in doubt after a crash, as its records alone tell.
    pub fn ending(&self) -> (RunOutcome, String) {
        let (outcome, what) = self.came_to();
        let then = match outcome {
            RunOutcome::Ok => "; quarterdeck ended before it could say so",
            RunOutcome::Undone | RunOutcome::Failed | RunOutcome::Stopped | RunOutcome::Unknown => {
                "; then quarterdeck ended"
            }
        };
        (outcome, format!("{what}{then}"))
    }

    /// How it ended by what a person saw of what was in doubt: `word` tells that, and `detail` is what was recorded of it.
    pub fn ending_by(&self, word: &str, detail: &str) -> (RunOutcome, String) {
        let (outcome, what) = self.came_to();
        // A step that failed by the person's own word needs no second telling.
        let what = if what.ends_with(detail) { String::new() } else { format!("; {what}") };
        (outcome, format!("{word}{what}"))
    }

    fn came_to(&self) -> (RunOutcome, String) {
        if self.is_whole() {
            return (RunOutcome::Ok, "every step was ok".to_owned());
        }
        let failed = |step: &StepPast| {
            step.undo == Some(StepState::UndoFailed)
                || matches!(step.state, Some(StepState::Failed | StepState::TimedOut))
        };
        let bad = self.ids().filter_map(|id| Some((id, self.steps.get(id)?))).find(|(_, step)| failed(step));
        if self.is_taken_back() {
            let outcome = match bad {
                _ if self.backwards => RunOutcome::Undone,
                Some(_) => RunOutcome::Failed,
                None => RunOutcome::Stopped,
            };
            return (outcome, "all that it did was taken back".to_owned());
        }
        if let Some((id, step)) = bad {
            return (RunOutcome::Failed, self.went_wrong(id, step));
        }
        if self.steps.values().any(|step| step.undo == Some(StepState::Undone)) {
            return (RunOutcome::Stopped, "not all that it did was taken back".to_owned());
        }
        let fine = |id: &&str| {
            !matches!(
                self.steps.get(*id),
                Some(StepPast { state: Some(StepState::Ok | StepState::Skipped), undo: None, .. })
            )
        };
        match self.ids().find(fine) {
            _ if !self.steps.values().any(|step| step.state == Some(StepState::Ok)) => {
                (RunOutcome::Stopped, "nothing was sent".to_owned())
            }
            Some(next) => (RunOutcome::Stopped, format!("it stopped before {}", self.name_of(next))),
            None => (RunOutcome::Stopped, "it has no steps".to_owned()),
        }
    }

    fn went_wrong(&self, id: &str, step: &StepPast) -> String {
        let (what, detail) = match (step.undo, step.state) {
            (Some(StepState::UndoFailed), _) => ("the undo of ", &step.undo_detail),
            _ => ("", &step.detail),
        };
        let state = if what.is_empty() { step.state } else { None }.unwrap_or(StepState::Failed);
        let why = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        format!("{what}{} {}{why}", self.name_of(id), state.word())
    }
}
