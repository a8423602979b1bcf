//! Two machines whose clocks are hours apart, on a team's journal: what is locked, how long, and in which order things happened is judged by the
//! server alone.

use crate::lab::postgres::Postgres;
use crate::lab::{is_root, need, program, skip};
use crate::pty::Session;
use crate::support::say;
use crate::team::{Machine, prepare};
use serde_json::Value;

const HOUR: i64 = 3600;

fn begun(machine: &Machine) -> Session {
    let mut shell = machine.desk.launch_under(&machine.wrapper).args(&["runbook", "run", "own"]).start();
    shell.wait_text("run it? y");
    say(&mut shell, "y");
    machine.is_made("touched");
    shell
}

fn exported(machine: &Machine) -> Vec<Value> {
    let out = String::from_utf8(machine.run(&["journal", "export"]).stdout).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn machines(server: &Postgres, slow: Vec<String>, fast: Vec<String>) -> [Machine; 2] {
    [("ada", "bastion-1", slow), ("ben", "bastion-2", fast)].map(|(login, host, clock)| {
        let mut machine = Machine::with(server, login, host, "");
        machine.wrapper.extend(clock);
        machine
    })
}

#[test]
fn locks_and_their_order_are_the_servers_however_wrong_the_clocks_are_and_that_is_told() {
    let (server, skew) = (need!(own_postgres), need!(skew));
    if !is_root() || program(&["unshare"], &[]).is_none() {
        let name = "skewed::locks_and_their_order_are_the_servers_however_wrong_the_clocks_are_and_that_is_told";
        return skip(name, "root and unshare");
    }
    let [slow, fast] = machines(&server, skew.ahead(-2 * HOUR), skew.ahead(2 * HOUR));
    prepare(&server, &slow.run(&["journal", "setup"]));
    // By the fast clock the slow one's lock has lapsed hours ago.
    let mut shell = begun(&slow);
    let refused = fast.said(&["runbook", "plan", "own"]);
    assert!(refused.contains("service/shop is held by ada@bastion-1 since "), "{refused}");
    slow.make("go");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    // By the slow clock the fast one's lock has hours to go; it is given back all the same.
    let mut shell = begun(&fast);
    let refused = slow.said(&["runbook", "plan", "own"]);
    assert!(refused.contains("service/shop is held by ben@bastion-2 since "), "{refused}");
    fast.make("go");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    assert!(slow.said(&["lock", "list"]).contains("nobody holds a lock"));
    assert!(fast.run(&["journal", "verify"]).status.success());
    let records = exported(&slow);
    let starts: Vec<&str> = records
        .iter()
        .filter(|record| record["kind"] == "run.start")
        .map(|record| record["actor"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(starts, ["ada", "ben"], "in the order in which they came");
    let tail = slow.said(&["journal", "tail"]);
    assert!(tail.contains("s behind the server's") && tail.contains("s ahead of the server's"), "{tail}");
}
