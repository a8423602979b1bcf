//! A question that is asked once, because somebody looks: the past of a figure. Its answer is kept beside the samples.

use super::{SourceError, SourceId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inquiry {
    /// The values of a PromQL expression over the last while (`GET /api/v1/query_range`).
    Range {
        /// The Prometheus.
        source: SourceId,
        /// The expression.
        query: Arc<str>,
        /// How far back from now.
        back: Duration,
    },
}

/// Values at even distances, oldest first; where there was none, NaN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The values.
    pub points: Vec<f64>,
    /// How many series the expression has: only the first is kept.
    pub of: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was asked.
    pub inquiry: Inquiry,
    /// The answer.
    pub outcome: Result<Series, SourceError>,
}
