//! What a script says while it runs: over a real sshd and of this machine's shell.

use super::languages::{CANARY, HOLDS, connections, fence, over, page};
use super::{Bridge, is_record, yes};
use crate::connect::Connections;
use crate::domain::record::{RecordKind, RunOutcome};
use crate::event::RunEvent;
use crate::lab::need;
use crate::lab::sshd::HOST;
use serde_json::json;

/// Says something, waits for a file, and says something else: the first is heard before the file is there.
async fn hears(connections: Connections, on: &str) {
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let script = "set -eu\necho \"one $token\"\necho oh >&2\nuntil [ -e \"$file\" ]; do sleep 0.05; done\nprintf two";
    let front = "params:\n  - {name: file, type: string}\nsecrets: [token]\n";
    let info = format!("bash run on={on} timeout=60s undo=none vars=(token, file)");
    let mut bridge = Bridge::new(connections, page(front, &(fence(&info, script) + HOLDS))).await;
    let plan = bridge.plan("page", json!({"file": go.display().to_string()})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let says = |event: &RunEvent, text: &str| match event {
        RunEvent::Output { lines, .. } => lines.iter().any(|line| line == text),
        _ => false,
    };
    bridge.until(|event| says(event, "one ‹redacted›")).await;
    if !bridge.told.iter().any(|event| says(event, "oh")) {
        bridge.until(|event| says(event, "oh")).await;
    }
    assert!(!bridge.told.iter().any(|event| is_record(event, RecordKind::StepExit)), "it is still running");
    std::fs::write(&go, "").unwrap();
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert!(bridge.told.iter().any(|event| says(event, "two")), "a line without its end is one too");
    assert!(view.steps[0].output.contains("two") && view.steps[0].output.contains("oh"), "{view:?}");
    assert!(!format!("{:?}", bridge.told).contains(CANARY));
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_a_host_is_heard_while_it_runs() {
    let sshd = need!(own_sshd);
    hears(over(&sshd, 1), HOST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_this_machine_is_heard_while_it_runs() {
    hears(connections(1), "local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_stops_neither_the_step_nor_its_records_and_what_is_lost_is_counted() {
    let info = "bash run on=local timeout=60s undo=none";
    let library = page("", &(fence(info, "set -eu\nseq 1 300000") + HOLDS));
    let mut bridge = Bridge::new(connections(1), library).await;
    let plan = bridge.plan("page", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let output = &view.steps[0].output;
    assert!(
        output.starts_with("1\n2\n") && output.ends_with("\n300000") && output.contains("left out"),
        "both ends are kept"
    );
    let lost: u64 =
        bridge.told.iter().map(|event| if let RunEvent::Output { lost, .. } = event { *lost } else { 0 }).sum();
    assert!(lost > 100_000, "{lost}");
}
