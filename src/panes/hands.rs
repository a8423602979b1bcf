//! What can be done to a table by hand, whatever it is a table of: order, columns. The app opens the menus, the table does what
//! was chosen.

use super::Place;
use super::sheet::Sheet;
use crate::cx::Cx;
use crate::domain::ThingId;
use crate::domain::view::TableView;
use ratatui::layout::Position;

/// A pane that is a table.
pub trait Hands {
    /// Every column, in the operator's order, as it stood when the table was last formatted.
    fn columns(&self, cx: &Cx<'_>) -> Vec<ColumnState>;
    /// What the order is without a column that sorts.
    fn own_order(&self) -> &'static str;
    /// Orders by a column (figures from the largest, text from the first of the alphabet; by the same column again the other way round),
    /// or in the pane's own order.
    fn sort_by(&mut self, column: Option<usize>);
    /// The column that sorts, and whether from the largest.
    fn sorted(&self) -> Option<(usize, bool)>;
    /// The columns of which a name begins with a letter, in lower case: by their headings, then by their other names.
    fn begin_with(&self, letter: char) -> Vec<usize>;
    /// Shows, hides or moves columns.
    fn change_columns(&mut self, change: ColumnChange);
    /// Marks rows, or takes marks away.
    fn mark(&mut self, marking: Marking, cx: &Cx<'_>);
    /// What a filter may compare, each with its other names.
    fn fields(&self) -> Vec<(String, Vec<String>)>;
    /// How many rows pass the filter.
    fn shown(&self) -> usize;
    /// How many things are marked, also those that do not pass the filter.
    fn marked(&self) -> usize;
    /// The marked things that pass the filter, in the order of the rows.
    fn marked_things(&self, cx: &Cx<'_>) -> Vec<ThingId>;
    /// Rows as text, to be taken elsewhere: the columns that the operator wants, whether or not there is room for them.
    fn sheet(&self, extent: Extent, cx: &Cx<'_>) -> Sheet;
    /// How it is shown; without its filter, which is the pane's.
    fn view(&self) -> TableView;
    /// Shows it so. Returns the columns of the view that it does not have.
    fn set_view(&mut self, view: &TableView) -> Vec<String>;
    /// What stands at a cell of the screen, as it was painted last.
    fn spot(&self, place: Place, at: Position) -> Spot;
    /// Puts the cursor on a row of the order.
    fn go_to(&mut self, row: usize, cx: &Cx<'_>);
    /// The cells of the row under the cursor, with their headings; also of hidden columns.
    fn cells(&self, cx: &Cx<'_>) -> Vec<(String, String)>;
}

/// A column, as menus show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnState {
    /// Its index among the pane's columns.
    pub column: usize,
    /// Its heading.
    pub title: String,
    /// Whether it can be seen.
    pub sight: Sight,
    /// It sorts; whether from the largest.
    pub sorted: Option<bool>,
}

/// Whether a column can be seen, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is on the screen.
    Shown,
    /// It is wanted, and there is no room for it.
    NoRoom,
    /// It is wanted, and has nothing to say just now.
    Silent,
    /// It is not wanted.
    Hidden,
}

/// What stands at a cell of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The heading of a column.
    Heading(usize),
    /// A row of the order.
    Row(usize),
    /// Neither.
    Nothing,
}

/// What to do with marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// On the thing under the cursor.
    Toggle,
    /// Of all rows that pass the filter.
    Invert,
    /// None any more.
    Clear,
}

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The one under the cursor.
    Row,
    /// The marked ones that pass the filter.
    Marked,
    /// All that pass the filter.
    All,
}

/// What to do with columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    /// Shows a hidden one, hides a shown one.
    Toggle(usize),
    /// So many places to the right; negative is to the left.
    Move(usize, isize),
    /// All of them, as the pane has them.
    Reset,
}
