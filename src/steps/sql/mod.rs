//! `sql` fences, through PostgreSQL. Rows come back as JSON objects; values are bound, never pasted.
//!
//! A read-only fence goes through the reading login in a READ ONLY transaction that is rolled back. A `run` goes through the acting
//! login on a connection of its own. What changes rows or tables does so in a transaction whose number is recorded before (`transaction.rs`), by which
//! the server tells what became of it. Everything else is one statement and no transaction around it, because what it does (signals to other
//! sessions) does not roll back anyway: so an error from half-way leaves the effect unknown, and `verify` tells. `autocommit` is the
//! author's word that PostgreSQL would refuse a transaction around it, and that what is done by half stays (an index that is not valid).

mod notices;
mod transaction;

use super::live::{Live, Teller};
use super::{Acted, Call, Cut, Found, Pinned, Settled, Step, StepKind};
use crate::connect::Postgres;
use crate::domain::SourceError;
use crate::runbook::expr::Names;
use crate::runbook::language::NameType;
use crate::runbook::language::sql::{Bound, LANGUAGE, Shape, bind, is_concurrent};
use crate::runbook::machine::Effect;
use crate::runbook::model::OnDisconnect;
use crate::runbook::{StepPermit, params};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, Row, SqlSafeStr, Statement};
use std::sync::Arc;
use std::time::Duration;

/// Registry line.
pub const KIND: StepKind = StepKind { language: &LANGUAGE, step: &SqlStep };

/// The server ends a statement at its timeout; this much later it is cancelled from outside, and given up after as much again.
const GRACE: Duration = Duration::from_secs(2);

/// Messages of the server that are kept of one statement.
const MESSAGES: usize = 500;

/// The way to a PostgreSQL server.
struct SqlStep;

/// The server that a fence goes to, on its database.
fn server(call: &Call<'_>) -> Result<Arc<Postgres>, SourceError> {
    call.connections.need_database(call.on, call.fence.attrs.on.part.as_deref())
}

fn bound(call: &Call<'_>) -> Result<Bound, SourceError> {
    bind(&call.fence.body, call.types).map_err(|fault| SourceError::new(fault.what, fault.mend))
}

/// The text behind each number: PostgreSQL casts it to the declared type.
fn arguments(call: &Call<'_>, names: &[String]) -> Vec<Option<String>> {
    let value = |name: &String| match call.outs.get(name) {
        Some(rows) => Some(Value::Array(rows.rows.clone()).to_string()),
        None => match call.values.get(name)? {
            Value::Null => None,
            // Read as JSON there, and not as people read it.
            Value::Array(items) => Some(Value::Array(items.clone()).to_string()),
            one => Some(params::show(one)),
        },
    };
    names.iter().map(value).collect()
}

type Prepared<'q> = Query<'q, sqlx::Postgres, PgArguments>;

fn query(sql: String, arguments: Vec<Option<String>>) -> Prepared<'static> {
    arguments.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), Query::bind)
}

/// The bound statement with its parameters beside it.
fn shown(call: &Call<'_>, bound: &Bound) -> String {
    let mut lines = vec![bound.wrapped()];
    if call.fence.attrs.autocommit {
        lines.push("-- outside a transaction: when it ends half-way, what it has done so far stays".to_owned());
    }
    for (index, name) in bound.names.iter().enumerate() {
        let value = match (call.outs.get(name), call.values.get(name)) {
            (Some(rows), _) => format!("the {} rows of {name}, as JSON", rows.rows.len()),
            (None, Some(value)) if !value.is_null() => format!("{name} = '{}'", params::show(value)),
            (None, Some(_)) => format!("{name} = NULL"),
            (None, None) if call.types.get(name) == Some(&NameType::Choice) => format!("what is chosen as {name}"),
            (None, None) => format!("the rows of {name}, as JSON"),
        };
        lines.push(format!("-- ${}: {value}", index + 1));
    }
    lines.join("\n")
}

#[async_trait]
impl Step for SqlStep {
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError> {
        let server = server(&call)?;
        let address = server.target(call.fence.role.changes());
        Ok(Pinned { sent: shown(&call, &bound(&call)?), address, ..Pinned::default() })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError> {
        let server = server(&call)?;
        let bound = bound(&call)?;
        let arguments = arguments(&call, &bound.names);
        let asked = read(&server, &call, &bound, arguments).await?;
        asked.map_err(|error| server.explain(&error))
    }

    async fn facts(&self, call: Call<'_>) -> Result<Value, SourceError> {
        server(&call)?;
        Ok(if is_whole(&call, &bound(&call)?) {
            transaction::marked(&call.place())
        } else {
            json!({ "database": call.place() })
        })
    }

    async fn act(&self, call: Call<'_>, permit: StepPermit) -> Acted {
        let not_sent = |error: SourceError| Acted::silent(Effect::NotSent(error.to_string()));
        let (server, bound) = match (server(&call), bound(&call)) {
            (Ok(server), Ok(bound)) => (server, bound),
            (Err(error), _) | (_, Err(error)) => return not_sent(error),
        };
        let mut outs = call.outs.clone();
        // Whatever the caller has captured: a change gets the rows that its permit names, and no others.
        outs.extend(permit.rows().map(|rows| (rows.name.clone(), rows.clone())));
        let arguments = arguments(&Call { outs: &outs, ..call }, &bound.names);
        match connect(&server, &call, &bound).await {
            Ok((mut connection, pid)) => {
                tracing::info!(step = permit.step(), database = call.place(), pid, "sending");
                call.live.inspect(|live| live.note(pid));
                let whole = match call.live.filter(|_| is_whole(&call, &bound)) {
                    Some(live) => transaction::begin(&server, &mut connection, live).await,
                    None => Ok(false),
                };
                match whole {
                    Ok(whole) => send(&server, &call, &Sent { bound, arguments, whole }, connection, pid).await,
                    Err(why) => Acted::silent(Effect::NotSent(why)),
                }
            }
            Err(error) => not_sent(error),
        }
    }

    /// Through a second connection. What the server answers to the first one says what became of it.
    async fn cut(&self, call: Call<'_>) -> Cut {
        let Some(pid) = call.live.and_then(Live::noted) else {
            return Cut::Cannot("it is not sent yet".to_owned());
        };
        let asked = async { server(&call)?.cancel(pid).await };
        match asked.await {
            Ok(true) => Cut::Asked(format!("the server was asked to cancel it (session {pid})")),
            Ok(false) => Cut::Asked(format!("session {pid} is there no more")),
            Err(why) => Cut::StillRunning(format!("session {pid} on {}: it could not be cancelled: {why}", call.on)),
        }
    }

    async fn settle(&self, call: Call<'_>, facts: &Value, _age: Duration) -> Settled {
        match server(&call) {
            Ok(server) => transaction::settle(&server, &call, facts).await,
            Err(why) => Settled::CannotTell(why.to_string()),
        }
    }
}

/// It is done or not with a transaction of its own.
fn is_whole(call: &Call<'_>, bound: &Bound) -> bool {
    bound.whole && !call.fence.attrs.autocommit
}

/// A statement on its way.
struct Sent {
    bound: Bound,
    arguments: Vec<Option<String>>,
    /// Its transaction was begun.
    whole: bool,
}

/// Asks in a read-only transaction that is never committed. The outer error is one of connecting.
async fn read(
    server: &Postgres,
    call: &Call<'_>,
    bound: &Bound,
    arguments: Vec<Option<String>>,
) -> Result<Result<Found, sqlx::Error>, SourceError> {
    let pool = server.read().await?;
    let work = async {
        let mut transaction = pool.begin_with("BEGIN READ ONLY").await?;
        limit(&mut transaction, call, true).await?;
        let columns = columns(&mut transaction, bound).await?;
        let rows = query(bound.wrapped(), arguments).fetch_all(&mut *transaction).await?;
        transaction.rollback().await?;
        found(bound.shape, columns, &rows)
    };
    Ok(work.await)
}

/// Names the session for the server's log and limits its statements; `local`: for this transaction only.
async fn limit(connection: &mut PgConnection, call: &Call<'_>, local: bool) -> Result<(), sqlx::Error> {
    let millis = call.fence.attrs.timeout.as_millis().max(1).to_string();
    sqlx::query("SELECT set_config('statement_timeout', $1, $3), set_config('application_name', $2, $3)")
        .bind(millis)
        .bind(call.label)
        .bind(local)
        .execute(connection)
        .await
        .map(drop)
}

/// What works beside others waits for their transactions and holds up nobody: it has all of its time for that. Everything else gives
/// up a lock soon, for whoever comes after it in the queue waits too.
async fn wait_for_others(connection: &mut PgConnection, call: &Call<'_>) -> Result<(), sqlx::Error> {
    if !call.fence.attrs.autocommit || !is_concurrent(&call.fence.body) {
        return Ok(());
    }
    sqlx::query("SELECT set_config('lock_timeout', current_setting('statement_timeout'), false)")
        .execute(connection)
        .await
        .map(drop)
}

/// With `on-disconnect=stop` the server looks every second whether we are still there, and ends the statement when not (PostgreSQL 14
/// and later).
async fn end_with_the_line(connection: &mut PgConnection, call: &Call<'_>) -> Result<(), sqlx::Error> {
    if call.fence.attrs.on_disconnect != Some(OnDisconnect::Stop) {
        return Ok(());
    }
    let look = "SELECT set_config('client_connection_check_interval', '1s', false)";
    sqlx::query(look).execute(connection).await.map(drop)
}

/// The column names in order: JSON objects do not keep it. Preparing also finds every mistake that the server can find
/// without running the statement.
async fn columns(connection: &mut PgConnection, bound: &Bound) -> Result<Vec<String>, sqlx::Error> {
    let statement = connection.prepare(AssertSqlSafe(bound.text.clone()).into_sql_str()).await?;
    Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect())
}

fn found(shape: Shape, columns: Vec<String>, rows: &[PgRow]) -> Result<Found, sqlx::Error> {
    let rows = rows.iter().map(|row| object(shape, row)).collect::<Result<Vec<Value>, _>>()?;
    let text = match rows.len() {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    };
    let names = Names::from([("rows".to_owned(), Value::Array(rows.clone()))]);
    Ok(Found { names, rows, columns, text, judged: None, later: None })
}

fn object(shape: Shape, row: &PgRow) -> Result<Value, sqlx::Error> {
    match shape {
        Shape::Query | Shape::Returning => row.try_get(0),
        Shape::Show => {
            let name = row.columns().first().map_or("setting", |column| column.name());
            row.try_get::<String, _>(0).map(|value| json!({ name: value }))
        }
        Shape::Command => Ok(Value::Null),
    }
}

/// A connection of the acting login, named and limited, with its process id. Everything that fails here fails before
/// anything was sent.
async fn connect(server: &Postgres, call: &Call<'_>, bound: &Bound) -> Result<(PgConnection, i32), SourceError> {
    let mut connection = server.connect_act().await?;
    let prepare = async {
        limit(&mut connection, call, false).await?;
        wait_for_others(&mut connection, call).await?;
        end_with_the_line(&mut connection, call).await?;
        columns(&mut connection, bound).await?;
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await
    };
    let pid = prepare.await.map_err(|error| server.explain(&error))?;
    Ok((connection, pid))
}

async fn send(server: &Postgres, call: &Call<'_>, sent: &Sent, mut connection: PgConnection, pid: i32) -> Acted {
    let limit = call.fence.attrs.timeout + GRACE;
    let teller = Teller::of(call);
    teller.say(&format!("sent to {} by session {pid}", call.place()));
    let mut work = Box::pin(told(sent, &mut connection, teller));
    let result = match tokio::time::timeout(limit, &mut work).await {
        Ok(result) => Some(result),
        // Dropping the future would leave the statement running, and nobody would know what it did.
        Err(_) => match server.cancel(pid).await {
            Ok(_) => tokio::time::timeout(GRACE, &mut work).await.ok(),
            Err(_) => None,
        },
    };
    drop(work);
    // Its result is in hand or lost: how the connection ends changes nothing.
    let _ = tokio::time::timeout(GRACE, connection.close()).await;
    match result {
        Some(Ok(acted)) => acted,
        Some(Err(error)) => unknown(server, &error),
        None => {
            let why = format!("no answer within {limit:?}, and the statement could not be cancelled");
            Acted::silent(Effect::Unknown(why))
        }
    }
}

/// An error of a statement that was sent: part of it may have been done.
fn unknown(server: &Postgres, error: &sqlx::Error) -> Acted {
    let why = format!("the server stopped half-way or the line broke: {}", server.explain(error).what);
    if broke(error) { Acted::broken(why) } else { Acted::silent(Effect::Unknown(why)) }
}

/// No answer came to the statement: the line is gone, or the server ended the session (it stops, or somebody ended it).
fn broke(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(told) => told.code().is_some_and(|code| code.starts_with("57P")),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

/// Messages of the server are said as they come, and stand before what came back.
async fn told(sent: &Sent, connection: &mut PgConnection, teller: Teller<'_>) -> Result<Acted, sqlx::Error> {
    let mut messages: Vec<String> = Vec::new();
    let hear = |message: String| {
        teller.say(&message);
        if messages.len() < MESSAGES {
            messages.push(message);
        }
    };
    let mut acted = notices::heard(committed(sent, connection, teller), hear).await?;
    messages.extend(Some(acted.output).filter(|output| !output.is_empty()));
    acted.output = messages.join("\n");
    Ok(acted)
}

/// What fails in its transaction is taken back at once: who looks afterwards need not wait for that.
async fn committed(sent: &Sent, connection: &mut PgConnection, teller: Teller<'_>) -> Result<Acted, sqlx::Error> {
    let acted = execute(sent, connection, teller).await;
    if sent.whole {
        let end = if acted.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = sqlx::raw_sql(end).execute(connection).await;
        if acted.is_ok() {
            ended?;
        }
    }
    acted
}

async fn execute(sent: &Sent, connection: &mut PgConnection, teller: Teller<'_>) -> Result<Acted, sqlx::Error> {
    let bound = &sent.bound;
    let query = query(bound.wrapped(), sent.arguments.clone());
    match bound.shape {
        Shape::Command => {
            let done = query.execute(connection).await?;
            let said = match done.rows_affected() {
                1 => "1 row affected".to_owned(),
                rows => format!("{rows} rows affected"),
            };
            Ok(Acted::silent(Effect::Done(said)))
        }
        Shape::Query | Shape::Returning | Shape::Show => {
            let (mut rows, mut lines) = (Vec::new(), Vec::new());
            let mut answer = query.fetch(connection);
            while let Some(row) = answer.try_next().await? {
                let row = object(bound.shape, &row)?;
                let line = row.to_string();
                teller.say(&line);
                lines.push(line);
                rows.push(row);
            }
            let count = if rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", rows.len()) };
            let effect = Effect::Done(format!("the server answered with {count}"));
            let names = Names::from([("rows".to_owned(), Value::Array(rows.clone()))]);
            let output = lines.join("\n");
            Ok(Acted { output, rows, names, ..Acted::silent(effect) })
        }
    }
}
