//! Docker engines: where one is, the client for it, and what its failures mean.
//!
//! Reached are `unix://` sockets and plain `tcp://` or `http://`. Not supported now, and said so: `https://` and
//! `DOCKER_TLS_VERIFY` (no certificates are sent), and `ssh://`.

use super::{cause, root};
use crate::domain::SourceError;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where an engine is when neither the config nor `DOCKER_HOST` says.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Longest wait for the head of an answer, in seconds. Long, because stopping a container answers when it has stopped;
/// callers put their own limit around a request.
const ANSWER: u64 = 600;
/// Longest wait for the first answer of all, the engine's version: shorter than a poll, so that a hang is told as one.
const GREETING: Duration = Duration::from_secs(3);

/// One configured engine. Connects at the first use; every request takes a connection of its own, so an engine that
/// was restarted is reached again without further ado.
pub struct Engine {
    name: String,
    host: Result<String, SourceError>,
    docker: OnceCell<Docker>,
}

impl Engine {
    /// The engine `name`, at the configured host, else at `DOCKER_HOST`, else at [`DEFAULT_HOST`].
    ///
    /// # Errors
    /// When the configured host is none that can be reached. A `DOCKER_HOST` that can't is told at the first use: it is
    /// the environment's fault, not the config's.
    pub fn new(name: &str, configured: Option<&str>) -> Result<Self, SourceError> {
        let host = match configured {
            Some(host) => {
                Ok(check_host(host).map_err(|why| unsupported(&format!("[docker.{name}]"), &why))?.to_owned())
            }
            None => host_of_environment(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        };
        Ok(Self { name: name.to_owned(), host, docker: OnceCell::new() })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, as in `unix:///var/run/docker.sock`.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("DOCKER_HOST")
    }

    /// A client, its API version agreed with the engine. Safe to drop at any await.
    ///
    /// # Errors
    /// When there is no engine, or what answers is none.
    pub async fn client(&self) -> Result<Docker, SourceError> {
        let host = self.host.as_deref().map_err(Clone::clone)?;
        let connect = async {
            let docker = connect(host)?.with_timeout(GREETING);
            docker.negotiate_version().await.map(|docker| docker.with_timeout(Duration::from_secs(ANSWER)))
        };
        let docker = self.docker.get_or_try_init(|| connect).await;
        docker.cloned().map_err(|error| self.explain("version", &error))
    }

    /// What an error of the client means, and how to mend it. `doing` is what was asked, as in "list of containers".
    pub fn explain(&self, doing: &str, error: &Error) -> SourceError {
        let host = self.host();
        let other = "or name another one as host in [docker.NAME] of the config";
        let none = |why: &str| {
            let what = format!("no Docker engine answers at {host}: {why}");
            SourceError::new(what, format!("start it (systemctl start docker), {other}"))
        };
        match error {
            Error::SocketNotFoundError(_) => none("there is no such socket"),
            Error::RequestTimeoutError => SourceError::new(
                format!("the Docker engine at {host} does not answer: {doing}"),
                "it hangs: look at its log (journalctl -u docker)",
            ),
            Error::DockerResponseServerError { status_code, message } => SourceError::new(
                format!("the Docker engine at {host} answers {status_code} to {doing}: {message}"),
                "look at its log (journalctl -u docker)",
            ),
            Error::JsonDataError { message, .. } => not_docker(host, doing, message),
            Error::JsonSerdeError { err } => not_docker(host, doing, &err.to_string()),
            Error::APIVersionParseError {} => not_docker(host, doing, "it names no API version"),
            error => match cause::<std::io::Error>(error).map(std::io::Error::kind) {
                Some(ErrorKind::NotFound) => none("there is no such socket"),
                Some(ErrorKind::ConnectionRefused) => none("nothing listens there"),
                Some(ErrorKind::PermissionDenied) => SourceError::new(
                    format!("the Docker engine at {host} can't be asked: permission denied"),
                    "join the group docker (it is as good as root), or run quarterdeck as a user who may",
                ),
                _ => none(&root(error)),
            },
        }
    }
}

fn connect(host: &str) -> Result<Docker, Error> {
    if host.starts_with("unix://") {
        Docker::connect_with_unix(host, ANSWER, API_DEFAULT_VERSION)
    } else {
        Docker::connect_with_http(host, ANSWER, API_DEFAULT_VERSION)
    }
}

fn not_docker(host: &str, doing: &str, why: &str) -> SourceError {
    SourceError::new(
        format!("{host} does not answer as a Docker engine does to {doing}: {why}"),
        "check the host in the config, or DOCKER_HOST",
    )
}

fn host_of_environment(env: impl Fn(&str) -> Option<String>) -> Result<String, SourceError> {
    let Some(host) = env("DOCKER_HOST") else { return Ok(DEFAULT_HOST.to_owned()) };
    let checked = check_host(&host).map(str::to_owned).map_err(|why| unsupported("DOCKER_HOST", &why))?;
    if !checked.starts_with("unix://") && env("DOCKER_TLS_VERIFY").is_some() {
        return Err(unsupported("DOCKER_HOST", "DOCKER_TLS_VERIFY asks for TLS"));
    }
    Ok(checked)
}

/// Whether a host is one that can be reached, else one phrase about why not.
fn check_host(host: &str) -> Result<&str, String> {
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(host),
        Some(("unix", _)) => Err(format!("{host:?} names no path from the root")),
        Some(("tcp" | "http", rest)) if rest.contains('@') => Err("a login in the address".to_owned()),
        Some(("tcp" | "http", rest)) if !rest.is_empty() => Ok(host),
        Some(("https", _)) => Err("TLS to an engine".to_owned()),
        Some(("ssh", _)) => Err("ssh:// to an engine".to_owned()),
        _ => Err(format!("{host:?} is no engine's address")),
    }
}

fn unsupported(place: &str, why: &str) -> SourceError {
    SourceError::new(
        format!("{place}: {why} is not supported"),
        "write unix:///path/to/docker.sock or tcp://host:port; for an engine elsewhere forward its socket first: \
         ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock user@host",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_cannot_be_reached_are_refused_with_a_way_out() {
        for host in ["ssh://ops@game-1", "https://h:2376", "/var/run/docker.sock", "unix://docker.sock", "tcp://", ""] {
            let error = Engine::new("game-1", Some(host)).err().unwrap();
            assert!(error.what.starts_with("[docker.game-1]: "), "{host}: {}", error.what);
            assert!(error.hint.contains("forward its socket"), "{host}");
        }
        for host in ["unix:///var/run/docker.sock", "tcp://h:2375", "http://h:2375"] {
            assert_eq!(Engine::new("a", Some(host)).unwrap().host(), host);
        }
    }

    #[test]
    fn the_environment_counts_and_never_means_plain_text_where_it_asks_for_tls() {
        let env = |tls: bool| {
            move |name: &str| match name {
                "DOCKER_HOST" => Some("tcp://h:2376".to_owned()),
                "DOCKER_TLS_VERIFY" if tls => Some("1".to_owned()),
                _ => None,
            }
        };
        assert_eq!(host_of_environment(|_| None).unwrap(), DEFAULT_HOST);
        assert_eq!(host_of_environment(env(false)).unwrap(), "tcp://h:2376");
        assert!(host_of_environment(env(true)).unwrap_err().what.contains("DOCKER_TLS_VERIFY"));
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
    }
}
