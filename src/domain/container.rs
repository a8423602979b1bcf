//! A container, in the Docker Engine API's terms.

use super::alert::Labels;
use super::{Limits, Rates, Severity, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Compose {
    /// `com.docker.compose.project`.
    pub project: String,
    /// `com.docker.compose.service`.
    pub service: String,
}

/// A published or exposed port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Inside the container.
    pub private: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// On the host: address and port; `None` when it is only exposed.
    pub public: Option<(String, u16)>,
}

/// The last run of a health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Its exit code; zero is healthy.
    pub exit_code: i64,
    /// What it printed, cut by the engine at 4 KiB.
    pub output: String,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// Failures in a row.
    pub failing: u64,
    /// When the first of those began. The engine keeps a few runs alone: of more it is reckoned from how far apart those are.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
}

/// One container. A figure that is not known (yet) is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The last run of its health check.
    pub probe: Option<Probe>,
    /// CPU in use, 1.0 = one whole core, as `docker stats` computes it; `None` unless running and measured.
    pub cpu: Option<f64>,
    /// Memory without the page cache (`docker stats`), and the limit; a total of zero means no limit.
    pub memory: Option<Usage>,
    /// All of its networks together.
    pub network: Option<Rates>,
    /// Block devices: read and written.
    pub block_io: Option<Rates>,
    /// Processes and threads (the cgroup's `pids`).
    pub pids: Option<u64>,
    /// `RestartCount`: restarts by the restart policy since it was created.
    pub restarts: Option<u64>,
    /// Its restart policy started it again within the last ten minutes: it does not stay up.
    pub restarted_lately: bool,
    /// It is meant to run: its restart policy says so, or others of its Compose service run.
    pub expected: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// `State.StartedAt`; `None` when never started.
    pub started_at: Option<Timestamp>,
    /// `State.FinishedAt`; `None` when it never finished.
    pub finished_at: Option<Timestamp>,
    /// `State.ExitCode` of a container that is not running.
    pub exit_code: Option<i64>,
    /// The kernel's out-of-memory killer ended it.
    pub oom_killed: bool,
    /// Ports, published ones first.
    pub ports: Vec<Port>,
    /// Its addresses in the engine's networks.
    pub addresses: Vec<String>,
    /// Compose project and service.
    pub compose: Option<Compose>,
    /// All labels.
    pub labels: Labels,
}

/// Something that happened in an engine (`GET /events`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineEvent {
    /// One more for each event since quarterdeck began to listen: its identity.
    pub number: u64,
    /// When, by the engine's clock.
    pub at: Timestamp,
    /// `container`, `image`, `network`, `volume` …
    pub kind: String,
    /// `die`, `start`, `health_status: unhealthy`, `oom` …
    pub action: String,
    /// Whom it happened to: the full id.
    pub id: String,
    /// Its name, where it has one.
    pub name: String,
    /// The attributes worth telling, as `exitCode=137`.
    pub attributes: Labels,
}

/// A container engine, as one poll found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// Product and version, as in `Docker 20.10.24` or `Podman 4.3.1`.
    pub version: String,
    /// The server that it runs on, where the config or its address says so.
    pub server: Option<String>,
    /// All containers, running or not.
    pub containers: Vec<Container>,
    /// The newest events, oldest first, at most a few hundred.
    pub events: Vec<EngineEvent>,
}

impl EngineEvent {
    /// How bad it is: out of memory and a failed health check are critical, an end with an error is a warning, and what
    /// somebody asked for (a kill, an end by it) is worth knowing.
    pub fn judge(&self) -> Severity {
        match self.action.as_str() {
            "oom" | "health_status: unhealthy" => Severity::Critical,
            "health_status: healthy" => Severity::Ok,
            "die" | "died" => match self.exit_code() {
                Some(0) => Severity::None,
                Some(137 | 143) | None => Severity::Info,
                Some(_) => Severity::Warning,
            },
            "kill" | "stop" | "restart" | "pause" | "destroy" | "remove" | "delete" | "prune" => Severity::Info,
            _ => Severity::None,
        }
    }

    /// With which code a container ended.
    pub fn exit_code(&self) -> Option<i64> {
        self.attributes.get("exitCode")?.parse().ok()
    }

    /// It is about a container.
    pub fn is_of_container(&self) -> bool {
        self.kind == "container"
    }
}

impl Container {
    /// Since when it is as it is: the first of its health checks that failed, or else its last start or end.
    pub fn since(&self) -> Option<Timestamp> {
        let failing =
            self.probe.as_ref().filter(|_| self.health == Health::Unhealthy).and_then(|probe| probe.failing_since);
        failing.or_else(|| self.started_at.max(self.finished_at))
    }

    /// How bad its state is. Unhealthy, dead, restarting and OOM-killed are critical; a non-zero exit is a warning
    /// (one-off jobs fail too), and so is one that runs but was started again lately, or that was killed though it is meant to run; a clean exit is nothing.
    pub fn judge(&self, limits: &Limits) -> Severity {
        match self.state {
            ContainerState::Dead | ContainerState::Restarting => Severity::Critical,
            ContainerState::Running if self.health == Health::Unhealthy => Severity::Critical,
            ContainerState::Running => self.judge_running(limits),
            ContainerState::Paused | ContainerState::Removing => Severity::Info,
            ContainerState::Created => Severity::None,
            ContainerState::Exited if self.oom_killed => Severity::Critical,
            ContainerState::Exited if self.expected && self.exit_code == Some(137) => Severity::Warning,
            // 143 and 137 are how a container ends that was asked to: SIGTERM, and SIGKILL after the grace time.
            ContainerState::Exited if matches!(self.exit_code, Some(0 | 143 | 137) | None) => Severity::None,
            ContainerState::Exited => Severity::Warning,
            ContainerState::Unknown => Severity::Unknown,
        }
    }

    fn judge_running(&self, limits: &Limits) -> Severity {
        let memory = self.memory.filter(|m| m.total > 0).map_or(Severity::Ok, |m| limits.memory.judge(m.ratio()));
        let unstable = if self.restarted_lately { Severity::Warning } else { Severity::Ok };
        let starting = if self.health == Health::Starting { Severity::Info } else { Severity::Ok };
        memory.max(unstable).max(starting)
    }

    /// Of all of an engine's, those of a Compose service that others run are meant to run, too.
    pub fn expect_services(all: &mut [Self]) {
        let runs = |one: &&Self| one.state == ContainerState::Running;
        let running: HashSet<Compose> = all.iter().filter(runs).filter_map(|one| one.compose.clone()).collect();
        for one in all {
            one.expected |= one.compose.as_ref().is_some_and(|service| running.contains(service));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_started_again_lately_is_a_warning_while_it_runs() {
        let judge = |restarted_lately, health| {
            let state = ContainerState::Running;
            Container { state, health, restarted_lately, ..Container::default() }.judge(&Limits::default())
        };
        assert_eq!(judge(false, Health::None), Severity::Ok);
        assert_eq!(judge(true, Health::Healthy), Severity::Warning);
        assert_eq!(judge(true, Health::Starting), Severity::Warning);
        assert_eq!(judge(false, Health::Starting), Severity::Info);
        assert_eq!(judge(true, Health::Unhealthy), Severity::Critical);
    }

    #[test]
    fn one_that_was_killed_is_a_warning_when_it_is_meant_to_run() {
        let ended = |code, expected| {
            let state = ContainerState::Exited;
            Container { state, exit_code: Some(code), expected, ..Container::default() }
        };
        let judge = |one: &Container| one.judge(&Limits::default());
        assert_eq!(judge(&ended(137, true)), Severity::Warning);
        // Somebody stopped it, or it was a job.
        assert_eq!(
            [(143, true), (0, true), (137, false)].map(|(code, meant)| judge(&ended(code, meant))),
            [Severity::None; 3]
        );
        // Its service runs elsewhere, and it does not.
        let of = |service: &str, one: Container| {
            let compose = Some(Compose { project: "shop".to_owned(), service: service.to_owned() });
            Container { compose, ..one }
        };
        let running = Container { state: ContainerState::Running, ..Container::default() };
        let mut all = [of("web", ended(137, false)), of("web", running), of("job", ended(137, false))];
        Container::expect_services(&mut all);
        assert_eq!([judge(&all[0]), judge(&all[2])], [Severity::Warning, Severity::None]);
        assert!(judge(&all[0]) > judge(&all[1]), "it stands above what runs");
    }

    #[test]
    fn events_are_as_bad_as_what_they_tell() {
        let judge = |action: &str, code: Option<&str>| {
            let attributes = code.map(|code| ("exitCode".to_owned(), code.to_owned())).into_iter().collect();
            EngineEvent {
                number: 0,
                at: Timestamp::UNIX_EPOCH,
                kind: "container".into(),
                action: action.into(),
                id: String::new(),
                name: String::new(),
                attributes,
            }
            .judge()
        };
        assert_eq!(judge("oom", None), Severity::Critical);
        assert_eq!(judge("health_status: unhealthy", None), Severity::Critical);
        assert_eq!(judge("die", Some("3")), Severity::Warning);
        assert_eq!(judge("die", Some("137")), Severity::Info);
        assert_eq!(judge("die", Some("0")), Severity::None);
        assert_eq!(judge("start", None), Severity::None);
    }
}
