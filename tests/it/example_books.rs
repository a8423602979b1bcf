//! The two runbooks that use the whole format, whole and as they stand, on real services: load balancers and a game server on hosts of
//! their own, PostgreSQL, Docker Engines, Prometheus. A person at a terminal reads the plan, answers, ticks and looks.

use crate::lab::edge::{Balancer, Game, TOKEN};
use crate::lab::http;
use crate::lab::nodes::start_scraping;
use crate::lab::service::{Service, folder, free_port};
use crate::lab::sshd::{HOST, Sshd};
use crate::pty::{PATIENCE, Session};
use crate::support::Home;
use serde_json::Value;
use std::fmt::Write;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const GAMES: [&str; 3] = ["game-1", "game-2", "game-3"];

/// Both pages beside the config, which names their folder.
fn at_home(config: &str) -> Home {
    let home = Home::new(&format!("environment = \"staging\"\n{config}\n[runbooks]\npaths = [\"books\"]\n"));
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks/valid");
    std::fs::create_dir(home.path().join("books")).unwrap();
    for page in ["drain-game-server.md", "close-idle-and-restart-api.md"] {
        std::fs::copy(from.join(page), home.path().join("books").join(page)).unwrap();
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
    made.map_err(|why| crate::lab::skip(&format!("it::example_books::{test}"), &why)).ok()
}

/// Answers what stands there, as soon as a person can have read it.
fn say(screen: &mut Session, line: &str) {
    screen.sees(Duration::from_millis(350), |_| false);
    screen.send(format!("{line}\r"));
}

/// Waits for a question, and answers it.
fn asked(screen: &mut Session, question: &str, line: &str) {
    screen.wait_text(question);
    say(screen, line);
}

impl Edge {
    /// Up to the step that a person does, who chooses to let players finish.
    fn drain(&self) -> Session {
        let words = ["runbook", "run", "drain-game-server", "--var", "server=game-1"];
        let mut screen = self.home.on_terminal(&words);
        asked(&mut screen, "to run it type  drain 1 on game-1 :", "drain 1 on game-1");
        asked(&mut screen, "tick 1: The match channel", "tick 1");
        asked(&mut screen, "[x] The match channel", "tick 2");
        asked(&mut screen, "[x] Nobody streams", "pick 1");
        asked(&mut screen, "chosen: let them finish", "done");
        asked(&mut screen, "type  drain on 2 hosts  to go on", "drain on 2 hosts");
        asked(&mut screen, "batch 1 of 2 is done (lb-1). Look at it before it goes on: next come lb-2", "next");
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
    let planned = edge.home.run(&["runbook", "plan", "drain-game-server", "--var", "server=game-1"]);
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
    for word in ["no servers are inside upstream", "; undone; 1 host has failed, and at most 0 may; left to undo: "] {
        assert!(reason.contains(word), "{word}: {reason}");
    }
    let left = reason.split("left to undo: ").last().unwrap_or_default();
    let both =
        left.contains("Edit, test, reload on lb-1: ") && left.contains("1. Drain on game-1: DELETE /admin/drain");
    assert!(both && !left.contains("lb-2"), "{left}");
    let states = told(&records, "step.exit", "state");
    assert_eq!(states.iter().filter(|state| *state == "undone").count(), 1, "{states:?}");
    assert_eq!(told(&records, "lock.released", "detail").len(), 1);
}
