//! The one integration test binary: a module per subject, over private real services (`lab`) and the real program in a
//! pseudo-terminal (`pty`); `support` is what tests of the real program share, `scene` is a screen with made-up data,
//! `dump` makes text of what it painted.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod dump;
#[path = "../lab/mod.rs"]
mod lab;
mod pty;
mod scene;
mod support;

mod acting;
mod alloc;
mod crash;
mod frames;
mod imports;
mod lab_self;
mod painted;
mod pty_self;
