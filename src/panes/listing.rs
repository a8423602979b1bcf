//! A list of what the journal tells: which rows stand in it, where its cursor is, how it is painted. What a row says is the view's own.

use super::cursor::Cursor;
use super::filtered::Filtered;
use crate::action::Motion;
use crate::cx::Cx;
use crate::domain::Severity;
use crate::theme::Role;
use crate::widgets::grid::{Column, Look, RowLook, Slot, Window, place};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The list; its rows are known by their number in what the journal tells.
pub(super) struct Listing {
    /// The filter that its rows pass.
    pub(super) filter: Filtered,
    order: Vec<usize>,
    cursor: Cursor,
    slots: Vec<Slot>,
    window: Window,
    scratch: String,
}

impl Listing {
    /// Empty, with no filter in force; comparisons name these columns, by their headings or otherwise.
    pub(super) fn new(columns: &[Column], synonyms: &[(&'static str, usize)]) -> Self {
        Self {
            filter: Filtered::new(columns, synonyms),
            order: Vec::new(),
            cursor: Cursor::default(),
            slots: Vec::new(),
            window: Window::default(),
            scratch: String::new(),
        }
    }

    /// Those of `rows` that pass the filter, in their order. Words are looked for in `haystack`; what a column says is `cell`'s.
    pub(super) fn arrange<'a, R: 'a>(
        &mut self,
        rows: impl Iterator<Item = (usize, &'a R)>,
        haystack: impl Fn(&R) -> String,
        cell: impl Fn(usize, &R, &mut String) -> Role,
    ) {
        let filter = &self.filter;
        let passes = |row: &R| {
            let words = || filter.read().passes(&haystack(row));
            filter.read().is_empty() || words() && filter.compares(|column, out| cell(column, row, out))
        };
        self.order.clear();
        self.order.extend(rows.filter(|(_, row)| passes(row)).map(|(number, _)| number));
    }

    /// The cursor goes to the row that is wanted; where none is, it stays as far down as it stood.
    pub(super) fn follow(&mut self, is_wanted: impl Fn(usize) -> bool) {
        let at = self.order.iter().position(|number| is_wanted(*number));
        self.cursor.go(at.unwrap_or(self.cursor.at()), self.order.len());
    }

    /// Moves the cursor.
    pub(super) fn travel(&mut self, motion: Motion) {
        self.cursor.travel(motion, self.order.len());
    }

    /// The row under the cursor.
    pub(super) fn at(&self) -> Option<usize> {
        self.order.get(self.cursor.at()).copied()
    }

    /// So many rows pass the filter.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// None does.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Formats the rows that are seen in this room, its headings on top.
    pub(super) fn fill<'a, R: 'a>(
        &mut self,
        columns: &[Column],
        room: Rect,
        row: impl Fn(usize) -> Option<&'a R>,
        (severity, cell): (impl Fn(&R) -> Severity, impl Fn(usize, &R, &mut String) -> Role),
    ) {
        place(columns, 0..columns.len(), |_| true, room.width, &mut self.slots);
        let rows = self.cursor.window(usize::from(room.height.saturating_sub(1)), self.order.len());
        self.window.clear();
        for row in self.order[rows].iter().filter_map(|number| row(*number)) {
            self.window.row(RowLook { severity: severity(row), ..RowLook::default() });
            for slot in &self.slots {
                self.window.cell(&mut self.scratch, |out| cell(slot.column, row, out));
            }
        }
    }

    /// Paints what [`Self::fill`] prepared.
    pub(super) fn draw(&self, columns: &[Column], room: Rect, buf: &mut Buffer, (cx, focused): (&Cx<'_>, bool)) {
        let selected = (!self.order.is_empty()).then(|| self.cursor.shown());
        let look = Look { columns, titles: &[], slots: &self.slots, sorted: None, selected, focused, headings: true };
        self.window.draw(room, buf, cx.theme, &look);
    }
}
