//! Hands on the tables: order, columns, marks, copying, as keys do it and as the screen shows it.

use crate::desk::{Desk, insist, painted, quit};
use crate::dump;
use crate::pty::{PATIENCE, left_modes};
use crate::scene::{Scene, start, usual};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use quarterdeck::app::view_troubles;
use quarterdeck::domain::view::{TableView, View};
use quarterdeck::domain::{Alert, AlertReport, AlertState, LogEvent, LogLine, Severity, Snapshot, Subject};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

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
    let menu = lines.lines().skip_while(|line| !line.contains("Esc closes")).skip(1);
    let menu: Vec<String> = menu.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let down = menu.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words:?}: {lines}"));
    scene.keys("g");
    (0..down).for_each(|_| scene.keys("j"));
    scene.key(KeyCode::Enter);
}

#[test]
fn one_key_gives_a_pane_all_the_room_and_takes_it_back() {
    let mut scene = Scene::full(SIZE);
    let titles = |scene: &mut Scene| {
        let shown = text(scene);
        ["1 Servers", "2 Containers", "3 Alerts", "4 Databases"].map(|title| shown.contains(title))
    };
    scene.keys("4");
    assert_eq!(titles(&mut scene), [true; 4]);
    scene.keys("z");
    assert_eq!(titles(&mut scene), [false, false, false, true]);
    scene.keys("z");
    assert_eq!(titles(&mut scene), [true; 4]);
}

#[test]
fn what_waits_to_fire_stands_above_what_asks_for_nothing() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], SIZE);
    let alert = |name: &str, state, severity| {
        Arc::new(Alert { fingerprint: name.into(), name: name.to_owned(), state, severity, ..Alert::default() })
    };
    let alerts = vec![
        alert("Watchdog", AlertState::Firing, Severity::Info),
        alert("Silenced", AlertState::Suppressed, Severity::Critical),
        alert("WaitsToFire", AlertState::Pending, Severity::Critical),
        alert("Fires", AlertState::Firing, Severity::Warning),
    ];
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
    scene.keys("3z");
    let shown = text(&mut scene);
    let at =
        |name: &str| shown.lines().position(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {shown}"));
    let order = ["Fires", "WaitsToFire", "Watchdog", "Silenced"].map(at);
    assert!(order.is_sorted(), "{order:?}: {shown}");
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
    scene.paint();
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
    scene.pass(Duration::from_millis(100));
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
    choose(&mut scene, "2 marked JSON");
    let json: serde_json::Value = serde_json::from_str(&copied(&scene)).unwrap();
    assert_eq!((json[0]["name"].as_str(), json[0]["source"].as_str()), (Some(&*shown[0]), Some("docker/local")));
    scene.keys("Vc");
    choose(&mut scene, "IMAGE");
    assert!(copied(&scene).starts_with("registry.example/"), "{}", copied(&scene));
}

#[test]
fn the_overview_and_an_inspection_have_a_list_of_what_can_be_copied() {
    let mut scene = Scene::full(SIZE);
    scene.keys("0c");
    assert!(text(&mut scene).contains("s saves to a file"), "{}", text(&mut scene));
    choose(&mut scene, "all of it text");
    assert!(copied(&scene).contains("WRONG NOW") && copied(&scene).contains("api-2"), "{}", copied(&scene));
    scene.keys("jc");
    choose(&mut scene, "this line");
    let line = copied(&scene);
    assert!(line.lines().count() == 1 && line.starts_with("critical "), "{line}");
    scene.keys("c");
    choose(&mut scene, "for the incident channel");
    assert!(copied(&scene).starts_with("**staging**"), "{}", copied(&scene));
    scene.keys("cs");
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::Save { .. })));
}

#[test]
fn in_a_log_help_tells_what_its_keys_do_there() {
    let mut scene = containers();
    scene.keys("l?");
    let mut told = String::new();
    for _ in 0..8 {
        told += &text(&mut scene);
        scene.key(KeyCode::PageDown);
    }
    let line =
        |key: &str| told.lines().find(|line| line.contains(&format!("  {key}   "))).unwrap_or_default().to_owned();
    assert!(line("c").contains("copy the line under the cursor"), "{}", line("c"));
    assert!(line("&").contains("show only lines with these words: words, !not") && !line("&").contains("cpu>80"));
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
    choose(&mut scene, "the page text");
    assert!(copied(&scene).contains("image"), "{}", copied(&scene));
    scene.keys("c");
    choose(&mut scene, "│ image ");
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
    assert!(name.starts_with("containers-20261125T0300") && name.strip_suffix(".txt").is_some(), "{name}");
    assert_eq!(lines, 5001);
    scene.send(Event::Told { bad: false, what: "saved as /somewhere/rows.txt".to_owned() });
    assert!(text(&mut scene).contains("saved as /somewhere/rows.txt"));
}

#[test]
fn ctrl_space_clears_the_marks_too() {
    let mut scene = containers();
    scene.keys(" ");
    scene.pass(Duration::from_millis(100));
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL))));
    assert!(!text(&mut scene).contains("marked"));
}

fn press(scene: &mut Scene, code: KeyCode, modifiers: KeyModifiers) {
    scene.pass(Duration::from_millis(100));
    scene.send(Event::Input(Input::Key(KeyEvent::new(code, modifiers))));
}

#[test]
fn a_frozen_screen_stands_still_and_nothing_is_acted_on() {
    let mut scene = containers();
    let before = names(&mut scene);
    scene.keys("F");
    scene.pass(Duration::from_millis(50));
    let Snapshot::Containers(mut engine) = usual(Subject::Containers) else { panic!() };
    engine.containers.truncate(1);
    scene.good("docker", "local", Snapshot::Containers(engine));
    scene.pass(Duration::from_secs(42));
    insta::assert_snapshot!("hands_frozen", text(&mut scene));
    assert_eq!(names(&mut scene), before, "what came is not seen");
    scene.keys("R");
    scene.pass(Duration::from_millis(100));
    assert!(!scene.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })), "{:?}", scene.effects);
    assert!(text(&mut scene).contains("what you see is 42s old: F lets the screen go on"));
    scene.keys("/api-3");
    scene.key(KeyCode::Enter);
    assert_eq!(names(&mut scene), ["api-3"], "a filter works on the frozen rows");
    scene.key(KeyCode::Esc);
    scene.keys("F");
    scene.pass(Duration::from_millis(50));
    assert_eq!(names(&mut scene), ["api-0"]);
    assert!(!text(&mut scene).contains("FROZEN"));
}

#[test]
fn the_pace_of_a_pane_is_told_and_comes_back() {
    let mut scene = containers();
    scene.keys("++");
    let paced = |scene: &Scene| {
        let pace = scene.effects.iter().rev().find_map(|effect| match effect {
            Effect::Pace { source, interval } => Some((source.as_str().to_owned(), *interval)),
            _ => None,
        });
        pace.unwrap()
    };
    assert_eq!(paced(&scene), ("docker/local".to_owned(), Duration::from_secs(8)));
    let lines = text(&mut scene);
    assert!(lines.contains("are asked every 8s") && lines.contains("s every 8s "), "{lines}");
    scene.keys("-");
    assert_eq!(paced(&scene).1, Duration::from_secs(4));
    scene.keys("=");
    assert_eq!(paced(&scene).1, Duration::from_secs(2));
    let lines = text(&mut scene);
    assert!(lines.contains("as configured again: every 2s") && !lines.contains("s every 2s "), "{lines}");
}

/// The views that were to be kept last.
fn kept(scene: &Scene) -> Vec<View> {
    let kept = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::KeepViews { views, .. } => Some(views.clone()),
        _ => None,
    });
    kept.expect("views were kept")
}

#[test]
fn a_view_is_saved_opened_and_deleted() {
    let mut scene = containers();
    scene.keys("o");
    choose(&mut scene, "CPU");
    scene.key(KeyCode::Esc);
    scene.keys(",j ");
    scene.key(KeyCode::Esc);
    scene.keys("/running");
    scene.key(KeyCode::Enter);
    press(&mut scene, KeyCode::Char('s'), KeyModifiers::CONTROL);
    scene.keys("hot");
    insta::assert_snapshot!("hands_save_view", text(&mut scene));
    scene.key(KeyCode::Enter);
    let shown = text(&mut scene);
    let view = kept(&scene)[0].clone();
    let table = &view.panes["containers"];
    assert_eq!((view.name.as_str(), view.focus.as_deref(), view.zoom), ("hot", Some("containers"), true));
    assert_eq!((table.filter.as_str(), table.sort.as_deref(), table.reverse), ("running", Some("CPU"), true));
    assert!(!table.columns.iter().any(|column| column == "STATE"), "{table:?}");
    // The plain view, then the saved one again.
    press(&mut scene, KeyCode::Char('o'), KeyModifiers::CONTROL);
    choose(&mut scene, "(plain)");
    assert_ne!(text(&mut scene), shown);
    press(&mut scene, KeyCode::Char('o'), KeyModifiers::CONTROL);
    insta::assert_snapshot!("hands_views", text(&mut scene));
    choose(&mut scene, "hot");
    assert_eq!(text(&mut scene).lines().nth(3), shown.lines().nth(3));
    press(&mut scene, KeyCode::Char('o'), KeyModifiers::CONTROL);
    scene.keys("x");
    assert_eq!(kept(&scene), []);
}

#[test]
fn a_view_that_names_what_nobody_knows_says_so() {
    let mut setup = crate::scene::setup(&crate::scene::SOURCES);
    let columns = vec!["NAME".to_owned(), "COLOUR".to_owned()];
    let table = TableView { columns, ..TableView::default() };
    let view = View {
        name: "old".to_owned(),
        panes: [("containers".to_owned(), table), ("pods".to_owned(), TableView::default())].into(),
        ..View::default()
    };
    setup.habits.start = Some(view);
    setup.habits.remember = true;
    let mut scene = Scene::of(setup, SIZE);
    let lines = text(&mut scene);
    assert!(lines.contains("view old: Containers has no column COLOUR, there is no pane pods"), "{lines}");
    let told = view_troubles(&[View { focus: Some("container".to_owned()), ..View::default() }]);
    assert!(told[0].contains("there is no pane container: did you mean containers?"), "{told:?}");
    assert!(view_troubles(&[View::default()]).is_empty());
    assert_eq!(scene.state.left().unwrap().panes["containers"].columns, ["NAME"]);
}

#[test]
fn a_letter_in_the_list_of_orders_sorts_at_once_and_capitals_lead_there() {
    let mut scene = Scene::full(SIZE);
    scene.keys("2oc");
    let sorted = |scene: &mut Scene, heading: &str| {
        let lines = text(scene);
        assert!(lines.contains(heading), "{heading}: {lines}");
        assert!(scene.state.overlay.is_none(), "{heading}: it is done");
    };
    sorted(&mut scene, "CPU↓");
    scene.keys("oC");
    sorted(&mut scene, "CPU↑");
    scene.keys("on");
    sorted(&mut scene, "NAME↑");
    scene.keys("on");
    sorted(&mut scene, "NET IN↓");
    scene.keys("oa");
    sorted(&mut scene, "UP↓");
    scene.keys("ok");
    assert!(scene.state.overlay.is_some(), "k moves");
    scene.key(KeyCode::Esc);
    // What sorts in k9s and top.
    scene.keys("C");
    assert!(text(&mut scene).contains("C acts in Databases (4); here o c sorts by CPU"), "{}", text(&mut scene));
    scene.effects.clear();
    scene.keys("M");
    scene.pass(Duration::from_millis(100));
    assert!(text(&mut scene).contains("(o m sorts by MEM)"), "{}", text(&mut scene));
    assert!(scene.effects.iter().all(|effect| matches!(effect, Effect::Mouse(true))), "{:?}", scene.effects);
    scene.keys("Z");
    assert!(text(&mut scene).contains("Z is not bound; ? shows the keys"), "{}", text(&mut scene));
}

#[test]
fn keys_of_other_programs_lead_to_what_does_it_here() {
    let mut scene = Scene::full(SIZE);
    for (pane, key, said) in [
        ("2", KeyCode::Char('r'), "r is not bound: R plans container-restart"),
        ("2", KeyCode::Char('m'), "m is not bound: l shows the log"),
        ("2", KeyCode::Char('s'), "s is not bound: no shell is opened here"),
        ("2", KeyCode::Char('x'), "x is not bound: a lists actions"),
        ("2", KeyCode::Char('K'), "K is not bound: a lists actions"),
        ("2", KeyCode::Char('w'), "w is not bound: , chooses columns"),
        ("4", KeyCode::F(2), "f2 is not bound: b shows who waits"),
        ("1", KeyCode::Left, "left is not bound: backtab goes there"),
        ("1", KeyCode::Char('R'), "R acts in Containers (2)"),
    ] {
        scene.keys(pane);
        scene.key(key);
        let lines = text(&mut scene);
        assert!(lines.contains(said), "{said}: {lines}");
    }
    for (typed, title) in [(":pods", "Containers"), (":no", "Servers"), (":pg", "Databases")] {
        scene.keys(typed);
        scene.key(KeyCode::Enter);
        assert_eq!(PANES[scene.state.focus].title, title, "{typed}");
    }
    // The way back is offered once, whatever the page calls it.
    scene.keys("2y");
    let lines = text(&mut scene);
    let footer = lines.lines().last().unwrap_or_default();
    assert_eq!(footer.matches(" back").count(), 1, "{footer}");
}

#[test]
fn no_capital_changes_anything_without_its_plan_and_answer() {
    for pane in ["1", "2", "3", "4", "6", "0"] {
        for capital in 'A'..='Z' {
            let mut scene = Scene::full(SIZE);
            scene.keys(pane);
            scene.effects.clear();
            scene.keys(&capital.to_string());
            scene.pass(Duration::from_millis(100));
            // Whoever means another program answers it as that one is answered.
            scene.key(KeyCode::Enter);
            let harmless = |effect: &Effect| match effect {
                Effect::Journal(entry) => entry.data["state"] == "locked",
                effect => matches!(effect, Effect::Plan { .. } | Effect::Mouse(_) | Effect::Inquire(_)),
            };
            assert!(scene.effects.iter().all(harmless), "{pane} {capital}: {:?}", scene.effects);
        }
    }
}

fn mouse(scene: &mut Scene, kind: MouseEventKind, (column, row): (u16, u16)) {
    scene.pass(Duration::from_millis(50));
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    scene.send(Event::Input(Input::Mouse(event)));
    scene.paint();
}

/// Where a text stands on the screen: column and row.
fn find(scene: &mut Scene, words: &str) -> (u16, u16) {
    let lines = text(scene);
    let row = lines.lines().position(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words:?}: {lines}"));
    let line = lines.lines().nth(row).unwrap();
    (line[..line.find(words).unwrap()].chars().count() as u16, row as u16)
}

#[test]
fn the_mouse_selects_focuses_opens_scrolls_and_sorts_when_it_is_listened_to() {
    const LEFT: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
    let mut scene = Scene::full(SIZE);
    let row = find(&mut scene, "api-3 ");
    mouse(&mut scene, LEFT, row);
    assert_eq!(PANES[scene.state.focus].title, "Servers", "nobody listens");
    scene.keys("M");
    scene.pass(Duration::from_millis(50));
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::Mouse(true))));
    mouse(&mut scene, LEFT, row);
    assert_eq!(PANES[scene.state.focus].title, "Containers");
    assert!(scene.state.pane().selected().unwrap().name.ends_with("api-3"));
    mouse(&mut scene, MouseEventKind::ScrollDown, row);
    assert!(!scene.state.pane().selected().unwrap().name.ends_with("api-3"));
    let servers = find(&mut scene, "game-1 ");
    mouse(&mut scene, MouseEventKind::ScrollDown, servers);
    assert_eq!(PANES[scene.state.focus].title, "Containers", "the wheel does not focus");
    let heading = find(&mut scene, "NET IN");
    mouse(&mut scene, LEFT, heading);
    assert!(text(&mut scene).contains("NET IN↓"), "{}", text(&mut scene));
    let row = find(&mut scene, "api-0 ");
    mouse(&mut scene, LEFT, row);
    mouse(&mut scene, LEFT, row);
    assert!(scene.state.page.is_some(), "two clicks open");
    // Neither a click nor the wheel answers or closes what lies over the panes.
    scene.key(KeyCode::Esc);
    scene.keys("c");
    scene.paint();
    for at in [row, (80, 22)] {
        mouse(&mut scene, LEFT, at);
        mouse(&mut scene, MouseEventKind::ScrollDown, at);
    }
    assert!(text(&mut scene).contains("for the incident channel"));
    let untouched = |effect: &Effect| matches!(effect, Effect::Mouse(_) | Effect::Inquire(_));
    assert!(scene.effects.iter().all(untouched), "{:?}", scene.effects);
}

#[test]
fn two_clicks_open_only_what_both_of_them_hit_in_time() {
    const LEFT: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
    let mut scene = Scene::full(SIZE);
    scene.keys("M2z");
    scene.pass(Duration::from_millis(50));
    let (row, other) = (find(&mut scene, "api-0 "), find(&mut scene, "api-1 "));
    let opens = |scene: &mut Scene| {
        let opened = scene.state.page.is_some();
        scene.key(KeyCode::Esc);
        opened
    };
    mouse(&mut scene, LEFT, row);
    scene.pass(Duration::from_millis(360));
    mouse(&mut scene, LEFT, row);
    assert!(scene.state.page.is_none(), "too late");
    mouse(&mut scene, LEFT, row);
    assert!(opens(&mut scene), "the late one is the first of another two");
    for between in [other, find(&mut scene, "NAME")] {
        mouse(&mut scene, LEFT, row);
        mouse(&mut scene, LEFT, between);
        let row = find(&mut scene, "api-0 ");
        mouse(&mut scene, LEFT, row);
        assert!(scene.state.page.is_none(), "something else was hit between");
        scene.pass(Duration::from_secs(1));
    }
    // The rows change places between the two: the second one hits another thing.
    let row = find(&mut scene, "api-0 ");
    mouse(&mut scene, LEFT, row);
    scene.pass(Duration::from_secs(1));
    mouse(&mut scene, LEFT, row);
    scene.keys("O");
    scene.paint();
    mouse(&mut scene, LEFT, row);
    assert!(scene.state.page.is_none());
}

#[test]
fn in_a_log_the_wheel_scrolls_it_and_a_click_goes_nowhere() {
    let mut scene = Scene::full(SIZE);
    scene.keys("M2");
    scene.pass(Duration::from_millis(50));
    let row = find(&mut scene, "api-3 ");
    let before = scene.state.pane().selected();
    scene.keys("l");
    let lines = (0..200).map(|n| LogLine { text: format!("line {n}"), ..LogLine::default() }).collect();
    scene.send(Event::Log(LogEvent::Batch { number: 1, at: start().wall, lines, states: Vec::new() }));
    scene.paint();
    mouse(&mut scene, MouseEventKind::ScrollUp, row);
    assert!(text(&mut scene).contains("PAUSED"), "{}", text(&mut scene));
    mouse(&mut scene, MouseEventKind::Down(MouseButton::Left), row);
    mouse(&mut scene, MouseEventKind::Down(MouseButton::Left), row);
    assert!(scene.state.logs.is_some() && scene.state.page.is_none());
    assert_eq!(scene.state.pane().selected(), before, "what lies behind was not touched");
}

const HOST: &str = "[local.host]\ninterval = \"250ms\"\n";

#[test]
fn the_terminal_gets_what_is_copied_and_the_disk_what_is_saved() {
    let desk = Desk::with(HOST);
    let mut session = desk.start();
    session.send("1");
    session.wait_text("1 in all");
    session.send("c");
    session.wait_text("for the incident channel");
    session.send("\r");
    session.wait_text("copied 1 row, ");
    session.wait_raw(b"\x1b]52;c;");
    let raw = String::from_utf8_lossy(&session.raw()).into_owned();
    let encoded = raw.split("\x1b]52;c;").nth(1).and_then(|rest| rest.split('\x07').next()).unwrap();
    let copied = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    assert!(copied.contains("NAME") && copied.contains("CPU") && copied.lines().count() == 2, "{copied}");
    session.send("c");
    session.wait_text("for the incident channel");
    session.send("s");
    session.wait_text("saved as ");
    let saved: Vec<_> = std::fs::read_dir(desk.home().join("state/quarterdeck/saved")).unwrap().collect();
    let file = saved[0].as_ref().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(file.path()).unwrap().contains("CPU"));
    quit(session);
}

#[test]
fn a_saved_view_is_there_at_the_next_start_and_an_unknown_one_is_told() {
    let desk = Desk::with(HOST);
    let mut session = desk.start();
    session.send("/nothing\r\x13");
    session.wait_text("name this view");
    session.send("quiet");
    session.wait_text("quiet");
    session.send("\r");
    session.wait_text("view quiet is saved");
    quit(session);
    let session = painted(desk.launch().args(&["--view", "quiet"]));
    session.wait_text("/nothing");
    quit(session);
    let output = desk.run(&["--view", "quite"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_mouse_is_given_back_however_it_ends() {
    let desk = Desk::with(HOST);
    let mut session = desk.start();
    session.send("M");
    session.wait_text("Shift and dragging");
    session.wait_raw(b"\x1b[?1000h\x1b[?1006h");
    session.send("\x1b[<0;20;40M\x1b[<0;20;40m");
    session.signal(Signal::TERM);
    session.wait_exit();
    assert_eq!(session.left_behind(), [""; 0]);
    // Before a shell gets the terminal, too; and it is listened to again after.
    let mouse = format!("[screen]\nmouse = true\n{HOST}");
    let desk = Desk::with(&mouse);
    let mut session = painted(desk.launch_under_shell());
    session.wait_raw(b"\x1b[?1000h\x1b[?1006h");
    session.send("\x1a");
    session.wait_text("stopped with ");
    assert_eq!(left_modes(&session.raw()), [""; 0]);
    session.send("\r");
    session
        .wait_screen("it is back", PATIENCE, |screen| screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None);
    insist(&mut session, "q", "ended with 0");
    assert!(session.wait_exit().success());
    assert_eq!(session.left_behind(), [""; 0]);
    let session = painted(desk.launch().arg("--no-mouse"));
    assert!(!session.raw().windows(8).any(|bytes| bytes == b"\x1b[?1000h"));
    quit(session);
}
