//! Which rows there are, and in what order: the filter, the sort, the groups. The cursor is the pane's.

use super::trust::{is_for, untrusted};
use super::unlike::unlike;
use super::{Counts, Row, Tabular};
use crate::cx::Cx;
use crate::domain::Severity;
use crate::panes::grouping::{self, Rank};
use crate::widgets::filter::Filter;
use crate::widgets::typed::{self, Comparison, Told};
use std::borrow::Cow;
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
    pub entries: Vec<Entry>,
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
    pub fields: Vec<(Cow<'static, str>, usize)>,
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

impl<T: Tabular> Default for Rows<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            counts: Counts::default(),
            sort: None,
            grouped: false,
            reverse: false,
            filter_text: String::new(),
            filter: Filter::default(),
            unlike: None,
            fields: typed::fields(T::COLUMNS, T::SYNONYMS),
            scratch: String::new(),
            sorted_for: None,
            kind: PhantomData,
        }
    }
}

impl<T: Tabular> Rows<T> {
    /// Brings the rows in order, if anything that the order depends on changed; then whether the filter did.
    pub fn arrange(&mut self, cx: &Cx<'_>) -> Option<bool> {
        let key = SortKey {
            revision: cx.store.revision(T::SUBJECT),
            health: cx.store.health_key(T::SUBJECT, cx.now),
            sort: self.sort,
            grouped: self.grouped,
            reverse: self.reverse,
            filter: self.filter.clone(),
        };
        if self.sorted_for.as_ref() == Some(&key) {
            return None;
        }
        let refiltered = self.sorted_for.as_ref().is_some_and(|before| before.filter != key.filter);
        self.collect(cx);
        let none_passes = self.entries.is_empty() && self.counts.total() > 0;
        self.unlike = if none_passes { unlike::<T>(&self.filter, cx) } else { None };
        self.order(cx);
        self.sorted_for = Some(key);
        Some(refiltered)
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
        let scratch = &mut self.scratch;
        if !self.filter.comparisons().iter().all(|comparison| compares::<T>(comparison, row, scratch)) {
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

    /// The row at a place of the order.
    pub fn row<'a>(&self, at: usize, cx: &'a Cx<'a>) -> Option<Row<'a, T::Item>> {
        let entry = self.entries.get(at)?;
        let feed = cx.store.feeds().get(usize::from(entry.feed))?;
        Some(Row { item: T::items(cx.store, feed).get(entry.item as usize)?, feed, cx })
    }
}

/// Whether a comparison holds for a row. Figures are asked of the table, or read from the cell; texts are what the cell says.
fn compares<T: Tabular>(comparison: &Comparison, row: Row<'_, T::Item>, scratch: &mut String) -> bool {
    let told = if comparison.is_about_figure() { T::told(comparison.column, row) } else { Told::Written };
    if let Told::Figure(figure) = told {
        return comparison.holds_for_figure(figure);
    }
    shown_in::<T>(comparison.column, row, scratch);
    comparison.holds_for_cell(scratch)
}

/// What a cell says, written over `out`.
pub(super) fn shown_in<T: Tabular>(column: usize, row: Row<'_, T::Item>, out: &mut String) {
    out.clear();
    T::cell(column, row, out);
}
