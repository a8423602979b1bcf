//! The plan on the screen: what would happen, and the one answer that makes it happen.

use super::answer::Arming;
use super::params_dialog::changeable;
use crate::domain::risk::Level;
use crate::runbook::{Draft, Plan};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use std::collections::BTreeMap;

/// The dialog.
#[derive(Debug)]
pub struct PlanDialog {
    /// The plan. Taken out when it is approved.
    pub plan: Plan<Draft>,
    /// Why it is shown again: what changed.
    pub notice: Option<String>,
    /// Parameters that came from an alert's labels, and what to say of each.
    pub labelled: BTreeMap<String, String>,
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
}

impl PlanDialog {
    /// Shows a plan.
    pub fn new(plan: Plan<Draft>, notice: Option<String>) -> Self {
        Self {
            plan,
            notice,
            labelled: BTreeMap::new(),
            arming: Arming::default(),
            armed: false,
            field: Field::default(),
            refusal: None,
            scroll: Scroll::default(),
        }
    }

    /// The runbook has parameters beside the thing it acts on.
    pub fn can_change_params(&self) -> bool {
        changeable(&self.plan.body().runbook).next().is_some()
    }

    /// It waits for a phrase.
    pub fn takes_text(&self) -> bool {
        self.plan.level() == Level::Typed && self.plan.body().blocked.is_empty()
    }
}
