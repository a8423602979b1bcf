//! Everything that comes out of `update`: what the runtime shall do. Plain data.

use crate::domain::record::Entry;
use crate::domain::view::View;
use crate::domain::{IncidentId, Inquiry, LogRequest, RunId, SourceId};
use crate::recording::Command;
use crate::runbook::approvals::Request;
use crate::runbook::machine::Way;
use crate::runbook::wants::Want;
use crate::runbook::{Answer, Approved, Draft, Plan, PlanRequest};
use crate::store::log::LogExport;

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Poll these sources now (all when empty).
    PollNow(Vec<SourceId>),
    /// Ask a source this often from now on.
    Pace {
        /// Which.
        source: SourceId,
        /// From the start of one poll to the start of the next.
        interval: std::time::Duration,
    },
    /// Make a plan; the answer comes as a run event. One that is still being made is given up for it.
    Plan {
        /// Comes back with the answer, so that one that comes too late is known as such. Counts from 1.
        number: u64,
        /// What is asked for.
        request: PlanRequest,
    },
    /// Give up the plan that is being made.
    GiveUpPlan,
    /// Start an approved plan.
    Start(Box<Plan<Approved>>),
    /// Record what a person says of a run that nobody drives; what came of it comes as an event.
    Resolve {
        /// Which run.
        run: RunId,
        /// What is said.
        word: Word,
        /// In their words.
        text: String,
    },
    /// Look what became of a run that nobody drives; what is found comes as an event.
    Look(RunId),
    /// Ask for a second person's approval of a plan, as it is shown; the record of it comes as an event.
    AskApproval(Box<Plan<Draft>>),
    /// Ask whether a second person has approved the plan with this hash; if so it comes as an event.
    SeekApproval(String),
    /// Whoever sits here wants a second person's approval no more.
    Withdraw(Box<Request>),
    /// Approve what somebody else asks for, or refuse it.
    Decide {
        /// What.
        request: Box<Request>,
        /// Approve.
        approves: bool,
        /// Why.
        reason: String,
    },
    /// Ask for what a run holds, or take it over; when it is there the plan is asked for anew, by an event.
    Want {
        /// For what.
        request: Box<PlanRequest>,
        /// Which run.
        run: RunId,
        /// What.
        resources: Vec<String>,
        /// Take it over when its holder was told.
        take: bool,
        /// Why.
        reason: String,
    },
    /// Stop a run before its next change, and hand what it holds over to who wants it.
    HandOver {
        /// Which.
        run: RunId,
        /// Who wants what.
        want: Box<Want>,
    },
    /// Answer what a run asked.
    Answer(RunId, RunAnswer),
    /// Ask for the past of a figure; the answer comes as an event.
    Inquire(Inquiry),
    /// Keep these views, and no others, in the state folder; what came of it comes as an event.
    KeepViews {
        /// All that were saved here.
        views: Vec<View>,
        /// What to say when they are kept.
        what: String,
    },
    /// Read a log, in place of the one that is read; its lines come as events.
    Follow {
        /// Comes back with them, so that those of an earlier one are known as such. Counts from 1.
        number: u64,
        /// What is read.
        request: Box<LogRequest>,
    },
    /// Read no log any more.
    Unfollow,
    /// Save lines of a log to a file; where it is comes as an event.
    SaveLog(Box<LogExport>),
    /// What is recorded from here belongs to this incident from now on; `None`: to none.
    Attend(Option<IncidentId>),
    /// Write this incident's post-mortem into its document: the one that was last written from this machine, else one that is named by the end of its id.
    PostMortem(IncidentId),
    /// Read again all that the journal knows of incidents: a run belongs to one of which not all is known here.
    RecallIncidents,
    /// Write records of an incident, in this order; each comes back as an event.
    Incident {
        /// Which.
        id: IncidentId,
        /// What.
        entries: Vec<Entry>,
    },
    /// Write a record that is not part of a run.
    Journal(Entry),
    /// Put text on the terminal's clipboard (OSC 52).
    Copy(String),
    /// Ask the terminal for the colour of its ground; the answer comes as an event, or never.
    AskGround,
    /// Tell whoever looks elsewhere: the bell, and a notification where the terminal shows them. One line, harmless.
    Notify(String),
    /// Save text as a file of this name in the state folder; the path, or why not, comes as an event.
    Save {
        /// Without a folder; an existing file is kept, and the new one gets a number.
        name: String,
        /// What it holds; secrets are hidden already.
        text: String,
    },
    /// Listen to the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Move in the recording that is replayed.
    Replay(Command),
    /// Read the config again now; what came of it comes as an event.
    Reload,
    /// Stop like any program does on Ctrl-Z, and come back clean.
    Suspend,
    /// Leave.
    Quit,
}

/// What a person says of a run that nobody drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The change that is in doubt was made.
    Happened,
    /// It was not.
    Nothing,
    /// The run is given up.
    GivenUp,
}

/// The answer to a question of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAnswer {
    /// Go on with the step that asked.
    Confirm(Answer),
    /// A manual step is done; all of its items are ticked, and what there is to choose is chosen.
    Done,
    /// An item of a manual step, from 0, is done, or is not after all.
    Tick {
        /// Which.
        item: usize,
        /// It is done.
        done: bool,
    },
    /// Of what a manual step lets choose from, this one, from 0.
    Pick(usize),
    /// Pass over the step, with a reason.
    Skip(String),
    /// After a failure or a stop: what follows, with a reason for going on, or the phrase of an undo.
    Choose {
        /// What.
        way: Way,
        /// Why, where it needs a reason; of an undo the phrase, where it takes one.
        reason: String,
    },
    /// The run that a step calls was not approved: ask again.
    Declined,
    /// Stop the run before the next change.
    Stop,
    /// Cut off what is in flight, as far as it can be, and end the run.
    Cancel {
        /// Take back what was cut off, where it can be.
        undo: bool,
    },
    /// Begin no step any more until this is taken back; what is in flight goes on.
    Pause(bool),
    /// The program ends: stop the run before the next change, and ask nobody.
    Leave,
}

/// The effects of one update, in order.
pub type Effects = Vec<Effect>;
