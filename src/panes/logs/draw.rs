//! The log view, painted.

use super::lines::{Columns, LEVEL, Row, grouped};
use super::patterns::Patterns;
use super::sieve::lower;
use super::{LogView, Mode};
use crate::cx::Cx;
use crate::domain::log::{Level, PlaceState, Stage};
use crate::domain::text;
use crate::panes::Place;
use crate::panes::table::draw_frame;
use crate::theme::Role;
use crate::widgets::canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

/// What the names of merged places are coloured with, in turn. They are named too: a colour alone says nothing.
const NAMES: [Role; 5] = [Role::SeverityInfo, Role::SeverityOk, Role::Key, Role::Code, Role::Column];

impl LogView {
    /// Paints what [`LogView::refresh`] prepared.
    pub fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let inside = place.inside();
        let foot = (self.foot_rows() as u16).min(inside.height);
        let area = Rect { height: inside.height - foot, ..inside };
        match &self.mode {
            Mode::Pick { cursor } => self.draw_choice(*cursor, inside, buf, cx),
            Mode::Whole { title, lines, scroll, .. } => draw_whole(title, lines, *scroll, inside, buf, cx),
            Mode::Patterns(patterns) => draw_patterns(patterns, area, buf, cx),
            Mode::Lines => self.draw_lines(area, buf, cx),
        }
        if matches!(self.mode, Mode::Lines | Mode::Patterns(_)) {
            self.draw_foot(Rect { y: area.bottom(), height: foot, ..inside }, buf, cx);
        }
    }

    fn draw_choice(&self, cursor: usize, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        let first = (cursor + 1).saturating_sub(usize::from(area.height));
        let shown = self.targets.all.iter().enumerate().skip(first);
        for ((index, target), y) in shown.zip(area.top()..area.bottom()) {
            let name = text::clean(&target.name);
            canvas::put(buf, (area.x + 1, y), &name, area.width.saturating_sub(2), cx.style(Role::Text));
            if index == cursor {
                buf.set_style(Rect { y, height: 1, ..area }, cx.style(Role::Selected));
            }
        }
    }

    fn draw_lines(&self, mut area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        if self.shown == 0 {
            let what = if self.sieve.floor().is_some() && !self.ring.is_empty() {
                "no line that is kept here is one of these (Esc shows all)"
            } else if !self.ring.is_empty() {
                "no line passes the filter (Esc clears it)"
            } else if self.is_opening() {
                "opening …"
            } else if self.is_unread() {
                "nothing of it can be read: the line below says why"
            } else if self.anchor.back().is_some() {
                "it has said nothing since then (0 shows all of it)"
            } else {
                "it has said nothing yet"
            };
            canvas::put(buf, (area.x + 1, area.y), what, area.width.saturating_sub(2), cx.style(Role::Muted));
            return;
        }
        if self.is_cut_above() && area.height > 1 {
            let mut what = String::from("▲ ");
            grouped(self.ring.first(), &mut what);
            what.push_str(" older lines are gone: only so many are kept ([logs] memory)");
            canvas::put(buf, (area.x, area.y), &what, area.width, cx.style(Role::SeverityWarning));
            area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        }
        let columns = self.columns();
        // Large enough for any row, so that a frame allocates as often whatever is on it.
        let mut scratch = String::with_capacity(4 * usize::from(area.width));
        for (row, y) in self.rows[..self.shown].iter().zip(area.top()..area.bottom()) {
            let at = Rect { y, height: 1, ..area };
            self.draw_row(row, columns, at, buf, cx);
            if row.number == self.cursor {
                buf.set_style(at, cx.style(Role::Selected));
            }
            self.mark_hits(row, columns, at, buf, &mut scratch);
        }
    }

    fn draw_row(&self, row: &Row, columns: Columns, at: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        if row.is_first {
            canvas::put(buf, (at.x, at.y), &row.time, columns.time, cx.style(Role::Faint));
            if columns.name > 0 {
                let name = self.target().places.get(usize::from(row.place)).map_or("", |place| place.name());
                let role = NAMES[usize::from(row.place) % NAMES.len()];
                canvas::put(buf, (at.x + columns.time, at.y), &text::clean(name), columns.name - 1, cx.style(role));
            }
            if let Some(level) = row.level {
                let x = at.x + columns.time + columns.name;
                canvas::put(buf, (x, at.y), level.word(), LEVEL - 1, cx.style(level_role(level)));
            }
        }
        let role = match row.level {
            Some(level @ (Level::Warn | Level::Error | Level::Fatal)) => level_role(level),
            Some(Level::Trace | Level::Debug) => Role::Muted,
            Some(Level::Info) | None => Role::Text,
        };
        let width = at.width.saturating_sub(columns.text);
        canvas::put(buf, (at.x + columns.text, at.y), &row.text, width, cx.style(role));
    }

    /// What is searched for stands out, in its line and in all others.
    fn mark_hits(&self, row: &Row, columns: Columns, at: Rect, buf: &mut Buffer, scratch: &mut String) {
        if self.needle.is_empty() {
            return;
        }
        lower(&row.text, scratch);
        // Where lower case has another length, places in it are none in the text.
        if scratch.len() != row.text.len() {
            return;
        }
        for (start, hit) in scratch.match_indices(&self.needle) {
            let (Some(before), Some(shown)) = (row.text.get(..start), row.text.get(start..start + hit.len())) else {
                continue;
            };
            let x = usize::from(at.x + columns.text) + before.width();
            let x = u16::try_from(x).unwrap_or(u16::MAX);
            let cells = Rect { x, width: shown.width() as u16, ..at }.intersection(at);
            for column in cells.left()..cells.right() {
                let cell = &mut buf[(column, at.y)];
                let style = cell.style().add_modifier(Modifier::REVERSED | Modifier::BOLD);
                cell.set_style(style);
            }
        }
    }

    fn draw_foot(&self, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        let mut rows = area.top()..area.bottom();
        let (troubles, more) = self.told_troubles();
        for (name, state) in troubles {
            let Some(y) = rows.next() else { return };
            let (role, text) = trouble(name, state);
            canvas::put(buf, (area.x, y), &text, area.width, cx.style(role));
        }
        if let (true, Some(y)) = (more > 0, (more > 0).then(|| rows.next()).flatten()) {
            canvas::put(buf, (area.x, y), &format!("  and {more} more"), area.width, cx.style(Role::SeverityWarning));
        }
        if let (false, Some(y)) = (self.search_line.is_empty(), rows.next()) {
            canvas::put(buf, (area.x, y), &self.search_line, area.width, cx.style(Role::Filter));
        }
    }
}

/// What is wrong with a place, since when, how to mend it, and whether it is tried again.
fn trouble(name: &str, state: &PlaceState) -> (Role, String) {
    let (role, again) = match state.stage {
        Stage::Opening | Stage::Following => (Role::SeverityInfo, ""),
        Stage::Retrying => (Role::SeverityWarning, ", trying again"),
        Stage::Over => (Role::SeverityCritical, ", not tried again (ctrl-r does)"),
    };
    let told = state.why.as_ref().map_or_else(String::new, |why| format!("{}: {}", why.what, why.hint));
    let (name, told) = (text::clean(name), text::clean(&told));
    if role == Role::SeverityInfo {
        // It is read: that is no trouble, and since when says nothing.
        return (role, format!("· {name}: {told}"));
    }
    (role, format!("▲ {name} since {}{again}: {told}", state.at.strftime("%H:%M:%SZ")))
}

fn level_role(level: Level) -> Role {
    match level {
        Level::Trace | Level::Debug => Role::Faint,
        Level::Info => Role::Muted,
        Level::Warn | Level::Error | Level::Fatal => level.severity().into(),
    }
}

fn draw_whole(title: &str, lines: &[String], scroll: usize, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
    let width = area.width.saturating_sub(2);
    canvas::put(buf, (area.x + 1, area.y), &text::clean(title), width, cx.style(Role::Column));
    for (line, y) in lines.iter().skip(scroll).zip(area.top() + 1..area.bottom()) {
        canvas::put(buf, (area.x + 1, y), &text::clean(line), width, cx.style(Role::Text));
    }
}

fn draw_patterns(patterns: &Patterns, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
    let head = format!("{:>9}  WORST  PATTERN (Enter shows its lines, p goes back)", "LINES");
    canvas::put(buf, (area.x, area.y), &head, area.width, cx.style(Role::Column));
    if patterns.others > 0 {
        let more = format!(" {} lines of rarer patterns are not counted apart ", patterns.others);
        canvas::put_right(buf, (area.right(), area.y), &more, area.width / 2, cx.style(Role::SeverityWarning));
    }
    let height = usize::from(area.height.saturating_sub(1));
    let mut number = String::new();
    let window = patterns.window(patterns.offset, height).enumerate();
    for ((index, pattern), y) in window.zip(area.top() + 1..area.bottom()) {
        number.clear();
        grouped(pattern.count, &mut number);
        canvas::put_right(buf, (area.x + 9, y), &number, 9, cx.style(Role::Text));
        let role = pattern.worst.map_or(Role::Text, level_role);
        let word = pattern.worst.map_or("", |worst| worst.word());
        canvas::put(buf, (area.x + 11, y), word, 5, cx.style(role));
        canvas::put(
            buf,
            (area.x + 18, y),
            &text::clean(&pattern.text),
            area.width.saturating_sub(18),
            cx.style(Role::Text),
        );
        if patterns.offset + index == patterns.cursor {
            buf.set_style(Rect { y, height: 1, ..area }, cx.style(Role::Selected));
        }
    }
}
