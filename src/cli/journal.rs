//! `quarterdeck journal`: what was done, and whether the record of it is whole.

use super::{Global, PRINTS, places, setup};
use crate::connect::postgres::LoginSettings;
use crate::domain::id::is_called;
use crate::domain::record::{Kept, Record, clock_off};
use crate::domain::text;
use crate::journal::chain::{Report, proves};
use crate::journal::export::write_line;
use crate::journal::fallback::Fallback;
use crate::journal::postgres::{self, schema};
use crate::journal::{Found, Reader, Store, TeamReader};
use crate::redact::Redactor;
use crate::runtime;
use clap::{Args, Subcommand};
use color_eyre::eyre::{bail, eyre};
use futures_util::StreamExt;
use std::fmt::Write as _;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

const VERIFIES: &str = "Exit codes: 0 every chain is whole, 1 one is broken or the journal can't be read, 2 the command line was not \
                        understood.";

const MERGES: &str = "Exit codes: 0 the team's journal has everything, 1 it is away or has refused something: why is told, 2 the command line was not \
                      understood.";

/// `quarterdeck journal …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every writer's chain of hashes
    #[command(after_help = VERIFIES)]
    Verify(Place),
    /// Print the records as JSON Lines, oldest first
    #[command(after_help = PRINTS)]
    Export {
        /// Only this run: its whole id, or the last hex digits as the screen shows them
        #[arg(long, value_name = "ID")]
        run: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Print the newest records, one line each
    #[command(after_help = PRINTS)]
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Bring to the team's journal what was recorded on this machine while it was away
    ///
    /// The dashboard and `runbook run` do so by themselves once the server answers. It can be cut off and done again.
    #[command(after_help = MERGES)]
    Merge,
    /// Print the SQL that makes the tables and roles of a team's journal on PostgreSQL, or run it
    ///
    /// Run it as who is to own the tables: a login that nobody works with, for it can change what is recorded. The first time it must
    /// be able to make roles. Then let people in: GRANT quarterdeck_writer TO ada (to act), GRANT quarterdeck_reader TO ben (to look).
    ///
    /// Exit codes: 0 printed, or made; 1 it could not be: why is told; 2 the command line was not understood.
    Setup(Setup),
}

/// How a team's journal is made.
#[derive(Debug, Args)]
pub struct Setup {
    /// Run it, and say what came of it; what is there already stays
    #[arg(long)]
    apply: bool,
    /// Where and as whom, with --apply: postgres://owner@host/database, without a password (PGPASSWORD or ~/.pgpass); else as
    /// [journal.postgres] says
    #[arg(long, value_name = "DSN", requires = "apply")]
    dsn: Option<String>,
    /// Print only what comes after this version of the tables
    #[arg(long, value_name = "VERSION", default_value_t = 0, conflicts_with = "apply")]
    from: usize,
}

impl Setup {
    fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        if !self.apply {
            if self.from > schema::VERSION {
                let (from, known) = (self.from, schema::VERSION);
                bail!(
                    "there is no version {from} of the tables here: this quarterdeck knows {known}; update it, or name one from 0 to {known}"
                );
            }
            stdout().write_all(schema::script(self.from).as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let settings = match self.dsn {
            Some(dsn) => LoginSettings { dsn: Some(dsn), password: None },
            None => setup::config(global)?.journal.postgres.ok_or_else(|| {
                eyre!("the config names no team's journal: write [journal.postgres], or say where with --dsn")
            })?,
        };
        let login = postgres::login(&settings, &Redactor::default())?;
        let made = runtime::block_on(schema::make(&login))??;
        let (place, version) = (login.place(), schema::VERSION);
        match made {
            0 => println!("{place}: the tables are made (schema {version}); now GRANT quarterdeck_writer to who acts"),
            made if made == version => println!("{place}: the tables are there already (schema {version})"),
            made => println!("{place}: the tables are brought from schema {made} to {version}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which journal.
#[derive(Debug, Args)]
pub struct Place {
    /// The journal's file; else the file or database that the config names, else the usual file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Place {
    fn store(self, global: &Global) -> color_eyre::Result<Store> {
        match self.file {
            Some(file) => Ok(Store::File(file)),
            None => places::journal(&setup::config(global)?.journal).map_err(|why| eyre!("{why}")),
        }
    }
}

impl Command {
    /// Reads and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        match self {
            Self::Verify(place) => runtime::block_on(verify(place.store(global)?))?,
            Self::Export { run, place } => runtime::block_on(export(place.store(global)?, run))?,
            Self::Tail { lines, place } => runtime::block_on(tail(place.store(global)?, lines))?,
            Self::Merge => runtime::block_on(merge(global))?,
            Self::Setup(setup) => setup.run(global),
        }
    }
}

async fn merge(global: &Global) -> color_eyre::Result<ExitCode> {
    let config = setup::config(global)?;
    let Store::Team(team) = places::journal(&config.journal).map_err(|why| eyre!("{why}"))? else {
        bail!("the config names no team's journal: there is nothing to bring anywhere");
    };
    let Some(file) = team.file.clone().filter(|file| file.exists()) else {
        println!("nothing was recorded on this machine alone");
        return Ok(ExitCode::SUCCESS);
    };
    let journal = Fallback::new(&team.login, team.file.clone(), &config.environment, Redactor::default())?;
    let merged = journal.merge().await?;
    println!("{} records of {} are in the team's journal now", merged.records, file.display());
    for (writer, why) in &merged.left {
        println!("left here: the records of {writer}: {}", text::clean(why));
    }
    Ok(if merged.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify(store: Store) -> color_eyre::Result<ExitCode> {
    let reader = Reader::open(&store).await?;
    let report = reader.verify().await?;
    print!("{}", verdict(&report));
    if let Reader::Team(team) = &reader {
        tell_local(team).await?;
    }
    println!("\n{}", proves(forger(&store)));
    Ok(if report.is_intact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What of it is on this machine alone, and why.
async fn tell_local(team: &TeamReader) -> color_eyre::Result<()> {
    if let Some(away) = team.away() {
        println!("of this machine alone: the team's journal is away: {}", text::clean(&away.why.to_string()));
    }
    let waiting = team.pending().await?.len();
    if waiting > 0 {
        println!(
            "{waiting} records are on this machine alone: `quarterdeck journal merge` brings them to the team's journal"
        );
    }
    Ok(())
}

/// Who could make a journal anew from the start.
const fn forger(store: &Store) -> &'static str {
    match store {
        Store::File(_) => "somebody who may write the file",
        Store::Team(_) => "somebody who owns the tables or is a superuser there",
    }
}

/// A line for each writer, then the verdict.
fn verdict(report: &Report) -> String {
    let mut out = String::new();
    for (writer, chain) in &report.chains {
        let state = chain.broken.as_ref().map_or_else(|| "intact".to_owned(), |broken| format!("BROKEN: {broken}"));
        let at = chain.at.map(|at| format!("{at:.0}")).unwrap_or_default();
        let (records, actor) = (chain.count, text::clean(&chain.actor));
        let head = &chain.head[..12];
        let _ = writeln!(out, "{writer}  {records:>6} records  last {at} by {actor}  head {head}  {state}");
    }
    let word = if report.is_intact() { "every chain is intact" } else { "NOT intact" };
    out + &format!("{} records of {} writers: {word}\n", report.count(), report.chains.len())
}

async fn export(store: Store, run: Option<String>) -> color_eyre::Result<ExitCode> {
    let reader = Reader::open(&store).await?;
    let mut out = BufWriter::new(stdout().lock());
    let mut code = ExitCode::SUCCESS;
    let mut rows = reader.all();
    while let Some(row) = rows.next().await {
        match row? {
            Found::Record(record) if wanted(&record, run.as_deref()) => write_line(&mut out, &record)?,
            Found::Record(_) => {}
            Found::Unreadable { writer, seq, why } => {
                eprintln!("record {seq} of {writer} cannot be read and is left out: {}", text::clean(&why));
                code = ExitCode::FAILURE;
            }
        }
    }
    out.flush()?;
    Ok(code)
}

fn wanted(record: &Record, run: Option<&str>) -> bool {
    run.is_none_or(|wanted| record.entry.run.is_some_and(|id| is_called(id.0, wanted)))
}

async fn tail(store: Store, lines: u32) -> color_eyre::Result<ExitCode> {
    let records = Reader::open(&store).await?.recent(lines).await?;
    let mut out = BufWriter::new(stdout().lock());
    for record in &records {
        writeln!(out, "{}", line(record))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// That the writer's clock and the server's disagree.
fn skew(record: &Record) -> Option<String> {
    let off = record.clock_ahead_ms().and_then(clock_off)?;
    Some(format!("its clock is {off} the server's"))
}

/// When, who, what, on what: for people.
fn line(record: &Record) -> String {
    let entry = &record.entry;
    let run = entry.run.map(|run| run.short()).unwrap_or_default();
    let said =
        ["runbook", "state", "outcome", "reason", "why"].into_iter().filter_map(|key| entry.data.get(key)?.as_str());
    let step = entry.step.as_deref().into_iter().chain(entry.target.as_deref());
    let mut rest: Vec<String> = step.chain(said).map(|word| text::clean(word).into_owned()).collect();
    rest.extend(skew(record));
    let (at, kind, env) = (record.at.strftime("%Y-%m-%d %H:%M:%SZ"), entry.kind.word(), text::clean(&entry.env));
    let who = format!("{}@{}", text::clean(&record.actor.name), text::clean(&record.actor.host));
    let kept = match &record.kept {
        Kept { local: true, .. } => "  (on this machine alone)".to_owned(),
        Kept { merged_by: Some(by), .. } => format!("  (merged by {})", text::clean(by)),
        Kept { .. } => String::new(),
    };
    format!("{at}  {env}  {who}  {run:>6}  {kind:<14}  {}{kept}", rest.join("  "))
}
