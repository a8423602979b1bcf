//! What alerting consists of beside the alerts: rules, targets, silences, members of a cluster, and what is wrong with them.

use super::alert::{Labels, hash};
use super::matcher::{self, Matcher};
use super::slo::Slo;
use super::time::between;
use super::{Alert, Severity, SourceError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

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
#[serde(default)]
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

/// A silence that ends within this time is worth a look: what it hides is about to be heard.
const ENDS_SOON: Duration = Duration::from_mins(15);

impl Silence {
    /// What tells it from all others of its Alertmanager.
    pub fn key(&self) -> String {
        format!("silence/{}", self.id)
    }

    /// What it is at `now`: the answer that told its state may be some seconds old.
    pub fn state_at(&self, now: Timestamp) -> SilenceState {
        match self.state {
            _ if self.ends_at <= now => SilenceState::Expired,
            SilenceState::Pending if self.starts_at <= now => SilenceState::Active,
            state @ (SilenceState::Expired | SilenceState::Pending | SilenceState::Active) => state,
        }
    }

    /// It is in force and ends within a quarter of an hour.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.state_at(now) == SilenceState::Active && between(now, self.ends_at) <= ENDS_SOON
    }

    /// It is in force and hides nothing.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.state_at(now) == SilenceState::Active && self.silences.is_empty()
    }

    /// A warning when what it hides is about to be heard; information when it hides nothing, or only begins later.
    pub fn judge(&self, now: Timestamp) -> Severity {
        match self.state_at(now) {
            SilenceState::Expired => Severity::None,
            SilenceState::Pending => Severity::Info,
            SilenceState::Active if self.silences.is_empty() => Severity::Info,
            SilenceState::Active if self.ends_soon(now) => Severity::Warning,
            SilenceState::Active => Severity::Ok,
        }
    }

    /// All its matchers, as Alertmanager writes them; appended.
    pub fn write_matchers(&self, out: &mut String) {
        matcher::write_all(&self.matchers, out);
    }
}

/// A rule of Prometheus (`GET /api/v1/rules`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Its alerts that are firing.
    pub firing: u32,
    /// Its alerts that are pending.
    pub pending: u32,
}

impl Rule {
    /// It could not be evaluated: what it watches is not watched.
    pub fn fails(&self) -> bool {
        self.health == "err" || !self.error.is_empty()
    }

    /// Critical when an alerting rule fails, a warning when a recording rule does.
    pub fn judge(&self) -> Severity {
        match (self.fails(), self.health.as_str()) {
            (true, _) if self.alerting => Severity::Critical,
            (true, _) => Severity::Warning,
            (false, "ok") => Severity::Ok,
            (false, _) => Severity::Unknown,
        }
    }

    /// What tells it from all others of its server: group, name, and a hash of what may differ under the same name.
    pub fn key(&self) -> String {
        let own = [("", self.query.as_str())].into_iter();
        let labels = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let hash = hash(own.chain(labels));
        format!("rule/{}/{}/{:08x}", self.group, self.name, hash as u32)
    }

    /// The alert is one of this rule: its name, and the labels that the rule adds as they stand (those with a template can't be
    /// compared).
    pub fn made(&self, alert: &Alert) -> bool {
        let same = |(name, value): (&String, &String)| value.contains("{{") || alert.labels.get(name) == Some(value);
        self.alerting && self.name == alert.name && self.labels.iter().all(same)
    }
}

/// A target of Prometheus (`GET /api/v1/targets`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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

impl Target {
    /// Critical when it is down.
    pub fn judge(&self) -> Severity {
        match self.health.as_str() {
            "up" => Severity::Ok,
            "down" => Severity::Critical,
            _ => Severity::Unknown,
        }
    }

    /// What tells it from all others of its server.
    pub fn key(&self) -> String {
        format!("target/{}/{}", self.pool, self.url)
    }

    /// Its name for people: the label `instance`, else what is scraped.
    pub fn name(&self) -> &str {
        self.labels.get("instance").unwrap_or(&self.url)
    }
}

/// A member of Alertmanager's cluster, or an Alertmanager that Prometheus sends to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its address; of one that others of its cluster know and nobody asks, the address at which they gossip.
    pub address: String,
    /// It answers, or (as Prometheus tells it) alerts are sent there.
    pub up: bool,
    /// What is wrong with it; empty when nothing is.
    pub why: String,
    /// Only other members know it: it is not among those that are asked.
    #[serde(default)]
    pub unasked: bool,
    /// Its name in the cluster; empty when it is in none, or does not answer.
    #[serde(default)]
    pub name: String,
    /// Its version; empty when not known. Like all that follows: Alertmanager.
    #[serde(default)]
    pub version: String,
    /// When it was started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// How it stands in its cluster: `ready`, `settling`, `disabled`; empty when not known.
    #[serde(default)]
    pub cluster: String,
    /// Its place among the members, from 0: the first notifies at once, each next one waits longer whether it did.
    #[serde(default)]
    pub position: Option<u32>,
    /// Members of its cluster that it knows, itself included.
    #[serde(default)]
    pub peers: Option<u32>,
    /// Alerts that it has.
    #[serde(default)]
    pub alerts: Option<u32>,
    /// Silences that it has, those that are over left out.
    #[serde(default)]
    pub silences: Option<u32>,
    /// Alerts that other members have, and it has not, seen twice in a row.
    #[serde(default)]
    pub lacks_alerts: u32,
    /// Silences that other members have, and it has not, seen twice in a row.
    #[serde(default)]
    pub lacks_silences: u32,
    /// When it answered last.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
}

impl Member {
    /// What tells it from all others of its source.
    pub fn key(&self) -> String {
        format!("member/{}", self.address)
    }

    /// A warning when it is down or lacks what others have: then what it notifies differs from what they do.
    pub fn judge(&self) -> Severity {
        match (self.unasked, self.up) {
            (true, _) => Severity::Info,
            (false, false) => Severity::Warning,
            (false, true) if self.lacks_alerts + self.lacks_silences > 0 => Severity::Warning,
            (false, true) if self.cluster == "settling" => Severity::Info,
            (false, true) => Severity::Ok,
        }
    }
}

/// Something is wrong with alerting itself: what does not fire may be no good news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// How bad.
    pub severity: Severity,
    /// What, in one plain sentence.
    pub what: String,
    /// How to mend it, in another.
    pub hint: String,
}

/// What can be asked of a Prometheus or an Alertmanager beside its alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// `/api/v1/rules`.
    Rules,
    /// `/api/v1/targets`.
    Targets,
    /// `/api/v1/alertmanagers`, or the members of Alertmanager's cluster.
    Members,
    /// `/api/v2/silences`.
    Silences,
    /// `/api/v2/alerts/groups`.
    Groups,
}

/// What is missing from a report, and why: never to be taken for "there is none".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What.
    pub topic: Topic,
    /// Why, and how to mend it.
    pub why: SourceError,
}

/// What a Prometheus or an Alertmanager told in one poll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertReport {
    /// Alerts. One that is as it was in the report before is the same `Arc`.
    pub alerts: Vec<Arc<Alert>>,
    /// Rules (Prometheus).
    pub rules: Vec<Rule>,
    /// Targets (Prometheus).
    pub targets: Vec<Target>,
    /// Silences, the expired ones too (Alertmanager).
    pub silences: Vec<Silence>,
    /// Members of the cluster that were asked, and whom Prometheus notifies.
    pub members: Vec<Member>,
    /// Labels that Prometheus adds when it notifies: they are among the alerts' labels, but not among those of its series.
    pub external_labels: Labels,
    /// What is wrong with alerting itself: a watchdog that is missing, rules that fail, members of a cluster that are down.
    pub troubles: Vec<Trouble>,
    /// What the team promises of its service, with what it is now (Prometheus).
    pub slos: Vec<Slo>,
    /// What could not be had this time.
    pub gaps: Vec<Gap>,
    /// Warnings that came with the answers, as the server wrote them.
    pub warnings: Vec<String>,
}

impl AlertReport {
    /// Why there is nothing about a topic, if something is missing.
    pub fn gap(&self, topic: Topic) -> Option<&SourceError> {
        self.gaps.iter().find(|gap| gap.topic == topic).map(|gap| &gap.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn silence(ends_at: i64, silences: usize) -> Silence {
        Silence { ends_at: at(ends_at), silences: vec!["f".into(); silences], ..Silence::default() }
    }

    #[test]
    fn a_silence_is_judged_by_what_it_hides_and_when_it_ends() {
        let now = at(1_000);
        assert_eq!(silence(1_000 + 900, 1).judge(now), Severity::Warning);
        assert_eq!(silence(1_000 + 901, 1).judge(now), Severity::Ok);
        assert_eq!(silence(1_000 + 900, 0).judge(now), Severity::Info);
        assert_eq!(silence(1_000, 1).judge(now), Severity::None);
        assert!(silence(5_000, 0).is_idle(now) && !silence(900, 0).is_idle(now));
        let later = Silence { state: SilenceState::Pending, starts_at: at(1_001), ..silence(9_000, 0) };
        assert_eq!((later.state_at(now), later.state_at(at(1_001))), (SilenceState::Pending, SilenceState::Active));
    }

    #[test]
    fn a_rule_knows_its_alerts() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let rule = Rule {
            name: "Full".into(),
            alerting: true,
            labels: labels(&[("severity", "warning"), ("who", "{{ $labels.x }}")]),
            ..Rule::default()
        };
        let alert = |severity| Alert {
            name: "Full".into(),
            labels: labels(&[("alertname", "Full"), ("severity", severity), ("who", "db")]),
            ..Alert::default()
        };
        assert!(rule.made(&alert("warning")));
        assert!(!rule.made(&alert("critical")));
    }
}
