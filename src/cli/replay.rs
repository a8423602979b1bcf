//! `quarterdeck replay`: the dashboard over a recording.

use super::dashboard::{exit_code, need_terminal, start_log};
use super::{Global, look, places, setup};
use crate::app::Setup;
use crate::connect::Connections;
use crate::journal::{JournalError, absent::Absent};
use crate::recording::{Command, FASTEST, Played, Player, Tape, parse_at};
use crate::runbook::Library;
use crate::runtime::seat::Seat;
use crate::runtime::{self, dashboard};
use clap::Args;
use color_eyre::eyre::eyre;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const EXITS: &str = "Exit codes: 0 it was left, 1 it can't be shown: why is told, 2 the command line was not understood; 128 and the signal's \
                     number when a signal ended it.";

/// Show a recording again: the dashboard as it was, at the recorded time. Nobody is asked, and nothing can be changed. Space stops and goes
/// on, ← → move by 10 seconds, < > by a minute, + - change the speed.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
pub struct Replay {
    /// What `record` has written
    file: PathBuf,
    /// Begin here: a time of day in UTC (14:03, 14:03:20), or 2026-11-25T14:03Z; else at the beginning
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Times as fast as it was
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(FASTEST)))]
    speed: u32,
    /// Stand still at first
    #[arg(long)]
    paused: bool,
}

impl Replay {
    /// Shows it until it is left.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        // Theme and keys are those of who looks at it; all else is the recording's.
        let config = setup::config(global)?;
        let (mut player, mut first) = open(&self.file, self.at.as_deref(), Duration::ZERO, self.speed)?;
        if self.paused {
            first.position = player.obey(Command::Pause)?.position;
        }
        need_terminal("`quarterdeck snapshot --replay FILE --at TIME` prints what it would show")?;
        let mut look = look::look(global, &config);
        look.troubles.extend(start_log(global.verbose, Connections::default().redactor().clone()).err());
        let setup = screen(setup::screen(&config, look, Vec::new(), true, Library::builtin()), &player);
        let journal = Arc::new(Absent(JournalError::new("a replay writes no journal", "leave it to do something")));
        let (connections, replay) = (Connections::default(), Some((player, first)));
        let start = dashboard::Start {
            setup,
            sources: Vec::new(),
            connections,
            journal,
            home: places::state(),
            saved_logs: places::state().map(|state| state.join("logs")),
            record: None,
            replay,
            renew: Vec::new(),
            seat: Seat::default(),
        };
        Ok(exit_code(runtime::block_on(dashboard::run(start))??))
    }
}

/// Opens a recording at a moment, or so far from its beginning when none is named.
pub fn open(path: &Path, at: Option<&str>, otherwise: Duration, speed: u32) -> color_eyre::Result<(Player, Played)> {
    let tape = Tape::open(path).map_err(|error| eyre!("{error}"))?;
    let at = match at {
        Some(text) => tape.find(parse_at(text, tape.span()).map_err(|error| eyre!("--at: {error}"))?),
        None => otherwise,
    };
    Player::new(tape, at, speed).map_err(|error| eyre!("{}: {error}", path.display()))
}

/// What the recording says of the world, in place of what the config says.
pub fn screen(setup: Setup, player: &Player) -> Setup {
    let header = player.tape().header();
    Setup {
        environment: header.environment.clone(),
        guarded: header.guarded,
        limits: header.limits,
        feeds: header.feeds(),
        servers: header.servers(),
        read_only: true,
        ..setup
    }
}
