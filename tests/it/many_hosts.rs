//! A rollout over many hosts, on the screen and on the command line: a line for each batch, the hosts that do not go well first and why, those
//! under way with what they say; the others are counted.

use crate::desk::Desk;
use crate::dump;
use crate::lab::need;
use crate::scene::{Scene, record_at, run_id, setup};
use quarterdeck::domain::record::RecordKind;
use quarterdeck::event::{Event, RunEvent};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 45)];

/// Hosts of the first batch, and of each one after it.
const FIRST: usize = 10;
const NEXT: usize = 20;

fn host(at: usize) -> String {
    format!("web-{:03}", at + 1)
}

/// A run over so many hosts in its second batch: 12 of it are done, one has failed, four are under way.
fn rolling(size: (u16, u16), count: usize) -> Scene {
    let mut scene = Scene::of(setup(&crate::scene::SOURCES), size);
    scene.fill();
    let step = |id: &str, title: &str, at: usize| json!({ "id": format!("reload/{id}@{}", host(at)), "title": title, "host": host(at), "target": host(at), "address": "", "changes": true });
    let steps: Vec<Value> =
        (0..count).flat_map(|at| [step("drain", "Drain", at), step("reload", "Reload", at)]).collect();
    let data = json!({ "runbook": "web-reload", "title": "Reload the web", "answer": "reload on 50 hosts", "steps": steps, "risk": "high" });
    scene.send(record_at(0, 4, RecordKind::RunStart, None, data));
    let of = 1 + (count - FIRST).div_ceil(NEXT);
    let batch = |scene: &mut Scene, number: usize, hosts: std::ops::Range<usize>| {
        let hosts: Vec<String> = hosts.map(host).collect();
        let data = json!({ "detail": "Reload: a batch", "batch": number, "of": of, "hosts": hosts, "pause_ms": 0 });
        scene.send(record_at(1, 4, RecordKind::RunBatch, None, data));
    };
    batch(&mut scene, 1, 0..FIRST);
    (0..FIRST).for_each(|at| done(&mut scene, at));
    batch(&mut scene, 2, FIRST..FIRST + NEXT);
    for at in FIRST..FIRST + 17 {
        begin(&mut scene, "drain", at);
    }
    (FIRST..FIRST + 12).for_each(|at| done(&mut scene, at));
    let failed = json!({ "state": "failed", "detail": "verify: `rc == 0` is not true: no space left on device" });
    scene.send(record_at(5, 4, RecordKind::StepExit, Some(&format!("reload/drain@{}", host(FIRST + 12))), failed));
    scene.pass(Duration::from_secs(14));
    for at in FIRST + 13..FIRST + 17 {
        let lines = vec!["begins".to_owned(), format!("{} players left", at * 3)];
        let step = format!("reload/drain@{}", host(at));
        scene.send(Event::Run(RunEvent::Output { run: run_id(4), step, lines, lost: 0 }));
    }
    scene
}

fn begin(scene: &mut Scene, step: &str, at: usize) {
    let sent = json!({ "sent": "systemctl reload web", "detail": "about to act" });
    scene.send(record_at(2, 4, RecordKind::StepIntent, Some(&format!("reload/{step}@{}", host(at))), sent));
}

fn done(scene: &mut Scene, at: usize) {
    for step in ["drain", "reload"] {
        begin(scene, step, at);
        let ok = json!({ "state": "ok", "detail": "verify: the script ended with 0" });
        scene.send(record_at(4, 4, RecordKind::StepExit, Some(&format!("reload/{step}@{}", host(at))), ok));
    }
}

#[test]
fn a_run_over_many_hosts_is_told_batch_by_batch_with_what_matters_first() {
    for size in SIZES {
        for count in [50, 500] {
            let mut scene = rolling(size, count);
            let text = dump::text(&scene.paint());
            let of = 1 + (count - FIRST).div_ceil(NEXT);
            let batch = format!("batch 2 of {of}: 1 not well, 4 running, 12 ok, 3 wait");
            for wanted in [batch.as_str(), "web-023", "no space left", "web-024", "69 players left"] {
                assert!(text.contains(wanted), "{size:?}, {count} hosts: {wanted}\n{text}");
            }
            assert!(!text.contains("web-001"), "what went well is folded:\n{text}");
            let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}"));
            assert!(at("no space left") < at("69 players left"), "what does not go well comes first:\n{text}");
        }
    }
}

/// A desk with so many servers, all of them names of one sshd.
fn desk(config: &std::path::Path, names: &[String], script: &str) -> Desk {
    let mut text = "environment = \"lab\"\n[policy]\nparallel = 4\n[runbooks]\npaths = [\"books\"]\n".to_owned();
    for name in names {
        let config = config.display();
        let _ = write!(
            text,
            "[ssh.{name}]\nhost = \"{name}\"\nconfig = \"{config}\"\n[[server]]\nname = \"{name}\"\nroles = [\"web\"]\n"
        );
    }
    let desk = Desk::with(&text);
    std::fs::create_dir(desk.home().join("books")).unwrap();
    let page = format!(
        "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: low\n---\n\n## Note\n\n\
         ```yaml rollout\nover: role:web\nserial: [6]\nmax_fail: 1\n```\n\n### Note it\n\n\
         ```bash run on=host timeout=20s undo=none\nset -eu\n{script}\n```\n\n```bash verify on=host timeout=20s\nset -eu\ntrue\n```\n"
    );
    desk.file("books/own.md", &page);
    desk
}

#[test]
fn the_command_line_tells_in_few_lines_which_hosts_failed_and_why() {
    let sshd = need!(own_sshd);
    let names: Vec<String> = (0..20).map(host).collect();
    sshd.many(names.iter().map(String::as_str), &["web-008"]);
    let script = "echo working\nif [ \"$QD_HOST\" = web-003 ]; then echo 'no space left' >&2; exit 7; fi";
    let desk = desk(&sshd.config(), &names, script);
    let plan: Value = serde_json::from_slice(&desk.run(&["runbook", "plan", "own", "--json"]).stdout).unwrap();
    let told = desk.run(&["runbook", "run", "own", "--plan", plan["hash"].as_str().unwrap(), "--confirm", "y"]);
    let out = String::from_utf8_lossy(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert!(out.contains("2 hosts have failed, and at most 1 may: web-003, web-008"), "{out}");
    for wanted in [
        "failed    note/note-it@web-003: ",
        "no space left",
        "failed    note/note-it@web-008: not done: SSH to web-008",
    ] {
        assert!(out.contains(wanted), "{wanted}\n{out}");
    }
    assert!(out.contains("batch 1 of 4: 5 of 6 hosts are done, 0 under way, 1 not well"), "{out}");
    assert!(!out.contains("batch 3 of 4"), "{out}");
    assert!(!out.contains("working") && !out.contains("@web-001"), "what goes well is counted:\n{out}");
    assert!(out.lines().count() < 20, "{out}");
}
