//! From readings to servers: one for each target, which is what is left of a series' labels without those that tell the
//! series of one target apart.

use super::queries::WHAT;
use crate::connect::prometheus::Series;
use crate::domain::alert::Labels;
use crate::domain::{Filesystem, Past, Pressure, Rates, Reach, Server, SourceId, Usage, host};
use crate::sources::machine;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Labels that tell the series of one node_exporter apart; all others are its target's.
fn is_own(label: &str) -> bool {
    matches!(
        label,
        "__name__"
            | WHAT
            | "device"
            | "device_error"
            | "fstype"
            | "mountpoint"
            | "cpu"
            | "mode"
            | "nodename"
            | "release"
            | "version"
            | "machine"
            | "sysname"
            | "domainname"
    )
}

/// A target's labels as one text: what is compared for each of 40 series of a server.
fn write_key<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>, key: &mut String) {
    key.clear();
    for (name, value) in labels.filter(|(name, _)| !is_own(name)) {
        for part in [name, "\0", value, "\0"] {
            key.push_str(part);
        }
    }
}

fn key(target: &Labels) -> String {
    let mut key = String::new();
    write_key(target.iter().map(|(name, value)| (name.as_str(), value.as_str())), &mut key);
    key
}

/// What is remembered of a target that may go down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    nodename: String,
    system: Option<String>,
}

/// The labels of a series' target.
fn target(series: &Series<'_>) -> Labels {
    let of_target = series.labels.iter().filter(|(name, _)| !is_own(name));
    of_target.map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned())).collect()
}

/// All that was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    up: BTreeMap<Labels, bool>,
    /// By the key of the target.
    machines: HashMap<String, Machine>,
    scratch: String,
}

impl Told {
    /// A series of those that tell who is up.
    pub(super) fn up(&mut self, series: &Series<'_>) {
        self.up.insert(target(series), series.value != 0.0);
    }

    /// A gauge.
    pub(super) fn gauge(&mut self, series: &Series<'_>) {
        self.write_key(series);
        if !self.machines.contains_key(&self.scratch) {
            self.machines.insert(self.scratch.clone(), Machine::default());
        }
        if let Some(machine) = self.machines.get_mut(&self.scratch) {
            machine.gauge(series);
        }
    }

    /// What was computed of a machine; once all gauges are told.
    pub(super) fn compute(&mut self, series: &Series<'_>) {
        self.write_key(series);
        if let Some(machine) = self.machines.get_mut(&self.scratch) {
            machine.compute(series);
        }
    }

    /// Nothing is known of what is computed.
    pub(super) fn forget_computed(&mut self) {
        for machine in self.machines.values_mut() {
            machine.computed.clear();
            machine.disks.values_mut().for_each(|disk| disk.slope = None);
        }
    }

    fn write_key(&mut self, series: &Series<'_>) {
        write_key(series.labels.iter().map(|(name, value)| (&**name, &**value)), &mut self.scratch);
    }

    /// The targets that are down.
    pub(super) fn down(&self) -> BTreeSet<Labels> {
        self.up.iter().filter(|(_, up)| !**up).map(|(target, _)| target.clone()).collect()
    }

    /// The servers. `chosen`: the config says which targets are servers; else a target that is up and has no figures is
    /// none, and one that is down counts when it was one before, or its job has no others. `reasons`: why targets are down, by
    /// job and instance.
    pub(super) fn servers(
        self,
        reasons: &BTreeMap<(String, String), String>,
        known: &mut BTreeMap<Labels, Known>,
        chosen: bool,
        source: &SourceId,
        notes: &[String],
    ) -> Vec<Server> {
        let Self { up, mut machines, .. } = self;
        let mixed: HashSet<&str> = up
            .iter()
            .filter(|(target, up)| **up && !machines.contains_key(&key(target)))
            .map(|(target, _)| job(target))
            .collect();
        known.retain(|target, _| up.contains_key(target));
        let is_server = |target: &Labels, is_up: bool| {
            chosen
                || machines.contains_key(&key(target))
                || !is_up && (known.contains_key(target) || !mixed.contains(job(target)))
        };
        let wanted: Vec<(&Labels, bool)> =
            up.iter().filter(|(target, up)| is_server(target, **up)).map(|(target, up)| (target, *up)).collect();
        for (target, is_up) in &wanted {
            if let Some(machine) = machines.get(&key(target)).filter(|_| *is_up) {
                known.insert((*target).clone(), machine.known.clone());
            }
        }
        let named = names(&wanted, known);
        let mut servers = Vec::with_capacity(wanted.len());
        for ((target, is_up), name) in wanted.into_iter().zip(named) {
            let machine = machines.remove(&key(target)).unwrap_or_default();
            let mut server = machine.server();
            let kept = known.get(target).cloned().unwrap_or_default();
            server.system = server.system.or(kept.system);
            server.addresses = addresses(target, &kept.nodename, &name);
            server.name = name;
            server.reach.push(reach(target, is_up, reasons));
            server.past = Some(Past { source: source.clone(), selector: selector(target).into() });
            server.labels = target.clone();
            server.notes.extend_from_slice(notes);
            servers.push(server);
        }
        servers
    }
}

fn reach(target: &Labels, up: bool, reasons: &BTreeMap<(String, String), String>) -> Reach {
    let reason = || reasons.get(&(job(target).to_owned(), instance(target).to_owned())).cloned();
    let why = if up { String::new() } else { reason().unwrap_or_else(|| "Prometheus can't scrape it".to_owned()) };
    Reach { up, by: "node_exporter".to_owned(), code: None, took: None, why }
}

fn job(target: &Labels) -> &str {
    target.get("job").map_or("", String::as_str)
}

fn instance(target: &Labels) -> &str {
    target.get("instance").map_or("", String::as_str)
}

/// The host as Prometheus knows it, or the name that it gives itself where that is only a number; two that would have the
/// same name are called by their whole instance.
fn names(wanted: &[(&Labels, bool)], known: &BTreeMap<Labels, Known>) -> Vec<String> {
    let name = |target: &Labels| {
        let host = host::of(instance(target));
        let nodename = known.get(target).map_or("", |known| known.nodename.as_str());
        let number = host.is_empty() || host::is_here(host) || host.parse::<IpAddr>().is_ok();
        (if number && !nodename.is_empty() { nodename } else { host }).to_owned()
    };
    let mut names: Vec<String> = wanted.iter().map(|(target, _)| name(target)).collect();
    let mut count: HashMap<String, usize> = HashMap::new();
    for name in &names {
        *count.entry(name.clone()).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for (name, (target, _)) in names.iter_mut().zip(wanted) {
        if count.get(name).is_some_and(|count| *count > 1) {
            instance(target).clone_into(name);
        }
        if !taken.insert(name.clone()) {
            // One instance in two jobs, or in two clusters: every label is needed to tell them apart.
            *name = selector(target);
            taken.insert(name.clone());
        }
    }
    names
}

/// Under what others know it. Two that call themselves the same are not known by that.
fn addresses(target: &Labels, nodename: &str, name: &str) -> Vec<String> {
    let host = host::of(instance(target));
    let own = if name == host || name == nodename { nodename } else { "" };
    [host, own].into_iter().filter(|known| !known.is_empty() && *known != name).map(str::to_owned).collect()
}

/// Matchers that select this target's series alone.
fn selector(target: &Labels) -> String {
    let mut matchers = String::new();
    for (name, value) in target {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let comma = if matchers.is_empty() { "" } else { "," };
        let _ = write!(matchers, "{comma}{name}=\"{value}\"");
    }
    matchers
}

/// One server's figures, as they come in.
#[derive(Clone, Debug, Default)]
struct Machine {
    known: Known,
    uptime: Option<Duration>,
    loads: [Option<f64>; 3],
    memory: HashMap<String, f64>,
    oom_kills: Option<f64>,
    /// By device and mount point.
    disks: BTreeMap<(String, String), Disk>,
    computed: HashMap<String, f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Disk {
    size: Option<f64>,
    free: Option<f64>,
    available: Option<f64>,
    inodes: Option<f64>,
    inodes_free: Option<f64>,
    read_only: bool,
    slope: Option<f64>,
}

impl Machine {
    fn gauge(&mut self, series: &Series<'_>) {
        let name = series.label("__name__");
        let figure = name.strip_prefix("node_").unwrap_or(name);
        match figure {
            "boot_time_seconds" => {
                let seconds = series.at.floor() - series.value;
                self.uptime = Duration::try_from_secs_f64(seconds.floor()).ok();
            }
            "load1" => self.loads[0] = Some(series.value),
            "load5" => self.loads[1] = Some(series.value),
            "load15" => self.loads[2] = Some(series.value),
            "vmstat_oom_kill" => self.oom_kills = Some(series.value),
            "uname_info" => self.name(series),
            _ => {
                if let Some(what) = figure.strip_prefix("memory_") {
                    self.memory.insert(what.to_owned(), series.value);
                } else if let Some(what) = figure.strip_prefix("filesystem_") {
                    self.disk(series).tell(what, series.value);
                }
            }
        }
    }

    fn name(&mut self, series: &Series<'_>) {
        let system = [series.label("sysname"), series.label("release"), series.label("machine")].join(" ");
        let system = system.split_whitespace().collect::<Vec<_>>().join(" ");
        let nodename = series.label("nodename").to_owned();
        self.known = Known { nodename, system: Some(system).filter(|text| !text.is_empty()) };
    }

    fn disk(&mut self, series: &Series<'_>) -> &mut Disk {
        let label = |name: &str| series.label(name).to_owned();
        self.disks.entry((label("device"), label("mountpoint"))).or_default()
    }

    fn compute(&mut self, series: &Series<'_>) {
        match series.label(WHAT) {
            "" => {}
            "slope" => self.disk(series).slope = Some(series.value),
            what => {
                self.computed.insert(what.to_owned(), series.value);
            }
        }
    }

    fn server(&self) -> Server {
        let figure = |name: &str| self.computed.get(name).copied().filter(|value| value.is_finite());
        let pair = |one: &str, other: &str| Some(Rates { r#in: figure(one)?, out: figure(other)? });
        let wait = |what: &str| figure(what).map(|share| share.clamp(0.0, 1.0));
        let pressure = || Some(Pressure { cpu: wait("wait_cpu")?, memory: wait("wait_memory")?, io: wait("wait_io")? });
        Server {
            system: self.known.system.clone(),
            cores: figure("cores").map_or(0, |cores| cores as u32),
            cpu: figure("cpu").map(|cpu| cpu.clamp(0.0, 1.0)),
            memory: self.memory(),
            swap: self.usage("SwapTotal_bytes", |memory| memory.get("SwapFree_bytes").copied()),
            disks: self.disks(),
            load: self.loads[0]
                .zip(self.loads[1])
                .zip(self.loads[2])
                .map(|((one, five), fifteen)| [one, five, fifteen]),
            network: pair("received", "sent"),
            disk_io: pair("read", "written"),
            pressure: pressure(),
            oom_kills: self.oom_kills.map(|kills| kills as u64),
            oom_recent: self.oom_kills.and(figure("oom")).map(|kills| kills.max(0.0).round() as u64),
            clock_skew: figure("skew"),
            uptime: self.uptime,
            ..Server::default()
        }
    }

    /// Kernels before 3.14 do not tell what is available: what could be given back is.
    fn memory(&self) -> Option<Usage> {
        self.usage("MemTotal_bytes", |memory| {
            let figure = |name: &str| memory.get(name).copied();
            let kept = || {
                Some(figure("Buffers_bytes")? + figure("Cached_bytes")? + figure("SReclaimable_bytes").unwrap_or(0.0))
            };
            figure("MemAvailable_bytes").or_else(|| Some(figure("MemFree_bytes")? + kept()?))
        })
    }

    fn usage(&self, total: &str, free: impl FnOnce(&HashMap<String, f64>) -> Option<f64>) -> Option<Usage> {
        let (total, free) = (*self.memory.get(total)?, free(&self.memory)?);
        Some(Usage { used: (total - free).max(0.0) as u64, total: total as u64 })
    }

    /// Of the mounts of one device the one with the shortest path.
    fn disks(&self) -> Vec<Filesystem> {
        let mut shortest: BTreeMap<&str, (&str, Filesystem)> = BTreeMap::new();
        for ((device, mount), disk) in &self.disks {
            let Some(filesystem) = disk.filesystem(mount) else { continue };
            let shorter = shortest.get(device.as_str()).is_none_or(|(known, _)| mount.len() < known.len());
            if shorter {
                shortest.insert(device, (mount, filesystem));
            }
        }
        let mut disks: Vec<Filesystem> = shortest.into_values().map(|(_, filesystem)| filesystem).collect();
        machine::fullest_first(&mut disks);
        disks
    }
}

impl Disk {
    fn tell(&mut self, what: &str, value: f64) {
        match what {
            "size_bytes" => self.size = Some(value),
            "free_bytes" => self.free = Some(value),
            "avail_bytes" => self.available = Some(value),
            "files" => self.inodes = Some(value),
            "files_free" => self.inodes_free = Some(value),
            "readonly" => self.read_only = value != 0.0,
            _ => {}
        }
    }

    /// As `df` counts: blocks reserved for root are neither used nor available. `None` for one without blocks.
    fn filesystem(&self, mount: &str) -> Option<Filesystem> {
        let (size, free, available) = (self.size?, self.free?, self.available?);
        let used = (size - free).max(0.0);
        let inodes = self.inodes.zip(self.inodes_free).filter(|(all, _)| *all > 0.0);
        let full_in = self.slope.filter(|_| !self.read_only).and_then(|slope| machine::when_empty(available, slope));
        (size > 0.0).then(|| Filesystem {
            mount: mount.to_owned(),
            usage: Usage { used: used as u64, total: (used + available) as u64 },
            inodes: inodes.map(|(all, free)| Usage { used: (all - free).max(0.0) as u64, total: all as u64 }),
            read_only: self.read_only,
            full_in,
        })
    }
}

/// `/api/v1/targets`, as far as it is needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Targets {
    active_targets: Vec<Scraped>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scraped {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    last_error: String,
}

impl Targets {
    /// Why each target that is down is, by job and instance.
    pub(super) fn reasons(self) -> BTreeMap<(String, String), String> {
        let bad = self.active_targets.into_iter().filter(|target| !target.last_error.is_empty());
        bad.map(|target| ((job(&target.labels).to_owned(), instance(&target.labels).to_owned()), target.last_error))
            .collect()
    }
}

#[cfg(test)]
mod tests;
