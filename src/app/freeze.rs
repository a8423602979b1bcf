//! The screen stands still: what the panes show is the world as it was when somebody pressed the key. Samples go on into the store
//! unseen, and so do runs, which are shown live: what is being done must never be hidden.

use super::State;
use crate::action::Action;
use crate::domain::{Answered, Now};
use crate::store::Store;
use crate::widgets::figure;

/// The world as it was.
#[derive(Debug)]
pub struct Frozen {
    /// What was known.
    pub(super) store: Store,
    /// When.
    pub since: Now,
}

/// Freezes the screen, or lets it go on.
pub(super) fn toggle(state: &mut State) {
    if state.logs.is_some() {
        return state.toasts.say(state.now, "a log stands still by itself: move up in it, and f follows it again");
    }
    if state.frozen.take().is_some() {
        return state.toasts.say(state.now, "the screen goes on");
    }
    state.frozen = Some(Frozen { store: state.store.clone(), since: state.seen() });
    state.toasts.say(state.now, format!("the screen stands still; {} lets it go on", key(state)));
}

/// Why nothing is to be acted on now: what is on the screen is not what is.
pub(super) fn refusal(state: &State) -> Option<String> {
    let frozen = state.frozen.as_ref()?;
    let old = figure::text(|out| figure::coarse_age(out, state.seen().since(frozen.since)));
    Some(format!("what you see is {old} old: {} lets the screen go on, then look and press again", key(state)))
}

/// What somebody looks for is answered also while the screen stands still.
pub(super) fn answered(state: &mut State, answered: Answered) {
    state.store.answered(answered, state.now);
    if let Some(frozen) = &mut state.frozen {
        frozen.store.share_answers(&state.store);
    }
}

fn key(state: &State) -> String {
    state.keymap.key_of(state.scope(), &Action::Freeze).unwrap_or_else(|| "freeze in the palette".to_owned())
}
