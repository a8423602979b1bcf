//! What is always in sight of a run: how it stands, what is done now, what comes next, and what can be undone.

use super::steps::{Known, mark, title, took, word};
use crate::domain::Severity;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::{clean, truncate};
use crate::domain::time;
use crate::runbook::{RunView, StepView, announce};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::prose::Line;
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
    if let Some(reason) = &run.glass {
        put(&[(Role::SeverityCritical, &format!("▲ BREAK-GLASS, one person for two: {reason}"))]);
    }
    match run.current() {
        Some(at) => {
            let step = &run.steps[at];
            let told = format!("now   {} of {}  {}: ", at + 1, run.steps.len(), title(step));
            let waits = if step.state == StepState::Planned { "waits" } else { word(step.state) };
            put(&[(Role::Title, &told), (step.severity().into(), waits), (Role::Muted, &took(run, at, known))]);
            let next = run.steps[at + 1..].iter().find(|step| !step.state.is_final()).map(title);
            put(&[(Role::Muted, "next  "), (Role::Text, next.as_deref().unwrap_or("nothing: it is the last step"))]);
        }
        None => put(&[(role_of(run), &run.verdict_alone().unwrap_or_else(|| "every step is over".to_owned()))]),
    }
    let (label, undo) = undo(run);
    put(&[(Role::Muted, label), (Role::Text, &undo)]);
}

/// What can be taken back: of what was done, and of what is to come.
fn undo(run: &RunView) -> (&'static str, String) {
    let command = |step: &StepView| {
        let undo = step.undo.as_deref().unwrap_or_default().lines().collect::<Vec<_>>().join(" / ");
        format!("{}: {undo}", title(step))
    };
    let done: Vec<String> = match run.outcome {
        Some(_) => run.undoable().map(command).collect(),
        None => run.undoable().map(title).collect(),
    };
    let changes = run.steps.iter().filter(|step| step.changes);
    let (all, can) = changes.fold((0, 0), |(all, can), step| (all + 1, can + usize::from(step.undo.is_some())));
    let known = all > 0 || run.steps.iter().all(|step| step.sent_at.is_none());
    match (run.outcome, done.is_empty()) {
        (Some(RunOutcome::Ok) | None, _) if known && done.is_empty() => ("undo  ", announce::undo(all, can)),
        (None, true) => ("undo  ", "the records of this run do not tell".to_owned()),
        (Some(_), true) => ("undo  ", "nothing is left to undo".to_owned()),
        (None, false) => ("undo  ", format!("sent, and can be undone: {}", done.join(", "))),
        (Some(RunOutcome::Ok), false) => ("undo  ", format!("as a whole, from the last: {}", done.join(", "))),
        (Some(_), false) => ("left  ", format!("to undo: {}", done.join(", "))),
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
        Some(RunOutcome::Ok) => mark(StepState::Ok),
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
