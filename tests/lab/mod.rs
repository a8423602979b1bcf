//! The lab: real services for tests, private to this test process.
//!
//! Owns how a service is found, started, filled with fixtures, made to fail and taken away again. It must not know
//! quarterdeck: what the program makes of a service is the business of the tests. Everything listens on loopback
//! ports and sockets that were free a moment ago, and lives in one temporary folder.
//!
//! A test asks for a service with [`need!`]. Where it can't be had the test is skipped by name, or fails when
//! `QUARTERDECK_LAB=require` is set.

pub mod certs;
pub mod cloud;
pub mod cut;
pub mod disk;
pub mod docker;
pub mod edge;
pub mod engine;
pub mod fault;
pub mod fleet;
pub mod games;
pub mod http;
pub mod monitoring;
pub mod node_exporter;
pub mod nodes;
pub mod pair;
pub mod podman;
pub mod postgres;
pub mod registry;
pub mod scripted;
pub mod service;
pub mod skew;
pub mod spacetime;
pub mod sshd;
pub mod tls;
pub mod web;

pub use cut::scissors;
pub use disk::small_disk;
pub use docker::{docker, tls_docker};
pub use monitoring::{monitoring, own_alertmanager, relabelled};
pub use node_exporter::own_node_exporter;
pub use nodes::nodes;
pub use pair::pair;
pub use podman::podman;
pub use postgres::{own_postgres, postgres};
pub use registry::own_registry;
pub use skew::skew;
pub use spacetime::spacetime;
pub use sshd::own_sshd;
pub use web::web;

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Yields a service of the lab, or skips the test that asks: `let docker = need!(docker);`.
macro_rules! need {
    ($service:ident $(($of:expr))?) => {{
        fn here() {}
        match $crate::lab::$service($($of)?) {
            Ok(service) => service,
            Err(why) => return $crate::lab::skip(std::any::type_name_of_val(&here), &why),
        }
    }};
}
pub(crate) use need;

/// Reports that a test does not run. `here` is the path of a function inside that test. The line goes to the real
/// standard error, past the test harness's capture, so that `tests/run` can count it.
pub fn skip(here: &str, why: &str) {
    let line = skip_line(here, why);
    assert!(std::env::var_os("QUARTERDECK_LAB").is_none_or(|wish| wish != "require"), "{line}");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The line that says so, with its end of line.
pub fn skip_line(here: &str, why: &str) -> String {
    let test = here.trim_end_matches("::here").replace("::{{closure}}", "");
    let test = test.split_once("::").map_or(test.as_str(), |(_, path)| path);
    format!("SKIPPED: {test}: needs {why}\n")
}

/// The first of [`programs`].
pub fn program(names: &[&str], more: &[PathBuf]) -> Option<PathBuf> {
    programs(names, more).into_iter().next()
}

/// All executables of these names in `more`, on `PATH`, or in the folders for administrators, in this order.
pub fn programs(names: &[&str], more: &[PathBuf]) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = more.iter().cloned().chain(std::env::split_paths(&path)).chain(system).collect();
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.filter(|file| is_executable(file)).collect()
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Asks again and again until `probe` says something, for services that announce nothing. `None` after `limit`.
pub fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime for the lab")
});

/// Runs a future of the lab to its end. Works in plain tests and inside another runtime alike, and what it spawns
/// goes on afterwards.
pub fn wait<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(future)).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The lab's runtime, for what shall go on in the background.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    &RUNTIME
}
