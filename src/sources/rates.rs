//! From counters to rates: what happened between two readings of a machine, whoever read it.
//!
//! Pure: the moment is an argument. A counter that shrank was reset (a reboot, a device that was plugged in again): what lies
//! between is not known, and that is what is said.

use crate::domain::{Pressure, Rates};
use std::collections::BTreeMap;
use std::time::Duration;

/// Two counters of one device, in bytes: received or read, and sent or written.
pub type Pair = [f64; 2];

/// The counters of one machine at one moment. What is absent was not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// When, by any clock that only goes forward: the machine's uptime, or our own monotonic time.
    pub at: Duration,
    /// What is another after each boot.
    pub boot: Option<String>,
    /// Processor time of all CPUs, in any unit.
    pub cpu: Option<Cpu>,
    /// Network interfaces by name.
    pub network: BTreeMap<String, Pair>,
    /// Whole disks by name.
    pub disks: BTreeMap<String, Pair>,
    /// Time in which some task waited for CPU, memory, and input or output, in seconds.
    pub waited: Option<[f64; 3]>,
}

/// Processor time since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Doing something, waiting for a disk not included.
    pub busy: f64,
    /// In all.
    pub total: f64,
}

/// What happened between two readings; `None` where nobody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rated {
    /// Share of all cores in use, 0.0 to 1.0.
    pub cpu: Option<f64>,
    /// Bytes per second of all interfaces.
    pub network: Option<Rates>,
    /// Bytes per second of all disks.
    pub disk_io: Option<Rates>,
    /// Share of the time in which some task waited, 0.0 to 1.0.
    pub pressure: Option<Pressure>,
}

/// Remembers the last reading.
#[derive(Clone, Debug, Default)]
pub struct Meter(Option<Counters>);

impl Meter {
    /// Takes in the next reading. The first one, and the first one after a boot, tells nothing.
    pub fn rate(&mut self, now: Counters) -> Rated {
        let before = self.0.replace(now);
        match (&before, &self.0) {
            (Some(before), Some(now)) => between(before, now),
            _ => Rated::default(),
        }
    }
}

fn between(before: &Counters, now: &Counters) -> Rated {
    let seconds = now.at.saturating_sub(before.at).as_secs_f64();
    let reset =
        before.boot != now.boot || matches!((before.cpu, now.cpu), (Some(old), Some(new)) if new.total < old.total);
    if seconds <= 0.0 || reset {
        return Rated::default();
    }
    Rated {
        cpu: before.cpu.zip(now.cpu).and_then(|(old, new)| in_use(old, new)),
        network: sum(&before.network, &now.network, seconds),
        disk_io: sum(&before.disks, &now.disks, seconds),
        pressure: before.waited.zip(now.waited).and_then(|(old, new)| pressure(old, new, seconds)),
    }
}

fn in_use(old: Cpu, new: Cpu) -> Option<f64> {
    let total = new.total - old.total;
    (total > 0.0).then(|| ((new.busy - old.busy) / total).clamp(0.0, 1.0))
}

/// The rates of all devices that were there both times and did not start anew.
fn sum(before: &BTreeMap<String, Pair>, now: &BTreeMap<String, Pair>, seconds: f64) -> Option<Rates> {
    let grown = now.iter().filter_map(|(name, [r#in, out])| {
        let [old_in, old_out] = before.get(name)?;
        (r#in >= old_in && out >= old_out).then_some([r#in - old_in, out - old_out])
    });
    let sum = grown.reduce(|[a, b], [c, d]| [a + c, b + d])?;
    Some(Rates { r#in: sum[0] / seconds, out: sum[1] / seconds })
}

fn pressure(old: [f64; 3], new: [f64; 3], seconds: f64) -> Option<Pressure> {
    let mut shares = [0.0; 3];
    for (share, (old, new)) in shares.iter_mut().zip(old.into_iter().zip(new)) {
        if new < old {
            return None;
        }
        *share = ((new - old) / seconds).min(1.0);
    }
    let [cpu, memory, io] = shares;
    Some(Pressure { cpu, memory, io })
}

/// Leaves out the partitions of disks that are there themselves: `sda1` beside `sda`, `nvme0n1p2` beside `nvme0n1`.
pub fn whole_disks(devices: &mut BTreeMap<String, Pair>) {
    let names: Vec<String> = devices.keys().cloned().collect();
    devices.retain(|name, _| !names.iter().any(|disk| is_partition(name, disk)));
}

fn is_partition(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk) else { return false };
    // A disk whose own name ends with a digit has a p between: nvme0n1 and nvme0n10 are two disks.
    let number = if disk.ends_with(|char: char| char.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counters(at: u64, busy: f64, received: f64) -> Counters {
        Counters {
            at: Duration::from_secs(at),
            boot: Some("a".into()),
            cpu: Some(Cpu { busy, total: at as f64 * 200.0 }),
            network: BTreeMap::from([("eth0".to_owned(), [received, 10.0])]),
            disks: BTreeMap::new(),
            waited: Some([busy / 1000.0, 0.0, 0.0]),
        }
    }

    #[test]
    fn a_rate_needs_two_readings() {
        let mut meter = Meter::default();
        assert_eq!(meter.rate(counters(100, 1000.0, 5000.0)), Rated::default());
        let rated = meter.rate(counters(105, 1500.0, 15000.0));
        assert_eq!(rated.cpu, Some(0.5));
        assert_eq!(rated.network, Some(Rates { r#in: 2000.0, out: 0.0 }));
        assert_eq!(rated.disk_io, None, "there are no disks, which is not a rate of zero");
        assert_eq!(rated.pressure.map(|pressure| pressure.cpu), Some(0.1));
    }

    #[test]
    fn a_boot_in_between_is_no_rate() {
        let mut meter = Meter::default();
        meter.rate(counters(100, 1000.0, 5000.0));
        let booted = Counters { boot: Some("b".into()), ..counters(200, 2000.0, 9000.0) };
        assert_eq!(meter.rate(booted), Rated::default());
        // Without a boot's name the counters tell: the next reading counts again.
        let mut meter = Meter::default();
        meter.rate(counters(100, 1000.0, 5000.0));
        assert_eq!(
            meter.rate(Counters { at: Duration::from_secs(130), ..counters(20, 100.0, 50.0) }),
            Rated::default()
        );
        assert!(meter.rate(Counters { at: Duration::from_secs(135), ..counters(25, 200.0, 60.0) }).cpu.is_some());
    }

    #[test]
    fn a_device_that_is_new_or_started_anew_is_not_counted_this_time() {
        let mut meter = Meter::default();
        let mut now = counters(100, 0.0, 5000.0);
        now.network.insert("eth1".into(), [900.0, 900.0]);
        meter.rate(now);
        let mut now = counters(110, 0.0, 6000.0);
        now.network.extend([("eth1".to_owned(), [10.0, 10.0]), ("eth2".to_owned(), [1e9, 1e9])]);
        assert_eq!(meter.rate(now).network, Some(Rates { r#in: 100.0, out: 0.0 }));
    }

    #[test]
    fn partitions_are_left_out_and_disks_are_not() {
        let names = ["sda", "sda1", "nvme0n1", "nvme0n1p1", "nvme0n10", "xvda1", "mmcblk0", "mmcblk0p2", "sdaa"];
        let mut devices: BTreeMap<String, Pair> = names.map(|name| (name.to_owned(), [0.0; 2])).into();
        whole_disks(&mut devices);
        let left: Vec<&str> = devices.keys().map(String::as_str).collect();
        assert_eq!(left, ["mmcblk0", "nvme0n1", "nvme0n10", "sda", "sdaa", "xvda1"]);
    }

    proptest! {
        #[test]
        fn figures_are_in_bounds_whatever_the_counters_are(
            readings in prop::collection::vec((any::<u32>(), any::<f64>(), any::<f64>()), 0..9)
        ) {
            let mut meter = Meter::default();
            for (at, busy, received) in readings {
                let rated = meter.rate(counters(at.into(), busy, received));
                prop_assert!(rated.cpu.is_none_or(|cpu| cpu.is_nan() || (0.0..=1.0).contains(&cpu)));
                prop_assert!(rated.network.is_none_or(|rates| rates.r#in >= 0.0));
                prop_assert!(rated.pressure.is_none_or(|pressure| pressure.cpu <= 1.0));
            }
        }
    }
}
