//! `quarterdeck runbook`: runbooks are listed, read, checked, begun, planned and run; the runs that a crash cut off are looked at.

mod begin;
mod crowd;
mod desk;
mod lint;
mod person;
mod plan;
mod resume;
mod run;
mod second;
mod shelf;
mod steer;
mod told;
mod written;

pub use desk::{Desk, at_desk};
pub use person::Person;
pub use resume::named as run_called;
pub use run::REFUSED;
pub use told::of_record;

use super::{Global, PRINTS};
use crate::runbook::schema;
use clap::Subcommand;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// `quarterdeck runbook …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All runbooks: those built in, and those of the folders that the config names
    ///
    /// A line each: id, risk, owner, last run and its result, title; below it where it comes from and what is odd about it.
    /// A file with a mistake stands last, marked BROKEN; the others can be used.
    ///
    /// Exit codes: 0 all could be read, 1 a file has a mistake (which, where and what is told on standard error), 2 the command line was not understood.
    List(shelf::List),
    /// One runbook: its page, and its steps as they are written
    #[command(after_help = PRINTS)]
    Show(shelf::Show),
    /// Check runbooks against every rule; say what is wrong, where, and how to mend it
    ///
    /// A folder stands for all pages below it; a page of prose is no runbook, and no mistake. With a config,
    /// the environments, connections, roles and secrets that a runbook names must be there.
    ///
    /// Exit codes: 0 nothing is wrong (warnings aside), 1 something is, 2 the command line was not understood.
    Lint(lint::Lint),
    /// A JSON Schema of the front matter, for editors, on standard output
    #[command(after_help = PRINTS)]
    Schema,
    /// Begin a runbook: a page to be filled in
    ///
    /// It can be planned at once, and `lint` names each line that is still to be written. Today is the day of its review. It is written to ID.md in this folder, or where --in
    /// says; a file that exists is never touched.
    ///
    /// Exit codes: 0 it is begun, 1 it could not be: why is told, 2 the command line was not understood.
    New(begin::New),
    /// Print everything that a run would do, and do nothing of it
    ///
    /// What is affected, what is sent and where, whether it can be undone, the answer it takes, and the
    /// plan's hash. Checks and plan fences are asked; nothing that changes anything is sent.
    ///
    /// Exit codes: 0 it could be run, 1 it could not: why is told, 2 the command line was not understood.
    Plan(plan::Make),
    /// Run one: planned, confirmed, executed, verified and recorded
    ///
    /// As on the screen. On a terminal it asks, and Ctrl-C stops it
    /// before its next change. Without one it takes the plan's hash and the answer, as `plan` prints them; where the environment is guarded it is refused
    /// then, unless the config says `unattended = "allow"` under [policy].
    ///
    /// Exit codes: 0 ok, 1 failed, 2 the command line was not understood, 3 unknown: nobody can tell whether something happened, 4 stopped, 5 refused:
    /// nothing was begun.
    Run(run::Run),
    /// Find out what became of runs that a crash cut off, and go on with them or take them back
    ///
    /// Each change that may have happened is looked at and the finding recorded; nothing is sent by that. Runs of a process that is alive
    /// are left alone. Then it tells of each step what became of it, and what is left to undo.
    ///
    /// --go-on does the rest of a run, and --undo takes back what it did, last first; --undo works for every run that is over. Both are planned,
    /// shown, answered and recorded like a new run; unattended with --plan and --confirm, as --plan-only prints them. While something of a run is
    /// unknown neither begins: look again later, or say with --saw what you saw. What an unknown run locks stays held until then, or until --abandon.
    ///
    /// Exit codes: 0 there are none, or all were ok or taken back; 1 one failed, or could not be looked at; 2 the command line was not understood; 3 nobody can tell of one whether something
    /// happened; 4 one was stopped before it was done. The worst counts: 3, then 1, then 4. With --go-on and --undo those of `run` (0: all of it is
    /// done, or undone: taken back whole); with --saw those of the run by then; with --abandon 0; 5 refused: nothing was done.
    Resume(resume::Resume),
}

impl Command {
    /// Does it.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(global),
            Self::Show(show) => show.run(global),
            Self::Lint(lint) => lint.run(global),
            Self::Schema => {
                stdout().write_all(crate::domain::json::text(&schema::schema())?.as_bytes())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::New(new) => new.run(global),
            Self::Plan(plan) => plan.run(global),
            Self::Run(run) => run.run(global),
            Self::Resume(resume) => resume.run(global),
        }
    }
}
