//! A server: one machine, as its operating system reports it.

use super::{Limits, Severity};
use serde::{Deserialize, Serialize};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes used and in all (as `df` counts: reserved blocks are neither).
    pub usage: Usage,
}

/// One server. A figure that its source cannot tell is `None`, never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Host name.
    pub name: String,
    /// Number of logical CPUs.
    pub cores: u32,
    /// CPU in use over the last interval, 0.0 to 1.0 of all cores.
    pub cpu: Option<f64>,
    /// Memory: total minus available (Linux `MemAvailable`), in bytes.
    pub memory: Option<Usage>,
    /// Swap in bytes; a total of zero means that there is none.
    pub swap: Option<Usage>,
    /// The fullest filesystem.
    pub worst_disk: Option<Filesystem>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Time since boot, seconds precision.
    pub uptime: Option<Duration>,
}

impl Server {
    /// One-minute load ÷ cores.
    pub fn load_per_core(&self) -> Option<f64> {
        self.load.map(|load| load[0] / f64::from(self.cores.max(1)))
    }

    /// The worst of its figures against the limits, and which one it was (for the state column).
    pub fn judge(&self, limits: &Limits) -> (Severity, &'static str) {
        let judged = [
            (self.cpu.map(|v| limits.cpu.judge(v)), "cpu"),
            (self.memory.map(|m| limits.memory.judge(m.ratio())), "memory"),
            (self.worst_disk.as_ref().map(|d| limits.disk.judge(d.usage.ratio())), "disk"),
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
