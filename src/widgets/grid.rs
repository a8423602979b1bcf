//! The windowed table: columns that give way when it gets narrow, and the text of the visible rows, formatted once and
//! drawn as often as needed without allocating.

use super::canvas;
use super::measure::Measure;
use crate::domain::Severity;
use crate::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Cells between two columns.
const GAP: u16 = 1;
/// Cells of the severity symbol before the first column.
const SYMBOL: u16 = 2;
/// In the second of them: the row is marked.
const MARK: &str = "•";

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading, in capitals.
    pub title: &'static str,
    /// Cells it needs.
    pub width: u16,
    /// Its share of what is left over; zero: none.
    pub grow: u16,
    /// Figures are written to the right.
    pub right: bool,
    /// The lowest go first when it gets narrow; the highest stays always.
    pub keep: u8,
    /// What its figures are of, for a filter that compares them.
    pub measure: Measure,
}

impl Column {
    /// A column of text.
    pub const fn text(title: &'static str, width: u16, grow: u16, keep: u8) -> Self {
        Self { title, width, grow, right: false, keep, measure: Measure::Text }
    }

    /// Cells that it has at least: no more than its texts need, where that is known.
    fn least(&self, needed: Option<u16>) -> u16 {
        let heading = self.title.len() as u16;
        needed.filter(|_| self.grow > 0).map_or(self.width, |needed| needed.max(heading).min(self.width))
    }

    /// Cells that it grows to at most: three times its width, so that a name does not stand a hand's breadth away from its state, or
    /// what its texts need.
    fn most(&self, needed: Option<u16>) -> u16 {
        let growing = if self.grow > 0 { self.width * 2 } else { 0 };
        needed.filter(|_| self.grow > 0).map_or(self.width + growing, |needed| needed.min(self.width * 4))
    }

    /// A column of figures: numbers of things, as long as nothing else is said.
    pub const fn figure(title: &'static str, width: u16, keep: u8) -> Self {
        Self { title, width, grow: 0, right: true, keep, measure: Measure::Number }
    }

    /// The same, with figures of this.
    #[must_use]
    pub const fn of(self, measure: Measure) -> Self {
        Self { measure, ..self }
    }
}

/// A column's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index of the column.
    pub column: usize,
    /// First cell, from the left edge of the table.
    pub x: u16,
    /// Cells.
    pub width: u16,
}

/// Places the columns in `width` cells, in the given order of their indices: leaves out those that are not `wanted` and what does not
/// fit, gives out what is left.
pub fn place(
    columns: &[Column],
    order: impl Iterator<Item = usize> + Clone,
    wanted: impl Fn(usize) -> bool,
    width: u16,
    slots: &mut Vec<Slot>,
) {
    place_to_fit(columns, order, wanted, width, &[], slots);
}

/// The same where it is known how many cells the texts of a column take: those that need less leave it to those that need more. Zero, or
/// no entry: it is not known.
pub fn place_to_fit(
    columns: &[Column],
    order: impl Iterator<Item = usize> + Clone,
    wanted: impl Fn(usize) -> bool,
    width: u16,
    needs: &[u16],
    slots: &mut Vec<Slot>,
) {
    slots.clear();
    let room = width.saturating_sub(SYMBOL);
    let is_known = needs.iter().any(|cells| *cells > 0);
    let needs = |index: usize| needs.get(index).copied().filter(|cells| *cells > 0);
    let wanted = order.filter(|index| wanted(*index)).map(|index| (index, &columns[index]));
    let shown = |least: u8| wanted.clone().filter(move |(_, column)| column.keep >= least);
    let need = |least: u8| -> u16 {
        let cells = |(index, column): (usize, &Column)| column.least(needs(index)) + GAP;
        shown(least).fold(0u16, |sum, column| sum.saturating_add(cells(column))).saturating_sub(GAP)
    };
    let most = wanted.clone().map(|(_, column)| column.keep).max().unwrap_or(0);
    let least = (0..most).find(|least| need(*least) <= room).unwrap_or(most);
    slots.extend(shown(least).map(|(column, given)| Slot { column, x: 0, width: given.least(needs(column)) }));
    let mut spare = room.saturating_sub(need(least));
    // What a column does not need the others get, as long as anything is left.
    while share_out(columns, &mut spare, needs, slots) && is_known {}
    let mut x = SYMBOL;
    let end = slots.len();
    for (at, slot) in slots.iter_mut().enumerate() {
        let last = at + 1 == end && slot.column + 1 == columns.len() && columns[slot.column].grow > 0;
        slot.x = x;
        slot.width = if last { u16::MAX } else { slot.width }.min(width.saturating_sub(x));
        x += slot.width + GAP;
    }
}

/// Gives `spare` cells to the columns that want more, by their shares; false: nothing was given.
fn share_out(columns: &[Column], spare: &mut u16, needs: impl Fn(usize) -> Option<u16>, slots: &mut [Slot]) -> bool {
    let wants = |slot: &Slot| columns[slot.column].most(needs(slot.column)).saturating_sub(slot.width);
    let shares: u16 = slots.iter().filter(|slot| wants(slot) > 0).map(|slot| columns[slot.column].grow).sum();
    let before = *spare;
    for slot in slots.iter_mut().filter(|_| shares > 0) {
        let share = u32::from(before) * u32::from(columns[slot.column].grow) / u32::from(shares);
        // A rest that is too small to be shared goes to the first.
        let share = if before < shares { *spare } else { share as u16 };
        let given = share.min(wants(slot)).min(*spare);
        slot.width += given;
        *spare -= given;
    }
    *spare < before
}

/// The text of the visible rows.
#[derive(Clone, Debug, Default)]
pub struct Window {
    text: String,
    cells: Vec<(u32, u32, Role)>,
    rows: Vec<RowLook>,
}

/// How a row stands out.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowLook {
    /// How bad it is.
    pub severity: Severity,
    /// It can't be trusted any more.
    pub stale: bool,
    /// The operator marked it.
    pub marked: bool,
}

impl Window {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
    }

    /// Begins a row.
    pub fn row(&mut self, look: RowLook) {
        self.rows.push(look);
    }

    /// Adds the row's next cell: `write` appends to the buffer and says in which role it is drawn. What it wrote is made
    /// harmless here, so that no column can forget to.
    pub fn cell(&mut self, scratch: &mut String, write: impl FnOnce(&mut String) -> Role) {
        scratch.clear();
        let role = write(scratch);
        let start = self.text.len() as u32;
        crate::domain::text::push_clean(&mut self.text, scratch);
        self.cells.push((start, self.text.len() as u32, role));
    }

    /// Cells that the text added last takes.
    pub fn last_width(&self) -> u16 {
        let text = self.cells.last().map_or("", |(start, end, _)| &self.text[*start as usize..*end as usize]);
        u16::try_from(text.width()).unwrap_or(u16::MAX)
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// It holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Draws headings and rows. `selected` is an index into the window.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: &Theme, look: &Look<'_>) {
        let body = if look.headings { headings(area, buf, theme, look) } else { area };
        for (index, row) in self.rows.iter().take(usize::from(body.height)).enumerate() {
            let line = Rect { y: body.y + index as u16, height: 1, ..body };
            self.line(index, *row, line, buf, theme, look);
            if look.selected == Some(index) {
                let role = if look.focused { Role::Selected } else { Role::SelectedUnfocused };
                buf.set_style(line.intersection(buf.area), theme.style(role));
            }
        }
    }

    fn line(&self, index: usize, row: RowLook, line: Rect, buf: &mut Buffer, theme: &Theme, look: &Look<'_>) {
        let symbol = theme.style(if row.stale { Role::Stale } else { row.severity.into() });
        canvas::put(buf, (line.x, line.y), row.severity.symbol(), 1, symbol);
        if row.marked {
            canvas::put(buf, (line.x + 1, line.y), MARK, 1, theme.style(Role::Marked));
        }
        let cells = &self.cells[index * look.slots.len()..];
        for (number, (slot, (start, end, role))) in look.slots.iter().zip(cells).enumerate() {
            let role = if row.marked && number == 0 { Role::Marked } else { *role };
            let style = theme.style(if row.stale { Role::Stale } else { role });
            let text = &self.text[*start as usize..*end as usize];
            let at = line.x + slot.x;
            if look.columns[slot.column].right {
                canvas::put_right(buf, (at + slot.width, line.y), text, slot.width, style);
            } else {
                canvas::put(buf, (at, line.y), text, slot.width, style);
            }
        }
    }
}

fn headings(area: Rect, buf: &mut Buffer, theme: &Theme, look: &Look<'_>) -> Rect {
    for slot in look.slots {
        let column = &look.columns[slot.column];
        let sorted = look.sorted.filter(|(by, _)| *by == slot.column);
        let style = theme.style(if sorted.is_some() { Role::ColumnSorted } else { Role::Column });
        let told = look.titles.iter().find(|(column, _)| *column == slot.column);
        let title = told.map_or(column.title, |(_, title)| title);
        let x = area.x + slot.x;
        let end = if column.right {
            canvas::put_right(buf, (x + slot.width, area.y), title, slot.width, style);
            x + slot.width
        } else {
            canvas::put(buf, (x, area.y), title, slot.width, style)
        };
        // In the gap, so that no heading is cut for it.
        if let Some((_, falling)) = sorted {
            canvas::put(buf, (end, area.y), if falling { "↓" } else { "↑" }, 1, style);
        }
    }
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// How a window is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// All columns.
    pub columns: &'a [Column],
    /// Headings that the data tell, by column; they stand in for the column's own.
    pub titles: &'a [(usize, String)],
    /// Where the shown ones are.
    pub slots: &'a [Slot],
    /// The column that sorts, and whether the largest (or the last of the alphabet) comes first.
    pub sorted: Option<(usize, bool)>,
    /// The row under the cursor, within the window.
    pub selected: Option<usize>,
    /// The pane has the focus.
    pub focused: bool,
    /// With a line of headings.
    pub headings: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column::text("NAME", 10, 1, 9), Column::figure("CPU", 4, 5), Column::text("IMAGE", 12, 0, 1)];

    fn placed(width: u16) -> Vec<(usize, u16, u16)> {
        let mut slots = Vec::new();
        place(COLUMNS, 0..COLUMNS.len(), |_| true, width, &mut slots);
        slots.iter().map(|slot| (slot.column, slot.x, slot.width)).collect()
    }

    #[test]
    fn narrow_drops_the_least_and_wide_gives_out_the_rest() {
        assert_eq!(placed(40), [(0, 2, 20), (1, 23, 4), (2, 28, 12)]);
        assert_eq!(placed(30), [(0, 2, 10), (1, 13, 4), (2, 18, 12)]);
        assert_eq!(placed(29), [(0, 2, 22), (1, 25, 4)]);
        assert_eq!(placed(8), [(0, 2, 6)]);
    }

    #[test]
    fn what_one_column_does_not_need_another_gets() {
        const TWO: &[Column] =
            &[Column::text("NAME", 10, 3, 9), Column::text("PORTS", 8, 1, 5), Column::figure("CPU", 4, 5)];
        let placed = |width, needs: &[u16]| -> Vec<u16> {
            let mut slots = Vec::new();
            place_to_fit(TWO, 0..TWO.len(), |_| true, width, needs, &mut slots);
            slots.iter().map(|slot| slot.width).collect()
        };
        assert_eq!(placed(60, &[5, 30, 1]), [5, 30, 4], "a name of five cells takes no more");
        assert_eq!(placed(30, &[5, 30, 1]), [5, 17, 4], "all that is left");
        assert_eq!(placed(60, &[5, 99, 1]), [5, 32, 4], "four times its width at most");
        assert_eq!(placed(26, &[20, 20, 1]), [10, 8, 4], "where there is no room all stay as they are");
        assert_eq!(placed(60, &[0, 0, 0]), placed(60, &[]));
    }

    #[test]
    fn very_wide_leaves_the_rest_blank() {
        assert_eq!(placed(200), [(0, 2, 30), (1, 33, 4), (2, 38, 12)]);
    }
}
