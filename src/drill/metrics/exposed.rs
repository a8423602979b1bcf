//! What the exporters of the world tell: node_exporter, the game servers, postgres_exporter. The same list is scraped into
//! [`Past`](super::Past) and written as a page.

use super::series::{Labels, NAME};
use crate::drill::clock::Clock;
use crate::drill::world::server::BUCKETS;
use crate::drill::world::{Role, Server, World};
use std::fmt::Write as _;

/// Who is scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// node_exporter, on port 9100.
    Node,
    /// A game server, on port 8080.
    Godot,
    /// An API server, on port 8081.
    Api,
    /// postgres_exporter, on port 9187.
    Postgres,
}

impl Job {
    /// As the label `job` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Godot => "godot",
            Self::Api => "godot-api",
            Self::Postgres => "postgres",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Node => 9100,
            Self::Godot => 8080,
            Self::Api => 8081,
            Self::Postgres => 9187,
        }
    }
}

/// A target: a job on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// See there.
    pub job: Job,
    /// The index of the machine.
    pub server: usize,
}

impl Target {
    /// All of a world.
    pub fn all(world: &World) -> impl Iterator<Item = Self> + '_ {
        let of = |(at, server): (usize, &Server)| {
            let own = match server.role {
                Role::Game => Some(Job::Godot),
                Role::Api => Some(Job::Api),
                Role::Primary | Role::Standby => Some(Job::Postgres),
                Role::Balancer => None,
            };
            [Some(Job::Node), own].into_iter().flatten().map(move |job| Self { job, server: at })
        };
        world.servers.iter().enumerate().filter(|(_, server)| !server.gone).flat_map(of)
    }

    /// `10.0.1.4:8080`.
    pub fn instance(self, world: &World) -> String {
        format!("{}:{}", world.servers[self.server].address, self.job.port())
    }

    /// The labels that every series of it has.
    pub fn labels(self, world: &World) -> Labels {
        let mut labels = Labels::new();
        labels.insert("job".into(), self.job.word().into());
        labels.insert("instance".into(), self.instance(world).into());
        if self.job == Job::Postgres {
            labels.insert("database".into(), database(world, self.server).into());
        }
        labels
    }

    /// Whether it answers; else why not, in Prometheus' words.
    pub fn answers(self, world: &World) -> Result<(), String> {
        let instance = self.instance(world);
        if !world.servers[self.server].reachable() {
            return Err("context deadline exceeded".to_owned());
        }
        if self.job == Job::Node || world.claims(self.server) {
            return Ok(());
        }
        Err(format!("Get \"http://{instance}/metrics\": dial tcp {instance}: connect: connection refused"))
    }

    /// What it tells, without the labels that Prometheus adds.
    pub fn tell(self, world: &World, clock: Clock) -> Vec<Told> {
        let server = &world.servers[self.server];
        match self.job {
            Job::Node => node(world, server, clock),
            Job::Godot | Job::Api => service(world, self.server, clock),
            Job::Postgres => postgres(world, self.server, clock),
        }
    }
}

/// The name that the config gives to the database on that machine.
pub fn database(world: &World, server: usize) -> &'static str {
    if world.databases[1].server == server { "replica" } else { "primary" }
}

/// One line of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The series' name.
    pub name: &'static str,
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}

impl Told {
    /// The labels of its series, of a target with these.
    pub fn labels(self, own: &Labels) -> Labels {
        let mut labels = own.clone();
        labels.insert(NAME.into(), self.name.into());
        labels.extend(self.labels.into_iter().map(|(name, value)| (name.into(), value.into())));
        labels
    }

    /// Its type, as those tell it who expose it.
    fn kind(&self) -> &'static str {
        match self.name {
            // node_exporter hands on what the kernel counts, and says nothing about it.
            name if name.starts_with("node_vmstat_") => "untyped",
            _ if self.counts() => "counter",
            _ => "gauge",
        }
    }

    /// It counts, so that what is wanted of it is how fast it grows.
    fn counts(&self) -> bool {
        let counter = ["_total", "_sum", "_count", "_bucket", "vmstat_oom_kill"];
        counter.iter().any(|end| self.name.ends_with(end))
    }
}

fn plain(name: &'static str, value: f64) -> Told {
    Told { name, labels: Vec::new(), value }
}

fn with(name: &'static str, labels: &[(&'static str, &str)], value: f64) -> Told {
    Told { name, labels: labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), value }
}

/// The text format (Prometheus, "Exposition formats", 0.0.4). What counts is told as fast as the wire's time goes by.
pub fn page(told: &[Told], clock: Clock) -> String {
    let (mut text, mut last) = (String::new(), "");
    for one in told {
        if one.name != last {
            let kind = one.kind();
            let _ = writeln!(text, "# HELP {0} Of the drill.\n# TYPE {0} {kind}", one.name);
            last = one.name;
        }
        let value = if one.counts() { clock.length(one.value) } else { one.value };
        let _ = writeln!(text, "{}{} {value}", one.name, braces(&one.labels));
    }
    text
}

fn braces(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn node(world: &World, server: &Server, clock: Clock) -> Vec<Told> {
    let mut all = cpus(server);
    all.extend(memory(server));
    all.extend(disks(server));
    let counted = &server.counted;
    let on = |name, value| with(name, &[("device", "eth0")], value);
    all.extend([
        on("node_network_receive_bytes_total", counted.received),
        on("node_network_transmit_bytes_total", counted.sent),
        with("node_disk_read_bytes_total", &[("device", "vda")], counted.read),
        with("node_disk_written_bytes_total", &[("device", "vda")], counted.written),
        plain("node_load1", server.load[0]),
        plain("node_load5", server.load[1]),
        plain("node_load15", server.load[2]),
        plain("node_vmstat_oom_kill", counted.oom_kills),
        plain("node_time_seconds", clock.wire(world.at)),
        plain("node_boot_time_seconds", clock.moment(server.booted).as_second() as f64),
    ]);
    let waits = [
        "node_pressure_cpu_waiting_seconds_total",
        "node_pressure_memory_waiting_seconds_total",
        "node_pressure_io_waiting_seconds_total",
    ];
    all.extend(waits.into_iter().zip(counted.pressure).map(|(name, value)| plain(name, value)));
    let system = [
        ("domainname", "(none)"),
        ("machine", "x86_64"),
        ("nodename", &server.name),
        ("release", "6.12.48-drill"),
        ("sysname", "Linux"),
        ("version", "#1 SMP"),
    ];
    all.push(with("node_uname_info", &system, 1.0));
    all
}

/// The cores share what the machine counted evenly.
fn cpus(server: &Server) -> Vec<Told> {
    let counted = &server.counted;
    let modes =
        [("user", counted.user), ("system", counted.system), ("iowait", counted.waiting), ("idle", counted.idle)];
    let of = |core: usize| {
        let core = core.to_string();
        modes.map(|(mode, seconds)| {
            with("node_cpu_seconds_total", &[("cpu", &core), ("mode", mode)], seconds / server.cores)
        })
    };
    (0..server.cores as usize).flat_map(of).collect()
}

fn memory(server: &Server) -> [Told; 8] {
    let free = server.memory - server.memory_used;
    [
        plain("node_memory_MemTotal_bytes", server.memory),
        plain("node_memory_MemAvailable_bytes", free),
        plain("node_memory_MemFree_bytes", free * 0.4),
        plain("node_memory_Buffers_bytes", free * 0.02),
        plain("node_memory_Cached_bytes", free * 0.5),
        plain("node_memory_SReclaimable_bytes", free * 0.05),
        plain("node_memory_SwapTotal_bytes", 0.0),
        plain("node_memory_SwapFree_bytes", 0.0),
    ]
}

fn disks(server: &Server) -> [Told; 6] {
    let on = |name, value| with(name, &[("device", "/dev/vda1"), ("fstype", "ext4"), ("mountpoint", "/")], value);
    let free = server.disk - server.disk_used;
    [
        on("node_filesystem_size_bytes", server.disk),
        on("node_filesystem_free_bytes", free),
        on("node_filesystem_avail_bytes", server.available()),
        on("node_filesystem_files", 1e7),
        on("node_filesystem_files_free", 9.1e6),
        on("node_filesystem_readonly", 0.0),
    ]
}

fn service(world: &World, at: usize, clock: Clock) -> Vec<Told> {
    let server = &world.servers[at];
    let counted = &server.counted;
    let mut all: Vec<Told> = ["200", "404", "500"]
        .into_iter()
        .zip(counted.requests)
        .map(|(status, count)| with("http_requests_total", &[("method", "POST"), ("status", status)], count))
        .collect();
    let bounds = BUCKETS.iter().map(|bound| if bound.is_infinite() { "+Inf".to_owned() } else { bound.to_string() });
    all.extend(bounds.zip(counted.took).map(|(le, count)| Told {
        name: "http_request_duration_seconds_bucket",
        labels: vec![("le", le)],
        value: count,
    }));
    let requests = counted.requests.iter().sum();
    let main = world.main(at);
    all.extend([
        plain("http_request_duration_seconds_sum", counted.took_sum),
        plain("http_request_duration_seconds_count", requests),
        plain("spacetime_players", server.players.floor()),
        plain("process_resident_memory_bytes", main.map_or(0.0, |one| one.memory)),
        plain("process_start_time_seconds", main.map_or(0.0, |one| clock.moment(one.started).as_second() as f64)),
    ]);
    all
}

fn postgres(world: &World, at: usize, clock: Clock) -> Vec<Told> {
    use crate::drill::world::database::At;
    let which = usize::from(world.databases[1].server == at);
    let database = &world.databases[which];
    let count = |state: At| database.sessions.iter().filter(|session| session.at == state).count() as f64;
    let mut all: Vec<Told> = [At::Active, At::Idle, At::IdleInTransaction]
        .into_iter()
        .map(|state| with("pg_stat_activity_count", &[("datname", "spacetime"), ("state", state.word())], count(state)))
        .collect();
    let lag = database.behind_since.map_or(0.0, |since| clock.length((world.at - since) as f64));
    all.extend([
        plain("pg_up", 1.0),
        plain("pg_settings_max_connections", database.most as f64),
        plain("pg_replication_lag_seconds", lag),
        with("pg_stat_database_xact_commit_total", &[("datname", "spacetime")], database.committed),
        with("pg_stat_database_checksum_failures", &[("datname", "spacetime")], database.bad_reads),
    ]);
    if which == 0 {
        let slot = [("slot_name", "replica_1"), ("slot_type", "physical")];
        all.push(with("pg_replication_slot_slot_is_active", &slot, f64::from(world.replicates())));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::world::{Order, Size};
    use jiff::Timestamp;

    fn clock() -> Clock {
        Clock::new(Timestamp::from_second(1_700_000_000).unwrap(), 1.0)
    }

    #[test]
    fn every_machine_has_its_targets_and_none_tells_a_series_twice() {
        let world = World::new(1, Size::default());
        let targets: Vec<Target> = Target::all(&world).collect();
        assert_eq!(targets.len(), 8 + 4 + 1 + 2);
        let mut all: Vec<Labels> = targets
            .iter()
            .flat_map(|target| target.tell(&world, clock()).into_iter().map(|told| told.labels(&target.labels(&world))))
            .collect();
        let before = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), before);
    }

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let world = World::new(1, Size::default());
        let target = Target { job: Job::Node, server: 0 };
        let page = page(&target.tell(&world, clock()), clock());
        assert!(page.contains("# TYPE node_load1 gauge\nnode_load1 "));
        assert!(page.contains("node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} "));
        assert!(page.ends_with('\n'));
        let types = page.lines().filter(|line| line.starts_with("# TYPE node_cpu_seconds_total")).count();
        assert_eq!(types, 1);
        assert_eq!(braces(&[("a", "x\"\\\n".to_owned())]), r#"{a="x\"\\\n"}"#);
    }

    #[test]
    fn who_does_not_run_does_not_answer() {
        let mut world = World::new(1, Size::default());
        let game = Target { job: Job::Godot, server: 1 };
        assert_eq!(game.answers(&world), Ok(()));
        let container = world.service(1, "godot-server").unwrap();
        world.order(Order::Kill(container)).unwrap();
        assert!(game.answers(&world).unwrap_err().contains("connection refused"));
        assert_eq!(Target { job: Job::Node, ..game }.answers(&world), Ok(()));
        world.order(Order::Power(1, false)).unwrap();
        assert!(Target { job: Job::Node, ..game }.answers(&world).is_err());
    }
}
