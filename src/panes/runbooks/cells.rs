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
    let name = || a.title.cmp(&b.title).then_with(|| a.id.cmp(&b.id));
    let started = |entry: &Entry| last(entry, cx).map(|run| run.started);
    let result = |entry: &Entry| last(entry, cx).map_or("~", RunView::word);
    let first = match column {
        TITLE => Ordering::Equal,
        RISK => by(a, b, |runbook| runbook.risk),
        ABOUT => by(a, b, about),
        OWNER => by(a, b, |runbook| runbook.owner.clone()),
        REVIEWED => by(b, a, |runbook| runbook.reviewed),
        // By age: the one that ran last has the smallest.
        LAST => started(b).cmp(&started(a)),
        RESULT => result(a).cmp(result(b)),
        CHANGED => b.mistaken.cmp(&a.mistaken).then_with(|| is_changed(b, cx).cmp(&is_changed(a, cx))),
        _ => a.refusal.cmp(&b.refusal),
    };
    first.then_with(name)
}

fn by<K: Ord>(a: &Entry, b: &Entry, of: impl Fn(&Runbook) -> K) -> Ordering {
    let key = |entry: &Entry| entry.runbook.as_deref().map(&of);
    key(a).cmp(&key(b))
}

pub(super) fn cell(column: usize, entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    if column == TITLE {
        // Where there is room for no other column it must be seen too.
        out.push_str(if entry.mistaken { "mistake: " } else { "" });
        out.push_str(&entry.title);
        return Role::Text;
    }
    match (column, &entry.runbook) {
        (CHANGED, _) => return of_change(entry, cx, out),
        (LAST | RESULT, _) => return of_run(column, entry, cx, out),
        (RISK | ABOUT | OWNER | REVIEWED, Some(runbook)) => return of_page(column, runbook, cx, out),
        (RISK | ABOUT | OWNER | REVIEWED, None) => {
            out.push('—');
            return Role::Faint;
        }
        _ => {}
    }
    out.push_str(entry.refusal.as_ref().map_or("yes", |_| "no: "));
    out.push_str(entry.refusal.as_deref().unwrap_or_default());
    match (&entry.refusal, entry.mistaken) {
        (None, _) => Role::Text,
        (Some(_), true) => Role::SeverityWarning,
        (Some(_), false) => Role::Muted,
    }
}

fn of_page(column: usize, runbook: &Runbook, cx: &Cx<'_>, out: &mut String) -> Role {
    match column {
        RISK => out.push_str(runbook.risk.word()),
        ABOUT => out.push_str(about(runbook)),
        OWNER => out.push_str(&runbook.owner),
        _ => {
            let age = runbook.age(today(cx));
            let _ = if age < 0 { write!(out, "in {}d", -age) } else { write!(out, "{age}d") };
            let severity = offer::review(runbook, today(cx));
            return if severity > Severity::None { severity.into() } else { Role::Muted };
        }
    }
    Role::Muted
}

/// Whether its file says something else than it did when it was last run, or nobody can tell what.
fn of_change(entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    let (word, role) = match is_changed(entry, cx) {
        _ if entry.mistaken => ("mistake", Role::SeverityWarning),
        Some(true) => ("yes", Role::SeverityWarning),
        Some(false) => ("no", Role::Muted),
        None => ("—", Role::Faint),
    };
    out.push_str(word);
    role
}

fn last<'a>(entry: &Entry, cx: &Cx<'a>) -> Option<&'a RunView> {
    entry.last.and_then(|id| cx.runs.get(id))
}

/// Its text is another one than that of its last run; `None`: nobody can tell.
fn is_changed(entry: &Entry, cx: &Cx<'_>) -> Option<bool> {
    offer::changed(entry.runbook.as_deref()?, last(entry, cx)?)
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
