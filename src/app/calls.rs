//! A run that calls another runbook: it is planned, shown and answered like any other. Whatever ends that without a run is told to the
//! caller, who asks again.

use super::{ParamsDialog, State, planning};
use crate::effect::{Effect, Effects, RunAnswer};
use crate::runbook::{PlanRequest, params};

/// A step calls a runbook. What its caller does not know is asked for first.
pub(super) fn came(state: &mut State, request: PlanRequest, effects: &mut Effects) {
    let runbook = state.library.get(&request.runbook).cloned();
    let dialog = runbook
        .filter(|runbook| params::resolve(&runbook.params, &request.args).is_err())
        .and_then(|runbook| ParamsDialog::asking(&runbook, &request));
    match dialog {
        Some(dialog) => show_form(state, Box::new(dialog), effects),
        None => planning::ask(state, request, effects),
    }
}

/// What was asked for is given up: its caller is told, if it has one.
pub(super) fn declined(request: &PlanRequest, effects: &mut Effects) {
    effects.extend(request.caller.as_ref().map(|caller| Effect::Answer(caller.run, RunAnswer::Declined)));
}

/// A form wants to be shown that nobody asked for just now: it waits until nothing is typed elsewhere.
pub(super) fn show_form(state: &mut State, form: Box<ParamsDialog>, effects: &mut Effects) {
    if let Some(before) = state.waiting_form.replace(form) {
        declined(before.wanted(), effects);
    }
}
