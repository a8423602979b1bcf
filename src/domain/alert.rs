//! An alert: Prometheus' view (firing, pending, value) joined with Alertmanager's (silenced, inhibited).

use super::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

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

/// A silence, as far as an alert that it covers has to know: shared by all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silencer {
    /// The silence's id.
    pub id: String,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it ends by itself.
    pub ends_at: Timestamp,
}

/// An alert because of which nobody is told of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inhibitor {
    /// Its fingerprint.
    pub fingerprint: Arc<str>,
    /// Its name; empty when Alertmanager does not list it any more.
    pub name: String,
}

/// The group with which Alertmanager notifies: one for each receiver and each set of its route's `group_by` labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Who is notified.
    pub receiver: String,
    /// The labels that all its alerts share; empty when the route groups by nothing.
    pub labels: Labels,
}

impl Group {
    /// Its labels as one text, as in `alertname="Down", cluster="eu"`, appended.
    pub fn write(&self, out: &mut String) {
        write_labels(&self.labels, out);
    }
}

/// Labels as one text, as in `job="game", zone="a"`, appended.
pub fn write_labels(labels: &Labels, out: &mut String) {
    for (index, (name, value)) in labels.iter().enumerate() {
        let gap = if index > 0 { ", " } else { "" };
        let _ = write!(out, "{gap}{name}={value:?}");
    }
}

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The labels of its series in Prometheus, where relabelling gives it others on the way to Alertmanager; `None`: those above,
    /// without the external labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Arc<Labels>>,
    /// All annotations.
    pub annotations: Labels,
    /// Since when the expression is true (Prometheus `activeAt`) or the alert known (Alertmanager `startsAt`).
    pub active_at: Option<Timestamp>,
    /// The expression's value, from Prometheus; may be NaN or infinite.
    pub value: Option<f64>,
    /// The rule's expression, from Prometheus' rules or from the link that Alertmanager was given.
    pub query: Option<Arc<str>>,
    /// Where the expression can be looked at (`generatorURL`).
    pub generator: Option<String>,
    /// The receivers that Alertmanager routes it to.
    pub receivers: Vec<String>,
    /// The silences that cover it.
    pub silenced_by: Vec<Arc<Silencer>>,
    /// The alerts that inhibit it.
    pub inhibited_by: Vec<Inhibitor>,
    /// The mute time intervals that hold it back (Alertmanager 0.28 and later).
    pub muted_by: Vec<String>,
    /// The group with which Alertmanager notifies of it, if it is known.
    pub group: Option<Arc<Group>>,
}

impl Alert {
    /// What the alert is about: the first of these labels that it has.
    pub fn target(&self) -> &str {
        const LABELS: [&str; 7] = ["instance", "host", "node", "container", "service", "datname", "job"];
        LABELS.iter().find_map(|name| self.labels.get(*name)).map_or("", String::as_str)
    }

    /// Its name for people, with what it is about.
    pub fn title(&self) -> String {
        let on = self.target();
        if on.is_empty() { self.name.clone() } else { format!("{} on {on}", self.name) }
    }

    /// Its state in one word, with what holds it back: a silence outranks an inhibition, that one a mute time.
    pub fn word(&self) -> &'static str {
        match self.state {
            AlertState::Firing | AlertState::Pending => self.state.word(),
            AlertState::Suppressed if !self.silenced_by.is_empty() => "silenced",
            AlertState::Suppressed if !self.inhibited_by.is_empty() => "inhibited",
            AlertState::Suppressed if !self.muted_by.is_empty() => "muted",
            AlertState::Suppressed => "suppressed",
        }
    }

    /// Who or what holds it back, in a few words, appended; nothing when nothing does.
    pub fn write_by(&self, out: &mut String) {
        if let Some(silence) = self.silenced_by.first() {
            let _ = write!(out, "{}: {}", silence.created_by, silence.comment);
        } else if let Some(inhibitor) = self.inhibited_by.first() {
            out.push_str(if inhibitor.name.is_empty() { &inhibitor.fingerprint } else { &inhibitor.name });
        } else if let Some(interval) = self.muted_by.first() {
            out.push_str(interval);
        }
    }

    /// An annotation under one of the names that people use for it, in this order.
    pub fn annotation(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.annotations.get(*name)).map(String::as_str)
    }

    /// Names it on a line: `summary`, else `description` or `message`.
    pub fn summary(&self) -> &str {
        self.annotation(&["summary", "description", "message"]).unwrap_or_default()
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
    let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    format!("{:016x}", hash(pairs)).into()
}

/// 64-bit FNV-1a over pairs, each part followed by the byte 0xFF.
pub(super) fn hash<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let bytes = pairs.flat_map(|(name, value)| [name, value]).flat_map(|part| part.bytes().chain([0xFF]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
