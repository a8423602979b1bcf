//! A large production, made up: what its sources would tell, with as much beside the figures (labels, annotations, addresses,
//! statements) as real ones have. Shared by the benchmarks and by the tests of memory.

use crate::scene::{Scene, rows, setup};
use quarterdeck::domain::alert::{self, Labels};
use quarterdeck::domain::{Alert, Container, Filesystem, Rates, Server, Session, Snapshot, Subject, Usage};
use std::sync::Arc;

/// Kind, name, what it tells of, and how many of it. Alerts come from both of a pair, as they usually do.
pub const SOURCES: [(&str, &str, Subject, usize); 5] = [
    ("prometheus", "main", Subject::Servers, 1_000),
    ("docker", "local", Subject::Containers, 5_000),
    ("prometheus", "main/alerts", Subject::Alerts, 2_000),
    ("alertmanager", "main", Subject::Alerts, 2_000),
    ("postgres", "primary", Subject::Databases, 5_000),
];

/// The screen of it, before anybody answered.
pub fn scene(size: (u16, u16)) -> Scene {
    Scene::of(setup(&SOURCES.map(|(kind, name, subject, _)| (kind, name, subject))), size)
}

/// `count` things, each as rich as a real one. `round` makes two answers differ.
pub fn answer(subject: Subject, count: usize, round: usize) -> Snapshot {
    let mut snapshot = rows(subject, count, &[]);
    match &mut snapshot {
        Snapshot::Servers(servers) => servers.iter_mut().enumerate().for_each(|(n, server)| enrich_server(n, server)),
        Snapshot::Containers(engine) => {
            engine.containers.iter_mut().enumerate().for_each(|(n, container)| enrich_container(n, container));
        }
        Snapshot::Alerts(report) => {
            report.alerts.iter_mut().for_each(|alert| enrich_alert(round, Arc::make_mut(alert)));
        }
        Snapshot::Database(database) => {
            database.sessions.iter_mut().enumerate().for_each(|(n, session)| enrich_session(n, session));
        }
    }
    snapshot
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> Labels {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

fn enrich_server(n: usize, server: &mut Server) {
    let disk = |mount: &str| Filesystem {
        mount: mount.to_owned(),
        usage: Usage { used: 300 << 30, total: 1 << 40 },
        inodes: Some(Usage { used: 1 << 20, total: 1 << 26 }),
        ..Filesystem::default()
    };
    server.disks.extend(["/", "/boot", "/var/log", "/srv/backup"].map(disk));
    server.addresses = vec![format!("10.1.{}.{}", n / 250, n % 250), format!("game-{n}.zone-a.example.internal")];
    server.network = Some(Rates { r#in: 5e6, out: 2e6 });
    server.disk_io = Some(Rates { r#in: 5e6, out: 2e6 });
    server.system = Some("Linux 6.12.48+deb13-amd64 x86_64".to_owned());
    server.labels = labels([
        ("job", "node".to_owned()),
        ("zone", format!("zone-{}", n % 3)),
        ("rack", format!("rack-{}", n / 40)),
        ("role", ["database", "game", "edge"][n % 3].to_owned()),
    ]);
}

fn enrich_container(n: usize, container: &mut Container) {
    container.addresses = vec![format!("172.20.{}.{}", n / 250 % 250, n % 250)];
    container.created_at = container.started_at;
    container.labels = labels([
        ("com.docker.compose.config-hash", format!("{n:064x}")),
        ("com.docker.compose.container-number", "1".to_owned()),
        ("com.docker.compose.image", format!("sha256:{n:064x}")),
        ("com.docker.compose.oneoff", "False".to_owned()),
        ("com.docker.compose.project", "spacetime".to_owned()),
        ("com.docker.compose.project.config_files", "/srv/spacetime/compose.yaml".to_owned()),
        ("com.docker.compose.project.working_dir", "/srv/spacetime".to_owned()),
        ("com.docker.compose.service", container.name.clone()),
        ("com.docker.compose.version", "2.40.1".to_owned()),
        ("org.opencontainers.image.revision", format!("{n:040x}")),
        ("org.opencontainers.image.source", "https://git.example/spacetime/api".to_owned()),
        ("org.opencontainers.image.version", format!("2026.11.{n}")),
    ]);
}

/// Both of a pair compute the same fingerprint.
fn enrich_alert(round: usize, alert: &mut Alert) {
    let more = labels([
        ("cluster", "eu-central-1".to_owned()),
        ("environment", "production".to_owned()),
        ("job", "node".to_owned()),
        ("prometheus", "monitoring/main".to_owned()),
        ("team", "platform".to_owned()),
    ]);
    alert.labels.extend(more);
    alert.fingerprint = alert::fingerprint(&alert.labels);
    let text =
        "The pool of players holds more memory than it may for a quarter of an hour; connections are refused next. ";
    alert.annotations.insert("description".to_owned(), text.repeat(3));
    alert.annotations.insert("runbook_url".to_owned(), format!("https://runbooks.example/{}", alert.name));
    alert.query = Some("sum by (instance) (pool_used_bytes) / sum by (instance) (pool_size_bytes) > 0.95".into());
    alert.generator = Some("http://prometheus.example:9090/graph?g0.expr=pool_used_bytes%3E0.95".to_owned());
    alert.receivers = vec!["on-call".to_owned()];
    alert.value = alert.value.map(|value| value + round as f64);
}

fn enrich_session(n: usize, session: &mut Session) {
    let more = "SELECT player.id, player.name, inventory.item, inventory.count FROM player JOIN inventory USING (id) ";
    session.query.insert_str(0, &more.repeat(4));
    "client backend".clone_into(&mut session.kind);
    session.query_start = session.state_change;
    session.holds = vec![format!("RowExclusiveLock on players_{}", n % 7)];
}
