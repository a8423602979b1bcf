//! A plan that takes two people, from the command line: the second one is asked for through the team's journal and waited for.

use super::super::approval;
use super::desk::Desk;
use super::plan;
use super::told;
use crate::clock;
use crate::domain::text;
use crate::runbook::approvals::{Request, State};
use crate::runbook::{Approval, Draft, Plan};
use serde_json::json;
use std::io::Write;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// From one look to the next at what the second person says.
const LOOK: Duration = Duration::from_secs(1);

/// How it is asked for, and how that is told.
pub struct Asking {
    /// Asks, tells the request's id, and waits for nobody.
    pub no_wait: bool,
    /// Tells it as JSON.
    pub json: bool,
}

impl Asking {
    /// The approval of a plan: one that is there, else one that is asked for and waited for.
    pub async fn second(&self, desk: &Desk, made: &Plan<Draft>, person: bool) -> Result<Approval, String> {
        if let Some(approval) = desk.exec.approval_of(&made.body().hash).await? {
            self.tell(&format!("approved by {}: {}", approval.by(), approval.reason()), "approved", None);
            return Ok(approval);
        }
        let record = desk.exec.ask_approval(made, &plan::text(made)).await?;
        let lost = || "the request is not known to the journal".to_owned();
        let request = approval::now(desk, record.id).await?.ok_or_else(lost)?;
        let id = request.short();
        let how = format!(
            "asked for a second person's approval, {id}: `quarterdeck approval approve {id}`, or A on their screen"
        );
        self.tell(&how, "asked", Some(&request));
        if self.no_wait {
            return Err(format!(
                "request {id} waits for a second person: run it again with the same plan once it is approved"
            ));
        }
        self.wait(desk, request, person).await
    }

    async fn wait(&self, desk: &Desk, mut request: Request, person: bool) -> Result<Approval, String> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        loop {
            self.count(&request, person);
            tokio::select! {
                biased;
                _ = interrupt.recv() => {
                    // It lapses by itself when that can't be said.
                    let _ = desk.exec.withdraw(&request).await;
                    return Err(format!("request {} is withdrawn", request.short()));
                }
                () = sleep(LOOK) => {}
            }
            // While the journal is away nobody can approve; its time goes on.
            if let Ok(Some(known)) = approval::now(desk, request.id).await {
                request = known;
            }
            match &request.state {
                State::Approved(..) => {
                    let approval = desk.exec.approval_of(&request.plan_hash).await?;
                    let approval = approval.ok_or("the approval can't be used any more: its time is over")?;
                    self.tell(&request.standing(clock::now().wall), "approved", Some(&request));
                    return Ok(approval);
                }
                State::Open if clock::now().wall < request.until => {}
                State::Open | State::Refused(..) | State::Withdrawn | State::Used(_) => {
                    return Err(format!("request {}: {}", request.short(), request.standing(clock::now().wall)));
                }
            }
        }
    }

    /// The time that is left, on one line of a terminal.
    fn count(&self, request: &Request, person: bool) {
        if person && !self.json {
            eprint!("\r\x1b[K{}: {}; Ctrl-C withdraws it", request.short(), request.standing(clock::now().wall));
            let _ = std::io::stderr().flush();
        }
    }

    fn tell(&self, line: &str, state: &str, request: Option<&Request>) {
        if self.json {
            let id = request.map(|request| request.id);
            println!("{}", told::compact(&json!({ "event": "approval", "state": state, "id": id, "text": line })));
        } else {
            eprintln!("\r\x1b[K{}", text::clean(line));
        }
    }
}
