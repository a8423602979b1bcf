//! A text field: one line, a cursor, the usual editing keys. Takes typed characters; what a paste may do is the
//! caller's decision.

use super::canvas;
use crate::domain::text;
use crate::keymap::Chord;
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use std::ops::Range;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Longest text taken, in bytes: a filter or a phrase is short, and a flood must not grow memory.
const MOST: usize = 512;

/// A line being edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    cursor: usize,
    /// The first character that is typed takes the place of the whole text.
    replaces: bool,
}

impl Field {
    /// With a text to start from; the cursor at its end.
    pub fn with(text: &str) -> Self {
        Self { text: text.to_owned(), cursor: text.len(), replaces: false }
    }

    /// The same, but what is typed first takes the place of the text, as if it was selected; moving in it keeps it.
    pub fn replacing(text: &str) -> Self {
        Self { replaces: true, ..Self::with(text) }
    }

    /// What is typed next takes the place of what it holds.
    pub const fn is_selected(&self) -> bool {
        self.replaces && !self.text.is_empty()
    }

    /// What it holds.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes one key; true when the text changed.
    pub fn key(&mut self, chord: Chord) -> bool {
        if let Some(c) = chord.char() {
            return self.insert(c.encode_utf8(&mut [0; 4]));
        }
        self.replaces = false;
        if chord.is(KeyCode::Backspace) || chord.is_ctrl('h') {
            return self.remove(self.before());
        } else if chord.is_ctrl('u') {
            return self.remove(0);
        } else if chord.is_ctrl('w') {
            let head = self.text[..self.cursor].trim_end();
            return self.remove(head.rfind(' ').map_or(0, |at| at + 1));
        } else if chord.is(KeyCode::Delete) {
            return self.text[self.cursor..].chars().next().is_some_and(|_| {
                self.text.remove(self.cursor);
                true
            });
        }
        self.travel(chord);
        false
    }

    fn travel(&mut self, chord: Chord) {
        if chord.is(KeyCode::Left) {
            self.cursor = self.before();
        } else if chord.is(KeyCode::Right) {
            self.cursor += self.text[self.cursor..].chars().next().map_or(0, char::len_utf8);
        } else if chord.is(KeyCode::Home) || chord.is_ctrl('a') {
            self.cursor = 0;
        } else if chord.is(KeyCode::End) || chord.is_ctrl('e') {
            self.cursor = self.text.len();
        }
    }

    /// Inserts text at the cursor, cleaned, or in place of a selected text; true when something was taken.
    pub fn insert(&mut self, text: &str) -> bool {
        if std::mem::take(&mut self.replaces) {
            self.remove(0);
        }
        let clean = text::clean(text);
        if clean.is_empty() || self.text.len() + clean.len() > MOST {
            return false;
        }
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
        true
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn remove(&mut self, from: usize) -> bool {
        let changed = from < self.cursor;
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
        changed
    }

    /// Draws it over the whole area, its end in view, with a block where the cursor is. Over several rows it is wrapped.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, style: Style) {
        if area.height > 1 { self.draw_wrapped(area, buf, style) } else { self.draw_with(area, buf, style, true) }
    }

    /// Rows of this width that it takes to see all of it and the cursor, 1 at least.
    pub fn rows(&self, width: u16) -> u16 {
        u16::try_from(rows(&format!("{} ", text::clean(&self.text)), width).len()).unwrap_or(u16::MAX)
    }

    /// The row with the cursor in view. A text of which something is hidden has the cursor at its end.
    fn draw_wrapped(&self, area: Rect, buf: &mut Buffer, style: Style) {
        canvas::clear(buf, area, style);
        let shown = text::clean(&self.text);
        let cursor = if shown == self.text { self.cursor } else { shown.len() };
        // The cursor behind the last character has a cell of its own.
        let shown = format!("{shown} ");
        let rows = rows(&shown, area.width);
        let at = rows.iter().rposition(|row| row.start <= cursor).unwrap_or(0);
        let first = (at + 1).saturating_sub(usize::from(area.height));
        let selected = if self.replaces { style.add_modifier(Modifier::REVERSED) } else { style };
        for (row, y) in rows.iter().skip(first).zip(area.top()..area.bottom()) {
            let text = &shown[row.clone()];
            // The cell of the cursor behind the end is no part of what is selected.
            let text = if row.end == shown.len() { text.trim_end_matches(' ') } else { text };
            canvas::put(buf, (area.x, y), text, area.width, selected);
        }
        let row = rows.get(at).cloned().unwrap_or(0..0);
        let x = area.x + u16::try_from(shown[row.start..cursor].width()).unwrap_or(u16::MAX);
        let y = area.y + u16::try_from(at - first).unwrap_or(u16::MAX);
        if let Some(cell) = buf.cell_mut((x.min(area.right().saturating_sub(1)), y)) {
            cell.set_style(style.add_modifier(Modifier::REVERSED));
        }
    }

    /// The same; the cursor only with `focused`.
    pub fn draw_with(&self, area: Rect, buf: &mut Buffer, style: Style, focused: bool) {
        canvas::clear(buf, area, style);
        let shown = text::clean(&self.text);
        if shown != self.text {
            return draw_hidden(area, buf, style, &shown, focused);
        }
        // Where nobody types a text is seen from its beginning.
        let head = if focused { &self.text[..self.cursor] } else { "" };
        let hidden = head.width().saturating_sub(usize::from(area.width.saturating_sub(1)));
        let start = head.char_indices().map(|(at, _)| at).find(|at| head[..*at].width() >= hidden).unwrap_or(0);
        // What the next character takes the place of looks like what it is: selected.
        let selected = if self.replaces && focused { style.add_modifier(Modifier::REVERSED) } else { style };
        canvas::put(buf, (area.x, area.y), &self.text[start..], area.width, selected);
        // What is left out is told: a path without its first part is another one.
        if start > 0 {
            canvas::put(buf, (area.x, area.y), "…", 1, selected);
        } else if !focused && self.text.width() > usize::from(area.width) {
            canvas::put(buf, (area.right().saturating_sub(1), area.y), "…", 1, style);
        }
        let at = area.x + u16::try_from(self.text[start..self.cursor].width()).unwrap_or(u16::MAX);
        let cell = buf.cell_mut((at.min(area.right().saturating_sub(1)), area.y));
        if let Some(cell) = cell.filter(|_| focused) {
            cell.set_style(style.add_modifier(Modifier::REVERSED));
        }
    }

    /// What it looks like while others see the screen and nobody knows yet what it will be: the same with a dot for each character.
    #[must_use]
    pub fn dotted(&self) -> Self {
        let dots = |text: &str| "•".repeat(text.chars().count());
        let cursor = dots(&self.text[..self.cursor]).len();
        Self { text: dots(&self.text), cursor, replaces: self.replaces }
    }
}

/// Where a text is broken into rows of this width.
fn rows(text: &str, width: u16) -> Vec<Range<usize>> {
    let (mut rows, mut start, mut wide) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        let cells = letter.width().unwrap_or(0);
        if wide + cells > usize::from(width) && at > start {
            rows.push(start..at);
            (start, wide) = (at, 0);
        }
        wide += cells;
    }
    rows.push(start..text.len());
    rows
}

/// A text of which something is hidden has other places than what was typed: the cursor stands at its end.
fn draw_hidden(area: Rect, buf: &mut Buffer, style: Style, hidden: &str, focused: bool) {
    let end = canvas::put(buf, (area.x, area.y), hidden, area.width, style);
    if let Some(cell) = buf.cell_mut((end.min(area.right().saturating_sub(1)), area.y)).filter(|_| focused) {
        cell.set_style(style.add_modifier(Modifier::REVERSED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_several_rows_its_beginning_is_seen_and_the_cursor_moves_through_all_of_it() {
        let mut field = Field::with("03:10Z api restarted; 世界 changed");
        assert_eq!((field.rows(12), field.rows(80), Field::with("twelve cells").rows(12)), (3, 1, 2));
        let area = Rect::new(0, 0, 12, 3);
        let seen = |field: &Field| {
            let mut buf = Buffer::empty(area);
            field.draw(area, &mut buf, Style::default());
            let cell = |x, y| buf[(x, y)].clone();
            let text: Vec<String> =
                (0..3).map(|y| (0..12).map(|x| cell(x, y).symbol().to_owned()).collect::<String>()).collect();
            let cursor = (0..3)
                .flat_map(|y| (0..12).map(move |x| (x, y)))
                .find(|(x, y)| cell(*x, *y).modifier.contains(Modifier::REVERSED));
            (text, cursor)
        };
        let (text, cursor) = seen(&field);
        assert!(text[0].starts_with("03:10Z api r") && text[1].starts_with("estarted; 世"), "{text:?}");
        assert_eq!(cursor, Some((10, 2)));
        typed(&mut field, "home");
        assert_eq!(seen(&field).1, Some((0, 0)));
        field.insert(&"x".repeat(12));
        assert_eq!(seen(&field).1, Some((0, 1)), "of a longer text the row with the cursor is in view");
    }

    #[test]
    fn a_text_without_room_says_that_it_is_cut() {
        let area = Rect::new(0, 0, 10, 1);
        let seen = |text: &str, focused: bool| {
            let mut buf = Buffer::empty(area);
            Field::with(text).draw_with(area, &mut buf, Style::default(), focused);
            (0..10).map(|x| buf[(x, 0)].symbol().to_owned()).collect::<String>()
        };
        assert_eq!(seen("/etc/nginx/conf.d", false), "/etc/ngin…");
        assert_eq!(seen("/etc/nginx/conf.d", true), "…x/conf.d ");
        assert_eq!((seen("/etc/hosts", false), seen("/etc", true)), ("/etc/hosts".to_owned(), "/etc      ".to_owned()));
    }

    fn typed(field: &mut Field, keys: &str) {
        for word in keys.split(' ') {
            field.key(Chord::parse(word).expect(word));
        }
    }

    #[test]
    fn edits_like_a_shell() {
        let mut field = Field::default();
        typed(&mut field, "k i l l space 3 7 left backspace 9");
        assert_eq!(field.text(), "kill 97");
        typed(&mut field, "end ctrl-w");
        assert_eq!(field.text(), "kill ");
        typed(&mut field, "ctrl-u x home y delete");
        assert_eq!(field.text(), "y");
    }

    #[test]
    fn what_is_typed_first_replaces_a_selected_text_and_moving_keeps_it() {
        let mut field = Field::replacing("old");
        assert!(field.is_selected() && !Field::replacing("").is_selected());
        typed(&mut field, "n e w");
        assert_eq!((field.text(), field.is_selected()), ("new", false));
        let mut field = Field::replacing("old");
        typed(&mut field, "end e r");
        assert_eq!((field.text(), field.is_selected()), ("older", false));
        let mut field = Field::replacing("old");
        typed(&mut field, "left x");
        assert_eq!(field.text(), "olxd");
        let mut field = Field::replacing("old");
        assert!(field.insert("pasted"));
        assert_eq!(field.text(), "pasted");
    }

    #[test]
    fn a_flood_is_cut() {
        let mut field = Field::default();
        assert!(field.insert(&"a".repeat(MOST)));
        assert!(!field.insert("b"));
    }

    #[test]
    fn escape_sequences_become_visible() {
        let mut field = Field::default();
        field.insert("a\x1b[31m");
        assert_eq!(field.text(), "a␛[31m");
    }
}
