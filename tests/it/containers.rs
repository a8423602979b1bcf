//! What the docker source makes of real engines, and of what only looks like one.

use crate::desk::Desk;
use crate::lab::certs::{Authority, Pair};
use crate::lab::docker::Docker;
use crate::lab::engine::{Reply, Scripted, most_at_once};
use crate::lab::fault::Proxy;
use crate::lab::need;
use crate::lab::service::free_port;
use crate::lab::sshd::HOST;
use crate::lab::tls::{Gate, greets_with};
use quarterdeck::connect::Connections;
use quarterdeck::connect::docker::Files;
use quarterdeck::domain::{
    Container, ContainerState, Engine, Health, Limits, Severity, Snapshot, SourceError, SourceId,
};
use quarterdeck::sources::docker::Settings;
use quarterdeck::sources::{Settings as _, Source};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(60);
/// From poll to poll, when no event comes.
const INTERVAL: Duration = Duration::from_millis(250);

fn at(host: &str) -> Settings {
    Settings { host: Some(host.to_owned()), ..Settings::default() }
}

fn with_tls(port: u16, ca: &Authority, client: Option<&Pair>) -> Settings {
    let (cert, key) = client.map(|pair| (pair.cert.clone(), pair.key.clone())).unzip();
    let tls = Some(Files { ca: ca.ca.clone(), cert, key });
    Settings { tls, ..at(&format!("tcp://127.0.0.1:{port}")) }
}

fn open(settings: &Settings) -> Box<dyn Source> {
    let id = SourceId::new("docker", "lab");
    settings.open(&id, &mut Connections::default()).unwrap().pop().unwrap()
}

fn engine(snapshot: Snapshot) -> Engine {
    let Snapshot::Containers(engine) = snapshot else { panic!("no engine") };
    engine
}

async fn ask(source: &mut dyn Source) -> Result<Engine, SourceError> {
    timeout(LIMIT, source.poll()).await.expect("an answer").map(engine)
}

/// Polls as the program does, at once when an event says so, until `is` finds something.
async fn until<T>(source: &mut dyn Source, what: &str, is: impl Fn(&Engine) -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        let found = ask(source).await.unwrap();
        if let Some(found) = is(&found) {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {LIMIT:?}: {found:#?}");
        let _ = timeout(INTERVAL, source.changed()).await;
    }
}

/// Polls until this container is as wanted.
async fn until_container(source: &mut dyn Source, id: &str, what: &str, is: impl Fn(&Container) -> bool) -> Container {
    let one = |engine: &Engine| engine.containers.iter().find(|one| &*one.id == id && is(one)).cloned();
    until(source, what, one).await
}

async fn failure(source: &mut dyn Source) -> SourceError {
    ask(source).await.unwrap_err()
}

fn local(docker: &Docker) -> Box<dyn Source> {
    open(&at(&docker.host()))
}

#[tokio::test]
async fn everything_about_a_real_container_is_told() {
    let docker = need!(docker);
    let web = docker.container("full").compose("shop", "web").option("--memory=64m").with_health().start();
    let mut source = local(docker);
    let is = |one: &Container| one.health == Health::Healthy && one.cpu.is_some();
    let found = until_container(&mut *source, &web.id, "healthy container with a CPU figure", is).await;
    assert_eq!((found.name.as_str(), found.state), (web.name.as_str(), ContainerState::Running));
    assert_eq!(found.compose.as_ref().map(|compose| compose.service.as_str()), Some("web"));
    assert_eq!(found.labels["com.docker.compose.project"], "shop");
    assert_eq!(found.memory.unwrap().total, 64 << 20);
    assert!(found.memory.unwrap().used < 64 << 20 && found.pids.unwrap() >= 1, "{found:?}");
    assert!(found.block_io.is_some(), "{found:?}");
    assert_eq!((found.network, found.restarts, found.oom_killed), (None, Some(0), false), "it has no network");
    assert!(found.created_at <= found.started_at && found.created_at.is_some());
    let engine = ask(&mut *source).await.unwrap();
    assert!(engine.version.starts_with("Docker 2"), "{}", engine.version);
    assert!(engine.server.is_some_and(|server| !server.is_empty()), "this machine has a name");
}

#[tokio::test]
async fn what_a_probe_printed_is_told_and_its_failing_is_an_event() {
    let docker = need!(docker);
    let check = "--health-cmd=echo the database is away; test ! -e /sick";
    let spec = docker.container("probed").option(check).option("--health-interval=1s").option("--health-retries=2");
    let web = spec.start();
    let mut source = local(docker);
    until_container(&mut *source, &web.id, "healthy container", |one| one.health == Health::Healthy).await;
    web.exec("touch /sick");
    let found = until_container(&mut *source, &web.id, "sick container", |one| one.health == Health::Unhealthy).await;
    let probe = found.probe.clone().unwrap();
    assert_eq!((probe.exit_code, probe.output.as_str()), (1, "the database is away"));
    assert!(probe.failing >= 2 && probe.at.is_some(), "{probe:?}");
    assert_eq!(found.judge(&Limits::default()), Severity::Critical);
    let event = |engine: &Engine| {
        engine.events.iter().find(|event| event.id == web.id && event.action == "health_status: unhealthy").cloned()
    };
    let event = until(&mut *source, "event", event).await;
    assert_eq!((event.judge(), event.name.as_str()), (Severity::Critical, web.name.as_str()));
}

#[tokio::test]
async fn running_out_of_memory_is_told() {
    let docker = need!(docker);
    let mut source = local(docker);
    ask(&mut *source).await.unwrap();
    // The engine learns of it from the container's cgroup: one that eats before that is watched, or that is gone with its only process
    // before it is read, just ends with 137. So it eats when it is told to, in a process of its own.
    let eats =
        "while [ ! -e /go ]; do sleep 0.1; done; sh -c 'x=a; while :; do x=$x$x; done'; code=$?; sleep 1; exit $code";
    let eater = docker.container("eater").option("--memory=8m").runs(eats).start();
    until_container(&mut *source, &eater.id, "running container", |one| one.state == ContainerState::Running).await;
    eater.exec("touch /go");
    let found = until_container(&mut *source, &eater.id, "container out of memory", |one| one.oom_killed).await;
    assert_eq!((found.state, found.exit_code), (ContainerState::Exited, Some(137)));
    assert_eq!(found.judge(&Limits::default()), Severity::Critical);
    let told = |engine: &Engine| {
        let own = engine.events.iter().filter(|event| event.id == eater.id);
        own.clone().any(|event| event.action == "oom").then(|| own.map(|event| event.number).collect::<Vec<_>>())
    };
    let numbers = until(&mut *source, "event oom", told).await;
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test]
async fn one_that_does_not_stay_up_is_told() {
    let docker = need!(docker);
    let script = "sleep 0.3; exit 3";
    let looping = docker.container("looping").option("--restart=always").runs(script).start();
    let mut source = local(docker);
    let is = |one: &Container| one.restarted_lately && one.state == ContainerState::Running;
    let found = until_container(&mut *source, &looping.id, "container started again", is).await;
    assert!(found.restarts.unwrap() >= 1);
    assert_eq!(found.judge(&Limits::default()), Severity::Warning);
    let died = |engine: &Engine| {
        let die = engine.events.iter().find(|event| event.id == looping.id && event.action == "die")?;
        Some((die.exit_code(), die.judge()))
    };
    assert_eq!(until(&mut *source, "event die", died).await, (Some(3), Severity::Warning));
}

#[tokio::test]
async fn ports_addresses_and_traffic_of_a_container_with_a_network_are_told() {
    let docker = need!(docker);
    if docker.is_private() {
        return crate::lab::skip("containers::traffic", "an engine with a network");
    }
    let script = "while :; do busybox nc -l -p 8080 > /dev/null; done";
    let spec = docker.container("talks").option("--network=bridge").option("--publish=127.0.0.1::8080");
    let server = spec.option("--expose=9090/udp").runs(script).start();
    let mut source = local(docker);
    let is = |one: &Container| one.network.is_some() && !one.ports.is_empty();
    let found = until_container(&mut *source, &server.id, "container with a network", is).await;
    let port = found.ports[0].public.clone().unwrap();
    assert_eq!((port.0.as_str(), found.ports[0].private), ("127.0.0.1", 8080));
    assert!(found.ports.iter().any(|port| port.private == 9090 && port.protocol == "udp" && port.public.is_none()));
    assert!(found.addresses.iter().any(|address| address.parse::<std::net::IpAddr>().is_ok()), "{found:?}");
    let sender = std::thread::spawn(move || {
        let mut sent = 0;
        // The other side goes away with the container.
        while let Ok(mut stream) = TcpStream::connect((port.0.as_str(), port.1)) {
            let _ = stream.write_all(&vec![7; 64 * 1024]);
            sent += 1;
            if sent > 400 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let busy = |one: &Container| one.network.is_some_and(|rates| rates.r#in > 10_000.0);
    until_container(&mut *source, &server.id, "container that receives", busy).await;
    drop(server);
    sender.join().unwrap();
}

#[tokio::test]
async fn a_podman_is_told_as_one() {
    let podman = need!(podman);
    let sick = podman.container(
        &[
            "--memory=64m",
            "--health-cmd=echo the database is away; exit 1",
            "--health-interval=disable",
            "--health-retries=1",
        ],
        "sleep 1000",
    );
    let gone = podman.container(&["--label=com.docker.compose.project=shop"], "exit 7");
    assert!(podman.try_run(&["healthcheck", "run", &sick]).is_err(), "the check was to fail");
    let mut source = open(&at(&podman.host()));
    let is = |one: &Container| one.health == Health::Unhealthy && one.cpu.is_some();
    let found = until_container(&mut *source, &sick, "sick container with figures", is).await;
    assert_eq!(found.probe.unwrap().output, "the database is away");
    assert_eq!((found.memory.unwrap().total, found.restarts), (64 << 20, Some(0)));
    let found = until_container(&mut *source, &gone, "container that ended", |one| one.exit_code.is_some()).await;
    assert_eq!((found.state, found.exit_code), (ContainerState::Exited, Some(7)));
    assert_eq!(found.compose.unwrap().project, "shop");
    let died = |engine: &Engine| {
        let die = engine.events.iter().find(|event| event.id == gone && event.action == "die")?;
        Some((die.exit_code(), engine.version.clone()))
    };
    let (code, version) = until(&mut *source, "event die", died).await;
    assert!(code == Some(7) && version.starts_with("Podman "), "{code:?} {version}");
}

#[tokio::test]
async fn an_engine_behind_tls_is_asked_for_its_figures() {
    let tls = need!(tls_docker);
    let worker = tls.docker.container("far").runs("while :; do :; done").start();
    let mut source = open(&with_tls(tls.gate.port, &tls.gate.authority, Some(&tls.gate.client)));
    let is = |one: &Container| one.cpu.is_some() && one.pids.is_some();
    let found = until_container(&mut *source, &worker.id, "container with figures", is).await;
    assert!(found.cpu.unwrap() > 0.01 && found.memory.unwrap().used > 0, "{found:?}");
    let engine = ask(&mut *source).await.unwrap();
    assert_eq!(engine.server.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn an_engine_on_another_host_is_reached_through_ssh() {
    let docker = need!(docker);
    let mut sshd = need!(own_sshd);
    let web = docker.container("over-there").start();
    let mut connections = Connections::default();
    let mut through = |host: String| {
        let settings = Settings { ssh_config: Some(sshd.config()), ..at(&host) };
        settings.open(&SourceId::new("docker", "far"), &mut connections).unwrap().pop().unwrap()
    };
    let mut source = through(format!("ssh://{HOST}{}", docker.socket.display()));
    let mut nowhere = through(format!("ssh://{HOST}/nowhere/docker.sock"));
    let found = until_container(&mut *source, &web.id, "container with figures", |one| one.pids.is_some()).await;
    assert_eq!(found.name, web.name);
    assert_eq!(ask(&mut *source).await.unwrap().server.as_deref(), Some(HOST));
    let error = failure(&mut *nowhere).await;
    assert!(error.what.contains("/nowhere/docker.sock"), "{error}");
    sshd.stop();
    let error = failure(&mut *source).await;
    assert!(error.what.contains(HOST) && !error.hint.is_empty(), "{error}");
    sshd.run().unwrap();
    until_container(&mut *source, &web.id, "container again", |one| one.name == web.name).await;
    connections.close().await;
}

#[tokio::test]
async fn two_engines_stand_side_by_side() {
    let (near, far) = (need!(docker), need!(tls_docker));
    let (here, there) = (near.container("here").start(), far.docker.container("there").start());
    let Gate { port, authority, client } = &far.gate;
    let tls = format!("{{ ca = {:?}, cert = {:?}, key = {:?} }}", authority.ca, client.cert, client.key);
    let desk = Desk::with(&format!(
        "[docker.near]\nhost = \"{}\"\ntimeout = \"1m\"\n\
         [docker.far]\nhost = \"tcp://127.0.0.1:{port}\"\nserver = \"game-7\"\ntls = {tls}\ntimeout = \"1m\"\n",
        near.host()
    ));
    let out = desk.run(&["snapshot", "--json"]);
    let all: Value = serde_json::from_slice(&out.stdout).unwrap();
    let text = all.to_string();
    let has = |words: &str| assert!(text.contains(words), "no {words}: {}", text.get(..3000).unwrap_or(&text));
    [&here.id, &there.id, "\"server\":\"game-7\""].into_iter().for_each(has);
}

#[tokio::test]
async fn whoever_is_not_trusted_is_told_why() {
    let tls = &need!(tls_docker).gate;
    let stranger = Authority::new();
    let told = async |settings: Settings| failure(&mut *open(&settings)).await;
    let wrong = told(with_tls(tls.port, &stranger, Some(&tls.client))).await;
    assert!(wrong.what.contains("its certificate is not signed by "), "{wrong}");
    let unnamed = told(with_tls(tls.port, &tls.authority, None)).await;
    assert!(unnamed.what.contains("it asks for a client certificate"), "{unnamed}");
    let foreign = told(with_tls(tls.port, &tls.authority, Some(&stranger.sign(&["client"])))).await;
    assert!(foreign.what.contains("it refuses "), "{foreign}");
    let plain = told(at(&format!("tcp://127.0.0.1:{}", tls.port))).await;
    assert!(plain.what.starts_with("no Docker engine answers at tcp://127.0.0.1:"), "{plain}");
    let other_name = greets_with(&tls.authority.sign(&["game-1"]));
    let misnamed = told(with_tls(other_name, &tls.authority, None)).await;
    assert!(misnamed.what.contains("its certificate is not for 127.0.0.1 but for"), "{misnamed}");
    let old = greets_with(&tls.authority.sign_expired(&["127.0.0.1"]));
    let expired = told(with_tls(old, &tls.authority, None)).await;
    assert!(expired.what.contains("its certificate has expired"), "{expired}");
    let closed = told(with_tls(free_port(), &tls.authority, None)).await;
    assert!(closed.what.ends_with("nothing listens there"), "{closed}");
}

#[tokio::test]
async fn an_engine_that_hangs_behind_tls_is_told_as_one_and_comes_back() {
    let gate = &need!(tls_docker).gate;
    let proxy = Proxy::tcp(gate.port);
    let settings = with_tls(proxy.port(), &gate.authority, Some(&gate.client));
    let (mut known, mut unknown) = (open(&settings), open(&settings));
    ask(&mut *known).await.unwrap();
    proxy.pause();
    let hung = failure(&mut *unknown).await;
    assert!(hung.what.ends_with("does not answer: version") && hung.hint.contains("it hangs"), "{hung}");
    assert!(timeout(Duration::from_secs(1), known.poll()).await.is_err(), "a hung engine answered");
    proxy.open();
    ask(&mut *known).await.unwrap();
    ask(&mut *unknown).await.unwrap();
}

/// As Docker's own server says it to somebody who speaks plainly to its TLS port.
#[tokio::test]
async fn an_engine_that_wants_tls_is_told_with_the_mend() {
    let engine =
        Scripted::start(|_| Reply::Status(400, "Client sent an HTTP request to an HTTPS server.\n".to_owned()));
    let error = failure(&mut *open(&at(&engine.host()))).await;
    assert!(error.hint.contains("it speaks TLS: add tls"), "{error}");
}

#[tokio::test]
async fn an_engine_that_was_away_comes_back_with_what_happened_meanwhile() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let mut source = open(&at(&format!("unix://{}", proxy.socket().display())));
    let web = docker.container("away").start();
    until_container(&mut *source, &web.id, "container", |one| one.state == ContainerState::Running).await;
    proxy.cut();
    let error = failure(&mut *source).await;
    assert!(error.what.starts_with("no Docker engine answers at unix://"), "{error}");
    web.act("stop");
    proxy.open();
    until_container(&mut *source, &web.id, "stopped container", |one| one.state == ContainerState::Exited).await;
    let died =
        |engine: &Engine| engine.events.iter().any(|event| event.id == web.id && event.action == "die").then_some(());
    until(&mut *source, "event of the time between", died).await;
}

/// Says this to the listing, and what a real engine says to the rest.
fn lying(list: impl Fn() -> Reply + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |path| if path.starts_with("/containers/json") { list() } else { sane(path) })
}

fn sane(path: &str) -> Reply {
    let version =
        json!({"ApiVersion": "1.41", "Version": "20.10.24", "Components": [{"Name": "Engine", "Version": "20.10.24"}]});
    match path.split('?').next().unwrap_or_default() {
        "/version" => Reply::Json(version.to_string()),
        "/events" => Reply::Hang,
        "/containers/json" => Reply::Json("[]".to_owned()),
        _ => Reply::Status(404, json!({"message": "no such container"}).to_string()),
    }
}

#[tokio::test]
async fn a_lying_engine_is_a_failure_in_words_and_never_an_empty_list() {
    let truncated = || Reply::Json("[{\"Id\":\"880116680f7f68a489f5967a9bad".to_owned());
    let cut = || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n[{\"Id\":".to_vec());
    let page = || Reply::Json("<html>log in</html>".to_owned());
    let huge = || Reply::Json("[".to_owned() + &"{\"Names\":[\"/a\"]},".repeat(600_000) + "{}]");
    let nothing = || Reply::Raw(Vec::new());
    let noise = || Reply::Raw(vec![0xff; 4096]);
    let lies: [(&str, Scripted); 6] = [
        ("truncated", lying(truncated)),
        ("cut", lying(cut)),
        ("page", lying(page)),
        ("huge", lying(huge)),
        ("nothing", lying(nothing)),
        ("noise", lying(noise)),
    ];
    for (name, engine) in lies {
        let error = failure(&mut *open(&at(&engine.host()))).await;
        assert!(error.what.contains(&engine.host()) && !error.hint.is_empty(), "{name}: {error}");
    }
}

#[tokio::test]
async fn an_engine_that_refuses_is_told_with_the_mend() {
    for (status, mend) in [
        (401, "must allow GET"),
        (403, "must allow GET"),
        (404, "really a Docker engine"),
        (500, "its log"),
        (503, "down or starting"),
    ] {
        let engine = lying(move || Reply::Status(status, "<p>no</p>".repeat(1000)));
        let error = failure(&mut *open(&at(&engine.host()))).await;
        assert!(error.what.contains(&format!("answers {status} to list of containers")), "{error}");
        assert!(error.hint.contains(mend) && error.what.len() < 500, "{error}");
    }
}

#[tokio::test]
async fn a_slow_engine_holds_up_nobody_but_itself() {
    let engine = lying(|| Reply::After(Duration::from_secs(5), Box::new(Reply::Json("[]".to_owned()))));
    let mut source = open(&at(&engine.host()));
    assert!(timeout(Duration::from_millis(300), source.poll()).await.is_err(), "it can be given up");
    let none = ask(&mut *source).await.unwrap();
    assert!(none.containers.is_empty() && none.version == "Docker 20.10.24", "it says so, so there are none");
}

fn is_inspect(path: &str) -> bool {
    path.ends_with("/json") && !path.starts_with("/containers/json")
}

/// Many containers, whose inspections are answered like this.
fn inspected(answer: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Scripted {
    let clock = Arc::new(AtomicU64::new(1));
    Scripted::start(move |path| if is_inspect(path) { answer(many(path, &clock)) } else { many(path, &clock) })
}

#[tokio::test]
async fn a_far_engine_with_many_containers_is_inspected_bit_by_bit() {
    let engine = inspected(|reply| Reply::After(Duration::from_millis(300), Box::new(reply)));
    let mut source = open(&at(&engine.host()));
    let (begin, first) = (Instant::now(), ask(&mut *source).await.unwrap());
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    let known = |engine: &Engine| engine.containers.iter().filter(|one| one.restarts.is_some()).count();
    assert!(known(&first) < MANY && first.containers.len() == MANY, "all are listed, some are known");
    let all = |engine: &Engine| (known(engine) == MANY).then_some(());
    until(&mut *source, "engine whose containers are all known", all).await;
}

#[tokio::test]
async fn an_engine_that_lets_itself_be_listed_but_not_inspected_is_not_pestered() {
    let engine = inspected(|_| Reply::Status(403, json!({"message": "not allowed"}).to_string()));
    let mut source = open(&at(&engine.host()));
    for _ in 0..3 {
        let found = ask(&mut *source).await.unwrap();
        assert_eq!((found.containers.len(), found.containers[0].restarts), (MANY, None), "nobody knows");
    }
    let count = engine.asked().iter().filter(|one| is_inspect(&one.path)).count();
    assert!(count <= 3 * 17, "{count} inspections in three polls");
}

/// Containers that are there only on paper.
const MANY: usize = 150;

fn many(path: &str, clock: &Arc<AtomicU64>) -> Reply {
    let id = |at: usize| format!("{at:064x}");
    let plain = path.split('?').next().unwrap_or_default();
    if plain == "/containers/json" {
        let row =
            |at| json!({"Id": id(at), "Names": [format!("/many-{at}")], "State": "running", "Status": "Up 1 hour"});
        return Reply::Json(Value::from((0..MANY).map(row).collect::<Vec<_>>()).to_string());
    }
    if plain.ends_with("/stats") {
        let clock = Arc::clone(clock);
        let message = move || {
            let now = clock.fetch_add(1, Ordering::Relaxed);
            let usage =
                |at: u64| json!({"cpu_usage": {"total_usage": at}, "system_cpu_usage": at * 100, "online_cpus": 2});
            json!({"cpu_stats": usage(now + 1), "precpu_stats": usage(now), "memory_stats": {"usage": 4096, "limit": 8192},
                "pids_stats": {"current": 1}}).to_string()
        };
        // A stream goes on without end; a one-shot question takes this kind of engine a while.
        return if path.contains("stream=true") {
            Reply::Lines(Box::new(message), Duration::from_millis(200))
        } else {
            Reply::After(Duration::from_millis(600), Box::new(Reply::Json(message())))
        };
    }
    if plain.starts_with("/containers/") {
        let state = json!({"Status": "running", "StartedAt": "2026-11-25T03:00:00Z", "Pid": 0});
        return Reply::Json(json!({"State": state, "RestartCount": 0, "HostConfig": {"Memory": 0}}).to_string());
    }
    sane(path)
}

/// The bounds that docs/performance/containers.md promises, for an engine whose containers can't be read directly.
#[tokio::test]
async fn figures_of_150_containers_cost_no_storm_of_requests() {
    let clock = Arc::new(AtomicU64::new(1));
    let engine = Scripted::start(move |path| many(path, &clock));
    let mut source = open(&at(&engine.host()));
    let (begin, mut polls) = (Instant::now(), 0);
    let mut known = 0;
    while begin.elapsed() < Duration::from_secs(8) {
        let found = ask(&mut *source).await.unwrap();
        assert_eq!(found.containers.len(), MANY);
        known = found.containers.iter().filter(|one| one.cpu.is_some()).count();
        polls += 1;
        let _ = timeout(INTERVAL, source.changed()).await;
    }
    let asked = engine.asked();
    let is_stream = |path: &str| path.contains("/stats") && path.contains("stream=true");
    let is_shot = |path: &str| path.contains("/stats") && path.contains("stream=false");
    let count = |is: &dyn Fn(&str) -> bool| asked.iter().filter(|one| is(&one.path)).count();
    assert!(most_at_once(&asked, is_stream) <= 20 && count(&is_stream) <= 20, "{} streams", count(&is_stream));
    assert!(most_at_once(&asked, is_shot) <= 4, "{} one-shot questions at once", most_at_once(&asked, is_shot));
    // Two a second, and a second more for the ends.
    assert!((4..=18).contains(&count(&is_shot)), "{} one-shot questions in eight seconds", count(&is_shot));
    assert!(count(&|path| path.starts_with("/containers/json")) <= polls, "one listing a poll");
    // All of them twice (at first, and when the event stream began), then a thirtieth each poll.
    assert!(count(&is_inspect) <= 2 * MANY + polls * 5, "{} inspections in {polls} polls", count(&is_inspect));
    assert!(most_at_once(&asked, is_inspect) <= 8);
    assert!(count(&|path| path.starts_with("/version")) <= 4 && count(&|path| path.starts_with("/events")) <= 2);
    assert!(known >= 24, "figures of {known} are known after eight seconds");
}
