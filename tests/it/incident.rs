//! Incidents, from the declaration to the post-mortem: by the command line, by the screen, by two people on two machines.

use crate::desk::insist;
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::scene::{Scene, of_incident, rows, start};
use crate::second::machines;
use crate::support::{Home, LONG, leave, press};
use crossterm::event::KeyCode;
use jiff::{SignedDuration, Timestamp};
use quarterdeck::domain::record::{Entry, RecordKind};
use quarterdeck::domain::{Alert, AlertReport, AlertState, Severity, Snapshot, Subject};
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use std::sync::Arc;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn home() -> Home {
    Home::new(
        "environment = \"lab\"\n[[incident.escalation]]\nafter_minutes = 15\nrole = \"on call\"\n[[incident.escalation]]\nafter_minutes = 30\nrole = \"senior SRE\"\ncontact = \"Grace, 0101\"\n",
    )
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// Runs it and wants it to end well.
pub fn ok(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn refused(home: &Home, arguments: &[&str], why: &str) {
    let output = home.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    assert!(text(&output).contains(why), "{arguments:?}: {}", text(&output));
}

#[test]
fn an_incident_is_kept_from_its_declaration_to_its_post_mortem_by_the_command_line() {
    let home = home();
    refused(&home, &["incident", "note", "x"], "no incident was ever declared here");
    let said = ok(&home, &["incident", "declare", "Players can't log in", "--priority", "p1"]);
    assert!(
        said.contains("P1 Players can't log in: declared; call L1 (on call) in 1") && said.contains("respond in "),
        "{said}"
    );
    ok(&home, &["incident", "ack"]);
    refused(&home, &["incident", "ack"], "was acknowledged by ");
    // By mistake: it is taken back, and said again.
    let link = |what: &str| {
        let told = ok(&home, &["incident", "show"]);
        let line = told
            .lines()
            .find(|line| line.contains(what) && line.contains("(record "))
            .unwrap_or_else(|| panic!("{what}: {told}"))
            .to_owned();
        line.rsplit_once("(record ").unwrap().1.trim_end_matches(')').to_owned()
    };
    let said = ok(&home, &["incident", "take-back", &link("acknowledged"), "it was not me"]);
    assert!(said.contains("declared; ") && said.contains("respond in "), "{said}");
    refused(&home, &["incident", "take-back", &link("acknowledged"), "not me again"], "was taken back already");
    refused(&home, &["incident", "take-back", &link("declared:"), "no"], "can't be taken back");
    ok(&home, &["incident", "ack"]);
    ok(&home, &["incident", "role", "commander", "ada"]);
    let piped = ["sh", "-c", "printf 'the disk\\nis full\\n' | exec \"$@\"", "sh"].map(str::to_owned);
    let noted = home.run_under(&piped, &["incident", "note", "-"]);
    assert!(noted.status.success() && ok(&home, &["incident", "show"]).contains(": the disk / is full"), "{noted:?}");
    assert!(ok(&home, &["incident", "report"]).contains(": the disk<br>is full |"));
    ok(&home, &["incident", "note", "--action", "alert on the disk"]);
    let said = ok(&home, &["incident", "title", "Nobody can log in"]);
    assert!(said.contains("P1 Nobody can log in: acknowledged"), "{said}");
    refused(&home, &["incident", "title", " Nobody can log in"], "is called that already");
    ok(&home, &["incident", "severity", "P0", "all servers are down"]);
    ok(&home, &["incident", "assess", "--impact", "nobody plays", "--changed", "v2.5.1 at 02:50"]);
    ok(&home, &["incident", "update", "we are on it"]);
    // Whom the config names nobody for has to be named.
    refused(
        &home,
        &["incident", "call", "L1"],
        "say who was reached, and how: --reached NAME; the config names nobody for L1",
    );
    let said = ok(&home, &["incident", "call", "L1", "--reached", "Ada by phone"]);
    assert!(said.contains("\ncall next: L2 senior SRE, Grace, 0101, in 29:"), "{said}");
    let said = ok(&home, &["incident", "call"]);
    assert!(!said.contains("call L2"), "who acknowledged it is the first, and the second was called: {said}");
    assert!(said.ends_with("nobody is left to call: L2 is the last of the config\n"), "{said}");
    let said = ok(&home, &["incident", "call", "L1", "--reached", "Ben by phone"]);
    for told in [
        "L1 was called by ",
        " already (on call, Ada by phone); that counts",
        &format!("`quarterdeck incident take-back {} REASON", link("called L1")),
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let told = ok(&home, &["incident", "show"]);
    assert!(
        told.contains("called L1: on call, Ada by phone") && told.contains("called L2: senior SRE, Grace, 0101"),
        "{told}"
    );
    refused(&home, &["incident", "call"], "there is no level 3: the config names 2");
    refused(&home, &["incident", "reopen", "it is back"], "is open");
    ok(&home, &["incident", "mitigate", "rolled back"]);
    let handover = ok(&home, &["incident", "handover"]);
    assert!(
        handover.contains("- commander: ada")
            && handover.contains("- to do afterwards: alert on the disk")
            && handover.contains("L1, on call, Ben by phone, "),
        "{handover}"
    );
    ok(&home, &["incident", "resolve", "all well"]);
    refused(&home, &["incident", "mitigate", "again"], "is resolved: `quarterdeck incident reopen");
    refused(&home, &["incident", "reopen", "x"], "say why, in at least two words");
    refused(&home, &["incident", "title", "-"], "write a title or a name out");

    refused(&home, &["incident", "note", " "], "text is empty");
    for records in [&["note", "seen"][..], &["ack"], &["report", "--output"], &["declare", "x", "-p", "3"]] {
        refused(&home, &[&["--read-only", "incident"], records].concat(), "nothing is recorded; `list`, `show`");
    }
    for (reads, told) in [
        ("handover", "- commander: ada"),
        ("report", "# Post-mortem: "),
        ("list", "P0 Nobody"),
        ("show", "resolved: all well"),
    ] {
        assert!(ok(&home, &["--read-only", "incident", reads]).contains(told), "{reads}");
    }
    refused(&home, &["incident", "declare", &"x".repeat(121), "-p", "3"], "a title of 1 to 120 letters");

    let list = read(&home.run(&["incident", "list", "--json"]));
    let one = &list[0];
    assert_eq!(
        (&one["state"], &one["priority"], &one["duties"]["commander"]),
        (&"resolved".into(), &"P0".into(), &"ada".into())
    );
    assert_eq!(one["clocks"][0]["what"], "post-mortem");
    assert!(one["clocks"][0]["left_seconds"].as_i64().unwrap() > 47 * 3600);
    // By its beginning as by its end.
    let whole = one["id"].as_str().unwrap();
    for name in [one["short"].as_str().unwrap(), &whole[..13], whole] {
        assert_eq!(read(&home.run(&["incident", "show", "--json", "--incident", name]))["id"], one["id"]);
    }
    let shown = read(&home.run(&["incident", "show", "--json"]));
    let kinds: Vec<&str> =
        shown["timeline"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "incident", "incident", "incident", "incident", "incident", "note", "note", "incident", "incident", "note",
            "update", "incident", "incident", "incident", "incident", "incident"
        ]
    );
    assert!(String::from_utf8_lossy(&home.run(&["journal", "verify"]).stdout).contains("every chain is intact"));
}

#[test]
fn a_post_mortem_that_is_written_again_keeps_what_was_written_by_hand() {
    let home = home();
    ok(&home, &["incident", "declare", "Slow", "-p", "P2"]);
    let file = home.path().join("post-mortem.md");
    let path = file.to_str().unwrap();
    let said = ok(&home, &["incident", "report", "--output", path]);
    assert!(said.contains(": 6 places left to fill in"), "{said}");
    assert!(ok(&home, &["incident", "show"]).contains("draft of the post-mortem, 6 places left to fill in: "));
    ok(&home, &["incident", "assess", "--impact", "it takes 5 s", "--scope", "all", "--changed", "nothing"]);
    let mut written = fs::read_to_string(&file).unwrap();
    for (at, place) in [
        "_Two or three sentences: what broke, who noticed, what mended it._",
        "_What made it possible, and what set it off. The journal does not know._",
        "_…_",
    ]
    .iter()
    .enumerate()
    {
        assert!(written.contains(place), "{written}");
        written = written.replacen(place, &format!("by hand {at}"), 1);
    }
    fs::write(&file, &written).unwrap();
    ok(&home, &["incident", "resolve", "it went by itself"]);
    let said = ok(&home, &["incident", "report", "--output", path]);
    assert!(said.contains("is complete"), "{said}");
    let again = fs::read_to_string(&file).unwrap();
    assert!(
        (0..3).all(|at| again.contains(&format!("by hand {at}"))) && again.contains("resolved: it went by itself"),
        "{again}"
    );
    let list = read(&home.run(&["incident", "list", "--json"]));
    assert_eq!(list[0]["clocks"], Value::Array(Vec::new()), "nothing is due any more");
    assert_eq!(list[0]["post_mortem"]["complete"], true);
    // Without a name it is the same document, and a link to one is not followed.
    let said = ok(&home, &["incident", "report", "--output"]);
    assert!(said.contains(&format!("{path} is complete")), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), again, "that it was written is no part of it");
    let printed = read(&home.run(&["incident", "report", "--output", "--json"]));
    assert_eq!(
        (&printed["post_mortem"]["file"], &printed["post_mortem"]["left"], &printed["kept"]),
        (&path.into(), &0.into(), &json!([]))
    );
    let link = home.path().join("link.md");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    refused(&home, &["incident", "report", "--output", link.to_str().unwrap()], "it is a link to ");
    // The screen writes it there, too.
    let mut screen = home.start(&[]);
    menu(&mut screen, "d", "is complete");
    leave(&mut screen);
    assert_eq!(fs::read_to_string(&file).unwrap(), again, "byte for byte, whoever writes it");
    // Nobody else's document is written over, nor one that is half of one.
    let other = home.path().join("other.md");
    fs::write(&other, "# Mine\n").unwrap();
    refused(
        &home,
        &["incident", "report", "--output", other.to_str().unwrap()],
        "it is no post-mortem, and is left as it is",
    );
    fs::write(&other, again.replace("<!-- end timeline -->", "").replace('\n', "\r\n")).unwrap();
    refused(&home, &["incident", "report", "--output", other.to_str().unwrap()], "begins a part whose end");
    // A part that somebody has changed keeps that, and gets what is new beside it.
    fs::write(&file, again.replace("| State | resolved |", "| State | resolved, I hope |")).unwrap();
    let said = ok(&home, &["incident", "report", "--output", path]);
    let kept = "the part \"facts\" was changed by hand, and what was written there stays";
    assert!(said.contains(&format!("{kept}\n")), "{said}");
    ok(&home, &["incident", "reopen", "it is back"]);
    let said = ok(&home, &["incident", "report", "--output", path]);
    assert!(said.contains(kept) && said.contains("1 line says something else than the journal"), "{said}");
    let again = fs::read_to_string(&file).unwrap();
    for told in [
        "| State | resolved, I hope |",
        "| **journal:** State | declared |",
        "| Resolved | not yet again: in outage 1",
        "open again: it is back",
    ] {
        assert!(again.contains(told), "{told}: {again}");
    }
}

#[test]
fn what_is_open_already_is_declared_once_and_what_was_none_owes_nothing() {
    let home = home();
    ok(&home, &["incident", "declare", "Slow", "-p", "2"]);
    refused(&home, &["incident", "declare", "slow ", "-p", "2"], "one is open that is called the same: ");
    ok(&home, &["incident", "declare", "slow ", "-p", "2", "--another"]);
    let short = |at: usize| read(&home.run(&["incident", "list", "--json"]))[at]["short"].as_str().unwrap().to_owned();
    let (first, second) = (short(0), short(1));
    refused(
        &home,
        &["incident", "resolve", "x", "--as", "duplicate-of", &second, "--incident", &second],
        "no duplicate of itself",
    );
    refused(
        &home,
        &["incident", "resolve", "x", "--as", "nothing", "--incident", &second],
        "--as nothing: write false-alarm",
    );
    refused(&home, &["incident", "resolve", "--as", "false-alarm", "--incident", &second], "say how that is known");
    let said = ok(&home, &["incident", "resolve", "--incident", &second, "--as", "duplicate-of", &first]);
    assert!(
        said.contains(&format!("slow: resolved as a duplicate of {first}")) && !said.contains("post-mortem"),
        "{said}"
    );
    assert!(
        ok(&home, &["incident", "show"])
            .contains(&format!("P2 slow ({second}) was the same, and is closed: the same as P2 Slow"))
    );
    let said = ok(&home, &["incident", "resolve", "the probe was wrong", "--as", "false-alarm"]);
    assert!(said.contains("Slow: resolved as a false alarm") && !said.contains("post-mortem"), "{said}");
    let list = read(&home.run(&["incident", "list", "--json"]));
    assert_eq!((&list[0]["closed_as"], &list[1]["closed_as"]), (&json!("false-alarm"), &json!("duplicate-of")));
    assert_eq!((&list[1]["duplicate_of"], &list[1]["state"]), (&list[0]["id"], &json!("resolved")));
    // Found late: its clocks run from when it was detected. What is yet to come, or nothing, is refused before anything is recorded.
    let ago = |minutes: i64| (Timestamp::now() - SignedDuration::from_mins(minutes)).to_string();
    for (time, why) in [(ago(-5), "that is yet to come: it is "), ("soon".to_owned(), "that is no moment: write 23:50")]
    {
        let output = home.run(&["incident", "declare", "Late", "-p", "2", "--detected", &time]);
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{time}: {}", text(&output));
    }
    let said = ok(&home, &["incident", "declare", "Late", "-p", "2", "--detected", &ago(70)]);
    assert!(said.contains("respond in 2h 49m") && said.contains(", 70 min before: its clocks run from then"), "{said}");
    assert!(ok(&home, &["incident", "show"]).contains("said when it was declared  (record "));
    ok(&home, &["incident", "resolve", "a rehearsal", "--as", "false-alarm"]);
    // Nothing of it is due on the screen, either.
    let mut screen = home.start(&[]);
    insist(&mut screen, "7", "7 Timeline");
    screen.wait_text("Late: resolved as a false alarm");
    screen.wait_no_text("post-mortem 4");
    leave(&mut screen);
}

#[test]
fn in_a_rehearsal_that_goes_faster_a_moment_that_is_typed_is_told_by_both_clocks() {
    let home = Home::new("environment = \"lab\"\n[incident]\nspeed = 5.0\n");
    let typed = Timestamp::now() - SignedDuration::from_mins(8);
    let said = ok(&home, &["incident", "declare", "Late", "-p", "2", "--detected", &typed.to_string()]);
    let told = format!("detected {} by the clock, ", typed.strftime("%Y-%m-%d %H:%M:%SZ"));
    assert!(said.contains(&told) && said.contains("by the rehearsal's time, 40 min before"), "{said}");
}

#[test]
fn on_the_screen_the_same_is_joined_and_closed_as_a_duplicate() {
    let home = home();
    ok(&home, &["incident", "declare", "Slow", "-p", "1"]);
    ok(&home, &["incident", "declare", "Other", "-p", "0"]);
    let mut screen = home.start(&[]);
    screen.wait_text("P0 Other (");
    menu(&mut screen, "x", "one more incident");
    press(&mut screen, "1");
    screen.wait_text("declare P1");
    screen.send("slow");
    screen.wait_text("open already: P1 Slow (");
    press(&mut screen, "\r");
    screen.wait_text("one is open already that is about the same");
    press(&mut screen, "g");
    screen.wait_text("P1 Slow (");
    menu(&mut screen, "v", "as what?");
    press(&mut screen, "1");
    screen.wait_text("What makes it the same?");
    press(&mut screen, "\r");
    screen.wait_text("no post-mortem is owed");
    screen.wait_text("P0 Other (");
    leave(&mut screen);
    let list = read(&home.run(&["incident", "list", "--json"]));
    assert_eq!((&list[0]["duplicate_of"], list.as_array().unwrap().len()), (&list[1]["id"], 2));
}

/// Opens the menu of incidents and chooses a line by its letter.
pub fn menu(screen: &mut Session, letter: &str, until: &str) {
    insist(screen, "X", "its letter or Enter chooses");
    press(screen, letter);
    screen.wait_text(until);
}

/// Types into the dialog that is open.
pub fn typed(screen: &mut Session, text: &str) {
    screen.send(text);
    screen.wait_text(text);
    press(screen, "\r");
    screen.wait_no_text("Enter records it");
}

#[test]
fn an_incident_is_declared_kept_and_ended_by_keyboard_alone() {
    let home = home();
    let mut screen = home.start(&[]);
    menu(&mut screen, "1", "declare P1");
    typed(&mut screen, "Players can't log in");
    // Its clocks stand under the header, in every view.
    screen.wait_text("P1 Players can't log in (");
    screen.wait_text("call L1 on call 14:");
    menu(&mut screen, "a", "acknowledged");
    screen.wait_text("call L2 senior SRE, Grace, 0101");
    menu(&mut screen, "n", "What was seen, said or decided?");
    typed(&mut screen, "the disk is full");
    menu(&mut screen, "r", "who does what?");
    press(&mut screen, "c");
    screen.wait_text("who is commander?");
    press(&mut screen, "\r");
    menu(&mut screen, "p", "how bad is it?");
    press(&mut screen, "0");
    screen.wait_text("P1 is P0 now");
    typed(&mut screen, "all servers are down");
    screen.wait_text("P0 Players can't log in (");
    insist(&mut screen, "7", "7 Timeline");
    for told in ["the disk is full", "P1 is P0 now: all servers are down", "commander"] {
        screen.wait_text(told);
    }
    menu(&mut screen, "m", "By what?");
    typed(&mut screen, "made room");
    screen.wait_no_text("call L2");
    menu(&mut screen, "e", "How did it end?");
    typed(&mut screen, "all well");
    screen.wait_text("resolved: all well");
    // Its post-mortem is due, on every view, and it can be opened again.
    screen.wait_text("): resolved");
    screen.wait_text("post-mortem 47h");
    menu(&mut screen, "o", "Why was it not over?");
    screen.send("x");
    press(&mut screen, "\r");
    screen.wait_text("say why, in at least two words");
    press(&mut screen, "\x15");
    typed(&mut screen, "it is back");
    screen.wait_text("): acknowledged");
    menu(&mut screen, "b", "take back what?");
    screen.wait_text("acknowledged");
    press(&mut screen, "\x1b");
    menu(&mut screen, "e", "How did it end?");
    typed(&mut screen, "really");
    menu(&mut screen, "d", "6 places left to fill in");
    menu(&mut screen, "d", "6 places left to fill in");
    let saved = fs::read_dir(home.path().join("state/quarterdeck/saved")).unwrap().count();
    assert_eq!(saved, 1, "one document, however often it is written");
    // Another process, after a restart, knows all of it.
    leave(&mut screen);
    let told = ok(&home, &["incident", "show"]);
    for line in
        ["declared: Players can't log in", "mitigated: made room", "open again: it is back", "post-mortem in 47h"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn what_a_run_does_belongs_to_the_incident_that_is_open() {
    let home = home();
    let folder = home.path().join("books");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("own.md"),
        crate::books::FRONT.to_owned()
            + "---\n"
            + "\n# Own\n\n## Do\n\n### Touch it\n\n```bash run on=local timeout=10s undo=none\nset -eu\ntrue\n```\n\nNothing to undo.\n\n```bash verify on=local timeout=10s\nset -eu\ntrue\n```\n",
    )
    .unwrap();
    home.configure(&format!("environment = \"lab\"\n[runbooks]\npaths = [\"{}\"]\n", folder.display()));
    ok(&home, &["incident", "declare", "Slow", "-p", "P2"]);
    let plan = read(&home.run(&["runbook", "plan", "own", "--json"]));
    let (hash, phrase) = (plan["hash"].as_str().unwrap(), plan["confirm"].as_str().unwrap());
    let run = ["runbook", "run", "own", "--plan", hash, "--confirm", phrase];
    let said = ok(&home, &run);
    assert!(said.contains("it belongs to incident ") && said.contains(", P2 Slow (--incident none"), "{said}");
    let said = ok(&home, &[&run[..], &["--incident", "none"]].concat());
    assert!(!said.contains("it belongs to incident"), "{said}");
    let unknown = home.run(&[&run[..], &["--incident", "ffffff"]].concat());
    assert!(unknown.status.code() == Some(5) && text(&unknown).contains("there is no incident ffffff"), "{unknown:?}");
    let told = ok(&home, &["incident", "show"]);
    assert_eq!(told.matches("began ").count(), 1, "the one that belongs to none is none of it: {told}");
    assert!(told.contains("began ") && told.contains("Touch it on local: ok") && told.contains("ended ok"), "{told}");
    ok(&home, &["incident", "resolve", "done"]);
    ok(&home, &run);
    let short = read(&home.run(&["incident", "list", "--json"]))[0]["short"].as_str().unwrap().to_owned();
    let over = home.run(&[&run[..], &["--incident", &short]].concat());
    assert!(
        over.status.code() == Some(5) && text(&over).contains(" is resolved: `quarterdeck incident reopen"),
        "{over:?}"
    );
    let after = ok(&home, &["incident", "show"]);
    assert_eq!(after.matches("began ").count(), 1, "what is done afterwards is none of it: {after}");
    // What was tried before it was declared is said to belong to it, and is told whole.
    ok(&home, &["incident", "declare", "Slow again", "-p", "2"]);
    let runs = String::from_utf8(home.run(&["journal", "export"]).stdout).unwrap();
    let started: Vec<Value> = runs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let tried = started.iter().rev().find(|record: &&Value| record["kind"] == "run.start").unwrap();
    assert_eq!(tried["incident"], Value::Null);
    let include = ["incident", "include", tried["run"].as_str().unwrap()];
    let said = ok(&home, &include);
    assert!(said.contains("P2 Slow again: "), "{said}");
    refused(&home, &include, "already");
    let told = ok(&home, &["incident", "show"]);
    for line in ["Own (run ", ", belongs to it", "began Own (run ", "Touch it on local: ok", "ended ok"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(ok(&home, &["incident", "report"]).contains("- Own (run "));
}

#[test]
fn two_people_on_two_machines_keep_one_incident() {
    let server = need!(own_postgres);
    let Some([ada, ben]) = machines("incident::two_people_on_two_machines_keep_one_incident", &server, "") else {
        return;
    };
    let mut screen = ben.dashboard();
    assert!(ada.said(&["incident", "declare", "Slow", "-p", "P2"]).contains("P2 Slow: declared"));
    // He sees it without asking, and what he says is hers to see.
    screen.wait_text("P2 Slow (");
    menu(&mut screen, "a", "acknowledged");
    let seen = poll(LONG, || {
        let told = ada.said(&["incident", "show"]);
        told.contains("ben · acknowledged").then_some(told)
    });
    assert!(seen.is_some_and(|told| told.contains("ada · P2 declared: Slow")));
    ada.said(&["incident", "resolve", "gone"]);
    screen.wait_text("): resolved");
    leave(&mut screen);
}

#[test]
fn the_post_mortem_of_a_merged_journal_is_the_same_on_both_machines() {
    let mut server = need!(own_postgres);
    let name = "incident::the_post_mortem_of_a_merged_journal_is_the_same_on_both_machines";
    let Some([ada, ben]) = machines(name, &server, "") else { return };
    let mut screens = [ada.dashboard(), ben.dashboard()];
    ada.said(&["incident", "declare", "Slow", "-p", "P2"]);
    for screen in &mut screens {
        screen.wait_text("P2 Slow (");
    }
    server.stop();
    for screen in &mut screens {
        screen.wait_text("JOURNAL AWAY since ");
    }
    // In turns, each into the store of their own machine alone.
    for (who, note) in [(1, "first, by ben"), (0, "second, by ada"), (1, "third, by ben")] {
        menu(&mut screens[who], "n", "What was seen, said or decided?");
        typed(&mut screens[who], note);
        screens[who].wait_text("the note is recorded");
    }
    for screen in screens.iter_mut().rev() {
        menu(screen, "a", "you are on it: recorded");
    }
    server.start_again();
    for screen in &mut screens {
        screen.wait_no_text("JOURNAL AWAY");
    }
    for (machine, screen) in [&ada, &ben].into_iter().zip(&mut screens) {
        let merged = machine.run(&["journal", "merge"]);
        assert!(merged.status.success(), "{}", text(&merged));
        leave(screen);
    }
    let [one, two] = [&ada, &ben].map(|machine| {
        let output = machine.run(&["incident", "report"]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(one, two);
    let at = |told: &str| one.find(told).unwrap_or_else(|| panic!("{told}: {one}"));
    assert!(at("first, by ben") < at("second, by ada") && at("second, by ada") < at("third, by ben"), "{one}");
    let row = one.lines().find(|line| line.starts_with("| Acknowledged |")).unwrap();
    assert!(row.contains("by ben"), "who was first, whoever was merged first: {row}");
}

#[test]
fn of_several_incidents_one_is_attended_to_and_the_others_are_told() {
    let home = home();
    ok(&home, &["incident", "declare", "Slow", "-p", "2"]);
    let mut screen = home.start(&[]);
    screen.wait_text("P2 Slow (");
    // One more, from here: it is attended to.
    menu(&mut screen, "x", "one more incident");
    press(&mut screen, "0");
    screen.wait_text("declare P0");
    typed(&mut screen, "All is down");
    screen.wait_text("P0 All is down (");
    screen.wait_text("1 more open (P2)");
    menu(&mut screen, "n", "What was seen, said or decided?");
    // What was wrong is not told any more once it is mended.
    press(&mut screen, "\r");
    screen.wait_text("it needs some words");
    typed(&mut screen, "it burns");
    screen.wait_text("the note is recorded");
    screen.wait_no_text("it needs some words");
    menu(&mut screen, "g", "attend to which one?");
    press(&mut screen, "2");
    screen.wait_text("P2 Slow (");
    screen.wait_text("1 more open (P0)");
    menu(&mut screen, "n", "What was seen, said or decided?");
    typed(&mut screen, "it crawls");
    screen.wait_text("the note is recorded");
    leave(&mut screen);
    let list = read(&home.run(&["incident", "list", "--json"]));
    for (one, told) in list.as_array().unwrap().iter().zip(["it crawls", "it burns"]) {
        let shown = ok(&home, &["incident", "show", "--incident", one["short"].as_str().unwrap()]);
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

#[test]
fn where_room_is_short_the_clocks_stay_then_how_it_stands() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], (80, 24));
    let title = "The players of the whole of Europe can neither log in nor pay for what they have in their carts";
    let declared = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": title, "priority": "P1" }));
    let mut other = of_incident(-50, RecordKind::IncidentDeclare, json!({ "title": "Other", "priority": "P2" }));
    other.incident = Some("00000000-0000-0000-0000-00027f3a21ab".to_owned());
    scene.send(Event::Run(RunEvent::Incidents(vec![other, declared])));
    let buffer = scene.paint();
    let lines: Vec<String> = (0..24).map(|y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>()).collect();
    let line = lines.iter().find(|line| line.contains("P1 The players")).unwrap_or_else(|| panic!("{lines:#?}"));
    for told in ["  call L1 14:00 · respond 59:00 · update 59:00", ": declared, +1 P2", "…"] {
        assert!(line.contains(told), "{told}: {line}");
    }
}

#[test]
fn what_told_of_it_and_what_still_fires_stands_where_it_is_typed() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], (100, 30));
    let Snapshot::Alerts(report) = rows(Subject::Alerts, 1, &[]) else { unreachable!() };
    let alert = Alert { state: AlertState::Firing, severity: Severity::Critical, ..(*report.alerts[0]).clone() };
    let name = alert.name.clone();
    let fires = |severity| {
        let alert = Arc::new(Alert { severity, ..alert.clone() });
        Snapshot::Alerts(AlertReport { alerts: vec![alert], ..AlertReport::default() })
    };
    // What asks for nothing, as a watchdog, is no incident, and began with none.
    scene.good("prometheus", "main", fires(Severity::Info));
    scene.keys("3X1");
    let lines = |scene: &mut Scene| -> Vec<String> {
        let buffer = scene.paint();
        (0..30).map(|y| (0..100).map(|x| buffer[(x, y)].symbol()).collect()).collect()
    };
    let text = lines(&mut scene).join("\n");
    assert!(text.contains("What do others call it?") && !text.contains("detected: "), "{text}");
    scene.key(KeyCode::Esc);
    scene.good("prometheus", "main", fires(Severity::Critical));
    scene.keys("X1");
    let seen = |scene: &mut Scene, told: &str| {
        let text = lines(scene);
        assert!(text.iter().any(|line| line.contains(told)), "{told}: {text:#?}");
    };
    seen(&mut scene, &format!("detected: when {name} began"));
    // Something else is wrong: what the alert says is not when it began.
    seen(&mut scene, "What you type replaces what stands there");
    scene.keys("The cellar is full of water");
    seen(&mut scene, " The cellar is full of water");
    seen(&mut scene, &format!("no alert told of it, as the title does not name {name}"));
    scene.key(KeyCode::Enter);
    let declared = |scene: &mut Scene| {
        let effects = std::mem::take(&mut scene.effects);
        let entries = effects.into_iter().filter_map(|effect| match effect {
            Effect::Incident { entries, .. } => {
                entries.into_iter().find(|entry| entry.kind == RecordKind::IncidentDeclare)
            }
            _ => None,
        });
        entries.last().expect("it is declared").data
    };
    assert_eq!(declared(&mut scene)["alert"], Value::Null);
    // Or it is that alert after all, said so.
    scene.keys("X1");
    scene.keys("Nobody can log in");
    scene.key(KeyCode::Tab);
    scene.key(KeyCode::Enter);
    assert_eq!(declared(&mut scene)["alert"]["name"], Value::from(name.clone()));
    let record = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": "Slow", "priority": "P2" }));
    scene.send(Event::Run(RunEvent::Incidents(vec![record])));
    for letter in ["m", "e"] {
        scene.keys(&format!("X{letter}"));
        seen(&mut scene, &format!("! still fires: {name}"));
        scene.key(KeyCode::Esc);
    }
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport::default()));
    scene.keys("Xe");
    seen(&mut scene, "no alert fires");
    scene.key(KeyCode::Esc);
    scene.bad("prometheus", "main", "it does not answer", "start it");
    scene.keys("Xe");
    seen(&mut scene, "! prometheus");
}

#[test]
fn a_title_that_is_typed_takes_the_place_of_the_one_that_stands_there() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], (100, 30));
    let declared = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": "Slow", "priority": "P2" }));
    scene.send(Event::Run(RunEvent::Incidents(vec![declared])));
    scene.keys("Xl");
    scene.key(KeyCode::Enter);
    assert_eq!(recorded(&mut scene), [], "it is called that already");
    scene.keys("Logins fail");
    scene.key(KeyCode::Enter);
    assert_eq!(recorded(&mut scene), [RecordKind::IncidentNote]);
    assert_eq!(scene.state.watch.open().unwrap().title, "Logins fail");
    // Who moves in it keeps it.
    scene.keys("Xl");
    scene.key(KeyCode::End);
    scene.keys(" in Europe");
    scene.key(KeyCode::Enter);
    recorded(&mut scene);
    assert_eq!(scene.state.watch.open().unwrap().title, "Logins fail in Europe");
}

#[test]
fn what_stands_in_a_field_is_seen_from_its_beginning() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], (80, 24));
    let declared = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": "Slow", "priority": "P2" }));
    let changed = format!("03:01Z api restarted; {}03:09Z web stopped", "03:05Z db was promoted; ".repeat(6));
    let assessed = of_incident(-50, RecordKind::IncidentAssess, json!({ "changed": changed }));
    scene.send(Event::Run(RunEvent::Incidents(vec![declared, assessed])));
    scene.keys("Xw");
    let buffer = scene.paint();
    let text: String = (0..24).map(|y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>() + "\n").collect();
    assert!(text.contains("03:01Z api restarted;") && text.contains("stopped"), "{text}");
}

#[test]
fn what_changed_last_before_it_began_stands_in_the_assessment() {
    let mut scene = Scene::new(&[("prometheus", "main", Subject::Alerts)], (100, 30));
    let began = |(name, second): (&str, i64)| {
        let active_at = Some(start().wall + SignedDuration::from_secs(second));
        // What asks for nothing is no change.
        let severity = if name == "Watchdog" { Severity::Info } else { Severity::Warning };
        Arc::new(Alert { fingerprint: name.into(), name: name.to_owned(), active_at, severity, ..Alert::default() })
    };
    let all = [("One", -1500), ("Two", -1200), ("Three", -900), ("Four", -600), ("Watchdog", -500), ("Since", -30)];
    let alerts = all.map(began).to_vec();
    scene.good("prometheus", "main", Snapshot::Alerts(AlertReport { alerts, ..AlertReport::default() }));
    let declared = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": "Slow", "priority": "P2" }));
    scene.send(Event::Run(RunEvent::Incidents(vec![declared])));
    scene.keys("Xw");
    let buffer = scene.paint();
    let rows = (0..30).map(|y| (0..100).map(|x| buffer[(x, y)].symbol()).collect::<String>());
    let text =
        rows.skip_while(|row| !row.contains("What changed before it began")).take(4).collect::<Vec<_>>().join("\n");
    let at = |name: &str| text.find(&format!("Z {name} ")).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(at("Two") < at("Three") && at("Three") < at("Four"), "{text}");
    assert!(!text.contains("Z One ") && !text.contains("Z Since "), "{text}");
}

/// What is to be recorded of the incident since the last look, each taken in as if the journal had it.
fn recorded(scene: &mut Scene) -> Vec<RecordKind> {
    let effects = std::mem::take(&mut scene.effects);
    let entries = effects.into_iter().filter_map(|effect| match effect {
        Effect::Incident { entries, .. } => Some(entries),
        _ => None,
    });
    let entries: Vec<Entry> = entries.flatten().collect();
    for entry in &entries {
        let record = of_incident(0, entry.kind, entry.data.clone());
        scene.send(Event::Run(RunEvent::Noted(Box::new(record))));
    }
    entries.iter().map(|entry| entry.kind).collect()
}

#[test]
fn an_alert_is_recorded_as_over_when_all_sources_say_so_and_it_was_seen_from_here() {
    let sources = [("prometheus", "main", Subject::Alerts), ("alertmanager", "main", Subject::Alerts)];
    let mut scene = Scene::new(&sources, (160, 45));
    let declared = of_incident(-60, RecordKind::IncidentDeclare, json!({ "title": "Slow", "priority": "P2" }));
    let elsewhere = of_incident(-50, RecordKind::AlertFired, json!({ "name": "Far", "fingerprint": "elsewhere" }));
    scene.send(Event::Run(RunEvent::Incidents(vec![declared, elsewhere])));
    let Snapshot::Alerts(report) = rows(Subject::Alerts, 1, &[]) else { unreachable!() };
    let with = |state: Option<AlertState>| {
        let alert = |state| Arc::new(Alert { state, severity: Severity::Critical, ..(*report.alerts[0]).clone() });
        Snapshot::Alerts(AlertReport { alerts: state.into_iter().map(alert).collect(), ..AlertReport::default() })
    };
    scene.good("prometheus", "main", with(Some(AlertState::Firing)));
    assert_eq!(recorded(&mut scene), [RecordKind::AlertFired]);
    scene.good("prometheus", "main", with(Some(AlertState::Firing)));
    scene.good("prometheus", "main", with(None));
    assert_eq!(recorded(&mut scene), [], "the other one has not answered yet");
    scene.good("alertmanager", "main", with(Some(AlertState::Suppressed)));
    assert_eq!(recorded(&mut scene), [], "one that is silenced fires");
    scene.bad("alertmanager", "main", "it does not answer", "start it");
    scene.good("prometheus", "main", with(None));
    assert_eq!(recorded(&mut scene), [], "who does not answer may know better");
    scene.good("alertmanager", "main", with(None));
    assert_eq!(recorded(&mut scene), [RecordKind::AlertResolved]);
    // The one that another session told of was never seen here.
    let firing: Vec<&str> = scene.state.watch.open().unwrap().firing().collect();
    assert_eq!(firing, ["Far"]);
    scene.good("alertmanager", "main", with(Some(AlertState::Firing)));
    assert_eq!(recorded(&mut scene), [RecordKind::AlertFired], "it fires again");
}
