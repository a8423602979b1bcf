//! The filter of a list that no source tells: as it was typed, as it is read, and whether it holds for a row's cells.

use crate::theme::Role;
use crate::widgets::filter::Filter;
use crate::widgets::grid::Column;
use crate::widgets::typed::{self, Field};

/// A filter over columns.
pub(super) struct Filtered {
    text: String,
    filter: Filter,
    fields: Vec<Field>,
}

impl Filtered {
    /// None in force; comparisons name these columns, by their headings or otherwise.
    pub(super) fn new(columns: &[Column], synonyms: &[(&'static str, usize)]) -> Self {
        Self { text: String::new(), filter: Filter::default(), fields: typed::fields(columns, synonyms) }
    }

    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As it is read.
    pub(super) fn read(&self) -> &Filter {
        &self.filter
    }

    /// What it may compare.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Another one.
    pub(super) fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.filter = Filter::parse(text, false, &self.fields);
    }

    /// With the name of a field at its end completed.
    pub(super) fn completed(&self, typed: &str) -> Option<String> {
        typed::complete(typed, &self.fields)
    }

    /// What is wrong with it, else what may be typed.
    pub(super) fn hint<'a>(&'a self, else_this: &'a str) -> &'a str {
        self.filter.problem().unwrap_or(else_this)
    }

    /// Whether its comparisons hold for what `cell` writes of a column.
    pub(super) fn compares(&self, mut cell: impl FnMut(usize, &mut String) -> Role) -> bool {
        self.filter.comparisons().iter().all(|comparison| {
            let mut text = String::new();
            cell(comparison.column, &mut text);
            comparison.holds_for_cell(&mut text)
        })
    }
}
