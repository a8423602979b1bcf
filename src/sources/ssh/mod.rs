//! A server's figures over SSH, with nothing installed there: one round trip for each poll.
//!
//! The probe (`probe.sh`) is a script for any POSIX shell with coreutils or busybox. It reads /proc, asks `df`, and changes
//! nothing. `df` hangs where a mounted filesystem does (a dead NFS server), so it comes last and with a limit: such a machine
//! still tells everything else, says that a filesystem hangs, and is not asked for its disks again for a minute, so that hanging
//! processes don't pile up.

mod parse;

use super::machine::{Filling, Growth, addresses, fullest_first};
use super::rates::Meter;
use super::{Part, ServerSettings, Source, SourceKind, pace};
use crate::clock;
use crate::connect::ssh::{Address, Ended, Job, Output};
use crate::connect::{Connections, Ssh};
use crate::domain::{Server, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "ssh",
    doc: "A server's figures over SSH: CPU, memory, disks, network, pressure, clock; nothing is installed there.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
    of_server: Some(of_server),
};

const EXAMPLE: &str = r#"[ssh.db-1]
# Where ssh finds it: a host, user@host, ssh://user@host:port, or an alias of ~/.ssh/config. Absent: the table's name.
host = "ops@db-1"
# A config of ssh to use instead of ~/.ssh/config, from the root or ~/. Default: none.
config = "~/.ssh/on-call"
# How often it is asked, 250ms to 1h.
interval = "5s"
# When an answer is given up, 100ms to 5m; connecting included.
timeout = "8s"
"#;

/// What runs there.
const PROBE: &str = include_str!("probe.sh");
/// Longest answer, in bytes; that of a machine with fifty filesystems is a tenth of it.
const LONGEST: usize = 256 << 10;
/// How long a machine whose `df` hung is not asked for its disks.
const SPARED: Duration = Duration::from_mins(1);

/// `[ssh.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it is; absent: the name of the table.
    #[serde(deserialize_with = "host")]
    #[schemars(with = "Option<String>")]
    pub host: Option<String>,
    /// A config of ssh other than `~/.ssh/config`.
    #[serde(deserialize_with = "config")]
    #[schemars(with = "Option<String>")]
    pub config: Option<PathBuf>,
    /// Time from poll to poll.
    #[serde(deserialize_with = "pace::interval")]
    #[schemars(with = "pace::Length")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(deserialize_with = "pace::timeout")]
    #[schemars(with = "pace::Length")]
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        // Longer than ssh itself waits for a connection, so that its own words about it are heard.
        Self { host: None, config: None, interval: Duration::from_secs(5), timeout: Duration::from_secs(8) }
    }
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address = Address::parse(&text).map_err(|error| D::Error::custom(format!("{}: {}", error.what, error.hint)))?;
    Ok(Some(address.as_str().to_owned()))
}

pub(super) fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Ok(Some(Path::new(&home).join(rest))),
        _ if text.starts_with('/') => Ok(Some(PathBuf::from(text))),
        _ => {
            Err(D::Error::custom(format!("{text:?} is not named from the root: write the whole path, or one from ~/")))
        }
    }
}

fn of_server(server: &ServerSettings) -> Option<Box<dyn super::Settings>> {
    let default = Settings::default();
    Some(Box::new(Settings {
        host: Some(server.ssh.clone()?),
        config: None,
        interval: server.interval.unwrap_or(default.interval),
        timeout: server.timeout.unwrap_or(default.timeout),
    }))
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Servers, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let host = self.host.as_deref().unwrap_or(id.name());
        let ssh = connections.add_ssh(host, self.config.as_deref())?;
        connections.name_host(id.name(), &ssh);
        // A little less than the poller's, so that it is this source that says what is wrong.
        let limit = self.timeout * 19 / 20;
        Ok(vec![Box::new(Remote { name: id.name().to_owned(), ssh, limit, past: Past::default() })])
    }
}

struct Remote {
    name: String,
    ssh: Arc<Ssh>,
    limit: Duration,
    past: Past,
}

/// What earlier answers are needed for.
#[derive(Default)]
struct Past {
    meter: Meter,
    filling: Filling,
    oom: Growth,
    /// Until then (monotonic) `df` is not asked.
    spared: Option<Duration>,
}

#[async_trait]
impl Source for Remote {
    fn place(&self) -> String {
        format!("SSH at {}", self.ssh.address())
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let now = clock::now();
        let spared = self.past.spared.is_some_and(|until| now.mono < until);
        let args = [if spared { "no" } else { "df" }];
        let output = self.ssh.run(&Job::script(PROBE, &args, self.limit).keep(LONGEST)).await?;
        let mut reading = self.understand(&output)?;
        if !spared {
            self.past.spared = reading.df_hangs.then(|| now.mono + SPARED);
        }
        reading.df_hangs |= spared;
        let server = self.past.server(&self.name, self.ssh.address().host(), reading, &output);
        Ok(Snapshot::Servers(vec![server]))
    }
}

impl Remote {
    /// What was told, when it is the whole answer or all but the disks.
    fn understand(&self, output: &Output) -> Result<parse::Reading, SourceError> {
        let address = self.ssh.address();
        let error = |why: String, hint: &str| Err(SourceError::new(format!("the server at {address} {why}"), hint));
        let text = String::from_utf8_lossy(&output.stdout);
        match (parse::reading(&text), output.ended) {
            _ if output.cut => error(
                format!("sent more than {} KiB instead of its figures", LONGEST >> 10),
                "look at what its login prints: `ssh HOST sh -c true` should print nothing",
            ),
            (Some(reading), _) if reading.complete || reading.df_hangs => Ok(reading),
            (_, Ended::GivenUp) => error(
                format!("took the command and did not answer within {:.1} s", self.limit.as_secs_f64()),
                "it hangs or is overloaded, or the network is cut: look at its console, or raise `timeout`",
            ),
            (Some(_), _) => error(
                "broke off in the middle of its answer".to_owned(),
                "it is asked again; see whether its memory is full",
            ),
            (None, ended) => error(
                format!("gave no figures: {}", said(output, ended)),
                "quarterdeck sends a script to `sh -s` there: the login needs a shell, not a forced command or nologin",
            ),
        }
    }
}

/// The first words of an answer that is none, or how the command ended.
fn said(output: &Output, ended: Ended) -> String {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let line = texts.iter().flat_map(|text| text.lines()).map(str::trim).find(|line| !line.is_empty());
    match (line, ended) {
        (Some(line), _) => format!("it says {:?}", line.chars().take(120).collect::<String>()),
        (None, Ended::Exit(code)) => format!("its shell ended with {code} and said nothing"),
        (None, Ended::Killed | Ended::GivenUp) => "its shell was killed".to_owned(),
    }
}

impl Past {
    fn server(&mut self, name: &str, host: &str, mut reading: parse::Reading, output: &Output) -> Server {
        let now = output.sent;
        let notes = notes(&reading);
        let rated = self.meter.rate(std::mem::take(&mut reading.counters));
        if !reading.disks.is_empty() {
            self.filling.judge(now.mono, &mut reading.disks);
            fullest_first(&mut reading.disks);
        }
        Server {
            name: name.to_owned(),
            addresses: addresses([Some(host), reading.hostname.as_deref(), reading.address.as_deref()]),
            cores: reading.cores,
            cpu: rated.cpu,
            memory: reading.memory,
            swap: reading.swap,
            load: reading.load,
            network: rated.network,
            disk_io: rated.disk_io,
            pressure: rated.pressure.or(reading.pressure),
            oom_kills: reading.oom_kills,
            oom_recent: reading.oom_kills.map(|kills| self.oom.recent(now.mono, kills)),
            clock_skew: reading.date.and_then(|date| output.ahead(date)),
            uptime: reading.uptime,
            system: reading.system,
            disks: reading.disks,
            notes,
            ..Server::default()
        }
    }
}

fn notes(reading: &parse::Reading) -> Vec<String> {
    let hangs = "df does not end there: a mounted filesystem hangs (a dead network mount?), so disks are not known";
    let linux = "it has no /proc as Linux has: most figures are not known";
    let no_proc = reading.memory.is_none() && reading.counters.cpu.is_none();
    [(reading.df_hangs, hangs), (no_proc, linux)]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, note)| note.to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
