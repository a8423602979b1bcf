//! Which columns of a table the operator wants, and in what order.

use crate::panes::hands::ColumnChange;

/// All columns of a table.
pub(in crate::panes) struct Columns {
    /// Indices of all columns, shown or not.
    order: Vec<usize>,
    /// By index.
    hidden: Vec<bool>,
}

impl Columns {
    /// All shown, in the pane's order.
    pub fn new(count: usize) -> Self {
        Self { order: (0..count).collect(), hidden: vec![false; count] }
    }

    /// The operator's order; the first is the leftmost.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// It is not hidden by hand.
    pub fn wants(&self, column: usize) -> bool {
        !self.hidden[column]
    }

    /// Shows, hides, moves. The last one that is shown stays: a table without columns says nothing.
    pub fn change(&mut self, change: ColumnChange) {
        match change {
            ColumnChange::Toggle(column) => {
                let last = self.wants(column) && self.hidden.iter().filter(|hidden| !**hidden).count() == 1;
                self.hidden[column] = self.wants(column) && !last;
            }
            ColumnChange::Move(column, by) => self.shift(column, by),
            ColumnChange::Reset => *self = Self::new(self.order.len()),
        }
    }

    /// The shown ones, from left to right; empty when they are as the pane has them.
    pub fn chosen(&self) -> Vec<usize> {
        if self.order.is_sorted() && !self.hidden.contains(&true) {
            return Vec::new();
        }
        self.order.iter().copied().filter(|column| self.wants(*column)).collect()
    }

    /// Shows these, from left to right, and no others; as the pane has them when there are none.
    pub fn choose(&mut self, shown: &[usize]) {
        *self = Self::new(self.order.len());
        if !shown.is_empty() {
            let place = |column: &usize| shown.iter().position(|shown| shown == column).unwrap_or(shown.len());
            self.order.sort_by_key(place);
            (0..self.hidden.len()).for_each(|column| self.hidden[column] = !shown.contains(&column));
        }
    }

    fn shift(&mut self, column: usize, by: isize) {
        let Some(from) = self.order.iter().position(|other| *other == column) else { return };
        let to = from.saturating_add_signed(by).min(self.order.len() - 1);
        self.order.remove(from);
        self.order.insert(to, column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_hidden_moved_and_put_back() {
        let mut columns = Columns::new(3);
        columns.change(ColumnChange::Move(2, -5));
        columns.change(ColumnChange::Move(0, 9));
        assert_eq!(columns.order(), [2, 1, 0]);
        columns.change(ColumnChange::Toggle(1));
        columns.change(ColumnChange::Toggle(2));
        columns.change(ColumnChange::Toggle(0));
        assert_eq!([0, 1, 2].map(|column| columns.wants(column)), [true, false, false], "the last one stays");
        assert_eq!(columns.chosen(), [0]);
        columns.choose(&[2, 0]);
        assert_eq!((columns.order(), columns.wants(1), columns.chosen()), (&[2, 0, 1][..], false, vec![2, 0]));
        columns.change(ColumnChange::Reset);
        assert_eq!(columns.chosen(), [0; 0]);
        assert_eq!((columns.order(), columns.wants(2)), (&[0, 1, 2][..], true));
    }
}
