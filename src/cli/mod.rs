//! The command line: one file per subcommand. Reads arguments and the environment, and hands over.
//!
//! Exit codes are stable: 0 all is well; 1 something is wrong (a config with a mistake, a source that fails, a broken chain);
//! 2 the command line itself was not understood.

/// As in the standard library, but where nobody reads any more (a pipe whose reader went, a terminal that was closed) nothing is said, and
/// nothing ends: a run that is under way is finished, verified and recorded.
macro_rules! println {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($said)*);
    }};
}

/// The same, without the end of the line.
macro_rules! print {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($said)*);
    }};
}

/// The same on standard error.
macro_rules! eprintln {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($said)*);
    }};
}

/// The same, without the end of the line.
macro_rules! eprint {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($said)*);
    }};
}

mod approval;
mod check;
mod dashboard;
#[cfg_attr(not(feature = "drill"), path = "drill/absent.rs")]
mod drill;
mod incident;
mod journal;
mod lock;
mod look;
mod places;
mod print;
mod record;
mod reload;
mod replay;
mod runbook;
mod setup;
mod snapshot;

use crate::runtime::crash;
use crate::theme::Choice;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

const ABOUT: &str = "The terminal dashboard for on-call engineers: servers, containers, alerts and database sessions live, \
                     and runbooks one key away";

const LONG_ABOUT: &str = "Without a subcommand: the dashboard, over what the config names, or with no config over this machine. \
Every key that changes something shows a plan first, asks, verifies, and writes a journal. Press ? in it for the keys.";

const EXAMPLES: &str = "Examples:
  quarterdeck                                  this machine, or what the config names
  quarterdeck --config prod.toml --read-only   look, and touch nothing
  quarterdeck check                            is the config right, and does every source answer?
  quarterdeck snapshot containers --json       one look, for a script
  quarterdeck --record tonight.rec             look, and keep what is seen for the post-mortem
  quarterdeck replay tonight.rec --at 03:14    what the screen showed then
  quarterdeck runbook plan container-restart --var container=local/api
                                               all that a run would do; `run` does it
  quarterdeck journal tail                     what was done lately, and by whom

Files:
  $XDG_CONFIG_HOME/quarterdeck/config.toml     the config (~/.config); also $QUARTERDECK_CONFIG
  $XDG_STATE_HOME/quarterdeck/journal.sqlite   the journal (~/.local/state), unless a team's is named; beside it
                                               quarterdeck.log, views.toml and saved/

Exit codes: 0 all is well, 1 something is wrong, 2 the command line was not understood; 128 and the signal's number when a
signal ended the dashboard (129 the terminal went, 130 SIGINT, 143 SIGTERM). `runbook run`: also 3 unknown, 4 stopped, 5 refused.";

/// Of the subcommands that only print something.
const PRINTS: &str =
    "Exit codes: 0 printed, 1 it could not be: why is told on standard error, 2 the command line was not understood.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "quarterdeck", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    into: record::IntoFile,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every subcommand takes.
#[derive(Clone, Debug, Default, Args)]
struct Global {
    /// The config; else $QUARTERDECK_CONFIG, else $XDG_CONFIG_HOME/quarterdeck/config.toml, else this machine
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lay NAME.toml, beside the config, over it
    #[arg(long, global = true, value_name = "NAME")]
    env: Option<String>,
    /// Refuse everything that would change something
    #[arg(long, global = true)]
    read_only: bool,
    /// auto, dark, light, high-contrast, colour-blind, mono, nord, gruvbox, solarized, solarized-light, or a file
    #[arg(long, global = true, value_name = "NAME|FILE")]
    theme: Option<String>,
    /// default, k9s, arrows, or a file laid over them
    #[arg(long, global = true, value_name = "NAME|FILE")]
    keymap: Option<String>,
    /// How many colours: auto, always, never, 16, 256, true
    #[arg(long, global = true, value_name = "HOW")]
    color: Option<Choice>,
    /// Draw with ASCII alone
    #[arg(long, global = true)]
    ascii: bool,
    /// Begin with this named view
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// Leave the mouse to the terminal, whatever the config says
    #[arg(long)]
    no_mouse: bool,
    /// Write more into the log file: -v what happens, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read config, keymap, theme and runbooks, then ask every source once; say what is wrong and how to mend it
    Check(check::Check),
    /// Ask every source and print what the panes would show
    Snapshot(snapshot::Snapshot),
    /// Record what all sources tell into a file, without a screen
    Record(record::Record),
    /// Show a recording again, as it was
    Replay(replay::Replay),
    /// Practise: the dashboard over a production of its own, in which an incident unfolds
    Drill(drill::Drill),
    /// The record of everything done
    #[command(subcommand)]
    Journal(journal::Command),
    /// What others ask a second person for: list, show, approve and refuse it
    #[command(subcommand)]
    Approval(approval::Command),
    /// Who holds what, and asking for it
    #[command(subcommand)]
    Lock(lock::Command),
    /// Incidents: declare one, keep its record, hand it over, write its post-mortem
    #[command(subcommand)]
    Incident(incident::Command),
    /// Runbooks: list, read, check, begin, plan and run them
    #[command(subcommand)]
    Runbook(runbook::Command),
    /// What a config may hold
    #[command(subcommand)]
    Config(print::Config),
    /// A completion script for a shell, on standard output
    #[command(after_help = PRINTS)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The manual page, on standard output; `man runbook plan`: that of a subcommand
    Man(print::Man),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quarterdeck: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    crash::install();
    // Two TLS providers could be compiled in by dependencies; the choice is made here, once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let global = cli.global;
    match cli.command {
        None => dashboard::run(&global, &cli.into),
        Some(Command::Drill(drill)) => drill.run(&global, &cli.into),
        Some(_) if !cli.into.is_nowhere() => {
            color_eyre::eyre::bail!(
                "--record belongs to the dashboard; `quarterdeck record FILE` records without a screen"
            )
        }
        Some(Command::Check(check)) => check.run(&global),
        Some(Command::Snapshot(snapshot)) => snapshot.run(&global),
        Some(Command::Record(record)) => record.run(&global),
        Some(Command::Replay(replay)) => replay.run(&global),
        Some(Command::Journal(command)) => command.run(&global),
        Some(Command::Approval(command)) => command.run(&global),
        Some(Command::Lock(command)) => command.run(&global),
        Some(Command::Incident(command)) => command.run(&global),
        Some(Command::Runbook(command)) => command.run(&global),
        Some(Command::Config(command)) => command.run(),
        Some(Command::Completions { shell }) => print::completions(shell),
        Some(Command::Man(man)) => man.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// A script asks the program itself what its exit means.
    #[test]
    fn every_subcommand_tells_its_exit_codes() {
        fn look(command: &mut clap::Command, told: &mut Vec<String>, silent: &mut Vec<String>) {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            if command.has_subcommands() {
                let parts = command.get_subcommands_mut().filter(|sub| sub.get_name() != "help");
                return parts.for_each(|sub| look(sub, told, silent));
            }
            let help = command.render_long_help().to_string();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            let codes = help.split_once("Exit codes: 0 ").map(|(_, codes)| codes);
            let whole =
                codes.is_some_and(|codes| codes.contains(" 1 ") && codes.contains("2 the command line was not"));
            if whole { &mut *told } else { &mut *silent }.push(name);
        }
        let mut command = Cli::command();
        command.build();
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        look(&mut command, &mut told, &mut silent);
        assert!(silent.is_empty(), "{silent:?}");
        assert!(told.len() >= 19 && told.iter().any(|name| name == "quarterdeck runbook run"), "{told:?}");
    }
}
