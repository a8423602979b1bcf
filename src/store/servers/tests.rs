use super::*;
use crate::domain::{Reach, Sample, SourceError, Usage};
use crate::store::Store;
use std::time::Duration;

fn now(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall: "2026-11-25T03:00:00Z".parse().unwrap() }
}

fn id(text: &str) -> SourceId {
    let (kind, name) = text.split_once('/').unwrap();
    SourceId::new(kind, name)
}

fn store(feeds: &[&str], named: Vec<Named>) -> Store {
    let feed = |text: &&str| Feed::new(id(text), Subject::Servers, Duration::from_secs(5));
    Store::new(feeds.iter().map(feed).collect()).with_servers(named, now(0))
}

fn named(name: &str, address: &str, feeds: &[&str]) -> Named {
    let server = Server { roles: vec!["game".into()], ..server(name, &[address]) };
    Named { server, feeds: feeds.iter().map(|text| id(text)).collect() }
}

fn server(name: &str, addresses: &[&str]) -> Server {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    Server { name: name.to_owned(), addresses, ..Server::default() }
}

fn tell(store: &mut Store, feed: &str, at: u64, servers: Vec<Server>) {
    let outcome = Ok(Arc::new(Snapshot::Servers(servers)));
    store.apply(Sample { source: id(feed), at: now(at), took: Duration::ZERO, outcome });
}

fn fail(store: &mut Store, feed: &str, at: u64) {
    let outcome = Err(SourceError::new("nothing listens there", "start it"));
    store.apply(Sample { source: id(feed), at: now(at), took: Duration::ZERO, outcome });
}

fn rows<'a>(store: &'a Store, feed: &str) -> Vec<&'a Server> {
    store.servers(store.feed(&id(feed)).unwrap()).iter().map(|row| &**row).collect()
}

fn memory(used: u64) -> Usage {
    Usage { used, total: 100 }
}

#[test]
fn what_one_source_alone_tells_is_not_copied() {
    let mut store = store(&["prometheus/a"], Vec::new());
    let snapshot = Arc::new(Snapshot::Servers(vec![server("game-1", &[]), server("game-2", &[])]));
    let outcome = Ok(Arc::clone(&snapshot));
    store.apply(Sample { source: id("prometheus/a"), at: now(1), took: Duration::ZERO, outcome });
    assert_eq!(rows(&store, "prometheus/a").len(), 2);
    assert!(std::ptr::eq(rows(&store, "prometheus/a")[1], &raw const snapshot.servers().unwrap()[1]));
}

#[test]
fn a_named_server_has_a_row_before_anybody_answers() {
    let store = store(&["prometheus/a", "ssh/game-1"], vec![named("game-1", "10.0.1.4", &["ssh/game-1"])]);
    let row = rows(&store, "ssh/game-1")[0];
    assert_eq!((row.name.as_str(), row.roles.len(), row.silent.len()), ("game-1", 1, 0));
    assert_eq!(store.all_servers().count(), 1);
}

#[test]
fn one_machine_is_one_row_by_name_or_address_with_what_each_knows_first() {
    let mut store = store(
        &["ssh/game-1", "prometheus/a", "http_status/game-1"],
        vec![named("game-1", "10.0.1.4", &["ssh/game-1"])],
    );
    let seen = Server { cpu: Some(0.2), memory: Some(memory(50)), ..server("ip-10-0-1-4", &["10.0.1.4"]) };
    tell(&mut store, "prometheus/a", 1, vec![seen, server("game-2", &[])]);
    tell(&mut store, "ssh/game-1", 1, vec![Server { cpu: Some(0.9), ..server("game-1", &[]) }]);
    let reach = Reach { up: true, by: "health".into(), code: Some(200), took: None, why: String::new() };
    let columns = vec![("players".to_owned(), "212".to_owned())];
    let health = Server { reach: vec![reach], columns, ..server("game-1", &[]) };
    tell(&mut store, "http_status/game-1", 1, vec![health]);
    let row = rows(&store, "ssh/game-1")[0];
    assert_eq!((row.cpu, row.memory), (Some(0.9), Some(memory(50))));
    assert_eq!((row.reach.len(), row.columns[0].1.as_str()), (1, "212"));
    assert_eq!(row.addresses, ["10.0.1.4", "ip-10-0-1-4"]);
    assert_eq!(store.server_columns(), ["players"]);
    assert_eq!(rows(&store, "prometheus/a").iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["game-2"]);
    assert_eq!(store.all_servers().count(), 2);
}

#[test]
fn machines_that_one_source_tells_apart_stay_apart_and_localhost_joins_nobody() {
    let mut store = store(&["prometheus/a", "prometheus/b"], Vec::new());
    tell(&mut store, "prometheus/a", 1, vec![server("x", &["h"]), server("y", &["h"]), server("a", &["127.0.0.1"])]);
    let near = ["127.0.0.1", "localhost", "LOCALHOST.localdomain", "::ffff:127.0.0.1"];
    tell(&mut store, "prometheus/b", 1, vec![server("b", &near), server("127.0.0.1:9100", &[])]);
    assert_eq!((rows(&store, "prometheus/a").len(), rows(&store, "prometheus/b").len()), (3, 2));
    // What each of two sees at its own loopback address is another machine, whatever the port.
    tell(&mut store, "prometheus/a", 2, vec![server("127.0.0.1:9100", &[]), server("c", &["::ffff:127.0.0.1"])]);
    assert_eq!((rows(&store, "prometheus/a").len(), rows(&store, "prometheus/b").len()), (2, 2));
}

/// Cloud images call themselves `debian`, all of them: a hidden server is worse than a doubled one.
#[test]
fn two_machines_that_were_asked_each_for_itself_stay_apart_whatever_they_call_themselves() {
    let mut store = store(&["ssh/a", "ssh/b", "node_exporter/a"], Vec::new());
    tell(&mut store, "ssh/a", 1, vec![server("a", &["debian"])]);
    tell(&mut store, "ssh/b", 1, vec![server("b", &["debian"])]);
    tell(&mut store, "node_exporter/a", 1, vec![server("a", &["debian"])]);
    let names: Vec<&str> = store.all_servers().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_figure_of_a_source_that_fails_is_not_mixed_with_fresh_ones() {
    let mut store = store(&["ssh/a", "prometheus/a"], vec![named("a", "h", &["ssh/a"])]);
    tell(&mut store, "ssh/a", 1, vec![Server { cpu: Some(0.9), oom_kills: Some(3), ..server("a", &[]) }]);
    tell(&mut store, "prometheus/a", 1, vec![Server { cpu: Some(0.1), ..server("a", &[]) }]);
    fail(&mut store, "ssh/a", 6);
    assert!(rows(&store, "ssh/a").is_empty());
    let row = rows(&store, "prometheus/a")[0];
    assert_eq!((row.cpu, row.oom_kills), (Some(0.1), None));
    assert_eq!(row.silent, ["ssh/a: nothing listens there"]);
    assert_eq!(row.judge(&crate::domain::Limits::default()).1, "silent");
    // And it comes back.
    tell(&mut store, "ssh/a", 11, vec![Server { cpu: Some(0.8), ..server("a", &[]) }]);
    tell(&mut store, "prometheus/a", 11, vec![Server { cpu: Some(0.1), ..server("a", &[]) }]);
    assert_eq!((rows(&store, "ssh/a")[0].cpu, rows(&store, "ssh/a")[0].silent.len()), (Some(0.8), 0));
}

#[test]
fn a_row_whose_sources_are_all_silent_keeps_its_last_figures() {
    let mut store = store(&["ssh/a", "prometheus/a"], vec![named("a", "h", &["ssh/a"])]);
    tell(&mut store, "ssh/a", 1, vec![Server { cpu: Some(0.9), ..server("a", &[]) }]);
    tell(&mut store, "prometheus/a", 1, vec![Server { cpu: Some(0.1), memory: Some(memory(7)), ..server("a", &[]) }]);
    fail(&mut store, "ssh/a", 6);
    fail(&mut store, "prometheus/a", 6);
    let row = rows(&store, "ssh/a")[0];
    assert_eq!((row.cpu, row.memory, row.silent.len()), (Some(0.9), Some(memory(7)), 2));
}

#[test]
fn a_source_that_hangs_loses_trust_by_time_alone() {
    let mut store = store(&["ssh/a", "prometheus/a"], vec![named("a", "h", &["ssh/a"])]);
    tell(&mut store, "ssh/a", 1, vec![Server { cpu: Some(0.9), ..server("a", &[]) }]);
    tell(&mut store, "prometheus/a", 1, vec![Server { cpu: Some(0.1), ..server("a", &[]) }]);
    tell(&mut store, "prometheus/a", 9, vec![Server { cpu: Some(0.1), ..server("a", &[]) }]);
    assert_eq!(rows(&store, "ssh/a").len(), 1);
    let before = store.revision(Subject::Servers);
    store.pass(now(13));
    assert_eq!(rows(&store, "prometheus/a")[0].silent, ["ssh/a: its answer is overdue"]);
    assert!(store.revision(Subject::Servers) > before, "a pane must see that rows moved");
    store.pass(now(14));
    assert_eq!(store.revision(Subject::Servers), before + 1, "nothing is joined when nothing changed");
}

#[test]
fn a_server_that_is_told_of_no_more_is_gone_unless_it_is_named() {
    let mut store = store(&["prometheus/a"], vec![named("a", "h", &[])]);
    tell(&mut store, "prometheus/a", 1, vec![Server { cpu: Some(0.5), ..server("a", &[]) }, server("b", &[])]);
    assert_eq!(rows(&store, "prometheus/a").len(), 2);
    tell(&mut store, "prometheus/a", 2, Vec::new());
    let left = rows(&store, "prometheus/a");
    assert_eq!((left.len(), left[0].name.as_str(), left[0].cpu), (1, "a", None));
}

#[test]
fn the_past_of_a_figure_is_that_of_the_source_that_tells_it() {
    let mut store = store(&["ssh/a", "prometheus/a"], vec![named("a", "h", &["ssh/a"])]);
    for at in 1..4 {
        tell(&mut store, "ssh/a", at, vec![Server { cpu: Some(0.5), ..server("a", &[]) }]);
        let other = Server { cpu: Some(0.1), memory: Some(memory(7)), ..server("a", &[]) };
        tell(&mut store, "prometheus/a", at, vec![other]);
    }
    let trend = store.trend("a").unwrap();
    let cpu: Vec<f32> = trend.of(Figure::Cpu).unwrap().last(9).collect();
    assert_eq!(cpu, [0.5; 3]);
    assert_eq!(trend.of(Figure::Memory).unwrap().len(), 3);
    assert!(trend.of(Figure::Load).is_none());
}
