//! The position in a recording: goes on with the time that passes, faster or slower, stops, and jumps. Is told how much time passed,
//! and tells what the screen shall take in.
//!
//! To jump, what was known at that moment is built anew from the samples of the minutes before it, so that charts have a past too.
//! What it holds at a time is bounded: one state of every source.

use super::read::{Cursor, Ending, Found, Tape};
use super::{Moment, Span};
use crate::domain::{Now, Sample};
use crate::store::Store;
use std::io;
use std::iter::Peekable;
use std::time::Duration;

/// The speeds that keys choose from: times as fast as it was.
const SPEEDS: [u32; 5] = [1, 2, 4, 10, 60];
/// The fastest.
pub const FASTEST: u32 = SPEEDS[SPEEDS.len() - 1];
/// After a jump, charts reach back this far at least, as far as the recording does.
const PAST: Duration = Duration::from_mins(15);

/// What somebody wants of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stop, or go on.
    Pause,
    /// So many seconds on; back when negative.
    By(i64),
    /// The next higher speed.
    Faster,
    /// The next lower speed.
    Slower,
}

/// What the screen shall take in.
#[derive(Debug)]
pub struct Played {
    /// All that is known, after a jump: takes the place of what the screen had.
    pub store: Option<Box<Store>>,
    /// What came since, in order.
    pub samples: Vec<Sample>,
    /// What is missing, in words.
    pub gaps: Vec<String>,
    /// Where the replay stands.
    pub position: Position,
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The recorded moment.
    pub now: Now,
    /// Its distance from the beginning.
    pub at: Duration,
    /// The length of the recording.
    pub length: Duration,
    /// Times as fast as it was.
    pub speed: u32,
    /// It stands still.
    pub paused: bool,
    /// Nothing comes any more: how the recording ends.
    pub over: Option<Ending>,
}

/// Plays a recording.
pub struct Player {
    tape: Tape,
    rest: Peekable<Cursor>,
    /// The moment of what was played last.
    last: Moment,
    at: Duration,
    speed: u32,
    paused: bool,
}

impl Player {
    /// Begins so far from the beginning, at this speed.
    ///
    /// # Errors
    /// When the file can't be read any more; likewise below.
    pub fn new(tape: Tape, at: Duration, speed: u32) -> io::Result<(Self, Played)> {
        let rest = tape.cursor(Duration::ZERO)?.peekable();
        let last = tape.span().from;
        let mut this = Self { tape, rest, last, at, speed: speed.clamp(1, FASTEST), paused: false };
        let played = this.jump(at)?;
        Ok((this, played))
    }

    /// The recording.
    pub const fn tape(&self) -> &Tape {
        &self.tape
    }

    /// It moves by itself.
    pub fn is_moving(&self) -> bool {
        !self.paused && self.at < self.length()
    }

    /// Lets so much time pass, as the one who looks at it has it.
    pub fn pass(&mut self, time: Duration) -> Played {
        if self.is_moving() {
            self.on_to(self.at + time * self.speed)
        } else {
            self.played(None, Vec::new(), Vec::new())
        }
    }

    /// Does what somebody wants.
    ///
    /// # Errors
    /// As [`Player::new`].
    pub fn obey(&mut self, command: Command) -> io::Result<Played> {
        match command {
            Command::Pause => self.paused = !self.paused,
            Command::Faster => self.speed = SPEEDS.into_iter().find(|speed| *speed > self.speed).unwrap_or(FASTEST),
            Command::Slower => self.speed = SPEEDS.into_iter().rfind(|speed| *speed < self.speed).unwrap_or(1),
            Command::By(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                return if seconds < 0 { self.jump(self.at.saturating_sub(by)) } else { Ok(self.on_to(self.at + by)) };
            }
        }
        Ok(self.played(None, Vec::new(), Vec::new()))
    }

    /// Goes on to a later moment; everything up to it is news.
    fn on_to(&mut self, to: Duration) -> Played {
        let (mut samples, mut gaps) = (Vec::new(), Vec::new());
        self.at = to.min(self.length());
        while let Some(found) = self.next() {
            match found {
                Found::Sample(_, sample) => samples.push(sample),
                Found::Gap(_, what) => gaps.push(what),
            }
        }
        self.played(None, samples, gaps)
    }

    /// Makes anew what was known at a moment.
    fn jump(&mut self, to: Duration) -> io::Result<Played> {
        self.rest = self.tape.cursor(to.saturating_sub(PAST))?.peekable();
        self.at = to.min(self.length());
        let header = self.tape.header();
        self.last = self.tape.span().from;
        let mut store = Store::new(header.feeds()).with_servers(header.servers(), self.last.now());
        store.set_limits(&header.limits);
        while let Some(found) = self.next() {
            if let Found::Sample(_, sample) = found {
                store.apply(sample);
            }
        }
        store.pass(self.now());
        Ok(self.played(Some(Box::new(store)), Vec::new(), Vec::new()))
    }

    /// What comes next, when its time has come.
    fn next(&mut self) -> Option<Found> {
        let at = self.at;
        let found = self.rest.next_if(|found| found.moment().since_start() <= at)?;
        self.last = self.last.max(found.moment());
        Some(found)
    }

    fn length(&self) -> Duration {
        let Span { until, .. } = self.tape.span();
        until.since_start()
    }

    fn now(&self) -> Now {
        self.last.moved_to(self.at).now()
    }

    fn played(&self, store: Option<Box<Store>>, samples: Vec<Sample>, gaps: Vec<String>) -> Played {
        let length = self.length();
        let over = (self.at >= length).then(|| self.tape.ending());
        let position = Position { now: self.now(), at: self.at, length, speed: self.speed, paused: self.paused, over };
        Played { store, samples, gaps, position }
    }
}
