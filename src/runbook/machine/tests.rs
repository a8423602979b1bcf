use super::*;
use crate::domain::record::StepState;
use proptest::prelude::*;
use std::collections::BTreeSet;

const CHANGE: Kind = Kind::Change { asks: false, undo: false, retry: 0 };
const UNDOABLE: Kind = Kind::Change { asks: false, undo: true, retry: 0 };
const ASKS: Kind = Kind::Change { asks: true, undo: true, retry: 2 };

fn acted(effect: Effect) -> Event {
    Event::Acted(effect, Then::Offer)
}

fn watched(result: Watched) -> Event {
    Event::Watched(result, Then::Offer)
}

/// One order at a time, each answered before the next.
struct Alone(Machine, Option<usize>);

impl Alone {
    fn on(&mut self, event: Event) -> Option<Command> {
        let mut orders = self.0.on(self.1, event);
        assert!(orders.len() < 2, "{orders:?}");
        let order = orders.pop()?;
        self.1 = order.lane;
        Some(order.command)
    }
}

fn run(kinds: &[Kind], events: Vec<Event>) -> Vec<Command> {
    let mut machine = Alone(Machine::new(kinds.to_vec()), None);
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
        acted(Effect::Done("sent".to_owned())),
        Event::Recorded,
        watched(Watched::Passed("true".to_owned())),
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
    let commands = run(&[CHANGE, ASKS], events);
    let tail = &commands[commands.len() - 4..];
    assert_eq!(tail, [Command::Recheck(1), Command::Ask(1), Command::Recheck(1), Command::Intend(1)]);
}

#[test]
fn while_nobody_knows_whether_its_locks_are_its_own_somebody_is_asked_and_it_is_checked_again() {
    let unbound = Event::Unbound("the server is away".to_owned());
    let asked = Command::AskUnbound { step: 0, why: "the server is away".to_owned() };
    let go = [Event::Answered(Answered::Go), Event::Rechecked(Rechecked::Passed)];
    let events = [vec![Event::Started, unbound.clone()], go.to_vec()].concat();
    assert_eq!(run(&[CHANGE], events), [Command::Recheck(0), asked.clone(), Command::Recheck(0), Command::Intend(0)]);
    // A step that asks for itself is asked about as ever.
    let events = [vec![Event::Started, unbound.clone()], go.to_vec()].concat();
    assert_eq!(run(&[ASKS], events)[2..], [Command::Recheck(0), Command::Ask(0)]);
    let stop = [Event::Answered(Answered::Stop), Event::Recorded].to_vec();
    let commands = run(&[CHANGE], [vec![Event::Started, unbound.clone()], stop].concat());
    let Some(Command::Finish { outcome, reason, .. }) = commands.last() else { panic!("{commands:?}") };
    assert_eq!(*outcome, RunOutcome::Stopped);
    assert_eq!(reason, "on request; nothing was sent for this step: the server is away");
}

#[test]
fn taking_back_asks_too_while_nobody_knows_whether_its_locks_are_its_own() {
    let mut events = failing(Then::Ask);
    events.extend([chosen(Way::Undo), Event::Unbound(String::new()), Event::Answered(Answered::Go), Event::Recorded]);
    let commands = run(&[UNDOABLE], events.clone());
    let tail = &commands[commands.len() - 4..];
    let asked = Command::AskUnbound { step: 0, why: String::new() };
    assert_eq!(tail, [Command::IntendUndo(0), asked, Command::IntendUndo(0), Command::Undo(0)]);
    events.truncate(events.len() - 2);
    events.push(Event::Answered(Answered::Stop));
    let commands = run(&[UNDOABLE], events);
    assert!(matches!(commands.last(), Some(Command::Finish { left, .. }) if left == &[0]), "{commands:?}");
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
        events[3] = acted(Effect::Unknown("the line broke".to_owned()));
        events[5] = self::watched(watched);
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

fn failing(then: Then) -> Vec<Event> {
    let mut events = happy();
    events[5] = Event::Watched(Watched::Failed("it is not there".to_owned()), then);
    events
}

fn chosen(way: Way) -> Event {
    Event::Chosen(way, "because".to_owned())
}

fn last(kinds: &[Kind], events: Vec<Event>) -> Command {
    run(kinds, events).pop().unwrap()
}

#[test]
fn what_says_that_it_failed_has_failed_whatever_a_verify_would_say_and_can_be_taken_back() {
    let mut events = happy();
    events.truncate(3);
    events.extend([acted(Effect::Failed("it ended with 1".to_owned())), Event::Recorded]);
    let commands = run(&[UNDOABLE], events);
    assert!(!commands.contains(&Command::Watch(0)), "{commands:?}");
    assert!(commands.iter().any(|it| matches!(it, Command::Record { state: StepState::Failed, .. })), "{commands:?}");
    let ways = vec![Way::Undo, Way::Stop];
    assert_eq!(commands.last(), Some(&Command::Offer { at: 0, step: 0, ways, why: "it ended with 1".to_owned() }));
}

#[test]
fn what_can_be_taken_back_is_offered_after_a_failure_and_taken_back_once() {
    let mut events = happy();
    events.extend(failing(Then::Offer).split_off(1));
    let ways = vec![Way::Again, Way::Undo, Way::Stop];
    let offer = last(&[UNDOABLE, UNDOABLE], events.clone());
    assert_eq!(offer, Command::Offer { at: 1, step: 1, ways, why: "it is not there".to_owned() });
    events.extend([
        chosen(Way::Undo),
        Event::Recorded,
        Event::Undone(Effect::Done("gone".to_owned())),
        Event::Recorded,
    ]);
    let commands = run(&[UNDOABLE, UNDOABLE], events.clone());
    assert!(commands.contains(&Command::IntendUndo(1)) && commands.contains(&Command::Undo(1)));
    assert_eq!(
        commands.last(),
        Some(&Command::Offer { at: 1, step: 0, ways: vec![Way::Undo, Way::Stop], why: "it is not there".to_owned() })
    );
    events.push(chosen(Way::Stop));
    let end = last(&[UNDOABLE, UNDOABLE], events);
    assert!(matches!(end, Command::Finish { outcome: RunOutcome::Failed, left, .. } if left == [0]));
}

#[test]
fn an_undo_that_fails_ends_the_run_and_says_what_is_left() {
    let mut events = happy();
    events.extend(failing(Then::Undo).split_off(1));
    events.extend([Event::Recorded, Event::Undone(Effect::NotSent("no way in".to_owned()))]);
    let record = last(&[UNDOABLE, UNDOABLE], events.clone());
    assert!(matches!(record, Command::Record { step: 1, state: StepState::UndoFailed, .. }));
    events.push(Event::Recorded);
    let Command::Finish { outcome, reason, left } = last(&[UNDOABLE, UNDOABLE], events) else { panic!() };
    assert_eq!((outcome, left), (RunOutcome::Failed, vec![1, 0]));
    assert!(reason.starts_with("THE UNDO FAILED: no way in"), "{reason}");
}

#[test]
fn the_runbook_says_what_follows_a_failure() {
    let end = |then| last(&[UNDOABLE, CHANGE], failing(then));
    assert!(matches!(end(Then::Stop), Command::Finish { outcome: RunOutcome::Failed, left, .. } if left == [0]));
    assert_eq!(end(Then::Undo), Command::IntendUndo(0));
    assert_eq!(end(Then::Continue), Command::Recheck(1));
    let ways = vec![Way::Again, Way::Undo, Way::GoOn, Way::Stop];
    assert_eq!(end(Then::Ask), Command::Offer { at: 0, step: 0, ways, why: "it is not there".to_owned() });
    let mut events = failing(Then::Continue);
    events.extend(happy().split_off(1));
    assert_eq!(finish(&run(&[UNDOABLE, CHANGE], events)), Some(RunOutcome::Failed), "a failure stays one");
}

#[test]
fn who_is_asked_can_look_again_or_go_on_with_a_reason() {
    let mut events = failing(Then::Ask);
    events.push(chosen(Way::Again));
    assert_eq!(last(&[CHANGE, CHANGE], events.clone()), Command::Watch(0));
    events.extend([Event::Watched(Watched::Passed(String::new()), Then::Ask), Event::Recorded]);
    assert_eq!(last(&[CHANGE, CHANGE], events), Command::Recheck(1));
    let mut events = failing(Then::Ask);
    events.push(chosen(Way::GoOn));
    let record = last(&[CHANGE, CHANGE], events.clone());
    assert!(matches!(record, Command::Record { state: StepState::Failed, detail, .. } if detail.ends_with("because")));
    events.push(Event::Recorded);
    assert_eq!(last(&[CHANGE, CHANGE], events), Command::Recheck(1));
}

#[test]
fn who_is_asked_and_looks_again_in_vain_is_asked_the_same_once_more() {
    let asked = last(&[UNDOABLE, CHANGE], failing(Then::Ask));
    let mut events = failing(Then::Ask);
    // What the page says follows only where nobody was asked, as by a run that is taken up again.
    let in_vain = Watched::Failed("it is not there".to_owned());
    events.extend([chosen(Way::Again), Event::Watched(in_vain, Then::Offer), Event::Recorded]);
    assert_eq!(last(&[UNDOABLE, CHANGE], events), asked);
}

#[test]
fn a_stop_offers_to_take_back_and_a_program_that_ends_asks_nobody() {
    let with = |stop| {
        let mut events = happy();
        events.insert(4, stop);
        last(&[UNDOABLE, CHANGE], events)
    };
    assert!(matches!(with(Event::Stop), Command::Offer { step: 0, ways, .. } if ways == [Way::Undo, Way::Stop]));
    assert!(matches!(with(Event::Leave), Command::Finish { outcome: RunOutcome::Stopped, left, .. } if left == [0]));
    let mut events = failing(Then::Ask);
    events.push(Event::Leave);
    assert_eq!(finish(&run(&[CHANGE], events)), Some(RunOutcome::Failed));
}

#[test]
fn what_was_not_done_is_checked_and_sent_again_as_often_as_allowed() {
    let kind = Kind::Change { asks: false, undo: false, retry: 1 };
    let once = [Event::Rechecked(Rechecked::Passed), Event::Recorded, acted(Effect::NotSent("refused".to_owned()))];
    let mut events = vec![Event::Started];
    events.extend(once.clone());
    events.push(Event::Recorded);
    events.extend(once);
    events.push(Event::Recorded);
    let commands = run(&[kind], events);
    assert_eq!(commands.iter().filter(|command| **command == Command::Act(0)).count(), 2);
    assert_eq!(finish(&commands), Some(RunOutcome::Failed));
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![
        Just(Kind::Manual),
        Just(Kind::Look),
        (any::<bool>(), any::<bool>(), 0..3_u64).prop_map(|(asks, undo, retry)| Kind::Change { asks, undo, retry }),
    ];
    proptest::collection::vec(kind, 1..5)
}

fn then() -> impl Strategy<Value = Then> {
    proptest::sample::select(vec![Then::Offer, Then::Stop, Then::Ask, Then::Undo, Then::Continue])
}

fn effect() -> impl Strategy<Value = Effect> {
    proptest::sample::select(vec![
        Effect::Done(String::new()),
        Effect::Done(String::new()),
        Effect::NotSent(String::new()),
        Effect::Failed(String::new()),
        Effect::Unknown(String::new()),
    ])
}

/// An answer to a command: mostly one that fits, now and then another one, a stop, or the end of the program.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let text = String::new;
    let rechecked = proptest::sample::select(vec![
        Rechecked::Passed,
        Rechecked::Passed,
        Rechecked::Passed,
        Rechecked::Empty,
        Rechecked::LeftOut(text()),
        Rechecked::Grew(text()),
        Rechecked::Blocked(text()),
    ]);
    let answered =
        proptest::sample::select(vec![Answered::Go, Answered::Done(text()), Answered::Skip(text()), Answered::Stop]);
    let seen = proptest::sample::select(vec![
        Watched::Passed(text()),
        Watched::TimedOut(text()),
        Watched::Failed(text()),
        Watched::CannotTell(text()),
    ]);
    let way = proptest::sample::select(vec![Way::Again, Way::Undo, Way::Undo, Way::GoOn, Way::Next, Way::Stop]);
    let event = prop_oneof![
        1 => Just(Event::Started),
        4 => rechecked.prop_map(Event::Rechecked),
        1 => Just(Event::Unbound(String::new())),
        2 => answered.prop_map(Event::Answered),
        9 => Just(Event::Recorded),
        1 => proptest::sample::select(vec![Event::JournalFailed, Event::Stop, Event::Leave, Event::Cancel { undo: true }, Event::Cancel { undo: false }]),
        4 => (effect(), then()).prop_map(|(effect, then)| Event::Acted(effect, then)),
        4 => (seen, then()).prop_map(|(seen, then)| Event::Watched(seen, then)),
        3 => way.prop_map(|way| Event::Chosen(way, String::new())),
        3 => effect().prop_map(Event::Undone),
    ];
    proptest::collection::vec(event, 0..200)
}

/// What the rules are about, counted from outside.
#[derive(Default)]
struct Seen {
    acts: Vec<u64>,
    /// Intents that are durable and not used up.
    intended: BTreeSet<usize>,
    undo_intended: BTreeSet<usize>,
    undone: Vec<usize>,
    /// Nobody has said what follows, though nobody knows whether its locks are still its own.
    unbound: BTreeSet<usize>,
    unknown: BTreeSet<usize>,
    over: bool,
    stopped: bool,
    rollings: Vec<Rolling>,
}

impl Seen {
    fn host(&self, step: usize) -> Option<&str> {
        let mut lanes = self.rollings.iter().flat_map(|rolling| &rolling.lanes);
        lanes.find(|lane| lane.steps.contains(&step)).map(|lane| lane.host.as_str())
    }

    fn other_host(&self, one: usize, other: usize) -> bool {
        self.host(one).zip(self.host(other)).is_some_and(|(one, other)| one != other)
    }

    /// What nobody knows blocks what comes after it, but on other hosts that have begun.
    fn may_begin(&self, step: usize) -> bool {
        self.unknown.iter().all(|unknown| *unknown == step || self.other_host(*unknown, step))
    }
}

fn hold(seen: &mut Seen, kinds: &[Kind], command: &Command) -> Result<(), TestCaseError> {
    prop_assert!(!seen.over, "a run that is over does nothing more");
    if let Command::Recheck(step) | Command::Intend(step) | Command::IntendUndo(step) = command {
        prop_assert!(!seen.unbound.contains(step), "nothing follows before somebody has said so");
    }
    match command {
        Command::AskUnbound { step, .. } => {
            prop_assert!(seen.unbound.insert(*step), "asked once");
        }
        Command::Act(step) => {
            let Kind::Change { retry, .. } = kinds[*step] else { panic!("only a change acts") };
            seen.acts[*step] += 1;
            prop_assert!(seen.acts[*step] <= 1 + retry, "never more acts for one step than it allows");
            prop_assert!(seen.intended.remove(step), "never an act without a durable intent of its own");
            prop_assert!(!seen.unknown.contains(step) && seen.may_begin(*step), "unknown blocks every act");
            let elsewhere = seen.undone.iter().all(|undone| seen.other_host(*undone, *step));
            prop_assert!(elsewhere, "nothing new where something was taken back");
        }
        Command::Undo(step) => {
            prop_assert!(matches!(kinds[*step], Kind::Change { undo: true, .. }), "only what can be taken back");
            prop_assert!(seen.acts[*step] > 0, "only what was sent");
            prop_assert!(!seen.undone.contains(step), "at most once");
            prop_assert!(seen.undo_intended.remove(step), "never without a durable intent");
            let known = seen.unknown.iter().all(|unknown| seen.other_host(*unknown, *step));
            prop_assert!(known, "unknown blocks taking back too");
            seen.undone.push(*step);
        }
        Command::Recheck(step) | Command::Ask(step) | Command::Intend(step) => {
            prop_assert!(seen.may_begin(*step), "unknown blocks what follows");
            prop_assert!(!seen.stopped || !matches!(command, Command::Intend(_)), "nothing begins after a stop");
        }
        Command::Record { step, state: StepState::Unknown, .. } => drop(seen.unknown.insert(*step)),
        Command::Record { step, .. } => drop(seen.unknown.remove(step)),
        Command::Finish { outcome, left, .. } => {
            seen.over = true;
            prop_assert!(*outcome != RunOutcome::Ok || left.is_empty());
        }
        Command::Abandon => seen.over = true,
        Command::Offer { ways, .. } => prop_assert!(ways.contains(&Way::Stop), "one can always stop"),
        Command::Batch { .. } => prop_assert!(!seen.stopped, "no batch begins after a stop"),
        Command::Watch(_) | Command::IntendUndo(_) => {}
    }
    Ok(())
}

/// A run with a rollout in it: steps before, so many hosts with the same steps each, steps after.
fn rolled() -> impl Strategy<Value = (Vec<Kind>, Vec<Rolling>)> {
    let sizes = proptest::collection::vec(1..3_usize, 1..4);
    let shape = (kinds(), kinds(), sizes, 0..3_u64, proptest::option::of(1..3_u64), any::<bool>());
    shape.prop_map(|(before, each, sizes, max_fail, ask_after, every_host)| {
        let mut kinds = before.clone();
        let (sizes, max_fail) = if every_host { (vec![sizes.iter().sum()], u64::MAX) } else { (sizes, max_fail) };
        let rolling = Rolling { max_fail, ask_after, every_host, ..rolling(before.len(), each.len(), &sizes) };
        kinds.extend(each.repeat(sizes.iter().sum()));
        kinds.extend(before);
        (kinds, vec![rolling])
    })
}

/// Hosts from a step on, with so many steps each, in batches of these sizes.
fn rolling(from: usize, each: usize, sizes: &[usize]) -> Rolling {
    let batches = sizes.iter().enumerate().flat_map(|(batch, size)| std::iter::repeat_n(batch, *size));
    let lane = |(at, batch)| Lane { host: format!("web-{at}"), steps: from + at * each..from + (at + 1) * each, batch };
    Rolling { lanes: batches.enumerate().map(lane).collect(), ..Rolling::default() }
}

/// Two hosts of two changes each, one host a batch.
fn two_hosts(rolling: Rolling, events: Vec<Event>) -> Vec<Command> {
    let mut machine = Alone(Machine::new(vec![UNDOABLE; 4]).rolling(vec![rolling], 1), None);
    events.into_iter().filter_map(|event| machine.on(event)).collect()
}

fn batch_begun() -> Vec<Event> {
    vec![Event::Started, Event::Recorded]
}

#[test]
fn hosts_come_batch_by_batch_and_a_person_looks_in_between() {
    let rolling = Rolling { ask_after: Some(1), ..rolling(0, 2, &[1, 1]) };
    let events = [batch_begun(), happy().split_off(1), happy().split_off(1)].concat();
    let mut commands = two_hosts(rolling.clone(), events.clone());
    assert_eq!(commands[0], Command::Batch { rolling: 0, batch: 0 });
    let offer = commands.pop().unwrap();
    let ways = vec![Way::Undo, Way::Next, Way::Stop];
    assert_eq!(offer, Command::Offer { at: 2, step: 1, ways, why: "stopped after 1 of 2 batches".to_owned() });
    let with = |way| {
        let events = [events.clone(), vec![chosen(way)]].concat();
        two_hosts(rolling.clone(), events).pop().unwrap()
    };
    assert_eq!(with(Way::Next), Command::Batch { rolling: 0, batch: 1 });
    assert!(matches!(with(Way::Stop), Command::Finish { outcome: RunOutcome::Stopped, left, .. } if left == [1, 0]));
}

#[test]
fn a_host_that_fails_is_passed_over_as_long_as_it_may() {
    let roll = |max_fail| {
        let mut events = batch_begun();
        let fails = [Event::Rechecked(Rechecked::Blocked("no way in".to_owned())), Event::Recorded];
        events.extend(fails.clone());
        events.extend([Event::Recorded, Event::Recorded]);
        events.extend(fails);
        two_hosts(Rolling { max_fail, ..rolling(0, 2, &[1, 1]) }, events)
    };
    let commands = roll(1);
    assert!(matches!(&commands[3], Command::Record { step: 1, state: StepState::Skipped, .. }), "{commands:?}");
    assert_eq!(commands[4..6], [Command::Batch { rolling: 0, batch: 1 }, Command::Recheck(2)]);
    let Some(Command::Finish { outcome, reason, .. }) = commands.last() else { panic!("{commands:?}") };
    assert_eq!(*outcome, RunOutcome::Failed);
    assert_eq!(reason, "no way in; 2 hosts have failed, and at most 1 may: web-0, web-1");
    let commands = roll(0);
    assert!(!commands.contains(&Command::Recheck(2)), "{commands:?}");
    assert_eq!(finish(&commands), Some(RunOutcome::Failed));
}

#[test]
fn what_a_failed_host_had_is_taken_back_and_the_next_one_goes_on() {
    let mut events = batch_begun();
    events.extend(failing(Then::Undo).split_off(1));
    events.extend([Event::Recorded, Event::Undone(Effect::Done("as before".to_owned())), Event::Recorded]);
    let rolling = Rolling { max_fail: 1, ..rolling(0, 2, &[2]) };
    let commands = two_hosts(rolling, [events, vec![Event::Recorded]].concat());
    assert!(commands.contains(&Command::Undo(0)), "{commands:?}");
    assert_eq!(commands.last(), Some(&Command::Recheck(2)));
}

/// Hosts of a batch at once.
const AT_ONCE: usize = 2;

/// What was ordered and not answered, and what the rules of hosts side by side are about.
struct Side {
    pending: Vec<Order>,
    /// The hosts that have begun, by their first step.
    begun: BTreeSet<usize>,
}

impl Side {
    /// Takes an order in; `machine` is as it was left by it.
    fn take(&mut self, machine: &Machine, order: Order) -> Result<(), TestCaseError> {
        if let Some(lane) = order.lane {
            let hosts: BTreeSet<usize> = self.pending.iter().filter_map(|order| order.lane).chain([lane]).collect();
            prop_assert!(hosts.len() <= AT_ONCE, "no more hosts at once than may be: {hosts:?}");
            if self.begun.insert(lane) {
                prop_assert!(machine.lost.len() as u64 <= machine.rollings[0].max_fail, "too many have failed");
                let records = matches!(order.command, Command::Record { .. });
                prop_assert!(!machine.common.stopping || records, "no host begins after a stop");
            }
        }
        if matches!(order.command, Command::Batch { .. } | Command::Finish { .. }) {
            let under_way = self.pending.iter().any(|order| order.lane.is_some());
            prop_assert!(!under_way, "a batch, and the run, end when all of their hosts have");
        }
        if asks(&order) {
            prop_assert!(!self.pending.iter().any(asks), "one question at a time");
        }
        if !matches!(order.command, Command::Finish { .. } | Command::Abandon) {
            self.pending.push(order);
        }
        Ok(())
    }
}

/// The operator is asked.
const fn asks(order: &Order) -> bool {
    matches!(order.command, Command::Ask(_) | Command::AskUnbound { .. } | Command::Offer { .. })
}

/// Whether an event is what a command can come to.
fn fits(command: &Command, event: &Event) -> bool {
    match command {
        Command::Recheck(_) => matches!(event, Event::Rechecked(_) | Event::Unbound(_)),
        Command::Ask(_) | Command::AskUnbound { .. } => matches!(event, Event::Answered(_)),
        Command::IntendUndo(_) => matches!(event, Event::Recorded | Event::JournalFailed | Event::Unbound(_)),
        Command::Intend(_) | Command::Record { .. } | Command::Batch { .. } => {
            matches!(event, Event::Recorded | Event::JournalFailed)
        }
        Command::Act(_) => matches!(event, Event::Acted(..)),
        Command::Watch(_) => matches!(event, Event::Watched(..)),
        Command::Offer { .. } => matches!(event, Event::Chosen(..)),
        Command::Undo(_) => matches!(event, Event::Undone(_)),
        Command::Finish { .. } | Command::Abandon => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_rules_hold(
        (kinds, rollings) in prop_oneof![kinds().prop_map(|kinds| (kinds, Vec::new())), rolled()],
        events in events(),
        dice in proptest::collection::vec(any::<usize>(), 1..50),
    ) {
        let mut machine = Machine::new(kinds.clone()).rolling(rollings.clone(), AT_ONCE);
        let mut seen = Seen { acts: vec![0; kinds.len()], rollings, ..Seen::default() };
        let mut side = Side { pending: Vec::new(), begun: BTreeSet::new() };
        for (at, event) in events.into_iter().enumerate() {
            seen.stopped = machine.common.stopping;
            let of_all = matches!(event, Event::Stop | Event::Leave | Event::Cancel { .. } | Event::Started);
            // Mostly the answer to something that was ordered, of whichever host; now and then to nothing.
            let fitting: Vec<usize> =
                (0..side.pending.len()).filter(|at| fits(&side.pending[*at].command, &event)).collect();
            let chosen = (!of_all && !fitting.is_empty()).then(|| fitting[dice[at % dice.len()] % fitting.len()]);
            let lane = chosen.and_then(|at| side.pending[at].lane);
            if chosen.is_none() && !of_all && !side.pending.is_empty() && dice[at % dice.len()] % 4 > 0 {
                continue;
            }
            if let Some(chosen) = chosen {
                match (side.pending.remove(chosen).command, &event) {
                    (Command::Intend(step), Event::Recorded) => drop(seen.intended.insert(step)),
                    (Command::IntendUndo(step), Event::Recorded) => drop(seen.undo_intended.insert(step)),
                    (Command::AskUnbound { step, .. }, _) => drop(seen.unbound.remove(&step)),
                    _ => {}
                }
            }
            let stops = matches!(event, Event::Stop | Event::Leave | Event::Cancel { .. })
                || lane.is_some() && event == Event::Answered(Answered::Stop);
            let orders = machine.on(lane, event);
            if stops && machine.common.stopping {
                // Whoever was asked is asked no more.
                seen.unbound.clear();
                side.pending.retain(|order| !asks(order));
            }
            for order in orders {
                hold(&mut seen, &kinds, &order.command)?;
                side.take(&machine, order)?;
            }
            if machine.broken {
                side.pending.retain(|order| !asks(order));
            }
            prop_assert!(machine.is_over() || machine.main.phase == Phase::New || !side.pending.is_empty(), "it waits for nobody");
        }
    }
}

/// Six hosts of one change each, in one batch, three at once; the machine, and what it orders first.
fn side_by_side(max_fail: u64) -> (Machine, Vec<Order>) {
    let rolling = Rolling { max_fail, ..rolling(0, 1, &[6]) };
    let mut machine = Machine::new(vec![UNDOABLE; 6]).rolling(vec![rolling], 3);
    machine.on(None, Event::Started);
    let orders = machine.on(None, Event::Recorded);
    (machine, orders)
}

/// The host's change, up to and with its verification.
fn through(machine: &mut Machine, lane: usize, result: Watched) -> Vec<Order> {
    let mut events = happy();
    events[5] = watched(result);
    let mut last = Vec::new();
    for event in events.split_off(1) {
        last = machine.on(Some(lane), event);
    }
    last
}

fn named_steps(orders: &[Order]) -> Vec<(Option<usize>, Command)> {
    orders.iter().map(|order| (order.lane, order.command.clone())).collect()
}

#[test]
fn where_every_host_is_tried_one_of_which_nobody_knows_holds_up_no_other_and_nothing_else() {
    let rolling = Rolling { every_host: true, max_fail: u64::MAX, ..rolling(0, 1, &[6]) };
    let mut machine = Machine::new([vec![UNDOABLE; 6], vec![Kind::Manual]].concat()).rolling(vec![rolling], 3);
    machine.on(None, Event::Started);
    machine.on(None, Event::Recorded);
    // More of them than may be under way at once, and one that failed.
    let mut last = Vec::new();
    for lane in 0..6 {
        assert!(machine.is_flying(lane), "{lane}");
        let result = if lane == 4 {
            Watched::Failed("it is open".to_owned())
        } else {
            Watched::CannotTell("no line".to_owned())
        };
        last = through(&mut machine, lane, result);
    }
    let ways = vec![Way::Again, Way::Stop];
    let [Order { lane: None, command: Command::Offer { ways: offered, .. } }] = last.as_slice() else {
        panic!("{last:?}")
    };
    assert_eq!(*offered, ways, "what is behind it waits, and nothing is taken back");
    let looked = machine.on(None, chosen(Way::Again));
    let watches = [0, 1, 2, 3, 5].map(Command::Watch);
    assert_eq!(looked.into_iter().map(|order| order.command).collect::<Vec<_>>(), watches);
    for lane in [0, 1, 2, 3, 5] {
        machine.on(Some(lane), watched(Watched::Passed("closed".to_owned())));
        last = machine.on(Some(lane), Event::Recorded);
    }
    assert!(matches!(last.as_slice(), [Order { command: Command::Ask(6), .. }]), "{last:?}");
}

#[test]
fn hosts_of_a_batch_are_under_way_together_and_the_next_begins_when_one_has_ended() {
    let (mut machine, orders) = side_by_side(0);
    assert_eq!(named_steps(&orders), [0, 1, 2].map(|at| (Some(at), Command::Recheck(at))));
    let next = through(&mut machine, 1, Watched::Passed(String::new()));
    assert_eq!(named_steps(&next), [(Some(3), Command::Recheck(3))]);
    assert!(!machine.is_flying(1) && machine.is_flying(0));
}

#[test]
fn when_too_many_have_failed_no_host_begins_and_those_under_way_are_finished() {
    let (mut machine, _) = side_by_side(1);
    let failed = || Watched::Failed("it is down".to_owned());
    assert_eq!(named_steps(&through(&mut machine, 0, failed())), [(Some(3), Command::Recheck(3))], "one may");
    assert_eq!(through(&mut machine, 1, failed()), [], "two may not");
    assert_eq!(through(&mut machine, 2, Watched::Passed(String::new())), [], "it is finished, and nothing begins");
    let end = through(&mut machine, 3, failed());
    let [Order { lane: None, command: Command::Offer { ways, why, .. } }] = end.as_slice() else {
        panic!("the run asks when the last one has ended: {end:?}");
    };
    assert_eq!(*ways, [Way::Again, Way::Undo, Way::Stop]);
    assert_eq!(why, "it is down; 3 hosts have failed, and at most 1 may: web-0, web-1, web-3");
    let again = machine.on(None, chosen(Way::Again));
    assert_eq!(
        named_steps(&again),
        [(Some(1), Command::Watch(1)), (Some(3), Command::Watch(3)), (Some(4), Command::Recheck(4))]
    );
}

#[test]
fn an_undo_that_failed_on_one_host_is_not_sent_again_with_those_of_the_others() {
    let (mut machine, _) = side_by_side(0);
    let failed = || Watched::Failed("it is down".to_owned());
    let mut events = happy();
    events[5] = Event::Watched(failed(), Then::Undo);
    for event in events.split_off(1) {
        machine.on(Some(0), event);
    }
    let undo = machine.on(Some(0), Event::Recorded);
    assert_eq!(named_steps(&undo), [(Some(0), Command::Undo(0))]);
    machine.on(Some(0), Event::Undone(Effect::Failed("it is there still".to_owned())));
    machine.on(Some(0), Event::Recorded);
    through(&mut machine, 1, failed());
    let end = through(&mut machine, 2, failed());
    let takes_back = |order: &Order| match &order.command {
        Command::Offer { ways, .. } => ways.contains(&Way::Undo),
        command => matches!(command, Command::IntendUndo(_)),
    };
    assert!(!end.iter().any(takes_back), "{end:?}");
    let last = if let [Order { lane, command: Command::Offer { .. } }] = end.as_slice() {
        machine.on(*lane, chosen(Way::Stop))
    } else {
        end
    };
    let [Order { command: Command::Finish { left, .. }, .. }] = last.as_slice() else { panic!("{last:?}") };
    assert!(left.contains(&0), "what it would have taken back is told: {left:?}");
}

#[test]
fn what_nobody_knows_of_one_host_lets_no_other_begin() {
    let (mut machine, _) = side_by_side(6);
    assert_eq!(through(&mut machine, 0, Watched::CannotTell("no answer".to_owned())), []);
    assert_eq!(through(&mut machine, 1, Watched::Passed(String::new())), []);
    let end = through(&mut machine, 2, Watched::Passed(String::new()));
    let [Order { command: Command::Finish { outcome, left, .. }, .. }] = end.as_slice() else { panic!("{end:?}") };
    assert_eq!((*outcome, left.as_slice()), (RunOutcome::Unknown, [2, 1, 0].as_slice()));
}

#[test]
fn questions_of_hosts_come_one_at_a_time_and_a_stop_takes_all_of_them_back() {
    let rolling = rolling(0, 1, &[3]);
    let mut machine = Machine::new(vec![Kind::Manual; 3]).rolling(vec![rolling], 3);
    machine.on(None, Event::Started);
    assert_eq!(named_steps(&machine.on(None, Event::Recorded)), [(Some(0), Command::Ask(0))]);
    let next = machine.on(Some(0), Event::Answered(Answered::Done("done".to_owned())));
    assert_eq!(next.len(), 2, "{next:?}");
    assert_eq!((next[1].lane, next[1].command.clone()), (Some(1), Command::Ask(1)));
    let stopped = machine.on(Some(1), Event::Answered(Answered::Stop));
    assert_eq!(
        stopped
            .iter()
            .filter(|order| matches!(order.command, Command::Record { state: StepState::Cancelled, .. }))
            .count(),
        2
    );
}

#[test]
fn a_journal_that_fails_on_one_host_lets_the_others_end_and_begins_nothing() {
    let (mut machine, _) = side_by_side(0);
    machine.on(Some(0), Event::Rechecked(Rechecked::Passed));
    assert_eq!(machine.on(Some(0), Event::JournalFailed), []);
    assert_eq!(machine.on(Some(1), Event::Rechecked(Rechecked::Passed)), []);
    assert_eq!(
        machine.on(Some(2), Event::Rechecked(Rechecked::Passed)),
        [Order { lane: None, command: Command::Abandon }]
    );
}

#[test]
fn what_is_cut_off_ends_the_run_as_stopped_and_is_taken_back_when_that_was_wanted() {
    let cut = |undo| {
        let mut machine = Alone(Machine::new(vec![UNDOABLE; 2]), None);
        for event in happy().into_iter().take(3) {
            machine.on(event);
        }
        assert_eq!(machine.on(Event::Cancel { undo }), None, "what is in flight says itself what became of it");
        machine.on(acted(Effect::Failed("cancelled: nothing of it is left".to_owned())));
        machine.on(Event::Recorded).unwrap()
    };
    assert_eq!(cut(true), Command::IntendUndo(0));
    let Command::Finish { outcome, reason, left } = cut(false) else { panic!() };
    assert_eq!((outcome, left), (RunOutcome::Stopped, vec![0]));
    assert!(reason.contains("nothing of it is left"), "{reason}");
}
