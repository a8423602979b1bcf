//! Where systemd runs a step has a scope, so that a process of it that sheds its session and its environment is found too. No systemd runs here: what
//! stands in for `systemd-run` makes a group of the kernel's by that name, moves itself there and becomes the command, as it does.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// Where the kernel's groups are that are no kind of limit.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// What makes a scope; `$QD_UNIT` is its name.
const MAKES: &str =
    "mkdir \"$QD_ROOT/$QD_UNIT.scope\"\necho $$ >\"$QD_ROOT/$QD_UNIT.scope/cgroup.procs\"\nexec \"$@\"\n";

/// A host on which systemd seems to run, with that in the place of what its `systemd-run` does; `None`: it can't be here.
fn host(does: &str) -> Option<Host> {
    let is_root = rustix::process::getuid().is_root();
    let root = ROOTS.into_iter().find(|root| Path::new(root).join("cgroup.controllers").exists())?;
    let tried = Path::new(root).join(format!("quarterdeck-lab-{}.scope", std::process::id()));
    if !is_root || fs::create_dir(&tried).is_err() {
        return None;
    }
    let _ = fs::remove_dir(tried);
    let mut host = Host::any();
    let file = host.path().join("bin/systemd-run");
    let reads =
        "QD_UNIT=\nwhile [ \"$1\" != -- ]; do case $1 in --unit=*) QD_UNIT=${1#--unit=} ;; esac; shift; done\nshift\n";
    let log = format!("echo \"$QD_UNIT\" >>{}\n", host.path().join("asked").display());
    fs::write(&file, format!("#!/bin/sh\nset -eu\nQD_ROOT={root}\n{reads}{log}{does}")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    host.systemd = Some(host.path().to_owned());
    Some(host)
}

fn skipped(name: &str) {
    crate::lab::skip(
        &format!("quarterdeck::steps::bash::durable::tests::scope::{name}"),
        "root and groups of the kernel (cgroup2)",
    );
}

/// What `systemd-run` was asked for: how often.
fn asked(host: &Host) -> usize {
    fs::read_to_string(host.path().join("asked")).unwrap_or_default().lines().count()
}

/// A step whose child has a session of its own and an empty environment.
fn sheds(host: &Host) -> String {
    let file = host.path().join("child");
    let file = file.display();
    host.start(
        "shed",
        &format!("env -i setsid sh -c 'echo $$ >{file}.new; mv {file}.new {file}; exec sleep 300' &\nsleep 300"),
    );
    wait_file(&host.path().join("child")).trim().to_owned()
}

/// Groups that are empty by now.
fn tidy(host: &Host) {
    for root in ROOTS {
        for unit in fs::read_to_string(host.path().join("asked")).unwrap_or_default().lines() {
            let _ = fs::remove_dir(Path::new(root).join(format!("{unit}.scope")));
        }
    }
}

#[test]
fn in_a_scope_a_process_that_sheds_its_session_and_environment_is_ended_with_the_rest() {
    let Some(host) = host(MAKES) else {
        return skipped("in_a_scope_a_process_that_sheds_its_session_and_environment_is_ended_with_the_rest");
    };
    let child = sheds(&host);
    assert!(lives(&child));
    let (left, state) = host.cancel("shed");
    assert_eq!(left, "");
    assert!(matches!(&state, State::Done(end) if end.how == How::Cancelled), "{state:?}");
    assert!(!lives(&child), "it is ended too");
    assert_eq!(asked(&host), 2, "tried, and done");
    // One that goes by itself is as without it: status, both outputs, input, folder.
    host.start("well", "echo out; echo err >&2; cat; pwd; exit 5");
    let (end, out, err) = host.end("well");
    assert_eq!((end.how, end.code, err.as_str()), (How::Ended, Some(5), "err\n"));
    assert!(out.starts_with("out\n/"), "{out}");
    assert_eq!(host.start("well", "echo again"), vec![Word::Exists(host.state("well"))], "and once");
    tidy(&host);
}

#[test]
fn without_a_scope_it_is_as_it_was() {
    let ways = [
        ("it fails", "exit 1\n"),
        ("its command has another input", "exec 9<&-\nexec \"$@\"\n"),
        (
            "its command has no environment",
            "mkdir \"$QD_ROOT/$QD_UNIT.scope\"\necho $$ >\"$QD_ROOT/$QD_UNIT.scope/cgroup.procs\"\nexec env -i PATH=\"$PATH\" \"$@\"\n",
        ),
        ("it makes no scope", "exec \"$@\"\n"),
        ("nobody answers it", "sleep 300\n"),
    ];
    for (why, does) in ways {
        let Some(host) = host(does) else { return skipped("without_a_scope_it_is_as_it_was") };
        host.start("plain", "echo said; exit 3");
        let (end, out, _) = host.end("plain");
        assert_eq!((end.how, end.code, out.as_str()), (How::Ended, Some(3), "said\n"), "{why}");
        assert_eq!(asked(&host), 1, "{why}: tried alone");
        assert!(!host.dir("plain").join("scope").exists(), "{why}");
        tidy(&host);
    }
    let Some(mut host) = host(MAKES) else { return };
    host.systemd = Some(host.path().join("no-such-folder"));
    host.start("plain", "exit 3");
    assert_eq!((host.end("plain").0.code, asked(&host)), (Some(3), 0), "no systemd runs there: nothing is asked of it");
}

#[test]
fn one_whose_scope_fails_after_all_has_not_begun_and_says_so() {
    let does = format!(
        "case $QD_UNIT in *-try-*) ;; *) echo 'Failed to start transient scope unit' >&2; exit 1 ;; esac\n{MAKES}"
    );
    let Some(host) = host(&does) else { return skipped("one_whose_scope_fails_after_all_has_not_begun_and_says_so") };
    let file = host.path().join("ran");
    host.start("none", &format!("touch {}", file.display()));
    let end = Instant::now() + LIMIT;
    let state = loop {
        match host.state("none") {
            State::Running | State::Claimed if Instant::now() < end => {}
            state => break state,
        }
    };
    assert!(
        matches!(&state, State::No(why) if why.contains("Failed to start transient scope unit"))
            || state == State::None,
        "{state:?}"
    );
    assert!(!file.exists());
    tidy(&host);
}

#[test]
fn what_is_in_another_scope_is_never_touched() {
    let Some(host) = host(MAKES) else { return skipped("what_is_in_another_scope_is_never_touched") };
    host.start("mine", "exec sleep 300");
    let body = host.process("mine", "body");
    for place in ["/", "/user.slice", "/quarterdeck-0000.scope", "/system.slice/..", ""] {
        fs::write(host.dir("mine").join("scope"), format!("{place}\n")).unwrap();
        // No signal is sent: what would get one is named.
        let input = Ask::Cancel { grace: 1 }.input(&host.key("mine"), None, MARK);
        let input = input.expose_secret().replace("kill \"-$QD_SIGNAL\"", ": ");
        let output = host.spawn(&input).wait_with_output().unwrap();
        let said = words(&output.stdout, MARK).unwrap();
        assert_eq!(said[0], Word::Left(format!("{body} (sleep)")), "{place}");
    }
    host.cancel("mine");
    tidy(&host);
}
