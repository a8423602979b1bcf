//! YAML with its places, so that whatever is wrong has its line: the front matter, and the fence of a rollout.

use super::Faults;
use crate::runbook::{nearest, params};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use std::fmt;

/// A key and its value, each with its place.
pub(super) type Field = (Spanned<String>, Spanned<Node>);

/// A YAML value with its places.
#[derive(Debug)]
pub(super) enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Table(Vec<Field>),
}

/// A table, read from YAML.
pub(super) struct Fields(Vec<Field>);

impl Fields {
    /// Reads a table; `what` it is, for people. The lines of `yaml` are the file's lines: what stands before it in the file is blank
    /// here. `None` when it is no table, which is reported.
    pub(super) fn read(yaml: &str, what: &str, faults: &mut Faults<'_>) -> Option<Vec<Field>> {
        // Doubled keys are reported with their place below; `n` and `yes` are words here, as in YAML 1.2.
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough, strict_booleans: true };
        match serde_saphyr::from_str_with_options::<Fields>(yaml, options) {
            Ok(Fields(fields)) => Some(fields),
            Err(error) => {
                let place = error.location();
                let byte = place.map_or(0, |place| faults.byte(place.line(), place.column()));
                let text = error.without_snippet().to_string();
                let why = text.lines().next().unwrap_or_default();
                let why = why.split(" at line ").next().unwrap_or_default();
                faults.at(byte, format!("{what} is no YAML table: {why}"), "write one `key: value` per line");
                None
            }
        }
    }
}

impl Node {
    pub(super) fn as_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.as_json()).collect(),
            // No key takes a table as a value: it fits nowhere.
            Self::Table(_) => Value::Object(serde_json::Map::new()),
        }
    }
}

/// A table whose keys are taken one by one; unknown and doubled ones are reported when it is made.
pub(super) struct Table {
    fields: Vec<(String, usize, Node)>,
    at: usize,
}

impl Table {
    pub(super) fn new(fields: Vec<Field>, known: &[&str], kind: &str, at: usize, faults: &mut Faults<'_>) -> Self {
        let mut table = Self { fields: Vec::new(), at };
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

    pub(super) fn take(&mut self, key: &str) -> Option<(Node, usize)> {
        let index = self.fields.iter().position(|(name, _, _)| name == key)?;
        let (_, at, node) = self.fields.swap_remove(index);
        Some((node, at))
    }

    pub(super) fn required(&mut self, key: &str, faults: &mut Faults<'_>) -> Option<(Node, usize)> {
        let found = self.take(key);
        if found.is_none() {
            faults.at(self.at, format!("`{key}` is missing"), format!("add `{key}: …`"));
        }
        found
    }

    pub(super) fn text(&mut self, key: &str, required: bool, faults: &mut Faults<'_>) -> Option<(String, usize)> {
        let (node, at) = if required { self.required(key, faults)? } else { self.take(key)? };
        match node {
            Node::Scalar(value) if !value.is_null() => Some((params::show(&value), at)),
            Node::Scalar(_) | Node::List(_) | Node::Table(_) => {
                faults.at(at, format!("`{key}` must be text"), format!("write `{key}: text`"));
                None
            }
        }
    }

    /// A list of at least one text, each with its place; none when the key is absent.
    pub(super) fn texts(&mut self, key: &str, mend: &str, faults: &mut Faults<'_>) -> Vec<(String, usize)> {
        let Some((node, at)) = self.take(key) else { return Vec::new() };
        let items = match node {
            Node::List(items) => items,
            Node::Scalar(_) | Node::Table(_) => Vec::new(),
        };
        let text = |item: Spanned<Node>| match &item.value {
            Node::Scalar(value) if !value.is_null() => Some((params::show(value), place(&item, faults))),
            Node::Scalar(_) | Node::List(_) | Node::Table(_) => None,
        };
        let texts: Option<Vec<(String, usize)>> = items.into_iter().map(text).collect();
        let texts = texts.filter(|texts| !texts.is_empty());
        if texts.is_none() {
            faults.at(at, format!("`{key}` must list at least one text"), mend);
        }
        texts.unwrap_or_default()
    }

    /// A whole number above zero.
    pub(super) fn count(&mut self, key: &str, faults: &mut Faults<'_>) -> Option<u64> {
        let (node, at) = self.take(key)?;
        let count = node.as_json().as_u64().filter(|count| *count > 0);
        if count.is_none() {
            faults.at(at, format!("`{key}` must be a whole number above zero"), format!("write `{key}: 5`"));
        }
        count
    }

    pub(super) fn flag(&mut self, key: &str, faults: &mut Faults<'_>) -> bool {
        match self.take(key) {
            Some((Node::Scalar(Value::Bool(flag)), _)) => flag,
            Some((_, at)) => {
                faults.at(at, format!("`{key}` must be true or false"), format!("write `{key}: true`"));
                false
            }
            None => false,
        }
    }

    pub(super) fn bound(&mut self, key: &str, faults: &mut Faults<'_>) -> Option<i64> {
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

/// The byte of a key or a value.
pub(super) fn place<T>(spanned: &Spanned<T>, faults: &Faults<'_>) -> usize {
    faults.byte(spanned.referenced.line(), spanned.referenced.column())
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
