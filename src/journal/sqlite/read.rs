//! Reading the journal: all of it, its newest records, and the runs that nobody drives any more.

use super::super::chain::Report;
use super::super::lease::Lease;
use super::super::process::Process;
use super::super::row::{self, Columns, Found, found};
use super::super::{JournalError, TELL_OF_INCIDENTS};
use super::{fault, file, lease};
use crate::domain::RunId;
use crate::domain::record::{Actor, Record, RecordKind};
use futures_util::{Stream, StreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// See [`Reader::last_starts`]. What is no JSON any more is of no runbook.
pub(super) const LAST_STARTS: &str = "SELECT * FROM record WHERE place IN (
         SELECT max(place) FROM (
             SELECT place, CASE WHEN json_valid(data) THEN json_extract(data, '$.runbook') END AS id
             FROM record WHERE kind = 'run.start')
         WHERE ?1 IS NULL OR id = ?1 GROUP BY id)
     ORDER BY place";

/// Of a run whose start is `begun`: it has not ended since it was begun, or was last taken up again.
const IS_OPEN: &str = "NOT EXISTS (
    SELECT 1 FROM record ended WHERE ended.run = begun.run AND ended.kind = 'run.finish' AND NOT EXISTS (
        SELECT 1 FROM record again WHERE again.run = begun.run AND again.kind = 'run.resume' AND again.place > ended.place))";

/// See [`Reader::after`].
pub(super) const AFTER: &str = "SELECT * FROM record WHERE place > ? ORDER BY place LIMIT ?";

/// Reads a journal.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) pool: SqlitePool,
    pub(super) path: PathBuf,
}

impl Reader {
    /// Opens an existing journal for reading alone. Errors: there is none, it is none, it is of a newer version.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            let what = format!("there is no journal at {}", path.display());
            return Err(JournalError::new(what, "it is made when the dashboard is first started"));
        }
        let pool = file::connect_read_only(path).await.map_err(|error| fault::explain(path, "read", &error))?;
        file::check_version(path, &pool).await?;
        Ok(Self::over(pool, path.to_owned()))
    }

    pub(super) fn over(pool: SqlitePool, path: PathBuf) -> Self {
        Self { pool, path }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// All rows in the order in which they came into this file.
    pub fn all(&self) -> impl Stream<Item = Result<Found, JournalError>> + '_ {
        sqlx::query("SELECT * FROM record ORDER BY place")
            .fetch(&self.pool)
            .map(|row| row.map(|row| found(&row)).map_err(|error| self.explain(&error)))
    }

    /// The newest `run.start` of each runbook, or of the one with this id, oldest first. Reads those records alone, however long the journal is.
    ///
    /// # Errors
    /// When the journal cannot be read. A record that cannot be is left out: `verify` tells of it.
    pub async fn last_starts(&self, runbook: Option<&str>) -> Result<Vec<Record>, JournalError> {
        let rows = sqlx::query(LAST_STARTS).bind(runbook).fetch_all(&self.pool).await;
        let found = rows.map_err(|error| self.explain(&error))?.iter().map(found).collect::<Vec<_>>();
        Ok(found.into_iter().filter_map(Found::record).collect())
    }

    /// How a run ended; `None`: it goes on, or was cut off.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn end_of(&self, run: RunId) -> Result<Option<Record>, JournalError> {
        // One that was taken up again has ended more than once.
        let query = "SELECT * FROM record WHERE run = ? AND kind = 'run.finish' ORDER BY place DESC LIMIT 1";
        let row = sqlx::query(query)
            .bind(run.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.explain(&error))?;
        Ok(row.as_ref().map(found).and_then(Found::record))
    }

    /// Checks every chain.
    pub async fn verify(&self) -> Result<Report, JournalError> {
        row::verify(self.all()).await
    }

    /// The newest `limit` records of all writers, oldest first.
    pub async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let rows = sqlx::query("SELECT * FROM (SELECT * FROM record ORDER BY place DESC LIMIT ?) ORDER BY place")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.explain(&error))?;
        self.records(&rows)
    }

    /// See [`super::super::Journal::of_incidents`].
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let newest = format!("SELECT * FROM record WHERE {TELL_OF_INCIDENTS} ORDER BY place DESC LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM ({newest}) ORDER BY place"))).bind(limit);
        self.records(&rows.fetch_all(&self.pool).await.map_err(|error| self.explain(&error))?)
    }

    /// The place of the record with this id, else of the newest one; 0: there is none.
    pub(super) async fn place(&self, of: Option<Uuid>) -> Result<i64, JournalError> {
        sqlx::query_scalar(
            "SELECT coalesce((SELECT place FROM record WHERE id = ?), (SELECT max(place) FROM record), 0)",
        )
        .bind(of.map(|id| id.to_string()))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.explain(&error))
    }

    /// The first `limit` rows after a place: how many there are, the place of the last, and their records, oldest first, without those
    /// of `us`, nor any that cannot be read: a newer version may write beside this one.
    pub(super) async fn after(
        &self,
        place: i64,
        limit: u32,
        us: Uuid,
    ) -> Result<(usize, i64, Vec<Record>), JournalError> {
        let rows = sqlx::query(AFTER).bind(place).bind(limit).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.explain(&error))?;
        let last = rows.last().map_or(Ok(place), |row| row.try_get("place")).map_err(|error| self.explain(&error))?;
        let others = rows.iter().filter(|row| row.parsed::<Uuid>("writer") != Ok(us)).map(found);
        Ok((rows.len(), last, others.filter_map(Found::record).collect()))
    }

    /// See [`super::super::Journal::unfinished`]; `us` is the writer who asks.
    pub(super) async fn unfinished(&self, us: Uuid) -> Result<Vec<Record>, JournalError> {
        let mut records = self.open_runs().await?;
        let left = self.left_behind(&records, us).await.map_err(|error| self.explain(&error))?;
        records.retain(|record| record.entry.run.is_some_and(|run| left.contains(&run)));
        Ok(records)
    }

    /// See [`super::super::Journal::open_runs`].
    pub async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        let rows = self.open_rows().await.map_err(|error| self.explain(&error))?;
        self.records(&rows)
    }

    /// See [`super::super::Journal::held`]; `us` is who asks.
    pub async fn held(&self, resources: &[String], us: &Actor) -> Result<Vec<Lease>, JournalError> {
        lease::held(&self.pool, resources, us).await.map_err(|error| self.explain(&error))
    }

    /// See [`super::super::Journal::locked`].
    pub async fn locked(&self) -> Result<Vec<String>, JournalError> {
        lease::names(&self.pool).await.map_err(|error| self.explain(&error))
    }

    /// See [`super::super::Journal::of_run`].
    pub async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        let rows = sqlx::query("SELECT * FROM record WHERE run = ? ORDER BY place").bind(run.to_string());
        let rows = rows.fetch_all(&self.pool).await.map_err(|error| self.explain(&error))?;
        self.records(&rows)
    }

    async fn open_rows(&self) -> sqlx::Result<Vec<SqliteRow>> {
        let open = format!(
            "SELECT * FROM record WHERE run IN (
                 SELECT begun.run FROM record begun WHERE begun.kind = 'run.start' AND {IS_OPEN})
             ORDER BY place"
        );
        sqlx::query(sqlx::AssertSqlSafe(open)).fetch_all(&self.pool).await
    }

    /// Those runs of the records whose driver is not alive, or is us by a claim.
    async fn left_behind(&self, records: &[Record], us: Uuid) -> sqlx::Result<BTreeSet<RunId>> {
        let mut connection = self.pool.acquire().await?;
        let mut known = BTreeMap::new();
        let mut left = BTreeSet::new();
        for start in records.iter().filter(|record| record.entry.kind == RecordKind::RunStart) {
            let Some(run) = start.entry.run else { continue };
            let claimed = claimant(&mut connection, run).await?;
            let driver = claimed.unwrap_or(start.writer);
            let alive = match known.get(&driver) {
                Some(alive) => *alive,
                None => is_alive(&mut connection, driver).await?,
            };
            known.insert(driver, alive);
            if !alive || claimed == Some(us) {
                left.insert(run);
            }
        }
        Ok(left)
    }

    fn records(&self, rows: &[SqliteRow]) -> Result<Vec<Record>, JournalError> {
        rows.iter().map(|row| self.record(row)).collect()
    }

    fn record(&self, row: &SqliteRow) -> Result<Record, JournalError> {
        match found(row) {
            Found::Record(record) => Ok(*record),
            Found::Unreadable { writer, seq, why } => Err(JournalError::new(
                format!("record {seq} of writer {writer} in the journal {} cannot be read: {why}", self.path.display()),
                "run `quarterdeck journal verify`, keep the file as it is, and name another one as path in [journal]",
            )),
        }
    }

    pub(super) fn explain(&self, error: &sqlx::Error) -> JournalError {
        fault::explain(&self.path, "read", error)
    }
}

/// Who drives an unfinished run: its claimant, else the writer of its `run.start`. `None`: it is finished, or unknown.
pub(super) async fn driver(connection: &mut SqliteConnection, run: RunId) -> sqlx::Result<Option<Uuid>> {
    let begun = format!(
        "SELECT begun.writer FROM record begun WHERE begun.run = ? AND begun.kind = 'run.start' AND {IS_OPEN}
         ORDER BY begun.place LIMIT 1"
    );
    let start: Option<(String,)> =
        sqlx::query_as(sqlx::AssertSqlSafe(begun)).bind(run.to_string()).fetch_optional(&mut *connection).await?;
    let Some((writer,)) = start else { return Ok(None) };
    let claimant = claimant(connection, run).await?;
    // A writer that is no UUID was tampered with, and drives nothing.
    Ok(Some(claimant.unwrap_or_else(|| writer.parse().unwrap_or_default())))
}

/// It has begun, and has no end.
pub(super) async fn is_open(connection: &mut SqliteConnection, run: RunId) -> sqlx::Result<bool> {
    driver(connection, run).await.map(|driver| driver.is_some())
}

async fn claimant(connection: &mut SqliteConnection, run: RunId) -> sqlx::Result<Option<Uuid>> {
    let found: Option<(String,)> = sqlx::query_as("SELECT writer FROM claim WHERE run = ?")
        .bind(run.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(found.and_then(|(writer,)| writer.parse().ok()))
}

/// Whether a writer's process still runs, by its `journal.open`. One without such a record drives nothing.
pub(super) async fn is_alive(connection: &mut SqliteConnection, writer: Uuid) -> sqlx::Result<bool> {
    let found: Option<(String,)> =
        sqlx::query_as("SELECT data FROM record WHERE writer = ? AND kind = 'journal.open' ORDER BY seq LIMIT 1")
            .bind(writer.to_string())
            .fetch_optional(connection)
            .await?;
    let Some((data,)) = found else { return Ok(false) };
    Ok(serde_json::from_str::<Process>(&data).unwrap_or_default().is_alive())
}
