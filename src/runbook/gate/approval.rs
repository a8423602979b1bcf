//! A second person's approval of one plan, as the gate takes it.
//!
//! The store of a team's journal alone makes one, out of what its server says (a test holds that nothing else does): who approved is the
//! name that they logged in with, and that it was somebody else than who asked was judged there. It lets one run begin: the server takes
//! the run's first record once, and not when its time is over.

use crate::runbook::Plan;
use uuid::Uuid;

/// That somebody else approved a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    id: Uuid,
    plan: String,
    by: String,
    reason: String,
}

impl Approval {
    /// As the server has it: the request's id, the plan's hash, who approved and what they said.
    pub(crate) const fn granted(id: Uuid, plan: String, by: String, reason: String) -> Self {
        Self { id, plan, by, reason }
    }

    /// The id of the request, for the record of the run that uses it.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Who approved, as they logged in.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// What they said.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The hash of the plan that was approved.
    pub fn plan_hash(&self) -> &str {
        &self.plan
    }

    /// It is of this plan.
    pub fn is_of<Stage>(&self, plan: &Plan<Stage>) -> bool {
        self.plan == plan.body().hash
    }
}
