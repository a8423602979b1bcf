//! Whole runs on real services: a PostgreSQL cluster of the test's own, and containers of the lab's engine. Only the
//! crashes are staged: a journal that stops answering at a chosen record stands for a process that dies there.

mod again;
mod calls;
mod databases;
mod durable;
mod fleet;
mod lab;
mod languages;
mod live;
mod locks;
mod rollouts;
mod stopping;
mod transactions;
mod ways;

use super::{Exec, Planning, Running};
use crate::clock;
use crate::connect::Connections;
use crate::domain::record::{Actor, Entry, Record, RecordKind, RunOutcome, StepState};
use crate::domain::risk::{Level, Policy};
use crate::domain::{Now, RunId};
use crate::effect::RunAnswer;
use crate::event::{Event, RunEvent};
use crate::journal::lease::{Grant, Lease, Taken};
use crate::journal::process::Process;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Away, Journal, JournalError};
use crate::lab::need;
use crate::redact::Redactor;
use crate::runbook::gate::approve;
use crate::runbook::{Answer, Approved, Authority, Draft, Library, Plan, PlanRequest, RunView, Runs, Writes};
use async_trait::async_trait;
use lab::{Cluster, Sleeper};
use serde_json::{Value, json};
use sqlx::Executor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

/// What the journal does at the first record of a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Writes it and never answers: the process dies right after it.
    DieAfter(RecordKind),
    /// Never writes it: the process dies right before it.
    DieBefore(RecordKind),
    /// Cannot write it.
    Fail(RecordKind),
    /// Goes on.
    Never,
}

struct Staged {
    inner: SqliteJournal,
    at: At,
    /// Told when it has stopped answering.
    dead: Arc<Notify>,
    /// The team's server is away, and the time that it granted is over.
    away: Arc<AtomicBool>,
}

impl Staged {
    async fn die(&self) {
        self.dead.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Journal for Staged {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        // The exit that counts is the one after the act; a step that only looks has one too.
        let looks = entry.kind == RecordKind::StepExit && entry.data["state"] != "running";
        // What takes a change back is told apart by a kind that no run writes.
        let undo = entry.kind == RecordKind::StepIntent && entry.role.as_deref() == Some("undo");
        let kind = match (looks, undo) {
            (true, _) => RecordKind::WritesLock,
            (_, true) => RecordKind::PolicyChange,
            (false, false) => entry.kind,
        };
        if self.at == At::Fail(kind) {
            return Err(JournalError::new("the disk is full", "make room"));
        }
        if self.at == At::DieBefore(kind) {
            self.die().await;
        }
        let record = self.inner.append(entry).await;
        if self.at == At::DieAfter(kind) {
            self.die().await;
        }
        record
    }
    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.inner.recent(limit).await
    }
    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.unfinished().await
    }
    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.open_runs().await
    }
    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        self.inner.claim(run).await
    }
    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        self.inner.reopen(entry).await
    }
    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.inner.of_run(run).await
    }
    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        self.inner.take(run, resources, ttl).await
    }
    async fn away(&self) -> Option<Away> {
        let why = JournalError::new("nothing listens there", "start it");
        self.away.load(Ordering::Acquire).then(|| Away { since: clock::now().wall, why })
    }
    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        if self.away.load(Ordering::Acquire) {
            return Err(JournalError::new("the lock may be somebody else's by now", "break the glass"));
        }
        self.inner.renew(run, grants, ttl).await
    }
    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        self.inner.release(run).await
    }
    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        self.inner.held(resources).await
    }
}

fn in_two_minutes() -> Now {
    let now = clock::now();
    Now { mono: now.mono, wall: now.wall + Duration::from_mins(2) }
}

/// One process over one journal file.
struct Bridge {
    exec: Arc<Exec>,
    events: mpsc::Receiver<Event>,
    runs: Runs,
    told: Vec<RunEvent>,
    dead: Arc<Notify>,
    away: Arc<AtomicBool>,
    dir: Arc<TempDir>,
}

impl Bridge {
    async fn new(connections: Connections, library: Library) -> Self {
        let dir = tempfile::Builder::new().prefix("qd-run").tempdir().unwrap();
        Self::over(Arc::new(dir), connections, library, At::Never, Process::this()).await
    }

    /// A process that will have died.
    async fn doomed(connections: Connections, library: Library, at: At) -> Self {
        let dir = tempfile::Builder::new().prefix("qd-run").tempdir().unwrap();
        let dead = Process { started: Some(1), ..Process::this() };
        Self::over(Arc::new(dir), connections, library, at, dead).await
    }

    /// The next start over the same journal.
    async fn next(self, connections: Connections, library: Library) -> Self {
        let mut next = Self::over(Arc::clone(&self.dir), connections, library, At::Never, Process::this()).await;
        next.exec.clone().reconcile().await;
        next.drain();
        next
    }

    async fn over(dir: Arc<TempDir>, connections: Connections, library: Library, at: At, process: Process) -> Self {
        let path: &Path = dir.path();
        let actor = Actor { name: "ada".to_owned(), uid: 1, host: "bastion".to_owned() };
        let file = path.join("journal.db");
        let inner = SqliteJournal::open_as(&file, "test", Redactor::default(), actor, process).await.unwrap();
        let (sender, events) = mpsc::channel(1000);
        let (dead, away) = (Arc::new(Notify::new()), Arc::<AtomicBool>::default());
        let exec = Exec {
            connections,
            library: Arc::new(library),
            journal: Arc::new(Staged { inner, at, dead: Arc::clone(&dead), away: Arc::clone(&away) }),
            env: "test".to_owned(),
            policy: Policy::default(),
            guarded: false,
            read_only: false,
            events: sender,
            clock: if at == At::Never { in_two_minutes } else { clock::now },
            runs: Running::default(),
            planning: Planning::default(),
        };
        Self { exec: Arc::new(exec), events, runs: Runs::default(), told: Vec::new(), dead, away, dir }
    }

    async fn plan(&self, runbook: &str, args: Value) -> Plan<Draft> {
        let args = args.as_object().unwrap().clone().into_iter().collect();
        self.exec.make_plan(&PlanRequest::new(runbook.to_owned(), args)).await.unwrap()
    }

    fn take(&mut self, event: Event) {
        let Event::Run(event) = event else { panic!("{event:?}") };
        if let RunEvent::Record(record) = &event {
            self.runs.apply(record);
        }
        self.told.push(event);
    }

    fn drain(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
    }

    /// Takes events until one is as wanted.
    async fn until(&mut self, wanted: impl Fn(&RunEvent) -> bool) -> &RunEvent {
        let search = async {
            loop {
                let event = self.events.recv().await.unwrap();
                self.take(event);
                if self.told.last().is_some_and(&wanted) {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), search).await.expect("the event comes");
        self.told.last().unwrap()
    }

    /// Runs a plan to its end.
    async fn run(&mut self, plan: Plan<Approved>) -> RunView {
        let run = self.exec.start(plan).unwrap();
        self.end(run).await
    }

    async fn end(&mut self, run: RunId) -> RunView {
        let ours = |event: &RunEvent| matches!(event, RunEvent::Record(record) if record.entry.run == Some(run));
        self.until(|event| is_record(event, RecordKind::RunFinish) && ours(event)).await;
        self.runs.get(run).unwrap().clone()
    }

    /// Starts a plan and waits until the journal has stopped answering.
    async fn die(&mut self, plan: Plan<Approved>) {
        self.exec.start(plan).unwrap();
        tokio::time::timeout(Duration::from_mins(1), self.dead.notified()).await.expect("it dies");
        // A process that is gone has no sessions.
        for held in self.exec.runs.all_held() {
            held.lose_sessions().await;
        }
        self.drain();
    }

    /// All records of the journal, as kind and state.
    async fn story(&self) -> Vec<String> {
        let records = self.exec.journal.recent(1000).await.unwrap();
        let state = |record: &Record| {
            record.entry.data["state"].as_str().or(record.entry.data["outcome"].as_str()).map(|s| format!(" {s}"))
        };
        let runs = records.iter().filter(|record| record.entry.run.is_some());
        runs.map(|record| format!("{}{}", record.entry.kind.word(), state(record).unwrap_or_default())).collect()
    }
}

fn is_record(event: &RunEvent, kind: RecordKind) -> bool {
    matches!(event, RunEvent::Record(record) if record.entry.kind == kind)
}

fn yes(plan: Plan<Draft>, phrase: Option<&str>) -> Plan<Approved> {
    let answer = phrase.map_or(Answer::Yes, |phrase| Answer::Phrase(phrase.to_owned()));
    approve(plan, &answer, Authority::alone(Writes::Unlocked)).map_err(|(_, refusal)| refusal).unwrap()
}

fn all() -> Value {
    json!({"database": "primary", "idle_minutes": 0, "app": "shop"})
}

const WHOLE: [&str; 6] =
    ["run.start", "step.recheck", "step.intent", "step.exit running", "step.exit ok", "run.finish ok"];

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_planned_done_verified_and_recorded() {
    let sleeper = Sleeper::start(need!(docker), "whole");
    let mut bridge = Bridge::new(sleeper.connections(), Library::builtin()).await;
    let before = sleeper.started_at();
    let plan = bridge.plan("container-restart", json!({"container": format!("local/{}", sleeper.name)})).await;
    assert_eq!(plan.phrase(), Some(format!("restart {} on local", sleeper.name).as_str()));
    assert_eq!((plan.level(), &plan.body().blocked), (Level::Yes, &Vec::new()));
    assert_eq!(plan.body().params, [("container".to_owned(), format!("local/{}", sleeper.name))]);
    assert_eq!(sleeper.started_at(), before, "planning changes nothing");
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_ne!(sleeper.started_at(), before);
    assert_eq!(view.reason, "runs again");
    assert_eq!(bridge.story().await, WHOLE);
    assert!(view.steps[0].sent.starts_with("docker restart -t 10 ") && view.steps[0].sent.len() > 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_replaced_under_its_name_is_left_alone() {
    let sleeper = Sleeper::start(need!(docker), "replaced");
    let mut bridge = Bridge::new(sleeper.connections(), Library::builtin()).await;
    let plan = bridge.plan("container-restart", json!({"container": format!("local/{}", sleeper.name)})).await;
    let other = sleeper.replace();
    let before = other.started_at();
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(view.reason.contains("there is no container"), "{}", view.reason);
    assert_eq!(other.started_at(), before);
    assert_eq!(bridge.story().await, ["run.start", "step.recheck", "step.exit failed", "run.finish failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_was_intended_and_not_sent_is_found_out_and_not_repeated() {
    let sleeper = Sleeper::start(need!(docker), "unsent");
    let at = At::DieAfter(RecordKind::StepIntent);
    let mut doomed = Bridge::doomed(sleeper.connections(), Library::builtin(), at).await;
    let plan = doomed.plan("container-restart", json!({"container": format!("local/{}", sleeper.name)})).await;
    let before = sleeper.started_at();
    doomed.die(yes(plan, None)).await;
    let next = doomed.next(sleeper.connections(), Library::builtin()).await;
    assert_eq!(next.story().await[3..], ["step.reconcile failed", "run.finish failed"]);
    assert!(
        matches!(next.told.first(), Some(RunEvent::CutOff(runs)) if runs.len() == 1),
        "said before it is looked at"
    );
    assert!(
        matches!(next.told.last(), Some(RunEvent::Reconciled(runs)) if runs.len() == 1 && runs[0].outcome == RunOutcome::Failed)
    );
    assert_eq!(sleeper.started_at(), before);
    let again = next.next(sleeper.connections(), Library::builtin()).await;
    assert!(again.told.is_empty(), "there is nothing left to reconcile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_was_sent_and_not_recorded_is_found_out_and_not_repeated() {
    let sleeper = Sleeper::start(need!(docker), "sent");
    let at = At::DieBefore(RecordKind::StepExit);
    let mut doomed = Bridge::doomed(sleeper.connections(), Library::builtin(), at).await;
    let plan = doomed.plan("container-restart", json!({"container": format!("local/{}", sleeper.name)})).await;
    let before = sleeper.started_at();
    doomed.die(yes(plan, None)).await;
    let restarted = sleeper.started_at();
    assert_ne!(restarted, before);
    let next = doomed.next(sleeper.connections(), Library::builtin()).await;
    assert_eq!(next.story().await[3..], ["step.reconcile ok", "run.finish ok"]);
    assert_eq!(sleeper.started_at(), restarted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_gets_lost_is_unknown_and_then_verified() {
    let sleeper = Sleeper::start(need!(docker), "lost");
    let proxy = need!(docker).proxy();
    proxy.lose_answer_to("/restart");
    let connections = lab::engine_at(&format!("unix://{}", proxy.socket().display()));
    let mut bridge = Bridge::new(connections, Library::builtin()).await;
    let before = sleeper.started_at();
    let plan = bridge.plan("container-restart", json!({"container": format!("local/{}", sleeper.name)})).await;
    let view = bridge.run(yes(plan, None)).await;
    let story = bridge.story().await;
    assert_eq!(story[story.len() - 3..], ["step.exit unknown", "step.exit ok", "run.finish ok"], "{view:?}");
    assert_ne!(sleeper.started_at(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_planned_sessions_are_killed_and_one_that_woke_is_spared() {
    let cluster = Cluster::new(need!(own_postgres));
    let (_a, _b, mut woken) = (
        cluster.session("web", "shop").await,
        cluster.session("web", "shop").await,
        cluster.session("web", "shop").await,
    );
    let _other = cluster.session("batch", "reports").await;
    let mut bridge = Bridge::new(cluster.connections("ops"), Library::builtin()).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    assert_eq!((plan.level(), plan.phrase()), (Level::Typed, Some("kill 3 on primary")));
    assert_eq!(plan.body().steps[1].rows.as_ref().unwrap().columns[..2], ["pid", "user"]);
    let shown = |name: &str| plan.body().params.iter().find(|(param, _)| param == name).unwrap().1.clone();
    assert_eq!((shown("app"), shown("user")), ("shop".to_owned(), "any".to_owned()));
    assert!(plan.body().steps[1].address.contains(" port "), "a socket's place: {}", plan.body().steps[1].address);
    woken.execute("BEGIN").await.unwrap();
    let view = bridge.run(yes(plan, Some("kill 3 on primary"))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(cluster.pids("shop").await.len(), 1);
    woken.execute("COMMIT").await.unwrap();
    assert_eq!(cluster.pids("reports").await.len(), 1);
    assert_eq!(view.answer, "kill 3 on primary");
    assert_eq!(view.reason, "2 closed, 1 spared (woke up or left)");
    assert!(
        view.steps[1].detail.starts_with("2 closed, 1 spared (woke up or left); verify: "),
        "{}",
        view.steps[1].detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_grew_sends_nothing_and_is_shown_again() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let mut bridge = Bridge::new(cluster.connections("ops"), Library::builtin()).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    let _b = cluster.session("web", "shop").await;
    let view = bridge.run(yes(plan, Some("kill 1 on primary"))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Stopped));
    let RunEvent::PlanChanged { plan, .. } = bridge.until(|event| matches!(event, RunEvent::PlanChanged { .. })).await
    else {
        panic!()
    };
    assert_eq!(plan.phrase(), Some("kill 2 on primary"));
    assert_eq!(cluster.pids("shop").await.len(), 2);
    let story = bridge.story().await;
    assert!(!story.iter().any(|line| line.starts_with("step.intent")), "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_rows_are_all_gone_has_nothing_left_to_do() {
    let cluster = Cluster::new(need!(own_postgres));
    let session = cluster.session("web", "shop").await;
    let mut bridge = Bridge::new(cluster.connections("ops"), Library::builtin()).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    sqlx::Connection::close(session).await.unwrap();
    while !cluster.pids("shop").await.is_empty() {}
    let view = bridge.run(yes(plan, Some("kill 1 on primary"))).await;
    assert_eq!((view.outcome, view.steps[1].state), (Some(RunOutcome::Ok), StepState::Skipped));
    assert_eq!(view.steps[1].detail, "nothing left to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_kill_that_the_server_aborts_half_way_is_unknown_and_then_verified() {
    let cluster = Cluster::new(need!(own_postgres));
    // The acting login may end sessions of `web` and not of `batch`, and the batch session has been idle for less long.
    let _a = cluster.session("web", "shop").await;
    let _b = cluster.session("batch", "shop").await;
    let mut bridge = Bridge::new(cluster.connections("half"), Library::builtin()).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    let view = bridge.run(yes(plan, Some("kill 2 on primary"))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    let story = bridge.story().await;
    assert_eq!(story[story.len() - 3..], ["step.exit unknown", "step.exit failed", "run.finish failed"]);
    assert_eq!(cluster.pids("shop").await.len(), 1, "one of the two is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_that_ends_in_an_error_and_has_worked_is_ok_after_the_verification() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let source = include_str!("../../../../assets/runbooks/db-kill-idle.md");
    let library = Library::read([(
        "x.md",
        source.replace("AS signalled", "AS signalled, 1 / (random() * 0)::int AS boom").as_str(),
    )])
    .unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    let view = bridge.run(yes(plan, Some("kill 1 on primary"))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let story = bridge.story().await;
    assert_eq!(story[story.len() - 3..], ["step.exit unknown", "step.exit ok", "run.finish ok"]);
    assert!(view.steps[1].detail.contains("division by zero"), "{}", view.steps[1].detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_interrupted_by_a_crash_is_decided_by_its_verification() {
    let cluster = Cluster::new(need!(own_postgres));
    for (at, state) in [(At::DieAfter(RecordKind::StepIntent), "failed"), (At::DieBefore(RecordKind::StepExit), "ok")] {
        let _a = cluster.session("web", "shop").await;
        let mut doomed = Bridge::doomed(cluster.connections("ops"), quick(), at).await;
        let plan = doomed.plan("db-kill-idle", all()).await;
        let phrase = plan.phrase().unwrap().to_owned();
        let left = if state == "ok" { 0 } else { cluster.pids("shop").await.len() };
        doomed.die(yes(plan, Some(&phrase))).await;
        let next = doomed.next(cluster.connections("ops"), quick()).await;
        let story = next.story().await;
        let end = [format!("step.reconcile {state}"), format!("run.finish {state}")];
        assert_eq!(story[story.len() - 2..], end, "{story:?}");
        assert_eq!(cluster.pids("shop").await.len(), left, "nothing was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_intent_is_stopped_and_a_server_that_is_gone_is_unknown() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let at = At::DieBefore(RecordKind::StepIntent);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), quick(), at).await;
    let plan = doomed.plan("db-kill-idle", all()).await;
    doomed.die(yes(plan, Some("kill 1 on primary"))).await;
    let next = doomed.next(cluster.connections("ops"), quick()).await;
    assert_eq!(next.story().await.last().unwrap(), "run.finish stopped");

    let at = At::DieAfter(RecordKind::StepIntent);
    let mut doomed = Bridge::doomed(cluster.connections("ops"), quick(), at).await;
    let plan = doomed.plan("db-kill-idle", all()).await;
    doomed.die(yes(plan, Some("kill 1 on primary"))).await;
    let connections = cluster.connections("ops");
    drop(cluster);
    let next = doomed.next(connections, quick()).await;
    // It stays open: the next look may tell, or somebody says what they saw.
    assert_eq!(next.story().await.last().unwrap(), "step.reconcile unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_after_a_crash_goes_on_waiting_and_does_not_begin_anew() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let at = At::DieAfter(RecordKind::StepIntent);
    // Its verification may take 30 s from the change on, which is two minutes ago for the next start.
    let mut doomed = Bridge::doomed(cluster.connections("ops"), Library::builtin(), at).await;
    let plan = doomed.plan("db-kill-idle", all()).await;
    doomed.die(yes(plan, Some("kill 1 on primary"))).await;
    let started = std::time::Instant::now();
    let next = doomed.next(cluster.connections("ops"), Library::builtin()).await;
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(next.story().await.last().unwrap(), "run.finish failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_given_up_or_replaced_does_not_come() {
    let mut bridge = Bridge::new(Connections::default(), Library::builtin()).await;
    let hung = crate::lab::fault::Hung::unix();
    bridge.exec = Arc::new(Exec {
        connections: lab::engine_at(&format!("unix://{}", hung.socket().display())),
        ..Arc::into_inner(bridge.exec).unwrap()
    });
    let request = |runbook: &str, name: &str, value: &str| PlanRequest {
        runbook: runbook.to_owned(),
        args: [(name.to_owned(), json!(value))].into(),
        caller: None,
        resumes: None,
    };
    bridge.exec.plan(1, request("container-restart", "container", "local/api"));
    hung.wait_connections(1, Duration::from_secs(10));
    bridge.exec.plan(2, request("container-restart", "container", "nowhere/api"));
    bridge.until(|event| matches!(event, RunEvent::NotPlanned { .. })).await;
    bridge.exec.plan(3, request("container-restart", "container", "local/api"));
    hung.wait_connections(2, Duration::from_secs(10));
    bridge.exec.give_up_plan();
    bridge.exec.plan(4, request("container-restart", "container", "nowhere/api"));
    bridge.until(|event| matches!(event, RunEvent::NotPlanned { number: 4, .. })).await;
    let numbers = bridge.told.iter().filter_map(|event| match event {
        RunEvent::NotPlanned { number, .. } => Some(*number),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [2, 4]);
}

/// The shipped runbook with a verification that gives up sooner.
fn quick() -> Library {
    let source = include_str!("../../../../assets/runbooks/db-kill-idle.md");
    Library::read([("x.md", source.replace("timeout=30s every=1s", "timeout=2s every=1s").as_str())]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_starts_no_change() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    for kind in [RecordKind::RunStart, RecordKind::StepRecheck, RecordKind::StepIntent] {
        let mut bridge = Bridge::doomed(cluster.connections("ops"), Library::builtin(), At::Fail(kind)).await;
        let plan = bridge.plan("db-kill-idle", all()).await;
        bridge.exec.start(yes(plan, Some("kill 1 on primary"))).unwrap();
        if kind == RecordKind::StepRecheck {
            bridge.until(|event| is_record(event, RecordKind::RunFinish)).await;
        } else {
            bridge
                .until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("the disk is full")))
                .await;
        }
        assert_eq!(cluster.pids("shop").await.len(), 1, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_dashboard_starts_nothing() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let mut bridge = Bridge::new(cluster.connections("ops"), Library::builtin()).await;
    let plan = yes(bridge.plan("db-kill-idle", all()).await, Some("kill 1 on primary"));
    Arc::get_mut(&mut bridge.exec).unwrap().read_only = true;
    assert_eq!(bridge.exec.start(plan), None);
    bridge.until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("read-only"))).await;
    assert_eq!(cluster.pids("shop").await.len(), 1);
    assert!(bridge.story().await.is_empty());
}

const TWO_STEPS: &str = include_str!("two-steps.md");

#[tokio::test(flavor = "multi_thread")]
async fn manual_steps_and_later_changes_ask_at_their_time() {
    let cluster = Cluster::new(need!(own_postgres));
    let (_a, _b) = (cluster.session("web", "shop").await, cluster.session("batch", "reports").await);
    let library = Library::read([("two-steps.md", TWO_STEPS)]).unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("two-steps", json!({"database": "primary"})).await;
    assert_eq!(plan.phrase(), Some("kill 1 on primary"));
    let run = bridge.exec.start(yes(plan, Some("kill 1 on primary"))).unwrap();
    bridge
        .until(|event| matches!(event, RunEvent::Ask { manual: true, prompt, .. } if prompt.contains("Say it")))
        .await;
    assert_eq!(cluster.pids("shop").await.len(), 0, "the first change is done");
    bridge.exec.answer(run, RunAnswer::Done);
    bridge
        .until(|event| matches!(event, RunEvent::Ask { manual: false, phrase: Some(phrase), .. } if phrase == "end 1 on primary"))
        .await;
    bridge.exec.answer(run, RunAnswer::Confirm(Answer::Phrase("kill 1 on primary".to_owned())));
    bridge.until(|event| matches!(event, RunEvent::Trouble { what, .. } if what.contains("end 1 on primary"))).await;
    assert_eq!(cluster.pids("reports").await.len(), 1, "a wrong phrase does nothing");
    bridge.exec.answer(run, RunAnswer::Confirm(Answer::Phrase("end 1 on primary".to_owned())));
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(cluster.pids("reports").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_run_before_the_next_change() {
    let cluster = Cluster::new(need!(own_postgres));
    let (_a, _b) = (cluster.session("web", "shop").await, cluster.session("batch", "reports").await);
    let library = Library::read([("two-steps.md", TWO_STEPS)]).unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("two-steps", json!({"database": "primary"})).await;
    let run = bridge.exec.start(yes(plan, Some("kill 1 on primary"))).unwrap();
    bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
    bridge.exec.leave(run);
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Stopped));
    assert_eq!(cluster.pids("reports").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_on_the_server_too() {
    let cluster = Cluster::new(need!(own_postgres));
    let _a = cluster.session("web", "shop").await;
    let source = include_str!("../../../../assets/runbooks/db-kill-idle.md")
        .replace("timeout=60s undo=none", "timeout=1s undo=none")
        .replace("timeout=30s every=1s", "timeout=1s every=1s")
        .replace(
            "SELECT a.pid, pg_terminate_backend(a.pid)",
            "SELECT a.pid, pg_sleep(30), pg_terminate_backend(a.pid)",
        );
    let library = Library::read([("x.md", source.as_str())]).unwrap();
    let mut bridge = Bridge::new(cluster.connections("ops"), library).await;
    let plan = bridge.plan("db-kill-idle", all()).await;
    let view = bridge.run(yes(plan, Some("kill 1 on primary"))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()";
    let left: i64 = sqlx::query_scalar(active).fetch_one(&mut cluster.admin().await).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(cluster.pids("shop").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_says_why() {
    let bridge = Bridge::new(Connections::default(), Library::builtin()).await;
    let why = async |runbook: &str, args: Value| {
        let args = args.as_object().unwrap().clone().into_iter().collect();
        bridge.exec.make_plan(&PlanRequest::new(runbook.to_owned(), args)).await.unwrap_err()
    };
    assert_eq!(
        why("container-restat", json!({})).await,
        "there is no runbook \"container-restat\": did you mean \"container-restart\"?"
    );
    assert_eq!(
        why("container-restart", json!({})).await,
        "the parameter \"container\" (container) must be given: the container, as ENGINE/NAME of view 2"
    );
    let gone = why("container-restart", json!({"container": "local/api"})).await;
    assert!(gone.starts_with("there is no [docker.local] in the config"), "{gone}");
    let gone = why("db-kill-idle", json!({"database": "primary"})).await;
    assert!(gone.starts_with("there is no [postgres.primary] in the config"), "{gone}");
}
