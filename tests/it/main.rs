//! The one integration test binary: a module per subject, over private real services (`lab`) and the real program in a
//! pseudo-terminal (`pty`); `support` is what tests of the real program share, `scene` is a screen with made-up data,
//! `dump` makes text of what it painted.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod books;
mod desk;
mod dump;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "../../benches/production.rs"]
mod production;
mod pty;
mod scene;
mod support;

mod acting;
mod alerting;
mod alerting_pages;
mod alloc;
mod asking;
mod canaries;
mod containers;
mod crash;
mod database_pages;
mod databases;
mod databases_fail;
mod deciding;
mod docs;
mod durable;
mod example_books;
mod filters;
mod frames;
mod fresh_eyes;
mod freshness;
mod fuzz;
mod gallery;
mod handbook_database;
mod handbook_scale;
mod hands;
mod hostile;
mod http_status;
mod imports;
mod injection;
mod inputs;
mod killed;
mod lab_self;
mod leaving;
mod log_view;
mod logs;
mod looking;
mod looks;
mod machines;
mod many_hosts;
mod monitoring_rules;
mod notices;
mod offers;
mod pages;
mod painted;
mod pasted;
mod planned;
mod playbooks;
mod presenter;
mod pty_self;
mod real_books;
mod recording;
mod reloading;
mod run_page;
mod runbook_cli;
mod runbook_terminal;
mod runbook_text;
mod scale;
mod screen;
mod second;
mod seen;
mod servers;
mod silencing;
mod slo;
mod spacetime;
mod ssh;
mod team;
mod undoing;
mod untouched;
mod views;
