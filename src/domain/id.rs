//! Identities: what a row *is*, apart from where it stands on the screen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// A configured source, `kind/name` as in `docker/local` or `postgres/primary`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Joins the kind's name and the configured name.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(format!("{kind}/{name}").into())
    }
    /// A part of it that reports on something else: `prometheus/main/servers` beside `prometheus/main`.
    #[must_use]
    pub fn part(&self, part: &str) -> Self {
        Self(format!("{}/{part}", self.0).into())
    }
    /// The whole id, `kind/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The kind, before the slash.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(kind, _)| kind)
    }
    /// The configured name, after the first slash and before a second.
    pub fn name(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or(&self.0)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of a runbook. Time-ordered (UUID version 7), so that runs sort by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// The last six hex digits: what people say to each other.
    pub fn short(&self) -> String {
        last_six(self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether somebody means this id: they wrote its end, as people say it to each other, the beginning of that, or its beginning. Hyphens and the case of letters don't matter; nothing
/// names nothing.
pub fn is_called(id: Uuid, wanted: &str) -> bool {
    let (short, id) = (last_six(id), id.simple().to_string());
    let wanted = wanted.trim().replace('-', "").to_ascii_lowercase();
    !wanted.is_empty() && (id.ends_with(&wanted) || short.starts_with(&wanted) || id.starts_with(&wanted))
}

/// The identity of a thing in a pane. The cursor follows it, a plan pins it: a re-sorted list or a reused pid
/// never makes it mean something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThingId {
    /// A server, by its name: several sources may report on it.
    Server {
        /// Its name.
        name: Arc<str>,
    },
    /// A container, by engine and full container id.
    Container {
        /// The engine's source.
        source: SourceId,
        /// The full (64 hex digits) id, never the name: names are reused.
        id: Arc<str>,
    },
    /// An alert, by its fingerprint: several sources may report it.
    Alert {
        /// Alertmanager's fingerprint: 16 hex digits.
        fingerprint: Arc<str>,
    },
    /// A PostgreSQL session: pids are reused, `backend_start` tells the incarnations apart.
    Session {
        /// The server's source.
        source: SourceId,
        /// Backend process id.
        pid: i32,
        /// When that backend started, by the server's clock.
        backend_start: Timestamp,
    },
    /// A process of a server: pids are reused, the start tells the incarnations apart.
    Process {
        /// Who reads the server's processes: a `local` or `ssh` source.
        source: SourceId,
        /// Process id.
        pid: i32,
        /// When it began, in hundredths of a second since the machine's start.
        started: u64,
    },
    /// A row of a page that is nobody else's: a silence, a rule, a target, an event, a replica, a slot, a database.
    Entry {
        /// The reporting source.
        source: SourceId,
        /// Which of its entries: `silence/5f2c…`, `rule/group/name`.
        key: Arc<str>,
    },
    /// A run of a runbook.
    Run(RunId),
    /// A runbook, by its id.
    Runbook(Arc<str>),
}

impl ThingId {
    /// The run that it is, if it is one.
    pub const fn run(&self) -> Option<RunId> {
        match self {
            Self::Run(run) => Some(*run),
            Self::Server { .. }
            | Self::Container { .. }
            | Self::Alert { .. }
            | Self::Session { .. }
            | Self::Process { .. }
            | Self::Entry { .. }
            | Self::Runbook(_) => None,
        }
    }
}

/// One incident. Time-ordered (UUID version 7), so that incidents sort by when they were declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub Uuid);

impl IncidentId {
    /// The last six hex digits: what people say to each other.
    pub fn short(&self) -> String {
        last_six(self.0)
    }

    /// From the whole id, as records hold it.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn last_six(id: Uuid) -> String {
    let text = id.simple().to_string();
    text[text.len() - 6..].to_owned()
}
