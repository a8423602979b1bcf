//! What a script says here it says in the real bash too, with the same exit status; and what no bash is asked.

mod awk;
mod language;
mod tools;
mod world;

use super::{Call, Done, Ended, Files, Job, Outside, Stream, run};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A world of nothing but time.
#[derive(Default)]
pub(super) struct Alone {
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    pub(super) slept: f64,
    /// Ended once it has slept so long.
    pub(super) end: Option<(f64, Ended)>,
    pub(super) calls: Vec<Call>,
}

impl Outside for Alone {
    fn command(&mut self, call: &Call, _: &mut Files) -> Option<Done> {
        let done = match call.name.as_str() {
            "docker" => Done::said(format!("{}\n", call.args.join(" "))),
            "psql" => Done::said(call.stdin.clone()),
            "slow" => Done { seconds: 30.0, ..Done::said("late\n") },
            _ => return None,
        };
        self.calls.push(call.clone());
        Some(done)
    }

    fn has(&self, name: &str) -> bool {
        ["docker", "psql", "slow"].contains(&name)
    }

    fn file(&mut self, path: &str) -> Option<Vec<u8>> {
        (path == "/proc/meminfo").then(|| b"MemTotal:       16384000 kB\nMemAvailable:    8192000 kB\n".to_vec())
    }

    fn now(&self) -> f64 {
        1_700_000_000.25 + self.slept
    }

    fn sleep(&mut self, seconds: f64) -> Result<(), Ended> {
        self.slept += seconds;
        match self.end {
            Some((at, ended)) if self.slept >= at => {
                self.end = None;
                Err(ended)
            }
            _ => Ok(()),
        }
    }

    fn written(&mut self, to: Stream, bytes: &[u8]) {
        match to {
            Stream::Out => self.out.extend(bytes),
            Stream::Err => self.err.extend(bytes),
        }
    }
}

pub(super) fn files() -> Mutex<Files> {
    let mut files = Files::new();
    files.put_folder("/tmp", 0o1777, "root", 0.0);
    files.put_folder("/work", 0o755, "me", 1_700_000_000.0);
    Mutex::new(files)
}

pub(super) fn job(script: &str) -> Job {
    Job { script: script.to_owned(), user: "me".to_owned(), folder: "/work".to_owned(), ..Job::default() }
}

/// Standard output, error output and status of a script here.
pub(super) fn here(script: &str) -> (String, String, i32) {
    let mut alone = Alone::default();
    let code = run(&job(script), &files(), &mut alone);
    (String::from_utf8_lossy(&alone.out).into_owned(), String::from_utf8_lossy(&alone.err).into_owned(), code)
}

/// Standard output, error output and status of a script in the real bash.
fn there(script: &str) -> (String, String, i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script");
    std::fs::write(&file, script).expect("the script");
    let work = folder.path().join("work");
    std::fs::create_dir(&work).expect("a folder");
    let mut bash = Command::new("bash");
    bash.arg(&file).current_dir(&work).env_clear().stdin(Stdio::null());
    bash.env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", "/home/me")
        .env("USER", "me");
    let output = bash.output().expect("bash is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

/// Each of them says the same here and there.
pub(super) fn same(scripts: &[&str]) {
    let mut wrong = String::new();
    for script in scripts {
        let (out, err, code) = here(script);
        let (real_out, real_err, real_code) = there(script);
        if (&out, code) != (&real_out, real_code) {
            let _ = write!(
                wrong,
                "\n=== {script}\n--- here ({code})\n{out}{err}--- bash ({real_code})\n{real_out}{real_err}"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
