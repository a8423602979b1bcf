//! The gate: the only place where a plan becomes approved and a step's passed pre-checks become its permit.
//!
//! The fields are private and the constructors are here, so that what starts a run or a changing step can carry nothing
//! else. Must stay small enough to be read in one sitting.

mod approval;
mod glass;

pub use approval::Approval;
pub use glass::Glass;

use super::model::Role;
use super::plan::{Change, Draft, Finding, Plan, PlannedFence, PlannedStep, Rows, change};
use super::script::without_host;
use crate::domain::reason;
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
#[derive(Clone, Debug)]
pub struct Authority {
    /// May anything be changed?
    pub writes: Writes,
    /// One person does what takes two, and why.
    pub glass: Option<Glass>,
    /// What a second person has approved, as the journal's server says.
    pub approval: Option<Approval>,
}

impl Authority {
    /// One person alone.
    pub const fn alone(writes: Writes) -> Self {
        Self { writes, glass: None, approval: None }
    }

    /// Somebody stands for the second person, for this plan.
    fn has_second<Stage>(&self, plan: &Plan<Stage>) -> bool {
        self.glass.is_some() || self.approval.as_ref().is_some_and(|approval| approval.is_of(plan))
    }
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
    /// Nobody has approved it.
    #[error(
        "this takes a second person's approval: ask for it, which a team's journal ([journal.postgres]) is needed for"
    )]
    NeedsTwo,
    /// What was approved is another plan.
    #[error("what was approved is another plan than this one: ask for an approval of this one")]
    OtherPlan,
    /// Locks that bind nobody else.
    #[error("{0}; to do it all the same, break the glass and say why")]
    Unbound(String),
    /// The policy lets nobody do alone what takes two.
    #[error("the config forbids it to break the glass: break_glass = \"refuse\" under [policy]")]
    GlassForbidden,
    /// That is no reason.
    #[error("to break the glass {}", reason::WANTED)]
    NoReason,
    /// A step that the approved plan does not hold, or that changes nothing.
    #[error("the approved plan has no changing step {0:?}: make the plan again")]
    NotInPlan(String),
}

/// A plan that was shown and answered. Made by [`approve`] only.
#[derive(Clone, Debug)]
pub struct Approved {
    answer: Answer,
    glass: Option<Glass>,
    approval: Option<Approval>,
}

/// A step's checks and plan fence were asked again and still allow it. Made by [`Plan::recheck`] only.
#[derive(Debug)]
pub struct Passed {
    step: String,
    rows: Option<Rows>,
}

impl Passed {
    /// The approved rows that are left.
    pub fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }
}

/// What asking again right before a step came to.
#[derive(Debug)]
pub enum Recheck {
    /// It may go on.
    Passed(Passed),
    /// Every approved row is gone: nothing left to do.
    Empty,
    /// So many rows came that nobody approved.
    Grew(usize),
    /// A check does not hold, or was not asked: why.
    Blocked(String),
}

/// Leave to send one changing step, once. Made from an approved plan and its passed checks only, and consumed by the step.
#[derive(Debug)]
pub struct StepPermit {
    step: String,
    rows: Option<Rows>,
}

impl StepPermit {
    /// The step it is for.
    pub fn step(&self) -> &str {
        &self.step
    }
    /// The approved rows that are left: all that the step may touch.
    pub fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }
}

/// Approves a plan, or says why not and hands it back.
pub fn approve(
    plan: Plan<Draft>,
    answer: &Answer,
    authority: Authority,
) -> Result<Plan<Approved>, (Plan<Draft>, Refusal)> {
    match judge(&plan, answer, &authority) {
        Some(refusal) => Err((plan, refusal)),
        None => {
            // Where one person was enough nothing was broken, and where a second one approved neither.
            let two = plan.takes_two();
            let approval = authority.approval.filter(|approval| two && approval.is_of(&plan));
            let glass = authority.glass.filter(|_| plan.is_unbound() || two && approval.is_none());
            Ok(Plan { body: plan.body, stage: Approved { answer: answer.clone(), glass, approval } })
        }
    }
}

fn judge(plan: &Plan<Draft>, answer: &Answer, authority: &Authority) -> Option<Refusal> {
    match authority.writes {
        Writes::ReadOnly => return Some(Refusal::ReadOnly),
        Writes::Locked => return Some(Refusal::Locked),
        Writes::Unlocked => {}
    }
    if let Some(reason) = plan.body.blocked.first() {
        return Some(Refusal::Blocked(reason.clone()));
    }
    // Told now, and not when the run is half done.
    let second = authority.has_second(plan);
    if plan.takes_two() && !second {
        return Some(authority.approval.as_ref().map_or(Refusal::NeedsTwo, |_| Refusal::OtherPlan));
    }
    if authority.glass.is_none() && plan.is_unbound() {
        return Some(Refusal::Unbound(plan.body.unbound.clone().unwrap_or_default()));
    }
    weigh(plan.level(), plan.phrase(), answer, second)
}

/// Why an answer is not enough, if it is not.
fn weigh(level: Level, phrase: Option<&str>, answer: &Answer, second: bool) -> Option<Refusal> {
    let phrase = phrase.unwrap_or_default();
    match (level, answer) {
        (Level::None | Level::Yes, _) => None,
        (Level::Two, _) if !second => Some(Refusal::NeedsTwo),
        (Level::Typed | Level::Two, Answer::Phrase(typed)) if !phrase.is_empty() && typed.trim() == phrase => None,
        (Level::Typed | Level::Two, Answer::Phrase(_)) => Some(Refusal::WrongPhrase(phrase.to_owned())),
        (Level::Typed | Level::Two, Answer::Yes) => Some(Refusal::NeedsPhrase(phrase.to_owned())),
    }
}

impl Plan<Approved> {
    /// What was answered, for the journal.
    pub fn answer(&self) -> &Answer {
        &self.stage.answer
    }

    /// Why one person was let through where it takes two; `None`: it takes one.
    pub fn glass(&self) -> Option<&Glass> {
        self.stage.glass.as_ref()
    }

    /// What a second person has approved; `None`: it takes one, or the glass was broken.
    pub fn approval(&self) -> Option<&Approval> {
        self.stage.approval.as_ref()
    }

    /// Judges what was found right before a step: a finding for each of its checks, and the fresh rows of its plan fence.
    /// What was not asked again does not pass.
    pub fn recheck(&self, step: &str, checks: &[Finding], fresh: Option<&Rows>) -> Recheck {
        let Some(planned) = self.changing(step) else {
            return Recheck::Blocked(Refusal::NotInPlan(step.to_owned()).to_string());
        };
        if let Some(finding) = checks.iter().find(|finding| !finding.passed) {
            return Recheck::Blocked(finding.text.clone());
        }
        let asked = |role| move |fence: &&PlannedFence| fence.role == role && !fence.is_left_out();
        let wanted = |role| planned.fences.iter().filter(asked(role)).count();
        if checks.len() != wanted(Role::Check) || usize::from(fresh.is_some()) != wanted(Role::Plan) {
            return Recheck::Blocked("not every check was asked again".to_owned());
        }
        let rows = match (&planned.rows, fresh) {
            (None, None) => None,
            (Some(approved), Some(fresh)) => match change(approved, fresh) {
                Change::Grew(count) => return Recheck::Grew(count),
                Change::Same | Change::Shrank(_) => Some(approved.still_in(fresh)),
            },
            (None, Some(_)) | (Some(_), None) => {
                return Recheck::Blocked("the plan has no rows to compare with".to_owned());
            }
        };
        if rows.as_ref().is_some_and(|rows| rows.rows.is_empty()) {
            return Recheck::Empty;
        }
        Recheck::Passed(Passed { step: step.to_owned(), rows })
    }

    /// Turns passed checks into the permit. The first changing step, where it is known to come, was answered with the plan; a later one whose level is
    /// above `yes` takes an answer of its own.
    pub fn permit(&self, passed: Passed, answer: Option<&Answer>) -> Result<StepPermit, Refusal> {
        match self.refuses(&passed.step, answer) {
            Some(refusal) => Err(refusal),
            None => Ok(StepPermit { step: passed.step, rows: passed.rows }),
        }
    }

    /// Leave to take a step back, once: its `undo` was part of the plan that was approved. `sent`: the rows that it was sent with.
    pub fn permit_undo(&self, step: &str, sent: Option<&Rows>) -> Result<StepPermit, Refusal> {
        let has_undo = |planned: &&PlannedStep| {
            planned.fences.iter().any(|fence| fence.role == Role::Undo && !fence.is_left_out())
        };
        // What was done before the run was taken up again was part of that plan.
        let done = |planned: &&PlannedStep| planned.changes() || planned.past.is_some();
        let planned =
            self.body.step(step).filter(done).filter(has_undo).ok_or_else(|| Refusal::NotInPlan(step.to_owned()))?;
        let left = |rows: &Rows| sent.map_or_else(|| rows.clone(), |sent| rows.still_in(sent));
        Ok(StepPermit { step: step.to_owned(), rows: planned.rows.as_ref().map(left) })
    }

    /// Why an answer is not enough for a step, if it is not.
    pub fn refuses(&self, step: &str, answer: Option<&Answer>) -> Option<Refusal> {
        let Some(planned) = self.changing(step) else { return Some(Refusal::NotInPlan(step.to_owned())) };
        let answer = if self.asks_for_itself(step) { answer.unwrap_or(&Answer::Yes) } else { self.answer() };
        let second = self.glass().is_some() || self.approval().is_some();
        weigh(planned.level, planned.phrase.as_deref(), answer, second)
    }

    /// The step takes an answer of its own at its time: it is not the change that is answered with the plan, and its level is above `yes`. One
    /// answer is for all hosts of a rollout.
    pub fn asks_for_itself(&self, step: &str) -> bool {
        let first = self.answered().is_some_and(|first| first.of() == without_host(step));
        !first && self.changing(step).is_some_and(|step| step.level > Level::Yes)
    }

    fn changing(&self, step: &str) -> Option<&PlannedStep> {
        self.body.step(step).filter(|step| step.changes())
    }
}

#[cfg(test)]
mod tests;
