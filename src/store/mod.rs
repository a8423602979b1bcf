//! What is known now: the last good snapshot of every source, how old it is, and what is wrong with it.
//!
//! Pure. Must not turn a failure into an empty snapshot: the last good one stays, beside the reason.

pub mod feed;
pub mod ring;

pub use feed::{Feed, Health};
pub use ring::Ring;

use crate::domain::{Now, Sample, SourceId, Subject};

/// All feeds, in the config's order.
#[derive(Clone, Debug, Default)]
pub struct Store {
    feeds: Vec<Feed>,
}

impl Store {
    /// A store that waits for the first sample of each feed.
    pub fn new(feeds: Vec<Feed>) -> Self {
        Self { feeds }
    }

    /// Takes in one sample; a source nobody configured is ignored. Returns what it was about.
    pub fn apply(&mut self, sample: Sample) -> Option<Subject> {
        let feed = self.feeds.iter_mut().find(|feed| feed.id == sample.source)?;
        feed.apply(sample);
        Some(feed.subject)
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
