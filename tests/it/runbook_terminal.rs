//! `quarterdeck runbook run` with a person at a real terminal, and `resume` after a real crash in the middle of a step: scripts of this
//! machine, that say something, wait for a file, fail, and are taken back.

use crate::desk::{Desk, insist};
use crate::lab::poll;
use crate::lab::scripted::{Say, Scripted};
use crate::pty::{PATIENCE, Session};
use crate::support::{answer, leave, look_at, press, say};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

/// The dashboard looks every second; a busy machine may be late.
const SOON: Duration = Duration::from_secs(10);

pub const HEAD: &str = "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: high\nverb: touch\n---\n\n# Own\n\nIt is mine.\n";

const BY_HAND: &str = "
## By hand

### Ready

Look around.

- [ ] The channel knows
- [ ] Somebody watches

### Which

**Choose:**

- now
- later
";

pub const TOUCH: &str = r#"
## Touch

```bash run on=local timeout=60s
set -eu
echo "begins"
touch "$HOME/touched"
until [ -e "$HOME/go" ]; do sleep 0.05; done
echo "ends"
```

```bash verify on=local timeout=10s
set -eu
test -e "$HOME/good"
```

```bash undo on=local timeout=10s
set -eu
rm "$HOME/touched"
```
"#;

pub fn desk(page: &str) -> Desk {
    let desk = Desk::with("environment = \"lab\"\n\n[runbooks]\npaths = [\"books\"]\n");
    std::fs::create_dir(desk.home().join("books")).unwrap();
    desk.file("books/own.md", page);
    desk
}

pub fn here(desk: &Desk, file: &str) -> PathBuf {
    desk.home().join(file)
}

pub fn make(desk: &Desk, file: &str) {
    std::fs::write(here(desk, file), "").unwrap();
}

pub fn is_made(desk: &Desk, file: &str) {
    poll(PATIENCE, || here(desk, file).exists().then_some(())).unwrap_or_else(|| panic!("{file} is made"));
}

pub fn run(desk: &Desk, more: &[&str]) -> Session {
    desk.launch().args(&["runbook", "run", "own"]).args(more).start()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn records(desk: &Desk) -> Vec<Value> {
    let export = desk.run(&["journal", "export"]);
    out(&export).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// So many records of this kind.
pub fn count(desk: &Desk, kind: &str) -> usize {
    records(desk).iter().filter(|record| record["kind"] == kind).count()
}

#[test]
fn a_person_ticks_chooses_hears_the_script_and_takes_it_back_when_it_fails() {
    let desk = desk(&format!("{HEAD}{BY_HAND}{TOUCH}"));
    let mut screen = run(&desk, &["--announce"]);
    screen.wait_text("to run it type  touch on local");
    say(&mut screen, "touch on local");
    screen.wait_text("tick 1: The channel knows");
    say(&mut screen, "done");
    screen.wait_text("it is not done: 2 items are not ticked");
    say(&mut screen, "tick 1");
    screen.wait_text("[x] The channel knows");
    say(&mut screen, "tick 2");
    screen.wait_text("[x] Somebody watches");
    say(&mut screen, "done");
    screen.wait_text("pick 2: later");
    say(&mut screen, "pick 2");
    screen.wait_text("chosen: later");
    say(&mut screen, "done");
    is_made(&desk, "touched");
    screen.wait_text("| begins");
    assert!(!screen.text().contains("| ends"), "it is heard while it runs");
    make(&desk, "go");
    screen.wait_text("| ends");
    screen.wait_text("Can be undone: step 3 'Touch' on local (this machine):");
    // It takes the answer that the change took: a letter, or a word, is none.
    for less in ["u", "undo"] {
        say(&mut screen, less);
        screen.wait_screen("it is told once more", PATIENCE, |screen| {
            screen.contents().trim_end().ends_with("to undo it type  undo on local :")
        });
        assert!(here(&desk, "touched").exists());
    }
    say(&mut screen, "undo on local");
    let status = screen.wait_exit();
    assert_eq!(status.exit_code(), 1, "{}", screen.text());
    assert!(!here(&desk, "touched").exists(), "it was taken back");
    let text = screen.text();
    assert!(text.contains("to tell others, after:") && text.contains("- undone: step 3 'Touch' on local"), "{text}");
}

#[test]
fn what_one_person_may_not_do_alone_takes_a_reason_and_is_recorded_before_it_is_done() {
    let desk = desk(&format!("{HEAD}{TOUCH}").replace("run on=local", "run confirm=two on=local"));
    make(&desk, "go");
    make(&desk, "good");
    let planned = desk.run(&["runbook", "plan", "own", "--json"]);
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let (hash, answer) = (planned["hash"].as_str().unwrap(), planned["confirm"].as_str().unwrap());
    let run = |desk: &Desk, more: &[&str]| {
        desk.run(&[&["runbook", "run", "own", "--plan", hash, "--confirm", answer], more].concat())
    };
    for more in [&[][..], &["--break-glass", "urgent"], &["--break-glass", "nobody answers here", "--read-only"]] {
        let told = run(&desk, more);
        assert_eq!(told.status.code(), Some(5), "{more:?}: {told:?}");
    }
    assert!(!here(&desk, "touched").exists() && count(&desk, "operator.break_glass") == 0);
    let told = run(&desk, &["--break-glass", "nobody answers and players are cut off"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(out(&told).contains("the glass is broken: nobody answers"), "{told:?}");
    assert_eq!(count(&desk, "operator.break_glass"), 1);
    let config = std::fs::read_to_string(here(&desk, "config.toml")).unwrap();
    desk.file("config.toml", &format!("{config}\n[policy]\nbreak_glass = \"refuse\"\n"));
    let told = run(&desk, &["--break-glass", "nobody answers and players are cut off"]);
    assert_eq!(told.status.code(), Some(5), "{told:?}");
}

#[test]
fn ctrl_c_at_the_first_question_is_a_refusal_and_says_so() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on local");
    screen.send("\x03");
    let status = screen.wait_exit();
    assert_eq!(status.exit_code(), 5, "{}", screen.text());
    assert!(screen.text().contains("refused, and nothing was done: it was not answered"), "{}", screen.text());
    assert_eq!(count(&desk, "run.start"), 0);
}

#[test]
fn ctrl_c_in_the_middle_of_a_step_asks_what_follows_and_a_cancel_says_what_is_left() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on local");
    say(&mut screen, "touch on local");
    is_made(&desk, "touched");
    screen.send("\x03");
    screen.wait_text("stop, cancel, undo or back:");
    say(&mut screen, "back");
    screen.wait_text("it goes on");
    screen.send("\x03");
    screen.wait_screen("the menu again", PATIENCE, |screen| {
        screen.contents().matches("stop, cancel, undo or back:").count() >= 2
    });
    say(&mut screen, "undo");
    screen.wait_text("cancelled: nothing of it is left on local");
    screen.wait_text("to undo it type  undo on local");
    assert!(here(&desk, "touched").exists());
    say(&mut screen, "undo on local");
    assert_eq!(screen.wait_exit().exit_code(), 4, "{}", screen.text());
    assert!(!here(&desk, "touched").exists(), "it was taken back");
}

#[test]
fn after_a_crash_in_the_middle_of_a_script_resume_says_what_became_of_it() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on local");
    say(&mut screen, "touch on local");
    is_made(&desk, "touched");
    screen.signal(Signal::KILL);
    assert!(screen.wait_exit().signal().is_some());
    // What nobody has looked at may still go on: it is not begun once more over it.
    let told = desk.run(&["runbook", "run", "own"]);
    assert_eq!(told.status.code(), Some(5), "{told:?}");
    let why = String::from_utf8_lossy(&told.stderr);
    assert!(why.contains("of own (") && why.contains("Z) was cut off, and what it did may still go on"), "{why}");
    assert!(why.contains("`R` on it") && why.contains("`quarterdeck runbook resume`"), "{why}");
    // The script has a group of its own, and goes on.
    make(&desk, "go");
    make(&desk, "good");
    let told = desk.run(&["runbook", "resume"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(out(&told).contains("  ok "), "{}", out(&told));
    assert_eq!((count(&desk, "step.intent"), count(&desk, "step.reconcile")), (1, 1), "it was not sent again");
    let told = desk.run(&["runbook", "resume"]);
    assert!(out(&told).starts_with("no run was cut off. Of one that is over "), "{}", out(&told));
}

#[test]
fn a_run_that_is_over_is_taken_back_from_the_list_of_runs() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    make(&desk, "go");
    make(&desk, "good");
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on local");
    say(&mut screen, "touch on local");
    assert!(screen.wait_exit().success(), "{}", screen.text());
    let mut screen = desk.start();
    press(&mut screen, "6");
    screen.wait_text("1 in the journal");
    insist(&mut screen, "R", "take back what it did");
    press(&mut screen, "\r");
    screen.wait_text("undo on local");
    answer(&mut screen, "undo on local");
    screen.wait_text("all that it did was taken back");
    assert!(!here(&desk, "touched").exists());
    leave(&mut screen);
    assert_eq!((count(&desk, "run.resume"), count(&desk, "run.finish")), (1, 2));
}

#[test]
fn what_nobody_can_tell_is_told_by_a_person_at_the_list_of_runs() {
    let desk = desk(&format!("{HEAD}{TOUCH}").replace("verb: touch\n", "verb: touch\nlock: [service/own]\n"));
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on local");
    say(&mut screen, "touch on local");
    is_made(&desk, "touched");
    screen.signal(Signal::KILL);
    screen.wait_exit();
    make(&desk, "go");
    // The page is another one: nobody can look.
    desk.file("books/own.md", &format!("{HEAD}{TOUCH}").replace("echo \"ends\"", "echo \"other\""));
    let told = desk.run(&["runbook", "resume"]);
    assert_eq!(told.status.code(), Some(3), "{told:?}");
    assert!(out(&told).contains("--saw happened|nothing --reason TEXT"), "{}", out(&told));
    assert!(out(&told).contains("left to undo, last first:"), "{}", out(&told));
    let mut screen = desk.start();
    press(&mut screen, "6");
    screen.wait_text("1 in the journal");
    screen.wait_text("and nobody knows whether");
    insist(&mut screen, "R", "it did not happen");
    assert!(screen.text().contains("look what became of it"), "{}", screen.text());
    press(&mut screen, "\x1b[B");
    press(&mut screen, "\r");
    screen.wait_text("You saw that the change '");
    for text in ["the file is there", "\r"] {
        screen.sees(Duration::from_millis(100), |_| false);
        screen.send(text);
    }
    screen.wait_text("the file is there");
    leave(&mut screen);
    assert!(out(&desk.run(&["runbook", "resume"])).starts_with("no run was cut off. "));
    let told = desk.run(&["runbook", "resume", "--abandon", "nobody needs it"]);
    assert_eq!(told.status.code(), Some(5), "there is none to give up: {told:?}");
}

#[test]
fn events_tell_the_output_while_it_comes_and_never_a_secret() {
    let page = format!("{HEAD}{TOUCH}")
        .replace("verb: touch\n", "verb: touch\nsecrets: [token]\n")
        .replace("run on=local timeout=60s", "run on=local timeout=60s vars=(token)")
        .replace("echo \"begins\"", "echo \"begins $token\"");
    let desk = desk(&page);
    let config = std::fs::read_to_string(here(&desk, "config.toml")).unwrap();
    let token = desk.file("token", "canary-5f2ad8c3").display().to_string();
    desk.file("config.toml", &format!("{config}\n[secret.token]\nfile = \"{token}\"\n"));
    make(&desk, "go");
    make(&desk, "good");
    let planned = desk.run(&["runbook", "plan", "own", "--json"]);
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap_or_else(|_| panic!("{planned:?}"));
    let (hash, answer) = (planned["hash"].as_str().unwrap(), planned["confirm"].as_str().unwrap());
    let told = desk.run(&["runbook", "run", "own", "--plan", hash, "--confirm", answer, "--json", "--announce"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(!out(&told).contains("canary"), "{}", out(&told));
    let events: Vec<Value> = out(&told).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "output")
        .flat_map(|event| event["lines"].as_array().unwrap().iter().filter_map(Value::as_str))
        .collect();
    assert_eq!(said, ["begins ‹redacted›", "ends"]);
    let whens: Vec<&str> =
        events.iter().filter(|event| event["event"] == "announce").filter_map(|event| event["when"].as_str()).collect();
    assert_eq!(whens, ["before", "after"]);
}

#[test]
fn dashboards_show_what_a_shell_beside_them_runs_and_do_not_take_it_for_their_own() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut dashboards = [desk.start(), desk.start()];
    for dashboard in &mut dashboards {
        dashboard.send("6");
        dashboard.wait_text("nothing was run from this journal yet");
    }
    let mut shell = run(&desk, &[]);
    shell.wait_text("to run it type  touch on local");
    say(&mut shell, "touch on local");
    is_made(&desk, "touched");
    for dashboard in &dashboards {
        dashboard.wait_screen("run under way", SOON, |screen| {
            let text = screen.contents();
            // The table, and no page over it.
            text.contains("▶ in another session: Own on local: Touch: running") && text.contains("STARTED (UTC)")
        });
    }
    let [mut first, mut second] = dashboards;
    // While the run is under way: nobody asks twice.
    leave(&mut first);
    make(&desk, "good");
    make(&desk, "go");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    second.wait_screen("end", SOON, |screen| screen.contents().contains("✓ in another session: Own on local ok"));
    leave(&mut second);
}

/// A dashboard at the list of runs, beside which a run is killed in the middle of its script.
fn killed_beside(desk: &Desk) -> Session {
    let mut dashboard = desk.start();
    dashboard.send("6");
    let mut shell = run(desk, &[]);
    shell.wait_text("to run it type  touch on local");
    say(&mut shell, "touch on local");
    is_made(desk, "touched");
    dashboard.wait_screen("run under way", SOON, |screen| screen.contents().contains("Own on local: Touch: running"));
    shell.signal(Signal::KILL);
    assert!(shell.wait_exit().signal().is_some());
    dashboard
}

#[test]
fn a_run_whose_process_is_killed_is_soon_told_as_cut_off_beside_it_and_left_to_whoever_resumes_it() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut dashboard = killed_beside(&desk);
    dashboard.wait_screen("it is told", SOON, |screen| {
        let text = screen.contents();
        text.contains("cut off, to be resumed") && text.contains("its process is gone")
    });
    let mut late = desk.start();
    late.send("6");
    late.wait_text("cut off");
    make(&desk, "go");
    make(&desk, "good");
    // Whoever looks after it writes what became of it, and it is seen here too.
    dashboard.wait_screen("it is settled", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("in another session: Own on local ok") && !text.contains("cut off, ")
    });
    assert_eq!((count(&desk, "step.intent"), count(&desk, "step.reconcile")), (1, 1), "it was looked at once");
    leave(&mut late);
    leave(&mut dashboard);
}

#[test]
fn what_became_of_a_run_whose_process_was_killed_is_looked_at_by_a_key() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut dashboard = killed_beside(&desk);
    make(&desk, "go");
    make(&desk, "good");
    dashboard.wait_text("cut off, to be resumed");
    dashboard.send("R");
    dashboard.wait_text("look what became of it");
    dashboard.send("\r");
    dashboard.wait_screen("it is settled", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("Own on local ok") && !text.contains("cut off, ")
    });
    assert_eq!((count(&desk, "step.intent"), count(&desk, "step.reconcile")), (1, 1), "it was looked at once");
    leave(&mut dashboard);
}

/// Asks for a plan of the runbook at the dashboard.
pub fn plan_own(dashboard: &mut Session) {
    look_at(dashboard, "5", "R plan", "own");
    insist(dashboard, "R", "plan: Own");
}

/// Opens the list of what can be done with a run that was cut off. It has the look once the journal was asked which runs nobody drives: a list that
/// was opened before that is closed, and opened anew.
fn asks_what_became(dashboard: &mut Session) {
    for _ in 0..5 {
        press(dashboard, "R");
        let open = |screen: &vt100::Screen| screen.contents().contains("Esc closes");
        if dashboard.sees(SOON / 4, |screen| screen.contents().contains("look what became of it")) {
            return;
        }
        if dashboard.sees(Duration::ZERO, open) {
            press(dashboard, "\x1b");
        }
    }
    dashboard.wait_text("look what became of it");
}

#[test]
fn the_screen_begins_no_runbook_over_a_run_of_it_that_was_cut_off_or_is_in_doubt() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut dashboard = killed_beside(&desk);
    dashboard.wait_text("cut off, to be resumed");
    plan_own(&mut dashboard);
    dashboard.wait_text("was cut off, and what it did may still go on");
    press(&mut dashboard, "\x1b");
    dashboard.wait_no_text("may still go on");
    // The page is another one: nobody can look, and it stays in doubt.
    make(&desk, "go");
    desk.file("books/own.md", &format!("{HEAD}{TOUCH}").replace("echo \"ends\"", "echo \"other\""));
    dashboard.wait_text("runbooks read again: own changed");
    dashboard.send("6");
    asks_what_became(&mut dashboard);
    press(&mut dashboard, "\r");
    poll(PATIENCE, || (count(&desk, "step.reconcile") == 1).then_some(())).expect("it is looked at");
    plan_own(&mut dashboard);
    dashboard.wait_text("nobody knows whether it happened");
    // The dashboard that has looked keeps it: a shell beside it is refused as well.
    let told = desk.run(&["runbook", "run", "own"]);
    let why = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.code() == Some(5) && why.contains("nobody knows whether it happened"), "{told:?}");
    assert_eq!((count(&desk, "run.start"), count(&desk, "step.intent")), (1, 1));
    press(&mut dashboard, "\x1b");
    leave(&mut dashboard);
}

#[test]
fn a_run_that_is_killed_between_a_plan_and_its_answer_keeps_the_answered_one_from_beginning() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    let mut dashboard = desk.start();
    let mut late = at_the_answer(&desk);
    let mut shell = at_the_answer(&desk);
    plan_own(&mut dashboard);
    dashboard.wait_text("touch on local");
    say(&mut shell, "touch on local");
    is_made(&desk, "touched");
    shell.signal(Signal::KILL);
    assert!(shell.wait_exit().signal().is_some());
    answer(&mut dashboard, "touch on local");
    dashboard.wait_text("it was not begun: run ");
    say(&mut late, "touch on local");
    late.wait_text("it was not begun: run ");
    assert_eq!(late.wait_exit().exit_code(), 5, "{}", late.text());
    assert_eq!((count(&desk, "run.start"), count(&desk, "step.intent")), (1, 1));
    make(&desk, "go");
    leave(&mut dashboard);
}

#[test]
fn an_undo_that_is_killed_beside_a_dashboard_is_told_as_cut_off_and_its_runbook_is_not_begun_over_it() {
    let undo = "touch \"$HOME/undoing\"\nuntil [ -e \"$HOME/back\" ]; do sleep 0.05; done\nrm \"$HOME/touched\"";
    let desk = desk(&format!("{HEAD}{TOUCH}").replace("rm \"$HOME/touched\"", undo));
    make(&desk, "go");
    make(&desk, "good");
    let mut shell = at_the_answer(&desk);
    say(&mut shell, "touch on local");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    let mut dashboard = desk.start();
    dashboard.send("6");
    dashboard.wait_text("1 in the journal");
    let run = records(&desk).iter().find_map(|record| record["run"].as_str().map(str::to_owned)).unwrap();
    let mut shell = desk.launch().args(&["runbook", "resume", &run, "--undo"]).start();
    shell.wait_text("to run it type  undo on local");
    say(&mut shell, "undo on local");
    is_made(&desk, "undoing");
    dashboard.wait_screen("undo under way", SOON, |screen| screen.contents().contains("running"));
    shell.signal(Signal::KILL);
    assert!(shell.wait_exit().signal().is_some());
    dashboard.wait_screen("it is told", SOON, |screen| {
        let text = screen.contents();
        text.contains("cut off, to be resumed") && text.contains("its process is gone")
    });
    plan_own(&mut dashboard);
    dashboard.wait_text("was cut off, and what it did may still go on");
    press(&mut dashboard, "\x1b");
    dashboard.wait_no_text("may still go on");
    make(&desk, "back");
    dashboard.send("6");
    asks_what_became(&mut dashboard);
    assert_eq!(count(&desk, "run.start"), 1);
    press(&mut dashboard, "\x1b");
    leave(&mut dashboard);
}

#[test]
fn a_process_that_ends_as_it_is_looked_at_is_not_told_as_killed() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    make(&desk, "go");
    make(&desk, "good");
    let mut dashboard = desk.start();
    dashboard.send("6");
    for _ in 0..4 {
        let mut shell = run(&desk, &[]);
        shell.wait_text("to run it type  touch on local");
        say(&mut shell, "touch on local");
        assert!(shell.wait_exit().success(), "{}", shell.text());
    }
    dashboard.wait_screen("all ended", SOON, |screen| screen.contents().matches(" ok ").count() >= 4);
    assert!(!dashboard.text().contains("cut off"), "{}", dashboard.text());
    leave(&mut dashboard);
}

/// Begins a run that the page and the lock allow, as far as the answer to its plan.
fn at_the_answer(desk: &Desk) -> Session {
    let screen = run(desk, &[]);
    screen.wait_text("to run it type  touch on local");
    screen
}

#[test]
fn of_two_runs_that_want_one_lock_exactly_one_begins_and_the_other_is_told_who_has_it_since_when_and_where() {
    let touch = TOUCH.replace("until [ -e", "echo x >> \"$HOME/times\"\nuntil [ -e");
    let desk = desk(&format!("{HEAD}{touch}").replace("verb: touch\n", "verb: touch\nlock: [service/web]\n"));
    make(&desk, "good");
    for round in 1..=12 {
        // Both have seen the plan before either is answered: nothing but the lock keeps them apart.
        let mut both = [at_the_answer(&desk), at_the_answer(&desk)];
        std::thread::scope(|scope| {
            for screen in &mut both {
                scope.spawn(|| say(screen, "touch on local"));
            }
        });
        let refused = |screen: &Session| screen.text().contains("service/web is held by");
        let loser = poll(PATIENCE, || both.iter().position(refused)).expect("one of them is refused");
        is_made(&desk, "touched");
        let [first, second] = both;
        let (mut loser, mut winner) = if loser == 0 { (first, second) } else { (second, first) };
        assert_eq!(loser.wait_exit().exit_code(), 5, "{}", loser.text());
        let text = loser.text();
        let told = text.split("service/web is held by ").nth(1).unwrap();
        for word in ["@", " since ", " UTC: run ", " of own", ", at touch"] {
            assert!(told.contains(word), "{word} in {told}");
        }
        make(&desk, "go");
        assert!(winner.wait_exit().success(), "{}", winner.text());
        assert!(!refused(&winner), "{}", winner.text());
        let times = std::fs::read_to_string(here(&desk, "times")).unwrap();
        assert_eq!(times.lines().count(), round, "it was done once in round {round}");
        for file in ["go", "touched"] {
            std::fs::remove_file(here(&desk, file)).unwrap();
        }
    }
    assert_eq!((count(&desk, "run.finish"), count(&desk, "step.intent")), (12, 12));
    assert!(desk.run(&["journal", "verify"]).status.success());
}

#[test]
fn ctrl_c_while_a_called_run_asks_for_its_parameters_begins_nothing_and_the_caller_asks_again_or_stops() {
    let desk = desk(&format!("{HEAD}\n## Go\n\n### Other\n\n**Run:** [Inner](inner.md)\n"));
    let inner = format!("{HEAD}{TOUCH}")
        .replace("id: own", "id: inner")
        .replace("title: Own", "title: Inner")
        .replace("verb: touch\n", "verb: touch\nparams:\n  - {name: word, type: string, required: true}\n")
        .replace("echo \"begins\"", "echo \"begins $word\"");
    desk.file("books/inner.md", &inner);
    make(&desk, "go");
    make(&desk, "good");
    let mut screen = run(&desk, &[]);
    screen.wait_text("runs Inner (inner) here");
    say(&mut screen, "done");
    screen.wait_text("word of inner (string):");
    screen.send("\x03");
    screen.wait_text("! not begun: word was not given");
    // The caller asks again, and the interrupt is not taken for a stop of the caller too.
    let asked = |screen: &Session, times: usize| {
        screen.wait_screen("it asks again", PATIENCE, |screen| {
            screen.contents().matches("skip REASON (s), or stop:").count() >= times
        });
    };
    asked(&screen, 2);
    assert!(!screen.text().contains("stops before the next change"), "{}", screen.text());
    say(&mut screen, "done");
    screen.wait_screen("the parameter again", PATIENCE, |screen| {
        screen.contents().matches("word of inner (string):").count() >= 2
    });
    say(&mut screen, "now");
    screen.wait_text("to run it type  touch on local");
    screen.send("\x03");
    screen.wait_text("! not begun: it was not answered");
    asked(&screen, 3);
    assert_eq!(count(&desk, "run.start"), 1, "nothing of the called one began");
    screen.send("\x03");
    assert_eq!(screen.wait_exit().exit_code(), 4, "{}", screen.text());
    assert!(!here(&desk, "touched").exists() && count(&desk, "step.intent") == 0);
}

#[test]
fn a_request_that_is_not_answered_yet_says_where_it_went() {
    let go = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let goes = std::sync::Arc::clone(&go);
    let service = Scripted::start(move |path| {
        if path.starts_with("/change") {
            poll(PATIENCE, || goes.load(std::sync::atomic::Ordering::SeqCst).then_some(()));
        }
        Say::good("{\"ok\": true}")
    });
    let steps = "## Go\n\n```http run on=shop timeout=60s undo=none\nPOST /change?x=1\nX-Token: {{ secret.token }}\n```\n\n\
        ```http verify on=shop timeout=10s expect=(json.ok)\nGET /\n```\n";
    let desk = desk(&format!("{HEAD}{steps}").replace("verb: touch\n", "verb: touch\nsecrets: [token]\n"));
    let config = std::fs::read_to_string(here(&desk, "config.toml")).unwrap();
    let token = desk.file("token", "canary-5f2ad8c3").display().to_string();
    let tables =
        format!("[secret.token]\nfile = \"{token}\"\n[http.shop]\nurl = \"http://127.0.0.1:{}\"\n", service.port());
    desk.file("config.toml", &format!("{config}\n{tables}"));
    let mut screen = run(&desk, &[]);
    screen.wait_text("to run it type  touch on shop");
    say(&mut screen, "touch on shop");
    screen.wait_text(&format!("| POST /change?x=1 is sent to http://127.0.0.1:{}", service.port()));
    assert!(!screen.text().contains("answered with"), "{}", screen.text());
    go.store(true, std::sync::atomic::Ordering::SeqCst);
    screen.wait_text("| answered with 200 after ");
    assert!(screen.wait_exit().success(), "{}", screen.text());
    assert!(!screen.text().contains("5f2ad8c3"), "{}", screen.text());
}

#[test]
fn a_reader_that_goes_ends_no_run() {
    let desk = desk(&format!("{HEAD}{TOUCH}"));
    make(&desk, "good");
    let planned = desk.run(&["runbook", "plan", "own", "--json"]);
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let (hash, answer) = (planned["hash"].as_str().unwrap(), planned["confirm"].as_str().unwrap());
    let words = ["sh", "-c", "\"$@\" 2>\"$0\"/said | head -n 1; : > \"$0\"/over"].map(str::to_owned);
    let home = desk.home().display().to_string();
    let wrapper = [&words[..], &[home]].concat();
    for more in [&["--json"][..], &[]] {
        let run = [&["runbook", "run", "own", "--plan", hash, "--confirm", answer], more].concat();
        std::thread::scope(|scope| {
            let told = scope.spawn(|| desk.run_under(&wrapper, &run));
            is_made(&desk, "touched");
            make(&desk, "go");
            told.join().unwrap();
        });
        let said = std::fs::read_to_string(here(&desk, "said")).unwrap();
        assert!(!said.contains("defect"), "{said}");
        for file in ["go", "touched"] {
            std::fs::remove_file(here(&desk, file)).unwrap();
        }
    }
    let export = out(&desk.run(&["journal", "export"]));
    assert_eq!(export.matches("\"outcome\":\"ok\"").count(), 2, "both went to their end: {export}");
}

/// Two changes, the first of which takes until it is told to end.
pub fn two_changes() -> String {
    let second = TOUCH.replace("## Touch", "## Again").replace("touched", "again").replace("\"$HOME/go\"", "\"$HOME\"");
    format!("{HEAD}{TOUCH}{second}").replace("risk: high", "risk: low")
}

#[test]
fn a_dashboard_that_a_signal_ends_names_it_in_the_record_of_its_run() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let desk = desk(&two_changes().replace("title: Own", "title: 1 own"));
        make(&desk, "good");
        let mut screen = begun_on_the_screen(&desk);
        is_made(&desk, "touched");
        screen.signal(signal);
        screen.wait_text("finishing what is under way");
        make(&desk, "go");
        screen.wait_exit();
        let records = records(&desk);
        let end = records.iter().rfind(|record| record["kind"] == "run.finish").unwrap();
        let told = format!("quarterdeck was told to end ({name})");
        let reason = end["data"]["reason"].as_str().unwrap();
        assert!(reason.starts_with(&told) && end["data"]["outcome"] == "stopped", "{end}");
        assert!(!here(&desk, "again").exists(), "nothing new was begun");
    }
}

#[test]
fn a_terminal_that_closes_in_the_middle_of_a_run_begins_nothing_new_and_what_is_under_way_is_finished_and_recorded() {
    for screen in [true, false] {
        let desk = desk(&two_changes().replace("title: Own", "title: 1 own"));
        make(&desk, "good");
        let mut session = if screen { begun_on_the_screen(&desk) } else { begun_in_a_shell(&desk) };
        is_made(&desk, "touched");
        session.hang_up();
        make(&desk, "go");
        session.wait_exit();
        let records = records(&desk);
        let end =
            records.iter().rfind(|record| record["kind"] == "run.finish").unwrap_or_else(|| panic!("{records:#?}"));
        let reason = end["data"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("quarterdeck was told to end (SIGHUP)"), "screen {screen}: {end}");
        assert!(end["data"]["outcome"] == "stopped" && count(&desk, "step.intent") == 1, "{end}");
        let at = |kind: &str| {
            records.iter().position(|record| record["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {records:#?}"))
        };
        let gone = &records[at("operator.detached")];
        assert!(gone["data"]["signal"] == "SIGHUP" && gone["run"] == end["run"], "{gone}");
        assert!(
            (at("step.intent")..at("step.exit")).contains(&at("operator.detached")),
            "screen {screen}: {records:#?}"
        );
        assert!(!here(&desk, "again").exists(), "nothing new was begun");
        let told = desk.run(&["runbook", "resume"]);
        assert!(out(&told).starts_with("no run was cut off. Of one that is over "), "{}", out(&told));
    }
}

fn begun_on_the_screen(desk: &Desk) -> Session {
    let mut screen = desk.start();
    screen.send("5");
    screen.wait_text("5 Runbooks");
    screen.wait_text("1 own ");
    // By title: the first one.
    press(&mut screen, "g");
    press(&mut screen, "R");
    screen.wait_text("plan: 1 own");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    screen
}

fn begun_in_a_shell(desk: &Desk) -> Session {
    let mut screen = run(desk, &[]);
    screen.wait_text("run it? y");
    say(&mut screen, "y");
    screen
}
