//! Servers asked directly, over SSH and through node_exporter, on the real things: all figures when they are well, and each way of
//! failing in words, with the way back.

use crate::desk::Desk;
use crate::lab::node_exporter::NodeExporter;
use crate::lab::service::{folder, free_port};
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll};
use quarterdeck::connect::{Access, Connections, Endpoint};
use quarterdeck::domain::{Server, SourceError, SourceId};
use quarterdeck::sources::{Settings, Source, node_exporter, ssh};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

async fn ask(source: &mut Box<dyn Source>) -> Result<Server, SourceError> {
    let snapshot = source.poll().await?;
    Ok(snapshot.servers().unwrap()[0].clone())
}

fn over_ssh(sshd: &Sshd, timeout: Duration) -> (Connections, Box<dyn Source>) {
    let settings =
        ssh::Settings { host: Some(HOST.into()), config: Some(sshd.config()), timeout, ..ssh::Settings::default() };
    opened(&settings, "ssh")
}

fn exporter(port: u16, timeout: Duration) -> (Connections, Box<dyn Source>) {
    let url = Endpoint::parse(&format!("http://127.0.0.1:{port}/metrics")).unwrap();
    opened(&node_exporter::Settings { url, interval: timeout, timeout, access: Access::default() }, "node_exporter")
}

fn opened(settings: &dyn Settings, kind: &str) -> (Connections, Box<dyn Source>) {
    let mut connections = Connections::default();
    let mut sources = settings.open(&SourceId::new(kind, "game-1"), &mut connections).unwrap();
    (connections, sources.remove(0))
}

/// What both ways tell of this machine.
fn assert_told(first: &Server, next: &Server) {
    assert_eq!((first.name.as_str(), first.cpu, first.network), ("game-1", None, None), "rates need two readings");
    assert!(next.cpu.is_some_and(|cpu| (0.0..=1.0).contains(&cpu)), "{:?}", next.cpu);
    let memory = next.memory.unwrap();
    assert!(memory.used > 0 && memory.used < memory.total, "{memory:?}");
    assert!(next.cores > 0 && next.swap.is_some() && next.load.is_some() && next.uptime.is_some());
    assert!(next.disks.iter().all(|disk| disk.usage.used <= disk.usage.total) && !next.disks.is_empty());
    assert!(next.clock_skew.is_some_and(|skew| skew.abs() < 2.0), "{:?}", next.clock_skew);
    assert!(next.system.as_ref().is_some_and(|system| system.starts_with("Linux ")));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(next.addresses.last().map(String::as_str), Some(host.trim()));
    assert_eq!(next.oom_kills.is_some(), next.oom_recent.is_some());
    if Path::new("/proc/pressure/io").exists() {
        assert!(next.pressure.is_some());
    }
}

#[tokio::test]
async fn a_server_is_read_over_ssh() {
    let sshd = need!(own_sshd);
    let (connections, mut source) = over_ssh(&sshd, LIMIT);
    let (first, next) = (ask(&mut source).await.unwrap(), ask(&mut source).await.unwrap());
    assert_told(&first, &next);
    assert_eq!(next.notes, Vec::<String>::new());
    assert_eq!(sshd.masters().len(), 1);
    connections.close().await;
    sshd.wait_masters(0);
}

#[tokio::test]
async fn a_server_is_read_from_its_node_exporter() {
    let exporter_ = need!(own_node_exporter);
    let (_connections, mut source) = exporter(exporter_.port, LIMIT);
    let (first, next) = (ask(&mut source).await.unwrap(), ask(&mut source).await.unwrap());
    assert_told(&first, &next);
}

#[tokio::test]
async fn an_exporter_without_one_of_the_collectors_is_asked_for_all_it_has() {
    let exporter_ = match NodeExporter::start(free_port(), &["--no-collector.vmstat"]) {
        Ok(started) => started,
        Err(why) => return crate::lab::skip("it::machines::an_exporter_without_one_of_the_collectors", &why),
    };
    let (_connections, mut source) = exporter(exporter_.port, LIMIT);
    let server = ask(&mut source).await.unwrap();
    assert!(server.memory.is_some() && server.oom_kills.is_none());
}

#[tokio::test]
async fn an_exporter_that_fails_is_told_and_found_again() {
    let exporter_ = need!(own_node_exporter);
    let port = exporter_.port;
    let (_connections, mut source) = exporter(port, Duration::from_secs(2));
    let at = format!("node_exporter at http://127.0.0.1:{port}/metrics");
    ask(&mut source).await.unwrap();
    exporter_.hang();
    assert_eq!(ask(&mut source).await.unwrap_err().what, format!("{at}: it does not answer in time (1.9 s)"));
    exporter_.resume();
    ask(&mut source).await.unwrap();
    drop(exporter_);
    // The first question may still go out on the connection that just ended.
    let gone = format!("{at}: nothing listens there");
    let error = poll_async(async || ask(&mut source).await.err().filter(|error| error.what == gone)).await;
    assert!(error.hint.starts_with("start node_exporter"), "{}", error.hint);
    let _again = NodeExporter::start(port, &[]).unwrap();
    assert!(ask(&mut source).await.unwrap().memory.is_some());
}

#[tokio::test]
async fn an_exporter_behind_a_cut_cable_is_given_up_and_found_again() {
    let (exporter_, scissors) = (need!(own_node_exporter), need!(scissors));
    let (_connections, mut source) = exporter(exporter_.port, Duration::from_secs(2));
    ask(&mut source).await.unwrap();
    let cut = scissors.cut(exporter_.port);
    assert!(ask(&mut source).await.unwrap_err().what.contains("it does not answer in time ("));
    drop(cut);
    let back = poll_async(async || ask(&mut source).await.ok()).await;
    assert!(back.memory.is_some());
}

/// Asks until there is an answer.
async fn poll_async<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "no answer within {LIMIT:?}");
    }
}

/// A server that gives everybody the same answer, after a while.
fn liar(answer: Vec<u8>, after: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            std::thread::sleep(after);
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn an_exporter_that_lies_is_found_out() {
    let short = http("200 OK", "node_load1 0.5\n").iter().copied().take(45).collect();
    let huge = http("200 OK", &"x".repeat(10 << 20));
    let told = [
        (http("401 Unauthorized", "no"), "answers 401: no"),
        (http("503 Service Unavailable", "<html>"), "answers 503"),
        (
            http("200 OK", "<html>\n<body>Please log in</body>\n"),
            "does not answer as node_exporter does: nothing in the answer is a figure of a machine",
        ),
        (http("200 OK", "node_load1 0.5\nnode_lo"), "breaks off in the middle of a line"),
        (http("200 OK", "node_load1 0.5\nnode_load5 7"), "breaks off in the middle of a line"),
        (short, "127.0.0.1"),
        (huge, "nothing in the answer is a figure of a machine"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "127.0.0.1"),
    ];
    for (answer, expected) in told {
        let (_connections, mut source) = exporter(liar(answer, Duration::ZERO), LIMIT);
        let error = ask(&mut source).await.unwrap_err();
        assert!(error.what.contains(expected), "{}", error.what);
        assert!(!error.hint.is_empty());
    }
    let slow = liar(http("200 OK", "node_load1 0.5\n"), Duration::from_secs(5));
    assert!(ask(&mut exporter(slow, Duration::from_secs(1)).1).await.unwrap_err().what.contains("in time"));
    assert!(ask(&mut exporter(slow, LIMIT).1).await.is_ok(), "slow is not wrong");
}

#[tokio::test]
async fn a_login_without_a_shell_and_one_that_lies_are_found_out() {
    let sshd = need!(own_sshd);
    let told = [
        ("echo This account is closed; exit 1", "gave no figures: it says \"This account is closed\""),
        ("exit 3", "gave no figures: its shell ended with 3 and said nothing"),
        ("head -c 10000000 /dev/zero", "sent more than 256 KiB instead of its figures"),
        ("echo '@@ date'; echo 1.0; echo '@@ uptime'", "broke off in the middle of its answer"),
    ];
    for (command, expected) in told {
        sshd.force(command);
        let (connections, mut source) = over_ssh(&sshd, LIMIT);
        let error = ask(&mut source).await.unwrap_err();
        assert_eq!(error.what, format!("the server at {HOST} {expected}"));
        connections.close().await;
    }
    sshd.force("sleep 30; exec sh -s");
    let error = ask(&mut over_ssh(&sshd, Duration::from_secs(6)).1).await.unwrap_err();
    assert!(error.what.starts_with(&format!("the server at {HOST} took the command")), "{}", error.what);
    sshd.force("sleep 2; exec sh -s");
    assert!(ask(&mut over_ssh(&sshd, LIMIT).1).await.is_ok(), "slow is not wrong");
}

#[tokio::test]
async fn a_filesystem_that_hangs_costs_the_disks_alone_and_df_is_spared() {
    let sshd = need!(own_sshd);
    let tools = folder("tools");
    let (df, calls) = (tools.join("df"), tools.join("calls"));
    fs::write(&df, format!("#!/bin/sh\necho df >>{}\nexec sleep 60\n", calls.display())).unwrap();
    fs::set_permissions(&df, fs::Permissions::from_mode(0o755)).unwrap();
    sshd.force(&format!("PATH={}:$PATH exec sh -s", tools.display()));
    let (_connections, mut source) = over_ssh(&sshd, LIMIT);
    for _ in 0..2 {
        let server = ask(&mut source).await.unwrap();
        assert!(server.memory.is_some() && server.disks.is_empty());
        assert!(server.notes[0].contains("a mounted filesystem hangs"), "{:?}", server.notes);
    }
    let calls = fs::read_to_string(calls).unwrap();
    assert_eq!(calls.lines().count(), 2, "blocks and inodes, and not again for a minute");
}

/// A home whose config has the lab's server in it.
fn desk(sshd: &Sshd) -> Desk {
    Desk::with(&format!(
        "[ssh.game-1]\nhost = \"{HOST}\"\nconfig = \"{}\"\ninterval = \"1s\"\n",
        sshd.config().display()
    ))
}

#[test]
fn the_program_leaves_no_connection_behind() {
    let sshd = need!(own_sshd);
    let desk = desk(&sshd);
    let snapshot = desk.run(&["snapshot", "servers", "--json"]);
    let text = String::from_utf8(snapshot.stdout).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let server = &whole["sources"][0]["data"][0];
    assert!(server["cpu"].is_number() && server["disks"][0]["mount"].is_string(), "{text}");
    sshd.wait_masters(0);
    sshd.turn_away();
    let check = desk.run(&["check"]);
    let text = String::from_utf8(check.stdout).unwrap();
    assert!(
        !check.status.success() && text.contains("was refused (publickey)") && text.contains("ssh-add -l"),
        "{text}"
    );
}

#[test]
fn the_dashboard_closes_its_connections_when_it_is_left() {
    let sshd = need!(own_sshd);
    let screen = desk(&sshd).start();
    sshd.wait_masters(1);
    screen.wait_text("game-1");
    crate::desk::quit(screen);
    sshd.wait_masters(0);
}

/// Killed, the program can close nothing: the connection ends by itself when it was idle for a minute.
#[test]
#[ignore = "long: more than a minute"]
fn long_a_killed_dashboard_leaves_its_connection_for_a_minute_at_most() {
    let sshd = need!(own_sshd);
    let desk = desk(&sshd);
    let screen = desk.start();
    screen.wait_text("game-1");
    sshd.wait_masters(1);
    screen.signal(rustix::process::Signal::KILL);
    let gone = poll(Duration::from_secs(90), || sshd.masters().is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", sshd.masters());
}
