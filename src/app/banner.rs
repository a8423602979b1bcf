//! What is being done: one line that stays until it is dismissed, with the verdict at its end.

use crate::domain::RunId;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::{Now, time};
use crate::runbook::{RunView, Runs};
use crate::theme::Role;
use crate::widgets::figure;
use unicode_width::UnicodeWidthStr;

/// On a line of fewer cells every word counts.
const NARROW: usize = 80;

/// The line about the newest run of this screen; while there is none, about the newest of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Which run.
    pub run: RunId,
    /// Another process drives it.
    elsewhere: bool,
}

impl Banner {
    /// About a run of this screen, or one that it looks after.
    pub const fn new(run: RunId) -> Self {
        Self { run, elsewhere: false }
    }

    /// Another process began a run. What is told of an own run stays.
    pub fn tell_of_other(shown: &mut Option<Self>, run: RunId) {
        if shown.as_ref().is_none_or(|banner| banner.elsewhere) {
            *shown = Some(Self { run, elsewhere: true });
        }
    }

    /// It has a verdict, or is not of this screen, so it can be dismissed.
    pub fn is_over(&self, runs: &Runs) -> bool {
        self.elsewhere || runs.get(self.run).is_none_or(|run| run.outcome.is_some())
    }

    /// The line's text and role, without how to go on. Where the title does not leave room (in cells) for the rest, which says
    /// what happened, the runbook's shorter name stands in its place.
    pub fn line(&self, runs: &Runs, now: Now, room: usize) -> (Role, String) {
        let Some(run) = runs.get(self.run) else { return (Role::Toast, String::new()) };
        let of = if self.elsewhere { "in another session: " } else { "" };
        let (role, long) = told(run, &format!("{of}{}", run.title), now);
        let (_, short) = told(run, &format!("{of}{}", run.runbook), now);
        let shorter = long.width() > room && (short.width() <= room || room < NARROW);
        (role, if shorter { short } else { long })
    }
}

fn told(run: &RunView, title: &str, now: Now) -> (Role, String) {
    let (role, line) = stands(run, title, now);
    match run.glass {
        Some(_) => (Role::ToastBad, format!("▲ BREAK-GLASS {line}")),
        None => (role, line),
    }
}

fn stands(run: &RunView, title: &str, now: Now) -> (Role, String) {
    let step = run.current().and_then(|at| run.steps.get(at)).or(run.steps.last());
    let (target, doing) = step.map_or((String::new(), "starting".to_owned()), |step| {
        let doing = match step.state {
            _ if run.asks => "waits for you",
            StepState::Planned => "starting",
            StepState::Intent => StepState::Running.word(),
            state => state.word(),
        };
        let on = if step.target.is_empty() { String::new() } else { format!(" on {}", step.target) };
        (on, format!("{}: {doing}", step.title))
    });
    // One that was cut off was begun so long ago, however long it was heard of.
    let until = if run.outcome.is_none() { now.wall } else { run.until(now.wall) };
    let took = figure::text(|out| figure::coarse_age(out, time::between(run.started, until)));
    match run.outcome {
        None if run.left => {
            (Role::ToastBad, format!("◌ {title}{target}: begun {took} ago by {}, cut off, to be resumed", run.actor))
        }
        None if run.is_in_doubt() => {
            let what = run.doubt_subject().unwrap_or_else(|| "its change".to_owned());
            let how = format!("cut off, and nobody knows whether {what} happened");
            (Role::ToastBad, format!("◌ {title}{target}: begun {took} ago by {}, {how}", run.actor))
        }
        None if run.cut_off => (Role::Toast, format!("◌ {title}{target}: begun {took} ago, cut off, being looked at")),
        None => (Role::Toast, format!("▶ {title}{target}: {doing}, {took}")),
        Some(outcome) => {
            let role = if outcome.is_well() { Role::Toast } else { Role::ToastBad };
            let mark = match outcome {
                RunOutcome::Ok => "✓",
                RunOutcome::Undone => "<",
                RunOutcome::Failed | RunOutcome::Unknown | RunOutcome::Stopped => "✗",
            };
            let why = if run.reason.is_empty() { step.map_or("", |step| step.detail.as_str()) } else { &run.reason };
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            (role, format!("{mark} {title}{target} {}{why} ({took})", outcome.word()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_run_of_another_process_is_told_of_where_no_own_one_is_and_can_be_cleared_at_any_time() {
        let [own, first, second] = [1, 2, 3].map(|n| RunId(Uuid::from_u128(n)));
        let mut shown = None;
        for other in [first, second] {
            Banner::tell_of_other(&mut shown, other);
            assert!(shown.as_ref().is_some_and(|banner| banner.run == other && banner.is_over(&Runs::default())));
        }
        shown = Some(Banner::new(own));
        Banner::tell_of_other(&mut shown, second);
        assert_eq!(shown, Some(Banner::new(own)));
    }
}
