//! What menus may do to a table.

use super::{DataPane, Tabular};
use crate::cx::Cx;
use crate::domain::text;
use crate::panes::hands::{ColumnChange, ColumnState, Hands, Sight};

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
        self.rows.reverse = match column {
            Some(column) if self.rows.sort == Some(column) => !self.rows.reverse,
            column => column.is_some_and(|column| T::COLUMNS[column].right),
        };
        self.rows.sort = column;
    }

    fn sorted(&self) -> Option<(usize, bool)> {
        self.rows.sort.map(|column| (column, self.rows.reverse))
    }

    fn change_columns(&mut self, change: ColumnChange) {
        self.columns.change(change);
    }
}

impl<T: Tabular> DataPane<T> {
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
