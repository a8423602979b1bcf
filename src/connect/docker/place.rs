//! Where a Docker engine is: what the config, the environment or a Docker context says, checked.
//!
//! The order is that of the `docker` command: a configured host or context, else `DOCKER_HOST`, else the context that
//! `DOCKER_CONTEXT` or Docker's own config names, else the usual socket. Nothing here connects.

use super::context;
use super::tls::Files;
use crate::connect::ssh::Address;
use crate::domain::SourceError;
use std::fmt;
use std::path::PathBuf;

/// Where an engine is when nobody says.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Where an engine's socket usually is, also on another machine.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// What a config says about where an engine is. All absent: the environment decides.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `unix:///path`, `tcp://host:port` or `ssh://user@host`.
    pub host: Option<String>,
    /// A context of the `docker` command.
    pub context: Option<String>,
    /// With which certificates `tcp://` is spoken to; absent: plain.
    pub tls: Option<Files>,
    /// A config of `ssh` other than `~/.ssh/config`, for `ssh://`.
    pub ssh_config: Option<PathBuf>,
    /// The server that it runs on, where that is not the host that the address names.
    pub server: Option<String>,
}

impl Wanted {
    /// At this host, without TLS.
    pub fn at(host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..Self::default() }
    }
}

/// A checked address of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A socket of this machine, its path.
    Unix(String),
    /// Plain TCP, `host:port`.
    Tcp(String),
    /// TCP with TLS, `host:port`.
    Tls(String, Files),
    /// A socket of another machine, through SSH.
    Ssh {
        /// Where, and as whom.
        address: Address,
        /// The path of the engine's socket over there.
        socket: String,
    },
}

impl Place {
    /// The host that the address names; `None` for a socket of this machine.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(address) | Self::Tls(address, _) => Some(without_port(address)),
            Self::Ssh { address, .. } => Some(address.host()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
            Self::Ssh { address, socket } => {
                let path = if socket == USUAL_SOCKET { "" } else { socket };
                write!(f, "ssh://{}{path}", address.as_str().trim_start_matches("ssh://"))
            }
        }
    }
}

/// `[::1]:2376` and `::1` without brackets and port.
fn without_port(address: &str) -> &str {
    if let Some((host, _)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Who said where an engine is: a mistake is told with it.
enum By<'a> {
    Config(&'a str),
    Environment,
    Context(&'a str),
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(name) => write!(f, "[docker.{name}]"),
            Self::Environment => write!(f, "DOCKER_HOST"),
            Self::Context(name) => write!(f, "the Docker context {name:?}"),
        }
    }
}

/// Where the engine `[docker.NAME]` is. `env` reads one environment variable, which is never empty.
///
/// # Errors
/// When it is nowhere that can be reached, with the place that says so.
pub(super) fn resolve(name: &str, wanted: &Wanted, env: &Env<'_>) -> Result<Place, SourceError> {
    let by = By::Config(name);
    match (&wanted.host, &wanted.context, &wanted.tls) {
        (Some(_), Some(_), _) => Err(refused(&by, "host and context are both given", "take one of them out")),
        (None, _, Some(_)) => Err(refused(&by, "tls needs a host", "write host = \"tcp://host:2376\" beside it")),
        (Some(host), None, tls) => check(&by, host, tls.clone()),
        (None, Some(context), None) => of_context(context, env),
        (None, None, None) => of_environment(env),
    }
}

/// Reads one variable of the environment.
pub(super) type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn of_environment(env: &Env<'_>) -> Result<Place, SourceError> {
    if let Some(host) = env("DOCKER_HOST") {
        let tls = env("DOCKER_TLS_VERIFY").filter(|_| host.starts_with("tcp://")).map(|_| {
            let folder = env("DOCKER_CERT_PATH").map_or_else(|| context::folder(env), PathBuf::from);
            Files::in_folder(&folder)
        });
        return check(&By::Environment, &host, tls);
    }
    match context::current(env) {
        Some(context) => of_context(&context, env),
        None => check(&By::Environment, DEFAULT_HOST, None),
    }
}

fn of_context(name: &str, env: &Env<'_>) -> Result<Place, SourceError> {
    if name == "default" {
        return check(&By::Context(name), DEFAULT_HOST, None);
    }
    let context = context::read(name, env)?;
    check(&By::Context(name), &context.host, context.tls)
}

fn check(by: &By<'_>, host: &str, tls: Option<Files>) -> Result<Place, SourceError> {
    let forms = "write unix:///path/to/docker.sock, tcp://host:port or ssh://user@host";
    let Some((scheme, rest)) = host.split_once("://") else {
        return Err(refused(by, &format!("{host:?} is no engine's address"), forms));
    };
    match (scheme, tls) {
        ("unix" | "ssh", Some(_)) => Err(refused(by, &format!("{scheme}:// takes no tls"), "take tls out")),
        ("unix", None) if rest.starts_with('/') => Ok(Place::Unix(rest.to_owned())),
        ("unix", None) => Err(refused(by, &format!("{host:?} names no path from the root"), forms)),
        ("ssh", None) => ssh(by, rest),
        ("tcp" | "http" | "https", _) if rest.contains('@') => {
            Err(refused(by, "the address holds a login, and an engine takes none", "take it out"))
        }
        ("https", None) => Err(refused(
            by,
            "https:// needs certificates",
            "add tls = { ca = \"/path/ca.pem\", cert = \"/path/cert.pem\", key = \"/path/key.pem\" }",
        )),
        ("tcp" | "https", Some(files)) => {
            files.check().map_err(|why| refused(by, &why.0, &why.1))?;
            Ok(Place::Tls(address(by, rest, 2376)?, files))
        }
        ("tcp" | "http", None) => Ok(Place::Tcp(address(by, rest, 2375)?)),
        ("http", Some(_)) => Err(refused(by, "http:// takes no tls", "write tcp:// or https://")),
        _ => Err(refused(by, &format!("{host:?} is no engine's address"), forms)),
    }
}

/// `host:port`; a port that is missing is the usual one.
fn address(by: &By<'_>, rest: &str, usual: u16) -> Result<String, SourceError> {
    let rest = rest.trim_end_matches('/');
    let bad = |why: &str| Err(refused(by, why, "write tcp://host:port"));
    if rest.is_empty() || rest.contains(['/', '?', '#']) || rest.chars().any(char::is_whitespace) {
        return bad(&format!("{rest:?} is no host and port"));
    }
    let bare = rest.rsplit_once(']').map_or(rest, |(_, after)| after);
    match bare.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(rest.to_owned()),
        Some((_, port)) => bad(&format!("{port:?} is no port")),
        None => Ok(format!("{rest}:{usual}")),
    }
}

/// `user@host:port/path/of/socket`, of which all but the host may be missing.
fn ssh(by: &By<'_>, rest: &str) -> Result<Place, SourceError> {
    let (login, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let socket = if path.len() > 1 { path } else { USUAL_SOCKET };
    let address = Address::parse(&format!("ssh://{login}")).map_err(|bad| refused(by, &bad.what, &bad.hint))?;
    Ok(Place::Ssh { address, socket: socket.to_owned() })
}

pub(super) fn refused(by: impl fmt::Display, why: &str, mend: &str) -> SourceError {
    SourceError::new(format!("{by}: {why}"), mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    fn at(host: &str) -> Result<Place, SourceError> {
        resolve("game-1", &Wanted::at(host), &none)
    }

    #[test]
    fn addresses_are_read() {
        let tcp = |address: &str| Place::Tcp(address.to_owned());
        assert_eq!(at("unix:///run/docker.sock").unwrap(), Place::Unix("/run/docker.sock".into()));
        assert_eq!(at("tcp://h:2375").unwrap(), tcp("h:2375"));
        assert_eq!(at("http://h").unwrap(), tcp("h:2375"));
        assert_eq!(at("tcp://[::1]:1").unwrap().server(), Some("::1"));
        assert_eq!(at("tcp://[::1]").unwrap(), tcp("[::1]:2375"));
        let ssh = |address: &str, socket: &str| Place::Ssh {
            address: Address::parse(address).unwrap(),
            socket: socket.into(),
        };
        assert_eq!(at("ssh://ops@game-1").unwrap(), ssh("ops@game-1", "/var/run/docker.sock"));
        assert_eq!(at("ssh://game-1:2222/run/d.sock").unwrap(), ssh("ssh://game-1:2222", "/run/d.sock"));
        assert_eq!(at("ssh://ops@game-1:2222").unwrap().server(), Some("game-1"));
        for text in ["ssh://ops@game-1:2222", "ssh://game-1/run/d.sock"] {
            assert_eq!(at(text).unwrap().to_string(), text);
        }
        let files = Files { ca: "/c/ca.pem".into(), cert: None, key: None };
        let wanted = Wanted { tls: Some(files.clone()), ..Wanted::at("tcp://h") };
        assert_eq!(resolve("a", &wanted, &none).unwrap(), Place::Tls("h:2376".into(), files));
    }

    #[test]
    fn what_is_none_is_refused_with_its_place_and_the_mend() {
        for host in [
            "/var/run/docker.sock",
            "unix://docker.sock",
            "tcp://",
            "",
            "ftp://h",
            "tcp://h:x",
            "tcp://h:1/path",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://me:hunter2@h",
            "https://h:2376",
        ] {
            let error = at(host).unwrap_err();
            assert!(error.what.starts_with("[docker.game-1]: "), "{host}: {}", error.what);
            assert!(!error.hint.is_empty());
        }
        let error = at("tcp://me:hunter2@h:1").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let both = Wanted { context: Some("x".into()), ..Wanted::at("tcp://h") };
        assert!(resolve("a", &both, &none).unwrap_err().what.contains("host and context"));
    }

    #[test]
    fn the_environment_counts_and_never_means_plain_text_where_it_asks_for_tls() {
        let env = |tls: bool| {
            move |name: &str| match name {
                "DOCKER_HOST" => Some("tcp://h:2376".to_owned()),
                "DOCKER_TLS_VERIFY" if tls => Some("1".to_owned()),
                "DOCKER_CERT_PATH" => Some("/nowhere/certs".to_owned()),
                _ => None,
            }
        };
        let place = |tls| resolve("a", &Wanted::default(), &env(tls)).unwrap();
        assert_eq!(resolve("a", &Wanted::default(), &none).unwrap().to_string(), DEFAULT_HOST);
        assert_eq!(place(false), Place::Tcp("h:2376".into()));
        let Place::Tls(_, files) = place(true) else { panic!("plain text") };
        assert_eq!(files.ca, PathBuf::from("/nowhere/certs/ca.pem"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(host in "(unix|tcp|ssh|https?)://\\PC*|\\PC*") {
            if let Ok(place) = at(&host) {
                let _ = (place.to_string(), place.server());
            }
        }
    }
}
