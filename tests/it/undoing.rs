//! What a run that is taken back says of itself, on the command line and on the screen, and how it ends.

use crate::desk::{Desk, insist};
use crate::support::{leave, look_at, press};
use serde_json::Value;
use std::process::Output;

/// Two files that are made, and taken away again.
const PAGE: &str = r#"---
runbook: 1
id: two-files
title: Two files
owner: platform
reviewed: 2026-11-20
risk: low
verb: make
---

Two files.

## Make

### One

```bash run on=local timeout=5s
set -eu
touch "$HOME/one"
```

```bash verify on=local timeout=5s
set -eu
test -e "$HOME/one"
```

```bash undo on=local timeout=5s
set -eu
rm "$HOME/one"
```

### Two

```bash run on=local timeout=5s
set -eu
touch "$HOME/two"
```

```bash verify on=local timeout=5s
set -eu
test -e "$HOME/two"
```

```bash undo on=local timeout=5s
set -eu
rm "$HOME/two"
```
"#;

const ORDER: &str = "all that it did was taken back: step 2 'Two' on local, then step 1 'One' on local";

fn text(output: &Output) -> String {
    let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    of(&output.stdout) + &of(&output.stderr)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", text(output)))
}

/// A desk at which the two files were made, and the digits of that run.
fn made() -> (Desk, String) {
    let desk = Desk::with("[runbooks]\npaths = [\"books\"]\n");
    std::fs::create_dir(desk.home().join("books")).unwrap();
    desk.file("books/two-files.md", PAGE);
    let plan = json(&desk.run(&["runbook", "plan", "two-files", "--json"]));
    let ran = desk.run(&["runbook", "run", "two-files", "--plan", plan["hash"].as_str().unwrap(), "--confirm", "y"]);
    assert!(ran.status.success() && there(&desk) == [true; 2], "{}", text(&ran));
    let run = last(&desk)["run"].as_str().unwrap().to_owned();
    (desk, run[run.len() - 6..].to_owned())
}

/// The runbook's last run, as `list` tells it.
fn last(desk: &Desk) -> Value {
    let listed = json(&desk.run(&["runbook", "list", "--json"]));
    let books = listed["runbooks"].as_array().unwrap();
    books.iter().find(|book| book["id"] == "two-files").unwrap()["last_run"].clone()
}

fn there(desk: &Desk) -> [bool; 2] {
    ["one", "two"].map(|name| desk.home().join(name).exists())
}

fn undo(desk: &Desk, run: &str, more: &[&str]) -> Output {
    let plan = json(&desk.run(&["runbook", "resume", run, "--undo", "--plan-only", "--json"]));
    let (hash, answer) = (plan["hash"].as_str().unwrap(), plan["confirm"].as_str().unwrap());
    desk.run(&[&["runbook", "resume", run, "--undo", "--plan", hash, "--confirm", answer], more].concat())
}

#[test]
fn a_run_that_was_taken_back_is_undone_in_every_place_that_tells_of_it() {
    let (desk, run) = made();
    let told = undo(&desk, &run, &[]);
    let said = text(&told);
    assert!(told.status.code() == Some(0) && there(&desk) == [false; 2], "{said}");
    assert!(said.contains(&format!("undone    {ORDER}")), "{said}");
    let back: Vec<&str> = said.lines().filter(|line| line.contains("  taking back  ")).collect();
    assert_eq!(back.len(), 2, "{said}");
    assert!(back[0].ends_with("make/two: about to undo on local"), "{said}");
    assert!(!said.contains("sending") && !said.contains("about to act"), "{said}");

    assert_eq!(last(&desk)["outcome"], "undone");
    let listed = text(&desk.run(&["runbook", "list"]));
    assert!(listed.lines().any(|line| line.starts_with("two-files ") && line.contains("  undone ")), "{listed}");
    let one = json(&desk.run(&["runbook", "resume", &run, "--json"]));
    assert_eq!((&one["runs"][0]["outcome"], &one["runs"][0]["ways"]), (&"undone".into(), &Value::Array(Vec::new())));
    let shown = desk.run(&["runbook", "resume", &run]);
    assert!(shown.status.success() && text(&shown).starts_with(&format!("run {run}  undone ")), "{}", text(&shown));
}

#[test]
fn an_undo_tells_its_end_as_json_and_to_others() {
    let (desk, run) = made();
    let told = undo(&desk, &run, &["--json", "--announce"]);
    let events: Vec<Value> =
        String::from_utf8_lossy(&told.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = events.last().unwrap();
    assert_eq!((told.status.code(), &end["outcome"], &end["reason"]), (Some(0), &"undone".into(), &ORDER.into()));
    let finish = events.iter().rfind(|event| event["record"]["kind"] == "run.finish").unwrap();
    assert_eq!((&finish["record"]["data"]["outcome"]), &"undone");
    let after = events.iter().rfind(|event| event["event"] == "announce").unwrap()["text"].as_str().unwrap();
    assert!(after.contains(&format!("- outcome: undone: {ORDER}\n")), "{after}");
    assert!(!after.contains("- undone:") && after.contains("- left to undo: nothing\n"), "{after}");
}

#[test]
fn on_the_screen_it_is_undone_too_and_no_alarm() {
    let (desk, run) = made();
    let mut screen = desk.launch().size(160, 45).start();
    screen.wait_text("quarterdeck");
    press(&mut screen, "6");
    screen.wait_text(&run);
    press(&mut screen, "R");
    screen.wait_text("take back what it did");
    press(&mut screen, "\r");
    // By the numbers of the page, as all that is said of the run later.
    screen.wait_text("2 Undo: Two");
    screen.wait_text("1 Undo: One");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    screen.wait_text(&format!("undone: {ORDER}"));
    assert_eq!(there(&desk), [false; 2]);
    screen.wait_text("< Two files on local undone: all that it did was taken back");
    leave(&mut screen);
}

#[test]
fn the_plan_on_the_screen_says_which_steps_ask_again_as_the_command_line_does() {
    let desk = Desk::with("[runbooks]\npaths = [\"books\"]\n");
    std::fs::create_dir(desk.home().join("books")).unwrap();
    let typed = PAGE.replace("```bash run on=local timeout=5s", "```bash run on=local timeout=5s confirm=typed");
    desk.file("books/two-files.md", &typed);
    let planned = text(&desk.run(&["runbook", "plan", "two-files"]));
    assert!(planned.contains("step 2 'Two' asks again: type  make on local\n"), "{planned}");
    let mut screen = desk.launch().size(160, 45).start();
    screen.wait_text("quarterdeck");
    look_at(&mut screen, "5", "R plan", "two-files");
    insist(&mut screen, "R", "plan: Two files");
    screen.wait_text("to run it type  make on local  and press Enter. Step 2 'Two' asks again: make on local.");
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Two files");
    leave(&mut screen);
}
