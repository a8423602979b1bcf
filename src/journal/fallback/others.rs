//! What others append, on the server and, while it is away, in the file of this machine: each record once.

use super::super::{Journal as _, JournalError, Others};
use super::Inner;
use crate::domain::record::Record;
use crate::journal::Found;
use async_trait::async_trait;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Records that are remembered when the server answers for the first time.
const HISTORY: u32 = 2000;

/// Follows both.
pub(super) struct Both {
    inner: Arc<Inner>,
    there: Option<Box<dyn Others>>,
    here: Option<Box<dyn Others>>,
    /// What came from the file: the server tells it once more when it is back.
    told: HashSet<(Uuid, u64)>,
    /// The newest number of each writer that the server has told.
    known: BTreeMap<Uuid, u64>,
    away: bool,
}

impl Both {
    pub(super) async fn new(inner: Arc<Inner>, after: Option<Uuid>) -> Self {
        let mut both =
            Self { inner, there: None, here: None, told: HashSet::new(), known: BTreeMap::new(), away: false };
        match both.inner.ask(both.inner.team.others(after)).await {
            Ok(Some(there)) => both.there = there,
            // It is away from the start: what was recalled came from the file.
            Ok(None) | Err(_) => {
                let file = both.inner.file().await;
                let known = match &file {
                    Ok(file) => file.recent(HISTORY).await.unwrap_or_default(),
                    Err(_) => Vec::new(),
                };
                both.told.extend(known.iter().map(|record| (record.writer, record.seq)));
            }
        }
        both.away = both.inner.is_left().is_some();
        both
    }

    /// `None`: it is away.
    async fn read_there(&mut self) -> Result<Option<Vec<Record>>, JournalError> {
        let read = match &mut self.there {
            Some(there) => self.inner.ask(there.read()).await?,
            None => self.recall_there().await?,
        };
        let Some(mut records) = read else { return Ok(None) };
        records.retain(|record| !self.told.remove(&(record.writer, record.seq)));
        for record in &records {
            self.known.insert(record.writer, record.seq);
        }
        Ok(Some(records))
    }

    /// The server answers for the first time: what it remembers is news here.
    async fn recall_there(&mut self) -> Result<Option<Vec<Record>>, JournalError> {
        let Some(records) = self.inner.ask(self.inner.team.recent(HISTORY)).await? else { return Ok(None) };
        let last = records.last().map(|record| record.id);
        let Some(there) = self.inner.ask(self.inner.team.others(last)).await? else { return Ok(None) };
        self.there = there;
        Ok(Some(records))
    }

    async fn read_here(&mut self) -> Result<Vec<Record>, JournalError> {
        let file = self.inner.file().await?;
        let read = match &mut self.here {
            Some(here) => self.inner.here.marked(here.read().await?).await?,
            None => {
                self.here = file.others(None).await?;
                // And what came before it was followed.
                let pending = file.reader().pending().await?;
                pending.into_iter().filter_map(Found::record).collect()
            }
        };
        let (us, known) = (self.inner.writer, &self.known);
        let news = |record: &Record| {
            let later = known.get(&record.writer).is_none_or(|seq| record.seq > *seq);
            record.kept.local && record.writer != us && later
        };
        let told = &mut self.told;
        Ok(read.into_iter().filter(news).filter(|record| told.insert((record.writer, record.seq))).collect())
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
