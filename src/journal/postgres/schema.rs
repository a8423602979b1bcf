//! The tables of a team's journal, by numbered steps. They are made by whoever owns them and not by those who write: the rights of a
//! writer are what keeps the record as it is.

use super::super::JournalError;
use super::{Failed, fault};
use crate::connect::postgres::Login;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::fmt::Write as _;

/// Each step, from version 1 on.
const STEPS: [&str; 6] = [
    include_str!("schema/0001_record.sql"),
    include_str!("schema/0002_lease.sql"),
    include_str!("schema/0003_approval.sql"),
    include_str!("schema/0004_merge.sql"),
    include_str!("schema/0005_incident.sql"),
    include_str!("schema/0006_grace.sql"),
];

/// Held while the tables are made, so that two who do it at once do it one after the other: any number that nobody else takes.
const LOCK: i64 = 0x7175_6172_7465_726a;

/// The version of this program.
pub const VERSION: usize = STEPS.len();

/// All that makes the tables, from `made` on: one transaction, to be read and run by whoever owns the database. It fails as a whole
/// where that version is not what is there.
pub fn script(made: usize) -> String {
    let mut out = format!("BEGIN;\nSELECT pg_catalog.pg_advisory_xact_lock({LOCK});\n\n");
    for (index, step) in STEPS.iter().enumerate().skip(made) {
        let _ = writeln!(out, "{step}\nINSERT INTO quarterdeck.migration (version) VALUES ({});\n", index + 1);
    }
    out.push_str("COMMIT;\n");
    out
}

/// Makes the tables, or brings them to this version, as a login that may; says from which version.
///
/// # Errors
/// When it can't be reached, may not, or is of a newer version.
pub async fn make(login: &Login) -> Result<usize, JournalError> {
    let explain = |error: &sqlx::Error| fault::explain_making(login, error);
    let mut connection = login.connect(super::TABLE).await.map_err(fault::unreached)?;
    let mut change = connection.begin().await.map_err(|error| explain(&error))?;
    let lock = sqlx::query("SELECT pg_catalog.pg_advisory_xact_lock($1)").bind(LOCK);
    lock.execute(&mut *change).await.map_err(|error| explain(&error))?;
    let made = version(&mut change).await.map_err(|error| explain(&error))?;
    if made > VERSION {
        return Err(newer(login, made));
    }
    for (index, step) in STEPS.iter().enumerate().skip(made) {
        let done = sqlx::raw_sql(AssertSqlSafe(*step)).execute(&mut *change).await;
        done.map_err(|error| explain(&error))?;
        let note = sqlx::query("INSERT INTO quarterdeck.migration (version) VALUES ($1)");
        let done = note.bind(i32::try_from(index + 1).unwrap_or(i32::MAX)).execute(&mut *change).await;
        done.map_err(|error| explain(&error))?;
    }
    change.commit().await.map_err(|error| explain(&error))?;
    Ok(made)
}

/// Refuses a database whose tables are not those of this version.
pub(super) async fn check(login: &Login) -> Result<(), JournalError> {
    judge(login, look(login).await.map_err(Failed::why)?)
}

/// The version of the tables that are there, as [`version`]. Whoever may not even look is refused.
pub(super) async fn look(login: &Login) -> Result<usize, Failed> {
    let connected = login.connect(super::TABLE).await;
    let mut connection = connected.map_err(|error| Failed::Away(fault::unreached(error)))?;
    let found = version(&mut connection).await.map_err(|error| {
        let why = fault::explain(login, "read", &error);
        if fault::is_forbidden(&error) { Failed::Refused(why) } else { Failed::Away(why) }
    })?;
    // How the connection ends does not change what it said.
    let _ = connection.close().await;
    Ok(found)
}

/// Refuses tables of another version.
pub(super) fn judge(login: &Login, found: usize) -> Result<(), JournalError> {
    let what = |what: &str| format!("the journal at {} {what}", login.place());
    match found {
        0 => Err(JournalError::new(
            what("has no tables yet"),
            "`quarterdeck journal setup` prints what makes them, and does it with --apply",
        )),
        found if found > VERSION => Err(newer(login, found)),
        found if found < VERSION => Err(JournalError::new(
            what(&format!("was made by an older quarterdeck (schema {found}, here {VERSION})")),
            "its owner brings it up to date: `quarterdeck journal setup --apply`",
        )),
        _ => Ok(()),
    }
}

/// The version of the tables that are there; 0: none, or none that this login may see.
pub(super) async fn version(connection: &mut PgConnection) -> sqlx::Result<usize> {
    let there = "SELECT to_regclass('quarterdeck.migration') IS NOT NULL AS there";
    let there = sqlx::query(there).fetch_one(&mut *connection).await;
    match there {
        Ok(row) if row.try_get::<bool, _>("there")? => {}
        Ok(_) => return Ok(0),
        Err(error) => return Err(error),
    }
    let found: Option<i32> =
        sqlx::query_scalar("SELECT max(version) FROM quarterdeck.migration").fetch_one(connection).await?;
    Ok(found.and_then(|found| usize::try_from(found).ok()).unwrap_or_default())
}

fn newer(login: &Login, found: usize) -> JournalError {
    JournalError::new(
        format!("the journal at {} was made by a newer quarterdeck (schema {found}, here {VERSION})", login.place()),
        "update quarterdeck",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_one_transaction_of_all_steps() {
        let script = script(0);
        assert!(script.starts_with("BEGIN;\n") && script.ends_with("COMMIT;\n"));
        assert_eq!(script.matches("INSERT INTO quarterdeck.migration (version)").count(), VERSION);
        assert!(!super::script(1).contains("CREATE SCHEMA"));
    }
}
