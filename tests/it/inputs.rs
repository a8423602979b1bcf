//! What comes from the terminal and was not typed does nothing: pastes, replies, reports, garbage. And what is typed
//! afterwards still works.

use crate::desk::{Desk, docker, fence, filter, insist, painted, postgres, quit, wait_row};
use crate::lab::docker::{Container, Docker};
use crate::lab::need;
use crate::lab::postgres::Postgres;
use crate::pty::Session;
use std::time::Duration;

/// Longer than the program takes what follows for a part of the same reply, as on a bad connection.
const LAG: Duration = Duration::from_millis(90);

/// The dashboard with a container under the cursor, so that `R` would plan its restart.
fn over_a_container<'a>(engine: &'a Docker, server: &Postgres) -> (Desk, Session, Container<'a>) {
    let container = engine.container("typed-at").start();
    let desk = Desk::with(&(docker("main", &engine.host(), "1s") + &postgres("main", server.port)));
    let mut session = painted(desk.launch().size(160, 45));
    session.send("2");
    filter(&mut session, &container.name);
    wait_row(&session, &container.name, &["running"]);
    (desk, session, container)
}

/// Nothing was planned, nor is being: the message that a plan is asked for stays longer than a fence takes.
fn nothing_was_done(what: &str) -> impl FnOnce(&str) {
    move |screen: &str| {
        for sign in ["planning ", "─ plan: ", "unlock writes?", "to run it", "y runs it"] {
            assert!(!screen.contains(sign), "after {what:?}: {sign:?}\n{screen}");
        }
    }
}

/// A real `R` opens a plan; Esc leaves it. Proves that the cursor still is where `R` can act.
fn a_typed_key_still_plans(session: &mut Session, container: &Container<'_>) {
    session.send("2");
    filter(session, &container.name);
    insist(session, "R", "plan: ");
    session.send("\x1b");
    session.wait_no_text("plan: ");
}

#[test]
fn pasted_text_does_nothing() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    let pastes =
        ["R", "q", "Ry\r", "q\rq\r", "I\n", "W", "\x1b[31mR\x1b", ":quit\r", "\u{1a}", "/x\rR", "日本 R \u{202e}"];
    for paste in pastes {
        session.paste(paste);
        session.wait_text("pasted text does nothing here");
        fence(&mut session, nothing_was_done(paste));
    }
    // In a field it is text, and stays text.
    session.send("/");
    session.wait_text("filter: ");
    session.paste("Rq\ry\x1b[31m");
    session.wait_text("Rq");
    fence(&mut session, nothing_was_done("a paste into the filter"));
    a_typed_key_still_plans(&mut session, &container);
    // Nor does it answer a plan.
    insist(&mut session, "R", "y runs it");
    session.paste("y");
    session.wait_text("a paste is no answer");
    let started = container.started_at();
    session.send("\x1b");
    session.wait_no_text("plan: ");
    assert_eq!(container.started_at(), started);
    quit(session);
}

/// Replies of a terminal to questions that another program asked, with letters that would act.
const REPLIES: [(&str, &str); 11] = [
    ("the clipboard", "\x1b]52;c;UlJxeUlXUlJxeQ==\x07"),
    ("the clipboard, ended by ST", "\x1b]52;c;qRIyWq\x1b\\"),
    ("a colour", "\x1b]11;rgb:1e1e/1e1e/1e1e\x07"),
    ("a colour, ended by ST", "\x1b]10;rgb:RRRR/qqqq/IIII\x1b\\"),
    ("a title", "\x1b]lR I q y W\x1b\\"),
    ("a version", "\x1bP>|qterm(R.I.y)\x1b\\"),
    ("a capability", "\x1bP1+r524749=71\x1b\\"),
    ("an application's string", "\x1b_GRIqy;OK\x1b\\"),
    ("the cursor's place", "\x1b[24;80R"),
    ("what it is", "\x1b[?62;22c"),
    ("what it is, further", "\x1b[>41;370;0c"),
];

#[test]
fn replies_of_the_terminal_do_nothing_whole_or_in_pieces() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    for (what, reply) in REPLIES {
        session.send(reply);
        fence(&mut session, nothing_was_done(what));
        session.send(reply.repeat(20));
        fence(&mut session, nothing_was_done(what));
        for at in 1..reply.len() {
            session.send(&reply[..at]);
            // The program takes the first piece on its own, as it would from a slow line.
            session.sees(Duration::from_millis(8), |_| false);
            session.send(&reply[at..]);
            session.sees(LAG, |_| false);
            nothing_was_done(&reply[..at])(&session.text());
        }
        fence(&mut session, nothing_was_done(what));
    }
    a_typed_key_still_plans(&mut session, &container);
    quit(session);
}

#[test]
fn a_reply_that_is_torn_apart_by_a_bad_line_plans_nothing_and_does_not_leave() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    for pieces in
        [["\x1b]52;c;UlJ", "RSqIyRq\x07"], ["\x1b", "]52;c;qRIq\x07"], ["\x1bP>|x", "qR\x1b\\"], ["\x1b[24;8", "0R"]]
    {
        for piece in pieces {
            session.send(piece);
            session.sees(LAG, |_| false);
            nothing_was_done(piece)(&session.text());
        }
        fence(&mut session, nothing_was_done(pieces[0]));
    }
    a_typed_key_still_plans(&mut session, &container);
    quit(session);
}

#[test]
fn reports_of_mouse_and_focus_do_nothing() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    let reports = [
        "\x1b[<0;20;10M\x1b[<0;20;10m",
        "\x1b[M Rq",
        "\x1b[M!!!",
        "\x1b[M   ",
        "\x1b[32;30;40M",
        "\x1b[I",
        "\x1b[O",
        "\x1b[0;0R",
    ];
    for report in reports {
        session.send(report);
        fence(&mut session, nothing_was_done(report));
        session.send(report.repeat(30));
        fence(&mut session, nothing_was_done(report));
    }
    a_typed_key_still_plans(&mut session, &container);
    quit(session);
}

#[test]
fn keys_that_come_in_a_burst_neither_plan_nor_leave_and_one_alone_does() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    for burst in ["RR", "qq", "Rj", "qj", "jR", "jq", "Ry\r", "q\r", "\x1a\x1a", ":quit\r", "RqRqRqRq"] {
        session.send(burst);
        session.sees(LAG, |_| false);
        nothing_was_done(burst)(&session.text());
        fence(&mut session, nothing_was_done(burst));
    }
    session.send("Rj");
    session.wait_text("faster than anybody types");
    a_typed_key_still_plans(&mut session, &container);
    quit(session);
}

/// xorshift64*: the same garbage every time, so that a failure can be seen again.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Two to 120 bytes: any at all, or those that begin, end and fill control sequences, with letters that act. A single
    /// byte could be a key that somebody typed.
    fn bytes(&mut self) -> Vec<u8> {
        const SPICE: &[u8] = b"\x1b\x1b\x1b[]P_?>;<01M~uRqIyWa:/\r\x07\\\x1a\x90\x9b\xff\xc3\xe2\xf0";
        let (length, spiced) = (2 + self.next() % 119, self.next().is_multiple_of(2));
        let any = |number: u64| (number >> 24) as u8;
        (0..length)
            .map(|_| match self.next() {
                number if spiced => SPICE[(number >> 24) as usize % SPICE.len()],
                number => any(number),
            })
            .collect()
    }
}

#[test]
fn garbage_does_nothing() {
    let engine = need!(docker);
    let server = need!(postgres);
    let (_desk, mut session, container) = over_a_container(engine, server);
    let mut garbage = Garbage(0x5eed_0f0d_dba1_1000);
    for _ in 0..60 {
        let bytes = garbage.bytes();
        session.send(&bytes);
        // A sequence that the garbage began is ended, a paste too, or it would swallow the key that follows.
        session.send("cu\x1b[201~cu");
        fence(&mut session, nothing_was_done(&String::from_utf8_lossy(&bytes)));
    }
    // An escape with a key right behind it is another key.
    fence(&mut session, |_| {});
    a_typed_key_still_plans(&mut session, &container);
    quit(session);
}
