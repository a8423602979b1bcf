//! What Linux tells in `/proc` beside what every system tells: network, disks, pressure, kills for want of memory. On another
//! system, and for a kernel that does not count something, there is nothing, and nothing is said.

use crate::domain::Pressure;
use crate::sources::proc;
use crate::sources::rates::Counters;
use std::time::Duration;

/// One reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kernel {
    /// Of which rates are made.
    pub(super) counters: Counters,
    /// Over the last ten seconds.
    pub(super) pressure: Option<Pressure>,
    /// Since boot.
    pub(super) oom_kills: Option<u64>,
    /// Kernel, release and machine, for people.
    pub(super) system: Option<String>,
}

/// Reads it at `now` (monotonic), through `read`, which gives the text of a file below `/proc`.
pub(super) fn kernel(now: Duration, read: impl Fn(&str) -> Option<String>) -> Kernel {
    let waits = ["cpu", "memory", "io"].map(|what| read(&format!("pressure/{what}")).and_then(|text| some(&text)));
    let [cpu, memory, io] = waits;
    let waits = cpu.zip(memory).zip(io).map(|((cpu, memory), io)| [cpu, memory, io]);
    let word = |name: &str| read(name).map(|text| text.trim().to_owned());
    let system = word("sys/kernel/ostype").zip(word("sys/kernel/osrelease"));
    Kernel {
        counters: Counters {
            at: now,
            network: read("net/dev").map(|text| proc::network(text.lines())).unwrap_or_default(),
            disks: read("diskstats").map(|text| proc::disks(text.lines())).unwrap_or_default(),
            waited: waits.map(|waits| waits.map(|(_, total)| total)),
            ..Counters::default()
        },
        pressure: waits.map(|[(cpu, _), (memory, _), (io, _)]| Pressure { cpu, memory, io }),
        oom_kills: read("vmstat").and_then(|text| oom_kills(&text)),
        system: system.map(|(kernel, release)| format!("{kernel} {release} {}", std::env::consts::ARCH)),
    }
}

fn some(text: &str) -> Option<(f64, f64)> {
    text.lines().find(|line| line.starts_with("some ")).and_then(proc::stall)
}

fn oom_kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NET: &str = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n\
                       \u{20}   lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n  eth0:100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n";
    const DISKS: &str = "   8  0 sda 10 0 4 1 20 0 8 1 0 1 1\n   8  1 sda1 10 0 4 1 20 0 8 1 0 1 1\n   7  0 loop0 1 0 9 1 0 0 0 0 0 0 0\n";
    const STALL: &str =
        "some avg10=1.50 avg60=0.10 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

    fn proc(name: &str) -> Option<String> {
        let text = match name {
            "net/dev" => NET,
            "diskstats" => DISKS,
            "pressure/cpu" | "pressure/memory" | "pressure/io" => STALL,
            "vmstat" => "nr_free_pages 1\noom_kill 3\n",
            "sys/kernel/ostype" => "Linux\n",
            "sys/kernel/osrelease" => "6.1.0\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn what_linux_tells_is_read() {
        let kernel = kernel(Duration::from_secs(5), proc);
        assert_eq!(kernel.counters.network, [("eth0".to_owned(), [100.0, 200.0])].into());
        assert_eq!(kernel.counters.disks, [("sda".to_owned(), [2048.0, 4096.0])].into());
        assert_eq!(kernel.counters.waited, Some([2.5; 3]));
        assert_eq!(kernel.pressure, Some(Pressure { cpu: 0.015, memory: 0.015, io: 0.015 }));
        assert_eq!(kernel.oom_kills, Some(3));
        assert!(kernel.system.unwrap().starts_with("Linux 6.1.0 "));
    }

    #[test]
    fn where_nothing_is_told_nothing_is_said() {
        let nothing = kernel(Duration::from_secs(5), |_| None);
        let counters = Counters { at: Duration::from_secs(5), ..Counters::default() };
        assert_eq!(nothing, Kernel { counters, ..Kernel::default() });
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(some |oom_kill |eth0:)?[ -~\n]{0,80}") {
            kernel(Duration::ZERO, |_| Some(text.clone()));
        }
    }
}
