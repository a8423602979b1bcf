//! Leases: who holds what, so that two runs never change one thing at the same time. They live where the records are, and are
//! judged by that store's clock.
//!
//! A lease lapses when its time is over, and when its process is dead (told on its own host only); but not as long as its run is cut off: what
//! that did may go on over there until somebody has looked, so it stays held until then. Each grant has a number that is
//! greater than all before it for that resource: whoever still has a smaller one is no holder any more.

use crate::domain::RunId;
use crate::domain::record::Actor;
use crate::domain::text::clean;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// A lease that is not renewed lapses after this; as long as a team's server waits for a word of a process, so that no run is taken for cut off
/// while it may still use what it holds.
pub const TTL: Duration = Duration::from_secs(45);

/// What was handed over or taken over is kept so long for the run that is to begin with it.
pub const PASSED: Duration = Duration::from_secs(180);

/// Who takes a lock over tells its holder before, and waits this long.
pub const GRACE: Duration = Duration::from_secs(30);

/// The shortest and the longest that somebody may wait instead.
pub const GRACES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// That a run holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What: `database/primary`.
    pub resource: String,
    /// The number of the grant.
    pub fence: u64,
}

/// What came of asking for several resources at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of them are held now, in the order of the question.
    All(Vec<Grant>),
    /// None is: somebody else holds this one.
    Held(Box<Lease>),
}

/// What somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What: `database/primary`.
    pub resource: String,
    /// The run that holds it.
    pub run: RunId,
    /// Whose process that is.
    pub holder: Actor,
    /// Since when.
    pub since: Timestamp,
    /// The runbook's id, once the run has begun.
    pub runbook: Option<String>,
    /// The last step that something was recorded of.
    pub step: Option<String>,
    /// Nobody drives the run any more, and nobody has found out what became of it.
    pub cut_off: bool,
}

impl fmt::Display for Lease {
    /// `database/primary is held by ada@bastion since 12:04:31 UTC: run 1a2b3c of db-kill-idle, at kill/idle`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, run, holder, since, runbook, step, cut_off } = self;
        let who = format!("{}@{}", holder.name, holder.host);
        let when = since.strftime("%H:%M:%S UTC");
        write!(f, "{} is held by {} since {when}: run {}", clean(resource), clean(&who), run.short())?;
        match runbook {
            Some(runbook) => write!(f, " of {}", clean(runbook))?,
            // It was handed over to it, or taken over for it; or its first record is on its way.
            None => f.write_str(", which has not begun yet")?,
        }
        if let Some(step) = step {
            write!(f, ", at {}", clean(step))?;
        }
        if *cut_off {
            let run = run.short();
            write!(
                f,
                "; that run was cut off, and what it did may still go on: `quarterdeck runbook resume {run}` looks at it, and with \
                 `--abandon REASON` it is given up and its locks with it"
            )?;
        }
        Ok(())
    }
}
