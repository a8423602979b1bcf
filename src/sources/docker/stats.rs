//! Figures of running containers, asked of the engine, for those that can't be read directly.
//!
//! A statistics stream costs an engine one reading of the container a second; a one-shot question costs an engine of
//! version 20.10 two or three of these, and a second of waiting (docs/performance/containers.md). So the few that matter
//! most have a stream each (at most [`STREAMS`]), and the others are asked in turn, at most [`AT_ONCE`] at a time and
//! [`PACE`] apart, however many there are. All tasks belong to [`Asked`]: they end with the container, and with the source.

use super::meter::{self, Figures, Reading};
use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptions;
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Most streams of one engine.
pub(super) const STREAMS: usize = 20;
/// Most one-shot questions under way at a time.
pub(super) const AT_ONCE: usize = 4;
/// From the start of one one-shot question to the start of the next.
pub(super) const PACE: Duration = Duration::from_millis(500);
/// How often it is thought over who has a stream.
const REVIEW: Duration = Duration::from_secs(30);
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

/// One start of a container: after a restart its counters begin anew.
pub(super) type Running = (Arc<str>, Option<Timestamp>);

/// Who is asked about: the worse it stands, the sooner it gets a stream.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: Running,
    /// It is in trouble.
    pub(super) bad: bool,
}

/// Everything that is asked of one engine.
#[derive(Default)]
pub(super) struct Asked {
    streams: HashMap<Running, (watch::Receiver<Option<Figures>>, Task)>,
    turns: Arc<Turns>,
    /// Asks in turn, while there is anybody to ask about.
    asker: Option<Task>,
    reviewed: Option<Instant>,
}

impl Asked {
    /// Follows exactly these.
    pub(super) fn follow(&mut self, docker: &Docker, candidates: &[Candidate]) {
        let chosen = self.choose(candidates);
        let mut before = std::mem::take(&mut self.streams);
        for key in &chosen {
            let kept = before.remove(key).filter(|(_, task)| !task.is_finished());
            let stream = kept.unwrap_or_else(|| start(docker.clone(), key.0.clone(), self.turns.reading(key)));
            self.streams.insert(key.clone(), stream);
        }
        let rest = candidates.iter().map(|one| &one.key).filter(|key| !chosen.contains(*key)).cloned();
        if self.turns.want(rest.collect()) == 0 {
            self.asker = None;
        } else if self.asker.as_ref().is_none_or(Task::is_finished) {
            let (docker, turns) = (docker.clone(), Arc::clone(&self.turns));
            self.asker = Some(Task::spawn(async move { ask_in_turn(&docker, &turns).await }));
        }
    }

    /// Who has a stream: everybody while they are few; else those in trouble, then the busiest. Between two reviews
    /// nobody loses a stream, so that none is started and ended all the time.
    fn choose(&mut self, candidates: &[Candidate]) -> HashSet<Running> {
        if candidates.len() <= STREAMS {
            return candidates.iter().map(|one| one.key.clone()).collect();
        }
        let review = self.reviewed.is_none_or(|at| at.elapsed() >= REVIEW);
        if review {
            self.reviewed = Some(Instant::now());
        }
        let rank = |one: &Candidate| {
            let kept = !review && self.streams.contains_key(&one.key);
            let cpu = self.figures(&one.key).and_then(|figures| figures.cpu).unwrap_or(0.0);
            (kept, one.bad, (cpu * 1000.0) as u64)
        };
        let mut ranked: Vec<_> = candidates.iter().map(|one| (rank(one), &one.key)).collect();
        // The sort is stable: of equals the first in the listing.
        ranked.sort_by(|(a, _), (b, _)| b.cmp(a));
        ranked.into_iter().take(STREAMS).map(|(_, key)| key.clone()).collect()
    }

    /// The newest figures; `None` when there are none yet, or the engine fell silent.
    pub(super) fn figures(&self, key: &Running) -> Option<Figures> {
        match self.streams.get(key) {
            Some((latest, _)) => *latest.borrow(),
            None => self.turns.figures(key),
        }
    }
}

/// Those who are asked about one after another.
#[derive(Default)]
struct Turns(Mutex<HashMap<Running, Turn>>);

#[derive(Default)]
struct Turn {
    asked: Option<Instant>,
    reading: Option<Reading>,
    figures: Option<Figures>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<Running, Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on exactly these; how many they are.
    fn want(&self, keys: Vec<Running>) -> usize {
        let mut turns = self.lock();
        let mut before = std::mem::take(&mut *turns);
        turns.extend(keys.into_iter().map(|key| {
            let turn = before.remove(&key).unwrap_or_default();
            (key, turn)
        }));
        turns.len()
    }

    fn figures(&self, key: &Running) -> Option<Figures> {
        self.lock().get(key).and_then(|turn| turn.figures)
    }

    fn reading(&self, key: &Running) -> Option<Reading> {
        self.lock().get(key).and_then(|turn| turn.reading)
    }

    /// Whose turn it is: who was never asked about, else whose last time is the longest ago. With its last reading.
    fn next(&self) -> Option<(Running, Option<Reading>)> {
        let mut turns = self.lock();
        let key = turns.iter().min_by_key(|(_, turn)| turn.asked).map(|(key, _)| key.clone())?;
        let turn = turns.get_mut(&key)?;
        turn.asked = Some(Instant::now());
        Some((key, turn.reading))
    }

    /// The answer; `None` when there was none: then its figures are not known any more.
    fn answered(&self, key: &Running, answer: Option<(Reading, Figures)>) {
        if let Some(turn) = self.lock().get_mut(key) {
            (turn.reading, turn.figures) = answer.unzip();
        }
    }
}

async fn ask_in_turn(docker: &Docker, turns: &Turns) {
    let mut ticks = interval(PACE);
    // A late tick is not made up for: that would be a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ticks = stream::unfold(ticks, async |mut ticks| {
        ticks.tick().await;
        Some(((), ticks))
    });
    ticks
        .for_each_concurrent(AT_ONCE, async |()| {
            let Some((key, before)) = turns.next() else { return };
            // The first time the engine is asked for two readings, so that there is a CPU figure at once.
            let options = StatsOptions { stream: false, one_shot: before.is_some() };
            let mut answer = pin!(docker.stats(&key.0, Some(options)));
            let message = timeout(SILENCE, answer.next()).await;
            let message = message.ok().flatten().and_then(Result::ok);
            turns.answered(&key, message.map(|message| figures(&message, before.as_ref())));
        })
        .await;
}

/// Its own CPU figure where the message has one, else that of the counters.
fn figures(message: &ContainerStatsResponse, before: Option<&Reading>) -> (Reading, Figures) {
    let (reading, cpu) = meter::read(message);
    let figures = reading.since(before);
    (reading, Figures { cpu: cpu.or(figures.cpu), ..figures })
}

fn start(docker: Docker, id: Arc<str>, before: Option<Reading>) -> (watch::Receiver<Option<Figures>>, Task) {
    let (latest, receiver) = watch::channel(None);
    let docker = docker.with_timeout(SILENCE);
    let follow = async move {
        let mut before = before;
        loop {
            let options = StatsOptions { stream: true, one_shot: false };
            listen(docker.stats(&id, Some(options)), &latest, &mut before).await;
            latest.send_replace(None);
            tokio::time::sleep(AGAIN).await;
        }
    };
    (receiver, Task::spawn(follow))
}

/// Follows one stream to its end, or until it is silent.
async fn listen(
    messages: impl Stream<Item = Result<ContainerStatsResponse, bollard::errors::Error>>,
    latest: &watch::Sender<Option<Figures>>,
    before: &mut Option<Reading>,
) {
    let mut messages = pin!(messages);
    while let Ok(Some(Ok(message))) = timeout(SILENCE, messages.next()).await {
        let (reading, figures) = figures(&message, before.as_ref());
        *before = Some(reading);
        latest.send_replace(Some(figures));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(count: usize) -> Vec<Candidate> {
        (0..count).map(|at| Candidate { key: (format!("{at:064x}").into(), None), bad: false }).collect()
    }

    fn docker() -> Docker {
        Docker::connect_with_unix("/nowhere/docker.sock", 1, bollard::API_DEFAULT_VERSION)
            .unwrap_or_else(|_| Docker::connect_with_http("127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_have_a_stream_each_and_nobody_is_asked_in_turn() {
        let mut asked = Asked::default();
        asked.follow(&docker(), &candidates(STREAMS));
        assert_eq!((asked.streams.len(), asked.asker.is_none()), (STREAMS, true));
        asked.follow(&docker(), &[]);
        assert!(asked.streams.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_those_in_trouble_have_a_stream_and_keep_it_for_a_while() {
        let (mut asked, mut many) = (Asked::default(), candidates(150));
        many[140].bad = true;
        asked.follow(&docker(), &many);
        assert_eq!(asked.streams.len(), STREAMS);
        assert!(asked.streams.contains_key(&many[140].key));
        assert_eq!(asked.turns.lock().len(), 150 - STREAMS);
        many[141].bad = true;
        let before: HashSet<Running> = asked.streams.keys().cloned().collect();
        asked.follow(&docker(), &many);
        assert_eq!(asked.streams.keys().cloned().collect::<HashSet<_>>(), before, "no stream changes hands at once");
        tokio::time::advance(REVIEW).await;
        asked.follow(&docker(), &many);
        assert!(asked.streams.contains_key(&many[141].key));
        assert_eq!(asked.streams.len(), STREAMS);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_has_a_turn() {
        let turns = Turns::default();
        turns.want(candidates(100).into_iter().map(|one| one.key).collect());
        let mut seen = HashSet::new();
        for _ in 0..100 {
            seen.insert(turns.next().unwrap().0);
            tokio::time::advance(PACE).await;
        }
        assert_eq!(seen.len(), 100);
        let (key, _) = turns.next().unwrap();
        turns.answered(&key, Some((Reading::default(), Figures::default())));
        assert!(turns.figures(&key).is_some());
        turns.answered(&key, None);
        assert!(turns.figures(&key).is_none() && turns.reading(&key).is_none(), "no answer, no figure");
        assert_eq!(turns.want(Vec::new()), 0);
        assert!(turns.next().is_none());
    }
}
