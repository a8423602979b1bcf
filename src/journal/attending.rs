//! Which incident a process attends to: its records belong to that one.

use crate::domain::IncidentId;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all that write one chain.
#[derive(Clone, Debug, Default)]
pub struct Attending(Arc<Mutex<Option<IncidentId>>>);

impl Attending {
    /// From now on records belong to this one; `None`: to none.
    pub fn set(&self, incident: Option<IncidentId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = incident;
    }

    /// As a record holds it.
    pub fn id(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|incident| incident.to_string())
    }
}
