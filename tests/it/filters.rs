//! Typed filters, as keys type them and as tables answer.

use crate::dump;
use crate::scene::{Scene, usual};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::{Snapshot, Subject};
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;

const SIZE: (u16, u16) = (160, 45);

fn text(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

/// A pane alone, with its usual rows.
fn pane(title: &str) -> Scene {
    let mut scene = Scene::full(SIZE);
    scene.state.focus = PANES.iter().position(|kind| kind.title == title).unwrap();
    scene.state.zoom = true;
    scene.paint();
    scene
}

fn filter(scene: &mut Scene, typed: &str) {
    scene.keys("/");
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL))));
    scene.keys(typed);
    scene.key(KeyCode::Enter);
}

/// How many containers a filter leaves: the lines with an image.
fn containers_left(scene: &mut Scene, typed: &str) -> usize {
    filter(scene, typed);
    text(scene).lines().filter(|line| line.contains("registry.")).count()
}

/// Typing goes on from the rows that passed before, and from texts made once: what is left must not depend on the way there.
#[test]
fn the_same_filter_leaves_the_same_rows_however_it_was_typed() {
    let left = |scene: &mut Scene| -> Vec<String> {
        scene.keys("g");
        text(scene).lines().filter(|line| line.contains("registry.")).map(str::to_owned).collect()
    };
    let typed = [
        "api-1",
        "",
        "!api-1",
        "!api-11",
        "!api-1",
        "zero",
        "",
        "api !-1",
        "state:h",
        "state:h -",
        "app:spa 7",
        "日本",
        "",
    ];
    for order in ["", "O", "#", "#O"] {
        let mut scene = pane("Containers");
        scene.keys(order);
        for (at, filter_text) in typed.into_iter().enumerate() {
            if at % 4 == 3 {
                scene.fill();
            }
            filter(&mut scene, filter_text);
            let mut fresh = pane("Containers");
            fresh.keys(order);
            filter(&mut fresh, filter_text);
            let (typed_on, fresh) = (left(&mut scene), left(&mut fresh));
            assert_eq!(typed_on, fresh, "{filter_text:?} after others, keys {order:?}");
            assert!(!fresh.is_empty(), "{filter_text:?}");
        }
    }
}

#[test]
fn figures_and_states_are_compared_as_the_engine_told_them() {
    let Snapshot::Containers(engine) = usual(Subject::Containers) else { panic!() };
    let all = &engine.containers;
    let mut scene = pane("Containers");
    let busy = all.iter().filter(|container| container.cpu.is_some_and(|cpu| cpu > 3.0)).count();
    assert!(busy > 0 && busy < all.len());
    for typed in ["cpu>300", "cpu>300%", "CPU>300", "!cpu<=300 cpu>0"] {
        assert_eq!(containers_left(&mut scene, typed), busy, "{typed}");
    }
    let large = all.iter().filter(|container| container.memory.is_some_and(|memory| memory.used >= 1 << 30)).count();
    assert_eq!(containers_left(&mut scene, "mem>=1G"), large);
    assert_eq!(containers_left(&mut scene, "memory>=1024MiB"), large);
    let never = all.iter().filter(|container| container.restarts == Some(0)).count();
    assert_eq!(containers_left(&mut scene, "restarts=0"), never);
    assert_eq!(containers_left(&mut scene, "restarts>0"), all.len() - never);
    let is = |word: &str| all.iter().filter(|container| container.state_word() == word).count();
    assert_eq!(containers_left(&mut scene, "state:healthy"), is("healthy"), "not the unhealthy ones");
    assert_eq!(containers_left(&mut scene, "state:healthy|unhealthy"), is("healthy") + is("unhealthy"));
    assert_eq!(containers_left(&mut scene, "!state:healthy"), all.len() - is("healthy"));
    assert_eq!(containers_left(&mut scene, "state:unhealthy cpu>0 registry"), is("unhealthy"));
}

#[test]
fn what_is_half_typed_or_wrong_keeps_nothing_out_and_is_said() {
    let mut scene = pane("Containers");
    let all = containers_left(&mut scene, "registry");
    for (typed, said) in [
        ("cpu>", "cpu> has no value yet"),
        ("cpu>8x", "8x is no figure"),
        ("stat:ok", "there is no field stat; did you mean state?"),
        ("qqq>1", "there is no field qqq; there are name state"),
    ] {
        assert_eq!(containers_left(&mut scene, typed), all, "{typed}");
        let lines = text(&mut scene);
        assert!(lines.contains(said), "{typed}: {lines}");
    }
    scene.key(KeyCode::Esc);
    scene.keys("/cpu>");
    insta::assert_snapshot!("filters_half_typed", text(&mut scene));
    scene.key(KeyCode::Esc);
    assert_eq!(containers_left(&mut scene, "api-3:2026"), 1, "an address or a tag is a word");
}

#[test]
fn a_share_of_containers_memory_is_of_their_limit() {
    let mut scene = pane("Containers");
    let Snapshot::Containers(engine) = usual(Subject::Containers) else { unreachable!() };
    let fullness: Vec<f64> = engine.containers.iter().filter_map(|c| c.memory).map(|m| m.ratio() * 100.0).collect();
    let limited = engine.containers.iter().filter_map(|c| c.memory).filter(|memory| memory.total > 0);
    let full = limited.filter(|memory| memory.ratio() > 0.8).count();
    assert!(full > 0 && full < fullness.len(), "{fullness:?}");
    assert_eq!(containers_left(&mut scene, "mem>80%"), full);
    assert_eq!(containers_left(&mut scene, "memory > 80%"), full);
    assert!(containers_left(&mut scene, "mem>1M") > full);
}

#[test]
fn a_unit_that_makes_no_sense_keeps_nothing_out_and_is_said() {
    for (title, typed, said) in [
        ("Containers", "up>80%", "80% does not fit: up is a time: write 30s, 5m or 2h30m"),
        ("Containers", "mem>80", "80 does not fit: mem is a size: write 80M, 1.5G, or 80% of the limit"),
        ("Containers", "restarts>5m", "5m does not fit: restarts is a number"),
        ("Containers", "ports>80", "ports holds no figures: write ports:80 or ports=80"),
        ("Servers", "cpu>1G", "1G does not fit: cpu is a share: write 80 or 80%"),
        ("Servers", "disk>10G", "10G does not fit: disk is a share"),
        ("Servers", "load>80%", "80% does not fit: load is a number"),
        ("Servers", "wait>5s", "5s does not fit: wait is a share"),
        ("Alerts", "for>80%", "80% does not fit: for is a time"),
        ("Alerts", "value>80%", "80% does not fit: value is a figure: write 0.9, 12, 1.5G or 5m"),
        ("Databases", "age>1G", "1G does not fit: age is a time"),
        ("Databases", "wait>5s", "wait holds no figures"),
    ] {
        let mut scene = pane(title);
        let all = scene.state.pane().rows();
        filter(&mut scene, typed);
        let lines = text(&mut scene);
        assert!(lines.contains(said), "{title} {typed}: {lines}");
        assert_eq!(scene.state.pane().rows(), all, "{title} {typed}");
    }
}

#[test]
fn blanks_around_a_comparison_mean_nothing() {
    let mut scene = pane("Containers");
    let busy = containers_left(&mut scene, "cpu>300");
    for typed in ["cpu > 300", "cpu >300", "cpu> 300%", "registry cpu > 300 !nowhere"] {
        assert_eq!(containers_left(&mut scene, typed), busy, "{typed}");
    }
    assert_eq!(containers_left(&mut scene, "cpu > 300 api > 5"), 0, "where no field stands before it, it is a word");
}

#[test]
fn a_value_that_no_row_has_is_said_with_what_is_near() {
    let mut scene = pane("Containers");
    for (typed, said) in [
        ("state:runing", "no STATE is like \"runing\": did you mean running?"),
        ("api STATE=helthy", "no STATE is \"helthy\": did you mean healthy?"),
        ("state:zzz", "no STATE is like \"zzz\""),
        ("name=api-", "no NAME is \"api-\"; 12 begin so: name:api-"),
        ("name:api-1x", "no NAME is like \"api-1x\": did you mean api-1"),
        ("api-1x", "no row has \"api-1x\"; 3 have \"api-1\""),
        ("zzz", "no row has \"zzz\""),
    ] {
        scene.keys("/");
        scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL))));
        scene.keys(typed);
        let lines = text(&mut scene);
        let foot = lines.lines().last().unwrap_or_default();
        assert!(foot.contains(said), "while it is typed: {typed}: {foot}");
        scene.key(KeyCode::Enter);
        assert!(text(&mut scene).contains(said), "{typed}");
    }
    filter(&mut scene, "state:healthy name:nowhere");
    let lines = text(&mut scene);
    assert!(!lines.contains("no STATE") && lines.contains("no NAME is like \"nowhere\""), "{lines}");
}

#[test]
fn tab_completes_fields() {
    let mut scene = pane("Containers");
    let typed = |scene: &mut Scene| scene.state.filter_edit.as_ref().unwrap().text().to_owned();
    scene.keys("/api res");
    scene.key(KeyCode::Tab);
    assert_eq!(typed(&mut scene), "api restarts");
    scene.keys(">0 !n");
    scene.key(KeyCode::Tab);
    assert_eq!(typed(&mut scene), "api restarts>0 !n", "several begin so");
    scene.keys("et");
    scene.key(KeyCode::Tab);
    assert_eq!(typed(&mut scene), "api restarts>0 !net-", "as far as all of them agree");
    scene.keys("o");
    scene.key(KeyCode::Tab);
    assert_eq!(typed(&mut scene), "api restarts>0 !net-out");
}

#[test]
fn every_table_compares_what_its_cells_say() {
    for (title, typed) in [
        ("Servers", "cpu>=0 state:ok|warning|critical|unknown|down|cpu|mem"),
        ("Databases", "pid>0 user:spacetime_app state:idle"),
        ("Alerts", "for>0s severity:critical"),
        ("Engine events", "event:die ago<1h"),
    ] {
        let mut scene = pane(title);
        filter(&mut scene, typed);
        let lines = text(&mut scene);
        assert!(!lines.contains("counts for nothing"), "{title}: {lines}");
        assert!(!lines.contains("passes the filter"), "{title}: {lines}");
        filter(&mut scene, &typed.replace('>', "<"));
        assert_ne!(text(&mut scene), lines, "{title}");
    }
}
