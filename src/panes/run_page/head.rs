//! What is always in sight of a run: how it stands, what is done now, what comes next, and what can be undone.

use super::hosts;
use super::steps::{Known, plain, took};
use crate::domain::Severity;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::{clean, truncate};
use crate::domain::time;
use crate::runbook::reach::{self, Reached, named};
use crate::runbook::{RunView, StepView, announce};
use crate::theme::Role;
use crate::widgets::prose::Line;
use crate::widgets::{figure, wrap};
use unicode_width::UnicodeWidthStr;

/// Appends a line of each; every one of them fits.
pub(super) fn compose(out: &mut Vec<Line>, run: &RunView, width: usize, known: &Known<'_>) {
    let mut put = |pieces: &[(Role, &str)]| out.push(fitted(pieces, width));
    let until = run.ended.unwrap_or(known.cx.now.wall);
    let age = figure::text(|out| figure::coarse_age(out, time::between(run.started, until)));
    let by = format!("   {age}   by {} in {} since {}", run.actor, run.env, run.started.strftime("%H:%M:%SZ"));
    put(&[
        (role_of(run), &format!("{} {}", sign(run), run.word())),
        (Role::Text, &run.title_and_id()),
        (Role::Muted, &by),
    ]);
    if let Some(clock) = &run.clock {
        let told =
            format!("! its times are by a clock {clock} the journal server's; the order of its records is certain");
        put(&[(Role::SeverityWarning, &told)]);
    }
    if let Some(reason) = &run.glass {
        put(&[(Role::SeverityCritical, &format!("▲ BREAK-GLASS, one person for two: {reason}"))]);
    }
    if let Some(by) = &run.approved {
        put(&[(Role::Muted, "approved by  "), (Role::Text, by)]);
    }
    match run.current() {
        Some(at) if run.cut_off => {
            put(&[(role_of(run), &run.verdict_alone().unwrap_or_default())]);
            let step = &run.steps[at];
            let told = format!("at    {} of {}  {}: ", step.number, run.numbers(), step.heading());
            put(&[(Role::Muted, &told), (Role::Text, &broke(step))]);
        }
        Some(at) => {
            let step = &run.steps[at];
            let told = format!("now   {} of {}  {}: ", step.number, run.numbers(), step.heading());
            let (role, stands) = match step.state {
                _ if run.asks => (Role::SeverityWarning, "waits for you"),
                StepState::Planned if run.paused => (Role::SeverityWarning, "waits: the run is paused"),
                StepState::Planned => (step.severity().into(), "waits"),
                _ => (step.severity().into(), run.step_word(at)),
            };
            put(&[(Role::Title, &told), (role, stands), (Role::Muted, &took(run, at, known))]);
            if let Some(batch) = hosts::batch_now(run) {
                put(&[(Role::Muted, "hosts "), (Role::Text, &batch)]);
            }
            let next = run.steps[at + 1..].iter().find(|step| step.state == StepState::Planned).map(StepView::heading);
            put(&[(Role::Muted, "next  "), (Role::Text, next.as_deref().unwrap_or("nothing: it is the last step"))]);
        }
        None => put(&[(role_of(run), &run.verdict_alone().unwrap_or_else(|| "every step is over".to_owned()))]),
    }
    let (label, undo) = undo(run, &reach::of_run(known.cx.runs, run));
    put(&[(Role::Muted, label), (Role::Text, &undo)]);
    let calls: Vec<String> = announce::calls(known.cx.runs, run).collect();
    for call in calls.iter().take(CALLS) {
        called(out, call, width);
    }
    if calls.len() > CALLS {
        out.push(fitted(&[(Role::Muted, &format!("calls and {} more", calls.len() - CALLS))], width));
    }
}

/// A call, over several lines: that something of it can't be undone stands at its end.
fn called(out: &mut Vec<Line>, text: &str, width: usize) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &clean(text), width.saturating_sub(LABEL.len()), 0);
    let more = lines.len() > CALL;
    lines.truncate(CALL);
    if let Some(last) = lines.last_mut().filter(|_| more) {
        last.push_str(" …");
    }
    for (at, line) in lines.iter().enumerate() {
        let label = if at == 0 { LABEL } else { "      " };
        out.push(fitted(&[(Role::Muted, label), (Role::Text, line)], width));
    }
}

/// Before a call.
const LABEL: &str = "calls ";
/// Lines of one call.
const CALL: usize = 3;
/// Calls that are told each.
const CALLS: usize = 2;
/// Changes that are named in one line.
const NAMED: usize = 4;

/// What can be taken back: of what was done, and of what is to come; what the called runs did counts.
fn undo(run: &RunView, reached: &[Reached]) -> (&'static str, String) {
    let left: Vec<&Reached> = reached.iter().rev().filter(|one| one.is_left()).collect();
    let (apart, offered): (Vec<&Reached>, Vec<&Reached>) = left.iter().partition(|one| one.over);
    let known = !reached.is_empty() || run.steps.iter().all(|step| step.sent_at.is_none());
    let names = |of: Vec<&Reached>| named(of, NAMED);
    match (run.outcome, left.is_empty()) {
        (Some(RunOutcome::Ok) | None, true) if known => ("undo  ", reach::undo(reached)),
        (None, true) => ("undo  ", "the records of this run do not tell".to_owned()),
        (Some(_), true) => ("undo  ", "nothing is left to undo".to_owned()),
        (None, false) if offered.is_empty() => ("undo  ", format!("by a plan of its own: {}", names(apart))),
        (None, false) if apart.is_empty() => ("undo  ", format!("sent, and can be undone: {}", names(offered))),
        (None, false) => {
            ("undo  ", format!("sent, and can be undone: {}; by a plan of its own: {}", names(offered), names(apart)))
        }
        (Some(RunOutcome::Ok), false) => ("undo  ", format!("as a whole, from the last: {}", names(left))),
        (Some(_), false) => ("left  ", format!("to undo: {}", names(left))),
    }
}

/// What is known of the step in which a run was cut off.
fn broke(step: &StepView) -> String {
    match step.undo_at.or(step.sent_at) {
        Some(at) if step.undo_at.is_some() => format!("its undo was sent at {}", at.strftime("%H:%M:%SZ")),
        Some(at) => format!("sent at {}", at.strftime("%H:%M:%SZ")),
        None => "nothing was sent for it".to_owned(),
    }
}

fn role_of(run: &RunView) -> Role {
    match run.severity() {
        Severity::None => Role::SeverityWarning,
        severity => severity.into(),
    }
}

fn sign(run: &RunView) -> &'static str {
    match run.outcome {
        Some(RunOutcome::Ok) => plain(StepState::Ok),
        Some(RunOutcome::Undone) => plain(StepState::Undone),
        Some(RunOutcome::Unknown) => "?",
        Some(RunOutcome::Failed | RunOutcome::Stopped) => "✗",
        None if run.cut_off => "◌",
        None => "▶",
    }
}

/// What does not fit is cut, and says so.
pub(super) fn fitted(pieces: &[(Role, &str)], width: usize) -> Line {
    let (mut line, mut room) = (Line::new(), width);
    for (role, text) in pieces {
        let text = clean(text);
        if text.width() > room {
            line.push((*role, format!("{}…", truncate(&text, room.saturating_sub(1)))));
            return line;
        }
        room -= text.width();
        line.push((*role, text.into_owned()));
    }
    line
}
