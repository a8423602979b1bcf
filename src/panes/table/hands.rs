//! What menus may do to a table.

use super::trust::asked;
use super::{DataPane, Row, Tabular, by_hand};
use crate::cx::Cx;
use crate::domain::view::TableView;
use crate::domain::{ThingId, text};
use crate::panes::hands::{ColumnChange, ColumnState, Extent, Hands, Marking, Sight, Spot};
use crate::panes::sheet::{Sheet, SheetRow};
use crate::panes::{Place, Presence};
use ratatui::layout::Position;
use std::collections::HashSet;

impl<T: Tabular> Hands for DataPane<T> {
    fn columns(&self, cx: &Cx<'_>) -> Vec<ColumnState> {
        let sorted = self.sorted();
        let state = |column: &usize| ColumnState {
            column: *column,
            title: title::<T>(*column, cx),
            sight: self.sight(*column, cx),
            sorted: sorted.filter(|(by, _)| by == column).map(|(_, falling)| falling),
        };
        self.columns.order().iter().map(state).collect()
    }

    fn own_order(&self) -> &'static str {
        if T::WORST_FIRST { "worst first" } else { "the pane's own order" }
    }

    fn sort_by(&mut self, column: Option<usize>) {
        self.rows.reverse = by_hand::turned(T::COLUMNS, (self.rows.sort, self.rows.reverse), column);
        self.rows.sort = column;
        self.look_elsewhere();
    }

    fn sorted(&self) -> Option<(usize, bool)> {
        self.rows.sort.map(|column| (column, self.rows.reverse))
    }

    fn begin_with(&self, letter: char) -> Vec<usize> {
        by_hand::begin_with(&self.rows.fields, letter)
    }

    fn change_columns(&mut self, change: ColumnChange) {
        self.columns.change(change);
    }

    fn mark(&mut self, marking: Marking, cx: &Cx<'_>) {
        match marking {
            Marking::Toggle => {
                let here = self.selected.as_ref().filter(|selected| selected.presence == Presence::Here);
                if let Some(id) = here.map(|selected| selected.id.clone()) {
                    self.marks.toggle(id);
                }
            }
            Marking::Invert => {
                let shown: Vec<_> = self.passing(cx).map(|row| T::id(row)).collect();
                for id in shown {
                    self.marks.toggle(id);
                }
            }
            Marking::Clear => self.marks.clear(),
        }
        self.keep_marks(cx);
    }

    fn fields(&self) -> Vec<(String, Vec<String>)> {
        by_hand::fields(&self.rows.fields, T::SYNONYMS.len())
    }

    fn shown(&self) -> usize {
        self.rows.entries.len()
    }

    fn marked(&self) -> usize {
        self.marks.len()
    }

    fn marked_things(&self, cx: &Cx<'_>) -> Vec<ThingId> {
        if self.marks.is_empty() {
            return Vec::new();
        }
        self.passing(cx).map(T::id).filter(|id| self.marks.has(|| id.clone())).collect()
    }

    fn sheet(&self, extent: Extent, cx: &Cx<'_>) -> Sheet {
        let columns: Vec<usize> =
            self.columns.order().iter().copied().filter(|column| self.wants(*column, cx)).collect();
        let rows: Vec<SheetRow> = match extent {
            Extent::Row => {
                self.rows.row(self.cursor, cx).into_iter().map(|row| sheet_row::<T>(row, &columns)).collect()
            }
            Extent::Marked => {
                let marked = self.passing(cx).filter(|row| self.marks.has(|| T::id(*row)));
                marked.map(|row| sheet_row::<T>(row, &columns)).collect()
            }
            Extent::All => self.passing(cx).map(|row| sheet_row::<T>(row, &columns)).collect(),
        };
        let headings = columns.iter().map(|column| title::<T>(*column, cx)).collect();
        let right = columns.iter().map(|column| T::COLUMNS[*column].right).collect();
        Sheet { title: self.notes.title.clone(), headings, right, rows }
    }

    fn view(&self) -> TableView {
        by_hand::view(T::COLUMNS, (self.rows.sort, self.rows.reverse, self.rows.grouped), &self.columns)
    }

    fn set_view(&mut self, view: &TableView) -> Vec<String> {
        self.rows.sort = by_hand::sort_of(T::COLUMNS, view);
        (self.rows.reverse, self.rows.grouped) = (view.reverse, view.grouped);
        self.look_elsewhere();
        by_hand::set_columns(T::COLUMNS, &mut self.columns, view)
    }

    fn spot(&self, place: Place, at: Position) -> Spot {
        by_hand::spot(self.table(place), &self.slots, (self.offset, self.rows.entries.len()), at)
    }

    fn go_to(&mut self, row: usize, cx: &Cx<'_>) {
        self.go(row, cx);
    }

    fn cells(&self, cx: &Cx<'_>) -> Vec<(String, String)> {
        let Some(row) = self.rows.row(self.cursor, cx) else { return Vec::new() };
        let speaks = self.columns.order().iter().filter(|column| T::shows(**column, cx));
        speaks.map(|column| (title::<T>(*column, cx), cell::<T>(*column, row))).collect()
    }
}

fn sheet_row<T: Tabular>(row: Row<'_, T::Item>, columns: &[usize]) -> SheetRow {
    let cells = columns.iter().map(|column| cell::<T>(*column, row)).collect();
    SheetRow { severity: T::severity(row), cells, fields: T::fields(row) }
}

/// A cell's whole text, harmless.
pub(super) fn cell<T: Tabular>(column: usize, row: Row<'_, T::Item>) -> String {
    let mut text = String::new();
    T::cell(column, row, &mut text);
    text::clean(&text).into_owned()
}

impl<T: Tabular> DataPane<T> {
    /// The rows that pass the filter, in order.
    fn passing<'a>(&'a self, cx: &'a Cx<'a>) -> impl Iterator<Item = Row<'a, T::Item>> {
        (0..self.rows.entries.len()).filter_map(move |at| self.rows.row(at, cx))
    }

    /// Marks go with their things; counts those that pass the filter.
    pub(super) fn keep_marks(&mut self, cx: &Cx<'_>) {
        if self.marks.is_empty() {
            return self.marks.clear();
        }
        let rows = |feed| T::items(cx.store, feed).iter().map(move |item| Row { item, feed, cx });
        let known: HashSet<ThingId> = asked::<T>(cx).flat_map(rows).map(T::id).collect();
        self.marks.keep(&known);
        self.marks.shown = self.passing(cx).filter(|row| self.marks.has(|| T::id(*row))).count();
    }

    /// The operator wants to see it, and it has something to say.
    pub(super) fn wants(&self, column: usize, cx: &Cx<'_>) -> bool {
        self.columns.wants(column) && T::shows(column, cx)
    }

    fn sight(&self, column: usize, cx: &Cx<'_>) -> Sight {
        if !self.columns.wants(column) {
            Sight::Hidden
        } else if !T::shows(column, cx) {
            Sight::Silent
        } else if self.slots.iter().any(|slot| slot.column == column) {
            Sight::Shown
        } else {
            Sight::NoRoom
        }
    }
}

/// A column's heading: its own, or what the data tell.
pub(super) fn title<T: Tabular>(column: usize, cx: &Cx<'_>) -> String {
    let told = T::heading(column, cx).map(|heading| text::clean(heading).to_uppercase());
    told.unwrap_or_else(|| T::COLUMNS[column].title.to_owned())
}
