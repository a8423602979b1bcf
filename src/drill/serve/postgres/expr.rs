//! Expressions of SQL: their values, and their types without them.

use super::refusal::Refusal;
use super::select::{Column, Context, query};
use super::value::{V, known};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    InTarget, UnaryOperator, Value,
};
use std::cmp::Ordering;

/// What names mean: the row at hand, and those around it.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Of the row.
    pub columns: &'a [Column],
    /// As many as columns.
    pub row: &'a [V],
    /// Of the query around.
    pub outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    fn find(&self, table: Option<&str>, name: &str) -> Option<(V, &'static str)> {
        let is = |column: &Column| column.name == name && table.is_none_or(|table| column.table == table);
        match self.columns.iter().position(is) {
            Some(at) => Some((self.row.get(at).cloned().unwrap_or(V::Null), self.columns[at].ty)),
            None => self.outer.and_then(|outer| outer.find(table, name)),
        }
    }

    /// A whole row of a table, by its name.
    fn whole(&self, table: &str) -> Option<V> {
        let of = self.columns.iter().zip(self.row).filter(|(column, _)| column.table == table);
        let fields: Vec<(String, V)> = of.map(|(column, value)| (column.name.clone(), value.clone())).collect();
        if fields.is_empty() { self.outer.and_then(|outer| outer.whole(table)) } else { Some(V::Row(fields)) }
    }
}

/// The rows that an aggregate is made of.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Of each.
    pub columns: &'a [Column],
    /// All of the group.
    pub rows: &'a [&'a Vec<V>],
    /// Around them.
    pub outer: Option<&'a Scope<'a>>,
}

const AGGREGATES: [&str; 7] = ["count", "max", "min", "sum", "avg", "string_agg", "bool_or"];

/// Whether it has an aggregate in it, outside of subqueries.
pub fn is_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            AGGREGATES.contains(&function.name.to_string().as_str())
                || arguments(function).into_iter().any(is_aggregate)
        }
        Expr::Cast { expr, .. }
        | Expr::Nested(expr)
        | Expr::UnaryOp { expr, .. }
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr) => is_aggregate(expr),
        Expr::BinaryOp { left, right, .. } => is_aggregate(left) || is_aggregate(right),
        Expr::Case { conditions, else_result, .. } => {
            conditions.iter().any(|when| is_aggregate(&when.result)) || else_result.as_deref().is_some_and(is_aggregate)
        }
        _ => false,
    }
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
            | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr),
            _ => None,
        })
        .collect()
}

/// `string_agg(DISTINCT …)`
fn is_distinct(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
}

/// The value of an expression; `group`: of several rows together.
///
/// # Errors
/// What of it is not known here.
pub fn eval(expr: &Expr, scope: &Scope<'_>, context: &Context<'_>, group: Option<Wanted<'_>>) -> Result<V, Refusal> {
    let of = |expr: &Expr| eval(expr, scope, context, group);
    match expr {
        Expr::Value(value) => literal(&value.value, context),
        Expr::Nested(inner) => of(inner),
        Expr::Identifier(word) => named(None, &word.value, scope, context),
        Expr::CompoundIdentifier(words) => match words.as_slice() {
            [.., table, name] => named(Some(&table.value), &name.value, scope, context),
            _ => Err("a name is expected".to_owned().into()),
        },
        Expr::Cast { expr: inner, data_type, .. } => match data_type.to_string().to_ascii_lowercase().as_str() {
            "regclass" => context.tables.call("regclass", &[of(inner)?]),
            ty => of(inner)?.cast(known(ty)),
        },
        Expr::TypedString(text) => {
            V::Text(text.value.to_string().trim_matches('\'').to_owned()).cast(known(&text.data_type.to_string()))
        }
        Expr::IsNull(inner) => Ok(V::Bool(of(inner)? == V::Null)),
        Expr::IsNotNull(inner) => Ok(V::Bool(of(inner)? != V::Null)),
        Expr::IsTrue(inner) => Ok(V::Bool(of(inner)?.holds())),
        Expr::UnaryOp { op, expr: inner } => unary(*op, of(inner)?),
        Expr::BinaryOp { left, op, right } => binary(op, left, right, of),
        Expr::Extract { expr: inner, .. } => Ok(match of(inner)? {
            V::Time(micros) | V::Interval(micros) => V::Float(micros as f64 / 1e6),
            _ => V::Null,
        }),
        Expr::Like { negated, expr: inner, pattern, .. } => like(&of(inner)?, &of(pattern)?, *negated),
        Expr::In { expr: inner, target, negated, .. } => is_in(&of(inner)?, target, *negated, scope, context, group),
        Expr::AnyOp { left, right, .. } => any(&of(left)?, &of(right)?),
        Expr::Tuple(all) => {
            Ok(V::Row(all.iter().map(|one| Ok((String::new(), of(one)?))).collect::<Result<_, Refusal>>()?))
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref(), of)
        }
        Expr::Exists { subquery, negated } => {
            Ok(V::Bool(query(subquery, context, Some(scope))?.rows.is_empty() == *negated))
        }
        Expr::Subquery(inner) => {
            let rows = query(inner, context, Some(scope))?;
            Ok(rows.rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or(V::Null))
        }
        Expr::Substring { expr: inner, substring_from, substring_for, .. } => {
            let number = |of_: &Option<Box<Expr>>| of_.as_ref().map(|one| of(one)).transpose();
            Ok(of(inner)?.part(number(substring_from)?.as_ref(), number(substring_for)?.as_ref()))
        }
        Expr::Function(function) => call(function, scope, context, group),
        other => Err(format!("{other} is not known here").into()),
    }
}

fn literal(value: &Value, context: &Context<'_>) -> Result<V, Refusal> {
    Ok(match value {
        Value::Number(text, _) => match text.parse::<i64>() {
            Ok(whole) => V::Int(whole),
            Err(_) => V::Float(text.parse().map_err(|_| format!("{text} is no number"))?),
        },
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => V::Text(text.clone()),
        Value::Boolean(value) => V::Bool(*value),
        Value::Null => V::Null,
        Value::Placeholder(name) => {
            let at = name.trim_start_matches('$').parse::<usize>().ok().and_then(|at| at.checked_sub(1));
            at.and_then(|at| context.params.get(at)).cloned().unwrap_or(V::Null)
        }
        other => return Err(format!("{other} is not known here").into()),
    })
}

fn named(table: Option<&str>, name: &str, scope: &Scope<'_>, context: &Context<'_>) -> Result<V, Refusal> {
    if let Some((value, _)) = scope.find(table, name) {
        return Ok(value);
    }
    match (table, name) {
        (None, "current_user" | "session_user" | "user") => context.tables.call(name, &[]),
        (None, table) => {
            scope.whole(table).ok_or_else(|| Refusal::no_column(format!("column \"{name}\" does not exist in a drill")))
        }
        (Some(table), _) => Err(Refusal::no_column(format!("column {table}.{name} does not exist in a drill"))),
    }
}

fn unary(op: UnaryOperator, value: V) -> Result<V, Refusal> {
    Ok(match (op, value) {
        (_, V::Null) => V::Null,
        (UnaryOperator::Not, value) => V::Bool(!value.holds()),
        (UnaryOperator::Minus, V::Int(value)) => V::Int(-value),
        (UnaryOperator::Minus, V::Float(value)) => V::Float(-value),
        (UnaryOperator::Plus, value) => value,
        (op, _) => return Err(format!("{op} is not known here").into()),
    })
}

fn binary(
    op: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    of: impl Fn(&Expr) -> Result<V, Refusal>,
) -> Result<V, Refusal> {
    let left = of(left)?;
    // What follows of one side alone needs no other; NULL is neither true nor false.
    match op {
        BinaryOperator::And if left == V::Bool(false) => return Ok(left),
        BinaryOperator::Or if left.holds() => return Ok(left),
        _ => {}
    }
    let right = of(right)?;
    match op {
        BinaryOperator::And => Ok(three(&left, &right, true)),
        BinaryOperator::Or => Ok(three(&left, &right, false)),
        BinaryOperator::StringConcat if left == V::Null || right == V::Null => Ok(V::Null),
        BinaryOperator::StringConcat => Ok(V::Text(left.show() + &right.show())),
        _ => compared(op, &left, &right).map_or_else(|| arithmetic(op, &left, &right), Ok),
    }
}

/// AND (`all`) and OR, in three values.
fn three(left: &V, right: &V, all: bool) -> V {
    let decides = V::Bool(!all);
    match () {
        () if *left == decides || *right == decides => decides,
        () if *left == V::Null || *right == V::Null => V::Null,
        () => V::Bool(all),
    }
}

/// `None`: it is no comparison.
fn compared(op: &BinaryOperator, left: &V, right: &V) -> Option<V> {
    let holds: fn(Ordering) -> bool = match op {
        BinaryOperator::Eq => Ordering::is_eq,
        BinaryOperator::NotEq => Ordering::is_ne,
        BinaryOperator::Lt => Ordering::is_lt,
        BinaryOperator::LtEq => Ordering::is_le,
        BinaryOperator::Gt => Ordering::is_gt,
        BinaryOperator::GtEq => Ordering::is_ge,
        _ => return None,
    };
    Some(left.order(right).map_or(V::Null, |order| V::Bool(holds(order))))
}

fn arithmetic(op: &BinaryOperator, left: &V, right: &V) -> Result<V, Refusal> {
    let unknown = || format!("{op} is not known here between {} and {}", left.show(), right.show());
    Ok(match (op, left, right) {
        (_, V::Null, _) | (_, _, V::Null) => V::Null,
        (BinaryOperator::Minus, V::Time(a), V::Time(b)) => V::Interval(a - b),
        (BinaryOperator::Minus, V::Time(a), V::Interval(b)) => V::Time(a - b),
        (BinaryOperator::Plus, V::Time(a), V::Interval(b)) => V::Time(a + b),
        (BinaryOperator::Plus, V::Int(a), V::Int(b)) => V::Int(a + b),
        (BinaryOperator::Minus, V::Int(a), V::Int(b)) => V::Int(a - b),
        (BinaryOperator::Multiply, V::Int(a), V::Int(b)) => V::Int(a * b),
        (BinaryOperator::Divide, V::Int(a), V::Int(b)) if *b != 0 => V::Int(a / b),
        (op, a, b) => {
            let (Some(a), Some(b)) = (a.number(), b.number()) else { return Err(unknown().into()) };
            V::Float(match op {
                BinaryOperator::Plus => a + b,
                BinaryOperator::Minus => a - b,
                BinaryOperator::Multiply => a * b,
                BinaryOperator::Divide => a / b,
                _ => return Err(unknown().into()),
            })
        }
    })
}

/// `%` stands for any letters, `_` for one.
fn like(value: &V, pattern: &V, negated: bool) -> Result<V, Refusal> {
    if *value == V::Null || *pattern == V::Null {
        return Ok(V::Null);
    }
    let mut text = String::from("(?s)^");
    for letter in pattern.show().chars() {
        match letter {
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            letter => text.push_str(&regex::escape(&letter.to_string())),
        }
    }
    let regex = regex::Regex::new(&(text + "$")).map_err(|why| why.to_string())?;
    Ok(V::Bool(regex.is_match(&value.show()) != negated))
}

fn is_in(
    value: &V,
    target: &InTarget,
    negated: bool,
    scope: &Scope<'_>,
    context: &Context<'_>,
    group: Option<Wanted<'_>>,
) -> Result<V, Refusal> {
    let all: Vec<V> = match target {
        InTarget::Subquery(inner) => query(inner, context, Some(scope))?.rows.into_iter().map(single).collect(),
        InTarget::List(list) => {
            list.iter().map(|one| eval(one, scope, context, group)).collect::<Result<_, Refusal>>()?
        }
        _ => return Err("IN takes a list or a query here".to_owned().into()),
    };
    if *value == V::Null {
        return Ok(V::Null);
    }
    let there = all.iter().any(|one| value.order(one).is_some_and(Ordering::is_eq));
    Ok(V::Bool(there != negated))
}

/// A row of one value is that value.
fn single(mut row: Vec<V>) -> V {
    match row.len() {
        1 => row.remove(0),
        _ => V::Row(row.into_iter().map(|value| (String::new(), value)).collect()),
    }
}

fn any(value: &V, all: &V) -> Result<V, Refusal> {
    match (value, all) {
        (_, V::Null) | (V::Null, _) => Ok(V::Null),
        (V::Int(value), V::Ints(all)) => Ok(V::Bool(all.iter().any(|one| i64::from(*one) == *value))),
        _ => Err("ANY takes an array here".to_owned().into()),
    }
}

fn case(
    operand: Option<&Expr>,
    conditions: &[CaseWhen],
    otherwise: Option<&Expr>,
    of: impl Fn(&Expr) -> Result<V, Refusal>,
) -> Result<V, Refusal> {
    for when in conditions {
        let holds = match operand {
            None => of(&when.condition)?.holds(),
            Some(operand) => of(operand)?.order(&of(&when.condition)?).is_some_and(Ordering::is_eq),
        };
        if holds {
            return of(&when.result);
        }
    }
    otherwise.map_or(Ok(V::Null), of)
}

fn call(
    function: &Function,
    scope: &Scope<'_>,
    context: &Context<'_>,
    group: Option<Wanted<'_>>,
) -> Result<V, Refusal> {
    let name = function.name.0.last().map(ToString::to_string).unwrap_or_default();
    let args = arguments(function);
    if AGGREGATES.contains(&name.as_str()) {
        let group = group.ok_or_else(|| format!("{name} is an aggregate"))?;
        return aggregate(&name, function, &args, group, context);
    }
    let values: Vec<V> =
        args.into_iter().map(|arg| eval(arg, scope, context, group)).collect::<Result<_, Refusal>>()?;
    context.tables.call(&name, &values)
}

fn aggregate(
    name: &str,
    function: &Function,
    args: &[&Expr],
    group: Wanted<'_>,
    context: &Context<'_>,
) -> Result<V, Refusal> {
    let mut values = Vec::new();
    for row in group.rows {
        let scope = Scope { columns: group.columns, row, outer: group.outer };
        let counts = function
            .filter
            .as_ref()
            .map_or(Ok(true), |filter| eval(filter, &scope, context, None).map(|one| one.holds()))?;
        if counts {
            values.push(args.first().map_or(Ok(V::Bool(true)), |arg| eval(arg, &scope, context, None))?);
        }
    }
    values.retain(|value| *value != V::Null);
    if is_distinct(function) {
        values.sort_by(|a, b| a.order(b).unwrap_or(Ordering::Equal));
        values.dedup();
    }
    let most = |way: Ordering| {
        let better = |a: V, b: V| if b.order(&a) == Some(way) { b } else { a };
        values.iter().cloned().reduce(better).unwrap_or(V::Null)
    };
    Ok(match name {
        "count" => V::Int(values.len() as i64),
        "max" => most(Ordering::Greater),
        "min" => most(Ordering::Less),
        "bool_or" => V::Bool(values.iter().any(V::holds)),
        "string_agg" if values.is_empty() => V::Null,
        "string_agg" => V::Text(values.iter().map(V::show).collect::<Vec<_>>().join(", ")),
        _ if values.is_empty() => V::Null,
        "sum" if values.iter().all(|value| matches!(value, V::Int(_))) => {
            V::Int(values.iter().filter_map(V::number).sum::<f64>() as i64)
        }
        "sum" => V::Float(values.iter().filter_map(V::number).sum()),
        _ => V::Float(values.iter().filter_map(V::number).sum::<f64>() / values.len() as f64),
    })
}

/// The type of an expression, by its form.
pub fn ty(expr: &Expr, columns: &[Column], context: &Context<'_>, outer: Option<&Scope<'_>>) -> &'static str {
    let of = |expr: &Expr| ty(expr, columns, context, outer);
    let column = |table: Option<&str>, name: &str| {
        let is = |column: &&Column| column.name == name && table.is_none_or(|table| column.table == table);
        columns
            .iter()
            .find(is)
            .map(|column| column.ty)
            .or_else(|| outer.and_then(|outer| outer.find(table, name)).map(|found| found.1))
    };
    match expr {
        Expr::Nested(inner) => of(inner),
        Expr::Identifier(word) => column(None, &word.value).unwrap_or("text"),
        Expr::CompoundIdentifier(words) => match words.as_slice() {
            [.., table, name] => column(Some(&table.value), &name.value).unwrap_or("text"),
            _ => "text",
        },
        Expr::Cast { data_type, .. } => known(&data_type.to_string()),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => {
                if text.parse::<i64>().is_ok() {
                    "int4"
                } else {
                    "float8"
                }
            }
            Value::Boolean(_) => "bool",
            _ => "text",
        },
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::Like { .. }
        | Expr::In { .. }
        | Expr::Exists { .. }
        | Expr::AnyOp { .. } => "bool",
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => "bool",
        Expr::UnaryOp { expr, .. } => of(expr),
        Expr::BinaryOp { left, op, right } => binary_ty(op, of(left), of(right)),
        Expr::Extract { .. } => "float8",
        Expr::Substring { expr, .. } => of(expr),
        Expr::Case { conditions, else_result, .. } => {
            let of_when = conditions.first().map_or("text", |when| of(&when.result));
            if of_when == "text" { else_result.as_deref().map_or("text", of) } else { of_when }
        }
        Expr::Subquery(inner) => {
            query(inner, context, outer).ok().and_then(|rows| rows.columns.first().map(|one| one.ty)).unwrap_or("text")
        }
        Expr::Function(function) => {
            let name = function.name.0.last().map(ToString::to_string).unwrap_or_default();
            function_ty(&name, arguments(function).first().map_or("text", |first| of(first)))
        }
        _ => "text",
    }
}

fn binary_ty(op: &BinaryOperator, left: &'static str, right: &'static str) -> &'static str {
    match op {
        BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide => {
            match (left, right) {
                ("timestamptz", "timestamptz") => "interval",
                ("timestamptz", _) => "timestamptz",
                ("float8", _) | (_, "float8") => "float8",
                ("int8", _) | (_, "int8") => "int8",
                (left, _) => left,
            }
        }
        BinaryOperator::StringConcat => "text",
        _ => "bool",
    }
}

fn function_ty(name: &str, first: &'static str) -> &'static str {
    match name {
        "count"
        | "age"
        | "mxid_age"
        | "pg_wal_lsn_diff"
        | "pg_database_size"
        | "pg_relation_size"
        | "pg_total_relation_size"
        | "pg_relation_filenode" => "int8",
        "pg_backend_pid" | "cardinality" => "int4",
        "textsend" => "bytea",
        "now" | "clock_timestamp" | "pg_postmaster_start_time" | "pg_last_xact_replay_timestamp" => "timestamptz",
        "pg_is_in_recovery"
        | "pg_has_role"
        | "has_database_privilege"
        | "pg_terminate_backend"
        | "pg_cancel_backend"
        | "pg_is_wal_replay_paused"
        | "pg_try_advisory_lock"
        | "pg_advisory_unlock"
        | "bool_or" => "bool",
        "pg_blocking_pids" => "int4[]",
        "to_jsonb" => "jsonb",
        "coalesce" | "nullif" | "greatest" | "least" | "max" | "min" | "sum" => first,
        "avg" => "float8",
        "make_interval" | "date_trunc" => "interval",
        "substr" | "left" => first,
        _ => "text",
    }
}
