//! A cursor in a list, and the part of the list that is seen.

use crate::action::Motion;
use std::ops::Range;

/// Where it stands. Knows how many rows there are only when it is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    at: usize,
    offset: usize,
    page: usize,
}

impl Cursor {
    /// The row that it is on.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The same, counted from the first that is seen.
    pub(super) const fn shown(&self) -> usize {
        self.at.saturating_sub(self.offset)
    }

    /// The first that is seen.
    pub(super) const fn first(&self) -> usize {
        self.offset
    }

    /// Goes to a row of so many, the last at most.
    pub(super) fn go(&mut self, to: usize, rows: usize) {
        self.at = to.min(rows.saturating_sub(1));
    }

    /// Moves.
    pub(super) fn travel(&mut self, motion: Motion, rows: usize) {
        self.go(motion.apply(self.at, self.page), rows);
    }

    /// The rows that are seen where there is room for `height`; the cursor's is one of them.
    pub(super) fn window(&mut self, height: usize, rows: usize) -> Range<usize> {
        self.page = height.max(1);
        let most = rows.saturating_sub(height);
        self.offset = self.offset.min(most).clamp(self.at.saturating_sub(self.page - 1), self.at);
        self.offset..(self.offset + height).min(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_in_the_list_and_in_sight() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.window(10, 100), 0..10);
        cursor.travel(Motion::Pages(1), 100);
        assert_eq!((cursor.at(), cursor.window(10, 100), cursor.shown()), (10, 1..11, 9));
        cursor.travel(Motion::Bottom, 100);
        assert_eq!((cursor.at(), cursor.window(10, 100)), (99, 90..100));
        // The list has become shorter.
        cursor.go(cursor.at(), 4);
        assert_eq!((cursor.at(), cursor.window(10, 4)), (3, 0..4));
        cursor.go(5, 0);
        assert_eq!((cursor.at(), cursor.window(10, 0)), (0, 0..0));
    }
}
