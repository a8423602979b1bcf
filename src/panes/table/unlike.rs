//! A filter that leaves nothing, because no row says what it asks of a column: that is said, with what is near.

use super::rows::shown_in;
use super::trust::asked;
use super::{Row, Tabular};
use crate::cx::Cx;
use crate::domain::{nearest, text};
use crate::widgets::filter::Filter;
use crate::widgets::typed::Comparison;
use std::collections::BTreeSet;

/// Different words of a column that are looked at for a near one.
const WORDS: usize = 2000;
/// What a column says is listed where it says no more different things than this.
const LISTED: usize = 5;

/// The first term of the filter that no row holds for by itself, in words.
pub(super) fn unlike<T: Tabular>(filter: &Filter, cx: &Cx<'_>) -> Option<String> {
    filter.comparisons().iter().find_map(|comparison| unlike_column::<T>(comparison, cx))
}

fn unlike_column<T: Tabular>(comparison: &Comparison, cx: &Cx<'_>) -> Option<String> {
    let wanted = comparison.wanted_texts()?;
    let (mut cells, mut words) = (BTreeSet::new(), BTreeSet::new());
    let mut cell = String::new();
    let rows = |feed| T::items(cx.store, feed).iter().map(move |item| Row { item, feed, cx });
    for row in asked::<T>(cx).flat_map(rows) {
        shown_in::<T>(comparison.column, row, &mut cell);
        if comparison.holds_for_cell(&mut cell) {
            return None;
        }
        if words.len() < WORDS {
            let said = text::clean(cell.trim()).to_lowercase();
            words.extend(said.split(|char: char| !char.is_alphanumeric()).map(str::to_owned));
            cells.insert(said);
        }
    }
    let title = T::COLUMNS[comparison.column].title;
    let told = format!("no {title} is like \"{}\"", wanted.join("|"));
    let near = wanted.iter().find_map(|asked| nearest(asked, words.iter().map(String::as_str)));
    Some(match near {
        Some(near) => format!("{told}: did you mean {near}?"),
        None if cells.len() <= LISTED => format!("{told}: there is {}", Vec::from_iter(cells).join(", ")),
        None => told,
    })
}
