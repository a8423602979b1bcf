//! Does a person type this? A stray reply of the terminal or a burst of garbage comes faster than fingers, and must not act.

use crate::domain::Now;
use std::time::Duration;

/// Two keys closer than this were not typed by a person (fast typists: 60 ms and more; key repeat: 25 ms and more).
pub const BURST: Duration = Duration::from_millis(15);

/// A key that gives an answer counts only when nothing follows it within this time.
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
