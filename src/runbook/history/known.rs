//! What a run knew: its parameters, what was chosen in it and what its steps found, as its records have them. By these its page says what it
//! asked and sent.

use super::super::language::{Scope, Secrets};
use crate::domain::record::Record;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Rows that are kept of each name: a page names the first ones.
const ROWS: usize = 20;

/// The values of a run so far.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Parameters, with the addresses of servers, and what was chosen.
    pub values: BTreeMap<String, Value>,
    /// Rows by the name that they were captured under. What is found on one host of a rollout holds for that host alone, and is not among them.
    outs: BTreeMap<String, Value>,
}

impl Known {
    /// Of a run's first record.
    pub(super) fn begun(data: &Value) -> Self {
        Self { values: object(&data["values"]).collect(), outs: BTreeMap::new() }
    }

    /// What a record of one of its steps adds.
    pub(super) fn take(&mut self, record: &Record) {
        if record.entry.step.as_deref().is_none_or(|step| step.contains(super::super::script::AT)) {
            return;
        }
        let (data, facts) = (&record.entry.data, &record.entry.data["facts"]);
        self.values.extend(object(&facts["values"]));
        for (name, captured) in object(&facts["outs"]).chain(object(&data["outs"])) {
            let rows = captured["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            self.outs.insert(name, rows.iter().take(ROWS).cloned().collect());
        }
    }

    /// What fills the words of a step; secrets are named.
    pub fn scope<'a>(&'a self, run: &'a str, step: &'a str) -> Scope<'a> {
        Scope { values: &self.values, outs: &self.outs, run, step, secrets: Secrets::Named }
    }
}

fn object(value: &Value) -> impl Iterator<Item = (String, Value)> + '_ {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.clone(), value.clone()))
}
