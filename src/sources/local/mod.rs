//! This machine, as its own operating system reports it.
//!
//! The figures of the system are read in a moment. Filesystems are another matter: one that hangs (a dead FUSE mount)
//! hangs whoever asks, for ever. So they are asked in a thread of their own, and a machine with such a mount shows no
//! disk figure instead of nothing at all.

mod disks;
mod kernel;

use super::machine::{Filling, Growth};
use super::rates::{Meter, Rated};
use super::{Part, Source, SourceKind, pace};
use crate::clock;
use crate::connect::Connections;
use crate::domain::{Filesystem, Server, Snapshot, SourceError, SourceId, Subject, Usage};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "local",
    doc: "This machine, as its own operating system reports it.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[local.host]
# The name shown. Absent: the host name.
name = "bastion"
# How often it is asked, 250ms to 1h.
interval = "2s"
# When an answer is given up, 100ms to 5m.
timeout = "2s"
"#;

/// `[local.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name shown; absent: the host name.
    pub name: Option<String>,
    /// Time from poll to poll.
    #[serde(deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: None, interval: Duration::from_secs(2), timeout: Duration::from_secs(2) }
    }
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Servers, self.interval, self.timeout)]
    }

    fn open(&self, _: &SourceId, _: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let name = self.name.clone().or_else(|| System::host_name().ok()).unwrap_or_else(|| "localhost".to_owned());
        Ok(vec![Box::new(Local { name, gauge: Arc::default(), disks: disks::Disks::default(), past: Past::default() })])
    }
}

struct Local {
    name: String,
    gauge: Arc<Mutex<Gauge>>,
    disks: disks::Disks,
    past: Past,
}

/// What its earlier readings tell of the present.
#[derive(Default)]
struct Past {
    meter: Meter,
    filling: Filling,
    kills: Growth,
}

#[async_trait]
impl Source for Local {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let gauge = Arc::clone(&self.gauge);
        // Poisoned means that an earlier reading panicked; the next one starts from new figures.
        let reading = move || gauge.lock().unwrap_or_else(PoisonError::into_inner).read();
        let reading = tokio::task::spawn_blocking(reading).await;
        let (reading, filesystems) = (reading.ok().flatten(), self.disks.all().await);
        let reading = reading.ok_or_else(|| {
            SourceError::new(
                "this system does not tell its CPU and memory",
                "see whether /proc is mounted and readable",
            )
        })?;
        Ok(Snapshot::Servers(vec![self.past.server(self.name.clone(), reading, filesystems)]))
    }
}

impl Past {
    /// Everything that is known of it now.
    fn server(&mut self, name: String, reading: Reading, filesystems: Option<Vec<Filesystem>>) -> Server {
        let now = reading.kernel.counters.at;
        let mut notes = Vec::new();
        if filesystems.is_none() {
            notes.push("filesystems: one that is mounted does not answer, so none is shown".to_owned());
        }
        let mut disks = filesystems.unwrap_or_default();
        self.filling.judge(now, &mut disks);
        let Rated { network, disk_io, pressure, .. } = self.meter.rate(reading.kernel.counters);
        let oom_kills = reading.kernel.oom_kills;
        Server {
            name,
            cores: reading.cores,
            cpu: reading.cpu,
            memory: Some(reading.memory),
            swap: Some(reading.swap),
            disks,
            load: reading.load,
            network,
            disk_io,
            pressure: pressure.or(reading.kernel.pressure),
            oom_kills,
            oom_recent: oom_kills.map(|kills| self.kills.recent(now, kills)),
            uptime: reading.uptime,
            system: reading.kernel.system,
            notes,
            ..Server::default()
        }
    }
}

/// The system's counters: CPU in use is the difference between two readings.
#[derive(Default)]
struct Gauge {
    /// From the first reading on.
    system: Option<System>,
}

/// One reading.
struct Reading {
    cores: u32,
    cpu: Option<f64>,
    memory: Usage,
    swap: Usage,
    load: Option<[f64; 3]>,
    uptime: Option<Duration>,
    kernel: kernel::Kernel,
}

impl Gauge {
    /// `None` when the system tells nothing.
    fn read(&mut self) -> Option<Reading> {
        let first = self.system.is_none();
        let system = match &mut self.system {
            Some(system) => system,
            none => none.insert(System::new().ok()?),
        };
        let memory = MemoryRefreshKind::nothing().with_ram().with_swap();
        let cpu = CpuRefreshKind::nothing().with_usage();
        system.refresh_specifics(RefreshKind::nothing().with_memory(memory).with_cpu(cpu));
        let load = System::load_average().ok();
        let (total, cores) = (system.total_memory(), system.cpus().len());
        (total > 0 && cores > 0).then(|| Reading {
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            cpu: Some(f64::from(system.global_cpu_usage()) / 100.0).filter(|cpu| !first && cpu.is_finite()),
            memory: Usage { used: total.saturating_sub(system.available_memory()), total },
            swap: Usage { used: system.used_swap(), total: system.total_swap() },
            load: load.map(|load| [load.one, load.five, load.fifteen]),
            uptime: System::uptime().ok().map(Duration::from_secs),
            kernel: kernel::kernel(clock::now().mono, |name| std::fs::read_to_string(format!("/proc/{name}")).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Settings as _;

    #[tokio::test]
    async fn the_first_poll_has_no_cpu_figure_and_the_next_has() {
        let settings = Settings { name: Some("here".into()), ..Settings::default() };
        let mut source = settings.open(&SourceId::new("local", "host"), &mut Connections::default()).unwrap();
        let mut poll = async || match source[0].poll().await.unwrap() {
            Snapshot::Servers(mut servers) => servers.remove(0),
            other => panic!("{other:?}"),
        };
        let first = poll().await;
        assert_eq!((first.name.as_str(), first.cpu), ("here", None));
        let memory = first.memory.unwrap();
        assert!(memory.used > 0 && memory.used < memory.total, "{memory:?}");
        let next = poll().await;
        assert!(next.disks.iter().all(|disk| disk.usage.total > 0), "{:?}", next.disks);
        if std::path::Path::new("/proc/pressure/cpu").exists() {
            assert!(next.pressure.is_some() && next.oom_kills.is_some() && next.oom_recent == Some(0), "{next:?}");
        }
        if std::path::Path::new("/proc/net/dev").exists() {
            assert!(next.system.is_some_and(|system| system.starts_with("Linux")));
        }
        assert!(next.cpu.is_some_and(|cpu| (0.0..=1.0).contains(&cpu)), "{:?}", next.cpu);
    }
}
