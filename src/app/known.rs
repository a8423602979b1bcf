//! Whether the things that are typed as parameters are those of the config: told at the field, before a plan is asked for.

use super::choices;
use crate::cx::Cx;
use crate::domain::Subject;
use crate::domain::nearest::nearest;
use crate::runbook::model::{Param, ParamType};
use crate::runbook::params::split_container;
use crate::runbook::{PlanRequest, Runbook};
use serde_json::Value;

/// So many names are told of what there is; of more the nearest alone.
const NAMES: usize = 6;

/// What is asked for and the config does not have: the parameter, and why with what there is in its place.
pub(super) fn unknown(runbook: &Runbook, request: &PlanRequest, cx: &Cx<'_>) -> Vec<(String, String)> {
    let wrong = |param: &Param| {
        let why = texts(request.args.get(&param.name)?).find_map(|text| not_there(param, text, cx))?;
        Some((param.name.clone(), why))
    };
    runbook.params.iter().filter_map(wrong).collect()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn not_there(param: &Param, text: &str, cx: &Cx<'_>) -> Option<String> {
    let (what, wanted, names): (_, _, Vec<&str>) = match param.kind {
        ParamType::Server => return no_server(param, text, cx),
        ParamType::Database => ("[postgres.NAME]", text, sources(Subject::Databases, cx).collect()),
        ParamType::Container => ("[docker.NAME]", split_container(text)?.0, sources(Subject::Containers, cx).collect()),
        ParamType::Int
        | ParamType::String
        | ParamType::Bool
        | ParamType::Duration
        | ParamType::Address
        | ParamType::Enum => return None,
    };
    (!names.contains(&wanted)).then(|| told(&format!("the config has no {what} {wanted:?}"), wanted, &names))
}

fn no_server(param: &Param, text: &str, cx: &Cx<'_>) -> Option<String> {
    let servers = || cx.store.configured();
    let Some(server) = servers().find(|server| server.name == text) else {
        let names: Vec<&str> = servers().map(|server| &*server.name).collect();
        return Some(told(&format!("the config has no [[server]] {text:?}"), text, &names));
    };
    let role = param.from.as_deref()?;
    let names: Vec<&str> = choices::servers(param, cx).map(|server| &*server.name).collect();
    if names.contains(&&*server.name) {
        return None;
    }
    Some(told(&format!("the server {text} has not the role {role:?}"), text, &names))
}

fn sources<'a>(subject: Subject, cx: &Cx<'a>) -> impl Iterator<Item = &'a str> {
    cx.store.about(subject).map(|feed| feed.id.name())
}

/// `…: did you mean "game-1"? There are: game-1, game-2`.
fn told(what: &str, wanted: &str, names: &[&str]) -> String {
    let near = nearest(wanted, names.iter().copied());
    let what = near.map_or_else(|| format!("{what}."), |near| format!("{what}: did you mean {near:?}?"));
    match names.len() {
        0 => format!("{what} There is none"),
        1..=NAMES => format!("{what} There are: {}", names.join(", ")),
        more => format!("{what} There are {more}: {}, …", names[..NAMES].join(", ")),
    }
}
