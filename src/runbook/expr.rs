//! Conditions: CEL, the Common Expression Language, held to a bool. A missing field, an index out of range and a mixed
//! comparison are errors, never false: a typing mistake must not read as "not yet".
//!
//! Beside the standard functions there is `timestamp(text)`, which gives microseconds since 1970, so that two times of
//! RFC 3339 can be compared whatever the number of their decimals.

use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Program};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// The names that a condition can see, with their values.
pub type Names = BTreeMap<String, Value>;

/// A compiled expression, with its text.
#[derive(Clone)]
pub struct Condition {
    text: String,
    program: Arc<Program>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// Compiles it; the error is the parser's, in one line.
    pub fn compile(text: &str) -> Result<Self, String> {
        let program = Program::compile(text).map_err(|errors| first_line(&errors.to_string()))?;
        Ok(Self { text: text.to_owned(), program: Arc::new(program) })
    }

    /// The variables it reads.
    pub fn names(&self) -> BTreeSet<String> {
        self.program.references().variables().into_iter().map(str::to_owned).collect()
    }

    /// Its parameters, as in `params.name`, found by text: CEL's references know only the first word.
    pub fn params(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, _) in self.text.match_indices("params.") {
            let name = &self.text[at + "params.".len()..];
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            found.insert(name[..end].to_owned());
        }
        found
    }

    /// True or false; anything else is an error that says what came instead.
    pub fn holds(&self, names: &Names) -> Result<bool, String> {
        match self.value(names)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(format!("`{}` gives {other}, which is neither true nor false", self.text)),
        }
    }

    /// Its value.
    pub fn value(&self, names: &Names) -> Result<Value, String> {
        let context = context(names);
        let value = self.program.execute(&context).map_err(|error| format!("`{}`: {error}", self.text))?;
        value.json().map_err(|error| format!("`{}`: {error}", self.text))
    }
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

fn context(names: &Names) -> Context<'static, 'static> {
    let mut context = Context::default();
    for (name, value) in names {
        context.add_variable_from_value(name.clone(), cel_value(value));
    }
    // Refused only when a later version of the crate brings its own `timestamp`, which is then used.
    let _ = context.add_function("timestamp", timestamp);
    context
}

#[expect(clippy::needless_pass_by_value, reason = "the crate hands arguments over by value")]
fn timestamp(text: Arc<String>) -> Result<i64, ExecutionError> {
    text.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_microsecond)
        .map_err(|error| ExecutionError::function_error("timestamp", error))
}

/// Whole numbers become signed ones, so that `rows[0].n == 0` compares like with like.
fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(truth) => cel::Value::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(cel_value).collect())),
        Value::Object(fields) => {
            let fields: HashMap<Key, cel::Value> =
                fields.iter().map(|(name, value)| (Key::from(name.as_str()), cel_value(value))).collect();
            cel::Value::Map(Map::from(fields))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(text: &str, names: &Value) -> Result<bool, String> {
        let names = names.as_object().unwrap().clone().into_iter().collect();
        Condition::compile(text).unwrap().holds(&names)
    }

    #[test]
    fn a_missing_field_is_an_error_and_not_false() {
        let names = json!({"container": {"State": {"Running": true}}});
        assert_eq!(holds("container.State.Running", &names), Ok(true));
        let error = holds("container.State.Health.Status == 'healthy'", &names).unwrap_err();
        assert!(error.contains("No such key: Health"), "{error}");
        assert_eq!(holds("has(container.State.Health)", &names), Ok(false));
    }

    #[test]
    fn an_index_out_of_range_and_mixed_types_are_errors() {
        let names = json!({"rows": [{"n": 0}]});
        assert_eq!(holds("rows[0].n == 0", &names), Ok(true));
        assert!(holds("rows[1].n == 0", &names).is_err());
        assert!(holds("rows[0].n < 'a'", &names).is_err());
        assert!(holds("nobody == 0", &names).is_err());
    }

    #[test]
    fn what_is_not_a_bool_is_an_error() {
        let error = holds("rows[0].n", &json!({"rows": [{"n": 3}]})).unwrap_err();
        assert_eq!(error, "`rows[0].n` gives 3, which is neither true nor false");
    }

    #[test]
    fn times_compare_as_times_whatever_their_decimals() {
        let names = json!({"a": "2026-01-02T03:04:05.12Z", "b": "2026-01-02T03:04:05.119999999Z", "never": "0001-01-01T00:00:00Z"});
        assert_eq!(holds("timestamp(a) > timestamp(b)", &names), Ok(true));
        assert_eq!(holds("timestamp(never) < timestamp(b)", &names), Ok(true));
        assert!(holds("timestamp('yesterday') > timestamp(b)", &names).is_err());
    }

    #[test]
    fn names_and_parameters_are_found() {
        let condition = Condition::compile("rows.size() == 1 && idle[0].pid > params.pid").unwrap();
        assert_eq!(condition.names(), ["idle", "params", "rows"].map(str::to_owned).into());
        assert_eq!(condition.params(), ["pid".to_owned()].into());
        assert!(Condition::compile("rows[0").is_err());
    }
}
