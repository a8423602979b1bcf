//! After a crash: what became of the changes that were intended. Everything here only looks; nothing is ever sent again.

use super::Exec;
use super::scene::{Pins, Scene, Seen, step_of};
use crate::domain::record::{Entry, Record, RecordKind, RunOutcome, StepState};
use crate::domain::text::clean;
use crate::domain::{RunId, time};
use crate::event::{Ended, RunEvent};
use crate::journal::JournalError;
use crate::runbook::language::types_of;
use crate::runbook::machine::Watched;
use crate::runbook::model::{OnDisconnect, Role, Step};
use crate::runbook::plan::Rows;
use crate::runbook::{Runbook, Script};
use crate::steps::Settled;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at a change that may still be under way.
const LOOK: Duration = Duration::from_millis(500);
/// A change that is still not settled so long after its intent is unknown.
const PATIENCE: Duration = Duration::from_mins(5);
/// The longest that one look may take: a service that hangs must not keep a run in the dark.
const ANSWER: Duration = Duration::from_secs(10);

/// Reconciles every unfinished run that no living process drives.
pub(super) async fn reconcile(exec: &Arc<Exec>) {
    let records = match exec.journal.unfinished().await {
        Ok(records) => records,
        Err(error) => {
            let what = format!("unfinished runs cannot be looked for: {error}");
            return exec.trouble(None, &what).await;
        }
    };
    let runs = by_run(records);
    if runs.is_empty() {
        return;
    }
    exec.tell(RunEvent::CutOff(runs.iter().map(|(run, _)| *run).collect())).await;
    // Side by side: one whose service hangs must not keep the others in the dark.
    let settled = join_all(runs.iter().map(|(run, records)| settled(exec, *run, records))).await;
    let ended: Vec<Ended> = settled.into_iter().flatten().collect();
    if !ended.is_empty() {
        exec.tell(RunEvent::Reconciled(ended)).await;
    }
}

/// Settles one run; `None` when it could not be, which is told, or when another process has taken it over.
async fn settled(exec: &Exec, run: RunId, records: &[Record]) -> Option<Ended> {
    match Found::of(run, records, exec)?.settle(exec).await {
        Ok(ended) => ended,
        Err(error) => {
            let what = format!("run {} cannot be reconciled: {error}", run.short());
            exec.trouble(Some(run), &what).await;
            None
        }
    }
}

fn by_run(records: Vec<Record>) -> Vec<(RunId, Vec<Record>)> {
    let mut runs: Vec<(RunId, Vec<Record>)> = Vec::new();
    for record in records {
        let Some(id) = record.entry.run else { continue };
        match runs.iter_mut().find(|(run, _)| *run == id) {
            Some((_, list)) => list.push(record),
            None => runs.push((id, vec![record])),
        }
    }
    runs
}

/// An unfinished run, as its records tell it.
struct Found<'a> {
    run: RunId,
    start: &'a Record,
    /// The last state recorded for each step that has one.
    states: BTreeMap<&'a str, StepState>,
    /// The intent that no final state follows.
    open: Option<&'a Record>,
    /// That what was intended was done, as the other side said.
    done: Option<&'a Record>,
    /// The runbook, if it is still the same file.
    runbook: Option<Arc<Runbook>>,
}

impl<'a> Found<'a> {
    fn of(run: RunId, records: &'a [Record], exec: &Exec) -> Option<Self> {
        let start = records.iter().find(|record| record.entry.kind == RecordKind::RunStart)?;
        let (mut states, mut open, mut done) = (BTreeMap::new(), None, None);
        for record in records {
            let Some(step) = record.entry.step.as_deref() else { continue };
            match record.entry.kind {
                RecordKind::StepIntent => {
                    (open, done) = (Some(record), None);
                    states.insert(step, StepState::Intent);
                }
                RecordKind::StepExit | RecordKind::StepReconcile => {
                    let state: Option<StepState> = serde_json::from_value(record.entry.data["state"].clone()).ok();
                    let Some(state) = state else { continue };
                    states.insert(step, state);
                    done = (state == StepState::Running).then_some(record);
                    // It was not done, which is certain, and was about to be sent again.
                    if state == StepState::Checking {
                        open = None;
                    }
                    // An unknown effect is recorded before the verification that is to tell, so it closes nothing.
                    if state.is_final()
                        && (state != StepState::Unknown || record.entry.kind == RecordKind::StepReconcile)
                    {
                        open = None;
                    }
                }
                RecordKind::JournalOpen
                | RecordKind::WritesLock
                | RecordKind::PolicyChange
                | RecordKind::BreakGlass
                | RecordKind::RunStart
                | RecordKind::StepRecheck
                | RecordKind::StepTick
                | RecordKind::RunBatch
                | RecordKind::LockTaken
                | RecordKind::LockReleased
                | RecordKind::RunResume
                | RecordKind::RunFinish => {}
            }
        }
        let data = &start.entry.data;
        let runbook = data["runbook"].as_str().and_then(|id| exec.library.get(id));
        let runbook = runbook.filter(|runbook| data["source_hash"] == runbook.hash.as_str()).cloned();
        Some(Self { run, start, states, open, done, runbook })
    }

    /// Ends the run in the journal. `None`: another process has taken it over.
    async fn settle(self, exec: &Exec) -> Result<Option<Ended>, JournalError> {
        if !exec.journal.claim(self.run).await? {
            return Ok(None);
        }
        let (outcome, reason) = match self.open {
            None => self.ended(),
            Some(intent) => {
                let (state, detail) = self.look(exec, intent).await;
                let data = json!({ "state": state, "detail": clean(&detail) });
                self.append(exec, RecordKind::StepReconcile, Some(intent), data).await?;
                self.ended_with(intent, state, detail)
            }
        };
        let reason = clean(&reason).into_owned();
        self.append(exec, RecordKind::RunFinish, None, json!({ "outcome": outcome, "reason": reason })).await?;
        if self.start.entry.data["locks"].as_bool() == Some(true)
            && let Err(error) = exec.journal.release(self.run).await
        {
            tracing::warn!(%error, "its locks are not given back; they lapse");
        }
        tracing::info!(run = %self.run.short(), outcome = outcome.word(), reason, "a run that was cut off is settled");
        Ok(Some(Ended { run: self.run, outcome, reason }))
    }

    /// No change is in doubt: the records alone tell how it ended.
    fn ended(&self) -> (RunOutcome, String) {
        let bad = self.states.values().find(|state| bad(**state));
        if let Some(state) = bad {
            return (RunOutcome::Failed, format!("a step ended as {:?}; then quarterdeck ended", state.word()));
        }
        let fine = |state: Option<&StepState>| matches!(state, Some(StepState::Ok | StepState::Skipped));
        let steps = self.steps();
        if !steps.is_empty() && steps.iter().all(|step| fine(self.states.get(step))) {
            return (RunOutcome::Ok, "every step was ok; quarterdeck ended before it could say so".to_owned());
        }
        if self.states.values().any(|state| *state == StepState::Ok) {
            return (RunOutcome::Stopped, "quarterdeck ended between two steps; nothing is in doubt".to_owned());
        }
        (RunOutcome::Stopped, "quarterdeck ended before anything was sent: nothing was sent".to_owned())
    }

    fn ended_with(&self, intent: &Record, state: StepState, detail: String) -> (RunOutcome, String) {
        let last = self.steps().last().copied() == intent.entry.step.as_deref();
        match state {
            StepState::Ok if last => (RunOutcome::Ok, detail),
            StepState::Ok => (RunOutcome::Stopped, format!("{detail}; the steps after it were not begun")),
            StepState::Unknown => (RunOutcome::Unknown, detail),
            StepState::Planned
            | StepState::Checking
            | StepState::Intent
            | StepState::Running
            | StepState::Failed
            | StepState::TimedOut
            | StepState::Cancelled
            | StepState::Skipped
            | StepState::Undone
            | StepState::UndoFailed => (RunOutcome::Failed, detail),
        }
    }

    fn steps(&self) -> Vec<&str> {
        let steps = self.start.entry.data["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        steps.iter().filter_map(|step| step["id"].as_str()).collect()
    }

    async fn append(
        &self,
        exec: &Exec,
        kind: RecordKind,
        intent: Option<&Record>,
        data: Value,
    ) -> Result<Record, JournalError> {
        let of = intent.map(|record| &record.entry);
        let entry = Entry {
            kind,
            run: Some(self.run),
            step: of.and_then(|entry| entry.step.clone()),
            role: of.and_then(|entry| entry.role.clone()),
            target: of.and_then(|entry| entry.target.clone()),
            env: self.start.entry.env.clone(),
            data,
        };
        exec.append(entry).await
    }

    /// How the change itself came out, as far as it was said.
    fn how(&self) -> String {
        let said = self.done.and_then(|record| record.entry.data["detail"].as_str());
        said.map_or_else(|| "after a restart of quarterdeck".to_owned(), str::to_owned)
    }

    /// What became of an intended change.
    async fn look(&self, exec: &Exec, intent: &Record) -> (StepState, String) {
        let unknown = |why: &str| (StepState::Unknown, format!("nobody can tell whether it happened: {why}"));
        let Some(runbook) = &self.runbook else { return unknown("the runbook has changed since") };
        let id = intent.entry.step.as_deref().unwrap_or_default();
        let mut memory = Memory::of(&intent.entry.data["facts"]);
        let fleet = serde_json::from_value(self.start.entry.data["fleet"].clone()).unwrap_or_default();
        let script = Script::new(runbook, &memory.values, &fleet, false).unwrap_or_default();
        let Some(step) = script.step(id) else { return unknown("the step is gone") };
        if let Some(given) = self.done.map(|done| &done.entry.data["outs"]) {
            memory.outs.extend(rows_of(given));
        }
        let types = types_of(runbook);
        let (label, number) = (format!("quarterdeck run {}", self.run.short()), self.run.to_string());
        let scene = Scene {
            connections: &exec.connections,
            types: &types,
            values: &memory.values,
            outs: &memory.outs,
            label: &label,
            run: &number,
            steps: &script.steps,
        };
        if intent.entry.role.as_deref() == Some(Role::Undo.word()) {
            return undone(settle(exec, scene, step, Role::Undo, &memory, intent).await);
        }
        // The other side said that it was done: only the verification is open.
        let settled = match self.done {
            Some(_) => Settled::AskVerify,
            None => settle(exec, scene, step, Role::Run, &memory, intent).await,
        };
        // Waiting goes on from where it was: each start would else begin it anew.
        let spent = time::between(self.done.unwrap_or(intent).at, (exec.clock)().wall);
        let known = Pins { ids: &memory.pins, left_out: &memory.left_out };
        let watch = scene.watch(step, known, spent);
        match settled {
            Settled::Happened(how) => judge(true, &how, watch.await),
            Settled::AskVerify => judge(self.done.is_some(), &self.how(), watch.await),
            Settled::DidNot(why) => (StepState::Failed, why),
            Settled::NotYet(why) => unknown(&format!("it is still under way: {why}")),
            // The host is away, as it was meant to be: what looks from elsewhere tells.
            Settled::CannotTell(_) if expected(step) => judge(self.done.is_some(), &self.how(), watch.await),
            Settled::CannotTell(why) => unknown(&why),
        }
    }
}

/// The line to the step's host breaks because that is what the step does.
fn expected(step: &Step) -> bool {
    step.run().is_some_and(|run| run.attrs.on_disconnect == Some(OnDisconnect::Expected))
}

/// Looks until the change has shown or cannot any more. Time is counted from the intent by the journal's clock.
async fn settle(exec: &Exec, scene: Scene<'_>, step: &Step, role: Role, memory: &Memory, intent: &Record) -> Settled {
    let index = step.fences.iter().position(|fence| fence.role == role);
    let Some(index) = index else { return Settled::AskVerify };
    let fence = &step.fences[index];
    let pinned = memory.pins.get(index).and_then(Option::as_deref);
    let (way, call) = match (step_of(fence), scene.call(fence, pinned)) {
        (Ok(way), Ok(call)) => (way, call),
        (Err(error), _) | (_, Err(error)) => return Settled::CannotTell(error.to_string()),
    };
    loop {
        let age = time::between(intent.at, (exec.clock)().wall);
        match tokio::time::timeout(ANSWER, way.settle(call, &memory.before, age)).await {
            Ok(Settled::NotYet(_)) if age < PATIENCE => tokio::time::sleep(LOOK).await,
            Ok(settled) => return settled,
            // It hangs: what it will say when it answers again is worth waiting for.
            Err(_) if age < PATIENCE => {}
            Err(_) => return Settled::CannotTell(format!("{} gave no answer within {ANSWER:?}", call.on)),
        }
    }
}

/// What became of an undo: a `verify` is about the change, and tells nothing of it.
fn undone(settled: Settled) -> (StepState, String) {
    match settled {
        Settled::Happened(how) => (StepState::Undone, how),
        Settled::DidNot(why) => (StepState::UndoFailed, format!("the undo did not happen: {why}")),
        Settled::NotYet(why) | Settled::CannotTell(why) => {
            (StepState::Unknown, format!("nobody can tell whether it was undone: {why}"))
        }
        Settled::AskVerify => (StepState::Unknown, "nobody can tell whether it was undone: look yourself".to_owned()),
    }
}

/// `done`: it is known that the change happened.
fn judge(done: bool, how: &str, Seen { watched, result, .. }: Seen) -> (StepState, String) {
    let result = result.map(|said| format!("{said}; ")).unwrap_or_default();
    match watched {
        Watched::Passed(text) => (StepState::Ok, format!("{result}{how}; {text}")),
        Watched::TimedOut(why) if done => (StepState::TimedOut, format!("{how}; {why}")),
        Watched::TimedOut(why) | Watched::Failed(why) => (StepState::Failed, format!("{how}; {why}")),
        Watched::CannotTell(why) => (StepState::Unknown, format!("{how}; {why}")),
    }
}

fn bad(state: StepState) -> bool {
    matches!(state, StepState::Failed | StepState::TimedOut | StepState::Undone | StepState::UndoFailed)
}

/// What the intent noted.
struct Memory {
    before: Value,
    values: BTreeMap<String, Value>,
    outs: BTreeMap<String, Rows>,
    pins: Vec<Option<String>>,
    left_out: Vec<bool>,
}

impl Memory {
    fn of(facts: &Value) -> Self {
        let outs = rows_of(&facts["outs"]).collect();
        Self {
            before: facts["before"].clone(),
            values: serde_json::from_value(facts["values"].clone()).unwrap_or_default(),
            outs,
            pins: serde_json::from_value(facts["pins"].clone()).unwrap_or_default(),
            left_out: serde_json::from_value(facts["left_out"].clone()).unwrap_or_default(),
        }
    }
}

fn rows_of(outs: &Value) -> impl Iterator<Item = (String, Rows)> {
    outs.as_object().into_iter().flatten().map(|(name, rows)| (name.clone(), remembered(name, rows)))
}

fn remembered(name: &str, rows: &Value) -> Rows {
    Rows {
        name: name.to_owned(),
        key: serde_json::from_value(rows["key"].clone()).unwrap_or_default(),
        columns: Vec::new(),
        rows: rows["rows"].as_array().cloned().unwrap_or_default(),
    }
}
