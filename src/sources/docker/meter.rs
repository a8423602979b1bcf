//! What a container uses, from its counters: a rate is the difference between two readings. Pure.
//!
//! The figures are those of `docker stats`: memory without the page cache that can be dropped, CPU in whole cores.

use crate::domain::{Rates, Usage};
use bollard::models::{
    ContainerBlkioStats, ContainerCpuStats, ContainerMemoryStats, ContainerNetworkStats, ContainerStatsResponse,
};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Readings closer than this say nothing about a rate: counters move in steps.
const CLOSEST: Duration = Duration::from_millis(200);

/// Two byte counters: received and sent, or read and written.
pub(super) type Bytes = (u64, u64);

/// The counters of one container at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// When, since a moment that is the same for all readings of one container.
    pub(super) at: Duration,
    /// CPU time, in nanoseconds.
    pub(super) cpu: Option<u64>,
    pub(super) memory: Option<Usage>,
    pub(super) pids: Option<u64>,
    pub(super) network: Option<Bytes>,
    pub(super) block_io: Option<Bytes>,
}

/// What it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// In whole cores.
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<Usage>,
    pub(super) pids: Option<u64>,
    pub(super) network: Option<Rates>,
    pub(super) block_io: Option<Rates>,
}

impl Reading {
    /// Figures of this moment, and rates since `before`. A counter that went back gives none.
    pub(super) fn since(&self, before: Option<&Self>) -> Figures {
        let alone = Figures { memory: self.memory, pids: self.pids, ..Figures::default() };
        let Some(before) = before else { return alone };
        let Some(time) = self.at.checked_sub(before.at).filter(|time| *time >= CLOSEST) else { return alone };
        let used = self.cpu.zip(before.cpu).and_then(|(now, before)| now.checked_sub(before));
        let rates = |now: Option<Bytes>, before: Option<Bytes>| {
            let ((now_in, now_out), (before_in, before_out)) = now.zip(before)?;
            let a_second = |now: u64, before: u64| Some(now.checked_sub(before)? as f64 / time.as_secs_f64());
            Some(Rates { r#in: a_second(now_in, before_in)?, out: a_second(now_out, before_out)? })
        };
        Figures {
            cpu: used.map(|used| used as f64 / time.as_nanos() as f64),
            network: rates(self.network, before.network),
            block_io: rates(self.block_io, before.block_io),
            ..alone
        }
    }
}

/// The counters in one statistics message of the API, and the CPU that it tells by itself: a message of a stream also
/// holds the reading before.
pub(super) fn read(stats: &ContainerStatsResponse) -> (Reading, Option<f64>) {
    let at = stats.read.as_deref().and_then(|read| read.parse::<Timestamp>().ok());
    let cpu = stats.cpu_stats.as_ref().zip(stats.precpu_stats.as_ref());
    let reading = Reading {
        at: at.and_then(|at| Duration::try_from(at.as_duration()).ok()).unwrap_or_default(),
        cpu: stats.cpu_stats.as_ref().and_then(total),
        memory: stats.memory_stats.as_ref().and_then(memory),
        pids: stats.pids_stats.as_ref().and_then(|pids| pids.current),
        network: stats.networks.as_ref().map(network),
        block_io: stats.blkio_stats.as_ref().and_then(block_io),
    };
    (reading, cpu.and_then(|(now, before)| cores(now, before)))
}

fn total(stats: &ContainerCpuStats) -> Option<u64> {
    stats.cpu_usage.as_ref().and_then(|usage| usage.total_usage)
}

/// Its share of the host's CPU time since the reading before × the number of CPUs. `None` on the first message of a
/// stream and on a one-shot answer, which have nothing to compare with.
fn cores(now: &ContainerCpuStats, before: &ContainerCpuStats) -> Option<f64> {
    let host = now.system_cpu_usage?.checked_sub(before.system_cpu_usage.filter(|usage| *usage > 0)?)?;
    let used = total(now)?.checked_sub(total(before)?)?;
    let listed = || now.cpu_usage.as_ref().and_then(|usage| usage.percpu_usage.as_ref()).map(Vec::len);
    let cpus = match now.online_cpus {
        Some(count) if count > 0 => f64::from(count),
        _ => listed().filter(|count| *count > 0)? as f64,
    };
    (host > 0).then(|| used as f64 / host as f64 * cpus)
}

/// Usage without the page cache that can be dropped: `total_inactive_file` of cgroup v1, `inactive_file` of v2.
fn memory(stats: &ContainerMemoryStats) -> Option<Usage> {
    let figure = |name: &str| stats.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let cache = figure("total_inactive_file").or_else(|| figure("inactive_file"));
    Some(without_cache(stats.usage?, cache, stats.limit.unwrap_or(0)))
}

/// A cache that is larger than the usage is not subtracted: the two were read at different moments.
pub(super) fn without_cache(usage: u64, cache: Option<u64>, limit: u64) -> Usage {
    let used = cache.filter(|cache| *cache < usage).map_or(usage, |cache| usage - cache);
    Usage { used, total: limit }
}

fn network(networks: &HashMap<String, ContainerNetworkStats>) -> Bytes {
    let sum = |figure: fn(&ContainerNetworkStats) -> Option<u64>| {
        networks.values().filter_map(figure).fold(0, u64::saturating_add)
    };
    (sum(|one| one.rx_bytes), sum(|one| one.tx_bytes))
}

/// An empty list is a container that has not touched a disk; no list is an engine that does not tell.
fn block_io(stats: &ContainerBlkioStats) -> Option<Bytes> {
    let entries = stats.io_service_bytes_recursive.as_ref()?;
    let sum = |word: &str| {
        let of_word = entries.iter().filter(|one| one.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(word)));
        of_word.filter_map(|one| one.value).fold(0, u64::saturating_add)
    };
    Some((sum("read"), sum("write")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const STATS: &str = include_str!("../../../tests/fixtures/docker/stats-v1.jsonl");
    const PODMAN: &str = include_str!("../../../tests/fixtures/docker/podman-stats.json");
    /// Written by hand from the kernel's and the engine's documentation: the other fixtures come from a host with
    /// cgroup v1.
    const STATS_V2: &str = include_str!("../../../tests/fixtures/docker/stats-v2.json");

    fn stats(line: &str) -> ContainerStatsResponse {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_first_message_of_a_stream_has_no_rates() {
        let mut lines = STATS.lines();
        let (first, cpu) = read(&stats(lines.next().unwrap()));
        let alone = first.since(None);
        let memory = Some(Usage { used: 581_632, total: 67_108_864 });
        assert_eq!((cpu, alone), (None, Figures { memory, pids: Some(1), ..Figures::default() }));
        assert_eq!((first.network, first.block_io), (Some((1182, 0)), Some((0, 0))));
        let (second, cpu) = read(&stats(lines.next().unwrap()));
        let figures = second.since(Some(&first));
        let (told, found) = (cpu.unwrap(), figures.cpu.unwrap());
        assert!((told - found).abs() < 0.05, "{told} as docker stats tells it, {found} by the clock");
        assert!(figures.network.unwrap().r#in >= 0.0);
    }

    #[test]
    fn a_podman_answers_with_less() {
        let (reading, cpu) = read(&stats(PODMAN));
        assert_eq!((cpu, reading.pids, reading.network), (None, Some(1), Some((0, 0))));
        assert_eq!(reading.memory, Some(Usage { used: 335_872, total: 67_108_864 }));
    }

    #[test]
    fn rates_are_counters_over_time() {
        let at = |seconds, cpu, network| Reading {
            at: Duration::from_secs(seconds),
            cpu: Some(cpu),
            network: Some((network, 10)),
            ..Reading::default()
        };
        let figures = at(12, 5_000_000_000, 4096).since(Some(&at(10, 4_000_000_000, 0)));
        assert_eq!(figures.cpu, Some(0.5));
        assert_eq!(figures.network, Some(Rates { r#in: 2048.0, out: 0.0 }));
        let back = at(12, 1, 0).since(Some(&at(10, 2, 5)));
        assert_eq!((back.cpu, back.network), (None, None), "counters that went back");
        let close = at(12, 2, 5).since(Some(&at(12, 1, 0)));
        assert_eq!((close.cpu, close.network), (None, None), "no time in between");
    }

    #[test]
    fn figures_are_those_of_docker_stats() {
        let cpu = |total: u64, system: u64| json!({"cpu_usage": {"total_usage": total}, "system_cpu_usage": system, "online_cpus": 4});
        let message = |memory: Value| {
            json!({"cpu_stats": cpu(3_000, 20_000), "precpu_stats": cpu(1_000, 10_000), "memory_stats": memory})
                .to_string()
        };
        let v1 = json!({"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 300, "inactive_file": 1}});
        let (reading, cpu) = read(&stats(&message(v1)));
        assert_eq!((cpu, reading.memory), (Some(0.8), Some(Usage { used: 700, total: 5000 })));
        let odd = json!({"usage": 1000, "limit": 5000, "stats": {"inactive_file": 2000}});
        assert_eq!(read(&stats(&message(odd))).0.memory.unwrap().used, 1000);
        assert_eq!(read(&stats("{}")), (Reading::default(), None));
        let (reading, cpu) = read(&stats(STATS_V2));
        assert_eq!(reading.memory, Some(Usage { used: 20_971_520, total: 268_435_456 }));
        assert_eq!(cpu, Some(0.5));
    }

    #[test]
    fn host_counters_that_went_back_give_no_figure() {
        let message = json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 9, "online_cpus": 1},
            "precpu_stats": {"cpu_usage": {"total_usage": 2}, "system_cpu_usage": 8},
        });
        assert_eq!(read(&stats(&message.to_string())).1, None);
    }

    #[test]
    fn reads_and_writes_are_summed_over_the_devices() {
        let entry = |op: &str, value: u64| json!({"major": 8, "minor": 0, "op": op, "value": value});
        let list = json!([entry("Read", 1), entry("read", 2), entry("Write", 4), entry("Total", 7)]);
        let message = json!({"blkio_stats": {"io_service_bytes_recursive": list}}).to_string();
        assert_eq!(read(&stats(&message)).0.block_io, Some((3, 4)));
        assert_eq!(read(&stats(r#"{"blkio_stats":{}}"#)).0.block_io, None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(a: u64, b: u64, at: u64, read_at in "\\PC*") {
            let usage = json!({"cpu_usage": {"total_usage": a}, "system_cpu_usage": b});
            let net = json!({"a": {"rx_bytes": a, "tx_bytes": b}, "b": {"rx_bytes": u64::MAX}});
            let message = json!({"read": read_at, "cpu_stats": usage, "precpu_stats": usage, "networks": net,
                "memory_stats": {"usage": a, "limit": b}});
            let (reading, _) = read(&stats(&message.to_string()));
            let later = Reading { at: Duration::from_millis(at), cpu: Some(b), ..reading };
            let _ = (later.since(Some(&reading)), reading.since(Some(&later)));
        }
    }
}
