//! Reading a team's journal, page by page: no statement takes long, and none holds back the server's tidying.

use super::super::lease::Lease;
use super::super::process::Process;
use super::super::row::{Columns, Found, found};
use super::super::{JournalError, TELL_OF_INCIDENTS};
use super::{fault, schema};
use crate::connect::postgres::Login;
use crate::domain::RunId;
use crate::domain::record::{Actor, Record};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Rows of one page.
const PAGE: i64 = 1000;
/// Starts of runs that are looked through for the newest of each runbook.
const STARTS: i64 = 5000;

pub(super) const SELECT: &str = "SELECT place, writer::text AS writer, seq, id::text AS id, prev, hash, at, mono_ms, incident, actor_name, \
     actor_uid, actor_host, kind, run::text AS run, step, role, target, env, data, merged_by FROM quarterdeck.record";

/// Who holds what is asked for.
const HELD: &str = "SELECT held.resource, held.run::text AS run, floor(extract(epoch FROM held.since) * 1000)::bigint AS since,
         held.until <= clock_timestamp() AS over, held.driver IS NOT NULL AS open, quarterdeck.is_heard(held.driver) AS heard,
         (SELECT data FROM quarterdeck.record WHERE writer = held.driver AND seq = 1) AS process,
         opened.actor_name, opened.actor_uid, opened.actor_host,
         (SELECT data FROM quarterdeck.record WHERE run = held.run AND kind = 'run.start' ORDER BY place LIMIT 1) AS start,
         (SELECT step FROM quarterdeck.record WHERE run = held.run AND step IS NOT NULL ORDER BY place DESC LIMIT 1) AS step
     FROM (SELECT *, quarterdeck.driver(run) AS driver FROM quarterdeck.lease
         WHERE resource = ANY ($1) AND run IS NOT NULL) AS held
         LEFT JOIN quarterdeck.record opened ON opened.writer = held.writer AND opened.seq = 1
     WHERE held.until > clock_timestamp() OR held.driver IS NOT NULL
     ORDER BY array_position($1, held.resource)";

/// The unfinished runs, each with who drives it: the claimant, else whoever began it. Those that ended and were not taken up again are
/// left out before anything else is asked of them.
const OPEN: &str = "SELECT run::text AS run, driver::text AS driver, quarterdeck.is_heard(driver) AS heard,
         EXISTS (SELECT FROM quarterdeck.claim WHERE claim.run = open.run) AS claimed,
         (SELECT data FROM quarterdeck.record WHERE writer = driver AND seq = 1) AS process
     FROM (SELECT begun.run, begun.place, quarterdeck.driver(begun.run) AS driver FROM quarterdeck.record begun
         WHERE begun.kind = 'run.start' AND ($1::uuid IS NULL OR begun.run = $1::uuid) AND (NOT EXISTS (
                 SELECT FROM quarterdeck.record ended WHERE ended.run = begun.run AND ended.kind = 'run.finish')
             OR EXISTS (SELECT FROM quarterdeck.record again WHERE again.run = begun.run AND again.kind = 'run.resume'))) AS open
     WHERE driver IS NOT NULL ORDER BY place";

/// Reads a team's journal.
#[derive(Clone)]
pub struct Reader {
    pub(super) login: Arc<Login>,
}

/// An unfinished run, and who drives it.
pub(super) struct Driven {
    pub(super) run: RunId,
    pub(super) driver: Uuid,
    claimed: bool,
    heard: bool,
    process: Process,
}

impl Driven {
    /// Its process was not heard of for too long, or ended before this one's eyes.
    pub(super) fn is_left(&self) -> bool {
        !self.heard || self.is_gone()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.process.ended_here()
    }
}

impl Reader {
    /// Connects, and sees whether it is a journal of this version.
    ///
    /// # Errors
    /// When it can't be reached, is none, or is of another version.
    pub async fn open(login: Arc<Login>) -> Result<Self, JournalError> {
        let reader = Self::over(login);
        schema::check(&reader.login).await?;
        Ok(reader)
    }

    pub(super) fn over(login: Arc<Login>) -> Self {
        Self { login }
    }

    /// Where it is and who reads there.
    pub fn place(&self) -> String {
        self.login.place()
    }

    /// All rows in the order in which they arrived.
    pub fn all(&self) -> BoxStream<'_, Result<Found, JournalError>> {
        let pages = stream::try_unfold(0, move |place| async move {
            let rows = self.page(place).await?;
            let last = rows.last().and_then(|row| row.integer("place").ok());
            Ok(last.map(|last| (stream::iter(rows).map(|row| Ok(found(&row))), last)))
        });
        pages.try_flatten().boxed()
    }

    /// The newest `limit` records of all writers, oldest first; without those that can't be read.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let query = format!("SELECT * FROM ({SELECT} ORDER BY place DESC LIMIT $1) AS newest ORDER BY place");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(i64::from(limit)).fetch_all(&self.pool().await?).await;
        Ok(records(&self.told(rows)?))
    }

    /// See [`super::super::Journal::of_incidents`].
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        let newest = format!("{SELECT} WHERE {TELL_OF_INCIDENTS} ORDER BY place DESC LIMIT $1");
        let query = format!("SELECT * FROM ({newest}) AS newest ORDER BY place");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(i64::from(limit)).fetch_all(&self.pool().await?).await;
        Ok(records(&self.told(rows)?))
    }

    /// See [`super::super::Reader::end_of`].
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn end_of(&self, run: RunId) -> Result<Option<Record>, JournalError> {
        let query = format!("{SELECT} WHERE run = $1::uuid AND kind = 'run.finish' ORDER BY place DESC LIMIT 1");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(run.to_string()).fetch_all(&self.pool().await?).await;
        Ok(records(&self.told(rows)?).pop())
    }

    /// See [`super::super::Reader::last_starts`].
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn last_starts(&self, runbook: Option<&str>) -> Result<Vec<Record>, JournalError> {
        let query = format!(
            "{SELECT} WHERE kind = 'run.start' AND ($1 = '' OR position($1 IN data) > 0) ORDER BY place DESC LIMIT $2"
        );
        // The canonical form has no blanks; what it finds beside is sorted out below.
        let sought = runbook.map(|id| format!("\"runbook\":{}", serde_json::Value::from(id))).unwrap_or_default();
        let rows = sqlx::query(AssertSqlSafe(query)).bind(sought).bind(STARTS).fetch_all(&self.pool().await?).await;
        let (mut seen, mut newest) = (BTreeSet::new(), Vec::new());
        for record in records(&self.told(rows)?) {
            let id = record.entry.data["runbook"].as_str().unwrap_or_default().to_owned();
            if runbook.is_none_or(|runbook| runbook == id) && seen.insert(id) {
                newest.push(record);
            }
        }
        newest.reverse();
        Ok(newest)
    }

    /// Who holds these.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        let rows = sqlx::query(HELD).bind(resources).fetch_all(&self.pool().await?).await;
        let rows = self.told(rows)?;
        rows.iter().map(lease).collect::<Result<_, String>>().map_err(|why| {
            JournalError::new(
                format!("a lock of the journal at {} cannot be read: {why}", self.place()),
                "update quarterdeck",
            )
        })
    }

    /// See [`super::super::Journal::locked`].
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn locked(&self) -> Result<Vec<String>, JournalError> {
        let names = "SELECT resource FROM quarterdeck.lease WHERE run IS NOT NULL ORDER BY resource";
        self.told(sqlx::query_scalar(names).fetch_all(&self.pool().await?).await)
    }

    /// All records of a run, oldest first; without those that can't be read.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.of_runs(vec![run.to_string()]).await
    }

    async fn of_runs(&self, runs: Vec<String>) -> Result<Vec<Record>, JournalError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let query = format!("{SELECT} WHERE run = ANY ($1::uuid[]) ORDER BY place");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(runs).fetch_all(&self.pool().await?).await;
        Ok(records(&self.told(rows)?))
    }

    /// The records of the runs that nobody drives any more, or `us` by a claim.
    pub(super) async fn unfinished(&self, us: Uuid) -> Result<Vec<Record>, JournalError> {
        let open = self.driven(None).await?;
        // One that this process began is its own, however long it slept.
        let left = open.iter().filter(|run| if run.driver == us { run.claimed } else { run.is_left() });
        self.of_runs(left.map(|run| run.run.to_string()).collect()).await
    }

    /// See [`super::super::Journal::open_runs`].
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        self.of_runs(self.driven(None).await?.iter().map(|run| run.run.to_string()).collect()).await
    }

    /// The unfinished runs, or this one if it is.
    pub(super) async fn driven(&self, run: Option<RunId>) -> Result<Vec<Driven>, JournalError> {
        let rows = sqlx::query(OPEN).bind(run.map(|run| run.to_string()));
        let rows = rows.fetch_all(&self.pool().await?).await;
        Ok(self.told(rows)?.iter().filter_map(|row| driven(row).ok()).collect())
    }

    /// The place of the record with this id, else of the newest one; 0: there is none.
    pub(super) async fn place_of(&self, id: Option<Uuid>) -> Result<i64, JournalError> {
        let query = "SELECT coalesce((SELECT place FROM quarterdeck.record WHERE id = $1::uuid), \
                     (SELECT max(place) FROM quarterdeck.record), 0)";
        let place = sqlx::query_scalar(query).bind(id.map(|id| id.to_string())).fetch_one(&self.pool().await?).await;
        self.told(place)
    }

    /// The first page after a place: how many rows there are, the place of the last, and their records, oldest first, without those of
    /// `us`, nor any that can't be read.
    pub(super) async fn after(&self, place: i64, us: Uuid) -> Result<(bool, i64, Vec<Record>), JournalError> {
        let mut rows = self.page(place).await?;
        let full = rows.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        let last = rows.last().and_then(|row| row.integer("place").ok()).unwrap_or(place);
        rows.retain(|row| row.parsed("writer") != Ok(us));
        Ok((full, last, records(&rows)))
    }

    async fn page(&self, place: i64) -> Result<Vec<PgRow>, JournalError> {
        let query = format!("{SELECT} WHERE place > $1 ORDER BY place LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(place).bind(PAGE).fetch_all(&self.pool().await?).await;
        self.told(rows)
    }

    pub(super) async fn pool(&self) -> Result<PgPool, JournalError> {
        self.login.pool().await.map_err(fault::unreached)
    }

    pub(super) fn told<T>(&self, answer: sqlx::Result<T>) -> Result<T, JournalError> {
        answer.map_err(|error| fault::explain(&self.login, "read", &error))
    }
}

pub(super) fn records(rows: &[PgRow]) -> Vec<Record> {
    rows.iter().map(found).filter_map(Found::record).collect()
}

fn flag(row: &PgRow, column: &str) -> Result<bool, String> {
    sqlx::Row::try_get(row, column).map_err(|error| format!("{column}: {error}"))
}

/// What a chain's first record says of its process.
fn process(row: &PgRow) -> Result<Process, String> {
    Ok(serde_json::from_str(&row.optional("process")?.unwrap_or_default()).unwrap_or_default())
}

fn driven(row: &PgRow) -> Result<Driven, String> {
    Ok(Driven {
        run: RunId(row.parsed("run")?),
        driver: row.parsed("driver")?,
        claimed: flag(row, "claimed")?,
        heard: flag(row, "heard")?,
        process: process(row)?,
    })
}

fn lease(row: &PgRow) -> Result<Lease, String> {
    let start: serde_json::Value =
        serde_json::from_str(&row.optional("start")?.unwrap_or_default()).unwrap_or_default();
    let uid: Option<i64> = sqlx::Row::try_get(row, "actor_uid").map_err(|error| error.to_string())?;
    Ok(Lease {
        resource: row.text("resource")?,
        run: RunId(row.parsed("run")?),
        holder: Actor {
            name: row.optional("actor_name")?.unwrap_or_default(),
            uid: uid.and_then(|uid| u32::try_from(uid).ok()).unwrap_or_default(),
            host: row.optional("actor_host")?.unwrap_or_default(),
        },
        since: Timestamp::from_millisecond(row.integer("since")?).unwrap_or_default(),
        runbook: start["runbook"].as_str().map(str::to_owned),
        step: row.optional("step")?,
        cut_off: flag(row, "open")? && (flag(row, "over")? || !flag(row, "heard")? || process(row)?.ended_here()),
    })
}
