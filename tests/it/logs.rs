//! Reading logs of real engines and hosts: what comes, what an end or a failure says, and that nothing is left running.

use crate::desk::{self, Desk};
use crate::lab::docker::Docker;
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll};
use jiff::tz::TimeZone;
use quarterdeck::connect::{Connections, Engine};
use quarterdeck::domain::log::{Anchor, Level, PlaceState, Stage};
use quarterdeck::domain::{LogEvent, LogLine, LogPlace, LogRequest, LogTarget, SourceId};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(60);

/// A log that is being read, and all that came so far. Dropped, it is read no more.
struct Reading {
    events: mpsc::Receiver<LogEvent>,
    task: tokio::task::JoinHandle<()>,
    lines: Vec<LogLine>,
    states: Vec<PlaceState>,
}

impl Reading {
    fn start(connections: &Connections, places: Vec<LogPlace>, anchor: Anchor) -> Self {
        let target = LogTarget { name: "it".into(), places: places.into() };
        Self::of(connections, LogRequest { target, anchor, zone: TimeZone::UTC, again: 0 })
    }

    fn of(connections: &Connections, request: LogRequest) -> Self {
        let (sender, events) = mpsc::channel(4);
        let connections = connections.clone();
        let task = tokio::spawn(async move { quarterdeck::logs::follow(&connections, &request, 7, sender).await });
        Self { events, task, lines: Vec::new(), states: Vec::new() }
    }

    /// Takes in what comes until it is as wanted.
    async fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        while !is(self) {
            let event = timeout(LIMIT, self.events.recv()).await;
            match event.unwrap_or_else(|_| panic!("{what}: nothing came: {:?} {:?}", self.texts(), self.states)) {
                Some(LogEvent::Batch { number, lines, states, .. }) => {
                    assert_eq!(number, 7);
                    self.lines.extend(lines);
                    self.states.extend(states.into_iter().map(|(_, state)| state));
                }
                other => panic!("{what}: {other:?}"),
            }
        }
    }

    async fn until_line(&mut self, text: &str) {
        self.until(text, |this| this.lines.iter().any(|line| line.text.contains(text))).await;
    }

    async fn until_trouble(&mut self, text: &str) -> PlaceState {
        let said = |state: &&PlaceState| state.why.as_ref().is_some_and(|why| why.what.contains(text));
        self.until(text, |this| this.states.iter().any(|state| said(&state))).await;
        self.states.iter().rev().find(said).unwrap().clone()
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }

    fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|line| line.text.contains(text)).count()
    }

    /// Ends it, as leaving the view does.
    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn engine(host: &str) -> Connections {
    let mut connections = Connections::default();
    connections.add_docker(Engine::new("lab", Some(host)).unwrap());
    connections
}

fn of(id: &str, name: &str) -> LogPlace {
    LogPlace::Container { source: SourceId::new("docker", "lab"), id: id.into(), name: name.into() }
}

/// Says something whenever a file in it grows.
const ON_ORDER: &str =
    "touch /tmp/say; tail -f /tmp/say & trap 'exit 3' TERM; echo begun; echo ERROR: it broke >&2; wait";

fn say(docker: &Docker, id: &str, text: &str) {
    docker.cli(&["exec", id, "/bin/sh", "-c", &format!("echo '{text}' >>/tmp/say")]);
}

#[tokio::test]
async fn both_outputs_of_a_container_come_live_with_time_and_level() {
    let docker = need!(docker);
    let web = docker.container("log").runs(ON_ORDER).start();
    let mut reading = Reading::start(&engine(&docker.host()), vec![of(&web.id, &web.name)], Anchor::Tail);
    reading.until_line("begun").await;
    reading.until_line("it broke").await;
    say(docker, &web.id, "live\x1b[31m red");
    reading.until_line("live red").await;
    let broke = reading.lines.iter().find(|line| line.text.contains("broke")).unwrap();
    assert_eq!(broke.level, Some(Level::Error));
    assert!(reading.lines.iter().all(|line| line.at.is_some()), "{:?}", reading.lines);
    assert!(reading.states.iter().any(|state| state.stage == Stage::Following));
    reading.end().await;
}

#[tokio::test]
async fn a_container_with_a_terminal_and_an_overlong_line() {
    let docker = need!(docker);
    let script = "i=0; while [ $i -lt 300 ]; do echo -n 0123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done; echo; echo done; tail -f /dev/null";
    for options in [&["--tty=true"][..], &[]] {
        let spec = options.iter().fold(docker.container("tty"), |spec, option| spec.option(option));
        let web = spec.runs(script).start();
        let mut reading = Reading::start(&engine(&docker.host()), vec![of(&web.id, &web.name)], Anchor::All);
        reading.until_line("done").await;
        let [long, done] = &reading.lines[..] else { panic!("{:?}", reading.texts()) };
        assert_eq!(done.text, "done");
        assert!(long.text.ends_with("more bytes of this line were cut"), "{}", &long.text[16000..]);
        assert!(long.text.starts_with("0123456789"));
        reading.end().await;
    }
}

#[tokio::test]
async fn a_container_that_stops_is_told_and_followed_on_when_it_starts_again() {
    let docker = need!(docker);
    let web = docker.container("again").runs(ON_ORDER).start();
    let connections = engine(&docker.host());
    let mut reading = Reading::start(&connections, vec![of(&web.id, &web.name)], Anchor::Tail);
    reading.until_line("begun").await;
    web.act("stop");
    let state = reading.until_trouble("it ended with 3").await;
    assert_eq!(state.stage, Stage::Retrying);
    web.act("start");
    reading.until("a second beginning", |this| this.count("begun") == 2).await;
    say(docker, &web.id, "after");
    reading.until_line("after").await;
    assert_eq!(
        (reading.count("begun"), reading.count("it broke")),
        (2, 2),
        "nothing came twice: {:?}",
        reading.texts()
    );
    docker.cli(&["rm", "-f", &web.id]);
    let state = reading.until_trouble("it was removed").await;
    assert_eq!(state.stage, Stage::Retrying);
    let anew = docker.container("x").named(&web.name).runs("echo anew; tail -f /dev/null").start();
    reading.until_line("anew").await;
    assert_eq!(reading.count("was made anew"), 1);
    reading.end().await;
    drop(anew);
}

#[tokio::test]
async fn a_service_of_several_containers_is_one_log_by_time() {
    let docker = need!(docker);
    let one = docker.container("one").runs("echo first; touch /tmp/say; tail -f /tmp/say").start();
    let two = docker.container("two").runs("echo second; touch /tmp/say; tail -f /tmp/say").start();
    let places = vec![of(&two.id, &two.name), of(&one.id, &one.name)];
    let mut reading = Reading::start(&engine(&docker.host()), places, Anchor::Tail);
    reading.until_line("second").await;
    reading.until_line("first").await;
    for (container, text) in [(&one, "third"), (&two, "fourth")] {
        say(docker, &container.id, text);
        reading.until_line(text).await;
    }
    assert_eq!(reading.texts(), ["first", "second", "third", "fourth"]);
    assert_eq!(reading.lines.iter().map(|line| line.place).collect::<Vec<_>>(), [1, 0, 1, 0]);
    reading.end().await;
}

#[tokio::test]
async fn an_engine_that_hangs_or_is_lost_is_told_and_read_on_without_doubling_a_line() {
    let docker = need!(docker);
    let web = docker.container("hang").runs(ON_ORDER).start();
    let proxy = docker.proxy();
    let connections = engine(&format!("unix://{}", proxy.socket().display()));
    let mut reading = Reading::start(&connections, vec![of(&web.id, &web.name)], Anchor::Tail);
    reading.until_line("it broke").await;
    proxy.pause();
    let state = reading.until_trouble("does not answer").await;
    assert_eq!(state.stage, Stage::Retrying);
    say(docker, &web.id, "meanwhile");
    proxy.open();
    reading.until_line("meanwhile").await;
    proxy.cut();
    reading.until_trouble("no Docker engine answers").await;
    say(docker, &web.id, "in the gap");
    proxy.open();
    reading.until_line("in the gap").await;
    for text in ["begun", "it broke", "meanwhile", "in the gap"] {
        assert_eq!(reading.count(text), 1, "{:?}", reading.texts());
    }
    reading.end().await;
    drop(connections);
}

#[tokio::test]
async fn leaving_ends_the_follow_at_the_engine() {
    let docker = need!(docker);
    let web = docker.container("left").runs(ON_ORDER).start();
    let proxy = docker.proxy();
    let connections = engine(&format!("unix://{}", proxy.socket().display()));
    let mut reading = Reading::start(&connections, vec![of(&web.id, &web.name)], Anchor::Tail);
    reading.until_line("it broke").await;
    assert!(proxy.sent().contains("/logs?follow=true"), "{}", proxy.sent());
    reading.end().await;
    proxy.wait_all_ended(LIMIT);
}

#[tokio::test]
async fn a_driver_that_keeps_nothing_is_named_and_not_tried_again() {
    let docker = need!(docker);
    let web = docker.container("none").option("--log-driver=none").start();
    let mut reading = Reading::start(&engine(&docker.host()), vec![of(&web.id, &web.name)], Anchor::Tail);
    let state = reading.until_trouble("its logging driver is none").await;
    assert_eq!(state.stage, Stage::Over);
    reading.end().await;
}

#[tokio::test]
async fn podman_is_read_the_same_way() {
    let podman = need!(podman);
    let id = podman.container(&[], "echo begun; echo broken >&2; sleep 1; echo later; sleep 600");
    let mut reading = Reading::start(&engine(&podman.host()), vec![of(&id, "it")], Anchor::Tail);
    for text in ["begun", "broken", "later"] {
        reading.until_line(text).await;
    }
    assert!(reading.lines.iter().all(|line| line.at.is_some()), "{:?}", reading.lines);
    reading.end().await;
    podman.run(&["rm", "-f", "-t", "0", &id]);
}

#[tokio::test]
async fn only_what_is_younger_is_read_when_a_time_is_asked_for() {
    let docker = need!(docker);
    let web = docker.container("old").runs(ON_ORDER).start();
    let connections = engine(&docker.host());
    let mut reading = Reading::start(&connections, vec![of(&web.id, &web.name)], Anchor::Minute);
    reading.until_line("begun").await;
    reading.end().await;
}

/// A host with a folder for logs.
fn host(sshd: &Sshd) -> (Connections, PathBuf) {
    let mut connections = Connections::default();
    let ssh = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    connections.name_host("box", &ssh);
    (connections, sshd.config().parent().unwrap().to_owned())
}

fn file(path: &Path) -> LogPlace {
    let source = SourceId::new("ssh", "box");
    LogPlace::File { source, server: "box".into(), path: path.to_str().unwrap().into() }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Processes of this machine whose arguments hold a word.
fn processes(word: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).split('\0').any(|argument| argument == word)).count()
}

#[tokio::test]
async fn a_file_is_followed_over_ssh_through_rotation_and_leaves_no_process() {
    let sshd = need!(own_sshd);
    let (connections, home) = host(&sshd);
    // What a name may hold must not become program text.
    let path = home.join("it's $(a) log");
    append(&path, "2026-11-25T03:00:00Z old\n");
    let mut reading = Reading::start(&connections, vec![file(&path)], Anchor::Tail);
    reading.until_line("old").await;
    append(&path, "WARN: low\n");
    reading.until_line("low").await;
    assert_eq!(reading.lines.last().unwrap().level, Some(Level::Warn));
    fs::rename(&path, home.join("rotated")).unwrap();
    append(&path, "after the rotation\n");
    reading.until_line("after the rotation").await;
    assert_eq!(processes(path.to_str().unwrap()), 1);
    reading.end().await;
    let gone = poll(LIMIT, || (processes(path.to_str().unwrap()) == 0).then_some(()));
    assert!(gone.is_some(), "tail goes on though nobody reads it");
    connections.close().await;
}

#[tokio::test]
async fn files_of_json_lines_are_merged_by_the_times_in_them() {
    let sshd = need!(own_sshd);
    let (connections, home) = host(&sshd);
    let (zap, pino) = (home.join("zap.log"), home.join("pino.log"));
    append(&zap, "{\"level\":\"info\",\"ts\":1764039600.1,\"msg\":\"one\"}\n{\"ts\":1764039602.1,\"msg\":\"three\"}\n");
    append(&pino, "{\"level\":50,\"time\":1764039601100,\"msg\":\"two\"}\n  its stack\n");
    let rfc = home.join("rfc.log");
    append(&rfc, "{\"@timestamp\":\"2025-11-25T03:00:03.1Z\",\"message\":\"four\"}\n");
    let mut reading = Reading::start(&connections, vec![file(&rfc), file(&zap), file(&pino)], Anchor::Tail);
    for text in ["three", "stack", "four"] {
        reading.until_line(text).await;
    }
    let order: Vec<u16> = reading.lines.iter().map(|line| line.place).collect();
    assert_eq!(order, [1, 2, 2, 1, 0], "{:?}", reading.texts());
    let times: Vec<_> = reading.lines.iter().map(|line| line.at.map(jiff::Timestamp::as_millisecond)).collect();
    let from = |millis: i64| Some(1_764_039_600_000 + millis);
    assert_eq!(times, [from(100), from(1100), None, from(2100), from(3100)]);
    reading.end().await;
    connections.close().await;
}

#[tokio::test]
async fn a_file_that_is_missing_is_told_and_read_when_it_comes() {
    let sshd = need!(own_sshd);
    let (connections, home) = host(&sshd);
    let path = home.join("missing.log");
    let mut reading = Reading::start(&connections, vec![file(&path)], Anchor::Tail);
    let state = reading.until_trouble("No such file").await;
    assert_eq!(state.stage, Stage::Retrying);
    append(&path, "here it is\n");
    reading.until_line("here it is").await;
    reading.end().await;
    connections.close().await;
}

#[tokio::test]
async fn a_connection_that_is_lost_is_told_and_made_again() {
    let mut sshd = need!(own_sshd);
    let (connections, home) = host(&sshd);
    let path = home.join("lost.log");
    append(&path, "before\n");
    let mut reading = Reading::start(&connections, vec![file(&path)], Anchor::Tail);
    reading.until_line("before").await;
    sshd.stop();
    reading.until("trouble", |this| this.states.iter().any(|state| state.why.is_some())).await;
    sshd.run().unwrap();
    let follows = |this: &Reading| this.states.last().is_some_and(|state| state.stage == Stage::Following);
    reading.until("it is read again", follows).await;
    append(&path, "after\n");
    reading.until_line("after").await;
    assert_eq!(reading.count("before"), 1);
    assert_eq!(reading.count("lines of that time may be missing"), 1, "{:?}", reading.texts());
    reading.end().await;
    connections.close().await;
}

/// A machine without systemd, and one whose `journalctl` holds us to its arguments.
#[tokio::test]
async fn a_journal_is_read_over_ssh() {
    let sshd = need!(own_sshd);
    let (connections, home) = host(&sshd);
    let journal = || LogPlace::Journal { source: SourceId::new("ssh", "box"), server: "box".into() };
    let bin = home.join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/cat", bin.join("cat")).unwrap();
    // As systemd 252 does: what it cannot read it tells, but not while it writes JSON.
    let fake = "#!/bin/sh\n\
        if [ \"$*\" = \"--no-pager --lines=0\" ]; then\n\
        echo 'Hint: You are currently not seeing messages from other users and the system.' >&2\n\
        echo '      Pass -q to turn off this notice.' >&2\n\
        exit 0; fi\n\
        [ \"$*\" = \"--follow --no-pager --all --output=json --output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,__REALTIME_TIMESTAMP --lines=5000\" ] || exit 9\n\
        echo '{\"__REALTIME_TIMESTAMP\":\"1764039600123456\",\"PRIORITY\":\"4\",\"SYSLOG_IDENTIFIER\":\"kernel\",\"MESSAGE\":\"low memory\"}'\n\
        exec tail -f /dev/null\n";
    let program = bin.join("journalctl");
    fs::write(&program, fake).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sshd.force(&format!("PATH={}:/usr/bin:/bin exec sh -s", bin.display()));
    let mut reading = Reading::start(&connections, vec![journal()], Anchor::Tail);
    reading.until_line("kernel: low memory").await;
    assert_eq!(reading.lines[0].level, Some(Level::Warn));
    assert_eq!(reading.lines[0].at.unwrap().as_second(), 1_764_039_600);
    let hint = reading.until_trouble("not seeing messages").await;
    assert!(hint.why.unwrap().hint.contains("systemd-journal"));
    let reading_states = std::mem::take(&mut reading.states);
    reading.end().await;
    assert!(!format!("{reading_states:?}").contains("Pass -q"), "{reading_states:?}");
    // Where no journal is kept; one comes later.
    let comes = home.join("comes");
    let fake = format!(
        "#!/bin/sh\nif [ \"$*\" = \"--no-pager --lines=0\" ]; then echo 'No journal files were found.' >&2; exit 0; fi\n\
         until [ -e {comes} ]; do sleep 0.05; done; echo '{{\"MESSAGE\":\"the first\"}}'; exec tail -f /dev/null\n",
        comes = comes.display()
    );
    fs::write(&program, fake).unwrap();
    let mut reading = Reading::start(&connections, vec![journal()], Anchor::Tail);
    let state = reading.until_trouble("there is no journal on box").await;
    assert_eq!(state.stage, Stage::Retrying);
    assert!(state.why.unwrap().hint.contains("logs of its [[server]]"));
    append(&comes, "");
    reading.until_line("the first").await;
    let last = reading.states.last().unwrap();
    assert!(last.stage == Stage::Following && last.why.is_none(), "{last:?}");
    reading.end().await;
    fs::remove_file(&program).unwrap();
    sshd.force(&format!("PATH={} exec /bin/sh -s", bin.display()));
    let (again, _) = host(&sshd);
    let mut reading = Reading::start(&again, vec![journal()], Anchor::Tail);
    let state = reading.until_trouble("there is no journalctl on box").await;
    assert_eq!(state.stage, Stage::Over);
    reading.end().await;
    again.close().await;
    connections.close().await;
}

#[tokio::test]
async fn a_file_of_this_machine_is_followed_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here.log");
    append(&path, "one\n");
    let place = LogPlace::File {
        source: SourceId::new("local", "host"),
        server: "here".into(),
        path: path.to_str().unwrap().into(),
    };
    let mut reading = Reading::start(&Connections::default(), vec![place], Anchor::Tail);
    reading.until_line("one").await;
    append(&path, "two\n");
    reading.until_line("two").await;
    reading.end().await;
    let gone = poll(LIMIT, || (processes(path.to_str().unwrap()) == 0).then_some(()));
    assert!(gone.is_some(), "tail goes on though nobody reads it");
}

/// Nobody takes what is read: the readers wait, and what waits is bounded.
#[tokio::test]
async fn a_flood_waits_where_it_comes_from() {
    let docker = need!(docker);
    let flood = "i=0; while [ $i -lt 20000 ]; do echo line $i of a flood that is read by nobody for a while; i=$((i+1)); done; echo end; tail -f /dev/null";
    let web = docker.container("flood").runs(flood).start();
    let mut reading = Reading::start(&engine(&docker.host()), vec![of(&web.id, &web.name)], Anchor::All);
    reading.until_line("end").await;
    assert_eq!(reading.count("of a flood"), 20_000, "back pressure loses nothing");
    reading.end().await;
}

/// The real program: `l` opens it, lines come, Esc ends it at the engine.
#[test]
fn the_program_shows_a_log_and_lets_go_of_it() {
    let docker = need!(docker);
    let web = docker.container("shown").runs(ON_ORDER).start();
    let proxy = docker.proxy();
    let host = format!("unix://{}", proxy.socket().display());
    let desk = Desk::with(&desk::docker("lab", &host, "250ms"));
    let mut screen = desk.start();
    screen.wait_text(&web.name);
    desk::filter(&mut screen, &web.name);
    screen.send("l");
    screen.wait_text("it broke");
    screen.wait_text("following");
    say(docker, &web.id, "something new");
    screen.wait_text("something new");
    assert_eq!(proxy.sent().matches("/logs?follow=true").count(), 1);
    screen.send("\x13");
    screen.wait_text("saved to ");
    let saved: Vec<_> = fs::read_dir(desk.home().join("state/quarterdeck/logs")).unwrap().flatten().collect();
    assert_eq!(saved.len(), 1);
    assert!(fs::read_to_string(saved[0].path()).unwrap().contains("something new"));
    screen.send("\x1b");
    screen.wait_text("Containers");
    desk::quit(screen);
    proxy.wait_all_ended(LIMIT);
}

/// As nginx and PostgreSQL write them; the place is said by the config.
#[tokio::test]
async fn times_without_an_offset_are_read_as_of_a_zone_and_it_is_said_of_which() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        let path = folder.path().join(name);
        append(&path, text);
        let path = path.to_str().unwrap().into();
        LogPlace::File { source: SourceId::new("local", "host"), server: "here".into(), path }
    };
    let nginx = place("error.log", "2026/11/25 04:00:01 [error] 1#1: *1 connect() failed\n");
    let postgres =
        place("pg.log", "2026-11-25 03:00:00.500 UTC [9] LOG:  begins\n2026-11-25 03:00:02.500 UTC [9] LOG:  ends\n");
    let request = |zone: TimeZone| LogRequest {
        target: LogTarget { name: "it".into(), places: [nginx.clone(), postgres.clone()].into() },
        anchor: Anchor::Tail,
        zone,
        again: 0,
    };
    for (zone, told, places) in [("Europe/Berlin", "Europe/Berlin", [1, 0, 1]), ("UTC", "UTC", [1, 1, 0])] {
        let mut reading = Reading::of(&Connections::default(), request(TimeZone::get(zone).unwrap()));
        for text in ["connect() failed", "ends"] {
            reading.until_line(text).await;
        }
        let state = reading.until_trouble(&format!("tell no offset and are read as {told}")).await;
        assert_eq!(state.stage, Stage::Following);
        assert!(state.why.unwrap().hint.contains("[logs]"));
        let told = reading.states.iter().filter(|state| state.why.is_some()).count();
        assert_eq!(told, 1, "PostgreSQL's are certain: {:?}", reading.states);
        let order: Vec<u16> = reading.lines.iter().map(|line| line.place).collect();
        assert_eq!(order, places, "{:?}", reading.texts());
        reading.end().await;
    }
}
