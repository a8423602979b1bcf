//! What is known now: the last good snapshot of every source, how old it is, and what is wrong with it.
//!
//! Pure. Must not turn a failure into an empty snapshot: the last good one stays, beside the reason.

mod alerts;
pub mod answers;
mod changes;
pub mod container_history;
pub mod database_history;
mod databases;
pub mod feed;
pub mod history;
pub mod log;
mod outages;
pub mod ring;
mod servers;

pub use alerts::AlertGroup;
pub use container_history::{ContainerHistory, Past, Trail};
pub use database_history::DatabaseTrend;
pub use databases::Stream;
pub use feed::{Feed, Health};
pub use history::{Figure, Trend};
pub use outages::{Away, Outage};
pub use ring::Ring;
pub use servers::{Named, ServerRow};

use crate::domain::{
    Alert, AlertReport, Answered, Clients, Found, Inquiry, Limits, LockNode, Now, Sample, Snapshot, SourceError,
    SourceId, Subject,
};
use std::sync::Arc;
use std::time::Duration;

/// All feeds, in the config's order.
#[derive(Clone, Debug, Default)]
pub struct Store {
    feeds: Vec<Feed>,
    containers: ContainerHistory,
    alerts: alerts::Joined,
    answers: answers::Answers,
    seen: changes::Seen,
    servers: servers::Joined,
    databases: databases::Databases,
    /// What revisions count from: they never come back to what they were, also when feeds go.
    base: u64,
}

impl Store {
    /// A store that waits for the first sample of each feed.
    pub fn new(feeds: Vec<Feed>) -> Self {
        Self { feeds, ..Self::default() }
    }

    /// With the servers that the config names: each has a row from now on.
    #[must_use]
    pub fn with_servers(mut self, named: Vec<Named>, now: Now) -> Self {
        self.servers = servers::Joined::new(named, &self.feeds, now);
        self
    }

    /// With the limits by which it is remembered when a server was not well.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.set_limits(limits);
        self
    }

    /// The same, from now on.
    pub fn set_limits(&mut self, limits: &Limits) {
        self.servers.limits = *limits;
    }

    /// Goes on with other feeds and other named servers. Feeds that were there before keep what is known of them, but for those that
    /// are `anew`; what is known of those that are gone goes with them.
    pub fn reconfigure(&mut self, feeds: Vec<Feed>, anew: &[SourceId], servers: Vec<Named>, now: Now) {
        self.base += self.feeds.iter().map(|feed| feed.revision).sum::<u64>() + 1;
        let mut before = std::mem::take(&mut self.feeds);
        before.retain(|feed| !anew.contains(&feed.id));
        let kept = |feed: Feed| match before.iter().position(|known| known.id == feed.id) {
            Some(at) => before.swap_remove(at),
            None => feed,
        };
        self.feeds = feeds.into_iter().map(kept).collect();
        let is_known = |id: &SourceId| self.feeds.iter().any(|feed| feed.id == *id);
        self.containers.retain(is_known);
        self.databases.retain(|id| is_known(id) && !anew.contains(id));
        self.alerts = alerts::Joined::of(&self.feeds, std::mem::take(&mut self.alerts));
        self.servers.reconfigure(servers, &self.feeds, now);
    }

    /// Takes in one sample; a source nobody configured is ignored. Returns what it was about.
    pub fn apply(&mut self, sample: Sample) -> Option<Subject> {
        let index = self.feeds.iter().position(|feed| feed.id == sample.source)?;
        let at = sample.at;
        let before = changes::Before::of(&self.feeds[index]);
        self.feeds[index].apply(sample);
        self.seen.compare(&before, &self.feeds[index], at);
        let feed = &self.feeds[index];
        let subject = feed.subject;
        match subject {
            Subject::Servers => self.servers.take(&self.feeds, index, at),
            Subject::Alerts => self.alerts = alerts::Joined::of(&self.feeds, std::mem::take(&mut self.alerts)),
            Subject::Containers => {
                if let (None, Some(engine)) = (&feed.error, feed.snapshot().and_then(Snapshot::engine)) {
                    self.containers.record(&feed.id, at, feed.interval, &engine.containers);
                }
            }
            Subject::Databases => {
                let known = feed.snapshot().filter(|_| feed.error.is_none()).and_then(Snapshot::database);
                self.databases.record(&feed.id, at, known);
            }
        }
        Some(subject)
    }

    /// Takes the place of another store: whoever compares revisions sees that everything may be new.
    pub fn follow(&mut self, before: &Self) {
        for feed in &mut self.feeds {
            feed.revision += before.feed(&feed.id).map_or(0, |before| before.revision) + 1;
        }
        self.servers.joins += before.servers.joins + 1;
    }

    /// Lets time pass: a source whose answer is overdue is trusted no more, and what it told is no longer mixed with what
    /// others tell.
    pub fn pass(&mut self, now: Now) {
        self.servers.pass(&self.feeds, now, None);
    }

    /// The alerts that rows of `feed` stand for: an alert that both Prometheus and Alertmanager report is one row, of the
    /// first feed in the config's order, with what both know.
    pub fn alerts(&self, feed: &Feed) -> &[Arc<Alert>] {
        self.alerts.of_feed(&feed.id)
    }

    /// Whether it is time to ask (again); remembers that it was asked now.
    pub fn ask(&mut self, inquiry: &Inquiry, now: Now) -> bool {
        self.answers.ask(inquiry, now)
    }

    /// When it was asked last.
    pub fn asked_at(&self, inquiry: &Inquiry) -> Option<Now> {
        self.answers.asked_at(inquiry)
    }

    /// Takes in an answer.
    pub fn answered(&mut self, answered: Answered, now: Now) {
        self.answers.take(answered, now);
    }

    /// Takes over what another store knows of answers.
    pub fn share_answers(&mut self, from: &Self) {
        self.answers.clone_from(&from.answers);
    }

    /// A source is asked at another pace from now on.
    pub fn set_interval(&mut self, id: &SourceId, interval: Duration) {
        if let Some(feed) = self.feeds.iter_mut().find(|feed| &feed.id == id) {
            feed.interval = interval;
        }
    }

    /// The newest answer; `None` while the first is waited for.
    pub fn answer(&self, inquiry: &Inquiry) -> Option<&Result<Found, SourceError>> {
        self.answers.of(inquiry)
    }

    /// When that answer came.
    pub fn answered_at(&self, inquiry: &Inquiry) -> Option<Now> {
        self.answers.at(inquiry)
    }

    /// The servers that rows of `feed` stand for: one that several sources know is one row, of the first of them that can
    /// be trusted.
    pub fn servers(&self, feed: &Feed) -> &[ServerRow] {
        let index = self.feeds.iter().position(|other| other.id == feed.id);
        index.map_or(&[], |index| self.servers.of_feed(index))
    }

    /// A server by its name, and the feed that its row stands with.
    pub fn server(&self, name: &str) -> Option<(&Feed, &ServerRow)> {
        let rows = |feed| self.servers(feed).iter().map(move |row| (feed, row));
        self.about(Subject::Servers).flat_map(rows).find(|(_, row)| row.name == name)
    }

    /// All servers, each once.
    pub fn all_servers(&self) -> impl Iterator<Item = &ServerRow> {
        self.servers.all()
    }

    /// When a server was away since this program watches, oldest first; and since when it does.
    pub fn outages(&self, server: &str) -> (&[Outage], Option<jiff::Timestamp>) {
        (self.servers.outages.of(server), self.servers.outages.since)
    }

    /// What the config says of its servers, in its order; no figures.
    pub fn configured(&self) -> impl Iterator<Item = &crate::domain::Server> {
        self.servers.configured()
    }

    /// The config names a server so, with a `[[server]]` of its own.
    pub fn is_configured(&self, server: &str) -> bool {
        self.servers.is_configured(server)
    }

    /// The names of the columns that status addresses of servers are mapped to.
    pub fn server_columns(&self) -> &[String] {
        self.servers.columns()
    }

    /// Who waits for whom on a database server, as lines of a tree.
    pub fn lock_tree(&self, feed: &Feed) -> &[LockNode] {
        self.databases.of(&feed.id).map_or(&[], |views| &views.locks)
    }

    /// Who holds the connections of a database server.
    pub fn activity(&self, feed: &Feed) -> &[Clients] {
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
    pub fn trend(&self, server: &str) -> Option<&Trend> {
        self.servers.trend(server)
    }

    /// Figures over time of one container, by its full id.
    pub fn past(&self, source: &SourceId, container: &str) -> Option<&Past> {
        self.containers.of(source, container)
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

    /// Changes whenever a feed about `subject` took in a sample, or rows were joined anew.
    pub fn revision(&self, subject: Subject) -> u64 {
        let joins = if subject == Subject::Servers { self.servers.joins } else { 0 };
        self.about(subject).map(|feed| feed.revision).sum::<u64>() + joins + self.base
    }

    /// Changes when a feed about `subject` turns stale, fails or recovers, though no sample came.
    pub fn health_key(&self, subject: Subject, now: Now) -> u64 {
        self.about(subject).fold(0, |key, feed| key * 5 + feed.health(now) as u64 + 1)
    }
}
