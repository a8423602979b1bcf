//! What each kind of record does to the run that it is of.

use super::super::model::Role;
use super::super::past;
use super::super::script::without_host;
use super::{BatchView, Known, RunView, StepView};
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, RunOutcome, StepState};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

pub(super) fn text(data: &Value, key: &str) -> String {
    data[key].as_str().unwrap_or_default().to_owned()
}

pub(super) fn state(data: &Value) -> Option<StepState> {
    serde_json::from_value(data["state"].clone()).ok()
}

/// `ben: looked at it with them`.
fn approved(data: &Value) -> Option<String> {
    let by = data["approved_by"].as_str()?;
    let said = data["approval_reason"].as_str().filter(|said| !said.is_empty());
    Some(said.map_or_else(|| by.to_owned(), |said| format!("{by}: {said}")))
}

pub(super) fn start(id: RunId, record: &Record) -> RunView {
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
        known: Known::begun(data),
        answer: text(data, "answer"),
        risk: text(data, "risk"),
        unreviewed: text(data, "unreviewed"),
        plan_hash: text(data, "plan_hash"),
        glass: data["break_glass"].as_str().map(str::to_owned),
        approved: approved(data),
        steps: numbered(steps.iter().map(planned_step).collect()),
        outcome: None,
        reason: String::new(),
        caller: caller(&data["parent"]),
        last: record.at,
        looked: None,
        interrupted: false,
        cut_off: false,
        left: false,
        asks: false,
        asks_about: String::new(),
        given_up: false,
        paused: false,
        batches: Vec::new(),
        writer: record.writer,
        clock: None,
    }
}

fn caller(parent: &Value) -> Option<(RunId, String)> {
    let run = serde_json::from_value(parent["run"].clone()).ok()?;
    Some((run, parent["step"].as_str()?.to_owned()))
}

/// Numbers by the page: the hosts of a step share one.
fn numbered(mut steps: Vec<StepView>) -> Vec<StepView> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for step in &mut steps {
        let next = numbers.len() + 1;
        step.number = *numbers.entry(without_host(&step.id).to_owned()).or_insert(next);
    }
    steps
}

fn planned_step(data: &Value) -> StepView {
    StepView {
        id: text(data, "id"),
        number: 0,
        title: text(data, "title"),
        target: text(data, "target"),
        state: StepState::Planned,
        address: text(data, "address"),
        changes: data["changes"].as_bool().unwrap_or(false),
        by_hand: data["by_hand"].as_bool().unwrap_or(false),
        undo: data["undo"].as_str().map(str::to_owned),
        undo_again: data["undo_again"] == true,
        call: serde_json::from_value(data["call"].clone()).ok(),
        not_done: false,
        called: false,
        sent_at: None,
        undo_at: None,
        before_undo: None,
        batch_at: None,
        ended: None,
        sent: String::new(),
        output: String::new(),
        detail: String::new(),
        at: None,
        first_at: None,
    }
}

pub(super) fn step(run: &mut RunView, record: &Record, state: Option<StepState>) {
    let over = run.looked.filter(|_| record.entry.kind == RecordKind::StepReconcile).unwrap_or(record.at);
    let Some(step) = run.steps.iter_mut().find(|step| Some(&step.id) == record.entry.step.as_ref()) else { return };
    let data = &record.entry.data;
    step.at = Some(record.at);
    step.first_at.get_or_insert(record.at);
    step.called |= !record.entry.data["called"].is_null();
    let undo = record.entry.role.as_deref() == Some(Role::Undo.word());
    // What was looked at and not taken back is what it was.
    let stays =
        |state: &StepState| undo && matches!(state, StepState::Checking | StepState::Skipped | StepState::Cancelled);
    let before = step.state;
    step.state = state.filter(|state| !stays(state)).unwrap_or(step.state);
    if undo {
        undo_of(step, record, before);
    } else {
        step.not_done = data["happened"].as_bool() == Some(false);
    }
    if record.entry.kind == RecordKind::StepIntent && !undo {
        step.sent_at = Some(record.at);
    }
    step.ended = step.ended.filter(|_| undo).or_else(|| step.state.is_final().then_some(over));
    if let Some(sent) = data["sent"].as_str() {
        if undo {
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

/// What a record of its undo says of a step; `before`: what it was until then.
fn undo_of(step: &mut StepView, record: &Record, before: StepState) {
    let none = record.entry.data["happened"].as_bool() == Some(false);
    match record.entry.kind {
        RecordKind::StepIntent => {
            step.undo_at = Some(record.at);
            let known = before.is_final() && before != StepState::UndoFailed;
            step.before_undo = Some(before).filter(|_| known).or(step.before_undo);
        }
        // It is certain that the undo did not happen: the step is what it was.
        RecordKind::StepReconcile if none => {
            step.undo_at = None;
            step.state = step.before_undo.unwrap_or(step.state);
        }
        RecordKind::StepExit | RecordKind::StepReconcile => {
            let passed = matches!(
                state(&record.entry.data),
                Some(StepState::Checking | StepState::Skipped | StepState::Cancelled)
            );
            step.undo_at = step.undo_at.filter(|_| !none && !passed);
        }
        _ => {}
    }
}

/// The next step is the first one of a batch of hosts, which begins after a pause.
pub(super) fn batch(run: &mut RunView, record: &Record) {
    let data = &record.entry.data;
    let pause = Duration::from_millis(data["pause_ms"].as_u64().unwrap_or(0));
    let hosts: Vec<String> = serde_json::from_value(data["hosts"].clone()).unwrap_or_default();
    let of_it = |step: &&mut StepView| {
        let own = step.host().is_none_or(|host| hosts.is_empty() || hosts.iter().any(|own| own == host));
        step.state == StepState::Planned && own
    };
    if let Some(step) = run.steps.iter_mut().find(of_it) {
        step.batch_at = record.at.checked_add(pause).ok();
        let section = step.section().to_owned();
        let number = |key: &str| data[key].as_u64().unwrap_or(0);
        run.batches.push(BatchView { number: number("batch"), of: number("of"), hosts, section });
    }
}

/// Whoever looks what became of a run is no part of it.
pub(super) fn heard(run: &mut RunView, record: &Record) {
    let data = &record.entry.data;
    let drives = matches!(data["way"].as_str(), Some("go on" | "undo"));
    let looks = match record.entry.kind {
        RecordKind::StepReconcile => true,
        RecordKind::RunResume => !drives,
        RecordKind::RunFinish => data["looked_after"].as_bool() == Some(true),
        _ => false,
    };
    if looks {
        run.interrupted = true;
        run.looked.get_or_insert(run.last);
    } else if record.entry.kind == RecordKind::RunResume {
        run.looked = None;
    }
    run.last = record.at;
}

/// It is open again.
pub(super) fn resume(run: &mut RunView, record: &Record) {
    (run.ended, run.outcome, run.cut_off) = (None, None, false);
    run.reason = text(&record.entry.data, "reason");
    run.given_up = past::given_up(record).is_some();
    run.approved = approved(&record.entry.data).or(run.approved.take());
}

pub(super) fn finish(run: &mut RunView, record: &Record) {
    run.paused = false;
    run.ended = Some(record.at);
    run.outcome = RunOutcome::of(&record.entry.data);
    run.reason = text(&record.entry.data, "reason");
}
