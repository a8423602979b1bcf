//! A change that its host keeps: what is sent there to begin it, to hear of it, to end it and to forget it, and what is read back.
//!
//! Each request is one group of commands for a POSIX shell (`durable.sh`), read to its end before it begins. What is begun comes with its
//! SHA-256, claims a directory under its key, and runs in a session of its own: no connection owns it. Variables, secrets and body
//! stay in the memory of shells; in the directory is what it says, and how it ended.

use super::script::end_of;
use crate::connect::ssh::quoted;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;

/// What the host's shell is given to read.
const PROGRAM: &str = include_str!("durable.sh");
/// Of an output so many bytes of the beginning are handed over whatever comes after them.
pub(super) const HEAD: usize = 64 << 10;
/// So many bytes are handed over at once.
const PIECE: usize = 128 << 10;
/// What is further behind than so many bytes is passed over, up to the last piece.
const BEHIND: usize = 1 << 20;
/// A longer output, in bytes, is begun anew over there; what it was is then counted, and not hashed any more.
const MOST: usize = 256 << 20;
/// From the polite signal to the one that nothing survives, in seconds, when its time is over.
pub(super) const GRACE: u64 = 3;
/// Digits of a key.
const KEY: usize = 40;

/// Whose step it is.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// For people, and for the script's environment: `run/step/host`.
    name: String,
    /// Hexadecimal digits; the name of its directory.
    digits: String,
}

impl Key {
    /// `undo`: it takes the step back, and so often that was tried before.
    pub(super) fn new(run: &str, step: &str, on: &str, undo: Option<u32>) -> Self {
        let undo = match undo {
            None => String::new(),
            Some(0) => "/undo".to_owned(),
            Some(tried) => format!("/undo/{tried}"),
        };
        let name = format!("{run}/{step}/{on}{undo}");
        let digits = hex(&Sha256::digest(&name));
        Self { digits: digits[..KEY].to_owned(), name }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // A String takes everything.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// What is wanted of a host.
#[derive(Debug)]
pub(super) enum Ask<'a> {
    /// Whether it could keep something.
    Probe,
    /// To begin it.
    Start(&'a Script<'a>),
    /// To say what is new, waiting for that about so many seconds.
    Poll { wait: u64, out: u64, err: u64 },
    /// To end it; so many seconds politely.
    Cancel { grace: u64 },
    /// To remove what is kept of a result. `again`: as if it had never been.
    Forget { again: bool },
}

/// What is begun.
#[derive(Debug)]
pub(super) struct Script<'a> {
    /// Names and values, for its environment.
    pub variables: &'a [(String, String)],
    pub body: &'a str,
    pub dir: Option<&'a str>,
    /// When it is ended.
    pub timeout: Duration,
}

impl Ask<'_> {
    /// The input of a POSIX shell. `user`: as whom; `mark`: a word that no output can hold.
    pub(super) fn input(&self, key: &Key, user: Option<&str>, mark: &str) -> SecretString {
        let mut text = opening(key, mark);
        // A String takes everything.
        let _ = match self {
            Self::Probe => write!(text, "quarterdeck_probe"),
            Self::Poll { wait, out, err } => write!(text, "quarterdeck_poll {wait} {out} {err}"),
            Self::Cancel { grace } => write!(text, "quarterdeck_cancel {grace}"),
            Self::Forget { again: true } => write!(text, "quarterdeck_forget all"),
            Self::Forget { again: false } => write!(text, "quarterdeck_forget keep"),
            Self::Start(script) => {
                let kept = script.keeper(key);
                let kept = kept.expose_secret();
                let (sum, end) = (hex(&Sha256::digest(kept)), end_of(kept));
                write!(text, "quarterdeck_start {sum} <<'{end}'\n{kept}{end}")
            }
        };
        text.push_str("\n}\n");
        SecretString::from(match user {
            Some(user) => {
                let end = end_of(&text);
                format!("{{\nexec sudo -n -u {} -- sh -s <<'{end}'\n{text}{end}\n}}\n", quoted(user))
            }
            None => text,
        })
    }
}

/// The beginning of each request: its constants and the program, without the comments.
fn opening(key: &Key, mark: &str) -> String {
    let program: Vec<&str> = PROGRAM.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    format!(
        "{{\nQD_KEY={} QD_NAME={} QD_SAY={mark} QD_HEAD={HEAD} QD_PIECE={PIECE} QD_BEHIND={BEHIND} QD_MOST_KEPT={MOST} QD_LATE_GRACE={GRACE}\n{}\n",
        key.digits,
        quoted(&key.name),
        program.join("\n")
    )
}

impl Script<'_> {
    /// What the shell reads that stays over there with the script: it ends with a line break.
    fn keeper(&self, key: &Key) -> SecretString {
        let mut out = opening(key, "-");
        let seconds = self.timeout.as_secs() + u64::from(self.timeout.subsec_nanos() > 0);
        // A String takes everything.
        let _ = write!(out, "QD_LIMIT={seconds}\nquarterdeck_begin\nquarterdeck_scope\n");
        if let Some(dir) = self.dir {
            let _ = writeln!(
                out,
                "cd -- {0} 2>/dev/null || quarterdeck_no {1}",
                quoted(dir),
                quoted(&format!("the folder {dir} is not there, or closed to it"))
            );
        }
        out.push_str("quarterdeck_clock &\nQD_CLOCK=$!\n(\nquarterdeck_note body || exit 1\numask \"$QD_UMASK\"\n");
        for (name, value) in self.variables {
            let _ = writeln!(out, "export {name}={}", quoted(value));
        }
        let (name, digits, body, end) = (quoted(&key.name), &key.digits, self.body, end_of(self.body));
        let _ = write!(
            out,
            "export QUARTERDECK_STEP={name} QUARTERDECK_MARK={digits}\nquarterdeck_body\n) 9<<'{end}' </dev/null \
             >>\"$QD_D/out\" 2>>\"$QD_D/err\"\n{body}\n{end}\nquarterdeck_over $?\n}}\n"
        );
        SecretString::from(out)
    }
}

/// How something stands over there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has begun it.
    None,
    /// It was about to begin.
    Claimed,
    Running,
    /// It did not begin, and will not: why.
    No(String),
    /// Nobody can tell how it ended: why.
    Lost(String),
    Done(End),
    /// The same, and what it said was removed already.
    Over(End),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub how: How,
    /// Its status; `None`: something of it was still there.
    pub code: Option<i64>,
    pub out: Volume,
    pub err: Volume,
    /// What survived the end of its time, for people.
    pub left: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By itself.
    Ended,
    /// Its time was over.
    Late,
    /// Somebody wanted it to end.
    Cancelled,
}

/// How much was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Volume {
    pub bytes: u64,
    /// Its SHA-256; `None`: it was too much to be kept.
    pub sum: Option<String>,
}

/// A word of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Can,
    /// What the clock there showed, in seconds since 1970.
    Date(f64),
    /// It can't be kept there: why.
    Cannot(String),
    Started(State),
    /// It was begun before.
    Exists(State),
    /// A piece of its output, or of its error output, and where that begins.
    Piece {
        errors: bool,
        from: u64,
        bytes: Vec<u8>,
    },
    /// What survived.
    Left(String),
    State(State),
}

/// Reads an answer. `None`: it is not whole.
pub(super) fn words(answer: &[u8], mark: &str) -> Option<Vec<Word>> {
    let (mut words, mut rest) = (Vec::new(), answer);
    let mark = format!("{mark} ");
    while let Some(at) = memchr::memmem::find(rest, mark.as_bytes()) {
        let line = &rest[at + mark.len()..];
        let end = memchr::memchr(b'\n', line)?;
        let text = String::from_utf8_lossy(&line[..end]);
        rest = &line[end + 1..];
        let (word, value) = text.split_once(' ').unwrap_or((&text, ""));
        words.push(match word {
            "can" => Word::Can,
            // One that tells no time is no reason not to read the rest.
            "date" => match date(value) {
                Some(date) => Word::Date(date),
                None => continue,
            },
            "cannot" => Word::Cannot(value.to_owned()),
            "started" => Word::Started(state(value)?),
            "exists" => Word::Exists(state(value)?),
            "left" => Word::Left(value.trim().to_owned()),
            "state" => Word::State(state(value)?),
            "out" | "err" => {
                let (from, length) = value.split_once(' ')?;
                let (from, length): (u64, usize) = (from.parse().ok()?, length.parse().ok()?);
                let bytes = rest.get(..length)?.to_vec();
                rest = rest.get(length..)?.strip_prefix(b"\n")?;
                Word::Piece { errors: word == "err", from, bytes }
            }
            _ => return None,
        });
    }
    Some(words)
}

/// A `date` that knows no nanoseconds leaves something else behind the point: half a second is meant.
fn date(text: &str) -> Option<f64> {
    let (seconds, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let known = rest.len() == 9 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u32 = seconds.parse().ok()?;
    Some(f64::from(seconds) + if known { format!("0.{rest}").parse().ok()? } else { 0.5 })
}

fn state(text: &str) -> Option<State> {
    let (word, value) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "none" => State::None,
        "claimed" => State::Claimed,
        "running" => State::Running,
        "no" => State::No(value.trim().to_owned()),
        "lost" => State::Lost(value.trim().to_owned()),
        "done" => State::Done(end(value)?),
        "over" => State::Over(end(value)?),
        _ => return None,
    })
}

fn end(text: &str) -> Option<End> {
    let mut fields = text.splitn(7, ' ');
    let mut next = || fields.next();
    let how = match next()? {
        "ended" => How::Ended,
        "late" => How::Late,
        "cancelled" => How::Cancelled,
        _ => return None,
    };
    let code = next()?.parse().ok();
    let mut volume = || {
        let (bytes, sum) = (next()?.parse().ok()?, next()?);
        Some(Volume { bytes, sum: (sum != "-").then(|| sum.to_owned()) })
    };
    let (out, err) = (volume()?, volume()?);
    Some(End { how, code, out, err, left: fields.next().unwrap_or_default().trim().to_owned() })
}

#[cfg(test)]
mod tests;
