//! What an incident is made of: moments, each with who it was and where that is recorded.

use crate::domain::incident::{ClosedAs, Priority};
use crate::domain::record::Record;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::corrected::Scale;
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

impl Mark {
    /// What is before what: by time, and of the same moment by the record.
    pub(super) fn order(&self) -> (Timestamp, Uuid) {
        (self.at, self.record)
    }
}

/// When it began to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// When; by an alert, by its name, which is written out in the text with its labels; else by who declared it.
    pub mark: Mark,
    /// The alert's fingerprint; `None`: somebody said when.
    pub alert: Option<String>,
}

impl Detected {
    /// By the incident's own time. What somebody said can't lie behind the declaration, though a clock that was off may say so.
    pub(super) fn scaled(mut self, scale: Scale, declared: Timestamp) -> Self {
        self.mark.at = scale.of_the_clock(self.mark.at);
        if self.alert.is_none() {
            self.mark.at = self.mark.at.min(declared);
        }
        self
    }

    /// `ServiceDown began`, `detected, as ada said when it was declared`.
    pub fn told(&self) -> String {
        match self.alert {
            Some(_) => format!("{} began", self.mark.by),
            None => format!("detected, as {} said when it was declared", self.mark.by),
        }
    }
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

/// When the alert began that it was declared from, by the clock of who judges the rule; else when it was detected by the word of who declared it.
pub(super) fn detected(record: &Record) -> Option<Detected> {
    let data = &record.entry.data;
    let moment = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    if let Some(at) = moment(&data["detected"]) {
        return Some(Detected { mark: mark(record, at, String::new()), alert: None });
    }
    let alert = &data["alert"];
    let told = mark(record, moment(&alert["since"])?, line::alert_in_full(alert));
    Some(Detected { mark: Mark { by: said(alert, "name"), ..told }, alert: Some(said(alert, "fingerprint")) })
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
