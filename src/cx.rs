//! All that a pane may see. Borrowed from the state for one refresh or one frame.

use crate::domain::{Limits, Now, Subject};
use crate::incident::Watch;
use crate::keymap::Keymap;
use crate::runbook::output::Outputs;
use crate::runbook::{Library, Runs, Writes};
use crate::store::Store;
use crate::theme::{Role, Theme};
use ratatui::style::Style;

/// What a pane may see.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// What is known of the world.
    pub store: &'a Store,
    /// The moment of the last event.
    pub now: Now,
    /// How meanings look.
    pub theme: &'a Theme,
    /// Where warnings begin.
    pub limits: &'a Limits,
    /// The runbooks. Asking for the first of them reads them all.
    pub library: &'a Library,
    /// The environment's name.
    pub environment: &'a str,
    /// Runs, as the journal tells them.
    pub runs: &'a Runs,
    /// Incidents.
    pub watch: &'a Watch,
    /// What steps under way have said.
    pub outputs: &'a Outputs,
    /// The keys in force.
    pub keymap: &'a Keymap,
    /// Whether acting is possible.
    pub writes: Writes,
    /// The environment is guarded.
    pub guarded: bool,
}

impl Cx<'_> {
    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// More than one source reports on it, so that rows must say where they come from.
    pub fn many(&self, subject: Subject) -> bool {
        self.store.about(subject).nth(1).is_some()
    }
}
