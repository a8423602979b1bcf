//! Alerts that come and go while an incident is open, as this session sees them.

use super::{entry, of_alert};
use crate::app::State;
use crate::domain::record::{Entry, RecordKind};
use crate::domain::{Alert, AlertState, IncidentId, Severity, SourceId, Subject};
use crate::effect::{Effect, Effects};
use crate::runbook::Writes;
use crate::store::{Feed, Health};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Alerts that one answer adds to the record at most: a storm is told by its first ones.
const STORM: usize = 50;

/// A source of alerts has answered: what fires now and did not, and the other way round, is part of the record.
pub fn seen(state: &mut State, source: &SourceId, effects: &mut Effects) {
    let is_about = |feed: &Feed| feed.subject == Subject::Alerts && feed.error.is_none();
    let looks = state.writes.looks().is_some() || state.writes.state() == Writes::ReadOnly;
    if state.replay.is_some() || looks || !state.store.feed(source).is_some_and(is_about) {
        return;
    }
    let Some(id) = state.watch.open().map(|incident| incident.id) else { return };
    let mut entries = fired(state, id);
    entries.extend(gone(state, id));
    if !entries.is_empty() {
        effects.push(Effect::Incident { id, entries });
    }
}

/// Alerts that fire and are not known to, from now on seen from here.
fn fired(state: &mut State, id: IncidentId) -> Vec<Entry> {
    let Some(incident) = state.watch.open() else { return Vec::new() };
    let is_new = |alert: &&Arc<Alert>| {
        let loud = alert.state == AlertState::Firing && alert.severity > Severity::Info;
        loud && !state.seen_alerts.contains(&(id, alert.fingerprint.to_string()))
    };
    let new: Vec<Arc<Alert>> = state.store.all_alerts().filter(is_new).take(STORM).cloned().collect();
    // Another session may have told of it before.
    let untold = new.iter().filter(|alert| !incident.knows_firing(&alert.fingerprint));
    let entries = untold.map(|alert| entry(state, RecordKind::AlertFired, of_alert(alert))).collect();
    state.seen_alerts.extend(new.iter().map(|alert| (id, alert.fingerprint.to_string())));
    entries
}

/// Alerts that were seen from here, and do not fire any more: a source that does not answer, or has not yet, may know better, and so may another session
/// of an alert that was never seen here. One that is silenced fires.
fn gone(state: &mut State, id: IncidentId) -> Vec<Entry> {
    let Some(incident) = state.watch.open() else { return Vec::new() };
    let now = state.seen();
    if state.store.about(Subject::Alerts).any(|feed| feed.health(now) != Health::Fresh) {
        return Vec::new();
    }
    let fires = |alert: &Arc<Alert>| matches!(alert.state, AlertState::Firing | AlertState::Suppressed);
    let still: BTreeSet<&str> =
        state.store.all_alerts().filter(|alert| fires(alert)).map(|alert| &*alert.fingerprint).collect();
    let over = |(of, print): &&(IncidentId, String)| *of == id && !still.contains(print.as_str());
    let over: Vec<(IncidentId, String)> = state
        .seen_alerts
        .iter()
        .filter(over)
        .filter(|(_, print)| incident.knows_firing(print))
        .take(STORM)
        .cloned()
        .collect();
    let told = over.iter().filter_map(|(_, print)| incident.firing_alert(print));
    let entries = told.map(|alert| entry(state, RecordKind::AlertResolved, alert.clone())).collect();
    for seen in &over {
        state.seen_alerts.remove(seen);
    }
    entries
}
