//! The answers of `/api/v1/alerts`, `/rules`, `/targets` and `/alertmanagers` (Prometheus HTTP API, stable since 2.0).
//!
//! The envelope around them is opened by `connect::prometheus`. A field that can't be read leaves its figure unknown.

use crate::domain::alert::Labels;
use crate::domain::{Alert, AlertState, Member, Rule, Severity, Target};
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;

/// `data` of `/api/v1/alerts`.
#[derive(Deserialize)]
pub(super) struct Alerts {
    alerts: Vec<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    state: String,
    active_at: Option<String>,
    #[serde(default)]
    value: String,
}

impl Alerts {
    /// The alerts, still without a fingerprint: it depends on the labels with which Prometheus notifies.
    pub(super) fn into_alerts(self) -> impl Iterator<Item = Alert> {
        self.alerts.into_iter().map(Told::into_alert)
    }
}

impl Told {
    fn into_alert(self) -> Alert {
        // A state that this version does not know is taken for the worst: an alert must not get lost.
        let state = if self.state == "pending" { AlertState::Pending } else { AlertState::Firing };
        Alert {
            name: self.labels.get("alertname").cloned().unwrap_or_default(),
            state,
            severity: Severity::from_label(self.labels.get("severity").map(String::as_str)),
            labels: self.labels,
            annotations: self.annotations,
            active_at: self.active_at.and_then(|at| at.parse().ok()),
            value: self.value.parse().ok(),
            ..Alert::default()
        }
    }
}

/// `data` of `/api/v1/rules`.
#[derive(Deserialize)]
pub(super) struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    name: String,
    rules: Vec<ToldRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldRule {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    query: String,
    /// Seconds.
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    alerts: Vec<OfRule>,
    #[serde(default)]
    health: String,
    #[serde(default)]
    last_error: String,
    evaluation_time: Option<f64>,
    last_evaluation: Option<String>,
}

#[derive(Deserialize)]
struct OfRule {
    #[serde(default)]
    state: String,
}

impl Rules {
    /// The rules of all groups, in their order.
    pub(super) fn into_rules(self) -> Vec<Rule> {
        let of_group = |group: Group| {
            let name = group.name;
            group.rules.into_iter().map(move |rule| rule.into_rule(&name))
        };
        self.groups.into_iter().flat_map(of_group).collect()
    }
}

impl ToldRule {
    fn into_rule(self, group: &str) -> Rule {
        let count = |state| self.alerts.iter().filter(|alert| alert.state == state).count() as u32;
        Rule {
            group: group.to_owned(),
            firing: count("firing"),
            pending: count("pending"),
            alerting: self.kind == "alerting",
            name: self.name,
            query: self.query,
            hold: length(Some(self.duration)).unwrap_or_default(),
            labels: self.labels,
            health: self.health,
            error: self.last_error,
            evaluated_at: moment(self.last_evaluation),
            took: length(self.evaluation_time),
        }
    }
}

/// `data` of `/api/v1/targets`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Targets {
    active_targets: Vec<ToldTarget>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldTarget {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    scrape_pool: String,
    #[serde(default)]
    scrape_url: String,
    #[serde(default)]
    last_error: String,
    last_scrape: Option<String>,
    last_scrape_duration: Option<f64>,
    #[serde(default)]
    health: String,
}

impl Targets {
    /// The targets in the server's order.
    pub(super) fn into_targets(self) -> Vec<Target> {
        let target = |told: ToldTarget| Target {
            pool: told.scrape_pool,
            url: told.scrape_url,
            labels: told.labels,
            health: told.health,
            error: told.last_error,
            scraped_at: moment(told.last_scrape),
            took: length(told.last_scrape_duration),
        };
        self.active_targets.into_iter().map(target).collect()
    }
}

/// `data` of `/api/v1/alertmanagers`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alertmanagers {
    active_alertmanagers: Vec<Notified>,
    #[serde(default)]
    dropped_alertmanagers: Vec<Notified>,
}

#[derive(Deserialize)]
struct Notified {
    url: String,
}

impl Alertmanagers {
    /// Whom it notifies, then whom relabelling dropped.
    pub(super) fn into_members(self) -> Vec<Member> {
        let address = |told: Notified| told.url.trim_end_matches("/api/v2/alerts").to_owned();
        let active = self.active_alertmanagers.into_iter().map(|told| Member {
            address: address(told),
            up: true,
            ..Member::default()
        });
        let dropped = self.dropped_alertmanagers.into_iter().map(|told| Member {
            address: address(told),
            up: false,
            why: "dropped by relabelling: it is not notified".to_owned(),
            ..Member::default()
        });
        active.chain(dropped).collect()
    }
}

/// What never happened is told as the year 1.
fn moment(text: Option<String>) -> Option<Timestamp> {
    text?.parse::<Timestamp>().ok().filter(|at| *at > Timestamp::UNIX_EPOCH)
}

fn length(seconds: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::prometheus::{Wrong, envelope};
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;

    const ALERTS: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/alerts.json");
    const ERROR: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/error.json");
    const RULES: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/pair-rules.json");
    const TARGETS: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/pair-targets.json");
    const MEMBERS: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/pair-alertmanagers.json");

    fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
        envelope(body).map(|answer| answer.data)
    }

    fn alerts(body: &[u8]) -> Result<Vec<Alert>, Wrong> {
        data::<Alerts>(body).map(|alerts| alerts.into_alerts().collect())
    }

    fn named(name: &str) -> Alert {
        alerts(ALERTS).unwrap().into_iter().find(|alert| alert.name == name).unwrap()
    }

    #[test]
    fn the_answer_of_a_real_server_is_read() {
        assert_eq!(alerts(ALERTS).unwrap().len(), 5);
        let down = named("ServiceDown");
        assert_eq!((down.state, down.severity, down.value), (AlertState::Firing, Severity::Critical, Some(1.0)));
        assert_eq!(down.annotations["summary"], "down, ünïcode and \"quotes\"");
        assert_eq!(down.active_at.unwrap().to_string(), "2026-11-24T20:00:01.946882519Z");
        let memory = named("HighMemory");
        assert_eq!((memory.state, memory.severity, memory.value), (AlertState::Pending, Severity::Warning, Some(0.91)));
    }

    #[test]
    fn values_that_are_no_numbers_are_read() {
        assert!(named("NotANumber").value.unwrap().is_nan());
        assert_eq!(named("Infinite").value, Some(f64::INFINITY));
    }

    #[test]
    fn an_error_is_said_as_it_was_said() {
        let Err(Wrong::Said(said)) = alerts(ERROR) else { panic!("no error") };
        assert!(said.starts_with("invalid parameter"), "{said}");
    }

    #[test]
    fn what_is_no_answer_is_never_an_empty_list() {
        for body in ["", "[]", "<html>", "{}", r#"{"status":"success"}"#, r#"{"status":"success","data":{}}"#, "null"] {
            assert!(matches!(alerts(body.as_bytes()), Err(Wrong::Shape(_))), "{body}");
            assert!(data::<Rules>(body.as_bytes()).is_err(), "{body}");
            assert!(data::<Targets>(body.as_bytes()).is_err(), "{body}");
            assert!(data::<Alertmanagers>(body.as_bytes()).is_err(), "{body}");
        }
        assert!(alerts(&ALERTS[..ALERTS.len() / 2]).is_err());
        assert_eq!(alerts(br#"{"status":"success","data":{"alerts":[]}}"#), Ok(Vec::new()));
    }

    #[test]
    fn odd_fields_leave_the_alert_standing() {
        let body = br#"{"status":"success","data":{"alerts":[
            {"labels":{},"state":"exploding","activeAt":"yesterday","value":"much"}]}}"#;
        let alert = &alerts(body).unwrap()[0];
        assert_eq!((alert.state, alert.active_at, alert.value), (AlertState::Firing, None, None));
    }

    #[test]
    fn the_rules_of_a_real_server_are_read_with_the_one_that_fails() {
        let rules = data::<Rules>(RULES).unwrap().into_rules();
        let rule = |name: &str| rules.iter().find(|rule| rule.name == name).unwrap();
        assert_eq!(rules.len(), 7);
        let down = rule("ServiceDown");
        assert_eq!((down.firing, down.pending, down.alerting, down.fails()), (2, 0, true, false));
        assert_eq!((down.query.as_str(), down.group.as_str()), ("up{job=\"game\"} < 1", "lab"));
        assert!(down.evaluated_at.is_some() && down.took.is_some());
        assert_eq!((rule("MemoryHigh").pending, rule("MemoryHigh").hold), (1, Duration::from_hours(1)));
        let broken = rule("ManyToMany");
        assert_eq!((broken.fails(), broken.judge()), (true, Severity::Critical));
        assert!(broken.error.contains("many-to-many matching not allowed"), "{}", broken.error);
        assert!(!rule("job:up:sum").alerting);
    }

    #[test]
    fn the_targets_of_a_real_server_are_read_with_those_that_are_down() {
        let targets = data::<Targets>(TARGETS).unwrap().into_targets();
        let down: Vec<&Target> = targets.iter().filter(|target| target.health == "down").collect();
        assert_eq!((targets.len(), down.len()), (4, 2));
        assert!(down[0].error.ends_with("connection refused"), "{}", down[0].error);
        assert_eq!((down[0].name(), down[0].pool.as_str()), ("127.0.0.1:29195", "game"));
    }

    #[test]
    fn whom_it_notifies_is_read_and_whom_not() {
        let members = data::<Alertmanagers>(MEMBERS).unwrap().into_members();
        assert_eq!(members.len(), 2);
        assert_eq!((members[0].address.as_str(), members[0].up), ("http://127.0.0.1:29193", true));
        let body = br#"{"status":"success","data":{"activeAlertmanagers":[],
            "droppedAlertmanagers":[{"url":"http://a:9093/api/v2/alerts"}]}}"#;
        assert!(!data::<Alertmanagers>(body).unwrap().into_members()[0].up);
    }

    #[test]
    fn what_never_happened_has_no_time() {
        assert_eq!(moment(Some("0001-01-01T00:00:00Z".to_owned())), None);
        assert_eq!(length(Some(-1.0)), None);
        assert_eq!(length(Some(f64::NAN)), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), place in 0.0..1.0f64) {
            let mutate = |text: &[u8]| {
                let at = (text.len() as f64 * place) as usize;
                let mut mutated = text.to_vec();
                mutated.splice(at..(at + bytes.len()).min(text.len()), bytes.iter().copied());
                mutated
            };
            let _ = (alerts(&bytes), alerts(&mutate(ALERTS)));
            let _ = data::<Rules>(&mutate(RULES)).map(Rules::into_rules);
            let _ = data::<Targets>(&mutate(TARGETS)).map(Targets::into_targets);
            let _ = data::<Alertmanagers>(&mutate(MEMBERS)).map(Alertmanagers::into_members);
        }
    }
}
