//! The two small questions: unlock writes, and what a run asks on its way.

use super::answer::Arming;
use super::plan_dialog::PlanDialog;
use crate::domain::RunId;
use crate::effect::RunAnswer;
use crate::event::TaskList;
use crate::runbook::machine::Way;
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;

/// Unlock writes?
#[derive(Debug, Default)]
pub struct UnlockDialog {
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
    /// The plan that it was opened from, and that is shown again after it.
    pub(super) plan: Option<Box<PlanDialog>>,
}

impl UnlockDialog {
    /// It was opened from a plan, which is shown again after it.
    pub fn is_for_plan(&self) -> bool {
        self.plan.is_some()
    }
}

/// A run asks before it goes on.
#[derive(Debug)]
pub struct AskDialog {
    /// The run.
    pub run: RunId,
    /// The step that it asks about, by its id.
    pub step: String,
    /// What it asks.
    pub prompt: String,
    /// The phrase to type, when one must be typed; after a failure or a stop that of the undo.
    pub phrase: Option<String>,
    /// A manual step: done, skip (with a reason), stop.
    pub manual: bool,
    /// What a manual step wants to have ticked and chosen, as it is so far.
    pub list: TaskList,
    /// After a failure or a stop: what there is to choose from; empty when it asks for something else.
    pub ways: Vec<Way>,
    /// What was chosen of it.
    pub(super) way: Option<Way>,
    /// The answer that is being weighed is that the run shall stop.
    pub(super) stops: bool,
    /// Its number among all that were asked, from 1.
    pub(super) number: u64,
    /// It was on the screen.
    pub(super) seen: bool,
    /// The line of the list that a key would mark: tasks first, then choices.
    pub cursor: usize,
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// It takes none because one was given right before: hands must have been off the keys first.
    pub rests: bool,
    /// The phrase or the reason being typed.
    pub field: Field,
    /// A reason for skipping, or the phrase of an undo, is being typed.
    pub skipping: bool,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
    /// First line of the question shown.
    pub scroll: Scroll,
}

impl AskDialog {
    /// Asks.
    pub fn new(run: RunId, prompt: String, phrase: Option<String>, manual: bool) -> Self {
        Self {
            run,
            step: String::new(),
            prompt,
            phrase,
            manual,
            list: TaskList::default(),
            ways: Vec::new(),
            way: None,
            stops: false,
            number: 0,
            seen: false,
            cursor: 0,
            arming: Arming::default(),
            armed: false,
            rests: false,
            field: Field::default(),
            skipping: false,
            refusal: None,
            scroll: Scroll::default(),
        }
    }

    /// As it was asked: what was typed is gone, what was ticked stays, and it takes an answer when it was on the screen for a moment.
    pub(super) fn begin_anew(&mut self) {
        (self.field, self.skipping, self.refusal) = (Field::default(), false, None);
        (self.way, self.stops) = (None, false);
        (self.arming, self.armed, self.rests) = (Arming::default(), false, false);
    }

    /// What a letter chooses of what there is after a failure or a stop.
    pub(super) fn way_of(&self, letter: Option<char>) -> Option<Way> {
        let letter = letter?;
        self.ways.iter().copied().find(|way| way.letter() == Some(letter))
    }

    /// Asks why the step is skipped, or why the run goes on all the same.
    pub(super) fn ask_reason(&mut self, way: Option<Way>) {
        (self.skipping, self.way, self.field) = (true, way, Field::default());
    }

    /// Back from the reason to the question.
    pub(super) fn drop_reason(&mut self) {
        (self.skipping, self.way, self.field) = (false, None, Field::default());
    }

    /// Somebody has said that it is to wait; it can be broken off.
    pub fn waits(&self) -> bool {
        self.ways.contains(&Way::Glass) && !self.ways.contains(&Way::Wait)
    }

    /// What a reason is typed for; `None`: none is, or it is skipped.
    pub fn reason_for(&self) -> Option<Way> {
        self.way.filter(|_| self.skipping)
    }

    /// Something is typed into it.
    pub fn takes_text(&self) -> bool {
        self.phrase.is_some() && self.ways.is_empty() || self.skipping
    }

    /// The phrase that a way on takes, if it takes one.
    pub fn phrase_of(&self, way: Way) -> Option<&str> {
        self.phrase.as_deref().filter(|_| way == Way::Undo)
    }

    /// Moves on the list, by so many lines; where there is none, in the text.
    pub(super) fn go(&mut self, by: isize) {
        if self.list.is_empty() {
            return self.scroll.by(by);
        }
        let last = (self.list.tasks.len() + self.list.choices.len()).saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// Ticks the item under the cursor, or takes its tick back; or chooses it. `None`: there is no list.
    pub(super) fn mark(&mut self) -> Option<RunAnswer> {
        let item = self.cursor;
        if let Some((_, done)) = self.list.tasks.get_mut(item) {
            *done = !*done;
            return Some(RunAnswer::Tick { item, done: *done });
        }
        let chosen = item - self.list.tasks.len();
        self.list.choices.get(chosen)?;
        self.list.chosen = Some(chosen);
        Some(RunAnswer::Pick(chosen))
    }
}
