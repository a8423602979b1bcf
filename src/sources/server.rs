//! `[[server]]`: a machine that the team names, with all that is known of how to reach it.
//!
//! It asks nothing itself. Each kind of source that can ask a named server makes its settings of one
//! ([`super::SourceKind::of_server`]), so that a server is described once, whoever looks at it.

use super::pace;
use crate::connect::http::BaseUrl;
use crate::connect::{Access, Endpoint};
use crate::domain::Server;
use crate::domain::alert::Labels;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// The example table, every key explained.
pub const EXAMPLE: &str = r#"# A server by name, any number of them. Everything but the name may be left out; what sources report about a server of this
# name or address is one row. An environment's file that has a [[server]] replaces all of them.
[[server]]
# The name shown, and how others know it: letters, digits and - _ .
name = "game-1"
# A host name or address, without a port, under which Prometheus and others know it.
address = "10.0.1.4"
# Where ssh finds it: a host, user@host, or anything that ~/.ssh/config knows. Asked for its figures, no agent needed.
ssh = "ops@game-1"
# Asked for its figures directly, where a node_exporter runs.
node_exporter = "http://10.0.1.4:9100/metrics"
# Files whose ends are logs, beside the journal: read on that machine (over ssh, or here when it is this one), from the root.
logs = ["/var/log/nginx/error.log"]
# What it is for, and more about it: shown, filtered by, and used to find what belongs to it.
roles = ["game"]
labels = { team = "core" }
# Must answer 200 to 299, else the server is DOWN.
health = "http://10.0.1.4:8080/health"
# JSON, of which some values become columns: name = JSON pointer (RFC 6901). Four columns are shown in the table.
status = { url = "http://10.0.1.4:8080/status", columns = { players = "/player_count", version = "/version" } }
# The engine of its containers, of [docker.NAME]: rollouts over servers find it by that. Absent: the one of the server's own name.
docker = "local"
# Addresses that runbooks use by name.
endpoints = { admin = "http://127.0.0.1:9000" }
# How health, status and node_exporter want to be asked, as in [prometheus.main].
access = { bearer = { env = "GAME_TOKEN" } }
# How often it is asked, 250ms to 1h, and when an answer is given up, 100ms to 5m; for all of the above. Absent: as each kind has it.
interval = "5s"
timeout = "3s"
"#;

/// One `[[server]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The name shown, and the name of each source that is made of it.
    #[serde(deserialize_with = "name")]
    #[schemars(with = "String")]
    pub name: String,
    /// Host name or address, without a port.
    pub address: Option<String>,
    /// What `ssh` is called with.
    #[serde(default, deserialize_with = "destination")]
    #[schemars(with = "Option<String>")]
    pub ssh: Option<String>,
    /// Where its node_exporter answers.
    pub node_exporter: Option<Endpoint>,
    /// Files that are logs.
    #[serde(default, deserialize_with = "files")]
    #[schemars(with = "Vec<String>")]
    pub logs: Vec<String>,
    /// What it is for.
    #[serde(default)]
    pub roles: Vec<String>,
    /// More about it.
    #[serde(default)]
    pub labels: Labels,
    /// An address that answers 2xx when all is well.
    pub health: Option<Endpoint>,
    /// An address that answers JSON, and what to take of it.
    pub status: Option<StatusSettings>,
    /// The engine of its containers, by the name in the config; absent: that of the server's own name.
    pub docker: Option<String>,
    /// Addresses for runbooks, by name.
    #[serde(default)]
    pub endpoints: BTreeMap<String, BaseUrl>,
    /// How its health, status and node_exporter addresses want to be asked.
    #[serde(default)]
    pub access: Access,
    /// Time from poll to poll of all its sources; absent: each kind's own.
    #[serde(default, deserialize_with = "interval")]
    #[schemars(with = "Option<pace::Length>")]
    pub interval: Option<Duration>,
    /// When a poll of any of its sources is given up; absent: each kind's own.
    #[serde(default, deserialize_with = "timeout")]
    #[schemars(with = "Option<pace::Length>")]
    pub timeout: Option<Duration>,
    /// The same as long as the file says the same of how it is reached and asked.
    #[serde(skip)]
    pub written: u64,
}

/// The `status` of a `[[server]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSettings {
    /// Where it answers.
    pub url: Endpoint,
    /// Name of the column → JSON pointer, in the order of the file.
    #[serde(deserialize_with = "columns")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub columns: Vec<(String, String)>,
}

impl ServerSettings {
    /// What is known of it before anybody answered: name, addresses, roles, labels; no figure.
    pub fn server(&self) -> Server {
        Server {
            name: self.name.clone(),
            addresses: self.address.iter().cloned().collect(),
            roles: self.roles.clone(),
            labels: self.labels.clone(),
            ..Server::default()
        }
    }
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    pace::interval(deserializer).map(Some)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    pace::timeout(deserializer).map(Some)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if name.is_empty() || !name.chars().all(plain) {
        let what = format!("{name:?} is no name for a server: write letters, digits and - _ . only");
        return Err(de::Error::custom(what));
    }
    Ok(name)
}

/// A destination that ssh can't take for an option.
fn destination<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || text.starts_with('-') || text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        let what = format!("{text:?} is no destination for ssh: write a host, user@host, or a Host of ~/.ssh/config");
        return Err(de::Error::custom(what));
    }
    Ok(Some(text))
}

/// Files from the root, without anything that a screen could not show.
fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let files = Vec::<String>::deserialize(deserializer)?;
    match files.iter().find(|file| !file.starts_with('/') || file.chars().any(char::is_control)) {
        None => Ok(files),
        Some(file) => Err(de::Error::custom(format!("{file:?} is no log file: write its path from the root"))),
    }
}

/// A table in the order of the file, which TOML's map loses: the places of its values tell.
fn columns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct InOrder;
    impl<'de> de::Visitor<'de> for InOrder {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a table of JSON pointers, as in { players = \"/player_count\" }")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut columns = Vec::new();
            while let Some((name, pointer)) = map.next_entry::<String, toml::Spanned<Pointer>>()? {
                columns.push((pointer.span().start, name, pointer.into_inner().0));
            }
            columns.sort_unstable();
            Ok(columns.into_iter().map(|(_, name, pointer)| (name, pointer)).collect())
        }
    }
    deserializer.deserialize_map(InOrder)
}

struct Pointer(String);

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.is_empty() && !text.starts_with('/') {
            let what = format!("{text:?} is no JSON pointer: write the path from the top, as in \"/player_count\"");
            return Err(de::Error::custom(what));
        }
        Ok(Self(text))
    }
}
