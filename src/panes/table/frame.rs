//! A frame with a title, or where there is no room for one, a rule.

use crate::panes::Place;
use crate::widgets::canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A frame (or a rule) with a title at its left, which leaves `kept` cells free at the right.
pub(in crate::panes) fn draw_frame(
    place: Place,
    buf: &mut Buffer,
    (border, title): (ratatui::style::Style, ratatui::style::Style),
    text: &str,
    kept: u16,
) {
    if place.framed {
        canvas::frame(buf, place.area, border);
    } else {
        canvas::rule(buf, Rect { height: 1, ..place.area }, border);
    }
    let x = place.area.x + 1;
    let end = canvas::put(buf, (x + 1, place.area.y), text, place.area.width.saturating_sub(4 + kept), title);
    canvas::put(buf, (x, place.area.y), " ", 1, title);
    canvas::put(buf, (end, place.area.y), " ", 1, title);
}
