//! Readers of logs: a container's through its engine, a machine's journal and files through ssh or on this machine.
//!
//! Owns opening, following, opening again, and what an end or a failure means. Each line is made harmless here, once. What is read
//! waits when nobody takes it, so that a flood is slowed down where it comes from and fills no memory. Everything happens in one
//! future: dropping it ends what was begun, at the engine and on the host. Must not know a screen.

mod container;
mod host;
mod merge;
mod text;

use crate::clock;
use crate::connect::Connections;
use crate::domain::log::{Anchor, PlaceState, Stage};
use crate::domain::{LogEvent, LogLine, LogPlace, LogRequest, SourceError};
use crate::redact::Redactor;
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;
use tokio::sync::mpsc;

/// The first pause before something is opened again, and the longest: each failure doubles it.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Pieces of a reader that wait for the one who puts them together.
const WAITING: usize = 8;

/// Reads a log until the future is dropped. Everything that comes goes to `out`, with the request's number.
pub async fn follow(connections: &Connections, request: &LogRequest, number: u64, out: mpsc::Sender<LogEvent>) {
    let (sender, pieces) = mpsc::channel(WAITING);
    let places = &request.target.places;
    let start = Start::of(request.anchor, places.len());
    let zone = &request.zone;
    let readers = places.iter().zip(0..).map(|(place, index)| {
        let sink = Sink { place: index, redactor: connections.redactor().clone(), out: sender.clone() };
        read(connections, place, start, zone, sink)
    });
    let readers = join_all(readers);
    drop(sender);
    tokio::join!(readers, merge::run(pieces, places.len() > 1, number, out));
}

async fn read(connections: &Connections, place: &LogPlace, start: Start, zone: &TimeZone, sink: Sink) {
    match place {
        LogPlace::Container { source, id, name } => match connections.need_docker(source.name()) {
            Ok(engine) => container::read(engine, (id, name), start, &sink).await,
            Err(why) => sink.state(Stage::Over, Some(why)).await,
        },
        LogPlace::Journal { source, server } => {
            host::read(connections, (source, server), &host::Log::Journal, start, &sink).await;
        }
        LogPlace::File { source, server, path } => {
            host::read(connections, (source, server), &host::Log::File(path, zone), start, &sink).await;
        }
    }
}

/// From where on a place is read.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Not older than this.
    since: Option<Timestamp>,
    /// So many of the newest lines; `None`: all.
    tail: Option<usize>,
}

impl Start {
    fn of(anchor: Anchor, places: usize) -> Self {
        let tail = (anchor == Anchor::Tail).then(|| (Anchor::TAIL / places.max(1)).max(200));
        Self { since: anchor.back().map(|back| clock::now().wall - back), tail }
    }

    /// After an interruption: what is newer than the last line.
    const fn after(last: Option<Timestamp>, before: Self) -> Self {
        match last {
            Some(last) => Self { since: Some(last), tail: None },
            None => before,
        }
    }
}

/// What a reader hands on.
#[derive(Debug)]
enum Piece {
    Lines(Vec<LogLine>),
    State(u16, PlaceState),
}

/// Where a reader puts what it reads.
struct Sink {
    place: u16,
    redactor: Redactor,
    out: mpsc::Sender<Piece>,
}

impl Sink {
    /// Waits until it is taken. That nobody takes it any more is no failure: then all of this is about to be dropped.
    async fn lines(&self, lines: Vec<LogLine>) {
        if !lines.is_empty() {
            let _ = self.out.send(Piece::Lines(lines)).await;
        }
    }

    async fn state(&self, stage: Stage, why: Option<SourceError>) {
        let why = why.map(|why| SourceError::new(self.redactor.text(&why.what), self.redactor.text(&why.hint)));
        let state = PlaceState { at: clock::now().wall, stage, why };
        let _ = self.out.send(Piece::State(self.place, state)).await;
    }

    /// A line.
    fn line(&self, at: Option<Timestamp>, bytes: &[u8], cut: usize) -> LogLine {
        text::line(self.place, at, bytes, cut, &self.redactor)
    }

    /// What quarterdeck itself has to say between the lines.
    async fn mark(&self, text: &str) {
        let text = format!("── {text} ──");
        self.lines(vec![LogLine { at: Some(clock::now().wall), level: None, place: self.place, text }]).await;
    }
}

/// How long to wait before it is opened again, after so many failures in a row.
fn pause(failures: u32) -> Duration {
    PAUSE.0.saturating_mul(1 << failures.min(6)).min(PAUSE.1)
}
