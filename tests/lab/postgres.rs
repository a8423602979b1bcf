//! PostgreSQL with sessions made to order, and a log of every statement that reached it.
//!
//! Through its socket every role logs in without a password; over TCP each needs the one that [`password`] says, so
//! that a test can look for a leaked one. Roles: `qd_read` (reads all statistics), `qd_act` (may end sessions too),
//! `app` and `web` (neither), `postgres` (superuser).

use super::fault::Proxy;
use super::service::{Service, folder, free_port};
use super::{is_root, poll, program, runtime, wait};
use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The database of every session here.
pub const DATABASE: &str = "shop";

const SETTINGS: &str = "
fsync = off
full_page_writes = off
synchronous_commit = off
shared_buffers = 16MB
max_connections = 100
max_prepared_transactions = 5
deadlock_timeout = 100ms
archive_mode = on
archive_command = 'true'
wal_level = logical
log_statement = all
log_line_prefix = '%m [%p] <%u> '
log_timezone = UTC
";

/// How long the server may take for anything: only a failing test waits so long.
const LIMIT: Duration = Duration::from_secs(60);

/// The password of a role over TCP.
pub fn password(role: &str) -> String {
    format!("{role}-hunter2")
}

/// A server.
#[derive(Debug)]
pub struct Postgres {
    /// Its port on loopback, and in the name of its socket.
    pub port: u16,
    /// The folder of its socket.
    pub socket: PathBuf,
    data: PathBuf,
    bin: PathBuf,
    service: Option<Service>,
}

/// The server that the tests of this process share, or what is missing. A test that ends sessions it did not make, or
/// counts all there are, wants [`own_postgres`].
pub fn postgres() -> Result<&'static Postgres, String> {
    static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
    SHARED.get_or_init(own_postgres).as_ref().map_err(Clone::clone)
}

/// A server for one test, ended when dropped, or what is missing.
pub fn own_postgres() -> Result<Postgres, String> {
    Postgres::start().map_err(|why| format!("PostgreSQL: {why}"))
}

impl Postgres {
    fn start() -> Result<Self, String> {
        let home = folder("postgres");
        let data = home.join("data");
        run(Command::new("cp").arg("-a").arg(template()?).arg(&data))?;
        Self::with_roles(home, data, server_folder()?)
    }

    /// A server with checksums on its pages.
    pub fn checked() -> Result<Self, String> {
        let (home, bin) = (folder("postgres"), server_folder().map_err(|why| format!("PostgreSQL: {why}"))?);
        run(Command::new("chmod").arg("1777").arg(&home))?;
        let data = home.join("data");
        run(Command::new("cp").arg("-a").arg(template()?).arg(&data))?;
        run(as_server_user(&bin.join("pg_checksums"))?.args(["--enable", "-D"]).arg(&data))?;
        Self::with_roles(home, data, bin)
    }

    /// Where its data are.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of its programs.
    pub fn programs(&self) -> &Path {
        &self.bin
    }

    /// A server of the version whose programs are in `bin`: see [`versions`].
    pub fn of(bin: &Path) -> Result<Self, String> {
        let home = folder("postgres");
        run(Command::new("chmod").arg("1777").arg(&home))?;
        let data = home.join("data");
        make_data(bin, &data)?;
        Self::with_roles(home, data, bin.to_owned())
    }

    fn with_roles(home: PathBuf, data: PathBuf, bin: PathBuf) -> Result<Self, String> {
        let this = Self::serve(home, data, bin)?;
        this.make_roles();
        Ok(this)
    }

    fn serve(home: PathBuf, data: PathBuf, bin: PathBuf) -> Result<Self, String> {
        run(Command::new("chmod").arg("1777").arg(&home))?;
        let mut this = Self { port: free_port(), socket: home, data, bin, service: None };
        this.service = Some(this.launch()?);
        Ok(this)
    }

    fn launch(&self) -> Result<Service, String> {
        let (home, port) = (&self.socket, self.port);
        let mut command = as_server_user(&self.bin.join("postgres"))?;
        command.arg("-D").arg(&self.data).arg("-k").arg(home).arg("-p").arg(port.to_string());
        command.arg("-c").arg("listen_addresses=127.0.0.1");
        // SIGINT is the fast shutdown: sessions are ended, not waited for.
        let mut service = Service::start("postgres-log", &mut command)?.ends_by(Signal::INT);
        let socket = home.join(format!(".s.PGSQL.{port}"));
        service.ready(LIMIT, || socket.exists() && connects(home, port))?;
        Ok(service)
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        self.service = None;
    }

    /// Ends the server as a crash does: nobody is told, and the next start recovers.
    pub fn crash(&mut self) {
        // SIGQUIT is the immediate shutdown.
        let _ = rustix::process::kill_process(self.service().pid(), Signal::QUIT);
        self.service = None;
    }

    /// Starts it again on the same port, after [`Self::stop`].
    pub fn start_again(&mut self) {
        self.service = Some(self.launch().expect("the lab's PostgreSQL starts again"));
    }

    /// A standby that streams from this server, under the name `standby`, through a slot `standby_slot`.
    pub fn standby(&self) -> Result<Self, String> {
        let home = folder("standby");
        run(Command::new("chmod").arg("1777").arg(&home))?;
        let data = home.join("data");
        let target =
            format!("host={} port={} user=postgres application_name=standby", self.socket.display(), self.port);
        let mut command = as_server_user(&server_program("pg_basebackup")?)?;
        command.args(["-d", &target, "-X", "stream", "-c", "fast", "-R", "-C", "-S", "standby_slot", "-D"]).arg(&data);
        run(&mut command)?;
        Self::serve(home, data, self.bin.clone())
    }

    /// The same without `pg_basebackup` and without a slot: from a copy of the stopped server's files.
    pub fn copied_standby(&mut self) -> Result<Self, String> {
        let home = folder("standby");
        let data = home.join("data");
        self.stop();
        run(Command::new("cp").arg("-a").arg(&self.data).arg(&data))?;
        self.start_again();
        run(Command::new("cp").arg("-a").arg(data.join("PG_VERSION")).arg(data.join("standby.signal")))?;
        let target =
            format!("host={} port={} user=postgres application_name=standby", self.socket.display(), self.port);
        let auto = data.join("postgresql.auto.conf");
        let settings = fs::read_to_string(&auto).map_err(|why| why.to_string())?;
        fs::write(&auto, format!("{settings}primary_conninfo = '{target}'\n")).map_err(|why| why.to_string())?;
        Self::serve(home, data, self.bin.clone())
    }

    /// Stops the server where it stands, every process of it: it takes connections and says nothing.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Backends are in process groups of their own, so they are found as children of the server.
    fn signal_all(&self, signal: Signal) {
        let parent = self.pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?));
        for pid in std::iter::once(self.service().pid()).chain(children) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn service(&self) -> &Service {
        self.service.as_ref().expect("the server was not stopped")
    }

    fn pid(&self) -> i32 {
        self.service().pid().as_raw_nonzero().get()
    }

    fn make_roles(&self) {
        for role in ["qd_read", "qd_act", "app", "web"] {
            self.run_in("postgres", &format!("create role {role} login password '{}'", password(role)));
        }
        self.run_in("postgres", &format!("alter role postgres password '{}'", password("postgres")));
        self.run_in("postgres", "grant pg_monitor to qd_read, qd_act");
        self.run_in("postgres", "grant pg_signal_backend to qd_act");
        self.run_in("postgres", &format!("create database {DATABASE}"));
    }

    /// Connection string over TCP, without the password.
    pub fn url(&self, role: &str) -> String {
        url(role, self.port)
    }

    /// The environment with which libpq programs find this server through its socket.
    pub fn environment(&self, role: &str) -> Vec<(&'static str, String)> {
        let socket = self.socket.display().to_string();
        let values = [socket, self.port.to_string(), role.to_owned(), DATABASE.to_owned()];
        ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE"].into_iter().zip(values).collect()
    }

    /// A port in front of the server that can be made to fail.
    pub fn proxy(&self) -> Proxy {
        Proxy::tcp(self.port)
    }

    /// Opens an idle session of a role under an application name.
    pub fn session(&self, role: &str, application: &str) -> Session<'_> {
        let options = options(&self.socket, self.port).username(role).application_name(application);
        let mut connection = wait(PgConnection::connect_with(&options)).expect("the lab's PostgreSQL takes a session");
        // A statement of its own, so that the session has a last query like any real one.
        let pid = wait(sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection))
            .expect("a session has a pid");
        Session { server: self, pid, connection: Some(connection) }
    }

    /// Opens several.
    pub fn sessions(&self, count: usize, role: &str, application: &str) -> Vec<Session<'_>> {
        (0..count).map(|_| self.session(role, application)).collect()
    }

    /// Opens a session that holds a transaction open and does nothing in it.
    pub fn idle_in_transaction(&self, role: &str, application: &str) -> Session<'_> {
        let mut session = self.session(role, application);
        session.run("begin");
        session
    }

    /// Opens a session that is at work for longer than any test lasts.
    pub fn active(&self, role: &str, application: &str) -> Session<'_> {
        let mut session = self.session(role, application);
        session.work();
        session
    }

    /// Opens an idle session of a superuser, which `qd_act` may not end.
    pub fn superuser(&self, application: &str) -> Session<'_> {
        self.session("postgres", application)
    }

    /// Opens an idle session that speaks the replication protocol, as a superuser.
    pub fn replication(&self) -> Replication {
        let application = format!("replica-{}", self.pid());
        let target = format!(
            "host={} port={} user=postgres dbname={DATABASE} replication=database application_name={application}",
            self.socket.display(),
            self.port
        );
        let mut command = Command::new(server_program("psql").expect("psql is installed beside the server"));
        command.args(["-X", "-d", &target]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("psql starts");
        let query = format!("select pid::text from pg_stat_activity where application_name = '{application}'");
        let found = poll(LIMIT, || self.column(&query).pop());
        let pid = found.and_then(|pid| pid.parse().ok()).expect("the server shows the replication session");
        Replication { child, pid }
    }

    /// Runs statements as superuser.
    pub fn run(&self, sql: &str) {
        self.run_in(DATABASE, sql);
    }

    /// Runs statements as superuser on another database.
    pub fn run_in(&self, database: &str, sql: &str) {
        let options = options(&self.socket, self.port).database(database);
        wait(async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await
        })
        .unwrap_or_else(|why| panic!("{sql}: {why}"));
    }

    /// The first column of what a query yields, which must be of type text, asked as superuser.
    pub fn column(&self, sql: &str) -> Vec<String> {
        self.try_column(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// The same, or why not.
    pub fn try_column(&self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        Self::first_column(&options(&self.socket, self.port), sql)
    }

    /// As [`Self::column`], of another database.
    pub fn column_in(&self, database: &str, sql: &str) -> Vec<String> {
        let options = options(&self.socket, self.port).database(database);
        Self::first_column(&options, sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    fn first_column(options: &PgConnectOptions, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        wait(async {
            let mut connection = PgConnection::connect_with(options).await?;
            let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            connection.close().await?;
            Ok(rows)
        })
    }

    /// Whether a session is there.
    pub fn is_alive(&self, pid: i32) -> bool {
        self.state(pid).is_some()
    }

    /// The state of a session: `idle`, `active` …, or nothing when it is gone.
    pub fn state(&self, pid: i32) -> Option<String> {
        self.column(&format!("select coalesce(state, '') from pg_stat_activity where pid = {pid}")).pop()
    }

    /// The statements that a role has sent, as the server logged them before it ran them, oldest first. One that spans
    /// several lines is joined by spaces.
    pub fn statements(&self, role: &str) -> Vec<String> {
        let log = fs::read_to_string(&self.service().log).expect("the server has a log");
        statements(&log, role)
    }
}

/// Picks the statements of a role out of a server's log.
pub fn statements(log: &str, role: &str) -> Vec<String> {
    let mark = format!("] <{role}> LOG:  ");
    let mut found = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if open && let Some(last) = found.last_mut() {
                *last = format!("{last} {}", more.trim());
            }
            continue;
        }
        let said = line.split_once(&mark).map(|(_, said)| said);
        let sql = said.filter(|said| said.starts_with("statement: ") || said.starts_with("execute "));
        open = sql.is_some();
        found.extend(sql.and_then(|sql| sql.split_once(": ")).map(|(_, sql)| sql.to_owned()));
    }
    found
}

/// Connection string of a role over TCP through `port`, without the password.
pub fn url(role: &str, port: u16) -> String {
    format!("postgres://{role}@{}:{port}/{DATABASE}", Ipv4Addr::LOCALHOST)
}

fn options(socket: &Path, port: u16) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().socket(socket).port(port).username("postgres");
    options.database(DATABASE).application_name("lab").ssl_mode(PgSslMode::Disable)
}

fn connects(socket: &Path, port: u16) -> bool {
    let options = options(socket, port).database("postgres");
    wait(async { PgConnection::connect_with(&options).await?.close().await }).is_ok()
}

/// A data folder fresh from `initdb`, made once and copied for each server.
fn template() -> Result<&'static Path, String> {
    static TEMPLATE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    TEMPLATE.get_or_init(make_template).as_deref().map_err(Clone::clone)
}

fn make_template() -> Result<PathBuf, String> {
    let home = folder("template");
    run(Command::new("chmod").arg("1777").arg(&home))?;
    let data = home.join("data");
    make_data(&server_folder()?, &data)?;
    Ok(data)
}

fn make_data(bin: &Path, data: &Path) -> Result<(), String> {
    let mut command = as_server_user(&bin.join("initdb"))?;
    command.arg("-D").arg(data).args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    command.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
    run(&mut command)?;
    let config = data.join("postgresql.conf");
    let settings = fs::read_to_string(&config).map_err(|why| why.to_string())? + SETTINGS;
    fs::write(&config, settings).map_err(|why| why.to_string())
}

/// Folders of programs, Debian's by version, newest first.
fn server_folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// The folders of all servers that are here: Debian's, and those that `QUARTERDECK_POSTGRES` lists as `PATH` does.
pub fn versions() -> Vec<PathBuf> {
    let more = std::env::var_os("QUARTERDECK_POSTGRES").unwrap_or_default();
    let folders = server_folders().into_iter().chain(std::env::split_paths(&more));
    folders.filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists()).collect()
}

/// A program of the newest PostgreSQL under Debian's folder, else of the one on `PATH`.
fn server_program(name: &str) -> Result<PathBuf, String> {
    program(&[name], &server_folders()).ok_or_else(|| format!("{name} is not installed (postgresql)"))
}

fn server_folder() -> Result<PathBuf, String> {
    let postgres = server_program("postgres")?;
    postgres.parent().map(Path::to_owned).ok_or_else(|| "postgres is in no folder".to_owned())
}

/// The server refuses to run as root, so root hands it to the user that the package made, or to nobody.
fn as_server_user(program: &Path) -> Result<Command, String> {
    if !is_root() {
        return Ok(Command::new(program));
    }
    let setpriv = super::program(&["setpriv"], &[]).ok_or("setpriv is not installed (util-linux)")?;
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields.get(2)?.to_string(), fields.get(3)?.to_string()))
    };
    let (user, group) = entry("postgres").or_else(|| entry("nobody")).ok_or("there is no user to run it")?;
    let mut command = Command::new(setpriv);
    command.args(["--reuid", &user, "--regid", &group, "--clear-groups", "--"]).arg(program).current_dir("/");
    Ok(command)
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.stdin(Stdio::null()).output().map_err(|why| format!("{command:?} did not run: {why}"))?;
    let complaint = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    done.status.success().then_some(()).ok_or_else(|| format!("{command:?} failed: {complaint}"))
}

/// A session; closed when dropped.
#[derive(Debug)]
pub struct Session<'a> {
    server: &'a Postgres,
    /// Process id of its backend.
    pub pid: i32,
    connection: Option<PgConnection>,
}

impl Session<'_> {
    /// Runs a statement in it. `begin` leaves it idle in a transaction.
    pub fn run(&mut self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }

    /// Runs a statement that may fail.
    pub fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().expect("a session that works can't do two things");
        wait(async { sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await }).map(drop)
    }

    /// Makes it active for an hour, and returns once the server shows it so.
    pub fn work(&mut self) {
        let mut connection = self.connection.take().expect("a session that works can't do two things");
        runtime().spawn(async move {
            // Whether it ends by itself or is ended is what a test looks at from outside.
            let _ = sqlx::raw_sql("select pg_sleep(3600)").execute(&mut connection).await;
            std::future::pending::<()>().await;
            drop(connection);
        });
        let active = || (self.server.state(self.pid).as_deref() == Some("active")).then_some(());
        poll(LIMIT, active).expect("the server shows the session as active");
    }

    /// Runs a statement that has to wait for a lock, and returns once the server shows it waiting. What becomes of it is
    /// looked at from outside.
    pub fn wait_for_lock(&mut self, sql: &'static str) {
        let mut connection = self.connection.take().expect("a session that waits can't do two things");
        runtime().spawn(async move {
            let _ = sqlx::raw_sql(sql).execute(&mut connection).await;
            std::future::pending::<()>().await;
            drop(connection);
        });
        let query = format!(
            "select wait_event_type from pg_stat_activity where pid = {} and wait_event_type = 'Lock'",
            self.pid
        );
        poll(LIMIT, || self.server.column(&query).pop()).expect("the server shows the session waiting for a lock");
    }

    /// Whether the server still has it.
    pub fn is_alive(&self) -> bool {
        self.server.is_alive(self.pid)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // A closed socket ends an idle backend; one at work must be told.
        if self.connection.is_none() {
            // No panic here: it may be dropped by one, and then the server may be what is gone.
            let _ = self.server.try_column(&format!("select pg_terminate_backend({})::text", self.pid));
        }
    }
}

/// A replication session; closed when dropped.
#[derive(Debug)]
pub struct Replication {
    child: Child,
    /// Process id of its backend.
    pub pid: i32,
}

impl Drop for Replication {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
