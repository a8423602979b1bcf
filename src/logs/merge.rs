//! Puts together what the readers of a target read: in batches, by time where there are several.
//!
//! What is there at first is sorted as a whole, once all have brought theirs; afterwards what comes within a moment. A line that
//! comes later than that stands where it came.

use super::Piece;
use crate::clock;
use crate::domain::{LogEvent, LogLine};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long lines wait for others.
const MOMENT: Duration = Duration::from_millis(50);
/// The same where several places are merged.
const MERGED: Duration = Duration::from_millis(200);
/// At first: until nothing has come for this long, …
const QUIET: Duration = Duration::from_millis(400);
/// … or this has passed.
const FIRST: Duration = Duration::from_millis(2500);
/// Bytes of text in a batch.
const BATCH: usize = 256 << 10;
/// Bytes that wait to be sorted at first.
const MOST: usize = 8 << 20;

/// Runs until the readers have ended, or nobody listens.
pub(super) async fn run(mut pieces: mpsc::Receiver<Piece>, several: bool, number: u64, out: mpsc::Sender<LogEvent>) {
    let mut batch = Batch::new(several);
    loop {
        tokio::select! {
            piece = pieces.recv() => match piece {
                Some(piece) => batch.take(piece),
                None => {
                    let _ = batch.send(number, &out).await;
                    return;
                }
            },
            () = due(batch.due) => batch.ready = true,
        }
        if batch.ready && batch.send(number, &out).await.is_err() {
            return;
        }
    }
}

async fn due(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

struct Batch {
    lines: Vec<LogLine>,
    states: Vec<(u16, crate::domain::log::PlaceState)>,
    bytes: usize,
    several: bool,
    last: LastTimes,
    /// Until then what comes is what was there before.
    first: Option<Instant>,
    due: Option<Instant>,
    ready: bool,
}

impl Batch {
    fn new(several: bool) -> Self {
        let first = several.then(|| Instant::now() + FIRST);
        Self {
            lines: Vec::new(),
            states: Vec::new(),
            bytes: 0,
            several,
            last: LastTimes::new(),
            first,
            due: None,
            ready: false,
        }
    }

    fn take(&mut self, piece: Piece) {
        let now = Instant::now();
        match piece {
            Piece::Lines(lines) => {
                self.bytes += lines.iter().map(|line| line.text.len() + size_of::<LogLine>()).sum::<usize>();
                self.lines.extend(lines);
            }
            Piece::State(place, state) => self.states.push((place, state)),
        }
        let most = if self.first.is_some() { MOST } else { BATCH };
        self.ready = self.bytes >= most;
        self.due = Some(match self.first {
            Some(end) => end.min(now + QUIET),
            None => self.due.unwrap_or(now + if self.several { MERGED } else { MOMENT }),
        });
    }

    async fn send(&mut self, number: u64, out: &mpsc::Sender<LogEvent>) -> Result<(), ()> {
        (self.first, self.due, self.ready, self.bytes) = (None, None, false, 0);
        if self.lines.is_empty() && self.states.is_empty() {
            return Ok(());
        }
        let mut lines = std::mem::take(&mut self.lines);
        if self.several {
            by_time(&mut lines, &mut self.last);
        }
        let states = std::mem::take(&mut self.states);
        let at = clock::now().wall;
        out.send(LogEvent::Batch { number, at, lines, states }).await.map_err(drop)
    }
}

/// By place: the time of its last line that has one.
type LastTimes = HashMap<u16, Timestamp>;

/// Sorts by time; a line without one stays behind the line that came before it from the same place, be it in an earlier batch.
fn by_time(lines: &mut Vec<LogLine>, last: &mut LastTimes) {
    let mut keyed: Vec<_> = std::mem::take(lines)
        .into_iter()
        .map(|line| {
            let at = line.at.or_else(|| last.get(&line.place).copied());
            if let Some(at) = at {
                last.insert(line.place, at);
            }
            (at, line)
        })
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    lines.extend(keyed.into_iter().map(|(_, line)| line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_places_stand_by_time_and_those_without_follow_their_own() {
        let line = |at: Option<i64>, place: u16, text: &str| LogLine {
            at: at.and_then(|at| Timestamp::from_second(at).ok()),
            level: None,
            place,
            text: text.to_owned(),
        };
        let mut lines = vec![
            line(Some(3), 0, "c"),
            line(None, 0, "c, more"),
            line(Some(1), 1, "a"),
            line(None, 1, "a, more"),
            line(Some(2), 1, "b"),
        ];
        let mut last = LastTimes::new();
        by_time(&mut lines, &mut last);
        let texts = |lines: &[LogLine]| lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&lines), ["a", "a, more", "b", "c", "c, more"]);
        let mut lines = vec![line(None, 0, "c, still more"), line(Some(2), 1, "late")];
        by_time(&mut lines, &mut last);
        assert_eq!(texts(&lines), ["late", "c, still more"], "what goes on in the next batch knows its time too");
    }
}
