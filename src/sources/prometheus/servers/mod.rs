//! The servers whose node_exporter a Prometheus scrapes, by PromQL alone: Thanos, Mimir and VictoriaMetrics answer as well.
//!
//! Three questions a poll, however many servers there are: who is up, the gauges, and what must be computed (rates, slopes,
//! differences). Where somebody is down, the targets are asked for the reason, and a server that does not tell reasons does
//! not matter. A target that went down keeps its name and its row for as long as Prometheus wants to scrape it.

mod fold;
mod queries;

use crate::clock;
use crate::connect::Prometheus;
use crate::domain::alert::Labels;
use crate::domain::{Now, Snapshot, SourceError, SourceId};
use crate::sources::Source;
use async_trait::async_trait;
use fold::Known;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The part's name: `prometheus/main/servers`.
pub const PART: &str = "servers";

/// The reasons of those who are down are asked for again after this long.
const REASONS: Duration = Duration::from_mins(1);

/// Longest wait for reasons: what is known already must not wait for why.
const PATIENCE: Duration = Duration::from_secs(1);

/// `servers` of a `[prometheus.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// `false`: none.
    No,
    /// `true`, the default: those of every job in which a node_exporter answers.
    #[default]
    All,
    /// The targets that these matchers select, without braces.
    Only(String),
}

/// As it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
pub enum Written {
    /// All, or none.
    All(bool),
    /// Matchers of targets.
    Only(String),
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WantedVisitor)
    }
}

struct WantedVisitor;

impl de::Visitor<'_> for WantedVisitor {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or which targets are servers, as in 'job=\"node\"'")
    }

    fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Wanted, E> {
        Ok(if yes { Wanted::All } else { Wanted::No })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Wanted, E> {
        let matchers = text.trim().trim_start_matches('{').trim_end_matches('}').trim().trim_end_matches(',');
        let plausible = matchers.contains('=') && matchers.ends_with('"') && !matchers.contains(['{', '}', '\n']);
        if plausible {
            return Ok(Wanted::Only(matchers.to_owned()));
        }
        Err(E::custom(format!("{text:?} selects no targets: write matchers, as in 'job=\"node\"'")))
    }
}

/// Asks one Prometheus for servers.
pub struct Servers {
    /// `prometheus/main`: where the past of the figures is asked.
    source: SourceId,
    prometheus: Arc<Prometheus>,
    queries: queries::Queries,
    /// Every target is wanted, whether it has figures or not.
    chosen: bool,
    known: BTreeMap<Labels, Known>,
    reasons: Reasons,
}

/// Why targets are down, as of when it was asked, and who was down then.
#[derive(Default)]
struct Reasons {
    of: BTreeMap<(String, String), String>,
    asked: Option<(Now, BTreeSet<Labels>)>,
}

impl Servers {
    /// Of `[prometheus.NAME]`, `source`; `None` when no servers are wanted.
    pub fn new(source: &SourceId, prometheus: Arc<Prometheus>, wanted: &Wanted) -> Option<Self> {
        let matchers = match wanted {
            Wanted::No => return None,
            Wanted::All => "",
            Wanted::Only(matchers) => matchers,
        };
        let queries = queries::Queries::new(matchers);
        let (source, chosen) = (source.clone(), !matchers.is_empty());
        Some(Self { source, prometheus, queries, chosen, known: BTreeMap::new(), reasons: Reasons::default() })
    }

    /// Asks the targets why some are down, when others are down than before or a while has passed.
    async fn ask_reasons(&mut self, down: BTreeSet<Labels>) {
        let now = clock::now();
        let recent = |(at, of): &(Now, BTreeSet<Labels>)| now.since(*at) < REASONS && *of == down;
        if down.is_empty() || self.reasons.asked.as_ref().is_some_and(recent) {
            return;
        }
        let parameters = [("state", "active")];
        // Who does not know this path, or does not answer, leaves the reason unknown and no more.
        let asked = self.prometheus.ask_if_known::<fold::Targets>("targets", &parameters);
        if let Ok(Ok(Some(answer))) = tokio::time::timeout(PATIENCE, asked).await {
            self.reasons.of = answer.data.reasons();
        }
        self.reasons.asked = Some((now, down));
    }
}

#[async_trait]
impl Source for Servers {
    fn place(&self) -> String {
        format!("Prometheus at {}", self.prometheus.base())
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let prometheus = Arc::clone(&self.prometheus);
        let queries = &self.queries;
        let (up, gauges, computed) = tokio::join!(
            prometheus.ask_many(&queries.up),
            prometheus.ask_many(&queries.gauges),
            prometheus.ask_many(&queries.computed)
        );
        let (up, gauges) = (up?, gauges?);
        let mut told = fold::Told::default();
        let mut notes = prometheus.each(&up, |series| told.up(&series))?;
        notes.extend(prometheus.each(&gauges, |series| told.gauge(&series))?);
        drop((up, gauges));
        // Without the rates there are still those who are down, and the gauges. What is half read counts for nothing.
        let computed = computed.and_then(|reply| prometheus.each(&reply, |series| told.compute(&series)));
        match computed {
            Ok(warnings) => notes.extend(warnings),
            Err(error) => {
                told.forget_computed();
                notes.push(format!("CPU, network and all else that must be computed is not known: {}", error.what));
            }
        }
        self.ask_reasons(told.down()).await;
        notes.sort_unstable();
        notes.dedup();
        let servers = told.servers(&self.reasons.of, &mut self.known, self.chosen, &self.source, &notes);
        Ok(Snapshot::Servers(servers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Wanted, String> {
        #[derive(Deserialize)]
        struct Table {
            servers: Wanted,
        }
        toml::from_str::<Table>(text).map(|table| table.servers).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn servers_are_all_none_or_those_that_matchers_select() {
        assert_eq!(wanted("servers = true"), Ok(Wanted::All));
        assert_eq!(wanted("servers = false"), Ok(Wanted::No));
        for text in ["servers = 'job=\"node\"'", "servers = '{job=\"node\",}'", "servers = ' job=\"node\" '"] {
            assert_eq!(wanted(text), Ok(Wanted::Only("job=\"node\"".to_owned())), "{text}");
        }
        assert_eq!(
            wanted("servers = 'node'"),
            Err("\"node\" selects no targets: write matchers, as in 'job=\"node\"'".to_owned())
        );
        assert!(wanted("servers = 'job=\"a\"} or up{x=\"\"'").is_err());
        assert!(wanted("servers = 3").unwrap_err().contains("expected true, false, or which targets are servers"));
    }
}
