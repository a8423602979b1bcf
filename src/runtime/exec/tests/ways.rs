//! What a runbook says about the way through it: `if`, lists and choices, undoing, limits.

use super::*;
use crate::event::TaskList;
use crate::runbook::plan::When;

/// A runbook over a table `t (n integer, note text)` of the database, read and changed by `web`.
fn page(keys: &str, body: &str) -> Library {
    let front = "---\nrunbook: 1\nid: ways\ntitle: Ways\nowner: tests\nreviewed: 2026-11-20\nrisk: low\nverb: set\n";
    let page = format!("{front}{keys}---\n\n# Ways\n\n{body}\n");
    Library::read([("ways.md", page.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

const PARAMS: &str = "params:\n  - {name: way, type: string, default: short}\n";

/// A step that adds a row and sees that it is there. `attrs` belong to its run.
fn add(title: &str, n: i32, attrs: &str) -> String {
    format!(
        "### {title}\n\n```sql run on=primary timeout=5s{attrs}\nINSERT INTO t VALUES ({n})\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].there)\nSELECT count(*) = 1 AS there FROM t WHERE n = {n}\n```\n\n"
    )
}

fn prepared(cluster: Cluster) -> Cluster {
    cluster.run("CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher");
    cluster
}

async fn table(cluster: &Cluster) -> Vec<i32> {
    sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(&mut cluster.admin().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_if_is_not_true_is_shown_as_left_out_and_passed_over() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = format!(
        "## Change\n\n{}{}",
        add("Long", 1, " undo=none if=(params.way == 'long')"),
        add("Short", 2, " undo=none if=(params.way == 'short')")
    );
    let mut bridge = Bridge::new(cluster.connections("ops"), page(PARAMS, &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let steps = &plan.body().steps;
    assert_eq!(steps[0].left_out(), Some("`params.way == 'long'` is not true"));
    assert_eq!(steps[1].fences[0].when, When::Holds("params.way == 'short'".to_owned()));
    assert_eq!(plan.first_change().map(|step| step.title.as_str()), Some("Short"));
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(view.steps[0].state, StepState::Skipped);
    assert_eq!(view.steps[0].detail, "`params.way == 'long'` is not true");
    assert_eq!(table(&cluster).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_cannot_be_judged_sends_nothing() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let check = "```sql check on=primary timeout=5s expect=(rows[0].ok)\nSELECT true AS ok\n```\n\n";
    let plan = "```sql plan on=primary timeout=5s out=found key=(n)\nSELECT 1 AS n\n```\n\n";
    let fine = add("Add", 1, " undo=none");
    let judged = fine
        .replace("### Add\n\n", &format!("### Add\n\n{check}{plan}"))
        .replace("undo=none", "undo=none if=(found[3].n == 1)");
    let bridge = Bridge::new(cluster.connections("ops"), page("", &format!("## Change\n\n{judged}"))).await;
    // Its own rows are not there when it is decided whether it is planned at all.
    let whole = bridge.plan("ways", json!({})).await;
    assert_eq!(whole.body().steps[0].fences[2].when, When::Later("found[3].n == 1".to_owned()));
    let mut bridge = bridge;
    let view = bridge.run(yes(whole, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(view.reason.contains("its `if` cannot be judged"), "{}", view.reason);
    assert!(table(&cluster).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_ticked_and_a_choice_decides_what_is_sent() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = format!(
        "## Decide\n\n### Which way\n\nAsk the owner.\n\n- [ ] the owner is asked\n- [ ] the owner agrees\n\n**Choose:**\n\n- one\n- two\n\n## Change\n\n{}{}",
        add("One", 1, " undo=none if=(which_way == 'one')"),
        add("Two", 2, " undo=none if=(which_way == 'two')")
    );
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    assert_eq!(plan.body().steps[1].fences[0].when, When::Later("which_way == 'one'".to_owned()));
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let RunEvent::Ask { list, .. } = bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await else {
        panic!()
    };
    let wanted = ["the owner is asked", "the owner agrees"].map(|task| (task.to_owned(), false)).to_vec();
    assert_eq!(*list, TaskList { tasks: wanted, choices: vec!["one".to_owned(), "two".to_owned()], chosen: None });
    for answer in [RunAnswer::Tick { item: 0, done: true }, RunAnswer::Choose(1), RunAnswer::Done] {
        bridge.exec.answer(run, answer);
    }
    bridge
        .until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("one item is not ticked")))
        .await;
    for answer in [RunAnswer::Tick { item: 1, done: true }, RunAnswer::Done] {
        bridge.exec.answer(run, answer);
    }
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(view.steps[0].output, "[x] the owner is asked\nchosen: two\n[x] the owner agrees");
    assert_eq!(view.steps[0].detail, "chosen: two");
    assert_eq!((view.steps[1].state, view.steps[2].state), (StepState::Skipped, StepState::Ok));
    assert_eq!(table(&cluster).await, [2]);
}
