//! Locks that somebody asks for while a run holds them: a pure fold over the journal's records.

use crate::domain::RunId;
use crate::domain::record::{Actor, Record, RecordKind};
use crate::domain::text::clean;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// Somebody wants what a run holds. Texts are harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its id: that of its record.
    pub id: Uuid,
    /// Who wants it.
    pub by: Actor,
    /// Of which run.
    pub run: RunId,
    /// What.
    pub resources: Vec<String>,
    /// For which run, which is to begin with it.
    pub for_run: RunId,
    /// Why.
    pub reason: String,
    /// When it is taken over, also if nobody hands it over; `None`: it is only asked for.
    pub taken_at: Option<Timestamp>,
    /// It went to that run, or its holder has ended.
    pub over: bool,
}

impl Want {
    /// From the record that asks.
    pub fn asked(record: &Record) -> Option<Self> {
        let data = &record.entry.data;
        let resources = data["resources"].as_array()?.iter().filter_map(Value::as_str);
        let grace = Duration::from_millis(data["grace_ms"].as_u64().unwrap_or_default());
        let take = data["take"].as_bool() == Some(true);
        Some(Self {
            id: record.id,
            by: record.actor.clone(),
            run: RunId(data["run"].as_str()?.parse().ok()?),
            resources: resources.map(|resource| clean(resource).into_owned()).collect(),
            for_run: RunId(data["for_run"].as_str()?.parse().ok()?),
            reason: clean(data["reason"].as_str().unwrap_or_default()).into_owned(),
            taken_at: take.then(|| record.at.checked_add(grace).unwrap_or(record.at)),
            over: false,
        })
    }

    /// `ben@bastion-2 asks for database/primary: the primary must fail over`.
    pub fn line(&self) -> String {
        let who = clean(&format!("{}@{}", self.by.name, self.by.host)).into_owned();
        let (what, why) = (self.resources.join(", "), &self.reason);
        match self.taken_at {
            None => format!("{who} asks for {what}: {why}"),
            Some(at) => format!("{who} takes over {what} at {}: {why}", at.strftime("%H:%M:%S UTC")),
        }
    }
}

/// All of late, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Wants(Vec<Want>);

/// So many are kept.
const MOST: usize = 100;

impl Wants {
    /// Takes in a record; the want that is new by it.
    pub fn apply(&mut self, record: &Record) -> Option<&Want> {
        match record.entry.kind {
            RecordKind::LockWanted => {
                let want = Want::asked(record).filter(|want| !self.0.iter().any(|known| known.id == want.id))?;
                self.0.push(want);
                let over = self.0.len().saturating_sub(MOST);
                self.0.drain(..over);
                self.0.last()
            }
            RecordKind::LockPassed => {
                let id = record.entry.data["wanted"].as_str().and_then(|id| id.parse::<Uuid>().ok());
                self.0.iter_mut().filter(|want| Some(want.id) == id).for_each(|want| want.over = true);
                None
            }
            RecordKind::LockReleased | RecordKind::RunFinish => {
                let held = |want: &&mut Want| Some(want.run) == record.entry.run;
                self.0.iter_mut().filter(held).for_each(|want| want.over = true);
                None
            }
            _ => None,
        }
    }

    /// The newest one about a run that has not been settled.
    pub fn of_run(&self, run: RunId) -> Option<&Want> {
        self.0.iter().rev().find(|want| want.run == run && !want.over)
    }

    /// By its id.
    pub fn get(&self, id: Uuid) -> Option<&Want> {
        self.0.iter().find(|want| want.id == id)
    }
}
