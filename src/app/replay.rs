//! A recording on the screen: what is replayed, and what is being made. What it says of the past comes in as the sources' own
//! samples did, so that panes can't tell the difference.

use super::{State, way};
use crate::action::Action;
use crate::effect::{Effect, Effects};
use crate::event::Recording;
use crate::keymap::{Found, Scope};
use crate::recording::{Command, Played};
use crate::runbook::Refusal;

/// Seconds that a key moves a replay, and that one moves it far.
const STEP: i64 = 10;
const FAR: i64 = 60;

/// Takes in what a replay came to.
pub(super) fn take(state: &mut State, played: Played, effects: &mut Effects) {
    if let Some(mut store) = played.store {
        store.follow(&state.store);
        state.store = *store;
    }
    state.replay = Some(played.position);
    for sample in played.samples {
        state.store.apply(sample);
    }
    state.store.pass(state.seen());
    for gap in played.gaps {
        state.toasts.bad(state.now, gap);
    }
    state.dirty = true;
    way::renew(state, effects);
}

/// Takes in what became of the recording that is being made.
pub(super) fn recording(state: &mut State, news: Recording) {
    state.dirty = true;
    state.recording = Some(matches!(news, Recording::Going(_)));
    match news {
        Recording::Going(Some(what)) => state.toasts.say(state.now, what),
        Recording::Going(None) => {}
        Recording::Failing(what) | Recording::Over(what) => state.toasts.bad(state.now, what),
    }
}

/// What the keys pressed so far mean: in a replay, its own come first.
pub(super) fn meaning(state: &State) -> Found<'_> {
    let own = state.replay.map(|_| state.keymap.find(Scope::Replay, &state.pending));
    match own {
        Some(found @ (Found::Pending | Found::Action(_))) => found,
        Some(Found::Nothing) | None => state.keymap.find(state.scope(), &state.pending),
    }
}

/// Moves in the recording.
pub(super) fn ask(state: &mut State, action: &Action, effects: &mut Effects) {
    if state.replay.is_none() {
        return state.toasts.say(state.now, "no recording is replayed here: `quarterdeck replay FILE` does that");
    }
    effects.extend(command(action).map(Effect::Replay));
}

fn command(action: &Action) -> Option<Command> {
    const COMMANDS: [(Action, Command); 7] = [
        (Action::ReplayPause, Command::Pause),
        (Action::ReplayBack, Command::By(-STEP)),
        (Action::ReplayForward, Command::By(STEP)),
        (Action::ReplayFarBack, Command::By(-FAR)),
        (Action::ReplayFarForward, Command::By(FAR)),
        (Action::ReplayFaster, Command::Faster),
        (Action::ReplaySlower, Command::Slower),
    ];
    COMMANDS.iter().find(|(of, _)| of == action).map(|(_, command)| *command)
}

/// Says why nothing can be changed here.
pub(super) fn refuse(state: &mut State) {
    match state.replay {
        Some(_) => state.toasts.bad(state.now, "this is a recording: nothing can be changed in what has been"),
        None => state.toasts.bad(state.now, Refusal::ReadOnly.to_string()),
    }
}
