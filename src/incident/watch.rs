//! What a screen knows of incidents, and which one it attends to.

use super::corrected::Here;
use super::{Incident, Incidents};
use crate::domain::incident::{Priority, Rules};
use crate::domain::record::Record;
use crate::domain::{IncidentId, Now};
use jiff::Timestamp;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// What is agreed.
    pub rules: Rules,
    /// This process's clock.
    pub here: Here,
    /// Its incidents alone are shown.
    env: String,
    incidents: Incidents,
    attending: Option<IncidentId>,
}

impl Watch {
    /// Knows nothing yet.
    pub fn new(rules: Rules, here: Here, env: &str) -> Self {
        let incidents = Incidents::default().counting(&rules.updates);
        Self { rules, here, env: env.to_owned(), incidents, attending: None }
    }

    /// Begins anew with all that the journal tells.
    pub fn begin(&mut self, records: &[Record]) {
        self.incidents = Incidents::default().counting(&self.rules.updates);
        for record in records {
            self.incidents.apply(record);
        }
        self.incidents.keep_env(&self.env);
    }

    /// Takes in a record.
    pub fn apply(&mut self, record: &Record) {
        self.incidents.apply(record);
        self.incidents.keep_env(&self.env);
    }

    /// All incidents.
    pub const fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Attends to the same one as long as it is open, else to the newest that is. True: it is not the one that it was.
    pub fn turn(&mut self) -> bool {
        let own = self.attending.and_then(|id| self.incidents.get(id)).filter(|incident| incident.is_open());
        let now = own.or_else(|| self.incidents.open().next_back()).map(|incident| incident.id);
        let turned = now != self.attending;
        self.attending = now;
        turned
    }

    /// The one that is open and attended to.
    pub fn open(&self) -> Option<&Incident> {
        self.attending.and_then(|id| self.incidents.get(id))
    }

    /// The others that are open: how many, and the worst of them.
    pub fn others(&self) -> Option<(usize, Priority)> {
        let others = self.incidents.open().filter(|incident| Some(incident.id) != self.attending);
        let worst = others.clone().map(|incident| incident.priority).min()?;
        Some((others.count(), worst))
    }

    /// The one that is shown: attended to, else the newest.
    pub fn shown(&self) -> Option<&Incident> {
        self.open().or_else(|| self.incidents.iter().next_back())
    }

    /// This moment, on an incident's scale of time.
    pub fn at(&self, incident: &Incident, now: Now) -> Timestamp {
        incident.now(&self.here, now)
    }
}
