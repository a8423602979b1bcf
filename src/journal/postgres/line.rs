//! What a journal that can fall back asks of the server: each question says whether the server is away or has refused.

use super::super::JournalError;
use super::{PostgresJournal, Reader, fault, rights, schema};
use crate::clock;
use crate::domain::RunId;
use crate::domain::record::{Actor, Record};
use crate::journal::chain::canonical;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use uuid::Uuid;

/// Why the server did not do it.
#[derive(Clone, Debug)]
pub(in crate::journal) enum Failed {
    /// It can't be reached, or can't take anything just now.
    Away(JournalError),
    /// It has judged: another try comes to the same.
    Refused(JournalError),
}

impl Failed {
    /// What failed.
    pub(in crate::journal) fn why(self) -> JournalError {
        let (Self::Away(error) | Self::Refused(error)) = self;
        error
    }
}

/// What the server says to a process that begins or comes back.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Hello {
    /// Who it is, by the server.
    pub(in crate::journal) login: String,
    /// How far the server's clock is ahead of this machine's, in milliseconds.
    pub(in crate::journal) ahead_ms: i64,
}

impl PostgresJournal {
    /// Says that this process is there and may write; begins no chain of records.
    pub(in crate::journal) fn hello(&self) -> BoxFuture<'_, Result<Hello, Failed>> {
        async move {
            let inner = &self.inner;
            if !inner.seen.initialized() {
                let found = schema::look(&inner.login).await?;
                schema::judge(&inner.login, found).map_err(Failed::Refused)?;
                let _ = inner.seen.set(());
            }
            let pool = inner.reader.pool().await.map_err(Failed::Away)?;
            let met = inner.hello(&pool).await;
            let (login, ahead_ms) = met.map_err(|error| match self.failed("begin a chain in", &error) {
                // Whoever may not write now is not let in by falling back.
                Failed::Away(why) if fault::is_forbidden(&error) => Failed::Refused(why),
                failed => failed,
            })?;
            let actor = Actor { name: login.clone(), ..inner.here.clone() };
            // The chain is begun by whoever asks: nothing is added to it here.
            let _ = inner.begun.set(actor);
            if !inner.beating.swap(true, Ordering::AcqRel) {
                tokio::spawn(super::beat(Arc::downgrade(inner)));
            }
            Ok(Hello { login, ahead_ms })
        }
        .boxed()
    }

    /// Adds a record of this process's chain, over a line that breaks for up to `patience`. After [`Failed::Away`] it may be there or not.
    pub(in crate::journal) fn send<'a>(
        &'a self,
        record: &'a Record,
        patience: Duration,
    ) -> BoxFuture<'a, Result<(), Failed>> {
        async move {
            let pool = self.inner.reader.pool().await.map_err(Failed::Away)?;
            let sent = self.inner.store(&pool, record, patience).await;
            sent.map_err(|error| match self.failed("append a record to", &error) {
                Failed::Refused(why) => Failed::Refused(fault::resuming(why, record.entry.run)),
                away @ Failed::Away(_) => away,
            })
        }
        .boxed()
    }

    /// Number and hash of the last record of each of these chains that the server has.
    pub(in crate::journal) async fn heads(&self, writers: &[Uuid]) -> Result<BTreeMap<Uuid, (u64, String)>, Failed> {
        let pool = self.inner.reader.pool().await.map_err(Failed::Away)?;
        heads(&pool, writers).await.map_err(|error| self.failed("read", &error))
    }

    /// Brings these records there, in their order, each unless it is there already: all of them or none. How many were not there.
    pub(in crate::journal) async fn merge(&self, records: &[Record]) -> Result<u64, Failed> {
        let records = Value::Array(records.iter().map(row).collect());
        let pool = self.inner.reader.pool().await.map_err(Failed::Away)?;
        let merge = sqlx::query_scalar("SELECT quarterdeck.merge($1::text::json)").bind(records.to_string());
        let added: i64 = merge.fetch_one(&pool).await.map_err(|error| self.failed("merge records into", &error))?;
        Ok(added.unsigned_abs())
    }

    /// Why nothing can be recorded with this login though all can be read; `None`: it can, or the server can't tell.
    pub(in crate::journal) fn may_only_look(&self) -> BoxFuture<'_, Option<String>> {
        async move { rights(&self.inner.reader).await.ok()?.only_looks() }.boxed()
    }

    /// A run has no end, and another process than this one is to see to it.
    pub(in crate::journal) fn is_driven(&self, run: RunId) -> BoxFuture<'_, Result<bool, JournalError>> {
        async move { self.inner.is_driven(run).await }.boxed()
    }

    /// Gives up lines that hang: the next question opens a new one.
    pub(in crate::journal) async fn hang_up(&self) {
        self.inner.login.hang_up().await;
    }

    /// Where it is and who writes there.
    pub(in crate::journal) fn place(&self) -> String {
        self.inner.login.place()
    }

    fn failed(&self, doing: &str, error: &sqlx::Error) -> Failed {
        let why = self.inner.explain(doing, error);
        if fault::is_away(error) { Failed::Away(why) } else { Failed::Refused(why) }
    }
}

async fn heads(pool: &PgPool, writers: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, (u64, String)>> {
    const HEADS: &str = "SELECT wanted.writer::text AS writer, head.seq, head.hash FROM unnest($1::text[]::uuid[]) AS wanted (writer),
         LATERAL (SELECT seq, hash FROM quarterdeck.record WHERE writer = wanted.writer ORDER BY seq DESC LIMIT 1) AS head";
    let writers: Vec<String> = writers.iter().map(Uuid::to_string).collect();
    sqlx::query(HEADS).bind(writers).fetch_all(pool).await?.iter().map(head).collect()
}

impl Reader {
    /// The number of the last record of each of these chains that the server has.
    pub(in crate::journal) async fn last_of(
        &self,
        writers: &BTreeSet<Uuid>,
    ) -> Result<BTreeMap<Uuid, u64>, JournalError> {
        let writers: Vec<Uuid> = writers.iter().copied().collect();
        let heads = heads(&self.pool().await?, &writers).await;
        let heads = heads.map_err(|error| fault::explain(&self.login, "read", &error))?;
        Ok(heads.into_iter().map(|(writer, (seq, _))| (writer, seq)).collect())
    }
}

fn head(row: &PgRow) -> sqlx::Result<(Uuid, (u64, String))> {
    let writer: String = row.try_get("writer")?;
    let seq: i64 = row.try_get("seq")?;
    Ok((writer.parse().unwrap_or_default(), (seq.unsigned_abs(), row.try_get("hash")?)))
}

/// As the server's function takes it.
fn row(record: &Record) -> Value {
    let entry = &record.entry;
    json!({
        "writer": record.writer, "seq": record.seq, "id": record.id, "prev": record.prev, "hash": record.hash, "at": record.at.to_string(),
        "mono_ms": record.mono_ms, "incident": record.incident, "actor_name": record.actor.name, "actor_uid": record.actor.uid,
        "actor_host": record.actor.host, "kind": entry.kind.word(), "run": entry.run, "step": entry.step, "role": entry.role,
        "target": entry.target, "env": entry.env, "data": canonical(&entry.data),
    })
}

/// What the clock of this machine says in the middle of a question's way, against what the server answered, in milliseconds.
pub(super) fn ahead(asked: jiff::Timestamp, there: i64) -> i64 {
    there - i64::midpoint(asked.as_millisecond(), clock::now().wall.as_millisecond())
}
