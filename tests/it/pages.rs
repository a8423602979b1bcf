//! Pages of things, the way between them, and what a filter does to what is selected: with made-up data, as events.

use super::scene::{Scene, start};
use super::seen::{find, has, shown};
use crossterm::event::KeyCode;
use quarterdeck::domain::slo::Slo;
use quarterdeck::domain::{
    Alert, AlertReport, Answered, Compose, Container, ContainerState, Database, Engine, Found, Inquiry, Past, Series,
    Server, Session, Severity, Snapshot, SourceError, SourceId, Subject, Usage, alert,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use std::time::Duration;

const LARGE: (u16, u16) = (160, 45);
const SOURCES: [(&str, &str, Subject); 4] = [
    ("local", "host", Subject::Servers),
    ("docker", "game-1", Subject::Containers),
    ("prometheus", "main", Subject::Alerts),
    ("postgres", "primary", Subject::Databases),
];

fn labels(pairs: &[(&str, &str)]) -> alert::Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn firing(name: &str, pairs: &[(&str, &str)]) -> Alert {
    let mut labels = labels(pairs);
    labels.insert("alertname".to_owned(), name.to_owned());
    Alert {
        fingerprint: alert::fingerprint(&labels),
        name: name.to_owned(),
        severity: Severity::Critical,
        labels,
        ..Alert::default()
    }
}

fn container(id: u8, name: &str, address: &str) -> Container {
    Container {
        id: format!("{id:064x}").into(),
        name: name.to_owned(),
        image: "spacetime/api:2.14.1".to_owned(),
        state: ContainerState::Running,
        addresses: vec![address.to_owned()],
        ..Container::default()
    }
}

/// One small production: an alert on game-1, which runs a container, which holds a session.
fn production(size: (u16, u16)) -> Scene {
    let mut scene = Scene::new(&SOURCES, size);
    let server = |name: &str, address: &str| Server {
        name: name.to_owned(),
        addresses: vec![address.to_owned()],
        cores: 4,
        memory: Some(Usage { used: 1, total: 10 }),
        ..Server::default()
    };
    scene.good("local", "host", Snapshot::Servers(vec![server("game-1", "10.0.1.4"), server("game-2", "10.0.1.5")]));
    let containers = vec![container(1, "game-1-api", "172.17.0.2"), container(2, "matchmaker", "172.17.0.3")];
    let engine = Engine { server: Some("game-1".to_owned()), containers, ..Engine::default() };
    scene.good("docker", "game-1", Snapshot::Containers(engine));
    let alerts = vec![
        firing("ServiceDown", &[("instance", "10.0.1.4:9100"), ("container", "game-1-api"), ("severity", "critical")]),
        firing("Other", &[("instance", "elsewhere:9100")]),
    ];
    scene.good(
        "prometheus",
        "main",
        Snapshot::Alerts(AlertReport {
            alerts: alerts.into_iter().map(Into::into).collect(),
            ..AlertReport::default()
        }),
    );
    let session = Session {
        pid: 4711,
        backend_start: start().wall,
        user: "web".to_owned(),
        client: "172.17.0.2".to_owned(),
        ..Session::default()
    };
    let database = Database { now: start().wall, max: 100, sessions: vec![session], ..Database::default() };
    scene.good("postgres", "primary", Snapshot::Database(database));
    scene
}

#[test]
fn from_an_alert_to_its_server_to_its_container_to_its_session_and_all_the_way_back() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("3");
    find(&mut scene, "ServiceDown");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["ServiceDown", "server    game-1", "container game-1-api"]);
    assert!(!shown(&mut scene).contains("elsewhere"), "an alert of another machine is no link");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["game-1", "alert     ServiceDown", "container matchmaker"]);
    for _ in 0..2 {
        scene.key(KeyCode::Tab);
    }
    // Alerts, then the containers by name: the second of them is the matchmaker; the first is wanted.
    scene.key(KeyCode::BackTab);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["game-1-api", "database  session 4711 on primary"]);
    assert_eq!(scene.state.pane().selected().unwrap().name, "game-1-api");
    scene.keys("[");
    assert_eq!(scene.state.pane().selected().unwrap().name, "game-1");
    scene.keys("]");
    assert_eq!(scene.state.pane().selected().unwrap().name, "game-1-api");
    for name in ["game-1", "ServiceDown"] {
        scene.key(KeyCode::Esc);
        assert_eq!(scene.state.pane().selected().unwrap().name, name);
        assert!(scene.state.page.is_some());
    }
    scene.key(KeyCode::Esc);
    assert!(scene.state.page.is_none(), "Esc leads out of the first page into its pane");
    assert_eq!(scene.state.subject(), Some(Subject::Alerts));
}

#[test]
fn a_page_says_when_its_thing_is_not_reported_any_more_and_nothing_else_takes_its_place() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("2");
    find(&mut scene, "matchmaker");
    scene.key(KeyCode::Enter);
    let engine = Engine { containers: vec![container(1, "game-1-api", "172.17.0.2")], ..Engine::default() };
    scene.good("docker", "game-1", Snapshot::Containers(engine));
    has(&mut scene, &["matchmaker", "it is not reported any more"]);
    scene.keys("R");
    scene.pass(Duration::from_millis(100));
    assert!(
        !scene.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })),
        "nothing is planned for what is gone"
    );
}

#[test]
fn a_key_that_acts_works_on_a_page_for_the_thing_that_it_shows() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("2");
    find(&mut scene, "matchmaker");
    scene.key(KeyCode::Enter);
    scene.keys("R");
    scene.pass(Duration::from_millis(100));
    let Some(Effect::Plan { request, .. }) = scene.effects.iter().find(|effect| matches!(effect, Effect::Plan { .. }))
    else {
        panic!("nothing was planned: {:?}", scene.effects)
    };
    assert!(request.args["container"].as_str().unwrap().ends_with(&format!("{:064x}", 2)), "{request:?}");
}

/// At 03:00 the way to a thing is to type its name.
#[test]
fn a_filter_selects_the_first_row_that_passes_and_clearing_it_keeps_that() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("2");
    let before = scene.state.pane().selected().unwrap().name;
    assert_eq!(before, "game-1-api");
    scene.keys("/match");
    scene.key(KeyCode::Enter);
    scene.keys("R");
    scene.pass(Duration::from_millis(100));
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })), "{}", shown(&mut scene));
    assert_eq!(scene.state.pane().selected().unwrap().name, "matchmaker");
    scene.key(KeyCode::Esc);
    scene.paint();
    assert_eq!(scene.state.pane().selected().unwrap().name, "matchmaker");
}

#[test]
fn what_stops_passing_the_filter_is_said_to_be_hidden_and_is_not_acted_on() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("2/running");
    scene.key(KeyCode::Enter);
    find_without_clearing(&mut scene, "matchmaker");
    let mut stopped = container(2, "matchmaker", "172.17.0.3");
    stopped.state = ContainerState::Exited;
    let containers = vec![container(1, "game-1-api", "172.17.0.2"), stopped];
    scene.good("docker", "game-1", Snapshot::Containers(Engine { containers, ..Engine::default() }));
    scene.keys("R");
    scene.pass(Duration::from_millis(100));
    has(&mut scene, &["matchmaker is hidden by the filter"]);
    assert!(!scene.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })));
}

/// Moves the cursor down until the thing is selected.
fn find_without_clearing(scene: &mut Scene, name: &str) {
    for _ in 0..10 {
        scene.paint();
        if scene.state.pane().selected().is_some_and(|selected| selected.name == name) {
            return;
        }
        scene.keys("j");
    }
    panic!("{name} is not in the pane");
}

#[test]
fn the_first_pane_that_has_a_source_has_the_focus_and_a_key_of_another_says_where_it_works() {
    let mut scene = Scene::new(&SOURCES[1..2], LARGE);
    assert_eq!(scene.state.subject(), Some(Subject::Containers));
    scene.keys("1R");
    has(&mut scene, &["R acts in Containers (2)"]);
}

/// Every question that the effects ask.
fn asked(scene: &Scene) -> Vec<Inquiry> {
    let inquiry = |effect: &Effect| if let Effect::Inquire(inquiry) = effect { Some(inquiry.clone()) } else { None };
    scene.effects.iter().filter_map(inquiry).collect()
}

#[test]
fn a_chart_asks_for_its_past_once_and_shows_the_answer_or_why_there_is_none() {
    let mut scene = production(LARGE);
    let mut alert = firing("Slow", &[("instance", "10.0.1.4:9100")]);
    alert.query = Some("latency > 2".into());
    let report = AlertReport { alerts: vec![alert.into()], ..AlertReport::default() };
    scene.good("prometheus", "main", Snapshot::Alerts(report));
    scene.paint();
    scene.keys("3");
    scene.key(KeyCode::Enter);
    let asked = asked(&scene);
    let Some(inquiry) = asked.first().cloned() else { return assert_eq!(asked.len(), 1) };
    has(&mut scene, &["asking for its past"]);
    let points = (0..60).map(f64::from).collect();
    let answered = |outcome| Event::Answered(Answered { inquiry: inquiry.clone(), outcome });
    scene.send(answered(Ok(Found::Series(Series { points, of: 1 }))));
    has(&mut scene, &["█", "59"]);
    scene.send(answered(Err(SourceError::new("Prometheus at http://p: nothing listens there", "start it"))));
    has(&mut scene, &["nothing listens there", "start it"]);
    let _ = SourceId::new("prometheus", "main");
}

/// At 03:00 a key that restarts is one Enter away: the alert of one machine must not lead to the containers of another.
#[test]
fn an_alert_about_a_service_on_one_machine_leads_to_the_containers_of_no_other() {
    let mut scene = production(LARGE);
    let service = |id, name: &str| Container {
        compose: Some(Compose { project: "spacetime".into(), service: "api".into() }),
        ..container(id, name, "172.17.0.9")
    };
    let engine = |containers, server: &str| Engine { server: Some(server.into()), containers, ..Engine::default() };
    scene.good("docker", "game-1", Snapshot::Containers(engine(vec![service(1, "api-here")], "game-1")));
    let alert = |instance: &str| firing("ApiSlow", &[("instance", instance), ("service", "api")]);
    let told = |alert: Alert| AlertReport { alerts: vec![alert.into()], ..AlertReport::default() };
    scene.good("prometheus", "main", Snapshot::Alerts(told(alert("10.0.1.5:9100"))));
    scene.paint();
    scene.keys("3");
    scene.key(KeyCode::Enter);
    assert!(!shown(&mut scene).contains("api-here"), "it is on game-1, the alert is about game-2");
    scene.key(KeyCode::Esc);
    scene.good("prometheus", "main", Snapshot::Alerts(told(alert("10.0.1.4:9100"))));
    scene.key(KeyCode::Up);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["container api-here"]);
}

#[test]
fn a_page_whose_source_fails_says_so_and_how_old_it_is() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("4");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_secs(15));
    scene.bad("postgres", "primary", "no PostgreSQL answers at db-primary:5432: nothing listens there", "start it");
    has(&mut scene, &["no PostgreSQL answers at db-primary", "known 15s ago", "start it", "15s ago last"]);
}

#[test]
fn the_overview_tells_what_is_wrong_and_what_changed_and_leads_there() {
    let mut scene = production(LARGE);
    scene.key(KeyCode::Char('0'));
    has(&mut scene, &["0 Overview", "2 critical", "ServiceDown on 10.0.1.4", "WRONG NOW", "CHANGED IN THE LAST 30"]);
    scene.bad("docker", "game-1", "the engine does not answer", "start it");
    has(&mut scene, &["docker/game-1", "the engine does not answer → start it"]);
    find(&mut scene, "servicedown");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["firing", "containers", "game-1-api"]);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["0 Overview"]);
    find(&mut scene, "docker");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["2 Containers", "game-1-api"]);
}

#[test]
fn an_overview_without_a_line_says_whether_anybody_would_tell() {
    let promises = ("prometheus", "main/slo", Subject::Alerts);
    let mut scene = Scene::new(&[SOURCES.as_slice(), &[promises]].concat(), LARGE);
    scene.key(KeyCode::Char('0'));
    has(&mut scene, &["nothing is seen, but not every source has answered", "postgres/primary: asked, waiting"]);
    let quiet = |subject| match subject {
        Subject::Databases => Snapshot::Database(Database { max: 100, ..Database::default() }),
        Subject::Servers | Subject::Containers | Subject::Alerts => super::scene::nothing(subject),
    };
    for (kind, name, subject) in SOURCES.into_iter().chain([promises]) {
        scene.good(kind, name, quiet(subject));
    }
    has(&mut scene, &["nothing, as far as the sources tell; all of them answer"]);
    let errors = Slo { name: "errors".to_owned(), limit: 0.05, value: Some(0.11), ..Slo::default() };
    let report = AlertReport { slos: vec![errors], ..AlertReport::default() };
    scene.good("prometheus", "main/slo", Snapshot::Alerts(report));
    has(&mut scene, &["1 promise above is not kept; no server, container, alert or session is bad by itself"]);
}

/// A loopback address is another machine to each who names it: what Prometheus sees at its own is on no server but the one that it
/// knows by that very exporter.
#[test]
fn what_is_seen_at_a_loopback_address_belongs_to_no_other_machine() {
    let mut scene = Scene::new(
        &[
            ("prometheus", "servers", Subject::Servers),
            ("ssh", "db-1", Subject::Servers),
            ("docker", "local", Subject::Containers),
            ("prometheus", "main", Subject::Alerts),
            ("postgres", "primary", Subject::Databases),
        ],
        LARGE,
    );
    let labels = |pairs: &[(&str, &str)]| -> alert::Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let node = Server {
        name: "bastion".to_owned(),
        addresses: vec!["127.0.0.1".to_owned()],
        labels: labels(&[("instance", "127.0.0.1:9100"), ("job", "node")]),
        past: Some(Past { source: SourceId::new("prometheus", "servers"), selector: "".into() }),
        ..Server::default()
    };
    scene.good("prometheus", "servers", Snapshot::Servers(vec![node.clone()]));
    let near = Server { name: "db-1".into(), addresses: vec!["127.0.0.1".to_owned()], ..Server::default() };
    scene.good("ssh", "db-1", Snapshot::Servers(vec![near]));
    let web = Container { id: "a".repeat(64).into(), name: "web".into(), ..Container::default() };
    let engine = Engine { server: Some("bastion".into()), containers: vec![web], ..Engine::default() };
    scene.good("docker", "local", Snapshot::Containers(engine));
    let alert = |name: &str, instance: &str, job: &str| {
        let labels = labels(&[("alertname", name), ("instance", instance), ("job", job), ("container", "web")]);
        std::sync::Arc::new(Alert { name: name.into(), fingerprint: name.into(), labels, ..Alert::default() })
    };
    let alerts = vec![
        alert("ItsOwn", "127.0.0.1:9100", "node"),
        alert("OtherPort", "127.0.0.1:9999", "node"),
        alert("OtherJob", "127.0.0.1:9100", "app"),
        alert("Localhost", "localhost:9100", "node"),
    ];
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
    let session = Session { pid: 7, client: "127.0.0.1".into(), ..Session::default() };
    let database = Database { host: "127.0.0.1".into(), sessions: vec![session], ..Database::default() };
    scene.good("postgres", "primary", Snapshot::Database(database));
    let page = |scene: &mut Scene, pane: &str, name: &str| {
        scene.keys(pane);
        find(scene, name);
        scene.key(KeyCode::Enter);
        let page = shown(scene);
        scene.key(KeyCode::Esc);
        scene.key(KeyCode::Esc);
        page
    };
    let own = page(&mut scene, "3", "itsown");
    assert!(own.contains("bastion") && own.contains("containers"), "{own}");
    for name in ["otherport", "otherjob", "localhost"] {
        let other = page(&mut scene, "3", name);
        assert!(
            !other.contains("bastion") && !other.contains("db-1") && !other.contains("containers"),
            "{name}: {other}"
        );
    }
    let db = page(&mut scene, "1", "db-1");
    assert!(!db.contains("ItsOwn") && !db.contains("OtherPort") && !db.contains("database sessions"), "{db}");
    let server = page(&mut scene, "1", "bastion");
    assert!(server.contains("ItsOwn") && !server.contains("OtherPort"), "{server}");
    assert!(!server.contains("database sessions"), "a database behind our loopback address may be anywhere: {server}");
    // Another Prometheus sees another machine behind the same exporter's address: then it may be either.
    let twin = Server { name: "twin".into(), ..node.clone() };
    scene.good("prometheus", "servers", Snapshot::Servers(vec![node, twin]));
    let own = page(&mut scene, "3", "itsown");
    assert!(!own.contains("bastion") && !own.contains("twin"), "{own}");
}

/// What a link calls it is short; its page says which of several it is.
#[test]
fn a_thing_has_its_own_name_however_it_was_reached() {
    let mut scene = production(LARGE);
    scene.paint();
    scene.keys("4");
    scene.key(KeyCode::Enter);
    let own = scene.state.pane().selected().unwrap().name;
    scene.key(KeyCode::Esc);
    scene.keys("2");
    find(&mut scene, "game-1-api");
    scene.key(KeyCode::Enter);
    // The session is the last of its links.
    scene.key(KeyCode::BackTab);
    scene.key(KeyCode::Enter);
    assert_eq!(scene.state.pane().selected().unwrap().name, own);
    has(&mut scene, &[&own]);
}

#[test]
fn what_failed_stands_in_the_header_before_what_hangs() {
    let mut scene = production((80, 24));
    scene.pass(Duration::from_mins(5));
    scene.bad("postgres", "primary", "PostgreSQL at db-1:5432: nothing listens there", "start it");
    let shown = shown(&mut scene);
    let header: String = shown.lines().take(2).collect();
    let at = |word: &str| header.find(word).unwrap_or_else(|| panic!("{word} is not in\n{shown}"));
    assert!(at("postgres FAILED") < at("HANGS"), "{header}");
}

#[test]
fn that_there_was_nothing_is_no_answer_about_now() {
    let mut scene = production(LARGE);
    let empty = || Snapshot::Alerts(AlertReport::default());
    scene.good("prometheus", "main", empty());
    scene.keys("3z");
    has(&mut scene, &["3 Alerts  none "]);
    scene.pass(Duration::from_mins(5));
    has(&mut scene, &["3 Alerts  none seen 5m ago, not known since", "none was seen when it last answered, 5m ago"]);
    scene.good("prometheus", "main", empty());
    has(&mut scene, &["3 Alerts  none "]);
    assert!(!shown(&mut scene).contains("not known since"));
}

#[test]
fn a_source_that_fails_is_told_in_full_where_nothing_can_be_selected() {
    let mut scene = Scene::new(&[("postgres", "primary", Subject::Databases)], (80, 24));
    let what = "PostgreSQL at db-1:5432: ".to_owned() + &"something long went wrong there ".repeat(8);
    scene.bad("postgres", "primary", &what, "mend the very last word");
    scene.keys("4");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["mend the very last word"]);
}

#[test]
fn q_goes_back_from_everywhere_but_the_panes() {
    let quits = |scene: &mut Scene| {
        scene.pass(Duration::from_millis(100));
        scene.effects.iter().any(|effect| matches!(effect, Effect::Quit))
    };
    for (way, steps) in [("2\n", 1), ("0", 1), ("6", 1), ("5", 1), ("2e", 1), ("2y", 1), ("2l", 1), ("3u", 1)] {
        let mut scene = production(LARGE);
        for key in way.chars() {
            scene.key(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        }
        scene.paint();
        for _ in 0..steps {
            scene.keys("q");
            assert!(!quits(&mut scene), "{way}: q quits");
        }
        assert!(scene.state.page.is_none() && scene.state.logs.is_none(), "{way}");
        assert!(quarterdeck::panes::PANES[scene.state.focus].beside, "{way}: {}", shown(&mut scene));
        scene.keys("q");
        assert!(quits(&mut scene), "{way}: q quits where the panes are");
    }
    let mut scene = production(LARGE);
    scene.keys("2");
    scene.key(KeyCode::Enter);
    scene.keys(":quit");
    scene.key(KeyCode::Enter);
    assert!(quits(&mut scene), "by its name it quits from anywhere");
}
