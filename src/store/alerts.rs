//! Prometheus knows whether an alert is pending and its value; Alertmanager knows whether anybody is told. One row
//! shows both: joined by fingerprint.
//!
//! Rows are shared with the reports that they come from. Only an alert that several sources tell is a row of its own, and
//! that one is joined anew only when one of them tells something new.

mod groups;

pub use groups::AlertGroup;

use super::Feed;
use crate::domain::{Alert, AlertState, Snapshot, SourceId, Subject};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The alerts as rows, by the feed that they stand with.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    rows: Vec<(SourceId, Vec<Arc<Alert>>)>,
    /// Those that several sources tell, by fingerprint.
    several: HashMap<Arc<str>, Several>,
    /// The same rows as groups, once somebody looks.
    groups: OnceLock<Vec<(SourceId, Vec<AlertGroup>)>>,
}

/// An alert as several sources tell it, and the row that it makes.
#[derive(Clone, Debug)]
struct Several {
    told: Vec<Arc<Alert>>,
    row: Arc<Alert>,
}

impl Several {
    fn new(told: Vec<Arc<Alert>>) -> Self {
        let mut row = Alert::default();
        for (index, alert) in told.iter().enumerate() {
            if index == 0 {
                row.clone_from(alert);
            } else {
                join(&mut row, alert);
            }
        }
        Self { told, row: Arc::new(row) }
    }

    fn is_of(&self, told: &[Arc<Alert>]) -> bool {
        self.told.len() == told.len() && self.told.iter().zip(told).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Joined {
    /// Joins what the feeds tell now, with what is left unchanged of the rows before.
    pub(super) fn of(feeds: &[Feed], before: Self) -> Self {
        let mut rows: Vec<(SourceId, Vec<Arc<Alert>>)> = Vec::new();
        let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut several: HashMap<Arc<str>, Vec<Arc<Alert>>> = HashMap::new();
        for (feed, alerts) in told(feeds) {
            let here = rows.len();
            let mut own = Vec::with_capacity(alerts.len());
            for alert in alerts {
                match places.get(&*alert.fingerprint) {
                    Some((list, at)) => {
                        let first = rows.get(*list).map_or(&own, |(_, rows)| rows)[*at].clone();
                        several
                            .entry(Arc::clone(&alert.fingerprint))
                            .or_insert_with(|| vec![first])
                            .push(alert.clone());
                    }
                    None => {
                        places.insert(&alert.fingerprint, (here, own.len()));
                        own.push(Arc::clone(alert));
                    }
                }
            }
            rows.push((feed.id.clone(), own));
        }
        let several = joined(several, before.several);
        for (fingerprint, joined) in &several {
            if let Some((list, at)) = places.get(&**fingerprint) {
                rows[*list].1[*at] = Arc::clone(&joined.row);
            }
        }
        Self { rows, several, groups: OnceLock::new() }
    }

    pub(super) fn of_feed(&self, id: &SourceId) -> &[Arc<Alert>] {
        self.rows.iter().find(|(feed, _)| feed == id).map_or(&[], |(_, alerts)| alerts)
    }

    pub(super) fn groups_of(&self, id: &SourceId) -> &[AlertGroup] {
        let groups = self.groups.get_or_init(|| groups::of(&self.rows));
        groups.iter().find(|(feed, _)| feed == id).map_or(&[], |(_, groups)| groups)
    }
}

fn told(feeds: &[Feed]) -> impl Iterator<Item = (&Feed, &[Arc<Alert>])> {
    let about = feeds.iter().filter(|feed| feed.subject == Subject::Alerts);
    about.map(|feed| (feed, feed.snapshot().and_then(Snapshot::alerts).map_or(&[][..], |report| &report.alerts)))
}

fn joined(
    now: HashMap<Arc<str>, Vec<Arc<Alert>>>,
    mut before: HashMap<Arc<str>, Several>,
) -> HashMap<Arc<str>, Several> {
    let join = |(fingerprint, told): (Arc<str>, Vec<Arc<Alert>>)| {
        let known = before.remove(&fingerprint).filter(|known| known.is_of(&told));
        (fingerprint, known.unwrap_or_else(|| Several::new(told)))
    };
    now.into_iter().map(join).collect()
}

/// Adds what a further source knows; the earliest start wins.
fn join(row: &mut Alert, other: &Alert) {
    row.state = state(row, other);
    row.value = row.value.or(other.value);
    row.active_at = match (row.active_at, other.active_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    row.query = row.query.take().or_else(|| other.query.clone());
    row.generator = row.generator.take().or_else(|| other.generator.clone());
    row.series = row.series.take().or_else(|| other.series.clone());
    row.group = row.group.take().or_else(|| other.group.clone());
    add(&mut row.receivers, &other.receivers, PartialEq::eq);
    add(&mut row.silenced_by, &other.silenced_by, |a, b| a.id == b.id);
    add(&mut row.inhibited_by, &other.inhibited_by, |a, b| a.fingerprint == b.fingerprint);
    add(&mut row.muted_by, &other.muted_by, PartialEq::eq);
    for (name, text) in &other.annotations {
        row.annotations.entry(name.clone()).or_insert_with(|| text.clone());
    }
}

/// What an Alertmanager holds back outranks that it fires in Prometheus. But when another Alertmanager, which has a receiver
/// for it, does not hold it back, somebody is told: it fires.
fn state(row: &Alert, other: &Alert) -> AlertState {
    let is_loud = |alert: &Alert| alert.state == AlertState::Firing && !alert.receivers.is_empty();
    let suppressed = [row, other].into_iter().any(|alert| alert.state == AlertState::Suppressed);
    if suppressed && !is_loud(row) && !is_loud(other) { AlertState::Suppressed } else { row.state.max(other.state) }
}

fn add<T: Clone>(to: &mut Vec<T>, from: &[T], same: impl Fn(&T, &T) -> bool) {
    for item in from {
        if !to.iter().any(|known| same(known, item)) {
            to.push(item.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Labels, fingerprint};
    use crate::domain::{AlertReport, Group, Now, Sample, Silencer};
    use std::time::Duration;

    fn alert(name: &str, state: AlertState) -> Alert {
        let labels: Labels = [("alertname".to_owned(), name.to_owned())].into();
        Alert { fingerprint: fingerprint(&labels), name: name.to_owned(), state, labels, ..Alert::default() }
    }

    fn heard(name: &str, state: AlertState) -> Alert {
        Alert { receivers: vec!["ops".to_owned()], ..alert(name, state) }
    }

    fn feed(name: &str, alerts: Vec<Arc<Alert>>) -> Feed {
        let id = SourceId::new("any", name);
        let mut feed = Feed::new(id.clone(), Subject::Alerts, Duration::from_secs(5));
        let at = Now { mono: Duration::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };
        let report = Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() });
        feed.apply(Sample { source: id, at, took: Duration::ZERO, outcome: Ok(Arc::new(report)) });
        feed
    }

    fn states(told: &[Alert]) -> AlertState {
        Several::new(told.iter().cloned().map(Arc::new).collect()).row.state
    }

    #[test]
    fn what_one_source_tells_is_shared_and_what_several_tell_is_one_row() {
        let (both, alone) =
            (Arc::new(alert("Both", AlertState::Firing)), Arc::new(alert("Alone", AlertState::Pending)));
        let silencer = Arc::new(Silencer { id: "s".into(), ..Silencer::default() });
        let held = Alert { silenced_by: vec![silencer], value: Some(1.0), ..heard("Both", AlertState::Suppressed) };
        let feeds = [feed("a", vec![both.clone(), alone.clone()]), feed("b", vec![Arc::new(held)])];
        let joined = Joined::of(&feeds, Joined::default());
        let rows = joined.of_feed(&feeds[0].id);
        assert_eq!((rows[0].state, rows[0].value, rows[0].silenced_by.len()), (AlertState::Suppressed, Some(1.0), 1));
        assert!(Arc::ptr_eq(&rows[1], &alone));
        assert!(joined.of_feed(&feeds[1].id).is_empty());
    }

    #[test]
    fn only_what_changed_is_joined_anew() {
        let told = |name| Arc::new(alert(name, AlertState::Firing));
        let (a, b) = (vec![told("A"), told("B")], vec![told("A"), told("B")]);
        let feeds = [feed("a", a.clone()), feed("b", b.clone())];
        let first = Joined::of(&feeds, Joined::default());
        let rows = first.of_feed(&feeds[0].id).to_vec();
        let feeds = [feed("a", a), feed("b", vec![told("A"), b[1].clone()])];
        let second = Joined::of(&feeds, first);
        let again = second.of_feed(&feeds[0].id);
        assert!(!Arc::ptr_eq(&rows[0], &again[0]));
        assert!(Arc::ptr_eq(&rows[1], &again[1]));
    }

    #[test]
    fn an_alert_that_one_alertmanager_tells_somebody_of_fires() {
        use AlertState::{Firing, Pending, Suppressed};
        let (fires, held, loud) = (alert("A", Firing), heard("A", Suppressed), heard("A", Firing));
        assert_eq!(states(&[fires.clone(), held.clone()]), Suppressed);
        assert_eq!(states(&[held.clone(), fires.clone()]), Suppressed);
        for order in [[&fires, &held, &loud], [&loud, &held, &fires], [&held, &loud, &fires], [&loud, &fires, &held]] {
            assert_eq!(states(&order.map(Clone::clone)), Firing);
        }
        assert_eq!(states(&[held.clone(), held]), Suppressed);
        assert_eq!(states(&[alert("A", Pending), fires]), Firing);
    }

    #[test]
    fn groups_are_those_of_alertmanager_and_else_of_the_name() {
        let group = Arc::new(Group { receiver: "ops".into(), labels: [("zone".to_owned(), "a".to_owned())].into() });
        let grouped = |name| Arc::new(Alert { group: Some(group.clone()), ..heard(name, AlertState::Firing) });
        let pending = Arc::new(alert("C", AlertState::Pending));
        let feeds = [feed("a", vec![pending]), feed("b", vec![grouped("A"), grouped("B")])];
        let joined = Joined::of(&feeds, Joined::default());
        let by_name = &joined.groups_of(&feeds[0].id)[0];
        assert_eq!((by_name.name(), by_name.pending), ("C", 1));
        let routed = &joined.groups_of(&feeds[1].id)[0];
        assert_eq!((routed.alerts.len(), routed.firing, routed.receiver()), (2, 2, Some("ops")));
    }
}
