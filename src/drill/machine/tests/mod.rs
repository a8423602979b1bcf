//! The shipped runbooks' own scripts, run on these machines.

use super::*;
use crate::drill::Scenario;
use crate::drill::shell::{Job, Stream};
use crate::drill::stage::Stage;
use crate::drill::world::Size;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Seconds of the world in one of ours.
const SPEED: f64 = 60.0;

/// A production whose time goes by.
struct Lab {
    stage: Shared,
    machines: Vec<Machine>,
    over: Arc<AtomicBool>,
}

impl Lab {
    fn new(scenario: &str) -> Self {
        let lab = Self::still(scenario);
        let (time, ends) = (lab.stage.clone(), Arc::clone(&lab.over));
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                time.lock().until(now());
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        lab
    }

    /// One whose time stands still.
    fn still(scenario: &str) -> Self {
        let scenario = Scenario::built_in(scenario).unwrap();
        let stage = Shared::new(Stage::new(1, Size::default(), scenario, jiff::Timestamp::now(), SPEED).unwrap());
        let count = stage.lock().world.servers.len();
        let machines = (0..count).map(|at| Machine::new(stage.clone(), at, Token("t".to_owned()))).collect();
        Self { stage, machines, over: Arc::default() }
    }

    fn on(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).unwrap()
    }

    /// Until the world is at that second at least.
    fn pass(&self, second: i64) {
        while self.stage.lock().world.at < second {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its status, and what it said.
    fn run(&self, on: &str, script: &str, user: &str, folder: &str, vars: &[(&str, &str)]) -> (i32, String) {
        let run = ("QUARTERDECK_RUN", "0198f0aa");
        let env = vars.iter().chain([&run]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (script, user, folder) = (script.to_owned(), user.to_owned(), folder.to_owned());
        let job = Job { script, env, user, folder, ..Job::default() };
        let mut said = Vec::new();
        let mut told = |_: Stream, bytes: &[u8]| said.extend_from_slice(bytes);
        let code = self.on(on).run(&job, &Control::new(Duration::from_secs(60)), &mut told);
        (code, String::from_utf8_lossy(&said).into_owned())
    }

    /// Every script of a runbook, one after the other, as it is with these values. What fails where it should not is told.
    fn play(&self, text: &str, on: &[(&str, &str)], vars: &[(&str, &str)], leave: &[&str]) {
        for (head, body) in
            fences(text).into_iter().filter(|(head, _)| !leave.iter().any(|word| head.starts_with(word)))
        {
            let place = head.split_whitespace().find_map(|word| word.strip_prefix("on=")).unwrap();
            let machine = on.iter().find(|(name, _)| *name == place).map(|(_, to)| *to);
            let Some(machine) = machine else { continue };
            let user = if head.contains("sudo=postgres") {
                "postgres"
            } else if head.contains("sudo") {
                "root"
            } else {
                USER
            };
            let folder = head.split_whitespace().find_map(|word| word.strip_prefix("dir=")).unwrap_or("/home/ops");
            let asked_again = Instant::now() + Duration::from_secs(if head.contains("every=") { 60 } else { 0 });
            let (code, said) = loop {
                let (code, said) = self.run(machine, &body, user, folder, vars);
                if code == 0 || Instant::now() >= asked_again {
                    break (code, said);
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            println!("--- {head}\n{said}= {code}");
            assert!(code == 0 || code == 2 && head.contains("check"), "{head}\n{body}\n{said}= {code}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The `bash` fences of a page: what stands behind the word, and the script.
fn fences(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for rest in text.split("\n```bash ").skip(1) {
        let (head, rest) = rest.split_once('\n').unwrap();
        let (body, _) = rest.split_once("\n```").unwrap();
        all.push((head.to_owned(), body.to_owned()));
    }
    all
}

macro_rules! runbook {
    ($name:literal) => {
        include_str!(concat!("../../../../assets/runbooks/", $name, ".md"))
    };
}

mod cloud;
mod databases;
mod deployments;
mod servers;
