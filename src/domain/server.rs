//! A server: one machine, as its operating system reports it.

use super::alert::Labels;
use super::{Limits, Severity, SourceId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Kinds of filesystem that hold no data of their own, or only ever come full: images, memory, layers, the kernel's own.
pub const NOT_REAL: [&str; 29] = [
    "tmpfs",
    "ramfs",
    "devtmpfs",
    "overlay",
    "aufs",
    "squashfs",
    "erofs",
    "cramfs",
    "iso9660",
    "udf",
    "nsfs",
    "efivarfs",
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// How the names of interfaces begin whose traffic passes through another one too, or never leaves the machine.
pub const VIRTUAL_INTERFACES: [&str; 18] = [
    "lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "tap", "tun", "wg", "vnet", "vxlan", "lxc",
    "ifb", "dummy", "bond", "kube",
];

/// How the names of block devices begin that lie on others, or hold nothing.
pub const VIRTUAL_DEVICES: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];

/// An amount in use and the amount there is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
#[serde(default)]
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
#[serde(default)]
pub struct Rates {
    /// Received or read.
    pub r#in: f64,
    /// Sent or written.
    pub out: f64,
}

/// Pressure stall information (Linux PSI): the share of time in which some task waited for it, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
#[serde(default)]
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

    /// The filesystem that is full first, at its present pace.
    pub fn fills_first(&self) -> Option<(&Filesystem, Duration)> {
        self.disks.iter().filter_map(|disk| Some((disk, disk.full_in?))).min_by_key(|(_, left)| *left)
    }

    /// The first attempt to reach it that failed.
    pub fn unreached(&self) -> Option<&Reach> {
        self.reach.iter().find(|reach| !reach.up)
    }

    /// Nothing reaches it: as [`Self::judge`] says `down`, for those who need no more.
    pub fn is_down(&self) -> bool {
        !self.reach.is_empty() && self.reach.iter().all(|reach| !reach.up)
    }

    /// The worst of its figures against the limits, and which one it was (for the state column): `down` when nothing
    /// reaches it, `silent` when a source that ought to tell of it does not.
    pub fn judge(&self, limits: &Limits) -> (Severity, &'static str) {
        let worst = self.judgements(limits).fold((Severity::Unknown, ""), |worst, next| {
            if worst.1.is_empty() || next.0 > worst.0 { next } else { worst }
        });
        let silent = !self.silent.is_empty() && worst.0 < Severity::Unknown;
        if silent { (Severity::Unknown, "silent") } else { worst }
    }

    /// The same in words: `ok`, or how bad and which figure, as in `warning disk`.
    pub fn judged(&self, limits: &Limits) -> (Severity, String) {
        let (severity, what) = self.judge(limits);
        let word = severity.word();
        let named = severity >= Severity::Warning && !what.is_empty();
        (severity, if named { format!("{word} {what}") } else { word.to_owned() })
    }

    /// Every figure that is known, with how bad it is and what it is called.
    pub fn judgements(&self, limits: &Limits) -> impl Iterator<Item = (Severity, &'static str)> {
        let pressure = self.pressure.unwrap_or_default();
        let swap = self.swap.filter(|swap| swap.total > 0);
        let sealed = self.disks.iter().any(|disk| disk.read_only);
        let figures = [
            (self.judge_reach(), if self.is_down() { "down" } else { "reach" }),
            (self.cpu.map(|v| limits.cpu.judge(v)), "cpu"),
            (self.memory.map(|m| limits.memory.judge(m.ratio())), "memory"),
            (self.worst_disk().map(|d| limits.disk.judge(d.usage.ratio())), "disk"),
            (self.fills_first().map(|(_, left)| limits.disk_full_hours.judge_rest(hours(left))), "fills"),
            (sealed.then_some(limits.read_only), "readonly"),
            (self.load_per_core().map(|v| limits.load.judge(v)), "load"),
            (swap.map(|swap| limits.swap.judge(swap.ratio())), "swap"),
            (self.pressure.map(|_| limits.memory_pressure.judge(pressure.memory)), "mem wait"),
            (self.pressure.map(|_| limits.io_pressure.judge(pressure.io)), "io wait"),
            (self.pressure.map(|_| limits.cpu_pressure.judge(pressure.cpu)), "cpu wait"),
            (self.oom_recent.map(|kills| limits.oom_kills.judge(kills as f64)), "oom"),
            (self.clock_skew.map(|skew| limits.clock_skew_seconds.judge(skew.abs())), "clock"),
        ];
        figures.into_iter().filter_map(|(severity, what)| severity.map(|severity| (severity, what)))
    }

    fn judge_reach(&self) -> Option<Severity> {
        let bad = if self.unreached().is_some() { Severity::Critical } else { Severity::Ok };
        (!self.reach.is_empty()).then_some(bad)
    }
}

fn hours(length: Duration) -> f64 {
    length.as_secs_f64() / 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(server: &Server) -> (Severity, &'static str) {
        server.judge(&Limits::default())
    }

    fn reach(by: &str, up: bool) -> Reach {
        Reach { up, by: by.into(), code: None, took: None, why: String::new() }
    }

    fn disk(used: u64) -> Filesystem {
        Filesystem { usage: Usage { used, total: 100 }, ..Filesystem::default() }
    }

    #[test]
    fn of_a_server_that_nobody_knows_nothing_is_said() {
        assert_eq!(judged(&Server::default()), (Severity::Unknown, ""));
    }

    #[test]
    fn what_is_down_is_critical_whatever_else_is_well() {
        let calm = Server { cpu: Some(0.1), ..Server::default() };
        assert_eq!((judged(&calm), calm.is_down()), ((Severity::Ok, "cpu"), false));
        let down = Server { reach: vec![reach("health", false)], ..calm.clone() };
        assert_eq!((judged(&down), down.is_down()), ((Severity::Critical, "down"), true));
        let words = |server: &Server| server.judged(&Limits::default()).1;
        assert_eq!([words(&calm), words(&down)], ["ok", "critical down"]);
        let half = Server { reach: vec![reach("node_exporter", true), reach("health", false)], ..calm.clone() };
        assert_eq!((judged(&half), half.is_down()), ((Severity::Critical, "reach"), false));
        let up = Server { reach: vec![reach("health", true)], ..Server::default() };
        assert_eq!(judged(&up).0, Severity::Ok);
    }

    #[test]
    fn a_silent_source_leaves_a_doubt_and_hides_nothing_worse() {
        let doubted = Server { cpu: Some(0.1), silent: vec!["ssh/a".into()], ..Server::default() };
        assert_eq!(judged(&doubted), (Severity::Unknown, "silent"));
        assert_eq!(judged(&Server { cpu: Some(0.99), ..doubted }), (Severity::Critical, "cpu"));
    }

    #[test]
    fn each_figure_is_judged_by_its_own_limit() {
        let from = |server: Server| judged(&server);
        let fills = |hours| Filesystem { full_in: Some(Duration::from_hours(hours)), ..disk(10) };
        assert_eq!(from(Server { disks: vec![fills(3)], ..Server::default() }), (Severity::Critical, "fills"));
        assert_eq!(from(Server { disks: vec![fills(20)], ..Server::default() }), (Severity::Warning, "fills"));
        assert_eq!(from(Server { disks: vec![fills(30)], ..Server::default() }).0, Severity::Ok);
        let sealed = Filesystem { read_only: true, ..disk(10) };
        assert_eq!(from(Server { disks: vec![sealed], ..Server::default() }), (Severity::Warning, "readonly"));
        assert_eq!(from(Server { clock_skew: Some(-2.0), ..Server::default() }), (Severity::Warning, "clock"));
        assert_eq!(from(Server { clock_skew: Some(-11.0), ..Server::default() }), (Severity::Critical, "clock"));
        assert_eq!(from(Server { oom_recent: Some(1), ..Server::default() }), (Severity::Warning, "oom"));
        assert_eq!(from(Server { oom_recent: Some(0), oom_kills: Some(9), ..Server::default() }).0, Severity::Ok);
        let swap = |used| Some(Usage { used, total: 100 });
        assert_eq!(from(Server { swap: swap(95), ..Server::default() }), (Severity::Critical, "swap"));
        let none = Some(Usage::default());
        assert_eq!(from(Server { swap: none, ..Server::default() }), (Severity::Unknown, ""));
        let pressure = Some(Pressure { cpu: 0.3, memory: 0.15, io: 0.3 });
        assert_eq!(from(Server { pressure, ..Server::default() }), (Severity::Warning, "mem wait"));
    }
}
