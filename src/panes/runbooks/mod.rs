//! Runbooks: what there is, who looks after it, how old its review is, how it went last time, and whether it can be run here.
//!
//! Nobody reports them: they are the library's, and their last runs the journal's.

mod cells;
mod hands;
mod page;
mod search;

use self::cells::{COLUMNS, SYNONYMS, cell, natural, order};
use self::search::Search;
use super::cursor::Cursor;
use super::filtered::Filtered;
use super::hands::Hands;
use super::table::{Columns, Marks, draw_frame};
use super::{Details, Flow, Pane, PaneKind, Place, Presence, Selected};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{RunId, Severity, ThingId, text, time};
use crate::keymap::Scope;
use crate::runbook::{Library, Mistake, Runbook, Writes, offer};
use crate::theme::Role;
use crate::widgets::canvas;
use crate::widgets::grid::{Look, RowLook, Slot, Window, place};
use jiff::civil::Date;
use ratatui::buffer::Buffer;
use std::fmt::Write;
use std::sync::Arc;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(5),
    title: "Runbooks",
    doc: "runbooks: what they are for, how old their review is, how they went last time",
    scope: Scope::Runbooks,
    action: Action::Runbooks,
    subject: None,
    beside: false,
    make: || Box::new(RunbooksPane::default()),
};

/// A runbook that passes the filter, or a file that can't be read as one.
struct Entry {
    /// Its id; the path of a file of which nothing is shown.
    id: String,
    title: String,
    /// `None` for a file of which nothing is shown.
    runbook: Option<Arc<Runbook>>,
    /// Its file has a mistake.
    mistaken: bool,
    last: Option<RunId>,
    /// Why it can't be run here.
    refusal: Option<String>,
    /// How well it fits what is searched.
    score: u32,
}

/// Why it can't be run from here: of itself, or because nothing can.
fn refusal(runbook: &Runbook, cx: &Cx<'_>) -> Option<String> {
    let read_only =
        || (cx.writes == Writes::ReadOnly).then(|| "this dashboard is read-only: it can be planned".to_owned());
    offer::refusal(cx.library, runbook, cx.environment).or_else(read_only)
}

impl Entry {
    fn new(runbook: &Arc<Runbook>, score: u32, cx: &Cx<'_>) -> Self {
        Self {
            id: runbook.id.clone(),
            title: runbook.title.clone(),
            runbook: Some(Arc::clone(runbook)),
            mistaken: cx.library.mistake(&runbook.id).is_some(),
            last: offer::last_run(cx.runs, &runbook.id).map(|run| run.id),
            refusal: refusal(runbook, cx),
            score,
        }
    }

    /// A file of which nothing is shown.
    fn unread(path: String, mistake: &Mistake, score: u32) -> Self {
        let refusal = Some(format!("it has a mistake {}", mistake.told()));
        Self { id: path, title: mistake.name(), runbook: None, mistaken: true, last: None, refusal, score }
    }

    fn id(&self) -> ThingId {
        ThingId::Runbook(self.id.as_str().into())
    }

    fn severity(&self, today: Date) -> Severity {
        let review = self.runbook.as_ref().map_or(Severity::None, |runbook| offer::review(runbook, today));
        if self.mistaken { review.max(Severity::Warning) } else { review }
    }
}

/// Whether a row may be called so: a runbook, or a file of which nothing is shown.
fn is_there(library: &Library, id: &str) -> bool {
    library.get(id).is_some() || library.unread().any(|(path, _)| path == id)
}

/// What the rows depend on.
#[derive(PartialEq)]
struct Known {
    /// The library in force, by its place in memory, and how many runbooks it has.
    library: (usize, usize),
    runs: u64,
    today: Date,
    filter: String,
    sort: Option<usize>,
    reverse: bool,
}

/// The view.
pub struct RunbooksPane {
    entries: Vec<Entry>,
    cursor: Cursor,
    selected: Option<Selected>,
    filter: Filtered,
    sort: Option<usize>,
    reverse: bool,
    columns: Columns,
    marks: Marks,
    slots: Vec<Slot>,
    window: Window,
    title: String,
    scratch: String,
    note: String,
    known: Option<Known>,
}

impl Default for RunbooksPane {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            cursor: Cursor::default(),
            selected: None,
            filter: Filtered::new(COLUMNS, SYNONYMS),
            sort: None,
            reverse: false,
            columns: Columns::new(COLUMNS.len()),
            marks: Marks::default(),
            slots: Vec::new(),
            window: Window::default(),
            title: String::new(),
            scratch: String::new(),
            note: String::new(),
            known: None,
        }
    }
}

/// The day, in UTC.
fn today(cx: &Cx<'_>) -> Date {
    time::day(cx.now.wall)
}

impl RunbooksPane {
    /// Makes the rows anew when something that they depend on changed; the cursor follows its runbook.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let known = Known {
            library: (std::ptr::from_ref(cx.library).addr(), cx.library.iter().len()),
            runs: cx.runs.revision(),
            today: today(cx),
            filter: self.filter.text().to_owned(),
            sort: self.sort,
            reverse: self.reverse,
        };
        if self.known.as_ref() == Some(&known) {
            return;
        }
        let refiltered = self.known.as_ref().is_some_and(|before| before.filter != known.filter);
        self.known = Some(known);
        self.list(cx);
        let (sort, reverse) = (self.sort, self.reverse);
        self.entries.sort_by(|a, b| {
            let order = sort.map_or_else(|| natural(a, b, cx), |column| order(column, a, b, cx));
            if reverse { order.reverse() } else { order }
        });
        self.follow(refiltered, cx);
        let ids = cx.library.iter().map(|runbook| runbook.id.clone());
        let all = ids.chain(cx.library.unread().map(|(path, _)| path));
        self.marks.keep(&all.map(|id| ThingId::Runbook(id.as_str().into())).collect());
        self.count_marks();
    }

    /// Those that pass the filter.
    fn list(&mut self, cx: &Cx<'_>) {
        let mut search = Search::new(self.filter.read());
        self.entries.clear();
        let mut entries: Vec<Entry> = Vec::new();
        for runbook in cx.library.iter() {
            entries.extend(search.score(runbook).map(|score| Entry::new(runbook, score, cx)));
        }
        for (path, mistake) in cx.library.unread() {
            let score = search.of_heads(&[&path, mistake.id.as_deref().unwrap_or_default()], &mistake.what);
            entries.extend(score.map(|score| Entry::unread(path, mistake, score)));
        }
        for entry in entries {
            if self.filter.compares(|column, out| cell(column, &entry, cx, out)) {
                self.entries.push(entry);
            }
        }
    }

    /// The cursor follows its runbook. One that is gone, or does not pass the filter any more though nobody typed one, leaves it where it
    /// was, and what stands there now is not selected: a key that plans must not mean another page than the one that was read.
    fn follow(&mut self, refiltered: bool, cx: &Cx<'_>) {
        let count = self.entries.len();
        let Some(selected) = &mut self.selected else {
            self.cursor.go(self.cursor.at(), count);
            return self.take();
        };
        if let Some(at) = self.entries.iter().position(|entry| entry.id() == selected.id) {
            self.cursor.go(at, count);
            return self.take();
        }
        if refiltered {
            self.cursor.go(0, count);
            return self.take();
        }
        let is_there = matches!(&selected.id, ThingId::Runbook(id) if is_there(cx.library, id));
        selected.presence = if is_there { Presence::Hidden } else { Presence::Gone };
        self.cursor.go(self.cursor.at(), count);
    }

    fn take(&mut self) {
        self.selected = self.entries.get(self.cursor.at()).map(|entry| Selected::here(entry.id(), entry.title.clone()));
    }

    /// The runbook that is selected, if it stands under the cursor.
    fn entry(&self) -> Option<&Entry> {
        self.selected.as_ref().filter(|selected| selected.presence == Presence::Here)?;
        self.entries.get(self.cursor.at())
    }

    fn count_marks(&mut self) {
        self.marks.shown = self.entries.iter().filter(|entry| self.marks.has(|| entry.id())).count();
    }

    fn fill(&mut self, height: usize, cx: &Cx<'_>) {
        let rows = self.cursor.window(height, self.entries.len());
        self.window.clear();
        for entry in &self.entries[rows] {
            let (severity, marked) = (entry.severity(today(cx)), self.marks.has(|| entry.id()));
            self.window.row(RowLook { severity, marked, ..RowLook::default() });
            for slot in &self.slots {
                self.window.cell(&mut self.scratch, |out| cell(slot.column, entry, cx, out));
            }
        }
    }

    fn tell(&mut self, cx: &Cx<'_>) {
        self.title.clear();
        let all = cx.library.iter().len();
        let _ = write!(self.title, "5 {}  {all}", KIND.title);
        let due = cx.library.iter().filter(|runbook| offer::review(runbook, today(cx)) > Severity::None).count();
        if due > 0 {
            let _ = write!(self.title, "  {due} want a review");
        }
        let mistakes = cx.library.mistakes().len();
        if mistakes > 0 {
            let _ = write!(self.title, "  {mistakes} with a mistake");
        }
        // An order that no heading shows.
        if let Some(column) = self.sort.filter(|column| self.slots.iter().all(|slot| slot.column != *column)) {
            let _ = write!(self.title, "  by {} {}", COLUMNS[column].title, if self.reverse { "↓" } else { "↑" });
        }
        self.marks.tell(&mut self.title);
        if !self.filter.text().is_empty() {
            let _ = write!(self.title, "  {} pass /{}", self.entries.len(), text::typed(self.filter.text()));
        }
        self.note.clear();
        if self.entries.is_empty() {
            self.note.push_str(if all == 0 {
                "there are no runbooks"
            } else {
                "no runbook passes the filter (Esc clears it)"
            });
        }
    }
}

impl Pane for RunbooksPane {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        match (action, action.motion()) {
            (_, Some(motion)) => {
                self.cursor.travel(motion, self.entries.len());
                self.take();
            }
            (Action::Reverse, _) => self.reverse = !self.reverse,
            _ => return Flow::Pass,
        }
        Flow::Done
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let inside = at.inside();
        let (columns, order) = (&self.columns, self.columns.order().iter().copied());
        place(COLUMNS, order, |column| columns.wants(column), inside.width, &mut self.slots);
        self.fill(usize::from(inside.height.saturating_sub(1)), cx);
        self.tell(cx);
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let inside = place.inside();
        let look = Look {
            columns: COLUMNS,
            titles: &[],
            slots: &self.slots,
            sorted: self.sort.map(|column| (column, self.reverse)),
            selected: self.entry().map(|_| self.cursor.shown()),
            focused: place.focused,
            headings: true,
        };
        self.window.draw(inside, buf, cx.theme, &look);
        canvas::put(buf, (inside.x + 2, inside.y + 1), &self.note, inside.width, cx.style(Role::Muted));
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.entries.len()
    }

    fn has(&self, thing: &ThingId, cx: &Cx<'_>) -> bool {
        matches!(thing, ThingId::Runbook(id) if is_there(cx.library, id))
    }

    fn selected(&self) -> Option<Selected> {
        self.selected.clone()
    }

    fn select(&mut self, selected: Selected) {
        self.selected = Some(selected);
        self.set_filter("");
        self.known = None;
    }

    fn details(&self, cx: &Cx<'_>) -> Option<Details> {
        self.entry().and_then(|entry| match &entry.runbook {
            Some(runbook) => Some(page::of(runbook, cx)),
            None => {
                cx.library.unread().find(|(path, _)| *path == entry.id).map(|(_, mistake)| page::of_mistake(mistake))
            }
        })
    }

    fn filter(&self) -> &str {
        self.filter.text()
    }

    fn filter_hint(&self) -> &str {
        self.filter.hint("words, fuzzy; !not, risk:high, reviewed>90d; Tab completes")
    }

    fn completed(&self, typed: &str) -> Option<String> {
        self.filter.completed(typed)
    }

    fn set_filter(&mut self, text: &str) {
        // Whoever searches wants what fits best, and not what the cursor was on.
        if !text.is_empty() && text != self.filter.text() {
            (self.selected, self.cursor) = (None, Cursor::default());
        }
        self.filter.set(text);
    }

    fn hands(&mut self) -> Option<&mut dyn Hands> {
        Some(self)
    }
}
