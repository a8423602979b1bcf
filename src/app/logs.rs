//! The log that is open: opening it, what its keys lead to, and what is asked of the readers for it. They read for the log that is
//! on the screen, and for none else.

use super::{State, way};
use crate::action::Action;
use crate::domain::{LogEvent, LogRequest};
use crate::effect::{Effect, Effects};
use crate::panes::Presence;
use crate::panes::logs::{self, LogFlow, LogView, Targets};
use crate::widgets::field::Field;
use std::time::Duration;

/// Until the next piece of work on lines that were not looked at yet: a frame.
pub(super) const SOON: Duration = Duration::from_millis(33);

/// What was asked of the readers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// How often they were asked.
    count: u64,
    /// What they read; `None`: nothing.
    request: Option<LogRequest>,
}

/// An action that opens a log, or that an open one takes; true when that was all.
pub(super) fn takes(state: &mut State, action: &Action, effects: &mut Effects) -> bool {
    if state.logs.is_none() {
        state.searching = false;
        if *action == Action::Logs {
            open(state);
            return true;
        }
        return false;
    }
    if let Action::Search | Action::Filter | Action::LogFilter = action {
        edit(state, *action == Action::Search);
        return true;
    }
    let Some(mut view) = state.logs.take() else { return false };
    let flow = view.act(action, &state.cx());
    state.logs = Some(view);
    match flow {
        LogFlow::Done => {}
        LogFlow::Pass => return false,
        LogFlow::Say(what) => state.toasts.say(state.now, what),
        LogFlow::Copy(text, what) => {
            effects.push(Effect::Copy(super::copy::hidden(state, &text)));
            state.toasts.say(state.now, format!("copied {what}"));
        }
        LogFlow::Save(mut export) => {
            export.veil = state.presenter.veil(false);
            effects.push(Effect::SaveLog(export));
        }
    }
    true
}

fn edit(state: &mut State, search: bool) {
    state.searching = search;
    let text = state.logs.as_ref().map_or("", |logs| if search { logs.search() } else { logs.filter() });
    state.filter_edit = Some(Field::replacing(text));
}

/// The log of the thing under the cursor, or of the one whose page is open; where rows are marked, of all of these by time.
fn open(state: &mut State) {
    let marked = state.with_pane(|pane, cx| pane.hands().map(|hands| hands.marked_things(cx))).unwrap_or_default();
    if state.page.is_none() && !marked.is_empty() {
        return match logs::of_marked(&marked, &state.cx(), &state.log_settings) {
            Ok((targets, left_out)) => {
                if left_out > 0 {
                    let most = marked.len() - left_out;
                    state
                        .toasts
                        .say(state.now, format!("{most} logs are read at once: {left_out} of the marked are not"));
                }
                show(state, targets);
            }
            Err(why) => state.toasts.say(state.now, why),
        };
    }
    let selected = state.page.as_ref().map(|page| page.of().clone()).or_else(|| state.pane().selected());
    let Some(selected) = selected else { return state.toasts.say(state.now, "nothing is selected") };
    if selected.presence != Presence::Here {
        let why = way::missing(&selected).unwrap_or_default();
        return state.toasts.say(state.now, why);
    }
    match logs::of(&selected.id, &state.cx(), &state.log_settings) {
        Ok(targets) => show(state, targets),
        Err(why) => state.toasts.say(state.now, why),
    }
}

fn show(state: &mut State, targets: Targets) {
    way::leave(state);
    state.page = None;
    state.logs = Some(LogView::new(targets, &state.log_settings));
}

/// Has what is on the screen read, and nothing else: called after each event.
pub(super) fn ask(state: &mut State, effects: &mut Effects) {
    let wanted = state.logs.as_ref().and_then(LogView::wants);
    if wanted == state.log_asked.request && state.logs.as_ref().is_none_or(|logs| logs.is_begun() || wanted.is_none()) {
        return;
    }
    match (&wanted, &mut state.logs) {
        (Some(request), Some(view)) => {
            state.log_asked.count += 1;
            view.begin(state.log_asked.count);
            effects.push(Effect::Follow { number: state.log_asked.count, request: Box::new(request.clone()) });
        }
        _ => effects.push(Effect::Unfollow),
    }
    state.log_asked.request = wanted;
}

/// Takes in what was read, or saved.
pub(super) fn take(state: &mut State, event: LogEvent) {
    match event {
        LogEvent::Batch { number, at, lines, states } => {
            let took = state.logs.as_mut().is_some_and(|logs| logs.take(number, at, &lines, states));
            state.dirty |= took;
        }
        LogEvent::Saved(Ok(path)) => {
            state.toasts.say(state.now, format!("saved to {}", path.display()));
            state.dirty = true;
        }
        LogEvent::Saved(Err(why)) => {
            state.toasts.bad(state.now, format!("{}: {}", why.what, why.hint));
            state.dirty = true;
        }
    }
}
