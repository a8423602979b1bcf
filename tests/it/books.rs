//! A desk with a runbook of its own (`own`), planned and run by the command line as a script does it.

use crate::desk::Desk;
use serde_json::Value;
use std::process::Output;

/// The front matter that all of them have.
pub const FRONT: &str = "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: go\n";

/// A desk whose config names the folder with it.
pub struct Books {
    pub desk: Desk,
}

/// What became of a run.
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// All that it printed, on both ways.
    pub said: String,
}

impl Books {
    /// `front`: more lines of the front matter; `steps`: what stands below its first section.
    pub fn new(config: &str, front: &str, steps: &str) -> Self {
        let desk = Desk::with(&format!("{config}\n[runbooks]\npaths = [\"books\"]\n"));
        std::fs::create_dir(desk.home().join("books")).unwrap();
        let this = Self { desk };
        this.write(front, steps);
        this
    }

    /// Writes the runbook anew.
    pub fn write(&self, front: &str, steps: &str) {
        self.desk.file("books/own.md", &format!("{FRONT}{front}---\n\n# Own\n\nIt is tried.\n\n## Do\n\n{steps}"));
    }

    /// The plan as JSON.
    pub fn plan(&self, vars: &[&str]) -> Value {
        let output = self.desk.run(&[&["runbook", "plan", "own", "--json"], vars].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|why| panic!("{why}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// What `plan` says where no plan can be made.
    pub fn refusal(&self, vars: &[&str]) -> String {
        said(&self.desk.run(&[&["runbook", "plan", "own"], vars].concat()))
    }

    /// Runs what is planned now, with its own answer.
    pub fn run(&self, vars: &[&str]) -> Ran {
        let plan = self.plan(vars);
        self.run_plan(&plan, vars)
    }

    /// Runs the plan of a moment ago.
    pub fn run_plan(&self, plan: &Value, vars: &[&str]) -> Ran {
        let (hash, answer) = (plan["hash"].as_str().unwrap(), plan["confirm"].as_str().unwrap_or("y"));
        let run = ["runbook", "run", "own", "--plan", hash, "--confirm", answer];
        let output = self.desk.run(&[&run, vars].concat());
        Ran { code: output.status.code().unwrap(), said: said(&output) }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
