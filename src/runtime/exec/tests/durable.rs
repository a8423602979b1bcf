//! Changes over a real SSH whose line breaks, whose host cannot keep them, or whose quarterdeck dies: each happens once, and its result comes.

use super::languages::{HOLDS, fence, over, page};
use super::{At, Bridge, is_record, yes};
use crate::domain::record::{RecordKind, RunOutcome};
use crate::event::RunEvent;
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll};
use crate::runbook::{Library, RunView};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(30);

/// What a script writes beside its output, so that it is known how often and how far it went.
struct Traces(TempDir);

impl Traces {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Begins a script: it says so, then waits until it may go on.
    fn script(&self, before: &str, after: &str) -> String {
        let (began, go) = (self.file("began"), self.file("go"));
        let (began, go) = (began.display(), go.display());
        format!("set -eu\n{before}\necho x >> {began}\nuntil [ -e {go} ]; do sleep 0.1; done\n{after}")
    }

    async fn begun(&self) {
        let began = self.file("began");
        let there = move || poll(LONG, || began.exists().then_some(()));
        assert!(tokio::task::spawn_blocking(there).await.unwrap().is_some(), "it began");
    }

    fn go(&self) {
        std::fs::write(self.file("go"), "").unwrap();
    }

    fn times(&self) -> usize {
        std::fs::read_to_string(self.file("began")).unwrap_or_default().lines().count()
    }
}

fn book(attrs: &str, script: &str) -> Library {
    page("", &(fence(&format!("bash run on={HOST} timeout=60s undo=none{attrs}"), script) + HOLDS))
}

/// Runs a script, breaks its line in between, and mends it: the run, and the bridge.
async fn broken<Cut>(sshd: &Sshd, traces: &Traces, script: &str, cut: impl FnOnce() -> Cut) -> (RunView, Bridge) {
    let mut bridge = Bridge::new(over(sshd, 1), book("", script)).await;
    let plan = bridge.plan("page", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    traces.begun().await;
    let cut = cut();
    bridge.until(|event| matches!(event, RunEvent::Detached { since: Some(_), .. })).await;
    traces.go();
    drop(cut);
    bridge.until(|event| matches!(event, RunEvent::Detached { since: None, .. })).await;
    let view = bridge.end(run).await;
    bridge.exec.connections.close().await;
    (view, bridge)
}

fn kill_masters(sshd: &Sshd) {
    for pid in sshd.masters() {
        kill_process(pid, Signal::KILL).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_outlives_the_ssh_that_began_it_and_is_heard_to_its_end() {
    let sshd = need!(own_sshd);
    // One that says nothing for long, and one that says something all the time.
    for (before, after, said) in [
        ("", "echo done", "done".to_owned()),
        ("for at in 1 2 3; do echo $at; done", "for at in $(seq 4 500); do echo $at; done", {
            (1..=500).map(|at| at.to_string()).collect::<Vec<_>>().join("\n")
        }),
    ] {
        let traces = Traces::new();
        let (view, bridge) = broken(&sshd, &traces, &traces.script(before, after), || kill_masters(&sshd)).await;
        assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
        assert_eq!((view.steps[0].output.as_str(), traces.times()), (said.as_str(), 1));
        assert!(!bridge.story().await.contains(&"step.exit unknown".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_outlives_a_cable_that_is_cut() {
    let (sshd, scissors) = (need!(own_sshd), need!(scissors));
    let traces = Traces::new();
    let script = traces.script("echo one", "echo two >&2; exit 3");
    let port = sshd.port;
    let (view, _) = broken(&sshd, &traces, &script, || scissors.cut(port)).await;
    // Its own status, and nothing that ssh made of it.
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(format!("{view:?}").contains("the script ended with 3: two"), "{view:?}");
    assert_eq!((view.steps[0].output.as_str(), traces.times()), ("one\ntwo", 1));
}

/// The directories of steps below a home.
fn kept(home: &Path) -> Vec<PathBuf> {
    let steps = home.join(".local/state/quarterdeck/steps");
    std::fs::read_dir(steps).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_waits_for_the_next_start_and_goes_when_the_journal_has_it() {
    let sshd = need!(own_sshd);
    let traces = Traces::new();
    let script = format!("set -eu\necho x >> {}\necho said", traces.file("began").display());
    let mut doomed = Bridge::doomed(over(&sshd, 1), book("", &script), At::DieBefore(RecordKind::StepExit)).await;
    let plan = doomed.plan("page", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let home = sshd.config().parent().unwrap().to_owned();
    let [dir] = &kept(&home)[..] else { panic!("{:?}", kept(&home)) };
    assert!(dir.join("rc").exists() && dir.join("out").exists());
    let next = doomed.next(over(&sshd, 1), book("", &script)).await;
    assert_eq!(next.story().await[3..], ["step.reconcile ok", "run.finish ok"]);
    let run = next.exec.journal.recent(1000).await.unwrap().into_iter().find_map(|record| record.entry.run).unwrap();
    let records = next.exec.journal.of_run(run).await.unwrap();
    let found = records.iter().find(|record| record.entry.kind == RecordKind::StepReconcile).unwrap();
    assert_eq!(found.entry.data["output"], "said");
    assert!(found.entry.data["detail"].as_str().unwrap().contains("the script ended with 0"), "{found:?}");
    assert!(dir.join("over").exists() && !dir.join("out").exists(), "its tombstone stays");
    assert_eq!(traces.times(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_intended_and_never_reached_its_host_is_unknown_and_not_sent() {
    let sshd = need!(own_sshd);
    let traces = Traces::new();
    let script = format!("set -eu\necho x >> {}", traces.file("began").display());
    let mut doomed = Bridge::doomed(over(&sshd, 1), book("", &script), At::DieAfter(RecordKind::StepIntent)).await;
    let plan = doomed.plan("page", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let next = doomed.next(over(&sshd, 1), book("", &script)).await;
    assert_eq!(next.story().await[3..], ["step.reconcile unknown"], "{:?}", next.story().await);
    assert!(format!("{:?}", next.told).contains("nothing of it was begun there"), "{:?}", next.told);
    assert_eq!(traces.times(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_idempotent_is_sent_again_when_it_failed() {
    let sshd = need!(own_sshd);
    let traces = Traces::new();
    let began = traces.file("began");
    let script = format!("set -eu\necho x >> {0}\n[ \"$(wc -l < {0})\" -gt 1 ]", began.display());
    let mut bridge = Bridge::new(over(&sshd, 1), book(" idempotent retry=2", &script)).await;
    let plan = bridge.plan("page", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!((view.outcome, traces.times()), (Some(RunOutcome::Ok), 2), "{view:?}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_keep_a_change_is_told_of_by_the_plan() {
    let sshd = need!(own_sshd);
    let bin = tempfile::tempdir().unwrap();
    for name in ["sh", "bash", "cat", "id", "ls", "tr", "sha256sum", "grep", "find", "head", "tail", "wc"] {
        let found = crate::lab::program(&[name], &[]).expect(name);
        std::os::unix::fs::symlink(found, bin.path().join(name)).unwrap();
    }
    let sh = bin.path().join("sh");
    sshd.force(&format!("PATH={} exec {} -s", bin.path().display(), sh.display()));
    let bridge = Bridge::new(over(&sshd, 1), book("", "set -eu\ntrue")).await;
    let plan = bridge.plan("page", json!({})).await;
    let told = plan.body().blocked.concat();
    assert!(told.contains("box can't keep a change while nobody is connected: there is no setsid"), "{told}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_both_ends_come_its_size_and_its_hash() {
    let sshd = need!(own_sshd);
    let script = "set -eu\necho first\nhead -c 104857600 /dev/zero | tr '\\0' x\necho\necho last";
    let mut bridge = Bridge::new(over(&sshd, 1), book("", script)).await;
    let plan = bridge.plan("page", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{:?}", view.reason);
    let output = &view.steps[0].output;
    assert!(output.starts_with("first\nxxx") && output.len() < 80_000, "{}", output.len());
    let tail = &output[output.len() - 200..];
    assert!(tail.contains("\nlast\n(the output was 104857612 bytes, SHA-256 "), "{tail}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_cancelled_ends_the_run_as_failed_and_nothing_of_it_is_left() {
    let sshd = need!(own_sshd);
    let traces = Traces::new();
    let script = traces.script("echo one", "");
    let mut bridge = Bridge::new(over(&sshd, 1), book("", &script)).await;
    let plan = bridge.plan("page", json!({})).await;
    let (body, id) = (plan.body().clone(), plan.body().script.steps[0].id.clone());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    traces.begun().await;
    let fence = body.script.steps[0].run().unwrap();
    let (types, values, outs) =
        (crate::runbook::language::types_of(&body.runbook), body.values.clone(), BTreeMap::new());
    let number = run.to_string();
    let call = crate::steps::Call {
        connections: &bridge.exec.connections,
        fence,
        on: HOST,
        types: &types,
        values: &values,
        pinned: None,
        outs: &outs,
        label: "test",
        run: &number,
        step: &id,
        back: false,
        tried: 0,
        live: None,
    };
    let cut = crate::steps::of(fence.language).unwrap().cut(call).await;
    assert_eq!(cut, crate::steps::Cut::Gone(format!("nothing of it is left on {HOST}")));
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(format!("{view:?}").contains("the script was cancelled, and ended with 143"), "{view:?}");
    assert!(bridge.told.iter().any(|event| is_record(event, RecordKind::StepExit)));
    bridge.exec.connections.close().await;
}
