//! The two small questions: unlock writes, and what a run asks on its way.

use super::answer::Arming;
use crate::domain::RunId;
use crate::widgets::field::Field;

/// Unlock writes?
#[derive(Debug, Default)]
pub struct UnlockDialog {
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
}

/// A run asks before it goes on.
#[derive(Debug)]
pub struct AskDialog {
    /// The run.
    pub run: RunId,
    /// What it asks.
    pub prompt: String,
    /// The phrase to type, when one must be typed.
    pub phrase: Option<String>,
    /// A manual step: done, skip (with a reason), stop.
    pub manual: bool,
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// The phrase or the reason being typed.
    pub field: Field,
    /// A reason for skipping is being typed.
    pub skipping: bool,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
}

impl AskDialog {
    /// Asks.
    pub fn new(run: RunId, prompt: String, phrase: Option<String>, manual: bool) -> Self {
        Self {
            run,
            prompt,
            phrase,
            manual,
            arming: Arming::default(),
            armed: false,
            field: Field::default(),
            skipping: false,
            refusal: None,
        }
    }

    /// Something is typed into it.
    pub fn takes_text(&self) -> bool {
        self.phrase.is_some() || self.skipping
    }
}
