//! `quarterdeck runbook resume`: what became of the runs that a crash cut off.

use super::super::Global;
use super::desk::Desk;
use super::run::{FAILED, code};
use crate::domain::{json, text};
use crate::event::{Ended, Event, RunEvent};
use crate::runtime;
use clap::Args;
use serde_json::{Value, json};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// How it is told.
#[derive(Debug, Args)]
pub struct Resume {
    /// As JSON: {runs: [{run, outcome, reason}], troubles: [text]}
    #[arg(long)]
    json: bool,
}

impl Resume {
    /// Looks and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        runtime::block_on(async {
            let mut desk = Desk::acting(global).await?;
            let (ended, troubles) = found(&mut desk).await;
            desk.close().await;
            let printed = if self.json { json::text(&as_json(&ended, &troubles))? } else { lines(&ended) };
            stdout().write_all(printed.as_bytes())?;
            for trouble in &troubles {
                eprintln!("quarterdeck: {}", text::clean(trouble));
            }
            Ok(ExitCode::from(worst(&ended, !troubles.is_empty())))
        })?
    }
}

async fn found(desk: &mut Desk) -> (Vec<Ended>, Vec<String>) {
    if let Err(error) = desk.exec.journal.recent(1).await {
        return (Vec::new(), vec![error.to_string()]);
    }
    let exec = Arc::clone(&desk.exec);
    let mut looking = tokio::spawn(async move { exec.reconcile().await });
    let (mut ended, mut troubles) = (Vec::new(), Vec::new());
    let mut take = |event| match event {
        Event::Run(RunEvent::Reconciled(found)) => ended.extend(found),
        Event::Run(RunEvent::Trouble { what, .. }) => troubles.push(what),
        _ => {}
    };
    loop {
        tokio::select! {
            biased;
            Some(event) = desk.events.recv() => take(event),
            over = &mut looking => {
                while let Ok(event) = desk.events.try_recv() {
                    take(event);
                }
                if over.is_err() {
                    troubles.push("looking was cut off by a defect: report it".to_owned());
                }
                return (ended, troubles);
            }
        }
    }
}

fn as_json(ended: &[Ended], troubles: &[String]) -> Value {
    let run = |Ended { run, outcome, reason }: &Ended| json!({ "run": run.0, "outcome": outcome, "reason": reason });
    json!({ "runs": ended.iter().map(run).collect::<Vec<_>>(), "troubles": troubles })
}

fn lines(ended: &[Ended]) -> String {
    if ended.is_empty() {
        return "no run was cut off\n".to_owned();
    }
    let line = |Ended { run, outcome, reason }: &Ended| {
        format!("run {}  {:<7}  {}\n", run.short(), outcome.word(), text::clean(reason))
    };
    ended.iter().map(line).collect()
}

fn worst(ended: &[Ended], troubled: bool) -> u8 {
    let codes = ended.iter().map(|ended| code(ended.outcome)).chain(troubled.then_some(FAILED));
    codes.max_by_key(|code| [0, 4, 1, 3].iter().position(|known| known == code)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;
    use crate::domain::record::RunOutcome::{Failed, Ok, Stopped, Unknown};
    use uuid::Uuid;

    #[test]
    fn the_worst_counts() {
        let ended = |outcomes: &[_]| {
            let of = |outcome: &_| Ended { run: RunId(Uuid::nil()), outcome: *outcome, reason: String::new() };
            outcomes.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(worst(&[], false), 0);
        assert_eq!(worst(&[], true), 1);
        assert_eq!(worst(&ended(&[Ok, Stopped]), false), 4);
        assert_eq!(worst(&ended(&[Failed, Stopped]), false), 1);
        assert_eq!(worst(&ended(&[Failed, Unknown, Stopped]), true), 3);
    }
}
