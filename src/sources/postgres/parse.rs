//! The rows about the server and its sessions, and what they mean.

use crate::domain::{Database, Session, SessionState};
use jiff::Timestamp;
use std::time::Duration;

/// The one row about the server.
#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct Server {
    version: String,
    /// `server_version_num`, as in 150018.
    pub(super) number: i32,
    pub(super) standby: bool,
    /// Microseconds since 1970, as all times here.
    now: i64,
    #[cfg_attr(test, serde(default))]
    started: Option<i64>,
    max: i32,
    reserved: i32,
    freeze_max_age: i64,
    /// The reading login, quoted as SQL wants it.
    login: Vec<u8>,
    pub(super) sees_all: bool,
}

impl Server {
    /// The reading login as it stands in a GRANT.
    pub(super) fn login(&self) -> String {
        text(Some(self.login.clone()))
    }
}

/// A row about a session. Nearly everything is NULL when the login may not see it.
#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct Row {
    pid: i32,
    backend_start: Option<i64>,
    username: Option<Vec<u8>>,
    application: Option<Vec<u8>>,
    client: Option<String>,
    database: Option<Vec<u8>>,
    state: Option<String>,
    state_change: Option<i64>,
    xact_start: Option<i64>,
    query_start: Option<i64>,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
    blocked_by: Option<Vec<i32>>,
    xmin_age: Option<i64>,
    kind: Option<String>,
    query: Option<Vec<u8>>,
    own: bool,
}

/// The server with its sessions; quarterdeck's own are marked.
pub(super) fn database(server: &Server, rows: Vec<Row>) -> Database {
    let count = |value: i32| u32::try_from(value).unwrap_or(0);
    let sessions: Vec<Session> = rows.into_iter().map(session).collect();
    Database {
        // Debian appends its package's version: `15.18 (Debian 15.18-0+deb12u1)`.
        version: server.version.split(' ').next().unwrap_or_default().to_owned(),
        standby: server.standby,
        now: time(server.now),
        started: server.started.map(time),
        used: sessions.iter().filter(|session| session.is_client()).count().try_into().unwrap_or(u32::MAX),
        max: count(server.max),
        reserved: count(server.reserved),
        freeze_max_age: Some(server.freeze_max_age),
        sessions,
        ..Database::default()
    }
}

fn session(row: Row) -> Session {
    // A session whose start is hidden can't be identified. 1970 is no session's start, so whatever acts by pid and
    // start finds none.
    let hidden = row.backend_start.is_none();
    let kind = row.kind.unwrap_or_default();
    // Workers of the server itself have no client, and walsenders no state that means anything.
    let client = if kind == "client backend" || kind == "walsender" { "local" } else { "" };
    let mut blocked_by = row.blocked_by.unwrap_or_default();
    blocked_by.sort_unstable();
    blocked_by.dedup();
    Session {
        pid: row.pid,
        backend_start: row.backend_start.map_or(Timestamp::UNIX_EPOCH, time),
        user: text(row.username),
        application: text(row.application),
        client: row.client.unwrap_or_else(|| client.to_owned()),
        database: text(row.database),
        state: if hidden { SessionState::Hidden } else { SessionState::parse(row.state.as_deref()) },
        state_change: row.state_change.map(time),
        xact_start: row.xact_start.map(time),
        query_start: row.query_start.map(time),
        wait: wait(row.wait_event_type, row.wait_event),
        blocked_by,
        xmin_age: row.xmin_age,
        kind,
        own: row.own,
        query: if hidden { String::new() } else { text(row.query) },
        ..Session::default()
    }
}

pub(super) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A length of time; one that is negative (clocks of two machines) is none.
pub(super) fn span(microseconds: i64) -> Duration {
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

/// A count that can't be negative.
pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn text(bytes: Option<Vec<u8>>) -> String {
    bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// `schema.name`, or a number where the login's database does not know the name.
pub(super) fn relation(schema: Option<Vec<u8>>, name: Option<Vec<u8>>, number: i64) -> String {
    match name {
        Some(name) => format!("{}.{}", text(schema), text(Some(name))),
        None => number.to_string(),
    }
}

fn wait(kind: Option<String>, event: Option<String>) -> Option<String> {
    match (kind, event) {
        (Some(kind), Some(event)) => Some(format!("{kind}: {event}")),
        (kind, event) => kind.or(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        server: Server,
        hidden_server: Server,
        seen: Vec<Row>,
        hidden: Vec<Row>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/postgres/server.json")).unwrap()
    }

    #[test]
    fn the_rows_of_a_real_server_are_read() {
        let Fixture { server, seen, .. } = fixture();
        let clients = seen.iter().filter(|row| row.kind.as_deref() == Some("client backend")).count();
        let database = database(&server, seen);
        assert_eq!((database.version.split('.').next(), database.standby), (Some("15"), false));
        assert_eq!((database.max, database.reserved, database.used as usize), (250, 3, clients));
        assert_eq!((server.login().as_str(), server.sees_all), ("qd", true));
        let of =
            |application: &str| database.sessions.iter().find(|session| session.application == application).unwrap();
        assert_eq!(of("billing").state, SessionState::IdleInTransaction);
        assert_eq!((of("billing").user.as_str(), of("billing").client.as_str()), ("web", "127.0.0.1"));
        assert_eq!(of("billing").wait.as_deref(), Some("Client: ClientRead"));
        assert!(of("billing").query.starts_with("update players"), "{}", of("billing").query);
        let waiting = of("migrate");
        assert_eq!(waiting.state, SessionState::Active);
        assert!(waiting.blocked_by.contains(&of("billing").pid), "{:?}", waiting.blocked_by);
        assert_eq!(waiting.wait.as_deref(), Some("Lock: relation"));
        assert!(waiting.query_start.is_some() && waiting.xmin_age.is_some() && !waiting.own);
        assert_eq!(
            (of("cron").blocked_by.as_slice(), of("worker").state),
            (&[0][..], SessionState::IdleInTransactionAborted)
        );
        assert_eq!((of("pool").state, of("pool").xact_start), (SessionState::Idle, None));
        assert!(of("pool").age(database.now).is_some());
    }

    #[test]
    fn quarterdecks_own_sessions_are_marked() {
        let Fixture { server, seen, .. } = fixture();
        let database = database(&server, seen);
        let own: Vec<_> = database.sessions.iter().filter(|session| session.own).collect();
        assert!(!own.is_empty());
        assert!(own.iter().all(|session| session.application == "quarterdeck"));
        assert!(database.sessions.iter().all(|session| session.own || session.application != "quarterdeck"));
    }

    #[test]
    fn what_the_login_may_not_see_is_hidden_and_has_no_identity() {
        let Fixture { hidden_server: server, hidden, .. } = fixture();
        assert_eq!((server.login().as_str(), server.sees_all), ("web", false));
        let database = database(&server, hidden);
        let cron = database.sessions.iter().find(|session| session.application == "cron").unwrap();
        assert_eq!((cron.state, cron.backend_start), (SessionState::Hidden, Timestamp::UNIX_EPOCH));
        assert_eq!((cron.query.as_str(), cron.client.as_str(), cron.user.as_str()), ("", "", "postgres"));
    }

    #[test]
    fn bytes_of_another_encoding_are_shown_as_far_as_they_are_text() {
        assert_eq!(text(Some(b"SELECT 'caf\xe9'".to_vec())), "SELECT 'caf\u{fffd}'");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(numbers in prop::array::uniform4(any::<i64>()), bytes in any::<Vec<u8>>(), own: bool) {
            let Fixture { mut server, mut seen, .. } = fixture();
            let [now, start, change, max] = numbers;
            (server.now, server.max, server.reserved) = (now, max as i32, start as i32);
            server.version = String::from_utf8_lossy(&bytes).into_owned();
            for row in &mut seen {
                (row.backend_start, row.state_change, row.query, row.own) = (Some(start), Some(change), Some(bytes.clone()), own);
                row.state = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            let database = database(&server, seen);
            for session in &database.sessions {
                let _ = (session.age(database.now), database.fullness());
            }
        }
    }
}
