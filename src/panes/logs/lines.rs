//! The visible lines, formatted.

use super::{LogView, Mode};
use crate::cx::Cx;
use crate::domain::log::{Level, fields};
use crate::domain::text;
use crate::panes::Place;
use crate::store::log::Kept;
use crate::widgets::wrap;
use jiff::tz::TimeZone;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Cells of a place's name at most.
const NAME: usize = 18;
/// Cells of a level with the blank behind it.
pub(super) const LEVEL: u16 = 6;
/// Troubles told at once at most.
const TROUBLES: usize = 3;

/// One row of the screen: a line, or a part of one that is wrapped.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) number: u64,
    /// The line's first row, which has its time, place and level.
    pub(super) is_first: bool,
    pub(super) time: String,
    pub(super) place: u16,
    pub(super) level: Option<Level>,
    pub(super) text: String,
}

/// Where the columns of a line stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) time: u16,
    pub(super) name: u16,
    pub(super) text: u16,
}

impl LogView {
    /// Looks at what is new, and formats what is visible.
    pub fn refresh(&mut self, place: Place, cx: &Cx<'_>) {
        self.work();
        let inside = place.inside();
        let (width, height) = (usize::from(inside.width), usize::from(inside.height));
        self.page = height.saturating_sub(self.foot_rows()).max(1);
        self.entitle(cx);
        self.tell_search();
        match &mut self.mode {
            Mode::Pick { .. } => {}
            Mode::Whole { lines, scroll, body, .. } => {
                lines.clear();
                wrap::lines(lines, body, width.saturating_sub(2), 2);
                *scroll = (*scroll).min(lines.len().saturating_sub(self.page));
            }
            Mode::Patterns(patterns) => {
                let page = self.page.saturating_sub(1).max(1);
                let most = patterns.len().saturating_sub(page);
                patterns.offset =
                    patterns.offset.min(most).clamp(patterns.cursor.saturating_sub(page - 1), patterns.cursor);
            }
            Mode::Lines => self.fill(inside.width, cx),
        }
    }

    /// `/timeout: 3 of 41`, and what came of the last step.
    fn tell_search(&mut self) {
        let mut told = std::mem::take(&mut self.search_line);
        told.clear();
        if !self.search.is_empty() {
            let _ = write!(told, "/{}: ", text::typed(&self.search));
            if self.hunt.is_none() && self.said != "not found" {
                self.tally.tell(self.cursor, &mut told);
                told.push_str(if self.said.is_empty() { "" } else { ", " });
            }
            told.push_str(self.said);
        }
        self.search_line = told;
    }

    /// Rows under the lines: troubles, and the search.
    pub(super) fn foot_rows(&self) -> usize {
        let troubles = self.troubles().count();
        troubles.min(TROUBLES) + usize::from(troubles > TROUBLES) + usize::from(!self.search.is_empty())
    }

    /// The troubles that are told, and how many more there are.
    pub(super) fn told_troubles(&self) -> (impl Iterator<Item = (&str, &crate::domain::log::PlaceState)>, usize) {
        (self.troubles().take(TROUBLES), self.troubles().count().saturating_sub(TROUBLES))
    }

    /// Lines before the first one that passes are gone, and the screen begins with it: that is said in a row of its own.
    pub(super) fn is_cut_above(&self) -> bool {
        self.ring.first() > 0 && self.sieve.place(self.top, &self.ring) == 0
    }

    fn zone(&self) -> TimeZone {
        if self.utc { TimeZone::UTC } else { self.zone.clone() }
    }

    pub(super) fn columns(&self) -> Columns {
        let time = match (self.times, self.dated) {
            (false, _) => 0,
            (true, false) => 13,
            (true, true) => 19,
        };
        let places = &self.target().places;
        let widest = places.iter().map(|place| place.name().width().min(NAME)).max().unwrap_or(0);
        let name = if places.len() > 1 { widest as u16 + 1 } else { 0 };
        Columns { time, name, text: time + name + LEVEL }
    }

    /// Finds the window around the cursor, and formats it.
    fn fill(&mut self, width: u16, cx: &Cx<'_>) {
        let count = self.sieve.len(&self.ring);
        self.shown = 0;
        if count == 0 {
            return;
        }
        let cursor = self.place_of_cursor();
        self.stand_at(cursor);
        let room = usize::from(width.saturating_sub(self.columns().text)).max(8);
        let mut top = self.sieve.place(self.top, &self.ring).min(cursor);
        let page = self.page.saturating_sub(usize::from(self.ring.first() > 0 && top == 0)).max(1);
        // Walking back from the cursor costs a page at most, however far it jumped.
        let lowest = self.top_for(cursor, page, room);
        top = if self.following { lowest } else { top.max(lowest) };
        self.top = self.sieve.at(top, &self.ring).unwrap_or(0);
        self.dated = self.spans_days(top, cx);
        let room = usize::from(width.saturating_sub(self.columns().text)).max(8);
        let mut place = top;
        while self.shown < page && place < count {
            self.format(place, page, room);
            place += 1;
        }
    }

    /// The first line of a window that ends with the cursor's.
    fn top_for(&mut self, cursor: usize, page: usize, room: usize) -> usize {
        let mut rows = 0;
        let mut top = cursor;
        loop {
            rows += self.rows_of(top, room);
            if rows > page {
                return (top + 1).min(cursor);
            }
            match top.checked_sub(1) {
                Some(above) => top = above,
                None => return 0,
            }
        }
    }

    fn rows_of(&mut self, place: usize, room: usize) -> usize {
        if !self.wrap {
            return 1;
        }
        let mut text = std::mem::take(&mut self.scratch);
        if let Some(line) = self.sieve.at(place, &self.ring).and_then(|number| self.ring.get(number)) {
            readable(line, &mut text);
        }
        let rows = pieces(&text, room).count().max(1);
        self.scratch = text;
        rows
    }

    /// A time without its day would be read as today's.
    fn spans_days(&self, top: usize, cx: &Cx<'_>) -> bool {
        let day = |at: jiff::Timestamp| at.to_zoned_datetime(self.zone()).date();
        let today = day(cx.now.wall);
        let numbers = (top..top + self.page).filter_map(|place| self.sieve.at(place, &self.ring));
        numbers.filter_map(|number| self.ring.get(number)?.at).any(|at| day(at) != today)
    }

    fn format(&mut self, place: usize, page: usize, room: usize) {
        let mut text = std::mem::take(&mut self.scratch);
        let Some(line) = self.sieve.at(place, &self.ring).and_then(|number| self.ring.get(number)) else { return };
        readable(line, &mut text);
        let (number, at, level, of) = (line.number, line.at, line.level, line.place);
        let zone = self.zone();
        let cut = if self.wrap { usize::MAX } else { 1 };
        let mut is_first = true;
        for piece in pieces(&text, if self.wrap { room } else { usize::MAX }).take(cut) {
            if self.shown == page {
                break;
            }
            if self.rows.len() == self.shown {
                self.rows.push(Row::default());
            }
            let row = &mut self.rows[self.shown];
            (row.number, row.is_first, row.place, row.level) = (number, is_first, of, level);
            row.text.clear();
            row.text.push_str(piece);
            row.time.clear();
            if let (Some(at), true) = (at, is_first) {
                let at = at.to_zoned_datetime(zone.clone());
                let format = if self.dated { "%m-%d %H:%M:%S%.3f" } else { "%H:%M:%S%.3f" };
                let _ = write!(row.time, "{}", at.strftime(format));
            }
            self.shown += 1;
            is_first = false;
        }
        self.scratch = text;
    }

    fn entitle(&mut self, cx: &Cx<'_>) {
        let mut title = std::mem::take(&mut self.title);
        title.clear();
        let _ = write!(title, "logs  {}", text::clean(&self.target().name));
        if let Mode::Pick { .. } = self.mode {
            title.clear();
            title.push_str("which log?");
            self.title = title;
            return;
        }
        let count = self.sieve.len(&self.ring);
        let below = count.saturating_sub(self.place_of_cursor() + 1);
        title.push_str(if self.following { "  following  " } else { "  PAUSED  " });
        self.arrivals.tell(cx.now.wall, &mut title);
        grouped(count as u64, &mut title);
        title.push_str(if self.sieve.is_open() { " lines" } else { " lines pass" });
        if !self.following && below > 0 {
            title.push_str(", ");
            grouped(below as u64, &mut title);
            title.push_str(" below");
        }
        // What hides lines is told before what may be cut where it is narrow.
        let words = self.sieve.words();
        if !words.is_empty() {
            let _ = write!(title, "  &{}", text::typed(&words));
        }
        // Of the last minute nothing is known while older lines still come.
        if self.arrivals.are_late(cx.now.wall) {
            title.push_str("  — err/min — warn/min");
        } else {
            let (errors, warnings) = self.ring.per_minute(cx.now.wall);
            let _ = write!(title, "  {errors} err/min {warnings} warn/min");
        }
        title.push_str(if self.utc { "  UTC" } else { "  local time" });
        let _ = write!(title, "  {}", self.anchor.word());
        if self.unfinished {
            title.push_str("  …");
        }
        self.title = title;
    }
}

/// JSON as people read it; anything else as it is.
fn readable(line: Kept<'_>, out: &mut String) {
    out.clear();
    if !fields(line.text, line.at.is_none(), out) {
        out.push_str(line.text);
    }
    text::cover(out);
}

/// Pieces of at most so many cells; an empty text is one piece.
fn pieces(text: &str, room: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest?;
        // Most lines fit, and measuring them is not needed for that.
        let head = if all.len() <= room { all } else { text::truncate(all, room) };
        let head = if head.is_empty() { &all[..all.chars().next().map_or(0, char::len_utf8)] } else { head };
        rest = Some(&all[head.len()..]).filter(|rest| !rest.is_empty());
        Some(head)
    })
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64, out: &mut String) {
    let digits = number.to_string();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
}
