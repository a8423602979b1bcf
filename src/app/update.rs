//! `update`: dispatch only. Each event goes to the one function that knows about it.

use super::{Overlay, State, act, filtering, hush, keys, planning, presenter, questions, run_events, way, writes};
use crate::domain::text;
use crate::effect::{Effect, Effects};
use crate::event::{Event, Stamped};
use crate::keymap::Chord;
use crossterm::event::{Event as Input, KeyEventKind};

/// Takes in one event. The only place that changes the state.
pub fn update(state: &mut State, stamped: Stamped, effects: &mut Effects) {
    state.now = stamped.now;
    // Before the event: a key that stood alone until now is not void because another comes.
    release_held(state, effects);
    let asked = hush::asks(state);
    let by_hand = matches!(stamped.event, Event::Input(_));
    match stamped.event {
        Event::Input(input) => take_input(state, input, effects),
        Event::Tick => {
            state.store.pass(state.seen());
            state.dirty = true;
            way::renew(state, effects);
        }
        Event::Sample(sample) => {
            let source = sample.source.clone();
            if state.store.apply(sample).is_some() {
                state.news.take(&state.store, &source);
                super::incidents::seen(state, &source, effects);
                state.dirty = true;
                presenter::learn(state);
                way::renew(state, effects);
            }
        }
        Event::Answered(answered) => {
            super::freeze::answered(state, answered);
            way::renew(state, effects);
        }
        Event::Run(event) => {
            run_events::take(state, event, effects);
            presenter::learn(state);
        }
        Event::Aside(aside) => {
            state.dirty = true;
            state.aside = aside;
        }
        Event::Told { bad, what } => {
            state.dirty = true;
            if bad { state.toasts.bad(state.now, what) } else { state.toasts.say(state.now, what) }
        }
        Event::Ground { light } => follow_ground(state, light),
        Event::Replayed(played) => super::replay::take(state, *played, effects),
        Event::Recording(news) => super::replay::recording(state, news),
        Event::Reloaded(reloaded) => super::reload::take(state, reloaded, effects),
        Event::Log(event) => super::logs::take(state, event),
        Event::Resumed => {
            state.dirty = true;
            repaint(state, effects);
        }
    }
    if asked.is_some() && !by_hand && hush::asks(state) != asked {
        hush::vanished(state);
    }
    pass_time(state, effects);
    planning::open_waiting(state);
    questions::settle(state);
    if let Some(Overlay::Plan(dialog)) = &mut state.overlay {
        dialog.writes = state.writes.state();
    }
    super::second::seek(state, effects);
    super::logs::ask(state, effects);
}

/// What happens by the passing of time alone.
fn pass_time(state: &mut State, effects: &mut Effects) {
    state.dirty |= state.toasts.expire(state.now);
    state.dirty |= state.presenter.pass(state.now);
    if state.writes.expire(state.now) {
        state.toasts.say(state.now, "writes are locked again: the time is over");
        effects.push(writes::record_lock(state, "locked by the timer"));
        state.dirty = true;
    }
    state.dirty |= state.note.take_if(|(_, until)| *until <= state.now.mono).is_some();
    // A notice is seen by those who see the screen.
    let due = state.news.due(&state.looks.notify, state.now);
    let hidden = |notice: String| text::behind(state.veil(), || text::clean(&notice).into_owned());
    effects.extend(due.map(hidden).map(Effect::Notify));
    super::overlay_keys::pass_time(state, effects);
}

/// Paints all of it again, and asks again what it is painted on: where the program was away, that may have changed.
pub(super) fn repaint(state: &mut State, effects: &mut Effects) {
    state.repaint = true;
    if state.looks.auto {
        effects.push(Effect::AskGround);
    }
}

/// The theme for the terminal's ground, unless somebody chose one.
fn follow_ground(state: &mut State, light: bool) {
    let wanted = if light { "light" } else { "dark" };
    if state.looks.auto && state.themes.turn_to(wanted) {
        (state.dirty, state.repaint) = (true, true);
    }
}

/// Does what a grave key asked for, once it is clear that the key stood alone.
fn release_held(state: &mut State, effects: &mut Effects) {
    if let Some(held) = state.held.take_if(|held| held.settled(state.now)) {
        act::carry_out(state, &held.action, effects);
        state.dirty = true;
    }
}

fn take_input(state: &mut State, input: Input, effects: &mut Effects) {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => keys::take(state, Chord::from_key(key), effects),
        Input::Paste(text) => take_paste(state, &text),
        Input::Resize(width, height) => {
            state.size = (width, height);
            state.dirty = true;
            state.repaint = true;
            super::hands::resized(state);
        }
        Input::Mouse(event) => super::mouse::take(state, event, effects),
        Input::Key(_) | Input::FocusGained | Input::FocusLost => {}
    }
}

/// Pasted text is text: it goes into a field that is open for it, and nowhere else.
fn take_paste(state: &mut State, text: &str) {
    state.dirty = true;
    if let Some(field) = &mut state.filter_edit {
        field.insert(text);
        filtering::apply(state);
    } else if let Some(Overlay::Palette(palette)) = &mut state.overlay {
        palette.field.insert(text);
        palette.rank();
    } else if let Some(Overlay::Name(dialog)) = &mut state.overlay {
        dialog.field.insert(text);
    } else if let Some(Overlay::Params(params)) = &mut state.overlay {
        params.fields[params.at].field.insert(text);
    } else {
        let dialog = state.overlay.as_ref().is_some_and(Overlay::is_dialog);
        let what = if dialog { "a paste is no answer: type it" } else { "pasted text does nothing here" };
        state.toasts.say(state.now, what);
    }
}
