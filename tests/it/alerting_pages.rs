//! The alerts pane and its pages with made-up data: what is asked for a chart, where links lead, what stands above the rows.

use super::scene::{Scene, start};
use super::seen::{has, shown};
use crossterm::event::KeyCode;
use jiff::SignedDuration;
use quarterdeck::domain::{
    Alert, AlertReport, AlertState, Gap, Inhibitor, Inquiry, Labels, Matcher, Rule, Server, Severity, Silence,
    Silencer, Snapshot, SourceError, SourceId, Subject, Target, Topic, Trouble, alert,
};
use quarterdeck::effect::Effect;
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 45);
const SOURCES: [(&str, &str, Subject); 4] = [
    ("local", "host", Subject::Servers),
    ("prometheus", "main", Subject::Alerts),
    ("prometheus", "main/rules", Subject::Alerts),
    ("alertmanager", "main", Subject::Alerts),
];

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn alert(name: &str, state: AlertState, pairs: &[(&str, &str)]) -> Alert {
    let mut labels = labels(pairs);
    labels.insert("alertname".to_owned(), name.to_owned());
    Alert {
        fingerprint: alert::fingerprint(&labels),
        name: name.to_owned(),
        state,
        severity: Severity::Warning,
        labels,
        ..Alert::default()
    }
}

fn report(alerts: Vec<Alert>) -> AlertReport {
    AlertReport { alerts: alerts.into_iter().map(Arc::new).collect(), ..AlertReport::default() }
}

fn silence(id: &str, why: &str, minutes: i64, silences: &[&Alert]) -> Silence {
    Silence {
        id: id.to_owned(),
        created_by: "ada".to_owned(),
        comment: why.to_owned(),
        starts_at: start().wall,
        ends_at: start().wall + SignedDuration::from_mins(minutes),
        matchers: vec![Matcher { name: "job".into(), value: "a|b".into(), is_regex: true, is_equal: true }],
        silences: silences.iter().map(|alert| Arc::clone(&alert.fingerprint)).collect(),
        ..Silence::default()
    }
}

/// An alert that fires.
pub fn down() -> Alert {
    alert("Down", AlertState::Firing, &[("instance", "10.0.1.4:9100"), ("cluster", "eu"), ("severity", "critical")])
}

/// A small production: `Down` fires, `Slow` is inhibited by it, `Full` is silenced.
fn production() -> Scene {
    let mut scene = Scene::new(&SOURCES, SIZE);
    let server = Server { name: "game-1".into(), addresses: vec!["10.0.1.4".into()], cores: 4, ..Server::default() };
    scene.good("local", "host", Snapshot::Servers(vec![server]));
    let external_labels = labels(&[("cluster", "eu")]);
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport { external_labels, ..report(vec![down()]) }));
    scene.good("prometheus", "main/rules", Snapshot::Alerts(of_rules()));
    scene.good("alertmanager", "main", Snapshot::Alerts(of_alertmanager()));
    scene
}

/// What its Prometheus tells of rules and targets.
pub fn of_rules() -> AlertReport {
    let rule = Rule {
        group: "g".into(),
        name: "Down".into(),
        alerting: true,
        query: "up{job=\"game\"} < 1".into(),
        hold: Duration::from_mins(5),
        labels: labels(&[("severity", "critical")]),
        health: "ok".into(),
        firing: 1,
        ..Rule::default()
    };
    let target = Target {
        pool: "game".into(),
        url: "http://10.0.1.4:9100/metrics".into(),
        health: "down".into(),
        ..Target::default()
    };
    AlertReport { rules: vec![rule], targets: vec![target], ..AlertReport::default() }
}

/// What its Alertmanager tells: silences, and what they and `Down` keep quiet.
pub fn of_alertmanager() -> AlertReport {
    let by = Inhibitor { fingerprint: down().fingerprint, name: "Down".into() };
    let slow = Alert { inhibited_by: vec![by], ..alert("Slow", AlertState::Suppressed, &[]) };
    let mut full = alert("Full", AlertState::Suppressed, &[]);
    let kept = silence("1", "disk ordered", 120, &[&full]);
    let silencer =
        Silencer { id: "1".into(), created_by: "ada".into(), comment: kept.comment.clone(), ends_at: kept.ends_at };
    full.silenced_by = vec![Arc::new(silencer)];
    let soon = silence("2", "until the restart", 10, &[&full]);
    AlertReport { silences: vec![kept, silence("3", "a typing mistake", 60, &[]), soon], ..report(vec![slow, full]) }
}

/// Goes to the row that a filter finds, and opens its page.
fn open(scene: &mut Scene, word: &str) {
    scene.keys("/");
    scene.keys(word);
    scene.key(KeyCode::Enter);
    scene.paint();
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Enter);
}

#[test]
fn an_alerts_page_asks_for_the_past_of_what_its_rule_looks_at() {
    let mut scene = production();
    scene.paint();
    scene.keys("3");
    open(&mut scene, "Down");
    has(&mut scene, &["expression, for 5m", "up{job=\"game\"} < 1"]);
    let asked = scene.effects.iter().find_map(|effect| match effect {
        Effect::Inquire(Inquiry::Range { source, query, .. }) => Some((source.clone(), query.clone())),
        _ => None,
    });
    let (source, query) = asked.expect("its chart is asked for");
    assert_eq!(source, SourceId::new("prometheus", "main"));
    // Neither the name, nor what the rule adds, nor what Prometheus adds is among the labels of the series.
    let narrowed =
        "(up{job=\"game\"}\n) and on (instance) label_replace(vector(1), \"instance\", \"10.0.1.4:9100\", \"\", \"\")";
    assert_eq!(&*query, narrowed);
}

#[test]
fn what_holds_an_alert_back_is_said_and_one_enter_away() {
    let mut scene = production();
    scene.paint();
    scene.keys("3z");
    has(&mut scene, &["1 silenced  1 inhibited", "inhibited", "ada: disk ordered"]);
    open(&mut scene, "Slow");
    has(&mut scene, &["Down", "held back by"]);
    scene.key(KeyCode::Enter);
    assert_eq!(
        scene.state.pane().selected().unwrap().id,
        quarterdeck::domain::ThingId::Alert { fingerprint: down().fingerprint }
    );
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Esc);
    open(&mut scene, "Full");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["silence of ada", "job=~\"a|b\"", "it hides", "Full"]);
}

#[test]
fn silences_worth_a_look_stand_first() {
    let mut scene = production();
    scene.paint();
    scene.keys("3s");
    has(&mut scene, &["3 active  1 ending soon  1 hiding nothing"]);
    let shown = shown(&mut scene);
    let place = |word: &str| shown.find(word).unwrap_or_else(|| panic!("{word} is not in\n{shown}"));
    assert!(place("until the restart") < place("a typing mistake"));
    assert!(place("a typing mistake") < place("disk ordered"));
    scene.pass(Duration::from_secs(3600));
    has(&mut scene, &["1 active  2 expired"]);
}

#[test]
fn a_target_leads_to_its_server() {
    let mut scene = production();
    scene.paint();
    scene.keys("3t");
    has(&mut scene, &["1 down", "http://10.0.1.4:9100/metrics"]);
    scene.key(KeyCode::Enter);
    scene.key(KeyCode::Enter);
    assert_eq!(scene.state.pane().selected().unwrap().name, "game-1");
}

#[test]
fn a_rule_leads_to_its_alerts() {
    let mut scene = production();
    scene.paint();
    scene.keys("3u");
    has(&mut scene, &["1 firing"]);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["its alerts", "Down on 10.0.1.4:9100"]);
}

#[test]
fn what_is_wrong_with_alerting_stands_above_the_rows_and_in_the_title_however_small_the_pane() {
    let mut scene = production();
    let trouble = |severity, what: &str| Trouble { severity, what: what.into(), hint: "mend it".into() };
    let troubles =
        vec![trouble(Severity::Warning, "a member is down"), trouble(Severity::Critical, "the watchdog is missing")];
    scene.good("alertmanager", "main", Snapshot::Alerts(AlertReport { troubles, ..of_alertmanager() }));
    for size in [(80, 24), (160, 45)] {
        scene.resize(size);
        has(&mut scene, &["3 Alerts  2 broken", "▲ alertmanager/main: the watchdog is missing"]);
    }
    scene.keys("3z");
    let shown = shown(&mut scene);
    assert!(shown.find("the watchdog is missing") < shown.find("a member is down"), "{shown}");
    assert!(shown.find("a member is down") < shown.find("10.0.1.4:9100"), "{shown}");
}

#[test]
fn a_page_whose_answer_is_missing_never_says_that_there_is_nothing() {
    let mut scene = production();
    let why = SourceError::new("http://mimir has no targets in its API", "name the Prometheus that evaluates");
    let gaps = vec![Gap { topic: Topic::Targets, why }];
    scene.good("prometheus", "main/rules", Snapshot::Alerts(AlertReport { gaps, ..AlertReport::default() }));
    scene.paint();
    scene.keys("3t");
    has(&mut scene, &["http://mimir has no targets in its API", "none tells them"]);
    assert!(!shown(&mut scene).contains("nothing is scraped"));
    scene.keys("u");
    has(&mut scene, &["asked, and there is no rule"]);
}

#[test]
fn alerts_of_one_name_stand_side_by_side_by_one_key() {
    let mut scene = production();
    let more = |number: u8| alert("Many", AlertState::Firing, &[("instance", &format!("h{number}"))]);
    let mut alerts = vec![more(1), alert("Between", AlertState::Firing, &[]), more(2)];
    alerts[2].severity = Severity::Critical;
    scene.good("prometheus", "main", Snapshot::Alerts(report(alerts)));
    scene.paint();
    scene.keys("3z#");
    let shown = shown(&mut scene);
    let place = |word: &str| shown.find(word).unwrap_or_else(|| panic!("{word} is not in\n{shown}"));
    assert!(place("by name") < place("h2") && place("h2") < place("h1") && place("h1") < place("Between"), "{shown}");
}

#[test]
fn an_answer_about_rules_is_none_about_alerts() {
    let mut scene = Scene::new(&SOURCES, SIZE);
    scene.good("prometheus", "main/rules", Snapshot::Alerts(AlertReport::default()));
    for kind in ["prometheus", "alertmanager"] {
        scene.bad(kind, "main", "nothing listens there", "start it");
    }
    for page in ["3z", "b"] {
        scene.keys(page);
        has(&mut scene, &["  not known", "nothing listens there"]);
        assert!(!shown(&mut scene).contains("no alert is firing"));
    }
}

#[test]
fn a_summary_is_worth_more_than_who_holds_back() {
    let mut scene = production();
    has(&mut scene, &["SUMMARY"]);
    scene.keys("3z");
    has(&mut scene, &["SUMMARY", " BY "]);
}

#[test]
fn while_an_alertmanager_fails_its_silences_are_said_not_to_be_known() {
    let mut scene = production();
    assert!(!shown(&mut scene).contains("not known just now"));
    scene.bad("alertmanager", "main", "nothing listens there", "start it");
    scene.keys("3z");
    has(&mut scene, &["! silences of alertmanager/main are not known just now"]);
    open(&mut scene, "Down");
    has(&mut scene, &["those of alertmanager/main are not known just now"]);
}

#[test]
fn groups_say_that_they_are_by_name_when_no_alertmanager_tells_them() {
    let mut scene = Scene::new(&SOURCES, SIZE);
    scene.good("prometheus", "main", Snapshot::Alerts(report(vec![down()])));
    scene.bad("alertmanager", "main", "nothing listens there", "start it");
    scene.keys("3zb");
    has(&mut scene, &["grouped by name: no Alertmanager tells just now how it notifies of them", "Down"]);
}

#[test]
fn what_names_an_alerts_group_waits_for_the_first_answer_of_an_alertmanager() {
    let mut scene = Scene::new(&SOURCES, SIZE);
    scene.good("prometheus", "main", Snapshot::Alerts(report(vec![down()])));
    scene.keys("3");
    // A key counts when it has stood alone for a while.
    let acknowledge = |scene: &mut Scene| {
        scene.pass(Duration::from_secs(1));
        scene.paint();
        scene.keys("A");
        scene.paint();
        scene.pass(Duration::from_millis(600));
    };
    acknowledge(&mut scene);
    has(&mut scene, &["Alertmanager has not told its groups yet"]);
    scene.bad("alertmanager", "main", "nothing listens there", "start it");
    acknowledge(&mut scene);
    // Nobody else tells it: who knows it types it.
    has(&mut scene, &["parameters: Acknowledge an alert at PagerDuty"]);
}

#[test]
fn the_title_of_containers_counts_what_does_not_stay_up() {
    let mut scene = Scene::full(SIZE);
    has(&mut scene, &["11 up of 20  3 unhealthy  2 restarting  1 oom-killed"]);
}

#[test]
fn a_server_that_nobody_told_of_names_no_source_and_no_mend_that_it_has() {
    let named = |name: &str, feeds| quarterdeck::store::Named {
        server: Server { name: name.into(), ..Server::default() },
        feeds,
    };
    let ssh = SourceId::new("ssh", "game-2");
    let sources = [("prometheus", "main", Subject::Servers), ("ssh", "game-2", Subject::Servers)];
    let mut setup = super::scene::setup(&sources);
    setup.servers = vec![named("game-1", Vec::new()), named("game-2", vec![ssh])];
    let mut scene = Scene::of(setup, SIZE);
    scene.paint();
    scene.keys("1");
    open(&mut scene, "game-1");
    has(&mut scene, &["nobody: only the config names it", "give it ssh"]);
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["nobody yet: ssh/game-2 has not answered", "none is known: ssh/game-2 has not answered"]);
    assert!(!shown(&mut scene).contains("give it ssh"));
}
