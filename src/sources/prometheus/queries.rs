//! The rules' expressions, as the slow part read them last, for the alerts of the fast part.

use crate::domain::{Alert, Rule};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Alerting rules by the name of their alerts.
type ByName = HashMap<String, Vec<Rule>>;

/// Shared by the parts of one Prometheus. Empty until its rules were read.
#[derive(Debug, Default)]
pub(super) struct Queries(Mutex<Arc<ByName>>);

impl Queries {
    /// Takes in the rules of a poll.
    pub(super) fn learn(&self, rules: &[Rule]) {
        let mut known = ByName::new();
        for rule in rules.iter().filter(|rule| rule.alerting) {
            known.entry(rule.name.clone()).or_default().push(rule.clone());
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// The expression of the rule that made an alert.
    pub(super) fn of(&self, alert: &Alert) -> Option<Arc<str>> {
        let known = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let rules = known.get(&alert.name)?;
        rules.iter().find(|rule| rule.made(alert)).map(|rule| rule.query.as_str().into())
    }
}
