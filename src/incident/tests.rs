mod documented;
mod meant;
mod steady;
mod twice;

use super::clocks::{self, Due};
use super::corrected::Here;
use super::report::{self, Style};
use super::{Incident, Incidents, handover, json};
use crate::domain::incident::{Duty, Priority, Rules};
use crate::domain::record::{Actor, Entry, Kept, Record, RecordKind};
use crate::domain::{IncidentId, Now, RunId};
use crate::runbook::Runs;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const DECLARED: &str = "2026-11-29T03:00:00Z";

/// A process that writes: its clock may be off by so much, and its boot is that of its host.
#[derive(Clone)]
struct Pen {
    writer: Uuid,
    name: &'static str,
    host: &'static str,
    boot: &'static str,
    /// Its zero, in milliseconds since the boot; the boot was at [`DECLARED`] minus an hour, really.
    booted: u64,
    /// Its wall clock shows so many seconds too much.
    off: i64,
    seq: u64,
}

impl Pen {
    fn new(number: u128, name: &'static str, host: &'static str) -> Self {
        Self { writer: Uuid::from_u128(number), name, host, boot: host, booted: 1000, off: 0, seq: 0 }
    }

    /// A record at `second`s after the declaration, as time really passed.
    fn write(&mut self, second: i64, incident: Option<IncidentId>, kind: RecordKind, data: Value) -> Record {
        self.seq += 1;
        let really = at(second);
        let mono = u64::try_from((second + 3600) * 1000).unwrap() - self.booted;
        Record {
            id: Uuid::from_u128(self.writer.as_u128() << 32 | u128::from(self.seq)),
            writer: self.writer,
            seq: self.seq,
            prev: String::new(),
            hash: String::new(),
            at: really + SignedDuration::from_secs(self.off),
            mono_ms: mono,
            incident: incident.map(|id| id.to_string()),
            actor: Actor { name: self.name.to_owned(), uid: 1, host: self.host.to_owned() },
            entry: Entry { kind, run: None, step: None, role: None, target: None, env: "lab".to_owned(), data },
            kept: Kept::default(),
        }
    }

    fn open(&mut self, second: i64, ahead_ms: Option<i64>) -> Record {
        let mut data = json!({ "boot": self.boot, "booted_ms": self.booted });
        if let Some(ahead) = ahead_ms {
            data["clock_ahead_ms"] = json!(ahead);
        }
        self.write(second, None, RecordKind::JournalOpen, data)
    }

    fn run(&mut self, second: i64, run: RunId, kind: RecordKind, (step, role): (&str, &str), data: Value) -> Record {
        let mut record = self.write(second, Some(id()), kind, data);
        record.entry.run = Some(run);
        record.entry.step = (!step.is_empty()).then(|| step.to_owned());
        record.entry.role = (!role.is_empty()).then(|| role.to_owned());
        record.entry.target = (!step.is_empty()).then(|| "local/api".to_owned());
        record
    }
}

fn at(second: i64) -> Timestamp {
    DECLARED.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn id() -> IncidentId {
    IncidentId(Uuid::from_u128(0x0001_7f3a_21ab))
}

fn declare(pen: &mut Pen) -> Record {
    let alert = json!({ "name": "ServiceDown", "fingerprint": "f1", "since": at(-60).to_string() });
    let data = json!({ "title": "Players can't log in", "priority": "P1", "alert": alert });
    pen.write(0, Some(id()), RecordKind::IncidentDeclare, data)
}

fn one(records: &[Record]) -> Incident {
    Incidents::of(records).find(None).unwrap().clone()
}

fn left(incident: &Incident, second: i64) -> Vec<(String, i64)> {
    let clocks = clocks::running(incident, &Rules::default(), at(second));
    clocks.iter().map(|clock| (clock.word(), clock.left.as_secs())).collect()
}

fn of(words: &[(&str, i64)]) -> Vec<(String, i64)> {
    words.iter().map(|(word, secs)| ((*word).to_owned(), *secs)).collect()
}

#[test]
fn clocks_run_until_what_they_are_for_is_done() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    // P1: to be answered and told within an hour; L1 is called after 15 minutes.
    assert_eq!(left(&one(&records), 60), of(&[("call L1", 840), ("respond", 3540), ("update", 3540)]));
    records.push(pen.write(
        120,
        Some(id()),
        RecordKind::IncidentSeverity,
        json!({ "priority": "P0", "before": "P1", "reason": "all servers" }),
    ));
    // Worse than was thought: they begin anew.
    assert_eq!(left(&one(&records), 960), of(&[("respond", 60), ("call L1", 60), ("update", 960)]));
    // Who answers is the first level.
    records.push(pen.write(970, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    assert_eq!(left(&one(&records), 970), of(&[("update", 950), ("call L2", 950)]));
    records.push(pen.write(1000, Some(id()), RecordKind::IncidentUpdate, json!({ "text": "we look into it" })));
    records.push(pen.write(
        1810,
        Some(id()),
        RecordKind::IncidentEscalate,
        json!({ "level": 2, "role": "senior SRE", "contact": "" }),
    ));
    assert_eq!(left(&one(&records), 1810), of(&[("update", 990), ("call L3", 1910)]));
    records.push(pen.write(2000, Some(id()), RecordKind::IncidentMitigate, json!({ "text": "rolled back" })));
    assert_eq!(left(&one(&records), 2000), of(&[("update", 800)]));
    records.push(pen.write(3000, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    assert_eq!(left(&one(&records), 3000), of(&[("post-mortem", 48 * 3600)]));
    records.push(pen.write(
        4000,
        Some(id()),
        RecordKind::IncidentReport,
        json!({ "file": "pm.md", "complete": false }),
    ));
    assert_eq!(left(&one(&records), 4000).len(), 1, "half a post-mortem is none");
    records.push(pen.write(5000, Some(id()), RecordKind::IncidentReport, json!({ "file": "pm.md", "complete": true })));
    assert_eq!(left(&one(&records), 5000), []);
    // It was not over.
    records.push(pen.write(6000, Some(id()), RecordKind::IncidentReopen, json!({ "reason": "it is back" })));
    assert_eq!(one(&records).word(), "acknowledged");
}

#[test]
fn a_clock_says_whom_to_call_and_how_late_it_is() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let incident = one(&[pen.open(-5, None), declare(&mut pen)]);
    let mut rules = Rules::default();
    "Grace, +44 20 7946 0000".clone_into(&mut rules.escalation[0].contact);
    let call = clocks::running(&incident, &rules, at(1000)).remove(0);
    assert_eq!(
        call.due,
        Due::Call { level: 1, role: "on-call engineer".to_owned(), contact: rules.escalation[0].contact.clone() }
    );
    assert_eq!(
        (call.whom().unwrap().as_str(), call.figure().as_str()),
        ("on-call engineer, Grace, +44 20 7946 0000", "late 1:40")
    );
    assert_eq!(clocks::running(&incident, &rules, at(0))[0].figure(), "15:00");
    assert_eq!(clocks::running(&incident, &rules, at(0))[1].figure(), "1h 00m");
}

#[test]
fn neither_a_restart_nor_who_sets_a_clock_moves_them() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    // Somebody sets the clock an hour back.
    pen.off = -3600;
    records.push(pen.write(300, Some(id()), RecordKind::IncidentNote, json!({ "text": "five minutes in" })));
    // Another process on the same boot, which began later.
    let mut next = Pen { writer: Uuid::from_u128(2), booted: 3_900_000, seq: 0, ..pen };
    records.push(next.open(400, None));
    records.push(next.write(500, Some(id()), RecordKind::IncidentNote, json!({ "text": "started again" })));
    let incident = one(&records);
    let times: Vec<Timestamp> = incident.lines.iter().map(|line| line.at).collect();
    assert_eq!(times, [at(0), at(300), at(500)]);
    let here = Here { boot: Some("bastion".to_owned()), booted: Duration::from_millis(next.booted) };
    // Ten minutes in, with the wrong wall clock.
    let now = Now { mono: Duration::from_millis((600 + 3600) * 1000 - next.booted), wall: at(600 - 3600) };
    assert_eq!(incident.now(&here, now), at(600));
    // After a reboot nothing else is known than the wall clock, and it is never before what was recorded.
    let rebooted = Here { boot: Some("another".to_owned()), booted: Duration::ZERO };
    assert_eq!(incident.now(&rebooted, now), at(500));
}

#[test]
fn two_machines_are_put_in_order_by_what_the_server_says_of_their_clocks() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "bastion-1"), Pen::new(2, "ben", "bastion-2"));
    ben.off = 40;
    let records = [
        ada.open(-5, Some(0)),
        ben.open(-4, Some(-40_000)),
        declare(&mut ada),
        ada.write(20, Some(id()), RecordKind::IncidentNote, json!({ "text": "second" })),
        ben.write(10, Some(id()), RecordKind::IncidentAcknowledge, json!({})),
    ];
    let incident = one(&records);
    let told: Vec<(&str, Timestamp)> = incident.lines.iter().map(|line| (line.by.as_str(), line.at)).collect();
    assert_eq!(told, [("ada", at(0)), ("ben", at(10)), ("ada", at(20))]);
    assert_eq!(incident.skews.iter().collect::<Vec<_>>(), ["ben's clock on bastion-2 is 40.0 s ahead of the server's"]);
    assert!(
        report::write(&incident, &Runs::default(), &Rules::default(), Style::default())
            .contains("ben's clock on bastion-2")
    );
}

#[test]
fn an_alert_that_two_sessions_see_comes_and_goes_once() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "a"), Pen::new(2, "ben", "b"));
    let alert = json!({ "name": "HighErrorRate", "fingerprint": "f2", "severity": "critical", "labels": { "instance": "game-1" } });
    let fired = RecordKind::AlertFired;
    let mut records = vec![ada.open(-5, None), ben.open(-5, None), declare(&mut ada)];
    records.extend([ada.write(1, Some(id()), fired, alert.clone()), ben.write(2, Some(id()), fired, alert.clone())]);
    let gone = RecordKind::AlertResolved;
    assert_eq!(one(&records).firing().collect::<Vec<_>>(), ["HighErrorRate"]);
    records.extend([ada.write(9, Some(id()), gone, alert.clone()), ben.write(9, Some(id()), gone, alert)]);
    let incident = one(&records);
    let told: Vec<&str> = incident.lines.iter().skip(1).map(|line| line.what.as_str()).collect();
    assert_eq!(
        told,
        ["HighErrorRate (instance game-1) fires", "HighErrorRate (instance game-1) does not fire any more"]
    );
    assert_eq!(incident.firing().count(), 0);
}

/// One incident from the alert to its end, with a run in it.
fn story() -> Vec<Record> {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "bastion"), Pen::new(2, "ben", "laptop"));
    let run = RunId(Uuid::from_u128(0x00ab_cdef));
    let (noted, i) = (RecordKind::IncidentNote, Some(id()));
    let steps = json!([{ "id": "s/restart", "title": "Restart it", "target": "local/api", "changes": true, "undo": "restart" },
        { "id": "s/look", "title": "Look at it", "by_hand": true }]);
    let start = json!({ "runbook": "container-restart", "title": "Restart a container", "params": { "container": "api" }, "steps": steps, "answer": "y", "unreviewed": "nobody has reviewed it for 120 days" });
    vec![
        ada.open(-5, None),
        ben.open(-4, None),
        declare(&mut ada),
        ada.write(60, i, RecordKind::IncidentAcknowledge, json!({})),
        ada.write(70, i, RecordKind::IncidentRole, json!({ "duty": "commander", "name": "ada" })),
        ben.write(80, i, noted, json!({ "text": "the disk | is <full>, see adam" })),
        ben.write(90, i, RecordKind::IncidentAssess, json!({ "impact": "nobody can log in", "scope": "all servers" })),
        ben.run(100, run, RecordKind::RunStart, ("", ""), start),
        ben.run(101, run, RecordKind::StepIntent, ("s/restart", "run"), json!({ "sent": "docker restart api" })),
        ben.run(110, run, RecordKind::StepExit, ("s/restart", "run"), json!({ "state": "ok" })),
        ben.run(150, run, RecordKind::StepExit, ("s/look", ""), json!({ "state": "ok" })),
        ben.run(151, run, RecordKind::RunFinish, ("", ""), json!({ "outcome": "ok" })),
        ada.write(
            160,
            i,
            RecordKind::MetricMark,
            json!({ "why": "mitigated", "marks": [{ "name": "availability", "value": "99.2 %", "limit": "99.9 %" }] }),
        ),
        ada.write(160, i, RecordKind::IncidentMitigate, json!({ "text": "restarted" })),
        ada.write(170, i, noted, json!({ "text": "alert on the disk", "action": true })),
        ada.write(200, i, RecordKind::IncidentResolve, json!({ "text": "all well" })),
    ]
}

#[test]
fn a_check_that_only_warned_is_off_the_path() {
    let mut records = story();
    let mut ben = Pen::new(3, "ben", "laptop");
    let run = RunId(Uuid::from_u128(0x00ab_cdef));
    let warned = json!({ "state": "ok", "detail": "ok, with 1 warning: the disk is 86 % full", "warnings": ["the disk is 86 % full"] });
    let at = records.iter().position(|record| record.entry.kind == RecordKind::RunFinish).unwrap();
    records.insert(at, ben.open(-3, None));
    records.insert(at + 1, ben.run(150, run, RecordKind::StepExit, ("s/look", ""), warned));
    let told = reported(&records, Style::default());
    let off = told.split_once("off-path").unwrap().1.split_once("end off-path").unwrap().0;
    assert!(off.contains("ok, with 1 warning: the disk is 86 % full"), "{off}");
}

fn reported(records: &[Record], style: Style) -> String {
    let mut runs = Runs::default();
    for record in super::corrected::in_order(records).1 {
        runs.apply(record);
    }
    report::write(&one(records), &runs, &Rules::default(), style)
}

#[test]
fn a_post_mortem_tells_what_happened_with_its_evidence() {
    insta::assert_snapshot!(reported(&story(), Style::default()));
}

#[test]
fn names_give_way_to_what_people_did() {
    let text = reported(&story(), Style { roles: true });
    assert!(text.contains("the commander") && text.contains("responder 2") && text.contains("see adam"), "{text}");
    assert!(!text.contains("ada ") && !text.contains("by ben"), "{text}");
}

#[test]
fn a_handover_fits_on_a_screen_and_names_the_open_ends() {
    let records = &story()[..11];
    let mut runs = Runs::default();
    for record in records {
        runs.apply(record);
    }
    let mut records = records.to_vec();
    let reason = json!({ "priority": "P0", "before": "P1", "reason": "all servers" });
    records.insert(6, Pen::new(3, "eve", "bastion").write(85, Some(id()), RecordKind::IncidentSeverity, reason));
    let rules = Rules { channel: "#incidents".to_owned(), ..Rules::default() };
    insta::assert_snapshot!(handover::write(&one(&records), &runs, &rules, at(300)));
}

#[test]
fn a_run_of_a_runbook_that_tells_others_is_an_update() {
    let tells = ["container-restart".to_owned()];
    let mut all = Incidents::default().counting(&tells);
    for record in &story() {
        all.apply(record);
    }
    assert_eq!(all.find(None).unwrap().updates[0].at, at(151));
}

#[test]
fn json_tells_how_it_stands_and_what_is_due() {
    let value = json::whole(&one(&story()), &Rules::default(), at(260));
    assert_eq!(
        (&value["state"], &value["priority"], &value["short"]),
        (&json!("resolved"), &json!("P1"), &json!("3a21ab"))
    );
    assert_eq!(value["duties"], json!({ "commander": "ada" }));
    assert_eq!(value["clocks"][0]["what"], "post-mortem");
    assert_eq!(value["timeline"][1]["taken_back"], false);
    assert_eq!(value["clocks"][0]["left_seconds"], 48 * 3600 - 60);
    assert_eq!(value["timeline"].as_array().unwrap().len(), one(&story()).lines.len());
}

#[test]
fn an_incident_is_named_by_the_end_of_its_id_or_not_at_all() {
    let mut pen = Pen::new(1, "ada", "bastion");
    assert!(Incidents::default().find(None).unwrap_err().contains("incident declare"));
    let second = IncidentId(Uuid::from_u128(0x0002_7f3a_21ab));
    let mut records = vec![declare(&mut pen)];
    let mut again = declare(&mut pen);
    again.incident = Some(second.to_string());
    records.push(again);
    let all = Incidents::of(&records);
    assert!(all.find(None).unwrap_err().starts_with("2 incidents are open, name one (--incident ID): 3a21ab"));
    assert!(all.find(Some("3a21ab")).unwrap_err().contains("could be any of"));
    assert_eq!(all.find(Some("27f3a21ab")).unwrap().id, second);
    assert_eq!(all.find(Some("00000000-0000-0000-0000-00027")).unwrap().id, second, "by its beginning");
    assert!(all.find(Some("ffffff")).unwrap_err().starts_with("there is no incident ffffff"));
}

#[test]
fn roles_and_priorities_that_nobody_knows_change_nothing() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![declare(&mut pen)];
    records.push(pen.write(1, Some(id()), RecordKind::IncidentRole, json!({ "duty": "boss", "name": "eve" })));
    records.push(pen.write(2, Some(id()), RecordKind::IncidentSeverity, json!({ "priority": "P9" })));
    records.push(pen.write(3, Some(id()), RecordKind::IncidentRole, json!({ "duty": "scribe", "name": "ben" })));
    records.push(pen.write(4, Some(id()), RecordKind::IncidentRole, json!({ "duty": "scribe", "name": "" })));
    let incident = one(&records);
    assert_eq!((incident.priority, incident.duties.get(&Duty::Scribe)), (Priority::P1, None));
    // Of an incident whose declaration is not there nothing is told.
    assert_eq!(Incidents::of(&records[1..]).iter().count(), 0);
}

/// What takes back the last of these records.
fn take_back(pen: &mut Pen, second: i64, records: &[Record]) -> Record {
    let last = records.last().unwrap().id;
    let data = json!({ "record": last, "what": "that", "text": "a mistake" });
    pen.write(second, Some(id()), RecordKind::IncidentTakeBack, data)
}

#[test]
fn what_was_taken_back_stays_says_so_and_does_not_count() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "bastion"), Pen::new(2, "ben", "bastion"));
    let level = json!({ "level": 2, "role": "senior SRE" });
    let told = [
        (RecordKind::IncidentAcknowledge, json!({})),
        (RecordKind::IncidentRole, json!({ "duty": "scribe", "name": "eve" })),
        (RecordKind::IncidentUpdate, json!({ "text": "we look into it" })),
        (RecordKind::IncidentEscalate, level),
        (RecordKind::IncidentNote, json!({ "text": "mend it", "action": true })),
        (RecordKind::IncidentMitigate, json!({ "text": "by itself" })),
    ];
    let mut records = vec![ada.open(-5, None), ben.open(-5, None), declare(&mut ada)];
    let before = left(&one(&records), 100);
    for (second, (kind, data)) in (10..).zip(told) {
        records.push(ada.write(second, Some(id()), kind, data));
        assert_ne!(format!("{:?}", one(&records).lines.last()), "");
        records.push(take_back(&mut ben, second + 20, &records));
    }
    let incident = one(&records);
    assert_eq!(left(&incident, 100), before, "the clocks run as if nothing had been said");
    assert_eq!((incident.word(), incident.duties.len(), incident.actions.len()), ("declared", 0, 0));
    let lines: Vec<&str> = incident.lines.iter().map(|line| line.what.as_str()).collect();
    assert!(
        lines.contains(&"acknowledged (taken back)") && lines.contains(&"takes back \"that\": a mistake"),
        "{lines:?}"
    );
    assert_eq!(lines.iter().filter(|line| line.ends_with(" (taken back)")).count(), 6, "{lines:?}");
    // The next one counts, and what happened can't be taken back.
    records.push(ada.write(50, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    assert_eq!(one(&records).acknowledged.unwrap().at, at(50));
    let declared = take_back(&mut ben, 60, &records[..3]);
    records.push(declared);
    assert!(!one(&records).lines[0].taken_back);
    // Also when the store has it before what it takes back.
    let note = ada.write(70, Some(id()), RecordKind::IncidentNote, json!({ "text": "seen" }));
    let back = take_back(&mut ben, 71, std::slice::from_ref(&note));
    records.extend([back, note]);
    assert!(one(&records).lines.iter().any(|line| line.what == "seen (taken back)"));
}

#[test]
fn a_run_that_was_begun_before_the_declaration_is_told_by_its_title_and_whole() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let run = RunId(Uuid::from_u128(0x00ab_cdef));
    let start = json!({ "runbook": "container-restart", "title": "Restart a container", "answer": "y",
        "steps": [{ "id": "s/restart", "title": "Restart it" }] });
    let mut tried = vec![
        pen.run(-90, run, RecordKind::RunStart, ("", ""), start),
        pen.run(-80, run, RecordKind::StepIntent, ("s/restart", "run"), json!({})),
        pen.run(
            -70,
            run,
            RecordKind::StepExit,
            ("s/restart", "run"),
            json!({ "state": "failed", "detail": "failed: no" }),
        ),
    ];
    for record in &mut tried {
        record.incident = None;
    }
    let mut records = vec![declare(&mut pen)];
    let said = super::line::of_run(run, &tried[0]);
    records.push(pen.write(10, Some(id()), RecordKind::IncidentRun, said));
    // As the journal gives them: what belongs to incidents, and behind that what was done before.
    let told =
        |records: &[Record]| -> Vec<String> { one(records).lines.iter().map(|line| line.what.clone()).collect() };
    assert!(told(&records)[1].starts_with("Restart a container (run abcdef), begun 2026-11-29 02:58:30Z by ada"));
    records.extend(tried);
    let lines = told(&records);
    assert_eq!(lines[0], "began Restart a container (run abcdef), answered \"y\"");
    assert_eq!(lines[1], "Restart it on local/api: failed: no", "and says once that it failed");
    assert_eq!(one(&records).first_change.unwrap().at, at(-80));
    // What it does from now on belongs to it, too.
    let mut end = pen.run(20, run, RecordKind::RunFinish, ("", ""), json!({ "outcome": "failed" }));
    end.incident = None;
    records.push(end);
    assert_eq!(told(&records).last().unwrap(), "Restart a container (run abcdef) ended failed");
}

#[test]
fn an_end_that_was_none_and_what_never_was_are_told_so() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let data = json!({ "title": "Slow", "priority": "P2" });
    let mut records = vec![pen.open(-5, None), pen.write(0, Some(id()), RecordKind::IncidentDeclare, data)];
    assert!(reported(&records, Style::default()).contains("| Acknowledged | not yet |"));
    let write = |pen: &mut Pen, second, kind, text: &str| {
        pen.write(second, Some(id()), kind, json!({ "text": text, "reason": text }))
    };
    records.push(write(&mut pen, 100, RecordKind::IncidentMitigate, "restarted"));
    records.push(write(&mut pen, 200, RecordKind::IncidentResolve, "all well"));
    records.push(write(&mut pen, 300, RecordKind::IncidentReopen, "it is back"));
    let open = reported(&records, Style::default());
    for told in [
        "| Mitigated | not yet again: in outage 1 it was, 2026-11-29 03:01:40Z |",
        "| Resolved | not yet again: in outage 1 it was, 2026-11-29 03:03:20Z |",
        "- From when it was open again after outage 1: it is not mitigated yet",
        "- In 1 outage together: 100 s, and the one that goes on",
    ] {
        assert!(open.contains(told), "{told}: {open}");
    }
    records.push(write(&mut pen, 900, RecordKind::IncidentResolve, "now it is"));
    let text = reported(&records, Style::default());
    assert!(!text.contains("not yet"), "it is over: {text}");
    for told in [
        "| Detected | not known: it was declared by hand, and no alert was named |",
        "| Acknowledged | nobody acknowledged it |",
        "| First change | nothing was changed by a runbook |",
        "- In 2 outages together: 11 min",
        "| Outage 1 | mitigated 2026-11-29 03:01:40Z; resolved 2026-11-29 03:03:20Z, by ada; open again 2026-11-29 03:05:00Z, by ada, 5 min after it was declared: it is back |",
        "- From the first sign until it was mitigated: 100 s",
        "- From when it was open again after outage 1 until it was mitigated: 10 min",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    // Summary, cause, what went well, and what nobody has assessed.
    assert_eq!(report::unfinished(&text), 6);
    let assessed = json!({ "impact": "slow", "scope": "all", "changed": "nothing" });
    records.push(pen.write(910, Some(id()), RecordKind::IncidentAssess, assessed));
    assert_eq!(report::unfinished(&reported(&records, Style::default())), 3);
}

#[test]
fn what_is_closed_as_none_of_its_own_owes_no_post_mortem_and_says_as_what() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    let data = json!({ "text": "the same host", "as": "duplicate-of", "of": "00000000-0000-0000-0000-00000000beef" });
    records.push(pen.write(60, Some(id()), RecordKind::IncidentResolve, data));
    let incident = one(&records);
    assert_eq!((left(&incident, 70), incident.owes_report()), (Vec::new(), false));
    assert_eq!((incident.word(), incident.standing().as_str()), ("resolved", "resolved as a duplicate of 00beef"));
    assert_eq!(incident.lines.last().unwrap().what, "closed as a duplicate of 00beef: the same host");
    let text = reported(&records, Style::default());
    for told in [
        "| State | resolved as a duplicate of 00beef |",
        "| Post-mortem due | none is owed: it was a duplicate of 00beef |",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let value = json::summary(&incident, &Rules::default(), at(70));
    assert_eq!(
        (&value["state"], &value["closed_as"], &value["duplicate_of"]),
        (&json!("resolved"), &json!("duplicate-of"), &json!("00000000-0000-0000-0000-00000000beef"))
    );
    // It was not, and ends as one of its own.
    records.push(pen.write(80, Some(id()), RecordKind::IncidentReopen, json!({ "reason": "another host" })));
    records.push(pen.write(90, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    assert_eq!(left(&one(&records), 90), of(&[("post-mortem", 48 * 3600)]));
    assert_eq!(json::summary(&one(&records), &Rules::default(), at(90))["closed_as"], Value::Null);
}

#[test]
fn one_that_is_open_and_is_about_the_same_is_found() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    let found = |records: &[Record], title: &str, print: Option<&str>| {
        Incidents::of(records).same(title, print).map(|incident| incident.id)
    };
    assert_eq!(found(&records, " players  can't LOG in", None), Some(id()));
    assert_eq!(found(&records, "Slow", Some("f1")), Some(id()), "of the same alert");
    assert_eq!(found(&records, "Slow", Some("f2")), None);
    records.push(pen.write(60, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    assert_eq!(found(&records, "Players can't log in", Some("f1")), None, "it is over");
}

#[test]
fn names_that_gave_way_are_no_change_by_hand() {
    let style = Style { roles: true };
    let old = reported(&story()[..12], style);
    let (new, kept) = super::edits::renew(&old, &reported(&story(), style));
    assert_eq!((new, kept), (reported(&story(), style), Vec::new()));
}

#[test]
fn a_draft_is_no_post_mortem() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    let wrote = |pen: &mut Pen, second, left: u64| {
        let data = json!({ "file": "/pm.md", "complete": left == 0, "left": left });
        pen.write(second, Some(id()), RecordKind::IncidentReport, data)
    };
    records.push(wrote(&mut pen, 10, 1));
    records.push(wrote(&mut pen, 20, 0));
    records.push(pen.write(30, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    let incident = one(&records);
    assert_eq!(
        left(&incident, 30),
        of(&[("post-mortem", 48 * 3600)]),
        "what was written before the end does not tell of it"
    );
    let lines: Vec<&str> = incident.lines[1..3].iter().map(|line| line.what.as_str()).collect();
    assert_eq!(lines, ["draft of the post-mortem, 1 place left to fill in: /pm.md", "post-mortem written: /pm.md"]);
    let document = incident.document.unwrap();
    assert_eq!((document.host.as_str(), document.file.as_str(), document.left), ("bastion", "/pm.md", Some(0)));
}

const KINDS: [RecordKind; 14] = [
    RecordKind::IncidentTakeBack,
    RecordKind::IncidentRole,
    RecordKind::IncidentAcknowledge,
    RecordKind::IncidentNote,
    RecordKind::IncidentSeverity,
    RecordKind::IncidentUpdate,
    RecordKind::IncidentEscalate,
    RecordKind::IncidentMitigate,
    RecordKind::IncidentResolve,
    RecordKind::IncidentReopen,
    RecordKind::AlertFired,
    RecordKind::AlertResolved,
    RecordKind::StepExit,
    RecordKind::JournalMerge,
];

prop_compose! {
    /// Records of three processes on two machines with clocks that are off, whatever they hold, in the order in which they happened.
    fn journal()(
        offs in proptest::array::uniform3(-4000_i64..4000),
        happened in proptest::collection::vec((0_usize..3, 0_usize..KINDS.len(), 1_i64..500, "[a-z|<>*`\\[\\] -]{0,20}"), 0..40),
    ) -> Vec<Record> {
        let mut pens = [Pen::new(1, "ada", "a"), Pen::new(2, "ben", "a"), Pen::new(3, "eve", "b")];
        for (pen, off) in pens.iter_mut().zip(offs) {
            pen.off = off;
        }
        pens[1].off = pens[0].off;
        let mut records: Vec<Record> = pens.iter_mut().map(|pen| pen.open(-5, Some(-pen.off * 1000))).collect();
        records.push(declare(&mut pens[0]));
        let mut second = 0;
        for (who, kind, later, text) in happened {
            second += later;
            // One of those before is taken back, if it is of a kind that can be.
            let record = records[usize::try_from(second).unwrap() % records.len()].id;
            let data = json!({ "record": record, "duty": "scribe", "name": text, "text": text, "title": text, "reason": text, "priority": "P2", "level": 1, "fingerprint": text, "state": "failed" });
            let run = RunId(Uuid::from_u128(9));
            records.push(match KINDS[kind] {
                kind @ RecordKind::StepExit => pens[who].run(second, run, kind, ("s/x", "run"), data),
                kind => pens[who].write(second, Some(id()), kind, data),
            });
        }
        records
    }
}

proptest! {
    #[test]
    fn the_same_journal_makes_the_same_bytes_however_it_was_merged(records in journal(), later in proptest::collection::vec(any::<bool>(), 0..44)) {
        let text = reported(&records, Style::default());
        prop_assert_eq!(&reported(&records, Style::default()), &text);
        // What one process wrote comes to the store later, in its own order.
        let eve = Uuid::from_u128(3);
        let (mut now, mut merged) = (Vec::new(), Vec::new());
        for (at, record) in records.iter().enumerate() {
            let late = record.writer == eve && (later.get(at).copied().unwrap_or(false) || !merged.is_empty());
            if late { merged.push(record.clone()) } else { now.push(record.clone()) }
        }
        now.extend(merged);
        prop_assert_eq!(&reported(&now, Style::default()), &text);
        // Or the other store has all of it the other way round.
        now.reverse();
        prop_assert_eq!(reported(&now, Style::default()), text);
    }

    #[test]
    fn lines_stand_in_the_order_of_time_as_it_passed(records in journal()) {
        let incident = one(&records);
        prop_assert!(incident.lines.is_sorted_by_key(|line| line.at));
        prop_assert!(incident.lines.iter().all(|line| line.at >= at(0)), "however the clocks are off");
        prop_assert!(incident.lines.len() < records.len());
    }

    #[test]
    fn no_text_leaves_its_cell_or_its_line(records in journal()) {
        let text = reported(&records, Style::default());
        let table = text.lines().skip_while(|line| !line.starts_with("| Time")).take_while(|line| line.starts_with('|'));
        for line in table {
            let bars = line.replace("\\|", "").matches('|').count();
            prop_assert_eq!(bars, 4, "{}", line);
        }
    }

    #[test]
    fn written_again_over_hand_edits_nothing_is_lost(records in journal(), hand in "by hand [a-z ]{1,30}") {
        let half = records.len() / 2 + 4.min(records.len() / 2);
        let old = reported(&records[..half], Style::default());
        let edited = old.replace("_Two or three sentences: what broke, who noticed, what mended it._", &hand);
        let (new, kept) = super::edits::renew(&edited, &reported(&records, Style::default()));
        prop_assert!(new.contains(&hand) && kept.is_empty());
        let untouched = new.replace(&hand, "_Two or three sentences: what broke, who noticed, what mended it._");
        prop_assert_eq!(untouched, reported(&records, Style::default()));
    }
}

mod watching {
    use super::super::Watch;
    use super::*;

    /// A screen, and who tells it something.
    struct Desk {
        watch: Watch,
        pen: Pen,
        second: i64,
    }

    impl Desk {
        fn new() -> Self {
            let watch = Watch::new(Rules::default(), Here::default(), "lab");
            Self { watch, pen: Pen::new(1, "ada", "a"), second: 0 }
        }

        fn say(&mut self, id: IncidentId, kind: RecordKind, data: Value) {
            self.second += 1;
            let record = self.pen.write(self.second, Some(id), kind, data);
            self.watch.apply(&record);
        }

        fn declare(&mut self, number: u128, priority: Priority) -> IncidentId {
            let id = IncidentId(Uuid::from_u128(number));
            self.say(id, RecordKind::IncidentDeclare, json!({ "title": "a", "priority": priority }));
            id
        }

        /// What is attended to, and what is shown.
        fn turn(&mut self) -> [Option<IncidentId>; 2] {
            self.watch.turn();
            [self.watch.open(), self.watch.shown()].map(|incident| incident.map(|incident| incident.id))
        }
    }

    #[test]
    fn of_several_the_worst_is_attended_to_until_one_is_chosen() {
        let mut desk = Desk::new();
        let (worst, mild) = (desk.declare(1, Priority::P1), desk.declare(2, Priority::P2));
        assert_eq!(desk.turn(), [Some(worst); 2]);
        assert_eq!(desk.watch.others(), Some((1, Priority::P2)));
        desk.watch.choose(mild);
        assert_eq!(desk.turn(), [Some(mild); 2]);
        assert_eq!(desk.watch.others(), Some((1, Priority::P1)));
    }

    #[test]
    fn with_none_open_the_newest_that_owes_something_is_shown_else_the_newest_real_one() {
        let mut desk = Desk::new();
        let ended = |desk: &mut Desk, id, data| desk.say(id, RecordKind::IncidentResolve, data);
        let written = |desk: &mut Desk, id| desk.say(id, RecordKind::IncidentReport, json!({ "complete": true }));
        let (alarm, same) = (json!({ "text": "b", "as": "false-alarm" }), json!({ "text": "b" }));
        let [owing, real, none] = [1, 2, 3].map(|number| desk.declare(number, Priority::P2));
        ended(&mut desk, owing, same.clone());
        ended(&mut desk, real, same);
        written(&mut desk, real);
        ended(&mut desk, none, alarm.clone());
        assert_eq!(desk.turn(), [None, Some(owing)], "as who begins to look sees it");
        written(&mut desk, owing);
        assert_eq!(desk.watch.shown().unwrap().id, real);
        // One that was none stays while nothing else is to be seen to, so that it can be opened again; chosen it is shown at any time.
        let last = desk.declare(4, Priority::P2);
        desk.turn();
        ended(&mut desk, last, alarm);
        assert_eq!(desk.turn(), [None, Some(last)]);
        desk.say(owing, RecordKind::IncidentReopen, json!({ "reason": "it is back" }));
        ended(&mut desk, owing, json!({ "text": "b" }));
        desk.watch.choose(last);
        assert_eq!(desk.turn(), [None, Some(last)]);
    }

    #[test]
    fn what_ended_is_shown_until_another_is_chosen_and_is_found_again() {
        let mut desk = Desk::new();
        let first = desk.declare(1, Priority::P1);
        desk.turn();
        let newer = desk.declare(2, Priority::P2);
        desk.say(newer, RecordKind::IncidentResolve, json!({ "text": "b" }));
        desk.say(first, RecordKind::IncidentResolve, json!({ "text": "b" }));
        assert_eq!(desk.turn(), [None, Some(first)], "and not the newest");
        assert_eq!(desk.watch.told().unwrap().id, first);
        // With another one open, that is attended to; the way back leads to the post-mortem.
        let open = desk.declare(3, Priority::P3);
        assert_eq!(desk.turn(), [Some(open); 2]);
        assert_eq!(desk.watch.unwritten().count(), 2);
        desk.watch.choose(first);
        assert_eq!(desk.turn(), [Some(open), Some(first)]);
        assert_eq!(desk.watch.others(), Some((1, Priority::P3)));
        desk.watch.expect(first);
        desk.say(first, RecordKind::IncidentReopen, json!({ "reason": "it was not over" }));
        assert_eq!(desk.turn(), [Some(first); 2], "who opens one again attends to it");
    }
}
