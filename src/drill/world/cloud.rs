//! What others run for the production: the machines' types, a database that Amazon runs, buckets, and the deployments by GitHub Actions.

use super::chance::Chance;
use super::issue::{self, Issues, Said};
use super::server::GIB;
use super::{Flaw, Order, Role, World};
use std::collections::BTreeMap;

/// A type of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `t3.large`; of a database's machine `db.` stands before it.
    pub name: &'static str,
    /// Its CPUs.
    pub cores: u32,
    /// Its memory.
    pub gib: u32,
}

/// Those that can be had.
static KINDS: [Kind; 12] = [
    kind("t3.medium", 2, 4),
    kind("t3.large", 2, 8),
    kind("t3.xlarge", 4, 16),
    kind("t3.2xlarge", 8, 32),
    kind("c5.xlarge", 4, 8),
    kind("c5.2xlarge", 8, 16),
    kind("c5.4xlarge", 16, 32),
    kind("m5.xlarge", 4, 16),
    kind("m5.2xlarge", 8, 32),
    kind("m5.4xlarge", 16, 64),
    kind("m5.8xlarge", 32, 128),
    kind("m5.12xlarge", 48, 192),
];

const fn kind(name: &'static str, cores: u32, gib: u32) -> Kind {
    Kind { name, cores, gib }
}

impl Kind {
    /// Of that name, without `db.`.
    pub fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// What a machine of that role has on a quiet day.
    pub(super) fn usual(role: Role) -> &'static Self {
        match role {
            Role::Balancer => &KINDS[4],
            Role::Game | Role::Api => &KINDS[5],
            Role::Primary | Role::Standby => &KINDS[9],
        }
    }
}

/// A database of Amazon's is still *available* for so long after the order, then *modifying*: seconds.
const HEEDS: i64 = 5;
const MODIFIES: i64 = 60;
/// It starts again so long before it is *available*.
const RESTARTS: i64 = 20;

/// The database that Amazon runs: the primary, as its API tells of it.
#[derive(Clone, Debug)]
pub struct Managed {
    /// What it has.
    pub kind: &'static Kind,
    /// What it gets, and when that was ordered.
    pub pending: Option<(&'static Kind, i64)>,
}

impl Managed {
    /// `available` or `modifying`.
    pub fn status(&self, at: i64) -> &'static str {
        match self.pending {
            Some((_, since)) if at - since >= HEEDS => "modifying",
            _ => "available",
        }
    }
}

/// A workflow builds for so long before it asks for an approval, and deploys for so long after it: seconds.
const BUILDS: i64 = 30;
const DEPLOYS: i64 = 30;

/// A run of the workflow that deploys.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// As its address has it.
    pub number: u64,
    /// What it brings out.
    pub version: String,
    /// Of which commit.
    pub commit: String,
    /// Somebody approved it then.
    pub approved: Option<i64>,
    /// Somebody ended it then.
    pub cancelled: Option<i64>,
    began: i64,
}

impl Pipeline {
    /// Its status, and its conclusion: as GitHub has them.
    pub fn state(&self, at: i64) -> (&'static str, &'static str) {
        match (self.cancelled, self.approved) {
            (Some(_), _) => ("completed", "cancelled"),
            (_, Some(since)) if at - since >= DEPLOYS => ("completed", "success"),
            (_, Some(_)) => ("in_progress", ""),
            _ if at - self.began < BUILDS => ("in_progress", ""),
            _ => ("waiting", ""),
        }
    }

    /// Seconds until it is over or asks for something.
    pub fn left(&self, at: i64) -> i64 {
        let until = self.approved.map_or(self.began + BUILDS, |since| since + DEPLOYS);
        if self.state(at).0 == "in_progress" { until - at } else { 0 }
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The database that Amazon runs.
    pub database: Managed,
    /// Its snapshots, by name: when they were made.
    pub snapshots: BTreeMap<String, i64>,
    /// What buckets hold: `bucket/key`, bytes, and when it was sent.
    pub objects: BTreeMap<String, (u64, i64)>,
    /// The workflow that brings out a version.
    pub pipeline: Pipeline,
    /// The repository's issues.
    pub issues: Issues,
    /// Counts what Terraform has done: a plan holds for one state.
    pub serial: u64,
}

/// What somebody has others do.
#[derive(Clone, Debug, PartialEq)]
pub enum Hosted {
    /// A machine that is off gets another type.
    Resize(usize, &'static Kind),
    /// A machine is given back, for good.
    Destroy(usize),
    /// One that nobody has yet is made: it has power, and its service is not set up.
    Rent(usize),
    /// The database that Amazon runs gets another type.
    Reclass(&'static Kind),
    /// It is copied as it is now.
    Snapshot(String),
    /// So many bytes are sent to a bucket.
    Upload(String, u64),
    /// The workflow may deploy.
    Approve,
    /// The workflow is ended.
    Cancel,
    /// An issue is opened, or something is said of one.
    Issue(Said),
}

impl Hosted {
    /// What was done, and to what, as a [`Deed`](crate::drill::deed::Deed) has it; `None`: nothing that players could notice.
    pub fn deed(&self, world: &World) -> Option<(&'static str, String)> {
        let server = |at: &usize| world.servers[*at].name.clone();
        match self {
            Self::Resize(at, _) => Some(("resize", server(at))),
            Self::Destroy(at) => Some(("destroy", server(at))),
            Self::Rent(at) => Some(("rent", server(at))),
            Self::Reclass(_) => Some(("resize", server(&world.databases[0].server))),
            Self::Approve => Some(("approve", format!("{} {}", Role::Game.service(), world.cloud.pipeline.version))),
            Self::Snapshot(_) | Self::Upload(..) | Self::Cancel | Self::Issue(_) => None,
        }
    }
}

impl Cloud {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "cloud");
        let pipeline = Pipeline {
            number: chance.between(7_000.0, 9_000.0) as u64,
            version: "v2.5.2".to_owned(),
            commit: chance.hex(40),
            approved: None,
            cancelled: None,
            began: 0,
        };
        Self {
            database: Managed { kind: Kind::usual(Role::Primary), pending: None },
            snapshots: BTreeMap::new(),
            objects: BTreeMap::new(),
            pipeline,
            issues: Issues::new(),
            serial: 1,
        }
    }
}

impl World {
    /// The game servers that Terraform has, in the order of their index there.
    pub fn rented(&self) -> Vec<usize> {
        self.games().collect()
    }

    /// The next machine that the cloud has to give, if there is one.
    pub fn spare(&self) -> Option<usize> {
        self.servers.iter().position(|server| server.gone && server.fresh)
    }

    /// What Amazon calls a machine.
    pub fn instance(&self, server: usize) -> String {
        format!("i-0{:016x}", (self.seed & 0xffff_ffff) << 12 | server as u64)
    }

    /// Has others do something.
    ///
    /// # Errors
    /// When it is not such that they could.
    pub(super) fn hosted(&mut self, order: Hosted) -> Result<(), String> {
        match order {
            Hosted::Resize(at, _) if self.servers[at].up => return Err("it is not stopped".to_owned()),
            Hosted::Resize(at, kind) => self.resize(at, kind),
            Hosted::Destroy(at) => self.destroy(at),
            Hosted::Rent(at) => self.rent(at),
            Hosted::Reclass(_) if self.cloud.database.pending.is_some() => {
                return Err("it is being modified".to_owned());
            }
            Hosted::Reclass(kind) if kind == self.cloud.database.kind => {}
            Hosted::Reclass(kind) => self.cloud.database.pending = Some((kind, self.at)),
            Hosted::Snapshot(name) => {
                self.cloud.snapshots.insert(name, self.at);
            }
            Hosted::Upload(key, bytes) => {
                self.cloud.objects.insert(key, (bytes, self.at));
            }
            Hosted::Approve if self.cloud.pipeline.state(self.at).0 != "waiting" => {
                return Err("it waits for no approval".to_owned());
            }
            Hosted::Approve => self.cloud.pipeline.approved = Some(self.at),
            Hosted::Cancel => self.cloud.pipeline.cancelled = Some(self.at),
            Hosted::Issue(said) => issue::take(&mut self.cloud.issues, said, self.at)?,
        }
        Ok(())
    }

    fn resize(&mut self, at: usize, kind: &'static Kind) {
        let server = &mut self.servers[at];
        (server.kind, server.cores, server.memory) = (kind, f64::from(kind.cores), f64::from(kind.gib) * GIB);
        let name = server.name.clone();
        self.tell(name, format!("is a {} from now on", kind.name));
    }

    /// Nobody misses it: its place in the lists stays empty.
    fn destroy(&mut self, at: usize) {
        // A machine that is there can be switched off.
        let _ = self.order(Order::Power(at, false));
        let server = &mut self.servers[at];
        (server.gone, server.upstream, server.players) = (true, false, 0.0);
        self.cloud.serial += 1;
        let name = self.servers[at].name.clone();
        self.tell(name, "is destroyed");
    }

    /// Its image has what is beside the service; that one is of the version that players have, and nobody has started it.
    fn rent(&mut self, at: usize) {
        self.servers[at].gone = false;
        let service = self.servers[at].role.service();
        let _ = self.order(Order::Power(at, true));
        let build = self.edge.build(self.edge.active, service).cloned();
        let now = self.at;
        if let (Some(own), Some(build)) = (self.service(at, service), build) {
            let one = &mut self.containers[own];
            (one.version, one.flaw, one.created) = (build.version, build.flaw, now);
            one.stop(now);
        }
        self.cloud.serial += 1;
        let name = self.servers[at].name.clone();
        self.tell(name, "is made");
    }

    /// What others do of themselves in a second.
    pub(super) fn hosting(&mut self) {
        let (at, primary) = (self.at, self.databases[0].server);
        if let Some((kind, since)) = self.cloud.database.pending {
            if at - since == MODIFIES - RESTARTS
                && let Some(container) = self.service(primary, Role::Primary.service())
            {
                self.resize(primary, kind);
                let _ = self.order(Order::Restart(container));
            }
            if at - since >= MODIFIES {
                self.cloud.database = Managed { kind, pending: None };
            }
        }
        let pipeline = &self.cloud.pipeline;
        if pipeline.cancelled.is_none() && pipeline.approved.is_some_and(|since| at - since == DEPLOYS) {
            let (service, version) = (Role::Game.service().to_owned(), pipeline.version.clone());
            let _ = self.order(Order::Deploy { service, version, flaw: Flaw::default(), server: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Size;
    use super::*;

    fn run(world: &mut World, seconds: i64) {
        (0..seconds).for_each(|_| world.step());
    }

    #[test]
    fn a_database_is_modified_after_a_moment_and_starts_again_with_what_it_got() {
        let mut world = World::new(1, Size::default());
        let larger = Kind::of("m5.8xlarge").unwrap();
        world.hosted(Hosted::Reclass(larger)).unwrap();
        assert_eq!(world.cloud.database.status(world.at), "available");
        assert!(world.hosted(Hosted::Reclass(larger)).is_err(), "one change at a time");
        run(&mut world, HEEDS);
        assert_eq!(world.cloud.database.status(world.at), "modifying");
        run(&mut world, MODIFIES);
        assert_eq!(
            (world.cloud.database.status(world.at), world.cloud.database.kind.name),
            ("available", "m5.8xlarge")
        );
        let primary = &world.servers[world.databases[0].server];
        assert!(
            (primary.cores - 32.0).abs() < 0.1 && world.events.iter().any(|event| event.what.contains("m5.8xlarge"))
        );
        assert!(world.serves(world.databases[0].server), "it came back");
    }

    #[test]
    fn what_is_approved_is_brought_out_and_nothing_else() {
        let mut world = World::new(1, Size::default());
        let version = |world: &World| world.main(1).map(|one| one.version.clone()).unwrap();
        assert!(world.hosted(Hosted::Approve).is_err(), "it still builds");
        run(&mut world, BUILDS);
        world.hosted(Hosted::Approve).unwrap();
        assert_eq!(version(&world), "v2.5.0");
        run(&mut world, DEPLOYS);
        assert_eq!((version(&world), world.cloud.pipeline.state(world.at).1), ("v2.5.2".to_owned(), "success"));
        let mut world = World::new(1, Size::default());
        run(&mut world, BUILDS);
        world.hosted(Hosted::Approve).unwrap();
        world.hosted(Hosted::Cancel).unwrap();
        run(&mut world, DEPLOYS * 2);
        assert_eq!(version(&world), "v2.5.0");
    }

    #[test]
    fn a_machine_is_larger_when_it_was_off_and_is_gone_when_it_is_given_back() {
        let mut world = World::new(1, Size::default());
        let game = world.rented()[3];
        let larger = Kind::of("c5.4xlarge").unwrap();
        assert!(world.hosted(Hosted::Resize(game, larger)).is_err(), "it runs");
        world.order(Order::Power(game, false)).unwrap();
        world.hosted(Hosted::Resize(game, larger)).unwrap();
        world.order(Order::Power(game, true)).unwrap();
        assert!((world.servers[game].cores - 16.0).abs() < 0.1);
        world.hosted(Hosted::Destroy(game)).unwrap();
        run(&mut world, 60);
        assert_eq!(world.rented().len(), 3);
        assert!(crate::drill::kept::is_well(&world), "nobody misses it");
    }

    #[test]
    fn a_machine_that_is_made_gets_players_when_it_is_set_up_and_behind_the_load_balancers() {
        let mut world = World::new(1, Size::default());
        let at = world.spare().unwrap();
        assert_eq!((world.servers[at].name.as_str(), world.serves(at)), ("game-5", false));
        world.hosted(Hosted::Rent(at)).unwrap();
        run(&mut world, 60);
        assert_eq!((world.rented().last(), world.serves(at)), (Some(&at), false), "nobody has started its service");
        assert!(crate::drill::kept::is_well(&world), "nobody waits for it yet");
        world.order(Order::Start(world.service(at, "godot-server").unwrap())).unwrap();
        run(&mut world, 60);
        assert!(world.serves(at) && world.servers[at].players < 1.0);
        world.order(Order::Upstream(at, true)).unwrap();
        run(&mut world, 120);
        assert!(world.servers[at].players > 100.0, "{}", world.servers[at].players);
        world.order(Order::Power(at, false)).unwrap();
        assert!(!crate::drill::kept::is_well(&world), "it is missed from now on");
        assert!(world.spare().is_some_and(|other| other != at));
    }
}
