//! The real program acts on real services: on what was chosen, after the answer that it asks for, and on nothing else.

use crate::lab::docker::Container;
use crate::lab::fault::Proxy;
use crate::lab::postgres::{DATABASE, Postgres, Session as Client};
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::{
    Home, KILL_STORY, LONG, RESTART_STORY, answer, ask_kill, docker_config, leave, look_at, plan_kill, postgres_config,
    press, quit, two_logins_config,
};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Long enough by far for a change that was asked for to show.
const QUIET: Duration = Duration::from_secs(1);
/// A container that ends with 3 when it is asked to: the table then shows it above the others.
const ENDS_BADLY: &str = "trap 'exit 3' TERM; tail -f /dev/null & wait";

const RESTARTED: &str = "✓ Restart a container on";
const KILLED: &str = "✓ Kill idle database sessions on primary ok";

/// The requests that came through the proxy and may change something.
fn changes(proxy: &Proxy) -> Vec<String> {
    let sent = proxy.sent();
    let requests = sent.split("POST ").skip(1).chain(sent.split("DELETE ").skip(1));
    requests.map(|request| request.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn is_restart_of(request: &str, container: &Container<'_>) -> bool {
    request.contains(&format!("/containers/{}/restart", container.id))
}

/// Shows this container alone, chosen.
fn choose(screen: &mut Session, container: &Container<'_>) {
    look_at(screen, "2", "container-restart", &container.name);
    screen.wait_screen("chosen container", LONG, |screen| {
        screen.contents().lines().any(|line| line.contains(&container.name) && line.contains("running"))
    });
}

fn plan_restart(screen: &mut Session, container: &Container<'_>) {
    press(screen, "R");
    screen.wait_text(&format!("container = lab/{}", container.name));
}

/// The letters after `shift-`, from top to bottom, in the columns left of any dialog.
fn order(screen: &vt100::Screen) -> String {
    let rows = screen.rows(0, 24);
    rows.filter_map(|row| row.split_once("shift-").and_then(|(_, rest)| rest.chars().next())).collect()
}

fn wait_order(screen: &Session, wanted: &str) {
    screen.wait_screen(&format!("order {wanted}"), LONG, |screen| order(screen) == wanted);
}

#[test]
fn a_restart_hits_the_chosen_container_although_the_rows_move() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let [a, b, c] = ["shift-a", "shift-b", "shift-c"].map(|name| docker.container(name).runs(ENDS_BADLY).start());
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    look_at(&mut screen, "2", "container-restart", &format!("shift- -{}-", std::process::id()));
    wait_order(&screen, "abc");
    screen.send("gj");
    c.act("stop");
    wait_order(&screen, "cab");
    plan_restart(&mut screen, &b);
    screen.wait_text("y runs it");
    c.act("start");
    a.act("stop");
    wait_order(&screen, "abc");
    c.act("stop");
    wait_order(&screen, "acb");
    let before = [&a, &b, &c].map(Container::started_at);
    press(&mut screen, "y");
    screen.wait_text(&format!("{RESTARTED} {} on lab ok", b.name));
    let after = [&a, &b, &c].map(Container::started_at);
    assert_eq!([&after[0], &after[2]], [&before[0], &before[2]], "the others are as they were");
    assert_ne!(after[1], before[1], "the chosen one was restarted");
    leave(&mut screen);
    let changes = changes(&proxy);
    assert!(matches!(changes.as_slice(), [one] if is_restart_of(one, &b)), "{changes:?}");
    assert_eq!(home.story(), RESTART_STORY);
    let intent = home.records().into_iter().find(|record| record["kind"] == "step.intent").unwrap();
    assert_eq!(intent["data"]["sent"], format!("docker restart -t 10 {}", b.id));
}

#[test]
fn a_restart_whose_answer_is_lost_is_unknown_until_it_is_verified() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("lost").start();
    let before = web.started_at();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    choose(&mut screen, &web);
    plan_restart(&mut screen, &web);
    screen.wait_text("y runs it");
    proxy.lose_answer_to("/restart");
    press(&mut screen, "y");
    screen.wait_text(&format!("{RESTARTED} {} on lab ok", web.name));
    leave(&mut screen);
    proxy.wait_sprung(Duration::ZERO);
    assert_ne!(web.started_at(), before);
    assert_eq!(home.story()[3..], ["step.exit unknown", "step.exit ok", "run.finish ok"]);
    assert_eq!(changes(&proxy).len(), 1, "nothing was sent again");
}

/// A line of the screen that says that a plan is being made.
const PLANNING: &str = "planning container-restart on";

#[test]
fn planning_on_a_hung_engine_is_said_and_esc_gives_it_up() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("hung").start();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    choose(&mut screen, &web);
    proxy.pause();
    press(&mut screen, "R");
    screen.wait_text(PLANNING);
    // Beyond the four seconds that a message in passing stays.
    screen.wait_text(", 6 s; esc gives it up");
    press(&mut screen, "\x1b");
    screen.wait_text("is given up: nothing was changed");
    proxy.open();
    screen.never_text("plan: Restart a container", 2 * QUIET);
    assert!(!screen.text().contains("gives it up"), "{}", screen.text());
    // Given up is not broken: the next one comes.
    plan_restart(&mut screen, &web);
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Restart a container");
    leave(&mut screen);
    assert_eq!(home.kinds(), ["journal.open"]);
}

#[test]
fn planning_on_a_hung_engine_ends_by_itself_and_says_why() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("hangs").start();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    choose(&mut screen, &web);
    proxy.pause();
    let asked = Instant::now();
    press(&mut screen, "R");
    screen.wait_text(PLANNING);
    screen.wait_screen("why there is no plan", LONG, |screen| {
        screen.contents().contains("container-restart: no plan, and nothing was changed: lab gave no answer")
    });
    assert!(asked.elapsed() < Duration::from_secs(15), "the limits hold while planning: {:?}", asked.elapsed());
    assert!(!screen.text().contains(PLANNING), "{}", screen.text());
    proxy.open();
    screen.never_text("plan: Restart a container", 2 * QUIET);
    leave(&mut screen);
}

#[test]
fn enter_and_esc_alone_restart_nothing() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("enter").start();
    let before = web.started_at();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    choose(&mut screen, &web);
    plan_restart(&mut screen, &web);
    screen.wait_text("y runs it");
    press(&mut screen, "\r");
    screen.wait_text("Enter alone never acts: y runs it");
    screen.never_text(RESTARTED, QUIET);
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Restart a container");
    screen.never_text(RESTARTED, QUIET);
    leave(&mut screen);
    assert_eq!((web.started_at(), changes(&proxy)), (before, Vec::new()));
    assert_eq!(home.kinds(), ["journal.open"]);
}

#[test]
fn what_was_typed_ahead_or_pasted_is_no_answer() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("ahead").start();
    let before = web.started_at();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    choose(&mut screen, &web);
    press(&mut screen, "Ry");
    // Whether a plan comes of this or not, it is not run. Closed, so that the next one is one that has just come.
    screen.never_text(RESTARTED, QUIET);
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Restart a container");
    press(&mut screen, "R");
    screen.wait_text("plan: Restart a container");
    // Sent when the plan has just come, and long before it can have been read.
    screen.send("y");
    screen.wait_text("too soon or too fast");
    screen.wait_text("y runs it");
    screen.never_text(RESTARTED, QUIET);
    screen.paste("y");
    screen.wait_text("a paste is no answer");
    // More than one key at once: a stray reply of the terminal, or a cat on the keyboard.
    screen.send("yyyy");
    screen.wait_text("too soon or too fast");
    screen.never_text(RESTARTED, QUIET);
    assert_eq!((web.started_at(), changes(&proxy)), (before, Vec::new()));
    assert_eq!(home.kinds(), ["journal.open"]);
    // All this has not made it deaf.
    press(&mut screen, "y");
    screen.wait_text(RESTARTED);
    leave(&mut screen);
    assert_eq!(changes(&proxy).len(), 1);
}

#[test]
fn a_guarded_environment_is_locked_until_it_is_unlocked() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let web = docker.container("guarded").start();
    let before = web.started_at();
    let home = Home::new(&docker_config(proxy.socket()).replace("\"lab\"", "\"production\""));
    let mut screen = home.start(&[]);
    screen.wait_text("writes LOCKED");
    choose(&mut screen, &web);
    plan_restart(&mut screen, &web);
    screen.wait_text("writes are locked: W unlocks them, and comes back to this plan");
    press(&mut screen, "y");
    screen.wait_text("locked: press W to unlock them");
    assert_eq!((web.started_at(), changes(&proxy)), (before.clone(), Vec::new()));
    unlock(&mut screen);
    // The plan is there again, and takes an answer of its own.
    screen.wait_text("y runs it");
    assert_eq!(changes(&proxy), Vec::<String>::new());
    press(&mut screen, "y");
    screen.wait_text(RESTARTED);
    leave(&mut screen);
    assert_ne!(web.started_at(), before);
    assert_eq!(changes(&proxy).len(), 1);
    assert_eq!(home.kinds()[..3], ["journal.open", "writes.lock", "run.start"]);
    assert_eq!(home.story(), RESTART_STORY);
}

/// Enter alone does not unlock either.
fn unlock(screen: &mut Session) {
    press(screen, "W");
    screen.wait_text("y unlocks");
    press(screen, "\r");
    screen.never_text("writes UNLOCKED", QUIET);
    press(screen, "y");
    screen.wait_text("writes UNLOCKED");
}

/// A restart that the engine takes ten seconds for, under way.
fn restart_slowly(screen: &mut Session, home: &Home, container: &Container<'_>) {
    choose(screen, container);
    plan_restart(screen, container);
    screen.wait_text("y runs it");
    press(screen, "y");
    container.wait_event("kill", LONG);
    assert_eq!(home.story().last().unwrap(), "step.intent");
}

const UNDER_WAY: &str = "a run is under way: the same key again leaves it";

#[test]
fn one_key_does_not_leave_a_run_that_is_under_way() {
    let docker = need!(docker);
    let deaf = docker.container("stays").ignores_term().start();
    let home = Home::new(&docker_config(&docker.socket));
    let mut screen = home.start(&[]);
    restart_slowly(&mut screen, &home, &deaf);
    quit(&mut screen);
    screen.wait_text(UNDER_WAY);
    screen.wait_text(&format!("{RESTARTED} {} on lab ok", deaf.name));
    assert_eq!(home.story(), RESTART_STORY);
    leave(&mut screen);
}

#[test]
fn two_keys_leave_a_run_and_the_next_start_says_what_became_of_it() {
    let docker = need!(docker);
    let deaf = docker.container("left").ignores_term().start();
    let before = deaf.started_at();
    let home = Home::new(&docker_config(&docker.socket));
    let mut screen = home.start(&[]);
    restart_slowly(&mut screen, &home, &deaf);
    quit(&mut screen);
    screen.wait_text(UNDER_WAY);
    leave(&mut screen);
    assert_eq!(home.story(), RESTART_STORY[..3]);
    let mut screen = home.start(&[]);
    let said = "1 run of another session was cut off: ";
    screen.wait_screen(said, LONG, |screen| screen.contents().contains(said));
    leave(&mut screen);
    // Whether an engine goes on when its client is gone is its own business; what is said must be so.
    let outcome = if deaf.started_at() == before { "failed" } else { "ok" };
    assert_eq!(home.story()[3..], [format!("step.reconcile {outcome}"), format!("run.finish {outcome}")]);
}

#[test]
fn a_signal_ends_a_run_only_when_what_is_in_flight_is_done() {
    let docker = need!(docker);
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let deaf = docker.container("signalled").ignores_term().start();
        let before = deaf.started_at();
        let home = Home::new(&docker_config(&docker.socket));
        let mut screen = home.start(&[]);
        restart_slowly(&mut screen, &home, &deaf);
        screen.signal(signal);
        assert_eq!(screen.wait_exit().exit_code(), code);
        assert_eq!(screen.left_behind(), Vec::<String>::new());
        assert_ne!(deaf.started_at(), before, "it was finished");
        let mut story = home.story();
        assert_eq!(story.remove(3), "operator.detached");
        assert_eq!(story, RESTART_STORY, "and verified");
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_next_start_tells() {
    let docker = need!(docker);
    let deaf = docker.container("insisted").ignores_term().start();
    let proxy = docker.proxy();
    let home = Home::new(&docker_config(proxy.socket()));
    let mut screen = home.start(&[]);
    restart_slowly(&mut screen, &home, &deaf);
    // However long it takes until the second signal: the engine's answer does not come before it.
    proxy.pause();
    screen.signal(Signal::TERM);
    screen.wait_text("finishing what is under way");
    let detached = || (home.story_now().last()? == "operator.detached").then_some(());
    poll(LONG, detached).unwrap_or_else(|| panic!("{:?}", home.story_now()));
    screen.signal(Signal::TERM);
    assert_eq!(screen.wait_exit().exit_code(), 143);
    assert_eq!(home.story()[..3], RESTART_STORY[..3]);
    assert_eq!(home.story().len(), 4, "nothing came after that nobody is there");
    proxy.open();
    let mut screen = home.start(&[]);
    screen.wait_text("1 run of another session was cut off");
    leave(&mut screen);
}

#[test]
fn read_only_shows_plans_and_runs_none() {
    let docker = need!(docker);
    let server = need!(own_postgres);
    let proxy = docker.proxy();
    let web = docker.container("looked-at").start();
    let before = web.started_at();
    let idle = server.sessions(2, "app", "qd-idle");
    let both = docker_config(proxy.socket()) + &postgres_config(server.port).replace("environment = \"lab\"\n", "");
    let home = Home::new(&both);
    let mut screen = home.start(&["--read-only"]);
    screen.wait_text("READ-ONLY");
    choose(&mut screen, &web);
    only_shows(&mut screen, "R", &web.name, "y");
    look_at(&mut screen, "4", "db-kill-idle", "qd-idle");
    // None of them has been idle for long enough yet.
    only_shows(&mut screen, "I", "0 affected", "kill 2 on primary\r");
    press(&mut screen, "W");
    screen.wait_text("this dashboard is read-only");
    assert!(!screen.text().contains("unlock writes?"));
    screen.wait_text("READ-ONLY");
    leave(&mut screen);
    assert_eq!((web.started_at(), changes(&proxy)), (before, Vec::new()));
    assert!(idle.iter().all(Client::is_alive));
    assert!(!terminates(&server, "qd_act"));
    assert_eq!(home.kinds(), ["journal.open"]);
}

/// The key's plan is shown, with what it is about, and no answer runs it.
fn only_shows(screen: &mut Session, key: &str, about: &str, answer: &str) {
    press(screen, key);
    screen.wait_text("start it without --read-only to act");
    screen.wait_text(about);
    for key in answer.chars() {
        press(screen, &key.to_string());
    }
    press(screen, "y");
    screen.wait_text("▲ this dashboard is read-only");
    press(screen, "\x1b");
    screen.wait_no_text("plan: ");
}

fn terminates(server: &Postgres, role: &str) -> bool {
    server.statements(role).iter().any(|sql| sql.contains("pg_terminate_backend"))
}

/// How often the closing statement was run, by anybody.
fn kills(server: &Postgres) -> usize {
    let all = ["qd_act", "qd_read", "half"].map(|role| server.statements(role));
    all.iter().flatten().filter(|sql| sql.contains("pg_terminate_backend")).count()
}

#[test]
fn enter_and_esc_alone_close_no_session_and_neither_does_a_paste() {
    let server = need!(own_postgres);
    let idle = server.sessions(2, "app", "qd-idle");
    let home = Home::new(&postgres_config(server.port));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 2);
    press(&mut screen, "\r");
    screen.wait_text("that is not \"kill 2 on primary\": nothing was done");
    screen.paste("kill 2 on primary\r");
    screen.wait_text("a paste is no answer");
    press(&mut screen, "\r");
    screen.never_text(KILLED, QUIET);
    // All at once, as a macro would: the Enter comes too fast behind the phrase.
    screen.send("kill 2 on primary\r");
    screen.wait_text("too soon or too fast");
    screen.never_text(KILLED, QUIET);
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Kill idle");
    leave(&mut screen);
    assert!(idle.iter().all(Client::is_alive));
    assert_eq!((kills(&server), home.kinds()), (0, vec!["journal.open".to_owned()]));
}

/// quarterdeck's own sessions on a server.
fn own(server: &Postgres) -> Vec<String> {
    server.column("select pid::text from pg_stat_activity where application_name = 'quarterdeck' order by pid")
}

#[test]
fn exactly_the_planned_idle_sessions_are_closed() {
    let server = need!(own_postgres);
    let planned = server.sessions(3, "app", "qd-idle");
    let mut woken = server.session("web", "qd-idle");
    let mut active = server.session("app", "qd-busy");
    active.work();
    let mut open = server.session("app", "qd-open");
    open.run("begin");
    let superuser = server.session("postgres", "qd-super");
    let replica = server.replication();
    let home = Home::new(&postgres_config(server.port));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 4);
    let ours = own(&server);
    assert!(!ours.is_empty(), "quarterdeck looks at the server");
    woken.run("begin");
    answer(&mut screen, "kill 4 on primary");
    screen.wait_text(&format!("{KILLED}: 3 closed, 1 spared"));
    let tail = String::from_utf8(home.run(&["journal", "tail"]).stdout).unwrap();
    let last = tail.lines().last().unwrap();
    assert!(last.contains("run.finish") && last.contains("3 closed, 1 spared (woke up or left)"), "{tail}");
    assert!(planned.iter().all(|session| !session.is_alive()));
    assert_eq!(server.state(woken.pid).as_deref(), Some("idle in transaction"));
    assert_eq!(server.state(active.pid).as_deref(), Some("active"));
    assert_eq!(server.state(open.pid).as_deref(), Some("idle in transaction"));
    assert!(superuser.is_alive() && server.is_alive(replica.pid));
    let left = own(&server);
    assert!(ours.iter().all(|pid| left.contains(pid)), "{ours:?} {left:?}");
    leave(&mut screen);
    assert_eq!(home.story(), KILL_STORY);
    assert_eq!(signalled(&home), pids(&planned));
}

/// The sessions that the server says it has signalled.
fn signalled(home: &Home) -> Vec<i64> {
    let records = home.records();
    let outputs = records.iter().filter_map(|record| record["data"]["output"].as_str());
    let rows = outputs.flat_map(str::lines).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut pids: Vec<i64> = rows.filter_map(|row| row["pid"].as_i64()).collect();
    pids.sort_unstable();
    pids
}

fn pids(sessions: &[Client<'_>]) -> Vec<i64> {
    let mut pids: Vec<i64> = sessions.iter().map(|session| session.pid.into()).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn a_plan_that_grew_is_shown_and_asked_again() {
    let server = need!(own_postgres);
    let first = server.sessions(2, "app", "qd-idle");
    let home = Home::new(&postgres_config(server.port));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 2);
    let late = server.session("app", "qd-idle");
    answer(&mut screen, "kill 2 on primary");
    screen.wait_text("1 came that nobody has seen. Nothing was done; this is the new plan");
    assert!(first.iter().chain([&late]).all(Client::is_alive));
    assert_eq!(kills(&server), 0);
    assert_eq!(home.story().last().unwrap(), "run.finish stopped");
    assert!(!home.kinds().contains(&"step.intent".to_owned()));
    screen.wait_text("to run it type  kill 3 on primary");
    answer(&mut screen, "kill 2 on primary");
    screen.wait_text("that is not \"kill 3 on primary\"");
    assert_eq!(kills(&server), 0);
    screen.send("\x15");
    // The refusal holds the phrase too: it must be gone before what is typed is looked for.
    screen.wait_no_text("that is not");
    answer(&mut screen, "kill 3 on primary");
    screen.wait_text(KILLED);
    assert!(!first.iter().chain([&late]).any(Client::is_alive));
    leave(&mut screen);
    assert_eq!(kills(&server), 1);
}

#[test]
fn the_reading_login_plans_and_the_acting_login_acts() {
    let server = need!(own_postgres);
    let idle = server.sessions(2, "app", "qd-idle");
    let home = Home::new(&two_logins_config(server.port));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 2);
    let none: [String; 0] = [];
    assert_eq!(server.statements("qd_act"), none, "planning has not used the acting login");
    assert!(server.statements("qd_read").iter().any(|sql| sql.contains("make_interval")), "it used the reading one");
    answer(&mut screen, "kill 2 on primary");
    screen.wait_text(KILLED);
    leave(&mut screen);
    assert!(!idle.iter().any(Client::is_alive));
    assert!(terminates(&server, "qd_act") && !terminates(&server, "qd_read"));
    assert_eq!(kills(&server), 1);
    assert_eq!(home.story(), KILL_STORY);
    let text = serde_json::to_string(&home.records()).unwrap() + &String::from_utf8_lossy(&screen.raw());
    assert!(!text.contains("hunter2"), "no password is shown or recorded");
}

#[test]
fn a_reading_login_alone_closes_nothing_and_says_why() {
    let server = need!(own_postgres);
    let idle = server.sessions(1, "app", "qd-idle");
    let config = postgres_config(server.port).replace("qd_act", "qd_read").replace("QD_ACT", "QD_READ");
    let home = Home::new(&config);
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 1);
    answer(&mut screen, "kill 1 on primary");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✗ Kill idle database sessions"));
    leave(&mut screen);
    assert!(idle[0].is_alive());
    let story = home.story();
    assert_eq!(story[5..], ["step.exit unknown", "step.exit failed", "run.finish failed"]);
    let reasons = home.records().iter().map(|record| record["data"].to_string()).collect::<String>();
    assert!(reasons.contains("permission denied") || reasons.contains("must be a member"), "{reasons}");
}

#[test]
fn a_kill_that_the_server_aborts_half_way_ends_as_its_verification_finds_it() {
    let server = need!(own_postgres);
    // This login may end the sessions of `web`, and not those of `app`; `web` has been idle for longer.
    server.run("create role half login password 'half-hunter2'");
    server.run("grant pg_monitor, web to half");
    let (mine, theirs) = (server.session("web", "qd-idle"), server.session("app", "qd-idle"));
    let place = server.socket.display();
    let dsn = format!("postgres://half@/{DATABASE}?host={place}&port={}&sslmode=disable", server.port);
    let home = Home::new(&format!("environment = \"lab\"\n\n[postgres.primary]\ndsn = \"{dsn}\"\n"));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 2);
    answer(&mut screen, "kill 2 on primary");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✗ Kill idle database sessions"));
    assert!(!mine.is_alive() && theirs.is_alive());
    leave(&mut screen);
    assert_eq!(home.story()[5..], ["step.exit unknown", "step.exit failed", "run.finish failed"]);
    assert_eq!(kills(&server), 1, "nothing was sent again");
}

#[test]
fn a_kill_whose_answer_is_lost_is_unknown_until_it_is_verified() {
    let server = need!(own_postgres);
    let proxy = server.proxy();
    let idle = server.sessions(2, "app", "qd-idle");
    let home = Home::new(&postgres_config(proxy.port()));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 2);
    // The planned rows as the statement's argument: the statement itself came a message earlier.
    proxy.lose_answer_to("\"backend_start\":");
    answer(&mut screen, "kill 2 on primary");
    screen.wait_text(KILLED);
    leave(&mut screen);
    proxy.wait_sprung(Duration::ZERO);
    assert!(!idle.iter().any(Client::is_alive));
    assert_eq!(home.story()[5..], ["step.exit unknown", "step.exit ok", "run.finish ok"]);
    assert_eq!(kills(&server), 1, "nothing was sent again");
}

#[test]
fn a_kill_that_nobody_can_verify_stays_unknown() {
    let server = need!(own_postgres);
    let proxy = server.proxy();
    let idle = server.sessions(1, "app", "qd-idle");
    let home = Home::new(&postgres_config(proxy.port()));
    let mut screen = home.start(&[]);
    plan_kill(&mut screen, "qd-idle", 1);
    proxy.hold_at("\"backend_start\":");
    answer(&mut screen, "kill 1 on primary");
    proxy.wait_sprung(LONG);
    // The line breaks, and the server stays out of reach: it may have got it, or not.
    proxy.cut();
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✗ Kill idle database sessions"));
    screen.wait_text("on primary unknown");
    leave(&mut screen);
    assert!(idle[0].is_alive());
    let story = home.story();
    assert_eq!(story[5..], ["step.exit unknown", "step.exit unknown", "run.finish unknown"]);
    home.configure(&postgres_config(server.port));
    let mut screen = home.start(&[]);
    screen.never_text("was cut off", QUIET);
    leave(&mut screen);
    assert_eq!((home.story(), kills(&server)), (story, 0), "the next start does not send it");
}

#[test]
fn a_session_that_nobody_planned_is_not_closed_when_the_cursor_stands_on_it() {
    let server = need!(own_postgres);
    let idle = server.sessions(1, "app", "qd-idle");
    let mut busy = server.session("app", "qd-busy");
    busy.run("begin");
    let home = Home::new(&postgres_config(server.port));
    let mut screen = home.start(&[]);
    look_at(&mut screen, "4", "db-kill-idle", "qd-busy");
    screen.wait_text(&busy.pid.to_string());
    ask_kill(&mut screen, 1);
    answer(&mut screen, "kill 1 on primary");
    screen.wait_text(KILLED);
    leave(&mut screen);
    assert!(busy.is_alive() && !idle[0].is_alive());
}
