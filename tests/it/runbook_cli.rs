//! `quarterdeck runbook` as a script sees it: what it prints, its exit codes, and what a run does to a real database.

use crate::desk::Desk;
use crate::lab::need;
use crate::lab::postgres::Session as Client;
use crate::pty::PATIENCE;
use crate::support::{postgres_config, say};
use serde_json::Value;
use std::process::Output;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}", err(output)))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}{}", out(output), err(output)))
}

const PAGE: &str = "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: low\n---\n\n# Own\n\nIt is mine.\n\n## S\n\n### T\n\ndo it\n";

/// A desk whose config names a folder with this runbook.
fn with_runbook(page: &str, more: &str) -> Desk {
    let desk = Desk::with(&format!("{more}\n[runbooks]\npaths = [\"books\"]\n"));
    std::fs::create_dir(desk.home().join("books")).unwrap();
    desk.file("books/own.md", page);
    desk
}

#[test]
fn what_is_begun_passes_every_rule_and_is_listed_and_shown() {
    let desk = with_runbook(PAGE, "");
    let books = desk.home().join("books").display().to_string();
    assert_eq!(code(&desk.run(&["runbook", "new", "restart-web", "--in", &books])), 0);
    assert_eq!(code(&desk.run(&["runbook", "new", "restart-web", "--in", &books])), 1, "it is there already");
    assert_eq!(code(&desk.run(&["runbook", "new", "Not An Id", "--in", &books])), 1);
    let linted = desk.run(&["runbook", "lint"]);
    assert_eq!((code(&linted), out(&linted).as_str()), (0, "2 runbooks: 0 errors, 0 warnings\n"));
    let listed = json(&desk.run(&["runbook", "list", "--json"]));
    let ids: Vec<&str> = listed["runbooks"].as_array().unwrap().iter().filter_map(|book| book["id"].as_str()).collect();
    assert_eq!(ids, ["container-restart", "db-kill-idle", "own", "restart-web"]);
    let shown = out(&desk.run(&["runbook", "show", "restart-web"]));
    assert!(
        shown.contains("docker restart -t 10 $container") && shown.contains("--var container=container"),
        "{shown}"
    );
    let missing = desk.run(&["runbook", "show", "ownn"]);
    assert!(code(&missing) == 1 && err(&missing).contains("did you mean \"own\"?"), "{}", err(&missing));
}

#[test]
fn what_is_wrong_is_told_in_three_formats_and_prose_is_no_runbook() {
    let desk = Desk::bare();
    let wrong = desk.file("wrong.md", &PAGE.replace("risk: low", "risk: lo")).display().to_string();
    let prose = desk.file("README.md", "# Prose\n").display().to_string();
    let text = desk.run(&["runbook", "lint", &wrong, &prose]);
    assert_eq!(code(&text), 1);
    assert!(out(&text).starts_with(&format!("{wrong}:7:")), "{}", out(&text));
    assert!(
        out(&text).contains(&format!("{prose}: no runbook: a page of prose\n1 runbook: 1 error")),
        "{}",
        out(&text)
    );
    assert_eq!(code(&desk.run(&["runbook", "lint", &prose])), 0);
    let told = json(&desk.run(&["runbook", "lint", "--format", "json", &wrong]));
    assert_eq!((&told["ok"], &told["problems"][0]["line"]), (&Value::from(false), &Value::from(7)));
    let sarif = json(&desk.run(&["runbook", "lint", "--format", "sarif", &wrong]));
    assert_eq!(sarif["version"], "2.1.0");
    let at = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(
        (&at["artifactLocation"]["uri"], &at["region"]["startLine"]),
        (&format!("file://{wrong}").into(), &7.into())
    );
    assert_eq!(code(&desk.run(&["runbook", "lint", "--format", "xml", &wrong])), 2);
}

#[test]
fn an_old_review_is_a_warning_and_what_the_config_lacks_an_error() {
    let old = PAGE.replace("2026-11-20", "2020-01-01");
    let desk = with_runbook(&old, "");
    let told = desk.run(&["runbook", "lint"]);
    assert!(code(&told) == 0 && out(&told).contains("own.md:6:1: warning: nobody has reviewed it"), "{}", out(&told));
    assert_eq!(code(&desk.run(&["runbook", "lint", "--strict"])), 1);
    let needs = PAGE.replace("risk: low", "risk: low\nuses: [postgres/primary, http/there, http/gone]");
    let desk = with_runbook(&needs, "[http.there]\nurl = \"http://127.0.0.1:1\"\n");
    let told = desk.run(&["runbook", "lint"]);
    assert!(out(&told).contains("the config has no http `gone`") && !out(&told).contains("`there`"), "{}", out(&told));
    assert!(code(&told) == 1 && out(&told).contains("the config has no postgres `primary`"), "{}", out(&told));
}

#[test]
fn a_run_without_a_person_takes_the_plan_and_the_answer_and_does_just_that() {
    let server = need!(own_postgres);
    let idle = server.sessions(2, "app", "qd-idle");
    let spared = server.session("app", "qd-other");
    let login = postgres_config(server.port);
    let desk = Desk::with(&login);
    let chosen = ["--var", "database=primary", "--var", "idle_minutes=0", "--var", "app=qd-idle"];
    let plan = [&["runbook", "plan", "db-kill-idle"], &chosen[..], &["--json"]].concat();
    let run = |more: &[&str]| desk.run(&[&["runbook", "run", "db-kill-idle"], &chosen[..], more].concat());
    let planned = json(&desk.run(&plan));
    let (hash, answer) = (planned["hash"].as_str().unwrap(), planned["confirm"].as_str().unwrap());
    assert_eq!(answer, "kill 2 on primary");
    let refused: [&[&str]; 6] = [
        &[],
        &["--confirm", answer],
        &["--plan", hash],
        &["--confirm", "y", "--plan", hash],
        &["--confirm", answer, "--plan", "000000000000"],
        &["--confirm", answer, "--plan", hash, "--read-only"],
    ];
    for more in refused {
        let told = run(more);
        assert_eq!(code(&told), 5, "{more:?}: {}", err(&told));
        assert!(err(&told).contains("refused, and nothing was done"), "{}", err(&told));
    }
    let guarded = Desk::with(&login.replace("\"lab\"", "\"production\""));
    let whole = [&["runbook", "run", "db-kill-idle"], &chosen[..], &["--confirm", answer, "--plan", hash]].concat();
    let told = guarded.run(&whole);
    assert!(code(&told) == 5 && err(&told).contains("unattended = \"allow\""), "{}", err(&told));
    assert!(idle.iter().all(Client::is_alive), "nothing of that did anything");

    let told = run(&["--confirm", answer, "--plan", &hash[..12], "--json"]);
    assert_eq!(code(&told), 0, "{}{}", out(&told), err(&told));
    assert!(!idle.iter().any(Client::is_alive) && spared.is_alive());
    let events: Vec<Value> = out(&told).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"plan"), Some(&"end")), "{names:?}");
    assert_eq!(events.last().unwrap()["outcome"], "ok");
    let start = events.iter().find(|event| event["record"]["kind"] == "run.start").unwrap();
    assert_eq!(start["record"]["data"]["plan_hash"], hash);
}

#[test]
fn a_plan_says_first_where_it_would_be_done_and_how_grave_that_is() {
    let desk = with_runbook(PAGE, "");
    let told = desk.run(&["runbook", "plan", "own"]);
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let second = text.lines().nth(1).unwrap_or_default();
    assert!(second.starts_with("LOCAL · own · ") && second.contains(" risk · by "), "{text}");
    assert!(second.ends_with("own.md"), "{text}");
    assert!(text.contains("can't be run unattended: "), "{text}");
}

#[test]
fn a_page_with_a_mistake_is_told_and_keeps_nobody_from_the_others() {
    let run = "```bash run on=local timeout=20s undo=none\nset -eu\ntrue\n```\n\n```bash verify on=local timeout=20s\nset -eu\ntrue\n```";
    let desk = with_runbook(&PAGE.replace("do it", run), "");
    let named = |id: &str| PAGE.replace("id: own", &format!("id: {id}"));
    desk.file("books/broken.md", &named("broken").replace("risk: low", "risk: lo\ncolour: 1"));
    desk.file("books/caller.md", &named("caller").replace("do it", "**Run:** [Broken](broken.md)"));
    let listed = desk.run(&["runbook", "list"]);
    assert_eq!(code(&listed), 1, "{}", err(&listed));
    let row = out(&listed).lines().find(|line| line.starts_with("broken ")).map(str::to_owned).unwrap();
    assert!(row.contains("BROKEN") && row.contains("broken.md:7:"), "{row}");
    assert!(out(&listed).contains("own ") && err(&listed).contains("broken.md:7:"), "{}", err(&listed));
    let told = json(&desk.run(&["runbook", "list", "--json"]));
    let broken = &told["broken"][0];
    assert_eq!((&broken["id"], &broken["line"]), (&"broken".into(), &7.into()), "{told}");
    let planned = json(&desk.run(&["runbook", "plan", "own", "--json"]));
    let (hash, answer) = (planned["hash"].as_str().unwrap(), planned["confirm"].as_str().unwrap_or("y"));
    let ran = desk.run(&["runbook", "run", "own", "--plan", hash, "--confirm", answer]);
    assert_eq!(code(&ran), 0, "{}{}", out(&ran), err(&ran));
    let refused = desk.run(&["runbook", "run", "broken"]);
    assert!(err(&refused).contains("broken can't be used: "), "{}", err(&refused));
    assert!(err(&refused).contains("has a mistake (broken.md:7:7, since 20"), "{}", err(&refused));
    assert_ne!(code(&refused), 0);
    let refused = desk.run(&["runbook", "plan", "caller"]);
    let said = out(&refused) + &err(&refused);
    assert!(code(&refused) == 1 && said.contains("broken.md has a mistake (broken.md:7:7, since 20"), "{said}");
}

#[test]
fn a_step_by_hand_needs_a_person() {
    let desk = with_runbook(PAGE, "");
    let told = desk.run(&["runbook", "run", "own"]);
    assert!(code(&told) == 5 && err(&told).contains("is done by hand"), "{}", err(&told));
}

#[test]
fn a_step_that_runs_another_runbook_is_planned_asked_and_followed() {
    let desk = with_runbook(&PAGE.replace("do it", "**Run:** [Inner](inner.md)"), "");
    desk.file("books/inner.md", &PAGE.replace("id: own", "id: inner").replace("title: Own", "title: Inner"));
    let told = desk.run(&["runbook", "run", "own"]);
    assert!(code(&told) == 5 && err(&told).contains("runs another runbook"), "{}", err(&told));
    let mut session = desk.launch().args(&["runbook", "run", "own"]).start();
    session.wait_text("runs Inner (inner) here, with a plan and an answer of its own");
    say(&mut session, "done");
    // The plan of the inner one has nothing to confirm; its step is asked for itself.
    session.wait_screen("it asks for its own step", PATIENCE, |screen| {
        screen.contents().matches("done, skip REASON, or stop:").count() >= 2
    });
    say(&mut session, "done");
    session.wait_text("of inner ended ok");
    assert!(session.wait_exit().success());
    let records = out(&desk.run(&["journal", "export"]));
    assert!(records.contains("\"parent\":{\"run\":"), "{records}");
}

#[test]
fn nothing_that_was_cut_off_is_nothing_to_tell() {
    let desk = Desk::with("");
    let told = desk.run(&["runbook", "resume"]);
    assert_eq!((code(&told), out(&told).as_str()), (0, "no run was cut off\n"));
    let told = json(&desk.run(&["runbook", "resume", "--json"]));
    assert_eq!(told["runs"], serde_json::json!([]));
}
