//! Runbooks as data: read, checked, planned, gated, and the states of a run. No IO, no clock, no screen.

pub mod gate;
pub mod history;
pub mod library;
pub mod model;
pub mod plan;

pub use gate::{Answer, Approved, Authority, Refusal, StepPermit, Writes};
pub use history::{RunView, Runs, StepView};
pub use library::Library;
pub use model::{Role, Runbook};
pub use plan::{Draft, Plan, PlanRequest};
