//! What a run locks: taken before it begins, looked at before each change, given back at its end; refused while another one has it.

use super::ways::{choose, page};
use super::*;
use crate::journal::lease::TTL;
use crate::runbook::machine::Way;

const KEYS: &str = "lock: [database/primary, service/$app]\nparams:\n  - {name: app, type: string, default: shop}\n";

/// A step by hand before a change, so that a run stays where it is until it is answered.
fn waits() -> String {
    "## Change\n\n### Look\n\nIs it well?\n\n### Add\n\n\
     ```sql run on=primary timeout=5s\nINSERT INTO t VALUES (1)\n```\n\n\
     ```sql verify on=primary timeout=5s expect=(rows[0].there)\nSELECT count(*) > 0 AS there FROM t\n```\n\n\
     ```sql undo on=primary timeout=5s\nDELETE FROM t\n```\n"
        .to_owned()
}

fn prepared(cluster: Cluster) -> Cluster {
    cluster.run("CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher");
    cluster
}

async fn count(cluster: &Cluster) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut cluster.admin().await).await.unwrap()
}

fn held() -> Vec<String> {
    vec!["database/primary".to_owned(), "service/shop".to_owned()]
}

/// Another process over the same journal.
async fn beside(bridge: &Bridge, cluster: &Cluster, keys: &str) -> Bridge {
    let dir = Arc::clone(&bridge.dir);
    Bridge::over(dir, cluster.connections("ops"), page(keys, &waits()), At::Never, Process::this()).await
}

async fn begun(bridge: &mut Bridge) -> RunId {
    let plan = bridge.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_holds_what_it_locks_and_another_one_is_refused_with_who_and_where() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut first = Bridge::new(cluster.connections("ops"), page(KEYS, &waits())).await;
    let plan = first.plan("ways", json!({})).await;
    let locks: Vec<(&str, &str)> =
        plan.body().locks.iter().map(|lock| (lock.resource.as_str(), lock.state())).collect();
    assert_eq!(locks, [("database/primary", "free"), ("service/shop", "free")]);
    let second = beside(&first, &cluster, KEYS).await;
    let early = second.plan("ways", json!({})).await;
    let run = begun(&mut first).await;
    // A plan says it, and one that was made before is refused when it is to begin.
    let late = second.plan("ways", json!({})).await;
    let why = &late.body().blocked[0];
    assert!(why.starts_with("database/primary is held by ada@bastion since "), "{why}");
    assert!(why.contains(&format!("run {} of ways", run.short())), "{why}");
    let mut second = second;
    second.exec.start(yes(early, None)).unwrap();
    let refused =
        |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what.contains("is held by ada@bastion"));
    second.until(refused).await;
    first.exec.answer(run, RunAnswer::Done);
    let view = first.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let story = first.story().await;
    assert_eq!((story[1].as_str(), story[story.len() - 2].as_str()), ("lock.taken", "lock.released"), "{story:?}");
    assert_eq!(first.exec.journal.held(&held()).await.unwrap(), []);
    // Another service, and the same database: one of the two is enough.
    assert_eq!(count(&cluster).await, 1);
    let next = begun(&mut second).await;
    let step = second.exec.journal.held(&held()).await.unwrap();
    assert_eq!((step.len(), step[0].run), (2, next));
    let other = beside(&second, &cluster, &KEYS.replace("default: shop", "default: other")).await;
    assert_eq!(other.plan("ways", json!({})).await.body().blocked.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_holder_sends_nothing_and_takes_nothing_back() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), page(KEYS, &waits())).await;
    let run = begun(&mut bridge).await;
    // It slept for so long that its time was over, and somebody else has taken it.
    let steal = async |bridge: &Bridge| {
        bridge.exec.journal.release(run).await.unwrap();
        bridge.exec.journal.take(RunId(uuid::Uuid::now_v7()), &held(), TTL).await.unwrap();
    };
    steal(&bridge).await;
    bridge.exec.answer(run, RunAnswer::Done);
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(view.reason.contains("the lock on database/primary, service/shop is lost"), "{}", view.reason);
    assert_eq!(count(&cluster).await, 0);
    assert_eq!(bridge.exec.journal.held(&held()).await.unwrap().len(), 2, "it gives back nothing of the other's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_holder_takes_nothing_back() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = waits().replace("count(*) > 0", "count(*) > 1");
    let mut bridge = Bridge::new(cluster.connections("ops"), page(KEYS, &body)).await;
    let run = begun(&mut bridge).await;
    bridge.exec.answer(run, RunAnswer::Done);
    super::ways::asked_ways(&mut bridge).await;
    bridge.exec.journal.release(run).await.unwrap();
    bridge.exec.journal.take(RunId(uuid::Uuid::now_v7()), &held(), TTL).await.unwrap();
    bridge.exec.answer(run, choose(Way::Undo));
    let view = bridge.end(run).await;
    assert!(view.reason.contains("THE UNDO FAILED: the lock on"), "{}", view.reason);
    assert_eq!(count(&cluster).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_held_is_free_for_the_next_one() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let library = || page(KEYS, &waits().replace("### Look\n\nIs it well?\n\n", ""));
    let at = At::DieAfter(RecordKind::StepIntent);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), library(), at).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let mut next = doomed.next(cluster.connections("ops"), library()).await;
    let plan = next.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let view = next.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_parameter_has_no_value_blocks_the_plan() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let keys = KEYS.replace(", default: shop", "");
    let bridge = Bridge::new(cluster.connections("ops"), page(&keys, &waits())).await;
    let plan = bridge.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, ["it locks service/$app, and \"app\" has no value"]);
}
