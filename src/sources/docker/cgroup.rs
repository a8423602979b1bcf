//! Counters of containers on this very machine, read where the engine itself reads them: the kernel's cgroup files and
//! `/proc/PID/net/dev`.
//!
//! It costs the engine nothing and us some twenty microseconds a container, where a statistics stream for each costs an
//! engine with 150 containers a sixth of a core. Whether the kernel is the same is not believed but seen: the process
//! that the engine names must stand in a cgroup that carries the container's id. Works with version 1 and 2, with both
//! of the engine's cgroup drivers, and for Podman. What can't be read this way is `None`, and asked of the engine.

use super::meter::{Bytes, Figures, Reading, without_cache};
use super::stats::Running;
use crate::domain::Usage;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rates over less than this are noise: a poll that an event asked for shows the figures of the last one.
const RENEW: Duration = Duration::from_millis(900);
/// The kernel writes "no limit" as a number of this size or more (cgroup v1).
const NO_LIMIT: u64 = 1 << 60;

/// A running container, as the engine describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) key: Running,
    /// Its main process, by the engine's count.
    pub(super) pid: Option<u32>,
    /// It uses the host's network: the counters there are not its own.
    pub(super) host_network: bool,
}

/// Everything read so far.
#[derive(Debug)]
pub(super) struct Direct {
    proc: PathBuf,
    cgroup: PathBuf,
    known: HashMap<Running, Followed>,
    read_at: Option<Duration>,
}

#[derive(Debug)]
struct Followed {
    group: Group,
    last: Reading,
    figures: Figures,
}

impl Default for Direct {
    fn default() -> Self {
        Self { proc: "/proc".into(), cgroup: "/sys/fs/cgroup".into(), known: HashMap::new(), read_at: None }
    }
}

impl Direct {
    /// Reads exactly these; `now` is the monotonic time. Blocks for a few milliseconds when they are many.
    pub(super) fn read(&mut self, targets: &[Target], now: Duration) {
        if self.read_at.is_some_and(|at| now.saturating_sub(at) < RENEW) {
            return self.join(targets, now);
        }
        self.read_at = Some(now);
        let mut before = std::mem::take(&mut self.known);
        for target in targets {
            let group = before.remove(&target.key).map(|followed| (followed.group, Some(followed.last)));
            if let Some(followed) = self.follow(target, group, now) {
                self.known.insert(target.key.clone(), followed);
            }
        }
    }

    /// Takes in those that are new, and leaves the others as they are.
    fn join(&mut self, targets: &[Target], now: Duration) {
        for target in targets {
            if !self.known.contains_key(&target.key)
                && let Some(followed) = self.follow(target, None, now)
            {
                self.known.insert(target.key.clone(), followed);
            }
        }
    }

    fn follow(&self, target: &Target, known: Option<(Group, Option<Reading>)>, now: Duration) -> Option<Followed> {
        let pid = target.pid?;
        let (group, before) = match known {
            Some(known) => known,
            None => (Group::find(&self.proc, &self.cgroup, pid, &target.key.0)?, None),
        };
        let mut last = group.read(now)?;
        last.network = if target.host_network { None } else { network(&self.proc, pid) };
        let figures = last.since(before.as_ref());
        Some(Followed { group, last, figures })
    }

    /// What was read; `None` when it can't be read this way.
    pub(super) fn figures(&self, key: &Running) -> Option<Figures> {
        self.known.get(key).map(|followed| followed.figures)
    }
}

/// Where the kernel keeps a container's counters.
#[derive(Debug, PartialEq)]
enum Group {
    /// A folder for each controller.
    V1 { cpu: PathBuf, memory: PathBuf, block: PathBuf, pids: PathBuf },
    /// One for all.
    V2(PathBuf),
}

impl Group {
    /// From `/proc/PID/cgroup`; `None` unless that process is one of this container.
    fn find(proc: &Path, cgroup: &Path, pid: u32, id: &str) -> Option<Self> {
        let text = fs::read_to_string(proc.join(pid.to_string()).join("cgroup")).ok()?;
        let line = |controller: &str| {
            let wanted = text.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (controllers, path) = (fields.next()?, fields.next()?);
                controllers.split(',').any(|one| one == controller).then_some(path)
            });
            own_group(wanted?, id)
        };
        let folder = |controller: &str| Some(cgroup.join(controller).join(line(controller)?));
        if let Some(memory) = folder("memory") {
            let (cpu, block, pids) = (folder("cpuacct")?, folder("blkio")?, folder("pids")?);
            return Some(Self::V1 { cpu, memory, block, pids });
        }
        Some(Self::V2(cgroup.join(line("")?)))
    }

    /// `None` when the container is gone.
    fn read(&self, at: Duration) -> Option<Reading> {
        let reading = match self {
            Self::V1 { cpu, memory, block, pids } => Reading {
                at,
                cpu: Some(number(&cpu.join("cpuacct.usage"))?),
                memory: memory_v1(memory),
                pids: number(&pids.join("pids.current")),
                block_io: block_v1(block),
                network: None,
            },
            Self::V2(folder) => Reading {
                at,
                cpu: Some(keyed(&text(&folder.join("cpu.stat"))?, "usage_usec")?.saturating_mul(1000)),
                memory: memory_v2(folder),
                pids: number(&folder.join("pids.current")),
                block_io: text(&folder.join("io.stat")).map(|text| block_v2(&text)),
                network: None,
            },
        };
        Some(reading)
    }
}

/// The path up to the part that carries the id: a container may have made groups of its own below.
fn own_group<'a>(path: &'a str, id: &str) -> Option<&'a Path> {
    let at = path.find(id).filter(|_| id.len() >= 12)?;
    let end = path[at..].find('/').map_or(path.len(), |slash| at + slash);
    let own = path[..end].trim_start_matches('/');
    // Seen from inside another cgroup namespace a path begins with `..`, and leads elsewhere.
    (!own.split('/').any(|part| part == "..")).then(|| Path::new(own))
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

/// The value after a key at the start of a line: `usage_usec 4711`.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn memory_v1(folder: &Path) -> Option<Usage> {
    let usage = number(&folder.join("memory.usage_in_bytes"))?;
    let stat = text(&folder.join("memory.stat")).unwrap_or_default();
    let limit = keyed(&stat, "hierarchical_memory_limit").filter(|limit| *limit < NO_LIMIT).unwrap_or(0);
    Some(without_cache(usage, keyed(&stat, "total_inactive_file"), limit))
}

fn memory_v2(folder: &Path) -> Option<Usage> {
    let usage = number(&folder.join("memory.current"))?;
    let stat = text(&folder.join("memory.stat")).unwrap_or_default();
    // The file says `max` where there is no limit.
    let limit = number(&folder.join("memory.max")).unwrap_or(0);
    Some(without_cache(usage, keyed(&stat, "inactive_file"), limit))
}

/// Lines like `8:0 Read 4096`.
fn block_v1(folder: &Path) -> Option<Bytes> {
    let text = text(&folder.join("blkio.throttle.io_service_bytes_recursive"))
        .or_else(|| text(&folder.join("blkio.throttle.io_service_bytes")))?;
    Some(text.lines().fold((0, 0), |(read, written), line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        match (words.next(), words.next().and_then(|value| value.parse::<u64>().ok())) {
            (Some("Read"), Some(value)) => (u64::saturating_add(read, value), written),
            (Some("Write"), Some(value)) => (read, u64::saturating_add(written, value)),
            _ => (read, written),
        }
    }))
}

/// Lines like `8:0 rbytes=4096 wbytes=0 rios=1 …`.
fn block_v2(text: &str) -> Bytes {
    let sum = |key: &str| {
        let values = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        values.fold(0, u64::saturating_add)
    };
    (sum("rbytes="), sum("wbytes="))
}

/// All interfaces but loopback; `None` when there are no others: a container without a network has no network figure.
fn network(proc: &Path, pid: u32) -> Option<Bytes> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("net/dev")).ok()?;
    interfaces(&text)
}

fn interfaces(text: &str) -> Option<Bytes> {
    let counters = text.lines().filter_map(|line| {
        let (name, counters) = line.split_once(':').filter(|(name, _)| name.trim() != "lo")?;
        let is_tunnel_stub = matches!(name.trim(), "tunl0" | "sit0" | "ip6tnl0" | "gre0" | "gretap0" | "erspan0");
        let mut words = counters.split_ascii_whitespace();
        let received = words.next()?.parse::<u64>().ok()?;
        let sent = words.nth(7)?.parse::<u64>().ok()?;
        // The kernel puts these into every namespace; unused they are no network.
        (!is_tunnel_stub || received + sent > 0).then_some((received, sent))
    });
    counters.reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Rates;
    use proptest::prelude::*;

    const ID: &str = "880116680f7f68a489f5967a9bad362bbf24f36c366bb636e5a8cd89dbae53c7";
    const DEV: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:    5000      10    0    0    0     0          0         0     5000      10    0    0    0     0       0          0\n  eth0: 1182      13    0    0    0     0          0         0     90       1    0    0    0     0       0          0\n  eth1:1 0 0 0 0 0 0 0 10 0 0 0 0 0 0 0\n sit0:0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    /// A made-up kernel.
    struct Kernel(tempfile::TempDir);

    impl Kernel {
        fn new(cgroup: &str) -> Self {
            let kernel = Self(tempfile::tempdir().unwrap());
            kernel.write("proc/7/cgroup", cgroup);
            kernel
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn direct(&self) -> Direct {
            let at = |name: &str| self.0.path().join(name);
            Direct { proc: at("proc"), cgroup: at("cgroup"), ..Direct::default() }
        }
    }

    fn target(host_network: bool) -> Target {
        Target { key: (ID.into(), None), pid: Some(7), host_network }
    }

    fn v1() -> Kernel {
        let kernel = Kernel::new(&format!(
            "4:memory:/docker/{ID}\n3:cpu,cpuacct:/docker/{ID}\n2:blkio:/docker/{ID}\n1:pids:/docker/{ID}/init\n0::/\n"
        ));
        let folder = |controller: &str| format!("cgroup/{controller}/docker/{ID}");
        kernel.write(&(folder("cpuacct") + "/cpuacct.usage"), "4000000000\n");
        kernel.write(&(folder("memory") + "/memory.usage_in_bytes"), "1000\n");
        kernel.write(
            &(folder("memory") + "/memory.stat"),
            "inactive_file 1\nhierarchical_memory_limit 5000\ntotal_inactive_file 300\n",
        );
        kernel.write(&(folder("blkio") + "/blkio.throttle.io_service_bytes_recursive"), "8:0 Read 10\nTotal 10\n");
        kernel.write(&(folder("pids") + "/pids.current"), "3\n");
        kernel
    }

    #[test]
    fn version_one_is_read() {
        let kernel = v1();
        kernel.write("proc/7/net/dev", DEV);
        let mut direct = kernel.direct();
        direct.read(&[target(false)], Duration::from_secs(10));
        let first = direct.figures(&target(false).key).unwrap();
        assert_eq!(first.memory, Some(Usage { used: 700, total: 5000 }));
        assert_eq!((first.pids, first.cpu, first.network), (Some(3), None, None));
        kernel.write(&format!("cgroup/cpuacct/docker/{ID}/cpuacct.usage"), "5000000000\n");
        let blkio = format!("cgroup/blkio/docker/{ID}/blkio.throttle.io_service_bytes_recursive");
        kernel.write(&blkio, "8:0 Read 10\n8:0 Write 2048\n8:16 Read 4096\nTotal 6154\n");
        direct.read(&[target(false)], Duration::from_millis(10_050));
        assert_eq!(direct.figures(&target(false).key).unwrap().cpu, None, "too soon for a rate");
        direct.read(&[target(false)], Duration::from_secs(12));
        let figures = direct.figures(&target(false).key).unwrap();
        assert_eq!(figures.cpu, Some(0.5));
        assert_eq!(figures.block_io, Some(Rates { r#in: 2048.0, out: 1024.0 }));
        assert_eq!(figures.network, Some(Rates { r#in: 0.0, out: 0.0 }));
        direct.read(&[target(true)], Duration::from_secs(14));
        assert_eq!(direct.figures(&target(true).key).unwrap().network, None, "the host's network is not its own");
    }

    #[test]
    fn version_two_is_read() {
        let kernel = Kernel::new(&format!("0::/system.slice/docker-{ID}.scope/init.scope\n"));
        let folder = format!("cgroup/system.slice/docker-{ID}.scope");
        for (name, text) in [
            ("cpu.stat", "usage_usec 1000\nuser_usec 1\n"),
            ("memory.current", "1000\n"),
            ("memory.stat", "file 5\ninactive_file 300\n"),
            ("memory.max", "max\n"),
            ("pids.current", "2\n"),
            ("io.stat", "8:0 rbytes=5 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=0\n"),
        ] {
            kernel.write(&format!("{folder}/{name}"), text);
        }
        let mut direct = kernel.direct();
        direct.read(&[target(false)], Duration::from_secs(1));
        let followed = &direct.known[&target(false).key];
        assert_eq!((followed.last.cpu, followed.last.block_io), (Some(1_000_000), Some((6, 7))));
        assert_eq!(followed.figures.memory, Some(Usage { used: 700, total: 0 }), "no limit");
    }

    #[test]
    fn a_process_of_somebody_else_is_not_read() {
        for cgroup in ["0::/user.slice\n", "4:memory:/docker/abc\n0::/\n", &format!("0::/../../{ID}\n"), ""] {
            let kernel = Kernel::new(cgroup);
            let mut direct = kernel.direct();
            direct.read(&[target(false)], Duration::from_secs(1));
            assert_eq!(direct.figures(&target(false).key), None, "{cgroup}");
        }
        assert_eq!(own_group("/", ""), None);
    }

    #[test]
    fn a_container_that_is_gone_is_forgotten() {
        let kernel = v1();
        let mut direct = kernel.direct();
        direct.read(&[target(false)], Duration::from_secs(1));
        fs::remove_dir_all(kernel.0.path().join("cgroup")).unwrap();
        direct.read(&[target(false)], Duration::from_secs(3));
        assert!(direct.known.is_empty());
    }

    #[test]
    fn interfaces_are_summed_without_loopback() {
        assert_eq!(interfaces(DEV), Some((1183, 100)));
        let alone = DEV.lines().take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(interfaces(&alone), None, "no network, no figure");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*|[a-z0-9:= \n]*", path in "[/.a-z]*") {
            let _ = (interfaces(&text), block_v2(&text), keyed(&text, "usage_usec"), own_group(&path, ID));
            let _ = own_group(&format!("{path}{ID}{path}"), ID);
        }
    }
}
