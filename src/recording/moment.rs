//! Moments of a recording, and how a person names one.

use crate::domain::{Now, SourceError};
use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Microseconds since the recording began, by the clock that never jumps.
    pub t: u64,
    /// Wall time, UTC.
    pub at: Timestamp,
}

impl Moment {
    /// A moment of the process that records, seen from the beginning of its recording.
    pub fn of(now: Now, began: Now) -> Self {
        Self { t: u64::try_from(now.since(began).as_micros()).unwrap_or(u64::MAX), at: now.wall }
    }

    /// How far from the beginning.
    pub const fn since_start(self) -> Duration {
        Duration::from_micros(self.t)
    }

    /// As the rest of the program has moments: ages count in recorded time.
    pub const fn now(self) -> Now {
        Now { mono: self.since_start(), wall: self.at }
    }

    /// The moment so far from the beginning, told from this one: both clocks went on alike.
    #[must_use]
    pub fn moved_to(self, since_start: Duration) -> Self {
        let t = u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX);
        let moved = SignedDuration::from_micros(t.cast_signed().saturating_sub(self.t.cast_signed()));
        Self { t, at: self.at.checked_add(moved).unwrap_or(self.at) }
    }
}

/// From a first moment to a last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: Moment,
    /// The last.
    pub until: Moment,
}

/// The wall time that `text` names: RFC 3339 (`2026-11-25T14:03Z`), or a time of day in UTC (`14:03`, `14:03:20`), which is
/// the first such time that is not before the recording began.
///
/// # Errors
/// When it is none, or lies outside the recording.
pub fn parse_at(text: &str, span: Span) -> Result<Timestamp, SourceError> {
    let wrong = || {
        let what = format!("{text:?} is no moment");
        SourceError::new(what, "write a time of day in UTC, as in 14:03 or 14:03:20, or 2026-11-25T14:03Z")
    };
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => time_of_day(text.trim_end_matches('Z'), span).ok_or_else(wrong)?,
    };
    // A minute that the recording began or ended in is meant, though it was not there as a whole.
    let slack = SignedDuration::from_secs(60);
    if at < span.from.at - slack || at > span.until.at + slack {
        let what = format!("the recording does not hold {}", shown(at));
        return Err(SourceError::new(
            what,
            format!("it reaches from {} to {}", shown(span.from.at), shown(span.until.at)),
        ));
    }
    Ok(at)
}

fn time_of_day(text: &str, span: Span) -> Option<Timestamp> {
    let time: Time = text.parse().ok()?;
    let began = TimeZone::UTC.to_datetime(span.from.at);
    let on = |date: jiff::civil::Date| TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok();
    let first = on(began.date())?;
    // The minute in which the recording began counts as today.
    if first + SignedDuration::from_secs(60) >= span.from.at {
        Some(first)
    } else {
        on(began.date().tomorrow().ok()?)
    }
}

/// As messages have it.
pub(super) fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, until: &str) -> Span {
        let moment = |t: u64, at: &str| Moment { t, at: at.parse().unwrap() };
        Span { from: moment(0, from), until: moment(7_200_000_000, until) }
    }

    #[test]
    fn a_moment_is_named_by_the_time_of_day_or_in_full() {
        let span = span("2026-11-25T23:10:30Z", "2026-11-26T01:10:30Z");
        let cases = [
            ("23:30", Ok("2026-11-25T23:30:00Z")),
            ("23:10", Ok("2026-11-25T23:10:00Z")),
            ("00:30:05", Ok("2026-11-26T00:30:05Z")),
            ("00:30Z", Ok("2026-11-26T00:30:00Z")),
            ("2026-11-26T00:30Z", Ok("2026-11-26T00:30:00Z")),
            ("2026-11-26T01:30:00+01:00", Ok("2026-11-26T00:30:00Z")),
            ("14:03", Err("the recording does not hold 2026-11-26 14:03:00Z")),
            ("soon", Err("\"soon\" is no moment")),
        ];
        for (text, expected) in cases {
            let found = parse_at(text, span).map(|at| at.to_string()).map_err(|error| error.what);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn both_clocks_go_on_alike() {
        let moment = Moment { t: 5_000_000, at: "2026-11-25T14:00:00Z".parse().unwrap() };
        assert_eq!(moment.moved_to(Duration::from_secs(65)).at.to_string(), "2026-11-25T14:01:00Z");
        assert_eq!(moment.moved_to(Duration::ZERO).at.to_string(), "2026-11-25T13:59:55Z");
    }
}
