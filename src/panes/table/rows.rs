//! Which rows there are, and in what order: the filter, the sort, the groups. The cursor is the pane's.

use super::trust::{is_for, untrusted};
use super::unlike::{unlike, unlike_word};
use super::{Counts, Row, Tabular};
use crate::cx::Cx;
use crate::domain::{Severity, ThingId};
use crate::panes::grouping::{self, Rank};
use crate::widgets::filter::Filter;
use crate::widgets::typed::{self, Comparison, Field, Told};
use memchr::memmem::Finder;
use std::marker::PhantomData;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    feed: u16,
    item: u32,
    pub severity: Severity,
    pub stale: bool,
    /// Of its group, while the order is by groups.
    rank: Rank,
}

/// The rows of a table, in order.
pub(super) struct Rows<T: Tabular> {
    /// Those that pass the filter.
    pub entries: Vec<Entry>,
    /// All of them, in the same order, so that another filter needs no other sort.
    all: Vec<Entry>,
    pub counts: Counts,
    /// The column that the operator ordered by.
    pub sort: Option<usize>,
    pub grouped: bool,
    pub reverse: bool,
    pub filter_text: String,
    pub filter: Filter,
    /// The filter leaves nothing because of this term, in words.
    pub unlike: Option<String>,
    /// What a filter may compare: the columns by their headings, then by their other names.
    pub fields: Vec<Field>,
    texts: Texts,
    scratch: String,
    sorted_for: Option<SortKey>,
    filtered_for: Filter,
    kind: PhantomData<fn() -> T>,
}

/// What the order depends on: when none of it changed, the rows stand as they stood.
#[derive(Clone, Copy, PartialEq)]
struct SortKey {
    revision: u64,
    health: u64,
    sort: Option<usize>,
    grouped: bool,
    reverse: bool,
}

/// What has changed with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// What the sources tell, or the order.
    pub order: bool,
    /// The filter.
    pub filter: bool,
}

impl<T: Tabular> Default for Rows<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            all: Vec::new(),
            counts: Counts::default(),
            sort: None,
            grouped: false,
            reverse: false,
            filter_text: String::new(),
            filter: Filter::default(),
            unlike: None,
            fields: typed::fields(T::COLUMNS, T::SYNONYMS),
            texts: Texts::default(),
            scratch: String::new(),
            sorted_for: None,
            filtered_for: Filter::default(),
            kind: PhantomData,
        }
    }
}

impl<T: Tabular> Rows<T> {
    /// Brings the rows in order and filters them, as far as anything that they depend on changed; what did.
    pub fn arrange(&mut self, cx: &Cx<'_>) -> Option<Changed> {
        let key = SortKey {
            revision: cx.store.revision(T::SUBJECT),
            health: cx.store.health_key(T::SUBJECT, cx.now),
            sort: self.sort,
            grouped: self.grouped,
            reverse: self.reverse,
        };
        let before = self.sorted_for.replace(key);
        let filter = before.is_some() && self.filtered_for != self.filter;
        let changed = Changed { order: before != Some(key), filter };
        match before {
            Some(before) if before == key && !filter => return None,
            // In the order by groups it is the rows that pass that have an order.
            _ if self.grouping().is_some() => {
                self.collect(cx);
                self.select(false, cx);
                self.order(cx);
            }
            Some(before) if before == key => self.select(self.filter.narrows(&self.filtered_for), cx),
            Some(before) if SortKey { reverse: key.reverse, ..before } == key && !filter => {
                self.all.reverse();
                self.entries.reverse();
            }
            _ => {
                self.collect(cx);
                std::mem::swap(&mut self.all, &mut self.entries);
                self.order(cx);
                std::mem::swap(&mut self.all, &mut self.entries);
                self.select(false, cx);
            }
        }
        let none_passes = self.entries.is_empty() && self.counts.total() > 0;
        self.unlike = if none_passes { unlike::<T>(&self.filter, cx).or_else(|| self.unlike_word()) } else { None };
        self.filtered_for.clone_from(&self.filter);
        Some(changed)
    }

    fn unlike_word(&self) -> Option<String> {
        let has =
            |begun: &Finder<'_>| self.all.iter().filter(|e| begun.find(self.texts.of(e).as_bytes()).is_some()).count();
        unlike_word(&self.filter, &self.texts.text, has)
    }

    /// What the rows are grouped by just now.
    pub fn grouping(&self) -> Option<&'static str> {
        T::GROUPED_BY.filter(|_| self.grouped && self.sort.is_none())
    }

    /// The rows are to be brought in order again, though nothing that they depend on changed.
    pub fn forget(&mut self) {
        self.sorted_for = None;
    }

    /// Sets the filter.
    pub fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter_text);
        self.filter = Filter::parse(text, T::LABELLED, &self.fields);
    }

    /// All rows, in no order.
    fn collect(&mut self, cx: &Cx<'_>) {
        self.all.clear();
        self.counts = Counts::default();
        for (number, feed) in cx.store.feeds().iter().enumerate().filter(|(_, feed)| is_for::<T>(feed)) {
            let stale = untrusted(feed, cx.now);
            for (index, item) in T::items(cx.store, feed).iter().enumerate() {
                let severity = T::severity(Row { item, feed, cx });
                self.counts.by[severity as usize] += 1;
                let (feed, item) = (number as u16, index as u32);
                self.all.push(Entry { feed, item, severity, stale, rank: Rank::default() });
            }
        }
    }

    /// Those of all rows that pass the filter, in their order; only some of those that passed before when it `narrows`.
    fn select(&mut self, narrows: bool, cx: &Cx<'_>) {
        if !self.filter.has_words() {
            self.texts = Texts::default();
        } else if self.texts.revision != cx.store.revision(T::SUBJECT) || self.texts.is_empty() {
            self.texts.write::<T>(cx);
        }
        if !narrows {
            self.entries.clone_from(&self.all);
        }
        if !self.filter.is_empty() {
            let items = items::<T>(cx);
            let (filter, texts, scratch) = (&self.filter, &self.texts, &mut self.scratch);
            self.entries.retain(|entry| {
                (!filter.has_words() || filter.passes(texts.of(entry)))
                    && passes::<T>(filter, entry.row(&items, cx), scratch)
            });
        }
    }

    fn order(&mut self, cx: &Cx<'_>) {
        let (sort, reverse) = (self.sort, self.reverse);
        let items = items::<T>(cx);
        let row = |entry: &Entry| entry.row(&items, cx);
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

    /// Where the thing of this identity stands in the order.
    pub fn find(&self, id: &ThingId, cx: &Cx<'_>) -> Option<usize> {
        let items = items::<T>(cx);
        self.entries.iter().position(|entry| T::is(entry.row(&items, cx), id))
    }

    /// The row at a place of the order.
    pub fn row<'a>(&self, at: usize, cx: &'a Cx<'a>) -> Option<Row<'a, T::Item>> {
        let entry = self.entries.get(at)?;
        let feed = cx.store.feeds().get(usize::from(entry.feed))?;
        Some(Row { item: T::items(cx.store, feed).get(entry.item as usize)?, feed, cx })
    }
}

/// The rows' texts in lower case, one behind the other; kept while words are looked for, since each letter looks in all of them.
#[derive(Default)]
struct Texts {
    text: String,
    /// Where the text of each row ends, feed by feed.
    ends: Vec<usize>,
    /// By feed: the rows before its own.
    first: Vec<usize>,
    revision: u64,
}

impl Texts {
    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn write<T: Tabular>(&mut self, cx: &Cx<'_>) {
        self.text.clear();
        self.ends.clear();
        self.first.clear();
        self.revision = cx.store.revision(T::SUBJECT);
        for (feed, items) in cx.store.feeds().iter().zip(items::<T>(cx)) {
            self.first.push(self.ends.len());
            for item in items {
                let start = self.text.len();
                T::haystack(Row { item, feed, cx }, &mut self.text);
                if self.text[start..].is_ascii() {
                    self.text[start..].make_ascii_lowercase();
                } else {
                    let lower = self.text[start..].to_lowercase();
                    self.text.replace_range(start.., &lower);
                }
                self.ends.push(self.text.len());
            }
        }
    }

    fn of(&self, entry: &Entry) -> &str {
        let at = self.first[usize::from(entry.feed)] + entry.item as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }
}

/// What each feed tells, by its place; nothing of those that are not asked.
fn items<'a, T: Tabular>(cx: &'a Cx<'_>) -> Vec<&'a [T::Item]> {
    let of = |feed| if is_for::<T>(feed) { T::items(cx.store, feed) } else { &[] };
    cx.store.feeds().iter().map(of).collect()
}

impl Entry {
    fn row<'a, I>(&self, items: &[&'a [I]], cx: &'a Cx<'a>) -> Row<'a, I> {
        let feed = usize::from(self.feed);
        Row { item: &items[feed][self.item as usize], feed: &cx.store.feeds()[feed], cx }
    }
}

/// Whether all but the words of a filter holds for a row.
fn passes<T: Tabular>(filter: &Filter, row: Row<'_, T::Item>, scratch: &mut String) -> bool {
    let labels = filter.labels();
    (labels.is_empty() || T::has_labels(row, labels))
        && filter.comparisons().iter().all(|comparison| compares::<T>(comparison, row, scratch))
}

/// Whether a comparison holds for a row. Figures are asked of the table, or read from the cell; texts are what the cell says.
fn compares<T: Tabular>(comparison: &Comparison, row: Row<'_, T::Item>, scratch: &mut String) -> bool {
    let told = if comparison.is_about_figure() { T::told(comparison.column, row) } else { Told::Written };
    comparison.holds_for_told(told).unwrap_or_else(|| {
        shown_in::<T>(comparison.column, row, scratch);
        comparison.holds_for_cell(scratch)
    })
}

/// What a cell says, written over `out`.
pub(super) fn shown_in<T: Tabular>(column: usize, row: Row<'_, T::Item>, out: &mut String) {
    out.clear();
    T::cell(column, row, out);
}
