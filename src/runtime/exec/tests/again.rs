//! A run that was begun before: its rest, what it did taken back, what a person saw, and that it is given up.

use super::ways::{back_and_forth, page, prepared, table};
use super::*;
use crate::runbook::{Onward, Resumption};

const LOCK: &str = "lock: [database/primary]\n";

fn two() -> String {
    format!("## Change\n\n{}{}", back_and_forth("One", 1, ""), back_and_forth("Two", 2, ""))
}

impl Bridge {
    async fn try_again(&self, run: RunId, way: Onward) -> Result<Plan<Draft>, String> {
        self.exec.make_plan(&PlanRequest::resuming("ways", Resumption { run, way })).await
    }

    async fn again(&self, run: RunId, way: Onward) -> Plan<Draft> {
        let plan = self.try_again(run, way).await.unwrap();
        assert_eq!(plan.body().blocked, Vec::<String>::new());
        plan
    }

    /// Runs a plan to its end, also of a run that began before this process.
    async fn finish(&mut self, plan: Plan<Draft>) {
        self.exec.start(yes(plan, None)).unwrap();
        self.until(|event| is_record(event, RecordKind::RunFinish)).await;
    }

    /// The only run of the journal.
    async fn only(&self) -> RunId {
        self.exec.journal.recent(1000).await.unwrap().iter().find_map(|record| record.entry.run).unwrap()
    }
}

fn titles(plan: &Plan<Draft>) -> Vec<&str> {
    plan.body().steps.iter().filter(|step| step.past.is_none()).map(|step| step.title.as_str()).collect()
}

/// Dies after its first step of two.
async fn half(cluster: &Cluster, keys: &str, at: At) -> Bridge {
    let mut doomed = Bridge::doomed(cluster.connections("ops"), page(keys, &two()), at).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    doomed
}

/// After the first record of a step's end.
const BETWEEN: At = At::DieAfter(RecordKind::WritesLock);

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_run_is_done_and_nothing_twice() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let doomed = half(&cluster, LOCK, BETWEEN).await;
    let mut next = doomed.next(cluster.connections("ops"), page(LOCK, &two())).await;
    let run = next.only().await;
    assert_eq!(table(&cluster).await, [1]);
    let (past, _) = next.exec.past(run).await.unwrap();
    assert_eq!((past.outcome, past.left_to_undo().len()), (Some(RunOutcome::Stopped), 1));
    let plan = next.again(run, Onward::GoOn).await;
    assert_eq!(titles(&plan), ["Two"]);
    next.finish(plan).await;
    let story = next.story().await;
    assert_eq!(story.last().unwrap(), "run.finish ok", "{story:?}");
    assert_eq!(table(&cluster).await, [1, 2]);
    assert_eq!(next.exec.journal.held(&["database/primary".to_owned()]).await.unwrap(), []);
    assert!(next.try_again(run, Onward::GoOn).await.unwrap_err().contains("nothing is left to go on with"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_over_is_taken_back_whole_last_first_and_once() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), page(LOCK, &two())).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!((view.outcome, table(&cluster).await), (Some(RunOutcome::Ok), vec![1, 2]));
    let plan = bridge.again(view.id, Onward::Undo).await;
    assert_eq!(titles(&plan), ["Undo: Two", "Undo: One"]);
    assert_eq!(plan.body().steps[0].fences[0].sent, "DELETE FROM t WHERE n = 2");
    // A plan is about the run as it was seen.
    let stale = bridge.again(view.id, Onward::Undo).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Stopped), "{view:?}");
    assert_eq!(view.reason, "all that it did was taken back");
    assert_eq!([view.steps[0].state, view.steps[1].state], [StepState::Undone; 2]);
    assert_eq!(view.undoable().count(), 0);
    assert!(table(&cluster).await.is_empty());
    let why = bridge.try_again(view.id, Onward::Undo).await.unwrap_err();
    assert!(why.contains("nothing of it is left"), "{why}");
    cluster.run("INSERT INTO t VALUES (1), (2)");
    bridge.exec.start(yes(stale, None)).unwrap();
    let refused = |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what.contains("plan it again"));
    bridge.until(refused).await;
    assert_eq!(table(&cluster).await, [1, 2], "nothing is taken back twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_in_one_database_is_not_gone_on_with_or_taken_back_in_another() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let doomed = half(&cluster, "", BETWEEN).await;
    let here = doomed.plan("ways", json!({})).await;
    cluster.run("CREATE DATABASE other");
    let mut admin = cluster.on("other").await;
    sqlx::raw_sql(
        "CREATE TABLE t (n int); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher; INSERT INTO t VALUES (1)",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let next = doomed.next(cluster.connections_on("ops", "other"), page("", &two())).await;
    let run = next.only().await;
    for way in [Onward::GoOn, Onward::Undo] {
        let plan = next.try_again(run, way).await.unwrap();
        let why = plan.body().blocked.join("\n");
        assert!(
            why.contains("primary is another place than when the run was begun: ") && why.contains("/other, and not "),
            "{why}"
        );
    }
    // A plan is of one database: what was answered for another does not count.
    let there = next.plan("ways", json!({})).await;
    assert_ne!(there.body().hash, here.body().hash);
    assert!(there.body().steps[0].address.ends_with("/other"), "{}", there.body().steps[0].address);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_half_taken_back_is_taken_back_finish() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &two())).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.run(yes(plan, None)).await.id;
    let dir = Arc::clone(&bridge.dir);
    let dead = Process { started: Some(1), ..Process::this() };
    let mut doomed = Bridge::over(dir, cluster.connections("ops"), page("", &two()), BETWEEN, dead).await;
    let plan = doomed.again(run, Onward::Undo).await;
    doomed.die(yes(plan, None)).await;
    assert_eq!(table(&cluster).await, [1]);
    let mut next = doomed.next(cluster.connections("ops"), page("", &two())).await;
    let plan = next.again(run, Onward::Undo).await;
    assert_eq!(titles(&plan), ["Undo: One"]);
    next.finish(plan).await;
    assert!(table(&cluster).await.is_empty());
    assert_eq!(next.story().await.iter().filter(|line| *line == "step.exit undone").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_done_and_was_changed_in_the_file_is_not_gone_on_from() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let doomed = half(&cluster, "", BETWEEN).await;
    let run = doomed.only().await;
    // Words may change, and what is still to be done.
    let later = two().replace("VALUES (2)", "VALUES (3 - 1)").replace("### Two", "### Two\n\nSome words.");
    let next = doomed.next(cluster.connections("ops"), page("", &later)).await;
    assert_eq!(titles(&next.again(run, Onward::GoOn).await), ["Two"]);
    let changed = two().replace("VALUES (1)", "VALUES (2 - 1)");
    let next = next.next(cluster.connections("ops"), page("", &changed)).await;
    let why = next.try_again(run, Onward::GoOn).await.unwrap_err();
    assert!(why.starts_with("change/one is done and was changed since"), "{why}");
    let why = next.try_again(run, Onward::Undo).await.unwrap_err();
    assert!(why.contains("left to undo by hand: One on primary: DELETE FROM t WHERE n = 1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_tell_blocks_and_stays_locked_until_somebody_says_what_they_saw() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let doomed = half(&cluster, LOCK, At::DieAfter(RecordKind::StepIntent)).await;
    // Its page is gone: nobody can look.
    let other = "## Change\n\n### Other\n\n".to_owned() + &back_and_forth("Three", 3, "");
    let mut next = doomed.next(cluster.connections("ops"), page(LOCK, &other)).await;
    let run = next.only().await;
    assert!(matches!(next.told.last(), Some(RunEvent::Reconciled(runs)) if runs[0].outcome == RunOutcome::Unknown));
    let held = next.exec.journal.held(&["database/primary".to_owned()]).await.unwrap();
    assert!(held[0].cut_off && held[0].run == run, "{held:?}");
    let blocked = next.plan("ways", json!({})).await;
    assert!(blocked.body().blocked[0].contains("that run was cut off"), "{:?}", blocked.body().blocked);
    for way in [Onward::GoOn, Onward::Undo] {
        let why = next.try_again(run, way).await.unwrap_err();
        assert!(why.contains("nobody knows what became of change/one"), "{why}");
    }
    assert!(next.exec.saw(run, true, "yes").await.unwrap_err().starts_with("say why"));
    let ended = next.exec.saw(run, false, "the table is empty").await.unwrap();
    assert_eq!(ended.outcome, RunOutcome::Failed);
    assert!(ended.reason.contains("a person says that it did not happen: the table is empty"), "{ended:?}");
    assert_eq!(next.exec.journal.held(&["database/primary".to_owned()]).await.unwrap(), []);
    assert!(next.exec.saw(run, true, "it is there now").await.unwrap_err().contains("nothing of run"));
    // Known not to be done: the run begins where it is, and does it once.
    next = next.next(cluster.connections("ops"), page(LOCK, &two())).await;
    let plan = next.again(run, Onward::GoOn).await;
    assert_eq!(titles(&plan), ["One", "Two"]);
    next.finish(plan).await;
    assert_eq!(table(&cluster).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_given_up_for_a_reason_frees_what_it_locks() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let doomed = half(&cluster, LOCK, At::DieAfter(RecordKind::StepIntent)).await;
    let run = doomed.only().await;
    let dir = Arc::clone(&doomed.dir);
    // Before anybody has looked, too.
    let mut next = Bridge::over(dir, cluster.connections("ops"), page(LOCK, &two()), At::Never, Process::this()).await;
    assert_eq!(next.plan("ways", json!({})).await.body().blocked.len(), 1);
    assert!(next.exec.give_up(run, "no").await.is_err());
    let ended = next.exec.give_up(run, "the host was scrapped").await.unwrap();
    assert_eq!(ended.outcome, RunOutcome::Unknown);
    assert!(ended.reason.starts_with("given up: the host was scrapped; left to undo: One on primary"), "{ended:?}");
    let plan = next.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    next.run(yes(plan, None)).await;
    assert_eq!(table(&cluster).await, [1, 2]);
}
