//! Keys and time for what lies over the panes. In a dialog only the named answer acts: Enter and Esc alone never do.

use super::answer::Arming;
use super::params_dialog::Outcome;
use super::presenter::{self, PHRASE, RevealDialog};
use super::update::{act, give_back, record_lock};
use super::{AskDialog, Overlay, ParamsDialog, PlanDialog, State, UnlockDialog};
use super::{calls, planning, silence_preview};
use crate::domain::Now;
use crate::domain::risk::{Level, Policy};
use crate::effect::{Effect, Effects, RunAnswer};
use crate::keymap::Chord;
use crate::runbook::machine::Way;
use crate::runbook::{Answer, Authority, Refusal, gate};
use crate::widgets::scroll::Scroll;
use crossterm::event::KeyCode;

const TOO_SOON: &str = "too soon or too fast to be meant: read, then answer";

/// One key for the overlay.
pub(super) fn key(state: &mut State, chord: Chord, burst: bool, effects: &mut Effects) {
    let Some(mut overlay) = state.overlay.take() else { return };
    let now = state.now;
    let keep = match &mut overlay {
        Overlay::Help { scroll } => scroll_key(scroll, chord),
        Overlay::Menu(menu) => super::hands::menu_key(state, menu, chord, effects),
        Overlay::Name(dialog) => super::views::name_key(state, dialog, chord, effects),
        Overlay::Palette(palette) => {
            return palette_key(state, palette.chosen().cloned().map(|i| i.action), overlay, chord, burst, effects);
        }
        Overlay::Plan(dialog) if chord.is(KeyCode::Tab) && dialog.told.is_none() && dialog.reason.is_none() => {
            return open_params(state, overlay);
        }
        Overlay::Plan(_) if chord.is_ctrl('y') => {
            let Overlay::Plan(dialog) = overlay else { return };
            return super::announce::plan(state, dialog, effects);
        }
        Overlay::Plan(dialog) if dialog.told.is_some() => told_key(dialog, chord),
        Overlay::Plan(dialog) if dialog.reason.is_some() => reason_key(dialog, chord, state.policy),
        Overlay::Plan(dialog) if dialog.lacks_second() && chord.char() == Some('!') => {
            dialog.ask_reason(state.policy);
            true
        }
        Overlay::Plan(dialog) => {
            let keep = plan_key(dialog, chord, burst, now);
            if !keep {
                calls::declined(&dialog.plan.body().request, effects);
            }
            keep
        }
        Overlay::Params(dialog) => match dialog.key(chord) {
            Outcome::Stay => true,
            Outcome::Leave => {
                calls::declined(dialog.wanted(), effects);
                false
            }
            Outcome::Plan(request) => {
                planning::ask(state, request, effects);
                false
            }
        },
        Overlay::SilencePreview(preview) => silence_preview::key(state, preview, chord, effects),
        Overlay::Unlock(dialog) => unlock_key(dialog, chord, burst, now),
        Overlay::Reveal(dialog) => {
            if chord.is(KeyCode::Enter) && dialog.field.text() == PHRASE {
                return presenter::reveal(state);
            }
            reveal_key(dialog, chord)
        }
        Overlay::Ask(dialog) => ask_key(dialog, chord, burst, now, effects),
    };
    if keep {
        state.overlay = Some(overlay);
    }
}

/// From a plan to its parameters; the plan is given up, and made anew from there.
fn open_params(state: &mut State, overlay: Overlay) {
    let Overlay::Plan(plan) = &overlay else { return };
    let body = plan.plan.body();
    let params = ParamsDialog::new(&body.runbook, &body.request);
    if params.is_none() {
        state.toasts.say(state.now, "this runbook has no parameters to change");
    }
    state.overlay = Some(params.map_or(overlay, |params| Overlay::Params(Box::new(params))));
}

/// Time passed: dialogs arm, and an answer that stood alone is taken.
pub(super) fn pass_time(state: &mut State, effects: &mut Effects) {
    let Some(mut overlay) = state.overlay.take() else { return };
    let now = state.now;
    let keep = match &mut overlay {
        Overlay::Help { .. }
        | Overlay::Palette(_)
        | Overlay::Menu(_)
        | Overlay::Name(_)
        | Overlay::Params(_)
        | Overlay::Reveal(_)
        | Overlay::SilencePreview(_) => true,
        Overlay::Plan(dialog) => {
            state.dirty |= arm(&mut dialog.armed, &dialog.arming, now);
            if dialog.arming.settled(now) {
                return answer_plan(state, overlay, effects);
            }
            true
        }
        Overlay::Unlock(dialog) => {
            state.dirty |= arm(&mut dialog.armed, &dialog.arming, now);
            if dialog.arming.settled(now) {
                return unlock(state, effects);
            }
            true
        }
        Overlay::Ask(dialog) => {
            state.dirty |= arm(&mut dialog.armed, &dialog.arming, now);
            !(dialog.arming.settled(now) && answer_ask(dialog, effects))
        }
    };
    if keep {
        state.overlay = Some(overlay);
    } else {
        state.dirty = true;
    }
}

/// Takes the arming over into what is drawn; true when it just changed.
fn arm(armed: &mut bool, arming: &Arming, now: Now) -> bool {
    let was = std::mem::replace(armed, arming.armed(now));
    was != *armed
}

fn scroll_key(scroll: &mut Scroll, chord: Chord) -> bool {
    if chord.is(KeyCode::Esc) || chord.is(KeyCode::Enter) || matches!(chord.char(), Some('q' | '?')) {
        return false;
    }
    scroll_by(scroll, chord, true);
    true
}

/// Moves a scroll position; letters only where they are not text.
fn scroll_by(scroll: &mut Scroll, chord: Chord, letters: bool) {
    let letter = chord.char().filter(|_| letters);
    let by = if chord.is(KeyCode::Down) || letter == Some('j') {
        1
    } else if chord.is(KeyCode::Up) || letter == Some('k') {
        -1
    } else if chord.is(KeyCode::PageDown) || chord.is_ctrl('d') {
        10
    } else if chord.is(KeyCode::PageUp) || chord.is_ctrl('u') {
        -10
    } else if letter == Some('g') || chord.is(KeyCode::Home) {
        isize::MIN
    } else if letter == Some('G') || chord.is(KeyCode::End) {
        isize::MAX
    } else {
        0
    };
    scroll.by(by);
}

fn palette_key(
    state: &mut State,
    chosen: Option<crate::action::Action>,
    overlay: Overlay,
    chord: Chord,
    burst: bool,
    effects: &mut Effects,
) {
    let Overlay::Palette(mut palette) = overlay else { return };
    if chord.is(KeyCode::Tab) || palette.reading.is_some() && chord.is(KeyCode::Esc) {
        let completed = palette.completes && palette.reading.is_none() && palette.complete();
        if !completed && !palette.read(&state.library) {
            state.toasts.say(state.now, "Enter does it; only a runbook has a page to read");
        }
        state.overlay = Some(Overlay::Palette(palette));
        return;
    }
    if chord.is(KeyCode::Esc) {
        return give_back(state, None);
    }
    if chord.is(KeyCode::Enter) {
        match chosen {
            Some(action) if burst && action.is_grave() => state.toasts.say(state.now, TOO_SOON),
            Some(action) => {
                give_back(state, Some(&action));
                return act(state, &action, effects);
            }
            None => {}
        }
    } else if let Some(reading) = &mut palette.reading {
        scroll_by(&mut reading.scroll, chord, true);
    } else if chord.is(KeyCode::Down) || chord.is_ctrl('n') {
        palette.go(1);
    } else if chord.is(KeyCode::Up) || chord.is_ctrl('p') {
        palette.go(-1);
    } else if palette.field.key(chord) {
        palette.rank();
    }
    state.overlay = Some(Overlay::Palette(palette));
}

/// What others are told is looked at: nothing is answered meanwhile.
fn told_key(dialog: &mut PlanDialog, chord: Chord) -> bool {
    if chord.is(KeyCode::Esc) || chord.is(KeyCode::Enter) {
        dialog.show_plan();
    } else {
        scroll_by(&mut dialog.scroll, chord, true);
    }
    true
}

/// The reason for which one person does what takes two is being typed. Nothing is begun by it.
fn reason_key(dialog: &mut PlanDialog, chord: Chord, policy: Policy) -> bool {
    dialog.refusal = None;
    if chord.is(KeyCode::Esc) {
        dialog.reason = None;
    } else if chord.is(KeyCode::Enter) {
        dialog.take_reason(policy);
    } else if let Some(field) = &mut dialog.reason {
        field.key(chord);
    }
    true
}

fn plan_key(dialog: &mut PlanDialog, chord: Chord, burst: bool, now: Now) -> bool {
    let disturbed = dialog.arming.disturb();
    dialog.refusal = disturbed.then(|| TOO_SOON.to_owned());
    if chord.is(KeyCode::Esc) {
        return false;
    }
    if dialog.takes_text() {
        if chord.is(KeyCode::Enter) {
            if !dialog.arming.answer(now, burst) {
                dialog.refusal = Some(TOO_SOON.to_owned());
            }
        } else if !dialog.arming.armed(now) {
            dialog.refusal = Some(TOO_SOON.to_owned());
        } else if !dialog.field.key(chord) {
            scroll_by(&mut dialog.scroll, chord, false);
        }
    } else if chord.char() == Some('y') && dialog.lacks_second() {
        dialog.refusal = Some(Refusal::NeedsTwo.to_string());
    } else if chord.char() == Some('y') && dialog.plan.body().blocked.is_empty() {
        if !dialog.arming.answer(now, burst || disturbed) {
            dialog.refusal = Some(TOO_SOON.to_owned());
        }
    } else if matches!(chord.char(), Some('n' | 'q')) && dialog.takes_yes() {
        return false;
    } else if matches!(chord.char(), Some('n' | 'q')) {
        // Who types a phrase that is not asked for must not find the rest of it in the panes.
        dialog.refusal = Some("nothing is typed here: Esc leaves".to_owned());
    } else if chord.is(KeyCode::Enter) {
        dialog.refusal = Some("Enter alone never acts: y runs it, Esc leaves".to_owned());
    } else {
        scroll_by(&mut dialog.scroll, chord, true);
    }
    true
}

/// The answer stood alone: ask the gate.
fn answer_plan(state: &mut State, overlay: Overlay, effects: &mut Effects) {
    let Overlay::Plan(mut dialog) = overlay else { return };
    let answer = match dialog.plan.level() {
        Level::Typed | Level::Two => Answer::Phrase(dialog.field.text().to_owned()),
        Level::None | Level::Yes => Answer::Yes,
    };
    let authority = Authority { writes: state.writes.state(), glass: dialog.glass.clone() };
    state.dirty = true;
    match gate::approve(dialog.plan, &answer, authority) {
        Ok(approved) => effects.push(Effect::Start(Box::new(approved))),
        Err((plan, refusal)) => {
            dialog.plan = plan;
            dialog.refusal = Some(refusal.to_string());
            state.overlay = Some(Overlay::Plan(dialog));
        }
    }
}

fn unlock_key(dialog: &mut UnlockDialog, chord: Chord, burst: bool, now: Now) -> bool {
    let disturbed = dialog.arming.disturb();
    dialog.refusal = disturbed.then(|| TOO_SOON.to_owned());
    match chord.char() {
        Some('y') => {
            if !dialog.arming.answer(now, burst || disturbed) {
                dialog.refusal = Some(TOO_SOON.to_owned());
            }
            true
        }
        Some('n' | 'q') => false,
        _ => !chord.is(KeyCode::Esc),
    }
}

fn reveal_key(dialog: &mut RevealDialog, chord: Chord) -> bool {
    if chord.is(KeyCode::Enter) {
        dialog.refusal = Some(format!("that is not {PHRASE:?}: everything stays hidden"));
    } else {
        dialog.refusal = None;
        dialog.field.key(chord);
    }
    !chord.is(KeyCode::Esc)
}

fn unlock(state: &mut State, effects: &mut Effects) {
    state.writes.unlock(state.now);
    let minutes = state.writes.relock_after().as_secs().div_ceil(60);
    state.toasts.say(state.now, format!("writes are unlocked for {minutes} minutes"));
    effects.push(record_lock(state, "unlocked"));
    state.dirty = true;
}

fn ask_key(dialog: &mut AskDialog, chord: Chord, burst: bool, now: Now, effects: &mut Effects) -> bool {
    let disturbed = dialog.arming.disturb();
    dialog.refusal = disturbed.then(|| TOO_SOON.to_owned());
    let quiet = dialog.arming.armed(now) && !burst && !disturbed;
    if chord.is(KeyCode::Esc) && dialog.skipping {
        (dialog.skipping, dialog.way) = (false, None);
    } else if chord.is(KeyCode::Esc) {
        dialog.refusal = Some("the run waits for an answer: ctrl-x stops it".to_owned());
    } else if chord.is_ctrl('x') && quiet {
        effects.push(Effect::Answer(dialog.run, RunAnswer::Stop));
        return false;
    } else if let Some(by) = paging(chord) {
        dialog.scroll.by(by);
    } else if !dialog.takes_text() && !dialog.ways.is_empty() && !is_step(chord) {
        way_key(dialog, chord, burst || disturbed, now);
    } else if dialog.takes_text() && chord.is(KeyCode::Enter) || !dialog.takes_text() && chord.char() == Some('y') {
        if !dialog.arming.answer(now, burst || disturbed) {
            dialog.refusal = Some(TOO_SOON.to_owned());
        }
    } else if dialog.takes_text() && dialog.arming.armed(now) {
        dialog.field.key(chord);
    } else if dialog.manual && chord.char() == Some('s') && quiet {
        dialog.skipping = true;
    } else if dialog.manual && chord.char() == Some(' ') && quiet {
        effects.extend(dialog.mark().map(|answer| Effect::Answer(dialog.run, answer)));
    } else if chord.is(KeyCode::Down) || chord.char() == Some('j') {
        dialog.go(1);
    } else if chord.is(KeyCode::Up) || chord.char() == Some('k') {
        dialog.go(-1);
    }
    true
}

/// Lines by which a key turns a text that may be longer than its dialog, in whatever else is typed.
fn paging(chord: Chord) -> Option<isize> {
    let down = chord.is(KeyCode::PageDown);
    (down || chord.is(KeyCode::PageUp)).then_some(if down { 10 } else { -10 })
}

/// A key that goes a line up or down.
fn is_step(chord: Chord) -> bool {
    chord.is(KeyCode::Down) || chord.is(KeyCode::Up) || matches!(chord.char(), Some('j' | 'k'))
}

/// A key that chooses what follows a failure or a stop.
fn way_key(dialog: &mut AskDialog, chord: Chord, burst: bool, now: Now) {
    let way = match chord.char() {
        Some('a') => Way::Again,
        Some('u') => Way::Undo,
        Some('g') => Way::GoOn,
        Some('n') => Way::Next,
        Some('s') => Way::Stop,
        _ => return,
    };
    if !dialog.ways.contains(&way) {
        return;
    }
    dialog.way = Some(way);
    if way == Way::GoOn {
        dialog.skipping = dialog.arming.armed(now) && !burst;
    } else if !dialog.arming.answer(now, burst) {
        dialog.refusal = Some(TOO_SOON.to_owned());
    }
}

/// The answer stood alone; true when the dialog is done.
fn answer_ask(dialog: &mut AskDialog, effects: &mut Effects) -> bool {
    let typed = dialog.field.text().trim();
    let answer = match (&dialog.phrase, dialog.skipping) {
        (_, true) if typed.is_empty() => {
            dialog.refusal = Some("a reason is needed".to_owned());
            return false;
        }
        _ if !dialog.ways.is_empty() => match dialog.way {
            Some(way) => RunAnswer::Choose { way, reason: typed.to_owned() },
            None => return false,
        },
        (_, true) => RunAnswer::Skip(typed.to_owned()),
        (Some(phrase), false) if typed != phrase => {
            dialog.refusal = Some(format!("that is not {phrase:?}: nothing was done"));
            return false;
        }
        (Some(phrase), false) => RunAnswer::Confirm(Answer::Phrase(phrase.clone())),
        (None, false) if dialog.manual => match dialog.list.missing() {
            Some(missing) => {
                dialog.refusal = Some(missing);
                return false;
            }
            None => RunAnswer::Done,
        },
        (None, false) => RunAnswer::Confirm(Answer::Yes),
    };
    effects.push(Effect::Answer(dialog.run, answer));
    true
}
