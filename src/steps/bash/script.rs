//! The text that a host's shell reads, and what is read back: the script inside of what watches over it.
//!
//! All of it is one group of commands, which a shell reads to its end before it begins: what was cut off on the way runs nothing.
//! Variables are set by quoted words in that text, so that nothing stands on a command line. The script gets a process group of its
//! own; when its time is over the group is ended, and what survives is told.

use crate::connect::ssh::quoted;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write as _;
use std::time::Duration;

/// From the polite signal to the one that nothing survives, in seconds, and as much again for that one.
const GRACE: u64 = 3;

/// What to run, and how.
pub(super) struct Task<'a> {
    /// Names and values, for the script's environment.
    pub variables: &'a [(String, String)],
    pub body: &'a str,
    pub dir: Option<&'a str>,
    /// As whom; `None`: as whoever logs in.
    pub user: Option<&'a str>,
    /// When it is ended.
    pub timeout: Duration,
    /// A word that its output cannot hold.
    pub mark: &'a str,
    /// What its processes are known by later.
    pub key: Option<&'a str>,
}

/// What a look and a cut have in common: `left` says which processes a key is known by, as ids; ends with 3 where nobody can tell. One `grep` looks
/// at all processes, for a machine may have thousands; where it can't tell variables apart, each is taken by itself.
const LEFT: &str = r#"[ -e /proc/self/environ ] || exit 3
left() {
  if [ "$(printf 'a\0b\0' | grep -czxF b 2>/dev/null)" = 1 ]; then
    grep -lzsxF -- "QUARTERDECK_STEP=$key" /proc/[0-9]*/environ
  else
    for file in /proc/[0-9]*/environ; do
      if { tr '\0' '\n' <"$file" | grep -qxF -- "QUARTERDECK_STEP=$key"; } 2>/dev/null; then echo "$file"; fi
    done
  fi | while IFS=/ read -r _ _ pid _; do
    printf '%s ' "$pid"
  done
}
"#;

/// Says what still runs of a key, as ids.
pub(super) fn look() -> String {
    format!("{LEFT}left")
}

/// Ends what a key is known by, politely at first, and says what survives, as ids.
pub(super) fn cut() -> String {
    let ends = r#"for signal in TERM KILL; do
  for tries in 1 2 3 4 5 6; do
    pids=$(left)
    [ -n "$pids" ] || exit 0
    if [ "$tries" = 1 ]; then kill -s "$signal" $pids 2>/dev/null || true; fi
    sleep 0.4
  done
done
left"#;
    format!("{LEFT}{ends}")
}

impl Task<'_> {
    /// When nobody answers any more: its own end of the time should have come by then.
    pub(super) fn patience(&self) -> Duration {
        self.timeout + Duration::from_secs(2 * GRACE + 4)
    }

    /// The input of a POSIX shell.
    pub(super) fn input(&self) -> SecretString {
        let watched = self.watched();
        let watched = watched.expose_secret();
        let end = end_of(watched);
        let shell = self.user.map_or_else(String::new, |user| format!("sudo -n -u {} -- ", quoted(user)));
        SecretString::from(format!("{{\nexec {shell}bash -s <<'{end}'\n{watched}\n{end}\n}}\n"))
    }

    /// What the bash reads that watches over the script. Its own variables are written in capitals, as no parameter is: one that shared a
    /// parameter's name would change what the script sees.
    fn watched(&self) -> SecretString {
        let mut out = String::from("{\nset -m\n");
        for (name, value) in self.variables {
            // A String takes everything.
            let _ = writeln!(out, "export {name}={}", quoted(value));
        }
        if let Some(key) = self.key {
            let _ = writeln!(out, "export QUARTERDECK_STEP={}", quoted(key));
        }
        if let Some(dir) = self.dir {
            let _ = writeln!(out, "cd -- {} || exit 1", quoted(dir));
        }
        let (mark, end, body) = (self.mark, end_of(self.body), self.body);
        let seconds = self.timeout.as_secs() + u64::from(self.timeout.subsec_nanos() > 0);
        let _ = write!(
            out,
            "QUARTERDECK_LATE=\ntrap 'QUARTERDECK_LATE=1' USR1\nbash /dev/fd/9 9<<'{end}' </dev/null &\n{body}\n{end}\nQUARTERDECK_GROUP=$!\n\
             echo \"{mark} began $QUARTERDECK_GROUP\" >&2\n{{ sleep {seconds}; kill -USR1 $$; }} </dev/null >/dev/null 2>&1 &\nQUARTERDECK_CLOCK=$!\n\
             exec 8>&2 2>/dev/null\nQUARTERDECK_GRACE={}\n{WATCH}\nquarterdeck_watch {mark}\n}}",
            GRACE * 5
        );
        SecretString::from(out)
    }
}

/// Waits for the script's end or for the end of its time, and says on the error output which it was. That is descriptor 8 by then: what its
/// own shell says of jobs that were ended (`[1]-  Terminated …`) is no word of the script, whose error output is its own since it began.
const WATCH: &str = r#"quarterdeck_left() {
  local file stat state group found=
  for file in /proc/[0-9]*/stat; do
    stat=$(cat "$file" 2>/dev/null) || continue
    read -r state _ group _ <<<"${stat##*) }"
    if [ "$group" = "$1" ] && [ "$state" != Z ]; then found="$found ${stat%% *}"; fi
  done
  if [ -e /proc/self/stat ]; then echo "$found"; elif kill -0 -- "-$1" 2>/dev/null; then echo " of group $1"; fi
}
quarterdeck_end() {
  local signal tries
  for signal in TERM KILL; do
    kill -s "$signal" -- "-$1" 2>/dev/null
    tries=$QUARTERDECK_GRACE
    while [ "$tries" -gt 0 ]; do
      if [ -z "$(quarterdeck_left "$1")" ]; then return; fi
      sleep 0.2
      tries=$((tries - 1))
    done
  done
}
quarterdeck_watch() {
  local code=0
  if [ -z "$QUARTERDECK_LATE" ]; then wait "$QUARTERDECK_GROUP" 2>/dev/null; code=$?; fi
  if [ -n "$QUARTERDECK_LATE" ]; then
    quarterdeck_end "$QUARTERDECK_GROUP"
    echo "$1 late$(quarterdeck_left "$QUARTERDECK_GROUP")" >&8
    exit 124
  fi
  kill -s KILL -- "-$QUARTERDECK_CLOCK" 2>/dev/null
  echo "$1 ended $code" >&8
  exit "$code"
}"#;

/// A line that a text does not hold.
pub(super) fn end_of(text: &str) -> String {
    let mut end = "QUARTERDECK_END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It never began: `sudo` refused, there is no bash, or the folder is not there.
    NotBegun,
    /// It ended with this status.
    Ended(i64),
    /// Its time was over, and it was ended; what survived, as process ids.
    Late(String),
    /// It began, and nothing says how it ended.
    Silent,
}

/// Reads what the watch said, and takes it out of the error output.
pub(super) fn told(errors: &str, mark: &str) -> (Told, String) {
    let (mut told, mut rest) = (Told::NotBegun, String::new());
    for line in errors.split_inclusive('\n') {
        let said = line.find(mark).map(|at| (&line[..at], line[at + mark.len()..].trim_end_matches('\n')));
        let Some((before, said)) = said else {
            rest.push_str(line);
            continue;
        };
        rest.push_str(before);
        let (word, value) = said.trim_start().split_once(' ').unwrap_or((said.trim_start(), ""));
        told = match word {
            "ended" => value.parse().map_or(Told::Silent, Told::Ended),
            "late" => Told::Late(value.trim().to_owned()),
            _ => Told::Silent,
        };
    }
    (told, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Output, Stdio};

    fn task<'a>(variables: &'a [(String, String)], body: &'a str) -> Task<'a> {
        Task { variables, body, dir: None, user: None, timeout: Duration::from_secs(20), mark: "mark-1", key: None }
    }

    fn run(shell: &str, input: &str) -> Output {
        let mut child = Command::new(shell);
        child.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn said(output: &Output) -> (String, (Told, String)) {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (out.into_owned(), told(&err, "mark-1"))
    }

    #[test]
    fn a_script_sees_its_variables_and_says_how_it_ended() {
        let odd = "it's $HOME `id` \\ \"x\"\n\nQUARTERDECK_END\n";
        let variables = [("odd".to_owned(), odd.to_owned())];
        let body = "set -eu\nprintf '%s|' \"$odd\" \"$LINENO\"\ncat\nQUARTERDECK_END() { echo oops >&2; exit 3; }\nQUARTERDECK_END";
        for shell in ["sh", "bash"] {
            let output = run(shell, task(&variables, body).input().expose_secret());
            let (out, (told, err)) = said(&output);
            assert_eq!((out, told, err.as_str()), (format!("{odd}|2|"), Told::Ended(3), "oops\n"));
            assert_eq!(output.status.code(), Some(3));
        }
    }

    #[test]
    fn what_was_cut_off_on_the_way_runs_nothing() {
        let variables = [("a".to_owned(), "b".to_owned())];
        let task = task(&variables, "set -eu\necho one\necho two");
        let input = task.input();
        let input = input.expose_secret().trim_end();
        for length in (0..input.len()).step_by(7).chain([input.len() - 1]) {
            let output = run("sh", &input[..length]);
            assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{length} of {}", input.len());
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_before_it_begins() {
        let task = Task { dir: Some("/no/such/folder"), ..task(&[], "set -eu\necho ran") };
        let (out, (told, err)) = said(&run("sh", task.input().expose_secret()));
        assert_eq!((out.as_str(), told), ("", Told::NotBegun));
        assert!(err.contains("/no/such/folder"), "{err}");
        let task = Task { dir: Some("/"), ..task };
        assert_eq!(
            said(&run("sh", task.input().expose_secret())),
            ("ran\n".to_owned(), (Told::Ended(0), String::new()))
        );
    }

    #[test]
    fn the_whole_group_ends_when_its_time_is_over() {
        let body = "set -eu\ntrap '' TERM\nsleep 300 &\necho $!\nsleep 300 || true\nsleep 300";
        let task = Task { timeout: Duration::from_secs(1), ..task(&[], body) };
        let (out, (told, _)) = said(&run("sh", task.input().expose_secret()));
        assert_eq!(told, Told::Late(String::new()));
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", out.trim())).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }

    #[test]
    fn what_the_watch_itself_says_of_jobs_is_no_word_of_the_script() {
        for shell in ["sh", "bash", "dash"] {
            // It says something to the end, and its own shell says what became of its own job.
            let body =
                "set -eu\necho out\necho err >&2\nsh -c 'kill -TERM $$' || echo \"it ended with $?\" >&2\nsleep 300";
            let task = Task { timeout: Duration::from_secs(1), ..task(&[], body) };
            let (out, (told, err)) = said(&run(shell, task.input().expose_secret()));
            assert_eq!((out.as_str(), told), ("out\n", Told::Late(String::new())), "{shell}");
            assert!(err.starts_with("err\n") && err.contains("it ended with 143"), "{shell}: {err}");
            assert!(err.contains("Terminated"), "what the script's own shell says stays: {shell}: {err}");
            assert!(!err.contains("[1]") && !err.contains("/dev/fd/9 9<"), "{shell}: {err}");
        }
        // One that ends itself by a signal.
        let (_, (told, err)) =
            said(&run("sh", task(&[], "set -eu\necho last >&2\nkill -KILL $$").input().expose_secret()));
        assert_eq!((told, err.as_str()), (Told::Ended(137), "last\n"));
    }

    #[test]
    fn what_still_runs_is_known_by_its_key() {
        let body = "set -eu\nsleep 300 >/dev/null 2>&1 &\necho $!";
        let (out, _) = said(&run("sh", Task { key: Some("r/a b"), ..task(&[], body) }.input().expose_secret()));
        let ask = |key: &str, body: &str| {
            let variables = [("key".to_owned(), key.to_owned())];
            said(&run("sh", task(&variables, body).input().expose_secret()))
        };
        // A grep that can't tell variables apart, as that of busybox.
        let plain = format!("grep() {{ case $1 in *z*) return 2 ;; *) command grep \"$@\" ;; esac; }}\n{}", look());
        for look in [&look(), &plain] {
            assert_eq!(ask("r/a b", look).0.trim(), out.trim());
            assert_eq!(ask("r/a", look).0, "");
        }
        let cut = ask("r/a b", &cut());
        assert_eq!((cut.0.as_str(), cut.1.0), ("", Told::Ended(0)));
        assert_eq!(ask("r/a b", &look()).0, "");
    }

    #[test]
    fn what_left_the_group_is_nobody_here_and_a_line_without_its_end_is_read() {
        assert_eq!(told("mark-1 began 7\nx", "mark-1"), (Told::Silent, "x".to_owned()));
        assert_eq!(told("mark-1 began 7\nno linemark-1 ended 0\n", "mark-1"), (Told::Ended(0), "no line".to_owned()));
        assert_eq!(told("mark-1 began 7\nmark-1 late 8 9\n", "mark-1"), (Told::Late("8 9".to_owned()), String::new()));
        assert_eq!(told("sudo: a password is required\n", "mark-1").0, Told::NotBegun);
    }
}
