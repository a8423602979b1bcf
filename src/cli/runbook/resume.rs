//! `quarterdeck runbook resume`: what became of the runs that a crash cut off, step by step, and what can be done with them: the rest of
//! one, or what any run did taken back, each through the same plan, gate and journal as a new run.

use super::super::Global;
use super::desk::Desk;
use super::person::Person;
use super::run::{FAILED, REFUSED, Run, code};
use crate::domain::id::is_called;
use crate::domain::record::{Record, RecordKind, RunOutcome};
use crate::domain::{RunId, json, text};
use crate::event::{Ended, Event, RunEvent};
use crate::runbook::past::Next;
use crate::runbook::{Onward, Past, PlanRequest, Resumption};
use crate::runtime;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// Records among which runs are looked for that were looked after and that nobody has decided about.
const RECENT: u32 = 2000;
/// The least digits by which a run is named.
const DIGITS: usize = 6;

/// What is said when there is nothing to look after.
const NONE: &str = "no run was cut off. Of one that is over `quarterdeck runbook resume RUN --go-on` does the rest, and `--undo` takes back what it did\n";

/// Which run, and what is done with it.
#[derive(Debug, Args)]
pub struct Resume {
    /// The run: the last six digits of its id, or more of them. Without one all are told that were cut off, or that ended while nobody knew what became of a change
    run: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
    /// Why: for --saw what was seen, in at least two words. It is recorded
    #[arg(long, value_name = "TEXT", requires = "saw")]
    reason: Option<String>,
    /// The answer to the plan of --go-on and --undo: y, or the phrase; once more for each later step that asks for one. Counts only with --plan
    #[arg(long, value_name = "PHRASE")]
    confirm: Vec<String>,
    /// The hash of the plan that was seen, as --plan-only prints it
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Print the plan of --go-on or --undo, and do nothing of it
    #[arg(long)]
    plan_only: bool,
    /// Do alone what takes two people, and say why: as with `runbook run`
    #[arg(long, value_name = "REASON")]
    break_glass: Option<String>,
    /// Print what others are told of it, before and after
    #[arg(long)]
    announce: bool,
    /// As JSON: {runs: [{run, outcome, reason, under_way, doubt, given_up, runbook, steps: [...], left: [...], ways: [...]}], troubles: [text]}; with --go-on or --undo what
    /// happens, an event a line, as `runbook run --json`
    #[arg(long)]
    json: bool,
}

/// What is done with it.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
struct Wanted {
    /// Do the rest of it; what is done is not done again. Refused when a step that is done was changed in the runbook's file since
    #[arg(long)]
    go_on: bool,
    /// Take back what it did, last first: of any run that is over, not only of one that was cut off
    #[arg(long)]
    undo: bool,
    /// Say what you saw of a change that nobody can tell of
    #[arg(long, value_name = "WHAT", requires = "reason")]
    saw: Option<Saw>,
    /// Give it up for a reason: what it did is left as it is, and what it locks is free
    #[arg(long, value_name = "REASON")]
    abandon: Option<String>,
}

/// What a person saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Saw {
    /// The change (or the undo) was made.
    Happened,
    /// It was not.
    Nothing,
}

impl Wanted {
    const fn is_none(&self) -> bool {
        !self.go_on && !self.undo && self.saw.is_none() && self.abandon.is_none()
    }
}

/// Why it was not done.
type Refused = String;

impl Resume {
    /// Looks, tells, and does what is wanted.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        if self.plan_only && !self.wanted.go_on && !self.wanted.undo {
            return Ok(self.refused("--plan-only prints the plan of --go-on or of --undo: write one of them beside it"));
        }
        runtime::block_on(async {
            let mut desk = Desk::acting(global).await?;
            let done = Box::pin(self.whole(&mut desk)).await;
            desk.close().await;
            done
        })?
    }

    async fn whole(&self, desk: &mut Desk) -> color_eyre::Result<ExitCode> {
        let (ended, troubles) = found(desk).await;
        if self.wanted.is_none() && self.run.is_none() {
            return self.all(desk, &ended, &troubles).await;
        }
        for trouble in &troubles {
            eprintln!("quarterdeck: {}", text::clean(trouble));
        }
        let past = match self.chosen(desk, &ended).await {
            Ok(past) => past,
            Err(why) => return Ok(self.refused(&why)),
        };
        if self.wanted.is_none() {
            return self.one(desk, &past, &troubles).await;
        }
        let wanted = &self.wanted;
        match (wanted.saw, &wanted.abandon) {
            (Some(saw), _) => {
                let seen = self.reason.clone().unwrap_or_default();
                Ok(self.told(desk.exec.saw(past.run, saw == Saw::Happened, &seen).await, false))
            }
            (None, Some(why)) => Ok(self.told(desk.exec.give_up(past.run, why).await, true)),
            (None, None) => self.again(desk, &past, if wanted.undo { Onward::Undo } else { Onward::GoOn }).await,
        }
    }

    /// The rest of a run, or all of it taken back.
    async fn again(&self, desk: &mut Desk, past: &Past, way: Onward) -> color_eyre::Result<ExitCode> {
        let request = PlanRequest::resuming(runbook(past), Resumption { run: past.run, way });
        // It may be the look right before this that has told: what was wanted is done.
        if let Some(outcome) = past.outcome.filter(|_| way == Onward::GoOn && !self.plan_only && past.is_through()) {
            let reason = format!("{}; nothing is left to go on with", past.reason);
            return Ok(self.told(Ok(Ended { run: past.run, outcome, reason }), false));
        }
        if !self.plan_only {
            let tells = [self.announce, self.json];
            let run = Run::answering(self.confirm.clone(), self.plan.clone(), self.break_glass.clone(), tells);
            return Ok(run.again(desk, &request).await);
        }
        let plan = match desk.plan(&request).await {
            Ok(plan) => plan,
            Err(why) => return Ok(self.refused(&why)),
        };
        let printed = if self.json {
            json::text(&super::plan::as_json(&plan, &[]))?
        } else {
            super::plan::shown(&plan, &[], &desk.config)
        };
        stdout().write_all(printed.as_bytes())?;
        Ok(ExitCode::from(if plan.body().blocked.is_empty() { 0 } else { FAILED }))
    }

    fn refused(&self, why: &str) -> ExitCode {
        // What is to be pasted keeps its lines.
        let why = text::clean_lines(why);
        if self.json {
            println!("{}", json::line(&json!({ "event": "end", "outcome": "refused", "reason": why })));
        } else {
            eprintln!("quarterdeck: refused, and nothing was done: {why}");
        }
        ExitCode::from(REFUSED)
    }

    /// What a person's word came to. To give a run up is done when it is recorded, whatever the run had come to.
    fn told(&self, ended: Result<Ended, Refused>, given_up: bool) -> ExitCode {
        match ended {
            Ok(ended) => {
                let told = if self.json {
                    json::line(
                        &json!({ "event": "end", "run": ended.run.0, "outcome": ended.outcome, "reason": ended.reason }),
                    )
                } else {
                    line(&ended).trim_end().to_owned()
                };
                println!("{told}");
                ExitCode::from(if given_up { 0 } else { code(ended.outcome) })
            }
            Err(why) => self.refused(&why),
        }
    }

    /// The run that is named; else the only one that there is.
    async fn chosen(&self, desk: &Desk, ended: &[Ended]) -> Result<Past, Refused> {
        let run = match &self.run {
            Some(name) => named(desk, name).await?,
            None => match waiting(desk, ended).await.as_slice() {
                [] => {
                    return Err(
                        "no run was cut off: name one that is over, by the last six digits of its id".to_owned()
                    );
                }
                [one] => one.run,
                several => {
                    let names: Vec<String> = several.iter().map(|past| past.run.short()).collect();
                    return Err(format!("name one of the runs: {}", names.join(", ")));
                }
            },
        };
        // What could not be told of a run that has an end may be known by now.
        desk.exec.look_again(run).await?;
        desk.exec.past(run).await.map(|(past, _)| past)
    }

    async fn one(&self, desk: &mut Desk, past: &Past, troubles: &[String]) -> color_eyre::Result<ExitCode> {
        let driven = desk.exec.elsewhere(past).await.map_err(color_eyre::eyre::Report::msg)?;
        if self.json {
            let told = of_past(past, driven.as_deref());
            stdout().write_all(json::text(&json!({ "runs": [told], "troubles": troubles }))?.as_bytes())?;
        } else {
            stdout().write_all(shown(past, driven.as_deref()).as_bytes())?;
            if driven.is_none()
                && let Some(code) = self.ask(desk, past).await?
            {
                return Ok(code);
            }
        }
        Ok(ExitCode::from(standing(past)))
    }

    /// Tells of all that were cut off, and asks about each where somebody is there.
    async fn all(&self, desk: &mut Desk, ended: &[Ended], troubles: &[String]) -> color_eyre::Result<ExitCode> {
        let runs = waiting(desk, ended).await;
        if self.json {
            let mut told: Vec<Value> = runs.iter().map(|past| of_past(past, None)).collect();
            let others = ended.iter().filter(|ended| !runs.iter().any(|past| past.run == ended.run));
            told.extend(
                others.map(|ended| json!({ "run": ended.run.0, "outcome": ended.outcome, "reason": ended.reason })),
            );
            stdout().write_all(json::text(&json!({ "runs": told, "troubles": troubles }))?.as_bytes())?;
        } else {
            let others = ended.iter().filter(|ended| !runs.iter().any(|past| past.run == ended.run));
            let mut printed: String = others.map(line).collect();
            printed.extend(runs.iter().map(|past| shown(past, None)));
            if printed.is_empty() && troubles.is_empty() {
                printed.push_str(NONE);
            }
            stdout().write_all(printed.as_bytes())?;
        }
        for trouble in troubles {
            eprintln!("quarterdeck: {}", text::clean(trouble));
        }
        let mut codes: Vec<u8> = ended.iter().map(|ended| code(ended.outcome)).collect();
        codes.extend(runs.iter().map(standing));
        for past in runs.iter().filter(|_| !self.json) {
            self.ask(desk, past).await?;
        }
        Ok(ExitCode::from(worst(&codes, !troubles.is_empty())))
    }

    /// What a person wants of a run; `None`: nobody is there, there is nothing to choose, or it is left.
    async fn ask(&self, desk: &mut Desk, past: &Past) -> color_eyre::Result<Option<ExitCode>> {
        let ways = past.ways();
        let Some(mut person) = Person::here().filter(|_| !ways.is_empty()) else { return Ok(None) };
        let run = past.run.short();
        let words: Vec<&str> = ways.iter().map(|way| word(*way)).collect();
        let answer = person.ask(&format!("run {run}: {}, or Enter to leave it:", words.join(", "))).await;
        drop(person);
        let (verb, rest) = answer.split_once(' ').unwrap_or((&answer, ""));
        let done = match verb {
            "go-on" if ways.contains(&Next::GoOn) => self.again(desk, past, Onward::GoOn).await?,
            "undo" if ways.contains(&Next::Undo) => self.again(desk, past, Onward::Undo).await?,
            "happened" | "nothing" if ways.contains(&Next::Saw) => {
                self.told(desk.exec.saw(past.run, verb == "happened", rest).await, false)
            }
            "abandon" if ways.contains(&Next::GiveUp) => self.told(desk.exec.give_up(past.run, rest).await, true),
            "" => return Ok(None),
            _ => self.refused(&format!("{:?} is no answer to this", text::clean(&answer))),
        };
        Ok(Some(done))
    }
}

const fn word(way: Next) -> &'static str {
    match way {
        Next::GoOn => "go-on",
        Next::Undo => "undo",
        Next::Saw => "happened WHAT YOU SAW, nothing WHAT YOU SAW",
        Next::GiveUp => "abandon REASON",
    }
}

/// What unattended command lines write for it.
const fn flag(way: Next) -> &'static str {
    match way {
        Next::GoOn => "--go-on",
        Next::Undo => "--undo",
        Next::Saw => "--saw happened|nothing --reason TEXT",
        Next::GiveUp => "--abandon REASON",
    }
}

fn runbook(past: &Past) -> &str {
    past.start.entry.data["runbook"].as_str().unwrap_or_default()
}

/// The run whose id ends like this, or begins so.
pub async fn named(desk: &Desk, name: &str) -> Result<RunId, String> {
    let digits: String = name.chars().filter(|char| *char != '-').collect::<String>().to_lowercase();
    if digits.len() < DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{name:?} names no run: write the last six digits of its id, or more"));
    }
    let records = desk.exec.journal.recent(u32::MAX).await.map_err(|error| error.to_string())?;
    let starts = records.iter().filter(|record| record.entry.kind == RecordKind::RunStart);
    let ours = |run: &RunId| is_called(run.0, &digits);
    let runs: BTreeSet<RunId> = starts.filter_map(|record| record.entry.run).filter(ours).collect();
    match runs.len() {
        1 => Ok(runs.into_iter().next().unwrap_or(RunId(uuid::Uuid::nil()))),
        0 => Err(format!("the journal holds no run {name:?}")),
        _ => Err(format!("several runs end in {name:?}: write more of its digits")),
    }
}

/// Those of which something is in doubt, and those that were looked after and that nobody has decided about, oldest first.
async fn waiting(desk: &Desk, ended: &[Ended]) -> Vec<Past> {
    let records = desk.exec.journal.recent(RECENT).await.unwrap_or_default();
    let ends = records.iter().filter(|record| record.entry.kind == RecordKind::RunFinish && is_undecided(record));
    let mut runs: BTreeSet<RunId> = ends.filter_map(|record| record.entry.run).collect();
    runs.extend(ended.iter().map(|ended| ended.run));
    let mut waiting = Vec::new();
    for run in runs {
        let Ok(all) = desk.exec.journal.of_run(run).await else { continue };
        let end = all.iter().rev().find(|record| record.entry.kind == RecordKind::RunFinish);
        let undecided = end.is_none_or(is_undecided);
        let past = Past::of(run, &all).filter(|past| undecided && past.given_up.is_none() && !past.is_taken_back());
        if let Some(past) = &past
            && !matches!(desk.exec.elsewhere(past).await, Ok(None))
        {
            continue;
        }
        let matters = |past: &Past| {
            !past.open.is_empty()
                || past.outcome != Some(RunOutcome::Ok) && past.steps.values().any(|step| step.happened)
        };
        waiting.extend(past.filter(matters));
    }
    waiting
}

/// An end after which a person has to decide: who wrote it looked afterwards, or could not tell.
fn is_undecided(end: &Record) -> bool {
    let data = &end.entry.data;
    data["looked_after"].as_bool() == Some(true) || RunOutcome::of(data) == Some(RunOutcome::Unknown)
}

async fn found(desk: &mut Desk) -> (Vec<Ended>, Vec<String>) {
    if let Err(error) = desk.exec.journal.recent(1).await {
        return (Vec::new(), vec![error.to_string()]);
    }
    let exec = Arc::clone(&desk.exec);
    let mut looking = tokio::spawn(async move { exec.reconcile().await });
    let (mut ended, mut troubles) = (Vec::new(), Vec::new());
    let mut take = |event| match event {
        Event::Run(RunEvent::Reconciled(found)) => ended.extend(found),
        Event::Run(RunEvent::Trouble { what, .. }) => troubles.push(what),
        _ => {}
    };
    loop {
        tokio::select! {
            biased;
            Some(event) = desk.events.recv() => take(event),
            over = &mut looking => {
                while let Ok(event) = desk.events.try_recv() {
                    take(event);
                }
                if over.is_err() {
                    troubles.push("looking was cut off by a defect: report it".to_owned());
                }
                return (ended, troubles);
            }
        }
    }
}

fn line(Ended { run, outcome, reason }: &Ended) -> String {
    format!("run {}  {:<7}  {}\n", run.short(), outcome.word(), text::clean(reason))
}

/// The exit code of a run as it stands. One of which everything was taken back waits for nobody, also where it failed before.
fn standing(past: &Past) -> u8 {
    if past.is_taken_back() && past.outcome.is_some() { 0 } else { past.outcome.map_or(super::run::UNKNOWN, code) }
}

/// `driven`: that another session drives it, so that nothing can be done with it.
fn of_past(past: &Past, driven: Option<&str>) -> Value {
    let ways: Vec<&str> = past.ways().into_iter().filter(|_| driven.is_none()).map(flag).collect();
    let steps: Vec<Value> = past
        .planned()
        .map(|planned| {
            let known = planned["id"].as_str().and_then(|id| past.step(id));
            json!({
                "id": planned["id"],
                "title": planned["title"],
                "target": planned["target"],
                "state": known.and_then(|known| known.state),
                "undo_state": known.and_then(|known| known.undo),
                "happened": known.is_some_and(|known| known.happened),
                "detail": known.and_then(|_| Some(past.told(planned["id"].as_str()?))),
                "called": known.and_then(|known| known.called),
                "undo": planned["undo"],
            })
        })
        .collect();
    json!({
        "run": past.run.0,
        "runbook": runbook(past),
        "outcome": past.outcome.or(driven.is_none().then_some(RunOutcome::Unknown)),
        "reason": driven.map_or_else(|| past.doubt().filter(|_| past.given_up.is_none()), |driven| Some(driven.to_owned()))
            .unwrap_or_else(|| past.reason.clone()),
        "under_way": driven.is_some(),
        "doubt": past.doubt().filter(|_| driven.is_none()),
        "given_up": past.given_up.as_ref().map(|given| json!({ "why": given.why, "by": given.by, "at": given.at })),
        "steps": steps,
        "left": past.left_to_undo(),
        "ways": ways,
    })
}

/// A run step by step, what is left to undo, and what can be done with it.
fn shown(past: &Past, driven: Option<&str>) -> String {
    let (run, start) = (past.run.short(), &past.start);
    let who = format!("{}@{}", start.actor.name, start.actor.host);
    let outcome = past.outcome.unwrap_or(RunOutcome::Unknown).word();
    let outcome = if driven.is_some() { "under way" } else { outcome };
    let reason = past.reason.split("; left to undo:").next().unwrap_or_default();
    let reason = match (driven, past.doubt(), &past.given_up) {
        (Some(driven), ..) => driven.to_owned(),
        (None, Some(doubt), None) => doubt,
        (None, Some(doubt), Some(_)) => format!("{reason}; {doubt}"),
        (None, None, _) => reason.to_owned(),
    };
    let mut out = format!(
        "run {run}  {outcome:<7}  {} by {who}, {}: {reason}\n",
        runbook(past),
        start.at.strftime("%Y-%m-%d %H:%M:%SZ")
    );
    for planned in past.planned() {
        let id = planned["id"].as_str().unwrap_or_default();
        let (number, known) = (past.number(id), past.step(id));
        let state = known.and_then(|known| known.undo.or(known.state)).map_or("not begun", |state| state.word());
        let title = planned["title"].as_str().unwrap_or_default();
        let host = planned["host"].as_str().map(|host| format!(" on {host}")).unwrap_or_default();
        let detail = past.told(id);
        let _ = writeln!(out, "{}", format!("  {number:>2}  {state:<11}  {title}{host}  {detail}").trim_end());
    }
    let left = past.left_to_undo();
    if !left.is_empty() && driven.is_none() {
        let well = past.outcome == Some(RunOutcome::Ok);
        let _ = writeln!(out, "  {}, last first:", if well { "can be taken back" } else { "left to undo" });
        for left in &left {
            let _ = writeln!(out, "{}", indented(left));
        }
    }
    if let Some(stuck) = past.stuck_words().filter(|_| driven.is_none()) {
        let _ = writeln!(out, "  {stuck}");
    }
    let ways: Vec<String> =
        past.ways().into_iter().map(|way| format!("    quarterdeck runbook resume {run} {}", flag(way))).collect();
    let ways: Vec<String> = ways.into_iter().filter(|_| driven.is_none()).collect();
    if !ways.is_empty() {
        let _ = writeln!(out, "  what can be done with it:\n{}", ways.join("\n"));
    }
    text::clean_lines(&out).clone() + "\n"
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn worst(codes: &[u8], troubled: bool) -> u8 {
    let codes = codes.iter().copied().chain(troubled.then_some(FAILED));
    codes.max_by_key(|code| [0, 4, 1, 3].iter().position(|known| known == code)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_rollout_stand_by_their_steps_and_one_that_is_driven_offers_nothing() {
        let step =
            |host: &str| json!({ "id": format!("drain@{host}"), "title": "Drain", "host": host, "target": host });
        let record = json!({
            "id": uuid::Uuid::nil(), "writer": uuid::Uuid::nil(), "seq": 1, "prev": "", "hash": "", "at": "2026-01-01T00:00:00Z",
            "mono_ms": 0, "incident": null, "actor": { "name": "ada", "uid": 1, "host": "bastion" }, "kind": "run.start",
            "run": uuid::Uuid::nil(), "step": null, "role": null, "target": null, "env": "test",
            "data": { "runbook": "own", "steps": [step("web-1"), step("web-2")] },
        });
        let start: Record = serde_json::from_value(record).unwrap();
        let past = Past::of(RunId(uuid::Uuid::nil()), &[start]).unwrap();
        let told = shown(&past, Some("another session drives run 000000"));
        assert!(told.contains("   1  not begun    Drain on web-1\n   1  not begun    Drain on web-2"), "{told}");
        assert!(told.contains("under way") && told.contains("another session drives run 000000"), "{told}");
        assert!(!told.contains("what can be done"), "{told}");
        assert_eq!(of_past(&past, Some("driven"))["under_way"], true);
    }

    #[test]
    fn the_worst_counts() {
        assert_eq!(worst(&[], false), 0);
        assert_eq!(worst(&[], true), 1);
        assert_eq!(worst(&[0, 4], false), 4);
        assert_eq!(worst(&[1, 4], false), 1);
        assert_eq!(worst(&[1, 3, 4], true), 3);
    }
}
