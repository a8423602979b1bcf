//! The parameters of a plan, painted.

use super::dialog::{self, Lines, text_width};
use super::foot::Foot;
use super::overlay::wrap_into;
use crate::app::{ParamsDialog, Possible, State, possible};
use crate::domain::{Severity, text};
use crate::runbook::model::{Param, ParamType};
use crate::theme::Role;
use crate::widgets::scroll::Scroll;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Cells for names.
const NAME: u16 = 20;
/// Cells for texts; what a parameter may be stands after them.
const TEXT: u16 = 30;

/// Rows of the list of what a field can be.
const LIST: usize = 6;
/// What stands before each of them, so that it is below the texts.
const BELOW: &str = "                  ";

/// Paints the dialog.
pub fn draw(state: &State, params: &ParamsDialog, area: Rect, buf: &mut Buffer) {
    let (mut lines, mut rows) = (Lines::new(), Vec::new());
    let possible = possible(params, &state.cx());
    for (index, field) in params.fields.iter().enumerate() {
        rows.push(lines.len() as u16);
        let mark = if index == params.at { "▶" } else { " " };
        let role = if index == params.at { Role::Text } else { Role::Muted };
        let (name, text) = (usize::from(NAME) - 3, usize::from(TEXT));
        lines.push((role, format!("{mark} {:name$} {:text$} {}", field.param.name, "", allowed(&field.param))));
        if let Some(wrong) = &field.wrong {
            wrap_into(&mut lines, Role::SeverityWarning, &format!("  ▲ {wrong}"), text_width(area), 4);
        }
        if let Some(what) = field.param.description.as_ref().filter(|_| index == params.at) {
            wrap_into(&mut lines, Role::Muted, &format!("  {what}"), text_width(area), 2);
        }
        if index == params.at {
            list(&mut lines, &possible, params.chosen.as_deref());
        }
    }
    let title = format!("parameters: {}", params.runbook.title);
    let ask = if possible.is_empty() {
        "Tab next   Enter makes the plan, and changes nothing yet   Esc leaves"
    } else {
        "Tab next   Down lists   Enter plans, and changes nothing   Esc leaves"
    };
    let foot = Foot::new(area, (Role::Muted, ask), params.refusal.as_deref(), None);
    // The field under the cursor is in sight, with what is wrong with it.
    let room = area.height.saturating_sub(4 + foot.height());
    let end = rows.get(params.at + 1).copied().unwrap_or(lines.len() as u16);
    let mut scroll = Scroll::default();
    scroll.to(usize::from(end.saturating_sub(room)));
    let at = dialog::draw(state, area, buf, &title, &lines, &scroll, foot.height());
    foot.draw(state, at, buf);
    let shown = room.min(lines.len() as u16);
    let first = scroll.shown(lines.len(), usize::from(shown)) as u16;
    let top = at.y.saturating_sub(shown);
    for (index, (field, row)) in params.fields.iter().zip(rows).enumerate() {
        let Some(row) = row.checked_sub(first).filter(|row| *row < shown) else { continue };
        let at = Rect { x: at.x + NAME, y: top + row, width: TEXT - 1, height: 1 };
        let style = state.cx().style(if index == params.at { Role::Input } else { Role::Dialog });
        field.field.draw_with(at, buf, style, index == params.at);
    }
}

/// What the field can be, the chosen one in sight. How many more there are stands below.
fn list(lines: &mut Lines, possible: &[Possible], chosen: Option<&str>) {
    let at = chosen.and_then(|chosen| possible.iter().position(|one| one.text == chosen));
    let first = at.map_or(0, |at| (at + 1).saturating_sub(LIST));
    let wide = possible.iter().map(|one| one.text.width()).max().unwrap_or(0).min(usize::from(TEXT));
    for (index, one) in possible.iter().enumerate().skip(first).take(LIST) {
        let mark = if at == Some(index) { "›" } else { " " };
        let role = match one.severity {
            Severity::None | Severity::Ok if at != Some(index) => Role::Muted,
            Severity::None | Severity::Ok => Role::Text,
            other => other.into(),
        };
        lines.push((role, format!("{BELOW}{mark} {}  {}", text::pad(&one.text, wide), one.note)));
    }
    let more = possible.len().saturating_sub(first + LIST);
    if more > 0 {
        lines.push((Role::Muted, format!("{BELOW}… {more} more")));
    }
}

/// What a parameter may be, in few words.
fn allowed(param: &Param) -> String {
    let empty = param.empty.as_ref().map(|word| format!(", empty for {word}")).unwrap_or_default();
    let kind = match param.kind {
        ParamType::Int => "number",
        ParamType::String => "text",
        ParamType::Bool => "true or false",
        ParamType::Duration => "time, as 90s",
        ParamType::Server => "server",
        ParamType::Address => "host or address",
        ParamType::Enum => "choice",
        ParamType::Container => "container, as ENGINE/NAME",
        ParamType::Database => "database",
    };
    match (param.min, param.max, param.choices.is_empty()) {
        (.., false) => format!("{}{empty}", param.choices.join(" | ")),
        (Some(min), Some(max), true) => format!("{kind}, {min} to {max}{empty}"),
        (Some(min), None, true) => format!("{kind}, {min} or more{empty}"),
        (None, Some(max), true) => format!("{kind}, at most {max}{empty}"),
        (None, None, true) => format!("{kind}{empty}"),
    }
}
