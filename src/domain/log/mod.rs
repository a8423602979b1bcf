//! Logs: where they are, what a line of one is, how bad it says that it is, and what lines have in common.
//!
//! Pure. Must not read anything: the readers are in `logs/`, the lines that are kept in `store::log`.

mod json;
mod level;
mod pattern;
mod trace;
mod when;

pub use json::{fields, is_object, pretty};
pub use level::Level;
pub use pattern::mask;
pub use trace::Part;
pub use when::{OwnTime, of_text, own_time};

use super::{SourceError, SourceId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes kept of one line; the rest is cut, and the line says so.
pub const LONGEST: usize = 16 << 10;

/// Where one log is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogPlace {
    /// What a container writes on its outputs (`GET /containers/ID/logs`).
    Container {
        /// The engine's source.
        source: SourceId,
        /// The full id.
        id: Arc<str>,
        /// Its name, by which it is found again when it was made anew.
        name: Arc<str>,
    },
    /// A machine's journal (`journalctl`).
    Journal {
        /// The source that reaches it: `ssh/NAME` or `local/NAME`.
        source: SourceId,
        /// The server, as the servers pane names it.
        server: Arc<str>,
    },
    /// A file on a machine (`tail`).
    File {
        /// As of a journal.
        source: SourceId,
        /// As of a journal.
        server: Arc<str>,
        /// From the root.
        path: Arc<str>,
    },
}

impl LogPlace {
    /// What its lines are marked with, where there are several.
    pub fn name(&self) -> &str {
        match self {
            Self::Container { name, .. } => name,
            Self::Journal { .. } => "journal",
            Self::File { path, .. } => path.rsplit('/').next().unwrap_or(path),
        }
    }
}

/// What is read as one log: one place, or several merged by time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogTarget {
    /// For people, as in `web-1` or `shop/web, 3 containers`.
    pub name: Arc<str>,
    /// At least one.
    pub places: Arc<[LogPlace]>,
}

impl LogTarget {
    /// Of one place.
    pub fn one(name: impl Into<Arc<str>>, place: LogPlace) -> Self {
        Self { name: name.into(), places: Arc::new([place]) }
    }

    /// Some of it are files, which can't be asked for a time.
    pub fn has_files(&self) -> bool {
        self.places.iter().any(|place| matches!(place, LogPlace::File { .. }))
    }
}

/// From when on a log is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// The newest [`Anchor::TAIL`] lines of all places together.
    #[default]
    Tail,
    /// All that there is.
    All,
    /// The last minute.
    Minute,
    /// The last five.
    FiveMinutes,
    /// The last fifteen.
    QuarterHour,
    /// The last thirty.
    HalfHour,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
}

impl Anchor {
    /// Lines read when nothing else is asked for.
    pub const TAIL: usize = 5000;

    /// How far back; `None` where it is not a time.
    pub const fn back(self) -> Option<Duration> {
        let minutes = match self {
            Self::Tail | Self::All => return None,
            Self::Minute => 1,
            Self::FiveMinutes => 5,
            Self::QuarterHour => 15,
            Self::HalfHour => 30,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        };
        Some(Duration::from_secs(minutes * 60))
    }

    /// In a title.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tail => "last 5,000 lines",
            Self::All => "all",
            Self::Minute => "since 1m",
            Self::FiveMinutes => "since 5m",
            Self::QuarterHour => "since 15m",
            Self::HalfHour => "since 30m",
            Self::Hour => "since 1h",
            Self::Day => "since 24h",
        }
    }
}

/// What is asked of the readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// What.
    pub target: LogTarget,
    /// From when on.
    pub anchor: Anchor,
    /// Where a line of a file was written that tells a time without an offset.
    pub zone: TimeZone,
    /// Counts how often it was asked for again by hand.
    pub again: u32,
}

/// One line, harmless: cleaned, and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, by the clock of the machine that wrote it; `None`: it does not say.
    pub at: Option<Timestamp>,
    /// How bad, where that can be told.
    pub level: Option<Level>,
    /// Which place of the target it is from.
    pub place: u16,
    /// At most [`LONGEST`] bytes, and a mark when it was cut.
    pub text: String,
}

/// How the reading of one place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asked, and nothing has come.
    Opening,
    /// Its lines come as they are written.
    Following,
    /// They do not, and it is tried again by itself.
    Retrying,
    /// They do not, and only a key tries again.
    Over,
}

/// How it stands, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceState {
    /// Since when.
    pub at: Timestamp,
    /// How.
    pub stage: Stage,
    /// What happened, and how to mend it; `None` when all is well.
    pub why: Option<SourceError>,
}

/// From the readers. Comes over a channel of its own that holds a few of them, so that a flood waits at its source.
#[derive(Debug)]
pub enum LogEvent {
    /// Lines, in order, and places that stand otherwise than before.
    Batch {
        /// The number of the request that it answers.
        number: u64,
        /// When it was put together.
        at: Timestamp,
        /// Lines.
        lines: Vec<LogLine>,
        /// Places by their index, and how each stands now.
        states: Vec<(u16, PlaceState)>,
    },
    /// What was to be saved is saved in this file, or not.
    Saved(Result<PathBuf, SourceError>),
}
