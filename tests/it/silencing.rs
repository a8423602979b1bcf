//! Matchers as filters, what a silence would hide, the members of a cluster, and when an alert fired before: with made-up data as
//! events, and with a real pair of Prometheus and Alertmanager.

use super::scene::{Scene, start};
use super::seen::{has, shown};
use crate::alerting::{Opened, alertmanager, named, of_pair};
use crate::lab::{self, http, need};
use crossterm::event::KeyCode;
use jiff::SignedDuration;
use quarterdeck::domain::spells::{Spells, expression};
use quarterdeck::domain::{
    Alert, AlertReport, AlertState, Answered, Found, Inquiry, Labels, Matcher, Matchers, Member, Rule, Series,
    Severity, Silence, SilenceState, Snapshot, Subject, alert,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 45);
const SOURCES: [(&str, &str, Subject); 3] = [
    ("prometheus", "main", Subject::Alerts),
    ("prometheus", "main/rules", Subject::Alerts),
    ("alertmanager", "main", Subject::Alerts),
];

fn firing(name: &str, pairs: &[(&str, &str)]) -> Alert {
    let own = [("alertname", name)];
    let labels: Labels =
        own.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Alert {
        fingerprint: alert::fingerprint(&labels),
        name: name.to_owned(),
        severity: Severity::from_label(labels.get("severity").map(String::as_str)),
        labels,
        ..Alert::default()
    }
}

fn alerts() -> Vec<Arc<Alert>> {
    let down = |zone: &str, severity: &str| firing("Down", &[("zone", zone), ("severity", severity)]);
    let slow = firing("Slow", &[("zone", "a"), ("severity", "warning")]);
    let comes = Alert { state: AlertState::Pending, ..firing("Full", &[("zone", "c"), ("severity", "warning")]) };
    [down("a", "critical"), down("b", "warning"), slow, comes].map(Arc::new).into()
}

fn silence(id: &str, state: SilenceState, (from, to): (i64, i64), matchers: Vec<Matcher>) -> Silence {
    let at = |minutes| start().wall + SignedDuration::from_mins(minutes);
    let (starts_at, ends_at, created_by) = (at(from), at(to), format!("by-{id}"));
    Silence { id: id.to_owned(), created_by, state, starts_at, ends_at, matchers, ..Silence::default() }
}

fn scene() -> Scene {
    let mut scene = Scene::new(&SOURCES, SIZE);
    let rule = Rule { group: "g".into(), name: "Down".into(), alerting: true, health: "ok".into(), ..Rule::default() };
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport { alerts: alerts(), ..AlertReport::default() }));
    scene.good(
        "prometheus",
        "main/rules",
        Snapshot::Alerts(AlertReport { rules: vec![rule], ..AlertReport::default() }),
    );
    let silences = vec![
        silence("later", SilenceState::Pending, (10, 20), vec![Matcher::one_of("zone", ["a", "c"].into_iter())]),
        silence("over", SilenceState::Expired, (-20, -10), vec![Matcher::equal("alertname", "Down")]),
    ];
    let member = Member { address: "http://am:9093".into(), up: true, ..Member::default() };
    let told =
        AlertReport { alerts: alerts()[..3].to_vec(), silences, members: vec![member], ..AlertReport::default() };
    scene.good("alertmanager", "main", Snapshot::Alerts(told));
    scene.paint();
    scene.keys("3z");
    scene
}

/// What stands in the first column, behind the frame and the sign of the severity.
fn name_of(line: &str) -> String {
    line.chars().skip(3).collect()
}

/// How many rows have a zone's alert under the filter.
fn filtered(scene: &mut Scene, text: &str) -> [usize; 3] {
    scene.keys("/");
    scene.keys(text);
    scene.key(KeyCode::Enter);
    let shown = shown(scene);
    let count = |name: &str| shown.lines().filter(|line| name_of(line).starts_with(&format!("{name} "))).count();
    let counts = ["Down", "Slow", "Full"].map(count);
    scene.key(KeyCode::Esc);
    counts
}

#[test]
fn a_filter_takes_matchers_among_words() {
    let mut scene = scene();
    assert_eq!(filtered(&mut scene, "zone=a"), [1, 1, 0]);
    assert_eq!(filtered(&mut scene, "{severity=\"warning\", zone=~\"a|b\"}"), [1, 1, 0]);
    assert_eq!(filtered(&mut scene, "severity!=critical down"), [1, 0, 0]);
    assert_eq!(filtered(&mut scene, "nothing=\"\" !slow"), [2, 0, 1]);
    assert_eq!(filtered(&mut scene, "zone=~."), [2, 1, 1]);
    scene.keys("/zone=~(a");
    has(&mut scene, &["\"(a\" is no regular expression", "a part of the filter counts for nothing"]);
    scene.key(KeyCode::Enter);
    assert!(shown(&mut scene).lines().filter(|line| name_of(line).starts_with("Down ")).count() == 2);
}

#[test]
fn groups_rules_and_silences_are_filtered_by_labels_too() {
    let mut scene = scene();
    for (page, text, there, not) in [
        ("b", "zone=c", "Full", "Slow"),
        ("u", "alertname=Down", "Down", "none of"),
        ("s", "alertname=Down", "by-over", "by-later"),
    ] {
        scene.keys(page);
        scene.keys("/");
        scene.keys(text);
        scene.key(KeyCode::Enter);
        let shown = shown(&mut scene);
        assert!(shown.contains(there) && !shown.contains(not), "{page}: {shown}");
        scene.key(KeyCode::Esc);
        scene.key(KeyCode::Esc);
    }
}

#[test]
fn the_preview_shows_label_by_label_what_a_silence_would_hide() {
    let mut scene = scene();
    scene.keys("m");
    has(
        &mut scene,
        &["would hide 1 alert: 1 firing", "1 of them critical", "[x] alertname=\"Down\"", "[x] zone=\"a\""],
    );
    // Without the zone and the severity the other one is hidden too.
    scene.keys("j j ");
    has(&mut scene, &["would hide 2 alerts: 2 firing", "[ ] zone=\"a\""]);
    scene.keys("cC");
    let copied: Vec<String> = scene
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Copy(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let line =
        "amtool silence add 'alertname=\"Down\"' --duration=1h --comment='why' --alertmanager.url='http://am:9093'";
    assert_eq!(copied, ["{alertname=\"Down\"}", line]);
    scene.keys("kk ");
    has(&mut scene, &["Alertmanager refuses it", "would hide 4 alerts: 3 firing, 1 pending"]);
    scene.keys("m");
    assert!(scene.state.overlay.is_none() && scene.effects.iter().all(|effect| !matches!(effect, Effect::Plan { .. })));
}

#[test]
fn the_preview_of_a_group_begins_with_what_its_alerts_share() {
    let mut scene = scene();
    scene.keys("bm");
    has(&mut scene, &["[x] alertname=\"Down\"", "[ ] zone=~\"a|b\"", "would hide 2 alerts"]);
    scene.key(KeyCode::Esc);
    scene.keys("sm");
    has(&mut scene, &["choose an alert, a group or a rule that fires"]);
}

#[test]
fn a_silence_that_is_not_in_force_tells_what_it_would_hide() {
    let mut scene = scene();
    scene.keys("s");
    scene.key(KeyCode::Enter);
    // The pending alert will be known to Alertmanager once it fires.
    has(&mut scene, &["it will hide, as alerts stand now", "Slow", "Full", "3 alerts, 1 of them critical"]);
    scene.key(KeyCode::Esc);
    scene.keys("j");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["it would hide again, if it were in force", "2 alerts, 1 of them critical"]);
}

#[test]
fn members_are_listed_with_what_they_lack() {
    let mut scene = scene();
    let up = Member { up: true, cluster: "ready".into(), alerts: Some(3), silences: Some(2), ..Member::default() };
    let members = vec![
        Member { address: "http://a".into(), version: "0.27.0".into(), position: Some(0), ..up.clone() },
        Member { address: "http://b".into(), lacks_silences: 2, lacks_alerts: 1, position: Some(1), ..up },
        Member { address: "http://c".into(), why: "nothing listens there".into(), ..Member::default() },
        Member { address: "10.0.0.9:9094".into(), unasked: true, name: "01X".into(), ..Member::default() },
    ];
    scene.good("alertmanager", "main", Snapshot::Alerts(AlertReport { members, ..AlertReport::default() }));
    scene.keys("h");
    has(
        &mut scene,
        &["Alertmanagers  1 down  1 lacking  1 not asked  4 in all", "2 silences, 1 alert", "0.27.0", "not asked"],
    );
    scene.keys("g");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["http://b", "1: it notifies only when those before it did not in time"]);
}

/// The question about the past that an alert's page asks.
fn asked(scene: &Scene) -> Option<Inquiry> {
    scene.effects.iter().find_map(|effect| match effect {
        Effect::Inquire(inquiry @ Inquiry::Range { query, .. }) if query.contains("ALERTS") => Some(inquiry.clone()),
        _ => None,
    })
}

#[test]
fn an_alerts_page_tells_when_it_fired_before() {
    let mut scene = scene();
    scene.key(KeyCode::Enter);
    let inquiry = asked(&scene).expect("it is asked");
    let mut points = vec![0.0; 1441];
    points[100..117].fill(1.0);
    points[98..100].fill(0.5);
    let outcome = Ok(Found::Series(Series { points: points.clone(), of: 1 }));
    scene.send(Event::Answered(Answered { inquiry: inquiry.clone(), outcome }));
    has(&mut scene, &["fired before (24 h)", "fired once, 17 min", "firing 17 min (± 1 min)", "was pending (24 h)"]);
    has(&mut scene, &["Tue 04:40–Tue 04:57 UTC"]);
    points.fill(f64::NAN);
    scene.send(Event::Answered(Answered { inquiry, outcome: Ok(Found::Series(Series { points, of: 0 })) }));
    has(&mut scene, &["this Prometheus keeps no history of its alerts"]);
}

#[test]
fn a_real_prometheus_tells_the_spells_of_its_alerts() {
    let pair = need!(pair);
    let mut opened = Opened::new(&of_pair(pair));
    let store = opened.store();
    let down = named(&store, "ServiceDown")[0].clone();
    let mut own = down.labels.clone();
    own.remove("cluster");
    let server = opened.connections.need_prometheus("a").unwrap();
    let spells = |labels: &Labels| {
        let back = Duration::from_mins(4);
        let series = lab::wait(server.range(&expression(labels), back)).unwrap();
        Spells::of(&series.points, jiff::Timestamp::now(), back).expect("it has a history")
    };
    let fired = spells(&own);
    assert!(fired.firing().next_back().is_some_and(|spell| spell.open && !spell.length().is_zero()), "{fired:?}");
    let memory = named(&store, "MemoryHigh")[0].labels.iter().filter(|(name, _)| *name != "cluster");
    let memory = spells(&memory.map(|(name, value)| (name.clone(), value.clone())).collect());
    assert!(memory.firing().count() == 0 && memory.pending().count() > 0, "{memory:?}");
    // With the external label nothing is found, and that is no silence about the past.
    assert!(spells(&down.labels).all.is_empty());
}

#[test]
fn matchers_mean_what_alertmanager_means_by_them() {
    let pair = need!(pair);
    let port = pair.alertmanager[0];
    let store = Opened::new(&alertmanager("eu", &pair.alertmanager[..1], "")).store();
    for matcher in [
        "alertname=\"ServiceDown\"",
        "alertname=~\"Service.*\"",
        "alertname=~\"Service\"",
        "alertname!~\"Service.*|Disk.*\"",
        "severity!=\"warning\"",
        "instance=\"\"",
        "nothing=~\".+\"",
        "nothing!=\"x\"",
    ] {
        let encoded: String = matcher.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = http::get(port, &format!("/api/v2/alerts?filter={encoded}")).unwrap().json();
        let mut theirs: Vec<String> =
            answer.as_array().unwrap().iter().map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect();
        let (matchers, _) = quarterdeck::domain::matcher::read(matcher).unwrap().unwrap();
        let matchers = Matchers::of(&matchers).unwrap();
        let ours = store.all_alerts().filter(|alert| matchers.hold(&alert.labels));
        let mut ours: Vec<String> = ours.map(|alert| alert.fingerprint.to_string()).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{matcher}");
    }
}

#[test]
fn the_members_of_a_real_cluster_tell_of_themselves_and_of_each_other() {
    let pair = need!(pair);
    let both = Opened::new(&alertmanager("eu", &pair.alertmanager, "")).ask("alertmanager/eu").unwrap();
    assert_eq!(both.members.len(), 2, "{:?}", both.members);
    let mut places: Vec<Option<u32>> = both.members.iter().map(|member| member.position).collect();
    places.sort();
    assert_eq!(places, [Some(0), Some(1)]);
    for member in &both.members {
        assert!(member.up && member.started_at.is_some() && !member.version.is_empty(), "{member:?}");
        assert_eq!((member.cluster.as_str(), member.peers, member.silences), ("ready", Some(2), Some(3)));
        assert!(member.alerts.is_some_and(|alerts| alerts >= 6));
    }
    let one = Opened::new(&alertmanager("eu", &pair.alertmanager[..1], "")).ask("alertmanager/eu").unwrap();
    assert_eq!(one.members.len(), 2);
    assert!(one.members[1].unasked && one.members[1].name == both.members[1].name, "{:?}", one.members);
    assert!(one.members[0].alerts.is_some_and(|alerts| alerts >= 6) && one.members[0].silences == Some(3));
}

#[test]
fn a_member_that_lacks_what_the_others_have_is_told() {
    let (pair, lone) = (need!(pair), need!(monitoring));
    let mut opened = Opened::new(&alertmanager("eu", &[pair.alertmanager[0], lone.alertmanager], ""));
    let told = lab::poll(Duration::from_secs(40), || {
        let report = opened.ask("alertmanager/eu").unwrap();
        let mut asked = report.members.iter().filter(|member| !member.unasked);
        asked.all(|member| member.lacks_silences > 0).then_some(report)
    });
    let report = told.expect("seen twice in a row");
    assert!(report.troubles.iter().any(|trouble| trouble.what.contains(" lacks ") && trouble.what.contains("silence")));
}

#[test]
fn labels_that_relabelling_rewrites_are_those_that_alertmanager_has() {
    let own = need!(relabelled);
    let mut opened = Opened::new(&own.config());
    let above = opened.ask("prometheus/a").unwrap();
    let below = opened.ask("alertmanager/eu").unwrap();
    let prints = |report: &AlertReport| {
        let mut prints: Vec<String> = report.alerts.iter().map(|alert| alert.fingerprint.to_string()).collect();
        prints.sort();
        prints
    };
    let sent: Vec<_> = above.alerts.iter().filter(|alert| alert.state == AlertState::Firing).cloned().collect();
    assert_eq!(prints(&AlertReport { alerts: sent, ..AlertReport::default() }), prints(&below));
    let disk = above.alerts.iter().find(|alert| alert.name == "LabDiskFilling").unwrap();
    assert_eq!((disk.labels["host"].as_str(), disk.labels["severity"].as_str()), ("db-1", "WARNING"));
    assert_eq!(disk.series.as_ref().unwrap()["severity"], "warning");
    let dropped = above.alerts.iter().find(|alert| !alert.muted_by.is_empty()).expect("one is sent to nobody");
    assert_eq!((dropped.name.as_str(), dropped.state), ("LabServiceDown", AlertState::Suppressed));
    assert!(!Value::from(prints(&below)).to_string().contains(&*dropped.fingerprint));
}
