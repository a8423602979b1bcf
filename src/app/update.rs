//! `update`: dispatch only. Each event goes to the one function that knows about it.

use super::pace::{self, Pace};
use super::typing::Held;
use super::{Banner, Overlay, Palette, PlanDialog, State, presenter, way};
use super::{filtering, hush, planning, questions, silence_preview};
use crate::action::Action;
use crate::domain::record::{Entry, JOURNAL_BACK, Record, RecordKind, clock_off};
use crate::domain::{SourceId, Subject, ThingId, text};
use crate::effect::{Effect, Effects};
use crate::event::{Event, RunEvent, Stamped};
use crate::keymap::{Chord, Found, Scope};
use crate::panes::hands::Marking;
use crate::panes::{PANES, Presence, Selected};
use crate::runbook::history::Unread;
use crate::runbook::{Draft, Plan, PlanRequest, Writes};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use crossterm::event::{Event as Input, KeyCode, KeyEventKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The second of two keys that leave a run must come within this; as long as the message stays.
const LEAVE_AGAIN: Duration = Duration::from_secs(4);

/// How long the footer says that a key does nothing.
pub(super) const NOTE: Duration = Duration::from_secs(2);

const TOO_FAST: &str = "that came faster than anybody types, so it did nothing: press the key again";

/// Takes in one event. The only place that changes the state.
pub fn update(state: &mut State, stamped: Stamped, effects: &mut Effects) {
    state.now = stamped.now;
    // Before the event: a key that stood alone until now is not void because another comes.
    release_held(state, effects);
    let asked = hush::asks(state);
    let by_hand = matches!(stamped.event, Event::Input(_));
    match stamped.event {
        Event::Input(input) => take_input(state, input, effects),
        Event::Tick => {
            state.store.pass(state.seen());
            state.dirty = true;
            way::renew(state, effects);
        }
        Event::Sample(sample) => {
            let source = sample.source.clone();
            if state.store.apply(sample).is_some() {
                state.news.take(&state.store, &source);
                super::incidents::seen(state, &source, effects);
                state.dirty = true;
                presenter::learn(state);
                way::renew(state, effects);
            }
        }
        Event::Answered(answered) => {
            super::freeze::answered(state, answered);
            way::renew(state, effects);
        }
        Event::Run(event) => {
            take_run_event(state, event, effects);
            presenter::learn(state);
        }
        Event::Aside(aside) => {
            state.dirty = true;
            state.aside = aside;
        }
        Event::Told { bad, what } => {
            state.dirty = true;
            if bad { state.toasts.bad(state.now, what) } else { state.toasts.say(state.now, what) }
        }
        Event::Ground { light } => follow_ground(state, light),
        Event::Replayed(played) => super::replay::take(state, *played, effects),
        Event::Recording(news) => super::replay::recording(state, news),
        Event::Reloaded(reloaded) => super::reload::take(state, reloaded, effects),
        Event::Log(event) => super::logs::take(state, event),
        Event::Resumed => {
            state.dirty = true;
            repaint(state, effects);
        }
    }
    if asked.is_some() && !by_hand && hush::asks(state) != asked {
        hush::vanished(state);
    }
    pass_time(state, effects);
    open_waiting(state);
    questions::settle(state);
    if let Some(Overlay::Plan(dialog)) = &mut state.overlay {
        dialog.writes = state.writes.state();
    }
    super::second::seek(state, effects);
    super::logs::ask(state, effects);
}

/// What happens by the passing of time alone.
fn pass_time(state: &mut State, effects: &mut Effects) {
    state.dirty |= state.toasts.expire(state.now);
    state.dirty |= state.presenter.pass(state.now);
    if state.writes.expire(state.now) {
        state.toasts.say(state.now, "writes are locked again: the time is over");
        effects.push(record_lock(state, "locked by the timer"));
        state.dirty = true;
    }
    state.dirty |= state.note.take_if(|(_, until)| *until <= state.now.mono).is_some();
    // A notice is seen by those who see the screen.
    let due = state.news.due(&state.looks.notify, state.now);
    let hidden = |notice: String| text::behind(state.veil(), || text::clean(&notice).into_owned());
    effects.extend(due.map(hidden).map(Effect::Notify));
    super::overlay_keys::pass_time(state, effects);
}

/// Paints all of it again, and asks again what it is painted on: where the program was away, that may have changed.
pub(super) fn repaint(state: &mut State, effects: &mut Effects) {
    state.repaint = true;
    if state.looks.auto {
        effects.push(Effect::AskGround);
    }
}

/// The theme for the terminal's ground, unless somebody chose one.
fn follow_ground(state: &mut State, light: bool) {
    let wanted = if light { "light" } else { "dark" };
    if state.looks.auto && state.themes.turn_to(wanted) {
        (state.dirty, state.repaint) = (true, true);
    }
}

/// Does what a grave key asked for, once it is clear that the key stood alone.
fn release_held(state: &mut State, effects: &mut Effects) {
    if let Some(held) = state.held.take_if(|held| held.settled(state.now)) {
        act(state, &held.action, effects);
        state.dirty = true;
    }
}

fn take_input(state: &mut State, input: Input, effects: &mut Effects) {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => take_key(state, Chord::from_key(key), effects),
        Input::Paste(text) => take_paste(state, &text),
        Input::Resize(width, height) => {
            state.size = (width, height);
            state.dirty = true;
            state.repaint = true;
            super::hands::resized(state);
        }
        Input::Mouse(event) => super::mouse::take(state, event, effects),
        Input::Key(_) | Input::FocusGained | Input::FocusLost => {}
    }
}

/// Pasted text is text: it goes into a field that is open for it, and nowhere else.
fn take_paste(state: &mut State, text: &str) {
    state.dirty = true;
    if let Some(field) = &mut state.filter_edit {
        field.insert(text);
        filtering::apply(state);
    } else if let Some(Overlay::Palette(palette)) = &mut state.overlay {
        palette.field.insert(text);
        palette.rank();
    } else if let Some(Overlay::Name(dialog)) = &mut state.overlay {
        dialog.field.insert(text);
    } else if let Some(Overlay::Params(params)) = &mut state.overlay {
        params.fields[params.at].field.insert(text);
    } else {
        let dialog = state.overlay.as_ref().is_some_and(Overlay::is_dialog);
        let what = if dialog { "a paste is no answer: type it" } else { "pasted text does nothing here" };
        state.toasts.say(state.now, what);
    }
}

fn take_key(state: &mut State, chord: Chord, effects: &mut Effects) {
    let burst = state.typing.key(state.now);
    let chord = meant(state, chord);
    (state.dirty, state.note) = (true, None);
    questions::typed(state);
    if hush::swallows(state) {
        return;
    }
    if state.held.take().is_some() {
        state.toasts.say(state.now, TOO_FAST);
    }
    if !state.overlay.as_ref().is_some_and(Overlay::is_dialog) {
        state.questions.typed_elsewhere(state.now);
    }
    if state.overlay.is_some() {
        super::overlay_keys::key(state, chord, burst, effects);
    } else if state.filter_edit.is_some() {
        filtering::key(state, chord);
    } else {
        bound_key(state, chord, burst, effects);
    }
}

/// Ctrl-C is what hands do to get out of something: where there is something to get out of, it is Esc.
fn meant(state: &State, chord: Chord) -> Chord {
    let inside = state.overlay.is_some() || state.filter_edit.is_some() || state.planning.is_some();
    if inside && chord.is_ctrl('c') { Chord::from_key(KeyCode::Esc.into()) } else { chord }
}

/// Elsewhere, unless it is bound, it says what leaves.
fn unbound(state: &mut State, chord: Chord) {
    state.presenter.press_nothing();
    if chord.is_ctrl('c') {
        let key = state.keymap.key_of(state.scope(), &Action::Quit).unwrap_or_default();
        let what = if way::is_inside(state) { "goes back, and quits where the panes are" } else { "quits" };
        return state.toasts.say(state.now, format!("{key} {what}"));
    }
    let instead = super::habits::instead(state, chord);
    if instead.is_none() && elsewhere(state, chord) {
        return;
    }
    let help = state.keymap.key_of(state.scope(), &Action::Help);
    let more = match instead.or_else(|| super::hands::sort_hint(state, chord)) {
        Some(instead) => format!(": {instead}"),
        None => help.map_or_else(String::new, |help| format!("; {help} shows the keys")),
    };
    state.note = Some((format!("{chord} is not bound{more}"), state.now.mono + NOTE));
}

fn bound_key(state: &mut State, chord: Chord, burst: bool, effects: &mut Effects) {
    state.pending.push(chord);
    let action = match super::replay::meaning(state) {
        Found::Pending => return,
        Found::Nothing => None,
        // From inside, the key that leaves the program leads out of where one is, as in a log.
        Found::Action(Action::Quit) if way::is_inside(state) => Some(Action::Back),
        Found::Action(action) => Some(action.clone()),
    };
    let keys = state.pending.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    state.pending.clear();
    if let Some(action) = &action {
        state.presenter.press(keys, action, state.now);
    }
    match action {
        None => unbound(state, chord),
        Some(action) if action.is_grave() && burst => state.toasts.say(state.now, TOO_FAST),
        Some(action) if action.is_grave() => {
            choose(state, &action);
            state.held = Some(Held { action, at: state.now });
        }
        Some(action) => {
            choose(state, &action);
            act(state, &action, effects);
        }
    }
}

/// A key that begins with a row means the one that was painted when it was pressed, whatever comes before it is carried out.
fn choose(state: &mut State, action: &Action) {
    let acknowledges = *action == Action::Answer && !questions::waits(state) && super::offers::acknowledges(state);
    if !(action.is_about_row() || acknowledges) || state.page.is_some() || state.logs.is_some() {
        return;
    }
    let now = state.with_pane(|pane, cx| {
        pane.settle(cx);
        pane.choose()
    });
    let lists = matches!(action, Action::Palette | Action::Actions);
    state.lent = if lists { now.then_some(state.focus) } else { None };
}

/// A list of actions was closed, by choosing one of them or without: a row that is not acted on was not chosen by that.
pub(super) fn give_back(state: &mut State, chosen: Option<&Action>) {
    if let Some(lent) = state.lent.take().filter(|_| chosen.is_none_or(|action| !action.is_about_row())) {
        state.panes[lent].let_go();
    }
}

/// A key that acts, but in another pane: silence would look like a defect. Whether there is such a pane.
fn elsewhere(state: &mut State, chord: Chord) -> bool {
    let bound = |scope| match state.keymap.find(scope, &[chord]) {
        Found::Action(action) => matches!(action, Action::Runbook(_) | Action::Do(_)),
        Found::Pending | Found::Nothing => false,
    };
    let others: Vec<String> = PANES
        .iter()
        .filter(|kind| kind.number.is_some() && bound(kind.scope))
        .map(|kind| format!("{} ({})", kind.title, state.keymap.key_of(Scope::All, &kind.action).unwrap_or_default()))
        .collect();
    if !others.is_empty() {
        let here = super::hands::sort_hint(state, chord).map(|hint| format!("; here {hint}")).unwrap_or_default();
        state.toasts.say(state.now, format!("{chord} acts in {}{here}", others.join(", ")));
    }
    !others.is_empty()
}

/// Carries out an action, whether a key or the palette asked for it.
pub(super) fn act(state: &mut State, action: &Action, effects: &mut Effects) {
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
        Action::Writes => toggle_writes(state, effects),
        Action::Answer => questions::answer(state, effects),
        Action::Incident => super::incidents::open(state),
        Action::Reload if state.replay.is_some() => {
            state.toasts.say(state.now, "this is a recording: the config is read at the next start");
        }
        Action::Reload => effects.push(Effect::Reload),
        Action::Redraw => repaint(state, effects),
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
        Action::Runbook(id) => ask_for_plan(state, id, effects),
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

fn toggle_writes(state: &mut State, effects: &mut Effects) {
    match state.writes.state() {
        Writes::ReadOnly => super::replay::refuse(state),
        _ if state.writes.looks().is_some() => {
            let why = state.writes.looks().unwrap_or_default().to_owned();
            state.toasts.bad(state.now, why);
        }
        Writes::Locked => state.overlay = Some(Overlay::Unlock(Box::default())),
        Writes::Unlocked => {
            state.writes.lock();
            state.toasts.say(state.now, "writes are locked");
            effects.push(record_lock(state, "locked"));
        }
    }
}

pub(super) fn record_lock(state: &State, what: &str) -> Effect {
    Effect::Journal(Entry {
        kind: RecordKind::WritesLock,
        run: None,
        step: None,
        role: None,
        target: None,
        env: state.environment.clone(),
        data: json!({ "state": what }),
    })
}

/// Another session's clock is off: its times are not what they seem.
fn tell_clock(state: &mut State, record: &Record) {
    if let Some(off) = record.clock_ahead_ms().and_then(clock_off) {
        let who = text::clean(&format!("{}@{}", record.actor.name, record.actor.host)).into_owned();
        let what = format!("the clock of {who} is {off} the journal server's: so are the times of its records");
        if state.clocks.insert(who) {
            state.toasts.bad(state.now, what);
        }
    }
}

/// That the team's journal is away stays on the screen; that it is back is said.
fn journal_away(state: &mut State, away: Option<Unread>) {
    let told = away.map(|away| Unread { why: text::clean(&away.why).into_owned(), ..away });
    let why = told.as_ref().map(|told| told.why.clone());
    if !state.runs.away(told) {
        return;
    }
    match why {
        Some(why) => state.toasts.bad(state.now, why),
        None => state.toasts.say(state.now, JOURNAL_BACK),
    }
}

/// Asks the planner for a plan for the selected thing.
pub(super) fn ask_for_plan(state: &mut State, id: &str, effects: &mut Effects) {
    if let Some(why) = super::freeze::refusal(state) {
        return state.toasts.bad(state.now, why);
    }
    if state.replay.is_some() {
        return super::replay::refuse(state);
    }
    let listed = |thing: Selected| matches!(thing.id, ThingId::Runbook(listed) if *listed == *id);
    if state.library.get(id).is_none() && !state.pane().selected().is_some_and(listed) {
        let why = text::clean(&state.library.absent(id)).into_owned();
        return state.toasts.bad(state.now, format!("{why}; or mend the key's binding in the keymap"));
    }
    match state.pane().selected() {
        Some(selected) if selected.presence != Presence::Here => {
            let why = way::missing(&selected).unwrap_or_default();
            state.toasts.bad(state.now, why);
        }
        // Of an alert the labels are the parameters, and without a thing they are asked for.
        Some(Selected { id: ThingId::Alert { .. } | ThingId::Runbook(_), .. }) => {
            super::offers::ask(state, id, effects);
        }
        selected => {
            super::hands::say_marks(state, selected.as_ref());
            let mut args = arguments(state, selected.as_ref());
            if let Some(runbook) = state.library.get(id) {
                args.retain(|name, _| runbook.params.iter().any(|param| param.name == *name));
            }
            let mut request = PlanRequest::new(id.to_owned(), args);
            super::offers::complete(state, &mut request);
            // What the row alone does not tell (where players are drained to) is asked for; of a runbook that is about other things, all of it.
            let of_pane =
                state.library.get(id).and_then(|runbook| runbook.pane).map(Subject::word) == Some(state.scope().word());
            let asks = selected.is_some() || !of_pane;
            match asks.then(|| super::offers::form(state, &request)).flatten() {
                Some(form) => state.overlay = Some(Overlay::Params(Box::new(form))),
                None => planning::ask(state, request, effects),
            }
        }
    }
}

/// The selected thing as a runbook's parameters, more of them than one runbook takes. A pane without a selection still knows its first source.
pub(super) fn arguments(state: &State, selected: Option<&Selected>) -> BTreeMap<String, Value> {
    let pair = |name: &str, text: String| BTreeMap::from([(name.to_owned(), Value::String(text))]);
    match selected.map(|selected| &selected.id) {
        Some(ThingId::Container { source, id }) => {
            let server = server_of(state, source).map(|server| ("server".to_owned(), server.into()));
            pair("container", format!("{}/{id}", source.name())).into_iter().chain(server).collect()
        }
        // A process number alone may be another session's by the time that it is read.
        Some(ThingId::Session { source, pid, backend_start }) => BTreeMap::from([
            ("database".to_owned(), source.name().into()),
            ("pid".to_owned(), (*pid).into()),
            ("started".to_owned(), backend_start.to_string().into()),
        ]),
        Some(ThingId::Server { name }) => pair("server", name.to_string()),
        // A row of a page about a database: a standby, a slot, a group of sessions.
        Some(ThingId::Entry { source, .. }) if state.scope() == Scope::Databases => {
            pair("database", source.name().to_owned())
        }
        Some(
            ThingId::Alert { .. }
            | ThingId::Process { .. }
            | ThingId::Entry { .. }
            | ThingId::Run(_)
            | ThingId::Runbook(_),
        ) => BTreeMap::new(),
        None if state.scope() == Scope::Databases => {
            let first = state.subject().and_then(|subject| state.store.about(subject).next());
            first.map_or_else(BTreeMap::new, |feed| pair("database", feed.id.name().to_owned()))
        }
        None => BTreeMap::new(),
    }
}

/// The `[[server]]` on which a source's containers are, if it is known.
fn server_of(state: &State, source: &SourceId) -> Option<String> {
    let engine = state.store.feed(source)?.snapshot()?.engine()?;
    let name = crate::panes::server_called(&state.cx(), engine.server.as_deref()?)?;
    state.store.is_configured(name).then(|| name.to_owned())
}

fn take_run_event(state: &mut State, event: RunEvent, effects: &mut Effects) {
    state.dirty = true;
    match event {
        RunEvent::Planned { number, plan } => planning::came(state, number, plan),
        RunEvent::PlanChanged { plan, what, .. } => {
            let notice = format!("{what}. Nothing was done; this is the new plan");
            state.waiting_plan = Some(planning::Waiting { plan, notice: Some(notice), asked: None });
        }
        RunEvent::NotPlanned { number, request, why } => planning::failed(state, number, &request, &why, effects),
        RunEvent::Record(record) => {
            // Who writes may write.
            state.writes.only_looks(None);
            super::second::written(state, &record);
            state.runs.apply(&record);
            super::incidents::apply(state, &record, effects);
            state.outputs.apply(&record);
            let drives = matches!(record.entry.data["way"].as_str(), Some("go on" | "undo"));
            let begins =
                record.entry.kind == RecordKind::RunStart || record.entry.kind == RecordKind::RunResume && drives;
            if let (true, Some(run)) = (begins, record.entry.run) {
                state.banner = Some(Banner::new(run));
                state.started.push(run);
                // What is being typed stays where it is.
                if state.filter_edit.is_none() {
                    way::open_run(state, run, effects);
                }
            }
            if let (RecordKind::RunFinish, Some(run)) = (record.entry.kind, record.entry.run) {
                questions::over(state, run);
                super::calls::over(state, run, effects);
            }
        }
        RunEvent::Output { run, step, lines, lost } => state.outputs.take(run, step, lines, lost),
        RunEvent::Detached { run, step, since, why } => {
            match &since {
                Some(_) => state.toasts.bad(state.now, format!("{step}: running (detached): {why}")),
                None => state.toasts.say(state.now, format!("{step}: its host answers again, and it is followed")),
            }
            state.outputs.detach(run, step, since);
        }
        RunEvent::Recalled(record) => {
            super::second::known(state, &record);
            state.runs.apply(&record);
        }
        RunEvent::Elsewhere(record) => {
            super::cut_off::taken_over(state, &record);
            super::second::came(state, &record);
            super::incidents::apply(state, &record, effects);
            tell_clock(state, &record);
            state.runs.apply(&record);
            if let (RecordKind::RunStart, Some(run)) = (record.entry.kind, record.entry.run) {
                Banner::tell_of_other(&mut state.banner, run);
            }
        }
        RunEvent::Ask { run, step, prompt, phrase, manual, list, ways } => {
            let ask = super::AskDialog { step, list, ways, ..super::AskDialog::new(run, prompt, phrase, manual) };
            questions::came(state, ask);
        }
        RunEvent::AskOver(run) => questions::settled(state, run),
        RunEvent::Approved(approval) => super::second::approved(state, *approval),
        RunEvent::Yours { request, what } => super::second::yours(state, *request, &what, effects),
        RunEvent::Call { request, .. } => super::calls::came(state, *request, effects),
        RunEvent::Trouble { what, .. } => state.toasts.bad(state.now, what),
        RunEvent::Incidents(records) => super::incidents::known(state, &records, effects),
        RunEvent::Noted(record) => super::incidents::apply(state, &record, effects),
        RunEvent::Unread(why) => state.runs.unread(why, state.now.wall),
        RunEvent::Away(away) => journal_away(state, away),
        RunEvent::Clock { writer, ahead_ms } => {
            state.runs.clock(writer, ahead_ms);
            if let Some(off) = clock_off(ahead_ms) {
                let what = format!(
                    "this machine's clock is {off} the journal server's: set it, or times told from here mislead"
                );
                state.toasts.bad(state.now, what);
            }
        }
        RunEvent::OnlyLooks(why) => {
            state.toasts.say(state.now, why.clone());
            state.writes.only_looks(Some(why));
        }
        RunEvent::CutOff(runs) => super::cut_off::found(state, &runs),
        RunEvent::Left(runs) => super::cut_off::left(state, &runs),
        RunEvent::Reconciled(ended) => super::cut_off::settled(state, &ended),
    }
}

/// What somebody asked for never opens over a field that text is being typed into, nor over another dialog; and what comes when they
/// have begun something else waits until hands are off the keys.
fn open_waiting(state: &mut State) {
    let is_busy = |overlay: &Overlay| overlay.takes_text() || overlay.is_dialog();
    if state.filter_edit.is_some() || state.overlay.as_ref().is_some_and(is_busy) {
        return;
    }
    let asked = state.waiting_plan.as_ref().map(|waiting| waiting.asked);
    if asked.is_some_and(|asked| questions::hands_are_off(state, asked))
        && let Some(waiting) = state.waiting_plan.take()
    {
        show_plan(state, *waiting.plan, waiting.notice);
    } else if questions::may_open(state)
        && let Some(form) = state.waiting_form.take()
    {
        state.overlay = Some(Overlay::Params(form));
        state.dirty = true;
    }
}

fn show_plan(state: &mut State, plan: Plan<Draft>, notice: Option<String>) {
    state.toasts.dismiss();
    let labelled = super::offers::labelled(state, &plan);
    let arming = questions::arming_of(state, &plan);
    let dialog = PlanDialog::new(plan, notice, state.writes.state());
    state.overlay = Some(Overlay::Plan(Box::new(PlanDialog { labelled, arming, ..dialog })));
    state.dirty = true;
}
