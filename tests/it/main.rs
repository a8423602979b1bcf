//! The one integration test binary: a module per subject, over private real services (`lab`) and the real program in a
//! pseudo-terminal (`pty`).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../lab/mod.rs"]
mod lab;
mod pty;
mod support;

mod acting;
mod crash;
mod imports;
mod lab_self;
mod pty_self;
