//! A named server's health and status addresses, on a real web server and on services that refuse, hang, lie and come back.

use crate::lab::fault::{Hung, Proxy};
use crate::lab::need;
use crate::lab::service::free_port;
use quarterdeck::config;
use quarterdeck::connect::Connections;
use quarterdeck::domain::{Limits, Server, Severity, Snapshot};
use quarterdeck::sources::Source;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

/// The source of a server with these further keys.
fn source(keys: &str) -> Box<dyn Source> {
    let text = format!("[[server]]\nname = \"game-1\"\ntimeout = \"500ms\"\n{keys}\n");
    let config = config::parse("test.toml", &text).unwrap();
    let [source] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    source.settings.open(&source.id, &mut Connections::default()).unwrap().remove(0)
}

async fn poll(source: &mut dyn Source) -> Server {
    match source.poll().await.unwrap() {
        Snapshot::Servers(mut servers) => servers.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn ask(keys: &str) -> Server {
    poll(&mut *source(keys)).await
}

fn health(port: u16, path: &str) -> String {
    format!("health = \"http://127.0.0.1:{port}{path}\"")
}

fn status(port: u16, path: &str) -> String {
    format!(
        "status = {{ url = \"http://127.0.0.1:{port}{path}\", columns = {{ players = \"/player_count\", version = \"/build/version\" }} }}"
    )
}

fn judged(server: &Server) -> (Severity, &'static str) {
    server.judge(&Limits::default())
}

#[tokio::test]
async fn a_healthy_server_is_up_with_its_columns() {
    let web = need!(web);
    let server = ask(&format!("{}\n{}", health(web.port, "/health"), status(web.port, "/status.json"))).await;
    let reach = &server.reach[0];
    assert_eq!((server.name.as_str(), reach.by.as_str(), reach.up, reach.code), ("game-1", "health", true, Some(200)));
    assert!(reach.took.is_some());
    let columns: Vec<_> = server.columns.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(columns, [("players", "212"), ("version", "1.4.2")]);
    assert_eq!((judged(&server).0, server.notes.len()), (Severity::Ok, 0));
}

#[tokio::test]
async fn an_error_of_the_health_address_is_an_answer_the_server_is_down() {
    let web = need!(web);
    for (path, code, why) in [
        ("/sick", 503, "it says that it is not well"),
        ("/locked", 401, "it wants a login"),
        ("/gone", 404, "there is no such path"),
    ] {
        let server = ask(&health(web.port, path)).await;
        let reach = &server.reach[0];
        assert_eq!((reach.up, reach.code, reach.why.as_str()), (false, Some(code), why));
        assert_eq!(judged(&server), (Severity::Critical, "down"));
    }
}

#[tokio::test]
async fn one_that_refuses_or_hangs_is_down_in_words_and_in_time() {
    let refused = ask(&health(free_port(), "/health")).await;
    assert_eq!(refused.reach[0].why, "nothing listens there");
    let hung = Hung::tcp();
    let asked = Instant::now();
    let server = ask(&health(hung.port(), "/health")).await;
    assert_eq!(server.reach[0].why, "no answer within 0.5 s");
    assert!(asked.elapsed().as_secs() < 3);
    assert_eq!(judged(&server), (Severity::Critical, "down"));
}

#[tokio::test]
async fn one_that_comes_back_is_up_again() {
    let web = need!(web);
    let proxy = Proxy::tcp(web.port);
    let mut source = source(&health(proxy.port(), "/health"));
    assert!(poll(&mut *source).await.reach[0].up);
    proxy.pause();
    assert_eq!(poll(&mut *source).await.reach[0].why, "no answer within 0.5 s");
    proxy.cut();
    assert!(!poll(&mut *source).await.reach[0].up);
    proxy.open();
    assert!(poll(&mut *source).await.reach[0].up);
}

#[tokio::test]
async fn a_status_that_lies_is_noted_and_the_server_stays_up() {
    let web = need!(web);
    let well = health(web.port, "/health");
    for (path, note) in [
        ("/page", "its answer is not JSON"),
        ("/big", "its answer broke off: it is longer than 1024 KiB"),
        ("/sick", "it answers 503"),
        ("/locked", "it answers 401"),
    ] {
        let server = ask(&format!("{well}\n{}", status(web.port, path))).await;
        let unknown = server.columns.iter().all(|(_, text)| text == "—") && server.silent == ["status"];
        assert!(server.reach[0].up && !server.columns.is_empty() && unknown, "{server:?}");
        assert!(server.notes[0].contains(note), "{:?}", server.notes);
    }
    let server = ask(&format!("{well}\n{}", status(truncating(), "/"))).await;
    assert!(server.reach[0].up && server.notes[0].contains("its answer broke off"), "{server:?}");
}

#[tokio::test]
async fn without_a_health_address_the_status_tells_whether_anybody_is_there() {
    let web = need!(web);
    let server = ask(&status(web.port, "/status.json")).await;
    assert_eq!((server.reach[0].by.as_str(), server.reach[0].up), ("status", true));
    let server = ask(&status(free_port(), "/")).await;
    assert_eq!(judged(&server), (Severity::Critical, "down"));
}

/// A server that promises more than it sends, on a port of loopback.
fn truncating() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"player_count\": 3");
        }
    });
    port
}
