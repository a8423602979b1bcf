//! What changed lately: what the store knows of, and what was done from here.

use super::line::Line;
use crate::cx::Cx;
use crate::domain::{Change, Severity, Subject, ThingId, time};
use crate::panes::{Lead, Link};
use crate::runbook::RunView;
use std::time::Duration;

/// The worst first; of the same severity the newest.
pub(super) fn lines(cx: &Cx<'_>, back: Duration) -> Vec<Line> {
    let mut lines: Vec<Line> = cx.store.changes(cx.now, back).into_iter().map(line).collect();
    let recent = |run: &&RunView| time::between(run.ended.unwrap_or(cx.now.wall), cx.now.wall) <= back;
    lines.extend(cx.runs.iter().filter(recent).map(of_run));
    lines.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.since.cmp(&a.since)));
    lines
}

fn line(change: Change) -> Line {
    let kind = match change.subject {
        Subject::Servers => "server",
        Subject::Containers => "container",
        Subject::Alerts => "alert",
        Subject::Databases => "database",
    };
    let Change { at, subject, thing, name, what, severity, .. } = change;
    let lead = match thing {
        Some(to) => Lead::Thing(Link { to, subject, name: name.clone(), text: what.clone(), severity }),
        None => Lead::Pane(subject),
    };
    Line { severity, stale: false, name, kind, since: Some(at), what, lead }
}

/// What was done may be what changed it.
fn of_run(run: &RunView) -> Line {
    let to = ThingId::Run(run.id);
    let name = run.runbook.clone();
    let what = format!("{} by {}", run.word(), run.actor);
    let severity = Severity::Info;
    let link = Link { to, subject: Subject::Servers, name: name.clone(), text: what.clone(), severity };
    let since = Some(run.ended.unwrap_or(run.started));
    Line { severity, stale: false, name, kind: "run", since, what, lead: Lead::Thing(link) }
}
