//! PostgreSQL as its clients see it: sessions, what they wait for, how full it is, how far the standby is behind.

use super::chance::Chance;
use super::table::Table;
use std::collections::{BTreeMap, HashMap};

/// Connections that only a superuser gets.
pub const RESERVED: usize = 3;
/// What is said of a page that is not what was written there.
pub const INVALID_PAGE: &str = "invalid page in block 1182 of relation base/16384/16512";
/// A transaction that nobody ends is ended by nobody else: there is no `idle_in_transaction_session_timeout`.
const THINKS: f64 = 0.35;

/// Rows that a query changes, on average.
const CHANGES: f64 = 0.5;

/// What a session is at, in `pg_stat_activity`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A query runs.
    Active,
    /// It waits for its client.
    Idle,
    /// Likewise, with a transaction open.
    IdleInTransaction,
}

impl At {
    /// As the column `state` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// The process of the server.
    pub pid: i32,
    /// Who logged in.
    pub user: &'static str,
    /// `application_name`.
    pub app: String,
    /// Where from.
    pub client: String,
    /// Seconds of the world: connected, transaction begun, query begun, state changed.
    pub started: i64,
    /// See there; none is open.
    pub xact: Option<i64>,
    /// See there.
    pub asked: i64,
    /// See there.
    pub changed: i64,
    /// What it is at.
    pub at: At,
    /// The last query.
    pub query: String,
    /// Whose lock it waits for.
    pub blocked_by: Option<i32>,
    /// Nobody will ever use it again.
    pub forgotten: bool,
}

/// A server of PostgreSQL.
#[derive(Clone, Debug)]
pub struct Database {
    /// The index of its machine.
    pub server: usize,
    /// It follows another.
    pub standby: bool,
    /// `max_connections`.
    pub most: usize,
    /// Who is connected.
    pub sessions: Vec<Session>,
    /// Transactions ended well, and taken back.
    pub committed: f64,
    /// See there.
    pub rolled_back: f64,
    /// Blocks found in memory, and read from the disk.
    pub hit: f64,
    /// See there.
    pub read: f64,
    /// Bytes of WAL written, or replayed.
    pub wal: f64,
    /// Bytes of the databases.
    pub size: f64,
    /// The game's tables.
    pub tables: Vec<Table>,
    /// A standby replays nothing.
    pub stalled: bool,
    /// Since when what it has replayed is old, if it is.
    pub behind_since: Option<i64>,
    /// The table of which pages are not what was written there.
    pub damaged: Option<String>,
    /// Reads that found such a page.
    pub bad_reads: f64,
    /// The last second in which a standby heard from its primary.
    pub heard: i64,
    /// Clients turned away in the last second, of all that came: 0.0 to 1.0.
    pub turned_away: f64,
    next: i32,
    chance: Chance,
}

/// The program that measures it, and how often it asks: seconds.
pub(super) const EXPORTER: &str = "postgres_exporter";
const SCRAPES: i64 = 15;

/// What a program asks as it begins: what it is there for.
fn first_query(app: &str) -> &'static str {
    match app {
        EXPORTER => "SELECT datname, count(*) FROM pg_stat_activity GROUP BY datname",
        "pgbackrest" => "SELECT pg_catalog.pg_switch_wal()::text",
        _ => QUERIES[0],
    }
}

/// What clients ask, most of the time.
const QUERIES: [&str; 8] = [
    "SELECT id, name, last_seen FROM players WHERE id = $1",
    "UPDATE players SET position = $2, last_seen = now() WHERE id = $1",
    "SELECT item_id, amount FROM inventory WHERE player_id = $1",
    "INSERT INTO events (player_id, kind, at) VALUES ($1, $2, now())",
    "SELECT p.name, s.points FROM scores s JOIN players p ON p.id = s.player_id ORDER BY s.points DESC LIMIT 50",
    "SELECT friend_id FROM friends WHERE player_id = $1",
    "UPDATE inventory SET amount = amount - $3 WHERE player_id = $1 AND item_id = $2",
    "SELECT id, region, load FROM shards WHERE open ORDER BY load",
];

impl Database {
    pub(super) fn new(seed: u64, server: usize, name: &str, standby: bool, most: usize) -> Self {
        let mut chance = Chance::new(seed, &format!("{name}/postgres"));
        let next = chance.between(2_000.0, 9_000.0) as i32;
        Self {
            server,
            standby,
            most,
            sessions: Vec::new(),
            committed: 4.1e8,
            rolled_back: 2.2e5,
            hit: 9.8e9,
            read: 2.1e7,
            wal: 7.3e11,
            size: 3.8e10,
            tables: Table::all(),
            stalled: false,
            behind_since: None,
            damaged: None,
            bad_reads: 0.0,
            heard: 0,
            turned_away: 0.0,
            next,
            chance,
        }
    }

    /// Room for so many more of ordinary users.
    pub fn room(&self) -> usize {
        (self.most - RESERVED).saturating_sub(self.sessions.len())
    }

    /// A client connects; `None` when it is turned away.
    pub fn connect(&mut self, at: i64, user: &'static str, app: &str, client: &str) -> Option<i32> {
        if self.room() == 0 {
            return None;
        }
        self.next += 1 + (self.chance.between(0.0, 40.0) as i32);
        self.sessions.push(Session {
            pid: self.next,
            user,
            app: app.to_owned(),
            client: client.to_owned(),
            started: at,
            xact: None,
            asked: at,
            changed: at,
            at: At::Idle,
            query: first_query(app).to_owned(),
            blocked_by: None,
            forgotten: false,
        });
        Some(self.next)
    }

    /// Whoever measures it has asked a moment ago.
    pub(super) fn look_in(&mut self, at: i64) {
        let exporters =
            self.sessions.iter_mut().filter(|session| session.app == EXPORTER && at - session.changed >= SCRAPES);
        for session in exporters {
            (session.asked, session.changed) = (at, at);
        }
    }

    /// The session of that process.
    pub fn session(&mut self, pid: i32) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.pid == pid)
    }

    /// Ends a session; whether there was one. What waited for it goes on.
    pub fn terminate(&mut self, pid: i32) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|session| session.pid != pid);
        self.release(pid);
        self.sessions.len() < before
    }

    /// Ends a session's query, and with it the wait; whether it ran one.
    pub fn cancel(&mut self, pid: i32, at: i64) -> bool {
        let Some(session) = self.session(pid).filter(|session| session.at == At::Active) else { return false };
        (session.at, session.changed, session.xact, session.blocked_by) = (At::Idle, at, None, None);
        true
    }

    /// How many sessions a pool has that it still uses.
    pub(super) fn pooled(&self, app: &str) -> usize {
        self.sessions.iter().filter(|session| session.app == app && !session.forgotten).count()
    }

    /// A pool closes one of its sessions; whether it had one.
    pub(super) fn give_up(&mut self, app: &str) -> bool {
        let own = self.sessions.iter().position(|session| session.app == app && !session.forgotten);
        own.map(|at| self.sessions.swap_remove(at)).is_some()
    }

    /// The sessions of all pools begin and end queries: so many of each application, a second, each of which takes so long.
    pub(super) fn work(&mut self, at: i64, asked: &BTreeMap<String, f64>, took: f64) {
        let mut own: HashMap<&str, f64> = HashMap::new();
        for session in self.sessions.iter().filter(|session| !session.forgotten) {
            *own.entry(session.app.as_str()).or_default() += 1.0;
        }
        let busy: HashMap<String, f64> = asked
            .iter()
            .map(|(app, queries)| {
                (app.clone(), (queries * took / own.get(app.as_str()).unwrap_or(&1.0)).clamp(0.02, 0.95))
            })
            .collect();
        for session in &mut self.sessions {
            let Some(busy) = busy.get(&session.app) else { continue };
            if session.forgotten || session.blocked_by.is_some() || !self.chance.happens(THINKS) {
                continue;
            }
            session.changed = at;
            if self.chance.happens(*busy) {
                (session.at, session.asked, session.xact) = (At::Active, at, Some(at));
                (*self.chance.one_of(&QUERIES)).clone_into(&mut session.query);
            } else {
                (session.at, session.xact) = (At::Idle, None);
            }
        }
        self.count(asked.values().sum());
    }

    fn count(&mut self, queries: f64) {
        self.committed += queries;
        self.rolled_back += queries * 0.0006;
        self.hit += queries * 38.0;
        self.read += queries * 0.09;
        self.wal += queries * 210.0;
        self.size += queries * 6.0;
        self.tables.iter_mut().for_each(|table| table.change(queries * CHANGES));
    }

    /// A client keeps a transaction open and forgets it; `None` when it is turned away.
    pub(super) fn forget(&mut self, at: i64, app: &str, client: &str) -> Option<i32> {
        let pid = self.leave(at, app, client)?;
        let session = self.session(pid)?;
        (session.at, session.xact) = (At::IdleInTransaction, Some(at));
        "UPDATE players SET session = $2 WHERE id = $1".clone_into(&mut session.query);
        Some(pid)
    }

    /// A client connects, asks once and forgets its session; `None` when it is turned away.
    pub(super) fn leave(&mut self, at: i64, app: &str, client: &str) -> Option<i32> {
        let pid = self.connect(at, "spacetime", app, client)?;
        let session = self.session(pid)?;
        session.forgotten = true;
        "SELECT count(*) FROM events WHERE at >= $1 AND at < $2".clone_into(&mut session.query);
        Some(pid)
    }

    /// So many sessions of an application begin to wait for the lock of `holder`.
    pub(super) fn block(&mut self, at: i64, app: &str, holder: i32, most: usize) {
        let query = "UPDATE shards SET load = $2 WHERE id = $1";
        let waits = |session: &&mut Session| session.app == app && !session.forgotten && session.blocked_by.is_none();
        for session in self.sessions.iter_mut().filter(waits).take(most) {
            (session.at, session.asked, session.changed) = (At::Active, at, at);
            (session.xact, session.blocked_by) = (Some(at), Some(holder));
            query.clone_into(&mut session.query);
        }
    }

    fn release(&mut self, holder: i32) {
        for session in self.sessions.iter_mut().filter(|session| session.blocked_by == Some(holder)) {
            session.blocked_by = None;
        }
    }
}
