//! The functions.

use super::{Query, Run, Sample, Value, without_name};
use crate::drill::metrics::series::Labels;
use promql_parser::parser::{Call, Expr};
use std::collections::BTreeMap;

/// What it comes to.
pub(super) fn run(query: &Query<'_>, call: &Call) -> Result<Value, String> {
    let args: Vec<&Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
    let name = call.func.name;
    match (name, args.as_slice()) {
        ("time", []) => Ok(Value::Scalar(query.at)),
        ("vector", [of]) => Ok(Value::Vector(vec![query.sample(Labels::new(), scalar(query, of)?)])),
        ("scalar", [of]) => Ok(Value::Scalar(match query.vector(of)?.as_slice() {
            [one] => one.value,
            _ => f64::NAN,
        })),
        ("absent", [of]) => absent(query, of),
        ("timestamp", [of]) => Ok(Value::Vector(
            query.vector(of)?.into_iter().map(|one| Sample { value: one.at, ..nameless(one) }).collect(),
        )),
        ("histogram_quantile", [of, buckets]) => quantile(query, scalar(query, of)?, buckets),
        ("label_replace", [of, rest @ ..]) => label_replace(query, of, rest),
        ("clamp_min", [of, least]) => each(query, of, f64::max, scalar(query, least)?),
        ("clamp_max", [of, most]) => each(query, of, f64::min, scalar(query, most)?),
        (name, [of]) => match plain(name) {
            Some(to) => each(query, of, |value, _| to(value), 0.0),
            None => over(query, name, of),
        },
        (other, _) => Err(unknown(other)),
    }
}

fn unknown(name: &str) -> String {
    format!("a drill's Prometheus does not know the function {name}")
}

fn nameless(mut one: Sample) -> Sample {
    one.labels = without_name(one.labels);
    one
}

fn scalar(query: &Query<'_>, expr: &Expr) -> Result<f64, String> {
    match query.run(expr)? {
        Value::Scalar(value) => Ok(value),
        _ => Err("a number is expected here".to_owned()),
    }
}

fn text(query: &Query<'_>, expr: &Expr) -> Result<String, String> {
    match query.run(expr)? {
        Value::Text(text) => Ok(text),
        _ => Err("a text is expected here".to_owned()),
    }
}

/// Of a number a number.
fn plain(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "round" => f64::round,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        _ => return None,
    })
}

fn each(query: &Query<'_>, of: &Expr, to: impl Fn(f64, f64) -> f64, with: f64) -> Result<Value, String> {
    let all = query.vector(of)?.into_iter().map(nameless);
    Ok(Value::Vector(all.map(|one| Sample { value: to(one.value, with), ..one }).collect()))
}

/// One series, of the labels that the selector asks for, where there is none.
fn absent(query: &Query<'_>, of: &Expr) -> Result<Value, String> {
    if !query.vector(of)?.is_empty() {
        return Ok(Value::Vector(Vec::new()));
    }
    let mut labels = Labels::new();
    if let Expr::VectorSelector(selector) = of {
        for matcher in &selector.matchers.matchers {
            if matcher.op == promql_parser::label::MatchOp::Equal {
                labels.insert(matcher.name.as_str().into(), matcher.value.as_str().into());
            }
        }
    }
    Ok(Value::Vector(vec![query.sample(labels, 1.0)]))
}

/// What is made of the values of a while.
fn over(query: &Query<'_>, name: &str, of: &Expr) -> Result<Value, String> {
    let to = of_range(name).ok_or_else(|| unknown(name))?;
    let Value::Matrix(runs) = query.run(of)? else { return Err(format!("{name} takes a range, as in up[5m]")) };
    let range = match of {
        Expr::MatrixSelector(selector) => selector.range.as_secs_f64(),
        Expr::Subquery(inner) => inner.range.as_secs_f64(),
        _ => 0.0,
    };
    let keeps_name = name == "last_over_time";
    let sample = |run: Run| {
        // Computed as in the world's time, whatever its speed.
        let points: Vec<(f64, f64)> = run.points.iter().map(|(at, value)| (at * query.speed, *value)).collect();
        let value = to(&points, range)?;
        let labels = if keeps_name { run.labels } else { without_name(run.labels) };
        Some(query.sample(labels, value))
    };
    Ok(Value::Vector(runs.into_iter().filter_map(sample).collect()))
}

/// Of a range's points, and its length in seconds, a value; none where there are too few.
type OfRange = fn(&[(f64, f64)], f64) -> Option<f64>;

fn of_range(name: &str) -> Option<OfRange> {
    Some(match name {
        "rate" => |points, _| Some(increase(points) / seconds(points)?),
        "increase" => |points, range| Some(increase(points) / seconds(points)? * range),
        "irate" => |points, _| {
            let last = points.get(points.len().checked_sub(2)?..)?;
            Some(increase(last) / seconds(last)?)
        },
        "delta" => |points, range| Some((points.last()?.1 - points.first()?.1) / seconds(points)? * range),
        "deriv" => |points, _| slope(points),
        "last_over_time" => |points, _| Some(points.last()?.1),
        "min_over_time" => |points, _| points.iter().map(|(_, value)| *value).reduce(f64::min),
        "max_over_time" => |points, _| points.iter().map(|(_, value)| *value).reduce(f64::max),
        "sum_over_time" => |points, _| Some(points.iter().map(|(_, value)| value).sum()),
        "avg_over_time" => |points, _| Some(points.iter().map(|(_, value)| value).sum::<f64>() / points.len() as f64),
        "count_over_time" => |points, _| Some(points.len() as f64),
        "changes" => {
            |points, _| Some(points.windows(2).filter(|pair| pair[0].1.total_cmp(&pair[1].1).is_ne()).count() as f64)
        }
        "resets" => |points, _| Some(points.windows(2).filter(|pair| pair[1].1 < pair[0].1).count() as f64),
        _ => return None,
    })
}

/// Between the first point and the last; none for a single one.
fn seconds(points: &[(f64, f64)]) -> Option<f64> {
    let length = points.last()?.0 - points.first()?.0;
    (length > 0.0).then_some(length)
}

/// By how much a counter grew; where it fell it began anew.
fn increase(points: &[(f64, f64)]) -> f64 {
    let step = |pair: &[(f64, f64)]| if pair[1].1 < pair[0].1 { pair[1].1 } else { pair[1].1 - pair[0].1 };
    points.windows(2).map(step).sum()
}

/// Of the line that is nearest to all points (least squares).
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    seconds(points)?;
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (at, value) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - value)).sum();
    let under: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    Some(over / under)
}

/// Of buckets by their `le` the value below which that share lies.
fn quantile(query: &Query<'_>, share: f64, of: &Expr) -> Result<Value, String> {
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for mut one in query.vector(of)? {
        let Some(bound) = one.labels.remove("le").and_then(|le| bound(&le)) else { continue };
        groups.entry(without_name(one.labels)).or_default().push((bound, one.value));
    }
    let value = |(labels, mut buckets): (Labels, Vec<(f64, f64)>)| {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        query.sample(labels, below(share, &buckets))
    };
    Ok(Value::Vector(groups.into_iter().map(value).collect()))
}

fn bound(le: &str) -> Option<f64> {
    if le == "+Inf" { Some(f64::INFINITY) } else { le.parse().ok() }
}

/// Even within a bucket; what lies above the largest finite bound is told as that.
fn below(share: f64, buckets: &[(f64, f64)]) -> f64 {
    let all = buckets.last().map_or(0.0, |last| last.1);
    let is_whole = buckets.len() > 1 && buckets.last().is_some_and(|last| last.0.is_infinite());
    if !is_whole || all <= 0.0 {
        return f64::NAN;
    }
    let wanted = share * all;
    let at = buckets.iter().position(|bucket| bucket.1 >= wanted).unwrap_or(buckets.len() - 1);
    if at == buckets.len() - 1 {
        return buckets[at - 1].0;
    }
    let (low, before) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (high, count) = buckets[at];
    low + (high - low) * (wanted - before) / (count - before).max(f64::MIN_POSITIVE)
}

fn label_replace(query: &Query<'_>, of: &Expr, rest: &[&Expr]) -> Result<Value, String> {
    let [to, with, from, pattern] = rest else { return Err("label_replace takes five arguments".to_owned()) };
    let [to, with, from, pattern] = [text(query, to)?, text(query, with)?, text(query, from)?, text(query, pattern)?];
    let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|why| why.to_string())?;
    let replaced = |mut one: Sample| {
        let value = one.labels.get(from.as_str()).map_or(String::new(), ToString::to_string);
        if let Some(found) = pattern.captures(&value) {
            let mut made = String::new();
            found.expand(&with, &mut made);
            one.labels.insert(to.as_str().into(), made.into());
        }
        one
    };
    Ok(Value::Vector(query.vector(of)?.into_iter().map(replaced).collect()))
}
