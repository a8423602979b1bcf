//! Conditions: CEL, the Common Expression Language, held to a bool. A missing field, an index out of range and a mixed
//! comparison are errors, never false: a typing mistake must not read as "not yet".
//!
//! Beside the standard functions there is `timestamp(text)`, which gives microseconds since 1970, so that two times of
//! RFC 3339 can be compared whatever the number of their decimals.

use cel::common::ast::{Expr, LiteralValue, operators};
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Program};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// The names that a condition can see, with their values.
pub type Names = BTreeMap<String, Value>;

/// What is known of a value before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Any,
    /// A number; whole ones and others compare.
    Number,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A list.
    List,
    /// An object.
    Map,
}

impl Known {
    const fn words(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Map => "an object",
        }
    }
}

/// The names that an answer gives, with what is known of each.
pub type Gives = &'static [(&'static str, Known)];

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

/// No condition is as long as this, in bytes: nobody could read it.
const LONGEST: usize = 1_000;

/// How a comparison of different types is mended.
const ALIKE: &str =
    "write both sides alike: a number without quotes, text in single quotes, `int(…)` or `string(…)` around a value";

impl Condition {
    /// Compiles it; the error is the parser's, in one line.
    pub fn compile(text: &str) -> Result<Self, String> {
        // The parser's tree of a long chain (`a + a + …`) is as deep as the chain is long, and a stack is not.
        if text.len() > LONGEST {
            return Err(format!("it is {} bytes long, and {LONGEST} are the most", text.len()));
        }
        let program = Program::compile(text).map_err(|errors| first_line(&errors.to_string()))?;
        Ok(Self { text: text.to_owned(), program: Arc::new(program) })
    }

    /// The variables it reads, but those of its own: `r` in `rows.exists(r, r.ok)`.
    pub fn names(&self) -> BTreeSet<String> {
        let mut own = BTreeSet::new();
        walk(&self.expression().expr, &mut |expr| {
            if let Expr::Comprehension(inner) = expr {
                own.extend([Some(&inner.iter_var), inner.iter_var2.as_ref()].into_iter().flatten());
            }
        });
        let references = self.program.references();
        let read = references.variables().into_iter();
        read.filter(|name| !own.iter().any(|own| own == name)).map(str::to_owned).collect()
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

    fn expression(&self) -> &cel::IdedExpr {
        self.program.expression()
    }

    /// Fields that it reads of a name: of `run`, in `run.id`, it is `id`.
    pub fn fields_of(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        walk(&self.expression().expr, &mut |expr| {
            if let Some((root, field)) = field(expr)
                && root == name
            {
                found.insert(field.to_owned());
            }
        });
        found
    }

    /// What it compares that can never be equal, and what it gives instead of true or false (`wants_bool`), as far as that is
    /// known: what, and how it is mended. `known` tells of a name and of a field of one.
    pub fn doubts(&self, wants_bool: bool, known: &dyn Fn(&str, Option<&str>) -> Known) -> Vec<(String, &'static str)> {
        let mut doubts = Vec::new();
        walk(&self.expression().expr, &mut |expr| {
            doubts.extend(unlike(expr, known).map(|what| (what, ALIKE)));
        });
        let whole = kind(&self.expression().expr, known);
        if wants_bool && !matches!(whole, Known::Any | Known::Bool) {
            let what = format!("it gives {}, which is neither true nor false", whole.words());
            doubts.push((what, "compare it with what it should be"));
        }
        doubts
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

/// Visits an expression and all that is inside.
fn walk<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    match expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| walk(&target.expr, visit));
            call.args.iter().for_each(|arg| walk(&arg.expr, visit));
        }
        Expr::Select(select) => walk(&select.operand.expr, visit),
        Expr::List(list) => list.elements.iter().for_each(|item| walk(&item.expr, visit)),
        Expr::Comprehension(inner) => {
            for part in [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                walk(&part.expr, visit);
            }
        }
        Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

/// `name.field`.
fn field(expr: &Expr) -> Option<(&str, &str)> {
    match expr {
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(name) => Some((name, &select.field)),
            _ => None,
        },
        _ => None,
    }
}

/// A comparison of two things that are never alike.
fn unlike(expr: &Expr, known: &dyn Fn(&str, Option<&str>) -> Known) -> Option<String> {
    let Expr::Call(call) = expr else { return None };
    let [left, right] = call.args.as_slice() else { return None };
    let (sign, pairs) = match call.func_name.as_str() {
        operators::EQUALS => ("==", vec![&right.expr]),
        operators::NOT_EQUALS => ("!=", vec![&right.expr]),
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
            ("an order", vec![&right.expr])
        }
        operators::IN => match &right.expr {
            Expr::List(list) => ("in", list.elements.iter().map(|item| &item.expr).collect()),
            _ => return None,
        },
        _ => return None,
    };
    let left = kind(&left.expr, known);
    let other = pairs
        .into_iter()
        .map(|expr| kind(expr, known))
        .find(|right| *right != left && *right != Known::Any && left != Known::Any)?;
    let what = match sign {
        "an order" => "one cannot be less than the other".to_owned(),
        _ => format!("`{sign}` is {} whatever they are", if sign == "!=" { "always true" } else { "never true" }),
    };
    Some(format!("it compares {} with {}: {what}", left.words(), other.words()))
}

/// Of two that may come: certain only when both are alike. Each is asked for once: twice would double the work with every link of a chain.
fn alike(one: Known, other: Known) -> Known {
    if one == other { one } else { Known::Any }
}

/// What an expression gives, as far as that is certain.
fn kind(expr: &Expr, known: &dyn Fn(&str, Option<&str>) -> Known) -> Known {
    match expr {
        Expr::Literal(LiteralValue::Boolean(_)) => Known::Bool,
        Expr::Literal(LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_)) => Known::Number,
        Expr::Literal(LiteralValue::String(_)) => Known::Text,
        Expr::List(_) => Known::List,
        Expr::Map(_) => Known::Map,
        Expr::Ident(name) => known(name, None),
        Expr::Select(select) if select.test => Known::Bool,
        Expr::Select(_) => field(expr).map_or(Known::Any, |(name, field)| known(name, Some(field))),
        Expr::Call(call) => {
            let of = |index: usize| call.args.get(index).map_or(Known::Any, |arg| kind(&arg.expr, known));
            match call.func_name.as_str() {
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::IN
                | "startsWith"
                | "endsWith"
                | "contains"
                | "matches" => Known::Bool,
                operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE => Known::Number,
                "size" | "int" | "uint" | "double" | "timestamp" => Known::Number,
                "string" => Known::Text,
                operators::ADD => alike(of(0), of(1)),
                operators::CONDITIONAL => alike(of(1), of(2)),
                _ => Known::Any,
            }
        }
        _ => Known::Any,
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
        let own = Condition::compile("rows.exists(r, r.n == params.n) && rows.map(x, x.n).size() > 0").unwrap();
        assert_eq!(own.names(), ["params", "rows"].map(str::to_owned).into());
        assert_eq!(condition.params(), ["pid".to_owned()].into());
        assert!(Condition::compile("rows[0").is_err());
    }

    #[test]
    fn what_can_never_be_equal_is_told() {
        let known = |name: &str, field: Option<&str>| match (name, field) {
            ("rc", None) => Known::Number,
            ("stdout", None) | ("params", Some("app")) => Known::Text,
            ("rows", None) => Known::List,
            _ => Known::Any,
        };
        let doubts = |text: &str| Condition::compile(text).unwrap().doubts(true, &known).len();
        for fine in [
            "rc == 0",
            "rc == 0.0",
            "rows[0].n == 'a'",
            "stdout == 'x' || rc in [0, 2]",
            "rows.size() > 0",
            "string(rc) == '0'",
            "params.app == null",
            "rows.exists(r, r.n == 1)",
            "json.draining",
            "has(json.x) ? rc == 0 : stdout == ''",
        ] {
            assert_eq!(doubts(fine), 0, "{fine}");
        }
        for wrong in [
            "rc == '0'",
            "stdout == 0",
            "params.app != 3",
            "rc < 'a'",
            "rc in ['0']",
            "rows == 0",
            "!(rc == 'a')",
            "rc",
            "stdout + 'a'",
            "rows.exists(r, rc == 'a')",
        ] {
            assert_eq!(doubts(wrong), 1, "{wrong}");
        }
        assert_eq!(
            Condition::compile("rc == '0'").unwrap().doubts(true, &known),
            [("it compares a number with text: `==` is never true whatever they are".to_owned(), ALIKE)]
        );
    }

    #[test]
    fn fields_of_a_name_are_found() {
        let condition = Condition::compile("run.id != '' && step.name == 'x'").unwrap();
        assert_eq!(condition.fields_of("run"), ["id".to_owned()].into());
        assert_eq!(condition.fields_of("step"), ["name".to_owned()].into());
    }
}
