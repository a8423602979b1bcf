//! What a script says while it runs: over a real sshd and of this machine's shell.

use super::languages::{CANARY, HOLDS, connections, fence, over, page};
use super::{Bridge, Cluster, is_record, yes};
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

/// The lines that were told so far.
fn told(bridge: &Bridge) -> Vec<&str> {
    let lines = bridge.told.iter().filter_map(|event| match event {
        RunEvent::Output { lines, .. } => Some(lines.iter().map(String::as_str)),
        _ => None,
    });
    lines.flatten().collect()
}

fn says(event: &RunEvent, text: &str) -> bool {
    matches!(event, RunEvent::Output { lines, .. } if lines.iter().any(|line| line.contains(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_heard_while_it_runs_and_so_is_what_waiting_for_it_sees() {
    let cluster = Cluster::new(need!(own_postgres));
    cluster.run(
        "CREATE TABLE t (n integer); INSERT INTO t VALUES (4); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher;
         CREATE FUNCTION slow() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
             RAISE NOTICE E'half of it\\x1b[31m is done'; PERFORM pg_advisory_lock(7); RAISE WARNING 'the rest'; RETURN 5; END $$",
    );
    let body = "```sql run on=primary timeout=20s undo=none\nSELECT slow() AS n\n```\n\n\
        ```sql wait on=primary timeout=20s every=200ms until=(rows[0].n == 0)\nSELECT n FROM t\n```\n\n\
        ```sql verify on=primary timeout=5s expect=(rows[0].n == 0)\nSELECT n FROM t\n```\n";
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", body)).await;
    let mut admin = cluster.admin().await;
    sqlx::query("SELECT pg_advisory_lock(7)").execute(&mut admin).await.unwrap();
    let plan = bridge.plan("page", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| says(event, "notice: half of it is done")).await;
    assert!(told(&bridge)[0].starts_with("sent to primary by session "), "{:?}", told(&bridge));
    assert!(!bridge.told.iter().any(|event| is_record(event, RecordKind::StepExit)), "it is still running");
    sqlx::query("SELECT pg_advisory_unlock(7)").execute(&mut admin).await.unwrap();
    bridge.until(|event| says(event, "wait, look 1: `rows[0].n == 0` is not true: 1 row {\"n\":4}")).await;
    sqlx::query("UPDATE t SET n = 2").execute(&mut admin).await.unwrap();
    bridge.until(|event| says(event, "is not true: 1 row {\"n\":2}")).await;
    sqlx::query("UPDATE t SET n = 0").execute(&mut admin).await.unwrap();
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let lines = told(&bridge);
    assert!(lines.contains(&"warning: the rest") && lines.contains(&"{\"n\":5}"), "{lines:?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("\"n\":4")).count(),
        1,
        "what is seen again is not told: {lines:?}"
    );
    assert_eq!(lines.iter().filter(|line| line.starts_with("verify")).count(), 0, "it is asked once: {lines:?}");
    let output = &view.steps[0].output;
    assert!(output.contains("half of it") && output.ends_with("warning: the rest\n{\"n\":5}"), "{output}");
    bridge.exec.connections.close().await;
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
