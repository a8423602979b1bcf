//! Every pane in every state, painted: one snapshot for each, with the frame at the three sizes that the layout is made for, and the
//! styles at the smallest. The runs view has no loading, stale or failed state: it reads the journal, not a source.

use crate::dump;
use crate::scene::{HOSTILE, SOURCES, Scene, begin, end, nothing, run_id, setup, start, usual};
use crossterm::event::KeyCode;
use quarterdeck::action::Action;
use quarterdeck::domain::Subject;
use quarterdeck::domain::risk::Level;
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent, TaskList};
use quarterdeck::panes::PANES;
use quarterdeck::runbook::plan::{Finding, PlanBody, PlannedFence, PlannedStep, Rows, When};
use quarterdeck::runbook::script::{Fleet, Lane, Rolling, Script};
use quarterdeck::runbook::{Draft, Library, Plan, PlanRequest, Role};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

const SMALL: (u16, u16) = (80, 24);
const USUAL: (u16, u16) = (160, 45);
const LARGE: (u16, u16) = (240, 70);

/// The frame at the three sizes: stacked with its styles, two by two, and alone on a large screen.
fn at_every_size(scene: &mut Scene) -> String {
    scene.resize(SMALL);
    let mut out = format!("80×24\n{}", dump::styled(&scene.paint()));
    scene.resize(USUAL);
    let _ = write!(out, "\n160×45\n{}", dump::text(&scene.paint()));
    scene.resize(LARGE);
    scene.state.zoom = true;
    let _ = write!(out, "\n240×70, zoomed\n{}", dump::text(&scene.paint()));
    scene.state.zoom = false;
    out
}

/// A screen whose only source is about `subject`, with its pane in focus.
fn only(subject: Subject) -> (Scene, &'static str, &'static str) {
    let source = SOURCES.into_iter().find(|(.., about)| *about == subject).unwrap();
    let mut scene = Scene::new(&[source], SMALL);
    scene.state.focus = PANES.iter().position(|kind| kind.subject == Some(subject)).unwrap();
    (scene, source.0, source.1)
}

fn fail(scene: &mut Scene, kind: &str, name: &str) {
    let what = format!("{kind} does not answer on 10.0.1.4: connection refused \x1b[31m(os error 111)");
    scene.bad(kind, name, &what, "start it, or give its address in the config; `quarterdeck check` asks it again");
}

fn every_state(subject: Subject) {
    let word = subject.word();
    let (mut loading, ..) = only(subject);
    insta::assert_snapshot!(format!("{word}_loading"), at_every_size(&mut loading));

    let (mut full, kind, name) = only(subject);
    full.good(kind, name, usual(subject));
    full.key(KeyCode::Down);
    insta::assert_snapshot!(format!("{word}_full"), at_every_size(&mut full));

    let (mut empty, ..) = only(subject);
    empty.good(kind, name, nothing(subject));
    insta::assert_snapshot!(format!("{word}_empty"), at_every_size(&mut empty));

    let (mut stale, ..) = only(subject);
    stale.good(kind, name, usual(subject));
    stale.pass(Duration::from_secs(95));
    insta::assert_snapshot!(format!("{word}_stale"), at_every_size(&mut stale));

    let (mut failed, ..) = only(subject);
    failed.good(kind, name, usual(subject));
    failed.pass(Duration::from_secs(20));
    fail(&mut failed, kind, name);
    failed.pass(Duration::from_secs(65));
    insta::assert_snapshot!(format!("{word}_failed"), at_every_size(&mut failed));

    let (mut never, ..) = only(subject);
    fail(&mut never, kind, name);
    never.pass(Duration::from_secs(3));
    insta::assert_snapshot!(format!("{word}_failed_from_the_start"), at_every_size(&mut never));

    insta::assert_snapshot!(format!("{word}_tiny"), tiny(subject));
}

/// Folded to three rows between panes that need theirs: with rows, with a reason above them, with a reason alone.
fn tiny(subject: Subject) -> String {
    let (kind, name, _) = SOURCES.into_iter().find(|(.., about)| *about == subject).unwrap();
    let among_full_ones = || {
        let mut scene = Scene::new(&SOURCES, SMALL);
        for (kind, name, about) in SOURCES.into_iter().filter(|(.., about)| *about != subject) {
            scene.good(kind, name, usual(about));
        }
        let focus = PANES.iter().position(|kind| kind.subject == Some(subject)).unwrap();
        scene.state.focus = (focus + 1) % 4;
        scene
    };
    let mut scene = among_full_ones();
    scene.good(kind, name, usual(subject));
    let mut out = format!("rows\n{}", dump::text(&scene.paint()));
    fail(&mut scene, kind, name);
    let _ = write!(out, "\nfailing\n{}", dump::text(&scene.paint()));
    let mut scene = among_full_ones();
    fail(&mut scene, kind, name);
    let _ = write!(out, "\nnever answered\n{}", dump::text(&scene.paint()));
    out
}

#[test]
fn servers() {
    every_state(Subject::Servers);
}

#[test]
fn containers() {
    every_state(Subject::Containers);
}

#[test]
fn alerts() {
    every_state(Subject::Alerts);
}

#[test]
fn databases() {
    every_state(Subject::Databases);
}

#[test]
fn too_small() {
    let mut out = String::new();
    for size in [(79, 24), (80, 23), (40, 10), (24, 3), (5, 1)] {
        let mut scene = Scene::full(size);
        let _ = write!(out, "{}×{}\n{}\n", size.0, size.1, dump::text(&scene.paint()));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn several_sources_for_a_subject() {
    let sources = [
        ("docker", "game-1", Subject::Containers),
        ("docker", "game-2", Subject::Containers),
        ("docker", "日本", Subject::Containers),
        ("postgres", "primary", Subject::Databases),
        ("postgres", "replica", Subject::Databases),
        ("prometheus", "main", Subject::Alerts),
        ("alertmanager", "main", Subject::Alerts),
    ];
    let mut scene = Scene::new(&sources, SMALL);
    for (kind, name, subject) in sources {
        scene.good(kind, name, usual(subject));
    }
    fail(&mut scene, "docker", "game-2");
    scene.state.focus = 1;
    insta::assert_snapshot!(at_every_size(&mut scene));
}

#[test]
fn filters_say_what_they_hide() {
    let mut scene = Scene::full(SMALL);
    scene.state.focus = 1;
    scene.keys("/unhealthy");
    let mut out = format!("typing\n{}", dump::styled(&scene.paint()));
    scene.key(KeyCode::Enter);
    let _ = write!(out, "\nin force\n{}", dump::text(&scene.paint()));
    scene.keys("/ zz");
    let _ = write!(out, "\nnothing passes\n{}", dump::text(&scene.paint()));
    insta::assert_snapshot!(out);
}

#[test]
fn guarded() {
    let mut guarded = setup(&SOURCES);
    guarded.guarded = true;
    guarded.environment = "production".to_owned();
    guarded.troubles = vec![
        "the keymap ~/.config/quarterdeck/keys.toml is not in force: line 7: there is no action \"dwon\"; the nearest is \"down\"; the built-in keys are in force".to_owned(),
    ];
    let mut scene = Scene::of(guarded, SMALL);
    scene.fill();
    insta::assert_snapshot!(at_every_size(&mut scene));
    scene.resize(SMALL);
    scene.keys("W");
    // It opens once it is clear that the key stood alone.
    scene.pass(Duration::from_millis(50));
    let mut out = format!("just opened\n{}", dump::styled(&scene.paint()));
    scene.pass(Duration::from_millis(400));
    let _ = write!(out, "\ntakes an answer\n{}", dump::text(&scene.paint()));
    scene.keys("y");
    scene.pass(Duration::from_millis(100));
    let _ = write!(out, "\nunlocked\n{}", dump::text(&scene.paint()));
    insta::assert_snapshot!("guarded_unlock", out);
}

#[test]
fn palette() {
    let mut scene = Scene::full(SMALL);
    scene.state.focus = 1;
    scene.keys(":");
    let mut out = dump::styled(&scene.paint());
    scene.keys("rest");
    let _ = write!(out, "\ntyped\n{}", dump::text(&scene.paint()));
    scene.keys("zzz");
    let _ = write!(out, "\nno match\n{}", dump::text(&scene.paint()));
    insta::assert_snapshot!(out);
}

#[test]
fn details() {
    for subject in Subject::ALL {
        let (mut scene, kind, name) = only(subject);
        scene.good(kind, name, crate::scene::rows(subject, 0, &HOSTILE[3..5]));
        scene.paint();
        scene.key(KeyCode::Enter);
        insta::assert_snapshot!(format!("details_{}", subject.word()), at_every_size(&mut scene));
    }
}

/// A plan as the planner would make it: checks, a blast radius, what is sent.
/// The same record, as another session has written it.
pub fn elsewhere(event: Event) -> Event {
    match event {
        Event::Run(RunEvent::Record(record)) => Event::Run(RunEvent::Elsewhere(record)),
        other => panic!("{other:?}"),
    }
}

pub fn plan(runbook: &str, level: Level, rows: usize, blocked: &[&str]) -> Plan<Draft> {
    let fence = |role: Role, language: &str, sent: &str, finding: Option<(bool, &str)>| PlannedFence {
        role,
        address: String::new(),
        language: language.to_owned(),
        on: "primary".to_owned(),
        when: When::Always,
        sent: sent.to_owned(),
        given: Vec::new(),
        bare: String::new(),
        holds: (role == Role::Verify).then(|| "expect rows[0].remaining == 0, at most 30 s".to_owned()),
        finding: finding.map(|(passed, text)| Finding::of(passed, text)),
        pinned: None,
    };
    let session =
        |at: usize| json!({ "pid": 4711 + at, "app": HOSTILE[at % HOSTILE.len()], "idle": "00:31:00", "client": null });
    let found = Rows {
        name: "victims".to_owned(),
        key: vec!["pid".to_owned()],
        columns: ["pid", "app", "idle", "client"].map(str::to_owned).into(),
        rows: (0..rows).map(session).collect(),
        told: None,
    };
    let check = PlannedStep {
        past: None,
        takes_back: false,
        id: "preflight/may-see".to_owned(),
        title: "The login may see other sessions".to_owned(),
        target: "primary".to_owned(),
        address: "10.0.1.4:5432".to_owned(),
        fences: vec![fence(
            Role::Check,
            "sql",
            "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'member') AS may_see",
            Some((blocked.is_empty(), "rows[0].may_see")),
        )],
        rows: None,
        by_hand: None,
        host: None,
        lost: None,
        undo: None,
        level: Level::None,
        phrase: None,
    };
    let change = PlannedStep {
        past: None,
        takes_back: false,
        id: "kill/kill".to_owned(),
        title: "Kill them".to_owned(),
        target: "primary".to_owned(),
        address: "10.0.1.4:5432".to_owned(),
        fences: vec![
            fence(
                Role::Run,
                "sql",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE (pid, backend_start) = ANY ($1) AND state = 'idle' AND state_change < now() - interval '30 minutes'",
                None,
            ),
            fence(Role::Verify, "sql", "SELECT count(*) AS left_over FROM pg_stat_activity WHERE state = 'idle'", None),
        ],
        rows: (rows > 0).then_some(found),
        by_hand: None,
        host: None,
        lost: None,
        undo: None,
        level,
        phrase: (level >= Level::Typed).then(|| format!("kill {rows} on primary")),
    };
    Plan::new(PlanBody {
        again: None,
        runbook: Library::builtin().get(runbook).unwrap().clone(),
        request: PlanRequest::new(runbook.to_owned(), std::collections::BTreeMap::default()),
        params: vec![("database".to_owned(), "primary".to_owned()), ("app".to_owned(), "日本語\x1b[31m".to_owned())],
        values: std::collections::BTreeMap::default(),
        script: Script::default(),
        fleet: Fleet::default(),
        locks: Vec::new(),
        unbound: None,
        steps: vec![check, change],
        blocked: blocked.iter().map(|reason| (*reason).to_owned()).collect(),
        warnings: vec!["37 sessions are 18% of all connections: the pools will reconnect at once".to_owned()],
        hash: String::new(),
    })
}

/// The same over three hosts in two batches, of which one can't be reached.
fn rolled() -> Plan<Draft> {
    let plan = plan("db-kill-idle", Level::Typed, 2, &[]);
    let mut body = plan.body().clone();
    let lane = |at: usize| Lane { host: format!("web-{}", at + 1), steps: at * 2..at * 2 + 2, batch: at.min(1) };
    let pause = Duration::from_secs(10);
    let lanes = (0..3).map(lane).collect();
    let title = "Restart".to_owned();
    body.script.rollings = vec![Rolling { title, lanes, max_fail: 1, pause, ask_after: Some(1), every_host: false }];
    let on = |host: &str, mut step: PlannedStep| {
        (step.id, step.host) = (format!("{}@{host}", step.id), Some(host.to_owned()));
        (step.target, step.address) = (format!("api on {host}"), format!("ssh://{host}"));
        step.fences.iter_mut().for_each(|fence| host.clone_into(&mut fence.on));
        step
    };
    let hosts = ["web-1", "web-2", "web-3"];
    body.steps = hosts
        .iter()
        .flat_map(|host| body.steps.iter().map(|step| on(host, step.clone())).collect::<Vec<_>>())
        .collect();
    for step in &mut body.steps[2..4] {
        (step.lost, step.rows) = (Some("no route to host".to_owned()), None);
    }
    if let Some(finding) = &mut body.steps[4].fences[0].finding {
        finding.passed = false;
    }
    Plan::new(body)
}

#[test]
fn a_plan_over_hosts_names_them_and_says_what_is_the_same_once() {
    insta::assert_snapshot!(quarterdeck::ui::plan_text(&rolled(), None, 100));
}

/// Asks for a plan with a key, lets this one come, and waits until it can be answered.
pub fn show(scene: &mut Scene, plan: Plan<Draft>) {
    scene.state.focus = 3;
    scene.keys("I");
    scene.pass(Duration::from_millis(100));
    let number = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { number, .. } => Some(*number),
        _ => None,
    });
    scene.send(Event::Run(RunEvent::Planned { number: number.expect("a plan was asked for"), plan: Box::new(plan) }));
    scene.paint();
    scene.pass(Duration::from_millis(400));
}

#[test]
fn plan_dialog() {
    let mut scene = Scene::full(SMALL);
    scene.state.focus = 3;
    show(&mut scene, plan("container-restart", Level::Yes, 0, &[]));
    insta::assert_snapshot!("plan_yes", dump::styled(&scene.paint()));

    let mut scene = Scene::full(SMALL);
    show(&mut scene, plan("db-kill-idle", Level::Typed, 37, &[]));
    scene.keys("kill 38 on");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(100));
    insta::assert_snapshot!("plan_typed", dump::styled(&scene.paint()));

    let mut scene = Scene::full(SMALL);
    show(
        &mut scene,
        plan(
            "db-kill-idle",
            Level::Typed,
            3,
            &["the login may not see other people's sessions: GRANT pg_monitor to it"],
        ),
    );
    insta::assert_snapshot!("plan_blocked", dump::styled(&scene.paint()));
}

#[test]
fn ask() {
    let mut out = String::new();
    for (phrase, manual) in [(None, false), (Some("kill 3 on primary"), false), (None, true)] {
        let mut scene = Scene::full(SMALL);
        let prompt = "Kill them: 3 rows on primary.\nThe approved plan had 37; 34 are gone by themselves \x1b[31m.";
        scene.send(Event::Run(RunEvent::Ask {
            run: run_id(1),
            step: "kill/kill".to_owned(),
            prompt: prompt.to_owned(),
            phrase: phrase.map(str::to_owned),
            manual,
            list: TaskList::default(),
            ways: Vec::new(),
        }));
        scene.paint();
        scene.pass(Duration::from_millis(400));
        scene.key(KeyCode::Esc);
        let _ = write!(out, "phrase {phrase:?}, manual {manual}\n{}\n", dump::styled(&scene.paint()));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn runs() {
    let mut empty = Scene::full(SMALL);
    empty.keys("6");
    insta::assert_snapshot!("runs_empty", at_every_size(&mut empty));

    let mut full = Scene::full(SMALL);
    for (run, target) in (1..).zip(HOSTILE.iter().chain(&["local/api-1", "local/api-2"])) {
        begin(&mut full, run, target);
        end(
            &mut full,
            run,
            ["ok", "failed", "unknown"][run as usize % 3],
            "it did not come back in 30 s: health is `starting`",
        );
    }
    begin(&mut full, 99, "local/api-3");
    full.keys("6");
    insta::assert_snapshot!("runs_full", at_every_size(&mut full));
    full.key(KeyCode::Down);
    insta::assert_snapshot!("runs_failed", at_every_size(&mut full));
    full.key(KeyCode::Enter);
    insta::assert_snapshot!("runs_details", at_every_size(&mut full));
}

#[test]
fn banner_and_toasts() {
    let mut scene = Scene::full(SMALL);
    begin(&mut scene, 1, "local/api-2");
    let mut out = format!("running\n{}", dump::styled(&scene.paint()));
    scene.pass(Duration::from_secs(42));
    end(&mut scene, 1, "failed", "it did not come back in 30 s: health is `starting`");
    let _ = write!(out, "\nfailed\n{}", dump::styled(&scene.paint()));
    let (toasts, now) = (&mut scene.state.toasts, start());
    toasts.say(now, "asking every source");
    toasts.bad(now, "container-restart: no Docker engine answers on unix:///var/run/docker.sock: connection refused; start the engine, or name another one as [docker.NAME] in the config");
    toasts.say(now, "日本語のコンテナ名 was \u{202e}copied");
    let _ = write!(out, "\ntoasts\n{}", dump::styled(&scene.paint()));
    insta::assert_snapshot!(out);
}

/// The keys in the footer are those of the keymap, and the one that explains all others is always among them.
#[test]
fn the_footer_always_shows_the_way_to_help() {
    for (focus, kind) in PANES.iter().enumerate() {
        let mut scene = Scene::full(SMALL);
        scene.state.focus = focus;
        let key = scene.state.keymap.key_of(scene.state.scope(), &Action::Help).unwrap();
        let footer = dump::text(&scene.paint()).lines().last().unwrap().to_owned();
        assert!(footer.contains(&format!("{key} help")), "{}: {footer}", kind.title);
    }
}
