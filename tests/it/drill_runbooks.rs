//! Runbooks that are run in a drill: without a screen, and by somebody at a terminal who agrees to everything.

use crate::desk::Desk;
use crate::drill::{Serving, turn};
use crate::lab::poll;
use crate::pty::Session;
use crate::support::{LONG, say, words};
use regex::Regex;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A runbook, planned and run without a screen, against a drill that serves.
pub fn run(desk: &Desk, config: &str, id: &str, vars: &[&str]) -> (Option<i32>, String) {
    let vars: Vec<&str> = vars.iter().flat_map(|var| ["--var", *var]).collect();
    let call = |verb: &str, more: &[&str]| {
        let words: Vec<&str> =
            ["--config", config, "runbook", verb, id].into_iter().chain(vars.iter().chain(more).copied()).collect();
        let output = desk.run(&words);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (_, planned) = call("plan", &[]);
    let answers = planned.lines().find_map(|line| line.strip_prefix("to run it unattended: "));
    let answers = words(answers.unwrap_or_else(|| panic!("{planned}")));
    call("run", &answers.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_bad_build_is_taken_back_by_the_runbook_of_the_handbook() {
    let _turn = turn();
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "bad-deploy", "--seed", "1", "--speed", "10"]);
    let config = drill.config().to_string_lossy().into_owned();
    let snapshot = || {
        let output = desk.run(&["--config", &config, "snapshot", "alerts"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    poll(LONG, || snapshot().contains("HighErrorRate").then_some(())).unwrap();
    let incident = |arguments: &[&str]| {
        let output = desk.run(&[&["--config", &config, "incident"][..], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        (Instant::now(), output.stdout)
    };
    let begun = (Instant::now(), incident(&["declare", "v2.5.1 answers with errors", "-p", "P1"]).0);
    let (code, said) = run(&desk, &config, "rollback-quick", &["server=game-2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("which is v2.5.0"), "{said}");
    // Who raised the alarm takes it back.
    poll(LONG, || (!snapshot().contains("HighErrorRate")).then_some(())).unwrap();
    // The incident has the production's time: ten of its seconds in one of ours.
    let looked = Instant::now();
    let (ended, list) = incident(&["list", "--json"]);
    let list: Value = serde_json::from_slice(&list).unwrap();
    let clock = list[0]["clocks"].as_array().unwrap().iter().find(|clock| clock["what"] == "respond");
    let passed = 3600 - clock.unwrap()["left_seconds"].as_i64().unwrap();
    let ten = |time: Duration| i64::try_from(time.as_millis() / 100).unwrap();
    assert!((ten(looked - begun.1)..=ten(ended - begun.0) + 1).contains(&passed), "{passed}: {list}");
}

/// What looks after a database, and what tells people: other runbooks are played by the key files.
#[test]
fn upkeep_and_news_go_well_there() {
    let _turn = turn();
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "1", "--speed", "60"]);
    let config = drill.config().to_string_lossy().into_owned();
    let table = ["database=primary", "server=db-primary", "table=public.players"];
    let message = "message=players are being moved";
    for (id, vars, told) in [
        ("db-vacuum", ["database=primary"].as_slice(), "every table is vacuumed and analyzed"),
        ("db-analyze", &["database=primary"], "every table is analyzed"),
        ("db-reindex", &table, "1 rebuilt, 0 invalid"),
        ("db-vacuum-full", &table, " before, "),
        ("db-backup-schedule", &["server=db-primary"], "is whole"),
        ("status-open", &["name=Login is slow", message], "ok"),
        ("incident-channel", &["channel=inc-login", message], "ok"),
        ("webhook-notify", &["hook=webhook", "level=P2", message], "ok"),
    ] {
        let (code, said) = run(&desk, &config, id, vars);
        assert_eq!(code, Some(0), "{id}: {said}");
        assert!(said.contains(told), "{id}: {told}: {said}");
    }
}

#[test]
fn a_machine_that_was_made_is_reached_by_its_address_and_no_other_place_is() {
    let _turn = turn();
    let desk = Desk::bare();
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "1", "--speed", "60"]);
    let config = drill.config().to_string_lossy().into_owned();
    let make =
        "cd /opt/spacetime/infrastructure/terraform && terraform plan -var=server_count=5 -out=p && terraform apply p";
    let (code, said) = drill.ssh(&["lb-1", make]);
    assert!(code == Some(0) && said.contains("1 added"), "{said}");
    let (code, said) = run(&desk, &config, "scale-up-join", &["address=10.0.1.11"]);
    assert!(code == Some(0) && said.contains(" came to 10.0.1.11"), "{said}");
    for (id, vars, why) in [
        ("scale-up-join", ["address=10.0.1.99", "port=8081"], "10.0.1.99 is given as an address"),
        (
            "db-add-replica",
            ["database=primary", "server=db-replica-1"],
            "it is not for this place: a drill has no machine",
        ),
    ] {
        let vars = vars.map(|var| ["--var", var]).concat();
        let output = desk.run(&[&["--config", &config, "runbook", "plan", id][..], &vars].concat());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && said.contains(why), "{id}: {said}");
    }
}

/// Somebody at a terminal who says yes to a runbook and to all that it asks: types the phrases, ticks what is to be ticked, and takes the first of
/// what can be chosen. `known`: what is answered where a line has that text. All that was told.
fn agree(desk: &Desk, (config, id): (&str, &str), vars: &[&str], known: &[(&str, &str)]) -> String {
    let vars: Vec<&str> = vars.iter().flat_map(|var| ["--var", *var]).collect();
    let launch = desk.launch().env("NO_COLOR", "1").args(&["--config", config, "runbook", "run", id]);
    let mut screen = launch.args(&vars).start();
    let mut seen = 0;
    let since = |screen: &Session, seen: usize| String::from_utf8_lossy(&screen.raw()[seen..]).into_owned();
    loop {
        let asked = poll(LONG, || match since(&screen, seen) {
            told if asks(&told, known) => Some(Some(told)),
            _ => screen.ends(Duration::ZERO).then_some(None),
        });
        let asked = asked.unwrap_or_else(|| panic!("{id} asks nothing:\n{}", since(&screen, seen)));
        let Some(told) = asked else { break };
        for (answer, follows) in answers(&told, known) {
            seen = screen.raw().len();
            say(&mut screen, &answer);
            let heard = poll(LONG, || since(&screen, seen).contains(follows).then_some(()));
            heard.unwrap_or_else(|| panic!("{id}: {answer}: {}", since(&screen, seen)));
        }
    }
    let status = screen.wait_exit();
    let told = since(&screen, 0);
    assert_eq!(status.exit_code(), 0, "{id}:\n{told}");
    told
}

fn last_line(told: &str) -> &str {
    told.trim_end().rsplit('\n').next().unwrap_or_default()
}

fn asks(told: &str, known: &[(&str, &str)]) -> bool {
    let line = last_line(told);
    let is_question = ["or stop:", "to run it type "].iter().any(|words| line.contains(words));
    line.ends_with(':') && (is_question || known.iter().any(|(words, _)| line.contains(words)))
}

/// What is said to the question at the end, with what is heard of each before the next is said.
fn answers(told: &str, known: &[(&str, &str)]) -> Vec<(String, &'static str)> {
    let items = Regex::new(r"(?m)^\s+(tick|pick) (\d+): ").unwrap();
    let phrase = Regex::new(r"type  (.+?) ( to go on|:)").unwrap();
    let line = last_line(told);
    if let Some((_, answer)) = known.iter().find(|(words, _)| line.contains(words)) {
        return vec![((*answer).to_owned(), "\n")];
    }
    if let Some(found) = phrase.captures(line) {
        return vec![(found[1].trim_end().to_owned(), "\n")];
    }
    let wanted = items.captures_iter(told).filter(|item| &item[1] == "tick" || &item[2] == "1");
    let each =
        wanted.map(|item| (format!("{} {}", &item[1], &item[2]), if &item[1] == "tick" { "[x]" } else { "chosen: " }));
    each.chain([("y".to_owned(), "\n")]).collect()
}

/// A drill of a quiet day, whose time goes by faster.
fn steady(desk: &Desk) -> (Serving, String) {
    let drill = Serving::start(desk.home(), &["drill", "steady", "--seed", "1", "--speed", "400"]);
    let config = drill.config().to_string_lossy().into_owned();
    (drill, config)
}

#[test]
fn a_server_gets_a_larger_machine_and_a_window_stops_and_starts_all() {
    let _turn = turn();
    let desk = Desk::bare();
    let (drill, config) = steady(&desk);
    let query = "Reservations[].Instances[].[InstanceId, PrivateIpAddress]";
    let (_, all) = drill.ssh(&["lb-1", &format!("aws ec2 describe-instances --query '{query}' --output text")]);
    let id = all.lines().find_map(|line| line.strip_suffix("\t10.0.1.6")).unwrap_or_else(|| panic!("{all}"));
    let vars = ["server=game-3", "target=game-2", &format!("instance={id}"), "from_type=c5.2xlarge"];
    let vars = [&vars[..], &["to_type=c5.4xlarge", "cpus=16", "memory_gib=32"]].concat();
    let told = agree(&desk, (&config, "resize-instance"), &vars, &[]);
    assert!(told.contains("chosen: no rule names a size"), "{told}");
    let servers = "servers=game-1,game-2,game-3,game-4";
    let vars = [servers, "database_server=db-primary", "anytime=true"];
    let told = agree(&desk, (&config, "maintenance-run"), &vars, &[]);
    assert!(told.contains("chosen: all is well"), "{told}");
}

#[test]
fn a_window_is_announced_and_ended_and_an_emergency_brings_out_a_fix() {
    let _turn = turn();
    let desk = Desk::bare();
    let (_drill, config) = steady(&desk);
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    let day = today.nth_weekday(2, jiff::civil::Weekday::Sunday).unwrap();
    let day = format!("day={day}");
    for (id, vars, shown) in [
        (
            "maintenance-schedule",
            [&day, "message=the database is looked after", "notify=true"],
            "the maintenance is mnt-1",
        ),
        ("maintenance-finish", ["maintenance=mnt-1", "issue=71", "done=all indexes are rebuilt"], "ok"),
    ] {
        let (code, said) = run(&desk, &config, id, &vars);
        assert!(code == Some(0) && said.contains(shown), "{id}: {said}");
    }
    let known = [
        ("server of deploy-hotfix", "game-1"),
        ("version of deploy-hotfix", "v2.5.2"),
        ("previous of deploy-hotfix", "v2.5.0"),
        ("colour of deploy-hotfix", "blue"),
        ("repo of deploy-hotfix", "spacetime/game"),
        ("issue of deploy-hotfix", "#1234"),
    ];
    let told = agree(&desk, (&config, "maintenance-emergency"), &["message=a hole is closed"], &known);
    assert!(told.contains("https://github.com/spacetime/game/issues/72"), "{told}");
}

#[test]
fn a_server_goes_and_another_one_comes() {
    let _turn = turn();
    let desk = Desk::bare();
    let (_drill, config) = steady(&desk);
    let vars = ["server=game-4", "target=game-3", "server_count=3"];
    let told = agree(&desk, (&config, "scale-down"), &vars, &[]);
    assert!(told.contains("left: 10.0.1.4, 10.0.1.5, 10.0.1.6"), "{told}");
    let known = [("address of scale-up-join", "10.0.1.11")];
    let told = agree(&desk, (&config, "scale-up"), &["server_count=4"], &known);
    assert!(told.contains(" came to 10.0.1.11"), "{told}");
}
