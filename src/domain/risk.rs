//! How much harm an action can do, and what answer it takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;
use std::time::Duration;

/// Hosts of a batch at once, when the config says nothing.
const PARALLEL: NonZeroU16 = match NonZeroU16::new(20) {
    Some(hosts) => hosts,
    None => NonZeroU16::MIN,
};

/// A runbook's `risk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Changes one thing, and comes back by itself.
    Low,
    /// People notice.
    High,
    /// Cannot be taken back.
    Irreversible,
}

impl Risk {
    /// The word in the front matter.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Low => "low",
            Self::High => "high",
            Self::Irreversible => "irreversible",
        }
    }
}

/// The answer a change takes, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing to confirm.
    None,
    /// The key `y`.
    Yes,
    /// The computed phrase, typed.
    Typed,
    /// A second person, through the team's journal.
    Two,
}

/// Which level each risk takes: `[policy]` in the config; the defaults here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// For `risk: low`.
    pub low: Level,
    /// For `risk: high`.
    pub high: Level,
    /// For `risk: irreversible`.
    pub irreversible: Level,
    /// Whether a guarded environment may be changed by `runbook run` without a terminal.
    pub unattended: Unattended,
    /// Whether one person may, with a reason that everybody sees, do what takes two.
    pub break_glass: BreakGlass,
    /// Minutes that somebody has to approve what takes two, and who asked to begin it then: 1 to 1440.
    #[schemars(range(min = 1, max = 1440))]
    pub approval_minutes: u16,
    /// So many hosts of a rollout's batch are under way at once at most.
    pub parallel: NonZeroU16,
}

/// What becomes of a change that takes two people when there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakGlass {
    /// It is done for a reason, which is recorded and shown.
    #[default]
    Allow,
    /// It is not done.
    Refuse,
}

/// What becomes of a run in a guarded environment that nobody watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unattended {
    /// It is not begun.
    #[default]
    Refuse,
    /// It is begun, with the plan's hash and the answer on its command line.
    Allow,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            low: Level::Yes,
            high: Level::Typed,
            irreversible: Level::Typed,
            unattended: Unattended::Refuse,
            break_glass: BreakGlass::Allow,
            approval_minutes: 15,
            parallel: PARALLEL,
        }
    }
}

impl Policy {
    /// How long a request for approval lasts.
    pub fn approval_time(self) -> Duration {
        Duration::from_mins(self.approval_minutes.clamp(1, 1440).into())
    }

    /// The level that `risk` takes.
    pub const fn level(self, risk: Risk) -> Level {
        match risk {
            Risk::Read => Level::None,
            Risk::Low => self.low,
            Risk::High => self.high,
            Risk::Irreversible => self.irreversible,
        }
    }
}
