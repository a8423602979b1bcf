//! What is told to others about a change, before and after it: Markdown for a chat channel, ready to paste. Pure. Whoever hands it on
//! hides secrets, and what others must not see while the screen is shared.

use super::plan::PlannedStep;
use super::{Glass, Plan, RunView};
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::push_markdown;
use crate::domain::time;
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// Digits of a plan's hash that tell it from others, and that `runbook run --plan` takes.
const HASH: usize = 12;

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
    for step in run.steps.iter().filter(|step| step.sent_at.is_some()) {
        let detail = if step.detail.is_empty() { String::new() } else { format!(", {}", step.detail) };
        out.item(step.state.word(), &format!("{} on {}{detail}", step.title, step.target));
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

/// Each once, in order.
fn listed(texts: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all.join(", ")
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
