//! What `sql` fences say of where and how: another database of the server, outside a transaction, rows that a change gives
//! back, and undoing by them.

use super::ways::{asked_ways, choose, page};
use super::*;
use crate::runbook::machine::Way;
use sqlx::Connection;

/// A cluster with the database `billing` beside the one that the config names; in both a table `t (n integer)`.
async fn two_databases(server: crate::lab::postgres::Postgres) -> Cluster {
    let cluster = Cluster::new(server);
    let table = "CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher";
    cluster.run(table);
    cluster.run("CREATE DATABASE billing");
    let mut billing = cluster.on("billing").await;
    for statement in table.split("; ") {
        billing.execute(statement).await.unwrap();
    }
    cluster
}

async fn rows(mut session: sqlx::PgConnection) -> Vec<i32> {
    let rows = sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(&mut session).await.unwrap();
    session.close().await.unwrap();
    rows
}

const ELSEWHERE: &str = "params:\n  - {name: db, type: database}\n";

fn elsewhere(on: &str) -> String {
    format!(
        "## Add\n\n### One\n\n\
         ```sql check on={on} timeout=5s expect=(rows[0].name == 'billing' && rows[0].app.startsWith('quarterdeck'))\n\
         SELECT current_database() AS name, current_setting('application_name') AS app\n```\n\n\
         ```sql plan on={on} timeout=5s out=found key=(n)\nSELECT 7 AS n\n```\n\n\
         ```sql run on={on} timeout=5s undo=none\nINSERT INTO t SELECT (row->>'n')::integer FROM jsonb_array_elements(:found) AS row\n```\n\n\
         ```sql verify on={on} timeout=5s expect=(rows[0].there)\nSELECT count(*) = 1 AS there FROM t WHERE n = 7\n```\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_of_the_server_is_shown_and_is_where_it_goes() {
    let cluster = two_databases(need!(own_postgres)).await;
    for (on, args) in [("primary/billing", json!({})), ("$db/billing", json!({"db": "primary"}))] {
        let params = if on.starts_with('$') { ELSEWHERE } else { "" };
        let mut bridge = Bridge::new(cluster.connections("ops"), page(params, &elsewhere(on))).await;
        let plan = bridge.plan("ways", args).await;
        assert_eq!(plan.body().blocked, Vec::<String>::new());
        let step = &plan.body().steps[0];
        assert_eq!(step.target, "primary/billing");
        assert!(step.address.ends_with("/billing"), "{}", step.address);
        assert_eq!(step.phrase.as_deref(), Some("set 1 on primary/billing"));
        let view = bridge.run(yes(plan, None)).await;
        assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
        assert_eq!((rows(cluster.on("billing").await).await, rows(cluster.admin().await).await), (vec![7], vec![]));
        cluster.on("billing").await.execute("DELETE FROM t").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_named_with_the_mend() {
    let cluster = Cluster::new(need!(own_postgres));
    let bridge = Bridge::new(cluster.connections("ops"), page("", &elsewhere("primary/biling"))).await;
    let plan = bridge.plan("ways", json!({})).await;
    let why = &plan.body().blocked[0];
    assert!(why.contains("database \"biling\" does not exist"), "{why}");
    assert!(why.contains("name a database of that server in `on=NAME/database`"), "{why}");
}

/// A step that does upkeep, and is fine when `holds`.
fn upkeep(title: &str, attrs: &str, statement: &str, holds: &str) -> String {
    format!(
        "### {title}\n\n```sql run on=primary timeout=20s undo=none autocommit{attrs}\n{statement}\n```\n\n\
         ```sql verify on=primary timeout=5s expect=(rows[0].holds)\nSELECT {holds} AS holds\n```\n\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_would_refuse_runs_outside_one() {
    let cluster = Cluster::new(need!(own_postgres));
    cluster.run(
        "ALTER ROLE ops CREATEDB; CREATE TABLE t (n integer); ALTER TABLE t OWNER TO ops; CREATE INDEX i ON t (n)",
    );
    let body = [
        "## Upkeep\n\n".to_owned(),
        upkeep("Clean", "", "VACUUM (ANALYZE) t;", "true"),
        upkeep(
            "Index",
            "",
            "REINDEX INDEX CONCURRENTLY i",
            "(SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass)",
        ),
        upkeep("Make", "", "CREATE DATABASE fresh", "EXISTS (SELECT FROM pg_database WHERE datname = 'fresh')"),
    ];
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body.concat())).await;
    let plan = bridge.plan("ways", json!({})).await;
    assert!(plan.body().steps[0].fences[0].sent.contains("-- outside a transaction"), "{:?}", plan.body().steps[0]);
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let sent = cluster.sent_by("ops");
    assert!(sent.iter().any(|sql| sql == "VACUUM (ANALYZE) t"), "{sent:?}");
    assert!(!sent.iter().any(|sql| sql.starts_with("BEGIN")), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn upkeep_whose_line_breaks_is_unknown_and_one_that_takes_too_long_is_ended() {
    let cluster = Cluster::new(need!(own_postgres));
    // Somebody else's old transaction is what an index that is built beside others waits for.
    cluster.run("CREATE TABLE t (n integer); ALTER TABLE t OWNER TO ops; GRANT SELECT ON t TO watcher; GRANT CREATE ON SCHEMA public TO ops");
    let mut old = cluster.admin().await;
    old.execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let valid = "EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('i') AND indisvalid)";
    let body = format!("## Upkeep\n\n{}", upkeep("Index", "", "CREATE INDEX CONCURRENTLY i ON t (n)", valid));
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let pid = cluster.waiting("CREATE INDEX%").await;
    cluster.run(&format!("SELECT pg_terminate_backend({pid})"));
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(bridge.story().await.contains(&"step.exit unknown".to_owned()), "{:?}", bridge.story().await);
    old.execute("ROLLBACK").await.unwrap();
    cluster.run("DROP INDEX IF EXISTS i");
    old.execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let short = page("", &body.replace("timeout=20s", "timeout=3s"));
    let mut bridge = Bridge::new(cluster.connections("ops"), short).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    let told = format!("{:?}", bridge.exec.journal.recent(100).await.unwrap());
    assert!(told.contains("statement timeout") && !told.contains("lock timeout"), "{told}");
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert_eq!(cluster.active("CREATE INDEX%").await, 0, "it was ended there too");
}

/// A step that adds two rows and knows which; a third must be there for its undo to belong to it.
fn given_back(verify: &str, undo: &str) -> String {
    format!(
        "## Add\n\n### Two\n\n\
         ```sql run on=primary timeout=5s out=added expect=(rows.size() == 2)\nINSERT INTO t VALUES (1), (2) RETURNING n\n```\n\n\
         ```sql verify on=primary timeout=5s expect=({verify})\n\
         SELECT count(*) AS count FROM t JOIN jsonb_array_elements(:added) AS row ON (row->>'n')::integer = n\n```\n\n\
         ```sql undo on=primary timeout=5s{undo}\n\
         DELETE FROM t USING jsonb_array_elements(:added) AS row WHERE (row->>'n')::integer = n\n```\n\n"
    )
}

fn with_table(cluster: Cluster) -> Cluster {
    cluster.run("CREATE TABLE t (n integer); GRANT ALL ON t TO ops; GRANT SELECT ON t TO watcher");
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_gave_back_is_known_to_what_follows_and_to_its_undo() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    cluster.run("INSERT INTO t VALUES (9)");
    let later = "### Look\n\n```sql check on=primary timeout=5s expect=(added.size() == 2 && rows[0].all)\n\
                 SELECT jsonb_array_length(:added) = 2 AS all\n```\n";
    let body = given_back("rows[0].count == added.size()", "") + later;
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    assert_eq!(plan.body().warnings, ["Look: not yet known: depends on added"]);
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(rows(cluster.admin().await).await, [1, 2, 9]);
    cluster.run("DELETE FROM t WHERE n < 9");
    for (undo, left) in [("", vec![9]), (" if=(added[0].n == 1)", vec![9])] {
        let body = given_back("rows[0].count == 3", undo);
        let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
        let plan = bridge.plan("ways", json!({})).await;
        let run = bridge.exec.start(yes(plan, None)).unwrap();
        assert_eq!(asked_ways(&mut bridge).await.1, [Way::Again, Way::Undo, Way::Stop]);
        bridge.exec.answer(run, choose(Way::Undo));
        let view = bridge.end(run).await;
        assert_eq!(view.steps[0].state, StepState::Undone, "{view:?}");
        assert_eq!(rows(cluster.admin().await).await, left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_whose_if_is_not_true_is_not_offered() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    let body = given_back("rows[0].count == 3", " if=(added[0].n == 5)");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(!view.reason.contains("left to undo"), "{}", view.reason);
    assert_eq!(rows(cluster.admin().await).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_given_back_is_still_known_to_verify() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    let library = || page("", &given_back("rows[0].count == added.size()", ""));
    let at = At::DieAfter(RecordKind::StepExit);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), library(), at).await;
    let plan = doomed.plan("ways", json!({})).await;
    doomed.die(yes(plan, None)).await;
    let next = doomed.next(cluster.connections("ops"), library()).await;
    let story = next.story().await;
    assert_eq!(story[story.len() - 2..], ["step.reconcile ok", "run.finish ok"], "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_was_certainly_not_done_is_sent_again_as_often_as_allowed() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    let body = given_back("rows[0].count == 3", " idempotent retry=3");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    asked_ways(&mut bridge).await;
    // Nobody is let in until it has been tried in vain.
    cluster.run("ALTER ROLE ops NOLOGIN");
    bridge.exec.answer(run, choose(Way::Undo));
    let tried =
        |event: &RunEvent| matches!(event, RunEvent::Record(record) if record.entry.data["state"] == "checking");
    bridge.until(tried).await;
    cluster.run("ALTER ROLE ops LOGIN");
    let view = bridge.end(run).await;
    assert_eq!(view.steps[0].state, StepState::Undone, "{view:?}");
    let story = bridge.story().await;
    let end: Vec<&str> = story.iter().skip_while(|kind| *kind != "step.exit failed").map(String::as_str).collect();
    assert_eq!(end[..4], ["step.exit failed", "step.intent", "step.exit checking", "step.intent"], "{story:?}");
    assert!(rows(cluster.admin().await).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_with_for_must_stay_true_that_long() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    let held = |attrs: &str| {
        format!(
            "## Add\n\n### One\n\n```sql run on=primary timeout=5s undo=none\nINSERT INTO t VALUES (1)\n```\n\n\
             ```sql verify on=primary every=100ms {attrs} expect=(rows[0].there)\n\
             SELECT count(*) = 1 AS there FROM t\n```\n"
        )
    };
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &held("timeout=20s for=1s"))).await;
    let plan = bridge.plan("ways", json!({})).await;
    let started = std::time::Instant::now();
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    // It is true at first and then no more: not long enough.
    cluster.run("DELETE FROM t");
    let mut bridge = Bridge::new(cluster.connections("ops"), page("", &held("timeout=3s for=2s"))).await;
    let plan = bridge.plan("ways", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Record(record) if record.entry.data["state"] == "running")).await;
    cluster.run("INSERT INTO t VALUES (1)");
    let view = bridge.end(run).await;
    assert_eq!((view.outcome, view.steps[0].state), (Some(RunOutcome::Failed), StepState::TimedOut), "{view:?}");
}

/// A choice, and what asks about it: in a body, in a condition.
const CHOSEN: &str = "## Decide\n\n### Which way\n\n**Choose:**\n\n- one\n- two\n\n## Do\n\n### Look\n\n\
    ```sql check on=primary timeout=5s expect=(rows[0].way == which_way)\nSELECT :which_way AS way\n```\n\n\
    ```sql check on=primary timeout=5s expect=(rows[0].way == 'two')\nSELECT :which_way AS way\n```\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_choice_is_known_later_and_asked_at_its_step() {
    let cluster = Cluster::new(need!(own_postgres));
    for (picked, outcome) in [(Some(1), RunOutcome::Ok), (Some(0), RunOutcome::Failed), (None, RunOutcome::Failed)] {
        let mut bridge = Bridge::new(cluster.connections("ops"), page("", CHOSEN)).await;
        let plan = bridge.plan("ways", json!({})).await;
        assert_eq!(plan.body().blocked, Vec::<String>::new());
        let told = "not yet known: depends on which_way";
        let findings = plan.body().steps[1].fences.iter().map(|fence| fence.finding.as_ref().unwrap().text.as_str());
        assert_eq!(findings.collect::<Vec<_>>(), [told, told]);
        assert!(!cluster.sent_by("watcher").iter().any(|sql| sql.contains("AS way")) || picked != Some(1));
        let run = bridge.exec.start(yes(plan, None)).unwrap();
        bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
        match picked {
            Some(choice) => {
                bridge.exec.answer(run, RunAnswer::Pick(choice));
                bridge.exec.answer(run, RunAnswer::Done);
            }
            None => bridge.exec.answer(run, RunAnswer::Skip("nobody knows".to_owned())),
        }
        let view = bridge.end(run).await;
        assert_eq!(view.outcome, Some(outcome), "{view:?}");
        if picked.is_none() {
            assert!(view.reason.contains("it depends on which_way, which is not known"), "{}", view.reason);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_depend_on_a_choice_can_not_be_approved() {
    let cluster = with_table(Cluster::new(need!(own_postgres)));
    let body = "## Decide\n\n### Which way\n\n**Choose:**\n\n- one\n- two\n\n## Do\n\n### Change\n\n\
        ```sql plan on=primary timeout=5s out=found key=(way)\nSELECT :which_way AS way\n```\n\n\
        ```sql run on=primary timeout=5s undo=none\nDELETE FROM t WHERE n = jsonb_array_length(:found)\n```\n\n\
        ```sql verify on=primary timeout=5s expect=(rows[0].ok)\nSELECT true AS ok\n```\n";
    let bridge = Bridge::new(cluster.connections("ops"), page("", body)).await;
    let plan = bridge.plan("ways", json!({})).await;
    assert_eq!(
        plan.body().blocked,
        ["Change: what it would touch is not yet known: depends on which_way: take it as a parameter"]
    );
}
