//! What is known now: the last good snapshot of every source, how old it is, and what is wrong with it.
//!
//! Pure. Must not turn a failure into an empty snapshot: the last good one stays, beside the reason.

mod alerts;
pub mod feed;
pub mod history;
pub mod ring;

pub use alerts::AlertGroup;
pub use feed::{Feed, Health};
pub use history::{History, Trend};
pub use ring::Ring;

use crate::domain::{Alert, AlertReport, Now, Sample, Snapshot, SourceId, Subject};
use std::sync::Arc;

/// All feeds, in the config's order.
#[derive(Clone, Debug, Default)]
pub struct Store {
    feeds: Vec<Feed>,
    history: History,
    alerts: alerts::Joined,
}

impl Store {
    /// A store that waits for the first sample of each feed.
    pub fn new(feeds: Vec<Feed>) -> Self {
        Self { feeds, ..Self::default() }
    }

    /// Takes in one sample; a source nobody configured is ignored. Returns what it was about.
    pub fn apply(&mut self, sample: Sample) -> Option<Subject> {
        let feed = self.feeds.iter_mut().find(|feed| feed.id == sample.source)?;
        feed.apply(sample);
        let (id, subject) = (feed.id.clone(), feed.subject);
        if let (None, Some(Snapshot::Servers(servers))) = (&feed.error, feed.snapshot()) {
            self.history.record(&id, servers);
        }
        if subject == Subject::Alerts {
            self.alerts = alerts::Joined::of(&self.feeds, std::mem::take(&mut self.alerts));
        }
        Some(subject)
    }

    /// The alerts that rows of `feed` stand for: an alert that both Prometheus and Alertmanager report is one row, of the
    /// first feed in the config's order, with what both know.
    pub fn alerts(&self, feed: &Feed) -> &[Arc<Alert>] {
        self.alerts.of_feed(&feed.id)
    }

    /// The same rows in groups: as Alertmanager notifies of them, or by name. Each group stands with the feed of its first row.
    pub fn alert_groups(&self, feed: &Feed) -> &[AlertGroup] {
        self.alerts.groups_of(&feed.id)
    }

    /// All alerts, each once.
    pub fn all_alerts(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.about(Subject::Alerts).flat_map(|feed| self.alerts(feed))
    }

    /// What the sources about alerts told last.
    pub fn alert_reports(&self) -> impl Iterator<Item = (&Feed, &AlertReport)> {
        self.about(Subject::Alerts).filter_map(|feed| Some((feed, feed.snapshot()?.alerts()?)))
    }

    /// Figures over time of one server.
    pub fn trend(&self, source: &SourceId, server: &str) -> Option<&Trend> {
        self.history.of(source, server)
    }

    /// All feeds.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// The feeds about one subject.
    pub fn about(&self, subject: Subject) -> impl Iterator<Item = &Feed> {
        self.feeds.iter().filter(move |feed| feed.subject == subject)
    }

    /// By id.
    pub fn feed(&self, id: &SourceId) -> Option<&Feed> {
        self.feeds.iter().find(|feed| &feed.id == id)
    }

    /// Changes whenever a feed about `subject` took in a sample.
    pub fn revision(&self, subject: Subject) -> u64 {
        self.about(subject).map(|feed| feed.revision).sum()
    }

    /// Changes when a feed about `subject` turns stale, fails or recovers, though no sample came.
    pub fn health_key(&self, subject: Subject, now: Now) -> u64 {
        self.about(subject).fold(0, |key, feed| key * 5 + feed.health(now) as u64 + 1)
    }
}
