//! `if`: which fences of a step are left out. Decided for the plan, and once more when the step begins.

use super::scene::Scene;
use crate::domain::text::clean;
use crate::runbook::expr::{Condition, Names};
use crate::runbook::language::NameType;
use crate::runbook::model::{Fence, Role, Step};
use crate::runbook::plan::{PlannedStep, When};

/// What the plan says of a condition.
pub(super) fn planned(scene: Scene<'_>, fence: &Fence, condition: &Condition) -> Result<When, String> {
    let text = clean(&condition.to_string()).into_owned();
    if open(scene, condition) {
        return Ok(When::Later(text));
    }
    Ok(if holds(scene, fence, condition)? { When::Holds(text) } else { When::LeftOut(untrue(condition)) })
}

/// It reads what nobody knows before the run is there: its id, a choice, rows of a later step.
fn open(scene: Scene<'_>, condition: &Condition) -> bool {
    let unknown = |name: &String| match scene.types.get(name) {
        Some(NameType::Choice) => !scene.values.contains_key(name),
        Some(NameType::Rows) => !scene.outs.contains_key(name),
        _ => name == "run",
    };
    condition.names().iter().any(unknown)
}

fn holds(scene: Scene<'_>, fence: &Fence, condition: &Condition) -> Result<bool, String> {
    let nothing_found = Names::new();
    condition.holds(&scene.names_with(fence, &nothing_found)).map_err(|why| format!("its `if` cannot be judged: {why}"))
}

fn untrue(condition: &Condition) -> String {
    format!("`{}` is not true", clean(&condition.to_string()))
}

/// What the conditions of a step come to when it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decided {
    /// That of its `run` is not true: why the step is passed over.
    Skip(String),
    /// For each of its fences whether it is left out.
    Fences(Vec<bool>),
}

/// Decides when a step begins. What the plan left out nobody has approved, and what it asked must be asked again: the error says
/// what is not as planned, or that a condition cannot be judged.
pub(super) fn decide(scene: Scene<'_>, step: &Step, planned: &PlannedStep) -> Result<Decided, String> {
    if let Some(fence) = step.run()
        && let Some(condition) = &fence.attrs.when
        && !holds(scene, fence, condition)?
    {
        return Ok(Decided::Skip(untrue(condition)));
    }
    let mut left_out = Vec::new();
    for (fence, plan) in step.fences.iter().zip(&planned.fences) {
        let Some(condition) = &fence.attrs.when else {
            left_out.push(false);
            continue;
        };
        let holds = holds(scene, fence, condition)?;
        let word = fence.role.word();
        if holds && plan.is_left_out() {
            return Err(format!("the plan left its {word} out, and now `{condition}` is true: plan it again"));
        }
        if !holds && fence.role == Role::Plan && !plan.is_left_out() {
            return Err(format!("the rows of the plan are shown, and now `{condition}` is not true: plan it again"));
        }
        left_out.push(!holds);
    }
    Ok(Decided::Fences(left_out))
}
