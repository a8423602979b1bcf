//! A statement in a transaction of its own, whose number is in the journal before it can take effect: when the answer to its COMMIT is lost the
//! server still tells whether it was committed.
//!
//! A number means something to one server alone, and there only as long as that goes on: one that crashed may give it to somebody else. So what
//! server it is (its identity, its timeline, and since when its checkpointer runs, which every crash begins anew) is noted beside it,
//! and where that is not the same, or can't be seen by these logins, only the step's `verify` tells.

use super::super::live::Live;
use super::super::{Call, NOTES, Settled};
use crate::connect::Postgres;
use crate::domain::SourceError;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// The key of what is noted.
const KEY: &str = "transaction";

/// The server, as every login may see it: fails on a standby.
const SERVER: &str = "(SELECT system_identifier::text FROM pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)";
/// Since when it goes on; NULL for a login that may not see that.
const SINCE: &str =
    "(SELECT extract(epoch FROM backend_start)::text FROM pg_stat_activity WHERE backend_type = 'checkpointer')";

/// A session that waits in a transaction for so long is gone, and nothing of it is done: its locks must not stay.
const IDLE: Duration = Duration::from_secs(60);
/// The longest that the look which server it is may take.
const LOOK: Duration = Duration::from_secs(5);

/// What stands in the intent of a statement that is to be sent like this.
pub(super) fn marked(place: &str) -> Value {
    json!({ "database": place, NOTES: true })
}

/// Why nothing may be sent.
type NotSent = String;

/// Begins the transaction and has its number recorded; `false`: no number would tell later, which is recorded too, and there is none.
pub(super) async fn begin(server: &Postgres, connection: &mut PgConnection, live: &Live) -> Result<bool, NotSent> {
    let which = tokio::time::timeout(LOOK, identity(server, connection)).await.ok().flatten();
    let number: Option<i64> = match &which {
        Some(_) => Some(number(connection).await.map_err(|error| server.explain(&error).to_string())?),
        None => None,
    };
    let noted = number.zip(which).map(|(number, which)| json!({ "number": number.to_string(), "server": which }));
    let begun = noted.is_some();
    live.keep(json!({ KEY: noted })).await.map_err(|why| format!("its transaction can't be recorded: {why}"))?;
    Ok(begun)
}

async fn number(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', $1, false)")
        .bind(IDLE.as_millis().to_string())
        .execute(&mut *connection)
        .await?;
    sqlx::raw_sql("BEGIN READ WRITE").execute(&mut *connection).await?;
    sqlx::query_scalar("SELECT txid_current()").fetch_one(connection).await
}

/// The server as both logins see it, which must be one.
async fn identity(server: &Postgres, acting: &mut PgConnection) -> Option<String> {
    let seen = format!("SELECT {SERVER}");
    let there: String = sqlx::query_scalar(AssertSqlSafe(seen)).fetch_one(acting).await.ok()?;
    let here = seen_by_reader(server).await?;
    here.starts_with(&format!("{there} ")).then_some(here)
}

async fn seen_by_reader(server: &Postgres) -> Option<String> {
    let pool = server.read().await.ok()?;
    let seen = format!("SELECT {SERVER} || ' ' || {SINCE}");
    sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(seen)).fetch_one(&pool).await.ok()?
}

/// What became of it, by what was noted.
pub(super) async fn settle(server: &Postgres, call: &Call<'_>, facts: &Value) -> Settled {
    if facts[NOTES] != true {
        return Settled::AskVerify;
    }
    let Some(noted) = facts.get(KEY) else {
        return Settled::DidNot("its transaction was not begun: nothing was sent".to_owned());
    };
    let (Some(number), Some(which)) = (noted["number"].as_str(), noted["server"].as_str()) else {
        return Settled::AskVerify;
    };
    match status(server, number, which).await {
        Ok(Some(status)) => told(&status, number, call.on),
        Ok(None) => Settled::AskVerify,
        Err(why) => Settled::CannotTell(why.to_string()),
    }
}

/// `None`: it is another server, or one that crashed since, whose numbers are others; or that was too long ago.
async fn status(server: &Postgres, number: &str, which: &str) -> Result<Option<String>, SourceError> {
    let pool = server.read().await?;
    if seen_by_reader(server).await.as_deref() != Some(which) {
        return Ok(None);
    }
    let asked = sqlx::query_scalar("SELECT txid_status($1::text::bigint)").bind(number).fetch_one(&pool).await;
    asked.map_err(|error| server.explain(&error))
}

fn told(status: &str, number: &str, on: &str) -> Settled {
    match status {
        "committed" => Settled::Happened(format!("{on} says that transaction {number} was committed")),
        "aborted" => {
            Settled::DidNot(format!("{on} says that transaction {number} was rolled back: nothing of it is done"))
        }
        "in progress" => Settled::NotYet(format!("transaction {number} is still under way on {on}")),
        _ => Settled::AskVerify,
    }
}
