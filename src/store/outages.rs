//! When servers were not well, as this program saw it: their health address failed, nobody who ought to tell of them did, or a
//! figure was past a limit.

use crate::domain::Severity;
use jiff::Timestamp;
use std::collections::HashMap;

/// Kept of one server.
const KEPT: usize = 20;
/// Servers of which any are kept.
const MOST: usize = 500;

/// How a server was away, or not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Its health address said so.
    Down,
    /// None of its sources answered.
    Silent,
    /// A figure was past a limit.
    Past {
        /// How bad.
        severity: Severity,
        /// Which one was the first: `cpu`, `disk` …
        what: &'static str,
    },
}

impl Away {
    /// In words.
    pub fn words(self) -> String {
        match self {
            Self::Down => "down".to_owned(),
            Self::Silent => "no answer".to_owned(),
            Self::Past { severity, what } => format!("{} {what}", severity.word()),
        }
    }

    /// It goes on, though the worst figure may be another one by now.
    fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Past { severity: a, .. }, Self::Past { severity: b, .. }) => a == b,
            (one, other) => one == other,
        }
    }
}

/// One time of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// How.
    pub away: Away,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None`: still.
    pub to: Option<Timestamp>,
}

/// Those of all servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Outages {
    /// When watching began.
    pub(super) since: Option<Timestamp>,
    by: HashMap<String, Vec<Outage>>,
}

impl Outages {
    /// Notes how a server is now.
    pub(super) fn note(&mut self, server: &str, away: Option<Away>, now: Timestamp) {
        let known = self.by.contains_key(server);
        if !known && (away.is_none() || self.by.len() >= MOST) {
            return;
        }
        let list = self.by.entry(server.to_owned()).or_default();
        let open = list.last_mut().filter(|last| last.to.is_none());
        match (open, away) {
            (Some(open), Some(away)) if open.away.is_like(away) => {}
            (open, away) => {
                if let Some(open) = open {
                    open.to = Some(now);
                }
                list.extend(away.map(|away| Outage { away, from: now, to: None }));
                list.drain(..list.len().saturating_sub(KEPT));
            }
        }
    }

    /// Those of one server, oldest first.
    pub(super) fn of(&self, server: &str) -> &[Outage] {
        self.by.get(server).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn one_lasts_from_the_first_failure_to_the_first_success() {
        let mut outages = Outages::default();
        for (second, away) in
            [(0, None), (5, Some(Away::Down)), (6, Some(Away::Down)), (9, None), (10, None), (20, Some(Away::Silent))]
        {
            outages.note("a", away, at(second));
        }
        let first = Outage { away: Away::Down, from: at(5), to: Some(at(9)) };
        assert_eq!(outages.of("a"), [first, Outage { away: Away::Silent, from: at(20), to: None }]);
        assert!(outages.of("b").is_empty());
    }

    #[test]
    fn another_kind_ends_the_one_before_and_no_more_than_so_many_are_kept() {
        let mut outages = Outages::default();
        for second in 0..100 {
            let away = if second % 2 == 0 { Away::Down } else { Away::Silent };
            outages.note("a", Some(away), at(second));
        }
        assert_eq!(outages.of("a").len(), KEPT);
        assert!(outages.of("a").windows(2).all(|pair| pair[0].to == Some(pair[1].from)));
    }
}
