//! Leases and claims: functions of the database, each one statement under the turn of those who write. Nobody may write the tables
//! behind them.

use super::super::JournalError;
use super::super::lease::{Grant, PASSED, Taken};
use super::Inner;
use crate::domain::RunId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::time::Duration;
use uuid::Uuid;

/// Who holds a resource may have given it back before it is asked who that is: then it is taken again, so often.
const TRIES: usize = 5;

impl Inner {
    pub(super) async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        const TAKE: &str = "SELECT * FROM quarterdeck.take($1::uuid, $2::uuid, $3, $4)";
        let pool = self.reader.pool().await?;
        for _ in 0..TRIES {
            let take = sqlx::query(TAKE).bind(run.to_string()).bind(self.writer.to_string());
            let rows = take.bind(resources).bind(millis(ttl)).fetch_all(&pool).await;
            let taken = rows.and_then(|rows| rows.iter().map(taken).collect::<sqlx::Result<Vec<_>>>());
            let taken = taken.map_err(|error| self.explain("take a lock in", &error))?;
            let Some((grant, _)) = taken.iter().find(|(_, free)| !free) else {
                return Ok(Taken::All(taken.into_iter().map(|(grant, _)| grant).collect()));
            };
            let held = self.reader.held(std::slice::from_ref(&grant.resource)).await?;
            if let Some(held) = held.into_iter().find(|lease| lease.run != run) {
                return Ok(Taken::Held(Box::new(held)));
            }
        }
        let what = format!("a lock on {} changes hands all the time", resources.join(", "));
        Err(JournalError::new(what, "see who runs what in Runs (6), and try again"))
    }

    /// For how long it is granted from now on, by the server; `None`: one of it is somebody else's.
    pub(super) async fn renew(
        &self,
        run: RunId,
        grants: &[Grant],
        ttl: Duration,
    ) -> Result<Option<Duration>, JournalError> {
        let resources: Vec<&str> = grants.iter().map(|grant| grant.resource.as_str()).collect();
        let fences: Vec<i64> = grants.iter().map(|grant| i64::try_from(grant.fence).unwrap_or(i64::MAX)).collect();
        let renewed: sqlx::Result<Option<i64>> =
            sqlx::query_scalar("SELECT quarterdeck.renew($1::uuid, $2::uuid, $3, $4, $5)")
                .bind(run.to_string())
                .bind(self.writer.to_string())
                .bind(resources)
                .bind(fences)
                .bind(millis(ttl))
                .fetch_one(&self.reader.pool().await?)
                .await;
        let renewed = renewed.map_err(|error| self.explain("renew a lock in", &error))?;
        Ok(renewed.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs())))
    }

    pub(super) async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let release = sqlx::query("SELECT quarterdeck.release($1::uuid, $2::uuid)");
        let release = release.bind(run.to_string()).bind(self.writer.to_string());
        let done = release.execute(&self.reader.pool().await?).await;
        done.map(drop).map_err(|error| self.explain("release a lock in", &error))
    }

    pub(super) async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let open = self.reader.driven(None).await?;
        let gone: Vec<String> = open.iter().filter(|run| run.is_gone()).map(|run| run.driver.to_string()).collect();
        let passed = sqlx::query_scalar("SELECT quarterdeck.pass($1::uuid, $2::uuid, $3::uuid[], $4)")
            .bind(wanted.to_string())
            .bind(self.writer.to_string())
            .bind(gone)
            .bind(millis(PASSED))
            .fetch_one(&self.reader.pool().await?)
            .await;
        passed.map_err(|error| self.explain("pass on a lock in", &error))
    }

    /// The server judges who is alive, but for a process that ended on this machine: that is seen here at once.
    pub(super) async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let open = self.reader.driven(Some(run)).await?;
        let gone: Vec<String> = open.iter().filter(|run| run.is_gone()).map(|run| run.driver.to_string()).collect();
        let claimed = sqlx::query_scalar("SELECT quarterdeck.take_over($1::uuid, $2::uuid, $3::uuid[])")
            .bind(run.to_string())
            .bind(self.writer.to_string())
            .bind(gone)
            .fetch_one(&self.reader.pool().await?)
            .await;
        claimed.map_err(|error| self.explain("claim a run in", &error))
    }
}

fn taken(row: &PgRow) -> sqlx::Result<(Grant, bool)> {
    let fence: i64 = row.try_get("o_fence")?;
    Ok((Grant { resource: row.try_get("o_resource")?, fence: fence.unsigned_abs() }, row.try_get("o_free")?))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
