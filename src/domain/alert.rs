//! An alert: Prometheus' view (firing, pending, value) joined with Alertmanager's (silenced, inhibited).

use super::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels or annotations, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// A silence covers it, or another alert inhibits it: nobody is notified.
    Suppressed,
    /// The expression is true, but not yet for as long as the rule's `for`. Alertmanager does not know these.
    Pending,
    /// Firing.
    Firing,
}

impl AlertState {
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suppressed => "silenced",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// A silence that covers an alert (Alertmanager API v2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it ends by itself.
    pub ends_at: Timestamp,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Alertmanager's fingerprint of the labels; see [`fingerprint`].
    pub fingerprint: Arc<str>,
    /// The label `alertname`.
    pub name: String,
    /// State.
    pub state: AlertState,
    /// From the label `severity`.
    pub severity: Severity,
    /// All labels.
    pub labels: Labels,
    /// All annotations.
    pub annotations: Labels,
    /// Since when the expression is true (Prometheus `activeAt`) or the alert known (Alertmanager `startsAt`).
    pub active_at: Option<Timestamp>,
    /// The expression's value, from Prometheus; may be NaN or infinite.
    pub value: Option<f64>,
    /// The silences that cover it.
    pub silenced_by: Vec<Silence>,
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
}

impl Alert {
    /// What the alert is about: the first of these labels that it has.
    pub fn target(&self) -> &str {
        const LABELS: [&str; 7] = ["instance", "host", "node", "container", "service", "datname", "job"];
        LABELS.iter().find_map(|name| self.labels.get(*name)).map_or("", String::as_str)
    }

    /// How bad it is now: a pending or suppressed alert is no more than information.
    pub fn judge(&self) -> Severity {
        match self.state {
            AlertState::Firing => self.severity,
            AlertState::Pending | AlertState::Suppressed => self.severity.min(Severity::Info),
        }
    }
}

/// Alertmanager's fingerprint: 64-bit FNV-1a over the sorted labels, each name and value followed by the byte 0xFF.
/// Source: `LabelSet.Fingerprint` in prometheus/common's `model`. Lets an alert that Prometheus reports be joined
/// with the one that Alertmanager reports.
pub fn fingerprint(labels: &Labels) -> Arc<str> {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xFF]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (name, value) in labels {
        feed(name.as_bytes());
        feed(value.as_bytes());
    }
    format!("{hash:016x}").into()
}
