//! Which fields a JSON value has, and of which types they are.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Objects whose keys are data.
const OPEN: [&str; 9] = [
    "Labels",
    "Networks",
    "labels",
    "annotations",
    "metric",
    "discoveredLabels",
    "Attributes",
    "networks",
    "droppedTargetCounts",
];

/// By path: the types that stand there. `[]` is any element of a list, `*` any key of an open object.
pub struct Shapes(BTreeMap<String, BTreeSet<&'static str>>);

impl Shapes {
    pub fn of(value: &Value) -> Self {
        let mut shapes = Self(BTreeMap::new());
        shapes.add(value, "");
        shapes
    }

    fn add(&mut self, value: &Value, path: &str) {
        self.0.entry(path.to_owned()).or_default().insert(kind(value));
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.add(one, &format!("{path}[]"))),
            Value::Object(fields) => {
                let open = OPEN.contains(&path.rsplit('.').next().unwrap_or_default());
                for (key, one) in fields {
                    self.add(one, &format!("{path}.{}", if open { "*" } else { key.as_str() }));
                }
            }
            _ => {}
        }
    }

    /// Nothing is known of what would stand below: it is null there, or an empty list or object.
    fn is_bare(&self, path: &str) -> bool {
        let below = |longer: &String| longer.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
        !self.0.keys().any(below)
    }

    fn knows(&self, path: &str) -> bool {
        let mut at = path;
        while let Some(end) = at.rfind(['.', '[']) {
            at = &at[..end];
            if let Some(types) = self.0.get(at) {
                return !self.is_bare(at) || types.is_disjoint(&BTreeSet::from(["null", "a list", "an object"]));
            }
        }
        true
    }

    /// What a drill's has otherwise than this, the real one.
    pub fn compare(&self, drill: &Self, lacks: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut missing: Vec<&str> = Vec::new();
        for (path, types) in &self.0 {
            let above = |known: &&&str| path.strip_prefix(**known).is_some_and(|rest| rest.starts_with(['.', '[']));
            match drill.0.get(path) {
                Some(ours)
                    if ours.iter().any(|one| *one != "null" && !types.contains(one))
                        && *types != BTreeSet::from(["null"]) =>
                {
                    found.push(
                        format!("{} is {types:?}, {ours:?} in a drill", shown(path)).replace(['{', '}', '"'], ""),
                    );
                }
                Some(_) => {}
                None if !drill.knows(path) || missing.iter().any(|known| above(&known)) => {}
                None => missing.push(path),
            }
        }
        let lacking = missing.into_iter().filter(|path| !lacks(shown(path)));
        found.extend(lacking.map(|path| format!("{} is not there in a drill", shown(path))));
        let more = drill.0.keys().filter(|path| !self.0.contains_key(*path) && self.knows(path));
        found
            .extend(more.filter(|path| !lacks(shown(path))).map(|path| format!("{} is in a drill alone", shown(path))));
        found
    }
}

fn shown(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(text) if text.len() >= 20 && text.parse::<jiff::Timestamp>().is_ok() => "a time",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
