//! Silences: who keeps what quiet, why, and for how long. One that hides nothing and one about to end are pointed out.

use super::alerting::{alert_link, gaps, is_entry, lacks, links, report, several, tells_silences};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, Link, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Alert, AlertState, Matchers, Severity, Silence, SilenceState, Subject, ThingId, Topic, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Silences",
    doc: "silences of Alertmanager: who, why, how long, and what they hide",
    scope: Scope::Alerts,
    action: Action::Silences,
    subject: Some(Subject::Alerts),
    beside: false,
    make: || Box::new(DataPane::<Silences>::default()),
};

const WHO: usize = 0;
const STATE: usize = 1;
const LEFT: usize = 2;
const HIDES: usize = 3;
const WHY: usize = 4;
const SOURCE: usize = 6;

/// The table.
pub struct Silences;

impl Tabular for Silences {
    type Item = Silence;
    const SUBJECT: Subject = Subject::Alerts;
    const TITLE: (Option<u8>, &'static str) = (None, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("BY", 10, 1, 9),
        Column::text("STATE", 9, 0, 9),
        Column::figure("LEFT", 6, 9).of(Measure::Time),
        Column::figure("HIDES", 7, 9),
        Column::text("WHY", 20, 3, 7),
        Column::text("SILENCES", 20, 4, 9),
        Column::text("SOURCE", 10, 1, 3),
    ];
    const NONE: &'static str = "asked, and there is no silence";
    const NOBODY: &'static str =
        "silences are an Alertmanager's, and none tells them: write its address as [alertmanager.NAME]";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != SOURCE || several(cx, tells_silences)
    }

    fn concerns(feed: &Feed) -> bool {
        tells_silences(feed)
    }

    fn lacks(feed: &Feed) -> bool {
        lacks(feed, Topic::Silences)
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        gaps(cx, Topic::Silences, out);
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Silence] {
        report(feed).map_or(&[], |report| &report.silences)
    }

    fn id(row: Row<'_, Silence>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: row.item.key().into() }
    }

    fn is(row: Row<'_, Silence>, id: &ThingId) -> bool {
        is_entry(id, row.feed, |key| key.strip_prefix("silence/") == Some(&row.item.id))
    }

    fn name(row: Row<'_, Silence>, out: &mut String) {
        let _ = write!(out, "silence of {}: ", row.item.created_by);
        row.item.write_matchers(out);
    }

    fn severity(row: Row<'_, Silence>) -> Severity {
        row.item.judge(row.cx.now.wall)
    }

    fn order(column: usize, a: Row<'_, Silence>, b: Row<'_, Silence>) -> Ordering {
        let now = a.cx.now.wall;
        let (a, b) = (a.item, b.item);
        let soonest = || a.ends_at.cmp(&b.ends_at).then_with(|| a.id.cmp(&b.id));
        match column {
            WHO => a.created_by.cmp(&b.created_by).then_with(soonest),
            STATE => a.state_at(now).cmp(&b.state_at(now)).then_with(soonest),
            LEFT => soonest(),
            HIDES => a.silences.len().cmp(&b.silences.len()).then_with(soonest),
            WHY => a.comment.cmp(&b.comment).then_with(soonest),
            _ => first_matcher(a).cmp(&first_matcher(b)).then_with(soonest),
        }
    }

    /// In force, then to come, then over; of these what ends (or ended) nearest to now.
    fn natural(a: Row<'_, Silence>, b: Row<'_, Silence>) -> Ordering {
        let now = a.cx.now.wall;
        let state = b.item.state_at(now).cmp(&a.item.state_at(now));
        let ends = a.item.ends_at.cmp(&b.item.ends_at);
        let is_over = a.item.state_at(now) == SilenceState::Expired;
        state.then(if is_over { ends.reverse() } else { ends }).then_with(|| a.item.id.cmp(&b.item.id))
    }

    fn cell(column: usize, row: Row<'_, Silence>, out: &mut String) -> Role {
        let (silence, now) = (row.item, row.cx.now.wall);
        let quiet = if silence.state_at(now) == SilenceState::Active { Role::Text } else { Role::Muted };
        match column {
            WHO => out.push_str(&silence.created_by),
            STATE => out.push_str(silence.state_at(now).word()),
            LEFT => return left(silence, row, out),
            HIDES => return hides(silence, row, out),
            WHY => out.push_str(&silence.comment),
            SOURCE => out.push_str(row.feed.id.name()),
            _ => silence.write_matchers(out),
        }
        quiet
    }

    const LABELLED: bool = true;

    /// What its own matchers ask for, as `amtool silence query` has it: of `service=~"a|b"` the value of `service` is `a|b`.
    fn has_labels(row: Row<'_, Silence>, matchers: &Matchers) -> bool {
        let own = &row.item.matchers;
        matchers.hold_for(|name| own.iter().find(|matcher| matcher.name == name).map(|matcher| matcher.value.as_str()))
    }

    fn haystack(row: Row<'_, Silence>, out: &mut String) {
        let silence = row.item;
        let state = silence.state_at(row.cx.now.wall).word();
        let _ = write!(out, "{} {state} {} ", silence.created_by, silence.comment);
        silence.write_matchers(out);
    }

    fn summary(cx: &Cx<'_>, _: &Counts, out: &mut String) {
        let now = cx.now.wall;
        let all = || cx.store.alert_reports().flat_map(|(_, report)| &report.silences);
        let count = |holds: &dyn Fn(&Silence) -> bool| all().filter(|silence| holds(silence)).count();
        let figures = [
            (count(&|s| s.state_at(now) == SilenceState::Active), "active"),
            (count(&|s| s.ends_soon(now)), "ending soon"),
            (count(&|s| s.is_idle(now)), "hiding nothing"),
            (count(&|s| s.state_at(now) == SilenceState::Pending), "pending"),
            (count(&|s| s.state_at(now) == SilenceState::Expired), "expired"),
        ];
        super::alerting::figures(&figures, out);
    }

    fn fields(row: Row<'_, Silence>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Silence>) -> Vec<Section> {
        let silence = row.item;
        let hidden = silence.silences.iter().filter_map(|fingerprint| {
            row.cx.store.all_alerts().find(|alert| alert.fingerprint == *fingerprint).map(|alert| alert_link(alert))
        });
        let hidden: Vec<Link> = hidden.collect();
        let facts = Section::Facts(facts(silence, row));
        let later = would_hide(silence, row).unwrap_or_default();
        let later: Vec<Link> = later.into_iter().map(|alert| alert_link(alert)).collect();
        let heading = match silence.state_at(row.cx.now.wall) {
            SilenceState::Pending => "it will hide, as alerts stand now",
            SilenceState::Expired | SilenceState::Active => "it would hide again, if it were in force",
        };
        std::iter::once(facts).chain(links("it hides", hidden)).chain(links(heading, later)).collect()
    }
}

/// What a silence that is not in force would hide if it were: the alerts that match just now, of those that its Alertmanager has
/// or would get once they fire. Nothing for one that is in force: what that hides is told by Alertmanager.
fn would_hide<'a>(silence: &Silence, row: Row<'a, Silence>) -> Result<Vec<&'a Arc<Alert>>, String> {
    if silence.state_at(row.cx.now.wall) == SilenceState::Active {
        return Ok(Vec::new());
    }
    let matchers = Matchers::of(&silence.matchers)?;
    let its = report(row.feed).map_or(&[][..], |report| &report.alerts);
    let its: HashSet<&str> = its.iter().map(|alert| &*alert.fingerprint).collect();
    let is_or_comes = |alert: &Alert| alert.state == AlertState::Pending || its.contains(&*alert.fingerprint);
    let all = row.cx.store.all_alerts();
    Ok(all.filter(|alert| is_or_comes(alert) && matchers.hold(&alert.labels)).collect())
}

fn first_matcher(silence: &Silence) -> (&str, &str) {
    silence.matchers.first().map_or(("", ""), |matcher| (&matcher.name, &matcher.value))
}

/// Time until it ends; for one that is to come, until it begins.
fn left(silence: &Silence, row: Row<'_, Silence>, out: &mut String) -> Role {
    let now = row.cx.now.wall;
    let until = match silence.state_at(now) {
        SilenceState::Expired => None,
        SilenceState::Pending => Some(silence.starts_at),
        SilenceState::Active => Some(silence.ends_at),
    };
    let severity = if silence.ends_soon(now) { Severity::Warning } else { Severity::None };
    figure_cell(out, until.map(|until| time::between(now, until)), severity, figure::age)
}

fn hides(silence: &Silence, row: Row<'_, Silence>, out: &mut String) -> Role {
    let now = row.cx.now.wall;
    if silence.is_idle(now) {
        out.push_str("nothing");
        return Severity::Info.into();
    }
    let count = (silence.state_at(now) == SilenceState::Active).then_some(silence.silences.len());
    figure_cell(out, count, Severity::None, |out, count| {
        let _ = write!(out, "{count}");
    })
}

fn facts(silence: &Silence, row: Row<'_, Silence>) -> Vec<(String, String)> {
    let now = row.cx.now.wall;
    let mut facts = vec![
        ("state", silence.state_at(now).word().to_owned()),
        ("by", silence.created_by.clone()),
        ("why", silence.comment.clone()),
        ("from", format!("{:.0}", silence.starts_at)),
        ("until", format!("{:.0}", silence.ends_at)),
    ];
    if silence.is_idle(now) {
        let why =
            "nothing just now: no alert that Alertmanager has matches it. A typing mistake, or what it hid is over";
        facts.push(("hides", why.to_owned()));
    }
    match (silence.state_at(now), would_hide(silence, row)) {
        (SilenceState::Active, _) => {}
        (_, Err(why)) => facts.push(("would hide", format!("can't be told here: {why}"))),
        (_, Ok(alerts)) if alerts.is_empty() => {
            facts.push(("would hide", "nothing, as alerts stand now".to_owned()));
        }
        (_, Ok(alerts)) => {
            let critical = alerts.iter().filter(|alert| alert.judge() == Severity::Critical).count();
            facts.push(("would hide", format!("{} alerts, {critical} of them critical and firing", alerts.len())));
        }
    }
    if silence.ends_soon(now) {
        facts.push(("soon", "what it hides is heard again within a quarter of an hour, unless it is over".to_owned()));
    }
    for matcher in &silence.matchers {
        facts.push(("matcher", figure::text(|out| matcher.write(out))));
    }
    facts.extend([("source", row.feed.id.to_string()), ("id", silence.id.clone())]);
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}
