//! How a run ends that somebody wants to end: cut off with all that it began, taken back, or held.

use super::*;
use crate::event::RunEvent;
use crate::runbook::machine::Way;
use std::path::PathBuf;

/// A script that begins another process, which ignores the polite signal, says that it has begun, and would go on for minutes.
fn library(dir: &Path, run: &str, undo: &str) -> Library {
    let (child, undone) = (dir.join("child"), dir.join("undone"));
    let undo = if undo.is_empty() {
        String::new()
    } else {
        let typed = if undo == "typed" { " confirm=typed" } else { "" };
        format!("```bash undo on=local timeout=20s{typed}\nset -eu\ntouch {}\n```\n\n", undone.display())
    };
    let text = format!(
        "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\n---\n\n## Go\n\n### Long\n\n\
         ```bash run on=local timeout=300s {run}\nset -eu\nbash -c \"trap '' TERM; sleep 300\" &\necho $! > {}\necho begins\nwait\n```\n\n\
         ```bash verify on=local timeout=20s\nset -eu\ntrue\n```\n\n{undo}### After\n\n\
         ```bash run on=local timeout=20s undo=none\nset -eu\ntrue\n```\n\n```bash verify on=local timeout=20s\nset -eu\ntrue\n```\n",
        child.display(),
    );
    Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

struct Long {
    bridge: Bridge,
    run: RunId,
    dir: TempDir,
}

/// The script is under way.
async fn begun(run: &str, undo: &str) -> Long {
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::new(Connections::default(), library(dir.path(), run, undo)).await;
    let plan = bridge.plan("page", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge
        .until(|event| matches!(event, RunEvent::Output { lines, .. } if lines.iter().any(|line| line == "begins")))
        .await;
    Long { bridge, run, dir }
}

impl Long {
    /// What the script began goes on.
    fn child_lives(&self) -> bool {
        let pid = std::fs::read_to_string(self.dir.path().join("child")).unwrap();
        let stat = std::fs::read_to_string(PathBuf::from("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_cut_off_with_all_that_it_began_and_that_nothing_is_left_is_looked_at() {
    let mut long = begun("undo=none", "").await;
    assert!(long.child_lives());
    long.bridge.exec.answer(long.run, RunAnswer::Cancel { undo: false });
    let view = long.bridge.end(long.run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Stopped), "{view:?}");
    assert!(view.reason.contains("cancelled: nothing of it is left on local"), "{}", view.reason);
    assert!(!long.child_lives(), "it ignored the polite signal");
    assert_eq!((view.steps[0].state, view.steps[1].state), (StepState::Failed, StepState::Planned));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_is_taken_back_when_that_was_wanted() {
    let mut long = begun("", "touch").await;
    long.bridge.exec.answer(long.run, RunAnswer::Cancel { undo: true });
    let view = long.bridge.end(long.run).await;
    assert_eq!((view.outcome, view.steps[0].state), (Some(RunOutcome::Stopped), StepState::Undone), "{view:?}");
    assert!(!long.child_lives() && long.dir.path().join("undone").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_is_taken_back_at_no_single_key_where_that_takes_a_phrase() {
    let mut long = begun("", "typed").await;
    long.bridge.exec.answer(long.run, RunAnswer::Cancel { undo: true });
    let asked = |event: &RunEvent| matches!(event, RunEvent::Ask { ways, .. } if ways.contains(&Way::Undo));
    let RunEvent::Ask { phrase, .. } = long.bridge.until(asked).await else { panic!() };
    assert_eq!(phrase.as_deref(), Some("undo on local"));
    assert!(!long.child_lives() && !long.dir.path().join("undone").exists());
    long.bridge.exec.answer(long.run, RunAnswer::Choose { way: Way::Undo, reason: "undo on local".to_owned() });
    let view = long.bridge.end(long.run).await;
    assert_eq!((view.outcome, view.steps[0].state), (Some(RunOutcome::Stopped), StepState::Undone), "{view:?}");
    assert!(long.dir.path().join("undone").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_in_flight_finds_is_finished_and_can_be_taken_back() {
    let mut long = begun("", "touch").await;
    long.bridge.exec.answer(long.run, RunAnswer::Stop);
    // Its end comes by itself: the child is ended by hand here.
    let pid = std::fs::read_to_string(long.dir.path().join("child")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    long.bridge.until(|event| matches!(event, RunEvent::Ask { ways, .. } if ways.contains(&Way::Undo))).await;
    long.bridge.exec.answer(long.run, RunAnswer::Choose { way: Way::Stop, reason: String::new() });
    let view = long.bridge.end(long.run).await;
    assert_eq!(view.steps[1].state, StepState::Planned, "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_held_begins_no_step_until_it_is_let_go_on() {
    let text = "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\n---\n\n## Go\n\n### First\n\n\
                ```bash run on=local timeout=20s undo=none\nset -eu\necho begins\nsleep 1\n```\n\n```bash verify on=local timeout=20s\nset -eu\ntrue\n```\n\n\
                ### Second\n\n```bash run on=local timeout=20s undo=none\nset -eu\ntrue\n```\n\n```bash verify on=local timeout=20s\nset -eu\ntrue\n```\n";
    let library = Library::read([("page.md", text)]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut bridge = Bridge::new(Connections::default(), library).await;
    let plan = bridge.plan("page", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Output { .. })).await;
    bridge.exec.answer(run, RunAnswer::Pause(true));
    let first_ok = |event: &RunEvent| matches!(event, RunEvent::Record(record) if record.entry.data["state"] == "ok");
    bridge.until(first_ok).await;
    let begins = |event: &RunEvent| is_record(event, RecordKind::StepRecheck);
    let begun = tokio::time::timeout(Duration::from_millis(500), bridge.until(begins)).await;
    assert!(begun.is_err(), "nothing begins");
    bridge.exec.answer(run, RunAnswer::Pause(false));
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok));
}
