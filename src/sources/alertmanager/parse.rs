//! The answers of `GET /api/v2/alerts` and `/api/v2/silences` (Alertmanager API v2, since 0.16).

use crate::domain::alert::{Labels, fingerprint};
use crate::domain::{Alert, AlertState, Severity, Silence};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// Why an answer is none of Alertmanager's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// Silences by id.
pub(super) type Silences = HashMap<String, Silence>;

/// An alert as Alertmanager has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    starts_at: Option<String>,
    fingerprint: Option<String>,
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: String,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
    /// Time intervals that mute it; since 0.28.
    #[serde(default)]
    muted_by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    ends_at: String,
}

/// All alerts of an answer; a body that holds none is an error, never an empty list.
pub(super) fn alerts(body: &[u8]) -> Result<Vec<Posted>, Wrong> {
    read(body)
}

/// All silences of an answer, by id. One whose end can't be read is left out: it is not known to cover anything.
pub(super) fn silences(body: &[u8]) -> Result<Silences, Wrong> {
    let listed: Vec<Listed> = read(body)?;
    let silence = |listed: Listed| {
        let ends_at = listed.ends_at.parse().ok()?;
        let Listed { id, created_by, comment, .. } = listed;
        Some((id.clone(), Silence { id, created_by, comment, ends_at, ..Silence::default() }))
    };
    Ok(listed.into_iter().filter_map(silence).collect())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| Wrong(error.to_string()))
}

/// What an answer with an error status says: a JSON string, or nothing that is worth showing.
pub(super) fn said(body: &[u8]) -> String {
    read(body).unwrap_or_default()
}

impl Posted {
    /// At least one silence covers it.
    pub(super) fn is_silenced(&self) -> bool {
        !self.status.silenced_by.is_empty()
    }

    /// The alert, with those of the silences that cover it.
    pub(super) fn into_alert(self, silences: &Silences) -> Alert {
        let Self { labels, annotations, starts_at, status, .. } = self;
        // What is not known to be suppressed counts as firing: an alert must not get lost.
        let suppressed = status.state == "suppressed" || !status.muted_by.is_empty();
        Alert {
            fingerprint: self.fingerprint.map_or_else(|| fingerprint(&labels), Into::into),
            name: labels.get("alertname").cloned().unwrap_or_default(),
            state: if suppressed { AlertState::Suppressed } else { AlertState::Firing },
            severity: Severity::from_label(labels.get("severity").map(String::as_str)),
            labels,
            annotations,
            active_at: starts_at.and_then(|at| at.parse().ok()),
            value: None,
            silenced_by: status.silenced_by.iter().filter_map(|id| silences.get(id).cloned()).collect(),
            inhibited_by: status.inhibited_by,
            ..Alert::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALERTS: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/alerts.json");
    const SILENCES: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/silences.json");

    fn named(name: &str) -> Alert {
        let silences = silences(SILENCES).unwrap();
        let mut all = alerts(ALERTS).unwrap().into_iter().map(|posted| posted.into_alert(&silences));
        all.find(|alert| alert.name == name).unwrap()
    }

    #[test]
    fn a_silenced_alert_tells_who_why_and_until_when() {
        let quiet = named("Quiet");
        assert_eq!(quiet.state, AlertState::Suppressed);
        let silence = &quiet.silenced_by[0];
        assert_eq!((silence.created_by.as_str(), silence.comment.as_str()), ("ops", "planned work"));
        assert_eq!(silence.ends_at.to_string(), "2026-11-24T22:00:06.986Z");
    }

    #[test]
    fn an_inhibited_alert_tells_by_which() {
        let infinite = named("Infinite");
        assert_eq!(infinite.state, AlertState::Suppressed);
        assert_eq!(infinite.inhibited_by, [&*named("ServiceDown").fingerprint]);
    }

    #[test]
    fn an_active_alert_is_firing_and_its_fingerprint_is_ours() {
        let down = named("ServiceDown");
        assert_eq!((down.state, down.severity), (AlertState::Firing, Severity::Critical));
        assert_eq!(down.fingerprint, fingerprint(&down.labels));
        assert_eq!(down.active_at.unwrap().to_string(), "2026-11-24T20:00:01.946Z");
    }

    #[test]
    fn newer_and_older_servers_are_read() {
        let body = br#"[{"labels":{"alertname":"A"},"status":{"state":"active","mutedBy":["night"]}},
                        {"labels":{"alertname":"B"},"status":{"state":"unprocessed"}}]"#;
        let states: Vec<AlertState> =
            alerts(body).unwrap().into_iter().map(|posted| posted.into_alert(&Silences::new()).state).collect();
        assert_eq!(states, [AlertState::Suppressed, AlertState::Firing]);
    }

    #[test]
    fn what_is_no_answer_is_never_an_empty_list() {
        for body in ["", "{}", "<html>", "null", r#"[{"labels":{}}]"#] {
            assert!(alerts(body.as_bytes()).is_err(), "{body}");
        }
        assert!(alerts(&ALERTS[..ALERTS.len() / 2]).is_err());
        assert!(silences(b"{}").is_err());
        assert!(alerts(b"[]").unwrap().is_empty());
    }

    #[test]
    fn an_error_is_said_as_it_was_said() {
        assert_eq!(said(br#""bad matcher format: {""#), "bad matcher format: {");
        assert_eq!(said(b"<html>"), "");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..ALERTS.len()) {
            let mutate = |text: &[u8]| {
                let mut mutated = text.to_vec();
                let at = at.min(text.len());
                mutated.splice(at..(at + bytes.len()).min(text.len()), bytes.iter().copied());
                mutated
            };
            let silences = silences(&mutate(SILENCES)).unwrap_or_default();
            for posted in alerts(&mutate(ALERTS)).unwrap_or_default() {
                let _ = posted.into_alert(&silences);
            }
            let _ = (alerts(&bytes), said(&bytes));
        }
    }
}
