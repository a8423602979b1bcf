//! Actions carried out, whether a key or the palette asked for them: each goes to the one function that does it.

use super::pace::{self, Pace};
use super::{Overlay, Palette, State, presenter, questions, silence_preview, thing, update, way, writes};
use crate::action::Action;
use crate::domain::ThingId;
use crate::effect::{Effect, Effects};
use crate::panes::hands::Marking;
use crate::panes::{PANES, Selected};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use std::time::Duration;

/// The second of two keys that leave a run must come within this; as long as the message stays.
const LEAVE_AGAIN: Duration = Duration::from_secs(4);

/// Carries out an action, whether a key or the palette asked for it.
pub(super) fn carry_out(state: &mut State, action: &Action, effects: &mut Effects) {
    state.with_pane(|pane, cx| pane.settle(cx));
    if super::logs::takes(state, action, effects) {
        return;
    }
    if let Some(focus) = PANES.iter().position(|kind| &kind.action == action) {
        return way::enter(state, focus, effects);
    }
    if way::page_takes(state, action, effects) {
        return;
    }
    match action {
        Action::NextPane => way::next_pane(state, 1),
        Action::PreviousPane => way::next_pane(state, -1),
        Action::Zoom => state.zoom = !state.zoom,
        Action::Filter => state.filter_edit = Some(Field::replacing(state.pane().filter())),
        Action::Help => state.overlay = Some(Overlay::Help { scroll: Scroll::default() }),
        Action::Palette => {
            state.overlay = Some(Overlay::Palette(Palette::all(state.scope(), &state.keymap, &state.library)));
        }
        Action::Actions => open_actions(state),
        Action::SilencePreview => silence_preview::open(state),
        Action::Details => way::open_page(state, effects),
        Action::Back => way::back(state, effects),
        Action::Earlier => {
            if !way::earlier(state, effects) {
                state.toasts.say(state.now, "there is nothing before this");
            }
        }
        Action::Later => {
            if !way::later(state, effects) {
                state.toasts.say(state.now, "there is nothing after this");
            }
        }
        Action::Sort => super::hands::sort(state),
        Action::Columns => super::hands::open_columns(state),
        Action::Freeze => super::freeze::toggle(state),
        Action::PollSlower => pace::set(state, Pace::Slower, effects),
        Action::PollFaster => pace::set(state, Pace::Faster, effects),
        Action::PollConfigured => pace::set(state, Pace::Configured, effects),
        Action::Mouse => super::mouse::toggle(state, effects),
        Action::Views => super::views::list(state),
        Action::SaveView => super::views::ask_name(state),
        Action::Copy => super::copy::open(state),
        Action::Announce => super::announce::run(state, effects),
        Action::Mark => super::hands::mark(state, Marking::Toggle),
        Action::InvertMarks => super::hands::mark(state, Marking::Invert),
        Action::ClearMarks => super::hands::mark(state, Marking::Clear),
        Action::PollNow if state.replay.is_some() => {
            state.toasts.say(state.now, "this is a recording: nobody is asked");
        }
        Action::PollNow => {
            state.toasts.say(state.now, "asking every source");
            effects.push(Effect::PollNow(Vec::new()));
        }
        Action::Theme => {
            state.looks.auto = false;
            state.themes.turn();
            let name = state.themes.shown().name().to_owned();
            state.toasts.say(state.now, format!("theme {name}"));
            state.repaint = true;
        }
        Action::Presenter => presenter::turn(state),
        Action::Writes => writes::toggle(state, effects),
        Action::Answer => questions::answer(state, effects),
        Action::Incident => super::incidents::open(state),
        Action::Reload if state.replay.is_some() => {
            state.toasts.say(state.now, "this is a recording: the config is read at the next start");
        }
        Action::Reload => effects.push(Effect::Reload),
        Action::Redraw => update::repaint(state, effects),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::ReplayPause
        | Action::ReplayBack
        | Action::ReplayForward
        | Action::ReplayFarBack
        | Action::ReplayFarForward
        | Action::ReplayFaster
        | Action::ReplaySlower => super::replay::ask(state, action, effects),
        Action::Quit => leave(state, effects),
        Action::Plan => super::offers::plan(state, effects),
        Action::Runbook(id) => thing::plan(state, id, effects),
        Action::Do(verb) => super::offers::by_verb(state, *verb, effects),
        Action::Down
        | Action::Up
        | Action::HalfPageDown
        | Action::HalfPageUp
        | Action::PageDown
        | Action::PageUp
        | Action::Top
        | Action::Bottom
        | Action::Group
        | Action::NextMatch
        | Action::PreviousMatch
        | Action::Reverse => {
            state.with_pane(|pane, cx| pane.act(action, cx));
        }
        // Only a log takes these.
        Action::Logs
        | Action::Follow
        | Action::Search
        | Action::LogErrors
        | Action::LogWarnings
        | Action::LogPatterns
        | Action::OtherLogs
        | Action::LogWrap
        | Action::LogTimes
        | Action::LogZone
        | Action::LogFilter
        | Action::LogCopyLine
        | Action::LogCopyAll
        | Action::LogSave
        | Action::Since(_) => {
            state.toasts.say(state.now, "that works in a log: l opens the log of a container or a server");
        }
        Action::Servers
        | Action::Containers
        | Action::Alerts
        | Action::Databases
        | Action::Runbooks
        | Action::Runs
        | Action::Timeline
        | Action::Overview
        | Action::AlertGroups
        | Action::Silences
        | Action::Rules
        | Action::Targets
        | Action::Members
        | Action::EngineEvents
        | Action::Processes
        | Action::Inspect
        | Action::Locks
        | Action::Replication
        | Action::Activity
        | Action::Statistics => {}
    }
}

/// A run goes on only as long as the program does: while one is under way, leaving takes the key twice.
fn leave(state: &mut State, effects: &mut Effects) {
    let again = state.leaving.is_some_and(|until| state.now.mono < until);
    if again || !state.has_run_under_way() {
        return effects.push(Effect::Quit);
    }
    state.leaving = Some(state.now.mono + LEAVE_AGAIN);
    let after = if state.fleeting { "" } else { ", and the next start says what became of it" };
    state.toasts.say(state.now, format!("a run is under way: the same key again leaves it{after}"));
}

fn open_actions(state: &mut State) {
    let selected = state.pane().selected();
    if let Some(Selected { id: ThingId::Runbook(id), .. }) = &selected
        && let Some(runbook) = state.library.get(id).cloned()
    {
        state.overlay = Some(Overlay::Palette(Palette::runbook(&state.cx(), state.scope(), &runbook)));
        return;
    }
    let thing = selected.map_or_else(|| state.scope().word().to_owned(), |selected| selected.name);
    let alert = super::offers::alert(state);
    let palette = Palette::runbooks(&state.cx(), state.scope(), alert.as_deref(), &thing);
    if palette.matches().len() == 0 {
        let none = super::offers::none(state, alert.as_ref().map(|alert| &*alert.name));
        state.toasts.say(state.now, none);
        return;
    }
    state.overlay = Some(Overlay::Palette(palette));
}
