//! Rollouts over several hosts, each with an sshd of its own, and questions to all hosts of a role.

use super::lab::Sleeper;
use super::*;
use crate::connect::Server;
use crate::event::RunEvent;
use crate::lab::sshd::{self, Sshd, own_sshd};
use crate::runbook::machine::Way;
use crate::runbook::{Onward, Resumption};
use std::collections::BTreeMap;

/// Hosts `web-1`, `web-2`, … of the role `web`, each with a folder for what is done on it.
struct Hosts {
    sshds: Vec<Sshd>,
    folder: TempDir,
}

impl Hosts {
    fn new(first: Sshd, count: usize) -> Self {
        let more = (1..count).map(|_| own_sshd().unwrap());
        Self { sshds: std::iter::once(first).chain(more).collect(), folder: tempfile::tempdir().unwrap() }
    }

    fn connections(&self) -> Connections {
        let mut connections = Connections::default();
        let mut servers = Vec::new();
        for (at, sshd) in self.sshds.iter().enumerate() {
            let name = format!("web-{}", at + 1);
            let ssh = connections.add_ssh(sshd::HOST, Some(&sshd.config())).unwrap();
            connections.name_host(&name, &ssh);
            servers.push(Server { name, roles: vec!["web".to_owned()], ..Server::default() });
        }
        connections.name_all(servers, &BTreeMap::new(), &BTreeMap::new());
        connections
    }

    /// The hosts on which something was done, in order, by the lines of a file that all of them share.
    fn done(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("done")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Each host is told apart by its home, which holds its name after this.
    fn name_homes(&self) {
        for (at, sshd) in self.sshds.iter().enumerate() {
            let home = sshd.config().parent().unwrap().to_owned();
            std::fs::write(home.join("name"), format!("web-{}", at + 1)).unwrap();
        }
    }

    /// A runbook that notes on each host that it was there. `see` decides whether that is right.
    fn page(&self, rollout: &str, run: &str, see: &str) -> Library {
        self.name_homes();
        let done = self.folder.path().join("done");
        let text = format!(
            "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: note\n---\n\n\
             ## Note\n\n```yaml rollout\nover: role:web\n{rollout}\n```\n\n### Note it\n\n\
             ```bash run on=host timeout=20s {run}\nset -eu\necho \"$(cat \"$HOME/name\")\" >> {done}\n```\n\n\
             ```bash verify on=host timeout=20s\nset -eu\n{see}\n```\n\n\
             ```bash undo on=host timeout=20s\nset -eu\necho \"not $(cat \"$HOME/name\")\" >> {done}\n```\n\n\
             ### Look again\n\n```bash check on=host timeout=20s\nset -eu\ntest -e \"$HOME/name\"\n```\n",
            done = done.display(),
        );
        Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

/// Hosts of a batch are done side by side: in which order, nobody knows.
fn sorted(mut done: Vec<String>) -> Vec<String> {
    done.sort_unstable();
    done
}

fn states(view: &RunView) -> Vec<(&str, StepState)> {
    view.steps.iter().map(|step| (step.id.as_str(), step.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_come_in_batches_one_answer_is_for_all_and_a_person_looks_after_the_first() {
    let hosts = Hosts::new(need!(own_sshd), 3);
    let library = hosts.page("serial: [1, 2]\npause: 10ms\nask_after: 1", "confirm=typed", "true");
    let mut bridge = Bridge::new(hosts.connections(), library).await;
    let plan = bridge.plan("page", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let phrases: Vec<_> = plan.body().steps.iter().filter_map(|step| step.phrase.as_deref()).collect();
    assert_eq!(phrases, ["note on 3 hosts"; 3]);
    let run = bridge.exec.start(yes(plan, Some("note on 3 hosts"))).unwrap();
    let asked = bridge.until(|event| matches!(event, RunEvent::Ask { .. })).await;
    let RunEvent::Ask { prompt, ways, .. } = asked else { unreachable!() };
    assert_eq!(*ways, [Way::Undo, Way::Next, Way::Stop]);
    assert!(prompt.starts_with("Note: batch 1 of 2 is done (web-1)."), "{prompt}");
    assert!(prompt.contains("next come web-2 (") && prompt.contains("), web-3 ("), "{prompt}");
    assert_eq!(hosts.done(), ["web-1"]);
    bridge.exec.answer(run, RunAnswer::Choose { way: Way::Next, reason: String::new() });
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(sorted(hosts.done()), ["web-1", "web-2", "web-3"]);
    assert_eq!(view.steps[2].id, "note/note-it@web-2");
    let story = bridge.story().await;
    assert_eq!(story.iter().filter(|kind| *kind == "run.batch").count(), 2, "{story:?}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_counts_as_failed_and_so_many_may() {
    let mut hosts = Hosts::new(need!(own_sshd), 3);
    hosts.sshds[1].stop();
    for (allowed, done) in [(1, ["web-1", "web-3"].as_slice()), (0, &["web-1"])] {
        let _ = std::fs::remove_file(hosts.folder.path().join("done"));
        let library = hosts.page(&format!("max_fail: {allowed}"), "", "true");
        let mut bridge = Bridge::new(hosts.connections(), library).await;
        let plan = bridge.plan("page", json!({})).await;
        let run = bridge.exec.start(yes(plan, None)).unwrap();
        let ended = |event: &RunEvent| matches!(event, RunEvent::Ask { .. }) || is_record(event, RecordKind::RunFinish);
        if matches!(bridge.until(ended).await, RunEvent::Ask { .. }) {
            assert_eq!(allowed, 0, "what was done elsewhere is offered to be taken back");
            bridge.exec.answer(run, RunAnswer::Choose { way: Way::Stop, reason: String::new() });
            bridge.end(run).await;
        }
        let view = bridge.runs.get(run).unwrap().clone();
        assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
        assert!(view.reason.contains("SSH to box"), "{}", view.reason);
        assert_eq!(hosts.done(), done, "{allowed}");
        let skipped = states(&view).contains(&("note/look-again@web-2", StepState::Skipped));
        assert_eq!(skipped, allowed == 1, "{view:?}");
        bridge.exec.connections.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_had_is_taken_back_there_and_the_others_go_on() {
    let hosts = Hosts::new(need!(own_sshd), 2);
    let see = "test \"$(cat \"$HOME/name\")\" = web-2";
    let library = hosts.page("max_fail: 1", "on-fail=undo", see);
    let mut bridge = Bridge::new(hosts.connections(), library).await;
    let plan = bridge.plan("page", json!({})).await;
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(hosts.done(), ["web-1", "not web-1", "web-2"]);
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "one host failed");
    assert_eq!(view.steps[0].state, StepState::Undone);
    assert_eq!(view.steps[3].state, StepState::Ok);
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_hosts_in_flight_is_looked_at_on_each_of_them() {
    let hosts = Hosts::new(need!(own_sshd), 2);
    let library = || hosts.page("serial: [2]", "", "grep -q \"$(cat \"$HOME/name\")\" /no/such/file");
    let bridge = Bridge::doomed(hosts.connections(), library(), At::DieAfter(RecordKind::StepExit)).await;
    let plan = bridge.plan("page", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    // Each dies for itself, when what it did is written.
    for _ in 0..2 {
        tokio::time::timeout(Duration::from_mins(1), bridge.dead.notified()).await.expect("it dies");
    }
    let bridge = bridge.next(hosts.connections(), library()).await;
    let story = bridge.exec.journal.recent(1000).await.unwrap();
    let looked = story.iter().filter(|record| record.entry.kind == RecordKind::StepReconcile);
    let mut looked: Vec<(&str, &str)> = looked
        .map(|record| (record.entry.step.as_deref().unwrap(), record.entry.data["state"].as_str().unwrap()))
        .collect();
    looked.sort_unstable();
    let wanted = [("note/note-it@web-1", "failed"), ("note/note-it@web-2", "failed")];
    assert_eq!(looked, wanted, "the verify of each was asked, there: {story:?}");
    assert_eq!(sorted(hosts.done()), ["web-1", "web-2"]);
    let (past, _) = bridge.exec.past(run).await.unwrap();
    assert!(past.open.is_empty() && past.outcome == Some(RunOutcome::Failed), "{past:?}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_over_a_role_asks_each_of_its_hosts() {
    let hosts = Hosts::new(need!(own_sshd), 2);
    hosts.name_homes();
    let page = |wanted: &str| {
        let text = format!(
            "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: read\n---\n\n## Look\n\n\
             ```bash check on=role:web timeout=20s\nset -eu\ngrep -q {wanted} \"$HOME/name\"\n```\n"
        );
        Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    for (wanted, passed) in [("web", [true, true]), ("web-2", [false, true])] {
        let bridge = Bridge::new(hosts.connections(), page(wanted)).await;
        let plan = bridge.plan("page", json!({})).await;
        let found: Vec<bool> =
            plan.body().steps[0].fences.iter().map(|fence| fence.finding.as_ref().unwrap().passed).collect();
        assert_eq!(found, passed);
        assert_eq!(plan.body().blocked.is_empty(), passed == [true, true], "{:?}", plan.body().blocked);
        bridge.exec.connections.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_a_host_are_those_of_its_engine_and_its_rows_its_own() {
    let sleeper = Sleeper::start(need!(docker), "rolled");
    let mut connections = sleeper.connections();
    let server = |name: &str| Server {
        name: name.to_owned(),
        roles: vec!["api".to_owned()],
        engine: Some("local".to_owned()),
        ..Server::default()
    };
    connections.name_all(vec![server("a"), server("b")], &BTreeMap::new(), &BTreeMap::new());
    let text = format!(
        "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: restart\n---\n\n\
         ## Restart\n\n```yaml rollout\nover: role:api\n```\n\n### Restart\n\n\
         ```docker plan on=host out=before key=(Id) timeout=10s\ndocker inspect {name}\n```\n\n\
         ```docker run on=host timeout=30s undo=none confirm=typed\ndocker restart -t 1 {name}\n```\n\n\
         ```docker verify on=host timeout=20s expect=(container.Id == before[0].Id && container.State.StartedAt != before[0].State.StartedAt)\ndocker inspect {name}\n```\n",
        name = sleeper.name,
    );
    let library = Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut bridge = Bridge::new(connections, library).await;
    let plan = bridge.plan("page", json!({})).await;
    let phrase = format!("restart {} on 2 hosts", sleeper.name);
    assert_eq!(plan.phrase(), Some(phrase.as_str()));
    let before = sleeper.started_at();
    let view = bridge.run(yes(plan, Some(&phrase))).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_ne!(sleeper.started_at(), before);
}

/// A rollout that runs another runbook on each host, and then looks. `see` decides whether what that one did is right.
fn calling(hosts: &Hosts, rollout: &str, see: &str) -> Library {
    hosts.name_homes();
    let done = hosts.folder.path().join("done").display().to_string();
    let front = |id: &str, keys: &str| {
        format!(
            "---\nrunbook: 1\nid: {id}\ntitle: {id}\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: note\n{keys}---\n\n"
        )
    };
    let outer = format!(
        "{}## Note\n\n```yaml rollout\nover: role:web\n{rollout}\n```\n\n### Other\n\n**Run:** [inner](inner.md)\n\n\
         ### Look\n\n```bash check on=host timeout=20s\nset -eu\ntest -e \"$HOME/name\"\n```\n",
        front("outer", "")
    );
    let inner = format!(
        "{}## Note\n\n### Note it\n\n```bash run on=$host timeout=20s undo=none\nset -eu\necho \"$host is $(cat \"$HOME/name\")\" >> {done}\n```\n\n\
         ```bash verify on=$host timeout=20s\nset -eu\n{see}\n```\n",
        front("inner", "params:\n  - {name: host, type: server, from: 'role:web'}\n")
    );
    Library::read([("outer.md", outer.as_str()), ("inner.md", inner.as_str())])
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Begins the run that a host's step calls, as a person would.
async fn begin_called(bridge: &mut Bridge, run: RunId) -> (PlanRequest, RunId) {
    bridge.until(|event| matches!(event, RunEvent::Ask { manual: true, .. })).await;
    bridge.exec.answer(run, RunAnswer::Done);
    let RunEvent::Call { request, .. } = bridge.until(|event| matches!(event, RunEvent::Call { .. })).await else {
        panic!()
    };
    let request = request.as_ref().clone();
    let plan = bridge.exec.make_plan(&request).await.unwrap();
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    (request, bridge.exec.start(yes(plan, None)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_runs_another_runbook_once_for_each_host_about_that_host() {
    let hosts = Hosts::new(need!(own_sshd), 2);
    let library = calling(&hosts, "serial: [1]", "true");
    let mut bridge = Bridge::new(hosts.connections(), library).await;
    let plan = bridge.plan("outer", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    for host in ["web-1", "web-2"] {
        let (request, child) = begin_called(&mut bridge, run).await;
        assert_eq!(request.args.get("host"), Some(&json!(host)));
        let view = bridge.end(child).await;
        assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
        let records = bridge.exec.journal.recent(1000).await.unwrap();
        let start = records.iter().find(|record| record.entry.run == Some(child)).unwrap();
        let parent = json!({"run": run, "step": format!("note/other@{host}")});
        assert_eq!(start.entry.data["parent"], parent);
    }
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(hosts.done(), ["web-1 is web-1", "web-2 is web-2"]);
    let wanted = ["note/other@web-1", "note/look@web-1", "note/other@web-2", "note/look@web-2"];
    assert_eq!(states(&view), wanted.map(|id| (id, StepState::Ok)));
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_run_that_fails_on_a_host_fails_that_host_and_the_others_go_on_as_far_as_they_may() {
    let hosts = Hosts::new(need!(own_sshd), 2);
    let library = calling(&hosts, "serial: [1]\nmax_fail: 1", "test \"$(cat \"$HOME/name\")\" = web-2\n: \"$host\"");
    let mut bridge = Bridge::new(hosts.connections(), library).await;
    let plan = bridge.plan("outer", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    for outcome in [RunOutcome::Failed, RunOutcome::Ok] {
        let (_, child) = begin_called(&mut bridge, run).await;
        let view = bridge.end(child).await;
        assert_eq!(view.outcome, Some(outcome), "{view:?}");
    }
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "one host failed: {view:?}");
    let wanted = [StepState::Failed, StepState::Skipped, StepState::Ok, StepState::Ok];
    assert_eq!(states(&view).into_iter().map(|(_, state)| state).collect::<Vec<_>>(), wanted);
    assert!(view.reason.contains("web-1"), "{}", view.reason);
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_over_nobody_has_no_plan() {
    let hosts = Hosts { sshds: Vec::new(), folder: tempfile::tempdir().unwrap() };
    let bridge = Bridge::new(Connections::default(), hosts.page("", "", "true")).await;
    let request = PlanRequest::new("page", [].into());
    let why = bridge.exec.make_plan(&request).await.unwrap_err();
    assert_eq!(why, "the rollout goes over nothing: no [[server]] of the config has the role \"web\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_is_over_is_taken_back_host_by_host_from_the_last() {
    let hosts = Hosts::new(need!(own_sshd), 3);
    let library = hosts.page("serial: [1, 2]", "confirm=typed", "true");
    let mut bridge = Bridge::new(hosts.connections(), library).await;
    let plan = bridge.plan("page", json!({})).await;
    let run = bridge.run(yes(plan, Some("note on 3 hosts"))).await.id;
    let back = PlanRequest::resuming("page", Resumption { run, way: Onward::Undo });
    let plan = bridge.exec.make_plan(&back).await.unwrap();
    assert_eq!(plan.phrase(), Some("undo on 3 hosts"));
    let view = bridge.run(yes(plan, Some("undo on 3 hosts"))).await;
    let order = "step 1 'Note it' on web-3, web-2, web-1";
    assert_eq!(view.reason, format!("all that it did was taken back: {order}"), "{view:?}");
    let mut done = hosts.done();
    assert_eq!(done.split_off(3), ["not web-3", "not web-2", "not web-1"]);
    assert_eq!(sorted(done), ["web-1", "web-2", "web-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_rollout_goes_on_with_the_host_that_is_next() {
    let hosts = Hosts::new(need!(own_sshd), 3);
    let rollout = "serial: [1]\nmax_fail: 1";
    let at = At::DieBefore(RecordKind::RunFinish);
    let mut doomed = Bridge::doomed(hosts.connections(), hosts.page(rollout, "", "true"), at).await;
    let plan = doomed.plan("page", json!({})).await;
    let run = doomed.exec.start(yes(plan, None)).unwrap();
    let third = |event: &RunEvent| matches!(event, RunEvent::Record(record) if record.entry.kind == RecordKind::RunBatch && record.entry.data["batch"] == 3);
    // It is stopped at the third host: the rest is one host.
    doomed.until(|event| matches!(event, RunEvent::Record(record) if record.entry.kind == RecordKind::RunBatch && record.entry.data["batch"] == 2)).await;
    doomed.exec.leave(run);
    tokio::time::timeout(Duration::from_mins(1), doomed.dead.notified()).await.expect("it dies before its end");
    doomed.drain();
    assert!(!doomed.told.iter().any(third));
    let mut next = doomed.next(hosts.connections(), hosts.page(rollout, "", "true")).await;
    let before = hosts.done();
    let on = PlanRequest::resuming("page", Resumption { run, way: Onward::GoOn });
    let plan = next.exec.make_plan(&on).await.unwrap();
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let left: Vec<_> = plan.body().steps.iter().filter(|step| step.changes()).collect();
    let phrase = if left.len() == 1 { "note on web-3".to_owned() } else { format!("note on {} hosts", left.len()) };
    assert_eq!(left[0].phrase.as_ref(), Some(&phrase), "what is typed tells what is left");
    next.exec.start(yes(plan, None)).unwrap();
    next.until(|event| is_record(event, RecordKind::RunFinish)).await;
    assert!(next.story().await.last().is_some_and(|last| last == "run.finish ok"), "{:?}", next.story().await);
    assert_eq!(hosts.done(), ["web-1", "web-2", "web-3"], "after {before:?}");
}
