//! The line that says where a replay stands, and the word that says that a recording is being made.

use crate::action::Action;
use crate::app::State;
use crate::keymap::Scope;
use crate::recording::Position;
use crate::theme::Role;
use crate::widgets::canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// A bar of fewer cells says nothing.
const SHORTEST: u16 = 8;
/// A longer one says no more.
const LONGEST: u16 = 60;

/// That what is seen is recorded, left of `end`; returns where it begins.
pub fn mark(state: &State, (end, y): (u16, u16), buf: &mut Buffer) -> u16 {
    let (role, text) = match state.recording {
        None => return end,
        Some(true) => (Role::HeaderName, "● REC"),
        Some(false) => (Role::SourceBad, "REC FAILS"),
    };
    canvas::put_right(buf, (end.saturating_sub(2), y), text, 9, state.cx().style(role))
}

/// How fast it goes, where it stands, how it ends, and the keys that move it.
pub fn line(state: &State, position: &Position, area: Rect, buf: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let style = state.cx().style(Role::Toast);
    canvas::clear(buf, area, style);
    let keys = keys(state);
    let (left, right) = (pace(position), format!("{} of {}", clock(position.at), clock(position.length)));
    let x = canvas::put(buf, (area.x + 1, area.y), &left, area.width, style) + 2;
    let room = area.right().saturating_sub(x + right.width() as u16 + keys.width() as u16 + 6);
    let x = if room < SHORTEST { x } else { bar(state, position, (x, area.y), room.min(LONGEST), buf) + 2 };
    let x = canvas::put(buf, (x, area.y), &right, area.right().saturating_sub(x), style);
    if area.right() > x + keys.width() as u16 + 3 {
        canvas::put_right(buf, (area.right() - 1, area.y), &keys, area.width, style);
    }
}

fn pace(position: &Position) -> String {
    match (position.over, position.paused) {
        (Some(ending), _) => format!("■ {}", ending.words()),
        (None, true) => format!("‖ paused {}×", position.speed),
        (None, false) => format!("▶ {}×", position.speed),
    }
}

/// How much of the recording has been seen.
fn bar(state: &State, position: &Position, (x, y): (u16, u16), width: u16, buf: &mut Buffer) -> u16 {
    let ratio = position.at.as_secs_f64() / position.length.as_secs_f64().max(f64::MIN_POSITIVE);
    let seen = (f64::from(width) * ratio.clamp(0.0, 1.0)).round() as u16;
    let cx = state.cx();
    let back = cx.style(Role::Toast);
    for cell in 0..width {
        let (symbol, role) = if cell < seen { ("━", Role::Key) } else { ("─", Role::Faint) };
        canvas::put(buf, (x + cell, y), symbol, 1, back.patch(cx.style(role)));
    }
    x + width
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// As the keymap has them.
fn keys(state: &State) -> String {
    const KEYS: [(&[Action], &str); 4] = [
        (&[Action::ReplayPause], "stop"),
        (&[Action::ReplayBack, Action::ReplayForward], "10 s"),
        (&[Action::ReplayFarBack, Action::ReplayFarForward], "1 min"),
        (&[Action::ReplaySlower, Action::ReplayFaster], "speed"),
    ];
    let key = |action: &Action| state.keymap.key_of(Scope::Replay, action);
    let hint = |(actions, what): &(&[Action], &str)| {
        let keys: Vec<String> = actions.iter().filter_map(key).collect();
        (!keys.is_empty()).then(|| format!("{} {what}", keys.join(" ")))
    };
    KEYS.iter().filter_map(hint).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_hours_where_there_are_any() {
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
        assert_eq!(clock(Duration::from_secs(3_661)), "1:01:01");
    }
}
