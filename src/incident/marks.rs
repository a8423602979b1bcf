//! What an incident is made of: moments, each with who it was and where that is recorded.

use crate::domain::incident::{ClosedAs, Priority};
use crate::domain::record::Record;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::line;

/// Something that happened once: when, by whom, and where that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, by the corrected time of its incident.
    pub at: Timestamp,
    /// Who: a login name.
    pub by: String,
    /// What was said of it; may be empty.
    pub text: String,
    /// Where it is recorded: `record 7f3a21/12`.
    pub link: String,
    /// The record's id.
    pub record: Uuid,
}

/// It had ended, and was opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Nobody suffered any more, then.
    pub mitigated: Option<Mark>,
    /// It was over.
    pub resolved: Mark,
    /// It was not; the text says why.
    pub reopened: Mark,
    /// It was closed as none of its own: then nothing had ended.
    pub closed_as: Option<ClosedAs>,
}

/// It was thought to be worse or better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// From then on.
    pub priority: Priority,
    /// When, by whom, and why.
    pub mark: Mark,
}

/// Where its post-mortem was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The machine.
    pub host: String,
    /// The file there.
    pub file: String,
    /// So many places in it were left to fill in; `None`: a record that only says that some were.
    pub left: Option<u64>,
}

/// What is known of impact, scope and cause, as somebody wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Who suffers, and from what.
    pub impact: String,
    /// One server or all, one feature or the whole.
    pub scope: String,
    /// What changed before it began.
    pub changed: String,
}

/// A moment that a record tells of.
pub(super) fn mark(record: &Record, at: Timestamp, text: String) -> Mark {
    Mark { at, by: record.actor.name.clone(), text, link: line::link(record), record: record.id }
}

/// When the alert began that it was declared from, by the clock of who judges the rule.
pub(super) fn detected(record: &Record) -> Option<Mark> {
    let alert = &record.entry.data["alert"];
    let at = alert["since"].as_str()?.parse().ok()?;
    let (by, text) = (said(alert, "name"), said(alert, "fingerprint"));
    Some(Mark { at, by, text, link: line::link(record), record: record.id })
}

/// By the time at which it was, whenever it came here.
pub(super) fn keep_first(kept: &mut Option<Mark>, mark: Mark) {
    if kept.as_ref().is_none_or(|kept| mark.at < kept.at) {
        *kept = Some(mark);
    }
}

/// A text in a record; none is empty.
pub(super) fn said(data: &Value, key: &str) -> String {
    data[key].as_str().unwrap_or_default().to_owned()
}
