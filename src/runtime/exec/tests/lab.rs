//! Private real services for these tests: a PostgreSQL cluster and containers of the engine that runs here.

use crate::connect::postgres::LoginSettings;
use crate::connect::{Connections, Engine, Postgres};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use std::path::Path;
use std::process::{Command, Output};
use std::str::FromStr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const BIN: &str = "/usr/lib/postgresql/15/bin";

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// A cluster on a socket of its own; stopped and removed when dropped.
pub(super) struct Cluster {
    dir: TempDir,
}

impl Cluster {
    /// `None`, said by name, where PostgreSQL 15 is not installed.
    pub(super) async fn start() -> Option<Self> {
        if !Path::new(BIN).join("initdb").exists() {
            eprintln!("skipped: PostgreSQL 15 is not installed");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("qd-pg").tempdir().unwrap();
        let cluster = Self { dir };
        if rustix::process::geteuid().is_root() {
            let path = cluster.path();
            assert!(run("chown", &["postgres", &path]).status.success());
        }
        let data = format!("{}/data", cluster.path());
        Self::pg("initdb", &["-D", &data, "-A", "trust", "-U", "postgres", "--no-sync"]);
        let options = format!("-k {} -c listen_addresses='' -c fsync=off -c max_connections=30", cluster.path());
        let log = format!("{}/log", cluster.path());
        Self::pg("pg_ctl", &["-D", &data, "-w", "-l", &log, "-o", &options, "start"]);
        cluster
            .admin()
            .await
            .execute(
                "CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher; CREATE ROLE ops LOGIN; \
                 GRANT pg_signal_backend, pg_monitor TO ops; CREATE ROLE web LOGIN; CREATE ROLE batch LOGIN; \
                 CREATE ROLE half LOGIN; GRANT pg_monitor TO half; GRANT web TO half",
            )
            .await
            .unwrap();
        Some(cluster)
    }

    fn path(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn pg(program: &str, args: &[&str]) {
        let program = format!("{BIN}/{program}");
        let root = rustix::process::geteuid().is_root();
        let whole: Vec<&str> = if root {
            ["-u", "postgres", "--", &program].into_iter().chain(args.iter().copied()).collect()
        } else {
            args.to_vec()
        };
        let output = Command::new(if root { "runuser" } else { &program })
            .args(&whole)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(output.success(), "{program} {args:?}");
    }

    fn dsn(&self, user: &str) -> String {
        format!("postgres://{user}@localhost/postgres?host={}", self.path())
    }

    pub(super) async fn admin(&self) -> PgConnection {
        self.session("postgres", "admin").await
    }

    /// A session of somebody else's, idle from now on.
    pub(super) async fn session(&self, user: &str, app: &str) -> PgConnection {
        let options =
            PgConnectOptions::from_str(&self.dsn(user)).unwrap().application_name(app).disable_statement_logging();
        let mut session = PgConnection::connect_with(&options).await.unwrap();
        session.execute("SELECT 1").await.unwrap();
        session
    }

    /// The server under the name `primary`, read by `watcher` and acted on by `act`.
    pub(super) fn connections(&self, act: &str) -> Connections {
        let login = |user: &str| LoginSettings { dsn: Some(self.dsn(user)), password: None };
        let server = Postgres::new("primary", &login("watcher"), Some(&login(act)), Duration::from_secs(5)).unwrap();
        let mut connections = Connections::default();
        connections.add_postgres(server);
        connections
    }

    /// The process ids of `app`'s sessions.
    pub(super) async fn pids(&self, app: &str) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
        sqlx::query_scalar(query).bind(app).fetch_all(&mut self.admin().await).await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = format!("{}/data", self.path());
        Self::pg("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]);
    }
}

/// A container that only sleeps; removed when dropped.
pub(super) struct Sleeper {
    pub(super) name: String,
}

impl Sleeper {
    /// `None`, said by name, where no engine answers or no static busybox is installed.
    pub(super) fn start(name: &str) -> Option<Self> {
        const IMAGE: &str = "qd-do-busybox:1";
        let engine = Path::new("/var/run/docker.sock").exists() && run("docker", &["version"]).status.success();
        if !engine || !Path::new("/bin/busybox").exists() {
            eprintln!("skipped: no Docker engine answers here, or there is no busybox");
            return None;
        }
        if !run("docker", &["image", "inspect", IMAGE]).status.success() {
            let import = format!("tar -C / -c bin/busybox | docker import - {IMAGE}");
            assert!(run("sh", &["-c", &import]).status.success());
        }
        let name = format!("qd-do-{name}-{}", std::process::id());
        // As process 1 it ignores SIGTERM unless it traps it.
        let script = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1; done";
        let output = run(
            "docker",
            &["run", "-d", "--network", "none", "--name", &name, IMAGE, "/bin/busybox", "sh", "-c", script],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { name })
    }

    pub(super) fn connections() -> Connections {
        let mut connections = Connections::default();
        connections.add_docker(Engine::new("local", Some("unix:///var/run/docker.sock")).unwrap());
        connections
    }

    pub(super) fn started_at(&self) -> String {
        let output = run("docker", &["inspect", "-f", "{{.State.StartedAt}}", &self.name]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn docker(&self, verb: &[&str]) {
        let output = run("docker", &[verb, &[self.name.as_str()]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        run("docker", &["rm", "-f", &self.name]);
    }
}

/// The engine behind a socket that passes everything on, but loses the answers to requests whose first line holds `path`.
pub(super) fn engine_that_loses(path: &'static str, dir: &Path) -> Connections {
    let socket = dir.join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, path));
        }
    });
    let mut connections = Connections::default();
    connections.add_docker(Engine::new("local", Some(&format!("unix://{}", socket.display()))).unwrap());
    connections
}

async fn pass_on(mut client: UnixStream, path: &str) {
    let mut engine = UnixStream::connect("/var/run/docker.sock").await.unwrap();
    let mut request = vec![0; 16 * 1024];
    while let Ok(read) = client.read(&mut request).await {
        if read == 0 {
            return;
        }
        let request = &request[..read];
        engine.write_all(request).await.unwrap();
        let line =
            String::from_utf8_lossy(request.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        let mut answer = vec![0; 1024 * 1024];
        let read = engine.read(&mut answer).await.unwrap();
        if line.contains(path) {
            // The engine has answered, so it has done it; the client never hears of it.
            return;
        }
        client.write_all(&answer[..read]).await.unwrap();
    }
}
