//! What all tables of things share. A pane's folder writes a [`Tabular`]; [`DataPane`] makes a pane of it.

pub(in crate::panes) mod by_hand;
mod columns;
mod frame;
mod hands;
mod marks;
mod notes;
mod pane;
mod rows;
mod trust;
mod unlike;

pub(in crate::panes) use columns::Columns;
pub(in crate::panes) use frame::draw_frame;
pub(in crate::panes) use marks::Marks;
pub use pane::DataPane;
pub use trust::sure;

use super::Section;
use super::grouping::Group;
use crate::cx::Cx;
use crate::domain::{Matchers, Severity, Subject, ThingId};
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::typed::Told;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::cmp::Ordering;

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
        let known = self.feed.good.as_ref().filter(|_| trust::untrusted(self.feed, self.cx.now));
        known.map_or(self.cx.now.wall, |(at, _)| at.wall)
    }
}

/// A table of things: what a pane's folder writes.
pub trait Tabular: Sized + Send + 'static {
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
    /// Other names for columns in a filter, beside their headings.
    const SYNONYMS: &'static [(&'static str, usize)] = &[];
    /// What a column tells a filter that compares; for every row of a table, so that it should not allocate.
    fn told(_column: usize, _row: Row<'_, Self::Item>) -> Told {
        Told::Written
    }
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
    /// Its fields, as a snapshot has them; where they are told by the table alone, its cells by their headings.
    fn fields(row: Row<'_, Self::Item>) -> Value {
        let cell =
            |column: usize| (Self::COLUMNS[column].title.to_lowercase(), hands::cell::<Self>(column, row).into());
        Value::Object((0..Self::COLUMNS.len()).filter(|column| Self::shows(*column, row.cx)).map(cell).collect())
    }
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

/// Order of two figures that may be missing: missing ones first (smallest).
pub fn figures(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
    }
}

/// Order of two shares as they are shown: what looks equal is ordered by name, so that rows do not change places with every sample.
pub fn shares(a: Option<f64>, b: Option<f64>) -> Ordering {
    figures(a.map(figure::shown_percent), b.map(figure::shown_percent))
}

/// The same of bytes, or bytes a second.
pub fn sizes(a: Option<f64>, b: Option<f64>) -> Ordering {
    let shown = |bytes: f64| figure::shown_bytes(bytes.max(0.0) as u64);
    figures(a.map(shown), b.map(shown))
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

/// A row's fields as a snapshot has them, with the source that tells of it.
pub fn fields<I>(row: Row<'_, I>, item: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(item).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("source".to_owned(), row.feed.id.as_str().into());
    }
    value
}

/// Appends words for a filter to find, a blank before each. Not by `write!`: with 50,000 rows that takes longer than all else.
pub fn push_words<'a>(out: &mut String, words: impl IntoIterator<Item = &'a str>) {
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
}

/// Appends `engine/` where several sources report on the subject.
pub fn prefix<I>(row: Row<'_, I>, subject: Subject, out: &mut String) {
    if row.cx.many(subject) {
        out.push_str(row.feed.id.name());
        out.push('/');
    }
}
