//! A run is cut off after any of its records and taken up again by the same machine, as often as it takes.

use super::*;
use crate::domain::record::{Actor, Entry, Kept};
use crate::runbook::machine::{Answered, Command, Effect, Event, Kind, Machine, Order, Rechecked, Then, Watched, Way};
use crate::runbook::script::{Lane, Rolling};
use proptest::prelude::*;
use std::collections::BTreeSet;
use uuid::Uuid;

fn record(kind: RecordKind, step: Option<usize>, role: &str, data: Value) -> Record {
    let entry = Entry {
        kind,
        run: Some(RunId(Uuid::nil())),
        step: step.map(|step| format!("s{step}")),
        role: (!role.is_empty()).then(|| role.to_owned()),
        target: None,
        env: "test".to_owned(),
        data,
    };
    Record {
        id: Uuid::nil(),
        writer: Uuid::nil(),
        seq: 1,
        prev: String::new(),
        hash: String::new(),
        at: jiff::Timestamp::UNIX_EPOCH,
        mono_ms: 0,
        incident: None,
        actor: Actor { name: "ada".to_owned(), uid: 1, host: "bastion".to_owned() },
        entry,
        kept: Kept::default(),
    }
}

/// What chance has in store: each is drawn from in turn, and begins anew when it is used up.
#[derive(Clone, Debug)]
struct Luck {
    dice: Vec<u8>,
    at: usize,
}

impl Luck {
    fn below(&mut self, sides: u8) -> u8 {
        self.at += 1;
        self.dice[self.at % self.dice.len()] % sides
    }
}

/// The world, and the records of what was done to it.
struct Life {
    kinds: Vec<Kind>,
    rollings: Vec<Rolling>,
    records: Vec<Record>,
    luck: Luck,
    /// What really was done, and how often; and what really was taken back.
    effects: Vec<u64>,
    undone: Vec<u64>,
    taking_back: bool,
    /// The steps of which it is certain that nothing was sent, or taken back, and that have no record of it yet.
    not_sent: BTreeSet<usize>,
}

/// How a life ends.
#[derive(Debug, PartialEq, Eq)]
enum Death {
    Killed,
    Over(RunOutcome),
}

impl Life {
    fn write(&mut self, kind: RecordKind, step: Option<usize>, data: Value) {
        let role = match step.map(|step| self.kinds[step]) {
            Some(Kind::Change { .. }) if self.taking_back => "undo",
            Some(Kind::Change { .. }) => "run",
            _ => "",
        };
        self.records.push(record(kind, step, role, data));
    }

    fn effect(&mut self) -> (Effect, bool) {
        let text = String::new;
        match self.luck.below(8) {
            0 => (Effect::NotSent(text()), false),
            1 => (Effect::Failed(text()), true),
            2 => (Effect::Unknown(text()), self.luck.below(2) == 0),
            _ => (Effect::Done(text()), true),
        }
    }

    fn then(&mut self) -> Then {
        [Then::Offer, Then::Stop, Then::Ask, Then::Undo, Then::Continue][usize::from(self.luck.below(5))]
    }

    /// Goes on until it is over, or for so many commands and then is killed, with whatever is in flight then. Hosts of a batch take turns as
    /// chance has it.
    fn live(&mut self, mut machine: Machine, commands: usize) -> Death {
        let mut orders = machine.on(None, Event::Started);
        for _ in 0..commands {
            if orders.is_empty() {
                return Death::Over(RunOutcome::Stopped);
            }
            let next = usize::from(self.luck.below(u8::try_from(orders.len()).unwrap()));
            let Order { lane, command } = orders.remove(next);
            match self.carry_out(command) {
                Ok(event) => orders.extend(machine.on(lane, event)),
                Err(death) => return death,
            }
        }
        Death::Killed
    }

    fn carry_out(&mut self, command: Command) -> Result<Event, Death> {
        let text = String::new;
        self.taking_back = false;
        Ok(match command {
            Command::Recheck(step) => {
                self.write(RecordKind::StepRecheck, Some(step), json!({}));
                if self.luck.below(16) == 0 {
                    return Ok(Event::Unbound(text()));
                }
                Event::Rechecked(match self.luck.below(12) {
                    0 => Rechecked::Blocked(text()),
                    1 => Rechecked::Empty,
                    2 => Rechecked::LeftOut(text()),
                    _ => Rechecked::Passed,
                })
            }
            Command::Ask(step) => Event::Answered(match (self.kinds[step], self.luck.below(8)) {
                (_, 0) => Answered::Skip(text()),
                (Kind::Manual, _) => Answered::Done(text()),
                _ => Answered::Go,
            }),
            Command::Intend(step) => {
                self.write(RecordKind::StepIntent, Some(step), json!({ "facts": {} }));
                Event::Recorded
            }
            Command::AskUnbound { .. } => {
                Event::Answered(if self.luck.below(4) == 0 { Answered::Stop } else { Answered::Go })
            }
            Command::IntendUndo(_) if self.luck.below(16) == 0 => Event::Unbound(text()),
            Command::IntendUndo(step) => {
                self.taking_back = true;
                self.write(RecordKind::StepIntent, Some(step), json!({}));
                Event::Recorded
            }
            Command::Act(step) => {
                let (effect, happened) = self.effect();
                self.effects[step] += u64::from(happened);
                self.sent(step, &effect);
                let then = self.then();
                Event::Acted(effect, then)
            }
            Command::Undo(step) => {
                let (effect, happened) = self.effect();
                self.undone[step] += u64::from(happened);
                self.sent(step, &effect);
                Event::Undone(effect)
            }
            Command::Watch(_) => {
                let watched = match self.luck.below(8) {
                    0 => Watched::Failed(text()),
                    1 => Watched::TimedOut(text()),
                    2 => Watched::CannotTell(text()),
                    _ => Watched::Passed(text()),
                };
                let then = self.then();
                Event::Watched(watched, then)
            }
            Command::Record { step, state, .. } => {
                let mut data = json!({ "state": state });
                if self.not_sent.remove(&step) {
                    data["happened"] = false.into();
                }
                self.taking_back = matches!(state, StepState::Undone | StepState::UndoFailed);
                self.write(RecordKind::StepExit, Some(step), data);
                Event::Recorded
            }
            Command::Batch { .. } => {
                self.write(RecordKind::RunBatch, None, json!({}));
                Event::Recorded
            }
            Command::Offer { ways, .. } => {
                let way = ways[usize::from(self.luck.below(u8::try_from(ways.len()).unwrap()))];
                Event::Chosen(way, text())
            }
            Command::Finish { outcome, .. } => {
                self.write(RecordKind::RunFinish, None, json!({ "outcome": outcome }));
                return Err(Death::Over(outcome));
            }
            Command::Abandon => return Err(Death::Killed),
        })
    }

    fn sent(&mut self, step: usize, effect: &Effect) {
        if matches!(effect, Effect::NotSent(_)) {
            self.not_sent.insert(step);
        }
    }

    /// What was written, to see how it came to that.
    fn story(&self) -> String {
        let told = self.records[1..].iter().map(|record| {
            let step = record.entry.step.as_deref().unwrap_or_default();
            let role = record.entry.role.as_deref().unwrap_or_default();
            format!("{} {step} {role} {}", record.entry.kind.word(), record.entry.data)
        });
        told.collect::<Vec<_>>().join("\n")
    }

    fn machine(&self) -> Machine {
        Machine::new(self.kinds.clone()).rolling(self.rollings.clone(), 3)
    }

    fn past(&self) -> Past {
        Past::of(RunId(Uuid::nil()), &self.records).unwrap()
    }

    /// A look at all that is open: what really happened, or that nobody can tell.
    fn look(&mut self, before: (&[u64], &[u64])) {
        for open in self.past().open {
            self.look_at(&open, before);
        }
        self.not_sent.clear();
    }

    fn look_at(&mut self, open: &Open, before: (&[u64], &[u64])) {
        let step: usize = open.step()[1..].parse().unwrap();
        self.taking_back = open.is_undo();
        let (now, then) = if self.taking_back { (&self.undone, before.1) } else { (&self.effects, before.0) };
        let happened = now[step] > then[step];
        let (yes, no) = if self.taking_back {
            (StepState::Undone, StepState::UndoFailed)
        } else {
            (StepState::Ok, StepState::Failed)
        };
        let data = match (self.luck.below(8), happened) {
            (0, _) => json!({ "state": StepState::Unknown }),
            (_, true) => json!({ "state": yes }),
            (_, false) => json!({ "state": no, "happened": false }),
        };
        self.write(RecordKind::StepReconcile, Some(step), data);
        self.taking_back = false;
    }
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![
        1 => Just(Kind::Manual),
        1 => Just(Kind::Look),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(asks, undo)| Kind::Change { asks, undo, retry: 0 }),
    ];
    proptest::collection::vec(kind, 1..5)
}

fn shape() -> impl Strategy<Value = (Vec<Kind>, Vec<Rolling>)> {
    let rolled =
        (kinds(), kinds(), 1..6_usize, 1..4_usize, 0..3_u64).prop_map(|(before, each, hosts, size, max_fail)| {
            let from = before.len();
            let lane = |at: usize| Lane {
                host: format!("web-{at}"),
                steps: from + at * each.len()..from + (at + 1) * each.len(),
                batch: at / size,
            };
            let rolling = Rolling { lanes: (0..hosts).map(lane).collect(), max_fail, ..Rolling::default() };
            let kinds = [before.clone(), each.repeat(hosts), before].concat();
            (kinds, vec![rolling])
        });
    prop_oneof![kinds().prop_map(|kinds| (kinds, Vec::new())), rolled]
}

fn life((kinds, rollings): (Vec<Kind>, Vec<Rolling>), dice: Vec<u8>) -> Life {
    let undo = |kind: &Kind| matches!(kind, Kind::Change { undo: true, .. }).then_some("back");
    let step = |(at, kind): (usize, &Kind)| json!({ "id": format!("s{at}"), "undo": undo(kind) });
    let steps: Vec<Value> = kinds.iter().enumerate().map(step).collect();
    let zeros = vec![0; kinds.len()];
    Life {
        records: vec![record(RecordKind::RunStart, None, "", json!({ "steps": steps }))],
        kinds,
        rollings,
        luck: Luck { dice, at: 0 },
        effects: zeros.clone(),
        undone: zeros,
        taking_back: false,
        not_sent: BTreeSet::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn cut_off_anywhere_and_taken_up_again_no_effect_comes_twice(
        shape in shape(),
        dice in proptest::collection::vec(any::<u8>(), 1..200),
        cuts in proptest::collection::vec(1..40_usize, 1..5),
    ) {
        let mut life = life(shape, dice);
        let mut machine = life.machine();
        for cut in cuts {
            let before = (life.effects.clone(), life.undone.clone());
            let end = life.live(machine, cut);
            if let Death::Over(_) = end {
                break;
            }
            life.look((&before.0, &before.1));
            let past = life.past();
            let doubtful = !past.open.is_empty();
            let taken: BTreeSet<usize> = (0..life.kinds.len()).filter(|at| life.undone[*at] > 0).collect();
            machine = life.machine().resumed(&past.was());
            if doubtful {
                // What nobody knows blocks everything that follows.
                let first = machine.clone().on(None, Event::Started);
                prop_assert!(
                    matches!(first.as_slice(), [Order { command: Command::Offer { ways, .. }, .. }] if ways.as_slice() == [Way::Stop]),
                    "{first:?}"
                );
                break;
            }
            let known: BTreeSet<usize> = past
                .steps
                .iter()
                .filter(|(_, step)| step.undo.is_some())
                .map(|(id, _)| id[1..].parse().unwrap())
                .collect();
            prop_assert_eq!(taken.difference(&known).count(), 0, "what was taken back is known");
        }
        for (step, kind) in life.kinds.iter().enumerate() {
            let story = || life.story();
            prop_assert!(life.effects[step] <= 1, "step {step} {kind:?} was done {} times: {}", life.effects[step], story());
            prop_assert!(life.undone[step] <= 1, "step {step} {kind:?} was taken back {} times: {}", life.undone[step], story());
        }
    }

    /// Any prefix of what was written is a state that can be gone on from.
    #[test]
    fn any_prefix_of_the_records_can_be_taken_up(
        shape in shape(),
        dice in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut life = life(shape, dice);
        let machine = life.machine();
        life.live(machine, 400);
        for length in 1..=life.records.len() {
            let past = Past::of(RunId(Uuid::nil()), &life.records[..length]).unwrap();
            let was = past.was();
            let mut machine = life.machine().resumed(&was);
            let first = machine.on(None, Event::Started);
            prop_assert!(!first.is_empty());
            for (id, step) in past.undoable() {
                prop_assert!(step.happened && step.undo.is_none(), "{id} {step:?}: no page here lets an undo be sent again");
            }
            for order in first {
                if let Command::Recheck(step) | Command::Ask(step) = order.command {
                    prop_assert!(!was[step].happened, "it begins with a step that was done: {step}");
                    prop_assert!(past.open.is_empty(), "it goes on past a doubt");
                }
            }
        }
    }
}

#[test]
fn what_an_undo_passes_over_can_still_be_taken_back() {
    let mut life = life((vec![Kind::Change { asks: false, undo: true, retry: 0 }], Vec::new()), vec![7]);
    life.write(RecordKind::StepIntent, Some(0), json!({ "facts": { "values": 1 } }));
    life.write(RecordKind::StepExit, Some(0), json!({ "state": "ok" }));
    let left = |life: &Life| life.past().undoable().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
    assert_eq!((left(&life), life.past().is_whole()), (vec!["s0".to_owned()], true));
    life.taking_back = true;
    life.write(RecordKind::StepIntent, Some(0), json!({}));
    assert!(life.past().open[0].is_undo());
    life.write(RecordKind::StepExit, Some(0), json!({ "state": "undo_failed", "happened": false }));
    assert_eq!(left(&life).len(), 1, "nothing was sent: it can be tried again");
    life.write(RecordKind::StepIntent, Some(0), json!({}));
    life.write(RecordKind::StepExit, Some(0), json!({ "state": "undone" }));
    assert_eq!((left(&life).len(), life.past().is_whole()), (0, false));
    assert_eq!(life.past().step("s0").unwrap().state, Some(StepState::Ok));
}

/// Three steps, each done; the undo of the second may be sent again, or not.
fn with_undo(again: bool) -> Life {
    let change = Kind::Change { asks: false, undo: true, retry: 0 };
    let mut life = life((vec![change; 3], Vec::new()), vec![7]);
    life.records[0].entry.data["steps"][1]["undo_again"] = again.into();
    for step in 0..3 {
        life.write(RecordKind::StepIntent, Some(step), json!({ "facts": {} }));
        life.write(RecordKind::StepExit, Some(step), json!({ "state": "ok" }));
    }
    life.write(RecordKind::RunFinish, None, json!({ "outcome": "ok" }));
    life.taking_back = true;
    for (step, state) in [(2, "undone"), (1, "undo_failed")] {
        life.write(RecordKind::StepIntent, Some(step), json!({}));
        life.write(RecordKind::StepExit, Some(step), json!({ "state": state, "detail": "3 play on it" }));
    }
    life.write(RecordKind::RunFinish, None, json!({ "outcome": "failed" }));
    life
}

/// An undo that refused is asked again before what came before it is taken back.
#[test]
fn an_undo_that_failed_and_may_be_sent_again_comes_first_the_next_time() {
    let past = with_undo(true).past();
    let left: Vec<&str> = past.undoable().map(|(id, _)| id).collect();
    assert_eq!(left, ["s1", "s0"]);
    assert_eq!((past.step("s1").unwrap().undo_failed, past.step("s0").unwrap().undo_failed), (1, 0));
    assert_eq!((past.stuck(), past.ways()), (None, vec![Next::Undo, Next::GiveUp]));
    let told = past.tried_again();
    assert!(told.len() == 1 && told[0].contains("failed (3 play on it): it may be sent again"), "{told:?}");
}

#[test]
fn what_comes_before_an_undo_that_failed_waits_until_somebody_says_what_they_saw() {
    let left = |life: &Life| life.past().undoable().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
    let stuck = with_undo(false);
    let past = stuck.past();
    assert_eq!((left(&stuck), past.ways()), (vec![], vec![Next::Saw, Next::GiveUp]));
    let asked = past.asked_about().unwrap();
    assert_eq!((asked.step.as_str(), asked.undo, past.has_left()), ("s1", true, true));
    for (word, data, then) in [
        ("taken back by hand", json!({ "state": "undone" }), vec!["s0"]),
        ("nothing was done", json!({ "state": "undo_failed", "happened": false }), vec!["s1", "s0"]),
    ] {
        let mut said = with_undo(false);
        said.write(RecordKind::StepReconcile, Some(1), data);
        assert_eq!(left(&said), then, "{word}");
        assert_eq!(said.past().stuck(), None, "{word}");
    }
}

/// Two steps, the second on two hosts, each with an undo of two lines.
fn planned(records: Vec<Record>) -> Past {
    let step = |id: &str, title: &str, target: &str| json!({ "id": id, "title": title, "target": target, "undo": "set -eu\necho back" });
    let steps =
        [step("s0", "First", "local"), step("s1@web-1", "Second", "web-1"), step("s1@web-2", "Second", "web-2")];
    let start = record(RecordKind::RunStart, None, "", json!({ "steps": steps }));
    Past::of(RunId(Uuid::nil()), &[vec![start], records].concat()).unwrap()
}

fn of_step(kind: RecordKind, id: &str, role: &str, data: Value) -> Record {
    let mut made = record(kind, Some(0), role, data);
    made.entry.step = Some(id.to_owned());
    made
}

fn done(id: &str) -> [Record; 2] {
    [
        of_step(RecordKind::StepIntent, id, "run", json!({ "facts": {} })),
        of_step(RecordKind::StepExit, id, "run", json!({ "state": "ok", "detail": "as wanted" })),
    ]
}

fn undone(id: &str, state: &str, detail: &str) -> [Record; 2] {
    [
        of_step(RecordKind::StepIntent, id, "undo", json!({})),
        of_step(RecordKind::StepExit, id, "undo", json!({ "state": state, "detail": detail })),
    ]
}

#[test]
fn what_is_left_is_told_by_name_in_one_line_and_with_its_lines_to_paste() {
    let past = planned([done("s0"), done("s1@web-1"), done("s1@web-2")].concat());
    let names = "step 2 'Second' on web-2; step 2 'Second' on web-1; step 1 'First' on local";
    assert_eq!(past.left_named(), names);
    assert_eq!(past.left_to_undo()[2], "First on local:\nset -eu\necho back");
}

#[test]
fn a_step_that_was_taken_back_is_told_by_what_its_undo_came_to() {
    let past = planned([done("s0"), undone("s0", "undone", "gone again")].concat());
    assert_eq!((past.told("s0"), past.told("s1@web-1")), ("gone again".to_owned(), String::new()));
    assert!(past.is_taken_back());
    assert_eq!(past.ending().0, RunOutcome::Stopped);
    assert!(past.ending().1.starts_with("all that it did was taken back"), "{:?}", past.ending());
    let of = |way: &str| record(RecordKind::RunResume, None, "", json!({ "way": way }));
    let back = |ways: &[&str]| {
        let ways = ways.iter().map(|way| of(way));
        planned(ways.chain(done("s0")).chain(undone("s0", "undone", "gone again")).collect()).ending().0
    };
    assert_eq!(back(&["undo", "saw"]), RunOutcome::Undone);
    assert_eq!(back(&["undo", "go on"]), RunOutcome::Stopped);
}

#[test]
fn what_was_taken_back_in_part_is_no_failure_and_an_undo_that_failed_is_one() {
    let half = [done("s0"), done("s1@web-1"), undone("s1@web-1", "undone", "")].concat();
    let (outcome, why) = planned(half.clone()).ending();
    assert_eq!(outcome, RunOutcome::Stopped);
    assert!(why.starts_with("not all that it did was taken back"), "{why}");
    let failed = planned([half.as_slice(), &undone("s0", "undo_failed", "refused")].concat());
    let (outcome, why) = failed.ending();
    assert_eq!(outcome, RunOutcome::Failed);
    assert!(why.starts_with("the undo of step 1 'First' on local failed: refused"), "{why}");
}

#[test]
fn the_end_of_a_run_names_the_step_before_which_it_stopped() {
    let (outcome, why) = planned([done("s0"), done("s1@web-1")].concat()).ending_by("somebody saw it", "it happened");
    assert_eq!(outcome, RunOutcome::Stopped);
    assert_eq!(why, "somebody saw it; it stopped before step 2 'Second' on web-2");
}

/// A page leads past what failed (`on-fail=continue`), is cut off later, and is gone on with: what came after that was done, and is not done once
/// more, though the operator is asked about the step before it.
#[test]
fn on_a_host_that_was_led_past_a_failure_nothing_behind_it_is_done_again() {
    let change = Kind::Change { asks: false, undo: false, retry: 0 };
    let lane = |at: usize| Lane { host: format!("web-{at}"), steps: at * 4..(at + 1) * 4, batch: 0 };
    let rolling = Rolling { lanes: vec![lane(0), lane(1)], ..Rolling::default() };
    let mut life = life((vec![change; 8], vec![rolling]), vec![7]);
    for (step, state) in [(0, "ok"), (1, "timed_out"), (2, "ok"), (4, "ok")] {
        life.write(RecordKind::StepIntent, Some(step), json!({ "facts": {} }));
        life.write(RecordKind::StepExit, Some(step), json!({ "state": state }));
    }
    let mut machine = life.machine().resumed(&life.past().was());
    let first = machine.on(None, Event::Started);
    let [Order { lane, command: Command::Offer { step, ways, .. } }] = first.as_slice() else { panic!("{first:?}") };
    assert!(*step == 1 && ways.contains(&Way::GoOn), "{first:?}");
    let mut orders = machine.on(*lane, Event::Chosen(Way::GoOn, "it is well by now".to_owned()));
    let mut begun = Vec::new();
    while let Some(Order { lane, command }) = orders.pop() {
        match command {
            Command::Recheck(step) => begun.push(step),
            command => orders.extend(life.carry_out(command).map(|event| machine.on(lane, event)).unwrap_or_default()),
        }
    }
    assert!(begun.contains(&3) && !begun.iter().any(|step| [0, 1, 2, 4].contains(step)), "{begun:?}");
}
