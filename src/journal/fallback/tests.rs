//! Falling back and coming back over a real server, and merging under cuts at every question.

use super::merge::{Server, merge};
use super::*;
use crate::clock;
use crate::journal::chain::tests::chain_of;
use crate::journal::conformance::{all, begin_run, ended, entry, grants, new_run, note};
use crate::journal::lease::TTL;
use crate::journal::postgres::tests::Team;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Found, Reader, Store, sqlite};
use crate::lab::fault::Proxy;
use crate::lab::need;
use crate::lab::postgres::Postgres;
use futures_util::StreamExt;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// A machine whose way to the server can be cut.
struct Machine {
    team: Team,
    proxy: Proxy,
    home: TempDir,
}

impl Machine {
    async fn new(server: &Postgres) -> Self {
        Self { team: Team::new(server).await, proxy: server.proxy(), home: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("here.sqlite")
    }

    async fn process(&self, role: &str, process: Process) -> Fallback {
        let settings = self.team.settings_through(role, self.proxy.port(), self.home.path()).await;
        let actor = Actor { name: "root".to_owned(), uid: 0, host: "bastion".to_owned() };
        let path = Some(self.path());
        Fallback::new_as(&settings, path, "test", Redactor::default(), actor, process).unwrap()
    }

    async fn ada(&self) -> Fallback {
        self.process("ada", Process::this()).await
    }

    async fn there(&self) -> BTreeMap<(Uuid, u64), String> {
        places(&Reader::open(&self.team_store()).await.unwrap()).await
    }

    async fn here(&self) -> BTreeMap<(Uuid, u64), String> {
        places(&Reader::open(&Store::File(self.path())).await.unwrap()).await
    }

    fn team_store(&self) -> Store {
        use crate::journal::conformance::Place;
        self.team.store()
    }
}

/// What a journal has: each record once, in chains that are whole.
async fn places(reader: &Reader) -> BTreeMap<(Uuid, u64), String> {
    let rows: Vec<Found> = reader.all().map(|row| row.unwrap()).collect().await;
    let report = reader.verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    let count = rows.len();
    let places: BTreeMap<_, _> =
        rows.into_iter().filter_map(Found::record).map(|record| ((record.writer, record.seq), record.hash)).collect();
    assert_eq!(places.len(), count, "none is there twice");
    places
}

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

async fn back(journal: &Fallback) {
    let wait = async {
        while journal.away().await.is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, wait).await.expect("it comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_while_the_server_is_away_is_there_once_when_it_is_back() {
    let machine = Machine::new(need!(postgres)).await;
    let journal = machine.ada().await;
    let run = new_run();
    begin_run(&journal, run, "drain").await;
    assert_eq!(machine.here().await, machine.there().await, "the file knows what the server has");
    machine.proxy.cut();
    for number in 0..5 {
        let record = journal.append(note(json!(number))).await.unwrap();
        assert!(record.kept.local && record.actor.name == "ada", "{record:?}");
    }
    let away = journal.away().await.unwrap();
    assert!(away.why.what.contains("the journal"), "{away:?}");
    let recent = journal.recent(100).await.unwrap();
    assert_eq!(recent.iter().filter(|record| record.kept.local).count(), 6, "five, and that it is away");
    assert_eq!(recent.iter().map(|record| record.entry.kind).nth(3), Some(RecordKind::JournalAway));
    assert_eq!(journal.of_run(run).await.unwrap().len(), 1, "its run is known here");
    machine.proxy.open();
    back(&journal).await;
    journal.append(note(json!("after"))).await.unwrap();
    let there = machine.there().await;
    assert_eq!((there.len(), &there), (10, &machine.here().await));
    let recent = journal.recent(100).await.unwrap();
    let merged: Vec<_> = recent.iter().filter(|record| record.kept.merged_by.as_deref() == Some("ada")).collect();
    assert_eq!(merged.len(), 6);
    assert!(merged.iter().all(|record| !record.kept.local));
    let told = recent.iter().find(|record| record.entry.kind == RecordKind::JournalMerge).unwrap();
    let last = merged.last().unwrap();
    assert_eq!(told.entry.data["chains"][0]["head"], last.hash.as_str(), "the head is anchored");
    assert_eq!((&told.entry.data["records"], told.kept.merged_by.clone()), (&json!(6), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_server_may_have_is_the_same_one_here() {
    let machine = Machine::new(need!(postgres)).await;
    let journal = machine.ada().await;
    journal.append(note(json!("before"))).await.unwrap();
    // The server has it, its answer does not come, and then nothing comes any more.
    machine.proxy.die_at_answer_to("over the line");
    let append = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(note(json!("over the line"))).await.unwrap() }
    });
    let record = append.await.unwrap();
    machine.proxy.wait_sprung(LONG);
    let there = machine.there().await;
    assert_eq!(there.get(&(record.writer, record.seq)), Some(&record.hash), "it is there");
    journal.append(note(json!("later"))).await.unwrap();
    machine.proxy.open();
    back(&journal).await;
    let there = machine.there().await;
    assert_eq!(there, machine.here().await);
    assert_eq!(there.get(&(record.writer, record.seq)), Some(&record.hash));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_while_it_is_away_knows_what_an_earlier_process_left_and_a_later_one_brings_it_there() {
    let machine = Machine::new(need!(postgres)).await;
    let (run, it) = (new_run(), all(&["database/a"]));
    {
        let dead = machine.process("ada", ended()).await;
        begin_run(&dead, run, "drain").await;
        machine.proxy.cut();
        dead.append(entry(RecordKind::StepIntent, Some(run), json!({}))).await.unwrap();
    }
    let second = machine.process("ada", ended()).await;
    let left = second.unfinished().await.unwrap();
    assert_eq!(left.len(), 2, "with its start, which the server has: {left:?}");
    assert!(second.claim(run).await.unwrap());
    second.append(entry(RecordKind::StepReconcile, Some(run), json!({}))).await.unwrap();
    second.append(entry(RecordKind::RunFinish, Some(run), json!({ "outcome": "ok" }))).await.unwrap();
    assert!(second.unfinished().await.unwrap().is_empty());
    assert_eq!(grants(second.take(new_run(), &it, TTL).await.unwrap()).len(), 1);
    drop(second);
    machine.proxy.open();
    let third = machine.ada().await;
    assert!(third.unfinished().await.unwrap().is_empty(), "what was left is there before it is asked");
    let kinds: Vec<RecordKind> = third.of_run(run).await.unwrap().iter().map(|record| record.entry.kind).collect();
    let expected = [RecordKind::RunStart, RecordKind::StepIntent, RecordKind::StepReconcile, RecordKind::RunFinish];
    assert_eq!(kinds, expected);
    assert_eq!(machine.there().await, machine.here().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_of_a_machine_that_both_fell_back_bring_it_there_once() {
    let machine = Machine::new(need!(postgres)).await;
    let (one, two) = (machine.ada().await, machine.ada().await);
    one.append(note(json!(1))).await.unwrap();
    machine.proxy.cut();
    let seen = two.others(None).await.unwrap();
    let mut seen = seen.unwrap();
    two.append(note(json!("two"))).await.unwrap();
    let _ = seen.read().await.unwrap();
    for number in 0..30 {
        let (a, b) = tokio::join!(one.append(note(json!(number))), two.append(note(json!(number))));
        assert!(a.unwrap().kept.local && b.unwrap().kept.local);
    }
    let mut told = BTreeSet::new();
    told.extend(seen.read().await.unwrap().into_iter().map(|record| record.seq));
    assert!(told.len() >= 30, "what the other records is seen while it is away: {told:?}");
    machine.proxy.open();
    tokio::join!(back(&one), back(&two));
    let (a, b) = tokio::join!(one.append(note(json!("end"))), two.append(note(json!("end"))));
    let last = (a.unwrap().seq, b.unwrap());
    assert_eq!(machine.there().await, machine.here().await);
    assert!(last.0 > 30 && last.1.seq > 30);
    let again = seen.read().await.unwrap();
    let doubled = again.iter().filter(|record| told.contains(&record.seq)).count();
    assert_eq!(doubled, 0, "no record is told twice: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_the_server_is_kept_for_its_time_and_one_taken_here_is_asked_for_when_it_is_back() {
    let machine = Machine::new(need!(postgres)).await;
    let (one, two) = (machine.ada().await, machine.ada().await);
    let (first, second, a, b) = (new_run(), new_run(), all(&["database/a"]), all(&["database/b"]));
    let held = grants(one.take(first, &a, Duration::from_millis(1500)).await.unwrap());
    begin_run(&two, second, "x").await;
    machine.proxy.cut();
    assert!(one.renew(first, &held, TTL).await.unwrap(), "it was granted, and its time is not over");
    let Taken::Held(lease) = two.take(second, &a, TTL).await.unwrap() else { panic!() };
    assert_eq!(lease.run, first, "seen by the other process of this machine");
    let here = grants(two.take(second, &b, TTL).await.unwrap());
    sleep(Duration::from_millis(1500)).await;
    let why = one.renew(first, &held, TTL).await.unwrap_err();
    assert!(why.what.contains("the lock on database/a, kept for at most 45 s after it last answered"), "{why}");
    assert!(why.hint.ends_with(" --go-on --break-glass REASON`"), "{why}");
    // Meanwhile somebody of another machine takes one of them.
    let ben =
        crate::journal::postgres::PostgresJournal::new(&machine.team.settings("ben"), "test", Redactor::default());
    let ben = ben.unwrap();
    grants(ben.take(new_run(), &b, TTL).await.unwrap());
    machine.proxy.open();
    tokio::join!(back(&one), back(&two));
    assert!(one.renew(first, &held, TTL).await.unwrap(), "nobody else has it");
    assert!(!two.renew(second, &here, TTL).await.unwrap(), "it is ben's");
    one.release(first).await.unwrap();
    assert_eq!(ben.held(&a).await.unwrap(), []);
}

/// A request for approval, or what a second person says to it.
async fn say(journal: &Fallback, kind: RecordKind, of: Option<Uuid>) -> Result<Uuid, JournalError> {
    let data = json!({ "plan_hash": "a".repeat(64), "ttl_ms": 900_000, "approval": of, "plan": "step 1", "reason": "looked at it" });
    journal.decide(entry(kind, None, data)).await.map(|record| record.id)
}

/// A run that begins by an approval.
async fn begin_by(journal: &Fallback, approval: Uuid) -> Result<RunId, JournalError> {
    let run = new_run();
    let data = json!({ "approval": approval, "plan_hash": "a".repeat(64), "runbook": "fail-over", "answer": "\u{0}" });
    journal.append(entry(RecordKind::RunStart, Some(run), data)).await.map(|_| run)
}

fn takes_the_server<T: std::fmt::Debug>(said: Result<T, JournalError>) {
    let why = said.unwrap_err();
    assert!(why.what.contains("is judged by the team's journal alone, and that is away"), "{why}");
    assert_eq!(why.hint, "wait until it is back, or break the glass");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_two_waits_for_the_server_and_is_as_it_was_when_it_is_back() {
    use RecordKind::{ApprovalAsked, ApprovalGiven, ApprovalRefused, ApprovalWithdrawn};
    let machine = Machine::new(need!(postgres)).await;
    let (ada, ben) = (machine.ada().await, machine.process("ben", Process::this()).await);
    let plan = "a".repeat(64);
    let approved = say(&ada, ApprovalAsked, None).await.unwrap();
    say(&ben, ApprovalGiven, Some(approved)).await.unwrap();
    let open = say(&ada, ApprovalAsked, None).await.unwrap();
    let asked = ada.approval(&plan).await.unwrap().unwrap();
    assert_eq!((asked.id(), asked.by()), (approved, "ben"));
    machine.proxy.cut();
    // Nobody has noticed yet that it is away: it is not begun, and the approval is not used.
    takes_the_server(begin_by(&ada, approved).await);
    takes_the_server(begin_by(&ada, approved).await);
    takes_the_server(say(&ada, ApprovalAsked, None).await);
    takes_the_server(say(&ada, ApprovalWithdrawn, Some(open)).await);
    for kind in [ApprovalGiven, ApprovalRefused] {
        takes_the_server(say(&ben, kind, Some(open)).await);
    }
    takes_the_server(ada.approvals().await);
    assert_eq!(ada.approval(&plan).await.unwrap(), None, "what it was told before is not taken for what is now");
    // What takes nobody else begins.
    let alone = new_run();
    assert!(begin_run(&ada, alone, "drain").await.kept.local);
    let starts = ada.recent(100).await.unwrap().into_iter().filter(|record| record.entry.kind == RecordKind::RunStart);
    assert_eq!(starts.map(|record| record.entry.run).collect::<Vec<_>>(), [Some(alone)], "no other is recorded");
    machine.proxy.open();
    tokio::join!(back(&ada), back(&ben));
    say(&ben, ApprovalGiven, Some(open)).await.unwrap();
    let run = begin_by(&ada, approved).await.unwrap();
    let why = begin_by(&ada, approved).await.unwrap_err();
    assert!(why.what.contains("approval: it was used by a run"), "{why}");
    let listed = ada.approvals().await.unwrap();
    let standing: Vec<String> = listed.iter().map(|request| request.standing(clock::now().wall)).collect();
    assert_eq!(listed.iter().map(|request| request.id).collect::<Vec<_>>(), [approved, open]);
    assert_eq!(standing[0], format!("used by run {}", run.short()));
    assert!(standing[1].starts_with("approved, ") && standing[1].contains("by ben@bastion"), "{standing:?}");
    assert_eq!(machine.there().await, machine.here().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_locked_is_told_while_the_server_is_away_too() {
    let machine = Machine::new(need!(postgres)).await;
    let (one, two) = (machine.ada().await, machine.ada().await);
    let (first, second) = (new_run(), new_run());
    begin_run(&one, first, "drain").await;
    grants(one.take(first, &all(&["database/a"]), TTL).await.unwrap());
    begin_run(&two, second, "drain").await;
    machine.proxy.cut();
    one.append(note(json!("it is away"))).await.unwrap();
    grants(two.take(second, &all(&["server/b"]), TTL).await.unwrap());
    // What it holds on the server it shows to the others as soon as it has noticed.
    let seen = async {
        while one.locked().await.unwrap().len() < 2 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), seen).await.expect("both are told");
    for journal in [&one, &two] {
        let locked = journal.locked().await.unwrap();
        assert_eq!(locked, ["database/a", "server/b"]);
        let held = journal.held(&locked).await.unwrap();
        assert_eq!(held.iter().map(|lease| lease.run).collect::<Vec<_>>(), [first, second]);
    }
    machine.proxy.open();
    tokio::join!(back(&one), back(&two));
    assert_eq!(two.locked().await.unwrap(), ["database/a", "server/b"], "both are taken on the server");
    tokio::join!(one.release(first), two.release(second)).0.unwrap();
    assert_eq!(one.locked().await.unwrap(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_and_lost_rights_are_no_end_of_a_run_and_a_reader_gets_no_rights_by_that() {
    // Roles are the whole server's: other tests would lose theirs.
    let server = need!(own_postgres);
    let machine = Machine::new(&server).await;
    let journal = machine.ada().await;
    journal.append(note(json!(1))).await.unwrap();
    let database = machine.team.settings("ada").dsn.unwrap();
    let database = database.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    machine
        .team
        .run("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"))
        .await
        .unwrap();
    journal.inner.team.hang_up().await;
    let record = journal.append(note(json!(2))).await.unwrap();
    assert!(record.kept.local);
    let away = journal.away().await.unwrap();
    assert!(away.why.what.contains("takes no writes"), "{}", away.why);
    let mend = format!("BEGIN READ WRITE; ALTER DATABASE {database} RESET default_transaction_read_only; COMMIT");
    machine.team.run("postgres", &mend).await.unwrap();
    back(&journal).await;
    machine.team.run("owner", "REVOKE quarterdeck_writer FROM ada").await.unwrap();
    let record = journal.append(note(json!(3))).await.unwrap();
    assert!(record.kept.local, "what is under way is recorded");
    let wait = async {
        while journal.only_looks().await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let told = timeout(LONG, wait).await;
    let fresh = machine.ada().await.append(note(json!(1))).await;
    let reader = machine.process("eve", Process::this()).await.append(note(json!(1))).await;
    machine.team.run("owner", "GRANT quarterdeck_writer TO ada").await.unwrap();
    told.expect("nothing new is begun by who may not");
    for begun in [fresh, reader] {
        let why = begun.unwrap_err();
        assert!(why.what.contains("may not"), "{why}");
    }
    back(&journal).await;
    assert_eq!(machine.there().await, machine.here().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_brought_back_without_the_end_of_a_chain_gets_it_again() {
    let machine = Machine::new(need!(postgres)).await;
    let journal = machine.ada().await;
    for number in 0..4 {
        journal.append(note(json!(number))).await.unwrap();
    }
    let lose = "ALTER TABLE quarterdeck.record DISABLE TRIGGER USER; DELETE FROM quarterdeck.record WHERE seq > 3; \
                ALTER TABLE quarterdeck.record ENABLE TRIGGER USER";
    machine.team.run("owner", lose).await.unwrap();
    assert!(journal.append(note(json!("next"))).await.unwrap().kept.local);
    back(&journal).await;
    assert_eq!(machine.there().await, machine.here().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_used_too_by_a_start_that_such_a_server_gets_again() {
    let machine = Machine::new(need!(postgres)).await;
    let (ada, ben) = (machine.ada().await, machine.process("ben", Process::this()).await);
    let approved = say(&ada, RecordKind::ApprovalAsked, None).await.unwrap();
    say(&ben, RecordKind::ApprovalGiven, Some(approved)).await.unwrap();
    let run = begin_by(&ada, approved).await.unwrap();
    let lose = "ALTER TABLE quarterdeck.record DISABLE TRIGGER USER; DELETE FROM quarterdeck.record WHERE kind = 'run.start'; \
                ALTER TABLE quarterdeck.record ENABLE TRIGGER USER; UPDATE quarterdeck.approval SET run = NULL";
    machine.team.run("owner", lose).await.unwrap();
    assert!(ada.append(note(json!("next"))).await.unwrap().kept.local);
    back(&ada).await;
    let why = begin_by(&ada, approved).await.unwrap_err();
    assert!(why.what.contains("approval: it was used by a run"), "{why}");
    let used = &ada.approvals().await.unwrap()[0];
    assert_eq!(used.standing(clock::now().wall), format!("used by run {}", run.short()));
    assert_eq!(machine.there().await, machine.here().await);
}

/// The server may have it or not: it is refused, and nothing is done of it; it is the run of its approval all the same, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_refused_because_its_answer_was_lost_is_merged_once_and_is_the_one_that_its_approval_is_for() {
    for had_it in [true, false] {
        let machine = Machine::new(need!(postgres)).await;
        let (ada, ben) = (machine.ada().await, machine.process("ben", Process::this()).await);
        let approved = say(&ada, RecordKind::ApprovalAsked, None).await.unwrap();
        say(&ben, RecordKind::ApprovalGiven, Some(approved)).await.unwrap();
        if had_it {
            machine.proxy.die_at_answer_to("fail-over");
        } else {
            machine.proxy.hold_at("fail-over");
        }
        let begins = tokio::spawn({
            let ada = ada.clone();
            async move { begin_by(&ada, approved).await }
        });
        machine.proxy.wait_sprung(LONG);
        machine.proxy.cut();
        takes_the_server(begins.await.unwrap());
        assert!(ada.append(note(json!("next"))).await.unwrap().kept.local);
        machine.proxy.open();
        back(&ada).await;
        assert_eq!(machine.there().await, machine.here().await, "had it: {had_it}");
        let starts = |records: Vec<Record>| -> Vec<RunId> {
            let starts = records.into_iter().filter(|record| record.entry.kind == RecordKind::RunStart);
            starts.filter_map(|record| record.entry.run).collect()
        };
        let begun = starts(ada.recent(100).await.unwrap());
        assert_eq!(begun.len(), 1, "had it: {had_it}");
        let used = &ada.approvals().await.unwrap()[0];
        assert_eq!(used.standing(clock::now().wall), format!("used by run {}", begun[0].short()));
        let why = begin_by(&ada, approved).await.unwrap_err();
        assert!(why.what.contains("approval: it was used by a run"), "{why}");
        // It is a run that nobody drives: of it nothing more than its start is known, and a look ends it.
        assert_eq!(starts(ada.open_runs().await.unwrap()), begun);
        assert_eq!(ada.of_run(begun[0]).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_brings_anothers_chain_there_nor_a_changed_one() {
    let machine = Machine::new(need!(postgres)).await;
    machine.proxy.cut();
    let ben = machine.process("ben", Process::this()).await;
    ben.append(note(json!("ben's"))).await.unwrap();
    machine.proxy.open();
    back(&ben).await;
    machine.proxy.cut();
    ben.append(note(json!("ben's too"))).await.unwrap();
    let ada = machine.ada().await;
    ada.append(note(json!("ada's"))).await.unwrap();
    let writer = ben.writer();
    drop(ben);
    machine.proxy.open();
    back(&ada).await;
    let there = machine.there().await;
    assert!(there.keys().any(|(writer, _)| *writer == ada.writer()));
    let merged = ada.merge().await.unwrap();
    assert!(merged.left[&writer].contains("is not that of ada"), "{merged:?}");
    // One record of it is changed in the file.
    let file = format!("sqlite://{}", machine.path().display());
    let pool = sqlx::SqlitePool::connect(&file).await.unwrap();
    sqlx::raw_sql("DROP TRIGGER record_no_update; UPDATE record SET env = 'x' WHERE data = '\"ben''s too\"'")
        .execute(&pool)
        .await
        .unwrap();
    let merged = machine.process("ben", Process::this()).await.merge().await.unwrap();
    assert!(merged.left[&writer].contains("was changed"), "{merged:?}");
}

/// A server that is gone after so many questions, before or after it has done the last.
struct Cut<'a> {
    server: &'a PostgresJournal,
    left: AtomicI64,
    done: bool,
}

impl Cut<'_> {
    async fn ask<T>(&self, question: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        let gone = || Failed::Away(JournalError::new("cut off", "try again"));
        match self.left.fetch_sub(1, Ordering::AcqRel) {
            left if left > 1 => question.await,
            1 if self.done => {
                question.await?;
                Err(gone())
            }
            _ => Err(gone()),
        }
    }
}

#[async_trait]
impl Server for Cut<'_> {
    async fn heads(&self, writers: &[Uuid]) -> Result<BTreeMap<Uuid, (u64, String)>, Failed> {
        self.ask(Server::heads(self.server, writers)).await
    }
    async fn merge(&self, records: &[Record]) -> Result<u64, Failed> {
        self.ask(Server::merge(self.server, records)).await
    }
}

/// Chains with their records mixed as they came into the file.
fn arb_file() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((1_usize..12, 0_usize..12), 1..4)
}

async fn adopt(path: &Path, chains: &[Vec<Record>], order: &[usize]) -> SqliteJournal {
    let actor = Actor { name: "ann".to_owned(), uid: 1, host: "bastion".to_owned() };
    let file = SqliteJournal::attach(path, Uuid::new_v4(), actor).await.unwrap();
    let mut next = vec![0; chains.len()];
    let mut mixed = Vec::new();
    for chain in order.iter().copied().cycle().take(order.len() * 40).chain(0..chains.len()) {
        mixed.extend(chains[chain].get(next[chain]).cloned());
        next[chain] += 1;
    }
    for (chain, next) in chains.iter().zip(next) {
        mixed.extend(chain.get(next..).unwrap_or_default().iter().cloned());
    }
    file.adopt(mixed, BTreeMap::new(), None).await.unwrap();
    file
}

#[test]
fn merging_may_be_cut_off_at_every_question_and_begun_again() {
    let server = need!(postgres);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let team = runtime.block_on(Team::new(server));
    let journal = {
        let _entered = runtime.enter();
        PostgresJournal::new(&team.settings("ada"), "test", Redactor::default()).unwrap()
    };
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let number = std::sync::atomic::AtomicU64::new(1000);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let case = (arb_file(), prop::collection::vec(0_usize..4, 1..9), 1_usize..5, prop::bool::ANY);
    let tried = runner.run(&case, |(sizes, order, page, done)| {
        let chains: Vec<Vec<Record>> = sizes
            .iter()
            .map(|(count, _)| {
                let number = number.fetch_add(1, Ordering::Relaxed);
                chain_of(
                    u128::from(number),
                    &(0..*count).map(|at| json!({ "n": at, "t": "\u{0}ü'" })).collect::<Vec<_>>(),
                )
            })
            .collect();
        let order: Vec<usize> = order.iter().map(|chain| chain % chains.len()).collect();
        runtime.block_on(async {
            let home = tempfile::tempdir().unwrap();
            let file = adopt(&home.path().join("here.sqlite"), &chains, &order).await;
            // Begun again and again, each time cut off one question later; two of them at once at the end.
            for left in 1..200 {
                let cut = Cut { server: &journal, left: AtomicI64::new(left), done };
                match merge(&cut, &file, None, page).await {
                    Ok(merged) => {
                        assert!(merged.left.is_empty(), "{merged:?}");
                        break;
                    }
                    Err(Failed::Away(_)) => {}
                    Err(Failed::Refused(why)) => panic!("{why}"),
                }
            }
            let (one, two) = tokio::join!(merge(&journal, &file, None, page), merge(&journal, &file, None, page));
            assert_eq!((one.unwrap().records, two.unwrap().records), (0, 0));
            assert_eq!(file.reader().pending().await.unwrap().len(), 0);
            same_order(&team, file.reader(), &chains).await;
        });
        Ok(())
    });
    tried.unwrap();
}

/// The server has each record once, whole, and in the order of the file.
async fn same_order(team: &Team, file: &sqlite::Reader, chains: &[Vec<Record>]) {
    use crate::journal::conformance::Place;
    let ours: BTreeSet<Uuid> = chains.iter().map(|chain| chain[0].writer).collect();
    let reader = Reader::open(&team.store()).await.unwrap();
    assert!(reader.verify().await.unwrap().is_intact());
    let of = |record: Record| ours.contains(&record.writer).then_some((record.writer, record.seq, record.hash));
    let there: Vec<_> = reader.all().filter_map(async |row| row.unwrap().record().and_then(of)).collect().await;
    let here: Vec<_> = file.all().filter_map(async |row| row.unwrap().record().and_then(of)).collect().await;
    assert_eq!(there, here);
}
