//! An alert: Prometheus' view (firing, pending, value) joined with Alertmanager's (silenced, inhibited).

use super::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Labels or annotations, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// What has become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// A silence covers it, or another alert inhibits it: nobody is notified.
    Suppressed,
    /// The expression is true, but not yet for as long as the rule's `for`. Alertmanager does not know these.
    Pending,
    /// Firing.
    #[default]
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

/// One matcher of a silence or an inhibition: `name="value"`, `name=~"…"` and their opposites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// Value, or a regular expression that must match all of it.
    pub value: String,
    /// `value` is a regular expression.
    pub is_regex: bool,
    /// It must match; false: it must not.
    pub is_equal: bool,
}

/// What a silence is just now (Alertmanager's words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// Over.
    Expired,
    /// Begins later.
    Pending,
    /// In force.
    #[default]
    Active,
}

impl SilenceState {
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Active => "active",
        }
    }
}

/// A silence (Alertmanager API v2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// State.
    pub state: SilenceState,
    /// What it silences: all of them must hold.
    pub matchers: Vec<Matcher>,
    /// Fingerprints of the alerts that it silences just now.
    pub silences: Vec<Arc<str>>,
}

/// A rule of Prometheus (`GET /api/v1/rules`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The group it is in.
    pub group: String,
    /// The alert's or the recorded series' name.
    pub name: String,
    /// An alerting rule; false: a recording rule.
    pub alerting: bool,
    /// The expression.
    pub query: String,
    /// `for`: how long the expression must hold.
    pub hold: Duration,
    /// Labels that it adds.
    pub labels: Labels,
    /// `ok`, `err` or `unknown`.
    pub health: String,
    /// Why it could not be evaluated; empty when it could.
    pub error: String,
    /// When it was evaluated last.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Option<Duration>,
    /// Its alerts: firing, pending.
    pub firing: u32,
    /// Its alerts that are pending.
    pub pending: u32,
}

/// A target of Prometheus (`GET /api/v1/targets`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The scrape pool, usually the job's name.
    pub pool: String,
    /// What is scraped.
    pub url: String,
    /// Labels.
    pub labels: Labels,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// Why the last scrape failed; empty when it did not.
    pub error: String,
    /// When it was scraped last.
    pub scraped_at: Option<Timestamp>,
    /// How long that took.
    pub took: Option<Duration>,
}

/// A member of Alertmanager's cluster, or an Alertmanager that Prometheus sends to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its address.
    pub address: String,
    /// It answers.
    pub up: bool,
    /// What is wrong with it; empty when nothing is.
    pub why: String,
}

/// What a Prometheus or an Alertmanager told in one poll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertReport {
    /// Alerts.
    pub alerts: Vec<Alert>,
    /// Rules (Prometheus).
    pub rules: Vec<Rule>,
    /// Targets (Prometheus).
    pub targets: Vec<Target>,
    /// Silences, the expired ones too (Alertmanager).
    pub silences: Vec<Silence>,
    /// Members of the cluster that were asked, and whom Prometheus notifies.
    pub members: Vec<Member>,
    /// What is wrong with alerting itself, one sentence each: a watchdog that is missing, rules that fail, members of a
    /// cluster that are down.
    pub troubles: Vec<String>,
}

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The rule's expression, from Prometheus' rules or from the link that Alertmanager was given.
    pub query: Option<String>,
    /// Where the expression can be looked at (`generatorURL`).
    pub generator: Option<String>,
    /// The receivers that Alertmanager routes it to.
    pub receivers: Vec<String>,
    /// The silences that cover it.
    pub silenced_by: Vec<Silence>,
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// The mute time intervals that hold it back (Alertmanager 0.28 and later).
    pub muted_by: Vec<String>,
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
