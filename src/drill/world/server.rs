//! A machine: what it is for, what it has, and what it counts.

use super::chance::{Chance, Wander};
use super::cloud::Kind;

/// Bytes in a gibibyte.
pub const GIB: f64 = 1_073_741_824.0;

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// nginx in front of all.
    Balancer,
    /// Runs a shard of the game.
    Game,
    /// The API of accounts, friends and shops.
    Api,
    /// PostgreSQL, which is written to.
    Primary,
    /// PostgreSQL, which follows.
    Standby,
}

impl Role {
    /// The service that it is there for.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Balancer => "nginx",
            Self::Game => "godot-server",
            Self::Api => "godot-api",
            Self::Primary | Self::Standby => "postgres",
        }
    }

    /// Players ask it, by way of the balancer.
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Game | Self::Api)
    }

    /// As a config's `roles` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Game => "game",
            Self::Api => "api",
            Self::Primary => "database",
            Self::Standby => "standby",
        }
    }
}

/// The upper bounds of the latency buckets that game servers tell, in seconds; the last is infinite.
pub const BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, f64::INFINITY];

/// What a machine's kernel and its service have counted since the machine was booted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// CPU seconds of one core: busy in user space, in the kernel, waiting for a disk, idle.
    pub user: f64,
    /// See there.
    pub system: f64,
    /// See there.
    pub waiting: f64,
    /// See there.
    pub idle: f64,
    /// Bytes.
    pub received: f64,
    /// Bytes.
    pub sent: f64,
    /// Bytes.
    pub read: f64,
    /// Bytes.
    pub written: f64,
    /// Seconds in which some task waited: for a CPU, for memory, for a disk.
    pub pressure: [f64; 3],
    /// Processes ended for want of memory.
    pub oom_kills: f64,
    /// Requests answered with 200, with 4xx, with 5xx.
    pub requests: [f64; 3],
    /// How many took at most so long ([`BUCKETS`]), and seconds of all.
    pub took: [f64; BUCKETS.len()],
    /// See there.
    pub took_sum: f64,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Server {
    /// `game-1`.
    pub name: String,
    /// `10.0.1.4`: what others call it. Nothing is ever sent there.
    pub address: String,
    /// What it is for.
    pub role: Role,
    /// What it is rented as.
    pub kind: &'static Kind,
    /// Its power is on, and its network is there.
    pub up: bool,
    /// There is no such machine: it was given back, or nobody has rented it yet.
    pub gone: bool,
    /// No load balancer has had it yet: nobody has rented it, or it was made a moment ago.
    pub fresh: bool,
    /// Its own rules let nobody through but who logs in from outside to look after it.
    pub isolated: bool,
    /// Since when somebody else's program encrypts its files: the second of the world.
    pub infected: Option<i64>,
    /// The second of the world at which it was booted; before its beginning mostly.
    pub booted: i64,
    /// CPUs.
    pub cores: f64,
    /// Bytes.
    pub memory: f64,
    /// Bytes that the system itself uses.
    pub own_memory: f64,
    /// Bytes in use, containers included.
    pub memory_used: f64,
    /// Bytes of its one filesystem.
    pub disk: f64,
    /// Bytes in use there.
    pub disk_used: f64,
    /// Bytes a second by which that grows.
    pub disk_growth: f64,
    /// The same when nothing unusual is logged.
    pub usual_growth: f64,
    /// Share of its CPUs in use, 0.0 to 1.0, and of what containers ask for.
    pub cpu: f64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Players on this shard.
    pub players: f64,
    /// New players are sent elsewhere.
    pub draining: bool,
    /// The load balancer sends requests here.
    pub upstream: bool,
    /// How many times as many players as to others want to be here.
    pub attraction: f64,
    /// What it counted.
    pub counted: Counted,
    /// Answered in the last second with 5xx, of all: 0.0 to 1.0.
    pub failing: f64,
    /// Mean seconds that an answer takes.
    pub latency: f64,
    pub(super) chance: Chance,
    pub(super) wander: Wander,
}

impl Server {
    /// Bytes that anybody but root may still use: a twentieth of the disk is only root's, as ext4 has it.
    pub fn available(&self) -> f64 {
        (self.disk - self.disk_used - self.disk * 0.05).max(0.0)
    }

    pub(super) fn new(seed: u64, name: &str, address: String, role: Role) -> Self {
        let mut chance = Chance::new(seed, name);
        let kind = Kind::usual(role);
        let (cores, memory) = (f64::from(kind.cores), f64::from(kind.gib) * GIB);
        let disk = GIB
            * match role {
                Role::Balancer => 80.0,
                Role::Game => 160.0,
                Role::Api => 120.0,
                Role::Primary | Role::Standby => 800.0,
            };
        let days = chance.between(9.0, 70.0);
        let busy = chance.between(0.12, 0.22);
        let uptime = days * 86_400.0;
        let own_memory = memory * chance.between(0.10, 0.16);
        let disk_used = disk * chance.between(0.32, 0.58);
        let disk_growth = chance.between(2_000.0, 30_000.0);
        let counted = Counted {
            user: uptime * cores * busy,
            system: uptime * cores * 0.03,
            waiting: uptime * cores * 0.01,
            idle: uptime * cores * (0.96 - busy),
            received: uptime * 400_000.0,
            sent: uptime * 1_100_000.0,
            read: uptime * 20_000.0,
            written: uptime * 90_000.0,
            ..Counted::default()
        };
        Self {
            name: name.to_owned(),
            address,
            role,
            kind,
            up: true,
            gone: false,
            fresh: false,
            isolated: false,
            infected: None,
            booted: -(uptime as i64),
            cores,
            memory,
            own_memory,
            memory_used: 0.0,
            disk,
            disk_used,
            disk_growth,
            usual_growth: disk_growth,
            cpu: busy,
            load: [cores * busy; 3],
            players: 0.0,
            draining: false,
            upstream: true,
            attraction: 1.0,
            counted,
            failing: 0.0,
            latency: 0.04,
            chance,
            wander: Wander::default(),
        }
    }

    /// Of the same, as the cloud has it to give: without power, and in nobody's hands.
    pub(super) fn spare(mut self) -> Self {
        (self.up, self.gone, self.fresh, self.upstream) = (false, true, true, false);
        self
    }

    /// Others get through to it.
    pub const fn reachable(&self) -> bool {
        self.up && !self.isolated
    }

    /// One second in which its containers ask for so many cores.
    pub(super) fn run(&mut self, asked: f64, traffic: f64) {
        let wanted = asked / self.cores + 0.03 + 0.02 * self.wander.step(&mut self.chance).abs();
        self.cpu = (self.cpu * 0.7 + wanted * 0.3).clamp(0.005, 1.0);
        let tasks = asked + 0.2;
        for (load, seconds) in self.load.iter_mut().zip([60.0, 300.0, 900.0_f64]) {
            let keeps = (-1.0 / seconds).exp();
            *load = *load * keeps + tasks * (1.0 - keeps);
        }
        let over = (wanted - 1.0).max(0.0);
        let tight = (self.memory_used / self.memory - 0.93).max(0.0) * 8.0;
        let counted = &mut self.counted;
        counted.user += self.cores * self.cpu * 0.82;
        counted.system += self.cores * self.cpu * 0.18;
        let waiting = (self.cores * 0.004).min(self.cores * (1.0 - self.cpu));
        counted.waiting += waiting;
        counted.idle += (self.cores * (1.0 - self.cpu) - waiting).max(0.0);
        counted.received += traffic * 0.4 + 9_000.0;
        counted.sent += traffic + 14_000.0;
        counted.read += 4_000.0 + traffic * 0.01;
        counted.written += 30_000.0 + traffic * 0.05 + self.disk_growth;
        for (waited, share) in counted.pressure.iter_mut().zip([over.min(1.0), tight.min(1.0), 0.004]) {
            *waited += share;
        }
        self.disk_used = (self.disk_used + self.disk_growth).clamp(0.0, self.disk);
    }

    /// So many requests that took `latency` seconds on average, a share of which failed.
    pub(super) fn answer(&mut self, requests: u64, failing: f64, latency: f64) {
        (self.failing, self.latency) = (failing, latency);
        let all = requests as f64;
        let failed = (0..requests.min(400)).filter(|_| self.chance.happens(failing)).count() as f64;
        let failed = if requests > 400 { failed / 400.0 * all } else { failed };
        let refused = (all - failed) * 0.004;
        for (counter, more) in self.counted.requests.iter_mut().zip([all - failed - refused, refused, failed]) {
            *counter += more;
        }
        // How long they take falls off evenly: of all, 1 - e^(-x / mean) take x or less.
        for (bucket, bound) in self.counted.took.iter_mut().zip(BUCKETS) {
            *bucket += all * (1.0 - (-bound / latency).exp());
        }
        self.counted.took_sum += all * latency;
    }

    /// Power comes back: it has counted nothing yet.
    pub(super) fn boot(&mut self, at: i64) {
        (self.up, self.booted, self.counted) = (true, at, Counted::default());
    }
}
