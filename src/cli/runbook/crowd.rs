//! A rollout over many hosts, in few lines: each batch with how its hosts stand, each host that does not go well and why. The rest is in the
//! journal, and in `--json`.

use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind, StepState};
use crate::event::RunEvent;
use crate::runbook::{BatchView, RunView, Runs, StepView};
use std::time::{Duration, Instant};

/// A run with more hosts in its batches than this is told in few lines.
const MANY: usize = 8;
/// From one line about a batch under way to the next.
const EVERY: Duration = Duration::from_secs(5);

/// What was told so far.
#[derive(Default)]
pub(super) struct Crowd {
    last: Option<Instant>,
    said: String,
}

impl Crowd {
    /// Whether an event has no line of its own: a host of many goes on as it should.
    pub(super) fn hides(runs: &Runs, event: &RunEvent) -> bool {
        let (run, step, goes_well) = match event {
            RunEvent::Record(record) => (record.entry.run, record.entry.step.as_deref(), goes_well(record)),
            RunEvent::Output { run, step, .. } => (Some(*run), Some(step.as_str()), true),
            _ => return false,
        };
        goes_well && step.is_some_and(|step| step.contains('@')) && run.is_some_and(|run| is_many(runs, run))
    }

    /// How the batch under way stands, when that changed and some time has passed, or the batch is over.
    pub(super) fn line(&mut self, runs: &Runs, event: &RunEvent, now: Instant) -> Option<String> {
        let RunEvent::Record(record) = event else { return None };
        let run = record.entry.run.filter(|run| is_many(runs, *run)).and_then(|run| runs.get(run))?;
        let batch = run.batches.last()?;
        let (words, over) = stands(run, batch);
        let due = self.last.is_none_or(|last| now.duration_since(last) >= EVERY);
        if words == self.said || !due && !over {
            return None;
        }
        (self.last, self.said) = (Some(now), words.clone());
        Some(format!("{}  hosts     {words}", record.at.strftime("%H:%M:%SZ")))
    }
}

fn is_many(runs: &Runs, run: RunId) -> bool {
    runs.get(run).is_some_and(|run| {
        let mut hosts: Vec<&str> = run.steps.iter().filter_map(StepView::host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len() > MANY
    })
}

fn goes_well(record: &Record) -> bool {
    let state = record.entry.data["state"].as_str().unwrap_or_default();
    let bad = [StepState::Failed, StepState::TimedOut, StepState::Unknown, StepState::UndoFailed, StepState::Undone];
    match record.entry.kind {
        RecordKind::StepRecheck | RecordKind::StepIntent => true,
        RecordKind::StepExit => bad.iter().all(|bad| bad.word().replace(' ', "_") != state),
        _ => false,
    }
}

/// `batch 2 of 9: 12 of 20 hosts are done, 4 under way, 1 not well`, and whether it is over.
fn stands(run: &RunView, batch: &BatchView) -> (String, bool) {
    let (mut done, mut flying, mut bad) = (0, 0, 0);
    for host in &batch.hosts {
        let own = || run.steps.iter().filter(|step| step.host() == Some(host) && step.section() == batch.section);
        let is_bad = |state| {
            matches!(state, StepState::Failed | StepState::TimedOut | StepState::Unknown | StepState::UndoFailed)
        };
        if own().any(|step| is_bad(step.state)) {
            bad += 1;
        } else if own().all(|step| step.state.is_final()) {
            done += 1;
        } else if own().any(|step| step.state != StepState::Planned) {
            flying += 1;
        }
    }
    let (all, number, of) = (batch.hosts.len(), batch.number, batch.of);
    let words = format!("batch {number} of {of}: {done} of {all} hosts are done, {flying} under way, {bad} not well");
    (words, done + bad == all)
}
