//! Where "worth a look" and "act now" begin.

use super::Severity;
use serde::{Deserialize, Serialize};

/// A pair of limits in per cent, 0 to 100 or more (load per core can exceed 100).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// PostgreSQL connections used, per cent of `max_connections`.
    pub connections: Limit,
    /// Minutes that a session may be idle in a transaction.
    pub idle_in_transaction_minutes: IdleLimit,
}

/// A pair of limits in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleLimit {
    /// From here on it is a warning.
    pub warn: u64,
    /// From here on it is critical.
    pub critical: u64,
}

impl Limits {
    /// The names of those whose warning would come after the critical value.
    pub fn inverted(&self) -> Vec<&'static str> {
        let percent = [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("disk", self.disk),
            ("load", self.load),
            ("connections", self.connections),
        ];
        let idle = self.idle_in_transaction_minutes;
        let idle = (idle.warn > idle.critical).then_some("idle_in_transaction_minutes");
        percent.into_iter().filter(|(_, limit)| limit.warn > limit.critical).map(|(name, _)| name).chain(idle).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |warn, critical| Limit { warn, critical };
        Self {
            cpu: limit(80.0, 95.0),
            memory: limit(80.0, 90.0),
            disk: limit(75.0, 85.0),
            load: limit(150.0, 300.0),
            connections: limit(70.0, 90.0),
            idle_in_transaction_minutes: IdleLimit { warn: 1, critical: 30 },
        }
    }
}
