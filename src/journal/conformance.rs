//! What every journal does, whichever store it has: each behaviour runs on a SQLite file and on a database of a real server.

use super::chain::hash;
use super::fallback::Fallback;
use super::lease::{Grant, TTL, Taken};
use super::postgres::tests::Team;
use super::process::Process;
use super::sqlite::SqliteJournal;
use super::{Journal, Others, Reader, Store};
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::lab::need;
use crate::redact::Redactor;
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// Where a journal is kept, for one test.
#[async_trait(?Send)]
pub(super) trait Place {
    fn store(&self) -> Store;
    /// Another process on it: of `name`, who may be `ada` or `ben`, on some host.
    async fn open_as(&self, name: &str, host: &str, process: Process, redactor: Redactor) -> Arc<dyn Journal>;
}

impl dyn Place + '_ {
    async fn open(&self, name: &str, host: &str) -> Arc<dyn Journal> {
        self.open_as(name, host, Process::this(), Redactor::default()).await
    }

    /// A process that has ended.
    async fn open_ended(&self, name: &str) -> Arc<dyn Journal> {
        self.open_as(name, "bastion", ended(), Redactor::default()).await
    }

    async fn reader(&self) -> Reader {
        Reader::open(&self.store()).await.unwrap()
    }
}

pub(super) fn ended() -> Process {
    Process { started: Some(1), ..Process::this() }
}

struct File(TempDir);

#[async_trait(?Send)]
impl Place for File {
    fn store(&self) -> Store {
        Store::File(self.0.path().join("journal.sqlite"))
    }

    async fn open_as(&self, name: &str, host: &str, process: Process, redactor: Redactor) -> Arc<dyn Journal> {
        let Store::File(path) = self.store() else { unreachable!() };
        let actor = Actor { name: name.to_owned(), uid: 1000, host: host.to_owned() };
        Arc::new(SqliteJournal::open_as(&path, "test", redactor, actor, process).await.unwrap())
    }
}

/// A team's with a file for each machine to fall back to, which it does not need here.
struct Both(Team, TempDir);

#[async_trait(?Send)]
impl Place for Both {
    fn store(&self) -> Store {
        self.0.store()
    }

    async fn open_as(&self, name: &str, host: &str, process: Process, redactor: Redactor) -> Arc<dyn Journal> {
        let here = Actor { name: "root".to_owned(), uid: 1000, host: host.to_owned() };
        let file = self.1.path().join(format!("{host}.sqlite"));
        let journal = Fallback::new_as(&self.0.settings(name), Some(file), "test", redactor, here, process).unwrap();
        // That it may write: its chain begins by that.
        assert_eq!(journal.only_looks().await, None);
        Arc::new(journal)
    }
}

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&super::File(tempfile::tempdir().unwrap())).await;
            })*
        }
        mod team {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let server = super::need!(postgres);
                super::$name(&super::Team::new(server).await).await;
            })*
        }
        mod both {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let server = super::need!(postgres);
                let place = super::Both(super::Team::new(server).await, tempfile::tempdir().unwrap());
                super::$name(&place).await;
            })*
        }
    };
}

behaviours!(
    what_is_appended_is_read_back_whole,
    secrets_are_hidden_before_they_are_hashed,
    what_belongs_to_an_incident_is_read_by_itself,
    a_run_belongs_to_the_incident_that_it_was_begun_in,
    many_writers_at_once_leave_every_chain_whole,
    an_append_that_nobody_waits_for_leaves_the_chain_whole,
    only_runs_of_dead_writers_are_unfinished,
    a_dead_run_is_claimed_once_and_again_when_the_claimant_dies,
    what_one_run_holds_no_other_gets,
    a_lease_lapses_with_its_time_and_a_stale_holder_is_told,
    who_holds_something_is_told_with_runbook_and_step,
    what_a_run_held_that_was_cut_off_stays_held_until_it_has_an_end,
    a_lock_is_handed_over_by_its_holder_and_goes_to_who_asked,
    a_lock_is_taken_over_when_its_holder_was_told_and_at_once_from_one_cut_off,
    a_run_is_taken_up_again_by_one_and_not_while_somebody_drives_it,
    the_last_start_of_each_runbook_is_found,
    what_others_append_is_read_once_in_order,
    one_that_only_looks_sees_the_same,
);

pub(super) fn entry(kind: RecordKind, run: Option<RunId>, data: Value) -> Entry {
    Entry { kind, run, step: None, role: None, target: None, env: "test".into(), data }
}

pub(super) fn note(data: Value) -> Entry {
    entry(RecordKind::WritesLock, None, data)
}

pub(super) fn new_run() -> RunId {
    RunId(Uuid::now_v7())
}

pub(super) async fn begin_run(journal: &dyn Journal, run: RunId, runbook: &str) -> Record {
    let data = json!({ "runbook": runbook, "source_hash": runbook });
    journal.append(entry(RecordKind::RunStart, Some(run), data)).await.unwrap()
}

async fn start_run(journal: &dyn Journal) -> RunId {
    let run = new_run();
    begin_run(journal, run, "restart").await;
    let intent =
        Entry { step: Some("restart/api".into()), ..entry(RecordKind::StepIntent, Some(run), json!({ "sent": "y" })) };
    journal.append(intent).await.unwrap();
    run
}

async fn finish(journal: &dyn Journal, run: RunId) -> Record {
    journal.append(entry(RecordKind::RunFinish, Some(run), json!({ "outcome": "ok" }))).await.unwrap()
}

pub(super) fn all(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn grants(taken: Taken) -> Vec<Grant> {
    match taken {
        Taken::All(grants) => grants,
        Taken::Held(held) => panic!("{held}"),
    }
}

fn fences(taken: Taken) -> Vec<u64> {
    grants(taken).into_iter().map(|grant| grant.fence).collect()
}

fn kinds(records: &[Record]) -> Vec<(Option<RunId>, RecordKind)> {
    records.iter().map(|record| (record.entry.run, record.entry.kind)).collect()
}

async fn what_is_appended_is_read_back_whole(place: &dyn Place) {
    let journal = place.open("ada", "bastion").await;
    let data =
        json!({ "z": [0.1, 1e300, -7, null, true], "a": "ü \u{1F600} \u{0} \u{202e} \"quoted\" \\ \n", "b": {} });
    let full = Entry {
        step: Some("restart/api".into()),
        role: Some(String::new()),
        target: Some("local/ü".into()),
        ..entry(RecordKind::StepIntent, Some(new_run()), data)
    };
    let written = [journal.append(note(json!(1))).await.unwrap(), journal.append(full).await.unwrap()];
    assert_eq!([written[0].seq, written[1].seq], [2, 3]);
    assert!(written.iter().all(|record| hash(record) == record.hash));
    let read = journal.recent(10).await.unwrap();
    assert_eq!(read[0].entry.kind, RecordKind::JournalOpen);
    assert_eq!(read[0].entry.data["pid"], std::process::id());
    assert_eq!((read[0].actor.name.as_str(), read[0].actor.host.as_str()), ("ada", "bastion"));
    assert_eq!(read[1..], written);
    assert_eq!(journal.recent(1).await.unwrap(), written[1..]);
    let report = place.reader().await.verify().await.unwrap();
    assert!(report.is_intact() && report.count() == 3, "{report:?}");
}

async fn secrets_are_hidden_before_they_are_hashed(place: &dyn Place) {
    let redactor = Redactor::default();
    let journal = place.open_as("ada", "bastion", Process::this(), redactor.clone()).await;
    redactor.learn(&"swordfish".into());
    let data = json!({ "output": "swordfish or postgres://a:hunter2@h/x", "password": "pw123" });
    let record = journal.append(note(data)).await.unwrap();
    let hidden = json!({ "output": "‹redacted› or postgres://a:‹redacted›@h/x", "password": "‹redacted›" });
    assert_eq!(record.entry.data, hidden);
    assert_eq!(journal.recent(1).await.unwrap(), [record]);
    assert!(place.reader().await.verify().await.unwrap().is_intact());
}

async fn what_belongs_to_an_incident_is_read_by_itself(place: &dyn Place) {
    let (ada, ben) = (place.open("ada", "bastion").await, place.open("ben", "laptop").await);
    let incident = IncidentId(Uuid::now_v7());
    ada.append(note(json!("before"))).await.unwrap();
    ada.attend(Some(incident)).await;
    let of = ada.append(note(json!("of it"))).await.unwrap();
    assert_eq!(of.incident.as_deref(), Some(incident.to_string().as_str()));
    assert_eq!(hash(&of), of.hash, "the hash covers it");
    let others = ben.append(note(json!("his own"))).await.unwrap();
    assert_eq!(others.incident, None, "each attends to what they attend to");
    ada.attend(None).await;
    assert_eq!(ada.append(note(json!("after"))).await.unwrap().incident, None);
    for journal in [&ada, &ben] {
        let read = journal.of_incidents(100).await.unwrap();
        let opened = read.iter().filter(|record| record.entry.kind == RecordKind::JournalOpen).count();
        let own: Vec<&Record> = read.iter().filter(|record| record.incident.is_some()).collect();
        assert_eq!((opened, own, read.len()), (2, vec![&of], 3));
    }
    assert_eq!(place.reader().await.of_incidents(1).await.unwrap(), [of]);
}

async fn a_run_belongs_to_the_incident_that_it_was_begun_in(place: &dyn Place) {
    let (ada, ben) = (place.open_ended("ada").await, place.open("ben", "bastion").await);
    let [first, second] = [(), ()].map(|()| IncidentId(Uuid::now_v7()));
    let (inside, before) = (new_run(), new_run());
    let of = |record: &Record| record.incident.clone();
    ada.append(entry(RecordKind::RunStart, Some(before), json!({}))).await.unwrap();
    ada.attend(Some(first)).await;
    ada.append(entry(RecordKind::RunStart, Some(inside), json!({}))).await.unwrap();
    // It is over, and another one is open.
    ada.attend(Some(second)).await;
    let intent = ada.append(entry(RecordKind::StepIntent, Some(inside), json!({}))).await.unwrap();
    assert_eq!(of(&intent), Some(first.to_string()), "not torn in two");
    assert_eq!(of(&ada.append(entry(RecordKind::StepIntent, Some(before), json!({}))).await.unwrap()), None);
    // Another process takes it up, and attends to another one.
    ben.attend(Some(second)).await;
    let again = ben.reopen(entry(RecordKind::RunResume, Some(inside), json!({}))).await.unwrap().unwrap();
    let end = ben.append(entry(RecordKind::RunFinish, Some(inside), json!({}))).await.unwrap();
    assert_eq!((of(&again), of(&end)), (Some(first.to_string()), Some(first.to_string())));
    // What is said of an incident goes to that one, and nothing else is turned by it.
    let said = ben.append_to(first, note(json!("said"))).await.unwrap();
    let own = ben.append(note(json!("own"))).await.unwrap();
    assert_eq!((of(&said), of(&own)), (Some(first.to_string()), Some(second.to_string())));
}

async fn many_writers_at_once_leave_every_chain_whole(place: &dyn Place) {
    let journals = join_all((0..6).map(|index| place.open(["ada", "ben"][index % 2], "bastion"))).await;
    let appends = (0..60).map(|number| journals[number % 6].append(note(json!(number))));
    for done in join_all(appends).await {
        done.unwrap();
    }
    let report = place.reader().await.verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.chains.len(), report.count()), (6, 66));
}

async fn an_append_that_nobody_waits_for_leaves_the_chain_whole(place: &dyn Place) {
    let journal = place.open("ada", "bastion").await;
    journal.append(note(json!("first"))).await.unwrap();
    for number in 0..20 {
        let mut append = Box::pin(journal.append(note(json!(number))));
        // A poll or a few hand it to its task; then the caller is gone.
        for _ in 0..3 {
            assert!(futures_util::poll!(&mut append).is_pending());
        }
    }
    // What was asked for before is there, or comes: it never breaks the chain.
    journal.append(note(json!("last"))).await.unwrap();
    assert!(place.reader().await.verify().await.unwrap().is_intact());
}

async fn only_runs_of_dead_writers_are_unfinished(place: &dyn Place) {
    let (dead, alive, us) =
        (place.open_ended("ada").await, place.open("ada", "bastion").await, place.open("ben", "bastion").await);
    let left = start_run(&*dead).await;
    let finished = start_run(&*dead).await;
    finish(&*dead, finished).await;
    let (theirs, ours) = (start_run(&*alive).await, start_run(&*us).await);
    let records = us.unfinished().await.unwrap();
    assert_eq!(kinds(&records), [(Some(left), RecordKind::RunStart), (Some(left), RecordKind::StepIntent)]);
    let begun = us.open_runs().await.unwrap().into_iter().filter(|record| record.entry.kind == RecordKind::RunStart);
    assert_eq!(begun.filter_map(|record| record.entry.run).collect::<Vec<_>>(), [left, theirs, ours]);
}

async fn a_dead_run_is_claimed_once_and_again_when_the_claimant_dies(place: &dyn Place) {
    let dead = place.open_ended("ada").await;
    let run = start_run(&*dead).await;
    let rescuer = place.open_ended("ada").await;
    assert!(rescuer.claim(run).await.unwrap(), "its writer is gone");
    let (first, second) = (place.open("ada", "bastion").await, place.open("ben", "bastion").await);
    let (a, b) = tokio::join!(first.claim(run), second.claim(run));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a ^ b, "the rescuer is gone, so exactly one of the two takes over");
    let (winner, loser) = if a { (&first, &second) } else { (&second, &first) };
    assert!(winner.claim(run).await.unwrap() && !loser.claim(run).await.unwrap());
    assert!(loser.unfinished().await.unwrap().is_empty(), "somebody drives it");
    assert_eq!(winner.unfinished().await.unwrap().len(), 2);
    finish(&**winner, run).await;
    assert!(!loser.claim(run).await.unwrap() && !winner.claim(run).await.unwrap(), "it is finished");
    assert!(!winner.claim(new_run()).await.unwrap(), "nobody knows it");
}

async fn what_one_run_holds_no_other_gets(place: &dyn Place) {
    let (one, two) = (place.open("ada", "a").await, place.open("ben", "b").await);
    let (first, second) = (new_run(), new_run());
    // Who takes has written before: its plan.
    one.append(note(json!(1))).await.unwrap();
    two.append(note(json!(1))).await.unwrap();
    assert_eq!(fences(one.take(first, &all(&["database/a", "server/b"]), TTL).await.unwrap()), [1, 1]);
    // All or nothing: the free one is not taken either.
    let Taken::Held(held) = two.take(second, &all(&["service/c", "server/b"]), TTL).await.unwrap() else { panic!() };
    assert_eq!((held.run, held.resource.as_str(), held.holder.host.as_str()), (first, "server/b", "a"));
    assert!(held.to_string().starts_with("server/b is held by ada@a since "), "{held}");
    assert_eq!(two.held(&all(&["service/c"])).await.unwrap(), []);
    let told = two.held(&all(&["server/b", "service/c", "database/a"])).await.unwrap();
    assert_eq!(told.iter().map(|lease| lease.resource.as_str()).collect::<Vec<_>>(), ["server/b", "database/a"]);
    one.release(first).await.unwrap();
    assert_eq!(fences(two.take(second, &all(&["server/b"]), TTL).await.unwrap()), [2]);
}

async fn a_lease_lapses_with_its_time_and_a_stale_holder_is_told(place: &dyn Place) {
    let (one, two) = (place.open("ada", "a").await, place.open("ben", "b").await);
    let (first, second, it) = (new_run(), new_run(), all(&["database/a"]));
    let grants = grants(one.take(first, &it, Duration::ZERO).await.unwrap());
    // Its time is over, and nobody else wants it: it may go on.
    assert!(one.renew(first, &grants, Duration::ZERO).await.unwrap());
    assert_eq!(fences(two.take(second, &it, TTL).await.unwrap()), [2]);
    assert!(!one.renew(first, &grants, TTL).await.unwrap(), "somebody else has it now");
    one.release(first).await.unwrap();
    assert_eq!(two.held(&it).await.unwrap()[0].run, second, "what a stale holder gives back is not its own");
}

async fn who_holds_something_is_told_with_runbook_and_step(place: &dyn Place) {
    let (one, two) = (place.open("ada", "a").await, place.open("ben", "b").await);
    let it = all(&["database/a"]);
    let run = start_run(&*one).await;
    grants(one.take(run, &it, TTL).await.unwrap());
    let Taken::Held(held) = two.take(new_run(), &it, TTL).await.unwrap() else { panic!() };
    let end = format!(" UTC: run {} of restart, at restart/api", run.short());
    assert!(held.to_string().starts_with("database/a is held by ada@a since "), "{held}");
    assert!(held.to_string().ends_with(&end), "{held}");
    let age = jiff::Timestamp::now().duration_since(held.since).abs();
    assert!(age < jiff::SignedDuration::from_secs(30), "since when, by the store's clock: {held}");
}

async fn what_a_run_held_that_was_cut_off_stays_held_until_it_has_an_end(place: &dyn Place) {
    let (dead, us) = (place.open_ended("ada").await, place.open("ben", "bastion").await);
    let it = all(&["database/a"]);
    let run = start_run(&*dead).await;
    grants(dead.take(run, &it, Duration::ZERO).await.unwrap());
    let Taken::Held(held) = us.take(new_run(), &it, TTL).await.unwrap() else { panic!() };
    assert!(held.cut_off && held.to_string().contains("that run was cut off"), "{held}");
    assert!(us.claim(run).await.unwrap());
    // Its own run takes it up again, under a greater number.
    assert_eq!(fences(us.take(run, &it, TTL).await.unwrap()), [2]);
    assert!(!us.held(&it).await.unwrap()[0].cut_off);
    finish(&*us, run).await;
    us.release(run).await.unwrap();
    assert_eq!(fences(us.take(new_run(), &it, TTL).await.unwrap()), [3]);
}

/// Somebody wants what a run holds, for a run of their own.
async fn want(journal: &dyn Journal, of: RunId, take: bool) -> (Uuid, RunId) {
    let next = new_run();
    let data = json!({ "run": of, "resources": ["database/a"], "for_run": next, "reason": "must go on", "take": take, "grace_ms": 0 });
    let record = journal.append(entry(RecordKind::LockWanted, None, data)).await.unwrap();
    (record.id, next)
}

async fn a_lock_is_handed_over_by_its_holder_and_goes_to_who_asked(place: &dyn Place) {
    let (one, two) = (place.open("ada", "bastion").await, place.open("ben", "bastion").await);
    let it = all(&["database/a"]);
    let run = start_run(&*one).await;
    let held = grants(one.take(run, &all(&["database/a", "server/b"]), TTL).await.unwrap());
    let (wanted, next) = want(&*two, run, false).await;
    assert_eq!(
        two.pass(wanted).await.unwrap().as_deref(),
        Some("the run that holds it has not handed it over"),
        "nobody takes what they only asked for"
    );
    assert_eq!(one.pass(wanted).await.unwrap(), None);
    assert!(!one.renew(run, &held, TTL).await.unwrap(), "it is the other's now");
    let now = &two.held(&it).await.unwrap()[0];
    assert_eq!((now.run, now.holder.name.as_str()), (next, "ben"));
    assert_eq!(fences(two.take(next, &it, TTL).await.unwrap()), [3]);
    assert_eq!(one.pass(wanted).await.unwrap().as_deref(), Some("that run does not hold it any more"));
    // Who asked may end: it is kept for the run that is to begin, whoever begins it.
    let dead = place.open_ended("ben").await;
    let (wanted, kept) = want(&*dead, next, false).await;
    assert_eq!(two.pass(wanted).await.unwrap(), None);
    assert_eq!(one.held(&it).await.unwrap()[0].run, kept);
    assert!(matches!(one.take(new_run(), &it, TTL).await.unwrap(), Taken::Held(_)));
    // What was not asked for stays.
    assert_eq!(two.held(&all(&["server/b"])).await.unwrap()[0].run, run);
    assert_eq!(two.pass(Uuid::now_v7()).await.unwrap().as_deref(), Some("nobody asked for it"));
}

async fn a_lock_is_taken_over_when_its_holder_was_told_and_at_once_from_one_cut_off(place: &dyn Place) {
    let (dead, one, two) =
        (place.open_ended("ada").await, place.open("ada", "bastion").await, place.open("ben", "bastion").await);
    let it = all(&["database/a"]);
    let cut_off = start_run(&*dead).await;
    grants(dead.take(cut_off, &it, TTL).await.unwrap());
    let (wanted, next) = want(&*one, cut_off, true).await;
    assert_eq!(two.pass(wanted).await.unwrap().as_deref(), Some("somebody else asked for it"));
    assert_eq!(one.pass(wanted).await.unwrap(), None, "nobody drives it");
    begin_run(&*one, next, "kill").await;
    let held = grants(one.take(next, &it, TTL).await.unwrap());
    // Whoever lives is told first, however little time they were to have.
    let (wanted, mine) = want(&*two, next, true).await;
    let why = two.pass(wanted).await.unwrap().unwrap();
    assert!(why.starts_with("its holder was told, and has ") && why.ends_with(" s to hand it over"), "{why}");
    assert!(one.renew(next, &held, TTL).await.unwrap());
    let taken = async {
        while two.pass(wanted).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.expect("the grace ends");
    assert!(!one.renew(next, &held, TTL).await.unwrap());
    assert_eq!(two.held(&it).await.unwrap()[0].run, mine);
}

async fn a_run_is_taken_up_again_by_one_and_not_while_somebody_drives_it(place: &dyn Place) {
    use RecordKind::{RunFinish, RunResume, RunStart, StepIntent};
    let (one, two) = (place.open("ada", "bastion").await, place.open("ben", "bastion").await);
    let run = start_run(&*one).await;
    let again = || entry(RecordKind::RunResume, Some(run), json!({ "way": "undo" }));
    assert_eq!(two.reopen(again()).await.unwrap(), None, "it is driven");
    finish(&*one, run).await;
    // It has an end: whoever is first has it, and drives it from then on.
    let (a, b) = tokio::join!(one.reopen(again()), two.reopen(again()));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.is_some() ^ b.is_some(), "{a:?} {b:?}");
    let (winner, loser) = if a.is_some() { (&one, &two) } else { (&two, &one) };
    assert!(winner.claim(run).await.unwrap() && !loser.claim(run).await.unwrap());
    let intent = || entry(RecordKind::StepIntent, Some(run), json!({}));
    winner.append(intent()).await.unwrap();
    finish(&**winner, run).await;
    let kinds: Vec<RecordKind> = loser.of_run(run).await.unwrap().iter().map(|record| record.entry.kind).collect();
    assert_eq!(kinds, [RunStart, StepIntent, RunFinish, RunResume, StepIntent, RunFinish]);
    // One whose process died after that is anybody's.
    let dead = place.open_ended("ada").await;
    assert!(dead.reopen(again()).await.unwrap().is_some());
    assert!(two.reopen(again()).await.unwrap().is_some());
    assert!(place.reader().await.verify().await.unwrap().is_intact());
}

async fn the_last_start_of_each_runbook_is_found(place: &dyn Place) {
    let journal = place.open("ada", "a").await;
    let mut ids = Vec::new();
    for runbook in ["a", "b", "a"] {
        ids.push(begin_run(&*journal, new_run(), runbook).await.id);
        journal.append(note(json!({ "runbook": "a" }))).await.unwrap();
    }
    let reader = place.reader().await;
    let found =
        async |of| reader.last_starts(of).await.unwrap().into_iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(found(None).await, ids[1..]);
    assert_eq!(found(Some("a")).await, ids[2..]);
    assert!(found(Some("c")).await.is_empty());
}

/// Until so many records have come, looking when something stirs.
async fn until(others: &mut dyn Others, count: usize) -> Vec<Record> {
    let mut read = Vec::new();
    let search = async {
        while read.len() < count {
            if others.stirs() {
                read.extend(others.read().await.unwrap());
            }
            // Longer than the ticks of a file's time: the program itself looks once a second.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search).await.expect("what others append is told");
    read
}

async fn what_others_append_is_read_once_in_order(place: &dyn Place) {
    let (ours, theirs) = (place.open("ada", "a").await, place.open("ben", "b").await);
    let before = start_run(&*theirs).await;
    let last = ours.recent(100).await.unwrap().last().map(|record| record.id);
    let mut others = ours.others(last).await.unwrap().unwrap();
    assert!(others.stirs(), "something may have come between the two");
    assert_eq!(others.read().await.unwrap(), []);
    start_run(&*ours).await;
    let finished = finish(&*theirs, before).await;
    let next = start_run(&*theirs).await;
    let read = until(&mut *others, 3).await;
    assert_eq!(read[0], finished);
    let expected = [(before, RecordKind::RunFinish), (next, RecordKind::RunStart), (next, RecordKind::StepIntent)];
    assert_eq!(kinds(&read), expected.map(|(run, kind)| (Some(run), kind)));
    assert_eq!(others.read().await.unwrap(), []);
    let crowd = join_all((0..4).map(|_| place.open("ben", "b"))).await;
    let appends = (0..80).map(|number| crowd[number % 4].append(note(json!(number))));
    // With how each of them began.
    let (wrote, read) = tokio::join!(join_all(appends), until(&mut *others, 84));
    let ids: Vec<Uuid> = read.iter().map(|record| record.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 84, "each once");
    assert!(wrote.into_iter().all(|record| ids.contains(&record.unwrap().id)), "none is missed");
}

async fn one_that_only_looks_sees_the_same(place: &dyn Place) {
    let journal = place.open("ada", "a").await;
    let run = start_run(&*journal).await;
    grants(journal.take(run, &all(&["database/a"]), TTL).await.unwrap());
    let looking = super::looking::Looking(place.store());
    assert_eq!(looking.recent(10).await.unwrap(), journal.recent(10).await.unwrap());
    assert_eq!(looking.held(&all(&["database/a"])).await.unwrap(), journal.held(&all(&["database/a"])).await.unwrap());
    assert_eq!(looking.append(note(json!(1))).await.unwrap_err().what, "the journal is open for reading alone");
}
