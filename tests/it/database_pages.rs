//! The pages of the databases pane, from the key to the cells: what stands where, and what the keys there do.

use crate::dump;
use crate::scene::{Scene, start};
use crossterm::event::KeyCode;
use jiff::{SignedDuration, Timestamp};
use quarterdeck::domain::{
    Archiver, Database, DatabaseStats, Prepared, Progress, Receiver, Replica, Session, SessionState, Slot, Snapshot,
    Subject,
};
use std::time::Duration;

const TWO: [(&str, &str, Subject); 2] =
    [("postgres", "primary", Subject::Databases), ("postgres", "standby", Subject::Databases)];

fn ago(seconds: i64) -> Timestamp {
    start().wall - SignedDuration::from_secs(seconds)
}

fn session(pid: i32, application: &str, state: SessionState, blocked_by: &[i32]) -> Session {
    Session {
        pid,
        application: application.to_owned(),
        user: "app".to_owned(),
        database: "shop".to_owned(),
        client: "10.0.0.1".to_owned(),
        kind: "client backend".to_owned(),
        backend_start: ago(9000),
        state,
        state_change: Some(ago(90)),
        xact_start: Some(ago(90)),
        query_start: Some(ago(90)),
        waiting_since: (!blocked_by.is_empty()).then(|| ago(75)),
        waits_for: (!blocked_by.is_empty()).then(|| "ShareLock on transaction 7".to_owned()),
        blocked_by: blocked_by.to_vec(),
        query: format!("update players set name = '{application}'"),
        ..Session::default()
    }
}

/// A primary in some trouble.
pub fn primary() -> Database {
    let mut database = Database {
        version: "15.18".to_owned(),
        now: start().wall,
        used: 90,
        max: 100,
        reserved: 3,
        sessions: vec![
            session(101, "billing", SessionState::IdleInTransaction, &[]),
            session(102, "api", SessionState::Active, &[101]),
            session(103, "report", SessionState::Active, &[102]),
            session(104, "cron", SessionState::Active, &[0]),
            Session { xact_start: None, own: true, ..session(105, "quarterdeck", SessionState::Idle, &[]) },
        ],
        replicas: vec![Replica {
            pid: 7,
            name: "db-2".into(),
            state: "streaming".into(),
            behind: Some(2 << 30),
            ..Replica::default()
        }],
        slots: vec![Slot { name: "old".into(), kind: "physical".into(), held: Some(5 << 30), ..Slot::default() }],
        databases: vec![
            DatabaseStats {
                name: "shop".into(),
                commits: Some(123.4),
                rollbacks: Some(0.5),
                hit_ratio: Some(0.987),
                ..DatabaseStats::default()
            },
            DatabaseStats { name: "ledger".into(), frozen_age: 1_900_000_000, ..DatabaseStats::default() },
        ],
        progress: vec![Progress {
            pid: 9,
            command: "VACUUM".into(),
            on: "public.players".into(),
            phase: "scanning heap".into(),
            done: Some(0.42),
        }],
        archiver: Some(Archiver { failed: 3, failing: true, ..Archiver::default() }),
        prepared: vec![Prepared { gid: "pay-1".into(), since: ago(60), blocks: vec![104], ..Prepared::default() }],
        ..Database::default()
    };
    database.note_blockers();
    database
}

/// A standby that lags.
pub fn standby() -> Database {
    Database {
        version: "15.18".to_owned(),
        standby: true,
        now: start().wall,
        used: 1,
        max: 100,
        receiver: Some(Receiver {
            status: None,
            sender: String::new(),
            replayed: Some(Duration::from_secs(900)),
            behind: Some(0),
            ..Receiver::default()
        }),
        hidden: vec!["web may not see what others' sessions do: GRANT pg_monitor TO web".to_owned()],
        ..Database::default()
    }
}

fn scene(size: (u16, u16)) -> Scene {
    let mut scene = Scene::new(&TWO, size);
    scene.good("postgres", "primary", Snapshot::Database(primary()));
    scene.good("postgres", "standby", Snapshot::Database(standby()));
    scene
}

/// The screen after these keys.
fn shown(keys: &str, size: (u16, u16)) -> String {
    let mut scene = scene(size);
    scene.keys(keys);
    dump::text(&scene.paint())
}

/// The first line with all of these, in this order.
fn line<'a>(screen: &'a str, parts: &[&str]) -> &'a str {
    let fits = |line: &&str| {
        let mut rest = *line;
        parts.iter().all(|part| rest.find(part).map(|at| rest = &rest[at + part.len()..]).is_some())
    };
    screen.lines().find(fits).unwrap_or_else(|| panic!("no line with {parts:?} in\n{screen}"))
}

#[test]
fn the_troubles_of_all_servers_stand_above_the_sessions_the_worst_first() {
    let screen = shown("4z", (160, 45));
    let at = |parts: &[&str]| screen.find(line(&screen, parts)).unwrap();
    let order = [
        at(&["▲ primary: archiving fails (3 times"]),
        at(&["▲ primary: ledger is 88 % of the way to wraparound"]),
        at(&["! primary: standby db-2", "2.0 GiB behind"]),
        at(&["? standby: web may not see", "GRANT pg_monitor TO web"]),
        at(&["PID", "ON", "XACT", "RUNS", "WAIT", "QUERY"]),
        at(&["101", "primary", "billing", "idle in tx", "blocks 2"]),
        at(&["102", "api", "by 101"]),
        at(&["105", "quarterdeck", "idle"]),
    ];
    assert!(order.is_sorted(), "{order:?}\n{screen}");
    line(&screen, &["▲ standby: no WAL receiver runs, the last transaction was replayed 15 min ago"]);
    line(&screen, &["4 Databases", "primary ▲90/100 conns (3 blocked)", "standby 1/100 conns"]);
}

#[test]
fn the_lock_tree_has_the_one_to_look_at_on_top() {
    let screen = shown("4b", (160, 45));
    let at = |parts: &[&str]| screen.find(line(&screen, parts)).unwrap();
    let chain = [
        at(&["101 ", "primary", "billing", "1 (2)"]),
        at(&["└ 102", "api", "1m", "ShareLock on transaction 7"]),
        at(&["  └ 103", "report"]),
    ];
    assert!(chain.is_sorted(), "{screen}");
    assert!(at(&["prepared pay-1", "prepared", "1 "]) < at(&["└ 104", "cron"]), "{screen}");
    line(&screen, &["Locks", "3 waiting, 2 in the way"]);
    // Where it is narrow the tree, who blocks how many, and for how long, stay.
    line(&shown("4b", (80, 24)), &["WHO", "BLOCKS", "WAITS"]);
}

#[test]
fn replication_connections_and_statistics_have_their_pages() {
    let replication = shown("4r", (160, 45));
    line(&replication, &["db-2", "primary", "standby", "streaming", "2.0G"]);
    line(&replication, &["old", "primary", "slot", "inactive", "5.0G"]);
    line(&replication, &["standby", "receiver", "not running", "0B", "15m"]);
    let connections = shown("4w", (160, 45));
    line(&connections, &["Connections", "primary 90 of 100 in use, 3 kept for superusers"]);
    line(&connections, &["billing", "primary", "app", "shop", "1", "1%"]);
    let statistics = shown("4t", (160, 45));
    line(&statistics, &["primary: VACUUM on public.players: scanning heap 42 % (pid 9)"]);
    line(&statistics, &["shop", "primary", "123", "0.50", "99%"]);
    line(&statistics, &["ledger", "primary", "—", "88%"]);
}

#[test]
fn a_page_leads_to_the_session_and_back() {
    let mut scene = scene((160, 60));
    scene.keys("4b");
    scene.paint();
    scene.key(KeyCode::Enter);
    let page = dump::text(&scene.paint());
    line(&page, &["session 101 on primary"]);
    line(&page, &["in the way of", "2 sessions"]);
    scene.key(KeyCode::Esc);
    line(&dump::text(&scene.paint()), &["Locks", "3 waiting"]);
    scene.key(KeyCode::Esc);
    line(&dump::text(&scene.paint()), &["4 Databases"]);
}

/// The page of the first row of the sessions, of a server with this session only.
fn page_of(session: Session) -> String {
    let mut scene = Scene::new(&TWO[..1], (160, 60));
    let database = Database { now: start().wall, max: 100, sessions: vec![session], ..Database::default() };
    scene.good("postgres", "primary", Snapshot::Database(database));
    scene.keys("4");
    scene.paint();
    scene.key(KeyCode::Enter);
    dump::text(&scene.paint())
}

#[test]
fn the_page_of_a_session_says_none_only_of_what_there_is_none_of() {
    let told = |state| Session { xact_start: None, ..session(101, "billing", state, &[]) };
    let hidden = page_of(Session { state_change: None, query_start: None, ..told(SessionState::Hidden) });
    for label in ["in it", "transaction", "query", "waits"] {
        line(&hidden, &[label, "hidden"]);
    }
    let aborted = page_of(told(SessionState::IdleInTransactionAborted));
    line(&aborted, &["transaction", "idle since 2026-11-25T02:58:30Z, 1m: its start is not told"]);
    line(&aborted, &["query", "since 2026-11-25T02:58:30Z, 1m"]);
    let idle = page_of(told(SessionState::Idle));
    line(&idle, &["transaction", "none"]);
    line(&idle, &["waits", "for nothing"]);
}

#[test]
fn connections_that_are_idle_in_a_transaction_are_judged_under_what_is_wrong() {
    let mut scene = Scene::new(&TWO[..1], (160, 45));
    let aborted = session(101, "billing", SessionState::IdleInTransactionAborted, &[]);
    let sessions = vec![
        session(102, "api", SessionState::Active, &[]),
        session(103, "api", SessionState::Active, &[]),
        Session { xact_start: None, state_change: Some(ago(2400)), ..aborted },
    ];
    let hidden = vec!["web may not see what others' sessions do: GRANT pg_monitor TO web".to_owned()];
    let database = Database { now: start().wall, max: 100, sessions, hidden, ..Database::default() };
    scene.good("postgres", "primary", Snapshot::Database(database));
    scene.keys("4w");
    let screen = dump::text(&scene.paint());
    let at = |parts: &[&str]| screen.find(line(&screen, parts)).unwrap();
    // The one that is idle for too long stands above the larger group.
    let order = [at(&["? web may not see"]), at(&["billing", "app", "shop", "1", "40m"]), at(&["api", "app", "2"])];
    assert!(order.is_sorted(), "{order:?}\n{screen}");
}

/// A server with nothing on it, whose login sees all, or little.
fn quiet(blind: bool) -> Snapshot {
    let (sessions_hidden, replication_hidden) = (blind, blind);
    Snapshot::Database(Database {
        now: start().wall,
        max: 100,
        sessions_hidden,
        replication_hidden,
        ..Database::default()
    })
}

/// The pages of locks and of replication: `late`, the first server's last answers are failures.
fn empty_pages(blind: bool, late: bool) -> [String; 2] {
    ["4b", "4r"].map(|keys| {
        let mut scene = Scene::new(&TWO, (160, 45));
        scene.good("postgres", "primary", quiet(false));
        scene.pass(Duration::from_secs(12));
        if late {
            scene.bad("postgres", "primary", "connection refused", "is it up?");
        } else {
            scene.good("postgres", "primary", quiet(false));
        }
        scene.good("postgres", "standby", quiet(blind));
        scene.keys(keys);
        dump::text(&scene.paint())
    })
}

#[test]
fn that_there_is_nothing_is_said_only_where_all_is_seen() {
    let [locks, replication] = empty_pages(false, false);
    line(&locks, &["nobody waits for a lock"]);
    line(&replication, &["0 streams and slots, 0 in trouble"]);
    line(&replication, &["no standby is connected, and no replication slot exists"]);
    for (blind, late) in [(true, false), (false, true), (true, true)] {
        let [locks, replication] = empty_pages(blind, late);
        line(&locks, &["nobody is seen to wait for a lock"]);
        line(&replication, &["no standby and no replication slot is seen"]);
        for wrong in ["nobody waits", "no standby is connected", "in trouble"] {
            assert!(!locks.contains(wrong) && !replication.contains(wrong), "{locks}\n{replication}");
        }
        if late {
            line(&locks, &["postgres/primary: none was seen when it last answered, 12s ago"]);
            line(&replication, &["postgres/primary: none was seen when it last answered, 12s ago"]);
        }
        if blind {
            line(&locks, &["postgres/standby: whether others' sessions wait is not known"]);
            line(&replication, &["postgres/standby: whether there are others is not known"]);
        }
    }
}

#[test]
fn a_root_whose_state_is_hidden_may_itself_be_waiting() {
    let mut scene = Scene::new(&TWO[..1], (160, 45));
    let sessions =
        vec![session(101, "billing", SessionState::Hidden, &[]), session(102, "api", SessionState::Active, &[101])];
    let mut database = Database { now: start().wall, max: 100, sessions, ..Database::default() };
    database.note_blockers();
    scene.good("postgres", "primary", Snapshot::Database(database));
    scene.keys("4b");
    let screen = dump::text(&scene.paint());
    line(&screen, &["1 waiting, 1 in the way (1 may itself be waiting)"]);
    line(&screen, &["101 ?", "billing", "hidden", "may itself be waiting"]);
    assert!(!line(&screen, &["└ 102"]).contains("may itself"), "{screen}");
}

#[test]
fn kill_idle_is_planned_for_the_server_of_the_row() {
    let mut scene = scene((160, 45));
    scene.keys("4b");
    scene.paint();
    scene.keys("I");
    scene.pass(Duration::from_millis(100));
    let asked = format!("{:?}", scene.effects);
    assert!(asked.contains("db-kill-idle") && asked.contains(r#""database": String("primary")"#), "{asked}");
}
