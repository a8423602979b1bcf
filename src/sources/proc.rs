//! The files of Linux's `/proc` that more than one source reads: here by this machine, elsewhere over SSH. Pure: lines in,
//! counters out. What can't be read is left out.

use super::machine::{is_real_device, is_real_interface};
use super::rates::{Pair, whole_disks};
use std::collections::BTreeMap;

/// Bytes in a sector of `/proc/diskstats`, whatever the disk's own are.
const SECTOR: f64 = 512.0;

/// The line `some avg10=1.50 … total=123` of a file in `/proc/pressure`: the share of the last ten seconds, and seconds
/// since boot.
pub fn stall(line: &str) -> Option<(f64, f64)> {
    let value = |key: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))?;
        word.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)
    };
    Some((value("avg10")? / 100.0, value("total")? / 1e6))
}

/// The lines `eth0: received … sent …` of `/proc/net/dev`: the first and the ninth number, bytes.
pub fn network<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, Pair> {
    let interface = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<&str> = counters.split_whitespace().collect();
        let name = name.trim();
        is_real_interface(name).then_some(())?;
        Some((name.to_owned(), [number(counters.first()?)?, number(counters.get(8)?)?]))
    };
    lines.filter_map(interface).collect()
}

/// The lines `8 0 sda …` of `/proc/diskstats`: bytes read and written of each whole disk.
pub fn disks<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, Pair> {
    let device = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = *words.get(2)?;
        is_real_device(name).then_some(())?;
        Some((name.to_owned(), [number(words.get(5)?)? * SECTOR, number(words.get(9)?)? * SECTOR]))
    };
    let mut devices = lines.filter_map(device).collect();
    whole_disks(&mut devices);
    devices
}

fn number(word: &str) -> Option<f64> {
    word.parse::<u64>().ok().map(|number| number as f64)
}
