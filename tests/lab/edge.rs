//! A game's edge: load balancers with a real nginx, and a game server whose process is a unit, each on a host of its own.
//!
//! A host is an sshd in a mount namespace: where the machine has its `/etc/nginx`, `/run` and `systemctl`, it sees folders
//! and a program of its own. `systemctl` is a stand-in that really starts and ends the process of a unit. What the game
//! server tells and takes over HTTP is kept in this process: a drain, and players who leave one after the other.

use super::scripted::{Say, Scripted};
use super::service::{Service, folder, free_port, run_at_end};
use super::sshd::Sshd;
use super::{http, is_root, poll, program};
use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The unit of the game's process.
pub const UNIT: &str = "spacetime-game.service";
/// What the admin service wants to be told.
pub const TOKEN: &str = "canary-edge-71c40e";

const LIMIT: Duration = Duration::from_secs(30);
/// How many play when nobody drains, and how long it takes until the next one leaves.
const PLAYERS: u32 = 3;
const MATCH: Duration = Duration::from_millis(500);

/// Becomes what follows `--`, after it has made its own of what the folder `$1` holds, and of more folders, each with its place.
const OWN_VIEW: &str = r#"
mkdir -p "$1/run/sshd" "$1/nginx/edge"
mount --bind "$1/run" /run
mount --bind "$1/nginx" /etc/nginx
mount --bind "$1/systemctl" /usr/bin/systemctl
shift
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"
"#;

/// As much of it as a runbook asks for. The unit's command stands in `/run/UNIT.command`.
const SYSTEMCTL: &str = r#"#!/bin/sh
set -eu
for unit; do :; done
pid=/run/$unit.pid
# A process that nobody has waited for yet has ended all the same.
alive() { [ -e "$pid" ] && grep -q '^State:.[^ZX]' "/proc/$(cat "$pid")/status" 2>/dev/null; }
case $1 in
  start) alive || { setsid sh -c 'echo $$ > "$1"; exec $(cat "$2")' sh "$pid" "/run/$unit.command" >/dev/null 2>&1 </dev/null & }
         until alive; do sleep 0.02; done ;;
  stop) if alive; then kill "$(cat "$pid")"; fi
        while alive; do sleep 0.02; done ;;
  show) if alive; then echo active; else echo inactive; fi ;;
  *) exit 1 ;;
esac
"#;

/// A host with a view of its own.
#[derive(Debug)]
pub struct Host {
    /// Its way in.
    pub sshd: Sshd,
    home: PathBuf,
}

impl Host {
    fn start() -> Result<Self, String> {
        Self::with(&[])
    }

    /// One that has more folders of its own, each in the place of one that the machine has.
    pub fn with(folders: &[(&Path, &str)]) -> Result<Self, String> {
        if !is_root() {
            return Err("root, for hosts with folders of their own".to_owned());
        }
        if !["/etc/nginx", "/usr/bin/systemctl"].into_iter().all(|path| Path::new(path).exists()) {
            return Err("a machine with /etc/nginx and /usr/bin/systemctl (nginx, systemd)".to_owned());
        }
        let unshare = program(&["unshare"], &[]).ok_or("unshare is not installed (util-linux)")?;
        let allowed = Command::new(&unshare).args(["--mount", "true"]).output();
        if !allowed.is_ok_and(|done| done.status.success()) {
            return Err("a right to make mount namespaces".to_owned());
        }
        let home = folder("host");
        write(&home.join("systemctl"), SYSTEMCTL, 0o755)?;
        let words = ["--mount", "/bin/sh", "-euc", OWN_VIEW, "sh"].map(OsString::from);
        let wrapper = [unshare.into_os_string()].into_iter().chain(words).chain([home.clone().into_os_string()]);
        let more = folders.iter().flat_map(|(folder, place)| [folder.as_os_str().to_owned(), OsString::from(place)]);
        let sshd = Sshd::start_under(wrapper.chain(more).chain([OsString::from("--")]).collect(), "")?;
        Ok(Self { sshd, home })
    }

    /// What it has as `/etc/nginx` (`nginx`), as `/run` (`run`).
    pub fn folder(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A program that sees what the host sees.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--mount").arg("--target").arg(self.sshd.process().to_string()).arg(program);
        command
    }
}

/// A load balancer: its nginx has the game servers of `/etc/nginx/edge`.
#[derive(Debug)]
pub struct Balancer {
    /// Where it runs.
    pub host: Host,
    port: u16,
    _nginx: Service,
}

impl Balancer {
    /// Before these game servers: name and address. One without an address is known there, and not in use.
    pub fn start(games: &[(&str, Option<String>)]) -> Result<Self, String> {
        let program = program(&["nginx"], &[]).ok_or("nginx is not installed (nginx)")?;
        let (host, port) = (Host::start()?, free_port());
        let edge = host.home.join("nginx/edge");
        for (name, address) in games {
            let line = address.as_ref().map_or("# not yet\n".to_owned(), |address| format!("server {address};\n"));
            write(&edge.join(format!("{name}.conf")), &line, 0o644)?;
        }
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path /run/{of};"));
        let config = format!(
            "worker_processes 2; pid /run/nginx.pid; error_log /run/nginx-error.log;\nevents {{}}\n\
             http {{ access_log off; {} upstream game {{ include /etc/nginx/edge/*.conf; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://game; }} }} }}\n",
            temp.concat()
        );
        write(&host.home.join("nginx/nginx.conf"), &config, 0o644)?;
        let mut nginx = Service::start("edge-nginx-log", host.command(&program).args(["-g", "daemon off;"]))?;
        nginx.ready(LIMIT, || http::get(port, "/").is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { host, port, _nginx: nginx })
    }

    /// Which game servers so many players are sent to, who come one after the other; without repetition, in order of name.
    pub fn sends_to(&self, players: usize) -> Vec<String> {
        let mut names: Vec<String> =
            (0..players).map(|_| http::get(self.port, "/").expect("nginx answers").body.trim().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The process ids of the workers that take new connections.
    pub fn workers(&self) -> Vec<String> {
        let master = fs::read_to_string(self.host.home.join("run/nginx.pid")).expect("nginx runs");
        let found = Command::new("pgrep").args(["-P", master.trim(), "-f", "^nginx: worker process$"]).output();
        let text = String::from_utf8_lossy(&found.expect("pgrep runs").stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// What stands in the folder of its game servers.
    pub fn files(&self) -> Vec<String> {
        let found = fs::read_dir(self.host.home.join("nginx/edge")).expect("the folder is there");
        let mut names: Vec<String> =
            found.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[derive(Debug, Default)]
struct Drain {
    since: Option<Instant>,
}

impl Drain {
    fn players(&self) -> u32 {
        let left = self.since.map_or(0, |since| since.elapsed().as_millis() / MATCH.as_millis());
        PLAYERS.saturating_sub(u32::try_from(left).unwrap_or(PLAYERS))
    }

    fn take(&mut self, request: &str) -> Say {
        let line: Vec<&str> = request.split(' ').take(2).collect();
        let known = request.lines().any(|line| line.to_lowercase() == format!("authorization: bearer {TOKEN}"));
        let [verb, path] = line[..] else { return Say::Nothing };
        let path = path.split('?').next().unwrap_or_default();
        match (verb, path) {
            ("GET", "/metrics") => return Say::good(format!("spacetime_players {}\n", self.players())),
            _ if !known => return Say::Answer(401, b"{}".to_vec()),
            ("GET", "/admin/status") => {}
            ("POST", "/admin/drain") => self.since = self.since.or_else(|| Some(Instant::now())),
            ("DELETE", "/admin/drain") => self.since = None,
            _ => return Say::Answer(404, b"{}".to_vec()),
        }
        let (draining, players) = (self.since.is_some(), self.players());
        Say::good(format!("{{\"draining\": {draining}, \"players\": {players}, \"round\": 7}}"))
    }
}

/// A game server: a process that players reach, and its admin service.
#[derive(Debug)]
pub struct Game {
    /// What it is called.
    pub name: String,
    /// Its address on loopback, which no other one has.
    pub address: Ipv4Addr,
    /// Where players reach its process.
    pub port: u16,
    /// Where it is administered, and asked for its figures.
    pub admin: Scripted,
    /// Where it runs.
    pub host: Host,
    drain: Arc<Mutex<Drain>>,
}

impl Game {
    /// One that runs.
    pub fn start(name: &str) -> Result<Self, String> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let busybox = program(&["busybox"], &[]).ok_or("busybox is not installed (busybox-static)")?;
        let host = Host::start()?;
        let process = u8::try_from(std::process::id() % 250).expect("below 250");
        let address = Ipv4Addr::new(127, 78, process, NEXT.fetch_add(1, Ordering::Relaxed));
        let port = free_port();
        let (pages, run) = (host.home.join("pages"), host.home.join("run"));
        fs::create_dir(&pages).map_err(|why| why.to_string())?;
        write(&pages.join("index.html"), name, 0o644)?;
        let command = format!("{} httpd -f -p {address}:{port} -h {}", busybox.display(), pages.display());
        write(&run.join(format!("{UNIT}.command")), &command, 0o644)?;
        let drain = Arc::new(Mutex::new(Drain::default()));
        let theirs = Arc::clone(&drain);
        let admin =
            Scripted::start_whole(move |request| theirs.lock().unwrap_or_else(PoisonError::into_inner).take(request));
        let this = Self { name: name.to_owned(), address, port, admin, host, drain };
        run_at_end(&format!("kill $(cat '{}')", this.pid_file().display()));
        let started = this.systemctl("start").status().map_err(|why| why.to_string())?;
        let there = || std::net::TcpStream::connect((address, port)).ok();
        poll(LIMIT, there).filter(|_| started.success()).ok_or("the game's process does not start")?;
        Ok(this)
    }

    fn systemctl(&self, verb: &str) -> Command {
        let mut command = self.host.command(Path::new("/usr/bin/systemctl"));
        command.args([verb, UNIT]);
        command
    }

    fn pid_file(&self) -> PathBuf {
        self.host.home.join(format!("run/{UNIT}.pid"))
    }

    /// Whether players reach its process.
    pub fn runs(&self) -> bool {
        std::net::TcpStream::connect((self.address, self.port)).is_ok()
    }

    /// Whether it sends newcomers elsewhere, and how many play on it.
    pub fn state(&self) -> (bool, u32) {
        let drain = self.drain.lock().unwrap_or_else(PoisonError::into_inner);
        (drain.since.is_some(), drain.players())
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        // It leads a session of its own, so that nothing else ends it.
        let _ = self.systemctl("stop").status();
    }
}

/// Writes a file with its folders and its mode.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|why| format!("{}: {why}", path.display()))
}
