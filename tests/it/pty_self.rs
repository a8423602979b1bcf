//! The pseudo-terminal's promises, with small shell scripts in the place of the program.

use crate::pty::{Launch, PATIENCE, left_modes};
use rustix::process::Signal;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

fn shell(script: &str) -> crate::pty::Session {
    Launch::program("/bin/sh").args(&["-c", script]).size(40, 10).start()
}

#[test]
fn what_is_printed_is_seen_and_what_is_typed_arrives() {
    let mut session = shell("printf '\\033[31mred\\033[0m plain\\n'; read answer; echo \"got $answer\"");
    session.wait_text("red plain");
    let colour = session.look(|screen| screen.cell(0, 0).map(vt100::Cell::fgcolor));
    assert_eq!(colour, Some(vt100::Color::Idx(1)));
    session.send("hello\r");
    session.wait_text("got hello");
    assert!(session.wait_exit().success());
    assert_eq!(session.line("got"), Some((2, "got hello".to_owned())));
    assert_eq!(session.left_behind(), [""; 0]);
    assert!(session.raw().starts_with(b"\x1b[31mred"));
}

#[test]
fn size_and_environment_are_as_asked_and_a_resize_is_told() {
    let script =
        "trap 'stty size; exit 0' WINCH; stty size; echo \"$TERM $COLOUR ${HOME-none}\"; while :; do sleep 0.05; done";
    let mut session = Launch::program("/bin/sh").args(&["-c", script]).env("COLOUR", "teal").size(80, 24).start();
    session.wait_text("24 80");
    session.wait_text("xterm-256color teal none");
    session.resize(100, 30);
    session.wait_text("30 100");
    assert_eq!(session.wait_exit().exit_code(), 0);
    assert_eq!(session.look(|screen| screen.size().1.get()), 100);
}

#[test]
fn a_terminal_left_dirty_is_told_in_words() {
    let mut session =
        shell("stty raw -echo; printf '\\033[?1049h\\033[?25l\\033[?2004h\\033[?1000;1006h\\033[1mbold'; read -r _");
    session.wait_text("bold");
    assert!(session.is_raw());
    session.send("x");
    session.signal(Signal::KILL);
    assert_eq!(session.wait_exit().signal(), Some("Killed"));
    let left = session.left_behind();
    for mode in ["25 is left off", "1000 is left on", "1006 is left on", "1049 is left on", "2004 is left on"] {
        assert!(left.iter().any(|what| what.ends_with(mode)), "{mode} is not in {left:?}");
    }
    assert!(left.iter().any(|what| what.contains("line discipline")), "{left:?}");
    assert!(left.iter().any(|what| what.contains("attributes")), "{left:?}");
}

#[test]
fn modes_set_and_reset_are_clean() {
    assert_eq!(left_modes(b"\x1b[?1049h\x1b[?25l text \x1b[?25h\x1b[?1049l\x1b[>1u\x1b[<1u"), [""; 0]);
    assert_eq!(left_modes(b"\x1b[>1u"), ["a keyboard protocol is left pushed"]);
    assert_eq!(left_modes(b"\x1b[?1004h"), ["private mode 1004 is left on"]);
}

#[test]
fn signals_arrive_and_a_paste_is_bracketed() {
    let mut session = shell("trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    session.wait_text("ready");
    session.signal(Signal::TERM);
    session.wait_text("term");
    assert_eq!(session.wait_exit().exit_code(), 7);
    let mut session = shell("stty raw -echo; echo ready; dd bs=1 count=14 2>/dev/null | od -An -c; echo done");
    session.wait_text("ready");
    session.paste("hi");
    session.wait_text("033   [   2   0   0   ~   h   i");
    session.wait_exit();
}

#[test]
fn text_that_goes_is_seen_to_go_and_bytes_are_seen_raw() {
    let mut session = shell("printf 'wait for it'; read _; printf '\\033[2J\\033]52;c;aGk=\\007'; read _");
    session.wait_text("wait for it");
    session.never_text("nothing", Duration::from_millis(20));
    session.send("\r");
    session.wait_no_text("wait for it");
    session.wait_raw(b"\x1b]52;c;aGk=\x07");
    assert!(!session.text().contains("wait"));
    assert!(rustix::process::test_kill_process(session.pid()).is_ok());
}

#[test]
fn a_closed_terminal_ends_a_program_that_minds() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let mut session =
        shell(&format!("trap 'echo hangup > {path}; exit 0' HUP; echo ready; while :; do sleep 0.05; done"));
    session.wait_text("ready");
    session.hang_up();
    assert!(session.wait_exit().success());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "hangup\n");
}

#[test]
fn a_wait_for_what_a_program_that_ended_never_printed_fails_at_once() {
    let began = Instant::now();
    let wait = || shell("echo something else").wait_text("never");
    let complaint = std::panic::catch_unwind(wait).expect_err("it never came");
    let complaint = complaint.downcast_ref::<String>().unwrap();
    assert!(complaint.starts_with("no “never” on the screen before the program ended"), "{complaint}");
    assert!(complaint.contains("│something else"), "{complaint}");
    assert!(began.elapsed() < PATIENCE / 2, "it took {:?}", began.elapsed());
}

#[test]
fn a_session_is_of_use_after_a_wait_in_it_failed() {
    let session = shell("echo ready; read _");
    session.wait_text("ready");
    let quiet = || session.never_text("ready", Duration::from_millis(20));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(quiet)).is_err());
    assert!(session.text().contains("ready"), "the lock is still taken");
    let pid = session.pid();
    drop(session);
    assert!(rustix::process::test_kill_process(pid).is_err(), "a dropped session leaves no program");
}

#[test]
fn the_program_under_test_is_the_real_one() {
    let mut session = Launch::quarterdeck().arg("--version").start();
    assert!(session.wait_exit().success());
    let version = concat!("quarterdeck ", env!("CARGO_PKG_VERSION"));
    assert!(session.text().contains(version), "{}", session.text());
}
