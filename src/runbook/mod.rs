//! Runbooks as data: read, checked, planned, gated, and the states of a run. No IO, no clock, no screen.

pub mod announce;
pub mod approvals;
pub mod calls;
pub mod expr;
pub mod foreseen;
pub mod gate;
pub mod history;
pub mod language;
pub mod library;
pub mod machine;
pub mod mistake;
pub mod model;
pub mod offer;
pub mod output;
pub mod pace;
pub mod params;
pub mod parse;
pub mod past;
pub mod plan;
pub mod reach;
pub mod schema;
pub mod script;
pub mod wants;
pub mod words;

pub use gate::{Answer, Approval, Approved, Authority, Glass, Passed, Recheck, Refusal, StepPermit, Writes};
pub use history::{BatchView, Known, RunView, Runs, StepView};
pub use library::{Library, Shelved};
pub use mistake::Mistake;
pub use model::{Role, Runbook};
pub use parse::{Problem, Problems};
pub use past::Past;
pub use plan::{Draft, Onward, Plan, PlanRequest, Resumption};
pub use script::Script;

/// `: did you mean "x"?` for the known name that a mistyped one is nearest to; empty when none is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    crate::domain::nearest(word, known).map_or_else(String::new, |name| format!(": did you mean {name:?}?"))
}
