//! What others append, on the server and, while it is away, in the file of this machine: each record once.

use super::super::{Journal as _, JournalError, Others};
use super::Inner;
use crate::domain::record::Record;
use async_trait::async_trait;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Follows both.
pub(super) struct Both {
    inner: Arc<Inner>,
    after: Option<Uuid>,
    there: Option<Box<dyn Others>>,
    here: Option<Box<dyn Others>>,
    /// What came from the file: the server tells it once more when it is back.
    told: HashSet<(Uuid, u64)>,
    /// The newest number of each writer that the server has told.
    known: BTreeMap<Uuid, u64>,
    away: bool,
}

impl Both {
    pub(super) fn new(inner: Arc<Inner>, after: Option<Uuid>) -> Self {
        let away = inner.is_left().is_some();
        Self { inner, after, there: None, here: None, told: HashSet::new(), known: BTreeMap::new(), away }
    }

    async fn read_there(&mut self) -> Result<Option<Vec<Record>>, JournalError> {
        if self.there.is_none() {
            self.there = self.inner.team.others(self.after).await?;
        }
        let Some(there) = &mut self.there else { return Ok(None) };
        let read = self.inner.ask(there.read()).await?;
        if read.is_none() {
            // It is begun anew where the server is back; what came meanwhile is read then.
            return Ok(None);
        }
        let mut records = read.unwrap_or_default();
        records.retain(|record| !self.told.remove(&(record.writer, record.seq)));
        for record in &records {
            self.known.insert(record.writer, record.seq);
        }
        Ok(Some(records))
    }

    async fn read_here(&mut self) -> Result<Vec<Record>, JournalError> {
        if self.here.is_none() {
            // From its beginning on that the server lacks: what came between the two places.
            self.here = self.inner.file().await?.others(self.after).await?;
        }
        let Some(here) = &mut self.here else { return Ok(Vec::new()) };
        let mut records = self.inner.here.marked(here.read().await?).await?;
        records
            .retain(|record| record.kept.local && self.known.get(&record.writer).is_none_or(|seq| record.seq > *seq));
        self.told.extend(records.iter().map(|record| (record.writer, record.seq)));
        Ok(records)
    }
}

#[async_trait]
impl Others for Both {
    fn stirs(&mut self) -> bool {
        let away = self.inner.is_left().is_some();
        let turned = std::mem::replace(&mut self.away, away) != away;
        let one = if away { &mut self.here } else { &mut self.there };
        turned || one.as_mut().is_none_or(|others| others.stirs())
    }

    async fn read(&mut self) -> Result<Vec<Record>, JournalError> {
        if self.inner.is_left().is_none()
            && let Some(records) = self.read_there().await?
        {
            return Ok(records);
        }
        self.read_here().await
    }
}
