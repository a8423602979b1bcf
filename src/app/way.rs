//! Going from place to place: panes, pages of things, back and forward.

use super::State;
use super::trail::Spot;
use crate::action::Action;
use crate::domain::{Inquiry, RunId, ThingId};
use crate::effect::{Effect, Effects};
use crate::panes::logs::LogView;
use crate::panes::{Lead, Link, PANES, Page, PageFlow, Presence, RunPage, Selected};

/// Focuses a pane; an open page is left.
pub(super) fn set_focus(state: &mut State, focus: usize) {
    if focus != state.focus || state.page.is_some() || state.logs.is_some() {
        leave(state);
        (state.page, state.logs) = (None, None);
        state.focus = focus;
    }
}

/// Focuses a pane because somebody asked for it by name. One that is about a thing takes the selected one.
pub(super) fn enter(state: &mut State, focus: usize, effects: &mut Effects) {
    let selected = state.pane().selected();
    let mut panes = std::mem::take(&mut state.panes);
    let told = panes[focus].about(selected.as_ref(), &state.cx());
    state.panes = panes;
    match told {
        Ok(()) => {
            set_focus(state, focus);
            renew(state, effects);
        }
        Err(why) => state.toasts.say(state.now, why),
    }
}

/// Among the panes that stand beside each other; not a place to come back to, for it is one key away.
pub(super) fn next_pane(state: &mut State, by: isize) {
    let tables: Vec<usize> = (0..PANES.len()).filter(|index| PANES[*index].beside).collect();
    let here = tables.iter().position(|index| *index == state.focus);
    let next = here.map_or(0, |here| (here as isize + by).rem_euclid(tables.len() as isize) as usize);
    state.focus = tables[next];
}

/// There is a way back to the panes: a page, a log, or a view that took their place.
pub(super) fn is_inside(state: &State) -> bool {
    state.page.is_some() || state.logs.is_some() || !PANES[state.focus].beside
}

/// One step back at a time: a plan that is being made, filter, page, zoom, view, messages. Never out of the program.
pub(super) fn back(state: &mut State, effects: &mut Effects) {
    if super::planning::give_up(state, effects) {
        return;
    }
    if let Some(logs) = &mut state.logs {
        if !logs.back() && !earlier(state, effects) {
            state.logs = None;
        }
    } else if state.page.as_mut().and_then(Page::run_mut).is_some_and(RunPage::back) {
    } else if state.page.is_some() {
        if !earlier(state, effects) {
            state.page = None;
        }
    } else if !state.pane().filter().is_empty() {
        state.with_pane(|pane, _| pane.set_filter(""));
    } else if !PANES[state.focus].beside {
        if !earlier(state, effects) {
            state.focus = 0;
        }
    } else if state.zoom {
        state.zoom = false;
    } else if state.banner.as_ref().is_some_and(|banner| banner.is_over(&state.runs)) {
        state.banner = None;
    } else {
        state.toasts.dismiss();
    }
}

/// The page of the selected thing.
pub(super) fn open_page(state: &mut State, effects: &mut Effects) {
    if let Some(lead) = state.pane().lead() {
        return match lead {
            Lead::Thing(link) => follow(state, &link, effects),
            Lead::Pane(subject) => {
                let about = PANES.iter().position(|kind| kind.beside && kind.subject == Some(subject));
                set_focus(state, about.unwrap_or(0));
            }
        };
    }
    let opened = state.with_pane(|pane, cx| Some(Page::new(pane.selected()?, pane.details(cx)?)));
    match opened {
        Some(page) => {
            leave(state);
            state.page = Some(page);
            renew(state, effects);
        }
        None => {
            let failing = failing(state);
            let selected = state.pane().selected();
            if let (None, Some(failing)) = (&selected, failing) {
                return state.toasts.bad(state.now, failing);
            }
            let why =
                selected.and_then(|selected| missing(&selected)).unwrap_or_else(|| match state.pane().selected() {
                    Some(selected) => format!("there is nothing more to see of {}", selected.name),
                    None => "nothing is selected".to_owned(),
                });
            state.toasts.say(state.now, why);
        }
    }
}

/// What is wrong with the first source about the focused pane's subject that fails, in full: where nothing is selected that is what
/// there is to look at.
fn failing(state: &State) -> Option<String> {
    let mut failing = state.store.about(state.subject()?).filter_map(|feed| Some((&feed.id, feed.error.as_ref()?)));
    failing.next().map(|(id, (_, error))| format!("{id}: {} → {}", error.what, error.hint))
}

/// Why a selected thing can't be looked at or acted on; `None`: it can.
pub(super) fn missing(selected: &Selected) -> Option<String> {
    let name = &selected.name;
    match selected.presence {
        Presence::Here => None,
        Presence::Gone => Some(format!("{name} is gone; move the cursor to choose another")),
        Presence::Hidden => {
            Some(format!("{name} is hidden by the filter; move the cursor to choose another, or Esc clears the filter"))
        }
    }
}

/// An action while a page is open; true when that was all.
pub(super) fn page_takes(state: &mut State, action: &Action, effects: &mut Effects) -> bool {
    let Some(page) = &mut state.page else { return false };
    match page.act(action) {
        PageFlow::Done => true,
        PageFlow::Follow(link) => {
            follow(state, &link, effects);
            true
        }
        // These are about the table that lies behind.
        PageFlow::Pass => {
            matches!(
                action,
                Action::Filter
                    | Action::Sort
                    | Action::Columns
                    | Action::Mark
                    | Action::InvertMarks
                    | Action::ClearMarks
                    | Action::Reverse
                    | Action::Zoom
            )
        }
    }
}

fn follow(state: &mut State, link: &Link, effects: &mut Effects) {
    let panes = std::mem::take(&mut state.panes);
    let found = panes.iter().position(|pane| pane.has(&link.to, &state.cx()));
    state.panes = panes;
    match found {
        Some(focus) => {
            leave(state);
            let selected = Selected::here(link.to.clone(), link.name.clone());
            go(state, Spot { focus, selected: Some(selected), page: true, logs: None }, effects);
        }
        None => state.toasts.say(state.now, format!("{} is not reported any more", link.name)),
    }
}

/// The page of a run, because it begins.
pub(super) fn open_run(state: &mut State, run: RunId, effects: &mut Effects) {
    let Some(focus) = PANES.iter().position(|kind| kind.action == Action::Runs) else { return };
    leave(state);
    let selected = Selected::here(ThingId::Run(run), run.short());
    go(state, Spot { focus, selected: Some(selected), page: true, logs: None }, effects);
}

/// Back on the trail; false when there is nothing behind.
pub(super) fn earlier(state: &mut State, effects: &mut Effects) -> bool {
    let spot = state.trail.earlier(here(state));
    spot.map(|spot| go(state, spot, effects)).is_some()
}

/// Forward again; false when there is nothing ahead.
pub(super) fn later(state: &mut State, effects: &mut Effects) -> bool {
    let spot = state.trail.later(here(state));
    spot.map(|spot| go(state, spot, effects)).is_some()
}

pub(super) fn leave(state: &mut State) {
    let here = here(state);
    state.trail.leave(here);
}

fn here(state: &State) -> Spot {
    let logs = state.logs.as_ref().map(LogView::place).map(|(targets, at)| (Box::new(targets.clone()), at));
    Spot { focus: state.focus, selected: state.pane().selected(), page: state.page.is_some(), logs }
}

fn go(state: &mut State, spot: Spot, effects: &mut Effects) {
    state.focus = spot.focus;
    state.page = None;
    state.logs = spot.logs.map(|(targets, at)| LogView::again(*targets, at, &state.log_settings));
    let Some(selected) = spot.selected else { return renew(state, effects) };
    let details = state.with_pane(|pane, cx| {
        // A cursor that stands there already keeps its filter.
        if pane.selected().is_none_or(|now| now.id != selected.id) {
            pane.select(selected.clone());
        }
        pane.settle(cx);
        pane.details(cx)
    });
    if let (true, Some(details)) = (spot.page, details) {
        state.page = Some(Page::new(selected, details));
    }
    renew(state, effects);
}

/// Shows in the open page what is known now, and asks what it and the pane under it ask.
pub(super) fn renew(state: &mut State, effects: &mut Effects) {
    let mut page = state.page.take();
    if let Some(page) = &mut page {
        let details = state.with_pane(|pane, cx| {
            pane.settle(cx);
            pane.selected().filter(|selected| selected.id == page.of().id).and_then(|_| pane.details(cx))
        });
        page.renew(details);
    }
    let asked = page.iter().flat_map(Page::asks).cloned().chain(state.pane().asks());
    let asked: Vec<Inquiry> = asked.collect();
    state.dirty |= page.is_some() || !asked.is_empty();
    let seen = state.seen();
    for inquiry in asked {
        let known = state.frozen.as_ref().is_some_and(|frozen| frozen.store.answer(&inquiry).is_some());
        if !known && state.store.ask(&inquiry, seen) {
            effects.push(Effect::Inquire(inquiry));
        }
    }
    state.page = page;
}
