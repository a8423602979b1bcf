//! Who holds the connections: sessions counted by application, user and database, and by state. Pure.

use super::{Database, Session, SessionState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The client sessions of one application, user and database, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clients {
    /// `application_name`; empty when it has none.
    pub application: String,
    /// `usename`.
    pub user: String,
    /// `datname`.
    pub database: String,
    /// All of them.
    pub total: u32,
    /// At work, and waiting for nobody.
    pub active: u32,
    /// At work, as far as waiting for a lock is work.
    pub blocked: u32,
    /// Idle outside a transaction.
    pub idle: u32,
    /// Idle in a transaction, aborted ones too.
    pub in_transaction: u32,
    /// State hidden from the reading login.
    pub hidden: u32,
    /// When the oldest transaction among them began; one that is aborted is at least as old as it is idle.
    pub oldest_transaction: Option<Timestamp>,
    /// Since when the one is idle that is idle in a transaction for longest.
    #[serde(default)]
    pub idle_in_transaction_since: Option<Timestamp>,
    /// They are quarterdeck's own.
    pub own: bool,
}

impl Clients {
    fn add(&mut self, session: &Session) {
        self.total += 1;
        self.own |= session.own;
        let count = match session.state {
            SessionState::Idle => &mut self.idle,
            SessionState::Hidden => &mut self.hidden,
            SessionState::Active | SessionState::Fastpath if session.blocked_by.is_empty() => &mut self.active,
            SessionState::Active | SessionState::Fastpath => &mut self.blocked,
            SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => &mut self.in_transaction,
        };
        *count += 1;
        let idle_since = session.state_change.filter(|_| session.state.is_in_transaction());
        self.oldest_transaction = earlier(self.oldest_transaction, session.xact_start.or(idle_since));
        self.idle_in_transaction_since = earlier(self.idle_in_transaction_since, idle_since);
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// The groups, the largest first. Workers of the server itself hold no client's connection, and are not counted.
pub fn groups(database: &Database) -> Vec<Clients> {
    let mut groups: BTreeMap<(&str, &str, &str), Clients> = BTreeMap::new();
    for session in database.sessions.iter().filter(|session| session.is_client()) {
        let key = (session.application.as_str(), session.user.as_str(), session.database.as_str());
        let new = || Clients {
            application: session.application.clone(),
            user: session.user.clone(),
            database: session.database.clone(),
            ..Clients::default()
        };
        groups.entry(key).or_insert_with(new).add(session);
    }
    let mut groups: Vec<Clients> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.total));
    groups
}

/// All groups as one.
pub fn sum(groups: &[Clients]) -> Clients {
    groups.iter().fold(Clients::default(), |mut sum, group| {
        sum.total += group.total;
        sum.active += group.active;
        sum.blocked += group.blocked;
        sum.idle += group.idle;
        sum.in_transaction += group.in_transaction;
        sum.hidden += group.hidden;
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_by_whose_they_are_and_what_they_do() {
        let session = |application: &str, state, blocked_by: Vec<i32>| Session {
            application: application.to_owned(),
            user: "u".to_owned(),
            state,
            blocked_by,
            ..Session::default()
        };
        let worker = Session { kind: "autovacuum worker".to_owned(), ..Session::default() };
        let database = Database {
            sessions: vec![
                session("api", SessionState::Active, vec![]),
                session("web", SessionState::Idle, vec![]),
                session("web", SessionState::Active, vec![7]),
                session("web", SessionState::IdleInTransactionAborted, vec![]),
                session("web", SessionState::Hidden, vec![]),
                worker,
            ],
            ..Database::default()
        };
        let groups = groups(&database);
        assert_eq!(
            groups.iter().map(|g| (g.application.as_str(), g.total)).collect::<Vec<_>>(),
            [("web", 4), ("api", 1)]
        );
        let web = &groups[0];
        assert_eq!([web.active, web.blocked, web.idle, web.in_transaction, web.hidden], [0, 1, 1, 1, 1]);
        assert_eq!(sum(&groups).total, 5);
    }

    #[test]
    fn an_aborted_transaction_is_at_least_as_old_as_it_is_idle() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let session = |state, state_change| Session { state, state_change, ..Session::default() };
        let sessions = vec![
            session(SessionState::IdleInTransactionAborted, at(50)),
            session(SessionState::IdleInTransaction, at(60)),
            session(SessionState::Idle, at(10)),
        ];
        let groups = groups(&Database { sessions, ..Database::default() });
        assert_eq!([groups[0].oldest_transaction, groups[0].idle_in_transaction_since], [at(50); 2]);
    }
}
