//! The commonest patterns: lines that differ only in numbers, ids and quoted parts, counted. Worked off a piece at a time, as a
//! filter is.

use super::sieve::BUDGET;
use crate::domain::log::{Level, mask};
use crate::store::log::LogRing;
use std::collections::HashMap;

/// Patterns kept apart; more are counted together.
const MOST: usize = 5000;

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The lines, masked.
    pub(super) text: String,
    /// Lines of it.
    pub(super) count: u64,
    /// The worst level of any of them.
    pub(super) worst: Option<Level>,
}

/// All patterns.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_text: HashMap<String, usize>,
    all: Vec<Pattern>,
    /// Worst and commonest first.
    order: Vec<usize>,
    /// Lines whose pattern there was no room for.
    pub(super) others: u64,
    next: u64,
    scratch: String,
    pub(super) cursor: usize,
    pub(super) offset: usize,
    /// The pattern under the cursor: it stays there while others overtake it.
    chosen: Option<usize>,
}

impl Patterns {
    /// Looks at lines; false: there are more.
    pub(super) fn work(&mut self, ring: &LogRing) -> bool {
        let (mut budget, before) = (BUDGET / 2, self.next);
        let mut done = true;
        for line in ring.from(self.next) {
            if budget == 0 {
                done = false;
                break;
            }
            budget = budget.saturating_sub(line.text.len() + 32);
            self.next = line.number + 1;
            self.scratch.clear();
            mask(line.text, &mut self.scratch);
            self.count(line.level);
        }
        if self.next != before {
            self.arrange();
        }
        done
    }

    fn count(&mut self, level: Option<Level>) {
        let index = match self.by_text.get(&self.scratch) {
            Some(index) => *index,
            None if self.all.len() == MOST => {
                self.others += 1;
                return;
            }
            None => {
                self.all.push(Pattern { text: self.scratch.clone(), count: 0, worst: None });
                self.by_text.insert(self.scratch.clone(), self.all.len() - 1);
                self.all.len() - 1
            }
        };
        let pattern = &mut self.all[index];
        pattern.count += 1;
        pattern.worst = pattern.worst.max(level);
    }

    fn arrange(&mut self) {
        self.order = (0..self.all.len()).collect();
        let rank = |pattern: &Pattern| (pattern.worst.filter(|worst| *worst >= Level::Warn), pattern.count);
        self.order.sort_by(|a, b| rank(&self.all[*b]).cmp(&rank(&self.all[*a])).then(a.cmp(b)));
        if let Some(at) = self.chosen.and_then(|chosen| self.order.iter().position(|index| *index == chosen)) {
            self.cursor = at;
        }
    }

    /// Those in a window, the first ones first.
    pub(super) fn window(&self, from: usize, count: usize) -> impl Iterator<Item = &Pattern> {
        self.order.iter().skip(from).take(count).map(|index| &self.all[*index])
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Moves the cursor.
    pub(super) fn go(&mut self, to: usize) {
        self.cursor = to.min(self.order.len().saturating_sub(1));
        // At the top it stays at the top: nobody chose what stands there.
        self.chosen = self.order.get(self.cursor).copied().filter(|_| self.cursor > 0);
    }

    /// What the cursor is on.
    pub(super) fn chosen(&self) -> Option<&Pattern> {
        self.order.get(self.cursor).map(|index| &self.all[*index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LogLine;

    #[test]
    fn the_worst_and_commonest_come_first_and_are_counted_on() {
        let mut ring = LogRing::new(0);
        let mut say = |text: String, level: Option<Level>| {
            ring.push(&LogLine { level, text, ..LogLine::default() }, None);
        };
        (0..50).for_each(|n| say(format!("GET /users/{n} 200"), Some(Level::Info)));
        (0..3).for_each(|n| say(format!("timeout after {n} ms"), Some(Level::Error)));
        (0..9).for_each(|n| say(format!("slow: {n}"), Some(Level::Warn)));
        let mut patterns = Patterns::default();
        assert!(patterns.work(&ring));
        let told: Vec<(&str, u64)> = patterns.window(0, 9).map(|p| (p.text.as_str(), p.count)).collect();
        assert_eq!(told, [("timeout after # ms", 3), ("slow: #", 9), ("GET /users/# #", 50)]);
        patterns.go(1);
        (0..4).for_each(|n| {
            ring.push(&LogLine { text: format!("panic {n}"), level: Some(Level::Fatal), ..LogLine::default() }, None);
        });
        patterns.work(&ring);
        assert_eq!(patterns.chosen().map(|p| p.text.as_str()), Some("slow: #"), "the cursor follows its pattern");
    }

    #[test]
    fn there_are_only_so_many() {
        let mut ring = LogRing::new(4 << 20);
        for index in 0..MOST + 7 {
            let word: String = index.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            ring.push(&LogLine { text: word, ..LogLine::default() }, None);
        }
        let mut patterns = Patterns::default();
        while !patterns.work(&ring) {}
        assert_eq!((patterns.len(), patterns.others), (MOST, 7));
    }
}
