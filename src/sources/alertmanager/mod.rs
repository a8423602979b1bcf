//! An Alertmanager or a cluster of them: alerts with who or what holds them back, silences, groups, and how its members are.

mod cluster;
mod members;
mod parse;

use super::alerting::{Kept, Watchdog};
use super::{Part, Source, SourceKind, pace};
use crate::connect::http::BaseUrl;
use crate::connect::{Access, Connections, SiteSettings};
use crate::domain::{SourceError, SourceId, Subject};
use cluster::{Asked, Cluster};
use members::Holdings;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "alertmanager",
    doc: "The alerts of an Alertmanager, with what holds them back, and its silences.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[alertmanager.main]
# Where it is, or where the members of one cluster are: the first that answers is enough. Alertmanagers that do not gossip
# with each other get a table each.
urls = ["http://am-1:9093", "http://am-2:9093"]
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m; shared by all members.
timeout = "5s"
# The alert that always fires, by name or by labels: while it does not, alerting itself is shown as broken. Absent: none.
watchdog = "Watchdog"
# Labels that only tell the replicas of a Prometheus pair apart. Default: none.
replica_labels = ["replica"]
# How it wants to be asked: { user = "…", password = { env = "NAME" } } or { bearer = { file = "/path" } }; also headers = { … },
# ca (a PEM file trusted beside the system's), cert and key (our own). Absent: no login.
access = { user = "quarterdeck", password = { env = "ALERTMANAGER_PASSWORD" } }
"#;

/// `[alertmanager.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_url)]
pub struct Settings {
    /// Where its members are; `url` with one address will do.
    #[serde(default = "default_urls", alias = "url", deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore")]
    pub urls: Vec<BaseUrl>,
    /// Time from poll to poll.
    #[serde(default = "default_pace", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
    /// The alert that always fires.
    #[schemars(with = "Option<String>")]
    pub watchdog: Option<Watchdog>,
    /// Labels that only tell replicas apart.
    #[serde(default)]
    pub replica_labels: Vec<String>,
    /// How its members want to be asked.
    #[serde(default)]
    pub access: Access,
}

/// As it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum OneOrMore {
    One(BaseUrl),
    More(Vec<BaseUrl>),
}

/// `url` is another name for `urls`.
fn with_url(schema: &mut Schema) {
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut)
        && let Some(urls) = properties.get("urls").cloned()
    {
        properties.insert("url".to_owned(), urls);
    }
}

fn default_urls() -> Vec<BaseUrl> {
    vec![BaseUrl::parse("http://localhost:9093").expect("a constant that a test reads")]
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BaseUrl>, D::Error> {
    struct Urls;
    impl<'de> Visitor<'de> for Urls {
        type Value = Vec<BaseUrl>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address, or a list of addresses")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            BaseUrl::parse(text).map(|url| vec![url]).map_err(E::custom)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut urls = Vec::new();
            while let Some(url) = list.next_element()? {
                urls.push(url);
            }
            if urls.is_empty() { Err(A::Error::custom("the list of addresses is empty: name one")) } else { Ok(urls) }
        }
    }
    deserializer.deserialize_any(Urls)
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Alerts, self.interval, self.timeout)]
    }

    fn site(&self) -> Option<SiteSettings> {
        let url = self.urls.first()?.clone();
        Some(SiteSettings { url, access: self.access.clone() })
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let table = format!("alertmanager.{}", id.name());
        self.urls.iter().try_for_each(|url| url.refuse_login(&table))?;
        // A member that hangs must leave time for the others.
        let share = self.timeout / u32::try_from(self.urls.len()).unwrap_or(u32::MAX);
        Ok(vec![Box::new(Cluster {
            web: connections.web(&self.access, &table)?,
            urls: self.urls.clone(),
            share,
            watchdog: self.watchdog.clone(),
            replica_labels: self.replica_labels.clone(),
            last: 0,
            kept: Kept::default(),
            silences: Asked::default(),
            groups: Asked::default(),
            ungrouped: HashSet::new(),
            members: Asked::default(),
            holdings: Holdings::default(),
            compared_at: None,
        })])
    }
}
