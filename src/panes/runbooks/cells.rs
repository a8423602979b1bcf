//! What stands in a runbook's row, and by what rows are ordered.

use super::{Entry, today};
use crate::cx::Cx;
use crate::domain::Severity;
use crate::runbook::{RunView, Runbook, offer};
use crate::theme::Role;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;

const TITLE: usize = 0;
const RISK: usize = 1;
const ABOUT: usize = 2;
const OWNER: usize = 3;
const REVIEWED: usize = 4;
const LAST: usize = 5;
const RESULT: usize = 6;
const CHANGED: usize = 7;

pub(super) const COLUMNS: &[Column] = &[
    Column::text("TITLE", 24, 2, 9),
    Column::text("RISK", 12, 0, 7),
    Column::text("ABOUT", 10, 0, 3),
    Column::text("OWNER", 10, 1, 4),
    Column::figure("REVIEWED", 8, 8).of(Measure::Time),
    Column::figure("LAST RUN", 8, 6).of(Measure::Time),
    Column::text("RESULT", 8, 0, 6),
    Column::text("CHANGED", 7, 0, 5),
    Column::text("HERE", 5, 4, 5),
];

/// Other names for them in a filter.
pub(super) const SYNONYMS: &[(&str, usize)] =
    &[("name", TITLE), ("pane", ABOUT), ("review", REVIEWED), ("last", LAST), ("outcome", RESULT)];

/// The pane that it is about.
pub(super) fn about(runbook: &Runbook) -> &'static str {
    runbook.pane.map_or("", |pane| pane.word())
}

/// What fits best, then what can be run here, then by title.
pub(super) fn natural(a: &Entry, b: &Entry, cx: &Cx<'_>) -> Ordering {
    let fit = b.score.cmp(&a.score).then(a.refusal.is_some().cmp(&b.refusal.is_some()));
    fit.then_with(|| order(TITLE, a, b, cx))
}

/// Smallest, or first of the alphabet, first. What never ran stands last of what runs are ordered by.
pub(super) fn order(column: usize, a: &Entry, b: &Entry, cx: &Cx<'_>) -> Ordering {
    let name = || a.runbook.title.cmp(&b.runbook.title).then_with(|| a.runbook.id.cmp(&b.runbook.id));
    let started = |entry: &Entry| last(entry, cx).map(|run| run.started);
    let result = |entry: &Entry| last(entry, cx).map_or("~", RunView::word);
    let first = match column {
        TITLE => Ordering::Equal,
        RISK => a.runbook.risk.cmp(&b.runbook.risk),
        ABOUT => about(&a.runbook).cmp(about(&b.runbook)),
        OWNER => a.runbook.owner.cmp(&b.runbook.owner),
        REVIEWED => b.runbook.reviewed.cmp(&a.runbook.reviewed),
        // By age: the one that ran last has the smallest.
        LAST => started(b).cmp(&started(a)),
        RESULT => result(a).cmp(result(b)),
        CHANGED => is_changed(b, cx).cmp(&is_changed(a, cx)),
        _ => a.refusal.cmp(&b.refusal),
    };
    first.then_with(name)
}

pub(super) fn cell(column: usize, entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    let runbook = &entry.runbook;
    match column {
        TITLE => out.push_str(&runbook.title),
        RISK => out.push_str(runbook.risk.word()),
        ABOUT => out.push_str(about(runbook)),
        OWNER => out.push_str(&runbook.owner),
        REVIEWED => {
            let _ = write!(out, "{}d", runbook.age(today(cx)));
            let severity = offer::review(runbook, today(cx));
            return if severity > Severity::None { severity.into() } else { Role::Muted };
        }
        LAST | RESULT => return of_run(column, entry, cx, out),
        CHANGED => {
            let (word, role) = match is_changed(entry, cx) {
                Some(true) => ("yes", Role::SeverityWarning),
                Some(false) => ("no", Role::Muted),
                None => ("—", Role::Faint),
            };
            out.push_str(word);
            return role;
        }
        _ => {
            out.push_str(entry.refusal.as_ref().map_or("yes", |_| "no: "));
            out.push_str(entry.refusal.as_deref().unwrap_or_default());
            return if entry.refusal.is_some() { Role::Muted } else { Role::Text };
        }
    }
    if column == TITLE { Role::Text } else { Role::Muted }
}

fn last<'a>(entry: &Entry, cx: &Cx<'a>) -> Option<&'a RunView> {
    entry.last.and_then(|id| cx.runs.get(id))
}

/// Its text is another one than that of its last run; `None`: nobody can tell.
fn is_changed(entry: &Entry, cx: &Cx<'_>) -> Option<bool> {
    offer::changed(&entry.runbook, last(entry, cx)?)
}

fn of_run(column: usize, entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    let Some(run) = last(entry, cx) else {
        out.push('—');
        return Role::Faint;
    };
    if column == LAST {
        out.push_str(&offer::ago(run, cx.now.wall));
        return Role::Muted;
    }
    out.push_str(run.word());
    run.severity().into()
}
