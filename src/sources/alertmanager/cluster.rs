//! The members of one cluster as one source.
//!
//! They know the same, so for the alerts they are asked in turn, beginning with the one that answered last, until one
//! does. How each member is, the silences and the groups are asked less often: they are long, or change seldom. An answer
//! about them that fails is a gap in the report; only when no member tells the alerts the poll fails.

use super::members::{self, Holdings};
use super::parse::{self, Holding, Known, Posted, Told, Wrong};
use crate::clock;
use crate::connect::Web;
use crate::connect::http::{self, BaseUrl};
use crate::domain::{
    Alert, AlertReport, Gap, Group, Member, Severity, Silence, SilenceState, Silencer, Snapshot, SourceError, Topic,
    Trouble,
};
use crate::sources::Source;
use crate::sources::alerting::{Kept, Watchdog};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "Alertmanager";
/// How long an answer about silences and members is believed. A silence that an alert names and nobody knows is asked for at
/// once.
const BELIEVED: Duration = Duration::from_secs(15);
/// Groups follow from the routes, so that only those of new alerts are news: asked for with the answer that first tells of one, and for the
/// sake of those that were in no group then, this often.
const GROUPS_APART: Duration = Duration::from_secs(10);
/// What each member has is compared this often: every alert and silence of every member is asked for.
const COMPARED: Duration = Duration::from_mins(1);
/// And this soon again while they differ.
const COMPARED_AGAIN: Duration = Duration::from_secs(10);
/// And at least this often.
const GROUPS_BELIEVED: Duration = Duration::from_mins(2);

pub(super) struct Cluster {
    pub(super) web: Web,
    pub(super) urls: Vec<BaseUrl>,
    /// Each member's share of the timeout.
    pub(super) share: Duration,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) replica_labels: Vec<String>,
    /// The member that answered last.
    pub(super) last: usize,
    pub(super) kept: Kept,
    pub(super) silences: Asked<Vec<Silence>>,
    pub(super) groups: Asked<HashMap<Arc<str>, Arc<Group>>>,
    /// Alerts that were in no group when those were asked for last.
    pub(super) ungrouped: HashSet<Arc<str>>,
    pub(super) members: Asked<Vec<(Member, Option<Told>)>>,
    /// What each member has.
    pub(super) holdings: Holdings,
    pub(super) compared_at: Option<Instant>,
}

/// What was answered last, when, and why not since.
pub(super) struct Asked<T> {
    data: T,
    at: Option<Instant>,
    why: Option<SourceError>,
}

impl<T: Default> Default for Asked<T> {
    fn default() -> Self {
        Self { data: T::default(), at: None, why: None }
    }
}

impl<T> Asked<T> {
    fn is_older(&self, than: Duration) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= than)
    }

    /// What came before is kept beside the reason why nothing new did.
    fn take(&mut self, answer: Result<T, SourceError>) {
        self.at = Some(Instant::now());
        match answer {
            Ok(data) => {
                self.data = data;
                self.why = None;
            }
            Err(why) => self.why = Some(why),
        }
    }

    fn gap(&self, topic: Topic) -> Option<Gap> {
        self.why.clone().map(|why| Gap { topic, why })
    }
}

#[async_trait]
impl Source for Cluster {
    fn place(&self) -> String {
        let urls: Vec<String> = self.urls.iter().map(ToString::to_string).collect();
        format!("Alertmanager at {}", urls.join(", "))
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let posted = self.alerts().await?;
        self.ask_the_rest(&posted).await;
        Ok(Snapshot::Alerts(self.report(posted)))
    }
}

impl Cluster {
    /// From the first member that answers, in turn.
    async fn alerts(&mut self) -> Result<Vec<Posted>, SourceError> {
        let mut failures: Vec<SourceError> = Vec::new();
        for turn in 0..self.urls.len() {
            let member = (self.last + turn) % self.urls.len();
            match self.ask(member, "api/v2/alerts", parse::alerts).await {
                Ok(posted) => {
                    self.last = member;
                    return Ok(posted);
                }
                Err(failure) => {
                    // How the members are is told by what just happened, not by what was believed.
                    self.members.at = None;
                    failures.push(failure);
                }
            }
        }
        let hint = failures.first().map_or_else(String::new, |failure| failure.hint.clone());
        let what: Vec<String> = failures.into_iter().map(|failure| failure.what).collect();
        Err(SourceError::new(what.join("; "), hint))
    }

    async fn ask_the_rest(&mut self, posted: &[Posted]) {
        let (silences, groups, members, holdings) =
            tokio::join!(self.ask_silences(posted), self.ask_groups(posted), self.ask_members(), self.ask_holdings());
        if let Some(answer) = silences {
            self.silences.take(answer);
        }
        if let Some(answer) = groups {
            self.groups.take(answer);
            self.ungrouped = self.not_in_a_group(posted).collect();
        }
        if let Some(members) = members {
            self.members.take(Ok(members));
        }
        if let Some(holdings) = holdings {
            self.holdings.take(holdings);
            self.compared_at = Some(Instant::now());
        }
    }

    async fn ask_silences(&self, posted: &[Posted]) -> Option<Result<Vec<Silence>, SourceError>> {
        let is_known = |id: &String| self.silences.data.iter().any(|silence| silence.id == *id);
        let all_known = || posted.iter().flat_map(Posted::silenced_by).all(is_known);
        if !self.silences.is_older(BELIEVED) && all_known() {
            return None;
        }
        Some(self.ask(self.last, "api/v2/silences", parse::silences).await)
    }

    async fn ask_groups(&self, posted: &[Posted]) -> Option<Result<HashMap<Arc<str>, Arc<Group>>, SourceError>> {
        let limit = match () {
            // Whoever acknowledges it names its group: that comes with the alert.
            () if self.not_in_a_group(posted).any(|print| !self.ungrouped.contains(&print)) => Duration::ZERO,
            () if self.not_in_a_group(posted).next().is_some() => GROUPS_APART,
            () => GROUPS_BELIEVED,
        };
        if !self.groups.is_older(limit) {
            return None;
        }
        Some(self.ask(self.last, "api/v2/alerts/groups", parse::groups).await)
    }

    fn not_in_a_group(&self, posted: &[Posted]) -> impl Iterator<Item = Arc<str>> {
        posted.iter().map(Posted::print).filter(|print| !self.groups.data.contains_key(print))
    }

    /// All at once: one that hangs must not hide how the others are.
    async fn ask_members(&self) -> Option<Vec<(Member, Option<Told>)>> {
        if !self.members.is_older(BELIEVED) {
            return None;
        }
        let asked = (0..self.urls.len()).map(async |member| {
            let address = self.urls[member].to_string();
            match self.ask(member, "api/v2/status", parse::status).await {
                Ok(told) => (told.member(address, clock::now().wall), Some(told)),
                Err(failure) => {
                    // When it answered last is still worth knowing.
                    let before = self.members.data.get(member).and_then(|(known, _)| known.answered_at);
                    (Member { address, why: failure.what, answered_at: before, ..Member::default() }, None)
                }
            }
        });
        Some(join_all(asked).await)
    }

    /// What each has; of a single one that is known already.
    async fn ask_holdings(&self) -> Option<Vec<Option<Holding>>> {
        let apart = if self.holdings.differ() { COMPARED_AGAIN } else { COMPARED };
        if self.urls.len() < 2 || self.compared_at.is_some_and(|at| at.elapsed() < apart) {
            return None;
        }
        let asked = (0..self.urls.len()).map(async |member| {
            let (alerts, silences) = tokio::join!(
                self.ask(member, "api/v2/alerts", parse::held_alerts),
                self.ask(member, "api/v2/silences", parse::held_silences)
            );
            Some(Holding { alerts: alerts.ok()?, silences: silences.ok()? })
        });
        Some(join_all(asked).await)
    }

    /// Those that are asked, then those that only they know.
    fn told_members(&self, alerts: usize) -> Vec<Member> {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut asked: Vec<Member> = self.members.data.iter().map(|(member, _)| member.clone()).collect();
        asked.iter_mut().enumerate().for_each(|(index, member)| self.holdings.add_to(index, member));
        if let ([only], 1) = (asked.as_mut_slice(), self.urls.len()) {
            let held = self.silences.data.iter().filter(|silence| silence.state != SilenceState::Expired).count();
            only.alerts = only.up.then_some(number(alerts));
            only.silences = (only.up && self.silences.why.is_none()).then_some(number(held));
        }
        asked.extend(members::unasked(&self.members.data));
        asked
    }

    async fn ask<T>(
        &self,
        member: usize,
        path: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Wrong>,
    ) -> Result<T, SourceError> {
        let url = &self.urls[member];
        // Half for the alerts, half for the rest.
        let reply = http::get(&self.web, NAME, url, path, self.share / 2).await?;
        if !(200..300).contains(&reply.status) {
            return Err(http::refused(NAME, url, reply.status, &parse::said(&reply.body)));
        }
        parse(&reply.body).map_err(|why| http::not_the_api(NAME, url, &why.0))
    }

    fn report(&mut self, posted: Vec<Posted>) -> AlertReport {
        let known = Known {
            silencers: self.silences.data.iter().map(|s| (s.id.clone(), Arc::new(silencer(s)))).collect(),
            alerts: posted.iter().map(|posted| (posted.print(), posted.reference(&self.replica_labels))).collect(),
            groups: std::mem::take(&mut self.groups.data),
            replica_labels: self.replica_labels.clone(),
        };
        let held = posted.len();
        let mut told: Vec<Alert> = posted.into_iter().map(|posted| posted.into_alert(&known)).collect();
        self.groups.data = known.groups;
        if !self.replica_labels.is_empty() {
            // Of the replicas of an alert the loudest is kept.
            told.sort_by_key(|alert| Reverse(alert.state));
        }
        let alerts = self.kept.keep(told);
        let mut troubles: Vec<Trouble> =
            self.watchdog.iter().filter_map(|watchdog| watchdog.trouble(&alerts)).collect();
        troubles.extend(cluster_troubles(&self.members.data));
        troubles.extend(self.holdings.troubles(&self.members.data));
        let gaps = [self.silences.gap(Topic::Silences), self.groups.gap(Topic::Groups)];
        AlertReport {
            silences: covering(&self.silences.data, &alerts),
            alerts,
            members: self.told_members(held),
            troubles,
            gaps: gaps.into_iter().flatten().collect(),
            ..AlertReport::default()
        }
    }
}

/// What an alert has to know of a silence.
pub(super) fn silencer(silence: &Silence) -> Silencer {
    let Silence { id, created_by, comment, ends_at, .. } = silence.clone();
    Silencer { id, created_by, comment, ends_at }
}

/// The silences, each with the alerts that it covers just now.
fn covering(silences: &[Silence], alerts: &[Arc<Alert>]) -> Vec<Silence> {
    let mut by_id: HashMap<&str, Vec<Arc<str>>> = HashMap::new();
    for alert in alerts {
        for silencer in &alert.silenced_by {
            by_id.entry(&silencer.id).or_default().push(Arc::clone(&alert.fingerprint));
        }
    }
    let with = |silence: &Silence| Silence {
        silences: by_id.remove(silence.id.as_str()).unwrap_or_default(),
        ..silence.clone()
    };
    silences.iter().map(with).collect()
}

/// Members that are down, and members that do not know each other.
fn cluster_troubles(members: &[(Member, Option<Told>)]) -> Vec<Trouble> {
    let warning = |what: String, hint: &str| Trouble { severity: Severity::Warning, what, hint: hint.to_owned() };
    let mut troubles = Vec::new();
    for (member, _) in members.iter().filter(|(member, _)| !member.up) {
        troubles.push(warning(
            format!("a member of the cluster is down: {}", member.why),
            "the others go on, but nobody takes over from them: start it again",
        ));
    }
    let up = members.iter().filter_map(|(member, told)| Some((member, told.as_ref()?)));
    let answering = up.clone().count();
    for (member, told) in up.filter(|_| answering > 1) {
        let address = &member.address;
        if !told.gossips() {
            troubles.push(warning(
                format!("{address} is in no cluster: it neither knows the others' silences nor what they notified"),
                "let them gossip (--cluster.peer), or write each as a table of its own",
            ));
        } else if told.peers().len() < answering {
            troubles.push(warning(
                format!(
                    "the cluster is split: {address} knows {} of {answering} members that answer",
                    told.peers().len()
                ),
                "look at the network between them (port 9094, TCP and UDP)",
            ));
        }
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(address: &str, status: Option<(&str, usize)>) -> (Member, Option<Told>) {
        let why =
            if status.is_some() { String::new() } else { format!("Alertmanager at {address}: nothing listens there") };
        let told = status.map(|(word, peers)| {
            let peers = vec![serde_json::json!({}); peers];
            let body = serde_json::json!({"cluster": {"status": word, "peers": peers}});
            parse::status(body.to_string().as_bytes()).unwrap()
        });
        (Member { address: address.to_owned(), up: told.is_some(), why, ..Member::default() }, told)
    }

    fn told(members: &[(Member, Option<Told>)]) -> Vec<String> {
        cluster_troubles(members).into_iter().map(|trouble| trouble.what).collect()
    }

    #[test]
    fn a_whole_cluster_and_a_single_one_are_no_trouble() {
        assert!(told(&[member("a", Some(("ready", 2))), member("b", Some(("ready", 2)))]).is_empty());
        assert!(told(&[member("a", Some(("disabled", 0)))]).is_empty());
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn members_that_are_down_or_apart_are_told() {
        let down = told(&[member("a", Some(("ready", 1))), member("b", None)]);
        assert_eq!(down, ["a member of the cluster is down: Alertmanager at b: nothing listens there"]);
        let split = told(&[member("a", Some(("ready", 1))), member("b", Some(("ready", 2)))]);
        assert_eq!(split, ["the cluster is split: a knows 1 of 2 members that answer"]);
        let strangers = told(&[member("a", Some(("disabled", 0))), member("b", Some(("disabled", 0)))]);
        assert_eq!(strangers.len(), 2);
        assert!(strangers[0].starts_with("a is in no cluster"), "{}", strangers[0]);
    }

    #[test]
    fn a_silence_knows_what_it_hides() {
        let silence = |id: &str| Silence { id: id.to_owned(), ..Silence::default() };
        let by = |id: &str| Arc::new(silencer(&silence(id)));
        let alert = Alert { fingerprint: "f".into(), silenced_by: vec![by("used")], ..Alert::default() };
        let covering = covering(&[silence("used"), silence("idle")], &[Arc::new(alert)]);
        assert_eq!(covering[0].silences, ["f".into()]);
        assert!(covering[1].silences.is_empty());
    }
}
