//! The filter of the focused table or log, or what is searched for in a log, while it is typed.

use super::State;
use crate::keymap::Chord;
use crate::widgets::field::Field;
use crossterm::event::KeyCode;

/// One key for the filter.
pub(super) fn key(state: &mut State, chord: Chord) {
    let Some(field) = &mut state.filter_edit else { return };
    if chord.is(KeyCode::Enter) {
        state.filter_edit = None;
        keep(state);
    } else if chord.is(KeyCode::Esc) {
        state.filter_edit = None;
        set(state, "");
    } else if chord.is(KeyCode::Tab) && state.logs.is_none() {
        complete(state);
    } else if field.key(chord) {
        apply(state);
    }
}

/// Who keeps a filter has found something: the first row that passes stays selected when the filter is taken away.
fn keep(state: &mut State) {
    if state.logs.is_none() && !state.pane().filter().is_empty() {
        state.with_pane(|pane, cx| {
            pane.settle(cx);
            pane.choose();
        });
    }
}

/// The name of a field, as far as it is clear which is meant.
fn complete(state: &mut State) {
    let typed = state.filter_edit.as_ref().map_or("", Field::text);
    if let Some(completed) = state.pane().completed(typed) {
        state.filter_edit = Some(Field::with(&completed));
        apply(state);
    }
}

/// The focused table is filtered by what is typed.
pub(super) fn apply(state: &mut State) {
    let text = state.filter_edit.as_ref().map(|field| field.text().to_owned()).unwrap_or_default();
    set(state, &text);
}

/// Filters, or searches in, what has the focus.
fn set(state: &mut State, text: &str) {
    match &mut state.logs {
        Some(logs) if state.searching => logs.set_search(text),
        Some(logs) => logs.set_filter(text),
        None => state.with_pane(|pane, _| pane.set_filter(text)),
    }
}
