//! Which incident is meant, by which severity it is judged, and what of it counts as an end.

use super::*;

fn other(number: u128) -> IncidentId {
    IncidentId(Uuid::from_u128(number))
}

#[test]
fn while_none_is_open_the_one_whose_post_mortem_is_due_is_meant_and_no_false_alarm() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    records.push(pen.write(60, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    let data = json!({ "title": "Nothing", "priority": "P3" });
    records.push(pen.write(70, Some(other(7)), RecordKind::IncidentDeclare, data));
    assert_eq!(one(&records).id, other(7), "one is open");
    let data = json!({ "text": "a test", "as": "false-alarm" });
    records.push(pen.write(80, Some(other(7)), RecordKind::IncidentResolve, data));
    assert_eq!(one(&records).id, id());
    // Written, it is still the newest that was one of its own.
    records.push(pen.write(90, Some(id()), RecordKind::IncidentReport, json!({ "file": "pm.md", "complete": true })));
    assert_eq!(one(&records).id, id());
}

fn response(records: &[Record]) -> String {
    let text = reported(records, Style::default());
    let line = text.lines().find_map(|line| line.strip_prefix("| Response | ")).unwrap().to_owned();
    line.trim_end_matches(" |  |").to_owned()
}

fn severity(pen: &mut Pen, second: i64, (before, now): (&str, &str)) -> Record {
    let data = json!({ "priority": now, "before": before, "reason": "it is known better" });
    pen.write(second, Some(id()), RecordKind::IncidentSeverity, data)
}

#[test]
fn a_response_is_judged_by_the_severity_of_then() {
    let mut pen = Pen::new(1, "ada", "bastion");
    // P1: an hour.
    let begun = vec![pen.open(-5, None), declare(&mut pen)];
    assert_eq!(response(&begun), "nobody has acknowledged it yet; within 60 min");
    let answered = pen.write(2000, Some(id()), RecordKind::IncidentAcknowledge, json!({}));
    let over = |second: i64, pen: &mut Pen| {
        pen.write(second, Some(id()), RecordKind::IncidentResolve, json!({ "text": "over" }))
    };
    let with = |more: &[Record]| response(&[begun.as_slice(), more].concat());
    assert_eq!(with(&[over(1200, &mut pen)]), "nobody acknowledged it; it was over within 60 min");
    assert_eq!(with(&[over(4000, &mut pen)]), "nobody acknowledged it, LATE: it was to be within 60 min");
    // Worse afterwards: it was in time as what it was.
    let worse = severity(&mut pen, 2100, ("P1", "P0"));
    assert_eq!(with(&[answered.clone(), worse]), "in 33 min, within 60 min (as P1 then)");
    // Worse before, and better afterwards: too late all the same.
    let (worse, better) = (severity(&mut pen, 60, ("P1", "P0")), severity(&mut pen, 2200, ("P0", "P3")));
    assert_eq!(with(&[worse, answered, better]), "in 32 min, LATE: it was to be within 15 min (as P0 then)");
}

#[test]
fn a_false_alarm_that_was_none_is_one_outage() {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    let data = json!({ "text": "a test", "as": "false-alarm" });
    records.push(pen.write(60, Some(id()), RecordKind::IncidentResolve, data));
    let data = json!({ "reason": "was real after all" });
    records.push(pen.write(120, Some(id()), RecordKind::IncidentReopen, data));
    records.push(pen.write(600, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    let text = reported(&records, Style::default());
    let closed = "| Closed | resolved as a false alarm 2026-11-29 03:01:00Z, by ada; open again 2026-11-29 03:02:00Z";
    assert!(text.contains(closed), "{text}");
    assert!(
        text.contains("- From the first sign until it was mitigated: 11 min") && !text.contains("outages"),
        "{text}"
    );
    let told = handover::write(&one(&records), &Runs::default(), &Rules::default(), at(700));
    assert!(told.contains("- closed: resolved 2026-11-29 03:01:00Z; open again"), "{told}");
    assert!(told.contains("- resolved: 2026-11-29 03:10:00Z, by ada: all well"), "{told}");
}
