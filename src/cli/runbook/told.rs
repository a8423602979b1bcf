//! What a run tells, line by line: for people, or as JSON.

use crate::domain::record::{JOURNAL_BACK, Record, RecordKind};
use crate::domain::{RunId, json, text};
use crate::event::RunEvent;
use crate::runbook::model::Role;
use crate::runbook::script::AT;
use serde_json::{Value, json};

/// An event as one line of JSON; `None`: it is none of a run.
pub fn as_json(event: &RunEvent) -> Option<Value> {
    Some(match event {
        RunEvent::Record(record) => json!({ "event": "record", "record": record.as_ref() }),
        RunEvent::Ask { run, step, prompt, phrase, manual, list, ways } => {
            let (tasks, choices): (Vec<_>, _) = (list.tasks.iter().map(|(task, _)| task).collect(), &list.choices);
            let ways: Vec<&str> = ways.iter().map(|way| way.word()).collect();
            json!({ "event": "ask", "run": run.0, "step": step, "prompt": prompt, "confirm": phrase, "manual": manual,
                "tasks": tasks, "choices": choices, "ways": ways })
        }
        RunEvent::AskOver(run) => json!({ "event": "ask_over", "run": run.0 }),
        RunEvent::Call { run, request, notice } => {
            json!({ "event": "call", "run": run.0, "runbook": request.runbook, "params": request.args, "notice": notice })
        }
        RunEvent::Output { run, step, lines, lost } => {
            json!({ "event": "output", "run": run.0, "step": step, "lines": lines, "lost": lost })
        }
        RunEvent::Detached { run, step, since, why } => {
            json!({ "event": "detached", "run": run.0, "step": step, "since": since, "why": why })
        }
        RunEvent::Trouble { run, what } => json!({ "event": "trouble", "run": run.map(|run| run.0), "what": what }),
        RunEvent::PlanChanged { run, plan, what } => {
            json!({ "event": "plan_changed", "run": run.0, "what": what, "plan": super::plan::as_json(plan, &[]) })
        }
        RunEvent::Away(away) => {
            let (since, why) = away.as_ref().map(|away| (away.since, away.why.clone())).unzip();
            json!({ "event": "journal", "away": away.is_some(), "since": since, "why": why })
        }
        RunEvent::Planned { .. }
        | RunEvent::NotPlanned { .. }
        | RunEvent::Recalled(_)
        | RunEvent::Incidents(_)
        | RunEvent::Noted(_)
        | RunEvent::Approved(_)
        | RunEvent::Yours { .. }
        | RunEvent::Elsewhere(_)
        | RunEvent::Unread(_)
        | RunEvent::Clock { .. }
        | RunEvent::OnlyLooks(_)
        | RunEvent::CutOff(_)
        | RunEvent::Left(_)
        | RunEvent::Reconciled(_) => return None,
    })
}

/// An event as a line for people; `None`: nothing to say.
pub fn line(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Record(record) => Some(of_record(record)),
        RunEvent::Output { step, lines, lost, .. } => Some(of_output(step, lines, *lost)),
        RunEvent::Detached { step, since, why, .. } => Some(match since {
            Some(since) => format!(
                "! {step}: running (detached), last heard of at {}: {}",
                since.strftime("%H:%M:%SZ"),
                text::clean(why)
            ),
            None => format!("! {step}: its host answers again, and it is followed"),
        }),
        RunEvent::AskOver(run) => Some(format!("run {} waits no more, and goes on", run.short())),
        RunEvent::Trouble { what, .. } => Some(format!("! {}", text::clean(what))),
        RunEvent::Away(Some(away)) => Some(format!("! {}", text::clean(&away.why))),
        RunEvent::Away(None) => Some(JOURNAL_BACK.to_owned()),
        RunEvent::PlanChanged { what, .. } | RunEvent::Call { notice: Some(what), .. } => {
            Some(format!("! the plan changed, and nothing was sent: {}", text::clean(what)))
        }
        RunEvent::Ask { .. }
        | RunEvent::Call { .. }
        | RunEvent::Planned { .. }
        | RunEvent::NotPlanned { .. }
        | RunEvent::Approved(_)
        | RunEvent::Yours { .. }
        | RunEvent::Recalled(_)
        | RunEvent::Incidents(_)
        | RunEvent::Noted(_)
        | RunEvent::Elsewhere(_)
        | RunEvent::Unread(_)
        | RunEvent::Clock { .. }
        | RunEvent::OnlyLooks(_)
        | RunEvent::CutOff(_)
        | RunEvent::Left(_)
        | RunEvent::Reconciled(_) => None,
    }
}

/// What a step says, in from the left so that it is no line of ours; of hosts side by side each line says whose it is.
fn of_output(step: &str, lines: &[String], lost: u64) -> String {
    let host = step.split_once(AT).map_or("", |(_, host)| host);
    let lost = (lost > 0).then(|| format!("… {lost} lines left out …"));
    let lines = lost.iter().map(String::as_str).chain(lines.iter().map(String::as_str));
    lines.map(|line| format!("{host:>10} | {}", text::clean(line)).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A record of a run in a line, for people.
pub fn of_record(record: &Record) -> String {
    let entry = &record.entry;
    let said = |key: &str| entry.data[key].as_str().unwrap_or_default();
    let run = entry.run.map(|run: RunId| run.short()).unwrap_or_default();
    let (word, rest) = match entry.kind {
        RecordKind::RunStart => ("started", format!("run {run} of {}", said("runbook"))),
        RecordKind::BreakGlass => ("BROKEN", format!("the glass is broken: {}", said("reason"))),
        RecordKind::Detached => ("detached", format!("quarterdeck was told to end ({})", said("signal"))),
        RecordKind::StepRecheck => ("checked", said("detail").to_owned()),
        RecordKind::StepIntent if entry.role.as_deref() == Some(Role::Undo.word()) => {
            ("taking back", said("detail").to_owned())
        }
        RecordKind::StepIntent => ("sending", said("detail").to_owned()),
        RecordKind::StepSent => ("sent", said("detail").to_owned()),
        RecordKind::StepExit | RecordKind::StepReconcile => (said("state"), said("detail").to_owned()),
        RecordKind::RunBatch => ("batch", said("detail").to_owned()),
        RecordKind::StepTick => ("by hand", said("output").to_owned()),
        RecordKind::RunFinish => (said("outcome"), said("reason").to_owned()),
        RecordKind::LockTaken => ("holds", said("detail").to_owned()),
        RecordKind::RunResume => ("again", format!("run {run}: {} {}", said("way"), said("reason"))),
        RecordKind::LockReleased => ("gives back", said("detail").to_owned()),
        RecordKind::ApprovalAsked => ("asks", format!("for a second person's approval of {}", said("runbook"))),
        RecordKind::ApprovalGiven => ("approved", said("reason").to_owned()),
        RecordKind::ApprovalRefused => ("refused", said("reason").to_owned()),
        RecordKind::ApprovalWithdrawn => ("asks not", "the request is withdrawn".to_owned()),
        RecordKind::LockWanted => ("asks", format!("for a lock: {}", said("reason"))),
        RecordKind::LockPassed => ("passes", said("detail").to_owned()),
        _ => (entry.kind.word(), String::new()),
    };
    let step = entry.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
    let line = format!("{}  {:<8}  {step}{rest}", record.at.strftime("%H:%M:%SZ"), word.replace('_', " "));
    text::clean(line.trim_end()).into_owned()
}

/// A line of JSON that no terminal acts on.
pub fn compact(value: &Value) -> String {
    json::line(value)
}
