//! The hosts of one batch: so many at once, each a row of steps of its own. Once more have failed than may, none begins any more, and
//! those that have begun are finished.

use super::track::Track;
use super::words::{Again, End, Then};
use crate::domain::record::RunOutcome;
use std::collections::{BTreeMap, VecDeque};

/// A batch under way. Hosts are named by their place in the rollout.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) rolling: usize,
    /// Which of its batches, from 0.
    pub(super) number: usize,
    /// Those that have not begun, in this life of the run.
    pub(super) waiting: VecDeque<Waiting>,
    /// Those that have.
    pub(super) flying: BTreeMap<usize, Track>,
    /// Those because of which no other host begins.
    pub(super) tripped: Vec<Tripped>,
}

/// A host that has its turn still to come.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) lane: usize,
    pub(super) track: Track,
    /// It has failed in an earlier life of the run: the rest of its steps is passed over.
    pub(super) pass: bool,
}

/// A host because of which no other one begins.
#[derive(Clone, Debug)]
pub(super) struct Tripped {
    pub(super) lane: usize,
    pub(super) track: Track,
    pub(super) end: End,
    /// It counts among the failed ones of its rollout.
    pub(super) lost: bool,
}

impl Batch {
    /// Without hosts so far.
    pub(super) const fn new(rolling: usize, number: usize) -> Self {
        Self { rolling, number, waiting: VecDeque::new(), flying: BTreeMap::new(), tripped: Vec::new() }
    }

    /// No host begins any more.
    pub(super) fn is_tripped(&self) -> bool {
        !self.tripped.is_empty()
    }

    /// What all that went wrong comes to: what nobody knows first, then what failed. Something is asked again only when all of it can be.
    pub(super) fn end(&self) -> Option<End> {
        let of = |outcome| self.tripped.iter().find(|tripped| tripped.end.outcome == outcome);
        let worst = [RunOutcome::Unknown, RunOutcome::Failed, RunOutcome::Stopped].into_iter().find_map(of)?;
        let any = |then| self.tripped.iter().any(|tripped| tripped.end.then == then);
        let then = [Then::Ask, Then::Offer].into_iter().find(|then| any(*then)).unwrap_or(Then::Stop);
        let again = self.tripped.iter().all(|tripped| tripped.end.again.is_some()).then_some(Again::Check);
        Some(End { outcome: worst.end.outcome, reason: worst.end.reason.clone(), then, again })
    }
}
