//! The rows that the operator marked. A mark is on the thing: it follows it through every order and filter, and goes with it.

use crate::domain::ThingId;
use std::collections::HashSet;

/// The marked things of a table.
#[derive(Default)]
pub(super) struct Marks {
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
