//! Something that is not as it was a while ago: what people look for first when something has begun to go wrong.

use super::{Severity, SourceId, Subject, ThingId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When; of several of the same sort, the last.
    pub at: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// Who told of it.
    pub source: SourceId,
    /// What changed, if it is still there to be looked at.
    pub thing: Option<ThingId>,
    /// Its name for people.
    pub name: String,
    /// What became of it, in a few words.
    pub what: String,
    /// How bad it is that it changed so.
    pub severity: Severity,
}
