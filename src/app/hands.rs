//! Hands on the focused table: the menus that are opened over it, and what is chosen in them.

use super::copy::{self, Way};
use super::menu::{Choice, Menu, MenuKind, MenuLine};
use super::{Overlay, State, views};
use crate::action::Action;
use crate::cx::Cx;
use crate::effect::Effects;
use crate::keymap::Chord;
use crate::panes::hands::{ColumnState, Hands, Marking, Sight};
use crate::panes::{Flow, Selected};
use crossterm::event::KeyCode;

/// Lines of a menu that PgUp and PgDn go.
const PAGE: usize = 10;

/// Runs `f` with the focused table, if the focused pane is one; else it is said that it is none.
pub(super) fn with_hands<T>(state: &mut State, f: impl FnOnce(&mut dyn Hands, &Cx<'_>) -> T) -> Option<T> {
    let done = state.with_pane(|pane, cx| pane.hands().map(|hands| f(hands, cx)));
    if done.is_none() {
        state.toasts.say(state.now, "this pane is no table: its rows stand as they were written");
    }
    done
}

/// Sorts: a table by what is chosen from a list, what is no table by what it has next.
pub(super) fn sort(state: &mut State) {
    if state.with_pane(|pane, cx| pane.hands().is_none() && pane.act(&Action::Sort, cx) == Flow::Done) {
        return;
    }
    open_sort(state);
}

/// Opens the list of what the focused table can be ordered by, the cursor on what it is ordered by.
fn open_sort(state: &mut State) {
    let lines = with_hands(state, |hands, cx| (sort_lines(hands, cx), hands.sorted()));
    let Some((lines, sorted)) = lines else { return };
    let by = Choice::Sort(sorted.map(|(column, _)| column));
    let cursor = lines.iter().position(|line| line.choice == by).unwrap_or(0);
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Sort, title: "sort by".to_owned(), lines, cursor }));
}

fn sort_lines(hands: &dyn Hands, cx: &Cx<'_>) -> Vec<MenuLine> {
    let mark = if hands.sorted().is_none() { "✓" } else { "" };
    let own = MenuLine { mark, text: hands.own_order().to_owned(), note: String::new(), choice: Choice::Sort(None) };
    let line = |column: ColumnState| MenuLine {
        mark: column.sorted.map_or("", |falling| if falling { "↓" } else { "↑" }),
        text: column.title,
        note: sight(column.sight).to_owned(),
        choice: Choice::Sort(Some(column.column)),
    };
    std::iter::once(own).chain(hands.columns(cx).into_iter().map(line)).collect()
}

/// Columns that a letter means in the list of orders: those on the screen first.
fn meant_by(letter: char, hands: &dyn Hands, cx: &Cx<'_>) -> Vec<ColumnState> {
    let columns = hands.columns(cx);
    let begin = hands.begin_with(letter).into_iter();
    let mut meant: Vec<ColumnState> =
        begin.filter_map(|of| columns.iter().find(|column| column.column == of).cloned()).collect();
    meant.sort_by_key(|column| column.sight != Sight::Shown);
    meant
}

/// A letter in the list of orders sorts by the column that begins with it; the same again by the next one, or the other way round
/// where it is the only one. False: no column begins so.
fn sort_by_letter(state: &mut State, chord: Chord) -> bool {
    // These move the cursor, and close the list.
    let letter = chord.char().filter(|char| char.is_ascii_alphabetic() && !matches!(char, 'j' | 'k' | 'g' | 'q'));
    let Some(letter) = letter else { return false };
    let sorted = with_hands(state, |hands, cx| {
        let meant = meant_by(letter.to_ascii_lowercase(), hands, cx);
        let now = meant.iter().position(|column| column.sorted.is_some());
        let next = meant.get(now.map_or(0, |now| (now + 1) % meant.len()));
        if let Some(column) = next {
            hands.sort_by(Some(column.column));
        }
        next.is_some()
    });
    sorted.unwrap_or_default()
}

/// For hands that sort by a capital letter, as in k9s and top: how it is done here, `o c sorts by CPU`.
pub(super) fn sort_hint(state: &mut State, chord: Chord) -> Option<String> {
    let letter = chord.char().filter(char::is_ascii_uppercase)?.to_ascii_lowercase();
    let key = state.keymap.key_of(state.scope(), &Action::Sort)?;
    if state.page.is_some() || state.logs.is_some() {
        return None;
    }
    let column = state.with_pane(|pane, cx| meant_by(letter, pane.hands()?, cx).into_iter().next())?;
    Some(format!("{key} {letter} sorts by {}", column.title))
}

/// Why a column can't be seen.
fn sight(sight: Sight) -> &'static str {
    match sight {
        Sight::Shown => "",
        Sight::NoRoom => "no room for it here",
        Sight::Silent => "has nothing to say now",
        Sight::Hidden => "hidden",
    }
}

/// Opens the list of the focused table's columns.
pub(super) fn open_columns(state: &mut State) {
    let Some(lines) = with_hands(state, |hands, cx| column_lines(hands, cx)) else { return };
    state.overlay =
        Some(Overlay::Menu(Menu { kind: MenuKind::Columns, title: "columns".to_owned(), lines, cursor: 0 }));
}

fn column_lines(hands: &dyn Hands, cx: &Cx<'_>) -> Vec<MenuLine> {
    let line = |column: ColumnState| MenuLine {
        mark: if column.sight == Sight::Hidden { "" } else { "✓" },
        text: column.title,
        note: sight(column.sight).to_owned(),
        choice: Choice::Column(column.column),
    };
    hands.columns(cx).into_iter().map(line).collect()
}

/// The terminal has another size: there is room for other columns.
pub(super) fn resized(state: &mut State) {
    let Some(Overlay::Menu(mut menu)) = state.overlay.take_if(|overlay| matches!(overlay, Overlay::Menu(_))) else {
        return;
    };
    state.prepare();
    let lines = with_hands(state, |hands, cx| match menu.kind {
        MenuKind::Sort => Some(sort_lines(hands, cx)),
        MenuKind::Columns => Some(column_lines(hands, cx)),
        MenuKind::Copy
        | MenuKind::Views
        | MenuKind::Runbooks
        | MenuKind::Run
        | MenuKind::UnderWay
        | MenuKind::Incident => None,
    });
    if let Some(lines) = lines.flatten() {
        menu.renew(lines);
    }
    state.overlay = Some(Overlay::Menu(menu));
}

/// Marks rows of the focused table.
pub(super) fn mark(state: &mut State, marking: Marking) {
    with_hands(state, |hands, cx| hands.mark(marking, cx));
}

/// What acts on one thing acts on the cursor's, whatever is marked; with marks that must be said.
pub(super) fn say_marks(state: &mut State, selected: Option<&Selected>) {
    let marked = state.with_pane(|pane, _| pane.hands().map_or(0, |hands| hands.marked()));
    if let (1.., Some(selected)) = (marked, selected) {
        let rows = if marked == 1 { "the marked row is".to_owned() } else { format!("the {marked} marked rows are") };
        state
            .toasts
            .say(state.now, format!("this is about {} under the cursor alone; {rows} left alone", selected.name));
    }
}

/// One key for an open menu; false closes it.
pub(super) fn menu_key(state: &mut State, menu: &mut Menu, chord: Chord, effects: &mut Effects) -> bool {
    if chord.is(KeyCode::Esc) || chord.char() == Some('q') {
        return false;
    }
    if menu.kind == MenuKind::Sort && sort_by_letter(state, chord) {
        return false;
    }
    if menu.kind == MenuKind::Incident
        && let Some(at) = chord.char().and_then(|key| menu.lines.iter().position(|line| line.mark.starts_with(key)))
    {
        menu.go(at);
        return choose(state, menu, effects);
    }
    if let Some(to) = cursor_to(menu, chord) {
        menu.go(to);
    } else if chord.is(KeyCode::Enter) {
        return choose(state, menu, effects);
    } else if let (Some('s'), Some(Choice::Take(taken))) = (chord.char(), menu.chosen()) {
        copy::take(state, taken, Way::File, effects);
        return false;
    } else if menu.kind == MenuKind::Views && (chord.char() == Some('x') || chord.is(KeyCode::Delete)) {
        views::delete(state, menu, effects);
    } else if let Some(change) = chord.char().and_then(|key| menu.column_change(key)) {
        with_hands(state, |hands, _| hands.change_columns(change));
        // What has room is known once the table is laid out again.
        state.prepare();
        if let Some(lines) = with_hands(state, |hands, cx| column_lines(hands, cx)) {
            menu.renew(lines);
        }
    }
    true
}

fn cursor_to(menu: &Menu, chord: Chord) -> Option<usize> {
    let at = menu.cursor;
    match chord.char() {
        Some('j') => Some(at + 1),
        Some('k') => Some(at.saturating_sub(1)),
        Some('g') => Some(0),
        Some('G') => Some(usize::MAX),
        _ if chord.is(KeyCode::Down) || chord.is_ctrl('n') => Some(at + 1),
        _ if chord.is(KeyCode::Up) || chord.is_ctrl('p') => Some(at.saturating_sub(1)),
        _ if chord.is(KeyCode::PageDown) => Some(at + PAGE),
        _ if chord.is(KeyCode::PageUp) => Some(at.saturating_sub(PAGE)),
        _ if chord.is(KeyCode::Home) => Some(0),
        _ if chord.is(KeyCode::End) => Some(usize::MAX),
        _ => None,
    }
}

fn choose(state: &mut State, menu: &mut Menu, effects: &mut Effects) -> bool {
    match menu.chosen() {
        Some(&Choice::Sort(column)) => {
            with_hands(state, |hands, _| hands.sort_by(column));
            if let Some(lines) = with_hands(state, |hands, cx| sort_lines(hands, cx)) {
                menu.renew(lines);
            }
            true
        }
        Some(Choice::Take(taken)) => {
            copy::take(state, taken, Way::Clipboard, effects);
            false
        }
        Some(Choice::View(view)) => {
            views::open(state, view);
            false
        }
        Some(Choice::Runbook(id)) => {
            super::thing::plan(state, id, effects);
            false
        }
        Some(Choice::Incident(step)) => {
            let step = step.clone();
            super::incidents::choose(state, &step, effects);
            false
        }
        Some(&Choice::Run(run, chosen)) => {
            super::again::choose(state, run, chosen, effects);
            false
        }
        Some(Choice::Column(_)) | None => false,
    }
}
