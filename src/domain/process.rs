//! Processes of a server, in the terms of `/proc`.

use super::Severity;
use std::collections::HashMap;
use std::time::Duration;

/// Two readings that are closer than this tell no CPU figure: the kernel counts in hundredths of a second.
const SHORTEST: Duration = Duration::from_millis(200);

/// One process. Its pid is used again after its end: with its start it is an identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// When it began, in hundredths of a second since the machine's start (field 22 of `stat`).
    pub started: u64,
    /// Its parent's process id.
    pub parent: i32,
    /// What the kernel calls it (`comm`), 15 bytes at most.
    pub name: String,
    /// Whose it is: a name, or a number that has none.
    pub user: String,
    /// The letter of its state: R runs or wants to, S sleeps, D waits for a disk and can't be killed, Z ended and nobody asked
    /// how, T is stopped, I is an idle kernel thread.
    pub state: char,
    /// CPU time that it used since it began.
    pub cpu_time: Duration,
    /// CPU in use, 1.0 = one whole core, between two readings; `None` after the first.
    pub cpu: Option<f64>,
    /// Resident memory in bytes (`VmRSS`); kernel threads and zombies have none.
    pub memory: Option<u64>,
    /// Threads.
    pub threads: u32,
    /// How long it has been there.
    pub age: Duration,
    /// Its command line without secrets; `None`: it has none (a kernel thread, a zombie), or it could not be read.
    pub command: Option<String>,
}

impl Process {
    /// Its state in a word.
    pub const fn word(&self) -> &'static str {
        match self.state {
            'R' => "running",
            'S' => "sleeping",
            'D' => "disk wait",
            'Z' => "zombie",
            'T' | 't' => "stopped",
            'I' => "idle",
            'X' | 'x' => "ending",
            _ => "unknown",
        }
    }

    /// How bad its state is. A `D` is nothing unusual for a moment, but one that stays is.
    pub const fn judge(&self) -> Severity {
        match self.state {
            'D' | 'Z' => Severity::Warning,
            'T' | 't' => Severity::Info,
            _ => Severity::None,
        }
    }

    /// The same where room is short: without the folder that the program lies in.
    pub fn push_short(&self, out: &mut String) {
        let Some(command) = &self.command else { return self.push_command(out) };
        let end = command.find(' ').unwrap_or(command.len());
        let program = command[..end].rsplit('/').next().filter(|_| command.starts_with('/')).unwrap_or(&command[..end]);
        out.push_str(program);
        out.push_str(&command[end..]);
    }

    /// What to call it on one line: its command line, or its name as `ps` writes one without.
    pub fn push_command(&self, out: &mut String) {
        match &self.command {
            Some(command) => out.push_str(command),
            None => {
                out.push('[');
                out.push_str(&self.name);
                out.push(']');
            }
        }
    }
}

/// All processes that one reading found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    /// When, since the machine's start.
    pub at: Duration,
    /// Which start of the machine it was, where that is told.
    pub boot: Option<String>,
    /// The busiest first, then those with most memory.
    pub list: Vec<Process>,
    /// How many there are; more than are listed on a machine with very many.
    pub total: usize,
    /// There was an earlier reading to compare with.
    pub measured: bool,
    /// A process could not be read because reading it hangs: it should not be tried again soon.
    pub hangs: bool,
    /// What is not known, one sentence each.
    pub notes: Vec<String>,
}

impl Processes {
    /// Works out what each used since an earlier reading, and brings them in order.
    pub fn measure(&mut self, before: Option<&Self>) {
        let before = before.filter(|before| before.boot == self.boot);
        let elapsed = before.map(|before| (self.at.saturating_sub(before.at), before));
        if let Some((elapsed, before)) = elapsed.filter(|(elapsed, _)| *elapsed >= SHORTEST) {
            let key = |process: &Process| (process.pid, process.started);
            let used: HashMap<_, _> = before.list.iter().map(|process| (key(process), process.cpu_time)).collect();
            for process in &mut self.list {
                let (since, span) = match used.get(&key(process)) {
                    Some(used) => (*used, elapsed),
                    // It began in between.
                    None => (Duration::ZERO, process.age.clamp(SHORTEST, elapsed)),
                };
                process.cpu = Some(process.cpu_time.saturating_sub(since).as_secs_f64() / span.as_secs_f64());
            }
            self.measured = true;
        }
        self.list.sort_unstable_by(|a, b| {
            let cpu = |process: &Process| process.cpu.unwrap_or(-1.0);
            cpu(b).total_cmp(&cpu(a)).then(b.memory.cmp(&a.memory)).then(a.pid.cmp(&b.pid))
        });
    }

    /// How many are in the state of this letter.
    pub fn count(&self, state: char) -> usize {
        self.list.iter().filter(|process| process.state == state).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, started: u64, used: u64) -> Process {
        Process {
            pid,
            started,
            cpu_time: Duration::from_millis(used),
            age: Duration::from_secs(100),
            ..Process::default()
        }
    }

    fn reading(at: u64, list: Vec<Process>) -> Processes {
        Processes { at: Duration::from_secs(at), list, ..Processes::default() }
    }

    fn cpus(processes: &Processes) -> Vec<(i32, Option<f64>)> {
        processes.list.iter().map(|process| (process.pid, process.cpu)).collect()
    }

    #[test]
    fn cpu_is_the_difference_between_two_readings_of_the_same_process() {
        let mut first = reading(100, vec![process(1, 0, 5000), process(2, 7, 90_000)]);
        first.measure(None);
        assert_eq!((cpus(&first), first.measured), (vec![(1, None), (2, None)], false));
        // The pid 2 is another process now.
        let young = Process { age: Duration::from_secs(1), ..process(2, 10_100, 500) };
        let mut second = reading(102, vec![young, process(1, 0, 8000)]);
        second.measure(Some(&first));
        assert_eq!((cpus(&second), second.measured), (vec![(1, Some(1.5)), (2, Some(0.5))], true));
    }

    #[test]
    fn another_start_of_the_machine_and_the_same_moment_tell_nothing() {
        let mut before = reading(100, vec![process(1, 0, 5000)]);
        before.measure(None);
        let mut again = reading(100, vec![process(1, 0, 5000)]);
        again.measure(Some(&before));
        assert!(!again.measured && again.list[0].cpu.is_none());
        let mut other = Processes { boot: Some("b".into()), ..reading(110, vec![process(1, 0, 6000)]) };
        other.measure(Some(&before));
        assert!(!other.measured && other.list[0].cpu.is_none());
    }
}
