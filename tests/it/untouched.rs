//! A table in which nobody chose a row shows its worst rows, whatever comes; the first key that begins with a row means the one that
//! was painted.

use crate::dump;
use crate::scene::{Scene, rows};
use crossterm::event::KeyCode;
use quarterdeck::domain::{Container, Health, Snapshot, Subject};
use quarterdeck::effect::Effect;
use std::time::Duration;

/// Sixty containers that are well, but for those of these numbers.
fn containers(bad: &[usize]) -> Snapshot {
    let Snapshot::Containers(mut engine) = rows(Subject::Containers, 60, &[]) else { unreachable!() };
    let shape = engine.containers[0].clone();
    for (at, container) in engine.containers.iter_mut().enumerate() {
        let health = if bad.contains(&at) { Health::Unhealthy } else { Health::Healthy };
        let (id, name) = (container.id.clone(), format!("svc-{at:02}"));
        *container = Container { id, name, health, restarts: Some(0), ..shape.clone() };
    }
    Snapshot::Containers(engine)
}

fn scene() -> Scene {
    let mut scene = Scene::full((100, 24));
    scene.good("docker", "local", containers(&[]));
    scene.keys("2z");
    scene.paint();
    scene
}

/// The names on the screen, from the top.
fn names(scene: &mut Scene) -> Vec<String> {
    let text = dump::text(&scene.paint());
    let found = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with("svc-")));
    found.map(str::to_owned).collect()
}

/// The container that the newest plan is about, by its number.
fn planned(scene: &mut Scene) -> usize {
    scene.pass(Duration::from_millis(100));
    let asked = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { request, .. } => Some(request.args["container"].as_str().unwrap().to_owned()),
        _ => None,
    });
    let asked = asked.expect("a plan is asked for");
    let id = asked.rsplit('/').next().unwrap().trim_start_matches('0');
    usize::from_str_radix(if id.is_empty() { "0" } else { id }, 16).unwrap()
}

#[test]
fn the_worst_rows_stay_in_sight_as_long_as_no_row_was_chosen() {
    let mut scene = scene();
    assert_eq!(names(&mut scene)[0], "svc-00");
    let bad: Vec<usize> = (20..50).collect();
    scene.pass(Duration::from_secs(2));
    scene.good("docker", "local", containers(&bad));
    assert_eq!(names(&mut scene)[0], "svc-20");
    // What is no row's business chooses none.
    scene.keys("?");
    scene.key(KeyCode::Esc);
    scene.keys("T12:q");
    scene.key(KeyCode::Esc);
    scene.good("docker", "local", containers(&[59]));
    assert_eq!(names(&mut scene)[0], "svc-59");
}

#[test]
fn once_a_row_was_chosen_the_cursor_follows_it() {
    let mut scene = scene();
    scene.keys("j");
    scene.good("docker", "local", containers(&(20..50).collect::<Vec<_>>()));
    let shown = names(&mut scene);
    assert!(shown.contains(&"svc-01".to_owned()) && !shown.contains(&"svc-20".to_owned()), "{shown:?}");
}

#[test]
fn the_first_key_that_acts_means_the_row_that_was_painted() {
    for keys in ["R", " R", "aR\n", ":runbook:container-restart\n"] {
        let mut scene = scene();
        scene.good("docker", "local", containers(&[7]));
        // Not painted yet: svc-00 is what somebody sees under the cursor.
        for key in keys.chars() {
            scene.key(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
            scene.good("docker", "local", containers(&[9]));
            if keys.len() > 2 {
                scene.paint();
            }
        }
        assert_eq!(planned(&mut scene), 0, "{keys}");
    }
    let mut scene = scene();
    scene.good("docker", "local", containers(&[7]));
    scene.paint();
    scene.keys("R");
    assert_eq!(planned(&mut scene), 7);
}

#[test]
fn what_was_painted_before_the_pane_was_left_is_not_what_somebody_sees() {
    let mut scene = scene();
    scene.keys("3");
    scene.good("docker", "local", containers(&[7]));
    scene.paint();
    scene.keys("2R");
    assert_eq!(planned(&mut scene), 7);
}

#[test]
fn a_page_stays_with_its_thing_and_the_overview_with_its_worst() {
    let mut scene = scene();
    scene.key(KeyCode::Enter);
    scene.good("docker", "local", containers(&[7]));
    let page = dump::text(&scene.paint());
    assert!(page.contains("svc-00") && !page.contains("not reported any more"), "{page}");
    let mut scene = Scene::full((100, 24));
    scene.keys("0");
    scene.paint();
    scene.bad("postgres", "primary", "it is away", "start it");
    scene.key(KeyCode::Enter);
    let page = dump::text(&scene.paint());
    assert!(!page.contains("it is away"), "what slid under the cursor was opened: {page}");
}

/// How old it is must not be lost behind what there is.
#[test]
fn the_age_and_the_filter_stand_in_a_title_that_is_too_long_for_the_rest() {
    let mut scene = Scene::full((80, 24));
    scene.keys("4z");
    scene.keys("/app:web idle in transaction");
    scene.key(KeyCode::Enter);
    let text = dump::text(&scene.paint());
    let title = text.lines().find(|line| line.contains("4 Databases")).unwrap().to_owned();
    assert!(title.contains("postgres 3s") || title.contains("1 ok 3s") || title.contains("data 3s old"), "{title}");
    assert!(title.contains("/app:web idle") && title.contains('…'), "{title}");
}
