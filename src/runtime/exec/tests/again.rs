//! A run that was begun before: its rest, what it did taken back, what a person saw, and that it is given up.

use super::ways::{ASKING, back_and_forth, page, prepared, table};
use super::*;
use crate::runbook::history::Runs;
use crate::runbook::past::Next;
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

    /// A person says what they saw; it has its end by that.
    async fn seen(&mut self, run: RunId, happened: bool, text: &str) -> crate::event::Ended {
        let ended = self.exec.saw(run, happened, text).await.unwrap();
        self.until(|event| is_record(event, RecordKind::RunFinish)).await;
        ended
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
async fn a_question_that_a_crash_cut_off_says_what_was_found_before_it() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (7)");
    let mut doomed = Bridge::doomed(cluster.connections("ops"), page("", ASKING), BETWEEN).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    cluster.run("INSERT INTO t VALUES (8)");
    let mut next = doomed.next(cluster.connections("ops"), page("", ASKING)).await;
    let run = next.only().await;
    let plan = next.again(run, Onward::GoOn).await;
    assert_eq!(titles(&plan), ["Which way"]);
    next.exec.start(yes(plan, None)).unwrap();
    let RunEvent::Ask { prompt, .. } = next.until(|event| matches!(event, RunEvent::Ask { .. })).await else {
        panic!()
    };
    assert!(prompt.contains("There are 1: a b"), "the look is behind it: {prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_off_behind_its_last_step_has_its_end_by_the_next_look() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    for at in [At::DieBefore(RecordKind::LockReleased), At::DieBefore(RecordKind::RunFinish)] {
        cluster.run("DELETE FROM t");
        let doomed = half(&cluster, LOCK, at).await;
        let mut next = doomed.next(cluster.connections("ops"), page(LOCK, &two())).await;
        let run = next.only().await;
        let (past, _) = next.exec.past(run).await.unwrap();
        let ended = (past.outcome, past.reason.as_str(), past.ways());
        let reason = "every step was ok; quarterdeck ended before it could say so";
        assert_eq!(ended, (Some(RunOutcome::Ok), reason, vec![Next::Undo]));
        assert_eq!(next.exec.journal.held(&["database/primary".to_owned()]).await.unwrap(), []);
        let why = next.try_again(run, Onward::GoOn).await.unwrap_err();
        let told = format!("run {} has ended ok: every step was ok", run.short());
        assert!(why.starts_with(&told) && why.ends_with("nothing is left to go on with"), "{why}");
        let plan = next.again(run, Onward::Undo).await;
        next.finish(plan).await;
        assert!(table(&cluster).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_went_on_past_a_failure_and_is_cut_off_behind_its_last_step_is_ended_by_going_on() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body =
        format!("## Change\n\n{}{}", back_and_forth("One", 1, " on-fail=continue"), back_and_forth("Two", 2, ""));
    let body = body.replace("WHERE n = 1\n```", "WHERE n = 7\n```");
    let library = || page(LOCK, &body);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), library(), At::DieBefore(RecordKind::RunFinish)).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let mut next = doomed.next(cluster.connections("ops"), library()).await;
    let run = next.only().await;
    let (past, _) = next.exec.past(run).await.unwrap();
    assert_eq!(past.outcome, Some(RunOutcome::Failed), "{}", past.reason);
    assert_eq!(past.ways(), [Next::GoOn, Next::Undo, Next::GiveUp], "somebody has looked, and nobody has decided");
    assert_eq!(next.view(run).await.ways(), past.ways());
    let plan = next.again(run, Onward::GoOn).await;
    assert!(titles(&plan).is_empty());
    next.finish(plan).await;
    let (past, _) = next.exec.past(run).await.unwrap();
    assert_eq!(past.outcome, Some(RunOutcome::Failed));
    assert!(past.reason.starts_with("a step failed, and the run went on: "), "{}", past.reason);
    assert_eq!((past.ways(), next.view(run).await.ways()), (vec![Next::Undo], vec![Next::Undo]), "it has its end");
    let why = next.try_again(run, Onward::GoOn).await.unwrap_err();
    assert!(why.starts_with(&format!("run {} has ended failed: ", run.short())), "{why}");
    assert_eq!(table(&cluster).await, [1, 2], "nothing came twice");
    assert_eq!(next.exec.journal.held(&["database/primary".to_owned()]).await.unwrap(), []);
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
    assert_eq!(view.outcome, Some(RunOutcome::Undone), "{view:?}");
    assert_eq!(view.reason, "all that it did was taken back: step 2 'Two' on primary, then step 1 'One' on primary");
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
    let (past, _) = next.exec.past(run).await.unwrap();
    let last = "all that it did was taken back, at last step 1 'One' on primary";
    assert_eq!((past.outcome, past.reason.as_str()), (Some(RunOutcome::Undone), last));
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
    assert!(why.starts_with("step 1 'One' on primary is done and was changed since"), "{why}");
    assert!(why.contains("can't be taken back here either; left to undo by hand: step 1 'One' on primary;"), "{why}");
    let why = next.try_again(run, Onward::Undo).await.unwrap_err();
    assert!(why.contains("left to undo by hand: step 1 'One' on primary; then give it up"), "{why}");
    assert!(why.ends_with("\nOne on primary: DELETE FROM t WHERE n = 1"), "{why}");
    // One that did not hold is not called done.
    let entry = next.exec.entry_of(run, RecordKind::StepReconcile, json!({ "state": "failed", "detail": "no row" }));
    let entry = Entry { step: Some("change/one".to_owned()), role: Some("run".to_owned()), ..entry };
    next.exec.journal.append(entry).await.unwrap();
    let why = next.try_again(run, Onward::GoOn).await.unwrap_err();
    assert!(why.starts_with("step 1 'One' on primary has failed and was changed since"), "{why}");
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
    assert!(
        blocked.body().blocked.iter().any(|why| why.contains("that run was cut off")),
        "{:?}",
        blocked.body().blocked
    );
    for way in [Onward::GoOn, Onward::Undo] {
        let why = next.try_again(run, way).await.unwrap_err();
        assert!(why.starts_with("the change 'One' on primary was begun at "), "{why}");
        assert!(why.contains(" and nobody knows whether it happened: "), "{why}");
    }
    assert!(next.exec.saw(run, true, "yes").await.unwrap_err().starts_with("say why"));
    let ended = next.exec.saw(run, false, "the table is empty").await.unwrap();
    assert_eq!(ended.outcome, RunOutcome::Failed);
    assert_eq!(ended.reason, "a person saw that the change 'One' on primary did not happen: the table is empty");
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
    assert_eq!(next.plan("ways", json!({})).await.body().blocked.len(), 2, "for itself, and for what it locks");
    assert!(next.exec.give_up(run, "no").await.is_err());
    let ended = next.exec.give_up(run, "the host was scrapped").await.unwrap();
    assert_eq!(ended.outcome, RunOutcome::Unknown);
    let actor = next.exec.journal.of_run(run).await.unwrap().pop().unwrap().actor;
    let reason = format!(
        "given up by {}@{}: the host was scrapped; left to undo: step 1 'One' on primary",
        actor.name, actor.host
    );
    assert_eq!(ended.reason, reason);
    // It is not looked at or given up once more; what somebody saw can still be said.
    assert!(next.exec.look_again(run).await.unwrap().is_none());
    let (past, _) = next.exec.past(run).await.unwrap();
    assert_eq!(past.given_up.as_ref().unwrap().why, "the host was scrapped");
    assert_eq!(past.ways(), [Next::Saw]);
    let plan = next.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    next.run(yes(plan, None)).await;
    assert_eq!(table(&cluster).await, [1, 2]);
}

/// One step was done, and its undo was begun: nobody knows whether it happened, for its page is gone.
async fn undo_in_doubt(cluster: &Cluster) -> (Bridge, RunId) {
    let one = format!("## Change\n\n{}", back_and_forth("One", 1, ""));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &one)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.run(yes(plan, None)).await.id;
    let dead = Process { started: Some(1), ..Process::this() };
    let (dir, dies) = (Arc::clone(&bridge.dir), At::DieAfter(RecordKind::PolicyChange));
    let mut doomed = Bridge::over(dir, cluster.connections("ops"), page("", &one), dies, dead).await;
    let plan = doomed.again(run, Onward::Undo).await;
    doomed.die(yes(plan, None)).await;
    let other = "## Change\n\n### Other\n\n".to_owned() + &back_and_forth("Three", 3, "");
    (doomed.next(cluster.connections("ops"), page("", &other)).await, run)
}

impl Bridge {
    /// The run as the screen folds it.
    async fn view(&self, run: RunId) -> crate::runbook::RunView {
        let mut runs = Runs::default();
        for record in self.exec.journal.of_run(run).await.unwrap() {
            runs.apply(&record);
        }
        runs.cut_off(&[run]);
        runs.get(run).unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_undo_in_doubt_it_is_told_which_and_since_when() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (next, run) = undo_in_doubt(&cluster).await;
    let (past, _) = next.exec.past(run).await.unwrap();
    let at = past.open[0].intent.at.strftime("%H:%M:%SZ").to_string();
    let doubt = format!("the undo of 'One' on primary was begun at {at} and nobody knows whether it happened");
    assert_eq!(past.doubt().as_deref(), Some(doubt.as_str()));
    assert!(past.told("change/one").starts_with(&format!("{doubt}: the ")), "{}", past.told("change/one"));
    assert_eq!(next.view(run).await.doubt().as_deref(), Some(doubt.as_str()));
    assert!(matches!(next.told.last(), Some(RunEvent::Reconciled(runs)) if runs[0].reason.starts_with(&doubt)));
    let ended = next.exec.saw(run, true, "the row is gone").await.unwrap();
    let reason =
        "a person saw that the undo of 'One' on primary happened: the row is gone; all that it did was taken back";
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Undone, reason));
    let (past, _) = next.exec.past(run).await.unwrap();
    assert_eq!(past.told("change/one"), "a person saw that the undo happened: the row is gone");
    assert_eq!((past.ways(), next.view(run).await.ways()), (vec![], vec![]), "it waits for nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_did_not_happen_leaves_the_step_as_it_was_on_the_screen_and_off_it() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (next, run) = undo_in_doubt(&cluster).await;
    let ended = next.exec.saw(run, false, "the row is there").await.unwrap();
    assert_eq!(ended.outcome, RunOutcome::Ok, "{ended:?}");
    let ((past, _), view) = (next.exec.past(run).await.unwrap(), next.view(run).await);
    let known = past.step("change/one").unwrap();
    assert_eq!((known.state, known.undo, view.steps[0].state), (Some(StepState::Ok), None, StepState::Ok));
    assert_eq!((past.ways(), view.ways()), (vec![Next::Undo], vec![Next::Undo]));
}

/// A row, and behind it a step whose undo refuses as long as a file is there; the run has ended well, and was to be taken back.
async fn refused_undo(cluster: &Cluster, attrs: &str) -> (Bridge, RunId, std::path::PathBuf) {
    let gate = std::env::temp_dir().join(format!("quarterdeck-gate-{}", uuid::Uuid::now_v7()));
    std::fs::write(&gate, "3 play on it").unwrap();
    let refuses = format!(
        "### Two\n\n```bash run on=local timeout=5s\nset -eu\ntrue\n```\n\n```bash verify on=local timeout=5s\nset -eu\ntrue\n```\n\n\
         ```bash undo on=local timeout=5s{attrs}\nset -eu\n[ ! -e {gate} ] || {{ cat {gate} >&2; exit 1; }}\n```\n\n",
        gate = gate.display()
    );
    let body = format!("## Change\n\n{}{refuses}", back_and_forth("One", 1, ""));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.run(yes(plan, None)).await.id;
    let plan = bridge.again(run, Onward::Undo).await;
    assert_eq!(titles(&plan), ["Undo: Two", "Undo: One"]);
    bridge.finish(plan).await;
    let (past, _) = bridge.exec.past(run).await.unwrap();
    assert_eq!(past.outcome, Some(RunOutcome::Failed), "{}", past.reason);
    assert_eq!(table(cluster).await, [1], "what came before it waits");
    (bridge, run, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_refused_is_asked_again_before_what_came_before_it() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut bridge, run, gate) = refused_undo(&cluster, " idempotent").await;
    assert_eq!(bridge.view(run).await.ways(), [Next::Undo, Next::GiveUp]);
    let plan = bridge.again(run, Onward::Undo).await;
    assert_eq!(titles(&plan), ["Undo: Two", "Undo: One"]);
    let warned = plan.body().warnings.join("\n");
    assert!(warned.contains("the undo of step 2 'Two' on local failed") && warned.contains("3 play on it"), "{warned}");
    bridge.finish(plan).await;
    assert_eq!(table(&cluster).await, [1], "it refuses as before");
    std::fs::remove_file(gate).unwrap();
    let plan = bridge.again(run, Onward::Undo).await;
    bridge.finish(plan).await;
    let ((past, _), view) = (bridge.exec.past(run).await.unwrap(), bridge.view(run).await);
    assert_eq!((past.outcome, table(&cluster).await), (Some(RunOutcome::Undone), vec![]), "{}", past.reason);
    assert_eq!((past.ways(), view.ways()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_failed_and_must_not_be_sent_twice_waits_for_what_somebody_saw() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let (mut bridge, run, gate) = refused_undo(&cluster, "").await;
    let ((past, _), view) = (bridge.exec.past(run).await.unwrap(), bridge.view(run).await);
    let ways = vec![Next::Saw, Next::GiveUp];
    assert_eq!((past.ways(), view.ways()), (ways.clone(), ways));
    assert_eq!(view.asked_about().as_deref(), Some("the undo of 'Two' on local"));
    let refused = bridge.try_again(run, Onward::Undo).await.unwrap_err();
    assert!(refused.contains("the undo of 'Two' on local failed") && refused.contains("--saw nothing"), "{refused}");
    // Nothing of it was done: then it is sent again.
    bridge.seen(run, false, "they played on").await;
    assert_eq!(titles(&bridge.again(run, Onward::Undo).await), ["Undo: Two", "Undo: One"]);
    let plan = bridge.again(run, Onward::Undo).await;
    bridge.finish(plan).await;
    // It was done by hand: what came before it is what is left.
    let ended = bridge.seen(run, true, "the machine is gone").await;
    let reason = "a person saw that the undo of 'Two' on local happened: the machine is gone; not all that it did was taken back";
    assert!(ended.reason.starts_with(reason), "{}", ended.reason);
    let plan = bridge.again(run, Onward::Undo).await;
    assert_eq!(titles(&plan), ["Undo: One"]);
    bridge.finish(plan).await;
    assert_eq!(table(&cluster).await, Vec::<i32>::new());
    assert_eq!(bridge.exec.past(run).await.unwrap().0.outcome, Some(RunOutcome::Undone));
    std::fs::remove_file(gate).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_another_session_drives_is_told_as_such_and_left_alone() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let keys = "";
    let mut here = Bridge::doomed(cluster.connections("ops"), page(keys, &two()), BETWEEN).await;
    let plan = here.plan("ways", json!({})).await;
    here.die(yes(plan, None)).await;
    let run = here.only().await;
    // A session that lives takes it up, and is in the middle of it.
    let dir = Arc::clone(&here.dir);
    let lives = Bridge::over(dir, cluster.connections("ops"), page(keys, &two()), At::Never, Process::this()).await;
    let taken = lives.exec.entry_of(run, RecordKind::RunResume, json!({ "way": "go on" }));
    let record = lives.exec.journal.reopen(taken).await.unwrap().unwrap();
    let dir = Arc::clone(&here.dir);
    let other = Bridge::over(dir, cluster.connections("ops"), page(keys, &two()), At::Never, Process::this()).await;
    let since = record.at.strftime("%H:%M:%SZ");
    let who = format!(
        "another session drives run {} ({}@{}, since {since})",
        run.short(),
        record.actor.name,
        record.actor.host
    );
    for way in [Onward::GoOn, Onward::Undo] {
        assert_eq!(other.try_again(run, way).await.unwrap_err(), who);
    }
    assert_eq!(other.exec.saw(run, true, "it is there now").await.unwrap_err(), who);
    assert_eq!(other.exec.give_up(run, "nobody needs it").await.unwrap_err(), who);
    let (past, _) = other.exec.past(run).await.unwrap();
    assert_eq!(other.exec.elsewhere(&past).await.unwrap(), Some(who));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_for_a_run_that_another_session_took_over_is_told_by_whom() {
    let mut bridge = Bridge::new(Connections::default(), page("", "## Call\n\n### Call them\n\nTell them.\n")).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
    let ben = Actor { name: "ben".to_owned(), uid: 2, host: "bastion-2".to_owned() };
    let file = bridge.dir.path().join("journal.db");
    let other = SqliteJournal::open_as(&file, "test", Redactor::default(), ben, Process::this()).await.unwrap();
    let data = json!({ "way": "abandon", "reason": "the primary is back" });
    other.append(bridge.exec.entry_of(run, RecordKind::RunResume, data)).await.unwrap();
    bridge.exec.answer(run, RunAnswer::Done);
    let told = |event: &RunEvent| {
        let RunEvent::Trouble { what, .. } = event else { return false };
        what.starts_with(&format!("run {} was taken over by ben@bastion-2 at ", run.short()))
            && what.contains("and given up: the primary is back; nothing more of it is done here")
    };
    bridge.until(told).await;
    assert_eq!(bridge.story().await, ["run.start", "run.resume"], "nothing is recorded of it here any more");
}
