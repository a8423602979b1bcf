//! A plan: everything a run would do, frozen. What is shown is what is approved is what runs.

use super::foreseen::{self, Foreseen};
use super::language::OPERATOR;
use super::language::moment::NOW;
use super::machine::Was;
use super::model::{Role, Runbook};
use super::params;
use super::script::{Fleet, Script, without_host};
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::risk::Level;
use crate::domain::text::{clean, counted, truncate};
use crate::domain::{RunId, Severity};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A plan at a stage: [`Draft`] as the planner made it, [`super::gate::Approved`] as only the gate makes it.
#[derive(Clone, Debug)]
pub struct Plan<Stage> {
    pub(super) body: Arc<PlanBody>,
    pub(super) stage: Stage,
}

/// Nobody has answered yet.
#[derive(Clone, Copy, Debug)]
pub struct Draft;

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRequest {
    /// The runbook's id.
    pub runbook: String,
    /// Parameters given so far, by name; the rest take their defaults.
    pub args: BTreeMap<String, Value>,
    /// The run that it is to be a part of.
    pub caller: Option<Caller>,
    /// No new run: one that was begun before is taken up again.
    pub resumes: Option<Resumption>,
}

/// A run that was begun before, and what is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Which.
    pub run: RunId,
    /// What.
    pub way: Onward,
}

/// What is wanted of a run that was begun before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The rest of it.
    GoOn,
    /// To take back what it did, last first.
    Undo,
}

impl Onward {
    /// The word in its records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::GoOn => "go on",
            Self::Undo => "undo",
        }
    }
}

/// A step of a run that runs another runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The run.
    pub run: RunId,
    /// The step's id.
    pub step: String,
}

impl PlanRequest {
    /// For a run of its own.
    pub fn new(runbook: impl Into<String>, args: BTreeMap<String, Value>) -> Self {
        Self { runbook: runbook.into(), args, caller: None, resumes: None }
    }

    /// To take up a run of this runbook again.
    pub fn resuming(runbook: impl Into<String>, resumption: Resumption) -> Self {
        Self { resumes: Some(resumption), ..Self::new(runbook, BTreeMap::new()) }
    }
}

/// The content of a plan, the same at every stage.
#[derive(Clone, Debug)]
pub struct PlanBody {
    /// The runbook as it was read.
    pub runbook: Arc<Runbook>,
    /// What was asked for, to plan again.
    pub request: PlanRequest,
    /// Parameters as resolved, in the order of the front matter: name and text to show.
    pub params: Vec<(String, String)>,
    /// Parameters as values, for the steps.
    pub values: BTreeMap<String, Value>,
    /// What runs: the runbook's steps, those of a rollout once for each host.
    pub script: Script,
    /// The hosts that it was laid out for.
    pub fleet: Fleet,
    /// What it locks while it runs.
    pub locks: Vec<PlannedLock>,
    /// Why what it locks binds nobody on another machine: the team's journal is away. `None`: it binds everybody, or it locks nothing.
    pub unbound: Option<String>,
    /// The steps of the script, in order, as they would run.
    pub steps: Vec<PlannedStep>,
    /// Reasons why it cannot be approved now; empty when it can.
    pub blocked: Vec<String>,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// Of a run that is taken up again: what is known of it.
    pub again: Option<Again>,
    /// SHA-256 (hex) over the runbook's text, parameters and approved row keys.
    pub hash: String,
}

/// What is known of a run that is taken up again.
#[derive(Clone, Debug)]
pub struct Again {
    /// Its steps, in their order.
    pub was: Vec<Was>,
    /// The rows that it has found and that its changes gave back, each with the host of a rollout that they are of.
    pub outs: Vec<(Option<String>, Rows)>,
    /// The number of its records: with another one it is not the run that was seen.
    pub records: usize,
    /// The runs that its steps called, by the steps' ids.
    pub called: BTreeMap<String, RunId>,
    /// The numbers of its page's steps, by their ids without the host.
    pub numbers: BTreeMap<String, usize>,
    /// So often the undo of a step was sent and did not go well, by the steps' ids; of those where it never was nothing.
    pub tried: BTreeMap<String, u32>,
    /// How it ended before.
    pub outcome: Option<RunOutcome>,
}

/// What begins the heading of a step that takes another one back.
pub const UNDO: &str = "Undo: ";

/// Something that only one run may hold at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLock {
    /// What: `database/primary`.
    pub resource: String,
    /// Who held it when the plan was made, in a sentence; `None`: nobody else.
    pub holder: Option<String>,
    /// The run that holds it, of those that this one does not belong to.
    pub held_by: Option<RunId>,
    /// A run that this one is to belong to holds it.
    pub ours: bool,
}

impl PlannedLock {
    /// How it stands, for people: `free`.
    pub fn state(&self) -> &str {
        match (&self.holder, self.ours) {
            (Some(holder), _) => holder,
            (None, true) => "held by the run that calls this one",
            (None, false) => "free",
        }
    }
}

/// One step as it would run.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// `section-slug/step-slug`, and of a rollout `@host` behind it.
    pub id: String,
    /// Heading.
    pub title: String,
    /// The host of a rollout that it is done on.
    pub host: Option<String>,
    /// Its host could not be reached when the plan was made: why. It is not begun, and its host counts as failed.
    pub lost: Option<String>,
    /// What it acts on, for people: `api on local`, `primary`.
    pub target: String,
    /// Where that is, because a name of the config tells only who knows the config: `10.0.1.4:5432`. Empty: nowhere else.
    pub address: String,
    /// Its fences, in order; none: it is done by hand, or runs another runbook.
    pub fences: Vec<PlannedFence>,
    /// What only a step without fences has.
    pub by_hand: Option<ByHand>,
    /// The rows its `plan` fence found: the blast radius.
    pub rows: Option<Rows>,
    /// How it is undone, for people; `None` when it cannot be.
    pub undo: Option<String>,
    /// The answer it takes.
    pub level: Level,
    /// The phrase to type, when the level is typed: `kill 37 on primary`.
    pub phrase: Option<String>,
    /// Of a run that is taken up again: it was done before, with this end, and is not done again.
    pub past: Option<StepState>,
    /// It takes back what a step did in an earlier life of its run.
    pub takes_back: bool,
}

/// A step that a person does, or that runs another runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByHand {
    /// What it says, without what is to be ticked and chosen.
    pub prose: String,
    /// Items to tick, in order.
    pub tasks: Vec<String>,
    /// What there is to choose from.
    pub choices: Vec<String>,
    /// The runbook that it runs, and what that would change.
    pub call: Option<Foreseen>,
}

/// One fence as it would be sent.
#[derive(Clone, Debug)]
pub struct PlannedFence {
    /// Role.
    pub role: Role,
    /// Where the place that it goes to is, as it is known at the plan: a name of the config may lead elsewhere later. Empty: nowhere else.
    pub address: String,
    /// Language: `docker`, `sql`.
    pub language: String,
    /// Where it goes: a connection, a server, `local`.
    pub on: String,
    /// What its `if` says of it.
    pub when: When,
    /// Exactly what would be sent, parameters shown beside it.
    pub sent: String,
    /// The lines of it that give values to a script, each as a shell sets a variable: `server='game-1'`.
    pub given: Vec<String>,
    /// The rest of it; empty where no values are given.
    pub bare: String,
    /// What must be true of the answer, with its word: `until …`, `expect …`.
    pub holds: Option<String>,
    /// What a check or plan fence found when the plan was made.
    pub finding: Option<Finding>,
    /// The identity that its target was resolved to when the plan was made: a container's full id.
    pub pinned: Option<String>,
}

/// What the `if` of a fence says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// It has none.
    #[default]
    Always,
    /// It is true: the condition.
    Holds(String),
    /// It is known only when its step begins: the condition.
    Later(String),
    /// It is not true, or that of its step's `run` is not: why. The fence was not asked, and is not sent.
    LeftOut(String),
}

/// What a read-only fence found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// It passed.
    pub passed: bool,
    /// In words.
    pub text: String,
    /// What a script printed that the words do not have: the beginning of it.
    pub more: Vec<String>,
    /// So many lines follow that.
    pub beyond: usize,
}

/// How the text of a finding begins that is in nobody's way, and yet not good.
pub const WARNS: &str = "it warns: ";
/// The text of one that is yet to be found: a look that only tells is asked at its step.
pub const LATER: &str = "asked at its step: it only tells, and stops nothing";

/// Lines that a plan has of what a script printed below its first one.
const MORE: usize = 5;
/// Cells of each of them.
const WIDEST: usize = 240;

impl Finding {
    /// Without more than its words.
    pub fn of(passed: bool, text: impl Into<String>) -> Self {
        Self { passed, text: text.into(), more: Vec::new(), beyond: 0 }
    }

    /// With what a script printed that its words do not have.
    #[must_use]
    pub fn with(mut self, printed: &str) -> Self {
        let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        // A line that says that one more is left out takes as much room as that one.
        let told = if lines.len() > MORE + 1 { MORE } else { lines.len() };
        self.more = lines[..told].iter().map(|line| short(line.trim_end())).collect();
        self.beyond = lines.len() - told;
        self
    }

    /// That more lines follow, if any do.
    pub fn rest(&self) -> Option<String> {
        (self.beyond > 0).then(|| format!("… {} more lines: the step shows them when it is asked", self.beyond))
    }

    /// Its sign: good, bad, a warning, not asked yet.
    pub fn mark(&self) -> (&'static str, Severity) {
        match self.passed {
            false => ("✗", Severity::Critical),
            true if self.text.starts_with(WARNS) => ("!", Severity::Warning),
            true if self.text == LATER => ("·", Severity::None),
            true => ("✓", Severity::Ok),
        }
    }
}

fn short(line: &str) -> String {
    let (line, end) = (clean(line), "…");
    let short = truncate(&line, WIDEST);
    if short.len() < line.len() { format!("{short}{end}") } else { line.into_owned() }
}

/// Rows of a plan fence.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_field_names, reason = "rows are rows: no other word says it as well")]
pub struct Rows {
    /// The `out` name.
    pub name: String,
    /// Columns that make a row the same row.
    pub key: Vec<String>,
    /// Column names in order.
    pub columns: Vec<String>,
    /// One JSON object per row.
    pub rows: Vec<Value>,
    /// What they come to, in the page's own words (`show` of its fence).
    pub told: Option<String>,
}

/// How a fresh set of rows differs from the approved one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The same keys.
    Same,
    /// Some are gone; goes on with what is left.
    Shrank(usize),
    /// New keys: must be shown and asked again.
    Grew(usize),
}

impl Rows {
    /// Rows as a record keeps them.
    pub fn remembered(name: &str, rows: &Value) -> Self {
        Self {
            name: name.to_owned(),
            key: serde_json::from_value(rows["key"].clone()).unwrap_or_default(),
            columns: Vec::new(),
            rows: rows["rows"].as_array().cloned().unwrap_or_default(),
            told: None,
        }
    }

    /// What makes `row` the same row. `None` when it lacks a key column.
    pub fn key_of(&self, row: &Value) -> Option<String> {
        let key: Option<Vec<&Value>> = self.key.iter().map(|column| row.get(column)).collect();
        serde_json::to_string(&key?).ok()
    }

    fn keys(&self) -> BTreeSet<String> {
        self.rows.iter().filter_map(|row| self.key_of(row)).collect()
    }

    /// These rows without those that `fresh` no longer has. The values stay those that were approved.
    #[must_use]
    pub fn still_in(&self, fresh: &Self) -> Self {
        let keys = fresh.keys();
        let is_left = |row: &&Value| self.key_of(row).is_some_and(|key| keys.contains(&key));
        Self { rows: self.rows.iter().filter(is_left).cloned().collect(), ..self.clone() }
    }
}

/// How `fresh` differs from what was approved. Only keys count: an age that went on is no change. Rows that came and others
/// that went together are growth.
pub fn change(approved: &Rows, fresh: &Rows) -> Change {
    let (old, new) = (approved.keys(), fresh.keys());
    match (new.difference(&old).count(), old.difference(&new).count()) {
        (0, 0) => Change::Same,
        (0, gone) => Change::Shrank(gone),
        (came, _) => Change::Grew(came),
    }
}

impl Plan<Draft> {
    /// A plan that nobody has answered yet; its hash is computed here.
    pub fn new(mut body: PlanBody) -> Self {
        body.hash = hash(&body);
        Self { body: Arc::new(body), stage: Draft }
    }
}

/// SHA-256 over what must be the same for a plan to be the same: the file, the parameters, the targets and where they are, the rows' keys, and the
/// answer that it takes. What is sent is made of these, and may hold values that only move: times count from when the plan was made.
fn hash(body: &PlanBody) -> String {
    let moves = |name: &str| name == NOW || name == OPERATOR;
    let values: BTreeMap<&String, &Value> = body.values.iter().filter(|(name, _)| !moves(name)).collect();
    let steps: Vec<Value> = body.steps.iter().map(hashed_step).collect();
    let again = body.request.resumes.zip(body.again.as_ref());
    let again = again.map(|(resumption, again)| json!([resumption.run, resumption.way.word(), again.records]));
    let whole = match again {
        Some(again) => json!([body.runbook.hash, values, steps, again]),
        None => json!([body.runbook.hash, values, steps]),
    };
    super::parse::sha256(&whole.to_string())
}

fn hashed_step(step: &PlannedStep) -> Value {
    let pinned: Vec<&Option<String>> = step.fences.iter().map(|fence| &fence.pinned).collect();
    let left_out: Vec<bool> = step.fences.iter().map(PlannedFence::is_left_out).collect();
    let places: Vec<[&str; 2]> = step.fences.iter().map(|fence| [fence.on.as_str(), fence.address.as_str()]).collect();
    let (rows, level) = (step.rows.as_ref().map(Rows::keys), step.level);
    // Another page behind a call is another plan.
    let called = step.call().map(|call| (&call.hash, &call.changes));
    let same = json!([step.id, pinned, rows, left_out, places, step.target, step.address, level]);
    match called {
        None => same,
        Some(called) => json!([same, called]),
    }
}

impl<Stage> Plan<Stage> {
    /// The content.
    pub fn body(&self) -> &PlanBody {
        &self.body
    }
    /// The strictest answer that the plan itself takes: that of the change that is answered with it (others ask at their time), else `y`.
    pub fn level(&self) -> Level {
        match (self.answered(), self.first_change()) {
            (Some(step), _) => step.level,
            (None, first) => first.map_or(Level::None, |step| step.level.min(Level::Yes)),
        }
    }
    /// The phrase to type, when [`Plan::level`] is typed.
    pub fn phrase(&self) -> Option<&str> {
        self.answered().and_then(|step| step.phrase.as_deref())
    }
    /// A change of it takes a second person.
    pub fn takes_two(&self) -> bool {
        self.body.steps.iter().any(|step| step.changes() && step.level == Level::Two)
    }
    /// It runs when one person breaks the glass, and not otherwise: a change takes two, or what it locks binds nobody else.
    pub fn takes_glass(&self) -> bool {
        self.takes_two() || self.is_unbound()
    }
    /// It changes something, and what it locks binds nobody on another machine.
    pub fn is_unbound(&self) -> bool {
        self.body.unbound.is_some() && self.first_change().is_some()
    }
    /// The first step that changes something.
    pub fn first_change(&self) -> Option<&PlannedStep> {
        self.body.steps.iter().find(|step| step.changes())
    }
    /// The same, where it is known to come: its answer is given with the plan. One that is decided on the way asks when it is.
    pub fn answered(&self) -> Option<&PlannedStep> {
        self.first_change().filter(|step| step.takes_back || !step.is_open())
    }
    /// The steps that ask for a phrase of their own when they are reached, each with it; a step on several hosts asks once.
    pub fn later(&self) -> Vec<(&PlannedStep, &str)> {
        let mut seen: Vec<&str> = self.answered().map(PlannedStep::of).into_iter().collect();
        let asks = |step: &&PlannedStep| step.changes() && step.past.is_none() && step.level > Level::Yes;
        let mut found = Vec::new();
        for step in self.body.steps.iter().filter(asks) {
            if !seen.contains(&step.of())
                && let Some(phrase) = &step.phrase
            {
                seen.push(step.of());
                found.push((step, phrase.as_str()));
            }
        }
        found
    }
}

impl PlanBody {
    /// Who and what is touched as a whole, where its runbook says it: `all players on game-1`. It says it of what it does, and not of the way back.
    pub fn affects(&self) -> Option<String> {
        if self.request.resumes.is_some_and(|resumption| resumption.way == Onward::Undo) {
            return None;
        }
        Some(params::filled(self.runbook.affects.as_ref()?, &self.params))
    }

    /// How much rows are, for people: in the page's own words, else by their number. Where the page says whom it affects as a whole they are
    /// not what is affected.
    pub fn extent(&self, rows: &Rows) -> String {
        match (&rows.told, &self.runbook.affects) {
            (Some(told), _) => told.clone(),
            (None, Some(_)) => format!("{} found", counted(rows.rows.len(), "row")),
            (None, None) => format!("{} affected", rows.rows.len()),
        }
    }

    /// The steps, each with what it is on the other hosts of its rollout, in the order of the file.
    pub fn by_step(&self) -> Vec<Vec<&PlannedStep>> {
        let mut found: Vec<Vec<&PlannedStep>> = Vec::new();
        for step in &self.steps {
            let same = |members: &&mut Vec<&PlannedStep>| step.host.is_some() && members[0].of() == step.of();
            match found.iter_mut().find(same) {
                Some(members) => members.push(step),
                None => found.push(vec![step]),
            }
        }
        found
    }

    /// The number of a step in the page, from 1, on whatever host. A run that goes backwards has its steps in another order than that.
    pub fn number(&self, step: &PlannedStep) -> usize {
        if let Some(known) = self.again.as_ref().and_then(|again| again.numbers.get(step.of())) {
            return *known;
        }
        self.by_step().iter().position(|members| members[0].of() == step.of()).map_or(0, |at| at + 1)
    }

    /// `step 2 'Start it again'`.
    pub fn name(&self, step: &PlannedStep) -> String {
        foreseen::name(&self.number(step).to_string(), &step.title)
    }

    /// A step by its id.
    pub fn step(&self, id: &str) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// A name with where that is: `primary (ops@10.0.1.4:5432/app)`. One that is its own address, or has none, stands alone.
pub fn located(name: &str, address: &str) -> String {
    if address.is_empty() || address == name { name.to_owned() } else { format!("{name} ({address})") }
}

impl PlannedStep {
    /// Its target, and where that is; empty: it has none.
    pub fn place(&self) -> String {
        located(
            if self.target.is_empty() { self.host.as_deref().unwrap_or_default() } else { &self.target },
            &self.address,
        )
    }

    /// It has a fence that changes something, and that its `if` does not leave out.
    pub fn changes(&self) -> bool {
        self.fences.iter().any(|fence| fence.role == Role::Run && !fence.is_left_out())
    }

    /// The runbook that it runs, and what that would change.
    pub fn call(&self) -> Option<&Foreseen> {
        self.by_hand.as_ref()?.call.as_ref()
    }

    /// The step of the file that it is, on whatever host.
    pub fn of(&self) -> &str {
        without_host(&self.id)
    }

    /// Whether its `run` is left out is known only when its step begins.
    pub fn is_open(&self) -> bool {
        self.fences.iter().any(|fence| fence.role == Role::Run && matches!(fence.when, When::Later(_)))
    }

    /// What is said of its question where nobody knows yet whether it is asked.
    pub fn whether(&self) -> &'static str {
        if self.is_open() { ", if it comes to that" } else { "" }
    }

    /// Its `run` is left out, and so is all of it: why.
    pub fn left_out(&self) -> Option<&str> {
        let run = self.fences.iter().find(|fence| fence.role == Role::Run)?;
        match &run.when {
            When::LeftOut(why) => Some(why),
            When::Always | When::Holds(_) | When::Later(_) => None,
        }
    }
}

impl PlannedFence {
    /// Its `if` leaves it out.
    pub fn is_left_out(&self) -> bool {
        matches!(self.when, When::LeftOut(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pids: &[(i64, &str)]) -> Rows {
        let key = vec!["pid".to_owned(), "start".to_owned()];
        let row = |(pid, start): &(i64, &str)| json!({"pid": pid, "start": start, "age": "1s"});
        Rows { name: "idle".to_owned(), key, rows: pids.iter().map(row).collect(), ..Rows::default() }
    }

    #[test]
    fn only_keys_make_a_change() {
        let approved = rows(&[(1, "a"), (2, "b")]);
        let mut older = approved.clone();
        older.rows[0]["age"] = json!("9s");
        older.rows.reverse();
        assert_eq!(change(&approved, &older), Change::Same);
        assert_eq!(change(&approved, &rows(&[(2, "b")])), Change::Shrank(1));
        assert_eq!(change(&approved, &rows(&[(1, "a"), (2, "b"), (3, "c")])), Change::Grew(1));
        assert_eq!(change(&approved, &rows(&[])), Change::Shrank(2));
    }

    #[test]
    fn a_pid_used_again_is_another_session() {
        assert_eq!(change(&rows(&[(1, "a")]), &rows(&[(1, "b")])), Change::Grew(1));
    }

    #[test]
    fn a_plan_has_the_beginning_of_what_a_script_printed_and_says_how_much_is_left_out() {
        let printed = |lines: usize| (1..=lines).map(|at| format!("{at} \u{1b}[31m\n\n")).collect::<String>();
        assert_eq!(Finding::of(true, "1").with(""), Finding::of(true, "1"));
        let six = Finding::of(true, "0").with(&printed(6));
        assert_eq!((six.more[0].as_str(), six.more[5].as_str(), six.more.len()), ("1 ␛[31m", "6 ␛[31m", 6));
        assert_eq!(six.rest(), None);
        let seven = Finding::of(true, "0").with(&printed(7));
        assert_eq!((seven.more.len(), seven.more[4].as_str()), (5, "5 ␛[31m"));
        assert_eq!(seven.rest().unwrap(), "… 2 more lines: the step shows them when it is asked");
        let wide = Finding::of(true, "1").with(&"界".repeat(200));
        assert_eq!(wide.more[0].chars().count(), WIDEST / 2 + 1);
    }

    #[test]
    fn what_is_left_keeps_the_approved_values() {
        let approved = rows(&[(1, "a"), (2, "b")]);
        let mut fresh = rows(&[(2, "b"), (3, "c")]);
        fresh.rows[0]["age"] = json!("9s");
        let left = approved.still_in(&fresh);
        assert_eq!(left.rows, [approved.rows[1].clone()]);
    }

    #[test]
    fn a_row_without_its_key_is_no_row() {
        let approved = rows(&[(1, "a")]);
        let fresh = Rows { rows: vec![json!({"pid": 1})], ..approved.clone() };
        assert_eq!(change(&approved, &fresh), Change::Shrank(1));
    }
}
