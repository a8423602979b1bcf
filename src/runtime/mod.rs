//! The only place that spawns, sleeps, and drives runs.

pub mod exec;
