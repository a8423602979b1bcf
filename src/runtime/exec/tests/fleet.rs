//! A rollout over many hosts: some dead, some slow, one that fails; how many are under way, and how many connections that takes. All of
//! them are names of one sshd, each with connections of its own.

use super::*;
use crate::connect::Server;
use crate::lab::poll;
use crate::lab::sshd::Sshd;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

/// Hosts at once.
const AT_ONCE: u16 = 5;
/// Connections of hosts that have just ended, and are being closed.
const CLOSING: usize = 3;

struct Fleet {
    sshd: Sshd,
    names: Vec<String>,
    folder: TempDir,
}

impl Fleet {
    fn new(sshd: Sshd, count: usize, dead: &[&str]) -> Self {
        let names: Vec<String> = (1..=count).map(|at| format!("web-{at:03}")).collect();
        sshd.many(names.iter().map(String::as_str), dead);
        Self { sshd, names, folder: tempfile::tempdir().unwrap() }
    }

    fn connections(&self) -> Connections {
        let mut connections = Connections::default();
        let mut servers = Vec::new();
        for name in &self.names {
            let ssh = connections.add_ssh(name, Some(&self.sshd.config())).unwrap();
            connections.name_host(name, &ssh);
            servers.push(Server { name: name.clone(), roles: vec!["web".to_owned()], ..Server::default() });
        }
        connections.name_all(servers, &BTreeMap::new(), &BTreeMap::new());
        connections
    }

    /// A runbook whose change does this on each host, and notes that it was there.
    fn page(&self, rollout: &str, script: &str) -> Library {
        let done = self.folder.path().join("done").display().to_string();
        let text = format!(
            "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: note\n---\n\n\
             ## Note\n\n```yaml rollout\nover: role:web\n{rollout}\n```\n\n### Note it\n\n\
             ```bash run on=host timeout=30s undo=none\nset -eu\n{script}\necho \"$QD_HOST\" >> {done}\n```\n\n\
             ```bash verify on=host timeout=30s\nset -eu\ngrep -qx \"$QD_HOST\" {done}\n```\n",
        );
        Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// Breaks the line to one of them.
    fn kill_master(&self, host: &str) {
        let of_host = |pid: &rustix::process::Pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == host.as_bytes())
        };
        let masters: Vec<_> = self.sshd.masters().into_iter().filter(of_host).collect();
        assert!(!masters.is_empty(), "{host} has a line");
        for pid in masters {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }

    fn done(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.path().join("done")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

async fn bridge(fleet: &Fleet, library: Library, at_once: u16) -> Bridge {
    let mut bridge = Bridge::new(fleet.connections(), library).await;
    let exec = Arc::get_mut(&mut bridge.exec).unwrap();
    exec.policy.parallel = NonZeroU16::new(at_once).unwrap();
    bridge
}

/// Runs it to its end; the run, and the most connections that there were at once.
async fn watched(bridge: &mut Bridge, fleet: &Fleet) -> (RunView, usize) {
    let plan = bridge.plan("page", json!({})).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let mut most = 0;
    loop {
        let event = bridge.until(|event| matches!(event, RunEvent::Record(_))).await;
        let ended = is_record(event, RecordKind::RunFinish);
        most = most.max(fleet.sshd.masters().len());
        if ended {
            return (bridge.runs.get(run).unwrap().clone(), most);
        }
    }
}

fn state(view: &RunView, host: &str) -> StepState {
    view.steps.iter().find(|step| step.host() == Some(host)).unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_hosts_of_which_some_are_dead_some_slow_and_one_fails_stop_where_the_runbook_says() {
    let dead = ["web-003", "web-012", "web-013"];
    let fleet = Fleet::new(need!(own_sshd), 50, &dead);
    let script =
        "case \"$QD_HOST\" in\n  web-011|web-014) sleep 4 ;;\n  web-015) echo 'no space left' >&2; exit 7 ;;\nesac";
    let library = fleet.page("serial: [10, 20]\nmax_fail: 3", script);
    let mut bridge = bridge(&fleet, library, AT_ONCE).await;
    let (view, most) = watched(&mut bridge, &fleet).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{}", view.reason);
    // Which, and why: three that were dead and the one that failed.
    assert!(view.reason.contains("4 hosts have failed, and at most 3 may: web-003, "), "{}", view.reason);
    for host in ["web-012", "web-013", "web-015"] {
        assert!(view.reason.contains(host), "{host}: {}", view.reason);
    }
    for host in dead {
        let step = view.steps.iter().find(|step| step.host() == Some(host)).unwrap();
        assert!(step.state == StepState::Failed && step.detail.contains("SSH to"), "{host}: {step:?}");
    }
    let failed = view.steps.iter().find(|step| step.host() == Some("web-015")).unwrap();
    assert!(failed.detail.contains("no space left"), "{}", failed.detail);
    // Those that were under way then were finished, though they are slow; none began after them.
    assert_eq!([state(&view, "web-011"), state(&view, "web-014")], [StepState::Ok; 2]);
    for host in ["web-030", "web-031", "web-050"] {
        assert_eq!(state(&view, host), StepState::Planned, "{host}");
    }
    let ok: BTreeSet<String> = view
        .steps
        .iter()
        .filter(|step| step.state == StepState::Ok)
        .filter_map(|step| step.host().map(str::to_owned))
        .collect();
    assert_eq!(fleet.done(), ok, "what is told as done was done, and nothing else");
    assert!(most > 1 && most <= usize::from(AT_ONCE) + CLOSING, "{most} connections at once");
    fleet.sshd.wait_masters(0);
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_host_is_cut_off_the_others_of_its_batch_go_on_and_no_new_batch_begins() {
    let fleet = Fleet::new(need!(own_sshd), 3, &[]);
    let (began, go) = (fleet.folder.path().join("began"), fleet.folder.path().join("go"));
    let script = format!(
        "if [ \"$QD_HOST\" = web-001 ]; then touch {}; until [ -e {} ]; do sleep 0.1; done; fi",
        began.display(),
        go.display()
    );
    let library = fleet.page("serial: [2]", &script);
    let mut bridge = bridge(&fleet, library, AT_ONCE).await;
    let plan = bridge.plan("page", json!({})).await;
    let run = bridge.exec.start(yes(plan, None)).unwrap();
    let there = move || poll(Duration::from_secs(30), || began.exists().then_some(()));
    assert!(tokio::task::spawn_blocking(there).await.unwrap().is_some(), "it begins");
    fleet.kill_master("web-001");
    bridge.until(|event| matches!(event, RunEvent::Detached { since: Some(_), .. })).await;
    let mate = || fleet.done().contains("web-002");
    while !(mate() && state(bridge.runs.get(run).unwrap(), "web-002") == StepState::Ok) {
        bridge.until(|event| matches!(event, RunEvent::Record(_))).await;
    }
    let view = bridge.runs.get(run).unwrap();
    assert_eq!([state(view, "web-001"), state(view, "web-003")], [StepState::Intent, StepState::Planned]);
    std::fs::write(go, "").unwrap();
    let view = bridge.end(run).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{}", view.reason);
    assert_eq!(fleet.done().len(), 3);
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: 500 connections"]
async fn long_rollout_over_five_hundred_hosts_keeps_a_bounded_number_of_connections() {
    let fleet = Fleet::new(need!(own_sshd), 500, &[]);
    let library = fleet.page("serial: [20, 100%]", "true");
    let mut bridge = bridge(&fleet, library, 20).await;
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    let (view, most) = watched(&mut bridge, &fleet).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{}", view.reason);
    assert_eq!(fleet.done().len(), 500);
    assert!(most <= 20 + 2 * CLOSING, "{most} connections at once");
    assert!(files() < before + 100, "{before} and then {} descriptors", files());
    bridge.exec.connections.close().await;
}
