//! The file itself: its folder, its permissions, how it is opened, its schema.

use super::super::JournalError;
use super::fault;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlitePool};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an append waits for other processes before it fails.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATOR: Migrator = sqlx::migrate!("src/journal/migrations");

/// A file that was found fit for a journal.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    identity: (u64, u64),
}

impl Opened {
    /// The file at the path is still the one that was opened: records written to a removed one would be lost.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.identity => Ok(()),
            Ok(_) => Err(self.fault("append to", "another file stands at its place")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.fault("append to", "it was removed")),
            Err(error) => Err(fault::explain_io(&self.path, "append to", &error)),
        }
    }

    pub(super) fn explain(&self, doing: &str, error: &sqlx::Error) -> JournalError {
        fault::explain(&self.path, doing, error)
    }

    pub(super) fn fault(&self, doing: &str, reason: &str) -> JournalError {
        let what = format!("cannot {doing} the journal {}: {reason}", self.path.display());
        JournalError::new(what, "quit and start quarterdeck again")
    }
}

/// Makes the folder (0700) and the file (0600) where they are missing; refuses a folder in which others could replace the
/// file, and closes a file that others could read.
pub(super) fn prepare(path: &Path) -> Result<Opened, JournalError> {
    let failed = |error: io::Error| fault::explain_io(path, "open", &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    refuse_open_folder(path, folder)?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let found = file.and_then(|file| file.metadata()).map_err(failed)?;
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(Opened { path: path.to_owned(), identity: (found.dev(), found.ino()) })
}

/// In a sticky folder such as `/tmp` others may write, but not replace the file.
fn refuse_open_folder(path: &Path, folder: &Path) -> Result<(), JournalError> {
    let mode = fs::metadata(folder).map_err(|error| fault::explain_io(path, "open", &error))?.mode();
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        let what = format!("the journal {} is refused: others can write to its folder", path.display());
        return Err(JournalError::new(what, format!("chmod go-w {}", folder.display())));
    }
    Ok(())
}

/// The schema version of this program.
pub(super) fn version() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // On macOS a plain fsync does not reach the disk. Elsewhere this says nothing.
        .pragma("fullfsync", "1")
        .busy_timeout(BUSY_TIMEOUT)
}

/// Connects. Setting WAL mode on a new file fails at once when another process does the same, whatever the busy
/// timeout: so it is tried again for as long.
pub(super) async fn connect(opened: &Opened, connections: u32) -> Result<SqlitePool, JournalError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let connected = pool(connections).connect_with(options(&opened.path)).await;
        match connected {
            Ok(pool) => return Ok(pool),
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(opened.explain("open", &error)),
        }
    }
}

/// Connects for reading alone; makes nothing.
pub(super) async fn connect_read_only(path: &Path) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    pool(1).connect_with(options).await
}

/// Connections are kept: one that is opened later could fail just when a record must be written.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(BUSY_TIMEOUT * 2)
        .test_before_acquire(false)
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Brings the schema up to date, under the write lock: of several first starts one makes it, the others find it made.
pub(super) async fn migrate(opened: &Opened, pool: &SqlitePool) -> Result<(), JournalError> {
    let mut change =
        pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| opened.explain("make the tables", &error))?;
    MIGRATOR.run(&mut *change).await.map_err(|error| explain_migration(opened, error))?;
    change.commit().await.map_err(|error| opened.explain("make the tables", &error))
}

fn explain_migration(opened: &Opened, error: MigrateError) -> JournalError {
    match error {
        MigrateError::VersionMissing(found) => newer(&opened.path, found),
        MigrateError::VersionMismatch(version) => {
            opened.fault("open", &format!("its schema {version} is not the one of this version of quarterdeck"))
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            opened.explain("make the tables", &error)
        }
        other => opened.fault("open", &other.to_string()),
    }
}

fn newer(path: &Path, found: i64) -> JournalError {
    let ours = version();
    let what = format!("the journal {} was made by a newer quarterdeck (schema {found}, here {ours})", path.display());
    JournalError::new(what, "update quarterdeck, or name another file as path in [journal]")
}

/// Refuses to read what is no journal, or one of a newer version.
pub(super) async fn check_version(path: &Path, pool: &SqlitePool) -> Result<(), JournalError> {
    let found = sqlx::query("SELECT max(version) FROM _sqlx_migrations").fetch_one(pool).await;
    let found = match found {
        Ok(row) => row.try_get::<i64, _>(0).unwrap_or_default(),
        Err(error) if error.to_string().contains("no such table") => 0,
        Err(error) => return Err(fault::explain(path, "read", &error)),
    };
    match found {
        0 => Err(JournalError::new(
            format!("{} is a database, but no journal", path.display()),
            "name the journal as path in [journal]",
        )),
        found if found > version() => Err(newer(path, found)),
        _ => Ok(()),
    }
}
