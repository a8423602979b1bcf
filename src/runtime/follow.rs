//! The log that is open: one task reads it, at most one at a time. And saving what is shown.
//!
//! What is read comes over a channel of its own that holds a few batches: when the loop is busy with keys and frames, the readers
//! wait, and with them the engine or the host.

use crate::connect::Connections;
use crate::domain::{LogEvent, LogRequest, SourceError};
use crate::logs;
use crate::store::log::LogExport;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Batches that wait for the loop.
const WAITING: usize = 4;

/// Who reads, and where it goes.
pub struct Follower {
    connections: Connections,
    events: mpsc::Sender<LogEvent>,
    task: Option<AbortHandle>,
    /// Where logs are saved; or why nowhere.
    folder: Result<PathBuf, String>,
}

impl Follower {
    /// Reads nothing yet. What will be read comes out of the channel.
    pub fn new(connections: Connections, folder: Result<PathBuf, String>) -> (Self, mpsc::Receiver<LogEvent>) {
        let (events, receiver) = mpsc::channel(WAITING);
        (Self { connections, events, task: None, folder }, receiver)
    }

    /// What is opened from now on is reached through these.
    pub fn reach_through(&mut self, connections: Connections) {
        self.connections = connections;
    }

    /// Reads this, in place of what was read.
    pub fn follow(&mut self, number: u64, request: LogRequest) {
        self.stop();
        let (connections, events) = (self.connections.clone(), self.events.clone());
        let task = tokio::spawn(async move { logs::follow(&connections, &request, number, events).await });
        self.task = Some(task.abort_handle());
    }

    /// Reads nothing any more: what was begun at an engine or on a host is ended.
    pub fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Saves lines in a thread of its own: there may be many.
    pub fn save(&self, export: LogExport) {
        let (folder, events) = (self.folder.clone(), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let saved =
                folder.and_then(|folder| write(&folder, &export).map_err(|why| format!("{}: {why}", folder.display())));
            let outcome = saved.map_err(|why| {
                let hint = "its folder must be yours to write; XDG_STATE_HOME names another";
                SourceError::new(format!("the log was not saved: {why}"), hint)
            });
            // A screen that is gone needs no answer.
            let _ = events.blocking_send(LogEvent::Saved(outcome));
        });
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Into a new file that nobody else may read: what a log holds is not for everybody on a jump host.
fn write(folder: &Path, export: &LogExport) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(export.file_name());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let mut out = BufWriter::new(file);
    export.write(&mut out)?;
    out.flush()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LogLine, LogPlace, LogTarget, SourceId};
    use crate::store::log::LogRing;
    use jiff::Timestamp;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_saved_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("logs");
        let place = LogPlace::Journal { source: SourceId::new("ssh", "a"), server: "a".into() };
        let mut ring = LogRing::new(0);
        ring.push(&LogLine { text: "one".to_owned(), ..LogLine::default() }, None);
        let (target, at) = (LogTarget::one("a journal", place), Timestamp::UNIX_EPOCH);
        let export = LogExport { target, ring, numbers: None, filter: String::new(), at, veil: None };
        let path = write(&folder, &export).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("- one\n"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert!(write(&folder, &export).is_err(), "nothing is written over");
    }
}
