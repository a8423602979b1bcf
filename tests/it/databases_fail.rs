//! PostgreSQL that refuses, hangs, is slow, is cut off, lies, denies, is full, and comes back: each in words, and in time.

use crate::databases::{Watch, socket_dsn};
use crate::lab::postgres::{Postgres, password, url};
use crate::lab::service::free_port;
use crate::lab::{need, poll};
use quarterdeck::domain::secret::SecretRef;
use quarterdeck::domain::{SessionState, SourceError};
use quarterdeck::sources::postgres::Settings;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// As a poller's: what takes longer is a failure.
const TIMEOUT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(30);

fn over_tcp(port: u16, role: &str, password: &str) -> Watch {
    let dsn = format!("{}?sslmode=disable", url(role, port));
    let password = SecretRef::Command(format!("echo {password}"));
    Watch::new(&Settings { dsn: Some(dsn), password: Some(password), ..Settings::default() })
}

fn fails(watch: &mut Watch) -> SourceError {
    let started = Instant::now();
    let error = watch.try_look(TIMEOUT).unwrap_err();
    assert!(started.elapsed() < TIMEOUT * 2, "{:?}", started.elapsed());
    error
}

fn recovers(watch: &mut Watch) {
    poll(LIMIT, || watch.try_look(TIMEOUT).ok()).expect("it is seen again");
}

#[test]
fn a_server_that_is_not_there_refuses_and_is_seen_when_it_comes() {
    let port = free_port();
    let error = fails(&mut over_tcp(port, "qd_read", "x"));
    assert_eq!(error.what, format!("no PostgreSQL answers at 127.0.0.1:{port} as qd_read: nothing listens there"));
    let mut server = need!(own_postgres);
    let mut watch = Watch::of(&server, "qd_read");
    watch.look();
    server.stop();
    assert!(fails(&mut watch).what.starts_with("no PostgreSQL answers at "), "nothing listens");
    server.start_again();
    recovers(&mut watch);
}

#[test]
fn a_server_that_is_frozen_is_given_up_in_time_and_seen_again() {
    let server = need!(own_postgres);
    let mut watch = Watch::of(&server, "qd_read");
    watch.look();
    server.freeze();
    assert_eq!(fails(&mut watch).what, "no answer");
    // Without its kept connection it is still given up in time.
    assert_eq!(fails(&mut watch).what, "no answer");
    server.thaw();
    recovers(&mut watch);
}

#[test]
fn a_network_that_swallows_everything_and_one_that_cuts_are_survived() {
    let server = need!(own_postgres);
    let proxy = server.proxy();
    let mut watch = over_tcp(proxy.port(), "qd_read", &password("qd_read"));
    watch.look();
    proxy.pause();
    assert_eq!(fails(&mut watch).what, "no answer");
    proxy.open();
    recovers(&mut watch);
    proxy.cut();
    let error = fails(&mut watch);
    assert!(error.what.contains(&proxy.port().to_string()), "{}", error.what);
    proxy.open();
    recovers(&mut watch);
}

#[test]
fn a_session_that_somebody_ended_is_opened_again_without_a_word() {
    let server = need!(own_postgres);
    let mut watch = Watch::of(&server, "qd_read");
    let own = watch.look().sessions.iter().find(|session| session.own).unwrap().pid;
    server.run(&format!("select pg_terminate_backend({own}, 5000)"));
    let again = watch.look();
    assert!(again.session(own).is_none() && again.sessions.iter().any(|session| session.own));
}

/// Answers every connection with these bytes.
fn liar(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(&answer);
        }
    });
    port
}

#[test]
fn what_is_no_postgresql_is_said_to_be_none() {
    let length = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    let lies = [
        ("a web server", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("nothing", Vec::new()),
        ("half a message", length(b'R', 8)),
        ("a message of a length below zero", length(b'R', u32::MAX)),
        ("a message of no length", length(b'R', 0)),
        ("ten million bytes", [length(b'E', 10_000_000), vec![b'x'; 10_000_000]].concat()),
        ("noise", (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ];
    for (name, lie) in lies {
        let port = liar(lie);
        let error = fails(&mut over_tcp(port, "qd_read", "x"));
        assert!(
            error.what.contains(&format!("127.0.0.1:{port}")) || error.what == "no answer",
            "{name}: {}",
            error.what
        );
        assert!(error.what.len() < 500, "{name}: {} bytes of message", error.what.len());
    }
}

#[test]
fn a_wrong_password_and_a_role_that_may_not_in_are_told_apart() {
    let server = need!(own_postgres);
    let error = fails(&mut over_tcp(server.port, "qd_read", "wrong-hunter3"));
    assert!(error.what.contains("password authentication failed for user \"qd_read\" (28P01)"), "{}", error.what);
    assert!(error.hint.contains("password in [postgres.primary]") && !error.to_string().contains("hunter3"));
    server.run("alter role web nologin");
    let error = fails(&mut Watch::of(&server, "web"));
    assert!(error.what.contains("is not permitted to log in (28000)"), "{}", error.what);
    let hba = server.column("show hba_file").remove(0);
    let rules = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("host all qd_read all reject\n{rules}")).unwrap();
    server.run("select pg_reload_conf()");
    let rejected = || over_tcp(server.port, "qd_read", &password("qd_read")).try_look(TIMEOUT).err();
    let error = poll(LIMIT, rejected).expect("the rule is in force");
    assert!(error.what.contains("pg_hba.conf") && error.hint.contains("see pg_hba.conf"), "{error}");
}

/// Takes every connection that an ordinary user can get. Who counts them is connected too.
fn fill(server: &Postgres) -> Vec<crate::lab::postgres::Session<'_>> {
    let mut taken = Vec::new();
    let free =
        || server.column("select (98 - count(*))::text from pg_stat_activity where backend_type = 'client backend'");
    while free().pop().and_then(|left| left.parse::<i64>().ok()).is_some_and(|left| left > 0) {
        taken.push(server.session("web", "pool"));
    }
    taken
}

#[test]
fn when_every_connection_is_taken_it_still_sees_who_took_them() {
    let server = need!(own_postgres);
    let mut watch = Watch::of(&server, "qd_read");
    watch.look();
    let taken = fill(&server);
    let late = fails(&mut Watch::of(&server, "qd_read"));
    assert!(late.what.ends_with("(53300)") && late.hint.contains("that may be the incident"), "{late}");
    let database = watch.look();
    let idle = database.sessions.iter().filter(|s| s.application == "pool" && s.state == SessionState::Idle).count();
    assert_eq!(idle, taken.len());
    assert!(database.fullness() >= 0.99, "{}", database.fullness());
    let troubles = database.troubles(&quarterdeck::domain::Limits::default());
    assert!(troubles[0].what.contains("of 97 connections are taken"), "{troubles:?}");
}

#[test]
fn a_statement_that_takes_too_long_rests_and_the_sessions_stay() {
    let server = need!(own_postgres);
    let idle = server.session("web", "pool");
    let slow = "create or replace view pg_catalog.pg_prepared_xacts as \
                select p.transaction, p.gid, p.prepared, u.rolname as owner, d.datname as database \
                from pg_sleep(60) s, pg_prepared_xact() p(transaction, gid, prepared, ownerid, dbid) \
                left join pg_authid u on p.ownerid = u.oid left join pg_database d on p.dbid = d.oid";
    server.run(&format!("set allow_system_table_mods = on; {slow}"));
    let dsn = socket_dsn(&server.socket, server.port, "qd_read");
    let settings = Settings { dsn: Some(dsn), timeout: Duration::from_secs(5), ..Settings::default() };
    let mut watch = Watch::new(&settings);
    let said = "which transactions are prepared is not known: the server took longer than 1000 ms; \
                it is asked again after 5 minutes";
    let mut times = Vec::new();
    for _ in 0..2 {
        let started = Instant::now();
        let database = watch.try_look(settings.timeout).unwrap();
        times.push(started.elapsed());
        assert!(database.session(idle.pid).is_some() && !database.databases.is_empty());
        assert_eq!(database.hidden, [said]);
    }
    assert!(times[0] >= Duration::from_secs(1) && times[1] < Duration::from_secs(1), "it rests: {times:?}");
}
