//! Statements whose answer is lost, and what the server says of their transaction afterwards.

use super::ways::{page, prepared, table};
use super::*;
use crate::runbook::{Onward, Resumption};

const WAY: &str = "params:\n  - {name: way, type: string, default: short}\n";

/// Adds a row; `holds`: what its verify asks.
fn one(holds: &str) -> String {
    format!(
        "## Change\n\n### One\n\n```sql run on=primary timeout=5s undo=none\nINSERT INTO t SELECT length(:way) - 7\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].holds)\nSELECT {holds} AS holds\n```\n\n"
    )
}

const THERE: &str = "EXISTS (SELECT FROM t)";

/// Eight letters that stand in what is sent, and in nothing that is prepared before.
fn way() -> Value {
    json!({ "way": "lostword" })
}

/// A run whose line breaks when this is on its way to the server, which gets it.
async fn cut_at(cluster: &Cluster, needle: &str, holds: &str) -> (Bridge, RunView) {
    let (proxy, folder) = (cluster.proxy(), tempfile::tempdir().unwrap());
    let connections = cluster.connections_over("ops", &proxy, folder.path());
    let mut bridge = Bridge::new(connections, page(WAY, &one(holds))).await;
    let plan = bridge.plan("ways", way()).await;
    proxy.lose_answer_to(needle);
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let view = bridge.end(run).await;
    (bridge, view)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_known_by_the_number_of_its_transaction() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (bridge, view) = cut_at(&cluster, "COMMIT", THERE).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert!(
        view.steps[0].detail.contains("primary says that transaction ")
            && view.steps[0].detail.contains(" was committed"),
        "{view:?}"
    );
    let story = bridge.story().await;
    let expected = ["step.intent", "step.sent", "step.exit unknown", "step.exit ok", "run.finish ok"];
    assert_eq!(story[story.len() - 5..], expected, "{story:?}");
    assert_eq!(table(&cluster).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_line_breaks_before_its_commit_is_known_not_to_be_done_whatever_its_verify_sees() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (bridge, view) = cut_at(&cluster, "lostword", "true").await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(view.reason.contains(" was rolled back: nothing of it is done"), "{view:?}");
    assert!(bridge.story().await.contains(&"step.sent".to_owned()));
    assert!(table(&cluster).await.is_empty());
}

/// Cut off at this record of a run of one statement, and looked after.
async fn found(cluster: &Cluster, at: At) -> (Bridge, RunId) {
    let mut doomed = Bridge::doomed(cluster.connections("ops"), page(WAY, &one(THERE)), at).await;
    let plan = doomed.plan("ways", way()).await;
    doomed.die(yes(plan, None)).await;
    // A process that is gone has no sessions.
    cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ops'");
    let next = doomed.next(cluster.connections("ops"), page(WAY, &one(THERE))).await;
    let run = next.exec.journal.recent(1000).await.unwrap().iter().find_map(|record| record.entry.run).unwrap();
    (next, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_server_tells_and_what_was_certainly_not_done_is_done_once() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    for (at, why) in [
        (At::DieAfter(RecordKind::StepIntent), "its transaction was not begun: nothing was sent"),
        (At::DieAfter(RecordKind::StepSent), "was rolled back: nothing of it is done"),
    ] {
        cluster.run("DELETE FROM t");
        let (mut next, run) = found(&cluster, at).await;
        let (past, _) = next.exec.past(run).await.unwrap();
        assert_eq!(past.outcome, Some(RunOutcome::Failed), "{}", past.reason);
        assert!(past.reason.contains(why) && !past.step("change/one").unwrap().happened, "{past:?}");
        let again = PlanRequest::resuming("ways", Resumption { run, way: Onward::GoOn });
        let plan = next.exec.make_plan(&again).await.unwrap();
        next.exec.start(yes(plan, None)).unwrap();
        next.until(|event| is_record(event, RecordKind::RunFinish)).await;
        assert_eq!(next.story().await.last().unwrap(), "run.finish ok");
        assert_eq!(table(&cluster).await, [1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_committed_is_known_unless_the_server_crashed_too() {
    for crashes in [false, true] {
        let mut cluster = prepared(Cluster::new(need!(own_postgres)));
        let at = At::DieBefore(RecordKind::StepExit);
        let mut doomed = Bridge::doomed(cluster.connections("ops"), page(WAY, &one(THERE)), at).await;
        let plan = doomed.plan("ways", way()).await;
        doomed.die(yes(plan, None)).await;
        if crashes {
            // The lab's server waits for no disk.
            cluster.run("CHECKPOINT");
            cluster.server().crash();
            cluster.server().start_again();
        }
        let next = doomed.next(cluster.connections("ops"), page(WAY, &one(THERE))).await;
        let records = next.exec.journal.recent(1000).await.unwrap();
        let told = records.iter().find(|record| record.entry.kind == RecordKind::StepReconcile).unwrap();
        let detail = told.entry.data["detail"].as_str().unwrap();
        assert_eq!(told.entry.data["state"], "ok", "{detail}");
        // Numbers of a server that crashed may be given anew: its verify alone tells.
        assert_eq!(detail.contains(" was committed"), !crashes, "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_may_not_see_since_when_the_server_goes_on_gets_no_answer_and_verify_tells() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("REVOKE pg_monitor FROM watcher");
    let (bridge, view) = cut_at(&cluster, "lostword", THERE).await;
    assert_eq!((view.outcome, table(&cluster).await), (Some(RunOutcome::Ok), vec![1]), "as one statement: {view:?}");
    let records = bridge.exec.journal.recent(1000).await.unwrap();
    let noted = records.iter().find(|record| record.entry.kind == RecordKind::StepSent).unwrap();
    assert_eq!(noted.entry.data["facts"], json!({ "transaction": null }));
}
