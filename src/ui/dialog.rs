//! A framed box in the middle, with lines that scroll and a line at its foot.

use crate::app::State;
use crate::domain::text;
use crate::theme::Role;
use crate::widgets::canvas;
use crate::widgets::scroll::Scroll;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Lines with their roles.
pub type Lines = Vec<(Role, String)>;

/// Cells at the right of the lower frame in which stands how many more lines there are.
const REST: u16 = 28;

/// Draws a box whose title tells its keys; where there is no room for both, the keys stand in the lower frame. Returns the
/// area of the foot, `foot` rows high.
pub fn draw_keyed(
    state: &State,
    area: Rect,
    buf: &mut Buffer,
    (title, keys): (&str, &str),
    (lines, scroll): (&Lines, &Scroll),
    foot: u16,
) -> Rect {
    let whole = format!("{title}  ({keys})");
    if text::clean(&whole).width() <= usize::from(width(area).saturating_sub(6)) {
        return draw(state, area, buf, &whole, lines, scroll, foot);
    }
    let at = draw(state, area, buf, title, lines, scroll, foot);
    let rest = if lines.len() > usize::from(area.height.saturating_sub(4 + foot)) { REST } else { 0 };
    let border = if state.guarded { Role::DialogDanger } else { Role::DialogBorder };
    canvas::put(
        buf,
        (at.x + 1, at.bottom()),
        &format!(" {keys} "),
        at.width.saturating_sub(2 + rest),
        state.cx().style(border),
    );
    at
}

/// Draws the box; returns the area of the foot, `foot` rows high.
pub fn draw(
    state: &State,
    area: Rect,
    buf: &mut Buffer,
    title: &str,
    lines: &Lines,
    scroll: &Scroll,
    foot: u16,
) -> Rect {
    let cx = state.cx();
    let height = (lines.len() as u16).saturating_add(2 + foot).clamp(3, area.height.saturating_sub(2).max(3));
    let outer = canvas::centred(area, width(area), height);
    canvas::clear(buf, outer, cx.style(Role::Dialog));
    let border = if state.guarded { Role::DialogDanger } else { Role::DialogBorder };
    let inside = canvas::frame(buf, outer, cx.style(border));
    let end = canvas::put(buf, (outer.x + 2, outer.y), " ", 1, cx.style(Role::DialogTitle));
    let end = canvas::put(
        buf,
        (end, outer.y),
        &text::clean(title),
        outer.width.saturating_sub(6),
        cx.style(Role::DialogTitle),
    );
    canvas::put(buf, (end, outer.y), " ", 1, cx.style(Role::DialogTitle));
    let body = Rect { height: inside.height.saturating_sub(foot), ..inside };
    let scroll = scroll.shown(lines.len(), usize::from(body.height));
    let most = lines.len().saturating_sub(usize::from(body.height));
    put(state, body, buf, &lines[scroll.min(lines.len())..]);
    if most > 0 {
        let text = rest(most - scroll, lines.len());
        canvas::put_right(buf, (outer.right() - 2, outer.bottom() - 1), &text, 36, cx.style(border));
    }
    Rect { y: body.bottom(), height: foot, ..inside }
}

/// Puts lines into a part of the box, as many as there is room for.
pub fn put(state: &State, at: Rect, buf: &mut Buffer, lines: &[(Role, String)]) {
    let cx = state.cx();
    for (index, (role, line)) in lines.iter().take(usize::from(at.height)).enumerate() {
        let style = cx.style(Role::Dialog).patch(cx.style(*role));
        canvas::put(buf, (at.x + 1, at.y + index as u16), &text::clean(line), at.width.saturating_sub(2), style);
    }
}

/// What there is beside the lines shown.
fn rest(below: usize, all: usize) -> String {
    match below {
        0 => format!(" the end of {all} lines: PgUp "),
        1 => " 1 more line below: PgDn ".to_owned(),
        _ => format!(" {below} more lines below: PgDn "),
    }
}

/// Cells of a dialog's text.
pub fn text_width(area: Rect) -> usize {
    usize::from(width(area).saturating_sub(4))
}

fn width(area: Rect) -> u16 {
    area.width.saturating_sub(4).min(110)
}
