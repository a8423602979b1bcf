//! One source as the screen knows it: last good snapshot, age, last error, and from these its health.

use crate::domain::{Now, Sample, Snapshot, SourceError, SourceId, Subject};
use std::sync::Arc;
use std::time::Duration;

/// How far a feed can be trusted just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing has come yet, good or bad.
    Waiting,
    /// The last poll was good and is recent.
    Fresh,
    /// The last poll was good, but the next is overdue: it hangs.
    Stale,
    /// The last poll failed.
    Failed,
}

/// One source's state.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Source.
    pub id: SourceId,
    /// What it reports on.
    pub subject: Subject,
    /// How often it is asked now.
    pub interval: Duration,
    /// How often the config has it asked.
    pub configured: Duration,
    /// The last good answer, and when it came. Kept through failures.
    pub good: Option<(Now, Arc<Snapshot>)>,
    /// Why the last poll failed, and since when polls have been failing.
    pub error: Option<(Now, SourceError)>,
    /// How long the last poll took.
    pub took: Duration,
    /// One more for every sample taken in.
    pub revision: u64,
}

impl Feed {
    /// A feed nothing is known of yet.
    pub fn new(id: SourceId, subject: Subject, interval: Duration) -> Self {
        Self { id, subject, interval, configured: interval, good: None, error: None, took: Duration::ZERO, revision: 0 }
    }

    /// Takes in one sample.
    pub fn apply(&mut self, sample: Sample) {
        self.revision += 1;
        self.took = sample.took;
        match sample.outcome {
            Ok(snapshot) => {
                self.good = Some((sample.at, snapshot));
                self.error = None;
            }
            Err(error) => {
                let since = self.error.as_ref().map_or(sample.at, |(since, _)| *since);
                self.error = Some((since, error));
            }
        }
    }

    /// After this long without an answer a feed is stale: two intervals, and at least two seconds, so that one late
    /// poll does not grey the pane.
    pub fn patience(&self) -> Duration {
        (self.interval * 2 + Duration::from_millis(500)).max(Duration::from_secs(2))
    }

    /// Health at `now`.
    pub fn health(&self, now: Now) -> Health {
        match (&self.error, &self.good) {
            (Some(_), _) => Health::Failed,
            (None, None) => Health::Waiting,
            (None, Some((at, _))) if now.since(*at) > self.patience() => Health::Stale,
            (None, Some(_)) => Health::Fresh,
        }
    }

    /// The last good snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.good.as_ref().map(|(_, snapshot)| &**snapshot)
    }

    /// Age of the last good snapshot.
    pub fn age(&self, now: Now) -> Option<Duration> {
        self.good.as_ref().map(|(at, _)| now.since(*at))
    }
}
