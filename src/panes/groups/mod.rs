//! Alerts in groups, as Alertmanager notifies of them; by name where no Alertmanager says how. A group is as bad as its
//! worst alert.

use super::alerting::{
    GROUP as PREFIX, alert_figures, alert_link, gaps, is_entry, links, report, tells_rules, tells_silences,
};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, Link, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Matchers, Severity, Subject, ThingId, Topic, time};
use crate::keymap::Scope;
use crate::store::{AlertGroup, Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Alert groups",
    doc: "alerts in groups, as Alertmanager notifies of them",
    scope: Scope::Alerts,
    action: Action::AlertGroups,
    subject: Some(Subject::Alerts),
    beside: false,
    make: || Box::new(DataPane::<Groups>::default()),
};

const GROUP: usize = 0;
const STATE: usize = 1;
const FIRING: usize = 2;
const PENDING: usize = 3;
const QUIET: usize = 4;
const FOR: usize = 5;
const RECEIVER: usize = 6;

/// The table.
pub struct Groups;

impl Tabular for Groups {
    type Item = AlertGroup;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (None, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("GROUP", 22, 4, 9),
        Column::text("WORST", 9, 0, 9),
        Column::figure("FIRING", 6, 9),
        Column::figure("PENDING", 7, 7),
        Column::figure("QUIET", 5, 8),
        Column::figure("FOR", 5, 6).of(Measure::Time),
        Column::text("RECEIVER", 12, 1, 5),
        Column::text("FIRST OF THEM", 20, 4, 4),
    ];
    const NONE: &'static str = "asked, and no alert is firing or pending";
    const NOBODY: &'static str = "whether any alert is firing or pending is not known: no source tells it just now";

    /// As in the table of alerts.
    fn lacks(feed: &Feed) -> bool {
        tells_rules(feed) || feed.error.is_some()
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        gaps(cx, Topic::Groups, out);
        if is_by_name(cx) {
            let why = "grouped by name: no Alertmanager tells just now how it notifies of them";
            out.push((Severity::Info, why.to_owned()));
        }
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [AlertGroup] {
        store.alert_groups(feed)
    }

    fn id(row: Row<'_, AlertGroup>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: format!("{PREFIX}{}", row.item.key).into() }
    }

    fn is(row: Row<'_, AlertGroup>, id: &ThingId) -> bool {
        is_entry(id, row.feed, |key| key.strip_prefix(PREFIX) == Some(&row.item.key))
    }

    fn name(row: Row<'_, AlertGroup>, out: &mut String) {
        label(row.item, out);
    }

    fn severity(row: Row<'_, AlertGroup>) -> Severity {
        row.item.severity
    }

    fn order(column: usize, a: Row<'_, AlertGroup>, b: Row<'_, AlertGroup>) -> Ordering {
        let (a, b) = (a.item, b.item);
        let key = || a.key.cmp(&b.key);
        match column {
            GROUP => key(),
            STATE => a.severity.cmp(&b.severity).then_with(key),
            FIRING => a.firing.cmp(&b.firing).then_with(key),
            PENDING => a.pending.cmp(&b.pending).then_with(key),
            QUIET => a.suppressed.cmp(&b.suppressed).then_with(key),
            FOR => b.since.cmp(&a.since).then_with(key),
            RECEIVER => a.receiver().cmp(&b.receiver()).then_with(key),
            _ => first(a).cmp(first(b)).then_with(key),
        }
    }

    /// The largest first.
    fn natural(a: Row<'_, AlertGroup>, b: Row<'_, AlertGroup>) -> Ordering {
        let size = |group: &AlertGroup| (group.firing, group.pending, group.suppressed);
        size(b.item).cmp(&size(a.item)).then_with(|| a.item.key.cmp(&b.item.key))
    }

    fn cell(column: usize, row: Row<'_, AlertGroup>, out: &mut String) -> Role {
        let group = row.item;
        match column {
            GROUP => label(group, out),
            STATE => {
                out.push_str(if group.firing > 0 { group.severity.word() } else { "quiet" });
                return if group.firing > 0 { group.severity.into() } else { Role::Muted };
            }
            FIRING => return count(group.firing, group.severity, out),
            PENDING => return count(group.pending, Severity::None, out),
            QUIET => return count(group.suppressed, Severity::None, out),
            FOR => {
                let age = group.since.map(|at| time::between(at, row.as_of()));
                return figure_cell(out, age, Severity::None, figure::age);
            }
            RECEIVER => out.push_str(group.receiver().unwrap_or("—")),
            _ => {
                out.push_str(first(group));
                return Role::Muted;
            }
        }
        Role::Text
    }

    const LABELLED: bool = true;

    /// One of its alerts has them all.
    fn has_labels(row: Row<'_, AlertGroup>, matchers: &Matchers) -> bool {
        row.item.alerts.iter().any(|alert| matchers.hold(&alert.labels))
    }

    fn haystack(row: Row<'_, AlertGroup>, out: &mut String) {
        let _ = write!(out, "{} {}", row.item.key, row.item.severity.word());
        for alert in &row.item.alerts {
            let _ = write!(out, " {} {} {}", alert.name, alert.target(), alert.word());
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let figures = [
            (counts.of(Severity::Critical), "critical"),
            (counts.of(Severity::Warning), "warning"),
            (counts.total(), "in all"),
        ];
        alert_figures(cx, &figures, out);
    }

    fn details(row: Row<'_, AlertGroup>) -> Vec<Section> {
        let group = row.item;
        let mut facts = vec![(
            "alerts".to_owned(),
            format!("{} firing, {} pending, {} held back", group.firing, group.pending, group.suppressed),
        )];
        if let Some(routed) = &group.routed {
            facts.push(("receiver".to_owned(), routed.receiver.clone()));
            facts.extend(routed.labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())));
        } else {
            let why = "by name: no Alertmanager says how it notifies of them";
            facts.push(("grouped".to_owned(), why.to_owned()));
        }
        let mut alerts: Vec<&_> = group.alerts.iter().collect();
        alerts
            .sort_by(|a, b| (b.state, b.severity).cmp(&(a.state, a.severity)).then_with(|| a.target().cmp(b.target())));
        let alerts: Vec<Link> = alerts.into_iter().map(|alert| alert_link(alert)).collect();
        std::iter::once(Section::Facts(facts)).chain(links("alerts", alerts)).collect()
    }
}

/// There are groups that no Alertmanager made, and none that would tell how it groups.
fn is_by_name(cx: &Cx<'_>) -> bool {
    let about = || cx.store.about(Subject::Alerts);
    let tells = |feed: &Feed| {
        let gap = report(feed).is_none_or(|report| report.gap(Topic::Groups).is_some());
        tells_silences(feed) && feed.error.is_none() && !gap
    };
    let mut groups = about().flat_map(|feed| cx.store.alert_groups(feed));
    !about().any(tells) && groups.any(|group| group.routed.is_none())
}

/// A group of one receiver's by its labels, one without labels by its receiver, others by the alerts' name.
fn label(group: &AlertGroup, out: &mut String) {
    match &group.routed {
        Some(routed) if routed.labels.is_empty() => {
            let _ = write!(out, "all for {}", routed.receiver);
        }
        Some(routed) => {
            for (index, (name, value)) in routed.labels.iter().enumerate() {
                let gap = if index > 0 { ", " } else { "" };
                // The name of the alert says what it is without being told so.
                let _ =
                    if name == "alertname" { write!(out, "{gap}{value}") } else { write!(out, "{gap}{name}={value}") };
            }
        }
        None => out.push_str(group.name()),
    }
}

fn first(group: &AlertGroup) -> &str {
    group.alerts.first().map_or("", |alert| alert.summary())
}

fn count(count: u32, severity: Severity, out: &mut String) -> Role {
    figure_cell(out, (count > 0).then_some(count), severity, |out, count| {
        let _ = write!(out, "{count}");
    })
}
