//! Keys that say what is to be done and not by which runbook (`D`, `B`, `S`, `A`), and the way from every shipped alert rule to its runbook.

use crate::asking::ask_by_hand;
use crate::scene::{SOURCES, Scene, begin, rows, setup};
use crate::seen::{find, has, shown};
use crossterm::event::KeyCode;
use quarterdeck::domain::{Alert, AlertReport, Group, Labels, Server, Severity, Snapshot, Subject, alert};
use quarterdeck::effect::Effect;
use quarterdeck::runbook::{Library, PlanRequest};
use quarterdeck::store::Named;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 45);
/// The host of the scene's engine.
const GAME: &str = "game-1";

fn page(id: &str, verb: &str, pane: &str, param: &str) -> String {
    format!(
        "---\nrunbook: 1\nid: {id}\ntitle: Do {id}\nowner: ops\nreviewed: 2026-11-20\nrisk: low\nverb: {verb}\n{pane}params:\n  - {param}\n---\n\n\
         ## Look\n\n### Once\n\n```bash check on=$server timeout=5s\nset -eu\ntrue\n```\n"
    )
}

const SERVER: &str = "{name: server, type: server, required: true}";

fn named(name: &str, address: &str) -> Named {
    let server = Server { name: name.to_owned(), addresses: vec![address.to_owned()], ..Server::default() };
    Named { server, feeds: Vec::new() }
}

/// All four sources, one server of the config, and these runbooks; none: the shipped ones.
fn scene(pages: &[String]) -> Scene {
    let mut setup = setup(&SOURCES);
    setup.servers = vec![named(GAME, "10.0.1.4")];
    if !pages.is_empty() {
        let files = pages.iter().map(|page| ("x.md", page.as_str()));
        setup.library = Arc::new(Library::read(files).unwrap_or_else(|problems| panic!("{problems:?}")));
    }
    let mut scene = Scene::of(setup, SIZE);
    for (kind, name, subject) in SOURCES {
        scene.good(kind, name, rows(subject, 3, &[]));
    }
    scene.paint();
    scene
}

/// One alert of the label's names and values, which Alertmanager has in a group of those two labels.
fn alerting(scene: &mut Scene, labels: &[(&str, &str)], annotations: &[(&str, &str)]) {
    let own = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let labels = own(labels);
    let grouped = labels.iter().filter(|(name, _)| ["alertname", "instance"].contains(&name.as_str()));
    let grouped = grouped.map(|(name, value)| (name.clone(), value.clone())).collect();
    let alert = Alert {
        fingerprint: alert::fingerprint(&labels),
        name: labels["alertname"].clone(),
        severity: Severity::from_label(labels.get("severity").map(String::as_str)),
        group: Some(Arc::new(Group { receiver: "pagerduty-critical".to_owned(), labels: grouped })),
        annotations: own(annotations),
        labels,
        ..Alert::default()
    };
    let report = AlertReport { alerts: vec![Arc::new(alert)], ..AlertReport::default() };
    scene.good("alertmanager", "main", Snapshot::Alerts(report));
    scene.keys("3");
    scene.paint();
}

/// A key that may lead to a change counts once it is clear that it stood alone.
fn press(scene: &mut Scene, key: char) {
    scene.pass(Duration::from_secs(2));
    scene.key(KeyCode::Char(key));
    scene.pass(Duration::from_secs(2));
}

fn asked(scene: &Scene) -> Option<PlanRequest> {
    scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { request, .. } => Some(request.clone()),
        _ => None,
    })
}

#[test]
fn a_verb_finds_the_runbook_of_the_pane_that_has_it_with_the_selected_thing() {
    let drain = page("empty-it", "drain", "pane: servers\n", SERVER);
    let back = page("go-back", "rollback", "", SERVER);
    let mut scene = scene(&[drain, back, page("other", "stop", "pane: servers\n", SERVER)]);
    scene.keys("1");
    find(&mut scene, GAME);
    has(&mut scene, &["D drain", "B rollback"]);
    press(&mut scene, 'D');
    let request = asked(&scene).expect("a plan was asked for");
    assert_eq!((request.runbook.as_str(), request.args["server"].as_str()), ("empty-it", Some(GAME)));
    // One without a pane does when it takes what the thing gives: of a container that is its host.
    scene.effects.clear();
    scene.key(KeyCode::Esc);
    scene.keys("2");
    press(&mut scene, 'B');
    let request = asked(&scene).unwrap_or_else(|| panic!("a plan was asked for: {}", shown(&mut scene)));
    assert_eq!((request.runbook.as_str(), request.args["server"].as_str()), ("go-back", Some(GAME)));
    assert!(!request.args.contains_key("container"), "it takes none: {:?}", request.args);
}

#[test]
fn of_several_with_a_verb_one_is_chosen_and_where_there_is_none_the_line_is_told_that_makes_one() {
    let both = ["one", "two"].map(|id| page(id, "drain", "pane: servers\n", SERVER));
    let mut scene = scene(&both);
    scene.keys("1");
    find(&mut scene, GAME);
    press(&mut scene, 'D');
    has(&mut scene, &[&format!("drain {GAME}"), "Do one", "Do two"]);
    assert!(asked(&scene).is_none());
    scene.keys("j");
    scene.key(KeyCode::Enter);
    let request = asked(&scene).expect("the chosen one is planned");
    assert_eq!((request.runbook.as_str(), request.args["server"].as_str()), ("two", Some(GAME)));
    scene.key(KeyCode::Esc);
    press(&mut scene, 'B');
    has(&mut scene, &[&format!("no runbook says `verb: rollback` for {GAME}")]);
}

#[test]
fn a_silence_is_planned_with_all_labels_of_the_alert_or_with_those_that_were_ticked() {
    let mut scene = scene(&[]);
    let labels = [("alertname", "ServiceDown"), ("instance", "10.0.1.4:8080"), ("severity", "critical")];
    alerting(&mut scene, &labels, &[]);
    has(&mut scene, &["S silence"]);
    press(&mut scene, 'S');
    let all = r#"{alertname="ServiceDown", instance="10.0.1.4:8080", severity="critical"}"#;
    has(&mut scene, &["parameters: Silence an alert for a while", "{alertname=\"ServiceDown\", in…", "1h"]);
    assert!(asked(&scene).is_none(), "nobody has said why");
    explain(&mut scene);
    let request = asked(&scene).unwrap_or_else(|| panic!("a plan was asked for: {}", shown(&mut scene)));
    assert_eq!((request.runbook.as_str(), request.args["matchers"].as_str()), ("alert-silence", Some(all)));
    scene.key(KeyCode::Esc);
    scene.effects.clear();
    press(&mut scene, 'm');
    has(&mut scene, &["[x] alertname=\"ServiceDown\"", "S"]);
    // Without the instance and the severity.
    scene.keys("j j ");
    press(&mut scene, 'S');
    explain(&mut scene);
    let request = asked(&scene).unwrap_or_else(|| panic!("a plan was asked for: {}", shown(&mut scene)));
    assert_eq!(request.args["matchers"], r#"{alertname="ServiceDown"}"#);
}

/// Types why, where the form begins since it is all that is missing, and asks for the plan.
fn explain(scene: &mut Scene) {
    has(scene, &["parameters: Silence an alert for a while"]);
    scene.keys("it is being replaced");
    scene.key(KeyCode::Enter);
}

#[test]
fn an_alert_is_acknowledged_by_the_key_that_answers_when_nothing_asks() {
    let mut scene = scene(&[]);
    begin(&mut scene, 1, "local/api-1");
    let labels = [("alertname", "ServiceDown"), ("instance", "10.0.1.4:8080"), ("severity", "critical")];
    alerting(&mut scene, &labels, &[]);
    has(&mut scene, &["A acknowledge"]);
    press(&mut scene, 'A');
    let request = asked(&scene).unwrap_or_else(|| panic!("a plan was asked for: {}", shown(&mut scene)));
    assert_eq!(request.runbook, "alert-acknowledge");
    assert_eq!(request.args["group"], r#"{alertname="ServiceDown", instance="10.0.1.4:8080"}"#);
    // In another pane it answers, as ever.
    scene.effects.clear();
    scene.key(KeyCode::Esc);
    scene.keys("1");
    press(&mut scene, 'A');
    has(&mut scene, &["no run asks anything now"]);
    assert!(asked(&scene).is_none());
}

#[test]
fn a_question_that_waits_comes_before_the_alert_under_the_cursor() {
    let mut scene = scene(&[]);
    begin(&mut scene, 1, "local/api-1");
    alerting(&mut scene, &[("alertname", "ServiceDown"), ("severity", "critical")], &[]);
    ask_by_hand(&mut scene, 1, "is it there?");
    scene.pass(Duration::from_secs(2));
    scene.key(KeyCode::Esc);
    press(&mut scene, 'A');
    has(&mut scene, &["is it there?"]);
    assert!(asked(&scene).is_none(), "{}", shown(&mut scene));
}

fn monitoring(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/monitoring");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// Each alerting rule, with its text.
fn rules() -> Vec<(String, String)> {
    let text = monitoring("alerts.yml");
    let rules = text.split("- alert: ").skip(1);
    rules.map(|rule| (rule.lines().next().unwrap().to_owned(), rule.to_owned())).collect()
}

/// The labels with which each rule fires in its own test, as promtool holds them.
fn fired() -> BTreeMap<String, Vec<(String, String)>> {
    let (text, mut found, mut name) = (monitoring("alerts.test.yml"), BTreeMap::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(of) = line.strip_prefix("alertname: ") {
            of.clone_into(&mut name);
        } else if let Some(labels) = line.strip_prefix("- exp_labels: {").and_then(|rest| rest.strip_suffix('}')) {
            let pairs = labels.split(", ").filter_map(|pair| pair.split_once(": "));
            let pairs = pairs.map(|(label, value)| (label.to_owned(), value.trim_matches('\'').to_owned()));
            found.insert(name.clone(), [("alertname".to_owned(), name.clone())].into_iter().chain(pairs).collect());
        }
    }
    found
}

fn value_of<'a>(rule: &'a str, key: &str) -> Option<&'a str> {
    rule.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
}

/// Every rule: its runbook opens with what its labels say, or its text says why there is none.
#[test]
fn every_shipped_alert_rule_opens_its_runbook_with_its_labels_or_says_why_it_has_none() {
    let (rules, fired) = (rules(), fired());
    assert_eq!(rules.len(), 13);
    let sources = [SOURCES.as_slice(), &[("postgres", "replica", Subject::Databases)]].concat();
    for (name, rule) in &rules {
        let labels = fired.get(name).unwrap_or_else(|| panic!("alerts.test.yml fires {name}"));
        let mut setup = setup(&sources);
        let instance = labels.iter().find(|(label, _)| label == "instance").map_or("", |(_, value)| value);
        let host = instance.split(':').next().unwrap();
        setup.servers = if host.is_empty() { Vec::new() } else { vec![named("of-the-team", host)] };
        let mut scene = Scene::of(setup, SIZE);
        scene.good("postgres", "primary", rows(Subject::Databases, 1, &[]));
        scene.good("postgres", "replica", rows(Subject::Databases, 1, &[]));
        let labels: Vec<(&str, &str)> = labels.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let why = value_of(rule, "no_runbook").map(|why| why.trim_matches('"'));
        let annotations: Vec<(&str, &str)> = why.iter().map(|why| ("no_runbook", *why)).collect();
        alerting(&mut scene, &labels, &annotations);
        press(&mut scene, 'R');
        let seen = shown(&mut scene);
        let Some(runbook) = value_of(rule, "runbook") else {
            let why = why.unwrap_or_else(|| panic!("{name} has neither a runbook nor a reason"));
            let first: String = why.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            assert!(seen.contains(&format!("no runbook is for {name}")) && seen.contains(&first), "{name}: {seen}");
            continue;
        };
        let page = scene.state.library.get(runbook).unwrap_or_else(|| panic!("{name}: there is no {runbook}")).clone();
        let given: Vec<&str> = page.params.iter().map(|param| param.name.as_str()).collect();
        // What its labels don't name is asked for, with the rest filled in; of several that are for it one is chosen.
        let is_among = |seen: &str| seen.contains(&format!("runbooks for {name}")) && seen.contains(&page.title);
        match asked(&scene) {
            Some(request) => assert_eq!(request.runbook, runbook, "{name}"),
            None => assert!(seen.contains(&format!("parameters: {}", page.title)) || is_among(&seen), "{name}: {seen}"),
        }
        let args = asked(&scene).map(|request| request.args).unwrap_or_default();
        let filled =
            |param: &str, value: &str| args.get(param).is_some_and(|arg| *arg == value) || seen.contains(value);
        if given.contains(&"server") && !host.is_empty() {
            assert!(filled("server", "of-the-team"), "{name}: the server is that of {instance}: {args:?} {seen}");
        }
        for (label, value) in labels.iter().filter(|(label, _)| given.contains(label) && *label != "instance") {
            assert!(filled(label, value), "{name}: {label} is {value}: {args:?} {seen}");
        }
        assert!(
            given.iter().any(|param| ["server", "instance", "database", "container"].contains(param)),
            "{name}: {given:?}"
        );
    }
}
