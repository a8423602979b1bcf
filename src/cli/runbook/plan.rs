//! `quarterdeck runbook plan`: everything that a run would do, and nothing of it done.

use super::super::{Global, setup};
use super::desk::Desk;
use super::shelf::{self, WIDTH};
use crate::config::Config;
use crate::connect::ssh::quoted;
use crate::domain::risk::{BreakGlass, Level, Unattended};
use crate::domain::{json, text};
use crate::runbook::announce::{self, Teller};
use crate::runbook::plan::{Finding, PlannedFence, PlannedStep};
use crate::runbook::script::Rolling;
use crate::runbook::{Draft, Plan, PlanRequest};
use crate::{runtime, ui};
use clap::Args;
use serde_json::{Value, json};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Which runbook, and with what.
#[derive(Clone, Debug, Args)]
pub struct What {
    /// Its id
    pub id: String,
    /// A parameter; a list is written with commas
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = var)]
    vars: Vec<(String, String)>,
    /// What stands without `--var`: only to be told of it.
    #[arg(hide = true)]
    bare: Vec<String>,
}

fn var(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

impl What {
    /// No runbook: of one that was planned before.
    pub const fn none() -> Self {
        Self { id: String::new(), vars: Vec::new(), bare: Vec::new() }
    }

    /// As the planner takes it.
    ///
    /// # Errors
    /// When a parameter is given twice, or without `--var`.
    pub fn request(&self) -> Result<PlanRequest, String> {
        if let Some(bare) = self.bare.first() {
            let wanted = if bare.contains('=') { bare.clone() } else { format!("NAME={bare}") };
            return Err(format!("{bare:?} is no parameter as it stands: write --var {}", quoted(&wanted)));
        }
        let mut request = PlanRequest::new(self.id.clone(), [].into());
        for (name, value) in &self.vars {
            if request.args.insert(name.clone(), Value::from(value.as_str())).is_some() {
                return Err(format!("--var {name} is given twice: a list is written with commas"));
            }
        }
        Ok(request)
    }
}

/// Which one, and how it is told.
#[derive(Debug, Args)]
pub struct Make {
    #[command(flatten)]
    what: What,
    /// Print what others are told before it is run, as Markdown for a chat channel, in place of the plan
    #[arg(long, conflicts_with = "json")]
    announce: bool,
    /// As JSON: {runbook, risk, affects, owner, file, hash, level, confirm, blocked, warnings, params, steps: [...], rollouts: [...]}
    #[arg(long)]
    json: bool,
}

impl Make {
    /// Plans and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        runtime::block_on(self.make(global))?
    }

    async fn make(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let desk = Desk::looking(global)?;
        let made = self.planned(&desk).await;
        desk.close().await;
        let (plan, notes) = match made {
            Ok(made) => made,
            Err(why) => {
                eprintln!("quarterdeck: no plan: {}", text::clean(&why));
                return Ok(ExitCode::FAILURE);
            }
        };
        let printed = match (self.json, self.announce) {
            (true, _) => json::text(&as_json(&plan, &notes))?,
            (false, true) => announced(&desk, &plan, global.read_only),
            (false, false) => shown(&plan, &notes, &desk.config),
        };
        stdout().write_all(printed.as_bytes())?;
        let fine = plan.body().blocked.is_empty();
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn planned(&self, desk: &Desk) -> Result<(Plan<Draft>, Vec<String>), String> {
        let request = self.what.request()?;
        let plan = desk.plan(&request).await?;
        let notes = desk.notes(&plan).await;
        Ok((plan, notes))
    }
}

/// What others are told before it is run.
fn announced(desk: &Desk, plan: &Plan<Draft>, only_looks: bool) -> String {
    let (who, env) = (setup::who(), &desk.config.environment);
    let told = announce::before(plan, Teller { who: &who, env, only_looks }, None);
    desk.exec.connections.redactor().text(&told).into_owned()
}

/// A plan as the screen shows it.
pub fn text(plan: &Plan<Draft>) -> String {
    ui::plan_text(plan, None, WIDTH)
}

/// A plan as text: what the screen shows, and what a script needs to run it.
pub fn shown(plan: &Plan<Draft>, notes: &[String], config: &Config) -> String {
    let notice = (!notes.is_empty()).then(|| notes.join("; "));
    let text = ui::plan_text(plan, notice.as_deref(), WIDTH);
    let answers: String = confirms(plan).iter().map(|answer| format!("{answer} ")).collect();
    let alone = plan.takes_two() && config.journal.postgres.is_none();
    let glass = if alone { "--break-glass REASON " } else { "" };
    let how = match needs_person(plan, config) {
        Some(why) => format!("can't be run unattended: {why}"),
        None => format!("to run it unattended: {glass}{answers}--plan {}", plan.body().hash),
    };
    let two = if plan.takes_two() && config.journal.postgres.is_some() {
        let minutes = config.policy.approval_minutes;
        format!("`run` asks for a second person's approval, and waits for it: {minutes} min\n")
    } else {
        String::new()
    };
    let name = |step| text::clean(&plan.body().name(step)).into_owned();
    let asks = |(step, phrase)| format!("{} asks again{}: type  {phrase}\n", name(step), PlannedStep::whether(step));
    let later: String = plan.later().into_iter().map(asks).collect();
    format!("{}\n{}\n{text}{later}{two}{how}\n", plan.body().runbook.title, heading(plan, config))
}

/// All that the command line has to say to it without a terminal: the plan's own answer, then those of later steps.
pub fn confirms(plan: &Plan<Draft>) -> Vec<String> {
    let mut answers: Vec<String> = answer(plan).into_iter().collect();
    for (_, phrase) in plan.later() {
        if !answers.iter().any(|known| known == phrase) {
            answers.push(phrase.to_owned());
        }
    }
    answers.into_iter().map(|answer| format!("--confirm {}", quoted(&answer))).collect()
}

/// Where it would be done, and how grave that is: `PRODUCTION · kill-idle · high risk · by dba-oncall · /etc/…/kill-idle.md`.
fn heading(plan: &Plan<Draft>, config: &Config) -> String {
    let runbook = &plan.body().runbook;
    let (env, risk) = (config.environment.to_uppercase(), runbook.risk.word());
    let line = format!("{env} · {} · {risk} risk · by {} · {}", runbook.id, runbook.owner, runbook.file());
    text::clean(&line).into_owned()
}

/// Why a plan can't be run without a terminal; `None`: it can.
fn needs_person(plan: &Plan<Draft>, config: &Config) -> Option<String> {
    let body = plan.body();
    if !body.blocked.is_empty() {
        return Some("it is blocked".to_owned());
    }
    if config.guarded && config.policy.unattended == Unattended::Refuse {
        return Some(format!("{} is guarded", config.environment));
    }
    let alone = config.policy.break_glass == BreakGlass::Refuse && config.journal.postgres.is_none();
    if plan.takes_two() && alone {
        return Some("it takes a second person".to_owned());
    }
    if plan.is_unbound() {
        return Some("its locks bind nobody else just now, so that it takes a reason (--break-glass)".to_owned());
    }
    takes_person(plan)
}

/// That a step can't be done without a person at a terminal: it is done by hand, or runs another runbook.
pub fn takes_person(plan: &Plan<Draft>) -> Option<String> {
    let body = plan.body();
    let step = body.steps.iter().find(|step| step.fences.is_empty() && step.past.is_none())?;
    let call = body.script.step(&step.id).and_then(|read| read.manual.call.as_ref());
    let what = call.map_or("is done by hand", |_| "runs another runbook, which is answered by itself");
    Some(format!("{:?} {what}", step.title))
}

/// What `--confirm` takes for a plan; `None`: nothing is changed.
pub fn answer(plan: &Plan<Draft>) -> Option<String> {
    plan.first_change()?;
    Some(plan.phrase().filter(|_| plan.level() > Level::Yes).unwrap_or("y").to_owned())
}

/// A plan for scripts.
pub fn as_json(plan: &Plan<Draft>, notes: &[String]) -> Value {
    let body = plan.body();
    let params: serde_json::Map<String, Value> =
        body.params.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    json!({
        "runbook": body.runbook.id,
        "risk": body.runbook.risk,
        "affects": body.affects(),
        "owner": body.runbook.owner,
        "file": body.runbook.path,
        "hash": body.hash,
        "source_hash": body.runbook.hash,
        "level": plan.level(),
        "confirm": answer(plan),
        "blocked": body.blocked,
        "warnings": body.warnings,
        "notes": notes,
        "params": params,
        "locks": body.locks.iter().map(|lock| json!({ "resource": lock.resource, "state": lock.state() })).collect::<Vec<_>>(),
        "steps": body.steps.iter().map(|planned| step(planned, body.number(planned))).collect::<Vec<_>>(),
        "rollouts": body.script.rollings.iter().map(rolling).collect::<Vec<_>>(),
    })
}

fn step(step: &PlannedStep, number: usize) -> Value {
    let hand = step.by_hand.as_ref();
    json!({
        "number": number,
        "id": step.id,
        "title": step.title,
        "host": step.host,
        "target": step.target,
        "address": step.address,
        "changes": step.changes(),
        "manual": step.fences.is_empty(),
        "prose": hand.map(|hand| &hand.prose),
        "tasks": hand.map(|hand| &hand.tasks),
        "choices": hand.map(|hand| &hand.choices),
        "call": step.call(),
        "undo": step.undo,
        "level": step.level,
        "confirm": step.phrase,
        "rows": step.rows.as_ref().map(|rows| &rows.rows),
        "fences": step.fences.iter().map(fence).collect::<Vec<_>>(),
    })
}

fn rolling(rolling: &Rolling) -> Value {
    let batches = (0..rolling.batches()).map(|batch| rolling.batch(batch).collect::<Vec<_>>());
    json!({
        "title": rolling.title,
        "batches": batches.collect::<Vec<_>>(),
        "max_fail": rolling.max_fail,
        "pause_ms": u64::try_from(rolling.pause.as_millis()).unwrap_or(u64::MAX),
        "ask_after": rolling.ask_after,
        "every_host": rolling.every_host,
    })
}

fn fence(fence: &PlannedFence) -> Value {
    let told = |found: &Finding| json!({ "passed": found.passed, "text": found.text, "more": found.more, "beyond": found.beyond });
    let finding = fence.finding.as_ref().map(told);
    json!({
        "role": fence.role.word(),
        "language": fence.language,
        "on": fence.on,
        "sent": fence.sent,
        "given": fence.given,
        "holds": fence.holds,
        "finding": finding,
        "target": fence.pinned,
    })
}

/// What somebody should know, as the journal tells it.
pub fn notes(plan: &Plan<Draft>, ran: &shelf::Ran) -> Vec<String> {
    // That a review is overdue is a warning of the plan.
    shelf::changed(&plan.body().runbook, ran).into_iter().collect()
}
