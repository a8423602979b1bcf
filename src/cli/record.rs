//! `quarterdeck record`, and `--record` of the dashboard: everything that is seen, into a file.

use super::{Global, setup};
use crate::config::Config;
use crate::recording::{Header, NamedServer, Recorded};
use crate::runbook::params;
use crate::runtime::{self, recorder};
use clap::Args;
use color_eyre::eyre::eyre;
use jiff::Timestamp;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const EXITS: &str = "Exit codes: 0 a signal or --for ended it and all of it is written, 1 it could not be begun or written, 2 the command line \
                     was not understood.";

/// Record what all sources tell, without a screen, until a signal ends it (Ctrl-C) or the time is over. `quarterdeck replay FILE` shows it
/// again. No secret that a connection uses is in the file, and only its owner may read it.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
pub struct Record {
    /// What to write; `-` is standard output. A file that exists is never touched without --overwrite
    file: PathBuf,
    /// End after so long, as in 90s, 10m or 8h
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Take the place of a file that exists
    #[arg(long)]
    overwrite: bool,
}

/// Where the dashboard records what it shows.
#[derive(Debug, Default, Args)]
pub struct IntoFile {
    /// Record what all sources tell into FILE; `quarterdeck replay FILE` shows it again
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// With --record: take the place of a file that exists
    #[arg(long, requires = "record")]
    overwrite: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = params::duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "write a span of time as 90s, 10m or 8h".to_owned())
}

impl Record {
    /// Records until it is over.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let written = runtime::block_on(async {
            let opened = setup::open(&config, None);
            let begin = begin(&self.file, self.overwrite, &config, &opened)?;
            let (name, connections) = (begin.name.clone(), opened.connections.clone());
            let written = recorder::unattended(begin, opened.sources, self.time).await;
            connections.close().await;
            written
                .map(|bytes| format!("{name}: {bytes} bytes; `quarterdeck replay` shows them"))
                .map_err(|why| eyre!(why))
        })??;
        eprintln!("quarterdeck: {written}");
        Ok(ExitCode::SUCCESS)
    }
}

impl IntoFile {
    /// Nothing is recorded.
    pub fn is_nowhere(&self) -> bool {
        self.record.is_none()
    }

    /// What the recording is begun with, if there is to be one.
    pub fn begin(&self, config: &Config, opened: &setup::Opened) -> color_eyre::Result<Option<recorder::Begin>> {
        self.record.as_ref().map(|path| begin(path, self.overwrite, config, opened)).transpose()
    }
}

fn begin(path: &Path, overwrite: bool, config: &Config, opened: &setup::Opened) -> color_eyre::Result<recorder::Begin> {
    let file = create(path, overwrite)?;
    let (name, header) = (path.display().to_string(), header(config, opened));
    Ok(recorder::Begin { file, name, header, redactor: opened.connections.redactor().clone() })
}

/// A new file of its owner alone, or, when that is said, in place of one that exists; `-` is the standard output.
pub(super) fn create(path: &Path, overwrite: bool) -> color_eyre::Result<File> {
    let name = path.display();
    open(path, overwrite).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => eyre!("{name} exists: name another file, or say --overwrite"),
        _ => eyre!("{name}: can't be written: {error}"),
    })
}

fn open(path: &Path, overwrite: bool) -> io::Result<File> {
    if path == Path::new("-") {
        return Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if !overwrite {
        return options.create_new(true).open(path);
    }
    let file = options.create(true).truncate(true).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn header(config: &Config, opened: &setup::Opened) -> Header {
    Header {
        // What writes it knows its own format and version, and when it begins.
        format: 0,
        version: String::new(),
        began: Timestamp::default(),
        environment: config.environment.clone(),
        guarded: config.guarded,
        limits: config.limits,
        feeds: opened.feeds.iter().map(Recorded::from).collect(),
        servers: setup::named(config).into_iter().map(NamedServer::from).collect(),
    }
}
