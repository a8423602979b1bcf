//! The answers of `GET /api/v2/alerts`, `/alerts/groups`, `/silences` and `/status` (Alertmanager API v2, since 0.16).

use crate::domain::alert::{Labels, fingerprint};
use crate::domain::{Alert, AlertState, Group, Inhibitor, Matcher, Member, Severity, Silence, SilenceState, Silencer};
use crate::sources::alerting::without_replica;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Why an answer is none of Alertmanager's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// An alert as Alertmanager has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    starts_at: Option<String>,
    fingerprint: Option<Arc<str>>,
    #[serde(rename = "generatorURL")]
    generator: Option<String>,
    #[serde(default)]
    receivers: Vec<Named>,
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: String,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<Arc<str>>,
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
    starts_at: String,
    ends_at: String,
    #[serde(default)]
    matchers: Vec<ListedMatcher>,
    status: ListedStatus,
}

#[derive(Deserialize)]
struct ListedStatus {
    #[serde(default)]
    state: SilenceState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    /// Since 0.22; before, every matcher was one that must match.
    #[serde(default = "yes")]
    is_equal: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Grouped {
    labels: Labels,
    receiver: Named,
    alerts: Vec<Posted>,
}

/// What a member says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    cluster: Cluster,
    uptime: Option<String>,
    #[serde(default)]
    version_info: VersionInfo,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    status: String,
    name: Option<String>,
    #[serde(default)]
    peers: Option<Vec<Peer>>,
}

/// A member as others know it: its name, and where it gossips.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VersionInfo {
    version: String,
}

/// What a member has, as far as it is compared: the alerts' and silences' identities with what they are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) alerts: BTreeMap<String, String>,
    pub(super) silences: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Held {
    fingerprint: String,
    labels: HeldLabels,
}

#[derive(Deserialize)]
struct HeldLabels {
    #[serde(default)]
    alertname: String,
}

/// The alerts of a member, by fingerprint.
pub(super) fn held_alerts(body: &[u8]) -> Result<BTreeMap<String, String>, Wrong> {
    let held: Vec<Held> = read(body)?;
    Ok(held.into_iter().map(|alert| (alert.fingerprint, alert.labels.alertname)).collect())
}

/// The silences of a member that are in force or to come, by id. Those that are over each forgets in its own time.
pub(super) fn held_silences(body: &[u8]) -> Result<BTreeMap<String, String>, Wrong> {
    let held = silences(body)?.into_iter().filter(|silence| silence.state != SilenceState::Expired);
    Ok(held.map(|silence| (silence.id, format!("that of {} ({})", silence.created_by, silence.comment))).collect())
}

impl Told {
    /// It belongs to a cluster.
    pub(super) fn gossips(&self) -> bool {
        self.cluster.status != "disabled"
    }

    /// Members of its cluster that it knows, itself included.
    pub(super) fn peers(&self) -> &[Peer] {
        self.cluster.peers.as_deref().unwrap_or_default()
    }

    /// It as a member at `address`, of which it told this at `now`.
    pub(super) fn member(&self, address: String, now: Timestamp) -> Member {
        let name = self.cluster.name.clone().unwrap_or_default();
        // As Alertmanager counts: among all names it knows, in the order of the alphabet.
        let before = self.peers().iter().filter(|peer| peer.name < name).count();
        let knows_itself = self.peers().iter().any(|peer| peer.name == name);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Member {
            address,
            up: true,
            version: self.version_info.version.clone(),
            started_at: self.uptime.as_ref().and_then(|at| at.parse().ok()),
            cluster: self.cluster.status.clone(),
            position: (self.gossips() && knows_itself).then_some(number(before)),
            peers: self.gossips().then_some(number(self.peers().len())),
            answered_at: Some(now),
            name,
            ..Member::default()
        }
    }
}

/// All alerts of an answer; a body that holds none is an error, never an empty list.
pub(super) fn alerts(body: &[u8]) -> Result<Vec<Posted>, Wrong> {
    read(body)
}

/// All silences of an answer. One whose time can't be read is left out: it is not known to cover anything.
pub(super) fn silences(body: &[u8]) -> Result<Vec<Silence>, Wrong> {
    let listed: Vec<Listed> = read(body)?;
    Ok(listed.into_iter().filter_map(Listed::into_silence).collect())
}

/// The group of each alert, by Alertmanager's fingerprint. An alert that several receivers get is in the first one's.
pub(super) fn groups(body: &[u8]) -> Result<HashMap<Arc<str>, Arc<Group>>, Wrong> {
    let grouped: Vec<Grouped> = read(body)?;
    let mut found = HashMap::new();
    for Grouped { labels, receiver, alerts } in grouped {
        let group = Arc::new(Group { receiver: receiver.name, labels });
        for alert in alerts {
            found.entry(alert.print()).or_insert_with(|| Arc::clone(&group));
        }
    }
    Ok(found)
}

/// What a member says of itself and its cluster.
pub(super) fn status(body: &[u8]) -> Result<Told, Wrong> {
    read(body)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| Wrong(error.to_string()))
}

/// What an answer with an error status says: a JSON string, or nothing that is worth showing.
pub(super) fn said(body: &[u8]) -> String {
    read(body).unwrap_or_default()
}

impl Listed {
    fn into_silence(self) -> Option<Silence> {
        let matcher = |told: ListedMatcher| {
            let ListedMatcher { name, value, is_regex, is_equal } = told;
            Matcher { name, value, is_regex, is_equal }
        };
        Some(Silence {
            starts_at: self.starts_at.parse().ok()?,
            ends_at: self.ends_at.parse().ok()?,
            id: self.id,
            created_by: self.created_by,
            comment: self.comment,
            state: self.status.state,
            matchers: self.matchers.into_iter().map(matcher).collect(),
            silences: Vec::new(),
        })
    }
}

/// What is known beside the alerts themselves, to tell by what they are held back.
#[derive(Default)]
pub(super) struct Known {
    /// Silences by id.
    pub(super) silencers: HashMap<String, Arc<Silencer>>,
    /// By Alertmanager's fingerprint: how others refer to an alert of this poll.
    pub(super) alerts: HashMap<Arc<str>, Inhibitor>,
    /// By Alertmanager's fingerprint.
    pub(super) groups: HashMap<Arc<str>, Arc<Group>>,
    /// Labels that only tell replicas apart.
    pub(super) replica_labels: Vec<String>,
}

impl Posted {
    /// Alertmanager's fingerprint.
    pub(super) fn print(&self) -> Arc<str> {
        self.fingerprint.clone().unwrap_or_else(|| fingerprint(&self.labels))
    }

    /// The ids of the silences that cover it.
    pub(super) fn silenced_by(&self) -> &[String] {
        &self.status.silenced_by
    }

    /// How it is called where it inhibits another.
    pub(super) fn reference(&self, replica_labels: &[String]) -> Inhibitor {
        let name = self.labels.get("alertname").cloned().unwrap_or_default();
        if replica_labels.iter().all(|label| !self.labels.contains_key(label)) {
            return Inhibitor { fingerprint: self.print(), name };
        }
        let mut labels = self.labels.clone();
        without_replica(&mut labels, replica_labels);
        Inhibitor { fingerprint: fingerprint(&labels), name }
    }

    /// The alert, with who or what holds it back.
    pub(super) fn into_alert(self, known: &Known) -> Alert {
        let print = self.print();
        let Inhibitor { fingerprint, name } = self.reference(&known.replica_labels);
        let Self { mut labels, annotations, starts_at, status, generator, receivers, .. } = self;
        without_replica(&mut labels, &known.replica_labels);
        // What is not known to be suppressed counts as firing: an alert must not get lost.
        let suppressed = status.state == "suppressed" || !status.muted_by.is_empty();
        let silencer = |id: String| {
            known.silencers.get(&id).cloned().unwrap_or_else(|| Arc::new(Silencer { id, ..Silencer::default() }))
        };
        let inhibitor = |print: Arc<str>| {
            let unknown = || Inhibitor { fingerprint: Arc::clone(&print), name: String::new() };
            known.alerts.get(&print).cloned().unwrap_or_else(unknown)
        };
        Alert {
            group: known.groups.get(&print).cloned(),
            fingerprint,
            name,
            state: if suppressed { AlertState::Suppressed } else { AlertState::Firing },
            severity: Severity::from_label(labels.get("severity").map(String::as_str)),
            labels,
            annotations,
            active_at: starts_at.and_then(|at| at.parse().ok()),
            value: None,
            query: generator.as_deref().and_then(expression),
            generator,
            receivers: receivers.into_iter().map(|receiver| receiver.name).collect(),
            silenced_by: status.silenced_by.into_iter().map(silencer).collect(),
            inhibited_by: status.inhibited_by.into_iter().map(inhibitor).collect(),
            muted_by: status.muted_by,
            series: None,
        }
    }
}

/// The expression in the link that Prometheus gave: the parameter `g0.expr`.
fn expression(generator: &str) -> Option<Arc<str>> {
    let url = reqwest::Url::parse(generator).ok()?;
    url.query_pairs().find(|(name, _)| name == "g0.expr").map(|(_, value)| value.as_ref().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALERTS: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/alerts.json");
    const SILENCES: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/silences.json");
    const PAIR: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/pair-alerts.json");
    const PAIR_SILENCES: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/pair-silences.json");
    const PAIR_GROUPS: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/pair-groups.json");
    const PAIR_STATUS: &[u8] = include_bytes!("../../../tests/fixtures/alertmanager/pair-status.json");

    fn known(silences: &[u8], posted: &[Posted], groups: HashMap<Arc<str>, Arc<Group>>) -> Known {
        let silencer = |silence: Silence| (silence.id.clone(), Arc::new(super::super::cluster::silencer(&silence)));
        Known {
            silencers: super::silences(silences).unwrap_or_default().into_iter().map(silencer).collect(),
            alerts: posted.iter().map(|posted| (posted.print(), posted.reference(&[]))).collect(),
            groups,
            replica_labels: Vec::new(),
        }
    }

    fn all(alerts: &[u8], silences: &[u8]) -> Vec<Alert> {
        let posted = super::alerts(alerts).unwrap();
        let known = known(silences, &posted, groups(PAIR_GROUPS).unwrap());
        posted.into_iter().map(|posted| posted.into_alert(&known)).collect()
    }

    fn named(name: &str) -> Alert {
        all(ALERTS, SILENCES).into_iter().find(|alert| alert.name == name).unwrap()
    }

    #[test]
    fn a_silenced_alert_tells_who_why_and_until_when() {
        let quiet = named("Quiet");
        assert_eq!((quiet.state, quiet.word()), (AlertState::Suppressed, "silenced"));
        let silence = &quiet.silenced_by[0];
        assert_eq!((silence.created_by.as_str(), silence.comment.as_str()), ("ops", "planned work"));
        assert_eq!(silence.ends_at.to_string(), "2026-11-24T22:00:06.986Z");
    }

    #[test]
    fn an_inhibited_alert_tells_by_which() {
        let infinite = named("Infinite");
        assert_eq!((infinite.state, infinite.word()), (AlertState::Suppressed, "inhibited"));
        let by = &infinite.inhibited_by[0];
        assert_eq!((&by.fingerprint, by.name.as_str()), (&named("ServiceDown").fingerprint, "ServiceDown"));
    }

    #[test]
    fn an_active_alert_is_firing_and_its_fingerprint_is_ours() {
        let down = named("ServiceDown");
        assert_eq!((down.state, down.severity), (AlertState::Firing, Severity::Critical));
        assert_eq!(down.fingerprint, fingerprint(&down.labels));
        assert_eq!(down.active_at.unwrap().to_string(), "2026-11-24T20:00:01.946Z");
        assert_eq!(down.query.as_deref(), Some("vector(1) > 0"));
        assert_eq!(down.receivers, ["none"]);
    }

    /// Written by hand after the API of 0.28: the one installed here is older.
    #[test]
    fn newer_and_older_servers_are_read() {
        let body = br#"[{"labels":{"alertname":"A"},"status":{"state":"active","mutedBy":["night"]}},
                        {"labels":{"alertname":"B"},"status":{"state":"unprocessed"}},
                        {"labels":{"alertname":"C"},"status":{"state":"suppressed","silencedBy":["x"],"mutedBy":["night"]}}]"#;
        let alerts = all(body, b"[]");
        let words: Vec<&str> = alerts.iter().map(Alert::word).collect();
        assert_eq!(words, ["muted", "firing", "silenced"]);
        assert_eq!(alerts[0].muted_by, ["night"]);
    }

    #[test]
    fn the_silences_of_a_real_server_are_read_in_every_state() {
        let silences = silences(PAIR_SILENCES).unwrap();
        let by = |state| silences.iter().filter(|silence| silence.state == state).count();
        let counts = (by(SilenceState::Active), by(SilenceState::Pending), by(SilenceState::Expired));
        assert_eq!(counts, (2, 1, 1));
        let drained = silences.iter().find(|silence| silence.created_by == "grace").unwrap();
        let mut text = String::new();
        drained.write_matchers(&mut text);
        assert_eq!(text, r#"instance=~"old-.*", severity!="critical""#);
        assert!(drained.starts_at < drained.ends_at && drained.starts_at > Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn the_groups_of_a_real_server_are_those_of_its_routes() {
        let alerts = all(PAIR, PAIR_SILENCES);
        let down: Vec<&Alert> = alerts.iter().filter(|alert| alert.name == "ServiceDown").collect();
        assert_eq!(down.len(), 2);
        assert_eq!(down[0].group, down[1].group);
        let group = down[0].group.as_ref().unwrap();
        let mut text = String::new();
        group.write(&mut text);
        assert_eq!((group.receiver.as_str(), text.as_str()), ("ops", r#"alertname="ServiceDown", cluster="eu""#));
        let watchdog = alerts.iter().find(|alert| alert.name == "Watchdog").unwrap();
        assert_eq!(watchdog.group.as_ref().unwrap().receiver, "deadman");
    }

    #[test]
    fn replicas_are_one_alert_where_their_label_is_named() {
        let body = br#"[{"labels":{"alertname":"A","replica":"a"},"status":{"state":"active"}},
                        {"labels":{"alertname":"B"},"status":{"state":"suppressed","inhibitedBy":["F"]}}]"#;
        let posted = super::alerts(body).unwrap();
        let replica_labels = vec!["replica".to_owned()];
        let first = posted[0].reference(&replica_labels);
        let known = Known { alerts: [("F".into(), first.clone())].into(), replica_labels, ..Known::default() };
        let alerts: Vec<Alert> = posted.into_iter().map(|posted| posted.into_alert(&known)).collect();
        assert_eq!(alerts[0].fingerprint, fingerprint(&[("alertname".to_owned(), "A".to_owned())].into()));
        assert_eq!(alerts[1].inhibited_by, [first]);
    }

    #[test]
    fn a_member_tells_of_its_cluster() {
        let status = status(PAIR_STATUS).unwrap();
        assert_eq!((status.gossips(), status.peers().len()), (true, 2));
        let member = status.member("http://a".to_owned(), Timestamp::UNIX_EPOCH);
        assert_eq!((member.version.as_str(), member.cluster.as_str()), ("0.25.0", "ready"));
        assert_eq!((member.position, member.peers), (Some(1), Some(2)));
        assert_eq!(member.started_at.unwrap().to_string(), "2026-11-25T15:29:09.895Z");
        let alone = super::status(br#"{"cluster":{"status":"disabled","peers":null}}"#).unwrap();
        assert_eq!((alone.gossips(), alone.peers().len()), (false, 0));
        let alone = alone.member(String::new(), Timestamp::UNIX_EPOCH);
        assert_eq!((alone.position, alone.peers, alone.started_at), (None, None, None));
    }

    #[test]
    fn what_a_member_has_is_read_without_what_is_over() {
        let (alerts, silences) = (held_alerts(PAIR).unwrap(), held_silences(PAIR_SILENCES).unwrap());
        assert_eq!(alerts["399832d02899ba46"], "DiskFilling");
        assert_eq!(silences.len(), 3);
        assert!(silences.values().any(|name| name == "that of grace (old pool is being drained)"), "{silences:?}");
    }

    #[test]
    fn what_is_no_answer_is_never_an_empty_list() {
        for body in ["", "{}", "<html>", "null", r#"[{"labels":{}}]"#] {
            assert!(alerts(body.as_bytes()).is_err(), "{body}");
            assert!(groups(body.as_bytes()).is_err(), "{body}");
            assert!(silences(body.as_bytes()).is_err(), "{body}");
            assert!(status(body.as_bytes()).is_err(), "{body}");
        }
        assert!(alerts(&ALERTS[..ALERTS.len() / 2]).is_err());
        assert!(alerts(b"[]").unwrap().is_empty());
    }

    #[test]
    fn an_error_is_said_as_it_was_said() {
        assert_eq!(said(br#""bad matcher format: {""#), "bad matcher format: {");
        assert_eq!(said(b"<html>"), "");
    }

    #[test]
    fn the_expression_is_read_from_the_link() {
        assert_eq!(
            expression("http://p/graph?g0.expr=up%7Ba%3D%22b%22%7D+%3C+1&g0.tab=1").as_deref(),
            Some("up{a=\"b\"} < 1")
        );
        assert_eq!(expression("https://grafana/alerting/1/view"), None);
        assert_eq!(expression("?"), None);
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
            let posted = alerts(&mutate(PAIR)).unwrap_or_default();
            let known = known(&mutate(PAIR_SILENCES), &posted, groups(&mutate(PAIR_GROUPS)).unwrap_or_default());
            for posted in posted {
                let _ = posted.into_alert(&known);
            }
            let _ = (alerts(&bytes), said(&bytes), held_alerts(&mutate(PAIR)), held_silences(&bytes));
            let _ = status(&mutate(PAIR_STATUS)).map(|told| told.member(String::new(), Timestamp::UNIX_EPOCH));
        }
    }
}
