//! How well a drill was played: when it was noticed, acknowledged, acted on, mitigated and resolved, against the clock of its severity, and
//! what was wrong or needless of what was done.
//!
//! Pure, over what is kept of the world and over the records of the drill's own journal. That it is mitigated is said by the world and not
//! by who plays: nothing was wrong for a while.

use super::kept::{Kept, Worth};
use super::scenario::Scenario;
use super::transcript::clock;
use crate::domain::RunId;
use crate::domain::incident::{ClosedAs, Priority, Rules};
use crate::domain::record::{Record, RecordKind};
use std::collections::BTreeMap;

/// A run of this runbook acknowledges an alert.
const ACKNOWLEDGES: &str = "alert-acknowledge";

/// How the incident was handled, as the journal tells: seconds of the world, and what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// What shows that somebody is there, oldest first: an incident declared or acknowledged, a run begun.
    pub signs: Vec<(i64, String)>,
    /// Somebody said that they are on it.
    pub acknowledged: Vec<i64>,
    /// It was said to be over, and not opened again.
    pub resolved: Option<i64>,
}

impl Handled {
    /// Of all records, oldest first; `second` tells the second of the world at which one was made.
    pub fn of(records: &[Record], second: impl Fn(&Record) -> i64) -> Self {
        let mut handled = Self::default();
        let mut runs: BTreeMap<RunId, String> = BTreeMap::new();
        for record in records {
            let (at, data) = (second(record), &record.entry.data);
            let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
            let sign = match record.entry.kind {
                RecordKind::IncidentDeclare => format!("an incident is declared, {}", text("priority")),
                RecordKind::IncidentAcknowledge => {
                    handled.acknowledged.push(at);
                    "the incident is acknowledged".to_owned()
                }
                RecordKind::IncidentMitigate => "the incident is said to be mitigated".to_owned(),
                // What is said to be none was not resolved.
                RecordKind::IncidentResolve if ClosedAs::read(data).is_some() => {
                    let closed = ClosedAs::read(data).map(ClosedAs::told).unwrap_or_default();
                    format!("an incident is closed as {closed}")
                }
                RecordKind::IncidentResolve => {
                    handled.resolved = Some(at);
                    "the incident is said to be resolved".to_owned()
                }
                RecordKind::IncidentReopen => {
                    handled.resolved = None;
                    "the incident is opened again".to_owned()
                }
                RecordKind::RunStart => {
                    runs.extend(record.entry.run.map(|run| (run, text("runbook"))));
                    format!("{} is begun", text("runbook"))
                }
                RecordKind::RunFinish => {
                    let runbook = record.entry.run.and_then(|run| runs.get(&run).cloned()).unwrap_or_default();
                    if runbook == ACKNOWLEDGES && text("outcome") == "ok" {
                        handled.acknowledged.push(at);
                    }
                    format!("{runbook} ends: {}", text("outcome"))
                }
                _ => continue,
            };
            handled.signs.push((at, sign));
        }
        handled
    }
}

/// A moment: seconds of the world since [`Kept::zero`], and what it was.
pub type Moment = (i64, String);

/// It.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// When something was wrong first, in seconds of the world; `None`: never.
    pub began: Option<i64>,
    /// How soon something has to be done.
    pub severity: Option<Priority>,
    /// The first alert fired.
    pub alerted: Option<Moment>,
    /// The first sign of somebody being there.
    pub noticed: Option<Moment>,
    /// Somebody said that they are on it.
    pub acknowledged: Option<i64>,
    /// The first change that did no harm.
    pub acted: Option<Moment>,
    /// Nothing is wrong any more, and that lasted.
    pub mitigated: Option<i64>,
    /// It was said to be over.
    pub resolved: Option<i64>,
    /// Changes that made it worse, or did not help: what, and why.
    pub wrong: Vec<(String, String)>,
    /// Changes that had nothing to do with it.
    pub needless: Vec<String>,
    /// Requests that failed.
    pub failed: f64,
}

impl Score {
    /// Of a drill, as it stands.
    pub fn of(kept: &Kept, scenario: &Scenario, handled: &Handled) -> Self {
        let from = kept.zero();
        let after = |at: i64| (at >= from).then_some(at - from);
        let moment = |(at, what): (i64, String)| after(at).map(|at| (at, what));
        let acts = || kept.acts.iter().map(|act| (act.at, act.deed.words(act.times)));
        let safe = kept.acts.iter().filter(|act| !matches!(act.worth, Worth::Harms(_)));
        let harm = |worth: &Worth| match worth {
            Worth::Harms(why) => Some(why.clone()),
            _ => None,
        };
        let wrong = kept.acts.iter().filter_map(|act| Some((act.deed.words(act.times), harm(&act.worth)?)));
        let needless = kept.acts.iter().filter(|act| act.worth == Worth::Needless);
        Self {
            began: kept.began,
            severity: scenario.severity,
            alerted: kept.alerted.clone().and_then(moment),
            noticed: handled.signs.iter().cloned().chain(acts()).filter_map(moment).min_by_key(|(at, _)| *at),
            acknowledged: handled.acknowledged.iter().copied().filter_map(after).min(),
            acted: safe.map(|act| (act.at, act.deed.words(act.times))).find_map(moment),
            mitigated: kept.mended.and_then(after),
            resolved: handled.resolved.and_then(after),
            wrong: wrong.collect(),
            needless: needless.map(|act| act.deed.words(act.times)).collect(),
            failed: kept.failed,
        }
    }

    /// Nothing is wrong at its end.
    pub fn ended_well(&self) -> bool {
        self.began.is_none() || self.mitigated.is_some()
    }

    /// It, line by line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = if self.began.is_none() { vec!["nothing was wrong".to_owned()] } else { self.times() };
        let each = |what: &str, all: Vec<String>| match all.len() {
            0 => vec![format!("{what}: none")],
            _ => all.iter().map(|one| format!("{what}: {one}")).collect(),
        };
        lines.extend(each("wrong", self.wrong.iter().map(|(what, why)| format!("{what} ({why})")).collect()));
        lines.extend(each("needless", self.needless.clone()));
        lines
    }

    fn times(&self) -> Vec<String> {
        let moment = |moment: &Option<Moment>, none: &str| match moment {
            Some((at, what)) => format!("after {}: {what}", clock(*at)),
            None => none.to_owned(),
        };
        let resolved = match (self.resolved, self.mitigated) {
            (None, _) => "no: no incident was closed".to_owned(),
            (Some(at), Some(mitigated)) if at >= mitigated => format!("after {}", clock(at)),
            (Some(at), _) => format!("after {}, while something was still wrong", clock(at)),
        };
        vec![
            format!("first alert: {}", moment(&self.alerted, "none fired")),
            format!("noticed: {}", moment(&self.noticed, "no: nothing shows that anybody was there")),
            format!("acknowledged: {}", self.against(self.acknowledged, "no: nobody said that they are on it")),
            format!("first safe action: {}", self.acted_against()),
            format!("mitigated: {}", after(self.mitigated, "no: it was not mended when it was left")),
            format!("resolved: {resolved}"),
            format!("failed meanwhile: {:.0} requests", self.failed),
        ]
    }

    /// The first safe action, and what it was.
    fn acted_against(&self) -> String {
        let Some((at, what)) = &self.acted else { return "none".to_owned() };
        format!("{}: {what}", self.against(Some(*at), ""))
    }

    /// So long after it began, against the time that its severity allows to respond in. How long it takes until it is mitigated has no
    /// such limit.
    fn against(&self, at: Option<i64>, none: &str) -> String {
        let (Some(at), Some(severity)) = (at, self.severity) else { return after(at, none) };
        let allowed = i64::try_from(Rules::default().agreed.of(severity).respond.as_secs()).unwrap_or(i64::MAX);
        let late = if at > allowed { ": too late" } else { "" };
        format!("after {} of {} that {} allows{late}", clock(at), clock(allowed), severity.word())
    }
}

fn after(at: Option<i64>, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), |at| format!("after {}", clock(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{Actor, Entry};
    use crate::drill::deed::Deed;
    use crate::drill::kept::Act;
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn record(at: i64, kind: RecordKind, run: u128, data: Value) -> Record {
        let run = (run > 0).then(|| RunId(Uuid::from_u128(run)));
        let entry = Entry { kind, run, step: None, role: None, target: None, env: "drill".into(), data };
        Record {
            id: Uuid::nil(),
            writer: Uuid::nil(),
            seq: 1,
            prev: String::new(),
            hash: String::new(),
            at: Timestamp::from_second(at).unwrap(),
            mono_ms: 0,
            incident: None,
            actor: Actor { name: "ada".into(), uid: 1, host: "here".into() },
            entry,
            kept: crate::domain::record::Kept::default(),
        }
    }

    fn act(at: i64, on: &str, worth: Worth) -> Act {
        Act { at, deed: Deed { verb: "restart", on: on.into() }, times: 1, worth }
    }

    fn scenario(severity: &str) -> Scenario {
        Scenario::read(&format!("title = 'a'\nbrief = 'b'\nseverity = '{severity}'")).unwrap()
    }

    fn handled(records: &[Record]) -> Handled {
        Handled::of(records, |record| record.at.as_second())
    }

    #[test]
    fn times_count_from_when_it_began_and_are_held_against_the_clock_of_the_severity() {
        let kept = Kept {
            began: Some(20),
            mended: Some(1_000),
            alerted: Some((80, "ServiceDown".into())),
            acts: vec![act(95, "game-3", Worth::Harms("h".into())), act(120, "game-2", Worth::Mends)],
            failed: 12.4,
            ..Kept::default()
        };
        let handled = handled(&[
            // Before anything was wrong: a sign of nothing.
            record(10, RecordKind::RunStart, 1, json!({ "runbook": "alert-acknowledge" })),
            record(12, RecordKind::RunFinish, 1, json!({ "outcome": "ok" })),
            record(90, RecordKind::IncidentDeclare, 0, json!({ "priority": "P0" })),
            record(1_000, RecordKind::IncidentAcknowledge, 0, json!({})),
            // Another one, that was none.
            record(1_050, RecordKind::IncidentResolve, 0, json!({ "as": "false-alarm" })),
            record(1_100, RecordKind::IncidentResolve, 0, json!({})),
        ]);
        assert!(handled.signs.iter().any(|(_, what)| what == "an incident is closed as a false alarm"), "{handled:?}");
        let score = Score::of(&kept, &scenario("P0"), &handled);
        assert_eq!(
            score.lines(),
            [
                "first alert: after 1:00: ServiceDown",
                "noticed: after 1:10: an incident is declared, P0",
                "acknowledged: after 16:20 of 15:00 that P0 allows: too late",
                "first safe action: after 1:40 of 15:00 that P0 allows: restarted game-2",
                "mitigated: after 16:20",
                "resolved: after 18:00",
                "failed meanwhile: 12 requests",
                "wrong: restarted game-3 (h)",
                "needless: none",
            ]
        );
        assert!(score.ended_well());
    }

    #[test]
    fn what_began_before_anybody_was_there_counts_from_the_beginning() {
        let kept = Kept { began: Some(-300), mended: Some(90), ..Kept::default() };
        let score = Score::of(&kept, &scenario("P1"), &Handled { acknowledged: vec![40], ..Handled::default() });
        assert_eq!((score.acknowledged, score.mitigated), (Some(40), Some(90)));
    }

    #[test]
    fn who_does_nothing_has_no_times_and_what_is_not_mended_has_not_ended_well() {
        let kept = Kept { began: Some(20), ..Kept::default() };
        let score = Score::of(&kept, &scenario("P1"), &Handled::default());
        assert!(!score.ended_well());
        assert_eq!(score.lines()[1], "noticed: no: nothing shows that anybody was there");
        assert_eq!(score.lines()[4], "mitigated: no: it was not mended when it was left");
        let quiet = Score::of(&Kept::default(), &scenario("P1"), &Handled::default());
        assert!(quiet.ended_well() && quiet.lines()[0] == "nothing was wrong", "{quiet:?}");
    }

    #[test]
    fn a_run_that_acknowledges_counts_when_it_ended_well_and_what_was_opened_again_is_not_resolved() {
        let run = |outcome: &str| {
            [
                record(30, RecordKind::RunStart, 7, json!({ "runbook": "alert-acknowledge" })),
                record(31, RecordKind::RunFinish, 7, json!({ "outcome": outcome })),
            ]
        };
        assert_eq!(handled(&run("ok")).acknowledged, [31]);
        assert_eq!(handled(&run("failed")).acknowledged, Vec::<i64>::new());
        let mut again = vec![record(50, RecordKind::IncidentResolve, 0, json!({}))];
        assert_eq!(handled(&again).resolved, Some(50));
        again.push(record(60, RecordKind::IncidentReopen, 0, json!({})));
        assert_eq!(handled(&again).resolved, None);
    }

    #[test]
    fn to_say_that_it_is_over_does_not_make_it_so() {
        let kept = Kept { began: Some(0), ..Kept::default() };
        let early = Score::of(&kept, &scenario("P1"), &Handled { resolved: Some(60), ..Handled::default() });
        assert!(early.lines().contains(&"resolved: after 1:00, while something was still wrong".to_owned()));
    }
}
