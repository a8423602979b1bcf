//! The rows that the operator marked. A mark is on the thing: it follows it through every order and filter, and goes with it.

use crate::domain::ThingId;
use std::collections::HashSet;
use std::fmt::Write;

/// The marked things of a table.
#[derive(Default)]
pub(in crate::panes) struct Marks {
    things: HashSet<ThingId>,
    /// How many of them pass the filter.
    pub shown: usize,
}

impl Marks {
    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// `id` is made only when there is any mark, so that a table without them costs nothing.
    pub fn has(&self, id: impl FnOnce() -> ThingId) -> bool {
        !self.is_empty() && self.things.contains(&id())
    }

    /// `3 marked (1 hidden)`, appended with two blanks before it; nothing without marks.
    pub fn tell(&self, out: &mut String) {
        if !self.is_empty() {
            let _ = write!(out, "  {} marked", self.len());
        }
        if self.shown < self.len() {
            let _ = write!(out, " ({} hidden)", self.len() - self.shown);
        }
    }

    /// Marks it, or takes the mark away.
    pub fn toggle(&mut self, id: ThingId) {
        if !self.things.remove(&id) {
            self.things.insert(id);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops the marks of things that are no more.
    pub fn keep(&mut self, known: &HashSet<ThingId>) {
        self.things.retain(|id| known.contains(id));
    }
}
