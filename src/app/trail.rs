//! Where the operator has been: `[` goes back, `]` forward, as in a browser.

use crate::panes::Selected;
use crate::panes::logs::Targets;

/// Places kept.
const KEPT: usize = 100;

/// A place: a pane, what was selected in it, and whether its page or a log was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) focus: usize,
    pub(super) selected: Option<Selected>,
    pub(super) page: bool,
    /// The logs that were open, and which of them.
    pub(super) logs: Option<(Box<Targets>, usize)>,
}

/// The way behind and, after going back, the way ahead.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    behind: Vec<Spot>,
    ahead: Vec<Spot>,
}

impl Trail {
    /// A place was left for a new one: what was ahead is forgotten.
    pub(super) fn leave(&mut self, spot: Spot) {
        self.ahead.clear();
        if self.behind.len() == KEPT {
            self.behind.remove(0);
        }
        self.behind.push(spot);
    }

    /// The place before; the present one is then ahead.
    pub(super) fn earlier(&mut self, here: Spot) -> Option<Spot> {
        let spot = self.behind.pop()?;
        self.ahead.push(here);
        Some(spot)
    }

    /// The place that was gone back from.
    pub(super) fn later(&mut self, here: Spot) -> Option<Spot> {
        let spot = self.ahead.pop()?;
        self.behind.push(here);
        Some(spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(focus: usize) -> Spot {
        Spot { focus, selected: None, page: false, logs: None }
    }

    #[test]
    fn back_and_forward_and_a_new_way() {
        let mut trail = Trail::default();
        trail.leave(spot(0));
        trail.leave(spot(1));
        assert_eq!(trail.earlier(spot(2)), Some(spot(1)));
        assert_eq!(trail.earlier(spot(1)), Some(spot(0)));
        assert_eq!(trail.earlier(spot(0)), None);
        assert_eq!(trail.later(spot(0)), Some(spot(1)));
        trail.leave(spot(1));
        assert_eq!(trail.later(spot(3)), None, "a new way forgets the old one");
        assert_eq!(trail.earlier(spot(3)), Some(spot(1)));
    }
}
