//! What is told to others about a change, before and after it: Markdown for a chat channel, ready to paste. Pure. Whoever hands it on
//! hides secrets, and what others must not see while the screen is shared.

use super::plan::PlannedStep;
use super::script::without_host;
use super::{Glass, Plan, RunView, StepView};
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::push_markdown;
use crate::domain::time;
use jiff::Timestamp;
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

/// Digits of a plan's hash that tell it from others, and that `runbook run --plan` takes.
const HASH: usize = 12;
/// Things named in one line.
const LISTED: usize = 12;

/// Who is about to do it, and where.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// `name@host`.
    pub who: &'a str,
    /// The environment's name.
    pub env: &'a str,
}

/// Of a plan, before it is run.
pub fn before<Stage>(plan: &Plan<Stage>, teller: Teller<'_>, glass: Option<&Glass>) -> String {
    let body = plan.body();
    let changes: Vec<&PlannedStep> = body.steps.iter().filter(|step| step.changes()).collect();
    let mut out =
        Text::head(teller.env, &format!("{} is about to run", teller.who), &body.runbook.title, &body.runbook.id);
    out.glass(glass.map(Glass::reason));
    let places = changes.iter().map(|step| {
        let rows = step.rows.as_ref().map(|rows| format!(" ({} affected)", rows.rows.len())).unwrap_or_default();
        format!("{}{rows}", place(&step.target, &step.address))
    });
    out.item("on", &listed(places));
    out.params(&body.params);
    let undone = changes.iter().filter(|step| step.undo.is_some()).count();
    out.item("risk", &format!("{}; {}", body.runbook.risk.word(), undo(changes.len(), undone)));
    for reason in &body.blocked {
        out.item("blocked", reason);
    }
    out.hash(&body.hash);
    out.0
}

/// Of a run: what it is about to do while it is under way, and what came of it when it is over.
pub fn of_run(run: &RunView, now: Timestamp) -> String {
    match run.outcome {
        Some(outcome) => after(run, outcome),
        None => under_way(run, now),
    }
}

fn under_way(run: &RunView, now: Timestamp) -> String {
    let mut out = Text::head(&run.env, &format!("{} is running", run.actor), &run.title, &run.runbook);
    out.glass(run.glass.as_deref());
    out.item("since", &format!("{}, {}", clock(run.started), spoken(time::between(run.started, now))));
    let places = run.steps.iter().filter(|step| step.changes || step.sent_at.is_some());
    out.item("on", &listed(places.map(|step| place(&step.target, &step.address))));
    out.params(&run.params);
    if let Some(at) = run.current() {
        let step = &run.steps[at];
        let word = if step.state == StepState::Planned { "next" } else { step.state.word() };
        out.item("now", &format!("step {} of {}, {}: {word}", at + 1, run.steps.len(), step.title));
    }
    let changes = run.steps.iter().filter(|step| step.changes);
    let (all, undone) =
        changes.fold((0, 0), |(all, undone), step| (all + 1, undone + usize::from(step.undo.is_some())));
    let risk = if run.risk.is_empty() { String::new() } else { format!("{}; ", run.risk) };
    out.item("risk", &format!("{risk}{}", undo(all, undone)));
    out.hash(&run.plan_hash);
    out.0
}

fn after(run: &RunView, outcome: RunOutcome) -> String {
    let took = time::between(run.started, run.ended.unwrap_or(run.started));
    let mut out = Text::head(&run.env, &format!("{} ran", run.actor), &run.title, &run.runbook);
    out.item("outcome", &run.verdict_alone().unwrap_or_default());
    out.glass(run.glass.as_deref());
    out.params(&run.params);
    let ended = run.ended.unwrap_or(run.started);
    out.item("when", &format!("{} to {}, {}", clock(run.started), clock(ended), spoken(took)));
    for (state, title, of) in done(run) {
        let detail = match &of[..] {
            [one] if !one.detail.is_empty() => format!(", {}", one.detail),
            _ => String::new(),
        };
        let targets = listed(of.iter().map(|step| step.target.clone()));
        out.item(state.word(), &format!("{title} on {targets}{detail}"));
    }
    let undone = run.steps.iter().filter(|step| step.state == StepState::Planned).map(|step| step.title.clone());
    out.item("not done", &listed(undone));
    if outcome != RunOutcome::Ok {
        let left = run
            .undoable()
            .map(|step| format!("{} on {}: {}", step.title, step.target, step.undo.as_deref().unwrap_or_default()));
        let left = listed(left);
        out.item("left to undo", if left.is_empty() { "nothing" } else { &left });
    }
    out.hash(&run.plan_hash);
    out.0
}

/// What was done, and what came of it: the hosts of one step on which the same came of it stand together.
fn done(run: &RunView) -> Vec<(StepState, &str, Vec<&StepView>)> {
    let mut out: Vec<(StepState, &str, Vec<&StepView>)> = Vec::new();
    for step in run.steps.iter().filter(|step| step.sent_at.is_some()) {
        let same = |(state, _, of): &&mut (StepState, &str, Vec<&StepView>)| {
            *state == step.state && of.iter().any(|other| without_host(&other.id) == without_host(&step.id))
        };
        match out.iter_mut().find(same) {
            Some((_, _, of)) => of.push(step),
            None => out.push((step.state, &step.title, vec![step])),
        }
    }
    out
}

/// How many of the changes can be taken back.
pub fn undo(all: usize, undone: usize) -> String {
    match (all, undone) {
        (0, _) => "changes nothing".to_owned(),
        (1, 1) => "it can be undone".to_owned(),
        (1, 0) => "it cannot be undone".to_owned(),
        (all, undone) if all == undone => format!("all {all} changes can be undone"),
        (all, 0) => format!("none of {all} changes can be undone"),
        (all, undone) => format!("{undone} of {all} changes can be undone"),
    }
}

fn place(target: &str, address: &str) -> String {
    if address.is_empty() { target.to_owned() } else { format!("{target} ({address})") }
}

/// Each once, in order; of many the first, and how many more there are.
fn listed(texts: impl Iterator<Item = String>) -> String {
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for text in texts.filter(|text| !text.is_empty()) {
        if seen.insert(text.clone()) {
            all.push(text);
        }
    }
    let more = all.len().saturating_sub(LISTED);
    all.truncate(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    all.join(", ") + &more
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn spoken(took: Duration) -> String {
    match took.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The text as it grows: a line, then a list.
struct Text(String);

impl Text {
    fn head(env: &str, does: &str, title: &str, id: &str) -> Self {
        let mut out = Self("**".to_owned());
        push_markdown(&mut out.0, env);
        out.0.push_str("** ");
        push_markdown(&mut out.0, does);
        out.0.push_str(" **");
        push_markdown(&mut out.0, title);
        out.0.push_str("** (");
        push_markdown(&mut out.0, id);
        out.0.push_str(")\n");
        out
    }

    /// Nothing when there is nothing to say.
    fn item(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let _ = write!(self.0, "- {label}: ");
        // One line each: a chat takes a list as it is then.
        push_markdown(
            &mut self.0,
            &text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / "),
        );
        self.0.push('\n');
    }

    fn params(&mut self, params: &[(String, String)]) {
        self.item("with", &listed(params.iter().map(|(name, text)| format!("{name} = {text}"))));
    }

    fn glass(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.item("BREAK-GLASS", &format!("one person does what takes two, because: {reason}"));
        }
    }

    fn hash(&mut self, hash: &str) {
        if !hash.is_empty() {
            self.item("plan", &hash[..hash.len().min(HASH)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_not_all_named_and_none_twice() {
        let names = |count: usize| (0..count).map(|at| format!("game-{}", at % 20));
        assert_eq!(listed(names(2)), "game-0, game-1");
        assert!(listed(names(40)).ends_with("game-10, game-11 and 8 more"), "{}", listed(names(40)));
    }

    #[test]
    fn how_much_can_be_undone_is_said_in_words() {
        let told = [(0, 0), (1, 1), (1, 0), (3, 3), (3, 0), (3, 2)].map(|(all, undone)| undo(all, undone));
        assert_eq!(
            told,
            [
                "changes nothing",
                "it can be undone",
                "it cannot be undone",
                "all 3 changes can be undone",
                "none of 3 changes can be undone",
                "2 of 3 changes can be undone"
            ]
        );
    }

    #[test]
    fn an_item_is_one_line_in_which_nothing_is_a_mark() {
        let mut out = Text(String::new());
        out.item("left to undo", "set -eu\n\n  echo `x` [y](z) <b>");
        out.item("nothing", "");
        assert_eq!(out.0, "- left to undo: set -eu / echo \\`x\\` \\[y\\](z) \\<b\\>\n");
    }
}
