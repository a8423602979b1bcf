//! How old lines are when they come: whether what is shown is what happens now.

use crate::domain::time;
use crate::widgets::figure;
use jiff::Timestamp;
use std::time::Duration;

/// Lines that came within this come just now.
const LATELY: Duration = Duration::from_secs(2);
/// Lines that are older than this when they come are not of now.
const LATE: Duration = Duration::from_secs(10);
/// Old lines must come for this long: the last lines of a quiet log are old too, and come at once.
const LONG: Duration = Duration::from_secs(1);

/// A batch: when it came, and how old its last line was then.
#[derive(Clone, Copy, Debug)]
struct Batch {
    came: Timestamp,
    age: Duration,
}

/// Batches of lines as they came.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    newest: Option<Batch>,
    /// Where the old lines began to come that still do.
    first_late: Option<Batch>,
}

impl Arrivals {
    /// Lines came, the last of them with this time.
    pub(super) fn count(&mut self, came: Timestamp, last: Timestamp) {
        let batch = Batch { came, age: time::between(last, came) };
        let goes_on = self.newest.is_some_and(|newest| time::between(newest.came, came) <= LATELY);
        let before = self.first_late.filter(|_| goes_on);
        self.first_late = (batch.age > LATE).then(|| before.unwrap_or(batch));
        self.newest = Some(batch);
    }

    fn late(&self, now: Timestamp) -> Option<(Batch, Batch)> {
        let newest = self.newest.filter(|newest| time::between(newest.came, now) <= LATELY)?;
        Some((self.first_late?, newest))
    }

    /// Of the last minute nothing is known while older lines still come.
    pub(super) fn are_late(&self, now: Timestamp) -> bool {
        self.late(now).is_some()
    }

    /// Appends that what comes is not of now, and whether it is getting there, with two blanks behind it.
    pub(super) fn tell(&self, now: Timestamp, out: &mut String) {
        let Some((first, newest)) = self.late(now) else { return };
        if time::between(first.came, newest.came) < LONG {
            return;
        }
        let nears = newest.age + LONG < first.age;
        out.push_str(if nears { "catching up, " } else { "lines are " });
        figure::coarse_age(out, newest.age);
        out.push_str(if nears { " behind  " } else { " old when they come  " });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(batches: &[(i64, i64)], now: i64) -> (String, bool) {
        let mut arrivals = Arrivals::default();
        for (came, last) in batches {
            arrivals.count(second(*came), second(*last));
        }
        let mut out = String::new();
        arrivals.tell(second(now), &mut out);
        (out, arrivals.are_late(second(now)))
    }

    #[test]
    fn the_last_lines_of_a_quiet_log_are_not_behind_anything() {
        assert_eq!(told(&[(1000, 820)], 1000), (String::new(), true), "but of the last minute nothing is known yet");
        assert_eq!(told(&[(1000, 820)], 1003), (String::new(), false));
        assert_eq!(told(&[(1000, 820), (1030, 850)], 1030).0, "", "now and then an old line is no backlog");
    }

    #[test]
    fn old_lines_that_keep_coming_are_told_and_whether_they_get_nearer() {
        assert_eq!(told(&[(1000, 100), (1001, 500)], 1001), ("catching up, 8m behind  ".to_owned(), true));
        assert_eq!(
            told(&[(1000, 820), (1001, 821)], 1001).0,
            "lines are 3m old when they come  ",
            "a clock that is off"
        );
        assert_eq!(told(&[(1000, 100), (1001, 500), (1002, 1002)], 1002), (String::new(), false));
    }
}
