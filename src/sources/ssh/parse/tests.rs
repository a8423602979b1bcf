use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DEBIAN: &str = include_str!("../../../../tests/fixtures/ssh/debian.txt");
const BUSYBOX: &str = include_str!("../../../../tests/fixtures/ssh/busybox.txt");

fn text(sections: &[(&str, &str)]) -> String {
    let sections = sections.iter().map(|(name, lines)| format!("@@ {name}\n{lines}\n"));
    format!("@@ date\n1795621398.5\n{}@@ end\n", sections.collect::<String>())
}

fn disks(reading: &Reading) -> Vec<(&str, u64, u64)> {
    reading.disks.iter().map(|disk| (disk.mount.as_str(), disk.usage.used >> 10, disk.usage.total >> 10)).collect()
}

#[test]
fn every_figure_of_a_gnu_system_is_read() {
    let reading = reading(DEBIAN).unwrap();
    assert_eq!(reading.date.map(|date| (date * 100.0).round()), Some(179_562_139_877.0));
    assert_eq!(reading.system.as_deref(), Some("Linux 6.18.44-fc-v782 x86_64"));
    assert_eq!((reading.hostname.as_deref(), reading.address.as_deref()), (Some("game-1"), Some("192.0.2.10")));
    assert_eq!((reading.uptime, reading.cores), (Some(Duration::from_secs(20095)), 2));
    assert_eq!(reading.load, Some([2.72, 5.6, 4.51]));
    assert_eq!(reading.memory, Some(Usage { used: (24_683_656 - 21_639_416) << 10, total: 24_683_656 << 10 }));
    assert_eq!((reading.swap, reading.oom_kills), (Some(Usage::default()), Some(0)));
    let pressure = reading.pressure.unwrap();
    assert!((pressure.cpu - 0.3152).abs() < 1e-9 && pressure.memory == 0.0 && (pressure.io - 0.0257).abs() < 1e-9);
    assert_eq!(disks(&reading), [("/", 46_074_148, 46_074_148 + 49_211_740)]);
    assert_eq!(reading.disks[0].inodes, Some(Usage { used: 495_287, total: 495_287 + 16_281_929 }));
    assert!(reading.complete && !reading.df_hangs && !reading.disks[0].read_only);
    let counters = reading.counters;
    assert_eq!(counters.at, Duration::from_millis(20_095_900));
    assert_eq!(counters.boot.as_deref(), Some("382f9249-355a-4f1a-9ced-47766d2b25f5"));
    let total = 2_065_057.0 + 31_282.0 + 484_078.0 + 1_378_687.0 + 19_618.0 + 4_379.0 + 20_196.0;
    assert_eq!(counters.cpu, Some(Cpu { busy: total - 1_378_687.0 - 19_618.0, total }));
    assert_eq!(counters.network["eth0"].map(|bytes| bytes as u64), [402_255_524, 1_130_132]);
    assert_eq!(counters.disks, BTreeMap::from([("vda".to_owned(), [45_583_170.0 * 512.0, 219_754_600.0 * 512.0])]));
    assert_eq!(counters.waited, Some([7_251.043_636, 2.358_739, 395.601_331]));
}

#[test]
fn busybox_tells_the_same_in_its_own_way() {
    let reading = reading(BUSYBOX).unwrap();
    assert_eq!(reading.date, Some(1_795_621_398.5), "it has no fractions: the middle of the second");
    assert_eq!((reading.hostname.as_deref(), reading.address.as_deref()), (Some("sensor"), Some("10.0.0.2")));
    assert_eq!(disks(&reading), [("/", 46_074_160, 46_074_160 + 49_211_728)]);
    assert_eq!(reading.disks[0].inodes, Some(Usage { used: 495_288, total: 495_288 + 16_281_928 }));
    assert!(
        reading.memory.is_some() && reading.pressure.is_some() && reading.counters.cpu.is_some() && reading.complete
    );
}

#[test]
fn an_old_kernel_tells_less_and_the_rest_is_not_known() {
    let counts = "cpu  1 0 1 8\nMemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 25 kB";
    let reading = reading(&text(&[("counts", counts), ("pressure-cpu", ""), ("uptime", "10.5 1.0")])).unwrap();
    assert_eq!(reading.memory, Some(Usage { used: 60 << 10, total: 100 << 10 }));
    assert_eq!((reading.swap, reading.oom_kills, reading.pressure, reading.load), (None, None, None, None));
    assert_eq!(reading.counters.cpu, Some(Cpu { busy: 2.0, total: 10.0 }));
}

#[test]
fn filesystems_that_hold_no_data_and_second_mounts_are_left_out() {
    let mounts = "/dev/sda1 / ext4 rw\n/dev/sda1 /var/lib/docker ext4 rw\n/dev/sdb /mnt/my\\040data xfs ro\n\
                  /dev/sr0 /media/cd iso9660 ro\ntank/home /home zfs rw\nnas:/pool /srv/nas nfs4 rw";
    let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 50 40 56% /\n\
              /dev/sda1 100 50 40 56% /var/lib/docker\n/dev/sdb 200 20 180 10% /mnt/my data\n/dev/sr0 9 9 0 100% /media/cd\n\
              tank/home 300 30 270 10% /home\nnas:/pool 400 40 360 10% /srv/nas\nimage 4 4 0 100% /opt/image";
    let inodes = "tank/home 0 0 0 - /home\n/dev/sdb 10 1 9 10% /mnt/my data";
    let reading = reading(&text(&[("mounts", mounts), ("df", df), ("inodes", inodes)])).unwrap();
    let mounts = [("/", 50, 90), ("/home", 30, 300), ("/srv/nas", 40, 400), ("/mnt/my data", 20, 200)];
    assert_eq!(disks(&reading), mounts);
    assert_eq!(reading.disks.iter().map(|disk| disk.read_only).collect::<Vec<_>>(), [false, false, false, true]);
    assert_eq!(reading.disks[1].inodes, None, "it does not count them");
    assert_eq!(reading.disks[3].inodes, Some(Usage { used: 1, total: 10 }));
}

#[test]
fn in_a_container_the_root_stands_for_what_lies_under_it() {
    let df = "overlay 100 50 40 56% /\n/dev/sda1 100 50 40 56% /etc/hosts";
    assert_eq!(disks(&reading(&text(&[("df", df)])).unwrap()), [("/", 50, 90)]);
}

#[test]
fn a_df_that_hangs_is_told_whether_it_could_be_ended_or_not() {
    let ended = reading(&text(&[("df", "@@ df-status 137"), ("inodes", "")])).unwrap();
    assert!(ended.df_hangs && ended.complete && ended.disks.is_empty());
    let (going_on, _) = DEBIAN.split_once("Filesystem").unwrap();
    let going_on = reading(going_on).unwrap();
    assert!(going_on.df_hangs && !going_on.complete && going_on.memory.is_some());
    let (broken_off, _) = DEBIAN.split_once("@@ mounts").unwrap();
    let broken_off = reading(broken_off).unwrap();
    assert!(!broken_off.df_hangs && !broken_off.complete);
}

#[test]
fn what_a_login_prints_before_is_ignored_and_what_is_no_answer_is_none() {
    let reading_before = reading(&format!("Welcome!\ncpu  1 2 3\n{DEBIAN}"));
    assert_eq!(reading_before, reading(DEBIAN));
    assert_eq!(reading("This account is currently not available.\n"), None);
    assert_eq!(reading(""), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(noise in "(@@ (df|mounts|counts|net|disks|uptime|load|pressure-cpu|date)\n|[a-z0-9 :./%\\\\-]{0,30}\n|\\PC{0,9})*") {
        let _ = reading(&format!("@@ date\n{noise}"));
    }

    #[test]
    fn no_piece_of_an_answer_makes_it_panic(from in 0..2000_usize, length in 0..2000_usize, noise in "\\PC{0,3}") {
        let tail = DEBIAN.get(from..).unwrap_or_default();
        let piece = tail.get(..length).unwrap_or(tail);
        let _ = reading(&format!("@@ date\n{piece}{noise}{piece}"));
    }
}
