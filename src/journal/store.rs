//! Where a journal is kept: in a file of one machine, or on a team's PostgreSQL server. What only reads need not know which.

use super::chain::Report;
use super::fallback::Fallback;
use super::lease::Lease;
use super::postgres;
use super::process::actor;
use super::row::{self, Found};
use super::sqlite::{self, SqliteJournal};
use super::team::TeamReader;
use super::{Journal, JournalError};
use crate::connect::postgres::LoginSettings;
use crate::domain::RunId;
use crate::domain::record::Record;
use crate::redact::Redactor;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Team(Box<Team>),
}

/// A team's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// The login.
    pub login: LoginSettings,
    /// The file of this machine that it falls back to; none: it can't.
    pub file: Option<PathBuf>,
}

impl Team {
    /// The file beside `usual` that a team's journal falls back to: one for each database, and none that a journal without a team has.
    ///
    /// # Errors
    /// When the login can't be one.
    pub fn file_beside(login: &LoginSettings, usual: &Path) -> Result<PathBuf, JournalError> {
        let server = postgres::login(login, &Redactor::default())?.server_and_database();
        let kept = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
        let name: String = server.chars().map(kept).collect();
        let stem = usual.file_stem().unwrap_or_default().to_string_lossy();
        Ok(usual.with_file_name(format!("{stem}-{}.sqlite", name.trim_matches('-'))))
    }
}

impl Store {
    /// Opens it, and makes it when it is a file that is not there; a team's is reached at its first use.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`]; when the team's login can't be one.
    pub async fn open(&self, env: &str, redactor: Redactor) -> Result<Arc<dyn Journal>, JournalError> {
        match self {
            Self::File(path) => Ok(Arc::new(SqliteJournal::open(path, env, redactor).await?)),
            Self::Team(team) => Ok(Arc::new(Fallback::new(&team.login, team.file.clone(), env, redactor)?)),
        }
    }

    /// There may be something to read: a file that nobody has made yet holds nothing.
    pub fn is_there(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Team(_) => true,
        }
    }
}

impl fmt::Display for Store {
    /// The file's path, or `db:5432 as ada`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Team(team) => match postgres::login(&team.login, &Redactor::default()) {
                Ok(login) => f.write_str(&login.place()),
                Err(_) => f.write_str(postgres::TABLE),
            },
        }
    }
}

/// Reads a journal, and begins no chain in it.
#[derive(Clone)]
pub enum Reader {
    /// A file.
    File(sqlite::Reader),
    /// A team's.
    Team(TeamReader),
}

impl Reader {
    /// Opens an existing journal.
    ///
    /// # Errors
    /// When there is none, it can't be reached, or it is of another version.
    pub async fn open(store: &Store) -> Result<Self, JournalError> {
        match store {
            Store::File(path) => Ok(Self::File(sqlite::Reader::open(path).await?)),
            Store::Team(team) => Ok(Self::Team(TeamReader::open(team).await?)),
        }
    }

    /// All rows in the order in which they came into this store.
    pub fn all(&self) -> BoxStream<'_, Result<Found, JournalError>> {
        match self {
            Self::File(reader) => reader.all().boxed(),
            Self::Team(reader) => reader.all(),
        }
    }

    /// Checks every chain.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn verify(&self) -> Result<Report, JournalError> {
        row::verify(self.all()).await
    }

    /// The newest `limit` records of all writers, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.recent(limit).await,
            Self::Team(reader) => reader.recent(limit).await,
        }
    }

    /// See [`Journal::of_incidents`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.of_incidents(limit).await,
            Self::Team(reader) => reader.of_incidents(limit).await,
        }
    }

    /// The newest `run.start` of each runbook, or of the one with this id, oldest first. Reads those records alone, however long the
    /// journal is.
    ///
    /// # Errors
    /// When the journal cannot be read. A record that cannot be is left out: `verify` tells of it.
    pub async fn last_starts(&self, runbook: Option<&str>) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.last_starts(runbook).await,
            Self::Team(reader) => reader.last_starts(runbook).await,
        }
    }

    /// How a run ended; `None`: it goes on, or was cut off.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn end_of(&self, run: RunId) -> Result<Option<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.end_of(run).await,
            Self::Team(reader) => reader.end_of(run).await,
        }
    }

    /// All records of a run, oldest first; none: it is not known.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.of_run(run).await,
            Self::Team(reader) => reader.of_run(run).await,
        }
    }

    /// See [`super::Journal::open_runs`]; of a team's server that is behind this machine's file, with what it lacks.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(reader) => reader.open_runs().await,
            Self::Team(reader) => reader.open_runs().await,
        }
    }

    /// See [`super::Journal::locked`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn locked(&self) -> Result<Vec<String>, JournalError> {
        match self {
            Self::File(reader) => reader.locked().await,
            Self::Team(reader) => reader.locked().await,
        }
    }

    /// Who holds these, as somebody on this machine sees it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        match self {
            Self::File(reader) => reader.held(resources, &actor()).await,
            Self::Team(reader) => reader.held(resources).await,
        }
    }
}
