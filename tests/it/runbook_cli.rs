//! `quarterdeck runbook` as a script sees it: what it prints, its exit codes, and what a run does to a real database.

use crate::desk::Desk;
use crate::lab::need;
use crate::lab::postgres::Session as Client;
use crate::lab::scripted::{Say, Scripted};
use crate::pty::PATIENCE;
use crate::support::{postgres_config, say};
use quarterdeck::runbook::Library;
use quarterdeck::runbook::library::PLACEHOLDERS;
use serde_json::Value;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
fn what_is_begun_names_what_is_to_be_filled_in_and_is_listed_and_shown() {
    let desk = with_runbook(PAGE, "");
    let books = desk.home().join("books").display().to_string();
    assert_eq!(code(&desk.run(&["runbook", "new", "restart-web", "--in", &books])), 0);
    assert_eq!(code(&desk.run(&["runbook", "new", "restart-web", "--in", &books])), 1, "it is there already");
    assert_eq!(code(&desk.run(&["runbook", "new", "Not An Id", "--in", &books])), 1);
    let linted = desk.run(&["runbook", "lint"]);
    assert_eq!(code(&linted), 1, "{}", out(&linted));
    for line in ["restart-web.md:4:8: the title is still that of a new page", "restart-web.md:5:8: the owner is still"]
    {
        assert!(out(&linted).contains(line), "{line}: {}", out(&linted));
    }
    let sarif = json(&desk.run(&["runbook", "lint", "--format", "sarif"]));
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "placeholder");
    let begun = std::fs::read_to_string(desk.home().join("books/restart-web.md")).unwrap();
    let filled = PLACEHOLDERS.iter().fold(begun, |page, one| page.replace(one.text, "Ours"));
    desk.file("books/restart-web.md", &filled);
    let linted = desk.run(&["runbook", "lint"]);
    assert_eq!((code(&linted), out(&linted).as_str()), (0, "2 runbooks: 0 errors, 0 warnings\n"));
    let listed = json(&desk.run(&["runbook", "list", "--json"]));
    let ids: Vec<&str> = listed["runbooks"].as_array().unwrap().iter().filter_map(|book| book["id"].as_str()).collect();
    let shipped = Library::builtin();
    let shipped = shipped.iter().map(|runbook| runbook.id.as_str());
    assert_eq!(ids, shipped.chain(["own", "restart-web"]).collect::<Vec<_>>());
    let shown = out(&desk.run(&["runbook", "show", "restart-web"]));
    assert!(
        shown.contains("docker restart -t 10 $container")
            && shown.contains("--var container=… (container; must be given)"),
        "{shown}"
    );
    let shown = out(&desk.run(&["runbook", "show", "rollback-quick"]));
    for line in [
        "      the machine with the compose file",
        "    dir=/opt/spacetime/production\n",
        "    until=(status == 200 && has(json.version)) every=500ms for=3s\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let bare = desk.run(&["runbook", "plan", "own", "container=a b"]);
    assert!(code(&bare) == 1 && err(&bare).contains("write --var 'container=a b'"), "{}", err(&bare));
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
        screen.contents().matches("skip REASON (s), or stop:").count() >= 2
    });
    say(&mut session, "done");
    session.wait_text("of inner ended ok");
    assert!(session.wait_exit().success());
    let records = out(&desk.run(&["journal", "export"]));
    assert!(records.contains("\"parent\":{\"run\":"), "{records}");
}

const STEPS: &str = r#"---
runbook: 1
id: own
title: Own
owner: platform
reviewed: 2026-11-20
risk: low
params:
  - {name: word, type: string, default: "it's"}
---

It is mine.

## One

```bash check on=local timeout=5s
set -eu
[ -n "$word" ]
```

## Two

### Tell them

The channel wants to know.

- [ ] It knows

**Choose:**

- now
- later

### The other one

**Run:** [Inner](inner.md)

## Three

```bash check on=local timeout=5s
set -eu
[ "$word" != none ]
```
"#;

const INNER: &str = r#"---
runbook: 1
id: inner
title: Inner
owner: platform
reviewed: 2026-11-20
risk: low
verb: touch
---

## Touch

```bash run on=local timeout=5s
set -eu
touch "$HOME/touched"
```

```bash verify on=local timeout=5s
set -eu
test -e "$HOME/touched"
```

```bash undo on=local timeout=5s
set -eu
rm "$HOME/touched"
```
"#;

/// A desk with a runbook of every kind of step, and the one that it calls.
fn of_every_kind() -> Desk {
    let desk = with_runbook(STEPS, "");
    desk.file("books/inner.md", INNER);
    desk
}

#[test]
fn every_step_stands_in_the_plan_in_its_place_by_its_number_and_a_value_is_said_once() {
    let desk = of_every_kind();
    let told = desk.run(&["runbook", "plan", "own"]);
    let text = out(&told);
    assert_eq!(code(&told), 0, "{text}{}", err(&told));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let steps = lines.iter().position(|line| *line == "All steps, in order").unwrap_or_else(|| panic!("{text}"));
    let mut at = steps;
    for wanted in [
        "1 One",
        r"check  word='it'\''s'",
        "✓ rc == 0",
        "2 Tell them, by hand",
        "The channel wants to know.",
        "[ ] It knows",
        "choose one:",
        "( ) now",
        "( ) later",
        "3 The other one, by another runbook",
        "3.1 Touch: local",
        "touch \"$HOME/touched\"",
        "undo   set -eu",
        "rm \"$HOME/touched\"",
        "4 Three",
        "check  # word: as above",
    ] {
        let found =
            lines[at..].iter().position(|line| *line == wanted || wanted == "✓ rc == 0" && line.starts_with('✓'));
        at += found.unwrap_or_else(|| panic!("{wanted} comes behind {:?}: {text}", lines[at]));
    }
    let before =
        lines[..steps].iter().any(|line| line.starts_with("3 The other one: runs inner (Inner, low risk): 1 change"));
    assert!(before, "what it would touch stands above: {text}");
    assert_eq!(text.matches("The channel wants to know.").count(), 1, "{text}");
    let plan = json(&desk.run(&["runbook", "plan", "own", "--json"]));
    let numbers: Vec<u64> =
        plan["steps"].as_array().unwrap().iter().filter_map(|step| step["number"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(plan["steps"][1]["tasks"], serde_json::json!(["It knows"]));
    assert_eq!(plan["steps"][1]["choices"], serde_json::json!(["now", "later"]));
    let call = &plan["steps"][2]["call"];
    assert_eq!((&call["runbook"], &call["changes"][0]["number"]), (&"inner".into(), &"1".into()));
    assert_eq!(call["changes"][0]["undo"], "set -eu\nrm \"$HOME/touched\"");
    let sent = plan["steps"][3]["fences"][0]["sent"].as_str().unwrap();
    assert_eq!(sent, "word='it'\\''s'\nset -eu\n[ \"$word\" != none ]", "what is sent is whole for scripts");
    let hash = plan["hash"].clone();
    desk.file("books/inner.md", &INNER.replace("touched", "other"));
    let again = json(&desk.run(&["runbook", "plan", "own", "--json"]));
    assert_ne!(again["hash"], hash, "another page behind a call is another plan");
}

#[test]
fn what_a_called_runbook_changes_is_told_to_others_before_and_after() {
    let desk = of_every_kind();
    let before = out(&desk.run(&["runbook", "plan", "own", "--announce"]));
    let call = "- calls: step 3 'The other one' runs inner (low risk): changes step 3.1 'Touch' on local, which its own run can undo\n";
    assert!(before.contains(call) && before.contains("- risk: low; it can be undone\n"), "{before}");
    let mut session = desk.launch().args(&["runbook", "run", "own", "--announce"]).start();
    session.wait_text("tick 1: It knows");
    say(&mut session, "tick 1");
    session.wait_text("[x] It knows");
    say(&mut session, "pick 1");
    session.wait_text("chosen: now");
    say(&mut session, "done");
    session.wait_text("runs Inner (inner) here");
    say(&mut session, "done");
    session.wait_text("y, or anything else to leave:");
    say(&mut session, "y");
    session.wait_text("of inner ended ok");
    assert!(session.wait_exit().success(), "{}", session.text());
    let text = session.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("step 3 'The other one' ran inner (run "), "{text}");
    assert!(
        text.contains("): ok; changed step 3.1 'Touch' on local, which can be undone by a plan of its own"),
        "{text}"
    );
    assert!(text.contains("- undo: as a whole, from the last: step 3.1 'Touch' on local (run "), "{text}");
}

#[test]
fn what_can_t_be_run_is_not_told_to_others_as_about_to_be() {
    let desk = with_runbook(INNER, "");
    let told = |more: &[&str]| out(&desk.run(&[&["runbook", "plan", "inner", "--announce"], more].concat()));
    assert!(told(&[]).contains(" is about to run *Inner* (inner)\n"), "{}", told(&[]));
    let looks = told(&["--read-only"]);
    assert!(looks.contains(" has planned, and can't run, *Inner* (inner)\n- not run, because: "), "{looks}");
    assert!(looks.contains("only looks (--read-only)") && !looks.contains("is about to run"), "{looks}");
    desk.file("books/own.md", &INNER.replace("risk: low", "risk: low\nenvironments: [elsewhere]"));
    let blocked = told(&[]);
    assert!(blocked.contains(" has planned, and can't run, *Inner* (inner)\n- not run, because: "), "{blocked}");
    assert!(blocked.contains("elsewhere"), "{blocked}");
}

#[test]
fn the_list_has_owner_and_last_result_and_whole_titles_where_it_is_no_terminal() {
    let desk = of_every_kind();
    let listed = out(&desk.run(&["runbook", "list"]));
    let row = |text: &str, id: &str| text.lines().find(|line| line.starts_with(&format!("{id} "))).unwrap().to_owned();
    assert!(listed.starts_with("ID "), "{listed}");
    let at = row(&listed, "ID").find("OWNER").unwrap();
    assert!(row(&listed, "own")[at..].starts_with("platform") && row(&listed, "own").contains("  never "), "{listed}");
    assert!(row(&listed, "container-restart").contains("Restart"), "{listed}");
    assert!(!listed.contains('…'), "{listed}");
    let plan = json(&desk.run(&["runbook", "plan", "inner", "--json"]));
    let run = desk.run(&["runbook", "run", "inner", "--plan", plan["hash"].as_str().unwrap(), "--confirm", "y"]);
    assert_eq!(code(&run), 0, "{}{}", out(&run), err(&run));
    let listed = out(&desk.run(&["runbook", "list"]));
    assert!(row(&listed, "inner").contains("  ok ") && row(&listed, "inner").contains("s ago  Inner"), "{listed}");
    let listed = json(&desk.run(&["runbook", "list", "--json"]));
    let of = |id: &str| {
        listed["runbooks"].as_array().unwrap().iter().find(|book| book["id"] == id).unwrap()["last_run"].clone()
    };
    assert_eq!((&of("inner")["outcome"], &of("own")), (&"ok".into(), &Value::Null));
}

#[test]
fn nothing_that_was_cut_off_is_nothing_to_tell() {
    let desk = Desk::with("");
    let told = desk.run(&["runbook", "resume"]);
    assert_eq!(code(&told), 0);
    assert!(out(&told).starts_with("no run was cut off. Of one that is over `quarterdeck runbook resume RUN --go-on`"));
    let told = json(&desk.run(&["runbook", "resume", "--json"]));
    assert_eq!(told["runs"], serde_json::json!([]));
}

/// A run of one request whose answer is lost, and whose verify nobody answers.
const LOST: &str = "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: low\n---\n\n# Own\n\n## S\n\n### T\n\n\
    ```http run on=shop timeout=2s undo=none\nPOST /made\nContent-Type: application/json\n\n{}\n```\n\n\
    ```http verify on=shop timeout=2s expect=(status == 200)\nGET /there\n```\n";

#[test]
fn who_goes_on_with_a_run_that_a_look_finds_done_is_told_how_it_ended_and_is_not_refused() {
    let answers = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&answers);
    let web = Scripted::start(move |_| if says.load(Ordering::Acquire) { Say::good("{}") } else { Say::Nothing });
    let desk = with_runbook(LOST, &format!("[http.shop]\nurl = \"http://127.0.0.1:{}\"\n", web.port()));
    let hash = json(&desk.run(&["runbook", "plan", "own", "--json"]))["hash"].as_str().unwrap().to_owned();
    let ran = desk.run(&["runbook", "run", "own", "--plan", &hash, "--confirm", "y"]);
    assert_eq!(code(&ran), 3, "nobody knows: {}{}", out(&ran), err(&ran));
    let run = json(&desk.run(&["runbook", "resume", "--json"]))["runs"][0]["run"].as_str().unwrap().to_owned();
    let doubtful = desk.run(&["runbook", "resume", &run, "--go-on"]);
    assert!(code(&doubtful) == 5 && err(&doubtful).contains("nobody knows whether it happened"), "{}", err(&doubtful));
    answers.store(true, Ordering::Release);
    // The command looks first, and that ends the run.
    let on = desk.run(&["runbook", "resume", &run, "--go-on"]);
    assert_eq!(code(&on), 0, "{}{}", out(&on), err(&on));
    assert!(out(&on).contains("  ok  ") && out(&on).contains("nothing is left to go on with"), "{}", out(&on));
    assert_eq!(web.asked().iter().filter(|path| *path == "/made").count(), 1, "nothing is sent again");
    let told = desk.run(&["runbook", "resume", &run, "--go-on", "--json"]);
    let end: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((code(&told), &end["event"], &end["outcome"]), (0, &"end".into(), &"ok".into()), "{end}");
    let planned = desk.run(&["runbook", "resume", &run, "--go-on", "--plan-only"]);
    assert!(code(&planned) == 5 && err(&planned).contains("has ended ok"), "{}", err(&planned));
}
