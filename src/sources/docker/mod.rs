//! Containers of a Docker engine, or of Podman's service, which speaks the same language.
//!
//! Every poll lists all of them, and inspects only those that are new, changed, named by an event, or whose turn it is:
//! an inspection per container and poll would be a storm. State and health then come from the inspection, which is
//! fresher than the listing: right after an event the engine still lists the old state.
//!
//! What running containers use is read from this machine's own kernel where the engine runs on it (`cgroup`), and
//! asked of the engine otherwise, within bounds (`stats`).

mod cgroup;
mod events;
mod log;
mod meter;
mod parse;
mod stats;

use self::cgroup::{Direct, Target};
use self::events::{Changes, Events};
use self::meter::Figures;
use self::parse::{Details, Listed, Sign};
use self::stats::{Asked, Candidate, Running};
use super::{Part, Source, SourceKind, pace};
use crate::clock;
use crate::connect::docker::{Files, Place, Wanted};
use crate::connect::{Connections, Engine};
use crate::domain::{Container, ContainerState, Engine as Found, Health, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListContainersOptions;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use sysinfo::System;
use tokio::time::{Instant, timeout_at};

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "docker",
    doc: "The containers of a Docker or Podman engine, live by its event stream.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    schema: Some(super::schema::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[docker.local]
# Where the engine is: unix:///path, tcp://host:port or ssh://user@host. Absent: DOCKER_HOST, else the current Docker
# context, else unix:///var/run/docker.sock. In place of it a context may be named: context = "game-1".
host = "unix:///var/run/docker.sock"
# Certificates for tcp://; absent: plain. The authority that signed the engine's, and the one that we show with its key.
# tls = { ca = "/etc/quarterdeck/ca.pem", cert = "/etc/quarterdeck/cert.pem", key = "/etc/quarterdeck/key.pem" }
# For ssh://, a config of ssh to use instead of ~/.ssh/config, from the root or ~/.
# ssh_config = "~/.ssh/on-call"
# The server that it runs on, as the servers pane names it. Absent: the host named above, or this machine.
server = "bastion"
# How often it is asked, 250ms to 1h; what its events tell is shown at once.
interval = "2s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
"#;

/// Inspections under way at a time.
const AT_ONCE: usize = 8;
/// Longest time for the inspections of one poll: a far engine with many containers needs several polls for them.
const LONGEST: Duration = Duration::from_millis(1500);
/// After so many inspections that failed in one poll no more are asked for: the engine refuses them all.
const MOST_FAILED: usize = 8;
/// In this many polls every container is inspected once, changed or not.
const ROUND: usize = 30;

/// `[docker.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the engine is; absent: the environment or a Docker context decides.
    pub host: Option<String>,
    /// In place of the host: a Docker context.
    pub context: Option<String>,
    /// Certificates for `tcp://`.
    pub tls: Option<Files>,
    /// A config of ssh other than `~/.ssh/config`.
    #[serde(deserialize_with = "super::ssh::config")]
    #[schemars(with = "Option<String>")]
    pub ssh_config: Option<PathBuf>,
    /// The name of the server that it runs on.
    pub server: Option<String>,
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
        Self {
            host: None,
            context: None,
            tls: None,
            ssh_config: None,
            server: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
        }
    }
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Containers, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let wanted = Wanted {
            host: self.host.clone(),
            context: self.context.clone(),
            tls: self.tls.clone(),
            ssh_config: self.ssh_config.clone(),
            server: self.server.clone(),
        };
        let engine = connections.add_docker(Engine::open(id.name(), &wanted)?);
        let server = self.server.clone().or_else(|| server_of(&engine));
        Ok(vec![Box::new(Docker::new(engine, server, self.interval))])
    }

    fn advice(&self) -> Vec<String> {
        let host = self.host.as_deref().filter(|_| self.tls.is_none());
        let plain = host.and_then(|host| host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")));
        let is_near = |host: &str| ["127.", "localhost", "[::1]"].iter().any(|near| host.starts_with(near));
        let advice = |host| format!("{host} is reached without TLS: whoever is on the way may start containers there");
        plain.filter(|host| !is_near(host)).map(advice).into_iter().collect()
    }
}

/// The host that its address names; for a socket of this machine, this machine.
fn server_of(engine: &Engine) -> Option<String> {
    engine.place()?.server().map(str::to_owned).or_else(|| System::host_name().ok())
}

struct Docker {
    engine: Arc<Engine>,
    server: Option<String>,
    interval: Duration,
    /// Product and version, asked again when the engine may be another one.
    product: Option<String>,
    events: Events,
    direct: Direct,
    asked: Asked,
    /// What inspections told, with the listing's sign at that time.
    known: HashMap<Arc<str>, (Sign, Details)>,
    /// What the engine listed last, and when.
    listed: Option<(Instant, Vec<Listed>)>,
    /// What changed and was not inspected yet; kept over polls that fail.
    pending: Changes,
    /// Where the slow round stands.
    turn: usize,
}

#[async_trait]
impl Source for Docker {
    fn place(&self) -> String {
        self.engine.host().to_owned()
    }

    /// The listing alone. Inspections of all containers, and their figures, come with the first poll.
    async fn glance(&mut self) -> Result<Option<Snapshot>, SourceError> {
        let docker = self.engine.client().await?;
        let (version, listed) = tokio::try_join!(self.product(&docker), self.list(&docker))?;
        self.product = Some(version.clone());
        let containers = self.rows(&listed);
        Ok(Some(Snapshot::Containers(Found { version, server: self.server.clone(), containers, events: Vec::new() })))
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        // Before the listing: what changes after it gives a sign of its own.
        self.pending.merge(self.events.take());
        let docker = self.engine.client().await?;
        let version = self.version(&docker).await?;
        let now = Instant::now();
        let (at, mut listed, due) = match self.quick(now) {
            Some(quick) => quick,
            None => {
                let listed = self.list(&docker).await?;
                let due = self.due(&listed);
                (now, listed, due)
            }
        };
        let gone = self.inspect(&docker, &listed, due).await;
        listed.retain(|row| !gone.contains(&row.id));
        if at == now {
            self.measure(&docker, &listed).await;
        }
        let containers = self.rows(&listed);
        self.listed = Some((at, listed));
        let events = self.events.log();
        Ok(Snapshot::Containers(Found { version, server: self.server.clone(), containers, events }))
    }

    async fn changed(&mut self) {
        self.events.changed().await;
    }
}

fn no_id(host: &str) -> SourceError {
    SourceError::new(format!("{host} lists a container without an id"), "is it really a Docker engine?")
}

async fn inspect(
    docker: &bollard::Docker,
    at: usize,
    id: Arc<str>,
) -> (usize, Result<ContainerInspectResponse, Error>) {
    (at, docker.inspect_container(&id, None).await)
}

impl Docker {
    fn new(engine: Arc<Engine>, server: Option<String>, interval: Duration) -> Self {
        Self {
            events: Events::new(Arc::clone(&engine)),
            engine,
            server,
            interval,
            product: None,
            direct: Direct::default(),
            asked: Asked::default(),
            known: HashMap::new(),
            listed: None,
            pending: Changes::default(),
            turn: 0,
        }
    }

    async fn version(&mut self, docker: &bollard::Docker) -> Result<String, SourceError> {
        match &self.product {
            Some(product) if !self.pending.all => Ok(product.clone()),
            _ => {
                let product = self.product(docker).await?;
                Ok(self.product.insert(product).clone())
            }
        }
    }

    async fn product(&self, docker: &bollard::Docker) -> Result<String, SourceError> {
        match docker.version().await {
            Ok(version) => Ok(parse::product(&version)),
            Err(error) => Err(self.engine.understand("version", &error).await),
        }
    }

    async fn list(&self, docker: &bollard::Docker) -> Result<Vec<Listed>, SourceError> {
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        match docker.list_containers(Some(options)).await {
            Ok(answer) => {
                let listed: Option<Vec<Listed>> = answer.into_iter().map(parse::listed).collect();
                listed.ok_or_else(|| no_id(self.engine.host()))
            }
            Err(error) => Err(self.engine.understand("list of containers", &error).await),
        }
    }

    /// When events name only containers of a listing that is not older than the interval, asking about these is enough, and quick: the
    /// listing with when it was made, and whom to ask about. Taken out of `self`: a poll that is given up is followed by a listing.
    fn quick(&mut self, now: Instant) -> Option<(Instant, Vec<Listed>, Vec<usize>)> {
        let (at, listed) = self.listed.take().filter(|(at, _)| now.duration_since(*at) < self.interval)?;
        let named = |row: &Listed| self.pending.ids.contains(&*row.id);
        let due: Vec<usize> = (0..listed.len()).filter(|index| named(&listed[*index])).collect();
        let enough = !self.pending.all && !due.is_empty() && due.len() == self.pending.ids.len();
        enough.then_some((at, listed, due))
    }

    /// Inspects what has to be; returns the ids that the engine does not know any more. What there was no time for, or
    /// can't be inspected, stays pending, and its row shows what the listing tells.
    async fn inspect(&mut self, docker: &bollard::Docker, listed: &[Listed], due: Vec<usize>) -> HashSet<Arc<str>> {
        // One by one from here on: a poll that is given up half way through was not for nothing.
        self.pending = Changes { all: false, ids: due.iter().map(|at| listed[*at].id.to_string()).collect() };
        let asked = due.into_iter().map(|at| inspect(docker, at, Arc::clone(&listed[at].id)));
        let mut answers = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        let (mut gone, mut failed, end) = (HashSet::new(), 0, Instant::now() + LONGEST);
        while failed <= MOST_FAILED {
            let Ok(Some((at, answer))) = timeout_at(end, answers.next()).await else { break };
            let row = &listed[at];
            match answer {
                Ok(inspect) => {
                    self.known.insert(Arc::clone(&row.id), (row.sign, parse::details(&inspect)));
                }
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                    gone.insert(Arc::clone(&row.id));
                }
                Err(_) => {
                    self.known.remove(&row.id);
                    failed += 1;
                    continue;
                }
            }
            self.pending.ids.remove(&*row.id);
        }
        drop(answers);
        let there: HashSet<&Arc<str>> = listed.iter().map(|row| &row.id).collect();
        self.known.retain(|id, _| !gone.contains(id) && there.contains(id));
        gone
    }

    /// The indices of the rows to inspect.
    fn due(&mut self, listed: &[Listed]) -> Vec<usize> {
        let share = listed.len().div_ceil(ROUND);
        let first = if self.turn < listed.len() { self.turn } else { 0 };
        self.turn = first + share;
        let changed = |row: &Listed| {
            self.pending.all
                || self.pending.ids.contains(&*row.id)
                || self.known.get(&row.id).is_none_or(|(sign, _)| *sign != row.sign)
        };
        let in_turn = |at: usize| (first..first + share).contains(&at);
        (0..listed.len()).filter(|at| in_turn(*at) || changed(&listed[*at])).collect()
    }

    /// Reads what the running ones use: directly where the engine's kernel is ours, else from the engine.
    async fn measure(&mut self, docker: &bollard::Docker, listed: &[Listed]) {
        let is_running = |row: &&Listed| {
            let state = self.known.get(&row.id).map_or(row.sign.state, |(_, details)| details.state);
            state == ContainerState::Running
        };
        let running: Vec<Target> = listed.iter().filter(is_running).map(|row| self.target(row)).collect();
        if matches!(self.engine.place(), Some(Place::Unix(_))) {
            self.read(running.clone()).await;
        }
        let unread = running.into_iter().filter(|target| self.direct.figures(&target.key).is_none());
        let candidates: Vec<Candidate> = unread.map(|target| self.candidate(target.key)).collect();
        self.asked.follow(docker, &candidates);
    }

    /// In a thread of its own: the kernel may take a while to add its counters up.
    async fn read(&mut self, running: Vec<Target>) {
        let mut direct = std::mem::take(&mut self.direct);
        let now = clock::now().mono;
        let read = tokio::task::spawn_blocking(move || {
            direct.read(&running, now);
            direct
        });
        self.direct = read.await.unwrap_or_default();
    }

    fn target(&self, row: &Listed) -> Target {
        let details = self.known.get(&row.id).map(|(_, details)| details);
        Target {
            key: self.running(row),
            pid: details.and_then(|details| details.pid),
            host_network: details.is_some_and(|details| details.host_network),
        }
    }

    fn candidate(&self, key: Running) -> Candidate {
        let now = clock::now().wall;
        let bad = self
            .known
            .get(&key.0)
            .is_some_and(|(_, details)| details.health == Health::Unhealthy || parse::restarted_lately(details, now));
        Candidate { key, bad }
    }

    fn running(&self, row: &Listed) -> Running {
        (Arc::clone(&row.id), self.known.get(&row.id).and_then(|(_, details)| details.started_at))
    }

    fn figures(&self, key: &Running) -> Option<Figures> {
        self.direct.figures(key).or_else(|| self.asked.figures(key))
    }

    fn rows(&self, listed: &[Listed]) -> Vec<Container> {
        let mut rows: Vec<Container> = listed.iter().map(|row| self.row(row)).collect();
        Container::expect_services(&mut rows);
        rows
    }

    fn row(&self, listed: &Listed) -> Container {
        let figures = self.figures(&self.running(listed));
        let details = self.known.get(&listed.id).map(|(_, details)| details);
        parse::container(listed.clone(), details, figures, clock::now().wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerSummary;

    fn docker() -> Docker {
        Docker::new(
            Arc::new(Engine::new("a", Some("unix:///nowhere/docker.sock")).unwrap()),
            None,
            Duration::from_secs(2),
        )
    }

    fn rows(count: usize) -> Vec<Listed> {
        let summary = |at: usize| ContainerSummary { id: Some(format!("{at:064x}")), ..ContainerSummary::default() };
        (0..count).map(|at| parse::listed(summary(at)).unwrap()).collect()
    }

    fn learn(docker: &mut Docker, rows: &[Listed]) {
        docker.known.extend(rows.iter().map(|row| (Arc::clone(&row.id), (row.sign, Details::default()))));
    }

    #[test]
    fn new_ones_are_inspected_and_then_a_few_in_turn() {
        let (mut docker, rows) = (docker(), rows(100));
        assert_eq!(docker.due(&rows).len(), 100);
        learn(&mut docker, &rows);
        let mut seen = HashSet::new();
        docker.turn = 0;
        for _ in 0..ROUND {
            let due = docker.due(&rows);
            assert!(due.len() <= 4, "{}", due.len());
            seen.extend(due);
        }
        assert_eq!(seen.len(), 100, "a round reaches all of them");
    }

    #[test]
    fn changed_ones_and_those_that_an_event_named_are_inspected() {
        let (mut docker, mut rows) = (docker(), rows(100));
        learn(&mut docker, &rows);
        docker.turn = 0;
        rows[50].sign.state = ContainerState::Exited;
        docker.pending.ids.insert(rows[60].id.to_string());
        let due = docker.due(&rows);
        assert!(due.contains(&50) && due.contains(&60) && due.len() <= 6, "{due:?}");
        docker.pending.all = true;
        assert_eq!(docker.due(&rows).len(), 100);
    }

    #[test]
    fn known_containers_that_events_name_are_asked_about_without_a_listing() {
        let (mut docker, rows, now) = (docker(), rows(100), Instant::now());
        let quick = |docker: &mut Docker, ids: &[&str], later: Duration| {
            docker.listed = Some((now, rows.clone()));
            docker.pending.ids = ids.iter().map(|id| (*id).to_owned()).collect();
            docker.quick(now + later).map(|(_, _, due)| due)
        };
        let (third, soon) = (rows[3].id.to_string(), Duration::from_millis(10));
        assert_eq!(quick(&mut docker, &[&third], soon), Some(vec![3]));
        assert_eq!(quick(&mut docker, &[], soon), None, "nothing is named: it is time for a listing");
        assert_eq!(quick(&mut docker, &[&third, "new"], soon), None, "one is not in the listing");
        assert_eq!(quick(&mut docker, &[&third], Duration::from_secs(2)), None, "the listing is old");
        docker.pending.all = true;
        assert_eq!(quick(&mut docker, &[&third], soon), None, "any may have changed");
    }

    #[test]
    fn an_engine_without_tls_is_advised_against_but_on_this_machine() {
        use super::super::Settings as _;
        let advice = |host: &str| Settings { host: Some(host.to_owned()), ..Settings::default() }.advice();
        assert_eq!(advice("tcp://game-1:2375").len(), 1);
        for host in ["tcp://127.0.0.1:2375", "unix:///var/run/docker.sock", "ssh://game-1"] {
            assert!(advice(host).is_empty(), "{host}");
        }
    }

    #[test]
    fn no_containers_are_no_trouble() {
        assert!(docker().due(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_a_failure_and_no_empty_list() {
        let error = docker().poll().await.unwrap_err();
        assert!(error.what.starts_with("no Docker engine answers at unix:///nowhere/docker.sock"), "{}", error.what);
    }
}
