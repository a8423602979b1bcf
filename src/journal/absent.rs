//! The journal that could not be opened: it remembers nothing and takes nothing, so that nothing is done unrecorded.

use super::{Journal, JournalError};
use crate::domain::record::{Entry, Record};
use async_trait::async_trait;

/// Refuses every record with the reason why there is no journal.
#[derive(Clone, Debug)]
pub struct Absent(pub JournalError);

#[async_trait]
impl Journal for Absent {
    async fn append(&self, _: Entry) -> Result<Record, JournalError> {
        Err(self.0.clone())
    }

    async fn recent(&self, _: u32) -> Result<Vec<Record>, JournalError> {
        Err(self.0.clone())
    }

    /// None are known. [`Journal::recent`] has told the reason already.
    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        Ok(Vec::new())
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        Err(self.0.clone())
    }
}
