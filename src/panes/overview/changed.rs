//! What changed lately: what the store knows of, and what was done from here.

use super::line::Line;
use crate::cx::Cx;
use crate::domain::{Change, Severity, SourceId, Subject, ThingId, time};
use crate::panes::{Lead, Link};
use crate::runbook::RunView;
use std::collections::HashMap;
use std::time::Duration;

/// So many containers that the same happened to are one line.
const MANY: usize = 5;
/// Names that such a line tells.
const NAMED: usize = 3;

/// The worst first; of the same severity the newest.
pub(super) fn lines(cx: &Cx<'_>, back: Duration) -> Vec<Line> {
    let changes = folded(cx.store.changes(cx.now, back)).into_iter();
    let mut lines: Vec<Line> = changes.map(|change| line(named(cx, change))).collect();
    let recent = |run: &&RunView| time::between(run.ended.unwrap_or(cx.now.wall), cx.now.wall) <= back;
    lines.extend(cx.runs.iter().filter(recent).map(of_run));
    lines.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.since.cmp(&a.since)));
    lines
}

/// Of many containers that the same happened to there is one line, which tells how many and the newest of them: a hundred that were
/// created push out what else changed.
fn folded(changes: Vec<Change>) -> Vec<Change> {
    let mut groups: HashMap<(SourceId, String), Option<Group>> = HashMap::new();
    for (key, change) in changes.iter().filter_map(|change| Some((fold_by(change)?, change))) {
        let group = groups.entry(key).or_default().get_or_insert_default();
        group.count += 1;
        group.names.extend((group.names.len() < NAMED).then(|| change.name.clone()));
    }
    groups.retain(|_, group| group.as_ref().is_some_and(|group| group.count >= MANY));
    let fold = |change: Change| match fold_by(&change).and_then(|key| groups.get_mut(&key)) {
        None => Some(change),
        // The newest stands for all of them.
        Some(group) => group.take().map(|group| group.stand_for(change)),
    };
    changes.into_iter().filter_map(fold).collect()
}

/// What must be the same of two changes that are told in one line; `None`: it has a line of its own.
fn fold_by(change: &Change) -> Option<(SourceId, String)> {
    let folds = change.subject == Subject::Containers && change.severity < Severity::Critical;
    folds.then(|| (change.source.clone(), change.what.clone()))
}

#[derive(Default)]
struct Group {
    count: usize,
    /// Of the newest.
    names: Vec<String>,
}

impl Group {
    fn stand_for(self, newest: Change) -> Change {
        let more = self.count - self.names.len();
        let what = format!("{}: {} and {more} more", newest.what, self.names.join(", "));
        Change { thing: None, name: format!("{} containers", self.count), what, ..newest }
    }
}

/// Where there are several engines a container is called as in its own pane: `game-1/api`.
fn named(cx: &Cx<'_>, mut change: Change) -> Change {
    if change.thing.is_some() && change.subject == Subject::Containers && cx.many(Subject::Containers) {
        change.name = format!("{}/{}", change.source.name(), change.name);
    }
    change
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
    let clock = run.clock.as_ref().map(|clock| format!(" (clock {clock})")).unwrap_or_default();
    let what = format!("{} by {}{clock}", run.word(), run.actor);
    let severity = Severity::Info;
    let link = Link { to, subject: Subject::Servers, name: name.clone(), text: what.clone(), severity };
    let since = Some(run.ended.unwrap_or(run.started));
    Line { severity, stale: false, name, kind: "run", since, what, lead: Lead::Thing(link) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, what: &str, severity: Severity) -> Change {
        let (source, subject) = (SourceId::new("docker", "local"), Subject::Containers);
        let at = "2026-11-25T03:00:00Z".parse().unwrap();
        Change { at, subject, source, thing: None, name: name.to_owned(), what: what.to_owned(), severity }
    }

    #[test]
    fn many_of_the_same_are_one_line_where_the_newest_of_them_stood() {
        let mut changes = vec![change("db", "ended", Severity::Warning)];
        changes.extend((0..130).map(|at| change(&format!("svc-{at:03}"), "created", Severity::Info)));
        changes.push(change("api", "created from api:2", Severity::Info));
        changes.extend((0..9).map(|at| change(&format!("x-{at}"), "out of memory", Severity::Critical)));
        let told = folded(changes);
        let lines: Vec<(&str, &str)> = told.iter().map(|change| (change.name.as_str(), change.what.as_str())).collect();
        assert_eq!(lines[0], ("db", "ended"));
        assert_eq!(lines[1], ("130 containers", "created: svc-000, svc-001, svc-002 and 127 more"));
        assert_eq!(lines[2], ("api", "created from api:2"));
        assert_eq!(lines.len(), 3 + 9, "what is critical has a line of its own");
    }
}
