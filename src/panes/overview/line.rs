//! A line of the overview.

use crate::domain::{Now, Severity, time};
use crate::panes::Lead;
use crate::theme::Role;
use crate::widgets::figure;
use jiff::Timestamp;

/// A line: something wrong, or something that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub severity: Severity,
    /// Its source does not answer any more.
    pub stale: bool,
    pub name: String,
    /// `alert`, `container` …
    pub kind: &'static str,
    /// Since when, or when.
    pub since: Option<Timestamp>,
    pub what: String,
    /// Where Enter leads.
    pub lead: Lead,
}

impl Line {
    /// What a filter searches, in lower case.
    pub fn haystack(&self) -> String {
        let (severity, kind) = (self.severity.word(), self.kind);
        format!("severity:{severity} kind:{kind} {} {}", self.name, self.what).to_lowercase()
    }

    /// For the incident channel.
    pub fn text(&self) -> String {
        let since = self.since.map(|since| format!(", {}", since.strftime("%H:%M:%SZ"))).unwrap_or_default();
        format!("{} {} ({}{since}): {}", self.severity.word(), self.name, self.kind, self.what)
    }

    /// A cell's text, appended, and its role.
    pub fn cell(&self, column: usize, now: Now, out: &mut String) -> Role {
        match column {
            0 => {
                out.push_str(&self.name);
                if self.severity >= Severity::Warning { self.severity.into() } else { Role::Text }
            }
            1 => {
                out.push_str(self.kind);
                Role::Muted
            }
            2 => {
                match self.since {
                    Some(since) => figure::coarse_age(out, time::between(since, now.wall)),
                    None => out.push('—'),
                }
                Role::Muted
            }
            _ => {
                out.push_str(&self.what);
                Role::Text
            }
        }
    }
}
