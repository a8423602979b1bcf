//! Who looks elsewhere is told of something new and critical, once, and of nothing else.

use crate::desk::{Desk, painted, quit, wait_row};
use crate::lab::monitoring::fire;
use crate::lab::need;
use crate::scene::{SOURCES, Scene, setup};
use quarterdeck::domain::notify::{Notify, Osc};
use quarterdeck::domain::{
    Alert, AlertReport, AlertState, Container, Engine, Health, Reach, Server, Severity, Snapshot, Subject, alert,
};
use quarterdeck::effect::Effect;
use std::sync::Arc;
use std::time::Duration;

fn scene(sources: &[(&str, &str, Subject)], notify: Notify) -> Scene {
    let mut setup = setup(sources);
    setup.looks.notify = notify;
    Scene::of(setup, (160, 45))
}

/// What was told since the last time.
fn told(scene: &mut Scene) -> Vec<String> {
    let told = scene.effects.drain(..).filter_map(|effect| match effect {
        Effect::Notify(text) => Some(text),
        _ => None,
    });
    told.collect()
}

fn firing(names: &[&str]) -> Snapshot {
    let alert = |name: &&str| {
        let labels: alert::Labels =
            [("alertname", *name), ("instance", "game-9")].map(|(l, v)| (l.to_owned(), v.to_owned())).into();
        let fingerprint = alert::fingerprint(&labels);
        Arc::new(Alert {
            fingerprint,
            name: (*name).to_owned(),
            severity: Severity::Critical,
            labels,
            ..Alert::default()
        })
    };
    Snapshot::Alerts(AlertReport { alerts: names.iter().map(alert).collect(), ..AlertReport::default() })
}

#[test]
fn what_was_there_is_not_told_and_what_comes_is_once_a_minute_with_the_number_of_others() {
    let mut scene = scene(&SOURCES, Notify::default());
    let tell = |scene: &mut Scene, names: &[&str]| scene.good("alertmanager", "main", firing(names));
    tell(&mut scene, &["Old"]);
    assert_eq!(told(&mut scene), [""; 0]);
    tell(&mut scene, &["Old", "New"]);
    assert_eq!(told(&mut scene), ["critical: New game-9"]);
    tell(&mut scene, &["Old", "New"]);
    scene.pass(Duration::from_secs(10));
    tell(&mut scene, &["Old", "New", "Third", "Fourth", "Fifth"]);
    assert_eq!(told(&mut scene), [""; 0], "too soon");
    assert!(scene.state.deadline().is_some());
    scene.pass(Duration::from_secs(51));
    assert_eq!(told(&mut scene), ["critical: Third game-9, and 2 others"]);
    // Over, and again.
    scene.pass(Duration::from_secs(61));
    tell(&mut scene, &["Old"]);
    tell(&mut scene, &["Old", "New"]);
    assert_eq!(told(&mut scene), ["critical: New game-9"]);
}

#[test]
fn an_alert_that_only_changes_its_source_or_whose_source_comes_back_is_not_told() {
    let sources = [("prometheus", "main", Subject::Alerts), ("alertmanager", "main", Subject::Alerts)];
    let mut scene = scene(&sources, Notify::default());
    scene.good("alertmanager", "main", firing(&["Old"]));
    scene.good("prometheus", "main", firing(&["Old"]));
    scene.bad("alertmanager", "main", "it does not answer", "");
    scene.good("prometheus", "main", firing(&["Old"]));
    scene.good("alertmanager", "main", firing(&["Old"]));
    assert_eq!(told(&mut scene), [""; 0]);
    scene.good("prometheus", "main", firing(&["Old", "New"]));
    assert_eq!(told(&mut scene), ["critical: New game-9"]);
    scene.pass(Duration::from_secs(61));
    scene.good("alertmanager", "main", firing(&["Old", "New"]));
    assert_eq!(told(&mut scene), [""; 0]);
}

#[test]
fn what_is_silenced_pending_or_no_more_than_a_warning_is_not_told() {
    let mut scene = scene(&SOURCES, Notify::default());
    scene.good("alertmanager", "main", firing(&[]));
    let Snapshot::Alerts(report) = firing(&["A", "B", "C"]) else { unreachable!() };
    let mut alerts: Vec<Alert> = report.alerts.iter().map(|alert| Alert::clone(alert)).collect();
    alerts[0].state = AlertState::Suppressed;
    alerts[1].state = AlertState::Pending;
    alerts[2].severity = Severity::Warning;
    let alerts = alerts.into_iter().map(Arc::new).collect();
    scene.good("alertmanager", "main", Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
    assert_eq!(told(&mut scene), [""; 0]);
}

#[test]
fn servers_that_go_down_and_containers_that_become_unhealthy_are_told() {
    let mut scene = scene(&SOURCES, Notify::default());
    let server = |up| {
        let reach = Reach { up, by: "health".to_owned(), code: None, took: None, why: String::new() };
        Snapshot::Servers(vec![Server { name: "game-1".to_owned(), reach: vec![reach], ..Server::default() }])
    };
    let container = |health| {
        let container =
            Container { id: "4f2a".into(), name: "api\x1b[31m;日本".to_owned(), health, ..Container::default() };
        Snapshot::Containers(Engine { containers: vec![container], ..Engine::default() })
    };
    scene.good("prometheus", "main", server(true));
    scene.good("docker", "local", container(Health::Starting));
    scene.good("prometheus", "main", server(false));
    assert_eq!(told(&mut scene), ["critical: game-1 is down"]);
    scene.pass(Duration::from_secs(61));
    scene.good("docker", "local", container(Health::Unhealthy));
    assert_eq!(told(&mut scene), ["critical: api␛[31m;日本 is unhealthy"]);
}

#[test]
fn nothing_is_told_when_it_is_off_or_quiet() {
    // A scene begins at 03:00 UTC.
    let quiet = Notify { quiet: Some("22:00-07:00".parse().unwrap()), ..Notify::default() };
    let off = Notify { bell: false, osc: Osc::Off, ..Notify::default() };
    let day = Notify { quiet: Some("07:00-22:00".parse().unwrap()), ..Notify::default() };
    for (notify, count) in [(quiet, 0), (off, 0), (day, 1)] {
        let mut scene = scene(&SOURCES, notify);
        scene.good("alertmanager", "main", firing(&[]));
        scene.good("alertmanager", "main", firing(&["New"]));
        scene.pass(Duration::from_secs(120));
        assert_eq!(told(&mut scene).len(), count);
    }
}

/// How often the program printed this.
fn printed(raw: &[u8], what: &[u8]) -> usize {
    raw.windows(what.len()).filter(|window| *window == what).count()
}

fn desk(alertmanager: u16, notify: &str) -> Desk {
    Desk::with(&format!(
        "[alertmanager.main]\nurl = \"http://127.0.0.1:{alertmanager}\"\ninterval = \"250ms\"\ntimeout = \"5s\"\n\
         [notify]\n{notify}"
    ))
}

#[test]
fn an_alert_of_a_real_alertmanager_rings_once() {
    let (port, _alertmanager) = need!(own_alertmanager);
    fire(port, "OldTrouble");
    let mut session = painted(desk(port, "osc = \"9\"\n").launch().size(160, 45));
    session.send("3");
    wait_row(&session, "OldTrouble", &["firing"]);
    assert_eq!(printed(&session.raw(), b"\x1b]9;"), 0, "it was there before");
    fire(port, "NewTrouble");
    session.wait_raw(b"\x07\x1b]9;critical: NewTrouble game-9\x07");
    fire(port, "ThirdTrouble");
    wait_row(&session, "ThirdTrouble", &["firing"]);
    session.sees(Duration::from_secs(1), |_| false);
    let raw = session.raw();
    assert_eq!(printed(&raw, b"\x1b]9;"), 1, "one a minute");
    assert_eq!(printed(&raw, b"hunter2\x07"), 0, "no annotation leaves the program");
    quit(session);
}

#[test]
fn in_quiet_hours_a_real_alert_is_only_shown_and_tmux_is_passed_through_when_asked_for() {
    let (port, _alertmanager) = need!(own_alertmanager);
    let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now());
    let hour = |by: i8| format!("{:02}:00", (now.hour() + 24 + by).rem_euclid(24));
    let quiet = format!("osc = \"9\"\nzone = \"UTC\"\nquiet = \"{}-{}\"\n", hour(-1), hour(2));
    let quiet_desk = desk(port, &quiet);
    let tmux_desk = desk(port, "osc = \"9\"\nbell = false\ntmux = true\n");
    let silent = painted(quiet_desk.launch().args(&["--theme", "dark"]));
    let passed = painted(tmux_desk.launch().env("TMUX", "/tmp/s,1,0"));
    for session in [&silent, &passed] {
        session.wait_screen("answer", crate::pty::PATIENCE, |screen| screen.contents().contains("no alert is firing"));
    }
    fire(port, "NightTrouble");
    passed.wait_raw(b"\x1bPtmux;\x1b\x1b]9;critical: NightTrouble game-9\x07\x1b\\");
    wait_row(&silent, "NightTrouble", &["firing"]);
    silent.sees(Duration::from_secs(1), |_| false);
    let raw = silent.raw();
    assert_eq!((printed(&raw, b"\x1b]9;"), printed(&raw, b"\x07")), (0, 0));
    quit(silent);
    quit(passed);
}
