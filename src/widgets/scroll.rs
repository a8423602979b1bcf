//! How far a text is scrolled. Where it ends is known when it is painted, so that painting tells it, and keys keep to it: whoever
//! presses a key too often need not press another one as often to come back.

use std::cell::Cell;

/// The first line shown.
#[derive(Clone, Debug)]
pub struct Scroll {
    at: usize,
    /// The furthest that there is, as it was painted last.
    most: Cell<usize>,
}

impl Default for Scroll {
    fn default() -> Self {
        Self { at: 0, most: Cell::new(usize::MAX) }
    }
}

impl Scroll {
    /// So many lines on; negative is back.
    pub fn by(&mut self, lines: isize) {
        self.to(self.at.min(self.most.get()).saturating_add_signed(lines));
    }

    /// To a line.
    pub fn to(&mut self, line: usize) {
        self.at = line.min(self.most.get());
    }

    /// The first line shown of so many, on `height` rows; from then on it goes no further than the last of them.
    pub fn shown(&self, lines: usize, height: usize) -> usize {
        self.most.set(lines.saturating_sub(height));
        self.at.min(self.most.get())
    }
}

#[cfg(test)]
mod tests {
    use super::Scroll;

    #[test]
    fn it_goes_no_further_than_the_end_and_comes_back_at_once() {
        let mut scroll = Scroll::default();
        scroll.by(1000);
        assert_eq!(scroll.shown(30, 10), 20);
        scroll.by(-1);
        assert_eq!(scroll.shown(30, 10), 19);
        scroll.by(isize::MIN);
        assert_eq!(scroll.shown(30, 10), 0);
        scroll.to(25);
        scroll.by(5);
        assert_eq!(scroll.shown(30, 10), 20);
        assert_eq!(scroll.shown(30, 50), 0, "there is room for all of it now");
    }
}
