//! What Prometheus scrapes: what is down first, and why.

use super::alerting::{gaps, is_entry, lacks, links, report, server_link, several, tells_rules};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, Link, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Matchers, Severity, Subject, Target, ThingId, Topic, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Targets",
    doc: "what Prometheus scrapes: what is down, and why",
    scope: Scope::Alerts,
    action: Action::Targets,
    subject: Some(Subject::Alerts),
    beside: false,
    make: || Box::new(DataPane::<Targets>::default()),
};

const NAME: usize = 0;
const HEALTH: usize = 1;
const POOL: usize = 2;
const AGE: usize = 3;
const TOOK: usize = 4;
const SOURCE: usize = 5;

/// The table.
pub struct Targets;

impl Tabular for Targets {
    type Item = Target;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (None, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("TARGET", 20, 2, 9),
        Column::text("HEALTH", 7, 0, 9),
        Column::text("POOL", 12, 1, 8),
        Column::figure("AGE", 5, 6).of(Measure::Time),
        Column::figure("TOOK", 6, 5).of(Measure::Time),
        Column::text("SOURCE", 10, 1, 3),
        Column::text("WHY, OR WHERE", 20, 5, 7),
    ];
    const NONE: &'static str = "asked, and nothing is scraped";
    const NOBODY: &'static str =
        "targets are a Prometheus', and none tells them: write its address as [prometheus.NAME]";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != SOURCE || several(cx, tells_rules)
    }

    fn concerns(feed: &Feed) -> bool {
        tells_rules(feed)
    }

    fn lacks(feed: &Feed) -> bool {
        lacks(feed, Topic::Targets)
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        gaps(cx, Topic::Targets, out);
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Target] {
        report(feed).map_or(&[], |report| &report.targets)
    }

    fn id(row: Row<'_, Target>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: row.item.key().into() }
    }

    fn is(row: Row<'_, Target>, id: &ThingId) -> bool {
        let target = row.item;
        is_entry(id, row.feed, |key| {
            let rest = key.strip_prefix("target/").and_then(|rest| rest.strip_prefix(target.pool.as_str()));
            rest.and_then(|rest| rest.strip_prefix('/')) == Some(&target.url)
        })
    }

    fn name(row: Row<'_, Target>, out: &mut String) {
        out.push_str(row.item.name());
    }

    fn severity(row: Row<'_, Target>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, Target>, b: Row<'_, Target>) -> Ordering {
        let (a, b) = (a.item, b.item);
        let name = || a.name().cmp(b.name()).then_with(|| a.pool.cmp(&b.pool)).then_with(|| a.url.cmp(&b.url));
        match column {
            NAME => name(),
            HEALTH => a.judge().cmp(&b.judge()).then_with(name),
            POOL => a.pool.cmp(&b.pool).then_with(name),
            AGE => b.scraped_at.cmp(&a.scraped_at).then_with(name),
            TOOK => a.took.cmp(&b.took).then_with(name),
            _ => a.error.cmp(&b.error).then_with(name),
        }
    }

    fn cell(column: usize, row: Row<'_, Target>, out: &mut String) -> Role {
        let target = row.item;
        match column {
            NAME => out.push_str(target.name()),
            HEALTH => {
                out.push_str(if target.health.is_empty() { "unknown" } else { &target.health });
                return target.judge().into();
            }
            POOL => out.push_str(&target.pool),
            AGE => {
                let age = target.scraped_at.map(|at| time::between(at, row.as_of()));
                return figure_cell(out, age, Severity::None, figure::coarse_age);
            }
            TOOK => {
                return figure_cell(out, target.took, Severity::None, |out, took| {
                    let _ = write!(out, "{:.0}ms", took.as_secs_f64() * 1000.0);
                });
            }
            SOURCE => out.push_str(row.feed.id.name()),
            _ if target.error.is_empty() => {
                out.push_str(&target.url);
                return Role::Muted;
            }
            _ => {
                out.push_str(brief(&target.error));
                return target.judge().into();
            }
        }
        Role::Text
    }

    const LABELLED: bool = true;

    fn has_labels(row: Row<'_, Target>, matchers: &Matchers) -> bool {
        matchers.hold(&row.item.labels)
    }

    fn haystack(row: Row<'_, Target>, out: &mut String) {
        let target = row.item;
        let _ = write!(out, "{} {} {} {} {}", target.name(), target.health, target.pool, target.url, target.error);
        for (name, value) in &target.labels {
            let _ = write!(out, " {name}={value}");
        }
    }

    fn summary(_: &Cx<'_>, counts: &Counts, out: &mut String) {
        let figures = [
            (counts.of(Severity::Critical), "down"),
            (counts.of(Severity::Unknown), "unknown"),
            (counts.of(Severity::Ok), "up"),
        ];
        super::alerting::figures(&figures, out);
    }

    fn fields(row: Row<'_, Target>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Target>) -> Vec<Section> {
        let target = row.item;
        let server: Vec<Link> = server_link(target, row.cx).into_iter().collect();
        let labels = target.labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())).collect();
        let mut sections = vec![Section::Facts(facts(target, row))];
        if !target.error.is_empty() {
            sections.push(Section::Text { title: "why the last scrape failed".to_owned(), text: target.error.clone() });
        }
        sections.extend(links("server", server));
        sections.push(Section::Facts(labels));
        sections
    }
}

/// Without the address that was asked, which stands in front of most errors and is known.
fn brief(error: &str) -> &str {
    error.strip_prefix("Get \"").and_then(|rest| rest.split_once("\": ")).map_or(error, |(_, why)| why)
}

fn facts(target: &Target, row: Row<'_, Target>) -> Vec<(String, String)> {
    let unknown = || "not known".to_owned();
    let took = |took: std::time::Duration| format!("{:.1} ms", took.as_secs_f64() * 1000.0);
    let facts = [
        ("health", if target.health.is_empty() { "unknown".to_owned() } else { target.health.clone() }),
        ("address", target.url.clone()),
        ("pool", target.pool.clone()),
        ("scraped", target.scraped_at.map_or_else(unknown, |at| format!("{at:.0}"))),
        ("that took", target.took.map_or_else(unknown, took)),
        ("source", row.feed.id.to_string()),
    ];
    facts.map(|(label, text)| (label.to_owned(), text)).into()
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn what_went_wrong_stands_first() {
        let error = "Get \"http://127.0.0.1:1/metrics\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert_eq!(brief(error), "dial tcp 127.0.0.1:1: connect: connection refused");
        assert_eq!(brief("server returned HTTP status 500"), "server returned HTTP status 500");
        assert_eq!(brief("Get \""), "Get \"");
    }
}
