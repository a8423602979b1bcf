//! The keys of the screen about a run that is under way: what holds a lock is watched, asked for and taken over; a run is held, let go on, stopped and
//! cut off by its list of ways.

use crate::desk::{Desk, insist};
use crate::lab::poll;
use crate::pty::{PATIENCE, Session};
use crate::runbook_terminal::{HEAD, TOUCH, count, desk, here, is_made, make, plan_own, records, run, two_changes};
use crate::support::{leave, press, say};
use rustix::process::Signal;
use std::time::Duration;

/// Long enough for a step that is held to have begun if nothing held it.
const HELD: Duration = Duration::from_millis(1500);

const DOWN: &str = "\x1b[B";

/// Two changes under a lock.
fn locked() -> Desk {
    let desk = desk(&two_changes().replace("verb: touch\n", "verb: touch\nlock: [service/web]\n"));
    make(&desk, "good");
    desk
}

/// Plans the runbook at the screen and answers; its first step is under way.
fn begun(desk: &Desk) -> Session {
    let mut screen = desk.start();
    plan_own(&mut screen);
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    is_made(desk, "touched");
    screen
}

/// Types a reason where one is asked for.
fn reason(screen: &mut Session, text: &str) {
    screen.send(text);
    screen.wait_text(text);
    press(screen, "\r");
}

fn ended(desk: &Desk) -> serde_json::Value {
    let end = || records(desk).into_iter().rfind(|record| record["kind"] == "run.finish");
    poll(PATIENCE, end).expect("it ends")["data"].clone()
}

#[test]
fn who_holds_a_lock_is_watched_and_hands_it_over_and_the_plan_comes_again() {
    let desk = locked();
    let mut holder = begun(&desk);
    let mut other = desk.start();
    plan_own(&mut other);
    other.wait_text("+ asks for a hand-over, ! takes over");
    press(&mut other, ">");
    other.wait_no_text("+ asks for a hand-over");
    let start = records(&desk).into_iter().find(|record| record["kind"] == "run.start").unwrap();
    let id = start["run"].as_str().unwrap().to_owned();
    other.wait_text(&format!("run {id}"));
    plan_own(&mut other);
    press(&mut other, "+");
    other.wait_text("why should it be handed over?");
    reason(&mut other, "players are cut off");
    other.wait_text("service/web is asked for; the plan comes again when it is yours");
    // On the other side it stands above the keys, and one key opens it.
    holder.wait_text("asks for service/web: players are cut off");
    insist(&mut holder, "A", "somebody wants what a run of yours holds");
    holder.wait_text("y hands it over, n does not; Esc leaves it");
    press(&mut holder, "y");
    holder.wait_no_text("y hands it over");
    make(&desk, "go");
    // What it has done can be taken back before it ends.
    holder.wait_text("u undoes it");
    insist(&mut holder, "\x18", "was handed over to");
    assert!(!here(&desk, "again").exists(), "it stopped before its next change");
    let end = ended(&desk);
    assert!(end["reason"].as_str().unwrap().starts_with("service/web was handed over to "), "{end}");
    other.wait_text("y runs it");
    assert!(!other.text().contains("is held by"), "{}", other.text());
    insist(&mut other, "y", "✓ Own");
    is_made(&desk, "again");
    assert_eq!((count(&desk, "lock.wanted"), count(&desk, "lock.passed")), (1, 1));
    leave(&mut holder);
    leave(&mut other);
}

#[test]
fn a_lock_that_is_not_handed_over_stays_where_it_is() {
    let desk = locked();
    let mut holder = begun(&desk);
    let mut other = desk.start();
    plan_own(&mut other);
    other.wait_text("+ asks for a hand-over");
    press(&mut other, "+");
    other.wait_text("why should it be handed over?");
    reason(&mut other, "players are cut off");
    holder.wait_text("asks for service/web: players are cut off");
    insist(&mut holder, "A", "somebody wants what a run of yours holds");
    holder.wait_text("y hands it over");
    press(&mut holder, "n");
    holder.wait_no_text("y hands it over");
    make(&desk, "go");
    is_made(&desk, "again");
    assert_eq!(ended(&desk)["outcome"], "ok");
    other.wait_text("service/web is given back");
    leave(&mut holder);
    press(&mut other, "\x1b");
    leave(&mut other);
}

#[test]
fn a_lock_that_a_killed_process_left_is_taken_over_for_a_reason() {
    let desk = locked();
    let front = |text: &str| text.replace("id: own", "id: other").replace("title: Own", "title: Other");
    let page =
        front(HEAD).replace("risk: high", "risk: low").replace("verb: touch\n", "verb: touch\nlock: [service/web]\n");
    desk.file(
        "books/other.md",
        &format!("{page}{}", TOUCH.replace("touched", "other").replace("\"$HOME/go\"", "\"$HOME\"")),
    );
    let mut screen = desk.start();
    let shell = begun(&desk);
    shell.signal(Signal::KILL);
    screen.wait_text("cut off");
    screen.send("5");
    screen.send("/other\r");
    screen.wait_text("/other ");
    insist(&mut screen, "R", "plan: Other");
    screen.wait_text("! takes over");
    press(&mut screen, "!");
    screen.wait_text("why is the lock taken over?");
    reason(&mut screen, "urgent");
    screen.wait_text("say why, in at least two words");
    screen.send("\x15");
    reason(&mut screen, "nobody drives it any more");
    screen.wait_text("y runs it");
    insist(&mut screen, "y", "✓ Other");
    assert!(here(&desk, "other").exists());
    let passed = records(&desk).into_iter().find(|record| record["kind"] == "lock.passed").unwrap();
    assert_eq!(passed["data"]["how"], "taken over", "{passed}");
    leave(&mut screen);
}

#[test]
fn a_run_is_held_before_its_next_step_and_goes_on_by_the_list_of_its_ways() {
    let desk = locked();
    let mut screen = begun(&desk);
    insist(&mut screen, "R", "finish this step, then stop");
    screen.wait_text("cancel and undo");
    for _ in 0..3 {
        screen.send(DOWN);
    }
    screen.wait_text("▶   pause it");
    press(&mut screen, "\r");
    screen.wait_text("no step begins until you let it go on");
    make(&desk, "go");
    let ok = || records(&desk).iter().any(|record| record["data"]["state"] == "ok");
    poll(PATIENCE, || ok().then_some(())).expect("what was in flight is finished");
    screen.sees(HELD, |_| here(&desk, "again").exists());
    assert!(!here(&desk, "again").exists(), "no step begins");
    insist(&mut screen, "R", "it is paused: no step begins");
    for _ in 0..3 {
        screen.send(DOWN);
    }
    screen.wait_text("▶   let it go on");
    press(&mut screen, "\r");
    is_made(&desk, "again");
    assert_eq!(ended(&desk)["outcome"], "ok");
    leave(&mut screen);
}

#[test]
fn a_run_is_stopped_after_its_step_or_cut_off_in_it_by_the_list_of_its_ways() {
    let desk = locked();
    let mut screen = begun(&desk);
    insist(&mut screen, "R", "finish this step, then stop");
    // Esc leaves it alone.
    press(&mut screen, "\x1b");
    screen.wait_no_text("finish this step, then stop");
    insist(&mut screen, "R", "finish this step, then stop");
    press(&mut screen, "\r");
    screen.wait_text("what is in flight is finished and verified; then it stops");
    make(&desk, "go");
    screen.wait_text("u undoes it");
    insist(&mut screen, "u", "✗ Own");
    assert_eq!((ended(&desk)["outcome"].as_str(), here(&desk, "again").exists()), (Some("stopped"), false));
    assert!(!here(&desk, "touched").exists(), "it was taken back");
    leave(&mut screen);
    std::fs::remove_file(here(&desk, "go")).unwrap();
    let mut screen = begun(&desk);
    insist(&mut screen, "R", "finish this step, then stop");
    for _ in 0..2 {
        screen.send(DOWN);
    }
    screen.wait_text("▶   cancel and undo");
    press(&mut screen, "\r");
    poll(PATIENCE, || (count(&desk, "run.finish") == 2).then_some(())).expect("it ends");
    assert!(!here(&desk, "touched").exists(), "what was cut off was taken back");
    screen.wait_text("nothing of it is left");
    leave(&mut screen);
}

#[test]
fn no_step_of_a_called_run_begins_while_the_menu_of_ctrl_c_is_open() {
    let outer =
        format!("{HEAD}\n## Go\n\n### Other\n\n**Run:** [Inner](inner.md)\n").replace("risk: high", "risk: low");
    let desk = desk(&outer);
    desk.file("books/inner.md", &two_changes().replace("id: own", "id: inner").replace("title: Own", "title: Inner"));
    make(&desk, "good");
    let mut shell = run(&desk, &[]);
    shell.wait_text("runs Inner (inner) here");
    say(&mut shell, "plan");
    shell.wait_text("run it? y, or anything else to leave:");
    say(&mut shell, "y");
    is_made(&desk, "touched");
    shell.send("\x03");
    shell.wait_text("stop, cancel, undo or back:");
    make(&desk, "go");
    let ok = || records(&desk).iter().any(|record| record["data"]["state"] == "ok");
    poll(PATIENCE, || ok().then_some(())).expect("what was in flight is finished");
    shell.sees(HELD, |_| here(&desk, "again").exists());
    assert!(!here(&desk, "again").exists(), "no step begins");
    say(&mut shell, "back");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    is_made(&desk, "again");
}
