//! Containers of a Docker engine.
//!
//! Every poll lists all of them, and inspects only those that are new, changed, named by an event, or whose turn it is:
//! an inspection per container and poll would be a storm. State and health then come from the inspection, which is
//! fresher than the listing: right after an event the engine still lists the old state.

mod events;
mod parse;
mod stats;

use self::events::{Changes, Events};
use self::parse::{Details, Listed, Sign};
use self::stats::Streams;
use super::{Part, Source, SourceKind, pace};
use crate::connect::{Connections, Engine};
use crate::domain::{Container, ContainerState, Engine as Found, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListContainersOptions;
use futures_util::StreamExt;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "docker",
    doc: "The containers of a Docker engine, live by its event stream.",
    example: EXAMPLE,
    read: Some(super::read::<Settings>),
    of_server: None,
};

const EXAMPLE: &str = r#"[docker.local]
# Where the engine is: unix:///path or tcp://host:port. Absent: DOCKER_HOST, else unix:///var/run/docker.sock.
host = "unix:///var/run/docker.sock"
# How often it is asked, 250ms to 1h; what its events tell is shown at once.
interval = "2s"
# When an answer is given up, 100ms to 5m.
timeout = "5s"
"#;

/// Inspections under way at a time.
const AT_ONCE: usize = 8;
/// In this many polls every container is inspected once, changed or not.
const ROUND: usize = 30;

/// `[docker.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the engine is; absent: `DOCKER_HOST`, else the usual socket.
    pub host: Option<String>,
    /// Time from poll to poll.
    #[serde(deserialize_with = "pace::interval")]
    pub interval: Duration,
    /// When a poll is given up.
    #[serde(deserialize_with = "pace::timeout")]
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { host: None, interval: Duration::from_secs(2), timeout: Duration::from_secs(5) }
    }
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Containers, self.interval, self.timeout)]
    }

    fn open(&self, id: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let engine = connections.add_docker(Engine::new(id.name(), self.host.as_deref())?);
        Ok(vec![Box::new(Docker::new(engine))])
    }
}

struct Docker {
    engine: Arc<Engine>,
    events: Events,
    streams: Streams,
    /// What inspections told, with the listing's sign at that time.
    known: HashMap<Arc<str>, (Sign, Details)>,
    /// What changed and was not inspected yet; kept over polls that fail.
    pending: Changes,
    /// Where the slow round stands.
    turn: usize,
}

#[async_trait]
impl Source for Docker {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        // Before the listing: what changes after it gives a sign of its own.
        self.pending.merge(self.events.take());
        let docker = self.engine.client().await?;
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let answer = docker.list_containers(Some(options)).await;
        let answer = answer.map_err(|error| self.engine.explain("list of containers", &error))?;
        let listed: Option<Vec<Listed>> = answer.into_iter().map(parse::listed).collect();
        let mut listed = listed.ok_or_else(|| no_id(self.engine.host()))?;
        let gone = self.inspect(&docker, &listed).await;
        listed.retain(|row| !gone.contains(&row.id));
        self.follow(&docker, &listed);
        let containers = listed.into_iter().map(|row| self.row(row)).collect();
        Ok(Snapshot::Containers(Found { containers, ..Found::default() }))
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
    fn new(engine: Arc<Engine>) -> Self {
        let events = Events::new(Arc::clone(&engine));
        let (streams, known, pending) = (Streams::default(), HashMap::new(), Changes::default());
        Self { engine, events, streams, known, pending, turn: 0 }
    }

    /// Inspects what has to be; returns the ids that the engine does not know any more. One that can't be inspected
    /// stays pending, and its row shows what the listing tells.
    async fn inspect(&mut self, docker: &bollard::Docker, listed: &[Listed]) -> HashSet<Arc<str>> {
        let asked = self.due(listed).into_iter().map(|at| inspect(docker, at, Arc::clone(&listed[at].id)));
        let answers: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let (mut gone, mut failed) = (HashSet::new(), HashSet::new());
        for (at, answer) in answers {
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
                    failed.insert(row.id.to_string());
                }
            }
        }
        self.pending = Changes { all: false, ids: failed };
        self.known.retain(|id, _| !gone.contains(id) && listed.iter().any(|row| row.id == *id));
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

    fn follow(&mut self, docker: &bollard::Docker, listed: &[Listed]) {
        let is_running = |row: &&Listed| {
            let state = self.known.get(&row.id).map_or(row.sign.state, |(_, details)| details.state);
            state == ContainerState::Running
        };
        let running = listed.iter().filter(is_running).map(|row| self.running(row)).collect();
        self.streams.follow(docker, running);
    }

    fn running(&self, row: &Listed) -> stats::Running {
        (Arc::clone(&row.id), self.known.get(&row.id).and_then(|(_, details)| details.started_at))
    }

    fn row(&self, listed: Listed) -> Container {
        let figures = self.streams.figures(&self.running(&listed));
        let details = self.known.get(&listed.id).map(|(_, details)| details);
        parse::container(listed, details, figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerSummary;

    fn docker() -> Docker {
        Docker::new(Arc::new(Engine::new("a", Some("unix:///nowhere/docker.sock")).unwrap()))
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
    fn no_containers_are_no_trouble() {
        assert!(docker().due(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_a_failure_and_no_empty_list() {
        let error = docker().poll().await.unwrap_err();
        assert!(error.what.starts_with("no Docker engine answers at unix:///nowhere/docker.sock"), "{}", error.what);
    }
}
