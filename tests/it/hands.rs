//! Hands on the tables: order, columns, marks, copying, as keys do it and as the screen shows it.

use crate::dump;
use crate::scene::{Scene, usual};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::{Snapshot, Subject};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;

const SIZE: (u16, u16) = (160, 45);

/// The containers pane alone, with its usual rows.
fn containers() -> Scene {
    let mut scene = Scene::full(SIZE);
    scene.keys("2z");
    scene.paint();
    scene
}

fn text(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

/// The rows of the table, without its frame.
fn names(scene: &mut Scene) -> Vec<String> {
    let lines = text(scene);
    let rows = lines.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with("api-")));
    rows.map(str::to_owned).collect()
}

/// What was put on the clipboard last.
fn copied(scene: &Scene) -> String {
    let last = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text.clone()),
        _ => None,
    });
    last.expect("something was copied")
}

/// Moves the cursor of the open menu to the first line that holds `words`, and presses Enter.
fn choose(scene: &mut Scene, words: &str) {
    let lines = text(scene);
    let menu: Vec<&str> = lines.lines().skip_while(|line| !line.contains("Esc closes")).skip(1).collect();
    let down = menu.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words:?}: {lines}"));
    scene.keys("g");
    (0..down).for_each(|_| scene.keys("j"));
    scene.key(KeyCode::Enter);
}

#[test]
fn the_sort_list_orders_by_any_column_and_marks_the_present_one() {
    let mut scene = containers();
    let worst_first = names(&mut scene);
    scene.keys("o");
    insta::assert_snapshot!("hands_sort", text(&mut scene));
    choose(&mut scene, "PIDS");
    let lines = text(&mut scene);
    assert!(lines.contains("▶ ↓ PIDS"), "it stays open, the order marked: {lines}");
    scene.key(KeyCode::Esc);
    let most_pids = names(&mut scene);
    assert_ne!(most_pids, worst_first);
    scene.keys("o");
    scene.key(KeyCode::Enter);
    scene.key(KeyCode::Esc);
    assert!(text(&mut scene).contains("PIDS↑"));
    scene.keys("O");
    assert_eq!(names(&mut scene), most_pids);
    scene.keys("o");
    choose(&mut scene, "worst first");
    scene.key(KeyCode::Esc);
    assert_eq!(names(&mut scene), worst_first);
}

#[test]
fn columns_are_hidden_moved_and_put_back_and_those_without_room_are_told() {
    let mut scene = containers();
    scene.resize((80, 24));
    scene.keys(",");
    assert!(text(&mut scene).contains("no room for it here"));
    scene.key(KeyCode::Esc);
    scene.resize(SIZE);
    scene.keys(",j ");
    insta::assert_snapshot!("hands_columns", text(&mut scene));
    scene.keys("j<<");
    scene.key(KeyCode::Esc);
    let lines = text(&mut scene);
    let heading = lines.lines().find(|line| line.contains("RESTARTS")).unwrap();
    assert!(!heading.contains("STATE") && heading.find("CPU") < heading.find("NAME"), "{heading}");
    // An order by a column that nobody sees is said in the title.
    scene.keys("o");
    choose(&mut scene, "STATE");
    scene.key(KeyCode::Esc);
    assert!(text(&mut scene).contains("by STATE ↑"));
    scene.keys(",r");
    scene.key(KeyCode::Esc);
    let lines = text(&mut scene);
    let heading = lines.lines().find(|line| line.contains("RESTARTS")).unwrap();
    assert!(heading.contains("STATE") && heading.find("NAME") < heading.find("CPU"), "{heading}");
}

#[test]
fn marks_follow_their_things_and_go_with_them() {
    let mut scene = containers();
    let first = names(&mut scene)[0].clone();
    scene.keys(" j ");
    let lines = text(&mut scene);
    assert!(lines.contains("2 marked") && lines.matches('•').count() == 2, "{lines}");
    insta::assert_snapshot!("hands_marked", lines);
    scene.keys("O");
    let lines = text(&mut scene);
    let marked = |lines: &str| lines.lines().any(|line| line.contains('•') && line.contains(&first));
    assert!(marked(&lines), "{lines}");
    scene.keys("/nothing-like-it");
    scene.key(KeyCode::Enter);
    assert!(text(&mut scene).contains("2 marked (2 hidden)"));
    scene.key(KeyCode::Esc);
    scene.keys("v");
    assert!(text(&mut scene).contains("18 marked"));
    scene.keys("v");
    assert!(text(&mut scene).contains("2 marked"));
    let Snapshot::Containers(mut engine) = usual(Subject::Containers) else { panic!() };
    engine.containers.retain(|container| container.name != first);
    scene.good("docker", "local", Snapshot::Containers(engine));
    assert!(text(&mut scene).contains("1 marked"));
    scene.keys("V");
    assert!(!text(&mut scene).contains("marked"));
}

#[test]
fn what_acts_is_about_the_cursor_alone_and_says_so_when_rows_are_marked() {
    let mut scene = containers();
    scene.keys(" jR");
    scene.pass(std::time::Duration::from_millis(100));
    let plans: Vec<_> = scene.effects.iter().filter(|effect| matches!(effect, Effect::Plan { .. })).collect();
    assert_eq!(plans.len(), 1, "{plans:?}");
    assert!(text(&mut scene).contains("the marked row is left alone"));
}

#[test]
fn rows_are_copied_as_text_markdown_and_json() {
    let mut scene = containers();
    let shown = names(&mut scene);
    scene.keys(" j c");
    insta::assert_snapshot!("hands_copy", text(&mut scene));
    scene.key(KeyCode::Enter);
    assert!(copied(&scene).lines().count() == 2 && copied(&scene).contains(&shown[1]), "{}", copied(&scene));
    assert!(text(&mut scene).contains("copied 1 row, "));
    scene.keys("c");
    choose(&mut scene, "Markdown table");
    let table = copied(&scene);
    assert!(table.starts_with("| NAME | STATE | CPU |") && table.lines().count() == 4, "{table}");
    scene.keys("c");
    choose(&mut scene, "2 marked        JSON");
    let json: serde_json::Value = serde_json::from_str(&copied(&scene)).unwrap();
    assert_eq!((json[0]["name"].as_str(), json[0]["source"].as_str()), (Some(&*shown[0]), Some("docker/local")));
    scene.keys("Vc");
    choose(&mut scene, "IMAGE");
    assert!(copied(&scene).starts_with("registry.example/"), "{}", copied(&scene));
}

#[test]
fn the_bundle_says_where_when_and_what_was_down() {
    let mut scene = containers();
    scene.bad("postgres", "primary", "refused with | and password=hunter22", "start it");
    scene.keys("c");
    choose(&mut scene, "incident channel");
    let bundle = copied(&scene);
    assert!(bundle.starts_with("**staging** 2026-11-25 03:00:0"), "{bundle}");
    assert!(bundle.contains("not answering: postgres FAILED, data 0s old: refused with \\|"), "{bundle}");
    assert!(!bundle.contains("hunter22") && bundle.contains("\n\n| NAME |"), "{bundle}");
}

#[test]
fn a_page_and_its_facts_are_copied() {
    let mut scene = containers();
    scene.key(KeyCode::Enter);
    scene.paint();
    scene.keys("c");
    choose(&mut scene, "the page  text");
    assert!(copied(&scene).contains("image"), "{}", copied(&scene));
    scene.keys("c");
    choose(&mut scene, " image ");
    assert!(copied(&scene).starts_with("registry.example/"), "{}", copied(&scene));
}

#[test]
fn what_is_too_large_for_a_clipboard_is_cut_and_said_to_be_cut_and_a_file_takes_all() {
    let mut scene = containers();
    scene.good("docker", "local", crate::scene::rows(Subject::Containers, 5000, &[]));
    scene.keys("c");
    choose(&mut scene, "5000 rows");
    let cut = copied(&scene);
    assert!(cut.len() <= 74_994 && cut.len() > 70_000 && cut.ends_with('\n'), "{}", cut.len());
    assert!(text(&mut scene).contains("copied the first "));
    scene.keys("cjs");
    let saved = scene.effects.iter().find_map(|effect| match effect {
        Effect::Save { name, text } => Some((name.clone(), text.lines().count())),
        _ => None,
    });
    let (name, lines) = saved.expect("a file");
    assert!(name.starts_with("containers-20261125T0300") && name.ends_with(".txt"), "{name}");
    assert_eq!(lines, 5001);
    scene.send(Event::Told { bad: false, what: "saved as /somewhere/rows.txt".to_owned() });
    assert!(text(&mut scene).contains("saved as /somewhere/rows.txt"));
}

#[test]
fn ctrl_space_clears_the_marks_too() {
    let mut scene = containers();
    scene.keys(" ");
    scene.pass(std::time::Duration::from_millis(100));
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL))));
    assert!(!text(&mut scene).contains("marked"));
}
