//! What a runbook that another one calls would change, as far as its page tells before it is planned: which step, where, and whether it can
//! be taken back. Its own plan says the rest, when its turn comes. Pure.

use super::model::{Call, Fence, On, Over, Param, Place, Role, Runbook, Section, Step};
use super::params;
use crate::domain::text::{clean, clean_lines};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Calls are looked into so many runs deep, as deep as they may go.
pub const DEPTH: usize = 4;

/// A called runbook, with all that it would change and what it calls in its turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Its id.
    pub runbook: String,
    /// Its title.
    pub title: String,
    /// Its risk, in the front matter's word.
    pub risk: String,
    /// SHA-256 of its file, hex.
    pub hash: String,
    /// Its parameters, with what they get: the caller's value of the same name, or its own default; `None`: it is asked for then.
    pub params: Vec<(String, Option<String>)>,
    /// Its changes, and those of what it calls, in the order of the pages.
    pub changes: Vec<Change>,
}

/// One change of a called runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The step's number in its page, from 1; behind a dot that in the page which that step calls: `2.1`.
    pub number: String,
    /// Its step's heading.
    pub title: String,
    /// Where it goes: a connection, a server; what is not known yet by its name: `$server`.
    pub on: String,
    /// What is sent, as it stands in the page.
    pub sent: String,
    /// What takes it back, as it stands in the page; `None`: nothing does.
    pub undo: Option<String>,
    /// Only if this holds.
    pub when: Option<String>,
}

/// A step by its number and heading, for people: `step 2 'Start it again'`.
pub fn name(number: &str, title: &str) -> String {
    format!("step {number} '{title}'")
}

/// What calls mean.
type Find<'a> = &'a dyn Fn(&Runbook, &Call) -> Option<Arc<Runbook>>;

/// Looks into a called runbook. `given`: the caller's parameters as people read them, which those of the same name get; `find`: the runbook
/// that a call means.
pub fn foresee(called: &Runbook, given: &BTreeMap<String, String>, find: Find<'_>) -> Foreseen {
    let mut changes = Vec::new();
    collect(&mut changes, "", called, given, find, DEPTH);
    Foreseen {
        runbook: called.id.clone(),
        title: clean(&called.title).into_owned(),
        risk: called.risk.word().to_owned(),
        hash: called.hash.clone(),
        params: params_of(called, given),
        changes,
    }
}

fn collect(
    out: &mut Vec<Change>,
    before: &str,
    runbook: &Runbook,
    given: &BTreeMap<String, String>,
    find: Find<'_>,
    depth: usize,
) {
    let values = values(runbook, given);
    for section in &runbook.sections {
        for at in section.steps.clone() {
            let (step, number) = (&runbook.steps[at], format!("{before}{}", at + 1));
            out.extend(step.run().map(|run| change(number.clone(), section, step, run, &values)));
            let called = step.manual.call.as_ref().and_then(|call| find(runbook, call));
            if let Some(called) = called.filter(|_| depth > 1) {
                collect(out, &format!("{number}."), &called, &values, find, depth - 1);
            }
        }
    }
}

fn params_of(runbook: &Runbook, given: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
    let values = values(runbook, given);
    let value = |param: &Param| match values.get(&param.name) {
        // What need not be given is not asked for either.
        None if !param.required => Some(params::shown(param, None)),
        value => value.cloned(),
    };
    let text = |text: String| clean(&text).into_owned();
    runbook.params.iter().map(|param| (param.name.clone(), value(param).map(text))).collect()
}

/// Its parameters as far as they are known: those of the same name, and its own defaults.
fn values(runbook: &Runbook, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let value = |name: &str, default: Option<&Value>| given.get(name).cloned().or_else(|| default.map(params::show));
    let known =
        runbook.params.iter().filter_map(|param| Some((&param.name, value(&param.name, param.default.as_ref())?)));
    known.map(|(name, text)| (name.clone(), text)).collect()
}

fn change(number: String, section: &Section, step: &Step, run: &Fence, values: &BTreeMap<String, String>) -> Change {
    let undo = step.fences.iter().find(|fence| fence.role == Role::Undo);
    let text = |fence: &Fence| clean_lines(fence.body.trim_end());
    Change {
        number,
        title: clean(&step.title).into_owned(),
        on: clean(&place(section, &run.attrs.on, values)).into_owned(),
        sent: text(run),
        undo: undo.map(text),
        when: run.attrs.when.as_ref().map(|when| clean(&when.to_string()).into_owned()),
    }
}

fn place(section: &Section, on: &On, values: &BTreeMap<String, String>) -> String {
    let valued = |name: &String| values.get(name).cloned().unwrap_or_else(|| format!("${name}"));
    match (&on.place, &section.rollout) {
        (Place::Param(name), _) => {
            let part = on.part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
            valued(name) + &part
        }
        (Place::Host, Some(rollout)) => match &rollout.over {
            Over::Role(role) => format!("each server of the role {role}"),
            Over::Param(name) => format!("each of {}", valued(name)),
        },
        (Place::Name(_) | Place::Role(_) | Place::Local | Place::Host, _) => on.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::Library;

    const FRONT: &str = "runbook: 1\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: set\n";

    fn file(id: &str, params: &str, body: &str) -> String {
        format!("---\nid: {id}\ntitle: {id}\n{FRONT}{params}---\n\n## Go\n\n{body}\n")
    }

    fn run(title: &str, on: &str, undo: bool) -> String {
        let none = if undo { "" } else { " undo=none" };
        let undo = format!("```bash undo on={on} timeout=5s\nset -eu\nback\n```\n\n");
        let undo = if none.is_empty() { undo.as_str() } else { "" };
        format!(
            "### {title}\n\n```bash run on={on} timeout=5s{none}\nset -eu\ngo\n```\n\n```bash verify on={on} timeout=5s\nset -eu\ntrue\n```\n\n{undo}"
        )
    }

    fn call(to: &str) -> String {
        format!("### Then {to}\n\n**Run:** [{to}]({to}.md)\n\n")
    }

    /// `b` changes something at a parameter and calls `c`, which calls `b` again.
    fn library() -> Library {
        let server = "params:\n  - {name: server, type: server, required: true}\n  - {name: other, type: server, default: web-9}\n";
        let look = "### Look\n\nIs it well?\n\n";
        let b = [look, &run("Stop", "$server", true), &run("Clear", "$other", false), &call("c")].concat();
        let c = [run("Away", "$server", false), call("b")].concat();
        let one = "params:\n  - {name: server, type: server, required: true}\n";
        let files = [("b.md", file("b", server, &b)), ("c.md", file("c", one, &c))];
        let files = files.iter().map(|(name, text)| (*name, text.as_str()));
        Library::read(files).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn what_is_called_tells_what_it_changes_where_and_whether_that_can_be_taken_back() {
        let library = library();
        let find = |_: &Runbook, call: &Call| library.get(call.file.trim_end_matches(".md")).cloned();
        let given = [("server".to_owned(), "web-1".to_owned())].into();
        let found = foresee(library.get("b").unwrap(), &given, &find);
        let told: Vec<String> = found
            .changes
            .iter()
            .take(3)
            .map(|one| format!("{} {} on {}: {}", one.number, one.title, one.on, one.undo.is_some()))
            .collect();
        assert_eq!(told, ["2 Stop on web-1: true", "3 Clear on web-9: false", "4.1 Away on web-1: false"]);
        assert_eq!(found.changes[0].undo.as_deref(), Some("set -eu\nback"));
        assert_eq!(found.changes.len(), 6, "a circle ends where calls may not go deeper: {:?}", found.changes);
        let unknown = foresee(library.get("b").unwrap(), &BTreeMap::new(), &find);
        assert_eq!(unknown.changes[0].on, "$server", "what is asked later is not guessed");
        let params = |of: &Foreseen| of.params.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        assert_eq!(params(&found), [Some("web-1".to_owned()), Some("web-9".to_owned())]);
        assert_eq!(params(&unknown), [None, Some("web-9".to_owned())]);
    }
}
