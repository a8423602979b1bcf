//! A menu, painted.

use super::dialog::{self, Lines};
use crate::app::{Fact, Menu, NameDialog, State, Topic, Word};
use crate::domain::text::{self, clean};
use crate::domain::{RunId, Severity};
use crate::runbook::RunView;
use crate::theme::Role;
use crate::widgets::scroll::Scroll;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Cells of a line's text at most, so that the notes stand below each other.
const TEXT: usize = 48;

/// Paints it, the cursor's line in view.
pub fn draw(state: &State, menu: &Menu, area: Rect, buf: &mut Buffer) {
    let room = usize::from(area.height.saturating_sub(4)).max(1);
    let first = menu.cursor.saturating_sub(room.saturating_sub(1));
    let wide = menu.lines.iter().map(|line| line.text.width()).max().unwrap_or(0).min(TEXT);
    let mut lines = Lines::new();
    for (index, line) in menu.lines.iter().enumerate() {
        let cursor = if index == menu.cursor { "▶" } else { " " };
        let mark = text::pad(line.mark, 1);
        let name = text::pad(&text::shorten(&line.text, TEXT), wide);
        let role = if menu.kind.dims_notes() && !line.note.is_empty() { Role::Muted } else { Role::Text };
        lines.push((role, format!("{cursor} {mark} {name}  {}", line.note)));
    }
    let mut scroll = Scroll::default();
    scroll.to(first);
    dialog::draw_keyed(state, area, buf, (&menu.title, menu.kind.keys()), (&lines, &scroll), 0);
}

/// The name of a view, being typed.
pub fn draw_name(state: &State, name: &NameDialog, area: Rect, buf: &mut Buffer) {
    let mut lines = Lines::new();
    match &name.topic {
        Topic::View => {}
        Topic::Run(run, word) => return draw_word(state, name, (*run, *word), area, buf),
        Topic::Incident(ask) => {
            for Fact { severity, text } in state.incident_facts(ask, name.field.text()) {
                let text = if severity > Severity::Info { format!("! {text}") } else { text };
                super::overlay::wrap_into(&mut lines, severity.into(), &text, dialog::text_width(area), 2);
            }
            super::overlay::wrap_into(&mut lines, Role::Text, ask.question, dialog::text_width(area), 0);
            if name.field.is_selected() {
                lines.push((
                    Role::Muted,
                    "What you type replaces what stands there; End keeps it, to be edited.".to_owned(),
                ));
            }
            let title = format!("{}  (Enter records it, Esc leaves)", ask.title);
            return draw_typed(state, name, (&title, &lines), area, buf);
        }
    }
    let text =
        "What is kept: every table's filter, order and columns, the pane with the focus, and whether it stands alone.";
    super::overlay::wrap_into(&mut lines, Role::Text, text, dialog::text_width(area), 0);
    draw_typed(state, name, ("name this view  (Enter saves, Esc leaves)", &lines), area, buf);
}

/// A title, what is asked, and the field.
fn draw_typed(state: &State, name: &NameDialog, (title, lines): (&str, &Lines), area: Rect, buf: &mut Buffer) {
    // A long text is seen whole, as far as there is room.
    let rows = name.field.rows(u16::try_from(dialog::text_width(area)).unwrap_or(u16::MAX)).min(area.height / 3).max(1);
    let foot = dialog::draw(state, area, buf, title, lines, &Scroll::default(), rows);
    let field = Rect { x: foot.x + 1, width: foot.width.saturating_sub(2), ..foot };
    name.field.draw(field, buf, state.cx().style(Role::Input));
}

/// What a person says of a run, being typed.
fn draw_word(state: &State, name: &NameDialog, (run, word): (RunId, Word), area: Rect, buf: &mut Buffer) {
    let view = state.runs.get(run);
    let doubt = view.and_then(RunView::doubt).map(|doubt| format!("Of run {}: {doubt}. ", run.short()));
    let subject = view.and_then(RunView::doubt_subject).unwrap_or_else(|| "the change".to_owned());
    let saw = |what: &str| {
        let doubt = doubt.as_deref().unwrap_or_default();
        format!(
            "{doubt}You saw that {subject} {what}. What did you see, and where? It is recorded under your name, and what follows builds on it."
        )
    };
    let text = match word {
        Word::Happened => saw("happened"),
        Word::Nothing => saw("did not happen"),
        Word::GivenUp => {
            let doubt = doubt.as_deref().unwrap_or_default();
            format!("{doubt}The run is left as it is, and what it locks is free. Why? It is recorded under your name.")
        }
    };
    let mut lines = Lines::new();
    super::overlay::wrap_into(&mut lines, Role::Text, &clean(&text), dialog::text_width(area), 0);
    let title = format!("run {}  (Enter records it, Esc leaves)", run.short());
    draw_typed(state, name, (&title, &lines), area, buf);
}
