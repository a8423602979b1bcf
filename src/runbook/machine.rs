//! The states of a run, as a pure machine: what happened goes in, what to do next comes out. No IO, no time.
//!
//! It holds the rules that must hold whatever happens: no act without a durable intent, at most one act per step, nothing
//! after a step whose effect is unknown, nothing new after a stop or when the journal cannot be written.

use crate::domain::record::{RunOutcome, StepState};

/// What a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person does it and says so.
    Manual,
    /// Checks, waits or verifies, and changes nothing.
    Look,
    /// Changes something. `asks`: takes an answer of its own after its checks.
    Change {
        /// Takes an answer of its own.
        asks: bool,
    },
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
    /// The run is over: make that durable. Answered by nothing.
    Finish {
        /// How it ended.
        outcome: RunOutcome,
        /// Why, in a sentence.
        reason: String,
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
    Acted(Effect),
    /// The waiting and verifying are over.
    Watched(Watched),
    /// The operator wants the run to end before the next change.
    Stop,
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
    /// The last state of the step is being recorded; then comes the next step, or the end.
    Closing(Option<(RunOutcome, String)>),
    Over,
}

/// A run's states.
#[derive(Clone, Debug)]
pub struct Machine {
    kinds: Vec<Kind>,
    step: usize,
    phase: Phase,
    stopping: bool,
}

impl Machine {
    /// A run of these steps that has not begun.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds, step: 0, phase: Phase::New, stopping: false }
    }

    /// The run is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The step it is at.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Takes in what happened; says what to do next. An event that does not belong to the present state changes nothing.
    pub fn on(&mut self, event: Event) -> Option<Command> {
        if event == Event::Stop {
            return self.stop();
        }
        match (self.phase.clone(), event) {
            (Phase::New, Event::Started) => Some(self.enter()),
            (Phase::Checking | Phase::CheckingAgain, Event::Rechecked(result)) => Some(self.rechecked(result)),
            (Phase::Asking, Event::Answered(answer)) => Some(self.answered(answer)),
            (Phase::Intending, Event::Recorded) => Some(self.go(Phase::Acting, Command::Act(self.step))),
            (Phase::Acting, Event::Acted(effect)) => Some(self.acted(effect)),
            (Phase::Sent(doubt), Event::Recorded) => Some(self.go(Phase::Watching(doubt), Command::Watch(self.step))),
            (Phase::Watching(doubt), Event::Watched(result)) => Some(self.watched(doubt.as_deref(), result)),
            (Phase::Closing(end), Event::Recorded) => Some(self.closed(end)),
            (Phase::New | Phase::Intending | Phase::Sent(_) | Phase::Closing(_), Event::JournalFailed) => {
                Some(self.go(Phase::Over, Command::Abandon))
            }
            _ => None,
        }
    }

    fn go(&mut self, phase: Phase, command: Command) -> Command {
        self.phase = phase;
        command
    }

    fn finish(&mut self, outcome: RunOutcome, reason: impl Into<String>) -> Command {
        self.go(Phase::Over, Command::Finish { outcome, reason: reason.into() })
    }

    /// A stop ends a run that waits for a person at once, and any other before its next change.
    fn stop(&mut self) -> Option<Command> {
        self.stopping = true;
        (self.phase == Phase::Asking).then(|| self.stopped())
    }

    fn stopped(&mut self) -> Command {
        let end = Some((RunOutcome::Stopped, "stopped on request; nothing was sent for this step".to_owned()));
        self.close(StepState::Cancelled, "stopped on request before anything was sent", end)
    }

    /// Begins the step it is at, or ends the run after the last one.
    fn enter(&mut self) -> Command {
        let Some(kind) = self.kinds.get(self.step).copied() else {
            return self.finish(RunOutcome::Ok, "every step is ok or skipped");
        };
        if self.stopping {
            return self.finish(RunOutcome::Stopped, "stopped on request");
        }
        match kind {
            Kind::Manual => self.go(Phase::Asking, Command::Ask(self.step)),
            Kind::Look | Kind::Change { .. } => self.go(Phase::Checking, Command::Recheck(self.step)),
        }
    }

    fn rechecked(&mut self, result: Rechecked) -> Command {
        let again = self.phase == Phase::CheckingAgain;
        match (result, self.kinds[self.step]) {
            _ if self.stopping => self.stopped(),
            (Rechecked::Passed, Kind::Change { asks: true }) if !again => {
                self.go(Phase::Asking, Command::Ask(self.step))
            }
            (Rechecked::Passed, Kind::Change { .. }) => self.go(Phase::Intending, Command::Intend(self.step)),
            (Rechecked::Passed, Kind::Look | Kind::Manual) => self.go(Phase::Watching(None), Command::Watch(self.step)),
            (Rechecked::Empty, _) => self.close(StepState::Skipped, "nothing left to do", None),
            (Rechecked::LeftOut(why), _) => self.close(StepState::Skipped, why, None),
            (Rechecked::Grew(what), _) => {
                let reason = format!("the plan changed before anything was sent for this step: {what}");
                self.close(StepState::Cancelled, reason.clone(), Some((RunOutcome::Stopped, reason)))
            }
            (Rechecked::Blocked(why), _) => {
                self.close(StepState::Failed, format!("not sent: {why}"), Some((RunOutcome::Failed, why)))
            }
        }
    }

    fn answered(&mut self, answer: Answered) -> Command {
        match (answer, self.kinds[self.step]) {
            (Answered::Stop, _) => self.stopped(),
            (Answered::Skip(why), _) => self.close(StepState::Skipped, format!("skipped: {why}"), None),
            (Answered::Done(what), Kind::Manual) => self.close(StepState::Ok, what, None),
            // Answering takes time: what was true before it must be asked once more.
            (Answered::Go, Kind::Look | Kind::Change { .. }) => {
                self.go(Phase::CheckingAgain, Command::Recheck(self.step))
            }
            // An answer to another kind of question.
            (Answered::Go | Answered::Done(_), _) => Command::Ask(self.step),
        }
    }

    fn acted(&mut self, effect: Effect) -> Command {
        let step = self.step;
        match effect {
            Effect::Done(detail) => {
                self.go(Phase::Sent(None), Command::Record { step, state: StepState::Running, detail })
            }
            Effect::Unknown(why) => {
                let record = Command::Record { step, state: StepState::Unknown, detail: why.clone() };
                self.go(Phase::Sent(Some(why)), record)
            }
            Effect::NotSent(why) => {
                self.close(StepState::Failed, format!("not done: {why}"), Some((RunOutcome::Failed, why)))
            }
        }
    }

    fn watched(&mut self, doubt: Option<&str>, result: Watched) -> Command {
        let about = |text: String| match doubt {
            Some(doubt) => format!("{text} (after: {doubt})"),
            None => text,
        };
        let (state, detail, outcome) = match result {
            Watched::Passed(detail) => return self.close(StepState::Ok, about(detail), None),
            Watched::TimedOut(why) if doubt.is_none() => (StepState::TimedOut, why, RunOutcome::Failed),
            Watched::TimedOut(why) | Watched::Failed(why) => (StepState::Failed, about(why), RunOutcome::Failed),
            Watched::CannotTell(why) => (StepState::Unknown, about(why), RunOutcome::Unknown),
        };
        self.close(state, detail.clone(), Some((outcome, detail)))
    }

    fn close(&mut self, state: StepState, detail: impl Into<String>, end: Option<(RunOutcome, String)>) -> Command {
        self.go(Phase::Closing(end), Command::Record { step: self.step, state, detail: detail.into() })
    }

    fn closed(&mut self, end: Option<(RunOutcome, String)>) -> Command {
        if let Some((outcome, reason)) = end {
            return self.finish(outcome, reason);
        }
        self.step += 1;
        self.enter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHANGE: Kind = Kind::Change { asks: false };

    fn run(kinds: &[Kind], events: Vec<Event>) -> Vec<Command> {
        let mut machine = Machine::new(kinds.to_vec());
        events.into_iter().filter_map(|event| machine.on(event)).collect()
    }

    fn finish(commands: &[Command]) -> Option<RunOutcome> {
        commands.iter().find_map(|command| match command {
            Command::Finish { outcome, .. } => Some(*outcome),
            _ => None,
        })
    }

    fn happy() -> Vec<Event> {
        vec![
            Event::Started,
            Event::Rechecked(Rechecked::Passed),
            Event::Recorded,
            Event::Acted(Effect::Done("sent".to_owned())),
            Event::Recorded,
            Event::Watched(Watched::Passed("true".to_owned())),
            Event::Recorded,
        ]
    }

    #[test]
    fn one_step_goes_all_the_way() {
        let commands = run(&[CHANGE], happy());
        assert!(matches!(
            commands.as_slice(),
            [
                Command::Recheck(0),
                Command::Intend(0),
                Command::Act(0),
                Command::Record { state: StepState::Running, .. },
                Command::Watch(0),
                Command::Record { state: StepState::Ok, .. },
                Command::Finish { outcome: RunOutcome::Ok, .. },
            ]
        ));
    }

    #[test]
    fn a_later_step_asks_after_its_checks_and_is_checked_again() {
        let mut events = happy();
        events.extend([
            Event::Rechecked(Rechecked::Passed),
            Event::Answered(Answered::Go),
            Event::Rechecked(Rechecked::Passed),
        ]);
        let commands = run(&[CHANGE, Kind::Change { asks: true }], events);
        let tail = &commands[commands.len() - 4..];
        assert_eq!(tail, [Command::Recheck(1), Command::Ask(1), Command::Recheck(1), Command::Intend(1)]);
    }

    #[test]
    fn a_grown_plan_sends_nothing() {
        let grew = Event::Rechecked(Rechecked::Grew("1 more".to_owned()));
        let commands = run(&[CHANGE], vec![Event::Started, grew, Event::Recorded]);
        assert_eq!(finish(&commands), Some(RunOutcome::Stopped));
        assert!(!commands.contains(&Command::Act(0)) && !commands.contains(&Command::Intend(0)));
    }

    #[test]
    fn a_step_that_is_left_out_is_passed_over() {
        let left = Event::Rechecked(Rechecked::LeftOut("not wanted".to_owned()));
        let commands = run(&[CHANGE], vec![Event::Started, left, Event::Recorded]);
        let skipped = Command::Record { step: 0, state: StepState::Skipped, detail: "not wanted".to_owned() };
        assert_eq!(commands[..2], [Command::Recheck(0), skipped]);
        assert_eq!(finish(&commands), Some(RunOutcome::Ok));
    }

    #[test]
    fn an_unknown_effect_that_verifies_is_ok_and_one_that_does_not_has_failed() {
        let result = |watched| {
            let mut events = happy();
            events[3] = Event::Acted(Effect::Unknown("the line broke".to_owned()));
            events[5] = Event::Watched(watched);
            finish(&run(&[CHANGE, CHANGE], events))
        };
        assert_eq!(result(Watched::Passed(String::new())), None, "the next step begins");
        assert_eq!(result(Watched::TimedOut(String::new())), Some(RunOutcome::Failed));
        assert_eq!(result(Watched::CannotTell(String::new())), Some(RunOutcome::Unknown));
    }

    #[test]
    fn a_journal_that_fails_ends_it_without_an_act() {
        let events = vec![Event::Started, Event::Rechecked(Rechecked::Passed), Event::JournalFailed, Event::Recorded];
        let commands = run(&[CHANGE], events);
        assert_eq!(commands, [Command::Recheck(0), Command::Intend(0), Command::Abandon]);
    }

    #[test]
    fn a_stop_in_flight_lets_the_step_finish_and_nothing_else_begin() {
        let mut events = happy();
        events.insert(4, Event::Stop);
        let commands = run(&[CHANGE, CHANGE], events);
        assert_eq!(finish(&commands), Some(RunOutcome::Stopped));
        assert!(!commands.contains(&Command::Recheck(1)));
    }

    fn kinds() -> impl Strategy<Value = Vec<Kind>> {
        let kind = prop_oneof![Just(Kind::Manual), Just(Kind::Look), Just(CHANGE), Just(Kind::Change { asks: true })];
        proptest::collection::vec(kind, 1..5)
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let text = String::new;
        let event = prop_oneof![
            Just(Event::Started),
            Just(Event::Rechecked(Rechecked::Passed)),
            Just(Event::Rechecked(Rechecked::Passed)),
            Just(Event::Rechecked(Rechecked::Empty)),
            Just(Event::Rechecked(Rechecked::LeftOut(text()))),
            Just(Event::Rechecked(Rechecked::Grew(text()))),
            Just(Event::Rechecked(Rechecked::Blocked(text()))),
            Just(Event::Answered(Answered::Go)),
            Just(Event::Answered(Answered::Done(text()))),
            Just(Event::Answered(Answered::Skip(text()))),
            Just(Event::Answered(Answered::Stop)),
            Just(Event::Recorded),
            Just(Event::Recorded),
            Just(Event::Recorded),
            Just(Event::JournalFailed),
            Just(Event::Acted(Effect::Done(text()))),
            Just(Event::Acted(Effect::NotSent(text()))),
            Just(Event::Acted(Effect::Unknown(text()))),
            Just(Event::Watched(Watched::Passed(text()))),
            Just(Event::Watched(Watched::TimedOut(text()))),
            Just(Event::Watched(Watched::Failed(text()))),
            Just(Event::Watched(Watched::CannotTell(text()))),
            Just(Event::Stop),
        ];
        proptest::collection::vec(event, 0..120)
    }

    proptest! {
        #[test]
        fn whatever_happens_the_rules_hold(kinds in kinds(), events in events()) {
            let mut machine = Machine::new(kinds.clone());
            let (mut acts, mut intended, mut unknown, mut over) = (vec![0; kinds.len()], vec![false; kinds.len()], None, false);
            let mut last: Option<Command> = None;
            for event in events {
                let durable = event == Event::Recorded;
                let stopped = machine.stopping;
                let Some(command) = machine.on(event) else { continue };
                prop_assert!(!over, "a run that is over does nothing more");
                if durable && let Some(Command::Intend(step)) = last {
                    intended[step] = true;
                }
                match &command {
                    Command::Act(step) => {
                        acts[*step] += 1;
                        prop_assert_eq!(acts[*step], 1, "never two acts for one step");
                        prop_assert!(intended[*step], "never an act without a durable intent");
                        prop_assert!(matches!(kinds[*step], Kind::Change { .. }), "only a change acts");
                        prop_assert!(unknown.is_none(), "unknown blocks every act");
                    }
                    Command::Recheck(step) | Command::Ask(step) | Command::Intend(step) => {
                        prop_assert!(unknown.is_none_or(|at| at >= *step), "unknown blocks what follows");
                        prop_assert!(!stopped || !matches!(command, Command::Intend(_)), "nothing begins after a stop");
                    }
                    Command::Record { step, state: StepState::Unknown, .. } => unknown = Some(*step),
                    Command::Record { step, .. } if unknown == Some(*step) => unknown = None,
                    Command::Finish { .. } | Command::Abandon => over = true,
                    Command::Record { .. } | Command::Watch(_) => {}
                }
                last = Some(command);
            }
        }
    }
}
