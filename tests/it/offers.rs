//! Runbooks: their view, and the way to one from an alert.

use crate::scene::{Scene, rows, setup};
use crate::seen::{has, has_not, shown};
use crossterm::event::KeyCode;
use quarterdeck::domain::{Container, ContainerState, Server, Snapshot, Subject};
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, Reloaded, Shelf};
use quarterdeck::runbook::{Library, PlanRequest};
use quarterdeck::store::Named;
use std::sync::Arc;
use std::time::Duration;

const SOURCES: [(&str, &str, Subject); 3] = [
    ("local", "host", Subject::Servers),
    ("prometheus", "main", Subject::Alerts),
    ("docker", "lab", Subject::Containers),
];

fn page(id: &str, keys: &str) -> String {
    format!(
        "---\nrunbook: 1\nid: {id}\ntitle: Mend {id}\nowner: ops\nreviewed: 2026-11-20\nrisk: low\n{keys}---\n\nWhy it is so.\n\n## Look\n\n### Once\n\n- [ ] look at it\n"
    )
}

/// One with a parameter, which a check asks about.
fn asking(params: &str, on: &str, query: &str) -> String {
    let fence = format!("```sql check on={on} timeout=5s expect=(rows[0].ok)\nSELECT {query} AS ok\n```");
    page("slow", &format!("alerts: [Sl*]\nparams:\n  - {params}\n")).replace("- [ ] look at it", &fence)
}

/// One alert, `Slow` on a label `team` and an `instance`, and these runbooks.
fn scene(pages: &[String]) -> Scene {
    scene_with(pages, Vec::new())
}

/// The same, and these servers in the config.
fn scene_with(pages: &[String], servers: Vec<Named>) -> Scene {
    let mut setup = setup(&SOURCES);
    setup.servers = servers;
    let files = pages.iter().map(|page| ("x.md", page.as_str()));
    setup.library = Arc::new(Library::read(files).unwrap_or_else(|problems| panic!("{problems:?}")));
    let mut scene = Scene::of(setup, (160, 45));
    scene.good("local", "host", rows(Subject::Servers, 2, &[]));
    let Snapshot::Alerts(mut report) = rows(Subject::Alerts, 1, &[]) else { unreachable!() };
    for alert in &mut report.alerts {
        let alert = Arc::make_mut(alert);
        alert.name = "Slow".into();
        alert.labels.insert("alertname".to_owned(), "Slow".to_owned());
        alert.labels.insert("team".to_owned(), "web".to_owned());
        alert.labels.insert("database".to_owned(), "nowhere".to_owned());
    }
    scene.good("prometheus", "main", Snapshot::Alerts(report));
    scene.paint();
    scene
}

/// A key that may lead to a change counts once it is clear that it stood alone.
fn press(scene: &mut Scene, key: char) {
    scene.pass(Duration::from_secs(1));
    scene.key(KeyCode::Char(key));
    scene.pass(Duration::from_secs(1));
}

fn asked(scene: &Scene) -> Option<PlanRequest> {
    scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { request, .. } => Some(request.clone()),
        _ => None,
    })
}

#[test]
fn an_alert_plans_the_runbook_that_names_it_with_its_labels() {
    let named = asking("{name: team, type: string, required: true}", "primary", ":team = 'web'");
    let mut scene = scene(&[named, page("other", "alerts: [Fast]\n")]);
    scene.keys("3");
    press(&mut scene, 'R');
    let request = asked(&scene).expect("a plan was asked for");
    assert_eq!(request.runbook, "slow");
    assert_eq!(request.args["team"], "web");
    scene.keys("a");
    has(&mut scene, &["runbook:slow", "low, never run"]);
    has_not(&mut scene, "runbook:other");
}

#[test]
fn where_nothing_fits_the_line_that_makes_something_fit_is_told_with_the_things_own_name() {
    let mut scene = scene(&[page("other", "")]);
    scene.keys("1");
    let name = scene.state.pane().selected().expect("a server is selected").name;
    scene.keys("a");
    let told = [
        format!("no runbook is for {name}: `pane: servers` in the front matter of one offers it here"),
        format!("server}}` in its params gets {name}"),
    ];
    let seen = shown(&mut scene).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.iter().all(|line| seen.contains(line)), "{told:?}: {seen}");
}

#[test]
fn what_a_label_names_must_be_known_here() {
    let named = asking("{name: database, type: database, required: true}", "$database", "true");
    let mut scene = scene(&[named]);
    scene.keys("3");
    press(&mut scene, 'R');
    has(&mut scene, &["parameters: Mend slow", "the config has no database \"nowhere\""]);
    assert!(asked(&scene).is_none());
}

/// Those that are meant come first in the list, and each tells how busy it is.
#[test]
fn servers_of_the_preferred_role_come_first() {
    let named = |name: &str, role: &str| {
        let roles = vec![role.to_owned()];
        Named { server: Server { name: name.to_owned(), roles, ..Server::default() }, feeds: Vec::new() }
    };
    let param = "{name: machine, type: server, description: the machine of the database, prefer: role:database, required: true}";
    let servers = vec![named("a-game", "game"), named("b-base", "database"), named("c-base", "database")];
    let mut scene = scene_with(&[asking(param, "primary", ":machine = 'x'")], servers);
    scene.keys("3");
    press(&mut scene, 'R');
    let seen = shown(&mut scene);
    let (_, listed) = seen.split_once("the machine of the database").unwrap();
    let at = |name: &str| listed.find(name).unwrap_or_else(|| panic!("{name}: {seen}"));
    assert!(at("b-base") < at("c-base") && at("c-base") < at("a-game"), "{seen}");
}

/// Whoever writes a label must not choose a machine that nobody in the team chose.
#[test]
fn a_server_that_only_a_source_tells_of_is_not_taken_from_a_label() {
    for kind in ["server", "address"] {
        let page =
            || asking(&format!("{{name: instance, type: {kind}, required: true}}"), "primary", ":instance = 'x'");
        let mut told = scene(&[page()]);
        let instance = told.state.store.all_alerts().next().unwrap().labels["instance"].clone();
        told.keys("3");
        press(&mut told, 'R');
        has(&mut told, &["parameters: Mend slow", "label instance: ", "has no [[server]] for: only"]);
        assert!(asked(&told).is_none(), "{kind}");
        let named = |name: &str, addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
            Named { server: Server { name: name.to_owned(), addresses, ..Server::default() }, feeds: Vec::new() }
        };
        let host = instance.split(':').next().unwrap();
        let mut configured = scene_with(&[page()], vec![named("of-the-team", &[host])]);
        configured.keys("3");
        press(&mut configured, 'R');
        let given = if kind == "server" { "of-the-team" } else { host };
        let request = asked(&configured).unwrap_or_else(|| panic!("no plan of {instance}: {}", shown(&mut configured)));
        assert_eq!(request.args["instance"], given);
    }
}

#[test]
fn a_label_names_one_of_a_list_of_servers_too_but_none_of_another_role() {
    for (more, query, given) in
        [("many: true, ", "'x' = ANY(:machine)", Some("of-the-team")), ("from: \"role:lb\", ", ":machine = 'x'", None)]
    {
        let page = asking(&format!("{{name: machine, type: server, {more}required: true}}"), "primary", query);
        let mut told = scene(std::slice::from_ref(&page));
        let instance = told.state.store.all_alerts().next().unwrap().labels["instance"].clone();
        let addresses = vec![instance.split(':').next().unwrap().to_owned()];
        let server = Server { name: "of-the-team".to_owned(), addresses, ..Server::default() };
        told = scene_with(&[page], vec![Named { server, feeds: Vec::new() }]);
        told.keys("3");
        press(&mut told, 'R');
        let named = asked(&told).map(|request| request.args["machine"].clone());
        assert_eq!(named, given.map(|name| serde_json::json!([name])), "{more}: {}", shown(&mut told));
    }
}

/// An alert about a server that has so many containers, of which so many have ended with an error.
fn with_containers(count: usize, ended: usize) -> (Scene, Snapshot) {
    let named = |name: &str, address: &str| {
        let server = Server { name: name.to_owned(), addresses: vec![address.to_owned()], ..Server::default() };
        Named { server, feeds: Vec::new() }
    };
    let page = asking("{name: server, type: server, required: true}", "primary", ":container <> :server")
        .replace("params:\n", "params:\n  - {name: container, type: container, required: true}\n");
    let mut scene = scene_with(&[page], vec![named("game-1", "203.0.113.1"), named("game-7", "203.0.113.7")]);
    let Snapshot::Alerts(mut report) = rows(Subject::Alerts, 1, &[]) else { unreachable!() };
    let alert = Arc::make_mut(&mut report.alerts[0]);
    alert.name = "Slow".into();
    alert.labels.insert("instance".to_owned(), "203.0.113.1:9100".to_owned());
    scene.good("prometheus", "main", Snapshot::Alerts(report));
    let Snapshot::Containers(mut engine) = rows(Subject::Containers, count, &[]) else { unreachable!() };
    for (index, one) in engine.containers.iter_mut().enumerate() {
        *one = Container {
            id: one.id.clone(),
            name: one.name.clone(),
            state: ContainerState::Running,
            ..Container::default()
        };
        if index < ended {
            (one.state, one.exit_code) = (ContainerState::Exited, Some(1));
        }
    }
    (scene, Snapshot::Containers(engine))
}

#[test]
fn the_one_container_of_an_alerts_server_that_is_not_well_is_what_the_runbook_is_about() {
    let (mut scene, engine) = with_containers(4, 1);
    scene.good("docker", "lab", engine);
    scene.keys("3");
    press(&mut scene, 'R');
    let request = asked(&scene).unwrap_or_else(|| panic!("no plan: {}", shown(&mut scene)));
    assert_eq!((&request.args["server"], &request.args["container"]), (&"game-1".into(), &"lab/api-0".into()));
}

#[test]
fn of_several_containers_that_are_not_well_one_is_chosen_the_worst_first() {
    let (mut scene, engine) = with_containers(4, 2);
    scene.good("docker", "lab", engine);
    scene.keys("3");
    press(&mut scene, 'R');
    assert!(asked(&scene).is_none());
    let seen = shown(&mut scene);
    let at = |word: &str| seen.find(word).unwrap_or_else(|| panic!("{word}: {seen}"));
    assert!(at("lab/api-0") < at("lab/api-1") && at("lab/api-1  exited, exit code 1") < at("lab/api-2"), "{seen}");
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Enter);
    let request = asked(&scene).unwrap_or_else(|| panic!("no plan: {}", shown(&mut scene)));
    assert_eq!(request.args["container"], "lab/api-1");
}

#[test]
fn the_view_is_a_table_to_order_mark_and_copy() {
    let old = page("old", "").replace("2026-11-20", "2026-01-01");
    let mut scene = scene(&[page("new", ""), old]);
    scene.keys("5");
    let rows = |scene: &mut Scene| -> Vec<String> {
        let lines = shown(scene);
        let rows = lines.lines().filter_map(|line| line.split("Mend ").nth(1)?.split_whitespace().next());
        rows.map(str::to_owned).collect()
    };
    assert_eq!(rows(&mut scene), ["new", "old"]);
    scene.keys("o");
    has(&mut scene, &["sort by", "what fits best, then what can be run here", "REVIEWED", "LAST RUN", "CHANGED"]);
    scene.keys("ror");
    has(&mut scene, &["REVIEWED↓"]);
    assert_eq!(rows(&mut scene), ["old", "new"]);
    scene.key(KeyCode::Home);
    scene.keys(" ");
    has(&mut scene, &["1 marked"]);
    scene.keys("c");
    let copied = |scene: &mut Scene, words: &str| {
        let menu = shown(scene);
        let lines = menu.lines().skip_while(|line| !line.contains("Esc closes")).skip(1);
        let down = lines.take_while(|line| !line.contains(words)).count();
        (0..down).for_each(|_| scene.keys("j"));
        scene.key(KeyCode::Enter);
        scene.effects.iter().rev().find_map(|effect| match effect {
            Effect::Copy(text) => Some(text.clone()),
            _ => None,
        })
    };
    let text = copied(&mut scene, "Markdown table").expect("it is copied");
    assert!(text.starts_with("| TITLE |") && text.contains("| Mend old | low |"), "{text}");
    assert!(!text.contains("Mend new"), "{text}");
    scene.keys(",j ");
    scene.key(KeyCode::Esc);
    has_not(&mut scene, "RISK");
}

#[test]
fn a_runbook_that_goes_or_changes_while_it_is_looked_at_is_not_taken_for_another() {
    let library = |pages: &[String]| {
        let files = pages.iter().map(|page| ("x.md", page.as_str()));
        Arc::new(Library::read(files).unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    let shelf = |library: &Arc<Library>, removed: &[&str], changed: &[&str]| {
        let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let (removed, changed) = (names(removed), names(changed));
        let (library, added) = (Arc::clone(library), Vec::new());
        Event::Reloaded(Reloaded::Runbooks(Shelf {
            library,
            added,
            removed,
            changed,
            prose: Vec::new(),
            marked: Vec::new(),
            wrong: Vec::new(),
        }))
    };
    let mut scene = scene(&[page("first", ""), page("second", "")]);
    scene.keys("5");
    scene.paint();
    let left = library(&[page("second", "")]);
    scene.send(shelf(&left, &["first"], &[]));
    has(&mut scene, &["runbooks read again: first removed", "5 Runbooks  1"]);
    press(&mut scene, 'R');
    assert!(asked(&scene).is_none(), "what slid under the cursor was not chosen");
    scene.keys("j");
    press(&mut scene, 'R');
    assert_eq!(asked(&scene).expect("a plan was asked for").runbook, "second");
    // What was being planned says something else now: it is planned anew.
    let before = scene.effects.len();
    let other = library(&[page("second", "").replace("look at it", "look twice")]);
    scene.send(shelf(&other, &[], &["second"]));
    has(&mut scene, &["runbooks read again: second changed; the plan is made anew"]);
    assert!(scene.effects[before..].iter().any(|effect| matches!(effect, Effect::Plan { .. })));
    // Its file has a mistake now: what is being planned is planned anew, and refused there.
    let before = scene.effects.len();
    let event = shelf(&other, &[], &[]);
    let Event::Reloaded(Reloaded::Runbooks(mut broken)) = event else { unreachable!() };
    broken.marked = vec!["second".to_owned()];
    broken.wrong = vec!["x.md:3:1: the risk is missing".to_owned(), "y.md: it is too deep".to_owned()];
    scene.send(Event::Reloaded(Reloaded::Runbooks(broken)));
    has(&mut scene, &["a runbook has a mistake: x.md:3:1: the risk is missing (and 1 more: view 5 lists them)"]);
    assert!(scene.effects[before..].iter().any(|effect| matches!(effect, Effect::Plan { .. })));
    // Its file stands there and says of itself no more that it is one.
    let event = shelf(&other, &[], &[]);
    let Event::Reloaded(Reloaded::Runbooks(mut unmarked)) = event else { unreachable!() };
    unmarked.prose = vec![("first".to_owned(), "books/first.md".to_owned())];
    scene.send(Event::Reloaded(Reloaded::Runbooks(unmarked)));
    has(&mut scene, &["first is no runbook any more: books/first.md has no `runbook: 1` line"]);
    has_not(&mut scene, "removed");
    scene.send(shelf(&other, &[], &[]));
    has(&mut scene, &["runbooks read again: nothing changed"]);
    has_not(&mut scene, "a runbook has a mistake");
}

#[test]
fn a_plan_is_made_anew_when_a_page_that_it_calls_at_any_depth_changes() {
    let call = |id: &str, to: &str| page(id, "").replace("- [ ] look at it", &format!("**Run:** [x]({to}.md)"));
    let pages = |last: &str| {
        [("a.md", call("a", "b")), ("b.md", call("b", "c")), ("c.md", page("c", "").replace("look at it", last))]
    };
    let library = |last: &str| {
        let pages = pages(last);
        let files = pages.iter().map(|(file, page)| (*file, page.as_str()));
        Arc::new(Library::read(files).unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    let changed = |last: &str, id: &str| {
        Event::Reloaded(Reloaded::Runbooks(Shelf {
            library: library(last),
            added: Vec::new(),
            removed: Vec::new(),
            changed: vec![id.to_owned()],
            prose: Vec::new(),
            marked: Vec::new(),
            wrong: Vec::new(),
        }))
    };
    let mut scene = scene(&pages("look at it").map(|(_, page)| page));
    scene.keys("5");
    scene.paint();
    press(&mut scene, 'R');
    assert_eq!(asked(&scene).expect("a plan was asked for").runbook, "a");
    let before = scene.effects.len();
    scene.send(changed("look at it", "other"));
    assert!(!scene.effects[before..].iter().any(|effect| matches!(effect, Effect::Plan { .. })));
    scene.send(changed("look twice", "c"));
    has(&mut scene, &["runbooks read again: c changed; the plan is made anew"]);
    assert!(scene.effects[before..].iter().any(|effect| matches!(effect, Effect::Plan { .. })));
}

#[test]
fn the_actions_of_a_runbook_are_that_runbook() {
    let mut scene = scene(&[page("first", ""), page("second", "")]);
    scene.keys("5j");
    scene.paint();
    press(&mut scene, 'a');
    has(&mut scene, &["actions for Mend second"]);
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_secs(1));
    assert_eq!(asked(&scene).expect("a plan was asked for").runbook, "second");
}

#[test]
fn of_several_one_is_chosen_and_none_says_how_to_add_one() {
    let mut several = scene(&[page("first", "alerts: [Slow]\n"), page("second", "alerts: ['*']\n")]);
    several.keys("3");
    press(&mut several, 'R');
    has(&mut several, &["runbooks for Slow", "Mend first", "Mend second"]);
    several.keys("j");
    several.key(KeyCode::Enter);
    assert_eq!(asked(&several).expect("a plan was asked for").runbook, "second");
    let mut none = scene(&[page("first", "")]);
    none.keys("3");
    press(&mut none, 'R');
    has(&mut none, &["`alerts: [Slow]`"]);
    assert!(asked(&none).is_none());
}

#[test]
fn the_page_of_an_alert_leads_to_its_runbook() {
    let mut scene = scene(&[page("slow", "alerts: [Slow]\n")]);
    scene.keys("3");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["R plans the runbook", "Mend slow"]);
    // Past the server that it is on.
    scene.key(KeyCode::Tab);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["Why it is so.", "can be run here"]);
}

#[test]
fn runbooks_are_searched_with_gaps_and_say_why_they_do_not_run_here() {
    let elsewhere = page("restart-api", "environments: [elsewhere]\n");
    let mut scene = scene(&[elsewhere, page("drain", "alerts: [Full]\n")]);
    scene.keys("5");
    has(&mut scene, &["5 Runbooks  2", "no: it is for elsewhere", "Mend drain"]);
    scene.keys("/rstrt");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["Mend restart-api", "1 pass /rstrt"]);
    has_not(&mut scene, "Mend drain");
    press(&mut scene, 'R');
    has(&mut scene, &["no plan, and nothing was changed: it is for elsewhere"]);
    assert!(asked(&scene).is_none());
}
