//! What stands between two expressions: arithmetic, comparisons, sets.

use super::{Query, Sample, Value, except, only, without_name};
use crate::drill::metrics::series::Labels;
use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};
use std::collections::BTreeMap;

/// What it comes to.
pub(super) fn run(query: &Query<'_>, expr: &BinaryExpr) -> Result<Value, String> {
    let op = expr.op.to_string();
    let (left, right) = (query.run(&expr.lhs)?, query.run(&expr.rhs)?);
    let plain = BinModifier::default();
    let modifier = expr.modifier.as_ref().unwrap_or(&plain);
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(number(&op, left, right)?)),
        (Value::Vector(left), Value::Scalar(right)) => {
            each(left, |value| one(&op, (value, right), value, modifier.return_bool))
        }
        (Value::Scalar(left), Value::Vector(right)) => {
            each(right, |value| one(&op, (left, value), value, modifier.return_bool))
        }
        (Value::Vector(left), Value::Vector(right)) => match op.as_str() {
            "and" | "or" | "unless" => Ok(Value::Vector(set(&op, modifier, left, right))),
            _ => matched(&op, modifier, left, right).map(Value::Vector),
        },
        _ => Err(format!("{op} stands between what has no single values")),
    }
}

fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | ">" | "<" | ">=" | "<=")
}

/// The number; of a comparison 1 or 0.
fn number(op: &str, left: f64, right: f64) -> Result<f64, String> {
    let truth = |holds: bool| f64::from(u8::from(holds));
    #[expect(clippy::float_cmp, reason = "as PromQL compares")]
    Ok(match op {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "%" => left % right,
        "^" => left.powf(right),
        "==" => truth(left == right),
        "!=" => truth(left != right),
        ">" => truth(left > right),
        "<" => truth(left < right),
        ">=" => truth(left >= right),
        "<=" => truth(left <= right),
        other => return Err(format!("a drill's Prometheus does not know {other}")),
    })
}

/// The value of one pair: computed, or, of a comparison without `bool`, `kept` where it holds and nothing where not; whether it is computed.
fn one(op: &str, pair: (f64, f64), kept: f64, bool: bool) -> Result<Option<(f64, bool)>, String> {
    let value = number(op, pair.0, pair.1)?;
    let filters = is_comparison(op) && !bool;
    Ok(if filters { (value > 0.0).then_some((kept, false)) } else { Some((value, true)) })
}

fn each(samples: Vec<Sample>, to: impl Fn(f64) -> Result<Option<(f64, bool)>, String>) -> Result<Value, String> {
    let mut out = Vec::with_capacity(samples.len());
    for sample in samples {
        if let Some((value, computed)) = to(sample.value)? {
            let labels = if computed { without_name(sample.labels) } else { sample.labels };
            out.push(Sample { labels, value, at: sample.at });
        }
    }
    Ok(Value::Vector(out))
}

/// The labels by which both sides are laid beside each other.
fn key(modifier: &BinModifier, labels: &Labels) -> Labels {
    match &modifier.matching {
        Some(LabelModifier::Include(named)) => only(labels, &named.labels),
        Some(LabelModifier::Exclude(named)) => except(labels, &named.labels),
        None => except(labels, &[]),
    }
}

fn set(op: &str, modifier: &BinModifier, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let keys = |side: &[Sample]| -> std::collections::BTreeSet<Labels> {
        side.iter().map(|one| key(modifier, &one.labels)).collect()
    };
    match op {
        "or" => {
            let there = keys(&left);
            let more = right.into_iter().filter(|one| !there.contains(&key(modifier, &one.labels)));
            left.into_iter().chain(more).collect()
        }
        _ => {
            let there = keys(&right);
            let wanted = |one: &Sample| there.contains(&key(modifier, &one.labels)) == (op == "and");
            left.into_iter().filter(wanted).collect()
        }
    }
}

/// One of the one side for each of the other, by their labels.
fn matched(op: &str, modifier: &BinModifier, left: Vec<Sample>, right: Vec<Sample>) -> Result<Vec<Sample>, String> {
    let swapped = matches!(modifier.card, VectorMatchCardinality::OneToMany(_));
    let (many, single) = if swapped { (right, left) } else { (left, right) };
    let more = modifier.card.labels().map(|labels| labels.labels.clone()).unwrap_or_default();
    let grouped = !matches!(modifier.card, VectorMatchCardinality::OneToOne);
    let mut by_key: BTreeMap<Labels, Sample> = BTreeMap::new();
    for sample in single {
        if by_key.insert(key(modifier, &sample.labels), sample).is_some() {
            return Err("many-to-many matching not allowed: matching labels must be unique on one side".to_owned());
        }
    }
    let mut out = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for sample in many {
        let key = key(modifier, &sample.labels);
        let Some(other) = by_key.get(&key) else { continue };
        if !grouped && !seen.insert(key.clone()) {
            return Err("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                .to_owned());
        }
        let pair = if swapped { (other.value, sample.value) } else { (sample.value, other.value) };
        let Some((value, computed)) = one(op, pair, sample.value, modifier.return_bool)? else { continue };
        let labels = match (computed, grouped) {
            (false, _) => sample.labels,
            (true, true) => joined(without_name(sample.labels), &other.labels, &more),
            (true, false) => match &modifier.matching {
                Some(LabelModifier::Include(_)) => key,
                _ => without_name(sample.labels),
            },
        };
        out.push(Sample { labels, value, at: sample.at });
    }
    Ok(out)
}

/// With those labels of the one side that `group_left` names.
fn joined(mut labels: Labels, of: &Labels, named: &[String]) -> Labels {
    labels.extend(only(of, named));
    labels
}
