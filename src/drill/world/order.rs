//! What somebody does to the world: an operator through the wire, or a scenario.

use super::container::{Flaw, State};
use super::edge::{Deployed, SERVICES};
use super::table::Upkeep;
use super::{Colour, Hosted, Role, World};

/// The program that keeps a lock.
pub const HOLDER: &str = "psql";

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// A container is ended with SIGKILL, and nothing starts it again.
    Kill(usize),
    /// A container is asked to end.
    Stop(usize),
    /// A container is started.
    Start(usize),
    /// A container is ended and started.
    Restart(usize),
    /// A container runs on and answers nobody.
    Hang(usize),
    /// Likewise, and says of itself that it is well.
    Lie(usize),
    /// Another build of a service runs from now on, on one machine or on all.
    Deploy {
        /// `godot-server`.
        service: String,
        /// `v2.5.1`.
        version: String,
        /// What the build does wrong.
        flaw: Flaw,
        /// `None`: all.
        server: Option<usize>,
    },
    /// A colour of the stack gets another build of these services, and is started beside the one that players are on.
    Prepare {
        /// Which one.
        colour: Colour,
        /// Empty: all.
        services: Vec<String>,
        /// `v2.5.1`.
        version: String,
    },
    /// The colour that nobody plays on is removed.
    Remove(Colour),
    /// All players are sent to a colour, and those under way end where they are.
    Switch(Colour),
    /// A line in the record of deployments.
    Record(String),
    /// The load balancers send requests to a machine, or not any more.
    Upstream(usize, bool),
    /// No new players are sent to a machine, and those on it move on; or they are sent there again.
    Drain(usize, bool),
    /// So many times as many players as elsewhere want to be on this machine.
    Attract(usize, f64),
    /// The disk of a machine grows by so many bytes a second.
    Fill {
        /// Which one.
        server: usize,
        /// Bytes a second.
        growth: f64,
        /// Such a share of it is in use from now on, 0.0 to 1.0; `None`: as much as is.
        used: Option<f64>,
    },
    /// So many bytes are freed on a machine's disk.
    Clean(usize, f64),
    /// A machine loses its power, or gets it back.
    Power(usize, bool),
    /// The standby stops to replay, or goes on.
    Stall(bool),
    /// The standby takes writes from now on, and follows nobody.
    Promote,
    /// Pages of that table are not what was written there, on the primary and its standby.
    Damage(String),
    /// Another database takes the place of the game's; a table of it may be damaged too.
    Replace(Option<String>),
    /// A dump is made on this machine.
    BackUp(usize),
    /// The files of a machine begin to be encrypted, and each so many seconds those of another one that can be reached.
    Encrypt(usize, i64),
    /// A machine's own rules cut it off from all others, or let them through again.
    Isolate(usize, bool),
    /// Somebody keeps a lock, and so many sessions a second begin to wait for it.
    Lock(usize),
    /// A program opens so many sessions, one a second, and forgets them.
    Forget(String, usize),
    /// Somebody looks after the database's tables.
    LookAfter(Upkeep),
    /// Others do something for the production.
    Hosted(Hosted),
    /// A session is ended.
    Terminate(i32),
    /// A session's query is ended.
    Cancel(i32),
}

/// Why an order can't be carried out, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl World {
    /// Carries an order out.
    ///
    /// # Errors
    /// When the world is not such that it could be.
    pub fn order(&mut self, order: Order) -> Result<(), Refused> {
        match order {
            Order::Kill(at) => self.end_by_order(at, 137),
            Order::Stop(at) => self.end_by_order(at, 143),
            Order::Start(at) => self.start_by_order(at),
            Order::Restart(at) => {
                let _ = self.end_by_order(at, 143);
                self.start_by_order(at)?;
                self.engine(at, "restart");
                Ok(())
            }
            Order::Hang(at) => self.hang(at),
            Order::Lie(at) => {
                self.hang(at)?;
                self.containers[at].lies = true;
                Ok(())
            }
            Order::Deploy { service, version, flaw, server } => self.deploy(&service, &version, flaw, server),
            Order::Prepare { colour, services, version } => {
                self.prepare(colour, &services, &version);
                Ok(())
            }
            Order::Switch(colour) => self.switch(colour),
            Order::Hosted(order) => self.hosted(order).map_err(Refused),
            Order::LookAfter(upkeep) => self.look_after(&upkeep).map_err(Refused),
            Order::Terminate(pid) => {
                let ended = self.databases.iter_mut().any(|database| database.terminate(pid));
                ended.then_some(()).ok_or_else(|| no_session(pid))
            }
            Order::Cancel(pid) => {
                let at = self.at;
                let cancelled = self.databases.iter_mut().any(|database| database.cancel(pid, at));
                cancelled.then_some(()).ok_or_else(|| no_session(pid))
            }
            Order::Promote => self.promote(),
            Order::Isolate(at, _) if !self.servers[at].up => Err(Refused("the machine has no power".to_owned())),
            Order::Forget(app, count) => {
                self.forgetful.push((app, count));
                Ok(())
            }
            other => {
                self.change(&other);
                Ok(())
            }
        }
    }

    /// What always can be done.
    fn change(&mut self, order: &Order) {
        match *order {
            Order::Record(ref what) => {
                self.edge.record.push(Deployed { at: self.at, what: what.clone(), whole: true });
            }
            Order::Remove(colour) if colour != self.edge.active => self.edge.idle_since = None,
            Order::Upstream(at, sent) => {
                self.servers[at].upstream = sent;
                self.servers[at].fresh &= !sent;
            }
            Order::Drain(at, draining) => self.servers[at].draining = draining,
            Order::Attract(at, times) => self.servers[at].attraction = times,
            Order::Fill { server, growth, used } => {
                let one = &mut self.servers[server];
                one.disk_used = used.map_or(one.disk_used, |share| one.disk * share);
                one.disk_growth = growth;
            }
            Order::Clean(at, bytes) => self.servers[at].disk_used = (self.servers[at].disk_used - bytes).max(0.0),
            Order::Power(at, on) => self.power(at, on),
            Order::Stall(stalled) => self.databases[1].stalled = stalled,
            Order::Lock(more) => self.lock(more),
            Order::Damage(ref table) => self.damage(Some(table.clone()), "pages are not what was written there"),
            Order::Replace(ref damaged) => {
                self.damage(damaged.clone(), "another database takes the place of the game's");
                // What PostgreSQL counts is that of the database, and not of its name.
                self.databases.iter_mut().for_each(|database| database.bad_reads = 0.0);
            }
            Order::Encrypt(at, every) => self.infect(at, every),
            Order::Isolate(at, cut_off) => self.isolate(at, cut_off),
            _ => {}
        }
    }

    fn end_by_order(&mut self, at: usize, code: i64) -> Result<(), Refused> {
        if !self.containers[at].runs() {
            return Err(Refused(format!("container {} is not running", self.containers[at].name)));
        }
        self.engine(at, "kill");
        self.end(at, code, false);
        self.containers[at].stopped = true;
        Ok(())
    }

    fn start_by_order(&mut self, at: usize) -> Result<(), Refused> {
        if !self.servers[self.containers[at].server].up {
            return Err(Refused("the machine has no power".to_owned()));
        }
        if !self.containers[at].runs() {
            self.containers[at].restarts = 0;
            self.start(at);
        }
        Ok(())
    }

    fn hang(&mut self, at: usize) -> Result<(), Refused> {
        if self.containers[at].state != State::Running {
            return Err(Refused(format!("container {} is not running", self.containers[at].name)));
        }
        self.containers[at].hung = true;
        let title = self.title(at);
        self.tell(title, "answers nobody");
        Ok(())
    }

    fn deploy(&mut self, service: &str, version: &str, flaw: Flaw, server: Option<usize>) -> Result<(), Refused> {
        let mut all = self.all_of(service);
        all.retain(|at| server.is_none_or(|server| self.containers[*at].server == server));
        if all.is_empty() {
            return Err(Refused(format!("no such service: {service}")));
        }
        self.tell(service, format!("is deployed, {version}"));
        self.edge.know(service, version, flaw);
        if server.is_none() && SERVICES.contains(&service) {
            self.edge.bring_out(self.at, service, version);
        }
        for at in all {
            self.replace(at, version, flaw);
        }
        Ok(())
    }

    fn prepare(&mut self, colour: Colour, services: &[String], version: &str) {
        let wanted = SERVICES.iter().filter(|own| services.is_empty() || services.iter().any(|one| one == *own));
        for service in wanted {
            let as_before = self.edge.build(colour, service).is_some_and(|build| build.version == version);
            self.edge.set(colour, service, version);
            if colour == self.edge.active && !as_before {
                let flaw = self.edge.flaw(service, version);
                for at in self.all_of(service) {
                    self.replace(at, version, flaw);
                }
            }
        }
        if colour != self.edge.active && self.edge.idle_since.is_none() {
            self.edge.idle_since = Some(self.at);
        }
    }

    /// What is switched to runs already: nobody notices.
    fn switch(&mut self, to: Colour) -> Result<(), Refused> {
        if to == self.edge.active {
            return Ok(());
        }
        if self.edge.idle_since.is_none() {
            return Err(Refused(format!("spacetime-{} does not run", to.word())));
        }
        self.edge.active = to;
        self.edge.idle_since = Some(self.at);
        for service in SERVICES {
            let Some(build) = self.edge.build(to, service).cloned() else { continue };
            self.tell(service, format!("players are sent to {}, which is {}", to.word(), build.version));
            for at in self.all_of(service) {
                self.replace(at, &build.version, build.flaw);
                self.containers[at].settle(self.at);
            }
        }
        Ok(())
    }

    /// The containers of a service, on all machines that there are.
    fn all_of(&self, service: &str) -> Vec<usize> {
        let own = |at: &usize| {
            let one = &self.containers[*at];
            one.service == service && !self.servers[one.server].gone
        };
        (0..self.containers.len()).filter(own).collect()
    }

    /// A new container in the place of an old one: another id, the same name.
    fn replace(&mut self, at: usize, version: &str, flaw: Flaw) {
        if self.containers[at].runs() {
            self.end(at, 143, false);
        }
        self.engine(at, "destroy");
        let now = self.at;
        let one = &mut self.containers[at];
        one.id = one.chance.hex(64);
        (one.version, one.flaw, one.created, one.restarts) = (version.to_owned(), flaw, now, 0);
        one.limit_memory();
        self.engine(at, "create");
        self.start(at);
    }

    fn power(&mut self, at: usize, on: bool) {
        let name = self.servers[at].name.clone();
        self.tell(name, if on { "has power again" } else { "has lost its power" });
        let now = self.at;
        if on {
            self.servers[at].boot(now);
        } else {
            self.servers[at].up = false;
        }
        for one in self.on(at) {
            if on {
                self.start(one);
            } else if self.containers[one].runs() {
                self.containers[one].end(now, 255, false);
            }
        }
    }

    fn lock(&mut self, more: usize) {
        let at = self.at;
        let client = self.servers.iter().find(|server| server.role == Role::Api);
        let client = client.map(|server| server.address.clone()).unwrap_or_default();
        if let Some(holder) = self.databases[self.primary].forget(at, HOLDER, &client) {
            self.blockers.push((holder, more));
            self.tell("db-primary", format!("session {holder} keeps a lock on shards"));
        }
    }

    /// What happens to files of the primary comes to its standby.
    fn damage(&mut self, table: Option<String>, what: &str) {
        for database in &mut self.databases {
            database.damaged.clone_from(&table);
        }
        let server = self.databases[self.primary].server;
        let name = self.servers[server].name.clone();
        self.tell(name, table.map_or_else(|| what.to_owned(), |table| format!("{what}: {table}")));
    }

    fn isolate(&mut self, at: usize, cut_off: bool) {
        self.servers[at].isolated = cut_off;
        let name = self.servers[at].name.clone();
        self.tell(name, if cut_off { "is cut off from all others" } else { "is open to all others again" });
    }

    /// Nothing that it has not heard of comes to it any more; whether the old primary lives is not its business.
    fn promote(&mut self) -> Result<(), Refused> {
        let name = self.servers[self.databases[1].server].name.clone();
        let standby = &mut self.databases[1];
        if !standby.standby {
            return Err(Refused("recovery is not in progress".to_owned()));
        }
        (standby.standby, standby.stalled, standby.behind_since) = (false, false, None);
        self.tell(&name, "is a standby no more: it takes writes");
        if self.writable().count() > 1 {
            self.tell(name, "and the old primary take writes both: what they are told goes two ways from now on");
        }
        Ok(())
    }
}

fn no_session(pid: i32) -> Refused {
    Refused(format!("there is no such session: {pid}"))
}
