//! The team's server goes while runs are under way on two machines, and stays away for longer than their locks are granted: whoever sits there, at a
//! screen or at a shell, is asked before the next change.

use crate::lab::need;
use crate::second::{machines, start, twice};
use crate::support::{leave, press, say};
use std::time::Duration;

/// A little longer than a lock is granted for.
const OVER: Duration = Duration::from_secs(47);

#[test]
fn a_run_whose_lock_may_be_somebody_elses_asks_whoever_sits_there_before_its_next_change() {
    let mut server = need!(own_postgres);
    let name = "unbound::a_run_whose_lock_may_be_somebody_elses_asks_whoever_sits_there_before_its_next_change";
    let Some([one, two]) = machines(name, &server, "") else { return };
    twice(&one, "service/shop");
    twice(&two, "service/till");
    let (mut shell, _) = start(&one, "twice", &[]);
    let mut screen = two.dashboard();
    screen.send("5");
    screen.wait_text("Twice");
    screen.send("/twice\r");
    screen.wait_text("/twice ");
    press(&mut screen, "R");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    for machine in [&one, &two] {
        machine.is_made("one");
    }
    server.stop();
    screen.wait_text("JOURNAL AWAY since ");
    // That its time is over is no event: nobody says so.
    std::thread::sleep(OVER);
    for machine in [&one, &two] {
        machine.make("go");
    }
    // The shell waits for the server.
    shell.wait_text("kept for at most 45 s after it last answered, may be somebody else's by now");
    shell.wait_text("wait (w), break-glass REASON (!), stop:");
    say(&mut shell, "wait");
    shell.wait_text("goes on by itself when the server is back");
    // The screen does not.
    screen.wait_text("w waits for the team's server");
    assert!(screen.text().contains("! goes on without it, with a reason"), "{}", screen.text());
    assert!(!two.desk.home().join("two").exists(), "nothing was sent");
    press(&mut screen, "!");
    screen.wait_text("why must it go on now?");
    screen.send("players are cut off");
    screen.wait_text("players are cut off");
    press(&mut screen, "\r");
    two.is_made("two");
    screen.wait_text("BREAK-GLASS");
    assert!(!one.desk.home().join("two").exists(), "it waits");
    server.start_again();
    shell.wait_text("waits no more, and goes on");
    one.is_made("two");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    screen.wait_no_text("JOURNAL AWAY");
    leave(&mut screen);
    for machine in [&one, &two] {
        machine.run(&["journal", "merge"]);
    }
    assert!(one.run(&["journal", "verify"]).status.success());
    let exported = String::from_utf8(one.run(&["journal", "export"]).stdout).unwrap();
    let glass: Vec<&str> = exported.lines().filter(|line| line.contains("\"operator.break_glass\"")).collect();
    assert!(matches!(glass.as_slice(), [one] if one.contains("players are cut off")), "{glass:?}");
}
