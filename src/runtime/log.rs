//! The program's own log: a file, never the terminal, which belongs to the screen.
//!
//! Warnings always (a source that fails, a plan that could not be made), with `-v` what happens (sources that come back, plans,
//! every record of a run, the config), with `-vv` every question that is asked. A secret that a connection uses is hidden
//! in every line, whoever wrote it.

use crate::config::Config;
use crate::domain::record::Record;
use crate::domain::{Sample, SourceId};
use crate::redact::Redactor;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Logs to `path`, made private (0600), as `-v` asks: 0 warnings, 1 information, 2 and more everything. What `redactor` knows,
/// now or later, is hidden.
///
/// # Errors
/// When the file can't be made or opened.
pub fn start(path: &Path, verbose: u8, redactor: Redactor) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let level = match verbose {
        0 => "quarterdeck=warn",
        1 => "quarterdeck=info",
        _ => "quarterdeck=trace",
    };
    let writer = Hidden { file: Arc::new(Mutex::new(file)), redactor };
    let subscriber =
        tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(EnvFilter::new(level));
    // A second start in one process (tests) keeps the first log.
    let _ = subscriber.try_init();
    Ok(())
}

/// Writes whole lines without the secrets that are known by then.
#[derive(Clone)]
struct Hidden {
    file: Arc<Mutex<dyn Write + Send>>,
    redactor: Redactor,
}

impl Write for Hidden {
    /// The subscriber hands over one line at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(self.redactor.text(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl<'a> MakeWriter<'a> for Hidden {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What was said of a source last, so that a failure is told once and not at every poll.
#[derive(Debug, Default)]
pub struct Told {
    failing: Option<String>,
}

/// What is new about a source.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It fails, or fails in another way: how, and how to mend it.
    Fails(String),
    /// It answers again.
    Recovered,
}

impl Told {
    /// Tells what a poll has changed.
    pub fn tell(&mut self, id: &SourceId, sample: &Sample) {
        let ms = sample.took.as_millis();
        tracing::debug!(source = %id, ms, ok = sample.outcome.is_ok(), "asked");
        match self.news(sample) {
            Some(News::Fails(why)) => tracing::warn!(source = %id, why, "a source fails"),
            Some(News::Recovered) => tracing::info!(source = %id, "a source answers again"),
            None => {}
        }
    }

    fn news(&mut self, sample: &Sample) -> Option<News> {
        let why = sample.outcome.as_ref().err().map(ToString::to_string);
        if why == self.failing {
            return None;
        }
        self.failing = why;
        Some(self.failing.clone().map_or(News::Recovered, News::Fails))
    }
}

/// What the dashboard begins with.
pub fn started(config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    let files: Vec<String> = config.files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() { "(built in)".to_owned() } else { files.join(", ") };
    let sources: Vec<String> = config.sources.iter().map(|source| source.id.to_string()).collect();
    tracing::info!(
        version,
        environment = config.environment,
        guarded = config.guarded,
        files,
        sources = sources.join(", "),
        "starts"
    );
}

/// A record of a run that has become durable.
pub fn record(record: &Record) {
    let entry = &record.entry;
    let word = |key: &str| entry.data[key].as_str().unwrap_or_default();
    let run = entry.run.map(|run| run.short()).unwrap_or_default();
    let (kind, step) = (entry.kind.word(), entry.step.as_deref().unwrap_or_default());
    let (state, detail) = match word("outcome") {
        "" => (word("state"), word("detail")),
        outcome => (outcome, word("reason")),
    };
    tracing::info!(run, kind, step, state, detail, "recorded");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::domain::secret::Secret;
    use crate::domain::{Snapshot, SourceError};
    use std::time::Duration;

    fn sample(outcome: Result<Snapshot, SourceError>) -> Sample {
        let source = SourceId::new("docker", "local");
        Sample { source, at: clock::now(), took: Duration::ZERO, outcome: outcome.map(Arc::new) }
    }

    #[test]
    fn a_failure_is_told_once_and_its_end_too() {
        let mut told = Told::default();
        let gone = || sample(Err(SourceError::new("it is gone", "start it")));
        let good = || sample(Ok(Snapshot::Servers(Vec::new())));
        assert_eq!(told.news(&good()), None);
        assert!(matches!(told.news(&gone()), Some(News::Fails(why)) if why.contains("it is gone")));
        assert_eq!(told.news(&gone()), None);
        assert!(matches!(told.news(&sample(Err(SourceError::new("it hangs", "look")))), Some(News::Fails(_))));
        assert_eq!(told.news(&good()), Some(News::Recovered));
        assert_eq!(told.news(&good()), None);
    }

    #[test]
    fn a_secret_never_reaches_the_file() {
        let redactor = Redactor::default();
        let file = Arc::new(Mutex::new(Vec::new()));
        let mut log = Hidden { file: file.clone(), redactor: redactor.clone() };
        redactor.learn(&Secret::from("hunter2".to_owned()));
        log.write_all(b"no login with hunter2\n").unwrap();
        let written = String::from_utf8(file.lock().unwrap().clone()).unwrap();
        assert!(written.starts_with("no login with ") && !written.contains("hunter2"), "{written}");
    }
}
