//! Does a person type this? A stray reply of the terminal or a burst of garbage comes faster than fingers, and must not act.

use crate::action::Action;
use crate::domain::Now;
use std::time::Duration;

/// Two keys closer than this were not typed by a person (fast typists: 60 ms and more; key repeat: 25 ms and more).
pub const BURST: Duration = Duration::from_millis(15);

/// A key that gives an answer, asks for a plan or leaves counts only when nothing follows it within this time.
pub const QUIET: Duration = Duration::from_millis(40);

/// When the last key came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typing {
    last: Option<Now>,
}

impl Typing {
    /// A key came; true when it is part of a burst.
    pub fn key(&mut self, now: Now) -> bool {
        let burst = self.last.is_some_and(|last| now.since(last) < BURST);
        self.last = Some(now);
        burst
    }
}

/// What a grave key asked for, until it is clear that the key stood alone.
#[derive(Clone, Debug)]
pub struct Held {
    /// To be done.
    pub action: Action,
    /// When its key came.
    pub at: Now,
}

impl Held {
    /// It stood alone for long enough.
    pub fn settled(&self, now: Now) -> bool {
        now.since(self.at) >= QUIET
    }

    /// When it will have.
    pub fn deadline(&self) -> Duration {
        self.at.mono + QUIET
    }
}
