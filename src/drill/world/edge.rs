//! Blue and green: the two colours of the game's stack, which of them players are sent to, and the record of what was brought out.

use super::Flaw;
use super::layout::VERSION;
use std::collections::BTreeMap;

/// What ran before that on a quiet day.
const BEFORE: &str = "v2.4.9";
/// The services that are brought out so.
pub const SERVICES: [&str; 2] = ["godot-server", "godot-api"];

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// `spacetime-blue`
    Blue,
    /// `spacetime-green`
    Green,
}

impl Colour {
    /// As folders and projects have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// Of such a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Blue, Self::Green].into_iter().find(|colour| colour.word() == word)
    }
}

/// A build of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// `v2.5.0`
    pub version: String,
    /// What it does wrong.
    pub flaw: Flaw,
}

/// A line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The second of the world.
    pub at: i64,
    /// `v2.5.0 deployed`, or the whole line.
    pub what: String,
    /// Somebody has written it so, with its time.
    pub whole: bool,
}

/// Both colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Where players are.
    pub active: Colour,
    /// The other colour runs since then: the second of the world.
    pub idle_since: Option<i64>,
    /// What is brought out by whom and when, oldest first.
    pub record: Vec<Deployed>,
    builds: [BTreeMap<String, Build>; 2],
    /// What builds do wrong, by service and version: known to nobody before they run.
    flaws: BTreeMap<(String, String), Flaw>,
}

impl Edge {
    pub(super) fn new() -> Self {
        let builds = |version: &str| {
            let build = Build { version: version.to_owned(), flaw: Flaw::default() };
            SERVICES.iter().map(|service| ((*service).to_owned(), build.clone())).collect()
        };
        let line = |days: i64, version: &str| Deployed {
            at: -days * 86_400,
            what: format!("{version} deployed"),
            whole: false,
        };
        Self {
            active: Colour::Blue,
            idle_since: Some(-9 * 86_400),
            record: vec![line(9, BEFORE), line(3, VERSION)],
            builds: [builds(VERSION), builds(BEFORE)],
            flaws: BTreeMap::new(),
        }
    }

    /// What a colour runs of a service.
    pub fn build(&self, colour: Colour, service: &str) -> Option<&Build> {
        self.builds[colour as usize].get(service)
    }

    /// What this version of a service does wrong.
    pub fn flaw(&self, service: &str, version: &str) -> Flaw {
        self.flaws.get(&(service.to_owned(), version.to_owned())).copied().unwrap_or_default()
    }

    /// From now on this is what such a build does wrong.
    pub(super) fn know(&mut self, service: &str, version: &str, flaw: Flaw) {
        self.flaws.insert((service.to_owned(), version.to_owned()), flaw);
    }

    /// A colour gets a build of a service.
    pub(super) fn set(&mut self, colour: Colour, service: &str, version: &str) {
        let flaw = self.flaw(service, version);
        self.builds[colour as usize].insert(service.to_owned(), Build { version: version.to_owned(), flaw });
    }

    /// The other colour gets what players have, and one service of another version; then they are sent there.
    pub(super) fn bring_out(&mut self, at: i64, service: &str, version: &str) {
        let to = self.active.other();
        self.builds[to as usize] = self.builds[self.active as usize].clone();
        self.set(to, service, version);
        (self.active, self.idle_since) = (to, Some(at));
        self.record.push(Deployed { at, what: format!("{version} deployed"), whole: false });
    }
}
