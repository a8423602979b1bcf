//! The shared ways out: Docker engines, PostgreSQL logins, Prometheus servers, the HTTP client. One each per configured name, with limits;
//! sources read through them and steps act through them.
//!
//! Owns how a service is reached, who logs in, and what a failure to reach it means in plain words. Must not know what
//! is asked: that is the source's or the step's business. Nothing here connects before it is used.

pub mod access;
pub mod advisory;
pub mod docker;
pub mod dsn;
pub mod endpoint;
pub mod http;
mod libpq;
pub mod named;
pub mod postgres;
pub mod prometheus;
mod roots;
pub mod secret;
pub mod shell;
pub mod ssh;

pub use access::{Access, Web};
pub use advisory::Advisory;
pub use docker::Engine;
pub use endpoint::Endpoint;
pub use named::{Server, Site, SiteSettings};
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use shell::Shell;
pub use ssh::Ssh;

use crate::domain::{SourceError, SourceId};
use crate::redact::Redactor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Everything that can be reached, by the config's names. Filled once from the config; a clone shares what it holds.
#[derive(Clone, Default)]
pub struct Connections {
    docker: BTreeMap<String, Arc<Engine>>,
    postgres: BTreeMap<String, Arc<Postgres>>,
    prometheus: BTreeMap<String, Arc<Prometheus>>,
    ssh: BTreeMap<(ssh::Address, Option<PathBuf>), Arc<Ssh>>,
    /// The hosts of the SSH connections by the names of their sources.
    hosts: BTreeMap<String, Arc<Ssh>>,
    ssh_home: Arc<ssh::Home>,
    /// The connections to hosts that the config does not know.
    strangers: Arc<Mutex<BTreeMap<ssh::Address, Arc<Ssh>>>>,
    named: Arc<named::Named>,
    http: Arc<OnceLock<Result<reqwest::Client, SourceError>>>,
    redactor: Redactor,
    reach: Reach,
}

/// Where runbooks may go beside what they name of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The SSH connection that stands for this machine; `None`: it is meant itself.
    pub local: Option<String>,
    /// No host is reached that only a parameter names, and this machine runs nothing.
    pub only_configured: bool,
    /// The file of `ssh` for hosts that only a parameter names. Those that it names are reached in any case.
    pub ssh_config: Option<PathBuf>,
}

impl Reach {
    /// The file of `ssh` has a `Host` of that very name: patterns stand for whatever somebody types.
    fn names(&self, address: &str) -> bool {
        let text = self.ssh_config.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let hosts = words.filter(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case("host")));
        hosts.flat_map(|words| words.into_iter().skip(1)).any(|host| host == address)
    }
}

impl Connections {
    /// The engine of `[docker.NAME]`.
    pub fn docker(&self, name: &str) -> Option<&Engine> {
        self.docker.get(name).map(AsRef::as_ref)
    }

    /// The server of `[postgres.NAME]`.
    pub fn postgres(&self, name: &str) -> Option<&Postgres> {
        self.postgres.get(name).map(AsRef::as_ref)
    }

    /// The server of `[prometheus.NAME]`.
    pub fn prometheus(&self, name: &str) -> Option<&Prometheus> {
        self.prometheus.get(name).map(AsRef::as_ref)
    }

    /// Like [`Self::docker`]; the error lists the names that there are.
    pub fn need_docker(&self, name: &str) -> Result<&Engine, SourceError> {
        self.docker(name).ok_or_else(|| missing("docker", name, self.docker_names()))
    }

    /// Like [`Self::postgres`]; the error lists the names that there are.
    pub fn need_postgres(&self, name: &str) -> Result<&Postgres, SourceError> {
        self.postgres(name).ok_or_else(|| missing("postgres", name, self.postgres_names()))
    }

    /// The server of `[postgres.NAME]`, on `database` instead of its own when there is one; the error lists the names that there
    /// are.
    pub fn need_database(&self, name: &str, database: Option<&str>) -> Result<Arc<Postgres>, SourceError> {
        let server = self.postgres.get(name).ok_or_else(|| missing("postgres", name, self.postgres_names()))?;
        Ok(database.map_or_else(|| Arc::clone(server), |database| server.database(database)))
    }

    /// Like [`Self::prometheus`]; the error lists the names that there are.
    pub fn need_prometheus(&self, name: &str) -> Result<&Prometheus, SourceError> {
        self.prometheus(name).ok_or_else(|| missing("prometheus", name, self.prometheus_names()))
    }

    /// The connection of `[ssh.NAME]`, or of the `[[server]]` of this name; the error lists the names that there are.
    pub fn need_ssh(&self, name: &str) -> Result<&Arc<Ssh>, SourceError> {
        self.hosts.get(name).ok_or_else(|| missing("ssh", name, self.hosts.keys().map(String::as_str)))
    }

    /// The names of all engines, sorted.
    pub fn docker_names(&self) -> impl Iterator<Item = &str> {
        self.docker.keys().map(String::as_str)
    }

    /// The names of all PostgreSQL servers, sorted.
    pub fn postgres_names(&self) -> impl Iterator<Item = &str> {
        self.postgres.keys().map(String::as_str)
    }

    /// The names of all Prometheus servers, sorted.
    pub fn prometheus_names(&self) -> impl Iterator<Item = &str> {
        self.prometheus.keys().map(String::as_str)
    }

    /// The one HTTP client, made at the first call. Cloning it is cheap and shares its connections.
    ///
    /// # Errors
    /// When TLS or a proxy named in the environment can't be set up.
    pub fn http(&self) -> Result<reqwest::Client, SourceError> {
        self.http.get_or_init(http::client).clone()
    }

    /// The client for a source whose `[table]` has this `access`.
    ///
    /// # Errors
    /// When its settings contradict each other, or a file that they name can't be used.
    pub fn web(&self, access: &Access, table: &str) -> Result<Web, SourceError> {
        Web::new(access, table, self.http()?, &self.redactor, http::Redirects::Follow)
    }

    /// Hides every secret that any of these connections has used.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Registers an engine under its name, and hands it back to be shared with a source.
    pub fn add_docker(&mut self, mut engine: Engine) -> Arc<Engine> {
        if let Some(Ok(ssh)) = engine.needs_ssh().map(|(address, config)| self.add_ssh(address, config)) {
            engine.go_through(ssh);
        }
        let engine = Arc::new(engine);
        self.docker.insert(engine.name().to_owned(), Arc::clone(&engine));
        engine
    }

    /// Registers a PostgreSQL server under its name, and hands it back to be shared with a source.
    pub fn add_postgres(&mut self, mut postgres: Postgres) -> Arc<Postgres> {
        postgres.hide_with(&self.redactor);
        let postgres = Arc::new(postgres);
        self.postgres.insert(postgres.name().to_owned(), Arc::clone(&postgres));
        postgres
    }

    /// Registers a Prometheus under its name, and hands it back to be shared with its sources.
    pub fn add_prometheus(&mut self, prometheus: Prometheus) -> Arc<Prometheus> {
        let prometheus = Arc::new(prometheus);
        self.prometheus.insert(prometheus.name().to_owned(), Arc::clone(&prometheus));
        prometheus
    }

    /// The connection to a host, by what one would write after `ssh`; `config` is a file other than `~/.ssh/config`. Whoever
    /// names the same host in the same way shares one connection.
    ///
    /// # Errors
    /// When the address is none, or only what the config names may be reached.
    pub fn add_ssh(&mut self, address: &str, config: Option<&Path>) -> Result<Arc<Ssh>, SourceError> {
        let key = (ssh::Address::parse(address)?, config.map(Path::to_owned));
        let (home, (address, config)) = (&self.ssh_home, key.clone());
        let ssh = self.ssh.entry(key).or_insert_with(|| Arc::new(Ssh::new(address, config, Arc::clone(home))));
        Ok(Arc::clone(ssh))
    }

    /// Says that the host behind a connection is the one of `[ssh.NAME]`, or of the `[[server]]` of that name.
    pub fn name_host(&mut self, name: &str, ssh: &Arc<Ssh>) {
        self.hosts.insert(name.to_owned(), Arc::clone(ssh));
    }

    /// The host of `[ssh.NAME]`.
    pub fn host(&self, name: &str) -> Option<&Arc<Ssh>> {
        self.hosts.get(name)
    }

    /// A host of a rollout is done: its connection is closed until somebody needs it again, unless it is used just now.
    pub async fn rest(&self, host: &str) {
        if let Some(ssh) = self.hosts.get(host) {
            ssh.rest().await;
        }
    }

    /// The connection to a host that the config does not know, made at the first call.
    ///
    /// # Errors
    /// When the address is none.
    pub fn ssh_to(&self, address: &str) -> Result<Arc<Ssh>, SourceError> {
        if !self.reach.names(address) {
            self.not_only_configured(&format!("{address} is given as an address, and not by a name of the config"))?;
        }
        let key = ssh::Address::parse(address)?;
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let home = &self.ssh_home;
        let config = self.reach.ssh_config.clone();
        let ssh = strangers.entry(key.clone()).or_insert_with(|| Arc::new(Ssh::new(key, config, Arc::clone(home))));
        Ok(Arc::clone(ssh))
    }

    /// A shell on this machine, or on the host that stands for it.
    ///
    /// # Errors
    /// When there is no such host, or only what the config names may be reached.
    pub fn here(&self) -> Result<Shell, SourceError> {
        match &self.reach.local {
            Some(host) => self.need_ssh(host).map(|ssh| Shell::There(Arc::clone(ssh))),
            None => self.not_only_configured("this step would run on this machine").map(|()| Shell::Here),
        }
    }

    /// Where runbooks may go from now on.
    pub fn reach(&mut self, reach: Reach) {
        self.reach = reach;
    }

    fn not_only_configured(&self, what: &str) -> Result<(), SourceError> {
        let hint = "`only_configured` of [runbooks] forbids it: name a host of the config, or take that line out";
        if self.reach.only_configured {
            Err(SourceError::new(format!("{what}: nothing is run there"), hint))
        } else {
            Ok(())
        }
    }

    /// What a source registered under its name is used by nobody new from now on. An SSH connection stays for others that go to the same
    /// host, and closes by itself when it is idle.
    pub fn forget(&mut self, source: &SourceId) {
        match source.kind() {
            "docker" => drop(self.docker.remove(source.name())),
            "postgres" => drop(self.postgres.remove(source.name())),
            "prometheus" => drop(self.prometheus.remove(source.name())),
            "ssh" => drop(self.hosts.remove(source.name())),
            // The others register nothing.
            _ => {}
        }
    }

    /// Closes what would outlive the program: SSH connections. From now on they can't be used. Takes a second at most.
    pub async fn close(&self) {
        let strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        futures_util::future::join_all(self.ssh.values().chain(strangers.values()).map(|ssh| ssh.close())).await;
        self.ssh_home.remove();
    }
}

fn missing<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> SourceError {
    let known: Vec<&str> = known.collect();
    let what = format!("there is no [{kind}.{name}] in the config");
    if known.is_empty() {
        SourceError::new(what, format!("add one: there is no [{kind}.NAME] at all"))
    } else {
        SourceError::new(what, format!("there are: {}", known.join(", ")))
    }
}

/// The first error of one type in a chain of causes: libraries wrap the operating system's error several times.
fn cause<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost message of a chain of causes: the outer ones only say that something failed.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runbooks_reach_this_machine_and_strangers_only_where_the_config_lets_them() {
        let mut connections = Connections::default();
        assert!(matches!(connections.here(), Ok(Shell::Here)) && connections.ssh_to("10.0.0.9").is_ok());
        connections.reach(Reach { only_configured: true, ..Reach::default() });
        let refused = [connections.here().err().unwrap(), connections.ssh_to("10.0.0.9").err().unwrap()];
        assert_eq!(refused[0].what, "this step would run on this machine: nothing is run there");
        assert!(refused[1].what.starts_with("10.0.0.9 is given as an address"), "{refused:?}");
        assert!(refused.iter().all(|error| error.hint.contains("only_configured")), "{refused:?}");
        // What a file of ssh's names is known, too.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ssh_config");
        std::fs::write(&file, "Host a 10.0.0.9\n  User x\nHost *\n  Port 1\n").unwrap();
        connections.reach(Reach { only_configured: true, ssh_config: Some(file), ..Reach::default() });
        assert_eq!(["10.0.0.9", "10.0.0.8", "*"].map(|host| connections.ssh_to(host).is_ok()), [true, false, false]);
        // A host that stands for this machine is one of the config's.
        connections.reach(Reach { local: Some("bastion".to_owned()), ..Reach::default() });
        assert_eq!(connections.here().err().unwrap().what, "there is no [ssh.bastion] in the config");
    }

    #[test]
    fn a_missing_name_lists_those_that_there_are() {
        let mut connections = Connections::default();
        let error = connections.need_docker("main").err().unwrap();
        assert_eq!(error.what, "there is no [docker.main] in the config");
        assert_eq!(error.hint, "add one: there is no [docker.NAME] at all");
        for name in ["game-2", "game-1"] {
            connections.add_docker(Engine::new(name, Some("unix:///nowhere")).unwrap());
        }
        assert_eq!(connections.need_docker("main").err().unwrap().hint, "there are: game-1, game-2");
        assert!(connections.need_docker("game-1").is_ok());
    }

    #[test]
    fn a_clone_shares_the_http_client() {
        let connections = Connections::default();
        assert!(Arc::ptr_eq(&connections.http, &connections.clone().http));
        assert!(connections.http().is_ok());
    }
}
