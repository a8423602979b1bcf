//! What the PostgreSQL source says of real servers: locks, replication, progress, archiving, deadlocks, rights.

use crate::lab::postgres::{DATABASE, Postgres, versions};
use crate::lab::{need, poll, wait};
use quarterdeck::connect::Connections;
use quarterdeck::domain::database::locks;
use quarterdeck::domain::{Database, Limits, Party, Replica, SessionState, Severity, Snapshot, SourceError, SourceId};
use quarterdeck::sources::{Settings as _, Source, postgres::Settings};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// A source that watches a server, polled by the test.
pub struct Watch(Box<dyn Source>);

impl Watch {
    pub fn new(settings: &Settings) -> Self {
        let opened = settings.open(&SourceId::new("postgres", "primary"), &mut Connections::default());
        Self(opened.unwrap().pop().unwrap())
    }

    /// As a role, through the socket.
    pub fn of(server: &Postgres, role: &str) -> Self {
        Self::new(&Settings { dsn: Some(socket_dsn(&server.socket, server.port, role)), ..Settings::default() })
    }

    /// One poll, with the time limit that the poller sets.
    pub fn try_look(&mut self, limit: Duration) -> Result<Database, SourceError> {
        let late = || SourceError::new("no answer", "");
        let polled = wait(async { tokio::time::timeout(limit, self.0.poll()).await.unwrap_or_else(|_| Err(late())) })?;
        Ok(Snapshot::database(&polled).unwrap().clone())
    }

    pub fn look(&mut self) -> Database {
        self.try_look(LIMIT).unwrap()
    }
}

pub fn socket_dsn(socket: &Path, port: u16, role: &str) -> String {
    format!("postgres:///{DATABASE}?host={}&port={port}&user={role}", socket.display())
}

/// A fresh source asks everything, so what is known only slowly is asked of a new one each time.
fn fresh<T>(server: &Postgres, what: &str, find: impl Fn(&Database) -> Option<T>) -> T {
    let seen = poll(LIMIT, || find(&Watch::of(server, "qd_read").look()));
    seen.unwrap_or_else(|| panic!("never seen: {what}; {:?}", Watch::of(server, "qd_read").look()))
}

/// Pids with their depth, from top to bottom; prepared transactions by name.
fn drawn(database: &Database) -> Vec<(usize, String)> {
    let who = |party| match party {
        Party::Session(index) => database.sessions[index as usize].pid.to_string(),
        Party::Prepared(index) => database.prepared[index as usize].gid.clone(),
        Party::Unlisted(pid) => format!("?{pid}"),
    };
    locks::tree(database).iter().map(|line| (line.rails.len(), who(line.who))).collect()
}

#[test]
fn a_chain_of_locks_is_a_tree_with_the_one_to_look_at_on_top() {
    let server = need!(own_postgres);
    server.run("create table t(id int); create table u(id int)");
    let mut holder = server.session("postgres", "billing");
    holder.run("begin; lock table t in access exclusive mode");
    let mut middle = server.session("postgres", "api");
    middle.run("begin; lock table u in access exclusive mode");
    middle.wait_for_lock("select * from t");
    let mut last = server.session("postgres", "report");
    last.wait_for_lock("select * from u");
    let database = Watch::of(&server, "qd_read").look();
    let pids = [holder.pid, middle.pid, last.pid].map(|pid| pid.to_string());
    assert_eq!(drawn(&database), pids.iter().cloned().enumerate().collect::<Vec<_>>());
    let [a, b, c] = [holder.pid, middle.pid, last.pid].map(|pid| database.session(pid).unwrap());
    assert_eq!((a.blocks, b.blocks, c.blocks), (2, 1, 0));
    assert_eq!((&b.blocked_by, &c.blocked_by), (&vec![a.pid], &vec![b.pid]));
    assert_eq!(b.waits_for.as_deref(), Some("AccessShareLock on relation public.t"));
    assert_eq!(a.holds, ["AccessExclusiveLock on relation public.t"]);
    assert!(c.waiting_since.is_some() && a.blocking_since <= b.waiting_since && a.blocking_since.is_some());
    assert_eq!(a.state, SessionState::IdleInTransaction);
    let strict =
        Limits { blocked_seconds: quarterdeck::domain::limits::Amount { warn: 0, critical: 0 }, ..Limits::default() };
    assert_eq!(a.judge(database.now, &strict), Severity::Critical);
}

#[test]
fn who_waits_for_a_row_waits_for_a_transaction_and_the_table_is_named() {
    let server = need!(own_postgres);
    server.run("create table players(id int); insert into players values (1)");
    let mut holder = server.session("postgres", "billing");
    holder.run("begin; update players set id = 2");
    let mut waiter = server.session("postgres", "api");
    waiter.wait_for_lock("update players set id = 3");
    let database = Watch::of(&server, "qd_read").look();
    let waits_for = database.session(waiter.pid).unwrap().waits_for.clone().unwrap();
    assert!(waits_for.starts_with("ShareLock on transaction "), "{waits_for}");
    assert!(waits_for.ends_with(" (a row of public.players)"), "{waits_for}");
}

#[test]
fn a_prepared_transaction_in_the_way_is_named_also_after_a_restart() {
    let mut server = need!(own_postgres);
    server.run("create table t(id int)");
    server.run("begin; lock table t; prepare transaction 'pay-4711'");
    for again in [false, true] {
        if again {
            server.stop();
            server.start_again();
        }
        let mut waiter = server.session("postgres", "api");
        waiter.wait_for_lock("insert into t values (1)");
        let database = Watch::of(&server, "qd_read").look();
        assert_eq!(database.session(waiter.pid).unwrap().blocked_by, [0]);
        assert_eq!(drawn(&database), [(0, "pay-4711".to_owned()), (1, waiter.pid.to_string())], "restarted: {again}");
        assert_eq!(database.prepared[0].blocks, [waiter.pid]);
    }
}

#[test]
fn idle_sessions_and_its_own_are_listed_and_its_own_marked() {
    let server = need!(own_postgres);
    let (idle, open) = (server.session("web", "pool"), server.idle_in_transaction("web", "worker"));
    let database = Watch::of(&server, "qd_read").look();
    assert_eq!(database.session(idle.pid).unwrap().state, SessionState::Idle);
    let worker = database.session(open.pid).unwrap();
    assert_eq!((worker.state, worker.own), (SessionState::IdleInTransaction, false));
    assert!(worker.xact_start.is_some() && worker.query_start.is_some());
    let own: Vec<_> = database.sessions.iter().filter(|session| session.own).collect();
    assert_eq!((own.len(), own[0].application.as_str()), (1, "quarterdeck"));
    assert_eq!((database.used, database.hidden.as_slice()), (3, [].as_slice()));
    assert_eq!(own[0].judge(database.now, &Limits::default()), Severity::None);
}

#[test]
fn a_login_without_pg_monitor_says_what_it_lacks() {
    let server = need!(own_postgres);
    let other = server.idle_in_transaction("app", "other");
    let database = Watch::of(&server, "web").look();
    let seen = database.session(other.pid).unwrap();
    assert_eq!((seen.state, seen.xact_start), (SessionState::Hidden, None));
    assert_eq!(seen.judge(database.now, &Limits::default()), Severity::Unknown);
    assert!(database.hidden[0].ends_with("GRANT pg_monitor TO web"), "{:?}", database.hidden);
    assert!(database.databases.iter().any(|stats| stats.name == DATABASE), "what needs no right is still known");
}

#[test]
fn a_statement_that_is_denied_fails_alone_and_says_so() {
    let server = need!(own_postgres);
    let _idle = server.session("web", "pool");
    server.run("revoke select on pg_catalog.pg_prepared_xacts from public");
    server.run("revoke execute on function pg_prepared_xact() from public");
    let database = Watch::of(&server, "qd_read").look();
    assert_eq!(database.sessions.len(), 2);
    assert!(!database.databases.is_empty());
    let said = "which transactions are prepared is not known: permission denied for view pg_prepared_xacts: \
                GRANT pg_monitor TO qd_read";
    assert_eq!(database.hidden, [said]);
}

#[test]
fn a_standby_and_its_primary_tell_of_each_other_and_of_the_break() {
    let mut server = need!(own_postgres);
    let standby = match server.standby() {
        Ok(standby) => standby,
        Err(why) => panic!("{why}"),
    };
    let replica = fresh(&server, "the standby", |database| {
        let streams = |replica: &&Replica| replica.state == "streaming" && replica.behind.is_some();
        database.replicas.iter().find(|replica| replica.name == "standby" && streams(replica)).cloned()
    });
    assert_eq!(replica.sync, "async", "{replica:?}");
    let receiver = fresh(&standby, "its receiver", |database| {
        database.receiver.clone().filter(|receiver| receiver.status.as_deref() == Some("streaming"))
    });
    assert!(receiver.sender.ends_with(&format!(":{}", server.port)), "{receiver:?}");
    let seen = Watch::of(&standby, "qd_read").look();
    assert!(seen.standby && !seen.databases.is_empty() && seen.hidden.is_empty(), "{:?}", seen.hidden);
    assert!(Watch::of(&server, "qd_read").look().slots.iter().any(|slot| slot.active && slot.name == "standby_slot"));
    standby.run("select pg_wal_replay_pause()");
    assert!(fresh(&standby, "the pause", |database| database.receiver.clone().filter(|r| r.paused)).paused);
    server.stop();
    let broken = fresh(&standby, "the break", |database| {
        let troubles = database.troubles(&Limits::default());
        troubles.into_iter().find(|trouble| trouble.what.starts_with("no WAL receiver runs"))
    });
    assert!(broken.severity >= Severity::Warning);
}

#[test]
fn a_slot_that_nobody_uses_is_told_with_what_it_holds() {
    let server = need!(own_postgres);
    server.run("select pg_create_physical_replication_slot('forgotten', true)");
    server.run("create table filler as select repeat('x', 1000) from generate_series(1, 5000)");
    let slot = Watch::of(&server, "qd_read").look().slots.pop().unwrap();
    assert_eq!((slot.name.as_str(), slot.active, slot.wal_status.as_deref()), ("forgotten", false, Some("reserved")));
    assert!(slot.held.is_some_and(|held| held > 1 << 20), "{slot:?}");
    assert_eq!(slot.judge(&Limits::default()), Severity::Info);
}

#[test]
fn an_archive_command_that_fails_is_the_servers_first_trouble() {
    let server = need!(own_postgres);
    assert!(Watch::of(&server, "qd_read").look().archiver.is_some_and(|archiver| !archiver.failing));
    server.run("alter system set archive_command = 'false'");
    server.run("select pg_reload_conf(); create table x(i int)");
    let archiver = fresh(&server, "the failure", |database| {
        // One that was switched before the archiver had heard of its new command was archived by the old one.
        server.run("insert into x values (1); select pg_switch_wal()");
        database.archiver.clone().filter(|archiver| archiver.failing)
    });
    assert!(archiver.failed > 0 && archiver.last_failed.is_some() && archiver.last_failed_at.is_some());
    let first = Watch::of(&server, "qd_read").look().troubles(&Limits::default()).remove(0);
    assert!(first.severity == Severity::Critical && first.what.starts_with("archiving fails ("), "{}", first.what);
}

#[test]
fn an_index_being_built_says_its_phase() {
    let server = need!(own_postgres);
    server.run("create table big as select generate_series(1, 100) id");
    let mut writer = server.session("postgres", "writer");
    writer.run("begin; insert into big values (0)");
    let mut builder = server.session("postgres", "ddl");
    // It waits for those that write, so its phase stands still.
    builder.wait_for_lock("create index concurrently big_id on big(id)");
    let progress = Watch::of(&server, "qd_read").look().progress;
    assert_eq!(progress.len(), 1, "{progress:?}");
    let seen = &progress[0];
    assert_eq!(
        (seen.pid, seen.command.as_str(), seen.on.as_str()),
        (builder.pid, "CREATE INDEX CONCURRENTLY", "public.big")
    );
    assert_eq!((seen.phase.as_str(), seen.done), ("waiting for writers before build", Some(0.0)));
}

#[test]
fn a_deadlock_is_counted_and_told_while_it_is_new() {
    let server = need!(own_postgres);
    server.run("create table t(id int); create table u(id int)");
    let mut watch = Watch::of(&server, "qd_read");
    let of = |database: &Database| database.databases.iter().find(|stats| stats.name == DATABASE).cloned().unwrap();
    assert_eq!(of(&watch.look()).commits, None, "no rate after one reading");
    {
        let [mut one, mut two] = ["one", "two"].map(|name| server.session("postgres", name));
        one.run("begin; lock table t");
        two.run("begin; lock table u");
        one.wait_for_lock("lock table u");
        // The server ends whichever of them looks first.
        let _ = two.try_run("lock table t");
    }
    // Sessions hand in their counts when they end.
    let counted = "select deadlocks::text from pg_stat_database where datname = current_database() and deadlocks > 0";
    poll(LIMIT, || server.column(counted).pop()).expect("the server counts it");
    let database = watch.look();
    let stats = of(&database);
    assert_eq!((stats.deadlocks, stats.new_deadlocks), (1, 1));
    assert!(stats.commits.is_some_and(|rate| rate > 0.0));
    let troubles = database.troubles(&Limits::default());
    assert!(troubles.iter().any(|trouble| trouble.what == "1 deadlocks in shop just now"), "{troubles:?}");
}

#[test]
fn a_session_that_holds_vacuum_back_is_named() {
    let server = need!(own_postgres);
    let mut old = server.session("postgres", "report");
    old.run("begin isolation level repeatable read; select 1");
    server.run("create table t(id int)");
    server.run("insert into t values (1)");
    let database = Watch::of(&server, "qd_read").look();
    let (who, age) = database.horizon().unwrap();
    assert!(who == format!("session {}", old.pid) && age >= 2, "{who} {age}");
}

/// Every statement is understood, and yields what its version can say; on its standby too.
fn understood(mut server: Postgres) {
    server.run("create table t(id int); create table big as select generate_series(1, 100) id");
    server.run("select pg_create_physical_replication_slot('old', true)");
    let standby = server.copied_standby().unwrap();
    server.run("begin; lock table t; prepare transaction 'pay'");
    let mut waiter = server.session("postgres", "api");
    waiter.wait_for_lock("insert into t values (1)");
    let mut writer = server.session("postgres", "writer");
    writer.run("begin; insert into big values (0)");
    let mut builder = server.session("postgres", "ddl");
    builder.wait_for_lock("create index concurrently big_id on big(id)");
    let database = Watch::of(&server, "qd_read").look();
    let (version, major) = (&database.version, database.version.split('.').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(database.hidden, Vec::<String>::new(), "{version}");
    let seen = database.session(waiter.pid).unwrap();
    assert_eq!(seen.waits_for.as_deref(), Some("RowExclusiveLock on relation public.t"), "{version}");
    assert_eq!(
        (seen.waiting_since.is_some(), seen.blocked_for(database.now).is_some()),
        (major >= 14, true),
        "{version}"
    );
    assert_eq!(database.prepared[0].blocks, [waiter.pid], "{version}");
    assert_eq!(database.progress[0].phase, "waiting for writers before build", "{version}");
    assert_eq!(
        (database.slots[0].held.is_some(), database.slots[0].wal_status.is_some()),
        (true, major >= 13),
        "{version}"
    );
    assert!(database.archiver.is_some() && database.databases.len() == 4 && database.reserved >= 3, "{version}");
    let streaming =
        |database: &Database| database.replicas.iter().any(|replica| replica.state == "streaming").then_some(());
    fresh(&server, "the standby", streaming);
    let receives = |database: &Database| database.receiver.clone().filter(|r| r.status.as_deref() == Some("streaming"));
    let receiver = fresh(&standby, "its receiver", receives);
    assert!(receiver.heard.is_some() && !receiver.sender.is_empty(), "{version}: {receiver:?}");
    assert_eq!(Watch::of(&standby, "qd_read").look().hidden, Vec::<String>::new(), "{version}");
}

#[test]
fn every_version_that_is_here_is_understood() {
    need!(postgres);
    for bin in versions() {
        understood(Postgres::of(&bin).unwrap_or_else(|why| panic!("{}: {why}", bin.display())));
    }
}
