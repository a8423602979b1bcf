//! Presenter mode: what is planted in every source's data stands in no frame of any view; it is not left by a stray key; keys are
//! shown, typed text is not.

use super::dump;
use super::scene::{self, SOURCES, Scene, setup, start};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::action::Action;
use quarterdeck::app::Presenting;
use quarterdeck::domain::secret::Secret;
use quarterdeck::domain::{
    Alert, AlertReport, Container, ContainerState, Database, Engine, EngineEvent, LogEvent, LogLine, Reach, Server,
    Session, SessionState, Severity, Silence, Snapshot, Subject, alert,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use quarterdeck::keymap::Scope;
use quarterdeck::panes::PANES;
use quarterdeck::redact::{Mask, Redactor};
use regex::Regex;
use std::time::Duration;

/// What must never be seen. All of them hold one of these.
const CANARIES: [&str; 2] = ["canary", "203.0.113."];
/// An address, a token, a secret that a connection uses, a person, and what the team's own pattern finds.
const PLANTED: &str =
    "203.0.113.77 ghp_canary0123456789 canarysecret canary@example.org https://canary.example/x cust-canary";
const SIZES: [(u16, u16); 3] = [(80, 24), (160, 45), (240, 70)];

fn presenting(always: bool) -> Presenting {
    let secrets = Redactor::default();
    secrets.learn(&Secret::from("canarysecret"));
    Presenting { always, mask: Mask::new(1, vec![Regex::new(r"\bcust-\w+").unwrap()], secrets) }
}

fn scene(size: (u16, u16), always: bool) -> Scene {
    let mut setup = setup(&SOURCES);
    setup.presenting = presenting(always);
    Scene::of(setup, size)
}

fn labels(pairs: &[(&str, &str)]) -> alert::Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn server() -> Snapshot {
    let reach = Reach { up: false, by: "health".into(), code: None, took: None, why: PLANTED.into() };
    Snapshot::Servers(vec![Server {
        name: "203.0.113.77:9100".into(),
        addresses: vec!["203.0.113.77".into(), "canary@host".into()],
        roles: vec![PLANTED.into()],
        labels: labels(&[("owner", PLANTED)]),
        reach: vec![reach],
        columns: vec![("players".into(), PLANTED.into())],
        notes: vec![PLANTED.into()],
        system: Some(PLANTED.into()),
        ..Server::default()
    }])
}

fn engine() -> Snapshot {
    let container = Container {
        id: "4f2a".repeat(16).into(),
        name: "api cust-canary1".into(),
        image: format!("registry/{PLANTED}"),
        state: ContainerState::Restarting,
        addresses: vec!["203.0.113.78".into()],
        ports: vec![quarterdeck::domain::Port {
            private: 80,
            protocol: "tcp".into(),
            public: Some(("203.0.113.79".into(), 80)),
        }],
        probe: Some(quarterdeck::domain::Probe {
            exit_code: 1,
            output: PLANTED.into(),
            at: None,
            failing: 3,
            failing_since: None,
        }),
        labels: labels(&[("maintainer", PLANTED), ("password", "x")]),
        ..Container::default()
    };
    let event = EngineEvent {
        number: 1,
        at: start().wall,
        kind: "container".into(),
        action: "die".into(),
        id: "4f2a".repeat(16),
        name: "api cust-canary1".into(),
        attributes: labels(&[("exitCode", "3"), ("note", PLANTED)]),
    };
    Snapshot::Containers(Engine {
        version: PLANTED.into(),
        server: Some("203.0.113.77".into()),
        containers: vec![container],
        events: vec![event],
    })
}

fn alerts() -> Snapshot {
    let alert = Alert {
        fingerprint: "00ff00ff00ff00ff".into(),
        name: "ServiceDown".into(),
        severity: Severity::Critical,
        labels: labels(&[("instance", "203.0.113.77:9100"), ("owner", PLANTED)]),
        annotations: labels(&[("summary", PLANTED), ("runbook_url", "https://canary.example/runbook")]),
        query: Some(format!("up{{instance='{PLANTED}'}}").as_str().into()),
        generator: Some("http://canary.example:9090/graph".into()),
        receivers: vec![PLANTED.into()],
        active_at: Some(start().wall),
        ..Alert::default()
    };
    let silence = Silence { created_by: "canaryperson".into(), comment: PLANTED.into(), ..Silence::default() };
    Snapshot::Alerts(AlertReport { alerts: vec![alert.into()], silences: vec![silence], ..AlertReport::default() })
}

fn database() -> Snapshot {
    let session = |pid: i32, query: &str| Session {
        pid,
        backend_start: start().wall,
        user: "canaryuser".into(),
        application: PLANTED.into(),
        client: "203.0.113.80".into(),
        database: "spacetime".into(),
        state: SessionState::IdleInTransaction,
        state_change: Some(start().wall),
        query: query.into(),
        blocked_by: if pid == 2 { vec![1] } else { Vec::new() },
        blocks: u32::from(pid == 1),
        kind: "client backend".into(),
        ..Session::default()
    };
    let sessions = vec![
        session(1, "UPDATE players SET name = 'canary literal', mail = E'canary\\'s' WHERE id = 203"),
        session(2, "/* api */ select $$canary$$, 'cut canary off"),
    ];
    Snapshot::Database(Database {
        version: "15.18".into(),
        host: "203.0.113.81".into(),
        now: start().wall,
        max: 100,
        used: 2,
        sessions,
        hidden: vec![PLANTED.into()],
        ..Database::default()
    })
}

fn fill(scene: &mut Scene) {
    for (kind, name, subject) in SOURCES {
        let snapshot = match subject {
            Subject::Servers => server(),
            Subject::Containers => engine(),
            Subject::Alerts => alerts(),
            Subject::Databases => database(),
        };
        scene.good(kind, name, snapshot);
    }
    scene::begin(scene, 1, PLANTED);
    scene::end(scene, 1, "failed", PLANTED);
    scene::begin(scene, 2, PLANTED);
}

fn seen(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

fn assert_hidden(scene: &mut Scene, place: &str) {
    let shown = seen(scene);
    for canary in CANARIES {
        assert!(!shown.to_lowercase().contains(canary), "{canary} is seen in {place}:\n{shown}");
    }
}

/// The keys that lead to a pane or page, from wherever one is.
fn open(scene: &mut Scene, kind: &quarterdeck::panes::PaneKind) {
    let key = |scene: &Scene, scope, action: &Action| scene.state.keymap.key_of(scope, action);
    if let Some(key) = key(scene, Scope::All, &kind.action) {
        return scene.keys(&key);
    }
    let way = PANES
        .iter()
        .filter(|parent| parent.number.is_some())
        .find_map(|parent| Some((key(scene, Scope::All, &parent.action)?, key(scene, parent.scope, &kind.action)?)));
    let (parent, page) = way.unwrap_or_else(|| panic!("no key leads to {}", kind.title));
    scene.keys(&parent);
    scene.keys(&page);
}

/// Every pane and page with the page of its first thing, and help, palette and what is said in passing.
fn look_everywhere(scene: &mut Scene, when: &str) {
    for kind in PANES {
        open(scene, kind);
        assert_hidden(scene, &format!("{}, {when}", kind.title));
        scene.key(KeyCode::Enter);
        assert_hidden(scene, &format!("a page of {}, {when}", kind.title));
        for _ in 0..12 {
            scene.key(KeyCode::PageDown);
            assert_hidden(scene, &format!("a page of {}, scrolled, {when}", kind.title));
        }
        for _ in 0..3 {
            scene.key(KeyCode::Esc);
        }
    }
    scene.keys("?");
    assert_hidden(scene, "help");
    scene.key(KeyCode::Esc);
}

#[test]
fn nothing_planted_in_any_source_is_seen_in_any_view() {
    for size in SIZES {
        let mut scene = scene(size, true);
        fill(&mut scene);
        look_everywhere(&mut scene, "with its sources well");
        for (kind, name, _) in SOURCES {
            scene.bad(kind, name, &format!("it fails: {PLANTED}"), PLANTED);
        }
        look_everywhere(&mut scene, "with its sources failing");
    }
}

/// A test that could not fail would prove nothing.
#[test]
fn the_same_is_seen_when_it_is_off() {
    let mut scene = scene((240, 70), false);
    fill(&mut scene);
    for kind in
        PANES.iter().filter(|kind| kind.beside || kind.action == Action::Runs || kind.action == Action::Overview)
    {
        open(&mut scene, kind);
        let shown = seen(&mut scene).to_lowercase();
        assert!(CANARIES.iter().any(|canary| shown.contains(canary)), "{} shows nothing planted\n{shown}", kind.title);
    }
}

#[test]
fn it_is_turned_on_by_a_key_and_off_by_a_phrase_alone() {
    let mut scene = scene((160, 45), false);
    fill(&mut scene);
    scene.keys("4");
    assert!(seen(&mut scene).contains("canaryuser"));
    scene.keys("P");
    scene.pass(Duration::from_millis(50));
    assert_hidden(&mut scene, "the databases");
    assert!(seen(&mut scene).contains("PRESENTING"));
    for stray in ["P", "Py", "P\n"] {
        for char in stray.chars() {
            scene.key(if char == '\n' { KeyCode::Enter } else { KeyCode::Char(char) });
        }
        scene.pass(Duration::from_millis(50));
        assert!(seen(&mut scene).contains("type  show all"));
        scene.key(KeyCode::Esc);
        assert_hidden(&mut scene, "after a stray key");
    }
    scene.keys("P");
    scene.pass(Duration::from_millis(50));
    scene.keys("show all");
    scene.key(KeyCode::Enter);
    let shown = seen(&mut scene);
    assert!(shown.contains("canaryuser") && !shown.contains("PRESENTING"), "{shown}");
}

#[test]
fn one_pane_has_all_the_room() {
    let mut scene = scene((160, 45), false);
    fill(&mut scene);
    scene.keys("3");
    let titles =
        |shown: &str| ["1 Servers", "2 Containers", "3 Alerts", "4 Databases"].map(|title| shown.contains(title));
    assert_eq!(titles(&seen(&mut scene)), [true; 4]);
    scene.keys("P");
    scene.pass(Duration::from_millis(50));
    assert_eq!(titles(&seen(&mut scene)), [false, false, true, false]);
    scene.keys("2");
    assert_eq!(titles(&seen(&mut scene)), [false, true, false, false], "keys go on to the others");
}

#[test]
fn where_the_config_says_always_no_key_shows_anything() {
    let mut scene = scene((160, 45), true);
    fill(&mut scene);
    scene.keys("P");
    scene.pass(Duration::from_millis(50));
    scene.keys("show all");
    scene.key(KeyCode::Enter);
    assert_hidden(&mut scene, "a shared terminal");
    assert!(seen(&mut scene).contains("PRESENTING"));
}

#[test]
fn a_key_is_shown_with_what_it_does_and_typed_text_is_not() {
    let mut scene = scene((160, 45), true);
    fill(&mut scene);
    let last = |scene: &mut Scene| seen(scene).lines().last().unwrap().to_owned();
    scene.keys("2");
    assert!(last(&mut scene).contains("2  pane 2: containers"), "{}", last(&mut scene));
    scene.keys("Z");
    assert!(last(&mut scene).contains("Z is not bound; ? shows the keys"), "{}", last(&mut scene));
    scene.pass(Duration::from_secs(5));
    assert!(last(&mut scene).contains("help"), "{}", last(&mut scene));
    scene.keys("/x");
    assert!(last(&mut scene).contains("filter: •"), "{}", last(&mut scene));
}

/// What somebody looks for on a shared screen.
const TYPED: [&str; 8] = [
    "203.0.113.77",
    "canary@example.org",
    "canaryuser",
    "user:canaryuser",
    "canarysecret",
    "cust-canary1",
    "https://canary.example/x",
    "!203.0.113.78 state:canary@x",
];

/// Types it key by key, keeps it, and takes it away again.
fn type_all(scene: &mut Scene, key: &str, typed: &str, place: &str) {
    scene.keys(key);
    for char in typed.chars() {
        scene.key(KeyCode::Char(char));
        assert_hidden(scene, &format!("{place} while {typed} is typed"));
        let shown = seen(scene);
        assert!(!shown.contains("203.0."), "a part of an address is seen in {place}:\n{shown}");
    }
    scene.key(KeyCode::Enter);
    assert_hidden(scene, &format!("{place} with {typed}"));
    scene.keys(key);
    assert_hidden(scene, &format!("{place} with {typed} to be changed"));
    scene.key(KeyCode::Esc);
}

#[test]
fn what_is_typed_to_find_something_is_hidden_too() {
    let mut scene = scene((80, 24), true);
    fill(&mut scene);
    for kind in PANES {
        open(&mut scene, kind);
        // What all tables share is tried out in those of the panes.
        let typed = if kind.beside || kind.number.is_some() { &TYPED[..] } else { &TYPED[..2] };
        for typed in typed {
            type_all(&mut scene, "/", typed, kind.title);
        }
        scene.key(KeyCode::Esc);
        scene.key(KeyCode::Esc);
    }
    scene.keys("2l");
    let lines = vec![LogLine { at: Some(start().wall), level: None, place: 0, text: format!("ERROR {PLANTED}") }];
    scene.send(Event::Log(LogEvent::Batch { number: 1, at: start().wall, lines, states: Vec::new() }));
    for (key, place) in [("/", "a search in a log"), ("&", "a filter of a log")] {
        for typed in TYPED {
            type_all(&mut scene, key, typed, place);
        }
    }
}

#[test]
fn what_is_typed_and_tells_nothing_is_read_once_it_is_whole() {
    let mut scene = scene((160, 45), true);
    fill(&mut scene);
    scene.keys("2/api");
    scene.key(KeyCode::Enter);
    assert!(seen(&mut scene).contains("/api"), "{}", seen(&mut scene));
}

#[test]
fn a_log_is_behind_the_veil_too_and_so_is_what_is_copied_of_it() {
    for wrapped in [false, true] {
        let mut scene = scene((80, 24), true);
        fill(&mut scene);
        scene.keys("2l");
        if wrapped {
            scene.keys("w");
        }
        let line = |text: String| LogLine { at: Some(start().wall), level: None, place: 0, text };
        let lines = vec![
            line(format!("ERROR {PLANTED}")),
            line(format!(
                r#"{{"level":"error","msg":"no","peer":"203.0.113.9","user":"canary@example.org","note":"{PLANTED}"}}"#
            )),
        ];
        let number = 1;
        scene.send(Event::Log(LogEvent::Batch { number, at: start().wall, lines, states: Vec::new() }));
        assert_hidden(&mut scene, "a log");
        assert!(seen(&mut scene).contains("ERROR"), "{}", seen(&mut scene));
        scene.key(KeyCode::Enter);
        assert_hidden(&mut scene, "a whole line");
        scene.key(KeyCode::Esc);
        scene.keys("p");
        assert_hidden(&mut scene, "the patterns");
        scene.key(KeyCode::Esc);
        scene.keys("c");
        let copied = scene.effects.iter().find_map(|effect| match effect {
            Effect::Copy(text) => Some(text.to_lowercase()),
            _ => None,
        });
        let copied = copied.expect("something is copied");
        assert!(CANARIES.iter().all(|canary| !copied.contains(canary)), "{copied}");
    }
}

#[test]
fn a_log_that_is_saved_while_presenting_is_behind_the_veil_and_says_so() {
    let saved = |presenting: bool| {
        let mut scene = scene((160, 45), presenting);
        fill(&mut scene);
        scene.keys("2l");
        let text = format!("ERROR no route to 203.0.113.9 {PLANTED}");
        let lines = vec![LogLine { at: Some(start().wall), level: None, place: 0, text }];
        scene.send(Event::Log(LogEvent::Batch { number: 1, at: start().wall, lines, states: Vec::new() }));
        let shown = seen(&mut scene);
        scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL))));
        let mut exports = scene.effects.iter().filter_map(|effect| match effect {
            Effect::SaveLog(export) => Some(export),
            _ => None,
        });
        let export = exports.next_back().expect("it is saved");
        let mut out = Vec::new();
        export.write(&mut out).unwrap();
        (shown, String::from_utf8(out).unwrap(), export.file_name())
    };
    let (shown, hidden, name) = saved(true);
    assert!(CANARIES.iter().all(|canary| !hidden.to_lowercase().contains(canary)), "{hidden}");
    assert!(hidden.contains("# saved in presenter mode: "), "{hidden}");
    let mark = hidden.split("no route to ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(mark.starts_with("‹addr-") && shown.contains(&format!("no route to {mark}")), "{mark} in\n{shown}");
    assert!(CANARIES.iter().all(|canary| !name.to_lowercase().contains(canary)), "{name}");
    let (_, whole, _) = saved(false);
    assert!(whole.contains("no route to 203.0.113.9") && !whole.contains("presenter mode"), "{whole}");
}
