//! What went wrong with the team's journal, in words, and how to mend it.

use super::super::JournalError;
use super::TABLE;
use crate::connect::postgres::Login;
use crate::domain::{RunId, SourceError};

/// How the server begins to say that a run is another process's by now.
const TAKEN_OVER: &str = "another process has taken over this run";

/// Says what an error of the driver means for the journal.
pub(super) fn explain(login: &Login, doing: &str, error: &sqlx::Error) -> JournalError {
    let told = error.as_database_error().and_then(|error| {
        let code = error.code().unwrap_or_default().into_owned();
        refused(login.user(), &code, error.message())
    });
    match told {
        Some((why, hint)) => JournalError::new(format!("cannot {doing} the journal at {}: {why}", login.place()), hint),
        None => {
            let SourceError { what, hint } = login.explain(TABLE, error);
            JournalError::new(format!("cannot {doing} the journal: {what}"), hint)
        }
    }
}

/// The same for whoever makes the tables.
pub(super) fn explain_making(login: &Login, error: &sqlx::Error) -> JournalError {
    const DOING: &str = "make the tables of";
    let Some(refusal) = error.as_database_error().filter(|error| error.code().as_deref() == Some("42501")) else {
        return explain(login, DOING, error);
    };
    let user = login.user();
    let what = format!("cannot {DOING} the journal at {}: {user} may not ({})", login.place(), refusal.message());
    let hint = if refusal.message().contains("create role") {
        format!(
            "somebody makes the roles quarterdeck_reader and quarterdeck_writer before, or ALTER ROLE \"{user}\" CREATEROLE"
        )
    } else {
        format!(
            "run it as the owner of the database or of the tables that are there (--dsn postgres://OWNER@HOST/DATABASE), or the first time let \
             the database's owner GRANT CREATE ON DATABASE … TO \"{user}\""
        )
    };
    JournalError::new(what, hint)
}

/// The server takes no intent for a run that another process has taken over: what came of it is told by resuming it.
pub(super) fn resuming(error: JournalError, run: Option<RunId>) -> JournalError {
    match run.filter(|_| error.what.contains(TAKEN_OVER)) {
        Some(run) => JournalError {
            hint: format!("`quarterdeck runbook resume {}` tells what became of it, and what can be done", run.short()),
            ..error
        },
        None => error,
    }
}

/// What a refusal means here; `None`: what it means anywhere.
fn refused(user: &str, code: &str, message: &str) -> Option<(String, String)> {
    let (why, hint) = match code {
        "42501" => (
            format!("{user} may not ({message})"),
            format!(
                "its owner lets them: GRANT quarterdeck_writer TO \"{user}\" to act, or quarterdeck_reader to look"
            ),
        ),
        "3F000" | "42P01" | "42883" => (
            format!("its tables are not there, or not all of them ({message})"),
            "`quarterdeck journal setup` prints what makes them".to_owned(),
        ),
        "25006" => (
            "the server takes no writes: it is a standby, or reads only".to_owned(),
            format!("name the primary in dsn of {TABLE}"),
        ),
        "53100" => ("the disk of the server is full".to_owned(), "free space there".to_owned()),
        "55P03" => (
            "others' appends did not end in time".to_owned(),
            "see what waits in quarterdeck.turn on that server".to_owned(),
        ),
        "P0001" if message.starts_with("approval: ") => (
            message.to_owned(),
            "`quarterdeck approval list` tells how each stands; a new one is asked for with the plan".to_owned(),
        ),
        // What the journal's own triggers say.
        "P0001" => (message.to_owned(), "run `quarterdeck journal verify`".to_owned()),
        _ => return None,
    };
    Some((why, hint))
}

/// It could not even be asked.
pub(super) fn unreached(error: SourceError) -> JournalError {
    JournalError::new(format!("the journal can't be reached: {}", error.what), error.hint)
}

/// The line broke, or the server went: whether it was done is not known.
pub(super) fn is_broken_line(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refused) => {
            matches!(refused.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "08006" | "08003"))
        }
        _ => false,
    }
}

/// The server can't take it now, and another try may go well: it is away, full, read-only, or does not let this login in any more. Else it has
/// judged, and will judge so again.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(refused) = error else { return !matches!(error, sqlx::Error::RowNotFound) };
    let code = refused.code().unwrap_or_default();
    let class = |class: &str| code.starts_with(class);
    let known = ["08", "28", "53", "57", "58", "XX"].into_iter().any(class);
    // It was brought back without the end of this chain: what is missing is brought there again.
    let behind = class("P0001") && refused.message().contains("do not fit");
    known || behind || matches!(&*code, "25006" | "3D000" | "42501" | "55P03")
}

/// The login lacks a right.
pub(super) fn is_forbidden(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"))
}
