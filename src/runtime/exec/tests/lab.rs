//! What these tests need of the lab, in the shape they need it: a PostgreSQL server and a container, each with the
//! connections that the program makes to it.

use crate::connect::postgres::LoginSettings;
use crate::connect::{Connections, Engine, Postgres};
use crate::domain::secret::SecretRef;
use crate::lab::docker::{Container, Docker};
use crate::lab::fault::Proxy;
use crate::lab::postgres::{DATABASE, Postgres as Server};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// A server of the test's own.
pub(super) struct Cluster(Server);

impl Cluster {
    /// Adds the roles: `watcher` reads, `ops` may end sessions too, `half` may end those of `web` alone.
    pub(super) fn new(server: Server) -> Self {
        server.run(
            "CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher; CREATE ROLE ops LOGIN; \
             GRANT pg_signal_backend, pg_monitor TO ops; CREATE ROLE batch LOGIN; \
             CREATE ROLE half LOGIN; GRANT pg_monitor TO half; GRANT web TO half",
        );
        Self(server)
    }

    /// Runs statements as the superuser.
    pub(super) fn run(&self, sql: &str) {
        self.0.run(sql);
    }

    /// Statements of a role, as the server has logged them.
    pub(super) fn sent_by(&self, role: &str) -> Vec<String> {
        self.0.statements(role)
    }

    /// The superuser on another database.
    pub(super) async fn on(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::from_str(&self.dsn("postgres")).unwrap().database(database);
        PgConnection::connect_with(&options.disable_statement_logging()).await.unwrap()
    }

    /// The process that runs a statement like this and waits for others, once there is one.
    pub(super) async fn waiting(&self, like: &str) -> i32 {
        let query = "SELECT pid FROM pg_stat_activity WHERE query LIKE $1 AND wait_event_type = 'Lock'";
        let mut admin = self.admin().await;
        let search = async {
            loop {
                let found: Option<i32> = sqlx::query_scalar(query).bind(like).fetch_optional(&mut admin).await.unwrap();
                if let Some(pid) = found {
                    return pid;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), search).await.expect("a statement waits")
    }

    /// Statements like this that run just now.
    pub(super) async fn active(&self, like: &str) -> i64 {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE $1 AND state = 'active'";
        sqlx::query_scalar(query).bind(like).fetch_one(&mut self.admin().await).await.unwrap()
    }

    fn dsn(&self, user: &str) -> String {
        format!("postgres://{user}@localhost:{}/{DATABASE}?host={}", self.0.port, self.0.socket.display())
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
        self.connections_on(act, DATABASE)
    }

    /// The same on another database.
    pub(super) fn connections_on(&self, act: &str, database: &str) -> Connections {
        let dsn = |user: &str| self.dsn(user).replace(&format!("/{DATABASE}?"), &format!("/{database}?"));
        let login = |user: &str| LoginSettings { dsn: Some(dsn(user)), password: None };
        let server = Postgres::new("primary", &login("watcher"), Some(&login(act)), Duration::from_secs(5)).unwrap();
        let mut connections = Connections::default();
        connections.add_postgres(server);
        connections
    }

    /// The same through a cable that can be cut.
    pub(super) fn connections_over(&self, act: &str, proxy: &Proxy, folder: &Path) -> Connections {
        let file = folder.join("password");
        std::fs::write(&file, "over-the-cable\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let login = |user: &str| {
            self.run(&format!("ALTER ROLE {user} PASSWORD 'over-the-cable'"));
            let dsn = format!("postgres://{user}@127.0.0.1:{}/{DATABASE}?sslmode=disable", proxy.port());
            LoginSettings { dsn: Some(dsn), password: Some(SecretRef::File(file.display().to_string())) }
        };
        let (read, act) = (login("watcher"), login(act));
        let server = Postgres::new("primary", &read, Some(&act), Duration::from_secs(5)).unwrap();
        let mut connections = Connections::default();
        connections.add_postgres(server);
        connections
    }

    /// A cable to it.
    pub(super) fn proxy(&self) -> Proxy {
        self.0.proxy()
    }

    /// The server itself.
    pub(super) const fn server(&mut self) -> &mut Server {
        &mut self.0
    }

    /// The process ids of `app`'s sessions.
    pub(super) async fn pids(&self, app: &str) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
        sqlx::query_scalar(query).bind(app).fetch_all(&mut self.admin().await).await.unwrap()
    }
}

/// A container that only sleeps; removed when dropped.
pub(super) struct Sleeper {
    docker: &'static Docker,
    container: Container<'static>,
    pub(super) name: String,
}

impl Sleeper {
    pub(super) fn start(docker: &'static Docker, name: &str) -> Self {
        let container = docker.container(name).start();
        Self { docker, name: container.name.clone(), container }
    }

    /// Removes it, and starts another one under its name.
    pub(super) fn replace(self) -> Self {
        let (docker, name) = (self.docker, self.name.clone());
        drop(self);
        Self { docker, container: docker.container(&name).named(&name).start(), name }
    }

    /// The engine under the name `local`.
    pub(super) fn connections(&self) -> Connections {
        engine_at(&self.docker.host())
    }

    pub(super) fn started_at(&self) -> String {
        self.container.started_at()
    }
}

/// An engine under the name `local`.
pub(super) fn engine_at(host: &str) -> Connections {
    let mut connections = Connections::default();
    connections.add_docker(Engine::new("local", Some(host)).unwrap());
    connections
}
