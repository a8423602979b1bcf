//! Every view, with made-up data: what is painted of them is in `gallery`.

use crate::alerting_pages;
use crate::database_pages;
use crate::frames;
use crate::run_page;
use crate::scene::{HOSTILE, Scene, begin, end, of_incident, rows, setup, start};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use quarterdeck::domain::log::{Level, PlaceState, Stage};
use quarterdeck::domain::record::RecordKind;
use quarterdeck::domain::risk::Level as Risk;
use quarterdeck::domain::{
    AlertReport, Answered, Compose, Found, Inquiry, LogEvent, LogLine, Member, Process, Processes, Series, Snapshot,
    Subject,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent, TaskList};
use quarterdeck::recording::{Played, Position};
use quarterdeck::runbook::machine::Way;
use quarterdeck::runbook::{Draft, Plan};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The sizes that the layout is made for.
pub const SIZES: [(u16, u16); 3] = [(80, 24), (160, 45), (240, 70)];

/// One source of each kind, and two of those that come in pairs.
const SOURCES: [(&str, &str, Subject); 7] = [
    ("local", "host", Subject::Servers),
    ("docker", "local", Subject::Containers),
    ("prometheus", "main", Subject::Alerts),
    ("prometheus", "main/rules", Subject::Alerts),
    ("alertmanager", "main", Subject::Alerts),
    ("postgres", "primary", Subject::Databases),
    ("postgres", "standby", Subject::Databases),
];

/// A view: its name, what the screen is before, and the keys that lead there. `\n` is Enter, `\t` Tab, `\x0f` Ctrl-O,
/// `\x13` Ctrl-S, `\x1b` Esc.
pub type View = (&'static str, fn() -> Scene, &'static str);

/// Every view.
pub const VIEWS: &[View] = &[
    ("panes", system, ""),
    ("panes_failing", failing, "3"),
    ("panes_guarded", guarded, "2"),
    ("panes_running", running, "2"),
    ("panes_unlocked", unlocked, "2"),
    ("servers", system, "1zj"),
    ("servers_sorted", system, "1zojj\n\x1b"),
    ("containers", system, "2z j "),
    ("alerts", system, "3z#j"),
    ("databases", system, "4zj"),
    ("overview", system, "0j"),
    ("groups", system, "3bj"),
    ("silences", system, "3sj"),
    ("rules", system, "3uj"),
    ("targets", system, "3tj"),
    ("members", system, "3hj"),
    ("events", system, "2ej"),
    ("processes", system, "1pj"),
    ("inspect", system, "2i"),
    ("locks", system, "4bj"),
    ("replication", system, "4rj"),
    ("activity", system, "4wj"),
    ("statistics", system, "4tj"),
    ("runbooks", ran, "5"),
    ("runbooks_marked", ran, "5oror "),
    ("runbooks_sort", ran, "5o"),
    ("runbooks_columns", ran, "5,j"),
    ("runbooks_copy", ran, "5c"),
    ("runs", ran, "6"),
    ("timeline", incident, "7j"),
    ("timeline_empty", system, "7"),
    ("panes_incident", incident, "2"),
    ("menu_incident", incident, "X"),
    ("menu_declare", system, "X"),
    ("incident_note", incident, "Xn"),
    ("page_server", system, "1j\n\t"),
    ("page_container", system, "2\n"),
    ("page_alert", system, "3\n\t"),
    ("page_session", system, "4\n\t"),
    ("page_runbook", ran, "5\n"),
    ("page_run", ran, "6\n"),
    ("run_under_way", run_page::under_way, ""),
    ("run_failed", run_page::failed, ""),
    ("run_told", run_page::told, ""),
    ("logs", logs, ""),
    ("logs_merged", merged, ""),
    ("logs_searched", logs, "/GET\nn"),
    ("logs_patterns", logs, "p"),
    ("logs_line", logs, "kk\n"),
    ("plan", plan, ""),
    ("plan_phrase", plan_phrase, "kill 3"),
    ("plan_blocked", plan_blocked, ""),
    ("plan_two", plan_two, ""),
    ("plan_two_reason", plan_two, "!nobody answers"),
    ("plan_locked", plan_locked, ""),
    ("plan_read_only", plan_read_only, ""),
    ("parameters", plan_phrase, "\t"),
    ("parameters_wrong", plan_phrase, "\tx\n"),
    ("silence_preview", system, "3m"),
    ("unlock", guarded, "W"),
    ("asked", asked, ""),
    ("asked_aside", asked, "\x1b"),
    ("asked_after_failure", asked_after_failure, ""),
    ("help", system, "2?"),
    ("palette", system, "2:re"),
    ("menu_actions", system, "2a"),
    ("menu_sort", system, "2o"),
    ("menu_columns", system, "2,j"),
    ("menu_views", system, "2\x0f"),
    ("menu_copy", system, "2c"),
    ("save_view", system, "2\x13"),
    ("filter_typed", system, "2/state:un"),
    ("filter_in_force", system, "2/api\n"),
    ("toasts", toasts, ""),
    ("presenter", system, "4P"),
    ("presenter_reveal", system, "4PP"),
    ("frozen", frozen, ""),
    ("replay", replay, ""),
];

fn system() -> Scene {
    with(false)
}

fn with(guarded: bool) -> Scene {
    of(guarded, false)
}

fn of(guarded: bool, read_only: bool) -> Scene {
    let mut setup = setup(&SOURCES);
    (setup.guarded, setup.read_only) = (guarded, read_only);
    if guarded {
        "production".clone_into(&mut setup.environment);
    }
    let mut scene = Scene::of(setup, SIZES[1]);
    scene.good("local", "host", rows(Subject::Servers, 7, &HOSTILE[3..5]));
    scene.good("docker", "local", rows(Subject::Containers, 9, &HOSTILE[3..5]));
    let Snapshot::Alerts(mut firing) = rows(Subject::Alerts, 6, &HOSTILE[3..5]) else { unreachable!() };
    firing.alerts.push(alerting_pages::down().into());
    scene.good("prometheus", "main", Snapshot::Alerts(firing));
    scene.good("prometheus", "main/rules", Snapshot::Alerts(alerting_pages::of_rules()));
    scene.good("alertmanager", "main", Snapshot::Alerts(alertmanager()));
    scene.good("postgres", "primary", Snapshot::Database(database_pages::primary()));
    scene.good("postgres", "standby", Snapshot::Database(database_pages::standby()));
    scene.paint();
    scene
}

fn alertmanager() -> AlertReport {
    let member =
        Member { address: "http://10.0.1.9:9093".into(), up: true, version: "0.27.0".into(), ..Member::default() };
    let down =
        Member { address: "http://10.0.1.10:9093".into(), why: "connection refused".into(), ..Member::default() };
    AlertReport { members: vec![member, down], ..alerting_pages::of_alertmanager() }
}

fn failing() -> Scene {
    let mut scene = system();
    scene.pass(Duration::from_secs(95));
    for (kind, name) in [("docker", "local"), ("alertmanager", "main"), ("postgres", "primary")] {
        let what = format!("{kind} does not answer on 10.0.1.4: connection refused (os error 111)");
        scene.bad(kind, name, &what, "start it, or give its address in the config; `quarterdeck check` asks it again");
    }
    scene
}

fn guarded() -> Scene {
    with(true)
}

fn unlocked() -> Scene {
    let mut scene = guarded();
    press(&mut scene, "W");
    scene.pass(Duration::from_millis(50));
    scene.paint();
    scene.pass(Duration::from_millis(400));
    press(&mut scene, "y");
    scene
}

fn running() -> Scene {
    let mut scene = system();
    begin(&mut scene, 1, "local/api-2");
    scene
}

fn ran() -> Scene {
    let mut scene = system();
    for (run, outcome) in [(1, "ok"), (2, "failed"), (3, "unknown")] {
        begin(&mut scene, run, "local/api-1");
        end(&mut scene, run, outcome, "it did not come back in 30 s: health is `starting`");
    }
    begin(&mut scene, 4, "local/api-3");
    scene
}

/// An incident that began five minutes ago, with somebody on it who is late with telling others.
fn incident() -> Scene {
    let mut scene = system();
    let alert = json!({ "name": "ServiceDown", "fingerprint": "f1", "severity": "critical", "labels": { "instance": "game-1:8081" } });
    let told = [
        (-2400, RecordKind::IncidentDeclare, json!({ "title": "Players can't log in", "priority": "P1" })),
        (-2390, RecordKind::AlertFired, alert.clone()),
        (-2380, RecordKind::IncidentAcknowledge, json!({})),
        (-2370, RecordKind::IncidentRole, json!({ "duty": "commander", "name": "ada" })),
        (-2300, RecordKind::IncidentNote, json!({ "text": HOSTILE.join(" ") })),
        (-2200, RecordKind::IncidentAssess, json!({ "impact": "nobody can log in", "scope": "all servers" })),
        (-2100, RecordKind::IncidentSeverity, json!({ "before": "P1", "priority": "P0", "reason": "all servers" })),
        (-60, RecordKind::AlertResolved, alert),
        (
            -30,
            RecordKind::MetricMark,
            json!({ "why": "mitigate", "marks": [{ "name": "availability", "value": "99.2 %", "limit": "99.9 %" }] }),
        ),
    ];
    let records = told.map(|(second, kind, data)| of_incident(second, kind, data)).to_vec();
    scene.send(Event::Run(RunEvent::Incidents(records)));
    scene
}

fn line(place: u16, second: i64, text: &str) -> LogLine {
    let at = Some(start().wall + SignedDuration::from_secs(second));
    LogLine { at, level: Level::of(text), place, text: text.to_owned() }
}

fn told(scene: &mut Scene, number: u64, lines: Vec<LogLine>) {
    let states = vec![(0, PlaceState { at: start().wall, stage: Stage::Following, why: None })];
    scene.send(Event::Log(LogEvent::Batch { number, at: start().wall, lines, states }));
}

fn logs() -> Scene {
    let mut scene = system();
    press(&mut scene, "2l");
    let lines = (0..90).map(|at| match at % 9 {
        4 => line(0, at - 95, "WARN slow: 812 ms for the list of players 日本"),
        6 => line(0, at - 95, r#"{"level":"error","msg":"no route to 10.0.0.7","code":502,"user":"a b"}"#),
        _ => line(0, at - 95, &format!("GET /users/{at} 200")),
    });
    told(&mut scene, 1, lines.collect());
    scene
}

/// The log of a Compose service: its containers are told apart by colour.
fn merged() -> Scene {
    let mut scene = system();
    let Snapshot::Containers(mut engine) = rows(Subject::Containers, 5, &[]) else { unreachable!() };
    for container in &mut engine.containers {
        container.compose = Some(Compose { project: "shop".into(), service: "web".into() });
    }
    scene.good("docker", "local", Snapshot::Containers(engine));
    scene.paint();
    press(&mut scene, "2lm");
    let lines = (0..5).map(|place| line(place, i64::from(place) - 9, "GET /users 200")).collect();
    told(&mut scene, 2, lines);
    scene
}

fn planned(runbook: &str, keys: &str, risk: Risk, rows: usize, blocked: &[&str]) -> Scene {
    planned_on(system(), runbook, keys, frames::plan(runbook, risk, rows, blocked))
}

fn planned_on(mut scene: Scene, runbook: &str, keys: &str, plan: Plan<Draft>) -> Scene {
    press(&mut scene, keys);
    scene.pass(Duration::from_millis(100));
    let number = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { number, .. } => Some(*number),
        _ => None,
    });
    let number = number.unwrap_or_else(|| panic!("a plan of {runbook} was not asked for"));
    scene.send(Event::Run(RunEvent::Planned { number, plan: Box::new(plan) }));
    scene.paint();
    scene.pass(Duration::from_millis(400));
    scene
}

fn plan() -> Scene {
    planned("container-restart", "2R", Risk::Yes, 0, &[])
}

fn plan_phrase() -> Scene {
    planned("db-kill-idle", "4I", Risk::Typed, 3, &[])
}

fn plan_two() -> Scene {
    planned("db-kill-idle", "4I", Risk::Two, 3, &[])
}

fn plan_blocked() -> Scene {
    let why = "the login may not see other people's sessions: GRANT pg_monitor to it";
    planned("db-kill-idle", "4I", Risk::Typed, 3, &[why])
}

fn plan_locked() -> Scene {
    planned_on(guarded(), "db-kill-idle", "4I", frames::plan("db-kill-idle", Risk::Typed, 3, &[]))
}

fn plan_read_only() -> Scene {
    planned_on(of(false, true), "db-kill-idle", "4I", frames::plan("db-kill-idle", Risk::Typed, 3, &[]))
}

fn asked_after_failure() -> Scene {
    let mut scene = running();
    let prompt = "api-2 did not come back in 30s: health is `starting`\n\nCan be undone: Stop it on game-2".to_owned();
    let (run, step) = (crate::scene::run_id(1), "a/restart".to_owned());
    let (list, ways) = (TaskList::default(), vec![Way::Again, Way::Undo, Way::GoOn, Way::Stop]);
    scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase: None, manual: false, list, ways }));
    scene
}

fn asked() -> Scene {
    let mut scene = running();
    let prompt = "Kill them: 3 rows on primary.\nThe approved plan had 37; 34 are gone by themselves.".to_owned();
    let (run, step) = (crate::scene::run_id(1), "a/restart".to_owned());
    let phrase = Some("kill 3 on primary".to_owned());
    scene.send(Event::Run(RunEvent::Ask {
        run,
        step,
        prompt,
        phrase,
        manual: false,
        list: TaskList::default(),
        ways: Vec::new(),
    }));
    scene
}

fn toasts() -> Scene {
    let mut scene = system();
    let toasts = &mut scene.state.toasts;
    toasts.say(start(), "asking every source");
    toasts.bad(start(), "container-restart: no Docker engine answers on unix:///var/run/docker.sock: connection refused; start the engine, or name another one as [docker.NAME] in the config");
    scene
}

fn frozen() -> Scene {
    let mut scene = system();
    press(&mut scene, "F");
    scene.pass(Duration::from_secs(30));
    scene
}

fn replay() -> Scene {
    let mut scene = system();
    let at = Duration::from_mins(10);
    let length = Duration::from_mins(62);
    let position = Position { now: start(), at, length, speed: 4, paused: false, over: None };
    let played = Played { store: None, samples: Vec::new(), gaps: Vec::new(), position };
    scene.send(Event::Replayed(Box::new(played)));
    scene
}

fn press(scene: &mut Scene, keys: &str) {
    for c in keys.chars() {
        match c {
            '\n' => scene.key(KeyCode::Enter),
            '\t' => scene.key(KeyCode::Tab),
            '\x1b' => scene.key(KeyCode::Esc),
            '\x01'..='\x1a' => {
                scene.pass(Duration::from_millis(100));
                let letter = char::from(c as u8 - 1 + b'a');
                scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))));
            }
            _ => scene.keys(&c.to_string()),
        }
    }
}

/// Whatever a page asks for because somebody looks at it is found.
fn answer(scene: &mut Scene) {
    let asked: Vec<Inquiry> = scene
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            Effect::Inquire(inquiry) => Some(inquiry),
            _ => None,
        })
        .collect();
    for inquiry in asked {
        let found = match &inquiry {
            Inquiry::Range { .. } => {
                Found::Series(Series { points: (0..60).map(|at| f64::from(at % 17)).collect(), of: 1 })
            }
            Inquiry::Processes { .. } => Found::Processes(Arc::new(processes())),
            Inquiry::Inspect { .. } => Found::Text(
                "{\n  \"Id\": \"4f2a\",\n  \"State\": {\n    \"Status\": \"running\",\n    \"Pid\": 7510\n  }\n}"
                    .into(),
            ),
        };
        scene.send(Event::Answered(Answered { inquiry, outcome: Ok(found) }));
    }
}

fn processes() -> Processes {
    let process = |pid: i32, name: &str, state: char, cpu: f64| Process {
        pid,
        started: 100,
        name: name.into(),
        user: "web".into(),
        state,
        cpu: Some(cpu),
        memory: (state != 'Z').then_some(1 << 30),
        threads: 4,
        age: Duration::from_secs(86_400),
        command: (state != 'Z').then(|| format!("/usr/bin/{name} --serve")),
        ..Process::default()
    };
    let list = vec![process(7, "api", 'R', 3.2), process(8, "pg_dump", 'D', 0.4), process(9, "sh", 'Z', 0.0)];
    Processes { total: list.len(), list, measured: true, ..Processes::default() }
}

/// The screen of a view, everything that it asks for answered.
pub fn open((_, make, keys): &View) -> Scene {
    let mut scene = make();
    press(&mut scene, keys);
    // A key that acts does so once it is clear that it stood alone.
    scene.pass(Duration::from_millis(100));
    for _ in 0..2 {
        scene.paint();
        scene.pass(Duration::from_millis(400));
        answer(&mut scene);
    }
    scene
}
