//! How bad each thing of a database server is. What nobody knows is never judged well.

use super::{Database, DatabaseStats, Receiver, Replica, Session, SessionState, Slot, time};
use crate::domain::{Limits, Severity};
use jiff::Timestamp;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Where transaction ids and multixact ids run out. The server stops taking writes a few million before.
pub const WRAPAROUND: f64 = 2_147_483_648.0;

/// A standby whose sender has said nothing for so long is cut off: a sender says something every ten seconds at most.
const SILENCE: Duration = Duration::from_secs(30);

fn minutes(age: Option<Duration>) -> u64 {
    age.map_or(0, |age| age.as_secs() / 60)
}

impl Session {
    /// How bad: it waits for a lock, blocks others, is idle in a transaction, or takes too long.
    pub fn judge(&self, server_now: Timestamp, limits: &Limits) -> Severity {
        if self.own {
            return Severity::None;
        }
        // A walsender or a worker of the server is meant to run for long.
        if !self.is_client() {
            return self.judge_waiting(server_now, limits).max(Severity::Ok);
        }
        let by_state = match self.state {
            SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => {
                limits.idle_in_transaction_minutes.judge(minutes(self.age(server_now)))
            }
            SessionState::Active | SessionState::Fastpath => {
                limits.query_minutes.judge(minutes(self.query_age(server_now)))
            }
            // Nobody says what it does, so whatever else is known of it makes it no better.
            SessionState::Hidden => return Severity::Unknown.max(self.judge_waiting(server_now, limits)),
            SessionState::Idle => Severity::None,
        };
        let by_transaction = match self.transaction_age(server_now) {
            Some(age) => limits.transaction_minutes.judge(minutes(Some(age))),
            None => Severity::None,
        };
        by_state.max(by_transaction).max(self.judge_waiting(server_now, limits))
    }

    /// A session that waits, and each that is in the way, are as bad as the longest wait.
    fn judge_waiting(&self, server_now: Timestamp, limits: &Limits) -> Severity {
        let waiting = |age: Duration| limits.blocked_seconds.judge(age.as_secs()).max(Severity::Info);
        let waits = self.blocked_for(server_now).map_or(Severity::None, waiting);
        waits.max(self.blocking_since.map_or(Severity::None, |since| waiting(time::between(since, server_now))))
    }
}

impl Replica {
    /// How bad: far behind in bytes or in time, or not streaming.
    pub fn judge(&self, limits: &Limits) -> Severity {
        if self.state.is_empty() && self.behind.is_none() {
            return Severity::Unknown;
        }
        // A base backup is sent, and nothing is replayed meanwhile.
        let unknown = if self.state == "backup" { Severity::None } else { Severity::Unknown };
        let bytes = self.behind.map_or(unknown, |bytes| limits.replication_mib.judge(bytes / MIB));
        let lag = self.lag[2].map_or(Severity::None, |lag| limits.replication_seconds.judge(lag.as_secs()));
        let state = if self.state == "streaming" { Severity::Ok } else { Severity::Info };
        state.max(bytes).max(lag)
    }
}

impl Receiver {
    /// How bad: cut off, paused, or far behind in what it replays. On an idle primary the last transaction grows old
    /// without being late, so its age counts only where something is left to replay.
    pub fn judge(&self, limits: &Limits) -> Severity {
        let bytes = self.behind.map_or(Severity::Unknown, |bytes| limits.replication_mib.judge(bytes / MIB));
        let late = self.replayed.filter(|_| self.behind.is_some_and(|behind| behind > 0));
        let lag = late.map_or(Severity::None, |lag| limits.replication_seconds.judge(lag.as_secs()));
        let paused = if self.paused { Severity::Warning } else { Severity::Ok };
        bytes.max(lag).max(paused).max(self.judge_link(limits))
    }

    fn judge_link(&self, limits: &Limits) -> Severity {
        let silent = self.heard.filter(|heard| *heard >= SILENCE);
        match (self.status.as_deref(), silent) {
            (Some("streaming"), None) => Severity::Ok,
            (Some("hidden"), _) => Severity::Unknown,
            (Some("streaming"), Some(silent)) => {
                limits.replication_seconds.judge(silent.as_secs()).max(Severity::Warning)
            }
            // It replays from an archive, or it is cut off: the age of what it replayed last tells which.
            (Some(_) | None, _) => self
                .replayed
                .map_or(Severity::Warning, |age| limits.replication_seconds.judge(age.as_secs()))
                .max(Severity::Warning),
        }
    }
}

impl Slot {
    /// How bad: lost, about to be, or holding WAL for nobody.
    pub fn judge(&self, limits: &Limits) -> Severity {
        let held = self.held.map_or(0, |held| held / GIB);
        match (self.wal_status.as_deref(), self.active) {
            (Some("lost" | "unreserved"), _) => Severity::Critical,
            (_, false) => limits.slot_gib.judge(held).max(Severity::Info),
            (_, true) => Severity::Ok,
        }
    }
}

impl DatabaseStats {
    /// The greater of its two ages, as a share of the way to wraparound.
    pub fn wraparound(&self) -> f64 {
        self.frozen_age.max(self.multixact_age) as f64 / WRAPAROUND
    }

    /// How bad: near wraparound, checksums that failed, deadlocks just now.
    pub fn judge(&self, limits: &Limits) -> Severity {
        let checksums = self.checksum_failures.is_some_and(|failures| failures > 0);
        let deadlocks = if self.new_deadlocks > 0 { Severity::Warning } else { Severity::Ok };
        let checksums = if checksums { Severity::Critical } else { Severity::Ok };
        limits.wraparound.judge(self.wraparound()).max(deadlocks).max(checksums)
    }
}

impl Database {
    /// The worst of what it says: its sessions' and its own.
    pub fn judge(&self, limits: &Limits) -> Severity {
        let sessions = self.sessions.iter().map(|session| session.judge(self.now, limits));
        let troubles = self.troubles(limits).into_iter().map(|trouble| trouble.severity);
        sessions.chain(troubles).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_556_000 + seconds).unwrap()
    }

    fn judged(session: impl Into<Option<Session>>) -> Severity {
        session.into().unwrap().judge(at(10_000), &Limits::default())
    }

    fn active() -> Session {
        Session {
            state: SessionState::Active,
            query_start: Some(at(9_990)),
            state_change: Some(at(9_990)),
            ..Session::default()
        }
    }

    #[test]
    fn a_wait_is_judged_by_its_length_and_so_is_the_root_blocker() {
        let waiter = |since| Session { blocked_by: vec![7], waiting_since: Some(at(since)), ..active() };
        assert_eq!(judged(waiter(9_995)), Severity::Info);
        assert_eq!(judged(waiter(9_990)), Severity::Warning);
        assert_eq!(judged(waiter(9_940)), Severity::Critical);
        let idle =
            Session { state: SessionState::IdleInTransaction, state_change: Some(at(9_990)), ..Session::default() };
        assert_eq!(judged(idle.clone()), Severity::Info);
        assert_eq!(judged(Session { blocks: 2, blocking_since: Some(at(9_940)), ..idle }), Severity::Critical);
    }

    #[test]
    fn before_14_a_wait_is_as_long_as_the_query() {
        let session = Session { blocked_by: vec![7], query_start: Some(at(9_000)), ..active() };
        assert_eq!(session.blocked_for(at(10_000)), Some(Duration::from_secs(1000)));
    }

    #[test]
    fn long_transactions_and_queries_are_told() {
        assert_eq!(judged(active()), Severity::Ok);
        assert_eq!(judged(Session { query_start: Some(at(9_100)), ..active() }), Severity::Warning);
        assert_eq!(judged(Session { xact_start: Some(at(2_000)), ..active() }), Severity::Critical);
        assert_eq!(judged(Session { own: true, xact_start: Some(at(2_000)), ..active() }), Severity::None);
        for kind in ["autovacuum worker", "walsender"] {
            let worker = Session { kind: kind.into(), xact_start: Some(at(0)), query_start: Some(at(0)), ..active() };
            assert_eq!(judged(worker), Severity::Ok);
        }
    }

    #[test]
    fn a_standby_on_an_idle_primary_is_not_late() {
        let limits = Limits::default();
        let hour = Some(Duration::from_hours(1));
        let well =
            Receiver { status: Some("streaming".into()), behind: Some(0), replayed: hour, ..Receiver::default() };
        assert_eq!(well.judge(&limits), Severity::Ok);
        assert_eq!(Receiver { behind: Some(8), ..well.clone() }.judge(&limits), Severity::Critical);
        assert_eq!(Receiver { paused: true, ..well.clone() }.judge(&limits), Severity::Warning);
        assert_eq!(Receiver { heard: Some(Duration::from_secs(40)), ..well.clone() }.judge(&limits), Severity::Warning);
        assert_eq!(Receiver { status: None, ..well.clone() }.judge(&limits), Severity::Critical);
        assert_eq!(Receiver { status: None, replayed: None, ..well }.judge(&limits), Severity::Warning);
    }

    #[test]
    fn slots_and_replicas_by_what_they_hold_and_lack() {
        let limits = Limits::default();
        let slot = |active, held, status: &str| {
            Slot { active, held: Some(held), wal_status: Some(status.into()), ..Slot::default() }.judge(&limits)
        };
        assert_eq!(slot(false, 0, "reserved"), Severity::Info);
        assert_eq!(slot(false, 2 * GIB, "reserved"), Severity::Warning);
        assert_eq!(slot(false, 12 * GIB, "extended"), Severity::Critical);
        assert_eq!(slot(true, 12 * GIB, "extended"), Severity::Ok);
        assert_eq!(slot(true, 0, "lost"), Severity::Critical);
        let replica = Replica { state: "streaming".into(), behind: Some(0), ..Replica::default() };
        assert_eq!(replica.judge(&limits), Severity::Ok);
        assert_eq!(Replica { behind: Some(300 * MIB), ..replica.clone() }.judge(&limits), Severity::Warning);
        let lag = [None, None, Some(Duration::from_secs(400))];
        assert_eq!(Replica { lag, ..replica }.judge(&limits), Severity::Critical);
        assert_eq!(Replica::default().judge(&limits), Severity::Unknown);
    }
}
