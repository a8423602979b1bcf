//! What two people said at the same moment, neither of whom knew of the other: both are recorded, the first counts, and who was second is told so.

use super::*;
use crate::domain::incident::Speed;

fn told(incident: &Incident) -> Vec<&str> {
    incident.lines.iter().skip(1).map(|line| line.what.as_str()).collect()
}

#[test]
fn of_two_that_say_the_same_the_first_counts_and_the_second_says_so() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "a"), Pen::new(2, "ben", "b"));
    let said = [
        (RecordKind::IncidentAcknowledge, json!({})),
        (RecordKind::IncidentRole, json!({ "duty": "commander", "name": "ada" })),
        (RecordKind::IncidentSeverity, json!({ "priority": "P0", "before": "P1", "reason": "all servers" })),
        (RecordKind::IncidentEscalate, json!({ "level": 2, "role": "senior SRE", "contact": "Grace" })),
        (RecordKind::IncidentMitigate, json!({ "text": "rolled back" })),
        (RecordKind::IncidentResolve, json!({ "text": "all well" })),
        (RecordKind::IncidentReopen, json!({ "reason": "it is back" })),
    ];
    let mut records = vec![ada.open(-5, None), ben.open(-5, None), declare(&mut ada)];
    for (second, (kind, data)) in (1..).map(|round| round * 10).zip(said) {
        records.push(ada.write(second, Some(id()), kind, data.clone()));
        let alone = one(&records);
        records.push(ben.write(second + 1, Some(id()), kind, data));
        let both = one(&records);
        // No clock begins anew, and nothing stands otherwise than before.
        assert_eq!(left(&both, 100), left(&alone, 100), "{kind:?}");
        let stands = |of: &Incident| {
            format!("{:?} {:?} {:?}", json::summary(of, &Rules::default(), at(100)), of.called, of.ended)
        };
        assert_eq!(stands(&both), stands(&alone), "{kind:?}");
        assert_eq!(both.lines.len(), alone.lines.len() + 1, "it is told");
    }
    let incident = one(&records);
    let second: Vec<&str> = told(&incident).into_iter().filter(|told| told.ends_with(" by ada already)")).collect();
    assert_eq!(
        second,
        [
            "acknowledged (acknowledged by ada already)",
            "ada is commander (said by ada already)",
            "P1 is P0 now: all servers (said to be P0 by ada already)",
            "called L2: senior SRE, Grace (L2 was called by ada already)",
            "mitigated: rolled back (mitigated by ada already)",
            "resolved: all well (resolved by ada already)",
            "open again: it is back (opened again by ada already)",
        ]
    );
    assert_eq!(incident.said_before().count(), 7);
    // Who was second is told so, and of a call who was reached; the handover names both.
    let seconds: Vec<String> = incident.lines.iter().filter_map(|line| incident.second(line.record)).collect();
    let [mitigated, called] = [4, 3].map(|at| seconds[at].as_str());
    assert_eq!(mitigated, "mitigated by ada already; that counts, and what you said stays in the timeline");
    assert!(called.starts_with("L2 was called by ada already (senior SRE, Grace); that counts"), "{called}");
    let told = handover::write(&incident, &Runs::default(), &Rules::default(), at(100));
    let calls: Vec<&str> = told.lines().filter(|line| line.starts_with("- called: ")).collect();
    assert!(matches!(calls[..], [first, second] if first.ends_with("by ada") && second.ends_with("by ben")), "{told}");
}

#[test]
fn the_first_is_who_was_first_by_time_as_it_passed_and_who_takes_it_back_makes_room() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "a"), Pen::new(2, "ben", "b"));
    ben.off = 400;
    let mut records = vec![ada.open(-5, Some(0)), ben.open(-4, Some(-400_000)), declare(&mut ada)];
    records.push(ada.write(11, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    let late = ben.write(10, Some(id()), RecordKind::IncidentAcknowledge, json!({}));
    // The record of who was first comes last: the line that is there already says so then.
    let mut watched = Incidents::default().with(&records);
    watched.apply(&late);
    records.push(late);
    for all in [&watched, &Incidents::of(&records)] {
        let incident = all.find(None).unwrap();
        assert_eq!(incident.acknowledged.as_ref().unwrap().by, "ben");
        assert_eq!(told(incident), ["acknowledged", "acknowledged (acknowledged by ben already)"]);
    }
    records.push(take_back(&mut ben, 20, &records));
    let incident = one(&records);
    assert_eq!(incident.acknowledged.as_ref().unwrap().by, "ada");
    assert_eq!(told(&incident)[..2], ["acknowledged (taken back)", "acknowledged"]);
}

#[test]
fn a_role_passes_on_and_says_from_whom_and_what_comes_behind_the_end_changes_nothing() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "a"), Pen::new(2, "ben", "b"));
    let role = |name: &str| json!({ "duty": "commander", "name": name });
    let mut records = vec![ada.open(-5, None), ben.open(-5, None), declare(&mut ada)];
    records.push(ada.write(10, Some(id()), RecordKind::IncidentRole, role("ada")));
    records.push(ben.write(11, Some(id()), RecordKind::IncidentRole, role("ben")));
    records.push(ada.write(20, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    records.push(ben.write(21, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    records.push(ben.write(22, Some(id()), RecordKind::IncidentMitigate, json!({ "text": "restarted" })));
    let incident = one(&records);
    assert_eq!(incident.duties.get(&Duty::Commander).map(String::as_str), Some("ben"));
    assert_eq!(
        told(&incident),
        [
            "takes over as commander",
            "takes over as commander (it was ada)",
            "resolved: all well",
            "acknowledged (resolved by ada already)",
            "mitigated: restarted (resolved by ada already)",
        ]
    );
    assert_eq!((incident.acknowledged, incident.mitigated.unwrap().at), (None, at(20)));
}

/// A declaration of the same alert.
fn declare_too(pen: &mut Pen, second: i64, number: u128) -> Record {
    let mut record = declare(pen);
    let later = pen.write(second, Some(IncidentId(Uuid::from_u128(number))), record.entry.kind, json!({}));
    record.entry.data["title"] = "Logins fail".into();
    Record { entry: record.entry, ..later }
}

#[test]
fn two_declarations_of_one_alert_are_said_to_be_perhaps_one_until_somebody_says_what_they_are() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "a"), Pen::new(2, "ben", "b"));
    let other = IncidentId(Uuid::from_u128(7));
    let first = declare(&mut ada);
    let records = vec![ada.open(-5, None), ben.open(-5, None), first, declare_too(&mut ben, 2, 7)];
    let twin = |records: &[Record]| Incidents::of(records).get(other).unwrap().twin;
    let with = |record: Record| [&records[..], &[record]].concat();
    assert_eq!(twin(&records), Some(id()));
    let all = Incidents::of(&records);
    assert_eq!(all.get(id()).unwrap().twin, None, "the later one is the same as the earlier one");
    let pair = |of| all.twins(all.get(of).unwrap()).map(|(first, later)| (first.id, later.id));
    assert_eq!((pair(id()), pair(other)), (Some((id(), other)), Some((id(), other))));
    assert_eq!(json::summary(all.get(other).unwrap(), &Rules::default(), at(9))["perhaps_duplicate_of"], json!(id()));
    // Whichever comes first to a store that others fill, also one at a time.
    let mut watched = Incidents::default().with(&records[..2]);
    for record in records[2..].iter().rev() {
        watched.apply(record);
    }
    assert_eq!(watched.get(other).unwrap().twin, Some(id()));
    // It is one: closed as a duplicate, either of them. Or both are over.
    let closed = |number, of: IncidentId, pen: &mut Pen| {
        let data = json!({ "text": "the same", "as": "duplicate-of", "of": of });
        pen.write(30, Some(number), RecordKind::IncidentResolve, data)
    };
    assert_eq!(twin(&with(closed(other, id(), &mut ben))), None);
    assert_eq!(twin(&with(closed(id(), other, &mut ada))), None);
    let over = ada.write(30, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" }));
    assert_eq!(twin(&with(over)), Some(id()), "the later one still counts twice what was one");
    // They are two: said in either of them, unless that is taken back; or in declaring the later one.
    for (of, than) in [(other, id()), (id(), other)] {
        let note = super::super::line::apart(all.get(than).unwrap(), Some("another host"));
        let said = with(ben.write(30, Some(of), RecordKind::IncidentNote, note));
        assert_eq!(twin(&said), None);
        let mut back = take_back(&mut ben, 40, &said);
        back.incident = Some(of.to_string());
        assert_eq!(twin(&[&said[..], &[back]].concat()), Some(id()));
    }
    let mut knowing = records.clone();
    knowing[3].entry.data[super::super::line::APART] = json!(id());
    assert_eq!(twin(&knowing), None);
    // A third one that is declared knowingly is neither of the two.
    let mut third = declare_too(&mut ada, 4, 8);
    let told = |third: &Record| Incidents::of(&with(third.clone())).get(IncidentId(Uuid::from_u128(8))).unwrap().twin;
    assert_eq!(told(&third), Some(id()));
    third.entry.data[super::super::line::APART] = super::super::line::beside(all.open());
    assert_eq!(told(&third), None);
    // Another alert, and another name: nobody would take them for one.
    let mut another = records.clone();
    another[3].entry.data["alert"]["fingerprint"] = "f2".into();
    assert_eq!(twin(&another), None);
    another[3].entry.data["title"] = " players can't LOG in".into();
    assert_eq!(twin(&another), Some(id()), "called the same");
    another[3].entry.env = "production".to_owned();
    assert_eq!(twin(&another), None, "elsewhere");
}

#[test]
fn an_incident_that_was_detected_before_it_was_declared_has_clocks_from_then() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let data = json!({ "title": "Slow", "priority": "P1", "detected": at(-1200).to_string() });
    let mut records = vec![pen.open(-5, None), pen.write(0, Some(id()), RecordKind::IncidentDeclare, data)];
    // L1 is called after 15 minutes: five ago.
    assert_eq!(left(&one(&records), 0), of(&[("call L1", -300), ("respond", 2400), ("update", 2400)]));
    records.push(pen.write(60, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    let text = reported(&records, Style::default());
    for told in [
        "| Detected | 2026-11-29 02:40:00Z, by ada, 20 min before it was declared |",
        "| Response | in 21 min since it was detected, within 60 min |",
        "| 2026-11-29 02:40:00Z | detected, as ada said when it was declared | record 000001/2 |",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let told = handover::write(&one(&records), &Runs::default(), &Rules::default(), at(100));
    assert!(told.contains("- detected: 2026-11-29 02:40:00Z, by ada\n"), "{told}");
    let value = json::summary(&one(&records), &Rules::default(), at(100));
    assert_eq!((&value["detected"]["by"], &value["detected"]["fingerprint"]), (&json!("ada"), &Value::Null));
    // Worse than was thought: from then on, as ever.
    let worse = json!({ "priority": "P0", "before": "P1", "reason": "all servers" });
    records.push(pen.write(120, Some(id()), RecordKind::IncidentSeverity, worse));
    assert_eq!(left(&one(&records), 120), of(&[("update", 1800), ("call L2", 1800)]));
    // An alert may have fired for days before: its beginning moves no clock.
    assert_eq!(left(&one(&[declare(&mut pen)]), 0)[0].1, 900);
    // A clock that was ahead can't have it detected after it was declared.
    let mut ahead = Pen { off: 400, ..Pen::new(2, "ben", "b") };
    let data = json!({ "title": "Slow", "priority": "P1", "detected": at(390).to_string() });
    let records = [ahead.open(-5, Some(-400_000)), ahead.write(0, Some(id()), RecordKind::IncidentDeclare, data)];
    assert_eq!(one(&records).first_sign().at, at(0));
    // In a rehearsal it is as long ago as it was there.
    let rules = Rules { speed: Speed::try_from(10.0).unwrap(), ..Rules::default() };
    let mut data = rules.declaration(Priority::P1);
    (data["title"], data["detected"]) = ("Slow".into(), at(-30).to_string().into());
    let fast = one(&[pen.write(0, Some(id()), RecordKind::IncidentDeclare, data)]);
    assert_eq!((fast.first_sign().at, left(&fast, 0)[0].1), (at(-300), 600));
}

#[test]
fn an_alert_is_told_by_its_name_and_labels_and_a_call_by_who_was_reached() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut record = declare(&mut pen);
    let labels =
        json!({ "alertname": "ServiceDown", "severity": "critical", "instance": "game-1:8081", "job": "game" });
    record.entry.data["alert"]["labels"] = labels;
    let value = json::summary(&one(std::slice::from_ref(&record)), &Rules::default(), at(9));
    assert_eq!(value["detected"]["text"], "ServiceDown (instance game-1:8081, job game)");
    assert_eq!((&value["detected"]["by"], &value["detected"]["fingerprint"]), (&json!("ServiceDown"), &json!("f1")));
    let data = json!({ "level": 1, "role": "on call", "contact": "Grace by phone" });
    let called = [record, pen.write(60, Some(id()), RecordKind::IncidentEscalate, data)];
    let told = handover::write(&one(&called), &Runs::default(), &Rules::default(), at(100));
    assert!(told.contains("- called: L1, on call, Grace by phone, 2026-11-29 03:01:00Z, by ada"), "{told}");
    let next = |records: &[Record]| clocks::call_next(&one(records), &Rules::default(), at(100));
    assert_eq!(next(&called), "call next: L2 senior SRE (nobody is named in the config), in 28:20");
    let late = clocks::call_next(&one(&called), &Rules::default(), at(2000));
    assert_eq!(late, "call now: L2 senior SRE (nobody is named in the config), late 3:20");
    let mitigated = pen.write(70, Some(id()), RecordKind::IncidentMitigate, json!({ "text": "restarted" }));
    assert_eq!(next(&[&called[..], &[mitigated]].concat()), "nobody else is called: it is mitigated");
    let mut all = called.to_vec();
    let mut call = |level| {
        all.push(pen.write(80, Some(id()), RecordKind::IncidentEscalate, json!({ "level": level, "role": "VP" })));
        next(&all)
    };
    // Who is called before their turn stands for nobody below.
    assert_eq!(call(4), "call next: L2 senior SRE (nobody is named in the config), in 28:20");
    assert!(call(2).starts_with("call next: L3 "));
    assert_eq!(call(3), "nobody is left to call: L4 is the last of the config");
}

#[test]
fn the_lines_of_a_note_stand_in_a_row_and_stay_lines_in_the_post_mortem() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![declare(&mut pen)];
    let text = "the disk\n  is | full\n\nsee df";
    records.push(pen.write(10, Some(id()), RecordKind::IncidentNote, json!({ "text": text })));
    records.push(pen.write(11, Some(id()), RecordKind::IncidentNote, json!({ "text": "one\ntwo", "action": true })));
    records.push(take_back(&mut pen, 12, &records[..2]));
    let incident = one(&records);
    assert_eq!(incident.lines[1].what, "the disk / is | full / see df (taken back)");
    let report = reported(&records, Style::default());
    for told in ["| ada: the disk<br>&nbsp;&nbsp;is \\| full<br><br>see df (taken back) |", "- [ ] one<br>two (ada, "] {
        assert!(report.contains(told), "{told}: {report}");
    }
    let told = handover::write(&incident, &Runs::default(), &Rules::default(), at(100));
    assert!(told.contains("- to do afterwards: one / two\n") && told.contains("ada: the disk / is"), "{told}");
    let value = json::whole(&incident, &Rules::default(), at(100));
    assert_eq!(value["timeline"][1]["what"], format!("{text} (taken back)"));
}

proptest! {
    #[test]
    fn whoever_has_all_records_says_the_same_of_who_was_first(records in journal(), order in proptest::collection::vec(0_usize..3, 0..60)) {
        let known = one(&records);
        // Each of the kinds that count once does so at most once in each stretch of the incident, and whoever was second says after whom.
        let already: Vec<Uuid> = known.said_before().map(|(record, _)| record).collect();
        if let Some(first) = &known.acknowledged {
            let answers = known.lines.iter().filter(|line| line.what.starts_with("acknowledged") && !line.taken_back);
            let counting: Vec<Uuid> = answers.map(|line| line.record).filter(|record| !already.contains(record)).collect();
            prop_assert_eq!(counting, vec![first.record]);
        }
        prop_assert!(known.lines.iter().filter(|line| already.contains(&line.record)).all(|line| line.what.contains(" already)") || line.what.contains("(it is open)")));
        let ends = known.ended.len() + usize::from(known.resolved.is_some());
        let counted = known.lines.iter().filter(|line| line.what.starts_with("resolved") && !already.contains(&line.record)).count();
        prop_assert_eq!(counted, ends);
        // A screen to which the records of several people come in another order, those of each in theirs, ends up with the same.
        let mut queues: Vec<Vec<&Record>> = (1..=3)
            .map(|writer| records.iter().filter(|record| record.writer == Uuid::from_u128(writer)).rev().collect())
            .collect();
        let mut watched = Incidents::default();
        let begun = records.iter().take(4);
        for record in begun.clone() {
            watched.apply(record);
        }
        for queue in &mut queues {
            queue.retain(|record| !begun.clone().any(|first| first.id == record.id));
        }
        for who in order.into_iter().chain([0, 1, 2].into_iter().flat_map(|who| std::iter::repeat_n(who, records.len()))) {
            if let Some(record) = queues[who].pop() {
                watched.apply(record);
            }
        }
        let watched = watched.find(None).unwrap().clone();
        let stands = |incident: &Incident| {
            let Incident { acknowledged, resolved, mitigated, ended, judged, duties, called, .. } = incident.clone();
            (acknowledged, resolved, mitigated, ended, judged, duties, called)
        };
        prop_assert_eq!(stands(&watched), stands(&known));
        let lines = |incident: &Incident| {
            let mut lines: Vec<(Uuid, String)> = incident.lines.iter().filter(|line| line.kind != super::super::line::Kind::Alert).map(|line| (line.record, line.what.clone())).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(lines(&watched), lines(&known));
    }
}
