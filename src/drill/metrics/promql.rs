//! PromQL, as much of it as dashboards, rules and runbooks use: selectors, arithmetic, comparisons, sets, aggregations, and the functions
//! of `call`. The text is read by `promql-parser`; what is read and not known here is refused with a sentence, never answered with
//! something else. Source: "Querying Prometheus" and "Operators" in Prometheus' documentation.
//!
//! One thing is simpler than there: `rate` and its kin do not extrapolate to the edges of their range.

mod binary;
mod call;

use super::series::{self, LOOK_BACK, Labels, NAME, Past};
use promql_parser::parser::{
    self, AggregateExpr, Expr, LabelModifier, MatrixSelector, Offset, SubqueryExpr, VectorSelector,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One series' value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
    /// When it was scraped; when it was asked, for what is computed.
    pub at: f64,
}

/// One series' values over a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its labels.
    pub labels: Labels,
    /// Moments and values, oldest first.
    pub points: Vec<(f64, f64)>,
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Series, each with a value.
    Vector(Vec<Sample>),
    /// Series, each with several.
    Matrix(Vec<Run>),
    /// A text.
    Text(String),
}

/// Reads an expression.
///
/// # Errors
/// In the parser's words.
pub fn parse(text: &str) -> Result<Expr, String> {
    parser::parse(text)
}

/// Asks of what was scraped, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What was scraped; its moments are those of the wire.
    pub past: &'a Past,
    /// Seconds since 1970.
    pub at: f64,
    /// So many seconds of the world are one on the wire.
    pub speed: f64,
}

impl Query<'_> {
    /// What the expression comes to.
    ///
    /// # Errors
    /// When it asks for something that is not known here, or mixes what can't be mixed.
    pub fn run(&self, expr: &Expr) -> Result<Value, String> {
        match expr {
            Expr::NumberLiteral(number) => Ok(Value::Scalar(number.val)),
            Expr::StringLiteral(text) => Ok(Value::Text(text.val.clone())),
            Expr::Paren(inner) => self.run(&inner.expr),
            Expr::Unary(inner) => self.negative(&inner.expr),
            Expr::VectorSelector(selector) => Ok(Value::Vector(self.select(selector)?)),
            Expr::MatrixSelector(selector) => Ok(Value::Matrix(self.select_range(selector)?)),
            Expr::Subquery(inner) => Ok(Value::Matrix(self.subquery(inner)?)),
            Expr::Aggregate(inner) => Ok(Value::Vector(self.aggregate(inner)?)),
            Expr::Binary(inner) => binary::run(self, inner),
            Expr::Call(inner) => call::run(self, inner),
            Expr::Extension(_) => Err("a drill's Prometheus knows no extensions".to_owned()),
        }
    }

    /// As [`Self::run`], of something that has to be a vector.
    fn vector(&self, expr: &Expr) -> Result<Vec<Sample>, String> {
        match self.run(expr)? {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(value) => Ok(vec![self.sample(Labels::new(), value)]),
            Value::Matrix(_) | Value::Text(_) => Err("an instant vector is expected here".to_owned()),
        }
    }

    fn sample(&self, labels: Labels, value: f64) -> Sample {
        Sample { labels, value, at: self.at }
    }

    fn negative(&self, expr: &Expr) -> Result<Value, String> {
        Ok(match self.run(expr)? {
            Value::Scalar(value) => Value::Scalar(-value),
            Value::Vector(samples) => Value::Vector(
                samples.into_iter().map(|one| self.sample(without_name(one.labels), -one.value)).collect(),
            ),
            Value::Matrix(_) | Value::Text(_) => return Err("only numbers have a sign".to_owned()),
        })
    }

    fn select(&self, selector: &VectorSelector) -> Result<Vec<Sample>, String> {
        let at = self.shifted(selector)?;
        let all = self.past.select(selector.name.as_deref(), &selector.matchers);
        let sample = |one: &series::Series| {
            let point = one.last(at, LOOK_BACK / self.speed)?;
            Some(Sample { labels: (*one.labels).clone(), value: point.value?, at: point.at })
        };
        Ok(all.into_iter().filter_map(sample).collect())
    }

    fn select_range(&self, selector: &MatrixSelector) -> Result<Vec<Run>, String> {
        let at = self.shifted(&selector.vs)?;
        let back = self.wire(selector.range);
        let all = self.past.select(selector.vs.name.as_deref(), &selector.vs.matchers);
        let run = |one: &series::Series| {
            let points = one.range(at, back);
            (!points.is_empty()).then(|| Run { labels: (*one.labels).clone(), points })
        };
        Ok(all.into_iter().filter_map(run).collect())
    }

    /// The expression at even distances over a while.
    fn subquery(&self, of: &SubqueryExpr) -> Result<Vec<Run>, String> {
        if of.offset.is_some() || of.at.is_some() {
            return Err("a drill's Prometheus knows no offset and no @ of a subquery".to_owned());
        }
        let step = self.wire(of.step.unwrap_or(Duration::from_secs(15))).max(0.001);
        let steps = (self.wire(of.range) / step) as usize;
        let moments = (0..=steps).rev().map(|back| self.at - back as f64 * step);
        self.over(&of.expr, moments)
    }

    /// The expression at each of these moments: what a range is asked for.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn over(&self, expr: &Expr, moments: impl Iterator<Item = f64>) -> Result<Vec<Run>, String> {
        let mut runs: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for at in moments {
            for one in (Self { at, ..*self }).vector(expr)? {
                runs.entry(one.labels).or_default().push((at, one.value));
            }
        }
        Ok(runs.into_iter().map(|(labels, points)| Run { labels, points }).collect())
    }

    fn shifted(&self, selector: &VectorSelector) -> Result<f64, String> {
        if selector.at.is_some() {
            return Err("a drill's Prometheus knows no @".to_owned());
        }
        Ok(match &selector.offset {
            None => self.at,
            Some(Offset::Pos(back)) => self.at - self.wire(*back),
            Some(Offset::Neg(ahead)) => self.at + self.wire(*ahead),
        })
    }

    /// A length of the world's time, on the wire: seconds.
    fn wire(&self, length: Duration) -> f64 {
        length.as_secs_f64() / self.speed
    }

    fn aggregate(&self, of: &AggregateExpr) -> Result<Vec<Sample>, String> {
        let samples = self.vector(&of.expr)?;
        let op = of.op.to_string();
        if matches!(op.as_str(), "topk" | "bottomk") {
            return self.most(of, samples, op == "topk");
        }
        let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
        for one in samples {
            groups.entry(group(of.modifier.as_ref(), &one.labels)).or_default().push(one.value);
        }
        let folded = groups.into_iter().map(|(labels, values)| Ok(self.sample(labels, fold(&op, &values)?)));
        folded.collect()
    }

    /// The largest of each group, or the smallest.
    fn most(&self, of: &AggregateExpr, samples: Vec<Sample>, largest: bool) -> Result<Vec<Sample>, String> {
        let count = match of.param.as_ref().map(|param| self.run(param)).transpose()? {
            Some(Value::Scalar(count)) => count.max(0.0) as usize,
            _ => return Err("topk and bottomk take a number".to_owned()),
        };
        let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
        for one in samples {
            groups.entry(group(of.modifier.as_ref(), &one.labels)).or_default().push(one);
        }
        let take = |mut all: Vec<Sample>| {
            all.sort_by(|a, b| if largest { b.value.total_cmp(&a.value) } else { a.value.total_cmp(&b.value) });
            all.truncate(count);
            all
        };
        Ok(groups.into_values().flat_map(take).collect())
    }
}

/// The labels by which a sample is put with others.
fn group(modifier: Option<&LabelModifier>, labels: &Labels) -> Labels {
    match modifier {
        None => Labels::new(),
        Some(LabelModifier::Include(named)) => only(labels, &named.labels),
        Some(LabelModifier::Exclude(named)) => except(labels, &named.labels),
    }
}

/// Those labels alone.
fn only(labels: &Labels, named: &[String]) -> Labels {
    labels.iter().filter(|(name, _)| named.iter().any(|one| **one == ***name)).map(copied).collect()
}

/// All but those labels, and but the name.
fn except(labels: &Labels, named: &[String]) -> Labels {
    let kept = |(name, _): &(&Arc<str>, &Arc<str>)| &***name != NAME && !named.iter().any(|one| **one == ***name);
    labels.iter().filter(kept).map(copied).collect()
}

fn copied((name, value): (&Arc<str>, &Arc<str>)) -> (Arc<str>, Arc<str>) {
    (Arc::clone(name), Arc::clone(value))
}

fn without_name(mut labels: Labels) -> Labels {
    labels.remove(NAME);
    labels
}

fn fold(op: &str, values: &[f64]) -> Result<f64, String> {
    let sum = || values.iter().sum::<f64>();
    let count = values.len() as f64;
    Ok(match op {
        "sum" => sum(),
        "avg" => sum() / count,
        "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "count" => count,
        "group" => 1.0,
        "stddev" => {
            let mean = sum() / count;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
        other => return Err(format!("a drill's Prometheus does not know the aggregation {other}")),
    })
}

#[cfg(test)]
mod tests;
