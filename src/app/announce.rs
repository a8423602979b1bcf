//! Telling others of a change: the text is made, put on the clipboard and shown. What is hidden on a shared screen is hidden in it too.

use super::{Overlay, PlanDialog, State, copy};
use crate::domain::RunId;
use crate::effect::{Effect, Effects};
use crate::panes::{Page, RunPage};
use crate::runbook::announce::{self, Teller};

/// Of the run whose page is open, or that the cursor is on.
pub(super) fn run(state: &mut State, effects: &mut Effects) {
    let open = state.page.as_ref().and_then(Page::run).map(RunPage::run);
    let under_cursor = || state.pane().selected()?.id.run();
    let Some(told) = open.or_else(under_cursor).and_then(|run| of_run(state, run)) else {
        return state.toasts.say(state.now, "that works on a run: 6 lists them");
    };
    effects.push(Effect::Copy(told.clone()));
    match state.page.as_mut().and_then(Page::run_mut) {
        Some(page) => page.tell(told),
        None => state.toasts.say(state.now, "copied what others are told of this run, by OSC 52"),
    }
}

/// What others are told of a run, as it may leave the screen.
pub(super) fn of_run(state: &State, run: RunId) -> Option<String> {
    let told = announce::of_run(&state.runs, state.runs.get(run)?, state.now.wall);
    Some(copy::hidden(state, &told))
}

/// Of the plan that is shown.
pub(super) fn plan(state: &mut State, mut dialog: Box<PlanDialog>, effects: &mut Effects) {
    let teller = Teller {
        who: &state.who,
        env: &state.environment,
        only_looks: dialog.writes == crate::runbook::Writes::ReadOnly,
    };
    let told = copy::hidden(state, &announce::before(&dialog.plan, teller, dialog.glass.as_ref()));
    effects.push(Effect::Copy(told.clone()));
    dialog.tell(told);
    state.overlay = Some(Overlay::Plan(dialog));
}
