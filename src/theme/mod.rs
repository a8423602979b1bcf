//! Meanings to styles. A pane names a [`Role`]; what it looks like is the theme's.
//!
//! Resolved once at load into an array, so that drawing is an index. Must never lock an engineer out: an unreadable
//! theme file is a message, and the dark theme.

mod colour;
mod load;
mod role;

pub use colour::Depth;
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
