//! A cable that is cut: packets to and from a port on loopback vanish, and nobody is told. As a closed port or a killed
//! process never behaves.

use super::service::run_at_end;
use super::{is_root, program};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The right and the program to cut.
#[derive(Clone, Debug)]
pub struct Scissors(PathBuf);

/// The means to cut, where this process may.
pub fn scissors() -> Result<Scissors, String> {
    let program = program(&["iptables"], &[]).ok_or("iptables is not installed (iptables)")?;
    let may = is_root() && run(&program, &["-n", "-L", "INPUT"]);
    if may { Ok(Scissors(program)) } else { Err("the right to use iptables (root)".to_owned()) }
}

impl Scissors {
    /// Cuts one port off until the answer is dropped.
    pub fn cut(&self, port: u16) -> Cut {
        let rules: Vec<Vec<String>> = ["--dport", "--sport"].map(|side| rule(side, port)).into();
        for rule in &rules {
            run_at_end(&format!("{} -w -D {}", self.0.display(), rule.join(" ")));
            assert!(self.apply("-I", rule), "iptables takes the rule {rule:?}");
        }
        Cut { scissors: self.clone(), rules }
    }

    fn apply(&self, verb: &str, rule: &[String]) -> bool {
        let args: Vec<&str> = ["-w", verb].into_iter().chain(rule.iter().map(String::as_str)).collect();
        run(&self.0, &args)
    }
}

/// A port that is cut off; mended when dropped.
#[derive(Debug)]
pub struct Cut {
    scissors: Scissors,
    rules: Vec<Vec<String>>,
}

impl Drop for Cut {
    fn drop(&mut self) {
        for rule in &self.rules {
            self.scissors.apply("-D", rule);
        }
    }
}

fn rule(side: &str, port: u16) -> Vec<String> {
    format!("INPUT -i lo -p tcp {side} {port} -j DROP").split(' ').map(str::to_owned).collect()
}

fn run(program: &PathBuf, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
