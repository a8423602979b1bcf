//! A Prometheus, or what answers like one: its alerts; in slower parts its rules, targets and Alertmanagers, the servers that it
//! scrapes, and what the team promises of its service.

mod alerts;
mod objectives;
mod outgoing;
mod parse;
mod queries;
mod relabel;
mod rules;
mod servers;

use super::alerting::{Kept, Watchdog};
use super::{Pace, Part, Source, SourceKind, pace};
use crate::connect::http::BaseUrl;
use crate::connect::{Access, Connections, Prometheus};
use crate::domain::{SourceError, SourceId, Subject};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "prometheus",
    doc: "The alerts of a Prometheus, with its rules and targets; and the servers whose node_exporter it scrapes.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
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
# Which targets are servers: true (those of every job in which a node_exporter answers), false (none), or matchers, as in
# 'job="node"'.
servers = true
# How often it is asked for them, 250ms to 1h.
servers_interval = "15s"
# The alert that always fires, by name or by labels: while it does not, alerting itself is shown as broken. Absent: none.
watchdog = "Watchdog"
# Labels that only tell the replicas of a pair apart, and that are not dropped on the way to Alertmanager. Default: none.
replica_labels = ["replica"]
# How often it is asked for what you promise (below), 250ms to 1h.
slo_interval = "15s"
# How it wants to be asked: { user = "…", password = { env = "NAME" } } or { bearer = { file = "/path" } }; also headers = { … },
# ca (a PEM file trusted beside the system's), cert and key (our own). Absent: no login.
access = { user = "quarterdeck", password = { env = "PROMETHEUS_PASSWORD" } }

# What you promise of your service: figures with a limit, above the lists of the overview (0). Up to 12, each with a name of its own.
[[prometheus.main.slo]]
name = "availability"
# PromQL. Of several series the worst counts, and is named.
query = 'avg(up{job="godot"})'
# The value that is just still good.
limit = 1
# On which side of it the figure is bad: "above" (the default) or "below".
bad = "below"
# What it counts: "ratio" (shown as per cent), "seconds", "bytes" or "number" (the default).
unit = "ratio"
# Past its limit it is critical, and not a warning. Default: false.
critical = true

[[prometheus.main.slo]]
name = "errors"
query = '''
  (sum(rate(http_requests_total{job="godot", status=~"5.."}[5m])) or sum(rate(http_requests_total{job="godot"}[5m])) * 0)
  / sum(rate(http_requests_total{job="godot"}[5m]))'''
limit = 0.05
unit = "ratio"

[[prometheus.main.slo]]
name = "p95"
query = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="godot"}[5m])))'
limit = 2
unit = "seconds"

[[prometheus.main.slo]]
name = "memory"
query = '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes'
limit = 0.90
unit = "ratio"

[[prometheus.main.slo]]
name = "disk"
query = '''
  (node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"} - node_filesystem_free_bytes)
  / (node_filesystem_size_bytes - node_filesystem_free_bytes + node_filesystem_avail_bytes)'''
limit = 0.85
unit = "ratio"
"#;

/// `[prometheus.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it is.
    #[serde(default = "default_url")]
    pub url: BaseUrl,
    /// Time from poll to poll.
    #[serde(default = "default_pace", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// Time from poll to poll of rules, targets and Alertmanagers.
    #[serde(default = "default_rules_interval", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub rules_interval: Duration,
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
    /// Which targets are servers.
    #[serde(default)]
    #[schemars(with = "servers::Written")]
    pub servers: servers::Wanted,
    /// Time from poll to poll of servers.
    #[serde(default = "default_servers_interval", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub servers_interval: Duration,
    /// The alert that always fires.
    #[schemars(with = "Option<String>")]
    pub watchdog: Option<Watchdog>,
    /// Labels that only tell replicas apart.
    #[serde(default)]
    pub replica_labels: Vec<String>,
    /// Time from poll to poll of what the team promises.
    #[serde(default = "default_slo_interval", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub slo_interval: Duration,
    /// What the team promises of its service.
    #[serde(default, deserialize_with = "objectives::read")]
    pub slo: Vec<objectives::Objective>,
    /// How it wants to be asked.
    #[serde(default)]
    pub access: Access,
}

fn default_servers_interval() -> Duration {
    Duration::from_secs(15)
}

fn default_slo_interval() -> Duration {
    Duration::from_secs(15)
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
        let pace_of = |interval| Pace { interval, timeout: self.timeout };
        let rules = Part { suffix: Some("rules"), subject: Subject::Alerts, pace: pace_of(self.rules_interval) };
        let mut parts = vec![Part::main(Subject::Alerts, self.interval, self.timeout), rules];
        if self.servers != servers::Wanted::No {
            let pace = pace_of(self.servers_interval);
            parts.push(Part { suffix: Some(servers::PART), subject: Subject::Servers, pace });
        }
        if !self.slo.is_empty() {
            let pace = pace_of(self.slo_interval);
            parts.push(Part { suffix: Some(objectives::PART), subject: Subject::Alerts, pace });
        }
        parts
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let table = format!("prometheus.{}", id.name());
        self.url.refuse_login(&table)?;
        let web = connections.web(&self.access, &table)?;
        // A little less than a poll may take, so that one question that hangs is told by its name.
        let prometheus = Prometheus::new(id.name(), web, self.url.clone(), self.timeout * 9 / 10);
        let prometheus = connections.add_prometheus(prometheus);
        let queries = Arc::default();
        let mut sources: Vec<Box<dyn Source>> = vec![
            Box::new(self.alerts(Arc::clone(&prometheus), Arc::clone(&queries))),
            Box::new(rules::Rules { prometheus: Arc::clone(&prometheus), queries }),
        ];
        if let Some(servers) = servers::Servers::new(id, Arc::clone(&prometheus), &self.servers) {
            sources.push(Box::new(servers));
        }
        if !self.slo.is_empty() {
            sources.push(Box::new(objectives::Objectives { prometheus, objectives: self.slo.clone() }));
        }
        Ok(sources)
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
