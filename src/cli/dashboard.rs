//! `quarterdeck`: the dashboard itself.

use super::record::IntoFile;
use super::reload::{Librarian, Renewer};
use super::{Global, look, places, setup};
use crate::app::Setup;
use crate::config::{self, Config, JournalChoice};
use crate::domain::nearest;
use crate::journal::{Journal, JournalError, absent::Absent, opening::Opening};
use crate::redact::Redactor;
use crate::runtime::dashboard::Ended;
use crate::runtime::seat::Seat;
use crate::runtime::{self, dashboard, keep, log};
use color_eyre::eyre::bail;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

/// Shows the dashboard until it is left.
pub fn run(global: &Global, into: &IntoFile) -> color_eyre::Result<ExitCode> {
    run_at(global, into, None).map(exit_code)
}

/// The same, and why it ended. `None`: at a terminal's own seat.
pub fn run_at(global: &Global, into: &IntoFile, seat: Option<Seat>) -> color_eyre::Result<Ended> {
    let config = setup::config(global)?;
    if seat.is_none() {
        need_terminal("`quarterdeck snapshot` prints what it would show")?;
    }
    runtime::block_on(show(global, config, into, seat.unwrap_or_default()))?
}

/// Nothing else can show a screen.
pub fn need_terminal(instead: &str) -> color_eyre::Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("the dashboard needs a terminal; {instead}");
    }
    Ok(())
}

/// As a shell tells of a program that a signal has ended.
pub fn exit_code(ended: Ended) -> ExitCode {
    match ended {
        Ended::Left => ExitCode::SUCCESS,
        Ended::Signal(number) => ExitCode::from(128 + number),
    }
}

async fn show(global: &Global, config: Config, into: &IntoFile, seat: Seat) -> color_eyre::Result<Ended> {
    let mut look = look::look(global, &config);
    let opened = setup::open(&config, None);
    look.troubles.extend(start_log(global.verbose, opened.connections.redactor().clone()).err());
    log::started(&config);
    let redactor = opened.connections.redactor().clone();
    let (configured, environment) = (config.journal.clone(), config.environment.clone());
    let journal = Opening::start(move || journal(configured, environment, redactor));
    let presenting = setup::presenting(&config, opened.connections.redactor().clone());
    let record = into.begin(&config, &opened)?;
    let library = config::library(&config.runbooks).without(config.not_here.clone());
    let mut setup = setup::screen(&config, look, opened.feeds, global.read_only, library);
    with_views(&mut setup, global)?;
    setup.redactor = opened.connections.redactor().clone();
    setup.presenting = presenting;
    let librarian = Librarian::new(&config, &setup.library);
    let renewer = Renewer::new(global, config, &setup, opened.connections.clone(), librarian.shelves());
    let start = dashboard::Start {
        setup,
        sources: opened.sources,
        connections: opened.connections,
        journal: Arc::new(journal),
        home: places::state(),
        saved_logs: places::state().map(|state| state.join("logs")),
        record,
        replay: None,
        renew: vec![Box::new(renewer), Box::new(librarian)],
        seat,
    };
    Box::pin(dashboard::run(start)).await
}

/// The views that were saved here, and the one to begin with.
fn with_views(setup: &mut Setup, global: &Global) -> color_eyre::Result<()> {
    let habits = &mut setup.habits;
    if let Ok(home) = places::state() {
        let (own, left) = keep::read(&home, &mut setup.troubles);
        (habits.own, habits.start) = (own, left.filter(|_| habits.remember));
    }
    habits.mouse &= !global.no_mouse;
    let Some(wanted) = &global.view else { return Ok(()) };
    let all = || habits.own.iter().chain(&habits.team);
    let found = all().find(|view| &view.name == wanted).cloned();
    let Some(view) = found else {
        let near = nearest(wanted, all().map(|view| view.name.as_str()));
        let hint = near
            .map_or_else(|| "ctrl-s in the dashboard saves one".to_owned(), |near| format!("did you mean {near:?}?"));
        bail!("there is no view {wanted:?}; {hint}");
    };
    habits.start = Some(view);
    Ok(())
}

/// Without a journal everything can be looked at, and nothing can be changed.
pub(super) async fn journal(configured: JournalChoice, environment: String, redactor: Redactor) -> Arc<dyn Journal> {
    let opened = match places::journal(&configured) {
        Ok(store) => store.open(&environment, redactor).await,
        Err(what) => Err(JournalError::new(what, "or name a file as path under [journal] in the config")),
    };
    opened.unwrap_or_else(|why| Arc::new(Absent(why)))
}

pub(super) fn start_log(verbose: u8, redactor: Redactor) -> Result<(), String> {
    let path = places::state()?.join("quarterdeck.log");
    log::start(&path, verbose, redactor).map_err(|error| format!("there is no log: {}: {error}", path.display()))
}
