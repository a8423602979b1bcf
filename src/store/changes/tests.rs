use super::*;
use crate::domain::{AlertReport, Labels, Reach, Replica, Sample, SourceId};

const BACK: Duration = Duration::from_secs(1800);

fn at(seconds: u64) -> Now {
    let wall = Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Now { mono: Duration::from_secs(seconds), wall }
}

fn store() -> Store {
    let feed = |kind: &str, subject| Feed::new(SourceId::new(kind, "a"), subject, Duration::from_secs(2));
    Store::new(vec![
        feed("docker", Subject::Containers),
        feed("prometheus", Subject::Alerts),
        feed("postgres", Subject::Databases),
        feed("local", Subject::Servers),
    ])
}

fn tell(store: &mut Store, kind: &str, seconds: u64, outcome: Result<Snapshot, SourceError>) {
    let (source, took) = (SourceId::new(kind, "a"), Duration::ZERO);
    store.apply(Sample { source, at: at(seconds), took, outcome: outcome.map(Arc::new) });
}

fn told(store: &Store, seconds: u64) -> Vec<(String, String, Severity)> {
    let tell = |change: Change| (change.name, change.what, change.severity);
    store.changes(at(seconds), BACK).into_iter().map(tell).collect()
}

fn event(seconds: u64, action: &str, name: &str, attributes: &[(&str, &str)]) -> EngineEvent {
    let attributes: Labels = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (kind, action, id, name) = ("container".to_owned(), action.to_owned(), String::new(), name.to_owned());
    EngineEvent { number: seconds, at: at(seconds).wall, kind, action, id, name, attributes }
}

fn running(name: &str, image: &str) -> Container {
    Container {
        id: name.into(),
        name: name.to_owned(),
        image: image.to_owned(),
        state: ContainerState::Running,
        ..Container::default()
    }
}

#[test]
fn a_container_has_one_line_however_much_happened_to_it() {
    let mut store = store();
    let mut events: Vec<EngineEvent> = (5000..5040)
        .flat_map(|second| {
            [event(second, "start", "crashy", &[]), event(second, "die", "crashy", &[("exitCode", "3")])]
        })
        .collect();
    events.push(event(5001, "die", "api", &[("exitCode", "143"), ("image", "api:1")]));
    events.push(event(5002, "destroy", "api", &[("image", "api:1")]));
    events.push(event(5003, "create", "api", &[("image", "api:2")]));
    events.push(event(5004, "start", "api", &[("image", "api:2")]));
    for (second, action, image) in
        [(5010, "create", "game:2"), (5020, "die", "game:2"), (5021, "destroy", "game:2"), (5022, "create", "game:1")]
    {
        events.push(event(second, action, "game", &[("image", image)]));
    }
    events.push(event(5009, "die", "game", &[("image", "game:1")]));
    events.sort_by_key(|event| event.at);
    events.push(event(100, "oom", "old", &[]));
    events.push(event(5005, "exec_start", "quiet", &[]));
    events.push(event(5006, "oom", "gone", &[]));
    events.push(event(5007, "destroy", "gone", &[]));
    let containers =
        vec![running("crashy", "bb"), running("api", "api:2"), running("old", "bb"), running("game", "game:1")];
    tell(&mut store, "docker", 5050, Ok(Snapshot::Containers(Engine { containers, events, ..Engine::default() })));
    let line = |name: &str, what: &str, severity| (name.to_owned(), what.to_owned(), severity);
    let expected = vec![
        line("crashy", "ended 40 times with exit code 3, started 40 times", Severity::Warning),
        line("game", "re-created with game:1, was game:2, ended 2 times", Severity::Warning),
        line("gone", "out of memory, removed", Severity::Critical),
        line("api", "re-created with api:2, was api:1, ended with exit code 143", Severity::Warning),
    ];
    assert_eq!(told(&store, 5050), expected);
    assert!(told(&store, 5050 + 1801).is_empty(), "half an hour later it is old");
}

#[test]
fn an_engine_without_events_still_tells_when_its_containers_were_started() {
    let mut store = store();
    let container = Container { started_at: Some(at(5000).wall), ..running("api", "api:2") };
    let engine = Engine { containers: vec![container], ..Engine::default() };
    tell(&mut store, "docker", 5010, Ok(Snapshot::Containers(engine)));
    assert_eq!(told(&store, 5010), [("api".to_owned(), "started".to_owned(), Severity::Info)]);
}

#[test]
fn an_alert_begins_ends_and_comes_back() {
    let mut store = store();
    let alert = |since: u64| Alert {
        fingerprint: "00ff".into(),
        name: "ServiceDown".to_owned(),
        severity: Severity::Critical,
        active_at: Some(at(since).wall),
        ..Alert::default()
    };
    let report = |alerts: Vec<Alert>| {
        Ok(Snapshot::Alerts(AlertReport {
            alerts: alerts.into_iter().map(Arc::new).collect(),
            ..AlertReport::default()
        }))
    };
    tell(&mut store, "prometheus", 5000, report(vec![alert(4900)]));
    assert_eq!(told(&store, 5000), [("ServiceDown".to_owned(), "began".to_owned(), Severity::Critical)]);
    tell(&mut store, "prometheus", 5020, report(vec![]));
    assert_eq!(told(&store, 5020), [("ServiceDown".to_owned(), "fires no more after 2 min".to_owned(), Severity::Ok)]);
    tell(&mut store, "prometheus", 5030, report(vec![alert(5025)]));
    assert_eq!(told(&store, 5030), [("ServiceDown".to_owned(), "began".to_owned(), Severity::Critical)]);
    tell(&mut store, "prometheus", 5040, Err(SourceError::new("it is gone", "start it")));
    assert_eq!(told(&store, 5040).len(), 1, "that nobody tells of it any more does not mean that it is over");
}

#[test]
fn a_database_that_loses_a_standby_or_is_promoted() {
    let mut store = store();
    let replica = |name: &str| Replica { name: name.to_owned(), ..Replica::default() };
    let database = |standby, replicas| Ok(Snapshot::Database(Database { standby, replicas, ..Database::default() }));
    tell(&mut store, "postgres", 5000, database(true, vec![replica("b"), replica("c")]));
    assert!(told(&store, 5000).is_empty(), "what was there before is no change");
    tell(&mut store, "postgres", 5010, database(false, vec![replica("c")]));
    let what: Vec<String> = told(&store, 5010).into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(what, ["was promoted: it is the primary now", "standby b is not connected any more"]);
}

#[test]
fn a_source_that_answers_again_and_a_machine_that_booted() {
    let mut store = store();
    let server =
        |uptime| Server { name: "game-1".to_owned(), uptime: Some(Duration::from_secs(uptime)), ..Server::default() };
    tell(&mut store, "local", 5000, Err(SourceError::new("no", "mend")));
    tell(&mut store, "local", 5130, Ok(Snapshot::Servers(vec![server(600)])));
    let what: Vec<String> = told(&store, 5130).into_iter().map(|(name, what, _)| format!("{name}: {what}")).collect();
    assert_eq!(what, ["local/a: answers again, after 2 min without", "game-1: booted"]);
    tell(&mut store, "local", 5140, Ok(Snapshot::Servers(vec![server(60 * 86_400)])));
    assert_eq!(told(&store, 5140).len(), 1, "a machine that runs for weeks did not change");
}

#[test]
fn a_source_that_came_back_several_times_is_one_line() {
    let mut store = store();
    let gone = || Err(SourceError::new("no", "mend"));
    let here = || Ok(Snapshot::Database(Database::default()));
    for (start, expected) in [
        (5000, "answers again, after 10 s without"),
        (5100, "answers again, after 10 s without, and once before"),
        (5200, "answers again, after 10 s without, and 2 times before"),
    ] {
        tell(&mut store, "postgres", start, gone());
        tell(&mut store, "postgres", start + 10, here());
        let what: Vec<String> = told(&store, start + 10).into_iter().map(|(_, what, _)| what).collect();
        assert_eq!(what, [expected]);
    }
    // What is longer ago than is asked for is not counted.
    let what: Vec<String> = told(&store, 5210 + BACK.as_secs() - 60).into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(what, ["answers again, after 10 s without"]);
}

#[test]
fn a_server_that_was_down_and_is_up_again() {
    let mut store = store();
    let server = |up, uptime| {
        let reach = vec![Reach { by: "health".to_owned(), up, code: None, took: None, why: String::new() }];
        let uptime = Some(Duration::from_secs(uptime));
        Ok(Snapshot::Servers(vec![Server { name: "game-1".to_owned(), reach, uptime, ..Server::default() }]))
    };
    let weeks = 60 * 86_400;
    tell(&mut store, "local", 5000, server(true, weeks));
    tell(&mut store, "local", 5010, server(false, weeks));
    assert!(told(&store, 5010).is_empty(), "what is down is wrong now");
    tell(&mut store, "local", 5024, server(true, weeks));
    let was = |what: &str| ("game-1".to_owned(), what.to_owned(), Severity::Warning);
    assert_eq!(told(&store, 5024), [was("was down for 14 s")]);
    tell(&mut store, "local", 5100, server(false, weeks));
    tell(&mut store, "local", 5160, server(true, 20));
    assert_eq!(told(&store, 5160), [was("booted, was down 2 times, the last time for 60 s")]);
    tell(&mut store, "local", 5160 + 2 * 1800, server(true, weeks));
    assert!(told(&store, 5160 + 2 * 1800).is_empty(), "that was long ago");
}
