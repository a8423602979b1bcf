//! What Prometheus and Alertmanager have in common: a watchdog that must fire, labels that tell only the replicas of a pair
//! apart, and alerts that are as they were.

use crate::domain::alert::{Labels, write_labels};
use crate::domain::{Alert, AlertState, Severity, Trouble};
use serde::de::{self, Deserialize, Deserializer};
use std::collections::HashMap;
use std::sync::Arc;

/// The alert that always fires, so that its absence tells that alerting is broken: an alert's name, or labels that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog(Labels);

impl Watchdog {
    /// From `Watchdog`, or `alertname="Watchdog", cluster="eu"`, in braces or not.
    ///
    /// # Errors
    /// One sentence, when it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
        if !inner.is_empty() && !inner.contains(['=', '"', ',', '~']) {
            return Ok(Self([("alertname".to_owned(), inner.to_owned())].into()));
        }
        let pairs: Option<Labels> = split(inner).into_iter().map(|part| pair(&part)).collect();
        let example = "write an alert's name, or labels that it has, as in alertname=\"Watchdog\", cluster=\"eu\"";
        match pairs {
            Some(labels) if !labels.is_empty() => Ok(Self(labels)),
            Some(_) | None => Err(format!("{text:?} names no alert: {example}")),
        }
    }

    /// Critical trouble when none of the alerts is it, firing. One that is silenced fires all the same.
    pub fn trouble(&self, alerts: &[Arc<Alert>]) -> Option<Trouble> {
        let is_it = |alert: &Alert| self.0.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
        let fires = alerts.iter().any(|alert| alert.state != AlertState::Pending && is_it(alert));
        (!fires).then(|| Trouble {
            severity: Severity::Critical,
            what: format!("alerting itself may be broken: the watchdog {} does not fire", self.name()),
            hint: "it always should: see whether its rule is loaded and evaluated, and whether alerts get through"
                .into(),
        })
    }

    fn name(&self) -> String {
        if let (Some(name), 1) = (self.0.get("alertname"), self.0.len()) {
            return name.clone();
        }
        let mut out = String::new();
        write_labels(&self.0, &mut out);
        out
    }
}

/// Parts between commas that stand outside quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for char in text.chars() {
        if char == ',' && !quoted {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(char);
        }
        quoted ^= char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
    }
    parts
}

/// `name="value"`; nothing else is understood, since what must be equal needs no more.
fn pair(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=')?;
    let name = name.trim();
    let plain = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '_');
    let value: String = serde_json::from_str(value.trim()).ok()?;
    plain.then(|| (name.to_owned(), value))
}

impl<'de> Deserialize<'de> for Watchdog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The alerts of the last poll, so that one that did not change is the same `Arc` again: whoever joins alerts then sees
/// at once what changed.
#[derive(Debug, Default)]
pub struct Kept(HashMap<Arc<str>, Arc<Alert>>);

impl Kept {
    /// The alerts of this poll, each fingerprint once; replicas of a pair are one alert.
    pub fn keep(&mut self, alerts: Vec<Alert>) -> Vec<Arc<Alert>> {
        let mut last = std::mem::take(&mut self.0);
        let mut kept = Vec::with_capacity(alerts.len());
        for alert in alerts {
            let same = last.remove(&alert.fingerprint).filter(|known| **known == alert);
            let alert = same.unwrap_or_else(|| Arc::new(alert));
            if let std::collections::hash_map::Entry::Vacant(place) = self.0.entry(Arc::clone(&alert.fingerprint)) {
                place.insert(Arc::clone(&alert));
                kept.push(alert);
            }
        }
        kept
    }
}

/// Takes out the labels that only tell replicas apart.
pub fn without_replica(labels: &mut Labels, replica_labels: &[String]) {
    for name in replica_labels {
        labels.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::fingerprint;
    use proptest::prelude::*;

    fn alert(pairs: &[(&str, &str)], state: AlertState) -> Alert {
        let labels: Labels = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Alert { fingerprint: fingerprint(&labels), labels, state, ..Alert::default() }
    }

    #[test]
    fn a_watchdog_is_a_name_or_labels() {
        assert_eq!(Watchdog::parse("Watchdog").unwrap().name(), "Watchdog");
        let eu = Watchdog::parse(r#"{alertname="Dead, man", cluster="e\"u"}"#).unwrap();
        assert_eq!(eu.name(), r#"alertname="Dead, man", cluster="e\"u""#);
        for text in ["", "{}", "a=~\"b\"", "a!=\"b\"", "a=b", "=\"b\"", "a=\"b\"c"] {
            assert!(Watchdog::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_watchdog_that_does_not_fire_is_trouble() {
        let watchdog = Watchdog::parse("Watchdog").unwrap();
        let one = |name, state| vec![Arc::new(alert(&[("alertname", name), ("a", "b")], state))];
        assert_eq!(watchdog.trouble(&one("Watchdog", AlertState::Firing)), None);
        assert_eq!(watchdog.trouble(&one("Watchdog", AlertState::Suppressed)), None);
        let trouble = watchdog.trouble(&one("Watchdog", AlertState::Pending)).unwrap();
        assert_eq!(trouble.severity, Severity::Critical);
        assert_eq!(trouble.what, "alerting itself may be broken: the watchdog Watchdog does not fire");
        assert!(watchdog.trouble(&one("Other", AlertState::Firing)).is_some());
        assert!(watchdog.trouble(&[]).is_some());
    }

    #[test]
    fn what_did_not_change_is_the_same_and_a_replica_is_no_second_one() {
        let (a, b) = (alert(&[("x", "a")], AlertState::Firing), alert(&[("x", "b")], AlertState::Firing));
        let mut kept = Kept::default();
        let first = kept.keep(vec![a.clone(), b.clone(), a.clone()]);
        assert_eq!(first.len(), 2);
        let second = kept.keep(vec![Alert { state: AlertState::Pending, ..a }, b]);
        assert!(!Arc::ptr_eq(&first[0], &second[0]));
        assert!(Arc::ptr_eq(&first[1], &second[1]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[{}a=\",~\\\\]{0,12}") {
            let _ = Watchdog::parse(&text);
        }
    }
}
