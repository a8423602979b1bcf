//! What is asked beside the sessions: locks while somebody waits, and, less often, replication, databases, progress, the
//! archiver, prepared transactions.
//!
//! One of these statements may fail alone (a right is missing, a table of files is too large): that becomes a sentence
//! in [`Database::hidden`], and nothing else is lost by it. None of them may take the time that the sessions need.

use super::parse::{Server, count, relation, span, text, time};
use super::rates::{self, Counters};
use super::{statements, waits};
use crate::clock;
use crate::domain::{Archiver, Database, DatabaseStats, Now, Prepared, Progress, Receiver, Replica, Slot};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::collections::HashMap;
use std::time::Duration;

/// Time between two rounds of the slow questions. The second comes at the second poll, so that rates are known soon.
const PAUSE: Duration = Duration::from_secs(10);
/// Time between two questions for sizes.
const SIZES_PAUSE: Duration = Duration::from_mins(15);
/// A statement that took too long is not sent again for this long.
const REST: Duration = Duration::from_mins(5);
/// Longest time of one of these statements.
const LIMIT: Duration = Duration::from_secs(1);

/// The questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Question {
    Waits,
    Replicas,
    Receiver,
    Slots,
    Sizes,
    Databases,
    Progress,
    Archiver,
    Prepared,
}

impl Question {
    /// What stays unknown without an answer.
    const fn unknown(self) -> &'static str {
        match self {
            Self::Waits => "which locks are waited for",
            Self::Replicas => "who receives WAL",
            Self::Receiver => "where WAL comes from",
            Self::Slots => "what replication slots hold",
            Self::Sizes => "how large the databases are",
            Self::Databases => "what the databases do",
            Self::Progress => "how far long commands are",
            Self::Archiver => "whether WAL is archived",
            Self::Prepared => "which transactions are prepared",
        }
    }
}

/// What the answers said, and when to ask again.
#[derive(Debug, Default)]
pub(super) struct Extras {
    rounds: u64,
    last: Option<Now>,
    sized: Option<Now>,
    sizes: HashMap<i64, u64>,
    counters: Counters,
    /// Why a question has no answer, and until when it is not asked again.
    failed: HashMap<Question, (String, Option<Duration>)>,
    known: Known,
}

/// The slow answers, as they stay until the next round.
#[derive(Debug, Default)]
struct Known {
    replicas: Vec<Replica>,
    receiver: Option<Receiver>,
    slots: Vec<Slot>,
    databases: Vec<DatabaseStats>,
    progress: Vec<Progress>,
    archiver: Option<Archiver>,
    prepared: Vec<Prepared>,
}

/// Whom to ask, and how long all of it may take.
struct Asking<'a> {
    connection: &'a mut PgConnection,
    server: &'a Server,
    started: Now,
    limit: Duration,
    budget: Duration,
}

impl Asking<'_> {
    fn has_time(&self) -> bool {
        clock::now().since(self.started) < self.budget
    }
}

impl Extras {
    /// Adds to the sessions what else there is to know. `timeout` is that of the whole poll.
    ///
    /// # Errors
    /// When the connection is of no use any more.
    pub(super) async fn add(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        database: &mut Database,
        timeout: Duration,
    ) -> Result<(), sqlx::Error> {
        let started = clock::now();
        let (limit, budget) = (LIMIT.min(timeout / 5), timeout / 2);
        let mut asking = Asking { connection, server, started, limit, budget };
        if self.is_due(started) {
            self.round(&mut asking).await?;
        }
        self.fill(database);
        self.waits(&mut asking, database).await?;
        database.hidden = self.hidden(server);
        Ok(())
    }

    fn is_due(&self, now: Now) -> bool {
        self.rounds < 2 || self.last.is_none_or(|last| now.since(last) >= PAUSE)
    }

    async fn round(&mut self, asking: &mut Asking<'_>) -> Result<(), sqlx::Error> {
        (self.rounds, self.last) = (self.rounds + 1, Some(asking.started));
        let limit = format!("SET statement_timeout = {}", asking.limit.as_millis());
        sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut *asking.connection).await?;
        self.replication(asking).await?;
        self.databases(asking).await?;
        self.rest(asking).await?;
        // To what the session began with.
        sqlx::raw_sql("RESET statement_timeout").execute(&mut *asking.connection).await?;
        Ok(())
    }

    async fn replication(&mut self, asking: &mut Asking<'_>) -> Result<(), sqlx::Error> {
        if let Some(rows) = self.ask(Question::Replicas, asking, statements::replicas()).await? {
            self.known.replicas = rows.into_iter().map(replica).collect();
        }
        let slots = statements::slots(asking.server.number);
        if let Some(rows) = self.ask(Question::Slots, asking, slots).await? {
            self.known.slots = rows.into_iter().map(slot).collect();
        }
        if !asking.server.standby {
            self.known.receiver = None;
        } else if let Some(rows) = self.ask(Question::Receiver, asking, statements::RECEIVER).await? {
            self.known.receiver = rows.into_iter().next().map(receiver);
        }
        Ok(())
    }

    async fn databases(&mut self, asking: &mut Asking<'_>) -> Result<(), sqlx::Error> {
        let due = self.sized.is_none_or(|sized| asking.started.since(sized) >= SIZES_PAUSE);
        if due && let Some(rows) = self.ask::<SizeRow, _>(Question::Sizes, asking, statements::SIZES).await? {
            self.sizes = rows.into_iter().map(|row| (row.id, count(row.size))).collect();
            self.sized = Some(asking.started);
        }
        if let Some(rows) = self.ask::<rates::Row, _>(Question::Databases, asking, statements::DATABASES).await? {
            self.known.databases = self.counters.take(rows, &self.sizes);
        }
        Ok(())
    }

    async fn rest(&mut self, asking: &mut Asking<'_>) -> Result<(), sqlx::Error> {
        let progress_of = statements::progress(asking.server.number);
        if let Some(rows) = self.ask(Question::Progress, asking, progress_of).await? {
            self.known.progress = rows.into_iter().map(progress).collect();
        }
        if let Some(rows) = self.ask(Question::Archiver, asking, statements::ARCHIVER).await? {
            self.known.archiver = rows.into_iter().find_map(archiver);
        }
        self.prepared(asking).await
    }

    async fn prepared(&mut self, asking: &mut Asking<'_>) -> Result<(), sqlx::Error> {
        if let Some(rows) = self.ask(Question::Prepared, asking, statements::PREPARED).await? {
            self.known.prepared = rows.into_iter().map(prepared).collect();
        }
        Ok(())
    }

    /// While somebody waits for a lock: for which, and who holds it. A blocker of 0 is a prepared transaction.
    async fn waits(&mut self, asking: &mut Asking<'_>, database: &mut Database) -> Result<(), sqlx::Error> {
        if database.sessions.iter().all(|session| session.blocked_by.is_empty()) {
            self.failed.remove(&Question::Waits);
            return Ok(());
        }
        if database.sessions.iter().any(|session| session.blocked_by.contains(&0)) {
            self.prepared(asking).await?;
            database.prepared.clone_from(&self.known.prepared);
        }
        let sql = statements::waits(asking.server.number);
        if let Some(rows) = self.ask::<waits::Row, _>(Question::Waits, asking, sql).await? {
            waits::note(database, &rows);
        }
        Ok(())
    }

    /// Asks one question. `None`: there is no new answer, because it failed alone, rests after that, or there is no time;
    /// what was known before a failure is forgotten, for nobody knows whether it still holds.
    async fn ask<T, S>(
        &mut self,
        question: Question,
        asking: &mut Asking<'_>,
        sql: S,
    ) -> Result<Option<Vec<T>>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
        S: Into<String>,
    {
        let rests = |until: &Option<Duration>| until.is_some_and(|until| asking.started.mono < until);
        if self.failed.get(&question).is_some_and(|(_, until)| rests(until)) || !asking.has_time() {
            return Ok(None);
        }
        match sqlx::query_as(AssertSqlSafe(sql.into())).fetch_all(&mut *asking.connection).await {
            Ok(rows) => {
                self.failed.remove(&question);
                Ok(Some(rows))
            }
            Err(error) => {
                let (why, slow) = alone(&error, &asking.server.login(), asking.limit).ok_or(error)?;
                let until = slow.then(|| asking.started.mono + REST);
                self.failed.insert(question, (format!("{} is not known: {why}", question.unknown()), until));
                self.known.forget(question);
                Ok(None)
            }
        }
    }

    fn fill(&self, database: &mut Database) {
        let known = &self.known;
        database.replicas.clone_from(&known.replicas);
        database.receiver.clone_from(&known.receiver);
        database.slots.clone_from(&known.slots);
        database.databases.clone_from(&known.databases);
        database.progress.clone_from(&known.progress);
        database.archiver.clone_from(&known.archiver);
        database.prepared.clone_from(&known.prepared);
    }

    fn hidden(&self, server: &Server) -> Vec<String> {
        let rights = (!server.sees_all).then(|| {
            let login = server.login();
            format!("{login} may not see what others' sessions do, who blocks them, how far replication is: GRANT pg_monitor TO {login}")
        });
        let mut failed: Vec<_> = self.failed.iter().collect();
        failed.sort_by_key(|(question, _)| **question);
        rights.into_iter().chain(failed.into_iter().map(|(_, (why, _))| why.clone())).collect()
    }
}

impl Known {
    fn forget(&mut self, question: Question) {
        match question {
            Question::Waits | Question::Sizes => {}
            Question::Replicas => self.replicas.clear(),
            Question::Receiver => self.receiver = None,
            Question::Slots => self.slots.clear(),
            Question::Databases => self.databases.clear(),
            Question::Progress => self.progress.clear(),
            Question::Archiver => self.archiver = None,
            Question::Prepared => self.prepared.clear(),
        }
    }
}

/// Why one statement failed while the session lives on, and whether it took too long; `None` when the session is at its end.
fn alone(error: &sqlx::Error, login: &str, limit: Duration) -> Option<(String, bool)> {
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            match &*code {
                "42501" => Some((format!("{}: GRANT pg_monitor TO {login}", refused.message()), false)),
                "57014" => {
                    let (limit, rest) = (limit.as_millis(), REST.as_secs() / 60);
                    Some((
                        format!("the server took longer than {limit} ms; it is asked again after {rest} minutes"),
                        true,
                    ))
                }
                // It was told to end, or is about to.
                code if code.starts_with("57P") || code.starts_with("08") => None,
                code => Some((format!("{} ({code})", refused.message()), false)),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
            Some((format!("its answer is not that of PostgreSQL 12 to 17: {error}"), false))
        }
        _ => None,
    }
}

#[derive(sqlx::FromRow)]
struct SizeRow {
    id: i64,
    size: i64,
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct ReplicaRow {
    pid: i32,
    name: Option<Vec<u8>>,
    client: Option<String>,
    state: Option<String>,
    sync: Option<String>,
    behind: Option<i64>,
    write_lag: Option<i64>,
    flush_lag: Option<i64>,
    replay_lag: Option<i64>,
}

fn replica(row: ReplicaRow) -> Replica {
    let client = if row.state.is_some() { "local" } else { "" };
    Replica {
        pid: row.pid,
        name: text(row.name),
        client: row.client.unwrap_or_else(|| client.to_owned()),
        state: row.state.unwrap_or_default(),
        sync: row.sync.unwrap_or_default(),
        behind: row.behind.map(count),
        lag: [row.write_lag, row.flush_lag, row.replay_lag].map(|lag| lag.map(span)),
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct ReceiverRow {
    pid: Option<i32>,
    status: Option<String>,
    host: Option<Vec<u8>>,
    port: Option<i32>,
    behind: Option<i64>,
    replayed: Option<i64>,
    heard: Option<i64>,
    paused: bool,
}

fn receiver(row: ReceiverRow) -> Receiver {
    // One that runs, and whose state the login may not see.
    let hidden = row.pid.is_some().then(|| "hidden".to_owned());
    let port = row.port.map_or_else(String::new, |port| format!(":{port}"));
    Receiver {
        status: row.status.or(hidden),
        sender: text(row.host) + &port,
        behind: row.behind.map(count),
        replayed: row.replayed.map(span),
        heard: row.heard.map(span),
        paused: row.paused,
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct SlotRow {
    name: Option<Vec<u8>>,
    kind: Option<String>,
    active: Option<bool>,
    held: Option<i64>,
    wal_status: Option<String>,
    xmin_age: Option<i64>,
}

fn slot(row: SlotRow) -> Slot {
    Slot {
        name: text(row.name),
        kind: row.kind.unwrap_or_default(),
        active: row.active.unwrap_or_default(),
        held: row.held.map(count),
        wal_status: row.wal_status,
        xmin_age: row.xmin_age,
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct ProgressRow {
    pid: i32,
    command: Option<String>,
    phase: Option<String>,
    done: Option<i64>,
    total: Option<i64>,
    relation: Option<i64>,
    database: Option<Vec<u8>>,
    schema: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
}

fn progress(row: ProgressRow) -> Progress {
    let share = |done: i64, total: i64| (total > 0).then(|| (done as f64 / total as f64).clamp(0.0, 1.0));
    let known = row.name.is_some();
    let on = match row.relation.filter(|relation| *relation != 0) {
        Some(number) => relation(row.schema, row.name, number),
        None => String::new(),
    };
    let on = match row.database {
        Some(database) if !known && !on.is_empty() => format!("relation {on} of {}", text(Some(database))),
        Some(_) | None => on,
    };
    Progress {
        pid: row.pid,
        command: row.command.unwrap_or_default(),
        on,
        phase: row.phase.unwrap_or_default(),
        done: row.done.zip(row.total).and_then(|(done, total)| share(done, total)),
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct ArchiverRow {
    enabled: bool,
    archived: Option<i64>,
    failed: Option<i64>,
    last_failed: Option<String>,
    last_failed_at: Option<i64>,
    failing: bool,
}

fn archiver(row: ArchiverRow) -> Option<Archiver> {
    row.enabled.then(|| Archiver {
        archived: row.archived.map_or(0, count),
        failed: row.failed.map_or(0, count),
        failing: row.failing,
        last_failed: row.last_failed,
        last_failed_at: row.last_failed_at.map(time),
    })
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct PreparedRow {
    gid: Option<Vec<u8>>,
    owner: Option<Vec<u8>>,
    database: Option<Vec<u8>>,
    prepared: Option<i64>,
    transaction: Option<i64>,
    xmin_age: Option<i64>,
}

fn prepared(row: PreparedRow) -> Prepared {
    Prepared {
        gid: text(row.gid),
        owner: text(row.owner),
        database: text(row.database),
        prepared: time(row.prepared.unwrap_or(0)),
        transaction: row.transaction.and_then(|id| u32::try_from(id).ok()).unwrap_or(0),
        xmin_age: row.xmin_age,
        blocks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;

    fn rows<T: DeserializeOwned>(key: &str) -> Vec<T> {
        let text = include_str!("../../../tests/fixtures/postgres/server.json");
        let mut fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(fixture[key].take()).unwrap()
    }

    #[test]
    fn a_primary_tells_of_its_standbys_and_slots() {
        let replicas: Vec<Replica> = rows("replicas").into_iter().map(replica).collect();
        let standby = replicas.iter().find(|replica| replica.name == "db-standby").unwrap();
        assert_eq!(
            (standby.state.as_str(), standby.sync.as_str(), standby.client.as_str()),
            ("streaming", "async", "127.0.0.1")
        );
        assert!(standby.behind.is_some());
        let backup = replicas.iter().find(|replica| replica.name == "pg_basebackup").unwrap();
        assert_eq!((backup.state.as_str(), backup.behind), ("backup", None));
        let slots: Vec<Slot> = rows("slots").into_iter().map(slot).collect();
        let forgotten = slots.iter().find(|slot| slot.name == "forgotten").unwrap();
        assert_eq!((forgotten.active, forgotten.wal_status.as_deref()), (false, Some("reserved")));
        assert!(forgotten.held.is_some_and(|held| held > 1 << 20), "{forgotten:?}");
        assert!(slots.iter().any(|slot| slot.active && slot.xmin_age.is_some()), "{slots:?}");
    }

    #[test]
    fn a_standby_tells_of_its_receiver() {
        let seen = receiver(rows("receiver").remove(0));
        assert_eq!((seen.status.as_deref(), seen.sender.as_str()), (Some("streaming"), "127.0.0.1:5711"));
        assert!(seen.behind.is_some() && seen.heard.is_some() && !seen.paused);
        let hidden = receiver(rows("receiver_hidden").remove(0));
        assert_eq!((hidden.status.as_deref(), hidden.sender.as_str(), hidden.heard), (Some("hidden"), "", None));
        let absent = ReceiverRow {
            pid: None,
            status: None,
            host: None,
            port: None,
            behind: None,
            replayed: None,
            heard: None,
            paused: false,
        };
        assert_eq!(receiver(absent).status, None);
    }

    #[test]
    fn without_the_right_a_replica_is_known_by_name_alone() {
        let hidden: Vec<Replica> = rows("replicas_hidden").into_iter().map(replica).collect();
        let standby = hidden.iter().find(|replica| replica.name == "db-standby").unwrap();
        assert_eq!((standby.state.as_str(), standby.client.as_str(), standby.behind), ("", "", None));
    }

    #[test]
    fn long_commands_say_on_what_and_how_far() {
        let seen: Vec<Progress> = rows("progress").into_iter().map(progress).collect();
        let of = |command: &str| seen.iter().find(|progress| progress.command == command).unwrap();
        assert_eq!((of("COPY FROM").on.as_str(), of("COPY FROM").done), ("public.c", None));
        let index = of("CREATE INDEX CONCURRENTLY");
        assert_eq!((index.on.as_str(), index.phase.as_str()), ("public.big", "waiting for writers before build"));
        assert!(of("BASE BACKUP").done.is_some_and(|done| done > 0.0 && done < 1.0) && of("BASE BACKUP").on.is_empty());
        let elsewhere = ProgressRow {
            pid: 1,
            command: None,
            phase: None,
            done: Some(3),
            total: Some(0),
            relation: Some(16_412),
            database: Some(b"other".to_vec()),
            schema: None,
            name: None,
        };
        let elsewhere = progress(elsewhere);
        assert_eq!((elsewhere.on.as_str(), elsewhere.done), ("relation 16412 of other", None));
    }

    #[test]
    fn archiver_and_prepared_transactions_are_read() {
        let failing = archiver(rows("archiver").remove(0)).unwrap();
        assert!(failing.failing && failing.failed > 0 && failing.last_failed.is_some());
        let off = ArchiverRow {
            enabled: false,
            archived: None,
            failed: None,
            last_failed: None,
            last_failed_at: None,
            failing: false,
        };
        assert_eq!(archiver(off), None);
        let pay = prepared(rows("prepared").remove(0));
        assert_eq!((pay.gid.as_str(), pay.owner.as_str(), pay.database.as_str()), ("pay-4711", "postgres", "app"));
    }

    #[test]
    fn the_databases_of_a_real_server_have_rates_at_the_second_reading() {
        let mut counters = Counters::default();
        let sizes = HashMap::new();
        let first = counters.take(rows("databases"), &sizes);
        assert!(first.iter().all(|stats| stats.commits.is_none() && stats.frozen_age >= 0));
        let later = counters.take(rows("databases_later"), &sizes);
        let app = later.iter().find(|stats| stats.name == "app").unwrap();
        assert!(app.commits.is_some_and(|rate| rate > 0.0) && app.size.is_none(), "{app:?}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(numbers in prop::array::uniform6(any::<Option<i64>>()), bytes in any::<Option<Vec<u8>>>(), flag: bool) {
            let [a, b, c, d, e, f] = numbers;
            let text = bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let row = ReplicaRow { pid: 0, name: bytes.clone(), client: text.clone(), state: text.clone(), sync: None, behind: a, write_lag: b, flush_lag: c, replay_lag: d };
            replica(row).judge(&crate::domain::Limits::default());
            let row = ReceiverRow { pid: None, status: text.clone(), host: bytes.clone(), port: a.map(|a| a as i32), behind: b, replayed: c, heard: d, paused: flag };
            receiver(row).judge(&crate::domain::Limits::default());
            let row = ProgressRow { pid: 0, command: text.clone(), phase: text.clone(), done: a, total: b, relation: c, database: bytes.clone(), schema: bytes.clone(), name: bytes.clone() };
            progress(row);
            prepared(PreparedRow { gid: bytes.clone(), owner: None, database: bytes.clone(), prepared: e, transaction: f, xmin_age: a });
            archiver(ArchiverRow { enabled: flag, archived: a, failed: b, last_failed: text, last_failed_at: c, failing: flag });
            slot(SlotRow { name: bytes, kind: None, active: Some(flag), held: d, wal_status: None, xmin_age: e }).judge(&crate::domain::Limits::default());
        }
    }
}
