//! The embedded journal on real files.

use super::super::chain::Broken;
use super::*;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/quarterdeck/journal.sqlite");
    (folder, path)
}

async fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path, "test", Redactor::default()).await.unwrap()
}

fn entry(kind: RecordKind, run: Option<RunId>, data: Value) -> Entry {
    Entry { kind, run, step: None, role: None, target: None, env: "test".into(), data }
}

fn note(data: Value) -> Entry {
    entry(RecordKind::WritesLock, None, data)
}

async fn start_run(journal: &SqliteJournal) -> RunId {
    let run = RunId(Uuid::now_v7());
    journal.append(entry(RecordKind::RunStart, Some(run), json!({ "runbook": "x" }))).await.unwrap();
    journal.append(entry(RecordKind::StepIntent, Some(run), json!({ "sent": "y" }))).await.unwrap();
    run
}

async fn raw(path: &Path) -> SqlitePool {
    SqlitePool::connect(path.to_str().unwrap()).await.unwrap()
}

/// Runs a statement past the journal, as somebody with a SQLite shell would.
async fn sql(path: &Path, statement: &'static str) -> Result<(), String> {
    let pool = raw(path).await;
    let done = sqlx::raw_sql(statement).execute(&pool).await;
    pool.close().await;
    done.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_is_appended_is_read_back_and_verifies() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    let written = journal.append(note(json!({ "state": "unlocked", "float": 0.1 }))).await.unwrap();
    assert_eq!((written.seq, written.entry.env.as_str(), written.writer), (2, "test", journal.writer()));
    let read = journal.recent(10).await.unwrap();
    assert_eq!(read[0].entry.kind, RecordKind::JournalOpen);
    assert_eq!(read[0].entry.data["pid"], std::process::id());
    assert_eq!(read[1], written);
    assert_eq!(journal.recent(1).await.unwrap(), [written]);
    assert!(journal.reader().verify().await.unwrap().is_intact());
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let (_folder, path) = folder();
    // Open, for the last one that closes it removes the log.
    let journal = open(&path).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&path.with_extension("sqlite-wal")), 0o600);
    drop(journal);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    drop(open(&path).await);
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn secrets_are_hidden_before_they_are_hashed() {
    let (_folder, path) = folder();
    let redactor = Redactor::default();
    let journal = SqliteJournal::open(&path, "test", redactor.clone()).await.unwrap();
    redactor.learn(&"swordfish".into());
    let data = json!({ "output": "swordfish or postgres://a:hunter2@h/x", "password": "pw123" });
    let record = journal.append(note(data)).await.unwrap();
    assert_eq!(
        record.entry.data,
        json!({ "output": "‹redacted› or postgres://a:‹redacted›@h/x", "password": "‹redacted›" })
    );
    assert!(journal.reader().verify().await.unwrap().is_intact());
    journal.close().await;
    let bytes = fs::read(&path).unwrap();
    for secret in ["swordfish", "hunter2", "pw123"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[tokio::test]
async fn the_table_refuses_every_change() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    journal.append(note(json!(1))).await.unwrap();
    let changed = sql(&path, "UPDATE record SET env = 'x'").await.unwrap_err();
    assert!(changed.contains("never changed: append another one"), "{changed}");
    let deleted = sql(&path, "DELETE FROM record WHERE seq = 2").await.unwrap_err();
    assert!(deleted.contains("never deleted: export what you need"), "{deleted}");
    let columns = "INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 2";
    let replaced = sql(&path, columns).await.unwrap_err();
    assert!(replaced.contains("never replaced"), "{replaced}");
    let appended = "INSERT INTO record SELECT NULL, writer, 9, 'i', prev, hash, at, mono_ms, incident, actor_name, \
                    actor_uid, actor_host, kind, run, step, role, target, env, data FROM record WHERE seq = 2";
    let appended = sql(&path, appended).await.unwrap_err();
    assert!(appended.contains("must follow its writer's last one"), "{appended}");
    assert!(journal.reader().verify().await.unwrap().is_intact());
}

#[tokio::test]
async fn what_a_determined_hand_changes_is_found() {
    let tampering = [
        ("UPDATE record SET actor_name = 'nobody' WHERE seq = 2", Broken::Changed { seq: 2 }),
        ("DELETE FROM record WHERE seq = 2", Broken::Gap { after: 1, found: 3 }),
        ("UPDATE record SET place = 9 WHERE seq = 2", Broken::Gap { after: 1, found: 3 }),
        (
            "UPDATE record SET kind = 'x.y' WHERE seq = 3",
            Broken::Unreadable { seq: 3, why: "kind: \"x.y\" is not known here".into() },
        ),
    ];
    for (statement, expected) in tampering {
        let (_folder, path) = folder();
        let journal = open(&path).await;
        for number in 0..3 {
            journal.append(note(json!(number))).await.unwrap();
        }
        sql(&path, "DROP TRIGGER record_no_update; DROP TRIGGER record_no_delete").await.unwrap();
        sql(&path, statement).await.unwrap();
        let report = journal.reader().verify().await.unwrap();
        assert_eq!(report.chains[&journal.writer()].broken, Some(expected), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_share_a_file_from_its_first_moment_on() {
    let (_folder, path) = folder();
    let journals = join_all((0..6).map(|_| open(&path))).await;
    let appends = (0..60).map(|number| journals[number % 6].append(note(json!(number))));
    for done in join_all(appends).await {
        done.unwrap();
    }
    let report = journals[0].reader().verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.chains.len(), report.count()), (6, 66));
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_leaves_the_chain_whole() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    for number in 0..20 {
        let append = journal.append(note(json!(number)));
        // One poll hands it to its task; then the caller is gone.
        let mut append = Box::pin(append);
        assert!(futures_util::poll!(&mut append).is_pending());
    }
    let last = journal.append(note(json!("last"))).await.unwrap();
    // The write connection is handed out in order: all that was asked for before is there.
    assert_eq!(last.seq, 22);
    assert!(journal.reader().verify().await.unwrap().is_intact());
}

#[tokio::test]
async fn a_removed_or_replaced_file_is_noticed_before_anything_is_done() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    fs::rename(&path, path.with_extension("old")).unwrap();
    let gone = journal.append(note(json!(1))).await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        format!("cannot append to the journal {}: it was removed (quit and start quarterdeck again)", path.display())
    );
    fs::write(&path, "").unwrap();
    let replaced = journal.append(note(json!(1))).await.unwrap_err();
    assert!(replaced.what.ends_with("another file stands at its place"), "{replaced}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_the_chain_goes_on_after_it() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    // SQLite reports a full disk and a reached page limit alike.
    let limit = |pages: &'static str| sqlx::raw_sql(pages).execute(&journal.inner.write);
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let full = loop {
        if let Err(full) = journal.append(note(json!("x".repeat(2000)))).await {
            break full;
        }
    };
    let folder = path.parent().unwrap().display();
    assert_eq!(
        full.to_string(),
        format!(
            "cannot append a record in the journal {}: the disk is full (free space on the filesystem that holds {folder}; \
             until then nothing can be changed from here)",
            path.display()
        )
    );
    limit("PRAGMA max_page_count = 100000").await.unwrap();
    journal.append(note(json!("again"))).await.unwrap();
    assert!(journal.reader().verify().await.unwrap().is_intact());
}

async fn refused(path: &Path) -> String {
    SqliteJournal::open(path, "test", Redactor::default()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_that_is_no_journal_of_ours_is_refused_with_the_mend() {
    let (folder, path) = folder();
    let text = folder.path().join("text.sqlite");
    fs::write(&text, "this is no database, whatever its name says\n".repeat(40)).unwrap();
    let message = refused(&text).await;
    assert!(message.contains("it is no SQLite database (move "), "{message}");

    drop(open(&path).await);
    sql(&path, "INSERT INTO _sqlx_migrations VALUES (99, 'later', '2026-01-01', 1, x'00', 1)").await.unwrap();
    let expected = format!(
        "the journal {} was made by a newer quarterdeck (schema 99, here 5) (update quarterdeck, or name another file as \
         path in [journal])",
        path.display()
    );
    assert_eq!(refused(&path).await, expected);
    assert_eq!(Reader::open(&path).await.unwrap_err().to_string(), expected);

    let other = folder.path().join("other.sqlite");
    fs::write(&other, "").unwrap();
    sql(&other, "CREATE TABLE t (x)").await.unwrap();
    let message = Reader::open(&other).await.unwrap_err().to_string();
    assert!(message.contains("is a database, but no journal"), "{message}");
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    for _ in 0..40 {
        journal.append(note(json!("x".repeat(500)))).await.unwrap();
    }
    journal.close().await;
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[4096..length].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let message = refused(&path).await;
    assert!(message.contains("the file is damaged (move "), "{message}");
}

#[tokio::test]
async fn a_place_where_no_file_can_be_is_named() {
    let (folder, _) = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    let message = refused(&folder.path().join("file/journal.sqlite")).await;
    assert!(message.contains("(name a file in a folder as path in [journal])"), "{message}");
    let message = refused(Path::new("/proc/quarterdeck/journal.sqlite")).await;
    assert!(message.contains("(make /proc/quarterdeck yours and writable, or name another file"), "{message}");
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let message = refused(&open.join("j.sqlite")).await;
    assert!(message.ends_with(&format!("others can write to its folder (chmod go-w {})", open.display())), "{message}");
    let message = Reader::open(&open.join("j.sqlite")).await.unwrap_err().to_string();
    assert!(message.contains("there is no journal at "), "{message}");
}

#[tokio::test]
async fn a_reader_reads_beside_writers_and_after_them() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    let reader = Reader::open(&path).await.unwrap();
    journal.append(note(json!(1))).await.unwrap();
    assert_eq!(reader.recent(10).await.unwrap().len(), 2);
    journal.close().await;
    reader.close().await;
    assert_eq!(Reader::open(&path).await.unwrap().verify().await.unwrap().count(), 2);
}

const HELPER: &str = "journal::sqlite::tests::helper_that_appends_until_it_is_killed";

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
#[ignore = "started by killed_processes_lose_nothing_and_break_nothing"]
async fn helper_that_appends_until_it_is_killed() {
    let Ok(path) = std::env::var("QUARTERDECK_TEST_JOURNAL") else { return };
    let journal = open(Path::new(&path)).await;
    let run = start_run(&journal).await;
    loop {
        let record = journal.append(entry(RecordKind::StepRecheck, Some(run), json!(0))).await.unwrap();
        println!("\ndurable {}", record.hash);
    }
}

#[tokio::test]
async fn the_last_start_of_each_runbook_is_found_without_reading_the_rest() {
    let (_folder, path) = folder();
    let journal = open(&path).await;
    let start = |id: &str, hash: &str| {
        let data = json!({ "runbook": id, "source_hash": hash });
        entry(RecordKind::RunStart, Some(RunId(Uuid::now_v7())), data)
    };
    for (id, hash) in [("a", "1"), ("b", "2"), ("a", "3")] {
        journal.append(start(id, hash)).await.unwrap();
        journal.append(note(json!({ "runbook": "a", "source_hash": "none" }))).await.unwrap();
    }
    let reader = Reader::open(&path).await.unwrap();
    let found = async |of: Option<&str>| {
        let starts = reader.last_starts(of).await.unwrap();
        let told = starts.iter().map(|record| record.entry.data["source_hash"].as_str().unwrap().to_owned());
        told.collect::<Vec<_>>()
    };
    assert_eq!(found(None).await, ["2", "3"]);
    assert_eq!(found(Some("a")).await, ["3"]);
    assert!(found(Some("c")).await.is_empty());
    let run = reader.last_starts(Some("a")).await.unwrap()[0].entry.run.unwrap();
    assert_eq!(reader.end_of(run).await.unwrap(), None);
    journal.append(entry(RecordKind::RunFinish, Some(run), json!({ "outcome": "failed" }))).await.unwrap();
    assert_eq!(reader.end_of(run).await.unwrap().unwrap().entry.data["outcome"], "failed");
    let pool = raw(&path).await;
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", read::LAST_STARTS)))
            .bind(Some("a"))
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let steps: Vec<&str> = steps.iter().map(|(.., step)| step.as_str()).collect();
    assert!(steps.iter().any(|step| step.contains("record_start")), "{steps:?}");
    assert!(!steps.contains(&"SCAN record"), "{steps:?}");
}

#[tokio::test]
async fn killed_processes_lose_nothing_and_break_nothing() {
    let (_folder, path) = folder();
    let helper = || {
        Command::new(std::env::current_exe().unwrap())
            .args([HELPER, "--exact", "--ignored", "--nocapture"])
            .env("QUARTERDECK_TEST_JOURNAL", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut children = [helper(), helper(), helper()];
    let mut durable = Vec::new();
    for child in &mut children {
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        durable.extend(lines.filter_map(|line| line.strip_prefix("durable ").map(str::to_owned)).take(8));
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let us = open(&path).await;
    let report = us.reader().verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.chains.len(), 4);
    let records = us.recent(u32::MAX).await.unwrap();
    assert_eq!(durable.len(), 24);
    for hash in durable {
        assert!(records.iter().any(|record| record.hash == hash), "a durable record is lost");
    }
    let starts = us.unfinished().await.unwrap();
    assert_eq!(starts.iter().filter(|record| record.entry.kind == RecordKind::RunStart).count(), 3);
}

#[tokio::test]
async fn what_others_append_is_read_once_in_order_and_nothing_is_read_while_nothing_is_written() {
    let (_folder, path) = folder();
    let (ours, theirs) = (open(&path).await, open(&path).await);
    let before = start_run(&theirs).await;
    let last = ours.recent(100).await.unwrap().last().map(|record| record.id);
    let mut others = ours.others(last).await.unwrap().unwrap();
    assert!(others.stirs(), "something may have come between the two");
    assert_eq!(others.read().await.unwrap(), []);
    let mut stirred = 0;
    let idle = allocation_counter::measure(|| stirred = (0..100).filter(|_| others.stirs()).count());
    assert!(stirred <= 1, "one more look after a change, then none: {stirred}");
    assert_eq!(idle.count_total, 0);
    start_run(&ours).await;
    let finish = theirs.append(entry(RecordKind::RunFinish, Some(before), json!({ "outcome": "ok" }))).await.unwrap();
    let next = start_run(&theirs).await;
    assert!(others.stirs());
    let read = others.read().await.unwrap();
    assert_eq!(read[0], finish);
    let told: Vec<_> = read.iter().map(|record| (record.entry.run, record.entry.kind)).collect();
    let expected = [(before, RecordKind::RunFinish), (next, RecordKind::RunStart), (next, RecordKind::StepIntent)];
    assert_eq!(told, expected.map(|(run, kind)| (Some(run), kind)));
    assert_eq!(others.read().await.unwrap(), []);
}

#[tokio::test]
async fn a_look_at_what_others_append_seeks_and_goes_on_after_a_full_page_and_past_what_it_cannot_read() {
    let (_folder, path) = folder();
    let (ours, theirs) = (open(&path).await, open(&path).await);
    let pool = raw(&path).await;
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", read::AFTER)))
            .bind(1)
            .bind(1)
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(plan.iter().all(|(.., step)| step.contains("SEARCH record USING INTEGER PRIMARY KEY")), "{plan:?}");
    let place = ours.reader().place(None).await.unwrap();
    for number in 0..5 {
        theirs.append(note(json!({ "number": number }))).await.unwrap();
    }
    pool.close().await;
    let newer = "UPDATE record SET kind = 'of.tomorrow' WHERE json_extract(data, '$.number') = 3";
    sql(&path, "DROP TRIGGER record_no_update").await.unwrap();
    sql(&path, newer).await.unwrap();
    let (mut after, mut numbers, mut pages) = (place, Vec::new(), Vec::new());
    while pages.last() != Some(&0) {
        let (rows, last, records) = ours.reader().after(after, 2, ours.writer()).await.unwrap();
        (after, numbers) =
            (last, [numbers, records.iter().map(|record| record.entry.data["number"].clone()).collect()].concat());
        pages.push(rows);
    }
    assert_eq!(pages, [2, 2, 1, 0]);
    assert_eq!(numbers, [0, 1, 2, 4].map(Value::from));
}
