//! One frame: `draw(&State, &mut Buffer)` is the only place that paints. Changes nothing, formats nothing that the
//! panes have not prepared; dialogs, which come one at a time, may.

mod chrome;
mod dialog;
pub mod dump;
mod overlay;
mod params;

use crate::app::{MIN_SIZE, State};
use crate::theme::Role;
use crate::widgets::canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Paints the state, as last prepared, over the whole area.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    let screen = state.screen();
    if screen.too_small {
        return too_small(state, area, buf);
    }
    chrome::header(state, screen.header, buf);
    for (index, place) in screen.panes() {
        state.panes[index].draw(place, buf, &cx);
    }
    chrome::banner(state, screen.banner, buf);
    chrome::footer(state, screen.footer, buf);
    if let Some(overlay) = &state.overlay {
        overlay::draw(state, overlay, area, buf);
    }
    chrome::toasts(state, screen.banner.y, buf);
}

fn too_small(state: &State, area: Rect, buf: &mut Buffer) {
    let text = format!("quarterdeck needs {}×{}; here are {}×{}", MIN_SIZE.0, MIN_SIZE.1, area.width, area.height);
    let at = canvas::centred(area, text.len() as u16, 1);
    canvas::put(buf, (at.x, at.y), &text, at.width, state.cx().style(Role::Text));
}
