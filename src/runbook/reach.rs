//! How far a run reaches: its own changes and those of the runs that it calls, by the numbers of the page, and what becomes of each. The
//! plan, the page of a run and what others are told count and name by this alone. Pure.

use super::foreseen;
use super::history::{RunView, Runs, StepView};
use super::plan::{Plan, PlannedStep};
use crate::domain::record::StepState;
use std::collections::HashSet;

/// One change, on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its number in the page; behind a dot that in the page which the step calls: `4.2`.
    pub number: String,
    /// Its step's heading.
    pub title: String,
    /// What it acts on.
    pub target: String,
    /// Something takes it back.
    pub can: bool,
    /// What became of it.
    pub fate: Fate,
    /// The run that it belongs to is over: nothing offers to take it back any more.
    pub over: bool,
    /// The called run that it belongs to: `run 1a2b3c of pg-long`; `None`: it is one of our own, or not begun yet.
    pub by: Option<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is to come.
    Ahead,
    /// It was made, or may have been.
    Made,
    /// It was taken back, or passed over.
    Gone,
}

impl Reached {
    /// `step 2 'Stop it'`, and of a called run `step 4.2 'Stop it'`.
    pub fn name(&self) -> String {
        foreseen::name(&self.number, &self.title)
    }

    /// The same seen from the page whose step `of` calls.
    #[must_use]
    pub fn under(self, of: &str) -> Self {
        Self { number: format!("{of}.{}", self.number), ..self }
    }

    /// It was made, and something takes it back.
    pub fn is_left(&self) -> bool {
        self.fate == Fate::Made && self.can
    }

    /// It was made, and nothing takes it back.
    pub fn stays(&self) -> bool {
        self.fate == Fate::Made && !self.can
    }
}

/// Of a plan: what it would change, and what the pages that it calls would.
pub fn of_plan<Stage>(plan: &Plan<Stage>) -> Vec<Reached> {
    let mut out = Vec::new();
    for (members, number) in plan.body().by_step().iter().zip(1..) {
        out.extend(members.iter().filter(|step| step.changes()).map(|step| planned(step, number)));
        out.extend(members.iter().filter_map(|step| step.call()).flat_map(|call| ahead(call, number.to_string())));
    }
    out
}

fn planned(step: &PlannedStep, number: usize) -> Reached {
    let (number, title, target) = (number.to_string(), step.title.clone(), step.target.clone());
    Reached { number, title, target, can: step.undo.is_some(), fate: Fate::Ahead, over: false, by: None }
}

/// What the page behind a call changes, seen from the step that calls it.
fn ahead(call: &foreseen::Foreseen, of: String) -> impl Iterator<Item = Reached> {
    call.changes.iter().map(move |change| {
        let (number, title, target) = (change.number.clone(), change.title.clone(), change.on.clone());
        let can = change.undo.is_some();
        Reached { number, title, target, can, fate: Fate::Ahead, over: false, by: None }.under(&of)
    })
}

/// Of a run, in the order of the page: of a call that has begun what its run tells, of one that is to come what its page does.
pub fn of_run(runs: &Runs, run: &RunView) -> Vec<Reached> {
    let mut out = Vec::new();
    walk(&mut out, runs, run, "", foreseen::DEPTH);
    out
}

fn walk(out: &mut Vec<Reached>, runs: &Runs, run: &RunView, before: &str, depth: usize) {
    for step in &run.steps {
        let number = format!("{before}{}", step.number);
        // Records that do not say what changes something do not say either what takes it back.
        if step.changes {
            let by = (!before.is_empty()).then(|| called_as(run));
            let mut own = own(step, number.clone(), by, run.outcome.is_some() || run.cut_off);
            // Whoever calls it again begins another run.
            if own.fate == Fate::Ahead && own.by.is_some() && run.outcome.is_some() {
                own.fate = Fate::Gone;
            }
            out.push(own);
        }
        let mut called = runs.called_by(run, step).peekable();
        if called.peek().is_none() && !step.state.is_final() {
            out.extend(step.call.iter().flat_map(|call| ahead(call, number.clone())));
        }
        for child in called.filter(|_| depth > 0) {
            walk(out, runs, child, &format!("{number}."), depth - 1);
        }
    }
}

fn own(step: &StepView, number: String, by: Option<String>, over: bool) -> Reached {
    let fate = match step.state {
        StepState::Undone | StepState::Skipped | StepState::Cancelled => Fate::Gone,
        _ if step.not_done => Fate::Gone,
        _ if step.sent_at.is_some() => Fate::Made,
        _ => Fate::Ahead,
    };
    let (title, target) = (step.title.clone(), step.target.clone());
    Reached { number, title, target, can: step.undo.is_some(), fate, over, by }
}

/// `run 1a2b3c of pg-long`.
pub fn called_as(run: &RunView) -> String {
    format!("run {} of {}", run.id.short(), run.runbook)
}

/// `step 2 'Stop it' on game-1, game-2; step 3 'Start it' on game-1 (run 1a2b3c of start)`: the targets of one step together, of many the
/// first, and how many more there are. At most `most` steps are named.
pub fn named<'a>(reached: impl IntoIterator<Item = &'a Reached>, most: usize) -> String {
    let mut groups: Vec<(&Reached, Vec<&str>)> = Vec::new();
    for one in reached {
        match groups.iter_mut().find(|(first, _)| (&first.number, &first.by) == (&one.number, &one.by)) {
            Some((_, targets)) => targets.push(&one.target),
            None => groups.push((one, vec![&one.target])),
        }
    }
    let more = groups.len().saturating_sub(most);
    groups.truncate(most);
    let text = |(first, targets): &(&Reached, Vec<&str>)| {
        let by = first.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        match places(targets) {
            on if on.is_empty() => first.name() + &by,
            on => format!("{} on {on}{by}", first.name()),
        }
    };
    let text = groups.iter().map(text).collect::<Vec<_>>().join("; ");
    if more == 0 { text } else { format!("{text}; and {more} more") }
}

/// The same one after the other, as it happened: `step 2 'Stop it' on game-2, then step 1 'Drain' on game-2, game-1`.
pub fn in_order(reached: &[Reached]) -> String {
    let steps = reached.chunk_by(|one, next| (&one.number, &one.by) == (&next.number, &next.by));
    steps.map(|step| named(step, 1)).collect::<Vec<_>>().join(", then ")
}

/// Targets that are named of one step.
const PLACES: usize = 3;

fn places(targets: &[&str]) -> String {
    let mut seen = HashSet::new();
    let each: Vec<&str> = targets.iter().copied().filter(|target| !target.is_empty() && seen.insert(*target)).collect();
    let more = each.len().saturating_sub(PLACES);
    let text = each[..each.len().min(PLACES)].join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

/// How many of these can be taken back, in words.
pub fn undo(reached: &[Reached]) -> String {
    match (reached.len(), reached.iter().filter(|one| one.can).count()) {
        (0, _) => "changes nothing".to_owned(),
        (1, 1) => "it can be undone".to_owned(),
        (1, 0) => "it cannot be undone".to_owned(),
        (all, undone) if all == undone => format!("all {all} changes can be undone"),
        (all, 0) => format!("none of {all} changes can be undone"),
        (all, undone) => {
            let not = named(reached.iter().filter(|one| !one.can), 2);
            format!("{undone} of {all} changes can be undone, not {not}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: usize, target: &str, can: bool) -> Reached {
        let (number, title, target) = (number.to_string(), "Reload".to_owned(), target.to_owned());
        Reached { number, title, target, can, fate: Fate::Made, over: false, by: None }
    }

    #[test]
    fn how_much_can_be_undone_is_said_in_words_and_what_can_not_is_named() {
        let told = |of: &[bool]| {
            let reached: Vec<Reached> = of.iter().zip(1..).map(|(can, number)| one(number, "a", *can)).collect();
            undo(&reached)
        };
        assert_eq!(told(&[]), "changes nothing");
        assert_eq!((told(&[true]), told(&[false])), ("it can be undone".to_owned(), "it cannot be undone".to_owned()));
        assert_eq!(told(&[true; 3]), "all 3 changes can be undone");
        assert_eq!(told(&[false; 3]), "none of 3 changes can be undone");
        assert_eq!(told(&[true, false, true]), "2 of 3 changes can be undone, not step 2 'Reload' on a");
    }

    #[test]
    fn the_targets_of_a_step_stand_together_and_not_all_are_named() {
        let hosts = ["a", "b", "b", "c", "d", "e"].map(|host| one(1, host, true));
        assert_eq!(named(&hosts, 4), "step 1 'Reload' on a, b, c and 2 more");
        let steps = [1, 2, 3].map(|number| one(number, "", true));
        assert_eq!(named(&steps, 2), "step 1 'Reload'; step 2 'Reload'; and 1 more");
        let by = Some("run 1a2b3c of reload".to_owned());
        assert_eq!(named(&[Reached { by, ..one(2, "a", true) }], 2), "step 2 'Reload' on a (run 1a2b3c of reload)");
    }
}
