//! The lines of a recording.

use super::{Header, Moment};
use crate::domain::SourceError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first of a file.
    Header(Box<Header>),
    /// The first of every other member: reading can begin here.
    Segment(Moment),
    /// What is known of a source when a segment begins: no news.
    Known(Told),
    /// A source answered or failed.
    Sample(Told),
    /// Samples are missing.
    Gap(Gap),
    /// The recording was ended, not cut off.
    End(Moment),
}

/// An answer or a failure.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// As in [`Moment`].
    pub t: u64,
    /// As in [`Moment`].
    pub at: jiff::Timestamp,
    /// Place of the source in the header.
    pub source: usize,
    /// How long it took, in microseconds.
    pub took: u64,
    /// The answer.
    pub is: Answer,
}

impl Told {
    /// When.
    pub const fn moment(&self) -> Moment {
        Moment { t: self.t, at: self.at }
    }
}

/// What a source said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A whole snapshot.
    Whole(Value),
    /// What changed since its last good answer.
    Change(Value),
    /// As its last good answer.
    Same,
    /// It failed.
    Error(SourceError),
}

/// Samples that were not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// As in [`Moment`]: when writing went on.
    pub t: u64,
    /// As in [`Moment`].
    pub at: jiff::Timestamp,
    /// How many samples.
    pub lost: u64,
    /// Why, in words.
    pub why: String,
}

/// A line of which only the time is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Glance {
    /// See [`Line`]; likewise below.
    Header(serde::de::IgnoredAny),
    /// When the segment begins.
    Segment(Moment),
    /// Older than the segment.
    Known(serde::de::IgnoredAny),
    /// When the sample came.
    Sample(Moment),
    /// When writing went on.
    Gap(Moment),
    /// When the recording ended.
    End(Moment),
}
