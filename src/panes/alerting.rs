//! What the tables about alerting share: how each leads to the others' things.

use super::{Link, Section, links};
use crate::cx::Cx;
use crate::domain::{Alert, AlertReport, Rule, Severity, Silence, Snapshot, Subject, Target, ThingId, Topic, host};
use crate::store::{Feed, Health, Store};
use std::fmt::Write;
use std::sync::Arc;

/// What the key of a group begins with, where it is an entry.
pub(super) const GROUP: &str = "group/";

/// An alert, one Enter away.
pub(super) fn alert_link(alert: &Alert) -> Link {
    Link {
        to: ThingId::Alert { fingerprint: Arc::clone(&alert.fingerprint) },
        subject: Subject::Alerts,
        name: alert.title(),
        text: format!("{} {}", alert.word(), alert.severity.word()),
        severity: alert.judge(),
    }
}

/// A rule, one Enter away.
pub(super) fn rule_link(feed: &Feed, rule: &Rule) -> Link {
    Link {
        to: ThingId::Entry { source: feed.id.clone(), key: rule.key().into() },
        subject: Subject::Alerts,
        name: rule.name.clone(),
        text: format!("group {} of {}", rule.group, feed.id.name()),
        severity: rule.judge(),
    }
}

/// A silence, one Enter away.
pub(super) fn silence_link(feed: &Feed, silence: &Silence) -> Link {
    Link {
        to: ThingId::Entry { source: feed.id.clone(), key: silence.key().into() },
        subject: Subject::Alerts,
        name: format!("silence of {}", silence.created_by),
        text: silence.comment.clone(),
        severity: Severity::Info,
    }
}

/// The server that is scraped, if one of the sources about servers knows it by its address; behind a loopback address, if it is known
/// for its exporter there.
pub(super) fn server_link(target: &Target, cx: &Cx<'_>) -> Option<Link> {
    let server = links::server_at(cx, host::of(&target.url), &target.labels)?;
    let (severity, why) = server.judge(cx.limits);
    Some(Link {
        to: ThingId::Server { name: server.name.as_str().into() },
        subject: Subject::Servers,
        name: server.name.clone(),
        text: format!("{} {why}", severity.word()).trim_end().to_owned(),
        severity,
    })
}

/// The alerts that a thing is or consists of: an alert, a group, a rule's. None for anything else.
pub fn alerts_of(thing: &ThingId, store: &Store) -> Vec<Arc<Alert>> {
    match thing {
        ThingId::Alert { fingerprint } => {
            store.all_alerts().find(|alert| alert.fingerprint == *fingerprint).cloned().into_iter().collect()
        }
        ThingId::Entry { source, key } => {
            let Some(feed) = store.feed(source) else { return Vec::new() };
            if let Some(group) = key.strip_prefix(GROUP) {
                let groups = store.alert_groups(feed).iter().filter(|known| *known.key == *group);
                return groups.flat_map(|group| group.alerts.iter().cloned()).collect();
            }
            let rules = || report(feed).into_iter().flat_map(|report| &report.rules);
            let rule = key.strip_prefix("rule/").and_then(|_| rules().find(|rule| *rule.key() == **key));
            rule.map_or_else(Vec::new, |rule| store.all_alerts().filter(|alert| rule.made(alert)).cloned().collect())
        }
        ThingId::Server { .. }
        | ThingId::Container { .. }
        | ThingId::Session { .. }
        | ThingId::Process { .. }
        | ThingId::Run(_)
        | ThingId::Runbook(_) => Vec::new(),
    }
}

/// Each Alertmanager's name with the alerts that it told last.
pub fn alerts_of_alertmanagers(store: &Store) -> impl Iterator<Item = (String, &[Arc<Alert>])> {
    let told = store.alert_reports().filter(|(feed, _)| tells_silences(feed));
    told.map(|(feed, report)| (feed.id.name().to_owned(), report.alerts.as_slice()))
}

/// An Alertmanager has neither answered nor failed yet: what it knows of an alert is still to come.
pub fn awaits_alertmanager(store: &Store) -> bool {
    let silent = |feed: &Feed| tells_silences(feed) && feed.good.is_none() && feed.error.is_none();
    store.about(Subject::Alerts).any(silent)
}

/// Where the first Alertmanager is that answers.
pub fn address_of_alertmanager(store: &Store) -> Option<&str> {
    let members =
        store.alert_reports().filter(|(feed, _)| tells_silences(feed)).flat_map(|(_, report)| &report.members);
    members.into_iter().find(|member| member.up).map(|member| member.address.as_str())
}

/// Links under a heading; nothing when there are none.
pub(super) fn links(title: &str, links: Vec<Link>) -> Option<Section> {
    (!links.is_empty()).then(|| Section::Links { title: title.to_owned(), links })
}

/// A feed's last good report.
pub(super) fn report(feed: &Feed) -> Option<&AlertReport> {
    feed.snapshot().and_then(Snapshot::alerts)
}

/// A feed's last good report has nothing to say about a topic.
pub(super) fn lacks(feed: &Feed, topic: Topic) -> bool {
    report(feed).is_some_and(|report| report.gap(topic).is_some())
}

/// What could not be had about a topic, and why.
pub(super) fn gaps(cx: &Cx<'_>, topic: Topic, out: &mut Vec<(Severity, String)>) {
    for (feed, report) in cx.store.alert_reports() {
        if let Some(why) = report.gap(topic) {
            out.push((Severity::Warning, format!("{}: {} ({})", feed.id, why.what, why.hint)));
        }
    }
}

/// Rules, targets and Alertmanagers are told by a part of each Prometheus.
pub(super) fn tells_rules(feed: &Feed) -> bool {
    feed.id.kind() == "prometheus" && feed.id.as_str().ends_with("/rules")
}

/// Silences are told by each Alertmanager.
pub(super) fn tells_silences(feed: &Feed) -> bool {
    feed.id.kind() == "alertmanager"
}

/// Any source tells just now which alerts there are: that one answers with its rules says nothing about them.
fn tells_alerts(cx: &Cx<'_>) -> bool {
    let tells = |feed: &Feed| feed.good.is_some() && feed.error.is_none() && !tells_rules(feed);
    cx.store.about(Subject::Alerts).any(tells)
}

/// The Alertmanagers that do not answer just now, as `alertmanager/a, alertmanager/b`. What they hold back may look as if it
/// fired, for others tell of it too.
pub fn unheard(cx: &Cx<'_>) -> Option<String> {
    let is_out = |feed: &&Feed| tells_silences(feed) && matches!(feed.health(cx.now), Health::Failed | Health::Stale);
    let names: Vec<String> = cx.store.about(Subject::Alerts).filter(is_out).map(|feed| feed.id.to_string()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Several feeds of a sort report, so that rows must say where they come from.
pub(super) fn several(cx: &Cx<'_>, tells: fn(&Feed) -> bool) -> bool {
    cx.store.about(Subject::Alerts).filter(|feed| tells(feed)).nth(1).is_some()
}

/// Whether an identity is that of an entry of a feed; `key` is asked for only when the source is the same.
pub(super) fn is_entry(id: &ThingId, feed: &Feed, key: impl FnOnce(&str) -> bool) -> bool {
    match id {
        ThingId::Entry { source, key: theirs } => *source == feed.id && key(theirs),
        ThingId::Server { .. }
        | ThingId::Container { .. }
        | ThingId::Alert { .. }
        | ThingId::Session { .. }
        | ThingId::Process { .. }
        | ThingId::Run(_)
        | ThingId::Runbook(_) => false,
    }
}

/// Counts of alerts for a title. While nobody tells of alerts, that none is known does not mean that there is none.
pub(super) fn alert_figures(cx: &Cx<'_>, counts: &[(usize, &str)], out: &mut String) {
    if counts.iter().all(|(count, _)| *count == 0) && !tells_alerts(cx) {
        out.push_str("not known");
    } else {
        figures(counts, out);
    }
}

/// Counts with their words for a title, those that are not zero; "none" when all are.
pub(super) fn figures(figures: &[(usize, &str)], out: &mut String) {
    let shown = figures.iter().filter(|(count, _)| *count > 0);
    for (index, (count, word)) in shown.enumerate() {
        let gap = if index > 0 { "  " } else { "" };
        let _ = write!(out, "{gap}{count} {word}");
    }
    if figures.iter().all(|(count, _)| *count == 0) {
        out.push_str("none");
    }
}
