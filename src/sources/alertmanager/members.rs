//! The members of a cluster compared: how each is, what each has, and what one lacks that others have. Pure.
//!
//! Each Prometheus sends its alerts to every member, and silences travel between them by gossip. So for some seconds one may
//! lack what others have already; only what is missing twice in a row is missing.

use super::parse::{Holding, Told};
use crate::domain::{Member, Severity, Trouble};
use std::collections::{BTreeMap, BTreeSet};

/// Names told of what a member lacks.
const NAMED: usize = 3;

/// What is known of what each has, in the order of the addresses.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// `None`: not known, for it did not answer.
    has: Vec<Option<Holding>>,
    /// What each lacked at the last look.
    missing: Vec<Holding>,
    /// What each lacked at the last two looks.
    lacks: Vec<Holding>,
}

impl Holdings {
    /// Takes in a new look at all of them.
    pub(super) fn take(&mut self, has: Vec<Option<Holding>>) {
        let missing: Vec<Holding> =
            has.iter().map(|own| own.as_ref().map_or_else(Holding::default, |own| missing(own, &has))).collect();
        let none = Holding::default();
        let again = |(index, now): (usize, &Holding)| both(now, self.missing.get(index).unwrap_or(&none));
        self.lacks = missing.iter().enumerate().map(again).collect();
        (self.has, self.missing) = (has, missing);
    }

    /// They differ: to be looked at again soon.
    pub(super) fn differ(&self) -> bool {
        self.missing.iter().any(|missing| *missing != Holding::default())
    }

    /// Writes what a member has and lacks into what is told of it.
    pub(super) fn add_to(&self, index: usize, member: &mut Member) {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let has = self.has.get(index).and_then(Option::as_ref).filter(|_| member.up);
        member.alerts = has.map(|has| number(has.alerts.len()));
        member.silences = has.map(|has| number(has.silences.len()));
        if let Some(lacks) = self.lacks.get(index).filter(|_| member.up) {
            (member.lacks_alerts, member.lacks_silences) = (number(lacks.alerts.len()), number(lacks.silences.len()));
        }
    }

    /// What members lack, as trouble.
    pub(super) fn troubles(&self, members: &[(Member, Option<Told>)]) -> Vec<Trouble> {
        let pairs = members.iter().zip(&self.lacks).filter(|((member, _), _)| member.up);
        pairs.flat_map(|((member, _), lacks)| {
            let alerts = trouble(member, "alert", &lacks.alerts, "let every Prometheus notify each member: what balances the load before them loses alerts");
            let silences = trouble(member, "silence", &lacks.silences, "there people are notified of what these hide: look at the network between the members (port 9094, TCP and UDP)");
            alerts.into_iter().chain(silences)
        }).collect()
    }
}

fn trouble(member: &Member, what: &str, lacks: &BTreeMap<String, String>, hint: &str) -> Option<Trouble> {
    let names: BTreeSet<&str> = lacks.values().map(String::as_str).collect();
    let more = if names.len() > NAMED { ", …" } else { "" };
    let names: Vec<&str> = names.into_iter().take(NAMED).collect();
    let plural = if lacks.len() == 1 { "" } else { "s" };
    (!lacks.is_empty()).then(|| Trouble {
        severity: Severity::Warning,
        what: format!(
            "{} lacks {} {what}{plural} that another member has: {}{more}",
            member.address,
            lacks.len(),
            names.join(", ")
        ),
        hint: hint.to_owned(),
    })
}

/// What others have and `own` has not.
fn missing(own: &Holding, all: &[Option<Holding>]) -> Holding {
    let lacks = |part: fn(&Holding) -> &BTreeMap<String, String>| {
        let others = all.iter().flatten().flat_map(part);
        others.filter(|(id, _)| !part(own).contains_key(*id)).map(|(id, name)| (id.clone(), name.clone())).collect()
    };
    Holding { alerts: lacks(|holding| &holding.alerts), silences: lacks(|holding| &holding.silences) }
}

fn both(now: &Holding, before: &Holding) -> Holding {
    let common = |now: &BTreeMap<String, String>, before: &BTreeMap<String, String>| {
        now.iter().filter(|(id, _)| before.contains_key(*id)).map(|(id, name)| (id.clone(), name.clone())).collect()
    };
    Holding { alerts: common(&now.alerts, &before.alerts), silences: common(&now.silences, &before.silences) }
}

/// Members that those who answer know and nobody asks.
pub(super) fn unasked(members: &[(Member, Option<Told>)]) -> Vec<Member> {
    let told = || members.iter().filter_map(|(_, told)| told.as_ref());
    let asked: BTreeSet<&str> = members.iter().map(|(member, _)| member.name.as_str()).collect();
    let peers =
        told().flat_map(Told::peers).filter(|peer| !peer.name.is_empty() && !asked.contains(peer.name.as_str()));
    let by_name: BTreeMap<&str, &str> = peers.map(|peer| (peer.name.as_str(), peer.address.as_str())).collect();
    // Those that are asked and do not answer have no name here: as many of these are most likely they, each told under its own line.
    let silent = members.iter().filter(|(member, _)| !member.up).count();
    if by_name.len() <= silent {
        return Vec::new();
    }
    let why =
        if silent > 0 { "not asked, or one of those that do not answer" } else { "not among the urls in the config" };
    let unasked = by_name.into_iter().map(|(name, address)| Member {
        address: address.to_owned(),
        name: name.to_owned(),
        unasked: true,
        why: why.to_owned(),
        ..Member::default()
    });
    unasked.collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn holding(alerts: &[&str], silences: &[&str]) -> Holding {
        let named = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), id.to_uppercase())).collect();
        Holding { alerts: named(alerts), silences: named(silences) }
    }

    fn up(address: &str, name: &str, peers: &[&str]) -> (Member, Option<Told>) {
        let peers: Vec<_> =
            peers.iter().map(|name| serde_json::json!({"name": name, "address": format!("{name}:9094")})).collect();
        let body = serde_json::json!({"cluster": {"status": "ready", "name": name, "peers": peers}});
        let told = parse::status(body.to_string().as_bytes()).unwrap();
        (told.member(address.to_owned(), jiff::Timestamp::UNIX_EPOCH), Some(told))
    }

    #[test]
    fn what_one_lacks_twice_in_a_row_is_told() {
        let members = [up("http://a", "A", &["A", "B"]), up("http://b", "B", &["A", "B"])];
        let mut holdings = Holdings::default();
        let differing = || vec![Some(holding(&["x", "y"], &["s"])), Some(holding(&["x"], &[]))];
        holdings.take(differing());
        assert!(holdings.differ() && holdings.troubles(&members).is_empty());
        holdings.take(differing());
        let told: Vec<String> = holdings.troubles(&members).into_iter().map(|trouble| trouble.what).collect();
        assert_eq!(
            told,
            [
                "http://b lacks 1 alert that another member has: Y",
                "http://b lacks 1 silence that another member has: S"
            ]
        );
        let mut member = members[1].0.clone();
        holdings.add_to(1, &mut member);
        assert_eq!(
            (member.alerts, member.silences, member.lacks_alerts, member.lacks_silences),
            (Some(1), Some(0), 1, 1)
        );
        assert_eq!(member.judge(), Severity::Warning);
        // It caught up, and something else is on its way.
        holdings.take(vec![Some(holding(&["x", "y", "z"], &["s"])), Some(holding(&["x", "y"], &["s"]))]);
        assert!(holdings.differ() && holdings.troubles(&members).is_empty());
        holdings.take(vec![Some(holding(&["x"], &[])), None]);
        assert!(!holdings.differ(), "of one that does not answer nobody knows what it has");
    }

    #[test]
    fn peers_that_nobody_asks_are_told_once() {
        let members = [up("http://a", "A", &["A", "C"]), up("http://b", "B", &["A", "B", "C"])];
        let unasked = unasked(&members);
        assert_eq!(unasked.len(), 1);
        assert_eq!(
            (unasked[0].name.as_str(), unasked[0].address.as_str(), unasked[0].judge()),
            ("C", "C:9094", Severity::Info)
        );
    }

    #[test]
    fn a_member_that_is_down_is_not_told_twice() {
        let down = (Member { address: "http://b".to_owned(), ..Member::default() }, None);
        assert!(super::unasked(&[up("http://a", "A", &["A", "B"]), down]).is_empty());
    }
}
