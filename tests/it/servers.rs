//! Servers, from real services to rows: a Prometheus with a node_exporter, this machine itself, and what the config names.

use crate::desk::Desk;
use crate::lab::fault::Proxy;
use crate::lab::need;
use quarterdeck::config;
use quarterdeck::connect::Connections;
use quarterdeck::domain::{Limits, Server, Severity, Snapshot, SourceId};
use quarterdeck::sources::Source;
use std::time::Duration;

/// The servers' part of a Prometheus on a port of loopback, and the ways out that it uses.
fn source(port: u16, more: &str) -> (Box<dyn Source>, Connections) {
    let text = format!("[prometheus.main]\nurl = \"http://127.0.0.1:{port}\"\ntimeout = \"2s\"\n{more}\n");
    let config = config::parse("test.toml", &text).unwrap();
    let mut connections = Connections::default();
    let id = SourceId::new("prometheus", "main");
    let settings = &config.sources[0].settings;
    let at = settings.parts().iter().position(|part| part.suffix == Some("servers")).unwrap();
    (settings.open(&id, &mut connections).unwrap().remove(at), connections)
}

async fn poll(source: &mut dyn Source) -> Vec<Server> {
    match source.poll().await.unwrap() {
        Snapshot::Servers(servers) => servers,
        other => panic!("{other:?}"),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_prometheus_tells_every_figure_of_what_it_scrapes_and_who_is_down_and_why() {
    let lab = need!(nodes);
    let (mut source, _) = source(lab.prometheus, "");
    let servers = poll(&mut *source).await;
    assert_eq!(servers.len(), 2, "Prometheus itself is no server: {servers:?}");
    let server = servers.iter().find(|server| server.name == hostname()).unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(server.cores as usize >= cores && server.cpu.is_some_and(|cpu| (0.0..=1.0).contains(&cpu)), "{server:?}");
    assert!(server.memory.is_some_and(|memory| memory.used > 0 && memory.used < memory.total));
    assert!(server.load.is_some() && server.swap.is_some() && server.network.is_some() && server.disk_io.is_some());
    assert!(server.clock_skew.is_some_and(|skew| skew.abs() < 2.0), "{:?}", server.clock_skew);
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!((server.uptime.unwrap().as_secs_f64() - uptime).abs() < 30.0);
    assert!(server.system.as_deref().is_some_and(|system| system.starts_with("Linux")));
    assert!(server.notes.is_empty(), "{:?}", server.notes);
    let down = servers.iter().find(|server| server.name != hostname()).unwrap();
    assert_eq!(down.judge(&Limits::default()), (Severity::Critical, "down"));
    assert!(down.reach[0].why.contains("connection refused"), "{:?}", down.reach);
    assert_eq!(down.labels["instance"], format!("127.0.0.1:{}", lab.dead));
}

#[tokio::test]
async fn every_chart_of_a_server_has_a_past_there() {
    let lab = need!(nodes);
    let (mut source, connections) = source(lab.prometheus, "");
    let servers = poll(&mut *source).await;
    let past = servers.into_iter().find(|server| server.name == hostname()).unwrap().past.unwrap();
    let prometheus = connections.prometheus(past.source.name()).unwrap();
    for query in [past.cpu(), past.memory(), past.load(), past.received(), past.sent(), past.disk()] {
        let series = prometheus.range(&query, Duration::from_mins(2)).await.unwrap();
        assert_eq!(series.of, 1, "{query}");
        assert!(series.points.iter().any(|point| point.is_finite()), "{query}");
    }
}

#[tokio::test]
async fn matchers_choose_which_targets_are_servers() {
    let lab = need!(nodes);
    let (mut all_of_them, _) = source(lab.prometheus, "servers = 'job=\"node\"'");
    assert_eq!(poll(&mut *all_of_them).await.len(), 2);
    let (mut one, _) = source(lab.prometheus, &format!("servers = 'instance=\"127.0.0.1:{}\"'", lab.exporter));
    assert_eq!(poll(&mut *one).await.len(), 1);
    let (mut none, _) = source(lab.prometheus, "servers = 'job=\"nothing\"'");
    assert_eq!(poll(&mut *none).await, []);
    let (mut wrong, _) = source(lab.prometheus, "servers = 'job=~\"(\"'");
    let error = wrong.poll().await.unwrap_err();
    assert!(error.what.contains("answers 400: ") && error.hint.contains("expression"), "{error}");
}

#[tokio::test]
async fn a_prometheus_that_hangs_or_is_cut_fails_in_words_and_comes_back() {
    let lab = need!(nodes);
    let proxy = Proxy::tcp(lab.prometheus);
    let (mut source, _) = source(proxy.port(), "");
    assert_eq!(poll(&mut *source).await.len(), 2);
    proxy.pause();
    let error = source.poll().await.unwrap_err();
    assert!(error.what.contains("it does not answer in time ("), "{error}");
    proxy.cut();
    assert!(source.poll().await.is_err());
    proxy.open();
    assert_eq!(poll(&mut *source).await.len(), 2);
}

/// This machine, known by Prometheus, directly and by its health address, is one row; a named one that nobody answers for
/// has its own.
#[test]
fn whoever_knows_a_server_it_is_one_row() {
    let (lab, web) = (need!(nodes), need!(web));
    let config = format!(
        "[[server]]\nname = \"{host}\"\nroles = [\"bastion\"]\nhealth = \"http://127.0.0.1:{port}/health\"\n\
         status = {{ url = \"http://127.0.0.1:{port}/status.json\", columns = {{ players = \"/player_count\" }} }}\n\
         [[server]]\nname = \"game-9\"\n\
         [[server]]\nname = \"sick\"\nhealth = \"http://127.0.0.1:{port}/sick\"\n\
         [local.host]\n[prometheus.main]\nurl = \"http://127.0.0.1:{prometheus}\"\nservers_interval = \"1s\"\n",
        host = hostname(),
        port = web.port,
        prometheus = lab.prometheus,
    );
    let output = Desk::with(&config).run(&["snapshot", "servers"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |name: &str| {
        // The title names sources, too.
        let rows: Vec<&str> =
            text.lines().skip(1).filter(|line| line.split_whitespace().any(|word| word == name)).collect();
        assert_eq!(rows.len(), 1, "{name} in\n{text}");
        rows[0].to_owned()
    };
    assert!(row(&hostname()).contains(" 212 "), "{text}");
    assert!(row("game-9").contains("unknown") && row("sick").contains("DOWN"), "{text}");
    assert!(row("127.0.0.1").contains("DOWN") && text.contains("PLAYERS"), "{text}");
    assert!(text.contains("4 in all  2 DOWN"), "{text}");
    let output = Desk::with(&config).run(&["snapshot", "servers", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let servers = json["servers"].as_array().unwrap();
    let joined = servers.iter().find(|server| server["name"] == hostname().as_str()).unwrap();
    assert_eq!((servers.len(), &joined["roles"][0], &joined["columns"][0][1]), (4, &"bastion".into(), &"212".into()));
    assert!(joined["cpu"].is_number() && joined["reach"].as_array().unwrap().len() == 2, "{joined}");
    let sick = servers.iter().find(|server| server["name"] == "sick").unwrap();
    assert_eq!((&sick["severity"], &sick["why"]), (&"critical".into(), &"down".into()));
}
