//! The steps of a plan: first what each would touch, then all of them in the order of the page, with what is sent, what a person does, and
//! what a called runbook would change.

use super::table::table;
use crate::domain::text;
use crate::runbook::Role as FenceRole;
use crate::runbook::foreseen::{Change, Foreseen};
use crate::runbook::plan::{ByHand, PlanBody, PlannedFence, PlannedStep, When, located};
use crate::theme::Role;
use crate::ui::dialog::Lines;
use crate::ui::overlay::wrap_into;
use std::collections::BTreeMap;

/// Cells of the word before a fence's lines.
const LABEL: usize = 7;

/// A step's targets with their addresses, the rows that it would touch, and how much a called runbook changes; nothing of a step that only
/// looks.
pub(super) fn affected(out: &mut Lines, body: &PlanBody, members: &[&PlannedStep], width: usize) {
    let number = body.number(members[0]);
    if let Some(call) = members[0].call() {
        out.push((Role::Text, String::new()));
        let line = format!("{number} {}: runs {}: {}", members[0].title, called(call), extent(call));
        return wrap_into(out, Role::DialogTitle, &line, width, 2);
    }
    let touched = |step: &&&PlannedStep| step.changes() || step.rows.is_some() || step.lost.is_some();
    let members: Vec<&&PlannedStep> = members.iter().filter(touched).collect();
    if members.iter().all(|step| step.lost.is_some()) {
        return;
    }
    if members.len() > 1 {
        out.push((Role::Text, String::new()));
        let line = format!("{number} {}: {} hosts", members[0].title, members.len());
        wrap_into(out, Role::DialogTitle, &line, width, 2);
    }
    for step in &members {
        if members.len() == 1 {
            out.push((Role::Text, String::new()));
            wrap_into(out, Role::DialogTitle, &headline(&format!("{number} {}", step.title), step), width, 2);
        } else if let Some(why) = &step.lost {
            wrap_into(out, Role::SeverityWarning, &format!("! {}: left out: {why}", step.target), width, 2);
        } else {
            wrap_into(out, Role::Text, &headline("", step), width, 2);
        }
        if let Some(rows) = &step.rows {
            table(out, rows, &body.extent(rows), width);
        }
    }
}

/// `pg-long (Long transactions, low risk)`.
fn called(call: &Foreseen) -> String {
    format!("{} ({}, {} risk)", call.runbook, call.title, call.risk)
}

/// `2 changes, of which 1 cannot be undone`.
fn extent(call: &Foreseen) -> String {
    let not = call.changes.iter().filter(|change| change.undo.is_none()).count();
    match (call.changes.len(), not) {
        (0, _) => "changes nothing".to_owned(),
        (1, 0) => "1 change, which its own run can undo".to_owned(),
        (1, _) => "1 change, which cannot be undone".to_owned(),
        (all, 0) => format!("{all} changes, which its own run can undo"),
        (all, not) if all == not => format!("{all} changes, none of which can be undone"),
        (all, not) => format!("{all} changes, of which {not} cannot be undone"),
    }
}

/// `Kill the idle sessions: primary (10.0.1.4:5432)`.
fn headline(title: &str, step: &PlannedStep) -> String {
    let place = located(&step.target, &step.address);
    match (title, step.target.as_str()) {
        (title, "") => title.to_owned(),
        ("", _) => place,
        (title, _) => format!("{title}: {place}"),
    }
}

/// The values that scripts were said to get so far, by name: each is said once, and again only where it is another one.
pub(super) type Said = BTreeMap<String, String>;

/// A step in its place: what is or would be sent, in the order in which that happens; what a person does; what it calls. What is the same on
/// several hosts stands once.
pub(super) fn step(out: &mut Lines, number: usize, members: &[&PlannedStep], said: &mut Said, width: usize) {
    let (before, members): (Vec<&PlannedStep>, Vec<&PlannedStep>) =
        members.iter().copied().filter(|step| step.lost.is_none()).partition(|step| step.past.is_some());
    if !before.is_empty() {
        out.push((Role::Text, String::new()));
    }
    for (step, state) in before.iter().filter_map(|step| Some((step, step.past?))) {
        let on = step.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        let line = format!("{number} {}{on}: done before: {}", step.title, state.word());
        wrap_into(out, Role::Muted, &line, width, 2);
    }
    let Some(step) = members.first() else { return };
    out.push((Role::Text, String::new()));
    if let Some(why) = step.left_out() {
        return wrap_into(out, Role::Muted, &format!("{number} {}: left out: {why}", step.title), width, 2);
    }
    let how = match &step.by_hand {
        Some(ByHand { call: Some(_), .. }) => ", by another runbook",
        Some(_) => ", by hand",
        None => "",
    };
    let each = if members.len() > 1 { format!(", on each of {} hosts", members.len()) } else { String::new() };
    wrap_into(out, Role::DialogTitle, &format!("{number} {}{how}{each}", step.title), width, 2);
    if let Some(hand) = &step.by_hand {
        return by_hand(out, number, hand, width);
    }
    let mut all: Vec<&PlannedFence> = Vec::new();
    for at in 0..step.fences.len() {
        all.extend(members.iter().filter_map(|step| step.fences.get(at)));
    }
    for fences in all.chunk_by(|one, other| alike(one, other)).filter(|fences| fences[0].role != FenceRole::Undo) {
        if let Some(place) = asked_elsewhere(step, fences[0]).filter(|_| members.len() == 1) {
            labelled(out, Role::Muted, fences[0].role.word(), &format!("on {place}"), width);
        }
        fence_lines(out, fences, said, width);
    }
    if step.changes() && !step.takes_back {
        undo(out, step, said, width);
    }
}

/// Where a fence goes that does not go where its step's change does: `web-1 (ops@10.0.0.4:22)`.
fn asked_elsewhere(step: &PlannedStep, fence: &PlannedFence) -> Option<String> {
    let run = step.fences.iter().find(|fence| fence.role == FenceRole::Run)?;
    (fence.on != run.on && !fence.is_left_out()).then(|| located(&fence.on, &fence.address))
}

fn undo(out: &mut Lines, step: &PlannedStep, said: &mut Said, width: usize) {
    let fence = step.fences.iter().find(|fence| fence.role == FenceRole::Undo && !fence.is_left_out());
    match (fence, &step.undo) {
        (Some(fence), Some(_)) => fence_lines(out, &[fence], said, width),
        (None, Some(undo)) => labelled(out, Role::Muted, "undo", undo, width),
        (_, None) => labelled(out, Role::Muted, "undo", "cannot be undone", width),
    }
}

fn by_hand(out: &mut Lines, number: usize, hand: &ByHand, width: usize) {
    for line in hand.prose.lines() {
        wrap_into(out, Role::Text, line, width, 0);
    }
    for task in &hand.tasks {
        wrap_into(out, Role::Text, &format!("[ ] {task}"), width, 4);
    }
    if !hand.choices.is_empty() {
        wrap_into(out, Role::Muted, "choose one:", width, 2);
    }
    for choice in &hand.choices {
        wrap_into(out, Role::Text, &format!("( ) {choice}"), width, 4);
    }
    if let Some(call) = &hand.call {
        call_lines(out, number, call, width);
    }
}

/// What a call would change, step by step, as its page has it.
fn call_lines(out: &mut Lines, number: usize, call: &Foreseen, width: usize) {
    let line =
        format!("runs {}, with a plan and an answer of its own when it is reached: {}", called(call), extent(call));
    wrap_into(out, Role::Muted, &line, width, 2);
    let param = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name} = {value}"),
        None => format!("{name} is asked for then"),
    };
    let params: Vec<String> = call.params.iter().map(param).collect();
    wrap_into(out, Role::Muted, &params.join("   "), width, 2);
    for Change { number: of, title, on, sent, undo, when } in &call.changes {
        wrap_into(out, Role::SeverityWarning, &format!("{number}.{of} {title}: {on}"), width, 2);
        if let Some(when) = when {
            labelled(out, Role::Muted, "run", &format!("only if {when}"), width);
        }
        labelled(out, Role::Muted, "run", sent, width);
        labelled(out, Role::Muted, "undo", undo.as_deref().unwrap_or("cannot be undone"), width);
    }
}

fn alike(one: &PlannedFence, other: &PlannedFence) -> bool {
    (one.role, &one.sent, &one.when) == (other.role, &other.sent, &other.when)
}

/// `run    a text`, and what follows of it below.
fn labelled(out: &mut Lines, role: Role, label: &str, text: &str, width: usize) {
    for (index, line) in text.lines().enumerate() {
        let lead = if index == 0 { label } else { "" };
        wrap_into(out, role, &format!("{lead:<LABEL$}{line}"), width, LABEL + 2);
    }
}

/// The same fence on one or several hosts.
fn fence_lines(out: &mut Lines, fences: &[&PlannedFence], said: &mut Said, width: usize) {
    let fence = fences[0];
    let role = if fence.role == FenceRole::Run { Role::SeverityWarning } else { Role::Muted };
    let label = fence.role.word();
    match &fence.when {
        When::Always => {}
        When::Holds(condition) => labelled(out, Role::Muted, label, &format!("because {condition}"), width),
        When::Later(condition) => labelled(out, Role::Muted, label, &format!("only if {condition}"), width),
        When::LeftOut(why) => return labelled(out, Role::Muted, label, &format!("left out: {why}"), width),
    }
    labelled(out, role, label, &told(fence, said), width);
    if let Some(holds) = &fence.holds {
        labelled(out, Role::Muted, "", holds, width);
    }
    for fence in fences {
        let Some(finding) = &fence.finding else { continue };
        let (mark, severity) = finding.mark();
        let role = Role::from(severity);
        let on = if fences.len() > 1 { format!("{}: ", fence.on) } else { String::new() };
        labelled(out, role, "", &format!("{mark} {on}{}", finding.text), width);
        for line in finding.more.iter().chain(&finding.rest()) {
            labelled(out, Role::Muted, "", &format!("  {line}"), width);
        }
    }
}

/// What is sent. Values that were said before, and are the same, are named: which variables a script gets is always in sight.
fn told(fence: &PlannedFence, said: &mut Said) -> String {
    if fence.given.is_empty() {
        return fence.sent.clone();
    }
    let (mut lines, mut known) = (Vec::new(), Vec::new());
    for line in &fence.given {
        let name = line.split('=').next().unwrap_or_default();
        if said.get(name) == Some(line) {
            known.push(name);
        } else {
            said.insert(name.to_owned(), line.clone());
            lines.push(line.clone());
        }
    }
    if !known.is_empty() {
        lines.push(format!("# {}: as above", text::clean(&known.join(", "))));
    }
    lines.push(fence.bare.clone());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(given: &[&str]) -> PlannedFence {
        let given: Vec<String> = given.iter().map(|line| (*line).to_owned()).collect();
        PlannedFence {
            role: FenceRole::Run,
            address: String::new(),
            language: "bash".to_owned(),
            on: "local".to_owned(),
            when: When::Always,
            sent: format!("{}\nset -eu\ngo", given.join("\n")),
            given,
            bare: "set -eu\ngo".to_owned(),
            holds: None,
            finding: None,
            pinned: None,
        }
    }

    #[test]
    fn a_value_is_said_once_and_again_where_it_is_another_one() {
        let mut said = Said::new();
        assert_eq!(told(&fence(&["a='1'", "b='x\ny'"]), &mut said), "a='1'\nb='x\ny'\nset -eu\ngo");
        assert_eq!(told(&fence(&["a='1'", "b='x\ny'"]), &mut said), "# a, b: as above\nset -eu\ngo");
        assert_eq!(told(&fence(&["a='2'", "b='x\ny'"]), &mut said), "a='2'\n# b: as above\nset -eu\ngo");
        assert_eq!(told(&fence(&["a='1'"]), &mut said), "a='1'\nset -eu\ngo", "not what it was two steps before");
        assert_eq!(told(&fence(&[]), &mut said), "\nset -eu\ngo", "without values it is what is sent");
    }
}
