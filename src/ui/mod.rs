//! One frame: `draw(&State, &mut Buffer)` is the only place that paints. Changes nothing, formats nothing that the
//! panes have not prepared; dialogs, which come one at a time, may.

mod chrome;
mod dialog;
mod evidence;
mod foot;
mod incident;
mod menu;
mod overlay;
mod params;
mod plan;
mod replay;
mod second;
mod silence_preview;

pub use plan::{page_text, plan_text};

use crate::app::{MIN_SIZE, State};
use crate::domain::text;
use crate::theme::Role;
use crate::widgets::{canvas, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Paints the state, as last prepared, over the whole area, with the characters that the terminal has.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    text::behind(state.veil(), || paint(state, area, buf));
    state.looks.glyphs.apply(buf);
}

fn paint(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    let screen = state.screen();
    if screen.too_small {
        return too_small(state, area, buf);
    }
    buf.set_style(area, cx.style(Role::Screen));
    chrome::header(state, screen.header, buf);
    incident::draw(state, screen.incident, buf);
    for (index, place) in screen.panes() {
        match (&state.logs, &state.page) {
            (Some(logs), _) => logs.draw(place, buf, &cx),
            (None, Some(page)) => page.draw(place, buf, &cx),
            (None, None) => state.panes[index].draw(place, buf, &cx),
        }
    }
    chrome::aside(state, screen.aside, buf);
    chrome::banner(state, screen.banner, buf);
    chrome::footer(state, screen.footer, buf);
    if let Some(overlay) = &state.overlay {
        // What stands beside the panes is read while something is asked, too.
        let room = if screen.aside.height == 0 { area } else { Rect { height: screen.aside.y, ..area } };
        overlay::draw(state, overlay, room, buf);
    }
    chrome::toasts(state, screen.aside.y, buf);
}

fn too_small(state: &State, area: Rect, buf: &mut Buffer) {
    let text = format!(
        "quarterdeck needs more room: {}×{} at least, here are {}×{}",
        MIN_SIZE.0, MIN_SIZE.1, area.width, area.height
    );
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &text, usize::from(area.width), 0);
    let width = lines.iter().map(|line| line.width()).max().unwrap_or(0) as u16;
    let at = canvas::centred(area, width, lines.len() as u16);
    for (line, y) in lines.iter().zip(at.top()..at.bottom()) {
        canvas::put(buf, (at.x, y), line, at.width, state.cx().style(Role::Text));
    }
}
