//! A record as both stores keep it: one row, the same columns, the same texts.

use super::JournalError;
use super::chain::{Report, Verifier};
use crate::domain::RunId;
use crate::domain::record::{Actor, Entry, Kept, Record, RecordKind};
use futures_util::{Stream, StreamExt};
use sqlx::{ColumnIndex, Database, Decode, Row, Type};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One row of the journal.
#[derive(Clone, Debug)]
pub enum Found {
    /// A record.
    Record(Box<Record>),
    /// A row that is no record of this version: it was changed, or the store is damaged.
    Unreadable {
        /// The writer, when at least that can be read.
        writer: Uuid,
        /// The number in the writer's chain.
        seq: u64,
        /// Why it cannot be read.
        why: String,
    },
}

impl Found {
    /// The writer, and the number in its chain.
    pub(super) fn place(&self) -> (Uuid, u64) {
        match self {
            Self::Record(record) => (record.writer, record.seq),
            Self::Unreadable { writer, seq, .. } => (*writer, *seq),
        }
    }

    /// The same, with a mark when it is after the number up to which a team's database is known to have its chain.
    pub(super) fn marked(mut self, marks: &BTreeMap<Uuid, u64>) -> Self {
        if let Self::Record(record) = &mut self {
            record.kept.local = marks.get(&record.writer).is_none_or(|seq| record.seq > *seq);
        }
        self
    }

    /// The record, if it is one.
    pub fn record(self) -> Option<Record> {
        if let Self::Record(record) = self { Some(*record) } else { None }
    }
}

/// Checks every chain that these rows are of.
///
/// # Errors
/// The first that came instead of a row.
pub(super) async fn verify(rows: impl Stream<Item = Result<Found, JournalError>>) -> Result<Report, JournalError> {
    let (mut verifier, mut rows) = (Verifier::default(), std::pin::pin!(rows));
    while let Some(found) = rows.next().await {
        match found? {
            Found::Record(record) => verifier.feed(&record),
            Found::Unreadable { writer, seq, why } => verifier.unreadable(writer, seq, why),
        }
    }
    Ok(verifier.finish())
}

/// What is read of a row, of whichever database.
pub(super) trait Columns {
    fn text(&self, column: &str) -> Result<String, String>;
    fn optional(&self, column: &str) -> Result<Option<String>, String>;
    fn integer(&self, column: &str) -> Result<i64, String>;

    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, String> {
        let number = self.integer(column)?;
        T::try_from(number).map_err(|_| format!("{column}: {number} is out of range"))
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, String> {
        self.text(column)?.parse().map_err(|error| format!("{column}: {error}"))
    }
}

impl<R> Columns for R
where
    R: Row,
    for<'a> &'a str: ColumnIndex<R>,
    for<'a> String: Decode<'a, <R as Row>::Database> + Type<<R as Row>::Database>,
    for<'a> i64: Decode<'a, <R as Row>::Database> + Type<<R as Row>::Database>,
    <R as Row>::Database: Database,
{
    fn text(&self, column: &str) -> Result<String, String> {
        self.try_get(column).map_err(|error| format!("{column}: {error}"))
    }

    fn optional(&self, column: &str) -> Result<Option<String>, String> {
        self.try_get(column).map_err(|error| format!("{column}: {error}"))
    }

    fn integer(&self, column: &str) -> Result<i64, String> {
        self.try_get(column).map_err(|error| format!("{column}: {error}"))
    }
}

pub(super) fn found(row: &impl Columns) -> Found {
    match decode(row) {
        Ok(record) => Found::Record(Box::new(record)),
        Err(why) => Found::Unreadable {
            writer: row.parsed("writer").unwrap_or_default(),
            seq: row.number("seq").unwrap_or_default(),
            why,
        },
    }
}

fn decode(row: &impl Columns) -> Result<Record, String> {
    Ok(Record {
        id: row.parsed("id")?,
        writer: row.parsed("writer")?,
        seq: row.number("seq")?,
        prev: row.text("prev")?,
        hash: row.text("hash")?,
        at: row.parsed("at")?,
        mono_ms: row.number("mono_ms")?,
        incident: row.optional("incident")?,
        actor: actor(row)?,
        entry: decode_entry(row)?,
        // A file has no such column: nothing is brought there from elsewhere.
        kept: Kept { merged_by: row.optional("merged_by").unwrap_or_default(), local: false },
    })
}

fn actor(row: &impl Columns) -> Result<Actor, String> {
    Ok(Actor { name: row.text("actor_name")?, uid: row.number("actor_uid")?, host: row.text("actor_host")? })
}

fn decode_entry(row: &impl Columns) -> Result<Entry, String> {
    let kind = row.text("kind")?;
    let run = row.optional("run")?.map(|run| run.parse::<Uuid>().map_err(|error| format!("run: {error}")));
    Ok(Entry {
        kind: RecordKind::parse(&kind).ok_or_else(|| format!("kind: {kind:?} is not known here"))?,
        run: run.transpose()?.map(RunId),
        step: row.optional("step")?,
        role: row.optional("role")?,
        target: row.optional("target")?,
        env: row.text("env")?,
        data: serde_json::from_str(&row.text("data")?).map_err(|error| format!("data: {error}"))?,
    })
}
