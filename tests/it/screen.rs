//! What the screen, `snapshot` and `check` say, held against what the services themselves say.

use crate::desk::{Desk, alerts, docker, fence, filter, has_colour, lull, painted, postgres, quit, wait_row};
use crate::lab::docker::{Container, Docker};
use crate::lab::{monitoring, need, poll};
use crate::pty::PATIENCE;
use quarterdeck::domain::text as domain_text;
use serde_json::Value;
use std::process::{Command, Output};

/// Wide enough for every column of every pane.
const WIDE: (u16, u16) = (260, 60);

const HOST: &str = "[local.host]\nname = \"the-host\"\ninterval = \"250ms\"\n";

/// What was printed by a command that must succeed.
fn success(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    text(output)
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + std::str::from_utf8(&output.stderr).unwrap()
}

/// One container of each kind, named after `test`.
fn fleet<'a>(docker: &'a Docker, test: &str) -> [Container<'a>; 4] {
    let named = |what: &str| docker.container(&format!("{test}-{what}"));
    let well = named("well").compose("game", "api").with_health().start();
    let sick = named("sick").with_health().start();
    let lame = named("lame").option("--restart=always").exits(3).start();
    let over = named("over").exits(5).start();
    sick.exec("touch /sick");
    well.wait_event("health_status: healthy", PATIENCE);
    sick.wait_event("health_status: unhealthy", PATIENCE);
    over.wait_event("die", PATIENCE);
    [well, sick, lame, over]
}

#[test]
fn containers_are_shown_as_the_engine_knows_them() {
    let engine = need!(docker);
    let [well, sick, lame, over] = fleet(engine, "seen");
    let desk = Desk::with(&docker("main", &engine.host(), "250ms"));
    let mut session = painted(desk.launch().size(WIDE.0, WIDE.1));
    session.send("2z");
    filter(&mut session, "seen-");
    wait_row(&session, &well.name, &["healthy", "game/api", "quarterdeck-lab:1"]);
    wait_row(&session, &sick.name, &["unhealthy", "—"]);
    wait_row(&session, &over.name, &["exited 5"]);
    wait_row(&session, &lame.name, &["restarting"]);
    // A figure, once there were two readings.
    wait_row(&session, &well.name, &["%"]);
    session.wait_screen("unhealthy above healthy", PATIENCE, |screen| {
        let contents = screen.contents();
        let at = |name: &str| contents.find(name);
        at(&sick.name) < at(&well.name) && at(&sick.name).is_some()
    });
    quit(session);
}

#[test]
fn alerts_are_shown_firing_pending_and_silenced() {
    let lab = need!(monitoring);
    let desk = Desk::with(&alerts(lab.prometheus, lab.alertmanager));
    let mut session = painted(desk.launch().size(WIDE.0, WIDE.1));
    session.send("3z");
    wait_row(&session, monitoring::FIRING, &["firing", "critical", "game-3", "game-3 does not answer"]);
    wait_row(&session, monitoring::SILENCED, &["silenced", "warning", "db-1"]);
    wait_row(&session, monitoring::PENDING, &["pending", "warning", "game-1"]);
    session.wait_text("1 pending  1 silenced");
    // The silence's reason stands in the row where there is room, and on the alert's page.
    filter(&mut session, monitoring::SILENCED);
    wait_row(&session, monitoring::SILENCED, &[monitoring::SILENCE_COMMENT]);
    session.send("\r");
    session.wait_text("fingerprint");
    session.wait_text(monitoring::SILENCE_COMMENT);
    session.send("\x1b");
    session.wait_no_text("fingerprint");
    quit(session);
}

#[test]
fn sessions_and_connections_are_shown_as_the_server_counts_them() {
    let server = need!(own_postgres);
    let idle = server.session("app", "checkout");
    let mut open = server.session("web", "basket");
    open.run("begin");
    let mut busy = server.session("web", "report");
    busy.work();
    let desk = Desk::with(&postgres("main", server.port));
    let mut session = painted(desk.launch().size(WIDE.0, WIDE.1));
    session.send("4z");
    wait_row(&session, "checkout", &[&idle.pid.to_string(), "app", "idle", "local", "shop"]);
    wait_row(&session, "basket", &[&open.pid.to_string(), "web", "idle in tx", "begin"]);
    wait_row(&session, "report", &[&busy.pid.to_string(), "web", "active", "pg_sleep("]);
    // All that the server has but the connection that counts them.
    let count = "select (count(*) - 1)::text from pg_stat_activity where backend_type = 'client backend'";
    let used = server.column(count).pop().unwrap();
    let max = server.column("show max_connections").pop().unwrap();
    session.wait_text(&format!("{used}/{max} conns"));
    wait_row(&session, "qd_read", &["quarterdeck", "active"]);
    quit(session);
}

#[test]
fn this_machine_is_shown_with_its_figures() {
    let desk = Desk::with(HOST);
    let mut session = painted(desk.launch().size(WIDE.0, WIDE.1));
    session.send("1z");
    let row = wait_row(&session, "the-host", &["%"]);
    let proc = |file: &str| std::fs::read_to_string(format!("/proc/{file}")).unwrap();
    let meminfo = proc("meminfo");
    let kib = |name: &str| -> f64 {
        let line = meminfo.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let memory = 100.0 * (1.0 - kib("MemAvailable:") / kib("MemTotal:"));
    let shown: Vec<f64> = row.split_whitespace().filter_map(|word| word.strip_suffix('%')?.parse().ok()).collect();
    assert!(shown.iter().any(|shown| (shown - memory).abs() < 15.0), "{memory:.0}% of memory, but {row}");
    let up: f64 = proc("uptime").split(' ').next().unwrap().parse().unwrap();
    let up = if up < 3600.0 { format!("{:.0}m", (up / 60.0).floor()) } else { "h".to_owned() };
    assert!(row.trim_end().contains(&up) || up == "h" && row.contains('d'), "up {up}, but {row}");
    quit(session);
}

#[test]
fn a_source_that_is_not_there_says_so_in_its_pane_and_what_to_do() {
    let gone = Desk::bare();
    let socket = gone.home().join("no.sock");
    let port = crate::lab::service::free_port();
    let config =
        docker("gone", &format!("unix://{}", socket.display()), "1s") + &postgres("gone", port) + &alerts(port, port);
    let desk = Desk::with(&config);
    let mut session = painted(desk.launch().size(WIDE.0, WIDE.1));
    for (key, pane) in
        [("2", "docker/gone"), ("4", "postgres/gone"), ("3", "prometheus/main"), ("3", "alertmanager/main")]
    {
        // Alone on the screen, so that the arrow is its own.
        session.send(format!("{key}z"));
        session.wait_screen(pane, PATIENCE, |screen| {
            let contents = screen.contents();
            let mut lines = contents.lines().skip_while(|line| !line.contains(&format!("▲ {pane}: ")));
            let hint = lines.by_ref().take(4).any(|line| line.contains("→ "));
            hint && !contents.contains("asked, and")
        });
        let names_it =
            [socket.display().to_string(), port.to_string()].iter().any(|name| session.text().contains(name));
        assert!(names_it, "it says where it looked\n{}", session.text());
        session.send("z");
    }
    quit(session);
}

#[test]
fn the_header_tells_every_sources_age_and_failures_first() {
    let server = need!(postgres);
    let port = crate::lab::service::free_port();
    let desk = Desk::with(&(HOST.to_owned() + &postgres("main", server.port) + &alerts(port, port)));
    let session = painted(desk.launch().size(200, 45));
    session.wait_screen("header with ages", PATIENCE, |screen| {
        let contents = screen.contents();
        let header = contents.lines().next().unwrap_or_default();
        let at = |text: &str| header.find(text);
        let failed = at("prometheus FAILED ").or(at("alertmanager FAILED "));
        failed.is_some() && failed < at("local ") && at("local ").is_some() && at("postgres …").is_none()
    });
    let header = session.text().lines().next().unwrap().to_owned();
    let age = header.split("postgres ").nth(1).unwrap();
    assert!(age.starts_with(|digit: char| digit.is_ascii_digit()), "{header}");
    quit(session);
}

#[test]
fn two_engines_and_two_databases_are_told_apart() {
    let engine = need!(docker);
    let [first, second] = [need!(own_postgres), need!(own_postgres)];
    let container = engine.container("twice").start();
    let (one, two) = (first.session("app", "on-first"), second.session("app", "on-second"));
    let config = docker("east", &engine.host(), "250ms")
        + &docker("west", &engine.host(), "250ms")
        + &postgres("first", first.port)
        + &postgres("second", second.port);
    let mut session = painted(Desk::with(&config).launch().size(WIDE.0, WIDE.1));
    session.send("2");
    filter(&mut session, &container.name);
    wait_row(&session, &format!("east/{}", container.name), &["running"]);
    wait_row(&session, &format!("west/{}", container.name), &["running"]);
    wait_row(&session, "on-first", &[&one.pid.to_string(), "first"]);
    wait_row(&session, "on-second", &[&two.pid.to_string(), "second"]);
    session.wait_screen("both servers' connections", PATIENCE, |screen| {
        let contents = screen.contents();
        contents.contains("first 2/100 conns") && contents.contains("second 2/100 conns")
    });
    quit(session);
}

#[test]
fn snapshot_prints_what_the_services_have_as_text_and_as_json() {
    let engine = need!(docker);
    let server = need!(own_postgres);
    let lab = need!(monitoring);
    let [well, sick, lame, over] = fleet(engine, "shot");
    let busy = server.session("web", "report");
    let config = HOST.to_owned()
        + &docker("main", &engine.host(), "1s")
        + &postgres("main", server.port)
        + &alerts(lab.prometheus, lab.alertmanager);
    let desk = Desk::with(&config);
    // The one that is restarted again and again runs for a moment in between: then it is looked at once more.
    let restarting =
        |table: &String| table.lines().any(|line| line.contains(&lame.name) && line.contains("restarting"));
    let table =
        poll(PATIENCE, || Some(success(&desk.run(&["snapshot"]))).filter(restarting)).expect("one is restarting");
    let has = |name: &str, word: &str| {
        assert!(table.lines().any(|line| line.contains(name) && line.contains(word)), "{name} {word}\n{table}");
    };
    has(&well.name, "healthy");
    has(&sick.name, "unhealthy");
    has(&over.name, "exited 5");
    has(monitoring::FIRING, "firing");
    has(monitoring::SILENCED, "silenced");
    has("report", &busy.pid.to_string());
    has("the-host", "%");
    assert!(!table.contains('\x1b'), "text for a file holds no escapes");
    let printed = desk.run(&["snapshot", "--json"]);
    assert!(printed.status.success(), "{}", text(&printed));
    let json: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let data = |id: &str| {
        json["sources"].as_array().unwrap().iter().find(|source| source["id"] == id).unwrap()["data"].clone()
    };
    let found = |list: &Value, key: &str, value: &Value| {
        list.as_array().unwrap().iter().find(|item| item[key] == *value).cloned()
    };
    let containers = data("docker/main")["containers"].clone();
    let shot = |container: &Container| found(&containers, "id", &container.id.clone().into()).unwrap();
    assert_eq!(shot(&well)["compose"], serde_json::json!({"project": "game", "service": "api"}));
    assert_eq!(shot(&sick)["health"], "unhealthy");
    assert_eq!((&shot(&over)["state"], &shot(&over)["exit_code"]), (&"exited".into(), &5.into()));
    assert!(shot(&well)["cpu"].is_number() && shot(&well)["memory"]["used"].is_number(), "{}", shot(&well));
    let session = found(&data("postgres/main")["sessions"], "pid", &busy.pid.into()).unwrap();
    assert_eq!(
        (&session["user"], &session["state"], &session["application"]),
        (&"web".into(), &"idle".into(), &"report".into())
    );
    assert_eq!(
        found(&data("prometheus/main")["alerts"], "name", &monitoring::PENDING.into()).unwrap()["state"],
        "pending"
    );
    assert_eq!(
        found(&data("alertmanager/main")["alerts"], "name", &monitoring::SILENCED.into()).unwrap()["state"],
        "suppressed"
    );
    assert_eq!(data("local/host")[0]["name"], "the-host");
}

#[test]
fn snapshot_of_one_pane_asks_no_other_source_and_a_failure_is_told_by_the_exit_code() {
    let port = crate::lab::service::free_port();
    let desk = Desk::with(&(HOST.to_owned() + &postgres("gone", port)));
    let printed = desk.run(&["snapshot", "servers", "--json"]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed));
    assert!(!text(&printed).contains("postgres/gone"));
    let printed = desk.run(&["snapshot"]);
    assert_eq!(printed.status.code(), Some(1));
    assert!(text(&printed).contains("▲ postgres/gone") && text(&printed).contains("the-host"), "{}", text(&printed));
    let printed = desk.run(&["snapshot", "--json"]);
    let json: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(json["sources"][1]["error"]["what"].is_string() && json["sources"][1]["data"].is_null(), "{json}");
}

#[test]
fn check_is_content_with_what_answers_and_says_error_for_what_does_not() {
    let server = need!(postgres);
    let good = HOST.to_owned() + &postgres("main", server.port);
    let printed = Desk::with(&good).run(&["check"]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed));
    assert!(
        text(&printed).lines().any(|line| line.starts_with("postgres/main") && line.contains("  ok  ")),
        "{}",
        text(&printed)
    );
    let desk = Desk::with(&(good + &docker("gone", "unix:///nowhere/docker.sock", "1s")));
    let printed = desk.run(&["check"]);
    assert_eq!(printed.status.code(), Some(1));
    let lines = text(&printed);
    let bad: Vec<&str> = lines.lines().filter(|line| line.contains("  ERROR  ")).collect();
    assert!(bad.len() == 1 && bad[0].starts_with("docker/gone"), "{lines}");
    assert!(lines.contains("/nowhere/docker.sock") && lines.contains('→'), "{lines}");
    let printed = desk.run(&["check", "--json"]);
    assert_eq!(printed.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(json["ok"], false);
    let findings = json["findings"].as_array().unwrap();
    let is = |about: &str, level: &str| findings.iter().any(|found| found["about"] == about && found["level"] == level);
    assert!(is("docker/gone", "error") && is("postgres/main", "ok") && !is("postgres/main", "error"), "{json}");
    let printed = desk.run(&["check", "--offline"]);
    assert_eq!(printed.status.code(), Some(0), "nobody is asked: {}", text(&printed));
    assert!(!text(&printed).contains("docker/gone"));
}

#[test]
fn check_and_the_start_tell_of_a_view_what_nobody_knows() {
    let view = "[[view]]\nname = \"hot\"\nfocus = \"containers\"\npanes.containers = { sort = \"CPUS\" }\n";
    let desk = Desk::with(&format!("{view}[local.host]\n"));
    let printed = desk.run(&["check", "--offline"]);
    assert!(!printed.status.success());
    assert!(
        text(&printed).contains("[[view]] hot: Containers has no column CPUS; mend it in the config"),
        "{}",
        text(&printed)
    );
    let session = desk.start();
    session.wait_text("[[view]] hot: Containers has no column CPUS");
    quit(session);
}

#[test]
fn check_tells_every_mistake_of_a_config_with_file_line_and_column() {
    let desk = Desk::with("environment = \"STAGING!\"\n\n[docker.main]\nhots = \"unix:///x\"\ninterval = \"2\"\n");
    let path = desk.home().join("config.toml").display().to_string();
    for arguments in [&["check"][..], &["check", "--offline"], &["snapshot"]] {
        let printed = desk.run(arguments);
        assert_eq!(printed.status.code(), Some(1), "{arguments:?}");
        for wanted in [
            "1:15: \"STAGING!\"",
            "4:1: there is no key \"hots\" (did you mean \"host\"?)",
            "5:12: \"2\" is no length of time",
        ] {
            assert!(text(&printed).contains(&format!("{path}:{wanted}")), "{arguments:?} {wanted}\n{}", text(&printed));
        }
    }
    let printed = desk.run(&["check", "--json"]);
    let json: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!((&json["ok"], json["findings"].as_array().unwrap().len()), (&false.into(), 3));
    // The dashboard says the same, and leaves the terminal alone.
    let mut session = desk.launch().size(200, 45).start();
    assert_eq!(session.wait_exit().exit_code(), 1);
    assert!(session.text().contains("did you mean") && session.left_behind().is_empty(), "{}", session.text());
}

#[test]
fn no_color_and_the_mono_theme_draw_no_colour_and_the_dark_one_does() {
    let desk = Desk::with(HOST);
    let drawn = |launch: crate::pty::Launch| {
        let mut session = painted(launch);
        wait_row(&session, "the-host", &["%"]);
        session.send("?");
        session.wait_text("help: the keys");
        session.send("\x1b");
        session.wait_no_text("help: the keys");
        let raw = session.raw();
        quit(session);
        raw
    };
    assert!(has_colour(&drawn(desk.launch())), "the dark theme is not seen as coloured");
    assert!(!has_colour(&drawn(desk.launch().env("NO_COLOR", "1"))));
    let mono = drawn(desk.launch().args(&["--theme", "mono"]));
    assert!(!has_colour(&mono));
    assert!(mono.windows(4).any(|bytes| bytes == b"\x1b[1m" || bytes == b"\x1b[7m"), "bold or reverse stay");
    assert!(
        has_colour(&drawn(desk.launch().env("NO_COLOR", "1").args(&["--theme", "light"]))),
        "what is asked for goes first"
    );
}

#[test]
fn a_bad_theme_and_a_bad_keymap_are_told_and_the_program_starts_anyway() {
    let desk = Desk::with(HOST);
    let keymap = desk.file("keys.toml", "[all]\n\"x\" = \"qiut\"\n").display().to_string();
    let session = painted(desk.launch().args(&["--theme", "drak", "--keymap", &keymap]).size(200, 45));
    session.wait_text("there is no theme \"drak\"");
    session.wait_text("keys.toml:2: there is no action \"qiut\"; did you mean \"quit\"?");
    session.wait_text("the default keys are in force");
    wait_row(&session, "the-host", &["%"]);
    quit(session);
    let printed = desk.run(&["check", "--offline", "--theme", "drak", "--keymap", &keymap]);
    assert_eq!(printed.status.code(), Some(1), "but `check` minds");
}

#[test]
fn a_keymap_of_ones_own_lies_over_the_default_one() {
    let desk = Desk::with(&format!("keymap = \"keys.toml\"\n{HOST}"));
    desk.file("keys.toml", "[all]\n\"q\" = \"none\"\n\"f2\" = \"quit\"\n\"x x\" = \"help\"\n");
    let mut session = desk.start();
    wait_row(&session, "the-host", &["%"]);
    session.send("q");
    // The fence proves that `q` was taken in, and that keys not named in the file still work.
    fence(&mut session, |_| ());
    session.send("x");
    session.send("x");
    session.wait_text("help: the keys");
    session.send("\x1b");
    session.wait_no_text("help: the keys");
    lull(&session);
    session.send("\x1bOQ");
    assert_eq!(session.wait_exit().exit_code(), 0);
}

#[test]
fn without_a_config_an_empty_home_is_enough() {
    let desk = Desk::bare();
    let session = desk.start();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let start: String = name.trim().chars().take(10).collect();
    wait_row(&session, &start, &["%"]);
    assert!(session.text().lines().next().unwrap().contains("LOCAL"), "{}", session.text());
    quit(session);
    let printed = desk.run(&["check"]);
    assert_eq!(printed.status.code(), Some(0), "a service that nobody named may be absent: {}", text(&printed));
}

#[test]
fn too_small_a_terminal_is_told_and_a_larger_one_is_used() {
    let desk = Desk::with(HOST);
    let mut session = desk.launch().size(79, 24).start();
    session.wait_text("80×24 at least, here are 79×24");
    session.resize(80, 24);
    wait_row(&session, "the-host", &["%"]);
    session.resize(80, 23);
    session.wait_text("here are 80×23");
    session.resize(160, 45);
    wait_row(&session, "the-host", &["%"]);
    assert!(!session.text().contains("80×24 at least"), "{}", session.text());
    // Nothing of the older sizes stays behind, and keys still work.
    fence(&mut session, |_| ());
    session.send("T");
    session.wait_text("theme light");
    quit(session);
}

/// What is printed between updates, without what a terminal takes for orders.
fn shown_outside_updates(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    let mut outside = String::new();
    for (number, piece) in raw.split("\x1b[?2026h").enumerate() {
        let rest = if number == 0 { Some(piece) } else { piece.split_once("\x1b[?2026l").map(|(_, rest)| rest) };
        outside.push_str(rest.unwrap_or_default());
    }
    domain_text::strip_escapes(&outside).chars().filter(|char| !char.is_control()).collect()
}

#[test]
fn each_frame_is_one_synchronised_update_and_nothing_is_erased_after_the_first() {
    assert_eq!(shown_outside_updates(b"a\x1b[?2026hb\x1b[?2026lc\x1b[1;1Hd"), "acd");
    let desk = Desk::with(HOST);
    let mut session = painted(desk.launch());
    for key in ["0", "1", "z"] {
        session.send(key);
        fence(&mut session, |_| ());
    }
    let raw = session.raw();
    let count = |what: &[u8]| raw.windows(what.len()).filter(|window| *window == what).count();
    let frames = count(b"\x1b[?2026h");
    assert!(frames >= 7, "{frames} frames");
    assert_eq!(shown_outside_updates(&raw), "");
    assert!(count(b"\x1b[2J") <= 1, "the whole screen is erased again");
    quit(session);
}

/// One file, and what every Linux has: themes, keymaps, runbooks, SQLite and TLS are in it.
#[test]
fn the_program_is_one_file_that_needs_the_c_library_alone() {
    let printed = Command::new("ldd").arg(env!("CARGO_BIN_EXE_quarterdeck")).output();
    let Ok(printed) = printed else { panic!("ldd belongs to the C library: {printed:?}") };
    let printed = text(&printed);
    let needs = printed.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = needs.map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
    let of_c =
        |name: &&&str| ["linux-vdso", "libgcc_s", "libm.", "libc.", "ld-linux"].iter().any(|of| name.starts_with(of));
    let others: Vec<_> = names.iter().filter(|name| !of_c(name)).collect();
    let is_static = printed.contains("not a dynamic executable") || printed.contains("statically linked");
    assert!(others.is_empty() || is_static, "{others:?}: {printed}");
}
