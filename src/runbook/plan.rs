//! A plan: everything a run would do, frozen. What is shown is what is approved is what runs.

use super::model::{Role, Runbook};
use crate::domain::risk::Level;
use serde_json::Value;
use std::collections::BTreeMap;
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
    /// Steps in order.
    pub steps: Vec<PlannedStep>,
    /// Reasons why it cannot be approved now; empty when it can.
    pub blocked: Vec<String>,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// SHA-256 (hex) over the runbook's text, parameters and approved row keys.
    pub hash: String,
}

/// One step as it would run.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// `section-slug/step-slug`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What it acts on, for people: `api on local`, `primary`.
    pub target: String,
    /// Its fences, in order.
    pub fences: Vec<PlannedFence>,
    /// The rows its `plan` fence found: the blast radius.
    pub rows: Option<Rows>,
    /// How it is undone, for people; `None` when it cannot be.
    pub undo: Option<String>,
    /// The answer it takes.
    pub level: Level,
    /// The phrase to type, when the level is typed: `kill 37 on primary`.
    pub phrase: Option<String>,
}

/// One fence as it would be sent.
#[derive(Clone, Debug)]
pub struct PlannedFence {
    /// Role.
    pub role: Role,
    /// Language: `docker`, `sql`.
    pub language: String,
    /// Exactly what would be sent, parameters shown beside it.
    pub sent: String,
    /// What a check or plan fence found when the plan was made.
    pub finding: Option<Finding>,
}

/// What a read-only fence found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// It passed.
    pub passed: bool,
    /// In words.
    pub text: String,
}

/// Rows of a plan fence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The `out` name.
    pub name: String,
    /// Columns that make a row the same row.
    pub key: Vec<String>,
    /// Column names in order.
    pub columns: Vec<String>,
    /// One JSON object per row.
    pub rows: Vec<Value>,
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

impl<Stage> Plan<Stage> {
    /// The content.
    pub fn body(&self) -> &PlanBody {
        &self.body
    }
    /// The strictest answer that the plan itself takes: that of its first changing step (later ones ask at their time).
    pub fn level(&self) -> Level {
        self.first_change().map_or(Level::None, |step| step.level)
    }
    /// The phrase to type, when [`Plan::level`] is typed.
    pub fn phrase(&self) -> Option<&str> {
        self.first_change().and_then(|step| step.phrase.as_deref())
    }
    fn first_change(&self) -> Option<&PlannedStep> {
        self.body.steps.iter().find(|step| step.fences.iter().any(|fence| fence.role == Role::Run))
    }
}
