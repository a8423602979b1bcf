//! `quarterdeck drill`: the dashboard over a production of its own, in which something goes wrong.

mod beside;
mod unattended;

use super::Global;
use super::dashboard::{self, exit_code, need_terminal};
use super::record::{self, IntoFile};
use crate::domain::incident::Priority;
use crate::drill::guide::{Guide, How};
use crate::drill::score::Handled;
use crate::drill::script::Script;
use crate::drill::world::World;
use crate::drill::{Drill as Begun, Options, Scenario, Size};
use crate::incident;
use crate::journal::store::{Reader, Store};
use crate::runbook::library::Library;
use crate::runtime;
use crate::runtime::dashboard::{Ended, asked_to_end};
use crate::runtime::seat::Seat;
use clap::Args;
use color_eyre::eyre::{WrapErr, bail, eyre};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::sync::oneshot;
use unattended::Hands;

const EXAMPLES: &str = "Examples:
  quarterdeck drill                    a game server is down: the first minute
  quarterdeck drill --list             what can be played
  quarterdeck drill bad-deploy         that
  quarterdeck drill steady --size 1000x20
                                       a large production on a quiet day
  quarterdeck drill mine.toml --speed 5
                                       your own scenario, five times as fast

Nothing outside of this program is asked or changed: all that the screen shows is made up, and served on loopback for as long as it runs.

A key file has one thing on each line: `keys KEY KEY…`, `text TEXT`, `wait REGEX` (until it is on the screen), `gone REGEX` (until it is not),
`expect REGEX` (it is there now), `done REGEX` (until the production says that something was done, such as `done restarted game-2`),
`pass SECONDS`, `until SECOND`: the production stands still but for those two. A line that begins with # says nothing.

Exit codes: 0 it was left, 1 it can't be begun, or the key file can't be played: why is told, 2 the command line was not understood, 3 a key
file was played and something is still wrong; 128 and the signal's number when a signal ended it.";

/// A key file was played, and something is still wrong.
const NOT_MENDED: u8 = 3;

/// Practise: the dashboard over a production of its own, on this machine alone, in which an incident unfolds. Everything above the wire is
/// what you use in earnest: panes, alerts, runbooks, the journal, incidents.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Drill {
    /// What is played: one of --list, or a file of your own
    #[arg(default_value = "service-down")]
    scenario: String,
    /// Only tell what can be played
    #[arg(long)]
    list: bool,
    /// The same number gives the same production; absent: another one each time
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seconds of the production in one of yours, 0.1 to 600
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Machines, and containers on each
    #[arg(long, value_name = "SERVERSxCONTAINERS", default_value_t = Size::default())]
    size: Size,
    /// Say beside the panes what to look at next, step by step
    #[arg(long)]
    guided: bool,
    /// Say one sentence of what is known, and nothing else
    #[arg(long, conflicts_with = "guided")]
    exam: bool,
    /// Play a key file, with no terminal, faster than real time; the exit code tells whether it ended well
    #[arg(long, value_name = "KEYS", conflicts_with_all = ["list", "serve", "speed"])]
    unattended: Option<PathBuf>,
    /// Keep what is told at the end in this file too, as Markdown to share
    #[arg(long, value_name = "FILE", conflicts_with = "serve")]
    transcript: Option<PathBuf>,
    /// With --transcript: take the place of a file that exists
    #[arg(long, requires = "transcript")]
    overwrite: bool,
    /// Print the config of the dashboard in front of it, serve, and show no screen: for other clients, until standard input ends or a
    /// signal comes
    #[arg(long, conflicts_with = "list")]
    serve: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (0.1..=600.0).contains(speed));
    speed.ok_or_else(|| "write a number from 0.1 to 600".to_owned())
}

impl Drill {
    /// Plays it until it is left.
    pub fn run(self, global: &Global, into: &IntoFile) -> color_eyre::Result<ExitCode> {
        if self.list {
            return list();
        }
        if global.config.is_some() || global.env.is_some() {
            bail!("a drill has a config of its own: leave --config and --env out");
        }
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let scenario = self.scenario(seed)?;
        let script = self.unattended.as_deref().map(unattended::read).transpose()?;
        if !self.serve && script.is_none() {
            need_terminal("`quarterdeck drill --list` tells what can be played")?;
        }
        let options = Options { scenario, seed, size: self.size, speed: self.speed, by_hand: script.is_some() };
        let begun = Begun::start(&options).wrap_err_with(|| format!("the drill {} can't be begun", self.scenario))?;
        if self.serve {
            return serve(&begun);
        }
        let global = Global { config: Some(begun.config().to_owned()), ..global.clone() };
        self.play(&begun, &options.scenario, script, (&global, into))
    }

    /// In front of the screen, or in place of who would sit there.
    fn play(
        &self,
        begun: &Begun,
        scenario: &Scenario,
        script: Option<Script>,
        (global, into): (&Global, &IntoFile),
    ) -> color_eyre::Result<ExitCode> {
        let mut seat = Seat { fleeting: true, ..Seat::default() };
        beside::keep(&mut seat, begun.stage().clone(), Guide::new(self.how(), &scenario.brief, &scenario.guide()));
        let shown = seat.shown.get_or_insert_default().clone();
        // What can't be written is told before it is played, and not after.
        let kept = self.transcript.as_deref().map(|path| record::create(path, self.overwrite)).transpose()?;
        let hands = script.map(|script| Hands::at(&mut seat, begun.stage().clone(), script));
        let left = dashboard::run_at(global, into, Some(seat));
        shown.end();
        let left = left?;
        let done = hands.map(Hands::done);
        let well = self.tell(begun, kept)?;
        match done {
            None => Ok(exit_code(left)),
            Some(Ok(())) if well => Ok(ExitCode::SUCCESS),
            Some(Ok(())) => Ok(ExitCode::from(NOT_MENDED)),
            Some(Err(why)) => bail!("the key file can't be played: {why}"),
        }
    }

    const fn how(&self) -> How {
        match (self.guided, self.exam) {
            (true, _) => How::Guided,
            (_, true) => How::Exam,
            _ => How::Briefed,
        }
    }

    /// What it was, printed and kept; whether it ended well.
    fn tell(&self, begun: &Begun, kept: Option<File>) -> color_eyre::Result<bool> {
        let handled = handled(begun);
        let told = begun.transcript(&handled);
        println!("{}", told.trim_end());
        if let (Some(mut file), Some(path)) = (kept, &self.transcript) {
            file.write_all(told.as_bytes())
                .wrap_err_with(|| format!("the transcript can't be kept in {}", path.display()))?;
        }
        Ok(begun.score(&handled).ended_well())
    }

    fn scenario(&self, seed: u64) -> color_eyre::Result<Scenario> {
        let path = PathBuf::from(&self.scenario);
        if path.extension().is_some_and(|end| end == "toml") {
            let text = std::fs::read_to_string(&path).wrap_err_with(|| format!("{} can't be read", path.display()))?;
            let library = Library::builtin();
            let read = Scenario::look_over(&text, &World::new(seed, self.size), |id| is_shipped(&library, id));
            return read.map_err(|why| eyre!("{}: {why}", path.display()));
        }
        let near = crate::domain::nearest(&self.scenario, Scenario::ids());
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
        Scenario::built_in(&self.scenario)
            .map_err(|why| eyre!("{why}{hint}; `quarterdeck drill --list` tells those that there are, and a file of your own ends in .toml"))
    }
}

/// Runbooks that are not shipped are not there in a drill.
fn is_shipped(library: &Library, id: &str) -> Result<(), String> {
    if library.get(id).is_some() { Ok(()) } else { Err(library.absent(id)) }
}

/// What its journal says of how it was handled; nothing, and a word about it, when that can't be read.
fn handled(begun: &Begun) -> Handled {
    let read = async {
        let reader = Reader::open(&Store::File(begun.journal())).await?;
        reader.recent(incident::READ).await
    };
    let records = match runtime::block_on(read) {
        Ok(Ok(records)) => records,
        Ok(Err(why)) => return untold(&why),
        Err(why) => return untold(&why),
    };
    begun.handled(&records)
}

fn untold(why: &dyn std::fmt::Display) -> Handled {
    eprintln!("quarterdeck: the score is without what the drill's journal says: {why}");
    Handled::default()
}

fn list() -> color_eyre::Result<ExitCode> {
    let width = Scenario::ids().map(str::len).max().unwrap_or_default();
    let mut all_mendable = true;
    for id in Scenario::ids() {
        let scenario = Scenario::built_in(id).map_err(|why| eyre!("{id}: {why}"))?;
        let severity = scenario.severity.map_or("-", Priority::word);
        let mark = if scenario.mendable { "" } else { " *" };
        all_mendable &= scenario.mendable;
        println!("{id:width$}  {severity:2}  {}{mark}", scenario.title);
    }
    if !all_mendable {
        println!("\n* can be looked at: no shipped runbook mends it");
    }
    Ok(ExitCode::SUCCESS)
}

/// For other clients than our own: until a signal comes, or standard input ends. What the drill has in the file system goes with it.
fn serve(begun: &Begun) -> color_eyre::Result<ExitCode> {
    let ended = runtime::block_on(async {
        let told = asked_to_end()?;
        println!("{}", begun.config().display());
        let (closed, input) = oneshot::channel();
        // A thread of its own: nothing waits for it when a signal comes first.
        std::thread::spawn(move || closed.send(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())));
        tokio::select! {
            read = input => read.unwrap_or(Ok(0)).map(|_| Ended::Left),
            ended = told => Ok(ended),
        }
    })??;
    if ended == Ended::Left {
        eprintln!(
            "quarterdeck: standard input has ended, and the drill with it; for one that stays, leave its input open: `sleep infinity | quarterdeck drill --serve`"
        );
    }
    Ok(exit_code(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runbooks_of_a_scenario_are_shipped_ones() {
        let library = Library::builtin();
        for id in Scenario::ids() {
            for runbook in Scenario::built_in(id).unwrap().runbooks() {
                assert_eq!(is_shipped(&library, runbook), Ok(()), "{id}");
            }
        }
        let why = is_shipped(&library, "rollback-quik").unwrap_err();
        assert!(why.contains("there is no runbook \"rollback-quik\"") && why.contains("rollback-quick"), "{why}");
    }
}
