//! What takes more than one look to be recorded: which other incident is meant, who was reached, which record.

use super::super::runbook::{Desk, run_called};
use super::super::setup::here;
use super::tell::{detected as when_detected, line, tell_twins};
use super::{Said, Which, all_known, append, with};
use crate::clock;
use crate::domain::incident::{ClosedAs, Priority};
use crate::domain::record::RecordKind;
use crate::domain::{IncidentId, text};
use crate::incident::line::APART;
use crate::incident::{self, Incident, clocks};
use crate::runtime::post_mortem::Known;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

pub(super) async fn note(
    desk: &Desk,
    text: String,
    action: bool,
    beside: Option<String>,
    which: Which,
) -> Result<(), String> {
    let known = all_known(desk).await?;
    let this = known.incidents.find(which.id.as_deref())?;
    let data = match beside {
        Some(_) if text.trim().is_empty() => return Err("say in a few words why it is another one".to_owned()),
        Some(wanted) => incident::line::apart(another(&known, this, &wanted)?, Some(&text)),
        None => json!({ "text": text, "action": action }),
    };
    Said { which: Some(this.id.to_string()), kind: RecordKind::IncidentNote, data }.tell(desk).await
}

/// The one that is meant, which has to be another one.
fn another<'a>(known: &'a Known, this: &Incident, wanted: &str) -> Result<&'a Incident, String> {
    let other = known.incidents.find(Some(wanted))?;
    if other.id == this.id {
        return Err(format!("{} is no duplicate of itself: name the other one", this.short()));
    }
    Ok(other)
}

pub(super) async fn include(desk: &Desk, run: &str, which: Which) -> Result<(), String> {
    let known = all_known(desk).await?;
    let incident = known.incidents.find(which.id.as_deref())?;
    let run = run_called(desk, run).await?;
    let records = desk.exec.journal.of_run(run).await.map_err(|error| error.to_string())?;
    let start = records.iter().find(|record| record.entry.kind == RecordKind::RunStart);
    let start = start.ok_or_else(|| format!("of run {} no beginning is recorded", run.short()))?;
    let belongs = known.incidents.of_run(run).map(Incident::short).or_else(|| start.incident.clone());
    if let Some(other) = belongs {
        return Err(format!("run {} belongs to incident {other} already", run.short()));
    }
    let data = incident::line::of_run(run, start);
    Said { which: Some(incident.id.to_string()), kind: RecordKind::IncidentRun, data }.tell(desk).await
}

pub(super) async fn take_back(desk: &Desk, wanted: &str, reason: &str, which: Which) -> Result<(), String> {
    let known = all_known(desk).await?;
    let incident = known.incidents.find(which.id.as_deref())?;
    let number = wanted.trim().trim_start_matches("record").trim();
    let mut found = incident.lines.iter().filter(|line| line.link.ends_with(&format!("record {number}")));
    let line = found.next().ok_or_else(|| format!("{} has no record {number}", incident.short()))?;
    let data = incident::line::taken_back(line, reason)?;
    Said { which: Some(incident.id.to_string()), kind: RecordKind::IncidentTakeBack, data }.tell(desk).await
}

/// As what it is closed that is none of its own, and how that is known, when the words behind `--as` say it.
fn closed_as<'a>(how: &'a [String], known: &Known, this: &Incident) -> Result<(ClosedAs, Option<&'a str>), String> {
    let wanted = how.get(1).map(String::as_str);
    match (how.first().map(String::as_str), wanted) {
        (Some("false-alarm"), text) => Ok((ClosedAs::FalseAlarm, text)),
        (Some("duplicate-of"), Some(wanted)) => Ok((ClosedAs::DuplicateOf(another(known, this, wanted)?.id), None)),
        (Some("duplicate-of"), None) => {
            Err("--as duplicate-of needs the id of the other one, as `list` shows it".to_owned())
        }
        (other, _) => Err(format!("--as {}: write false-alarm, or duplicate-of ID", other.unwrap_or_default())),
    }
}

/// Closes it as none of its own; the one that it is the same as says so, too.
pub(super) async fn close(desk: &Desk, text: Option<String>, how: &[String], which: Which) -> Result<(), String> {
    let known = all_known(desk).await?;
    let this = known.incidents.find(which.id.as_deref())?;
    let (closed, behind) = closed_as(how, &known, this)?;
    let same = closed.of().and_then(|id| known.incidents.get(id));
    let told = || same.map(|same| format!("the same as {} {} ({})", same.priority.word(), same.title, same.short()));
    let text = text.or_else(|| behind.map(str::to_owned)).or_else(told);
    let text = text.ok_or("say how that is known: `resolve TEXT --as false-alarm`")?;
    let mut data = json!({ "text": text });
    closed.write(&mut data);
    let said = Said { which: Some(this.id.to_string()), kind: RecordKind::IncidentResolve, data };
    said.tell(desk).await?;
    match same {
        Some(same) => {
            append(desk, same.id, RecordKind::IncidentNote, incident::line::same(this, &text)).await.map(drop)
        }
        None => Ok(()),
    }
}

pub(super) async fn declare(
    desk: &Desk,
    title: &str,
    priority: Priority,
    (another, detected): (bool, Option<Timestamp>),
) -> Result<(), String> {
    let title = incident::line::as_title(title)?;
    let before = all_known(desk).await?;
    let same = before.incidents.same(title, None);
    if let Some(same) = same.filter(|_| !another) {
        let (line, name) = (line(same, &before.rules), same.short());
        return Err(format!(
            "one is open that is called the same: {line}\n`--incident {name}` means that one; --another declares one more"
        ));
    }
    let id = IncidentId(Uuid::now_v7());
    let mut data = with(before.rules.declaration(priority), "title", json!(title));
    if another {
        data[APART] = incident::line::beside(before.incidents.open());
    }
    if let Some(detected) = detected {
        data["detected"] = json!(detected);
    }
    append(desk, id, RecordKind::IncidentDeclare, data).await?;
    let known = all_known(desk).await?;
    let incident = known.incidents.get(id).ok_or("it was recorded, and can't be read")?;
    println!("{}", line(incident, &known.rules));
    if let Some(told) = when_detected(incident) {
        println!("{told}");
    }
    // Somebody may have declared it in the same moment.
    tell_twins(&known, incident);
    Ok(())
}

pub(super) async fn call(
    desk: &Desk,
    level: Option<usize>,
    reached: Option<String>,
    which: Which,
) -> Result<(), String> {
    let known = all_known(desk).await?;
    let incident = known.incidents.find(which.id.as_deref())?;
    let number = level.unwrap_or_else(|| incident.next_level());
    let of = known.rules.escalation.len();
    let level = number.checked_sub(1).and_then(|at| known.rules.escalation.get(at));
    let level =
        level.ok_or_else(|| format!("there is no level {number}: the config names {of} in [[incident.escalation]]"))?;
    let contact = reached.as_deref().unwrap_or(&level.contact).trim();
    if contact.is_empty() {
        return Err(format!("say who was reached, and how: --reached NAME; the config names nobody for L{number}"));
    }
    let id = incident.id;
    let data = json!({ "level": number, "role": level.role, "contact": contact });
    Said { which: Some(id.to_string()), kind: RecordKind::IncidentEscalate, data }.tell(desk).await?;
    let after = all_known(desk).await?;
    let incident = after.incidents.get(id).ok_or("it was recorded, and can't be read")?;
    let next = clocks::call_next(incident, &after.rules, incident.now(&here(), clock::now()));
    println!("{}", text::clean(&next));
    Ok(())
}
