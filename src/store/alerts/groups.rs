//! Alerts in groups: as Alertmanager notifies of them, or by their name where no Alertmanager says how.

use crate::domain::{Alert, AlertState, Group, Severity, SourceId};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Alerts that belong together.
#[derive(Clone, Debug)]
pub struct AlertGroup {
    /// What they have in common; unique among all groups.
    pub key: Arc<str>,
    /// The group with which Alertmanager notifies; `None`: they only share their name.
    pub routed: Option<Arc<Group>>,
    /// The worst of them, by what counts now.
    pub severity: Severity,
    /// How many fire.
    pub firing: u32,
    /// How many are pending.
    pub pending: u32,
    /// How many are held back.
    pub suppressed: u32,
    /// Since when the oldest of them is known.
    pub since: Option<Timestamp>,
    /// They themselves, in the order in which they were told.
    pub alerts: Vec<Arc<Alert>>,
}

/// What makes two alerts one group.
#[derive(PartialEq, Eq, Hash)]
enum Common<'a> {
    Routed(&'a Group),
    Name(&'a str),
}

impl AlertGroup {
    fn new(alert: &Alert) -> Self {
        let mut key = String::new();
        match &alert.group {
            Some(group) => {
                key.push_str(&group.receiver);
                key.push('/');
                group.write(&mut key);
            }
            None => key.push_str(&alert.name),
        }
        Self {
            key: key.into(),
            routed: alert.group.clone(),
            severity: Severity::None,
            firing: 0,
            pending: 0,
            suppressed: 0,
            since: None,
            alerts: Vec::new(),
        }
    }

    fn add(&mut self, alert: &Arc<Alert>) {
        match alert.state {
            AlertState::Firing => self.firing += 1,
            AlertState::Pending => self.pending += 1,
            AlertState::Suppressed => self.suppressed += 1,
        }
        self.severity = self.severity.max(alert.judge());
        self.since = [self.since, alert.active_at].into_iter().flatten().min();
        self.alerts.push(Arc::clone(alert));
    }

    /// The alerts' name where they share one; else that of the first.
    pub fn name(&self) -> &str {
        self.alerts.first().map_or("", |alert| &alert.name)
    }

    /// Who is notified of it.
    pub fn receiver(&self) -> Option<&str> {
        self.routed.as_ref().map(|group| group.receiver.as_str())
    }
}

/// All rows in groups, each with the feed of its first row.
pub(super) fn of(rows: &[(SourceId, Vec<Arc<Alert>>)]) -> Vec<(SourceId, Vec<AlertGroup>)> {
    let mut groups: Vec<(SourceId, Vec<AlertGroup>)> = Vec::new();
    let mut places: HashMap<Common<'_>, (usize, usize)> = HashMap::new();
    for (list, (feed, alerts)) in rows.iter().enumerate() {
        groups.push((feed.clone(), Vec::new()));
        for alert in alerts {
            let common = alert.group.as_deref().map_or(Common::Name(&alert.name), Common::Routed);
            let next = (list, groups[list].1.len());
            let place = *places.entry(common).or_insert(next);
            if place == next {
                groups[list].1.push(AlertGroup::new(alert));
            }
            groups[place.0].1[place.1].add(alert);
        }
    }
    groups
}
