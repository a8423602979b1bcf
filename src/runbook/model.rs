//! A runbook as it was read: plain data, already checked by the parser.

use super::expr::Condition;
use super::language::Language;
use crate::domain::Subject;
use crate::domain::risk::{Level, Risk};
use jiff::civil::Date;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Unique in the library.
    pub id: String,
    /// Title.
    pub title: String,
    /// Owner.
    pub owner: String,
    /// When a person last checked that it is still right.
    pub reviewed: Date,
    /// The pane in whose action menu it appears.
    pub pane: Option<Subject>,
    /// A suggested key in that pane; the keymap wins.
    pub key: Option<String>,
    /// Environments it may run in; empty: all.
    pub environments: Vec<String>,
    /// Risk.
    pub risk: Risk,
    /// The word that the confirmation phrase starts with: `kill`.
    pub verb: Option<String>,
    /// Parameters, in the order of the file.
    pub params: Vec<Param>,
    /// Steps, in the order of the file.
    pub steps: Vec<Step>,
    /// What it says to people, heading by heading, in the order of the file.
    pub page: Vec<Passage>,
    /// SHA-256 of the file, hex.
    pub hash: String,
    /// Where it was read from; `None` when built in.
    pub path: Option<PathBuf>,
    /// The file as it is.
    pub source: String,
}

/// What stands under a heading of a runbook for people, without Markdown's marks and without the fences that run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The heading; empty before the first one.
    pub heading: String,
    /// Paragraphs, items of lists (`- …`) and blocks of code (several lines).
    pub blocks: Vec<String>,
}

impl Runbook {
    /// Its first paragraph: what it is for.
    pub fn summary(&self) -> Option<&str> {
        self.page.first()?.blocks.first().map(String::as_str)
    }
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamType {
    /// A whole number of 32 bits, signed (PostgreSQL's `integer`).
    Int,
    /// Text of one line.
    String,
    /// `true` or `false`.
    Bool,
    /// A span of time, as in `90s` or `1h30m`.
    Duration,
    /// A container: `engine/name` or `engine/full-id`.
    Container,
    /// A PostgreSQL server, by the config's name.
    Database,
}

impl ParamType {
    /// All types, in the order of documentation.
    pub const ALL: [Self; 6] = [Self::Int, Self::String, Self::Bool, Self::Duration, Self::Container, Self::Database];

    /// The word in the front matter.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::Container => "container",
            Self::Database => "database",
        }
    }

    /// The PostgreSQL type that a value is cast to.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Bool => "boolean",
            Self::Duration => "interval",
            Self::String | Self::Container | Self::Database => "text",
        }
    }
}

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name, `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Type.
    pub kind: ParamType,
    /// Taken when nothing is given.
    pub default: Option<Value>,
    /// Must be given.
    pub required: bool,
    /// Least value of an int, or of a duration in seconds.
    pub min: Option<i64>,
    /// Greatest value of an int, or of a duration in seconds.
    pub max: Option<i64>,
    /// A regular expression that the whole text must match.
    pub pattern: Option<String>,
    /// The only texts allowed; empty: any.
    pub choices: Vec<String>,
    /// What no value means, in a word or two: `any`.
    pub empty: Option<String>,
}

/// A step: a heading with its fences, or with prose alone, which a person then does.
#[derive(Clone, Debug)]
pub struct Step {
    /// `section-slug/step-slug`; the section's slug alone when the section itself holds the fences.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Its text without the fences, as Markdown.
    pub prose: String,
    /// Line of the heading, from 1.
    pub line: u32,
    /// Fences with a role, in the order of the file; none: a manual step.
    pub fences: Vec<Fence>,
}

impl Step {
    /// The fence that changes the world.
    pub fn run(&self) -> Option<&Fence> {
        self.fences.iter().find(|fence| fence.role == Role::Run)
    }
    /// A person does it.
    pub fn is_manual(&self) -> bool {
        self.fences.is_empty()
    }
}

/// A fence with a role.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Language.
    pub language: &'static Language,
    /// Role.
    pub role: Role,
    /// Attributes of the info string.
    pub attrs: Attrs,
    /// What stands between the fence lines.
    pub body: String,
    /// Line of the info string, from 1.
    pub line: u32,
}

/// The connection that a fence goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// By the config's name.
    Name(String),
    /// By a parameter of type container or database: `$container`.
    Param(String),
}

/// Attributes of an info string, checked against the role.
#[derive(Clone, Debug)]
pub struct Attrs {
    /// Where.
    pub on: On,
    /// The longest that the fence may take; of `wait` and `verify`, all polls together.
    pub timeout: Duration,
    /// Time from one poll to the next.
    pub every: Option<Duration>,
    /// How long the condition must stay true.
    pub hold: Option<Duration>,
    /// What `wait` waits for.
    pub until: Option<Condition>,
    /// What `check`, `plan` and `verify` demand.
    pub expect: Option<Condition>,
    /// The name under which later fences see the rows.
    pub out: Option<String>,
    /// The columns that make a row the same row.
    pub key: Vec<String>,
    /// Of `wait`: the value shown while waiting. Of `run`: the sentence that its rows and those of the plan (`planned`) come to. Of
    /// `verify`: that sentence for a run that gives no rows.
    pub show: Option<Condition>,
    /// The most rows that a plan may find.
    pub max: Option<u64>,
    /// A stricter answer than the policy's.
    pub confirm: Option<Level>,
    /// The word that this step's confirmation phrase starts with.
    pub verb: Option<String>,
    /// Running it twice does what running it once does.
    pub idempotent: bool,
    /// It cannot be undone, and the author knows.
    pub undo_none: bool,
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
    /// All roles, in the order in which they stand in a step.
    pub const ALL: [Self; 6] = [Self::Check, Self::Plan, Self::Run, Self::Wait, Self::Verify, Self::Undo];

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

    /// From the word in the info string.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// It may change things.
    pub const fn changes(self) -> bool {
        match self {
            Self::Run | Self::Undo => true,
            Self::Check | Self::Plan | Self::Wait | Self::Verify => false,
        }
    }
}
