//! Alerts of a Prometheus, firing and pending, with the value of their expression; and the servers that it scrapes.

mod parse;
mod servers;

use super::{Pace, Part, Source, SourceKind, pace};
use crate::connect::http::{self, BaseUrl};
use crate::connect::{self, Connections};
use crate::domain::{AlertReport, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use serde::Deserialize;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "prometheus",
    doc: "The alerts of a Prometheus, firing and pending, and the servers whose node_exporter it scrapes.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[prometheus.main]
# Where it is, with its path prefix if it has one.
url = "http://prometheus:9090"
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
# Which targets are servers: true (those of every job in which a node_exporter answers), false (none), or matchers, as in
# 'job="node"'.
servers = true
# How often it is asked for them, 250ms to 1h.
servers_interval = "15s"
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
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    pub timeout: Duration,
    /// Which targets are servers.
    #[serde(default)]
    pub servers: servers::Wanted,
    /// Time from poll to poll of servers.
    #[serde(default = "default_servers_interval", deserialize_with = "pace::interval")]
    pub servers_interval: Duration,
}

fn default_servers_interval() -> Duration {
    Duration::from_secs(15)
}

fn default_url() -> BaseUrl {
    BaseUrl::parse("http://localhost:9090").expect("a constant that a test reads")
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::main(Subject::Alerts, self.interval, self.timeout)];
        if self.servers != servers::Wanted::No {
            let pace = Pace { interval: self.servers_interval, timeout: self.timeout };
            parts.push(Part { suffix: Some(servers::PART), subject: Subject::Servers, pace });
        }
        parts
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        self.url.refuse_login(&format!("prometheus.{}", id.name()))?;
        let client = connections.http()?;
        // A little less than a poll may take, so that one question that hangs is told by its name.
        let api = connect::Prometheus::new(id.name(), client.clone(), self.url.clone(), self.timeout * 9 / 10);
        let api = connections.add_prometheus(api);
        let mut sources: Vec<Box<dyn Source>> =
            vec![Box::new(Prometheus { client, url: self.url.clone(), timeout: self.timeout })];
        if let Some(servers) = servers::Servers::new(id, api, &self.servers) {
            sources.push(Box::new(servers));
        }
        Ok(sources)
    }
}

struct Prometheus {
    client: reqwest::Client,
    url: BaseUrl,
    timeout: Duration,
}

const NAME: &str = "Prometheus";

#[async_trait]
impl Source for Prometheus {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let reply = http::get(&self.client, NAME, &self.url, "api/v1/alerts", self.timeout).await?;
        let success = (200..300).contains(&reply.status);
        match parse::alerts(&reply.body) {
            Ok(alerts) if success => Ok(Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() })),
            Err(parse::Wrong::Said(said)) => Err(http::refused(NAME, &self.url, reply.status, &said)),
            Err(parse::Wrong::Shape(why)) if success => Err(http::not_the_api(NAME, &self.url, &why)),
            Ok(_) | Err(parse::Wrong::Shape(_)) => Err(http::refused(NAME, &self.url, reply.status, "")),
        }
    }
}
