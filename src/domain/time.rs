//! One moment, as both clocks tell it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use std::time::Duration;

/// A moment: monotonic time for ages, wall time (UTC) for people and records. Made by [`crate::clock`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since the process started. Ages and deadlines use this: a changed system clock does not move it.
    pub mono: Duration,
    /// Wall time, UTC. Shown and recorded; never used to measure.
    pub wall: Timestamp,
}

impl Now {
    /// How long ago `earlier` was, by the monotonic clock; zero when it lies in the future.
    pub fn since(&self, earlier: Now) -> Duration {
        self.mono.saturating_sub(earlier.mono)
    }
}

/// A length of time in its largest unit, in people's words.
pub fn words(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Time from `earlier` to `later` on one wall clock; zero when negative.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// `03:12:04Z`; of another day than `today` with its date, `11-28 03:12:04Z`, and of another year with that, `2025-11-28 03:12:04Z`.
pub fn moment(at: Timestamp, today: Timestamp) -> String {
    at.strftime(moment_form(at, today)).to_string()
}

/// How [`moment`] writes it, for `strftime`.
pub fn moment_form(at: Timestamp, today: Timestamp) -> &'static str {
    match (day(at), day(today)) {
        (at, today) if at == today => "%H:%M:%SZ",
        (at, today) if at.year() == today.year() => "%m-%d %H:%M:%SZ",
        _ => "%Y-%m-%d %H:%M:%SZ",
    }
}

/// The day of a moment, in UTC.
pub fn day(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}
