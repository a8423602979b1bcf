//! What a run has seen before it asks, above the question: who answers shall not have to remember it.

use super::dialog::Lines;
use super::overlay::wrap_into;
use crate::app::AskDialog;
use crate::domain::text;
use crate::runbook::{RunView, StepView};
use crate::theme::Role;

/// So many of the steps before are told, the last ones.
const STEPS: usize = 3;
/// Lines of each end of what a step has found.
const ENDS: usize = 4;

/// What the looks before a step that a person does have found, as far as there are `room` lines: where it is narrow, a line of each.
pub(super) fn lines(run: &RunView, ask: &AskDialog, (width, room): (usize, usize)) -> Lines {
    // A free line stands behind it.
    let room = room.saturating_sub(1);
    if !ask.manual || room < 2 {
        return Lines::new();
    }
    let steps = found(run, &ask.step);
    let mut out = whole(&steps, width);
    if out.len() > room {
        out = in_short(&steps, width);
        out.drain(..(out.len() + 1).saturating_sub(room));
        out.insert(0, (Role::Muted, "… the run's page has more of what was seen".to_owned()));
    }
    if !out.is_empty() {
        out.push((Role::Text, String::new()));
    }
    out
}

/// Each step's heading, and both ends of what it has found.
fn whole(steps: &[&StepView], width: usize) -> Lines {
    let mut out = Lines::new();
    for step in steps {
        wrap_into(&mut out, Role::Muted, &step.heading(), width, 2);
        for line in text::ends(said(step), ENDS, "the run's page has them") {
            wrap_into(&mut out, Role::Text, &format!("  {line}"), width, 4);
        }
    }
    out
}

/// A line a step: its heading, and how begins what it has found.
fn in_short(steps: &[&StepView], width: usize) -> Lines {
    let line = |step: &&StepView| {
        let first = said(step).lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        (Role::Text, text::truncate(&format!("{}: {first}", step.heading()), width).to_owned())
    };
    steps.iter().map(line).collect()
}

/// The last steps before the one that asks that look alone and have something to tell, on its host or on none.
fn found<'a>(run: &'a RunView, asked: &str) -> Vec<&'a StepView> {
    let at = run.steps.iter().position(|step| step.id == asked).unwrap_or(0);
    let host = run.steps.get(at).and_then(StepView::host);
    let tells = |step: &&StepView| {
        let here = step.host().is_none() || step.host() == host;
        here && step.state.is_final() && !step.changes && !step.by_hand && !step.called && !said(step).is_empty()
    };
    let mut found: Vec<&StepView> = run.steps[..at].iter().rev().filter(tells).take(STEPS).collect();
    found.reverse();
    found
}

/// All that it has printed; where it printed nothing, what came of it.
fn said(step: &StepView) -> &str {
    let printed = step.output.trim_end();
    if printed.is_empty() { step.told().unwrap_or_default() } else { printed }
}
