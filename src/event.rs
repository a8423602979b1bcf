//! Everything that goes into `update`: plain data, so that it can be logged, compared and replayed.

pub mod reload;

pub use reload::{Reloaded, Renewed, Shelf};

use crate::domain::record::{Record, RunOutcome};
use crate::domain::{Answered, LogEvent, Now, RunId, Sample};
use crate::recording::Played;
use crate::runbook::history::Unread;
use crate::runbook::machine::Way;
use crate::runbook::{Approval, Draft, Plan, PlanRequest};
use crossterm::event::Event as Input;
use jiff::Timestamp;
use uuid::Uuid;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// From the terminal: key, paste, mouse, resize, focus.
    Input(Input),
    /// Time passed. Staleness and clocks count from these, never from a clock read while drawing.
    Tick,
    /// A source answered or failed.
    Sample(Sample),
    /// What somebody looked for was found, or not.
    Answered(Answered),
    /// From the readers of the log that is open.
    Log(LogEvent),
    /// From a run or the planner.
    Run(RunEvent),
    /// The terminal told the colour of its own ground.
    Ground {
        /// It is light.
        light: bool,
    },
    /// What an effect came to, in one sentence.
    Told {
        /// It failed; then the sentence says how to mend it.
        bad: bool,
        /// The sentence.
        what: String,
    },
    /// What stands beside the panes from now on, in a line of its own: whoever started the screen has something to say. Empty: nothing.
    Aside(String),
    /// A replay went on, or jumped.
    Replayed(Box<Played>),
    /// News of the recording that is being made.
    Recording(Recording),
    /// The config was read again.
    Reloaded(Reloaded),
    /// The process came back from being suspended (Ctrl-Z): repaint all.
    Resumed,
}

/// What became of a recording that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It has begun, or goes on after a failure, of which this tells.
    Going(Option<String>),
    /// Samples are not written now: why and how to mend it.
    Failing(String),
    /// It has ended, because nothing more can be written: why, and what to do.
    Over(String),
}

/// From the planner or a run. Sent by `runtime::exec`.
#[derive(Debug)]
pub enum RunEvent {
    /// A plan is ready to be shown.
    Planned {
        /// The number of the request, as in [`crate::effect::Effect::Plan`].
        number: u64,
        /// The plan.
        plan: Box<Plan<Draft>>,
    },
    /// No plan could be made: why and how to mend it. Nothing was sent.
    NotPlanned {
        /// The number of the request.
        number: u64,
        /// What was asked for.
        request: PlanRequest,
        /// Why, and how to mend it.
        why: String,
    },
    /// The plan grew between answer and step: nothing was sent; shown and asked again.
    PlanChanged {
        /// The run that was stopped.
        run: RunId,
        /// The new plan.
        plan: Box<Plan<Draft>>,
        /// In words, what changed.
        what: String,
    },
    /// A journal record of this process is durable.
    Record(Box<Record>),
    /// A record that was in the journal at start: history, not news.
    Recalled(Box<Record>),
    /// All records of incidents that the journal has, and what their writers said of their clocks.
    Incidents(Vec<Record>),
    /// A record of an incident that was written from here, and belongs to no run.
    Noted(Box<Record>),
    /// A record that another process has just appended to the same journal: its run is not this screen's to ask about or to wait for.
    Elsewhere(Box<Record>),
    /// What a step said while it runs, harmless and without secrets. All of it comes once more in the record of its end.
    Output {
        /// The run.
        run: RunId,
        /// The step.
        step: String,
        /// Whole lines, in order.
        lines: Vec<String>,
        /// So many lines before these were dropped: they came faster than they could be told.
        lost: u64,
    },
    /// The line to the host of a step under way broke, or is back. The step goes on there meanwhile.
    Detached {
        /// The run.
        run: RunId,
        /// The step.
        step: String,
        /// When it was last heard of; `None`: it is followed again.
        since: Option<Timestamp>,
        /// Why the line broke, in words.
        why: String,
    },
    /// A run waits for an answer before a later changing step.
    Ask {
        /// The run.
        run: RunId,
        /// The step.
        step: String,
        /// What to ask.
        prompt: String,
        /// The phrase, when one must be typed; `None`: `y`, or done / skip for a manual step. After a failure or a stop: that for the undo;
        /// `None`: its letter is enough.
        phrase: Option<String>,
        /// A manual step: `done`, `skip` or `stop`.
        manual: bool,
        /// What must be ticked and chosen before a manual step is done.
        list: TaskList,
        /// After a failure or a stop: what there is to choose from; empty when it asks for something else.
        ways: Vec<Way>,
    },
    /// A run waits for no answer any more, though none was given: what it asked about has settled itself.
    AskOver(RunId),
    /// A step calls another runbook: it is to be planned, shown, answered and started like any other, or declined
    /// ([`crate::effect::RunAnswer::Declined`]).
    Call {
        /// The run that calls.
        run: RunId,
        /// What is asked for. Parameters that the caller does not have are missing.
        request: Box<PlanRequest>,
        /// Why it is asked for once more: what came that nobody had seen.
        notice: Option<String>,
    },
    /// What a second person has approved, and can be used.
    Approved(Box<Approval>),
    /// What another run held is held for a run that this plan is to begin.
    Yours {
        /// What is to be planned anew.
        request: Box<PlanRequest>,
        /// What is held, and by whom it was, in words.
        what: String,
    },
    /// It did not start, or the journal failed: what and how to mend it.
    Trouble {
        /// The run, if there is one.
        run: Option<RunId>,
        /// What and how to mend it.
        what: String,
    },
    /// The journal can't be read, and why; or it can again. While it can't, nothing can be changed and no other session's run is seen.
    Unread(Option<String>),
    /// The team's journal is away, and what is done from here is recorded on this machine alone; `None`: it is back, and has that.
    Away(Option<Unread>),
    /// How far the clock of the journal's server is ahead of this machine's.
    Clock {
        /// This process's chain.
        writer: Uuid,
        /// Milliseconds.
        ahead_ms: i64,
    },
    /// The journal can be read and not written with this login: why, and what lets it.
    OnlyLooks(String),
    /// Found at start: runs that earlier processes left unfinished. It is being looked at what became of each.
    CutOff(Vec<RunId>),
    /// Runs of other sessions whose process has just been found gone. Nobody looks at what became of them until somebody resumes them.
    Left(Vec<RunId>),
    /// What became of them, once all are looked at.
    Reconciled(Vec<Ended>),
}

/// What a manual step wants to have ticked and chosen. Texts are harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskList {
    /// Items, and whether each is done.
    pub tasks: Vec<(String, bool)>,
    /// What there is to choose from; empty: nothing.
    pub choices: Vec<String>,
    /// What is chosen, from 0.
    pub chosen: Option<usize>,
    /// It runs another runbook: that it is done means to make the plan of that.
    pub plans: bool,
}

impl TaskList {
    /// What is missing before the step is done; `None` when nothing is.
    pub fn missing(&self) -> Option<String> {
        let open = self.tasks.iter().filter(|(_, done)| !done).count();
        match (open, self.choices.is_empty() || self.chosen.is_some()) {
            (0, true) => None,
            (0, false) => Some("choose one first".to_owned()),
            (1, _) => Some("one item is not ticked".to_owned()),
            (open, _) => Some(format!("{open} items are not ticked")),
        }
    }

    /// There is nothing to tick and nothing to choose.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.choices.is_empty()
    }

    /// The text of what is chosen.
    pub fn choice(&self) -> Option<&str> {
        self.chosen.and_then(|chosen| self.choices.get(chosen)).map(String::as_str)
    }
}

/// How a run ended that had been cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why, in words, harmless.
    pub reason: String,
}

/// An event with the moment at which the loop took it in.
#[derive(Debug)]
pub struct Stamped {
    /// When.
    pub now: Now,
    /// What.
    pub event: Event,
}
