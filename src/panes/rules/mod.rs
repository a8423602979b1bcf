//! Rules of Prometheus: those that fail to be evaluated first, then those that fire.

use super::alerting::{alert_link, gaps, is_entry, lacks, links, report, several, tells_rules};
use super::table::{Counts, Tabular, figure_cell};
use super::{Chart, DataPane, Link, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::promql::watched;
use crate::domain::{Inquiry, Matchers, Rule, Severity, SourceId, Subject, ThingId, Topic, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;
use std::time::Duration;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Rules",
    doc: "rules of Prometheus: those that can't be evaluated, those that fire, and the others",
    scope: Scope::Alerts,
    action: Action::Rules,
    subject: Some(Subject::Alerts),
    beside: false,
    make: || Box::new(DataPane::<Rules>::default()),
};

const NAME: usize = 0;
const HEALTH: usize = 1;
const ALERTS: usize = 2;
const FOR: usize = 3;
const TOOK: usize = 4;
const AGE: usize = 5;
const GROUP: usize = 6;
const SOURCE: usize = 7;

/// How far back a rule's value is charted.
const BACK: Duration = Duration::from_hours(1);

/// The table.
pub struct Rules;

impl Tabular for Rules {
    type Item = Rule;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (None, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("RULE", 20, 2, 9),
        Column::text("HEALTH", 7, 0, 9),
        Column::text("ALERTS", 10, 0, 8).of(Measure::Number),
        Column::figure("FOR", 5, 5).of(Measure::Time),
        Column::figure("TOOK", 6, 4).of(Measure::Time),
        Column::figure("AGE", 5, 6).of(Measure::Time),
        Column::text("GROUP", 10, 1, 5),
        Column::text("SOURCE", 10, 1, 3),
        Column::text("EXPRESSION", 20, 5, 7),
    ];
    const NONE: &'static str = "asked, and there is no rule";
    const NOBODY: &'static str = "rules are a Prometheus', and none tells them: write its address as [prometheus.NAME]";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != SOURCE || several(cx, tells_rules)
    }

    fn concerns(feed: &Feed) -> bool {
        tells_rules(feed)
    }

    fn lacks(feed: &Feed) -> bool {
        lacks(feed, Topic::Rules)
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        gaps(cx, Topic::Rules, out);
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Rule] {
        report(feed).map_or(&[], |report| &report.rules)
    }

    fn id(row: Row<'_, Rule>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: row.item.key().into() }
    }

    fn is(row: Row<'_, Rule>, id: &ThingId) -> bool {
        is_entry(id, row.feed, |key| key.contains(&row.item.name) && key == row.item.key())
    }

    fn name(row: Row<'_, Rule>, out: &mut String) {
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, Rule>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, Rule>, b: Row<'_, Rule>) -> Ordering {
        let (a, b) = (a.item, b.item);
        let name = || a.name.cmp(&b.name).then_with(|| a.group.cmp(&b.group));
        match column {
            NAME => name(),
            HEALTH => a.judge().cmp(&b.judge()).then_with(name),
            ALERTS => (a.firing, a.pending).cmp(&(b.firing, b.pending)).then_with(name),
            FOR => a.hold.cmp(&b.hold).then_with(name),
            TOOK => a.took.cmp(&b.took).then_with(name),
            AGE => b.evaluated_at.cmp(&a.evaluated_at).then_with(name),
            GROUP => a.group.cmp(&b.group).then_with(name),
            _ => a.query.cmp(&b.query).then_with(name),
        }
    }

    /// What fires first, then what is about to.
    fn natural(a: Row<'_, Rule>, b: Row<'_, Rule>) -> Ordering {
        let key = |rule: &Rule| (rule.firing, rule.pending);
        key(b.item).cmp(&key(a.item)).then_with(|| Self::order(NAME, a, b))
    }

    fn cell(column: usize, row: Row<'_, Rule>, out: &mut String) -> Role {
        let rule = row.item;
        match column {
            NAME => out.push_str(&rule.name),
            HEALTH => {
                out.push_str(if rule.health.is_empty() { "unknown" } else { &rule.health });
                return rule.judge().into();
            }
            ALERTS => return alerts(rule, out),
            FOR => return figure_cell(out, (!rule.hold.is_zero()).then_some(rule.hold), Severity::None, figure::age),
            TOOK => return figure_cell(out, rule.took, Severity::None, took),
            AGE => {
                let age = rule.evaluated_at.map(|at| time::between(at, row.as_of()));
                return figure_cell(out, age, Severity::None, figure::coarse_age);
            }
            GROUP => out.push_str(&rule.group),
            SOURCE => out.push_str(row.feed.id.name()),
            _ if rule.fails() => {
                out.push_str(&rule.error);
                return rule.judge().into();
            }
            _ => {
                out.push_str(&rule.query);
                return Role::Muted;
            }
        }
        Role::Text
    }

    const LABELLED: bool = true;

    /// The labels that it adds, and for an alerting rule the name of its alerts.
    fn has_labels(row: Row<'_, Rule>, matchers: &Matchers) -> bool {
        let rule = row.item;
        matchers.hold_for(|name| match name {
            "alertname" if rule.alerting => Some(rule.name.as_str()),
            name => rule.labels.get(name).map(String::as_str),
        })
    }

    fn haystack(row: Row<'_, Rule>, out: &mut String) {
        let rule = row.item;
        let kind = if rule.alerting { "alerting" } else { "recording" };
        let _ = write!(out, "{} {kind} {} {} {} {}", rule.name, rule.group, rule.health, rule.query, rule.error);
        alerts(rule, out);
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let all = || cx.store.alert_reports().flat_map(|(_, report)| &report.rules);
        let figures = [
            (all().filter(|rule| rule.fails()).count(), "failing"),
            (all().filter(|rule| rule.firing > 0).count(), "firing"),
            (counts.total(), "in all"),
        ];
        super::alerting::figures(&figures, out);
    }

    fn fields(row: Row<'_, Rule>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Rule>) -> Vec<Section> {
        let rule = row.item;
        let mut sections = vec![Section::Facts(facts(rule, row))];
        if !rule.error.is_empty() {
            sections.push(Section::Text { title: "why it fails".to_owned(), text: rule.error.clone() });
        }
        sections.push(Section::Text { title: "expression".to_owned(), text: rule.query.clone() });
        if !rule.fails() {
            sections.push(Section::Chart(chart(rule, row)));
        }
        let made: Vec<Link> =
            row.cx.store.all_alerts().filter(|alert| rule.made(alert)).map(|alert| alert_link(alert)).collect();
        sections.extend(links("its alerts", made));
        let labels = rule.labels.iter().map(|(name, value)| (format!("label {name}"), value.clone()));
        sections.extend((!rule.labels.is_empty()).then(|| Section::Facts(labels.collect())));
        sections
    }
}

fn alerts(rule: &Rule, out: &mut String) -> Role {
    match (rule.alerting, rule.firing, rule.pending) {
        (false, ..) => out.push_str("records"),
        (true, 0, 0) => return figure_cell(out, None::<()>, Severity::None, |_, ()| {}),
        (true, 0, pending) => {
            let _ = write!(out, "{pending} pending");
        }
        (true, firing, _) => {
            let _ = write!(out, "{firing} firing");
            return Severity::Warning.into();
        }
    }
    Role::Muted
}

/// Evaluations take milliseconds, where all is well.
fn took(out: &mut String, took: Duration) {
    let millis = took.as_secs_f64() * 1000.0;
    if millis < 1000.0 {
        let _ = write!(out, "{millis:.1}ms");
    } else {
        figure::age(out, took);
    }
}

fn facts(rule: &Rule, row: Row<'_, Rule>) -> Vec<(String, String)> {
    let unknown = || "not known".to_owned();
    let kind = if rule.alerting { "alerting" } else { "recording" };
    let mut facts = vec![
        ("health", format!("{}, {kind} rule", if rule.health.is_empty() { "unknown" } else { &rule.health })),
        ("group", rule.group.clone()),
        ("source", row.feed.id.to_string()),
        ("evaluated", rule.evaluated_at.map_or_else(unknown, |at| format!("{at:.0}"))),
        ("that took", rule.took.map_or_else(unknown, |time| figure::text(|out| took(out, time)))),
    ];
    if rule.alerting {
        facts.push(("for", figure::text(|out| figure::age(out, rule.hold))));
        facts.push(("alerts", format!("{} firing, {} pending", rule.firing, rule.pending)));
    }
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

fn chart(rule: &Rule, row: Row<'_, Rule>) -> Chart {
    let watched = watched(&rule.query);
    let source = SourceId::new(row.feed.id.kind(), row.feed.id.name());
    Chart {
        title: watched.value.to_owned(),
        span: BACK,
        limit: watched.limit,
        asks: Some(Inquiry::Range { source, query: watched.value.into(), back: BACK }),
        ..Chart::default()
    }
}
