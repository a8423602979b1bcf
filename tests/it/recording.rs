//! Recording and replaying with the real program: what was on the screen is on the screen again, and nothing of it is a secret.

use crate::desk::{self, Desk, insist, painted, quit};
use crate::dump;
use crate::lab::need;
use crate::lab::postgres::password;
use crate::scene::{SOURCES, Scene, start};
use flate2::read::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use quarterdeck::domain::Now;
use quarterdeck::event::{Event, Recording};
use quarterdeck::recording::{Ending, Played, Position};
use serde_json::Value;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The lines of a recording, however it ends.
fn lines(path: &Path) -> String {
    let (mut text, mut bytes) = (String::new(), Vec::new());
    // A file that was cut off has no end; what is before it counts.
    let _ = MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes);
    text.push_str(&String::from_utf8(bytes).unwrap());
    text
}

#[test]
fn a_session_that_is_gone_is_on_the_screen_of_the_replay() {
    let server = need!(own_postgres);
    let desk = Desk::with(&format!("environment = \"lab\"\n\n{}", desk::postgres("primary", server.port)));
    let file = desk.home().join("night.rec");
    let path = file.display().to_string();
    let screen = painted(desk.launch().args(&["--record", &path]));
    screen.wait_text("● REC");
    let visitor = server.idle_in_transaction("web", "visitor");
    // The pane is too narrow for the application's name.
    screen.wait_text("idle in tx");
    let seen = Timestamp::now();
    drop(visitor);
    screen.wait_no_text("idle in tx");
    quit(screen);
    drop(server);

    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = lines(&file);
    assert!(text.contains("visitor") && !text.contains(&password("qd_read")), "{text}");

    let mut screen = painted(desk.launch().args(&["replay", &path, "--paused", "--at", &seen.to_string()]));
    screen.wait_text("idle in tx");
    screen.wait_text("‖ paused 1×");
    screen.wait_text(&seen.strftime("REPLAY %Y-%m-%d").to_string());
    screen.wait_text(&seen.strftime("%H:%M:%SZ").to_string());
    screen.send("+");
    screen.wait_text("paused 2×");
    screen.send(" ");
    screen.wait_text("the recording ends here");
    screen.wait_no_text("idle in tx");
    screen.send("4");
    insist(&mut screen, "I", "nothing can be changed in what has been");
    screen.send("<");
    screen.wait_no_text("the recording ends here");
    screen.wait_text("the recording ends here");
    quit(screen);

    let at = ["snapshot", "--replay", &path, "--json", "--at", &seen.to_string()];
    let told: Value = serde_json::from_slice(&desk.run(&at).stdout).unwrap();
    let sessions = told["sources"][0]["data"]["sessions"].as_array().unwrap();
    assert!(sessions.iter().any(|session| session["application"] == "visitor"), "{told}");
    let end = desk.run(&["snapshot", "databases", "--replay", &path]);
    let printed = String::from_utf8(end.stdout).unwrap();
    assert!(end.status.success() && printed.contains("4 Databases") && !printed.contains("visitor"), "{printed}");
    let early = desk.run(&["snapshot", "--replay", &path, "--at", "2001-01-01T00:00Z"]);
    let why = String::from_utf8(early.stderr).unwrap();
    assert!(!early.status.success() && why.contains("the recording does not hold 2001-01-01 00:00:00Z"), "{why}");
}

#[test]
fn a_recording_without_a_screen_ends_in_time_and_never_takes_the_place_of_a_file() {
    let desk = Desk::with("environment = \"lab\"\n\n[local.host]\ninterval = \"250ms\"\n");
    let file = desk.home().join("a.rec");
    let path = file.display().to_string();
    let done = desk.run(&["record", &path, "--for", "1s"]);
    assert!(done.status.success(), "{done:?}");
    assert!(lines(&file).lines().last().unwrap().starts_with("{\"end\":"));
    let again = desk.run(&["record", &path, "--for", "1s"]);
    let why = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && why.contains("exists: name another file, or say --overwrite"), "{why}");
    assert!(desk.run(&["record", &path, "--for", "1s", "--overwrite"]).status.success());
    let printed = String::from_utf8(desk.run(&["snapshot", "servers", "--replay", &path]).stdout).unwrap();
    assert!(printed.contains("1 Servers"), "{printed}");

    // Cut in the middle, it holds what came before; of a newer format, or no recording, it is refused.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 30]).unwrap();
    assert!(desk.run(&["snapshot", "servers", "--replay", &path]).status.success());
    std::fs::write(&file, "[environment]\n").unwrap();
    let refused = desk.run(&["replay", &path]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("a.rec: no recording of quarterdeck"));
}

#[test]
fn a_full_disk_and_a_reader_that_leaves_are_told() {
    let desk = Desk::with("environment = \"lab\"\n\n[local.host]\ninterval = \"250ms\"\n");
    let full = desk.run(&["record", "/dev/full", "--overwrite"]);
    let why = String::from_utf8(full.stderr).unwrap();
    assert!(!full.status.success() && why.contains("/dev/full: No space left on device"), "{why}");

    let config = desk.home().join("config.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["--config", &config.display().to_string(), "record", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, [0x1f, 0x8b]);
    let output = child.wait_with_output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && why.contains("the recording has ended: -: Broken pipe"), "{why}");
}

/// A replay that stands at ten minutes of an hour.
fn position() -> Position {
    let recorded: Timestamp = "2026-11-24T14:10:00Z".parse().unwrap();
    let at = Duration::from_mins(10);
    Position {
        now: Now { mono: at, wall: recorded },
        at,
        length: Duration::from_mins(62),
        speed: 4,
        paused: false,
        over: None,
    }
}

fn played(position: Position) -> Event {
    Event::Replayed(Box::new(Played { store: None, samples: Vec::new(), gaps: Vec::new(), position }))
}

/// The first and the last two lines of the screen.
fn edges(scene: &mut Scene) -> String {
    let text = dump::text(&scene.paint());
    let lines: Vec<&str> = text.lines().collect();
    format!("{}\n{}\n", lines[0], lines[lines.len() - 2..].join("\n"))
}

#[test]
fn the_line_of_a_replay_says_where_it_stands() {
    let mut out = String::new();
    for size in [(80, 24), (160, 45), (240, 70)] {
        let mut scene = Scene::new(&SOURCES, size);
        scene.send(played(position()));
        out.push_str(&edges(&mut scene));
        scene.send(played(Position { paused: true, ..position() }));
        out.push_str(&edges(&mut scene));
        scene.send(played(Position { at: Duration::from_mins(62), over: Some(Ending::Cut), ..position() }));
        out.push_str(&edges(&mut scene));
    }
    insta::assert_snapshot!("replay_line", out);
}

#[test]
fn what_a_replay_refuses_its_footer_does_not_offer() {
    let footer = |scene: &mut Scene| dump::text(&scene.paint()).lines().last().unwrap_or_default().to_owned();
    let mut scene = Scene::new(&SOURCES, (240, 70));
    scene.keys("2");
    for offered in ["writes", "runs", "container-restart", "all actions", "filter"] {
        assert!(footer(&mut scene).contains(offered), "{offered}: {}", footer(&mut scene));
    }
    scene.send(played(position()));
    for refused in ["writes", "runs", "container-restart", "all actions"] {
        assert!(!footer(&mut scene).contains(refused), "{refused}: {}", footer(&mut scene));
    }
    assert!(footer(&mut scene).contains("filter"), "{}", footer(&mut scene));
}

#[test]
fn ages_count_in_recorded_time_and_messages_in_that_of_who_looks() {
    let mut scene = Scene::new(&SOURCES, (160, 45));
    scene.send(played(Position { paused: true, now: start(), ..position() }));
    scene.fill();
    scene.pass(Duration::from_secs(3600));
    let text = dump::text(&scene.paint());
    assert!(!text.contains("HANGS"), "time stands still\n{text}");
    let mut later = start();
    (later.mono, later.wall) = (later.mono + Duration::from_secs(90), later.wall + SignedDuration::from_secs(90));
    scene.send(played(Position { now: later, ..position() }));
    assert!(dump::text(&scene.paint()).contains("HANGS, data 1m old"));
    scene.send(Event::Recording(Recording::Failing("no room".to_owned())));
    assert!(dump::text(&scene.paint()).contains("▲ no room"));
    scene.pass(Duration::from_secs(16));
    assert!(!dump::text(&scene.paint()).contains("no room"));
}
