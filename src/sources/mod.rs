//! SEE: one folder per kind of source. A source asks one service, and says what it found as a [`Snapshot`].
//!
//! A source owns its parsing and its protocol's rules. It must not know a pane, a key or a runbook, must not sleep
//! or spawn a poll of its own (the poller in `runtime/` paces it), and must never turn a failure into an empty list.
//! To add one: copy the smallest folder, add a `mod` line and a line in [`SOURCES`].

pub mod alertmanager;
pub mod docker;
pub mod local;
pub mod postgres;
pub mod prometheus;

use crate::connect::Connections;
use crate::domain::{Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;

/// Every kind there is, in the order of documentation. Config tables, help, the example config and `check` read it.
pub const SOURCES: &[SourceKind] = &[local::KIND, docker::KIND, prometheus::KIND, alertmanager::KIND, postgres::KIND];

/// A kind of source, as a registry line.
#[derive(Clone, Copy)]
pub struct SourceKind {
    /// The config table's name and the prefix of the ids: `docker` in `[docker.main]` and `docker/main`.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// An example table in TOML, every key explained.
    pub example: &'static str,
    /// What it reports on.
    pub subject: Subject,
    /// Reads its config table (unknown keys refused; the error carries the span).
    pub read: ReadSettings,
}

/// Reads one config table of a kind.
pub type ReadSettings = fn(toml::Spanned<toml::de::DeValue<'_>>) -> Result<Box<dyn Settings>, toml::de::Error>;

/// The settings of one configured source.
pub trait Settings: fmt::Debug + Send + Sync {
    /// How often to ask and how long to wait.
    fn pace(&self) -> Pace;
    /// Makes the source; registers what steps will need too (an engine, a database) under the same name. Connects lazily: an
    /// error here is one of configuration, not of reachability.
    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Box<dyn Source>, SourceError>;
    /// What `quarterdeck check` should say about these settings beside errors, one sentence each (a login that may both read and act …).
    fn advice(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a source is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time from the start of one poll to the start of the next.
    pub interval: Duration,
    /// A poll that takes longer is a failure.
    pub timeout: Duration,
}

/// A live source, owned by its poller's task.
#[async_trait]
pub trait Source: Send {
    /// Asks once. Cancelled by the poller's timeout, so it must be safe to drop at any await.
    async fn poll(&mut self) -> Result<Snapshot, SourceError>;

    /// Resolves when the service itself says that something changed (an event stream): the poller then polls at
    /// once. Cancel-safe. The default never resolves.
    async fn changed(&mut self) {
        std::future::pending().await
    }
}
