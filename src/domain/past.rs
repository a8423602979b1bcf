//! How figures of servers are asked of a Prometheus that scrapes their node_exporters: one place for those who ask for all
//! servers now and for those who ask for one server's past.
//!
//! `rate` is the function over counters (`rate`, `irate`), `matchers` what goes between the braces; it may be empty. Sums
//! keep all labels of the target, whatever they are called.

use crate::domain::server::{Past, VIRTUAL_DEVICES, VIRTUAL_INTERFACES};

/// CPU in use, 0.0 to 1.0 of all cores: neither idle nor waiting for a disk.
pub fn cpu(rate: &str, matchers: &str) -> String {
    format!(
        "1 - avg without(cpu)(sum without(mode)({rate}(node_cpu_seconds_total{{mode=~\"idle|iowait\",{matchers}}}[5m])))"
    )
}

/// Number of logical CPUs.
pub fn cores(matchers: &str) -> String {
    format!("count without(cpu, mode)(node_cpu_seconds_total{{mode=\"idle\",{matchers}}})")
}

/// Bytes a second over the network, `receive` or `transmit`.
pub fn network(rate: &str, direction: &str, matchers: &str) -> String {
    let virtual_ones = starts(&VIRTUAL_INTERFACES);
    format!(
        "sum without(device)({rate}(node_network_{direction}_bytes_total{{device!~\"{virtual_ones}\",{matchers}}}[5m]))"
    )
}

/// Bytes a second of all disks, `read` or `written`.
pub fn disk_io(rate: &str, direction: &str, matchers: &str) -> String {
    let virtual_ones = starts(&VIRTUAL_DEVICES);
    format!(
        "sum without(device)({rate}(node_disk_{direction}_bytes_total{{device!~\"{virtual_ones}\",{matchers}}}[5m]))"
    )
}

/// A pattern for all names that begin with one of these.
fn starts(names: &[&str]) -> String {
    format!("({}).*", names.join("|"))
}

impl Past {
    /// CPU in use over time, 0.0 to 1.0.
    pub fn cpu(&self) -> String {
        cpu("rate", &self.selector)
    }

    /// Memory in use over time, 0.0 to 1.0.
    pub fn memory(&self) -> String {
        let matchers = &self.selector;
        format!("1 - node_memory_MemAvailable_bytes{{{matchers}}} / node_memory_MemTotal_bytes{{{matchers}}}")
    }

    /// One-minute load per core over time.
    pub fn load(&self) -> String {
        let matchers = &self.selector;
        format!("node_load1{{{matchers}}} / scalar(count(node_cpu_seconds_total{{mode=\"idle\",{matchers}}}))")
    }

    /// Bytes a second received over time.
    pub fn received(&self) -> String {
        network("rate", "receive", &self.selector)
    }

    /// Bytes a second sent over time.
    pub fn sent(&self) -> String {
        network("rate", "transmit", &self.selector)
    }

    /// The fullest filesystem over time, 0.0 to 1.0.
    pub fn disk(&self) -> String {
        let (matchers, kinds) = (&self.selector, super::server::NOT_REAL.join("|"));
        let of = |figure: &str| format!("node_filesystem_{figure}_bytes{{fstype!~\"{kinds}\",{matchers}}}");
        format!("max(1 - {} / ({} - {} + {}))", of("avail"), of("size"), of("free"), of("avail"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_may_be_empty_or_several() {
        assert_eq!(cores(""), "count without(cpu, mode)(node_cpu_seconds_total{mode=\"idle\",})");
        let past = Past { source: crate::domain::SourceId::new("prometheus", "a"), selector: "a=\"1\",b=\"2\"".into() };
        assert!(
            past.received().starts_with("sum without(device)(rate(node_network_receive_bytes_total{device!~\"(lo|")
        );
        assert!(past.received().ends_with(").*\",a=\"1\",b=\"2\"}[5m]))"));
    }
}
