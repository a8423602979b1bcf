//! Alerts: what fires, what is about to, and what nobody is told of. Above them stands what is wrong with alerting itself.

mod details;
mod past;

use super::alerting::{alert_figures, tells_rules, tells_silences, unheard};
use super::grouping::Group;
use super::table::{Counts, Tabular, figure_cell, figures, push_words};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Alert, AlertState, Matchers, Severity, Subject, ThingId, Trouble, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use crate::widgets::typed::Told;
use std::cmp::{Ordering, Reverse};
use std::fmt::Write;
use std::sync::Arc;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(3),
    title: "Alerts",
    doc: "alerts of Prometheus and Alertmanager: firing, pending, silenced",
    scope: Scope::Alerts,
    action: Action::Alerts,
    subject: Some(Subject::Alerts),
    beside: true,
    make: || Box::new(DataPane::<Alerts>::default()),
};

const NAME: usize = 0;
const TARGET: usize = 1;
const STATE: usize = 2;
const SEVERITY: usize = 3;
const FOR: usize = 4;
const VALUE: usize = 5;
const BY: usize = 6;

/// The table.
pub struct Alerts;

impl Tabular for Alerts {
    type Item = Arc<Alert>;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("ALERT", 18, 2, 9),
        // An address with its port: cut, it names nothing.
        Column::text("ON", 17, 2, 6),
        Column::text("STATE", 9, 0, 9),
        Column::text("SEVERITY", 8, 0, 8),
        Column::figure("FOR", 5, 7).of(Measure::Time),
        Column::figure("VALUE", 7, 2).of(Measure::Any),
        Column::text("BY", 14, 2, 3),
        Column::text("SUMMARY", 12, 6, 4),
    ];
    const GROUPED_BY: Option<&'static str> = Some("name");
    const NONE: &'static str = "asked, and no alert is firing or pending";
    const NOBODY: &'static str = "whether any alert is firing or pending is not known: no source tells it just now";

    /// Rules are no answer about alerts, and one that failed since is none about those of now.
    fn lacks(feed: &Feed) -> bool {
        tells_rules(feed) || feed.error.is_some()
    }

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != BY || cx.store.all_alerts().any(|alert| alert.state == AlertState::Suppressed)
    }

    /// Troubles are no alerts: nobody sent them, and none can be silenced.
    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        // Both of a pair say the same of the same rules.
        let mut told: Vec<(String, &Trouble)> = Vec::new();
        for (feed, trouble) in troubles(cx) {
            let name = format!("{}/{}", feed.id.kind(), feed.id.name());
            match told.iter_mut().find(|(_, known)| *known == trouble) {
                Some((names, _)) => {
                    let _ = write!(names, ", {name}");
                }
                None => told.push((name, trouble)),
            }
        }
        told.sort_by_key(|(_, trouble)| Reverse(trouble.severity));
        let line = |(names, trouble): (String, &Trouble)| format!("{names}: {} ({})", trouble.what, trouble.hint);
        out.extend(told.into_iter().map(|told| (told.1.severity, line(told))));
        out.extend(silences_unknown(cx).map(|text| (Severity::Warning, text)));
    }

    /// By name: where an alert fires for many things it is one matter.
    fn group(row: Row<'_, Arc<Alert>>) -> Option<Group<'_>> {
        Some((&row.item.name, ""))
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [Arc<Alert>] {
        store.alerts(feed)
    }

    fn id(row: Row<'_, Arc<Alert>>) -> ThingId {
        ThingId::Alert { fingerprint: row.item.fingerprint.clone() }
    }

    fn name(row: Row<'_, Arc<Alert>>, out: &mut String) {
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, Arc<Alert>>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, Arc<Alert>>, b: Row<'_, Arc<Alert>>) -> Ordering {
        let (a, b) = (a.item, b.item);
        let name = || a.name.cmp(&b.name).then_with(|| a.fingerprint.cmp(&b.fingerprint));
        match column {
            NAME => name(),
            TARGET => a.target().cmp(b.target()).then_with(name),
            STATE => a.state.cmp(&b.state).then_with(name),
            SEVERITY => a.severity.cmp(&b.severity).then_with(name),
            FOR => b.active_at.cmp(&a.active_at).then_with(name),
            VALUE => figures(a.value, b.value).then_with(name),
            BY => a.word().cmp(b.word()).then_with(name),
            _ => a.summary().cmp(b.summary()).then_with(name),
        }
    }

    /// Firing, then pending, then what asks for nothing (a watchdog), then silenced; of these the worst rule first, then the newest.
    fn natural(a: Row<'_, Arc<Alert>>, b: Row<'_, Arc<Alert>>) -> Ordering {
        let key = |alert: &Alert| {
            let asks = alert.severity > Severity::Info && alert.state != AlertState::Suppressed;
            (asks, alert.state, alert.severity, alert.active_at)
        };
        key(b.item)
            .cmp(&key(a.item))
            .then_with(|| a.item.name.cmp(&b.item.name))
            .then_with(|| a.item.fingerprint.cmp(&b.item.fingerprint))
    }

    fn cell(column: usize, row: Row<'_, Arc<Alert>>, out: &mut String) -> Role {
        let alert = row.item;
        match column {
            NAME => {
                out.push_str(&alert.name);
                Role::Text
            }
            TARGET => {
                out.push_str(alert.target());
                Role::Text
            }
            STATE => {
                out.push_str(alert.word());
                if alert.state == AlertState::Firing { alert.severity.into() } else { Role::Muted }
            }
            SEVERITY => {
                out.push_str(alert.severity.word());
                if alert.state == AlertState::Firing { alert.severity.into() } else { Role::Muted }
            }
            FOR => {
                let age = alert.active_at.map(|at| time::between(at, row.as_of()));
                figure_cell(out, age, Severity::None, figure::age)
            }
            VALUE => figure_cell(out, alert.value, Severity::None, figure::number),
            BY => {
                alert.write_by(out);
                Role::Muted
            }
            _ => {
                out.push_str(alert.summary());
                Role::Muted
            }
        }
    }

    const SYNONYMS: &'static [(&'static str, usize)] = &[("name", NAME), ("target", TARGET), ("age", FOR)];

    fn told(column: usize, row: Row<'_, Arc<Alert>>) -> Told {
        match column {
            FOR => Told::Figure(row.item.active_at.map(|at| time::between(at, row.as_of()).as_secs_f64())),
            VALUE => Told::Figure(row.item.value),
            _ => Told::Written,
        }
    }

    const LABELLED: bool = true;

    fn has_labels(row: Row<'_, Arc<Alert>>, matchers: &Matchers) -> bool {
        matchers.hold(&row.item.labels)
    }

    fn haystack(row: Row<'_, Arc<Alert>>, out: &mut String) {
        let alert = row.item;
        push_words(out, [alert.name.as_str(), alert.word(), alert.severity.word(), alert.summary(), ""]);
        alert.write_by(out);
        for (name, value) in &alert.labels {
            push_words(out, [name.as_str()]);
            out.push('=');
            out.push_str(value);
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let mut words =
            [("firing", 0), ("pending", 0), ("silenced", 0), ("inhibited", 0), ("muted", 0), ("suppressed", 0)];
        for alert in cx.store.all_alerts() {
            let word = alert.word();
            words.iter_mut().filter(|(known, _)| *known == word).for_each(|(_, count)| *count += 1);
        }
        let [firing, pending, silenced, inhibited, muted, suppressed] = words.map(|(_, count)| count);
        let loud = counts.of(Severity::Critical) + counts.of(Severity::Warning);
        let figures = [
            (troubles(cx).count(), "broken"),
            (counts.of(Severity::Critical), "critical"),
            (counts.of(Severity::Warning), "warning"),
            (usize::saturating_sub(firing, loud), "info"),
            (pending, "pending"),
            (silenced, "silenced"),
            (inhibited, "inhibited"),
            (muted + suppressed, "muted"),
        ];
        alert_figures(cx, &figures, out);
    }

    fn fields(row: Row<'_, Arc<Alert>>) -> serde_json::Value {
        super::table::fields(row, &**row.item)
    }

    fn details(row: Row<'_, Arc<Alert>>) -> Vec<Section> {
        details::of(row)
    }
}

/// Others than the Alertmanagers tell of alerts, which may be silenced there.
fn silences_unknown(cx: &Cx<'_>) -> Option<String> {
    let others = |feed: &Feed| feed.good.is_some() && !tells_rules(feed) && !tells_silences(feed);
    let names = unheard(cx).filter(|_| cx.store.about(Subject::Alerts).any(others))?;
    Some(format!("silences of {names} are not known just now: an alert shown as firing may be silenced there"))
}

/// What is wrong with alerting itself, by those who say so.
fn troubles<'a>(cx: &'a Cx<'_>) -> impl Iterator<Item = (&'a Feed, &'a Trouble)> {
    cx.store.alert_reports().flat_map(|(feed, report)| report.troubles.iter().map(move |trouble| (feed, trouble)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::grid;

    /// Four panes on 160 cells, or one on 80: names and addresses of every length that is usual.
    #[test]
    fn an_address_with_its_port_is_whole_in_eighty_cells() {
        for alert in [8, 18, 30] {
            for on in [5, 14, 17] {
                let needs = [alert, on, 7, 8, 3, 0, 0, 60];
                let mut slots = Vec::new();
                grid::place_to_fit(Alerts::COLUMNS, 0..8, |column| column != BY, 78, &needs, &mut slots);
                let width = |column| slots.iter().find(|slot| slot.column == column).map_or(0, |slot| slot.width);
                assert!(width(TARGET) >= on, "{alert} {on}: {slots:?}");
                assert!(width(STATE) > 0 && width(SEVERITY) > 0 && width(FOR) > 0, "{alert} {on}: {slots:?}");
                assert!(width(7) > 0, "the summary went: {alert} {on}: {slots:?}");
            }
        }
    }
}
