//! What the probe prints, read. Sections begin with a line `@@ name`; what a machine does not have is missing, and what can't be
//! read is as good as missing.

use crate::domain::{Filesystem, Pressure, Usage};
use crate::sources::machine::is_real_filesystem;
use crate::sources::proc;
use crate::sources::rates::{Counters, Cpu};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// One answer of the probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// The machine's wall clock, in seconds since 1970; in the middle of the second when it tells no fractions.
    pub date: Option<f64>,
    /// Kernel, release and machine, for people.
    pub system: Option<String>,
    /// Its own name for itself.
    pub hostname: Option<String>,
    /// The address by which it was reached.
    pub address: Option<String>,
    pub uptime: Option<Duration>,
    pub load: Option<[f64; 3]>,
    /// CPUs; zero when not told.
    pub cores: u32,
    pub memory: Option<Usage>,
    pub swap: Option<Usage>,
    pub oom_kills: Option<u64>,
    /// Over the last ten seconds.
    pub pressure: Option<Pressure>,
    pub counters: Counters,
    /// In no order.
    pub disks: Vec<Filesystem>,
    /// `df` did not end in time: a mounted filesystem does not answer.
    pub df_hangs: bool,
    /// The last section came.
    pub complete: bool,
}

/// Reads an answer; `None` when it is none.
pub(super) fn reading(text: &str) -> Option<Reading> {
    let sections = Sections::split(text)?;
    let counts = counts(&sections);
    let count = |name: &str| counts.get(name).copied();
    let uptime = sections.words("uptime").next().and_then(seconds);
    let waited = ["cpu", "memory", "io"].map(|what| sections.line(&format!("pressure-{what}")).and_then(proc::stall));
    let [cpu, memory, io] = waited;
    let waited = cpu.zip(memory).zip(io).map(|((cpu, memory), io)| [cpu, memory, io]);
    let mut uname = sections.words("uname");
    let (kernel, hostname) = (uname.next(), uname.next());
    Some(Reading {
        date: sections.line("date").and_then(date),
        system: kernel.map(|kernel| std::iter::once(kernel).chain(uname).collect::<Vec<_>>().join(" ")),
        hostname: hostname.map(str::to_owned),
        address: sections.words("from").nth(2).map(str::to_owned),
        uptime: uptime.map(|uptime| Duration::from_secs(uptime.as_secs())),
        load: load(&sections),
        cores: sections.line("cpus").and_then(|line| line.trim().parse().ok()).unwrap_or_default(),
        memory: memory_of(&count),
        swap: count("SwapTotal")
            .map(|total| Usage { used: total.saturating_sub(count("SwapFree").unwrap_or(total)), total }),
        oom_kills: count("oom_kill"),
        pressure: waited.map(|[(cpu, _), (memory, _), (io, _)]| Pressure { cpu, memory, io }),
        counters: Counters {
            at: uptime.unwrap_or_default(),
            boot: sections.line("boot").map(str::to_owned),
            cpu: sections.lines("counts").find_map(|line| cpu_of(line.strip_prefix("cpu ")?)),
            network: proc::network(sections.lines("net")),
            disks: proc::disks(sections.lines("disks")),
            waited: waited.map(|stalls| stalls.map(|(_, total)| total)),
        },
        disks: filesystems(&sections),
        df_hangs: ["df-status", "inodes-status"].iter().any(|name| sections.status(name) == Some(137))
            || sections.has("df") && !sections.has("end"),
        complete: sections.has("end"),
    })
}

/// The lines of each section. A section's status stands in its heading.
struct Sections<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Sections<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let mut sections: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut name = None;
        for line in text.lines() {
            match (line.strip_prefix("@@ "), name) {
                (Some(heading), _) => {
                    let (heading, rest) = heading.split_once(' ').unwrap_or((heading, ""));
                    name = Some(heading);
                    sections.entry(heading).or_default().extend((!rest.is_empty()).then_some(rest));
                }
                (None, Some(name)) => sections.entry(name).or_default().push(line),
                // What a login prints before anything runs.
                (None, None) => {}
            }
        }
        sections.contains_key("date").then_some(Self(sections))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().copied()
    }

    fn line(&self, name: &str) -> Option<&'a str> {
        self.lines(name).next()
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.line(name).unwrap_or_default().split_whitespace()
    }

    fn status(&self, name: &str) -> Option<i32> {
        self.line(name)?.trim().parse().ok()
    }
}

/// `SECONDS.NANOSECONDS`; busybox may print `%N` as it stands.
fn date(line: &str) -> Option<f64> {
    let (whole, fraction) = line.trim().split_once('.')?;
    let whole: u32 = whole.parse().ok()?;
    let fraction = fraction.parse::<u64>().ok().map(|_| format!("0.{fraction}")).and_then(|text| text.parse().ok());
    Some(f64::from(whole) + fraction.unwrap_or(0.5))
}

fn seconds(word: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(word.parse().ok()?).ok()
}

fn load(sections: &Sections) -> Option<[f64; 3]> {
    let mut words = sections.words("load").map(|word| word.parse::<f64>().ok().filter(|load| load.is_finite()));
    Some([words.next()??, words.next()??, words.next()??])
}

/// `MemTotal:  123 kB` in bytes, `oom_kill 4` as it is.
fn counts<'a>(sections: &Sections<'a>) -> HashMap<&'a str, u64> {
    let count = |line: &'a str| {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        let unit = if words.next() == Some("kB") { 1024 } else { 1 };
        Some((name.trim_end_matches(':'), value.saturating_mul(unit)))
    };
    sections.lines("counts").filter_map(count).collect()
}

/// Total minus available; kernels before 3.14 do not tell what is available.
fn memory_of(count: &impl Fn(&str) -> Option<u64>) -> Option<Usage> {
    let total = count("MemTotal").filter(|total| *total > 0)?;
    let guessed = || {
        let free = count("MemFree")?;
        Some(
            ["Buffers", "Cached", "SReclaimable"]
                .iter()
                .fold(free, |sum, name| sum.saturating_add(count(name).unwrap_or(0))),
        )
    };
    let available = count("MemAvailable").or_else(guessed)?;
    Some(Usage { used: total.saturating_sub(available), total })
}

/// user nice system idle iowait irq softirq steal; what guests use is in user already.
fn cpu_of(line: &str) -> Option<Cpu> {
    let ticks: Vec<f64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0.0);
    let total: f64 = ticks.iter().sum();
    total.is_finite().then_some(Cpu { busy: total - idle, total })
}

/// A line of `/proc/mounts`: kind, and whether it is read-only.
type Mounted<'a> = (&'a str, bool);

/// The real filesystems that `df` tells of, each device once. Where there is none (a container), whatever the root lies on.
fn filesystems(sections: &Sections) -> Vec<Filesystem> {
    let mounted: HashMap<String, Mounted> = sections.lines("mounts").filter_map(mount).collect();
    let inodes: HashMap<String, Usage> = sections
        .lines("inodes")
        .filter_map(row)
        .map(|row| (row.mount, row.usage))
        .filter(|(_, usage)| usage.total > 0)
        .collect();
    let mut rows: Vec<Row> = sections.lines("df").filter_map(row).collect();
    let is_real = |row: &Row| mounted.get(&row.mount).is_some_and(|(kind, _)| is_real_filesystem(kind));
    if rows.iter().any(is_real) {
        rows.retain(is_real);
    } else {
        rows.retain(|row| row.mount == "/");
    }
    rows.sort_by_key(|row| row.mount.len());
    let mut seen = HashSet::new();
    rows.retain(|row| row.usage.total > 0 && seen.insert(row.device.clone()));
    let filesystem = |row: Row| Filesystem {
        usage: Usage { used: row.usage.used.saturating_mul(1024), total: row.usage.total.saturating_mul(1024) },
        inodes: inodes.get(&row.mount).copied(),
        read_only: mounted.get(&row.mount).is_some_and(|(_, read_only)| *read_only),
        mount: row.mount,
        full_in: None,
    };
    rows.into_iter().map(filesystem).collect()
}

fn mount(line: &str) -> Option<(String, Mounted<'_>)> {
    let mut words = line.split(' ');
    let (_, at, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some((unescaped(at), (kind, options == "ro")))
}

/// `\040` is a space, and so on.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => {
                out.push(b'\\');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A row of `df`: blocks or inodes.
struct Row {
    device: String,
    usage: Usage,
    mount: String,
}

/// `device total used available 12% /mount point`. The device and the mount point may hold blanks, so the figures are looked
/// for. As `df` counts: blocks reserved for root are neither used nor available.
fn row(line: &str) -> Option<Row> {
    let words: Vec<(usize, &str)> = words_at(line);
    let at = (1..words.len().saturating_sub(4)).find(|at| {
        let is_number = |place: usize| words[place].1.parse::<u64>().is_ok();
        let share = words[at + 3].1;
        (*at..at + 3).all(is_number) && (share.ends_with('%') || share == "-") && words[at + 4].1.starts_with('/')
    })?;
    let figure = |place: usize| words[at + place].1.parse::<u64>().unwrap_or_default();
    let (used, available) = (figure(1), figure(2));
    Some(Row {
        device: line[..words[at].0].trim_end().to_owned(),
        usage: Usage { used, total: used.saturating_add(available) },
        mount: line[words[at + 4].0..].trim_end().to_owned(),
    })
}

fn words_at(line: &str) -> Vec<(usize, &str)> {
    line.split_whitespace().map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word)).collect()
}

#[cfg(test)]
mod tests;
