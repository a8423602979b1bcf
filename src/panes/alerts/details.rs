//! An alert's page: what its rule looks at and how that went, who or what holds it back, and where to read on.

use crate::action::Action;
use crate::domain::alert::Labels;
use crate::domain::promql::{narrowed, watched};
use crate::domain::{Alert, AlertReport, Inquiry, Rule, Severity, SourceId, Subject, ThingId, time};
use crate::keymap::Scope;
use crate::panes::alerting::{alert_link, links, rule_link, silence_link, unheard};
use crate::panes::{Chart, Link, Row, Section};
use crate::runbook::{Runbook, offer};
use crate::store::Feed;
use crate::widgets::figure;
use std::sync::Arc;
use std::time::Duration;

/// How far back its value is charted.
const BACK: Duration = Duration::from_hours(1);
/// Annotations under which people write where to read what to do.
const RUNBOOK: [&str; 3] = ["runbook_url", "runbook", "runbook_link"];
/// And where to look.
const DASHBOARD: [&str; 3] = ["dashboard_url", "dashboard", "grafana_url"];

/// All of it.
pub(super) fn of(row: Row<'_, Arc<Alert>>) -> Vec<Section> {
    let alert = &**row.item;
    let rule = rule_of(row);
    let mut sections = vec![Section::Facts(facts(row, alert))];
    let query = rule.map(|(_, rule)| rule.query.as_str()).or(alert.query.as_deref());
    if let Some(query) = query {
        sections.push(Section::Text { title: heading(rule.map(|(_, rule)| rule)), text: query.to_owned() });
        sections.push(Section::Chart(chart(row, alert, query, rule)));
    }
    if let Some((source, labels)) = series_in_alerts(row, alert, rule) {
        sections.extend(super::past::of(row.cx, source, &labels, alert.state));
    }
    sections.extend(links("runbooks", runbooks(row, alert)));
    sections.extend(links("held back by", held_back(row, alert)));
    sections.extend(links("rule", rule.map(|(feed, rule)| rule_link(feed, rule)).into_iter().collect()));
    sections.extend(pairs("annotation", &alert.annotations));
    sections.extend(pairs("label", &alert.labels));
    sections
}

fn facts(row: Row<'_, Arc<Alert>>, alert: &Alert) -> Vec<(String, String)> {
    let unknown = || "not known".to_owned();
    let mut facts = vec![
        ("state", format!("{}, severity {}", alert.word(), alert.severity.word())),
        ("since", alert.active_at.map_or_else(unknown, |at| format!("{at:.0}"))),
        ("value", alert.value.map_or_else(unknown, |value| figure::text(|out| figure::number(out, value)))),
        ("source", row.feed.id.to_string()),
    ];
    if let Some(names) = unheard(row.cx) {
        facts.push(("silences", format!("those of {names} are not known just now")));
    }
    for silence in &alert.silenced_by {
        let left = time::between(row.as_of(), silence.ends_at);
        let left = figure::text(|out| figure::age(out, left));
        facts.push(("silenced", format!("by {}, {left} left: {}", silence.created_by, silence.comment)));
    }
    for inhibitor in &alert.inhibited_by {
        let name = if inhibitor.name.is_empty() { "an alert that is gone" } else { &inhibitor.name };
        facts.push(("inhibited by", format!("{name} ({})", inhibitor.fingerprint)));
    }
    if !alert.muted_by.is_empty() {
        facts.push(("muted by", alert.muted_by.join(", ")));
    }
    if !alert.receivers.is_empty() {
        facts.push(("receivers", alert.receivers.join(", ")));
    }
    if let Some(group) = &alert.group {
        facts.push(("notified as", figure::text(|out| group.write(out))));
    }
    let read_on = [
        ("runbook", alert.annotation(&RUNBOOK)),
        ("dashboard", alert.annotation(&DASHBOARD)),
        ("expression at", alert.generator.as_deref()),
    ];
    facts.extend(read_on.into_iter().filter_map(|(label, text)| Some((label, text?.to_owned()))));
    facts.extend(runbook_hint(row).map(|hint| ("to act", hint)));
    facts.extend(silence_hint(row).map(|hint| ("to silence", hint)));
    facts.push(("fingerprint", alert.fingerprint.to_string()));
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

/// The runbooks that name it.
fn runbooks(row: Row<'_, Arc<Alert>>, alert: &Alert) -> Vec<Link> {
    let link = |runbook: &Arc<Runbook>| Link {
        to: ThingId::Runbook(runbook.id.as_str().into()),
        subject: Subject::Alerts,
        name: runbook.title.clone(),
        text: offer::told(row.cx.library, runbook, row.cx.runs, row.cx.environment, row.cx.now.wall),
        severity: Severity::None,
    };
    let fits = offer::for_alert(row.cx.library, &alert.name);
    offer::in_order(row.cx.library, fits, Some(alert)).into_iter().map(link).collect()
}

/// Which key plans the runbook that names it, or how one does.
fn runbook_hint(row: Row<'_, Arc<Alert>>) -> Option<String> {
    let name = &row.item.name;
    let key = row.cx.keymap.key_of(Scope::Alerts, &Action::Plan)?;
    Some(match offer::for_alert(row.cx.library, name).count() {
        0 => offer::none_for(name),
        1 => format!("{key} plans the runbook that is for it"),
        count => format!("{key} chooses one of the {count} runbooks that are for it"),
    })
}

/// What a silence on its name alone would hide, and where to look closer.
fn silence_hint(row: Row<'_, Arc<Alert>>) -> Option<String> {
    let key = row.cx.keymap.key_of(Scope::Alerts, &Action::SilencePreview)?;
    let same = row.cx.store.all_alerts().filter(|alert| alert.name == row.item.name).count();
    let plural = if same == 1 { "" } else { "s" };
    Some(format!("a silence on its name alone would hide {same} alert{plural}; {key} shows it label by label"))
}

/// The rule that made it, of the first Prometheus that has one.
fn rule_of<'a>(row: Row<'a, Arc<Alert>>) -> Option<(&'a Feed, &'a Rule)> {
    let made = |(feed, report): (&'a Feed, &'a AlertReport)| {
        report.rules.iter().find(|rule| rule.made(row.item)).map(|rule| (feed, rule))
    };
    row.cx.store.alert_reports().find_map(made)
}

fn heading(rule: Option<&Rule>) -> String {
    match rule {
        Some(rule) if !rule.hold.is_zero() => {
            format!("expression, for {}", figure::text(|out| figure::age(out, rule.hold)))
        }
        Some(_) | None => "expression".to_owned(),
    }
}

/// The value that the rule looks at, narrowed to this alert's series.
fn chart(row: Row<'_, Arc<Alert>>, alert: &Alert, query: &str, rule: Option<(&Feed, &Rule)>) -> Chart {
    let watched = watched(query);
    let base = Chart { title: watched.value.to_owned(), span: BACK, limit: watched.limit, ..Chart::default() };
    let Some((source, labels)) = series_of(row, alert, rule) else {
        let note = "no Prometheus among the sources has this rule, so nobody can be asked for its values".to_owned();
        return Chart { note, ..base };
    };
    let query = narrowed(watched.value, &labels).into();
    Chart { asks: Some(Inquiry::Range { source, query, back: BACK }), ..base }
}

/// Whom to ask, and which labels the alert's series has. While the rules are not known yet, or can't be had, the labels that
/// every scraped series has are what is sure.
fn series_of(row: Row<'_, Arc<Alert>>, alert: &Alert, rule: Option<(&Feed, &Rule)>) -> Option<(SourceId, Labels)> {
    const SCRAPED: [&str; 2] = ["instance", "job"];
    if let Some((feed, rule)) = rule {
        let source = SourceId::new(feed.id.kind(), feed.id.name());
        let labels = own_labels(row, alert, rule, &source);
        return Some((source, labels));
    }
    let scraped = alert.labels.iter().filter(|(name, _)| SCRAPED.contains(&name.as_str()));
    let labels = scraped.map(|(name, value)| (name.clone(), value.clone())).collect();
    (row.feed.id.kind() == "prometheus").then(|| (row.feed.id.clone(), labels))
}

/// Whom to ask when it fired before, and under which labels that Prometheus has it: with those of the rule, without what is added or
/// changed on the way to Alertmanager.
fn series_in_alerts(
    row: Row<'_, Arc<Alert>>,
    alert: &Alert,
    rule: Option<(&Feed, &Rule)>,
) -> Option<(SourceId, Labels)> {
    let (source, _) = series_of(row, alert, rule)?;
    let labels = before_sending(row, alert, &source);
    Some((source, labels))
}

/// The labels that it has in Prometheus.
fn before_sending(row: Row<'_, Arc<Alert>>, alert: &Alert, source: &SourceId) -> Labels {
    if let Some(series) = &alert.series {
        return (**series).clone();
    }
    let report = row.cx.store.feed(source).and_then(|feed| feed.snapshot()?.alerts());
    let added = report.map(|report| &report.external_labels);
    let own = alert.labels.iter().filter(|(name, value)| added.is_none_or(|added| added.get(*name) != Some(value)));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The labels that the series has itself: neither the alert's name, nor what the rule or Prometheus adds.
fn own_labels(row: Row<'_, Arc<Alert>>, alert: &Alert, rule: &Rule, source: &SourceId) -> Labels {
    let is_added = |name: &str| name == "alertname" || rule.labels.contains_key(name);
    let mut labels = before_sending(row, alert, source);
    labels.retain(|name, _| !is_added(name));
    labels
}

fn held_back(row: Row<'_, Arc<Alert>>, alert: &Alert) -> Vec<Link> {
    let mut links = Vec::new();
    for silencer in &alert.silenced_by {
        let of = |(feed, report): (&Feed, &AlertReport)| {
            let silence = report.silences.iter().find(|silence| silence.id == silencer.id)?;
            Some(silence_link(feed, silence))
        };
        links.extend(row.cx.store.alert_reports().find_map(of));
    }
    for inhibitor in &alert.inhibited_by {
        let known = row.cx.store.all_alerts().find(|other| other.fingerprint == inhibitor.fingerprint);
        links.extend(known.map(|other| alert_link(other)));
    }
    links
}

fn pairs(what: &str, labels: &Labels) -> Option<Section> {
    let facts = || labels.iter().map(|(name, text)| (format!("{what} {name}"), text.clone())).collect();
    (!labels.is_empty()).then(|| Section::Facts(facts()))
}
