//! Processes and folders that never outlive the test process, however it ends.
//!
//! A guard process holds the other end of a pipe. When this process is gone (a clean end, a panic, Ctrl-C, `kill -9`)
//! the pipe closes, and the guard ends what is on its list and removes the folder. A parent-death signal would not do:
//! the kernel sends it when the *thread* that started the child ends, and each test has a thread of its own.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where [`free_port`] looks.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The start of the name of every folder that a lab makes.
const FOLDER: &str = "qd-lab.";

/// Reads its list from standard input, acts when that ends. `$1` is the folder to remove.
const GUARD: &str = r#"
trap '' INT HUP TERM QUIT
groups=; last=
while read -r verb what; do
  case $verb in
    group) groups="$groups $what" ;;
    forget) kept=; for g in $groups; do [ "$g" = "$what" ] || kept="$kept $g"; done; groups=$kept ;;
    run) last="$last
$what" ;;
  esac
done
eval "$last"
for g in $groups; do kill -TERM "-$g"; done
left=100
while [ "$left" -gt 0 ]; do
  alive=
  for g in $groups; do if kill -0 "-$g"; then alive="$alive $g"; fi; done
  [ -n "$alive" ] || break
  left=$((left - 1)); sleep 0.1
done
for g in $alive; do kill -KILL "-$g"; done
rm -rf "$1"
"#;

struct Lab {
    folder: PathBuf,
    guard: Mutex<ChildStdin>,
}

static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let temp = short_temp();
    remove_dead_folders(&temp);
    let folder = temp.join(format!("{FOLDER}{}", owner()));
    fs::create_dir_all(&folder).expect("a folder for the lab");
    // Services under another user must be able to pass through.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).expect("permissions of the lab's folder");
    let guard = Mutex::new(start_guard(&folder));
    Lab { folder, guard }
});

fn start_guard(folder: &Path) -> ChildStdin {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "quarterdeck-lab-guard"]).arg(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("/bin/sh starts").stdin.expect("its input is a pipe")
}

/// The path of a Unix socket has room for about 100 bytes, so a long `TMPDIR` is not used.
fn short_temp() -> PathBuf {
    let temp = std::env::temp_dir();
    if temp.as_os_str().len() > 24 { PathBuf::from("/tmp") } else { temp }
}

fn remove_dead_folders(temp: &Path) {
    for entry in fs::read_dir(temp).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(|name| name.strip_prefix(FOLDER)).is_some_and(is_dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Adds a line to the guard's list. Also called while a failed test unwinds, so it does not panic: without a guard
/// (somebody killed it) services are still ended when dropped.
fn tell_guard(verb: &str, what: &str) {
    let line = format!("{verb} {what}\n");
    let mut guard = LAB.guard.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = guard.write_all(line.as_bytes()) {
        eprintln!("the lab's guard is gone: {why}");
    }
}

/// A shell command that shall run when this process is gone, before its services are ended.
pub fn run_at_end(command: &str) {
    assert!(!command.contains('\n'), "one line");
    tell_guard("run", command);
}

/// A new folder inside the lab's own, removed when this process is gone.
pub fn folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(name).tempdir_in(&LAB.folder).expect("a folder in the lab's").keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("permissions of a folder in the lab's");
    folder
}

/// Who made something: boot, process-id namespace, process id and its start time, so that a later process can tell
/// whether the maker is dead.
pub fn owner() -> String {
    let pid = std::process::id();
    format!("{}.{pid}.{}", place(), start_time(pid).unwrap_or_default())
}

/// Whether the maker named by [`owner`] is surely dead. One from another boot is; one from another namespace can't be
/// judged from here.
pub fn is_dead(owner: &str) -> bool {
    let parts: Vec<&str> = owner.split('.').collect();
    let [boot, namespace, pid, start] = parts[..] else { return false };
    let place = place();
    let Some((this_boot, this_namespace)) = place.split_once('.') else { return false };
    let same_process = || pid.parse().ok().and_then(start_time).is_some_and(|now| now == start);
    boot != this_boot || (namespace == this_namespace && !same_process())
}

fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{}.{digits}", boot.get(..8).unwrap_or("unknown"))
}

/// Field 22 of `/proc/PID/stat`, in clock ticks since boot.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// A TCP port on loopback that is free and is handed out once by this process. It lies below those that the kernel
/// gives to whoever asks for any port, so nobody gets it by chance before the service takes it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() * 37;
    let mut ports = std::iter::repeat_with(|| {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        PORTS.start + u16::try_from((start + step) % u32::from(PORTS.end - PORTS.start)).expect("a port is 16 bits")
    });
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(PORTS.len()).find(is_free).expect("loopback has a free port")
}

/// A running service: ended when dropped, or by the guard.
#[derive(Debug)]
pub struct Service {
    name: String,
    child: Child,
    /// What it prints.
    pub log: PathBuf,
    ends_by: Signal,
}

impl Service {
    /// Starts `command` in a process group of its own, with its output in a file.
    pub fn start(name: &str, command: &mut Command) -> Result<Self, String> {
        let log = folder(name).join("log");
        let out = File::create(&log).map_err(|why| format!("{name} has no log: {why}"))?;
        let err = out.try_clone().map_err(|why| format!("{name} has no log: {why}"))?;
        command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(|why| format!("{name} did not start: {why}"))?;
        tell_guard("group", &child.id().to_string());
        Ok(Self { name: name.to_owned(), child, log, ends_by: Signal::TERM })
    }

    /// The signal that ends it fast; SIGTERM when not said.
    #[must_use]
    pub fn ends_by(mut self, signal: Signal) -> Self {
        self.ends_by = signal;
        self
    }

    /// Waits until `probe` holds; an error with the end of the log when it exits or takes longer than `limit`.
    pub fn ready(&mut self, limit: Duration, mut probe: impl FnMut() -> bool) -> Result<(), String> {
        let end = Instant::now() + limit;
        while !probe() {
            let exited = self.child.try_wait().ok().flatten();
            if exited.is_some() || Instant::now() >= end {
                let what = exited.map_or_else(|| format!("is not ready after {limit:?}"), |status| status.to_string());
                return Err(format!("{} {what}; its log ends: {}", self.name, self.log_tail()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(600)..]).trim().replace('\n', " | ")
    }

    /// Its process id, which is also its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = kill_process(self.pid(), self.ends_by);
        let ended = super::poll(Duration::from_secs(5), || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
        tell_guard("forget", &self.child.id().to_string());
    }
}
