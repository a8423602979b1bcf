//! What runs ask. A question opens by itself when nobody's hands are elsewhere; Esc puts it aside, and one key brings it back. Its run
//! waits all the time, and the line above the keys says so.

use super::answer::{Arming, REST};
use super::{AskDialog, Overlay, State};
use crate::action::{Action, Verb};
use crate::domain::{Now, RunId};
use crate::effect::Effects;
use crate::keymap::Chord;
use crate::runbook::{Draft, Plan};
use std::time::Duration;

/// A question opens by itself no sooner than this after a key that was meant for something else: who pages through a log must not
/// answer by that.
const HANDS_OFF: Duration = Duration::from_millis(500);

/// The questions that are not on the screen.
#[derive(Debug, Default)]
pub struct Questions {
    /// Oldest first.
    aside: Vec<AskDialog>,
    /// So many were asked so far.
    asked: u64,
    /// When a key came that was meant for something else.
    hands: Option<Now>,
    /// When hands will have been off the keys for long enough since the last answer; monotonic.
    rest: Option<Duration>,
}

impl Questions {
    /// The run of the oldest one, with what it asks.
    pub fn oldest(&self) -> Option<&AskDialog> {
        self.aside.first()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.aside.len()
    }

    /// None waits outside the screen.
    pub fn is_empty(&self) -> bool {
        self.aside.is_empty()
    }

    /// A key came that was meant for something else than a dialog.
    pub(super) fn typed_elsewhere(&mut self, now: Now) {
        self.hands = Some(now);
    }

    fn put(&mut self, dialog: AskDialog) {
        let at = self.aside.partition_point(|other| other.number < dialog.number);
        self.aside.insert(at, dialog);
    }

    /// The first that nobody has seen yet.
    fn unseen(&self) -> Option<usize> {
        self.aside.iter().position(|dialog| !dialog.seen)
    }
}

impl State {
    /// The place of a question that is open among all that are waited for, from 1, and how many there are.
    pub fn place_of(&self, open: &AskDialog) -> (usize, usize) {
        let before = self.questions.aside.iter().filter(|other| other.number < open.number).count();
        (before + 1, self.questions.aside.len() + 1)
    }
}

/// Something was answered: what opens by itself next takes no answer before hands were off the keys.
pub(super) fn answered(state: &mut State) {
    state.questions.rest = Some(state.now.mono + REST);
}

/// A key came, for whatever: since the last answer hands were not off the keys, unless they were for long enough.
pub(super) fn typed(state: &mut State) {
    let Some(rest) = state.questions.rest.as_mut().filter(|rest| state.now.mono < **rest) else { return };
    *rest = state.now.mono + REST;
    match &mut state.overlay {
        Some(Overlay::Ask(dialog)) => dialog.arming.rest(*rest),
        Some(Overlay::Plan(dialog)) => dialog.arming.rest(*rest),
        _ => {}
    }
}

/// The arming of a plan that a run's answer has asked for: who presses that key once more has not read it.
pub(super) fn arming_of(state: &State, plan: &Plan<Draft>) -> Arming {
    let rest = state.questions.rest.filter(|rest| state.now.mono < *rest && plan.body().request.caller.is_some());
    rest.map_or_else(Arming::default, Arming::resting)
}

/// A run asks, in place of what it asked before: at once where that is on the screen.
pub(super) fn came(state: &mut State, mut dialog: AskDialog) {
    let was_open = over(state, dialog.run);
    state.questions.asked += 1;
    dialog.number = state.questions.asked;
    // Somebody has just said that it is to wait.
    dialog.seen = dialog.waits();
    state.questions.put(dialog);
    if was_open {
        // It is the newest.
        open_by_itself(state, state.questions.len() - 1);
    }
}

/// A run waits for nothing any more; true when its question was on the screen.
pub(super) fn over(state: &mut State, run: RunId) -> bool {
    state.questions.aside.retain(|dialog| dialog.run != run);
    state.overlay.take_if(|overlay| matches!(overlay, Overlay::Ask(dialog) if dialog.run == run)).is_some()
}

/// What a run asked about has settled itself, and it goes on.
pub(super) fn settled(state: &mut State, run: RunId) {
    over(state, run);
    let title = state.runs.get(run).map_or_else(|| run.short(), |run| run.title.clone());
    state.toasts.say(state.now, format!("{title} waits no more, and goes on"));
}

/// Somebody wants to look at something else first.
pub(super) fn put_aside(state: &mut State, mut dialog: AskDialog) {
    dialog.begin_anew();
    state.questions.put(dialog);
}

/// Something waits for an answer: a run, or somebody who asks for a second person.
pub(super) fn waits(state: &State) -> bool {
    !state.questions.is_empty() || state.second_asks().is_some()
}

/// The one that has waited longest, because somebody wants to answer it. When none does, the alert under the cursor is acknowledged.
pub(super) fn answer(state: &mut State, effects: &mut Effects) {
    if state.overlay.is_some() {
        return;
    }
    if state.questions.is_empty() {
        if super::second::answer(state) {
            return;
        }
        if super::offers::acknowledges(state) {
            return super::offers::by_verb(state, Verb::Acknowledge, effects);
        }
        // Elsewhere a capital letter sorts.
        let key = state.keymap.key_of(state.scope(), &Action::Answer).and_then(|key| Chord::parse(&key));
        let hint = key.and_then(|key| super::hands::sort_hint(state, key));
        let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        return state.toasts.say(state.now, format!("no run asks anything now{hint}"));
    }
    open(state, 0);
}

/// From the one that is open to the next that waits, after the newest to the oldest.
pub(super) fn next(state: &mut State, dialog: AskDialog) {
    let after = state.questions.aside.iter().position(|other| other.number > dialog.number);
    if state.questions.is_empty() {
        state.toasts.say(state.now, "no other run asks");
        state.overlay = Some(Overlay::Ask(Box::new(dialog)));
        return;
    }
    // It goes back to its place, which is before that of the next.
    put_aside(state, dialog);
    open(state, after.map_or(0, |after| after + 1));
}

fn open(state: &mut State, at: usize) {
    let mut dialog = state.questions.aside.remove(at);
    dialog.begin_anew();
    dialog.seen = true;
    state.overlay = Some(Overlay::Ask(Box::new(dialog)));
    state.dirty = true;
}

/// Nobody asked for it: right after an answer it takes none at once.
fn open_by_itself(state: &mut State, at: usize) {
    open(state, at);
    let rest = state.questions.rest.filter(|rest| state.now.mono < *rest);
    if let (Some(rest), Some(Overlay::Ask(dialog))) = (rest, &mut state.overlay) {
        (dialog.arming, dialog.rests) = (Arming::resting(rest), true);
    }
}

/// Opens a question that nobody has seen, unless hands are elsewhere; keeps what is known of who asks.
pub(super) fn settle(state: &mut State) {
    if may_open(state)
        && let Some(at) = state.questions.unseen()
    {
        open_by_itself(state, at);
    }
    let mut asking: Vec<&AskDialog> = state.questions.aside.iter().collect();
    if let Some(Overlay::Ask(dialog)) = &state.overlay {
        asking.push(dialog);
    }
    asking.sort_unstable_by_key(|dialog| dialog.number);
    let asking = asking.into_iter().map(|dialog| (dialog.run, dialog.step.clone())).collect();
    state.runs.asking(asking);
}

/// What nobody asked for just now may open: whoever sits here does nothing else.
pub(super) fn may_open(state: &State) -> bool {
    is_free(state) && hands_off(state).is_none()
}

/// Nothing is typed, and nothing lies over the panes.
fn is_free(state: &State) -> bool {
    state.overlay.is_none() && state.filter_edit.is_none() && state.pending.is_empty() && state.held.is_none()
}

/// Nobody has pressed a key for something else since this was asked for, or for long enough.
pub(super) fn hands_are_off(state: &State, asked: Option<Now>) -> bool {
    let since = |asked: Now| state.questions.hands.is_none_or(|hands| hands.mono <= asked.mono);
    asked.is_some_and(since) || hands_off(state).is_none()
}

/// When hands will have been off the keys for long enough; `None`: they are.
fn hands_off(state: &State) -> Option<Duration> {
    let at = state.questions.hands?.mono + HANDS_OFF;
    (state.now.mono < at).then_some(at)
}

/// When something will open by itself that waits for that; monotonic.
pub(super) fn deadline(state: &State) -> Option<Duration> {
    let waits = state.waiting_form.is_some() || state.questions.unseen().is_some();
    hands_off(state).filter(|_| state.waiting_plan.is_some() || waits && is_free(state))
}
