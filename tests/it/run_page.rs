//! A run's page: the runbook's text, the step that is under way, what it says, how long it takes, what others are told; and going alone
//! where it takes two.

use crate::dump;
use crate::frames;
use crate::scene::{Scene, record_at, run_id, setup, start};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::record::RecordKind;
use quarterdeck::domain::risk::{BreakGlass, Level};
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent};
use quarterdeck::runbook::Library;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const RUNBOOK: &str = include_str!("../fixtures/runbooks/api-roll.md");

/// A screen whose library has one runbook, which ran three times before.
pub fn before(size: (u16, u16)) -> Scene {
    let mut setup = setup(&crate::scene::SOURCES);
    setup.library = Arc::new(Library::read([("api-roll.md", RUNBOOK)]).unwrap());
    let mut scene = Scene::of(setup, size);
    scene.fill();
    for (run, took) in [(1, 4), (2, 30), (3, 9)] {
        let at = -3600 * (4 - run as i64);
        begun(&mut scene, run, at);
        drained(&mut scene, run, at, took, "ok");
        let done = json!({ "state": "ok", "detail": "done by hand" });
        scene.send(record_at(at + 60, run, RecordKind::StepExit, Some("after/tell"), done));
        let finish = json!({ "outcome": "ok", "reason": "every step is ok or skipped" });
        scene.send(record_at(at + 61, run, RecordKind::RunFinish, None, finish));
        // Back to where somebody was: each run opens its page.
        scene.key(KeyCode::Esc);
    }
    scene
}

fn begun(scene: &mut Scene, run: u128, at: i64) {
    let hash = scene.state.library.get("api-roll").unwrap().hash.clone();
    let step = |id: &str, title: &str, changes: bool, undo: Option<&str>| {
        json!({ "id": id, "title": title, "target": if changes { "game-1" } else { "" }, "address": if changes { "ops@10.0.1.4:22" } else { "" },
            "changes": changes, "undo": undo })
    };
    let steps = [
        step("preflight/is-there-room", "Is there room", false, None),
        step("drain", "Drain", true, Some("curl -fsS -X POST localhost:9000/undrain")),
        step("after/tell", "Tell", false, None),
    ];
    let data = json!({
        "runbook": "api-roll", "title": "Roll the API", "answer": "drain game-1", "source_hash": hash, "plan_hash": "5f2ad8c3b1907e64aa",
        "params": { "server": "game-1" }, "steps": steps, "risk": "high",
    });
    scene.send(record_at(at, run, RecordKind::RunStart, None, data));
    let look = json!({ "state": "ok", "detail": "the script ended with 0: 41% used" });
    scene.send(record_at(at + 1, run, RecordKind::StepExit, Some("preflight/is-there-room"), look));
    let sent = json!({ "sent": "set -eu\ncurl -fsS -X POST localhost:9000/drain", "detail": "about to act on game-1" });
    scene.send(record_at(at + 2, run, RecordKind::StepIntent, Some("drain"), sent));
}

fn drained(scene: &mut Scene, run: u128, at: i64, took: i64, state: &str) {
    let output = (0..60).map(|at| format!("waits for {} players", 60 - at)).collect::<Vec<_>>().join("\n");
    let data = json!({ "state": state, "detail": "verify: the script ended with 0", "output": output });
    scene.send(record_at(at + 2 + took, run, RecordKind::StepExit, Some("drain"), data));
}

/// The second step is under way, and says a lot.
pub fn under_way() -> Scene {
    let mut scene = before((160, 45));
    begun(&mut scene, 4, 0);
    scene.pass(Duration::from_secs(14));
    say(&mut scene, (0..40).map(|at| format!("waits for {} players", 60 - at)).collect());
    scene
}

/// It failed, and can be taken back; alone for two.
pub fn failed() -> Scene {
    let mut scene = before((160, 45));
    begun(&mut scene, 4, 0);
    let reason = json!({ "reason": "the second on-call does not answer, players are cut off", "steps": ["drain"] });
    scene.send(record_at(0, 4, RecordKind::BreakGlass, None, reason));
    drained(&mut scene, 4, 0, 90, "failed");
    let why = "verify: `rc == 0` is not true: 3 players are left; left to undo: step 2 'Drain' on game-1";
    let finish = json!({ "outcome": "failed", "reason": why });
    scene.send(record_at(93, 4, RecordKind::RunFinish, None, finish));
    scene.pass(Duration::from_secs(100));
    scene
}

/// What others are told of it.
pub fn told() -> Scene {
    let mut scene = failed();
    ctrl(&mut scene, 'y');
    scene
}

fn say(scene: &mut Scene, lines: Vec<String>) {
    scene.send(Event::Run(RunEvent::Output { run: run_id(4), step: "drain".to_owned(), lines, lost: 0 }));
}

fn ctrl(scene: &mut Scene, letter: char) {
    scene.pass(Duration::from_millis(100));
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))));
}

fn text(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

fn copied(scene: &mut Scene) -> String {
    let copied = scene.effects.drain(..).filter_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    copied.reduce(|_, later| later).expect("something is copied")
}

#[test]
fn it_opens_when_a_run_begins_and_stays_until_it_is_dismissed() {
    let mut scene = before((80, 24));
    scene.keys("2");
    begun(&mut scene, 4, 0);
    scene.pass(Duration::from_secs(14));
    let seen = text(&mut scene);
    assert!(seen.contains("now   2 of 3  Drain on game-1: running  12s (median 9.0s of 3 runs)"), "{seen}");
    assert!(
        seen.contains("next  Tell") && seen.contains("sent, and can be undone: step 2 'Drain' on game-1"),
        "{seen}"
    );
    assert!(
        seen.contains("▶ Drain  on game-1: running"),
        "the step that is under way is on the smallest screen: {seen}"
    );
    drained(&mut scene, 4, 0, 20, "ok");
    assert!(text(&mut scene).contains("3 of 3  Tell: waits"));
    scene.key(KeyCode::Esc);
    assert!(text(&mut scene).contains("2 Containers"), "back where it came from");
    scene.keys("6");
    scene.key(KeyCode::Enter);
    assert!(text(&mut scene).contains("3 of 3  Tell: waits"), "and there again");
}

#[test]
fn what_a_step_says_is_followed_until_somebody_looks_elsewhere() {
    let mut scene = under_way();
    scene.resize((80, 24));
    assert!(text(&mut scene).contains("│ waits for 21 players"));
    say(&mut scene, vec!["the last line".to_owned(), "\x1b[2Jred\u{202e}evil".to_owned()]);
    let seen = text(&mut scene);
    assert!(seen.contains("│ the last line") && seen.contains("follows"), "{seen}");
    assert!(!seen.contains('\x1b') && !seen.contains('\u{202e}'), "{seen}");
    scene.keys("g");
    say(&mut scene, vec!["later still".to_owned()]);
    let seen = text(&mut scene);
    assert!(seen.contains("What it is for") || seen.contains("Roll the API"), "{seen}");
    assert!(!seen.contains("later still") && !seen.contains("follows"), "{seen}");
    scene.keys("G");
    assert!(text(&mut scene).contains("later still"));
}

#[test]
fn the_page_is_the_text_as_it_was_written_and_a_run_of_the_past_has_it_too() {
    let mut scene = before((160, 70));
    scene.keys("6");
    scene.key(KeyCode::Enter);
    let seen = text(&mut scene);
    for line in ["1. The load balancer", "- at night", "kubectl get pods", "Never drain the last server."] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(!seen.contains("**") && !seen.contains("```"), "{seen}");
    assert!(seen.contains("✓ Drain on game-1") && seen.contains("ok  9.0s (median"), "{seen}");
    assert!(seen.contains("… 20 lines left out"), "{seen}");
    scene.keys("G");
    assert!(text(&mut scene).contains("undo: bash on $server, only if somebody asks for it"));
}

#[test]
fn a_step_that_failed_is_in_sight_while_somebody_is_asked_what_now() {
    let mut scene = before((80, 24));
    begun(&mut scene, 4, 0);
    drained(&mut scene, 4, 0, 9, "failed");
    let seen = text(&mut scene);
    assert!(seen.contains("now   2 of 3  Drain on game-1: failed  9.0s"), "{seen}");
    assert!(seen.contains("next  Tell") && seen.contains("✗ Drain  on game-1: failed"), "{seen}");
    let tick = json!({ "output": "[x] The channel knows", "ticked": true });
    scene.send(record_at(20, 4, RecordKind::StepTick, Some("after/tell"), tick));
    assert!(text(&mut scene).contains("3 of 3  Tell: under way"), "it went on");
}

#[test]
fn what_is_ticked_is_ticked_in_its_place() {
    let mut scene = before((120, 60));
    begun(&mut scene, 4, 0);
    drained(&mut scene, 4, 0, 9, "ok");
    assert!(text(&mut scene).contains("[ ] The channel knows"));
    let tick = json!({ "output": "[x] The channel knows", "ticked": true });
    scene.send(record_at(20, 4, RecordKind::StepTick, Some("after/tell"), tick));
    let seen = text(&mut scene);
    assert!(seen.contains("[x] The channel knows") && seen.contains("3 of 3  Tell: under way"), "{seen}");
    assert!(!seen.contains("[ ] The channel knows") && seen.matches("The channel knows").count() == 1, "{seen}");
}

/// A check whose answer a question and a later wait name.
const NAMING: &str = r"---
runbook: 1
id: naming
title: Naming
owner: on-call
reviewed: 2026-11-20
risk: read
params:
  - {name: job, type: string, required: true}
---

# Naming

## Look

### How many fail

```http check on=shop timeout=5s out=found expect=(status == 200)
GET /jobs/{{ job }}
```

### Tell

`{{ job }}` has {{ found[0].failed }} that failed.

- [ ] They know of {{ found[0].failed }}

### They are gone

```http wait on=shop every=1s timeout=5s until=(status == 404)
GET /failed/{{ found[0].id }}?job={{ job }}
```
";

#[test]
fn what_a_run_knows_stands_in_the_words_of_its_page() {
    let mut setup = setup(&crate::scene::SOURCES);
    setup.library = Arc::new(Library::read([("naming.md", NAMING)]).unwrap());
    let mut scene = Scene::of(setup, (160, 60));
    scene.fill();
    let step =
        |id: &str, by_hand: bool| json!({ "id": id, "title": "x", "target": "", "changes": false, "by_hand": by_hand });
    let steps = [step("look/how-many-fail", false), step("look/tell", true), step("look/they-are-gone", false)];
    let hash = scene.state.library.get("naming").unwrap().hash.clone();
    let data = json!({
        "runbook": "naming", "title": "Naming", "source_hash": hash, "steps": steps, "risk": "read", "answer": "y",
        "params": { "job": "a b" }, "values": { "job": "a b" },
    });
    scene.send(record_at(0, 7, RecordKind::RunStart, None, data));
    let seen = text(&mut scene);
    assert!(seen.contains("GET /jobs/a%20b") && seen.contains("GET /failed/{{ found[0].id }}"), "{seen}");
    assert!(seen.contains("[ ] They know of {{ found[0].failed }}"), "it is not asked yet: {seen}");
    let found = json!({ "found": { "key": [], "rows": [{ "id": 7, "failed": "3\u{1b}[31m" }] } });
    let exit = json!({ "state": "ok", "detail": "the answer is 200", "outs": found });
    scene.send(record_at(1, 7, RecordKind::StepExit, Some("look/how-many-fail"), exit));
    let tick = json!({ "output": "[x] They know of 3␛[31m", "ticked": true });
    scene.send(record_at(2, 7, RecordKind::StepTick, Some("look/tell"), tick));
    let seen = text(&mut scene);
    assert!(seen.contains("a b has 3␛[31m that failed.") && seen.contains("[x] They know of 3"), "{seen}");
    assert!(seen.contains("GET /failed/7?job=a%20b") && !seen.contains("{{"), "{seen}");
}

#[test]
fn a_file_that_is_another_one_now_is_not_shown_for_the_one_that_was_run() {
    let mut scene = under_way();
    let changed = RUNBOOK.replace("Never drain", "Always drain");
    scene.state.library = Arc::new(Library::read([("api-roll.md", changed.as_str())]).unwrap());
    text(&mut scene);
    scene.keys("g");
    let seen = text(&mut scene);
    assert!(seen.contains("the runbook's file has changed since"), "{seen}");
    assert!(!seen.contains("Always drain") && seen.contains("curl -fsS -X POST localhost:9000/drain"), "{seen}");
    for _ in 0..3 {
        scene.key(KeyCode::PageDown);
    }
    let seen = text(&mut scene);
    assert!(seen.contains("undo, only if somebody asks for it") && seen.contains("localhost:9000/undrain"), "{seen}");
}

/// Two steps, of which the second calls a runbook that changes something for good.
fn calling(scene: &mut Scene) {
    let change =
        json!({ "number": "2", "title": "End them", "on": "primary", "sent": "x", "undo": null, "when": null });
    let call = json!({ "runbook": "pg-long", "title": "Long", "risk": "high", "hash": "x", "params": [], "changes": [change] });
    let step = |id: &str, title: &str, call: Value| json!({ "id": id, "title": title, "target": "", "changes": false, "call": call });
    let steps = [step("a/look", "Look", Value::Null), step("a/long", "Long ones", call)];
    let data = json!({ "runbook": "outer", "title": "Outer", "steps": steps, "risk": "low", "answer": "y" });
    scene.send(record_at(0, 7, RecordKind::RunStart, None, data));
    scene.send(record_at(1, 7, RecordKind::StepExit, Some("a/look"), json!({ "state": "ok", "detail": "well" })));
}

/// The called run has begun, changed something, and failed.
fn called(scene: &mut Scene) {
    begin_called(scene);
    end_called(scene);
}

fn begin_called(scene: &mut Scene) {
    let step = |id: &str, title: &str, changes: bool| json!({ "id": id, "title": title, "target": "primary", "changes": changes });
    let steps = [step("x/look", "Look", false), step("x/end", "End them", true)];
    let parent = json!({ "run": run_id(7), "step": "a/long" });
    let data = json!({ "runbook": "pg-long", "title": "Long", "steps": steps, "parent": parent, "answer": "y" });
    scene.send(record_at(2, 8, RecordKind::RunStart, None, data));
    scene.send(record_at(3, 8, RecordKind::StepIntent, Some("x/end"), json!({ "sent": "x" })));
    scene.send(record_at(4, 8, RecordKind::StepExit, Some("x/end"), json!({ "state": "ok", "detail": "2 ended" })));
}

fn end_called(scene: &mut Scene) {
    scene.send(record_at(5, 8, RecordKind::RunFinish, None, json!({ "outcome": "failed", "reason": "no" })));
}

#[test]
fn what_a_called_run_changes_and_how_that_is_undone_is_always_in_sight_and_told() {
    let mut scene = before((160, 45));
    calling(&mut scene);
    let seen = text(&mut scene);
    let ahead = "calls step 2 'Long ones' runs pg-long (high risk): changes step 2.2 'End them' on primary, which cannot be undone";
    assert!(seen.contains(ahead) && seen.contains("undo  it cannot be undone"), "{seen}");
    scene.resize((80, 24));
    let small = text(&mut scene).replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(small.contains(ahead), "on the smallest screen too: {small}");
    scene.resize((160, 45));
    called(&mut scene);
    let run = run_id(8).short();
    let why = format!(
        "run {run} of pg-long ended failed: no; cannot be undone: step 2.2 'End them' on primary (run {run} of pg-long)"
    );
    scene.send(record_at(6, 7, RecordKind::StepExit, Some("a/long"), json!({ "state": "failed", "detail": "no" })));
    scene.send(record_at(7, 7, RecordKind::RunFinish, None, json!({ "outcome": "failed", "reason": why })));
    scene.pass(Duration::from_secs(10));
    scene.key(KeyCode::Esc);
    scene.keys("6");
    scene.key(KeyCode::Home);
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Enter);
    let seen = text(&mut scene);
    let came = format!(
        "step 2 'Long ones' ran pg-long (run {run}): failed; changed step 2.2 'End them' on primary, which cannot be undone"
    );
    assert!(seen.contains(&came) && seen.contains("nothing is left to undo"), "{seen}");
    ctrl(&mut scene, 'y');
    let told = copied(&mut scene);
    for line in [
        &format!("- outcome: failed: run {run} of pg-long ended failed: no\n"),
        &format!("- calls: {came}\n"),
        &format!(
            "- left to undo: nothing\n- cannot be undone: step 2.2 'End them' on primary (run {run} of pg-long)\n"
        ),
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(told.lines().count() <= 12, "{told}");
}

#[test]
fn when_a_called_run_ends_the_page_of_its_caller_is_there_again_unless_somebody_went_elsewhere() {
    let callers = format!("run {}", run_id(7));
    for goes in [false, true] {
        let mut scene = before((160, 45));
        calling(&mut scene);
        // Hands are off the keys.
        scene.pass(Duration::from_secs(1));
        if goes {
            begin_called(&mut scene);
            scene.pass(Duration::from_secs(1));
            scene.keys("1");
            scene.pass(Duration::from_secs(1));
            end_called(&mut scene);
        } else {
            called(&mut scene);
        }
        let seen = text(&mut scene);
        assert_eq!(seen.contains(&callers), !goes, "{seen}");
        assert!(seen.contains("▶ Outer"), "the line is the caller's: {seen}");
    }
}

/// Another machine's record: its chain and its host.
fn elsewhere(event: Event) -> Event {
    let Event::Run(RunEvent::Record(mut record)) = event else { return event };
    (record.writer, record.actor.host) = (uuid::Uuid::from_u128(9), "bastion-2".to_owned());
    Event::Run(RunEvent::Elsewhere(record))
}

#[test]
fn a_clock_that_is_off_is_told_once_and_beside_the_times_that_are_told_by_it() {
    let opened = |ahead_ms: i64| {
        let Event::Run(RunEvent::Record(mut record)) =
            record_at(0, 9, RecordKind::JournalOpen, None, json!({ "clock_ahead_ms": ahead_ms }))
        else {
            panic!()
        };
        record.entry.run = None;
        elsewhere(Event::Run(RunEvent::Record(record)))
    };
    let begins = || {
        let steps = json!([{ "id": "a/look", "title": "Look", "target": "game-1", "changes": false }]);
        let data = json!({ "runbook": "outer", "title": "Outer", "steps": steps, "risk": "low", "answer": "y" });
        elsewhere(record_at(1, 9, RecordKind::RunStart, None, data))
    };
    let told = "the clock of ada@bastion-2 is 42.0 s behind the journal server's";
    for (ahead, off) in [(42_000, true), (1500, false)] {
        let mut scene = before((160, 45));
        scene.send(opened(ahead));
        let seen = text(&mut scene);
        assert_eq!(seen.contains(told), off, "{seen}");
        scene.send(begins());
        scene.pass(Duration::from_mins(2));
        scene.send(opened(ahead));
        let seen = text(&mut scene);
        assert!(!seen.contains(told), "once: {seen}");
        scene.keys("6");
        let seen = text(&mut scene);
        assert_eq!(seen.contains("outer (clock off)"), off, "{seen}");
        scene.key(KeyCode::Home);
        scene.key(KeyCode::Enter);
        let seen = text(&mut scene);
        assert_eq!(seen.contains("! its times are by a clock 42.0 s behind the journal server's"), off, "{seen}");
    }
}

#[test]
fn a_step_whose_line_is_lost_stands_above_the_keys_in_every_view_until_it_is_followed_again() {
    let mut scene = under_way();
    let since = start().wall + Duration::from_secs(14);
    let detached = |since| {
        Event::Run(RunEvent::Detached { run: run_id(4), step: "drain".to_owned(), since, why: "reset".to_owned() })
    };
    scene.send(detached(Some(since)));
    for (at, key) in ["1", "5", "6", "0", "2"].into_iter().enumerate() {
        scene.pass(Duration::from_secs(5));
        scene.keys(key);
        let seen = text(&mut scene);
        let silent = 5 * (at + 1);
        let line = format!("◌ detached: nothing heard of game-1 for {silent}s; it goes on there");
        assert!(seen.contains(&line), "{line}: {seen}");
    }
    scene.send(detached(None));
    let seen = text(&mut scene);
    assert!(!seen.contains("nothing heard of") && seen.contains("▶ "), "{seen}");
}

#[test]
fn a_call_that_failed_says_what_became_of_its_run_since() {
    let mut scene = before((160, 45));
    calling(&mut scene);
    called(&mut scene);
    scene.send(record_at(6, 7, RecordKind::StepExit, Some("a/long"), json!({ "state": "failed", "detail": "no" })));
    scene.send(record_at(7, 7, RecordKind::RunFinish, None, json!({ "outcome": "failed", "reason": "no" })));
    scene.pass(Duration::from_secs(10));
    scene.key(KeyCode::Esc);
    scene.keys("6");
    scene.key(KeyCode::Home);
    scene.key(KeyCode::Down);
    scene.key(KeyCode::Enter);
    let (run, seen) = (run_id(8).short(), text(&mut scene));
    assert!(seen.contains("Long ones: failed") && !seen.contains(" since\n"), "{seen}");
    let resume = json!({ "way": "go on", "reason": "1 to go" });
    scene.send(frames::elsewhere(record_at(60, 8, RecordKind::RunResume, None, resume)));
    let seen = text(&mut scene);
    assert!(seen.contains(&format!("Long ones: failed; run {run} was taken up again since")), "{seen}");
    let finish = json!({ "outcome": "ok", "reason": "well" });
    scene.send(frames::elsewhere(record_at(70, 8, RecordKind::RunFinish, None, finish)));
    let seen = text(&mut scene);
    assert!(seen.contains(&format!("Long ones: failed; run {run} ended ok since")), "{seen}");
}

#[test]
fn hosts_of_one_step_stand_under_its_heading() {
    let mut scene = before((160, 60));
    let step = |host: &str| json!({ "id": format!("drain@{host}"), "title": "Drain", "target": host, "changes": true });
    let hash = scene.state.library.get("api-roll").unwrap().hash.clone();
    let data = json!({ "runbook": "api-roll", "title": "Roll the API", "source_hash": hash, "steps": [step("game-1"), step("game-2")] });
    scene.send(record_at(0, 9, RecordKind::RunStart, None, data));
    let ok = json!({ "state": "ok", "detail": "drained" });
    scene.send(record_at(4, 9, RecordKind::StepExit, Some("drain@game-1"), ok));
    scene.send(record_at(5, 9, RecordKind::StepIntent, Some("drain@game-2"), json!({ "sent": "x" })));
    scene.pass(Duration::from_secs(8));
    let seen = text(&mut scene);
    let lines: Vec<&str> = seen.lines().collect();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {seen}"));
    assert!(at("✓ game-1: ok") < at("▶ game-2: running"), "{seen}");
    assert_eq!(seen.matches("A server without players").count(), 1, "the text stands there once: {seen}");
}

#[test]
fn others_are_told_before_and_after_and_nothing_of_what_is_hidden() {
    let mut scene = under_way();
    ctrl(&mut scene, 'y');
    let told = copied(&mut scene);
    for part in [
        "*staging* ada@bastion is running *Roll the API* (api-roll)",
        "- on: game-1 (ops@10.0.1.4:22)",
        "- with: server = game-1",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("- risk: high; it can be undone") && told.contains("- plan: 5f2ad8c3b190\n"), "{told}");
    assert!(text(&mut scene).contains("ada@bastion is running"), "it is shown, too");
    scene.key(KeyCode::Esc);
    assert!(text(&mut scene).contains("now   2 of 3"));
    let mut scene = self::told();
    let told = copied(&mut scene);
    for part in [
        "ada@bastion ran *Roll the API*",
        "- outcome: `failed: verify: 'rc == 0' is not true: 3 players are left`\n",
        "- BREAK-GLASS: ",
        "- failed: step 2 'Drain' on game-1\n",
        "- left to undo: step 2 'Drain' on game-1\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(told.matches("left to undo").count(), 1, "{told}");
    assert!(told.contains("- not done: step 3 'Tell'\n") && !told.contains("curl"), "{told}");
    assert!(told.lines().count() <= 12, "{told}");
    let mut scene = failed();
    scene.keys("P");
    scene.pass(Duration::from_millis(100));
    ctrl(&mut scene, 'y');
    let told = copied(&mut scene);
    assert!(!told.contains("ada") && !told.contains("10.0.1.4"), "{told}");
}

fn plan_for_two(policy: BreakGlass, writes_locked: bool) -> Scene {
    let mut setup = setup(&crate::scene::SOURCES);
    setup.policy.break_glass = policy;
    setup.guarded = writes_locked;
    let mut scene = Scene::of(setup, (120, 40));
    scene.fill();
    frames::show(&mut scene, frames::plan("db-kill-idle", Level::Two, 3, &[]));
    scene.paint();
    scene
}

/// It was on the screen long enough to be answered.
fn settle(scene: &mut Scene) {
    scene.paint();
    scene.pass(Duration::from_millis(400));
    scene.paint();
}

fn started(scene: &Scene) -> Option<Value> {
    scene.effects.iter().find_map(|effect| match effect {
        Effect::Start(plan) => Some(json!(plan.glass().map(|glass| glass.reason().to_owned()))),
        _ => None,
    })
}

/// Types the reason, then the phrase.
fn alone(scene: &mut Scene, reason: &str) {
    scene.keys("!");
    scene.keys(reason);
    scene.key(KeyCode::Enter);
    settle(scene);
    scene.keys("kill 3 on primary");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(100));
}

#[test]
fn one_person_does_what_takes_two_only_for_a_reason_and_with_the_phrase() {
    let mut scene = plan_for_two(BreakGlass::Allow, false);
    let seen = text(&mut scene);
    assert!(seen.contains("takes a second person's approval") && seen.contains("! does it alone"), "{seen}");
    for keys in ["y", "kill 3 on primary"] {
        scene.keys(keys);
        scene.key(KeyCode::Enter);
        scene.pass(Duration::from_millis(100));
        assert_eq!(started(&scene), None, "{keys}");
    }
    let mut scene = plan_for_two(BreakGlass::Allow, false);
    alone(&mut scene, "urgent");
    assert_eq!(started(&scene), None, "that is no reason");
    let mut scene = plan_for_two(BreakGlass::Allow, false);
    scene.keys("!");
    scene.keys("the pool is full and nobody answers");
    scene.key(KeyCode::Enter);
    settle(&mut scene);
    scene.keys("y");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(100));
    assert_eq!(started(&scene), None, "the phrase is still needed");
    let mut scene = plan_for_two(BreakGlass::Allow, false);
    alone(&mut scene, "the pool is full and nobody answers");
    assert_eq!(started(&scene), Some(json!("the pool is full and nobody answers")));
}

#[test]
fn breaking_the_glass_is_forbidden_by_the_policy_and_opens_no_lock() {
    let mut scene = plan_for_two(BreakGlass::Refuse, false);
    assert!(!text(&mut scene).contains("does it alone"));
    scene.keys("!");
    assert!(text(&mut scene).contains("the config forbids it"));
    alone(&mut scene, "the pool is full and nobody answers");
    assert_eq!(started(&scene), None);
    let mut scene = plan_for_two(BreakGlass::Allow, true);
    alone(&mut scene, "the pool is full and nobody answers");
    assert_eq!(started(&scene), None, "writes are locked");
    assert!(text(&mut scene).contains("writes are locked"));
}

#[test]
fn a_plan_is_told_before_it_is_answered_and_not_answered_meanwhile() {
    let mut scene = plan_for_two(BreakGlass::Allow, false);
    ctrl(&mut scene, 'y');
    let told = copied(&mut scene);
    let first = "*staging* ada@bastion is about to run *Kill idle database sessions* (db-kill-idle)\n";
    assert!(told.starts_with(first), "{told}");
    assert!(told.contains("- on: primary (10.0.1.4:5432) (3 affected)\n"), "{told}");
    assert!(text(&mut scene).contains("is about to run"));
    scene.keys("y");
    scene.key(KeyCode::Esc);
    scene.pass(Duration::from_millis(100));
    assert!(text(&mut scene).contains("3 affected:"), "the plan is there again");
    assert_eq!(started(&scene), None);
}

#[test]
fn a_write_lock_that_closes_lets_a_run_go_on_and_begin_nothing_new() {
    let mut setup = setup(&crate::scene::SOURCES);
    setup.guarded = true;
    setup.relock = Duration::from_secs(60);
    let mut scene = Scene::of(setup, (120, 40));
    scene.fill();
    scene.keys("W");
    scene.pass(Duration::from_millis(100));
    settle(&mut scene);
    scene.keys("y");
    scene.pass(Duration::from_millis(100));
    assert!(text(&mut scene).contains("writes UNLOCKED"));
    crate::scene::begin(&mut scene, 1, "local/api-1");
    scene.pass(Duration::from_secs(61));
    assert!(text(&mut scene).contains("writes LOCKED"));
    let asked = RunEvent::Ask {
        run: run_id(1),
        step: "a/restart".to_owned(),
        prompt: "Restart it (local/api-1)".to_owned(),
        phrase: Some("restart api-1 on local".to_owned()),
        manual: false,
        list: quarterdeck::event::TaskList::default(),
        ways: Vec::new(),
    };
    scene.send(Event::Run(asked));
    settle(&mut scene);
    scene.keys("restart api-1 on local");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(100));
    let answered = scene.effects.iter().any(|effect| matches!(effect, Effect::Answer(run, _) if *run == run_id(1)));
    assert!(answered, "the run under way takes its answer");
    assert_eq!(start().mono, Duration::from_secs(1000));
}
