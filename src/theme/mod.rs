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
