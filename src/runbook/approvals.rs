//! What takes two people and somebody has asked for: a pure fold over the journal's records. What counts is what the journal's server says of it; this is
//! for people.

use crate::domain::RunId;
use crate::domain::record::{Actor, Record, RecordKind};
use crate::domain::text::{clean, clean_lines};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A request for a second person's approval. Texts are harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id: that of its record.
    pub id: Uuid,
    /// Who asked.
    pub by: Actor,
    /// The environment's name.
    pub env: String,
    /// The runbook's id.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// The runbook's risk.
    pub risk: String,
    /// The hash of the plan.
    pub plan_hash: String,
    /// The plan as it was shown, whole.
    pub plan: String,
    /// What is changed, with where that is: `primary at db:5432`.
    pub targets: Vec<String>,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Until when it can be approved, and used: by the asker's clock, where the server did not say.
    pub until: Timestamp,
    /// What came of it.
    pub state: State,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided.
    Open,
    /// Somebody has approved, and said this.
    Approved(Actor, String),
    /// Somebody has refused, and said why.
    Refused(Actor, String),
    /// Whoever asked wants it no more.
    Withdrawn,
    /// A run has begun by it.
    Used(RunId),
}

impl Request {
    /// From the record that asks.
    fn asked(record: &Record) -> Self {
        let data = &record.entry.data;
        let text = |key: &str| clean(data[key].as_str().unwrap_or_default()).into_owned();
        let targets = data["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let lasts = Duration::from_millis(data["ttl_ms"].as_u64().unwrap_or_default());
        Self {
            id: record.id,
            by: record.actor.clone(),
            env: clean(&record.entry.env).into_owned(),
            runbook: text("runbook"),
            title: text("title"),
            risk: text("risk"),
            plan_hash: text("plan_hash"),
            plan: clean_lines(data["plan"].as_str().unwrap_or_default()),
            targets: targets.map(|target| clean(target).into_owned()).collect(),
            asked: record.at,
            until: record.at.checked_add(lasts).unwrap_or(record.at),
            state: State::Open,
        }
    }

    /// It can be decided.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == State::Open && now < self.until
    }

    /// The first twelve digits of its id's end, by which people name it: the last ones differ.
    pub fn short(&self) -> String {
        short(self.id)
    }

    /// How it stands: `waits, 12 min left`.
    pub fn standing(&self, now: Timestamp) -> String {
        let left = self.until.duration_since(now).as_secs().max(0);
        let left = || if left < 120 { format!("{left} s left") } else { format!("{} min left", left / 60) };
        let by = |actor: &Actor, reason: &str| {
            let who = clean(&format!("{}@{}", actor.name, actor.host)).into_owned();
            if reason.is_empty() { who } else { format!("{who}: {reason}") }
        };
        match &self.state {
            State::Used(run) => format!("used by run {}", run.short()),
            State::Withdrawn => "withdrawn".to_owned(),
            State::Refused(actor, reason) => format!("refused by {}", by(actor, reason)),
            State::Open | State::Approved(..) if now >= self.until => "its time is over".to_owned(),
            State::Open => format!("waits, {}", left()),
            State::Approved(actor, reason) => format!("approved, {}, by {}", left(), by(actor, reason)),
        }
    }

    /// Who asks for what: `ada@bastion asks to run Fail over (fail-over) on primary at db:5432, in production`.
    pub fn line(&self) -> String {
        let who = clean(&format!("{}@{}", self.by.name, self.by.host)).into_owned();
        let on = if self.targets.is_empty() { String::new() } else { format!(" on {}", self.targets.join(", ")) };
        format!("{who} asks to run {} ({}){on}, in {}", self.title, self.runbook, self.env)
    }
}

/// The last digits of an id.
pub fn short(id: Uuid) -> String {
    let whole = id.simple().to_string();
    whole[whole.len() - 6..].to_owned()
}

/// All requests of late, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Approvals(Vec<Request>);

/// So many are kept.
const MOST: usize = 200;

impl Approvals {
    /// Takes in a record; true when it was about a request.
    pub fn apply(&mut self, record: &Record) -> bool {
        let kind = record.entry.kind;
        if kind == RecordKind::ApprovalAsked {
            if !self.0.iter().any(|known| known.id == record.id) {
                self.0.push(Request::asked(record));
            }
            let over = self.0.len().saturating_sub(MOST);
            self.0.drain(..over);
            return true;
        }
        let data = &record.entry.data;
        let Some(id) = data["approval"].as_str().and_then(|id| id.parse::<Uuid>().ok()) else { return false };
        let Some(request) = self.0.iter_mut().find(|request| request.id == id) else { return false };
        let reason = || clean(data["reason"].as_str().unwrap_or_default()).into_owned();
        request.state = match kind {
            RecordKind::ApprovalGiven => State::Approved(record.actor.clone(), reason()),
            RecordKind::ApprovalRefused => State::Refused(record.actor.clone(), reason()),
            RecordKind::ApprovalWithdrawn => State::Withdrawn,
            RecordKind::RunStart | RecordKind::RunResume => match record.entry.run {
                Some(run) => State::Used(run),
                None => return false,
            },
            _ => return false,
        };
        true
    }

    /// All of them, oldest first.
    pub fn all(&self) -> &[Request] {
        &self.0
    }

    /// The same, to be changed by who knows better when their time is over.
    pub fn all_mut(&mut self) -> &mut [Request] {
        &mut self.0
    }

    /// By its id.
    pub fn get(&self, id: Uuid) -> Option<&Request> {
        self.0.iter().find(|request| request.id == id)
    }

    /// The newest one of a plan.
    pub fn of_plan(&self, hash: &str) -> Option<&Request> {
        self.0.iter().rev().find(|request| request.plan_hash == hash)
    }

    /// Those that somebody can decide.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Request> {
        self.0.iter().filter(move |request| request.is_open(now))
    }
}

/// What the record of a decision holds.
pub fn decision(request: &Request, reason: &str) -> Value {
    json!({ "approval": request.id, "plan_hash": request.plan_hash, "reason": reason, "runbook": request.runbook })
}
