//! Keys to actions: parsed, overlaid, checked for clashes, looked up. Pure.
//!
//! Must not know what an action does, and must never let a bad user file lock an engineer out: the caller falls back to
//! [`Keymap::builtin`] and says what is wrong.

mod chord;
mod load;
mod trie;

pub use chord::Chord;
pub use load::{PRESETS, Problem, load, load_named};
pub use trie::{Found, Trie};

use crate::action::Action;

/// Where a binding works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everywhere.
    All,
    /// The servers pane.
    Servers,
    /// The containers pane.
    Containers,
    /// The alerts pane.
    Alerts,
    /// The databases pane.
    Databases,
    /// The runbooks.
    Runbooks,
    /// The runs view.
    Runs,
    /// The timeline.
    Timeline,
    /// The overview.
    Overview,
    /// Pages that are one text.
    Text,
    /// While a recording is replayed, before all others.
    Replay,
    /// The log view. Its keys go before those that work everywhere: digits are times there.
    Logs,
}

impl Scope {
    /// All of them; [`Scope::All`] first.
    pub const EVERY: [Self; 12] = [
        Self::All,
        Self::Servers,
        Self::Containers,
        Self::Alerts,
        Self::Databases,
        Self::Runbooks,
        Self::Runs,
        Self::Timeline,
        Self::Overview,
        Self::Text,
        Self::Replay,
        Self::Logs,
    ];

    /// The table's name in a keymap.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Servers => "servers",
            Self::Containers => "containers",
            Self::Alerts => "alerts",
            Self::Databases => "databases",
            Self::Runbooks => "runbooks",
            Self::Runs => "runs",
            Self::Timeline => "timeline",
            Self::Overview => "overview",
            Self::Text => "text",
            Self::Replay => "replay",
            Self::Logs => "logs",
        }
    }

    /// Its keys go before those that work everywhere, in place of clashing with them.
    pub const fn shadows(self) -> bool {
        matches!(self, Self::Logs | Self::Replay | Self::Text)
    }
}

/// One binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where.
    pub scope: Scope,
    /// The keys, one after the other.
    pub keys: Vec<Chord>,
    /// What they do.
    pub action: Action,
}

/// Whether a binding works in a scope: it is the scope's own, or one for everywhere that the scope has no other meaning for.
fn is_active(binding: &Binding, scope: Scope, all: &[Binding]) -> bool {
    let overlaps = |own: &Binding| own.keys.starts_with(&binding.keys) || binding.keys.starts_with(&own.keys);
    let shadowed = || scope.shadows() && all.iter().any(|own| own.scope == scope && overlaps(own));
    // In a replay what its own keys do not mean is looked up where it is.
    binding.scope == scope || binding.scope == Scope::All && scope != Scope::Replay && !shadowed()
}

/// All bindings in force.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<Binding>,
    tries: Vec<(Scope, Trie)>,
}

impl Keymap {
    /// The keymap that is part of the program.
    pub fn builtin() -> Self {
        load(None).unwrap_or_else(|problems| unreachable!("keymaps/default.toml is tested: {problems:?}"))
    }

    fn new(bindings: Vec<Binding>) -> Self {
        let tries = Scope::EVERY.map(|scope| {
            let active = bindings.iter().filter(|b| is_active(b, scope, &bindings));
            (scope, active.fold(Trie::default(), |trie, b| trie.with(&b.keys, b.action.clone())))
        });
        Self { bindings, tries: tries.into() }
    }

    /// What the keys pressed so far mean in `scope`.
    pub fn find(&self, scope: Scope, keys: &[Chord]) -> Found<'_> {
        self.tries.iter().find(|(s, _)| *s == scope).map_or(Found::Nothing, |(_, trie)| trie.find(keys))
    }

    /// All bindings that work in `scope`, its own first, in the order of the files.
    pub fn bindings(&self, scope: Scope) -> impl Iterator<Item = &Binding> {
        let own = self.bindings.iter().filter(move |b| b.scope == scope);
        let common = move |b: &&Binding| b.scope == Scope::All && is_active(b, scope, &self.bindings);
        own.chain(self.bindings.iter().filter(move |b| scope != Scope::All && common(b)))
    }

    /// The first key bound to `action` in `scope`, as printed.
    pub fn key_of(&self, scope: Scope, action: &Action) -> Option<String> {
        self.bindings(scope).find(|b| &b.action == action).map(|b| chord::print(&b.keys))
    }
}
