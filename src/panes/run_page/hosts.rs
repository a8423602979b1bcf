//! A step that is done on many hosts: a line for each batch with how its hosts stand, those that did not go well first and why, then those
//! under way; the others are counted.

use super::steps::{Known, host, mark, told, took};
use crate::domain::record::StepState;
use crate::domain::text::clean;
use crate::runbook::{BatchView, RunView, StepView};
use crate::theme::Role;
use std::borrow::Cow;
use std::collections::HashMap;

/// A step on more hosts than this is folded.
pub(super) const FOLD: usize = 8;
/// Hosts of one kind that have a line of their own in a batch.
const SHOWN: usize = 8;

/// How the hosts of a step stand, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    done: usize,
    running: usize,
    bad: usize,
    passed: usize,
    waiting: usize,
}

impl Count {
    pub(super) fn of<'a>(steps: impl IntoIterator<Item = &'a StepView>) -> Self {
        let mut count = Self::default();
        for step in steps {
            *match step.state {
                StepState::Ok => &mut count.done,
                StepState::Checking | StepState::Intent | StepState::Running => &mut count.running,
                StepState::Failed | StepState::TimedOut | StepState::Unknown | StepState::UndoFailed => &mut count.bad,
                StepState::Skipped | StepState::Cancelled | StepState::Undone => &mut count.passed,
                StepState::Planned => &mut count.waiting,
            } += 1;
        }
        count
    }

    /// `12 ok, 4 running, 1 failed, 3 wait`.
    pub(super) fn words(self) -> String {
        let all = [
            (self.bad, "not well"),
            (self.running, "running"),
            (self.done, "ok"),
            (self.passed, "passed over"),
            (self.waiting, "wait"),
        ];
        let told = all.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        told.collect::<Vec<_>>().join(", ")
    }

    const fn role(self) -> Role {
        match (self.bad, self.running) {
            (0, 0) => Role::Muted,
            (0, _) => Role::SeverityInfo,
            (_, _) => Role::SeverityCritical,
        }
    }
}

/// A line, and the step that it is about.
pub(super) type Told = (Vec<(Role, String)>, Option<usize>);

/// The hosts of a step (`of`), batch by batch. `brief`: without reasons and without what they say.
pub(super) fn fold(run: &RunView, of: &[usize], known: &Known<'_>, brief: bool) -> Vec<Told> {
    let mut out = Vec::new();
    let section = of.first().map_or("", |at| run.steps[*at].section());
    let batches: Vec<&BatchView> = run.batches.iter().filter(|batch| batch.section == section).collect();
    let hosts =
        batches.iter().enumerate().flat_map(|(at, batch)| batch.hosts.iter().map(move |host| (host.as_str(), at)));
    let batch_of: HashMap<&str, usize> = hosts.collect();
    let (mut rest, mut by_batch) = (Vec::new(), vec![Vec::new(); batches.len()]);
    for at in of {
        match batch_of.get(host(&run.steps[*at])) {
            Some(batch) => by_batch[*batch].push(*at),
            None => rest.push(*at),
        }
    }
    for (batch, own) in batches.into_iter().zip(by_batch) {
        if !own.is_empty() {
            batch_lines(&mut out, run, &own, known, (&format!("batch {} of {}", batch.number, batch.of), brief));
        }
    }
    let begun = rest.iter().any(|at| run.steps[*at].state != StepState::Planned);
    if begun {
        batch_lines(&mut out, run, &rest, known, ("hosts", brief));
    } else if !rest.is_empty() {
        out.push((
            vec![(Role::Muted, format!("later batches: {}", Count::of(rest.iter().map(|at| &run.steps[*at])).words()))],
            None,
        ));
    }
    out
}

fn batch_lines(out: &mut Vec<Told>, run: &RunView, own: &[usize], known: &Known<'_>, (name, brief): (&str, bool)) {
    let count = Count::of(own.iter().map(|at| &run.steps[*at]));
    out.push((vec![(Role::Text, format!("{name}: ")), (count.role(), count.words())], None));
    let is_bad = |at: &&usize| Count::of([&run.steps[**at]]).bad > 0;
    let runs = |at: &&usize| run.steps[**at].is_under_way();
    for kind in [own.iter().filter(is_bad).collect::<Vec<_>>(), own.iter().filter(runs).collect()] {
        for at in kind.iter().take(SHOWN) {
            host_lines(out, run, **at, known, brief);
        }
        if let Some(more) = kind.len().checked_sub(SHOWN + 1) {
            let like = run.step_word(*kind[SHOWN]);
            out.push((vec![(Role::Muted, format!("  … {} more {like}", more + 1))], Some(*kind[SHOWN])));
        }
    }
}

fn host_lines(out: &mut Vec<Told>, run: &RunView, at: usize, known: &Known<'_>, brief: bool) {
    let step = &run.steps[at];
    let severity: Role = step.severity().into();
    let mut line = vec![
        (severity, format!("  {} ", mark(run, at))),
        (Role::Text, host(step).to_owned()),
        (severity, format!(": {}", told(run, at, known))),
        (Role::Muted, took(run, at, known)),
    ];
    if !brief {
        let said = known.cx.outputs.of(run.id, &step.id).and_then(|output| output.lines().last().map(Cow::into_owned));
        let why = if step.is_under_way() { said.unwrap_or_default() } else { step.detail.clone() };
        if !why.is_empty() {
            line.push((if step.is_under_way() { Role::Muted } else { severity }, format!("  {}", clean(&why))));
        }
    }
    out.push((line, Some(at)));
}

/// How the batch under way stands: `batch 2 of 9: 4 running, 12 ok, 3 wait`; `None`: there is none, or it has one host.
pub(super) fn batch_now(run: &RunView) -> Option<String> {
    let batch = run.batches.last().filter(|batch| batch.hosts.len() > 1 && run.outcome.is_none())?;
    let hosts = batch.hosts.iter().filter_map(|host| {
        let own = run.steps.iter().filter(|step| step.host() == Some(host) && batch.has(step));
        stands(own)
    });
    Some(format!("batch {} of {}: {}", batch.number, batch.of, Count::of(hosts).words()))
}

/// The step by which a host is told: what is not well, else what is under way, else the first that waits, else the last.
fn stands<'a>(own: impl Iterator<Item = &'a StepView>) -> Option<&'a StepView> {
    let own: Vec<&StepView> = own.collect();
    let bad = |step: &&&StepView| Count::of([**step]).bad > 0;
    let waits = |step: &&&StepView| step.state == StepState::Planned;
    let found = own.iter().find(bad).or_else(|| own.iter().find(|step| step.is_under_way()));
    found.or_else(|| own.iter().find(waits)).or(own.last()).copied()
}
