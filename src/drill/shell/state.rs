//! What a running shell is: its variables, functions, options, open files, and the world that it shares with its subshells.

use super::files::{Files, Who};
use super::{Ended, Job, Outside, Stream};
use brush_parser::ast;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many commands a script may run, its subshells included; fewer in tests of this very limit.
pub(super) const STEPS: u32 = if cfg!(test) { 20_000 } else { 200_000 };
/// Where programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// So much may be written to the script's own output, and to one buffer.
pub(super) const OUTPUT: usize = 8 << 20;
/// So deep functions, subshells and scripts may be within each other.
pub(super) const DEPTH: u32 = 100;

/// Why a command does not simply go on to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Out of so many loops.
    Break(u32),
    /// On with the next round of the loop so many further out.
    Continue(u32),
    /// Out of the function, with a status.
    Return(i32),
    /// Out of the shell, with a status.
    Exit(i32),
    /// Out of all shells, and no trap runs: killed, or at the end of what a script may do.
    Over(i32),
}

/// A status, or what comes instead of the next command.
pub(super) type Outcome = Result<i32, Flow>;

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    List(BTreeMap<i64, String>),
    Map(BTreeMap<String, String>),
    /// Declared, and nothing more.
    Nothing,
}

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Var {
    pub(super) value: Value,
    pub(super) exported: bool,
    pub(super) readonly: bool,
    pub(super) integer: bool,
}

impl Var {
    pub(super) fn new(value: Value) -> Self {
        Self { value, exported: false, readonly: false, integer: false }
    }
}

/// What can be read, and how far it was.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
}

/// A coprocess: it runs anew with what was written to it since, whenever somebody reads and there is nothing.
#[derive(Debug)]
pub(super) struct Coprocess {
    pub(super) body: ast::Command,
    pub(super) to: Vec<u8>,
    pub(super) from: Vec<u8>,
    pub(super) status: i32,
}

/// What a descriptor leads to.
#[derive(Clone, Debug)]
pub(super) enum Fd {
    Null,
    /// The script's own.
    Own(Stream),
    /// A pipe's beginning, or what a substitution gathers.
    Buffer(Rc<RefCell<Vec<u8>>>),
    /// A file by its real path: what is written stands behind what is there.
    File(String),
    Input(Rc<RefCell<Input>>),
    Coprocess(Rc<RefCell<Coprocess>>),
}

impl Fd {
    pub(super) fn input(bytes: Vec<u8>) -> Self {
        Self::Input(Rc::new(RefCell::new(Input { bytes, at: 0 })))
    }
}

/// `set -o …`
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) errexit: bool,
    pub(super) nounset: bool,
    pub(super) pipefail: bool,
    pub(super) noglob: bool,
    pub(super) noclobber: bool,
    pub(super) noexec: bool,
    pub(super) allexport: bool,
    pub(super) errtrace: bool,
    pub(super) xtrace: bool,
    pub(super) nullglob: bool,
    pub(super) lastpipe: bool,
    pub(super) inherit: bool,
    pub(super) nocasematch: bool,
    pub(super) dotglob: bool,
    pub(super) failglob: bool,
}

/// What all shells of one script share.
pub(super) struct World<'w> {
    pub(super) files: &'w Mutex<Files>,
    pub(super) outside: &'w mut dyn Outside,
    pub(super) steps: u32,
    pub(super) written: usize,
    /// What `<(…)` made, by its path.
    pub(super) substituted: BTreeMap<String, Vec<u8>>,
    /// The last number given to a process.
    pub(super) pid: u32,
    pub(super) chance: u64,
    /// How deep the shell was that heard of its end last: those around it have yet to.
    pub(super) heard: Option<u32>,
}

/// One shell.
#[derive(Clone)]
pub(super) struct Shell<'w> {
    pub(super) world: Rc<RefCell<World<'w>>>,
    pub(super) vars: BTreeMap<String, Var>,
    /// What `local` hid, for each function that runs.
    pub(super) hidden: Vec<BTreeMap<String, Option<Var>>>,
    pub(super) functions: BTreeMap<String, Rc<ast::FunctionBody>>,
    pub(super) args: Vec<String>,
    /// `$0`
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) status: i32,
    /// Of the last command substitution of the command that is being read.
    pub(super) substituted: Option<i32>,
    pub(super) fds: BTreeMap<i32, Fd>,
    pub(super) folder: String,
    pub(super) umask: u32,
    pub(super) user: String,
    pub(super) traps: BTreeMap<String, String>,
    /// Above 0 nothing ends the shell by `set -e`.
    pub(super) lenient: u32,
    pub(super) loops: u32,
    /// So many files are being read by `source`.
    pub(super) sourcing: u32,
    pub(super) depth: u32,
    /// So many shells it is in.
    pub(super) level: u32,
    pub(super) line: usize,
    pub(super) pid: u32,
    /// Background commands and how they ended.
    pub(super) jobs: Vec<(u32, i32)>,
    pub(super) random: u64,
    pub(super) names: Vec<String>,
    /// When `timeout` ends it: seconds since 1970.
    pub(super) deadline: Option<f64>,
}

impl<'w> Shell<'w> {
    pub(super) fn new(job: &Job, files: &'w Mutex<Files>, outside: &'w mut dyn Outside) -> Self {
        let chance = outside.now().to_bits();
        let world = World {
            files,
            outside,
            steps: 0,
            written: 0,
            substituted: BTreeMap::new(),
            pid: 4000,
            chance,
            heard: None,
        };
        let fds = [(0, Fd::input(job.stdin.clone())), (1, Fd::Own(Stream::Out)), (2, Fd::Own(Stream::Err))];
        let home = super::tools::users::home(&job.user);
        let mut vars = BTreeMap::new();
        let own = [
            ("HOME", home.as_str()),
            ("USER", &job.user),
            ("LOGNAME", &job.user),
            ("PATH", PATH),
            ("PWD", &job.folder),
        ];
        let given = job.env.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        for (name, text) in own.into_iter().chain(given) {
            vars.insert(name.to_owned(), Var { exported: true, ..Var::new(Value::Text(text.to_owned())) });
        }
        vars.insert("OPTIND".to_owned(), Var::new(Value::Text("1".to_owned())));
        Self {
            world: Rc::new(RefCell::new(world)),
            vars,
            hidden: Vec::new(),
            functions: BTreeMap::new(),
            args: job.args.clone(),
            name: "bash".to_owned(),
            options: Options::default(),
            status: 0,
            substituted: None,
            fds: BTreeMap::from(fds),
            folder: super::files::absolute("/", &job.folder),
            umask: 0o022,
            user: job.user.clone(),
            traps: BTreeMap::new(),
            lenient: 0,
            loops: 0,
            sourcing: 0,
            depth: 0,
            level: 0,
            line: 0,
            pid: 4000,
            jobs: Vec::new(),
            random: chance,
            names: Vec::new(),
            deadline: None,
        }
    }

    pub(super) fn files(&self) -> MutexGuard<'w, Files> {
        let files = self.world.borrow().files;
        files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> f64 {
        self.world.borrow().outside.now()
    }

    pub(super) fn who(&self) -> Who {
        Who { user: self.user.clone(), umask: self.umask, now: self.now() }
    }

    /// Counts a command, and looks whether the script is over.
    pub(super) fn step(&mut self) -> Result<(), Flow> {
        let ended = {
            let mut world = self.world.borrow_mut();
            world.steps += 1;
            if world.steps > STEPS {
                drop(world);
                self.say(&format!("bash: this drill ends a script after {STEPS} commands\n"));
                return Err(Flow::Over(137));
            }
            let above = world.heard.is_some_and(|level| self.level < level).then_some(Ended::Term);
            above.or_else(|| world.outside.ended())
        };
        ended.map_or(Ok(()), |ended| self.ended(ended))
    }

    /// A signal came: a trap may take it.
    pub(super) fn ended(&mut self, ended: Ended) -> Result<(), Flow> {
        match ended {
            Ended::Kill => Err(Flow::Over(137)),
            Ended::Term => self.asked_to_end(),
        }
    }

    /// All shells of a script hear of a TERM, from the innermost out.
    fn asked_to_end(&mut self) -> Result<(), Flow> {
        self.world.borrow_mut().heard = Some(self.level).filter(|level| *level > 0);
        match self.traps.remove("TERM") {
            Some(body) => {
                if !body.is_empty() {
                    self.eval(&body)?;
                }
                self.traps.insert("TERM".to_owned(), body);
                Ok(())
            }
            None => Err(Flow::Exit(143)),
        }
    }

    /// Waits.
    pub(super) fn wait(&mut self, seconds: f64) -> Outcome {
        let left = self.deadline.map(|deadline| (deadline - self.now()).max(0.0));
        let late = left.is_some_and(|left| left < seconds);
        let came = self.world.borrow_mut().outside.sleep(left.map_or(seconds, |left| left.min(seconds)));
        if came.is_ok() && late {
            return Err(Flow::Exit(124));
        }
        match came {
            Ok(()) => Ok(0),
            Err(ended) => self.ended(ended).map(|()| ended.code()),
        }
    }

    /// Writes to a descriptor.
    pub(super) fn write(&mut self, fd: i32, bytes: &[u8]) -> Result<bool, Flow> {
        let Some(fd) = self.fds.get(&fd).cloned() else { return Ok(false) };
        match fd {
            Fd::Null => {}
            Fd::Own(stream) => {
                let mut world = self.world.borrow_mut();
                world.written += bytes.len();
                if world.written > OUTPUT {
                    world.outside.written(Stream::Err, b"bash: this drill takes no more than 8 MiB of output\n");
                    return Err(Flow::Over(141));
                }
                world.outside.written(stream, bytes);
            }
            Fd::Buffer(buffer) => {
                let mut buffer = buffer.borrow_mut();
                if buffer.len() + bytes.len() > OUTPUT {
                    // As one that nobody reads any more.
                    return Err(Flow::Exit(141));
                }
                buffer.extend_from_slice(bytes);
            }
            Fd::File(path) => {
                let who = Who { user: "root".to_owned(), ..self.who() };
                if self.files().write(&who, &path, bytes, true).is_err() {
                    return Ok(false);
                }
            }
            Fd::Coprocess(process) => {
                let mut process = process.borrow_mut();
                if process.to.len() + bytes.len() > OUTPUT {
                    return Err(Flow::Exit(141));
                }
                process.to.extend_from_slice(bytes);
            }
            Fd::Input(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Writes to standard output.
    pub(super) fn out(&mut self, text: impl AsRef<[u8]>) -> Result<(), Flow> {
        if self.write(1, text.as_ref())? {
            return Ok(());
        }
        self.say("bash: write error: Bad file descriptor\n");
        Ok(())
    }

    /// Writes to the error output, whatever becomes of it.
    pub(super) fn say(&mut self, text: &str) {
        let _ = self.write(2, text.as_bytes());
    }

    /// Says what is wrong, as a tool does, and gives the status.
    #[expect(clippy::unnecessary_wraps, reason = "it is what a tool returns")]
    pub(super) fn wrong(&mut self, code: i32, text: impl std::fmt::Display) -> Outcome {
        self.say(&format!("{text}\n"));
        Ok(code)
    }

    /// Says what is wrong, as bash does.
    pub(super) fn complain(&mut self, text: impl std::fmt::Display) {
        let text = format!("{}: line {}: {text}\n", self.name, self.line.max(1));
        self.say(&text);
    }

    /// Takes all that is left of the standard input.
    pub(super) fn input(&mut self) -> Result<Vec<u8>, Flow> {
        match self.fds.get(&0).cloned() {
            Some(Fd::Input(input)) => {
                let mut input = input.borrow_mut();
                let rest = input.bytes.get(input.at..).unwrap_or_default().to_vec();
                input.at = input.bytes.len();
                Ok(rest)
            }
            Some(Fd::Coprocess(process)) => {
                self.feed(&process)?;
                Ok(std::mem::take(&mut process.borrow_mut().from))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Lets a coprocess do what it was told since.
    pub(super) fn feed(&mut self, process: &Rc<RefCell<Coprocess>>) -> Result<(), Flow> {
        let (body, to) = {
            let mut process = process.borrow_mut();
            if !process.from.is_empty() || process.to.is_empty() {
                return Ok(());
            }
            (process.body.clone(), std::mem::take(&mut process.to))
        };
        let (status, out) = self.gather(Some(to), |shell| shell.command(&body))?;
        let mut process = process.borrow_mut();
        process.from = out;
        process.status = status;
        Ok(())
    }

    /// Runs something in a subshell, and gathers what it writes.
    pub(super) fn gather(
        &mut self,
        input: Option<Vec<u8>>,
        body: impl FnOnce(&mut Shell<'w>) -> Outcome,
    ) -> Result<(i32, Vec<u8>), Flow> {
        let buffer = Rc::new(RefCell::new(Vec::new()));
        let mut shell = self.sub()?;
        if let Some(input) = input {
            shell.fds.insert(0, Fd::input(input));
        }
        shell.fds.insert(1, Fd::Buffer(buffer.clone()));
        let status = shell.finish(body)?;
        let out = std::mem::take(&mut *buffer.borrow_mut());
        Ok((status, out))
    }

    /// A subshell.
    pub(super) fn sub(&mut self) -> Result<Self, Flow> {
        let mut shell = self.clone();
        shell.traps.retain(|_, body| body.is_empty());
        shell.deeper()?;
        shell.level += 1;
        shell.loops = 0;
        shell.jobs.clear();
        Ok(shell)
    }

    /// Runs a shell's body to the end of that shell, and its trap.
    pub(super) fn finish(&mut self, body: impl FnOnce(&mut Shell<'w>) -> Outcome) -> Outcome {
        let mut status = match body(self) {
            Ok(status) | Err(Flow::Exit(status) | Flow::Return(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
            Err(Flow::Over(status)) => return Err(Flow::Over(status)),
        };
        if let Some(trap) = self.traps.remove("EXIT") {
            self.status = status;
            self.lenient = 0;
            match self.eval(&trap) {
                Err(Flow::Exit(code)) => status = code,
                Err(Flow::Over(code)) => return Err(Flow::Over(code)),
                _ => {}
            }
        }
        Ok(status & 255)
    }
}
