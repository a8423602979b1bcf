//! Prometheus knows whether an alert is pending and its value; Alertmanager knows whether anybody is told. One row
//! shows both: joined by fingerprint.

use super::Feed;
use crate::domain::{Alert, AlertState, Snapshot, SourceId, Subject};
use std::collections::HashMap;

/// The alerts as rows, by the feed that they stand with.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    rows: Vec<(SourceId, Vec<Alert>)>,
}

impl Joined {
    pub(super) fn of(feeds: &[Feed]) -> Self {
        let mut rows: Vec<(SourceId, Vec<Alert>)> = Vec::new();
        let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
        for feed in feeds.iter().filter(|feed| feed.subject == Subject::Alerts) {
            let here = rows.len();
            rows.push((feed.id.clone(), Vec::new()));
            let Some(report) = feed.snapshot().and_then(Snapshot::alerts) else { continue };
            for alert in &report.alerts {
                match places.get(&*alert.fingerprint) {
                    Some((list, at)) => join(&mut rows[*list].1[*at], alert),
                    None => {
                        places.insert(&alert.fingerprint, (here, rows[here].1.len()));
                        rows[here].1.push(alert.clone());
                    }
                }
            }
        }
        Self { rows }
    }

    pub(super) fn of_feed(&self, id: &SourceId) -> &[Alert] {
        self.rows.iter().find(|(feed, _)| feed == id).map_or(&[], |(_, alerts)| alerts)
    }
}

/// Adds what a second source knows. A silence outranks firing; the earliest start wins.
fn join(row: &mut Alert, other: &Alert) {
    let suppressed = [row.state, other.state].contains(&AlertState::Suppressed);
    row.state = if suppressed { AlertState::Suppressed } else { row.state.max(other.state) };
    row.value = row.value.or(other.value);
    row.active_at = match (row.active_at, other.active_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    for silence in &other.silenced_by {
        if !row.silenced_by.iter().any(|known| known.id == silence.id) {
            row.silenced_by.push(silence.clone());
        }
    }
    for inhibitor in &other.inhibited_by {
        if !row.inhibited_by.contains(inhibitor) {
            row.inhibited_by.push(inhibitor.clone());
        }
    }
    for (name, text) in &other.annotations {
        row.annotations.entry(name.clone()).or_insert_with(|| text.clone());
    }
}
