//! Alerts, rules, targets and silences from real pairs of Prometheus and Alertmanager, and from services that fail or lie.

use crate::desk::{Desk, painted, quit, wait_row};
use crate::lab::fault::{Hung, Proxy};
use crate::lab::scripted::{Say, Scripted};
use crate::lab::{self, need, poll};
use quarterdeck::connect::Connections;
use quarterdeck::domain::promql::narrowed;
use quarterdeck::domain::{
    Alert, AlertReport, AlertState, Now, Sample, Severity, SilenceState, Snapshot, SourceError, SourceId, Target, Topic,
};
use quarterdeck::sources::{SOURCES, Source};
use quarterdeck::store::{Feed, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use toml::de::{DeTable, DeValue};

/// The sources of a config, with their ids and what they share.
pub struct Opened {
    sources: Vec<(SourceId, Box<dyn Source>)>,
    pub connections: Connections,
}

impl Opened {
    pub fn new(config: &str) -> Self {
        let mut this = Self { sources: Vec::new(), connections: Connections::default() };
        for (kind, named) in DeTable::parse(config).unwrap().into_inner() {
            let kind = SOURCES.iter().find(|known| known.name == kind.get_ref().as_ref()).unwrap();
            let DeValue::Table(named) = named.into_inner() else { panic!("no table") };
            for (name, table) in named {
                let settings = (kind.read.expect("it has tables"))(table).unwrap();
                let id = SourceId::new(kind.name, name.get_ref());
                let opened = settings.open(&id, &mut this.connections).unwrap();
                this.sources.extend(settings.parts().iter().map(|part| part.id(&id)).zip(opened));
            }
        }
        this
    }

    /// Asks one of them.
    pub fn ask(&mut self, id: &str) -> Result<AlertReport, SourceError> {
        let source = self.sources.iter_mut().find(|(known, _)| known.as_str() == id).map(|(_, source)| source);
        let source = source.unwrap_or_else(|| panic!("no source {id}"));
        lab::wait(source.poll()).map(|snapshot| snapshot.alerts().expect("it is about alerts").clone())
    }

    /// Asks those about alerts, and takes in what they say.
    pub fn store(&mut self) -> Store {
        let ids: Vec<SourceId> = self.sources.iter().map(|(id, _)| id.clone()).collect();
        let about = |id: &&SourceId| !id.as_str().ends_with("/servers");
        let ids: Vec<&SourceId> = ids.iter().filter(about).collect();
        let subject = quarterdeck::domain::Subject::Alerts;
        let feeds = ids.iter().map(|id| Feed::new((*id).clone(), subject, Duration::from_secs(5))).collect();
        let mut store = Store::new(feeds);
        for id in ids {
            let report = self.ask(id.as_str()).unwrap();
            let at = Now { mono: Duration::ZERO, wall: jiff::Timestamp::now() };
            let outcome = Ok(Arc::new(Snapshot::Alerts(report)));
            store.apply(Sample { source: id.clone(), at, took: Duration::ZERO, outcome });
        }
        store
    }
}

fn prometheus(name: &str, port: u16, more: &str) -> String {
    format!("[prometheus.{name}]\nurl = \"http://127.0.0.1:{port}\"\ntimeout = \"5s\"\n{more}\n")
}

pub fn alertmanager(name: &str, ports: &[u16], more: &str) -> String {
    let urls: Vec<String> = ports.iter().map(|port| format!("\"http://127.0.0.1:{port}\"")).collect();
    format!("[alertmanager.{name}]\nurls = [{}]\ntimeout = \"5s\"\n{more}\n", urls.join(", "))
}

pub fn of_pair(pair: &lab::pair::Pair) -> String {
    prometheus("a", pair.prometheus[0], "")
        + &prometheus("b", pair.prometheus[1], "")
        + &alertmanager("eu", &pair.alertmanager, "")
}

pub fn named<'a>(store: &'a Store, name: &str) -> Vec<&'a Arc<Alert>> {
    store.all_alerts().filter(|alert| alert.name == name).collect()
}

#[test]
fn a_pair_of_prometheus_and_a_cluster_of_alertmanagers_tell_each_alert_once_with_what_all_know() {
    let pair = need!(pair);
    let store = Opened::new(&of_pair(pair)).store();
    let down = named(&store, "ServiceDown");
    assert_eq!(down.len(), 2, "{down:?}");
    // What only Alertmanager knows, and what only Prometheus knows, in one row.
    assert_eq!((down[0].state, down[0].severity), (AlertState::Firing, Severity::Critical));
    assert_eq!((down[0].value, down[0].receivers.as_slice()), (Some(0.0), ["ops".to_owned()].as_slice()));
    assert_eq!(down[0].labels["cluster"], "eu");
    assert!(!down[0].labels.contains_key("replica"));
    let disk = named(&store, "DiskFilling");
    assert_eq!((disk.len(), disk[0].word(), disk[0].value), (1, "silenced", Some(1.0)));
    assert_eq!(disk[0].silenced_by[0].comment, "disk ordered, arrives Thursday");
    let slow = named(&store, "ServiceSlow");
    assert_eq!((slow.len(), slow[0].word(), slow[0].inhibited_by[0].name.as_str()), (2, "inhibited", "ServiceDown"));
    let memory = named(&store, "MemoryHigh");
    assert_eq!((memory.len(), memory[0].word(), memory[0].value), (1, "pending", Some(91.0)));
    assert_eq!(named(&store, "Watchdog").len(), 1);
}

#[test]
fn independent_alertmanagers_tell_each_alert_once() {
    let pair = need!(pair);
    let config = alertmanager("one", &pair.alertmanager[..1], "") + &alertmanager("two", &pair.alertmanager[1..], "");
    let store = Opened::new(&config).store();
    assert_eq!(named(&store, "ServiceDown").len(), 2);
    assert_eq!(named(&store, "DiskFilling").len(), 1);
}

#[test]
fn alerts_stand_in_the_groups_that_alertmanager_notifies_of() {
    let pair = need!(pair);
    let store = Opened::new(&of_pair(pair)).store();
    let groups: Vec<_> =
        store.feeds().iter().flat_map(|feed| store.alert_groups(feed)).map(|group| (group.name(), group)).collect();
    let find = |name: &str| groups.iter().find(|(named, _)| *named == name).map(|(_, group)| *group).unwrap();
    assert_eq!((find("ServiceDown").firing, find("ServiceDown").receiver()), (2, Some("ops")));
    assert_eq!((find("ServiceSlow").suppressed, find("Watchdog").receiver()), (2, Some("deadman")));
    // Alertmanager does not know what is pending.
    assert_eq!((find("MemoryHigh").pending, find("MemoryHigh").receiver()), (1, None));
}

#[test]
fn rules_that_fail_and_targets_that_are_down_are_told_and_whom_prometheus_notifies() {
    let pair = need!(pair);
    let report = Opened::new(&of_pair(pair)).ask("prometheus/a/rules").unwrap();
    let broken: Vec<&str> = report.rules.iter().filter(|rule| rule.fails()).map(|rule| rule.name.as_str()).collect();
    assert_eq!(broken, ["ManyToMany"]);
    let trouble = &report.troubles[0];
    assert_eq!(trouble.severity, Severity::Critical);
    assert!(trouble.what.starts_with("1 of 6 rules can't be evaluated: ManyToMany: "), "{}", trouble.what);
    let down: Vec<&str> = report.targets.iter().filter(|t| t.health == "down").map(Target::name).collect();
    assert_eq!(down.len(), 2);
    assert!(pair.down.iter().all(|address| down.contains(&address.as_str())), "{down:?}");
    assert_eq!(report.members.iter().filter(|member| member.up).count(), 2);
    assert!(report.gaps.is_empty());
}

#[test]
fn an_alert_knows_its_rules_expression_from_both_sides() {
    let pair = need!(pair);
    let mut opened = Opened::new(&of_pair(pair));
    let expression = Some("up{job=\"game\"} < 1");
    let query = |report: &AlertReport| {
        report.alerts.iter().find(|alert| alert.name == "ServiceDown").and_then(|alert| alert.query.clone())
    };
    // The two Alertmanagers tell each other: one may know of it a moment later.
    let told = poll(Duration::from_secs(30), || query(&opened.ask("alertmanager/eu").unwrap()));
    assert_eq!(told.as_deref(), expression);
    opened.ask("prometheus/a/rules").unwrap();
    assert_eq!(query(&opened.ask("prometheus/a").unwrap()).as_deref(), expression);
}

#[test]
fn a_watchdog_that_does_not_fire_is_told_by_prometheus_and_by_alertmanager() {
    let pair = need!(pair);
    let there = "watchdog = \"Watchdog\"";
    let missing = "watchdog = 'alertname=\"Watchdog\", cluster=\"us\"'";
    let config = prometheus("there", pair.prometheus[0], there)
        + &prometheus("missing", pair.prometheus[0], missing)
        + &alertmanager("there", &pair.alertmanager, there)
        + &alertmanager("missing", &pair.alertmanager, missing);
    let mut opened = Opened::new(&config);
    for kind in ["prometheus", "alertmanager"] {
        assert_eq!(opened.ask(&format!("{kind}/there")).unwrap().troubles, [], "{kind}");
        let troubles = opened.ask(&format!("{kind}/missing")).unwrap().troubles;
        assert_eq!((troubles.len(), troubles[0].severity), (1, Severity::Critical), "{kind}");
        assert!(troubles[0].what.starts_with("alerting itself may be broken: the watchdog alertname=\"Watchdog\""));
    }
}

#[test]
fn silences_tell_what_they_hide_and_which_hides_nothing() {
    let pair = need!(pair);
    let report = Opened::new(&of_pair(pair)).ask("alertmanager/eu").unwrap();
    let by = |comment: &str| report.silences.iter().find(|silence| silence.comment == comment).unwrap();
    let now = jiff::Timestamp::now();
    let disk = by("disk ordered, arrives Thursday");
    let hidden = report.alerts.iter().find(|alert| alert.name == "DiskFilling").unwrap();
    assert_eq!((disk.judge(now), disk.silences.as_slice()), (Severity::Ok, [hidden.fingerprint.clone()].as_slice()));
    assert!(by("old pool is being drained").is_idle(now));
    assert_eq!(by("release tonight").state_at(now), SilenceState::Pending);
    assert_eq!(by("short").state_at(now), SilenceState::Expired);
}

#[test]
fn a_member_that_is_down_is_told_and_the_other_answers_for_both() {
    let pair = need!(pair);
    let proxy = Proxy::tcp(pair.alertmanager[0]);
    let mut opened = Opened::new(&alertmanager("eu", &[proxy.port(), pair.alertmanager[1]], ""));
    assert_eq!(opened.ask("alertmanager/eu").unwrap().troubles, []);
    proxy.cut();
    let report = opened.ask("alertmanager/eu").unwrap();
    assert_eq!(report.alerts.iter().filter(|alert| alert.name == "ServiceDown").count(), 2);
    let up: Vec<bool> = report.members.iter().map(|member| member.up).collect();
    assert_eq!(up, [false, true]);
    assert!(report.troubles[0].what.starts_with("a member of the cluster is down: "), "{:?}", report.troubles);
    // It comes back: told with the next look at the members.
    proxy.open();
    let mut again = Opened::new(&alertmanager("eu", &[proxy.port(), pair.alertmanager[1]], ""));
    assert_eq!(again.ask("alertmanager/eu").unwrap().troubles, []);
}

#[test]
fn an_alertmanager_outside_the_cluster_is_told() {
    let pair = need!(pair);
    let lone = need!(monitoring);
    let mut opened = Opened::new(&alertmanager("eu", &[pair.alertmanager[0], lone.alertmanager], ""));
    let troubles = opened.ask("alertmanager/eu").unwrap().troubles;
    assert!(troubles.iter().any(|trouble| trouble.what.contains("is in no cluster")), "{troubles:?}");
}

#[test]
fn the_values_of_one_series_are_charted_though_the_rule_has_many() {
    let pair = need!(pair);
    let opened = Opened::new(&of_pair(pair));
    let server = opened.connections.need_prometheus("a").unwrap();
    let back = Duration::from_mins(5);
    let all = lab::wait(server.range("up{job=\"game\"}", back)).unwrap();
    assert_eq!(all.of, 2);
    let labels = [("instance".to_owned(), pair.down[1].clone()), ("job".to_owned(), "game".to_owned())].into();
    let one = lab::wait(server.range(&narrowed("up{job=\"game\"}", &labels), back)).unwrap();
    assert_eq!(one.of, 1);
    assert!(one.points.contains(&0.0), "{:?}", one.points);
    // A value that a regular expression or a string could take for its own.
    let odd = [("instance".to_owned(), "a$1\"\\\n".to_owned())].into();
    assert_eq!(lab::wait(server.range(&narrowed("up", &odd), back)).unwrap().of, 0);
    let error = lab::wait(server.range("up{", back)).unwrap_err();
    assert!(error.what.contains("answers 400: ") && error.what.contains("parse error"), "{error}");
}

#[test]
fn instant_values_come_with_labels_and_a_long_question_is_sent_all_the_same() {
    let pair = need!(pair);
    let opened = Opened::new(&of_pair(pair));
    let server = opened.connections.need_prometheus("a").unwrap();
    let long = format!("up{{instance=~\"{}|{}\"}}", "x".repeat(20_000), pair.down[0]);
    let answer = lab::wait(server.query(&long)).unwrap();
    assert_eq!(answer.data.len(), 1);
    assert_eq!((answer.data[0].labels["instance"].as_str(), answer.data[0].value), (pair.down[0].as_str(), 0.0));
}

/// What the alerts of both kinds of source say of a service on a port; each must fail.
fn failures(port: u16, timeout: &str) -> [SourceError; 2] {
    let at = |kind: &str| format!("[{kind}.x]\nurl = \"http://127.0.0.1:{port}\"\ntimeout = \"{timeout}\"\n");
    let mut opened = Opened::new(&(at("prometheus") + &at("alertmanager")));
    ["prometheus/x", "alertmanager/x"].map(|id| opened.ask(id).expect_err(id))
}

fn scripted_failures(say: &Say) -> [SourceError; 2] {
    let say = say.clone();
    let service = Scripted::start(move |_| say.clone());
    failures(service.port(), "5s")
}

fn all_say(failures: &[SourceError; 2], words: &str) {
    for failure in failures {
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(!failure.hint.is_empty());
    }
}

#[test]
fn a_service_that_refuses_hangs_or_is_slow_is_told_in_words() {
    let closed = lab::service::free_port();
    all_say(&failures(closed, "5s"), "nothing listens there");
    let hung = Hung::tcp();
    let started = Instant::now();
    all_say(&failures(hung.port(), "400ms"), "it does not answer in time");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let slow = Scripted::start(|_| Say::Late(Duration::from_secs(5), b"[]".to_vec()));
    all_say(&failures(slow.port(), "400ms"), "it does not answer in time");
}

#[test]
fn a_service_that_was_gone_is_believed_again() {
    let pair = need!(pair);
    let (above, below) = (Proxy::tcp(pair.prometheus[0]), Proxy::tcp(pair.alertmanager[0]));
    let config = prometheus("a", above.port(), "") + &alertmanager("eu", &[below.port()], "");
    let mut opened = Opened::new(&config);
    let ids = ["prometheus/a", "prometheus/a/rules", "alertmanager/eu"];
    let mut all = |good: bool| ids.iter().all(|id| opened.ask(id).is_ok() == good);
    assert!(all(true));
    above.cut();
    below.cut();
    assert!(all(false));
    above.open();
    below.open();
    assert!(all(true));
}

#[test]
fn what_refuses_its_configuration_still_tells_its_alerts() {
    let alerts =
        r#"{"status":"success","data":{"alerts":[{"labels":{"alertname":"A"},"state":"firing","value":"1"}]}}"#;
    let service = Scripted::start(move |path| match path {
        "/api/v1/alerts" => Say::good(alerts),
        _ => Say::Answer(403, Vec::new()),
    });
    let report = Opened::new(&prometheus("x", service.port(), "")).ask("prometheus/x").unwrap();
    assert_eq!((report.alerts.len(), report.external_labels.len()), (1, 0));
}

#[test]
fn a_service_that_lies_is_never_all_quiet() {
    let page = "<!DOCTYPE html><title>Sign in</title>";
    all_say(&scripted_failures(&Say::good(page)), "a login page may stand in front");
    all_say(&scripted_failures(&Say::good("{\"status\":\"success\",\"data\":{\"alerts\":[{")), "does not answer as");
    all_say(&scripted_failures(&Say::good(vec![b' '; 10 << 20])), "does not answer as");
    let whole = r#"{"status":"success","data":{"alerts":[]}}"#.repeat(50);
    scripted_failures(&Say::Half(whole.into_bytes()));
    all_say(&scripted_failures(&Say::Answer(401, Vec::new())), "answers 401");
    all_say(&scripted_failures(&Say::Answer(503, b"<html>".to_vec())), "answers 503");
    all_say(
        &scripted_failures(&Say::Answer(404, b"404 page not found".to_vec())),
        "check the port and the path prefix",
    );
}

#[test]
fn an_answer_of_ten_megabytes_is_read() {
    let alert =
        r#"{"labels":{"alertname":"A","n":"NNNNNN"},"annotations":{"text":"TEXT"},"state":"firing","value":"1"}"#;
    let alert = |number: usize| alert.replace("NNNNNN", &number.to_string()).replace("TEXT", &"x".repeat(1000));
    let alerts: Vec<String> = (0..10_000).map(alert).collect();
    let body = format!(r#"{{"status":"success","data":{{"alerts":[{}]}}}}"#, alerts.join(","));
    assert!(body.len() > 10_000_000);
    let service = Scripted::start(move |_| Say::good(body.clone()));
    let report = Opened::new(&prometheus("big", service.port(), "")).ask("prometheus/big").unwrap();
    assert_eq!(report.alerts.len(), 10_000);
}

#[test]
fn what_answers_like_prometheus_without_rules_and_targets_still_tells_its_alerts() {
    let alerts =
        r#"{"status":"success","data":{"alerts":[{"labels":{"alertname":"A"},"state":"firing","value":"1"}]}}"#;
    let service = Scripted::start(move |path| match path {
        "/api/v1/alerts" => Say::good(alerts),
        "/api/v1/rules" => Say::Answer(500, br#"{"status":"error","error":"store is down"}"#.to_vec()),
        "/api/v1/alertmanagers" => Say::Answer(400, b"unsupported path requested".to_vec()),
        _ => Say::Answer(404, b"404 page not found".to_vec()),
    });
    let mut opened = Opened::new(&prometheus("like", service.port(), ""));
    assert_eq!(opened.ask("prometheus/like").unwrap().alerts.len(), 1);
    let report = opened.ask("prometheus/like/rules").unwrap();
    let why = |topic| report.gap(topic).map(|why| why.what.clone()).unwrap_or_default();
    assert!(why(Topic::Rules).ends_with("answers 500: store is down"), "{}", why(Topic::Rules));
    assert!(why(Topic::Targets).ends_with("has no targets in its API"), "{}", why(Topic::Targets));
    assert!(why(Topic::Members).ends_with("has no list of Alertmanagers in its API"));
    assert_eq!(service.asked().iter().filter(|path| path.starts_with("/api/v1/targets?state=active")).count(), 1);
}

#[test]
fn silences_that_can_not_be_had_are_a_gap_and_the_alert_stays_silenced() {
    let alerts = r#"[{"labels":{"alertname":"A"},"status":{"state":"suppressed","silencedBy":["5f2c"]}}]"#;
    let service = Scripted::start(move |path| match path {
        "/api/v2/alerts" => Say::good(alerts),
        "/api/v2/alerts/groups" => Say::good("[]"),
        _ => Say::Answer(500, br#""no space left""#.to_vec()),
    });
    let report = Opened::new(&alertmanager("x", &[service.port()], "")).ask("alertmanager/x").unwrap();
    assert_eq!((report.alerts[0].word(), report.alerts[0].silenced_by[0].id.as_str()), ("silenced", "5f2c"));
    assert!(report.gap(Topic::Silences).unwrap().what.ends_with("answers 500: no space left"));
    assert_eq!(report.gap(Topic::Groups), None);
}

#[test]
fn a_new_alert_comes_with_its_group_and_one_without_is_not_asked_for_again_at_once() {
    let alert = |name: &str| {
        format!(r#"{{"labels":{{"alertname":"{name}"}},"fingerprint":"{name}","status":{{"state":"active"}}}}"#)
    };
    let polls = std::sync::atomic::AtomicUsize::new(0);
    let service = Scripted::start(move |path| {
        let count = || polls.load(std::sync::atomic::Ordering::SeqCst);
        let grouped = |names: &[&str]| {
            let alerts: Vec<String> = names.iter().map(|name| alert(name)).collect();
            Say::good(format!(
                r#"[{{"labels":{{"of":"all"}},"receiver":{{"name":"ops"}},"alerts":[{}]}}]"#,
                alerts.join(",")
            ))
        };
        match path {
            "/api/v2/alerts" => {
                polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let names = if count() == 1 { vec!["A"] } else { vec!["A", "B", "C"] };
                Say::good(format!("[{}]", names.into_iter().map(alert).collect::<Vec<_>>().join(",")))
            }
            // C is in none.
            "/api/v2/alerts/groups" if count() == 1 => grouped(&["A"]),
            "/api/v2/alerts/groups" => grouped(&["A", "B"]),
            _ => Say::good("[]"),
        }
    });
    let mut opened = Opened::new(&alertmanager("x", &[service.port()], ""));
    let mut grouped = || {
        let report = opened.ask("alertmanager/x").unwrap();
        report.alerts.iter().filter(|alert| alert.group.is_some()).map(|alert| alert.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!([grouped(), grouped(), grouped()], [vec!["A"], vec!["A", "B"], vec!["A", "B"]]);
    assert_eq!(service.asked().iter().filter(|path| path.ends_with("/groups")).count(), 2);
}

#[test]
fn the_pages_show_it_and_what_is_wrong_with_alerting_stands_above_the_alerts() {
    let pair = need!(pair);
    let desk = Desk::with(
        &(prometheus("a", pair.prometheus[0], "rules_interval = \"1s\"")
            + &alertmanager("eu", &pair.alertmanager, "watchdog = \"DeadMansSnitch\"")),
    );
    let mut session = painted(desk.launch().size(160, 45));
    session.send("3z");
    session.wait_text("the watchdog DeadMansSnitch does not fire");
    session.wait_text("1 of 6 rules can't be evaluated");
    wait_row(&session, "ServiceSlow", &["inhibited", "ServiceDown"]);
    wait_row(&session, "DiskFilling", &["silenced", "ada: disk ordered"]);
    wait_row(&session, "MemoryHigh", &["pending"]);
    session.send("s");
    wait_row(&session, "old pool is being drained", &["grace", "active", "nothing"]);
    session.send("u");
    wait_row(&session, "ManyToMany", &["err"]);
    session.send("t");
    wait_row(&session, &pair.down[0], &["down", "connection refused"]);
    session.send("b");
    wait_row(&session, "ServiceDown, cluster=eu", &["critical", "ops"]);
    quit(session);
}
