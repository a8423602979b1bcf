//! The frame around the panes: header, banner, key hints, passing messages.

use crate::action::{Action, Verb};
use crate::app::{AskDialog, Banner, State, Toast};
use crate::domain::log::Anchor;
use crate::domain::{text, time};
use crate::keymap::Scope;
use crate::panes::PANES;
use crate::runbook::{Writes, offer};
use crate::theme::Role;
use crate::widgets::{canvas, figure, wrap};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Cells of a message at most: longer lines are hard to read.
const TOAST_WIDTH: u16 = 112;
/// On a line of fewer cells every word counts.
const NARROW: u16 = 100;
/// Lines of a message at most.
const TOAST_LINES: usize = 6;

/// Program, environment, write lock and clock; each source's age or failure, the bad ones first.
pub fn header(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    canvas::clear(buf, area, cx.style(Role::Header));
    let environment = if state.guarded { Role::EnvironmentGuarded } else { Role::Environment };
    let mut x = canvas::put(buf, (area.x + 1, area.y), "quarterdeck", 11, cx.style(Role::HeaderName)) + 1;
    for text in [" ", &text::clean(&state.environment.to_uppercase()), " "] {
        x = canvas::put(buf, (x, area.y), text, 24, cx.style(environment));
    }
    if state.presenter.is_on() {
        x = canvas::put(buf, (x + 1, area.y), " PRESENTING ", 12, cx.style(Role::Environment));
    }
    let clock = &state.chrome.clock;
    let end = canvas::put_right(buf, (area.right() - 1, area.y), clock, 9, cx.style(Role::Header));
    let (role, writes) = writes(state);
    let end = canvas::put_right(buf, (end.saturating_sub(2), area.y), &writes, 28, cx.style(role));
    let end = frozen(state, (end, area.y), buf);
    let end = unread(state, (end, area.y), buf);
    let end = super::replay::mark(state, (end, area.y), buf);
    let line = if area.height > 1 {
        Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: 1 }
    } else {
        Rect { x: x + 2, y: area.y, width: end.saturating_sub(x + 4), height: 1 }
    };
    sources(state, line, buf);
}

/// That the screen stands still, and for how long, at the left of `end`; where it begins.
fn frozen(state: &State, (end, y): (u16, u16), buf: &mut Buffer) -> u16 {
    let Some(frozen) = &state.frozen else { return end };
    let age = figure::text(|out| figure::coarse_age(out, state.now.since(frozen.since)));
    let text = format!(" FROZEN {age}, since {} ", frozen.since.wall.strftime("%H:%M:%SZ"));
    canvas::put_right(buf, (end.saturating_sub(2), y), &text, 32, state.cx().style(Role::SeverityCritical))
}

/// That the journal can't be read, and since when: nothing can be changed, and others' runs are not seen. Or that the team's is away: what is
/// done from here is recorded on this machine alone.
fn unread(state: &State, (end, y): (u16, u16), buf: &mut Buffer) -> u16 {
    let (what, since) = match (state.runs.is_unread(), state.runs.is_away()) {
        (Some(unread), _) => ("NO JOURNAL", unread.since),
        (None, Some(away)) => ("JOURNAL AWAY", away.since),
        (None, None) => return end,
    };
    let text = format!(" {what} since {} ", since.strftime("%H:%M:%SZ"));
    canvas::put_right(buf, (end.saturating_sub(2), y), &text, 32, state.cx().style(Role::SeverityCritical))
}

/// As many sources as fit; the rest as a number, which never hides a failure before the good ones.
fn sources(state: &State, line: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    let shown = &state.chrome.sources[..state.chrome.count];
    let mut x = line.x;
    for (index, (bad, text)) in shown.iter().enumerate() {
        let cells = text.width() as u16;
        let room = line.right().saturating_sub(x);
        if cells + 5 > room && !(index + 1 == shown.len() && cells <= room) {
            let rest = format!("+{}", shown.len() - index);
            let hidden_bad = shown[index..].iter().any(|(bad, _)| *bad);
            let role = if hidden_bad { Role::SourceBad } else { Role::SourceGood };
            canvas::put(buf, (x, line.y), &rest, room, cx.style(role));
            return;
        }
        let role = if *bad { Role::SourceBad } else { Role::SourceGood };
        x = canvas::put(buf, (x, line.y), text, room, cx.style(role)) + 3;
    }
}

fn writes(state: &State) -> (Role, String) {
    if let Some(position) = &state.replay {
        return (Role::WritesLocked, format!("REPLAY {}", position.now.wall.strftime("%Y-%m-%d")));
    }
    match state.writes.state() {
        Writes::ReadOnly => (Role::WritesLocked, "READ-ONLY".to_owned()),
        _ if state.writes.looks().is_some() => (Role::WritesLocked, "MAY LOOK ONLY".to_owned()),
        Writes::Locked => (Role::WritesLocked, "writes LOCKED".to_owned()),
        Writes::Unlocked => match state.writes.left(state.now) {
            Some(left) => {
                let left = figure::text(|out| figure::coarse_age(out, left));
                (Role::WritesUnlocked, format!("writes UNLOCKED {left}"))
            }
            // Where nothing is guarded this is the normal state, and no warning.
            None => (Role::Header, "writes unlocked".to_owned()),
        },
    }
}

/// What is being done, until it is dismissed.
pub fn banner(state: &State, area: Rect, buf: &mut Buffer) {
    if let Some(position) = &state.replay {
        return super::replay::line(state, position, area, buf);
    }
    if let Some(ask) = state.questions.oldest() {
        let (text, hint) = asks(state, ask);
        return banner_line(state, area, buf, (Role::Asks, &text, &hint));
    }
    if let Some(text) = state.second_asks() {
        let hint = format!("{}: look", state.keymap.key_of(state.scope(), &Action::Answer).unwrap_or_default());
        return banner_line(state, area, buf, (Role::Asks, &text, &hint));
    }
    if let Some(text) = detached(state) {
        let hint = format!("{}: all", state.keymap.key_of(state.scope(), &Action::Runs).unwrap_or_default());
        return banner_line(state, area, buf, (Role::ToastBad, &text, &hint));
    }
    let Some(banner) = state.banner.as_ref().filter(|_| area.height > 0) else { return };
    let hint = banner_hint(state, banner);
    let room = usize::from(area.width).saturating_sub(hint.width() + 4);
    let (role, text) = banner.line(&state.runs, state.now, room);
    banner_line(state, area, buf, (role, &text, &hint));
}

/// What whoever started the screen says, in room of its own: nothing is hidden by it.
pub fn aside(state: &State, area: Rect, buf: &mut Buffer) {
    let style = state.cx().style(Role::Toast);
    canvas::clear(buf, area, style);
    for (line, y) in state.aside_lines().iter().zip(area.y..area.bottom()) {
        canvas::put(buf, (area.x + 1, y), line, area.width.saturating_sub(2), style);
    }
}

/// `◌ detached: nothing heard of web-1 for 12s; it goes on there (Restart web)`: a step whose line is lost, until it is followed again.
fn detached(state: &State) -> Option<String> {
    let (run, step, since, others) = state.outputs.most_silent()?;
    let run = state.runs.get(run);
    let place = run.and_then(|run| run.place_of(step)).unwrap_or(step);
    let of = run.map_or_else(String::new, |run| format!(" ({})", run.title));
    let silent = silent(state, since);
    Some(match others {
        0 => format!("◌ detached: nothing heard of {place} for {silent}; it goes on there{of}"),
        others => {
            format!("◌ detached: nothing heard of {place} for {silent}, nor of {others} more; they go on there{of}")
        }
    })
}

fn silent(state: &State, since: Timestamp) -> String {
    figure::text(|out| figure::coarse_age(out, time::between(since, state.now.wall)))
}

/// What a run asks whose question is not on the screen, and how to answer. It is louder than everything that need not be answered.
fn asks(state: &State, ask: &AskDialog) -> (String, String) {
    let key = state.keymap.key_of(state.scope(), &Action::Answer).unwrap_or_default();
    let run = state.runs.get(ask.run);
    let of = run.map_or_else(String::new, |run| format!(" ({})", run.title));
    let first = ask.prompt.lines().next().unwrap_or_default();
    let hint = match state.questions.len() {
        1 => format!("{key}: answer"),
        many => format!("{many} runs ask  {key}: answer"),
    };
    let silent = state
        .outputs
        .most_silent()
        .map(|(_, _, since, others)| format!("{} detached {}  ", others + 1, silent(state, since)));
    (format!("? run {} asks{of}: {first}", ask.run.short()), silent.unwrap_or_default() + &hint)
}

fn banner_line(state: &State, area: Rect, buf: &mut Buffer, (role, text, hint): (Role, &str, &str)) {
    let style = state.cx().style(role);
    canvas::clear(buf, area, style);
    let text = text::clean(text);
    let end = canvas::put_right(buf, (area.right() - 1, area.y), hint, area.width / 2, style);
    canvas::put(buf, (area.x + 1, area.y), &text, end.saturating_sub(area.x + 3), style);
}

/// What to do about it, which must not be lost behind a long reason.
fn banner_hint(state: &State, banner: &Banner) -> String {
    let key = |action: &Action| state.keymap.key_of(state.scope(), action).unwrap_or_default();
    let shows = format!("{}: all", key(&Action::Runs));
    if banner.is_over(&state.runs) { format!("{shows}  {}: clear", key(&Action::Back)) } else { shows }
}

/// The filter being typed, or the keys: those that act here first.
pub fn footer(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    canvas::clear(buf, area, cx.style(Role::Screen));
    if let Some(field) = &state.filter_edit {
        let (what, hint) = match &state.logs {
            Some(_) if state.searching => ("search: ", String::new()),
            Some(_) => ("filter: ", filter_hint("words, !not", area.width)),
            // It may say again what is being typed.
            None if state.presenter.is_on() => ("filter: ", String::new()),
            None => ("filter: ", filter_hint(&text::clean(state.pane().filter_hint()), area.width)),
        };
        let x = canvas::put(buf, (area.x + 1, area.y), what, 8, cx.style(Role::Filter));
        let end =
            canvas::put_right(buf, (area.right(), area.y), &hint, area.width.saturating_sub(24), cx.style(Role::Hint));
        let room = Rect { x, y: area.y, width: end.saturating_sub(x + 1), height: 1 };
        let field = if state.presenter.is_on() { Cow::Owned(field.dotted()) } else { Cow::Borrowed(field) };
        field.draw(room, buf, cx.style(Role::Input));
        return;
    }
    if let Some((key, doc)) = state.presenter.pressed(state.now) {
        let x = canvas::put(buf, (area.x + 1, area.y), &format!(" {key} "), 20, cx.style(Role::Environment));
        canvas::put(buf, (x + 1, area.y), doc, area.right().saturating_sub(x + 1), cx.style(Role::Text));
        return;
    }
    let last = state.note.as_ref().map_or_else(|| last_run(state), |(note, _)| note.clone());
    let last = text::clean(&last);
    let end = canvas::put_right(buf, (area.right() - 1, area.y), &last, 44, cx.style(Role::Muted));
    // What is refused anyway is not offered in the colour of what acts.
    let (key_acts, doc_acts) = match state.writes.state() {
        Writes::ReadOnly => (Role::Faint, Role::Faint),
        Writes::Locked | Writes::Unlocked => (Role::KeyActs, Role::Hint),
    };
    let mut x = area.x + 1;
    // What lies over the panes has keys of its own, and says them.
    let hints = if state.overlay.is_some() { Vec::new() } else { hints(state, area.width < NARROW) };
    let gap = if last.is_empty() { 0 } else { 2 };
    for (acts, key, doc) in hints {
        let cells = (key.width() + doc.width() + 1) as u16;
        if x + cells + gap > end {
            break;
        }
        let (key_role, doc_role) = if acts { (key_acts, doc_acts) } else { (Role::Key, Role::Hint) };
        x = canvas::put(buf, (x, area.y), &key, 12, cx.style(key_role)) + 1;
        x = canvas::put(buf, (x, area.y), &doc, 24, cx.style(doc_role)) + 2;
    }
}

/// In a recording nothing can be changed, and there are no runs: what is refused is not offered.
const NOT_REPLAYED: [Action; 3] = [Action::Actions, Action::Runs, Action::Writes];

/// Key and word: the runbooks bound in this pane, then what everybody needs.
fn hints(state: &State, narrow: bool) -> Vec<(bool, String, String)> {
    const PAGE: [(Action, &str); 5] = [
        (Action::Back, "back"),
        (Action::NextPane, "next link"),
        (Action::Details, "go there"),
        (Action::Actions, "all actions"),
        (Action::Earlier, "earlier"),
    ];
    const RUN: [(Action, &str); 6] = [
        (Action::Back, "back"),
        (Action::NextPane, "next step"),
        (Action::Details, "follow"),
        (Action::Announce, "announce"),
        (Action::Copy, "copy"),
        (Action::Earlier, "earlier"),
    ];
    const OVERVIEW: [(Action, &str); 5] = [
        (Action::Help, "help"),
        (Action::Details, "go there"),
        (Action::Filter, "filter"),
        (Action::Copy, "copy"),
        (Action::Runs, "runs"),
    ];
    const LOG: [(Action, &str); 16] = [
        (Action::Back, "back"),
        (Action::Help, "help"),
        (Action::Follow, "follow"),
        (Action::Search, "search"),
        (Action::LogFilter, "filter"),
        (Action::LogErrors, "errors"),
        (Action::LogPatterns, "patterns"),
        (Action::Details, "whole line"),
        (Action::OtherLogs, "other logs"),
        (Action::Since(Anchor::QuarterHour), "15m"),
        (Action::Since(Anchor::All), "all"),
        (Action::LogSave, "save"),
        (Action::LogCopyLine, "copy"),
        (Action::LogWrap, "wrap"),
        (Action::LogTimes, "times"),
        (Action::LogZone, "UTC or local"),
    ];
    const PLAIN: [(Action, &str); 10] = [
        (Action::Help, "help"),
        (Action::Details, "details"),
        (Action::Actions, "all actions"),
        (Action::Filter, "filter"),
        (Action::Sort, "sort"),
        (Action::Zoom, "zoom"),
        (Action::Runs, "runs"),
        (Action::Writes, "writes"),
        (Action::Palette, "palette"),
        (Action::Quit, "quit"),
    ];
    let scope = state.scope();
    // A log has more keys than there is room for, and they have an order of their own.
    let own = state.keymap.bindings(scope).filter(|binding| binding.scope == scope && state.logs.is_none());
    let mut acting = Vec::new();
    let takes = |name: &str| name == "server";
    let does = |verb: Verb| !offer::for_verb(&state.library, verb.word(), scope.word(), &takes).is_empty();
    let answer = |word: &str| state.keymap.key_of(scope, &Action::Answer).map(|key| (true, key, word.to_owned()));
    if !state.questions.is_empty() || state.second_asks().is_some() {
        acting.extend(answer("answer"));
    } else if scope == Scope::Alerts && does(Verb::Acknowledge) {
        acting.extend(answer(Verb::Acknowledge.word()));
    }
    let mut pages: Vec<(Action, &str)> = Vec::new();
    for binding in own {
        if let Action::Runbook(id) = &binding.action {
            acting.extend(state.keymap.key_of(scope, &binding.action).map(|key| (true, key, id.to_string())));
        } else if let Action::Do(verb) = binding.action {
            // Where no runbook does it the room is somebody else's.
            let key = state.keymap.key_of(scope, &binding.action).filter(|_| does(verb));
            acting.extend(key.map(|key| (true, key, verb.word().to_owned())));
        } else if binding.action == Action::Plan {
            // Of a run it lists what can be done with that.
            let word = if scope == Scope::Runs { "go on or undo" } else { "plan" };
            acting.extend(state.keymap.key_of(scope, &binding.action).map(|key| (true, key, word.to_owned())));
        } else if pages.iter().all(|(other, _)| *other != binding.action) {
            // A page that belongs to this pane: once, though two keys lead there.
            pages.push((binding.action.clone(), binding.action.word()));
        }
    }
    if narrow {
        shorten(&mut acting);
    }
    let plain: &[(Action, &str)] = match (&state.logs, &state.page) {
        (Some(_), _) => &LOG,
        (None, Some(page)) if page.run().is_some() => &RUN,
        (None, Some(_)) => &PAGE,
        (None, None) if scope == Scope::Overview => &OVERVIEW,
        (None, None) => &PLAIN,
    };
    // The way to help is never pushed out by what else there is.
    let (help, rest): (Vec<_>, Vec<_>) = plain.iter().partition(|(action, _)| *action == Action::Help);
    // Where there is a way back it comes next: on a page, and in a view that took the place of the panes.
    let (inside, beside) = (state.page.is_some(), PANES[state.focus].beside);
    let back = [(Action::Back, "back")];
    let back = back.iter().filter(|_| !inside && !beside && state.logs.is_none());
    let (before, after) = if inside { (&[][..], &pages[..]) } else { (&pages[..], &[][..]) };
    let replayed = state.replay.is_some();
    acting.retain(|_| !replayed);
    let mut told: Vec<&(Action, &str)> = Vec::new();
    for hint in help.into_iter().chain(back).chain(before).chain(rest).chain(after) {
        // In a view the same key goes back.
        let leads_back = hint.0 == Action::Quit && !beside;
        let offered = (!replayed || !NOT_REPLAYED.contains(&hint.0)) && !leads_back;
        if offered && told.iter().all(|(action, _)| *action != hint.0) {
            told.push(hint);
        }
    }
    let told = told.into_iter();
    let told = told.filter_map(|(action, doc)| Some((false, state.keymap.key_of(scope, action)?, (*doc).to_owned())));
    acting.into_iter().chain(told).collect()
}

/// `C cancel-session  K terminate-session`: where room is scarce, the first word of what acts is left out when all have the same.
fn shorten(acting: &mut [(bool, String, String)]) {
    // Other words than names of runbooks have none.
    let names: Vec<&mut String> = acting.iter_mut().map(|(.., doc)| doc).filter(|doc| doc.contains('-')).collect();
    let shared = names.first().and_then(|name| name.split_once('-')).map(|(first, _)| format!("{first}-"));
    let shared = shared.filter(|shared| names.len() > 1 && names.iter().all(|name| name.starts_with(shared)));
    let Some(shared) = shared else { return };
    for name in names {
        name.drain(..shared.len());
    }
}

/// What may be typed and how it ends; where it is narrow, what is typed needs the room.
fn filter_hint(hint: &str, width: u16) -> String {
    let whole = format!("{hint}   Enter keeps it, Esc clears it ");
    if whole.width() <= usize::from(width * 3 / 5) { whole } else { format!("{hint} ") }
}

fn last_run(state: &State) -> String {
    let last = state.runs.iter().next_back();
    last.map_or_else(String::new, |run| format!("last run: {} {}", run.runbook, run.word()))
}

/// Passing messages, above the banner and the footer, the newest lowest. Whole, as far as there is room: the end of a message of
/// trouble says how to mend it.
pub fn toasts(state: &State, below: u16, buf: &mut Buffer) {
    let width = usize::from(buf.area.width.min(TOAST_WIDTH)) - 4;
    let mut y = below;
    let planning = planning(state);
    for toast in planning.iter().chain(state.toasts.iter().rev()) {
        let style = state.cx().style(if toast.bad { Role::ToastBad } else { Role::Toast });
        let lines = toast_lines(toast, width);
        if y < below / 3 + lines.len() as u16 {
            break;
        }
        y -= lines.len() as u16;
        let cells = lines.iter().map(|line| line.width()).max().unwrap_or(0) as u16 + 2;
        let area = Rect { x: buf.area.right() - cells - 1, y, width: cells, height: lines.len() as u16 };
        canvas::clear(buf, area, style);
        for (line, y) in lines.iter().zip(area.y..) {
            canvas::put(buf, (area.x + 1, y), line, cells - 2, style);
        }
    }
}

/// What is said while a plan is being made.
fn planning(state: &State) -> Option<Toast> {
    let key = state.keymap.key_of(state.scope(), &Action::Back).unwrap_or_default();
    state.planning.as_ref().map(|planning| Toast::lasting(&planning.line(state.now, &key)))
}

fn toast_lines(toast: &Toast, width: usize) -> Vec<String> {
    let (mark, indent) = if toast.bad { ("▲ ", 2) } else { ("", 0) };
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &format!("{mark}{}", toast.text), width, indent);
    if lines.len() > TOAST_LINES {
        lines.truncate(TOAST_LINES);
        lines[TOAST_LINES - 1] = format!("{}…", text::truncate(&lines[TOAST_LINES - 1], width - 1));
    }
    lines
}
