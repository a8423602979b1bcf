//! The engine's event stream: which containers changed, told at once; and what happened, for people to read.
//!
//! A task of its own reads the stream, for `changed` of the source may be dropped at any time. What comes before a sign was taken is
//! one sign with it; the poller sees to it that many signs are not many polls.

use super::log::Log;
use super::stats::Task;
use crate::clock;
use crate::connect::Engine;
use crate::domain::EngineEvent;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// What is listened to. Podman tells of pods too, which the library does not know.
const KINDS: [&str; 5] = ["container", "image", "network", "volume", "daemon"];
/// Events that change what a row shows, and those worth reading. `exec_*` are left out: a health check sends three each
/// time. `died` and `remove` are Podman's words in some versions.
const ACTIONS: [&str; 23] = [
    "create",
    "start",
    "restart",
    "kill",
    "stop",
    "die",
    "died",
    "oom",
    "pause",
    "unpause",
    "health_status",
    "rename",
    "update",
    "destroy",
    "remove",
    "pull",
    "delete",
    "import",
    "load",
    "prune",
    "connect",
    "disconnect",
    "reload",
];
/// How far back the engine is asked for what happened before anybody listened. It remembers some 256 events.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// Of no event here does a row look different: it is told with what comes after it.
const QUIET: [&str; 3] = ["kill", "pull", "disconnect"];
/// The engine may send an event before it answers accordingly: whoever it names is looked at once more after so long.
const BURST: Duration = Duration::from_millis(60);
/// An engine that took the request and sent no error for this long listens.
const SETTLED: Duration = Duration::from_millis(300);
/// Longest wait for the head of the answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Pauses between two attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// Which containers changed since somebody looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Any may have: nobody listened for a while.
    pub(super) all: bool,
    /// These.
    pub(super) ids: HashSet<String>,
}

impl Changes {
    /// Adds other changes.
    pub(super) fn merge(&mut self, other: Self) {
        self.all |= other.all;
        self.ids.extend(other.ids);
    }
}

#[derive(Default)]
struct Shared {
    changes: Mutex<Changes>,
    log: Mutex<Log>,
    sign: Notify,
    /// Something came that nobody has taken yet.
    fresh: AtomicBool,
}

impl Shared {
    /// Resolves when there is something to be taken.
    async fn told(&self) {
        loop {
            self.sign.notified().await;
            // A sign may be left of what was taken with an earlier one.
            if self.fresh.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn taken(&self) -> Changes {
        self.fresh.store(false, Ordering::Release);
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, changes: Changes) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).merge(changes);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in one event; those up to `since` are known. Whom it names is added to `named`, too.
    fn take(&self, message: EventMessage, since: Option<Timestamp>, named: &mut Changes) {
        self.log().take(&message, since);
        let is_container = matches!(message.typ, Some(EventMessageTypeEnum::CONTAINER) | None);
        if let Some(id) = message.actor.and_then(|actor| actor.id).filter(|_| is_container) {
            named.ids.insert(id.clone());
            self.note(Changes { all: false, ids: HashSet::from([id]) });
        }
        self.fresh.store(true, Ordering::Release);
    }

    /// Asks for another look.
    fn again(&self, changes: Changes) {
        self.note(changes);
        self.fresh.store(true, Ordering::Release);
        self.sign.notify_one();
    }
}

/// The ear at the engine.
pub(super) struct Events {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    task: Option<Task>,
}

impl Events {
    /// Starts to listen at the first use.
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, shared: Arc::default(), task: None }
    }

    /// Takes what changed since the last call.
    pub(super) fn take(&mut self) -> Changes {
        self.listen();
        self.shared.taken()
    }

    /// What happened lately, oldest first.
    pub(super) fn log(&self) -> Vec<EngineEvent> {
        self.shared.log().events()
    }

    /// Resolves when something changed. Cancel-safe: a sign that nobody took stays.
    pub(super) async fn changed(&mut self) {
        self.listen();
        self.shared.told().await;
    }

    fn listen(&mut self) {
        if self.task.as_ref().is_none_or(Task::is_finished) {
            let (engine, shared) = (Arc::clone(&self.engine), Arc::clone(&self.shared));
            self.task = Some(Task::spawn(async move { listen(&engine, &shared).await }));
        }
    }
}

/// Listens for ever: connects, follows, and connects again after a pause that grows.
async fn listen(engine: &Engine, shared: &Shared) {
    let mut pause = PAUSE.0;
    loop {
        if let Ok(docker) = engine.client().await {
            let docker = docker.with_timeout(ANSWER);
            let known = shared.log().last();
            let since =
                known.unwrap_or_else(|| clock::now().wall.saturating_sub(BEFORE).unwrap_or(Timestamp::UNIX_EPOCH));
            if follow(docker.events(Some(filter(since))), shared, known).await {
                // It listened, and the stream ended: the engine is gone, or was restarted.
                pause = PAUSE.0;
                shared.again(Changes { all: true, ..Changes::default() });
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

fn filter(since: Timestamp) -> EventsOptions {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let filters = HashMap::from([("type".to_owned(), words(&KINDS)), ("event".to_owned(), words(&ACTIONS))]);
    let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond().max(0));
    EventsOptions { filters: Some(filters), since: Some(since), until: None }
}

/// Follows one stream to its end. True when the engine listened at all.
async fn follow(
    stream: impl Stream<Item = Result<EventMessage, bollard::errors::Error>>,
    shared: &Shared,
    known: Option<Timestamp>,
) -> bool {
    let mut stream = pin!(stream);
    let (mut settled, mut named) = (false, Changes::default());
    // The first sign comes without an event: something may have changed before anybody listened.
    let mut timer: Option<Pin<Box<Sleep>>> = Some(Box::pin(tokio::time::sleep(SETTLED)));
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(message)) => {
                    let quiet = message.action.as_deref().is_some_and(|action| QUIET.contains(&action));
                    shared.take(message, known, &mut named);
                    timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(BURST)));
                    if settled && !quiet {
                        shared.sign.notify_one();
                    }
                }
                Some(Err(_)) | None => return settled,
            },
            () = fired(&mut timer) => {
                timer = None;
                named.all = !std::mem::replace(&mut settled, true);
                shared.again(std::mem::take(&mut named));
            }
        }
    }
}

async fn fired(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use tokio::sync::mpsc;

    type Message = Result<EventMessage, bollard::errors::Error>;

    fn recorded() -> Vec<EventMessage> {
        let text = include_str!("../../../tests/fixtures/docker/events.jsonl");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn events() -> Events {
        Events::new(Arc::new(Engine::new("a", Some("unix:///nowhere/docker.sock")).unwrap()))
    }

    /// A stream that is fed by hand.
    fn channel() -> (mpsc::UnboundedSender<Message>, impl Stream<Item = Message>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_sign_that_names_the_container() {
        let (shared, (sender, stream)) = (Arc::new(Shared::default()), channel());
        let followed = Arc::clone(&shared);
        let task = tokio::spawn(async move { follow(stream, &followed, None).await });
        shared.told().await;
        assert!(shared.taken().all, "something may have changed before");
        let sent = tokio::time::Instant::now();
        let message = recorded().into_iter().find(|message| message.action.as_deref() == Some("die")).unwrap();
        let id = message.actor.clone().unwrap().id.unwrap();
        for _ in 0..4 {
            sender.send(Ok(message.clone())).unwrap();
        }
        // All four are taken in before anybody looks, for this task has not waited.
        shared.told().await;
        assert_eq!(sent.elapsed(), Duration::ZERO, "it is told at once");
        let named = Changes { all: false, ids: HashSet::from([id]) };
        assert_eq!(shared.taken(), named);
        shared.told().await;
        assert_eq!((sent.elapsed(), shared.taken()), (BURST, named), "and once more");
        let third = tokio::time::timeout(Duration::from_mins(1), shared.told()).await;
        assert!(third.is_err(), "one burst gave three signs");
        drop(sender);
        assert!(task.await.unwrap(), "it had listened");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_fails_at_once_gives_no_sign() {
        let shared = Shared::default();
        let failed = stream::iter([Err(bollard::errors::Error::RequestTimeoutError)]);
        assert!(!follow(failed, &shared, None).await);
        assert!(tokio::time::timeout(Duration::from_mins(1), shared.told()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_survives_a_caller_that_was_dropped() {
        let mut events = events();
        assert!(tokio::time::timeout(Duration::from_millis(1), events.changed()).await.is_err());
        events.shared.again(Changes { all: true, ..Changes::default() });
        events.changed().await;
    }

    #[tokio::test]
    async fn the_task_ends_with_its_owner() {
        let mut events = events();
        assert_eq!(events.take(), Changes::default());
        let shared = Arc::downgrade(&events.shared);
        drop(events);
        tokio::time::timeout(Duration::from_secs(5), async {
            while shared.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the task outlived its owner");
    }
}
