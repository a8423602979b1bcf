//! Passing messages: one line each, the newest last; trouble stays longer.

use crate::domain::{Now, text};
use std::time::Duration;

/// Most messages kept.
const MOST: usize = 5;

/// A passing message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What it says, harmless.
    pub text: String,
    /// It tells of trouble.
    pub bad: bool,
    until: Duration,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    list: Vec<Toast>,
}

impl Toast {
    /// One that somebody else keeps for as long as it holds.
    pub fn lasting(text: &str) -> Self {
        Self { text: text::clean(text).into_owned(), bad: false, until: Duration::ZERO }
    }
}

impl Toasts {
    /// A message for four seconds.
    pub fn say(&mut self, now: Now, text: impl AsRef<str>) {
        self.push(now, text.as_ref(), false, Duration::from_secs(4));
    }

    /// A message of trouble, for fifteen seconds.
    pub fn bad(&mut self, now: Now, text: impl AsRef<str>) {
        self.push(now, text.as_ref(), true, Duration::from_secs(15));
    }

    fn push(&mut self, now: Now, message: &str, bad: bool, stay: Duration) {
        let text = text::clean(message).into_owned();
        self.list.retain(|toast| toast.text != text);
        self.list.push(Toast { text, bad, until: now.mono + stay });
        if self.list.len() > MOST {
            self.list.remove(0);
        }
    }

    /// Drops those that begin so: what they tell of is over.
    pub fn withdraw(&mut self, begins: &str) {
        self.list.retain(|toast| !toast.text.starts_with(begins));
    }

    /// Drops those whose time is over; true if there were any.
    pub fn expire(&mut self, now: Now) -> bool {
        let before = self.list.len();
        self.list.retain(|toast| toast.until > now.mono);
        self.list.len() != before
    }

    /// Drops all; true if there were any.
    pub fn dismiss(&mut self) -> bool {
        let any = !self.list.is_empty();
        self.list.clear();
        any
    }

    /// Messages, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Toast> + ExactSizeIterator {
        self.list.iter()
    }

    /// When the next one goes.
    pub fn deadline(&self) -> Option<Duration> {
        self.list.iter().map(|toast| toast.until).min()
    }
}
