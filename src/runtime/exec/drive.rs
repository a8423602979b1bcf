//! One run: the machine says what to do, and this does it.

use super::progress::{Progress, Results};
use super::scene::{Scene, Seen, step_of};
use super::{Exec, plan};
use crate::domain::RunId;
use crate::domain::record::{Entry, RecordKind, StepState};
use crate::domain::text::{clean, clean_lines};
use crate::effect::RunAnswer;
use crate::event::RunEvent;
use crate::runbook::language::{Types, types_of};
use crate::runbook::machine::{Answered, Command, Effect, Event, Kind, Machine, Rechecked, Watched};
use crate::runbook::model::{Fence, Role, Step};
use crate::runbook::plan::{Finding, PlannedStep, Rows};
use crate::runbook::{Answer, Approved, Plan, Recheck};
use crate::steps::{Settled, manual};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Drives a run to its end.
pub(super) async fn drive(exec: Arc<Exec>, id: RunId, plan: Plan<Approved>, answers: UnboundedReceiver<RunAnswer>) {
    let kinds = plan.body().steps.iter().map(|step| kind(&plan, step)).collect();
    let types = types_of(&plan.body().runbook);
    let outs = captured(&plan);
    let label = format!("quarterdeck run {}", id.short());
    let run = Run {
        exec,
        id,
        plan,
        answers,
        types,
        label,
        number: id.to_string(),
        outs,
        step: Progress::default(),
        results: Results::default(),
        changed: None,
        fault: None,
    };
    run.go(Machine::new(kinds)).await;
}

fn kind(plan: &Plan<Approved>, step: &PlannedStep) -> Kind {
    match (step.fences.is_empty(), step.changes()) {
        (true, _) => Kind::Manual,
        (false, false) => Kind::Look,
        (false, true) => Kind::Change { asks: plan.asks_for_itself(&step.id) },
    }
}

/// The approved rows under their names.
fn captured(plan: &Plan<Approved>) -> BTreeMap<String, Rows> {
    let rows = plan.body().steps.iter().filter_map(|step| step.rows.clone());
    rows.map(|rows| (rows.name.clone(), rows)).collect()
}

/// A run under way.
struct Run {
    exec: Arc<Exec>,
    id: RunId,
    plan: Plan<Approved>,
    answers: UnboundedReceiver<RunAnswer>,
    types: Types,
    label: String,
    /// The id as text.
    number: String,
    outs: BTreeMap<String, Rows>,
    step: Progress,
    results: Results,
    /// What would have been touched beyond the plan.
    changed: Option<String>,
    /// Why the journal failed.
    fault: Option<String>,
}

impl Run {
    async fn go(mut self, mut machine: Machine) {
        let mut event = if self.begin().await { Event::Started } else { Event::JournalFailed };
        loop {
            if self.stop_asked() {
                machine.on(Event::Stop);
            }
            let Some(command) = machine.on(event) else { break };
            match self.perform(command).await {
                Some(next) => event = next,
                None => break,
            }
        }
        self.tell_change().await;
    }

    async fn perform(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Recheck(step) => Some(Event::Rechecked(self.recheck(step).await)),
            Command::Ask(step) => Some(Event::Answered(self.ask(step).await)),
            Command::Intend(step) => Some(self.intend(step).await),
            Command::Act(step) => Some(Event::Acted(self.act(step).await)),
            Command::Watch(step) => Some(Event::Watched(self.watch(step).await)),
            Command::Record { step, state, detail } => Some(self.record(step, state, &detail).await),
            Command::Finish { outcome, reason } => {
                let data = json!({ "outcome": outcome, "reason": clean(&self.results.whole(outcome, reason)) });
                if !self.write(RecordKind::RunFinish, None, data).await {
                    self.abandon().await;
                }
                None
            }
            Command::Abandon => {
                self.abandon().await;
                None
            }
        }
    }

    fn planned(&self, step: usize) -> &PlannedStep {
        &self.plan.body().steps[step]
    }

    fn read(&self, step: usize) -> &Step {
        &self.plan.body().runbook.steps[step]
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            connections: &self.exec.connections,
            types: &self.types,
            values: &self.plan.body().values,
            outs: &self.outs,
            label: &self.label,
            run: &self.number,
            runbook: &self.plan.body().runbook,
        }
    }

    /// The fences of a role, each with its target's identity from the plan.
    fn fences(&self, step: usize, role: Role) -> impl Iterator<Item = (&Fence, Option<&str>)> {
        let pins = self.planned(step).fences.iter().map(|fence| fence.pinned.as_deref());
        self.read(step).fences.iter().zip(pins).filter(move |(fence, _)| fence.role == role)
    }

    /// The operator wants it to end. Other answers that nobody asked for are dropped: they were meant for another question.
    fn stop_asked(&mut self) -> bool {
        let mut stop = false;
        while let Ok(answer) = self.answers.try_recv() {
            stop |= answer == RunAnswer::Stop;
        }
        stop
    }

    async fn begin(&mut self) -> bool {
        let body = self.plan.body();
        let params: BTreeMap<&String, &String> = body.params.iter().map(|(name, text)| (name, text)).collect();
        let steps: Vec<Value> = body
            .steps
            .iter()
            .map(|step| json!({ "id": step.id, "title": step.title, "target": step.target, "address": step.address }))
            .collect();
        let answer = match self.plan.answer() {
            Answer::Yes => "y",
            Answer::Phrase(phrase) => phrase.trim(),
        };
        let data = json!({
            "runbook": body.runbook.id,
            "title": body.runbook.title,
            "source_hash": body.runbook.hash,
            "plan_hash": body.hash,
            "params": params,
            "answer": answer,
            "steps": steps,
        });
        self.write(RecordKind::RunStart, None, data).await
    }

    async fn recheck(&mut self, step: usize) -> Rechecked {
        let mut checks = Vec::new();
        for (fence, pinned) in self.fences(step, Role::Check) {
            checks.push(plan::check(self.scene(), fence, pinned).await);
        }
        let fresh = match self.fences(step, Role::Plan).next() {
            Some((fence, pinned)) => plan::rows(self.scene(), fence, pinned).await.map(|(rows, _)| Some(rows)),
            None => Ok(None),
        };
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(why) => return self.rechecked(step, Rechecked::Blocked(why), None).await,
        };
        let result = self.judge(step, &checks, fresh.as_ref()).await;
        self.rechecked(step, result, fresh.map(|rows| rows.rows.len())).await
    }

    async fn judge(&mut self, step: usize, checks: &[Finding], fresh: Option<&Rows>) -> Rechecked {
        if !self.planned(step).changes() {
            let failed = checks.iter().find(|finding| !finding.passed);
            return failed.map_or(Rechecked::Passed, |finding| Rechecked::Blocked(finding.text.clone()));
        }
        let passed = match self.plan.recheck(&self.planned(step).id, checks, fresh) {
            Recheck::Passed(passed) => passed,
            Recheck::Empty => return Rechecked::Empty,
            Recheck::Grew(count) => {
                let what = format!("{count} came that nobody has seen");
                self.changed = Some(what.clone());
                return Rechecked::Grew(what);
            }
            Recheck::Blocked(why) => return Rechecked::Blocked(why),
        };
        if let Some(rows) = passed.rows() {
            self.outs.insert(rows.name.clone(), rows.clone());
        }
        if let Err(why) = self.note_facts(step).await {
            return Rechecked::Blocked(why);
        }
        let asks = self.plan.asks_for_itself(&self.planned(step).id);
        if asks && self.step.answer.is_none() {
            return Rechecked::Passed;
        }
        match self.plan.permit(passed, self.step.answer.as_ref()) {
            Ok(permit) => {
                self.step.permit = Some(permit);
                Rechecked::Passed
            }
            Err(refusal) => Rechecked::Blocked(refusal.to_string()),
        }
    }

    /// Notes what a restart would need to tell whether the change happened.
    async fn note_facts(&mut self, step: usize) -> Result<(), String> {
        let Some((fence, pinned)) = self.fences(step, Role::Run).next() else { return Ok(()) };
        let noted = async {
            let facts = step_of(fence)?.facts(self.scene().call(fence, pinned)?);
            crate::steps::within(fence.attrs.timeout, "the look before the change", facts).await
        };
        let facts = noted.await.map_err(|error: crate::domain::SourceError| error.to_string())?;
        let outs: BTreeMap<&String, Value> =
            self.outs.iter().map(|(name, rows)| (name, json!({ "key": rows.key, "rows": rows.rows }))).collect();
        let pins: Vec<&Option<String>> = self.planned(step).fences.iter().map(|fence| &fence.pinned).collect();
        self.step.facts = json!({ "before": facts, "values": self.plan.body().values, "outs": outs, "pins": pins });
        Ok(())
    }

    async fn rechecked(&mut self, step: usize, result: Rechecked, fresh: Option<usize>) -> Rechecked {
        let approved = self.planned(step).rows.as_ref().map(|rows| rows.rows.len());
        let detail = match (&result, approved, fresh) {
            (Rechecked::Passed, Some(approved), Some(fresh)) if fresh < approved => {
                format!("{} of {approved} are gone; goes on with {fresh}", approved - fresh)
            }
            (Rechecked::Passed, _, _) => "still as planned".to_owned(),
            (Rechecked::Empty, _, _) => "nothing left to do".to_owned(),
            (Rechecked::Grew(what) | Rechecked::Blocked(what), _, _) => what.clone(),
        };
        let data = json!({ "detail": clean(&detail), "rows": fresh });
        if self.write(RecordKind::StepRecheck, Some(step), data).await {
            return result;
        }
        let why = self.fault.clone().unwrap_or_default();
        Rechecked::Blocked(why)
    }

    async fn ask(&mut self, step: usize) -> Answered {
        let manual = self.read(step).is_manual();
        loop {
            self.put_question(step, manual).await;
            match self.answers.recv().await {
                None | Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(reason)) => return Answered::Skip(clean(&reason).into_owned()),
                Some(RunAnswer::Done) if manual => return Answered::Go,
                Some(RunAnswer::Confirm(answer)) if !manual => {
                    match self.plan.refuses(&self.planned(step).id, Some(&answer)) {
                        None => {
                            self.step.answer = Some(answer);
                            return Answered::Go;
                        }
                        Some(refusal) => self.exec.trouble(Some(self.id), &refusal.to_string()).await,
                    }
                }
                // An answer to another kind of question: ask again.
                Some(RunAnswer::Done | RunAnswer::Confirm(_)) => {}
            }
        }
    }

    async fn put_question(&self, step: usize, manual: bool) {
        let planned = self.planned(step);
        let prompt = if manual {
            clean_lines(&manual::prompt(self.read(step)))
        } else {
            format!("{} ({})", planned.title, planned.target)
        };
        let phrase = if manual { None } else { planned.phrase.clone() };
        let ask = RunEvent::Ask { run: self.id, step: planned.id.clone(), prompt, phrase, manual };
        self.exec.tell(ask).await;
    }

    async fn intend(&mut self, step: usize) -> Event {
        let planned = self.planned(step);
        let run = planned.fences.iter().find(|fence| fence.role == Role::Run);
        let data = json!({
            "sent": run.map(|fence| fence.sent.clone()),
            "detail": format!("about to act on {}", planned.target),
            "facts": self.step.facts,
        });
        self.step.intended = Some((self.exec.clock)());
        self.event(RecordKind::StepIntent, step, data).await
    }

    async fn act(&mut self, step: usize) -> Effect {
        // The machine sends nothing without a recheck, and a recheck that passed has left the permit here.
        let Some(permit) = self.step.permit.take() else {
            return Effect::NotSent("there is no permit for this step".to_owned());
        };
        if self.exec.read_only {
            return Effect::NotSent("this dashboard is read-only".to_owned());
        }
        let before = (self.exec.clock)();
        let sent = match self.fences(step, Role::Run).next() {
            Some((fence, pinned)) => match (step_of(fence), self.scene().call(fence, pinned)) {
                (Ok(way), Ok(call)) => Ok(self.scene().judge(fence, way.act(call, permit).await)),
                (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
            },
            None => Err("the step has no run fence".to_owned()),
        };
        match sent {
            Ok(acted) => {
                self.step.keep(&acted.output);
                self.step.millis = u64::try_from((self.exec.clock)().since(before).as_millis()).unwrap_or(u64::MAX);
                self.step.doubt = matches!(acted.effect, Effect::Unknown(_));
                self.tell_result(step, acted.effect, acted.rows)
            }
            Err(why) => Effect::NotSent(why),
        }
    }

    /// What was done is told in the runbook's own words, where it has some.
    fn tell_result(&mut self, step: usize, effect: Effect, rows: Vec<Value>) -> Effect {
        let Effect::Done(plain) = effect else { return effect };
        let planned = self.planned(step).rows.as_ref();
        let fence = self.fences(step, Role::Run).next();
        let said = fence.and_then(|(fence, _)| self.scene().sentence(fence, rows, planned));
        self.step.said = said.map(|said| clean(&said).into_owned());
        Effect::Done(self.step.said.clone().unwrap_or(plain))
    }

    async fn watch(&mut self, step: usize) -> Watched {
        let pins: Vec<Option<String>> = self.planned(step).fences.iter().map(|fence| fence.pinned.clone()).collect();
        let Seen { watched, result } = self.scene().watch(self.read(step), &pins, Duration::ZERO).await;
        self.step.said = self.step.said.take().or(result.map(|said| clean(&said).into_owned()));
        if !self.step.doubt {
            return watched;
        }
        // Nobody knows whether it happened, so the service is asked for traces beside the verification.
        let settled = self.settle(step).await;
        match (watched, settled) {
            (Watched::Passed(_), Settled::DidNot(why) | Settled::NotYet(why)) => Watched::Failed(why),
            (Watched::TimedOut(text), Settled::DidNot(why)) => Watched::Failed(format!("{why}; {text}")),
            (watched, _) => watched,
        }
    }

    async fn settle(&self, step: usize) -> Settled {
        let Some((fence, pinned)) = self.fences(step, Role::Run).next() else { return Settled::AskVerify };
        let (Ok(way), Ok(call)) = (step_of(fence), self.scene().call(fence, pinned)) else { return Settled::AskVerify };
        let now = (self.exec.clock)();
        let age = self.step.intended.map(|then| now.since(then)).unwrap_or_default();
        way.settle(call, &self.step.facts["before"], age).await
    }

    async fn record(&mut self, step: usize, state: StepState, detail: &str) -> Event {
        let output = std::mem::take(&mut self.step.output);
        let detail = self.results.close(&mut self.step, state, detail);
        let data = json!({ "state": state, "detail": clean(&detail), "output": output, "ms": self.step.millis });
        let event = self.event(RecordKind::StepExit, step, data).await;
        // `running` and a first `unknown` are followed by another state of the same step.
        if state != StepState::Running && !(state == StepState::Unknown && self.step.doubt) {
            self.step = Progress::default();
        }
        event
    }

    async fn event(&mut self, kind: RecordKind, step: usize, data: Value) -> Event {
        if self.write(kind, Some(step), data).await { Event::Recorded } else { Event::JournalFailed }
    }

    /// Writes a record; on failure keeps the reason.
    async fn write(&mut self, kind: RecordKind, step: Option<usize>, data: Value) -> bool {
        let planned = step.map(|step| self.planned(step));
        let entry = Entry {
            kind,
            run: Some(self.id),
            step: planned.map(|step| step.id.clone()),
            role: planned.filter(|step| step.changes()).map(|_| Role::Run.word().to_owned()),
            target: planned.map(|step| step.target.clone()),
            env: self.exec.env.clone(),
            data,
        };
        match self.exec.append(entry).await {
            Ok(_) => true,
            Err(error) => {
                self.fault = Some(error.to_string());
                false
            }
        }
    }

    async fn abandon(&mut self) {
        let why = self.fault.take().unwrap_or_default();
        let what = format!("run {} has ended: the journal cannot be written: {why}", self.id.short());
        self.exec.trouble(Some(self.id), &what).await;
    }

    /// A plan that grew is made anew and shown.
    async fn tell_change(&mut self) {
        let Some(what) = self.changed.take() else { return };
        let request = self.plan.body().request.clone();
        match self.exec.make_plan(&request).await {
            Ok(plan) => {
                let event = RunEvent::PlanChanged { run: self.id, plan: Box::new(plan), what };
                self.exec.tell(event).await;
            }
            Err(why) => self.exec.trouble(Some(self.id), &format!("{what}; and no new plan can be made: {why}")).await,
        }
    }
}
