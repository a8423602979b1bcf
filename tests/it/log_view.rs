//! The log view, painted, with lines as the readers would send them.

use crate::dump;
use crate::scene::{HOSTILE, SOURCES, Scene, rows, start};
use crate::seen::{has, has_not, shown};
use allocation_counter::measure;
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use quarterdeck::domain::log::{Anchor, Level, PlaceState, Stage};
use quarterdeck::domain::{
    Alert, AlertReport, Compose, Container, Engine, LogEvent, LogLine, LogPlace, LogRequest, Server, Snapshot,
    SourceError, Subject,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;
use quarterdeck::ui;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 45);

fn focus(scene: &mut Scene, subject: Subject) {
    scene.state.focus = PANES.iter().position(|kind| kind.subject == Some(subject)).unwrap();
}

fn container(id: char, name: &str, service: &str) -> Container {
    Container {
        id: id.to_string().repeat(64).into(),
        name: name.to_owned(),
        compose: (!service.is_empty()).then(|| Compose { project: "shop".into(), service: service.to_owned() }),
        ..Container::default()
    }
}

/// Two containers of one service, a third one of the same project, one of none.
fn scene() -> Scene {
    let mut scene = Scene::new(&SOURCES, SIZE);
    scene.good("prometheus", "main", rows(Subject::Servers, 3, &[]));
    let containers = vec![
        container('a', "web-1", "web"),
        container('b', "web-2", "web"),
        container('c', "db-1", "db"),
        container('d', "lone", ""),
    ];
    let engine = Engine { version: "27".into(), server: None, containers, events: Vec::new() };
    scene.good("docker", "local", Snapshot::Containers(engine));
    focus(&mut scene, Subject::Containers);
    scene.paint();
    scene
}

/// With the cursor on a container, its log opened.
fn opened(name: &str) -> Scene {
    let mut scene = scene();
    scene.keys("/");
    scene.keys(name);
    scene.key(KeyCode::Enter);
    scene.effects.clear();
    scene.keys("l");
    scene
}

fn asked(scene: &mut Scene) -> Option<(u64, LogRequest)> {
    let mut asked = scene.effects.drain(..).filter_map(|effect| match effect {
        Effect::Follow { number, request } => Some((number, *request)),
        _ => None,
    });
    asked.next_back()
}

fn line(second: i64, text: &str) -> LogLine {
    let at = Some(start().wall + SignedDuration::from_secs(second));
    LogLine { at, level: Level::of(text), place: 0, text: text.to_owned() }
}

fn batch(scene: &mut Scene, number: u64, lines: Vec<LogLine>) {
    batch_at(scene, number, 0, lines);
}

/// So many seconds after the start.
fn batch_at(scene: &mut Scene, number: u64, second: i64, lines: Vec<LogLine>) {
    let at = start().wall + SignedDuration::from_secs(second);
    scene.send(Event::Log(LogEvent::Batch { number, at, lines, states: Vec::new() }));
}

fn state(scene: &mut Scene, number: u64, stage: Stage, why: Option<SourceError>) {
    let states = vec![(0, PlaceState { at: start().wall, stage, why })];
    scene.send(Event::Log(LogEvent::Batch { number, at: start().wall, lines: Vec::new(), states }));
}

fn ctrl(scene: &mut Scene, key: char) {
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL))));
}

#[test]
fn what_is_not_of_now_is_said_to_be_behind() {
    let mut scene = opened("lone");
    batch(&mut scene, 1, vec![line(-850, "ERROR long ago")]);
    has(&mut scene, &["— err/min"]);
    has_not(&mut scene, "behind");
    scene.pass(Duration::from_secs(1));
    batch_at(&mut scene, 1, 1, vec![line(-500, "ERROR not so long ago")]);
    has(&mut scene, &["catching up, 8m behind"]);
    scene.pass(Duration::from_secs(3));
    has_not(&mut scene, "behind");
    has(&mut scene, &["0 err/min"]);
}

/// Its last lines are old, and that is no backlog: nothing else comes.
#[test]
fn a_quiet_log_is_not_said_to_be_behind() {
    let mut scene = opened("lone");
    batch(&mut scene, 1, vec![line(-185, "the last words")]);
    has_not(&mut scene, "catching up");
    has_not(&mut scene, "old when they come");
}

#[test]
fn errors_without_a_time_count_when_they_come_and_not_when_they_were_there_before() {
    let mut scene = opened("lone");
    let error = |text: &str| LogLine { at: None, ..line(0, text) };
    state(&mut scene, 1, Stage::Following, None);
    batch(&mut scene, 1, vec![error("ERROR of whenever"), line(-5, "ERROR of now"), error("ERROR right after it")]);
    has(&mut scene, &["2 err/min"]);
    scene.pass(Duration::from_secs(5));
    batch_at(&mut scene, 1, 5, vec![error("ERROR just written")]);
    has(&mut scene, &["3 err/min"]);
}

#[test]
fn where_nothing_can_be_read_silence_is_not_claimed() {
    let mut scene = opened("lone");
    state(&mut scene, 1, Stage::Following, None);
    has(&mut scene, &["it has said nothing yet"]);
    let why = SourceError::new("there is no journal on box", "name its files");
    state(&mut scene, 1, Stage::Retrying, Some(why));
    has(
        &mut scene,
        &["nothing of it can be read: the line below says why", "there is no journal on box: name its files"],
    );
    has_not(&mut scene, "it has said nothing");
}

/// A log with its lines.
fn filled() -> Scene {
    let mut scene = opened("lone");
    batch(
        &mut scene,
        1,
        vec![
            line(-3700, "started"),
            line(-30, "GET /users/1 200"),
            line(-20, "GET /users/2 200"),
            line(-10, "WARN: slow: 812 ms"),
            line(-5, r#"{"level":"error","msg":"no route to 10.0.0.7","code":502,"user":"a b"}"#),
            line(-1, "ERROR no route to 10.0.0.9"),
        ],
    );
    state(&mut scene, 1, Stage::Following, None);
    scene
}

#[test]
fn a_log_is_asked_for_when_it_opens_and_no_more_when_it_is_left() {
    let mut scene = opened("lone");
    let (number, request) = asked(&mut scene).unwrap();
    assert_eq!((number, request.anchor), (1, Anchor::Tail));
    assert!(matches!(&request.target.places[..], [LogPlace::Container { name, .. }] if &**name == "lone"));
    has(&mut scene, &["opening …"]);
    scene.key(KeyCode::Esc);
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::Unfollow)));
    assert!(scene.state.logs.is_none());
    batch(&mut scene, 1, vec![line(0, "too late")]);
    scene.keys("]");
    assert_eq!(asked(&mut scene).map(|(number, _)| number), Some(2), "it is a place on the trail");
    batch(&mut scene, 1, vec![line(0, "of the first time")]);
    batch(&mut scene, 2, vec![line(0, "of the second time")]);
    has(&mut scene, &["of the second time"]);
    has_not(&mut scene, "of the first time");
}

#[test]
fn lines_are_told_with_time_level_and_json_made_readable() {
    let mut scene = filled();
    has(&mut scene, &["02:59:50.000 WARN  WARN: slow: 812 ms"]);
    has(&mut scene, &["02:59:55.000 ERROR no route to 10.0.0.7 code=502 user=\"a b\""]);
    has(&mut scene, &["2 err/min 1 warn/min"]);
    scene.keys("t");
    has_not(&mut scene, "02:59:50");
    scene.keys("t");
    scene.key(KeyCode::Up);
    has(&mut scene, &["PAUSED"]);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["code: 502"]);
    has(&mut scene, &["as it came:"]);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["started"]);
}

#[test]
fn a_line_of_another_day_has_its_day() {
    let mut scene = filled();
    batch(&mut scene, 1, vec![line(-90_000, "yesterday")]);
    has(&mut scene, &["11-24 02:00:00.000"]);
    scene.keys("u");
    has(&mut scene, &["local time"]);
}

#[test]
fn scrolling_up_pauses_and_the_end_follows_again() {
    let mut scene = filled();
    let many = (0..200).map(|n| line(0, &format!("line number {n}"))).collect();
    batch(&mut scene, 1, many);
    has(&mut scene, &["line number 199"]);
    scene.key(KeyCode::PageUp);
    has(&mut scene, &["PAUSED"]);
    batch(&mut scene, 1, vec![line(1, "the newest")]);
    has_not(&mut scene, "the newest");
    scene.keys("G");
    has(&mut scene, &["following"]);
    has(&mut scene, &["the newest"]);
    for key in ["f", "s"] {
        scene.keys(key);
        has(&mut scene, &["PAUSED"]);
        scene.keys(key);
        has(&mut scene, &["following"]);
    }
}

#[test]
fn a_filter_hides_and_a_search_keeps_what_is_around() {
    let mut scene = filled();
    scene.keys("&route !json");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["2 lines pass"]);
    has_not(&mut scene, "GET /users");
    scene.key(KeyCode::Esc);
    has(&mut scene, &["GET /users/1"]);
    scene.keys("/users");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["started"]);
    let row = |scene: &Scene| scene.state.logs.as_ref().unwrap().cursor_line().unwrap_or_default().to_owned();
    assert_eq!(row(&scene), "GET /users/2 200", "the newest hit first");
    has(&mut scene, &["/users: 2 of 2 "]);
    scene.keys("N");
    has(&mut scene, &["/users: 1 of 2 "]);
    assert_eq!(row(&scene), "GET /users/1 200");
    scene.keys("n");
    scene.paint();
    assert_eq!(row(&scene), "GET /users/2 200");
    scene.keys("n");
    has(&mut scene, &["/users: 2 of 2, no further hit below"]);
    batch(&mut scene, 1, vec![line(0, "GET /users/3 200")]);
    has(&mut scene, &["/users: 2 of 3,"]);
    scene.keys("G");
    scene.key(KeyCode::Up);
    has(&mut scene, &["/users: 3 hits"]);
    scene.keys("&users/1");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["1 lines pass"]);
    has(&mut scene, &["/users"]);
}

#[test]
fn errors_alone_or_with_warnings_and_then_all_again() {
    let mut scene = filled();
    scene.keys("e");
    has(&mut scene, &["2 lines pass"]);
    has(&mut scene, &["&errors"]);
    has_not(&mut scene, "slow: 812 ms");
    scene.keys("E");
    has(&mut scene, &["3 lines pass"]);
    has(&mut scene, &["slow: 812 ms"]);
    scene.keys("E");
    has(&mut scene, &["GET /users/1"]);
    scene.keys("e");
    has_not(&mut scene, "GET /users/1");
    scene.key(KeyCode::Esc);
    has(&mut scene, &["GET /users/1"]);
    assert!(scene.state.logs.is_some(), "Esc took only that back");
    let mut scene = opened("lone");
    batch(&mut scene, 1, vec![line(-1, "all is well")]);
    scene.keys("e");
    has(&mut scene, &["no line that is kept here is one of these (Esc shows all)"]);
}

#[test]
fn patterns_are_counted_worst_first_and_lead_to_their_lines() {
    let mut scene = filled();
    scene.keys("p");
    let screen = shown(&mut scene);
    let first = screen.lines().find(|line| line.contains("no route to #")).expect(&screen);
    assert!(first.contains("ERROR"), "{first}");
    assert!(screen.contains("GET /users/# #"), "{screen}");
    scene.key(KeyCode::Enter);
    has_not(&mut scene, "GET /users");
    has(&mut scene, &["pattern"]);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["GET /users"]);
}

#[test]
fn digits_are_times_here_and_panes_elsewhere() {
    let mut scene = filled();
    scene.effects.clear();
    scene.keys("3");
    let (number, request) = asked(&mut scene).unwrap();
    assert_eq!((number, request.anchor), (2, Anchor::QuarterHour));
    has(&mut scene, &["since 15m"]);
    has_not(&mut scene, "started");
    scene.keys("0");
    assert_eq!(asked(&mut scene).unwrap().1.anchor, Anchor::All);
    scene.key(KeyCode::Esc);
    scene.keys("1");
    assert_eq!(PANES[scene.state.focus].subject, Some(Subject::Servers));
}

#[test]
fn a_service_and_its_project_are_one_key_further() {
    let mut scene = opened("web-1");
    assert_eq!(asked(&mut scene).unwrap().1.target.places.len(), 1);
    scene.keys("m");
    let service = asked(&mut scene).unwrap().1.target;
    assert_eq!((&*service.name, service.places.len()), ("shop/web, 2 containers", 2));
    let of = |place: u16, second: i64, text: &str| LogLine { place, ..line(second, text) };
    batch(&mut scene, 2, vec![of(0, -2, "from the first"), of(1, -1, "from the second")]);
    has(&mut scene, &["web-1       from the first"]);
    has(&mut scene, &["web-2       from the second"]);
    scene.keys("m");
    assert_eq!(asked(&mut scene).unwrap().1.target.places.len(), 3);
    scene.keys("m");
    assert_eq!(asked(&mut scene).unwrap().1.target.places.len(), 1);
}

#[test]
fn marked_containers_are_one_log() {
    let mut scene = scene();
    scene.keys(" j j l");
    let (_, request) = asked(&mut scene).unwrap();
    let names: Vec<&str> = request.target.places.iter().map(LogPlace::name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(&*request.target.name, "3 marked");
    scene.keys("m");
    let (_, request) = asked(&mut scene).unwrap();
    assert_eq!(request.target.places.len(), 1, "each by itself is one key further");
    scene.key(KeyCode::Esc);
    scene.keys("Vl");
    let (_, request) = asked(&mut scene).unwrap();
    assert_eq!(request.target.places.len(), 1, "without marks it is the one under the cursor");
}

#[test]
fn copying_and_saving_are_effects_and_say_so() {
    let mut scene = filled();
    scene.effects.clear();
    scene.paint();
    scene.keys("c");
    assert!(matches!(scene.effects.pop(), Some(Effect::Copy(text)) if text == "ERROR no route to 10.0.0.9"));
    scene.keys("C");
    assert!(matches!(scene.effects.pop(), Some(Effect::Copy(text)) if text.lines().count() == 6));
    scene.keys("&users");
    scene.key(KeyCode::Enter);
    scene.paint();
    ctrl(&mut scene, 's');
    let Some(Effect::SaveLog(export)) = scene.effects.pop() else { panic!("nothing is saved") };
    let mut out = Vec::new();
    export.write(&mut out).unwrap();
    let saved = String::from_utf8(out).unwrap();
    assert_eq!(saved.lines().filter(|line| line.contains("GET /users")).count(), 2, "{saved}");
    assert!(!saved.contains("route") && saved.contains("# only what passes: users"), "{saved}");
    scene.send(Event::Log(LogEvent::Saved(Ok("/state/logs/lone.log".into()))));
    has(&mut scene, &["saved to /state/logs/lone.log"]);
}

#[test]
fn what_is_wrong_is_told_with_the_mend_and_whether_it_is_tried_again() {
    let mut scene = filled();
    let why = SourceError::new("lone does not run: it ended with 137", "it is followed on when it starts again");
    state(&mut scene, 1, Stage::Retrying, Some(why));
    has(&mut scene, &["▲ lone since 03:00:00Z, trying again: lone does not run: it ended with 137: it is followed on"]);
    let why = SourceError::new("its logging driver is none", "run it with another");
    state(&mut scene, 1, Stage::Over, Some(why));
    has(&mut scene, &["not tried again (ctrl-r does)"]);
    scene.effects.clear();
    ctrl(&mut scene, 'r');
    assert!(asked(&mut scene).is_some(), "ctrl-r asks again");
}

#[test]
fn servers_and_alerts_lead_to_their_logs_or_say_why_not() {
    let sources = [("ssh", "db-1", Subject::Servers), SOURCES[0], SOURCES[2]];
    let mut scene = Scene::new(&sources, SIZE);
    let server = |name: &str| Server { name: name.to_owned(), ..Server::default() };
    scene.good("ssh", "db-1", Snapshot::Servers(vec![server("db-1")]));
    scene.good("prometheus", "main", Snapshot::Servers(vec![server("far-2")]));
    let alert = |name: &str, host: &str| {
        let labels = [("alertname".to_owned(), name.to_owned()), ("instance".to_owned(), host.to_owned())].into();
        Arc::new(Alert { name: name.into(), fingerprint: name.into(), labels, ..Alert::default() })
    };
    let alerts = vec![alert("Known", "db-1:9100"), alert("Unknown", "nowhere:9100")];
    scene.good("alertmanager", "main", Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
    let mut open = |subject: Subject, name: &str| {
        focus(&mut scene, subject);
        scene.keys("/");
        scene.keys(name);
        scene.key(KeyCode::Enter);
        scene.keys("l");
        let found = asked(&mut scene).map(|(_, request)| request.target);
        let screen = shown(&mut scene);
        scene.key(KeyCode::Esc);
        scene.key(KeyCode::Esc);
        (found, screen)
    };
    let (journal, _) = open(Subject::Servers, "db-1");
    assert!(matches!(&journal.unwrap().places[..], [LogPlace::Journal { server, .. }] if &**server == "db-1"));
    let (none, screen) = open(Subject::Servers, "far-2");
    assert!(none.is_none() && screen.contains("nothing here can read logs on far-2"), "{screen}");
    assert!(open(Subject::Alerts, "Known").0.is_some());
    let (none, screen) = open(Subject::Alerts, "Unknown");
    assert!(none.is_none() && screen.contains("name no container and no server"), "{screen}");
}

#[test]
fn a_server_with_files_asks_which_log_is_meant() {
    let mut setup = crate::scene::setup(&[("ssh", "db-1", Subject::Servers)]);
    setup.logs.files.insert("db-1".to_owned(), vec!["/var/log/nginx/error.log".to_owned()]);
    let mut scene = Scene::of(setup, SIZE);
    scene.good("ssh", "db-1", Snapshot::Servers(vec![Server { name: "db-1".into(), ..Server::default() }]));
    scene.paint();
    scene.keys("l");
    assert!(asked(&mut scene).is_none(), "nothing is read before it is chosen");
    has(&mut scene, &["which log?"]);
    has(&mut scene, &["db-1, all of them by time"]);
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Enter);
    let target = asked(&mut scene).unwrap().1.target;
    assert!(matches!(&target.places[..], [LogPlace::File { path, .. }] if &**path == "/var/log/nginx/error.log"));
    scene.keys("m");
    assert_eq!(asked(&mut scene).unwrap().1.target.places.len(), 2);
}

#[test]
fn hostile_lines_harm_nobody() {
    let mut scene = opened("lone");
    let mut lines: Vec<LogLine> = HOSTILE.iter().map(|text| line(0, &quarterdeck::domain::text::clean(text))).collect();
    lines.push(line(0, "{\"msg\":\"\\u001b[31m\\u202e\\u0007\",\"\\u0000\":[[[[]]]]}"));
    lines.push(line(0, &"日本語".repeat(5000)));
    lines.push(line(0, ""));
    batch(&mut scene, 1, lines);
    for keys in ["", "w", "p", "w", "/本\r", "&本\r"] {
        scene.keys(keys.trim_end_matches('\r'));
        if keys.ends_with('\r') {
            scene.key(KeyCode::Enter);
        }
        for size in [(80, 24), SIZE, (240, 70)] {
            scene.resize(size);
            let screen = shown(&mut scene);
            assert!(!screen.contains(['\x1b', '\u{202e}', '\x07', '\0']), "{screen}");
        }
    }
}

#[test]
fn the_view_at_three_sizes() {
    let mut scene = filled();
    let mut out = String::new();
    for size in [(80, 24), SIZE] {
        scene.resize(size);
        out.push_str(&dump::styled(&scene.paint()));
        out.push('\n');
    }
    scene.keys("p");
    out.push_str(&dump::text(&scene.paint()));
    insta::assert_snapshot!("logs", out);
}

fn flood(scene: &mut Scene, from: usize, count: usize) {
    let lines = (from..from + count).map(|n| {
        let level = if n.is_multiple_of(97) { "ERROR" } else { "INFO" };
        line(0, &format!("{level} request {n} from 10.0.{}.{} took {} ms, all is as it was", n % 7, n % 250, n % 900))
    });
    batch(scene, 1, lines.collect());
}

#[test]
fn a_frame_costs_the_same_however_long_the_log_is() {
    let cost = |count: usize| {
        let mut scene = opened("lone");
        for from in (0..count).step_by(50) {
            flood(&mut scene, from, 50);
        }
        scene.keys("/took");
        scene.key(KeyCode::Enter);
        scene.keys("G");
        let area = Rect::new(0, 0, SIZE.0, SIZE.1);
        let mut buf = Buffer::empty(area);
        for _ in 0..3 {
            scene.key(KeyCode::Up);
            scene.paint();
        }
        let prepare = measure(|| scene.state.prepare()).count_total;
        let draw = measure(|| ui::draw(&scene.state, area, &mut buf)).count_total;
        (prepare, draw)
    };
    let (few, many) = (cost(100), cost(50_000));
    assert_eq!(few, many);
}

/// So many bytes of lines through a view that keeps 4 MB, with a filter and patterns at work.
fn memory_of(bytes: usize) -> u64 {
    let mut setup = crate::scene::setup(&SOURCES);
    setup.logs.memory = 4 << 20;
    let mut scene = Scene::of(setup, SIZE);
    scene.good("docker", "local", rows(Subject::Containers, 1, &[]));
    focus(&mut scene, Subject::Containers);
    scene.paint();
    scene.keys("l&error");
    scene.key(KeyCode::Enter);
    scene.keys("p");
    let most = measure(|| {
        let mut sent = 0;
        let mut number = 0;
        while sent < bytes {
            flood(&mut scene, number, 3000);
            number += 3000;
            sent += 3000 * 80;
            scene.state.prepare();
        }
    });
    has(&mut scene, &["request # from"]);
    scene.keys("p");
    scene.key(KeyCode::Esc);
    scene.keys("g");
    has(&mut scene, &["older lines are gone"]);
    most.bytes_max
}

#[test]
fn a_log_of_any_length_takes_bounded_memory() {
    let most = memory_of(40 << 20);
    assert!(most < 12 << 20, "{most}");
}

#[test]
#[ignore = "long: a gigabyte"]
fn long_a_gigabyte_takes_no_more_than_forty_megabytes_do() {
    let most = memory_of(1 << 30);
    assert!(most < 12 << 20, "{most}");
}
