//! The production that a drill operates: machines, containers, players, requests, memory, connections.
//!
//! Pure. It is stepped second by second and knows neither a clock nor a wire; the same seed and the same orders at the same seconds give
//! the same world. Causes have effects here, and only here: a leaking build fills its memory, the kernel ends it, the health check fails,
//! players leave, the balancer answers 502. What is shown of it is told by `metrics` and `serve`.

pub mod chance;
pub mod cloud;
pub mod container;
pub mod database;
pub mod edge;
pub mod issue;
pub mod layout;
mod life;
pub mod order;
mod plague;
pub mod server;
pub mod table;

pub use cloud::{Cloud, Hosted};
pub use container::{Container, Flaw, Health, State};
pub use database::Database;
pub use edge::{Colour, Edge};
pub use layout::Size;
pub use order::{Order, Refused};
pub use server::{Role, Server};

use chance::{Chance, Wander};
use std::collections::BTreeMap;
use std::ops::Range;

/// Players that a shard holds well.
const FULL: f64 = 320.0;
/// Requests a second of one player.
const PER_PLAYER: f64 = 0.14;
/// Queries that a request leads to.
const PER_REQUEST: f64 = 3.0;
/// Sessions that the pool of a game server and of an API server keeps open.
const POOLS: [usize; 2] = [8, 16];
/// How often a pool renews a session: share of all seconds.
const RENEWS: f64 = 0.04;
/// From so many times as many players as a shard holds well its answers queue: seconds more for each time more.
const QUEUES: f64 = 0.6;

/// Share of requests that read a page of any one table.
const READS: f64 = 0.18;

/// What happened, for the score and the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The second of the world.
    pub at: i64,
    /// What it happened to: `game-2/godot-server`, `db-primary`.
    pub thing: String,
    /// What happened, in a few words.
    pub what: String,
}

/// An engine's event, as Docker tells it.
#[derive(Clone, Debug)]
pub struct EngineEvent {
    /// The second of the world.
    pub at: i64,
    /// The index of the machine whose engine tells it.
    pub server: usize,
    /// The container's: one that takes its name later has another id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// `start`, `die`, `oom`, `health_status: unhealthy`, …
    pub action: String,
    /// Of one that has ended.
    pub code: Option<i64>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct World {
    /// Seconds since it began.
    pub at: i64,
    /// The seed that it is made of.
    pub seed: u64,
    size: Size,
    /// Its machines.
    pub servers: Vec<Server>,
    /// Their containers.
    pub containers: Vec<Container>,
    /// The primary, and its standby, as they were at the beginning.
    pub databases: [Database; 2],
    /// Which of them the applications are connected to, or were last.
    pub primary: usize,
    /// Blue and green.
    pub edge: Edge,
    /// What others run for it.
    pub cloud: Cloud,
    /// What the balancer answered: well, and with 5xx, in the last second.
    pub answered: [f64; 2],
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// What the engines told, oldest first.
    pub engine_events: Vec<EngineEvent>,
    /// Whose lock holds others up, and how many more start to wait each second.
    blockers: Vec<(i32, usize)>,
    /// Who opens sessions and forgets them, and how many more.
    forgetful: Vec<(String, usize)>,
    /// What encrypts files goes on to another machine each so many seconds; 0: there is none.
    spreads: i64,
    demand: Wander,
    chance: Chance,
}

impl World {
    /// The world of that seed and size, as it is on a quiet day.
    pub fn new(seed: u64, size: Size) -> Self {
        Self::with_past(seed, size, -120..0, |_| {})
    }

    /// The same, of which these seconds, all before its beginning, have gone by quietly and can be looked at.
    pub fn with_past(seed: u64, size: Size, past: Range<i64>, each: impl FnMut(&Self)) -> Self {
        let (servers, containers) = layout::layout(seed, size);
        let at = |role| servers.iter().position(|server| server.role == role).unwrap_or_default();
        let [primary, standby] = [(Role::Primary, false), (Role::Standby, true)].map(|(role, standby)| {
            let server = at(role);
            Database::new(seed, server, &servers[server].name, standby, 100.max(size.servers * 2))
        });
        let mut world = Self {
            at: past.start,
            seed,
            size,
            servers,
            containers,
            databases: [primary, standby],
            primary: 0,
            edge: Edge::new(),
            cloud: Cloud::new(seed),
            answered: [0.0; 2],
            events: Vec::new(),
            engine_events: Vec::new(),
            blockers: Vec::new(),
            forgetful: Vec::new(),
            spreads: 0,
            demand: Wander::default(),
            chance: Chance::new(seed, "world"),
        };
        world.open_pools();
        world.settle(past.end, each);
        world
    }

    /// One second.
    pub fn step(&mut self) {
        self.at += 1;
        self.plague();
        self.databases();
        self.players();
        self.requests();
        self.containers();
        self.machines();
        self.hosting();
    }

    /// The indices of the containers of that machine: all have as many, one after the other.
    pub fn on(&self, server: usize) -> std::ops::Range<usize> {
        let each = self.containers.len() / self.servers.len();
        server * each..(server + 1) * each
    }

    /// See [`Size::is_large`].
    pub fn is_large(&self) -> bool {
        self.size.is_large()
    }

    /// The index of the container of that service on that machine.
    pub fn service(&self, server: usize, service: &str) -> Option<usize> {
        self.on(server).find(|at| self.containers[*at].service == service)
    }

    /// `game-2/godot-server`.
    pub fn title(&self, container: usize) -> String {
        let one = &self.containers[container];
        format!("{}/{}", self.servers[one.server].name, one.name)
    }

    /// The container that a machine is there for.
    pub fn main(&self, server: usize) -> Option<&Container> {
        self.service(server, self.servers[server].role.service()).map(|at| &self.containers[at])
    }

    /// Whether the service of that machine listens to whoever comes, though it may answer nobody.
    pub fn listens(&self, server: usize) -> bool {
        self.servers[server].reachable() && self.main(server).is_some_and(Container::runs)
    }

    /// Whether the service of that machine answers who asks it.
    pub fn serves(&self, server: usize) -> bool {
        let container = self.main(server);
        self.servers[server].reachable() && container.is_some_and(|one| one.answers(self.at))
    }

    /// Whether the service of that machine says that it is well.
    pub fn claims(&self, server: usize) -> bool {
        self.servers[server].reachable() && self.main(server).is_some_and(|one| one.claims(self.at))
    }

    /// The health check of that machine's service, if it has one, was good since it was started.
    pub fn is_healthy(&self, server: usize) -> bool {
        self.main(server).is_some_and(|one| matches!(one.health, Health::None | Health::Healthy))
    }

    /// The databases that take writes now. More than one is what must never be.
    pub fn writable(&self) -> impl Iterator<Item = usize> + '_ {
        let takes = |at: &usize| !self.databases[*at].standby && self.serves(self.databases[*at].server);
        (0..self.databases.len()).filter(takes)
    }

    /// The standby gets what its primary writes.
    pub fn replicates(&self) -> bool {
        let [primary, standby] = &self.databases;
        standby.standby && self.serves(primary.server) && self.serves(standby.server)
    }

    /// Tells what happened.
    pub(super) fn tell(&mut self, thing: impl Into<String>, what: impl Into<String>) {
        self.events.push(Event { at: self.at, thing: thing.into(), what: what.into() });
    }

    fn engine(&mut self, container: usize, action: impl Into<String>) {
        let one = &self.containers[container];
        let (id, name, image) = (one.id.clone(), one.name.clone(), one.image());
        let (action, server) = (action.into(), one.server);
        let code = match one.state {
            State::Exited { code, .. } if action == "die" => Some(code),
            _ => None,
        };
        self.engine_events.push(EngineEvent { at: self.at, server, id, name, image, action, code });
    }

    /// The time goes by up to that second, so that nothing stands where it was put, and what is scraped has a past; it counts as nothing
    /// that happened. `each` second is looked at.
    fn settle(&mut self, until: i64, mut each: impl FnMut(&Self)) {
        let games = self.games().count().max(1) as f64;
        let all = self.wanted_players();
        for server in self.servers.iter_mut().filter(|server| server.role == Role::Game && !server.gone) {
            server.players = (all / games).floor();
        }
        while self.at < until {
            self.step();
            each(self);
        }
        self.events.clear();
        self.engine_events.clear();
    }

    /// Somebody asks a machine by way of the balancer; that counts as so many requests.
    pub fn visit(&mut self, server: usize, requests: f64) {
        self.servers[server].counted.requests[0] += requests;
    }

    fn games(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.servers.len()).filter(|at| self.servers[*at].role == Role::Game && !self.servers[*at].gone)
    }

    fn wanted_players(&mut self) -> f64 {
        let games = self.games().count() as f64;
        games * FULL * (0.72 + 0.05 * self.demand.step(&mut self.chance))
    }

    /// Players go where the matchmaker sends them; who is on a shard that does not answer is gone.
    fn players(&mut self) {
        let all = self.wanted_players();
        let is_open = |at: usize| {
            let server = &self.servers[at];
            server.role == Role::Game && self.serves(at) && !server.draining && server.upstream
        };
        let open: Vec<bool> = (0..self.servers.len()).map(is_open).collect();
        let weights: f64 =
            self.servers.iter().zip(&open).filter(|(_, open)| **open).map(|(one, _)| one.attraction).sum();
        for (at, open) in open.into_iter().enumerate() {
            let goal = if open { (all * self.servers[at].attraction / weights).min(FULL * 1.6) } else { 0.0 };
            let (serves, server) = (self.serves(at), &mut self.servers[at]);
            server.players = match serves {
                // Whom a draining shard has, moves on within a minute or so.
                true if server.draining || !server.upstream => (server.players - 2.0 - server.players * 0.03).max(0.0),
                true => server.players + (goal - server.players) * 0.03,
                false => 0.0,
            };
        }
    }

    /// What is asked, by whom it is answered, and how.
    fn requests(&mut self) {
        let turned_away = self.databases[self.primary].turned_away;
        let slow_database = self.database_delay();
        let damaged = if self.databases[self.primary].damaged.is_some() { READS } else { 0.0 };
        let mut answered = [0.0; 2];
        for at in 0..self.servers.len() {
            if !self.is_asked(at) {
                continue;
            }
            let players = self.asking(at);
            let sent = if self.servers[at].upstream { players * PER_PLAYER + 2.0 } else { 0.0 };
            let count = self.chance.count(sent);
            if !self.serves(at) {
                answered[1] += count as f64 * 0.15;
                self.servers[at].failing = 1.0;
                continue;
            }
            let flaw = self.flaw(at);
            let server = &mut self.servers[at];
            let crowded = if server.role == Role::Game { (players / FULL).powi(4) } else { 0.3 };
            let queued = QUEUES * (crowded - 2.0).max(0.0);
            let latency =
                (0.035 * (1.0 + crowded) + queued + slow_database) * if flaw.slow > 0.0 { flaw.slow } else { 1.0 };
            let well = (1.0 - flaw.errors) * (1.0 - turned_away) * (1.0 - damaged);
            let failing = 1.0 - well * (1.0 - (0.2 * (crowded - 4.0)).clamp(0.0, 0.6));
            server.answer(count, failing.max(0.0004), latency);
            self.databases[self.primary].bad_reads += count as f64 * damaged;
            answered[0] += count as f64 * (1.0 - failing);
            answered[1] += count as f64 * failing;
        }
        self.answered = answered;
    }

    /// Players ask that machine, by way of the balancer.
    fn is_asked(&self, server: usize) -> bool {
        self.servers[server].role.is_asked() && !self.servers[server].gone
    }

    /// Those who ask a machine: its players, or, of the API, everybody's share.
    fn asking(&self, server: usize) -> f64 {
        match self.servers[server].role {
            Role::Api => {
                let all: f64 = self.servers.iter().map(|server| server.players).sum();
                all * 0.6 / self.servers.iter().filter(|server| server.role == Role::Api).count().max(1) as f64
            }
            _ => self.servers[server].players,
        }
    }

    /// Seconds that an answer takes longer because of who waits in the database.
    fn database_delay(&self) -> f64 {
        let sessions = self.databases[self.primary].sessions.iter();
        let waiting = sessions.filter(|session| session.blocked_by.is_some()).count();
        0.004 + 0.12 * waiting as f64
    }

    /// Applications go to the first of the databases that takes writes: their address names both, as libpq's `target_session_attrs` has it.
    fn find_primary(&mut self) -> bool {
        let found = self.writable().next();
        self.primary = found.unwrap_or(self.primary);
        for at in 0..self.databases.len() {
            if !self.serves(self.databases[at].server) {
                self.databases[at].sessions.clear();
            }
        }
        found.is_some()
    }

    fn databases(&mut self) {
        let up = self.find_primary();
        let (mut came, mut away, mut asked) = (0.0, 0.0, BTreeMap::new());
        for server in 0..self.servers.len() {
            if !self.is_asked(server) {
                continue;
            }
            let role = self.servers[server].role;
            let app = format!("{}@{}", role.service(), self.servers[server].name);
            let weight = self.asking(server) + 1.0;
            came += weight;
            if up && self.serves(server) {
                away += weight * self.fill_pool(server, &app);
                asked.insert(app, self.asking(server) * PER_PLAYER * PER_REQUEST);
            } else {
                self.databases[self.primary].sessions.retain(|session| session.app != app);
                away += if up { 0.0 } else { weight };
            }
        }
        let took = 0.004 + self.database_delay() * 0.2;
        let database = &mut self.databases[self.primary];
        database.work(self.at, &asked, took);
        database.turned_away = if came > 0.0 { (away / came).clamp(0.0, 1.0) } else { 0.0 };
        for (app, left) in self.forgetful.iter_mut().filter(|(_, left)| *left > 0) {
            *left -= usize::from(database.leave(self.at, app, "10.0.1.30").is_some());
        }
        self.databases[self.primary].look_in(self.at);
        self.locks();
        self.replication();
    }

    /// Opens what a pool lacks, and what a flaw leaves open; the share of the pool that it did not get.
    fn fill_pool(&mut self, server: usize, app: &str) -> f64 {
        let (at, role, client) = (self.at, self.servers[server].role, self.servers[server].address.clone());
        let flaw = self.flaw(server);
        let leaks = self.chance.count(flaw.sessions);
        let pool = self.pool(role);
        let renews = self.chance.happens(RENEWS);
        let database = &mut self.databases[self.primary];
        // A session that is old is closed for another one: where there is no room, somebody else has that place by then.
        if renews && database.give_up(app) && database.room() == 1 {
            return 1.0 / pool as f64;
        }
        let missing = pool.saturating_sub(database.pooled(app));
        let opened = (0..missing).filter(|_| database.connect(at, "spacetime", app, &client).is_some()).count();
        for _ in 0..leaks {
            // A pool that needs one gives up one of its own where there is no room for another.
            if database.forget(at, app, &client).is_none() && database.give_up(app) {
                let _ = database.forget(at, app, &client);
            }
        }
        (missing - opened) as f64 / pool as f64
    }

    /// What the build does wrong that answers requests on that machine.
    fn flaw(&self, server: usize) -> Flaw {
        self.main(server).map(|one| one.flaw).unwrap_or_default()
    }

    /// Sessions that a pool keeps open; in a large production a pooler stands between.
    fn pool(&self, role: Role) -> usize {
        match role {
            Role::Api => POOLS[1],
            _ if self.is_large() => 1,
            _ => POOLS[0],
        }
    }

    fn locks(&mut self) {
        let at = self.at;
        let database = &mut self.databases[self.primary];
        self.blockers.retain(|(holder, _)| database.sessions.iter().any(|session| session.pid == *holder));
        for (holder, more) in &self.blockers {
            let games = database.sessions.iter().filter(|session| session.app.starts_with("godot-"));
            let apps: Vec<String> = games.map(|session| session.app.clone()).collect();
            if apps.is_empty() {
                continue;
            }
            let app = self.chance.one_of(&apps).clone();
            database.block(at, &app, *holder, *more);
        }
    }

    /// How many times the usual production it is, at least 1: its database's machines are as many times as quick.
    fn breadth(&self) -> f64 {
        (self.size.servers as f64 / Size::default().servers as f64).max(1.0)
    }

    /// The standby replays what the primary writes, unless something keeps it.
    fn replication(&mut self) {
        let (at, replicates, breadth) = (self.at, self.replicates(), self.breadth());
        let [primary, standby] = &mut self.databases;
        if !replicates {
            return;
        }
        standby.heard = at;
        let missing = primary.wal - standby.wal;
        // It catches up at some megabytes a second.
        standby.wal += if standby.stalled { 0.0 } else { missing.min(6e6 * breadth) };
        standby.size = primary.size;
        standby.tables.clone_from(&primary.tables);
        let behind = primary.wal - standby.wal > 1e5;
        standby.behind_since = behind.then(|| standby.behind_since.unwrap_or(at));
    }

    fn open_pools(&mut self) {
        self.databases();
        for at in 0..self.servers.len() {
            if self.servers[at].role == Role::Balancer {
                self.servers[at].players = 0.0;
            }
        }
        let own = [("metrics", database::EXPORTER), ("backup", "pgbackrest")];
        for (user, app) in own {
            let _ = self.databases[0].connect(self.at, user, app, "10.0.1.30");
        }
        for session in &mut self.databases[0].sessions {
            session.started -= self.chance.between(600.0, 60_000.0) as i64;
        }
    }

    fn machines(&mut self) {
        let mut asked = vec![(0.0, 0.0); self.servers.len()];
        for container in &self.containers {
            let (cores, memory) = &mut asked[container.server];
            *cores += container.cpu;
            *memory += container.memory;
        }
        for (at, (cores, memory)) in asked.into_iter().enumerate() {
            let traffic = self.traffic(at);
            let server = &mut self.servers[at];
            if server.up {
                server.memory_used = (server.own_memory + memory).min(server.memory);
                server.run(cores, traffic);
            }
        }
    }
}

#[cfg(test)]
mod tests;
