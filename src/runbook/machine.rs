//! The states of a run, as a pure machine: what happened goes in, what to do next comes out. No IO, no time.
//!
//! It holds the rules that must hold whatever happens: no act without a durable intent, at most one act per step, nothing
//! after a step whose effect is unknown, nothing new after a stop or when the journal cannot be written. A change that was not done
//! is sent again only after its checks have passed again, and a change is taken back at most once.
//!
//! Steps in a row are a track; the hosts of a batch are one each, several at once, and this is what holds them together: who may
//! begin, who asks (one at a time), and what the run comes to when all of them have ended.

mod batch;
mod resume;
mod track;
mod words;

pub use resume::{ended_badly, last_begun, left};
pub use words::{Answered, Command, Effect, Event, Kind, Order, REQUESTED, Rechecked, Then, Was, Watched, Way};

use super::script::{Lane, Rolling, named};
use crate::domain::record::RunOutcome;
use batch::{Batch, Tripped, Waiting};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use track::{Common, Phase, Track, Turn};
use words::End;

/// A run's states.
#[derive(Clone, Debug)]
pub struct Machine {
    common: Common,
    rollings: Vec<Rolling>,
    /// So many hosts at once at most.
    parallel: usize,
    /// The hosts of the present rollout that have failed.
    lost: Vec<usize>,
    /// The run as a whole: the steps outside of rollouts, and what it is asked.
    main: Track,
    /// The hosts under way.
    batch: Option<Batch>,
    /// The batch that comes next, while a person looks or it is being begun.
    next: Option<(usize, usize)>,
    /// The host whose question is open.
    asking: Option<usize>,
    /// Questions that wait for that.
    questions: VecDeque<Order>,
    /// What a run that is taken up again begins with, where that is no step.
    first: Option<End>,
    /// The journal takes nothing: what is in flight ends, and nothing else is begun.
    broken: bool,
}

impl Machine {
    /// A run of these steps that has not begun.
    pub fn new(kinds: Vec<Kind>) -> Self {
        let main = Track::new(0..kinds.len(), false);
        Self {
            common: Common { kinds, ..Common::default() },
            rollings: Vec::new(),
            parallel: usize::MAX,
            lost: Vec::new(),
            main,
            batch: None,
            next: None,
            asking: None,
            questions: VecDeque::new(),
            first: None,
            broken: false,
        }
    }

    /// Some of the steps go host by host, so many hosts of a batch at once (at least one).
    #[must_use]
    pub fn rolling(self, rollings: Vec<Rolling>, parallel: usize) -> Self {
        Self { rollings, parallel: parallel.max(1), ..self }
    }

    /// To take these steps back takes a phrase: whoever cuts one off is asked for it, and not taken at their first word.
    #[must_use]
    pub fn undone_by_phrase(self, steps: BTreeSet<usize>) -> Self {
        Self { common: Common { by_phrase: steps, ..self.common }, ..self }
    }

    /// The run is over.
    pub fn is_over(&self) -> bool {
        self.main.phase == Phase::Over
    }

    /// The host is under way.
    pub fn is_flying(&self, lane: usize) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.flying.contains_key(&lane))
    }

    /// The host did not go well, and may be looked at once more.
    pub fn is_parked(&self, lane: usize) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.tripped.iter().any(|tripped| tripped.lane == lane))
    }

    /// The change of a step can't be taken back after all.
    pub fn has_no_undo(&mut self, step: usize) {
        if let Some(Kind::Change { undo, .. }) = self.common.kinds.get_mut(step) {
            *undo = false;
        }
    }

    /// Takes in what happened to a host, or to the run as a whole; says what to do next. An event that does not belong to the present state
    /// changes nothing.
    pub fn on(&mut self, lane: Option<usize>, event: Event) -> Vec<Order> {
        let answers = matches!(event, Event::Answered(_) | Event::Chosen(..) | Event::Stop | Event::Leave);
        if answers && lane.is_some() && lane == self.asking {
            self.asking = None;
        }
        let mut out = Vec::new();
        match event {
            _ if self.broken => self.ended_broken(lane, &mut out),
            Event::Stop => self.stop(&mut out),
            Event::Leave => {
                self.common.leaving = true;
                self.stop(&mut out);
            }
            Event::Cancel { undo } => {
                self.common.cancel = Some(undo);
                self.stop(&mut out);
            }
            Event::JournalFailed => self.journal_failed(lane, &mut out),
            // Whoever stops one host stops the run.
            Event::Answered(Answered::Stop) if lane.is_some() => {
                self.take_in(lane, Event::Answered(Answered::Stop), &mut out);
                self.stop(&mut out);
            }
            event => self.take_in(lane, event, &mut out),
        }
        self.ask_next(&mut out);
        out
    }

    fn take_in(&mut self, lane: Option<usize>, event: Event, out: &mut Vec<Order>) {
        let Some(lane) = lane else { return self.of_the_whole(event, out) };
        let Some(track) = self.batch.as_mut().and_then(|batch| batch.flying.get_mut(&lane)) else { return };
        if let Some(turn) = track.on(&mut self.common, event) {
            self.take(lane, turn, out);
        }
    }

    /// What happened to the run as a whole.
    fn of_the_whole(&mut self, event: Event, out: &mut Vec<Order>) {
        match (self.main.phase.clone(), event) {
            (Phase::New, Event::Started) => self.start(out),
            (Phase::Batching, Event::Recorded) => self.begin_hosts(out),
            (Phase::Offering(end), Event::Chosen(way, reason)) if self.batch.is_some() => {
                self.chosen(&end, way, reason, out);
            }
            (_, event) => {
                if let Some(turn) = self.main.on(&mut self.common, event) {
                    self.turn(turn, out);
                }
            }
        }
    }

    /// Begins with what comes first; of a run that is taken up again that is where it was.
    fn start(&mut self, out: &mut Vec<Order>) {
        if let Some(end) = self.first.take() {
            if self.common.leaving {
                return self.finish(end.outcome, end.reason, out);
            }
            let turn = self.main.offer(&self.common, end);
            return self.turn(turn, out);
        }
        match (&self.batch, self.next) {
            (Some(_), _) => {
                self.main.phase = Phase::Hosts;
                self.fill(out);
            }
            (None, Some((rolling, batch))) => self.come_to(rolling, batch, out),
            (None, None) => self.advance(self.main.step, out),
        }
    }

    /// The operator chose what follows on hosts that did not go well.
    fn chosen(&mut self, end: &End, way: Way, reason: String, out: &mut Vec<Order>) {
        let there = self.main.ways(&self.common, end).contains(&way);
        let Some(batch) = self.batch.as_mut().filter(|_| there && matches!(way, Way::Again | Way::GoOn)) else {
            if let Some(turn) = self.main.on(&mut self.common, Event::Chosen(way, reason)) {
                self.turn(turn, out);
            }
            return;
        };
        self.main.phase = Phase::Hosts;
        let tripped = std::mem::take(&mut batch.tripped);
        for Tripped { lane, mut track, end, .. } in tripped {
            self.lost.retain(|lost| *lost != lane);
            let turn = if way == Way::Again { track.again(&end) } else { track.go_on(end, &reason) };
            if let Some(batch) = &mut self.batch {
                batch.flying.insert(lane, track);
            }
            self.take(lane, turn, out);
        }
        self.fill(out);
    }

    /// The run as a whole goes on.
    fn turn(&mut self, turn: Turn, out: &mut Vec<Order>) {
        match turn {
            Turn::Do(command) => out.push(Order { lane: None, command }),
            Turn::Through if self.next.is_some() => self.begin_batch(out),
            Turn::Through => self.advance(self.main.step, out),
            Turn::Lost(end) | Turn::Ends(end) => self.finish(end.outcome, end.reason, out),
        }
    }

    /// A host goes on.
    fn take(&mut self, lane: usize, turn: Turn, out: &mut Vec<Order>) {
        let mut turn = turn;
        loop {
            match turn {
                Turn::Do(command) => return self.say(lane, command, out),
                Turn::Through => break drop(self.batch.as_mut().and_then(|batch| batch.flying.remove(&lane))),
                Turn::Lost(end) => match self.lose(lane, end) {
                    Some(next) => turn = next,
                    None => break,
                },
                Turn::Ends(end) => break self.trip(lane, end, false),
            }
        }
        self.fill(out);
    }

    /// A host has failed: the rest of its steps are passed over, or it is one too many.
    fn lose(&mut self, lane: usize, end: End) -> Option<Turn> {
        let batch = self.batch.as_mut()?;
        self.lost.push(lane);
        if self.lost.len() as u64 <= self.rollings[batch.rolling].max_fail {
            self.common.passed_over.get_or_insert(end.reason);
            return batch.flying.get_mut(&lane).map(Track::pass);
        }
        self.trip(lane, end, true);
        None
    }

    /// Because of this host no other one begins.
    fn trip(&mut self, lane: usize, end: End, lost: bool) {
        let Some(batch) = &mut self.batch else { return };
        let Some(track) = batch.flying.remove(&lane) else { return };
        // Who was to be asked about the host has been.
        let then = if end.then == Then::Ask { Then::Stop } else { end.then };
        batch.tripped.push(Tripped { lane, track, end: End { then, ..end }, lost });
    }

    /// Begins as many hosts as may be under way; when none is, the batch is over.
    fn fill(&mut self, out: &mut Vec<Order>) {
        while let Some(batch) = &mut self.batch {
            let held_up = batch.is_tripped() && !self.rollings[batch.rolling].every_host;
            let room = batch.flying.len() < self.parallel && !held_up && !self.common.stopping;
            if !room {
                break;
            }
            let Some(Waiting { lane, mut track, pass }) = batch.waiting.pop_front() else { break };
            let turn = if pass { track.pass() } else { track.enter(&mut self.common) };
            batch.flying.insert(lane, track);
            match turn {
                Turn::Do(command) => self.say(lane, command, out),
                // It has no steps.
                Turn::Through | Turn::Lost(_) | Turn::Ends(_) => drop(batch.flying.remove(&lane)),
            }
        }
        let over = self.batch.as_ref().is_some_and(|batch| batch.flying.is_empty());
        if over && self.main.phase == Phase::Hosts {
            self.batch_over(out);
        }
    }

    /// All of its hosts that have begun have ended.
    fn batch_over(&mut self, out: &mut Vec<Order>) {
        let Some(batch) = &self.batch else { return };
        let steps = self.rollings[batch.rolling].steps();
        if let Some(end) = self.end_of(batch) {
            self.main.step = batch.tripped.first().map_or(steps.start, |tripped| tripped.track.step);
            let turn = self.main.failed(&mut self.common, end);
            return self.turn(turn, out);
        }
        let waiting = !batch.waiting.is_empty();
        let (rolling, next) = (batch.rolling, batch.number + 1);
        self.batch = None;
        if waiting {
            return self.requested(out);
        }
        if next < self.rollings[rolling].batches() {
            return self.come_to(rolling, next, out);
        }
        self.advance(steps.end, out);
    }

    /// What the hosts because of which no other one begins come to.
    fn end_of(&self, batch: &Batch) -> Option<End> {
        let end = batch.end().map(|end| self.may_look(batch, end))?;
        if !batch.tripped.iter().any(|tripped| tripped.lost) {
            return Some(end);
        }
        let of = &self.rollings[batch.rolling];
        let hosts: Vec<&str> = self.lost.iter().map(|lane| of.lanes[*lane].host.as_str()).collect();
        let have = if hosts.len() == 1 { "host has" } else { "hosts have" };
        let (count, named, may) = (hosts.len(), named(&hosts), of.max_fail);
        Some(End { reason: format!("{}; {count} {have} failed, and at most {may} may: {named}", end.reason), ..end })
    }

    /// Where every host was tried, those of which nobody knows what became can be looked at once more before the run ends by them.
    fn may_look(&self, batch: &Batch, end: End) -> End {
        let every = self.rollings[batch.rolling].every_host;
        let looks = every && end.outcome == RunOutcome::Unknown && end.again.is_some();
        if looks { End { then: Then::Ask, ..end } } else { end }
    }

    fn requested(&mut self, out: &mut Vec<Order>) {
        let then = if self.common.cancel == Some(false) { Then::Stop } else { Then::Offer };
        let turn = self.main.failed(&mut self.common, End::new(RunOutcome::Stopped, REQUESTED, then));
        self.turn(turn, out);
    }

    /// What comes at this step: a rollout, steps in a row, or the end.
    fn advance(&mut self, step: usize, out: &mut Vec<Order>) {
        if let Some(rolling) = self.rollings.iter().position(|rolling| rolling.steps().start == step) {
            return self.come_to(rolling, 0, out);
        }
        if step >= self.common.kinds.len() {
            return match self.common.passed_over.take() {
                Some(why) => {
                    self.finish(RunOutcome::Failed, format!("a step failed, and the run went on: {why}"), out);
                }
                None => self.finish(RunOutcome::Ok, "every step is ok or skipped".to_owned(), out),
            };
        }
        self.main.turn_to(self.row(step));
        let turn = self.main.enter(&mut self.common);
        self.turn(turn, out);
    }

    /// The steps in a row from this one on.
    fn row(&self, step: usize) -> Range<usize> {
        let next = self.rollings.iter().map(|rolling| rolling.steps().start).filter(|start| *start > step).min();
        step..next.unwrap_or(self.common.kinds.len())
    }

    /// A batch comes next: a person looks before it, where the rollout says so.
    fn come_to(&mut self, rolling: usize, batch: usize, out: &mut Vec<Order>) {
        let of = &self.rollings[rolling];
        let first = of.lanes.iter().find(|lane| lane.batch == batch);
        self.main.step = first.map_or(of.steps().start, |lane| lane.steps.start);
        if self.common.stopping {
            return self.requested(out);
        }
        self.next = Some((rolling, batch));
        if batch > 0 && of.ask_after == Some(batch as u64) {
            let reason = format!("stopped after {batch} of {} batches", of.batches());
            let turn = self.main.failed(&mut self.common, End::new(RunOutcome::Stopped, &reason, Then::Look));
            return self.turn(turn, out);
        }
        self.begin_batch(out);
    }

    fn begin_batch(&mut self, out: &mut Vec<Order>) {
        let Some((rolling, batch)) = self.next else { return };
        if batch == 0 {
            self.lost.clear();
        }
        let turn = self.main.go(Phase::Batching, Command::Batch { rolling, batch });
        self.turn(turn, out);
    }

    fn begin_hosts(&mut self, out: &mut Vec<Order>) {
        let Some((rolling, batch)) = self.next.take() else { return };
        self.main.phase = Phase::Hosts;
        if self.common.stopping {
            return self.requested(out);
        }
        let mut hosts = Batch::new(rolling, batch);
        let lanes = self.rollings[rolling].lanes.iter().enumerate().filter(|(_, lane)| lane.batch == batch);
        let waiting =
            |(at, lane): (usize, &Lane)| Waiting { lane: at, track: Track::new(lane.steps.clone(), true), pass: false };
        hosts.waiting.extend(lanes.map(waiting));
        self.batch = Some(hosts);
        self.fill(out);
    }

    fn finish(&mut self, outcome: RunOutcome, reason: String, out: &mut Vec<Order>) {
        let done = &self.common.done;
        let left = if outcome == RunOutcome::Ok { Vec::new() } else { done.iter().rev().copied().collect() };
        let turn = self.main.go(Phase::Over, Command::Finish { outcome, reason, left });
        self.turn(turn, out);
    }

    /// What a host is to do. Of questions one is open at a time.
    fn say(&mut self, lane: usize, command: Command, out: &mut Vec<Order>) {
        let asks = matches!(command, Command::Ask(_) | Command::AskUnbound { .. } | Command::Offer { .. });
        let order = Order { lane: Some(lane), command };
        if asks { self.questions.push_back(order) } else { out.push(order) }
    }

    fn ask_next(&mut self, out: &mut Vec<Order>) {
        if self.asking.is_none()
            && let Some(order) = self.questions.pop_front()
        {
            self.asking = order.lane;
            out.push(order);
        }
    }

    fn stop(&mut self, out: &mut Vec<Order>) {
        self.common.stopping = true;
        if let Some(turn) = self.main.stop() {
            return self.turn(turn, out);
        }
        self.questions.clear();
        self.asking = None;
        let lanes: Vec<usize> = self.batch.iter().flat_map(|batch| batch.flying.keys().copied()).collect();
        for lane in lanes {
            let track = self.batch.as_mut().and_then(|batch| batch.flying.get_mut(&lane));
            if let Some(turn) = track.and_then(Track::stop) {
                self.take(lane, turn, out);
            }
        }
    }

    /// Nothing is begun any more; what is in flight ends, but is not recorded.
    fn journal_failed(&mut self, lane: Option<usize>, out: &mut Vec<Order>) {
        let track = match lane {
            None => Some(&self.main),
            Some(lane) => self.batch.as_ref().and_then(|batch| batch.flying.get(&lane)),
        };
        if track.is_some_and(|track| track.phase.is_recording()) {
            self.broken = true;
            let asked = self.questions.drain(..).filter_map(|order| order.lane);
            let asked: Vec<usize> = asked.chain(self.asking.take()).collect();
            if let Some(batch) = &mut self.batch {
                batch.flying.retain(|lane, _| !asked.contains(lane));
            }
            self.ended_broken(lane, out);
        }
    }

    fn ended_broken(&mut self, lane: Option<usize>, out: &mut Vec<Order>) {
        if let (Some(batch), Some(lane)) = (&mut self.batch, lane) {
            batch.flying.remove(&lane);
        }
        let flying = self.batch.as_ref().is_some_and(|batch| !batch.flying.is_empty());
        if !flying && !self.is_over() {
            let turn = self.main.go(Phase::Over, Command::Abandon);
            self.turn(turn, out);
        }
    }
}

#[cfg(test)]
mod tests;
