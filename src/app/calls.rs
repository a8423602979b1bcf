//! A run that calls another runbook: it is planned, shown and answered like any other. Whatever ends that without a run is told to the
//! caller, who asks again.

use super::{Overlay, ParamsDialog, State, planning};
use crate::effect::{Effect, Effects, RunAnswer};
use crate::runbook::{PlanRequest, params};

/// A step calls a runbook. What its caller does not know is asked for first.
pub(super) fn came(state: &mut State, request: PlanRequest, effects: &mut Effects) {
    let runbook = state.library.get(&request.runbook).cloned();
    let dialog = runbook
        .filter(|runbook| params::resolve(&runbook.params, &request.args).is_err())
        .and_then(|runbook| ParamsDialog::asking(&runbook, &request));
    match dialog {
        Some(dialog) => state.overlay = Some(Overlay::Params(Box::new(dialog))),
        None => planning::ask(state, request, effects),
    }
}

/// What was asked for is given up: its caller is told, if it has one.
pub(super) fn declined(request: &PlanRequest, effects: &mut Effects) {
    effects.extend(request.caller.as_ref().map(|caller| Effect::Answer(caller.run, RunAnswer::Declined)));
}

/// Another dialog takes the place of the one that is there.
pub(super) fn covered(state: &State, effects: &mut Effects) {
    match &state.overlay {
        Some(Overlay::Plan(dialog)) => declined(&dialog.plan.body().request, effects),
        Some(Overlay::Params(dialog)) => declined(dialog.wanted(), effects),
        _ => {}
    }
}
