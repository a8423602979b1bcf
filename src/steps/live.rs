//! What a step says while it runs: whole lines, without secrets, harmless. It waits here until somebody takes it, and of what
//! nobody takes the oldest lines are dropped and counted: neither a step nor the screen ever waits for the other.

use super::Call;
use crate::connect::ssh::Tap;
use crate::domain::text::{clean, strip_escapes, truncate};
use crate::redact::Redactor;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Lines that wait at most.
const WAITING: usize = 500;
/// A longer line, in bytes, is left out: where it is cut a secret could be cut in two, and be no known one any more.
const LONGEST: usize = 16 << 10;
/// Of a line that no script said, so many cells are kept: hidden in it is what must be by then.
const READ: usize = 400;

/// Lines that were said and not taken yet, and how the line to the host stands.
#[derive(Debug, Default)]
pub struct Live {
    waiting: Mutex<Waiting>,
    /// Something is to be recorded.
    asks: Notify,
}

/// What is to be recorded before the step goes on, which waits for it.
#[derive(Debug)]
pub struct Keep {
    /// Facts beside those that the step's intent has.
    pub facts: Value,
    done: oneshot::Sender<Result<(), String>>,
}

impl Keep {
    /// It is durable, or why it is not.
    pub fn done(self, came: Result<(), String>) {
        // A step that waits no more sends nothing.
        let _ = self.done.send(came);
    }
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    lost: u64,
    /// What somebody must know who wants to cut it off.
    noted: Option<i32>,
    detached: Option<Detached>,
    /// That was not told yet.
    news: bool,
    keep: Option<Keep>,
}

/// The line to the host broke, and the step goes on there.
#[derive(Clone, Debug)]
pub struct Detached {
    /// When the host last said something.
    pub heard: Instant,
    /// Why the line broke, harmless and without secrets.
    pub why: String,
}

/// What is new of the line to a step's host.
#[derive(Clone, Debug)]
pub enum LineNews {
    /// It broke.
    Broke(Detached),
    /// The host answers again.
    Back,
}

impl Live {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Whole after every operation.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when this is durable in the journal. The error says why it can't be: then nothing may be sent.
    pub(super) async fn keep(&self, facts: Value) -> Result<(), String> {
        let (done, came) = oneshot::channel();
        self.waiting().keep = Some(Keep { facts, done });
        self.asks.notify_one();
        came.await.unwrap_or_else(|_| Err("nobody is there to record it".to_owned()))
    }

    /// Waits for something that the step wants to have recorded.
    pub async fn asked(&self) -> Keep {
        loop {
            self.asks.notified().await;
            let keep = self.waiting().keep.take();
            if let Some(keep) = keep {
                return keep;
            }
        }
    }

    fn say(&self, line: String) {
        let mut waiting = self.waiting();
        if waiting.lines.len() == WAITING {
            waiting.lines.pop_front();
            waiting.lost += 1;
        }
        waiting.lines.push_back(line);
    }

    /// Notes what [`super::Step::cut`] must know of it: a session's number.
    pub(super) fn note(&self, number: i32) {
        self.waiting().noted = Some(number);
    }

    /// What was noted.
    pub(super) fn noted(&self) -> Option<i32> {
        self.waiting().noted
    }

    /// Takes what waits: the lines, and how many before them were dropped.
    pub fn take(&self) -> (Vec<String>, u64) {
        let mut waiting = self.waiting();
        (waiting.lines.drain(..).collect(), std::mem::take(&mut waiting.lost))
    }

    /// The line broke, or (`None`) is back. Of several breaks in a row the first is told.
    pub(super) fn detached(&self, now: Option<Detached>) {
        let mut waiting = self.waiting();
        if waiting.detached.is_some() != now.is_some() {
            (waiting.detached, waiting.news) = (now, true);
        }
    }

    /// How the line stands, when that has changed since it was last asked.
    pub fn line(&self) -> Option<LineNews> {
        let mut waiting = self.waiting();
        std::mem::take(&mut waiting.news).then(|| waiting.detached.clone().map_or(LineNews::Back, LineNews::Broke))
    }

    /// It could not be told: it is news as before.
    pub fn line_untold(&self) {
        self.waiting().news = true;
    }

    /// Puts lines back that could not be handed on.
    pub fn put_back(&self, lines: Vec<String>, lost: u64) {
        let mut waiting = self.waiting();
        waiting.lost += lost;
        for line in lines.into_iter().rev() {
            if waiting.lines.len() == WAITING {
                waiting.lost += 1;
            } else {
                waiting.lines.push_front(line);
            }
        }
    }
}

/// Tells line by line what a step without streams does. Where nobody listens nothing is said.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    live: Option<&'a Live>,
    redactor: &'a Redactor,
}

impl<'a> Teller<'a> {
    pub(super) fn of(call: &Call<'a>) -> Self {
        Self { live: call.live, redactor: call.connections.redactor() }
    }

    /// One line, of which the beginning is kept when it is long.
    pub(super) fn say(&self, text: &str) {
        if let Some(live) = self.live {
            live.say(harmless(self.redactor, text));
        }
    }
}

/// A line without secrets that drives no terminal, and is no longer than somebody reads while it runs.
pub fn harmless(redactor: &Redactor, text: &str) -> String {
    let line = clean(&redactor.line(&strip_escapes(text))).into_owned();
    let kept = truncate(&line, READ);
    if kept.len() < line.len() { format!("{kept}…") } else { line }
}

/// Makes lines of what two streams say.
pub(super) struct Lines<'a> {
    live: &'a Live,
    redactor: &'a Redactor,
    /// What is said behind it in a line of the error output is not the script's.
    mark: &'a str,
    streams: Mutex<[Stream; 2]>,
}

#[derive(Default)]
struct Stream {
    line: Vec<u8>,
    /// The line is too long: until its end it is passed over.
    passing: bool,
    /// A carriage return has just ended a line: a line feed after it belongs to that end.
    returned: bool,
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines(…)")
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(live: &'a Live, redactor: &'a Redactor, mark: &'a str) -> Self {
        Self { live, redactor, mark, streams: Mutex::default() }
    }

    /// Nothing more comes: what stands there without its end is a line too.
    pub(super) fn end(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for (stream, errors) in streams.iter_mut().zip([false, true]) {
            if !stream.line.is_empty() {
                self.say(stream, errors);
            }
        }
    }

    fn say(&self, stream: &mut Stream, errors: bool) {
        let line = std::mem::take(&mut stream.line);
        if std::mem::take(&mut stream.passing) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let own = match text.find(self.mark).filter(|_| errors) {
            Some(0) => return,
            Some(at) => &text[..at],
            None => &text,
        };
        self.live.say(clean(&self.redactor.line(&strip_escapes(own))).into_owned());
    }

    fn take(&self, stream: &mut Stream, errors: bool, byte: u8) {
        // A bar of progress begins its line again and again.
        let returns = byte == b'\r' && (!stream.line.is_empty() || stream.passing);
        let returned = std::mem::replace(&mut stream.returned, returns);
        match byte {
            b'\n' if !returned => self.say(stream, errors),
            b'\r' if returns => self.say(stream, errors),
            b'\n' | b'\r' => {}
            _ if stream.passing => {}
            _ => {
                stream.line.push(byte);
                if stream.line.len() > LONGEST {
                    stream.line.clear();
                    stream.passing = true;
                    self.live.say(format!("… a line of more than {LONGEST} bytes is left out here …"));
                }
            }
        }
    }
}

impl Tap for Lines<'_> {
    fn heard(&self, errors: bool, piece: &[u8]) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = &mut streams[usize::from(errors)];
        for byte in piece {
            self.take(stream, errors, *byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    fn said(pieces: &[(bool, &[u8])]) -> Vec<String> {
        let (live, redactor) = (Live::default(), Redactor::default());
        redactor.learn(&Secret::from("hunter22".to_owned()));
        redactor.learn(&Secret::from("-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----".to_owned()));
        let lines = Lines::new(&live, &redactor, "mark-1");
        for (errors, piece) in pieces {
            lines.heard(*errors, piece);
        }
        lines.end();
        live.take().0
    }

    #[test]
    fn whole_lines_come_of_pieces_and_each_stream_has_its_own() {
        let pieces: [(bool, &[u8]); 4] =
            [(false, b"on"), (true, b"oh\n"), (false, b"e\n\ntwo"), (false, b"\r\n\r\n3%\r5%")];
        assert_eq!(said(&pieces), ["oh", "one", "", "two", "", "3%", "5%"]);
    }

    #[test]
    fn a_secret_is_hidden_though_it_comes_in_pieces_or_line_by_line() {
        assert_eq!(said(&[(false, b"login hun"), (false, b"ter22 ok\n")]), ["login ‹redacted› ok"]);
        assert_eq!(said(&[(false, b"hunt\x1b[0mer22\n")]), ["‹redacted›"], "nor behind a colour");
        assert_eq!(said(&[(true, b"key:\nMIIEvQIBADANBg\n")]), ["key:", "‹redacted›"]);
    }

    #[test]
    fn a_line_of_a_step_without_streams_is_harmless_and_short() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::from("hunter22".to_owned()));
        assert_eq!(harmless(&redactor, "notice: hunt\x1b[0mer22\x07"), "notice: ‹redacted›\u{2407}");
        assert_eq!(harmless(&redactor, &"x".repeat(1000)).chars().count(), READ + 1);
    }

    #[test]
    fn what_watches_over_the_script_says_nothing_and_nothing_drives_the_terminal() {
        assert_eq!(said(&[(true, b"mark-1 began 7\nno end mark-1 ended 0\n")]), ["no end "]);
        assert_eq!(said(&[(false, b"\x1b[2J\x1b]0;owned\x07red\x08\n")]), ["red\u{2408}"]);
    }

    #[test]
    fn a_line_without_end_and_a_flood_are_bounded() {
        let long = vec![b'x'; 3 * LONGEST];
        let lines = said(&[(false, &long), (false, b"tail\r\nnext\n")]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("left out") && lines[1] == "next");
        let live = Live::default();
        (0..WAITING + 3).for_each(|at| live.say(at.to_string()));
        let (lines, lost) = live.take();
        assert_eq!((lines.len(), lost, lines[0].as_str()), (WAITING, 3, "3"));
        live.say("new".to_owned());
        live.put_back(lines, lost);
        let (lines, lost) = live.take();
        assert_eq!((lines.len(), lost, lines[0].as_str(), lines[WAITING - 1].as_str()), (WAITING, 4, "4", "new"));
    }
}
