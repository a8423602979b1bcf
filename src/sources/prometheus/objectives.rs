//! A part of its own: what the team promises of its service (`[[prometheus.NAME.slo]]`), each an expression that is asked live.

use crate::connect::Prometheus;
use crate::connect::prometheus::{Answer, Reading};
use crate::domain::slo::{Side, Slo, Unit};
use crate::domain::text::clean;
use crate::domain::{AlertReport, Snapshot, SourceError};
use crate::sources::Source;
use async_trait::async_trait;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::sync::Arc;

/// The part's name: `prometheus/main/slo`.
pub const PART: &str = "slo";
/// The longest name that leaves room for its value on a narrow screen.
const LONGEST: usize = 20;
/// So many fit above the overview's lists.
const MOST: usize = 12;

/// `[[prometheus.NAME.slo]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What it is called.
    name: String,
    /// A PromQL expression. Of several series the worst counts.
    query: String,
    /// The value that is just still good.
    limit: f64,
    /// On which side of the limit it is bad.
    #[serde(default)]
    bad: Side,
    /// What it counts.
    #[serde(default)]
    unit: Unit,
    /// Past its limit it is critical, and not a warning.
    #[serde(default)]
    critical: bool,
}

/// Reads the list; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// When a name is empty, too long or there twice, an expression is empty, a limit is no number, or there are too many.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Objective>, D::Error> {
    let all = Vec::<Objective>::deserialize(deserializer)?;
    let wrong = |(at, own): (usize, &Objective)| own.wrong().or_else(|| own.doubled(&all[..at]));
    let too_many = (all.len() > MOST).then(|| format!("{} are too many: the screen has room for {MOST}", all.len()));
    match too_many.or_else(|| all.iter().enumerate().find_map(wrong)) {
        Some(why) => Err(de::Error::custom(why)),
        None => Ok(all),
    }
}

impl Objective {
    fn wrong(&self) -> Option<String> {
        let Self { name, query, limit, .. } = self;
        let length = name.chars().count();
        if name.trim().is_empty() || length > LONGEST {
            return Some(format!("{name:?} is no name: write 1 to {LONGEST} characters"));
        }
        if query.trim().is_empty() {
            return Some(format!("{name:?} has an empty query: write a PromQL expression"));
        }
        (!limit.is_finite()).then(|| format!("{name:?} has no limit: write a number"))
    }

    fn doubled(&self, earlier: &[Self]) -> Option<String> {
        let is_there = earlier.iter().any(|other| other.name == self.name);
        is_there.then(|| format!("there are two {:?}: give each its own name", self.name))
    }

    /// Without a value.
    fn slo(&self) -> Slo {
        Slo {
            name: clean(&self.name).into_owned(),
            query: self.query.clone(),
            limit: self.limit,
            bad: self.bad,
            unit: self.unit,
            critical: self.critical,
            ..Slo::default()
        }
    }
}

pub(super) struct Objectives {
    pub(super) prometheus: Arc<Prometheus>,
    pub(super) objectives: Vec<Objective>,
}

#[async_trait]
impl Source for Objectives {
    fn place(&self) -> String {
        format!("Prometheus at {}", self.prometheus.base())
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let answers = join_all(self.objectives.iter().map(|own| self.prometheus.query(&own.query))).await;
        // All failed: it is the server that fails, and not an expression.
        if answers.iter().all(Result::is_err)
            && let Some(Err(why)) = answers.first()
        {
            return Err(why.clone());
        }
        let mut report = AlertReport::default();
        for (own, answer) in self.objectives.iter().zip(answers) {
            report.slos.push(told(own.slo(), answer, &mut report.warnings));
        }
        Ok(Snapshot::Alerts(report))
    }
}

fn told(slo: Slo, answer: Result<Answer<Vec<Reading>>, SourceError>, warnings: &mut Vec<String>) -> Slo {
    match answer {
        Ok(answer) => {
            warnings.extend(answer.warnings);
            slo.measured(answer.data.iter().map(|reading| (whose(reading), reading.value)))
        }
        Err(trouble) => Slo { trouble: Some(trouble), ..slo },
    }
}

fn whose(reading: &Reading) -> Option<String> {
    let own = |(name, _): &(&String, &String)| *name != "__name__";
    let first = || reading.labels.iter().find(own).map(|(_, value)| value);
    reading.labels.get("instance").or_else(first).map(|value| clean(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_series_is_named_by_its_instance_or_its_first_label() {
        let of = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            whose(&Reading { labels, value: 1.0, at: Timestamp::UNIX_EPOCH })
        };
        assert_eq!(of(&[("device", "sda"), ("instance", "a\x1b[31m:1")]).as_deref(), Some("a␛[31m:1"));
        assert_eq!(of(&[("__name__", "up"), ("zone", "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[]), None);
    }
}
