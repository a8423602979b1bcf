//! The gate: the only place where a plan becomes approved and a step's passed pre-checks become its permit.
//!
//! The fields are private and the constructors are here, so that what starts a run or a changing step can carry nothing
//! else. Must stay small enough to be read in one sitting.

use super::plan::{Draft, Plan};
use crate::domain::risk::Level;

/// Whether acting is possible just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// `--read-only`: never in this process.
    ReadOnly,
    /// Locked: one key and a confirmation unlock it.
    Locked,
    /// Unlocked.
    Unlocked,
}

/// What the gate judges by beside the plan.
#[derive(Clone, Copy, Debug)]
pub struct Authority {
    /// May anything be changed?
    pub writes: Writes,
}

/// What the operator answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key `y`.
    Yes,
    /// A typed phrase.
    Phrase(String),
}

/// Why not. The `Display` text says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `--read-only`.
    #[error("this dashboard is read-only: start it without --read-only to act")]
    ReadOnly,
    /// The write lock.
    #[error("writes are locked: press W to unlock them")]
    Locked,
    /// The plan says why.
    #[error("the plan is blocked: {0}")]
    Blocked(String),
    /// `y` is not enough.
    #[error("type {0:?} to confirm")]
    NeedsPhrase(String),
    /// Not the phrase.
    #[error("that is not {0:?}: nothing was done")]
    WrongPhrase(String),
    /// Needs a team's journal.
    #[error("this needs a second person's approval, which needs a team journal; none is configured")]
    NeedsTwo,
}

/// A plan that was shown and answered. Made by [`approve`] only.
#[derive(Clone, Debug)]
pub struct Approved {
    answer: Answer,
}

/// Leave to send one changing step, once. Made from an approved plan only, and consumed by the step.
#[derive(Debug)]
pub struct StepPermit {
    step: String,
}

impl StepPermit {
    /// The step it is for.
    pub fn step(&self) -> &str {
        &self.step
    }
}

/// Approves a plan, or says why not and hands it back.
pub fn approve(
    plan: Plan<Draft>,
    answer: &Answer,
    authority: Authority,
) -> Result<Plan<Approved>, (Plan<Draft>, Refusal)> {
    match judge(&plan, answer, authority) {
        Some(refusal) => Err((plan, refusal)),
        None => Ok(Plan { body: plan.body, stage: Approved { answer: answer.clone() } }),
    }
}

fn judge(plan: &Plan<Draft>, answer: &Answer, authority: Authority) -> Option<Refusal> {
    match authority.writes {
        Writes::ReadOnly => return Some(Refusal::ReadOnly),
        Writes::Locked => return Some(Refusal::Locked),
        Writes::Unlocked => {}
    }
    if let Some(reason) = plan.body.blocked.first() {
        return Some(Refusal::Blocked(reason.clone()));
    }
    let phrase = plan.phrase().unwrap_or_default();
    match (plan.level(), answer) {
        (Level::None | Level::Yes, _) => None,
        (Level::Typed, Answer::Phrase(typed)) if !phrase.is_empty() && typed.trim() == phrase => None,
        (Level::Typed, Answer::Phrase(_)) => Some(Refusal::WrongPhrase(phrase.to_owned())),
        (Level::Typed, Answer::Yes) => Some(Refusal::NeedsPhrase(phrase.to_owned())),
        (Level::Two, _) => Some(Refusal::NeedsTwo),
    }
}

impl Plan<Approved> {
    /// What was answered, for the journal.
    pub fn answer(&self) -> &Answer {
        &self.stage.answer
    }
}
