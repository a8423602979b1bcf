//! SEE: one folder per kind of source. A source asks one service, and says what it found as a [`Snapshot`].
//!
//! A source owns its parsing and its protocol's rules. It must not know a pane, a key or a runbook, must not sleep
//! or spawn a poll of its own (the poller in `runtime/` paces it), and must never turn a failure into an empty list.
//! To add one: copy the smallest folder, add a `mod` line and a line in [`SOURCES`].

pub mod alerting;
pub mod alertmanager;
pub mod docker;
pub mod http_status;
pub mod local;
pub mod machine;
pub mod node_exporter;
pub mod pace;
pub mod postgres;
pub mod proc;
pub mod processes;
pub mod prometheus;
pub mod rates;
pub mod server;
pub mod ssh;

pub use server::ServerSettings;

use crate::connect::{Connections, SiteSettings};
use crate::domain::{Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::fmt;
use std::time::Duration;

/// Every kind there is, in the order of documentation. Config tables, help, the example config and `check` read it. Where
/// two kinds know the same figure of a server, that of the first is shown: those that ask the machine itself come first.
pub const SOURCES: &[SourceKind] = &[
    local::KIND,
    node_exporter::KIND,
    ssh::KIND,
    docker::KIND,
    prometheus::KIND,
    alertmanager::KIND,
    postgres::KIND,
    http_status::KIND,
];

/// A kind of source, as a registry line.
#[derive(Clone, Copy, Debug)]
pub struct SourceKind {
    /// The config table's name and the prefix of the ids: `docker` in `[docker.main]` and `docker/main`.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// An example table in TOML, every key explained; empty for a kind without tables of its own.
    pub example: &'static str,
    /// Reads its config table (unknown keys refused; the error carries the span); `None` for a kind without tables of its
    /// own, which asks only what a `[[server]]` names.
    pub read: Option<ReadSettings>,
    /// Describes that table for editors, as serde reads it.
    pub schema: Option<Describe>,
    /// What it asks of a server that the config names; `None` when it asks none.
    pub of_server: Option<OfServer>,
}

/// The settings that a kind makes of a `[[server]]`; `None` when that one has nothing for it.
pub type OfServer = fn(&ServerSettings) -> Option<Box<dyn Settings>>;

/// Reads one config table of a kind.
pub type ReadSettings = fn(toml::Spanned<toml::de::DeValue<'_>>) -> Result<Box<dyn Settings>, toml::de::Error>;

/// Describes one config table of a kind, as a JSON Schema.
pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// A kind's [`SourceKind::schema`], for settings that serde can read.
fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// A kind's [`SourceKind::read`], for settings that serde can read.
fn read<T>(table: toml::Spanned<toml::de::DeValue<'_>>) -> Result<Box<dyn Settings>, toml::de::Error>
where
    T: Settings + DeserializeOwned + 'static,
{
    Ok(Box::new(T::deserialize(table.into_deserializer())?))
}

/// The settings of one configured source.
pub trait Settings: fmt::Debug + Send + Sync {
    /// The feeds that this table makes, at least one: what each is about, how often to ask and how long to wait.
    fn parts(&self) -> Vec<Part>;
    /// Makes the sources, one for each part and in their order; registers what steps will need too (an engine, a database)
    /// under the same name. Connects lazily: an error here is one of configuration, not of reachability.
    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError>;
    /// The web service that runbooks ask as `on=KIND` where only one table of this kind is configured.
    fn site(&self) -> Option<SiteSettings> {
        None
    }
    /// What `quarterdeck check` should say about these settings beside errors, one sentence each (a login that may both read and act …).
    fn advice(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One feed of a configured source. Each is polled by itself, so that a slow question delays no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is appended to the source's id; `None` for its main part.
    pub suffix: Option<&'static str>,
    /// What it reports on.
    pub subject: Subject,
    /// How often to ask and how long to wait.
    pub pace: Pace,
}

impl Part {
    /// The only, or the main, part of a source.
    pub const fn main(subject: Subject, interval: Duration, timeout: Duration) -> Self {
        Self { suffix: None, subject, pace: Pace { interval, timeout } }
    }

    /// The id of its feed.
    pub fn id(&self, source: &SourceId) -> SourceId {
        self.suffix.map_or_else(|| source.clone(), |suffix| source.part(suffix))
    }
}

/// How a source is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time from the start of one poll to the start of the next.
    pub interval: Duration,
    /// A poll that takes longer is a failure.
    pub timeout: Duration,
}

/// A live source, owned by its poller's task.
#[async_trait]
pub trait Source: Send {
    /// What is asked and where, host and port, as in `PostgreSQL at db-1:5432`: said when it does not answer. Empty: its id says it.
    fn place(&self) -> String {
        String::new()
    }

    /// What can be told much sooner than [`Source::poll`] tells everything: asked once, before the first poll, where somebody waits at a
    /// screen. Cancelled as a poll is. The default tells nothing.
    async fn glance(&mut self) -> Result<Option<Snapshot>, SourceError> {
        Ok(None)
    }

    /// Asks once. Cancelled by the poller's timeout, so it must be safe to drop at any await.
    async fn poll(&mut self) -> Result<Snapshot, SourceError>;

    /// Resolves when the service itself says that something changed (an event stream): the poller then polls at
    /// once. Cancel-safe. The default never resolves.
    async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use toml::de::DeTable;

    /// Reads `text` as a whole config would: the first table of the first kind.
    fn first(text: &str) -> Result<(SourceKind, Box<dyn Settings>), toml::de::Error> {
        let root = DeTable::parse(text)?.into_inner();
        let (kind, named) = root.into_iter().next().unwrap();
        let kind = *SOURCES.iter().find(|known| known.name == kind.get_ref().as_ref()).unwrap();
        let toml::de::DeValue::Table(named) = named.into_inner() else { panic!("no table") };
        let (_, table) = named.into_iter().next().unwrap();
        (kind.read.unwrap())(table).map(|settings| (kind, settings))
    }

    /// Those that have tables of their own.
    fn tabled() -> impl Iterator<Item = &'static SourceKind> {
        SOURCES.iter().filter(|kind| kind.read.is_some())
    }

    #[test]
    fn every_example_is_read_by_its_own_kind_and_opens() {
        for known in tabled() {
            let (kind, settings) = first(known.example).unwrap();
            assert_eq!(kind.name, known.name);
            assert!(!known.doc.is_empty());
            assert!(settings.open(&SourceId::new(kind.name, "example"), &mut Connections::default()).is_ok());
        }
    }

    /// The example server has something for every kind that asks named servers.
    #[test]
    fn every_kind_that_asks_named_servers_makes_a_source_of_the_example() {
        let root = DeTable::parse(server::EXAMPLE).unwrap().into_inner();
        let servers = root.get("server").unwrap().get_ref();
        let table = servers.as_array().unwrap()[0].clone();
        let named = ServerSettings::deserialize(table.into_deserializer()).unwrap();
        for kind in SOURCES {
            assert_eq!(kind.read.is_none(), kind.example.is_empty(), "{}", kind.name);
            assert!(kind.read.is_some() || kind.of_server.is_some(), "nothing ever makes a {}", kind.name);
            let Some(of_server) = kind.of_server else { continue };
            let settings = of_server(&named).unwrap();
            assert!(settings.parts().iter().all(|part| part.subject == Subject::Servers && part.suffix.is_none()));
            let opened = settings.open(&SourceId::new(kind.name, &named.name), &mut Connections::default());
            assert_eq!(opened.unwrap().len(), settings.parts().len());
        }
    }

    #[test]
    fn an_empty_table_is_enough_for_every_kind() {
        for known in tabled() {
            let (_, settings) = first(&format!("[{}.local]\n", known.name)).unwrap();
            let parts = settings.parts();
            assert!(parts.iter().all(|part| part.pace.interval >= part.pace.timeout / 5));
            let mut connections = Connections::default();
            let opened = settings.open(&SourceId::new(known.name, "local"), &mut connections).unwrap();
            assert_eq!(opened.len(), parts.len());
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for known in tabled() {
            let text = format!("[{}.local]\ninterval = \"2\"\n", known.name);
            let error = first(&text).err().unwrap();
            assert!(error.message().starts_with("\"2\" is no length of time"), "{}", error.message());
            assert_eq!(&text[error.span().unwrap()], "\"2\"");
            let text = format!("[{}.local]\nintervall = \"2s\"\n", known.name);
            let error = first(&text).err().unwrap();
            assert!(error.message().starts_with("unknown field `intervall`"), "{}", error.message());
            assert_eq!(&text[error.span().unwrap()], "intervall");
        }
    }
}
