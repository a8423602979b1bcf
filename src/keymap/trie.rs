//! Key sequences to actions: nothing, more keys awaited, or the action.

use super::Chord;
use crate::action::Action;

/// A tree of keys.
#[derive(Clone, Debug, Default)]
pub struct Trie {
    branches: Vec<(Chord, Node)>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Action),
    More(Trie),
}

/// What a sequence means so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No binding begins so.
    Nothing,
    /// A binding begins so; more keys are awaited.
    Pending,
    /// Bound.
    Action(&'a Action),
}

impl Trie {
    /// The tree with one more sequence. A clash (found at load) keeps the first.
    #[must_use]
    pub fn with(mut self, keys: &[Chord], action: Action) -> Self {
        self.insert(keys, action);
        self
    }

    fn insert(&mut self, keys: &[Chord], action: Action) {
        let Some((first, rest)) = keys.split_first() else { return };
        let at = self.branches.iter().position(|(chord, _)| chord == first);
        match (at.map(|at| &mut self.branches[at].1), rest.is_empty()) {
            (Some(Node::More(trie)), false) => trie.insert(rest, action),
            (Some(_), _) => {}
            (None, true) => self.branches.push((*first, Node::Leaf(action))),
            (None, false) => self.branches.push((*first, Node::More(Self::default().with(rest, action)))),
        }
    }

    /// Looks a sequence up.
    pub fn find(&self, keys: &[Chord]) -> Found<'_> {
        let Some((first, rest)) = keys.split_first() else { return Found::Pending };
        match self.branches.iter().find(|(chord, _)| chord == first) {
            None => Found::Nothing,
            Some((_, Node::Leaf(action))) if rest.is_empty() => Found::Action(action),
            Some((_, Node::Leaf(_))) => Found::Nothing,
            Some((_, Node::More(trie))) => trie.find(rest),
        }
    }
}
