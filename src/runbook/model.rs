//! A runbook as it was read.

use crate::domain::Subject;
use crate::domain::risk::Risk;
use std::path::PathBuf;

/// A runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Unique in the library.
    pub id: String,
    /// Title.
    pub title: String,
    /// Owner.
    pub owner: String,
    /// The pane in whose action menu it appears.
    pub pane: Option<Subject>,
    /// Risk.
    pub risk: Risk,
    /// SHA-256 of the file, hex.
    pub hash: String,
    /// Where it was read from; `None` when built in.
    pub path: Option<PathBuf>,
    /// The file as it is.
    pub source: String,
}

/// What a fence is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Must hold: asked at plan, and again right before its step.
    Check,
    /// Finds the blast radius: asked at plan, and again right before `run`.
    Plan,
    /// Changes the world.
    Run,
    /// Polled after `run` until true.
    Wait,
    /// The step is ok only when it passes.
    Verify,
    /// Takes it back.
    Undo,
}

impl Role {
    /// The word in the info string.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Plan => "plan",
            Self::Run => "run",
            Self::Wait => "wait",
            Self::Verify => "verify",
            Self::Undo => "undo",
        }
    }
}
