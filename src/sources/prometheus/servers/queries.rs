//! The three questions. Everything is asked for all servers at once; a label that Prometheus does not have says what a
//! computed series is.

use crate::domain::past;
use crate::sources::machine::NOT_REAL;

/// The label that names a computed series.
pub(super) const WHAT: &str = "quarterdeck";

/// Gauges, and what else is told as it is.
const GAUGES: &str = "node_(boot_time_seconds|load1|load5|load15|vmstat_oom_kill|uname_info|\
                      memory_(MemTotal|MemAvailable|MemFree|Buffers|Cached|SReclaimable|SwapTotal|SwapFree)_bytes|\
                      filesystem_(size_bytes|free_bytes|avail_bytes|files|files_free|readonly))";

/// The questions, for the servers that some matchers select.
#[derive(Clone, Debug)]
pub(super) struct Queries {
    /// Which targets are up.
    pub(super) up: String,
    /// [`GAUGES`].
    pub(super) gauges: String,
    /// Each computed figure under its name.
    pub(super) computed: String,
}

impl Queries {
    /// With no matchers: the targets of every job in which a node_exporter answered within the hour, so that one that is
    /// down now is among them.
    pub(super) fn new(matchers: &str) -> Self {
        let kinds = NOT_REAL.join("|");
        let real = format!("fstype!~\"{kinds}\",{matchers}");
        let up = if matchers.is_empty() {
            "up and on(job) last_over_time(node_boot_time_seconds[1h])".to_owned()
        } else {
            format!("up{{{matchers}}}")
        };
        Self { up, gauges: format!("{{__name__=~\"{GAUGES}\",{real}}}"), computed: computed(matchers, &real) }
    }
}

fn computed(matchers: &str, real: &str) -> String {
    let waited = |what: &str| format!("irate(node_pressure_{what}_waiting_seconds_total{{{matchers}}}[5m])");
    let free = format!("node_filesystem_avail_bytes{{{real}}}");
    let figures = [
        ("cpu", past::cpu("irate", matchers)),
        ("cores", past::cores(matchers)),
        ("received", past::network("irate", "receive", matchers)),
        ("sent", past::network("irate", "transmit", matchers)),
        ("read", past::disk_io("irate", "read", matchers)),
        ("written", past::disk_io("irate", "written", matchers)),
        ("wait_cpu", waited("cpu")),
        ("wait_memory", waited("memory")),
        ("wait_io", waited("io")),
        // Not `increase`: its name does not end as a counter's must, and newer servers would warn of it at every poll.
        ("oom", format!("delta(node_vmstat_oom_kill{{{matchers}}}[1h])")),
        ("skew", format!("node_time_seconds{{{matchers}}} - timestamp(node_time_seconds{{{matchers}}})")),
        // From less than ten minutes nobody can tell how fast a disk fills.
        ("slope", format!("deriv({free}[1h]) and {free} offset 10m")),
    ];
    let named = figures.map(|(name, query)| format!("label_replace({query}, \"{WHAT}\", \"{name}\", \"\", \"\")"));
    named.join(" or ")
}
