//! The plan that was asked for and has not come: said for as long as it takes, given up by Esc, replaced by the next.
//!
//! Each request has a number, and only the answer to the newest is taken: a plan that comes when nobody waits for it any
//! more must not jump into somebody's hands.

use super::{Overlay, ParamsDialog, PlanDialog, State, questions};
use crate::domain::ThingId;
use crate::domain::{Now, text};
use crate::effect::{Effect, Effects};
use crate::runbook::model::ParamType;
use crate::runbook::{Draft, Plan, PlanRequest, params};
use std::time::Duration;

/// A request under way.
#[derive(Debug)]
pub struct Planning {
    number: u64,
    request: PlanRequest,
    /// Why it is asked for once more.
    notice: Option<String>,
    /// What its parameters were typed into: shown again when no plan can be made of them.
    form: Option<Box<ParamsDialog>>,
    /// `container-restart on api`.
    what: String,
    since: Now,
}

/// A plan that waits until it can be shown.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) plan: Box<Plan<Draft>>,
    /// Why it is shown once more.
    pub(super) notice: Option<String>,
    /// When it was asked for; `None`: nobody did just now.
    pub(super) asked: Option<Now>,
}

impl Waiting {
    fn request(&self) -> &PlanRequest {
        &self.plan.body().request
    }
}

impl Planning {
    /// What is said while it lasts. `key` gives it up.
    pub fn line(&self, now: Now, key: &str) -> String {
        let seconds = now.since(self.since).as_secs();
        format!("planning {}, {seconds} s; {key} gives it up", self.what)
    }
}

/// Asks for a plan, in place of one that has not come. Nothing is changed by that.
pub(super) fn ask(state: &mut State, request: PlanRequest, effects: &mut Effects) {
    ask_with(state, request, None, effects);
}

/// The same with parameters that were typed.
pub(super) fn ask_from(state: &mut State, request: PlanRequest, form: Box<ParamsDialog>, effects: &mut Effects) {
    ask_with(state, request, Some(form), effects);
}

/// The same, and the plan says why when it comes: what it was made of did not hold any more.
pub(super) fn ask_once_more(state: &mut State, request: PlanRequest, came: Option<&str>, effects: &mut Effects) {
    ask_with(state, request, None, effects);
    if let Some(planning) = &mut state.planning {
        planning.notice = came.map(nothing_was_done);
    }
}

/// Why a plan is shown once more, when something came that nobody had seen.
pub(super) fn nothing_was_done(came: &str) -> String {
    format!("{came}. Nothing was done; this is the new plan")
}

fn ask_with(state: &mut State, request: PlanRequest, form: Option<Box<ParamsDialog>>, effects: &mut Effects) {
    state.plans += 1;
    for other in [
        state.planning.take().map(|asked| asked.request),
        state.waiting_plan.take().map(|waiting| waiting.request().clone()),
    ] {
        other
            .iter()
            .filter(|other| other.caller != request.caller)
            .for_each(|other| super::calls::declined(other, effects));
    }
    let what = format!("{}{}", request.runbook, thing(state, &request));
    let (number, since) = (state.plans, state.now);
    let asked = Planning { number, request: request.clone(), notice: None, form, what, since };
    state.planning = Some(asked);
    effects.push(Effect::Plan { number: state.plans, request });
}

/// The plan that is on the screen, or on its way there, was made by what does not hold any more: it is taken away and asked for
/// anew, and says why when it comes. False: there is none.
pub(super) fn again(state: &mut State, why: &str, effects: &mut Effects) -> bool {
    let (asked, form) = state.planning.take().map(|planning| (planning.request, planning.form)).unzip();
    let waiting = state.waiting_plan.take().map(|waiting| waiting.request().clone());
    let shown = shown(state).map(|dialog| dialog.plan.body().request.clone());
    if shown.is_some() {
        state.overlay = None;
    }
    let Some(request) = asked.or(waiting).or(shown) else { return false };
    ask_with(state, request, form.flatten(), effects);
    if let Some(planning) = &mut state.planning {
        planning.notice = Some(why.to_owned());
    }
    true
}

/// The runbook of the plan that is on the screen, or on its way there.
pub(super) fn about(state: &State) -> Option<&str> {
    let asked = state.planning.as_ref().map(|planning| &planning.request);
    let waiting = state.waiting_plan.as_ref().map(Waiting::request);
    let shown = shown(state).map(|dialog| &dialog.plan.body().request);
    asked.or(waiting).or(shown).map(|request| request.runbook.as_str())
}

/// The plan that is on the screen, or lies under the question whether to unlock writes for it.
fn shown(state: &State) -> Option<&PlanDialog> {
    match &state.overlay {
        Some(Overlay::Plan(dialog)) => Some(dialog),
        Some(Overlay::Unlock(dialog)) => dialog.plan.as_deref(),
        _ => None,
    }
}

/// Gives up the plan that is being made; false when there is none.
pub(super) fn give_up(state: &mut State, effects: &mut Effects) -> bool {
    let Some(planning) = state.planning.take() else { return false };
    effects.push(Effect::GiveUpPlan);
    super::calls::declined(&planning.request, effects);
    state.toasts.say(state.now, format!("planning {} is given up: nothing was changed", planning.what));
    true
}

/// A plan came. It waits until it can be shown.
pub(super) fn came(state: &mut State, number: u64, plan: Box<Plan<Draft>>) {
    if let Some(planning) = answered(state, number) {
        state.waiting_plan = Some(Waiting { plan, notice: planning.notice, asked: Some(planning.since) });
    }
}

/// There is no plan: why. What its parameters were typed into is shown again, with all that was typed; a run that wanted the plan is
/// told when that is left.
pub(super) fn failed(state: &mut State, number: u64, request: &PlanRequest, why: &str, effects: &mut Effects) {
    let Some(planning) = answered(state, number) else { return };
    // The lines below are text to paste, which `R` copies.
    let why = why.lines().next().unwrap_or_default();
    if let Some(mut form) = planning.form {
        form.fail(why);
        return super::calls::show_form(state, form, effects);
    }
    super::calls::declined(request, effects);
    state.toasts.bad(state.now, format!("{}: no plan, and nothing was changed: {why}", request.runbook));
}

/// The newest request, if this answers it: it is over then.
fn answered(state: &mut State, number: u64) -> Option<Planning> {
    state.planning.take_if(|planning| planning.number == number)
}

/// ` on api`: the thing that a plan is about, as people know it.
fn thing(state: &State, request: &PlanRequest) -> String {
    let Some(runbook) = state.library.get(&request.runbook) else { return String::new() };
    let named = runbook.params.iter().find_map(|param| {
        let text = params::show(request.args.get(&param.name)?);
        match param.kind {
            ParamType::Container => Some(container(state, &text).unwrap_or(text)),
            ParamType::Server | ParamType::Database | ParamType::Address => Some(text),
            ParamType::Int | ParamType::String | ParamType::Bool | ParamType::Duration | ParamType::Enum => None,
        }
    });
    named.map_or_else(String::new, |name| format!(" on {}", text::clean(&name)))
}

/// The name of the container under the cursor, if it is the one that is meant by `engine/id`.
fn container(state: &State, meant: &str) -> Option<String> {
    let selected = state.pane().selected()?;
    match &selected.id {
        ThingId::Container { source, id } if meant == format!("{}/{id}", source.name()) => Some(selected.name),
        ThingId::Container { .. }
        | ThingId::Server { .. }
        | ThingId::Session { .. }
        | ThingId::Alert { .. }
        | ThingId::Process { .. }
        | ThingId::Entry { .. }
        | ThingId::Run(_)
        | ThingId::Runbook(_) => None,
    }
}

/// When the seconds that are shown change next.
pub(super) fn deadline(planning: &Planning, now: Now) -> Duration {
    planning.since.mono + Duration::from_secs(now.since(planning.since).as_secs() + 1)
}

/// What somebody asked for never opens over a field that text is being typed into, nor over another dialog; and what comes when they
/// have begun something else waits until hands are off the keys.
pub(super) fn open_waiting(state: &mut State) {
    let is_busy = |overlay: &Overlay| overlay.takes_text() || overlay.is_dialog();
    if state.filter_edit.is_some() || state.overlay.as_ref().is_some_and(is_busy) {
        return;
    }
    let asked = state.waiting_plan.as_ref().map(|waiting| waiting.asked);
    if asked.is_some_and(|asked| questions::hands_are_off(state, asked))
        && let Some(waiting) = state.waiting_plan.take()
    {
        show_plan(state, *waiting.plan, waiting.notice);
    } else if questions::may_open(state)
        && let Some(form) = state.waiting_form.take()
    {
        state.overlay = Some(Overlay::Params(form));
        state.dirty = true;
    }
}

fn show_plan(state: &mut State, plan: Plan<Draft>, notice: Option<String>) {
    state.toasts.dismiss();
    let labelled = super::offers::labelled(state, &plan);
    let arming = questions::arming_of(state, &plan);
    let dialog = PlanDialog::new(plan, notice, state.writes.state());
    state.overlay = Some(Overlay::Plan(Box::new(PlanDialog { labelled, arming, ..dialog })));
    state.dirty = true;
}
