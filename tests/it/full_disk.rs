//! The disk of the journal is full: on a small one of its own. Nothing begins then; what is under way is finished, and nothing follows it;
//! and when there is room again the truth is told and the rest is done, each change once.

use crate::books::Books;
use crate::lab::disk::SmallDisk;
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::LONG;
use serde_json::Value;
use std::process::Output;

/// Two steps that leave a line each; the first is under way until there is a file `go`.
const STEPS: &str = r#"### One

```bash run on=local timeout=60s undo=none
set -eu
echo one >> "$HOME/one"
until [ -e "$HOME/go" ]; do sleep 0.05; done
echo end >> "$HOME/one"
```

```bash verify on=local timeout=10s
set -eu
grep -q end "$HOME/one"
```

### Two

```bash run on=local timeout=60s undo=none
set -eu
echo two >> "$HOME/two"
```

```bash verify on=local timeout=10s
set -eu
grep -q two "$HOME/two"
```
"#;

struct Desk {
    disk: SmallDisk,
    books: Books,
}

impl Desk {
    fn new(disk: SmallDisk) -> Self {
        let config = format!("[journal]\npath = \"{}/journal.sqlite\"\n", disk.at.display());
        let books = Books::new(&config, "lock: [service/own]\n", STEPS);
        Self { disk, books }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.books.desk.run_under(&self.disk.wrapper(), arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
    }

    /// The words that run what is planned now.
    fn answered(&self, plan: &[&str], run: &[&str]) -> Vec<String> {
        let plan = self.json(plan);
        assert_eq!(plan["blocked"], serde_json::json!([]), "{plan}");
        let answer = ["--plan", plan["hash"].as_str().unwrap(), "--confirm", plan["confirm"].as_str().unwrap_or("y")];
        [run, &answer].concat().iter().map(|word| (*word).to_owned()).collect()
    }

    fn start(&self) -> Session {
        let words = self.answered(&["runbook", "plan", "own", "--json"], &["runbook", "run", "own"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.books.desk.launch_under(&self.disk.wrapper()).size(200, 60).args(&words).start()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.books.desk.home().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn on_a_full_disk_no_change_begins_and_it_is_said_why() {
    let desk = Desk::new(need!(small_disk));
    std::fs::write(desk.books.desk.home().join("go"), "").unwrap();
    let words = desk.answered(&["runbook", "plan", "own", "--json"], &["runbook", "run", "own"]);
    desk.disk.fill();
    let refused = desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(said(&refused).contains("the disk is full"), "{}", said(&refused));
    assert!(desk.lines("one").is_empty());
    desk.disk.empty();
    let done = desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(
        (desk.lines("one"), desk.lines("two")),
        (vec!["one".to_owned(), "end".to_owned()], vec!["two".to_owned()])
    );
}

#[test]
fn when_the_disk_fills_up_in_the_middle_what_is_under_way_is_finished_and_nothing_follows_until_there_is_room() {
    let desk = Desk::new(need!(small_disk));
    let mut screen = desk.start();
    poll(LONG, || (desk.lines("one") == ["one"]).then_some(())).unwrap_or_else(|| panic!("{}", screen.text()));
    desk.disk.fill();
    std::fs::write(desk.books.desk.home().join("go"), "").unwrap();
    let status = screen.wait_exit();
    assert!(!status.success(), "{}", screen.text());
    assert!(screen.text().contains("the disk is full"), "{}", screen.text());
    assert_eq!(desk.lines("one"), ["one", "end"], "what was under way was finished");
    assert_eq!(desk.lines("two"), [""; 0], "nothing followed");
    desk.disk.empty();
    let told = desk.json(&["runbook", "resume", "--json"]);
    let run = &told["runs"][0];
    assert_eq!((&run["outcome"], &run["steps"][0]["state"]), (&"stopped".into(), &"ok".into()), "{told}");
    let id = run["run"].as_str().unwrap();
    let rest = ["runbook", "resume", id, "--go-on"];
    let words = desk.answered(&[&rest[..], &["--plan-only", "--json"]].concat(), &rest);
    let done = desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(desk.lines("one"), ["one", "end"], "not once more");
    assert_eq!(desk.lines("two"), ["two"]);
    let verdict = desk.run(&["journal", "verify"]);
    assert!(verdict.status.success(), "{}", said(&verdict));
    assert_eq!(desk.json(&["lock", "list", "--json"]), serde_json::json!([]));
}
