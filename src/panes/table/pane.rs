//! The pane that every table is: a cursor that follows the thing, the visible window, what keys do.

use super::columns::Columns;
use super::marks::Marks;
use super::notes::Notes;
use super::rows::Rows;
use super::trust::stale;
use super::{Row, Tabular, draw_frame};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{ThingId, text};
use crate::panes::hands::Hands;
use crate::panes::{Details, Flow, Pane, Place, Presence, Section, Selected, links};
use crate::theme::Role;
use crate::widgets::canvas;
use crate::widgets::grid::{Look, RowLook, Slot, Window, place_to_fit};
use crate::widgets::typed;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// How long a column keeps the room that a text needed: what comes and goes each second must not move the others.
const NEEDED: Duration = Duration::from_secs(60);
/// How often a table is laid out anew for one frame, at most: each time columns may come into sight.
const LAID_OUT: usize = 6;
/// Cells of a filter in the title, at most.
const FILTER: u16 = 24;

/// A table pane.
pub struct DataPane<T: Tabular> {
    pub(super) rows: Rows<T>,
    pub(super) columns: Columns,
    pub(super) marks: Marks,
    pub(super) notes: Notes,
    pub(super) cursor: usize,
    pub(super) selected: Option<Selected>,
    /// Somebody chose the selected thing: from then on the cursor follows it. Before that it stays at the top.
    chosen: bool,
    /// What stood under the cursor on the screen, as long as nothing was chosen.
    painted: Option<Selected>,
    pub(super) offset: usize,
    page: usize,
    pub(super) slots: Vec<Slot>,
    slots_before: Vec<Slot>,
    /// By column: cells that its texts took lately, at this width of the table, and until when that holds; monotonic.
    needs: Vec<u16>,
    needs_at: u16,
    needs_until: Duration,
    /// By column: it has something to say. As of the last order, since to know it may mean to look at every row.
    pub(super) shown: Vec<bool>,
    titles: Vec<(usize, String)>,
    window: Window,
    scratch: String,
}

impl<T: Tabular> Default for DataPane<T> {
    fn default() -> Self {
        Self {
            rows: Rows::default(),
            columns: Columns::new(T::COLUMNS.len()),
            marks: Marks::default(),
            notes: Notes::default(),
            cursor: 0,
            selected: None,
            chosen: false,
            painted: None,
            offset: 0,
            page: 1,
            slots: Vec::new(),
            slots_before: Vec::new(),
            needs: vec![0; T::COLUMNS.len()],
            needs_at: 0,
            needs_until: Duration::ZERO,
            shown: vec![false; T::COLUMNS.len()],
            titles: Vec::new(),
            window: Window::default(),
            scratch: String::new(),
        }
    }
}

impl<T: Tabular> DataPane<T> {
    /// Brings the rows in order and finds the cursor's thing again, if anything the order depends on changed.
    fn arrange(&mut self, cx: &Cx<'_>) {
        if let Some(changed) = self.rows.arrange(cx) {
            self.follow(changed.filter, cx);
            self.keep_marks(cx);
            if changed.order {
                self.shown.clear();
                self.shown.extend((0..T::COLUMNS.len()).map(|column| T::shows(column, cx)));
                self.notes.sum_up(&self.rows, cx);
            }
        }
    }

    /// The cursor follows its thing to wherever it now stands. A thing that vanished, or does not pass the filter any more,
    /// leaves the cursor where it was, and what is there now is not selected until the operator moves. Who types a filter
    /// looks for something: then the first row that passes is what is meant. As long as nobody chose a row it stays at the top,
    /// where the worst is.
    fn follow(&mut self, refiltered: bool, cx: &Cx<'_>) {
        let last = self.rows.entries.len().saturating_sub(1);
        if !self.chosen {
            (self.cursor, self.selected) = (0, None);
        }
        let Some(selected) = &mut self.selected else {
            self.cursor = self.cursor.min(last);
            self.take(cx);
            return;
        };
        let id = selected.id.clone();
        let found = self.rows.find(&id, cx);
        let presence = match found {
            Some(_) => Presence::Here,
            None if refiltered && !self.rows.entries.is_empty() => {
                self.cursor = 0;
                return self.take(cx);
            }
            None if !self.rows.filter.is_empty() && self.has(&id, cx) => Presence::Hidden,
            None => Presence::Gone,
        };
        self.cursor = found.unwrap_or(self.cursor.min(last));
        if found.is_some() {
            // Who came by a link knew it by another name.
            self.take(cx);
        }
        if self.rows.entries.is_empty() && presence == Presence::Gone {
            (self.selected, self.chosen) = (None, false);
        } else if let Some(selected) = &mut self.selected {
            selected.presence = presence;
        }
    }

    /// The thing under the cursor becomes the selected one.
    fn take(&mut self, cx: &Cx<'_>) {
        self.selected = self.rows.row(self.cursor, cx).map(|row| {
            let mut name = String::new();
            T::name(row, &mut name);
            Selected::here(T::id(row), text::clean(&name).into_owned())
        });
    }

    pub(super) fn go(&mut self, to: usize, cx: &Cx<'_>) -> Flow {
        self.cursor = to.min(self.rows.entries.len().saturating_sub(1));
        self.take(cx);
        self.chosen = self.selected.is_some();
        Flow::Done
    }

    /// Somebody asked for other rows, or another order: what was painted before is not what is meant by the next key.
    pub(super) fn look_elsewhere(&mut self) {
        self.painted = None;
        // Other rows need other room.
        self.needs_at = 0;
    }

    /// Places the columns; whether they stand otherwise than before.
    fn lay_out(&mut self, width: u16) -> bool {
        let (columns, shown, order) = (&self.columns, &self.shown, self.columns.order().iter().copied());
        let wanted = |column: usize| columns.wants(column) && shown[column];
        std::mem::swap(&mut self.slots, &mut self.slots_before);
        place_to_fit(T::COLUMNS, order, wanted, width, &self.needs, &mut self.slots);
        self.slots != self.slots_before
    }

    /// The headings that only the data tell, in capitals as all are.
    fn title_columns(&mut self, cx: &Cx<'_>) {
        self.titles.clear();
        for slot in &self.slots {
            if let Some(heading) = T::heading(slot.column, cx) {
                self.titles.push((slot.column, text::clean(heading).to_uppercase()));
            }
        }
    }

    fn fill(&mut self, height: usize, cx: &Cx<'_>) {
        self.page = height.max(1);
        let most = self.rows.entries.len().saturating_sub(height);
        self.offset = self.offset.min(most).clamp(self.cursor.saturating_sub(self.page - 1), self.cursor);
        let mut window = std::mem::take(&mut self.window);
        let mut scratch = std::mem::take(&mut self.scratch);
        window.clear();
        for at in self.offset..(self.offset + height).min(self.rows.entries.len()) {
            let Some(row) = self.rows.row(at, cx) else { break };
            let (severity, stale) = (self.rows.entries[at].severity, self.rows.entries[at].stale);
            window.row(RowLook { severity, stale, marked: self.marks.has(|| T::id(row)) });
            for slot in &self.slots {
                window.cell(&mut scratch, |out| T::cell(slot.column, row, out));
                let need = &mut self.needs[slot.column];
                *need = window.last_width().max(*need);
            }
        }
        (self.window, self.scratch) = (window, scratch);
    }

    /// Lines for notes: all of them when there is nothing else, else at most half of the height.
    fn notes_height(&self, height: u16) -> u16 {
        let wanted = self.notes.below.len() as u16;
        // Where there is hardly room for rows, the first line of what is wrong must do, or that the title names who fails.
        let most = match height {
            0..3 => 0,
            3..8 => 1,
            _ => height / 2,
        };
        if self.rows.entries.is_empty() { wanted.min(height) } else { wanted.min(most) }
    }

    /// Where the rows stand, and whether a line of headings is the first of it.
    pub(super) fn table(&self, place: Place) -> (Rect, bool) {
        let inside = below(place.inside(), self.notes.above.len());
        let height = inside.height.saturating_sub(self.notes_height(inside.height));
        (Rect { height, ..inside }, shows_headings(inside) && !self.rows.entries.is_empty())
    }

    fn draw_frame(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let (border, title) = match (place.focused, cx.guarded) {
            (true, true) => (Role::BorderGuarded, Role::TitleFocused),
            (true, false) => (Role::BorderFocused, Role::TitleFocused),
            (false, _) => (Role::Border, Role::Title),
        };
        // How old it is, and that a filter hides rows, are worth more than the end of the summary.
        let filtered = !self.rows.filter.is_empty() || self.rows.filter.problem().is_some();
        let filter = if filtered { format!(" /{} ", text::typed(&self.rows.filter_text)) } else { String::new() };
        let filter_cells = (filter.width() as u16).min(FILTER) + u16::from(filtered);
        let cells = |ages: &str| if ages.is_empty() { 0 } else { ages.width() as u16 + 3 };
        let free = place.area.width.saturating_sub(self.notes.title.width().min(200) as u16 + 5 + filter_cells);
        let ages = if cells(&self.notes.ages) <= free { &self.notes.ages } else { &self.notes.ages_short };
        let most = place.area.width * 3 / 5;
        let kept = cells(ages).min(most.saturating_sub(filter_cells));
        draw_frame(place, buf, (cx.style(border), cx.style(title)), &self.notes.title, kept + filter_cells);
        let style = cx.style(if self.notes.ages_bad { Role::SeverityCritical } else { Role::Faint });
        let right = (place.area.right().saturating_sub(2), place.area.y);
        let mut x = right.0;
        if !ages.is_empty() {
            let room = kept.max(free).saturating_sub(3);
            x = canvas::put_right(buf, right, ages, room, style);
            canvas::put(buf, (x - 1, right.1), " ", 1, style);
            canvas::put(buf, right, " ", 1, style);
        }
        canvas::put_right(buf, (x.saturating_sub(2), place.area.y), &filter, FILTER, cx.style(Role::Filter));
    }
}

impl<T: Tabular> Pane for DataPane<T> {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        if let Some(motion) = action.motion() {
            return self.go(motion.apply(self.cursor, self.page), cx);
        }
        self.look_elsewhere();
        if *action == Action::Reverse {
            self.rows.reverse = !self.rows.reverse;
            Flow::Done
        } else if *action == Action::Group && T::GROUPED_BY.is_some() {
            // Back from any other order it is the order by groups that was asked for.
            self.rows.grouped = self.rows.sort.is_some() || !self.rows.grouped;
            (self.rows.sort, self.rows.reverse) = (None, false);
            Flow::Done
        } else {
            Flow::Pass
        }
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let inside = at.inside();
        let width = inside.width;
        if self.needs_at != width || cx.now.mono >= self.needs_until {
            self.needs.fill(0);
            (self.needs_at, self.needs_until) = (width, cx.now.mono + NEEDED);
        }
        self.lay_out(width);
        self.notes.headline(&self.rows, &self.slots, &self.marks, cx);
        self.notes.explain(&self.rows, usize::from(inside.width.saturating_sub(1)), cx);
        self.notes.notice(&self.rows, inside, cx);
        let inside = below(inside, self.notes.above.len());
        self.title_columns(cx);
        let headings = u16::from(shows_headings(inside));
        let height = inside.height.saturating_sub(self.notes_height(inside.height) + headings);
        self.fill(usize::from(height), cx);
        // What the texts need is known once they are written; what that makes room for is written then.
        for _ in 0..LAID_OUT {
            if !self.lay_out(width) {
                break;
            }
            self.title_columns(cx);
            self.fill(usize::from(height), cx);
        }
        if !self.chosen && self.painted != self.selected {
            self.painted.clone_from(&self.selected);
        }
    }

    fn choose(&mut self) -> bool {
        let meant = self.painted.take().or_else(|| self.selected.clone());
        if self.chosen || meant.is_none() {
            return false;
        }
        if self.selected != meant {
            // Other rows came since it was painted: it is not what stands at the top now.
            self.rows.forget();
        }
        (self.selected, self.chosen) = (meant, true);
        true
    }

    fn let_go(&mut self) {
        self.chosen = false;
        self.rows.forget();
    }

    fn unseen(&mut self) {
        self.painted = None;
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        self.draw_frame(place, buf, cx);
        let (inside, (table, headings)) = (place.inside(), self.table(place));
        for (index, (role, line)) in self.notes.above.iter().enumerate() {
            canvas::put(buf, (inside.x, inside.y + index as u16), line, inside.width, cx.style(*role));
        }
        let inside = below(inside, self.notes.above.len());
        let notes = self.notes_height(inside.height);
        let look = Look {
            columns: T::COLUMNS,
            titles: &self.titles,
            slots: &self.slots,
            sorted: self.rows.sort.map(|column| (column, self.rows.reverse)),
            selected: (!self.rows.entries.is_empty()
                && self.selected.as_ref().is_some_and(|s| s.presence == Presence::Here))
            .then(|| self.cursor.saturating_sub(self.offset)),
            focused: place.focused,
            headings,
        };
        self.window.draw(table, buf, cx.theme, &look);
        let top = if self.rows.entries.is_empty() { inside.y } else { table.bottom() };
        for (index, (role, line)) in self.notes.below.iter().take(usize::from(notes)).enumerate() {
            canvas::put(buf, (inside.x, top + index as u16), line, inside.width, cx.style(*role));
        }
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.rows.entries.len()
    }

    fn lines(&self) -> usize {
        self.rows.entries.len() + self.notes.told + self.notes.below.len()
    }

    fn has(&self, thing: &ThingId, cx: &Cx<'_>) -> bool {
        let rows = |feed| T::items(cx.store, feed).iter().map(move |item| Row { item, feed, cx });
        cx.store.about(T::SUBJECT).flat_map(rows).any(|row| T::is(row, thing))
    }

    fn selected(&self) -> Option<Selected> {
        self.selected.clone()
    }

    fn select(&mut self, selected: Selected) {
        self.set_filter("");
        self.chosen = true;
        self.selected = Some(selected);
        self.rows.forget();
    }

    fn details(&self, cx: &Cx<'_>) -> Option<Details> {
        let selected = self.selected.as_ref().filter(|selected| selected.presence == Presence::Here)?;
        let row = self.rows.row(self.cursor, cx)?;
        let mut sections = T::details(row);
        // What belongs to it is read before what was: figures over time come last.
        let at = sections.iter().position(|section| matches!(section, Section::Chart(_))).unwrap_or(sections.len());
        sections.splice(at..at, links::of(&selected.id, cx));
        Some(Details { title: selected.name.clone(), stale: stale(row.feed, cx.now), sections })
    }

    fn filter(&self) -> &str {
        &self.rows.filter_text
    }

    fn filter_hint(&self) -> &str {
        match self.rows.filter.problem().or(self.rows.unlike.as_deref()) {
            Some(what) => what,
            None if T::LABELLED => "words, !not, label=~\"a|b\", state:x, age>30m; Tab completes",
            None => "words, !not, state:x, cpu>80, age>30m; Tab completes",
        }
    }

    fn completed(&self, typed: &str) -> Option<String> {
        typed::complete(typed, &self.rows.fields)
    }

    fn set_filter(&mut self, text: &str) {
        self.rows.set_filter(text);
        self.look_elsewhere();
    }

    fn hands(&mut self) -> Option<&mut dyn Hands> {
        Some(self)
    }
}

/// What is left of an area under so many lines.
fn below(area: Rect, lines: usize) -> Rect {
    let lines = (lines as u16).min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

fn shows_headings(inside: Rect) -> bool {
    inside.height > 3
}
