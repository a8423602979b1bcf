//! A small list to choose from: how a table is ordered, which columns it has, what to copy.

use super::again::Chosen;
use super::incidents::Step;
use crate::domain::RunId;
use crate::domain::view::View;
use crate::panes::hands::{ColumnChange, Extent};
use crate::panes::sheet::Form;

/// A list over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// What it is a list of.
    pub kind: MenuKind,
    /// Title.
    pub title: String,
    /// Its lines.
    pub lines: Vec<MenuLine>,
    /// The line under the cursor.
    pub cursor: usize,
}

/// What a menu is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuKind {
    /// By what a table is ordered.
    Sort,
    /// A table's columns.
    Columns,
    /// What can be copied.
    Copy,
    /// Named views.
    Views,
    /// Runbooks to plan.
    Runbooks,
    /// What can be done with a run that is over or was cut off.
    Run,
    /// How a run that is under way goes on, or ends.
    UnderWay,
    /// What can be said of an incident.
    Incident,
}

impl MenuKind {
    /// Its notes say why something can't be seen.
    pub const fn dims_notes(self) -> bool {
        matches!(self, Self::Sort | Self::Columns)
    }

    /// The keys that work in it.
    pub const fn keys(self) -> &'static str {
        match self {
            Self::Sort => "a first letter or Enter sorts, again turns it around; Esc closes",
            Self::Views => "Enter opens, x deletes; Esc closes",
            Self::Runbooks => "Enter plans, and changes nothing yet; Esc closes",
            Self::Run => "Enter chooses, and changes nothing yet; Esc closes",
            Self::Incident => "its letter or Enter chooses; Esc closes",
            Self::UnderWay => "the run goes on meanwhile; Enter chooses; Esc goes back",
            Self::Copy => "Enter copies, s saves to a file; Esc closes",
            Self::Columns => "Space shows or hides, < > move, r resets; Esc closes",
        }
    }
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuLine {
    /// Before the text: `↓`, `✓`; may be empty.
    pub mark: &'static str,
    /// What can be chosen.
    pub text: String,
    /// What to know of it.
    pub note: String,
    /// What choosing it does.
    pub choice: Choice,
}

/// What a line stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Order by a column, or in the pane's own order.
    Sort(Option<usize>),
    /// A column.
    Column(usize),
    /// Something to copy.
    Take(Take),
    /// A view.
    View(Box<View>),
    /// A runbook, by its id.
    Runbook(String),
    /// A run, and what is done with it.
    Run(RunId, Chosen),
    /// Something about an incident.
    Incident(Step),
}

/// Something to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// A text, as it is known.
    Text(String),
    /// Rows of the focused table.
    Rows(Extent, Form),
    /// The same for somebody who was not there: a header line and a Markdown table.
    Bundle(Extent),
    /// The text of a view, with a header line for somebody who was not there.
    TextBundle(String),
    /// The open page.
    Page(Form),
    /// The same for somebody who was not there.
    PageBundle,
}

impl Menu {
    /// The choice under the cursor.
    pub fn chosen(&self) -> Option<&Choice> {
        self.lines.get(self.cursor).map(|line| &line.choice)
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: usize) {
        self.cursor = to.min(self.lines.len().saturating_sub(1));
    }

    /// New lines; the cursor follows its choice.
    pub(super) fn renew(&mut self, lines: Vec<MenuLine>) {
        let chosen = self.chosen().cloned();
        self.lines = lines;
        let at = self.lines.iter().position(|line| Some(&line.choice) == chosen.as_ref());
        self.go(at.unwrap_or(self.cursor));
    }

    /// What a key of the column chooser does to the column under the cursor.
    pub(super) fn column_change(&self, key: char) -> Option<ColumnChange> {
        let Some(&Choice::Column(column)) = self.chosen() else { return None };
        match key {
            ' ' => Some(ColumnChange::Toggle(column)),
            '<' => Some(ColumnChange::Move(column, -1)),
            '>' => Some(ColumnChange::Move(column, 1)),
            'r' => Some(ColumnChange::Reset),
            _ => None,
        }
    }
}
