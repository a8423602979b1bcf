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
    assert!(
        view.reason.contains("the lock on database/primary, service/shop is lost: it was taken over, or"),
        "{}",
        view.reason
    );
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

/// A run whose next change may not be its own any more, asked what follows.
async fn unbound(cluster: &Cluster, body: &str) -> (Bridge, RunId) {
    let mut bridge = Bridge::new(cluster.connections("ops"), page(KEYS, body)).await;
    let run = begun(&mut bridge).await;
    bridge.away.store(true, Ordering::Release);
    bridge.exec.answer(run, RunAnswer::Done);
    let (prompt, ways) = super::ways::asked_ways(&mut bridge).await;
    assert_eq!(ways, [Way::Wait, Way::Glass, Way::Stop], "{prompt}");
    assert!(prompt.contains("the lock may be somebody else's by now"), "{prompt}");
    assert!(prompt.contains("Nothing was sent for this step"), "{prompt}");
    assert_eq!(count(cluster).await, 0);
    (bridge, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_the_server_goes_on_when_it_grants_the_lock_again() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut bridge, run) = unbound(&cluster, &waits()).await;
    bridge.exec.answer(run, choose(Way::Wait));
    let (prompt, ways) = super::ways::asked_ways(&mut bridge).await;
    assert_eq!(ways, [Way::Glass, Way::Stop], "it can be broken off");
    assert!(prompt.contains("goes on by itself"), "{prompt}");
    assert_eq!(count(&cluster).await, 0);
    bridge.away.store(false, Ordering::Release);
    bridge.until(|event| matches!(event, RunEvent::AskOver(_))).await;
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok));
    assert_eq!(count(&cluster).await, 1);
    let story = bridge.story().await;
    assert!(!story.iter().any(|line| line == "operator.break_glass"), "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_back_while_somebody_is_asked_changes_nothing_without_the_answer() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut bridge, run) = unbound(&cluster, &waits()).await;
    bridge.away.store(false, Ordering::Release);
    // Twice as long as it looks again when that was wanted: there is no event for what does not happen.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(count(&cluster).await, 0);
    bridge.exec.answer(run, choose(Way::Wait));
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok));
    assert_eq!(count(&cluster).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_without_the_server_says_why_and_that_is_recorded_before_the_change() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut bridge, run) = unbound(&cluster, &waits()).await;
    let glass = |reason: &str| RunAnswer::Choose { way: Way::Glass, reason: reason.to_owned() };
    bridge.exec.answer(run, glass("urgent"));
    bridge.until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("at least two words"))).await;
    super::ways::asked_ways(&mut bridge).await;
    bridge.exec.answer(run, glass("players are cut off"));
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!((count(&cluster).await, view.glass.as_deref()), (1, Some("players are cut off")));
    let records = bridge.exec.journal.of_run(run).await.unwrap();
    let at = |kind| records.iter().position(|record| record.entry.kind == kind).unwrap();
    assert!(at(RecordKind::BreakGlass) < at(RecordKind::StepIntent));
    let data = &records[at(RecordKind::BreakGlass)].entry.data;
    assert!(data["unbound"].as_str().unwrap().contains("the lock may be somebody else's by now"), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_while_the_lock_is_not_certain_has_sent_nothing() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    for answer in [RunAnswer::Stop, choose(Way::Stop), RunAnswer::Leave] {
        let (mut bridge, run) = unbound(&cluster, &waits()).await;
        bridge.exec.answer(run, answer);
        let view = bridge.end(run).await;
        assert_eq!(view.outcome, Some(RunOutcome::Stopped), "{view:?}");
        let why = "nothing was sent for this step: the lock may be somebody else's by now";
        assert!(view.reason.contains(why), "{}", view.reason);
        assert_eq!(count(&cluster).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_back_is_asked_about_too_while_the_lock_is_not_certain() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = waits().replace("count(*) > 0", "count(*) > 1");
    let mut bridge = Bridge::new(cluster.connections("ops"), page(KEYS, &body)).await;
    let run = begun(&mut bridge).await;
    bridge.exec.answer(run, RunAnswer::Done);
    super::ways::asked_ways(&mut bridge).await;
    bridge.away.store(true, Ordering::Release);
    bridge.exec.answer(run, choose(Way::Undo));
    assert_eq!(super::ways::asked_ways(&mut bridge).await.1, [Way::Wait, Way::Glass, Way::Stop]);
    assert_eq!(count(&cluster).await, 1);
    bridge.exec.answer(run, RunAnswer::Choose { way: Way::Glass, reason: "it must be as before".to_owned() });
    bridge.end(run).await;
    assert_eq!(count(&cluster).await, 0);
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

/// Another team: a journal of its own, over the same database.
async fn another_team(cluster: &Cluster) -> Bridge {
    Bridge::new(cluster.connections("ops"), page(KEYS, &waits())).await
}

/// Ends the session that holds the database.
async fn cut(cluster: &Cluster) {
    let mut admin = cluster.admin().await;
    let ended: i64 = sqlx::query_scalar(OURS).fetch_one(&mut admin).await.unwrap();
    assert_eq!(ended, 1);
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'quarterdeck run %'";
    while sqlx::query_scalar::<_, i64>(left).fetch_one(&mut admin).await.unwrap() > 0 {}
}

const OURS: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'quarterdeck run %'";

#[tokio::test(flavor = "multi_thread")]
async fn two_teams_with_journals_of_their_own_exclude_each_other_on_the_database_itself() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut first, mut second) = (another_team(&cluster).await, another_team(&cluster).await);
    let early = second.plan("ways", json!({})).await;
    let run = begun(&mut first).await;
    let name = format!("\"quarterdeck run {} by ", run.short());
    let late = second.plan("ways", json!({})).await;
    let why = &late.body().blocked[0];
    assert!(why.starts_with("database/primary is held on the database itself by ") && why.contains(&name), "{why}");
    assert!(why.contains("(login ops)"), "{why}");
    second.exec.start(yes(early, None)).unwrap();
    let refused = |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what.contains("is held on the database itself by"));
    second.until(refused).await;
    assert_eq!(second.exec.journal.held(&held()).await.unwrap(), [], "what it took of its own journal is given back");
    first.exec.answer(run, RunAnswer::Done);
    assert_eq!(first.end(run).await.outcome, Some(RunOutcome::Ok));
    let free = second.plan("ways", json!({})).await;
    assert_eq!(free.body().blocked, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_line_breaks_is_taken_again_or_the_next_change_is_refused() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = another_team(&cluster).await;
    let run = begun(&mut bridge).await;
    cut(&cluster).await;
    bridge.exec.answer(run, RunAnswer::Done);
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok), "it is taken again");
    assert_eq!(count(&cluster).await, 1);
    // Once more, and another team is quicker.
    let run = begun(&mut bridge).await;
    cut(&cluster).await;
    let mut other = another_team(&cluster).await;
    let theirs = begun(&mut other).await;
    bridge.exec.answer(run, RunAnswer::Done);
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(
        view.reason.contains("the lock on the database was lost: database/primary is held on the database itself by"),
        "{}",
        view.reason
    );
    assert!(view.reason.contains(&theirs.short()), "{}", view.reason);
    assert_eq!(count(&cluster).await, 1, "nothing was sent");
}
