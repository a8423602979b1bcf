//! What was scraped, as long as it is kept.

use super::exposed::Told;
use crate::domain::matcher::compile;
use promql_parser::label::{MatchOp, Matcher, Matchers};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// The label that holds a series' name.
pub const NAME: &str = "__name__";
/// The newest value of a series counts as its present one for so long (Prometheus' look-back): seconds.
pub const LOOK_BACK: f64 = 300.0;

/// A series' labels, its name among them.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// A moment, in seconds of the world, and a value; none where the series ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// See there.
    pub at: f64,
    /// See there.
    pub value: Option<f64>,
}

/// One series.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is called.
    pub labels: Arc<Labels>,
    /// Oldest first.
    pub points: VecDeque<Point>,
}

impl Series {
    /// The present value at that second.
    pub fn value(&self, at: f64) -> Option<f64> {
        self.last(at, LOOK_BACK)?.value
    }

    /// The newest point that is not newer than `at`, and not older than `back` seconds before.
    pub fn last(&self, at: f64, back: f64) -> Option<Point> {
        let behind = self.points.partition_point(|point| point.at <= at);
        let point = *self.points.get(behind.checked_sub(1)?)?;
        (point.at > at - back).then_some(point)
    }

    /// The values of the last `back` seconds before `at`.
    pub fn range(&self, at: f64, back: f64) -> Vec<(f64, f64)> {
        let first = self.points.partition_point(|point| point.at <= at - back);
        let of = self.points.iter().skip(first).take_while(|point| point.at <= at);
        of.filter_map(|point| Some((point.at, point.value?))).collect()
    }
}

/// All series.
#[derive(Clone, Debug, Default)]
pub struct Past {
    series: Vec<Series>,
    by_labels: HashMap<Arc<Labels>, usize>,
    by_name: HashMap<Arc<str>, Vec<usize>>,
    /// Which series each target told when it was scraped last.
    of_target: HashMap<String, Vec<usize>>,
    /// Seconds that are kept.
    keep: f64,
}

impl Past {
    /// Nothing yet; what is older than `keep` seconds is forgotten.
    pub fn new(keep: f64) -> Self {
        Self { keep, ..Self::default() }
    }

    /// What a target told at that second; nothing when it did not answer. Its series that are not told any more end.
    pub fn scrape(&mut self, at: f64, target: &str, told: impl IntoIterator<Item = (Labels, f64)>) {
        let now: Vec<usize> = told.into_iter().map(|(labels, value)| self.append(at, labels, Some(value))).collect();
        self.ended(at, target, now);
    }

    /// The same of a page, whose series are mostly those of the last time in the same order: these are found without making their labels.
    pub fn scrape_page(&mut self, at: f64, target: &str, own: &Labels, told: Vec<Told>) {
        let before = self.of_target.remove(target).unwrap_or_default();
        let mut now = Vec::with_capacity(told.len());
        for (nth, one) in told.into_iter().enumerate() {
            let known = before.get(nth).copied().filter(|series| is_of(&self.series[*series].labels, own, &one));
            now.push(match known {
                Some(series) => {
                    self.push(series, Point { at, value: Some(one.value) });
                    series
                }
                None => {
                    let value = one.value;
                    self.append(at, one.labels(own), Some(value))
                }
            });
        }
        self.of_target.insert(target.to_owned(), before);
        self.ended(at, target, now);
    }

    fn ended(&mut self, at: f64, target: &str, now: Vec<usize>) {
        let before = self.of_target.remove(target).unwrap_or_default();
        if before != now {
            let there: HashSet<usize> = now.iter().copied().collect();
            for series in before.into_iter().filter(|series| !there.contains(series)) {
                self.push(series, Point { at, value: None });
            }
        }
        self.of_target.insert(target.to_owned(), now);
    }

    fn append(&mut self, at: f64, labels: Labels, value: Option<f64>) -> usize {
        let series = match self.by_labels.get(&labels) {
            Some(series) => *series,
            None => self.add(labels),
        };
        self.push(series, Point { at, value });
        series
    }

    fn add(&mut self, labels: Labels) -> usize {
        let (at, labels) = (self.series.len(), Arc::new(labels));
        let name = labels.get(NAME).cloned().unwrap_or_else(|| "".into());
        self.by_name.entry(name).or_default().push(at);
        self.by_labels.insert(Arc::clone(&labels), at);
        self.series.push(Series { labels, points: VecDeque::new() });
        at
    }

    fn push(&mut self, series: usize, point: Point) {
        let points = &mut self.series[series].points;
        while points.front().is_some_and(|oldest| oldest.at < point.at - self.keep) {
            points.pop_front();
        }
        points.push_back(point);
    }

    /// The series that a selector means.
    pub fn select(&self, name: Option<&str>, matchers: &Matchers) -> Vec<&Series> {
        let named: Vec<&Series> = match name {
            Some(name) => self.by_name.get(name).into_iter().flatten().map(|at| &self.series[*at]).collect(),
            None => self.named(matchers),
        };
        named.into_iter().filter(|series| matches(&series.labels, matchers)).collect()
    }

    /// Those whose name fits: a matcher of the name is asked once for each name, and not for each series.
    fn named(&self, matchers: &Matchers) -> Vec<&Series> {
        let of_name = |matcher: &&Matcher| matcher.name == NAME;
        let fits = |name: &&Arc<str>| matchers.matchers.iter().filter(of_name).all(|matcher| matcher.is_match(name));
        let names = self.by_name.keys().filter(fits);
        names.flat_map(|name| &self.by_name[name]).map(|at| &self.series[*at]).collect()
    }
}

/// Whether a series is the one that a line of a page tells, of a target with these labels.
fn is_of(labels: &Labels, own: &Labels, told: &Told) -> bool {
    let is = |name: &str, value: &str| labels.get(name).is_some_and(|known| **known == *value);
    labels.len() == own.len() + told.labels.len() + 1
        && is(NAME, told.name)
        && told.labels.iter().all(|(name, value)| is(name, value))
}

/// Whether all matchers hold; a label that is not there is empty.
pub fn matches(labels: &Labels, matchers: &Matchers) -> bool {
    let value = |matcher: &Matcher| labels.get(matcher.name.as_str()).map_or("", |value| &**value);
    let all = |list: &[Matcher]| list.iter().all(|matcher| matcher.is_match(value(matcher)));
    all(&matchers.matchers) && (matchers.or_matchers.is_empty() || matchers.or_matchers.iter().any(|list| all(list)))
}

/// `=`, `!=`, `=~` or `!~`, and what is compared; for Alertmanager, which has the same four.
pub fn matcher(name: &str, value: &str, regex: bool, equal: bool) -> Result<Matcher, String> {
    let anchored = || compile(value);
    let op = match (regex, equal) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Re(anchored()?),
        (true, false) => MatchOp::NotRe(anchored()?),
    };
    Ok(Matcher::new(op, name, value))
}
