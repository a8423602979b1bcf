//! A Prometheus, or what answers like one: its alerts, and in a slower part its rules, targets and Alertmanagers.

mod alerts;
mod outgoing;
mod parse;
mod queries;
mod rules;

use super::alerting::{Kept, Watchdog};
use super::{Pace, Part, Source, SourceKind, pace};
use crate::connect::http::BaseUrl;
use crate::connect::{Access, Connections, Prometheus};
use crate::domain::{SourceError, SourceId, Subject};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "prometheus",
    doc: "The alerts of a Prometheus, firing and pending, with its rules and targets.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[prometheus.main]
# Where it is, with its path prefix if it has one.
url = "http://prometheus:9090"
# How often it is asked for its alerts, 250ms to 1h.
interval = "5s"
# How often it is asked for its rules, targets and Alertmanagers, 250ms to 1h.
rules_interval = "30s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
# The alert that always fires, by name or by labels: while it does not, alerting itself is shown as broken. Absent: none.
watchdog = "Watchdog"
# Labels that only tell the replicas of a pair apart, and that are not dropped on the way to Alertmanager. Default: none.
replica_labels = ["replica"]
# How it wants to be asked: { user = "…", password = { env = "NAME" } } or { bearer = { file = "/path" } }; also headers = { … },
# ca (a PEM file trusted beside the system's), cert and key (our own). Absent: no login.
access = { user = "quarterdeck", password = { env = "PROMETHEUS_PASSWORD" } }
"#;

/// `[prometheus.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it is.
    #[serde(default = "default_url")]
    pub url: BaseUrl,
    /// Time from poll to poll.
    #[serde(default = "default_pace", deserialize_with = "pace::interval")]
    pub interval: Duration,
    /// Time from poll to poll of rules, targets and Alertmanagers.
    #[serde(default = "default_rules_interval", deserialize_with = "pace::interval")]
    pub rules_interval: Duration,
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    pub timeout: Duration,
    /// The alert that always fires.
    pub watchdog: Option<Watchdog>,
    /// Labels that only tell replicas apart.
    #[serde(default)]
    pub replica_labels: Vec<String>,
    /// How it wants to be asked.
    #[serde(default)]
    pub access: Access,
}

fn default_url() -> BaseUrl {
    BaseUrl::parse("http://localhost:9090").expect("a constant that a test reads")
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

fn default_rules_interval() -> Duration {
    Duration::from_secs(30)
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        let rules = Pace { interval: self.rules_interval, timeout: self.timeout };
        vec![
            Part::main(Subject::Alerts, self.interval, self.timeout),
            Part { suffix: Some("rules"), subject: Subject::Alerts, pace: rules },
        ]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let table = format!("prometheus.{}", id.name());
        self.url.refuse_login(&table)?;
        // A little less than a poll may take, so that one question that hangs is told by its name.
        let prometheus =
            Prometheus::new(id.name(), connections.web(&self.access, &table)?, self.url.clone(), self.timeout * 9 / 10);
        let prometheus = connections.add_prometheus(prometheus);
        let queries = Arc::default();
        Ok(vec![
            Box::new(self.alerts(Arc::clone(&prometheus), Arc::clone(&queries))),
            Box::new(rules::Rules { prometheus, queries }),
        ])
    }
}

impl Settings {
    fn alerts(&self, prometheus: Arc<Prometheus>, queries: Arc<queries::Queries>) -> alerts::Alerts {
        alerts::Alerts {
            prometheus,
            queries,
            watchdog: self.watchdog.clone(),
            replica_labels: self.replica_labels.clone(),
            patience: self.timeout / 2,
            outgoing: outgoing::Outgoing::default(),
            read_at: None,
            kept: Kept::default(),
        }
    }
}
