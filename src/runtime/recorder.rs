//! Records what the sources tell, on a thread of its own: a slow disk is nobody's delay. What it can't keep up with is left out, said on
//! the screen, and written down as a gap.

use super::poller::Poller;
use crate::clock;
use crate::domain::{Sample, SourceId};
use crate::event::{Event, Recording};
use crate::recording::{Header, Writer};
use crate::redact::Redactor;
use crate::sources::{Pace, Source};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc as events;

/// Samples that wait for the disk at most; each is shared with the screen as long as it is the newest.
const WAITING: usize = 256;
/// After a failure the disk is tried again so often.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait at the end for what is not written yet.
const LAST: Duration = Duration::from_secs(5);

/// What a recording is begun with.
pub struct Begin {
    /// What it is written into, empty.
    pub file: File,
    /// As messages have it.
    pub name: String,
    /// What it says of itself.
    pub header: Header,
    /// Hides every secret that a connection uses.
    pub redactor: Redactor,
}

/// A recording under way. Ends when dropped; [`Recorder::finish`] waits for it.
pub struct Recorder {
    name: String,
    queue: SyncSender<Sample>,
    lost: Arc<AtomicU64>,
    over: Receiver<Result<u64, String>>,
}

impl Recorder {
    /// Writes the header, and begins. What becomes of it comes as events.
    ///
    /// # Errors
    /// When the header can't be written.
    pub fn start(begin: Begin, events: events::Sender<Event>) -> io::Result<Self> {
        let writer = Writer::begin(begin.file, begin.header, clock::now(), begin.redactor)?;
        let (queue, samples) = mpsc::sync_channel(WAITING);
        let (done, over) = mpsc::channel();
        let lost = Arc::new(AtomicU64::new(0));
        let name = begin.name.clone();
        let work = Work { writer, name: begin.name, lost: Arc::clone(&lost), events, failing: None };
        std::thread::Builder::new().name("recorder".to_owned()).spawn(move || done.send(work.run(&samples)))?;
        Ok(Self { name, queue, lost, over })
    }

    /// Hands over a sample; never waits. News when it is the first that finds no room: the disk may hang, and then nobody else tells.
    pub fn take(&self, sample: &Sample) -> Option<Recording> {
        let full = matches!(self.queue.try_send(sample.clone()), Err(mpsc::TrySendError::Full(_)));
        let first = full && self.lost.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| {
            Recording::Failing(format!("what is seen is not recorded: the disk does not keep up with {}", self.name))
        })
    }

    /// It has ended by itself, because nothing more can be written: why.
    fn ended(&self) -> Option<String> {
        self.over.try_recv().ok().and_then(Result::err)
    }

    /// Writes what is left, and says how many bytes the recording has, or why it is not whole.
    ///
    /// # Errors
    /// In words.
    pub fn finish(self) -> Result<u64, String> {
        drop(self.queue);
        let late = || Err(format!("the disk did not take the end of the recording within {} s", LAST.as_secs()));
        self.over.recv_timeout(LAST).unwrap_or_else(|_| late())
    }
}

struct Work {
    writer: Writer<File>,
    name: String,
    lost: Arc<AtomicU64>,
    events: events::Sender<Event>,
    /// When the disk is tried again.
    failing: Option<Instant>,
}

impl Work {
    fn run(mut self, samples: &Receiver<Sample>) -> Result<u64, String> {
        self.tell(Recording::Going(None));
        loop {
            match samples.recv_timeout(AGAIN) {
                Ok(sample) => {
                    for sample in std::iter::once(sample).chain(samples.try_iter().take(WAITING)) {
                        self.take(&sample);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.commit()?;
        }
        let end = self.writer.finish(clock::now()).map_err(|error| format!("{}: {error}", self.name));
        end.map(|(_, written)| written)
    }

    fn take(&mut self, sample: &Sample) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "the recording could not keep up");
            if let Err(error) = self.writer.gap(clock::now(), lost, "the disk was too slow") {
                tracing::error!(%error, "a gap can't be recorded");
            }
            self.tell_gap(lost);
        }
        if let Err(error) = self.writer.sample(sample) {
            tracing::error!(source = %sample.source, %error, "a sample can't be recorded");
        }
    }

    /// Makes it durable against the end of this process. Fails when nothing more can be written.
    fn commit(&mut self) -> Result<(), String> {
        if self.failing.is_some_and(|again| Instant::now() < again) {
            return Ok(());
        }
        let was_failing = self.failing.take().is_some();
        match self.writer.commit(clock::now()) {
            Ok(None) => Ok(()),
            Ok(Some((lost, _))) => {
                tracing::info!(lost, "the recording goes on");
                self.tell_gap(lost);
                Ok(())
            }
            Err(error) => self.failed(&error, was_failing),
        }
    }

    fn failed(&mut self, error: &io::Error, again: bool) -> Result<(), String> {
        let name = &self.name;
        let is_final = error.kind() == io::ErrorKind::BrokenPipe;
        if !again {
            tracing::warn!(%error, is_final, "the recording fails");
        }
        if is_final {
            let what = format!("the recording has ended: {name}: {error}; begin another one into another file");
            self.tell(Recording::Over(what.clone()));
            return Err(what);
        }
        if !again {
            self.tell(Recording::Failing(format!(
                "what is seen is not recorded: {name}: {error}; make room, and the recording goes on by itself"
            )));
        }
        self.failing = Some(Instant::now() + AGAIN);
        Ok(())
    }

    fn tell_gap(&self, lost: u64) {
        let name = &self.name;
        self.tell(Recording::Going(Some(format!("the recording goes on in {name}; {lost} samples are missing"))));
    }

    fn tell(&self, news: Recording) {
        let _ = self.events.blocking_send(Event::Recording(news));
    }
}

/// Records without a screen, for so long or until a signal asks for the end; says how many bytes there are.
///
/// # Errors
/// When the header can't be written, or nothing more can be; in words.
pub async fn unattended(
    begin: Begin,
    sources: Vec<(SourceId, Pace, Box<dyn Source>)>,
    time: Option<Duration>,
) -> Result<u64, String> {
    let name = begin.name.clone();
    let (sender, mut events) = events::channel(256);
    let wrong = |error: io::Error| format!("{name}: {error}");
    let recorder = Recorder::start(begin, sender.clone()).map_err(wrong)?;
    for (id, pace, source) in sources {
        Poller::start(id, pace, source, sender.clone());
    }
    let mut signals =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(|kind| signal(kind).ok());
    let over = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        let [terminate, interrupt, hangup] = &mut signals;
        tokio::select! {
            () = &mut over => break,
            () = told(terminate) => break,
            () = told(interrupt) => break,
            () = told(hangup) => break,
            event = events.recv() => {
                if let Some(Event::Sample(sample)) = &event {
                    recorder.take(sample).iter().for_each(say);
                } else if let Some(Event::Recording(news)) = &event {
                    say(news);
                }
            }
        }
        if let Some(why) = recorder.ended() {
            return Err(why);
        }
    }
    drop(events);
    tokio::task::spawn_blocking(|| recorder.finish()).await.map_err(|error| error.to_string())?
}

async fn told(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

fn say(news: &Recording) {
    match news {
        // What ends it is told as the reason of the end.
        Recording::Going(None) | Recording::Over(_) => {}
        Recording::Going(Some(what)) | Recording::Failing(what) => eprintln!("quarterdeck: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Limits, Snapshot, SourceId, Subject};
    use crate::recording::Recorded;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    fn header() -> Header {
        Header {
            format: 0,
            version: String::new(),
            environment: "lab".to_owned(),
            guarded: false,
            limits: Limits::default(),
            began: jiff::Timestamp::UNIX_EPOCH,
            feeds: vec![Recorded { id: SourceId::new("local", "host"), subject: Subject::Servers, interval_ms: 1000 }],
            servers: Vec::new(),
        }
    }

    fn sample() -> Sample {
        let outcome = Ok(Arc::new(Snapshot::Servers(Vec::new())));
        Sample { source: SourceId::new("local", "host"), at: clock::now(), took: Duration::ZERO, outcome }
    }

    #[test]
    fn a_disk_that_hangs_delays_nobody_and_is_told_and_what_was_lost_is_told_when_it_takes_more() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (sender, mut events) = events::channel(64);
        let begin = Begin {
            file: File::from(OwnedFd::from(writer)),
            name: "a.rec".to_owned(),
            header: header(),
            redactor: Redactor::default(),
        };
        let recorder = Recorder::start(begin, sender).unwrap();
        assert!(matches!(events.blocking_recv(), Some(Event::Recording(Recording::Going(None)))));
        // Nobody reads the pipe: it takes some 64 KiB, then what writes into it hangs.
        let told = (0..100_000).find_map(|_| recorder.take(&sample()));
        let expected = "what is seen is not recorded: the disk does not keep up with a.rec";
        assert_eq!(told, Some(Recording::Failing(expected.to_owned())));
        let drained = std::thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        let Some(Event::Recording(Recording::Going(Some(what)))) = events.blocking_recv() else { panic!("not told") };
        assert!(
            what.starts_with("the recording goes on in a.rec; ") && what.ends_with(" samples are missing"),
            "{what}"
        );
        let written = recorder.finish().unwrap();
        assert_eq!(drained.join().unwrap().unwrap() as u64, written);
    }
}
