//! The handbook's four playbooks, walked on the lab's SpaceTime with the real fault in it: from the alert on the screen to its end, by
//! keyboard alone.

use crate::desk::insist;
use crate::lab::spacetime::{BROKEN, CONNECTIONS, FIRST, GOOD, SpaceTime};
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::{Home, LONG, answer, leave, look_at, press, said};
use std::time::Duration;

/// Longer than a dialog must be on the screen before it takes an answer.
const READING: Duration = Duration::from_millis(500);

fn home(spacetime: &SpaceTime) -> Home {
    // The desk has the passwords as variables of these names.
    Home::new(&spacetime.config(|role| format!("{{ env = \"{}\" }}", role.to_uppercase())))
}

/// From the list of alerts to the plan of the alert's runbook, whose parameters are what the labels say.
fn plan(home: &Home, alert: &str, title: &str, given: &[&str]) -> Session {
    let mut screen = home.start(&[]);
    look_at(&mut screen, "3", "R plan", alert);
    screen.wait_text(alert);
    press(&mut screen, "\r");
    screen.wait_text("R plans the runbook");
    insist(&mut screen, "R", &format!("plan: {title}"));
    for text in given {
        screen.wait_text(text);
    }
    screen
}

/// Types the phrase that is asked for, once a person can have read it.
pub fn confirm(screen: &mut Session, phrase: &str) {
    screen.wait_text(&format!("type  {phrase} "));
    screen.sees(READING, |_| false);
    answer(screen, phrase);
}

/// Ticks the items of the step by hand that is open.
pub fn tick(screen: &mut Session, items: &[&str]) {
    screen.wait_text(&format!("[ ] {}", items[0]));
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            press(screen, "j");
            screen.wait_text(&format!("▶ [ ] {item}"));
        }
        insist(screen, " ", &format!("[x] {item}"));
    }
}

/// Ends the step by hand that is open.
pub fn done(screen: &mut Session) {
    screen.wait_text("y done");
    screen.sees(READING, |_| false);
    press(screen, "y");
    screen.wait_no_text("y done");
}

/// Waits until so many runs are over, well.
pub fn wait_over(screen: &Session, home: &Home, runs: usize) {
    let over = |home: &Home| home.story_now().iter().filter(|told| told.starts_with("run.finish")).count() == runs;
    let ended = poll(LONG, || over(home).then_some(()));
    let story = home.story_now();
    assert!(ended.is_some(), "{story:#?}\n{}", screen.text());
    let well = !story.iter().any(|told| told.starts_with("run.finish ") && told != "run.finish ok");
    let details = || home.records().iter().map(|record| record["data"]["detail"].to_string()).collect::<Vec<_>>();
    assert!(well, "{story:#?} {:#?}", details());
}

#[test]
fn a_game_server_that_was_killed_is_brought_back() {
    let spacetime = need!(spacetime);
    let home = home(&spacetime);
    spacetime.kill(FIRST).unwrap();
    spacetime.wait_alert("ServiceDown");
    let title = "A game server is down";
    let mut screen = plan(&home, "ServiceDown", title, &["from the label instance", "from the label container"]);
    confirm(&mut screen, &format!("restart {FIRST} on production-server"));
    tick(&mut screen, &["The reason is in", "If it is memory"]);
    done(&mut screen);
    wait_over(&screen, &home, 1);
    spacetime.wait_no_alert("ServiceDown");
    assert_eq!(spacetime.inspect(FIRST, "{{.State.Health.Status}}"), "healthy");
    leave(&mut screen);
}

#[test]
fn a_container_that_eats_memory_up_to_its_limit_gives_it_back() {
    let spacetime = need!(spacetime);
    let home = home(&spacetime);
    spacetime.leak(FIRST).unwrap();
    spacetime.wait_alert("ContainerMemoryHigh");
    let started = spacetime.inspect(FIRST, "{{.State.StartedAt}}");
    let title = "A container leaks memory";
    let mut screen = plan(&home, "ContainerMemoryHigh", title, &["from the label container"]);
    confirm(&mut screen, &format!("restart {FIRST} on production-server"));
    tick(&mut screen, &["The page of the container", "When it grows again"]);
    done(&mut screen);
    wait_over(&screen, &home, 1);
    spacetime.wait_no_alert("ContainerMemoryHigh");
    assert_ne!(spacetime.inspect(FIRST, "{{.State.StartedAt}}"), started);
    leave(&mut screen);
    // From the alert of a machine's memory: who takes it is listed, and one that is not at its limit can be restarted all the same.
    let container = format!("container=production-server/{FIRST}");
    let vars = ["--var", &container, "--var", "server=production-server"];
    let planned = home.run(&[&["runbook", "plan", "memory-leak"], &vars[..]].concat());
    let told = said(&planned);
    assert!(told.contains("memory of production-server by container") && told.contains(FIRST), "{told}");
    assert!(told.contains("it warns: ") && planned.status.success(), "{told}");
}

#[test]
fn a_version_that_answers_by_errors_is_rolled_back() {
    let spacetime = need!(spacetime);
    let home = home(&spacetime);
    spacetime.deploy(BROKEN).unwrap();
    spacetime.wait_alert("HighErrorRate");
    let title = "Players get errors";
    let mut screen =
        plan(&home, "HighErrorRate", title, &["from the label instance", "Error: no session for the player"]);
    insist(&mut screen, "y", "( ) roll back");
    // What was seen stands above the question.
    screen.wait_text("Error: no session for the player");
    insist(&mut screen, " ", "(x) roll back");
    done(&mut screen);
    confirm(&mut screen, "rollback on production-server");
    screen.wait_text("Do what the other reasons need: waits for you");
    done(&mut screen);
    wait_over(&screen, &home, 1);
    assert_eq!(spacetime.play().0, 200);
    assert!(spacetime.play().1.ends_with(GOOD));
    spacetime.wait_no_alert("HighErrorRate");
    leave(&mut screen);
}

#[test]
fn connections_that_a_pool_forgot_are_closed_and_the_pool_is_new() {
    let spacetime = need!(spacetime);
    let home = home(&spacetime);
    // Above the alert's 80 %, and enough is left for who looks (two), the locks of both runs and who acts: with four left the last of them found none
    // when another came first.
    let sessions = spacetime.leak_sessions(CONNECTIONS - 10);
    spacetime.wait_alert("DatabaseConnectionsHigh");
    assert!(sessions.iter().all(|session| spacetime.primary.is_alive(session.pid)));
    let title = "The database runs out of connections";
    let mut screen = plan(&home, "DatabaseConnectionsHigh", title, &["from the label database"]);
    screen.wait_text("take a smaller idle_minutes");
    press(&mut screen, "\t");
    screen.wait_text(&format!("parameters: {title}"));
    screen.send("\x15");
    screen.send("0");
    press(&mut screen, "\r");
    screen.wait_text("idle_minutes = 0");
    // Nobody has said yet that the API is to be restarted.
    insist(&mut screen, "y", "( ) the API");
    // Who holds them stands above the question.
    screen.wait_text(&format!("{} idle of godot-api from ", sessions.len()));
    screen.wait_text("( ) the API");
    insist(&mut screen, " ", "(x) the API");
    done(&mut screen);
    screen.wait_text("y makes its plan");
    insist(&mut screen, "y", "plan: Kill idle database sessions");
    confirm(&mut screen, &format!("kill {} on primary", sessions.len()));
    confirm(&mut screen, "restart on production-server");
    wait_over(&screen, &home, 2);
    assert!(!sessions.iter().any(|session| spacetime.primary.is_alive(session.pid)));
    spacetime.wait_no_alert("DatabaseConnectionsHigh");
    leave(&mut screen);
}
