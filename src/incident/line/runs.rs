//! What runs, and what goes on around them, tell as lines of a timeline.

use super::{Kind, Said, Titles, changes, of};
use crate::domain::Severity;
use crate::domain::record::{Record, RecordKind};
use serde_json::Value;

/// What a run did.
pub(super) fn of_a_run(record: &Record, titles: &Titles) -> Option<Said> {
    let (entry, data) = (&record.entry, &record.entry.data);
    entry.run?;
    let (run, step) = (titles.run(record), titles.step(record));
    Some(match entry.kind {
        RecordKind::RunStart => {
            let answer = of(data, "answer");
            Said::new(Kind::Run, format!("began {run}, answered {answer:?}"))
        }
        RecordKind::RunResume => {
            let said = Said::new(Kind::Run, format!("took up {run} again: {} {}", of(data, "way"), of(data, "reason")));
            if data["way"] == "abandon" { said.off_path() } else { said }
        }
        RecordKind::RunFinish => ended(data, &run),
        RecordKind::BreakGlass => {
            let what = format!("GLASS BROKEN, one person for two, in {run}: {}", of(data, "reason"));
            Said::new(Kind::Run, what).at(Severity::Critical).off_path()
        }
        RecordKind::Detached => {
            let what = format!("nobody is at {run} any more ({}): it begins nothing new", of(data, "signal"));
            Said::new(Kind::Run, what).off_path()
        }
        RecordKind::StepExit | RecordKind::StepReconcile => return exit(record, &step),
        RecordKind::StepTick => Said::new(Kind::Step, format!("{step}: {}", of(data, "output"))),
        RecordKind::RunBatch => Said::new(Kind::Step, format!("{run}: {}", of(data, "detail"))),
        _ => return None,
    })
}

fn ended(data: &Value, run: &str) -> Said {
    let (outcome, reason) = (of(data, "outcome"), of(data, "reason"));
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let said = Said::new(Kind::Run, format!("{run} ended {outcome}{why}"));
    match outcome.as_str() {
        "ok" | "undone" => said.at(Severity::Ok),
        "unknown" => said.at(Severity::Unknown).off_path(),
        "failed" => said.at(Severity::Critical),
        _ => said,
    }
}

/// What came of a change; of what only looks, only what went wrong.
fn exit(record: &Record, step: &str) -> Option<Said> {
    let (data, undo) = (&record.entry.data, record.entry.role.as_deref() == Some("undo"));
    let (state, detail) = (of(data, "state"), of(data, "detail"));
    let back = if undo { "taking back " } else { "" };
    let why = why(&state, &detail);
    let found = if record.entry.kind == RecordKind::StepReconcile { "found out of " } else { "" };
    let said =
        Said::new(if changes(record) { Kind::Change } else { Kind::Step }, format!("{found}{back}{step}: {why}"));
    Some(match state.as_str() {
        "skipped" => said.off_path(),
        "unknown" => said.at(Severity::Unknown).off_path(),
        "failed" | "timed_out" | "undo_failed" => said.at(Severity::Critical),
        // It is sent, and what came of it follows.
        "running" => return None,
        // Its checks let it go on, and somebody should know.
        "ok" if !data["warnings"].is_null() && !changes(record) => said.at(Severity::Warning).off_path(),
        "ok" if !data["warnings"].is_null() => said.at(Severity::Ok).off_path(),
        "ok" | "undone" if changes(record) => said.at(Severity::Ok),
        _ if changes(record) => said,
        _ => return None,
    })
}

/// `failed: it does not answer`; a detail that begins with the state's own word says it once.
pub(in crate::incident) fn why(state: &str, detail: &str) -> String {
    let word = state.replace('_', " ");
    match detail.strip_prefix(&word) {
        _ if detail.is_empty() => word,
        Some(rest) if !rest.starts_with(char::is_alphanumeric) => detail.to_owned(),
        _ => format!("{word}: {detail}"),
    }
}

/// What happened around it.
pub(super) fn around(record: &Record, titles: &Titles) -> Option<Said> {
    let data = &record.entry.data;
    let said = |key: &str| of(data, key);
    Some(match record.entry.kind {
        RecordKind::JournalAway => {
            Said::new(Kind::Around, format!("the team's journal is away: {}", said("why"))).at(Severity::Warning)
        }
        RecordKind::JournalMerge => Said::new(Kind::Around, "the team's journal has what was recorded meanwhile"),
        RecordKind::WritesLock => Said::new(Kind::Around, format!("writes are {}", said("state"))),
        RecordKind::PolicyChange => Said::new(Kind::Around, "the policy was changed").off_path(),
        RecordKind::ApprovalAsked => {
            Said::new(Kind::Around, format!("asks for a second person's approval of {}", said("runbook")))
        }
        RecordKind::ApprovalGiven => Said::new(Kind::Around, format!("approves it: {}", said("reason"))),
        RecordKind::ApprovalRefused => Said::new(Kind::Around, format!("refuses it: {}", said("reason"))),
        RecordKind::LockWanted => Said::new(Kind::Around, format!("asks for a lock: {}", said("reason"))),
        RecordKind::LockPassed => {
            let run = titles.run(record);
            Said::new(Kind::Around, format!("a lock of {run} passes on: {}", said("how")))
        }
        _ => return None,
    })
}
