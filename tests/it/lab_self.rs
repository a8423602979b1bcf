//! The lab's promises: each service comes up, holds the fixtures, fails when told to, and is gone afterwards.

use crate::lab::cloud::{Cloud, UNKNOWN_CALL};
use crate::lab::docker::{IMAGE, LABEL, is_static};
use crate::lab::fault::{Hung, Proxy};
use crate::lab::postgres::{DATABASE, Postgres, password, statements, url};
use crate::lab::scripted::{Say, Scripted};
use crate::lab::{self, http, monitoring, need, poll, service};
use sqlx::Connection;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_scripted_service_says_what_it_should_and_keeps_what_it_was_asked() {
    let service = Scripted::start(|path| if path == "/gone" { Say::Nothing } else { Say::Moved("/there".to_owned()) });
    let answer = http::post(service.port(), "/here", &serde_json::json!({"a": 1})).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (302, ""));
    assert!(http::get(service.port(), "/gone").is_err());
    let [post, gone] = service.requests().try_into().unwrap();
    assert!(post.starts_with("POST /here ") && post.ends_with("\n\n{\"a\":1}"), "{post}");
    assert!(gone.starts_with("GET /gone "), "{gone}");
}

#[test]
fn a_stand_in_for_a_cloud_answers_what_is_expected_and_refuses_the_rest() {
    let cloud = Cloud::new(&["aws", "gh"]);
    let say = |program: &str, words: &[&str]| {
        let said = Command::new(cloud.bin().join(program)).args(words).output().unwrap();
        (said.status.code().unwrap(), String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap())
    };
    cloud.answers(&["aws", "ec2", "describe"], "stopping\n");
    cloud.ends(&["aws", "ec2", "describe"], "stopped\n", "at last\n", 3);
    assert_eq!(say("aws", &["ec2", "describe"]), (0, "stopping\n".to_owned(), String::new()));
    let last = (3, "stopped\n".to_owned(), "at last\n".to_owned());
    assert_eq!([say("aws", &["ec2", "describe"]), say("aws", &["ec2", "describe"])], [last.clone(), last]);
    let (code, _, said) = say("gh", &["ec2", "describe", "a b\nc"]);
    assert_eq!(
        (code, said.as_str()),
        (i32::from(UNKNOWN_CALL), "stand-in: nobody expects  gh 'ec2' 'describe' 'a b\nc'\n")
    );
    assert_eq!(cloud.calls().last().unwrap(), &["gh", "ec2", "describe", "a b\nc"]);
    assert_eq!(cloud.called("aws"), ["aws ec2 describe"; 3]);
    cloud.answers(&["gh", "run", "at *"], "seen");
    assert_eq!([say("gh", &["run", "at 03:00"]).0, say("gh", &["runs", "at 03:00"]).0], [0, i32::from(UNKNOWN_CALL)]);
}

#[test]
fn containers_come_as_described_and_go() {
    let docker = need!(docker);
    let web = docker.container("web").compose("shop", "api").option("--memory=64m").with_health().start();
    let seen = web.inspect();
    assert_eq!(seen["Name"], format!("/{}", web.name));
    assert_eq!(seen["Config"]["Image"], IMAGE);
    assert_eq!(seen["Config"]["Labels"][LABEL], service::owner());
    assert_eq!(seen["Config"]["Labels"]["com.docker.compose.project"], "shop");
    assert_eq!(seen["Config"]["Labels"]["com.docker.compose.service"], "api");
    assert_eq!(seen["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(web.state(), "running");
    web.wait_event("health_status: healthy", LIMIT);
    web.exec("touch /sick");
    web.wait_event("health_status: unhealthy", LIMIT);
    let (id, name) = (web.id.clone(), web.name.clone());
    drop(web);
    assert_eq!(docker.cli(&["ps", "-aq", "--no-trunc", "--filter", &format!("id={id}")]), "");
    assert_ne!(docker.container("web").named(&name).start().id, id, "its name is free again");
}

#[test]
fn containers_end_as_described() {
    let docker = need!(docker);
    let polite = docker.container("polite").start();
    let before = polite.started_at();
    polite.act("restart");
    assert_ne!(polite.started_at(), before);
    polite.act("stop");
    assert_eq!(polite.inspect()["State"]["ExitCode"], 0);
    let broken = docker.container("broken").exits(3).start();
    broken.wait_event("die", LIMIT);
    assert_eq!(broken.inspect()["State"]["ExitCode"], 3);
    assert_eq!(broken.state(), "exited");
    let deaf = docker.container("deaf").ignores_term().start();
    docker.cli(&["stop", "--time=1", &deaf.id]);
    assert_eq!(deaf.inspect()["State"]["ExitCode"], 137, "only SIGKILL stopped it");
}

#[test]
fn containers_in_trouble_stay_in_it() {
    let docker = need!(docker);
    let (sick, looping) =
        (docker.container("sick").unhealthy().start(), docker.container("looping").restarts().start());
    sick.wait_health("unhealthy", LIMIT);
    assert_eq!(sick.state(), "running");
    looping.wait_state("restarting", LIMIT);
    assert!(poll(LIMIT, || looping.inspect()["RestartCount"].as_u64().filter(|count| *count > 1)).is_some());
}

#[test]
fn a_static_binary_is_told_by_its_headers() {
    let header = |kinds: &[u8]| {
        let mut binary = vec![0; 64 + kinds.len() * 56];
        binary[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (binary[32], binary[54], binary[56]) = (64, 56, u8::try_from(kinds.len()).unwrap());
        kinds.iter().enumerate().for_each(|(place, kind)| binary[64 + place * 56] = *kind);
        binary
    };
    assert!(is_static(&[header(&[1, 1]), b"ld-linux-x86-64.so.2".to_vec()].concat()));
    assert!(!is_static(&header(&[6, 3, 1])), "it asks for a loader");
    assert!(!is_static(&header(&[1, 1])[..100]), "it is cut off");
    assert!(!is_static(b"#!/bin/sh\n"));
}

#[test]
fn a_port_is_handed_out_once() {
    let ports: std::collections::BTreeSet<u16> = (0..50).map(|_| service::free_port()).collect();
    assert_eq!(ports.len(), 50);
}

#[test]
fn a_failed_wait_at_a_proxy_is_a_panic_and_no_more() {
    let wait = || Hung::tcp().wait_connections(1, Duration::ZERO);
    let complaint = std::panic::catch_unwind(wait).expect_err("nobody connected");
    assert!(complaint.downcast_ref::<String>().unwrap().starts_with("connection 1 did not happen"));
}

#[test]
fn the_engine_answers_other_clients_too() {
    let docker = need!(docker);
    let container = docker.container("seen").start();
    assert_eq!(docker.host(), format!("unix://{}", docker.socket.display()));
    let path = docker.socket.to_str().unwrap();
    let engine = bollard::Docker::connect_with_unix(path, 5, bollard::API_DEFAULT_VERSION).unwrap();
    let seen = lab::wait(async {
        let engine = engine.negotiate_version().await?;
        engine.inspect_container(&container.id, None).await
    });
    assert_eq!(seen.unwrap().id.as_deref(), Some(container.id.as_str()));
    let all = http::get_unix(&docker.socket, "/containers/json").unwrap().json();
    assert!(all.as_array().unwrap().iter().any(|one| one["Id"] == container.id.as_str()));
    if docker.is_private() {
        assert_ne!(docker.socket, std::path::Path::new("/var/run/docker.sock"));
    }
}

#[test]
fn an_engine_can_be_made_to_hang_and_to_die() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let ping = |socket: &std::path::Path| http::get_unix(socket, "/_ping");
    assert_eq!(ping(proxy.socket()).unwrap().status, 200);
    assert!(proxy.sent().starts_with("GET /_ping"), "{}", proxy.sent());
    proxy.hold_at("GET /version");
    let held = std::thread::scope(|scope| {
        let asked = scope.spawn(|| http::get_unix(proxy.socket(), "/version").unwrap());
        proxy.wait_sprung(LIMIT);
        let held = !asked.is_finished();
        proxy.open();
        assert_eq!(asked.join().unwrap().status, 200, "what was held back goes on");
        held
    });
    assert!(held, "the request was held");
    proxy.cut();
    assert!(ping(proxy.socket()).is_err());
    proxy.open();
    assert_eq!(ping(proxy.socket()).unwrap().status, 200);
}

#[test]
fn sessions_come_as_described_and_go() {
    let server = need!(postgres);
    let mut idle = server.sessions(3, "app", "lab-self");
    for session in &idle {
        assert_eq!(server.state(session.pid).as_deref(), Some("idle"));
        assert!(session.is_alive());
    }
    idle[0].work();
    assert_eq!(server.state(idle[0].pid).as_deref(), Some("active"));
    let (holding, active) = (server.idle_in_transaction("app", "lab-self"), server.active("app", "lab-self"));
    assert_eq!(server.state(holding.pid).as_deref(), Some("idle in transaction"));
    assert_eq!(server.state(active.pid).as_deref(), Some("active"));
    let kill = format!("select pg_terminate_backend({})::text", idle[2].pid);
    assert_eq!(server.column(&kill), ["true"]);
    let pids: Vec<i32> = idle.iter().chain([&holding, &active]).map(|session| session.pid).collect();
    poll(LIMIT, || (!server.is_alive(pids[2])).then_some(())).expect("an ended session is gone");
    drop((idle, holding, active));
    poll(LIMIT, || pids.iter().all(|pid| !server.is_alive(*pid)).then_some(())).expect("dropped sessions are gone");
}

#[test]
fn roles_may_do_what_they_should_and_no_more() {
    let server = need!(postgres);
    let target = server.session("web", "lab-target");
    let state = format!("select state from pg_stat_activity where pid = {}", target.pid);
    assert_eq!(ask(server, "qd_read", &state), Ok("idle".to_owned()));
    let kill = format!("select pg_terminate_backend({})::text", target.pid);
    assert_eq!(ask(server, "qd_read", &kill), Err(FORBIDDEN.to_owned()));
    assert!(target.is_alive());
    assert_eq!(ask(server, "qd_act", &kill), Ok("true".to_owned()));
    let superuser = server.superuser("lab-superuser");
    let kill = format!("select pg_terminate_backend({})::text", superuser.pid);
    assert_eq!(ask(server, "qd_act", &kill), Err(FORBIDDEN.to_owned()));
    assert!(superuser.is_alive());
}

/// The SQLSTATE of a lack of privilege. The words differ between versions.
const FORBIDDEN: &str = "42501";

/// Asks over TCP, with the role's password, for one text; an SQLSTATE when the server refuses.
fn ask(server: &Postgres, role: &str, sql: &str) -> Result<String, String> {
    let url = server.url(role).replacen('@', &format!(":{}@", password(role)), 1) + "?sslmode=disable";
    lab::wait(async {
        let mut connection = sqlx::PgConnection::connect(&url).await?;
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await
    })
    .map_err(|why: sqlx::Error| match why.as_database_error().and_then(sqlx::error::DatabaseError::code) {
        Some(code) => code.into_owned(),
        None => why.to_string(),
    })
}

#[test]
fn a_password_is_asked_over_tcp_and_none_on_the_socket() {
    let server = need!(postgres);
    let tcp = server.url("app") + "?sslmode=disable";
    let refused = lab::wait(async { sqlx::PgConnection::connect(&tcp).await }).unwrap_err().to_string();
    assert!(refused.contains("password"), "{refused}");
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "-c", "select current_user || '@' || current_database()"]);
    psql.envs(server.environment("app"));
    let answer = psql.output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap().trim(), format!("app@{DATABASE}"));
}

#[test]
fn every_statement_is_in_the_log_under_its_role() {
    let server = need!(own_postgres);
    let mut session = server.session("web", "lab-log");
    session.run("select 'one',\n  'two'");
    assert!(server.statements("web").contains(&"select 'one', 'two'".to_owned()), "{:?}", server.statements("web"));
    assert!(!server.statements("app").iter().any(|sql| sql.contains("one")));
    let log = "2026-11-24 20:00:00.0 UTC [7] <web> LOG:  statement: select 1\n\t+ 1\n\
               2026-11-24 20:00:00.0 UTC [7] <web> ERROR:  no\n\tmore\n\
               2026-11-24 20:00:00.0 UTC [7] <app> LOG:  execute sqlx_s_1: select 2\n";
    assert_eq!(statements(log, "web"), ["select 1 + 1"]);
    assert_eq!(statements(log, "app"), ["select 2"]);
}

#[test]
fn a_server_of_ones_own_is_empty_and_has_a_replication_session_on_demand() {
    let server = need!(own_postgres);
    let others =
        "select usename::text from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    poll(LIMIT, || server.column(others).is_empty().then_some(())).expect("a fresh server has no session");
    let replica = server.replication();
    let kind = format!("select backend_type from pg_stat_activity where pid = {}", replica.pid);
    assert_eq!(server.column(&kind), ["walsender"]);
    let pid = replica.pid;
    drop(replica);
    poll(LIMIT, || (!server.is_alive(pid)).then_some(())).expect("a dropped replication session is gone");
}

#[test]
fn a_database_can_lose_the_answer_to_a_statement_that_it_ran() {
    let server = need!(own_postgres);
    server.run("create table done (at timestamptz)");
    server.run("grant insert on done to app");
    let proxy = server.proxy();
    let through = url("app", proxy.port()).replacen('@', &format!(":{}@", password("app")), 1) + "?sslmode=disable";
    proxy.lose_answer_to("insert into done");
    let answer = lab::wait(async {
        let mut connection = sqlx::PgConnection::connect(&through).await?;
        sqlx::raw_sql("insert into done values (now())").execute(&mut connection).await
    });
    assert!(answer.is_err(), "the answer is lost");
    proxy.wait_sprung(LIMIT);
    let count = || server.column("select count(*)::text from done").pop();
    assert_eq!(poll(LIMIT, || count().filter(|count| count == "1")).as_deref(), Some("1"), "the statement ran");
}

#[test]
fn a_database_can_be_dead_from_the_answer_on_to_a_statement_that_it_ran() {
    let server = need!(own_postgres);
    server.run("create table last (at timestamptz)");
    server.run("grant insert on last to app");
    let proxy = server.proxy();
    let through = url("app", proxy.port()).replacen('@', &format!(":{}@", password("app")), 1) + "?sslmode=disable";
    proxy.die_at_answer_to("insert into last");
    lab::wait(async {
        let mut connection = sqlx::PgConnection::connect(&through).await.unwrap();
        let answer = sqlx::raw_sql("insert into last values (now())").execute(&mut connection).await;
        assert!(answer.is_err(), "the answer is lost");
        proxy.wait_sprung(LIMIT);
        assert!(sqlx::PgConnection::connect(&through).await.is_err(), "and it is dead");
    });
    assert_eq!(server.column("select count(*)::text from last"), ["1"], "when it dies the statement has run");
    proxy.open();
    assert!(lab::wait(sqlx::PgConnection::connect(&through)).is_ok());
}

#[test]
fn alerts_are_in_every_state_that_matters() {
    let lab = need!(monitoring);
    assert_eq!(lab.in_prometheus(monitoring::FIRING).as_deref(), Some("firing"));
    assert_eq!(lab.in_prometheus(monitoring::SILENCED).as_deref(), Some("firing"));
    assert_eq!(lab.in_prometheus(monitoring::PENDING).as_deref(), Some("pending"));
    assert_eq!(lab.in_alertmanager(monitoring::FIRING).as_deref(), Some("active"));
    assert_eq!(lab.in_alertmanager(monitoring::SILENCED).as_deref(), Some("suppressed"));
    assert_eq!(lab.in_alertmanager(monitoring::PENDING), None);
    let silences = http::get(lab.alertmanager, "/api/v2/silences").unwrap().json();
    assert_eq!(silences[0]["id"], lab.silence.as_str());
    assert_eq!(silences[0]["comment"], monitoring::SILENCE_COMMENT);
    let up = || {
        http::get(lab.prometheus, "/api/v1/query?query=up").ok()?.json()["data"]["result"][0]["value"][1]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(poll(LIMIT, || up().filter(|value| value == "1")).as_deref(), Some("1"), "it scrapes itself");
}

#[test]
fn a_hung_server_takes_connections_and_says_nothing() {
    let server = Hung::tcp();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    server.wait_connections(1, LIMIT);
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    client.write_all(b"hello").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let server = Hung::unix();
    let _client = UnixStream::connect(server.socket()).unwrap();
    server.wait_connections(1, LIMIT);
}

#[test]
fn a_paused_proxy_holds_everything_and_a_cut_one_ends_it() {
    let echo = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = echo.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = echo.accept() {
            std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let proxy = Proxy::tcp(port);
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    let mut answer = [0; 3];
    client.write_all(b"one").unwrap();
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"one");
    proxy.pause();
    client.write_all(b"two").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(client.read(&mut answer).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    proxy.open();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"two");
    proxy.cut();
    assert_eq!(client.read(&mut answer).unwrap_or_default(), 0, "the connection has ended");
    let mut late = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    assert_eq!(late.read(&mut answer).unwrap_or_default(), 0, "a new one ends at once");
    proxy.wait_connections(2, LIMIT);
    assert_eq!(proxy.sent(), "onetwo");
}

#[test]
fn a_skipped_test_is_named_once() {
    fn here() {}
    let line = lab::skip_line(std::any::type_name_of_val(&here), "a Docker Engine: none");
    assert_eq!(line, "SKIPPED: lab_self::a_skipped_test_is_named_once: needs a Docker Engine: none\n");
}

#[test]
fn only_what_a_dead_process_left_is_taken_away() {
    let mine = service::owner();
    assert!(!service::is_dead(&mine));
    let parts: Vec<&str> = mine.split('.').collect();
    let with = |place: usize, value: &str| {
        let mut parts = parts.clone();
        parts[place] = value;
        parts.join(".")
    };
    assert!(service::is_dead(&with(0, "00000000")), "another boot");
    assert!(!service::is_dead(&with(1, "1")), "another namespace can't be judged");
    assert!(service::is_dead(&with(2, "999999999")), "no such process");
    assert!(service::is_dead(&with(3, "1")), "the id of a process that ended, used again");
    assert!(!service::is_dead("something else"));
}

/// Not a test of its own: the child of the next one.
#[test]
fn starts_what_must_not_outlive_it() {
    if std::env::var_os("QUARTERDECK_LAB_CHILD").is_none() {
        return;
    }
    let folder = service::folder("child");
    let sleeper = service::Service::start("sleeper", Command::new("sleep").arg("600")).unwrap();
    println!("child: {} {}", sleeper.pid(), folder.display());
    std::io::stdout().flush().unwrap();
    // Until the next test kills it, or is gone itself.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn nothing_outlives_a_test_process_that_is_killed() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "lab_self::starts_what_must_not_outlive_it", "--nocapture"]);
    command.env("QUARTERDECK_LAB_CHILD", "yes").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let line = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("child: ")?.1.to_owned())).unwrap();
    let (pid, folder) = line.split_once(' ').unwrap();
    let runs = || std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
    // The kernel lets the parent go on a moment before the new program has its name.
    poll(LIMIT, || runs().then_some(())).expect("the service runs");
    child.kill().unwrap();
    child.wait().unwrap();
    poll(LIMIT, || (!runs()).then_some(())).expect("the service is gone");
    poll(LIMIT, || (!std::path::Path::new(folder).exists()).then_some(())).expect("the folder is gone");
}
