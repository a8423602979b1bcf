//! `quarterdeck drill`, as somebody uses it who has nothing but the program; and its faces, as any client sees them.

use crate::desk::{Desk, insist};
use crate::lab::{poll, wait};
use crate::pty::Session;
use crate::support::{LONG, leave, look_at, press};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a drill is begun with here: the same production each time, some times faster than in life.
const ARGUMENTS: [&str; 6] = ["drill", "service-down", "--seed", "1", "--speed", "4"];

fn start(desk: &Desk, more: &[&str]) -> Session {
    desk.launch().env("TMPDIR", &desk.home().to_string_lossy()).args(more).start()
}

/// The folders of drills that are there.
fn folders(base: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("quarterdeck-drill-")).collect()
}

#[test]
fn an_incident_is_seen_and_mended_by_the_screen_alone() {
    let desk = Desk::bare();
    let mut screen = start(&desk, &ARGUMENTS);
    screen.wait_text("DRILL");
    // Four living panes.
    for text in ["8 in all", "of 24", "Watchdog", "/100 conns"] {
        screen.wait_text(text);
    }
    screen.wait_text("ServiceDown");
    // The container, found by its name; then what its key says.
    look_at(&mut screen, "2", "R container-restart", "game-2/godot");
    screen.wait_text("exited 137");
    press(&mut screen, "R");
    screen.wait_text("container = game-2/godot-server");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    screen.wait_text("ok: runs again, healthy");
    // Who raised the alarm takes it back.
    press(&mut screen, "0");
    screen.wait_no_text("ServiceDown");
    leave(&mut screen);
    assert_eq!(folders(desk.home()), Vec::<PathBuf>::new());
}

/// The key files: their scenario, how they end, and their path.
fn key_files() -> Vec<(String, String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drills");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let [scenario, end, "keys"] = name.split('.').collect::<Vec<_>>()[..] else { panic!("{name}") };
        (scenario.to_owned(), end.to_owned(), path)
    };
    files.map(named).collect()
}

/// Plays one through the real loop, and returns how it ended and what was told.
fn play(scenario: &str, keys: &Path) -> (Option<i32>, String) {
    let desk = Desk::bare();
    let arguments = ["drill", scenario, "--seed", "1", "--unattended", keys.to_str().unwrap()];
    let output = desk.run(&arguments);
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), told)
}

/// Drills that work hard take turns: beside several of them nobody gets an answer over SSH in time on two cores.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_key_file_comes_to_the_end_that_it_is_named_for() {
    let _turn = turn();
    let files = Mutex::new(key_files());
    let next = || files.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((scenario, end, path)) = next() {
                    let (code, told) = play(&scenario, &path);
                    let wanted = if end == "good" { 0 } else { 3 };
                    assert_eq!(code, Some(wanted), "{}:\n{told}", path.display());
                    assert_eq!(told.contains("- mitigated: after"), end == "good", "{}:\n{told}", path.display());
                    // The score tells of what made it worse.
                    let acts = std::fs::read_to_string(&path).unwrap().contains("\nkeys y");
                    assert_eq!(told.contains("- wrong: none"), end == "good" || !acts, "{}:\n{told}", path.display());
                }
            });
        }
    });
}

#[test]
fn every_scenario_that_can_be_mended_is_played_to_a_good_end_and_to_a_bad_one() {
    let list = String::from_utf8(Desk::bare().run(&["drill", "--list"]).stdout).unwrap();
    let played: Vec<(String, String)> = key_files().into_iter().map(|(scenario, end, _)| (scenario, end)).collect();
    let line = |line: &str| line.split_whitespace().next().map(|id| (id.to_owned(), line.ends_with('*')));
    for (id, unmendable) in list.lines().take_while(|line| !line.is_empty()).filter_map(line) {
        let is_played = |end: &str| played.contains(&(id.clone(), end.to_owned()));
        assert!(id == "steady" || unmendable || is_played("good"), "{id} has no good end in tests/drills");
        assert!(id == "steady" || is_played("bad"), "{id} has no bad end in tests/drills");
    }
}

#[test]
fn what_is_done_wrong_stands_in_the_score_and_in_the_file_that_is_kept() {
    let desk = Desk::bare();
    let (keys, kept) = ("tests/drills/service-down.bad.keys", desk.home().join("drill.md"));
    let arguments = ["drill", "--seed", "1", "--unattended", keys, "--transcript", kept.to_str().unwrap()];
    let output = desk.run(&arguments);
    let told = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), told.trim_end());
    for line in [
        "# Drill: A game server is down\n\nP1, seed 1, left at 4:40. Times are the production's, since something was wrong first, 0:20 after the drill began.\n",
        "- noticed: after 1:10: container-restart is begun\n",
        "- wrong: restarted game-1/godot-server (restarting the other game servers throws their players out too)\n",
        "- 1:10 you restarted game-1/godot-server\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // What somebody keeps is not lost to the next one, and that is told before it is played.
    let refused = desk.run(&arguments);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("drill.md exists: name another file, or say --overwrite"), "{said}");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), told);
}

#[test]
fn an_incident_that_is_handled_as_it_should_be_has_all_its_times() {
    let (code, told) = play("service-down", Path::new("tests/drills/service-down.good.keys"));
    assert_eq!(code, Some(0), "{told}");
    for line in [
        "- noticed: after 1:05: an incident is declared, P1\n",
        "- acknowledged: after 1:05 of 1:00:00 that P1 allows\n",
        "- first safe action: after 1:05 of 1:00:00 that P1 allows: restarted game-2/godot-server\n",
        "- mitigated: after 1:10\n",
        "- resolved: after 2:20\n",
        "- wrong: none\n- needless: none\n",
        "you told the pager: acknowledge\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn a_key_file_that_can_t_be_played_says_which_line_and_what_is_on_the_screen() {
    let desk = Desk::bare();
    for (keys, why) in [
        ("until 5\nexpect no such thing\n", "line 2: `expect no such thing`; on the screen is"),
        ("until 5\nuntil 4\n", "line 2: `until 4` is over: it is 5"),
        ("keys nokey\n", "line 1: there is no key \"nokey\""),
        ("pres x\n", "line 1: nothing is called \"pres\""),
    ] {
        let file = desk.file("a.keys", keys);
        let output = desk.run(&["drill", "steady", "--seed", "1", "--unattended", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn the_brief_stands_beside_the_panes_and_who_is_guided_is_led_on() {
    let desk = Desk::bare();
    // So slowly that nothing goes wrong before it is read, however long the machine takes.
    let mut screen = start(&desk, &["drill", "service-down", "--seed", "1", "--speed", "0.1", "--guided"]);
    screen.wait_text("Somebody on the players' forum says");
    screen.wait_text("Something goes wrong within the minute");
    leave(&mut screen);
    // An alert fires, and the next step is said; the pane has its row when it has asked again.
    let mut screen = start(&desk, &[ARGUMENTS.as_slice(), &["--guided"]].concat());
    screen.wait_text("2/8 An alert fires.");
    screen.wait_text("ServiceDown 10.0.1.5:8080 firing");
    screen.send("3");
    screen.wait_text("A acknowledge");
    screen.send("g");
    press(&mut screen, "A");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    screen.wait_text("3/8 Now look what it is");
    // Right after an answer keys do nothing for a moment.
    insist(&mut screen, "\x1b", "A acknowledge");
    insist(&mut screen, "\r", "fingerprint");
    screen.wait_text("4/8 That game server answers nobody.");
    leave(&mut screen);
    let mut screen = start(&desk, &["drill", "two-causes", "--exam", "--seed", "1"]);
    screen.wait_text("Players were thrown out of one of the shards.");
    screen.wait_no_text("Others say that everything is slow.");
    leave(&mut screen);
}

/// A drill that serves and shows no screen.
pub struct Serving {
    child: std::process::Child,
    config: PathBuf,
}

impl Serving {
    /// Begins it in that folder.
    pub fn start(base: &Path, arguments: &[&str]) -> Self {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(arguments)
            .arg("--serve")
            .env("TMPDIR", base)
            // Nothing of these may lead it to somebody else.
            .env("DOCKER_HOST", "tcp://192.0.2.1:2375")
            .env("PGHOST", "192.0.2.1")
            .env("PGPORT", "1")
            .env("http_proxy", "http://192.0.2.1:1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // That it ends with its input is said; not here.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        Self { child, config: line.trim().into() }
    }

    /// The config of the dashboard in front of it.
    pub fn config(&self) -> &Path {
        &self.config
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn what_one_that_serves_has_goes_with_it_when_a_signal_ends_it() {
    let desk = Desk::bare();
    let mut drill = Serving::start(desk.home(), &["drill", "steady"]);
    assert_eq!(folders(desk.home()).len(), 1);
    // Whoever waits for a child closes its input first: that would end it, too.
    let input = drill.child.stdin.take();
    let child = rustix::process::Pid::from_child(&drill.child);
    rustix::process::kill_process(child, rustix::process::Signal::TERM).unwrap();
    assert_eq!(drill.child.wait().unwrap().code(), Some(143));
    drop(input);
    assert_eq!(folders(desk.home()), Vec::<PathBuf>::new());
}

#[test]
fn every_source_has_all_that_it_asks_for() {
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "3"]);
    let config = drill.config.to_string_lossy().into_owned();
    // On a slow machine an answer may come too late for one look, but not for each.
    let bad = || -> Vec<Value> {
        let output = desk.run(&["--config", &config, "snapshot", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let all = told["sources"].as_array().filter(|all| !all.is_empty()).cloned();
        let all = all.unwrap_or_else(|| vec![json!({ "error": "no source has told anything" })]);
        all.into_iter().filter(|source| !source["error"].is_null()).collect()
    };
    poll(LONG, || bad().is_empty().then_some(())).unwrap_or_else(|| panic!("{:#?}", bad()));
    let check = desk.run(&["--config", &config, "check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{said}");
}

#[test]
fn sql_reads_the_views_ends_sessions_and_says_what_it_does_not_know() {
    let base = tempfile::tempdir().unwrap();
    let drill = Serving::start(base.path(), &["drill", "steady", "--seed", "3"]);
    let config = std::fs::read_to_string(&drill.config).unwrap();
    let dsn = config.split("dsn = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    wait(async {
        let mut connection = PgConnection::connect(&dsn).await.unwrap();
        let exporter = "SELECT pid FROM pg_stat_activity WHERE usename = 'metrics'";
        let pids = sqlx::query_scalar::<_, i32>(exporter).fetch_all(&mut connection).await.unwrap();
        let [pid] = pids[..] else { panic!("{pids:?}") };
        let ends = format!("SELECT pg_terminate_backend({pid})");
        // To prepare it is not to carry it out.
        (&mut connection).prepare(AssertSqlSafe(ends).into_sql_str()).await.unwrap();
        let there = sqlx::query_scalar::<_, i32>(exporter).fetch_all(&mut connection).await.unwrap();
        assert_eq!(there, [pid]);
        let ended = sqlx::query_scalar::<_, bool>("SELECT pg_terminate_backend($1)").bind(pid);
        assert!(ended.fetch_one(&mut connection).await.unwrap());
        assert!(sqlx::query_scalar::<_, i32>(exporter).fetch_all(&mut connection).await.unwrap().is_empty());
        let unknown = sqlx::query("SELECT * FROM orders").execute(&mut connection).await.unwrap_err();
        assert!(unknown.to_string().contains("relation \"orders\" does not exist in a drill"), "{unknown}");
    });
}

impl Serving {
    /// The ordinary `ssh`, by the drill's own config, with these arguments: its status, and all that was said.
    pub fn ssh(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let config = self.config.with_file_name("ssh_config");
        let mut command = std::process::Command::new("ssh");
        command.arg("-F").arg(config).args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

#[test]
fn a_machine_is_logged_in_to_with_its_own_key_alone_however_many_there_are() {
    let base = tempfile::tempdir().unwrap();
    let drill = Serving::start(base.path(), &["drill", "steady", "--seed", "3", "--size", "70x1"]);
    for machine in ["game-66", "db-primary"] {
        let (code, said) = drill.ssh(&[machine, "hostname; docker ps --format '{{.Names}}'; exit 3"]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.starts_with(&format!("{machine}\n")) && said.lines().count() > 1, "{said}");
    }
    let (code, said) = drill.ssh(&["-l", "ops@game-67", "game-1", "true"]);
    assert!(code == Some(255) && said.contains("Permission denied"), "{code:?} {said}");
    let other = base.path().join("other");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other).status();
    assert!(made.unwrap().success());
    // What stands first counts: the key of the config comes behind it, and is taken away here.
    std::fs::remove_file(drill.config.with_file_name("id_ed25519")).unwrap();
    let (code, said) = drill.ssh(&["-i", &other.to_string_lossy(), "game-1", "true"]);
    assert!(code == Some(255) && said.contains("Permission denied"), "{code:?} {said}");
}

#[test]
fn forwards_lead_to_the_drills_own_services_alone() {
    let base = tempfile::tempdir().unwrap();
    let drill = Serving::start(base.path(), &["drill", "steady", "--seed", "3"]);
    let ask = |to: &str| {
        let config = drill.config.with_file_name("ssh_config");
        let mut child = std::process::Command::new("ssh")
            .arg("-F")
            .arg(config)
            .args(["-o", "BatchMode=yes", "-W", to, "game-1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that is refused reads nothing.
        let _ = std::io::Write::write_all(&mut stdin, b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = ask("127.0.0.1:8080");
    assert!(told.contains("200 OK") && told.contains("\"player_count\""), "{told}");
    for elsewhere in ["192.0.2.1:80", "127.0.0.1:22", "10.0.1.5:5432"] {
        let told = ask(elsewhere);
        assert!(told.contains("open failed") && told.contains("drill"), "{elsewhere}: {told}");
    }
}

#[test]
fn what_is_to_run_on_this_machine_runs_on_one_of_the_drills() {
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "3"]);
    let (stubs, called) = (desk.home().join("stubs"), desk.home().join("called"));
    std::fs::create_dir(&stubs).unwrap();
    let stub = stubs.join("aws");
    std::fs::write(&stub, format!("#!/bin/sh\necho \"$@\" >> {}\nexit 1\n", called.display())).unwrap();
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:{}", stubs.display(), std::env::var("PATH").unwrap());
    let config = drill.config.to_string_lossy().into_owned();
    let vars = ["server=game-4", "target=game-3", "instance=i-0123456789abcdef0", "from_type=t3.large"];
    let words = ["--config", &config, "runbook", "plan", "resize-instance"].into_iter();
    let words: Vec<&str> = words.chain(vars.iter().flat_map(|var| ["--var", *var])).collect();
    let output = desk.run_under(&["/usr/bin/env".to_owned(), path], &words);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("InvalidInstanceID.NotFound"), "{said}");
    assert!(!called.exists(), "{:?}", std::fs::read_to_string(&called));
}

#[test]
fn a_machine_without_power_is_dead_to_everybody_and_back_with_it() {
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "3", "--speed", "60"]);
    let config = drill.config.to_string_lossy().into_owned();
    let failing = || -> Vec<(String, String)> {
        let told = desk.run(&["--config", &config, "snapshot", "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
        let all = told["sources"].as_array().cloned().unwrap_or_default();
        let bad = all.iter().filter(|source| !source["error"].is_null());
        bad.map(|source| (source["id"].as_str().unwrap_or_default().to_owned(), source["error"].to_string())).collect()
    };
    let power = |verb: &str| {
        let query = "Reservations[].Instances[].[InstanceId, PrivateIpAddress]";
        let script = format!(
            "id=$(aws ec2 describe-instances --query '{query}' --output text | awk '$2 == \"10.0.1.8\" {{ print $1 }}'); \
             aws ec2 {verb}-instances --instance-ids \"$id\" --output text"
        );
        let (code, said) = drill.ssh(&["lb-1", &script]);
        assert_eq!(code, Some(0), "{said}");
    };
    power("stop");
    let is_refused = |source: &str| failing().iter().any(|(id, said)| id == source && said.contains("nothing listens"));
    for source in ["docker/api-1", "ssh/api-1"] {
        poll(LONG, || is_refused(source).then_some(())).unwrap_or_else(|| panic!("{source}: {:#?}", failing()));
    }
    let (code, said) = drill.ssh(&["api-1", "true"]);
    assert!(code == Some(255) && said.contains("Connection refused"), "{code:?} {said}");
    power("start");
    poll(LONG, || failing().is_empty().then_some(())).unwrap();
}

#[test]
fn what_a_killed_drill_leaves_goes_with_the_next_one() {
    let base = tempfile::tempdir().unwrap();
    let mut drill = Serving::start(base.path(), &["drill", "steady"]);
    let folder = drill.config.parent().unwrap().to_owned();
    kill_process(rustix::process::Pid::from_child(&drill.child), Signal::KILL).unwrap();
    drill.child.wait().unwrap();
    assert!(folder.exists());
    drop(Serving::start(base.path(), &["drill", "steady"]));
    assert_eq!(folders(base.path()), Vec::<PathBuf>::new());
}

#[test]
fn one_that_serves_says_that_it_ends_with_its_input() {
    let output = Desk::bare().run(&["drill", "steady", "--serve"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("standard input has ended, and the drill with it"), "{said}");
}

#[test]
fn what_can_be_played_is_listed_and_mistakes_are_told() {
    let desk = Desk::bare();
    let list = desk.run(&["drill", "--list"]);
    let text = String::from_utf8(list.stdout).unwrap();
    assert!(text.contains("service-down") && text.contains("P1"), "{text}");
    for (arguments, why) in [
        (["drill", "servise-down", "--serve"].as_slice(), "did you mean \"service-down\"?"),
        (&["drill", "none.toml", "--serve"], "none.toml can't be read"),
        (&["drill", "--speed", "0", "--serve"], "0.1 to 600"),
        (&["drill", "--size", "3x3", "--serve"], "SERVERSxCONTAINERS"),
        (&["--config", "x.toml", "drill"], "a drill has a config of its own"),
    ] {
        let output = desk.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    }
}
