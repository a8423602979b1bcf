//! `quarterdeck lock`: who holds what, and asking for it.

use super::runbook::{Desk, REFUSED, at_desk, of_record};
use super::{Global, PRINTS};
use crate::domain::{RunId, json, text};
use crate::journal::lease::{GRACE, Lease, TTL};
use crate::runbook::Runs;
use crate::runtime::exec::{Came, Wanted};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::sleep;

/// From one look to the next at a run that is watched.
const LOOK: Duration = Duration::from_millis(500);

/// `quarterdeck lock …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who holds what, since when, and on which step their run is
    #[command(after_help = PRINTS)]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Follow the run that holds something, until it ends
    #[command(after_help = PRINTS)]
    Watch {
        /// What: database/primary
        resource: String,
    },
    /// Ask its holder to hand it over at the end of a step, and wait for that
    ///
    /// It goes to a run that is yet to begin: `runbook run … --as RUN`, as it prints, within three minutes.
    ///
    /// Exit codes: 0 it is there, or nobody holds it; 1 it could not be asked for: why is told, 2 the command line was not understood, 5 it went to somebody
    /// else, or nobody handed it over within 30 minutes.
    Ask(Want),
    /// Take it over from its holder: at once when nobody drives their run any more, else when they were told and the grace is over
    ///
    /// Their run's next change is refused from then on. It goes to a run that is yet to begin: `runbook run … --as RUN`, within three minutes.
    ///
    /// Exit codes: 0 it is there, or nobody holds it; 1 it could not be taken over: why is told, 2 the command line was not understood, 5 it went to somebody
    /// else.
    Take {
        #[command(flatten)]
        want: Want,
        /// Seconds that its holder has: 5 to 600
        #[arg(long, value_name = "SECONDS", default_value_t = GRACE.as_secs(), value_parser = clap::value_parser!(u64).range(5..=600))]
        grace: u64,
    },
}

/// What, and why.
#[derive(Debug, Args)]
pub struct Want {
    /// What: database/primary
    resource: String,
    /// Why, for its holder and for the record: at least two words
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Command {
    /// Does it.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let asks = matches!(self, Self::Ask(_) | Self::Take { .. });
        at_desk(global, asks, async |desk| self.carry_out(desk).await)
    }

    async fn carry_out(self, desk: &Desk) -> Result<(), (u8, String)> {
        match self {
            Self::List { json } => list(desk, json).await.map_err(|why| (1, why)),
            Self::Watch { resource } => watch(desk, &resource).await.map_err(|why| (1, why)),
            Self::Ask(want) => want.get(desk, None).await,
            Self::Take { want, grace } => want.get(desk, Some(Duration::from_secs(grace))).await,
        }
    }
}

impl Want {
    async fn get(&self, desk: &Desk, grace: Option<Duration>) -> Result<(), (u8, String)> {
        let Some(lease) = holder(desk, &self.resource).await.map_err(|why| (1, why))? else {
            println!("nobody holds {}", text::clean(&self.resource));
            return Ok(());
        };
        let wanted = Wanted {
            of: lease.run,
            resources: vec![self.resource.clone()],
            for_run: None,
            grace,
            reason: self.reason.clone(),
        };
        let asked = desk.exec.want(&wanted).await.map_err(|why| (1, why))?;
        eprintln!("{lease}");
        match grace.filter(|_| !lease.cut_off && lease.runbook.is_some()) {
            Some(grace) => eprintln!(
                "its holder is told; it is taken over in {} s, or in {} s when its holder is not heard of",
                grace.as_secs(),
                TTL.max(grace).as_secs()
            ),
            None if grace.is_some() => {}
            None => eprintln!("its holder is asked; Ctrl-C waits no longer"),
        }
        let came = desk.exec.until_ours(&wanted, asked).await.map_err(|why| (REFUSED, why))?;
        let what = text::clean(&self.resource).into_owned();
        match came {
            Came::Free => println!("nobody holds {what} any more"),
            Came::Handed | Came::Taken => println!(
                "{what} is {}, and kept for 3 minutes for: quarterdeck runbook run … --as {}",
                came.word(),
                asked.1
            ),
        }
        Ok(())
    }
}

async fn holder(desk: &Desk, resource: &str) -> Result<Option<Lease>, String> {
    let held = desk.exec.journal.held(&[resource.to_owned()]).await;
    held.map(|held| held.into_iter().next()).map_err(|error| error.to_string())
}

async fn list(desk: &Desk, as_json: bool) -> Result<(), String> {
    let away = desk.exec.journal.away().await;
    if let Some(away) = &away {
        eprintln!("quarterdeck: {}", text::clean(&away.unseen()));
    }
    let names = desk.exec.journal.locked().await.map_err(|error| error.to_string())?;
    let held = desk.exec.journal.held(&names).await.map_err(|error| error.to_string())?;
    if as_json {
        println!("{}", json::line(&Value::Array(held.iter().map(data).collect())));
        return Ok(());
    }
    if held.is_empty() {
        println!("{}", if away.is_some() { "nobody on this machine holds a lock" } else { "nobody holds a lock" });
    }
    for lease in &held {
        println!("{lease}");
    }
    Ok(())
}

fn data(lease: &Lease) -> Value {
    json!({
        "resource": lease.resource,
        "run": lease.run,
        "holder": lease.holder,
        "since": lease.since,
        "runbook": lease.runbook,
        "step": lease.step,
        "cut_off": lease.cut_off,
    })
}

async fn watch(desk: &Desk, resource: &str) -> Result<(), String> {
    let Some(lease) = holder(desk, resource).await? else {
        println!("nobody holds {}", text::clean(resource));
        return Ok(());
    };
    println!("{lease}");
    follow(desk, lease.run).await
}

/// What is recorded of a run, as it comes, until the run has an end.
async fn follow(desk: &Desk, run: RunId) -> Result<(), String> {
    let (mut told, mut runs) = (BTreeSet::new(), Runs::default());
    loop {
        let records = desk.exec.journal.of_run(run).await.map_err(|error| error.to_string())?;
        for record in records.iter().filter(|record| told.insert(record.id)) {
            runs.apply(record);
            println!("{}", of_record(record));
        }
        if runs.get(run).is_some_and(|run| run.outcome.is_some()) {
            return Ok(());
        }
        if records.is_empty() {
            println!("run {} has not begun", run.short());
            return Ok(());
        }
        sleep(LOOK).await;
    }
}
