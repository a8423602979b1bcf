//! What comes from the terminal and was not typed: replies to questions (OSC, DCS, APC) that the key parser takes
//! apart into letters. They are swallowed here, before they can look like keys.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// A reply arrives in one piece; a gap this long means that what follows was typed.
const GAP: Duration = Duration::from_millis(50);

/// Longest reply swallowed, in keys; what is longer is no reply.
const MOST: usize = 4096;

/// Swallows control strings. Pure: time is an argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strings {
    inside: Option<Inside>,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    last: Duration,
    keys: usize,
}

impl Strings {
    /// True when the event is typed (or is no key at all) and should be taken; `at` is monotonic.
    pub fn takes(&mut self, event: &Event, at: Duration) -> bool {
        let Event::Key(key) = event else { return true };
        if let Some(inside) = self.inside.filter(|inside| at.saturating_sub(inside.last) < GAP && inside.keys < MOST) {
            self.inside = (!ends(key)).then_some(Inside { last: at, keys: inside.keys + 1 });
            return false;
        }
        self.inside = begins(key).then_some(Inside { last: at, keys: 0 });
        self.inside.is_none()
    }
}

/// ESC with `]` (OSC), `P` (DCS), `_` (APC), `^` (PM) or `X` (SOS): the parser makes Alt and the letter of it.
fn begins(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::ALT) && matches!(key.code, KeyCode::Char(']' | 'P' | '_' | '^' | 'X'))
}

/// BEL (Ctrl-G) or ST (ESC `\`).
fn ends(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('g') => key.modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('\\') => key.modifiers.contains(KeyModifiers::ALT),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers))
    }

    fn taken(strings: &mut Strings, text: &str, at: u64) -> String {
        let takes = |c: &char| strings.takes(&key(*c, KeyModifiers::NONE), Duration::from_millis(at));
        text.chars().filter(takes).collect()
    }

    #[test]
    fn a_reply_is_swallowed_to_its_end() {
        let mut strings = Strings::default();
        assert!(!strings.takes(&key(']', KeyModifiers::ALT), Duration::ZERO));
        assert_eq!(taken(&mut strings, "11;rgb:1e1e/1e1e/1e1e", 1), "");
        assert!(!strings.takes(&key('g', KeyModifiers::CONTROL), Duration::from_millis(1)));
        assert_eq!(taken(&mut strings, "R", 2), "R");
    }

    #[test]
    fn an_unfinished_reply_does_not_deafen() {
        let mut strings = Strings::default();
        strings.takes(&key('P', KeyModifiers::ALT), Duration::ZERO);
        assert_eq!(taken(&mut strings, "xR", 10), "");
        assert_eq!(taken(&mut strings, "jk", 200), "jk");
    }
}
