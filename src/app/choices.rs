//! What a parameter can be, as the screen knows it: the list below the field that is typed into, and what can be meant by nothing else.

use super::ParamsDialog;
use crate::cx::Cx;
use crate::domain::{Container, Server, Severity, Subject};
use crate::panes::{alone, containers_on, every_container};
use crate::runbook::Runbook;
use crate::runbook::model::{Param, ParamType};
use crate::store::Feed;
use crate::widgets::figure;
use serde_json::Value;

/// Listed at most: who sees more types a letter of what is meant.
const MOST: usize = 50;

/// One thing that a parameter can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possible {
    /// As it is typed.
    pub text: String,
    /// What is known of it: `exited, 137`.
    pub note: String,
    /// How bad that is.
    pub severity: Severity,
}

/// What the field that is typed into can be: what its text does not rule out, the worst containers first, servers of the preferred role first,
/// other things as the config lists them. At most fifty; empty: it is no thing and no choice, or nothing begins so.
pub fn of(dialog: &ParamsDialog, cx: &Cx<'_>) -> Vec<Possible> {
    let field = &dialog.fields[dialog.at];
    let (param, typed) = (&field.param, field.typed().to_lowercase());
    let fits = |text: &str| typed.is_empty() || text.to_lowercase().contains(&typed);
    match param.kind {
        ParamType::Server => {
            let taken = |name: &str| dialog.others(ParamType::Server).any(|other| other == name);
            let fitting = servers(param, cx).filter(|server| !taken(&server.name) && fits(&server.name));
            let mut servers: Vec<&Server> = fitting.collect();
            // Of equals the order of the config holds.
            servers.sort_by_key(|server| !is_preferred(param, server));
            servers.into_iter().take(MOST).map(|server| of_server(server, cx)).collect()
        }
        ParamType::Container => {
            let server = dialog.others(ParamType::Server).next();
            containers(server, &fits, cx)
        }
        ParamType::Database => {
            let names = cx.store.about(Subject::Databases).map(|feed| feed.id.name());
            names.filter(|name| fits(name)).take(MOST).map(plain).collect()
        }
        ParamType::Enum => param.choices.iter().filter(|choice| fits(choice)).map(|choice| plain(choice)).collect(),
        ParamType::Int | ParamType::Bool | ParamType::String | ParamType::Duration | ParamType::Address => Vec::new(),
    }
}

fn plain(text: &str) -> Possible {
    Possible { text: text.to_owned(), note: String::new(), severity: Severity::None }
}

/// Those of the config with the role that is asked for.
pub(super) fn servers<'a>(param: &'a Param, cx: &Cx<'a>) -> impl Iterator<Item = &'a Server> {
    let has = move |server: &&Server| param.from.as_ref().is_none_or(|role| server.roles.contains(role));
    cx.store.configured().filter(has)
}

/// It has the role of those that are meant as a rule.
fn is_preferred(param: &Param, server: &Server) -> bool {
    param.prefer.as_ref().is_some_and(|role| server.roles.contains(role))
}

/// The servers that a value names have the role that the parameter asks for, or it asks for none.
pub(super) fn has_role(param: &Param, value: &Value, cx: &Cx<'_>) -> bool {
    let named = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let has = |one: &Value| servers(param, cx).any(|known| one == known.name.as_str());
    param.kind != ParamType::Server || param.from.is_none() || named.iter().all(has)
}

/// How it is, how busy, and what the config's columns tell of it: `ok  cpu 34%  players 212`.
fn of_server(server: &Server, cx: &Cx<'_>) -> Possible {
    // What the config says is not all that is known: its row is.
    let row = cx.store.server(&server.name).map(|(_, row)| &**row);
    let (severity, state) =
        row.map_or_else(|| (Severity::Unknown, Severity::Unknown.word().to_owned()), |row| row.judged(cx.limits));
    let cpu = row.and_then(|row| row.cpu).map(|cpu| figure::text(|out| figure::percent(out, cpu)));
    let cpu = cpu.map(|cpu| format!("cpu {}", cpu.trim()));
    let columns = row.into_iter().flat_map(|row| &row.columns).map(|(name, text)| format!("{name} {text}"));
    let note = std::iter::once(state).chain(cpu).chain(columns).collect::<Vec<_>>().join("  ");
    Possible { text: server.name.clone(), note, severity }
}

/// Those on a server, where one is named and has any; else all. The worst first.
fn containers(server: Option<&str>, fits: &dyn Fn(&str) -> bool, cx: &Cx<'_>) -> Vec<Possible> {
    let mut all: Vec<(&Feed, &Container)> =
        server.map(|server| containers_on(cx, server).collect()).unwrap_or_default();
    if all.is_empty() {
        all.extend(every_container(cx));
    }
    all.retain(|(feed, one)| fits(&typed_as(feed, one)));
    all.sort_by(|(_, a), (_, b)| b.judge(cx.limits).cmp(&a.judge(cx.limits)).then_with(|| a.name.cmp(&b.name)));
    all.truncate(MOST);
    let possible = |(feed, one): (&Feed, &Container)| Possible {
        text: typed_as(feed, one),
        note: state(one),
        severity: one.judge(cx.limits),
    };
    all.into_iter().map(possible).collect()
}

fn typed_as(feed: &Feed, container: &Container) -> String {
    format!("{}/{}", feed.id.name(), container.name)
}

fn state(container: &Container) -> String {
    match container.exit_code {
        Some(code) => format!("{}, exit code {code}", container.state_word()),
        None => container.state_word().to_owned(),
    }
}

/// What a parameter that must be given can only mean, and why: the only server with its role, the only container of the server that is not
/// well, or the only one that it has. `server`: the one that the runbook is about, if that is known.
pub(super) fn only(param: &Param, server: Option<&str>, cx: &Cx<'_>) -> Option<(String, String)> {
    match param.kind {
        ParamType::Server => {
            let role = param.from.as_deref()?;
            let server = alone(servers(param, cx))?;
            Some((format!("the only server with the role {role}"), server.name.clone()))
        }
        ParamType::Container => only_container(server?, cx),
        ParamType::Database => {
            let feed = alone(cx.store.about(Subject::Databases))?;
            Some(("the only database of the config".to_owned(), feed.id.name().to_owned()))
        }
        ParamType::Int
        | ParamType::Bool
        | ParamType::String
        | ParamType::Duration
        | ParamType::Address
        | ParamType::Enum => None,
    }
}

fn only_container(server: &str, cx: &Cx<'_>) -> Option<(String, String)> {
    let ill = containers_on(cx, server).filter(|(_, one)| one.judge(cx.limits) >= Severity::Warning);
    let found =
        alone(ill).map(|(feed, one)| (feed, one, format!("the only one on {server} that is not well: {}", state(one))));
    let lone = || alone(containers_on(cx, server)).map(|(feed, one)| (feed, one, format!("the only one on {server}")));
    let (feed, one, why) = found.or_else(lone)?;
    Some((why, typed_as(feed, one)))
}

/// The server that a runbook is about, where it names one alone.
pub(super) fn server_of<'a>(runbook: &Runbook, text: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    let param = alone(runbook.params.iter().filter(|param| param.kind == ParamType::Server))?;
    text(&param.name)
}
