//! Named views: kept, listed, opened, deleted; and the screen as it was left, where that is wanted.

use super::incidents::Ask;
use super::menu::{Choice, Menu, MenuKind, MenuLine};
use super::{Overlay, State};
use crate::domain::view::{TableView, View};
use crate::domain::{RunId, nearest};
use crate::effect::{Effect, Effects, Word};
use crate::keymap::Chord;
use crate::panes::{PANES, Pane};
use crate::widgets::field::Field;
use crossterm::event::KeyCode;

/// What the person at this terminal and the team want the screen to be like.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Views of the config, the team's.
    pub team: Vec<View>,
    /// Views that were saved here.
    pub own: Vec<View>,
    /// The one to begin with.
    pub start: Option<View>,
    /// The screen as it is left is kept for the next start.
    pub remember: bool,
    /// The mouse is listened to.
    pub mouse: bool,
    /// The config has it so, whatever the command line says.
    pub configured_mouse: bool,
}

/// The name of a view, while it is typed.
#[derive(Clone, Debug, Default)]
pub struct NameDialog {
    /// What is typed.
    pub field: Field,
    /// What the text is.
    pub topic: Topic,
}

/// What is typed.
#[derive(Clone, Debug, Default)]
pub enum Topic {
    /// The name of a view.
    #[default]
    View,
    /// What a person says of a run.
    Run(RunId, Word),
    /// What a person says of an incident.
    Incident(Box<Ask>),
}

/// Asks for the name of the view that the screen shows.
pub(super) fn ask_name(state: &mut State) {
    state.overlay = Some(Overlay::Name(NameDialog::default()));
}

/// One key for the name; false closes the dialog.
pub(super) fn name_key(state: &mut State, dialog: &mut NameDialog, chord: Chord, effects: &mut Effects) -> bool {
    if chord.is(KeyCode::Esc) {
        return false;
    }
    if let Topic::Incident(ask) = &mut dialog.topic
        && chord.is(KeyCode::Tab)
    {
        ask.turn(dialog.field.text());
        return true;
    }
    if !chord.is(KeyCode::Enter) {
        dialog.field.key(chord);
        return true;
    }
    match &dialog.topic {
        Topic::View => {}
        Topic::Run(run, word) => return !super::again::say(state, *run, *word, dialog.field.text(), effects),
        Topic::Incident(ask) => return !super::incidents::typed(state, ask, dialog.field.text(), effects),
    }
    let name = dialog.field.text().trim().to_owned();
    if name.is_empty() {
        state.toasts.say(state.now, "a view needs a name: type one, or Esc leaves");
        return true;
    }
    let view = current(state, name);
    let again = state.habits.own.iter_mut().find(|own| own.name == view.name);
    let what = format!("view {} is {}", view.name, if again.is_some() { "saved anew" } else { "saved" });
    match again {
        Some(own) => *own = view,
        None => state.habits.own.push(view),
    }
    effects.push(Effect::KeepViews { views: state.habits.own.clone(), what });
    false
}

/// The screen as it is now.
pub(super) fn current(state: &mut State, name: String) -> View {
    let mut panes = std::mem::take(&mut state.panes);
    let tables = PANES.iter().zip(&mut panes).map(|(kind, pane)| {
        let mut table = pane.hands().map(|hands| hands.view()).unwrap_or_default();
        pane.filter().clone_into(&mut table.filter);
        (kind.action.name().into_owned(), table)
    });
    let changed = tables.filter(|(_, table)| *table != TableView::default()).collect();
    state.panes = panes;
    View { name, focus: Some(PANES[state.focus].action.name().into_owned()), zoom: state.zoom, panes: changed }
}

/// The whole screen as a view has it: tables that it does not name are as they come. What it names and nobody knows is told.
pub(super) fn open(state: &mut State, view: &View) {
    let mut panes = std::mem::take(&mut state.panes);
    let unknown = show(&mut panes, view);
    state.panes = panes;
    super::way::set_focus(state, view.focus.as_deref().and_then(position).unwrap_or(state.focus));
    state.zoom = view.zoom;
    if !unknown.is_empty() {
        state.toasts.bad(state.now, format!("view {}: {}; save it anew, or mend it", view.name, unknown.join(", ")));
    }
}

/// What the config's views name and nobody knows: a sentence for each view.
pub fn troubles(views: &[View]) -> Vec<String> {
    let trouble = |view: &View| {
        let mut panes: Vec<_> = PANES.iter().map(|kind| (kind.make)()).collect();
        let unknown = show(&mut panes, view);
        (!unknown.is_empty()).then(|| format!("[[view]] {}: {}; mend it in the config", view.name, unknown.join(", ")))
    };
    views.iter().filter_map(trouble).collect()
}

fn position(name: &str) -> Option<usize> {
    PANES.iter().position(|kind| kind.action.name() == name)
}

/// Every pane as a view has it; returns what it names and nobody knows.
fn show(panes: &mut [Box<dyn Pane>], view: &View) -> Vec<String> {
    let mut unknown: Vec<String> = Vec::new();
    for (kind, pane) in PANES.iter().zip(panes) {
        let table = view.panes.get(kind.action.name().as_ref()).cloned().unwrap_or_default();
        pane.set_filter(&table.filter);
        if let Some(hands) = pane.hands() {
            unknown.extend(
                hands.set_view(&table).into_iter().map(|column| format!("{} has no column {column}", kind.title)),
            );
        }
    }
    let named = view.panes.keys().chain(&view.focus).filter(|name| position(name).is_none());
    unknown.extend(named.map(|name| {
        let near = nearest(name, PANES.iter().map(|kind| kind.action.word()));
        near.map_or_else(
            || format!("there is no pane {name}"),
            |near| format!("there is no pane {name}: did you mean {near}?"),
        )
    }));
    unknown
}

/// Opens the list of views.
pub(super) fn list(state: &mut State) {
    let lines = lines(&state.habits);
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Views, title: "views".to_owned(), lines, cursor: 0 }));
}

fn lines(habits: &Habits) -> Vec<MenuLine> {
    let line = |text: &str, note: String, view: View| MenuLine {
        mark: "",
        text: text.to_owned(),
        note,
        choice: Choice::View(Box::new(view)),
    };
    let own = habits.own.iter().map(|view| line(&view.name, about(view), view.clone()));
    let team = habits.team.iter().map(|view| line(&view.name, format!("the config's: {}", about(view)), view.clone()));
    let plain = line("(plain)", "every table as it comes".to_owned(), View::default());
    own.chain(team).chain([plain]).collect()
}

/// `containers /state:unhealthy`, and what else is changed.
fn about(view: &View) -> String {
    let focus = view.focus.clone().unwrap_or_default();
    let filters = view.panes.iter().filter(|(_, table)| !table.filter.is_empty());
    let filters: Vec<String> = filters.map(|(name, table)| format!("{name} /{}", table.filter)).collect();
    format!("{focus}{} {}", if view.zoom { " alone" } else { "" }, filters.join(", ")).trim_end().to_owned()
}

/// Deletes the view under the cursor, if it was saved here.
pub(super) fn delete(state: &mut State, menu: &mut Menu, effects: &mut Effects) {
    let Some(Choice::View(view)) = menu.chosen() else { return };
    let before = state.habits.own.len();
    state.habits.own.retain(|own| own != &**view);
    if state.habits.own.len() == before {
        return state.toasts.say(state.now, "it was not saved here: the config has it, or the program itself");
    }
    let what = format!("view {} is deleted", view.name);
    effects.push(Effect::KeepViews { views: state.habits.own.clone(), what });
    menu.renew(lines(&state.habits));
}
