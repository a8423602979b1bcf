//! What every source of servers agrees on, however it reads a machine: which filesystems and interfaces count, when a disk
//! will be full, and how many processes the kernel ended lately.
//!
//! Pure: the moment is an argument.

pub use crate::domain::server::{NOT_REAL, VIRTUAL_DEVICES, VIRTUAL_INTERFACES};
use crate::domain::{Filesystem, host};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long the past of a disk or a counter is kept.
const PAST: Duration = Duration::from_hours(1);
/// Two readings of one disk are kept when at least this far apart.
const APART: Duration = Duration::from_secs(20);
/// From a shorter past nobody can tell how fast a disk fills.
const LEAST: Duration = Duration::from_mins(5);

/// Whether a filesystem of this kind (`ext4`) holds data.
pub fn is_real_filesystem(kind: &str) -> bool {
    !NOT_REAL.contains(&kind)
}

/// Whether an interface of this name (`eth0`) is counted.
pub fn is_real_interface(name: &str) -> bool {
    !VIRTUAL_INTERFACES.iter().any(|start| name.starts_with(start))
}

/// Whether a whole disk of this name (`sda`, `nvme0n1`) is counted. Partitions are the caller's to leave out.
pub fn is_real_device(name: &str) -> bool {
    !VIRTUAL_DEVICES.iter().any(|start| name.starts_with(start))
}

/// Brings filesystems in the order of [`crate::domain::Server::disks`]: those that can't be written to last, for they
/// can't fill up; else the fullest first, then by mount.
pub fn fullest_first(disks: &mut [Filesystem]) {
    disks.sort_by(|a, b| {
        let (full_a, full_b) = (a.usage.ratio(), b.usage.ratio());
        a.read_only.cmp(&b.read_only).then(full_b.total_cmp(&full_a)).then_with(|| a.mount.cmp(&b.mount))
    });
}

/// The past of a machine's filesystems, from which follows when they are full.
#[derive(Clone, Debug, Default)]
pub struct Filling {
    past: HashMap<String, VecDeque<(Duration, u64)>>,
}

impl Filling {
    /// Takes in what is free at `now` (monotonic) and fills in `full_in`, from five minutes of watching on.
    pub fn judge(&mut self, now: Duration, disks: &mut [Filesystem]) {
        self.past.retain(|mount, _| disks.iter().any(|disk| disk.mount == *mount));
        for disk in disks {
            let free = disk.usage.total.saturating_sub(disk.usage.used);
            let past = self.past.entry(disk.mount.clone()).or_default();
            if past.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= APART) {
                past.push_back((now, free));
            }
            while past.front().is_some_and(|(at, _)| now.saturating_sub(*at) > PAST) {
                past.pop_front();
            }
            disk.full_in = if disk.read_only { None } else { full_in(past, now, free) };
        }
    }
}

/// When nothing is free any more, going on along the line through the past.
fn full_in(past: &VecDeque<(Duration, u64)>, now: Duration, free: u64) -> Option<Duration> {
    let first = past.front()?.0;
    if now.saturating_sub(first) < LEAST {
        return None;
    }
    when_empty(
        free as f64,
        slope(past.iter().map(|(at, free)| (at.saturating_sub(first).as_secs_f64(), *free as f64)))?,
    )
}

/// When `free` bytes are gone at `slope` bytes a second; `None` when they do not shrink, or last for more than a year.
pub fn when_empty(free: f64, slope: f64) -> Option<Duration> {
    const YEAR: f64 = 365.0 * 86_400.0;
    let seconds = free / -slope;
    (slope < 0.0 && (0.0..YEAR).contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

/// The slope of the straight line nearest to the points (least squares).
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (over, under) = points.fold((0.0, 0.0), |(over, under), (x, y)| {
        (over + (x - mean_x) * (y - mean_y), under + (x - mean_x) * (x - mean_x))
    });
    (under > 0.0).then(|| over / under)
}

/// How much a counter grew within the last hour, as far as it was watched.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    changes: VecDeque<(Duration, u64)>,
    last: Option<u64>,
}

impl Growth {
    /// Takes in the counter at `now` (monotonic). A counter that shrank was reset: it counts from zero again.
    pub fn recent(&mut self, now: Duration, total: u64) -> u64 {
        let grown = match self.last {
            Some(last) if total >= last => total - last,
            Some(_) => total,
            None => 0,
        };
        self.last = Some(total);
        if grown > 0 {
            self.changes.push_back((now, grown));
        }
        while self.changes.front().is_some_and(|(at, _)| now.saturating_sub(*at) > PAST) {
            self.changes.pop_front();
        }
        self.changes.iter().map(|(_, grown)| grown).sum()
    }
}

/// Names and addresses under which others may know a machine. What every machine calls itself tells none from another.
pub fn addresses<'a>(candidates: impl IntoIterator<Item = Option<&'a str>>) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for address in candidates.into_iter().flatten() {
        if !host::is_here(address) && !addresses.iter().any(|known| known == address) {
            addresses.push(address.to_owned());
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Usage;
    use proptest::prelude::*;

    fn disk(mount: &str, used: u64) -> Filesystem {
        Filesystem { mount: mount.into(), usage: Usage { used, total: 1000 }, ..Filesystem::default() }
    }

    #[test]
    fn a_disk_that_grows_steadily_is_full_when_the_line_says_so() {
        let mut filling = Filling::default();
        let mut told = Vec::new();
        for minute in 0..=10 {
            let mut disks = [disk("/", 100 + minute * 10), disk("/quiet", 500)];
            filling.judge(Duration::from_mins(minute), &mut disks);
            assert_eq!(disks[1].full_in, None);
            told.push(disks[0].full_in.map(|left| left.as_secs().div_ceil(60)));
        }
        // 10 a minute, of which 850 are free after five minutes and 800 after ten.
        assert_eq!(told[..5], [None; 5]);
        assert_eq!((told[5], told[10]), (Some(85), Some(80)));
    }

    #[test]
    fn a_disk_that_empties_or_cannot_be_written_never_fills() {
        let mut filling = Filling::default();
        for minute in 0..=10 {
            let sealed = Filesystem { read_only: true, ..disk("/image", 900 + minute) };
            let mut disks = [disk("/", 900 - minute * 10), sealed];
            filling.judge(Duration::from_mins(minute), &mut disks);
            assert_eq!((disks[0].full_in, disks[1].full_in), (None, None));
        }
        assert_eq!(when_empty(1e18, -1.0), None, "in more than a year: never");
    }

    #[test]
    fn growth_is_that_of_the_last_hour_and_survives_a_reset() {
        let mut growth = Growth::default();
        let mut at = |minute, total| growth.recent(Duration::from_mins(minute), total);
        assert_eq!(at(0, 7), 0);
        assert_eq!(at(1, 9), 2);
        assert_eq!(at(30, 10), 3);
        assert_eq!(at(62, 10), 1);
        assert_eq!(at(63, 2), 3);
    }

    #[test]
    fn the_fullest_that_can_be_written_comes_first() {
        let sealed = Filesystem { read_only: true, ..disk("/image", 1000) };
        let mut disks = [sealed, disk("/b", 10), disk("/a", 10), disk("/full", 990)];
        fullest_first(&mut disks);
        assert_eq!(disks.map(|disk| disk.mount), ["/full", "/a", "/b", "/image"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(readings in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u64>()), 0..20)) {
            let (mut filling, mut growth) = (Filling::default(), Growth::default());
            for (at, used, total) in readings {
                let now = Duration::from_secs(at.into());
                let mut disks = [Filesystem { usage: Usage { used, total }, ..disk("/", 0) }];
                filling.judge(now, &mut disks);
                growth.recent(now, used % 1000);
            }
        }
    }
}
