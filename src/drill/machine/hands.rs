//! What the shell does not do itself, done to the world.

use super::{
    Control, Machine, aws, compose, curl, docker, files, firewall, gh, nginx, now, psql, server, system, terraform,
    upkeep,
};
use crate::drill::shell::{Call, Done, Ended, Files, Outside, Stream};
use std::time::Duration;

/// A command.
type Command = fn(&Machine, &Call, &mut Files) -> Done;

/// All that there are, by name.
const COMMANDS: &[(&str, Command)] = &[
    ("docker", docker::run),
    ("docker-compose", compose::run),
    ("aws", aws::run),
    ("gh", gh::run),
    ("terraform", terraform::run),
    ("nproc", system::nproc),
    ("curl", curl::run),
    ("nginx", nginx::run),
    ("pgrep", nginx::pgrep),
    ("psql", psql::run),
    ("createdb", psql::createdb),
    ("dropdb", psql::dropdb),
    ("pg_dump", psql::pg_dump),
    ("pg_amcheck", server::pg_amcheck),
    ("pg_checksums", server::pg_checksums),
    ("pg_ctl", server::pg_ctl),
    ("pg_isready", psql::pg_isready),
    ("vacuumdb", upkeep::vacuumdb),
    ("reindexdb", upkeep::reindexdb),
    ("df", system::df),
    ("du", system::du),
    ("free", system::free),
    ("uptime", system::uptime),
    ("ps", system::ps),
    ("ss", system::ss),
    ("last", system::last),
    ("iptables", firewall::iptables),
    ("iptables-restore", firewall::restore),
    ("uname", system::uname),
    ("hostname", system::hostname),
    ("systemctl", system::systemctl),
    ("journalctl", system::journalctl),
    ("dmesg", system::dmesg),
    ("git", system::git),
    ("python", system::python),
    ("python3", system::python),
    ("sync", system::nothing),
];

/// What this drill has none of, and says so.
const ABSENT: &[&str] = &["npx", "kubectl", "nft", "ip", "ssh", "scp", "rsync", "pg_restore", "pg_basebackup"];

/// Of a script that runs on a machine.
pub struct Hands<'a> {
    pub(super) machine: &'a Machine,
    pub(super) control: &'a Control,
    pub(super) told: &'a mut (dyn FnMut(Stream, &[u8]) + Send),
}

impl Outside for Hands<'_> {
    fn command(&mut self, call: &Call, files: &mut Files) -> Option<Done> {
        if ABSENT.contains(&call.name.as_str()) {
            return Some(Done::failed(69, format!("{0}: this drill has no {0}\n", call.name)));
        }
        let (_, command) = COMMANDS.iter().find(|(name, _)| *name == call.name)?;
        Some(command(self.machine, call, files))
    }

    fn has(&self, name: &str) -> bool {
        COMMANDS.iter().any(|(own, _)| *own == name)
    }

    fn file(&mut self, path: &str) -> Option<Vec<u8>> {
        files::made(&self.machine.stage.lock(), self.machine.server, path)
    }

    fn now(&self) -> f64 {
        now()
    }

    fn sleep(&mut self, seconds: f64) -> Result<(), Ended> {
        let speed = self.machine.stage.lock().clock.speed;
        self.control.wait(Duration::try_from_secs_f64(seconds / speed).unwrap_or(Duration::MAX / 4))
    }

    fn ended(&mut self) -> Option<Ended> {
        self.control.ended()
    }

    fn written(&mut self, to: Stream, bytes: &[u8]) {
        (self.told)(to, bytes);
    }
}
