//! What Alertmanager would have of the world: the alerts that fire, with their routes, and what holds them back.

use super::clock::Clock;
use super::metrics::rules::{Alert, Rule};
use super::metrics::series::{Labels, matcher, matches};
use super::world::chance::Chance;
use jiff::Timestamp;
use promql_parser::label::Matchers;
use serde::{Deserialize, Serialize};

/// A matcher, as Alertmanager's API has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// The label.
    pub name: String,
    /// What it is compared with.
    pub value: String,
    /// That is a regular expression.
    pub is_regex: bool,
    /// It has to match.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

const fn yes() -> bool {
    true
}

/// What somebody posts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    /// The id of one that it replaces.
    pub id: Option<String>,
    /// All have to hold.
    pub matchers: Vec<Matching>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence.
#[derive(Clone, Debug)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// What it was posted as.
    pub posted: Posted,
    /// When it was posted or changed last.
    pub updated: Timestamp,
    read: Matchers,
}

impl Silence {
    /// `pending`, `active` or `expired`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match () {
            () if now >= self.posted.ends_at => "expired",
            () if now < self.posted.starts_at => "pending",
            () => "active",
        }
    }
}

/// All silences.
#[derive(Clone, Debug)]
pub struct Silences {
    /// Oldest first.
    pub all: Vec<Silence>,
    chance: Chance,
}

impl Silences {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self { all: Vec::new(), chance: Chance::new(seed, "silences") }
    }

    /// Makes one, or changes that of its id; its id.
    ///
    /// # Errors
    /// As Alertmanager refuses it.
    pub fn post(&mut self, posted: Posted, now: Timestamp) -> Result<String, String> {
        if posted.ends_at <= posted.starts_at {
            return Err("failed to create silence: invalid silence: end time must not be before start time".to_owned());
        }
        if posted.ends_at <= now {
            return Err("failed to create silence: end time can't be in the past".to_owned());
        }
        let read: Result<Vec<_>, String> =
            posted.matchers.iter().map(|one| matcher(&one.name, &one.value, one.is_regex, one.is_equal)).collect();
        let read = read.map_err(|why| format!("failed to create silence: invalid matcher: {why}"))?;
        if posted.matchers.iter().all(|one| one.value.is_empty()) {
            return Err("failed to create silence: at least one matcher must not match the empty string".to_owned());
        }
        if let Some(old) = &posted.id {
            self.expire(old, now)?;
        }
        let id = self.uuid();
        let read = Matchers { matchers: read, or_matchers: Vec::new() };
        self.all.push(Silence { id: id.clone(), posted, updated: now, read });
        Ok(id)
    }

    /// Ends one.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn expire(&mut self, id: &str, now: Timestamp) -> Result<(), String> {
        let found = self.all.iter_mut().find(|one| one.id == id).ok_or("silence not found")?;
        if found.posted.ends_at > now {
            (found.posted.ends_at, found.updated) = (now, now);
        }
        Ok(())
    }

    /// The ids of those that hold an alert of these labels back.
    pub fn of(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let holds = |one: &&Silence| one.state(now) == "active" && matches(labels, &one.read);
        self.all.iter().filter(holds).map(|one| one.id.clone()).collect()
    }

    fn uuid(&mut self) -> String {
        let parts = [8, 4, 3, 3, 12].map(|digits| self.chance.hex(digits));
        format!("{}-{}-4{}-8{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4])
    }
}

/// An alert as Alertmanager has it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The alert.
    pub alert: Alert,
    /// Its rule's expression.
    pub query: String,
    /// Since when it fires.
    pub starts: Timestamp,
    /// By which silences it is held back.
    pub silenced: Vec<String>,
    /// Whose alerts hold it back.
    pub inhibited: Vec<Labels>,
    /// To whom it goes.
    pub receivers: Vec<&'static str>,
}

/// All that fire.
pub fn held(rules: &[Rule], silences: &Silences, clock: Clock, now: Timestamp) -> Vec<Held> {
    let firing = |rule: &Rule| {
        let fires = rule.alerts.values().filter_map(|alert| Some((alert.clone(), alert.fires?)));
        fires.map(|(alert, at)| (alert, at, rule.query.clone())).collect::<Vec<_>>()
    };
    let all: Vec<(Alert, i64, String)> = rules.iter().flat_map(firing).collect();
    let down: Vec<Labels> =
        all.iter().filter(|one| named(&one.0, "ServiceDown")).map(|one| one.0.labels.clone()).collect();
    all.into_iter()
        .map(|(alert, at, query)| Held {
            silenced: silences.of(&alert.labels, now),
            inhibited: inhibitors(&alert, &down),
            receivers: receivers(&alert),
            starts: clock.moment(at),
            query,
            alert,
        })
        .collect()
}

fn named(alert: &Alert, name: &str) -> bool {
    alert.labels.get("alertname").is_some_and(|own| &**own == name)
}

/// As in the shipped alertmanager.yml: who is down need not also be slow.
fn inhibitors(alert: &Alert, down: &[Labels]) -> Vec<Labels> {
    if !named(alert, "HighErrorRate") && !named(alert, "HighResponseTime") {
        return Vec::new();
    }
    down.iter().filter(|of| of.get("instance") == alert.labels.get("instance")).cloned().collect()
}

/// As in the shipped alertmanager.yml.
fn receivers(alert: &Alert) -> Vec<&'static str> {
    match alert.labels.get("severity").map_or("", |severity| &**severity) {
        _ if named(alert, "Watchdog") => vec!["deadman"],
        "critical" => vec!["pagerduty-critical", "slack-alerts"],
        "warning" => vec!["email-alerts", "slack-alerts"],
        _ => vec!["slack-alerts"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(name: &str, value: &str, regex: bool, from: i64, to: i64) -> Posted {
        let at = |second| Timestamp::from_second(second).unwrap();
        let matchers = vec![Matching { name: name.into(), value: value.into(), is_regex: regex, is_equal: true }];
        Posted {
            id: None,
            matchers,
            starts_at: at(from),
            ends_at: at(to),
            created_by: "ada".into(),
            comment: "x".into(),
        }
    }

    #[test]
    fn a_silence_holds_back_what_it_matches_while_it_lasts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut silences = Silences::new(1);
        let labels: Labels = [("instance".into(), "10.0.1.4:8080".into())].into();
        let id = silences.post(posted("instance", "10\\.0\\.1\\.4:.*", true, 100, 200), at(50)).unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(silences.of(&labels, at(99)), Vec::<String>::new());
        assert_eq!(silences.of(&labels, at(100)), std::slice::from_ref(&id));
        silences.expire(&id, at(150)).unwrap();
        assert_eq!(silences.of(&labels, at(151)), Vec::<String>::new());
        assert_eq!(silences.all[0].state(at(151)), "expired");
        assert_eq!(silences.expire("none", at(1)).unwrap_err(), "silence not found");
    }

    #[test]
    fn what_alertmanager_refuses_is_refused() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut silences = Silences::new(1);
        for (posted, why) in [
            (posted("a", "b", false, 200, 100), "end time must not be before start time"),
            (posted("a", "b", false, 0, 40), "in the past"),
            (posted("a", "(", true, 0, 100), "invalid matcher"),
            (posted("a", "", false, 0, 100), "at least one matcher"),
        ] {
            let said = silences.post(posted, at(50)).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
