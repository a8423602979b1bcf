//! `quarterdeck runbook run`: a run from the command line, through the same gate, the same steps and the same journal as one of the screen.

mod follow;
mod question;

use self::follow::Following;
use self::question::phrase;
use super::super::{Global, setup};
use super::desk::Desk;
use super::person::Person;
use super::plan::{self, What};
use super::second::Asking;
use super::told;
use crate::config::Config;
use crate::domain::RunId;
use crate::domain::record::{Entry, RecordKind, RunOutcome};
use crate::domain::risk::{BreakGlass, Level, Policy, Unattended};
use crate::domain::text;
use crate::runbook::announce::{self, Teller};
use crate::runbook::gate::approve;
use crate::runbook::{Answer, Approval, Approved, Authority, Draft, Glass, Plan, PlanRequest, Refusal, Writes};
use crate::runtime;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// How a run ended, as exit codes.
pub const FAILED: u8 = 1;
/// Nobody knows whether something happened.
pub const UNKNOWN: u8 = 3;
/// Ended on request, or because the plan changed.
pub const STOPPED: u8 = 4;
/// It was not begun.
pub const REFUSED: u8 = 5;

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
            (Some(wanted), None, Some(person)) => person.ask(&asks_for(&wanted)).await,
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

fn asks_for(wanted: &str) -> String {
    if wanted == "y" {
        "run it? y, or anything else to leave:".to_owned()
    } else {
        format!("to run it type  {wanted} :")
    }
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

/// The exit code of an outcome.
pub const fn code(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Ok | RunOutcome::Undone => 0,
        RunOutcome::Failed => FAILED,
        RunOutcome::Unknown => UNKNOWN,
        RunOutcome::Stopped => STOPPED,
    }
}
