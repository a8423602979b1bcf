//! Where "worth a look" and "act now" begin.

use super::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pair of limits in per cent, 0 to 100 or more (load per core can exceed 100).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// From here on it is a warning.
    pub warn: f64,
    /// From here on it is critical.
    pub critical: f64,
}

impl Limit {
    /// Judges a ratio (0.0 to 1.0 for most things) against the limits.
    pub fn judge(&self, ratio: f64) -> Severity {
        let percent = ratio * 100.0;
        if percent >= self.critical {
            Severity::Critical
        } else if percent >= self.warn {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

/// All limits; `[limits]` in the config. The defaults are the SpaceTime handbook's (memory > 90 %, disk > 85 %)
/// with a warning before each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// CPU in use, per cent of all cores.
    pub cpu: Limit,
    /// Memory in use, per cent of the total (server) or of the limit (container).
    pub memory: Limit,
    /// The fullest filesystem, per cent.
    pub disk: Limit,
    /// One-minute load average, per cent of the number of cores.
    pub load: Limit,
    /// Swap in use, per cent of what there is.
    pub swap: Limit,
    /// Share of the time in which some task waited for a CPU, per cent.
    pub cpu_pressure: Limit,
    /// The same for memory.
    pub memory_pressure: Limit,
    /// The same for input and output.
    pub io_pressure: Limit,
    /// Hours until a filesystem is full, at its present pace: less is worse.
    pub disk_full_hours: Bound,
    /// Processes that the kernel ended for want of memory within an hour.
    pub oom_kills: Bound,
    /// How far a server's clock is off, seconds, in either direction.
    pub clock_skew_seconds: Bound,
    /// How bad a filesystem is that can't be written to.
    pub read_only: Severity,
    /// PostgreSQL connections used, per cent of `max_connections`.
    pub connections: Limit,
    /// Minutes that a session may be idle in a transaction.
    pub idle_in_transaction_minutes: IdleLimit,
    // Of databases; new ones of servers go above this line.
    /// Seconds that a session may wait for a lock.
    pub blocked_seconds: Amount,
    /// Minutes that a transaction may be open.
    pub transaction_minutes: Amount,
    /// Minutes that a query may run.
    pub query_minutes: Amount,
    /// Seconds that a standby may be behind.
    pub replication_seconds: Amount,
    /// MiB of WAL that a standby may be behind.
    pub replication_mib: Amount,
    /// GiB of WAL that a replication slot may hold while nobody uses it.
    pub slot_gib: Amount,
    /// The age of a database's oldest transaction or multixact, per cent of the 2³¹ at which the server stops.
    pub wraparound: Limit,
}

/// A pair of limits in the unit of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// From here on it is a warning.
    pub warn: u64,
    /// From here on it is critical.
    pub critical: u64,
}

impl Amount {
    /// Judges an amount in the same unit.
    pub const fn judge(&self, amount: u64) -> Severity {
        if amount >= self.critical {
            Severity::Critical
        } else if amount >= self.warn {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

/// A pair of limits in a unit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// From here on it is a warning.
    pub warn: f64,
    /// From here on it is critical.
    pub critical: f64,
}

impl Bound {
    /// Judges a figure of which more is worse.
    pub fn judge(&self, value: f64) -> Severity {
        if value >= self.critical {
            Severity::Critical
        } else if value >= self.warn {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }

    /// Judges a figure of which less is worse.
    pub fn judge_rest(&self, value: f64) -> Severity {
        Self { warn: -self.warn, critical: -self.critical }.judge(-value)
    }
}

/// A pair of limits in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdleLimit {
    /// From here on it is a warning.
    pub warn: u64,
    /// From here on it is critical.
    pub critical: u64,
}

impl IdleLimit {
    /// Judges whole minutes of being idle in a transaction, which is never well.
    pub const fn judge(&self, minutes: u64) -> Severity {
        if minutes >= self.critical {
            Severity::Critical
        } else if minutes >= self.warn {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

impl Limits {
    /// The names of those whose warning would come after the critical value.
    pub fn inverted(&self) -> Vec<&'static str> {
        let percent = [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("disk", self.disk),
            ("load", self.load),
            ("swap", self.swap),
            ("cpu_pressure", self.cpu_pressure),
            ("memory_pressure", self.memory_pressure),
            ("io_pressure", self.io_pressure),
            ("connections", self.connections),
            ("wraparound", self.wraparound),
        ];
        let amounts = [
            ("blocked_seconds", self.blocked_seconds),
            ("transaction_minutes", self.transaction_minutes),
            ("query_minutes", self.query_minutes),
            ("replication_seconds", self.replication_seconds),
            ("replication_mib", self.replication_mib),
            ("slot_gib", self.slot_gib),
        ];
        let idle = self.idle_in_transaction_minutes;
        let idle = (idle.warn > idle.critical).then_some("idle_in_transaction_minutes");
        let more = [("oom_kills", self.oom_kills), ("clock_skew_seconds", self.clock_skew_seconds)];
        let more = more.into_iter().filter(|(_, bound)| bound.warn > bound.critical).map(|(name, _)| name);
        let rest = self.disk_full_hours;
        let rest = (rest.warn < rest.critical).then_some("disk_full_hours");
        let percent = percent.into_iter().filter(|(_, limit)| limit.warn > limit.critical).map(|(name, _)| name);
        let amounts = amounts.into_iter().filter(|(_, limit)| limit.warn > limit.critical).map(|(name, _)| name);
        percent.chain(more).chain(rest).chain(idle).chain(amounts).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |warn, critical| Limit { warn, critical };
        let amount = |warn, critical| Amount { warn, critical };
        let bound = |warn, critical| Bound { warn, critical };
        Self {
            cpu: limit(80.0, 95.0),
            memory: limit(80.0, 90.0),
            disk: limit(75.0, 85.0),
            load: limit(150.0, 300.0),
            swap: limit(50.0, 90.0),
            cpu_pressure: limit(60.0, 90.0),
            memory_pressure: limit(10.0, 40.0),
            io_pressure: limit(40.0, 80.0),
            disk_full_hours: bound(24.0, 4.0),
            oom_kills: bound(1.0, 5.0),
            clock_skew_seconds: bound(1.0, 10.0),
            read_only: Severity::Warning,
            connections: limit(70.0, 90.0),
            idle_in_transaction_minutes: IdleLimit { warn: 1, critical: 30 },
            blocked_seconds: amount(10, 60),
            transaction_minutes: amount(30, 120),
            query_minutes: amount(15, 120),
            replication_seconds: amount(30, 300),
            replication_mib: amount(256, 4096),
            slot_gib: amount(1, 10),
            wraparound: limit(50.0, 80.0),
        }
    }
}
