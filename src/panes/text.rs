//! A text over a whole page: it scrolls, and can be searched. For whatever is read and not looked over: an inspection, an output.

use super::Place;
use crate::action::Motion;
use crate::cx::Cx;
use crate::theme::Role;
use crate::widgets::{canvas, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Cells by which what is broken stands further to the right.
const INDENT: usize = 4;

/// The text, and what is seen of it.
#[derive(Debug, Default)]
pub(super) struct TextView {
    text: String,
    /// Broken to the width: the number of the line in the text, and what is shown of it.
    rows: Vec<(usize, String)>,
    composed_for: Option<usize>,
    scroll: usize,
    height: usize,
    /// In lower case; empty: nothing is searched.
    search: String,
    /// The lines of the text that have it, and which of them was gone to.
    hits: Vec<usize>,
    hit: usize,
}

impl TextView {
    /// Shows another text, or the same as it is now: then the place is kept.
    pub(super) fn set(&mut self, text: &str) {
        if self.text != text {
            text.clone_into(&mut self.text);
            self.composed_for = None;
            self.find();
        }
    }

    /// Forgets text and place.
    pub(super) fn clear(&mut self) {
        *self = Self { search: std::mem::take(&mut self.search), height: self.height, ..Self::default() };
    }

    /// All of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Scrolls, never past the end.
    pub(super) fn travel(&mut self, motion: Motion) {
        self.scroll = motion.apply(self.scroll, self.height).min(self.most());
    }

    /// Searches: goes to the first line from here on that has it.
    pub(super) fn search(&mut self, what: &str) {
        self.search = what.to_lowercase();
        self.find();
        let here = self.rows.get(self.scroll).map_or(0, |(line, _)| *line);
        self.hit = self.hits.iter().position(|line| *line >= here).unwrap_or(0);
        self.show_hit();
    }

    /// Goes `by` places on, round at the end; false when nothing was found.
    pub(super) fn next(&mut self, by: isize) -> bool {
        let Ok(count) = isize::try_from(self.hits.len()) else { return false };
        if count == 0 {
            return false;
        }
        self.hit = (self.hit as isize + by).rem_euclid(count) as usize;
        self.show_hit();
        true
    }

    /// `2 of 5`, or that there is none; nothing when nothing is searched.
    pub(super) fn found(&self) -> Option<String> {
        let place = || format!("{} of {}", self.hit + 1, self.hits.len());
        (!self.search.is_empty()).then(|| if self.hits.is_empty() { "not found".to_owned() } else { place() })
    }

    fn find(&mut self) {
        self.hits.clear();
        if !self.search.is_empty() {
            let lines = self.text.lines().enumerate();
            let has = |line: &str| line.to_lowercase().contains(&self.search);
            self.hits = lines.filter(|(_, line)| has(line)).map(|(at, _)| at).collect();
        }
        self.hit = self.hit.min(self.hits.len().saturating_sub(1));
    }

    /// A third of the height above it, so that what it belongs to is seen too.
    fn show_hit(&mut self) {
        let Some(row) = self.hits.get(self.hit).and_then(|hit| self.rows.iter().position(|(line, _)| line == hit))
        else {
            return;
        };
        if !(self.scroll..self.scroll + self.height).contains(&row) {
            self.scroll = row.saturating_sub(self.height / 3).min(self.most());
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    fn most(&self) -> usize {
        self.rows.len().saturating_sub(self.height)
    }

    /// Breaks it to the room that there is.
    pub(super) fn refresh(&mut self, area: Rect) {
        let width = usize::from(area.width).saturating_sub(2);
        self.height = usize::from(area.height).max(1);
        if self.composed_for != Some(width) {
            let top = self.rows.get(self.scroll).map_or(0, |(line, _)| *line);
            self.compose(width);
            self.scroll = self.rows.iter().position(|(line, _)| *line >= top).unwrap_or(0);
            self.composed_for = Some(width);
        }
        self.scroll = self.scroll.min(self.most());
    }

    fn compose(&mut self, width: usize) {
        self.rows.clear();
        let mut pieces = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            let lead = line.len() - line.trim_start_matches(' ').len();
            wrap::lines(&mut pieces, line, width, (lead + INDENT).min(width / 2));
            self.rows.extend(pieces.drain(..).map(|piece| (number, piece)));
        }
    }

    /// Paints it.
    pub(super) fn draw(&self, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        let at_hit = self.hits.get(self.hit);
        for ((line, text), y) in self.rows.iter().skip(self.scroll).zip(area.top()..area.bottom()) {
            let role = if self.hits.binary_search(line).is_ok() { Role::Filter } else { Role::Text };
            canvas::put(buf, (area.x + 1, y), text, area.width.saturating_sub(2), cx.style(role));
            if at_hit == Some(line) {
                buf.set_style(Rect { y, height: 1, ..area }.intersection(buf.area), cx.style(Role::Selected));
            }
        }
    }

    /// Which lines are seen, in the corner of the page's frame.
    pub(super) fn draw_place(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        if self.rows.len() > self.height {
            let last = (self.scroll + self.height).min(self.rows.len());
            let text = format!(" {}–{last} of {} lines ", self.scroll + 1, self.rows.len());
            let at = (place.area.right().saturating_sub(2), place.area.y);
            canvas::put_right(buf, at, &text, 24, cx.style(Role::Faint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(lines: usize) -> TextView {
        let mut view = TextView::default();
        view.set(&(0..lines).map(|line| format!("line {line}\n")).collect::<String>());
        view.refresh(Rect::new(0, 0, 40, 10));
        view
    }

    #[test]
    fn it_does_not_scroll_past_its_end() {
        let mut view = view(25);
        view.travel(Motion::Bottom);
        assert_eq!(view.scroll, 15);
        view.travel(Motion::Lines(-1));
        assert_eq!(view.scroll, 14);
        view.travel(Motion::Pages(9));
        assert_eq!(view.scroll, 15);
    }

    #[test]
    fn a_search_goes_from_place_to_place_and_round() {
        let mut view = view(25);
        view.search("LINE 1");
        assert_eq!(view.found().as_deref(), Some("1 of 11"));
        assert!(view.next(-1));
        assert_eq!((view.found().as_deref(), view.scroll), (Some("11 of 11"), 15));
        assert!(view.next(1));
        assert_eq!((view.found().as_deref(), view.scroll), (Some("1 of 11"), 0));
        view.search("nowhere");
        assert_eq!(view.found().as_deref(), Some("not found"));
        assert!(!view.next(1));
        view.search("");
        assert_eq!(view.found(), None);
    }

    #[test]
    fn the_place_is_kept_when_the_text_or_the_width_changes() {
        let mut view = view(25);
        view.travel(Motion::Lines(12));
        view.set(&(0..30).map(|line| format!("line {line} {}\n", "x".repeat(20))).collect::<String>());
        view.refresh(Rect::new(0, 0, 20, 10));
        assert!(view.rows.len() > 30);
        assert_eq!(view.rows[view.scroll].0, 12);
    }
}
