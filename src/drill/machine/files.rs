//! What is on a machine's disk at the beginning, what is written there from the world, and what is made when it is read.

use super::{PRODUCTION, USER, line, terraform};
use crate::drill::shell::files::Who;
use crate::drill::shell::{self, Files};
use crate::drill::stage::Stage;
use crate::drill::world::{Colour, Role, Server};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

/// The load balancer's config, as the runbooks know it.
pub(super) const CONF: &str = "/etc/nginx/conf.d/spacetime.conf";
/// Which colour a machine's own nginx sends players to.
pub(super) const ACTIVE: &str = "/etc/nginx/spacetime/active";
/// Where nginx writes down which process it is.
pub(super) const NGINX_PID: &str = "/run/nginx.pid";
/// Where dumps are kept on a machine with a database.
pub(super) const BACKUPS: &str = "/backup/database";
/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// Logs of so many days lie about, each of which takes this share of the disk; those of the last week are small.
const OLD_LOGS: i64 = 14;
const LOG_SHARE: f64 = 0.01;

/// The scripts of the handbook, as it calls them.
const SCRIPTS: [(&str, &str); 6] = [
    ("deploy/rollback.sh", include_str!("production/deploy/rollback.sh")),
    ("deploy/switch.sh", include_str!("production/deploy/switch.sh")),
    ("deploy/smoke_tests.sh", include_str!("production/deploy/smoke_tests.sh")),
    ("deploy/backup.sh", include_str!("production/deploy/backup.sh")),
    ("deploy/monitor.sh", include_str!("production/deploy/monitor.sh")),
    ("tests/test_hotfix.py", include_str!("production/tests/test_hotfix.py")),
];

/// Those of a server's life.
const SERVER_SCRIPTS: [(&str, &str); 3] = [
    ("backup_server.sh", include_str!("production/scripts/backup_server.sh")),
    ("join_mesh.sh", include_str!("production/scripts/join_mesh.sh")),
    ("provision_server.sh", include_str!("production/scripts/provision_server.sh")),
];

/// The disk of a machine.
pub(super) fn at_first(stage: &Stage, server: usize, now: f64) -> Files {
    let one = &stage.world.servers[server];
    let mut files = Files::new();
    let old = now - 40.0 * DAY;
    for (path, owner, mode) in [
        ("/tmp", "root", 0o1777),
        ("/root", "root", 0o700),
        ("/home/ops", USER, 0o755),
        ("/var/tmp", "root", 0o1777),
        ("/var/log", "root", 0o755),
        ("/run", "root", 0o755),
        ("/proc", "root", 0o555),
        ("/usr/bin", "root", 0o755),
    ] {
        files.put_folder(path, mode, owner, old);
    }
    files.put("/etc/hostname", format!("{}\n", one.name), 0o644, "root", old);
    let users = "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/bash\npostgres:x:105:110::/var/lib/postgresql:/bin/bash\n";
    files.put("/etc/passwd", users, 0o644, "root", old);
    match one.role {
        Role::Primary | Role::Standby => database(&mut files, stage.scenario().damages(), now),
        Role::Balancer => {
            production(&mut files, one, now);
            files.put(CONF, upstream(stage), 0o644, "root", old);
            files.put_folder(terraform::FOLDER, 0o755, USER, old);
            files.put(&format!("{}/main.tf", terraform::FOLDER), terraform::CODE, 0o644, USER, old);
        }
        Role::Game | Role::Api => production(&mut files, one, now),
    }
    refresh(&mut files, stage, server, now);
    files
}

fn production(files: &mut Files, one: &Server, now: f64) {
    let old = now - 40.0 * DAY;
    for (name, text) in SCRIPTS {
        files.put(&format!("{PRODUCTION}/{name}"), text, 0o755, USER, old);
    }
    let database = "postgresql://spacetime@db-primary,db-replica-1:5432/spacetime?target_session_attrs=read-write";
    let env = format!("ENVIRONMENT=production\nADDRESS={}\nDATABASE_URL={database}\n", one.address);
    files.put(&format!("{PRODUCTION}/.env"), env, 0o600, USER, old);
    let services = "services:\n  godot-server:\n    image: registry.spacetime.example.com/godot-server:${IMAGE_TAG}\n  \
                    godot-api:\n    image: registry.spacetime.example.com/godot-api:${IMAGE_TAG}\n";
    files.put(&format!("{PRODUCTION}/docker-compose.production.yml"), services, 0o644, USER, old);
    for (path, days) in logs(one) {
        let text = format!("tick ok, the log of {days} days ago\n");
        files.put(&path, text, 0o644, USER, now - days as f64 * DAY);
    }
    let at = now - 0.2 * DAY;
    let name = jiff::Timestamp::from_second(at as i64).unwrap_or_default().strftime("%Y%m%d_%H%M%S").to_string();
    files.put(&format!("{PRODUCTION}/backups/spacetime_{name}.sql.gz"), gzip(DUMP.as_bytes()), 0o600, USER, at);
    for colour in [Colour::Blue, Colour::Green] {
        let text = format!("upstream spacetime_local {{\n  server unix:/run/spacetime-{}.sock;\n}}\n", colour.word());
        files.put(&format!("/etc/nginx/spacetime/{}/upstream.conf", colour.word()), text, 0o644, "root", old);
    }
    files.put(NGINX_PID, "812\n", 0o644, "root", old);
    files.put(
        "/etc/nginx/nginx.conf",
        "include /etc/nginx/spacetime/active/*.conf;\ninclude /etc/nginx/conf.d/*.conf;\n",
        0o644,
        "root",
        old,
    );
    for (name, text) in SERVER_SCRIPTS {
        files.put(&format!("/opt/spacetime/scripts/{name}"), text, 0o755, USER, old);
    }
    files.put_folder("/backup/server", 0o750, USER, old);
}

/// The dumps of a week; where pages were damaged before the drill begins, the newest broke off at them.
fn database(files: &mut Files, damaged: bool, now: f64) {
    let old = now - 40.0 * DAY;
    files.put("/var/lib/postgresql/data/PG_VERSION", "16\n", 0o600, "postgres", old);
    files.put_folder("/var/run/postgresql", 0o775, "postgres", old);
    files.put_folder("/var/lib/postgresql", 0o755, "postgres", old);
    files.put_folder(BACKUPS, 0o700, "postgres", old);
    // Of what runs by itself.
    files.put_folder("/etc/cron.d", 0o755, "root", old);
    files.put_folder("/opt/spacetime/scripts", 0o755, "root", old);
    for (link, days) in [("weekly", 4.3), ("latest", 0.3)] {
        let at = now - days * DAY;
        let name = jiff::Timestamp::from_second(at as i64)
            .unwrap_or_default()
            .strftime("spacetime_%Y%m%d_%H%M%S.sql.gz")
            .to_string();
        let dump = if damaged && link == "latest" { BROKEN_DUMP } else { DUMP };
        files.put(&format!("{BACKUPS}/{name}"), gzip(dump.as_bytes()), 0o600, "postgres", at);
        files.put_link(&format!("{BACKUPS}/spacetime_{link}.sql.gz"), &name, at);
    }
}

/// What somebody leaves who wants money.
const NOTE: &str = "/opt/spacetime/HOW_TO_RECOVER_FILES.txt";
/// Where files are worth something.
const WORTH: [&str; 2] = ["/opt/spacetime", "/backup"];

/// What a file is called when it is.
pub(super) fn encrypted(path: &str) -> String {
    format!("{path}.locked")
}

/// Every file that is worth something is encrypted, and says so by its name.
pub(super) fn encrypt(files: &mut Files, now: f64) {
    let root = Who::root(now);
    for path in WORTH.iter().flat_map(|folder| files.below(folder)).collect::<Vec<_>>() {
        let Some(bytes) = files.look(&path).and_then(shell::Node::bytes) else { continue };
        if path == NOTE || path.ends_with(".locked") {
            continue;
        }
        let scrambled: Vec<u8> = bytes.iter().map(|byte| byte ^ 0xA5).collect();
        files.put(&encrypted(&path), scrambled, 0o600, "root", now);
        let _ = files.remove(&root, &path);
    }
    files.put(
        NOTE,
        "Your files are encrypted. Do not switch anything off. Write to us within 72 hours.\n",
        0o644,
        "root",
        now,
    );
}

/// What a dump is here: its last line is what everybody looks for.
pub(super) const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

/// One that broke off where a page could not be read.
pub(super) const BROKEN_DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n\nCOPY public.inventory (player_id, item_id, amount) FROM stdin;\n";

/// Compressed, as `gzip` does.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // A Vec takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The upstream of all game servers, a line for each.
fn upstream(stage: &Stage) -> String {
    let mut text = "upstream spacetime_backend {\n  least_conn;\n".to_owned();
    for server in stage.world.servers.iter().filter(|server| server.role == Role::Game && !server.fresh) {
        let _ = writeln!(text, "  server {}:8081 max_fails=2;", server.address);
    }
    text + "}\nserver {\n  listen 80;\n  location / { proxy_pass http://spacetime_backend; }\n}\n"
}

/// The logs of a machine at the beginning, and how many days old each is.
fn logs(one: &Server) -> impl Iterator<Item = (String, i64)> {
    let name = one.role.service();
    (0..8 + OLD_LOGS).map(move |days| (format!("{PRODUCTION}/logs/{name}-{days:02}.log"), days))
}

/// What takes much of a machine's disk and may be deleted: paths, and bytes.
pub(super) fn large(one: &Server) -> Vec<(String, f64)> {
    let old = |(path, days): (String, i64)| (days >= 8).then_some((path, one.disk * LOG_SHARE));
    match one.role {
        Role::Primary | Role::Standby => Vec::new(),
        _ => logs(one).filter_map(old).collect(),
    }
}

/// Writes what the world knows of and files say: which colour is in use, and the record of deployments.
pub(super) fn refresh(files: &mut Files, stage: &Stage, server: usize, now: f64) {
    if stage.world.servers[server].infected.is_some() {
        return encrypt(files, now);
    }
    let edge = &stage.world.edge;
    if matches!(stage.world.servers[server].role, Role::Primary | Role::Standby) {
        return;
    }
    let record: String = edge.record.iter().map(|one| line(&stage.clock, one) + "\n").collect();
    let time = edge.record.last().map_or(now, |one| super::seconds(stage.clock.moment(one.at)));
    files.put(&format!("{PRODUCTION}/deployments.log"), record, 0o664, USER, time);
    for colour in [Colour::Blue, Colour::Green] {
        let tag = format!("{PRODUCTION}/spacetime-{}.tag", colour.word());
        let is_up = colour == edge.active || edge.idle_since.is_some();
        match edge.build(colour, "godot-server").filter(|_| is_up) {
            Some(build) => files.put(&tag, format!("{}\n", build.version), 0o664, USER, time),
            None => drop(files.remove(&Who::root(now), &tag)),
        }
    }
    files.put_link(ACTIVE, edge.active.word(), time);
}

/// What a file says that is made when it is read.
pub(super) fn made(stage: &Stage, server: usize, path: &str) -> Option<Vec<u8>> {
    let (one, world) = (&stage.world.servers[server], &stage.world);
    let kib = |bytes: f64| (bytes / 1024.0) as u64;
    let free = one.memory - one.memory_used;
    let text = match path {
        "/proc/meminfo" => format!(
            "MemTotal: {:>12} kB\nMemFree: {:>12} kB\nMemAvailable: {:>12} kB\nBuffers: {:>12} kB\nCached: {:>12} kB\nSwapTotal: {:>12} kB\nSwapFree: {:>12} kB\n",
            kib(one.memory),
            kib(free * 0.7),
            kib(free),
            kib(free * 0.05),
            kib(free * 0.25),
            0,
            0,
        ),
        "/proc/loadavg" => format!("{:.2} {:.2} {:.2} 1/310 4711\n", one.load[0], one.load[1], one.load[2]),
        "/proc/uptime" => {
            let up = (world.at - one.booted) as f64;
            format!("{up:.2} {:.2}\n", up * one.cores * (1.0 - one.cpu))
        }
        "/proc/sys/kernel/random/boot_id" => {
            format!("{:08x}-d711-4a11-8a11-{:012x}\n", server, one.booted.unsigned_abs())
        }
        "/proc/version" => "Linux version 6.12.48-drill\n".to_owned(),
        _ => return None,
    };
    Some(text.into_bytes())
}
