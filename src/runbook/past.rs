//! What a run's records say of each of its steps: a pure fold over them. From it a run that was cut off is looked after, gone on with, or
//! taken back, and nothing that it says was done is done again.

mod back;
mod ending;

pub use back::{AskedAbout, stuck_words};

use super::foreseen;
use super::machine::Was;
use super::model::{Role, Step};
use super::script::without_host;
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, RunOutcome, StepState};
use crate::domain::text::clean;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A run as its records tell it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Which.
    pub run: RunId,
    /// Its `run.start`.
    pub start: Record,
    /// What is known of its steps, by their ids; a step that nothing was recorded of is missing.
    pub steps: BTreeMap<String, StepPast>,
    /// What was about to be done and has no certain end: one change, or one on each of several hosts.
    pub open: Vec<Open>,
    /// How it ended; `None`: it has not, or was taken up again since.
    pub outcome: Option<RunOutcome>,
    /// Why, in words.
    pub reason: String,
    /// That end was written by somebody who looked what had become of it, and not by who drove it.
    looked_after: bool,
    /// It was taken up to be taken back.
    backwards: bool,
    /// It holds, or may hold, what it locks.
    pub locks: bool,
    /// That a person gave it up; `None`: nobody did, or it was taken up again since.
    pub given_up: Option<GivenUp>,
    /// Whose session wrote of it last.
    pub writer: Writer,
}

/// That a run was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Why, in the person's words.
    pub why: String,
    /// Who: `name@host`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A session that writes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    id: Uuid,
    /// Whose: `name@host`.
    pub who: String,
    /// Since when.
    pub since: Timestamp,
}

impl Writer {
    fn of(record: &Record) -> Self {
        Self { id: record.writer, who: who(record), since: record.at }
    }
}

/// What can be done with a run that nobody drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The rest of it.
    GoOn,
    /// What it did is taken back, last first.
    Undo,
    /// A person says what they saw of what is in doubt.
    Saw,
    /// It is left as it is, for a reason.
    GiveUp,
}

/// An intent without a certain end.
#[derive(Clone, Debug)]
pub struct Open {
    /// The `step.intent`.
    pub intent: Record,
    /// What was noted right before it could take effect.
    pub sent: Option<Record>,
    /// That it was done, as the other side said.
    pub done: Option<Record>,
}

impl Open {
    /// It was to take a step back.
    pub fn is_undo(&self) -> bool {
        is_undo(&self.intent)
    }

    /// The step's id.
    pub fn step(&self) -> &str {
        self.intent.entry.step.as_deref().unwrap_or_default()
    }

    /// A record is about the same step.
    fn is_of(&self, record: &Record) -> bool {
        self.intent.entry.step == record.entry.step
    }
}

/// What nobody knows of, as people read it: `the undo of 'Reload nginx' on web-1`.
pub fn subject(undo: bool, title: &str, target: &str) -> String {
    format!("the {} '{title}' on {target}", if undo { "undo of" } else { "change" })
}

/// That nobody knows of it: `the undo of 'Reload nginx' on web-1 was begun at 22:58:13Z and nobody knows whether it happened`.
pub fn in_doubt(subject: &str, begun: Timestamp) -> String {
    format!("{subject} was begun at {} and nobody knows whether it happened", begun.strftime("%H:%M:%SZ"))
}

/// That the same is true of so many other hosts; empty: of none.
pub fn and_more(hosts: usize) -> String {
    match hosts {
        0 => String::new(),
        1 => "; the same of 1 more host".to_owned(),
        _ => format!("; the same of {hosts} more hosts"),
    }
}

/// What takes a step back, as text to paste: a script of several lines below the step's name.
pub fn to_paste(name: &str, undo: &str) -> String {
    let gap = if undo.trim_end().contains('\n') { "\n" } else { " " };
    format!("{name}:{gap}{undo}")
}

/// What is known of a step.
#[derive(Clone, Debug, Default)]
pub struct StepPast {
    /// The last state of what it does; `None`: not begun.
    pub state: Option<StepState>,
    /// Why, in words.
    pub detail: String,
    /// Its change was made, or may have been.
    pub happened: bool,
    /// What its intent noted: values, rows, identities.
    pub facts: Value,
    /// The rows that its change gave back, by name.
    pub outs: Value,
    /// How taking it back stands; `None`: nobody tried, or it is certain that nothing was sent for it.
    pub undo: Option<StepState>,
    /// What was said of taking it back, in words.
    pub undo_detail: String,
    /// So often its undo was sent and did not go well.
    pub undo_failed: u32,
    /// What an earlier look came to is in the records.
    pub looked: bool,
    /// The run that it called.
    pub called: Option<RunId>,
    /// What was chosen in it, as shown.
    pub chosen: Option<String>,
}

impl Past {
    /// Of the records of one run, oldest first; `None`: its start is missing.
    pub fn of(run: RunId, records: &[Record]) -> Option<Self> {
        let start = records.iter().find(|record| record.entry.kind == RecordKind::RunStart)?.clone();
        let mut past = Self {
            run,
            writer: Writer::of(&start),
            start,
            steps: BTreeMap::new(),
            open: Vec::new(),
            outcome: None,
            reason: String::new(),
            looked_after: false,
            backwards: false,
            locks: false,
            given_up: None,
        };
        for record in records {
            past.take(record);
        }
        Some(past)
    }

    fn take(&mut self, record: &Record) {
        let data = &record.entry.data;
        if self.writer.id != record.writer || record.entry.kind == RecordKind::RunResume {
            self.writer = Writer::of(record);
        }
        match record.entry.kind {
            RecordKind::StepIntent => self.intend(record),
            RecordKind::StepSent => {
                if let Some(open) = self.open.iter_mut().find(|open| open.is_of(record)) {
                    open.sent = Some(record.clone());
                }
            }
            RecordKind::StepExit | RecordKind::StepReconcile => self.ended(record),
            RecordKind::StepTick => {
                // What takes a call back is told by the run that was called.
                let Some(step) = Some(record).filter(|record| !is_undo(record)).and_then(|it| self.step_of(it)) else {
                    return;
                };
                step.state = Some(StepState::Checking);
                step.called = serde_json::from_value(data["called"].clone()).ok().or(step.called);
                step.chosen = data["chosen"].as_str().map(str::to_owned).or(step.chosen.take());
            }
            RecordKind::RunFinish => {
                self.outcome = RunOutcome::of(data);
                self.looked_after = data["looked_after"].as_bool() == Some(true);
                data["reason"].as_str().unwrap_or_default().clone_into(&mut self.reason);
            }
            RecordKind::RunStart => self.locks |= data["locks"].as_bool() == Some(true),
            RecordKind::RunResume => {
                self.outcome = None;
                self.given_up = given_up(record);
                // What a person says of it leaves its direction as it was.
                self.backwards = match data["way"].as_str() {
                    Some("undo") => true,
                    Some("go on") => false,
                    _ => self.backwards,
                };
                self.locks |= data["locks"].as_bool() == Some(true);
            }
            // Nothing that a step's fate depends on.
            _ => {}
        }
    }

    fn step_of(&mut self, record: &Record) -> Option<&mut StepPast> {
        Some(self.steps.entry(record.entry.step.clone()?).or_default())
    }

    fn intend(&mut self, record: &Record) {
        let Some(step) = self.step_of(record) else { return };
        if is_undo(record) {
            step.undo = Some(StepState::Intent);
            step.undo_detail.clear();
        } else {
            (step.state, step.happened) = (Some(StepState::Intent), true);
            step.facts = record.entry.data["facts"].clone();
        }
        self.open.retain(|open| !open.is_of(record));
        self.open.push(Open { intent: record.clone(), sent: None, done: None });
    }

    fn ended(&mut self, record: &Record) {
        let data = &record.entry.data;
        let Ok(state) = serde_json::from_value::<StepState>(data["state"].clone()) else { return };
        let none = data["happened"].as_bool() == Some(false);
        let Some(step) = self.step_of(record) else { return };
        step.looked = record.entry.kind == RecordKind::StepReconcile;
        if is_undo(record) {
            // What was not sent can be tried again, and what was passed over too.
            let sent = !none && !matches!(state, StepState::Checking | StepState::Skipped | StepState::Cancelled);
            step.undo = sent.then_some(state);
            step.undo_failed += u32::from(step.undo == Some(StepState::UndoFailed));
            data["detail"].as_str().unwrap_or_default().clone_into(&mut step.undo_detail);
        } else {
            step.state = Some(state);
            data["detail"].as_str().unwrap_or_default().clone_into(&mut step.detail);
            step.happened &= !none;
            if data["outs"].is_object() {
                step.outs = data["outs"].clone();
            }
        }
        self.close(record, state);
    }

    /// An unknown effect closes nothing: somebody must still find out.
    fn close(&mut self, record: &Record, state: StepState) {
        match state {
            StepState::Running => {
                if let Some(open) = self.open.iter_mut().find(|open| open.is_of(record)) {
                    open.done = Some(record.clone());
                }
            }
            StepState::Unknown | StepState::Planned | StepState::Intent => {}
            StepState::Checking
            | StepState::Ok
            | StepState::Failed
            | StepState::TimedOut
            | StepState::Cancelled
            | StepState::Skipped
            | StepState::Undone
            | StepState::UndoFailed => self.open.retain(|open| !open.is_of(record)),
        }
    }

    /// The steps that its plan had, in order: the fields of its first record.
    pub fn planned(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.start.entry.data["steps"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// Their ids.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.planned().filter_map(|step| step["id"].as_str())
    }

    /// What is known of a step.
    pub fn step(&self, id: &str) -> Option<&StepPast> {
        self.steps.get(id)
    }

    /// The step that is a run that it called, and that run, while nobody has said how that ended.
    pub fn calling(&self) -> Option<(&str, RunId)> {
        self.ids().find_map(|id| {
            let step = self.steps.get(id).filter(|step| step.state == Some(StepState::Checking))?;
            Some((id, step.called?))
        })
    }

    /// A step's number in the page, from 1: the hosts of a step share one.
    pub fn number(&self, id: &str) -> usize {
        let mut seen: Vec<&str> = Vec::new();
        for known in self.ids().map(without_host) {
            if !seen.contains(&known) {
                seen.push(known);
            }
        }
        seen.iter().position(|known| *known == without_host(id)).map_or(0, |at| at + 1)
    }

    /// `step 2 'Start it again' on game-1`: a planned step for people.
    pub fn name(&self, planned: &Value) -> String {
        let number = self.number(said(planned, "id")).to_string();
        format!("{} on {}", foreseen::name(&number, said(planned, "title")), said(planned, "target"))
    }

    /// The same of a step by its id.
    pub fn name_of(&self, id: &str) -> String {
        self.planned_of(id).map_or_else(|| id.to_owned(), |planned| self.name(planned))
    }

    /// The fields of a step in its first record, by its id.
    pub fn planned_of(&self, id: &str) -> Option<&Value> {
        self.planned().find(|planned| planned["id"].as_str() == Some(id))
    }

    /// The first that has no certain end, in the order of the page: what a person is asked about.
    pub fn first_open(&self) -> Option<&Open> {
        let place = |open: &&Open| self.ids().position(|id| id == open.step());
        self.open.iter().min_by_key(place)
    }

    /// What is in doubt: `the undo of 'Reload nginx' on web-1`; of several the first. `None`: nothing is.
    pub fn doubt_subject(&self) -> Option<String> {
        self.first_open().map(|open| self.subject_of(open))
    }

    fn subject_of(&self, open: &Open) -> String {
        let planned = self.planned_of(open.step());
        let (title, target) =
            planned.map_or((open.step(), "?"), |planned| (said(planned, "title"), said(planned, "target")));
        subject(open.is_undo(), title, target)
    }

    /// The same, with when it was begun, as a sentence; and how many more there are.
    pub fn doubt(&self) -> Option<String> {
        let first = self.doubt_of(self.first_open()?);
        Some(format!("{first}{}", and_more(self.open.len() - 1)))
    }

    fn doubt_of(&self, open: &Open) -> String {
        in_doubt(&self.subject_of(open), open.intent.at)
    }

    /// What is known of a step, in words: of its undo where that was tried, and what is in doubt where something is.
    pub fn told(&self, id: &str) -> String {
        let Some(known) = self.steps.get(id) else { return String::new() };
        let detail = if known.undo.is_some() { &known.undo_detail } else { &known.detail };
        let open = self.open.iter().find(|open| open.step() == id);
        let Some(doubt) = open.map(|open| self.doubt_of(open)) else { return detail.clone() };
        let why = DOUBTS.iter().find_map(|lead| detail.strip_prefix(lead)).unwrap_or(detail);
        if why.is_empty() || !known.looked { doubt } else { format!("{doubt}: {why}") }
    }

    /// What a person can do with it now, unless another session drives it.
    pub fn ways(&self) -> Vec<Next> {
        let may_give_up = self.given_up.is_none() && !self.is_taken_back();
        if !self.open.is_empty() {
            return [Next::Saw].into_iter().chain(may_give_up.then_some(Next::GiveUp)).collect();
        }
        if self.outcome.is_none() {
            return Vec::new();
        }
        let (through, whole) = (self.is_through(), self.is_whole());
        let back = self.steps.values().any(|step| step.undo.is_some());
        let ways = [
            (Next::GoOn, !through && !whole && !back),
            (Next::Undo, self.undoable().next().is_some()),
            (Next::Saw, self.stuck().is_some()),
            (Next::GiveUp, !through && !whole && may_give_up),
        ];
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect()
    }

    /// What the machine must know to take it up again.
    pub fn was(&self) -> Vec<Was> {
        let of = |id: &str| self.steps.get(id).map_or_else(Was::default, StepPast::was);
        self.ids().map(of).collect()
    }
}

impl StepPast {
    fn was(&self) -> Was {
        Was {
            state: self.state.unwrap_or(StepState::Planned),
            happened: self.happened,
            undo: self.undo,
            detail: self.detail.clone(),
        }
    }
}

/// Each of these steps was done, passed over or left out, in the order of the page with its id; and the last one, on each of its hosts, has not
/// failed: of that it could be looked once more.
pub(super) fn are_behind<'a>(steps: impl DoubleEndedIterator<Item = (&'a str, StepState)>) -> bool {
    let mut steps = steps.rev().peekable();
    let Some((last, _)) = steps.peek().copied() else { return false };
    steps.all(|(id, state)| match state {
        StepState::Ok | StepState::Skipped => true,
        StepState::Failed | StepState::TimedOut => without_host(id) != without_host(last),
        StepState::Planned
        | StepState::Checking
        | StepState::Intent
        | StepState::Running
        | StepState::Cancelled
        | StepState::Unknown
        | StepState::Undone
        | StepState::UndoFailed => false,
    })
}

/// How a finding begins that tells no more than that nobody knows.
const DOUBTS: [&str; 2] = ["nobody can tell whether it happened: ", "nobody can tell whether it was undone: "];

fn said<'a>(planned: &'a Value, key: &str) -> &'a str {
    planned[key].as_str().unwrap_or_default()
}

fn who(record: &Record) -> String {
    format!("{}@{}", record.actor.name, record.actor.host)
}

/// What is said in the session that drove a run until another took it over; `record`: the first that the other has written.
pub fn taken_over(run: RunId, record: &Record) -> String {
    let (who, at, data) = (who(record), record.at.strftime("%H:%M:%SZ"), &record.entry.data);
    let what = match data["way"].as_str() {
        Some("abandon") => format!(" and given up: {}", said(data, "reason")),
        Some("go on") => " and is gone on with there".to_owned(),
        Some("undo") => " and is taken back there".to_owned(),
        _ => String::new(),
    };
    let run = run.short();
    clean(&format!(
        "run {run} was taken over by {who} at {at}{what}; nothing more of it is done here: R on it in view 6 tells"
    ))
    .into_owned()
}

/// That a person gave a run up: the `run.resume` with which that begins.
pub(super) fn given_up(record: &Record) -> Option<GivenUp> {
    let data = &record.entry.data;
    let why = (data["way"] == "abandon").then(|| data["reason"].as_str().unwrap_or_default().to_owned())?;
    Some(GivenUp { why, by: who(record), at: record.at })
}

fn is_undo(record: &Record) -> bool {
    record.entry.role.as_deref() == Some(Role::Undo.word())
}

/// SHA-256 (hex) over what a step does, without its prose and its place in the file: the same as long as it would do the same.
pub fn fingerprint(step: &Step) -> String {
    let fence = |fence: &super::model::Fence| {
        json!([fence.role.word(), fence.language.name, format!("{:?}", fence.attrs), fence.body])
    };
    let manual = &step.manual;
    let called = manual.call.as_ref().map(|call| &call.file);
    let whole =
        json!([step.id, step.fences.iter().map(fence).collect::<Vec<_>>(), manual.tasks, manual.choices, called]);
    super::parse::sha256(&whole.to_string())
}

#[cfg(test)]
mod tests;
