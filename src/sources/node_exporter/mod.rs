//! A server's figures from the node_exporter that runs on it, asked directly: without a Prometheus, or when that one is down.
//!
//! Asked for are the collectors that are needed, which spares the machine the others (`collect[]`). An exporter in which one of
//! them is switched off refuses that, and is asked for everything from then on.

mod parse;

use super::machine::{Filling, Growth, addresses, fullest_first};
use super::rates::Meter;
use super::{Part, ServerSettings, Source, SourceKind, pace};
use crate::clock;
use crate::connect::http::{self, BaseUrl, Reply};
use crate::connect::{Access, Connections, Endpoint, Web};
use crate::domain::{Now, Server, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "node_exporter",
    doc: "A server's figures from its node_exporter, asked directly.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
    of_server: Some(of_server),
};

const EXAMPLE: &str = r#"[node_exporter.db-1]
# Where it answers. With a query of your own (?collect[]=…) only that is asked for.
url = "http://db-1:9100/metrics"
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
# How it wants to be asked: { user = "…", password = { env = "NAME" } } or { bearer = { file = "/path" } }; also headers = { … },
# ca (a PEM file trusted beside the system's), cert and key (our own). Absent: no login.
access = { user = "quarterdeck", password = { env = "EXPORTER_PASSWORD" } }
"#;

/// `[node_exporter.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it answers.
    #[serde(default = "default_url")]
    pub url: Endpoint,
    /// Time from poll to poll.
    #[serde(default = "default_pace", deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(default = "default_pace", deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
    /// How it wants to be asked.
    #[serde(default)]
    pub access: Access,
}

fn default_url() -> Endpoint {
    Endpoint::parse("http://localhost:9100/metrics").expect("a constant that a test reads")
}

fn default_pace() -> Duration {
    Duration::from_secs(5)
}

fn of_server(server: &ServerSettings) -> Option<Box<dyn super::Settings>> {
    Some(Box::new(Settings {
        url: server.node_exporter.clone()?,
        interval: server.interval.unwrap_or_else(default_pace),
        timeout: server.timeout.unwrap_or_else(default_pace),
        access: server.access.clone(),
    }))
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Servers, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let table = format!("node_exporter.{}", id.name());
        self.url.refuse_login(&table)?;
        let base = BaseUrl::parse(&self.url.to_string())
            .map_err(|why| SourceError::new(why, "write where its node_exporter answers"))?;
        Ok(vec![Box::new(Exporter {
            name: id.name().to_owned(),
            web: connections.web(&self.access, &table)?,
            url: self.url.clone(),
            base,
            // A little less than the poller's, so that it is this source that says what is wrong.
            limit: self.timeout * 19 / 20,
            all: self.url.url().query().is_some(),
            past: Past::default(),
        })])
    }
}

const NAME: &str = "node_exporter";

struct Exporter {
    name: String,
    web: Web,
    url: Endpoint,
    /// The address as it is shown.
    base: BaseUrl,
    limit: Duration,
    /// It is asked for everything that it has.
    all: bool,
    past: Past,
}

/// What earlier answers are needed for.
#[derive(Default)]
struct Past {
    meter: Meter,
    filling: Filling,
    oom: Growth,
}

#[async_trait]
impl Source for Exporter {
    fn place(&self) -> String {
        format!("node_exporter at {}", self.base)
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let (reply, sent, came) = self.ask().await?;
        let text = String::from_utf8_lossy(&reply.body);
        if !(200..300).contains(&reply.status) {
            return Err(http::refused(NAME, &self.base, reply.status, first_line(&text)));
        }
        let reading = parse::reading(&text).map_err(|wrong| self.explain(wrong))?;
        let server = self.past.server(&self.name, self.url.host(), reading, (sent, came));
        Ok(Snapshot::Servers(vec![server]))
    }
}

impl Exporter {
    /// Asks, and once more for everything when the choice of collectors is refused.
    async fn ask(&mut self) -> Result<(Reply, Now, Now), SourceError> {
        let answer = self.get().await?;
        if self.all || answer.0.status != 400 {
            return Ok(answer);
        }
        self.all = true;
        self.get().await
    }

    async fn get(&self) -> Result<(Reply, Now, Now), SourceError> {
        let url = if self.all { self.url.url().clone() } else { chosen(self.url.url().clone()) };
        let sent = clock::now();
        let reply = http::send(&self.web, self.web.get(url).timeout(self.limit), NAME, &self.base).await?;
        Ok((reply, sent, clock::now()))
    }

    fn explain(&self, wrong: parse::Wrong) -> SourceError {
        match wrong {
            parse::Wrong::NotOne => {
                http::not_the_api(NAME, &self.base, "nothing in the answer is a figure of a machine")
            }
            parse::Wrong::Cut => SourceError::new(
                format!("the answer of {NAME} at {} breaks off in the middle of a line", self.base),
                "it is asked again; see whether it, or a proxy before it, is restarted or limits answers",
            ),
        }
    }
}

fn chosen(mut url: Url) -> Url {
    url.query_pairs_mut().extend_pairs(parse::COLLECTORS.iter().map(|collector| ("collect[]", collector)));
    url
}

/// What an error page begins with, when it is text.
fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default().trim();
    if line.starts_with('<') || line.len() > 200 { "" } else { line }
}

impl Past {
    fn server(&mut self, name: &str, host: &str, mut reading: parse::Reading, (sent, came): (Now, Now)) -> Server {
        let mut counters = std::mem::take(&mut reading.counters);
        // Halfway between question and answer, by our own clock: theirs may be set in between.
        counters.at = sent.mono + came.since(sent) / 2;
        let rated = self.meter.rate(counters);
        self.filling.judge(came.mono, &mut reading.disks);
        fullest_first(&mut reading.disks);
        let [one, five, fifteen] = reading.load;
        Server {
            name: name.to_owned(),
            addresses: addresses([Some(host), reading.hostname.as_deref()]),
            cores: reading.cores,
            cpu: rated.cpu,
            memory: reading.memory,
            swap: reading.swap,
            load: one.zip(five).zip(fifteen).map(|((one, five), fifteen)| [one, five, fifteen]),
            network: rated.network,
            disk_io: rated.disk_io,
            pressure: rated.pressure,
            oom_kills: reading.oom_kills,
            oom_recent: reading.oom_kills.map(|kills| self.oom.recent(came.mono, kills)),
            clock_skew: reading.time.map(|time| time - middle(sent, came)),
            uptime: reading.uptime(),
            notes: notes(&reading),
            system: reading.system,
            disks: reading.disks,
            ..Server::default()
        }
    }
}

/// The middle of the round trip by our wall clock, in seconds since 1970.
fn middle(sent: Now, came: Now) -> f64 {
    sent.wall.as_nanosecond() as f64 / 1e9 + came.since(sent).as_secs_f64() / 2.0
}

fn notes(reading: &parse::Reading) -> Vec<String> {
    let failed = (!reading.failed.is_empty())
        .then(|| format!("its node_exporter could not collect {}: its log says why", reading.failed.join(", ")));
    let unreadable = (!reading.unreadable.is_empty())
        .then(|| format!("its node_exporter can't read the filesystem at {}", reading.unreadable.join(", ")));
    failed.into_iter().chain(unreadable).collect()
}

#[cfg(test)]
mod tests;
