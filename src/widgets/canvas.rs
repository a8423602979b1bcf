//! Writing cells: clipped, without allocating.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Writes `text` from `x`, at most `width` cells; returns the cell after it. Cut text ends in `…`.
pub fn put(buf: &mut Buffer, (x, y): (u16, u16), text: &str, width: u16, style: Style) -> u16 {
    if width == 0 || !buf.area.contains((x, y).into()) {
        return x;
    }
    let width = width.min(buf.area.right() - x);
    unhalve(buf, x, y);
    if text.len() <= usize::from(width) || text.width() <= usize::from(width) {
        return buf.set_stringn(x, y, text, usize::from(width), style).0;
    }
    let (end, _) = buf.set_stringn(x, y, text, usize::from(width) - 1, style);
    buf.set_stringn(end, y, "…", 1, style).0
}

/// Writes `text` so that it ends right before `right`; returns where it began.
pub fn put_right(buf: &mut Buffer, (right, y): (u16, u16), text: &str, width: u16, style: Style) -> u16 {
    let cells = u16::try_from(text.width()).unwrap_or(u16::MAX).min(width);
    let x = right.saturating_sub(cells);
    put(buf, (x, y), text, cells, style);
    x
}

/// Blanks an area, cells and style.
pub fn clear(buf: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buf.area);
    for y in area.top()..area.bottom() {
        unhalve(buf, area.left(), y);
        for x in area.left()..area.right() {
            let cell = &mut buf[(x, y)];
            cell.reset();
            cell.set_style(style);
        }
    }
}

/// What is written from `x` on covers the right half of a wide character: its left half becomes a blank, because no terminal
/// can show it, and most would shift the rest of the line.
fn unhalve(buf: &mut Buffer, x: u16, y: u16) {
    if x > buf.area.left() && buf[(x - 1, y)].symbol().width() > 1 {
        buf[(x - 1, y)].set_symbol(" ");
    }
}

/// Draws a frame with square corners and returns the area inside.
pub fn frame(buf: &mut Buffer, area: Rect, style: Style) -> Rect {
    let area = area.intersection(buf.area);
    if area.width < 2 || area.height < 2 {
        return Rect::ZERO;
    }
    let (left, right, top, bottom) = (area.left(), area.right() - 1, area.top(), area.bottom() - 1);
    for x in left + 1..right {
        set(buf, (x, top), "─", style);
        set(buf, (x, bottom), "─", style);
    }
    for y in top + 1..bottom {
        set(buf, (left, y), "│", style);
        set(buf, (right, y), "│", style);
    }
    for (corner, at) in [("┌", (left, top)), ("┐", (right, top)), ("└", (left, bottom)), ("┘", (right, bottom))]
    {
        set(buf, at, corner, style);
    }
    Rect { x: left + 1, y: top + 1, width: area.width - 2, height: area.height - 2 }
}

/// Draws a horizontal rule.
pub fn rule(buf: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buf.area);
    for x in area.left()..area.right() {
        set(buf, (x, area.y), "─", style);
    }
}

fn set(buf: &mut Buffer, at: (u16, u16), symbol: &str, style: Style) {
    buf[at].set_symbol(symbol).set_style(style);
}

/// An area of at most the given size in the middle of another.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
