//! Which incident is meant.

use super::twins::plain;
use super::{Incident, Incidents};
use crate::domain::id::is_called;
use crate::domain::{IncidentId, RunId};

impl Incidents {
    /// Forgets those of other environments: what is said here is not about them.
    pub fn keep_env(&mut self, env: &str) {
        self.list.retain(|incident| incident.env == env);
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Incident> + ExactSizeIterator {
        self.list.iter()
    }

    /// By its id.
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.list.iter().find(|incident| incident.id == id)
    }

    /// Those that are not over, oldest first.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Incident> + Clone {
        self.list.iter().filter(|incident| incident.is_open())
    }

    /// The worst of them, of several the newest: what a session attends to that nobody told which.
    pub fn worst(&self) -> Option<&Incident> {
        self.open().rev().min_by_key(|incident| incident.priority)
    }

    /// One that is open and is about the same as one that is to be declared: of the same alert, by its fingerprint, or called the same.
    pub fn same(&self, title: &str, fingerprint: Option<&str>) -> Option<&Incident> {
        let title = plain(title);
        let is_same = |incident: &&Incident| {
            plain(&incident.title) == title || fingerprint.is_some_and(|print| incident.is_of_alert(print))
        };
        self.open().rev().find(is_same)
    }

    /// Those that are over and whose post-mortem is due, the newest first.
    pub fn unwritten(&self) -> impl Iterator<Item = &Incident> {
        self.list.iter().rev().filter(|incident| incident.owes_report())
    }

    /// The one that is meant while none is open: the newest that owes a post-mortem, else the newest that was one of its own, else the newest.
    pub fn newest_over(&self) -> Option<&Incident> {
        let real = || self.list.iter().rev().find(|incident| incident.closed_as.is_none());
        self.unwritten().next().or_else(real).or_else(|| self.list.last())
    }

    /// Changes whenever a record of an incident was applied.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The one that has this run.
    pub fn of_run(&self, run: RunId) -> Option<&Incident> {
        self.list.iter().find(|incident| incident.lines.iter().any(|line| line.run == Some(run)))
    }

    /// By the end of an id, as people say it to each other, or its beginning; `None` names the one that is open, else [the newest that is over](Self::newest_over).
    ///
    /// # Errors
    /// A sentence, when there is none, or more than one could be meant.
    pub fn find(&self, wanted: Option<&str>) -> Result<&Incident, String> {
        let none = || {
            "no incident was ever declared here: `quarterdeck incident declare --priority P1 TITLE` begins one"
                .to_owned()
        };
        let Some(wanted) = wanted else {
            let open: Vec<&Incident> = self.open().collect();
            return match open[..] {
                [] => self.newest_over().ok_or_else(none),
                [one] => Ok(one),
                _ => Err(format!("{} incidents are open, name one (--incident ID): {}", open.len(), names(&open))),
            };
        };
        let meant = self.list.iter().filter(|incident| is_called(incident.id.0, wanted));
        match meant.collect::<Vec<_>>()[..] {
            [one] => Ok(one),
            [] if self.list.is_empty() => Err(none()),
            [] => {
                let all: Vec<&Incident> = self.list.iter().collect();
                Err(format!("there is no incident {wanted}; known are {}", names(&all)))
            }
            ref more => Err(format!("{wanted} could be any of {}", names(more))),
        }
    }
}

fn names(incidents: &[&Incident]) -> String {
    let newest = incidents.iter().rev().take(5);
    newest.map(|incident| format!("{} ({})", incident.short(), incident.title)).collect::<Vec<_>>().join(", ")
}
