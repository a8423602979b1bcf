//! Alerts of a Prometheus, firing and pending, with the value of their expression.

mod parse;

use super::{Part, Source, SourceKind, pace};
use crate::connect::Connections;
use crate::connect::http::{self, BaseUrl};
use crate::domain::{AlertReport, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use serde::Deserialize;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "prometheus",
    doc: "The alerts of a Prometheus, firing and pending.",
    example: EXAMPLE,
    read: super::read::<Settings>,
};

const EXAMPLE: &str = r#"[prometheus.main]
# Where it is, with its path prefix if it has one.
url = "http://prometheus:9090"
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
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
}

fn default_url() -> BaseUrl {
    BaseUrl::parse("http://localhost:9090").expect("a constant that a test reads")
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Alerts, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        self.url.refuse_login(&format!("prometheus.{}", id.name()))?;
        Ok(vec![Box::new(Prometheus { client: connections.http()?, url: self.url.clone(), timeout: self.timeout })])
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
