//! Secrets stay where they are used. Two canaries, one that runbooks name (`[secret.token]`) and one that a database's login takes, are used by
//! bash, http and sql while all processes of the machine are watched; then everything that was written, printed or painted is searched.

use crate::books::Books;
use crate::lab::postgres::DATABASE;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::folder;
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::{LONG, leave, look_at, press};
use quarterdeck::redact::Redactor;
use quarterdeck::runtime::crash;
use quarterdeck::runtime::log::start as start_log;
use quarterdeck::runtime::terminal::restore_on_panic;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Neither is part of a command line, a path or a name of this test.
const TOKEN: &str = "canary-Xk7-token-p4Qz";
const PASSWORD: &str = "canary-Wm3-login-t9Rb";
const ALL: [&str; 2] = [TOKEN, PASSWORD];

/// Looks at all processes all the time.
struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<(usize, BTreeSet<String>)>>,
}

impl Watch {
    fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let look = move || {
            let (mut rounds, mut found) = (0, BTreeSet::new());
            while !ends.load(Ordering::SeqCst) {
                rounds += 1;
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    leaks(&entry.path(), &mut found);
                }
            }
            (rounds, found)
        };
        Self { over, thread: Some(std::thread::spawn(look)) }
    }

    fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        let (rounds, found) = self.thread.take().unwrap().join().unwrap();
        assert!(rounds > 3, "it was looked at all processes {rounds} times");
        assert_eq!(found, BTreeSet::new(), "after {rounds} rounds");
    }
}

fn has(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The step's own processes may have it in their environment, and nobody else; nobody has it on its command line.
fn leaks(process: &Path, found: &mut BTreeSet<String>) {
    let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
    let (line, environment) = (read("cmdline"), read("environ"));
    let own = has(&environment, "QUARTERDECK_STEP=");
    for canary in ALL {
        if has(&line, canary) {
            found.insert(format!("{canary} in the command line of {}", String::from_utf8_lossy(&line)));
        }
        if has(&environment, canary) && !own {
            found.insert(format!("{canary} in the environment of {}", String::from_utf8_lossy(&line)));
        }
    }
}

/// Every file below a folder, but those that hold the secrets by design.
fn search(folder: &Path, seen: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, seen);
        } else if let Ok(bytes) = fs::read(&path) {
            *seen += 1;
            for canary in ALL {
                assert!(!has(&bytes, canary), "{canary} is in {}", path.display());
            }
        }
    }
}

fn clean(what: &str, bytes: &[u8]) {
    for canary in ALL {
        assert!(!has(bytes, canary), "{canary} is in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

struct World {
    books: Books,
    web: Scripted,
    /// Where the step looks for leave to go on, and where it says that it waits.
    go: PathBuf,
    waits: PathBuf,
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A script that tells its secret in every way in which an honest one may by mistake, and then waits.
fn script(go: &Path, waits: &Path, ends: &str) -> String {
    format!(
        "set -eu\necho \"out $token\"\necho \"err $token\" >&2\n: > {}\nwhile [ ! -e {} ]; do sleep 0.05; done\n{ends}",
        waits.display(),
        go.display()
    )
}

impl World {
    fn new(port: u16, ends: &str) -> Self {
        let keep = folder("canaries");
        let (token, password, go, waits) =
            (keep.join("token"), keep.join("password"), keep.join("go"), keep.join("waits"));
        private(&token, TOKEN);
        private(&password, PASSWORD);
        // It says what it was sent, as services that fail do.
        let web = Scripted::start(|path| match path {
            "/fails" => Say::Answer(500, format!("{{\"you sent\": \"{TOKEN}\"}}").into_bytes()),
            _ => Say::good(format!("{{\"ok\": true, \"echo\": \"{TOKEN}\"}}")),
        });
        let config = format!(
            "environment = \"lab\"\n[secret.token]\nfile = \"{}\"\n[postgres.primary]\ndsn = \"postgres://canary@127.0.0.1:{port}/{DATABASE}?sslmode=disable\"\n\
             password = {{ file = \"{}\" }}\n[http.shop]\nurl = \"http://127.0.0.1:{}\"\n",
            token.display(),
            password.display(),
            web.port()
        );
        let steps = format!(
            "### Sql\n\n```sql check on=primary timeout=10s expect=(rows[0].ok)\nSELECT true AS ok\n```\n\n\
             ```sql run on=primary timeout=10s undo=none\nSELECT pg_advisory_lock_shared(7)\n```\n\n\
             ```sql verify on=primary timeout=10s expect=(rows[0].ok)\nSELECT true AS ok\n```\n\n\
             ### Http\n\n```http check on=shop timeout=10s expect=(json.ok)\nGET /\nX-Token: {{{{ secret.token }}}}\n```\n\n\
             ```http run on=shop timeout=10s undo=none\nPOST /fails\nX-Token: {{{{ secret.token }}}}\nContent-Type: application/json\n\n\
             {{\"t\": \"{{{{ secret.token }}}}\"}}\n```\n\n```http verify on=shop timeout=10s expect=(json.ok)\nGET /\n```\n\n\
             ### Shell\n\n```bash run on=local timeout=60s undo=none vars=(token)\n{}\n```\n\n\
             ```bash verify on=local timeout=10s vars=(token)\nset -eu\necho \"$token\" >&2\nexit 3\n```\n",
            script(&go, &waits, ends)
        );
        Self { books: Books::new(&config, "secrets: [token]\n", &steps), web, go, waits }
    }

    fn wait(&self) {
        poll(LONG, || self.waits.exists().then_some(())).expect("the step waits");
    }

    fn search(&self) {
        let mut seen = 0;
        search(self.books.desk.home(), &mut seen);
        assert!(seen >= 3, "config, runbook and journal were searched");
        assert!(
            self.web.requests().iter().any(|request| has(request.as_bytes(), TOKEN)),
            "it was sent where it belongs"
        );
    }
}

fn canary_login(server: &crate::lab::postgres::Postgres) {
    server.run(&format!("create role canary login password '{PASSWORD}'; grant pg_monitor to canary"));
}

#[test]
fn the_command_line_keeps_them_in_what_it_prints_and_writes() {
    let server = need!(own_postgres);
    canary_login(&server);
    let world = World::new(server.port, "exit 4");
    let plan = world.books.plan(&[]);
    clean("the plan", plan.to_string().as_bytes());
    let watch = Watch::begin();
    let hash = plan["hash"].as_str().unwrap();
    let output = run(&world, &["runbook", "run", "own", "--plan", hash, "--confirm", "y", "--json"]);
    watch.end();
    {
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        clean("what --json prints", &said);
        let events: Vec<Value> =
            String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.last().unwrap()["outcome"], "failed", "{events:?}");
        let text = String::from_utf8_lossy(&said);
        assert!(text.contains("500") && text.contains("the script ended with 4"), "both errors are told: {text}");
        world.search();
        for more in [
            vec!["journal", "export"],
            vec!["journal", "tail"],
            vec!["runbook", "show", "own"],
            vec!["snapshot", "runs", "--json"],
        ] {
            let output = world.books.desk.run(&more);
            clean(&more.join(" "), &[output.stdout, output.stderr].concat());
        }
    }
}

/// Where [`a_defect_for_the_test_below`] logs; without it that test is nothing.
const LOG: &str = "QUARTERDECK_TEST_DEFECT_LOG";

/// Defects, as they happen: two messages that quote what was worked on, one of a task and one of the screen's own thread. In a process of
/// its own, with the hooks, the log and the redaction of the real program.
#[test]
#[ignore = "the test below runs it"]
fn a_defect_for_the_test_below() {
    let Ok(log) = std::env::var(LOG) else { return };
    let redactor = Redactor::default();
    for canary in ALL {
        redactor.learn(&canary.to_owned().into());
    }
    crash::install();
    crash::hide(&redactor);
    start_log(Path::new(&log), 2, redactor).unwrap();
    let cut = |secret: &str| {
        let worked_on = format!("é {secret} \u{1b}]52;c;x\u{7}");
        assert!(worked_on[1..].is_empty());
    };
    quarterdeck::runtime::block_on(async move {
        // One that nobody restores the terminal for: the command line's.
        tokio::spawn(async move { cut(PASSWORD) }).await.unwrap_err();
    })
    .unwrap();
    restore_on_panic();
    quarterdeck::runtime::block_on(async move { tokio::spawn(async move { cut(PASSWORD) }).await.unwrap_err() })
        .unwrap();
    cut(TOKEN);
}

#[test]
fn what_a_defect_says_of_itself_keeps_them_though_its_message_quotes_them() {
    let log = folder("defect").join("quarterdeck.log");
    let me = std::env::current_exe().unwrap();
    for backtrace in ["0", "full"] {
        let _ = fs::remove_file(&log);
        let output = std::process::Command::new(&me)
            .args(["--ignored", "--exact", "canaries::a_defect_for_the_test_below", "--nocapture", "--test-threads=1"])
            .env(LOG, &log)
            .env("RUST_BACKTRACE", backtrace)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        let said = [output.stdout, output.stderr].concat();
        clean("the report", &said);
        let text = String::from_utf8_lossy(&said);
        assert_eq!(text.matches("ended by a defect of its own").count(), 2, "{text}");
        assert_eq!(text.matches("not a char boundary").count(), 2, "{text}");
        assert!(text.contains("canaries.rs:") && text.contains("‹redacted›"), "{text}");
        assert!(!has(&said, "\u{1b}"), "nothing of it drives the terminal: {text}");
        let logged = fs::read(&log).unwrap();
        clean("the log", &logged);
        let logged = String::from_utf8_lossy(&logged);
        assert!(logged.contains("a task panicked") && logged.contains("‹redacted›"), "{logged}");
    }
}

/// Runs it to its end, and lets the step go on once it waits.
fn run(world: &World, run: &[&str]) -> Output {
    std::thread::scope(|scope| {
        let output = scope.spawn(|| world.books.desk.run(run));
        world.wait();
        fs::write(&world.go, "").unwrap();
        output.join().unwrap()
    })
}

fn run_it(screen: &mut Session) {
    look_at(screen, "5", "R plan", "own");
    crate::desk::insist(screen, "R", "plan: Own");
    screen.wait_text("y runs it");
    press(screen, "y");
}

#[test]
fn the_screen_the_log_and_what_a_killed_program_leaves_keep_them() {
    let server = need!(own_postgres);
    canary_login(&server);
    let world = World::new(server.port, "exit 0");
    let watch = Watch::begin();
    let mut screen = world.books.desk.launch().args(&["-vv"]).start();
    screen.wait_text("4 Databases");
    run_it(&mut screen);
    world.wait();
    // What is on disk while the step is under way, and what is left when the program is killed there.
    world.search();
    screen.signal(Signal::KILL);
    screen.wait_exit();
    clean("what was painted", &screen.raw());
    world.search();
    fs::write(&world.go, "").unwrap();
    let mut screen = world.books.desk.launch().args(&["-vv"]).start();
    screen.wait_text("was cut off");
    press(&mut screen, "6");
    screen.wait_text("Own");
    leave(&mut screen);
    clean("what was painted after it", &screen.raw());
    world.search();
    let log = fs::read_to_string(world.books.desk.home().join("state/quarterdeck/quarterdeck.log")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("INFO"), "the log tells: {log}");
    watch.end();
}
