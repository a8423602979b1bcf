//! Recordings: what all sources told, with the time it came, in one file that can be looked at again.
//!
//! Owns the file's format, writing it, reading it and the position in it. Pure but for the file itself: reads no clock, starts no
//! task, contacts nobody. Must not hold a secret (what is written goes through the redactor, as the journal does), and must
//! survive being cut anywhere: what was written before the cut can be replayed.
//!
//! A file is gzip (RFC 1952) in several members, one after the other, so `zcat FILE` shows it: JSON, a line each. The first
//! member holds the [`Header`]. Each other one begins with all that is known at that moment, so that reading can begin there,
//! and goes on with samples, of which only what changed is written ([`change`]).

pub mod change;
mod exact;
mod line;
mod moment;
pub mod play;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use line::Gap;
pub use moment::{Moment, Span, parse_at};
pub use play::{Command, FASTEST, Played, Player, Position};
pub use read::{Cursor, Ending, Found, Tape};
pub use write::{Ground, Writer};

use crate::domain::{Limits, Server, SourceId, Subject};
use crate::store::{Feed, Named};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The format that is written, and the newest that can be read.
pub const FORMAT: u32 = 1;

/// What a recording says of itself, before everything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// The version of the quarterdeck that wrote it.
    pub version: String,
    /// The environment's name.
    pub environment: String,
    /// It was guarded.
    pub guarded: bool,
    /// Where warnings began.
    pub limits: Limits,
    /// When the recording began.
    pub began: Timestamp,
    /// The sources, in the config's order. Samples name them by their place here.
    pub feeds: Vec<Recorded>,
    /// The servers that the config named.
    pub servers: Vec<NamedServer>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Source.
    pub id: SourceId,
    /// What it reports on.
    pub subject: Subject,
    /// How often it was asked, in milliseconds.
    pub interval_ms: u64,
}

/// A server that the config named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedServer {
    /// What the config said of it.
    pub server: Server,
    /// The sources that the config made for it alone.
    pub feeds: Vec<SourceId>,
}

impl Header {
    /// The sources, as a store takes them.
    pub fn feeds(&self) -> Vec<Feed> {
        let feed = |feed: &Recorded| Feed::new(feed.id.clone(), feed.subject, Duration::from_millis(feed.interval_ms));
        self.feeds.iter().map(feed).collect()
    }

    /// The servers, as a store takes them.
    pub fn servers(&self) -> Vec<Named> {
        let named = |named: &NamedServer| Named { server: named.server.clone(), feeds: named.feeds.clone() };
        self.servers.iter().map(named).collect()
    }
}

impl From<&Feed> for Recorded {
    fn from(feed: &Feed) -> Self {
        let interval_ms = u64::try_from(feed.interval.as_millis()).unwrap_or(u64::MAX);
        Self { id: feed.id.clone(), subject: feed.subject, interval_ms }
    }
}

impl From<Named> for NamedServer {
    fn from(named: Named) -> Self {
        Self { server: named.server, feeds: named.feeds }
    }
}
