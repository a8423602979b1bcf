//! After a crash: what became of the changes that were intended. Everything here only looks; nothing is ever sent again.

use super::Exec;
use super::drive;
use super::progress::both_ends;
use super::scene::{Pins, Scene, Seen, step_of};
use crate::domain::SourceError;
use crate::domain::record::{Entry, Record, RecordKind, RunOutcome, StepState};
use crate::domain::text::clean;
use crate::domain::{RunId, time};
use crate::event::{Ended, RunEvent};
use crate::runbook::language::{Types, types_of};
use crate::runbook::machine::{Effect, Watched};
use crate::runbook::model::{OnDisconnect, Role, Step};
use crate::runbook::past::{self, Open, Past};
use crate::runbook::plan::Rows;
use crate::runbook::{Runbook, Script};
use crate::steps::{Acted, Call, NOTES, Settled, Step as Way};
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
    if let Some(why) = exec.journal.only_looks().await {
        return leave(exec, runs.iter().map(|(run, _)| *run).collect(), &why).await;
    }
    exec.tell(RunEvent::CutOff(runs.iter().map(|(run, _)| *run).collect())).await;
    let runs = of_this_machine(exec, runs).await;
    // Side by side: one whose service hangs must not keep the others in the dark. A run that waits for one that it called comes after that.
    let (waiting, alone): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(run, records)| waits(*run, records));
    let settled = join_all(alone.iter().map(|(run, records)| settled(exec, *run, records))).await;
    let mut ended: Vec<Ended> = settled.into_iter().flatten().collect();
    for (run, records) in waiting.iter().rev() {
        ended.extend(self::settled(exec, *run, records).await);
    }
    if !ended.is_empty() {
        exec.tell(RunEvent::Reconciled(ended)).await;
    }
}

/// Shows runs that were cut off to somebody who may not look after them.
async fn leave(exec: &Exec, runs: Vec<RunId>, why: &str) {
    let names: Vec<String> = runs.iter().map(RunId::short).collect();
    let what = format!("cut off, and not yet looked after: run {}; {why}", names.join(", "));
    exec.tell(RunEvent::Left(runs)).await;
    exec.trouble(None, &what).await;
}

/// Looks once more at a run of which something is in doubt, whether it has an end or not.
pub(super) async fn look_again(exec: &Exec, run: RunId) -> Result<Option<Ended>, String> {
    let (past, _) = exec.past(run).await?;
    let nothing = past.outcome.is_none() || past.open.is_empty() || past.given_up.is_some();
    if nothing || exec.journal.only_looks().await.is_some() {
        return Ok(None);
    }
    exec.of_this_machine(&past).await?;
    exec.take_up(run, json!({ "way": "look", "reason": "what became of it is looked at once more" })).await?;
    let found = Found::of(past, exec);
    found.settle(exec).await
}

/// A step of it is a run that it called, and nobody has said how that ended.
fn waits(run: RunId, records: &[Record]) -> bool {
    Past::of(run, records).is_some_and(|past| past.calling().is_some())
}

/// Those that were begun here. Of the others it is told where they can be looked at: from here another thing of the same name would be.
async fn of_this_machine(exec: &Exec, runs: Vec<(RunId, Vec<Record>)>) -> Vec<(RunId, Vec<Record>)> {
    let Some(here) = exec.journal.host().await else { return runs };
    let (ours, others): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|(_, records)| records.first().is_none_or(|first| first.actor.host == here));
    for (run, records) in others {
        let host = records.first().map(|first| clean(&first.actor.host).into_owned()).unwrap_or_default();
        let what = format!(
            "run {} was cut off on {host}, and can be looked at from there alone: start quarterdeck there, or `quarterdeck runbook resume`",
            run.short()
        );
        exec.trouble(Some(run), &what).await;
    }
    ours
}

/// Settles one run; `None` when it could not be, which is told, or when another process has taken it over.
async fn settled(exec: &Exec, run: RunId, records: &[Record]) -> Option<Ended> {
    match Found::of(Past::of(run, records)?, exec).settle(exec).await {
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
struct Found {
    past: Past,
    /// The runbook as it is now.
    runbook: Option<Arc<Runbook>>,
}

impl Found {
    fn of(past: Past, exec: &Exec) -> Self {
        let runbook = past.start.entry.data["runbook"].as_str().and_then(|id| exec.library.get(id));
        let runbook = runbook.cloned();
        Self { past, runbook }
    }

    /// Ends the run in the journal, or leaves it open when something of it stays in doubt: what it locks stays held then, and the next look
    /// may tell. `None`: another process has taken it over.
    async fn settle(self, exec: &Exec) -> Result<Option<Ended>, String> {
        let run = self.past.run;
        if !exec.journal.claim(run).await.map_err(|error| error.to_string())? {
            return Ok(None);
        }
        if let Some((step, called)) = self.past.calling() {
            return self.settle_call(exec, step, called).await;
        }
        if self.past.open.is_empty() {
            let (outcome, reason) = self.past.ending();
            return exec.end(&self.past, outcome, &reason).await.map(Some);
        }
        // Hosts of a batch side by side, as they were when it was cut off.
        let looks = join_all(self.past.open.iter().map(|open| self.look(exec, open))).await;
        for (open, looked) in self.past.open.iter().zip(&looks) {
            self.found(exec, open, looked.data()).await?;
            if looked.kept {
                self.forget(exec, open).await;
            }
        }
        let (past, _) = exec.past(run).await?;
        if let Some(open) = past.first_open() {
            let more = past::and_more(past.open.len() - 1);
            return Ok(Some(past.still_in_doubt(&format!("{}{more}", past.told(open.step())))));
        }
        let (outcome, reason) = match (self.past.open.as_slice(), looks.into_iter().next()) {
            ([open], Some(Looked { state, detail, .. })) if !open.is_undo() => ended_with(&past, state, detail),
            _ => past.ending(),
        };
        exec.end(&past, outcome, &reason).await.map(Some)
    }

    /// A finding is recorded once, however often it is looked.
    async fn found(&self, exec: &Exec, open: &Open, data: Value) -> Result<(), String> {
        let intent = &open.intent.entry;
        let known = intent.step.as_ref().and_then(|step| self.past.steps.get(step));
        let said = known.is_some_and(|known| {
            let state = if open.is_undo() { known.undo } else { known.state };
            state == Some(StepState::Unknown) && data["state"] == "unknown" && known.looked
        });
        if said {
            return Ok(());
        }
        let entry = Entry {
            step: intent.step.clone(),
            role: intent.role.clone(),
            target: intent.target.clone(),
            ..exec.entry_of(self.past.run, RecordKind::StepReconcile, data)
        };
        exec.append(entry).await.map(drop).map_err(|error| error.to_string())
    }

    /// The step is what the run came to that it called.
    async fn settle_call(&self, exec: &Exec, step: &str, called: RunId) -> Result<Option<Ended>, String> {
        let (child, _) = exec.past(called).await?;
        let what = format!("run {}", called.short());
        let (state, detail) = match child.outcome {
            Some(RunOutcome::Ok) => (StepState::Ok, format!("{what} ended ok: {}", child.reason)),
            Some(RunOutcome::Failed) => (StepState::Failed, format!("{what} ended failed: {}", child.reason)),
            Some(RunOutcome::Stopped) => (StepState::Failed, format!("{what} ended stopped: {}", child.reason)),
            Some(RunOutcome::Undone) => (StepState::Failed, format!("{what} ended undone: {}", child.reason)),
            Some(RunOutcome::Unknown) | None => {
                return Ok(Some(self.past.still_in_doubt(&format!(
                    "nobody knows what became of {what}, which it called: look at that first"
                ))));
            }
        };
        let data = json!({ "state": state, "detail": clean(&detail) });
        let entry =
            Entry { step: Some(step.to_owned()), ..exec.entry_of(self.past.run, RecordKind::StepReconcile, data) };
        exec.append(entry).await.map_err(|error| error.to_string())?;
        let (past, _) = exec.past(self.past.run).await?;
        let (outcome, reason) = past.ending();
        exec.end(&past, outcome, &reason).await.map(Some)
    }

    /// Its runbook, if a step of it still does what it did.
    fn runbook(&self, script: impl FnOnce(&Runbook) -> Script, id: &str) -> Result<(&Arc<Runbook>, Script), String> {
        let runbook = self.runbook.as_ref().ok_or("its runbook is gone")?;
        let script = script(runbook);
        let step = script.step(id).ok_or("the step is gone")?;
        let same = self.past.start.entry.data["source_hash"] == runbook.hash.as_str() || self.past.is_as_it_was(step);
        if same { Ok((runbook, script)) } else { Err("the runbook has changed since".to_owned()) }
    }

    /// All that it takes to ask about a change again, as its intent noted it.
    fn ground<'o>(&self, open: &'o Open) -> Result<Ground<'o>, String> {
        let intent = &open.intent;
        let mut memory = Memory::of(&intent.entry.data["facts"]);
        let fleet = serde_json::from_value(self.past.start.entry.data["fleet"].clone()).unwrap_or_default();
        let laid_out = |runbook: &Runbook| Script::new(runbook, &memory.values, &fleet, false).unwrap_or_default();
        let (runbook, script) = self.runbook(laid_out, intent.entry.step.as_deref().unwrap_or_default())?;
        if let Some(sent) = &open.sent {
            drive::add(&mut memory.before, &sent.entry.data["facts"]);
        }
        if let Some(given) = open.done.as_ref().map(|done| &done.entry.data["outs"]) {
            memory.outs.extend(rows_of(given));
        }
        let (label, number) = (format!("quarterdeck run {}", self.past.run.short()), self.past.run.to_string());
        let tried = self.past.step(open.step()).map_or(0, |known| known.undo_failed);
        Ok(Ground { intent, memory, script, types: types_of(runbook), label, number, tried })
    }

    /// What became of an intended change.
    async fn look(&self, exec: &Exec, open: &Open) -> Looked {
        let unknown = |why: &str| Looked::unknown(format!("nobody can tell whether it happened: {why}"));
        let mut ground = match self.ground(open) {
            Ok(ground) => ground,
            Err(why) => return unknown(&why),
        };
        // The file of this machine may lack what only the team's server has.
        if let (Some(facts), true) = (ground.memory.before.as_object_mut(), exec.journal.away().await.is_some()) {
            facts.remove(NOTES);
        }
        let Some(step) = ground.step() else { return unknown("the step is gone") };
        let scene = ground.scene(exec);
        if open.is_undo() {
            return undone(settle(exec, &ground, step, Role::Undo).await);
        }
        // The other side said that it was done: only the verification is open.
        let settled = match &open.done {
            Some(_) => Settled::AskVerify,
            None => settle(exec, &ground, step, Role::Run).await,
        };
        // Waiting goes on from where it was: each start would else begin it anew.
        let spent = time::between(open.done.as_ref().unwrap_or(ground.intent).at, (exec.clock)().wall);
        let known = Pins { ids: &ground.memory.pins, left_out: &ground.memory.left_out };
        let watch = scene.watch(step, known, spent, &|_| {});
        let (state, detail) = match settled {
            Settled::Ended(acted) => return by_result(*acted, watch).await,
            Settled::Happened(how) => judge(true, &how, watch.await),
            Settled::AskVerify => judge(open.done.is_some(), &how(open), watch.await),
            Settled::DidNot(why) => return Looked { certain: true, ..Looked::plain(StepState::Failed, why) },
            Settled::NotYet(why) => return unknown(&format!("it is still under way: {why}")),
            // The host is away, as it was meant to be: what looks from elsewhere tells.
            Settled::CannotTell(_) if expected(step) => judge(open.done.is_some(), &how(open), watch.await),
            Settled::CannotTell(why) => return unknown(&why),
        };
        Looked::plain(state, detail)
    }

    /// The journal has the result: what its host kept of it is removed.
    async fn forget(&self, exec: &Exec, open: &Open) {
        let Ok(ground) = self.ground(open) else { return };
        let role = if open.is_undo() { Role::Undo } else { Role::Run };
        if let Some(Ok((way, call))) = ground.step().and_then(|step| ground.call(exec, step, role)) {
            way.forget(call, false).await;
        }
    }
}

/// How a run ends of which one change was in doubt, by what that came to; `past`: with it. On other hosts, and behind it, more may be to do.
fn ended_with(past: &Past, state: StepState, detail: String) -> (RunOutcome, String) {
    match state {
        StepState::Ok => match past.ending() {
            (RunOutcome::Ok, _) => (RunOutcome::Ok, detail),
            (RunOutcome::Stopped, _) => (RunOutcome::Stopped, format!("{detail}; what comes after it was not begun")),
            ending => ending,
        },
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

/// What a look at a change came to.
struct Looked {
    state: StepState,
    detail: String,
    /// It is certain that nothing was done.
    certain: bool,
    /// What it said.
    output: String,
    /// Where it was done, its result is kept.
    kept: bool,
}

impl Looked {
    const fn plain(state: StepState, detail: String) -> Self {
        Self { state, detail, certain: false, output: String::new(), kept: false }
    }

    const fn unknown(detail: String) -> Self {
        Self::plain(StepState::Unknown, detail)
    }

    /// As it is recorded.
    fn data(&self) -> Value {
        let mut data = json!({ "state": self.state, "detail": clean(&self.detail) });
        if self.certain {
            data["happened"] = false.into();
        }
        if !self.output.is_empty() {
            data["output"] = both_ends(&self.output).into();
        }
        data
    }
}

/// What a change is asked about with.
struct Ground<'a> {
    intent: &'a Record,
    memory: Memory,
    script: Script,
    types: Types,
    label: String,
    number: String,
    /// So often its undo was sent before this one and did not go well.
    tried: u32,
}

impl Ground<'_> {
    fn step(&self) -> Option<&Step> {
        self.script.step(self.intent.entry.step.as_deref().unwrap_or_default())
    }

    fn scene<'s>(&'s self, exec: &'s Exec) -> Scene<'s> {
        Scene {
            connections: &exec.connections,
            types: &self.types,
            values: &self.memory.values,
            outs: &self.memory.outs,
            label: &self.label,
            run: &self.number,
            // An undo is looked for by its own fence here.
            back: false,
            tried: self.tried,
            steps: &self.script.steps,
        }
    }

    /// The step's fence of a role, ready to be asked about; `None`: it has none.
    fn call<'s>(
        &'s self,
        exec: &'s Exec,
        step: &'s Step,
        role: Role,
    ) -> Option<Result<(&'static dyn Way, Call<'s>), SourceError>> {
        let index = step.fences.iter().position(|fence| fence.role == role)?;
        let fence = &step.fences[index];
        let pins = &self.memory.pins;
        // An undo that was a plan of its own has noted its own identity alone.
        let alone = pins.len() == 1 && role == Role::Undo;
        let pinned = pins.get(if alone { 0 } else { index }).and_then(Option::as_deref);
        Some(step_of(fence).and_then(|way| Ok((way, self.scene(exec).call(fence, pinned)?))))
    }
}

/// Nothing was recorded of how the change itself came out.
const BROKE: &str = "cut off before it was said what came of it";

impl Past {
    /// It stays open, and what it locks stays held.
    pub(super) fn still_in_doubt(&self, detail: &str) -> Ended {
        let held = if self.locks { "; what it locks stays held" } else { "" };
        let reason = format!("{detail}{held} until somebody knows: look once more, or say what you saw");
        Ended { run: self.run, outcome: RunOutcome::Unknown, reason: clean(&reason).into_owned() }
    }
}

/// How the change itself came out, as far as it was said.
fn how(open: &Open) -> String {
    let said = open.done.as_ref().and_then(|record| record.entry.data["detail"].as_str());
    said.map_or_else(|| BROKE.to_owned(), str::to_owned)
}

/// The line to the step's host breaks because that is what the step does.
fn expected(step: &Step) -> bool {
    step.run().is_some_and(|run| run.attrs.on_disconnect == Some(OnDisconnect::Expected))
}

/// Looks until the change has shown or cannot any more. Time is counted from the intent by the journal's clock.
async fn settle(exec: &Exec, ground: &Ground<'_>, step: &Step, role: Role) -> Settled {
    let (way, call) = match ground.call(exec, step, role) {
        None => return Settled::AskVerify,
        Some(Err(error)) => return Settled::CannotTell(error.to_string()),
        Some(Ok(found)) => found,
    };
    loop {
        let age = time::between(ground.intent.at, (exec.clock)().wall);
        match tokio::time::timeout(ANSWER, way.settle(call, &ground.memory.before, age)).await {
            Ok(Settled::NotYet(_)) if age < PATIENCE => tokio::time::sleep(LOOK).await,
            Ok(Settled::Ended(acted)) => {
                return Settled::Ended(Box::new(ground.scene(exec).judge(call.fence, *acted)));
            }
            Ok(settled) => return settled,
            // It hangs: what it will say when it answers again is worth waiting for.
            Err(_) if age < PATIENCE => {}
            Err(_) => return Settled::CannotTell(format!("{} gave no answer within {ANSWER:?}", call.on)),
        }
    }
}

/// The result was kept where it was made: it counts as if it had come at once.
async fn by_result(acted: Acted, watch: impl Future<Output = Seen>) -> Looked {
    let (mut certain, mut kept) = (false, acted.kept);
    let (state, detail) = match acted.effect {
        Effect::Done(how) => judge(true, &how, watch.await),
        Effect::Failed(why) => (StepState::Failed, why),
        Effect::NotSent(why) | Effect::Refused(why) => {
            certain = true;
            (StepState::Failed, why)
        }
        Effect::Unknown(why) => {
            kept = false;
            (StepState::Unknown, format!("nobody can tell whether it happened: {why}"))
        }
    };
    Looked { state, detail, certain, output: acted.output, kept }
}

/// What became of an undo: a `verify` is about the change, and tells nothing of it.
fn undone(settled: Settled) -> Looked {
    let unknown = |why: &str| Looked::unknown(format!("nobody can tell whether it was undone: {why}"));
    match settled {
        Settled::Ended(acted) => undone_by_result(*acted),
        Settled::Happened(how) => Looked::plain(StepState::Undone, how),
        Settled::DidNot(why) => {
            Looked { certain: true, ..Looked::plain(StepState::UndoFailed, format!("the undo did not happen: {why}")) }
        }
        Settled::NotYet(why) | Settled::CannotTell(why) => unknown(&why),
        Settled::AskVerify => unknown("look yourself"),
    }
}

fn undone_by_result(acted: Acted) -> Looked {
    let looked = match acted.effect {
        Effect::Done(how) => Looked::plain(StepState::Undone, how),
        Effect::Failed(why) => Looked::plain(StepState::UndoFailed, format!("the undo failed: {why}")),
        Effect::NotSent(why) | Effect::Refused(why) => {
            Looked { certain: true, ..Looked::plain(StepState::UndoFailed, format!("the undo did not happen: {why}")) }
        }
        Effect::Unknown(why) => Looked::unknown(format!("nobody can tell whether it was undone: {why}")),
    };
    let kept = acted.kept && looked.state != StepState::Unknown;
    Looked { output: acted.output, kept, ..looked }
}

/// `done`: it is known that the change happened.
fn judge(done: bool, how: &str, Seen { watched, result, .. }: Seen) -> (StepState, String) {
    let result = result.map(|said| format!("{said}; ")).unwrap_or_default();
    match watched {
        Watched::Passed(text) => (StepState::Ok, format!("{result}{how}; {text}")),
        Watched::TimedOut(why) if done => (StepState::TimedOut, format!("{how}; {why}")),
        Watched::Failed(why) if done => (StepState::Failed, format!("{how}; {why}")),
        Watched::TimedOut(why) | Watched::Failed(why) => {
            let why = format!("it may have been sent: nobody knows; its verify does not hold: {why}");
            (StepState::Failed, why)
        }
        Watched::CannotTell(why) | Watched::Again(why) => (StepState::Unknown, format!("{how}; {why}")),
    }
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
    outs.as_object().into_iter().flatten().map(|(name, rows)| (name.clone(), Rows::remembered(name, rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of one step on two hosts, of which the second was sent to.
    fn on_two_hosts(more: &[Value]) -> Past {
        let begun = json!({ "runbook": "own", "steps": [{ "id": "s/t@web-1", "target": "web-1" }, { "id": "s/t@web-2", "target": "web-2" }] });
        let start = json!({ "kind": "run.start", "step": null, "data": begun });
        let intent = json!({ "kind": "step.intent", "step": "s/t@web-2", "data": {} });
        let whole = [start, intent].into_iter().chain(more.iter().cloned()).map(|own| {
            let nil = uuid::Uuid::nil();
            serde_json::from_value(json!({
                "id": nil, "writer": nil, "seq": 1, "prev": "", "hash": "", "at": "2026-01-01T00:00:00Z", "mono_ms": 0, "incident": null,
                "actor": { "name": "ada", "uid": 1, "host": "bastion" }, "run": nil, "role": null, "target": null, "env": "test",
                "kind": own["kind"], "step": own["step"], "data": own["data"],
            }))
            .unwrap()
        });
        Past::of(RunId(uuid::Uuid::nil()), &whole.collect::<Vec<Record>>()).unwrap()
    }

    #[test]
    fn a_run_whose_last_host_was_done_is_not_over_while_another_was_not_begun() {
        let done = |host: &str| json!({ "kind": "step.reconcile", "step": format!("s/t@{host}"), "data": { "state": "ok", "detail": "rc 0" } });
        let half = ended_with(&on_two_hosts(&[done("web-2")]), StepState::Ok, "rc 0".to_owned());
        assert_eq!(half, (RunOutcome::Stopped, "rc 0; what comes after it was not begun".to_owned()));
        let whole = ended_with(&on_two_hosts(&[done("web-1"), done("web-2")]), StepState::Ok, "rc 0".to_owned());
        assert_eq!(whole, (RunOutcome::Ok, "rc 0".to_owned()));
    }

    #[test]
    fn what_does_not_hold_says_whether_it_was_sent() {
        let seen =
            || Seen { watched: Watched::Failed("verify: `rc == 0` is not true".to_owned()), result: None, at: None };
        let (state, why) = judge(false, BROKE, seen());
        assert_eq!(state, StepState::Failed);
        assert_eq!(why, "it may have been sent: nobody knows; its verify does not hold: verify: `rc == 0` is not true");
        assert_eq!(judge(true, "rc 0", seen()).1, "rc 0; verify: `rc == 0` is not true");
    }
}
