//! Runbooks: what there is, who looks after it, how old its review is, how it went last time, and whether it can be run here.
//!
//! Nobody reports them: they are the library's, and their last runs the journal's.

mod page;

use super::cursor::Cursor;
use super::table::draw_frame;
use super::{Details, Flow, Pane, PaneKind, Place, Presence, Selected};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{RunId, Severity, ThingId, text, time};
use crate::keymap::Scope;
use crate::runbook::{Runbook, offer};
use crate::theme::Role;
use crate::widgets::filter::Filter;
use crate::widgets::grid::{Column, Look, RowLook, Slot, Window, place};
use crate::widgets::measure::Measure;
use crate::widgets::{canvas, typed};
use jiff::civil::Date;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use std::cmp::Ordering;
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

const TITLE: usize = 0;
const RISK: usize = 1;
const ABOUT: usize = 2;
const OWNER: usize = 3;
const REVIEWED: usize = 4;
const LAST: usize = 5;

const COLUMNS: &[Column] = &[
    Column::text("TITLE", 24, 2, 9),
    Column::text("RISK", 12, 0, 7),
    Column::text("ABOUT", 10, 0, 4),
    Column::text("OWNER", 10, 1, 3),
    Column::figure("REVIEWED", 8, 8).of(Measure::Time),
    Column::text("LAST RUN", 16, 0, 6),
    Column::text("HERE", 5, 4, 5),
];

/// Other names for them in a filter.
const SYNONYMS: &[(&str, usize)] = &[("name", TITLE), ("pane", ABOUT), ("review", REVIEWED), ("last", LAST)];

/// A runbook that passes the filter.
struct Entry {
    runbook: Arc<Runbook>,
    last: Option<RunId>,
    /// Why it can't be run here.
    refusal: Option<String>,
    /// How well it fits what is searched.
    score: u32,
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
#[derive(Default)]
pub struct RunbooksPane {
    entries: Vec<Entry>,
    cursor: Cursor,
    selected: Option<Selected>,
    filter_text: String,
    filter: Filter,
    sort: Option<usize>,
    reverse: bool,
    slots: Vec<Slot>,
    window: Window,
    title: String,
    scratch: String,
    note: String,
    known: Option<Known>,
}

/// The day, in UTC.
fn today(cx: &Cx<'_>) -> Date {
    time::day(cx.now.wall)
}

/// The pane that it is about.
fn about(runbook: &Runbook) -> &'static str {
    runbook.pane.map_or("", |pane| pane.word())
}

impl RunbooksPane {
    /// Makes the rows anew when something that they depend on changed; the cursor follows its runbook.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let known = Known {
            library: (std::ptr::from_ref(cx.library).addr(), cx.library.iter().len()),
            runs: cx.runs.revision(),
            today: today(cx),
            filter: self.filter_text.clone(),
            sort: self.sort,
            reverse: self.reverse,
        };
        if self.known.as_ref() == Some(&known) {
            return;
        }
        self.known = Some(known);
        let mut search = Search::new(&self.filter);
        self.entries.clear();
        for runbook in cx.library.iter() {
            let Some(score) = search.score(runbook) else { continue };
            let last = offer::last_run(cx.runs, &runbook.id).map(|run| run.id);
            let refusal = offer::refusal(runbook, cx.environment);
            let entry = Entry { runbook: Arc::clone(runbook), last, refusal, score };
            if compares(&self.filter, &entry, cx) {
                self.entries.push(entry);
            }
        }
        let (sort, reverse) = (self.sort, self.reverse);
        self.entries.sort_by(|a, b| {
            let order = sort.map_or_else(|| natural(a, b, cx), |column| order(column, a, b, cx));
            if reverse { order.reverse() } else { order }
        });
        self.follow(cx);
    }

    fn follow(&mut self, cx: &Cx<'_>) {
        let wanted = self.selected.as_ref().map(|selected| &selected.id);
        let is = |entry: &Entry| matches!(wanted, Some(ThingId::Runbook(id)) if **id == *entry.runbook.id);
        let at = self.entries.iter().position(is);
        self.cursor.go(at.unwrap_or(self.cursor.at()), self.entries.len());
        self.take(cx);
    }

    fn take(&mut self, _: &Cx<'_>) {
        self.selected = self.entries.get(self.cursor.at()).map(|entry| Selected {
            id: ThingId::Runbook(entry.runbook.id.as_str().into()),
            name: entry.runbook.title.clone(),
            presence: Presence::Here,
        });
    }

    /// Through the columns and back to the own order; newest and riskiest of a column first.
    fn sort_next(&mut self) {
        self.sort = match self.sort {
            None => Some(TITLE),
            Some(column) if column + 1 < COLUMNS.len() => Some(column + 1),
            Some(_) => None,
        };
        self.reverse = self.sort.is_some_and(|column| matches!(column, RISK | REVIEWED | LAST));
    }

    fn fill(&mut self, height: usize, cx: &Cx<'_>) {
        let rows = self.cursor.window(height, self.entries.len());
        self.window.clear();
        for entry in &self.entries[rows] {
            let severity = offer::review(&entry.runbook, today(cx));
            self.window.row(RowLook { severity, ..RowLook::default() });
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
        if !self.filter_text.is_empty() {
            let _ = write!(self.title, "  {} pass /{}", self.entries.len(), text::typed(&self.filter_text));
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

/// What is searched for: words that stand, fuzzily, in the title, the id, an alert or the owner, or as they are in the text.
struct Search {
    wanted: Vec<(Pattern, String)>,
    unwanted: Vec<String>,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Search {
    fn new(filter: &Filter) -> Self {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for (is_wanted, word) in filter.words() {
            let word = word.into_owned();
            if is_wanted {
                let pattern = Pattern::new(&word, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
                wanted.push((pattern, word));
            } else {
                unwanted.push(word);
            }
        }
        Self { wanted, unwanted, matcher: Matcher::new(Config::DEFAULT), buffer: Vec::new() }
    }

    /// How well a runbook fits all words; `None`: one of them does not stand in it.
    fn score(&mut self, runbook: &Runbook) -> Option<u32> {
        if self.wanted.is_empty() && self.unwanted.is_empty() {
            return Some(0);
        }
        let text = runbook.source.to_lowercase();
        if self.unwanted.iter().any(|word| text.contains(word.as_str())) {
            return None;
        }
        let alerts = runbook.alerts.iter().map(|glob| glob.0.as_str());
        let heads: Vec<&str> = [&*runbook.title, &*runbook.id, &*runbook.owner].into_iter().chain(alerts).collect();
        let mut sum = 0;
        for (pattern, word) in &self.wanted {
            let scores =
                heads.iter().filter_map(|head| pattern.score(Utf32Str::new(head, &mut self.buffer), &mut self.matcher));
            // Found in the text alone it comes after what is called so.
            sum += scores.max().or_else(|| text.contains(word.as_str()).then_some(0))?;
        }
        Some(sum)
    }
}

/// Whether the comparisons of a filter hold for what stands in its cells.
fn compares(filter: &Filter, entry: &Entry, cx: &Cx<'_>) -> bool {
    filter.comparisons().iter().all(|comparison| {
        let mut text = String::new();
        cell(comparison.column, entry, cx, &mut text);
        comparison.holds_for_cell(&mut text)
    })
}

/// What fits best, then what can be run here, then by title.
fn natural(a: &Entry, b: &Entry, cx: &Cx<'_>) -> Ordering {
    let fit = b.score.cmp(&a.score).then(a.refusal.is_some().cmp(&b.refusal.is_some()));
    fit.then_with(|| order(TITLE, a, b, cx))
}

fn order(column: usize, a: &Entry, b: &Entry, cx: &Cx<'_>) -> Ordering {
    let name = || a.runbook.title.cmp(&b.runbook.title).then_with(|| a.runbook.id.cmp(&b.runbook.id));
    let started = |entry: &Entry| entry.last.and_then(|id| cx.runs.get(id)).map(|run| run.started);
    let first = match column {
        TITLE => Ordering::Equal,
        RISK => a.runbook.risk.cmp(&b.runbook.risk),
        ABOUT => about(&a.runbook).cmp(about(&b.runbook)),
        OWNER => a.runbook.owner.cmp(&b.runbook.owner),
        REVIEWED => b.runbook.reviewed.cmp(&a.runbook.reviewed),
        LAST => started(a).cmp(&started(b)),
        _ => a.refusal.cmp(&b.refusal),
    };
    first.then_with(name)
}

fn cell(column: usize, entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    let runbook = &entry.runbook;
    match column {
        TITLE => out.push_str(&runbook.title),
        RISK => out.push_str(runbook.risk.word()),
        ABOUT => out.push_str(about(runbook)),
        OWNER => out.push_str(&runbook.owner),
        REVIEWED => {
            let _ = write!(out, "{}d", runbook.age(today(cx)));
            let severity = offer::review(runbook, today(cx));
            return if severity > Severity::None { severity.into() } else { Role::Muted };
        }
        LAST => return last(entry, cx, out),
        _ => {
            out.push_str(entry.refusal.as_ref().map_or("yes", |_| "no: "));
            out.push_str(entry.refusal.as_deref().unwrap_or_default());
            return if entry.refusal.is_some() { Role::Muted } else { Role::Text };
        }
    }
    if column == TITLE { Role::Text } else { Role::Muted }
}

/// `ok 3d ago`.
fn last(entry: &Entry, cx: &Cx<'_>, out: &mut String) -> Role {
    let Some(run) = entry.last.and_then(|id| cx.runs.get(id)) else {
        out.push('—');
        return Role::Faint;
    };
    let _ = write!(out, "{} {} ago", run.word(), offer::ago(run, cx.now.wall));
    run.severity().into()
}

impl Pane for RunbooksPane {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        match (action, action.motion()) {
            (_, Some(motion)) => {
                self.cursor.travel(motion, self.entries.len());
                self.take(cx);
            }
            (Action::Sort, _) => self.sort_next(),
            (Action::Reverse, _) => self.reverse = !self.reverse,
            _ => return Flow::Pass,
        }
        Flow::Done
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let inside = at.inside();
        place(COLUMNS, 0..COLUMNS.len(), |_| true, inside.width, &mut self.slots);
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
            selected: (!self.entries.is_empty()).then(|| self.cursor.shown()),
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
        matches!(thing, ThingId::Runbook(id) if cx.library.get(id).is_some())
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
        self.entries.get(self.cursor.at()).map(|entry| page::of(&entry.runbook, cx))
    }

    fn filter(&self) -> &str {
        &self.filter_text
    }

    fn filter_hint(&self) -> &str {
        self.filter.problem().unwrap_or("words, fuzzy; !not, risk:high, reviewed>90d; Tab completes")
    }

    fn completed(&self, typed: &str) -> Option<String> {
        typed::complete(typed, &typed::fields(COLUMNS, SYNONYMS))
    }

    fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter_text);
        self.filter = Filter::parse(text, false, &typed::fields(COLUMNS, SYNONYMS));
    }
}
