//! The record of everything done: append-only, a hash chain per writer, durable before anything happens.

pub mod chain;
pub mod export;

use crate::domain::record::{Entry, Record};
use async_trait::async_trait;

/// Why the journal could not do it. A change must not start then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what} ({hint})")]
pub struct JournalError {
    /// What failed, and where (the file).
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// Where records go.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds one record to this process's chain; returns only once it is durable.
    async fn append(&self, entry: Entry) -> Result<Record, JournalError>;
    /// The newest `limit` records of all writers, oldest first.
    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError>;
    /// All records of the runs that have a `run.start` and no `run.finish`, oldest first, whoever wrote them.
    async fn unfinished(&self) -> Result<Vec<Record>, JournalError>;
}
