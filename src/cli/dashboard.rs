//! `quarterdeck`: the dashboard itself.

use super::{Global, look, places, setup};
use crate::config::Config;
use crate::journal::{Journal, JournalError, absent::Absent, sqlite::SqliteJournal};
use crate::redact::Redactor;
use crate::runbook::Library;
use crate::runtime::dashboard::Ended;
use crate::runtime::{self, dashboard, log};
use color_eyre::eyre::bail;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

/// Shows the dashboard until it is left.
pub fn run(global: &Global) -> color_eyre::Result<ExitCode> {
    let config = setup::config(global)?;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("the dashboard needs a terminal; `quarterdeck snapshot` prints what it would show");
    }
    Ok(match runtime::block_on(show(global, config))?? {
        Ended::Left => ExitCode::SUCCESS,
        // As a shell tells of a program that a signal has ended.
        Ended::Signal(number) => ExitCode::from(128 + number),
    })
}

async fn show(global: &Global, config: Config) -> color_eyre::Result<Ended> {
    let mut look = look::look(global, &config);
    let opened = setup::open(&config, None);
    look.troubles.extend(start_log(global.verbose, opened.connections.redactor().clone()).err());
    log::started(&config);
    let journal = journal(&config, opened.connections.redactor().clone()).await;
    let setup = setup::screen(config, look, opened.feeds, global.read_only, Library::builtin());
    let connections = opened.connections.clone();
    let (sources, saved_logs) = (opened.sources, places::state().map(|state| state.join("logs")));
    let start = dashboard::Start { setup, sources, connections: opened.connections, journal, saved_logs };
    let ended = dashboard::run(start).await;
    connections.close().await;
    ended
}

/// Without a journal everything can be looked at, and nothing can be changed.
async fn journal(config: &Config, redactor: Redactor) -> Arc<dyn Journal> {
    let opened = match places::journal(config.journal.clone()) {
        Ok(path) => SqliteJournal::open(&path, &config.environment, redactor).await,
        Err(what) => Err(JournalError::new(what, "or name a file as path under [journal] in the config")),
    };
    match opened {
        Ok(journal) => Arc::new(journal),
        Err(why) => Arc::new(Absent(why)),
    }
}

fn start_log(verbose: u8, redactor: Redactor) -> Result<(), String> {
    let path = places::state()?.join("quarterdeck.log");
    log::start(&path, verbose, redactor).map_err(|error| format!("there is no log: {}: {error}", path.display()))
}
