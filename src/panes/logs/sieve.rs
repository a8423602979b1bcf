//! Which lines pass, and where a search hits. Looks at a bounded number of bytes at a time, so that a full ring of lines never
//! holds up a key: what is not looked at yet is looked at with the next frame.

use crate::domain::log::{Level, Part, mask};
use crate::store::log::{Kept, LogRing};
use crate::widgets::filter::Filter;
use std::collections::VecDeque;

/// Bytes looked at in one go: a few milliseconds.
pub(super) const BUDGET: usize = 2 << 20;

/// What is let through.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    text: String,
    filter: Filter,
    /// Only lines of this pattern.
    pattern: Option<String>,
    /// Only lines of this level or a worse one, and what continues them.
    floor: Option<Level>,
    /// By place: the last line with a level of its own was let through by the floor.
    grave: Vec<bool>,
    /// Counts the changes of what is let through.
    generation: u64,
    /// The numbers of those that pass, when something is asked for.
    passing: VecDeque<u64>,
    /// The next line to look at.
    next: u64,
    scratch: String,
}

impl Sieve {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }

    pub(super) fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.filter = Filter::parse(text, false, &[]);
        self.again();
    }

    pub(super) fn set_pattern(&mut self, pattern: Option<String>) {
        self.pattern = pattern;
        self.again();
    }

    pub(super) const fn floor(&self) -> Option<Level> {
        self.floor
    }

    pub(super) fn set_floor(&mut self, floor: Option<Level>) {
        self.floor = floor;
        self.again();
    }

    /// Another one than before: something else is let through, or other lines are.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Everything is to be looked at again.
    pub(super) fn again(&mut self) {
        self.generation += 1;
        self.passing.clear();
        self.grave.clear();
        self.next = 0;
    }

    /// Nothing is asked for: all lines pass.
    pub(super) fn is_open(&self) -> bool {
        self.filter.is_empty() && self.pattern.is_none() && self.floor.is_none()
    }

    /// In words, for a title and for a file.
    pub(super) fn words(&self) -> String {
        let pattern = self.pattern.as_ref().map(|pattern| format!("pattern {pattern}"));
        let filter = (!self.filter.is_empty()).then(|| self.text.clone());
        let floor =
            self.floor.map(|floor| if floor > Level::Warn { "errors" } else { "errors and warnings" }.to_owned());
        floor.into_iter().chain(pattern).chain(filter).collect::<Vec<_>>().join(", ")
    }

    /// Looks at lines; false: there are more.
    pub(super) fn work(&mut self, ring: &LogRing) -> bool {
        while self.passing.front().is_some_and(|number| *number < ring.first()) {
            self.passing.pop_front();
        }
        if self.is_open() {
            self.next = ring.end();
            return true;
        }
        let mut budget = BUDGET;
        for line in ring.from(self.next) {
            if budget == 0 {
                return false;
            }
            budget = budget.saturating_sub(line.text.len() + 16);
            self.next = line.number + 1;
            if self.passes(line) {
                self.passing.push_back(line.number);
            }
        }
        true
    }

    /// Whether the floor lets it through. A line without a level that is a part of a stack trace belongs to the one before it of the
    /// same place.
    fn is_grave(&mut self, line: Kept<'_>, floor: Level) -> bool {
        let place = usize::from(line.place);
        if self.grave.len() <= place {
            self.grave.resize(place + 1, false);
        }
        let here = &mut self.grave[place];
        *here = match (line.level, Part::of(line.text)) {
            (Some(level), _) => level >= floor,
            (None, Part::Own) => false,
            (None, Part::More) => *here,
            (None, Part::Start) => floor <= Level::Error,
        };
        *here
    }

    fn passes(&mut self, line: Kept<'_>) -> bool {
        if self.floor.is_some_and(|floor| !self.is_grave(line, floor)) {
            return false;
        }
        if !self.filter.is_empty() {
            lower(line.text, &mut self.scratch);
            if let Some(level) = line.level {
                // A level that is only known from a number, or from the journal, is found by its name too.
                self.scratch.push(' ');
                self.scratch.extend(level.word().chars().map(|char| char.to_ascii_lowercase()));
            }
            if !self.filter.passes(&self.scratch) {
                return false;
            }
        }
        self.pattern.as_ref().is_none_or(|pattern| {
            self.scratch.clear();
            mask(line.text, &mut self.scratch);
            self.scratch == *pattern
        })
    }

    /// How many pass, of those that were looked at.
    pub(super) fn len(&self, ring: &LogRing) -> usize {
        if self.is_open() { ring.len() } else { self.passing.len() }
    }

    /// The number of the line at a place among those that pass.
    pub(super) fn at(&self, index: usize, ring: &LogRing) -> Option<u64> {
        if self.is_open() {
            return (index < ring.len()).then(|| ring.first() + index as u64);
        }
        self.passing.get(index).copied()
    }

    /// The place of a line; of the next one that passes when it does not.
    pub(super) fn place(&self, number: u64, ring: &LogRing) -> usize {
        if self.is_open() {
            return usize::try_from(number.saturating_sub(ring.first())).unwrap_or(0);
        }
        self.passing.partition_point(|passing| *passing < number)
    }

    /// Those that pass; `None`: all.
    pub(super) fn numbers(&self) -> Option<Vec<u64>> {
        (!self.is_open()).then(|| self.passing.iter().copied().collect())
    }
}

/// Writes the text in lower case.
pub(super) fn lower(text: &str, out: &mut String) {
    out.clear();
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
}

/// A search under way: from a place on, up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hunt {
    /// The next place to look at.
    pub(super) at: usize,
    /// Downwards, to later lines.
    pub(super) down: bool,
    /// When nothing is found this way, the other one is tried from here.
    pub(super) turn: Option<usize>,
}

/// What came of a piece of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The place of a hit.
    At(usize),
    /// Not yet.
    Later(Hunt),
    /// There is none.
    Nothing,
}

impl Hunt {
    /// Looks on; `needle` is in lower case.
    pub(super) fn work(mut self, needle: &str, sieve: &Sieve, ring: &LogRing, scratch: &mut String) -> Found {
        let mut budget = BUDGET;
        loop {
            let Some(line) = sieve.at(self.at, ring).and_then(|number| ring.get(number)) else {
                match self.turn.take() {
                    Some(turn) => (self.at, self.down) = (turn, !self.down),
                    None => return Found::Nothing,
                }
                continue;
            };
            lower(line.text, scratch);
            if scratch.contains(needle) {
                return Found::At(self.at);
            }
            budget = budget.saturating_sub(line.text.len() + 16);
            if budget == 0 {
                return Found::Later(self);
            }
            match (self.down, self.at.checked_sub(1)) {
                (true, _) => self.at += 1,
                (false, Some(above)) => self.at = above,
                (false, None) => self.at = usize::MAX,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LogLine;

    fn ring(count: usize) -> LogRing {
        let mut ring = LogRing::new(64 << 20);
        for index in 0..count {
            let text = format!("{} request {index} Ärger", if index % 10 == 0 { "ERROR" } else { "ok" });
            ring.push(&LogLine { text, ..LogLine::default() }, None);
        }
        ring
    }

    #[test]
    fn a_filter_is_worked_off_a_piece_at_a_time_and_then_kept_up() {
        let mut ring = ring(200_000);
        let mut sieve = Sieve::default();
        sieve.set("error !17 ärger");
        let mut rounds = 0;
        while !sieve.work(&ring) {
            rounds += 1;
        }
        assert!(rounds > 1, "{rounds}");
        let expected = (0..200_000).step_by(10).filter(|index: &i32| !index.to_string().contains("17")).count();
        assert_eq!(sieve.len(&ring), expected);
        ring.push(&LogLine { text: "error ärger".into(), ..LogLine::default() }, None);
        assert!(sieve.work(&ring));
        assert_eq!(sieve.len(&ring), expected + 1);
        assert_eq!(sieve.at(expected, &ring), Some(200_000));
        assert_eq!(sieve.place(5, &ring), 1, "the next one that passes");
    }

    #[test]
    fn a_pattern_lets_its_own_lines_through() {
        let ring = ring(100);
        let mut sieve = Sieve::default();
        sieve.set_pattern(Some("ERROR request # Ärger".to_owned()));
        assert!(sieve.work(&ring));
        assert_eq!(sieve.len(&ring), 10);
        sieve.set_pattern(None);
        sieve.work(&ring);
        assert_eq!(sieve.len(&ring), 100);
    }

    #[test]
    fn a_floor_lets_errors_through_with_what_continues_them() {
        let mut ring = LogRing::new(1 << 20);
        let mut say = |place: u16, level: Option<Level>, text: &str| {
            ring.push(&LogLine { place, level, text: text.to_owned(), ..LogLine::default() }, None);
        };
        say(0, Some(Level::Error), "broken");
        say(1, Some(Level::Info), "fine");
        say(0, None, "\tat com.example.Main");
        say(1, None, "  of what is fine");
        say(0, None, "a line of its own");
        say(0, None, "  of that one");
        say(1, Some(Level::Warn), "slow");
        say(1, Some(Level::Fatal), "over");
        let mut sieve = Sieve::default();
        let mut passing = |floor: Option<Level>| {
            sieve.set_floor(floor);
            assert!(sieve.work(&ring));
            (0..sieve.len(&ring)).filter_map(|at| sieve.at(at, &ring)).collect::<Vec<_>>()
        };
        assert_eq!(passing(Some(Level::Error)), [0, 2, 7]);
        assert_eq!(passing(Some(Level::Warn)), [0, 2, 6, 7]);
        assert_eq!(passing(None).len(), 8);
    }

    #[test]
    fn a_floor_keeps_a_stack_trace_with_its_error_and_no_trace_with_what_is_well() {
        let mut ring = LogRing::new(1 << 20);
        let lines = [
            "2026-11-25T03:00:00Z INFO retrying after",
            "java.net.ConnectException: refused",
            "2026-11-25T03:00:01Z ERROR request failed",
            "java.lang.IllegalStateException: no connection",
            "\tat com.example.Main.run(Main.java:7)",
            "Caused by: java.io.IOException: broken pipe",
            "\t... 12 more",
            "GET /health 200",
            "java.lang.Error: not of the error above",
            "Traceback (most recent call last):",
            "  File \"app.py\", line 3, in <module>",
            "ValueError: invalid literal",
            "listening again",
        ];
        for text in lines {
            let line = LogLine { level: Level::of(text), text: text.to_owned(), ..LogLine::default() };
            ring.push(&line, None);
        }
        let mut sieve = Sieve::default();
        sieve.set_floor(Some(Level::Error));
        assert!(sieve.work(&ring));
        let passing: Vec<u64> = (0..sieve.len(&ring)).filter_map(|at| sieve.at(at, &ring)).collect();
        assert_eq!(passing, [2, 3, 4, 5, 6, 9, 10, 11]);
    }

    #[test]
    fn a_search_goes_both_ways_and_says_when_there_is_nothing() {
        let (ring, sieve) = (ring(100), Sieve::default());
        let mut scratch = String::new();
        let mut hunt = |at: usize, down: bool, turn: Option<usize>, needle: &str| {
            Hunt { at, down, turn }.work(needle, &sieve, &ring, &mut scratch)
        };
        assert_eq!(hunt(55, true, None, "error"), Found::At(60));
        assert_eq!(hunt(55, false, None, "error"), Found::At(50));
        assert_eq!(hunt(55, false, None, "request 77"), Found::Nothing);
        assert_eq!(hunt(55, false, Some(56), "request 77"), Found::At(77));
        assert_eq!(hunt(0, true, None, "nowhere"), Found::Nothing);
    }
}
