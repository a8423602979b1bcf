//! When a dialog takes an answer: armed a moment after it was painted, and only from a key that stands alone.

use super::typing::QUIET;
use crate::domain::Now;
use std::time::Duration;

/// A dialog takes answers from this long after it was painted: keys typed ahead were meant for what was there before.
pub const ARM: Duration = Duration::from_millis(300);

/// What opens by itself after an answer takes none of its own before no key came for this long: who presses the same letter once more means
/// what was asked before.
pub const REST: Duration = Duration::from_millis(1500);

/// The arming of one dialog.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arming {
    painted: Option<Now>,
    answered: Option<Now>,
    /// It came right after an answer: hands must have been off the keys until then, monotonic.
    rests: Option<Duration>,
}

impl Arming {
    /// It takes no answer before that moment (monotonic), however long it is on the screen.
    pub fn resting(until: Duration) -> Self {
        Self { rests: Some(until), ..Self::default() }
    }

    /// A key came: hands must be off until a later moment now, where they must be at all.
    pub fn rest(&mut self, until: Duration) {
        self.rests = self.rests.map(|_| until);
    }

    /// It takes no answer because one was given right before.
    pub fn rests(&self, now: Now) -> bool {
        self.rests.is_some_and(|until| now.mono < until)
    }

    /// The dialog is on the screen.
    pub fn painted(&mut self, now: Now) {
        self.painted.get_or_insert(now);
    }

    /// It takes answers.
    pub fn armed(&self, now: Now) -> bool {
        !self.rests(now) && self.painted.is_some_and(|painted| now.since(painted) >= ARM)
    }

    /// The answering key came; it counts when nothing follows ([`Arming::settled`]). False when it can't count.
    pub fn answer(&mut self, now: Now, burst: bool) -> bool {
        let counts = self.armed(now) && !burst;
        self.answered = counts.then_some(now);
        counts
    }

    /// Another key came: an answer that was not settled is void. True if there was one.
    pub fn disturb(&mut self) -> bool {
        self.answered.take().is_some()
    }

    /// The answer stood alone for long enough: take it. True once.
    pub fn settled(&mut self, now: Now) -> bool {
        let settled = self.answered.is_some_and(|at| now.since(at) >= QUIET);
        if settled {
            self.answered = None;
        }
        settled
    }

    /// When it wants to be looked at again.
    pub fn deadline(&self, now_armed: bool) -> Option<Duration> {
        let arms = |painted: Now| (painted.mono + ARM).max(self.rests.unwrap_or_default());
        let arms = self.painted.map(arms).filter(|_| !now_armed);
        self.answered.map(|at| at.mono + QUIET).or(arms)
    }
}
