//! A small SpaceTime, as its handbook has it: what an operator finds on `production-server`, and what goes wrong there.
//!
//! | what | how |
//! |---|---|
//! | game servers and API, blue and green | containers in a private engine, of images that differ in their version and in what is wrong with it; the program is [`server.rs`](server.rs) |
//! | `production-server` | an sshd that sees an `/opt/spacetime/production`, an `/etc/nginx` and a `docker-compose` of its own |
//! | the load balancer | a real nginx there; `deploy/switch.sh` sends players to blue or to green |
//! | the database | a real primary with a database `spacetime`, and a standby that streams from it |
//! | monitoring | a real Prometheus with the shipped rules, hurried, and an Alertmanager |
//! | players | a thread that asks the load balancer some twenty times a second |
//!
//! All of it has one address of loopback, with the handbook's ports: the load balancer on 8080, blue on 8081 and 8082, green on 8083 and
//! 8084, the APIs on 8091 and 8092.

mod figures;
mod front;
// Compiled by itself, for a container; here it is looked at by the same lints as everything else.
#[expect(dead_code, reason = "it is a program of its own")]
mod server;

use self::front::Front;
use super::docker::{Docker, busybox_archive_with, own_docker};
use super::edge::{Host, write};
use super::monitoring::own_alertmanager;
use super::nodes::start_scraping;
use super::postgres::{Postgres, own_postgres, password};
use super::scripted::Scripted;
use super::service::{Service, folder, free_port};
use super::sshd::HOST;
use super::{http, poll, program};
use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What `/admin` of a server wants to be told.
pub const TOKEN: &str = "canary-spacetime-5d20b7";
/// The version in use at the start.
pub const GOOD: &str = "v2.5.0";
/// A good version that comes after it, with a migration.
pub const NEXT: &str = "v2.6.0";
/// A good version without one.
pub const HOTFIX: &str = "v2.5.1-hotfix";
/// A version that becomes healthy and then answers every request by 500.
pub const BROKEN: &str = "v2.5.1";
/// A version that never becomes healthy.
pub const SICK: &str = "v2.5.2";
/// The first of the game servers in use at the start.
pub const FIRST: &str = "spacetime-blue-godot-server-1";
/// How many connections the database takes in all.
pub const CONNECTIONS: usize = 60;

const LIMIT: Duration = Duration::from_secs(60);
/// The ports of blue's servers, of green's, and of the APIs.
const PORTS: [u16; 6] = [8081, 8082, 8083, 8084, 8091, 8092];
const BALANCER: u16 = 8080;
/// Where `production-server` has what is deployed.
const PRODUCTION: &str = "/opt/spacetime/production";

/// The files of `production-server`, below [`PRODUCTION`].
const DEPLOY: [(&str, &str); 7] = [
    ("deploy/backup.sh", include_str!("production/deploy/backup.sh")),
    ("deploy/monitor.sh", include_str!("production/deploy/monitor.sh")),
    ("deploy/rollback.sh", include_str!("production/deploy/rollback.sh")),
    ("deploy/smoke_tests.sh", include_str!("production/deploy/smoke_tests.sh")),
    ("deploy/switch.sh", include_str!("production/deploy/switch.sh")),
    ("tests/test_runner.py", include_str!("production/tests/test_runner.py")),
    ("tests/test_hotfix.py", include_str!("production/tests/test_hotfix.py")),
];
/// The programs of `production-server` that are the lab's own.
const PROGRAMS: [(&str, &str); 3] = [
    ("docker-compose", include_str!("production/docker-compose")),
    ("manage", include_str!("production/manage")),
    ("python", include_str!("production/python")),
];
/// The migrations of the version in use at the start, all of them applied, and of those after it.
const MIGRATIONS: [&str; 2] = [
    "players.0001_initial,players.0041_merge_accounts,players.0042_sessions",
    "players.0001_initial,players.0041_merge_accounts,players.0042_sessions,players.0043_emotes,guild_2.0001_tags:players.0043_emotes",
];

/// The one alert of the lab that the shipped rules leave to whoever scrapes cAdvisor.
const MORE_RULES: &str = r"
groups:
  - name: containers
    interval: 1s
    rules:
      - alert: ContainerMemoryHigh
        expr: container_memory_working_set_bytes / container_spec_memory_limit_bytes > 0.90
        for: 2s
        labels: {severity: warning}
        annotations: {summary: '{{ $labels.container }} is near its limit of memory', runbook: memory-leak}
";

/// All of it.
#[derive(Debug)]
pub struct SpaceTime {
    /// The engine of the containers.
    pub docker: Docker,
    /// Where all of it is.
    pub address: Ipv4Addr,
    /// Where it is deployed.
    pub production: Host,
    /// The database in use.
    pub primary: Arc<Postgres>,
    /// What follows it.
    pub standby: Postgres,
    /// Port of Prometheus on loopback.
    pub prometheus: u16,
    /// Port of Alertmanager on loopback.
    pub alertmanager: u16,
    port: u16,
    players: Players,
    _fronts: Vec<Front>,
    _exporters: [Scripted; 2],
    _services: [Service; 3],
}

/// One for a test alone, in order and with players; or what is missing.
pub fn spacetime() -> Result<SpaceTime, String> {
    SpaceTime::start().map_err(|why| format!("SpaceTime: {why}"))
}

impl SpaceTime {
    fn start() -> Result<Self, String> {
        let shared = folder("shared");
        let (address, fronts) = fronts(&shared)?;
        let (engine, databases) = std::thread::scope(|scope| {
            let engine = scope.spawn(engine);
            let databases = databases();
            (engine.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), databases)
        });
        let (docker, (primary, standby)) = (engine?, databases?);
        let targets = folder("targets");
        let production = production(address, &docker, &primary, [&shared, &targets])?;
        let port = free_port();
        let nginx = nginx(&production, address, port)?;
        let exporters = [figures::of_containers(docker.socket.clone()), figures::of_database(&primary)];
        let (alertmanager, notifies) = own_alertmanager()?;
        let (prometheus, scrapes) = prometheus(address, &targets, &exporters, alertmanager)?;
        let this = Self {
            docker,
            address,
            production,
            primary,
            standby,
            prometheus,
            alertmanager,
            port,
            players: Players::start(port),
            _fronts: fronts,
            _exporters: exporters,
            _services: [nginx, notifies, scrapes],
        };
        this.compose("spacetime-blue", GOOD, &["up", "-d"])?;
        this.wait_healthy("spacetime-blue");
        let up = "sum(up{job=\"godot\"}) == 2 and count(rate(http_requests_total{job=\"godot\"}[10s])) > 0";
        poll(LIMIT, || (!this.asks(up).is_empty()).then_some(())).ok_or("Prometheus sees no two game servers")?;
        Ok(this)
    }

    /// Runs `docker-compose` on `production-server`, for a project and a version.
    pub fn compose(&self, project: &str, version: &str, words: &[&str]) -> Result<String, String> {
        let mut command = self.on_production("docker-compose -p \"$1\" \"${@:2}\"", &[&[project], words].concat());
        command.env("IMAGE_TAG", version);
        output(&mut command)
    }

    /// A script for bash on `production-server`, in the folder of what is deployed.
    pub fn on_production(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = self.production.command(Path::new("/bin/bash"));
        let script = format!("cd {PRODUCTION}; {script}");
        command.args(["-euc", &script, "bash"]).args(arguments).stdin(Stdio::null());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Puts a version on green and sends all players there, as a deployment does.
    pub fn deploy(&self, version: &str) -> Result<(), String> {
        self.put_on_green(version)?;
        self.wait_healthy("spacetime-green");
        let script = format!("deploy/switch.sh green; echo \"{version} deployed at $(date)\" >> deployments.log");
        output(&mut self.on_production(&script, &[])).map(drop)
    }

    /// Puts a version on green, which players don't reach, whatever becomes of it.
    pub fn put_on_green(&self, version: &str) -> Result<(), String> {
        self.compose("spacetime-green", version, &["up", "-d"]).map(drop)
    }

    /// Kills a container as the kernel would.
    pub fn kill(&self, container: &str) -> Result<(), String> {
        self.docker.try_cli(&["kill", container]).map(drop)
    }

    /// Makes a container eat memory up to its limit.
    pub fn leak(&self, container: &str) -> Result<(), String> {
        let ask = format!(
            "busybox wget -q -O - --header 'Authorization: Bearer {TOKEN}' --post-data '' http://127.0.0.1:8080/admin/leak"
        );
        self.docker.try_cli(&["exec", container, "/bin/sh", "-c", &ask]).map(drop)
    }

    /// Opens so many sessions of the API that it forgets.
    pub fn leak_sessions(&self, count: usize) -> Vec<super::postgres::Session<'_>> {
        self.primary.sessions(count, "app", "godot-api")
    }

    /// What `docker inspect` says of a container, by a template.
    pub fn inspect(&self, container: &str, template: &str) -> String {
        self.docker.cli(&["inspect", "--format", template, container])
    }

    /// Waits until all containers of a project are healthy.
    pub fn wait_healthy(&self, project: &str) {
        let filter = format!("label=com.docker.compose.project={project}");
        let mut last = String::new();
        let found = poll(LIMIT, || {
            last = self.docker.cli(&["ps", "-a", "--filter", &filter, "--format", "{{.Status}}"]);
            (!last.is_empty() && last.lines().all(|status| status.ends_with("(healthy)"))).then_some(())
        });
        assert!(found.is_some(), "{project} is not healthy within {LIMIT:?}: {last}");
    }

    /// What a player is told at the load balancer: status and body.
    pub fn play(&self) -> (u16, String) {
        let answer = http::get(self.port, "/lobby").expect("nginx answers");
        (answer.status, answer.body.trim().to_owned())
    }

    /// How often players have asked so far, and how often they were not served well.
    pub fn players(&self) -> (usize, usize) {
        let Counts { asked, failed } = &*self.players.counts;
        (asked.load(Ordering::SeqCst), failed.load(Ordering::SeqCst))
    }

    /// What a server says of itself.
    pub fn status(&self, port: u16) -> serde_json::Value {
        let text = self.ask(&format!("http://{}:{port}/status", self.address));
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("no JSON ({why}): {text}"))
    }

    fn ask(&self, url: &str) -> String {
        output(self.production.command(Path::new("/bin/busybox")).args(["wget", "-q", "-O", "-", url]))
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// The series that Prometheus has for an expression just now.
    pub fn asks(&self, expression: &str) -> Vec<serde_json::Value> {
        asks(self.prometheus, expression).unwrap_or_default()
    }

    /// Waits until an alert fires.
    pub fn wait_alert(&self, name: &str) {
        let query = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        assert!(poll(LIMIT, || (!self.asks(&query).is_empty()).then_some(())).is_some(), "{name} does not fire");
    }

    /// Waits until none of an alert's name is there any more.
    pub fn wait_no_alert(&self, name: &str) {
        let query = format!("ALERTS{{alertname=\"{name}\"}}");
        assert!(poll(LIMIT, || self.asks(&query).is_empty().then_some(())).is_some(), "{name} does not end");
    }

    /// The config that opens quarterdeck on all this; `secret` is where a role's password is, as a config writes it. What Prometheus
    /// scrapes of `production-server` goes by that name, since an address of loopback names no machine.
    pub fn config(&self, secret: impl Fn(&str) -> String) -> String {
        let (address, ssh) = (self.address, self.production.sshd.config());
        let dsn = |role: &str, port: u16| {
            format!(
                "dsn = \"postgres://{role}@127.0.0.1:{port}/spacetime?sslmode=disable\"\npassword = {}\n",
                secret(role)
            )
        };
        format!(
            "environment = \"lab\"\n\n\
             [[server]]\nname = \"production-server\"\naddress = \"production-server\"\nroles = [\"production\", \"api\"]\n\
             health = \"http://{address}:{BALANCER}/health\"\n\
             status = {{ url = \"http://{address}:{BALANCER}/status\", columns = {{ players = \"/player_count\", version = \"/version\" }} }}\n\
             endpoints = {{ site = \"http://{address}:{BALANCER}\" }}\n\n\
             [ssh.production-server]\nhost = \"{HOST}\"\nconfig = \"{}\"\n\n\
             [docker.production-server]\nhost = \"{}\"\ninterval = \"500ms\"\n\n\
             [prometheus.main]\nurl = \"http://127.0.0.1:{}\"\ninterval = \"500ms\"\nwatchdog = \"Watchdog\"\n\n\
             [alertmanager.main]\nurl = \"http://127.0.0.1:{}\"\ninterval = \"500ms\"\n\n\
             [postgres.primary]\n{}interval = \"500ms\"\n\n[postgres.primary.act_as]\n{}\n\
             [postgres.standby]\n{}interval = \"1s\"\n",
            ssh.display(),
            self.docker.host(),
            self.prometheus,
            self.alertmanager,
            dsn("qd_read", self.primary.port),
            dsn("qd_act", self.primary.port),
            dsn("qd_read", self.standby.port),
        )
    }

    /// The same in a new private folder, with the passwords in files of their own: the path of `config.toml`.
    pub fn config_file(&self) -> Result<PathBuf, String> {
        let home = private_folder("config")?;
        for role in ["qd_read", "qd_act"] {
            write(&home.join(role), &password(role), 0o600)?;
        }
        let config = self.config(|role| format!("{{ file = \"{}\" }}", home.join(role).display()));
        write(&home.join("config.toml"), &config, 0o600)?;
        Ok(home.join("config.toml"))
    }
}

/// What people can break, and how it shows.
const FAULTS: [(&str, &str); 5] = [
    ("kill", "a game server's container is killed: ServiceDown"),
    ("connections", "the API leaves 55 of 60 connections idle: DatabaseConnectionsHigh"),
    ("errors", "a version is deployed that answers by 500: HighErrorRate"),
    ("leak", "a game server eats memory up to its limit: ContainerMemoryHigh"),
    ("sick", "a version that never becomes healthy is put on green"),
];

/// Starts all of it for people, says how it is looked at, and breaks what they name on the standard input, until this process is ended.
/// `told` is a folder where the command line and the process id are written.
pub fn for_people(told: &Path) -> Result<(), String> {
    let spacetime = spacetime()?;
    let line = format!("quarterdeck --config {}", spacetime.config_file()?.display());
    write(&told.join("command"), &format!("{line}\n"), 0o600)?;
    write(&told.join("pid"), &format!("{}\n", std::process::id()), 0o600)?;
    println!("SpaceTime is up on {}. Look at it with\n\n    {line}\n\nType here what shall break:", spacetime.address);
    for (name, what) in FAULTS {
        println!("    {name:<12} {what}");
    }
    let mut sessions = Vec::new();
    for word in std::io::stdin().lines().map_while(Result::ok) {
        let done = match word.trim() {
            "kill" => spacetime.kill(FIRST),
            "connections" if sessions.is_empty() => {
                sessions = spacetime.leak_sessions(CONNECTIONS - 5);
                Ok(())
            }
            "errors" => spacetime.deploy(BROKEN),
            "leak" => spacetime.leak(FIRST),
            "sick" => spacetime.put_on_green(SICK),
            _ => Err(format!("one of {}", FAULTS.map(|(name, _)| name).join(", "))),
        };
        println!("{}", done.map_or_else(|why| why, |()| "done".to_owned()));
    }
    loop {
        std::thread::park();
    }
}

fn private_folder(name: &str) -> Result<PathBuf, String> {
    let home = folder(name);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).map_err(|why| why.to_string())?;
    Ok(home)
}

/// An address that nobody else has, with ways to all containers that may come to be.
fn fronts(shared: &Path) -> Result<(Ipv4Addr, Vec<Front>), String> {
    let process = u8::try_from(std::process::id() % 250).expect("below 250");
    let free = (1..=250).map(|number| Ipv4Addr::new(127, 80, process, number)).find_map(|address| {
        // The load balancer's own port is taken later, and by the same address alone.
        let fronts = PORTS.iter().map(|port| Front::start(address, *port, shared));
        fronts.collect::<Result<Vec<_>, _>>().ok().map(|fronts| (address, fronts))
    });
    free.ok_or_else(|| "no address of loopback is free".to_owned())
}

/// An engine with the images of all versions.
fn engine() -> Result<Docker, String> {
    let (docker, server) = (own_docker()?, compile()?);
    let archive = busybox_archive_with(&[&server])?;
    let archive = archive.to_str().ok_or("the temporary folder has no plain name")?;
    let [old, new] = MIGRATIONS;
    let versions = [(GOOD, "", old), (NEXT, "", new), (HOTFIX, "", old), (BROKEN, "errors", old), (SICK, "sick", old)];
    for (version, fault, migrations) in versions {
        let says = format!("ENV SPACETIME_VERSION={version} SPACETIME_FAULT={fault} SPACETIME_MIGRATIONS={migrations}");
        docker.try_cli(&["import", "--change", &says, archive, &format!("spacetime/godot:{version}")])?;
    }
    Ok(docker)
}

/// Makes the containers' program, which needs no loader and no library.
fn compile() -> Result<PathBuf, String> {
    let beside = std::env::var_os("CARGO").and_then(|cargo| Some(PathBuf::from(cargo).parent()?.to_owned()));
    let rustc = program(&["rustc"], beside.as_slice()).ok_or("rustc is not on PATH")?;
    let home = folder("server");
    let source = home.join("server.rs");
    fs::write(&source, include_str!("server.rs")).map_err(|why| why.to_string())?;
    let mut command = Command::new(rustc);
    command.args([
        "--edition=2024",
        "-Ctarget-feature=+crt-static",
        "-Copt-level=s",
        "-Cpanic=abort",
        "-Cstrip=symbols",
        "-o",
    ]);
    output(command.arg(home.join("server")).arg(source))?;
    Ok(home.join("server"))
}

/// A primary that takes few connections, with a database that holds something, and its standby.
fn databases() -> Result<(Arc<Postgres>, Postgres), String> {
    let mut primary = own_postgres()?;
    primary.run_in("postgres", &format!("ALTER SYSTEM SET max_connections = {CONNECTIONS}"));
    // The usual three of 60 are many: what is left beside a leak must do to look, to plan and to act.
    primary.run_in("postgres", "ALTER SYSTEM SET superuser_reserved_connections = 1");
    primary.stop();
    primary.start_again();
    primary.run_in("postgres", "CREATE DATABASE spacetime OWNER app");
    primary.run_in(
        "spacetime",
        "SET ROLE app;
         CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
         INSERT INTO users SELECT n, 'player ' || n FROM generate_series(1, 1000) AS n;
         CREATE TABLE players_sessions (id bigint PRIMARY KEY);
         CREATE TABLE django_migrations (id serial PRIMARY KEY, app text, name text, applied timestamptz);
         INSERT INTO django_migrations (app, name, applied)
         SELECT 'players', name, now() FROM unnest(ARRAY['0001_initial', '0041_merge_accounts', '0042_sessions']) AS name",
    );
    let standby = primary.standby()?;
    Ok((Arc::new(primary), standby))
}

/// The host of what is deployed, with its scripts and settings.
fn production(
    address: Ipv4Addr,
    docker: &Docker,
    database: &Postgres,
    [shared, targets]: [&Path; 2],
) -> Result<Host, String> {
    let (opt, bin) = (private_folder("opt")?, folder("bin"));
    let home = opt.join("spacetime/production");
    for (name, text) in DEPLOY {
        write(&home.join(name), text, 0o755)?;
    }
    for (name, text) in PROGRAMS {
        write(&bin.join(name), text, 0o755)?;
    }
    let settings = [
        ("IMAGE_TAG", GOOD.to_owned()),
        ("ADDRESS", address.to_string()),
        ("ADMIN_TOKEN", TOKEN.to_owned()),
        ("DOCKER_HOST", docker.host()),
        ("SHARED", shared.display().to_string()),
        ("TARGETS", targets.display().to_string()),
        ("DATABASE_HOST", database.socket.display().to_string()),
        ("DATABASE_PORT", database.port.to_string()),
    ];
    let settings: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write(&home.join(".env"), &settings, 0o600)?;
    write(&home.join("docker-compose.production.yml"), "# What it says is in the lab's docker-compose.\n", 0o644)?;
    write(&home.join("deployments.log"), &format!("{GOOD} deployed at {}\n", jiff::Timestamp::now()), 0o644)?;
    let host = Host::with(&[(&opt, "/opt"), (&bin, "/usr/local/sbin")])?;
    symlink(&docker.socket, host.folder("run/docker.sock")).map_err(|why| why.to_string())?;
    let nginx = host.folder("nginx/spacetime");
    for (colour, servers, api) in [("blue", [8081, 8082], 8091), ("green", [8083, 8084], 8092)] {
        let lines: String = servers.iter().map(|port| format!("server {address}:{port};\n")).collect();
        write(&nginx.join(colour).join("servers.conf"), &lines, 0o644)?;
        write(&nginx.join(colour).join("api.conf"), &format!("server {address}:{api};\n"), 0o644)?;
    }
    symlink("blue", nginx.join("active")).map_err(|why| why.to_string())?;
    Ok(host)
}

/// The load balancer, also on a port of the usual loopback.
fn nginx(host: &Host, address: Ipv4Addr, port: u16) -> Result<Service, String> {
    let program = program(&["nginx"], &[]).ok_or("nginx is not installed (nginx)")?;
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path /run/{of};"));
    let config = format!(
        "worker_processes 2; pid /run/nginx.pid; error_log /run/nginx-error.log;\nevents {{}}\n\
         http {{ access_log off; {}\ninclude /etc/nginx/conf.d/*.conf; }}\n",
        temp.concat()
    );
    let site = format!(
        "upstream spacetime_backend {{ include /etc/nginx/spacetime/active/servers.conf; }}\n\
         upstream spacetime_api {{ include /etc/nginx/spacetime/active/api.conf; }}\n\
         server {{ listen {address}:{BALANCER}; listen 127.0.0.1:{port};\n\
         location / {{ proxy_pass http://spacetime_backend; }}\nlocation /api/ {{ proxy_pass http://spacetime_api; }} }}\n"
    );
    write(&host.folder("nginx/nginx.conf"), &config, 0o644)?;
    write(&host.folder("nginx/conf.d/spacetime.conf"), &site, 0o644)?;
    let mut nginx = Service::start("spacetime-nginx-log", host.command(&program).args(["-g", "daemon off;"]))?;
    nginx.ready(LIMIT, || http::get(port, "/health").is_ok())?;
    Ok(nginx)
}

/// Prometheus with the shipped rules, and the one of the lab.
fn prometheus(
    address: Ipv4Addr,
    targets: &Path,
    exporters: &[Scripted; 2],
    alertmanager: u16,
) -> Result<(u16, Service), String> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/monitoring/alerts.yml");
    let shipped = fs::read_to_string(&shipped).map_err(|why| format!("{}: {why}", shipped.display()))?;
    let (home, port) = (folder("rules"), free_port());
    write(&home.join("alerts.yml"), &hurried(&shipped), 0o644)?;
    write(&home.join("more.yml"), MORE_RULES, 0o644)?;
    let [containers, database] = exporters.each_ref().map(Scripted::port);
    let jobs = format!(
        "- job_name: godot\n  file_sd_configs: [{{files: ['{}/*.yml'], refresh_interval: 1s}}]\n\
         - job_name: godot-api\n  static_configs: [{{targets: ['{address}:8091']}}]\n\
         - job_name: containers\n  honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{containers}']}}]\n\
         - job_name: postgres\n  static_configs: [{{targets: ['127.0.0.1:{database}'], labels: {{database: primary, instance: 'db-primary:9187'}}}}]\n\
         rule_files: ['{}/*.yml']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n",
        targets.display(),
        home.display(),
    );
    let mut service = start_scraping(port, &jobs)?;
    service.ready(LIMIT, || asks(port, "vector(1)").is_some())?;
    Ok((port, service))
}

/// The rules as they are, but for their times: a test does not wait for ten minutes.
fn hurried(rules: &str) -> String {
    let mut text = String::new();
    for line in rules.lines() {
        let (indent, word) = line.split_at(line.len() - line.trim_start().len());
        let line = match word.split_once(": ").map_or(word, |(key, _)| key) {
            "for" => format!("{indent}for: 2s"),
            "interval" => continue,
            "rules:" => format!("{indent}interval: 1s\n{line}"),
            _ => line.replace("[5m]", "[10s]"),
        };
        text += &(line + "\n");
    }
    text
}

/// The series of an expression; nothing while Prometheus does not answer.
fn asks(port: u16, expression: &str) -> Option<Vec<serde_json::Value>> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = http::get(port, &format!("/api/v1/query?query={encoded}")).ok();
    answer.filter(|answer| answer.status == 200)?.json()["data"]["result"].as_array().cloned()
}

/// What became of the players' requests.
#[derive(Debug, Default)]
struct Counts {
    asked: AtomicUsize,
    failed: AtomicUsize,
}

/// Who plays: a thread that asks for one thing after the other, until dropped.
#[derive(Debug)]
struct Players {
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

impl Players {
    fn start(port: u16) -> Self {
        let this = Self { over: Arc::default(), counts: Arc::default() };
        let (over, counts) = (Arc::clone(&this.over), Arc::clone(&this.counts));
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                // Whatever they are told, they try again.
                let served = http::get(port, "/lobby").is_ok_and(|answer| answer.status == 200);
                counts.asked.fetch_add(1, Ordering::SeqCst);
                counts.failed.fetch_add(usize::from(!served), Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        this
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// What a command prints, or its complaint.
fn output(command: &mut Command) -> Result<String, String> {
    let done = command.stdin(Stdio::null()).output().map_err(|why| format!("{command:?} did not run: {why}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let words: Vec<OsString> = command.get_args().map(ToOwned::to_owned).collect();
    Err(format!("{words:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim()))
}
