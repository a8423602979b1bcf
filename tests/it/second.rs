//! Two people on two machines over one journal: one asks and the other approves; one holds a lock and the other gets it.

use crate::books::FRONT;
use crate::desk::insist;
use crate::lab::postgres::Postgres;
use crate::lab::{is_root, need, program, skip};
use crate::pty::Session;
use crate::support::{LONG, leave, press, say};
use crate::team::{Machine, prepare};
use rustix::process::Signal;
use serde_json::Value;

/// Low risk takes two.
const TWO: &str = "[policy]\nlow = \"two\"\n\n";

/// The other team of two; `None`: it can't be made here.
pub fn machines(name: &str, server: &Postgres, more: &str) -> Option<[Machine; 2]> {
    if !is_root() || program(&["unshare"], &[]).is_none() {
        skip(name, "root and unshare");
        return None;
    }
    let pair = [("ada", "bastion-1"), ("ben", "bastion-2")];
    let pair = pair.map(|(login, host)| Machine::with(server, login, host, more));
    prepare(server, &pair[0].run(&["journal", "setup"]));
    Some(pair)
}

fn json(machine: &Machine, arguments: &[&str]) -> Value {
    let output = machine.run(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

/// A run as its plan wants to be answered.
pub fn start(machine: &Machine, runbook: &str, more: &[&str]) -> (Session, String) {
    let plan = json(machine, &["runbook", "plan", runbook, "--json"]);
    let (hash, phrase) = (plan["hash"].as_str().unwrap(), plan["confirm"].as_str().unwrap());
    let mut arguments = vec!["runbook", "run", runbook, "--plan", hash, "--confirm", phrase];
    arguments.extend(more);
    (machine.desk.launch_under(&machine.wrapper).args(&arguments).start(), hash.to_owned())
}

#[test]
fn what_takes_two_is_asked_for_on_one_machine_and_approved_on_another_and_never_by_who_asked() {
    let server = need!(own_postgres);
    let name = "second::what_takes_two_is_asked_for_on_one_machine_and_approved_on_another_and_never_by_who_asked";
    let Some([one, two]) = machines(name, &server, TWO) else { return };
    let mut screen = two.dashboard();
    let (mut shell, hash) = start(&one, "own", &[]);
    shell.wait_text("asked for a second person's approval, ");
    // Her own second session is refused by the server.
    let asked = json(&one, &["approval", "list", "--json"]);
    let id = asked[0]["short"].as_str().unwrap();
    let own = one.said(&["approval", "approve", id, "--reason", "it is fine", "--plan", &hash]);
    assert!(own.contains("approval: it was asked for by ada, whose login this is too"), "{own}");
    // He sees exactly what she saw.
    let shown = two.said(&["approval", "show", id]);
    assert!(shown.contains("touch \"$HOME/touched\"") && shown.contains(&hash), "{shown}");
    assert!(shown.contains("ada@bastion-1 asks to run Own (own) on local"), "{shown}");
    let unseen = two.said(&["approval", "approve", id, "--reason", "it is fine"]);
    assert!(unseen.contains("without a terminal it takes --plan"), "{unseen}");
    screen.wait_text("ada@bastion-1 asks to run Own");
    press(&mut screen, "A");
    screen.wait_text("to approve: Own");
    screen.wait_text("y approves it, n refuses it");
    press(&mut screen, "y");
    screen.wait_text("why is it approved?");
    screen.send("looked at it with her");
    screen.wait_text("looked at it with her");
    press(&mut screen, "\r");
    shell.wait_text("by ben@bastion-2: looked at it with her");
    one.is_made("touched");
    one.make("go");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    let used = two.said(&["approval", "list"]);
    assert!(used.contains("used by run "), "{used}");
    let exported = String::from_utf8(one.run(&["journal", "export"]).stdout).unwrap();
    let begun: Value =
        serde_json::from_str(exported.lines().find(|line| line.contains("\"run.start\"")).unwrap()).unwrap();
    assert_eq!(begun["data"]["approved_by"], "ben", "{begun}");
    // The next run takes another one, which can be refused, with a reason.
    let asks = one.said(&["runbook", "run", "own", "--no-wait"]);
    assert!(asks.contains("waits for a second person: run it again"), "{asks}");
    let asked = json(&two, &["approval", "list", "--json"]);
    let id = asked[1]["short"].as_str().unwrap();
    assert!(two.run(&["approval", "refuse", id, "--reason", "not before the match ends"]).status.success());
    let list = one.said(&["approval", "list"]);
    assert!(list.contains("refused by ben@bastion-2: not before the match ends"), "{list}");
    assert!(two.run(&["journal", "verify"]).status.success());
    leave(&mut screen);
}

/// A second runbook over a lock: what its second step makes shows whether it was begun.
pub fn twice(machine: &Machine, lock: &str) {
    let step = |title: &str, file: &str, wait: &str| {
        format!(
            "### {title}\n\n```bash run on=local timeout=300s\nset -eu\ntouch \"$HOME/{file}\"\n{wait}```\n\n\
             ```bash verify on=local timeout=10s\nset -eu\ntest -e \"$HOME/{file}\"\n```\n\n\
             ```bash undo on=local timeout=10s\nset -eu\nrm \"$HOME/{file}\"\n```\n\n"
        )
    };
    let steps = step("One", "one", "until [ -e \"$HOME/go\" ]; do sleep 0.05; done\n") + &step("Two", "two", "");
    let front = FRONT.replace("id: own\ntitle: Own", "id: twice\ntitle: Twice");
    machine
        .desk
        .file("books/twice.md", &format!("{front}lock: [{lock}]\n---\n\n# Twice\n\nIt is tried.\n\n## Do\n\n{steps}"));
}

#[test]
fn a_lock_is_handed_over_at_the_end_of_a_step_and_the_other_run_begins_with_it() {
    let server = need!(own_postgres);
    let name = "second::a_lock_is_handed_over_at_the_end_of_a_step_and_the_other_run_begins_with_it";
    let Some([one, two]) = machines(name, &server, "") else { return };
    twice(&one, "service/shop");
    let (mut shell, _) = start(&one, "twice", &[]);
    one.is_made("one");
    let ask = ["lock", "ask", "service/shop", "--reason", "the shop must be restarted"];
    let asking = two.desk.launch_under(&two.wrapper).args(&ask).start();
    asking.wait_text("service/shop is held by ada@bastion-1 since ");
    asking.wait_text("of twice, at do/one");
    shell.wait_text("ben@bastion-2 asks for service/shop: the shop must be restarted");
    say(&mut shell, "hand over");
    one.make("go");
    shell.wait_text("undo (u), stop:");
    // Whoever asks while the question stands there is told on lines of their own, and it stands below them again.
    let again = ["lock", "ask", "service/shop", "--reason", "nobody can buy anything"];
    let insisting = two.desk.launch_under(&two.wrapper).args(&again).start();
    shell.wait_screen("the question again", LONG, |screen| {
        let text = screen.contents();
        let lines: Vec<&str> = text.trim_end().lines().rev().take(3).collect();
        let [last, told, before] = lines.as_slice() else { return false };
        let asks = |line: &str| line.trim_end().ends_with("undo (u), stop:");
        asks(last)
            && asks(before)
            && told.starts_with("! ben@bastion-2 asks for service/shop: nobody can buy anything;")
    });
    say(&mut shell, "stop");
    shell.wait_text("service/shop was handed over to ben@bastion-2");
    shell.wait_exit();
    assert!(!one.desk.home().join("two").exists());
    asking.wait_text("service/shop is handed over");
    asking.wait_text("--as ");
    insisting.wait_text("service/shop is held by ben@bastion-2");
    let lease = json(&two, &["lock", "list", "--json"]);
    let run = lease[0]["run"].as_str().unwrap();
    // Nobody comes between; and it is his.
    assert!(one.said(&["runbook", "plan", "own"]).contains("service/shop is held by ben@bastion-2"));
    two.make("go");
    let plan = json(&one, &["runbook", "plan", "own", "--json"]);
    let hash = plan["hash"].as_str().unwrap();
    let ran = two.said(&["runbook", "run", "own", "--as", run, "--plan", hash, "--confirm", "y"]);
    assert!(ran.contains("ok"), "{ran}");
    assert!(one.said(&["lock", "list"]).contains("nobody holds a lock"));
    assert!(two.run(&["journal", "verify"]).status.success());
}

#[test]
fn whoever_is_stopped_and_told_loses_the_lock_and_its_next_change_is_refused() {
    let server = need!(own_postgres);
    let name = "second::whoever_is_stopped_and_told_loses_the_lock_and_its_next_change_is_refused";
    let Some([one, two]) = machines(name, &server, "") else { return };
    twice(&one, "service/shop");
    let (shell, _) = start(&one, "twice", &[]);
    one.is_made("one");
    // It hears nothing and renews nothing: a laptop that sleeps.
    shell.signal(Signal::STOP);
    let take = ["lock", "take", "service/shop", "--reason", "nobody answers and it must go on", "--grace", "5"];
    let taken = two.said(&take);
    assert!(taken.contains("its holder is told; it is taken over in 5 s"), "{taken}");
    assert!(taken.contains("service/shop is taken over"), "{taken}");
    one.make("go");
    shell.signal(Signal::CONT);
    shell.wait_text("the lock on service/shop is lost: it was taken over");
    shell.wait_text("service/shop is held by ben@bastion-2");
    assert!(!one.desk.home().join("two").exists(), "nothing was sent");
    let exported = String::from_utf8(two.run(&["journal", "export"]).stdout).unwrap();
    assert!(exported.contains("\"lock.wanted\"") && exported.contains("\"lock.passed\""), "{exported}");
}

#[test]
fn a_request_that_is_withdrawn_can_be_approved_by_nobody() {
    let server = need!(own_postgres);
    let name = "second::a_request_that_is_withdrawn_can_be_approved_by_nobody";
    let Some([one, two]) = machines(name, &server, TWO) else { return };
    let mut asks = one.dashboard();
    let mut other = two.dashboard();
    asks.send("5");
    asks.send("/own\r");
    asks.wait_text("/own ");
    insist(&mut asks, "R", "plan: Own");
    asks.wait_text("+ asks for it");
    press(&mut asks, "-");
    asks.wait_text("nothing is asked for from here that could be withdrawn");
    press(&mut asks, "+");
    asks.wait_text("- withdraws it");
    other.wait_text("ada@bastion-1 asks to run Own");
    insist(&mut other, "A", "to approve: Own");
    other.wait_text("y approves it, n refuses it");
    press(&mut other, "y");
    other.wait_text("why is it approved?");
    other.send("looked at it with her");
    other.wait_text("looked at it with her");
    press(&mut asks, "-");
    asks.wait_text("the request is withdrawn: nobody can approve it any more");
    asks.wait_text("withdrawn. + asks again");
    // Whoever looks at it sees that; an answer that comes too late is the server's to refuse.
    other.wait_text("withdrawn, until");
    press(&mut other, "\r");
    other.wait_text("not approved, and nothing was recorded");
    other.wait_text("has withdrawn the request");
    // By the command line: one's own alone.
    one.said(&["runbook", "run", "own", "--no-wait"]);
    let open = json(&one, &["approval", "list", "--json"]);
    let id = open.as_array().unwrap().last().unwrap()["short"].as_str().unwrap().to_owned();
    let theirs = two.run(&["approval", "withdraw", &id]);
    assert_eq!(theirs.status.code(), Some(5), "{theirs:?}");
    assert!(String::from_utf8_lossy(&theirs.stderr).contains("it was asked for by ada, and not by ben"), "{theirs:?}");
    assert!(one.run(&["approval", "withdraw", &id]).status.success());
    assert!(two.said(&["approval", "list"]).lines().filter(|line| line.ends_with("withdrawn")).count() == 2);
    for screen in [&mut asks, &mut other] {
        press(screen, "\x1b");
        leave(screen);
    }
}
