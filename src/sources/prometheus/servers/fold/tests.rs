//! The answers in `tests/fixtures/prometheus/servers-*.json` are those of a Prometheus 2.42 that scrapes a node_exporter 1.5
//! and a port on which nothing listens.

use super::*;
use crate::connect::prometheus::{Reading, envelope};
use proptest::prelude::*;
use serde_json::Value;

const UP: &str = include_str!("../../../../../tests/fixtures/prometheus/servers-up.json");
const GAUGES: &str = include_str!("../../../../../tests/fixtures/prometheus/servers-gauges.json");
const COMPUTED: &str = include_str!("../../../../../tests/fixtures/prometheus/servers-computed.json");
const TARGETS: &str = include_str!("../../../../../tests/fixtures/prometheus/servers-targets.json");

fn readings(body: &str) -> Vec<Reading> {
    let body: Value = serde_json::from_str(body).unwrap();
    let read = |series: &Value| Reading {
        labels: serde_json::from_value(series["metric"].clone()).unwrap(),
        value: series["value"][1].as_str().unwrap().parse().unwrap(),
        at: jiff::Timestamp::from_second(series["value"][0].as_f64().unwrap() as i64).unwrap(),
    };
    body["data"]["result"].as_array().unwrap().iter().map(read).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn reading(pairs: &[(&str, &str)], value: f64) -> Reading {
    Reading { labels: labels(pairs), value, at: jiff::Timestamp::from_second(1_000_000).unwrap() }
}

/// One after the other, as polls are.
#[derive(Default)]
struct Polls {
    known: BTreeMap<Labels, Known>,
    chosen: bool,
}

impl Polls {
    fn poll(&mut self, up: &[Reading], gauges: &[Reading], computed: &[Reading]) -> Vec<Server> {
        let targets = envelope::<Targets>(TARGETS.as_bytes()).unwrap().data.reasons();
        let mut told = Told::default();
        for reading in up {
            told.up(&reading.into());
        }
        for reading in gauges {
            told.gauge(&reading.into());
        }
        for reading in computed {
            told.compute(&reading.into());
        }
        let source = SourceId::new("prometheus", "main");
        told.servers(&targets, &mut self.known, self.chosen, &source, &["slow".to_owned()])
    }
}

#[test]
fn the_answers_of_a_real_prometheus_are_read() {
    let servers = Polls::default().poll(&readings(UP), &readings(GAUGES), &readings(COMPUTED));
    let [server, down] = servers.as_slice() else { panic!("{servers:?}") };
    // Its instance is only a number, so it is called as it calls itself.
    assert_eq!((server.name.as_str(), server.addresses.as_slice()), ("vm", ["127.0.0.1".to_owned()].as_slice()));
    assert_eq!(server.labels, labels(&[("instance", "127.0.0.1:29100"), ("job", "node"), ("team", "core")]));
    assert_eq!((server.cores, server.cpu, server.load), (2, Some(1.0), Some([15.36, 14.12, 10.4])));
    assert_eq!(server.memory, Some(Usage { used: 25_276_063_744 - 19_690_954_752, total: 25_276_063_744 }));
    assert_eq!(server.swap, Some(Usage::default()));
    let mounts: Vec<&str> = server.disks.iter().map(|disk| disk.mount.as_str()).collect();
    assert_eq!(mounts, ["/"], "two mounts of one device are one");
    let disk = &server.disks[0];
    assert_eq!(disk.usage.used, 270_553_174_016 - 218_971_889_664);
    assert_eq!(disk.usage.total, disk.usage.used + 45_991_464_960);
    assert_eq!(disk.inodes.unwrap().total, 16_777_216);
    assert!(disk.full_in.is_some_and(|left| (8_000..8_400).contains(&left.as_secs())), "{:?}", disk.full_in);
    assert_eq!(server.network, Some(Rates { r#in: 0.0, out: 0.0 }));
    assert_eq!(server.disk_io, Some(Rates { r#in: 96_256.0, out: 18_432.0 }));
    assert!(server.pressure.is_some_and(|pressure| pressure.cpu > 0.9 && pressure.memory == 0.0));
    assert_eq!((server.oom_kills, server.oom_recent), (Some(2), Some(1)));
    assert!(server.clock_skew.is_some_and(|skew| skew.abs() < 0.1));
    assert_eq!(server.uptime, Some(Duration::from_secs(1_795_622_501 - 1_795_601_302)));
    assert!(server.system.as_deref().is_some_and(|system| system.starts_with("Linux 6.")));
    assert_eq!(&*server.past.as_ref().unwrap().selector, "instance=\"127.0.0.1:29100\",job=\"node\",team=\"core\"");
    assert!(server.reach[0].up);
    assert_eq!(server.notes, ["slow"]);
    assert_eq!((down.name.as_str(), down.reach[0].up, down.cpu), ("127.0.0.1", false, None));
    assert!(down.reach[0].why.ends_with("connect: connection refused"), "{:?}", down.reach);
}

#[test]
fn one_that_goes_down_keeps_its_name_and_one_that_is_scraped_no_more_is_gone() {
    let mut polls = Polls::default();
    let target = [("instance", "10.0.1.4:9100"), ("job", "node")];
    let uname =
        [&target[..], &[("__name__", "node_uname_info"), ("nodename", "game-1"), ("sysname", "Linux")]].concat();
    let up = |value| [reading(&target, value)];
    assert_eq!(polls.poll(&up(1.0), &[reading(&uname, 1.0)], &[])[0].name, "game-1");
    let down = polls.poll(&up(0.0), &[], &[]);
    assert_eq!((down[0].name.as_str(), down[0].reach[0].up), ("game-1", false));
    assert_eq!(
        (down[0].system.as_deref(), down[0].addresses.as_slice()),
        (Some("Linux"), ["10.0.1.4".to_owned()].as_slice())
    );
    assert_eq!(polls.poll(&[], &[], &[]), []);
    assert!(polls.known.is_empty());
}

#[test]
fn a_target_that_is_up_without_figures_is_no_server_unless_it_was_chosen() {
    let load = |host: &str| reading(&[("__name__", "node_load1"), ("instance", host), ("job", "mixed")], 1.0);
    let up = |host: &str, value| reading(&[("instance", host), ("job", "mixed")], value);
    let all = [up("node:9100", 1.0), up("app:8080", 1.0), up("dead:9100", 0.0)];
    let names = |chosen| {
        let servers = Polls { chosen, ..Polls::default() }.poll(&all, &[load("node:9100")], &[]);
        servers.into_iter().map(|server| server.name).collect::<Vec<_>>()
    };
    // In a job of many kinds nobody knows whether what is down was a server.
    assert_eq!(names(false), ["node"]);
    assert_eq!(names(true), ["app", "dead", "node"]);
}

#[test]
fn servers_that_would_have_one_name_are_told_apart() {
    let up = |instance: &str, job: &str| reading(&[("instance", instance), ("job", job)], 1.0);
    let polls = || Polls { chosen: true, ..Polls::default() };
    let names = |up: &[Reading]| polls().poll(up, &[], &[]).into_iter().map(|server| server.name).collect::<Vec<_>>();
    assert_eq!(names(&[up("h:1", "a"), up("h:2", "a"), up("i:1", "a")]), ["h:1", "h:2", "i"]);
    assert_eq!(names(&[up("h:1", "a"), up("h:1", "b")]), ["h:1", "instance=\"h:1\",job=\"b\""]);
}

#[test]
fn an_old_kernel_tells_what_could_be_given_back() {
    let gauge = |name: &str, value| {
        reading(&[("__name__", &format!("node_memory_{name}_bytes")), ("instance", "h:1"), ("job", "a")], value)
    };
    let mut gauges = vec![gauge("MemTotal", 100.0), gauge("MemFree", 10.0), gauge("Buffers", 5.0)];
    let up = [reading(&[("instance", "h:1"), ("job", "a")], 1.0)];
    assert_eq!(Polls::default().poll(&up, &gauges, &[])[0].memory, None, "half of it is no figure");
    gauges.push(gauge("Cached", 25.0));
    assert_eq!(Polls::default().poll(&up, &gauges, &[])[0].memory, Some(Usage { used: 60, total: 100 }));
}

#[test]
fn what_is_no_number_is_no_figure() {
    let computed = |what: &str, value| reading(&[(WHAT, what), ("instance", "h:1"), ("job", "a")], value);
    let gauges = [reading(&[("__name__", "node_load1"), ("instance", "h:1"), ("job", "a")], 1.0)];
    let up = [reading(&[("instance", "h:1"), ("job", "a")], 1.0)];
    let answers = [computed("cpu", f64::NAN), computed("received", f64::INFINITY), computed("sent", 1.0)];
    let server = Polls::default().poll(&up, &gauges, &answers).remove(0);
    assert_eq!((server.cpu, server.network, server.load), (None, None, None));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        rows in prop::collection::vec((0..UP.len() + 20, "[a-z0-9:.\\[\\]]{0,12}", any::<f64>()), 0..20)
    ) {
        const NAMES: [&str; 6] = ["node_load1", "node_boot_time_seconds", "node_filesystem_size_bytes",
            "node_memory_MemTotal_bytes", "node_vmstat_oom_kill", "node_uname_info"];
        let read = |(salt, instance, value): &(usize, String, f64)| {
            reading(&[("__name__", NAMES[salt % 6]), ("instance", instance), ("mountpoint", instance)], *value)
        };
        let all: Vec<Reading> = rows.iter().map(read).collect();
        Polls::default().poll(&all, &all, &all);
    }
}
