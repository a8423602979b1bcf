//! Incidents on the screen, by what is told to it: two people at the same moment, a quarterdeck that records nothing, and what is over.

use crate::scene::{Scene, of_incident, setup};
use crossterm::event::KeyCode;
use quarterdeck::domain::Subject;
use quarterdeck::domain::record::{Entry, Record, RecordKind};
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent};
use serde_json::{Value, json};
use uuid::Uuid;

const ALERTS: [(&str, &str, Subject); 1] = [("prometheus", "main", Subject::Alerts)];

fn seen(scene: &mut Scene) -> String {
    let buffer = scene.paint();
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>() + "\n";
    (0..buffer.area.height).map(row).collect()
}

/// A record with an id of its own, of one of two people.
fn record(number: u128, by: &str, second: i64, kind: RecordKind, data: Value) -> Record {
    let record = of_incident(second, kind, data);
    let (id, writer) = (Uuid::from_u128(number), Uuid::from_u128(u128::from(by.as_bytes()[0])));
    let actor = quarterdeck::domain::record::Actor { name: by.to_owned(), ..record.actor };
    Record { id, writer, actor, ..record }
}

fn come(scene: &mut Scene, record: Record) {
    scene.send(Event::Run(RunEvent::Noted(Box::new(record))));
}

/// What was recorded since the last look, and of which incident.
fn told(scene: &mut Scene) -> Vec<(String, Entry)> {
    let effects = std::mem::take(&mut scene.effects).into_iter().filter_map(|effect| match effect {
        Effect::Incident { id, entries } => Some(entries.into_iter().map(move |entry| (id.short(), entry))),
        _ => None,
    });
    effects.flatten().collect()
}

fn declared(title: &str) -> Value {
    json!({ "title": title, "priority": "P1", "alert": { "name": "ServiceDown", "fingerprint": "f1", "since": "2026-01-01T00:00:00Z" } })
}

/// One that ben has declared, and two seconds later one of ada's, who sits here, of the same alert.
fn twins() -> Scene {
    let mut scene = Scene::new(&ALERTS, (150, 30));
    let mut own = record(2, "ada", -58, RecordKind::IncidentDeclare, declared("Logins fail"));
    own.incident = Some(Uuid::from_u128(0x0002_00be_ef00).to_string());
    scene.state.watch.expect(quarterdeck::domain::IncidentId::parse(own.incident.as_deref().unwrap()).unwrap());
    come(&mut scene, own);
    assert!(!seen(&mut scene).contains("perhaps"), "nothing is known yet of ben's");
    come(&mut scene, record(1, "ben", -60, RecordKind::IncidentDeclare, declared("Slow")));
    scene
}

#[test]
fn who_declares_what_somebody_else_declares_at_the_same_moment_is_told_and_closes_one_of_them() {
    let mut scene = twins();
    let screen = seen(&mut scene);
    for told in [
        "P1 Logins fail (beef00) is perhaps the same as P1 Slow (3a21ab), which ben",
        "P1 Logins fail (beef00): declared, perhaps the same as 3a21ab, 1 more open (P1) ",
    ] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    scene.keys("Xy");
    assert!(seen(&mut scene).contains("beef00 is the same as 3a21ab"));
    scene.key(KeyCode::Enter);
    let [(of, end), (other, note)] = &told(&mut scene)[..] else { panic!("an end and a note") };
    let (end, note) =
        if end.kind == RecordKind::IncidentResolve { ((of, end), (other, note)) } else { ((other, note), (of, end)) };
    assert_eq!((end.0.as_str(), &end.1.data["as"]), ("beef00", &json!("duplicate-of")));
    assert_eq!((note.0.as_str(), note.1.kind), ("3a21ab", RecordKind::IncidentNote));
}

#[test]
fn two_that_only_look_alike_are_said_to_be_two() {
    let mut scene = twins();
    scene.keys("Xk");
    let all = told(&mut scene);
    let [(of, entry)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((of.as_str(), &entry.data["text"]), ("beef00", &json!("it is not the same as P1 Slow (3a21ab)")));
    let mut note = record(3, "ada", -50, entry.kind, entry.data.clone());
    note.incident = Some(Uuid::from_u128(0x0002_00be_ef00).to_string());
    come(&mut scene, note);
    scene.pass(std::time::Duration::from_secs(20));
    assert!(!seen(&mut scene).contains("perhaps the same"));
}

#[test]
fn who_was_second_to_say_it_is_told_who_was_first() {
    let mut scene = Scene::new(&ALERTS, (150, 30));
    come(&mut scene, record(1, "ben", -60, RecordKind::IncidentDeclare, declared("Slow")));
    come(&mut scene, record(2, "ada", -50, RecordKind::IncidentAcknowledge, json!({})));
    come(&mut scene, record(3, "ben", -49, RecordKind::IncidentAcknowledge, json!({})));
    let told = "acknowledged by ben already; that counts, and what you said stays in the timeline";
    assert!(!seen(&mut scene).contains("already"), "it is ben who was second, and he sits elsewhere");
    come(&mut scene, record(4, "ben", -51, RecordKind::IncidentAcknowledge, json!({})));
    assert!(seen(&mut scene).contains(&format!("3a21ab: {told}")), "{}", seen(&mut scene));
    scene.keys("7");
    assert!(seen(&mut scene).contains("acknowledged (acknowledged by ben already)"));
}

#[test]
fn where_nothing_is_recorded_the_handover_is_there_all_the_same() {
    let mut setup = setup(&ALERTS);
    setup.read_only = true;
    let mut scene = Scene::of(setup, (150, 30));
    scene.keys("X");
    assert!(seen(&mut scene).contains("READ-ONLY: this quarterdeck records nothing"));
    come(&mut scene, record(1, "ben", -60, RecordKind::IncidentDeclare, declared("Slow")));
    scene.keys("X");
    let screen = seen(&mut scene);
    assert!(
        screen.contains("hand over") && screen.contains("READ-ONLY") && !screen.contains("acknowledge"),
        "{screen}"
    );
    scene.keys("h");
    let copied = scene.effects.iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text.clone()),
        _ => None,
    });
    assert!(copied.is_some_and(|text| text.starts_with("Handover of P1 Slow (3a21ab, declared)")));
    // What is not in the list is not done by its letter.
    scene.keys("Xa");
    scene.key(KeyCode::Esc);
    assert_eq!(told(&mut scene).len(), 0);
}

#[test]
fn what_is_known_afterwards_is_assessed_afterwards() {
    let mut scene = Scene::new(&ALERTS, (100, 30));
    come(&mut scene, record(1, "ben", -60, RecordKind::IncidentDeclare, declared("Slow")));
    come(&mut scene, record(2, "ben", -50, RecordKind::IncidentAssess, json!({ "impact": "nobody plays" })));
    come(&mut scene, record(3, "ben", -40, RecordKind::AlertFired, json!({ "name": "Far", "fingerprint": "f2" })));
    come(&mut scene, record(4, "ben", -30, RecordKind::IncidentResolve, json!({ "text": "all well" })));
    told(&mut scene);
    scene.keys("Xi");
    assert!(seen(&mut scene).contains(" nobody plays"), "what was written stands there");
    scene.key(KeyCode::End);
    scene.keys(" in Europe");
    scene.key(KeyCode::Enter);
    scene.keys("Xs");
    assert!(!seen(&mut scene).contains("fires: Far"), "whether it still does nobody has recorded");
    scene.keys("all servers");
    scene.key(KeyCode::Enter);
    let data: Vec<Value> = told(&mut scene).into_iter().map(|(_, entry)| entry.data).collect();
    assert_eq!(data, [json!({ "impact": "nobody plays in Europe" }), json!({ "scope": "all servers" })]);
}

#[test]
fn a_list_that_does_not_fit_says_how_much_of_it_is_below() {
    let mut scene = twins();
    scene.resize((80, 24));
    let mut note = record(3, "ada", -50, RecordKind::IncidentNote, json!({ "text": "it is slow ".repeat(9) }));
    note.incident = Some(Uuid::from_u128(0x0002_00be_ef00).to_string());
    come(&mut scene, note);
    scene.pass(std::time::Duration::from_secs(20));
    scene.keys("X");
    let screen = seen(&mut scene);
    assert!(screen.contains(" 2 more lines below: PgDn ") && !screen.contains("declare another"), "{screen}");
    scene.key(KeyCode::End);
    let screen = seen(&mut scene);
    assert!(screen.contains(" lines: PgUp ") && screen.contains("▶ x declare another"), "{screen}");
    // A line that is cut says so.
    scene.keys("b");
    let screen = seen(&mut scene);
    assert!(screen.contains("1 it is slow ") && screen.contains("slow it …  "), "{screen}");
}

#[test]
fn several_others_are_told_by_the_worst_of_them() {
    let mut scene = Scene::new(&ALERTS, (150, 30));
    for (number, priority) in [(1, "P1"), (2, "P2"), (3, "P3")] {
        let data = json!({ "title": format!("Slow {number}"), "priority": priority });
        let mut declared = record(number, "ben", -60, RecordKind::IncidentDeclare, data);
        declared.incident = Some(Uuid::from_u128(number << 64 | number).to_string());
        come(&mut scene, declared);
    }
    scene.keys("Xg3");
    let screen = seen(&mut scene);
    assert!(screen.contains("P3 Slow 3 (000003): declared, 2 more open (worst P1)"), "{screen}");
}

#[test]
fn one_more_that_is_declared_knowingly_is_beside_all_that_are_open() {
    let mut scene = twins();
    scene.keys("Xx1Slow");
    scene.key(KeyCode::Enter);
    scene.keys("y");
    let all = told(&mut scene);
    let declared = all.iter().find(|(_, entry)| entry.kind == RecordKind::IncidentDeclare);
    let beside = &declared.expect("it is declared").1.data["beside"];
    assert_eq!(beside.as_array().map(Vec::len), Some(2), "{beside}");
}
