//! Stand-ins for the commands of clouds that can't be reached from here (`aws`, `gh`, `terraform`, …): each is a program on a `PATH` that
//! records how it is called, word by word, and answers what it was told to answer to exactly those words. Any other call is refused, so a
//! runbook that calls one differently fails.

use super::service::folder;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What a stand-in ends with when it is called by words that it knows no answer to.
pub const UNKNOWN_CALL: u8 = 97;

/// Between the words of a call, in what is recorded and hashed: no word holds it.
const BETWEEN: &str = "\u{1f}";

/// One program for all names. It is told of by its own path, so a link to it is another command.
const PROGRAM: &str = r#"#!/bin/sh
here=$(dirname "$0")/..
name=$(basename "$0")
call=$name
for word; do call="$call$(printf '\037')$word"; done
exec 9>>"$here/lock"
flock 9
# A line break inside a word is one in the record too, so calls end with a byte of their own.
printf '%s\036' "$call" >>"$here/calls"
answers=$here/answers/$(printf '%s' "$call" | sha256sum | cut -d ' ' -f 1)
if [ ! -d "$answers" ]; then
  for pattern in "$here"/answers/*/pattern; do
    [ -e "$pattern" ] || continue
    # Unquoted, for what it matches.
    case $call in $(cat "$pattern")) answers=$(dirname "$pattern") ;; esac
  done
fi
if [ ! -d "$answers" ]; then
  printf 'stand-in: nobody expects  %s' "$name" >&2
  for word; do printf " '%s'" "$word" >&2; done
  echo >&2
  exit 97
fi
# One after the other, and the last one for good.
at=$(cat "$answers/next" 2>/dev/null || echo 1)
[ -e "$answers/$((at + 1)).code" ] && echo $((at + 1)) >"$answers/next"
exec 9>&-
cat "$answers/$at.out"
cat "$answers/$at.err" >&2
exit "$(cat "$answers/$at.code")"
"#;

/// Some commands of clouds, for one test.
#[derive(Debug)]
pub struct Cloud {
    home: PathBuf,
}

impl Cloud {
    /// Stand-ins for these commands, which know no call yet.
    pub fn new(commands: &[&str]) -> Self {
        let home = folder("cloud");
        // Whoever a script runs as may call them.
        for name in ["bin", "answers"] {
            fs::create_dir(home.join(name)).expect("a folder in the lab's");
        }
        for name in ["calls", "lock"] {
            fs::write(home.join(name), "").expect("a file in the lab's");
        }
        let open = |name: &str, mode| fs::set_permissions(home.join(name), fs::Permissions::from_mode(mode));
        for (name, mode) in [("answers", 0o777), ("calls", 0o666), ("lock", 0o666)] {
            open(name, mode).expect("permissions in the lab's folder");
        }
        for command in commands {
            let program = home.join("bin").join(command);
            fs::write(&program, PROGRAM).expect("a program in the lab's folder");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions of a program");
        }
        Self { home }
    }

    /// The folder that comes first in a `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.home.join("bin")
    }

    /// A `PATH` that finds the stand-ins before anything of this machine.
    pub fn path(&self) -> String {
        format!("{}:{}", self.bin().display(), std::env::var("PATH").unwrap_or_default())
    }

    /// What this call (the command and its words) prints, ending with 0. Told again for the same call, that is what the next one prints.
    /// A `*` in a word stands for what the test can't know beforehand, as a time: it looks at [`Self::calls`].
    pub fn answers(&self, call: &[&str], out: &str) {
        self.ends(call, out, "", 0);
    }

    /// How this call ends, and what it says on both outputs.
    pub fn ends(&self, call: &[&str], out: &str, err: &str, code: u8) {
        let answers = self.home.join("answers").join(key(call));
        fs::create_dir_all(&answers).expect("a folder in the lab's");
        fs::set_permissions(&answers, fs::Permissions::from_mode(0o777)).expect("permissions in the lab's folder");
        if call.iter().any(|word| word.contains('*')) {
            fs::write(answers.join("pattern"), call.join(BETWEEN)).expect("a file in the lab's folder");
        }
        let next = (1..1000).find(|at| !answers.join(format!("{at}.code")).exists()).unwrap_or(1);
        for (kind, text) in [("out", out), ("err", err), ("code", &code.to_string())] {
            fs::write(answers.join(format!("{next}.{kind}")), text).expect("a file in the lab's folder");
        }
    }

    /// All calls so far, each with its words, in their order.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let calls = fs::read_to_string(self.home.join("calls")).expect("what was called");
        let calls = calls.split_terminator('\u{1e}');
        calls.map(|call| call.split(BETWEEN).map(str::to_owned).collect()).collect()
    }

    /// The calls so far of one command as lines, for a test whose words hold no blanks worth telling apart.
    pub fn called(&self, command: &str) -> Vec<String> {
        self.calls().iter().filter(|call| call[0] == command).map(|call| call.join(" ")).collect()
    }
}

fn key(call: &[&str]) -> String {
    let call = call.join(BETWEEN);
    Sha256::digest(call.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
