//! quarterdeck: the terminal dashboard for on-call engineers. See ARCHITECTURE.md for the map.

pub mod action;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod cx;
pub mod domain;
pub mod effect;
pub mod event;
pub mod journal;
pub mod keymap;
pub mod panes;
pub mod redact;
pub mod runbook;
pub mod runtime;
pub mod sources;
pub mod steps;
pub mod store;
pub mod theme;
pub mod ui;
pub mod widgets;

#[cfg(test)]
#[path = "../tests/lab/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the unit tests use a part of the lab, tests/it all of it")]
mod lab;
