//! One task for each source: asks, waits, asks again. A source that hangs, fails or panics is a failed sample, and never
//! anybody else's delay.

use super::log::Told;
use crate::clock;
use crate::domain::{Now, Sample, Snapshot, SourceError, SourceId};
use crate::event::Event;
use crate::sources::{Pace, Source};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Failures in a row stretch the pause, at most to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Two polls are at least this far apart, however often the source says that something changed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// And so many times as long as the last one took, but no longer than the second figure: a storm of changes must not keep a service
/// busy with telling of it.
const BREATH: (u32, Duration) = (4, Duration::from_millis(100));

/// A source under way: its id, and how to ask it at once.
#[derive(Clone)]
pub struct Poller {
    /// Whose it is.
    pub id: SourceId,
    now: Arc<Notify>,
    interval: Arc<watch::Sender<Duration>>,
    task: AbortHandle,
    /// When it began; monotonic.
    since: Duration,
    /// When it was asked what it told last; monotonic.
    as_of: Duration,
}

impl Poller {
    /// Starts the task. It ends when nobody listens any more.
    pub fn start(id: SourceId, pace: Pace, source: Box<dyn Source>, events: mpsc::Sender<Event>) -> Self {
        let now = Arc::new(Notify::new());
        let (interval, told) = watch::channel(pace.interval);
        let since = clock::now().mono;
        let task = tokio::spawn(run(id.clone(), pace, source, events, Arc::clone(&now), told)).abort_handle();
        Self { id, now, interval: Arc::new(interval), task, since, as_of: Duration::ZERO }
    }

    /// Asks no more. What was asked is given up: only reading is cut off by that.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// The sample answers a question from before this one began: an earlier source of this name has asked it.
    pub fn is_late(&self, sample: &Sample) -> bool {
        sample.source == self.id && sample.asked() < self.since
    }

    /// What it told is known.
    pub fn told(&mut self, sample: &Sample) {
        self.as_of = sample.asked();
    }

    /// When it was asked what it told last; monotonic, and zero before that.
    pub const fn as_of(&self) -> Duration {
        self.as_of
    }

    /// Asks this often from now on, counted from when it was asked last.
    pub fn pace(&self, interval: Duration) {
        self.interval.send_replace(interval);
    }

    /// Asks at once.
    pub fn poll_now(&self) {
        self.now.notify_one();
    }
}

async fn run(
    id: SourceId,
    pace: Pace,
    mut source: Box<dyn Source>,
    events: mpsc::Sender<Event>,
    now: Arc<Notify>,
    mut interval: watch::Receiver<Duration>,
) {
    let (mut failures, mut told) = (0, Told::default());
    if let Some(sample) = glance(&id, pace, &mut *source).await
        && events.send(Event::Sample(sample)).await.is_err()
    {
        return;
    }
    loop {
        let started = Instant::now();
        let sample = ask(&id, pace, &mut *source).await;
        let earliest = started + SHORTEST_PAUSE.max((sample.took * BREATH.0).min(BREATH.1));
        told.tell(&id, &sample);
        failures = if sample.outcome.is_ok() { 0 } else { failures + 1 };
        // At most one sample of a source waits: a slow screen slows the polls, not the memory.
        if events.send(Event::Sample(sample)).await.is_err() {
            return;
        }
        loop {
            let next = started + pause(&id, *interval.borrow_and_update(), failures);
            tokio::select! {
                () = sleep_until(next) => {}
                () = now.notified() => {}
                () = source.changed() => sleep_until(earliest).await,
                // The sender is kept as long as anybody may ask: no end of changes means a change.
                Ok(()) = interval.changed() => continue,
            }
            break;
        }
    }
}

/// Asks every source at the same time, and once more after `again`, for figures that are differences between two
/// readings (CPU). One that failed the first time is not asked again. The samples come in the order of the sources.
pub async fn once(sources: Vec<(SourceId, Pace, Box<dyn Source>)>, again: Option<Duration>) -> Vec<Sample> {
    let asked = sources.into_iter().map(async |(id, pace, mut source)| {
        let first = ask(&id, pace, &mut *source).await;
        match again {
            Some(pause) if first.outcome.is_ok() => {
                tokio::time::sleep(pause).await;
                ask(&id, pace, &mut *source).await
            }
            _ => first,
        }
    });
    futures_util::future::join_all(asked).await
}

/// What the source can tell at once, or why it can't; `None` from one that has nothing to tell before its first poll.
async fn glance(id: &SourceId, pace: Pace, source: &mut dyn Source) -> Option<Sample> {
    let started = clock::now();
    let seen = match within(pace.timeout, source.glance()).await {
        Some(seen) => Some(seen.transpose()?),
        None => None,
    };
    Some(sample(id, pace, source, started, seen))
}

/// One poll, with its time limit; a panic in it is a failure of the source alone.
async fn ask(id: &SourceId, pace: Pace, source: &mut dyn Source) -> Sample {
    let started = clock::now();
    let polled = within(pace.timeout, source.poll()).await;
    sample(id, pace, source, started, polled)
}

/// From what came of asking; `None`: it took too long.
fn sample(
    id: &SourceId,
    pace: Pace,
    source: &dyn Source,
    started: Now,
    came: Option<Result<Snapshot, SourceError>>,
) -> Sample {
    let late = || {
        let (place, seconds) = (source.place(), pace.timeout.as_secs_f64());
        let from = if place.is_empty() { "" } else { " from " };
        let what = format!("no answer within {seconds:.1} s{from}{place}");
        Err(SourceError::new(what, "it hangs or is overloaded: look at the service itself, or raise `timeout`"))
    };
    let (outcome, at) = (came.unwrap_or_else(late).map(Arc::new), clock::now());
    Sample { source: id.clone(), at, took: at.since(started), outcome }
}

/// `None` when it took too long; a panic is an error like others.
async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, SourceError>>,
) -> Option<Result<T, SourceError>> {
    use futures_util::FutureExt;
    let answer = timeout(limit, AssertUnwindSafe(asked).catch_unwind()).await.ok()?;
    let failed = || {
        Err(SourceError::new(
            "the source's own code failed",
            "this is a defect: the log has the place; please report it",
        ))
    };
    Some(answer.unwrap_or_else(|_| failed()))
}

/// The interval, doubled for each failure in a row up to a cap (never below the interval itself), with up to a tenth of
/// jitter, so that many sources of one service do not ask in step.
fn pause(id: &SourceId, interval: Duration, failures: u32) -> Duration {
    let stretched = interval.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE.max(interval));
    let jitter = id.as_str().bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 100;
    stretched + stretched * jitter / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_failures_to_a_cap_and_never_shrinks() {
        let id = SourceId::new("docker", "local");
        let at = |failures| pause(&id, Duration::from_secs(2), failures);
        assert!(at(0) >= Duration::from_secs(2) && at(0) < Duration::from_millis(2200));
        assert!(at(1) >= Duration::from_secs(4) && at(3) > at(2));
        assert!(at(40) <= LONGEST_PAUSE * 11 / 10);
        assert!(pause(&id, Duration::from_mins(5), 9) >= Duration::from_mins(5));
    }
}
