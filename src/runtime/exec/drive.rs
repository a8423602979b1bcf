//! One run: the machine says what to do, and this does it.

mod back;
mod batch;

use super::captured::Captured;
use super::child::News;
use super::lease::Held;
use super::progress::{Progress, Results};
use super::scene::{Pins, Scene, Seen, step_of};
use super::when::Decided;
use super::{Exec, by_hand, live, plan, when};
use crate::domain::record::{Entry, RecordKind, RunOutcome, StepState};
use crate::domain::risk::Level;
use crate::domain::text::{clean, clean_lines};
use crate::domain::{Now, RunId};
use crate::effect::RunAnswer;
use crate::event::{RunEvent, TaskList};
use crate::runbook::language::{Types, types_of};
use crate::runbook::machine::{Answered, Command, Effect, Event, Kind, Machine, Rechecked, Watched};
use crate::runbook::model::{Fence, Role, Step};
use crate::runbook::plan::{Finding, PlannedStep, Rows};
use crate::runbook::{Answer, Approved, Glass, Plan, Recheck};
use crate::steps::{Acted, Settled, manual};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// From one look to the next at what goes on over there.
const LOOK: Duration = Duration::from_secs(1);

/// Drives a run to its end.
///
/// How it ended, and why; `None`: it was not begun, or the journal failed before it could be said.
pub(super) async fn drive(
    exec: Arc<Exec>,
    id: RunId,
    plan: Plan<Approved>,
    answers: UnboundedReceiver<RunAnswer>,
) -> Option<(RunOutcome, String)> {
    let caller = plan.body().request.caller.clone();
    let news = exec.runs.known(id, &plan.body().runbook.id, caller.as_ref().map(|caller| caller.run));
    let script = &plan.body().script;
    let rollings = script.rollings.clone();
    let kinds = plan.body().steps.iter().zip(&script.steps).map(|(step, read)| kind(&plan, step, read)).collect();
    let types = types_of(&plan.body().runbook);
    let outs = Captured::of_plan(&plan.body().steps);
    let values = plan.body().values.clone();
    let label = format!("quarterdeck run {}", id.short());
    let family = exec.runs.held_by(caller.as_ref());
    let held = match Held::take(&exec, id, &plan.body().locks, family).await {
        Ok(held) => Arc::new(held),
        Err(why) => {
            exec.trouble(Some(id), &format!("it was not begun: {why}")).await;
            return None;
        }
    };
    exec.runs.holds(id, &held);
    let run = Run {
        exec,
        id,
        plan,
        answers,
        types,
        label,
        values,
        number: id.to_string(),
        outs,
        answered: BTreeMap::new(),
        batch: None,
        held,
        started: None,
        at: None,
        undoing: false,
        stopping: false,
        leaving: false,
        step: Progress::default(),
        results: Results::default(),
        changed: None,
        fault: None,
        news,
        called: Vec::new(),
        ended: None,
    };
    run.go(Machine::new(kinds).rolling(rollings)).await
}

/// A step as the run's first record has it.
fn begun(step: &PlannedStep) -> Value {
    json!({
        "id": step.id,
        "title": step.title,
        "host": step.host,
        "target": step.target,
        "address": step.address,
        "changes": step.changes(),
        "undo": step.undo,
    })
}

fn kind(plan: &Plan<Approved>, step: &PlannedStep, read: &Step) -> Kind {
    match (step.fences.is_empty(), step.changes()) {
        (true, _) => Kind::Manual,
        (false, false) => Kind::Look,
        (false, true) => Kind::Change {
            asks: plan.asks_for_itself(&step.id),
            undo: step.undo.is_some(),
            retry: read.run().map_or(0, |run| run.attrs.retry),
        },
    }
}

/// A run under way.
pub(super) struct Run {
    pub(super) exec: Arc<Exec>,
    pub(super) id: RunId,
    pub(super) plan: Plan<Approved>,
    pub(super) answers: UnboundedReceiver<RunAnswer>,
    types: Types,
    label: String,
    /// The parameters, and what was chosen on the way.
    pub(super) values: BTreeMap<String, Value>,
    /// The id as text.
    number: String,
    outs: Captured,
    /// What was answered for a step, for all hosts that it is done on.
    answered: BTreeMap<String, Answer>,
    /// The rollout and the batch of it that are under way.
    batch: Option<(usize, usize)>,
    held: Arc<Held>,
    /// When it began.
    started: Option<Now>,
    /// The step that the progress is of.
    at: Option<usize>,
    /// A change is being taken back.
    undoing: bool,
    /// The operator wanted it to end while it paused.
    stopping: bool,
    /// The program ends.
    pub(super) leaving: bool,
    step: Progress,
    results: Results,
    /// What would have been touched beyond the plan.
    changed: Option<String>,
    /// Why the journal failed.
    fault: Option<String>,
    /// Of the run that a step calls.
    pub(super) news: UnboundedReceiver<News>,
    /// The runs that were called.
    pub(super) called: Vec<String>,
    /// How it ended, and why.
    ended: Option<(RunOutcome, String)>,
}

impl Run {
    async fn go(mut self, mut machine: Machine) -> Option<(RunOutcome, String)> {
        let mut event = if self.begin().await { Event::Started } else { Event::JournalFailed };
        loop {
            // A stop of a run that waits for a person takes the place of the answer.
            let stopped = self.stop_asked().and_then(|stop| machine.on(stop));
            if matches!(event, Event::Acted(..)) && self.spares(machine.step()) {
                machine.has_no_undo();
            }
            let Some(command) = stopped.or_else(|| machine.on(event)) else { break };
            match self.perform(command).await {
                Some(next) => event = next,
                None => break,
            }
        }
        self.tell_change().await;
        self.ended
    }

    async fn perform(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Recheck(step) => Some(Event::Rechecked(self.recheck(step).await)),
            Command::Ask(step) => Some(Event::Answered(self.ask(step).await)),
            Command::Intend(step) => Some(self.intend(step).await),
            Command::Act(step) => Some(Event::Acted(self.act(step).await, self.after_act(step))),
            Command::Watch(step) => {
                let (watched, at) = self.watch(step).await;
                let then = self.after_watch(step, at, &watched);
                Some(Event::Watched(watched, then))
            }
            Command::Offer { step, ways, why } => Some(self.offer(step, ways, &why).await),
            Command::Batch { rolling, batch } => Some(self.begin_batch(rolling, batch).await),
            Command::IntendUndo(step) => Some(self.intend_undo(step).await),
            Command::Undo(step) => Some(Event::Undone(self.undo(step).await)),
            Command::Record { step, state, detail } => Some(self.record(step, state, &detail).await),
            Command::Finish { outcome, reason, left } => {
                let reason = format!("{}{}", self.results.whole(outcome, reason), self.left(outcome, &left));
                let reason = clean(&reason).into_owned();
                let data = json!({ "outcome": outcome, "reason": reason });
                self.ended = Some((outcome, reason));
                self.give_back().await;
                if !self.write(RecordKind::RunFinish, None, data).await {
                    self.abandon().await;
                }
                None
            }
            Command::Abandon => {
                self.held.release(&self.exec).await;
                self.abandon().await;
                None
            }
        }
    }

    pub(super) fn planned(&self, step: usize) -> &PlannedStep {
        &self.plan.body().steps[step]
    }

    fn read(&self, step: usize) -> &Step {
        &self.plan.body().script.steps[step]
    }

    fn host(&self, step: usize) -> Option<&str> {
        self.read(step).host.as_deref()
    }

    fn scene(&self, step: usize) -> Scene<'_> {
        Scene {
            connections: &self.exec.connections,
            types: &self.types,
            values: &self.values,
            outs: self.outs.seen_on(self.host(step)),
            label: &self.label,
            run: &self.number,
            steps: &self.plan.body().script.steps,
        }
    }

    /// The fences of a role, each with its target's identity from the plan.
    fn fences(&self, step: usize, role: Role) -> impl Iterator<Item = (&Fence, Option<&str>)> {
        let pins = self.planned(step).fences.iter().map(|fence| fence.pinned.as_deref());
        let fences = self.read(step).fences.iter().zip(pins).enumerate();
        let left_out = move |at: usize| self.at == Some(step) && self.step.left_out.get(at) == Some(&true);
        fences.filter(move |(at, (fence, _))| fence.role == role && !left_out(*at)).map(|(_, fence)| fence)
    }

    /// Decides by the conditions of a step which of its fences are left out; `Some` when it does not begin.
    fn decide(&mut self, step: usize) -> Option<Rechecked> {
        match when::decide(self.scene(step), self.read(step), self.planned(step)) {
            Ok(Decided::Fences(left_out)) => {
                self.step.left_out = left_out;
                None
            }
            Ok(Decided::Skip(why)) => Some(Rechecked::LeftOut(why)),
            Err(why) => Some(Rechecked::Blocked(why)),
        }
    }

    /// The operator wants it to end. Other answers that nobody asked for are dropped: they were meant for another question.
    fn stop_asked(&mut self) -> Option<Event> {
        let mut stop = self.stopping;
        while let Ok(answer) = self.answers.try_recv() {
            stop |= answer == RunAnswer::Stop;
            self.leaving |= answer == RunAnswer::Leave;
        }
        if self.leaving { Some(Event::Leave) } else { stop.then_some(Event::Stop) }
    }

    /// Nobody is there to be asked any more.
    pub(super) fn leave(&mut self) -> Answered {
        self.leaving = true;
        Answered::Stop
    }

    async fn begin(&mut self) -> bool {
        self.started = Some((self.exec.clock)());
        let body = self.plan.body();
        let params: BTreeMap<&String, &String> = body.params.iter().map(|(name, text)| (name, text)).collect();
        let steps: Vec<Value> = body.steps.iter().map(begun).collect();
        let parent = body.request.caller.as_ref().map(|caller| json!({ "run": caller.run, "step": caller.step }));
        let answer = match self.plan.answer() {
            Answer::Yes => "y",
            Answer::Phrase(phrase) => phrase.trim(),
        };
        let data = json!({
            "runbook": body.runbook.id,
            "title": body.runbook.title,
            "source_hash": body.runbook.hash,
            "file": body.runbook.path,
            "commit": body.runbook.commit,
            "plan_hash": body.hash,
            "params": params,
            "answer": answer,
            "locks": self.held.is_some(),
            "parent": parent,
            "steps": steps,
            "fleet": body.fleet,
            "risk": body.runbook.risk,
            "break_glass": self.plan.glass().map(Glass::reason),
        });
        self.write(RecordKind::RunStart, None, data).await
            && self.tell_glass().await
            && self.note_locks(RecordKind::LockTaken).await
    }

    /// Records what it holds, if it holds something.
    async fn note_locks(&mut self, kind: RecordKind) -> bool {
        if !self.held.is_some() {
            return true;
        }
        let data = json!({ "locks": self.held.as_json(), "detail": self.held.text() });
        self.write(kind, None, data).await
    }

    /// Nothing will be changed any more. What can't be recorded any more has its own end.
    async fn give_back(&mut self) {
        self.held.release(&self.exec).await;
        self.note_locks(RecordKind::LockReleased).await;
    }

    /// That one person does what takes two is a record of its own, so that nobody has to look for it.
    async fn tell_glass(&mut self) -> bool {
        let Some(glass) = self.plan.glass() else { return true };
        let let_through = self.plan.body().steps.iter().filter(|step| step.changes() && step.level == Level::Two);
        let steps: Vec<&String> = let_through.map(|step| &step.id).collect();
        tracing::warn!(run = %self.id.short(), reason = glass.reason(), "the glass is broken");
        let data = json!({ "reason": glass.reason(), "steps": steps });
        self.write(RecordKind::BreakGlass, None, data).await
    }

    async fn recheck(&mut self, step: usize) -> Rechecked {
        if self.at.replace(step) != Some(step) {
            let answer = self.answered.get(self.planned(step).of()).cloned();
            self.step = Progress { answer, ..Progress::default() };
        }
        if let Some(why) = &self.planned(step).lost {
            let why = format!("its host could not be reached when the plan was made: {why}");
            return self.rechecked(step, Rechecked::Blocked(why), None).await;
        }
        if let Some(result) = self.decide(step) {
            return self.rechecked(step, result, None).await;
        }
        let mut checks = self.spared(step);
        for (fence, pinned) in self.fences(step, Role::Check) {
            checks.push(plan::check(self.scene(step), fence, pinned).await);
        }
        let fresh = match self.fences(step, Role::Plan).next() {
            Some((fence, pinned)) => plan::rows(self.scene(step), fence, pinned).await.map(|(rows, _)| Some(rows)),
            None => Ok(None),
        };
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(why) => return self.rechecked(step, Rechecked::Blocked(why), None).await,
        };
        let result = match self.over_limit(step, fresh.as_ref()) {
            Some(why) => Rechecked::Blocked(why),
            None => self.judge(step, &checks, fresh.as_ref()).await,
        };
        self.rechecked(step, result, fresh.map(|rows| rows.rows.len())).await
    }

    /// Why the runbook's limits let no change begin.
    fn over_limit(&self, step: usize, fresh: Option<&Rows>) -> Option<String> {
        let limits = self.plan.body().runbook.limits;
        let rows = fresh.and_then(|rows| limits.against_rows(rows.rows.len()));
        let taken = self.started.map(|started| (self.exec.clock)().since(started)).unwrap_or_default();
        rows.or_else(|| limits.against_time(taken).filter(|_| self.planned(step).changes()))
    }

    /// Checks that the plan asked and that are left out now: nothing is against them.
    fn spared(&self, step: usize) -> Vec<Finding> {
        let fences = self.planned(step).fences.iter().zip(&self.step.left_out);
        let spared = fences.filter(|(fence, out)| fence.role == Role::Check && **out && !fence.is_left_out());
        spared.map(|_| Finding { passed: true, text: "left out".to_owned() }).collect()
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
            let host = self.read(step).host.clone();
            self.outs.insert(host.as_deref(), rows.clone());
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
            let facts = step_of(fence)?.facts(self.scene(step).call(fence, pinned)?);
            crate::steps::within(fence.attrs.timeout, "the look before the change", facts).await
        };
        let facts = noted.await.map_err(|error: crate::domain::SourceError| error.to_string())?;
        self.step.facts = self.facts(step, &facts);
        Ok(())
    }

    /// All that a restart needs to look at a change.
    fn facts(&self, step: usize, before: &Value) -> Value {
        let outs = self.outs.seen_on(self.host(step));
        let outs: BTreeMap<&String, Value> =
            outs.iter().map(|(name, rows)| (name, json!({ "key": rows.key, "rows": rows.rows }))).collect();
        let pins: Vec<&Option<String>> = self.planned(step).fences.iter().map(|fence| &fence.pinned).collect();
        let left_out = &self.step.left_out;
        json!({ "before": before, "values": self.values, "outs": outs, "pins": pins, "left_out": left_out })
    }

    async fn rechecked(&mut self, step: usize, result: Rechecked, fresh: Option<usize>) -> Rechecked {
        let approved = self.planned(step).rows.as_ref().map(|rows| rows.rows.len());
        let detail = match (&result, approved, fresh) {
            (Rechecked::Passed, Some(approved), Some(fresh)) if fresh < approved => {
                format!("{} of {approved} are gone; goes on with {fresh}", approved - fresh)
            }
            (Rechecked::Passed, _, _) => "still as planned".to_owned(),
            (Rechecked::Empty, _, _) => "nothing left to do".to_owned(),
            (Rechecked::Grew(what) | Rechecked::Blocked(what) | Rechecked::LeftOut(what), _, _) => what.clone(),
        };
        let data = json!({ "detail": clean(&detail), "rows": fresh });
        if self.write(RecordKind::StepRecheck, Some(step), data).await {
            return result;
        }
        let why = self.fault.clone().unwrap_or_default();
        Rechecked::Blocked(why)
    }

    async fn ask(&mut self, step: usize) -> Answered {
        if let Some(call) = self.read(step).manual.call.clone() {
            return self.call(step, &call).await;
        }
        if self.read(step).is_manual() {
            return self.ask_by_hand(step).await;
        }
        if self.step.answer.is_some() {
            return Answered::Go;
        }
        loop {
            self.put_question(step).await;
            match self.answers.recv().await {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(reason)) => return Answered::Skip(clean(&reason).into_owned()),
                Some(RunAnswer::Confirm(answer)) => match self.plan.refuses(&self.planned(step).id, Some(&answer)) {
                    None => {
                        self.answered.insert(self.planned(step).of().to_owned(), answer.clone());
                        self.step.answer = Some(answer);
                        return Answered::Go;
                    }
                    Some(refusal) => self.exec.trouble(Some(self.id), &refusal.to_string()).await,
                },
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    async fn put_question(&self, step: usize) {
        let planned = self.planned(step);
        let ask = RunEvent::Ask {
            run: self.id,
            step: planned.id.clone(),
            prompt: self.about(planned),
            phrase: planned.phrase.clone(),
            manual: false,
            list: TaskList::default(),
            ways: Vec::new(),
        };
        self.exec.tell(ask).await;
    }

    /// A person does it: every tick and every choice is recorded when it is made.
    async fn ask_by_hand(&mut self, step: usize) -> Answered {
        let mut list = by_hand::list(self.read(step));
        loop {
            let ask = RunEvent::Ask {
                run: self.id,
                step: self.planned(step).id.clone(),
                prompt: clean_lines(&manual::prompt(self.read(step))),
                phrase: None,
                manual: true,
                list: list.clone(),
                ways: Vec::new(),
            };
            self.exec.tell(ask).await;
            match self.ticked(step, &mut list).await {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(reason)) => return Answered::Skip(clean(&reason).into_owned()),
                Some(RunAnswer::Done) => match list.missing() {
                    None => return Answered::Done(self.chosen(step, &list)),
                    Some(missing) => self.exec.trouble(Some(self.id), &format!("it is not done: {missing}")).await,
                },
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    /// Takes ticks and choices until another answer comes; `None`: nobody answers any more, or the journal takes nothing.
    async fn ticked(&mut self, step: usize, list: &mut TaskList) -> Option<RunAnswer> {
        loop {
            let answer = self.answers.recv().await?;
            let Some(data) = by_hand::take(list, &answer) else { return Some(answer) };
            if !self.write(RecordKind::StepTick, Some(step), data).await {
                return None;
            }
        }
    }

    /// What was done by hand, in words; a choice is known under the step's name from now on.
    fn chosen(&mut self, step: usize, list: &TaskList) -> String {
        let Some(choice) = list.choice() else { return "done by hand".to_owned() };
        // Conditions compare with the text as it stands in the file.
        let read = self.read(step);
        let written = list.chosen.and_then(|chosen| read.manual.choices.get(chosen)).cloned();
        let name = read.name();
        self.values.insert(name, written.into());
        format!("chosen: {choice}")
    }

    async fn intend(&mut self, step: usize) -> Event {
        let planned = self.planned(step);
        let run = planned.fences.iter().find(|fence| fence.role == Role::Run);
        let data = json!({
            "sent": run.map(|fence| fence.sent.clone()),
            "detail": format!("about to act on {}", planned.target),
            "facts": self.step.facts,
            "locks": self.held.as_json(),
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
        if let Err(why) = self.held.check(&self.exec).await {
            return Effect::NotSent(why);
        }
        let before = (self.exec.clock)();
        let sent = match self.fences(step, Role::Run).next() {
            Some((fence, pinned)) => match (step_of(fence), self.scene(step).ready(fence, pinned)) {
                (Ok(way), Ok(call)) => {
                    let acted = live::act(&self.exec, self.id, way, call, permit).await;
                    Ok(self.scene(step).judge(fence, acted).excused(fence))
                }
                (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
            },
            None => Err("the step has no run fence".to_owned()),
        };
        match sent {
            Ok(acted) => {
                self.step.keep(&acted.output);
                self.step.millis = u64::try_from((self.exec.clock)().since(before).as_millis()).unwrap_or(u64::MAX);
                self.step.doubt = matches!(acted.effect, Effect::Unknown(_));
                self.capture(step, &acted);
                self.tell_result(step, acted.effect, acted.rows)
            }
            Err(why) => Effect::NotSent(why),
        }
    }

    /// The rows that a change gave back are known under their name from now on.
    fn capture(&mut self, step: usize, acted: &Acted) {
        let name = self.read(step).run().and_then(|run| run.attrs.out.clone());
        let Some(name) = name.filter(|_| acted.names.contains_key("rows")) else { return };
        let rows = Rows { name, rows: acted.rows.clone(), ..Rows::default() };
        let host = self.host(step).map(str::to_owned);
        self.outs.insert(host.as_deref(), rows);
    }

    /// The rows that the run of a step gave back, for whoever goes on after a crash.
    fn given(&self, step: usize) -> Value {
        let name = self.read(step).run().and_then(|run| run.attrs.out.as_ref());
        let rows = name.and_then(|name| self.outs.seen_on(self.host(step)).get(name));
        rows.map_or(Value::Null, |rows| json!({ rows.name.as_str(): { "key": rows.key, "rows": rows.rows } }))
    }

    /// What was done is told in the runbook's own words, where it has some.
    fn tell_result(&mut self, step: usize, effect: Effect, rows: Vec<Value>) -> Effect {
        let Effect::Done(plain) = effect else { return effect };
        let planned = self.planned(step).rows.as_ref();
        let fence = self.fences(step, Role::Run).next();
        let said = fence.and_then(|(fence, _)| self.scene(step).sentence(fence, rows, planned));
        self.step.said = said.map(|said| clean(&said).into_owned());
        Effect::Done(self.step.said.clone().unwrap_or(plain))
    }

    async fn watch(&mut self, step: usize) -> (Watched, Option<usize>) {
        if self.step.doubt {
            self.let_finish(step).await;
        }
        let pins: Vec<Option<String>> = self.planned(step).fences.iter().map(|fence| fence.pinned.clone()).collect();
        let known = Pins { ids: &pins, left_out: &self.step.left_out };
        let Seen { watched, result, at } = self.scene(step).watch(self.read(step), known, Duration::ZERO).await;
        self.step.said = self.step.said.take().or(result.map(|said| clean(&said).into_owned()));
        if !self.step.doubt {
            return (watched, at);
        }
        // Nobody knows whether it happened, so the service is asked for traces beside the verification.
        let settled = self.settle(step).await;
        let watched = match (watched, settled) {
            (Watched::Passed(_), Settled::DidNot(why) | Settled::NotYet(why)) => Watched::Failed(why),
            (Watched::TimedOut(text), Settled::DidNot(why)) => Watched::Failed(format!("{why}; {text}")),
            (watched, _) => watched,
        };
        (watched, at)
    }

    /// What goes on over there although nobody hears of it (`on-disconnect=finish`) is waited for, at most until its own time is over.
    async fn let_finish(&self, step: usize) {
        let Some(limit) = self.read(step).run().map(|run| run.attrs.timeout) else { return };
        while matches!(self.settle(step).await, Settled::NotYet(_)) {
            let age = self.step.intended.map(|then| (self.exec.clock)().since(then)).unwrap_or_default();
            if age > limit {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn settle(&self, step: usize) -> Settled {
        let Some((fence, pinned)) = self.fences(step, Role::Run).next() else { return Settled::AskVerify };
        let (Ok(way), Ok(call)) = (step_of(fence), self.scene(step).call(fence, pinned)) else {
            return Settled::AskVerify;
        };
        let now = (self.exec.clock)();
        let age = self.step.intended.map(|then| now.since(then)).unwrap_or_default();
        way.settle(call, &self.step.facts["before"], age).await
    }

    async fn record(&mut self, step: usize, state: StepState, detail: &str) -> Event {
        let output = std::mem::take(&mut self.step.output);
        let detail = self.results.close(&mut self.step, state, detail);
        let mut data = json!({ "state": state, "detail": clean(&detail), "output": output, "ms": self.step.millis });
        if state == StepState::Running && !self.given(step).is_null() {
            data["outs"] = self.given(step);
        }
        let event = self.event(RecordKind::StepExit, step, data).await;
        self.undoing = false;
        event
    }

    async fn event(&mut self, kind: RecordKind, step: usize, data: Value) -> Event {
        if self.write(kind, Some(step), data).await { Event::Recorded } else { Event::JournalFailed }
    }

    /// Writes a record; on failure keeps the reason.
    pub(super) async fn write(&mut self, kind: RecordKind, step: Option<usize>, data: Value) -> bool {
        let planned = step.map(|step| self.planned(step));
        let role = if self.undoing { Role::Undo } else { Role::Run };
        let entry = Entry {
            kind,
            run: Some(self.id),
            step: planned.map(|step| step.id.clone()),
            role: planned.filter(|step| step.changes()).map(|_| role.word().to_owned()),
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
