//! The rows that fences have found so far, by name: those of the run, and on each host of a rollout those that were found there.

use crate::runbook::plan::{PlannedStep, Rows};
use std::collections::BTreeMap;

/// Rows by name, as one fence sees them.
pub(super) type Named = BTreeMap<String, Rows>;

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    whole: Named,
    hosts: BTreeMap<String, Named>,
}

impl Captured {
    /// The rows that were approved.
    pub(super) fn of_plan(steps: &[PlannedStep]) -> Self {
        let mut captured = Self::default();
        for step in steps {
            if let Some(rows) = &step.rows {
                captured.insert(step.host.as_deref(), rows.clone());
            }
        }
        captured
    }

    /// What a step sees: on a host of a rollout, nothing of the others.
    pub(super) fn seen_on(&self, host: Option<&str>) -> &Named {
        host.and_then(|host| self.hosts.get(host)).unwrap_or(&self.whole)
    }

    /// What a host sees, for whoever is there.
    pub(super) fn of_host(&self, host: Option<&str>) -> Self {
        let seen = self.seen_on(host).clone();
        match host {
            Some(host) => Self { whole: self.whole.clone(), hosts: [(host.to_owned(), seen)].into() },
            None => Self { whole: seen, hosts: BTreeMap::new() },
        }
    }

    /// What was found on a host since.
    pub(super) fn take_over(&mut self, host: Option<&str>, other: &Self) {
        if let Some((host, named)) = host.and_then(|host| Some((host, other.hosts.get(host)?))) {
            self.hosts.insert(host.to_owned(), named.clone());
        }
    }

    /// What was found outside of rollouts every host sees.
    pub(super) fn insert(&mut self, host: Option<&str>, rows: Rows) {
        match host {
            Some(host) => {
                let whole = &self.whole;
                self.hosts.entry(host.to_owned()).or_insert_with(|| whole.clone()).insert(rows.name.clone(), rows);
            }
            None => {
                for named in self.hosts.values_mut().chain([&mut self.whole]) {
                    named.insert(rows.name.clone(), rows.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(name: &str, n: i64) -> Rows {
        Rows { name: name.to_owned(), rows: vec![json!({ "n": n })], ..Rows::default() }
    }

    #[test]
    fn a_host_sees_the_whole_runs_rows_and_its_own_and_no_other_hosts() {
        let mut captured = Captured::default();
        captured.insert(None, rows("all", 1));
        captured.insert(Some("a"), rows("before", 2));
        captured.insert(Some("b"), rows("before", 3));
        captured.insert(None, rows("later", 4));
        let names = |host| captured.seen_on(host).keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(Some("a")), ["all", "before", "later"]);
        assert_eq!(captured.seen_on(Some("b"))["before"], rows("before", 3));
        assert_eq!(names(None), ["all", "later"]);
        assert_eq!(names(Some("c")), ["all", "later"]);
    }
}
