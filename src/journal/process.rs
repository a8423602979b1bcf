//! Who writes: the process and the person, as the operating system tells them; and whether such a process still lives.
//!
//! Never from environment variables, which anybody can set. A pid alone is no identity: pids are reused and start
//! again after a boot, so the start time and the boot's id go with it.

use crate::clock;
use crate::domain::record::Actor;
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

/// A process, told apart from every later one with the same pid. Stored in the data of `journal.open`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Version of quarterdeck.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since the boot (Linux: field 22 of `/proc/PID/stat`).
    pub started: Option<u64>,
    /// Id of the boot (Linux: `/proc/sys/kernel/random/boot_id`).
    pub boot: Option<String>,
    /// The pid namespace (Linux): the same pid in another one is another process.
    pub namespace: Option<String>,
    /// Milliseconds from the boot to the zero of its records' `mono_ms`: what processes of one boot measured is on one scale with it.
    pub booted_ms: Option<u64>,
}

impl Process {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid,
            started: start_time(pid),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned()),
            namespace: fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned()),
            booted_ms: u64::try_from(clock::booted().as_millis()).ok(),
        }
    }

    /// Whether it still runs, as far as this process can see. What cannot be told counts as alive: a run is then left
    /// to its owner.
    pub fn is_alive(&self) -> bool {
        self.is_alive_seen_from(&Self::this(), start_time, exists)
    }

    /// It ran here, on this boot and where this process sees it, and does not any more. Of a process of another machine nothing can be
    /// seen.
    pub fn ended_here(&self) -> bool {
        self.is_of(&Self::this()) && !self.is_alive()
    }

    fn is_of(&self, here: &Self) -> bool {
        self.boot.is_some() && self.boot == here.boot && self.namespace == here.namespace
    }

    fn is_alive_seen_from(
        &self,
        here: &Self,
        start_time: impl Fn(u32) -> Option<u64>,
        exists: impl Fn(u32) -> bool,
    ) -> bool {
        if self.pid == 0 {
            return true;
        }
        if let (Some(theirs), Some(ours)) = (&self.boot, &here.boot)
            && theirs != ours
        {
            return false;
        }
        if let (Some(theirs), Some(ours)) = (&self.namespace, &here.namespace)
            && theirs != ours
        {
            return true;
        }
        match (self.started, here.started) {
            (Some(started), Some(_)) => start_time(self.pid) == Some(started),
            (Some(_) | None, _) => exists(self.pid),
        }
    }
}

/// Start time of a running process, from `/proc`; `None` when it is gone, is a zombie, or there is no `/proc`.
fn start_time(pid: u32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of a `stat` line, unless the process is dead (states Z, X). The second field, the command in parentheses, may
/// hold spaces and parentheses itself. Source: proc(5).
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X" | "x")).then(|| fields.nth(18)?.parse().ok()).flatten()
}

/// Whether a process with this pid exists; one that may not be signalled does.
fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// The person at this process: login name and id from the user database, and the host's name.
pub fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = parse_passwd(&passwd, uid).or_else(ask_id).unwrap_or_else(|| format!("uid {uid}"));
    Actor { name, uid, host: sysinfo::System::host_name().unwrap_or_else(|_| "unknown host".to_owned()) }
}

fn parse_passwd(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// Users of a directory service are not in `/etc/passwd`; `id` asks the system's resolver.
fn ask_id() -> Option<String> {
    let output = Command::new("id").args(["-u", "-n"]).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::process::Stdio;

    /// A process that ended before this one started.
    pub(crate) fn gone() -> Process {
        Process { boot: Some("an earlier boot".into()), ..Process::this() }
    }

    #[test]
    fn a_killed_process_is_gone_even_as_a_zombie() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process { pid: child.id(), started: start_time(child.id()), ..Process::this() };
        assert!(process.is_alive());
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        // Its state can be asked only once it is dead, and it stays a zombie until it is waited for.
        let dead = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), dead).unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
        assert!(!process.is_alive());
    }

    #[test]
    fn identity_is_more_than_a_pid() {
        let here = Process {
            pid: 10,
            started: Some(5),
            boot: Some("b".into()),
            namespace: Some("n".into()),
            ..Process::default()
        };
        let alive = |process: &Process| process.is_alive_seen_from(&here, |pid| (pid == 10).then_some(5), |_| true);
        assert!(alive(&here));
        assert!(!alive(&Process { started: Some(4), ..here.clone() }), "the pid was reused");
        assert!(!alive(&Process { pid: 11, ..here.clone() }), "no such pid");
        assert!(!alive(&Process { boot: Some("a".into()), ..here.clone() }), "before the boot");
        assert!(alive(&Process { namespace: Some("m".into()), pid: 11, ..here.clone() }), "out of sight");
        assert!(alive(&Process::default()), "nothing is known");
        let no_proc = Process { started: None, ..here };
        assert!(!no_proc.is_alive_seen_from(&no_proc, |_| None, |_| false));
    }

    #[test]
    fn nothing_is_seen_of_a_process_of_another_machine() {
        let here = Process::this();
        assert!(!here.ended_here(), "it lives");
        let ended = Process { started: Some(1), ..here.clone() };
        assert!(ended.ended_here());
        assert!(!Process { boot: Some("elsewhere".into()), ..ended.clone() }.ended_here());
        assert!(!Process { namespace: Some("elsewhere".into()), ..ended.clone() }.ended_here());
        assert!(!Process { boot: None, ..ended }.ended_here());
    }

    #[test]
    fn stat_with_an_ugly_command_is_read() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(stat), Some(4242));
        assert_eq!(parse_stat(&stat.replace(" S ", " Z ")), None);
        assert_eq!(start_time(std::process::id()), Process::this().started);
    }

    #[test]
    fn the_actor_comes_from_the_user_database() {
        assert_eq!(parse_passwd("root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n", 1000).as_deref(), Some("ann"));
        assert_eq!(parse_passwd("root:x:0:0::/:/bin/sh\n", 1), None);
        assert_eq!(Some(actor().name), ask_id());
    }
}
