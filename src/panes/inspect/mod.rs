//! All that an engine says of one container, word for word but for its secrets: for what no column and no page tells.

use super::table::draw_frame;
use super::text::TextView;
use super::{Details, Flow, Pane, PaneKind, Place, Selected, top};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Inquiry, SourceId, ThingId, text};
use crate::keymap::Scope;
use crate::theme::Role;
use crate::widgets::{canvas, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Inspect",
    doc: "all that the engine says of one container, as JSON without secrets: scroll, search, copy",
    scope: Scope::Text,
    action: Action::Inspect,
    subject: None,
    beside: false,
    make: || Box::new(InspectPane::default()),
};

/// The page.
#[derive(Default)]
pub struct InspectPane {
    of: Option<(Selected, SourceId)>,
    view: TextView,
    search: String,
    notes: Vec<(Role, String)>,
    title: String,
}

impl InspectPane {
    fn turn_to(&mut self, selected: &Selected) -> bool {
        let ThingId::Container { source, .. } = &selected.id else { return false };
        if self.of.as_ref().is_none_or(|(of, _)| of.id != selected.id) {
            self.view.clear();
            self.of = Some((selected.clone(), source.clone()));
            self.set_filter("");
        }
        true
    }

    /// What stands above the text: that it is waited for, or why there is none.
    fn tell(&mut self, width: usize, cx: &Cx<'_>) {
        self.notes.clear();
        let Some(asks) = self.asks() else { return };
        let (role, note) = match cx.store.answer(&asks) {
            None => (Role::Muted, "asking the engine …".to_owned()),
            Some(Err(error)) => (Role::SeverityCritical, format!("▲ {}", top::failed(error))),
            Some(Ok(found)) => {
                self.view.set(found.text().map_or("", |text| text));
                return;
            }
        };
        let mut lines = Vec::new();
        wrap::lines(&mut lines, &note, width, 2);
        self.notes.extend(lines.into_iter().map(|line| (role, line)));
    }

    fn head(&mut self) {
        let name = self.of.as_ref().map_or("", |(of, _)| of.name.as_str());
        self.title = format!("{}  {}", KIND.title, text::clean(name));
        if let Some(found) = self.view.found() {
            self.title.push_str(&format_args!("  /{}: {found}", text::typed(&self.search)).to_string());
        }
    }

    /// What is left for the text.
    fn body(&self, place: Place) -> Rect {
        let inside = place.inside();
        let notes = (self.notes.len() as u16).min(inside.height);
        Rect { y: inside.y + notes, height: inside.height - notes, ..inside }
    }
}

impl Pane for InspectPane {
    fn act(&mut self, action: &Action, _: &Cx<'_>) -> Flow {
        match (action, action.motion()) {
            (_, Some(motion)) => self.view.travel(motion),
            (Action::NextMatch, _) => _ = self.view.next(1),
            (Action::PreviousMatch, _) => _ = self.view.next(-1),
            _ => return Flow::Pass,
        }
        Flow::Done
    }

    fn refresh(&mut self, place: Place, cx: &Cx<'_>) {
        self.tell(usize::from(place.inside().width.saturating_sub(2)), cx);
        self.view.refresh(self.body(place));
        self.head();
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 26);
        let inside = place.inside();
        for ((role, line), y) in self.notes.iter().zip(inside.top()..inside.bottom()) {
            canvas::put(buf, (inside.x + 1, y), line, inside.width.saturating_sub(2), cx.style(*role));
        }
        self.view.draw(self.body(place), buf, cx);
        self.view.draw_place(place, buf, cx);
    }

    fn settle(&mut self, _: &Cx<'_>) {}

    fn rows(&self) -> usize {
        self.view.rows()
    }

    fn has(&self, _: &ThingId, _: &Cx<'_>) -> bool {
        // A container is the containers pane's.
        false
    }

    fn selected(&self) -> Option<Selected> {
        self.of.as_ref().map(|(of, _)| of.clone())
    }

    fn select(&mut self, selected: Selected) {
        self.turn_to(&selected);
    }

    fn details(&self, _: &Cx<'_>) -> Option<Details> {
        None
    }

    fn about(&mut self, selected: Option<&Selected>, _: &Cx<'_>) -> Result<(), String> {
        let done = selected.is_some_and(|selected| self.turn_to(selected));
        if done { Ok(()) } else { Err("put the cursor on a container first: its engine is asked about it".to_owned()) }
    }

    fn asks(&self) -> Option<Inquiry> {
        let (of, source) = self.of.as_ref()?;
        let ThingId::Container { id, .. } = &of.id else { return None };
        Some(Inquiry::Inspect { source: source.clone(), container: id.clone() })
    }

    fn text(&self) -> Option<String> {
        Some(self.view.text()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn filter(&self) -> &str {
        &self.search
    }

    fn filter_hint(&self) -> &'static str {
        "words to search for; n and N go on"
    }

    fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.search);
        self.view.search(text);
    }
}
