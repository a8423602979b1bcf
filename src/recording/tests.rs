//! What is written is what is read, wherever the file is cut, and whatever the disk does.

use super::*;
use crate::domain::secret::Secret;
use crate::domain::{Alert, AlertReport, Container, Database, Engine, Now, Sample, Session, Snapshot, SourceError};
use crate::redact::Redactor;
use proptest::prelude::*;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const SOURCES: [(&str, Subject); 4] = [
    ("local", Subject::Servers),
    ("docker", Subject::Containers),
    ("prometheus", Subject::Alerts),
    ("postgres", Subject::Databases),
];

/// So many milliseconds after the process began; its recording begins at 5 s.
fn at(ms: u64) -> Now {
    let start: Timestamp = "2026-11-25T14:00:00Z".parse().unwrap();
    Now { mono: Duration::from_millis(5_000 + ms), wall: start + Duration::from_millis(ms) }
}

fn id(source: usize) -> SourceId {
    SourceId::new(SOURCES[source].0, "main")
}

fn header_of_all() -> Header {
    let feeds =
        (0..4).map(|source| Recorded { id: id(source), subject: SOURCES[source].1, interval_ms: 1000 }).collect();
    Header {
        format: 0,
        version: String::new(),
        environment: "lab".to_owned(),
        guarded: true,
        limits: Limits::default(),
        began: at(0).wall,
        feeds,
        servers: vec![NamedServer {
            server: Server { name: "game-1".to_owned(), ..Server::default() },
            feeds: vec![id(0)],
        }],
    }
}

/// What a source may say: `turn` changes all of it, `rows` the number of things.
fn snapshot(source: usize, turn: u32, rows: u32) -> Snapshot {
    let name = |row: u32| format!("thing-{row}");
    match SOURCES[source].1 {
        Subject::Servers => Snapshot::Servers(
            (0..rows)
                .map(|row| Server { name: name(row), cpu: Some(f64::from(turn) / 7.3), ..Server::default() })
                .collect(),
        ),
        Subject::Containers => Snapshot::Containers(Engine {
            containers: (0..rows)
                .map(|row| Container { id: name(row).into(), image: format!("web:{turn}"), ..Container::default() })
                .collect(),
            ..Engine::default()
        }),
        Subject::Alerts => Snapshot::Alerts(AlertReport {
            alerts: (0..rows)
                .map(|row| Arc::new(Alert { fingerprint: name(row).into(), ..Alert::default() }))
                .collect(),
            ..AlertReport::default()
        }),
        Subject::Databases => {
            let mut value = json!(Database::default());
            value["used"] = json!(turn);
            let mut database: Database = serde_json::from_value(value).unwrap();
            database.sessions = (0..rows).map(|pid| Session { pid: pid.cast_signed(), ..Session::default() }).collect();
            Snapshot::Database(database)
        }
    }
}

fn good(source: usize, ms: u64, snapshot: Snapshot) -> Sample {
    Sample { source: id(source), at: at(ms), took: Duration::from_millis(3), outcome: Ok(Arc::new(snapshot)) }
}

fn bad(source: usize, ms: u64, what: &str) -> Sample {
    Sample { outcome: Err(SourceError::new(what, "mend it")), ..good(source, ms, snapshot(source, 0, 0)) }
}

fn begin<G: Ground>(ground: G, redactor: &Redactor) -> Writer<G> {
    Writer::begin(ground, header_of_all(), at(0), redactor.clone()).unwrap()
}

/// Memory that may be as full as a disk.
#[derive(Default)]
struct Ram {
    bytes: Vec<u8>,
    room: Option<usize>,
}

impl Write for &mut Ram {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.map_or(bytes.len(), |room| room.saturating_sub(self.bytes.len()).min(bytes.len()));
        if room == 0 && !bytes.is_empty() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.bytes.extend_from_slice(&bytes[..room]);
        Ok(room)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ground for &mut Ram {
    fn back_to(&mut self, length: u64) -> io::Result<()> {
        self.bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

/// A file with these bytes, which lives as long as its folder.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Everything in a recording, from its beginning.
fn all(bytes: &[u8]) -> (Tape, Vec<Found>) {
    let (_folder, path) = file(bytes);
    let tape = Tape::open(&path).unwrap();
    let found = tape.cursor(Duration::ZERO).unwrap().collect();
    (tape, found)
}

fn samples(found: &[Found]) -> Vec<Sample> {
    let sample = |found: &Found| match found {
        Found::Sample(_, sample) => Some(sample.clone()),
        Found::Gap(..) => None,
    };
    found.iter().filter_map(sample).collect()
}

/// As a recording has them: counted from its beginning.
fn expected(sample: &Sample) -> (SourceId, Duration, Timestamp, Result<Snapshot, SourceError>) {
    let mono = sample.at.mono.checked_sub(at(0).mono).unwrap();
    (
        sample.source.clone(),
        mono,
        sample.at.wall,
        sample.outcome.as_ref().map(|found| (**found).clone()).map_err(Clone::clone),
    )
}

fn read(sample: &Sample) -> (SourceId, Duration, Timestamp, Result<Snapshot, SourceError>) {
    let outcome = sample.outcome.as_ref().map(|found| (**found).clone()).map_err(Clone::clone);
    (sample.source.clone(), sample.at.mono, sample.at.wall, outcome)
}

/// A recording of these samples, a commit after each.
fn recorded(given: &[Sample]) -> Vec<u8> {
    marked(given).0
}

/// The same, and how long it was after each commit.
fn marked(given: &[Sample]) -> (Vec<u8>, Vec<u64>) {
    let mut ram = Ram::default();
    let mut writer = begin(&mut ram, &Redactor::default());
    let mut commits = Vec::new();
    for sample in given {
        writer.sample(sample).unwrap();
        writer.commit(sample.at).unwrap();
        commits.push(writer.written());
    }
    writer.finish(given.last().map_or(at(0), |last| last.at)).unwrap();
    (ram.bytes, commits)
}

/// Every source in turn, over several segments.
fn a_few_minutes() -> Vec<Sample> {
    (0..40_u32)
        .map(|turn| {
            let source = turn as usize % SOURCES.len();
            good(source, u64::from(turn) * 9_000, snapshot(source, turn, 4))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_is_read_is_what_was_written(
        steps in prop::collection::vec((0..4_usize, 0..3_u32, 0..5_u32, any::<bool>(), 0..90_000_u64), 1..40)
    ) {
        let mut ms = 0;
        let given: Vec<Sample> = steps.into_iter().map(|(source, turn, rows, fails, pause)| {
            ms += pause;
            if fails { bad(source, ms, "refused") } else { good(source, ms, snapshot(source, turn, rows)) }
        }).collect();
        let (tape, found) = all(&recorded(&given));
        prop_assert_eq!(tape.ending(), Ending::Ended);
        let found: Vec<_> = samples(&found).iter().map(read).collect();
        prop_assert_eq!(found, given.iter().map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn wherever_it_is_cut_what_was_written_before_is_read(at in any::<prop::sample::Index>()) {
        let given = a_few_minutes();
        let (bytes, commits) = marked(&given);
        let at = at.index(bytes.len());
        let (_folder, path) = file(&bytes[..at]);
        let whole = commits.iter().filter(|written| **written <= at as u64).count();
        let Ok(tape) = Tape::open(&path) else {
            prop_assert_eq!(whole, 0);
            return Ok(());
        };
        prop_assert_eq!(tape.ending(), Ending::Cut);
        let found: Vec<_> = tape.cursor(Duration::ZERO).unwrap().collect();
        let found: Vec<_> = samples(&found).iter().map(read).collect();
        let given: Vec<_> = given.iter().map(expected).collect();
        prop_assert_eq!(&found[..], &given[..found.len()]);
        prop_assert!(found.len() >= whole, "{} of {}", found.len(), whole);
    }

    #[test]
    fn garbage_makes_nothing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let (_folder, path) = file(&bytes);
        prop_assert!(Tape::open(&path).is_err());
        let mut whole = recorded(&[good(1, 10, snapshot(1, 1, 3)), good(3, 20, snapshot(3, 1, 3))]);
        let at = at.index(whole.len());
        whole.splice(at.., bytes);
        let (_folder, path) = file(&whole);
        if let Ok(tape) = Tape::open(&path) {
            let _ = tape.cursor(Duration::ZERO).unwrap().count();
        }
    }
}

#[test]
fn a_cut_loses_only_what_was_not_committed() {
    let mut ram = Ram::default();
    let mut writer = begin(&mut ram, &Redactor::default());
    for turn in 0..5 {
        writer.sample(&good(0, u64::from(turn) * 1000, snapshot(0, turn, 2))).unwrap();
        writer.commit(at(u64::from(turn) * 1000)).unwrap();
    }
    writer.sample(&good(0, 6000, snapshot(0, 9, 2))).unwrap();
    drop(writer);
    let (tape, found) = all(&ram.bytes);
    assert_eq!((tape.ending(), found.len()), (Ending::Cut, 5));
}

#[test]
fn what_did_not_change_takes_no_room() {
    let same: Vec<Sample> = (0..100).map(|turn| good(1, turn * 1000, snapshot(1, 1, 200))).collect();
    let once = recorded(&same[..1]).len();
    let bytes = recorded(&same);
    assert!(bytes.len() - once < 99 * 60, "{} and {once}", bytes.len());
    let (_, found) = all(&bytes);
    let snapshots: Vec<_> = samples(&found).into_iter().map(|sample| sample.outcome.unwrap()).collect();
    assert!(Arc::ptr_eq(&snapshots[3], &snapshots[70]), "what is the same is kept once");
}

#[test]
fn a_full_disk_leaves_a_gap_and_what_comes_later() {
    let mut ram = Ram::default();
    let mut writer = begin(&mut ram, &Redactor::default());
    writer.sample(&good(0, 1000, snapshot(0, 1, 2))).unwrap();
    writer.commit(at(1000)).unwrap();
    let room = Some(usize::try_from(writer.written()).unwrap() + 3);
    writer.ground_mut().room = room;
    for turn in 2..5 {
        writer.sample(&good(0, u64::from(turn) * 1000, snapshot(0, turn, 2))).unwrap();
        assert!(writer.commit(at(u64::from(turn) * 1000)).is_err());
    }
    writer.sample(&bad(3, 4500, "refused")).unwrap();
    writer.ground_mut().room = None;
    let (lost, why) = writer.commit(at(5000)).unwrap().unwrap();
    assert_eq!((lost, why.as_str()), (4, "no storage space"));
    writer.sample(&good(0, 6000, snapshot(0, 6, 2))).unwrap();
    writer.finish(at(6000)).unwrap();
    let (tape, found) = all(&ram.bytes);
    assert_eq!(tape.ending(), Ending::Ended);
    let told: Vec<String> = found
        .iter()
        .map(|found| match found {
            Found::Gap(_, what) => what.clone(),
            Found::Sample(moment, sample) => {
                format!("{} {} {}", moment.t / 1_000_000, sample.source, sample.outcome.is_ok())
            }
        })
        .collect();
    let gap = "4 samples are missing before 2026-11-25 14:00:05Z: no storage space";
    let expected = ["1 local/main true", "4 local/main true", "4 postgres/main false", gap, "6 local/main true"];
    assert_eq!(told, expected);
    assert_eq!(*samples(&found)[1].outcome.clone().unwrap(), snapshot(0, 4, 2), "what was known when it went on");
}

#[test]
fn no_secret_is_in_the_file() {
    let redactor = Redactor::default();
    redactor.learn(&Secret::from("swordfish"));
    let mut ram = Ram::default();
    let mut header = header_of_all();
    header.environment = "lab-swordfish".to_owned();
    let mut writer = Writer::begin(&mut ram, header, at(0), redactor.clone()).unwrap();
    let mut engine = Engine { containers: vec![Container::default()], ..Engine::default() };
    engine.containers[0].image = "serve --password swordfish postgres://a:hunter2@db/x".into();
    writer.sample(&good(1, 1000, Snapshot::Containers(engine))).unwrap();
    writer.sample(&bad(3, 2000, "no answer from postgres://a:swordfish@db")).unwrap();
    writer.finish(at(2000)).unwrap();
    let mut text = String::new();
    io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&ram.bytes[..]), &mut text).unwrap();
    assert!(!text.contains("swordfish") && !text.contains("hunter2") && text.contains("‹redacted›"), "{text}");
}

#[test]
fn a_secret_that_is_a_word_of_the_format_leaves_the_answer_out_and_says_so() {
    let state = json!(crate::domain::ContainerState::default()).as_str().unwrap().to_owned();
    for secret in [state, "containers".to_owned(), "restarts".to_owned()] {
        let redactor = Redactor::default();
        let mut ram = Ram::default();
        let mut writer = begin(&mut ram, &redactor);
        redactor.learn(&Secret::from(secret));
        writer.sample(&good(1, 1000, snapshot(1, 1, 2))).unwrap();
        writer.finish(at(1000)).unwrap();
        let (_, found) = all(&ram.bytes);
        let error = samples(&found)[0].outcome.clone().unwrap_err();
        assert!(error.what.contains("not recorded: hiding secrets left no readable answer"), "{error}");
    }
}

#[test]
fn what_an_older_version_did_not_know_counts_as_not_told() {
    let old = [
        json!({ "servers": [{ "name": "a" }] }),
        json!({ "containers": { "containers": [{ "id": "a" }] } }),
        json!({ "alerts": { "alerts": [{ "name": "a" }], "rules": [{}], "targets": [{}], "silences": [{}] } }),
        json!({ "database": { "sessions": [{ "pid": 1 }], "replicas": [{}], "slots": [{}], "databases": [{}] } }),
    ];
    for value in old {
        assert!(serde_json::from_value::<Snapshot>(value.clone()).is_ok(), "{value}");
    }
}

#[test]
fn a_newer_format_and_other_files_are_refused_in_words() {
    let open = |bytes: &[u8]| {
        let (_folder, path) = file(bytes);
        Tape::open(&path).unwrap_err().to_string().split_once("a.rec: ").unwrap().1.to_owned()
    };
    let gz = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let newer = gz("{\"header\":{\"format\":7,\"version\":\"9.0.0\",\"more\":true}}\n");
    let expected = "written by quarterdeck 9.0.0 in format 7; this one reads up to format 1 (replay it with that version, or a newer one)";
    assert_eq!(open(&newer), expected);
    let none = "no recording of quarterdeck (name a file that `record` has written)";
    for other in [gz("{}\n"), gz("hello"), b"environment = \"x\"".to_vec(), Vec::new()] {
        assert_eq!(open(&other), none);
    }
    let mut ram = Ram::default();
    drop(begin(&mut ram, &Redactor::default()));
    assert!(open(&ram.bytes).starts_with("the recording holds nothing"));
}

#[test]
fn a_jump_shows_what_was_known_then_and_playing_shows_what_came() {
    let mut given = vec![good(2, 500, snapshot(2, 0, 1))];
    given.extend((1..600).map(|turn| good(0, u64::from(turn) * 1000, snapshot(0, turn, 2))));
    given.push(bad(3, 600_000, "refused"));
    let (_folder, path) = file(&recorded(&given));
    let (mut player, played) = Player::new(Tape::open(&path).unwrap(), Duration::from_secs(300), 4).unwrap();
    let cpu = |played: &Played| {
        let store = played.store.as_ref().unwrap();
        store.feed(&id(0)).unwrap().snapshot().unwrap().servers().unwrap()[0].cpu.unwrap() * 7.3
    };
    assert!((cpu(&played) - 300.0).abs() < 1e-6);
    assert_eq!(played.position.now.wall.to_string(), "2026-11-25T14:05:00Z");
    let alerts = played.store.as_ref().unwrap().feed(&id(2)).unwrap().age(played.position.now);
    assert_eq!(alerts, Some(Duration::from_millis(299_500)), "ages count in recorded time");
    let on = player.pass(Duration::from_millis(500));
    assert_eq!((on.samples.len(), on.position.at), (2, Duration::from_secs(302)));
    let back = player.obey(Command::By(-10)).unwrap();
    assert!((cpu(&back) - 292.0).abs() < 1e-6);
    assert_eq!(player.pass(Duration::from_millis(250)).samples.len(), 1);
    player.obey(Command::Pause).unwrap();
    assert!(player.pass(Duration::from_secs(5)).samples.is_empty() && !player.is_moving());
    let end = player.obey(Command::By(3600)).unwrap();
    assert_eq!((end.position.over, end.position.at), (Some(Ending::Ended), Duration::from_secs(600)));
    assert!(end.samples.last().unwrap().outcome.is_err());
}
