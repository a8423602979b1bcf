//! The only place that spawns, sleeps, reads the terminal and drives runs.
//!
//! `block_on` gives the command line its async runtime; [`dashboard`] is the loop of the screen.

pub mod crash;
pub mod dashboard;
pub mod exec;
pub mod follow;
mod ground;
mod input;
pub mod inquire;
pub mod keep;
pub mod log;
pub mod poller;
pub mod post_mortem;
mod recall;
pub mod recorder;
pub mod reload;
mod replay;
pub mod seat;
mod second;
pub mod terminal;

use std::future::Future;

/// Runs a future to its end on a multi-threaded runtime. The blocking pool is abandoned rather than awaited: a hung lookup must
/// not hold up the end of the program.
pub fn block_on<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let out = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(out)
}
