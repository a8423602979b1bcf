//! The master connection: an `ssh` in the background, which ends by itself when nobody has used it for a while, whatever becomes
//! of this process.

use super::explain::{self, Place};
use crate::domain::SourceError;
use openssh::{ForwardType, Session, Socket};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Longest wait for a TCP connection and the server's greeting, in seconds.
pub(super) const CONNECT: u64 = 5;
/// A connection without a channel is closed after this many seconds. Also how long one is left behind when this process is
/// killed, so not long; making a new one costs some round trips.
const IDLE: u64 = 60;
/// After so many seconds of silence the server is asked for a sign of life, …
const ALIVE: u64 = 5;
/// … and after so many questions without an answer the connection is given up.
const ALIVE_COUNT: u64 = 3;
/// The local `ssh` answers at once, or it hangs.
const LOCAL: Duration = Duration::from_secs(1);
/// Read of a log, from its end: the reason is there.
const LOG_TAIL: usize = 8 << 10;

/// One living (or lately living) connection. Closed when dropped.
#[derive(Debug)]
pub(super) struct Master {
    /// Closes on drop too, but would wait for ever for an `ssh` that was stopped: see there.
    own: Option<Session>,
    /// For channels; closes nothing.
    session: Session,
    log: PathBuf,
    /// Where it went.
    target: String,
    /// Bytes of the log that were read for [`Self::news`].
    read: AtomicUsize,
    /// Remote sockets and ports that this connection forwards.
    forwards: Mutex<Vec<String>>,
}

impl Master {
    /// Sockets over there are reached through it.
    pub(super) async fn is_forwarding(&self) -> bool {
        !self.forwards.lock().await.is_empty()
    }

    /// Connects and logs in. When dropped on the way, the `ssh` is killed.
    pub(super) async fn start(place: &Place, folder: &Path) -> Result<Self, SourceError> {
        let own = tempfile::Builder::new().prefix("m").tempdir_in(folder).map_err(|why| explain::no_folder(&why))?;
        let log = own.path().join("log");
        let target = target(place).await;
        let mut ssh = command(place);
        ssh.args(["-M", "-N", "-f"]).arg("-S").arg(own.path().join("master")).arg("-E").arg(&log);
        ssh.arg("-o").arg(format!("ControlPersist={IDLE}s"));
        ssh.stderr(Stdio::null()).arg("--").arg(place.address.as_str());
        match ssh.status().await {
            Ok(status) if status.success() => {
                let own = Session::new_native_mux(own);
                let session = Session::resume_mux(own.control_socket().into(), None);
                Ok(Self { own: Some(own), session, log, target, read: AtomicUsize::new(0), forwards: Mutex::default() })
            }
            Ok(_) => {
                let log = tail(&log);
                let said = if explain::is_proxy_failure(&log) { words_of_proxy(place).await } else { String::new() };
                Err(explain::connect(place, &log, &said))
            }
            Err(why) => Err(explain::no_ssh(&why)),
        }
    }

    /// Whether the local `ssh` still holds the connection. That the host answers is not asked: `ServerAlive` sees to that.
    pub(super) async fn is_alive(&self) -> bool {
        matches!(timeout(LOCAL, self.session.check()).await, Ok(Ok(())))
    }

    /// Where it went when it was made.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// For channels.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The end of what `ssh` logged.
    pub(super) fn log(&self) -> String {
        tail(&self.log)
    }

    /// What `ssh` logged since this was last asked: what is older has another cause.
    pub(super) fn news(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let read = self.read.swap(bytes.len(), Ordering::Relaxed);
        String::from_utf8_lossy(bytes.get(read..).unwrap_or_default()).into_owned()
    }

    /// Makes `local` a way to `remote`, once: a socket's path over there, or `host:port` as seen from there.
    pub(super) async fn forward(&self, remote: &str, local: &Path) -> Result<(), openssh::Error> {
        let mut forwards = self.forwards.lock().await;
        if forwards.iter().any(|known| known == remote) {
            return Ok(());
        }
        // Left by an earlier connection; `ssh` would not bind over it.
        if let Err(why) = fs::remove_file(local)
            && why.kind() != io::ErrorKind::NotFound
        {
            return Err(openssh::Error::ChildIo(why));
        }
        let to = match remote.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) if !remote.starts_with('/') => Socket::TcpSocket { host: host.into(), port },
            _ => Socket::UnixSocket { path: Path::new(remote).into() },
        };
        let asked = self.session.request_port_forward(ForwardType::Local, local, to);
        timeout(LOCAL, asked).await.unwrap_or(Err(openssh::Error::Disconnected))?;
        forwards.push(remote.to_owned());
        Ok(())
    }

    /// Takes no more channels, and ends with the last one.
    pub(super) async fn stop(&self) {
        // Already gone is as good.
        let control = self.session.control_socket().into();
        let _ = timeout(LOCAL, Session::resume_mux(control, None).close()).await;
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let (done, ended) = std::sync::mpsc::channel();
        let own = self.own.take();
        let closing = move || {
            drop(own);
            let _ = done.send(());
        };
        // Without a thread (none is to be had) the closure is dropped here, and the session with it.
        let _ = std::thread::Builder::new().name("ssh-close".to_owned()).spawn(closing);
        let _ = ended.recv_timeout(LOCAL);
    }
}

/// Jump hosts behind each other that are followed.
const JUMPS: usize = 8;

/// Where an address leads by the config of `ssh` (`ssh -G`, see ssh(1)): `ops@10.0.0.4:22`, and through which jump hosts, each with where it is
/// itself. The address itself where that can't be told.
pub(super) async fn target(place: &Place) -> String {
    leads(place).await.0
}

/// The same; `None`: of the host or of a jump host it can't be told.
pub(super) async fn known_target(place: &Place) -> Option<String> {
    let (target, known) = leads(place).await;
    known.then_some(target)
}

async fn leads(place: &Place) -> (String, bool) {
    let first = Hop { host: place.address.as_str().to_owned(), port: None };
    let (mut all, mut next, mut known) = (Vec::new(), vec![first], true);
    while let Some(to) = next.pop().filter(|_| all.len() < JUMPS) {
        let told = config_of(place, &to).await.unwrap_or_default();
        if let Some(jump) = word(&told, "proxyjump") {
            next.extend(jump.split(',').map(Hop::read));
        }
        let target = target_of(&told);
        known &= target.is_some();
        all.push(target.unwrap_or_else(|| to.to_string()));
    }
    (all.join(", "), known)
}

/// A host as one writes it after `ssh`, without brackets, and its port where one is given.
#[derive(Debug, PartialEq, Eq)]
struct Hop {
    host: String,
    port: Option<u16>,
}

impl Hop {
    /// Of `ssh://ops@bastion:22`, or as `ssh` tells it: `ops@[10.0.0.9]:22`.
    fn read(text: &str) -> Self {
        let text = text.trim().trim_start_matches("ssh://");
        let is_whole = |host: &str| !host.contains(':') || host.ends_with(']');
        let split = text.rsplit_once(':').filter(|(host, _)| is_whole(host));
        let split = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = split.map_or((text, None), |(host, port)| (host, Some(port)));
        Self { host: host.replace(['[', ']'], ""), port }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(port) = self.port else { return f.write_str(&self.host) };
        let (user, host) =
            self.host.rsplit_once('@').map_or((None, self.host.as_str()), |(user, host)| (Some(user), host));
        user.map_or(Ok(()), |user| write!(f, "{user}@"))?;
        write!(f, "{}:{port}", bracketed(host))
    }
}

/// Only what holds colons itself stands in brackets.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Jump hosts as they are told: `ssh` puts every address in brackets.
fn jumps(text: &str) -> String {
    text.split(',').map(|text| Hop::read(text).to_string()).collect::<Vec<_>>().join(",")
}

async fn config_of(place: &Place, to: &Hop) -> Option<String> {
    let mut ssh = command(place);
    ssh.arg("-G").stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(port) = to.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.arg("--").arg(&to.host);
    let output = tokio::time::timeout(LOCAL, ssh.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn word<'a>(told: &'a str, key: &str) -> Option<&'a str> {
    let value = told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    value.map(str::trim).filter(|word| *word != "none")
}

fn target_of(told: &str) -> Option<String> {
    let word = |key| word(told, key);
    let host = word("hostname").map(bracketed)?;
    let by = word("proxyjump").map(jumps).or_else(|| word("proxycommand").map(str::to_owned));
    let through = by.map(|by| format!(" through {by}")).unwrap_or_default();
    Some(format!("{}@{host}:{}{through}", word("user")?, word("port")?))
}

/// What a jump host's `ssh` says. A master throws that away, so it is asked once more, without one.
async fn words_of_proxy(place: &Place) -> String {
    let mut ssh = command(place);
    ssh.args(["-S", "none", "-o", "ControlMaster=no"]).stderr(Stdio::piped());
    // Should it work this time, nothing is to be done there.
    let output = ssh.arg("--").arg(place.address.as_str()).arg("exit").output().await;
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The `ssh` that all ways have in common, still without an address.
fn command(place: &Place) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-n", "-T", "-a", "-x"]);
    for (key, value) in options() {
        ssh.arg("-o").arg(format!("{key}={value}"));
    }
    if let Some(config) = &place.config {
        ssh.arg("-F").arg(config);
    }
    // A jump host's ssh is not in batch mode, and would ask on our terminal.
    ssh.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "false");
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).kill_on_drop(true);
    ssh
}

/// What holds whatever the user's config says. Forwardings and commands of that config are for people, not for us.
fn options() -> Vec<(&'static str, String)> {
    let text = |text: &str| text.to_owned();
    vec![
        ("BatchMode", text("yes")),
        ("StrictHostKeyChecking", text("yes")),
        ("UpdateHostKeys", text("no")),
        ("ConnectTimeout", CONNECT.to_string()),
        ("ConnectionAttempts", text("1")),
        ("ServerAliveInterval", ALIVE.to_string()),
        ("ServerAliveCountMax", ALIVE_COUNT.to_string()),
        ("ClearAllForwardings", text("yes")),
        ("StreamLocalBindMask", text("0177")),
        ("PermitLocalCommand", text("no")),
        ("RemoteCommand", text("none")),
        ("LogLevel", text("INFO")),
    ]
}

fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_of_its_config_is_where_an_address_leads() {
        let told = "host web-1\nuser ops\nhostname 10.0.0.4\nport 2222\nproxyjump none\n";
        assert_eq!(target_of(told).as_deref(), Some("ops@10.0.0.4:2222"));
        let told = told.replace("10.0.0.4", "fe80::4").replace("proxyjump none", "proxyjump bastion");
        assert_eq!(target_of(&told).as_deref(), Some("ops@[fe80::4]:2222 through bastion"));
        assert_eq!(target_of("Bad configuration option"), None);
        let told = told.replace("jump bastion", "jump [127.0.0.9]:2299,me@[::1]");
        assert_eq!(target_of(&told).as_deref(), Some("ops@[fe80::4]:2222 through 127.0.0.9:2299,me@::1"));
        for (text, host, port) in [
            ("bastion", "bastion", None),
            ("ops@bastion:2222", "ops@bastion", Some(2222)),
            ("ssh://bastion:2222", "bastion", Some(2222)),
            ("ops@[fe80::1]:22", "ops@fe80::1", Some(22)),
            ("[127.0.0.9]:2299", "127.0.0.9", Some(2299)),
            ("[10.0.0.9]", "10.0.0.9", None),
            ("me@[fe80::1]", "me@fe80::1", None),
            ("fe80::1", "fe80::1", None),
        ] {
            assert_eq!(Hop::read(text), Hop { host: host.to_owned(), port }, "{text}");
        }
    }
}
