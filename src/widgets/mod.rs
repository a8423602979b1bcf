//! What panes and dialogs are drawn with: cells, numbers, sparklines, the windowed table, the text field.
//!
//! Every piece of text from outside goes through [`canvas::put`] after [`crate::domain::text::clean`]; nothing here reads a
//! clock or the store.

pub mod canvas;
pub mod chart;
pub mod feeds;
pub mod field;
pub mod figure;
pub mod filter;
pub mod grid;
pub mod measure;
pub mod prose;
pub mod scroll;
pub mod spark;
pub mod typed;
pub mod wrap;
