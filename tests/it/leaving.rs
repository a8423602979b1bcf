//! However the program ends or is put aside, the terminal is as it was.

use crate::desk::{Desk, child_of, insist, painted, quit};
use crate::lab::poll;
use crate::pty::{Launch, PATIENCE, Session, left_modes};
use quarterdeck::runtime::terminal::{Screen, restore_on_panic};
use ratatui::style::Style;
use rustix::process::{Signal, kill_process};
use std::time::Duration;

const HOST: &str = "[local.host]\ninterval = \"250ms\"\n";

/// What the program takes over while it runs, so that a test that finds it given back has seen it taken.
fn assert_taken(session: &Session) {
    assert!(session.is_raw(), "the line discipline is not raw");
    session.look(|screen| assert!(screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste()));
}

/// The terminal is the shell's, while the program still is there.
fn assert_given_back(session: &Session) {
    assert!(!session.is_raw(), "the line discipline is raw");
    assert_eq!(left_modes(&session.raw()), [""; 0]);
    session.look(|screen| assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()));
}

#[test]
fn the_key_that_leaves_leaves_a_clean_terminal_and_exit_code_0() {
    let desk = Desk::with(HOST);
    let session = desk.start();
    assert_taken(&session);
    quit(session);
}

#[test]
fn signals_that_end_it_leave_a_clean_terminal_and_tell_their_number() {
    let desk = Desk::with(HOST);
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut session = desk.start();
        assert_taken(&session);
        session.signal(signal);
        assert_eq!(session.wait_exit().exit_code(), code, "{signal:?}");
        assert_eq!(session.left_behind(), [""; 0], "{signal:?}");
    }
}

#[test]
fn ctrl_c_says_what_quits_and_gets_out_of_a_dialog() {
    let desk = Desk::with(HOST);
    let mut session = desk.start();
    session.send("\x03");
    session.wait_text("q quits");
    session.send("?");
    session.wait_text("help: the keys");
    session.send("\x03");
    session.wait_no_text("help: the keys");
    quit(session);
}

#[test]
fn the_log_tells_what_happened_once_and_without_verbosity_what_went_wrong() {
    let config = format!("{HOST}\n{}", crate::desk::docker("gone", "unix:///nowhere/docker.sock", "250ms"));
    let log = |arguments: &[&str]| {
        let desk = Desk::with(&config);
        let session = painted(desk.launch().args(arguments));
        session.wait_screen("several polls", PATIENCE, |screen| screen.contents().contains("FAILED for 2s"));
        quit(session);
        std::fs::read_to_string(desk.home().join("state/quarterdeck/quarterdeck.log")).unwrap()
    };
    let count = |log: &str, text: &str| log.lines().filter(|line| line.contains(text)).count();
    let quiet = log(&[]);
    assert_eq!((count(&quiet, "a source fails"), count(&quiet, "INFO")), (1, 0), "{quiet}");
    assert!(quiet.contains("docker/gone") && quiet.contains("/nowhere/docker.sock"), "{quiet}");
    let told = log(&["-v"]);
    assert_eq!((count(&told, " starts "), count(&told, " ends "), count(&told, "DEBUG")), (1, 1, 0), "{told}");
    assert!(told.contains("local/host, docker/gone") || told.contains("docker/gone, local/host"), "{told}");
    let all = log(&["-vv"]);
    assert!(count(&all, "asked source=local/host") > 1, "{all}");
}

#[test]
fn a_closed_terminal_ends_it() {
    let desk = Desk::with(HOST);
    // The program may be reading, painting or at rest when the terminal goes: several moments.
    for moment in [0, 3, 40] {
        let mut session = desk.start();
        session.sees(Duration::from_millis(moment), |_| false);
        session.hang_up();
        session.wait_exit();
    }
}

#[test]
fn a_closed_terminal_ends_it_also_when_no_signal_tells() {
    let desk = Desk::with(HOST);
    let mut session = painted(desk.launch_in_its_own_session());
    let program = child_of(session.pid());
    session.hang_up();
    session.wait_exit();
    // One that nobody has waited for is a zombie; it has ended all the same.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", program.as_raw_nonzero())).ok();
    let ended = || state().is_none_or(|stat| stat.contains(") Z ")).then_some(());
    poll(PATIENCE, ended).expect("the program ends with its terminal");
}

/// Not a test of its own: the child of the next one. Nothing in the program panics on demand, so this takes the terminal as the
/// program does, and panics.
#[test]
fn takes_the_screen_and_panics() {
    let Some(_child) = std::env::var_os("QUARTERDECK_PANICS") else { return };
    restore_on_panic();
    let mut screen = Screen::take().unwrap();
    screen
        .draw(false, Style::default(), |_, buf| _ = buf.set_stringn(0, 0, "all is well so far", 40, Style::default()))
        .unwrap();
    let mut answer = [0];
    std::io::Read::read_exact(&mut std::io::stdin(), &mut answer).unwrap();
    panic!("something is very wrong");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let this = std::env::current_exe().unwrap();
    let launch = Launch::program(this.to_str().unwrap()).env("QUARTERDECK_PANICS", "yes");
    let mut session = launch.args(&["--exact", "leaving::takes_the_screen_and_panics", "--nocapture"]).start();
    session.wait_text("all is well so far");
    assert_taken(&session);
    session.send("x");
    assert_eq!(session.wait_exit().exit_code(), 101);
    assert_eq!(session.left_behind(), [""; 0]);
    assert!(
        session.text().contains("something is very wrong"),
        "it is told where it stays readable\n{}",
        session.text()
    );
}

#[test]
fn a_panic_of_a_source_is_no_panic_of_the_screen() {
    // The hook tells the screen's thread from others: a task's panic must not give the terminal away.
    let this = std::env::current_exe().unwrap();
    let launch = Launch::program(this.to_str().unwrap()).env("QUARTERDECK_PANICS", "yes");
    let mut session =
        launch.args(&["--exact", "leaving::takes_the_screen_and_another_thread_panics", "--nocapture"]).start();
    session.wait_text("the other one is over");
    assert_taken(&session);
    assert!(!session.text().contains("not the screen's"), "{}", session.text());
    session.send("x");
    assert_eq!(session.wait_exit().exit_code(), 0);
    assert_eq!(session.left_behind(), [""; 0]);
}

/// Not a test of its own: the child of the one above.
#[test]
fn takes_the_screen_and_another_thread_panics() {
    let Some(_child) = std::env::var_os("QUARTERDECK_PANICS") else { return };
    restore_on_panic();
    let mut screen = Screen::take().unwrap();
    std::thread::spawn(|| panic!("not the screen's")).join().unwrap_err();
    screen
        .draw(false, Style::default(), |_, buf| {
            _ = buf.set_stringn(0, 0, "the other one is over", 40, Style::default());
        })
        .unwrap();
    let mut answer = [0];
    std::io::Read::read_exact(&mut std::io::stdin(), &mut answer).unwrap();
}

/// Under a shell: the program is stopped by `stop`, looked at, and goes on.
fn stops_and_goes_on(stop: impl FnOnce(&mut Session)) {
    let desk = Desk::with(HOST);
    let mut session = painted(desk.launch_under_shell());
    assert_taken(&session);
    stop(&mut session);
    session.wait_text("stopped with ");
    assert_given_back(&session);
    session.send("\r");
    session.wait_text("4 Databases");
    session.wait_screen("alternate screen", PATIENCE, |screen| screen.alternate_screen() && screen.bracketed_paste());
    assert_taken(&session);
    // Painted whole, and taking keys.
    session.send("?");
    session.wait_text("help: the keys");
    session.send("\x1b");
    session.wait_no_text("help: the keys");
    session.wait_text("1 Servers");
    insist(&mut session, "q", "ended with 0");
    assert!(session.wait_exit().success());
    assert_eq!(session.left_behind(), [""; 0]);
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    stops_and_goes_on(|session| session.send("\x1a"));
}

#[test]
fn a_stop_signal_from_outside_is_like_ctrl_z() {
    stops_and_goes_on(|session| kill_process(child_of(session.pid()), Signal::TSTP).unwrap());
}

#[test]
fn ctrl_z_without_a_shell_to_go_back_to_does_not_freeze_it() {
    let desk = Desk::with(HOST);
    let mut session = desk.start();
    session.send("\x1a");
    session.wait_text("there is no shell to go back to");
    assert_taken(&session);
    quit(session);
}

#[test]
fn stopped_and_continued_from_outside_it_paints_everything_again() {
    let desk = Desk::with(HOST);
    let session = desk.start();
    session.signal(Signal::STOP);
    let before = session.raw().len();
    session.signal(Signal::CONT);
    // Somebody else may have had the terminal in the meantime: it is taken, cleared and painted anew, not only what changed.
    let all = || session.raw()[before..].windows(11).any(|bytes| bytes == b"4 Databases").then_some(());
    poll(PATIENCE, all).expect("it is painted again");
    quit(session);
}
