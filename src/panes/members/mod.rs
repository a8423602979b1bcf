//! The Alertmanagers: how each is, how it stands in its cluster, what it has, and what it lacks that others have.

use super::alerting::{is_entry, report, several, tells_silences};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Member, Severity, Subject, ThingId, time};
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
    title: "Alertmanagers",
    doc: "members of Alertmanager's clusters: how each is, what it has, and what it lacks that others have",
    scope: Scope::Alerts,
    action: Action::Members,
    subject: Some(Subject::Alerts),
    beside: false,
    make: || Box::new(DataPane::<Members>::default()),
};

const ADDRESS: usize = 0;
const STATE: usize = 1;
const ALERTS: usize = 2;
const SILENCES: usize = 3;
const LACKS: usize = 4;
const PLACE: usize = 5;
const PEERS: usize = 6;
const UP: usize = 7;
const ANSWER: usize = 8;
const VERSION: usize = 9;
const NAME: usize = 10;
const SOURCE: usize = 11;

/// The table.
pub struct Members;

impl Tabular for Members {
    type Item = Member;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (None, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("ADDRESS", 22, 2, 9),
        Column::text("STATE", 9, 0, 9),
        Column::figure("ALERTS", 6, 8),
        Column::figure("SILENCES", 8, 8),
        Column::text("LACKS", 19, 0, 8).of(Measure::Number),
        Column::figure("PLACE", 5, 6),
        Column::figure("PEERS", 5, 6),
        Column::figure("UP", 5, 5).of(Measure::Time),
        Column::figure("ANSWER", 6, 5).of(Measure::Time),
        Column::text("VERSION", 8, 1, 4),
        Column::text("NAME", 10, 1, 2),
        Column::text("SOURCE", 10, 1, 3),
        Column::text("WHY", 16, 5, 7),
    ];
    const NONE: &'static str = "asked, and no member is known yet";
    const NOBODY: &'static str = "no Alertmanager is among the sources: write its address as [alertmanager.NAME]";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != SOURCE || several(cx, tells_silences)
    }

    fn concerns(feed: &Feed) -> bool {
        tells_silences(feed)
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Member] {
        report(feed).map_or(&[], |report| &report.members)
    }

    fn id(row: Row<'_, Member>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: row.item.key().into() }
    }

    fn is(row: Row<'_, Member>, id: &ThingId) -> bool {
        is_entry(id, row.feed, |key| key.strip_prefix("member/") == Some(&row.item.address))
    }

    fn name(row: Row<'_, Member>, out: &mut String) {
        out.push_str(&row.item.address);
    }

    fn severity(row: Row<'_, Member>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, Member>, b: Row<'_, Member>) -> Ordering {
        let (source, a, b) = (a.feed.id.cmp(&b.feed.id), a.item, b.item);
        let address = || source.then_with(|| a.address.cmp(&b.address));
        match column {
            ADDRESS => address(),
            STATE => state(a).cmp(state(b)).then_with(address),
            ALERTS => a.alerts.cmp(&b.alerts).then_with(address),
            SILENCES => a.silences.cmp(&b.silences).then_with(address),
            LACKS => (a.lacks_silences, a.lacks_alerts).cmp(&(b.lacks_silences, b.lacks_alerts)).then_with(address),
            PLACE => a.position.cmp(&b.position).then_with(address),
            PEERS => a.peers.cmp(&b.peers).then_with(address),
            UP => b.started_at.cmp(&a.started_at).then_with(address),
            ANSWER => b.answered_at.cmp(&a.answered_at).then_with(address),
            VERSION => a.version.cmp(&b.version).then_with(address),
            NAME => a.name.cmp(&b.name).then_with(address),
            SOURCE => address(),
            _ => a.why.cmp(&b.why).then_with(address),
        }
    }

    fn cell(column: usize, row: Row<'_, Member>, out: &mut String) -> Role {
        let member = row.item;
        let since = |at: Option<jiff::Timestamp>| at.map(|at| time::between(at, row.as_of()));
        match column {
            ADDRESS => out.push_str(&member.address),
            STATE => {
                out.push_str(state(member));
                return member.judge().into();
            }
            ALERTS => return count(member.alerts, out),
            SILENCES => return count(member.silences, out),
            LACKS => return lacks(member, out),
            PLACE => return count(member.position, out),
            PEERS => return count(member.peers, out),
            UP => return figure_cell(out, since(member.started_at), Severity::None, figure::age),
            ANSWER => return figure_cell(out, since(member.answered_at), Severity::None, figure::coarse_age),
            VERSION => out.push_str(&member.version),
            NAME => {
                out.push_str(&member.name);
                return Role::Muted;
            }
            SOURCE => out.push_str(row.feed.id.name()),
            _ => {
                out.push_str(&member.why);
                return if member.up || member.unasked { Role::Muted } else { member.judge().into() };
            }
        }
        Role::Text
    }

    fn haystack(row: Row<'_, Member>, out: &mut String) {
        let Member { address, name, version, why, .. } = row.item;
        let _ = write!(out, "{address} {} {name} {version} {why} {}", state(row.item), row.feed.id);
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let all = || cx.store.about(Subject::Alerts).filter(|feed| tells_silences(feed)).filter_map(report);
        let all = || all().flat_map(|report| &report.members);
        let figures = [
            (all().filter(|member| !member.up && !member.unasked).count(), "down"),
            (all().filter(|member| member.lacks_alerts + member.lacks_silences > 0).count(), "lacking"),
            (all().filter(|member| member.unasked).count(), "not asked"),
            (counts.total(), "in all"),
        ];
        super::alerting::figures(&figures, out);
    }

    fn details(row: Row<'_, Member>) -> Vec<Section> {
        let told = report(row.feed).into_iter().flat_map(|report| &report.troubles);
        let own = told.filter(|trouble| trouble.what.contains(&row.item.address));
        let troubles = own.map(|trouble| Section::Text {
            title: "what is wrong".to_owned(),
            text: format!("{}\n→ {}", trouble.what, trouble.hint),
        });
        std::iter::once(Section::Facts(facts(row))).chain(troubles).collect()
    }
}

fn state(member: &Member) -> &str {
    match (member.unasked, member.up) {
        (true, _) => "not asked",
        (false, false) => "down",
        (false, true) if member.cluster.is_empty() => "up",
        (false, true) if member.cluster == "disabled" => "alone",
        (false, true) => &member.cluster,
    }
}

fn count(count: Option<u32>, out: &mut String) -> Role {
    figure_cell(out, count, Severity::None, |out, count| {
        let _ = write!(out, "{count}");
    })
}

fn lacks(member: &Member, out: &mut String) -> Role {
    if member.alerts.is_none() {
        out.push('—');
        return Role::Faint;
    }
    let parts = [(member.lacks_silences, "silence"), (member.lacks_alerts, "alert")];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let gap = if out.is_empty() { "" } else { ", " };
        let plural = if count == 1 { "" } else { "s" };
        let _ = write!(out, "{gap}{count} {what}{plural}");
    }
    if member.lacks_alerts + member.lacks_silences > 0 {
        return Severity::Warning.into();
    }
    out.push_str("nothing");
    Role::Muted
}

fn facts(row: Row<'_, Member>) -> Vec<(String, String)> {
    let member = row.item;
    let unknown = || "not known".to_owned();
    let number = |count: Option<u32>| count.map_or_else(unknown, |count| count.to_string());
    let moment = |at: Option<jiff::Timestamp>| at.map_or_else(unknown, |at| format!("{at:.0}"));
    let place = member.position.map_or_else(unknown, |place| match place {
        0 => "0: the first, which notifies at once".to_owned(),
        place => format!("{place}: it notifies only when those before it did not in time"),
    });
    let mut facts = vec![
        ("state", state(member).to_owned()),
        ("why", member.why.clone()),
        ("name", member.name.clone()),
        ("version", member.version.clone()),
        ("started", moment(member.started_at)),
        ("last answer", moment(member.answered_at)),
        ("place in the cluster", place),
        ("members it knows", number(member.peers)),
        ("alerts it has", number(member.alerts)),
        ("silences it has", number(member.silences)),
        (
            "lacks",
            figure::text(|out| {
                lacks(member, out);
            }),
        ),
        ("source", row.feed.id.to_string()),
    ];
    facts.extend(notified_by(row).map(|names| ("notified by", names)));
    facts.retain(|(_, text)| !text.is_empty());
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

/// The Prometheus servers that say that they send alerts to this address.
fn notified_by(row: Row<'_, Member>) -> Option<String> {
    let sends = |feed: &&Feed| {
        let members = report(feed).into_iter().flat_map(|report| &report.members);
        feed.id != row.feed.id && members.into_iter().any(|told| told.up && told.address == row.item.address)
    };
    let names: Vec<String> =
        row.cx.store.about(Subject::Alerts).filter(sends).map(|feed| feed.id.name().to_owned()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
