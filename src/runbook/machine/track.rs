//! Steps in a row: those of the page between its rollouts, or those of one host. Knows nothing of other rows; what they share is lent.

use super::words::{Again, Answered, Command, Effect, End, Event, Kind, REQUESTED, Rechecked, Then, Watched, Way};
use crate::domain::record::{RunOutcome, StepState};
use std::collections::BTreeSet;
use std::ops::Range;

/// What all rows of a run share.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    pub(super) kinds: Vec<Kind>,
    /// Changes that may have happened and can be taken back, in the order in which they were sent.
    pub(super) done: Vec<usize>,
    pub(super) stopping: bool,
    pub(super) leaving: bool,
    /// What is in flight is cut off; whether it is also taken back.
    pub(super) cancel: Option<bool>,
    /// The steps whose undo takes a phrase.
    pub(super) by_phrase: BTreeSet<usize>,
    /// Why the first step failed after which the run went on.
    pub(super) passed_over: Option<String>,
    /// Taking something back has failed, on whatever host: nothing is taken back over that.
    pub(super) undo_failed: bool,
}

impl Common {
    pub(super) fn can_undo(&self, step: usize) -> bool {
        matches!(self.kinds[step], Kind::Change { undo: true, .. })
    }

    /// A step has failed; one that was cut off was stopped.
    fn end(&self, why: &str, then: Then) -> End {
        match self.cancel {
            None => End::new(RunOutcome::Failed, why, then),
            Some(true) => End::new(RunOutcome::Stopped, why, Then::Undo),
            Some(false) => End::new(RunOutcome::Stopped, why, Then::Stop),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    Checking,
    Asking,
    CheckingAgain,
    /// Nobody knows whether its locks are still its own, and why; then it is again at what it was at.
    Unbound(Box<Self>, String),
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
    /// Hosts are under way.
    Hosts,
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

impl Phase {
    /// It waits for the journal.
    pub(super) const fn is_recording(&self) -> bool {
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
            | Self::Unbound(..)
            | Self::Offering(_)
            | Self::Undoing(_)
            | Self::Hosts
            | Self::Over => false,
        }
    }
}

/// What follows an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on with this.
    Do(Command),
    /// Every step is behind it.
    Through,
    /// It has failed, and its host with it: of those some may.
    Lost(End),
    /// It ends here, and the run does.
    Ends(End),
}

/// A row of steps, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Track {
    steps: Range<usize>,
    pub(super) step: usize,
    pub(super) phase: Phase,
    /// It is a host of a rollout.
    host: bool,
    /// The step under way was sent so many times in vain.
    tries: u64,
    /// The operator was asked what follows, and looks again first.
    asked: bool,
    /// Steps before this one were begun before the run was taken up again: whatever step is looked at first, none of them is begun once more.
    behind: usize,
}

impl Track {
    /// Steps that have not begun.
    pub(super) const fn new(steps: Range<usize>, host: bool) -> Self {
        Self { step: steps.start, behind: steps.start, steps, phase: Phase::New, host, tries: 0, asked: false }
    }

    /// Of which those before this one are done.
    pub(super) fn at(self, step: usize) -> Self {
        Self { step, ..self }
    }

    /// Of which those before `left` were begun already, also those after the one that it is at.
    pub(super) fn behind(self, left: usize) -> Self {
        Self { behind: left, ..self }
    }

    /// Takes other steps.
    pub(super) fn turn_to(&mut self, steps: Range<usize>) {
        (self.step, self.behind, self.steps) = (steps.start, steps.start, steps);
    }

    pub(super) fn go(&mut self, phase: Phase, command: Command) -> Turn {
        self.phase = phase;
        Turn::Do(command)
    }

    /// Takes in what happened; `None`: it does not belong to the present state, and changes nothing.
    pub(super) fn on(&mut self, common: &mut Common, event: Event) -> Option<Turn> {
        match (self.phase.clone(), event) {
            (Phase::Checking | Phase::CheckingAgain, Event::Rechecked(result)) => Some(self.rechecked(common, result)),
            (was @ (Phase::Checking | Phase::CheckingAgain | Phase::UndoIntending(_)), Event::Unbound(why)) => {
                Some(self.unbound(common, was, why))
            }
            (Phase::Unbound(was, why), Event::Answered(answer)) => Some(self.bound(common, *was, why, &answer)),
            (Phase::Asking, Event::Answered(answer)) => Some(self.answered(common, answer)),
            (Phase::Acting, Event::Acted(effect, then)) => Some(self.acted(common, effect, then)),
            (Phase::Watching(doubt), Event::Watched(result, then)) => Some(self.watched(common, doubt, result, then)),
            (Phase::Offering(end), Event::Chosen(way, reason)) => Some(self.chosen(common, end, way, &reason)),
            (Phase::Undoing(end), Event::Undone(effect)) => Some(self.undone(common, end, effect)),
            (phase, Event::Recorded) => self.recorded(common, phase),
            _ => None,
        }
    }

    fn recorded(&mut self, common: &mut Common, phase: Phase) -> Option<Turn> {
        let step = self.step;
        match phase {
            Phase::Intending => Some(self.go(Phase::Acting, Command::Act(step))),
            Phase::Sent(doubt) => Some(self.go(Phase::Watching(doubt), Command::Watch(step))),
            Phase::Retrying if common.stopping => Some(self.stopped()),
            Phase::Retrying => Some(self.go(Phase::CheckingAgain, Command::Recheck(step))),
            Phase::Closing(None) => Some(self.next(common)),
            Phase::Closing(Some(end)) => Some(self.step_failed(common, end)),
            Phase::Passing => Some(self.pass()),
            Phase::UndoIntending(end) => {
                let step = self.last_done(common)?;
                Some(self.go(Phase::Undoing(end), Command::Undo(step)))
            }
            Phase::UndoClosing(end, true) => Some(Turn::Ends(end)),
            // The runbook wanted it taken back; else the operator, who is asked again.
            Phase::UndoClosing(end, false) if end.then == Then::Stop => Some(self.step_failed(common, end)),
            Phase::UndoClosing(end, false) => Some(self.failed(common, end)),
            _ => None,
        }
    }

    /// The operator's stop ends what waits for a person at once, and everything else before its next change.
    pub(super) fn stop(&mut self) -> Option<Turn> {
        match self.phase.clone() {
            Phase::Asking => Some(self.stopped()),
            Phase::Offering(end) => Some(Turn::Ends(end)),
            Phase::Unbound(was, why) => Some(self.left_unbound(*was, &why)),
            _ => None,
        }
    }

    /// Nobody knows whether its locks are still its own: the operator says what follows.
    fn unbound(&mut self, common: &Common, was: Phase, why: String) -> Turn {
        if common.stopping && !matches!(was, Phase::UndoIntending(_)) {
            return self.stopped();
        }
        let at = match &was {
            Phase::UndoIntending(_) => self.last_done(common),
            _ => None,
        };
        let ask = Command::AskUnbound { step: at.unwrap_or(self.step), why: why.clone() };
        self.go(Phase::Unbound(Box::new(was), why), ask)
    }

    /// What was answered to that. What was true before must be asked once more.
    fn bound(&mut self, common: &Common, was: Phase, why: String, answer: &Answered) -> Turn {
        match (answer, was) {
            (Answered::Go, Phase::UndoIntending(end)) => self.undo(common, end),
            (Answered::Go, was) => self.go(was, Command::Recheck(self.step)),
            (Answered::Stop, was) => self.left_unbound(was, &why),
            (Answered::Done(_) | Answered::Came(..) | Answered::Skip(_), was) => self.unbound(common, was, why),
        }
    }

    /// It ends before anything was sent for that.
    fn left_unbound(&mut self, was: Phase, why: &str) -> Turn {
        match was {
            Phase::UndoIntending(end) => Turn::Ends(end),
            _ => {
                let reason = format!("{REQUESTED}; nothing was sent for this step: {why}");
                let end = End::new(RunOutcome::Stopped, &reason, Then::Offer);
                self.close(StepState::Cancelled, format!("stopped before anything was sent: {why}"), Some(end))
            }
        }
    }

    fn stopped(&mut self) -> Turn {
        let end = End::new(RunOutcome::Stopped, "on request; nothing was sent for this step", Then::Offer);
        self.close(StepState::Cancelled, "stopped on request before anything was sent", Some(end))
    }

    /// Begins the step it is at; after the last one it is through.
    pub(super) fn enter(&mut self, common: &mut Common) -> Turn {
        self.tries = 0;
        if self.step >= self.steps.end {
            return Turn::Through;
        }
        match common.kinds[self.step] {
            _ if common.stopping => {
                let then = if common.cancel == Some(false) { Then::Stop } else { Then::Offer };
                self.failed(common, End::new(RunOutcome::Stopped, REQUESTED, then))
            }
            Kind::Manual => self.go(Phase::Asking, Command::Ask(self.step)),
            Kind::Look | Kind::Change { .. } => self.go(Phase::Checking, Command::Recheck(self.step)),
        }
    }

    fn next(&mut self, common: &mut Common) -> Turn {
        self.step = (self.step + 1).max(self.behind);
        self.enter(common)
    }

    /// The rest of a host's steps is passed over.
    pub(super) fn pass(&mut self) -> Turn {
        self.step = (self.step + 1).max(self.behind);
        if self.step >= self.steps.end {
            return Turn::Through;
        }
        let detail = "a step before it failed on this host".to_owned();
        self.go(Phase::Passing, Command::Record { step: self.step, state: StepState::Skipped, detail })
    }

    fn rechecked(&mut self, common: &Common, result: Rechecked) -> Turn {
        let again = self.phase == Phase::CheckingAgain;
        match (result, common.kinds[self.step]) {
            _ if common.stopping => self.stopped(),
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

    fn answered(&mut self, common: &Common, answer: Answered) -> Turn {
        match (answer, common.kinds[self.step]) {
            (Answered::Stop, _) => self.stopped(),
            (Answered::Skip(why), _) => self.close(StepState::Skipped, format!("skipped: {why}"), None),
            (Answered::Done(what), Kind::Manual) => self.close(StepState::Ok, what, None),
            (Answered::Came(outcome, what), Kind::Manual) => self.came(outcome, what),
            // Answering takes time: what was true before it must be asked once more.
            (Answered::Go, Kind::Look | Kind::Change { .. }) => {
                self.go(Phase::CheckingAgain, Command::Recheck(self.step))
            }
            // An answer to another kind of question.
            (Answered::Go | Answered::Done(_) | Answered::Came(..), _) => Turn::Do(Command::Ask(self.step)),
        }
    }

    /// A step that calls a runbook is what that came to.
    fn came(&mut self, outcome: RunOutcome, what: String) -> Turn {
        let state = match outcome {
            RunOutcome::Ok => return self.close(StepState::Ok, what, None),
            RunOutcome::Failed => StepState::Failed,
            RunOutcome::Unknown => StepState::Unknown,
            RunOutcome::Stopped | RunOutcome::Undone => StepState::Cancelled,
        };
        let end = End::new(outcome, &what, Then::Offer);
        self.close(state, what, Some(end))
    }

    fn acted(&mut self, common: &mut Common, effect: Effect, then: Then) -> Turn {
        let step = self.step;
        if !effect.is_nothing() && common.can_undo(step) && !common.done.contains(&step) {
            common.done.push(step);
        }
        match effect {
            Effect::Done(detail) => {
                self.go(Phase::Sent(None), Command::Record { step, state: StepState::Running, detail })
            }
            Effect::Unknown(why) => {
                let record = Command::Record { step, state: StepState::Unknown, detail: why.clone() };
                self.go(Phase::Sent(Some(why)), record)
            }
            Effect::NotSent(why) if self.may_retry(common) => self.retry(&format!("not done: {why}")),
            Effect::Failed(why) if self.may_retry(common) => self.retry(&why),
            Effect::Failed(why) => {
                let end = common.end(&why, then);
                self.close(StepState::Failed, why, Some(end))
            }
            Effect::NotSent(why) | Effect::Refused(why) => {
                let end = End::new(RunOutcome::Failed, &why, then);
                self.close(StepState::Failed, format!("not done: {why}"), Some(end))
            }
        }
    }

    fn may_retry(&self, common: &Common) -> bool {
        let allowed = match common.kinds[self.step] {
            Kind::Change { retry, .. } => retry,
            Kind::Manual | Kind::Look => 0,
        };
        self.tries < allowed && !common.stopping
    }

    fn retry(&mut self, why: &str) -> Turn {
        self.tries += 1;
        let detail = format!("{why}; it is sent again ({})", self.tries);
        self.go(Phase::Retrying, Command::Record { step: self.step, state: StepState::Checking, detail })
    }

    fn watched(&mut self, common: &Common, doubt: Option<String>, result: Watched, then: Then) -> Turn {
        let about = |text: String| match &doubt {
            Some(doubt) => format!("{text} (after: {doubt})"),
            None => text,
        };
        let (state, detail, unknown) = match result {
            Watched::Passed(detail) => return self.close(StepState::Ok, about(detail), None),
            // What nobody knew is known now: it did not happen.
            Watched::TimedOut(why) | Watched::Failed(why) if doubt.is_some() && self.may_retry(common) => {
                return self.retry(&format!("not done: {}", about(why)));
            }
            Watched::Again(why) if doubt.is_some() && self.may_retry(common) => return self.retry(&about(why)),
            Watched::TimedOut(why) if doubt.is_none() => (StepState::TimedOut, why, false),
            Watched::TimedOut(why) | Watched::Failed(why) => (StepState::Failed, about(why), false),
            Watched::CannotTell(why) | Watched::Again(why) => (StepState::Unknown, about(why), true),
        };
        // Whoever was asked is asked again, and has the same ways as before.
        let then = if std::mem::take(&mut self.asked) { Then::Ask } else { then };
        let end = if unknown { End::new(RunOutcome::Unknown, &detail, then) } else { common.end(&detail, then) };
        self.close(state, detail, Some(End { again: Some(Again::Watch(doubt)), ..end }))
    }

    fn close(&mut self, state: StepState, detail: impl Into<String>, end: Option<End>) -> Turn {
        self.go(Phase::Closing(end), Command::Record { step: self.step, state, detail: detail.into() })
    }

    /// A step has failed. In a rollout its host has, of which some may.
    fn step_failed(&mut self, common: &mut Common, end: End) -> Turn {
        let over = match end.then {
            Then::Offer | Then::Stop => true,
            // Nothing was sent that could be taken back.
            Then::Undo => self.last_done(common) != Some(self.step),
            Then::Ask | Then::Continue | Then::Look => false,
        };
        if self.host && over && end.outcome == RunOutcome::Failed && !common.stopping {
            return Turn::Lost(end);
        }
        self.failed(common, end)
    }

    /// A step has failed, or the run is to stop: ends it, or finds out what follows. A host ends before the run is asked what now.
    pub(super) fn failed(&mut self, common: &mut Common, end: End) -> Turn {
        let unknown = end.outcome == RunOutcome::Unknown;
        // A key that cuts it off is no answer to what takes a phrase.
        let asks = end.then == Then::Undo && common.cancel.is_some() && common.by_phrase.contains(&self.step);
        let end = if asks { End { then: Then::Offer, ..end } } else { end };
        match end.then {
            Then::Continue if !unknown && !common.stopping => {
                common.passed_over.get_or_insert(end.reason);
                self.next(common)
            }
            Then::Undo if !unknown && self.last_done(common) == Some(self.step) => {
                let then = if common.cancel.is_some() { Then::Offer } else { Then::Stop };
                self.undo(common, End { then, again: None, ..end })
            }
            Then::Ask | Then::Look if !common.leaving => self.offer(common, end),
            Then::Offer if !common.leaving && !unknown && !self.host && self.can_go_back(common) => {
                self.offer(common, end)
            }
            _ => Turn::Ends(end),
        }
    }

    pub(super) fn offer(&mut self, common: &Common, end: End) -> Turn {
        let ways = self.ways(common, &end);
        let step = self.last_done(common).filter(|_| ways.contains(&Way::Undo)).unwrap_or(self.step);
        let why = end.reason.clone();
        self.go(Phase::Offering(end), Command::Offer { at: self.step, step, ways, why })
    }

    /// While an effect is unknown nothing is sent, not even what would take it back.
    pub(super) fn ways(&self, common: &Common, end: &End) -> Vec<Way> {
        let unknown = end.outcome == RunOutcome::Unknown;
        let ways = [
            (Way::Again, end.again.is_some() && !common.stopping),
            (Way::Undo, !unknown && self.can_go_back(common)),
            (Way::GoOn, end.then == Then::Ask && !unknown && !common.stopping),
            (Way::Next, end.then == Then::Look && !common.stopping),
            (Way::Stop, true),
        ];
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect()
    }

    fn chosen(&mut self, common: &mut Common, end: End, way: Way, reason: &str) -> Turn {
        if !self.ways(common, &end).contains(&way) {
            return self.offer(common, end);
        }
        match way {
            Way::Again => {
                self.asked = end.then == Then::Ask && matches!(end.again, Some(Again::Watch(_)));
                self.again(&end)
            }
            Way::Undo => self.undo(common, End { again: None, then: Then::Offer, ..end }),
            Way::GoOn => self.go_on(end, reason),
            // Whoever asked goes on.
            Way::Next => Turn::Through,
            // Asked elsewhere, and never among these.
            Way::Wait | Way::Glass => self.offer(common, end),
            Way::Stop => Turn::Ends(end),
        }
    }

    /// Checks, or waits and verifies, once more.
    pub(super) fn again(&mut self, end: &End) -> Turn {
        match &end.again {
            Some(Again::Watch(doubt)) => self.go(Phase::Watching(doubt.clone()), Command::Watch(self.step)),
            Some(Again::Check) | None => self.go(Phase::Checking, Command::Recheck(self.step)),
        }
    }

    /// Leaves the step as it is, for a reason, and goes on with the next one.
    pub(super) fn go_on(&mut self, end: End, reason: &str) -> Turn {
        let detail = format!("{}; gone on all the same: {reason}", end.reason);
        self.close(StepState::Failed, detail, Some(End { then: Then::Continue, ..end }))
    }

    /// The last change that can be taken back: of a host its own.
    pub(super) fn last_done(&self, common: &Common) -> Option<usize> {
        common.done.iter().rev().find(|step| !self.host || self.steps.contains(step)).copied()
    }

    /// There is something to take back. What was tried to be, and did not go well, is not tried again: a person sees to that, and to what was
    /// done before it.
    fn can_go_back(&self, common: &Common) -> bool {
        !common.undo_failed && self.last_done(common).is_some()
    }

    fn undo(&mut self, common: &Common, end: End) -> Turn {
        match self.last_done(common) {
            Some(step) => self.go(Phase::UndoIntending(end), Command::IntendUndo(step)),
            None => Turn::Ends(end),
        }
    }

    fn undone(&mut self, common: &mut Common, end: End, effect: Effect) -> Turn {
        let step = self.last_done(common).unwrap_or(self.step);
        let (outcome, why) = match effect {
            Effect::Done(detail) => {
                common.done.retain(|done| *done != step);
                let record = Command::Record { step, state: StepState::Undone, detail };
                return self.go(Phase::UndoClosing(end, false), record);
            }
            Effect::NotSent(why) | Effect::Refused(why) | Effect::Failed(why) => (RunOutcome::Failed, why),
            Effect::Unknown(why) => (RunOutcome::Unknown, why),
        };
        common.undo_failed = true;
        let reason = format!("THE UNDO FAILED: {why} (after: {})", end.reason);
        let record = Command::Record { step, state: StepState::UndoFailed, detail: format!("the undo failed: {why}") };
        self.go(Phase::UndoClosing(End::new(outcome, &reason, Then::Stop), true), record)
    }
}
