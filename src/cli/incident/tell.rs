//! What `quarterdeck incident` prints.

use super::super::places;
use super::super::runbook::Desk;
use super::super::setup::here;
use super::{Report, Which, all_known, with};
use crate::clock;
use crate::domain::incident::Rules;
use crate::domain::{json, text, time};
use crate::incident::edits::Kept;
use crate::incident::twins::before;
use crate::incident::{Incident, Mark, clocks, handover, json as shape, report};
use crate::runtime::post_mortem::{self, Known};
use serde_json::{Value, json};
use uuid::Uuid;

/// `3a21ab  P1 Players can't log in: acknowledged; update in 12:04, call L2 (senior SRE) in 4:00`.
pub(super) fn line(incident: &Incident, rules: &Rules) -> String {
    let now = incident.now(&here(), clock::now());
    let due = clocks::running(incident, rules, now).into_iter().map(|clock| {
        let whom = clock.whom().map(|whom| format!(" ({whom})")).unwrap_or_default();
        let when = if clock.is_late() { clock.figure() } else { format!("in {}", clock.figure()) };
        format!("{}{whom} {when}", clock.word())
    });
    let due: Vec<String> = due.collect();
    let due = if due.is_empty() { String::new() } else { format!("; {}", due.join(", ")) };
    let (name, priority, word) = (incident.short(), incident.priority.word(), incident.standing());
    text::clean(&format!("{name}  {priority} {}: {word}{due}", incident.title)).into_owned()
}

/// That what was just said changes nothing, as somebody had said it before, and how it would count all the same.
pub(super) fn tell_second(incident: &Incident, said: Uuid) {
    let Some(told) = incident.second(said) else { return };
    let name = incident.short();
    let mends = incident.first_call(said).map(|first| {
        let record = first.link.trim_start_matches("record ");
        format!(": `quarterdeck incident take-back {record} REASON --incident {name}` takes back the first, and yours counts")
    });
    eprintln!("quarterdeck: {name}: {told}{}", text::clean(&mends.unwrap_or_default()));
}

/// When it was detected, and of a rehearsal that goes at another speed also by the clock, as it was typed.
pub(super) fn detected(incident: &Incident) -> Option<String> {
    let at = incident.detected.as_ref()?.mark.at;
    let (clock, before) = (incident.by_the_clock(at), time::words(time::between(at, incident.declared.at)));
    let when = if clock == at {
        report::time(at)
    } else {
        format!("{} by the clock, {} by the rehearsal's time", report::time(clock), report::time(at))
    };
    Some(format!("detected {when}, {before} before: its clocks run from then"))
}

/// That an incident and another one are perhaps the same, and what to say of that.
pub(super) fn tell_twins(known: &Known, incident: &Incident) {
    if let Some(told) = twins(known, incident) {
        eprintln!("quarterdeck: {told}");
    }
}

fn twins(known: &Known, incident: &Incident) -> Option<String> {
    let (first, later) = known.incidents.twins(incident)?;
    let (this, that, by) = (later.short(), first.short(), &first.declared.by);
    let told = format!(
        "{this} is perhaps the same as {that}, which {by} declared {}: `quarterdeck incident resolve --as duplicate-of {that} --incident {this}` \
         closes it; if they are two, `quarterdeck incident note WHY --beside {that} --incident {this}` says so",
        before(first, later)
    );
    Some(text::clean(&told).into_owned())
}

pub(super) fn list(known: &Known, as_json: bool) {
    if as_json {
        let all = known.incidents.iter().map(|one| shape::summary(one, &known.rules, one.now(&here(), clock::now())));
        return println!("{}", json::line(&Value::Array(all.collect())));
    }
    if known.incidents.iter().len() == 0 {
        println!("no incident was ever declared here");
    }
    for incident in known.incidents.iter() {
        println!("{}", line(incident, &known.rules));
        if let Some(told) = incident.twin.and_then(|_| twins(known, incident)) {
            println!("        {told}");
        }
    }
}

pub(super) fn show(known: &Known, which: &Which, as_json: bool) -> Result<(), String> {
    let incident = known.incidents.find(which.id.as_deref())?;
    if as_json {
        let value = shape::whole(incident, &known.rules, incident.now(&here(), clock::now()));
        println!("{}", json::line(&value));
        return Ok(());
    }
    println!("{}\n", line(incident, &known.rules));
    if let Some(detected) = &incident.detected {
        let Mark { at, link, .. } = &detected.mark;
        println!("{}  {}  ({link})", report::time(*at), text::clean(&detected.told()));
    }
    for line in &incident.lines {
        println!("{}  {}  ({})", report::time(line.at), report::sentence(line), line.link);
    }
    Ok(())
}

pub(super) fn hand_over(known: &Known, which: &Which, as_json: bool) -> Result<(), String> {
    let incident = known.incidents.find(which.id.as_deref())?;
    let now = incident.now(&here(), clock::now());
    let told = handover::write(incident, &known.runs, &known.rules, now);
    print_text(known, incident, told, as_json);
    Ok(())
}

/// A text of an incident, or as JSON all that is known of it with that text.
fn print_text(known: &Known, incident: &Incident, text: String, as_json: bool) {
    if as_json {
        return print_summary(known, incident, "text", text.into());
    }
    print!("{text}");
}

fn print_summary(known: &Known, incident: &Incident, key: &str, more: Value) {
    let now = incident.now(&here(), clock::now());
    println!("{}", json::line(&with(shape::summary(incident, &known.rules, now), key, more)));
}

impl Report {
    /// Writes it into its file, or prints it.
    pub(super) async fn write(self, desk: &Desk) -> Result<(), String> {
        let known = all_known(desk).await?;
        let incident = known.incidents.find(self.which.id.as_deref())?;
        let style = report::Style { roles: self.roles };
        let Some(output) = &self.output else {
            print_text(&known, incident, report::write(incident, &known.runs, &known.rules, style), self.json);
            return Ok(());
        };
        let file = output.first().cloned().map_or_else(|| post_mortem::place(&places::state()?, incident), Ok)?;
        let written = post_mortem::write(&*desk.exec.journal, &known, incident, &file, style).await?;
        if self.json {
            let after = all_known(desk).await?;
            let incident = after.incidents.get(incident.id).unwrap_or(incident);
            print_summary(&after, incident, "kept", written.kept.iter().map(kept).collect());
            return Ok(());
        }
        for part in &written.kept {
            eprintln!("{part}");
        }
        println!("{}", written.told());
        Ok(())
    }
}

/// A part of a post-mortem that stays as somebody has changed it.
fn kept(kept: &Kept) -> Value {
    json!({ "part": kept.name, "new": kept.new, "disputed": kept.disputed })
}
