//! A PostgreSQL server, its sessions and its replication, in PostgreSQL's own terms. Who waits for whom is in [`locks`], who holds
//! the connections in [`activity`], how bad each thing is in `judge` and [`trouble`].

pub mod activity;
mod judge;
pub mod locks;
pub mod trouble;

pub use activity::Clients;
pub use locks::{LockNode, Party};
pub use trouble::Trouble;

use super::time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `pg_stat_activity.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Waiting for a command, outside a transaction.
    Idle,
    /// The reading login may not see it (no `pg_read_all_stats`), or tracking is off.
    #[default]
    Hidden,
    /// Running a query.
    Active,
    /// Running a fast-path function.
    Fastpath,
    /// Inside a transaction, doing nothing.
    IdleInTransaction,
    /// The same, after an error.
    IdleInTransactionAborted,
}

impl SessionState {
    /// From PostgreSQL's word; NULL and `disabled` are [`SessionState::Hidden`].
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("idle") => Self::Idle,
            Some("active") => Self::Active,
            Some("fastpath function call") => Self::Fastpath,
            Some("idle in transaction") => Self::IdleInTransaction,
            Some("idle in transaction (aborted)") => Self::IdleInTransactionAborted,
            _ => Self::Hidden,
        }
    }
    /// Inside a transaction, doing nothing, aborted or not.
    pub const fn is_in_transaction(self) -> bool {
        matches!(self, Self::IdleInTransaction | Self::IdleInTransactionAborted)
    }
    /// PostgreSQL's own word, as [`SessionState::parse`] takes it; of a hidden one none.
    pub const fn postgres_word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Hidden => "",
            Self::Active => "active",
            Self::Fastpath => "fastpath function call",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInTransactionAborted => "idle in transaction (aborted)",
        }
    }
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Hidden => "hidden",
            Self::Active => "active",
            Self::Fastpath => "fastpath",
            Self::IdleInTransaction => "idle in tx",
            Self::IdleInTransactionAborted => "aborted tx",
        }
    }
}

/// One client session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Backend process id.
    pub pid: i32,
    /// When the backend started: with the pid, the session's identity. 1970 when the reading login may not see it: no
    /// session matches that, so nothing can act on this one.
    pub backend_start: Timestamp,
    /// `usename`.
    pub user: String,
    /// `application_name`.
    pub application: String,
    /// `client_addr`, or `local` for the Unix socket.
    pub client: String,
    /// `datname`.
    pub database: String,
    /// State.
    pub state: SessionState,
    /// When the state last changed: the true start of being idle.
    pub state_change: Option<Timestamp>,
    /// When the transaction started.
    pub xact_start: Option<Timestamp>,
    /// `wait_event_type: wait_event`.
    pub wait: Option<String>,
    /// The pids that block it (`pg_blocking_pids`), asked only for sessions that wait for a lock. 0 is a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// The lock that it waits for, as in `AccessExclusiveLock on relation public.players`.
    pub waits_for: Option<String>,
    /// Since when it waits for that lock (14 and later).
    pub waiting_since: Option<Timestamp>,
    /// The locks that it holds and others wait for.
    pub holds: Vec<String>,
    /// How many sessions wait for it: through others too when it waits for nobody itself, else directly.
    pub blocks: u32,
    /// Since when the one waits that has waited longest for it, directly or through others.
    pub blocking_since: Option<Timestamp>,
    /// `client backend`, `autovacuum worker`, `walsender` …; empty when hidden.
    pub kind: String,
    /// It is one of quarterdeck's own: shown greyed, never acted on.
    pub own: bool,
    /// When the running, or the last, query started.
    pub query_start: Option<Timestamp>,
    /// `age(backend_xmin)`: how many transactions it holds vacuum back; `None` when it holds nothing.
    pub xmin_age: Option<i64>,
    /// The running query, or the last one; cut by `track_activity_query_size`.
    pub query: String,
}

impl Session {
    /// Time in the present state by the server's clock.
    pub fn age(&self, server_now: Timestamp) -> Option<Duration> {
        self.state_change.map(|since| time::between(since, server_now))
    }

    /// Time since its transaction began.
    pub fn transaction_age(&self, server_now: Timestamp) -> Option<Duration> {
        self.xact_start.map(|since| time::between(since, server_now))
    }

    /// How long the running query runs; `None` when none does.
    pub fn query_age(&self, server_now: Timestamp) -> Option<Duration> {
        let runs = matches!(self.state, SessionState::Active | SessionState::Fastpath);
        self.query_start.filter(|_| runs).map(|since| time::between(since, server_now))
    }

    /// How long it has waited for a lock: exactly from 14 on, before that at most so long. `None` when it waits for none.
    pub fn blocked_for(&self, server_now: Timestamp) -> Option<Duration> {
        if self.blocked_by.is_empty() {
            return None;
        }
        self.waiting_since.or(self.query_start).or(self.state_change).map(|since| time::between(since, server_now))
    }

    /// It blocks others, and waits for nobody itself: where a mend begins.
    pub fn is_root_blocker(&self) -> bool {
        self.blocks > 0 && self.blocked_by.is_empty()
    }

    /// Nobody is seen in its way, and yet it may wait: what it waits for is hidden, or it waits for a lock that nobody is seen to
    /// hold.
    pub fn may_wait(&self) -> bool {
        let unknown = match &self.wait {
            None => self.state == SessionState::Hidden,
            Some(wait) => wait == "Lock" || wait.starts_with("Lock: "),
        };
        unknown && self.blocked_by.is_empty()
    }

    /// A client's session; the server's own workers are none.
    pub fn is_client(&self) -> bool {
        matches!(self.kind.as_str(), "" | "client backend")
    }
}

/// A standby or another receiver of WAL (`pg_stat_replication`), as the sender sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// The sender's process.
    pub pid: i32,
    /// `application_name`: the standby's name.
    pub name: String,
    /// `client_addr`, or `local`.
    pub client: String,
    /// `streaming`, `catchup` …; empty when the login may not see it.
    pub state: String,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync: String,
    /// Bytes of WAL that it has not replayed; `None` when not known.
    pub behind: Option<u64>,
    /// `write_lag`, `flush_lag`, `replay_lag`; `None` when it is idle and has caught up, or not known.
    pub lag: [Option<Duration>; 3],
}

/// What a standby knows of its own replication (`pg_stat_wal_receiver`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receiver {
    /// `streaming` …; `None` when no receiver runs: it replays from an archive, or is cut off.
    pub status: Option<String>,
    /// The sender's host and port.
    pub sender: String,
    /// Bytes received and not replayed.
    pub behind: Option<u64>,
    /// Age of the last transaction that was replayed; grows on an idle primary too.
    pub replayed: Option<Duration>,
    /// Since the last message of the sender.
    pub heard: Option<Duration>,
    /// Somebody paused the replay (`pg_wal_replay_pause()`).
    pub paused: bool,
}

/// A replication slot (`pg_replication_slots`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// `physical` or `logical`.
    pub kind: String,
    /// Somebody uses it.
    pub active: bool,
    /// Bytes of WAL that it keeps from being removed.
    pub held: Option<u64>,
    /// `reserved`, `extended`, `unreserved`, `lost` (13 and later).
    pub wal_status: Option<String>,
    /// `age` of its xmin or catalog_xmin: how far it holds vacuum back.
    pub xmin_age: Option<i64>,
}

/// One database of the server: rates over the last interval (`pg_stat_database`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseStats {
    /// Its name.
    pub name: String,
    /// Size in bytes, where it is asked (it costs a walk over files).
    pub size: Option<u64>,
    /// Sessions.
    pub backends: u32,
    /// Commits a second.
    pub commits: Option<f64>,
    /// Rollbacks a second.
    pub rollbacks: Option<f64>,
    /// Blocks found in shared buffers ÷ blocks asked for, 0.0 to 1.0; `None` when none was asked for.
    pub hit_ratio: Option<f64>,
    /// Rows read and returned a second.
    pub rows_read: Option<f64>,
    /// Rows inserted, updated and deleted a second.
    pub rows_written: Option<f64>,
    /// Bytes of temporary files a second.
    pub temp: Option<f64>,
    /// Deadlocks since statistics were reset.
    pub deadlocks: u64,
    /// Deadlocks within the last interval.
    pub new_deadlocks: u64,
    /// Queries cancelled by conflicts with recovery (standby) since statistics were reset.
    pub conflicts: u64,
    /// Data checksum failures (12 and later).
    pub checksum_failures: Option<u64>,
    /// `age(datfrozenxid)`: transactions since the oldest that is not frozen. At 2 billion the database stops.
    pub frozen_age: i64,
    /// `mxid_age(datminmxid)`.
    pub multixact_age: i64,
}

/// A long command's progress (`pg_stat_progress_*`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Who works.
    pub pid: i32,
    /// `VACUUM`, `CREATE INDEX`, `BASE BACKUP` …
    pub command: String,
    /// On what, as far as the login's database knows its name.
    pub on: String,
    /// Phase.
    pub phase: String,
    /// Share done of the phase, 0.0 to 1.0.
    pub done: Option<f64>,
}

/// The WAL archiver (`pg_stat_archiver`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Archiver {
    /// Files archived.
    pub archived: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// The last failure is newer than the last success.
    pub failing: bool,
    /// The file that failed last.
    pub last_failed: Option<String>,
    /// When.
    pub last_failed_at: Option<Timestamp>,
}

/// A prepared transaction (`pg_prepared_xacts`): holds its locks and vacuum until somebody ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prepared {
    /// Its global id.
    pub gid: String,
    /// Owner.
    pub owner: String,
    /// Database.
    pub database: String,
    /// When it was prepared.
    pub since: Timestamp,
    /// Its transaction id.
    pub transaction: u32,
    /// `age(transaction)`: how many transactions it holds vacuum back.
    pub xmin_age: Option<i64>,
    /// The pids of the sessions that wait for its locks.
    pub blocks: Vec<i32>,
}

/// One PostgreSQL server, as one poll found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// `server_version`, as in `15.18`.
    pub version: String,
    /// Host name or address that it is reached by, without the port; empty for a local socket.
    pub host: String,
    /// `pg_is_in_recovery()`: a standby.
    pub standby: bool,
    /// The server's `now()`: ages are counted on its clock.
    pub now: Timestamp,
    /// When the server was started (`pg_postmaster_start_time()`).
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// Client connections in use, quarterdeck's own included.
    pub used: u32,
    /// `max_connections`.
    pub max: u32,
    /// `superuser_reserved_connections`.
    pub reserved: u32,
    /// Client sessions and the server's own workers that hold something; quarterdeck's own are marked.
    pub sessions: Vec<Session>,
    /// Whom it sends WAL to.
    pub replicas: Vec<Replica>,
    /// Where it gets WAL from; a standby's.
    pub receiver: Option<Receiver>,
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// Its databases.
    pub databases: Vec<DatabaseStats>,
    /// Long commands under way.
    pub progress: Vec<Progress>,
    /// The archiver; `None` when archiving is off.
    pub archiver: Option<Archiver>,
    /// Prepared transactions.
    pub prepared: Vec<Prepared>,
    /// `autovacuum_freeze_max_age`: from here on vacuum is forced.
    pub freeze_max_age: Option<i64>,
    /// The login may not see what others' sessions do, nor whether they wait.
    #[serde(default)]
    pub sessions_hidden: bool,
    /// It is not known, at least in part, to whom WAL is sent, whence it comes, and for whom it is kept.
    #[serde(default)]
    pub replication_hidden: bool,
    /// What the login may not see, and the mend, one sentence each.
    pub hidden: Vec<String>,
}

impl Database {
    /// Some of its sessions may wait for a lock without being seen to.
    pub fn hides_waits(&self) -> bool {
        self.sessions_hidden || self.sessions.iter().any(Session::may_wait)
    }

    /// Connections in use ÷ those an ordinary user can get.
    pub fn fullness(&self) -> f64 {
        f64::from(self.used) / f64::from(self.max.saturating_sub(self.reserved).max(1))
    }

    /// The session of a process.
    pub fn session(&self, pid: i32) -> Option<&Session> {
        self.sessions.iter().find(|session| session.pid == pid)
    }

    /// Transactions committed and rolled back a second, in all databases; `None` when no rate is known yet.
    pub fn transactions(&self) -> Option<f64> {
        let rates = self.databases.iter().filter_map(|database| Some(database.commits? + database.rollbacks?));
        rates.reduce(|sum, rate| sum + rate)
    }

    /// Who holds vacuum back the furthest, and by how many transactions: a session, a slot, a standby, a prepared transaction.
    pub fn horizon(&self) -> Option<(String, i64)> {
        let sessions = self.sessions.iter().filter_map(|s| Some((format!("session {}", s.pid), s.xmin_age?)));
        let slots = self.slots.iter().filter_map(|slot| Some((format!("slot {}", slot.name), slot.xmin_age?)));
        let prepared =
            self.prepared.iter().filter_map(|p| Some((format!("prepared transaction {}", p.gid), p.xmin_age?)));
        sessions.chain(slots).chain(prepared).max_by_key(|(_, age)| *age)
    }
}
