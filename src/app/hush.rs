//! A dialog that asked for an answer and is gone, though no key closed it: who was typing into it must not find the rest of that in what lies
//! below. Keys do nothing for a moment then; where it went unasked, until none came for as long.

use super::answer::ARM;
use super::keys::NOTE;
use super::{Overlay, State};
use std::time::Duration;

/// What is said of a key that does nothing: to who was typing, and to who has answered.
const GONE: &str = "what asked is gone, so that keys do nothing until none came for 0.3 s";
const ANSWERED: &str = "too soon after the answer: press it again";

/// Keys do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hush {
    /// Until then; monotonic.
    until: Duration,
    /// Somebody may be in the middle of a phrase: each key makes it longer.
    typing: bool,
}

/// Which dialog asks for an answer; a question of a run has a number. `None`: none does.
pub(super) fn asks(state: &State) -> Option<u64> {
    match &state.overlay {
        Some(Overlay::Ask(dialog)) => Some(dialog.number),
        Some(overlay) if overlay.is_dialog() => Some(0),
        _ => None,
    }
}

/// It is gone by itself: the config was read again, its run is over.
pub(super) fn vanished(state: &mut State) {
    state.hush = Some(Hush { until: state.now.mono + ARM, typing: true });
    state.questions.typed_elsewhere(state.now);
}

/// It is gone by its answer.
pub(super) fn answered(state: &mut State) {
    state.hush = Some(Hush { until: state.now.mono + ARM, typing: false });
    super::questions::answered(state);
}

/// A key came; true when it does nothing. What is asked next after an answer sees to itself when it takes one.
pub(super) fn swallows(state: &mut State) -> bool {
    let (now, asks) = (state.now, asks(state).is_some());
    state.hush = state.hush.filter(|hush| now.mono < hush.until && (hush.typing || !asks));
    let Some(hush) = &mut state.hush else { return false };
    if hush.typing {
        hush.until = now.mono + ARM;
        state.questions.typed_elsewhere(now);
        state.toasts.say(now, GONE);
    } else {
        state.note = Some((ANSWERED.to_owned(), now.mono + NOTE));
    }
    true
}
