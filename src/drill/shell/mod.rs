//! The shell of a drill's machines: a bash over files in memory, pure but for what is [`Outside`] of it.
//!
//! No process is started and no real file is read or written, whatever a script says. What the shell does not have it says as bash would
//! (127), or that this drill does not know it: never silently something else.

mod arith;
mod builtins;
mod call;
mod escapes;
mod expand;
pub mod files;
mod interpret;
mod param;
mod parse;
mod pattern;
mod redirect;
mod simple;
mod state;
mod test_expr;
#[cfg(test)]
mod tests;
mod tools;
mod vars;

pub use files::{Files, Kind, Node};
pub use tools::jq;

use state::Shell;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What the shell does not do itself: the world around it.
pub trait Outside: Send {
    /// Runs a command that the shell does not have itself (docker, curl, psql, systemctl, nginx, df …). `None`: there is none of that name,
    /// and the script hears "command not found" (127). The files are locked meanwhile: what takes its time says so in [`Done::seconds`].
    fn command(&mut self, call: &Call, files: &mut Files) -> Option<Done>;
    /// Whether [`Outside::command`] knows a command: for `command -v`, `type` and `which`.
    fn has(&self, name: &str) -> bool;
    /// What a file says that is made when it is read (`/proc/meminfo`, `/proc/uptime`). Asked only where [`Files`] have nothing.
    fn file(&mut self, _path: &str) -> Option<Vec<u8>> {
        None
    }
    /// Seconds since 1970 on this machine, for `date`, `stat`, `$EPOCHSECONDS`.
    fn now(&self) -> f64;
    /// Waits; `Err` when the script was ended meanwhile. After a TERM the script's traps still run, after a KILL nothing does.
    /// The files are not locked meanwhile.
    fn sleep(&mut self, seconds: f64) -> Result<(), Ended>;
    /// Asked before each command: whether the script was ended.
    fn ended(&mut self) -> Option<Ended> {
        None
    }
    /// What goes to the script's own standard output and error, as it comes.
    fn written(&mut self, to: Stream, bytes: &[u8]);
}

/// One call of a command that is not the shell's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// As it was called, without its folder.
    pub name: String,
    /// What stands behind the name.
    pub args: Vec<String>,
    /// What was exported.
    pub env: BTreeMap<String, String>,
    /// All that it can read.
    pub stdin: Vec<u8>,
    /// The working directory, absolute.
    pub folder: String,
    /// As whom: whoever logged in, or whom `sudo` or `runuser` named.
    pub user: String,
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its error output.
    pub err: Vec<u8>,
    /// Its exit status, 0 to 255.
    pub code: i32,
    /// So many seconds it took: the shell waits for them, without a lock, before it goes on.
    pub seconds: f64,
}

impl Done {
    /// It went well, and said this.
    pub fn said(out: impl Into<Vec<u8>>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    /// It went wrong, and said this on its error output.
    pub fn failed(code: i32, err: impl Into<Vec<u8>>) -> Self {
        Self { err: err.into(), code, ..Self::default() }
    }
}

/// Where something is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Error output.
    Err,
}

/// A signal that ended the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Politely: traps run (143).
    Term,
    /// For good (137).
    Kill,
}

impl Ended {
    /// The exit status of what it ends.
    pub fn code(self) -> i32 {
        match self {
            Self::Term => 143,
            Self::Kill => 137,
        }
    }
}

/// What is to be run, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Bash.
    pub script: String,
    /// `$1` and so on.
    pub args: Vec<String>,
    /// Exported variables.
    pub env: BTreeMap<String, String>,
    /// All of its standard input.
    pub stdin: Vec<u8>,
    /// Who runs it.
    pub user: String,
    /// Where it begins, absolute.
    pub folder: String,
}

/// The status of a fault of the shell itself: EX_SOFTWARE.
const FAULT: i32 = 70;
/// Of the thread that a script runs on: what lies deep within each other takes room.
const STACK: usize = 256 << 20;

/// Runs a script to its end, and says its exit status (0 to 255). Takes as long as the script does, waits included.
pub fn run(job: &Job, files: &Mutex<Files>, outside: &mut dyn Outside) -> i32 {
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("drill-shell".to_owned()).stack_size(STACK);
        let running = thread.spawn_scoped(scope, || interpreted(job, files, &mut *outside));
        running.ok().and_then(|running| running.join().ok())
    });
    ended.unwrap_or_else(|| {
        outside.written(Stream::Err, b"bash: this drill's shell could not go on, by a fault of its own\n");
        FAULT
    })
}

fn interpreted(job: &Job, files: &Mutex<Files>, outside: &mut dyn Outside) -> i32 {
    let mut shell = Shell::new(job, files, outside);
    let came = shell.finish(|shell| match parse::program(&job.script) {
        Ok(program) => shell.program(&program),
        Err(why) => {
            shell.say(&format!("bash: syntax error: {why}\n"));
            Ok(2)
        }
    });
    match came {
        Ok(code) | Err(state::Flow::Over(code)) => code,
        Err(_) => 1,
    }
}
