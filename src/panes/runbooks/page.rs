//! A runbook's page: its facts, its last runs, then what it says to people, with each fence where it stands.

use super::cells::about;
use super::today;
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Severity, Subject, ThingId};
use crate::keymap::Scope;
use crate::panes::{Details, Link, Section};
use crate::runbook::model::{Call, Fence, Param};
use crate::runbook::{Library, Mistake, RunView, Runbook, foreseen, offer, params};
use crate::theme::Role;
use std::collections::BTreeMap;

/// Runs that are listed.
const RUNS: usize = 5;

/// All of it.
pub(super) fn of(runbook: &Runbook, cx: &Cx<'_>) -> Details {
    let mut sections = vec![Section::Facts(facts(runbook, cx))];
    let runs: Vec<Link> =
        cx.runs.iter().rev().filter(|run| run.runbook == runbook.id).take(RUNS).map(run_link).collect();
    if !runs.is_empty() {
        sections.push(Section::Links { title: "last runs".to_owned(), links: runs });
    }
    text(&mut sections, runbook);
    Details { title: runbook.title.clone(), stale: None, sections }
}

/// Of a file of which nothing is shown: what is wrong with it.
pub(super) fn of_mistake(mistake: &Mistake) -> Details {
    let Mistake { what, mend, others, .. } = mistake;
    let mut facts = vec![
        ("can be run here", format!("no: it has a mistake {}", mistake.told())),
        ("what is wrong", what.clone()),
        ("mend", mend.clone()),
        ("file", mistake.path.display().to_string()),
    ];
    if *others > 0 {
        let file = mistake.path.display();
        facts.push(("more mistakes", format!("{others}: `quarterdeck runbook lint {file}` lists them")));
    }
    let facts = facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
    Details { title: mistake.name(), stale: None, sections: vec![Section::Facts(facts)] }
}

fn facts(runbook: &Runbook, cx: &Cx<'_>) -> Vec<(String, String)> {
    let names = |names: &[String], none: &str| if names.is_empty() { none.to_owned() } else { names.join(", ") };
    let alerts: Vec<String> = runbook.alerts.iter().map(|glob| glob.0.clone()).collect();
    let key = cx.keymap.key_of(Scope::Runbooks, &Action::Plan).unwrap_or_default();
    let can = super::refusal(runbook, cx).map_or_else(|| format!("yes: {key} plans it"), |why| format!("no: {why}"));
    let ago = runbook.reviewed_ago(today(cx));
    let review = match offer::review(runbook, today(cx)) {
        Severity::Critical => ": it is probably wrong by now",
        Severity::Warning => ": it wants a review",
        Severity::None | Severity::Ok | Severity::Info | Severity::Unknown => "",
    };
    let mut facts = vec![
        ("can be run here", can),
        ("risk", runbook.risk.word().to_owned()),
        ("affects", runbook.affects.clone().unwrap_or_default()),
        ("about", about(runbook).to_owned()),
        ("reviewed", format!("{}, {ago}{review}", runbook.reviewed)),
        ("changed", changed(runbook, cx).unwrap_or_default()),
        ("owner", runbook.owner.clone()),
        ("handbook", runbook.handbook.clone().unwrap_or_default()),
        ("environments", names(&runbook.environments, "all")),
        ("alerts", names(&alerts, "none: `alerts: [NAME]` in its front matter offers it on alerts")),
        ("can be undone", undo(runbook, cx.library)),
        ("parameters", runbook.params.iter().map(param).collect::<Vec<_>>().join("\n")),
        ("id", runbook.id.clone()),
    ];
    if let Some(path) = &runbook.path {
        facts.push(("file", path.display().to_string()));
    }
    facts.retain(|(_, text)| !text.is_empty());
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

/// That its file can't be read, or its text is another one than that of its last run.
fn changed(runbook: &Runbook, cx: &Cx<'_>) -> Option<String> {
    if cx.library.mistake(&runbook.id).is_some() {
        return Some("yes: its file says something else than this page, and nobody can tell what".to_owned());
    }
    let last = offer::last_run(cx.runs, &runbook.id)?;
    let at = last.started.strftime("%Y-%m-%d %H:%MZ");
    offer::changed(runbook, last)?.then(|| format!("yes: since it was last run ({at}) its file says something else"))
}

/// How many of its changes, and of those of what it calls, can be taken back.
fn undo(runbook: &Runbook, library: &Library) -> String {
    let find = |from: &Runbook, call: &Call| library.called(from, call).ok();
    let changes = foreseen::foresee(runbook, &BTreeMap::new(), &find).changes;
    let (all, called) = (changes.len(), changes.iter().filter(|change| change.number.contains('.')).count());
    let called = if called == 0 { String::new() } else { format!(", {called} of them in what it calls") };
    match changes.iter().filter(|change| change.undo.is_some()).count() {
        _ if all == 0 => String::new(),
        0 => format!("no{called}"),
        undone => format!("{undone} of {all} changes{called}"),
    }
}

fn param(param: &Param) -> String {
    format!("{}: {}, {}", param.name, params::asked(param), params::told(param).1)
}

fn run_link(run: &RunView) -> Link {
    let text = format!("{} by {}  {}", run.word(), run.actor, run.reason);
    Link {
        to: ThingId::Run(run.id),
        subject: Subject::Servers,
        name: run.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        text,
        severity: run.severity(),
    }
}

/// What it says, heading by heading; what runs stands below its heading.
fn text(sections: &mut Vec<Section>, runbook: &Runbook) {
    let mut steps = runbook.steps.iter().peekable();
    for passage in &runbook.page {
        let title = if passage.heading.is_empty() { runbook.title.clone() } else { passage.heading.clone() };
        sections.push(Section::Prose { title, blocks: passage.blocks.clone() });
        if let Some(step) = steps.next_if(|step| step.title == passage.heading) {
            sections.extend(step.fences.iter().map(|part| fence(&step.fences, part)));
        }
    }
}

/// `run: docker on $container, cannot be undone`, and what is sent.
fn fence(of: &[Fence], fence: &Fence) -> Section {
    let role = if fence.role.changes() { Role::SeverityWarning } else { Role::Code };
    let lines = fence.body.lines().map(|line| (role, format!("  {line}"))).collect();
    Section::Lines { title: fence.head(of), note: String::new(), lines, asks: None }
}
