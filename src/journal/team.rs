//! Reading a team's journal together with what is kept on this machine until its server has it.

use super::postgres;
use super::process::actor;
use super::row::Found;
use super::sqlite;
use super::store::Team;
use super::{Away, JournalError};
use crate::clock;
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind};
use crate::journal::lease::Lease;
use crate::redact::Redactor;
use crate::runbook::approvals::Request;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Reads both; while the server is away the file of this machine alone.
#[derive(Clone)]
pub struct TeamReader {
    server: Result<postgres::Reader, JournalError>,
    here: Option<sqlite::Reader>,
}

impl TeamReader {
    pub(super) async fn open(team: &Team) -> Result<Self, JournalError> {
        let login = Arc::new(postgres::login(&team.login, &Redactor::default())?);
        let server = postgres::Reader::open(login).await;
        let file = team.file.as_deref().filter(|file| file.exists());
        let Some(file) = file else { return Ok(Self { server: Ok(server?), here: None }) };
        match (server, sqlite::Reader::open(file).await) {
            (server, Ok(here)) => Ok(Self { server, here: Some(here) }),
            (Ok(server), Err(why)) => {
                tracing::warn!(%why, "what is kept on this machine is not read");
                Ok(Self { server: Ok(server), here: None })
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The server, if it answers.
    pub fn server(&self) -> Option<&postgres::Reader> {
        self.server.as_ref().ok()
    }

    /// That the server is away.
    pub fn away(&self) -> Option<Away> {
        let why = self.server.as_ref().err()?.clone();
        Some(Away { since: clock::now().wall, why })
    }

    /// What the server lacks, in the order of the file, each marked as such.
    ///
    /// # Errors
    /// When one of the two cannot be read.
    pub async fn pending(&self) -> Result<Vec<Found>, JournalError> {
        let Some(here) = &self.here else { return Ok(Vec::new()) };
        let mut pending = here.pending().await?;
        if let (Ok(server), false) = (&self.server, pending.is_empty()) {
            let writers: BTreeSet<Uuid> = pending.iter().map(|found| found.place().0).collect();
            let has = server.last_of(&writers).await?;
            pending.retain(|found| has.get(&found.place().0).is_none_or(|seq| found.place().1 > *seq));
        }
        Ok(pending)
    }

    async fn pending_records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.pending().await?.into_iter().filter_map(Found::record).collect())
    }

    /// All rows of the server, then those that it lacks; while it is away those of this machine.
    pub(super) fn all(&self) -> BoxStream<'_, Result<Found, JournalError>> {
        let lacks = stream::once(self.pending()).flat_map(|pending| match pending {
            Ok(found) => stream::iter(found.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        match (&self.server, &self.here) {
            (Ok(server), None) => server.all(),
            (Ok(server), Some(_)) => server.all().chain(lacks).boxed(),
            (Err(_), Some(here)) => {
                let marks = stream::once(async { here.marks().await.unwrap_or_default() });
                marks.flat_map(move |marks| here.all().map(move |row| row.map(|found| found.marked(&marks)))).boxed()
            }
            (Err(error), None) => stream::iter([Err(error.clone())]).boxed(),
        }
    }

    /// The requests for approval, which the server alone knows.
    ///
    /// # Errors
    /// When it is away, or can't be read.
    pub(super) async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        self.server.as_ref().map_err(Clone::clone)?.approvals().await
    }

    /// See [`super::Reader::recent`].
    pub(super) async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let mut records = match (&self.server, &self.here) {
            (Ok(server), _) => server.recent(limit).await?,
            (Err(_), Some(here)) => marked(here, here.recent(limit).await?).await?,
            (Err(error), None) => return Err(error.clone()),
        };
        self.add_pending(&mut records, |_| true).await?;
        let more = records.len().saturating_sub(limit as usize);
        Ok(records.split_off(more))
    }

    /// See [`super::Reader::of_incidents`].
    pub(super) async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let mut records = match (&self.server, &self.here) {
            (Ok(server), _) => server.of_incidents(limit).await?,
            (Err(_), Some(here)) => marked(here, here.of_incidents(limit).await?).await?,
            (Err(error), None) => return Err(error.clone()),
        };
        self.add_pending(&mut records, super::tells_of_incidents).await?;
        Ok(records)
    }

    /// See [`super::Reader::of_run`].
    pub(super) async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        let mut records = match (&self.server, &self.here) {
            (Ok(server), _) => server.of_run(run).await?,
            (Err(_), Some(here)) => marked(here, here.of_run(run).await?).await?,
            (Err(error), None) => return Err(error.clone()),
        };
        self.add_pending(&mut records, |record| record.entry.run == Some(run)).await?;
        Ok(records)
    }

    /// See [`super::Reader::open_runs`].
    pub(super) async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        let mut records = match (&self.server, &self.here) {
            (Ok(server), _) => server.open_runs().await?,
            (Err(_), Some(here)) => here.open_runs().await?,
            (Err(error), None) => return Err(error.clone()),
        };
        // Of what the server lacks the ends of runs too.
        self.add_pending(&mut records, |record| record.entry.run.is_some()).await?;
        Ok(records)
    }

    /// See [`super::Reader::last_starts`].
    pub(super) async fn last_starts(&self, runbook: Option<&str>) -> Result<Vec<Record>, JournalError> {
        let mut starts = match (&self.server, &self.here) {
            (Ok(server), _) => server.last_starts(runbook).await?,
            (Err(_), Some(here)) => here.last_starts(runbook).await?,
            (Err(error), None) => return Err(error.clone()),
        };
        let of = |record: &Record| record.entry.data["runbook"].as_str().unwrap_or_default().to_owned();
        let begins = |record: &Record| {
            record.entry.kind == RecordKind::RunStart && runbook.is_none_or(|runbook| runbook == of(record))
        };
        self.add_pending(&mut starts, begins).await?;
        let newest: BTreeMap<String, Uuid> = starts.iter().map(|record| (of(record), record.id)).collect();
        starts.retain(|record| newest.get(&of(record)) == Some(&record.id));
        Ok(starts)
    }

    /// See [`super::Reader::end_of`].
    pub(super) async fn end_of(&self, run: RunId) -> Result<Option<Record>, JournalError> {
        let mut ends: Vec<Record> = match (&self.server, &self.here) {
            (Ok(server), _) => server.end_of(run).await?.into_iter().collect(),
            (Err(_), Some(here)) => here.end_of(run).await?.into_iter().collect(),
            (Err(error), None) => return Err(error.clone()),
        };
        let ended = |record: &Record| record.entry.kind == RecordKind::RunFinish && record.entry.run == Some(run);
        self.add_pending(&mut ends, ended).await?;
        Ok(ends.pop())
    }

    /// See [`super::Reader::held`].
    pub(super) async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        match (&self.server, &self.here) {
            (Ok(server), _) => server.held(resources).await,
            (Err(_), Some(here)) => here.held(resources, &actor()).await,
            (Err(error), None) => Err(error.clone()),
        }
    }

    /// See [`super::Reader::locked`].
    pub(super) async fn locked(&self) -> Result<Vec<String>, JournalError> {
        match (&self.server, &self.here) {
            (Ok(server), _) => server.locked().await,
            (Err(_), Some(here)) => here.locked().await,
            (Err(error), None) => Err(error.clone()),
        }
    }

    /// What the server lacks comes after what it has.
    async fn add_pending(
        &self,
        records: &mut Vec<Record>,
        wanted: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<(), JournalError> {
        if self.server.is_err() {
            return Ok(());
        }
        let known: BTreeSet<Uuid> = records.iter().map(|record| record.id).collect();
        let pending = self.pending_records().await?;
        records.extend(pending.into_iter().filter(|record| wanted(record) && !known.contains(&record.id)));
        Ok(())
    }
}

async fn marked(here: &sqlite::Reader, records: Vec<Record>) -> Result<Vec<Record>, JournalError> {
    let marks = here.marks().await?;
    let found = records.into_iter().map(|record| Found::Record(Box::new(record)).marked(&marks));
    Ok(found.filter_map(Found::record).collect())
}
