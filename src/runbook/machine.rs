//! The states of a run, as a pure machine: what happened goes in, what to do next comes out. No IO, no time.
//!
//! It holds the rules that must hold whatever happens: no act without a durable intent, at most one act per step, nothing
//! after a step whose effect is unknown, nothing new after a stop or when the journal cannot be written. A change that was not done
//! is sent again only after its checks have passed again, and a change is taken back at most once.

mod resume;

pub use resume::first_left;

use super::script::{Lane, Rolling};
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
            Self::Stop => "stop",
        }
    }

    /// The letter that chooses it, on the screen and on the command line; a stop takes more than a letter.
    pub const fn letter(self) -> Option<char> {
        match self {
            Self::Again => Some('a'),
            Self::Undo => Some('u'),
            Self::GoOn | Self::Next => Some('c'),
            Self::Stop => None,
        }
    }

    /// It takes a reason.
    pub const fn is_reasoned(self) -> bool {
        matches!(self, Self::GoOn)
    }
}

/// What to do next. Steps are numbered from 0. Each is answered by exactly one [`Event`], but [`Command::Finish`] by none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask the checks and the plan fence again. Answered by [`Event::Rechecked`].
    Recheck(usize),
    /// Ask the operator. Answered by [`Event::Answered`].
    Ask(usize),
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
    /// Make durable that a step is about to be taken back. Answered by [`Event::Recorded`] or [`Event::JournalFailed`].
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
    /// It never left, or was refused whole: why.
    NotSent(String),
    /// It ended by itself and says that it failed: why. Part of it may be done.
    Failed(String),
    /// It left, and nobody knows what came of it: why.
    Unknown(String),
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

/// How a run would end, unless something else follows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    outcome: RunOutcome,
    reason: String,
    then: Then,
    again: Option<Again>,
}

/// What can be asked again of a step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Again {
    /// Its checks: nothing was sent.
    Check,
    /// Its `wait` and `verify`; the text is why the effect was unknown.
    Watch(Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Checking,
    Asking,
    CheckingAgain,
    Intending,
    Acting,
    /// The act's result is being recorded; then it is watched. The text is why the effect is unknown, when it is.
    Sent(Option<String>),
    Watching(Option<String>),
    /// That it was not done is being recorded; then it is checked and sent again.
    Retrying,
    /// The last state of the step is being recorded; then comes the next step, or the end.
    Closing(Option<End>),
    /// A batch of hosts is being begun.
    Batching,
    /// A host has failed, and that the rest of its steps are passed over is being recorded.
    Passing,
    /// The operator is asked what now.
    Offering(End),
    UndoIntending(End),
    Undoing(End),
    /// What came of taking back is being recorded. It failed, or what is to follow.
    UndoClosing(End, bool),
    Over,
}

/// Why a run ended that somebody stopped, behind the outcome's own word.
pub const REQUESTED: &str = "on request";

/// A run's states.
#[derive(Clone, Debug)]
pub struct Machine {
    kinds: Vec<Kind>,
    rollings: Vec<Rolling>,
    /// So many hosts of the present rollout have failed.
    lost: u64,
    step: usize,
    phase: Phase,
    stopping: bool,
    leaving: bool,
    /// The step under way was sent so many times in vain.
    tries: u64,
    /// Changes that may have happened and can be taken back, in order.
    done: Vec<usize>,
    /// Why the first step failed after which the run went on.
    passed_over: Option<String>,
    /// What a run that is taken up again begins with, where that is no step.
    first: First,
}

/// How a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum First {
    /// With the step it is at.
    #[default]
    Step,
    /// What is left of a host that has failed is passed over.
    Pass,
    /// The operator is asked.
    Offer(End),
}

impl Machine {
    /// A run of these steps that has not begun.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self {
            kinds,
            rollings: Vec::new(),
            lost: 0,
            step: 0,
            phase: Phase::New,
            stopping: false,
            leaving: false,
            tries: 0,
            done: Vec::new(),
            passed_over: None,
            first: First::Step,
        }
    }

    /// Some of the steps go host by host.
    #[must_use]
    pub fn rolling(self, rollings: Vec<Rolling>) -> Self {
        Self { rollings, ..self }
    }

    /// Takes a run up again where its records end. What they say was done is not done again; what they leave in doubt, and a step that
    /// has failed, is put to the operator first.
    #[must_use]
    pub fn resumed(mut self, was: &[Was]) -> Self {
        let at = resume::first_left(was);
        let made = |step: &usize| was[*step].happened && was[*step].undo.is_none() && self.can_undo(*step);
        self.done = (0..was.len().min(self.kinds.len())).filter(made).collect();
        self.step = at;
        self.passed_over = was[..at].iter().find(|was| resume::is_bad(was)).map(|was| was.detail.clone());
        self.lost = resume::lost(self.rollings.iter(), was, at);
        self.first = self.taken_up(was, at);
        self
    }

    fn taken_up(&mut self, was: &[Was], at: usize) -> First {
        if let Some(doubt) = was.iter().position(resume::is_doubtful) {
            self.step = doubt;
            let why = format!("nobody knows what became of a step: {}", was[doubt].detail);
            return First::Offer(End::new(RunOutcome::Unknown, &why, Then::Ask));
        }
        let Some(last) = at.checked_sub(1) else { return First::Step };
        let within = |rolling: &Rolling| self.lost <= rolling.max_fail;
        let lane = resume::lane(&self.rollings, last).map(|(rolling, lane)| (within(rolling), lane.steps.end));
        let failed = resume::is_bad(&was[last]) || resume::failed_before(&self.rollings, was, last);
        match lane {
            // What failed on a host, or was taken back there, ends that host alone.
            Some((true, end)) if failed && at < end => {
                self.step = last;
                return First::Pass;
            }
            Some((true, _)) if failed => return First::Step,
            _ => {}
        }
        let excused = |step: usize| resume::lane(&self.rollings, step).is_some_and(|(rolling, _)| within(rolling));
        if let Some(back) = (0..was.len()).find(|step| was[*step].undo.is_some() && !excused(*step)) {
            self.step = back;
            let why = "some of it was taken back: nothing new is begun there";
            return First::Offer(End::new(RunOutcome::Stopped, why, Then::Offer));
        }
        if resume::is_bad(&was[last]) {
            self.step = last;
            let again = was[last].happened.then_some(Again::Watch(None));
            return First::Offer(End { again, ..End::new(RunOutcome::Failed, &was[last].detail, Then::Ask) });
        }
        First::Step
    }

    fn begin_with(&mut self) -> Command {
        match std::mem::take(&mut self.first) {
            First::Offer(end) if !self.leaving => self.offer(end),
            First::Offer(end) => self.finish(end.outcome, end.reason),
            First::Pass if !self.stopping => self.pass(),
            First::Pass | First::Step => self.enter(),
        }
    }

    /// The run is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The step it is at.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The change under way can't be taken back after all.
    pub fn has_no_undo(&mut self) {
        if let Some(Kind::Change { undo, .. }) = self.kinds.get_mut(self.step) {
            *undo = false;
        }
    }

    /// Takes in what happened; says what to do next. An event that does not belong to the present state changes nothing.
    pub fn on(&mut self, event: Event) -> Option<Command> {
        match (self.phase.clone(), event) {
            (_, Event::Stop) => self.stop(),
            (_, Event::Leave) => {
                self.leaving = true;
                self.stop()
            }
            (Phase::New, Event::Started) => Some(self.begin_with()),
            (Phase::Checking | Phase::CheckingAgain, Event::Rechecked(result)) => Some(self.rechecked(result)),
            (Phase::Asking, Event::Answered(answer)) => Some(self.answered(answer)),
            (Phase::Acting, Event::Acted(effect, then)) => Some(self.acted(effect, then)),
            (Phase::Watching(doubt), Event::Watched(result, then)) => Some(self.watched(doubt, result, then)),
            (Phase::Offering(end), Event::Chosen(way, reason)) => Some(self.chosen(end, way, &reason)),
            (Phase::Undoing(end), Event::Undone(effect)) => Some(self.undone(end, effect)),
            (phase, Event::Recorded) => self.recorded(phase),
            (phase, Event::JournalFailed) if phase.is_recording() => Some(self.go(Phase::Over, Command::Abandon)),
            _ => None,
        }
    }

    fn recorded(&mut self, phase: Phase) -> Option<Command> {
        let step = self.step;
        match phase {
            Phase::Intending => Some(self.go(Phase::Acting, Command::Act(step))),
            Phase::Sent(doubt) => Some(self.go(Phase::Watching(doubt), Command::Watch(step))),
            Phase::Retrying if self.stopping => Some(self.stopped()),
            Phase::Retrying => Some(self.go(Phase::CheckingAgain, Command::Recheck(step))),
            Phase::Closing(None) => Some(self.next()),
            Phase::Closing(Some(end)) => Some(self.step_failed(end)),
            Phase::Passing => Some(self.pass()),
            Phase::Batching => Some(self.begin()),
            Phase::UndoIntending(end) => {
                let step = self.done.last().copied()?;
                Some(self.go(Phase::Undoing(end), Command::Undo(step)))
            }
            Phase::UndoClosing(end, true) => Some(self.finish(end.outcome, end.reason)),
            // The runbook wanted it taken back; else the operator, who is asked again.
            Phase::UndoClosing(end, false) if end.then == Then::Stop => Some(self.step_failed(end)),
            Phase::UndoClosing(end, false) => Some(self.failed(end)),
            _ => None,
        }
    }

    fn go(&mut self, phase: Phase, command: Command) -> Command {
        self.phase = phase;
        command
    }

    fn finish(&mut self, outcome: RunOutcome, reason: impl Into<String>) -> Command {
        let left = if outcome == RunOutcome::Ok { Vec::new() } else { self.done.iter().rev().copied().collect() };
        self.go(Phase::Over, Command::Finish { outcome, reason: reason.into(), left })
    }

    /// A stop ends a run that waits for a person at once, and any other before its next change.
    fn stop(&mut self) -> Option<Command> {
        self.stopping = true;
        match self.phase.clone() {
            Phase::Asking => Some(self.stopped()),
            Phase::Offering(end) => Some(self.finish(end.outcome, end.reason)),
            _ => None,
        }
    }

    fn stopped(&mut self) -> Command {
        let end = End::new(RunOutcome::Stopped, "on request; nothing was sent for this step", Then::Offer);
        self.close(StepState::Cancelled, "stopped on request before anything was sent", Some(end))
    }

    /// Begins the step it is at, or ends the run after the last one.
    fn enter(&mut self) -> Command {
        self.tries = 0;
        if self.step >= self.kinds.len() {
            return match self.passed_over.take() {
                Some(why) => self.finish(RunOutcome::Failed, format!("a step failed, and the run went on: {why}")),
                None => self.finish(RunOutcome::Ok, "every step is ok or skipped"),
            };
        }
        if self.stopping {
            return self.failed(End::new(RunOutcome::Stopped, REQUESTED, Then::Offer));
        }
        match self.batch() {
            Some((rolling, batch)) if batch > 0 && self.rollings[rolling].ask_after == Some(batch as u64) => {
                self.look()
            }
            Some(_) => self.begin_batch(),
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> Command {
        match self.kinds[self.step] {
            _ if self.stopping => self.failed(End::new(RunOutcome::Stopped, REQUESTED, Then::Offer)),
            Kind::Manual => self.go(Phase::Asking, Command::Ask(self.step)),
            Kind::Look | Kind::Change { .. } => self.go(Phase::Checking, Command::Recheck(self.step)),
        }
    }

    /// The rollout and its batch that begin with the step: it is the first one of the batch's first host.
    fn batch(&self) -> Option<(usize, usize)> {
        let first = |rolling: &Rolling| {
            let at = rolling.lanes.iter().position(|lane| lane.steps.start == self.step)?;
            let batch = rolling.lanes[at].batch;
            (at == 0 || rolling.lanes[at - 1].batch < batch).then_some(batch)
        };
        self.rollings.iter().enumerate().find_map(|(at, it)| Some((at, first(it)?)))
    }

    fn begin_batch(&mut self) -> Command {
        let Some((rolling, batch)) = self.batch() else { return self.begin() };
        if batch == 0 {
            self.lost = 0;
        }
        self.go(Phase::Batching, Command::Batch { rolling, batch })
    }

    /// The batches so far are done: a person looks before the next one.
    fn look(&mut self) -> Command {
        let (rolling, lane) = self.lane().map_or((1, 1), |(rolling, lane)| (rolling.batches(), lane.batch));
        let reason = format!("stopped after {lane} of {rolling} batches");
        self.offer(End::new(RunOutcome::Stopped, &reason, Then::Look))
    }

    /// The host that the step is done on.
    fn lane(&self) -> Option<(&Rolling, &Lane)> {
        let of = |rolling: &'_ Rolling| rolling.lanes.iter().position(|lane| lane.steps.contains(&self.step));
        self.rollings.iter().find_map(|rolling| Some((rolling, &rolling.lanes[of(rolling)?])))
    }

    /// A step has failed. In a rollout its host has, of which some may.
    fn step_failed(&mut self, end: End) -> Command {
        let over = match end.then {
            Then::Offer | Then::Stop => true,
            // Nothing was sent that could be taken back.
            Then::Undo => self.done.last() != Some(&self.step),
            Then::Ask | Then::Continue | Then::Look => false,
        };
        let counts = over && end.outcome == RunOutcome::Failed;
        let Some((rolling, _)) = self.lane().filter(|_| counts && !self.stopping) else { return self.failed(end) };
        let allowed = rolling.max_fail;
        self.lost += 1;
        if self.lost <= allowed {
            self.passed_over.get_or_insert(end.reason);
            return self.pass();
        }
        let hosts = |count| if count == 1 { "1 host has".to_owned() } else { format!("{count} hosts have") };
        let reason = format!("{}; {} failed, and at most {allowed} may", end.reason, hosts(self.lost));
        self.failed(End { reason, ..end })
    }

    /// The rest of a host's steps, and then the next host.
    fn pass(&mut self) -> Command {
        let end = self.lane().map_or(self.step, |(_, lane)| lane.steps.end);
        self.step += 1;
        if self.step >= end {
            return self.enter();
        }
        let detail = "a step before it failed on this host".to_owned();
        self.go(Phase::Passing, Command::Record { step: self.step, state: StepState::Skipped, detail })
    }

    fn next(&mut self) -> Command {
        self.step += 1;
        self.enter()
    }

    fn rechecked(&mut self, result: Rechecked) -> Command {
        let again = self.phase == Phase::CheckingAgain;
        match (result, self.kinds[self.step]) {
            _ if self.stopping => self.stopped(),
            (Rechecked::Passed, Kind::Change { asks: true, .. }) if !again => {
                self.go(Phase::Asking, Command::Ask(self.step))
            }
            (Rechecked::Passed, Kind::Change { .. }) => self.go(Phase::Intending, Command::Intend(self.step)),
            (Rechecked::Passed, Kind::Look | Kind::Manual) => self.go(Phase::Watching(None), Command::Watch(self.step)),
            (Rechecked::Empty, _) => self.close(StepState::Skipped, "nothing left to do", None),
            (Rechecked::LeftOut(why), _) => self.close(StepState::Skipped, why, None),
            (Rechecked::Grew(what), _) => {
                let reason = format!("the plan changed before anything was sent for this step: {what}");
                let end = End::new(RunOutcome::Stopped, &reason, Then::Offer);
                self.close(StepState::Cancelled, reason, Some(end))
            }
            (Rechecked::Blocked(why), _) => {
                let end = End { again: Some(Again::Check), ..End::new(RunOutcome::Failed, &why, Then::Offer) };
                self.close(StepState::Failed, format!("not sent: {why}"), Some(end))
            }
        }
    }

    fn answered(&mut self, answer: Answered) -> Command {
        match (answer, self.kinds[self.step]) {
            (Answered::Stop, _) => self.stopped(),
            (Answered::Skip(why), _) => self.close(StepState::Skipped, format!("skipped: {why}"), None),
            (Answered::Done(what), Kind::Manual) => self.close(StepState::Ok, what, None),
            (Answered::Came(outcome, what), Kind::Manual) => self.came(outcome, what),
            // Answering takes time: what was true before it must be asked once more.
            (Answered::Go, Kind::Look | Kind::Change { .. }) => {
                self.go(Phase::CheckingAgain, Command::Recheck(self.step))
            }
            // An answer to another kind of question.
            (Answered::Go | Answered::Done(_) | Answered::Came(..), _) => Command::Ask(self.step),
        }
    }

    /// A step that calls a runbook is what that came to.
    fn came(&mut self, outcome: RunOutcome, what: String) -> Command {
        let state = match outcome {
            RunOutcome::Ok => return self.close(StepState::Ok, what, None),
            RunOutcome::Failed => StepState::Failed,
            RunOutcome::Unknown => StepState::Unknown,
            RunOutcome::Stopped | RunOutcome::Undone => StepState::Cancelled,
        };
        let end = End::new(outcome, &what, Then::Offer);
        self.close(state, what, Some(end))
    }

    fn acted(&mut self, effect: Effect, then: Then) -> Command {
        let step = self.step;
        if !matches!(effect, Effect::NotSent(_)) && self.can_undo(step) && !self.done.contains(&step) {
            self.done.push(step);
        }
        match effect {
            Effect::Done(detail) => {
                self.go(Phase::Sent(None), Command::Record { step, state: StepState::Running, detail })
            }
            Effect::Unknown(why) => {
                let record = Command::Record { step, state: StepState::Unknown, detail: why.clone() };
                self.go(Phase::Sent(Some(why)), record)
            }
            Effect::NotSent(why) if self.may_retry() => self.retry(&format!("not done: {why}")),
            Effect::Failed(why) if self.may_retry() => self.retry(&why),
            Effect::Failed(why) => {
                let end = End::new(RunOutcome::Failed, &why, then);
                self.close(StepState::Failed, why, Some(end))
            }
            Effect::NotSent(why) => {
                let end = End::new(RunOutcome::Failed, &why, then);
                self.close(StepState::Failed, format!("not done: {why}"), Some(end))
            }
        }
    }

    fn can_undo(&self, step: usize) -> bool {
        matches!(self.kinds[step], Kind::Change { undo: true, .. })
    }

    fn may_retry(&self) -> bool {
        let allowed = match self.kinds[self.step] {
            Kind::Change { retry, .. } => retry,
            Kind::Manual | Kind::Look => 0,
        };
        self.tries < allowed && !self.stopping
    }

    fn retry(&mut self, why: &str) -> Command {
        self.tries += 1;
        let detail = format!("{why}; it is sent again ({})", self.tries);
        self.go(Phase::Retrying, Command::Record { step: self.step, state: StepState::Checking, detail })
    }

    fn watched(&mut self, doubt: Option<String>, result: Watched, then: Then) -> Command {
        let about = |text: String| match &doubt {
            Some(doubt) => format!("{text} (after: {doubt})"),
            None => text,
        };
        let (state, detail, outcome) = match result {
            Watched::Passed(detail) => return self.close(StepState::Ok, about(detail), None),
            // What nobody knew is known now: it did not happen.
            Watched::TimedOut(why) | Watched::Failed(why) if doubt.is_some() && self.may_retry() => {
                return self.retry(&format!("not done: {}", about(why)));
            }
            Watched::TimedOut(why) if doubt.is_none() => (StepState::TimedOut, why, RunOutcome::Failed),
            Watched::TimedOut(why) | Watched::Failed(why) => (StepState::Failed, about(why), RunOutcome::Failed),
            Watched::CannotTell(why) => (StepState::Unknown, about(why), RunOutcome::Unknown),
        };
        let end = End { again: Some(Again::Watch(doubt)), ..End::new(outcome, &detail, then) };
        self.close(state, detail, Some(end))
    }

    fn close(&mut self, state: StepState, detail: impl Into<String>, end: Option<End>) -> Command {
        self.go(Phase::Closing(end), Command::Record { step: self.step, state, detail: detail.into() })
    }

    /// A step has failed, or the run is to stop: ends it, or finds out what follows.
    fn failed(&mut self, end: End) -> Command {
        let unknown = end.outcome == RunOutcome::Unknown;
        match end.then {
            Then::Continue if !unknown && !self.stopping => {
                self.passed_over.get_or_insert(end.reason);
                self.next()
            }
            Then::Undo if !unknown && self.done.last() == Some(&self.step) => {
                self.undo(End { then: Then::Stop, ..end })
            }
            Then::Ask | Then::Look if !self.leaving => self.offer(end),
            Then::Offer if !self.leaving && !unknown && !self.done.is_empty() => self.offer(end),
            _ => self.finish(end.outcome, end.reason),
        }
    }

    fn offer(&mut self, end: End) -> Command {
        let ways = self.ways(&end);
        let step = self.done.last().copied().filter(|_| ways.contains(&Way::Undo)).unwrap_or(self.step);
        let why = end.reason.clone();
        self.go(Phase::Offering(end), Command::Offer { at: self.step, step, ways, why })
    }

    /// While an effect is unknown nothing is sent, not even what would take it back.
    fn ways(&self, end: &End) -> Vec<Way> {
        let unknown = end.outcome == RunOutcome::Unknown;
        let ways = [
            (Way::Again, end.again.is_some() && !self.stopping),
            (Way::Undo, !unknown && !self.done.is_empty()),
            (Way::GoOn, end.then == Then::Ask && !unknown && !self.stopping),
            (Way::Next, end.then == Then::Look && !self.stopping),
            (Way::Stop, true),
        ];
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect()
    }

    fn chosen(&mut self, end: End, way: Way, reason: &str) -> Command {
        if !self.ways(&end).contains(&way) {
            return self.offer(end);
        }
        match (way, end.again.clone()) {
            (Way::Again, Some(Again::Check)) => self.go(Phase::Checking, Command::Recheck(self.step)),
            (Way::Again, Some(Again::Watch(doubt))) => self.go(Phase::Watching(doubt), Command::Watch(self.step)),
            (Way::Undo, _) => self.undo(End { again: None, then: Then::Offer, ..end }),
            (Way::GoOn, _) => {
                let detail = format!("{}; gone on all the same: {reason}", end.reason);
                self.close(StepState::Failed, detail, Some(End { then: Then::Continue, ..end }))
            }
            (Way::Next, _) => self.begin_batch(),
            (Way::Again | Way::Stop, _) => self.finish(end.outcome, end.reason),
        }
    }

    fn undo(&mut self, end: End) -> Command {
        match self.done.last().copied() {
            Some(step) => self.go(Phase::UndoIntending(end), Command::IntendUndo(step)),
            None => self.finish(end.outcome, end.reason),
        }
    }

    fn undone(&mut self, end: End, effect: Effect) -> Command {
        let step = self.done.last().copied().unwrap_or(self.step);
        let (outcome, why) = match effect {
            Effect::Done(detail) => {
                self.done.pop();
                let record = Command::Record { step, state: StepState::Undone, detail };
                return self.go(Phase::UndoClosing(end, false), record);
            }
            Effect::NotSent(why) | Effect::Failed(why) => (RunOutcome::Failed, why),
            Effect::Unknown(why) => (RunOutcome::Unknown, why),
        };
        let reason = format!("THE UNDO FAILED: {why} (after: {})", end.reason);
        let record = Command::Record { step, state: StepState::UndoFailed, detail: format!("the undo failed: {why}") };
        self.go(Phase::UndoClosing(End::new(outcome, &reason, Then::Stop), true), record)
    }
}

impl End {
    fn new(outcome: RunOutcome, reason: &str, then: Then) -> Self {
        Self { outcome, reason: reason.to_owned(), then, again: None }
    }
}

impl Phase {
    /// It waits for the journal.
    const fn is_recording(&self) -> bool {
        match self {
            Self::New
            | Self::Intending
            | Self::Sent(_)
            | Self::Retrying
            | Self::Closing(_)
            | Self::Batching
            | Self::Passing
            | Self::UndoIntending(_)
            | Self::UndoClosing(..) => true,
            Self::Checking
            | Self::Asking
            | Self::CheckingAgain
            | Self::Acting
            | Self::Watching(_)
            | Self::Offering(_)
            | Self::Undoing(_)
            | Self::Over => false,
        }
    }
}

#[cfg(test)]
mod tests;
