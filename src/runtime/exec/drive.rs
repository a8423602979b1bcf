//! One run: the machine says what to do, and this does it.

mod act;
mod again;
mod answers;
mod ask;
mod back;
mod batch;
mod crew;
mod ousted;
mod recheck;
mod unbound;

pub(super) use act::add;
pub(super) use answers::Answers;

use super::Exec;
use super::captured::Captured;
use super::child::News;
use super::lease::Held;
use super::progress::{Progress, Results};
use super::scene::Scene;
use crate::domain::record::{Entry, RecordKind, RunOutcome, StepState, clock_off};
use crate::domain::risk::Level;
use crate::domain::text::clean;
use crate::domain::time::day;
use crate::domain::{Now, RunId};
use crate::effect::RunAnswer;
use crate::event::RunEvent;
use crate::runbook::language::{Types, types_of};
use crate::runbook::library::overdue;
use crate::runbook::machine::{self, Answered, Command, Event, Kind, Machine, Rechecked};
use crate::runbook::model::{Fence, Role, Step};
use crate::runbook::past::fingerprint;
use crate::runbook::plan::{Onward, PlannedStep};
use crate::runbook::reach::Reached;
use crate::runbook::{Answer, Approval, Approved, Glass, Plan};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex as SyncMutex};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

/// Drives a run to its end.
///
/// How it ended; `None`: it was not begun, or the journal failed before it could be said.
pub(super) async fn drive(
    exec: Arc<Exec>,
    id: RunId,
    plan: Plan<Approved>,
    answers: UnboundedReceiver<RunAnswer>,
) -> Option<Over> {
    let caller = plan.body().request.caller.clone();
    let news = exec.runs.known(id, &plan.body().runbook.id, caller.as_ref().map(|caller| caller.run));
    if let Err(why) = exec.pages_stand(&plan).await {
        exec.trouble(Some(id), &format!("it was not begun: {why}")).await;
        return None;
    }
    // A run may have been killed between the plan and its answer.
    if let Some(why) = exec.in_the_way(&plan.body().runbook.id).await.unwrap_or_else(|error| Some(error.to_string())) {
        exec.trouble(Some(id), &format!("it was not begun: {why}")).await;
        return None;
    }
    let resumes = plan.body().request.resumes;
    let backwards = resumes.is_some_and(|resumption| resumption.way == Onward::Undo);
    let script = &plan.body().script;
    let rollings = script.rollings.clone();
    let kinds: Vec<Kind> =
        plan.body().steps.iter().zip(&script.steps).map(|(step, read)| kind(&plan, step, read)).collect();
    let types = Arc::new(types_of(&plan.body().runbook));
    let mut outs = Captured::of_plan(&plan.body().steps);
    let known = plan.body().again.iter().flat_map(|again| &again.outs);
    known.for_each(|(host, rows)| outs.insert(host.as_deref(), rows.clone()));
    let values = plan.body().values.clone();
    let label = format!("quarterdeck run {}", id.short());
    let family = exec.runs.held_by(caller.as_ref());
    let mut life = None;
    if let Some(resumption) = resumes {
        match again::reopen(&exec, &plan, resumption).await {
            Ok(record) => life = Some(record.id),
            Err(why) => {
                exec.trouble(Some(id), &format!("run {} is not taken up: {why}", id.short())).await;
                return None;
            }
        }
    }
    let held = match Held::take(&exec, id, &plan.body().locks, family, plan.glass().is_some()).await {
        Ok(held) => Arc::new(held),
        Err(why) => {
            if resumes.is_some() {
                again::put_down(&exec, &plan, id, &why).await;
            }
            exec.trouble(Some(id), &format!("it was not begun: {why}")).await;
            return None;
        }
    };
    exec.runs.holds(id, &held);
    let mut run = Run {
        exec,
        id,
        plan: Arc::new(plan),
        answers: Answers::new(answers),
        types,
        label,
        values,
        number: id.to_string(),
        life,
        ousted: None,
        outs,
        answered: Arc::default(),
        backwards,
        back: Vec::new(),
        batch: None,
        held,
        started: None,
        asked: None,
        at: None,
        undoing: backwards,
        stopping: false,
        leaving: false,
        step: Progress::default(),
        results: Results::default(),
        changed: None,
        fault: None,
        news: Arc::new(Mutex::new(news)),
        made: BTreeSet::new(),
        called: Vec::new(),
        ended: None,
    };
    let typed = (0..kinds.len()).filter(|step| run.undo_phrase(*step).is_some()).collect();
    let mut machine =
        Machine::new(kinds).rolling(rollings, run.exec.policy.parallel.get().into()).undone_by_phrase(typed);
    if let (Some(again), false) = (&run.plan.body().again, backwards) {
        machine = machine.resumed(&again.was);
        run.batch = run.batch_of(machine::last_begun(&again.was));
    }
    run.go(machine).await
}

/// What was answered to a plan, as typed.
fn typed(plan: &Plan<Approved>) -> &str {
    match plan.answer() {
        Answer::Yes => "y",
        Answer::Phrase(phrase) => phrase.trim(),
    }
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) outcome: RunOutcome,
    /// Why.
    pub(super) reason: String,
    /// The changes that were made, or may have been, by it and by those that it called, and that were not taken back.
    pub(super) made: Vec<Reached>,
    /// Its plan did not hold any more, and nothing was done: what came.
    pub(super) grew: Option<String>,
}

impl Over {
    /// Its task ended before it did: what it has changed by then nobody knows.
    pub(super) fn cut_off() -> Self {
        Self {
            outcome: RunOutcome::Unknown,
            reason: "it was cut off by a defect".to_owned(),
            made: Vec::new(),
            grew: None,
        }
    }
}

/// A step as the run's first record has it.
fn begun((step, read): (&PlannedStep, &Step)) -> Value {
    json!({
        "id": step.id,
        "title": step.title,
        "host": step.host,
        "target": step.target,
        "address": step.address,
        "changes": step.changes(),
        "by_hand": step.fences.is_empty(),
        "undo": step.undo,
        "undo_again": read.undo_may_be_sent_again(),
        "call": step.call(),
        "hash": fingerprint(read),
    })
}

fn kind(plan: &Plan<Approved>, step: &PlannedStep, read: &Step) -> Kind {
    if step.past.is_some() {
        return Kind::Change { asks: false, undo: step.undo.is_some(), retry: 0 };
    }
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
    pub(super) plan: Arc<Plan<Approved>>,
    pub(super) answers: Answers,
    types: Arc<Types>,
    label: String,
    /// The parameters, and what was chosen on the way.
    pub(super) values: BTreeMap<String, Value>,
    /// The id as text.
    number: String,
    /// The record that it began with, or was taken up with.
    life: Option<Uuid>,
    /// That another session has taken it over, in words.
    ousted: Option<String>,
    outs: Captured,
    /// What was answered for a step, for all hosts that it is done on.
    answered: Arc<SyncMutex<BTreeMap<String, Answer>>>,
    /// It takes back what an earlier life of it did: its steps are undos.
    pub(super) backwards: bool,
    /// The steps that it has taken back so far, in the order in which that was done.
    back: Vec<usize>,
    /// The rollout and the batch of it that are under way.
    batch: Option<(usize, usize)>,
    held: Arc<Held>,
    /// When it began.
    started: Option<Now>,
    /// When the question was put that is not answered yet.
    asked: Option<Now>,
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
    pub(super) news: Arc<Mutex<UnboundedReceiver<News>>>,
    /// The steps whose change was made, or may have been, and was not taken back.
    made: BTreeSet<usize>,
    /// What was changed by the runs that were called, and not taken back.
    pub(super) called: Vec<Reached>,
    /// How it ended.
    ended: Option<Over>,
}

impl Run {
    async fn perform(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Recheck(step) => {
                if self.at != Some(step) {
                    self.answers.until_on().await;
                }
                let answers = self.answers.clone();
                let checked = tokio::select! {
                    checked = self.look_again(step) => checked,
                    // The machine sends nothing any more.
                    () = answers.until_cut() => Rechecked::Passed,
                };
                if checked == Rechecked::Passed
                    && let Some(why) = self.unbound(step).await
                {
                    // As a step that has not begun: a pause holds it, and what was answered is known.
                    self.at = None;
                    return Some(Event::Unbound(why));
                }
                Some(Event::Rechecked(checked))
            }
            Command::Ask(step) => Some(Event::Answered(self.ask(step).await)),
            Command::AskUnbound { step, why } => Some(Event::Answered(self.ask_unbound(step, &why).await)),
            Command::Intend(step) => Some(self.intend(step).await),
            Command::Act(step) => {
                let effect = self.act(step).await;
                if !effect.is_nothing() {
                    self.made.insert(step);
                }
                Some(Event::Acted(effect, self.after_act(step)))
            }
            Command::Watch(step) => {
                let (watched, at) = self.watch_until_cut(step).await;
                let then = self.after_watch(step, at, &watched);
                Some(Event::Watched(watched, then))
            }
            Command::Offer { at, step, ways, why } => Some(self.offer(at, step, ways, &why).await),
            Command::Batch { rolling, batch } => Some(self.begin_batch(rolling, batch).await),
            Command::IntendUndo(step) => Some(match self.unbound(step).await {
                Some(why) => Event::Unbound(why),
                None => self.intend_undo(step).await,
            }),
            Command::Undo(step) => Some(Event::Undone(self.undo(step).await)),
            Command::Record { step, state, detail } => Some(self.record(step, state, &detail).await),
            Command::Finish { outcome, reason, left } => {
                let left = self.left_steps(left);
                let (outcome, reason, told) = self.verdict(outcome, reason, &left);
                let runs = &self.exec.runs;
                let ended = runs.who_ended(outcome, &reason).or_else(|| runs.who_has_it(self.id, outcome, &reason));
                let reason = ended.unwrap_or(reason);
                let reason = clean(&format!("{reason}{told}")).into_owned();
                let data = json!({ "outcome": outcome, "reason": reason, "left": self.left_data(&left) });
                self.ended = Some(Over { outcome, reason, made: self.all_made(), grew: None });
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

    async fn look_again(&mut self, step: usize) -> Rechecked {
        match self.breathe(step).await {
            Some(blocked) => blocked,
            None => self.recheck(step).await,
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
            back: self.backwards,
            tried: self
                .plan
                .body()
                .again
                .as_ref()
                .and_then(|again| again.tried.get(&self.read(step).id))
                .copied()
                .unwrap_or(0),
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

    /// Nobody is there to be asked any more.
    pub(super) fn leave(&mut self) -> Answered {
        self.leaving = true;
        Answered::Stop
    }

    async fn begin(&mut self) -> bool {
        self.started = Some((self.exec.clock)());
        if self.plan.body().request.resumes.is_some() {
            return self.tell_glass().await && self.note_locks(RecordKind::LockTaken).await;
        }
        let body = self.plan.body();
        let params: BTreeMap<&String, &String> = body.params.iter().map(|(name, text)| (name, text)).collect();
        let steps: Vec<Value> = body.steps.iter().zip(&body.script.steps).map(begun).collect();
        let parent = body.request.caller.as_ref().map(|caller| json!({ "run": caller.run, "step": caller.step }));
        let answer = typed(&self.plan);
        let data = json!({
            "runbook": body.runbook.id,
            "title": body.runbook.title,
            "source_hash": body.runbook.hash,
            "file": body.runbook.path,
            "commit": body.runbook.commit,
            "plan_hash": body.hash,
            "params": params,
            "values": body.values,
            "answer": answer,
            "locks": self.held.is_some(),
            "parent": parent,
            "steps": steps,
            "fleet": body.fleet,
            "risk": body.runbook.risk,
            "unreviewed": overdue(&body.runbook, day((self.exec.clock)().wall)).map(|problem| problem.what),
            "break_glass": self.plan.glass().map(Glass::reason),
            "approval": self.plan.approval().map(Approval::id),
            "approved_by": self.plan.approval().map(Approval::by),
            "approval_reason": self.plan.approval().map(Approval::reason),
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
        // To whom it went is a record of its own.
        self.exec.hand_on(self.id).await;
        self.held.release(&self.exec).await;
        self.note_locks(RecordKind::LockReleased).await;
    }

    /// That one person does what takes two is a record of its own, so that nobody has to look for it.
    async fn tell_glass(&mut self) -> bool {
        let Some(glass) = self.plan.glass() else { return true };
        let let_through = self.plan.body().steps.iter().filter(|step| step.changes() && step.level == Level::Two);
        let steps: Vec<&String> = let_through.map(|step| &step.id).collect();
        let data = json!({ "reason": glass.reason(), "steps": steps, "unbound": self.plan.body().unbound });
        self.note_glass(data).await
    }

    async fn note_glass(&mut self, data: Value) -> bool {
        tracing::warn!(run = %self.id.short(), reason = data["reason"].as_str(), "the glass is broken");
        self.write(RecordKind::BreakGlass, None, data).await
    }

    async fn intend(&mut self, step: usize) -> Event {
        let planned = self.planned(step);
        let run = planned.fences.iter().find(|fence| fence.role == Role::Run);
        let data = json!({
            "sent": run.map(|fence| fence.sent.clone()),
            "detail": if self.backwards { back::about_to(planned) } else { format!("about to act on {}", planned.target) },
            "facts": self.step.facts,
            "locks": self.held.as_json(),
        });
        self.step.intended = Some((self.exec.clock)());
        self.event(RecordKind::StepIntent, step, data).await
    }

    async fn record(&mut self, step: usize, state: StepState, detail: &str) -> Event {
        let output = std::mem::take(&mut self.step.output);
        let mut detail = self.results.close(&mut self.step, state, detail);
        if state == StepState::Ok {
            detail = self.step.ok(&detail);
        }
        let clock = self.step.clock_ahead_ms.take();
        if let Some(off) = clock.and_then(|ahead| clock_off(-ahead)) {
            let _ = write!(detail, "; its clock is {off} this machine's");
        }
        let state = if self.backwards { again::back(state) } else { state };
        if state == StepState::Undone {
            self.made.remove(&step);
            self.back.push(step);
        }
        let mut data = json!({ "state": state, "detail": clean(&detail), "output": output, "ms": self.step.millis });
        if state == StepState::Ok && !self.step.warned.is_empty() {
            data["warnings"] = self.step.warned.iter().map(|text| clean(text).into_owned()).collect::<Vec<_>>().into();
        }
        if std::mem::take(&mut self.step.not_sent) {
            data["happened"] = false.into();
        }
        if let Some(ahead) = clock {
            data["host_clock_ahead_ms"] = ahead.into();
        }
        let given = match state {
            StepState::Running => self.given(step, Role::Run),
            // Of a change they stand in its intent.
            StepState::Ok if !self.planned(step).changes() => self.given(step, Role::Check),
            _ => Value::Null,
        };
        if !given.is_null() {
            data["outs"] = given;
        }
        let event = self.event(RecordKind::StepExit, step, data).await;
        if event == Event::Recorded {
            let role = if self.undoing && !self.backwards { Role::Undo } else { Role::Run };
            self.forget(step, role, state == StepState::Checking).await;
        }
        self.undoing = self.backwards;
        event
    }

    async fn event(&mut self, kind: RecordKind, step: usize, data: Value) -> Event {
        if self.write(kind, Some(step), data).await { Event::Recorded } else { Event::JournalFailed }
    }

    /// Writes a record; on failure keeps the reason.
    pub(super) async fn write(&mut self, kind: RecordKind, step: Option<usize>, data: Value) -> bool {
        match self.exec.append(self.entry(kind, step, data)).await {
            Ok(record) => {
                self.life.get_or_insert(record.id);
                true
            }
            Err(error) => {
                self.fault = Some(error.to_string());
                false
            }
        }
    }

    fn entry(&self, kind: RecordKind, step: Option<usize>, data: Value) -> Entry {
        let planned = step.map(|step| self.planned(step));
        let role = if self.undoing { Role::Undo } else { Role::Run };
        Entry {
            kind,
            run: Some(self.id),
            step: planned.map(|step| step.id.clone()),
            role: planned.filter(|step| step.changes() || self.undoing).map(|_| role.word().to_owned()),
            target: planned.map(|step| step.target.clone()),
            env: self.exec.env.clone(),
            data,
        }
    }

    /// The record of what a step wants to have noted before it goes on, without that.
    fn note(&self, step: usize) -> (RunId, Entry) {
        (self.id, self.entry(RecordKind::StepSent, Some(step), Value::Null))
    }

    async fn abandon(&mut self) {
        let why = self.fault.take().unwrap_or_default();
        let what = format!("run {} has ended: the journal cannot be written: {why}", self.id.short());
        self.exec.trouble(Some(self.id), &what).await;
    }

    /// A plan that grew is made anew and shown. By whoever called it, where it has changed nothing: it is asked for there once more.
    async fn tell_change(&mut self) {
        let Some(what) = self.changed.take() else { return };
        if let Some(ended) = self.ended.as_mut().filter(|ended| ended.made.is_empty())
            && self.plan.body().request.caller.is_some()
        {
            ended.grew = Some(what);
            return;
        }
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
