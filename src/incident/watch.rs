//! What a screen knows of incidents, and which one it attends to.

use super::corrected::Here;
use super::{Incident, Incidents};
use crate::domain::incident::{Priority, Rules};
use crate::domain::record::Record;
use crate::domain::{IncidentId, Now};
use jiff::Timestamp;
use std::collections::{HashSet, VecDeque};
use uuid::Uuid;

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
    chosen: Option<IncidentId>,
    /// The one that was attended to last, or that is over and was chosen: it is shown when none is open, or in the place of the open one.
    last: Option<IncidentId>,
    /// It was chosen, though it is over.
    back: bool,
    /// The newest that came by themselves: who reads the journal meanwhile may not have them yet.
    came: VecDeque<Record>,
}

/// So many that came are kept.
const CAME: usize = 64;

impl Watch {
    /// Knows nothing yet.
    pub fn new(rules: Rules, here: Here, env: &str) -> Self {
        let incidents = Incidents::default().counting(&rules.updates);
        Self {
            rules,
            here,
            env: env.to_owned(),
            incidents,
            attending: None,
            chosen: None,
            last: None,
            back: false,
            came: VecDeque::new(),
        }
    }

    /// Begins anew with all that the journal tells.
    pub fn begin(&mut self, records: &[Record]) {
        let known: HashSet<Uuid> = records.iter().map(|record| record.id).collect();
        let came = self.came.iter().rev().filter(|record| !known.contains(&record.id));
        self.incidents = Incidents::default().counting(&self.rules.updates).with(records.iter().chain(came));
        self.incidents.keep_env(&self.env);
    }

    /// Takes in a record.
    pub fn apply(&mut self, record: &Record) {
        if record.incident.is_some() {
            self.came.truncate(CAME - 1);
            self.came.push_front(record.clone());
        }
        self.incidents.apply(record);
        self.incidents.keep_env(&self.env);
    }

    /// All incidents.
    pub const fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Attends to this one from the next [`Self::turn`] on, as long as it is open. One that is over is shown, and what is done goes on to belong
    /// to the one that is open.
    pub fn choose(&mut self, id: IncidentId) {
        self.expect(id);
        if self.incidents.get(id).is_some_and(|incident| !incident.is_open()) {
            self.back = true;
            self.last = self.chosen.take();
        }
    }

    /// Attends to this one as soon as it is open: it is being declared here, or opened again.
    pub fn expect(&mut self, id: IncidentId) {
        (self.chosen, self.back) = (Some(id), false);
    }

    /// Attends to the one that was chosen, else to the same one as long as it is open, else to the worst that is, of several the newest. True: it is not the one
    /// that it was.
    pub fn turn(&mut self) -> bool {
        let open = |id| self.incidents.get(id).filter(|incident| incident.is_open());
        // One that is being declared here is chosen before it is there.
        let chosen = self.chosen.and_then(open);
        if chosen.is_some() {
            self.chosen = None;
        }
        let own = chosen.or_else(|| self.attending.and_then(open));
        let now = own.or_else(|| self.incidents.worst()).map(|incident| incident.id);
        let turned = now != self.attending;
        // Which one is shown when none is open: the one that was attended to until now.
        if !self.back {
            self.last = now.or(self.attending).or(self.last);
        }
        self.attending = now;
        turned
    }

    /// The one that is open and attended to.
    pub fn open(&self) -> Option<&Incident> {
        self.attending.and_then(|id| self.incidents.get(id))
    }

    /// The others that are open: how many, and the worst of them.
    pub fn others(&self) -> Option<(usize, Priority)> {
        let worst = self.beside().map(|incident| incident.priority).min()?;
        Some((self.beside().count(), worst))
    }

    /// The one whose clocks are told: that is shown, else the newest that is over and whose post-mortem is not written.
    pub fn told(&self) -> Option<&Incident> {
        let shown = self.shown().filter(|incident| incident.is_open() || incident.owes_report());
        shown.or_else(|| self.open()).or_else(|| self.unwritten().next())
    }

    /// The one that is shown: that is over and was chosen, attended to, was attended to last, else the newest that owes a post-mortem, else the newest. One
    /// that was closed as none of its own is shown when there is nothing else to see to: the one that ended here, as long as no post-mortem is due.
    pub fn shown(&self) -> Option<&Incident> {
        let last = || self.last.and_then(|id| self.incidents.get(id));
        let is_real = |incident: &&Incident| incident.closed_as.is_none();
        let back = last().filter(|incident| self.back && !incident.is_open());
        let attended = || self.open().or_else(|| last().filter(is_real));
        back.or_else(attended)
            .or_else(|| self.unwritten().next())
            .or_else(last)
            .or_else(|| self.incidents.newest_over())
    }

    /// Those that are over and whose post-mortem is due, the newest first.
    pub fn unwritten(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.unwritten()
    }

    /// Those that are open beside the one that is shown.
    pub fn beside(&self) -> impl Iterator<Item = &Incident> {
        let shown = self.shown().map(|incident| incident.id);
        self.incidents.open().filter(move |incident| Some(incident.id) != shown)
    }

    /// This moment, on an incident's scale of time.
    pub fn at(&self, incident: &Incident, now: Now) -> Timestamp {
        incident.now(&self.here, now)
    }
}
