//! Docker engines: where one is, the client for it, and what its failures mean.
//!
//! Reached are `unix://` sockets, `tcp://` plain and with TLS, and `ssh://`; Docker contexts count as they do for the
//! `docker` command. Podman's socket answers the same API.

mod context;
mod inspect;
mod place;
mod tls;

pub use place::{DEFAULT_HOST, Place, Wanted};
pub use tls::Files;

use super::{Ssh, cause, root};
use crate::domain::SourceError;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Longest wait for the head of an answer, in seconds. Long, because stopping a container answers when it has stopped;
/// callers put their own limit around a request.
const ANSWER: u64 = 600;
/// Longest wait for the first answer of all, the engine's version: shorter than a poll, so that a hang is told as one.
const GREETING: Duration = Duration::from_secs(3);
/// Characters of an engine's complaint that are repeated: a proxy may send a whole page.
const LONGEST_MESSAGE: usize = 200;

/// One configured engine. Connects at the first use; every request takes a connection of its own, so an engine that
/// was restarted is reached again without further ado.
pub struct Engine {
    name: String,
    place: Result<Place, SourceError>,
    shown: String,
    /// The connection to its host, where it is reached through one.
    ssh: Option<Arc<Ssh>>,
    ssh_config: Option<PathBuf>,
    /// The server that it runs on, where the config says.
    server: Option<String>,
    docker: OnceCell<Docker>,
}

impl Engine {
    /// The engine `name`, at the configured host, else where the environment says.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn new(name: &str, configured: Option<&str>) -> Result<Self, SourceError> {
        Self::open(name, &Wanted { host: configured.map(str::to_owned), ..Wanted::default() })
    }

    /// The engine `name`, where the config says, else `DOCKER_HOST`, else the current Docker context, else
    /// [`DEFAULT_HOST`].
    ///
    /// # Errors
    /// When the configured host is none that can be reached. What the environment or a context says wrongly is told at
    /// the first use: it is not the config's fault.
    pub fn open(name: &str, wanted: &Wanted) -> Result<Self, SourceError> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let place = place::resolve(name, wanted, &env);
        if let (Err(error), true) = (&place, wanted.host.is_some() || wanted.tls.is_some()) {
            return Err(error.clone());
        }
        let shown = place.as_ref().map_or_else(|_| "the engine".to_owned(), ToString::to_string);
        let (ssh_config, server) = (wanted.ssh_config.clone(), wanted.server.clone());
        Ok(Self { name: name.to_owned(), place, shown, ssh: None, ssh_config, server, docker: OnceCell::new() })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, as in `unix:///var/run/docker.sock`.
    pub fn host(&self) -> &str {
        &self.shown
    }

    /// The checked address; `None` when the environment names none that can be reached.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref().ok()
    }

    /// The host to which it needs an SSH connection, and the config for it; `None` when it needs none.
    pub(super) fn needs_ssh(&self) -> Option<(&str, Option<&Path>)> {
        match self.place() {
            Some(Place::Ssh { address, .. }) => Some((address.as_str(), self.ssh_config.as_deref())),
            Some(Place::Unix(_) | Place::Tcp(_) | Place::Tls(..)) | None => None,
        }
    }

    /// Hands it that connection, which it shares with everybody who needs one to the same host.
    pub(super) fn go_through(&mut self, ssh: Arc<Ssh>) {
        self.ssh = Some(ssh);
    }

    /// A client, its API version agreed with the engine. Safe to drop at any await.
    ///
    /// # Errors
    /// When there is no engine, or what answers is none.
    pub async fn client(&self) -> Result<Docker, SourceError> {
        let place = self.place.as_ref().map_err(Clone::clone)?;
        // The connection may have been lost since the last time; the local socket keeps its path.
        let forwarded = match (place, &self.ssh) {
            (Place::Ssh { socket, .. }, Some(ssh)) => Some(ssh.forward_unix(socket).await?),
            (Place::Unix(_) | Place::Tcp(_) | Place::Tls(..) | Place::Ssh { .. }, _) => None,
        };
        let connect = async {
            let docker = self.connect(place, forwarded.as_deref())?.with_timeout(GREETING);
            match docker.negotiate_version().await {
                Ok(agreed) => Ok(agreed.with_timeout(Duration::from_secs(ANSWER))),
                Err(error) => Err(self.understand("version", &error).await),
            }
        };
        self.docker.get_or_try_init(|| connect).await.cloned()
    }

    fn connect(&self, place: &Place, forwarded: Option<&Path>) -> Result<Docker, SourceError> {
        let unix = |path: &str| Docker::connect_with_unix(path, ANSWER, API_DEFAULT_VERSION);
        let made = match place {
            Place::Unix(path) => unix(path),
            Place::Tcp(address) => Docker::connect_with_http(address, ANSWER, API_DEFAULT_VERSION),
            Place::Tls(address, files) => return tls::client(address, files, ANSWER),
            Place::Ssh { .. } => unix(&forwarded.unwrap_or_else(|| Path::new("")).to_string_lossy()),
        };
        made.map_err(|error| self.explain("connection", &error))
    }

    /// As [`Self::explain`]; where an SSH connection lies between, it is asked too what it knows.
    pub async fn understand(&self, doing: &str, error: &Error) -> SourceError {
        let answered = matches!(
            error,
            Error::DockerResponseServerError { .. } | Error::JsonDataError { .. } | Error::RequestTimeoutError
        );
        if let (Some(ssh), Some(Place::Ssh { socket, .. }), false) = (&self.ssh, self.place(), answered)
            && let Some(told) = ssh.explain_forward(socket).await
        {
            return told;
        }
        self.explain(doing, error)
    }

    /// What an error of the client means, and how to mend it. `doing` is what was asked, as in "list of containers".
    pub fn explain(&self, doing: &str, error: &Error) -> SourceError {
        let host = self.host();
        if let Ok(Place::Tls(_, files)) = &self.place
            && let Some(told) = tls::explain(host, files, error)
        {
            return told;
        }
        match error {
            Error::SocketNotFoundError(_) => self.none("there is no such socket"),
            Error::RequestTimeoutError => SourceError::new(
                format!("the Docker engine at {host} does not answer: {doing}"),
                format!("it hangs: look at its log ({})", self.log()),
            ),
            Error::DockerResponseServerError { status_code, message } => self.refusal(doing, *status_code, message),
            Error::JsonDataError { message, .. } => not_docker(host, doing, message),
            Error::JsonSerdeError { err } => not_docker(host, doing, &err.to_string()),
            Error::APIVersionParseError {} => not_docker(host, doing, "it names no API version"),
            error => match cause::<std::io::Error>(error).map(std::io::Error::kind) {
                Some(ErrorKind::NotFound) => self.none("there is no such socket"),
                Some(ErrorKind::ConnectionRefused) => self.none("nothing listens there"),
                Some(ErrorKind::PermissionDenied) => SourceError::new(
                    format!("the Docker engine at {host} can't be asked: permission denied"),
                    "join the group docker (it is as good as root), or run quarterdeck as a user who may",
                ),
                _ => self.none(&root(error)),
            },
        }
    }

    fn none(&self, why: &str) -> SourceError {
        let what = format!("no Docker engine answers at {}: {why}", self.shown);
        let other = "or name another one as host in [docker.NAME] of the config";
        let start = match self.server() {
            None => "start it (systemctl start docker)".to_owned(),
            Some(server) => {
                format!("see whether {server} is up, and it runs and listens there (systemctl status docker)")
            }
        };
        SourceError::new(what, format!("{start}, {other}"))
    }

    /// The server that it runs on; `None`: this machine.
    fn server(&self) -> Option<&str> {
        self.server.as_deref().or_else(|| self.place()?.server())
    }

    fn log(&self) -> String {
        match self.server() {
            None => "journalctl -u docker".to_owned(),
            Some(server) => format!("journalctl -u docker on {server}"),
        }
    }

    /// What an answer with an error status means.
    fn refusal(&self, doing: &str, status: u16, message: &str) -> SourceError {
        let said: String = message.trim().chars().take(LONGEST_MESSAGE).collect();
        let hint = match status {
            400 if message.contains("HTTPS") => {
                "it speaks TLS: add tls = { ca = \"…\", cert = \"…\", key = \"…\" } beside host".to_owned()
            }
            401 | 403 => "what stands in front of it (a socket proxy, an authorization plugin) must allow GET on \
                 /version, /containers and /events"
                .to_owned(),
            404 => "is it really a Docker engine? check the host in the config".to_owned(),
            502..=504 => "the engine behind that proxy is down or starting".to_owned(),
            _ => format!("look at its log ({})", self.log()),
        };
        let colon = if said.is_empty() { "" } else { ": " };
        SourceError::new(format!("the Docker engine at {} answers {status} to {doing}{colon}{said}", self.shown), hint)
    }
}

fn not_docker(host: &str, doing: &str, why: &str) -> SourceError {
    SourceError::new(
        format!("{host} does not answer as a Docker engine does to {doing}: {why}"),
        "check the host in the config, or DOCKER_HOST",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_host_that_cannot_be_reached_is_told_at_once() {
        for host in ["/var/run/docker.sock", "https://h:2376", "tcp://"] {
            let error = Engine::new("game-1", Some(host)).err().unwrap();
            assert!(error.what.starts_with("[docker.game-1]: "), "{host}: {}", error.what);
        }
        for host in ["unix:///var/run/docker.sock", "tcp://h:2375", "ssh://ops@game-1"] {
            assert_eq!(Engine::new("a", Some(host)).unwrap().host(), host);
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_the_mend() {
        let engine = Engine::new("a", Some("unix:///nowhere/docker.sock")).unwrap();
        let error = engine.client().await.unwrap_err();
        assert_eq!(error.what, "no Docker engine answers at unix:///nowhere/docker.sock: there is no such socket");
        assert!(error.hint.starts_with("start it"));
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_told_from_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let engine = Engine::new("a", Some(&format!("unix://{}", path.display()))).unwrap();
        let error = engine.client().await.unwrap_err();
        assert!(error.what.ends_with("nothing listens there"), "{}", error.what);
        // A socket here may lead to an engine elsewhere.
        let host = format!("unix://{}", path.display());
        let engine = Engine::open("a", &Wanted { server: Some("game-1".into()), ..Wanted::at(&host) }).unwrap();
        let error = engine.client().await.unwrap_err();
        assert!(error.hint.starts_with("see whether game-1 is up"), "{}", error.hint);
    }
}
