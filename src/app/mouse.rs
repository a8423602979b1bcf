//! The mouse: selects, focuses, opens, scrolls, sorts. It never acts, and answers no dialog: a hand that slips must not change anything.

use super::{Overlay, State, way};
use crate::action::Action;
use crate::domain::{Now, ThingId};
use crate::effect::{Effect, Effects};
use crate::keymap::Chord;
use crate::panes::PANES;
use crate::panes::hands::Spot;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use std::time::Duration;

/// Two clicks on one row within this open it.
const DOUBLE: Duration = Duration::from_millis(400);
/// Rows that a notch of the wheel goes.
const NOTCH: usize = 3;

/// Whether it is listened to, and the last click: when, in which pane, on which thing.
#[derive(Debug, Default)]
pub(super) struct Mouse {
    pub on: bool,
    last: Option<(Now, usize, ThingId)>,
}

impl Mouse {
    pub fn new(on: bool) -> Self {
        Self { on, last: None }
    }
}

/// Listens to it, or leaves it to the terminal. Elsewhere `M` sorts by memory: how that is done here is said too.
pub(super) fn toggle(state: &mut State, effects: &mut Effects) {
    state.mouse.on = !state.mouse.on;
    effects.push(Effect::Mouse(state.mouse.on));
    let what = if state.mouse.on {
        "the mouse selects, opens, scrolls and sorts; Shift and dragging selects text"
    } else {
        "the mouse is the terminal's"
    };
    let pressed = state.keymap.key_of(state.scope(), &Action::Mouse).and_then(|key| Chord::parse(&key));
    let sorting = pressed.and_then(|chord| super::hands::sort_hint(state, chord));
    let sorting = sorting.map_or_else(String::new, |hint| format!(" ({hint})"));
    state.toasts.say(state.now, format!("{what}{sorting}"));
}

/// One event of it.
pub(super) fn take(state: &mut State, event: MouseEvent, effects: &mut Effects) {
    if !state.mouse.on || state.filter_edit.is_some() {
        return;
    }
    let at = Position { x: event.column, y: event.row };
    let turn = match event.kind {
        MouseEventKind::ScrollDown => Some(Action::Down),
        MouseEventKind::ScrollUp => Some(Action::Up),
        MouseEventKind::Down(MouseButton::Left) => None,
        MouseEventKind::Down(MouseButton::Right | MouseButton::Middle)
        | MouseEventKind::Up(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => return,
    };
    state.dirty = true;
    // Whatever else is done with it, it was not the first half of a double click.
    let before = state.mouse.last.take();
    match turn {
        Some(turn) => wheel(state, at, &turn),
        None => click(state, at, before, effects),
    }
}

/// It scrolls what it is over: what lies over the panes first.
fn wheel(state: &mut State, at: Position, turn: &Action) {
    let by = if *turn == Action::Down { NOTCH as isize } else { -(NOTCH as isize) };
    match &mut state.overlay {
        Some(Overlay::Help { scroll }) => scroll.by(by),
        Some(Overlay::Plan(dialog)) => dialog.scroll.by(by),
        Some(Overlay::Ask(dialog)) => dialog.scroll.by(by),
        Some(Overlay::Second(dialog)) => dialog.scroll.by(by),
        Some(Overlay::Palette(palette)) => palette.go(by),
        Some(Overlay::SilencePreview(preview)) => preview.scroll.by(by),
        Some(Overlay::Menu(menu)) => menu.go(menu.cursor.saturating_add_signed(by)),
        Some(Overlay::Params(_) | Overlay::Name(_) | Overlay::Unlock(_) | Overlay::Reveal(_)) => {}
        None => turn_pane(state, at, turn),
    }
}

fn turn_pane(state: &mut State, at: Position, turn: &Action) {
    let Some(pane) = pane_at(state, at) else { return };
    for _ in 0..NOTCH {
        if let Some(mut logs) = state.logs.take() {
            logs.act(turn, &state.cx());
            state.logs = Some(logs);
        } else if let Some(page) = &mut state.page {
            page.act(turn);
        } else {
            with(state, pane, |pane, cx| pane.act(turn, cx));
        }
    }
}

/// What lies over the panes is for keys: a click beside it or on it does nothing.
fn click(state: &mut State, at: Position, before: Option<(Now, usize, ThingId)>, effects: &mut Effects) {
    let covered = state.overlay.is_some() || state.page.is_some() || state.logs.is_some();
    let Some(pane) = pane_at(state, at).filter(|_| !covered) else { return };
    let place = state.places().find(|(index, _)| *index == pane).map(|(_, place)| place);
    let spot = place.and_then(|place| with(state, pane, |pane, _| Some(pane.hands()?.spot(place, at))));
    if PANES[pane].beside {
        state.focus = pane;
    }
    match spot {
        Some(Spot::Heading(column)) => {
            with(state, pane, |pane, _| pane.hands().map(|hands| hands.sort_by(Some(column))));
        }
        Some(Spot::Row(row)) => click_row(state, (pane, row), before, effects),
        Some(Spot::Nothing) | None => {}
    }
}

/// The second click in time opens the thing, if the first one was on it too: rows may change places between the two.
fn click_row(
    state: &mut State,
    (pane, row): (usize, usize),
    before: Option<(Now, usize, ThingId)>,
    effects: &mut Effects,
) {
    let here = with(state, pane, |pane, cx| {
        if let Some(hands) = pane.hands() {
            hands.go_to(row, cx);
        }
        pane.selected().map(|selected| selected.id)
    });
    let Some(here) = here else { return };
    let again = before.is_some_and(|(at, of, thing)| of == pane && thing == here && state.now.since(at) < DOUBLE);
    if again {
        return way::open_page(state, effects);
    }
    state.mouse.last = Some((state.now, pane, here));
}

fn pane_at(state: &State, at: Position) -> Option<usize> {
    state.places().find(|(_, place)| place.area.contains(at)).map(|(index, _)| index)
}

/// Runs `f` with a pane, focused or not, as it stands on the screen.
fn with<T>(state: &mut State, pane: usize, f: impl FnOnce(&mut dyn crate::panes::Pane, &crate::cx::Cx<'_>) -> T) -> T {
    let mut panes = std::mem::take(&mut state.panes);
    let out = f(&mut *panes[pane], &state.cx());
    state.panes = panes;
    out
}
