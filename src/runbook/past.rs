//! What a run's records say of each of its steps: a pure fold over them. From it a run that was cut off is looked after, gone on with, or
//! taken back, and nothing that it says was done is done again.

use super::machine::Was;
use super::model::{Role, Step};
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, RunOutcome, StepState};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A run as its records tell it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Which.
    pub run: RunId,
    /// Its `run.start`.
    pub start: Record,
    /// What is known of its steps, by their ids; a step that nothing was recorded of is missing.
    pub steps: BTreeMap<String, StepPast>,
    /// What was about to be done and has no certain end.
    pub open: Option<Open>,
    /// How it ended; `None`: it has not, or was taken up again since.
    pub outcome: Option<RunOutcome>,
    /// Why, in words.
    pub reason: String,
    /// It holds, or may hold, what it locks.
    pub locks: bool,
}

/// What can be done with a run that nobody drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The rest of it.
    GoOn,
    /// What it did is taken back, last first.
    Undo,
    /// A person says what they saw of what is in doubt.
    Saw,
    /// It is left as it is, for a reason.
    GiveUp,
}

/// An intent without a certain end.
#[derive(Clone, Debug)]
pub struct Open {
    /// The `step.intent`.
    pub intent: Record,
    /// That it was done, as the other side said.
    pub done: Option<Record>,
}

impl Open {
    /// It was to take a step back.
    pub fn is_undo(&self) -> bool {
        is_undo(&self.intent)
    }
}

/// What is known of a step.
#[derive(Clone, Debug, Default)]
pub struct StepPast {
    /// The last state of what it does; `None`: not begun.
    pub state: Option<StepState>,
    /// Why, in words.
    pub detail: String,
    /// Its change was made, or may have been.
    pub happened: bool,
    /// What its intent noted: values, rows, identities.
    pub facts: Value,
    /// The rows that its change gave back, by name.
    pub outs: Value,
    /// How taking it back stands; `None`: nobody tried, or it is certain that nothing was sent for it.
    pub undo: Option<StepState>,
    /// What an earlier look came to is in the records.
    pub looked: bool,
    /// The run that it called.
    pub called: Option<RunId>,
    /// What was chosen in it, as shown.
    pub chosen: Option<String>,
}

impl Past {
    /// Of the records of one run, oldest first; `None`: its start is missing.
    pub fn of(run: RunId, records: &[Record]) -> Option<Self> {
        let start = records.iter().find(|record| record.entry.kind == RecordKind::RunStart)?.clone();
        let mut past =
            Self { run, start, steps: BTreeMap::new(), open: None, outcome: None, reason: String::new(), locks: false };
        for record in records {
            past.take(record);
        }
        Some(past)
    }

    fn take(&mut self, record: &Record) {
        let data = &record.entry.data;
        match record.entry.kind {
            RecordKind::StepIntent => self.intend(record),
            RecordKind::StepExit | RecordKind::StepReconcile => self.ended(record),
            RecordKind::StepTick => {
                // What takes a call back is told by the run that was called.
                let Some(step) = Some(record).filter(|record| !is_undo(record)).and_then(|it| self.step_of(it)) else {
                    return;
                };
                step.state = Some(StepState::Checking);
                step.called = serde_json::from_value(data["called"].clone()).ok().or(step.called);
                step.chosen = data["chosen"].as_str().map(str::to_owned).or(step.chosen.take());
            }
            RecordKind::RunFinish => {
                self.outcome = serde_json::from_value(data["outcome"].clone()).ok();
                data["reason"].as_str().unwrap_or_default().clone_into(&mut self.reason);
            }
            RecordKind::RunStart => self.locks |= data["locks"].as_bool() == Some(true),
            RecordKind::RunResume => {
                self.outcome = None;
                self.locks |= data["locks"].as_bool() == Some(true);
            }
            RecordKind::JournalOpen
            | RecordKind::WritesLock
            | RecordKind::PolicyChange
            | RecordKind::BreakGlass
            | RecordKind::StepRecheck
            | RecordKind::RunBatch
            | RecordKind::LockTaken
            | RecordKind::LockReleased => {}
        }
    }

    fn step_of(&mut self, record: &Record) -> Option<&mut StepPast> {
        Some(self.steps.entry(record.entry.step.clone()?).or_default())
    }

    fn intend(&mut self, record: &Record) {
        let Some(step) = self.step_of(record) else { return };
        if is_undo(record) {
            step.undo = Some(StepState::Intent);
        } else {
            (step.state, step.happened) = (Some(StepState::Intent), true);
            step.facts = record.entry.data["facts"].clone();
        }
        self.open = Some(Open { intent: record.clone(), done: None });
    }

    fn ended(&mut self, record: &Record) {
        let data = &record.entry.data;
        let Ok(state) = serde_json::from_value::<StepState>(data["state"].clone()) else { return };
        let none = data["happened"].as_bool() == Some(false);
        let Some(step) = self.step_of(record) else { return };
        step.looked = record.entry.kind == RecordKind::StepReconcile;
        if is_undo(record) {
            // What was not sent can be tried again, and what was passed over too.
            let sent = !none && !matches!(state, StepState::Checking | StepState::Skipped | StepState::Cancelled);
            step.undo = sent.then_some(state);
        } else {
            step.state = Some(state);
            data["detail"].as_str().unwrap_or_default().clone_into(&mut step.detail);
            step.happened &= !none;
            if data["outs"].is_object() {
                step.outs = data["outs"].clone();
            }
        }
        self.close(record, state);
    }

    /// An unknown effect closes nothing: somebody must still find out.
    fn close(&mut self, record: &Record, state: StepState) {
        match state {
            StepState::Running => {
                if let Some(open) = &mut self.open {
                    open.done = Some(record.clone());
                }
            }
            StepState::Unknown | StepState::Planned | StepState::Intent => {}
            StepState::Checking
            | StepState::Ok
            | StepState::Failed
            | StepState::TimedOut
            | StepState::Cancelled
            | StepState::Skipped
            | StepState::Undone
            | StepState::UndoFailed => self.open = None,
        }
    }

    /// The steps that its plan had, in order: the fields of its first record.
    pub fn planned(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.start.entry.data["steps"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// Their ids.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.planned().filter_map(|step| step["id"].as_str())
    }

    /// What is known of a step.
    pub fn step(&self, id: &str) -> Option<&StepPast> {
        self.steps.get(id)
    }

    /// What can be taken back, last first: changes that may have been made and have an undo that nothing was sent of, and runs that
    /// were called.
    pub fn undoable(&self) -> impl Iterator<Item = (&str, &StepPast)> {
        self.planned().rev().filter_map(|planned| {
            let id = planned["id"].as_str()?;
            let step = self.steps.get(id)?;
            let own = step.happened && planned["undo"].is_string();
            (step.undo.is_none() && (own || step.called.is_some())).then_some((id, step))
        })
    }

    /// The step that is a run that it called, and that run, while nobody has said how that ended.
    pub fn calling(&self) -> Option<(&str, RunId)> {
        self.ids().find_map(|id| {
            let step = self.steps.get(id).filter(|step| step.state == Some(StepState::Checking))?;
            Some((id, step.called?))
        })
    }

    /// What is left to undo, last first, as text to paste: `Stop it on game-2: docker start api`. One whose undo did not go well is among it.
    pub fn left_to_undo(&self) -> Vec<String> {
        self.planned().rev().filter_map(|planned| self.left_of(planned)).collect()
    }

    fn left_of(&self, planned: &Value) -> Option<String> {
        let said = |key: &str| planned[key].as_str().unwrap_or_default();
        let known = self.steps.get(said("id")).filter(|known| known.undo != Some(StepState::Undone))?;
        let (title, target) = (said("title"), said("target"));
        match (known.called, &planned["undo"]) {
            (Some(run), _) => Some(format!("{title}: what run {} did", run.short())),
            (None, Value::String(undo)) if known.happened && known.undo.is_some() => {
                Some(format!("{title} on {target} (look first: its undo was begun): {undo}"))
            }
            (None, Value::String(undo)) if known.happened => Some(format!("{title} on {target}: {undo}")),
            (None, _) => None,
        }
    }

    /// What a person can do with it now.
    pub fn ways(&self) -> Vec<Next> {
        if self.open.is_some() {
            return vec![Next::Saw, Next::GiveUp];
        }
        if self.outcome.is_none() {
            return Vec::new();
        }
        let whole = self.is_whole();
        let back = self.steps.values().any(|step| step.undo.is_some());
        let ways =
            [(Next::GoOn, !whole && !back), (Next::Undo, self.undoable().next().is_some()), (Next::GiveUp, !whole)];
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect()
    }

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

    /// How a run ended of which nothing is in doubt, as its records alone tell.
    pub fn ending(&self) -> (RunOutcome, String) {
        if self.is_whole() {
            return (RunOutcome::Ok, "every step was ok; quarterdeck ended before it could say so".to_owned());
        }
        let word = |step: &StepPast| match (step.undo, step.state) {
            (Some(undo @ (StepState::Undone | StepState::UndoFailed)), _) => Some(undo),
            (_, Some(state @ (StepState::Failed | StepState::TimedOut))) => Some(state),
            _ => None,
        };
        let bad = self.ids().filter_map(|id| self.steps.get(id)).find_map(|step| Some((step, word(step)?)));
        if let Some((step, state)) = bad {
            let why = if step.detail.is_empty() { String::new() } else { format!(": {}", step.detail) };
            return (RunOutcome::Failed, format!("a step ended as {:?}{why}; then quarterdeck ended", state.word()));
        }
        if self.steps.values().any(|step| step.state == Some(StepState::Ok)) {
            return (RunOutcome::Stopped, "quarterdeck ended between two steps; nothing is in doubt".to_owned());
        }
        (RunOutcome::Stopped, "quarterdeck ended before anything was sent: nothing was sent".to_owned())
    }

    /// What the machine must know to take it up again.
    pub fn was(&self) -> Vec<Was> {
        let of = |id: &str| self.steps.get(id).map_or_else(Was::default, StepPast::was);
        self.ids().map(of).collect()
    }
}

impl StepPast {
    fn was(&self) -> Was {
        Was {
            state: self.state.unwrap_or(StepState::Planned),
            happened: self.happened,
            undo: self.undo,
            detail: self.detail.clone(),
        }
    }
}

fn is_undo(record: &Record) -> bool {
    record.entry.role.as_deref() == Some(Role::Undo.word())
}

/// SHA-256 (hex) over what a step does, without its prose and its place in the file: the same as long as it would do the same.
pub fn fingerprint(step: &Step) -> String {
    let fence = |fence: &super::model::Fence| {
        json!([fence.role.word(), fence.language.name, format!("{:?}", fence.attrs), fence.body])
    };
    let manual = &step.manual;
    let called = manual.call.as_ref().map(|call| &call.file);
    let whole =
        json!([step.id, step.fences.iter().map(fence).collect::<Vec<_>>(), manual.tasks, manual.choices, called]);
    super::parse::sha256(&whole.to_string())
}

#[cfg(test)]
mod tests;
