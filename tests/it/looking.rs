//! What is asked only because somebody looks: processes of a server, an inspection of a container. From real services, and on the
//! screen.

use super::scene::{Scene, start};
use super::seen::{has, has_not};
use crate::lab::docker::Docker;
use crate::lab::need;
use crate::lab::sshd::HOST;
use crate::lab::tls::Gate;
use crossterm::event::KeyCode;
use quarterdeck::connect::docker::{Files, Wanted};
use quarterdeck::connect::{Connections, Engine as Way};
use quarterdeck::domain::{
    Answered, Container, ContainerState, Engine, EngineEvent, Found, Inquiry, Process, Processes, Server, Snapshot,
    SourceError, SourceId, Subject, ThingId,
};
use quarterdeck::effect::Effect;
use quarterdeck::event::Event;
use quarterdeck::redact::Redactor;
use quarterdeck::sources::processes;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// A process of this test, ended with it.
struct Running(Child);

impl Running {
    fn new(program: &str, args: &[&str]) -> std::io::Result<Self> {
        let null = Stdio::null;
        Command::new(program).args(args).stdin(null()).stdout(null()).stderr(null()).spawn().map(Self)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two readings, until the second is as wanted.
async fn until(connections: &Connections, source: &SourceId, is: impl Fn(&Processes) -> bool) -> Processes {
    let end = Instant::now() + LIMIT;
    let mut before: Option<Processes> = None;
    loop {
        let mut found = processes::of(connections, source).await.unwrap();
        found.measure(before.as_ref());
        if found.measured && is(&found) {
            return found;
        }
        assert!(Instant::now() < end, "never as wanted: {found:#?}");
        before = Some(found);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn both_ways(is: impl Fn(&Processes) -> bool + Copy) {
    let connections = Connections::default();
    until(&connections, &SourceId::new("local", "host"), is).await;
    let sshd = need!(own_sshd);
    let mut connections = Connections::default();
    let ssh = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    connections.name_host("game-1", &ssh);
    until(&connections, &SourceId::new("ssh", "game-1"), is).await;
    assert_eq!(sshd.masters().len(), 1, "it goes through the one connection");
    connections.close().await;
}

fn of(found: &Processes, pid: i32) -> Option<&Process> {
    found.list.iter().find(|process| process.pid == pid)
}

#[tokio::test]
async fn who_burns_a_core_and_who_holds_memory_is_found_here_and_over_ssh() {
    let burner = Running::new("sh", &["-c", "while :; do :; done", "--password=hunter2"]).unwrap();
    // It keeps the last line, which has no end, until nobody reads it.
    let holder = Running::new("sh", &["-c", "head -c 64000000 /dev/zero | tail | sleep 300"]).unwrap();
    let (burns, holds) = (burner.pid(), holder.pid());
    both_ways(|found| {
        let burner = of(found, burns).unwrap();
        let command = burner.command.as_ref().unwrap();
        assert!(command.ends_with("--password=‹redacted›"), "{command}");
        let tail = found.list.iter().find(|process| process.parent == holds && process.name == "tail");
        let big = tail.is_some_and(|tail| tail.memory.is_some_and(|memory| memory > 60_000_000));
        big && burner.cpu.is_some_and(|cpu| cpu > 0.1) && burner.state == 'R'
    })
    .await;
}

#[tokio::test]
async fn a_zombie_and_one_that_waits_in_the_kernel_are_told() {
    let zombie = Running::new("true", &[]).unwrap();
    // vfork: the parent waits in the kernel until its child ends.
    let waits = Running::new("perl", &["-e", "$child = syscall(58); sleep 300 if $child == 0;"]);
    let waiting = waits.as_ref().ok().filter(|_| cfg!(target_arch = "x86_64")).map(Running::pid);
    let ended = zombie.pid();
    both_ways(|found| {
        let stuck = waiting.is_none_or(|pid| of(found, pid).is_some_and(|process| process.state == 'D'));
        stuck && of(found, ended).is_some_and(|process| process.state == 'Z' && process.command.is_none())
    })
    .await;
    // The child holds the memory of its parent, and outlives it.
    if let Some(pid) = waiting {
        let found = processes::of(&Connections::default(), &SourceId::new("local", "host")).await.unwrap();
        for child in found.list.iter().filter(|process| process.parent == pid) {
            let child = rustix::process::Pid::from_raw(child.pid).unwrap();
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told_with_the_mend() {
    let mut sshd = need!(own_sshd);
    let mut connections = Connections::default();
    let ssh = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    connections.name_host("game-1", &ssh);
    sshd.stop();
    let failed =
        async |kind: &str, name: &str| processes::of(&connections, &SourceId::new(kind, name)).await.unwrap_err();
    assert_eq!(failed("ssh", "game-1").await.what, format!("SSH to {HOST}: nothing listens on its SSH port"));
    assert_eq!(failed("ssh", "game-2").await.hint, "there are: game-1");
    assert!(failed("node_exporter", "game-1").await.hint.contains("ssh"));
}

async fn inspected(host: &str, id: &str) -> String {
    Way::new("lab", Some(host)).unwrap().inspect(id, &Redactor::default()).await.unwrap()
}

fn secretive(docker: &Docker) -> crate::lab::docker::Container<'_> {
    docker.container("secretive").option("--env=DB_PASSWORD=hunter2").option("--env=PLAIN=seen").start()
}

#[tokio::test]
async fn an_inspection_is_what_docker_says_in_its_order_and_without_secrets() {
    let docker = need!(docker);
    let container = secretive(docker);
    let told = inspected(&docker.host(), &container.id).await;
    assert!(told.starts_with(&format!("{{\n  \"Id\": \"{}\",\n  \"Created\"", container.id)), "{told}");
    assert!(told.contains("\"PLAIN=seen\"") && told.contains("\"DB_PASSWORD=‹redacted›\""), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let all: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(all.as_object().unwrap().len(), container.inspect().as_object().unwrap().len());
    let gone = Way::new("lab", Some(&docker.host())).unwrap();
    let gone = gone.inspect(&"0".repeat(64), &Redactor::default()).await.unwrap_err();
    assert_eq!(gone.what, "the engine knows no such container any more");
}

#[tokio::test]
async fn an_inspection_comes_through_tls_too() {
    let tls = need!(tls_docker);
    let container = secretive(&tls.docker);
    let Gate { port, authority, client } = &tls.gate;
    let files = Files { ca: authority.ca.clone(), cert: Some(client.cert.clone()), key: Some(client.key.clone()) };
    let wanted = Wanted { tls: Some(files), ..Wanted::at(&format!("tcp://127.0.0.1:{port}")) };
    let told = Way::open("lab", &wanted).unwrap().inspect(&container.id, &Redactor::default()).await.unwrap();
    assert!(told.contains(&container.id) && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn an_inspection_is_what_podman_says() {
    let podman = need!(podman);
    let id = podman.container(&["--env=API_TOKEN=hunter2"], "sleep 1000");
    let told = inspected(&podman.host(), &id).await;
    assert!(told.contains(&id) && told.contains("API_TOKEN=‹redacted›") && !told.contains("hunter2"), "{told}");
}

const SIZE: (u16, u16) = (160, 45);

fn asked(scene: &mut Scene) -> Vec<Inquiry> {
    let inquiry = |effect: Effect| if let Effect::Inquire(inquiry) = effect { Some(inquiry) } else { None };
    scene.effects.drain(..).filter_map(inquiry).collect()
}

fn production() -> Scene {
    let sources = [("ssh", "game-1", Subject::Servers), ("docker", "game-1", Subject::Containers)];
    let mut scene = Scene::new(&sources, SIZE);
    answer(&mut scene);
    scene
}

/// Both sources answer.
fn answer(scene: &mut Scene) {
    let server = Server { name: "game-1".into(), cpu: Some(0.2), ..Server::default() };
    scene.good("ssh", "game-1", Snapshot::Servers(vec![server]));
    let container = Container {
        id: "ab".repeat(32).into(),
        name: "api".into(),
        state: ContainerState::Running,
        ..Container::default()
    };
    let event = |number: u64, action: &str, second: i64| EngineEvent {
        number,
        at: start().wall + jiff::SignedDuration::from_secs(second),
        kind: "container".into(),
        action: action.into(),
        id: "ab".repeat(32),
        name: "api".into(),
        attributes: [("exitCode".to_owned(), "137".to_owned())].into(),
    };
    let events = vec![event(0, "start", -600), event(1, "oom", -91), event(2, "die", -90), event(3, "start", -78)];
    let engine = Engine { containers: vec![container], events, ..Engine::default() };
    scene.good("docker", "game-1", Snapshot::Containers(engine));
}

fn process(pid: i32, name: &str, state: char, used: u64) -> Process {
    Process {
        pid,
        started: 100,
        name: name.into(),
        user: "web".into(),
        state,
        cpu_time: Duration::from_millis(used),
        memory: (state != 'Z').then_some(1 << 20),
        threads: 1,
        age: Duration::from_secs(100),
        command: (state != 'Z').then(|| format!("/usr/bin/{name} --serve")),
        ..Process::default()
    }
}

fn told(scene: &mut Scene, inquiry: &Inquiry, outcome: Result<Found, SourceError>) {
    scene.send(Event::Answered(Answered { inquiry: inquiry.clone(), outcome }));
}

fn reading(at: u64, list: Vec<Process>) -> Found {
    let at = Duration::from_secs(at);
    Found::Processes(Arc::new(Processes { at, total: list.len(), list, ..Processes::default() }))
}

#[test]
fn processes_are_asked_for_while_their_page_is_open_and_never_otherwise() {
    let mut scene = production();
    for _ in 0..10 {
        scene.pass(Duration::from_secs(10));
        answer(&mut scene);
    }
    assert_eq!(asked(&mut scene), [], "nobody looks");
    scene.key(KeyCode::Enter);
    let inquiry = Inquiry::Processes { source: SourceId::new("ssh", "game-1") };
    assert_eq!(asked(&mut scene), std::slice::from_ref(&inquiry));
    has(&mut scene, &["Processes", "reading them …"]);
    told(&mut scene, &inquiry, Ok(reading(100, vec![process(7, "api", 'S', 1000), process(8, "old", 'Z', 0)])));
    has(&mut scene, &["Processes  2, ! 1 zombie", "api --serve", "[old]"]);
    scene.pass(Duration::from_secs(2));
    assert_eq!(asked(&mut scene), std::slice::from_ref(&inquiry), "again at once, for the CPU figures");
    told(&mut scene, &inquiry, Ok(reading(102, vec![process(7, "api", 'R', 2000)])));
    has(&mut scene, &["R   50%  1.0M"]);
    scene.pass(Duration::from_secs(4));
    told(&mut scene, &inquiry, Err(SourceError::new("SSH to game-1: it hangs", "look at its console")));
    has(&mut scene, &["SSH to game-1: it hangs → look at its console"]);
    asked(&mut scene);
    scene.key(KeyCode::Esc);
    scene.pass(Duration::from_secs(60));
    assert_eq!(asked(&mut scene), []);
}

#[test]
fn the_page_of_processes_sorts_filters_and_its_cursor_follows_a_process_by_its_start() {
    let mut scene = production();
    scene.paint();
    scene.keys("p");
    let asked = asked(&mut scene);
    let [inquiry] = asked.as_slice() else { panic!("{asked:?}") };
    let small = Process { memory: Some(1 << 10), ..process(9, "small", 'D', 0) };
    told(&mut scene, inquiry, Ok(reading(100, vec![process(7, "api", 'S', 0), small.clone()])));
    has(&mut scene, &["Processes of game-1  2, ! 1 waits for disk (D)", "D disk wait", "COMMAND"]);
    scene.keys("j");
    let selected = |scene: &Scene| scene.state.pane().selected().unwrap();
    let id = ThingId::Process { source: SourceId::new("ssh", "game-1"), pid: 9, started: 100 };
    assert_eq!(selected(&scene).id, id);
    // The same pid is another process now.
    let other = Process { started: 500, ..small };
    told(&mut scene, inquiry, Ok(reading(103, vec![other, process(7, "api", 'S', 3000)])));
    scene.paint();
    assert_eq!(selected(&scene).id, id);
    assert_ne!(selected(&scene).presence, quarterdeck::panes::Presence::Here);
    scene.keys("g/small");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["/small: 1"]);
    has_not(&mut scene, "api --serve");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["small (pid 9) on game-1", "/usr/bin/small --serve", "server    game-1"]);
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["api --serve"]);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["1 Servers", "2 Containers"]);
}

#[test]
fn where_no_server_is_selected_the_key_says_so() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Servers)], SIZE);
    let server = Server { name: "game-1".into(), cpu: Some(0.2), ..Server::default() };
    scene.good("prometheus", "main", Snapshot::Servers(vec![server]));
    scene.paint();
    scene.keys("p");
    has(&mut scene, &["of game-1 nothing is known: processes are read over SSH"]);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["Processes", "give the server `ssh` in the config"]);
    assert_eq!(asked(&mut scene), []);
}

#[test]
fn an_inspection_is_scrolled_searched_and_copied() {
    let mut scene = production();
    scene.paint();
    scene.keys("2y");
    let asked = asked(&mut scene);
    let [inquiry] = asked.as_slice() else { panic!("{asked:?}") };
    has(&mut scene, &["Inspect  api", "asking the engine"]);
    let lines: Vec<String> = (0..100).map(|line| format!("  \"Key{line}\": {line},")).collect();
    let text = lines.join("\n");
    told(&mut scene, inquiry, Ok(Found::Text(text.as_str().into())));
    has(&mut scene, &["\"Key0\": 0,", "1–41 of 100 lines"]);
    scene.keys("/key7");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["/key7: 1 of 11", "\"Key7\": 7,"]);
    scene.keys("N");
    has(&mut scene, &["11 of 11", "\"Key79\": 79,"]);
    scene.keys("nn");
    has(&mut scene, &["2 of 11", "\"Key70\": 70,"]);
    scene.keys("c");
    has(&mut scene, &["s saves to a file"]);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["copied it, "]);
    let copied = scene.effects.iter().any(|effect| matches!(effect, Effect::Copy(copied) if *copied == text));
    assert!(copied, "{:?}", scene.effects);
    told(&mut scene, inquiry, Err(SourceError::new("the engine is away", "start it")));
    has(&mut scene, &["▲ the engine is away → start it", "\"Key70\": 70,"]);
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Esc);
    has(&mut scene, &["2 Containers"]);
}

#[test]
fn how_long_each_state_lasted_is_told_of_containers_and_servers() {
    let mut scene = production();
    scene.paint();
    scene.keys("2e");
    has(&mut scene, &["LASTED", "down 12s OOM", "up 8m", "up 1m…"]);
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Enter);
    has(&mut scene, &["History (UTC)", "02:58:30  down        12s  exit 137 (SIGKILL), out of memory"]);
    has(&mut scene, &["events are known since 02:50:00"]);
    scene.key(KeyCode::Esc);
    scene.keys("1");
    scene.key(KeyCode::Enter);
    has(&mut scene, &["always well since 03:00:0"]);
    scene.bad("ssh", "game-1", "SSH to game-1: cut", "mend it");
    scene.pass(Duration::from_secs(420));
    answer(&mut scene);
    has(&mut scene, &["no answer (7m)", "quarterdeck began to watch"]);
    let busy = Server { name: "game-1".into(), cpu: Some(0.99), ..Server::default() };
    scene.good("ssh", "game-1", Snapshot::Servers(vec![busy.clone()]));
    scene.pass(Duration::from_secs(2));
    scene.good("ssh", "game-1", Snapshot::Servers(vec![busy]));
    has(&mut scene, &["–now  critical cpu (2"]);
    answer(&mut scene);
    has(&mut scene, &["  critical cpu (2", "state    ok"]);
}
