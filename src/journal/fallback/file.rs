//! The file of this machine: it gets every record of this process's chain, whether the server has it or not.

use super::super::lease::Lease;
use super::super::row::Found;
use super::super::sqlite::{self, SqliteJournal};
use super::super::{Journal as _, JournalError};
use crate::domain::record::{Actor, Record};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

/// For so long an append that the server has waits for the file. It goes on without it then, and the file is brought up to date later.
const BOUND: Duration = Duration::from_secs(1);

/// Where it falls back to.
pub(super) struct Here {
    path: Option<PathBuf>,
    writer: Uuid,
    actor: Actor,
    opened: Mutex<Option<SqliteJournal>>,
    /// What the server has and the file not yet, in order.
    behind: Mutex<Vec<Record>>,
}

impl Here {
    pub(super) fn new(path: Option<PathBuf>, writer: Uuid, actor: Actor) -> Self {
        Self { path, writer, actor, opened: Mutex::default(), behind: Mutex::default() }
    }

    fn open(&self) -> BoxFuture<'_, Result<SqliteJournal, JournalError>> {
        async move {
            let Some(path) = &self.path else {
                let what = "there is no folder to keep a journal in";
                return Err(JournalError::new(what, "set HOME or XDG_STATE_HOME, or name a file as path in [journal]"));
            };
            let mut opened = self.opened.lock().await;
            if let Some(file) = &*opened {
                return Ok(file.clone());
            }
            let (path, writer, actor) = (path.clone(), self.writer, self.actor.clone());
            // On a thread where files may be slow.
            let attach = move || Handle::current().block_on(SqliteJournal::attach(&path, writer, actor));
            let file = tokio::task::spawn_blocking(attach).await.unwrap_or_else(|cut| {
                Err(JournalError::new(format!("opening the file to fall back to was cut off ({cut})"), "try again"))
            })?;
            Ok(opened.insert(file).clone())
        }
        .boxed()
    }

    /// The server has this one, and the file not yet.
    pub(super) async fn lags(&self, record: &Record) {
        self.behind.lock().await.push(record.clone());
    }

    /// Writes down what the server has. What fails is tried again with the next record.
    pub(super) async fn catch_up(&self) {
        let why = match timeout(BOUND, self.caught_up()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {BOUND:?}"),
        };
        tracing::warn!(why, "the file to fall back to is behind the team's journal");
    }

    /// The file, with everything that the server has of this chain.
    pub(super) fn caught_up(&self) -> BoxFuture<'_, Result<SqliteJournal, JournalError>> {
        async move {
            let file = self.open().await?;
            let mut behind = self.behind.lock().await;
            if let Some(last) = behind.last() {
                let marks = BTreeMap::from([(last.writer, last.seq)]);
                file.adopt(behind.clone(), marks, None).await?;
                behind.clear();
            }
            drop(behind);
            Ok(file)
        }
        .boxed()
    }

    /// Somebody has made it.
    pub(super) fn is_there(&self) -> bool {
        self.path.as_deref().is_some_and(Path::exists)
    }

    /// Who holds these by the file.
    pub(super) async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        self.open().await?.held(resources).await
    }

    /// There is something in the file that the server may lack. Makes no file.
    pub(super) fn has_pending(&self) -> BoxFuture<'_, bool> {
        async move {
            let Some(path) = self.path.as_deref().filter(|path| path.exists()) else { return false };
            let opened = self.opened.lock().await.clone();
            let pending = match opened {
                Some(file) => file.reader().pending().await,
                None => match sqlite::Reader::open(path).await {
                    Ok(reader) => reader.pending().await,
                    Err(error) => Err(error),
                },
            };
            pending
                .inspect_err(|error| tracing::warn!(%error, "the file to fall back to"))
                .is_ok_and(|found| !found.is_empty())
        }
        .boxed()
    }

    /// The same records, those marked that the server is not known to have.
    pub(super) async fn marked(&self, records: Vec<Record>) -> Result<Vec<Record>, JournalError> {
        let marks = self.open().await?.reader().marks().await?;
        let found = records.into_iter().map(|record| Found::Record(Box::new(record)).marked(&marks));
        Ok(found.filter_map(Found::record).collect())
    }
}

/// The records among rows, and of which chains one can't be read.
pub(super) fn records(rows: Vec<Found>) -> (Vec<Record>, Vec<(Uuid, String)>) {
    let (mut read, mut broken) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Found::Record(record) => read.push(*record),
            Found::Unreadable { writer, seq, why } => {
                broken.push((writer, format!("record {seq} cannot be read: {why}")));
            }
        }
    }
    (read, broken)
}
