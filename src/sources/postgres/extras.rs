//! What is asked beside the sessions: locks while somebody waits, and, less often, replication, databases, progress, the
//! archiver, prepared transactions.
//!
//! One of these statements may fail alone (a right is missing, a table of files is too large): that becomes a sentence
//! in [`Database::hidden`], and nothing else is lost by it. None of them may take the time that the sessions need.

use super::answers::{archiver, prepared, progress, receiver, replica, slot};
use super::parse::{Server, count};
use super::rates::{self, Counters};
use super::{statements, waits};
use crate::clock;
use crate::domain::{Archiver, Database, DatabaseStats, Now, Prepared, Progress, Receiver, Replica, Slot};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::collections::{HashMap, HashSet};
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
    /// What was answered at least once.
    answered: HashSet<Question>,
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
        database.sessions_hidden = !server.sees_all;
        let streams = [Question::Replicas, Question::Receiver, Question::Slots];
        database.replication_hidden = !server.sees_all || streams.iter().any(|of| self.failed.contains_key(of));
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
        if self.failed.get(&question).is_some_and(|(_, until)| rests(until)) {
            return Ok(None);
        }
        if !asking.has_time() {
            self.note_skipped(question);
            return Ok(None);
        }
        match sqlx::query_as(AssertSqlSafe(sql.into())).fetch_all(&mut *asking.connection).await {
            Ok(rows) => {
                self.failed.remove(&question);
                self.answered.insert(question);
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

    /// A question for which there was no time. What it was answered before stands; one that never was must not read like "none".
    fn note_skipped(&mut self, question: Question) {
        if !self.answered.contains(&question) && !self.failed.contains_key(&question) {
            let why = "the server answers slowly, and the sessions come first: there was no time to ask";
            self.failed.insert(question, (format!("{} is not known yet: {why}", question.unknown()), None));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_asked_is_not_known_and_what_was_stands() {
        let mut extras = Extras::default();
        extras.note_skipped(Question::Replicas);
        assert!(extras.failed[&Question::Replicas].0.starts_with("who receives WAL is not known yet: "));
        extras.answered.insert(Question::Slots);
        extras.note_skipped(Question::Slots);
        assert!(!extras.failed.contains_key(&Question::Slots));
    }
}
