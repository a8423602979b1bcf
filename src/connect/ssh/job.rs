//! Something to run on a host, with its limits, and what came of it.
//!
//! One fixed text goes to the login shell over there: `exec sh -s`. What is to be run comes on that shell's input, so it is read
//! by a POSIX shell whatever the login shell is (fish takes a backslash before a quote for its own), and never appears in the
//! host's list of processes. What comes from outside is a quoted word there, never program text.

use super::master::Master;
use crate::clock;
use crate::domain::{Now, SourceError};
use openssh::{Child, Error, Session, Stdio};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The one command line that the host's login shell ever sees.
const SHELL: &str = "exec sh -s";
/// Kept of what a command says on its error output, in bytes.
const MOST_STDERR: usize = 16 << 10;

/// What to run: a program with arguments, or a fixed script with parameters.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    what: What<'a>,
    args: &'a [&'a str],
    /// When it is given up, connecting included.
    pub limit: Duration,
    /// Kept of its output, in bytes; the rest is read and dropped, and [`Output::cut`] says so.
    most: usize,
    /// Kept of the end of either output too, in bytes.
    tail: usize,
    tap: Option<&'a dyn Tap>,
}

/// Hears what a job says while it runs. It is called between two reads: whatever takes time must be done elsewhere.
pub trait Tap: fmt::Debug + Send + Sync {
    /// A piece of the output, or of the error output, as it came: it may end in the middle of a line or of a character.
    fn heard(&self, errors: bool, piece: &[u8]);
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Argv,
    Script(&'a str),
}

impl<'a> Job<'a> {
    /// A program with its arguments, found on the host's `PATH`. Its input is empty.
    pub const fn argv(argv: &'a [&'a str], limit: Duration) -> Self {
        Self { what: What::Argv, args: argv, limit, most: 1 << 20, tail: 0, tap: None }
    }

    /// A script for a POSIX shell; `args` are its `$1`, `$2`, … It is read from standard input: a command in it that reads its
    /// input reads the rest of the script, so give it `</dev/null`.
    pub const fn script(script: &'a str, args: &'a [&'a str], limit: Duration) -> Self {
        Self { what: What::Script(script), args, limit, most: 1 << 20, tail: 0, tap: None }
    }

    /// Keeps at most so many bytes of its output; 1 MiB when not said.
    #[must_use]
    pub const fn keep(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Keeps the last `tail` bytes of what is too long as well, behind a line that says how much is missing.
    #[must_use]
    pub const fn keep_end(mut self, tail: usize) -> Self {
        self.tail = tail;
        self
    }

    /// Lets somebody hear what it says while it runs.
    #[must_use]
    pub const fn heard_by(mut self, tap: Option<&'a dyn Tap>) -> Self {
        self.tap = tap;
        self
    }

    /// The arguments as words for a shell.
    fn words(&self) -> Result<String, SourceError> {
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(SourceError::new(
                "an argument holds a zero byte",
                "no command line can carry one: take it out",
            ));
        }
        Ok(self.args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" "))
    }

    /// The input of the shell.
    ///
    /// # Errors
    /// When an argument can't be one.
    pub(in crate::connect) fn input(&self) -> Result<Vec<u8>, SourceError> {
        let words = self.words()?;
        Ok(match self.what {
            What::Argv => format!("exec {words} </dev/null\n"),
            What::Script(script) if self.args.is_empty() => format!("{script}\n"),
            What::Script(script) => format!("set -- {words}\n{script}\n"),
        }
        .into_bytes())
    }
}

/// One word for a POSIX shell, whatever it holds: between single quotes nothing has a meaning but the quote itself.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status; 127 is also "no such program".
    Exit(i32),
    /// By a signal.
    Killed,
    /// Not within [`Job::limit`]. What it had said until then is kept; it may go on over there.
    GivenUp,
}

/// What came of a [`Job`].
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// Its output, at most [`Job::keep`] bytes, and those of [`Job::keep_end`].
    pub stdout: Vec<u8>,
    /// Its error output, at most 16 KiB, and the bytes of [`Job::keep_end`].
    pub stderr: Vec<u8>,
    /// Either was longer than what is kept.
    pub cut: bool,
    /// When it was asked for, after the connection stood.
    pub sent: Now,
    /// How long the host took to open a channel: a round trip, without the start of a shell. Zero when it did not.
    pub round_trip: Duration,
    /// When the first byte of its output came.
    pub first: Option<Now>,
}

impl Output {
    /// How far a clock is ahead of ours, in seconds, that showed this (seconds since 1970) right before the first byte left: that takes
    /// half a round trip to come; what lies before it, a shell that starts, may take long.
    pub fn ahead(&self, date: f64) -> Option<f64> {
        let read = self.first?.since(self.sent).saturating_sub(self.round_trip / 2);
        Some(date - (self.sent.wall.as_nanosecond() as f64 / 1e9 + read.as_secs_f64()))
    }
}

/// Runs it on a living connection until `end`. The error says whether anything had left by then.
pub(super) async fn run(master: &Master, input: &[u8], job: &Job<'_>, end: Instant) -> Result<Output, (bool, Error)> {
    let (mut out, mut err) = (Kept::output(job), Kept::errors(job));
    let (sent, mut round_trip, mut left) = (clock::now(), Duration::ZERO, false);
    let talking = async {
        let child = open(master).await?;
        round_trip = clock::now().since(sent);
        left = true;
        talk(master, child, input, &mut out, &mut err).await
    };
    let ended = match timeout_at(end, talking).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(why)) => return Err((left, why)),
        Err(_) => Ended::GivenUp,
    };
    Ok(Output::of(ended, out, err, sent, round_trip))
}

impl Output {
    /// From what was kept.
    pub(in crate::connect) fn of(ended: Ended, out: Kept<'_>, err: Kept<'_>, sent: Now, round_trip: Duration) -> Self {
        let (cut, first) = (out.cut || err.cut, out.first);
        Self { ended, stdout: out.all(), stderr: err.all(), cut, sent, round_trip, first }
    }
}

/// A piece of what something says that goes on and on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// On its output.
    Out(Vec<u8>),
    /// On its error output.
    Err(Vec<u8>),
}

/// What a followed program's shell says first on its error output: it is there, and begins.
pub const READING: &str = "quarterdeck-reads";

/// Runs `child` as long as somebody listens and the input stays open, then ends it: something that only waits for news does not
/// notice by itself that nobody reads them. One function, so that the shell has read all of it before anything else reads the input.
const FOLLOW: &str = r#"quarterdeck_follow() {
  echo quarterdeck-reads >&2
  exec 3<&0
  "$@" </dev/null 3<&- &
  child=$!
  { cat <&3; kill "$child"; } >/dev/null 2>&1 &
  watch=$!
  exec 3<&-
  wait "$child"
  code=$?
  kill "$watch" 2>/dev/null
  exit "$code"
}"#;

/// The input of a POSIX shell that runs a program for as long as this input is open.
///
/// # Errors
/// When an argument can't be one.
pub fn follow_input(argv: &[&str]) -> Result<Vec<u8>, SourceError> {
    let words = Job::script("", argv, Duration::MAX).words()?;
    Ok(format!("{FOLLOW}\nquarterdeck_follow {words}\n").into_bytes())
}

/// Runs it until it ends, handing on what it says; `out` holds a few pieces, and what is slow to take them slows it down.
pub(super) async fn follow(master: &Master, input: &[u8], out: &mpsc::Sender<Said>) -> Result<Ended, Error> {
    let mut child = open(master).await?;
    let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let mut stdin = stdin;
    if let Some(stdin) = &mut stdin {
        // A shell that is gone reads nothing: its exit status says more than the broken pipe.
        let _ = stdin.write_all(input).await;
    }
    tokio::join!(hand_on(stdout, out, Said::Out), hand_on(stderr, out, Said::Err));
    // Only now: its end is what ends the program over there.
    drop(stdin);
    exit(master, child).await
}

/// Hands on what a stream says, until its end or until nobody listens.
pub async fn hand_on(stream: Option<impl AsyncRead + Unpin>, out: &mpsc::Sender<Said>, kind: fn(Vec<u8>) -> Said) {
    let Some(mut stream) = stream else { return };
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        if out.send(kind(piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

/// A channel with a shell at its other end.
async fn open(master: &Master) -> Result<Child<&Session>, Error> {
    let mut command = master.session().raw_command(SHELL);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().await
}

async fn talk(
    master: &Master,
    mut child: Child<&Session>,
    input: &[u8],
    out: &mut Kept<'_>,
    err: &mut Kept<'_>,
) -> Result<Ended, Error> {
    let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A shell that is gone reads nothing: its exit status says more than the broken pipe.
            let _ = stdin.write_all(input).await;
        }
    };
    tokio::join!(write, out.read(stdout), err.read(stderr));
    exit(master, child).await
}

/// How it ended.
async fn exit(master: &Master, child: Child<&Session>) -> Result<Ended, Error> {
    match child.wait().await {
        Ok(status) => Ok(status.code().map_or(Ended::Killed, Ended::Exit)),
        // The library makes an error of status 127.
        Err(Error::Remote(_)) => Ok(Ended::Exit(127)),
        // It can't tell a killed command from a lost connection.
        Err(Error::RemoteProcessTerminated) if master.is_alive().await => Ok(Ended::Killed),
        Err(why) => Err(why),
    }
}

/// The first so many bytes of a stream, and its last ones.
#[derive(Debug)]
pub struct Kept<'a> {
    bytes: Vec<u8>,
    most: usize,
    tail: VecDeque<u8>,
    most_tail: usize,
    /// Bytes between the two.
    missing: usize,
    cut: bool,
    first: Option<Now>,
    tap: Option<&'a dyn Tap>,
    /// It is the error output.
    errors: bool,
}

impl<'a> Kept<'a> {
    /// Of a job's output.
    pub(in crate::connect) fn output(job: &Job<'a>) -> Self {
        Self { tap: job.tap, ..Self::new(job.most, job.tail) }
    }

    /// Of its error output.
    pub(in crate::connect) fn errors(job: &Job<'a>) -> Self {
        Self { tap: job.tap, errors: true, ..Self::new(MOST_STDERR, job.tail) }
    }

    /// Keeps at most so many bytes of the beginning, and so many of the end.
    pub const fn new(most: usize, most_tail: usize) -> Self {
        let bytes = Vec::new();
        Self {
            bytes,
            most,
            tail: VecDeque::new(),
            most_tail,
            missing: 0,
            cut: false,
            first: None,
            tap: None,
            errors: false,
        }
    }

    /// Reads to the end, so that what writes is never blocked by a full pipe.
    pub(in crate::connect) async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut piece = vec![0; 8 << 10];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            self.first.get_or_insert_with(clock::now);
            self.take(&piece[..length]);
            if let Some(tap) = self.tap {
                tap.heard(self.errors, &piece[..length]);
            }
        }
    }

    /// What the stream says next.
    pub fn take(&mut self, piece: &[u8]) {
        let room = self.most.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(&piece[..room]);
        self.tail.extend(&piece[room..]);
        let over = self.tail.len().saturating_sub(self.most_tail);
        self.tail.drain(..over);
        self.missing += over;
        self.cut |= over > 0;
    }

    /// So many bytes come next that nobody has seen.
    pub fn skip(&mut self, bytes: usize) {
        self.missing += bytes + self.tail.len();
        self.tail.clear();
        self.most = self.bytes.len();
        self.cut |= bytes > 0;
    }

    /// Both ends, and between them how much is missing.
    pub fn all(self) -> Vec<u8> {
        let mut all = self.bytes;
        if self.missing > 0 && self.most_tail > 0 {
            all.extend_from_slice(format!("\n… {} bytes are left out here …\n", self.missing).as_bytes());
        }
        all.extend(self.tail);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    const LIMIT: Duration = Duration::from_secs(1);

    fn text(job: &Job) -> String {
        String::from_utf8(job.input().unwrap()).unwrap()
    }

    #[test]
    fn programs_and_scripts_become_input_of_a_shell() {
        assert_eq!(text(&Job::argv(&["docker", "it's"], LIMIT)), "exec 'docker' 'it'\\''s' </dev/null\n");
        assert_eq!(text(&Job::script("date", &[], LIMIT)), "date\n");
        assert_eq!(text(&Job::script("echo \"$1\"", &["a b"], LIMIT)), "set -- 'a b'\necho \"$1\"\n");
        assert!(Job::argv(&["a\0b"], LIMIT).input().is_err());
    }

    #[test]
    fn of_a_flood_the_beginning_and_the_end_are_kept() {
        let kept = |most, tail, pieces: &[&str]| {
            let mut kept = Kept::new(most, tail);
            for piece in pieces {
                kept.take(piece.as_bytes());
            }
            (kept.cut, String::from_utf8(kept.all()).unwrap())
        };
        assert_eq!(kept(4, 0, &["abc", "def"]), (true, "abcd".to_owned()));
        assert_eq!(kept(4, 2, &["abc", "def"]), (false, "abcdef".to_owned()));
        assert_eq!(kept(4, 2, &["abcd", "efg", "hij"]), (true, "abcd\n… 4 bytes are left out here …\nij".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_word_stays_a_word(word in "[^\0]{0,20}|['\\\\$`\"\n;!* -]{1,12}") {
            let script = format!("printf %s {}", quoted(&word));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }
}
