//! Where a run that is taken up again stands, read off what its records say of its steps.

use super::Machine;
use super::batch::{Batch, Tripped, Waiting};
use super::track::Track;
use super::words::{Again, End, Then, Was};
use crate::domain::record::{RunOutcome, StepState};
use crate::runbook::script::Rolling;
use std::collections::BTreeSet;
use std::ops::Range;

/// A part of a run that is over before the next one begins: steps in a row, or the hosts of a batch, each with its steps.
struct Unit {
    /// The rollout, and the batch of it.
    batch: Option<(usize, usize)>,
    rows: Vec<Range<usize>>,
}

/// All parts of so many steps, in order.
fn units(rollings: &[Rolling], steps: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut at = 0;
    for (place, rolling) in rollings.iter().enumerate() {
        let Range { start, end } = rolling.steps();
        if at < start {
            units.push(Unit { batch: None, rows: std::iter::once(at..start).collect() });
        }
        for batch in 0..rolling.batches() {
            let rows = rolling.lanes.iter().filter(|lane| lane.batch == batch).map(|lane| lane.steps.clone());
            units.push(Unit { batch: Some((place, batch)), rows: rows.collect() });
        }
        at = end;
    }
    if at < steps {
        units.push(Unit { batch: None, rows: std::iter::once(at..steps).collect() });
    }
    units
}

impl Unit {
    fn is_begun(&self, was: &[Was]) -> bool {
        self.rows.iter().any(|row| was[row.clone()].iter().any(begun))
    }
}

/// The last part that has begun, and all of them.
fn standing(rollings: &[Rolling], was: &[Was]) -> (Vec<Unit>, Option<usize>) {
    let units = units(rollings, was.len());
    let last = units.iter().rposition(|unit| unit.is_begun(was));
    (units, last)
}

/// The first step of a row that is still to be done: not begun, or certainly without an effect and the last that was begun.
fn first_left(row: &Range<usize>, was: &[Was]) -> usize {
    let left = row.clone().find(|step| !begun(&was[*step])).unwrap_or(row.end);
    let unsent = |last: &usize| *last >= row.start && was[*last].state == StepState::Failed && !was[*last].happened;
    left.checked_sub(1).filter(unsent).unwrap_or(left)
}

/// The steps that are still to be done: of the part under way the rest of each row, and every part after it.
pub fn left(rollings: &[Rolling], was: &[Was]) -> BTreeSet<usize> {
    let (units, last) = standing(rollings, was);
    let rows = units.iter().skip(last.unwrap_or(0)).flat_map(|unit| &unit.rows);
    rows.flat_map(|row| first_left(row, was)..row.end).collect()
}

/// The last step that was begun, in the order of the page.
pub fn last_begun(was: &[Was]) -> Option<usize> {
    was.iter().rposition(begun)
}

/// The last step that was begun of some row of the part under way has failed.
pub fn ended_badly(rollings: &[Rolling], was: &[Was]) -> bool {
    let (units, last) = standing(rollings, was);
    let last_begun = |row: &Range<usize>| row.clone().rev().find(|step| begun(&was[*step]));
    last.is_some_and(|last| units[last].rows.iter().filter_map(last_begun).any(|step| is_bad(&was[step])))
}

const fn begun(was: &Was) -> bool {
    !matches!(was.state, StepState::Planned | StepState::Checking | StepState::Cancelled)
}

/// It failed.
const fn is_bad(was: &Was) -> bool {
    matches!(was.state, StepState::Failed | StepState::TimedOut)
}

/// Nobody knows what became of it, or of taking it back.
fn is_doubtful(was: &Was) -> bool {
    let open = |state| matches!(state, StepState::Intent | StepState::Running | StepState::Unknown);
    open(was.state) || was.undo.is_some_and(open)
}

/// Its host has failed by it.
fn ended_host(was: &Was) -> bool {
    is_bad(was) || was.undo.is_some()
}

impl Machine {
    /// Takes a run up again where its records end. What they say was done is not done again; what they leave in doubt, and a step that
    /// has failed, is put to the operator first.
    #[must_use]
    pub fn resumed(mut self, was: &[Was]) -> Self {
        let made = |step: &usize| was[*step].happened && was[*step].undo.is_none() && self.common.can_undo(*step);
        self.common.done = (0..was.len().min(self.common.kinds.len())).filter(made).collect();
        let left = left(&self.rollings, was);
        let behind = was.iter().enumerate().filter(|(step, was)| !left.contains(step) && is_bad(was));
        self.common.passed_over = behind.map(|(_, was)| was.detail.clone()).next();
        self.main.step = left.first().copied().unwrap_or(was.len());
        let (units, last) = standing(&self.rollings, was);
        if let Some(unit) = last.map(|last| &units[last]) {
            match unit.batch {
                Some((rolling, batch)) => self.hosts_again((rolling, batch), was),
                None => self.row_again(&unit.rows[0], was),
            }
        }
        if let Some(doubt) = was.iter().position(is_doubtful) {
            (self.main.step, self.batch, self.next) = (doubt, None, None);
            let why = format!("nobody knows what became of a step: {}", was[doubt].detail);
            self.first = Some(End::new(RunOutcome::Unknown, &why, Then::Ask));
        }
        self
    }

    /// Steps in a row: after one that failed the operator is asked, and where something was taken back nothing new begins.
    fn row_again(&mut self, row: &Range<usize>, was: &[Was]) {
        let at = first_left(row, was);
        self.taken_back(was);
        let Some(last) = at.checked_sub(1).filter(|last| self.first.is_none() && row.contains(last)) else { return };
        if is_bad(&was[last]) {
            self.main.turn_to(row.clone());
            self.main.step = last;
            self.first = Some(failed(&was[last]));
        }
    }

    /// Whatever was taken back elsewhere than on a host that may have failed.
    fn taken_back(&mut self, was: &[Was]) {
        let excused = |step: usize| {
            let of = |rolling: &&Rolling| rolling.steps().contains(&step);
            self.rollings
                .iter()
                .find(of)
                .is_some_and(|rolling| failed_hosts(rolling, was).len() as u64 <= rolling.max_fail)
        };
        if let Some(back) = (0..was.len()).find(|step| was[*step].undo.is_some() && !excused(*step)) {
            self.main.step = back;
            let why = "some of it was taken back: nothing new is begun there";
            self.first = Some(End::new(RunOutcome::Stopped, why, Then::Offer));
        }
    }

    /// The hosts of a batch: each goes on where it was. What failed on one, or was taken back there, ends that one alone, as long as so many may.
    fn hosts_again(&mut self, (rolling, batch): (usize, usize), was: &[Was]) {
        let of = &self.rollings[rolling];
        // One that certainly sent nothing is tried again, as long as nothing comes after its batch.
        let retried = |row: &Range<usize>| {
            let at = first_left(row, was);
            at < row.end && begun(&was[at]) && was[at].undo.is_none()
        };
        let lanes = of.lanes.iter().enumerate();
        let lost =
            |lane: &Range<usize>, this: bool| was[lane.clone()].iter().any(ended_host) && !(this && retried(lane));
        self.lost = lanes.clone().filter(|(_, it)| lost(&it.steps, it.batch == batch)).map(|(at, _)| at).collect();
        let within = self.lost.len() as u64 <= of.max_fail;
        let mut hosts = Batch::new(rolling, batch);
        for (at, lane) in lanes.filter(|(_, lane)| lane.batch == batch) {
            let (row, left) = (lane.steps.clone(), first_left(&lane.steps, was));
            let track = Track::new(row.clone(), true);
            let bad = row.clone().rev().find(|step| ended_host(&was[*step])).filter(|_| self.lost.contains(&at));
            match bad {
                None if left < row.end => {
                    hosts.waiting.push_back(Waiting { lane: at, track: track.at(left), pass: false });
                }
                Some(bad) if !within && is_bad(&was[bad]) => {
                    // Its page may have led past that, to steps that were done.
                    let (track, end) = (track.at(bad).behind(left), failed(&was[bad]));
                    hosts.tripped.push(Tripped { lane: at, track, end, lost: true });
                }
                Some(_) if within && left < row.end => {
                    hosts.waiting.push_back(Waiting { lane: at, track: track.at(left - 1), pass: true });
                }
                None | Some(_) => {}
            }
        }
        self.taken_back(was);
        if self.first.is_some() {
            return;
        }
        self.first = self.end_of(&hosts);
        if let Some(tripped) = hosts.tripped.first() {
            self.main.step = tripped.track.step;
        }
        if hosts.tripped.is_empty() && hosts.waiting.is_empty() {
            let next = (batch + 1 < self.rollings[rolling].batches()).then_some((rolling, batch + 1));
            self.next = next;
        } else {
            self.batch = Some(hosts);
        }
    }
}

/// The operator is asked what becomes of a step that has failed.
fn failed(was: &Was) -> End {
    let again = was.happened.then_some(Again::Watch(None));
    End { again, ..End::new(RunOutcome::Failed, &was.detail, Then::Ask) }
}

/// The hosts of a rollout that have failed.
fn failed_hosts(rolling: &Rolling, was: &[Was]) -> Vec<usize> {
    let failed = |steps: &Range<usize>| was[steps.clone()].iter().any(ended_host);
    rolling.lanes.iter().enumerate().filter(|(_, lane)| failed(&lane.steps)).map(|(at, _)| at).collect()
}
