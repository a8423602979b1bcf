//! The one reader of wall and monotonic time. Everything else is handed a [`Now`].

use crate::domain::Now;
use jiff::Timestamp;
use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

/// This moment by both clocks. Monotonic time counts from the first call in the process.
pub fn now() -> Now {
    let start = *START.get_or_init(Instant::now);
    Now { mono: start.elapsed(), wall: Timestamp::now() }
}
