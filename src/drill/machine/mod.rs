//! A machine as somebody finds it who logs in: its files, and the commands of the shipped runbooks, which act on the world.
//!
//! The [`shell`] runs the scripts; what it does not do itself it asks [`Hands`] for, a file for each kind of command. What
//! several machines share (which colour players are on, the record of deployments) is kept by the world, and written into the files of each
//! machine before a script begins.

mod aws;
mod aws_text;
mod compose;
mod control;
mod curl;
mod docker;
mod files;
mod firewall;
mod gh;
mod gh_issue;
mod gh_table;
mod hands;
mod nginx;
mod psql;
mod server;
mod system;
mod template;
mod terraform;
#[cfg(test)]
mod tests;
mod upkeep;

pub use control::Control;
pub use curl::{Target, balanced};
pub use hands::Hands;

use super::clock::seconds;
use super::serve::hosts::{self, Token};
use super::shell::files::Who;
use super::shell::{self, Files};
use super::stage::Shared;
use super::world::Order;
use super::world::edge::Deployed;
use axum::Router;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whoever logs in.
pub const USER: &str = "ops";
/// Where the game's operators work.
const PRODUCTION: &str = "/opt/spacetime/production";

/// Images that nobody uses take this share of a disk.
const UNUSED: f64 = 0.06;

/// A machine.
pub struct Machine {
    /// Its index in the world.
    pub server: usize,
    /// Its name.
    pub name: String,
    stage: Shared,
    files: Mutex<Files>,
    /// What all machines answer, for `curl`.
    pages: Router,
    /// How often nginx has taken up its config.
    reloads: AtomicU32,
    databases: Mutex<psql::Databases>,
    rules: Mutex<firewall::Rules>,
    /// What takes much of its disk and may be deleted: paths, and bytes.
    large: Mutex<Vec<(String, f64)>>,
    /// Bytes of images that nobody uses.
    unused: Mutex<f64>,
    /// Images that were pulled here.
    images: Mutex<Vec<String>>,
    /// Containers of the colour that nobody plays on that were stopped here: their names, and the second of the world.
    resting: Mutex<BTreeMap<String, i64>>,
}

impl Machine {
    /// As it is at the beginning.
    pub fn new(stage: Shared, server: usize, token: Token) -> Self {
        let pages = hosts::router(stage.clone(), token);
        let files = files::at_first(&stage.lock(), server, now());
        let (name, large, unused) = {
            let stage = stage.lock();
            let one = &stage.world.servers[server];
            (one.name.clone(), Mutex::new(files::large(one)), Mutex::new(one.disk * UNUSED))
        };
        let (files, databases) = (Mutex::new(files), Mutex::default());
        Self {
            server,
            name,
            stage,
            files,
            pages,
            reloads: AtomicU32::new(0),
            databases,
            rules: Mutex::default(),
            large,
            unused,
            images: Mutex::default(),
            resting: Mutex::default(),
        }
    }

    /// Whether its power is on.
    pub fn is_up(&self) -> bool {
        self.stage.lock().world.servers[self.server].up
    }

    /// The stage that it stands on.
    pub fn stage(&self) -> &Shared {
        &self.stage
    }

    /// Runs a script there to its end; its exit status. For a thread of its own.
    pub fn run(&self, job: &shell::Job, control: &Control, told: &mut (dyn FnMut(shell::Stream, &[u8]) + Send)) -> i32 {
        self.settle(&mut self.files());
        let code = shell::run(job, &self.files, &mut Hands { machine: self, control, told });
        self.settle(&mut self.files());
        code
    }

    /// Where a URL leads from here; the number and the words that `curl` has for it where it leads nowhere.
    ///
    /// # Errors
    /// When nobody in this production listens there.
    pub fn route(&self, url: &str) -> Result<Target, (i32, String)> {
        curl::target(&mut self.stage.lock(), self.server, url)
    }

    /// What all machines answer, each under its name.
    pub fn pages(&self) -> Router {
        self.pages.clone()
    }

    /// Which PostgreSQL a host means from here, by its name or address: 0 the primary, 1 the standby.
    pub fn database(&self, host: &str) -> Option<usize> {
        let stage = self.stage.lock();
        let at = match host {
            "localhost" | "127.0.0.1" => Some(self.server),
            _ => stage.world.servers.iter().position(|server| server.name == host || server.address == host),
        };
        stage.world.databases.iter().position(|one| Some(one.server) == at)
    }

    /// Whether a folder is there.
    pub fn has_folder(&self, path: &str) -> bool {
        self.files().get(path).is_some_and(shell::Node::is_folder)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn databases(&self) -> MutexGuard<'_, psql::Databases> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> MutexGuard<'_, firewall::Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulled(&self) -> MutexGuard<'_, Vec<String>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of images that nobody uses.
    fn unused(&self) -> f64 {
        *self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images that nobody uses go; bytes.
    fn prune(&self) -> f64 {
        std::mem::take(&mut *self.unused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// What was done to the files becomes true of the world, and the other way round.
    fn settle(&self, files: &mut Files) {
        let mut stage = self.stage.lock();
        let log = format!("{PRODUCTION}/deployments.log");
        let known: Vec<String> = stage.world.edge.record.iter().map(|one| line(&stage.clock, one)).collect();
        let written = files.get(&log).and_then(shell::Node::bytes).unwrap_or_default();
        let written = String::from_utf8_lossy(written).into_owned();
        for new in written.lines().filter(|line| !known.iter().any(|own| own == line)) {
            let _ = stage.order(&Order::Record(new.to_owned()));
        }
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        // What was encrypted is called otherwise, and as large as before.
        let gone = |path: &str| files.get(path).is_none() && files.get(&files::encrypted(path)).is_none();
        let freed: f64 = large.extract_if(.., |(path, _)| gone(path)).map(|(_, bytes)| bytes).sum();
        if freed > 0.0 {
            let _ = stage.order(&Order::Clean(self.server, freed));
        }
        files::refresh(files, &stage, self.server, now());
    }
}

/// A line of the record, as the deployment's script writes it.
fn line(clock: &super::clock::Clock, one: &Deployed) -> String {
    if one.whole {
        return one.what.clone();
    }
    let when = clock.moment(one.at).strftime("%a %b %e %H:%M:%S UTC %Y").to_string();
    format!("{} at {when}", one.what)
}

/// Seconds since 1970.
fn now() -> f64 {
    seconds(jiff::Timestamp::now())
}

/// The machine itself does something.
fn root() -> Who {
    Who::root(now())
}
