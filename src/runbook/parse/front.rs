//! The front matter: a flat YAML table between two lines of `---`.

use super::Faults;
use super::yaml::{Field, Fields, Node, Table, place};
use crate::domain::Subject;
use crate::domain::risk::Risk;
use crate::runbook::language::{self, address_of};
use crate::runbook::model::{Glob, Lock, Name, Need, Param, ParamType, RunLimits};
use crate::runbook::{nearest, params};
use jiff::civil::Date;
use std::time::Duration;

/// The front matter, typed.
pub(super) struct Front {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) owner: String,
    pub(super) reviewed: Date,
    pub(super) handbook: Option<String>,
    pub(super) alerts: Vec<Glob>,
    pub(super) pane: Option<Subject>,
    pub(super) key: Option<String>,
    pub(super) environments: Vec<String>,
    pub(super) risk: Risk,
    /// With the byte where it stands.
    pub(super) affects: Option<(String, usize)>,
    pub(super) verb: Option<String>,
    /// Each with the byte where it stands.
    pub(super) lock: Vec<(Lock, usize)>,
    pub(super) uses: Vec<Need>,
    pub(super) limits: RunLimits,
    pub(super) duration: Option<Duration>,
    /// Each with the byte where they stand.
    pub(super) secrets: Vec<(String, usize)>,
    /// Each with the byte where it stands.
    pub(super) params: Vec<(Param, usize)>,
    /// All parameters and secrets were read, so a name that is not among them is not declared.
    pub(super) params_whole: bool,
}

/// The keys of the front matter, in the order of documentation.
pub(in crate::runbook) const KEYS: [&str; 19] = [
    "runbook",
    "id",
    "title",
    "owner",
    "reviewed",
    "handbook",
    "alerts",
    "pane",
    "key",
    "environments",
    "risk",
    "affects",
    "verb",
    "lock",
    "uses",
    "limits",
    "params",
    "secrets",
    "duration",
];
/// The keys of a parameter.
pub(in crate::runbook) const PARAM_KEYS: [&str; 13] = [
    "name",
    "type",
    "description",
    "many",
    "default",
    "required",
    "min",
    "max",
    "pattern",
    "choices",
    "from",
    "prefer",
    "empty",
];
/// The keys of `limits`.
pub(in crate::runbook) const LIMIT_KEYS: [&str; 3] = ["rows", "hosts", "minutes"];
/// The words of `uses`.
const USES: [&str; 6] = ["postgres", "prometheus", "docker", "http", "server", "role"];
/// Longer patterns than this are refused by the expression's size limit anyway.
const PATTERN_MAX: usize = 1000;

/// The YAML with its first `---` blanked (so that its lines are the file's lines), and the byte where the Markdown begins.
pub(super) fn split(source: &str, faults: &mut Faults<'_>) -> Option<(String, usize)> {
    if source.lines().next().is_some_and(|first| first.trim_start_matches('\u{feff}').trim_end() == "---")
        && !source.starts_with("---\n")
    {
        let mend = "save it as UTF-8 without a byte order mark, with lines that end in a line feed alone";
        faults.at(0, "the first line is not just `---`", mend);
        return None;
    }
    let Some(rest) = source.strip_prefix("---\n") else {
        faults.at(0, "a runbook begins with its front matter", "make `---` the first line, then `runbook: 1`");
        return None;
    };
    let end = if rest.starts_with("---\n") { Some(0) } else { rest.find("\n---\n").map(|at| at + 1) };
    let Some(end) = end else {
        faults.at(0, "the front matter is not closed", "end it with a line of `---`");
        return None;
    };
    Some((format!("\n{}", &rest[..end]), "---\n".len() + end + "---\n".len()))
}

/// Reads the YAML; `None` when something that everything else needs is missing or wrong.
pub(super) fn read(yaml: &str, faults: &mut Faults<'_>) -> Option<Front> {
    let fields = Fields::read(yaml, "the front matter", faults)?;
    let mut table = Table::new(fields, &KEYS, "key", 0, faults);
    let version = table.required("runbook", faults);
    if let Some((value, at)) = &version
        && value.as_json() != 1
    {
        faults.at(*at, "this version of the format is not known", "write `runbook: 1`");
    }
    let id = table.text("id", true, faults).filter(|(id, at)| slug_or_fault(id, *at, faults));
    let title = table.text("title", true, faults);
    let owner = table.text("owner", true, faults);
    let reviewed = table.text("reviewed", true, faults).and_then(|(text, at)| date(&text, at, faults));
    let handbook = table.text("handbook", false, faults).map(|(text, _)| text);
    let pane = table.text("pane", false, faults).and_then(|(text, at)| pane(&text, at, faults));
    let risk = table.text("risk", true, faults).and_then(|(text, at)| risk(&text, at, faults));
    let affects = table.text("affects", false, faults);
    let key = table.text("key", false, faults).map(|(text, _)| text);
    let verb = table.text("verb", false, faults).filter(|(verb, at)| word_or_fault(verb, *at, faults));
    let environments = environments(&mut table, faults);
    let (alerts, lock, uses) = (alerts(&mut table, faults), lock(&mut table, faults), uses(&mut table, faults));
    let limits = limits(&mut table, faults);
    let duration = table.text("duration", false, faults).and_then(|(text, at)| span(&text, at, faults));
    let before = faults.list.len();
    let params = parameters(&mut table, faults);
    let secrets = secrets(&mut table, &params, faults);
    let params_whole = faults.list.len() == before;
    Some(Front {
        id: id?.0,
        title: title?.0,
        owner: owner?.0,
        reviewed: reviewed?,
        handbook,
        alerts,
        pane,
        key,
        environments,
        risk: risk?,
        affects,
        verb: verb.map(|(verb, _)| verb),
        lock,
        uses,
        limits,
        duration,
        secrets,
        params,
        params_whole,
    })
}

fn slug_or_fault(id: &str, at: usize, faults: &mut Faults<'_>) -> bool {
    let fine = !id.is_empty() && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fine {
        faults.at(at, format!("`{id}` is no id"), "use lower-case letters, digits and hyphens");
    }
    fine
}

fn word_or_fault(verb: &str, at: usize, faults: &mut Faults<'_>) -> bool {
    let fine = is_word(verb);
    if !fine {
        faults.at(at, format!("`{verb}` is no verb"), "use one lower-case word, as in `verb: kill`");
    }
    fine
}

fn date(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Date> {
    let date = text.parse().ok();
    if date.is_none() {
        faults.at(at, format!("`{text}` is no date"), "write it as in 2026-01-31");
    }
    date
}

fn pane(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Subject> {
    let pane = Subject::ALL.into_iter().find(|subject| subject.word() == text);
    if pane.is_none() {
        let nearest = nearest(text, Subject::ALL.into_iter().map(Subject::word));
        faults.at(
            at,
            format!("there is no pane `{text}`{nearest}"),
            "the panes are servers, containers, alerts, databases",
        );
    }
    pane
}

fn risk(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Risk> {
    const RISKS: [(&str, Risk); 4] =
        [("read", Risk::Read), ("low", Risk::Low), ("high", Risk::High), ("irreversible", Risk::Irreversible)];
    let risk = RISKS.into_iter().find(|(word, _)| *word == text).map(|(_, risk)| risk);
    if risk.is_none() {
        let nearest = nearest(text, RISKS.into_iter().map(|(word, _)| word));
        faults.at(at, format!("there is no risk `{text}`{nearest}"), "the risks are read, low, high, irreversible");
    }
    risk
}

fn environments(table: &mut Table, faults: &mut Faults<'_>) -> Vec<String> {
    let mend = "write `environments: [staging]`, or leave it out for all";
    let named = table.texts("environments", mend, faults);
    let mut names: Vec<String> = Vec::new();
    for (name, at) in named {
        let fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fine {
            faults.at(at, format!("`{name}` is no environment"), "use lower-case letters, digits and hyphens");
        }
        names.push(name);
    }
    names
}

fn alerts(table: &mut Table, faults: &mut Faults<'_>) -> Vec<Glob> {
    let named = table.texts("alerts", "write `alerts: [PgDown, Pg*]`, or leave it out", faults);
    let mut globs = Vec::new();
    for (name, at) in named {
        // Some rules have spaces in their names; only what could never be a name is refused.
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            faults.at(at, "this is no alert's name", "write it as in `PgDown`, or with `*` for any text");
        }
        globs.push(Glob(name));
    }
    globs
}

fn lock(table: &mut Table, faults: &mut Faults<'_>) -> Vec<(Lock, usize)> {
    let named = table.texts("lock", "write `lock: [database/primary]`, or leave it out", faults);
    let mut locks = Vec::new();
    for (text, at) in named {
        let parts = text.split_once('/').filter(|(kind, name)| is_word(kind) && is_name(name.trim_start_matches('$')));
        let Some((kind, name)) = parts else {
            faults.at(
                at,
                format!("`{text}` names nothing to hold"),
                "write it as in `database/primary` or `server/$server`",
            );
            continue;
        };
        let name =
            name.strip_prefix('$').map_or_else(|| Name::Is(name.to_owned()), |name| Name::Param(name.to_owned()));
        locks.push((Lock { kind: kind.to_owned(), name }, at));
    }
    locks
}

fn uses(table: &mut Table, faults: &mut Faults<'_>) -> Vec<Need> {
    let named = table.texts("uses", "write `uses: [postgres/primary, role/game]`, or leave it out", faults);
    let mut needs = Vec::new();
    for (text, at) in named {
        let (kind, name) = text.split_once('/').unwrap_or((&text, ""));
        if !USES.contains(&kind) {
            let nearest = nearest(kind, USES);
            let what = format!("there is no kind of connection `{kind}`{nearest}");
            faults.at(at, what, format!("write KIND/NAME; the kinds are {}", USES.join(", ")));
        } else if !is_name(name) {
            faults.at(at, format!("`{text}` names no {kind}"), format!("write it as in `{kind}/NAME`"));
        }
        needs.push(Need { kind: kind.to_owned(), name: name.to_owned() });
    }
    needs
}

fn limits(table: &mut Table, faults: &mut Faults<'_>) -> RunLimits {
    let Some((node, at)) = table.take("limits") else { return RunLimits::default() };
    let Node::Table(fields) = node else {
        faults.at(at, "`limits` is a table", "write `limits: {rows: 200, hosts: 4, minutes: 20}`");
        return RunLimits::default();
    };
    let mut table = Table::new(fields, &LIMIT_KEYS, "limit", at, faults);
    let [rows, hosts, minutes] = LIMIT_KEYS.map(|key| table.count(key, faults));
    RunLimits { rows, hosts, minutes }
}

fn span(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<Duration> {
    let span = params::duration(text);
    if span.is_none() {
        faults.at(at, format!("`{text}` is no time span"), "write it as in 90s or 1h30m");
    }
    span
}

fn secrets(table: &mut Table, params: &[(Param, usize)], faults: &mut Faults<'_>) -> Vec<(String, usize)> {
    let named = table.texts("secrets", "write `secrets: [admin_token]`: names only", faults);
    let mut secrets: Vec<(String, usize)> = Vec::new();
    for (name, at) in named {
        // What is no name may be the secret itself: it is not repeated.
        if !is_plain(&name) {
            faults.at(at, "a secret has a plain name here", "use lower-case letters, digits and _, a letter first");
        } else if secrets.iter().any(|(known, _)| *known == name) {
            faults.at(at, format!("there are two secrets `{name}`"), "keep one");
        } else if params.iter().any(|(param, _)| param.name == name) {
            faults.at(at, format!("`{name}` is a parameter already"), "a secret is no parameter: rename one");
        } else {
            secrets.push((name, at));
        }
    }
    secrets
}

/// A word of lower-case letters and hyphens.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// A name of the config.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// A name of a parameter, a secret or rows.
pub(in crate::runbook) fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn parameters(table: &mut Table, faults: &mut Faults<'_>) -> Vec<(Param, usize)> {
    let Some((node, at)) = table.take("params") else { return Vec::new() };
    let Node::List(items) = node else {
        faults.at(at, "`params` is a list", "write `params:` and below it lines of `- {name: x, type: int}`");
        return Vec::new();
    };
    let mut found: Vec<(Param, usize)> = Vec::new();
    for item in items {
        let at = place(&item, faults);
        let Node::Table(fields) = item.value else {
            faults.at(at, "a parameter is a table", "write `- {name: x, type: int}`");
            continue;
        };
        let Some(param) = parameter(fields, at, faults) else { continue };
        if found.iter().any(|(known, _)| known.name == param.name) {
            faults.at(at, format!("there are two parameters `{}`", param.name), "rename one");
        }
        let twin = |one: &Param, other: &str| one.kind == ParamType::Server && address_of(&one.name) == other;
        if found.iter().any(|(known, _)| twin(known, &param.name) || twin(&param, &known.name)) {
            let what = format!("`{}` meets the address of a server parameter", param.name);
            faults.at(at, what, "a server `x` has its address as `x_addr`: rename one of the two");
        }
        found.push((param, at));
    }
    found
}

fn parameter(fields: Vec<Field>, at: usize, faults: &mut Faults<'_>) -> Option<Param> {
    let mut table = Table::new(fields, &PARAM_KEYS, "key of a parameter", at, faults);
    let name = table.text("name", true, faults).filter(|(name, at)| name_or_fault(name, *at, faults));
    let kind = table.text("type", true, faults).and_then(|(text, at)| kind(&text, at, faults));
    let required = table.flag("required", faults);
    let (min, max) = (table.bound("min", faults), table.bound("max", faults));
    let pattern = table.text("pattern", false, faults).filter(|(text, at)| pattern_or_fault(text, *at, faults));
    let many = table.flag("many", faults);
    let choices = table.texts("choices", "write `choices: [a, b]`", faults);
    let choices = choices.into_iter().map(|(text, _)| text).collect();
    let [from, prefer] = ["from", "prefer"]
        .map(|key| table.text(key, false, faults).and_then(|(text, at)| role(key, &text, at, kind, faults)));
    let description = table.text("description", false, faults).map(|(text, _)| text);
    let empty = table.text("empty", false, faults).map(|(text, _)| text);
    let default = table.take("default");
    let (kind, name) = (kind?, name?.0);
    let pattern = pattern.map(|(text, _)| text);
    let mut param = Param {
        name,
        kind,
        description,
        many,
        default: None,
        required,
        min,
        max,
        pattern,
        choices,
        from,
        prefer,
        empty,
    };
    suits(&param, at, faults);
    if let Some((node, at)) = default {
        match params::check(&param, &node.as_json()) {
            Ok(value) => param.default = Some(value),
            Err(what) => faults.at(at, format!("the default does not fit: {what}"), "change the default or the bounds"),
        }
        if required {
            faults.at(at, format!("`{}` is required and has a default", param.name), "keep one of the two");
        }
    }
    Some(param)
}

/// The keys that only some types have.
fn suits(param: &Param, at: usize, faults: &mut Faults<'_>) {
    let Param { name, kind, .. } = param;
    if *kind == ParamType::Enum
        && param.choices.is_empty()
        && !faults.list.iter().any(|fault| fault.what.contains("`choices`"))
    {
        faults.at(at, format!("`{name}` is an enum without `choices`"), "write `choices: [a, b]`");
    }
    let measured = matches!(kind, ParamType::Int | ParamType::Duration);
    if !measured && (param.min.is_some() || param.max.is_some()) {
        let what = format!("`min` and `max` mean nothing for {}", kind.word());
        faults.at(at, what, "they are for int and duration; text takes a `pattern`");
    }
    if param.min.zip(param.max).is_some_and(|(min, max)| min > max) {
        faults.at(at, format!("`min` of `{name}` is above its `max`"), "change one of the two");
    }
}

/// `role:game`.
fn role(key: &str, text: &str, at: usize, kind: Option<ParamType>, faults: &mut Faults<'_>) -> Option<String> {
    if kind.is_some_and(|kind| kind != ParamType::Server) {
        faults.at(at, format!("`{key}` is for servers alone"), "remove it, or declare `type: server`");
        return None;
    }
    let role = text.strip_prefix("role:").filter(|role| is_name(role)).map(str::to_owned);
    if role.is_none() {
        faults.at(at, format!("`{text}` names no set of servers"), format!("write it as in `{key}: role:game`"));
    }
    role
}

fn name_or_fault(name: &str, at: usize, faults: &mut Faults<'_>) -> bool {
    let fine = is_plain(name);
    if !fine {
        faults.at(at, format!("`{name}` is no parameter name"), "use lower-case letters, digits and _, a letter first");
    } else if language::is_word(name) {
        faults.at(at, format!("`{name}` has a meaning of its own"), "choose another name");
        return false;
    }
    fine
}

fn kind(text: &str, at: usize, faults: &mut Faults<'_>) -> Option<ParamType> {
    let kind = ParamType::ALL.into_iter().find(|kind| kind.word() == text);
    if kind.is_none() {
        let nearest = nearest(text, ParamType::ALL.into_iter().map(ParamType::word));
        let types = ParamType::ALL.map(ParamType::word).join(", ");
        faults.at(at, format!("there is no type `{text}`{nearest}"), format!("the types are {types}"));
    }
    kind
}

fn pattern_or_fault(text: &str, at: usize, faults: &mut Faults<'_>) -> bool {
    let fine = text.len() <= PATTERN_MAX && regex::Regex::new(&format!("^(?:{text})$")).is_ok();
    if !fine {
        faults.at(
            at,
            format!("`{text}` is no regular expression"),
            "close its brackets; it is matched against the whole text",
        );
    }
    fine
}
