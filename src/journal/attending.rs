//! Which incident a record belongs to: that which its process attends to, but for what a run does. A run belongs to the incident in which it was begun, from its
//! first record to its last, whichever process writes them and whatever is attended to by then.

use super::Journal;
use crate::domain::record::{Entry, RecordKind};
use crate::domain::{IncidentId, RunId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by all that write one chain.
#[derive(Clone, Debug, Default)]
pub struct Attending(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    now: Option<String>,
    /// Where runs belong whose first record is known.
    runs: HashMap<RunId, Option<String>>,
}

/// An entry, and the incident that it is meant for.
#[derive(Clone, Debug, PartialEq)]
pub struct Meant {
    /// What is recorded.
    pub entry: Entry,
    /// As a record holds it; `None`: it belongs to none.
    pub incident: Option<String>,
}

impl Meant {
    /// For this incident, whatever is attended to.
    pub fn to(incident: IncidentId, entry: Entry) -> Self {
        Self { entry, incident: Some(incident.to_string()) }
    }
}

impl Attending {
    /// From now on records belong to this one; `None`: to none.
    pub fn set(&self, incident: Option<IncidentId>) {
        self.known().now = incident.map(|incident| incident.to_string());
    }

    /// What is attended to, as a record holds it.
    pub fn now(&self) -> Option<String> {
        self.known().now.clone()
    }

    /// Where an entry belongs. `journal` tells of a run that another process has begun; of one that it doesn't know, what is attended to
    /// is the best guess.
    pub async fn meant(&self, entry: Entry, journal: &dyn Journal) -> Meant {
        let Some(run) = entry.run else { return Meant { incident: self.now(), entry } };
        if entry.kind == RecordKind::RunStart {
            let now = self.now();
            self.known().runs.insert(run, now);
        }
        let known = self.known().runs.get(&run).cloned();
        let incident = match known {
            Some(known) => known,
            None => self.begun(run, journal).await,
        };
        Meant { entry, incident }
    }

    async fn begun(&self, run: RunId, journal: &dyn Journal) -> Option<String> {
        let records = journal.of_run(run).await.unwrap_or_default();
        let Some(start) = records.into_iter().find(|record| record.entry.kind == RecordKind::RunStart) else {
            return self.now();
        };
        self.known().runs.insert(run, start.incident.clone());
        start.incident
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
