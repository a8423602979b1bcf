//! A private sshd on loopback, with a host key, a login key and a client's config of its own: nothing of the user's
//! `~/.ssh` is read or written.

use super::service::{Service, folder, free_port};
use super::{is_root, poll, program};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the client's config calls the server.
pub const HOST: &str = "box";

const LIMIT: Duration = Duration::from_secs(20);

/// A running server, and the files of its one client.
#[derive(Debug)]
pub struct Sshd {
    /// Its port on loopback.
    pub port: u16,
    home: PathBuf,
    /// The words that start it: the last is the program.
    program: Vec<OsString>,
    /// Where what runs there looks for programs first; empty: as anywhere.
    path: String,
    service: Option<Service>,
}

/// A server for this test alone.
pub fn own_sshd() -> Result<Sshd, String> {
    Sshd::start("")
}

impl Sshd {
    /// With more lines in its config.
    pub fn start(more: &str) -> Result<Self, String> {
        Self::start_under(Vec::new(), more)
    }

    /// What runs there finds programs by this `PATH`.
    pub fn start_finding(path: &str) -> Result<Self, String> {
        Self::begin(Vec::new(), "", path)
    }

    /// Started by another program (its words), which becomes the server.
    pub fn start_under(wrapper: Vec<OsString>, more: &str) -> Result<Self, String> {
        Self::begin(wrapper, more, "")
    }

    fn begin(wrapper: Vec<OsString>, more: &str, path: &str) -> Result<Self, String> {
        let program = program(&["sshd"], &[]).ok_or("sshd is not installed (openssh-server)")?;
        super::program(&["ssh"], &[]).ok_or("ssh is not installed (openssh-client)")?;
        if is_root() {
            // Where sshd locks up the part of it that talks to strangers.
            fs::create_dir_all("/run/sshd").map_err(|why| why.to_string())?;
        }
        let home = folder("sshd");
        for key in ["host_key", "other_key", "id"] {
            make_key(&home.join(key))?;
        }
        let program = wrapper.into_iter().chain([program.into_os_string()]).collect();
        let mut sshd = Self { port: free_port(), home, program, path: path.to_owned(), service: None };
        sshd.configure(more);
        sshd.trust();
        sshd.admit();
        sshd.client("");
        sshd.run()?;
        Ok(sshd)
    }

    fn configure(&self, more: &str) {
        let home = self.home.display();
        // The login's own start files must not take part: one that was cut off in a test before may leave a lock behind.
        // A second line of it would count for nothing.
        let path = if self.path.is_empty() { String::new() } else { format!(" PATH={}", self.path) };
        let text = format!(
            "SetEnv HOME={home}{path}\nPort {}\nListenAddress 127.0.0.1\nHostKey {home}/host_key\nAuthorizedKeysFile {home}/authorized_keys\n\
             PidFile none\nMaxStartups 200\nAcceptEnv QD_HOST\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\n{more}\n",
            self.port
        );
        self.write("sshd_config", &text);
    }

    /// Starts it again after [`Self::stop`].
    pub fn run(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(["-D", "-e", "-f"]).arg(self.home.join("sshd_config"));
        let mut service = Service::start("sshd-log", &mut command)?;
        let port = self.port;
        service.ready(LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        self.service = Some(service);
        Ok(())
    }

    /// Ends it, with all its connections.
    pub fn stop(&mut self) {
        self.end_sessions();
        self.service = None;
    }

    /// The client's config, for `ssh -F`.
    pub fn config(&self) -> PathBuf {
        self.home.join("ssh_config")
    }

    /// Writes the client's config anew, with more lines for [`HOST`] before the usual ones.
    pub fn client(&self, more: &str) {
        let (home, user) = (self.home.display(), user());
        let text = format!(
            "Host {HOST}\n  {more}\n  HostName 127.0.0.1\n  Port {}\n  User {user}\nHost *\n  IdentityFile {home}/id\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {home}/known_hosts\n  \
             GlobalKnownHostsFile /dev/null\n",
            self.port
        );
        self.write("ssh_config", &text);
    }

    /// Adds a block to the client's config.
    pub fn client_block(&self, block: &str) {
        let text = fs::read_to_string(self.config()).expect("the client's config");
        self.write("ssh_config", &format!("{text}\n{block}\n"));
    }

    /// Many hosts, which the client knows by these names: whatever runs on one finds its name in `QD_HOST`. Nothing listens where those are
    /// that are `dead`.
    pub fn many<'a>(&self, names: impl IntoIterator<Item = &'a str>, dead: &[&str]) {
        let (user, closed) = (user(), free_port());
        let blocks = names.into_iter().map(|name| {
            let port = if dead.contains(&name) { closed } else { self.port };
            format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  SetEnv QD_HOST={name}\n")
        });
        self.client_block(&blocks.collect::<String>());
    }

    /// The client knows the host key.
    pub fn trust(&self) {
        self.know(&format!("[127.0.0.1]:{}", self.port), "host_key");
    }

    /// The client knows another key for the host.
    pub fn distrust(&self) {
        self.know(&format!("[127.0.0.1]:{}", self.port), "other_key");
    }

    /// The client knows no key.
    pub fn forget(&self) {
        self.write("known_hosts", "");
    }

    fn know(&self, host: &str, key: &str) {
        let public = fs::read_to_string(self.home.join(format!("{key}.pub"))).expect("a public key");
        self.write("known_hosts", &format!("{host} {public}"));
    }

    /// The client's key opens the door.
    pub fn admit(&self) {
        fs::copy(self.home.join("id.pub"), self.home.join("authorized_keys")).expect("a copy of the key");
    }

    /// No key does.
    pub fn turn_away(&self) {
        self.write("authorized_keys", "");
    }

    /// Each login gets this program instead of a shell.
    pub fn force(&self, command: &str) {
        let public = fs::read_to_string(self.home.join("id.pub")).expect("a public key");
        self.write("authorized_keys", &format!("command=\"{command}\" {public}"));
    }

    /// Stops the listener and all connections with SIGSTOP: a machine that hangs.
    pub fn hang(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Kills the connections' processes: each client sees its connection end.
    /// Breaks every line to it. What runs at its other end goes on, as after a cable was pulled.
    pub fn break_lines(&self) {
        let of_sshd = |pid: &Pid| {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
            name.is_ok_and(|name| name.starts_with("sshd"))
        };
        for pid in descendants(self.pid()).into_iter().filter(of_sshd) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Ends all that runs there, and the lines to it.
    pub fn end_sessions(&self) {
        for pid in descendants(self.pid()) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn signal_all(&self, signal: Signal) {
        for pid in descendants(self.pid()).into_iter().chain([self.pid()]) {
            let _ = kill_process(pid, signal);
        }
    }

    /// The id of the process that listens.
    pub fn process(&self) -> i32 {
        self.pid().as_raw_nonzero().get()
    }

    fn pid(&self) -> Pid {
        self.service.as_ref().expect("it runs").pid()
    }

    /// The masters of this machine that were started with [`Self::config`].
    pub fn masters(&self) -> Vec<Pid> {
        let config = self.config();
        let needle = config.to_str().expect("a plain path");
        processes()
            .filter(|pid| command_line(*pid).is_some_and(|line| line.starts_with("ssh\0") && line.contains(needle)))
            .collect()
    }

    /// Waits until so many masters live.
    pub fn wait_masters(&self, count: usize) {
        let found = poll(LIMIT, || (self.masters().len() == count).then_some(()));
        assert!(found.is_some(), "{count} masters wanted, there are {:?}", self.masters());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.home.join(name), text).expect("a file in the lab's folder");
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if self.service.is_some() {
            self.resume();
            self.end_sessions();
        }
    }
}

/// The name of the user who runs the tests.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn make_key(path: &Path) -> Result<(), String> {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).stdin(Stdio::null());
    let status = keygen.status().map_err(|why| format!("ssh-keygen is not installed: {why}"))?;
    if status.success() { Ok(()) } else { Err(format!("ssh-keygen: {status}")) }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

fn command_line(pid: Pid) -> Option<String> {
    let bytes = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// All processes below one.
fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    Pid::from_raw(stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?)
}
