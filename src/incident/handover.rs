//! What the next shift must know of an incident, in as much as fits on a screen.

use super::report::{NOTHING, sentence, time};
use super::{Detected, Incident, clocks};
use crate::domain::incident::Rules;
use crate::domain::text::{clean, counted, one_row};
use crate::domain::time::{between, moment, words};
use crate::runbook::Runs;
use jiff::Timestamp;
use std::fmt::Write;

/// So many of the newest lines are told.
const LINES: usize = 10;

/// Plain text that reads as Markdown too. `now` is by the incident's own time.
pub fn write(incident: &Incident, runs: &Runs, rules: &Rules, now: Timestamp) -> String {
    let mut out = format!(
        "Handover of {} {} ({}, {}), {}\n\n",
        incident.priority.word(),
        clean(&incident.title),
        incident.short(),
        incident.standing(),
        time(now)
    );
    let _ = writeln!(
        out,
        "- declared {} ago by {}",
        words(between(incident.declared.at, now)),
        clean(&incident.declared.by)
    );
    if let Some(Detected { mark, .. }) = &incident.detected {
        let _ = writeln!(out, "- detected: {}, by {}", time(mark.at), clean(&mark.by));
    }
    who(&mut out, incident, rules);
    state(&mut out, incident);
    for clock in clocks::running(incident, rules, now) {
        let whom = clock.whom().map(|whom| format!(" ({})", clean(&whom))).unwrap_or_default();
        let _ = writeln!(out, "- {}{whom}: {}, by {}", clock.word(), clock.figure(), moment(clock.at, now));
    }
    open_ends(&mut out, incident, runs);
    // Who writes the post-mortem tells nothing of how it stands.
    let told: Vec<_> = incident.lines.iter().filter(|line| !line.is_of_the_report).collect();
    let _ = writeln!(out, "\nThe last {} of {}:\n", told.len().min(LINES), counted(told.len(), "line"));
    for line in &told[told.len().saturating_sub(LINES)..] {
        let _ = writeln!(out, "- {} {}", moment(line.at, now), sentence(line));
    }
    out
}

/// Who is on it, how bad it was thought to be when, where they talk.
fn who(out: &mut String, incident: &Incident, rules: &Rules) {
    let acknowledged = incident.acknowledged.as_ref();
    let acknowledged = acknowledged.map(|mark| format!("by {}, {}", clean(&mark.by), time(mark.at)));
    let _ = writeln!(out, "- acknowledged: {}", acknowledged.as_deref().unwrap_or("by nobody"));
    if !incident.judged.is_empty() {
        let first = format!("declared as {}", incident.declared_as.word());
        let then = incident.judged.iter().map(|judged| {
            let (priority, mark) = (judged.priority.word(), &judged.mark);
            format!("{priority} since {}, by {}: {}", time(mark.at), clean(&mark.by), clean(&mark.text))
        });
        let all: Vec<String> = std::iter::once(first).chain(then).collect();
        let _ = writeln!(out, "- severity: {}", all.join("; "));
    }
    for (level, mark) in incident.calls() {
        let (who, by) = (clean(&mark.text), clean(&mark.by));
        let _ = writeln!(out, "- called: L{level}, {who}, {}, by {by}", time(mark.at));
    }
    for (name, ended) in incident.ends() {
        let mitigated =
            ended.mitigated.as_ref().map(|mark| format!("mitigated {}, ", time(mark.at))).unwrap_or_default();
        let (resolved, reopened) = (time(ended.resolved.at), &ended.reopened);
        let (by, why) = (clean(&reopened.by), clean(&reopened.text));
        let _ =
            writeln!(out, "- {name}: {mitigated}resolved {resolved}; open again {}, by {by}: {why}", time(reopened.at));
    }
    let resolved = incident.resolved.as_ref();
    // What was resolved counts as mitigated by then, and need not be told twice.
    let mitigated =
        incident.mitigated.as_ref().filter(|mark| resolved.is_none_or(|resolved| resolved.record != mark.record));
    for (word, mark) in [("mitigated", mitigated), ("resolved", resolved)] {
        let Some(mark) = mark else { continue };
        let (by, what) = (clean(&mark.by), clean(&mark.text));
        let what = if what.is_empty() { String::new() } else { format!(": {what}") };
        let _ = writeln!(out, "- {word}: {}, by {by}{what}", time(mark.at));
    }
    if !rules.channel.is_empty() {
        let _ = writeln!(out, "- channel: {}", clean(&rules.channel));
    }
}

fn state(out: &mut String, incident: &Incident) {
    let assessment = &incident.assessment;
    for (name, text) in
        [("impact", &assessment.impact), ("scope", &assessment.scope), ("what had changed", &assessment.changed)]
    {
        let text = if text.is_empty() { NOTHING } else { text };
        let _ = writeln!(out, "- {name}: {}", clean(text));
    }
    for (duty, name) in &incident.duties {
        let _ = writeln!(out, "- {}: {}", duty.word(), clean(name));
    }
    let firing: Vec<_> = incident.firing().map(clean).collect();
    if !firing.is_empty() {
        let _ = writeln!(out, "- fires now: {}", firing.join(", "));
    }
    if let Some(told) = incident.updates.last() {
        let _ = writeln!(out, "- others were last told {}: {}", time(told.at), one_row(&told.text));
    }
}

/// What somebody has to see to: runs that are not over, that nobody knows the end of, or that can still be taken back.
fn open_ends(out: &mut String, incident: &Incident, runs: &Runs) {
    for run in incident.open_runs(runs) {
        let _ = writeln!(out, "- OPEN: {}", clean(&run));
    }
    for run in incident.own_runs(runs) {
        if run.outcome.is_some() && !run.is_in_doubt() && run.undoable().next().is_some() {
            let (title, id) = (clean(&run.title), run.id.short());
            let _ = writeln!(out, "- can be taken back: {title} (run {id}): `quarterdeck runbook resume {id} --undo`");
        }
    }
    for action in &incident.actions {
        let _ = writeln!(out, "- to do afterwards: {}", one_row(&action.text));
    }
}
