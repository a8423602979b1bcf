//! What all tables of things share: order, filter, a cursor that follows the thing, the visible window.

use super::grouping::{self, Group, Rank};
use super::{Details, Flow, Pane, Place, Presence, Section, Selected, links};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Matchers, Now, Severity, Subject, ThingId, text};
use crate::store::{Feed, Health, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::filter::Filter;
use crate::widgets::grid::{Column, Look, Slot, Window, place};
use crate::widgets::{canvas, feeds, wrap};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cmp::Ordering;
use std::fmt::Write;
use std::marker::PhantomData;
use unicode_width::UnicodeWidthStr;

/// One row, with all that its cells may need.
pub struct Row<'a, I> {
    /// The thing.
    pub item: &'a I,
    /// Where it is from.
    pub feed: &'a Feed,
    /// The screen's knowledge.
    pub cx: &'a Cx<'a>,
}

impl<I> Clone for Row<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<I> Copy for Row<'_, I> {}

impl<I> Row<'_, I> {
    /// The moment up to which its ages count: a source that answers no more does not say that a thing is still up.
    pub fn as_of(&self) -> Timestamp {
        let known = self.feed.good.as_ref().filter(|_| untrusted(self.feed, self.cx.now));
        known.map_or(self.cx.now.wall, |(at, _)| at.wall)
    }
}

/// A table of things: what a pane's folder writes.
pub trait Tabular: Send + 'static {
    /// The thing in a row.
    type Item: 'static;
    /// What it shows.
    const SUBJECT: Subject;
    /// Number and title.
    const TITLE: (Option<u8>, &'static str);
    /// Columns; the first is the name.
    const COLUMNS: &'static [Column];

    /// Whether a column has anything to say just now.
    fn shows(_column: usize, _cx: &Cx<'_>) -> bool {
        true
    }
    /// A heading that the data tell, for a column without a fixed meaning.
    fn heading<'a>(_column: usize, _cx: &Cx<'a>) -> Option<&'a str> {
        None
    }
    /// Whether a feed about the subject is asked for these things at all; one that is not is neither named nor waited for.
    fn concerns(_feed: &Feed) -> bool {
        true
    }
    /// Whether a feed's last good answer is without them: then nobody knows whether there are any.
    fn lacks(_feed: &Feed) -> bool {
        false
    }
    /// Why a feed's good answer may be without some of them.
    fn blind(_feed: &Feed) -> Option<&'static str> {
        None
    }
    /// What must be seen above the rows, whatever they are; the worst first, appended.
    fn notices(_cx: &Cx<'_>, _out: &mut Vec<(Severity, String)>) {}
    /// The things that one feed reports.
    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [Self::Item];
    /// Its identity.
    fn id(row: Row<'_, Self::Item>) -> ThingId;
    /// Whether it is the thing of this identity; for every row of a table, so that it should not allocate.
    fn is(row: Row<'_, Self::Item>, id: &ThingId) -> bool {
        Self::id(row) == *id
    }
    /// Its name for people, appended.
    fn name(row: Row<'_, Self::Item>, out: &mut String);
    /// How bad it is.
    fn severity(row: Row<'_, Self::Item>) -> Severity;
    /// Order of two rows by a column, smallest (or first in the alphabet) first.
    fn order(column: usize, a: Row<'_, Self::Item>, b: Row<'_, Self::Item>) -> Ordering;
    /// Order of two rows of the same severity when the worst come first.
    fn natural(a: Row<'_, Self::Item>, b: Row<'_, Self::Item>) -> Ordering {
        Self::order(0, a, b)
    }
    /// The worst rows stand on top; else the natural order alone decides.
    const WORST_FIRST: bool = true;
    /// What a row belongs to, for the order by groups; `None`: it stands alone.
    fn group(_row: Row<'_, Self::Item>) -> Option<Group<'_>> {
        None
    }
    /// There is an order by groups, and this is what it is by.
    const GROUPED_BY: Option<&'static str> = None;
    /// A cell's text, appended, and its role.
    fn cell(column: usize, row: Row<'_, Self::Item>, out: &mut String) -> Role;
    /// Its things have labels, so that a filter may hold matchers.
    const LABELLED: bool = false;
    /// Whether matchers hold for its labels; for every row of a table, so that it should not allocate.
    fn has_labels(_row: Row<'_, Self::Item>, matchers: &Matchers) -> bool {
        matchers.is_empty()
    }
    /// What the words of a filter are looked for in, appended.
    fn haystack(row: Row<'_, Self::Item>, out: &mut String);
    /// The summary in the title, appended.
    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String);
    /// What an empty answer means.
    const NONE: &'static str;
    /// The same while not all sources can be trusted, or may see all of them; each of these is told of below it.
    const UNSURE: &'static str = "none is seen";
    /// What it means when no source is asked for these things, or none has them.
    const NOBODY: &'static str = "no source tells of them";
    /// Everything about it: its page. Links are added by themselves.
    fn details(row: Row<'_, Self::Item>) -> Vec<Section>;
}

/// How many rows there are of each severity, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by: [usize; 6],
}

impl Counts {
    /// Rows of a severity.
    pub fn of(&self, severity: Severity) -> usize {
        self.by[severity as usize]
    }
    /// All rows.
    pub fn total(&self) -> usize {
        self.by.iter().sum()
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    feed: u16,
    item: u32,
    severity: Severity,
    stale: bool,
    /// Of its group, while the order is by groups.
    rank: Rank,
}

/// A table pane.
pub struct DataPane<T: Tabular> {
    entries: Vec<Entry>,
    counts: Counts,
    cursor: usize,
    selected: Option<Selected>,
    /// The cursor was moved, or all sources have answered: from then on it follows its thing.
    moved: bool,
    offset: usize,
    page: usize,
    sort: Option<usize>,
    grouped: bool,
    reverse: bool,
    filter_text: String,
    filter: Filter,
    slots: Vec<Slot>,
    titles: Vec<(usize, String)>,
    window: Window,
    summary: String,
    title: String,
    ages: String,
    /// The same in fewer cells, for where it gets narrow.
    ages_short: String,
    ages_bad: bool,
    notes: Vec<(Role, String)>,
    notices: Vec<(Role, String)>,
    scratch: String,
    sorted_for: Option<SortKey>,
    kind: PhantomData<fn() -> T>,
}

/// What the order depends on: when none of it changed, the rows stand as they stood.
#[derive(Clone, PartialEq)]
struct SortKey {
    revision: u64,
    health: u64,
    sort: Option<usize>,
    grouped: bool,
    reverse: bool,
    filter: Filter,
}

impl<T: Tabular> Default for DataPane<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            counts: Counts::default(),
            cursor: 0,
            selected: None,
            moved: false,
            offset: 0,
            page: 1,
            sort: None,
            grouped: false,
            reverse: false,
            filter_text: String::new(),
            filter: Filter::default(),
            slots: Vec::new(),
            titles: Vec::new(),
            window: Window::default(),
            summary: String::new(),
            title: String::new(),
            ages: String::new(),
            ages_short: String::new(),
            ages_bad: false,
            notes: Vec::new(),
            notices: Vec::new(),
            scratch: String::new(),
            sorted_for: None,
            kind: PhantomData,
        }
    }
}

impl<T: Tabular> DataPane<T> {
    /// Brings the rows in order and finds the cursor's thing again, if anything the order depends on changed.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let key = SortKey {
            revision: cx.store.revision(T::SUBJECT),
            health: cx.store.health_key(T::SUBJECT, cx.now),
            sort: self.sort,
            grouped: self.grouped,
            reverse: self.reverse,
            filter: self.filter.clone(),
        };
        if self.sorted_for.as_ref() == Some(&key) {
            return;
        }
        let refiltered = self.sorted_for.as_ref().is_some_and(|before| before.filter != key.filter);
        self.collect(cx);
        self.order(cx);
        self.follow(refiltered, cx);
        self.scratch.clear();
        T::summary(cx, &self.counts, &mut self.scratch);
        if let (true, None, Some(by)) = (self.grouped, self.sort, T::GROUPED_BY) {
            let _ = write!(self.scratch, "  by {by}");
        }
        self.summary.clear();
        text::push_clean(&mut self.summary, &self.scratch);
        self.sorted_for = Some(key);
    }

    fn collect(&mut self, cx: &Cx<'_>) {
        self.entries.clear();
        self.counts = Counts::default();
        for (number, feed) in cx.store.feeds().iter().enumerate().filter(|(_, feed)| is_for::<T>(feed)) {
            let stale = untrusted(feed, cx.now);
            for (index, item) in T::items(cx.store, feed).iter().enumerate() {
                let row = Row { item, feed, cx };
                let severity = T::severity(row);
                self.counts.by[severity as usize] += 1;
                if self.filter.is_empty() || self.passes(row) {
                    let (feed, item) = (number as u16, index as u32);
                    self.entries.push(Entry { feed, item, severity, stale, rank: Rank::default() });
                }
            }
        }
    }

    fn passes(&mut self, row: Row<'_, T::Item>) -> bool {
        let labels = self.filter.labels();
        if !labels.is_empty() && !T::has_labels(row, labels) {
            return false;
        }
        if !self.filter.has_words() {
            return true;
        }
        self.scratch.clear();
        T::haystack(row, &mut self.scratch);
        self.scratch.make_ascii_lowercase();
        if self.scratch.is_ascii() {
            return self.filter.passes(&self.scratch);
        }
        self.filter.passes(&self.scratch.to_lowercase())
    }

    fn order(&mut self, cx: &Cx<'_>) {
        let (sort, reverse) = (self.sort, self.reverse);
        let items: Vec<&[T::Item]> = cx
            .store
            .feeds()
            .iter()
            .map(|feed| if is_for::<T>(feed) { T::items(cx.store, feed) } else { &[] })
            .collect();
        let row = |e: &Entry| Row {
            item: &items[usize::from(e.feed)][e.item as usize],
            feed: &cx.store.feeds()[usize::from(e.feed)],
            cx,
        };
        if self.grouped && sort.is_none() {
            let rows: Vec<_> = self.entries.iter().map(|entry| (T::group(row(entry)), entry.severity)).collect();
            let ranks = grouping::ranks(&rows);
            self.entries.iter_mut().zip(ranks).for_each(|(entry, rank)| entry.rank = rank);
        }
        self.entries.sort_unstable_by(|a, b| {
            let (ra, rb) = (row(a), row(b));
            let by = match sort {
                Some(column) => T::order(column, ra, rb),
                None if !T::WORST_FIRST => T::natural(ra, rb),
                // Outside the order by groups all ranks are equal.
                None => a.rank.cmp(&b.rank).then(b.severity.cmp(&a.severity)).then_with(|| T::natural(ra, rb)),
            };
            let by = by.then_with(|| (a.feed, a.item).cmp(&(b.feed, b.item)));
            if reverse { by.reverse() } else { by }
        });
    }

    fn row<'a>(&self, at: usize, cx: &'a Cx<'a>) -> Option<Row<'a, T::Item>> {
        let entry = self.entries.get(at)?;
        let feed = cx.store.feeds().get(usize::from(entry.feed))?;
        Some(Row { item: T::items(cx.store, feed).get(entry.item as usize)?, feed, cx })
    }

    /// The cursor follows its thing to wherever it now stands. A thing that vanished, or does not pass the filter any more,
    /// leaves the cursor where it was, and what is there now is not selected until the operator moves. Who types a filter
    /// looks for something: then the first row that passes is what is meant. Until every source has answered and before the
    /// cursor was moved nothing was chosen: it stays at the top, where the worst is.
    fn follow(&mut self, refiltered: bool, cx: &Cx<'_>) {
        let last = self.entries.len().saturating_sub(1);
        if !self.moved {
            (self.cursor, self.selected) = (0, None);
            self.moved = asked::<T>(cx).all(|feed| feed.health(cx.now) != Health::Waiting);
        }
        let Some(selected) = &mut self.selected else {
            self.cursor = self.cursor.min(last);
            self.take(cx);
            return;
        };
        let id = selected.id.clone();
        let found = (0..self.entries.len()).find(|at| self.row(*at, cx).is_some_and(|row| T::is(row, &id)));
        let presence = match found {
            Some(_) => Presence::Here,
            None if refiltered && !self.entries.is_empty() => {
                self.cursor = 0;
                return self.take(cx);
            }
            None if !self.filter.is_empty() && self.has(&id, cx) => Presence::Hidden,
            None => Presence::Gone,
        };
        self.cursor = found.unwrap_or(self.cursor.min(last));
        if found.is_some() {
            // Who came by a link knew it by another name.
            self.take(cx);
        }
        if self.entries.is_empty() && presence == Presence::Gone {
            self.selected = None;
        } else if let Some(selected) = &mut self.selected {
            selected.presence = presence;
        }
    }

    /// The thing under the cursor becomes the selected one.
    fn take(&mut self, cx: &Cx<'_>) {
        self.selected = self.row(self.cursor, cx).map(|row| {
            let mut name = String::new();
            T::name(row, &mut name);
            Selected::here(T::id(row), text::clean(&name).into_owned())
        });
    }

    fn go(&mut self, to: usize, cx: &Cx<'_>) -> Flow {
        self.moved = true;
        self.cursor = to.min(self.entries.len().saturating_sub(1));
        self.take(cx);
        Flow::Done
    }

    fn turn(&mut self) -> Flow {
        // Only by columns that are on the screen: an order that nobody can see is no help.
        self.sort = match self.sort {
            None => self.slots.first().map(|slot| slot.column),
            Some(column) => self.slots.iter().map(|slot| slot.column).find(|next| *next > column),
        };
        self.reverse = self.sort.is_some_and(|column| T::COLUMNS[column].right);
        Flow::Done
    }

    fn headline(&mut self, cx: &Cx<'_>) {
        self.title.clear();
        if let Some(number) = T::TITLE.0 {
            let _ = write!(self.title, "{number} ");
        }
        self.title.push_str(T::TITLE.1);
        let known = asked::<T>(cx).any(|feed| feed.good.is_some());
        if known && self.counts.total() == 0 && overdue::<T>(cx).is_some() {
            // That there was none is no answer about now.
            let age = figure::text(|out| figure::coarse_age(out, overdue::<T>(cx).unwrap_or_default()));
            let _ = write!(self.title, "  none seen {age} ago, not known since");
        } else if known {
            let _ = write!(self.title, "  {}", self.summary);
        }
        self.ages_of(cx);
    }

    /// Each source with its age, those in trouble first; and in short, where all good ones are one.
    fn ages_of(&mut self, cx: &Cx<'_>) {
        self.ages.clear();
        self.ages_short.clear();
        self.ages_bad = false;
        let about = |bad| asked::<T>(cx).filter(move |feed| untrusted(feed, cx.now) == bad);
        let hangs = |feed: &&Feed| feed.health(cx.now) == Health::Stale;
        for feed in about(true).filter(|feed| !hangs(feed)).chain(about(true).filter(hangs)) {
            self.ages_bad |= push_age(&mut self.ages, feed, cx);
        }
        self.ages_short.push_str(&self.ages);
        about(false).for_each(|feed| {
            push_age(&mut self.ages, feed, cx);
        });
        let (good, oldest) =
            about(false).fold((0, None), |(count, oldest), feed| (count + 1, oldest.max(feed.age(cx.now))));
        if let (1.., Some(oldest)) = (good, oldest) {
            let gap = if self.ages_short.is_empty() { "" } else { " · " };
            let _ = write!(self.ages_short, "{gap}{good} ok ");
            figure::coarse_age(&mut self.ages_short, oldest);
        }
    }

    /// What is wrong with the sources, with what to do about it. Never an empty table without a word.
    fn explain(&mut self, width: usize, cx: &Cx<'_>) {
        self.notes.clear();
        let bare = self.entries.is_empty();
        let mut lines = Vec::new();
        for feed in asked::<T>(cx) {
            let age = figure::text(|out| figure::coarse_age(out, feed.age(cx.now).unwrap_or_default()));
            lines.clear();
            let role = match (feed.health(cx.now), &feed.error) {
                (Health::Failed, Some((since, error))) => {
                    let failing = figure::text(|out| figure::coarse_age(out, cx.now.since(*since)));
                    let last = if feed.good.is_some() { format!(", last good {age} ago") } else { String::new() };
                    wrap::lines(
                        &mut lines,
                        &format!("▲ {}: {} (failing for {failing}{last})", feed.id, error.what),
                        width,
                        2,
                    );
                    wrap::lines(&mut lines, &format!("  → {}", error.hint), width, 4);
                    Role::SeverityCritical
                }
                (Health::Stale, _) => {
                    wrap::lines(
                        &mut lines,
                        &format!("! {}: no answer for {age}; what is shown is that old", feed.id),
                        width,
                        2,
                    );
                    Role::SeverityWarning
                }
                (Health::Waiting, _) => {
                    wrap::lines(&mut lines, &format!("· {}: asked, waiting for the first answer", feed.id), width, 2);
                    Role::Muted
                }
                (Health::Fresh | Health::Failed, _) => continue,
            };
            self.notes.extend(lines.drain(..).map(|line| (role, line)));
        }
        if bare {
            // With nothing beside them, their last cell is free.
            self.empty(width + 1, cx);
        }
    }

    /// What stands above the rows. At most a third of the height, but the first line always; where there is not room for all
    /// of it, the first line of each.
    fn notice(&mut self, inside: Rect, cx: &Cx<'_>) {
        self.notices.clear();
        let mut told = Vec::new();
        if let Some(problem) = self.filter.problem() {
            told.push((Severity::Info, format!("a part of the filter counts for nothing: {problem}")));
        }
        T::notices(cx, &mut told);
        let most = usize::from(inside.height / 3).max(1);
        let width = usize::from(inside.width.saturating_sub(1));
        let wrapped: Vec<(Role, Vec<String>)> =
            told.into_iter().map(|(severity, text)| notice(severity, &text, width)).collect();
        let brief = wrapped.iter().map(|(_, lines)| lines.len()).sum::<usize>() > most;
        for (role, mut lines) in wrapped {
            if brief && lines.len() > 1 {
                lines.truncate(1);
                lines[0].push_str(" …");
            }
            self.notices.extend(lines.into_iter().map(|line| (role, line)));
        }
        let left = self.notices.len().saturating_sub(most);
        self.notices.truncate(most);
        if let Some((_, last)) = self.notices.last_mut().filter(|_| left > 0 && most > 1) {
            *last = format!("  … and {} more", left + 1);
        }
    }

    fn empty(&mut self, width: usize, cx: &Cx<'_>) {
        let mut notes = Vec::new();
        if cx.store.about(T::SUBJECT).next().is_none() {
            let subject = T::SUBJECT.word();
            notes.push(format!("no source is configured for {subject}; `quarterdeck config example` shows how"));
        } else if !self.filter.is_empty() && self.counts.total() > 0 {
            let total = self.counts.total();
            notes.push(format!("none of {total} passes the filter /{} (Esc clears it)", self.filter_text));
        } else if asked::<T>(cx).all(|feed| feed.good.is_some() && T::lacks(feed)) {
            notes.push(T::NOBODY.to_owned());
        } else if sure::<T>(cx) {
            notes.push(T::NONE.to_owned());
        } else if asked::<T>(cx).any(|feed| feed.good.is_some()) {
            notes.push(T::UNSURE.to_owned());
            notes.extend(asked::<T>(cx).filter_map(|feed| Some(format!("  {}: {}", feed.id, doubt::<T>(feed, cx)?))));
        }
        let mut lines = Vec::new();
        for note in &notes {
            wrap::lines(&mut lines, note, width, 4);
        }
        self.notes.extend(lines.into_iter().map(|line| (Role::Muted, line)));
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
        let most = self.entries.len().saturating_sub(height);
        self.offset = self.offset.min(most).clamp(self.cursor.saturating_sub(self.page - 1), self.cursor);
        let mut window = std::mem::take(&mut self.window);
        let mut scratch = std::mem::take(&mut self.scratch);
        window.clear();
        for at in self.offset..(self.offset + height).min(self.entries.len()) {
            let Some(row) = self.row(at, cx) else { break };
            window.row(self.entries[at].severity, self.entries[at].stale);
            for slot in &self.slots {
                window.cell(&mut scratch, |out| T::cell(slot.column, row, out));
            }
        }
        (self.window, self.scratch) = (window, scratch);
    }

    /// Lines for notes: all of them when there is nothing else, else at most half of the height.
    fn notes_height(&self, height: u16) -> u16 {
        let wanted = self.notes.len() as u16;
        if self.entries.is_empty() { wanted.min(height) } else { wanted.min(height / 2) }
    }

    fn draw_frame(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let (border, title) = match (place.focused, cx.guarded) {
            (true, true) => (Role::BorderGuarded, Role::TitleFocused),
            (true, false) => (Role::BorderFocused, Role::TitleFocused),
            (false, _) => (Role::Border, Role::Title),
        };
        // A source in trouble is worth more than the end of the summary.
        let kept = if self.ages_bad { (self.ages_short.width() as u16 + 4).min(place.area.width / 2) } else { 0 };
        draw_frame(place, buf, (cx.style(border), cx.style(title)), &self.title, kept);
        let ages = cx.style(if self.ages_bad { Role::SeverityCritical } else { Role::Faint });
        let room = place.area.width.saturating_sub(self.title.width().min(200) as u16 + 8).max(kept.saturating_sub(4));
        let right = (place.area.right().saturating_sub(2), place.area.y);
        let mut x = right.0;
        if room > 6 && !self.ages.is_empty() {
            let fits = self.ages.width() <= usize::from(room);
            x = canvas::put_right(buf, right, if fits { &self.ages } else { &self.ages_short }, room, ages);
            canvas::put(buf, (x - 1, right.1), " ", 1, ages);
            canvas::put(buf, right, " ", 1, ages);
        }
        if !self.filter.is_empty() || self.filter.problem().is_some() {
            let text = format_args!(" /{} ", self.filter_text).to_string();
            canvas::put_right(buf, (x.saturating_sub(2), place.area.y), &text, 24, cx.style(Role::Filter));
        }
    }
}

/// A frame (or a rule) with a title at its left, which leaves `kept` cells free at the right.
pub(super) fn draw_frame(
    place: Place,
    buf: &mut Buffer,
    (border, title): (ratatui::style::Style, ratatui::style::Style),
    text: &str,
    kept: u16,
) {
    if place.framed {
        canvas::frame(buf, place.area, border);
    } else {
        canvas::rule(buf, Rect { height: 1, ..place.area }, border);
    }
    let x = place.area.x + 1;
    let end = canvas::put(buf, (x + 1, place.area.y), text, place.area.width.saturating_sub(4 + kept), title);
    canvas::put(buf, (x, place.area.y), " ", 1, title);
    canvas::put(buf, (end, place.area.y), " ", 1, title);
}

impl<T: Tabular> Pane for DataPane<T> {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        if let Some(motion) = action.motion() {
            return self.go(motion.apply(self.cursor, self.page), cx);
        }
        if *action == Action::Sort {
            self.turn()
        } else if *action == Action::Reverse {
            self.reverse = !self.reverse;
            Flow::Done
        } else if *action == Action::Group && T::GROUPED_BY.is_some() {
            // Back from any other order it is the order by groups that was asked for.
            self.grouped = self.sort.is_some() || !self.grouped;
            (self.sort, self.reverse) = (None, false);
            Flow::Done
        } else if *action == Action::Back && !self.filter_text.is_empty() {
            self.set_filter("");
            Flow::Done
        } else {
            Flow::Pass
        }
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        self.headline(cx);
        let inside = at.inside();
        self.explain(usize::from(inside.width.saturating_sub(1)), cx);
        self.notice(inside, cx);
        let inside = below(inside, self.notices.len());
        place(T::COLUMNS, |column| T::shows(column, cx), inside.width, &mut self.slots);
        self.title_columns(cx);
        let headings = u16::from(shows_headings(inside));
        let height = inside.height.saturating_sub(self.notes_height(inside.height) + headings);
        self.fill(usize::from(height), cx);
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        self.draw_frame(place, buf, cx);
        let inside = place.inside();
        for (index, (role, line)) in self.notices.iter().enumerate() {
            canvas::put(buf, (inside.x, inside.y + index as u16), line, inside.width, cx.style(*role));
        }
        let inside = below(inside, self.notices.len());
        let notes = self.notes_height(inside.height);
        let table = Rect { height: inside.height.saturating_sub(notes), ..inside };
        let look = Look {
            columns: T::COLUMNS,
            titles: &self.titles,
            slots: &self.slots,
            sorted: self.sort.map(|column| (column, self.reverse)),
            selected: (!self.entries.is_empty()
                && self.selected.as_ref().is_some_and(|s| s.presence == Presence::Here))
            .then(|| self.cursor.saturating_sub(self.offset)),
            focused: place.focused,
            headings: shows_headings(inside) && !self.entries.is_empty(),
        };
        self.window.draw(table, buf, cx.theme, &look);
        let top = if self.entries.is_empty() { inside.y } else { table.bottom() };
        for (index, (role, line)) in self.notes.iter().take(usize::from(notes)).enumerate() {
            canvas::put(buf, (inside.x, top + index as u16), line, inside.width, cx.style(*role));
        }
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.entries.len()
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
        self.moved = true;
        self.selected = Some(selected);
        self.sorted_for = None;
    }

    fn details(&self, cx: &Cx<'_>) -> Option<Details> {
        let selected = self.selected.as_ref().filter(|selected| selected.presence == Presence::Here)?;
        let row = self.row(self.cursor, cx)?;
        let mut sections = T::details(row);
        sections.extend(links::of(&selected.id, cx));
        Some(Details { title: selected.name.clone(), stale: stale(row.feed, cx.now), sections })
    }

    fn filter(&self) -> &str {
        &self.filter_text
    }

    fn filter_hint(&self) -> &str {
        match self.filter.problem() {
            Some(problem) => problem,
            None if T::LABELLED => "words, !not, label=x label=~\"a|b\"",
            None => "words, !not",
        }
    }

    fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter_text);
        self.filter = Filter::parse(text, T::LABELLED);
    }
}

/// What to know of a page whose source answers no more: since when, and why.
fn stale(feed: &Feed, now: Now) -> Option<String> {
    let age = figure::text(|out| figure::coarse_age(out, feed.age(now).unwrap_or_default()));
    match (feed.health(now), &feed.error) {
        (Health::Failed, Some((_, error))) => {
            Some(format!("{}: {}; this is what was known {age} ago → {}", feed.id, error.what, error.hint))
        }
        (Health::Stale, _) => Some(format!("{}: no answer for {age}; this is that old", feed.id)),
        (Health::Failed | Health::Fresh | Health::Waiting, _) => None,
    }
}

/// Appends a source's name and age; true when it is in trouble.
fn push_age(out: &mut String, feed: &Feed, cx: &Cx<'_>) -> bool {
    if !out.is_empty() {
        out.push_str(" · ");
    }
    feeds::label(feed, cx.store, out);
    out.push(' ');
    feeds::age(feed, cx.now, out)
}

/// The feeds that are asked for the rows of a table.
fn asked<'a, T: Tabular>(cx: &'a Cx<'_>) -> impl Iterator<Item = &'a Feed> {
    cx.store.feeds().iter().filter(|feed| is_for::<T>(feed))
}

/// What is not seen is not there: every source that is asked is fresh, and sees all of them.
pub fn sure<T: Tabular>(cx: &Cx<'_>) -> bool {
    asked::<T>(cx).all(|feed| doubt::<T>(feed, cx).is_none())
}

/// Why what a feed does not tell may be there all the same.
fn doubt<T: Tabular>(feed: &Feed, cx: &Cx<'_>) -> Option<String> {
    let age = || figure::text(|out| figure::coarse_age(out, feed.age(cx.now).unwrap_or_default()));
    let late = match feed.health(cx.now) {
        Health::Waiting => return Some("it has not answered yet".to_owned()),
        Health::Failed if feed.good.is_none() => return Some("it has never answered".to_owned()),
        Health::Failed | Health::Stale => Some(format!("none was seen when it last answered, {} ago", age())),
        Health::Fresh => None,
    };
    let lacks = T::lacks(feed).then_some("it does not tell them");
    let reasons: Vec<String> = late.into_iter().chain(T::blind(feed).or(lacks).map(str::to_owned)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// For how long the longest silent of the feeds that answered before does not any more.
fn overdue<T: Tabular>(cx: &Cx<'_>) -> Option<std::time::Duration> {
    asked::<T>(cx).filter(|feed| untrusted(feed, cx.now)).filter_map(|feed| feed.age(cx.now)).max()
}

fn is_for<T: Tabular>(feed: &Feed) -> bool {
    feed.subject == T::SUBJECT && T::concerns(feed)
}

fn notice(severity: Severity, text: &str, width: usize) -> (Role, Vec<String>) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &format!("{} {text}", severity.symbol()), width, 2);
    (severity.into(), lines)
}

/// What is left of an area under so many lines.
fn below(area: Rect, lines: usize) -> Rect {
    let lines = (lines as u16).min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

/// Its rows may not be so any more.
fn untrusted(feed: &Feed, now: Now) -> bool {
    matches!(feed.health(now), Health::Stale | Health::Failed)
}

fn shows_headings(inside: Rect) -> bool {
    inside.height > 3
}

/// Order of two figures that may be missing: missing ones first (smallest).
pub fn figures(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
    }
}

/// A figure's text, or a dash when it is not known; its role by a severity.
pub fn figure_cell<V>(
    out: &mut String,
    value: Option<V>,
    severity: Severity,
    write: impl FnOnce(&mut String, V),
) -> Role {
    match value {
        Some(value) => {
            write(out, value);
            if severity >= Severity::Warning { severity.into() } else { Role::Text }
        }
        None => {
            out.push('—');
            Role::Faint
        }
    }
}

/// Appends `engine/` where several sources report on the subject.
pub fn prefix<I>(row: Row<'_, I>, subject: Subject, out: &mut String) {
    if row.cx.many(subject) {
        out.push_str(row.feed.id.name());
        out.push('/');
    }
}
