//! What the server says of a second person's approval. Who asked and who decided are the names that they logged in with, and that these
//! are two was judged there.

use super::super::JournalError;
use super::super::row::Columns;
use super::read::{Reader, SELECT, records};
use crate::clock;
use crate::runbook::Approval;
use crate::runbook::approvals::{Approvals, Request};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;
use uuid::Uuid;

/// What this login may begin by: its own request of this plan, approved, not used, and in time.
const USABLE: &str = "SELECT asked.id::text AS id, asked.plan_hash, asked.decider, given.data
     FROM quarterdeck.approval asked JOIN quarterdeck.record given ON given.id = asked.decision
     WHERE asked.plan_hash = $1 AND asked.asker = session_user AND asked.approved AND NOT asked.withdrawn AND asked.run IS NULL
         AND asked.until > clock_timestamp()
     ORDER BY asked.until DESC LIMIT 1";

/// How much time each request of the last day has left.
const LEFT: &str =
    "SELECT id::text AS id, floor(extract(epoch FROM until - clock_timestamp()) * 1000)::bigint AS left_ms
     FROM quarterdeck.approval WHERE asked > clock_timestamp() - interval '1 day'";

impl Reader {
    pub(super) async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        let row = sqlx::query(USABLE).bind(plan_hash).fetch_optional(&self.pool().await?).await;
        let row = self.told(row)?;
        let approval = row.as_ref().map(approval).transpose();
        approval.map_err(|why| JournalError::new(format!("an approval cannot be read: {why}"), "update quarterdeck"))
    }

    pub(in super::super) async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        let pool = self.pool().await?;
        let left = self.told(sqlx::query(LEFT).fetch_all(&pool).await)?;
        let now = clock::now().wall;
        let left: Vec<(Uuid, Timestamp)> = left.iter().filter_map(|row| until(row, now)).collect();
        let query = format!(
            "{SELECT} WHERE place >= (SELECT min(place) FROM quarterdeck.record asked WHERE asked.id = ANY ($1::uuid[]))
                 AND (kind LIKE 'run.approval.%' OR kind IN ('run.start', 'run.resume') AND run IN (SELECT run FROM quarterdeck.approval))
             ORDER BY place"
        );
        let ids: Vec<String> = left.iter().map(|(id, _)| id.to_string()).collect();
        let rows = self.told(sqlx::query(AssertSqlSafe(query)).bind(ids).fetch_all(&pool).await)?;
        let mut folded = Approvals::default();
        for record in records(&rows) {
            folded.apply(&record);
        }
        for request in folded.all_mut() {
            if let Some((_, until)) = left.iter().find(|(id, _)| *id == request.id) {
                request.until = *until;
            }
        }
        Ok(folded.all().to_vec())
    }
}

fn approval(row: &PgRow) -> Result<Approval, String> {
    let said: serde_json::Value = serde_json::from_str(&row.text("data")?).unwrap_or_default();
    let reason = said["reason"].as_str().unwrap_or_default().to_owned();
    Ok(Approval::granted(row.parsed("id")?, row.text("plan_hash")?, row.text("decider")?, reason))
}

/// The server's time, by this machine's clock.
fn until(row: &PgRow, now: Timestamp) -> Option<(Uuid, Timestamp)> {
    let left: i64 = row.try_get("left_ms").ok()?;
    let span = Duration::from_millis(left.unsigned_abs());
    let until = if left < 0 { now.checked_sub(span) } else { now.checked_add(span) };
    Some((row.parsed("id").ok()?, until.ok()?))
}
