//! The two runbooks that use the whole format, whole and as they stand, on real services: load balancers and a game server on hosts of
//! their own, PostgreSQL, Docker Engines, Prometheus. A person at a terminal reads the plan, answers, ticks and looks.

use crate::lab::docker::{Container, Docker, own_docker};
use crate::lab::edge::{Balancer, Game, TOKEN};
use crate::lab::nodes::start_scraping;
use crate::lab::postgres::{Postgres, own_postgres};
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::{Service, folder, free_port};
use crate::lab::sshd::{HOST, Sshd, own_sshd};
use crate::lab::{self, http};
use crate::pty::{PATIENCE, Session};
use crate::support::{Home, say, two_logins_config};
use serde_json::Value;
use std::fmt::Write;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

const DRAIN: &str = "drain-game-server";
const CLOSE: &str = "close-idle-and-restart-api";
const GAMES: [&str; 3] = ["game-1", "game-2", "game-3"];

/// Both pages beside the config, which names their folder.
fn at_home(config: &str) -> Home {
    let home = Home::new(&format!("environment = \"staging\"\n{config}\n[runbooks]\npaths = [\"books\"]\n"));
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks/valid");
    std::fs::create_dir(home.path().join("books")).unwrap();
    for page in [DRAIN, CLOSE].map(|id| format!("{id}.md")) {
        std::fs::copy(from.join(&page), home.path().join("books").join(&page)).unwrap();
    }
    home
}

fn ssh_table(name: &str, sshd: &Sshd) -> String {
    format!("[ssh.{name}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n", sshd.config().display())
}

fn prometheus_table(port: u16) -> String {
    format!("[prometheus.main]\nurl = \"http://127.0.0.1:{port}\"\n")
}

/// Scrapes services under the names of their servers, and waits until all of them are up.
fn scrape(job: &str, targets: &[(&str, u16)], more: &str) -> Result<(u16, Service), String> {
    let mut jobs = format!("- job_name: {job}\n  static_configs:\n");
    for (name, port) in targets {
        let _ = writeln!(jobs, "  - {{targets: ['127.0.0.1:{port}'], labels: {{instance: {name}}}}}");
    }
    let port = free_port();
    let mut service = start_scraping(port, &(jobs + more))?;
    let query = format!("/api/v1/query?query=sum(up%7Bjob%3D%22{job}%22%7D)");
    let wanted = targets.len().to_string();
    let all_up = || {
        let answer = http::get(port, &query).ok().filter(|answer| answer.status == 200)?.json();
        Some(answer["data"]["result"][0]["value"][1] == wanted.as_str())
    };
    service.ready(PATIENCE, || all_up() == Some(true))?;
    Ok((port, service))
}

/// The admin services' token, in a file of its owner alone.
fn secret() -> String {
    let file = folder("token").join("token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    format!("[secret.admin_token]\nfile = \"{}\"\n", file.display())
}

/// Load balancers before game servers.
struct Edge {
    balancers: Vec<Balancer>,
    games: Vec<Game>,
    home: Home,
    _prometheus: Service,
}

/// Two load balancers, which know all games; `only`: the second sends all players to the first game.
fn edge(only: bool) -> Result<Edge, String> {
    let games = GAMES.into_iter().map(Game::start).collect::<Result<Vec<_>, _>>()?;
    let upstream = |alone: bool| {
        let address =
            |game: &Game| (!alone || game.name == GAMES[0]).then(|| format!("{}:{}", game.address, game.port));
        let known: Vec<(&str, Option<String>)> = games.iter().map(|game| (game.name.as_str(), address(game))).collect();
        Balancer::start(&known)
    };
    let balancers = vec![upstream(false)?, upstream(only)?];
    let scraped: Vec<(&str, u16)> = games.iter().map(|game| (game.name.as_str(), game.admin.port())).collect();
    let (port, prometheus) = scrape("game", &scraped, "")?;
    let mut config = prometheus_table(port) + &secret();
    for (at, balancer) in balancers.iter().enumerate() {
        let name = format!("lb-{}", at + 1);
        config += &ssh_table(&name, &balancer.host.sshd);
        let _ = write!(config, "[[server]]\nname = \"{name}\"\nroles = [\"lb\"]\n");
    }
    for game in &games {
        let (name, address, admin) = (&game.name, game.address, game.admin.port());
        config += &ssh_table(name, &game.host.sshd);
        let _ = write!(
            config,
            "[[server]]\nname = \"{name}\"\naddress = \"{address}\"\nroles = [\"game\"]\n\
             endpoints = {{ admin = \"http://127.0.0.1:{admin}\" }}\n"
        );
    }
    let home = at_home(&config);
    Ok(Edge { balancers, games, home, _prometheus: prometheus })
}

/// What can be had, or the test of this name is skipped.
fn had<T>(test: &str, made: Result<T, String>) -> Option<T> {
    made.map_err(|why| lab::skip(&format!("it::example_books::{test}"), &why)).ok()
}

/// Waits for a question, and answers it.
fn asked(screen: &mut Session, question: &str, line: &str) {
    screen.wait_text(question);
    say(screen, line);
}

impl Edge {
    /// Up to the step that a person does, who chooses to let players finish.
    fn drain(&self) -> Session {
        let words = ["runbook", "run", DRAIN, "--var", "server=game-1"];
        let mut screen = self.home.on_terminal(&words);
        asked(&mut screen, "to run it type  drain 1 on game-1 :", "drain 1 on game-1");
        asked(&mut screen, "tick 1: The match channel", "tick 1");
        asked(&mut screen, "[x] The match channel", "tick 2");
        asked(&mut screen, "[x] Nobody streams", "pick 1");
        asked(&mut screen, "chosen: let them finish", "done");
        asked(&mut screen, "type  drain on 2 hosts  to go on", "drain on 2 hosts");
        asked(&mut screen, "batch 1 of 2 is done (lb-1). Look at it before it goes on: next come lb-2", "continue");
        screen
    }

    /// Nothing has been asked of any of them but to look, and all is as it was.
    fn is_untouched(&self, workers: &[Vec<String>]) {
        for game in &self.games {
            let requests = game.admin.requests();
            assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:?}");
            assert!(game.runs() && game.state() == (false, 3), "{game:?}");
        }
        for (balancer, before) in self.balancers.iter().zip(workers) {
            assert_eq!(balancer.workers(), *before);
            assert_eq!(balancer.files(), ["game-1.conf", "game-2.conf", "game-3.conf"]);
        }
    }

    fn workers(&self) -> Vec<Vec<String>> {
        self.balancers.iter().map(Balancer::workers).collect()
    }
}

/// What records of this kind say under `key`.
fn told(records: &[Value], kind: &str, key: &str) -> Vec<String> {
    let of_kind = records.iter().filter(|record| record["kind"] == kind);
    of_kind.map(|record| record["data"][key].as_str().unwrap_or_default().to_owned()).collect()
}

/// All records, once their chain is found whole.
fn verified(home: &Home) -> Vec<Value> {
    let verdict = home.run(&["journal", "verify"]);
    assert_eq!(verdict.status.code(), Some(0), "{}", String::from_utf8_lossy(&verdict.stdout));
    home.records()
}

#[test]
fn a_game_server_is_drained_taken_out_of_every_upstream_and_stopped() {
    let name = "a_game_server_is_drained_taken_out_of_every_upstream_and_stopped";
    let Some(edge) = had(name, edge(false)) else { return };
    let workers = edge.workers();
    assert!(workers.iter().all(|workers| workers.len() == 2), "{workers:?}");
    assert_eq!(edge.balancers[0].sends_to(12), GAMES);
    let planned = edge.home.run(&["runbook", "plan", DRAIN, "--var", "server=game-1"]);
    let text = String::from_utf8_lossy(&planned.stdout);
    assert!(planned.status.success(), "{text}{}", String::from_utf8_lossy(&planned.stderr));
    for shown in
        ["batch 1  lb-1", "batch 2  lb-2", "1 affected:", "POST /admin/drain", "systemctl stop", "nginx -s reload"]
    {
        assert!(text.contains(shown), "{shown} is shown: {text}");
    }
    edge.is_untouched(&workers);
    let mut screen = edge.drain();
    asked(&mut screen, "type  stop on game-1  to go on", "stop on game-1");
    let status = screen.wait_exit();
    assert_eq!(status.exit_code(), 0, "{}", screen.text());
    for (balancer, before) in edge.balancers.iter().zip(&workers) {
        let after = balancer.workers();
        assert!(after.len() == 2 && after.iter().all(|worker| !before.contains(worker)), "{before:?} {after:?}");
        assert_eq!(balancer.files(), ["game-1.conf.drained", "game-1.workers", "game-2.conf", "game-3.conf"]);
        assert_eq!(balancer.sends_to(12), GAMES[1..]);
    }
    let [first, others @ ..] = &edge.games[..] else { unreachable!() };
    assert!(!first.runs() && first.state() == (true, 0), "{first:?}");
    assert!(others.iter().all(|game| game.runs() && game.state() == (false, 3)), "{others:?}");
    let posted: Vec<String> = first.admin.requests().into_iter().filter(|asked| asked.starts_with("POST ")).collect();
    let [posted] = &posted[..] else { panic!("it was told once: {posted:?}") };
    assert!(posted.contains("/1-drain\n") && posted.ends_with("{\"server\": \"game-1\", \"round\": 7}"), "{posted}");
    let records = verified(&edge.home);
    assert_eq!(told(&records, "lock.taken", "detail"), ["server/game-1, service/edge"]);
    assert_eq!(told(&records, "lock.released", "detail").len(), 1);
    assert_eq!(told(&records, "run.batch", "detail").len(), 2);
    assert_eq!(told(&records, "run.finish", "outcome"), ["ok"]);
    let kept = records.iter().map(Value::to_string).collect::<String>() + &String::from_utf8_lossy(&screen.raw());
    assert!(!kept.contains(TOKEN), "the secret is told nobody");
}

#[test]
fn where_nginx_refuses_its_config_that_host_is_put_back_and_the_run_fails_and_says_what_is_left() {
    let name = "where_nginx_refuses_its_config_that_host_is_put_back_and_the_run_fails_and_says_what_is_left";
    let Some(edge) = had(name, edge(true)) else { return };
    let workers = edge.workers();
    let mut screen = edge.drain();
    let status = screen.wait_exit();
    assert_eq!(status.exit_code(), 1, "{}", screen.text());
    let [changed, refused] = &edge.balancers[..] else { unreachable!() };
    assert!(changed.workers().iter().all(|worker| !workers[0].contains(worker)), "{changed:?}");
    assert_eq!(changed.sends_to(12), GAMES[1..]);
    assert_eq!(refused.files(), ["game-1.conf", "game-2.conf", "game-3.conf"]);
    assert_eq!(refused.sends_to(4), GAMES[..1]);
    let game = &edge.games[0];
    assert!(game.runs() && game.state() == (true, 0), "nothing was done after it: {game:?}");
    let records = verified(&edge.home);
    assert_eq!(told(&records, "run.finish", "outcome"), ["failed"]);
    let [reason] = &told(&records, "run.finish", "reason")[..] else { panic!("it ended once: {records:?}") };
    for word in
        ["no servers are inside upstream", "; 1 host has failed, and at most 0 may: lb-2", "; taken back: step 6 "]
    {
        assert!(reason.contains(word), "{word}: {reason}");
    }
    let left = reason.split("left to undo: ").last().unwrap_or_default();
    assert_eq!(left, "step 6 'Edit, test, reload' on lb-1; step 3 '1. Drain' on game-1");
    let states = told(&records, "step.exit", "state");
    assert_eq!(states.iter().filter(|state| *state == "undone").count(), 1, "{states:?}");
    assert_eq!(told(&records, "lock.released", "detail").len(), 1);
}

/// A host of the API: an engine with the container `api` alone, and a service that is as well as that is.
struct Api<'a> {
    name: &'static str,
    container: Container<'a>,
    engine: &'a Docker,
    service: Scripted,
    sshd: Sshd,
}

impl<'a> Api<'a> {
    fn start(name: &'static str, engine: &'a Docker) -> Result<Self, String> {
        let sshd = own_sshd()?;
        let container = engine.container("api").named("api").with_health().start();
        container.wait_health("healthy", PATIENCE);
        let socket = engine.socket.clone();
        let service = Scripted::start(move |path| {
            let found = http::get_unix(&socket, "/containers/api/json").map(|answer| answer.json());
            let is_well = found.is_ok_and(|found| found["State"]["Health"]["Status"] == "healthy");
            let body = if path == "/metrics" { "api_requests 1\n" } else { "{}" };
            Say::Answer(if is_well { 200 } else { 503 }, body.into())
        });
        Ok(Self { name, container, engine, service, sshd })
    }

    fn config(&self) -> String {
        let (name, port) = (self.name, self.service.port());
        ssh_table(name, &self.sshd)
            + &crate::desk::docker(name, &self.engine.host(), "1s")
            + &format!(
                "[[server]]\nname = \"{name}\"\nroles = [\"api\"]\nendpoints = {{ api = \"http://127.0.0.1:{port}\" }}\n"
            )
    }
}

/// The two figures of PostgreSQL's exporter that the runbook asks for, as the server has them at that moment.
fn exporter(database: &Arc<Postgres>) -> Scripted {
    let database = Arc::clone(database);
    Scripted::start(move |_| {
        let ask = |sql: &str| database.column(sql).concat();
        let sessions = ask("SELECT count(*)::text FROM pg_stat_activity");
        let most = ask("SELECT setting FROM pg_settings WHERE name = 'max_connections'");
        Say::good(format!("pg_stat_activity_count {sessions}\npg_settings_max_connections {most}\n"))
    })
}

#[test]
fn idle_sessions_are_closed_and_the_api_is_restarted_host_by_host() {
    let name = "idle_sessions_are_closed_and_the_api_is_restarted_host_by_host";
    let engines = [own_docker(), own_docker()].into_iter().collect::<Result<Vec<_>, _>>();
    let (Some(database), Some(engines)) = (had(name, own_postgres().map(Arc::new)), had(name, engines)) else { return };
    let apis = ["api-1", "api-2"].into_iter().zip(&engines).map(|(name, engine)| Api::start(name, engine));
    let Some(apis) = had(name, apis.collect::<Result<Vec<_>, _>>()) else { return };
    let exporter = exporter(&database);
    let targets: Vec<(&str, u16)> = apis.iter().map(|api| (api.name, api.service.port())).collect();
    let more = format!("- {{job_name: postgres, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}\n", exporter.port());
    let Some((prometheus, _prometheus)) = had(name, scrape("api", &targets, &more)) else { return };
    database.run("CREATE DATABASE spacetime");
    let config = two_logins_config(database.port).replace("environment = \"lab\"\n", "")
        + &prometheus_table(prometheus)
        + &apis.iter().map(Api::config).collect::<String>();
    let home = at_home(&config);
    let leaked = database.sessions(3, "app", "api");
    let (web, busy) = (database.session("app", "web"), database.active("app", "api"));
    let (halfway, root) = (database.idle_in_transaction("app", "api"), database.superuser("api"));
    let alive = |session: &lab::postgres::Session<'_>| database.is_alive(session.pid);
    let others = [&web, &busy, &halfway, &root];
    let before: Vec<String> = apis.iter().map(|api| api.container.started_at()).collect();
    let planned = home.run(&["runbook", "plan", CLOSE, "--var", "idle_minutes=0"]);
    let text = String::from_utf8_lossy(&planned.stdout);
    assert!(planned.status.success(), "{text}{}", String::from_utf8_lossy(&planned.stderr));
    let pids = leaked.iter().map(|session| session.pid.to_string());
    for shown in
        pids.chain(["3 affected:", "batch 1  api-1", "batch 2  api-2", "docker restart -t 30"].map(str::to_owned))
    {
        assert!(text.contains(&shown), "{shown} is shown: {text}");
    }
    assert!(!others.iter().any(|session| text.contains(&session.pid.to_string())), "{text}");
    assert!(leaked.iter().chain(others).all(alive), "a plan ends no session");
    assert!(apis.iter().map(|api| api.container.started_at()).eq(before.iter().cloned()), "and restarts nothing");
    let mut screen = home.on_terminal(&["runbook", "run", CLOSE, "--var", "idle_minutes=0"]);
    asked(&mut screen, "to run it type  kill 3 on primary :", "kill 3 on primary");
    asked(&mut screen, "type  restart api on 2 hosts  to go on", "restart api on 2 hosts");
    asked(&mut screen, "tick 2: the status page", "tick 1");
    asked(&mut screen, "[x] the channel", "tick 2");
    asked(&mut screen, "[x] the status page", "done");
    asked(&mut screen, "side' runs Drain and stop one game server", "skip nobody plays there");
    let status = screen.wait_exit();
    assert_eq!(status.exit_code(), 0, "{}", screen.text());
    assert!(!leaked.iter().any(alive) && others.into_iter().all(alive), "those of the plan are gone, and no others");
    for (api, before) in apis.iter().zip(&before) {
        assert_ne!(api.container.started_at(), *before);
        api.container.wait_health("healthy", PATIENCE);
    }
    let records = verified(&home);
    assert_eq!(
        acted(&records),
        [
            "step.intent 1-close-the-idle-sessions",
            "ok 1-close-the-idle-sessions",
            "step.intent 2-restart-the-api/restart-and-wait-for-healthy@api-1",
            "ok 2-restart-the-api/restart-and-wait-for-healthy@api-1",
            "step.intent 2-restart-the-api/restart-and-wait-for-healthy@api-2",
            "ok 2-restart-the-api/restart-and-wait-for-healthy@api-2",
        ]
    );
    assert_eq!(told(&records, "lock.taken", "detail"), ["database/primary, service/api"]);
    assert_eq!(told(&records, "lock.released", "detail").len(), 1);
    assert_eq!(told(&records, "run.batch", "detail").len(), 2);
    assert_eq!(told(&records, "run.finish", "outcome"), ["ok"]);
}

/// Each change, and when it was found done, in order.
fn acted(records: &[Value]) -> Vec<String> {
    let mut changing = Vec::new();
    let mut acted = Vec::new();
    for record in records {
        let (kind, step) = (record["kind"].as_str().unwrap(), record["step"].as_str().unwrap_or_default());
        if kind == "step.intent" {
            changing.push(step);
            acted.push(format!("{kind} {step}"));
        } else if kind == "step.exit" && record["data"]["state"] == "ok" && changing.contains(&step) {
            acted.push(format!("ok {step}"));
        }
    }
    acted
}
