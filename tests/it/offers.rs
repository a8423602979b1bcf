//! Runbooks: their view, and the way to one from an alert.

use crate::scene::{Scene, rows, setup};
use crate::seen::{has, has_not};
use crossterm::event::KeyCode;
use quarterdeck::domain::{Snapshot, Subject};
use quarterdeck::effect::Effect;
use quarterdeck::runbook::{Library, PlanRequest};
use std::sync::Arc;
use std::time::Duration;

const SOURCES: [(&str, &str, Subject); 2] =
    [("local", "host", Subject::Servers), ("prometheus", "main", Subject::Alerts)];

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
    let mut setup = setup(&SOURCES);
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
fn what_a_label_names_must_be_known_here() {
    let named = asking("{name: database, type: database, required: true}", "$database", "true");
    let mut scene = scene(&[named]);
    scene.keys("3");
    press(&mut scene, 'R');
    has(&mut scene, &["parameters: Mend slow", "no database here is called \"nowhere\""]);
    assert!(asked(&scene).is_none());
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
