//! What the next shift must know of an incident, in as much as fits on a screen.

use super::report::{NOTHING, sentence, time};
use super::{Incident, clocks};
use crate::domain::incident::Rules;
use crate::domain::text::{clean, counted};
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
    who(&mut out, incident, rules);
    state(&mut out, incident);
    for clock in clocks::running(incident, rules, now) {
        let whom = clock.whom().map(|whom| format!(" ({})", clean(&whom))).unwrap_or_default();
        let _ = writeln!(out, "- {}{whom}: {}", clock.word(), clock.figure());
    }
    open_ends(&mut out, incident, runs);
    let _ =
        writeln!(out, "\nThe last {} of {}:\n", incident.lines.len().min(LINES), counted(incident.lines.len(), "line"));
    for line in &incident.lines[incident.lines.len().saturating_sub(LINES)..] {
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
    for (number, ended) in (1..).zip(&incident.ended) {
        let mitigated =
            ended.mitigated.as_ref().map(|mark| format!("mitigated {}, ", time(mark.at))).unwrap_or_default();
        let (resolved, reopened) = (time(ended.resolved.at), &ended.reopened);
        let (by, why) = (clean(&reopened.by), clean(&reopened.text));
        let _ = writeln!(
            out,
            "- outage {number}: {mitigated}resolved {resolved}; open again {}, by {by}: {why}",
            time(reopened.at)
        );
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
        let _ = writeln!(out, "- others were last told {}: {}", time(told.at), clean(&told.text));
    }
}

/// What somebody has to see to: runs that are not over, that nobody knows the end of, or that can still be taken back.
fn open_ends(out: &mut String, incident: &Incident, runs: &Runs) {
    let mut own: Vec<_> = incident.lines.iter().filter_map(|line| line.run).collect();
    own.sort();
    own.dedup();
    for run in own.into_iter().filter_map(|id| runs.get(id)) {
        let (title, id) = (clean(&run.title), run.id.short());
        if run.outcome.is_none() || run.is_in_doubt() {
            let verdict = run.verdict().unwrap_or_else(|| run.word().to_owned());
            let _ = writeln!(out, "- OPEN: {title} (run {id}): {}", clean(&verdict));
        } else if run.undoable().next().is_some() {
            let _ = writeln!(out, "- can be taken back: {title} (run {id}): `quarterdeck runbook resume {id} --undo`");
        }
    }
    for action in &incident.actions {
        let _ = writeln!(out, "- to do afterwards: {}", clean(&action.text));
    }
}
