//! What comes from the terminal. What was not typed, replies to questions (OSC, DCS, APC) that the key parser takes apart
//! into letters, is swallowed here, before it can look like keys. One reply is of use, and read: the terminal's ground.

use super::ground;
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

/// Once the terminal was asked for its ground, what looks like the answer may come in pieces this far apart: a slow line.
const ANSWER_GAP: Duration = Duration::from_secs(2);

/// So long after a question a torn answer is still recognised; a whole one always is.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What an event turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Typed, or no key at all: to be taken.
    Typed,
    /// Part of a reply.
    Swallowed,
    /// The last part of the answer to OSC 11: the terminal's ground.
    Ground([u8; 3]),
}

/// Swallows control strings, and control sequences whose ESC came alone; reads the one reply that is of use. Pure: time is an
/// argument.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    inside: Option<Inside>,
    /// When ESC came alone: what follows at once may belong to it.
    escape: Option<Duration>,
    /// Until when an answer is waited for, however torn it comes.
    expecting: Duration,
}

#[derive(Clone, Debug)]
struct Inside {
    kind: Kind,
    last: Duration,
    keys: usize,
    /// What it said so far, as far as it can be the answer.
    text: String,
    /// The last key was ESC: with a backslash, the end.
    escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Ends with BEL or ST.
    String,
    /// Ends with its first letter.
    Sequence,
}

impl Strings {
    /// The terminal was asked for its ground.
    pub fn expect(&mut self, at: Duration) {
        self.expecting = at + ANSWER_TIME;
    }

    /// Whether the event is typed and should be taken; `at` is monotonic.
    pub fn takes(&mut self, event: &Event, at: Duration) -> Taken {
        let Event::Key(key) = event else { return Taken::Typed };
        let waiting = at < self.expecting;
        if let Some(mut inside) = self.inside.take().filter(|inside| inside.goes_on(key, at, waiting)) {
            if inside.ends(key) {
                return ground::answer(&inside.text).map_or(Taken::Swallowed, Taken::Ground);
            }
            inside.push(key, at);
            self.inside = Some(inside);
            return Taken::Swallowed;
        }
        let torn = waiting && key.code == KeyCode::Char(']');
        let gap = if torn { ANSWER_GAP } else { GAP };
        let after_escape = self.escape.take().is_some_and(|then| at.saturating_sub(then) < gap);
        self.escape = (key.code == KeyCode::Esc).then_some(at);
        self.inside = begins(key, after_escape).map(|kind| Inside::new(kind, at));
        if self.inside.is_some() { Taken::Swallowed } else { Taken::Typed }
    }
}

impl Inside {
    fn new(kind: Kind, last: Duration) -> Self {
        Self { kind, last, keys: 0, text: String::new(), escaped: false }
    }

    /// The key belongs to it: it came at once, or it is the next one of an answer that is waited for.
    fn goes_on(&self, key: &KeyEvent, at: Duration, waiting: bool) -> bool {
        let gap = at.saturating_sub(self.last);
        let fits =
            || self.ends(key) || key.code == KeyCode::Esc || self.with(key).is_some_and(|text| ground::begins(&text));
        let answer = self.kind == Kind::String && ground::begins(&self.text) && (waiting || !self.text.is_empty());
        self.keys < MOST && (gap < GAP || gap < ANSWER_GAP && answer && fits())
    }

    fn with(&self, key: &KeyEvent) -> Option<String> {
        let KeyCode::Char(char) = key.code else { return None };
        Some(format!("{}{char}", self.text))
    }

    fn push(&mut self, key: &KeyEvent, at: Duration) {
        (self.last, self.keys, self.escaped) = (at, self.keys + 1, key.code == KeyCode::Esc);
        // Longer than any answer: it is none, and need not be kept.
        if self.text.len() < 64 && !self.escaped {
            self.text = self.with(key).unwrap_or_default();
        }
    }

    /// BEL (Ctrl-G) or ST (ESC `\`) of a string; a letter of a sequence.
    fn ends(&self, key: &KeyEvent) -> bool {
        match (self.kind, key.code) {
            (Kind::String, KeyCode::Char('g')) => key.modifiers.contains(KeyModifiers::CONTROL),
            (Kind::String, KeyCode::Char('\\')) => self.escaped || key.modifiers.contains(KeyModifiers::ALT),
            (Kind::Sequence, KeyCode::Char('@'..='~')) => true,
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers))
    }

    fn taken(strings: &mut Strings, text: &str, at: u64) -> String {
        let takes = |c: &char| strings.takes(&key(*c, KeyModifiers::NONE), Duration::from_millis(at)) == Taken::Typed;
        text.chars().filter(takes).collect()
    }

    #[test]
    fn a_reply_is_swallowed_to_its_end() {
        let mut strings = Strings::default();
        assert_eq!(strings.takes(&key(']', KeyModifiers::ALT), Duration::ZERO), Taken::Swallowed);
        assert_eq!(taken(&mut strings, "52;c;UlJ", 1), "");
        assert_eq!(strings.takes(&key('g', KeyModifiers::CONTROL), Duration::from_millis(1)), Taken::Swallowed);
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
            assert_eq!(strings.takes(&Event::Key(KeyCode::Esc.into()), Duration::ZERO), Taken::Typed);
            assert_eq!(taken(&mut strings, reply, 20), "");
            if end == KeyModifiers::CONTROL {
                assert_ne!(strings.takes(&key('g', end), Duration::from_millis(21)), Taken::Typed);
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

    const BEL: (char, KeyModifiers) = ('g', KeyModifiers::CONTROL);
    const ST: (char, KeyModifiers) = ('\\', KeyModifiers::ALT);

    fn ended(strings: &mut Strings, (code, modifiers): (char, KeyModifiers), at: u64) -> Taken {
        strings.takes(&key(code, modifiers), Duration::from_millis(at))
    }

    #[test]
    fn the_ground_is_read() {
        for end in [BEL, ST] {
            let mut strings = Strings::default();
            ended(&mut strings, (']', KeyModifiers::ALT), 0);
            assert_eq!(taken(&mut strings, "11;rgb:fdfd/f6f6/e3e3", 1), "");
            assert_eq!(ended(&mut strings, end, 1), Taken::Ground([0xfd, 0xf6, 0xe3]));
            assert_eq!(taken(&mut strings, "j", 2), "j");
        }
    }

    #[test]
    fn an_answer_that_is_waited_for_may_come_torn_apart_anywhere() {
        let whole: Vec<Event> = [(']', KeyModifiers::NONE)]
            .into_iter()
            .chain("11;rgb:1e1e/1e1e/1e1e".chars().map(|c| (c, KeyModifiers::NONE)))
            .map(|(c, modifiers)| key(c, modifiers))
            .collect();
        for torn_at in 0..=whole.len() {
            let mut strings = Strings::default();
            strings.expect(Duration::ZERO);
            strings.takes(&Event::Key(KeyCode::Esc.into()), Duration::ZERO);
            for (index, event) in whole.iter().enumerate() {
                let at = Duration::from_millis(if index < torn_at { 1 } else { 900 });
                assert_eq!(strings.takes(event, at), Taken::Swallowed, "torn at {torn_at}, key {index}");
            }
            let esc = Event::Key(KeyCode::Esc.into());
            assert_eq!(strings.takes(&esc, Duration::from_millis(1700)), Taken::Swallowed);
            assert_eq!(ended(&mut strings, ('\\', KeyModifiers::NONE), 2500), Taken::Ground([0x1e; 3]));
        }
    }

    #[test]
    fn while_an_answer_is_waited_for_keys_are_still_keys() {
        let mut strings = Strings::default();
        strings.expect(Duration::ZERO);
        assert_eq!(taken(&mut strings, "jk", 1), "jk");
        ended(&mut strings, (']', KeyModifiers::ALT), 2);
        assert_eq!(taken(&mut strings, "11;rgb:1e", 3), "");
        assert_eq!(taken(&mut strings, "jq", 200), "jq");
        ended(&mut strings, (']', KeyModifiers::ALT), 300);
        assert_eq!(taken(&mut strings, "52;c;x", 301), "");
        assert_eq!(taken(&mut strings, "1", 400), "1");
    }
}
