//! The second person: asked for through the team's journal, which judges who that is.

use super::Exec;
use crate::domain::reason;
use crate::domain::record::{Entry, Record, RecordKind};
use crate::runbook::approvals::{Request, decision};
use crate::runbook::{Approval, Draft, Plan, Refusal};
use serde_json::{Value, json};
use std::time::Duration;

impl Exec {
    /// Asks for a second person's approval of a plan, as it was shown. The record's id is that of the request.
    ///
    /// # Errors
    /// When nothing may be changed from here, the plan takes one person or is blocked, or the journal takes no request.
    pub async fn ask_approval(&self, plan: &Plan<Draft>, shown: &str) -> Result<Record, String> {
        self.may_act()?;
        if !plan.takes_two() {
            return Err("one person is enough for this plan".to_owned());
        }
        if let Some(why) = plan.body().blocked.first() {
            return Err(Refusal::Blocked(why.clone()).to_string());
        }
        let asked = request(plan, shown, self.policy.approval_time());
        self.put(RecordKind::ApprovalAsked, asked).await
    }

    /// Approves a request, or refuses it, with what is said of it.
    ///
    /// # Errors
    /// When nothing may be changed from here, that is no reason, or the server does not take it: one's own, one that is decided or over.
    pub async fn decide(&self, request: &Request, approves: bool, why: &str) -> Result<Record, String> {
        self.may_act()?;
        let kind = if approves { RecordKind::ApprovalGiven } else { RecordKind::ApprovalRefused };
        self.put(kind, decision(request, &reason::given(why)?)).await
    }

    /// Whoever asked wants it no more.
    ///
    /// # Errors
    /// When nothing may be changed from here, or the server does not take it: somebody else's, one that is used or over.
    pub async fn withdraw(&self, request: &Request) -> Result<Record, String> {
        self.may_act()?;
        self.put(RecordKind::ApprovalWithdrawn, decision(request, "")).await
    }

    /// What was approved of this plan for whoever asks, and can be used.
    ///
    /// # Errors
    /// When the journal can't be asked.
    pub async fn approval_of(&self, plan_hash: &str) -> Result<Option<Approval>, String> {
        self.journal.approval(plan_hash).await.map_err(|error| error.to_string())
    }

    fn may_act(&self) -> Result<(), String> {
        if self.read_only { Err(Refusal::ReadOnly.to_string()) } else { Ok(()) }
    }

    async fn put(&self, kind: RecordKind, data: Value) -> Result<Record, String> {
        let entry = Entry { kind, run: None, step: None, role: None, target: None, env: self.env.clone(), data };
        let record = self.journal.decide(entry).await.map_err(|error| error.to_string())?;
        self.recorded(&record).await;
        Ok(record)
    }
}

/// What the record of a request holds: all that who approves has to see.
fn request(plan: &Plan<Draft>, shown: &str, lasts: Duration) -> Value {
    let body = plan.body();
    let changed = body.steps.iter().filter(|step| step.changes());
    let mut targets: Vec<String> = Vec::new();
    for step in changed {
        let at = if step.address.is_empty() { String::new() } else { format!(" at {}", step.address) };
        let target = format!("{}{at}", step.target);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    json!({
        "runbook": body.runbook.id,
        "title": body.runbook.title,
        "risk": body.runbook.risk,
        "source_hash": body.runbook.hash,
        "plan_hash": body.hash,
        "plan": shown,
        "targets": targets,
        "resumes": body.request.resumes.map(|resumption| resumption.run),
        "ttl_ms": u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX),
    })
}
