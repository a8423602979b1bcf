//! CPU and memory of the running containers, from one statistics stream each.
//!
//! A one-shot question takes the engine a second or two; a stream costs it one reading a second. The tasks belong to
//! [`Streams`]: they end with the container, and with the source.

use super::parse::{Figures, figures};
use bollard::Docker;
use bollard::query_parameters::StatsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Figures that no message renews for this long are not known any more. The engine sends one every second.
const SILENCE: Duration = Duration::from_secs(10);
/// Pause before a stream that ended is asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// A task that ends when this is dropped.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One start of a container: after a restart another stream is needed.
pub(super) type Running = (Arc<str>, Option<Timestamp>);

/// The streams, by what they follow.
#[derive(Default)]
pub(super) struct Streams(HashMap<Running, (watch::Receiver<Option<Figures>>, Task)>);

impl Streams {
    /// Follows exactly these.
    pub(super) fn follow(&mut self, docker: &Docker, running: Vec<Running>) {
        let mut before = std::mem::take(&mut self.0);
        for key in running {
            let stream = before.remove(&key).filter(|(_, task)| !task.is_finished());
            self.0.entry(key).or_insert_with_key(|key| stream.unwrap_or_else(|| start(docker.clone(), key.0.clone())));
        }
    }

    /// The newest figures; `None` when there are none yet, or the stream fell silent.
    pub(super) fn figures(&self, running: &Running) -> Option<Figures> {
        self.0.get(running).and_then(|(latest, _)| *latest.borrow())
    }
}

fn start(docker: Docker, id: Arc<str>) -> (watch::Receiver<Option<Figures>>, Task) {
    let (latest, receiver) = watch::channel(None);
    let docker = docker.with_timeout(SILENCE);
    let follow = async move {
        loop {
            let options = StatsOptions { stream: true, one_shot: false };
            let mut stream = pin!(docker.stats(&id, Some(options)));
            while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE, stream.next()).await {
                latest.send_replace(Some(figures(&message)));
            }
            latest.send_replace(None);
            tokio::time::sleep(AGAIN).await;
        }
    };
    (receiver, Task::spawn(follow))
}
