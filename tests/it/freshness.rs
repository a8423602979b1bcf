//! What happens is on the screen at once, and what hangs holds nobody up.

use crate::desk::{Desk, alerts, docker, painted, postgres, quit, rows_with, wait_row};
use crate::lab::docker::Docker;
use crate::lab::fault::Hung;
use crate::lab::{monitoring, need};
use crate::pty::{PATIENCE, Session};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A machine under load may be slow now and then, so the best of five tries counts; none may be slower than [`WORST`].
const TRIES: usize = 5;
const WORST: Duration = Duration::from_secs(5);

/// When the engine sent an event, by its own clock, which is this machine's.
fn moment(engine: &Docker, id: &str, action: &str, since: SystemTime) -> Duration {
    let since = format!("{}", since.duration_since(UNIX_EPOCH).unwrap().as_secs());
    let until = format!("{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1);
    let (container, event) = (format!("container={id}"), format!("event={action}"));
    let filters = ["--filter", &container, "--filter", &event];
    let range = ["events", "--since", &since, "--until", &until, "--format", "{{.TimeNano}}"];
    let told = engine.cli(&[&range[..], &filters[..]].concat());
    Duration::from_nanos(told.lines().next().expect("the engine tells of the event").parse().unwrap())
}

/// From the engine's `die` event to the words on the screen, for a container that somebody else kills.
fn time_to_screen(engine: &Docker, session: &Session, number: usize) -> Duration {
    let container = engine.container(&format!("fresh{number}")).start();
    // Long before the next poll, which is an hour away, so only the events can have told it.
    wait_row(session, &container.name, &["running"]);
    let before = SystemTime::now();
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| container.act("kill"));
        wait_row(session, &container.name, &["exited 137"]);
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    });
    seen.saturating_sub(moment(engine, &container.id, "die", before))
}

#[test]
fn a_container_stopped_by_someone_else_is_on_the_screen_within_a_quarter_second_of_the_engines_event() {
    let engine = need!(docker);
    let desk = Desk::with(&docker("main", &engine.host(), "1h"));
    let mut session = painted(desk.launch().size(200, 60));
    session.send("2z");
    let times: Vec<Duration> = (0..TRIES).map(|number| time_to_screen(engine, &session, number)).collect();
    eprintln!("from event to screen: {times:?}");
    assert!(times.iter().min() < Some(&Duration::from_millis(250)), "{times:?}");
    assert!(times.iter().all(|time| *time < WORST), "{times:?}");
    quit(session);
}

/// How long it takes from a key to what it shows. The footer names the keys of the focused pane.
fn time_of_key(session: &mut Session, key: &str, shows: &str) -> Duration {
    let sent = Instant::now();
    session.send(key);
    session.wait_screen(shows, PATIENCE, |screen| screen.contents().lines().last().unwrap_or_default().contains(shows));
    sent.elapsed()
}

/// Focus goes back and forth, painted at once.
fn keys_are_painted_at_once(session: &mut Session) {
    let there_and_back = |_| {
        let there = time_of_key(session, "4", "db-kill-idle");
        there.max(time_of_key(session, "2", "container-restart"))
    };
    let times: Vec<Duration> = (0..TRIES).map(there_and_back).collect();
    eprintln!("from key to screen: {times:?}");
    assert!(times.iter().min() < Some(&Duration::from_millis(100)), "{times:?}");
    assert!(times.iter().all(|time| *time < WORST), "{times:?}");
}

#[test]
fn a_hung_engine_delays_no_key_and_no_other_pane_keeps_its_rows_and_comes_back_by_itself() {
    let engine = need!(docker);
    let server = need!(postgres);
    let proxy = engine.proxy();
    let container = engine.container("kept").start();
    let host = format!("unix://{}", proxy.socket().display());
    let desk = Desk::with(&(docker("main", &host, "250ms") + &postgres("main", server.port)));
    let mut session = painted(desk.launch().size(200, 60));
    wait_row(&session, &container.name, &["running"]);
    proxy.pause();
    // While nothing is known yet of its silence, and after it is.
    keys_are_painted_at_once(&mut session);
    session.wait_text("▲ docker/main: no answer within 1.0 s from");
    // The path of the socket is long, and lines are broken around it.
    session.wait_text("failing for");
    keys_are_painted_at_once(&mut session);
    let newcomer = server.session("app", "newcomer");
    wait_row(&session, "newcomer", &[&newcomer.pid.to_string()]);
    drop(newcomer);
    session.wait_no_text("newcomer");
    wait_row(&session, &container.name, &["running"]);
    container.act("stop");
    wait_row(&session, &container.name, &["running"]);
    proxy.open();
    wait_row(&session, &container.name, &["exited 0"]);
    session.wait_no_text("▲ docker/main");
    quit(session);
}

#[test]
fn a_hung_database_keeps_its_sessions_with_reason_and_age_and_comes_back_by_itself() {
    let server = need!(own_postgres);
    let proxy = server.proxy();
    let kept = server.session("app", "kept-app");
    let desk = Desk::with(&postgres("main", proxy.port()));
    let session = painted(desk.launch().size(200, 60));
    wait_row(&session, "kept-app", &["idle"]);
    proxy.pause();
    session.wait_text("▲ postgres/main: no answer within 2.0 s from PostgreSQL at ");
    session.wait_text("failing for");
    wait_row(&session, "kept-app", &[&kept.pid.to_string()]);
    proxy.open();
    session.wait_no_text("▲ postgres/main");
    // A dead one is told at once, and comes back as well.
    proxy.cut();
    session.wait_text("▲ postgres/main: ");
    assert!(rows_with(&session.text(), "kept-app").next().is_some(), "{}", session.text());
    drop(kept);
    proxy.open();
    session.wait_no_text("▲ postgres/main");
    session.wait_no_text("kept-app");
    quit(session);
}

#[test]
fn sources_that_hang_from_the_start_delay_nothing() {
    let lab = need!(monitoring);
    let (engine, server) = (Hung::unix(), Hung::tcp());
    let host = format!("unix://{}", engine.socket().display());
    let config =
        docker("hung", &host, "250ms") + &postgres("hung", server.port()) + &alerts(lab.prometheus, lab.alertmanager);
    let desk = Desk::with(&config);
    let mut session = painted(desk.launch().size(200, 60));
    session.wait_text("docker/hung: asked, waiting for the first answer");
    wait_row(&session, monitoring::FIRING, &["firing"]);
    keys_are_painted_at_once(&mut session);
    session.wait_text("▲ docker/hung: no answer within 1.0 s");
    session.wait_text("▲ postgres/hung: no answer within 2.0 s");
    keys_are_painted_at_once(&mut session);
    // Nor do they delay the end.
    let asked = Instant::now();
    quit(session);
    assert!(asked.elapsed() < WORST, "{:?}", asked.elapsed());
}
