//! `if`: which fences of a step are left out. Decided for the plan, and once more when the step begins.

use super::scene::Scene;
use crate::domain::text::clean;
use crate::runbook::expr::{Condition, Names};
use crate::runbook::language::NameType;
use crate::runbook::model::{Attrs, Fence, Role, Step};
use crate::runbook::plan::{PlannedStep, When};
use std::collections::BTreeSet;

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
    condition.names().iter().any(|name| name == "run" || is_open(scene, name))
}

/// A choice that nobody has made, or rows that nothing has found so far.
fn is_open(scene: Scene<'_>, name: &str) -> bool {
    match scene.types.get(name) {
        Some(NameType::Choice) => !scene.values.contains_key(name),
        Some(NameType::Rows | NameType::Seen) => !scene.outs.contains_key(name),
        _ => false,
    }
}

/// What a fence says in its body or demands of its answer, and nobody knows so far; empty: it can be asked.
pub(super) fn unknown(scene: Scene<'_>, fence: &Fence) -> Vec<String> {
    let Attrs { until, expect, vars, out, .. } = &fence.attrs;
    let reading = (fence.language.read)(fence.role, &fence.body, scene.types);
    // What a check has seen is given to a script that lists it: elsewhere the word is the script's own.
    let mentions = reading.mentions.into_iter().filter(|(name, _)| scene.types.get(name) != Some(&NameType::Seen));
    let said = reading.used.into_iter().chain(mentions).map(|(name, _)| name);
    let given = vars.clone().into_iter().flatten();
    let demanded = [until, expect].into_iter().flatten().flat_map(Condition::names);
    let names: BTreeSet<String> = said.chain(given).chain(demanded).collect();
    names.into_iter().filter(|name| out.as_ref() != Some(name) && is_open(scene, name)).collect()
}

fn holds(scene: Scene<'_>, fence: &Fence, condition: &Condition) -> Result<bool, String> {
    let nothing_found = Names::new();
    condition.holds(&scene.names_with(fence, &nothing_found)).map_err(|why| format!("its `if` cannot be judged: {why}"))
}

fn untrue(condition: &Condition) -> String {
    format!("`{}` is not true", clean(&condition.to_string()))
}

/// Why an undo does not belong to what was done: its `if` is not true. The error says that it cannot be judged.
pub(super) fn spares(scene: Scene<'_>, undo: &Fence) -> Result<Option<String>, String> {
    let Some(condition) = &undo.attrs.when else { return Ok(None) };
    Ok(if holds(scene, undo, condition)? { None } else { Some(untrue(condition)) })
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
        // What an undo depends on may be what the change gave back.
        let Some(condition) = fence.attrs.when.as_ref().filter(|_| fence.role != Role::Undo) else {
            left_out.push(plan.is_left_out());
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
