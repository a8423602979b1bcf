//! What comes from the terminal. What was not typed, replies to questions (OSC, DCS, APC) that the key parser takes apart
//! into letters, is swallowed here, before it can look like keys.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// A reply arrives in one piece; a gap this long means that what follows was typed.
const GAP: Duration = Duration::from_millis(50);

/// Longest reply swallowed, in keys; what is longer is no reply.
const MOST: usize = 4096;

/// After an error of the terminal it is not asked again at once.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// Reads the terminal on a thread of its own. When the terminal is gone, crossterm reads on for ever and never answers; that may
/// cost this thread, which ends with the process, but not the loop, which then still is told to end or fails to paint.
pub fn read() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, events) = mpsc::channel(256);
    std::thread::spawn(move || {
        loop {
            let event = crossterm::event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() {
                return;
            }
            if failed {
                std::thread::sleep(AFTER_ERROR);
            }
        }
    });
    events
}

/// Swallows control strings, and control sequences whose ESC came alone. Pure: time is an argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strings {
    inside: Option<Inside>,
    /// When ESC came alone: what follows at once may belong to it.
    escape: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    kind: Kind,
    last: Duration,
    keys: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Ends with BEL or ST.
    String,
    /// Ends with its first letter.
    Sequence,
}

impl Strings {
    /// True when the event is typed (or is no key at all) and should be taken; `at` is monotonic.
    pub fn takes(&mut self, event: &Event, at: Duration) -> bool {
        let Event::Key(key) = event else { return true };
        let recent = |then: Duration| at.saturating_sub(then) < GAP;
        if let Some(inside) = self.inside.filter(|inside| recent(inside.last) && inside.keys < MOST) {
            self.inside = (!ends(inside.kind, key)).then_some(Inside { last: at, keys: inside.keys + 1, ..inside });
            return false;
        }
        let after_escape = self.escape.take().is_some_and(recent);
        self.escape = (key.code == KeyCode::Esc).then_some(at);
        self.inside = begins(key, after_escape).map(|kind| Inside { kind, last: at, keys: 0 });
        self.inside.is_none()
    }
}

/// ESC with `]` (OSC), `P` (DCS), `_` (APC), `^` (PM) or `X` (SOS): the parser makes Alt and the letter of it. When the two
/// came apart, it made Esc and the letter, also of `[` (CSI).
fn begins(key: &KeyEvent, after_escape: bool) -> Option<Kind> {
    match key.code {
        _ if !after_escape && !key.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(']' | 'P' | '_' | '^' | 'X') => Some(Kind::String),
        KeyCode::Char('[') if after_escape => Some(Kind::Sequence),
        _ => None,
    }
}

/// BEL (Ctrl-G) or ST (ESC `\`) of a string; a letter of a sequence.
fn ends(kind: Kind, key: &KeyEvent) -> bool {
    match (kind, key.code) {
        (Kind::String, KeyCode::Char('g')) => key.modifiers.contains(KeyModifiers::CONTROL),
        (Kind::String, KeyCode::Char('\\')) => key.modifiers.contains(KeyModifiers::ALT),
        (Kind::Sequence, KeyCode::Char('@'..='~')) => true,
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

    #[test]
    fn an_escape_that_came_alone_still_begins_a_reply() {
        for (reply, end) in [("]11;rgb:1e1e/R", KeyModifiers::CONTROL), ("[?62;22c", KeyModifiers::NONE)] {
            let mut strings = Strings::default();
            assert!(strings.takes(&Event::Key(KeyCode::Esc.into()), Duration::ZERO));
            assert_eq!(taken(&mut strings, reply, 20), "");
            if end == KeyModifiers::CONTROL {
                assert!(!strings.takes(&key('g', end), Duration::from_millis(21)));
            }
            assert_eq!(taken(&mut strings, "R", 22), "R");
        }
    }

    #[test]
    fn a_bracket_long_after_escape_is_a_key() {
        let mut strings = Strings::default();
        strings.takes(&Event::Key(KeyCode::Esc.into()), Duration::ZERO);
        assert_eq!(taken(&mut strings, "[j", 60), "[j");
    }
}
