//! Alerts: what fires, what is about to, and what nobody is told of.

use super::table::{Counts, Tabular, figure_cell, figures};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Alert, AlertState, Severity, Subject, ThingId, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use std::cmp::Ordering;
use std::fmt::Write;

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

/// The table.
pub struct Alerts;

impl Tabular for Alerts {
    type Item = Alert;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("ALERT", 18, 2, 9),
        Column::text("ON", 12, 2, 6),
        Column::text("STATE", 9, 0, 9),
        Column::text("SEVERITY", 8, 0, 8),
        Column::figure("FOR", 5, 7),
        Column::figure("VALUE", 7, 2),
        Column::text("SUMMARY", 16, 6, 3),
    ];
    const NONE: &'static str = "asked, and no alert is firing or pending";

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [Alert] {
        store.alerts(feed)
    }

    fn id(row: Row<'_, Alert>) -> ThingId {
        ThingId::Alert { fingerprint: row.item.fingerprint.clone() }
    }

    fn name(row: Row<'_, Alert>, out: &mut String) {
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, Alert>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, Alert>, b: Row<'_, Alert>) -> Ordering {
        let (a, b) = (a.item, b.item);
        let name = || a.name.cmp(&b.name).then_with(|| a.fingerprint.cmp(&b.fingerprint));
        match column {
            NAME => name(),
            TARGET => a.target().cmp(b.target()).then_with(name),
            STATE => a.state.cmp(&b.state).then_with(name),
            SEVERITY => a.severity.cmp(&b.severity).then_with(name),
            FOR => b.active_at.cmp(&a.active_at).then_with(name),
            VALUE => figures(a.value, b.value).then_with(name),
            _ => summary(a).cmp(summary(b)).then_with(name),
        }
    }

    /// Firing, then pending, then silenced; of these the worst rule first, then the newest.
    fn natural(a: Row<'_, Alert>, b: Row<'_, Alert>) -> Ordering {
        let key = |alert: &Alert| (alert.state, alert.severity, alert.active_at);
        key(b.item)
            .cmp(&key(a.item))
            .then_with(|| a.item.name.cmp(&b.item.name))
            .then_with(|| a.item.fingerprint.cmp(&b.item.fingerprint))
    }

    fn cell(column: usize, row: Row<'_, Alert>, out: &mut String) -> Role {
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
                out.push_str(state(alert));
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
            _ => {
                out.push_str(summary(alert));
                Role::Muted
            }
        }
    }

    fn haystack(row: Row<'_, Alert>, out: &mut String) {
        let alert = row.item;
        let _ = write!(out, "{} {} {} {}", alert.name, state(alert), alert.severity.word(), summary(alert));
        for (name, value) in &alert.labels {
            let _ = write!(out, " {name}={value}");
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let all = || cx.store.about(Subject::Alerts).flat_map(|feed| cx.store.alerts(feed));
        let number = |state: AlertState| all().filter(|alert| alert.state == state).count();
        let (pending, quiet) = (number(AlertState::Pending), number(AlertState::Suppressed));
        let loud = counts.of(Severity::Critical) + counts.of(Severity::Warning);
        let figures = [
            (counts.of(Severity::Critical), "critical"),
            (counts.of(Severity::Warning), "warning"),
            (number(AlertState::Firing).saturating_sub(loud), "info"),
            (pending, "pending"),
            (quiet, "silenced"),
        ];
        let shown = figures.iter().filter(|(count, _)| *count > 0);
        for (index, (count, word)) in shown.enumerate() {
            let gap = if index > 0 { "  " } else { "" };
            let _ = write!(out, "{gap}{count} {word}");
        }
        if counts.total() == 0 {
            out.push_str("none");
        }
    }

    fn details(row: Row<'_, Alert>) -> Vec<Section> {
        let alert = row.item;
        let mut facts = vec![
            ("source".to_owned(), row.feed.id.to_string()),
            ("state".to_owned(), format!("{}, severity {}", state(alert), alert.severity.word())),
            ("since".to_owned(), alert.active_at.map_or_else(|| "not known".into(), |at| format!("{at:.0}"))),
            (
                "value".to_owned(),
                alert.value.map_or_else(
                    || "not known (Alertmanager does not say)".into(),
                    |v| figure::text(|out| figure::number(out, v)),
                ),
            ),
        ];
        for silence in &alert.silenced_by {
            let text = format!("by {}: {} (until {:.0})", silence.created_by, silence.comment, silence.ends_at);
            facts.push(("silenced".to_owned(), text));
        }
        for inhibitor in &alert.inhibited_by {
            facts.push(("inhibited by".to_owned(), inhibited_by(row, inhibitor)));
        }
        facts.extend(alert.annotations.iter().map(|(name, text)| (name.clone(), text.clone())));
        facts.extend(alert.labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())));
        facts.push(("fingerprint".to_owned(), alert.fingerprint.to_string()));
        vec![Section::Facts(facts)]
    }
}

/// The inhibiting alert's name where it is known.
fn inhibited_by(row: Row<'_, Alert>, fingerprint: &str) -> String {
    let store = row.cx.store;
    let known = store
        .about(Subject::Alerts)
        .flat_map(|feed| store.alerts(feed))
        .find(|alert| &*alert.fingerprint == fingerprint);
    known.map_or_else(|| fingerprint.to_owned(), |alert| format!("{} ({fingerprint})", alert.name))
}

fn state(alert: &Alert) -> &'static str {
    let inhibited =
        alert.state == AlertState::Suppressed && alert.silenced_by.is_empty() && !alert.inhibited_by.is_empty();
    if inhibited { "inhibited" } else { alert.state.word() }
}

fn summary(alert: &Alert) -> &str {
    let of = |name: &str| alert.annotations.get(name).map(String::as_str);
    of("summary").or_else(|| of("description")).or_else(|| of("message")).unwrap_or_default()
}
