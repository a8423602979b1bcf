//! The hosts of a batch side by side: each has a hand of its own, which knows what is done there. What a hand has learned goes back to the
//! run when its host is done, and the connection to that host is closed, so that a rollout over many hosts needs no more of either than
//! hosts are under way.

use super::super::Exec;
use super::super::progress::{Progress, Results};
use super::{Over, Run};
use crate::domain::RunId;
use crate::domain::record::RecordKind;
use crate::effect::RunAnswer;
use crate::runbook::machine::{Command, Event, Machine, Order};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a hand has done: whose it is, itself, and what came of it; `None`: nothing follows.
type Done = (Option<usize>, Box<Run>, Option<Event>);

/// The hands of a run.
#[derive(Default)]
struct Crew {
    /// Those that do nothing just now; `None` is that of the run as a whole.
    idle: BTreeMap<Option<usize>, Box<Run>>,
    busy: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Those that take the operator's answers themselves.
    asking: BTreeSet<Option<usize>>,
    /// Hosts that did not go well, and may be looked at once more: what they know the run knows too.
    parked: BTreeSet<usize>,
    /// A step of each host that has begun.
    steps: BTreeMap<usize, usize>,
    /// The operator wants it to end, and it has not been told.
    stop: bool,
    /// The program ends.
    leave: bool,
    /// That another session has taken the run over, in words.
    ousted: Option<String>,
}

/// It takes the operator's answers while it is carried out.
const fn takes_answers(command: &Command) -> bool {
    matches!(command, Command::Ask(_) | Command::AskUnbound { .. } | Command::Offer { .. } | Command::Batch { .. })
}

/// Whoever was there is gone. Where that can't be recorded, the end of the run tells.
async fn note_detached(exec: &Exec, run: RunId, signal: &str) {
    let entry = exec.entry_of(run, RecordKind::Detached, json!({ "signal": signal }));
    if let Err(error) = exec.append(entry).await {
        tracing::warn!(run = %run.short(), %error, "that nobody is there any more is not recorded");
    }
}

impl Run {
    /// Does what the machine says until the run is over.
    pub(super) async fn go(mut self, mut machine: Machine) -> Option<Over> {
        let begun = if self.begin().await { Event::Started } else { Event::JournalFailed };
        let answers = self.answers.clone();
        let (exec, id, mut attached) = (Arc::clone(&self.exec), self.id, true);
        let mut crew = Crew::default();
        crew.idle.insert(None, Box::new(self));
        let (mut whose, mut event, mut cut) = (None, Some(begun), None);
        loop {
            if let Some(signal) = exec.runs.ended_by()
                && std::mem::take(&mut attached)
            {
                note_detached(&exec, id, signal).await;
            }
            let mut orders = Vec::new();
            while crew.asking.is_empty()
                && let Some(answer) = answers.waiting()
            {
                crew.heard(Some(&answer));
            }
            // A stop of a run that waits for a person takes the place of the answer.
            if std::mem::replace(&mut cut, answers.cut()) != answers.cut()
                && let Some(undo) = answers.cut()
            {
                orders.extend(machine.on(None, Event::Cancel { undo }));
            }
            orders.extend(crew.stop_asked().map(|stop| machine.on(None, stop)).unwrap_or_default());
            if let Some(event) = event.take() {
                crew.spare(whose, &event, &mut machine);
                orders.extend(machine.on(whose, event));
            }
            // What the run does next it does with all that is known by now.
            crew.dismiss(&machine);
            for order in orders {
                crew.give(order);
            }
            if crew.busy.is_empty() || crew.is_over(&machine) {
                break;
            }
            tokio::select! {
                biased;
                Some((of, hand, came)) = crew.busy.next() => {
                    crew.back(of, hand);
                    (whose, event) = (of, came);
                }
                answer = answers.recv(), if crew.asking.is_empty() && !answers.is_closed() => crew.heard(answer.as_ref()),
            }
            // What would follow is another session's by now.
            if crew.ousted.is_some() {
                break;
            }
        }
        let mut main = crew.gathered().await?;
        main.leave_to_others().await;
        main.tell_change().await;
        main.ended.take()
    }

    /// A hand for one host: it knows what is known there, and nothing of other hosts.
    fn fork(&self, step: usize) -> Self {
        Self {
            exec: Arc::clone(&self.exec),
            id: self.id,
            plan: Arc::clone(&self.plan),
            answers: self.answers.clone(),
            types: Arc::clone(&self.types),
            label: self.label.clone(),
            values: self.values.clone(),
            number: self.number.clone(),
            life: self.life,
            ousted: None,
            outs: self.outs.of_host(self.host(step)),
            answered: Arc::clone(&self.answered),
            backwards: self.backwards,
            back: Vec::new(),
            batch: self.batch,
            held: Arc::clone(&self.held),
            started: self.started,
            asked: None,
            at: None,
            undoing: self.undoing,
            stopping: false,
            leaving: self.leaving,
            step: Progress::default(),
            results: Results::default(),
            changed: None,
            fault: None,
            news: Arc::clone(&self.news),
            made: BTreeSet::new(),
            called: Vec::new(),
            ended: None,
        }
    }

    /// Takes over what a hand has learned.
    fn take_over(&mut self, host: Option<&str>, hand: &mut Self) {
        self.outs.take_over(host, &hand.outs);
        self.values.extend(hand.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.results.append(&mut hand.results);
        self.back.append(&mut hand.back);
        self.made.append(&mut hand.made);
        self.called.append(&mut hand.called);
        self.changed = self.changed.take().or(hand.changed.take());
        self.fault = self.fault.take().or(hand.fault.take());
    }
}

impl Crew {
    /// Has an order carried out.
    fn give(&mut self, order: Order) {
        let Order { lane, command } = order;
        let hand = self.idle.remove(&lane).or_else(|| Some(Box::new(self.idle.get(&None)?.fork(step_of(&command)?))));
        let Some(mut hand) = hand else { return tracing::error!(?command, "nobody is there to do it") };
        if let (Some(lane), Some(step)) = (lane, step_of(&command)) {
            self.steps.insert(lane, step);
        }
        if takes_answers(&command) {
            self.asking.insert(lane);
        }
        self.busy.push(Box::pin(async move {
            let event = hand.perform(command).await;
            (lane, hand, event)
        }));
    }

    fn back(&mut self, lane: Option<usize>, mut hand: Box<Run>) {
        self.asking.remove(&lane);
        self.stop |= std::mem::take(&mut hand.stopping);
        self.leave |= hand.leaving;
        self.ousted = self.ousted.take().or(hand.ousted.take());
        self.idle.insert(lane, hand);
    }

    /// What the operator wants while nobody was asked. Other answers are dropped: they were meant for another question.
    fn heard(&mut self, answer: Option<&RunAnswer>) {
        self.stop |= answer == Some(&RunAnswer::Stop);
        self.leave |= matches!(answer, None | Some(RunAnswer::Leave));
    }

    fn stop_asked(&mut self) -> Option<Event> {
        let stop = std::mem::take(&mut self.stop);
        if self.leave { Some(Event::Leave) } else { stop.then_some(Event::Stop) }
    }

    /// There is nothing to take back of a change whose undo says so.
    fn spare(&self, lane: Option<usize>, event: &Event, machine: &mut Machine) {
        let hand = self.idle.get(&lane).filter(|_| matches!(event, Event::Acted(..)));
        if let Some((hand, step)) = hand.and_then(|hand| Some((hand, hand.at?)))
            && hand.spares(step)
        {
            machine.has_no_undo(step);
        }
    }

    /// Takes over what the hands of hosts that have ended know, and closes the connections to them.
    fn dismiss(&mut self, machine: &Machine) {
        let Some(mut main) = self.idle.remove(&None) else { return };
        self.parked.retain(|lane| !machine.is_flying(*lane));
        let ended = self.idle.keys().filter_map(|lane| lane.filter(|lane| !machine.is_flying(*lane)));
        for lane in ended.filter(|lane| !self.parked.contains(lane)).collect::<Vec<_>>() {
            let Some(mut hand) = self.idle.remove(&Some(lane)) else { continue };
            let host = self.steps.get(&lane).and_then(|step| main.host(*step)).map(str::to_owned);
            main.take_over(host.as_deref(), &mut hand);
            if let Some(host) = host {
                let connections = main.exec.connections.clone();
                tokio::spawn(async move { connections.rest(&host).await });
            }
            if machine.is_parked(lane) {
                self.parked.insert(lane);
                self.idle.insert(Some(lane), hand);
            }
        }
        self.idle.insert(None, main);
    }

    /// The hand of the run as a whole, at its end. Of a run that another session took over it is waited for, and told what the others know; what
    /// these are doing just now is left to that session.
    async fn gathered(mut self) -> Option<Box<Run>> {
        while self.ousted.is_some()
            && !self.idle.contains_key(&None)
            && let Some((lane, hand, _)) = self.busy.next().await
        {
            self.back(lane, hand);
        }
        let mut main = self.idle.remove(&None)?;
        if self.ousted.is_some() {
            for mut hand in self.idle.into_values() {
                main.take_over(None, &mut hand);
            }
        }
        main.ousted = self.ousted;
        Some(main)
    }

    /// Its end is written, or can't be.
    fn is_over(&self, machine: &Machine) -> bool {
        machine.is_over() && self.idle.contains_key(&None)
    }
}

/// The step that a command is about.
const fn step_of(command: &Command) -> Option<usize> {
    match command {
        Command::Recheck(step)
        | Command::Ask(step)
        | Command::Intend(step)
        | Command::Act(step)
        | Command::Watch(step)
        | Command::Record { step, .. }
        | Command::Offer { step, .. }
        | Command::AskUnbound { step, .. }
        | Command::IntendUndo(step)
        | Command::Undo(step) => Some(*step),
        Command::Batch { .. } | Command::Finish { .. } | Command::Abandon => None,
    }
}
