//! What tests of the real program share: a home of its own with config and journal, and typing as a person does.

use crate::desk::{Desk, lull};
use crate::lab::{poll, postgres, wait};
use crate::pty::Session;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

/// Far beyond what a run of the shipped runbooks takes, verification included.
pub const LONG: Duration = Duration::from_secs(90);
/// Between two keys of a person: the program takes what comes closer for a paste or a stray reply, and does nothing.
const BREATH: Duration = Duration::from_millis(80);
/// Between a question in plain text and a person's answer: the program refuses what comes within 300 ms.
const READING: Duration = Duration::from_millis(350);
/// Between the first line of a question and its last one.
const QUESTION: Duration = Duration::from_secs(5);

/// What the records of a restart that goes well say, in [`Home::story`].
pub const RESTART_STORY: [&str; 6] =
    ["run.start", "step.recheck", "step.intent", "step.exit running", "step.exit ok", "run.finish ok"];
/// What the records of a kill that goes well say.
pub const KILL_STORY: [&str; 8] = [
    "run.start",
    "step.recheck",
    "step.exit ok",
    "step.recheck",
    "step.intent",
    "step.exit running",
    "step.exit ok",
    "run.finish ok",
];

/// A desk with a config, whose journal can be read and tampered with.
pub struct Home {
    desk: Desk,
    /// What starts the program: the words of another one, which gives it a world of its own; none: nothing does.
    wrapper: Vec<String>,
}

impl Home {
    /// A new one with this config.
    pub fn new(config: &str) -> Self {
        Self { desk: Desk::with(config), wrapper: Vec::new() }
    }

    /// The same, where the program is started by another one (its words).
    pub fn under(config: &str, wrapper: Vec<String>) -> Self {
        Self { wrapper, ..Self::new(config) }
    }

    /// The same, where programs are found by this `PATH`.
    pub fn finding(config: &str, path: String) -> Self {
        let mut home = Self::new(config);
        home.desk.find_by(path);
        home
    }

    /// Writes the config anew, for the next start.
    pub fn configure(&self, config: &str) {
        self.desk.file("config.toml", config);
    }

    /// The folder of its config.
    pub fn path(&self) -> &Path {
        self.desk.home()
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.desk.home().join("state/quarterdeck/journal.sqlite")
    }

    /// Starts the dashboard, and waits until its journal is open.
    pub fn start(&self, arguments: &[&str]) -> Session {
        let before = self.opened();
        let session = self.desk.launch().args(arguments).start();
        session.wait_text("quarterdeck");
        poll(LONG, || (self.opened() > before).then_some(())).expect("the journal is opened");
        session
    }

    /// A subcommand on a terminal of its own, which is large enough for all that it says.
    pub fn on_terminal(&self, arguments: &[&str]) -> Session {
        self.desk.launch_under(&self.wrapper).size(200, 900).args(arguments).start()
    }

    fn opened(&self) -> usize {
        if !self.journal().exists() {
            return 0;
        }
        // Before the first start has made its tables there is nothing to read.
        self.try_read("SELECT kind FROM record WHERE kind = 'journal.open'").map_or(0, |rows| rows.len())
    }

    /// A subcommand, started by another program (its words).
    pub fn run_under(&self, wrapper: &[String], arguments: &[&str]) -> Output {
        self.desk.run_under(wrapper, arguments)
    }

    /// A subcommand.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.desk.run_under(&self.wrapper, arguments)
    }

    /// Plans a runbook and runs it without a terminal, with every answer that the plan names: the exit code, and all that was said. `None`:
    /// it can't be run, and the plan says why.
    pub fn unattended(&self, id: &str, vars: &[String]) -> (Option<i32>, String) {
        self.answered(&["runbook", "plan", id], &["runbook", "run", id], vars)
    }

    /// Takes back all that the newest run did.
    pub fn undo_newest(&self) -> (Option<i32>, String) {
        self.take_back(&self.try_runs().pop().unwrap())
    }

    /// Takes back all that the newest run of this runbook did, whatever others did since.
    pub fn undo(&self, id: &str) -> (Option<i32>, String) {
        self.take_back(&self.newest_of(id))
    }

    /// The id of the newest run of this runbook.
    pub fn newest_of(&self, id: &str) -> String {
        let records = self.records();
        let of_it = |record: &&Value| record["kind"] == "run.start" && record["data"]["runbook"] == id;
        let run = records.iter().rfind(of_it).unwrap_or_else(|| panic!("no run of {id}: {records:#?}"));
        run["run"].as_str().unwrap().to_owned()
    }

    /// Takes back all that a run did.
    pub fn take_back(&self, run: &str) -> (Option<i32>, String) {
        let undo = ["runbook", "resume", run, "--undo"];
        self.answered(&[&undo[..], &["--plan-only"]].concat(), &undo, &[])
    }

    fn answered(&self, plan: &[&str], run: &[&str], vars: &[String]) -> (Option<i32>, String) {
        let with = |words: &[&str], more: &[String]| {
            let more = more.iter().map(String::as_str);
            self.run(&words.iter().copied().chain(more).collect::<Vec<_>>())
        };
        let planned = said(&with(plan, vars));
        let Some(answers) = planned.lines().find_map(|line| line.strip_prefix("to run it unattended: ")) else {
            return (None, planned);
        };
        let answers: Vec<String> = vars.iter().cloned().chain(words(answers)).collect();
        let output = with(run, &answers);
        (output.status.code(), said(&output))
    }

    /// All records, as `journal export` prints them.
    pub fn records(&self) -> Vec<Value> {
        let output = self.run(&["journal", "export"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the records of runs say, one after the other, as in `step.exit ok`; after `journal verify` found them whole.
    pub fn story(&self) -> Vec<String> {
        let verdict = self.run(&["journal", "verify"]);
        assert_eq!(verdict.status.code(), Some(0), "{}", String::from_utf8_lossy(&verdict.stdout));
        let records = self.records();
        records.iter().filter(|record| !record["run"].is_null()).map(told).collect()
    }

    /// The kinds of all records, those of runs and others.
    pub fn kinds(&self) -> Vec<String> {
        self.records().iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// As [`Home::story`], read from the file without waiting for anybody who writes it.
    pub fn story_now(&self) -> Vec<String> {
        let query =
            "SELECT json_object('kind', kind, 'data', json(data)) FROM record WHERE run IS NOT NULL ORDER BY place";
        let rows = self.try_read(query).unwrap();
        rows.iter().map(|row| told(&serde_json::from_str(row).unwrap())).collect()
    }

    fn try_read(&self, query: &str) -> Result<Vec<String>, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(self.journal()).disable_statement_logging();
        wait(async {
            let mut connection = options.connect().await?;
            let rows = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await?;
            connection.close().await?;
            Ok(rows)
        })
    }

    /// Whether somebody is at a write that has not ended: the journal's file is locked.
    pub fn is_being_written(&self) -> bool {
        let options = SqliteConnectOptions::new().filename(self.journal()).busy_timeout(Duration::ZERO);
        let locked = wait(async {
            let mut connection = options.disable_statement_logging().connect().await?;
            sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await?;
            connection.close().await
        });
        locked.is_err_and(|why: sqlx::Error| why.to_string().contains("locked"))
    }

    /// From now on the record after so many of its run is never written.
    pub fn stand_still(&self, count: usize) {
        self.stand_still_when(&format!("(SELECT count(*) FROM record WHERE run = NEW.run) = {count}"));
    }

    /// From now on no record of a run of which this SQL is true (`NEW` is the record) is ever written.
    pub fn stand_still_when(&self, when: &str) {
        self.tamper(&format!(
            "CREATE TRIGGER stands_still BEFORE INSERT ON record
             WHEN NEW.run IS NOT NULL AND {when}
             BEGIN
                 SELECT count(*) FROM (WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step) SELECT n FROM step);
             END"
        ));
    }

    /// The ids of the runs that were begun, oldest first.
    pub fn try_runs(&self) -> Vec<String> {
        self.try_read("SELECT run FROM record WHERE kind = 'run.start' ORDER BY place").unwrap_or_default()
    }

    /// Runs a statement on the journal's file behind the program's back.
    pub fn tamper(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.journal()).disable_statement_logging();
        wait(async {
            let mut connection = options.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await
        })
        .unwrap_or_else(|why: sqlx::Error| panic!("{sql}: {why}"));
    }
}

/// What a subcommand said on both outputs.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The words of a line as a shell reads them, which has nothing but words in single quotes.
pub fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let read = |(at, part): (usize, &str)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    };
    parts.flat_map(read).collect()
}

/// Parameters (`name=value`) as the command line takes them.
pub fn vars(given: &[&str]) -> Vec<String> {
    given.iter().flat_map(|given| ["--var".to_owned(), (*given).to_owned()]).collect()
}

fn told(record: &Value) -> String {
    let kind = record["kind"].as_str().unwrap();
    let state = record["data"]["state"].as_str().or(record["data"]["outcome"].as_str());
    state.map_or_else(|| kind.to_owned(), |state| format!("{kind} {state}"))
}

/// Answers the question that stands at the end of what a subcommand has printed, no sooner than a person can have read it: what comes
/// before that is taken for typed ahead, and refused.
pub fn say(screen: &mut Session, line: &str) {
    // What a test waited for may stand above the question, and comes before it.
    screen.sees(QUESTION, |screen| screen.contents().trim_end().ends_with(':'));
    screen.sees(READING, |_| false);
    screen.send(format!("{line}\r"));
}

/// Presses a key that stands alone. The effect of the key before it must have been waited for: then this one comes a
/// breath later, however late the program is.
pub fn press(screen: &mut Session, key: &str) {
    std::thread::sleep(BREATH);
    screen.send(key);
}

/// Focuses a pane, shows it alone and filtered, and takes the first row. `hint` stands at the foot when it has the focus.
pub fn look_at(screen: &mut Session, pane: &str, hint: &str, filter: &str) {
    screen.send(pane);
    screen.wait_text(hint);
    screen.send("/");
    screen.wait_text("filter: ");
    screen.send(filter);
    screen.wait_text(&format!("filter: {filter}"));
    screen.send("\r");
    screen.wait_no_text("filter: ");
    // The key that shows comes last, so that whoever waited for it knows that the other one was taken too.
    screen.send("gz");
    screen.wait_no_text("1 Servers");
}

/// Types a phrase into the plan that asks for it, and ends with Enter once it stands there.
pub fn answer(screen: &mut Session, phrase: &str) {
    screen.send(phrase);
    screen.wait_screen("typed phrase", LONG, |screen| {
        let contents = screen.contents();
        contents.lines().flat_map(|line| line.split('│')).any(|text| text.trim() == phrase)
    });
    press(screen, "\r");
}

/// Asks the program to end, from wherever it is: `q` alone goes back from a page.
pub fn quit(screen: &mut Session) {
    // Right after an answer keys do nothing for a moment.
    for _ in 0..5 {
        screen.send(":q");
        if screen.sees(Duration::from_secs(2), |screen| screen.contents().contains("quit; on a page")) {
            break;
        }
        press(screen, "\x1b");
        lull(screen);
    }
    screen.wait_text("quit; on a page");
    press(screen, "\r");
}

/// Leaves the program; it must end well and leave the terminal as it was.
pub fn leave(screen: &mut Session) {
    quit(screen);
    let status = screen.wait_exit();
    assert!(status.success(), "{status:?}");
    assert_eq!(screen.left_behind(), Vec::<String>::new());
}

/// A config with a Docker engine called `lab` behind a socket.
pub fn docker_config(socket: &Path) -> String {
    format!("environment = \"lab\"\n\n[docker.lab]\nhost = \"unix://{}\"\ninterval = \"250ms\"\n", socket.display())
}

/// A config with a PostgreSQL server called `primary` on a port, where `qd_act` reads and acts.
pub fn postgres_config(port: u16) -> String {
    format!("environment = \"lab\"\n\n{}{}", postgres_login("", "qd_act", "QD_ACT", port), "interval = \"250ms\"\n")
}

/// As [`postgres_config`], but `qd_read` reads and `qd_act` acts.
pub fn two_logins_config(port: u16) -> String {
    let (read, act) =
        (postgres_login("", "qd_read", "QD_READ", port), postgres_login(".act_as", "qd_act", "QD_ACT", port));
    format!("environment = \"lab\"\n\n{read}interval = \"250ms\"\n\n{act}")
}

fn postgres_login(table: &str, role: &str, variable: &str, port: u16) -> String {
    let dsn = format!("{}?sslmode=disable", postgres::url(role, port));
    format!("[postgres.primary{table}]\ndsn = \"{dsn}\"\npassword = {{ env = \"{variable}\" }}\n")
}

/// From the start to a plan that closes sessions, however short they have been idle. The rows of `application` alone are
/// shown, so that the one under the cursor stays: the plan is about all of the database.
pub fn plan_kill(screen: &mut Session, application: &str, count: usize) {
    look_at(screen, "4", "db-kill-idle", application);
    ask_kill(screen, count);
}

/// From the chosen database to the plan.
pub fn ask_kill(screen: &mut Session, count: usize) {
    press(screen, "I");
    screen.wait_text("plan: Kill idle database sessions");
    press(screen, "\t");
    screen.wait_text("parameters: Kill idle database sessions");
    screen.send("\x15");
    screen.send("0");
    screen.wait_screen("changed parameter", LONG, |screen| {
        screen.contents().lines().any(|line| line.contains("idle_minutes") && line.contains(" 0 "))
    });
    press(screen, "\r");
    screen.wait_text(&format!("to run it type  kill {count} on primary"));
}
