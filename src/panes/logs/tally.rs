//! How many of the lines that pass a search hits, and which of them the cursor is on. Counted a piece at a time, as a filter is
//! worked off, and then kept up with what comes.

use super::lines::grouped;
use super::sieve::{BUDGET, Sieve, lower};
use crate::store::log::LogRing;
use std::collections::VecDeque;

/// The hits of a search.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What was let through, and what was searched for, when counting began.
    of: (u64, String),
    /// The numbers of the lines that are hit.
    hits: VecDeque<u64>,
    /// The next line to look at.
    next: u64,
    /// Every line that passes was looked at.
    done: bool,
}

impl Tally {
    /// Looks at lines; `needle` is in lower case. False: there are more.
    pub(super) fn work(&mut self, needle: &str, sieve: &Sieve, ring: &LogRing, scratch: &mut String) -> bool {
        if self.of.0 != sieve.generation() || self.of.1 != needle {
            *self = Self { of: (sieve.generation(), needle.to_owned()), ..Self::default() };
        }
        while self.hits.front().is_some_and(|number| *number < ring.first()) {
            self.hits.pop_front();
        }
        let mut budget = BUDGET;
        let mut place = sieve.place(self.next, ring);
        self.done = loop {
            let Some(line) = sieve.at(place, ring).and_then(|number| ring.get(number)) else { break true };
            if budget == 0 {
                break false;
            }
            budget = budget.saturating_sub(line.text.len() + 16);
            lower(line.text, scratch);
            if scratch.contains(needle) {
                self.hits.push_back(line.number);
            }
            self.next = line.number + 1;
            place += 1;
        };
        self.done
    }

    /// `3 of 41`; `41 hits` where the cursor is on none of them; with `+` as long as it is counted. Appended.
    pub(super) fn tell(&self, cursor: u64, out: &mut String) {
        let more = if self.done { "" } else { "+" };
        if let Ok(at) = self.hits.binary_search(&cursor) {
            grouped(at as u64 + 1, out);
            out.push_str(" of ");
            grouped(self.hits.len() as u64, out);
            return out.push_str(more);
        }
        grouped(self.hits.len() as u64, out);
        out.push_str(more);
        out.push_str(if self.hits.len() == 1 && self.done { " hit" } else { " hits" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LogLine;

    fn push(ring: &mut LogRing, text: String) {
        ring.push(&LogLine { text, ..LogLine::default() }, None);
    }

    fn told(tally: &Tally, cursor: u64) -> String {
        let mut out = String::new();
        tally.tell(cursor, &mut out);
        out
    }

    #[test]
    fn hits_are_counted_a_piece_at_a_time_and_then_kept_up() {
        let mut ring = LogRing::new(64 << 20);
        (0..100_000).for_each(|n| push(&mut ring, format!("{} request {n}", if n % 10 == 0 { "Lost" } else { "ok" })));
        let (mut tally, mut sieve, mut scratch) = (Tally::default(), Sieve::default(), String::new());
        assert!(!tally.work("lost", &sieve, &ring, &mut scratch), "it is more than is looked at in one go");
        assert!(told(&tally, 20).starts_with("3 of ") && told(&tally, 20).ends_with('+'), "{}", told(&tally, 20));
        assert!(told(&tally, 99_990).ends_with("+ hits"), "{}", told(&tally, 99_990));
        while !tally.work("lost", &sieve, &ring, &mut scratch) {}
        assert_eq!((told(&tally, 20), told(&tally, 21)), ("3 of 10,000".to_owned(), "10,000 hits".to_owned()));
        push(&mut ring, "lost again".to_owned());
        assert!(tally.work("lost", &sieve, &ring, &mut scratch));
        assert_eq!(told(&tally, 100_000), "10,001 of 10,001");
        sieve.set("again");
        while !sieve.work(&ring) {}
        assert!(tally.work("lost", &sieve, &ring, &mut scratch));
        assert_eq!(told(&tally, 0), "1 hit", "of the lines that pass");
        assert!(tally.work("nowhere", &sieve, &ring, &mut scratch));
        assert_eq!(told(&tally, 0), "0 hits");
    }

    #[test]
    fn what_is_gone_is_no_hit_any_more() {
        let (mut tally, sieve, mut scratch) = (Tally::default(), Sieve::default(), String::new());
        let mut ring = LogRing::new(1 << 20);
        for n in 0..40_000 {
            push(&mut ring, format!("line {n} of a log that is longer than what is kept of it"));
            if n % 1000 == 0 {
                tally.work("line", &sieve, &ring, &mut scratch);
            }
        }
        while !tally.work("line", &sieve, &ring, &mut scratch) {}
        assert!(ring.first() > 0);
        let mut all = String::new();
        grouped(ring.len() as u64, &mut all);
        assert_eq!(told(&tally, ring.first()), format!("1 of {all}"));
    }
}
