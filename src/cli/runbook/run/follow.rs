//! A run of the command line as it goes on: what happens is told, what it asks is put to whoever sits there, and signals end it early.

use super::super::crowd::Crowd;
use super::super::desk::Desk;
use super::super::person::Person;
use super::super::{plan, steer, told};
use super::question::{Question, asked, phrase, read};
use super::{End, Refused, Run, as_answer, asks_for};
use crate::clock;
use crate::domain::record::{RecordKind, RunOutcome};
use crate::domain::{RunId, text};
use crate::effect::RunAnswer;
use crate::event::{Event, RunEvent};
use crate::journal::Others;
use crate::runbook::gate::approve;
use crate::runbook::model::Param;
use crate::runbook::wants::{Want, Wants};
use crate::runbook::{Authority, Draft, Plan, PlanRequest, Runs, Writes, announce, params};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// From look to look whether a run is over.
const LOOK: Duration = Duration::from_millis(50);

/// What ends it early.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self, Refused> {
        let take = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self([take(SignalKind::interrupt())?, take(SignalKind::terminate())?, take(SignalKind::hangup())?]))
    }

    /// What came until now was for somebody else.
    fn forget_interrupts(&mut self) -> Result<(), Refused> {
        self.0[0] = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The next one's name; `None`: the operator's own Ctrl-C.
    async fn next(&mut self) -> Option<&'static str> {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => None,
            _ = terminate.recv() => Some("SIGTERM"),
            _ = hangup.recv() => Some("SIGHUP"),
        }
    }
}

/// A run as it goes on.
pub(super) struct Following<'a> {
    of: &'a Run,
    run: RunId,
    /// The answers of the command line are about this plan.
    seen: bool,
    question: Option<Question>,
    /// Something may have been sent.
    sent: bool,
    stopping: bool,
    end: Option<End>,
    trouble: Option<String>,
    changed: Option<Plan<Draft>>,
    /// A step calls another runbook.
    called: Option<PlanRequest>,
    /// As the records tell it.
    pub(super) runs: Runs,
    /// What others record meanwhile, where that can be followed.
    others: Option<Box<dyn Others>>,
    wants: Wants,
    /// Ctrl-C was pressed, and what follows is asked.
    steering: bool,
    crowd: Crowd,
}

impl<'a> Following<'a> {
    pub(super) fn new(of: &'a Run, run: RunId, first: bool) -> Self {
        let seen = first && of.plan.is_some();
        let (question, end, trouble, changed, called) = (None, None, None, None, None);
        let (runs, crowd) = (Runs::default(), Crowd::default());
        let (sent, stopping, steering) = (false, false, false);
        let (others, wants) = (None, Wants::default());
        Self {
            of,
            run,
            seen,
            question,
            sent,
            stopping,
            end,
            trouble,
            changed,
            called,
            runs,
            others,
            wants,
            steering,
            crowd,
        }
    }

    pub(super) async fn follow(
        mut self,
        desk: &mut Desk,
        mut person: Option<&mut Person>,
    ) -> Result<(End, Option<Plan<Draft>>), Refused> {
        let mut signals = Signals::new()?;
        self.others = desk.exec.journal.others(None).await.ok().flatten();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => if self.interrupted(desk, signal, person.as_deref_mut()) { break },
                event = desk.events.recv() => {
                    if let Some(Event::Run(event)) = event {
                        self.take(desk, event, person.as_deref_mut());
                    }
                    if let Some(request) = self.called.take() {
                        self.call(desk, request, person.as_deref_mut()).await;
                        // One at a question of the called run was an answer to that, and does not stop its caller too.
                        if person.as_deref_mut().is_some_and(Person::take_interrupt) {
                            signals.forget_interrupts()?;
                        }
                    }
                }
                line = next_line(person.as_deref_mut()), if self.steering || self.takes_line() => {
                    if self.steering {
                        self.steer(desk, line.as_deref(), person.as_deref_mut());
                    } else if !self.hands_over(desk, line.as_deref()) {
                        self.answer(desk, line.as_deref(), person.as_deref_mut());
                    }
                }
                _ = ticks.tick() => {
                    self.hear(person.as_deref_mut()).await;
                    if desk.exec.running().is_empty() && desk.events.is_empty() {
                        break;
                    }
                }
            }
        }
        if let Some(run) = self.runs.get(self.run) {
            self.of.tell_others(desk, "after", &announce::of_run(&self.runs, run, clock::now().wall));
        }
        self.ended()
    }

    /// Somebody wants what this run holds: who sits here is told.
    async fn hear(&mut self, person: Option<&mut Person>) {
        let Some(others) = &mut self.others else { return };
        if !others.stirs() {
            return;
        }
        let Ok(records) = others.read().await else { return };
        let mut told = Vec::new();
        for record in &records {
            told.extend(self.wants.apply(record).filter(|want| want.run == self.run).map(Want::line));
        }
        if self.of.json {
            for line in &told {
                println!("{}", told::compact(&json!({ "event": "wanted", "text": line })));
            }
            return;
        }
        match person {
            Some(person) => {
                let lines = told.iter().map(|line| format!("! {line}; to stop and hand it over type  hand over"));
                person.warn(&lines.collect::<Vec<_>>());
            }
            None => {
                for line in &told {
                    eprintln!("! {line}");
                }
            }
        }
    }

    fn takes_line(&self) -> bool {
        self.question.is_some() || self.wants.of_run(self.run).is_some()
    }

    /// The answer to whoever wants a lock; false: it is none.
    fn hands_over(&mut self, desk: &Desk, line: Option<&str>) -> bool {
        let Some(want) = self.wants.of_run(self.run).cloned() else { return false };
        let says_so = line == Some("hand over");
        if says_so {
            desk.exec.hand_over(self.run, want);
            self.question = None;
        }
        says_so
    }

    fn ended(self) -> Result<(End, Option<Plan<Draft>>), Refused> {
        match (self.end, self.sent) {
            (Some(end), _) => Ok((end, self.changed)),
            (None, true) => {
                let reason = self.trouble.unwrap_or_else(|| "it was left as it was".to_owned());
                let reason = format!("{reason}; `quarterdeck runbook resume` tells what became of it");
                eprintln!("quarterdeck: {}", text::clean(&reason));
                Ok((End { outcome: RunOutcome::Unknown, reason }, None))
            }
            (None, false) => Err(self.trouble.unwrap_or_else(|| "it was left before anything was sent".to_owned())),
        }
    }

    /// A person is asked what follows, and a second time is the first answer: the run stops before its next change. After that it is left as
    /// it is: true.
    fn interrupted(&mut self, desk: &Desk, signal: Option<&'static str>, person: Option<&mut Person>) -> bool {
        if self.stopping {
            // Closing a terminal alone sends it more than once: nobody insists by that.
            return signal != Some("SIGHUP");
        }
        // A question says itself how the run is stopped, and JSON is read by a program.
        let asks = signal.is_none() && !self.steering && self.question.is_none() && !self.of.json;
        if let Some(person) = person.filter(|_| asks) {
            self.steering = true;
            desk.exec.answer(self.run, RunAnswer::Pause(true));
            eprintln!();
            person.put(steer::MENU);
            return false;
        }
        signal.inspect(|signal| desk.exec.runs.told_to_end(signal));
        self.ends_by(desk, RunAnswer::Stop);
        false
    }

    fn ends_by(&mut self, desk: &Desk, answer: RunAnswer) {
        (self.steering, self.stopping) = (false, !matches!(answer, RunAnswer::Pause(_)));
        eprintln!("{}", steer::said(&answer));
        desk.exec.answer(self.run, answer);
    }

    /// A line of the menu.
    fn steer(&mut self, desk: &Desk, line: Option<&str>, person: Option<&mut Person>) {
        match (steer::read(line.unwrap_or_default()), person) {
            (Some(answer), _) => self.ends_by(desk, answer),
            (None, Some(person)) => {
                let said = text::clean(line.unwrap_or_default()).into_owned();
                person.put(&format!("{said:?} is no answer to this\n{}", steer::MENU));
            }
            (None, None) => {}
        }
    }

    /// Plans, shows and starts what a step calls, with an answer of its own. Whatever keeps it from beginning is told, and its caller asks
    /// again.
    async fn call(&mut self, desk: &Desk, request: PlanRequest, person: Option<&mut Person>) {
        let Some(caller) = request.caller.clone() else { return };
        if let Err(why) = self.begin_called(desk, request, person).await {
            eprintln!("! not begun: {}", text::clean(&why));
            desk.exec.answer(caller.run, RunAnswer::Declined);
        }
    }

    async fn begin_called(
        &self,
        desk: &Desk,
        mut request: PlanRequest,
        person: Option<&mut Person>,
    ) -> Result<(), Refused> {
        let person = person.ok_or("it takes a person on a terminal")?;
        let runbook = desk.exec.library.get(&request.runbook).cloned().ok_or("the runbook is gone")?;
        // What was begun has its parameters.
        let begins = request.resumes.is_none();
        let needs = |param: &&Param| begins && param.required && param.default.is_none();
        for param in runbook.params.iter().filter(needs) {
            if request.args.contains_key(&param.name) {
                continue;
            }
            let given = person.ask(&format!("{} of {} ({}):", param.name, runbook.id, params::asked(param))).await;
            // Ctrl-C, or Enter alone: what must be given was not.
            if given.is_empty() {
                return Err(format!("{} was not given", param.name));
            }
            request.args.insert(param.name.clone(), params::check(param, &Value::from(given))?);
        }
        let made = desk.plan(&request).await?;
        let notes = desk.notes(&made).await;
        self.of.show(&made, &notes, &desk.config, true);
        if let Some(reason) = made.body().blocked.first() {
            return Err(format!("the plan is blocked: {reason}"));
        }
        let answer = match plan::answer(&made) {
            None => "y".to_owned(),
            Some(wanted) => person.ask(&asks_for(&wanted)).await,
        };
        let approval = self.of.second(desk, &made, true).await?;
        // Writes were unlocked for the run that this one belongs to.
        let authority = Authority { approval, ..Authority::alone(Writes::Unlocked) };
        let answer = as_answer(&made, &answer)?;
        let approved = approve(made, &answer, authority).map_err(|(_, refusal)| refusal.to_string())?;
        desk.exec.start(approved).map(drop).ok_or_else(|| "it was refused".to_owned())
    }

    fn take(&mut self, desk: &Desk, event: RunEvent, mut person: Option<&mut Person>) {
        if let RunEvent::Record(record) = &event {
            self.runs.apply(record);
        }
        let line = match &event {
            event if self.of.json => told::as_json(event).map(|value| told::compact(&value)),
            event if Crowd::hides(&self.runs, event) => None,
            event => told::line(event),
        };
        let crowd = self.crowd.line(&self.runs, &event, std::time::Instant::now()).filter(|_| !self.of.json);
        let told: Vec<String> = line.into_iter().chain(crowd).collect();
        match person.as_deref().filter(|_| !self.of.json) {
            Some(person) => person.tell(&told),
            None => told.iter().for_each(|line| println!("{line}")),
        }
        match event {
            RunEvent::Record(record) => {
                self.sent |= record.entry.kind == RecordKind::StepIntent;
                if record.entry.kind == RecordKind::RunFinish && record.entry.run == Some(self.run) {
                    self.question = None;
                    person.as_deref_mut().into_iter().for_each(Person::withdraw);
                    let outcome = RunOutcome::of(&record.entry.data).unwrap_or(RunOutcome::Unknown);
                    let reason = record.entry.data["reason"].as_str().unwrap_or_default().to_owned();
                    self.end = Some(End { outcome, reason });
                }
            }
            RunEvent::Ask { run, prompt, phrase, manual, list, ways, .. } => {
                let text = asked(&prompt, phrase.as_deref(), manual, &list, &ways);
                let items = (list.tasks.len(), list.choices.len());
                let question = Question { run, phrase, manual, plans: list.plans, items, ways, text };
                if std::mem::take(&mut self.steering) {
                    // It is asked something by itself, and a stop is among the answers.
                    desk.exec.answer(self.run, RunAnswer::Pause(false));
                }
                self.ask(desk, question, person);
            }
            RunEvent::AskOver(run) => {
                if self.question.take_if(|question| question.run == run).is_some() {
                    person.into_iter().for_each(Person::withdraw);
                }
            }
            RunEvent::Call { request, .. } => self.called = Some(*request),
            RunEvent::Trouble { what, .. } => self.trouble = Some(what),
            RunEvent::PlanChanged { plan, .. } => self.changed = Some(*plan),
            RunEvent::Output { .. }
            | RunEvent::Detached { .. }
            | RunEvent::Planned { .. }
            | RunEvent::NotPlanned { .. }
            | RunEvent::Recalled(_)
            | RunEvent::Incidents(_)
            | RunEvent::Noted(_)
            | RunEvent::Approved(_)
            | RunEvent::Yours { .. }
            | RunEvent::Elsewhere(_)
            | RunEvent::Unread(_)
            | RunEvent::Away(_)
            | RunEvent::Clock { .. }
            | RunEvent::OnlyLooks(_)
            | RunEvent::CutOff(_)
            | RunEvent::Left(_)
            | RunEvent::Reconciled(_) => {}
        }
    }

    fn ask(&mut self, desk: &Desk, question: Question, person: Option<&mut Person>) {
        // An undo is answered by whoever sees why.
        let asked = question.phrase.as_ref().filter(|_| question.ways.is_empty());
        let given = asked.filter(|phrase| self.seen && self.of.confirm.contains(*phrase));
        match (given, person) {
            (Some(given), _) => desk.exec.answer(question.run, RunAnswer::Confirm(phrase(given))),
            (None, Some(person)) => {
                person.put(&question.text);
                self.question = Some(question);
            }
            // Nobody is there to be asked.
            (None, None) => desk.exec.answer(question.run, RunAnswer::Leave),
        }
    }

    fn answer(&mut self, desk: &Desk, line: Option<&str>, person: Option<&mut Person>) {
        let Some(question) = self.question.take() else { return };
        match line.map_or(Ok(RunAnswer::Stop), |line| read(&question, line)) {
            Ok(answer) => {
                // The step waits for more of these, and for `done`.
                let goes_on = matches!(answer, RunAnswer::Tick { .. } | RunAnswer::Pick(_));
                desk.exec.answer(question.run, answer);
                self.question = goes_on.then_some(question);
            }
            Err(why) => {
                if let Some(person) = person {
                    person.put(&format!("{why}\n{}", question.text));
                }
                self.question = Some(question);
            }
        }
    }
}

/// Never, without a person.
async fn next_line(person: Option<&mut Person>) -> Option<String> {
    match person {
        Some(person) => person.line().await,
        None => std::future::pending().await,
    }
}
