//! The journal for those who only look: it is opened for reading at each question, made by nobody, and takes nothing.

use super::absent::Absent;
use super::lease::Lease;
use super::{Away, Journal, JournalError, Reader, Store, postgres};
use crate::clock;
use crate::domain::RunId;
use crate::domain::record::{Entry, Record};
use crate::runbook::approvals::Request;
use async_trait::async_trait;

/// Reads the journal at a place, if there is one.
#[derive(Clone, Debug)]
pub struct Looking(pub Store);

impl Looking {
    async fn reader(&self) -> Result<Option<Reader>, JournalError> {
        if self.0.is_there() { Reader::open(&self.0).await.map(Some) } else { Ok(None) }
    }
}

#[async_trait]
impl Journal for Looking {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let why = JournalError::new("the journal is open for reading alone", "this is a defect: report it");
        Absent(why).append(entry).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.recent(limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.of_incidents(limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.of_run(run).await,
            None => Ok(Vec::new()),
        }
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        Ok(Vec::new())
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.open_runs().await,
            None => Ok(Vec::new()),
        }
    }

    async fn away(&self) -> Option<Away> {
        match (&self.0, self.reader().await) {
            (_, Ok(Some(Reader::Team(reader)))) => reader.away(),
            // There is no file yet to fall back to: it is made by whoever acts.
            (Store::Team(team), Err(why)) if team.file.is_some() => Some(Away { since: clock::now().wall, why }),
            _ => None,
        }
    }

    async fn only_looks(&self) -> Option<String> {
        match self.reader().await {
            Ok(Some(Reader::Team(reader))) => postgres::rights(reader.server()?).await.ok()?.only_looks(),
            Ok(_) | Err(_) => None,
        }
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.locked().await,
            None => Ok(Vec::new()),
        }
    }

    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        match self.reader().await? {
            Some(Reader::Team(reader)) => reader.approvals().await,
            Some(Reader::File(_)) | None => Err(super::no_team()),
        }
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        match self.reader().await? {
            Some(reader) => reader.held(resources).await,
            None => Ok(Vec::new()),
        }
    }
}
