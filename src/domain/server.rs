//! A server: one machine, as its operating system reports it.

use super::alert::Labels;
use super::{Limits, Severity, SourceId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// An amount in use and the amount there is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes in use.
    pub used: u64,
    /// Bytes in all; zero means "no limit known".
    pub total: u64,
}

impl Usage {
    /// Used ÷ total, 0.0 to 1.0; zero when the total is not known.
    pub fn ratio(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.used as f64 / self.total as f64 }
    }
}

/// A mounted filesystem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes used and in all (as `df` counts: reserved blocks are neither).
    pub usage: Usage,
    /// Inodes used and in all, where the filesystem counts them.
    pub inodes: Option<Usage>,
    /// It is mounted read-only.
    pub read_only: bool,
    /// When it is full, going on at the pace of its recent past; `None` when it does not grow, or nobody knows yet.
    pub full_in: Option<Duration>,
}

/// Two rates, in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Received or read.
    pub r#in: f64,
    /// Sent or written.
    pub out: f64,
}

/// Pressure stall information (Linux PSI): the share of time in which some task waited for it, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// For a CPU.
    pub cpu: f64,
    /// For memory.
    pub memory: f64,
    /// For input and output.
    pub io: f64,
}

/// What came of asking a server's health address, or of its monitoring's last attempt to reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// It answered as it should.
    pub up: bool,
    /// What was asked, in one word: `health`, `node_exporter`.
    pub by: String,
    /// HTTP status, where one came.
    pub code: Option<u16>,
    /// How long the answer took.
    pub took: Option<Duration>,
    /// Why not, in words; empty when up.
    pub why: String,
}

/// One server. A figure that its source cannot tell is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Host name, or the name that the config gives it.
    pub name: String,
    /// Host names and addresses, without ports, under which others know it.
    pub addresses: Vec<String>,
    /// What it is for, from the config.
    pub roles: Vec<String>,
    /// Labels, from the config or from Prometheus' target.
    pub labels: Labels,
    /// Whether it could be reached, by each who tried.
    pub reach: Vec<Reach>,
    /// Number of logical CPUs; zero when not known.
    pub cores: u32,
    /// CPU in use over the last interval, 0.0 to 1.0 of all cores.
    pub cpu: Option<f64>,
    /// Memory: total minus available (Linux `MemAvailable`), in bytes.
    pub memory: Option<Usage>,
    /// Swap in bytes; a total of zero means that there is none.
    pub swap: Option<Usage>,
    /// Filesystems, the fullest first.
    pub disks: Vec<Filesystem>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// All network interfaces together, without loopback.
    pub network: Option<Rates>,
    /// All disks together.
    pub disk_io: Option<Rates>,
    /// Pressure over the last interval, or the last ten seconds.
    pub pressure: Option<Pressure>,
    /// Processes that the kernel's out-of-memory killer ended since boot.
    pub oom_kills: Option<u64>,
    /// Those of them within the last hour, as far as it was watched.
    pub oom_recent: Option<u64>,
    /// The server's clock minus ours, in seconds; half the round trip is taken off.
    pub clock_skew: Option<f64>,
    /// Time since boot, seconds precision.
    pub uptime: Option<Duration>,
    /// Kernel and release, for people.
    pub system: Option<String>,
    /// Columns mapped from a status address, in the config's order: name and text.
    pub columns: Vec<(String, String)>,
    /// What its sources could not tell and why, one sentence each.
    pub notes: Vec<String>,
    /// Sources that ought to report on it and are silent, each with the reason. Filled where sources are joined.
    pub silent: Vec<String>,
    /// Where its past before this program's start can be asked.
    pub past: Option<Past>,
}

/// Where the past of a server's figures is kept: a Prometheus, and which of its series are this server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// `[prometheus.NAME]`, without a part.
    pub source: SourceId,
    /// Matchers without braces: `instance="game-1:9100",job="node"`.
    pub selector: Arc<str>,
}

impl Server {
    /// One-minute load ÷ cores.
    pub fn load_per_core(&self) -> Option<f64> {
        self.load.map(|load| load[0] / f64::from(self.cores.max(1)))
    }

    /// The fullest filesystem.
    pub fn worst_disk(&self) -> Option<&Filesystem> {
        self.disks.first()
    }

    /// The worst of its figures against the limits, and which one it was (for the state column).
    pub fn judge(&self, limits: &Limits) -> (Severity, &'static str) {
        let judged = [
            (self.cpu.map(|v| limits.cpu.judge(v)), "cpu"),
            (self.memory.map(|m| limits.memory.judge(m.ratio())), "memory"),
            (self.worst_disk().map(|d| limits.disk.judge(d.usage.ratio())), "disk"),
            (self.load_per_core().map(|v| limits.load.judge(v)), "load"),
        ];
        let known = judged.into_iter().filter_map(|(severity, what)| severity.map(|s| (s, what)));
        known.fold(
            (Severity::Unknown, ""),
            |worst, next| {
                if worst.1.is_empty() || next.0 > worst.0 { next } else { worst }
            },
        )
    }
}
