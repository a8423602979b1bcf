//! The foot of a dialog: what to answer, the field to answer in, and why the last answer did not count. Broken into as many
//! lines as it takes: how to leave must be read on the narrowest screen.

use super::dialog::text_width;
use crate::app::State;
use crate::domain::text;
use crate::theme::Role;
use crate::widgets::field::Field;
use crate::widgets::{canvas, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A foot, broken to the width of its dialog.
pub struct Foot<'a> {
    role: Role,
    ask: Vec<String>,
    /// At least one line, so that nothing moves when the first answer is refused.
    refusal: Vec<String>,
    field: Option<&'a Field>,
}

impl<'a> Foot<'a> {
    /// For a dialog on `area`.
    pub fn new(area: Rect, (role, ask): (Role, &str), refusal: Option<&str>, field: Option<&'a Field>) -> Self {
        let width = text_width(area);
        let (mut asks, mut refusals) = (Vec::new(), Vec::new());
        wrap::lines(&mut asks, ask, width, 0);
        if let Some(refusal) = refusal {
            wrap::lines(&mut refusals, &format!("▲ {}", text::clean(refusal)), width, 2);
        }
        refusals.resize(refusals.len().max(1), String::new());
        Self { role, ask: asks, refusal: refusals, field }
    }

    /// Rows it takes.
    pub fn height(&self) -> u16 {
        (self.ask.len() + usize::from(self.field.is_some()) + self.refusal.len()) as u16
    }

    /// Paints it.
    pub fn draw(&self, state: &State, at: Rect, buf: &mut Buffer) {
        let cx = state.cx();
        let style = |role: Role| cx.style(Role::Dialog).patch(cx.style(role));
        let (x, width) = (at.x + 1, at.width.saturating_sub(2));
        let mut y = at.y;
        for line in &self.ask {
            canvas::put(buf, (x, y), line, width, style(self.role));
            y += 1;
        }
        if let Some(field) = self.field {
            field.draw(Rect { x, y, width, height: 1 }, buf, cx.style(Role::Input));
            y += 1;
        }
        for line in &self.refusal {
            canvas::put(buf, (x, y), line, width, style(Role::SeverityWarning));
            y += 1;
        }
    }
}
