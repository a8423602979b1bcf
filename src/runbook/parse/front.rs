//! The front matter: a flat YAML table between two lines of `---`.

use super::Faults;
use crate::domain::Subject;
use crate::domain::risk::Risk;
use crate::runbook::model::{Param, ParamType};
use crate::runbook::{nearest, params};
use jiff::civil::Date;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use std::fmt;

/// The front matter, typed.
pub(super) struct Front {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) owner: String,
    pub(super) reviewed: Date,
    pub(super) pane: Option<Subject>,
    pub(super) key: Option<String>,
    pub(super) environments: Vec<String>,
    pub(super) risk: Risk,
    pub(super) verb: Option<String>,
    /// Each with the byte where it stands.
    pub(super) params: Vec<(Param, usize)>,
    /// All parameters were read, so a name that is not among them is not declared.
    pub(super) params_whole: bool,
}

const KEYS: [&str; 11] =
    ["runbook", "id", "title", "owner", "reviewed", "pane", "key", "environments", "risk", "verb", "params"];
const PARAM_KEYS: [&str; 9] = ["name", "type", "default", "required", "min", "max", "pattern", "choices", "empty"];
/// Names that conditions give a meaning of their own.
const RESERVED: [&str; 5] = ["params", "rows", "container", "rc", "timestamp"];
/// Longer patterns than this are refused by the expression's size limit anyway.
const PATTERN_MAX: usize = 1000;

/// The YAML with its first `---` blanked (so that its lines are the file's lines), and the byte where the Markdown begins.
pub(super) fn split(source: &str, faults: &mut Faults<'_>) -> Option<(String, usize)> {
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
    // Doubled keys are reported with their place below; `n` and `yes` are words here, as in YAML 1.2.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough, strict_booleans: true };
    let fields = match serde_saphyr::from_str_with_options::<Fields>(yaml, options) {
        Ok(Fields(fields)) => fields,
        Err(error) => {
            let place = error.location();
            let byte = place.map_or(0, |place| faults.byte(place.line(), place.column()));
            let text = error.without_snippet().to_string();
            let what = text.lines().next().unwrap_or_default();
            let what = what.split(" at line ").next().unwrap_or_default();
            faults.at(byte, format!("the front matter is no YAML table: {what}"), "write one `key: value` per line");
            return None;
        }
    };
    let mut table = Table::new(fields, &KEYS, "key", faults);
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
    let pane = table.text("pane", false, faults).and_then(|(text, at)| pane(&text, at, faults));
    let risk = table.text("risk", true, faults).and_then(|(text, at)| risk(&text, at, faults));
    let key = table.text("key", false, faults).map(|(text, _)| text);
    let verb = table.text("verb", false, faults).filter(|(verb, at)| word_or_fault(verb, *at, faults));
    let environments = environments(&mut table, faults);
    let before = faults.list.len();
    let params = parameters(&mut table, faults);
    let params_whole = faults.list.len() == before;
    Some(Front {
        id: id?.0,
        title: title?.0,
        owner: owner?.0,
        reviewed: reviewed?,
        pane,
        key,
        environments,
        risk: risk?,
        verb: verb.map(|(verb, _)| verb),
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
    let fine = !verb.is_empty() && verb.chars().all(|c| c.is_ascii_lowercase() || c == '-');
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
    let Some((node, at)) = table.take("environments") else { return Vec::new() };
    let names = node.texts().filter(|names| !names.is_empty());
    if names.is_none() {
        faults.at(
            at,
            "`environments` must name at least one",
            "write `environments: [staging]`, or leave it out for all",
        );
    }
    names.unwrap_or_default()
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
        found.push((param, at));
    }
    found
}

fn parameter(fields: Vec<Field>, at: usize, faults: &mut Faults<'_>) -> Option<Param> {
    let mut table = Table::new(fields, &PARAM_KEYS, "key of a parameter", faults);
    table.at = at;
    let name = table.text("name", true, faults).filter(|(name, at)| name_or_fault(name, *at, faults));
    let kind = table.text("type", true, faults).and_then(|(text, at)| kind(&text, at, faults));
    let required = table.flag("required", faults);
    let (min, max) = (table.bound("min", faults), table.bound("max", faults));
    let pattern = table.text("pattern", false, faults).filter(|(text, at)| pattern_or_fault(text, *at, faults));
    let choices = match table.take("choices") {
        Some((node, at)) => node.texts().filter(|list| !list.is_empty()).unwrap_or_else(|| {
            faults.at(at, "`choices` must list at least one text", "write `choices: [a, b]`");
            Vec::new()
        }),
        None => Vec::new(),
    };
    let empty = table.text("empty", false, faults).map(|(text, _)| text);
    let default = table.take("default");
    let (kind, name) = (kind?, name?.0);
    let mut param =
        Param { name, kind, default: None, required, min, max, pattern: pattern.map(|(text, _)| text), choices, empty };
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

fn name_or_fault(name: &str, at: usize, faults: &mut Faults<'_>) -> bool {
    let mut chars = name.chars();
    let fine = chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // A container parameter is commonly called `container`; in conditions it is `params.container`.
    if !fine {
        faults.at(at, format!("`{name}` is no parameter name"), "use lower-case letters, digits and _, a letter first");
    } else if RESERVED.contains(&name) && name != "container" {
        faults.at(at, format!("`{name}` has a meaning of its own in conditions"), "choose another name");
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

fn place<T>(spanned: &Spanned<T>, faults: &Faults<'_>) -> usize {
    faults.byte(spanned.referenced.line(), spanned.referenced.column())
}

type Field = (Spanned<String>, Spanned<Node>);

/// A YAML value with its places.
#[derive(Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Table(Vec<Field>),
}

struct Fields(Vec<Field>);

impl Node {
    fn as_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(_) | Self::Table(_) => Value::Array(Vec::new()),
        }
    }

    fn texts(&self) -> Option<Vec<String>> {
        let Self::List(items) = self else { return None };
        items
            .iter()
            .map(|item| match &item.value {
                Node::Scalar(value) => Some(params::show(value)),
                Node::List(_) | Node::Table(_) => None,
            })
            .collect()
    }
}

/// A table whose keys are taken one by one; unknown and doubled ones are reported when it is made.
struct Table {
    fields: Vec<(String, usize, Node)>,
    at: usize,
}

impl Table {
    fn new(fields: Vec<Field>, known: &[&str], kind: &str, faults: &mut Faults<'_>) -> Self {
        let mut table = Self { fields: Vec::new(), at: 0 };
        for (key, node) in fields {
            let (key_at, at) = (place(&key, faults), place(&node, faults));
            if !known.contains(&key.value.as_str()) {
                let nearest = nearest(&key.value, known.iter().copied());
                faults.at(
                    key_at,
                    format!("unknown {kind} `{}`{nearest}", key.value),
                    format!("there are {}", known.join(", ")),
                );
            }
            if table.fields.iter().any(|(name, _, _)| *name == key.value) {
                faults.at(key_at, format!("`{}` stands here twice", key.value), "keep one");
            }
            table.fields.push((key.value, at, node.value));
        }
        table
    }

    fn take(&mut self, key: &str) -> Option<(Node, usize)> {
        let index = self.fields.iter().position(|(name, _, _)| name == key)?;
        let (_, at, node) = self.fields.swap_remove(index);
        Some((node, at))
    }

    fn required(&mut self, key: &str, faults: &mut Faults<'_>) -> Option<(Node, usize)> {
        let found = self.take(key);
        if found.is_none() {
            faults.at(self.at, format!("`{key}` is missing"), format!("add `{key}: …`"));
        }
        found
    }

    fn text(&mut self, key: &str, required: bool, faults: &mut Faults<'_>) -> Option<(String, usize)> {
        let (node, at) = if required { self.required(key, faults)? } else { self.take(key)? };
        match node {
            Node::Scalar(value) if !value.is_null() => Some((params::show(&value), at)),
            Node::Scalar(_) | Node::List(_) | Node::Table(_) => {
                faults.at(at, format!("`{key}` must be text"), format!("write `{key}: text`"));
                None
            }
        }
    }

    fn flag(&mut self, key: &str, faults: &mut Faults<'_>) -> bool {
        match self.take(key) {
            Some((Node::Scalar(Value::Bool(flag)), _)) => flag,
            Some((_, at)) => {
                faults.at(at, format!("`{key}` must be true or false"), format!("write `{key}: true`"));
                false
            }
            None => false,
        }
    }

    fn bound(&mut self, key: &str, faults: &mut Faults<'_>) -> Option<i64> {
        let (node, at) = self.take(key)?;
        let value = node.as_json();
        let seconds = value.as_str().and_then(params::duration).and_then(|span| i64::try_from(span.as_secs()).ok());
        let bound = value.as_i64().or(seconds);
        if bound.is_none() {
            faults.at(at, format!("`{key}` must be a whole number or a time span"), format!("write `{key}: 5`"));
        }
        bound
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of keys")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields, A::Error> {
                fields(map).map(Fields)
            }
        }
        deserializer.deserialize_map(Top)
    }
}

fn fields<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<Field>, A::Error> {
    let mut fields = Vec::new();
    while let Some(entry) = map.next_entry()? {
        fields.push(entry);
    }
    Ok(fields)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        fields(map).map(Node::Table)
    }
}
