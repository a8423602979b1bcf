//! What containers do in a second: they work, reach their limits, end, are started again by their engine, and say something of it.

use super::{Container, FULL, Health, Role, State, World, database};

/// Of a machine's memory: from here on its kernel ends what is largest.
const EXHAUSTED: f64 = 0.985;
/// What a build says that can't read its own data, and one that can't read anything of its files.
const OTHER_MAP: &str = "FATAL: could not read the shard map: unknown field \"region_v2\"";
const NO_FILES: &str = "FATAL: could not read its own files: they begin with no header that is known";
/// The engine starts a container that ended by itself again after so many seconds.
const RESTARTS_AFTER: i64 = 3;

impl World {
    pub(super) fn containers(&mut self) {
        for at in 0..self.containers.len() {
            let server = self.containers[at].server;
            let (up, work, traffic) = (self.servers[server].up, self.work(at), self.traffic(server));
            if !up {
                self.containers[at].run(0.0, 0.0);
                continue;
            }
            self.containers[at].run(work, traffic);
            self.containers[at].hoard(self.servers[server].memory_used / self.servers[server].memory);
            self.watch(at);
            self.chatter(at);
        }
    }

    /// How much a container has to do: 1.0 is as ever.
    fn work(&self, container: usize) -> f64 {
        let one = &self.containers[container];
        let server = &self.servers[one.server];
        match one.service.as_str() {
            "godot-server" => 0.15 + server.players / FULL * if one.flaw.slow > 1.0 { 1.4 } else { 1.0 },
            "postgres" => {
                // Whoever waits for a lock works as little as who thinks.
                let works = |one: &&database::Session| one.at == database::At::Active && one.blocked_by.is_none();
                let own = self.databases.iter().filter(|database| database.server == one.server);
                let active = own.flat_map(|database| &database.sessions).filter(works).count();
                0.2 + active as f64 / (12.0 * self.breadth())
            }
            "nginx" | "godot-api" => {
                0.3 + self.answered.iter().sum::<f64>() / (self.games().count().max(1) as f64 * 40.0)
            }
            _ => 1.0,
        }
    }

    /// Bytes a second of a machine.
    pub(super) fn traffic(&self, server: usize) -> f64 {
        match self.servers[server].role {
            Role::Game | Role::Api => 20_000.0 + self.servers[server].players * 5_200.0,
            Role::Balancer => self.answered.iter().sum::<f64>() * 14_000.0,
            Role::Primary | Role::Standby => 90_000.0,
        }
    }

    /// Memory at its limit, builds that end by themselves, health checks, and the engine that starts what ended.
    fn watch(&mut self, at: usize) {
        let (now, one) = (self.at, &self.containers[at]);
        let (limit, age) = (one.limit, now - one.started);
        let ended = match one.state {
            State::Running if limit > 0.0 && one.memory >= limit || self.is_to_go(at) => Some((137, true)),
            State::Running if one.flaw.crash && age >= 4 || self.has_no_files(at) && age >= 1 => Some((1, false)),
            _ => None,
        };
        if let Some((code, oom)) = ended {
            self.end_by_itself(at, code, oom);
        } else if matches!(one.state, State::Exited { .. }) && !one.stopped && now - one.finished >= RESTARTS_AFTER {
            self.containers[at].restarts += 1;
            self.start(at);
        }
        let good = self.containers[at].claims(now);
        if let Some(health) = self.containers[at].probe(now, good) {
            self.health_changed(at, health);
        }
    }

    /// Its machine has no memory left, and it is the largest there: that is the one that the kernel ends.
    fn is_to_go(&self, container: usize) -> bool {
        let one = &self.containers[container];
        let machine = &self.servers[one.server];
        let is_largest = || self.on(one.server).all(|other| self.containers[other].memory <= one.memory);
        machine.memory_used >= machine.memory * EXHAUSTED && is_largest()
    }

    fn end_by_itself(&mut self, at: usize, code: i64, oom: bool) {
        let now = self.at;
        if oom {
            self.engine(at, "oom");
            let server = self.containers[at].server;
            self.servers[server].counted.oom_kills += 1.0;
        } else {
            let why = if self.has_no_files(at) { NO_FILES } else { OTHER_MAP };
            self.containers[at].say(now, true, why);
        }
        self.end(at, code, oom);
    }

    fn health_changed(&mut self, at: usize, health: Health) {
        let word = match health {
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
            Health::None | Health::Starting => return,
        };
        self.engine(at, format!("health_status: {word}"));
        let title = self.title(at);
        self.tell(title, format!("is {word}"));
    }

    pub(super) fn end(&mut self, at: usize, code: i64, oom: bool) {
        self.containers[at].end(self.at, code, oom);
        self.engine(at, "die");
        let why = if oom { ", out of memory" } else { "" };
        let title = self.title(at);
        self.tell(title, format!("has ended with {code}{why}"));
    }

    pub(super) fn start(&mut self, at: usize) {
        let now = self.at;
        self.containers[at].start(now);
        // What somebody switched on in a running process ends with it.
        let server = &mut self.servers[self.containers[at].server];
        if self.containers[at].service == server.role.service() {
            server.disk_growth = server.usual_growth;
        }
        self.forget_pause(at);
        let version = self.containers[at].version.clone();
        let service = self.containers[at].service.clone();
        self.containers[at].say(now, false, format!("{service} {version} is starting"));
        self.engine(at, "start");
        let title = self.title(at);
        self.tell(title, format!("has started, {version}"));
    }

    /// That the replay was paused is known to a running standby alone.
    fn forget_pause(&mut self, container: usize) {
        let (one, standby) = (&self.containers[container], &mut self.databases[1]);
        standby.stalled &= one.service != Role::Standby.service() || one.server != standby.server;
    }

    /// What it says of the second that passed.
    fn chatter(&mut self, at: usize) {
        let now = self.at;
        let one = &self.containers[at];
        if !one.answers(now) {
            return;
        }
        let server = &self.servers[one.server];
        let (failing, players) = (server.failing, server.players);
        let database = &self.databases[self.primary];
        let reached = self.serves(database.server).then_some(database.turned_away > 0.0);
        let (full, damaged) = (reached == Some(true), database.damaged.is_some());
        let one = &mut self.containers[at];
        let line = match one.service.as_str() {
            "godot-server" | "godot-api" if failing > 0.01 && one.chance.happens(failing.max(0.2)) => {
                Some((true, error_line(one, reached, damaged)))
            }
            "godot-server" if one.chance.happens(0.3) => Some((false, format!("tick ok, {players:.0} players"))),
            "godot-api" if one.chance.happens(0.3) => Some((false, "POST /v1/session 201 in 18ms".to_owned())),
            "postgres" if damaged && one.chance.happens(0.5) => {
                Some((true, format!("ERROR:  {}", database::INVALID_PAGE)))
            }
            "postgres" if full && one.chance.happens(0.5) => {
                Some((true, "FATAL:  sorry, too many clients already".to_owned()))
            }
            "postgres" if one.chance.happens(0.01) => Some((false, "LOG:  checkpoint complete".to_owned())),
            _ if one.chance.happens(0.02) => Some((false, "ok".to_owned())),
            _ => None,
        };
        if let Some((error, text)) = line {
            one.say(now, error, text);
        }
    }
}

/// Why a request fails: the database turns some away, or does not answer at all (`None`), or pages of it are damaged, or else the build is
/// at fault.
fn error_line(one: &mut Container, turns_away: Option<bool>, damaged: bool) -> String {
    match turns_away {
        None => {
            return "ERROR db: connection to server at \"db-primary\", port 5432 failed: Connection refused".to_owned();
        }
        Some(_) if damaged => return format!("ERROR db: {}", database::INVALID_PAGE),
        Some(true) => {
            return "ERROR db: FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"
                .to_owned();
        }
        Some(false) => {}
    }
    let patterns = [
        "ERROR shard_map.gd:118: Invalid get index 'region' (on base: 'Nil')",
        "ERROR shard_map.gd:118: Invalid get index 'region' (on base: 'Nil')",
        "ERROR http: 500 POST /v1/session: shard map is not loaded",
    ];
    (*one.chance.one_of(&patterns)).to_owned()
}
