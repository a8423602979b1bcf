//! A key that is pressed: what it means where it is pressed, and what is said when it means nothing.

use super::typing::Held;
use super::{Overlay, State, act, filtering, hush, questions, way};
use crate::action::Action;
use crate::effect::Effects;
use crate::keymap::{Chord, Found, Scope};
use crate::panes::PANES;
use crossterm::event::KeyCode;
use std::time::Duration;

/// How long the footer says that a key does nothing.
pub(super) const NOTE: Duration = Duration::from_secs(2);

const TOO_FAST: &str = "that came faster than anybody types, so it did nothing: press the key again";

/// Takes in a key.
pub(super) fn take(state: &mut State, chord: Chord, effects: &mut Effects) {
    let burst = state.typing.key(state.now);
    let chord = meant(state, chord);
    (state.dirty, state.note) = (true, None);
    questions::typed(state);
    if hush::swallows(state) {
        return;
    }
    if state.held.take().is_some() {
        state.toasts.say(state.now, TOO_FAST);
    }
    if !state.overlay.as_ref().is_some_and(Overlay::is_dialog) {
        state.questions.typed_elsewhere(state.now);
    }
    if state.overlay.is_some() {
        super::overlay_keys::key(state, chord, burst, effects);
    } else if state.filter_edit.is_some() {
        filtering::key(state, chord);
    } else {
        bound_key(state, chord, burst, effects);
    }
}

/// Ctrl-C is what hands do to get out of something: where there is something to get out of, it is Esc.
fn meant(state: &State, chord: Chord) -> Chord {
    let inside = state.overlay.is_some() || state.filter_edit.is_some() || state.planning.is_some();
    if inside && chord.is_ctrl('c') { Chord::from_key(KeyCode::Esc.into()) } else { chord }
}

/// Elsewhere, unless it is bound, it says what leaves.
fn unbound(state: &mut State, chord: Chord) {
    state.presenter.press_nothing();
    if chord.is_ctrl('c') {
        let key = state.keymap.key_of(state.scope(), &Action::Quit).unwrap_or_default();
        let what = if way::is_inside(state) { "goes back, and quits where the panes are" } else { "quits" };
        return state.toasts.say(state.now, format!("{key} {what}"));
    }
    let instead = super::habits::instead(state, chord);
    if instead.is_none() && elsewhere(state, chord) {
        return;
    }
    let help = state.keymap.key_of(state.scope(), &Action::Help);
    let more = match instead.or_else(|| super::hands::sort_hint(state, chord)) {
        Some(instead) => format!(": {instead}"),
        None => help.map_or_else(String::new, |help| format!("; {help} shows the keys")),
    };
    state.note = Some((format!("{chord} is not bound{more}"), state.now.mono + NOTE));
}

fn bound_key(state: &mut State, chord: Chord, burst: bool, effects: &mut Effects) {
    state.pending.push(chord);
    let action = match super::replay::meaning(state) {
        Found::Pending => return,
        Found::Nothing => None,
        // From inside, the key that leaves the program leads out of where one is, as in a log.
        Found::Action(Action::Quit) if way::is_inside(state) => Some(Action::Back),
        Found::Action(action) => Some(action.clone()),
    };
    let keys = state.pending.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    state.pending.clear();
    if let Some(action) = &action {
        state.presenter.press(keys, action, state.now);
    }
    match action {
        None => unbound(state, chord),
        Some(action) if action.is_grave() && burst => state.toasts.say(state.now, TOO_FAST),
        Some(action) if action.is_grave() => {
            choose(state, &action);
            state.held = Some(Held { action, at: state.now });
        }
        Some(action) => {
            choose(state, &action);
            act::carry_out(state, &action, effects);
        }
    }
}

/// A key that begins with a row means the one that was painted when it was pressed, whatever comes before it is carried out.
fn choose(state: &mut State, action: &Action) {
    let acknowledges = *action == Action::Answer && !questions::waits(state) && super::offers::acknowledges(state);
    if !(action.is_about_row() || acknowledges) || state.page.is_some() || state.logs.is_some() {
        return;
    }
    let now = state.with_pane(|pane, cx| {
        pane.settle(cx);
        pane.choose()
    });
    let lists = matches!(action, Action::Palette | Action::Actions);
    state.lent = if lists { now.then_some(state.focus) } else { None };
}

/// A list of actions was closed, by choosing one of them or without: a row that is not acted on was not chosen by that.
pub(super) fn give_back(state: &mut State, chosen: Option<&Action>) {
    if let Some(lent) = state.lent.take().filter(|_| chosen.is_none_or(|action| !action.is_about_row())) {
        state.panes[lent].let_go();
    }
}

/// A key that acts, but in another pane: silence would look like a defect. Whether there is such a pane.
fn elsewhere(state: &mut State, chord: Chord) -> bool {
    let bound = |scope| match state.keymap.find(scope, &[chord]) {
        Found::Action(action) => matches!(action, Action::Runbook(_) | Action::Do(_)),
        Found::Pending | Found::Nothing => false,
    };
    let others: Vec<String> = PANES
        .iter()
        .filter(|kind| kind.number.is_some() && bound(kind.scope))
        .map(|kind| format!("{} ({})", kind.title, state.keymap.key_of(Scope::All, &kind.action).unwrap_or_default()))
        .collect();
    if !others.is_empty() {
        let here = super::hands::sort_hint(state, chord).map(|hint| format!("; here {hint}")).unwrap_or_default();
        state.toasts.say(state.now, format!("{chord} acts in {}{here}", others.join(", ")));
    }
    !others.is_empty()
}
