//! A runbook that runs another one: a run of its own, with its own plan and answer, on which the calling step depends.

use super::ways::asked_ways;
use super::*;
use crate::runbook::announce::{self, Teller};
use crate::runbook::machine::Way;
use crate::runbook::{Onward, Resumption};

const FRONT: &str = "runbook: 1\nowner: tests\nreviewed: 2026-11-20\nrisk: low\nverb: set\n";

fn file(id: &str, keys: &str, body: &str) -> String {
    format!("---\nid: {id}\ntitle: {id}\n{FRONT}{keys}---\n\n# It\n\n{body}\n")
}

/// `outer.md` adds 1, calls `inner.md`, and adds 3; `inner.md` adds `n` and expects that it is there `times` times.
fn library(keys: &str, times: u32) -> Library {
    let [outer, inner] = pages(keys, times);
    read(&outer, &inner)
}

fn read(outer: &str, inner: &str) -> Library {
    Library::read([("outer.md", outer), ("inner.md", inner)]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn pages(keys: &str, times: u32) -> [String; 2] {
    let add = |title: &str, what: &str| {
        format!(
            "### {title}\n\n```sql run on=primary timeout=5s\nINSERT INTO t VALUES ({what})\n```\n\n\
             ```sql verify on=primary timeout=5s expect=(rows[0].n > 0)\nSELECT count(*) AS n FROM t\n```\n\n\
             ```sql undo on=primary timeout=5s\nDELETE FROM t WHERE n = {what}\n```\n\n"
        )
    };
    let params = format!("{keys}params:\n  - {{name: n, type: int, default: 2}}\n");
    let outer =
        format!("## Go\n\n{}### Other\n\n**Run:** [inner](inner.md)\n\n{}", add("First", "1"), add("Third", "3"));
    // Every parameter is used.
    let outer = outer.replace("VALUES (3)", "SELECT 3 WHERE :n > 0");
    let inner = format!(
        "## Go\n\n### Second\n\n```sql run on=primary timeout=5s undo=none\nINSERT INTO t VALUES (:n)\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].n == {times})\nSELECT count(*) AS n FROM t WHERE n = :n\n```\n"
    );
    [file("outer", &params, &outer), file("inner", &params, &inner)]
}

fn prepared(cluster: Cluster) -> Cluster {
    cluster.run("CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher");
    cluster
}

async fn table(cluster: &Cluster) -> Vec<i32> {
    sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(&mut cluster.admin().await).await.unwrap()
}

/// Starts `outer`, and goes on until it asks for the other run.
async fn at_the_call(bridge: &mut Bridge) -> (RunId, PlanRequest) {
    let plan = bridge.plan("outer", json!({"n": 7})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    (run, called(bridge, run).await)
}

/// What others are told of the plan of `outer`, when nothing takes back what `inner` does.
async fn foretold(bridge: &mut Bridge) {
    let plan = bridge.plan("outer", json!({"n": 7})).await;
    let told = announce::before(&plan, Teller { who: "ada@bastion", env: "lab", only_looks: false }, None);
    for line in [
        "- changes: step 1 'First' on primary; step 3 'Third' on primary\n",
        "- calls: step 2 'Other' runs inner (low risk): changes step 2.1 'Second' on primary, which cannot be undone\n",
        "- risk: low; 2 of 3 changes can be undone, not step 2.1 'Second' on primary\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(told.lines().count() <= 12 && !told.contains("DELETE"), "{told}");
}

async fn called(bridge: &mut Bridge, run: RunId) -> PlanRequest {
    bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
    bridge.exec.answer(run, RunAnswer::Done);
    let RunEvent::Call { request, .. } = bridge.until(|event| matches!(event, RunEvent::Call { .. })).await else {
        panic!()
    };
    request.as_ref().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_called_one_is_a_run_of_its_own_with_our_values_and_decides_our_step() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), library("lock: [database/primary]\n", 1)).await;
    foretold(&mut bridge).await;
    let (run, request) = at_the_call(&mut bridge).await;
    assert_eq!((request.runbook.as_str(), &request.args["n"]), ("inner", &json!(7)));
    assert_eq!(table(&cluster).await, [1], "nothing of it runs before its answer");
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    assert_eq!(plan.body().locks[0].state(), "held by the run that calls this one");
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let child = bridge.exec.start(yes(plan.clone(), None)).unwrap();
    let view = bridge.end(child).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let told = announce::of_run(&bridge.runs, &view, view.started);
    for line in [
        format!(
            "- calls: step 2 'Other' ran inner (run {}): ok; changed step 2.1 'Second' on primary, which cannot be undone\n",
            child.short()
        ),
        "- undo: as a whole, from the last: step 3 'Third' on primary; step 1 'First' on primary\n".to_owned(),
        format!("- cannot be undone: step 2.1 'Second' on primary (run {} of inner)\n", child.short()),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    assert!(told.lines().count() <= 12 && !told.contains("DELETE"), "{told}");
    let second = &view.steps[1];
    assert_eq!(second.state, StepState::Ok);
    assert!(second.detail.starts_with(&format!("run {} of inner ended ok: ", child.short())), "{}", second.detail);
    assert_eq!(table(&cluster).await, [1, 3, 7]);
    let records = bridge.exec.journal.recent(1000).await.unwrap();
    let start = records.iter().find(|record| record.entry.run == Some(child)).unwrap();
    assert_eq!(start.entry.data["parent"], json!({"run": run, "step": "go/other"}));
    // The same plan once more: nobody waits for it.
    assert!(bridge.exec.start(yes(plan, None)).is_none());
    bridge
        .until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("does not wait for it")))
        .await;
}

/// `inner` waits for a file in its first step, and changes something in its second.
fn waiting(dir: &Path) -> Library {
    let [outer, _] = pages("", 1);
    let wait = format!(
        "### Wait\n\n```bash run on=local timeout=60s undo=none\nset -eu\necho begins\nuntil [ -e {} ]; do sleep 0.05; done\n```\n\n\
         ```bash verify on=local timeout=5s\nset -eu\ntrue\n```\n\n",
        dir.join("go").display()
    );
    let second = "### Second\n\n```sql run on=primary timeout=5s undo=none\nINSERT INTO t VALUES (:n)\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].n > 0)\nSELECT count(*) AS n FROM t\n```\n";
    let inner = format!("## Go\n\n{wait}{second}");
    read(&outer, &file("inner", "params:\n  - {name: n, type: int, default: 2}\n", &inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_a_run_holds_the_one_that_it_called_and_lets_it_go_on() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), waiting(dir.path())).await;
    let (run, request) = at_the_call(&mut bridge).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let child = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Output { .. })).await;
    bridge.exec.answer(run, RunAnswer::Pause(true));
    std::fs::write(dir.path().join("go"), "").unwrap();
    let first_ended = |event: &RunEvent| {
        matches!(event, RunEvent::Record(record) if record.entry.run == Some(child)
            && record.entry.kind == RecordKind::StepExit && record.entry.data["state"] == "ok")
    };
    bridge.until(first_ended).await;
    let next = async {
        bridge.until(|event| is_record(event, RecordKind::StepRecheck)).await;
    };
    assert!(tokio::time::timeout(Duration::from_millis(700), next).await.is_err(), "no step of it begins");
    assert_eq!(table(&cluster).await, [1]);
    bridge.exec.answer(run, RunAnswer::Pause(false));
    assert_eq!(bridge.end(child).await.outcome, Some(RunOutcome::Ok));
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok));
    assert_eq!(table(&cluster).await, [1, 3, 7]);
}

/// Rows come and go while somebody reads and types.
#[tokio::test(flavor = "multi_thread")]
async fn a_called_plan_that_grew_is_asked_for_once_more_and_its_caller_waits() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (8)");
    let inner = "## Go\n\n### Second\n\n```sql plan on=primary timeout=5s out=found key=(n)\nSELECT n FROM t WHERE n > 5\n```\n\n\
         ```sql run on=primary timeout=5s undo=none\nUPDATE t SET n = n - 100 WHERE n IN (SELECT n FROM jsonb_to_recordset(:found) AS seen(n integer))\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].n == 0)\nSELECT count(*) AS n FROM t WHERE n > 5\n```\n";
    let library = read(&pages("", 1)[0], &file("inner", "", inner));
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let (run, request) = at_the_call(&mut bridge).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    cluster.run("INSERT INTO t VALUES (9)");
    let first = bridge.exec.start(answered(plan)).unwrap();
    assert_eq!(bridge.end(first).await.outcome, Some(RunOutcome::Stopped));
    let (request, notice) = match bridge.until(|event| matches!(event, RunEvent::Call { .. })).await {
        RunEvent::Call { request, notice, .. } => (request.as_ref().clone(), notice.clone()),
        _ => panic!(),
    };
    assert!(notice.as_ref().is_some_and(|came| came.contains("1 came that nobody has seen")), "{notice:?}");
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let second = bridge.exec.start(answered(plan)).unwrap();
    assert_eq!(bridge.end(second).await.outcome, Some(RunOutcome::Ok));
    let view = bridge.end(run).await;
    assert_eq!((view.outcome, table(&cluster).await), (Some(RunOutcome::Ok), vec![-92, -91, 1, 3]));
    let told = announce::of_run(&bridge.runs, &view, view.started);
    let [first, second] = [first, second].map(|run| run.short());
    for part in [
        format!("step 2 'Other' ran inner (run {first}): stopped; changed nothing; "),
        format!("step 2 'Other' ran inner (run {second}): ok; changed step 2.1 'Second' on primary"),
        "- cannot be undone: step 2.1 'Second' on primary".to_owned(),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
}

/// With the answer that it wants.
fn answered(plan: Plan<Draft>) -> Plan<Approved> {
    let phrase = plan.phrase().map(str::to_owned);
    yes(plan, phrase.as_deref())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_takes_one_run() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), library("", 1)).await;
    let (run, request) = at_the_call(&mut bridge).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let first = bridge.exec.start(yes(plan.clone(), None));
    assert!(first.is_some() && bridge.exec.start(yes(plan, None)).is_none());
    bridge.end(first.unwrap()).await;
    assert_eq!(bridge.end(run).await.outcome, Some(RunOutcome::Ok));
    assert_eq!(table(&cluster).await, [1, 3, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_run_that_fails_fails_our_step_and_our_change_can_be_undone() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let mut bridge = Bridge::new(cluster.connections("ops"), library("", 2)).await;
    let (run, request) = at_the_call(&mut bridge).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let child = bridge.exec.start(yes(plan, None)).unwrap();
    let (prompt, ways) = asked_ways(&mut bridge).await;
    assert_eq!(ways, [Way::Undo, Way::Stop]);
    assert!(
        prompt.contains("of inner ended failed") && prompt.contains("Can be undone: step 1 'First' on primary (ops@"),
        "{prompt}"
    );
    bridge.exec.answer(run, super::ways::choose(Way::Undo));
    let view = bridge.end(run).await;
    assert_eq!((view.outcome, view.steps[1].state), (Some(RunOutcome::Failed), StepState::Failed), "{view:?}");
    assert!(
        view.reason
            .ends_with(&format!("; cannot be undone: step 2.1 'Second' on primary (run {} of inner)", child.short())),
        "{}",
        view.reason
    );
    assert_eq!(view.steps[2].state, StepState::Planned, "what follows is not begun");
    assert_eq!(table(&cluster).await, [7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_declined_is_asked_for_again_and_can_be_skipped_or_stopped() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    for stops in [false, true] {
        cluster.run("DELETE FROM t");
        let mut bridge = Bridge::new(cluster.connections("ops"), library("", 1)).await;
        let (run, request) = at_the_call(&mut bridge).await;
        let plan = bridge.exec.make_plan(&request).await.unwrap();
        bridge.exec.answer(run, RunAnswer::Declined);
        bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
        assert!(bridge.exec.start(yes(plan, None)).is_none(), "it was declined");
        if stops {
            bridge.exec.answer(run, RunAnswer::Stop);
            asked_ways(&mut bridge).await;
            bridge.exec.answer(run, super::ways::choose(Way::Stop));
        } else {
            bridge.exec.answer(run, RunAnswer::Skip("not needed".to_owned()));
        }
        let view = bridge.end(run).await;
        let (outcome, left) = if stops { (RunOutcome::Stopped, vec![1]) } else { (RunOutcome::Ok, vec![1, 3]) };
        assert_eq!(view.outcome, Some(outcome), "{view:?}");
        assert_eq!(table(&cluster).await, left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_the_called_run_and_then_ours() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let inner = file("inner", "", "## Go\n\n### By hand\n\nIs it well?\n");
    let outer = file("outer", "", "## Go\n\n### Other\n\n**Run:** [inner](inner.md)\n\n### After\n\nAnd now?\n");
    let library = Library::read([("outer.md", outer.as_str()), ("inner.md", inner.as_str())]).unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("outer", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let request = called(&mut bridge, run).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let child = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { run, .. } if *run == child)).await;
    bridge.exec.answer(run, RunAnswer::Stop);
    let view = bridge.end(run).await;
    assert_eq!(bridge.runs.get(child).unwrap().outcome, Some(RunOutcome::Stopped));
    assert_eq!((view.outcome, view.steps[0].state), (Some(RunOutcome::Stopped), StepState::Cancelled), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_ends_when_it_would_begin_again() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let round = |id: &str, to: &str| file(id, "", &format!("## Go\n\n### Other\n\n**Run:** [x]({to}.md)\n"));
    let (a, b) = (round("a", "b"), round("b", "a"));
    let library = Library::read([("a.md", a.as_str()), ("b.md", b.as_str())]).unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("a", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let request = called(&mut bridge, run).await;
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    let child = bridge.exec.start(yes(plan, None)).unwrap();
    let request = called(&mut bridge, child).await;
    let why = bridge.exec.make_plan(&request).await.unwrap_err();
    assert_eq!(why, "a → b → a: a runbook that calls itself never ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called_blocks_the_plan_before_anything_is_changed() {
    let outer = file("outer", "", "## Go\n\n### Other\n\n**Run:** [inner](inner.md)\n");
    let library = Library::read([("outer.md", outer.as_str())]).unwrap();
    let bridge = Bridge::new(Connections::default(), library).await;
    let plan = bridge.plan("outer", json!({})).await;
    let [why] = plan.body().blocked.as_slice() else { panic!("{:?}", plan.body().blocked) };
    assert!(why.starts_with("Other: inner.md beside ") && why.contains("runbook lint"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_called_run_did_is_taken_back_in_its_place() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let [outer, inner] = pages("lock: [database/primary]\n", 1);
    let undo = "\n```sql undo on=primary timeout=5s\nDELETE FROM t WHERE n = :n\n```\n";
    let inner = inner.replace(" undo=none", "") + undo;
    let mut bridge = Bridge::new(cluster.connections("ops"), read(&outer, &inner)).await;
    let (run, request) = at_the_call(&mut bridge).await;
    let child = bridge.exec.start(yes(bridge.exec.make_plan(&request).await.unwrap(), None)).unwrap();
    bridge.end(run).await;
    assert_eq!(table(&cluster).await, [1, 3, 7]);
    let back = PlanRequest::resuming("outer", Resumption { run, way: Onward::Undo });
    let plan = bridge.exec.make_plan(&back).await.unwrap();
    let titles: Vec<&str> = plan.body().steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Undo: Third", "Undo: Other", "Undo: First"]);
    bridge.exec.start(yes(plan, None)).unwrap();
    let request = called(&mut bridge, run).await;
    assert_eq!(table(&cluster).await, [1, 7], "last first");
    assert_eq!(request.resumes, Some(Resumption { run: child, way: Onward::Undo }));
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    assert_eq!((plan.body().blocked.len(), plan.body().steps[0].fences[0].sent.contains("DELETE")), (0, true));
    bridge.exec.start(yes(plan, None)).unwrap();
    let view = bridge.end(run).await;
    let order = "all that it did was taken back: step 3 'Third' on primary, then step 2 'Other', then step 1 'First' on primary";
    assert_eq!(view.verdict().unwrap(), format!("undone: {order}"));
    let by = format!("run {} of inner ended undone: all that it did was taken back: step 1 ", child.short());
    assert!(view.steps[1].detail.starts_with(&by), "{view:?}");
    assert_eq!(states(&view), [StepState::Undone; 3]);
    assert_eq!(states(bridge.runs.get(child).unwrap()), [StepState::Undone]);
    assert!(table(&cluster).await.is_empty());
}

fn states(view: &RunView) -> Vec<StepState> {
    view.steps.iter().map(|step| step.state).collect()
}

/// `outer.md`: two things to look at, then a call of `inner.md`, each page in a file.
fn by_hand(folder: &std::path::Path) -> [std::path::PathBuf; 2] {
    let look = |title: &str| format!("### {title}\n\n- [ ] look\n\n");
    let outer = format!("## Go\n\n{}{}### Other\n\n**Run:** [inner](inner.md)\n", look("First"), look("Second"));
    let pages = [("outer", outer), ("inner", format!("## Go\n\n{}", look("Third")))];
    pages.map(|(id, body)| {
        let path = folder.join(format!("{id}.md"));
        std::fs::write(&path, file(id, "", &body)).unwrap();
        path
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_whose_page_or_a_page_that_it_calls_has_a_mistake_or_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let [_, inner] = by_hand(folder.path());
    let folders = [folder.path().to_owned()];
    let mut bridge = Bridge::new(Connections::default(), crate::config::library(&folders)).await;
    let approved = |plan: Plan<Draft>| yes(plan, None);
    let not_begun = |why: &'static str| move |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what.starts_with("it was not begun: ") && what.contains(why));
    let before = bridge.plan("outer", json!({})).await;
    assert_eq!(before.body().blocked, Vec::<String>::new());
    let whole = std::fs::read_to_string(&inner).unwrap();
    std::fs::write(&inner, whole.replace("### Third", "### Fourth")).unwrap();
    bridge.exec.start(approved(before.clone())).unwrap();
    bridge.until(not_begun("inner.md (inner) was changed since the plan was made: plan again")).await;
    std::fs::write(&inner, whole.replace("risk: low\n", "")).unwrap();
    let broken = crate::config::library_after(&folders, &bridge.exec.library);
    bridge.exec = Arc::new(bridge.exec.with_library(Arc::new(broken)));
    let plan = bridge.plan("outer", json!({})).await;
    assert!(plan.body().blocked[0].starts_with("Other: it calls inner, and its file has a mistake"), "{plan:?}");
    bridge.exec.start(approved(before.clone())).unwrap();
    bridge.until(not_begun("outer calls inner: its file has a mistake (inner.md:")).await;
    let records = bridge.exec.journal.recent(10).await.unwrap();
    assert!(records.iter().all(|record| record.entry.run.is_none()), "nothing of it was begun: {records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_or_not_reached_is_told_and_no_call_in_the_present() {
    let folder = tempfile::tempdir().unwrap();
    by_hand(folder.path());
    let library = crate::config::library(&[folder.path().to_owned()]);
    let mut bridge = Bridge::new(Connections::default(), library).await;
    let run = bridge.exec.start(yes(bridge.plan("outer", json!({})).await, None)).unwrap();
    for answer in [RunAnswer::Skip("not needed".to_owned()), RunAnswer::Stop] {
        bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
        bridge.exec.answer(run, answer);
    }
    let view = bridge.end(run).await;
    let told = announce::of_run(&bridge.runs, &view, view.started);
    for line in [
        "- skipped: step 1 'First': not needed\n",
        "- not done: step 2 'Second', step 3 'Other'\n",
        "- calls: step 3 'Other' was not reached: inner was not run\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("runs inner"), "{told}");
}
