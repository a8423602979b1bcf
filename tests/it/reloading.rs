//! The config is read again while the dashboard runs: what changes at once, what is refused, and what a mistake does.

use crate::desk::{Desk, docker, painted, quit, wait_row};
use crate::frames::plan;
use crate::lab::engine::{Reply, Scripted};
use crate::lab::poll;
use crate::pty::{PATIENCE, Session};
use crate::scene::{SOURCES, Scene, setup, start};
use crate::seen::has;
use crossterm::event::KeyCode;
use jiff::tz::TimeZone;
use quarterdeck::app::Overlay;
use quarterdeck::domain::incident::Rules;
use quarterdeck::domain::notify::Notify;
use quarterdeck::domain::risk::{Level, Policy};
use quarterdeck::domain::view::View;
use quarterdeck::domain::{Limits, SourceId};
use quarterdeck::effect::Effect;
use quarterdeck::event::reload::Sources;
use quarterdeck::event::{Event, Reloaded, Renewed, RunEvent};
use quarterdeck::keymap;
use quarterdeck::runbook::Writes;
use quarterdeck::store::{Feed, Health};
use quarterdeck::theme::{Depth, Glyphs, load_named};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What says the same as [`setup`].
fn same() -> Renewed {
    Renewed {
        environment: "staging".to_owned(),
        guarded: false,
        relock: Duration::from_secs(900),
        limits: Limits::default(),
        policy: Policy::default(),
        incident: setup(&SOURCES).incident,
        notify: Notify::default(),
        views: Vec::new(),
        remember: false,
        mouse: false,
        log_memory: 32 << 20,
        log_zone: TimeZone::UTC,
        log_files: BTreeMap::new(),
        runbooks: false,
        journal: None,
        keymap: None,
        themes: None,
        glyphs: Glyphs::default(),
        always_presenting: false,
        hide: None,
        ways: false,
        sources: None,
    }
}

/// A full screen that has read this, and all that it says.
fn after(guarded: bool, renewed: Renewed) -> (Scene, Vec<String>) {
    let mut setup = setup(&SOURCES);
    setup.guarded = guarded;
    let mut scene = Scene::of(setup, (160, 45));
    scene.fill();
    scene.send(Event::Reloaded(Reloaded::Read(Box::new(renewed))));
    let said = scene.state.toasts.iter().map(|toast| toast.text.clone()).collect();
    (scene, said)
}

#[test]
fn what_can_change_changes_at_once_and_is_named() {
    assert_eq!(after(false, same()).1, ["config read again: nothing changed"]);
    let renewed = Renewed {
        limits: Limits { memory: quarterdeck::domain::limits::Limit { warn: 1.0, critical: 2.0 }, ..Limits::default() },
        policy: Policy { low: Level::Typed, ..Policy::default() },
        relock: Duration::from_secs(60),
        incident: Rules { channel: "#elsewhere".to_owned(), ..setup(&SOURCES).incident },
        keymap: Some(keymap::load_named("arrows").unwrap()),
        themes: Some((load_named("light", Depth::True).unwrap().into(), false)),
        log_memory: 1 << 20,
        always_presenting: true,
        ..same()
    };
    let (scene, said) = after(false, renewed);
    assert_eq!(said, ["config read again: limits; policy; relock_minutes; incident; keymap; theme; logs; presenter"]);
    assert_eq!(scene.state.watch.rules.channel, "#elsewhere");
    let state = &scene.state;
    assert!((state.limits.memory.warn - 1.0).abs() < f64::EPSILON && state.policy.low == Level::Typed);
    assert_eq!((state.themes.shown().name(), state.presenter.is_on()), ("light", true));
    assert!(state.repaint && state.dirty);
    assert_eq!(state.writes.relock_after(), Duration::from_secs(60));
}

#[test]
fn keys_that_were_meant_for_a_plan_that_is_gone_do_nothing() {
    let mut scene = Scene::full((160, 45));
    scene.keys("4I");
    scene.pass(Duration::from_millis(100));
    let planned =
        |number| Event::Run(RunEvent::Planned { number, plan: Box::new(plan("db-kill-idle", Level::Typed, 37, &[])) });
    let newest = |scene: &Scene| {
        let number = |effect: &Effect| if let Effect::Plan { number, .. } = effect { Some(*number) } else { None };
        scene.effects.iter().rev().find_map(number).expect("a plan is asked for")
    };
    let first = newest(&scene);
    scene.send(planned(first));
    scene.paint();
    scene.pass(Duration::from_millis(400));
    scene.keys("kill 3");
    let policy = Policy { low: Level::Typed, ..Policy::default() };
    scene.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed { policy, ..same() }))));
    assert!(scene.state.overlay.is_none());
    let again = newest(&scene);
    assert_ne!(first, again);
    let before = (scene.state.focus, scene.effects.len());
    // As long as somebody goes on typing, also when the new plan has come.
    for (at, key) in "7 on primary?/:o1q".chars().enumerate() {
        scene.keys(&key.to_string());
        scene.paint();
        if at == 3 {
            scene.send(planned(again));
        }
        assert!(scene.state.overlay.is_none() && scene.state.filter_edit.is_none(), "{key:?}");
    }
    scene.pass(Duration::from_millis(100));
    assert_eq!((scene.state.focus, scene.effects.len()), before);
    has(&mut scene, &["what asked is gone, so that keys do nothing until none came for 0.3 s"]);
    scene.pass(Duration::from_millis(500));
    match &scene.state.overlay {
        Some(Overlay::Plan(dialog)) => assert_eq!(dialog.field.text(), ""),
        other => panic!("{other:?}"),
    }
    scene.paint();
    scene.pass(Duration::from_millis(400));
    scene.key(KeyCode::Esc);
    scene.keys("?");
    assert!(matches!(scene.state.overlay, Some(Overlay::Help { .. })), "keys count again");
}

#[test]
fn another_policy_is_recorded_and_a_plan_is_asked_for_anew() {
    let stricter = || Policy { low: Level::Typed, ..Policy::default() };
    let reload = |scene: &mut Scene, policy: Policy| {
        scene.effects.clear();
        scene.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed { policy, ..same() }))));
    };
    let asked = |scene: &Scene| {
        let number = |effect: &Effect| if let Effect::Plan { number, .. } = effect { Some(*number) } else { None };
        scene.effects.iter().find_map(number)
    };
    let mut scene = Scene::full((160, 45));
    scene.keys("4I");
    scene.pass(Duration::from_millis(100));
    let number = asked(&scene).expect("a plan is asked for");
    let planned =
        |number| Event::Run(RunEvent::Planned { number, plan: Box::new(plan("db-kill-idle", Level::Yes, 3, &[])) });
    scene.send(planned(number));
    scene.paint();
    reload(&mut scene, Policy::default());
    assert!(scene.effects.is_empty() && matches!(scene.state.overlay, Some(Overlay::Plan(_))), "nothing changed");
    reload(&mut scene, stricter());
    let recorded = scene.effects.iter().find_map(|effect| match effect {
        Effect::Journal(entry) => Some((entry.kind, entry.data.clone())),
        _ => None,
    });
    let (kind, data) = recorded.expect("it is recorded");
    assert_eq!(
        (kind.word(), &data["before"]["low"], &data["after"]["low"]),
        ("policy.change", &json!("yes"), &json!("typed"))
    );
    assert!(scene.state.overlay.is_none(), "the old confirmation is gone");
    let again = asked(&scene).expect("it is asked for anew");
    scene.send(planned(number));
    assert!(scene.state.overlay.is_none(), "an answer to the first request is none any more");
    scene.send(planned(again));
    has(&mut scene, &["the policy was changed: this plan was made anew, nothing was done"]);
    // One that is only on its way is asked for anew too.
    scene.pass(Duration::from_millis(400));
    scene.key(KeyCode::Esc);
    scene.keys("I");
    scene.pass(Duration::from_millis(100));
    reload(&mut scene, Policy::default());
    assert!(asked(&scene).is_some_and(|number| number > again + 1));
}

#[test]
fn a_view_that_names_what_nobody_knows_is_told_when_it_comes() {
    let view = View { name: "hot".to_owned(), focus: Some("pods".to_owned()), ..View::default() };
    let (_, said) = after(false, Renewed { views: vec![view], ..same() });
    assert!(said.iter().any(|said| said.contains("[[view]] hot: there is no pane pods")), "{said:?}");
}

#[test]
fn an_edit_never_unlocks_and_what_must_stay_is_told_with_the_reason() {
    let renewed = Renewed { environment: "sandbox".to_owned(), journal: Some("/j".to_owned()), mouse: true, ..same() };
    let (scene, said) = after(true, renewed);
    assert!(scene.state.guarded && scene.state.writes.state() == Writes::Locked);
    assert_eq!(scene.state.environment, "staging");
    for told in ["stays guarded: an edit", "is called staging and not sandbox", "the journal goes to /j from the next"]
    {
        assert!(said.iter().any(|said| said.contains(told)), "{told}: {said:?}");
    }
    let (scene, said) = after(false, Renewed { guarded: true, ..same() });
    assert!(scene.state.guarded && scene.state.writes.state() == Writes::Locked);
    assert_eq!(said, ["config read again: guarded from now on, writes are locked"]);
}

#[test]
fn a_shorter_relock_counts_for_what_is_unlocked_already() {
    let (mut scene, _) = after(true, Renewed { guarded: true, ..same() });
    scene.state.writes.unlock(start());
    scene.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed {
        guarded: true,
        relock: Duration::from_secs(60),
        ..same()
    }))));
    assert_eq!(scene.state.writes.left(start()), Some(Duration::from_secs(60)));
    scene.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed { guarded: true, ..same() }))));
    assert_eq!(scene.state.writes.left(start()), Some(Duration::from_secs(60)), "an edit gives nobody more time");
}

#[test]
fn sources_come_and_go_and_the_others_keep_what_is_known_of_them() {
    let id = |kind: &str, name: &str| SourceId::new(kind, name);
    let feed = |(kind, name, subject)| Feed::new(id(kind, name), subject, Duration::from_secs(2));
    let [servers, containers, _, databases] = SOURCES;
    let extra = ("docker", "game-2", containers.2);
    let sources = Sources {
        feeds: [servers, containers, extra, databases].into_iter().map(feed).collect(),
        anew: vec![id("docker", "game-2"), id("postgres", "primary")],
        added: vec!["docker.game-2".to_owned()],
        removed: vec!["alertmanager.main".to_owned()],
        changed: vec!["postgres.primary".to_owned()],
        ..Sources::default()
    };
    let mut before = Scene::full((160, 45));
    let revisions = |scene: &Scene| SOURCES.map(|(.., subject)| scene.state.store.revision(subject));
    let old = revisions(&before);
    before.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed { sources: Some(sources), ..same() }))));
    let said: Vec<_> = before.state.toasts.iter().map(|toast| toast.text.as_str()).collect();
    let told = "config read again: docker.game-2 added; alertmanager.main removed; postgres.primary changed";
    assert_eq!(said, [told]);
    let store = &before.state.store;
    let health = |kind: &str, name: &str| store.feed(&id(kind, name)).map(|feed| feed.health(start()));
    assert_eq!(health("docker", "local"), Some(Health::Fresh));
    assert_eq!(health("docker", "game-2"), Some(Health::Waiting));
    assert_eq!(health("postgres", "primary"), Some(Health::Waiting), "what the old one told is not the new one's");
    assert_eq!((health("alertmanager", "main"), store.all_alerts().count()), (None, 0));
    assert!(store.trend("game-0").is_some(), "figures of servers go on");
    assert!(old.iter().zip(revisions(&before)).all(|(old, new)| new > *old), "every pane looks again");
    before.paint();
}

#[test]
fn a_mistake_is_told_changes_nothing_and_its_message_goes_when_it_is_mended() {
    let (mut scene, _) = after(true, Renewed { guarded: true, ..same() });
    let wrong = |line: usize| Reloaded::Wrong { first: format!("c.toml:{line}:1: there is no key \"x\""), others: 2 };
    for line in [3, 4] {
        scene.send(Event::Reloaded(wrong(line)));
    }
    let said = |scene: &Scene| scene.state.toasts.iter().map(|toast| toast.text.clone()).collect::<Vec<_>>().join("\n");
    let told = "the config is wrong, and the one before stays in force: c.toml:4:1: there is no key \"x\" (and 2 more";
    assert!(said(&scene).contains(told) && !said(&scene).contains("c.toml:3"), "{}", said(&scene));
    scene.send(Event::Reloaded(Reloaded::Read(Box::new(Renewed { guarded: true, ..same() }))));
    assert!(!said(&scene).contains("wrong"), "{}", said(&scene));
}

const BASE: &str = "environment = \"staging\"\nguarded = true\n[local.host]\nname = \"desk\"\ninterval = \"250ms\"\n";
/// Memory is past its limit, and CPU never: of two figures that are as bad the row tells the first.
const LOW: &str = "[limits]\nmemory = { warn = 0.01, critical = 0.02 }\ncpu = { warn = 1000, critical = 1001 }\nload = { warn = 1e6, critical = 1e7 }\n";

fn desk(config: &str) -> (Desk, Session) {
    let desk = Desk::with(config);
    let session = painted(desk.launch());
    session.wait_text("desk");
    (desk, session)
}

/// As most editors write: a new file takes the place of the old one.
fn replace(desk: &Desk, name: &str, text: &str) {
    let new = desk.file("new", text);
    std::fs::rename(new, desk.home().join(name)).unwrap();
}

#[test]
fn limits_and_sources_follow_the_file_while_it_runs() {
    let (desk, session) = desk(BASE);
    replace(&desk, "config.toml", &format!("{BASE}{LOW}{}", docker("gone", "unix:///nowhere/docker.sock", "250ms")));
    session.wait_text("config read again: limits; docker.gone added");
    session.wait_text("crit memory");
    session.wait_text("docker/gone: no Docker engine answers");
    desk.file("config.toml", BASE);
    session.wait_text("config read again: limits; docker.gone removed");
    session.wait_no_text("docker/gone: no Docker engine answers");
    session.wait_no_text("crit memory");
    quit(session);
}

#[test]
fn only_a_source_that_changed_is_opened_anew() {
    let version = json!({"Version": "27.3.1", "ApiVersion": "1.47", "MinAPIVersion": "1.24"}).to_string();
    let engine = Scripted::start(move |path| match path.split('?').next().unwrap_or_default() {
        "/version" => Reply::Json(version.clone()),
        "/events" => Reply::Hang,
        _ => Reply::Json("[]".to_owned()),
    });
    let asked = |what: &str| engine.asked().iter().filter(|asked| asked.path.starts_with(what)).count();
    let kept = |interval: &str| docker("kept", &engine.host(), interval);
    let (desk, session) = desk(&format!("{BASE}{}", kept("250ms")));
    poll(PATIENCE, || (asked("/events") == 1).then_some(())).expect("its events are listened to");
    replace(&desk, "config.toml", &format!("{}{}", BASE.replace("250ms", "300ms"), kept("250ms")));
    session.wait_text("config read again: local.host changed");
    let before = asked("/containers/json");
    poll(PATIENCE, || (asked("/containers/json") > before + 2).then_some(())).expect("it goes on being asked");
    assert_eq!(asked("/events"), 1, "another one's change does not touch it");
    replace(&desk, "config.toml", &format!("{}{}", BASE.replace("250ms", "300ms"), kept("300ms")));
    session.wait_text("config read again: docker.kept changed");
    poll(PATIENCE, || (asked("/events") == 2).then_some(())).expect("it is opened anew");
    quit(session);
}

#[test]
fn a_broken_file_is_told_with_its_line_and_the_old_one_stays_until_it_is_mended() {
    let (desk, session) = desk(&format!("{BASE}{LOW}"));
    session.wait_text("crit memory");
    desk.file("config.toml", "environment = \"staging\"\n[limit]\n");
    session.wait_text("the config is wrong, and the one before stays in force");
    session.wait_text("config.toml:2:2: ");
    session.wait_text("crit memory");
    // What others can write is not read, though it is right.
    let path = desk.file("config.toml", BASE);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    session.wait_text("others can change it");
    session.wait_text("crit memory");
    desk.file("config.toml", BASE);
    session.wait_text("config read again: limits");
    session.wait_no_text("crit memory");
    session.wait_no_text("the config is wrong");
    quit(session);
}

fn page(title: &str) -> String {
    format!(
        "---\nrunbook: 1\nid: own\ntitle: {title}\nowner: ops\nreviewed: 2026-11-20\nrisk: low\n---\n\nWhy.\n\n## S\n\n### T\n\n- [ ] do it\n"
    )
}

#[test]
fn runbooks_follow_their_files_and_a_page_with_a_mistake_stays_as_it_was_and_is_marked() {
    let config = format!("{BASE}[runbooks]\npaths = [\"books\"]\n");
    let desk = Desk::with(&config);
    let books = desk.home().join("books");
    std::fs::create_dir(&books).unwrap();
    std::fs::set_permissions(&books, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    desk.file("books/own.md", &page("1 as it was"));
    // Room for all that are built in.
    let mut session = painted(desk.launch().size(160, 120));
    session.send("5");
    session.wait_text("1 as it was");
    replace(&desk, "books/own.md", &page("1 as it is"));
    session.wait_text("runbooks read again: own changed");
    session.wait_text("1 as it is");
    replace(&desk, "books/own.md", &page("Wrong").replace("risk: low\n", ""));
    session.wait_text("a runbook has a mistake: ");
    session.wait_text("own stays as it was, its file having a mistake");
    session.wait_text("own.md:");
    wait_row(&session, "1 as it is", &["mistake", "no: its file has a mistake"]);
    session.wait_text("mistake: 1 as it is");
    session.wait_text("1 with a mistake");
    // Its plan is shown, says so, and takes no answer.
    session.send("R");
    session.wait_text("shown is the version of 20");
    session.wait_text("Esc leaves");
    session.send("\x1b");
    session.wait_no_text("shown is the version of 20");
    // Others are taken though that one is wrong; of one that never was right there is no version, and it stands there too.
    desk.file("books/more.md", &page("One more").replace("id: own", "id: more"));
    desk.file("books/never.md", &page("Never").replace("id: own", "id: never").replace("risk: low", "risk: lo"));
    session.wait_text("runbooks read again: more added");
    wait_row(&session, "One more", &["yes"]);
    wait_row(&session, "never.md", &["mistake", "no: it has a mistake"]);
    wait_row(&session, "1 as it is", &["mistake"]);
    session.wait_text("2 with a mistake");
    desk.file("books/own.md", &page("Mended"));
    std::fs::remove_file(books.join("never.md")).unwrap();
    session.wait_text("runbooks read again: own mended");
    session.wait_no_text("mistake");
    std::fs::remove_file(books.join("more.md")).unwrap();
    session.wait_text("runbooks read again: more removed");
    // It is not for this place, by the config; and it is again.
    replace(&desk, "config.toml", &format!("{config}not_here.own = \"nobody has one\"\n"));
    session.wait_text("runbooks read again: own changed");
    wait_row(&session, "Mended", &["no: it is not for this place: nobody"]);
    replace(&desk, "config.toml", &config);
    wait_row(&session, "Mended", &["yes"]);
    // Another folder, by the config.
    replace(&desk, "config.toml", BASE);
    session.wait_text("config read again: runbooks");
    session.wait_text("runbooks read again: own removed");
    quit(session);
}

#[test]
fn a_keymap_with_a_clash_leaves_the_old_keys_in_force() {
    let desk = Desk::with(&format!("keymap = \"keys.toml\"\n{BASE}"));
    desk.file("keys.toml", "[all]\nx = \"help\"\n");
    let mut session = painted(desk.launch());
    desk.file("keys.toml", "[all]\nx = \"help\"\n\"x y\" = \"zoom\"\n");
    session.wait_text("the config is wrong, and the one before stays in force");
    session.wait_text("keys.toml");
    session.send("x");
    session.wait_text("help: the keys that work here");
    session.send("\x1b");
    session.wait_no_text("help: the keys that work here");
    desk.file("keys.toml", "[all]\nx = \"zoom\"\n");
    session.wait_text("config read again: keymap");
    session.send("x");
    session.wait_no_text("4 Databases");
    quit(session);
}

#[test]
fn an_overlay_is_watched_too_and_guarded_cannot_be_taken_away() {
    let desk = Desk::with(BASE);
    desk.file("prod.toml", "guarded = true\n");
    let mut session = painted(desk.launch().args(&["--env", "prod"]));
    session.wait_text("writes LOCKED");
    desk.file("prod.toml", &format!("guarded = false\n{LOW}"));
    session.wait_text("config read again: limits");
    session.wait_text("this environment stays guarded");
    session.wait_text("writes LOCKED");
    session.wait_text("crit memory");
    // Asked for by hand, it says that there is nothing new.
    session.send(":");
    session.wait_text("Enter does it");
    session.send("reload");
    session.wait_text("read the config again now");
    session.send("\r");
    session.wait_text("config read again: nothing changed");
    quit(session);
}
