//! What menus do to every table alike, whoever has its rows: pure, of columns and names alone.

use super::columns::Columns;
use crate::domain::view::TableView;
use crate::panes::hands::Spot;
use crate::widgets::grid::{Column, Slot};
use crate::widgets::typed::Field;
use ratatui::layout::{Position, Rect};

/// Names of a filter's fields: the headings, then the other names.
type Fields = [Field];

/// The direction of an order by `column`, from the one in force: the same column again turns it around, figures begin with the largest.
pub(in crate::panes) fn turned(
    columns: &[Column],
    (sort, reverse): (Option<usize>, bool),
    column: Option<usize>,
) -> bool {
    match column {
        Some(column) if sort == Some(column) => !reverse,
        column => column.is_some_and(|column| columns[column].right),
    }
}

/// The columns of which a name begins so, each once.
pub(in crate::panes) fn begin_with(fields: &Fields, letter: char) -> Vec<usize> {
    let mut columns = Vec::new();
    for field in fields.iter().filter(|field| field.name.starts_with(letter)) {
        if !columns.contains(&field.column) {
            columns.push(field.column);
        }
    }
    columns
}

/// What a filter may compare, each with its other names, of which there are so many in all.
pub(in crate::panes) fn fields(fields: &Fields, synonyms: usize) -> Vec<(String, Vec<String>)> {
    let (headings, others) = fields.split_at(fields.len() - synonyms);
    let named = |column: usize| others.iter().filter(move |other| other.column == column);
    let names = |column: usize| named(column).map(|field| field.name.to_string()).collect();
    headings.iter().map(|field| (field.name.to_string(), names(field.column))).collect()
}

/// A table as a view keeps it: by its headings, without its filter.
pub(in crate::panes) fn view(
    columns: &[Column],
    (sort, reverse, grouped): (Option<usize>, bool, bool),
    chosen: &Columns,
) -> TableView {
    let heading = |column: usize| columns[column].title.to_owned();
    TableView {
        filter: String::new(),
        sort: sort.map(heading),
        reverse,
        grouped,
        columns: chosen.chosen().into_iter().map(heading).collect(),
    }
}

fn called(columns: &[Column], heading: &str) -> Option<usize> {
    columns.iter().position(|column| column.title.eq_ignore_ascii_case(heading))
}

/// The column that a view sorts by.
pub(in crate::panes) fn sort_of(columns: &[Column], view: &TableView) -> Option<usize> {
    view.sort.as_ref().and_then(|heading| called(columns, heading))
}

/// Shows the columns of a view. Returns those that it names and nobody has, the one that sorts among them.
pub(in crate::panes) fn set_columns(columns: &[Column], chosen: &mut Columns, view: &TableView) -> Vec<String> {
    let shown: Vec<usize> = view.columns.iter().filter_map(|heading| called(columns, heading)).collect();
    chosen.choose(&shown);
    let named = view.sort.iter().chain(&view.columns);
    named.filter(|heading| called(columns, heading).is_none()).cloned().collect()
}

/// What stands at a cell of the screen: `table` with whether headings are its first line, `rows` from the first that is seen, and how many
/// there are in all.
pub(in crate::panes) fn spot(
    (table, headings): (Rect, bool),
    slots: &[Slot],
    (first, rows): (usize, usize),
    at: Position,
) -> Spot {
    if !table.contains(at) {
        return Spot::Nothing;
    }
    let line = usize::from(at.y - table.y);
    if headings && line == 0 {
        // The gap before a column belongs to it: a narrow one is hard to hit.
        let slot = slots.iter().find(|slot| at.x - table.x < slot.x + slot.width.min(table.width) + 1);
        return slot.map_or(Spot::Nothing, |slot| Spot::Heading(slot.column));
    }
    let row = first + line - usize::from(headings);
    if row < rows { Spot::Row(row) } else { Spot::Nothing }
}
