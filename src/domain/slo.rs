//! What a team promises of its service: figures with a limit each, what they are now, and how bad that is.

use super::{Severity, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On which side of its limit a figure is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// An error rate, a response time.
    #[default]
    Above,
    /// An availability.
    Below,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Anything.
    #[default]
    Number,
    /// A share of a whole, 0 to 1; shown as per cent.
    Ratio,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// One figure, as a poll found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slo {
    /// What it is called.
    pub name: String,
    /// The PromQL expression that it is the value of.
    pub query: String,
    /// The value that is just still good.
    pub limit: f64,
    /// On which side of the limit it is bad.
    pub bad: Side,
    /// What it counts.
    pub unit: Unit,
    /// Past its limit it is critical, and not a warning.
    pub critical: bool,
    /// The worst value of all series; `None` where there is no data, which is not the same as zero.
    pub value: Option<f64>,
    /// Whose value that is, where several series have one: its `instance`, or its first label.
    pub worst: Option<String>,
    /// Why the expression has no value, when the server refused it.
    pub trouble: Option<SourceError>,
}

impl Slo {
    /// Takes in the values of all series, each with whose it is; what is not a number counts as no data.
    #[must_use]
    pub fn measured(mut self, values: impl IntoIterator<Item = (Option<String>, f64)>) -> Self {
        let mut known: Vec<_> = values.into_iter().filter(|(_, value)| !value.is_nan()).collect();
        known.sort_by(|(_, a), (_, b)| if self.bad == Side::Above { b.total_cmp(a) } else { a.total_cmp(b) });
        let several = known.len() > 1;
        if let Some((whose, value)) = known.into_iter().next() {
            self.value = Some(value);
            self.worst = whose.filter(|_| several);
        }
        self
    }

    /// Whether a value lies on the bad side of the limit. On the limit itself it is good.
    pub fn is_past(&self, value: f64) -> bool {
        match self.bad {
            Side::Above => value > self.limit,
            Side::Below => value < self.limit,
        }
    }

    /// How bad it is; unknown without data.
    pub fn judge(&self) -> Severity {
        match self.value {
            None => Severity::Unknown,
            Some(value) if !self.is_past(value) => Severity::Ok,
            Some(_) if self.critical => Severity::Critical,
            Some(_) => Severity::Warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bad: Side, limit: f64, values: &[f64]) -> Slo {
        let values = values.iter().enumerate().map(|(at, value)| (Some(format!("s{at}")), *value));
        Slo { limit, bad, ..Slo::default() }.measured(values)
    }

    #[test]
    fn the_worst_series_counts_and_is_named_where_there_are_several() {
        let errors = of(Side::Above, 0.05, &[0.01, 0.07, f64::NAN]);
        assert_eq!(
            (errors.value, errors.worst.as_deref(), errors.judge()),
            (Some(0.07), Some("s1"), Severity::Warning)
        );
        let up = of(Side::Below, 1.0, &[1.0, 0.0]);
        assert_eq!((up.value, up.worst.as_deref()), (Some(0.0), Some("s1")));
        assert_eq!(Slo { critical: true, ..up }.judge(), Severity::Critical);
        let one = of(Side::Above, 2.0, &[0.3]);
        assert_eq!((one.value, one.worst, one.trouble), (Some(0.3), None, None));
    }

    #[test]
    fn the_limit_itself_is_good_and_no_data_is_neither() {
        assert_eq!(of(Side::Above, 2.0, &[2.0]).judge(), Severity::Ok);
        assert_eq!(of(Side::Below, 1.0, &[1.0]).judge(), Severity::Ok);
        assert_eq!(of(Side::Above, 2.0, &[f64::INFINITY]).judge(), Severity::Warning);
        for nothing in [&[][..], &[f64::NAN]] {
            let none = of(Side::Above, 2.0, nothing);
            assert_eq!((none.value, none.judge()), (None, Severity::Unknown));
        }
    }
}
