//! What a run did that is left to take back, and what waits for a person's word.

use super::{Past, StepPast, said, subject, to_paste};
use crate::domain::record::StepState;
use crate::domain::text::clean;
use crate::runbook::model::Role;
use serde_json::Value;

/// What a person says what they saw of: a change, or an undo, that is in doubt or did not go well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedAbout {
    /// The step's id.
    pub step: String,
    /// Its role in the records.
    pub role: String,
    /// Its target in the records.
    pub target: Option<String>,
    /// It is the undo of the step.
    pub undo: bool,
    /// `the undo of 'Reload nginx' on web-1`.
    pub subject: String,
}

/// That what came before a step waits, because its undo did not go well: `the undo of 'Reload nginx' on web-1 failed, and …`.
pub fn stuck_words(title: &str, target: &str) -> String {
    let subject = subject(true, title, target);
    format!(
        "{subject} failed, and its page does not say that it may be sent twice: look, and say what you saw; what came before it waits for that"
    )
}

impl Past {
    /// What can be taken back now, last first: changes that may have been made, whose undo was not sent yet or may be sent again, and runs
    /// that were called. What comes before one that [a person must judge](Self::stuck) waits for that.
    pub fn undoable(&self) -> impl Iterator<Item = (&str, &StepPast)> {
        let left = self.in_reverse().take_while(|(planned, step)| !step.is_stuck(planned));
        left.filter(|(planned, step)| step.is_left(planned)).map(|(planned, step)| (said(planned, "id"), step))
    }

    /// The step whose undo was sent, did not go well, and must not be sent twice: a person looks, and says what they saw.
    pub fn stuck(&self) -> Option<&Value> {
        self.in_reverse().find(|(planned, step)| step.is_stuck(planned)).map(|(planned, _)| planned)
    }

    /// Something of it is left to take back, whoever does it.
    pub fn has_left(&self) -> bool {
        self.undoable().next().is_some() || self.stuck().is_some()
    }

    /// That nothing more is taken back before a person has said what they saw of an undo that did not go well; `None`: of none.
    pub fn stuck_words(&self) -> Option<String> {
        let planned = self.stuck()?;
        Some(stuck_words(said(planned, "title"), said(planned, "target")))
    }

    fn in_reverse(&self) -> impl Iterator<Item = (&Value, &StepPast)> {
        self.planned().rev().filter_map(|planned| Some((planned, self.steps.get(said(planned, "id"))?)))
    }

    /// What is left to undo, last first, as text to paste: `Stop it on game-2: docker start api`. One whose undo did not go well is among it.
    pub fn left_to_undo(&self) -> Vec<String> {
        self.planned().rev().filter_map(|planned| self.left_of(planned)).collect()
    }

    /// The same by the steps' names alone, in one line: `step 2 'Stop it' on game-2; step 1 'Drain' on game-2`; empty: nothing.
    pub fn left_named(&self) -> String {
        let left = self.planned().rev().filter(|planned| self.left_of(planned).is_some());
        let names: Vec<String> = left.map(|planned| self.name(planned)).collect();
        names.join("; ")
    }

    fn left_of(&self, planned: &Value) -> Option<String> {
        let known = self.steps.get(said(planned, "id")).filter(|known| known.undo != Some(StepState::Undone))?;
        let (title, target) = (said(planned, "title"), said(planned, "target"));
        match (known.called, &planned["undo"]) {
            (Some(run), _) => Some(format!("{title}: what run {} did", run.short())),
            (None, Value::String(undo)) if known.happened && known.undo.is_some() => {
                Some(to_paste(&format!("{title} on {target} (look first: its undo was begun)"), undo))
            }
            (None, Value::String(undo)) if known.happened => Some(to_paste(&format!("{title} on {target}"), undo)),
            (None, _) => None,
        }
    }

    /// Which undos did not go well and are sent again, in words.
    pub fn tried_again(&self) -> Vec<String> {
        let failed =
            self.undoable().filter(|(_, step)| step.undo == Some(StepState::UndoFailed) && step.called.is_none());
        failed
            .map(|(id, step)| {
                clean(&format!(
                    "the undo of {} failed ({}): it may be sent again, and is",
                    self.name_of(id),
                    step.undo_detail
                ))
                .into_owned()
            })
            .collect()
    }

    /// What a person is asked about first; `None`: about nothing.
    pub fn asked_about(&self) -> Option<AskedAbout> {
        if let Some(open) = self.first_open() {
            let of = &open.intent.entry;
            return Some(AskedAbout {
                step: open.step().to_owned(),
                role: of.role.clone().unwrap_or_default(),
                target: of.target.clone(),
                undo: open.is_undo(),
                subject: self.subject_of(open),
            });
        }
        let planned = self.stuck()?;
        let (step, title, target) = (said(planned, "id"), said(planned, "title"), said(planned, "target"));
        Some(AskedAbout {
            step: step.to_owned(),
            role: Role::Undo.word().to_owned(),
            target: Some(target.to_owned()),
            undo: true,
            subject: subject(true, title, target),
        })
    }

    /// Something of it was taken back, and nothing is in doubt or left to be.
    pub fn is_taken_back(&self) -> bool {
        let back = self.steps.values().any(|step| step.undo == Some(StepState::Undone));
        back && self.open.is_empty() && self.left_to_undo().is_empty()
    }

    pub(super) fn has_failed_undo(&self) -> bool {
        self.steps.values().any(|step| step.undo == Some(StepState::UndoFailed))
    }
}

impl StepPast {
    /// Its undo was sent and did not go well, and its page does not say that it may be sent again.
    fn is_stuck(&self, planned: &Value) -> bool {
        self.undo == Some(StepState::UndoFailed) && self.called.is_none() && planned["undo_again"] != true
    }

    /// There is something to take back that was not tried, or did not go well.
    fn is_left(&self, planned: &Value) -> bool {
        let there = self.called.is_some() || self.happened && planned["undo"].is_string();
        there && matches!(self.undo, None | Some(StepState::UndoFailed))
    }
}
