//! The processes of another machine: one round trip, a script for any POSIX shell with coreutils or busybox.
//!
//! Command lines come last and with a limit: reading that of a process that is stuck in the kernel can hang, and then
//! everything else is still known.

use super::{Gathered, LONGEST, LONGEST_STAT, MOST, stat};
use crate::connect::Ssh;
use crate::connect::ssh::{Ended, Job, Output};
use crate::domain::{Processes, SourceError};
use crate::redact::Redactor;
use std::time::Duration;

/// What runs there.
const PROBE: &str = include_str!("probe.sh");
/// When it is given up, connecting included.
const LIMIT: Duration = Duration::from_secs(8);
/// Longest answer, in bytes: that of some ten thousand processes.
const MOST_BYTES: usize = 4 << 20;
/// What stands between the parts. Longer than the longest name of a process, which may hold line breaks: none can be taken for one.
const USERS: &str = "\n@@ users-and-memory\n";
const NAMES: &str = "\n@@ names-of-users\n";
const COMMANDS: &str = "\n@@ command-lines\n";
/// What the shell says after them.
const END: &str = "@@ status-of-command-lines ";
/// How `timeout` ends.
const KILLED: [&str; 3] = ["137", "124", "143"];

/// Reads them all.
///
/// # Errors
/// When the machine can't be reached, or what answers has no `/proc`.
pub(super) async fn read(ssh: &Ssh, redactor: &Redactor) -> Result<Processes, SourceError> {
    let (most, longest) = (MOST.to_string(), LONGEST.to_string());
    let args = [most.as_str(), longest.as_str()];
    let output = ssh.run(&Job::script(PROBE, &args, LIMIT).keep(MOST_BYTES)).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    understand(&text, redactor).ok_or_else(|| trouble(ssh, &output))
}

fn trouble(ssh: &Ssh, output: &Output) -> SourceError {
    let address = ssh.address();
    match output.ended {
        Ended::GivenUp => SourceError::new(
            format!("the server at {address} did not tell its processes within {} s", LIMIT.as_secs()),
            "it hangs or is overloaded: look at its console",
        ),
        Ended::Exit(_) | Ended::Killed => SourceError::new(
            format!("the server at {address} does not tell its processes"),
            "they are read from /proc, as Linux has it: see whether it is mounted there and the login has a shell",
        ),
    }
}

/// Reads an answer; `None` when it is none.
pub(super) fn understand(text: &str, redactor: &Redactor) -> Option<Processes> {
    let (rest, commands) = split(text, COMMANDS);
    let (rest, names) = split(rest, NAMES);
    let (rest, users) = split(rest, USERS);
    let (head, told) = rest.split_once("\n@@ stat\n")?;
    let heading = |name: &str| head.lines().find_map(|line| line.strip_prefix("@@ ")?.strip_prefix(name));
    let at: f64 = heading("uptime ")?.split_ascii_whitespace().next()?.parse().ok()?;
    let at = Duration::try_from_secs_f64(at).ok()?;
    let mut gathered = Gathered { stats: stats(told), ..Gathered::default() };
    for line in users.unwrap_or_default().lines() {
        if let Some((pid, line)) = line.split_once("/status:").and_then(|(pid, line)| Some((pid.parse().ok()?, line))) {
            gathered.status(pid, line);
        }
    }
    let hangs = commands.is_none_or(|commands| take_commands(&mut gathered, commands, redactor));
    let mut found = gathered.processes(at, names.unwrap_or_default());
    (!found.list.is_empty()).then_some(())?;
    found.boot = heading("boot ").map(|boot| boot.trim().to_owned());
    let total = heading("total ").and_then(|total| total.trim().parse().ok()).unwrap_or(0);
    found.total = found.list.len().max(if total > MOST { total } else { 0 });
    found.hangs = hangs;
    if hangs {
        let why = "not all command lines are known: reading one of them hangs, for a process is stuck in the kernel";
        found.notes.push(why.to_owned());
    }
    Some(found)
}

/// What stands before and after a heading; the latter only when it came.
fn split<'a>(text: &'a str, heading: &str) -> (&'a str, Option<&'a str>) {
    text.split_once(heading).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// The processes of several `stat`, one after the other. A name may hold line breaks: a line that is no whole one goes on in
/// the next.
fn stats(text: &str) -> Vec<super::Stat> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.split('\n') {
        open.push_str(if open.is_empty() { "" } else { "\n" });
        open.push_str(line);
        let read = stat(&open);
        if read.is_some() || open.len() > LONGEST_STAT {
            open.clear();
        }
        found.extend(read);
    }
    found
}

/// The command lines, each under the heading that `head` writes. Whether reading one hung.
fn take_commands(gathered: &mut Gathered, text: &str, redactor: &Redactor) -> bool {
    let (text, status) = text.rsplit_once(END).unwrap_or((text, "137"));
    let mut open: Option<(i32, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(next) = pid_of(line) {
            if let Some((pid, from)) = open.take() {
                gathered.command(pid, inside(text, from, at), redactor);
            }
            open = (next > 0).then_some((next, at + line.len()));
        }
        at += line.len();
    }
    if let Some((pid, from)) = open {
        gathered.command(pid, inside(text, from, at), redactor);
    }
    KILLED.contains(&status.trim())
}

/// What lies between two headings, without the line break that `head` writes before the second.
fn inside(text: &str, from: usize, to: usize) -> &[u8] {
    let bytes = &text.as_bytes()[from..to];
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// `==> /proc/PID/cmdline <==`; the last heading is of no process: zero.
fn pid_of(line: &str) -> Option<i32> {
    let path = line.strip_suffix('\n')?.strip_prefix("==> ")?.strip_suffix(" <==")?;
    if path == "/dev/null" {
        return Some(0);
    }
    path.strip_prefix("/proc/")?.strip_suffix("/cmdline")?.parse().ok()
}
