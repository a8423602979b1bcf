//! A runbook as it was read: plain data, already checked by the parser.

use super::expr::Condition;
use super::language::Language;
use super::script::without_host;
use crate::domain::Subject;
use crate::domain::prose::{Block, BlockKind, Mark};
use crate::domain::risk::{Level, Risk};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
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
    /// The section of the team's handbook that it stands for.
    pub handbook: Option<String>,
    /// Names of alerts that offer it, as globs: `Pg*`.
    pub alerts: Vec<Glob>,
    /// The pane in whose action menu it appears.
    pub pane: Option<Subject>,
    /// A suggested key in that pane; the keymap wins.
    pub key: Option<String>,
    /// Environments it may run in; empty: all.
    pub environments: Vec<String>,
    /// Risk.
    pub risk: Risk,
    /// Who and what is touched as a whole, where its targets alone do not say it: `all players on $server`.
    pub affects: Option<String>,
    /// The word that the confirmation phrase starts with: `kill`.
    pub verb: Option<String>,
    /// What is held while it runs.
    pub lock: Vec<Lock>,
    /// The connections and roles that it needs.
    pub uses: Vec<Need>,
    /// Where it stops by itself.
    pub limits: RunLimits,
    /// Parameters, in the order of the file.
    pub params: Vec<Param>,
    /// Names of secrets that the config defines.
    pub secrets: Vec<String>,
    /// The author's estimate of how long it takes.
    pub duration: Option<Duration>,
    /// Steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Sections, in the order of the file: the unit of order and of rolling.
    pub sections: Vec<Section>,
    /// Parameters that nothing of the page uses, with their lines: what it calls may take them.
    pub handed: Vec<(String, u32)>,
    /// What it says to people, heading by heading, in the order of the file.
    pub page: Vec<Passage>,
    /// SHA-256 of the file, hex.
    pub hash: String,
    /// Where it was read from; `None` when built in.
    pub path: Option<PathBuf>,
    /// The commit of git that was checked out where it was read from, hex; `None` when it is in no repository, or built in.
    pub commit: Option<String>,
    /// When the file was last written, as it was read; `None` when built in.
    pub written: Option<Timestamp>,
    /// The file as it is.
    pub source: String,
}

/// A name in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub String);

impl Glob {
    /// Whether it means this name. `*` stands for any text, also for none; everything else for itself.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// Something that only one run may hold at a time: `database/primary`, `server/$server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// `database`, `server`, `service`: the author's word.
    pub kind: String,
    /// Which one.
    pub name: Name,
}

/// A name that is written down, or that a parameter gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// As it is.
    Is(String),
    /// The value of a parameter.
    Param(String),
}

/// A connection or a role that a runbook needs, in the config's words: `postgres/primary`, `role/game`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// `postgres`, `prometheus`, `docker`, `http`, `server`, `role`.
    pub kind: String,
    /// Its name in the config.
    pub name: String,
}

/// Hard stops, looked at when the plan is made and while it runs; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// The most rows that a plan fence may find.
    pub rows: Option<u64>,
    /// The most hosts that it may change.
    pub hosts: Option<u64>,
    /// The longest that the run may take, in minutes.
    pub minutes: Option<u64>,
}

impl RunLimits {
    /// Why a plan may not find so many rows.
    pub fn against_rows(&self, count: usize) -> Option<String> {
        let max = self.rows.filter(|max| count as u64 > *max)?;
        Some(format!("there are {count}, and the runbook's limit is {max} rows: narrow it down by the parameters"))
    }

    /// Why so many hosts may not be changed.
    pub fn against_hosts(&self, hosts: &BTreeSet<String>) -> Option<String> {
        let max = self.hosts.filter(|max| hosts.len() as u64 > *max)?;
        let names = hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Some(format!(
            "it would change {} hosts ({names}), and the runbook's limit is {max}: narrow it down, or raise `limits`",
            hosts.len()
        ))
    }

    /// Why nothing new may begin after a run has taken so long.
    pub fn against_time(&self, taken: Duration) -> Option<String> {
        let max = self.minutes.filter(|max| taken.as_secs() >= max.saturating_mul(60))?;
        Some(format!("the run has taken longer than the runbook's limit of {max} minutes: nothing new begins"))
    }
}

/// A `##` heading with its steps.
#[derive(Clone, Debug)]
pub struct Section {
    /// First part of its steps' ids.
    pub slug: String,
    /// Heading.
    pub title: String,
    /// Line of the heading, from 1.
    pub line: u32,
    /// Its steps, by their place in [`Runbook::steps`].
    pub steps: Range<usize>,
    /// It runs host by host.
    pub rollout: Option<Rollout>,
}

/// How a section goes over several hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Over which.
    pub over: Over,
    /// Sizes of the batches; the last one repeats.
    pub serial: Vec<Batch>,
    /// So many hosts may fail; an unreachable one counts.
    pub max_fail: u64,
    /// From the end of one batch to the next.
    pub pause: Duration,
    /// In what order.
    pub order: Order,
    /// After so many batches a person is asked; `None`: after the first in a guarded environment, else never.
    pub ask_after: Option<u64>,
    /// Each host is begun, whatever became of others: also when one has failed, or nobody knows what became of it.
    pub every_host: bool,
    /// Line of its fence, from 1.
    pub line: u32,
}

impl Rollout {
    /// The batches of `hosts` hosts, as sizes that add up to it. A percentage is of all hosts, rounded down, and at least one.
    pub fn batches(&self, hosts: usize) -> Vec<usize> {
        let (mut sizes, mut left) = (Vec::new(), hosts);
        let last = self.serial.last().copied().unwrap_or(Batch::Count(1));
        let mut serial = self.serial.iter().copied();
        while left > 0 {
            let size = match serial.next().unwrap_or(last) {
                Batch::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
                Batch::Percent(percent) => hosts.saturating_mul(usize::from(percent)) / 100,
            };
            let size = size.clamp(1, left);
            sizes.push(size);
            left -= size;
        }
        sizes
    }
}

/// The hosts of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// All servers of a role.
    Role(String),
    /// Those that a parameter lists (`type: server`, `many: true`).
    Param(String),
}

/// How many hosts go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(u8),
}

/// The order of hosts in a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the config lists them.
    #[default]
    Config,
    /// By name.
    Name,
    /// As the config lists them, from the last.
    Reverse,
}

impl Order {
    /// All, in the order of documentation.
    pub const ALL: [Self; 3] = [Self::Config, Self::Name, Self::Reverse];

    /// The word in the fence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Name => "name",
            Self::Reverse => "reverse",
        }
    }

    /// Hosts that the config lists in this order, as the rollout goes over them.
    #[must_use]
    pub fn sorted(self, mut hosts: Vec<String>) -> Vec<String> {
        match self {
            Self::Config => {}
            Self::Name => hosts.sort_unstable(),
            Self::Reverse => hosts.reverse(),
        }
        hosts
    }
}

/// What stands under a heading of a runbook for people, without Markdown's marks and without the fences that run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The heading; empty before the first one.
    pub heading: String,
    /// Paragraphs, items of lists and blocks of code.
    pub blocks: Vec<Block>,
}

impl Runbook {
    /// Its first paragraph: what it is for.
    pub fn summary(&self) -> Option<String> {
        self.page.first()?.blocks.first().map(Block::text)
    }

    /// The paragraph above its steps that begins with these words in strong letters: `Impact`.
    pub fn paragraph(&self, lead: &str) -> Option<&Block> {
        let begins = |block: &&Block| {
            block.kind == BlockKind::Paragraph
                && block.pieces.first().is_some_and(|(mark, text)| *mark == Mark::Strong && text.starts_with(lead))
        };
        self.page.first()?.blocks.iter().find(begins)
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
    /// A server, by the config's name. Beside it stands its address, as `NAME_addr`.
    Server,
    /// A container: `engine/name` or `engine/full-id`.
    Container,
    /// A PostgreSQL server, by the config's name.
    Database,
    /// A host that the config does not know yet: a name or an address.
    Address,
    /// One of `choices`.
    Enum,
}

impl ParamType {
    /// All types, in the order of documentation.
    pub const ALL: [Self; 9] = [
        Self::Int,
        Self::String,
        Self::Bool,
        Self::Duration,
        Self::Server,
        Self::Container,
        Self::Database,
        Self::Address,
        Self::Enum,
    ];

    /// The word in the front matter.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::Server => "server",
            Self::Container => "container",
            Self::Database => "database",
            Self::Address => "address",
            Self::Enum => "enum",
        }
    }

    /// The PostgreSQL type that a value is cast to.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Bool => "boolean",
            Self::Duration => "interval",
            Self::String | Self::Server | Self::Container | Self::Database | Self::Address | Self::Enum => "text",
        }
    }

    /// It is a thing on the screen, chosen by the cursor and not typed.
    pub const fn is_thing(self) -> bool {
        match self {
            Self::Server | Self::Container | Self::Database => true,
            Self::Int | Self::String | Self::Bool | Self::Duration | Self::Address | Self::Enum => false,
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
    /// What it is, and an example, without a full stop: `the version to deploy, such as v1.4.2`.
    pub description: Option<String>,
    /// It takes a list of such values.
    pub many: bool,
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
    /// Of a server: the role that it must have.
    pub from: Option<String>,
    /// Of a server: the role of those that are meant as a rule, which come first where one is chosen.
    pub prefer: Option<String>,
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
    /// What only a step without fences has.
    pub manual: Manual,
    /// The host of a rollout that it is done on; `None` in the file, and outside of rollouts.
    pub host: Option<String>,
}

/// What a step asks of a person beside its prose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manual {
    /// Items to tick, in order.
    pub tasks: Vec<String>,
    /// What there is to choose from; empty: nothing. The choice is captured under [`Step::name`].
    pub choices: Vec<String>,
    /// Another runbook that is run in this place.
    pub call: Option<Call>,
}

/// A runbook that another one runs, with a plan and an answer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The link's text.
    pub title: String,
    /// The file, relative to this one: `pg-long-transactions.md`.
    pub file: String,
    /// Line of the link, from 1.
    pub line: u32,
}

impl Fence {
    /// `run: docker on $container, cannot be undone`. `of`: all fences of its step.
    pub fn head(&self, of: &[Self]) -> String {
        let undone = of.iter().any(|other| other.role == Role::Undo);
        let note = if self.role == Role::Run && !undone { ", cannot be undone" } else { "" };
        format!("{}: {} on {}{note}", self.role.word(), self.language.name, self.attrs.on)
    }
}

impl Step {
    /// The fence that changes the world.
    pub fn run(&self) -> Option<&Fence> {
        self.fences.iter().find(|fence| fence.role == Role::Run)
    }
    /// It has an undo, and each fence of that is marked `idempotent`: one that did not go well may be sent again.
    pub fn undo_may_be_sent_again(&self) -> bool {
        let mut undos = self.fences.iter().filter(|fence| fence.role == Role::Undo).peekable();
        undos.peek().is_some() && undos.all(|fence| fence.attrs.idempotent)
    }
    /// A person does it.
    pub fn is_manual(&self) -> bool {
        self.fences.is_empty()
    }
    /// The last part of its id, without the host.
    pub fn slug(&self) -> &str {
        without_host(&self.id).rsplit('/').next().unwrap_or_default()
    }
    /// The slug as conditions write it, where a hyphen would be a minus: `which_way`.
    pub fn name(&self) -> String {
        self.slug().replace('-', "_")
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

/// Where a fence goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On {
    /// The connection or host.
    pub place: Place,
    /// What stands after the slash: a database of a PostgreSQL server, or an endpoint of a server.
    pub part: Option<String>,
}

/// A connection or a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By the config's name.
    Name(String),
    /// By a parameter: `$container`.
    Param(String),
    /// All servers of a role: `role:game`.
    Role(String),
    /// The host that a rollout is at.
    Host,
    /// This machine.
    Local,
}

impl On {
    /// A connection by the config's name.
    pub fn name(name: &str) -> Self {
        Self { place: Place::Name(name.to_owned()), part: None }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Name(name) => f.write_str(name),
            Place::Param(name) => write!(f, "${name}"),
            Place::Role(role) => write!(f, "role:{role}"),
            Place::Host => f.write_str("host"),
            Place::Local => f.write_str("local"),
        }?;
        self.part.as_ref().map_or(Ok(()), |part| write!(f, "/{part}"))
    }
}

/// What follows when a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFail {
    /// The run stops.
    Stop,
    /// The operator is asked.
    Ask,
    /// The step is undone, and the run stops.
    Undo,
    /// The run goes on.
    Continue,
}

/// What follows when the time for `wait` or `verify` is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// The run stops.
    Stop,
    /// The operator is asked.
    Ask,
    /// The step is undone, and the run stops.
    Undo,
}

/// What becomes of a change when the line to its host breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is finished there.
    Finish,
    /// It is ended there.
    Stop,
    /// That is what the change does (a reboot, an isolation): `verify` tells, from elsewhere.
    Expected,
}

/// What an answer of Prometheus without any series means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoData {
    /// The fence fails.
    Fail,
    /// Not yet.
    Wait,
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
    /// What every other role demands of the answer. Bash and PromQL fences always have one of the two: it defaults to `rc == 0` and
    /// to `value == 1.0`; an HTTP change without one takes any status from 200 to 299.
    pub expect: Option<Condition>,
    /// The name under which later fences see the rows.
    pub out: Option<String>,
    /// The columns that make a row the same row.
    pub key: Vec<String>,
    /// Of `plan`: what its rows come to, in place of their number. Of `wait`: the value shown while waiting. Of `run`: the sentence that its rows and those of the plan (`planned`) come to. Of
    /// `verify`: that sentence for a run that gives no rows. Of `check`: what it found, instead of the answer's own sentence.
    pub show: Option<Condition>,
    /// Of a change over HTTP: what tells from a good answer that nothing was done all the same: the reason as text, or true.
    pub refused: Option<Condition>,
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
    /// It is sent so many times more when it fails.
    pub retry: u64,
    /// Only when this holds; else the fence is left out, and of a `run` the step.
    pub when: Option<Condition>,
    /// What follows a failure.
    pub on_fail: Option<OnFail>,
    /// What follows when the time is over.
    pub on_timeout: Option<OnTimeout>,
    /// What follows a broken line.
    pub on_disconnect: Option<OnDisconnect>,
    /// Through SSH to the server that the endpoint belongs to.
    pub via_ssh: bool,
    /// What no data means.
    pub nodata: Option<NoData>,
    /// The folder that a script runs in.
    pub dir: Option<String>,
    /// The names that a script sees; `None`: all parameters and rows, and no secret.
    pub vars: Option<Vec<String>>,
    /// The user that a script runs as; `root` for a plain `sudo`.
    pub sudo: Option<String>,
    /// Outside a transaction.
    pub autocommit: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_stands_for_any_text_and_nothing_else() {
        let matches = |glob: &str, name: &str| Glob(glob.to_owned()).matches(name);
        for (glob, name) in [("Pg*", "PgDown"), ("*", ""), ("a*b*c", "abc"), ("a*b*c", "axbxbxc"), ("Down", "Down")] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in
            [("Pg*", "pgDown"), ("Down", "Downs"), ("a*b*c", "acb"), ("ab*ba", "aba"), ("", "x"), ("a.c", "abc")]
        {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn batches_add_up_and_the_last_size_repeats() {
        let batches = |serial: &[Batch], hosts| {
            let rollout = Rollout {
                over: Over::Role("game".to_owned()),
                serial: serial.to_vec(),
                max_fail: 0,
                pause: Duration::ZERO,
                order: Order::Config,
                ask_after: None,
                every_host: false,
                line: 1,
            };
            rollout.batches(hosts)
        };
        let usual = [Batch::Count(1), Batch::Count(5), Batch::Percent(20)];
        assert_eq!(batches(&usual, 20), [1, 5, 4, 4, 4, 2]);
        assert_eq!(batches(&usual, 3), [1, 2]);
        assert_eq!(batches(&[Batch::Percent(10)], 4), [1, 1, 1, 1]);
        assert_eq!(batches(&[Batch::Count(1), Batch::Percent(100)], 9), [1, 8]);
        assert_eq!(batches(&usual, 0), [0_usize; 0]);
        assert_eq!(batches(&[Batch::Count(u64::MAX)], 2), [2]);
    }
}
