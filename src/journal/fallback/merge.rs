//! Bringing to the team's database what was recorded here: keyed by writer and number, each chain checked before, in the order of the file.
//!
//! May be cut off at any moment and begun again, by this process or another one, by two at once: what is there already is passed over, and a
//! chain is never continued but at its end.

use super::super::JournalError;
use super::super::chain::Verifier;
use super::super::postgres::{Failed, PostgresJournal};
use super::super::sqlite::SqliteJournal;
use super::file::records;
use crate::domain::record::Record;
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Records that are brought there by one statement at most.
pub(super) const PAGE: usize = 100;
/// The same in bytes of what they hold, about.
const BYTES: usize = 1 << 20;

/// What the server is asked.
#[async_trait]
pub(super) trait Server: Sync {
    async fn heads(&self, writers: &[Uuid]) -> Result<BTreeMap<Uuid, (u64, String)>, Failed>;
    async fn merge(&self, records: &[Record]) -> Result<u64, Failed>;
}

#[async_trait]
impl Server for PostgresJournal {
    async fn heads(&self, writers: &[Uuid]) -> Result<BTreeMap<Uuid, (u64, String)>, Failed> {
        Self::heads(self, writers).await
    }
    async fn merge(&self, records: &[Record]) -> Result<u64, Failed> {
        Self::merge(self, records).await
    }
}

/// A stretch of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    from: u64,
    to: u64,
    head: String,
}

/// What was brought to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// So many records that it did not have.
    pub records: u64,
    stretches: BTreeMap<Uuid, Stretch>,
    /// The chains that were left here, and why.
    pub left: BTreeMap<Uuid, String>,
}

impl Merged {
    pub(super) fn and(&mut self, more: Self) {
        self.records += more.records;
        for (writer, stretch) in more.stretches {
            self.reach(writer, stretch);
        }
        self.left = more.left;
    }

    fn reach(&mut self, writer: Uuid, Stretch { from, to, head }: Stretch) {
        let known = self.stretches.entry(writer).or_insert_with(|| Stretch { from, to, head: head.clone() });
        (known.to, known.head) = (to, head);
    }

    /// Why a chain was left here, if it was.
    pub(super) fn of(&self, writer: Uuid) -> Option<String> {
        self.left.get(&writer).cloned()
    }

    pub(super) fn as_json(&self) -> Value {
        let chains = self.stretches.iter().map(
            |(writer, Stretch { from, to, head })| json!({ "writer": writer, "from": from, "to": to, "head": head }),
        );
        json!({ "records": self.records, "chains": chains.collect::<Vec<_>>() })
    }
}

/// Brings there what the file has and the server lacks. The chain `own` is looked at though the server was seen to have all of it: one that was
/// brought back from a copy may lack its end.
pub(super) fn merge<'a>(
    server: &'a dyn Server,
    file: &'a SqliteJournal,
    own: Option<Uuid>,
    page: usize,
) -> BoxFuture<'a, Result<Merged, Failed>> {
    bring(server, file, own, page).boxed()
}

async fn bring(server: &dyn Server, file: &SqliteJournal, own: Option<Uuid>, page: usize) -> Result<Merged, Failed> {
    let (pending, broken) = records(file.reader().pending().await.map_err(Failed::Refused)?);
    let wanted = pending.iter().map(|record| record.writer).chain(broken.into_iter().map(|(writer, _)| writer));
    let wanted: BTreeSet<Uuid> = wanted.chain(own).collect();
    if wanted.is_empty() {
        return Ok(Merged::default());
    }
    let heads = server.heads(&wanted.iter().copied().collect::<Vec<_>>()).await?;
    let mut work = Work { server, file, merged: Merged::default(), have: heads.clone(), sent: BTreeMap::new() };
    let whole = work.check(&wanted, &heads, page).await.map_err(Failed::Refused)?;
    work.send(whole, page).await?;
    Ok(work.merged)
}

struct Work<'a> {
    server: &'a dyn Server,
    file: &'a SqliteJournal,
    merged: Merged,
    /// Where the server stands in each chain.
    have: BTreeMap<Uuid, (u64, String)>,
    sent: BTreeMap<Uuid, u64>,
}

impl Work<'_> {
    /// The chains that are whole here, and that the server has the beginning of, or nothing.
    async fn check(
        &mut self,
        wanted: &BTreeSet<Uuid>,
        heads: &BTreeMap<Uuid, (u64, String)>,
        page: usize,
    ) -> Result<Vec<Uuid>, JournalError> {
        let writers: Vec<Uuid> = wanted.iter().copied().collect();
        let (mut verifier, mut place) = (Verifier::default(), 0);
        while let Some((last, rows)) = self.file.reader().of_chains(&writers, place, page).await? {
            place = last;
            let (read, broken) = records(rows);
            for record in &read {
                verifier.feed(record);
                if heads.get(&record.writer).is_some_and(|(seq, hash)| *seq == record.seq && *hash != record.hash) {
                    let why = format!("the team's journal has another record {} of it", record.seq);
                    self.merged.left.insert(record.writer, why);
                }
            }
            self.merged.left.extend(broken);
        }
        for (writer, chain) in &verifier.finish().chains {
            if let Some(broken) = &chain.broken {
                self.merged.left.entry(*writer).or_insert_with(|| broken.to_string());
            }
        }
        for (writer, why) in &self.merged.left {
            tracing::warn!(%writer, why, "a chain is not brought to the team's journal");
        }
        Ok(writers.into_iter().filter(|writer| !self.merged.left.contains_key(writer)).collect())
    }

    async fn send(&mut self, writers: Vec<Uuid>, page: usize) -> Result<(), Failed> {
        // What the server has already need not be looked at again.
        self.mark(&writers).await?;
        let mut place = 0;
        loop {
            let rows = self.file.reader().of_chains(&writers, place, page).await.map_err(Failed::Refused)?;
            let Some((last, rows)) = rows else { return Ok(()) };
            place = last;
            let (mut read, _) = records(rows);
            read.retain(|record| self.have.get(&record.writer).is_none_or(|(seq, _)| record.seq > *seq));
            for few in by_size(&read) {
                self.put(few).await?;
            }
        }
    }

    /// When the server refuses one, the others' go there without it.
    async fn put(&mut self, few: &[Record]) -> Result<(), Failed> {
        let few: Vec<Record> =
            few.iter().filter(|record| !self.merged.left.contains_key(&record.writer)).cloned().collect();
        match self.server.merge(&few).await {
            Ok(added) => return self.note(&few, added).await,
            Err(away @ Failed::Away(_)) => return Err(away),
            Err(Failed::Refused(_)) => {}
        }
        for writer in few.iter().map(|record| record.writer).collect::<BTreeSet<_>>() {
            let of: Vec<Record> = few.iter().filter(|record| record.writer == writer).cloned().collect();
            match self.server.merge(&of).await {
                Ok(added) => self.note(&of, added).await?,
                Err(away @ Failed::Away(_)) => return Err(away),
                Err(Failed::Refused(why)) => {
                    tracing::warn!(%writer, %why, "a chain is not brought to the team's journal");
                    self.merged.left.insert(writer, why.what);
                }
            }
        }
        Ok(())
    }

    async fn note(&mut self, few: &[Record], added: u64) -> Result<(), Failed> {
        self.merged.records += added;
        for record in few {
            let (from, to, head) = (record.seq, record.seq, record.hash.clone());
            self.merged.reach(record.writer, Stretch { from, to, head });
            self.have.insert(record.writer, (record.seq, record.hash.clone()));
        }
        let writers: BTreeSet<Uuid> = few.iter().map(|record| record.writer).collect();
        self.mark(&writers.into_iter().collect::<Vec<_>>()).await
    }

    /// Writes down here up to where the server has these chains.
    async fn mark(&mut self, writers: &[Uuid]) -> Result<(), Failed> {
        let marks = writers.iter().filter_map(|writer| Some((*writer, self.have.get(writer)?.0)));
        let marks: BTreeMap<Uuid, u64> = marks.filter(|mark| self.sent.get(&mark.0) != Some(&mark.1)).collect();
        if marks.is_empty() {
            return Ok(());
        }
        self.sent.extend(&marks);
        self.file.adopt(Vec::new(), marks, None).await.map(drop).map_err(Failed::Refused)
    }
}

/// In pieces of a bounded size; one record that is larger is a piece of its own.
fn by_size(records: &[Record]) -> Vec<&[Record]> {
    let (mut pieces, mut begin, mut size) = (Vec::new(), 0, 0);
    for (at, record) in records.iter().enumerate() {
        let bytes = record.entry.data.to_string().len();
        if at > begin && size + bytes > BYTES {
            pieces.push(&records[begin..at]);
            (begin, size) = (at, 0);
        }
        size += bytes;
    }
    pieces.push(&records[begin..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
