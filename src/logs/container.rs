//! A container's log, by the Docker API (Podman answers the same). Opened again when the container starts again, also when it was
//! made anew under its name.

use super::text::{Lines, stamped};
use super::{Sink, Start, pause};
use crate::connect::Engine;
use crate::domain::log::Stage;
use crate::domain::{LogLine, SourceError};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::LogsOptions;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longest wait for an answer about the container.
const ANSWER: Duration = Duration::from_secs(5);
/// When nothing came for this long, it is asked whether the engine still answers. Its log may just be quiet.
const SILENCE: Duration = Duration::from_secs(5);
/// From the end of a stream until the engine tells the container's new state.
const SETTLING: Duration = Duration::from_millis(200);
/// Lines handed on together at most.
const TOGETHER: usize = 2000;

/// Large, and rarely looked at.
type Inspected = Box<ContainerInspectResponse>;

/// Reads until it is dropped, or until there is nothing that could be read.
pub(super) async fn read(engine: &Engine, (id, name): (&str, &str), start: Start, sink: &Sink) {
    let mut reader = Reader { engine, id: id.to_owned(), name, sink, start, last: None, followed: None };
    let mut failures = 0;
    sink.state(Stage::Opening, None).await;
    loop {
        match Box::pin(reader.once()).await {
            Ok(After::Again) => failures = 0,
            Ok(After::Over) => return,
            Err(why) => {
                sink.state(Stage::Retrying, Some(why)).await;
                sleep(pause(failures)).await;
                failures += 1;
            }
        }
    }
}

/// What comes after a stream has ended.
enum After {
    Again,
    Over,
}

struct Reader<'a> {
    engine: &'a Engine,
    id: String,
    name: &'a str,
    sink: &'a Sink,
    start: Start,
    /// Of the newest line.
    last: Option<Timestamp>,
    /// The start (as the engine tells it) of the container whose log was read last.
    followed: Option<String>,
}

impl Reader<'_> {
    /// Looks what the container is, and reads while it runs.
    async fn once(&mut self) -> Result<After, SourceError> {
        let docker = self.engine.client().await?;
        let Some(state) = self.look(&docker).await? else { return Ok(After::Again) };
        if let Some(why) = unreadable(&state, self.name) {
            self.sink.state(Stage::Over, Some(why)).await;
            return Ok(After::Over);
        }
        let (running, started) = (is_running(&state), started(&state));
        if !running && self.followed == started && started.is_some() {
            self.sink.state(Stage::Retrying, Some(ended(&state, self.name))).await;
            sleep(pause(1)).await;
            return Ok(After::Again);
        }
        self.stream(&docker).await?;
        self.followed = started;
        // It stops, or it starts again: a moment later that can be told.
        sleep(SETTLING).await;
        Ok(After::Again)
    }

    /// What the engine knows of the container; `None` when there is none at the moment.
    async fn look(&mut self, docker: &Docker) -> Result<Option<Inspected>, SourceError> {
        match self.inspect(docker, &self.id).await? {
            Some(state) => Ok(Some(state)),
            None => self.look_for_name(docker).await,
        }
    }

    /// Compose makes a container anew under the name of the old one.
    async fn look_for_name(&mut self, docker: &Docker) -> Result<Option<Inspected>, SourceError> {
        match self.inspect(docker, self.name).await? {
            Some(state) => {
                self.id = state.id.clone().unwrap_or_default();
                self.followed = None;
                self.sink.mark(&format!("{} was made anew: from here on it is another container", self.name)).await;
                Ok(Some(state))
            }
            None => {
                let what = format!("there is no container {} any more: it was removed", self.name);
                let why =
                    SourceError::new(what, "its log is gone with it; one of the same name is followed when it comes");
                self.sink.state(Stage::Retrying, Some(why)).await;
                sleep(pause(1)).await;
                Ok(None)
            }
        }
    }

    async fn inspect(&self, docker: &Docker, which: &str) -> Result<Option<Inspected>, SourceError> {
        match timeout(ANSWER, Box::pin(docker.inspect_container(which, None))).await {
            Ok(Ok(state)) => Ok(Some(Box::new(state))),
            Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Ok(None),
            Ok(Err(why)) => Err(self.engine.understand("container", &why).await),
            Err(_) => Err(self.engine.explain("container", &Error::RequestTimeoutError)),
        }
    }

    /// Reads to the end of the stream: the engine ends it when the container stops.
    async fn stream(&mut self, docker: &Docker) -> Result<(), SourceError> {
        let start = Start::after(self.last, self.start);
        let options = LogsOptions {
            follow: true,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: start.since.map_or(0, |since| i32::try_from(since.as_second()).unwrap_or(0)),
            tail: start.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
            ..LogsOptions::default()
        };
        let stream = pin!(docker.logs(&self.id, Some(options)).ready_chunks(TOGETHER));
        self.sink.state(Stage::Following, None).await;
        self.take(docker, stream).await
    }

    async fn take<S>(&mut self, docker: &Docker, mut stream: S) -> Result<(), SourceError>
    where
        S: Stream<Item = Vec<Result<LogOutput, Error>>> + Unpin,
    {
        let mut outputs = Outputs::new(self.last.or(self.start.since));
        let mut silent = false;
        loop {
            let Ok(next) = timeout(SILENCE, stream.next()).await else {
                silent = self.is_there(docker, silent).await?;
                continue;
            };
            if std::mem::take(&mut silent) {
                self.sink.state(Stage::Following, None).await;
            }
            let Some(pieces) = next else { break };
            let mut lines = Vec::new();
            let mut failed = None;
            for piece in pieces {
                match piece {
                    Ok(output) => outputs.take(&output, self.sink, &mut lines),
                    Err(why) => failed = Some(why),
                }
            }
            self.last = outputs.last.or(self.last);
            self.sink.lines(lines).await;
            if let Some(why) = failed {
                return Err(self.engine.understand("log", &why).await);
            }
        }
        let mut lines = Vec::new();
        outputs.finish(self.sink, &mut lines);
        self.last = outputs.last.or(self.last);
        self.sink.lines(lines).await;
        Ok(())
    }

    /// Whether a silence is the engine's; true: it is, and that was said. The stream is kept: a hung engine may go on.
    async fn is_there(&self, docker: &Docker, was_silent: bool) -> Result<bool, SourceError> {
        match self.inspect(docker, &self.id).await {
            Ok(_) => {
                if was_silent {
                    self.sink.state(Stage::Following, None).await;
                }
                Ok(false)
            }
            Err(why) if was_silent => {
                tracing::debug!("{}: {}", self.name, why.what);
                Ok(true)
            }
            Err(why) => {
                self.sink.state(Stage::Retrying, Some(why)).await;
                Ok(true)
            }
        }
    }
}

/// The two outputs of a container, or its terminal.
struct Outputs {
    lines: [Lines; 2],
    /// When the line that has begun was written, for each output.
    begun: [Option<Timestamp>; 2],
    /// Lines up to here were read before, or were not asked for: the engine knows whole seconds only.
    after: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Outputs {
    fn new(after: Option<Timestamp>) -> Self {
        Self { lines: Default::default(), begun: [None; 2], after, last: None }
    }

    fn take(&mut self, output: &LogOutput, sink: &Sink, out: &mut Vec<LogLine>) {
        let (which, message) = match output {
            LogOutput::StdErr { message } => (1, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (0, message)
            }
        };
        // A long line comes in pieces, each with a time of its own.
        let (at, rest) = stamped_piece(message);
        let begun = if self.lines[which].is_inside() { self.begun[which] } else { at };
        self.begun[which] = begun;
        let mut lines = std::mem::take(&mut self.lines[which]);
        lines.feed(rest, |line, cut| self.line(begun, line, cut, sink, out));
        self.lines[which] = lines;
    }

    fn finish(&mut self, sink: &Sink, out: &mut Vec<LogLine>) {
        for which in 0..2 {
            let mut lines = std::mem::take(&mut self.lines[which]);
            lines.finish(|line, cut| self.line(self.begun[which], line, cut, sink, out));
        }
    }

    fn line(&mut self, at: Option<Timestamp>, line: &[u8], cut: usize, sink: &Sink, out: &mut Vec<LogLine>) {
        if at.is_some_and(|at| self.after.is_some_and(|after| at <= after)) {
            return;
        }
        self.last = at.max(self.last);
        out.push(sink.line(at, line, cut));
    }
}

/// As [`stamped`], for a piece that may be a line's end alone.
fn stamped_piece(message: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let head = message.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    match head.map(stamped) {
        // Nothing but a time: an empty line.
        Some((Some(at), [])) => (Some(at), b"\n"),
        _ => stamped(message),
    }
}

fn is_running(state: &ContainerInspectResponse) -> bool {
    // Between two attempts of its restart policy an engine calls it running too.
    let is = |state: &bollard::models::ContainerState| state.running == Some(true) && state.restarting != Some(true);
    state.state.as_ref().is_some_and(is)
}

fn started(state: &ContainerInspectResponse) -> Option<String> {
    state.state.as_ref().and_then(|state| state.started_at.clone())
}

/// Why its log can't be read though the container is there.
fn unreadable(state: &ContainerInspectResponse, name: &str) -> Option<SourceError> {
    let config = state.host_config.as_ref()?.log_config.as_ref()?;
    let driver = config.typ.as_deref()?;
    let elsewhere = ["none", "syslog", "gelf", "fluentd", "awslogs", "splunk", "etwlogs", "gcplogs"];
    // The engine keeps a copy of what most of them send elsewhere, unless it was told not to.
    let kept =
        config.config.as_ref().is_none_or(|options| options.get("cache-disabled").is_none_or(|off| off != "true"));
    if !elsewhere.contains(&driver) || (kept && driver != "none") {
        return None;
    }
    let what = format!("the log of {name} can't be read back: its logging driver is {driver}");
    let hint = if driver == "none" {
        "run it with the driver local, json-file or journald".to_owned()
    } else {
        format!("look where {driver} sends it, or run it with the driver local, json-file or journald")
    };
    Some(SourceError::new(what, hint))
}

/// The container has stopped, and its log with it.
fn ended(state: &ContainerInspectResponse, name: &str) -> SourceError {
    let (code, when) =
        state.state.as_ref().map_or((None, None), |state| (state.exit_code, state.finished_at.as_deref()));
    let when = when.and_then(|when| when.parse::<Timestamp>().ok()).filter(|at| at.as_second() > 0);
    let when = when.map(|at| format!(" at {}", at.strftime("%H:%M:%SZ"))).unwrap_or_default();
    let what = match code {
        Some(code) if started(state).is_some_and(|at| !at.starts_with("0001")) => {
            format!("{name} does not run: it ended with {code}{when}")
        }
        Some(_) | None => format!("{name} does not run: it was never started"),
    };
    SourceError::new(what, "this is all it said; it is followed on when it starts again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use bollard::models::{ContainerState, HostConfig, HostConfigLogConfig};

    fn sink() -> Sink {
        Sink { place: 0, redactor: Redactor::default(), out: tokio::sync::mpsc::channel(1).0 }
    }

    fn texts(pieces: &[(u8, &[u8])], after: Option<Timestamp>) -> Vec<String> {
        let (mut outputs, sink, mut lines) = (Outputs::new(after), sink(), Vec::new());
        for (output, bytes) in pieces {
            let message = bytes.to_vec().into();
            let output = match output {
                1 => LogOutput::StdOut { message },
                2 => LogOutput::StdErr { message },
                _ => LogOutput::Console { message },
            };
            outputs.take(&output, &sink, &mut lines);
        }
        outputs.finish(&sink, &mut lines);
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn both_outputs_and_terminals_come_as_lines_without_their_times() {
        let pieces: [(u8, &[u8]); 5] = [
            (1, b"2026-11-25T03:00:00.1Z out\n"),
            (2, b"2026-11-25T03:00:00.2Z err\n"),
            (0, b"2026-11-25T03:00:00.3Z tty\r\n"),
            (1, b"2026-11-25T03:00:00.4Z \n"),
            (1, b"2026-11-25T03:00:00.5Z no end"),
        ];
        assert_eq!(texts(&pieces, None), ["out", "err", "tty", "", "no end"]);
        let after = "2026-11-25T03:00:00.3Z".parse().ok();
        assert_eq!(texts(&pieces, after), ["", "no end"], "what was read before is not read twice");
    }

    #[test]
    fn a_long_line_in_pieces_is_one_line_though_each_has_a_time() {
        let pieces: [(u8, &[u8]); 3] = [
            (1, b"2026-11-25T03:00:00.100Z beginning,"),
            (2, b"2026-11-25T03:00:00.150Z between\n"),
            (1, b"2026-11-25T03:00:00.200Z end\n"),
        ];
        assert_eq!(texts(&pieces, None), ["between", "beginning,end"]);
    }

    #[test]
    fn drivers_that_keep_nothing_are_named() {
        let of = |driver: &str, off: bool| {
            let options = off.then(|| [("cache-disabled".to_owned(), "true".to_owned())].into());
            let log_config = HostConfigLogConfig { typ: Some(driver.to_owned()), config: options };
            let host_config = HostConfig { log_config: Some(log_config), ..HostConfig::default() };
            let state =
                ContainerInspectResponse { host_config: Some(host_config), ..ContainerInspectResponse::default() };
            unreadable(&state, "web").map(|why| why.what)
        };
        assert_eq!(of("none", false).as_deref(), Some("the log of web can't be read back: its logging driver is none"));
        assert!(of("syslog", true).is_some());
        assert!(of("syslog", false).is_none() && of("json-file", false).is_none() && of("k8s-file", false).is_none());
    }

    #[test]
    fn a_stopped_container_is_told_with_its_code_and_time() {
        let state = ContainerState {
            exit_code: Some(137),
            started_at: Some("2026-11-25T02:00:00Z".to_owned()),
            finished_at: Some("2026-11-25T03:00:00.5Z".to_owned()),
            ..ContainerState::default()
        };
        let state = ContainerInspectResponse { state: Some(state), ..ContainerInspectResponse::default() };
        assert_eq!(ended(&state, "web").what, "web does not run: it ended with 137 at 03:00:00Z");
    }
}
