//! Who holds the connections: sessions counted by application, user and database, and by state. Pure.

use super::{Database, Session, SessionState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The client sessions of one application, user and database, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// When the oldest transaction among them began.
    pub oldest_transaction: Option<Timestamp>,
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
        self.oldest_transaction = match (self.oldest_transaction, session.xact_start) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
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
}
