//! The programs that every machine has, as far as runbooks use them. What one does not know of its options it says.

mod archive;
mod awk;
mod compare;
mod copy;
pub(super) mod date;
mod find;
mod folders;
pub(super) mod format;
mod grep;
pub mod jq;
mod list;
mod options;
pub(super) mod regex;
mod run;
mod sed;
mod sort;
mod system;
mod text;
pub(super) mod users;

use super::builtins::Builtin;
use super::state::{Flow, Shell};

/// The tool of a name.
pub(super) fn of(name: &str) -> Option<Builtin> {
    Some(match name {
        "bash" | "sh" | "dash" => run::bash,
        "sudo" => run::sudo,
        "runuser" | "su" => run::runuser,
        "env" => run::env,
        "timeout" => run::timeout,
        "nohup" | "setsid" | "nice" | "ionice" | "stdbuf" => run::plain,
        "flock" => run::flock,
        "xargs" => run::xargs,
        "sleep" => run::sleep,
        "cat" => text::cat,
        "head" => text::head,
        "tail" => text::tail,
        "wc" => text::wc,
        "cut" => text::cut,
        "tr" => text::tr,
        "tee" => text::tee,
        "seq" => text::seq,
        "tac" => text::tac,
        "sort" => sort::sort,
        "uniq" => sort::uniq,
        "grep" | "egrep" | "fgrep" => grep::grep,
        "sed" => sed::sed,
        "awk" | "gawk" | "mawk" => awk::awk,
        "jq" => jq::jq,
        "find" => find::find,
        "date" => date::date,
        "mkdir" => folders::mkdir,
        "rmdir" => folders::rmdir,
        "rm" => folders::rm,
        "mv" => copy::mv,
        "cp" => copy::cp,
        "ln" => copy::ln,
        "touch" => folders::touch,
        "chmod" => folders::chmod,
        "chown" | "chgrp" => folders::chown,
        "install" => copy::install,
        "mktemp" => folders::mktemp,
        "truncate" => folders::truncate,
        "ls" => list::ls,
        "stat" => list::stat,
        "readlink" => list::readlink,
        "realpath" => list::realpath,
        "basename" => list::basename,
        "dirname" => list::dirname,
        "gzip" | "gunzip" | "zcat" => archive::gzip,
        "tar" => archive::tar,
        "sha256sum" => compare::sha256sum,
        "base64" => compare::base64,
        "cmp" => compare::cmp,
        "diff" => compare::diff,
        "id" => system::id,
        "whoami" => system::whoami,
        "hostname" => system::hostname,
        "uname" => system::uname,
        "which" => system::which,
        "printenv" => system::printenv,
        "sync" => |_, _| Ok(0),
        _ => return None,
    })
}

/// A file's name and what is in it.
pub(super) type Source = (String, Vec<u8>);

impl Shell<'_> {
    /// What is in files, or on the standard input where none is named; what can't be read is said. Gives also whether all could.
    pub(super) fn inputs(&mut self, tool: &str, paths: &[String]) -> Result<(Vec<Source>, bool), Flow> {
        if paths.is_empty() {
            return Ok((vec![("-".to_owned(), self.input()?)], true));
        }
        let (mut out, mut whole) = (Vec::new(), true);
        for path in paths {
            if path == "-" {
                out.push((path.clone(), self.input()?));
                continue;
            }
            match self.read_file(path) {
                Ok(bytes) => out.push((path.clone(), bytes)),
                Err(why) => {
                    self.say(&format!("{tool}: {path}: {why}\n"));
                    whole = false;
                }
            }
        }
        Ok((out, whole))
    }
}

/// The lines of a text, without their ends; what is no UTF-8 is replaced.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut all: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if all.last().is_some_and(String::is_empty) {
        all.pop();
    }
    all
}
