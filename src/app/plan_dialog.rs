//! The plan on the screen: what would happen, and the one answer that makes it happen.

use super::answer::Arming;
use super::params_dialog::changeable;
use crate::domain::RunId;
use crate::domain::risk::{BreakGlass, Level, Policy};
use crate::runbook::{Approval, Draft, Glass, Plan, Refusal, Writes};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use std::collections::BTreeMap;

/// What a reason is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// One person does what takes two.
    Glass,
    /// Whoever holds a lock is asked for it.
    AskLock,
    /// A lock is taken over from who holds it.
    TakeLock,
}

/// The dialog.
#[derive(Debug)]
pub struct PlanDialog {
    /// The plan. Taken out when it is approved.
    pub plan: Plan<Draft>,
    /// Why it is shown again: what changed.
    pub notice: Option<String>,
    /// Parameters that came from an alert's labels, and what to say of each.
    pub labelled: BTreeMap<String, String>,
    /// Whether anything may be changed just now.
    pub writes: Writes,
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// The phrase being typed.
    pub field: Field,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
    /// First line of the plan shown.
    pub scroll: Scroll,
    /// The reason being typed for which one person does what takes two.
    pub reason: Option<Field>,
    /// That reason, once it is given.
    pub glass: Option<Glass>,
    /// What a second person has approved of it.
    pub approval: Option<Approval>,
    /// It was asked for whether somebody has.
    pub(super) sought: bool,
    /// What a reason is typed for.
    pub why: Why,
    /// What others are told, while it is looked at in place of the plan.
    pub told: Option<String>,
}

impl PlanDialog {
    /// Shows a plan.
    pub fn new(plan: Plan<Draft>, notice: Option<String>, writes: Writes) -> Self {
        Self {
            plan,
            notice,
            labelled: BTreeMap::new(),
            writes,
            arming: Arming::default(),
            armed: false,
            field: Field::default(),
            refusal: None,
            scroll: Scroll::default(),
            reason: None,
            glass: None,
            approval: None,
            sought: false,
            why: Why::Glass,
            told: None,
        }
    }

    /// The runbook has parameters beside the thing it acts on.
    pub fn can_change_params(&self) -> bool {
        changeable(&self.plan.body().runbook).next().is_some()
    }

    /// It takes a second person, whom nobody stands in for so far.
    pub fn lacks_second(&self) -> bool {
        self.plan.takes_two() && self.glass.is_none() && self.approval.is_none()
    }

    /// What it locks binds nobody else, and nobody has said so far why it is done all the same.
    pub fn lacks_reason(&self) -> bool {
        self.plan.is_unbound() && self.glass.is_none()
    }

    /// Why no answer runs it as it stands, beside what the plan itself says.
    pub fn refuses(&self) -> Option<Refusal> {
        match self.writes {
            Writes::ReadOnly => Some(Refusal::ReadOnly),
            Writes::Locked => Some(Refusal::Locked),
            Writes::Unlocked if self.lacks_second() => Some(Refusal::NeedsTwo),
            Writes::Unlocked => {
                let unbound = self.plan.body().unbound.clone().filter(|_| self.lacks_reason());
                unbound.map(Refusal::Unbound)
            }
        }
    }

    /// Some answer would run it.
    fn takes_answer(&self) -> bool {
        self.plan.body().blocked.is_empty() && self.refuses().is_none()
    }

    /// It is answered by a key and not by a phrase, once it can be.
    pub fn takes_key(&self) -> bool {
        self.plan.level() < Level::Typed
    }

    /// It waits for `y`.
    pub fn takes_yes(&self) -> bool {
        self.takes_key() && self.takes_answer()
    }

    /// It waits for a phrase.
    pub fn takes_phrase(&self) -> bool {
        self.plan.level() >= Level::Typed && self.takes_answer()
    }

    /// It waits for a phrase, or for a reason.
    pub fn takes_text(&self) -> bool {
        self.told.is_none() && (self.reason.is_some() || self.takes_phrase())
    }

    /// What is being typed.
    pub fn typed(&self) -> Option<&Field> {
        let phrase = self.takes_phrase().then_some(&self.field);
        self.reason.as_ref().or(phrase).filter(|_| self.told.is_none())
    }

    /// Shows what others are told.
    pub(super) fn tell(&mut self, told: String) {
        (self.told, self.scroll) = (Some(told), Scroll::default());
    }

    /// Shows the plan again, which takes its answer when it was on the screen for a moment.
    pub(super) fn show_plan(&mut self) {
        (self.told, self.scroll) = (None, Scroll::default());
        (self.arming, self.armed) = (Arming::default(), false);
    }

    /// The run that holds what the plan locks, and what of it; `None`: no run of others does, or this plan is part of another run.
    pub fn holder(&self) -> Option<(RunId, Vec<String>)> {
        let body = self.plan.body();
        let run = body.locks.iter().find_map(|lock| lock.held_by).filter(|_| body.request.caller.is_none())?;
        let held = body.locks.iter().filter(|lock| lock.held_by == Some(run));
        Some((run, held.map(|lock| lock.resource.clone()).collect()))
    }

    /// Somebody wants a lock: asks why.
    pub(super) fn ask_why(&mut self, why: Why) {
        (self.why, self.reason, self.refusal) = (why, Some(Field::default()), None);
    }

    /// Somebody wants to do it alone: asks why.
    pub(super) fn ask_reason(&mut self, policy: Policy) {
        match policy.break_glass {
            BreakGlass::Allow => self.ask_why(Why::Glass),
            BreakGlass::Refuse => self.refusal = Some(Refusal::GlassForbidden.to_string()),
        }
    }

    /// A second person has approved it: it takes its answer when it was on the screen for a moment.
    pub(super) fn take_approval(&mut self, approval: Approval) {
        if approval.is_of(&self.plan) && self.approval.is_none() {
            self.approval = Some(approval);
            (self.arming, self.armed, self.refusal) = (Arming::default(), false, None);
        }
    }

    /// The reason is typed; it counts, or is typed on.
    pub(super) fn take_reason(&mut self, policy: Policy) {
        let Some(field) = &self.reason else { return };
        match Glass::broken(field.text(), policy) {
            Ok(glass) => {
                (self.glass, self.reason) = (Some(glass), None);
                (self.arming, self.armed) = (Arming::default(), false);
            }
            Err(refusal) => self.refusal = Some(refusal.to_string()),
        }
    }
}
