//! Runs as the journal tells them: a pure fold over records. The runs view, the list of unfinished runs and the reports read this, so
//! that the screen and the journal cannot disagree.

mod fold;
mod known;
mod view;

pub use self::known::Known;
pub use self::view::{BACK, BatchView, LEFT, RunView, StepView};

use self::fold::{batch, finish, heard, resume, start, state, step, text};
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, StepState, clock_off};
use jiff::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// All runs known, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    views: Vec<RunView>,
    places: HashMap<RunId, usize>,
    /// The places of the runs that each step has called.
    calls: HashMap<(RunId, String), Vec<usize>>,
    /// Those that wait for somebody here.
    asking: Vec<(RunId, String)>,
    revision: u64,
    unread: Option<Unread>,
    away: Option<Unread>,
    /// How far the clock of the journal's server is ahead of each writer's, in milliseconds, as they last said.
    clocks: HashMap<Uuid, i64>,
}

/// That the journal can't be read: what is known is old, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What fails, and how to mend it.
    pub why: String,
    /// Since when that is known.
    pub since: Timestamp,
}

impl Runs {
    /// Runs, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RunView> + ExactSizeIterator {
        self.views.iter()
    }
    /// By id.
    pub fn get(&self, id: RunId) -> Option<&RunView> {
        self.places.get(&id).map(|place| &self.views[*place])
    }
    /// The runs that a step of a run has called, oldest first.
    pub fn called_by<'a>(&'a self, run: &RunView, step: &StepView) -> impl Iterator<Item = &'a RunView> {
        let places = self.calls.get(&(run.id, step.id.clone())).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|place| &self.views[*place])
    }

    /// What became of the run that a step has called, since that step was over: `run 1a2b3c ended ok since`. `None`: nothing.
    pub fn since(&self, run: &RunView, step: &StepView) -> Option<String> {
        let (over, child) = (step.ended?, self.called_by(run, step).last()?);
        let id = child.id.short();
        match (child.outcome, child.ended) {
            (Some(_), Some(ended)) if ended <= over => None,
            (Some(_), _) if child.is_taken_back() => Some(format!("run {id} was taken back since")),
            (Some(outcome), _) => Some(format!("run {id} ended {} since", outcome.word())),
            (None, _) if child.last > over && !child.cut_off => Some(format!("run {id} was taken up again since")),
            (None, _) => None,
        }
    }

    /// Changes whenever a record was applied.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// That the team's journal is away, and why what is done from here is recorded on this machine alone, if so.
    pub fn is_away(&self) -> Option<&Unread> {
        self.away.as_ref()
    }

    /// Why it is away; `None`: it is not. False: that is known already.
    pub fn away(&mut self, away: Option<Unread>) -> bool {
        let since = |away: &Option<Unread>| away.as_ref().map(|away| away.since);
        let news = since(&self.away) != since(&away);
        self.away = away;
        self.revision += 1;
        news
    }

    /// That the journal can't be read, if so.
    pub fn is_unread(&self) -> Option<&Unread> {
        self.unread.as_ref()
    }

    /// Why the journal can't be read, from `now` on unless that is known already; `None`: it can.
    pub fn unread(&mut self, why: Option<String>, now: Timestamp) {
        let since = self.unread.as_ref().map_or(now, |unread| unread.since);
        self.unread = why.map(|why| Unread { why, since });
        self.revision += 1;
    }

    /// These were left unfinished by a process that is no more, and it is being looked at what became of them.
    pub fn cut_off(&mut self, runs: &[RunId]) {
        for place in runs.iter().filter_map(|run| self.places.get(run)) {
            (self.views[*place].cut_off, self.views[*place].left) = (true, false);
        }
        self.revision += 1;
    }

    /// The processes of these are gone, and nobody looks after them yet.
    pub fn left(&mut self, runs: &[RunId]) {
        self.cut_off(runs);
        for place in runs.iter().filter_map(|run| self.places.get(run)) {
            self.views[*place].left = true;
        }
    }

    /// These, and no others, wait for an answer from somebody at this screen, each about a step.
    pub fn asking(&mut self, runs: Vec<(RunId, String)>) {
        if self.asking == runs {
            return;
        }
        for (run, _) in self.asking.iter().chain(&runs) {
            if let Some(place) = self.places.get(run) {
                let about = runs.iter().find(|(asks, _)| asks == run).map(|(_, step)| step.clone());
                let view = &mut self.views[*place];
                (view.asks, view.asks_about) = (about.is_some(), about.unwrap_or_default());
            }
        }
        self.asking = runs;
        self.revision += 1;
    }

    /// Somebody at this screen holds a run, or lets it go on.
    /// With it what it has called.
    pub fn pause(&mut self, run: RunId, paused: bool) {
        let mut family = vec![run];
        while let Some(run) = family.pop() {
            if let Some(place) = self.places.get(&run) {
                self.views[*place].paused = paused;
            }
            let called = |view: &&RunView| view.caller.as_ref().is_some_and(|(caller, _)| *caller == run);
            family.extend(self.views.iter().filter(called).map(|view| view.id));
        }
        self.revision += 1;
    }

    /// Takes in one record; records of one run must come in order.
    pub fn apply(&mut self, record: &Record) {
        record.clock_ahead_ms().inspect(|ahead| self.clock(record.writer, *ahead));
        self.fold(record);
        let run = record.entry.run.and_then(|id| self.places.get(&id)).map(|place| &mut self.views[*place]);
        if let Some(run) = run {
            run.writer = record.writer;
            run.clock = self.clocks.get(&run.writer).copied().and_then(clock_off);
        }
    }

    /// How far the clock of the journal's server is ahead of a writer's, in milliseconds. Records keep the times that they were written with.
    pub fn clock(&mut self, writer: Uuid, ahead_ms: i64) {
        self.clocks.insert(writer, ahead_ms);
        for run in self.views.iter_mut().filter(|run| run.writer == writer) {
            run.clock = clock_off(ahead_ms);
        }
        self.revision += 1;
    }

    fn fold(&mut self, record: &Record) {
        let Some(id) = record.entry.run else { return };
        self.revision += 1;
        if record.entry.kind == RecordKind::RunStart {
            if let Entry::Vacant(place) = self.places.entry(id) {
                let view = start(id, record);
                if let Some(caller) = &view.caller {
                    self.calls.entry(caller.clone()).or_default().push(self.views.len());
                }
                place.insert(self.views.len());
                self.views.push(view);
            }
            return;
        }
        let Some(run) = self.places.get(&id).map(|place| &mut self.views[*place]) else { return };
        // Who writes of it looks after it.
        run.left = false;
        run.known.take(record);
        heard(run, record);
        match record.entry.kind {
            RecordKind::RunFinish => finish(run, record),
            RecordKind::BreakGlass => run.glass = Some(text(&record.entry.data, "reason")),
            RecordKind::StepRecheck => step(run, record, Some(StepState::Checking)),
            RecordKind::StepIntent => step(run, record, Some(StepState::Intent)),
            RecordKind::StepExit | RecordKind::StepReconcile => step(run, record, state(&record.entry.data)),
            RecordKind::StepTick => step(run, record, Some(StepState::Checking)),
            RecordKind::RunBatch => batch(run, record),
            RecordKind::RunResume => resume(run, record),
            // Nothing that is shown of a run.
            _ => {}
        }
    }
}
