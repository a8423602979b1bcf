//! A machine's journal and files: `journalctl` and `tail`, on this machine or over ssh. Both are followed by name, so a file that is
//! rotated is followed on. When the connection is lost it is opened again; what a file said meanwhile is not known, and that is said.

use super::text::Lines;
use super::{Sink, Start, pause};
use crate::clock;
use crate::connect::Connections;
use crate::connect::ssh::{Ended, READING, Said, follow_input, hand_on};
use crate::domain::log::{Level, Stage, own_time};
use crate::domain::{LogLine, SourceError, SourceId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Pieces of output that wait to be read.
const PIECES: usize = 4;
/// A reader that lived for this long has not failed to start.
const SETTLED: Duration = Duration::from_secs(10);
/// A shell's "no such program".
const NOT_FOUND: i32 = 127;
/// `journalctl` says nothing of what it cannot read while it writes JSON: so it is asked once without. Its arguments stand behind this.
const JOURNAL: &str = "command -v journalctl >/dev/null || exit 127
journalctl --no-pager --lines=0 >/dev/null
exec journalctl \"$@\"";

/// What is read there.
pub(super) enum Log<'a> {
    /// The journal.
    Journal,
    /// A file, and where its lines were written that tell a time without an offset.
    File(&'a str, &'a TimeZone),
}

/// Reads until it is dropped, or until it is clear that it can't be.
pub(super) async fn read(
    connections: &Connections,
    (source, server): (&SourceId, &str),
    log: &Log<'_>,
    start: Start,
    sink: &Sink,
) {
    sink.state(Stage::Opening, None).await;
    let mut reader = Reader::new(server, log, sink, start);
    let mut failures = 0;
    loop {
        let began = clock::now();
        let why = match reader.once(connections, source).await {
            Ok(Ended::Exit(NOT_FOUND)) => return sink.state(Stage::Over, Some(reader.no_program())).await,
            Ok(ended) => reader.ended(ended),
            Err(why) => why,
        };
        if clock::now().since(began) > SETTLED {
            failures = 0;
        }
        sink.state(Stage::Retrying, Some(why)).await;
        sleep(pause(failures)).await;
        failures += 1;
    }
}

struct Reader<'a> {
    server: &'a str,
    log: &'a Log<'a>,
    sink: &'a Sink,
    start: Start,
    /// Of the newest line.
    last: Option<Timestamp>,
    /// Of the newest line before the last interruption.
    before: Option<Timestamp>,
    /// It is being read.
    begun: bool,
    /// It was read before: opening it again must not bring it twice.
    read: bool,
    /// It was said not to be there, and nothing came of it since.
    absent: bool,
    /// A line told its time without an offset.
    assumes: bool,
    /// It was said in which zone such times are read.
    told: bool,
}

impl<'a> Reader<'a> {
    fn new(server: &'a str, log: &'a Log<'a>, sink: &'a Sink, start: Start) -> Self {
        Self {
            server,
            log,
            sink,
            start,
            last: None,
            before: None,
            begun: false,
            read: false,
            absent: false,
            assumes: false,
            told: false,
        }
    }
}

impl Reader<'_> {
    async fn once(&mut self, connections: &Connections, source: &SourceId) -> Result<Ended, SourceError> {
        self.before = self.last;
        let argv = self.argv();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let (sender, said) = mpsc::channel(PIECES);
        let (ended, ()) = tokio::join!(run(connections, source, &argv, sender), self.listen(said));
        self.read |= std::mem::take(&mut self.begun);
        ended
    }

    /// The program and its arguments; no shell reads them as text.
    fn argv(&self) -> Vec<String> {
        let word = |text: &str| text.to_owned();
        let start = Start::after(self.last, self.start);
        match self.log {
            Log::Journal => {
                let fields = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,__REALTIME_TIMESTAMP";
                let mut argv = vec![word("/bin/sh"), word("-c"), word(JOURNAL), word("journalctl")];
                argv.extend([word("--follow"), word("--no-pager"), word("--all")]);
                argv.extend([word("--output=json"), format!("--output-fields={fields}")]);
                argv.push(start.tail.map_or_else(|| word("--lines=all"), |lines| format!("--lines={lines}")));
                argv.extend(start.since.map(|since| format!("--since=@{}", since.as_second())));
                argv
            }
            Log::File(path, _) => {
                let from = match start.tail {
                    _ if self.read => word("0"),
                    Some(lines) => lines.to_string(),
                    None => word("+1"),
                };
                vec![word("tail"), word("-n"), from, word("-F"), word("--"), word(path)]
            }
        }
    }

    /// Takes what it says until it ends.
    async fn listen(&mut self, mut said: mpsc::Receiver<Said>) {
        let (mut out, mut err) = (Lines::default(), Lines::default());
        while let Some(piece) = said.recv().await {
            match piece {
                Said::Out(bytes) => {
                    let mut lines = Vec::new();
                    out.feed(&bytes, |line, cut| lines.extend(self.line(line, cut)));
                    if !lines.is_empty() && std::mem::take(&mut self.absent) {
                        self.follows().await;
                    }
                    self.tell_zone().await;
                    self.sink.lines(lines).await;
                }
                Said::Err(bytes) => {
                    let mut complaints = Vec::new();
                    err.feed(&bytes, |line, cut| complaints.push(self.sink.line(None, line, cut).text));
                    for complaint in complaints {
                        self.complaint(&complaint).await;
                    }
                }
            }
        }
        let mut lines = Vec::new();
        out.finish(|line, cut| lines.extend(self.line(line, cut)));
        self.sink.lines(lines).await;
    }

    fn line(&mut self, bytes: &[u8], cut: usize) -> Option<LogLine> {
        let line = match self.log {
            Log::Journal => entry(bytes, cut, self.sink),
            Log::File(_, zone) => {
                let own = own_time(bytes, zone);
                self.assumes |= own.is_some_and(|own| own.assumed);
                self.sink.line(own.map(|own| own.at), bytes, cut)
            }
        };
        let old = match self.log {
            // It is asked for whole seconds, and is in order: so much was read before the reading was interrupted.
            Log::Journal => self.read && line.at.is_some_and(|at| self.before.is_some_and(|before| at <= before)),
            // It can't be asked for a time at all.
            Log::File(..) => line.at.is_some_and(|at| self.start.since.is_some_and(|since| at < since)),
        };
        if old {
            return None;
        }
        self.last = line.at.max(self.last);
        Some(line)
    }

    /// In which zone times are read that do not say: a line may have been left out by such a time, or stand in the wrong place.
    async fn tell_zone(&mut self) {
        let Log::File(_, zone) = self.log else { return };
        if !self.assumes || std::mem::replace(&mut self.told, true) {
            return;
        }
        let what = format!("its times tell no offset and are read as {}", zone.iana_name().unwrap_or("UTC"));
        let why = SourceError::new(what, "zone of [logs] in the config names another");
        self.sink.state(Stage::Following, Some(why)).await;
    }

    /// It is read as it should be.
    async fn follows(&mut self) {
        self.sink.state(Stage::Following, None).await;
        self.told = false;
        self.tell_zone().await;
    }

    /// What it says on its error output.
    async fn complaint(&mut self, text: &str) {
        if text != READING {
            return match self.log {
                Log::File(..) => self.complaint_of_tail(text.strip_prefix("tail: ").unwrap_or(text)).await,
                Log::Journal => self.complaint_of_journal(text).await,
            };
        }
        self.begun = true;
        if self.read && matches!(self.log, Log::File(..)) {
            self.sink.mark("the reading was interrupted here: lines of that time may be missing").await;
        }
        self.follows().await;
    }

    /// `tail` tells of files that are missing, come, and are rotated.
    async fn complaint_of_tail(&mut self, text: &str) {
        let on = ["has appeared", "has become accessible", "has been replaced", "file truncated"];
        if on.iter().any(|word| text.contains(word)) {
            self.sink.mark(text).await;
            return self.follows().await;
        }
        let gone = ["cannot open", "has become inaccessible", "can't open"].iter().any(|word| text.contains(word));
        let hint = if text.contains("ermission denied") {
            format!("the login on {} must be allowed to read it (group adm, or an ACL)", self.server)
        } else {
            "it is read as soon as it is there; check logs of the [[server]]".to_owned()
        };
        let stage = if gone { Stage::Retrying } else { Stage::Following };
        self.sink.state(stage, Some(SourceError::new(format!("{}: {text}", self.server), hint))).await;
    }

    /// `journalctl` tells what it may not read, and where there is nothing to be read at all: then it waits for it.
    async fn complaint_of_journal(&mut self, text: &str) {
        // What goes on from the line before is advice for a shell.
        if text.starts_with(' ') {
            return;
        }
        let none = text.contains("No journal files were found");
        self.absent |= none || text.contains("insufficient permissions");
        let stage = if self.absent { Stage::Retrying } else { Stage::Following };
        let why = if none {
            let hint = "journalctl finds none: name the machine's files as logs of its [[server]] in the config";
            SourceError::new(format!("there is no journal on {}", self.server), hint)
        } else {
            let hint = format!("on {}: add the login to the group systemd-journal to see all of it", self.server);
            SourceError::new(format!("{}: {text}", self.server), hint)
        };
        self.sink.state(stage, Some(why)).await;
    }

    fn ended(&self, ended: Ended) -> SourceError {
        let how = match ended {
            Ended::Exit(code) => format!("ended with {code}"),
            Ended::Killed | Ended::GivenUp => "was killed".to_owned(),
        };
        let program = self.program();
        let hint = format!("it is opened again; see on {} what {program} says", self.server);
        SourceError::new(format!("{program} on {} {how}", self.server), hint)
    }

    fn program(&self) -> &'static str {
        match self.log {
            Log::Journal => "journalctl",
            Log::File(..) => "tail",
        }
    }

    fn no_program(&self) -> SourceError {
        let hint = match self.log {
            Log::Journal => "it has no systemd journal: name its files as logs of its [[server]] in the config",
            Log::File(..) => "a POSIX tail with -F is needed there",
        };
        SourceError::new(format!("there is no {} on {}", self.program(), self.server), hint)
    }
}

/// Over ssh, or here for a `local` source.
async fn run(
    connections: &Connections,
    source: &SourceId,
    argv: &[&str],
    out: mpsc::Sender<Said>,
) -> Result<Ended, SourceError> {
    if source.kind() == "local" {
        return run_here(argv, &out).await;
    }
    let host = connections.host(source.name()).ok_or_else(|| {
        SourceError::new(format!("there is no {source} in the config"), "name the host as ssh of its [[server]]")
    })?;
    host.follow(argv, &out).await
}

/// Through the same few lines of shell as over ssh: they end the program when this process is gone, however it ended.
async fn run_here(argv: &[&str], out: &mpsc::Sender<Said>) -> Result<Ended, SourceError> {
    let failed = |why: std::io::Error| SourceError::new(format!("sh can't be run: {why}"), "it must be on the PATH");
    let mut shell = Command::new("sh");
    shell.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.process_group(0).kill_on_drop(true).spawn().map_err(failed)?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // A shell that is gone reads nothing: its exit status says more than the broken pipe.
        let _ = stdin.write_all(&follow_input(argv)?).await;
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::join!(hand_on(stdout, out, Said::Out), hand_on(stderr, out, Said::Err));
    drop(stdin);
    let status = child.wait().await.map_err(failed)?;
    Ok(status.code().map_or(Ended::Killed, Ended::Exit))
}

/// One entry of `journalctl --output=json`.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: Option<String>,
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
    #[serde(rename = "PRIORITY")]
    priority: Option<String>,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Option<String>,
    #[serde(rename = "_COMM")]
    command: Option<String>,
    #[serde(rename = "_PID")]
    pid: Option<String>,
}

/// Text; or bytes, when it is none; or several, when an entry has the field more than once.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<Message>),
}

impl Message {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Several(all) => all.iter().map(Self::text).collect::<Vec<_>>().join(" "),
        }
    }
}

/// `name[pid]: message`, as the journal prints it. A line that is no entry is shown as it is.
fn entry(bytes: &[u8], cut: usize, sink: &Sink) -> LogLine {
    let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else { return sink.line(None, bytes, cut) };
    let at = entry.at.as_deref().and_then(|micros| Timestamp::from_microsecond(micros.parse().ok()?).ok());
    let who = entry.identifier.or(entry.command).unwrap_or_default();
    let pid = entry.pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    let message = entry.message.as_ref().map(Message::text).unwrap_or_default();
    let text = if who.is_empty() { message } else { format!("{who}{pid}: {message}") };
    let mut line = sink.line(at, text.as_bytes(), cut);
    let said = entry.priority.and_then(|priority| priority.parse().ok()).map(Level::of_priority);
    // What a unit prints has priority 6, whatever it says of itself.
    line.level = match (said, line.level) {
        (Some(Level::Info) | None, Some(own)) => Some(own),
        (said, _) => said,
    };
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use proptest::prelude::*;

    fn sink() -> Sink {
        Sink { place: 0, redactor: Redactor::default(), out: mpsc::channel(1).0 }
    }

    #[test]
    fn entries_of_a_journal_are_read() {
        let text = br#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1764039600123456","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","_PID":"42","MESSAGE":"no key"}"#;
        let line = entry(text, 0, &sink());
        assert_eq!(line.text, "sshd[42]: no key");
        assert_eq!(line.level, Some(Level::Error));
        assert_eq!(line.at.unwrap().to_string(), "2025-11-25T03:00:00.123456Z");
        let bytes = br#"{"MESSAGE":[104,105,27,91,51,49,109],"PRIORITY":"6","_COMM":"web"}"#;
        assert_eq!(entry(bytes, 0, &sink()).text, "web: hi");
        let said = br#"{"MESSAGE":"level=error msg=x","PRIORITY":"6"}"#;
        assert_eq!(entry(said, 0, &sink()).level, Some(Level::Error), "what it says of itself counts");
        assert_eq!(entry(b"-- No entries --", 0, &sink()).text, "-- No entries --");
    }

    #[test]
    fn arguments_are_words_whatever_a_path_holds() {
        let sink = sink();
        let (journal, file) = (Log::Journal, Log::File("/var/log/a b'; rm -rf $HOME", &TimeZone::UTC));
        let start = Start { since: None, tail: Some(100) };
        let mut reader = Reader::new("db-1", &file, &sink, start);
        assert_eq!(reader.argv(), ["tail", "-n", "100", "-F", "--", "/var/log/a b'; rm -rf $HOME"]);
        reader.read = true;
        assert_eq!(reader.argv()[2], "0");
        let since = Timestamp::from_second(1000).ok();
        let start = Start { since, tail: None };
        let reader = Reader::new("db-1", &journal, &sink, start);
        assert!(reader.argv().ends_with(&["--lines=all".to_owned(), "--since=@1000".to_owned()]));
    }

    proptest! {
        #[test]
        fn no_entry_makes_it_panic(bytes in "\\PC*|\\{\"MESSAGE\":[\\[\\]0-9,\"a-z]*\\}") {
            let _ = entry(bytes.as_bytes(), 0, &sink());
        }
    }
}
