//! What a source yields: a sample, whose outcome is a snapshot or a failure. Never an absence.

use super::{AlertReport, Database, Engine, Now, Server, SourceId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What a pane is about. Every source reports on exactly one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Machines.
    Servers,
    /// Containers of an engine.
    Containers,
    /// Alerts of a Prometheus or an Alertmanager.
    Alerts,
    /// A PostgreSQL server.
    Databases,
}

impl Subject {
    /// All of them, in the order of the panes.
    pub const ALL: [Self; 4] = [Self::Servers, Self::Containers, Self::Alerts, Self::Databases];

    /// The word used in commands and titles.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Containers => "containers",
            Self::Alerts => "alerts",
            Self::Databases => "databases",
        }
    }
}

/// Everything one poll found. Moved about as `Arc`, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "moved about as Arc, so the largest costs the others nothing")]
pub enum Snapshot {
    /// From a server source.
    Servers(Vec<Server>),
    /// From a container engine.
    Containers(Engine),
    /// From Prometheus or Alertmanager.
    Alerts(AlertReport),
    /// From PostgreSQL.
    Database(Database),
}

impl Snapshot {
    /// The servers, if that is what it is about; likewise below.
    pub fn servers(&self) -> Option<&[Server]> {
        if let Self::Servers(servers) = self { Some(servers) } else { None }
    }
    /// The engine.
    pub const fn engine(&self) -> Option<&Engine> {
        if let Self::Containers(engine) = self { Some(engine) } else { None }
    }
    /// What was told of alerts.
    pub const fn alerts(&self) -> Option<&AlertReport> {
        if let Self::Alerts(report) = self { Some(report) } else { None }
    }
    /// The PostgreSQL server.
    pub const fn database(&self) -> Option<&Database> {
        if let Self::Database(database) = self { Some(database) } else { None }
    }
}

/// Why a source has no answer, and what to do about it. Both are one plain sentence; neither holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what} ({hint})")]
pub struct SourceError {
    /// What failed, where: "no Docker engine answers on unix:///var/run/docker.sock: connection refused".
    pub what: String,
    /// How to mend it: "start the engine, or name another one as [docker.NAME] in the config".
    pub hint: String,
}

impl SourceError {
    /// From what failed and how to mend it.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// The result of one poll.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Who was asked.
    pub source: SourceId,
    /// When the answer came (or the failure).
    pub at: Now,
    /// How long it took.
    pub took: Duration,
    /// The answer.
    pub outcome: Result<Arc<Snapshot>, SourceError>,
}

impl Sample {
    /// When it was asked for; monotonic.
    pub const fn asked(&self) -> Duration {
        self.at.mono.saturating_sub(self.took)
    }
}
