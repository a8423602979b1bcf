//! A question that is asked because somebody looks: the past of a figure, the processes of a server, what an engine says of a
//! container. Its answer is kept beside the samples, and is asked for again as long as somebody looks.

use super::{Processes, SourceError, SourceId};
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
    /// The processes of a server, from its `/proc`.
    Processes {
        /// Who reads them: a `local` or `ssh` source.
        source: SourceId,
    },
    /// All that an engine says of a container (`GET /containers/ID/json`).
    Inspect {
        /// The engine.
        source: SourceId,
        /// The container's full id.
        container: Arc<str>,
    },
}

/// Between two readings of processes: what `top` does, too.
const PROCESSES: Duration = Duration::from_secs(3);
/// After the first reading, which has no CPU figures yet.
const SOON: Duration = Duration::from_secs(1);
/// When reading a process hung, or reading them failed.
const SPARED: Duration = Duration::from_secs(30);
/// An inspection.
const INSPECT: Duration = Duration::from_secs(10);
/// The past of a figure.
const RANGE: Duration = Duration::from_secs(30);

impl Inquiry {
    /// How long after it was asked it is asked again, for who still looks at `answer`.
    pub fn pause(&self, answer: Option<&Result<Found, SourceError>>) -> Duration {
        match (self, answer) {
            (Self::Range { .. }, _) => RANGE,
            (Self::Inspect { .. }, _) => INSPECT,
            (Self::Processes { .. }, Some(Err(_))) => SPARED,
            (Self::Processes { .. }, Some(Ok(found))) => match found.processes() {
                Some(processes) if processes.hangs => SPARED,
                Some(processes) if !processes.measured => SOON,
                Some(_) | None => PROCESSES,
            },
            (Self::Processes { .. }, None) => PROCESSES,
        }
    }

    /// Its answer tells the present: one from before nobody looked for a while is worth nothing.
    pub const fn is_of_now(&self) -> bool {
        match self {
            Self::Processes { .. } | Self::Inspect { .. } => true,
            Self::Range { .. } => false,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The past of a figure.
    Series(Series),
    /// Processes, the busiest first.
    Processes(Arc<Processes>),
    /// A text of several lines, without secrets.
    Text(Arc<str>),
}

impl Found {
    /// The series, if that is what was asked for; likewise below.
    pub const fn series(&self) -> Option<&Series> {
        if let Self::Series(series) = self { Some(series) } else { None }
    }
    /// The processes.
    pub const fn processes(&self) -> Option<&Arc<Processes>> {
        if let Self::Processes(processes) = self { Some(processes) } else { None }
    }
    /// The text.
    pub const fn text(&self) -> Option<&Arc<str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
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
    pub outcome: Result<Found, SourceError>,
}
