//! What a node_exporter exposes, read: of its thousand series those that a server's row is made of.

use crate::domain::{Filesystem, Usage};
use crate::sources::machine::{is_real_device, is_real_filesystem, is_real_interface};
use crate::sources::rates::{Counters, Cpu, Pair, whole_disks};
use prometheus_parse::{Labels, Sample, Scrape, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// The collectors whose series are read, for `collect[]`.
pub(super) const COLLECTORS: [&str; 11] =
    ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "pressure", "stat", "time", "uname", "vmstat"];

/// The series that are read, by how their names begin. Only their lines are parsed: it is a twentieth of them, and the comments that
/// would give them a type are not needed.
const SERIES: [&str; 19] = [
    "node_cpu_seconds_total{",
    "node_disk_read_bytes_total{",
    "node_disk_written_bytes_total{",
    "node_filesystem_",
    "node_load",
    "node_memory_Buffers_bytes ",
    "node_memory_Cached_bytes ",
    "node_memory_Mem",
    "node_memory_SReclaimable_bytes ",
    "node_memory_Swap",
    "node_network_receive_bytes_total{",
    "node_network_transmit_bytes_total{",
    "node_pressure_cpu_waiting_",
    "node_pressure_io_waiting_",
    "node_pressure_memory_waiting_",
    "node_time_seconds",
    "node_boot_time_seconds",
    "node_uname_info{",
    "node_vmstat_oom_kill ",
];

/// Told by each collector; only one that failed is worth reading.
const SUCCESS: &str = "node_scrape_collector_success{";

/// One scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// The machine's wall clock, in seconds since 1970.
    pub time: Option<f64>,
    /// When it was booted, likewise.
    pub boot: Option<f64>,
    /// Kernel, release and machine, for people.
    pub system: Option<String>,
    /// Its own name for itself.
    pub hostname: Option<String>,
    pub load: [Option<f64>; 3],
    /// CPUs; zero when not told.
    pub cores: u32,
    pub memory: Option<Usage>,
    pub swap: Option<Usage>,
    pub oom_kills: Option<u64>,
    /// The moment in it is the caller's to fill in.
    pub counters: Counters,
    /// In no order.
    pub disks: Vec<Filesystem>,
    /// Collectors of [`COLLECTORS`] that failed.
    pub failed: Vec<String>,
    /// Filesystems of which the exporter could not learn anything.
    pub unreadable: Vec<String>,
}

/// Why an answer is none, in one phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Nothing of it is a series of a node_exporter.
    NotOne,
    /// It ends in the middle of a line.
    Cut,
}

/// Reads a scrape.
pub(super) fn reading(text: &str) -> Result<Reading, Wrong> {
    let wanted = |line: &&str| {
        let read = |start: &&str| line.starts_with(start);
        // Most lines are comments or of no interest: looking at their beginning is cheaper than trying all names.
        line.starts_with("node_") && (SERIES.iter().any(read) || (read(&SUCCESS) && line.ends_with(" 0")))
    };
    let mut lines = text.lines().filter(wanted).peekable();
    if lines.peek().is_none() {
        return Err(Wrong::NotOne);
    }
    // Half a number is another number.
    if !text.ends_with('\n') {
        return Err(Wrong::Cut);
    }
    let scrape = Scrape::parse(lines.map(|line| Ok(line.to_owned()))).map_err(|_| Wrong::NotOne)?;
    let mut gathered = Gathered::default();
    for sample in &scrape.samples {
        gathered.take(sample);
    }
    Ok(gathered.reading())
}

/// What is put together of several series.
#[derive(Default)]
struct Gathered {
    reading: Reading,
    cpus: BTreeSet<String>,
    cpu: Cpu,
    memory: BTreeMap<String, u64>,
    network: BTreeMap<String, [Option<f64>; 2]>,
    disks: BTreeMap<String, [Option<f64>; 2]>,
    waited: [Option<f64>; 3],
    filesystems: BTreeMap<String, Mounted>,
}

/// The series of one mount point.
#[derive(Default)]
struct Mounted {
    device: String,
    kind: String,
    values: BTreeMap<String, f64>,
}

impl Gathered {
    fn take(&mut self, sample: &Sample) {
        let Some(value) = number(&sample.value) else { return };
        let label = |name: &str| sample.labels.get(name).unwrap_or_default();
        match sample.metric.as_str() {
            "node_time_seconds" => self.reading.time = Some(value),
            "node_boot_time_seconds" => self.reading.boot = Some(value),
            "node_load1" => self.reading.load[0] = Some(value),
            "node_load5" => self.reading.load[1] = Some(value),
            "node_load15" => self.reading.load[2] = Some(value),
            "node_vmstat_oom_kill" => self.reading.oom_kills = Some(value as u64),
            "node_cpu_seconds_total" => self.cpu(label("cpu"), label("mode"), value),
            "node_network_receive_bytes_total" => pair(&mut self.network, label("device"), 0, value),
            "node_network_transmit_bytes_total" => pair(&mut self.network, label("device"), 1, value),
            "node_disk_read_bytes_total" => pair(&mut self.disks, label("device"), 0, value),
            "node_disk_written_bytes_total" => pair(&mut self.disks, label("device"), 1, value),
            "node_pressure_cpu_waiting_seconds_total" => self.waited[0] = Some(value),
            "node_pressure_memory_waiting_seconds_total" => self.waited[1] = Some(value),
            "node_pressure_io_waiting_seconds_total" => self.waited[2] = Some(value),
            "node_uname_info" => self.uname(&sample.labels),
            "node_scrape_collector_success" => self.collector(label("collector"), value),
            other => self.by_prefix(other, &sample.labels, value),
        }
    }

    fn by_prefix(&mut self, metric: &str, labels: &Labels, value: f64) {
        if let Some(name) = metric.strip_prefix("node_memory_").and_then(|rest| rest.strip_suffix("_bytes")) {
            self.memory.insert(name.to_owned(), value as u64);
        } else if let Some(name) = metric.strip_prefix("node_filesystem_") {
            let label = |name: &str| labels.get(name).unwrap_or_default().to_owned();
            let mounted = self.filesystems.entry(label("mountpoint")).or_default();
            (mounted.device, mounted.kind) = (label("device"), label("fstype"));
            mounted.values.insert(name.to_owned(), value);
        }
    }

    fn cpu(&mut self, cpu: &str, mode: &str, value: f64) {
        self.cpus.insert(cpu.to_owned());
        self.cpu.total += value;
        if !matches!(mode, "idle" | "iowait") {
            self.cpu.busy += value;
        }
    }

    fn uname(&mut self, labels: &Labels) {
        let label = |name: &str| labels.get(name).filter(|text| !text.is_empty());
        let words: Vec<&str> = ["sysname", "release", "machine"].into_iter().filter_map(label).collect();
        self.reading.system = Some(words.join(" ")).filter(|text| !text.is_empty());
        self.reading.hostname = label("nodename").map(str::to_owned);
    }

    /// Others fail wherever there is nothing for them to collect.
    fn collector(&mut self, name: &str, success: f64) {
        if success == 0.0 && COLLECTORS.contains(&name) {
            self.reading.failed.push(name.to_owned());
        }
    }

    fn reading(self) -> Reading {
        let [cpu, memory, io] = self.waited;
        let mut disks = whole(&self.disks, is_real_device);
        whole_disks(&mut disks);
        let unreadable = |(mount, mounted): (&String, &Mounted)| {
            (is_real_filesystem(&mounted.kind) && mounted.values.get("device_error").is_some_and(|error| *error != 0.0))
                .then(|| mount.clone())
        };
        Reading {
            cores: u32::try_from(self.cpus.len()).unwrap_or(u32::MAX),
            memory: memory_of(&self.memory),
            swap: swap_of(&self.memory),
            counters: Counters {
                cpu: (!self.cpus.is_empty()).then_some(self.cpu),
                network: whole(&self.network, is_real_interface),
                disks,
                waited: cpu.zip(memory).zip(io).map(|((cpu, memory), io)| [cpu, memory, io]),
                ..Counters::default()
            },
            unreadable: self.filesystems.iter().filter_map(unreadable).collect(),
            disks: filesystems(self.filesystems),
            ..self.reading
        }
    }
}

/// No series that is read here is a histogram.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => {
            Some(*value).filter(|value| value.is_finite())
        }
        Value::Histogram(_) | Value::Summary(_) => None,
    }
}

fn pair(pairs: &mut BTreeMap<String, [Option<f64>; 2]>, device: &str, place: usize, value: f64) {
    pairs.entry(device.to_owned()).or_default()[place] = Some(value);
}

/// Those of which both counters came.
fn whole(pairs: &BTreeMap<String, [Option<f64>; 2]>, counts: impl Fn(&str) -> bool) -> BTreeMap<String, Pair> {
    let whole = |(name, [one, other]): (&String, &[Option<f64>; 2])| Some((name.clone(), [(*one)?, (*other)?]));
    pairs.iter().filter(|(name, _)| counts(name)).filter_map(whole).collect()
}

/// Total minus available; kernels before 3.14 do not tell what is available.
fn memory_of(memory: &BTreeMap<String, u64>) -> Option<Usage> {
    let total = *memory.get("MemTotal").filter(|total| **total > 0)?;
    let parts = ["Buffers", "Cached", "SReclaimable"];
    let guessed = || {
        let free = *memory.get("MemFree")?;
        Some(parts.iter().filter_map(|name| memory.get(*name)).fold(free, |sum, part| sum.saturating_add(*part)))
    };
    let available = memory.get("MemAvailable").copied().or_else(guessed)?;
    Some(Usage { used: total.saturating_sub(available), total })
}

fn swap_of(memory: &BTreeMap<String, u64>) -> Option<Usage> {
    let (total, free) = (*memory.get("SwapTotal")?, *memory.get("SwapFree")?);
    Some(Usage { used: total.saturating_sub(free), total })
}

/// The real ones, each device once, at its shortest mount point. Where there is none (a container), whatever the root lies on.
fn filesystems(mounted: BTreeMap<String, Mounted>) -> Vec<Filesystem> {
    let mut mounted: Vec<(String, Mounted)> = mounted.into_iter().collect();
    if mounted.iter().any(|(_, mounted)| is_real_filesystem(&mounted.kind)) {
        mounted.retain(|(_, mounted)| is_real_filesystem(&mounted.kind));
    } else {
        mounted.retain(|(mount, _)| mount == "/");
    }
    mounted.sort_by_key(|(mount, _)| mount.len());
    let mut seen = HashSet::new();
    let told =
        mounted.into_iter().filter_map(|(mount, mounted)| Some((mounted.device.clone(), filesystem(mount, &mounted)?)));
    told.filter(|(device, _)| seen.insert(device.clone())).map(|(_, filesystem)| filesystem).collect()
}

/// As `df` counts: blocks reserved for root are neither used nor available.
fn filesystem(mount: String, mounted: &Mounted) -> Option<Filesystem> {
    let value = |name: &str| mounted.values.get(name).map(|value| *value as u64);
    let used = value("size_bytes")?.saturating_sub(value("free_bytes")?);
    let total = used.saturating_add(value("avail_bytes")?);
    let inodes = value("files").filter(|files| *files > 0).zip(value("files_free"));
    (total > 0).then(|| Filesystem {
        mount,
        usage: Usage { used, total },
        inodes: inodes.map(|(total, free)| Usage { used: total.saturating_sub(free), total }),
        read_only: value("readonly") == Some(1),
        full_in: None,
    })
}

impl Reading {
    /// Time since boot, whole seconds.
    pub(super) fn uptime(&self) -> Option<Duration> {
        let seconds = self.time? - self.boot?;
        Duration::try_from_secs_f64(seconds).ok().map(|uptime| Duration::from_secs(uptime.as_secs()))
    }
}

#[cfg(test)]
mod tests;
