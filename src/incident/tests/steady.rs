//! What a post-mortem tells does not move: neither by writing it once more, nor by another config, nor by how fast a rehearsal goes; and a title that was changed.

use super::*;
use crate::domain::incident::Speed;
use crate::incident::line;

/// That the post-mortem was written, as if next to this record: the wall clock was off then.
fn draft(beside: &Record, by: &str, number: u128) -> Record {
    let data = json!({ "file": "/pm.md", "complete": false, "left": number });
    let entry = Entry {
        kind: RecordKind::IncidentReport,
        data,
        run: None,
        step: None,
        role: None,
        target: None,
        env: "lab".to_owned(),
    };
    Record {
        id: Uuid::from_u128(0xd4af << 64 | number),
        at: beside.at + SignedDuration::from_secs(1000),
        incident: Some(id().to_string()),
        actor: Actor { name: by.to_owned(), ..beside.actor.clone() },
        entry,
        ..beside.clone()
    }
}

proptest! {
    #[test]
    fn that_it_was_written_is_no_part_of_what_it_tells(
        records in journal(),
        drafts in proptest::collection::vec((0_usize..44, any::<bool>()), 1..6),
        roles in any::<bool>(),
    ) {
        let style = Style { roles };
        let mut with = records.clone();
        for (number, (place, own)) in (1..).zip(drafts) {
            let place = place % with.len();
            let by = if own { with[place].actor.name.clone() } else { "zoe".to_owned() };
            let draft = draft(&with[place], &by, number);
            with.insert(place + 1, draft);
        }
        prop_assert_eq!(reported(&with, style), reported(&records, style));
        // On the screen each has its line.
        let lines = |records: &[Record]| one(records).lines.len();
        prop_assert_eq!(lines(&with) - lines(&records), with.len() - records.len());
    }
}

/// Declared under these rules, and acknowledged a minute later.
fn answered(rules: &Rules) -> Vec<Record> {
    let mut pen = Pen::new(1, "ada", "bastion");
    let mut data = rules.declaration(Priority::P1);
    data["title"] = "Players can't log in".into();
    data["alert"] = json!({ "name": "ServiceDown", "fingerprint": "f1", "since": at(-30).to_string() });
    let mut records = vec![pen.open(-5, None), pen.write(0, Some(id()), RecordKind::IncidentDeclare, data)];
    records.push(pen.write(60, Some(id()), RecordKind::IncidentAcknowledge, json!({})));
    records.push(pen.write(120, Some(id()), RecordKind::IncidentResolve, json!({ "text": "all well" })));
    records
}

fn under(records: &[Record], rules: &Rules) -> String {
    report::write(&one(records), &Runs::default(), rules, Style::default())
}

#[test]
fn what_was_agreed_at_the_declaration_counts_whatever_the_config_says_later() {
    let read = |text: &str| toml::from_str::<Rules>(text).unwrap();
    let (then, now) = (read("respond_minutes = [1, 2, 3, 4]\nreport_hours = 24"), Rules::default());
    let records = answered(&then);
    let told = under(&records, &now);
    assert_eq!(told, under(&records, &then));
    assert!(
        told.contains("| Response | in 60 s, within 2 min |")
            && told.contains("| Post-mortem due | 2026-11-30 03:02:00Z |"),
        "{told}"
    );
    assert_eq!(left(&one(&records), 120), of(&[("post-mortem", 24 * 3600)]));
    // One of before has nothing agreed: the config counts.
    let mut before = answered(&now);
    before[1].entry.data.as_object_mut().unwrap().remove("agreed");
    assert!(under(&before, &then).contains("within 2 min") && under(&before, &now).contains("within 60 min"));
}

#[test]
fn in_a_rehearsal_that_goes_ten_times_as_fast_all_of_it_counts_the_rehearsals_time() {
    let rules = Rules { speed: Speed::try_from(10.0).unwrap(), ..Rules::default() };
    let records = answered(&rules);
    let incident = one(&records);
    let times: Vec<Timestamp> = incident.lines.iter().map(|line| line.at).collect();
    assert_eq!(times, [at(0), at(600), at(1200)]);
    assert_eq!(incident.first_sign().at, at(-300), "as long before as it was in the rehearsal");
    assert_eq!(incident.by_the_clock(at(-300)), at(-30));
    assert!(under(&records, &rules).contains("| Response | in 10 min, within 60 min |"));
    // A minute and a half on the clock are a quarter of an hour.
    let here = Here { boot: Some("bastion".to_owned()), booted: Duration::from_millis(1000) };
    let ninety = Now { mono: Duration::from_secs(3600 + 90 - 1), wall: at(7000) };
    let open = one(&records[..2]);
    assert_eq!(open.now(&here, ninety), at(900));
    assert_eq!(clocks::running(&open, &rules, at(900))[0].figure(), "0:00");
    // Of another boot the wall clock is known, and counts as fast.
    assert_eq!(open.now(&Here::default(), Now { wall: at(60), ..ninety }), at(600));
}

#[test]
fn the_last_title_counts_by_time_as_it_passed_and_can_be_taken_back() {
    let (mut ada, mut ben) = (Pen::new(1, "ada", "bastion-1"), Pen::new(2, "ben", "bastion-2"));
    ben.off = 400;
    let mut records = vec![ada.open(-5, Some(0)), ben.open(-4, Some(-400_000)), declare(&mut ada)];
    let before = one(&records);
    let called = |pen: &mut Pen, second, title: &str| {
        let data = line::called(&before, title).unwrap();
        pen.write(second, Some(id()), RecordKind::IncidentNote, data)
    };
    // Ben's clock is ahead: his word is the earlier one.
    records.extend([called(&mut ada, 90, "Logins fail in Europe"), called(&mut ben, 60, "Logins fail")]);
    let incident = one(&records);
    assert_eq!(
        (incident.title.as_str(), incident.declared_title.as_str()),
        ("Logins fail in Europe", "Players can't log in")
    );
    let told: Vec<&str> = incident.lines.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(told[1], "calls it \"Logins fail\" from now on, no more \"Players can't log in\"");
    assert_eq!(Incidents::of(&records).same("logins fail in europe", None).map(|same| same.id), Some(id()));
    records.push(take_back(&mut ben, 100, &records[..4]));
    assert_eq!(one(&records).title, "Logins fail");
    // A version that knows nothing of it reads a note with a sentence.
    assert!(records[3].entry.kind.word() == "incident.note" && records[3].entry.data["text"].is_string());
    let long = "x".repeat(121);
    for (title, why) in [
        ("Players can't log in ", "is called that already"),
        (" ", "a title of 1 to"),
        (long.as_str(), "a title of 1 to"),
    ] {
        assert!(line::called(&before, title).unwrap_err().contains(why), "{title}");
    }
}

#[test]
fn a_post_mortem_gets_the_new_title_unless_its_heading_was_written_by_hand() {
    let (mut pen, style) = (Pen::new(1, "ada", "bastion"), Style::default());
    let mut records = vec![pen.open(-5, None), declare(&mut pen)];
    let old = reported(&records, style);
    let data = line::called(&one(&records), "Logins | fail").unwrap();
    records.push(pen.write(60, Some(id()), RecordKind::IncidentNote, data));
    let incident = one(&records);
    let renewed =
        |old: &str| report::titled(crate::incident::edits::renew(old, &reported(&records, style)).0, &incident, style);
    assert_eq!(renewed(&old), reported(&records, style));
    assert!(renewed(&old).starts_with("# Post-mortem: Logins \\| fail\n"));
    let by_hand = old.replace("# Post-mortem: Players can't log in", "# The night of the logins");
    assert!(renewed(&by_hand).starts_with("# The night of the logins\n"));
}
