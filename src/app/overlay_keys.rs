//! Keys and time for what lies over the panes. In a dialog only the named answer acts: Enter and Esc alone never do.

use super::act::carry_out;
use super::answer::Arming;
use super::keys::give_back;
use super::params_dialog::Outcome;
use super::presenter::{self, PHRASE, RevealDialog};
use super::writes::record_lock;
use super::{AskDialog, Overlay, ParamsDialog, PlanDialog, State, UnlockDialog};
use super::{calls, choices, hush, known, planning, questions, silence_preview};
use crate::action::Action;
use crate::domain::risk::{Level, Policy};
use crate::domain::{Now, reason};
use crate::effect::{Effect, Effects, RunAnswer};
use crate::keymap::{Chord, Found};
use crate::runbook::machine::Way;
use crate::runbook::{Answer, Authority, Refusal, Writes, gate};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use crossterm::event::KeyCode;

const TOO_SOON: &str = "too soon or too fast to be meant: read, then answer";
/// The same of a question that came right after an answer.
const RESTS: &str = "that may have been meant for the question before: read, then answer";

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
        Overlay::Plan(dialog)
            if dialog.reason.is_some() && dialog.why != super::Why::Glass && chord.is(KeyCode::Enter) =>
        {
            !super::second::want(state, dialog, effects)
        }
        Overlay::Plan(dialog) if dialog.reason.is_some() => reason_key(dialog, chord, state.policy),
        Overlay::Plan(dialog) if dialog.refuses() == Some(Refusal::NeedsTwo) && chord.char() == Some('!') => {
            dialog.ask_reason(state.policy);
            true
        }
        Overlay::Plan(dialog) if dialog.writes == Writes::Locked && is_key_of(state, chord, &Action::Writes) => {
            return open_unlock(state, overlay);
        }
        Overlay::Plan(dialog) => match super::second::plan_key(state, dialog, chord, effects) {
            super::second::Taken::Stays => true,
            super::second::Taken::Leaves => return,
            super::second::Taken::No => {
                let keep = plan_key(dialog, chord, burst, now);
                if !keep {
                    calls::declined(&dialog.plan.body().request, effects);
                }
                keep
            }
        },
        Overlay::Second(dialog) => super::second::key(state, dialog, chord, burst, effects),
        Overlay::Params(dialog) => match dialog.key(chord, &choices::of(dialog, &state.cx())) {
            Outcome::Stay => true,
            Outcome::Leave => {
                calls::declined(dialog.wanted(), effects);
                false
            }
            Outcome::Plan(request) => {
                dialog.refuse(known::unknown(&dialog.runbook, &request, &state.cx()));
                let Overlay::Params(dialog) = overlay else { return };
                if dialog.is_refused() {
                    state.overlay = Some(Overlay::Params(dialog));
                    return;
                }
                return planning::ask_from(state, request, dialog, effects);
            }
        },
        Overlay::SilencePreview(preview) => silence_preview::key(state, preview, chord, effects),
        Overlay::Unlock(dialog) => {
            let keep = unlock_key(dialog, chord, burst, now);
            if !keep {
                return show_again(state, dialog.plan.take());
            }
            keep
        }
        Overlay::Reveal(dialog) => {
            if chord.is(KeyCode::Enter) && dialog.field.text() == PHRASE {
                return presenter::reveal(state);
            }
            reveal_key(dialog, chord)
        }
        Overlay::Ask(dialog) if leaves(dialog, chord) => {
            let Overlay::Ask(dialog) = overlay else { return };
            return questions::put_aside(state, *dialog);
        }
        Overlay::Ask(dialog)
            if chord.is(KeyCode::Tab) || !dialog.takes_text() && is_key_of(state, chord, &Action::Answer) =>
        {
            let Overlay::Ask(dialog) = overlay else { return };
            return questions::next(state, *dialog);
        }
        Overlay::Ask(dialog) => {
            ask_key(dialog, chord, burst, now, effects);
            true
        }
    };
    if keep {
        state.overlay = Some(overlay);
    }
}

/// Bound to that in the panes, and so in the dialogs that take it too.
fn is_key_of(state: &State, chord: Chord, action: &Action) -> bool {
    matches!(state.keymap.find(state.scope(), &[chord]), Found::Action(found) if found == action)
}

/// From a plan that can't be answered while writes are locked to the question whether to unlock them, and back.
fn open_unlock(state: &mut State, overlay: Overlay) {
    let Overlay::Plan(plan) = overlay else { return };
    state.overlay = Some(Overlay::Unlock(Box::new(UnlockDialog { plan: Some(plan), ..UnlockDialog::default() })));
}

fn show_again(state: &mut State, plan: Option<Box<PlanDialog>>) {
    state.overlay = plan.map(|mut plan| {
        plan.show_plan();
        (plan.field, plan.refusal) = (Field::default(), None);
        Overlay::Plan(plan)
    });
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
                let plan = dialog.plan.take();
                unlock(state, effects);
                return show_again(state, plan);
            }
            true
        }
        Overlay::Second(dialog) => {
            state.dirty |= arm(&mut dialog.armed, &dialog.arming, now);
            true
        }
        Overlay::Ask(dialog) => {
            state.dirty |= arm(&mut dialog.armed, &dialog.arming, now);
            dialog.rests = dialog.arming.rests(now);
            !(dialog.arming.settled(now) && answer_ask(dialog, effects))
        }
    };
    if keep {
        state.overlay = Some(overlay);
    } else {
        hush::answered(state);
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
pub(super) fn scroll_by(scroll: &mut Scroll, chord: Chord, letters: bool) {
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
                return carry_out(state, &action, effects);
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
    } else if chord.char() == Some('y') && dialog.refuses().is_some() {
        dialog.refusal = dialog.refuses().map(|refusal| refusal.to_string());
    } else if chord.char() == Some('y') && dialog.plan.body().blocked.is_empty() {
        if !dialog.arming.answer(now, burst || disturbed) {
            dialog.refusal = Some(TOO_SOON.to_owned());
        }
    } else if matches!(chord.char(), Some('n' | 'q')) && dialog.takes_key() {
        return false;
    } else if matches!(chord.char(), Some('n' | 'q')) {
        // Who types a phrase that is not asked for must not find the rest of it in the panes.
        dialog.refusal = Some("nothing is typed here: Esc leaves".to_owned());
    } else if chord.is(KeyCode::Enter) {
        let runs = if dialog.takes_yes() { "y runs it, " } else { "" };
        dialog.refusal = Some(format!("Enter alone never acts: {runs}Esc leaves"));
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
    let authority =
        Authority { writes: state.writes.state(), glass: dialog.glass.clone(), approval: dialog.approval.clone() };
    state.dirty = true;
    match gate::approve(dialog.plan, &answer, authority) {
        Ok(approved) => {
            hush::answered(state);
            effects.push(Effect::Start(Box::new(approved)));
        }
        Err((plan, refusal)) => {
            dialog.plan = plan;
            // What was refused must not be the beginning of what is typed next.
            dialog.field = Field::default();
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
        dialog.field = Field::default();
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

/// A key that puts a question aside. Where a reason is typed Esc goes back to the question first.
fn leaves(dialog: &AskDialog, chord: Chord) -> bool {
    let letter = !dialog.takes_text() && matches!(chord.char(), Some('n' | 'q'));
    letter || chord.is(KeyCode::Esc) && !dialog.skipping
}

fn ask_key(dialog: &mut AskDialog, chord: Chord, burst: bool, now: Now, effects: &mut Effects) {
    let disturbed = dialog.arming.disturb();
    let early = if dialog.rests { RESTS } else { TOO_SOON };
    (dialog.refusal, dialog.stops) = ((disturbed || dialog.rests).then(|| early.to_owned()), false);
    let burst = burst || disturbed;
    let quiet = dialog.arming.armed(now) && !burst;
    let answers = dialog.takes_text() && chord.is(KeyCode::Enter)
        || !dialog.takes_text() && dialog.ways.is_empty() && chord.char() == Some('y');
    if chord.is(KeyCode::Esc) {
        dialog.drop_reason();
    } else if let Some(by) = paging(chord) {
        dialog.scroll.by(by);
    } else if chord.is_ctrl('x') {
        dialog.stops = weigh(dialog, now, burst);
    } else if answers {
        weigh(dialog, now, burst);
    } else if dialog.takes_text() {
        if dialog.arming.armed(now) {
            dialog.field.key(chord);
        } else {
            dialog.refusal = Some(early.to_owned());
        }
    } else if chord.is(KeyCode::Down) || chord.char() == Some('j') {
        dialog.go(1);
    } else if chord.is(KeyCode::Up) || chord.char() == Some('k') {
        dialog.go(-1);
    } else if !dialog.ways.is_empty() {
        way_key(dialog, chord, burst, now);
    } else if dialog.manual && chord.char() == Some('s') && quiet {
        dialog.ask_reason(None);
    } else if dialog.manual && chord.char() == Some(' ') && quiet {
        effects.extend(dialog.mark().map(|answer| Effect::Answer(dialog.run, answer)));
    }
}

/// An answer that counts when nothing follows it. False: it came too soon, and that is told.
fn weigh(dialog: &mut AskDialog, now: Now, burst: bool) -> bool {
    let counts = dialog.arming.answer(now, burst);
    if !counts {
        dialog.refusal = Some(if dialog.rests { RESTS } else { TOO_SOON }.to_owned());
    }
    counts
}

/// Lines by which a key turns a text that may be longer than its dialog, in whatever else is typed.
fn paging(chord: Chord) -> Option<isize> {
    let down = chord.is(KeyCode::PageDown);
    (down || chord.is(KeyCode::PageUp)).then_some(if down { 10 } else { -10 })
}

/// A key that chooses what follows a failure or a stop.
fn way_key(dialog: &mut AskDialog, chord: Chord, burst: bool, now: Now) {
    let Some(way) = dialog.way_of(chord.char()) else { return };
    dialog.way = Some(way);
    if !way.is_reasoned() && dialog.phrase_of(way).is_none() {
        weigh(dialog, now, burst);
    } else if dialog.arming.armed(now) && !burst {
        dialog.ask_reason(Some(way));
    }
}

/// The answer stood alone; true when the dialog is done.
fn answer_ask(dialog: &mut AskDialog, effects: &mut Effects) -> bool {
    let typed = dialog.field.text().trim();
    let answer = match (&dialog.phrase, dialog.skipping) {
        _ if dialog.stops => RunAnswer::Stop,
        (Some(phrase), true) if dialog.way == Some(Way::Undo) && typed != phrase => {
            dialog.refusal = Some(format!("that is not {phrase:?}: nothing is undone"));
            dialog.field = Field::default();
            return false;
        }
        (_, true) if dialog.way != Some(Way::Undo) && reason::read(typed).is_none() => {
            dialog.refusal = Some(reason::WANTED.to_owned());
            return false;
        }
        _ if !dialog.ways.is_empty() => match dialog.way {
            Some(way) => RunAnswer::Choose { way, reason: typed.to_owned() },
            None => return false,
        },
        (_, true) => RunAnswer::Skip(typed.to_owned()),
        (Some(phrase), false) if typed != phrase => {
            dialog.refusal = Some(format!("that is not {phrase:?}: nothing was done"));
            dialog.field = Field::default();
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
