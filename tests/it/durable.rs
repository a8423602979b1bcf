//! The real program is killed (`kill -9`) while a script of its run is under way on a host: the next one has its result, output included;
//! it ran once, and can be taken back.

use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll, skip};
use crate::pty::Session;
use crate::support::{Home, LONG};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PAGE: &str = r"---
runbook: 1
id: long
title: Long
owner: o
reviewed: 2026-11-20
risk: low
---

# Long

It takes a while.

## Change

### Script

```bash run on=box timeout=60s SUDO
set -eu
echo one
echo run >> TRACES/effects
until [ -e TRACES/go ]; do sleep 0.1; done
echo two
```

```bash verify on=local timeout=10s
set -eu
grep -q run TRACES/effects
```

```bash undo on=box timeout=20s SUDO
set -eu
echo undo >> TRACES/effects
```
";

struct World {
    sshd: Sshd,
    traces: PathBuf,
    home: Home,
}

impl World {
    fn new(sshd: Sshd, sudo: &str) -> Self {
        let traces = crate::lab::service::folder("durable");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&traces, open).unwrap();
        let config = format!(
            "[ssh.{HOST}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[runbooks]\npaths = [\"books\"]\n",
            sshd.config().display()
        );
        let home = Home::new(&config);
        std::fs::create_dir(home.path().join("books")).unwrap();
        let page = PAGE.replace("TRACES", traces.to_str().unwrap()).replace(" SUDO", sudo);
        std::fs::write(home.path().join("books/long.md"), page).unwrap();
        Self { sshd, traces, home }
    }

    fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.traces.join("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Begins the run, and waits until its script is under way.
    fn start(&self) -> Session {
        let planned = json(&self.home.run(&["runbook", "plan", "long", "--json"]));
        assert_eq!(planned["blocked"], serde_json::json!([]), "{planned}");
        let hash = planned["hash"].as_str().unwrap();
        let screen = self.home.on_terminal(&["runbook", "run", "long", "--plan", hash, "--confirm", "y"]);
        let begun = poll(LONG, || (self.effects() == ["run"]).then_some(()));
        assert!(begun.is_some(), "it begins: {}", screen.text());
        screen
    }

    fn go(&self) {
        std::fs::write(self.traces.join("go"), "").unwrap();
    }

    /// Kills the script and what keeps it, as a power cut does.
    fn end_script(&self) {
        let home = self.sshd.config().parent().unwrap().to_owned();
        let [dir] = &kept(&home)[..] else { panic!("{:?}", kept(&home)) };
        for file in ["pid", "body"] {
            let text = std::fs::read_to_string(dir.join(file)).unwrap();
            let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).unwrap();
            kill_process_group(pid, Signal::KILL).or_else(|_| kill_process(pid, Signal::KILL)).unwrap();
        }
    }

    /// Killed in the middle of its script, and looked after: the record of what was found.
    fn killed(&self) -> Value {
        let mut screen = self.start();
        screen.signal(Signal::KILL);
        screen.wait_exit();
        self.go();
        let told = self.home.run(&["runbook", "resume", "--json"]);
        assert_eq!(told.status.code(), Some(0), "{told:?}");
        let found = self.home.records().into_iter().find(|record| record["kind"] == "step.reconcile");
        found.unwrap_or_else(|| panic!("{told:?}"))
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

/// The directories of steps below a home.
fn kept(home: &Path) -> Vec<PathBuf> {
    let steps = home.join(".local/state/quarterdeck/steps");
    std::fs::read_dir(steps).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_script_outlives_a_quarterdeck_that_is_killed_and_its_whole_result_is_found() {
    let world = World::new(need!(own_sshd), "");
    let found = world.killed();
    assert_eq!((&found["data"]["state"], &found["data"]["output"]), (&"ok".into(), &"one\ntwo".into()), "{found}");
    assert_eq!(world.effects(), ["run"]);
    let kept = kept(world.sshd.config().parent().unwrap());
    assert!(kept.len() == 1 && kept[0].join("over").exists() && !kept[0].join("out").exists(), "{kept:?}");
    let run = world.home.try_runs().pop().unwrap();
    let planned = json(&world.home.run(&["runbook", "resume", &run, "--undo", "--plan-only", "--json"]));
    let hash = planned["hash"].as_str().unwrap();
    let undone = world.home.run(&["runbook", "resume", &run, "--undo", "--plan", hash, "--confirm", "y"]);
    assert_eq!(undone.status.code(), Some(0), "{undone:?}");
    assert_eq!(world.effects(), ["run", "undo"]);
}

#[test]
fn a_host_that_was_started_again_in_the_middle_leaves_its_step_unknown_until_somebody_says_what_they_saw() {
    let sshd = need!(own_sshd);
    let boot = sshd.config().with_file_name("boot");
    std::fs::write(&boot, "first\n").unwrap();
    sshd.force(&format!("export QUARTERDECK_LAB_BOOT_ID={}; exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\"", boot.display()));
    let world = World::new(sshd, "");
    let mut screen = world.start();
    screen.signal(Signal::KILL);
    screen.wait_exit();
    // All that ran there is gone, without a word.
    world.end_script();
    std::fs::write(&boot, "second\n").unwrap();
    let told = world.home.run(&["runbook", "resume", "--json"]);
    assert_eq!(told.status.code(), Some(3), "{told:?}");
    let run = world.home.try_runs().pop().unwrap();
    let stands = json(&told)["runs"][0].clone();
    assert_eq!((&stands["outcome"], &stands["steps"][0]["state"]), (&"unknown".into(), &"unknown".into()), "{stands}");
    assert!(stands.to_string().contains("the host was started again meanwhile"), "{stands}");
    for way in ["--go-on", "--undo"] {
        let refused = world.home.run(&["runbook", "resume", &run, way, "--plan-only"]);
        assert_eq!(refused.status.code(), Some(5), "{way}: {refused:?}");
    }
    let seen = ["runbook", "resume", &run, "--saw", "happened", "--reason", "the line stands in its file"];
    assert_eq!(world.home.run(&seen).status.code(), Some(0));
    assert_eq!(world.effects(), ["run"], "it was not sent again");
}

#[test]
fn a_host_whose_clock_is_off_is_told_with_the_step_and_how_far_stands_in_its_record() {
    let (sshd, skew) = (need!(own_sshd), need!(skew));
    let [_, preload] = &skew.ahead(-40)[..] else { panic!("env and a variable") };
    sshd.force(&format!("export {preload}; exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\""));
    let world = World::new(sshd, "");
    let mut screen = world.start();
    world.go();
    assert!(screen.wait_exit().success(), "{}", screen.text());
    let record = world.home.records().into_iter().find(|record| record["kind"] == "step.exit").unwrap();
    let ahead = record["data"]["host_clock_ahead_ms"].as_i64().unwrap();
    assert!((-42_000..=-39_000).contains(&ahead), "{record}");
    let detail = record["data"]["detail"].as_str().unwrap();
    assert!(detail.contains("; its clock is 4") || detail.contains("; its clock is 39."), "{detail}");
    assert!(detail.ends_with(" s behind this machine's"), "{detail}");
}

#[test]
fn a_script_of_another_user_is_kept_and_found_as_that_user() {
    let here = "it::durable::a_script_of_another_user_is_kept_and_found_as_that_user";
    let may = Command::new("sudo").args(["-n", "-u", "nobody", "--", "sh", "-c", "id -un"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return skip(here, "sudo, and the right to be nobody by it without a password");
    }
    let world = World::new(need!(own_sshd), " sudo=nobody");
    let found = world.killed();
    assert_eq!((&found["data"]["state"], &found["data"]["output"]), (&"ok".into(), &"one\ntwo".into()), "{found}");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(world.traces.join("effects")).unwrap());
    assert_ne!(owner, 0);
    assert_eq!(kept(world.sshd.config().parent().unwrap()), Vec::<PathBuf>::new(), "nothing of it is the login's");
}
