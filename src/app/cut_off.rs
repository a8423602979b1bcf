//! Runs that another session left unfinished: said at once when they are found, and again when it is known what became of
//! them.

use super::{Banner, State, questions};
use crate::action::Action;
use crate::domain::RunId;
use crate::domain::record::{Record, RunOutcome};
use crate::event::Ended;
use crate::keymap::Scope;
use crate::runbook::past;

/// How it is told that runs are left to whoever resumes them; withdrawn when somebody does.
const LEFT: &str = "to be resumed: ";

/// They are found, and being looked at.
pub(super) fn found(state: &mut State, runs: &[RunId]) {
    let Some(last) = runs.last() else { return };
    let known = |run: &RunId| state.runs.get(*run).is_some_and(|view| view.left);
    let asked_for = runs.iter().all(known);
    state.runs.cut_off(runs);
    state.toasts.withdraw(LEFT);
    // Whoever asked for the look knows which they are.
    if !asked_for {
        let key = state.keymap.key_of(state.scope(), &Action::Runs).unwrap_or_default();
        let what = format!("{}; looking at what became of {}: {key} lists", many(runs.len()), it(runs.len()));
        state.toasts.say(state.now, what);
    }
    state.banner = Some(Banner::new(*last));
}

/// Those of other sessions whose process is gone. They are left to whoever resumes them: their operator may be about to.
pub(super) fn left(state: &mut State, runs: &[RunId]) {
    let Some(last) = runs.last() else { return };
    state.runs.left(runs);
    let key = state.keymap.key_of(state.scope(), &Action::Runs).unwrap_or_default();
    let gone = if runs.len() == 1 { "its process is gone" } else { "their processes are gone" };
    let plan = state.keymap.key_of(Scope::Runs, &Action::Plan).unwrap_or_default();
    let mend = format!("{key} and {plan}, or `quarterdeck runbook resume`, looks what became of {}", it(runs.len()));
    state.toasts.bad(state.now, format!("{LEFT}{}: {gone}; {mend}", many(runs.len())));
    Banner::tell_of_other(&mut state.banner, *last);
}

/// Another session writes of a run: one that is driven here it has taken over, and what that asks is asked in vain.
pub(super) fn taken_over(state: &mut State, record: &Record) {
    let Some(run) = record.entry.run.filter(|run| state.started.contains(run)) else { return };
    if state.runs.get(run).is_some_and(|view| view.outcome.is_none()) {
        questions::over(state, run);
        state.toasts.bad(state.now, past::taken_over(run, record));
    }
    state.started.retain(|started| *started != run);
}

/// It is known what became of them. Red only when something is not well.
pub(super) fn settled(state: &mut State, ended: &[Ended]) {
    let Some(last) = ended.last() else { return };
    let key = state.keymap.key_of(state.scope(), &Action::Runs).unwrap_or_default();
    let what = format!("{}: {}; {key} has the whole story", many(ended.len()), outcomes(ended));
    state.toasts.withdraw(LEFT);
    if ended.iter().all(|ended| ended.outcome.is_well()) {
        state.toasts.say(state.now, what);
    } else {
        state.toasts.bad(state.now, what);
    }
    state.banner = Some(Banner::new(last.run));
}

fn many(count: usize) -> String {
    match count {
        1 => "1 run of another session was cut off".to_owned(),
        _ => format!("{count} runs of other sessions were cut off"),
    }
}

const fn it(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// `ok, 2 closed` of one; `2 ok, 1 failed` of several.
fn outcomes(ended: &[Ended]) -> String {
    if let [ended] = ended {
        return format!("{}, {}", ended.outcome.word(), ended.reason);
    }
    let counted =
        RunOutcome::ALL.map(|outcome| (ended.iter().filter(|ended| ended.outcome == outcome).count(), outcome));
    let said =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, outcome)| format!("{count} {}", outcome.word()));
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ended(outcome: RunOutcome) -> Ended {
        Ended { run: RunId(Uuid::nil()), outcome, reason: "api is running".to_owned() }
    }

    #[test]
    fn one_is_told_with_its_reason_and_several_are_counted() {
        let one = [ended(RunOutcome::Ok)];
        assert_eq!(
            format!("{}: {}", many(1), outcomes(&one)),
            "1 run of another session was cut off: ok, api is running"
        );
        let three = [ended(RunOutcome::Failed), ended(RunOutcome::Ok), ended(RunOutcome::Ok)];
        assert_eq!(
            format!("{}: {}", many(3), outcomes(&three)),
            "3 runs of other sessions were cut off: 2 ok, 1 failed"
        );
    }
}
