//! How long a step usually takes: the median over the runs of the past in which it went well.

use super::script::without_host;
use super::{RunView, Runs};
use crate::domain::record::StepState;
use std::collections::HashMap;
use std::time::Duration;

/// Runs that are looked at.
const RUNS: usize = 100;

/// How long something took in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// In the middle of all.
    pub median: Duration,
    /// Of so many.
    pub of: usize,
}

/// How long the steps of a run took in the newest runs of the same runbook that began before it, by the step's id without its host;
/// what never went well so far is not there.
pub fn usual(runs: &Runs, run: &RunView) -> HashMap<String, Usual> {
    let mut took: HashMap<&str, Vec<Duration>> = HashMap::new();
    let whole = |other: &&RunView| other.runbook == run.runbook && !other.interrupted;
    let before = runs.iter().rev().filter(whole).filter(|other| other.started < run.started);
    for other in before.take(RUNS) {
        for (at, step) in other.steps.iter().enumerate().filter(|(_, step)| step.state == StepState::Ok) {
            took.entry(without_host(&step.id)).or_default().extend(other.took(at, other.started));
        }
    }
    took.into_iter().filter_map(|(step, took)| Some((step.to_owned(), median(took)?))).collect()
}

fn median(mut took: Vec<Duration>) -> Option<Usual> {
    took.sort_unstable();
    let of = took.len();
    let upper = *took.get(of / 2)?;
    let lower = took[(of - 1) / 2];
    Some(Usual { median: (lower + upper) / 2, of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;
    use crate::domain::record::{Actor, Entry, Kept, Record, RecordKind};
    use jiff::{SignedDuration, Timestamp};
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn record(run: u128, at: i64, kind: RecordKind, step: Option<&str>, data: Value) -> Record {
        let actor = Actor { name: "ada".to_owned(), uid: 1, host: "bastion".to_owned() };
        let entry = Entry {
            kind,
            run: Some(RunId(Uuid::from_u128(run))),
            step: step.map(str::to_owned),
            role: None,
            target: None,
            env: "lab".to_owned(),
            data,
        };
        Record {
            id: Uuid::nil(),
            writer: Uuid::nil(),
            seq: 1,
            prev: String::new(),
            hash: String::new(),
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(at),
            mono_ms: 0,
            incident: None,
            actor,
            entry,
            kept: Kept::default(),
        }
    }

    /// A run whose only change is sent two seconds after its begin and takes so long.
    fn ran(runs: &mut Runs, run: u128, id: &str, took: i64, state: &str) {
        let at = run as i64 * 1000;
        let steps = json!({ "runbook": "r", "steps": [{ "id": id, "title": "Do it" }] });
        runs.apply(&record(run, at, RecordKind::RunStart, None, steps));
        runs.apply(&record(run, at + 2, RecordKind::StepIntent, Some(id), json!({ "sent": "x" })));
        runs.apply(&record(run, at + 2 + took, RecordKind::StepExit, Some(id), json!({ "state": state })));
    }

    #[test]
    fn the_median_is_of_what_went_well_before_on_whatever_host() {
        let mut runs = Runs::default();
        for (run, id, took, state) in [
            (1, "a/b", 9, "ok"),
            (2, "a/b@h1", 1, "ok"),
            (3, "a/b", 900, "failed"),
            (4, "a/b@h2", 5, "ok"),
            (6, "a/b", 77, "ok"),
        ] {
            ran(&mut runs, run, id, took, state);
        }
        ran(&mut runs, 5, "a/b@h9", 3, "ok");
        let run = runs.get(RunId(Uuid::from_u128(5))).unwrap();
        assert_eq!(usual(&runs, run)["a/b"], Usual { median: Duration::from_secs(5), of: 3 });
        let first = runs.get(RunId(Uuid::from_u128(1))).unwrap();
        assert!(usual(&runs, first).is_empty());
        let seconds = |list: &[u64]| median(list.iter().map(|s| Duration::from_secs(*s)).collect());
        assert_eq!(seconds(&[4, 1]).unwrap().median, Duration::from_millis(2500));
    }

    #[test]
    fn a_run_that_was_cut_off_took_until_it_was_last_heard_of_and_tells_nothing_of_others() {
        let mut runs = Runs::default();
        let id = RunId(Uuid::from_u128(1));
        let at = |second: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let steps = json!({ "runbook": "r", "steps": [{ "id": "a" }, { "id": "b" }] });
        runs.apply(&record(1, 1000, RecordKind::RunStart, None, steps));
        runs.apply(&record(1, 1004, RecordKind::StepIntent, Some("a"), json!({})));
        assert_eq!(runs.get(id).unwrap().until(at(1044)), at(1044), "it goes on");
        runs.cut_off(&[id]);
        assert_eq!(runs.get(id).unwrap().until(at(1048)), at(1004));
        runs.apply(&record(1, 1048, RecordKind::StepReconcile, Some("a"), json!({ "state": "ok" })));
        runs.apply(&record(
            1,
            1049,
            RecordKind::RunFinish,
            None,
            json!({ "outcome": "stopped", "looked_after": true }),
        ));
        let run = runs.get(id).unwrap();
        assert_eq!((run.until(at(9999)), run.took(0, at(9999))), (at(1004), Some(Duration::ZERO)));
        ran(&mut runs, 2, "a", 3, "ok");
        ran(&mut runs, 3, "a", 9, "ok");
        let later = runs.get(RunId(Uuid::from_u128(3))).unwrap();
        assert_eq!(usual(&runs, later)["a"], Usual { median: Duration::from_secs(3), of: 1 });
        // Gone on with, it counts to the end of that.
        runs.apply(&record(1, 2000, RecordKind::RunResume, None, json!({ "way": "go on" })));
        runs.apply(&record(1, 2009, RecordKind::RunFinish, None, json!({ "outcome": "ok" })));
        assert_eq!(runs.get(id).unwrap().until(at(9999)), at(2009));
    }

    #[test]
    fn a_step_under_way_counts_to_now_and_one_by_hand_from_the_step_before_it() {
        let mut runs = Runs::default();
        let id = RunId(Uuid::from_u128(1));
        let at = |second: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let steps = json!({ "runbook": "r", "steps": [{ "id": "a" }, { "id": "b" }, { "id": "c" }] });
        runs.apply(&record(1, 0, RecordKind::RunStart, None, steps));
        runs.apply(&record(1, 4, RecordKind::StepExit, Some("a"), json!({ "state": "ok" })));
        let run = runs.get(id).unwrap();
        assert_eq!(
            (run.current(), run.took(0, at(9)), run.took(1, at(9))),
            (Some(1), Some(Duration::from_secs(4)), Some(Duration::from_secs(5)))
        );
        assert_eq!(run.took(2, at(9)), None);
    }
}
