//! Meanings to styles. A pane names a [`Role`]; what it looks like is the theme's.
//!
//! Resolved once at load into an array, so that drawing is an index. Must never lock an engineer out: an unreadable
//! theme file is a message, and the dark theme.
//!
//! What the terminal can show is decided here too: how many colours ([`Depth`]), which characters ([`Glyphs`]), and whether its
//! own ground is light. Reads no environment: the command line hands in what it says.

mod colour;
mod glyphs;
mod ground;
mod load;
mod role;
#[cfg(test)]
mod tests;

pub use colour::{Choice, Depth};
pub use glyphs::Glyphs;
pub use ground::{from_colorfgbg, is_light};
pub use load::{BUILTIN, load, load_named};
pub use role::Role;

use ratatui::style::Style;
use std::collections::VecDeque;

/// A theme in force.
#[derive(Clone, Debug)]
pub struct Theme {
    name: String,
    styles: [Style; Role::COUNT],
}

impl Theme {
    /// Its name, as in `--theme`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}

/// Themes to turn through. One is shown; the others are read when somebody turns to them, for reading one takes as long as painting
/// a frame.
#[derive(Clone, Debug)]
pub struct Themes {
    shown: Theme,
    others: VecDeque<Other>,
}

#[derive(Clone, Debug)]
enum Other {
    Read(Box<Theme>),
    Builtin(&'static str, Depth),
}

impl Other {
    fn name(&self) -> &str {
        match self {
            Self::Read(theme) => theme.name(),
            Self::Builtin(name, _) => name,
        }
    }

    fn read(&self) -> Option<Theme> {
        match self {
            Self::Read(theme) => Some((**theme).clone()),
            // A test reads them all.
            Self::Builtin(name, depth) => load_named(name, *depth).ok(),
        }
    }
}

impl From<Theme> for Themes {
    /// With nothing to turn to.
    fn from(shown: Theme) -> Self {
        Self { shown, others: VecDeque::new() }
    }
}

impl Themes {
    /// This one, and then all others that are built in.
    pub fn with_builtin(shown: Theme, depth: Depth) -> Self {
        let others = BUILTIN.iter().map(|(name, _)| *name).filter(|name| *name != shown.name());
        let others = others.map(|name| Other::Builtin(name, depth)).collect();
        Self { shown, others }
    }

    /// The one in force.
    pub fn shown(&self) -> &Theme {
        &self.shown
    }

    /// Turns to the next.
    pub fn turn(&mut self) {
        self.turn_by(0);
    }

    /// Turns to the one of this name; false: it is shown already, or there is none.
    pub fn turn_to(&mut self, name: &str) -> bool {
        let at = self.others.iter().position(|other| other.name() == name);
        at.is_some_and(|at| self.turn_by(at))
    }

    /// They are a circle: those that are passed over follow the one that is left.
    fn turn_by(&mut self, at: usize) -> bool {
        let Some(next) = self.others.get(at).and_then(Other::read) else { return false };
        let before = std::mem::replace(&mut self.shown, next);
        self.others.push_back(Other::Read(Box::new(before)));
        self.others.rotate_left(at);
        self.others.pop_front();
        true
    }
}
