//! Names and texts from outside that would drive the terminal, turn what is read around, or shift a column.

use crate::desk::{Desk, docker, filter, painted, postgres, quit, wait_row};
use crate::lab::need;
use crate::pty::Session;

/// Colours, clipboard, title, erasing, direction, zero width, tags.
const TRICKS: &str = "\u{1b}[31m\u{1b}]52;c;cm0gLXJmIC8=\u{7}\u{1b}]0;own\u{1b}\\\u{1b}[2J\u{202e}live\u{2066}\u{200b}\u{200d}\u{feff}\u{e0041}";
/// Wide, combined and joined.
const WIDE: &str = "日本語👩\u{200d}👩\u{200d}👧🇩🇪e\u{301}\u{301}\u{301}\u{301}\u{301}";

/// A control character of one byte in other encodings. Shown as U+FFFD, which the picture of the screen here leaves out, so it
/// stands last.
const C1: &str = "\u{9b}41m";

/// Nothing that drives a terminal came through: no control string, no bell, no erasing beyond the program's own, no
/// tricky character.
fn assert_harmless(session: &Session) {
    let mut raw = session.raw();
    // What is on its way may end in the middle of a character.
    if let Some(error) = std::str::from_utf8(&raw).err().filter(|error| error.error_len().is_none()) {
        raw.truncate(error.valid_up_to());
    }
    // But for the one question that the program asks the terminal itself: what its ground is.
    let text = String::from_utf8(raw).expect("what is printed is UTF-8").replace("\u{1b}]11;?\u{7}", "");
    for bad in ["\u{1b}]", "\u{1b}P", "\u{1b}_", "\u{7}", "\u{1b}[31m\u{1b}", "\u{1b}[41m"] {
        assert!(!text.contains(bad), "{bad:?} was printed");
    }
    let tricky = |char: &char| matches!(char, '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    assert_eq!(text.chars().find(tricky), None);
}

/// The column, in cells, at which `text` begins in the row that also holds `name`.
fn column_of(session: &Session, name: &str, text: &str) -> Option<u16> {
    session.look(|screen| {
        let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
        let line = |row: u16| -> Vec<(u16, String)> {
            let cell = |column| Some((column, screen.cell(row, column)?.contents().to_owned()));
            (0..columns).filter_map(cell).collect()
        };
        let joined = |cells: &[(u16, String)]| -> String {
            cells.iter().map(|(_, text)| if text.is_empty() { " " } else { text }).collect()
        };
        let row = (0..rows).map(line).find(|cells| joined(cells).contains(name))?;
        (0..row.len()).find(|from| joined(&row[*from..]).starts_with(text)).map(|from| row[from].0)
    })
}

/// The columns after what is hostile begin where those of a tame row begin.
fn assert_aligned(session: &Session, [tame, hostile]: [&str; 2], texts: &[&str]) {
    for text in texts {
        let places = [column_of(session, tame, text), column_of(session, hostile, text)];
        assert!(places[0].is_some() && places[0] == places[1], "{text:?} at {places:?}\n{}", session.text());
    }
}

#[test]
fn a_sessions_role_and_query_drive_nothing_and_shift_nothing() {
    let server = need!(own_postgres);
    // PostgreSQL cuts a name at 63 bytes.
    let role = "evil\u{1b}[31m\u{1b}]0;own\u{7}\u{202e}\u{200b}\u{200d}日本語👩".to_owned();
    for name in [&role, "tame"] {
        server.run(&format!("create role \"{name}\" login"));
    }
    let mut hostile = server.session(&role, &format!("app-hostile{TRICKS}"));
    let mut tame = server.session("tame", "app-tame");
    hostile.run(&format!("select '{WIDE}' /* {TRICKS}\r\n\tend {C1} */"));
    tame.run("select 'tame'");
    let desk = Desk::with(&postgres("main", server.port));
    let mut session = painted(desk.launch().size(240, 45));
    session.send("4z");
    // Alone, as a whole: else the old frame's rows may stand below the new one's.
    session.wait_no_text("3 Alerts");
    wait_row(&session, "app-hostile", &["evil", "select '日本語", "end "]);
    wait_row(&session, "app-tame", &["select 'tame'"]);
    assert_aligned(&session, ["app-tame", "app-hostile"], &["app-", "local", "shop", "idle", "select '"]);
    // Everything about it, wrapped over several lines, and in a message.
    filter(&mut session, "app-hostile");
    session.send("\r");
    session.wait_text("backend start");
    assert_harmless(&session);
    session.send("\x1b");
    session.wait_no_text("backend start");
    quit(session);
    let printed = desk.run(&["snapshot", "databases"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(
        text.contains("日本語") && !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{200d}']),
        "{text:?}"
    );
    let printed = desk.run(&["snapshot", "databases", "--json"]);
    let json = String::from_utf8(printed.stdout).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{200d}']), "{json:?}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let users = json["sources"][0]["data"]["sessions"].as_array().unwrap().iter().map(|session| &session["user"]);
    assert!(users.into_iter().any(|user| *user == role), "{json}");
}

#[test]
fn a_containers_labels_drive_nothing_and_shift_nothing() {
    let engine = need!(docker);
    let hostile = engine.container("label-hostile").compose("evil\u{1b}[2J\u{202e}", WIDE).start();
    let tame = engine.container("label-tame").compose("game", "api").start();
    let desk = Desk::with(&docker("main", &engine.host(), "250ms"));
    let mut session = painted(desk.launch().size(320, 45));
    session.send("2z");
    filter(&mut session, "label-");
    wait_row(&session, &hostile.name, &["evil␛[2J/日本語", "%"]);
    wait_row(&session, &tame.name, &["game/api", "%"]);
    assert_aligned(&session, [&tame.name, &hostile.name], &["running", "quarterdeck-lab:1"]);
    filter(&mut session, &hostile.name);
    session.wait_no_text(&tame.name);
    session.send("\r");
    session.wait_text("oom-killed");
    assert_harmless(&session);
    session.send("\x1b");
    session.wait_no_text("oom-killed");
    quit(session);
}
