//! How bad a thing is. Ordered: worse is greater.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A severity is always shown as a word and a symbol as well as a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing of note: stopped on purpose, idle.
    #[default]
    None,
    /// Working as it should.
    Ok,
    /// Worth knowing.
    Info,
    /// Nobody knows: the source does not say.
    Unknown,
    /// Past the warn limit.
    Warning,
    /// Past the critical limit, or down.
    Critical,
}

impl Severity {
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The one-cell symbol shown beside the word; ASCII or from the geometric shapes every monospace font has.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::None | Self::Ok => " ",
            Self::Info => "·",
            Self::Unknown => "?",
            Self::Warning => "!",
            Self::Critical => "▲",
        }
    }

    /// From the `severity` label of a Prometheus alert, by the words in common use; anything else is a warning,
    /// because an alert that somebody wrote is never nothing.
    pub fn from_label(label: Option<&str>) -> Self {
        match label.map(str::to_ascii_lowercase).as_deref() {
            Some("critical" | "crit" | "page" | "emergency" | "fatal" | "disaster" | "p0" | "p1" | "sev1") => {
                Self::Critical
            }
            Some("info" | "informational" | "none" | "notice" | "debug" | "ok" | "p4" | "p5") => Self::Info,
            _ => Self::Warning,
        }
    }
}
