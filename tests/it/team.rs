//! One journal of a team on a real PostgreSQL server, from two machines: homes and host names of their own, two people, two logins. What
//! runs on one is seen on the other while it runs; what it locks is refused there, with who has it and where the run is.

use crate::books::FRONT;
use crate::desk::Desk;
use crate::lab::postgres::Postgres;
use crate::lab::{is_root, need, poll, program, skip};
use crate::pty::{PATIENCE, Session};
use crate::support::{leave, say};
use rustix::process::Signal;
use serde_json::Value;
use std::process::Output;
use std::time::Duration;

/// The server tells at once, and the dashboard looks every second; a busy machine may be late.
const SOON: Duration = Duration::from_secs(15);

const STEPS: &str = r#"### Touch

```bash run on=local timeout=60s
set -eu
touch "$HOME/touched"
until [ -e "$HOME/go" ]; do sleep 0.05; done
```

```bash verify on=local timeout=10s
set -eu
test -e "$HOME/go"
```

```bash undo on=local timeout=10s
set -eu
rm "$HOME/touched"
```
"#;

/// A machine, and who sits there.
pub struct Machine {
    pub desk: Desk,
    /// Gives it its host name.
    pub wrapper: Vec<String>,
}

impl Machine {
    fn new(server: &Postgres, login: &str, host: &str) -> Self {
        Self::with(server, login, host, "")
    }

    /// With more tables in its config.
    pub fn with(server: &Postgres, login: &str, host: &str, more: &str) -> Self {
        let config = format!(
            "environment = \"lab\"\n\n{more}[journal.postgres]\n\
             dsn = \"postgres://{login}@127.0.0.1:{}/team?sslmode=disable\"\npassword = {{ env = \"QD_READ\" }}\n\n\
             [runbooks]\npaths = [\"books\"]\n",
            server.port
        );
        let desk = Desk::with(&config);
        std::fs::create_dir(desk.home().join("books")).unwrap();
        desk.file(
            "books/own.md",
            &format!("{FRONT}lock: [service/shop]\n---\n\n# Own\n\nIt is tried.\n\n## Do\n\n{STEPS}"),
        );
        let free = FRONT.replace("id: own\ntitle: Own", "id: free\ntitle: Free");
        desk.file("books/free.md", &format!("{free}---\n\n# Free\n\nIt locks nothing.\n\n## Do\n\n{STEPS}"));
        let named = format!("hostname {host} && exec \"$@\"");
        let unshare = program(&["unshare"], &[]).unwrap().display().to_string();
        let wrapper = [&unshare, "--uts", "sh", "-c", &named, "sh"].map(str::to_owned).to_vec();
        Self { desk, wrapper }
    }

    pub fn dashboard(&self) -> Session {
        let session = self.desk.launch_under(&self.wrapper).start();
        session.wait_text("4 Databases");
        session
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.desk.run_under(&self.wrapper, arguments)
    }

    pub fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Where it falls back to.
    fn file(&self) -> String {
        let folder = self.desk.home().join("state/quarterdeck");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        files.into_iter().find(|path| path.ends_with("-team.sqlite")).expect("a file to fall back to")
    }

    /// What a journal has, each record by writer, number and hash; and that it is whole.
    fn records(&self, place: &[&str]) -> Vec<Value> {
        let verdict = self.run(&[&["journal", "verify"], place].concat());
        assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
        let exported = self.run(&[&["journal", "export"], place].concat()).stdout;
        String::from_utf8(exported).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A plan and the answer to it, for a run without a person.
    fn answered(&self, more: &[&str]) -> Vec<String> {
        let plan: Value = serde_json::from_slice(&self.run(&["runbook", "plan", "own", "--json"]).stdout).unwrap();
        let hash = plan["hash"].as_str().unwrap();
        let run = ["runbook", "run", "own", "--plan", hash, "--confirm", "y"];
        run.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    pub fn make(&self, file: &str) {
        std::fs::write(self.desk.home().join(file), "").unwrap();
    }

    pub fn is_made(&self, file: &str) {
        let path = self.desk.home().join(file);
        poll(PATIENCE, || path.exists().then_some(())).unwrap_or_else(|| panic!("{file} is made"));
    }

    fn has_no_file_of_its_own(&self) {
        assert!(!self.desk.home().join("state/quarterdeck/journal.sqlite").exists());
    }
}

/// A database with the journal's tables, made by what `journal setup` prints, and two people who may write there.
pub fn prepare(server: &Postgres, printed: &Output) {
    let sql = String::from_utf8(printed.stdout.clone()).unwrap();
    // Their password is that of `qd_read`: a desk knows where that is.
    let password = crate::lab::postgres::password("qd_read");
    for name in ["ada", "ben"] {
        server.run(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
    }
    server.run("CREATE DATABASE team");
    server.run_in("team", &sql);
    server.run("GRANT quarterdeck_writer TO ada; GRANT quarterdeck_writer TO ben");
}

#[test]
fn two_machines_show_one_timeline_and_each_others_runs_and_locks() {
    let server = need!(own_postgres);
    if !is_root() || program(&["unshare"], &[]).is_none() {
        return skip("team::two_machines_show_one_timeline_and_each_others_runs_and_locks", "root and unshare");
    }
    let (one, two) = (Machine::new(&server, "ada", "bastion-1"), Machine::new(&server, "ben", "bastion-2"));
    prepare(&server, &one.run(&["journal", "setup"]));
    let mut screens = [one.dashboard(), two.dashboard()];
    for screen in &mut screens {
        screen.send("6");
        screen.wait_text("nothing was run from this journal yet");
    }
    // Ada begins; both screens show it, and the lock is hers everywhere.
    let mut shell = one.desk.launch_under(&one.wrapper).args(&["runbook", "run", "own"]).start();
    shell.wait_text("run it? y");
    say(&mut shell, "y");
    one.is_made("touched");
    for screen in &screens {
        screen.wait_screen("run under way", SOON, |screen| {
            let text = screen.contents();
            text.contains("▶ in another session: Own") && text.contains("ada@bastion-1")
        });
    }
    let refused = two.said(&["runbook", "plan", "own"]);
    assert!(refused.contains("service/shop is held by ada@bastion-1 since "), "{refused}");
    assert!(refused.contains(" of own, at do/touch"), "{refused}");
    let check = two.said(&["check"]);
    assert!(check.contains("as ben: ") && check.contains("intact"), "{check}");
    one.make("go");
    assert!(shell.wait_exit().success(), "{}", shell.text());
    for screen in &screens {
        screen.wait_screen("end", SOON, |screen| screen.contents().contains("✓ in another session: Own"));
    }
    for screen in &mut screens {
        leave(screen);
    }
    judge(&one, &two);
}

#[test]
fn while_the_server_is_away_every_screen_says_so_and_when_it_is_back_nothing_is_missing() {
    let mut server = need!(own_postgres);
    if !is_root() || program(&["unshare"], &[]).is_none() {
        return skip(
            "team::while_the_server_is_away_every_screen_says_so_and_when_it_is_back_nothing_is_missing",
            "root and unshare",
        );
    }
    let (one, two) = (Machine::new(&server, "ada", "bastion-1"), Machine::new(&server, "ben", "bastion-2"));
    prepare(&server, &one.run(&["journal", "setup"]));
    one.make("go");
    let plan: Value = serde_json::from_slice(&one.run(&["runbook", "plan", "own", "--json"]).stdout).unwrap();
    let run = ["runbook", "run", "own", "--plan", plan["hash"].as_str().unwrap(), "--confirm", "y"];
    assert!(one.run(&run).status.success());
    let mut before = one.dashboard();
    before.send("6");
    before.wait_text("last run: own ok");
    server.stop();
    before.wait_text("JOURNAL AWAY since ");
    before.wait_text("recorded on this machine alone");
    let refused = one.said(&run);
    assert!(refused.contains("what it locks is locked on this machine alone"), "{refused}");
    assert!(refused.contains("--break-glass REASON does it all the same"), "{refused}");
    let mut during = two.dashboard();
    during.wait_text("JOURNAL AWAY since ");
    during.send("6");
    during.wait_text("nothing listens there");
    server.start_again();
    for screen in [&mut before, &mut during] {
        screen.wait_no_text("JOURNAL AWAY");
        screen.wait_text("last run: own ok");
    }
    assert!(two.run(&["journal", "verify"]).status.success());
    leave(&mut before);
    leave(&mut during);
}

/// How a server goes.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Stopped,
    Crashed,
    Frozen,
}

/// Two machines, a run under way on each, and the server goes: both runs end well, another is begun for a reason, and when the server is back it
/// has each record of both machines once.
fn incident(outage: Outage) {
    let mut server = need!(own_postgres);
    if !is_root() || program(&["unshare"], &[]).is_none() {
        return skip(&format!("team::incident {outage:?}"), "root and unshare");
    }
    let (one, two) = (Machine::new(&server, "ada", "bastion-1"), Machine::new(&server, "ben", "bastion-2"));
    prepare(&server, &one.run(&["journal", "setup"]));
    let mut screens = [one.dashboard(), two.dashboard()];
    let mut shells = [(&one, "own"), (&two, "free")].map(|(machine, book)| {
        let mut shell = machine.desk.launch_under(&machine.wrapper).args(&["runbook", "run", book]).start();
        shell.wait_text("run it? y");
        say(&mut shell, "y");
        machine.is_made("touched");
        shell
    });
    match outage {
        Outage::Stopped => server.stop(),
        Outage::Crashed => server.crash(),
        Outage::Frozen => server.freeze(),
    }
    for screen in &mut screens {
        screen.wait_screen("away", PATIENCE, |screen| screen.contents().contains("JOURNAL AWAY since "));
    }
    for machine in [&one, &two] {
        machine.make("go");
    }
    for shell in &mut shells {
        assert!(shell.wait_exit().success(), "{}", shell.text());
        assert!(shell.text().contains("the team's journal is away since "), "{}", shell.text());
    }
    let tail = one.said(&["journal", "tail"]);
    assert!(tail.contains("run.finish") && tail.contains("(on this machine alone)"), "{tail}");
    let words = one.answered(&["--break-glass", "the shop is down and so is the journal"]);
    let glass = one.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(glass.status.success(), "{}", String::from_utf8_lossy(&glass.stderr));
    match outage {
        Outage::Stopped | Outage::Crashed => server.start_again(),
        Outage::Frozen => server.thaw(),
    }
    for screen in &mut screens {
        screen.wait_no_text("JOURNAL AWAY");
    }
    for (machine, screen) in [&one, &two].into_iter().zip(&mut screens) {
        let merged = machine.run(&["journal", "merge"]);
        assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));
        leave(screen);
    }
    let there = one.records(&[]);
    let key = |record: &Value| (record["writer"].to_string(), record["seq"].as_u64(), record["hash"].to_string());
    let keys: std::collections::BTreeSet<_> = there.iter().map(key).collect();
    assert_eq!(keys.len(), there.len(), "none is there twice");
    for machine in [&one, &two] {
        let here = machine.records(&["--file", &machine.file()]);
        assert!(!here.is_empty() && here.iter().all(|record| keys.contains(&key(record))), "nothing is missing");
    }
    let of_kind = |kind: &str| there.iter().filter(|record| record["kind"] == kind).count();
    assert_eq!((of_kind("run.start"), of_kind("run.finish"), of_kind("step.intent")), (3, 3, 3));
    assert!(of_kind("journal.away") >= 2 && of_kind("journal.merge") >= 2 && of_kind("operator.break_glass") == 1);
    assert!(
        there.iter().any(|record| record["merged_by"] == "ben") && there.iter().all(|record| record["local"].is_null())
    );
    assert!(!two.said(&["runbook", "plan", "own"]).contains("is held by"), "no lock is stuck");
}

#[test]
fn a_server_that_is_stopped_in_the_middle_of_an_incident() {
    incident(Outage::Stopped);
}

#[test]
fn a_server_that_crashes_in_the_middle_of_an_incident() {
    incident(Outage::Crashed);
}

#[test]
fn a_server_that_freezes_in_the_middle_of_an_incident() {
    incident(Outage::Frozen);
}

#[test]
fn a_run_that_was_cut_off_is_settled_by_its_own_machine_and_holds_its_lock_until_then() {
    let server = need!(own_postgres);
    if !is_root() || program(&["unshare"], &[]).is_none() {
        return skip(
            "team::a_run_that_was_cut_off_is_settled_by_its_own_machine_and_holds_its_lock_until_then",
            "root and unshare",
        );
    }
    let (one, two) = (Machine::new(&server, "ada", "bastion-1"), Machine::new(&server, "ben", "bastion-2"));
    prepare(&server, &one.run(&["journal", "setup"]));
    let mut shell = one.desk.launch_under(&one.wrapper).args(&["runbook", "run", "own"]).start();
    shell.wait_text("run it? y");
    say(&mut shell, "y");
    one.is_made("touched");
    shell.signal(Signal::KILL);
    shell.wait_exit();
    // The server has not heard of it for a minute, and its lock has not been renewed for two.
    server.run_in("team", "UPDATE quarterdeck.process SET seen = seen - interval '1 minute'");
    server.run_in("team", "UPDATE quarterdeck.lease SET until = until - interval '2 minutes'");
    let mut screen = two.dashboard();
    screen.wait_text("was cut off on bastion-1");
    let refused = two.said(&["runbook", "plan", "own"]);
    assert!(refused.contains("service/shop is held by ada@bastion-1 since "), "{refused}");
    // What it waits for there comes; from the other machine it would have been looked for in vain.
    one.make("go");
    one.said(&["runbook", "resume"]);
    let finished = two.run(&["journal", "export"]).stdout;
    let finished = String::from_utf8(finished).unwrap();
    let last: Value =
        serde_json::from_str(finished.lines().rfind(|line| line.contains("run.finish")).unwrap()).unwrap();
    assert_eq!(
        (last["actor"]["host"].as_str(), last["data"]["outcome"].as_str()),
        (Some("bastion-1"), Some("ok")),
        "{last}"
    );
    assert!(!two.said(&["runbook", "plan", "own"]).contains("is held by"));
    leave(&mut screen);
}

#[test]
fn a_reader_sees_every_run_and_is_told_why_it_may_not_act() {
    let server = need!(own_postgres);
    if !is_root() || program(&["unshare"], &[]).is_none() {
        return skip("team::a_reader_sees_every_run_and_is_told_why_it_may_not_act", "root and unshare");
    }
    let (one, two) = (Machine::new(&server, "ada", "bastion-1"), Machine::new(&server, "eve", "bastion-1"));
    prepare(&server, &one.run(&["journal", "setup"]));
    let password = crate::lab::postgres::password("qd_read");
    server.run(&format!("CREATE ROLE eve LOGIN PASSWORD '{password}'; GRANT quarterdeck_reader TO eve"));
    one.make("go");
    let plan: Value = serde_json::from_slice(&one.run(&["runbook", "plan", "own", "--json"]).stdout).unwrap();
    assert!(
        one.run(&["runbook", "run", "own", "--plan", plan["hash"].as_str().unwrap(), "--confirm", "y"])
            .status
            .success()
    );
    let exported = String::from_utf8(one.run(&["journal", "export"]).stdout).unwrap();
    let start: Value = serde_json::from_str(exported.lines().find(|line| line.contains("run.start")).unwrap()).unwrap();
    let id = start["run"].as_str().unwrap();
    let run = &id[id.len() - 6..];
    let why = "eve may look and not act: GRANT quarterdeck_writer TO \"eve\" if they are to act";
    let check = two.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && said.contains("advice  eve may look and not act"), "{said}");
    let list = two.said(&["runbook", "list"]);
    assert!(list.lines().any(|line| line.starts_with("own ") && line.contains(" ago")), "{list}");
    let told = two.said(&["runbook", "resume", run]);
    assert!(told.contains(&format!("run {run}  ok")) && !told.contains("permission denied"), "{told}");
    for plan in [&["runbook", "plan", "own"][..], &["runbook", "resume", run, "--undo", "--plan-only"]] {
        let plan = two.said(plan);
        assert!(plan.contains("quarterdeck_writer") && plan.contains("eve may look and not act"), "{plan}");
    }
    let refused = two.said(&["runbook", "resume", run, "--abandon", "nobody needs it any more"]);
    assert!(refused.contains(why), "{refused}");
    let misused = two.said(&["runbook", "resume", run, "--plan-only"]);
    assert!(misused.contains("--plan-only prints the plan of --go-on or of --undo"), "{misused}");
    let verify = two.said(&["journal", "verify"]);
    assert!(verify.contains("somebody who owns the tables") && !verify.contains("write the file"), "{verify}");
    let from = two.run(&["journal", "setup", "--from", "9"]);
    assert!(!from.status.success() && from.stdout.is_empty());
    let mut screen = two.dashboard();
    screen.wait_text("MAY LOOK ONLY");
    screen.send("6");
    screen.wait_text("last run: own ok");
    assert!(!screen.text().contains("NO JOURNAL"), "{}", screen.text());
    screen.send(format!("/{run}\r"));
    screen.wait_text(&format!("  /{run} "));
    assert!(screen.text().contains(&format!("run {id} by ada@bastion-1")), "{}", screen.text());
    leave(&mut screen);
}

/// All of it is one record, told in the same way on both machines, and each line names who the server let in.
fn judge(one: &Machine, two: &Machine) {
    let verdict = two.run(&["journal", "verify"]);
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    let [first, second] = [one, two].map(|machine| machine.run(&["journal", "export"]).stdout);
    assert_eq!(String::from_utf8_lossy(&first), String::from_utf8_lossy(&second));
    let records: Vec<Value> =
        String::from_utf8(first).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in records.iter().filter(|record| !record["run"].is_null()) {
        assert_eq!(record["actor"]["name"], "ada", "{record}");
        assert_eq!(record["actor"]["host"], "bastion-1", "{record}");
    }
    let hosts: Vec<&str> = records.iter().filter_map(|record| record["actor"]["host"].as_str()).collect();
    assert!(hosts.contains(&"bastion-2"), "{hosts:?}");
    one.has_no_file_of_its_own();
    two.has_no_file_of_its_own();
}
