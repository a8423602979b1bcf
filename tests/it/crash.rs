//! The real program is killed (`kill -9`) at each point of a run, and started again: it says what became of the run, does
//! nothing again, and the third start has nothing left to say.
//!
//! A point is a number of the run's records that are durable. A trigger in the journal's file, made behind the program's
//! back, never ends for the record after them, so that the program stands there until it is killed. One point
//! lies between two records: the intent is durable, and the request is held on its way to the service.

use crate::lab::docker::{Container, Docker};
use crate::lab::fault::Proxy;
use crate::lab::postgres::{Postgres, Session as Client};
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::{
    Home, KILL_STORY, LONG, RESTART_STORY, answer, docker_config, leave, look_at, plan_kill, postgres_config, press,
};
use rustix::process::Signal;
use std::cell::RefCell;
use std::time::Duration;

/// How long nothing must be said that would be said at once.
const QUIET: Duration = Duration::from_secs(2);

/// What a run acts on.
trait World {
    /// Its config: behind the proxy before the crash, without it afterwards.
    fn config(&self, proxied: bool) -> String;
    /// From the start of the program to a plan that waits for its answer.
    fn plan(&self, screen: &mut Session);
    fn answer(&self, screen: &mut Session);
    /// The records of a run that nothing disturbs.
    fn whole(&self) -> &'static [&'static str];
    /// The change shall be held on its way.
    fn hold(&self);
    /// Waits until it is.
    fn wait_held(&self);
    /// How often the change has happened.
    fn effects(&self) -> usize;
    /// After the crash: what is held is lost, and what the next start must leave alone comes to be.
    fn go_on(&self);
    /// At the end: whether what should have been left alone was.
    fn check(&self);
}

/// Where it is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// So many records of the run are durable, and the next is not.
    After(usize),
    /// The intent is durable, and nothing has reached the service.
    Unsent,
}

/// Kills at a point, and sees the next two starts.
fn crash(world: &impl World, point: Point, outcome: &str) {
    let home = Home::new(&world.config(true));
    let mut screen = home.start(&[]);
    world.plan(&mut screen);
    let durable = stop_at(world, &home, point);
    world.answer(&mut screen);
    let happened = wait_for(world, &home, point, durable);
    kill(&mut screen);
    assert_eq!(home.story_now(), durable, "the kill fell at {point:?}");
    assert_eq!(world.effects(), happened);
    home.tamper("DROP TRIGGER IF EXISTS stands_still");
    world.go_on();
    home.configure(&world.config(false));
    let told = start_again(&home, outcome);
    let doubtful = durable.contains(&"step.intent") && durable.last() != Some(&"step.exit ok");
    let reconciled = doubtful.then(|| format!("step.reconcile {outcome}"));
    let expected: Vec<String> = durable.iter().map(|line| (*line).to_owned()).chain(reconciled).collect();
    assert_eq!(told[..told.len() - 1], expected);
    assert_eq!(world.effects(), happened, "nothing was done by the next start");
    start_in_peace(&home, outcome, &told);
    assert_eq!(world.effects(), happened, "nor by the one after it");
    world.check();
}

/// Makes sure that the run gets no further; the records that will be durable.
fn stop_at<'a>(world: &'a impl World, home: &Home, point: Point) -> &'a [&'static str] {
    let whole = world.whole();
    match point {
        Point::After(count) => {
            home.stand_still(count);
            &whole[..count]
        }
        Point::Unsent => {
            world.hold();
            let intent = whole.iter().position(|line| *line == "step.intent").unwrap();
            &whole[..=intent]
        }
    }
}

/// Waits until the program stands at the point; how often the change has happened by then.
fn wait_for(world: &impl World, home: &Home, point: Point, durable: &[&str]) -> usize {
    let there = || (home.story_now() == durable).then_some(());
    poll(LONG, there).unwrap_or_else(|| panic!("{:?} is not {durable:?}", home.story_now()));
    if let Point::Unsent = point {
        world.wait_held();
        return 0;
    }
    poll(LONG, || home.is_being_written().then_some(())).expect("it stands at the next record");
    let expected = usize::from(durable.contains(&"step.intent"));
    poll(LONG, || (world.effects() == expected).then_some(expected)).expect("the change has happened")
}

fn kill(screen: &mut Session) {
    screen.signal(Signal::KILL);
    let status = screen.wait_exit();
    assert!(status.signal().is_some(), "it was killed: {status:?}");
}

/// The start after the crash: it lists the run, and says how it ended. The story then.
fn start_again(home: &Home, outcome: &str) -> Vec<String> {
    let mut screen = home.start(&[]);
    let said = format!("1 run of another session was cut off: {outcome}, ");
    screen.wait_screen(&said, LONG, |screen| screen.contents().contains(&said));
    press(&mut screen, "6");
    wait_listed(&screen, outcome);
    leave(&mut screen);
    let story = home.story();
    assert_eq!(story.last().unwrap(), &format!("run.finish {outcome}"));
    story
}

/// View 6 has the run, with this outcome.
fn wait_listed(screen: &Session, outcome: &str) {
    screen.wait_screen(&format!("run that is {outcome}"), LONG, |screen| {
        screen.contents().lines().any(|line| {
            let line = line.trim_matches(|char: char| !char.is_alphanumeric());
            line.starts_with(outcome) && (line.contains("container-restart") || line.contains("db-kill-idle"))
        })
    });
}

/// A start that finds nothing to clear up.
fn start_in_peace(home: &Home, outcome: &str, told: &[String]) {
    let opened = || home.kinds().iter().filter(|kind| *kind == "journal.open").count();
    let before = opened();
    let mut screen = home.start(&[]);
    press(&mut screen, "6");
    wait_listed(&screen, outcome);
    screen.never_text("was cut off", QUIET);
    leave(&mut screen);
    assert_eq!(home.story(), told);
    assert_eq!(opened(), before + 1, "it was there, and wrote nothing else");
}

/// A container that is restarted.
struct Restart<'a> {
    docker: &'a Docker,
    proxy: Proxy,
    container: Container<'a>,
}

impl<'a> Restart<'a> {
    fn new(docker: &'a Docker, container: Container<'a>) -> Self {
        Self { docker, proxy: docker.proxy(), container }
    }

    fn of(docker: &'a Docker) -> Self {
        Self::new(docker, docker.container("crash").start())
    }

    /// How often it was started, its first start included.
    fn starts(&self) -> usize {
        let made = self.container.inspect()["Created"].as_str().unwrap().to_owned();
        let filter = format!("container={}", self.container.id);
        let now = jiff::Timestamp::now().to_string();
        let arguments = ["events", "--since", &made, "--until", &now, "--filter", &filter, "--filter", "event=start"];
        self.docker.cli(&arguments).lines().count()
    }
}

impl World for Restart<'_> {
    fn config(&self, proxied: bool) -> String {
        docker_config(if proxied { self.proxy.socket() } else { &self.docker.socket })
    }

    fn plan(&self, screen: &mut Session) {
        look_at(screen, "2", "container-restart", &self.container.name);
        screen.wait_screen("chosen container", LONG, |screen| {
            let contents = screen.contents();
            contents.lines().any(|line| line.contains(&self.container.name) && line.contains("running"))
        });
        press(screen, "R");
        screen.wait_text(&format!("container = lab/{}", self.container.name));
        screen.wait_text("y runs it");
    }

    fn answer(&self, screen: &mut Session) {
        press(screen, "y");
    }

    fn whole(&self) -> &'static [&'static str] {
        &RESTART_STORY
    }

    fn hold(&self) {
        self.proxy.hold_at("/restart");
    }

    fn wait_held(&self) {
        self.proxy.wait_sprung(LONG);
    }

    fn effects(&self) -> usize {
        self.starts() - 1
    }

    fn go_on(&self) {
        self.proxy.cut();
    }

    fn check(&self) {
        assert_eq!(self.container.state(), "running");
    }
}

/// Idle sessions that are closed.
struct Kill<'a> {
    server: &'a Postgres,
    proxy: Proxy,
    planned: Vec<Client<'a>>,
    /// Idle too, and there only since the crash.
    late: RefCell<Vec<Client<'a>>>,
}

impl<'a> Kill<'a> {
    fn of(server: &'a Postgres) -> Self {
        let planned = server.sessions(2, "app", "qd-idle");
        Self { server, proxy: server.proxy(), planned, late: RefCell::default() }
    }

    fn alive(&self) -> usize {
        self.planned.iter().filter(|session| session.is_alive()).count()
    }
}

impl World for Kill<'_> {
    fn config(&self, proxied: bool) -> String {
        postgres_config(if proxied { self.proxy.port() } else { self.server.port })
    }

    fn plan(&self, screen: &mut Session) {
        plan_kill(screen, "qd-idle", self.planned.len());
    }

    fn answer(&self, screen: &mut Session) {
        answer(screen, "kill 2 on primary");
    }

    fn whole(&self) -> &'static [&'static str] {
        &KILL_STORY
    }

    fn hold(&self) {
        // The planned rows as the statement's argument: nothing has been run before they come.
        self.proxy.hold_at("\"backend_start\":");
    }

    fn wait_held(&self) {
        self.proxy.wait_sprung(LONG);
    }

    fn effects(&self) -> usize {
        let statements = self.server.statements("qd_act");
        let runs = statements.iter().filter(|sql| sql.contains("pg_terminate_backend")).count();
        // Signalled is not yet gone: a run counts when all it was to close is closed.
        if runs > 0 && self.alive() > 0 { 0 } else { runs }
    }

    fn go_on(&self) {
        self.proxy.cut();
        self.late.borrow_mut().extend(self.server.sessions(2, "app", "qd-idle"));
    }

    fn check(&self) {
        assert!(self.late.borrow().iter().all(Client::is_alive), "what came after the crash is left alone");
        let closed = self.effects() > 0;
        assert_eq!(self.alive(), if closed { 0 } else { self.planned.len() });
    }
}

/// A test for each point of a runbook.
macro_rules! killed {
    ($world:ident on $service:ident: $($name:ident at $point:expr => $outcome:literal;)+) => {$(
        #[test]
        fn $name() {
            let service = need!($service);
            #[allow(clippy::needless_borrow, reason = "one of the services is lent, the other owned")]
            crash(&$world::of(&service), $point, $outcome);
        }
    )+};
}

killed! { Restart on docker:
    restart_killed_after_its_start at Point::After(1) => "stopped";
    restart_killed_after_its_recheck at Point::After(2) => "stopped";
    restart_killed_between_intent_and_sending at Point::Unsent => "failed";
    restart_killed_between_effect_and_its_record at Point::After(3) => "ok";
    restart_killed_before_its_verification_is_recorded at Point::After(4) => "ok";
    restart_killed_before_its_finish at Point::After(5) => "ok";
}

killed! { Kill on own_postgres:
    kill_killed_after_its_start at Point::After(1) => "stopped";
    kill_killed_in_its_preflight at Point::After(2) => "stopped";
    kill_killed_after_its_preflight at Point::After(3) => "stopped";
    kill_killed_after_its_recheck at Point::After(4) => "stopped";
    kill_killed_between_intent_and_sending at Point::Unsent => "failed";
    kill_killed_between_effect_and_its_record at Point::After(5) => "ok";
    kill_killed_before_its_verification_is_recorded at Point::After(6) => "ok";
    kill_killed_before_its_finish at Point::After(7) => "ok";
}

#[test]
fn killed_again_while_clearing_up_it_is_cleared_up_by_the_next() {
    let docker = need!(docker);
    let world = Restart::of(docker);
    let home = Home::new(&world.config(true));
    let mut screen = home.start(&[]);
    world.plan(&mut screen);
    let durable = stop_at(&world, &home, Point::After(3));
    world.answer(&mut screen);
    wait_for(&world, &home, Point::After(3), durable);
    kill(&mut screen);
    home.tamper("DROP TRIGGER stands_still");
    // The second start gets as far as its finding, and no further.
    home.stand_still(4);
    let mut screen = home.start(&[]);
    let found = ["run.start", "step.recheck", "step.intent", "step.reconcile ok"];
    poll(LONG, || (home.story_now() == found && home.is_being_written()).then_some(())).expect("it finds out");
    kill(&mut screen);
    assert_eq!(home.story_now(), found);
    home.tamper("DROP TRIGGER stands_still");
    let told = start_again(&home, "ok");
    assert_eq!(told[..4], found);
    assert_eq!((told.len(), world.effects()), (5, 1));
    start_in_peace(&home, "ok", &told);
    assert_eq!(world.effects(), 1);
}

#[test]
fn killed_while_the_engine_still_restarts_it_waits_for_what_comes_of_it() {
    let docker = need!(docker);
    // The engine waits ten seconds for it to end by itself: the kill falls into that time.
    let world = Restart::new(docker, docker.container("deaf").ignores_term().start());
    let home = Home::new(&world.config(false));
    let mut screen = home.start(&[]);
    world.plan(&mut screen);
    world.answer(&mut screen);
    world.container.wait_event("kill", LONG);
    assert_eq!((world.effects(), home.story_now().last().unwrap().as_str()), (0, "step.intent"));
    kill(&mut screen);
    assert_eq!(world.effects(), 0, "the kill fell before the engine was done");
    let mut screen = home.start(&[]);
    // At once, and long before it is known what became of it.
    screen.wait_text("1 run of another session was cut off; looking at what became of it");
    press(&mut screen, "6");
    screen.wait_text("1 cut off, being looked at");
    // Awaited, not looked at: a frame may just be on its way.
    screen.wait_no_text("running");
    let over = || home.story_now().last().unwrap().strip_prefix("run.finish ").map(str::to_owned);
    let outcome = poll(LONG, over).expect("it finds out");
    leave(&mut screen);
    // Whether an engine goes on when its client is gone is its own business; what is said must be so.
    let restarted = world.effects();
    assert_eq!(outcome, if restarted == 1 { "ok" } else { "failed" });
    let told = home.story();
    assert_eq!(told[3..], [format!("step.reconcile {outcome}"), format!("run.finish {outcome}")]);
    start_in_peace(&home, &outcome, &told);
    assert_eq!(world.effects(), restarted);
}

#[test]
fn a_run_is_left_to_its_process_as_long_as_that_lives() {
    let docker = need!(docker);
    let world = Restart::of(docker);
    let home = Home::new(&world.config(true));
    let mut first = home.start(&[]);
    world.plan(&mut first);
    world.hold();
    world.answer(&mut first);
    world.wait_held();
    home.configure(&world.config(false));
    let mut second = home.start(&[]);
    second.never_text("was cut off", QUIET);
    leave(&mut second);
    assert_eq!(home.story().last().unwrap(), "step.intent");
    world.proxy.open();
    first.wait_text("✓ Restart a container on");
    leave(&mut first);
    assert_eq!(home.story(), RESTART_STORY);
    assert_eq!(world.effects(), 1);
}
