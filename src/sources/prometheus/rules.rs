//! The slow part: rules, targets, and whom Prometheus notifies. They change seldom and are long, and asking for them must
//! not delay the alerts.
//!
//! What answers like Prometheus often has only some of it. What is missing is told as a gap, never as an empty list.

use super::parse;
use super::queries::Queries;
use crate::connect::Prometheus;
use crate::connect::prometheus::Answer;
use crate::domain::{AlertReport, Gap, Member, Rule, Severity, Snapshot, SourceError, Topic, Trouble, text};
use crate::sources::Source;
use async_trait::async_trait;
use std::sync::Arc;

pub(super) struct Rules {
    pub(super) prometheus: Arc<Prometheus>,
    pub(super) queries: Arc<Queries>,
}

#[async_trait]
impl Source for Rules {
    fn place(&self) -> String {
        format!("Prometheus at {}", self.prometheus.base())
    }

    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let (rules, targets, members) = tokio::join!(
            self.prometheus.ask_if_known::<parse::Rules>("rules", &[]),
            self.prometheus.ask_if_known::<parse::Targets>("targets", &[("state", "active")]),
            self.prometheus.ask_if_known::<parse::Alertmanagers>("alertmanagers", &[]),
        );
        // All three failed: it is the server that fails, not a path that is missing.
        if let (Err(why), Err(_), Err(_)) = (&rules, &targets, &members) {
            return Err(why.clone());
        }
        let mut report = AlertReport::default();
        report.rules = self.part(&mut report, Topic::Rules, rules).map(parse::Rules::into_rules).unwrap_or_default();
        report.targets =
            self.part(&mut report, Topic::Targets, targets).map(parse::Targets::into_targets).unwrap_or_default();
        let members = self.part(&mut report, Topic::Members, members).map(parse::Alertmanagers::into_members);
        report.troubles.extend(failing(&report.rules));
        report.troubles.extend(members.as_deref().and_then(|members| unheard(&report.rules, members)));
        report.members = members.unwrap_or_default();
        self.queries.learn(&report.rules);
        Ok(Snapshot::Alerts(report))
    }
}

impl Rules {
    /// One answer; when there is none the report has a gap.
    fn part<T>(
        &self,
        report: &mut AlertReport,
        topic: Topic,
        answer: Result<Option<Answer<T>>, SourceError>,
    ) -> Option<T> {
        let why = match answer {
            Ok(Some(answer)) => {
                report.warnings.extend(answer.warnings);
                return Some(answer.data);
            }
            Ok(None) => self.lacks(topic),
            Err(why) => why,
        };
        report.gaps.push(Gap { topic, why });
        None
    }

    fn lacks(&self, topic: Topic) -> SourceError {
        let what = match topic {
            Topic::Rules => "rules",
            Topic::Targets => "targets",
            Topic::Members => "list of Alertmanagers",
            Topic::Silences => "silences",
            Topic::Groups => "groups",
        };
        SourceError::new(
            format!("{} has no {what} in its API", self.prometheus.base()),
            "servers that only answer like Prometheus lack parts of it: name the Prometheus that evaluates, if there is one",
        )
    }
}

/// Rules that could not be evaluated: what they watch is watched by nobody.
fn failing(rules: &[Rule]) -> Option<Trouble> {
    let failing: Vec<&Rule> = rules.iter().filter(|rule| rule.fails()).collect();
    let first = failing.first()?;
    let names = match failing.len() {
        1 => first.name.clone(),
        2 => format!("{} and {}", first.name, failing[1].name),
        more => format!("{} and {} more", first.name, more - 1),
    };
    Some(Trouble {
        severity: failing.iter().map(|rule| rule.judge()).max().unwrap_or(Severity::Warning),
        what: format!(
            "{} of {} rules can't be evaluated: {names}: {}",
            failing.len(),
            rules.len(),
            brief(&first.error)
        ),
        hint: "until their expressions are mended they watch nothing".to_owned(),
    })
}

/// The end of an error: Prometheus tells the series in question first, at length, and after a semicolon what is wrong.
fn brief(error: &str) -> &str {
    const CELLS: usize = 120;
    text::truncate(error.rsplit(';').next().unwrap_or(error).trim(), CELLS)
}

/// Rules fire, and nobody is told.
fn unheard(rules: &[Rule], members: &[Member]) -> Option<Trouble> {
    let heard = members.iter().any(|member| member.up);
    let alerting = rules.iter().any(|rule| rule.alerting);
    (alerting && !heard).then(|| Trouble {
        severity: Severity::Warning,
        what: "it has alerting rules and knows no Alertmanager: nobody is notified".to_owned(),
        hint: "write one under `alerting` in its configuration, or see why none is discovered".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, alerting: bool, error: &str) -> Rule {
        let health = if error.is_empty() { "ok" } else { "err" };
        Rule { name: name.into(), alerting, health: health.into(), error: error.into(), ..Rule::default() }
    }

    #[test]
    fn rules_that_fail_are_trouble_by_what_they_were_for() {
        assert_eq!(failing(&[rule("A", true, "")]), None);
        let trouble = failing(&[rule("A", true, ""), rule("B", true, "many-to-many")]).unwrap();
        assert_eq!(trouble.what, "1 of 2 rules can't be evaluated: B: many-to-many");
        assert_eq!(trouble.severity, Severity::Critical);
        let trouble = failing(&[rule("r", false, "x"), rule("s", false, "y"), rule("t", false, "z")]).unwrap();
        assert_eq!(trouble.what, "3 of 3 rules can't be evaluated: r and 2 more: x");
        assert_eq!(trouble.severity, Severity::Warning);
    }

    #[test]
    fn rules_without_anybody_to_notify_are_trouble() {
        let member = |up| Member { address: "http://a".into(), up, ..Member::default() };
        assert!(unheard(&[rule("A", true, "")], &[member(false)]).is_some());
        assert_eq!(unheard(&[rule("A", true, "")], &[member(false), member(true)]), None);
        assert_eq!(unheard(&[rule("r", false, "")], &[]), None);
    }
}
