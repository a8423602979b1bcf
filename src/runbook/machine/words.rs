//! The words of the machine: what it is told, and what it says.

use crate::domain::record::{RunOutcome, StepState};

/// What a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person does it and says so.
    Manual,
    /// Checks, waits or verifies, and changes nothing.
    Look,
    /// Changes something.
    Change {
        /// Takes an answer of its own after its checks.
        asks: bool,
        /// Can be taken back.
        undo: bool,
        /// Is sent so many times more when it was not done.
        retry: u64,
    },
}

/// What follows a failure, as the runbook says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It says nothing: where something can be taken back that is offered, else the run stops.
    #[default]
    Offer,
    /// The run stops.
    Stop,
    /// The operator is asked.
    Ask,
    /// The step is undone, and the run stops.
    Undo,
    /// The run goes on.
    Continue,
    /// A person looks at what the batches so far came to.
    Look,
}

/// What the operator can choose after a failure or a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Check, or wait and verify, once more. Nothing is sent twice by that.
    Again,
    /// Take back the last change that can be.
    Undo,
    /// Leave it as it is and go on with the next step.
    GoOn,
    /// All is well so far: go on with the next hosts.
    Next,
    /// Begin nothing before it is certain again that what it locks is its own.
    Wait,
    /// Go on although what it locks binds nobody else just now.
    Glass,
    /// End the run.
    Stop,
}

impl Way {
    /// Its word, on the command line and in JSON. Going on means the same after a failure and between batches of hosts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Undo => "undo",
            Self::GoOn | Self::Next => "continue",
            Self::Wait => "wait",
            Self::Glass => "break-glass",
            Self::Stop => "stop",
        }
    }

    /// The letter that chooses it, on the screen and on the command line; a stop takes more than a letter.
    pub const fn letter(self) -> Option<char> {
        match self {
            Self::Again => Some('a'),
            Self::Undo => Some('u'),
            Self::GoOn | Self::Next => Some('c'),
            Self::Wait => Some('w'),
            Self::Glass => Some('!'),
            Self::Stop => None,
        }
    }

    /// It takes a reason.
    pub const fn is_reasoned(self) -> bool {
        matches!(self, Self::GoOn | Self::Glass)
    }
}

/// What to do next, and for whom: answered with the same `lane`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The host of the rollout under way, by its place among all its hosts; `None`: the run as a whole.
    pub lane: Option<usize>,
    /// What.
    pub command: Command,
}

/// What to do. Steps are numbered from 0. Each is answered by exactly one [`Event`], but [`Command::Finish`] by none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask the checks and the plan fence again. Answered by [`Event::Rechecked`] or [`Event::Unbound`].
    Recheck(usize),
    /// Ask the operator. Answered by [`Event::Answered`].
    Ask(usize),
    /// Ask the operator what to do, because nobody knows whether what the run locks is still its own. Answered by [`Event::Answered`]: a step
    /// begins or is taken back by [`Answered::Go`] alone.
    AskUnbound {
        /// The step that would be sent or taken back next.
        step: usize,
        /// Why it is not known.
        why: String,
    },
    /// Make the intent durable. Answered by [`Event::Recorded`] or [`Event::JournalFailed`].
    Intend(usize),
    /// Send it. Answered by [`Event::Acted`].
    Act(usize),
    /// Ask `wait` and `verify` (and, of a step that only looks, nothing else). Answered by [`Event::Watched`].
    Watch(usize),
    /// Make a state of the step durable. Answered by [`Event::Recorded`] or [`Event::JournalFailed`].
    Record {
        /// The step.
        step: usize,
        /// Its state.
        state: StepState,
        /// Why, in a sentence.
        detail: String,
    },
    /// Ask the operator what now. Answered by [`Event::Chosen`].
    Offer {
        /// The step that it is at.
        at: usize,
        /// The change that `undo` would take back, or else the step that failed.
        step: usize,
        /// What there is to choose from.
        ways: Vec<Way>,
        /// What has happened.
        why: String,
    },
    /// Begin a batch of hosts, after the pause before it. Answered by [`Event::Recorded`] or [`Event::JournalFailed`].
    Batch {
        /// Which of the rollouts, from 0.
        rolling: usize,
        /// Which of its batches, from 0.
        batch: usize,
    },
    /// Make durable that a step is about to be taken back. Answered by [`Event::Recorded`], [`Event::JournalFailed`] or [`Event::Unbound`].
    IntendUndo(usize),
    /// Send what takes it back. Answered by [`Event::Undone`].
    Undo(usize),
    /// The run is over: make that durable. Answered by nothing.
    Finish {
        /// How it ended.
        outcome: RunOutcome,
        /// Why, in a sentence.
        reason: String,
        /// The changes that could have been taken back and were not, last first; none when all is well.
        left: Vec<usize>,
    },
    /// The run is over and the journal cannot say so. Answered by nothing.
    Abandon,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The run's start is durable.
    Started,
    /// The checks and the plan fence were asked again.
    Rechecked(Rechecked),
    /// Nobody knows whether what the run locks is still its own, and why; nothing was sent.
    Unbound(String),
    /// The operator answered.
    Answered(Answered),
    /// What was to be recorded is durable.
    Recorded,
    /// It is not: nothing may change any more.
    JournalFailed,
    /// It was sent, or not.
    Acted(Effect, Then),
    /// The waiting and verifying are over.
    Watched(Watched, Then),
    /// The operator chose what follows, with a reason for going on.
    Chosen(Way, String),
    /// What takes a step back was sent, or not.
    Undone(Effect),
    /// The operator wants the run to end before the next change.
    Stop,
    /// The operator wants what is in flight to be cut off, and the run to end; with that also to take back what was cut off.
    Cancel {
        /// What is cut off is taken back, where it can be.
        undo: bool,
    },
    /// The program ends: like a stop, and nobody is there to be asked.
    Leave,
}

/// What asking again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rechecked {
    /// Go on.
    Passed,
    /// Nothing is left to do.
    Empty,
    /// Its `if` is not true: the step is passed over.
    LeftOut(String),
    /// It would touch more than was approved: what.
    Grew(String),
    /// A check does not hold: why.
    Blocked(String),
}

/// What the operator said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Go on: the gate has accepted the answer.
    Go,
    /// A manual step is done: what was done, in words.
    Done(String),
    /// The runbook that the step calls has been run: how that ended, and what is said of it.
    Came(RunOutcome, String),
    /// Pass over it: why.
    Skip(String),
    /// End the run.
    Stop,
}

/// What came of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The other side says that it did it: in words.
    Done(String),
    /// It never left, or was refused whole for now: why.
    NotSent(String),
    /// It was refused whole, and would be again: why.
    Refused(String),
    /// It ended by itself and says that it failed: why. Part of it may be done.
    Failed(String),
    /// It left, and nobody knows what came of it: why.
    Unknown(String),
}

impl Effect {
    /// It is certain that nothing was done.
    pub const fn is_nothing(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Refused(_))
    }
}

/// What waiting and verifying came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// All of it is true: in words.
    Passed(String),
    /// It did not become true in time: why.
    TimedOut(String),
    /// It is not true: why.
    Failed(String),
    /// It could not be asked: why.
    CannotTell(String),
    /// The same, of something that may be sent once more whatever became of it: the other side does it once.
    Again(String),
}

/// What is known of a step of a run that is taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// The last state of what it does; `Planned`: not begun.
    pub state: StepState,
    /// Its change was made, or may have been.
    pub happened: bool,
    /// How taking it back stands, if that was tried.
    pub undo: Option<StepState>,
    /// Why, in words.
    pub detail: String,
}

impl Default for Was {
    fn default() -> Self {
        Self { state: StepState::Planned, happened: false, undo: None, detail: String::new() }
    }
}

/// Why a run ended that somebody stopped, behind the outcome's own word.
pub const REQUESTED: &str = "on request";

/// How a run would end, unless something else follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) outcome: RunOutcome,
    pub(super) reason: String,
    pub(super) then: Then,
    pub(super) again: Option<Again>,
}

impl End {
    pub(super) fn new(outcome: RunOutcome, reason: &str, then: Then) -> Self {
        Self { outcome, reason: reason.to_owned(), then, again: None }
    }
}

/// What can be asked again of a step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Its checks: nothing was sent.
    Check,
    /// Its `wait` and `verify`; the text is why the effect was unknown.
    Watch(Option<String>),
}
