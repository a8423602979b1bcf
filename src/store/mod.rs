//! What is known now: the last good snapshot of every source, how old it is, and what is wrong with it.
//!
//! Pure. Must not turn a failure into an empty snapshot: the last good one stays, beside the reason.

mod alerts;
pub mod database_history;
mod databases;
pub mod feed;
pub mod history;
pub mod ring;

pub use database_history::DatabaseTrend;
pub use databases::Stream;
pub use feed::{Feed, Health};
pub use history::{History, Trend};
pub use ring::Ring;

use crate::domain::{Alert, Group, LockNode, Now, Sample, Snapshot, SourceId, Subject};

/// All feeds, in the config's order.
#[derive(Clone, Debug, Default)]
pub struct Store {
    feeds: Vec<Feed>,
    history: History,
    alerts: alerts::Joined,
    databases: databases::Databases,
}

impl Store {
    /// A store that waits for the first sample of each feed.
    pub fn new(feeds: Vec<Feed>) -> Self {
        Self { feeds, ..Self::default() }
    }

    /// Takes in one sample; a source nobody configured is ignored. Returns what it was about.
    pub fn apply(&mut self, sample: Sample) -> Option<Subject> {
        let feed = self.feeds.iter_mut().find(|feed| feed.id == sample.source)?;
        let at = sample.at;
        feed.apply(sample);
        let (id, subject) = (feed.id.clone(), feed.subject);
        if let (None, Some(Snapshot::Servers(servers))) = (&feed.error, feed.snapshot()) {
            self.history.record(&id, servers);
        }
        if subject == Subject::Databases {
            let known = feed.error.is_none().then(|| feed.snapshot().and_then(Snapshot::database)).flatten();
            self.databases.record(&id, at, known);
        }
        if subject == Subject::Alerts {
            self.alerts = alerts::Joined::of(&self.feeds);
        }
        Some(subject)
    }

    /// The alerts that rows of `feed` stand for: an alert that both Prometheus and Alertmanager report is one row, of the
    /// first feed in the config's order, with what both know.
    pub fn alerts(&self, feed: &Feed) -> &[Alert] {
        self.alerts.of_feed(&feed.id)
    }

    /// Who waits for whom on a database server, as lines of a tree.
    pub fn lock_tree(&self, feed: &Feed) -> &[LockNode] {
        self.databases.of(&feed.id).map_or(&[], |views| &views.locks)
    }

    /// Who holds the connections of a database server.
    pub fn activity(&self, feed: &Feed) -> &[Group] {
        self.databases.of(&feed.id).map_or(&[], |views| &views.activity)
    }

    /// What a database server sends WAL to, gets it from and keeps it for.
    pub fn streams(&self, feed: &Feed) -> &[Stream] {
        self.databases.of(&feed.id).map_or(&[], |views| &views.streams)
    }

    /// Figures over time of a database server.
    pub fn database_trend(&self, feed: &Feed) -> Option<&DatabaseTrend> {
        self.databases.of(&feed.id).map(|views| &views.trend)
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
