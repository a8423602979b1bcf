//! What the drill's servers answer has the shape of what the real ones answer, for everything that the product sends them.
//!
//! What it sends is not written down here: it is what goes by between the product and a drill while it looks at all of it once and carries out
//! two runbooks; for PostgreSQL what the server's own log has of a look, and the statements of the shipped runbooks. Beside that stand a few
//! mistakes, which each server refuses in its own way.

mod lacking;
mod metrics;
mod shape;
mod sql;
mod wire;

use crate::desk::Desk;
use crate::drill::Serving;
use crate::drill_runbooks::run;
use crate::lab::fault::Proxy;
use crate::lab::need;
use crate::lab::service::folder;
use serde_json::Value;
use shape::Shapes;
use std::sync::OnceLock;
use std::time::Duration;
use wire::{Answer, Place, Request};

/// A drill, where it listens, and what the product asked of it.
pub struct Asked {
    drill: Serving,
    prometheus: (Place, Vec<Request>),
    alertmanager: (Place, Vec<Request>),
    docker: (Place, Vec<Request>),
}

/// The one that all tests here look at.
fn asked() -> &'static Asked {
    static SHARED: OnceLock<Asked> = OnceLock::new();
    SHARED.get_or_init(Asked::new)
}

/// What stands behind the first `key = "` of a table in a config.
fn setting(config: &str, table: &str, key: &str) -> String {
    let (_, rest) = config.split_once(&format!("[{table}]\n")).unwrap();
    let (_, rest) = rest.split_once(&format!("{key} = ")).unwrap();
    rest.split('"').nth(1).unwrap().to_owned()
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

impl Asked {
    fn new() -> Self {
        let desk = Desk::bare();
        // It outlives the desk, as long as the tests of this process go on.
        let drill = Serving::start(&folder("drill"), &["drill", "steady", "--seed", "3"]);
        let config = std::fs::read_to_string(drill.config()).unwrap();
        let [prometheus, alertmanager] = ["prometheus.main", "alertmanager.main"].map(|table| {
            let (_, rest) = config.split_once(&format!("[{table}]")).unwrap();
            port(rest.split('"').nth(1).unwrap())
        });
        let socket = setting(&config, "docker.game-1", "host").trim_start_matches("unix://").to_owned();
        let proxies = [Proxy::tcp(prometheus), Proxy::tcp(alertmanager)];
        let engine = Proxy::unix(socket.as_ref());
        let config = config
            .replace(&format!("127.0.0.1:{prometheus}\""), &format!("127.0.0.1:{}\"", proxies[0].port()))
            .replace(&format!("127.0.0.1:{alertmanager}\""), &format!("127.0.0.1:{}\"", proxies[1].port()))
            .replace(&format!("{socket}\""), &format!("{}\"", engine.socket().display()));
        let config = desk.file("watched.toml", &config).to_string_lossy().into_owned();
        look_and_act(&desk, &config);
        let sent = |place, proxy: &Proxy| (place, wire::requests(&proxy.sent()));
        Self {
            prometheus: sent(Place::Port(prometheus), &proxies[0]),
            alertmanager: sent(Place::Port(alertmanager), &proxies[1]),
            docker: sent(Place::Socket(socket.into()), &engine),
            drill,
        }
    }
}

/// The product looks at everything once; a container is restarted, and an alert silenced.
fn look_and_act(desk: &Desk, config: &str) {
    let looked = desk.run(&["--config", config, "snapshot", "--json"]);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    for (runbook, vars) in [
        ("container-restart", ["container=game-1/godot-server"].as_slice()),
        ("alert-silence", &["matchers={alertname=\"Watchdog\"}", "reason=a new one"]),
    ] {
        let (code, said) = run(desk, config, runbook, vars);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// All that differs between the answers of two servers to the same requests; each is told how it has to change for each of them.
fn differences(
    server: &str,
    requests: &[Request],
    real: &dyn Fn(&Request) -> Answer,
    drill: &dyn Fn(&Request) -> Answer,
) -> Vec<String> {
    assert!(requests.len() > 3, "{server}: {requests:?}");
    let mut found = Vec::new();
    for request in requests {
        let (theirs, ours) = (real(request), drill(request));
        let mut say = |what: String| found.push(format!("{server} {request}: {what}"));
        if theirs.status != ours.status {
            say(format!("status {} is {} in a drill: {}", theirs.status, ours.status, ours.text()));
        }
        for header in ["content-type", "api-version", "docker-experimental", "ostype"] {
            let [theirs, ours] = [&theirs, &ours].map(|answer| answer.header(header).map(wire::kind));
            // Another release has another version of its API, and older engines do not name the type of what they stream.
            let same = if header == "api-version" { ours.is_some() } else { theirs == ours };
            if theirs.is_some() && !same {
                say(format!("{header} {theirs:?} is {ours:?} in a drill"));
            }
        }
        let lacks = |path: &str| lacking::is_listed(server, request, path);
        Shapes::of(&theirs.json()).compare(&Shapes::of(&ours.json()), &lacks).into_iter().for_each(say);
    }
    found
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn docker_answers_alike() {
    let docker = need!(docker);
    let container =
        docker.container("shape").compose("spacetime", "godot-server").with_health().option("--memory=64m").start();
    container.wait_health("healthy", Duration::from_secs(30));
    let asked = asked();
    let (place, requests) = &asked.docker;
    let ids = [container.id.clone(), first_container(place)];
    let mut requests: Vec<Request> = requests.iter().map(Request::of_any_container).collect();
    requests.extend(
        [
            "/containers/{any}/logs?stdout=1&stderr=1&tail=5",
            "/containers/none/json",
            "/containers/none/stats",
            "/containers/none/logs?stdout=1",
        ]
        .map(Request::get),
    );
    requests.extend(
        ["start", "stop", "restart", "kill"].map(|verb| Request::post(&format!("/containers/none/{verb}"), "")),
    );
    wire::deduplicate(&mut requests);
    // What is done is told by the events afterwards.
    requests.sort_by_key(|request| request.path.contains("/events"));
    let engine = Place::Socket(docker.socket.clone());
    let real = |request: &Request| request.about(&ids[0]).send(&engine);
    let drill = |request: &Request| request.about(&ids[1]).send(place);
    none(&differences("docker", &requests, &real, &drill));
}

fn first_container(place: &Place) -> String {
    let listed = Request::get("/containers/json").send(place).json();
    let main = listed.as_array().unwrap().iter().find(|one| one["Names"][0] == "/godot-server").unwrap();
    main["Id"].as_str().unwrap().to_owned()
}

#[test]
fn prometheus_answers_alike() {
    let nodes = need!(nodes);
    let rules = need!(monitoring);
    let (place, requests) = &asked().prometheus;
    let mut requests = requests.clone();
    requests.extend(
        [
            "/api/v1/query?query=sum(",
            "/api/v1/query",
            "/api/v1/query_range?query=up&start=0&end=9&step=0",
            "/api/v1/nothing",
        ]
        .map(Request::get),
    );
    wire::deduplicate(&mut requests);
    // One of them has targets, the other one rules and an Alertmanager.
    let real = |request: &Request| {
        let with_rules = ["/alerts", "/rules", "/alertmanagers"].iter().any(|end| request.path.contains(end));
        request.send(&Place::Port(if with_rules { rules.prometheus } else { nodes.prometheus }))
    };
    none(&differences("prometheus", &requests, &real, &|request| request.send(place)));
}

#[test]
fn alertmanager_answers_alike() {
    let monitoring = need!(monitoring);
    let (own, _service) = crate::lab::own_alertmanager().unwrap();
    let (place, requests) = &asked().alertmanager;
    let mut requests = requests.clone();
    let unknown = "/api/v2/silence/5f2c0d5e-0000-4000-8000-000000000000";
    // To end one that is not there is 500 up to Alertmanager 0.25, and 404 since: not compared.
    requests.push(Request::get(unknown));
    requests.extend([Request::get("/api/v2/nothing"), Request::post("/api/v2/silences", "{}")]);
    wire::deduplicate(&mut requests);
    // What is looked at is the one that the tests share; what changes something goes to another one.
    let real = |request: &Request| match request.verb.as_str() {
        "GET" => request.about(&monitoring.silence).send(&Place::Port(monitoring.alertmanager)),
        _ => request.send(&Place::Port(own)),
    };
    let silences = Request::get("/api/v2/silences").send(place).json();
    let silence = silences[0]["id"].as_str().unwrap().to_owned();
    none(&differences("alertmanager", &requests, &real, &|request| request.about(&silence).send(place)));
}

#[test]
fn node_exporter_answers_alike() {
    let nodes = need!(nodes);
    let drill = &asked().drill;
    let config = std::fs::read_to_string(drill.config()).unwrap();
    let health = config.split("health = \"http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let real = Request::get("/metrics").send(&Place::Port(nodes.exporter));
    let ours = Request::get("/game-1/node/metrics").send(&Place::Port(port(&health)));
    assert_eq!(ours.header("content-type").map(wire::kind), real.header("content-type").map(wire::kind));
    none(&metrics::compare(&real.text(), &ours.text()));
}

#[test]
fn postgresql_answers_alike() {
    let server = need!(own_postgres);
    let config = std::fs::read_to_string(asked().drill.config()).unwrap();
    none(&sql::compare(&server, &setting(&config, "postgres.primary", "dsn")));
}

/// What is compared can differ, or the tests above would hold nothing.
#[test]
fn what_differs_is_found() {
    let real: Value = serde_json::json!([{ "Id": "a", "State": { "Pid": 1, "At": "2026-01-01T00:00:00Z" }, "Labels": { "any": "x" }, "Ports": [] }]);
    let ours: Value = serde_json::json!([{ "Id": 1, "State": { "At": "now" }, "Labels": { "other": "y" }, "Ports": [{ "IP": "a" }], "More": true }]);
    let found = Shapes::of(&real).compare(&Shapes::of(&ours), &|_| false);
    let wanted = [
        "[].Id is a string",
        "[].State.At is a time",
        "[].State.Pid is not there in a drill",
        "[].More is in a drill alone",
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    assert!(wanted.iter().all(|wanted| found.iter().any(|found| found.starts_with(wanted))), "{found:#?}");
    assert!(
        metrics::compare("# TYPE node_load1 gauge\nnode_load1 1\n", "# TYPE node_load1 counter\nnode_load1 1\n")[0]
            .contains("node_load1")
    );
}
