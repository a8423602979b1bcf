//! A filter that leaves nothing, because no row says what it asks of a column: that is said, with what is near.

use super::rows::shown_in;
use super::trust::asked;
use super::{Row, Tabular};
use crate::cx::Cx;
use crate::domain::{nearest, text};
use crate::widgets::filter::Filter;
use crate::widgets::typed::Comparison;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Different words of a column that are looked at for a near one.
const WORDS: usize = 2000;
/// What a column says is listed where it says no more different things than this.
const LISTED: usize = 5;
/// Of a word that no row has, a beginning of so many bytes is looked for.
const BEGUN: usize = 2;

/// The first comparison of the filter that no row holds for by itself, in words.
pub(super) fn unlike<T: Tabular>(filter: &Filter, cx: &Cx<'_>) -> Option<String> {
    filter.comparisons().iter().find_map(|comparison| unlike_column::<T>(comparison, cx))
}

/// The first word of the filter that none of the rows' texts (in lower case, one behind the other) has, with the beginning of it that
/// some have.
pub(super) fn unlike_word(filter: &Filter, all: &str, rows: impl Fn(&Finder<'_>) -> usize) -> Option<String> {
    let missing = |(wanted, word): &(bool, Cow<'_, str>)| *wanted && !all.contains(&**word);
    let (_, word) = filter.words().find(missing)?;
    let told = format!("no row has \"{word}\"");
    let ends = word.char_indices().map(|(at, _)| at).rev().take_while(|at| *at >= BEGUN);
    let begun = ends.map(|at| &word[..at]).find(|begun| all.contains(*begun));
    Some(match begun.map(|begun| (begun, rows(&Finder::new(begun)))) {
        Some((begun, 1)) => format!("{told}; one has \"{begun}\""),
        Some((begun, count @ 2..)) => format!("{told}; {count} have \"{begun}\""),
        Some((_, 0)) | None => told,
    })
}

/// What the rows say of a column.
#[derive(Default)]
struct Said {
    /// Whole.
    cells: BTreeSet<String>,
    words: BTreeSet<String>,
    /// Rows in which it begins with what is asked for.
    begin: usize,
}

fn unlike_column<T: Tabular>(comparison: &Comparison, cx: &Cx<'_>) -> Option<String> {
    let wanted = comparison.wanted_texts()?;
    let mut said = Said::default();
    let mut cell = String::new();
    let rows = |feed| T::items(cx.store, feed).iter().map(move |item| Row { item, feed, cx });
    for row in asked::<T>(cx).flat_map(rows) {
        shown_in::<T>(comparison.column, row, &mut cell);
        if comparison.holds_for_cell(&mut cell) {
            return None;
        }
        let text = text::clean(cell.trim()).to_lowercase();
        said.begin += usize::from(comparison.begins_in(&text));
        if said.words.len() < WORDS {
            said.words.extend(text.split(|char: char| !char.is_alphanumeric()).map(str::to_owned));
            said.cells.insert(text);
        }
    }
    let title = T::COLUMNS[comparison.column].title;
    Some(told(title, comparison.is_exact(), wanted, &said))
}

/// In words, with what is near.
fn told(title: &str, is_exact: bool, wanted: &[String], said: &Said) -> String {
    let like = if is_exact { "is" } else { "is like" };
    let asked = wanted.join("|");
    let told = format!("no {title} {like} \"{asked}\"");
    if is_exact && said.begin > 0 {
        let field = title.to_lowercase();
        let begin = if said.begin == 1 { "one begins".to_owned() } else { format!("{} begin", said.begin) };
        return format!("{told}; {begin} so: {field}:{asked}");
    }
    // A text of several words is compared with whole ones: a word alone is not what was meant.
    let several = |text: &str| text.contains(|char: char| !char.is_alphanumeric());
    let near = wanted.iter().find_map(|asked| {
        let known = if is_exact || several(asked) { &said.cells } else { &said.words };
        nearest(asked, known.iter().map(String::as_str))
    });
    match near {
        Some(near) => format!("{told}: did you mean {near}?"),
        None if said.cells.len() <= LISTED => {
            format!("{told}: there is {}", said.cells.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        None => told,
    }
}
