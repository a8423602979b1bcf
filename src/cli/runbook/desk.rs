//! What plans and runs of the command line are made from: the same as those of the screen.

use super::super::{Global, dashboard, places, setup};
use super::{plan, shelf};
use crate::clock;
use crate::config::{self, Config};
use crate::connect::Connections;
use crate::domain::text;
use crate::event::Event;
use crate::incident::{self as incidents, Incident, Incidents};
use crate::journal::absent::Absent;
use crate::journal::looking::Looking;
use crate::journal::{Journal, JournalError};
use crate::runbook::{Draft, Plan, PlanRequest};
use crate::runtime;
use crate::runtime::exec::{Exec, Planning, Running};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Connections, runbooks and a journal.
pub struct Desk {
    /// The config.
    pub config: Config,
    /// Who plans and runs.
    pub exec: Arc<Exec>,
    /// What it tells.
    pub events: mpsc::Receiver<Event>,
    connections: Connections,
    /// What the journal told of incidents when it was opened to act.
    incidents: Result<Incidents, JournalError>,
}

impl Desk {
    /// To look only: the journal is read, and nothing can be started.
    ///
    /// # Errors
    /// When the config can't be used.
    pub fn looking(global: &Global) -> color_eyre::Result<Self> {
        let config = setup::config(global)?;
        let connections = setup::open(&config, None).connections;
        let journal: Arc<dyn Journal> = match places::journal(&config.journal) {
            Ok(store) => Arc::new(Looking(store)),
            Err(error) => Arc::new(Absent(JournalError::new(error, "name a file as path in [journal]"))),
        };
        Ok(Self::of(config, connections, journal, true, Ok(Incidents::default())))
    }

    /// To act, with the journal open.
    ///
    /// # Errors
    /// When the config can't be used.
    pub async fn acting(global: &Global) -> color_eyre::Result<Self> {
        let config = setup::config(global)?;
        let connections = setup::open(&config, None).connections;
        let redactor = connections.redactor().clone();
        let journal = dashboard::journal(config.journal.clone(), config.environment.clone(), redactor).await;
        let incidents = attend(&*journal, &config.environment).await;
        Ok(Self::of(config, connections, journal, global.read_only, incidents))
    }

    fn of(
        config: Config,
        connections: Connections,
        journal: Arc<dyn Journal>,
        read_only: bool,
        incidents: Result<Incidents, JournalError>,
    ) -> Self {
        let (sender, events) = mpsc::channel(256);
        let exec = Exec {
            connections: connections.clone(),
            library: Arc::new(config::library(&config.runbooks).without(config.not_here.clone())),
            journal,
            env: config.environment.clone(),
            policy: config.policy,
            guarded: config.guarded,
            read_only,
            events: sender,
            clock: clock::now,
            runs: Running::default(),
            planning: Planning::default(),
        };
        Self { config, exec: Arc::new(exec), events, connections, incidents }
    }

    /// Makes a plan.
    ///
    /// # Errors
    /// Why there can be none, in words.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Plan<Draft>, String> {
        shelf::find(&self.exec.library, &request.runbook).map_err(|error| error.to_string())?;
        self.exec.make_plan(request).await
    }

    /// What somebody should know about the plan's file.
    pub async fn notes(&self, made: &Plan<Draft>) -> Vec<String> {
        plan::notes(made, &shelf::last_runs(&self.config, Some(&made.body().runbook.id)).await)
    }

    /// The incident that what is done here belongs to from now on: the one that is named, none when that is `none`, else the worst that is open, of several the newest.
    ///
    /// # Errors
    /// A sentence, when it is not known or over, or the journal can't be read.
    pub async fn join(&self, wanted: Option<&str>) -> Result<Option<Incident>, String> {
        let all = self.incidents.as_ref().map_err(ToString::to_string)?;
        let joined = match wanted {
            Some("none") => None,
            Some(wanted) => Some(open(all.find(Some(wanted))?)?.clone()),
            None => all.worst().cloned(),
        };
        self.exec.journal.attend(joined.as_ref().map(|incident| incident.id)).await;
        Ok(joined)
    }

    /// Closes what was opened.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

/// What is done here belongs to the incident that is open, of several to the worst. The incidents of the environment; a journal that can't be read
/// says so at what is done next.
async fn attend(journal: &dyn Journal, env: &str) -> Result<Incidents, JournalError> {
    let mut all = Incidents::of(&journal.of_incidents(incidents::READ).await?);
    all.keep_env(env);
    let open = all.worst().map(|incident| incident.id);
    if open.is_some() {
        journal.attend(open).await;
    }
    Ok(all)
}

fn open(incident: &Incident) -> Result<&Incident, String> {
    let name = incident.short();
    let over = || format!("{name} is resolved: `quarterdeck incident reopen REASON --incident {name}` opens it again");
    incident.is_open().then_some(incident).ok_or_else(over)
}

/// Does something with a desk of its own, one that acts or looks, and says why it could not be done, with that exit code.
///
/// # Errors
/// When the config can't be used.
pub fn at_desk(
    global: &Global,
    acts: bool,
    work: impl AsyncFnOnce(&Desk) -> Result<(), (u8, String)>,
) -> color_eyre::Result<ExitCode> {
    runtime::block_on(async {
        let desk = if acts { Desk::acting(global).await? } else { Desk::looking(global)? };
        let done = work(&desk).await;
        desk.close().await;
        Ok(match done {
            Ok(()) => ExitCode::SUCCESS,
            Err((code, why)) => {
                eprintln!("quarterdeck: {}", text::clean(&why));
                ExitCode::from(code)
            }
        })
    })?
}
