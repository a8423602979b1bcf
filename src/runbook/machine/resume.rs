//! Where a run that is taken up again stands, read off what its records say of its steps.

use super::Was;
use crate::domain::record::StepState;
use crate::runbook::script::{Lane, Rolling};

/// The first step that is still to be done: not begun, or certainly without an effect and the last that was begun.
pub fn first_left(was: &[Was]) -> usize {
    let left = was.iter().position(|was| !begun(was)).unwrap_or(was.len());
    let unsent = |last: &usize| was[*last].state == StepState::Failed && !was[*last].happened;
    left.checked_sub(1).filter(unsent).unwrap_or(left)
}

const fn begun(was: &Was) -> bool {
    !matches!(was.state, StepState::Planned | StepState::Checking | StepState::Cancelled)
}

/// It failed.
pub(super) const fn is_bad(was: &Was) -> bool {
    matches!(was.state, StepState::Failed | StepState::TimedOut)
}

/// Nobody knows what became of it, or of taking it back.
pub(super) fn is_doubtful(was: &Was) -> bool {
    let open = |state| matches!(state, StepState::Intent | StepState::Running | StepState::Unknown);
    open(was.state) || was.undo.is_some_and(open)
}

/// The host that a step is done on.
pub(super) fn lane(rollings: &[Rolling], step: usize) -> Option<(&Rolling, &Lane)> {
    let of = |rolling: &Rolling| rolling.lanes.iter().position(|lane| lane.steps.contains(&step));
    rollings.iter().find_map(|rolling| Some((rolling, &rolling.lanes[of(rolling)?])))
}

/// A step of the same host before it failed, or was taken back.
pub(super) fn failed_before(rollings: &[Rolling], was: &[Was], step: usize) -> bool {
    lane(rollings, step).is_some_and(|(_, lane)| was[lane.steps.start..=step].iter().any(ended_host))
}

fn ended_host(was: &Was) -> bool {
    is_bad(was) || was.undo.is_some()
}

/// So many hosts have failed of the rollout that the step before `at` belongs to.
pub(super) fn lost<'a>(mut rollings: impl Iterator<Item = &'a Rolling>, was: &[Was], at: usize) -> u64 {
    let Some(last) = at.checked_sub(1) else { return 0 };
    let Some(rolling) = rollings.find(|rolling| rolling.steps().contains(&last)) else { return 0 };
    let begun = rolling.lanes.iter().filter(|lane| lane.steps.start < at);
    begun.filter(|lane| was[lane.steps.start..lane.steps.end.min(at)].iter().any(ended_host)).count() as u64
}
