//! What menus may do to the table of runbooks.

use super::cells::{COLUMNS, SYNONYMS, cell};
use super::{Entry, RunbooksPane};
use crate::cx::Cx;
use crate::domain::view::TableView;
use crate::domain::{ThingId, text};
use crate::panes::hands::{ColumnChange, ColumnState, Extent, Hands, Marking, Sight, Spot};
use crate::panes::sheet::{Sheet, SheetRow};
use crate::panes::table::by_hand;
use crate::panes::{Place, Presence};
use ratatui::layout::Position;
use serde_json::Value;

impl Hands for RunbooksPane {
    fn columns(&self, _: &Cx<'_>) -> Vec<ColumnState> {
        let state = |column: &usize| ColumnState {
            column: *column,
            title: COLUMNS[*column].title.to_owned(),
            sight: self.sight(*column),
            sorted: self.sorted().filter(|(by, _)| by == column).map(|(_, falling)| falling),
        };
        self.columns.order().iter().map(state).collect()
    }

    fn own_order(&self) -> &'static str {
        "what fits best, then what can be run here"
    }

    fn sort_by(&mut self, column: Option<usize>) {
        self.reverse = by_hand::turned(COLUMNS, (self.sort, self.reverse), column);
        self.sort = column;
    }

    fn sorted(&self) -> Option<(usize, bool)> {
        self.sort.map(|column| (column, self.reverse))
    }

    fn begin_with(&self, letter: char) -> Vec<usize> {
        by_hand::begin_with(self.filter.fields(), letter)
    }

    fn change_columns(&mut self, change: ColumnChange) {
        self.columns.change(change);
    }

    fn mark(&mut self, marking: Marking, _: &Cx<'_>) {
        match marking {
            Marking::Toggle => {
                let here = self.selected.as_ref().filter(|selected| selected.presence == Presence::Here);
                if let Some(id) = here.map(|selected| selected.id.clone()) {
                    self.marks.toggle(id);
                }
            }
            Marking::Invert => self.entries.iter().for_each(|entry| self.marks.toggle(entry.id())),
            Marking::Clear => self.marks.clear(),
        }
        self.count_marks();
    }

    fn fields(&self) -> Vec<(String, Vec<String>)> {
        by_hand::fields(self.filter.fields(), SYNONYMS.len())
    }

    fn shown(&self) -> usize {
        self.entries.len()
    }

    fn marked(&self) -> usize {
        self.marks.len()
    }

    /// A runbook has no log, and no other list of things is made of marks here.
    fn marked_things(&self, _: &Cx<'_>) -> Vec<ThingId> {
        Vec::new()
    }

    fn sheet(&self, extent: Extent, cx: &Cx<'_>) -> Sheet {
        let columns: Vec<usize> =
            self.columns.order().iter().copied().filter(|column| self.columns.wants(*column)).collect();
        let row = |entry: &Entry| SheetRow {
            severity: entry.severity(super::today(cx)),
            cells: columns.iter().map(|column| written(*column, entry, cx)).collect(),
            fields: fields(entry, cx),
        };
        let rows = match extent {
            Extent::Row => self.entry().into_iter().map(row).collect(),
            Extent::Marked => self.entries.iter().filter(|entry| self.marks.has(|| entry.id())).map(row).collect(),
            Extent::All => self.entries.iter().map(row).collect(),
        };
        let headings = columns.iter().map(|column| COLUMNS[*column].title.to_owned()).collect();
        let right = columns.iter().map(|column| COLUMNS[*column].right).collect();
        Sheet { title: self.title.clone(), headings, right, rows }
    }

    fn view(&self) -> TableView {
        by_hand::view(COLUMNS, (self.sort, self.reverse, false), &self.columns)
    }

    fn set_view(&mut self, view: &TableView) -> Vec<String> {
        (self.sort, self.reverse) = (by_hand::sort_of(COLUMNS, view), view.reverse);
        by_hand::set_columns(COLUMNS, &mut self.columns, view)
    }

    fn spot(&self, place: Place, at: Position) -> Spot {
        let rows = (self.cursor.first(), self.entries.len());
        by_hand::spot((place.inside(), true), &self.slots, rows, at)
    }

    fn go_to(&mut self, row: usize, _: &Cx<'_>) {
        self.cursor.go(row, self.entries.len());
        self.take();
    }

    fn cells(&self, cx: &Cx<'_>) -> Vec<(String, String)> {
        let Some(entry) = self.entry() else { return Vec::new() };
        let told = |column: &usize| (COLUMNS[*column].title.to_owned(), written(*column, entry, cx));
        self.columns.order().iter().map(told).collect()
    }
}

impl RunbooksPane {
    fn sight(&self, column: usize) -> Sight {
        if !self.columns.wants(column) {
            Sight::Hidden
        } else if self.slots.iter().any(|slot| slot.column == column) {
            Sight::Shown
        } else {
            Sight::NoRoom
        }
    }
}

/// A cell's whole text, harmless.
fn written(column: usize, entry: &Entry, cx: &Cx<'_>) -> String {
    let mut out = String::new();
    cell(column, entry, cx, &mut out);
    text::clean(&out).into_owned()
}

/// Its cells by their headings, with its id.
fn fields(entry: &Entry, cx: &Cx<'_>) -> Value {
    let id = ("id".to_owned(), Value::from(entry.id.as_str()));
    let cell = |column: usize| (COLUMNS[column].title.to_lowercase(), written(column, entry, cx).into());
    Value::Object(std::iter::once(id).chain((0..COLUMNS.len()).map(cell)).collect())
}
