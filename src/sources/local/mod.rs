//! This machine, as its own operating system reports it.
//!
//! The figures of the system are read in a moment. Filesystems are another matter: one that hangs (a dead FUSE mount)
//! hangs whoever asks, for ever. So they are asked in a thread of their own, and a machine with such a mount shows no
//! disk figure instead of nothing at all.

mod disks;

use super::{Part, Source, SourceKind, pace};
use crate::connect::Connections;
use crate::domain::{Filesystem, Server, Snapshot, SourceError, SourceId, Subject, Usage};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "local",
    doc: "This machine: CPU, memory, swap, the fullest filesystem, load and uptime.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name shown; absent: the host name.
    pub name: Option<String>,
    /// Time from poll to poll.
    #[serde(deserialize_with = "pace::interval")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(deserialize_with = "pace::timeout")]
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
        Ok(vec![Box::new(Local { name, gauge: Arc::default(), disks: disks::Disks::default() })])
    }
}

struct Local {
    name: String,
    gauge: Arc<Mutex<Gauge>>,
    disks: disks::Disks,
}

#[async_trait]
impl Source for Local {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let gauge = Arc::clone(&self.gauge);
        // Poisoned means that an earlier reading panicked; the next one starts from new figures.
        let reading = move || gauge.lock().unwrap_or_else(PoisonError::into_inner).read();
        let reading = tokio::task::spawn_blocking(reading).await;
        let (reading, worst_disk) = (reading.ok().flatten(), self.disks.worst().await);
        let reading = reading.ok_or_else(|| {
            SourceError::new(
                "this system does not tell its CPU and memory",
                "see whether /proc is mounted and readable",
            )
        })?;
        Ok(Snapshot::Servers(vec![reading.server(self.name.clone(), worst_disk)]))
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
        })
    }
}

impl Reading {
    fn server(self, name: String, worst_disk: Option<Filesystem>) -> Server {
        Server {
            name,
            cores: self.cores,
            cpu: self.cpu,
            memory: Some(self.memory),
            swap: Some(self.swap),
            disks: worst_disk.into_iter().collect(),
            load: self.load,
            uptime: self.uptime,
            ..Server::default()
        }
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
        assert!(next.cpu.is_some_and(|cpu| (0.0..=1.0).contains(&cpu)), "{:?}", next.cpu);
    }
}
