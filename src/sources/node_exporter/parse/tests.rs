use super::*;
use proptest::prelude::*;

const FIRST: &str = include_str!("../../../../tests/fixtures/node_exporter/first.prom");
const SECOND: &str = include_str!("../../../../tests/fixtures/node_exporter/second.prom");

#[test]
fn every_figure_is_read() {
    let reading = reading(SECOND).unwrap();
    assert_eq!(reading.system.as_deref(), Some("Linux 6.18.44-fc-v782 x86_64"));
    assert_eq!((reading.hostname.as_deref(), reading.cores), (Some("game-1"), 2));
    assert_eq!(reading.load, [Some(9.47), Some(7.25), Some(5.36)]);
    assert_eq!(reading.memory, Some(Usage { used: 25_276_063_744 - 19_238_813_696, total: 25_276_063_744 }));
    assert_eq!((reading.swap, reading.oom_kills), (Some(Usage::default()), Some(0)));
    let (used, available) = (270_553_174_016 - 222_454_407_168, 49_473_982_464);
    let [disk] = &reading.disks[..] else { panic!("{:?}", reading.disks) };
    assert_eq!((disk.mount.as_str(), disk.usage), ("/", Usage { used, total: used + available }));
    assert_eq!(disk.inodes, Some(Usage { used: 16_777_216 - 16_277_587, total: 16_777_216 }));
    assert_eq!(reading.counters.disks.keys().collect::<Vec<_>>(), ["vda"], "zram is no disk");
    assert!(reading.counters.network.contains_key("eth0") && !reading.counters.network.contains_key("docker0"));
    assert!(reading.counters.waited.is_some() && reading.failed.is_empty() && reading.unreadable.is_empty());
    assert!(reading.uptime().is_some_and(|uptime| uptime > Duration::from_hours(5)));
}

#[test]
fn two_scrapes_are_rates() {
    use crate::sources::rates::Meter;
    let mut meter = Meter::default();
    let counters = |text, at| Counters { at: Duration::from_secs(at), ..reading(text).unwrap().counters };
    assert_eq!(meter.rate(counters(FIRST, 100)).cpu, None);
    let rated = meter.rate(counters(SECOND, 103));
    assert!(rated.cpu.is_some_and(|cpu| cpu > 0.5 && cpu <= 1.0), "{rated:?}");
    assert!(rated.disk_io.is_some() && rated.network.is_some() && rated.pressure.is_some(), "{rated:?}");
}

#[test]
fn what_failed_and_what_cannot_be_read_is_told() {
    let text = "node_time_seconds 5\n\
                node_scrape_collector_success{collector=\"filesystem\"} 0\n\
                node_scrape_collector_success{collector=\"infiniband\"} 0\n\
                node_filesystem_device_error{device=\"/dev/sdb\",fstype=\"xfs\",mountpoint=\"/data\"} 1\n\
                node_filesystem_device_error{device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/run\"} 1\n";
    let reading = reading(text).unwrap();
    assert_eq!((reading.failed, reading.unreadable), (vec!["filesystem".to_owned()], vec!["/data".to_owned()]));
    assert_eq!((reading.memory, reading.counters.cpu), (None, None), "not known is not zero");
}

#[test]
fn filesystems_that_hold_no_data_are_left_out_and_a_container_has_its_root() {
    let filesystem = |device: &str, kind: &str, mount: &str, size: u64| {
        let labels = format!("{{device=\"{device}\",fstype=\"{kind}\",mountpoint=\"{mount}\"}}");
        ["size", "free", "avail"].map(|what| format!("node_filesystem_{what}_bytes{labels} {size}\n")).concat()
    };
    let layers = filesystem("overlay", "overlay", "/", 9) + &filesystem("tmpfs", "tmpfs", "/run", 5);
    let mounts = |text: &str| reading(text).unwrap().disks.into_iter().map(|disk| disk.mount).collect::<Vec<_>>();
    assert_eq!(mounts(&layers), ["/"]);
    assert_eq!(mounts(&(layers + &filesystem("/dev/sdb", "xfs", "/data", 7))), ["/data"]);
}

#[test]
fn what_is_no_answer_of_it_is_told() {
    assert_eq!(reading("<html>Login</html>\n"), Err(Wrong::NotOne));
    assert_eq!(reading("# HELP go_goroutines x\ngo_goroutines 7\n"), Err(Wrong::NotOne));
    assert_eq!(reading(""), Err(Wrong::NotOne));
    assert_eq!(reading("node_load1 0.5\nnode_load5 1"), Err(Wrong::Cut));
    assert_eq!(reading("node_load1 NaN\nnode_load5 +Inf\nnode_load15 x\n").unwrap().load, [None; 3]);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(noise in "(node_(filesystem_size_bytes|cpu_seconds_total|memory_MemTotal_bytes)[{}a-z=\", 0-9e+.-]{0,40}\n|\\PC{0,9})*") {
        let _ = reading(&noise);
    }

    #[test]
    fn no_piece_of_an_answer_makes_it_panic(from in 0..34_000_usize, length in 0..900_usize, noise in "\\PC{0,3}") {
        let tail = FIRST.get(from..).unwrap_or_default();
        let _ = reading(&format!("{}{noise}\n", tail.get(..length).unwrap_or(tail)));
    }
}
