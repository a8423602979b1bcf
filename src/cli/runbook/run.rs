//! `quarterdeck runbook run`: a run from the command line, through the same gate, the same steps and the same journal as one of the screen.

use super::super::{Global, setup};
use super::crowd::Crowd;
use super::desk::Desk;
use super::person::Person;
use super::plan::{self, What};
use super::second::Asking;
use super::{steer, told};
use crate::config::Config;
use crate::domain::RunId;
use crate::domain::record::{Entry, RecordKind, RunOutcome};
use crate::domain::risk::{BreakGlass, Level, Policy, Unattended};
use crate::domain::{reason, text};
use crate::effect::RunAnswer;
use crate::event::{Event, RunEvent, TaskList};
use crate::journal::Others;
use crate::runbook::announce::{self, Teller};
use crate::runbook::gate::approve;
use crate::runbook::machine::Way;
use crate::runbook::wants::{Want, Wants};
use crate::runbook::{
    Answer, Approval, Approved, Authority, Draft, Glass, Plan, PlanRequest, Refusal, Runs, Writes, params,
};
use crate::{clock, runtime};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// How a run ended, as exit codes.
pub const FAILED: u8 = 1;
/// Nobody knows whether something happened.
pub const UNKNOWN: u8 = 3;
/// Ended on request, or because the plan changed.
pub const STOPPED: u8 = 4;
/// It was not begun.
pub const REFUSED: u8 = 5;

/// From look to look whether a run is over.
const LOOK: Duration = Duration::from_millis(50);

/// Which one, and the answers.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    what: What,
    /// The answer: y, or the phrase; once more for each later step that asks for one. Counts only with --plan
    #[arg(long, value_name = "PHRASE")]
    confirm: Vec<String>,
    /// The hash of the plan that was seen, or its first twelve digits or more; when the plan is another one, nothing is done
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Do alone what takes two people, and say why: it is recorded, and everybody sees it. The answer is still needed; --read-only, the write
    /// lock and `break_glass = "refuse"` under [policy] hold
    #[arg(long, value_name = "REASON")]
    break_glass: Option<String>,
    /// Begin as this run, for which a lock was handed over or taken over: `quarterdeck lock ask` and `take` print it
    #[arg(long = "as", value_name = "RUN", value_parser = run_id)]
    begin_as: Option<RunId>,
    /// Ask for the second person's approval that the plan takes, print the request's id and wait for nobody; once it is approved, run it again
    #[arg(long, conflicts_with = "break_glass")]
    no_wait: bool,
    /// The incident that the run belongs to, by the end or the beginning of its id, or none; else the worst that is open
    #[arg(long, value_name = "ID|none")]
    incident: Option<String>,
    /// Print what others are told of it, before and after, as Markdown for a chat channel
    #[arg(long)]
    announce: bool,
    /// What happens as JSON, an event a line: plan, record, output, ask, call, trouble, plan_changed, announce, end
    #[arg(long)]
    json: bool,
}

/// Why it was not begun.
type Refused = String;

/// How it ended, and why.
struct End {
    outcome: RunOutcome,
    reason: String,
}

impl Run {
    /// Runs it to its end.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        runtime::block_on(async {
            let mut desk = Desk::acting(global).await?;
            let ended = match self.begin(&mut desk).await {
                Ok(request) => self.whole(&mut desk, &request).await,
                Err(why) => Err(why),
            };
            desk.close().await;
            Ok(self.told(ended))
        })?
    }

    /// For a run that is taken up again: these answers, and this way of telling.
    pub const fn answering(
        confirm: Vec<String>,
        plan: Option<String>,
        break_glass: Option<String>,
        tells: [bool; 2],
    ) -> Self {
        let [announce, json] = tells;
        Self {
            what: What::none(),
            confirm,
            plan,
            break_glass,
            begin_as: None,
            no_wait: false,
            incident: None,
            announce,
            json,
        }
    }

    /// Plans, asks and drives a run that was begun before; its exit code.
    pub async fn again(&self, desk: &mut Desk, request: &PlanRequest) -> ExitCode {
        let ended = self.whole(desk, request).await;
        self.told(ended)
    }

    /// What is to be run, and which incident it belongs to, which is told.
    async fn begin(&self, desk: &mut Desk) -> Result<PlanRequest, Refused> {
        let request = self.what.request()?;
        if let Some(incident) = desk.join(self.incident.as_deref()).await? {
            let (name, priority) = (incident.short(), incident.priority.word());
            let title = text::clean(&incident.title);
            eprintln!("it belongs to incident {name}, {priority} {title} (--incident none: to none)");
        }
        Ok(request)
    }

    fn told(&self, ended: Result<End, Refused>) -> ExitCode {
        let (word, reason, code) = match ended {
            Ok(End { outcome, reason }) => (outcome.word(), reason, code(outcome)),
            Err(why) => ("refused", why, REFUSED),
        };
        let reason = text::clean(&reason);
        if self.json {
            println!("{}", told::compact(&json!({ "event": "end", "outcome": word, "reason": reason })));
        }
        if !self.json && code == REFUSED {
            let reason = reason.strip_suffix(": nothing was done").unwrap_or(&reason);
            eprintln!("quarterdeck: refused, and nothing was done: {reason}");
        }
        ExitCode::from(code)
    }

    async fn whole(&self, desk: &mut Desk, request: &PlanRequest) -> Result<End, Refused> {
        let mut person = Person::here();
        self.may_begin(desk, person.is_some()).await?;
        if let Some(run) = self.begin_as {
            begins_as(desk, run).await?;
        }
        let mut made = desk.plan(request).await?;
        let mut first = true;
        loop {
            let notes = desk.notes(&made).await;
            self.show(&made, &notes, &desk.config, person.is_some());
            let approved = self.approved(desk, made, person.as_mut(), first).await?;
            let (who, env) = (setup::who(), desk.config.environment.clone());
            self.tell_others(
                desk,
                "before",
                &announce::before(&approved, Teller { who: &who, env: &env, only_looks: false }, approved.glass()),
            );
            let run = desk.exec.start(approved).ok_or("it is read-only: leave out --read-only to act")?;
            let mut following = Following::new(self, run, first);
            let before = desk.exec.journal.of_run(run).await.unwrap_or_default();
            for record in &before {
                following.runs.apply(record);
            }
            let (end, changed) = following.follow(desk, person.as_mut()).await?;
            match changed {
                Some(plan) if person.is_some() => (made, first) = (plan, false),
                _ => return Ok(end),
            }
        }
    }

    /// What can be told before anything is asked.
    async fn may_begin(&self, desk: &Desk, person: bool) -> Result<(), Refused> {
        if desk.exec.read_only {
            return Err("it is read-only: leave out --read-only to act".to_owned());
        }
        if !person && desk.config.guarded && desk.config.policy.unattended == Unattended::Refuse {
            let env = &desk.config.environment;
            return Err(format!(
                "{env} is guarded: run it on a terminal, or write unattended = \"allow\" under [policy] in the config"
            ));
        }
        // Never unjournaled: told now, and not in the middle.
        desk.exec.journal.recent(1).await.map(drop).map_err(|error| error.to_string())
    }

    fn show(&self, made: &Plan<Draft>, notes: &[String], config: &Config, person: bool) {
        if self.json {
            println!("{}", told::compact(&json!({ "event": "plan", "plan": plan::as_json(made, notes) })));
        }
        if person && self.json {
            eprint!("{}", plan::shown(made, notes, config));
        } else if person {
            print!("{}", plan::shown(made, notes, config));
        }
    }

    /// `first`: what the command line answers is about this plan, and not about one that came later.
    async fn approved(
        &self,
        desk: &Desk,
        made: Plan<Draft>,
        mut person: Option<&mut Person>,
        first: bool,
    ) -> Result<Plan<Approved>, Refused> {
        if let Some(reason) = made.body().blocked.first() {
            return Err(format!("the plan is blocked: {reason}"));
        }
        if person.is_none()
            && let Some(why) = plan::takes_person(&made)
        {
            return Err(format!("{why}: run it on a terminal"));
        }
        self.is_that_plan(&made, first)?;
        let glass = self.glass(&made, desk.config.policy)?;
        let approval = if glass.is_none() { self.second(desk, &made, person.is_some()).await? } else { None };
        // An answer is for a plan that was seen: without its hash nobody can have seen this one.
        let given = self.confirm.first().filter(|_| first && self.plan.is_some());
        let answer = match (plan::answer(&made), given, person.as_deref_mut()) {
            (None, ..) => "y".to_owned(),
            (Some(_), Some(given), _) => given.clone(),
            (Some(wanted), None, Some(person)) => person.ask(&question(&wanted)).await,
            (Some(_), None, None) => {
                let (answers, hash) = (plan::confirms(&made).join(" "), &made.body().hash);
                return Err(format!("without a terminal it takes {answers} --plan {hash}"));
            }
        };
        let answer = as_answer(&made, &answer)?;
        unlock(desk, person.as_deref_mut()).await?;
        let authority = Authority { writes: Writes::Unlocked, glass, approval };
        let approved = approve(made, &answer, authority).map_err(|(_, refusal)| refusal.to_string())?;
        if person.is_none() {
            self.needs_nobody(&approved)?;
        }
        Ok(approved)
    }

    /// The reason for which one person does what takes two.
    fn glass(&self, made: &Plan<Draft>, policy: Policy) -> Result<Option<Glass>, Refused> {
        let given = self.break_glass.as_ref().map(|reason| Glass::broken(reason, policy)).transpose();
        match given.map_err(|refusal| refusal.to_string())? {
            Some(_) if !made.takes_glass() => {
                Err("--break-glass is not needed: one person is enough for this plan; leave it out".to_owned())
            }
            None if made.is_unbound() => {
                let unbound = made.body().unbound.clone().unwrap_or_default();
                Err(match policy.break_glass {
                    BreakGlass::Allow => {
                        format!("{unbound}; --break-glass REASON does it all the same, and everybody sees it")
                    }
                    BreakGlass::Refuse => format!("{unbound}; and {}", Refusal::GlassForbidden),
                })
            }
            glass => Ok(glass),
        }
    }

    /// The second person whom the plan takes; `None`: it takes one.
    async fn second(&self, desk: &Desk, made: &Plan<Draft>, person: bool) -> Result<Option<Approval>, Refused> {
        if !made.takes_two() {
            return Ok(None);
        }
        let alone = match desk.config.policy.break_glass {
            BreakGlass::Allow => "; --break-glass REASON does it alone, and everybody sees it",
            BreakGlass::Refuse => "",
        };
        if desk.config.journal.postgres.is_none() {
            return Err(format!("{}{alone}", Refusal::NeedsTwo));
        }
        let asking = Asking { no_wait: self.no_wait, json: self.json };
        asking.second(desk, made, person).await.map(Some).map_err(|why| format!("{why}{alone}"))
    }

    /// Prints what others are told, when that is wanted.
    fn tell_others(&self, desk: &Desk, when: &str, told: &str) {
        let told = desk.exec.connections.redactor().text(told);
        match (self.announce, self.json) {
            (false, _) => {}
            (true, true) => println!("{}", told::compact(&json!({ "event": "announce", "when": when, "text": told }))),
            (true, false) => println!("\nto tell others, {when}:\n\n{told}"),
        }
    }

    fn is_that_plan(&self, made: &Plan<Draft>, first: bool) -> Result<(), Refused> {
        let Some(seen) = self.plan.as_ref().filter(|_| first) else { return Ok(()) };
        let hash = &made.body().hash;
        if seen.len() >= 12 && hash.starts_with(seen.as_str()) {
            return Ok(());
        }
        Err(format!("the plan is another one than {seen}: `quarterdeck runbook plan` shows it; its hash is {hash}"))
    }

    /// Without a person no step may ask for an answer that was not given.
    fn needs_nobody(&self, approved: &Plan<Approved>) -> Result<(), Refused> {
        for step in approved.body().steps.iter().filter(|step| step.past.is_none()) {
            let answered =
                || self.confirm.iter().any(|given| approved.refuses(&step.id, Some(&phrase(given))).is_none());
            if approved.asks_for_itself(&step.id) && !answered() {
                let wanted = step.phrase.as_deref().unwrap_or_default();
                return Err(format!("{:?} asks for an answer of its own: add --confirm '{wanted}'", step.title));
            }
        }
        Ok(())
    }
}

fn run_id(text: &str) -> Result<RunId, String> {
    text.parse().map(RunId).map_err(|_| "write the whole id, as `quarterdeck lock` prints it".to_owned())
}

/// What is kept for a run that has not begun is this one's.
async fn begins_as(desk: &Desk, run: RunId) -> Result<(), Refused> {
    let journal = &desk.exec.journal;
    let names = journal.locked().await.map_err(|error| error.to_string())?;
    let held = journal.held(&names).await.map_err(|error| error.to_string())?;
    let kept: Vec<String> = held.into_iter().filter(|lease| lease.run == run).map(|lease| lease.resource).collect();
    let begun = !journal.of_run(run).await.map_err(|error| error.to_string())?.is_empty();
    if kept.is_empty() || begun {
        return Err(format!("no lock is kept for run {run} any more: `quarterdeck lock list` shows who holds what"));
    }
    desk.exec.runs.passed(run, kept);
    Ok(())
}

fn question(wanted: &str) -> String {
    if wanted == "y" {
        "run it? y, or anything else to leave:".to_owned()
    } else {
        format!("to run it type  {wanted} :")
    }
}

fn phrase(text: &str) -> Answer {
    Answer::Phrase(text.to_owned())
}

fn as_answer(made: &Plan<Draft>, text: &str) -> Result<Answer, Refused> {
    match made.level() {
        Level::None | Level::Yes if matches!(text, "y" | "yes") => Ok(Answer::Yes),
        Level::None | Level::Yes if text.is_empty() => Err("it was not answered".to_owned()),
        Level::None | Level::Yes => Err(format!("{text:?} is not y")),
        Level::Typed | Level::Two if text.is_empty() => Err("it was not answered".to_owned()),
        Level::Typed | Level::Two => Ok(phrase(text)),
    }
}

/// In a guarded environment writes are locked until somebody says that they are wanted, here as on the screen.
async fn unlock(desk: &Desk, person: Option<&mut Person>) -> Result<(), Refused> {
    let Some(person) = person.filter(|_| desk.config.guarded) else { return Ok(()) };
    let env = &desk.config.environment;
    let typed = person.ask(&format!("{env} is guarded: to unlock writes for this run type  {env} :")).await;
    if typed != *env {
        return Err("writes stay locked".to_owned());
    }
    let entry = Entry {
        kind: RecordKind::WritesLock,
        run: None,
        step: None,
        role: None,
        target: None,
        env: env.clone(),
        data: json!({ "state": "unlocked" }),
    };
    desk.exec.journal.append(entry).await.map(drop).map_err(|error| error.to_string())
}

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

/// What a run waits for.
struct Question {
    /// Which: this one, or one that it calls.
    run: RunId,
    phrase: Option<String>,
    manual: bool,
    /// That it is done means to make a plan.
    plans: bool,
    /// How many items there are to tick, and to choose from.
    items: (usize, usize),
    ways: Vec<Way>,
    text: String,
}

/// A run as it goes on.
struct Following<'a> {
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
    runs: Runs,
    /// What others record meanwhile, where that can be followed.
    others: Option<Box<dyn Others>>,
    wants: Wants,
    /// Ctrl-C was pressed, and what follows is asked.
    steering: bool,
    crowd: Crowd,
}

impl<'a> Following<'a> {
    fn new(of: &'a Run, run: RunId, first: bool) -> Self {
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

    async fn follow(
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
        let how = if person.is_some() { "; to stop and hand it over type  hand over" } else { "" };
        for line in told {
            if self.of.json {
                println!("{}", told::compact(&json!({ "event": "wanted", "text": line })));
            } else {
                eprintln!("! {line}{how}");
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
        for param in runbook.params.iter().filter(|param| param.required && param.default.is_none()) {
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
            Some(wanted) => person.ask(&question(&wanted)).await,
        };
        let approval = self.of.second(desk, &made, true).await?;
        // Writes were unlocked for the run that this one belongs to.
        let authority = Authority { approval, ..Authority::alone(Writes::Unlocked) };
        let answer = as_answer(&made, &answer)?;
        let approved = approve(made, &answer, authority).map_err(|(_, refusal)| refusal.to_string())?;
        desk.exec.start(approved).map(drop).ok_or_else(|| "it was refused".to_owned())
    }

    fn take(&mut self, desk: &Desk, event: RunEvent, person: Option<&mut Person>) {
        if let RunEvent::Record(record) = &event {
            self.runs.apply(record);
        }
        let line = match &event {
            event if self.of.json => told::as_json(event).map(|value| told::compact(&value)),
            event if Crowd::hides(&self.runs, event) => None,
            event => told::line(event),
        };
        let crowd = self.crowd.line(&self.runs, &event, std::time::Instant::now()).filter(|_| !self.of.json);
        for line in line.into_iter().chain(crowd) {
            println!("{line}");
        }
        match event {
            RunEvent::Record(record) => {
                self.sent |= record.entry.kind == RecordKind::StepIntent;
                if record.entry.kind == RecordKind::RunFinish && record.entry.run == Some(self.run) {
                    self.question = None;
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
            RunEvent::AskOver(run) => drop(self.question.take_if(|question| question.run == run)),
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

fn asked(prompt: &str, phrase: Option<&str>, manual: bool, list: &TaskList, ways: &[Way]) -> String {
    let mut out = format!("{}\n", text::clean_lines(prompt));
    for (number, (task, _)) in (1..).zip(&list.tasks) {
        let _ = writeln!(out, "  tick {number}: {}", text::clean(task));
    }
    for (number, choice) in (1..).zip(&list.choices) {
        let _ = writeln!(out, "  pick {number}: {}", text::clean(choice));
    }
    if !ways.is_empty() {
        let by_phrase = phrase.filter(|_| ways.contains(&Way::Undo));
        let words = ways.iter().filter(|way| by_phrase.is_none() || **way != Way::Undo).map(|way| word(*way));
        let words = words.collect::<Vec<_>>().join(", ");
        let undo = by_phrase.map(|phrase| format!("; to undo it type  {phrase} ")).unwrap_or_default();
        return format!("{out}{words}{undo}:");
    }
    let go = match (phrase, manual) {
        (Some(phrase), _) => format!("type  {phrase}  to go on"),
        (None, true) if list.plans => "plan (y)".to_owned(),
        (None, true) => "done (y)".to_owned(),
        (None, false) => "y".to_owned(),
    };
    out + &format!("{go}, skip REASON (s), or stop:")
}

/// What is typed for a way on: `continue REASON (c)`.
fn word(way: Way) -> String {
    let reason = if way.is_reasoned() { " REASON" } else { "" };
    let letter = way.letter().map(|letter| format!(" ({letter})")).unwrap_or_default();
    format!("{}{reason}{letter}", way.word())
}

/// A way on by its word or its letter.
fn is_way(way: Way, verb: &str) -> bool {
    way.word() == verb || way.letter().is_some_and(|letter| verb.chars().eq([letter]))
}

/// What a line answers; the error says that it answers nothing, or that its reason is none.
fn read(question: &Question, line: &str) -> Result<RunAnswer, String> {
    let answer = meant(question, line).ok_or_else(|| format!("{:?} is no answer to this", text::clean(line)))?;
    match &answer {
        RunAnswer::Choose { way: Way::Undo, reason } => match question.phrase.as_deref() {
            Some(phrase) if reason != phrase => Err(format!("to undo it type  {phrase} ")),
            _ => Ok(answer),
        },
        RunAnswer::Choose { way, reason } if way.is_reasoned() => reason::given(reason).map(|_| answer),
        RunAnswer::Skip(why) => reason::given(why).map(|_| answer),
        _ => Ok(answer),
    }
}

fn meant(question: &Question, line: &str) -> Option<RunAnswer> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    if !question.ways.is_empty() {
        if question.phrase.as_deref() == Some(line) {
            return Some(RunAnswer::Choose { way: Way::Undo, reason: line.to_owned() });
        }
        let way = question.ways.iter().copied().find(|way| is_way(*way, verb))?;
        let reasoned = way.is_reasoned() || rest.is_empty();
        return reasoned.then(|| RunAnswer::Choose { way, reason: rest.to_owned() });
    }
    let item = |count: usize| rest.parse::<usize>().ok()?.checked_sub(1).filter(|item| *item < count);
    match (verb, question.phrase.as_deref()) {
        _ if question.phrase.as_deref() == Some(line) => Some(RunAnswer::Confirm(phrase(line))),
        ("stop", _) if rest.is_empty() => Some(RunAnswer::Stop),
        ("plan", _) if question.plans && rest.is_empty() => Some(RunAnswer::Done),
        ("done" | "y" | "yes", _) if question.manual && rest.is_empty() => Some(RunAnswer::Done),
        ("tick", _) if question.manual => Some(RunAnswer::Tick { item: item(question.items.0)?, done: true }),
        ("pick", _) if question.manual => Some(RunAnswer::Pick(item(question.items.1)?)),
        ("y" | "yes", None) if !question.manual && rest.is_empty() => Some(RunAnswer::Confirm(Answer::Yes)),
        ("skip" | "s", _) => Some(RunAnswer::Skip(rest.to_owned())),
        _ => None,
    }
}

/// The exit code of an outcome.
pub const fn code(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Ok | RunOutcome::Undone => 0,
        RunOutcome::Failed => FAILED,
        RunOutcome::Unknown => UNKNOWN,
        RunOutcome::Stopped => STOPPED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(phrase: Option<&str>, manual: bool) -> Question {
        let (phrase, run) = (phrase.map(str::to_owned), RunId(uuid::Uuid::nil()));
        Question { run, phrase, manual, plans: false, items: (2, 1), ways: Vec::new(), text: String::new() }
    }

    #[test]
    fn only_what_was_asked_is_an_answer() {
        let read = |question: &Question, line: &str| super::read(question, line).ok();
        let manual = question(None, true);
        for done in ["done", "y"] {
            assert_eq!(read(&manual, done), Some(RunAnswer::Done));
        }
        let called = Question { plans: true, ..question(None, true) };
        assert_eq!((read(&called, "plan"), read(&manual, "plan")), (Some(RunAnswer::Done), None));
        assert_eq!(read(&manual, "stop"), Some(RunAnswer::Stop));
        for skip in ["skip it is not here", "s it is not here"] {
            assert_eq!(read(&manual, skip), Some(RunAnswer::Skip("it is not here".to_owned())));
        }
        for wrong in ["", "skip", "skip ", "s", "skip it", "Done"] {
            assert_eq!(read(&manual, wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&manual, "tick 2"), Some(RunAnswer::Tick { item: 1, done: true }));
        assert_eq!((read(&manual, "tick 3"), read(&manual, "tick 0"), read(&manual, "pick 2")), (None, None, None));
        let failed = Question { ways: vec![Way::Undo, Way::GoOn], ..question(None, false) };
        assert_eq!(read(&failed, "undo"), Some(RunAnswer::Choose { way: Way::Undo, reason: String::new() }));
        assert_eq!(read(&failed, "u"), read(&failed, "undo"));
        let by_phrase = Question { phrase: Some("undo on web-1".to_owned()), ..question(None, false) };
        let by_phrase = Question { ways: vec![Way::Again, Way::Undo, Way::Stop], ..by_phrase };
        let typed = RunAnswer::Choose { way: Way::Undo, reason: "undo on web-1".to_owned() };
        assert_eq!(read(&by_phrase, "undo on web-1"), Some(typed));
        for less in ["u", "undo", "undo on web-2", "u on web-1"] {
            assert_eq!(read(&by_phrase, less), None, "{less:?}");
        }
        assert_eq!(super::read(&by_phrase, "u"), Err("to undo it type  undo on web-1 ".to_owned()));
        let said = asked("it failed", by_phrase.phrase.as_deref(), false, &TaskList::default(), &by_phrase.ways);
        assert_eq!(said, "it failed\nagain (a), stop; to undo it type  undo on web-1 :");
        assert_eq!(read(&by_phrase, "a"), Some(RunAnswer::Choose { way: Way::Again, reason: String::new() }));
        let all_the_same = RunAnswer::Choose { way: Way::GoOn, reason: "the test host".to_owned() };
        assert_eq!(read(&failed, "continue the test host"), Some(all_the_same.clone()));
        assert_eq!(read(&failed, "c the test host"), Some(all_the_same));
        assert_eq!((read(&failed, "continue"), read(&failed, "stop"), read(&failed, "y")), (None, None, None));
        assert_eq!(super::read(&failed, "continue known"), Err(reason::WANTED.to_owned()));
        let unbound = Question { ways: vec![Way::Wait, Way::Glass, Way::Stop], ..question(None, false) };
        let glass = RunAnswer::Choose { way: Way::Glass, reason: "the shop is down".to_owned() };
        assert_eq!(read(&unbound, "break-glass the shop is down"), Some(glass.clone()));
        assert_eq!((read(&unbound, "! the shop is down"), read(&unbound, "!")), (Some(glass), None));
        assert_eq!(read(&unbound, "w"), Some(RunAnswer::Choose { way: Way::Wait, reason: String::new() }));
        let next = Question { ways: vec![Way::Next, Way::Stop], ..question(None, false) };
        let on = Some(RunAnswer::Choose { way: Way::Next, reason: String::new() });
        assert_eq!((read(&next, "continue"), read(&next, "c"), read(&next, "next")), (on.clone(), on, None));
        let typed = question(Some("kill 3 on db"), false);
        assert_eq!(read(&typed, "kill 3 on db"), Some(RunAnswer::Confirm(phrase("kill 3 on db"))));
        for wrong in ["y", "yes", "done", "kill 3", ""] {
            assert_eq!(read(&typed, wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&question(None, false), "y"), Some(RunAnswer::Confirm(Answer::Yes)));
    }
}
