//! The frame around the panes: header, banner, key hints, passing messages.

use crate::action::Action;
use crate::app::State;
use crate::runbook::Writes;
use crate::theme::Role;
use crate::widgets::{canvas, figure};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Program, environment, write lock and clock; each source's age or failure, the bad ones first.
pub fn header(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    canvas::clear(buf, area, cx.style(Role::Header));
    let environment = if state.guarded { Role::EnvironmentGuarded } else { Role::Environment };
    let mut x = canvas::put(buf, (area.x + 1, area.y), "quarterdeck", 11, cx.style(Role::HeaderName)) + 1;
    for text in [" ", &state.environment.to_uppercase(), " "] {
        x = canvas::put(buf, (x, area.y), text, 24, cx.style(environment));
    }
    let clock = &state.chrome.clock;
    let end = canvas::put_right(buf, (area.right() - 1, area.y), clock, 9, cx.style(Role::Header));
    let (role, writes) = writes(state);
    let end = canvas::put_right(buf, (end.saturating_sub(2), area.y), &writes, 28, cx.style(role));
    let line = if area.height > 1 {
        Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: 1 }
    } else {
        Rect { x: x + 2, y: area.y, width: end.saturating_sub(x + 4), height: 1 }
    };
    sources(state, line, buf);
}

/// As many sources as fit; the rest as a number, which never hides a failure before the good ones.
fn sources(state: &State, line: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    let shown = &state.chrome.sources[..state.chrome.count];
    let mut x = line.x;
    for (index, (bad, text)) in shown.iter().enumerate() {
        let cells = unicode_width::UnicodeWidthStr::width(text.as_str()) as u16;
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
    match state.writes.state() {
        Writes::ReadOnly => (Role::WritesLocked, "READ-ONLY".to_owned()),
        Writes::Locked => (Role::WritesLocked, "writes LOCKED".to_owned()),
        Writes::Unlocked => match state.writes.left(state.now) {
            Some(left) => {
                let left = figure::text(|out| figure::coarse_age(out, left));
                (Role::WritesUnlocked, format!("writes UNLOCKED {left}"))
            }
            None => (Role::WritesUnlocked, "writes unlocked".to_owned()),
        },
    }
}

/// What is being done, until it is dismissed.
pub fn banner(state: &State, area: Rect, buf: &mut Buffer) {
    let Some(banner) = state.banner.as_ref().filter(|_| area.height > 0) else { return };
    let (role, text) = banner.line(&state.runs, state.now);
    let style = state.cx().style(role);
    canvas::clear(buf, area, style);
    let text = crate::domain::text::clean(&text);
    canvas::put(buf, (area.x + 1, area.y), &text, area.width.saturating_sub(2), style);
}

/// The filter being typed, or the keys: those that act here first.
pub fn footer(state: &State, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    canvas::clear(buf, area, cx.style(Role::Text));
    if let Some(field) = &state.filter_edit {
        let x = canvas::put(buf, (area.x + 1, area.y), "filter: ", 8, cx.style(Role::Filter));
        let hint = "words, !not   Enter keeps it, Esc clears it ";
        let end = canvas::put_right(buf, (area.right(), area.y), hint, 46, cx.style(Role::Hint));
        let room = Rect { x, y: area.y, width: end.saturating_sub(x + 1), height: 1 };
        field.draw(room, buf, cx.style(Role::Input));
        return;
    }
    let last = last_run(state);
    let end = canvas::put_right(buf, (area.right() - 1, area.y), &last, 44, cx.style(Role::Muted));
    let mut x = area.x + 1;
    for (acts, key, doc) in hints(state) {
        let cells = (key.len() + doc.len() + 3) as u16;
        if x + cells > end.saturating_sub(1) {
            break;
        }
        x = canvas::put(buf, (x, area.y), &key, 12, cx.style(if acts { Role::KeyActs } else { Role::Key })) + 1;
        x = canvas::put(buf, (x, area.y), &doc, 24, cx.style(Role::Hint)) + 2;
    }
}

/// Key and word: the runbooks bound in this pane, then what everybody needs.
fn hints(state: &State) -> Vec<(bool, String, String)> {
    const PLAIN: [(Action, &str); 10] = [
        (Action::Details, "details"),
        (Action::Actions, "all actions"),
        (Action::Filter, "filter"),
        (Action::Sort, "sort"),
        (Action::Zoom, "zoom"),
        (Action::Runs, "runs"),
        (Action::Writes, "writes"),
        (Action::Help, "help"),
        (Action::Palette, "palette"),
        (Action::Quit, "quit"),
    ];
    let scope = state.scope();
    let own = state.keymap.bindings(scope).filter_map(|binding| match &binding.action {
        Action::Runbook(id) => {
            let key = state.keymap.key_of(scope, &binding.action)?;
            let doc = state.library.get(id).map_or_else(|| id.to_string(), |runbook| runbook.id.clone());
            Some((true, key, doc))
        }
        _ => None,
    });
    let plain =
        PLAIN.iter().filter_map(|(action, doc)| Some((false, state.keymap.key_of(scope, action)?, (*doc).to_owned())));
    own.chain(plain).collect()
}

fn last_run(state: &State) -> String {
    let last = state.runs.iter().next_back();
    last.map_or_else(
        || "last run: none".to_owned(),
        |run| format!("last run: {} {}", run.runbook, run.outcome.map_or("running", |outcome| outcome.word())),
    )
}

/// Passing messages, above the banner and the footer.
pub fn toasts(state: &State, below: u16, buf: &mut Buffer) {
    let cx = state.cx();
    for (index, toast) in state.toasts.iter().rev().enumerate() {
        let y = below.saturating_sub(1 + index as u16);
        let style = cx.style(if toast.bad { Role::ToastBad } else { Role::Toast });
        let mark = if toast.bad { "▲ " } else { "" };
        let text = format!(" {mark}{} ", toast.text);
        let width = buf.area.width.saturating_sub(4);
        let cells = (unicode_width::UnicodeWidthStr::width(text.as_str()) as u16).min(width);
        canvas::put(buf, (buf.area.right().saturating_sub(cells + 1), y), &text, cells, style);
    }
}
