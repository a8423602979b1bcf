//! What a runbook says about the way through it: `if`, lists and choices, undoing, limits.

use super::*;
use crate::event::TaskList;
use crate::runbook::machine::Way;
use crate::runbook::plan::When;

/// A runbook over a table `t (n integer, note text)` of the database, read and changed by `web`.
pub(super) fn page(keys: &str, body: &str) -> Library {
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

pub(super) fn prepared(cluster: Cluster) -> Cluster {
    cluster.run("CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher");
    cluster
}

pub(super) async fn table(cluster: &Cluster) -> Vec<i32> {
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
async fn a_question_on_the_way_says_which_step_and_where_as_the_plan_does_and_no_step_is_skipped_without_a_reason() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let steps = add("One", 1, " undo=none") + &add("Two", 2, " undo=none confirm=typed");
    let body = format!("## Change\n\n{steps}### Call\n\nTell them.\n");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let place = plan.body().steps[1].place();
    assert!(place.starts_with("primary (ops@"), "{place}");
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let asks = |event: &RunEvent| matches!(event, RunEvent::Ask { .. });
    let RunEvent::Ask { prompt, phrase, .. } = bridge.until(asks).await else { panic!() };
    let begins = format!("step 2 'Two' on {place}\n\nsends, by sql on primary:\n  INSERT INTO t VALUES (2)");
    assert!(prompt.starts_with(&begins), "{prompt}");
    let phrase = Answer::Phrase(phrase.clone().unwrap());
    bridge.exec.answer(run, RunAnswer::Confirm(phrase));
    let by_hand = |event: &RunEvent| matches!(event, RunEvent::Ask { manual: true, .. });
    let RunEvent::Ask { prompt, .. } = bridge.until(by_hand).await else { panic!() };
    assert_eq!(prompt, "step 3 'Call'\n\nTell them.");
    bridge.exec.answer(run, RunAnswer::Skip("known".to_owned()));
    let refused = |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what.starts_with("it is not skipped: say why"));
    bridge.until(refused).await;
    bridge.until(by_hand).await;
    bridge.exec.answer(run, RunAnswer::Skip("nobody is there".to_owned()));
    let view = bridge.end(run).await;
    assert_eq!((view.steps[2].state, view.steps[2].detail.as_str()), (StepState::Skipped, "skipped: nobody is there"));
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
    assert_eq!(
        *list,
        TaskList { tasks: wanted, choices: vec!["one".to_owned(), "two".to_owned()], chosen: None, plans: false }
    );
    for answer in [RunAnswer::Tick { item: 0, done: true }, RunAnswer::Pick(1), RunAnswer::Done] {
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

/// A step that adds a row, and its undo.
pub(super) fn back_and_forth(title: &str, n: i32, attrs: &str) -> String {
    let undo = format!("```sql undo on=primary timeout=5s\nDELETE FROM t WHERE n = {n}\n```\n\n");
    add(title, n, attrs) + &undo
}

/// Two steps of which the second finds a row that was there already, and so is not what it expects.
fn second_fails(attrs: &str) -> String {
    format!("## Change\n\n{}{}", back_and_forth("One", 1, ""), back_and_forth("Two", 2, attrs))
}

pub(super) async fn asked_ways(bridge: &mut Bridge) -> (String, Vec<Way>) {
    let asked = |event: &RunEvent| matches!(event, RunEvent::Ask { ways, .. } if !ways.is_empty());
    let RunEvent::Ask { ways, prompt, .. } = bridge.until(asked).await else { panic!() };
    (prompt.clone(), ways.clone())
}

pub(super) fn choose(way: Way) -> RunAnswer {
    RunAnswer::Choose { way, reason: "it is known".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_failed_is_undone_when_the_runbook_says_so() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (2)");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &second_fails(" on-fail=undo"))).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert_eq!((view.steps[0].state, view.steps[1].state), (StepState::Ok, StepState::Undone));
    let end = "; taken back: step 2 'Two' on primary; left to undo: step 1 'One' on primary";
    assert!(view.reason.ends_with(end), "{}", view.reason);
    assert!(!view.verdict_alone().unwrap().contains("taken back"), "{view:?}");
    assert!(view.steps[1].sent.contains("undo:\nDELETE FROM t WHERE n = 2"), "{}", view.steps[1].sent);
    let story = bridge.story().await;
    assert_eq!(
        story[story.len() - 6..],
        ["step.exit running", "step.exit failed", "step.intent", "step.sent", "step.exit undone", "run.finish failed"]
    );
    assert_eq!(table(&cluster).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_as_risky_as_its_change_takes_a_phrase_and_no_letter() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (2)");
    let body = second_fails("")
        .replace("timeout=5s\nDELETE FROM t WHERE n = 2", "timeout=5s confirm=typed\nDELETE FROM t WHERE n = 2");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let asked = |event: &RunEvent| matches!(event, RunEvent::Ask { ways, .. } if !ways.is_empty());
    let RunEvent::Ask { phrase, .. } = bridge.until(asked).await else { panic!() };
    assert_eq!(phrase.as_deref(), Some("undo on primary"));
    for reason in ["", "undo on"] {
        bridge.exec.answer(run, RunAnswer::Choose { way: Way::Undo, reason: reason.to_owned() });
        let told = |event: &RunEvent| matches!(event, RunEvent::Trouble { what, .. } if what == "nothing is undone: it takes \"undo on primary\", typed");
        bridge.until(told).await;
        bridge.until(asked).await;
    }
    assert_eq!(table(&cluster).await, [1, 2, 2]);
    bridge.exec.answer(run, RunAnswer::Choose { way: Way::Undo, reason: "undo on primary".to_owned() });
    let RunEvent::Ask { phrase, .. } = bridge.until(asked).await else { panic!() };
    assert_eq!((phrase.as_deref(), table(&cluster).await), (None, vec![1]), "the first one's is as harmless as before");
    bridge.exec.answer(run, choose(Way::Undo));
    bridge.end(run).await;
    assert!(table(&cluster).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_is_offered_change_by_change_from_the_last() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (2)");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &second_fails(""))).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let (prompt, ways) = asked_ways(&mut bridge).await;
    assert_eq!(ways, [Way::Again, Way::Undo, Way::Stop]);
    assert!(
        prompt.contains("Can be undone: step 2 'Two' on primary (ops@")
            && prompt.contains("): DELETE FROM t WHERE n = 2"),
        "{prompt}"
    );
    bridge.exec.answer(run, choose(Way::Again));
    asked_ways(&mut bridge).await;
    bridge.exec.answer(run, choose(Way::Undo));
    let (prompt, ways) = asked_ways(&mut bridge).await;
    assert_eq!(ways, [Way::Undo, Way::Stop]);
    assert!(
        prompt.starts_with("Next to be undone: step 1 'One' on primary (ops@")
            && prompt.contains("\n\nTaken back: step 2 'Two' on primary\n\nstep 2 'Two' on primary (ops@"),
        "{prompt}"
    );
    bridge.exec.answer(run, choose(Way::Undo));
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(view.steps.iter().all(|step| step.state == StepState::Undone), "{view:?}");
    let end = "; taken back: step 2 'Two' on primary, then step 1 'One' on primary";
    assert!(view.reason.ends_with(end), "{}", view.reason);
    assert!(table(&cluster).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_fails_is_loud_and_says_what_is_left() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (2)");
    let body = second_fails(" on-fail=undo").replace("DELETE FROM t WHERE n = 2", "DELETE FROM nowhere");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!((view.outcome, view.steps[1].state), (Some(RunOutcome::Failed), StepState::UndoFailed));
    assert!(view.reason.starts_with("THE UNDO FAILED: "), "{}", view.reason);
    let left = "left to undo: step 2 'Two' on primary; step 1 'One' on primary";
    assert!(view.reason.ends_with(left), "{}", view.reason);
    let records = bridge.exec.journal.recent(1000).await.unwrap();
    let end = records.iter().find(|record| record.entry.kind == RecordKind::RunFinish).unwrap();
    let scripts: Vec<&str> =
        end.entry.data["left"].as_array().unwrap().iter().filter_map(|one| one["undo"].as_str()).collect();
    assert_eq!(scripts, ["DELETE FROM nowhere", "DELETE FROM t WHERE n = 1"], "the record has the scripts");
    assert_eq!(table(&cluster).await, [1, 2, 2]);
}

/// A look, one that uses what it found, and a question that says it.
pub(super) const ASKING: &str = r"## Look

### Count

```sql check on=primary timeout=5s out=found expect=(rows[0].n > 0)
SELECT count(*) AS n, E'a\nb {{ found }}' AS word FROM t
```

```sql check on=primary timeout=5s expect=(rows[0].n > 0)
SELECT (:found -> 0 ->> 'n')::int AS n
```

### Which way

There are **{{ found[0].n }}**: `{{ found[0].word }}`, {{ found[7].n }}.

- [ ] Tell them of {{ found[0].n }}

**Choose:**

- one
- two
";

#[tokio::test(flavor = "multi_thread")]
async fn a_question_says_what_was_found_before_it_and_the_journal_keeps_it_as_it_was_asked() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (7)");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", ASKING)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let says = |n: u8| format!("There are {n}: a b {{{{ found }}}}, ‹found[7].n is not known›.");
    let hand = plan.body().steps[1].by_hand.clone().unwrap();
    assert_eq!((hand.prose, hand.tasks), (says(1), vec!["Tell them of 1".to_owned()]));
    cluster.run("INSERT INTO t VALUES (8)");
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let asked = bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
    let RunEvent::Ask { prompt, list, .. } = asked else { unreachable!() };
    assert_eq!(
        *prompt,
        format!("step 2 'Which way'\n\n{}", says(2)),
        "it is looked once more right before it is asked"
    );
    assert_eq!((list.tasks.as_slice(), list.choices.len()), ([("Tell them of 2".to_owned(), false)].as_slice(), 2));
    for answer in [RunAnswer::Tick { item: 0, done: true }, RunAnswer::Pick(1), RunAnswer::Done] {
        bridge.exec.answer(run, answer);
    }
    let view = bridge.end(run).await;
    assert_eq!((view.outcome, view.steps[1].detail.as_str()), (Some(RunOutcome::Ok), "chosen: two"), "{view:?}");
    let records = bridge.exec.journal.of_run(run).await.unwrap();
    let ticked = |record: &&Record| record.entry.kind == RecordKind::StepTick;
    assert_eq!(records.iter().find(ticked).unwrap().entry.data["output"], "[x] Tell them of 2");
    let exits: Vec<&Record> = records.iter().filter(|record| record.entry.kind == RecordKind::StepExit).collect();
    // Who goes on with a run that was cut off at its question is asked the same.
    assert_eq!(exits[0].entry.data["outs"]["found"]["rows"][0]["n"], 2);
    assert_eq!(exits[1].entry.data["output"], says(2));

    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
    bridge.exec.answer(run, RunAnswer::Skip("nobody is there".to_owned()));
    let view = bridge.end(run).await;
    assert_eq!(
        (view.steps[1].state, view.steps[1].output.as_str()),
        (StepState::Skipped, &*says(2)),
        "also of one that is skipped"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_can_be_passed_over_and_stays_a_failure() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (1)");
    let body = format!("## Change\n\n{}{}", add("One", 1, " undo=none on-fail=continue"), add("Two", 2, " undo=none"));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert_eq!((view.steps[0].state, view.steps[1].state), (StepState::Failed, StepState::Ok));
    assert_eq!(table(&cluster).await, [1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_stops_is_offered_to_undo() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = format!("## Change\n\n{}### Look\n\nIs it well?\n", back_and_forth("One", 1, ""));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
    bridge.exec.answer(run, RunAnswer::Stop);
    assert_eq!(asked_ways(&mut bridge).await.1, [Way::Undo, Way::Stop]);
    assert_eq!(table(&cluster).await, [1]);
    bridge.exec.answer(run, choose(Way::Undo));
    let view = bridge.end(run).await;
    assert_eq!((view.outcome, view.steps[0].state), (Some(RunOutcome::Stopped), StepState::Undone), "{view:?}");
    assert!(table(&cluster).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_a_crash_cut_off_is_unknown_and_not_sent_again() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (2)");
    let library = || page("", &second_fails(" on-fail=undo"));
    // An undo's intent stands for this kind in these tests.
    let at = At::DieAfter(RecordKind::PolicyChange);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), library(), at).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let next = doomed.next(cluster.connections("ops"), library()).await;
    let story = next.story().await;
    assert_eq!(
        story[story.len() - 2..],
        ["step.reconcile undo_failed", "run.finish failed"],
        "its transaction was not begun: it is known that nothing was sent"
    );
    assert_eq!(table(&cluster).await, [1, 2, 2], "the undo was not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_beyond_its_limits_is_blocked() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (7), (8)");
    let plan = "```sql plan on=primary timeout=5s out=found key=(n)\nSELECT n FROM t\n```\n\n";
    let body = add("Add", 1, " undo=none").replace("### Add\n\n", &format!("## Change\n\n### Add\n\n{plan}"));
    for (limits, blocked) in [("limits: {rows: 1}\n", true), ("limits: {rows: 2, hosts: 1, minutes: 5}\n", false)] {
        let bridge = Bridge::new(cluster.connections("ops"), page(limits, &body)).await;
        let plan = bridge.plan("ways", json!({})).await;
        let why = "Add: there are 2, and the runbook's limit is 1 rows: narrow it down by the parameters".to_owned();
        assert_eq!(plan.body().blocked, if blocked { vec![why] } else { Vec::new() });
    }
}

/// Ten minutes later whenever it is read.
fn leaping() -> Now {
    static READ: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let minutes = 10 * READ.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = clock::now();
    Now { mono: now.mono + Duration::from_mins(minutes), wall: now.wall }
}

/// Minutes that have gone by while somebody thought.
static THOUGHT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn thinking() -> Now {
    let minutes = THOUGHT.load(std::sync::atomic::Ordering::SeqCst);
    let now = clock::now();
    Now { mono: now.mono + Duration::from_mins(minutes), wall: now.wall }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_person_takes_is_not_counted_against_the_runs_limit() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = format!("## Change\n\n### Call them\n\nTell them.\n\n{}", add("Add", 1, " undo=none"));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("limits: {minutes: 5}\n", &body)).await;
    Arc::get_mut(&mut bridge.exec).unwrap().clock = thinking;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
    THOUGHT.store(180, std::sync::atomic::Ordering::SeqCst);
    bridge.exec.answer(run, RunAnswer::Done);
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(table(&cluster).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_begins_nothing_new() {
    let cluster = prepared(Cluster::new(need!(own_postgres)));
    let body = format!("## Change\n\n{}", add("Add", 1, " undo=none"));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("limits: {minutes: 5}\n", &body)).await;
    Arc::get_mut(&mut bridge.exec).unwrap().clock = leaping;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(view.reason.contains("limit of 5 minutes"), "{}", view.reason);
    assert!(table(&cluster).await.is_empty());
}
