//! The answer of `GET /api/v1/alerts` (Prometheus HTTP API, stable since 2.0).

use crate::domain::alert::{Labels, fingerprint};
use crate::domain::{Alert, AlertState, Severity};
use serde::Deserialize;

/// Why an answer holds no alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Prometheus says why.
    Said(String),
    /// It is not what Prometheus answers.
    Shape(String),
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Data {
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

/// All alerts of an answer. A field that can't be read leaves its figure unknown; a body that is none is an error,
/// never an empty list.
pub(super) fn alerts(body: &[u8]) -> Result<Vec<Alert>, Wrong> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| Wrong::Shape(error.to_string()))?;
    match (envelope.status.as_str(), envelope.data) {
        ("success", Some(data)) => Ok(data.alerts.into_iter().map(alert).collect()),
        ("success", None) => Err(Wrong::Shape("the answer has no data".to_owned())),
        ("error", _) => Err(Wrong::Said(envelope.error)),
        (status, _) => Err(Wrong::Shape(format!("its status is {status:?}"))),
    }
}

fn alert(told: Told) -> Alert {
    // A state that this version does not know is taken for the worst: an alert must not get lost.
    let state = if told.state == "pending" { AlertState::Pending } else { AlertState::Firing };
    Alert {
        fingerprint: fingerprint(&told.labels),
        name: told.labels.get("alertname").cloned().unwrap_or_default(),
        state,
        severity: Severity::from_label(told.labels.get("severity").map(String::as_str)),
        labels: told.labels,
        annotations: told.annotations,
        active_at: told.active_at.and_then(|at| at.parse().ok()),
        value: told.value.parse().ok(),
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        ..Alert::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALERTS: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/alerts.json");
    const ERROR: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/error.json");

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

    /// The fingerprints are those that a real Alertmanager gave to the same alerts.
    #[test]
    fn fingerprints_are_those_of_alertmanager() {
        assert_eq!(&*named("ServiceDown").fingerprint, "4f14a4826b27e728");
        assert_eq!(&*named("Quiet").fingerprint, "4371bf0c013b654c");
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

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..ALERTS.len()) {
            let _ = alerts(&bytes);
            let mut mutated = ALERTS.to_vec();
            mutated.splice(at..(at + bytes.len()).min(ALERTS.len()), bytes);
            let _ = alerts(&mutated);
        }
    }
}
