//! A container, in the Docker Engine API's terms.

use super::{Limits, Severity, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `State.Status` of the Engine API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its main process runs.
    Running,
    /// Frozen by `docker pause`.
    Paused,
    /// Exited, and the restart policy is starting it again.
    Restarting,
    /// Being removed.
    Removing,
    /// Its main process ended.
    Exited,
    /// Could not be removed.
    Dead,
    /// A word this version does not know.
    #[default]
    Unknown,
}

impl ContainerState {
    /// From the API's word.
    pub fn parse(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" => Self::Removing,
            "exited" => Self::Exited,
            "dead" => Self::Dead,
            _ => Self::Unknown,
        }
    }
    /// The API's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// `State.Health.Status` of the Engine API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The image declares no health check.
    #[default]
    None,
    /// Within the start period.
    Starting,
    /// The last probe passed.
    Healthy,
    /// As many probes in a row failed as the image allows.
    Unhealthy,
}

impl Health {
    /// From the API's word; `none`, empty and unknown words are [`Health::None`].
    pub fn parse(word: &str) -> Self {
        match word {
            "starting" => Self::Starting,
            "healthy" => Self::Healthy,
            "unhealthy" => Self::Unhealthy,
            _ => Self::None,
        }
    }
    /// The API's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The labels that Docker Compose puts on a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compose {
    /// `com.docker.compose.project`.
    pub project: String,
    /// `com.docker.compose.service`.
    pub service: String,
}

/// One container. A figure that is not known (yet) is `None`, never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Full id, 64 hex digits.
    pub id: Arc<str>,
    /// First name, without the leading slash.
    pub name: String,
    /// Image reference as it was given.
    pub image: String,
    /// State.
    pub state: ContainerState,
    /// Health.
    pub health: Health,
    /// CPU in use, 1.0 = one whole core, as `docker stats` computes it; `None` unless running and measured.
    pub cpu: Option<f64>,
    /// Memory without the page cache (`docker stats`), and the limit; a total of zero means no limit.
    pub memory: Option<Usage>,
    /// `RestartCount`: restarts by the restart policy since it was created.
    pub restarts: Option<u64>,
    /// `State.StartedAt`; `None` when never started.
    pub started_at: Option<Timestamp>,
    /// `State.FinishedAt`; `None` when it never finished.
    pub finished_at: Option<Timestamp>,
    /// `State.ExitCode` of a container that is not running.
    pub exit_code: Option<i64>,
    /// The kernel's out-of-memory killer ended it.
    pub oom_killed: bool,
    /// Compose project and service.
    pub compose: Option<Compose>,
}

impl Container {
    /// How bad its state is. Unhealthy, dead, restarting and OOM-killed are critical; a non-zero exit is a warning
    /// (one-off jobs fail too); a clean exit is nothing.
    pub fn judge(&self, limits: &Limits) -> Severity {
        match self.state {
            ContainerState::Dead | ContainerState::Restarting => Severity::Critical,
            ContainerState::Running if self.health == Health::Unhealthy => Severity::Critical,
            ContainerState::Running => self.judge_running(limits),
            ContainerState::Paused | ContainerState::Removing => Severity::Info,
            ContainerState::Created => Severity::None,
            ContainerState::Exited if self.oom_killed => Severity::Critical,
            // 143 and 137 are how a container ends that was asked to: SIGTERM, and SIGKILL after the grace time.
            ContainerState::Exited if matches!(self.exit_code, Some(0 | 143 | 137) | None) => Severity::None,
            ContainerState::Exited => Severity::Warning,
            ContainerState::Unknown => Severity::Unknown,
        }
    }

    fn judge_running(&self, limits: &Limits) -> Severity {
        let memory = self.memory.filter(|m| m.total > 0).map_or(Severity::Ok, |m| limits.memory.judge(m.ratio()));
        if self.health == Health::Starting { memory.max(Severity::Info) } else { memory }
    }

    /// The word in the state column: health where there is one, else the state; an exit carries its code.
    pub fn state_word(&self) -> &'static str {
        match (self.state, self.health) {
            (ContainerState::Exited, _) if self.oom_killed => "oom-killed",
            (ContainerState::Running, Health::None) => "running",
            (ContainerState::Running, health) => health.word(),
            (state, _) => state.word(),
        }
    }
}
