//! A container: a build of a service that runs on a machine, its memory, its health and its log.

use super::chance::{Chance, Wander};
use std::collections::VecDeque;

/// Bytes in a mebibyte.
pub const MIB: f64 = 1_048_576.0;
/// Lines of a log that are kept.
const LINES: usize = 2_000;
/// A health check runs this often, and so many bad ones in a row make it unhealthy: seconds, and a count.
const PROBE: i64 = 5;
const BAD: u32 = 3;
/// So many of its runs are kept, as Docker does.
const PROBES: usize = 5;
/// Who hoards takes so much a second, bytes.
const HOARDS: f64 = 100.0 * MIB;
/// From its start on it is given so long before its health counts, seconds.
const STARTING: i64 = 6;

/// What a build does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flaw {
    /// Bytes that each second forgets to give back.
    pub leak: f64,
    /// Share of requests that it answers with 500, 0.0 to 1.0.
    pub errors: f64,
    /// How many times as long an answer takes; 0: as ever.
    pub slow: f64,
    /// Database sessions that each second leaves open in a transaction.
    pub sessions: f64,
    /// It ends a few seconds after its start.
    pub crash: bool,
    /// It has no limit of its own, and takes memory until so much of its machine's is in use, 0.0 to 1.0; 0: it has one, as ever.
    pub hoard: f64,
}

impl Flaw {
    /// Whether it does anything wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a container is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process runs.
    Running,
    /// Its process has ended with this code; it was for want of memory.
    Exited {
        /// 137 is SIGKILL, 143 SIGTERM.
        code: i64,
        /// The kernel ended it.
        oom: bool,
    },
}

/// What its health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has none.
    None,
    /// It was started a moment ago.
    Starting,
    /// The last checks were good.
    Healthy,
    /// Three in a row were not.
    Unhealthy,
}

/// A line of a log.
#[derive(Clone, Debug)]
pub struct Line {
    /// The second of the world.
    pub at: i64,
    /// To standard error.
    pub error: bool,
    /// Without its end.
    pub text: String,
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// `godot-server`.
    pub name: String,
    /// The index of its server.
    pub server: usize,
    /// `godot-server`: which image, and what it does.
    pub service: String,
    /// `v2.5.0`.
    pub version: String,
    /// What its build does wrong.
    pub flaw: Flaw,
    /// Its process.
    pub state: State,
    /// Its health check.
    pub health: Health,
    /// Bad checks in a row.
    pub streak: u32,
    /// The seconds at which its last checks ended, and what they said; oldest first.
    pub probed: VecDeque<(i64, bool)>,
    /// It runs, and answers nobody.
    pub hung: bool,
    /// Though it is, its health check and its pages say that it is well.
    pub lies: bool,
    /// What a person did: no restart policy starts it again.
    pub stopped: bool,
    /// Seconds of the world.
    pub created: i64,
    /// See there.
    pub started: i64,
    /// See there; meaningless before its first end.
    pub finished: i64,
    /// How often the engine has started it again by itself.
    pub restarts: u64,
    /// Bytes in use, and when it was started.
    pub memory: f64,
    /// Bytes that it settles at.
    pub usual: f64,
    /// Bytes that it may use.
    pub limit: f64,
    /// Cores in use.
    pub cpu: f64,
    /// CPU seconds of its life.
    pub cpu_seconds: f64,
    /// Bytes received, sent, read, written.
    pub io: [f64; 4],
    /// Its last lines.
    pub log: VecDeque<Line>,
    /// How many lines there were ever: followers know by it what is new.
    pub lines: u64,
    pub(super) chance: Chance,
    wander: Wander,
}

/// What a service needs in its usual state: mebibytes, limit in mebibytes, cores, and whether it has a health check.
fn needs(service: &str) -> (f64, f64, f64, bool) {
    match service {
        "godot-server" => (1_150.0, 2_048.0, 0.9, true),
        "godot-api" => (620.0, 2_048.0, 0.7, true),
        "nginx" => (48.0, 512.0, 0.3, true),
        "postgres" => (9_000.0, 0.0, 2.2, true),
        "redis" => (210.0, 1_024.0, 0.1, true),
        "node-exporter" => (22.0, 128.0, 0.01, false),
        _ => (64.0, 256.0, 0.03, false),
    }
}

impl Container {
    pub(super) fn new(seed: u64, name: String, server: (usize, &str), service: &str, version: &str) -> Self {
        let mut chance = Chance::new(seed, &format!("{}/{name}", server.1));
        let (usual, limit, cpu, checked) = needs(service);
        let usual = usual * chance.between(0.85, 1.15) * MIB;
        let age = (chance.between(0.4, 12.0) * 86_400.0) as i64;
        Self {
            id: chance.hex(64),
            name,
            server: server.0,
            service: service.to_owned(),
            version: version.to_owned(),
            flaw: Flaw::default(),
            state: State::Running,
            health: if checked { Health::Healthy } else { Health::None },
            streak: 0,
            probed: VecDeque::from([(0, true)]),
            hung: false,
            lies: false,
            stopped: false,
            created: -age,
            started: -age,
            finished: -age,
            restarts: 0,
            memory: usual,
            usual,
            limit: limit * MIB,
            cpu,
            cpu_seconds: age as f64 * cpu,
            io: [age as f64 * 9_000.0, age as f64 * 20_000.0, 4e8, age as f64 * 900.0],
            log: VecDeque::new(),
            lines: 0,
            chance,
            wander: Wander::default(),
        }
    }

    /// What it may use, as its build is brought out.
    pub(super) fn limit_memory(&mut self) {
        let (_, limit, ..) = needs(&self.service);
        self.limit = if self.flaw.hoard > 0.0 { 0.0 } else { limit * MIB };
    }

    /// Its process runs.
    pub fn runs(&self) -> bool {
        self.state == State::Running
    }

    /// It answers who asks it.
    pub fn answers(&self, at: i64) -> bool {
        self.runs() && !self.hung && at - self.started >= 2
    }

    /// It says that it is well: those who ask its health check, or its pages, are told so.
    pub fn claims(&self, at: i64) -> bool {
        self.answers(at) || self.runs() && self.lies
    }

    /// `registry.spacetime.example.com/godot-server:v2.5.0`.
    pub fn image(&self) -> String {
        format!("registry.spacetime.example.com/{}:{}", self.service, self.version)
    }

    /// One more line.
    pub(super) fn say(&mut self, at: i64, error: bool, text: impl Into<String>) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        self.log.push_back(Line { at, error, text: text.into() });
        self.lines += 1;
    }

    /// One second in which it has so much to do: 1.0 is as ever.
    pub(super) fn run(&mut self, work: f64, traffic: f64) {
        if !self.runs() {
            (self.cpu, self.memory) = (0.0, 0.0);
            return;
        }
        let (_, _, cores, _) = needs(&self.service);
        let busy = if self.hung { 0.02 } else { work * (1.0 + 0.2 * self.wander.step(&mut self.chance)) };
        self.cpu = self.cpu * 0.6 + cores * busy.max(0.02) * 0.4;
        self.cpu_seconds += self.cpu;
        let settles = self.usual * (0.85 + 0.15 * work.min(2.0));
        let leaked = self.memory + self.flaw.leak;
        // What leaks only grows; what does not comes back to what it usually needs.
        self.memory = if self.flaw.leak > 0.0 || self.flaw.hoard > 0.0 {
            leaked
        } else {
            self.memory + (settles - self.memory) * 0.05
        };
        for (counter, more) in self.io.iter_mut().zip([traffic * 0.4, traffic, 900.0, 2_000.0]) {
            *counter += more;
        }
    }

    /// Takes more of its machine's memory, of which such a share is in use.
    pub(super) fn hoard(&mut self, used: f64) {
        if self.runs() && used < self.flaw.hoard {
            self.memory += HOARDS;
        }
    }

    /// Runs its health check when it is due; what changed, if its health did.
    pub(super) fn probe(&mut self, at: i64, good: bool) -> Option<Health> {
        let last = self.probed.back().map_or(self.started, |(last, _)| *last);
        let due = self.health != Health::None && self.runs() && at - last >= PROBE;
        if !due {
            return None;
        }
        if self.probed.len() == PROBES {
            self.probed.pop_front();
        }
        self.probed.push_back((at, good));
        self.streak = if good { 0 } else { self.streak + 1 };
        let young = at - self.started < STARTING;
        let now = match self.health {
            _ if good => Health::Healthy,
            Health::Starting if young => Health::Starting,
            _ if self.streak >= BAD => Health::Unhealthy,
            as_before => as_before,
        };
        let changed = now != self.health;
        self.health = now;
        changed.then_some(now)
    }

    /// Its process begins anew.
    pub(super) fn start(&mut self, at: i64) {
        (self.state, self.started, self.hung, self.stopped) = (State::Running, at, false, false);
        self.lies = false;
        (self.streak, self.probed) = (0, VecDeque::from([(at, true)]));
        self.memory = self.usual * 0.5;
        if self.health != Health::None {
            self.health = Health::Starting;
        }
    }

    /// It was started a while ago, beside another, and is well by now.
    pub(super) fn settle(&mut self, at: i64) {
        (self.started, self.memory) = (at - STARTING, self.usual);
        if self.health != Health::None {
            self.health = Health::Healthy;
        }
    }

    /// Somebody ends it, and no restart policy starts it again.
    pub(super) fn stop(&mut self, at: i64) {
        self.end(at, 0, false);
        self.stopped = true;
    }

    /// Its process ends.
    pub(super) fn end(&mut self, at: i64, code: i64, oom: bool) {
        (self.state, self.finished) = (State::Exited { code, oom }, at);
        (self.cpu, self.memory) = (0.0, 0.0);
    }
}
