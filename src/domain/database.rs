//! A PostgreSQL server and its sessions, in `pg_stat_activity`'s terms.

use super::{Limits, Severity, time};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `pg_stat_activity.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Waiting for a command, outside a transaction.
    Idle,
    /// The reading login may not see it (no `pg_read_all_stats`), or tracking is off.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The pids that block it (`pg_blocking_pids`), asked only for sessions that wait for a lock.
    pub blocked_by: Vec<i32>,
    /// The running query, or the last one; cut by `track_activity_query_size`.
    pub query: String,
}

impl Session {
    /// Time in the present state by the server's clock.
    pub fn age(&self, server_now: Timestamp) -> Option<Duration> {
        self.state_change.map(|since| time::between(since, server_now))
    }

    /// How bad: blocked for long, or idle in a transaction for long.
    pub fn judge(&self, server_now: Timestamp, limits: &Limits) -> Severity {
        let minutes = self.age(server_now).map_or(0, |age| age.as_secs() / 60);
        let limit = limits.idle_in_transaction_minutes;
        match self.state {
            SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted if minutes >= limit.critical => {
                Severity::Critical
            }
            SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted if minutes >= limit.warn => {
                Severity::Warning
            }
            SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => Severity::Info,
            SessionState::Active | SessionState::Fastpath if !self.blocked_by.is_empty() => Severity::Warning,
            SessionState::Active | SessionState::Fastpath => Severity::Ok,
            SessionState::Hidden => Severity::Unknown,
            SessionState::Idle => Severity::None,
        }
    }
}

/// One PostgreSQL server, as one poll found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// `server_version`, as in `15.18`.
    pub version: String,
    /// `pg_is_in_recovery()`: a standby.
    pub standby: bool,
    /// The server's `now()`: ages are counted on its clock.
    pub now: Timestamp,
    /// Client connections in use, this one included.
    pub used: u32,
    /// `max_connections`.
    pub max: u32,
    /// `superuser_reserved_connections`.
    pub reserved: u32,
    /// Client sessions, without quarterdeck's own.
    pub sessions: Vec<Session>,
}

impl Database {
    /// Connections in use ÷ those an ordinary user can get.
    pub fn fullness(&self) -> f64 {
        f64::from(self.used) / f64::from(self.max.saturating_sub(self.reserved).max(1))
    }
}
