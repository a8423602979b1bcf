//! The file that a team's journal falls back to: it takes records of chains that are kept elsewhere too, as they are, and knows which of them
//! the team's database has.

use super::super::JournalError;
use super::super::attending::Attending;
use super::super::row::{Columns, Found, found};
use super::{Actor, Inner, Reader, SqliteJournal, claim, file, insert, read};
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind};
use crate::redact::Redactor;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Up to which number the team's database is known to have each chain.
type Marks = BTreeMap<Uuid, u64>;

/// What of these rows the database is not known to have.
const PENDING: &str = "SELECT record.* FROM record LEFT JOIN merged ON merged.writer = record.writer
     WHERE record.seq > coalesce(merged.seq, 0) ORDER BY record.place";

impl SqliteJournal {
    /// Opens the file, and makes it when there is none, without a chain of its own: what it holds is adopted.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub(in crate::journal) async fn attach(path: &Path, writer: Uuid, actor: Actor) -> Result<Self, JournalError> {
        let opened = file::prepare(path)?;
        let write = file::connect(&opened, 1).await?;
        file::migrate(&opened, &write).await?;
        let reader = Reader::over(file::connect(&opened, 2).await?, opened.path.clone());
        let redactor = Redactor::default();
        Ok(Self {
            inner: Arc::new(Inner { write, reader, opened, writer, actor, attending: Attending::default(), redactor }),
        })
    }

    /// Writes these records, each unless it is there, in their order: all or none, durable when it returns. `merged`: the team's database has
    /// these chains up to here. `resumes`: only if no other living process drives that run; else false, and nothing is written.
    ///
    /// # Errors
    /// When the file can't be written, or a chain in it goes on otherwise.
    pub(in crate::journal) async fn adopt(
        &self,
        records: Vec<Record>,
        merged: Marks,
        resumes: Option<RunId>,
    ) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        self.whole("append a record", async move { inner.adopt(&records, &merged, resumes).await }).await
    }

    /// This process drives these runs.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(in crate::journal) async fn drives(&self, runs: Vec<RunId>) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        let work = async move {
            let mut change = inner.begin().await?;
            for run in runs {
                claim(&mut change, run, inner.writer).await?;
            }
            change.commit().await
        };
        self.whole("claim a run", work).await
    }
}

impl Inner {
    async fn adopt(&self, records: &[Record], merged: &Marks, resumes: Option<RunId>) -> sqlx::Result<bool> {
        let mut change = self.begin().await?;
        if let Some(run) = resumes {
            if let Some(driver) = read::driver(&mut change, run).await?
                && driver != self.writer
                && read::is_alive(&mut change, driver).await?
            {
                return Ok(false);
            }
            claim(&mut change, run, self.writer).await?;
        }
        for record in records {
            adopt(&mut change, record).await?;
        }
        for (writer, seq) in merged {
            let mark = "INSERT INTO merged (writer, seq) VALUES (?, ?) \
                        ON CONFLICT (writer) DO UPDATE SET seq = max(seq, excluded.seq)";
            let mark = sqlx::query(mark).bind(writer.to_string()).bind(i64::try_from(*seq).unwrap_or(i64::MAX));
            mark.execute(&mut *change).await?;
        }
        change.commit().await?;
        Ok(true)
    }
}

/// One that is there is passed over; another one with its number is refused by the file itself.
async fn adopt(change: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
    let known: Option<(String,)> = sqlx::query_as("SELECT hash FROM record WHERE writer = ? AND seq = ?")
        .bind(record.writer.to_string())
        .bind(i64::try_from(record.seq).unwrap_or(i64::MAX))
        .fetch_optional(&mut *change)
        .await?;
    if known.is_some_and(|(hash,)| hash == record.hash) {
        return Ok(());
    }
    insert(change, record).await?;
    if let (RecordKind::RunResume, Some(run)) = (record.entry.kind, record.entry.run) {
        claim(change, run, record.writer).await?;
    }
    Ok(())
}

impl Reader {
    /// What the team's database is not known to have, in the order of this file; a file of an earlier version has nothing of it.
    pub(in crate::journal) async fn pending(&self) -> Result<Vec<Found>, JournalError> {
        let rows = sqlx::query(PENDING).fetch_all(&self.pool).await;
        match rows {
            Ok(rows) => Ok(rows.iter().map(|row| found(row).marked(&Marks::new())).collect()),
            Err(error) if error.to_string().contains("no such table: merged") => Ok(Vec::new()),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// Up to which number the team's database is known to have each chain.
    pub(in crate::journal) async fn marks(&self) -> Result<Marks, JournalError> {
        let rows = sqlx::query("SELECT writer, seq FROM merged").fetch_all(&self.pool).await;
        let rows: Vec<SqliteRow> = rows.map_err(|error| self.explain(&error))?;
        Ok(rows.iter().filter_map(|row| Some((row.parsed("writer").ok()?, row.number("seq").ok()?))).collect())
    }

    /// Of these chains the records after a number each, in the order of this file: the first `limit` after a place, and the place of the last;
    /// `None`: there are no more.
    pub(in crate::journal) async fn of_chains(
        &self,
        writers: &[Uuid],
        place: i64,
        limit: usize,
    ) -> Result<Option<(i64, Vec<Found>)>, JournalError> {
        const PAGE: &str = "SELECT * FROM record WHERE place > ? AND writer IN (SELECT value FROM json_each(?)) ORDER BY place LIMIT ?";
        let writers = serde_json::to_string(writers).unwrap_or_default();
        let page = sqlx::query(PAGE).bind(place).bind(writers).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = page.fetch_all(&self.pool).await.map_err(|error| self.explain(&error))?;
        let Some(last) = rows.last() else { return Ok(None) };
        let last = last.try_get("place").map_err(|error| self.explain(&error))?;
        Ok(Some((last, rows.iter().map(found).collect())))
    }
}
