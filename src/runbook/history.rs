//! Runs as the journal tells them: a pure fold over records. The runs view, the list of unfinished runs and the reports read this, so
//! that the screen and the journal cannot disagree.

use super::model::Role;
use crate::domain::record::{Record, RecordKind, RunOutcome, StepState};
use crate::domain::{RunId, Severity};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// All runs known, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    views: Vec<RunView>,
    places: HashMap<RunId, usize>,
    revision: u64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct RunView {
    /// Id.
    pub id: RunId,
    /// The runbook's id.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// Of the runbook's text, SHA-256 in hex; empty in records that do not say.
    pub source_hash: String,
    /// Who started it: `name@host`.
    pub actor: String,
    /// Environment.
    pub env: String,
    /// When.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Parameters as shown.
    pub params: Vec<(String, String)>,
    /// What was typed to confirm it, or `y`.
    pub answer: String,
    /// Steps in order.
    pub steps: Vec<StepView>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why, in words.
    pub reason: String,
    /// Its process ended before it did: somebody else has to find out, or has found out, what became of it.
    pub cut_off: bool,
}

impl RunView {
    /// The outcome, or how it stands while there is none.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Some(outcome) => outcome.word(),
            None if self.cut_off => "cut off",
            None => "running",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self.outcome {
            None if self.cut_off => Severity::Unknown,
            None => Severity::Info,
            Some(RunOutcome::Ok) => Severity::Ok,
            Some(RunOutcome::Stopped) => Severity::None,
            Some(RunOutcome::Unknown) => Severity::Unknown,
            Some(RunOutcome::Failed) => Severity::Critical,
        }
    }
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct StepView {
    /// `section-slug/step-slug`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What it acts on.
    pub target: String,
    /// State.
    pub state: StepState,
    /// What was sent.
    pub sent: String,
    /// What came back, several lines.
    pub output: String,
    /// In one sentence, what happened.
    pub detail: String,
    /// When its state last changed.
    pub at: Option<Timestamp>,
}

impl Runs {
    /// Runs, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RunView> + ExactSizeIterator {
        self.views.iter()
    }
    /// By id.
    pub fn get(&self, id: RunId) -> Option<&RunView> {
        self.places.get(&id).map(|place| &self.views[*place])
    }
    /// Changes whenever a record was applied.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// These were left unfinished by a process that is no more.
    pub fn cut_off(&mut self, runs: &[RunId]) {
        for place in runs.iter().filter_map(|run| self.places.get(run)) {
            self.views[*place].cut_off = true;
        }
        self.revision += 1;
    }

    /// Takes in one record; records of one run must come in order.
    pub fn apply(&mut self, record: &Record) {
        let Some(id) = record.entry.run else { return };
        self.revision += 1;
        if record.entry.kind == RecordKind::RunStart {
            if let Entry::Vacant(place) = self.places.entry(id) {
                place.insert(self.views.len());
                self.views.push(start(id, record));
            }
            return;
        }
        let Some(run) = self.places.get(&id).map(|place| &mut self.views[*place]) else { return };
        match record.entry.kind {
            RecordKind::RunFinish => finish(run, record),
            RecordKind::StepRecheck => step(run, record, Some(StepState::Checking)),
            RecordKind::StepIntent => step(run, record, Some(StepState::Intent)),
            RecordKind::StepExit | RecordKind::StepReconcile => step(run, record, state(&record.entry.data)),
            RecordKind::StepTick => step(run, record, Some(StepState::Checking)),
            RecordKind::RunBatch
            | RecordKind::RunStart
            | RecordKind::JournalOpen
            | RecordKind::WritesLock
            | RecordKind::PolicyChange => {}
        }
    }
}

fn text(data: &Value, key: &str) -> String {
    data[key].as_str().unwrap_or_default().to_owned()
}

fn state(data: &Value) -> Option<StepState> {
    serde_json::from_value(data["state"].clone()).ok()
}

fn start(id: RunId, record: &Record) -> RunView {
    let data = &record.entry.data;
    let steps = data["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let params = data["params"].as_object().into_iter().flatten();
    RunView {
        id,
        runbook: text(data, "runbook"),
        title: text(data, "title"),
        source_hash: text(data, "source_hash"),
        actor: format!("{}@{}", record.actor.name, record.actor.host),
        env: record.entry.env.clone(),
        started: record.at,
        ended: None,
        params: params
            .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect(),
        answer: text(data, "answer"),
        steps: steps.iter().map(planned_step).collect(),
        outcome: None,
        reason: String::new(),
        cut_off: false,
    }
}

fn planned_step(data: &Value) -> StepView {
    StepView {
        id: text(data, "id"),
        title: text(data, "title"),
        target: text(data, "target"),
        state: StepState::Planned,
        sent: String::new(),
        output: String::new(),
        detail: String::new(),
        at: None,
    }
}

fn step(run: &mut RunView, record: &Record, state: Option<StepState>) {
    let Some(step) = run.steps.iter_mut().find(|step| Some(&step.id) == record.entry.step.as_ref()) else { return };
    let data = &record.entry.data;
    step.at = Some(record.at);
    step.state = state.unwrap_or(step.state);
    if let Some(sent) = data["sent"].as_str() {
        if record.entry.role.as_deref() == Some(Role::Undo.word()) {
            step.sent.push_str("\nundo:\n");
            step.sent.push_str(sent);
        } else {
            sent.clone_into(&mut step.sent);
        }
    }
    if let Some(detail) = data["detail"].as_str() {
        detail.clone_into(&mut step.detail);
    }
    if let Some(output) = data["output"].as_str().filter(|output| !output.is_empty()) {
        if !step.output.is_empty() {
            step.output.push('\n');
        }
        step.output.push_str(output);
    }
}

fn finish(run: &mut RunView, record: &Record) {
    run.ended = Some(record.at);
    run.outcome = serde_json::from_value(record.entry.data["outcome"].clone()).ok();
    run.reason = text(&record.entry.data, "reason");
}
