//! quarterdeck: the terminal dashboard for on-call engineers.
//!
//! **A pure core in an async shell; sources see, panes show, steps do.** [`sources`] yield samples, [`store`] keeps the last
//! good one of each, [`panes`] show the store, [`steps`] act. [`app::update`] is the only place that changes anything,
//! [`ui::draw`] the only place that paints, [`runtime`] the only place that spawns, sleeps or reads the terminal. What may be
//! sent is decided in [`runbook::gate`] alone, and recorded in the [`journal`] before it is sent.
//!
//! ARCHITECTURE.md has the whole map, who may import whom, and the reasons.

pub mod action;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod cx;
pub mod domain;
#[cfg(feature = "drill")]
pub mod drill;
pub mod effect;
pub mod event;
pub mod incident;
pub mod journal;
pub mod keymap;
pub mod logs;
pub mod panes;
pub mod recording;
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
