//! One moment, as both clocks tell it.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
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

/// What is further back than this was meant otherwise: the wrong month or year.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A moment that is over, as somebody types it: `2026-11-29T23:50:00Z`, or `23:50` or `23:50:04`, today's or yesterday's, whichever is nearer, in UTC.
///
/// # Errors
/// A sentence, when it is no moment, is yet to come or was long ago: what is wrong with it, and what to write.
pub fn past(typed: &str, now: Timestamp) -> Result<Timestamp, String> {
    let typed = typed.trim();
    let (at, of_day) = match (typed.parse::<Timestamp>(), time_of_day(typed)) {
        (Ok(at), _) => (at, false),
        (Err(_), Some(time)) => (last(time, now), true),
        (Err(_), None) => {
            let how = "23:50 or 23:50:04 (UTC, today's or yesterday's, whichever is nearer), or 2026-11-29T23:50:00Z";
            return Err(format!("that is no moment: write {how}"));
        }
    };
    let clock = now.strftime("%Y-%m-%d %H:%M:%SZ");
    if at > now {
        let yesterday = || (at - SignedDuration::from_hours(24)).strftime("%Y-%m-%dT%H:%M:%SZ");
        let how =
            if of_day { format!("; yesterday's is written with its date: {}", yesterday()) } else { String::new() };
        return Err(format!("that is yet to come: it is {clock} now, and times are UTC{how}"));
    }
    if now.duration_since(at) > LONG_AGO {
        return Err(format!("that is {} ago, more than 90 days: it is {clock} now", words(between(at, now))));
    }
    Ok(at)
}

fn time_of_day(typed: &str) -> Option<Time> {
    let typed = typed.trim_end_matches(['Z', 'z']);
    ["%H:%M:%S", "%H:%M"].into_iter().find_map(|form| Time::strptime(form, typed).ok())
}

/// Today's or yesterday's, whichever is nearer: `11:00` at ten o'clock is a slip, or somebody's local time, and not 23 hours ago.
fn last(time: Time, now: Timestamp) -> Timestamp {
    let half_a_day = SignedDuration::from_hours(12);
    let today = Offset::UTC.to_timestamp(day(now).to_datetime(time)).unwrap_or(now);
    if today.duration_since(now) > half_a_day { today - half_a_day * 2 } else { today }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_is_over_is_read_and_everything_else_says_what_to_write() {
        let now: Timestamp = "2026-11-30T00:10:30Z".parse().unwrap();
        for (typed, read) in [
            ("00:10", "2026-11-30T00:10:00Z"),
            (" 00:10:30Z ", "2026-11-30T00:10:30Z"),
            ("23:50", "2026-11-29T23:50:00Z"),
            ("2026-11-29T23:50:00Z", "2026-11-29T23:50:00Z"),
            ("2026-11-30T01:00:00+01:00", "2026-11-30T00:00:00Z"),
        ] {
            assert_eq!(past(typed, now), Ok(read.parse().unwrap()), "{typed}");
        }
        for (typed, why) in [
            (
                "00:11",
                "that is yet to come: it is 2026-11-30 00:10:30Z now, and times are UTC; yesterday's is written with its date: 2026-11-29T00:11:00Z",
            ),
            ("11:00", "that is yet to come"),
            ("2026-11-30T00:10:31Z", "that is yet to come: it is 2026-11-30 00:10:30Z now, and times are UTC"),
            ("2025-11-30T00:00:00Z", "that is 365 days ago, more than 90 days"),
            ("24:00", "that is no moment: write 23:50"),
            ("23:60", "that is no moment"),
            ("an hour ago", "that is no moment"),
            ("2026-11-29 23:50", "that is no moment"),
            ("", "that is no moment"),
        ] {
            assert!(past(typed, now).unwrap_err().starts_with(why), "{typed}: {:?}", past(typed, now));
        }
    }
}
