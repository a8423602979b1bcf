//! The processes of a server, read when somebody looks: from this machine's `/proc`, or over SSH.
//!
//! Not a source: nothing is polled. Both ways gather the same texts of `/proc`, and one reader makes processes of them. Command
//! lines hold secrets: none leaves here unhidden.

mod here;
mod there;

use crate::connect::Connections;
use crate::domain::{Process, Processes, SourceError, SourceId};
use crate::redact::Redactor;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// The kernel's ticks a second, as it tells them to programs: 100 on every machine that runs Linux today.
const TICKS: u64 = 100;
/// Processes read at most.
const MOST: usize = 4000;
/// Bytes read of a command line.
const LONGEST: usize = 1024;
/// Longest text that can be one process's `stat`; more than that is none.
const LONGEST_STAT: usize = 600;

/// The processes of the server that a source asks.
///
/// # Errors
/// When the source is of a kind that can't read them, or its machine does not answer.
pub async fn of(connections: &Connections, source: &SourceId) -> Result<Processes, SourceError> {
    let redactor = connections.redactor();
    match source.kind() {
        "local" => here::read(redactor).await,
        "ssh" => there::read(connections.need_ssh(source.name())?, redactor).await,
        kind => Err(SourceError::new(
            format!("{kind} does not tell the processes of a server"),
            "give the server `ssh` in the config: they are read over SSH",
        )),
    }
}

/// What a process's `stat` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    name: String,
    state: char,
    parent: i32,
    /// User and system time, in ticks.
    used: u64,
    threads: u32,
    /// In ticks since the machine's start.
    started: u64,
}

/// `PID (NAME) STATE PARENT …`. A name may hold anything, brackets and line breaks too: it ends at the last bracket.
fn stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(')')?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.trim().parse().ok().filter(|pid| *pid > 0)?,
        name: name.to_owned(),
        state: words.first()?.chars().next()?,
        parent: words.get(1)?.parse().ok()?,
        used: number(11)?.saturating_add(number(12)?),
        threads: u32::try_from(number(17)?).unwrap_or(u32::MAX),
        started: number(19)?,
    })
}

/// What is gathered of all processes.
#[derive(Debug, Default)]
struct Gathered {
    stats: Vec<Stat>,
    /// Real user, by pid.
    users: HashMap<i32, u32>,
    /// Resident bytes, by pid.
    memory: HashMap<i32, u64>,
    /// Command lines without secrets, by pid; `None`: two claim to be its, so that neither is believed.
    commands: HashMap<i32, Option<String>>,
}

impl Gathered {
    /// A line of `status`, which is `Uid:` or `VmRSS:` and its values.
    fn status(&mut self, pid: i32, line: &str) {
        let Some((name, values)) = line.split_once(':') else { return };
        let Some(first) = values.split_ascii_whitespace().next() else { return };
        match name {
            "Uid" => self.users.extend(first.parse().ok().map(|user| (pid, user))),
            "VmRSS" => self.memory.extend(first.parse().ok().map(|kib: u64| (pid, kib.saturating_mul(1024)))),
            _ => {}
        }
    }

    /// A `cmdline`: arguments that end with a zero byte each. Empty: it has none.
    fn command(&mut self, pid: i32, bytes: &[u8], redactor: &Redactor) {
        let command = command(bytes, redactor);
        let twice = self.commands.contains_key(&pid);
        self.commands.insert(pid, command.filter(|_| !twice));
    }

    /// All that can be said. `names` is an `/etc/passwd`.
    fn processes(self, at: Duration, names: &str) -> Processes {
        let names: BTreeMap<u32, &str> = names.lines().filter_map(user).collect();
        let mut seen = HashSet::new();
        let Self { stats, users, memory, mut commands } = self;
        let list: Vec<Process> = stats
            .into_iter()
            .filter(|stat| seen.insert(stat.pid))
            .map(|stat| {
                let user = users.get(&stat.pid);
                let user = user.map(|id| names.get(id).map_or_else(|| id.to_string(), |name| (*name).to_owned()));
                let ticks = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000 / TICKS));
                Process {
                    pid: stat.pid,
                    started: stat.started,
                    parent: stat.parent,
                    name: stat.name,
                    user: user.unwrap_or_default(),
                    state: stat.state,
                    cpu_time: ticks(stat.used),
                    cpu: None,
                    memory: memory.get(&stat.pid).copied(),
                    threads: stat.threads,
                    age: at.saturating_sub(ticks(stat.started)),
                    command: commands.remove(&stat.pid).flatten(),
                }
            })
            .collect();
        let notes = hidden(&list).into_iter().collect();
        Processes { at, total: list.len(), list, notes, ..Processes::default() }
    }
}

/// Where only one's own processes are seen, nobody sees the first one.
fn hidden(list: &[Process]) -> Option<String> {
    let first = list.iter().any(|process| process.pid == 1);
    let why = "only the processes of the user who asks are seen: /proc is mounted there with hidepid";
    (!first).then(|| why.to_owned())
}

/// `name:x:1000:…` of `/etc/passwd`.
fn user(line: &str) -> Option<(u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    Some((fields.nth(1)?.parse().ok()?, name))
}

/// What was typed, without secrets. Of one that was cut off the last argument is left out: half a secret is not known as one.
fn command(bytes: &[u8], redactor: &Redactor) -> Option<String> {
    let cut = bytes.len() >= LONGEST;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let mut args: Vec<&str> = text.trim_end_matches(['\0', ' ']).split('\0').collect();
    if cut && args.len() > 1 {
        args.pop();
    } else if let (true, Some(only)) = (cut, args.first_mut()) {
        *only = only.rsplit_once(char::is_whitespace).map_or("", |(whole, _)| whole);
    }
    let mut command = redactor.argv(&args);
    command.push_str(if cut { " …" } else { "" });
    (!command.is_empty()).then_some(command)
}

#[cfg(test)]
mod tests;
