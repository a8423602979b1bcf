//! quarterdeck: the terminal dashboard for on-call engineers. See ARCHITECTURE.md for the map.

pub mod clock;
pub mod connect;
pub mod domain;
pub mod effect;
pub mod event;
pub mod journal;
pub mod redact;
pub mod runbook;
pub mod runtime;

pub mod sources;
pub mod steps;
pub mod store;
