//! What is told to others about a change, before and after it: Markdown for a chat channel, ready to paste, of a length that a phone shows at
//! once. Steps are named by number and heading; what is sent and what takes it back stands in the plan, on the run's page and in the journal.
//! Pure. Whoever hands it on hides secrets, and what others must not see while the screen is shared.

use super::foreseen::{self, Foreseen};
use super::plan::{PlannedStep, located};
use super::reach::{self, Fate, Reached, named};
use super::{Glass, Plan, RunView, Runs, StepView};
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::{clean, truncate};
use crate::domain::time;
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

/// Digits of a plan's hash that tell it from others, and that `runbook run --plan` takes.
const HASH: usize = 12;
/// Places and parameters named in one line.
const LISTED: usize = 6;
/// Steps named in one line.
const STEPS: usize = 4;
/// Calls, and reasons why a plan is blocked, that have a line each.
const EACH: usize = 2;
/// Cells of one item: six lines of a phone at most.
const ITEM: usize = 240;

/// Who is about to do it, and where.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// `name@host`.
    pub who: &'a str,
    /// The environment's name.
    pub env: &'a str,
    /// Nothing can be run from where they are: `--read-only`.
    pub only_looks: bool,
}

/// Of a plan, before it is run.
pub fn before<Stage>(plan: &Plan<Stage>, teller: Teller<'_>, glass: Option<&Glass>) -> String {
    let body = plan.body();
    let changes: Vec<&PlannedStep> = body.steps.iter().filter(|step| step.changes()).collect();
    let read_only = teller.only_looks.then(|| "this quarterdeck only looks (--read-only)".to_owned());
    let not: Vec<String> = body.blocked.iter().cloned().chain(read_only).collect();
    let does = if not.is_empty() { "is about to run" } else { "has planned, and can't run," };
    let mut out = Text::head(teller.env, &format!("{} {does}", teller.who), &body.runbook.title, &body.runbook.id);
    out.each("not run, because", not.into_iter());
    out.glass(glass.map(Glass::reason));
    let places = changes.iter().map(|step| {
        let rows = step.rows.as_ref().map(|rows| format!(" ({})", body.extent(rows))).unwrap_or_default();
        format!("{}{rows}", located(&step.target, &step.address))
    });
    out.item("affects", &body.affects().unwrap_or_default());
    out.item("on", &listed(places));
    out.params(&body.params);
    let reached = reach::of_plan(plan);
    let own = changes.iter().map(|step| body.number(step).to_string()).collect::<HashSet<_>>();
    out.item("changes", &named(reached.iter().filter(|one| own.contains(&one.number)), STEPS));
    let calls =
        body.steps.iter().filter_map(|step| Some(ahead(body.number(step), &step.title, step.call()?, &reached)));
    out.each("calls", calls);
    out.item("risk", &format!("{}; {}", body.runbook.risk.word(), reach::undo(&reached)));
    out.hash(&body.hash);
    out.0
}

/// Of a run: what it is about to do while it is under way, and what came of it when it is over. `runs`: those that it called among them.
pub fn of_run(runs: &Runs, run: &RunView, now: Timestamp) -> String {
    match run.outcome {
        Some(outcome) => after(runs, run, outcome),
        None => under_way(runs, run, now),
    }
}

fn under_way(runs: &Runs, run: &RunView, now: Timestamp) -> String {
    let does = if run.cut_off { "was cut off in the middle of" } else { "is running" };
    let mut out = Text::head(&run.env, &format!("{} {does}", run.actor), &run.title, &run.runbook);
    out.glass(run.glass.as_deref());
    out.item("approved by", run.approved.as_deref().unwrap_or_default());
    out.item("since", &format!("{}, {}", clock(run.started), spoken(time::between(run.started, now))));
    let places = run.steps.iter().filter(|step| step.changes || step.sent_at.is_some());
    out.item("on", &listed(places.map(|step| located(&step.target, &step.address))));
    out.params(&run.params);
    if let Some(at) = run.current() {
        let step = &run.steps[at];
        let word = if step.state == StepState::Planned { "next" } else { run.step_word(at) };
        out.item("now", &format!("{} of {}: {word}", on(step), run.numbers()));
    }
    out.each("calls", calls(runs, run));
    let reached = reach::of_run(runs, run);
    out.item("changed so far", &named(reached.iter().filter(|one| one.fate == Fate::Made), STEPS));
    let risk = if run.risk.is_empty() { String::new() } else { format!("{}; ", run.risk) };
    out.item("risk", &format!("{risk}{}", reach::undo(&reached)));
    out.hash(&run.plan_hash);
    out.0
}

fn after(runs: &Runs, run: &RunView, outcome: RunOutcome) -> String {
    let took = time::between(run.started, run.ended.unwrap_or(run.started));
    let mut out = Text::head(&run.env, &format!("{} ran", run.actor), &run.title, &run.runbook);
    out.item("outcome", &run.verdict_alone().unwrap_or_default());
    out.glass(run.glass.as_deref());
    out.item("approved by", run.approved.as_deref().unwrap_or_default());
    out.params(&run.params);
    let ended = run.ended.unwrap_or(run.started);
    out.item("when", &format!("{} to {}, {}", clock(run.started), clock(ended), spoken(took)));
    // That of a run of which all was taken back is its outcome.
    let told = |state: &StepState| outcome != RunOutcome::Undone || *state != StepState::Undone;
    for (state, steps) in done(run).into_iter().filter(|(state, _)| told(state)) {
        out.item(state.word(), &steps);
    }
    out.each("calls", calls(runs, run));
    out.each("skipped", skipped(run).into_iter());
    out.item("not done", &listed(run.steps.iter().filter(|step| is_not_done(step)).map(StepView::name)));
    out.left(&reach::of_run(runs, run), outcome);
    out.hash(&run.plan_hash);
    out.0
}

/// What was sent, by what came of it: `step 2 'Close them' on primary: 3 closed, 1 spared`. A sentence stands there where one step alone
/// has that state; the outcome tells what went wrong.
fn done(run: &RunView) -> Vec<(StepState, String)> {
    let mut out: Vec<(StepState, Vec<&StepView>)> = Vec::new();
    for step in run.steps.iter().filter(|step| step.sent_at.is_some()) {
        match out.iter_mut().find(|(state, _)| *state == step.state) {
            Some((_, of)) => of.push(step),
            None => out.push((step.state, vec![step])),
        }
    }
    let text = |(state, of): (StepState, Vec<&StepView>)| {
        let detail = match of[..] {
            [one] if state == StepState::Ok && !one.detail.is_empty() => format!(": {}", one.detail),
            _ => String::new(),
        };
        let reached: Vec<Reached> = of.iter().map(|step| sent(step)).collect();
        (state, named(&reached, STEPS) + &detail)
    };
    out.into_iter().map(text).collect()
}

/// What was passed over, step by step: `step 5 'Write a row' on web-1: not needed`.
fn skipped(run: &RunView) -> Vec<String> {
    let mut out: Vec<(&str, Vec<Reached>)> = Vec::new();
    for step in run.steps.iter().filter(|step| step.state == StepState::Skipped && step.sent_at.is_none()) {
        let why = step.detail.strip_prefix("skipped: ").unwrap_or(&step.detail);
        match out.last_mut() {
            Some((before, of)) if *before == why && of[0].title == step.title => of.push(sent(step)),
            _ => out.push((why, vec![sent(step)])),
        }
    }
    let text = |(why, of): (&str, Vec<Reached>)| match why {
        "" => named(&of, STEPS),
        why => format!("{}: {why}", named(&of, STEPS)),
    };
    out.into_iter().map(text).collect()
}

/// The run was over before it came to this, or ended at it before anything was sent.
fn is_not_done(step: &StepView) -> bool {
    let ended_before = matches!(step.state, StepState::Failed | StepState::TimedOut) && step.changes;
    step.sent_at.is_none() && (matches!(step.state, StepState::Planned | StepState::Cancelled) || ended_before)
}

fn sent(step: &StepView) -> Reached {
    let (number, title, target) = (step.number.to_string(), step.title.clone(), step.target.clone());
    Reached { number, title, target, can: step.undo.is_some(), fate: Fate::Made, over: false, by: None }
}

/// What each call of a run has come to, or what it will change; of one that the run ended before, that it was not reached.
pub fn calls<'a>(runs: &'a Runs, run: &'a RunView) -> impl Iterator<Item = String> + 'a {
    let reached = reach::of_run(runs, run);
    let steps = run.steps.iter().filter(|step| step.call.is_some() || runs.called_by(run, step).next().is_some());
    steps.filter_map(move |step| {
        let begun: Vec<String> = runs.called_by(run, step).map(|child| came(runs, step, child)).collect();
        match &step.call {
            _ if !begun.is_empty() => Some(begun.join("; ")),
            Some(call) if run.outcome.is_some() && !step.state.is_final() => Some(never(step, call)),
            Some(call) if !step.state.is_final() => Some(ahead(step.number, &step.title, call, &reached)),
            _ => None,
        }
    })
}

/// `step 2 'Long ones' runs pg-long (low risk): changes step 2.1 'End them' on primary, which cannot be undone`.
fn ahead(number: usize, title: &str, call: &Foreseen, reached: &[Reached]) -> String {
    let name = foreseen::name(&number.to_string(), title);
    format!("{name} runs {} ({} risk): {}", call.runbook, call.risk, changes(&below(reached, number), OWN))
}

/// `step 2 'Long ones' was not reached: pg-long was not run`.
fn never(step: &StepView, call: &Foreseen) -> String {
    format!("{} was not reached: {} was not run", step.name(), call.runbook)
}

/// `step 2 'Long ones' ran pg-long (run 1a2b3c): ok; changed step 2.1 'End them' on primary, which cannot be undone`.
fn came(runs: &Runs, step: &StepView, child: &RunView) -> String {
    // Its own alone: another run may have been called in the same place before, or after it.
    let own = reach::of_run(runs, child).into_iter().filter(|one| one.fate == Fate::Made);
    let made: Vec<Reached> = own.map(|one| Reached { by: None, ..one.under(&step.number.to_string()) }).collect();
    let how = if child.outcome.is_some() { "which can be undone by a plan of its own" } else { OWN };
    let what = if made.is_empty() {
        "changed nothing".to_owned()
    } else {
        changes(&made, how).replacen("changes", "changed", 1)
    };
    format!("{} ran {} (run {}): {}; {what}", step.name(), child.runbook, child.id.short(), child.word())
}

/// The part of them that a step's call brings.
fn below(reached: &[Reached], number: usize) -> Vec<Reached> {
    let lead = format!("{number}.");
    let below = reached.iter().filter(|one| one.number.starts_with(&lead));
    below.map(|one| Reached { by: None, ..one.clone() }).collect()
}

/// While a called run is under way it offers to undo what it did.
const OWN: &str = "which its own run can undo";

/// `how`: how what can be undone is.
fn changes(reached: &[Reached], how: &str) -> String {
    let parts = [true, false].map(|can| named(reached.iter().filter(|one| one.can == can), STEPS));
    match parts {
        [can, not] if can.is_empty() && not.is_empty() => "changes nothing".to_owned(),
        [can, not] if not.is_empty() => format!("changes {can}, {how}"),
        [can, not] if can.is_empty() => format!("changes {not}, which cannot be undone"),
        [can, not] => format!("changes {can}, {how}, and {not}, which cannot be undone"),
    }
}

/// `step 2 'Drain' on game-1`.
fn on(step: &StepView) -> String {
    if step.target.is_empty() { step.name() } else { format!("{} on {}", step.name(), step.target) }
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

/// A text in which no chat and no Markdown finds a mark, a mention, a link or a picture: as it is where it has none, else as code, in which
/// they look for nothing. Backslashes would do in Markdown, and Slack would show them.
fn plain(text: &str) -> Cow<'_, str> {
    if !has_mark(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("`{}`", text.replace('`', "'")))
}

fn has_mark(text: &str) -> bool {
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let mark = match char {
            '`' | '*' | '~' | '<' | '>' | '[' | ']' | '|' | '\\' | '&' => true,
            // Inside of a word they mean nothing: `db_main`, `ada@bastion`.
            '_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            '@' | '#' => !before.is_alphanumeric(),
            ':' => !before.is_alphanumeric() && next.is_alphabetic(),
            _ => false,
        };
        if mark {
            return true;
        }
        before = char;
    }
    false
}

/// One line, not too long; what is cut says so.
fn short(text: &str) -> String {
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ");
    let line = clean(&line);
    let cut = truncate(&line, ITEM);
    if cut.len() == line.len() { line.into_owned() } else { format!("{}…", truncate(&line, ITEM - 1)) }
}

/// The text as it grows: a line, then a list.
struct Text(String);

impl Text {
    /// One asterisk: bold in Slack, and set off everywhere else.
    fn head(env: &str, does: &str, title: &str, id: &str) -> Self {
        let [env, does, title, id] = [env, does, title, id].map(short);
        Self(format!("*{}* {} *{}* ({})\n", plain(&env), plain(&does), plain(&title), plain(&id)))
    }

    /// Nothing when there is nothing to say.
    fn item(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(self.0, "- {label}: {}", plain(&short(text)));
        }
    }

    /// The first few, and how many more there are.
    fn each(&mut self, label: &str, texts: impl Iterator<Item = String>) {
        let texts: Vec<String> = texts.collect();
        let more = texts.len().saturating_sub(EACH);
        for (at, text) in texts.iter().take(EACH).enumerate() {
            self.item(label, text);
            if at + 1 == EACH && more > 0 {
                self.item(label, &format!("and {more} more"));
            }
        }
    }

    fn params(&mut self, params: &[(String, String)]) {
        self.item("with", &listed(params.iter().map(|(name, text)| format!("{name} = {text}"))));
    }

    fn glass(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.item("BREAK-GLASS", &format!("one person does what takes two, because: {reason}"));
        }
    }

    /// What can be taken back of what was done, from the last, and what can't.
    fn left(&mut self, reached: &[Reached], outcome: RunOutcome) {
        let left = named(reached.iter().rev().filter(|one| one.is_left()), STEPS);
        match outcome {
            RunOutcome::Ok if left.is_empty() => {}
            RunOutcome::Ok => self.item("undo", &format!("as a whole, from the last: {left}")),
            _ if left.is_empty() => self.item("left to undo", "nothing"),
            _ => self.item("left to undo", &left),
        }
        self.item("cannot be undone", &named(reached.iter().rev().filter(|one| one.stays()), STEPS));
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
        assert!(listed(names(40)).ends_with("game-4, game-5 and 14 more"), "{}", listed(names(40)));
    }

    #[test]
    fn an_item_is_one_line_in_which_nothing_is_a_mark() {
        let mut out = Text(String::new());
        out.item("outcome", "set -eu\n\n  echo `x` [y](z) <b>");
        out.item("nothing", "");
        assert_eq!(out.0, "- outcome: `set -eu / echo 'x' [y](z) <b>`\n");
    }

    #[test]
    fn a_chat_finds_no_mark_and_no_mention_and_a_plain_text_stays_as_it_is() {
        for fine in [
            "ada@bastion",
            "db_main on 10.0.1.4:5432",
            "step 2 'Drain' on game-1",
            "03:00:00Z",
            "a #1".trim_end_matches("#1"),
        ] {
            assert_eq!(plain(fine), fine);
        }
        for marked in
            ["@here", "<!channel>", "_it_", "*a*", "~a~", "a `b`", "see #general", ":fire:", "a&lt;b", "a | b", "\\n"]
        {
            let told = plain(marked);
            assert!(told.starts_with('`') && told.ends_with('`') && told.matches('`').count() == 2, "{told}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_phone_is_cut_and_says_so() {
        let told = short(&"word ".repeat(100));
        assert!(told.chars().count() <= ITEM && told.ends_with('…'), "{told}");
        let mut out = Text(String::new());
        out.each("calls", (0..5).map(|at| format!("call {at}")));
        assert_eq!(out.0, "- calls: call 0\n- calls: call 1\n- calls: and 3 more\n");
    }
}
