//! Alerts of an Alertmanager: which of them are silenced or inhibited, by whom, why and until when.
//!
//! The members of a cluster know the same; so they are asked in turn, beginning with the one that answered last, until
//! one does.

mod parse;

use super::{Part, Source, SourceKind, pace};
use crate::connect::Connections;
use crate::connect::http::{self, BaseUrl};
use crate::domain::{Alert, AlertReport, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "alertmanager",
    doc: "The alerts of an Alertmanager, with their silences.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[alertmanager.main]
# Where it is, or where the members of one cluster are: the first that answers is enough.
urls = ["http://am-1:9093", "http://am-2:9093"]
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m; shared by all members.
timeout = "5s"
"#;

/// `[alertmanager.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where its members are; `url` with one address will do.
    #[serde(default = "default_urls", alias = "url", deserialize_with = "one_or_more")]
    pub urls: Vec<BaseUrl>,
    /// Time from poll to poll.
    #[serde(default = "default_pace", deserialize_with = "pace::interval")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    pub timeout: Duration,
}

fn default_urls() -> Vec<BaseUrl> {
    vec![BaseUrl::parse("http://localhost:9093").expect("a constant that a test reads")]
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BaseUrl>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
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
    deserializer.deserialize_any(OneOrMore)
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Alerts, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let table = format!("alertmanager.{}", id.name());
        self.urls.iter().try_for_each(|url| url.refuse_login(&table))?;
        // A member that hangs must leave time for the others.
        let share = self.timeout / u32::try_from(self.urls.len()).unwrap_or(u32::MAX);
        Ok(vec![Box::new(Alertmanager { client: connections.http()?, urls: self.urls.clone(), share, last: 0 })])
    }
}

struct Alertmanager {
    client: reqwest::Client,
    urls: Vec<BaseUrl>,
    /// Each member's share of the timeout.
    share: Duration,
    /// The member that answered last.
    last: usize,
}

const NAME: &str = "Alertmanager";

#[async_trait]
impl Source for Alertmanager {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let mut failures: Vec<SourceError> = Vec::new();
        for turn in 0..self.urls.len() {
            let member = (self.last + turn) % self.urls.len();
            match self.ask(&self.urls[member]).await {
                Ok(alerts) => {
                    self.last = member;
                    return Ok(Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
                }
                Err(failure) => failures.push(failure),
            }
        }
        let hint = failures.first().map_or_else(String::new, |failure| failure.hint.clone());
        let what: Vec<String> = failures.into_iter().map(|failure| failure.what).collect();
        Err(SourceError::new(what.join("; "), hint))
    }
}

impl Alertmanager {
    async fn ask(&self, url: &BaseUrl) -> Result<Vec<Alert>, SourceError> {
        let body = self.get(url, "api/v2/alerts").await?;
        let wrong = |why: parse::Wrong| http::not_the_api(NAME, url, &why.0);
        let posted = parse::alerts(&body).map_err(wrong)?;
        // Silences that ended are listed for days: they are asked for only when one counts.
        let silences = if posted.iter().any(parse::Posted::is_silenced) {
            parse::silences(&self.get(url, "api/v2/silences").await?).map_err(wrong)?
        } else {
            parse::Silences::default()
        };
        Ok(posted.into_iter().map(|posted| posted.into_alert(&silences)).collect())
    }

    async fn get(&self, url: &BaseUrl, path: &str) -> Result<Vec<u8>, SourceError> {
        let reply = http::get(&self.client, NAME, url, path, self.share / 2).await?;
        if (200..300).contains(&reply.status) {
            Ok(reply.body)
        } else {
            Err(http::refused(NAME, url, reply.status, &parse::said(&reply.body)))
        }
    }
}
