//! A run that calls another runbook: it is planned, shown and answered like any other. Whatever ends that without a run is told to the
//! caller, who asks again.

use super::{Banner, ParamsDialog, State, planning, questions, way};
use crate::domain::{RunId, ThingId};
use crate::effect::{Effect, Effects, RunAnswer};
use crate::runbook::{PlanRequest, params};

/// A step calls a runbook. What its caller does not know is asked for first. `notice`: why it calls once more.
pub(super) fn came(state: &mut State, request: PlanRequest, notice: Option<&str>, effects: &mut Effects) {
    // What was begun has its parameters.
    let runbook = state.library.get(&request.runbook).filter(|_| request.resumes.is_none()).cloned();
    let dialog = runbook
        .filter(|runbook| params::resolve(&runbook.params, &request.args).is_err())
        .and_then(|runbook| ParamsDialog::asking(&runbook, &request));
    match dialog {
        Some(dialog) => show_form(state, Box::new(dialog), effects),
        None => planning::ask_once_more(state, request, notice, effects),
    }
}

/// A run that another one called is over: the line is its caller's again, and so is the page where whoever sits here has not gone elsewhere.
pub(super) fn over(state: &mut State, run: RunId, effects: &mut Effects) {
    let caller = state.runs.get(run).and_then(|run| run.caller.as_ref()).map(|(caller, _)| *caller);
    let under_way = |caller: &RunId| state.runs.get(*caller).is_some_and(|run| run.outcome.is_none());
    let Some(caller) = caller.filter(|caller| state.started.contains(caller) && under_way(caller)) else { return };
    if state.banner.as_ref().is_some_and(|banner| banner.run == run) {
        state.banner = Some(Banner::new(caller));
    }
    let here = state.page.as_ref().is_some_and(|page| page.of().id == ThingId::Run(run)) && state.logs.is_none();
    // A key that is being pressed is about what it was pressed at.
    if here && questions::may_open(state) {
        way::open_run(state, caller, effects);
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
