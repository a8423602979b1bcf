//! What went wrong with the file, in words, and how to mend it.

use super::super::JournalError;
use std::io;
use std::path::Path;

/// Says what a database error means for the journal at `path`.
pub(super) fn explain(path: &Path, doing: &str, error: &sqlx::Error) -> JournalError {
    let (reason, hint) = match error {
        sqlx::Error::Database(database) => {
            // The extended code's low byte is the primary one. Source: sqlite.org/rescode.html
            let code = database.code().and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff);
            primary(path, code, database.message())
        }
        sqlx::Error::PoolTimedOut => primary(path, 5, ""),
        sqlx::Error::Io(error) => return explain_io(path, doing, error),
        other => primary(path, 0, &other.to_string()),
    };
    JournalError::new(format!("cannot {doing} in the journal {}: {reason}", path.display()), hint)
}

fn primary(path: &Path, code: i32, message: &str) -> (String, String) {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path).display();
    match code {
        5 | 6 => (
            "another process keeps it locked".to_owned(),
            format!("see which one with `fuser {shown}`, let it end, and try again"),
        ),
        3 | 8 | 14 | 23 => (
            format!("it is not writable ({message})"),
            format!("make {folder} and the files in it yours and writable, or name another file as path in [journal]"),
        ),
        10 => (
            format!("the disk failed ({message})"),
            format!("check the filesystem that holds {folder}, or name a file on another one as path in [journal]"),
        ),
        11 => (
            "the file is damaged".to_owned(),
            format!(
                "move {shown} away together with its -wal and -shm files and keep them: a new one is begun, and \
                 `sqlite3 FILE .recover` reads what is left of the old one"
            ),
        ),
        13 => (
            "the disk is full".to_owned(),
            format!("free space on the filesystem that holds {folder}; until then nothing can be changed from here"),
        ),
        26 => (
            "it is no SQLite database".to_owned(),
            format!("move {shown} away, or name another file as path in [journal]"),
        ),
        19 => (message.to_owned(), "run `quarterdeck journal verify`".to_owned()),
        _ => (message.to_owned(), "run `quarterdeck journal verify`; if that fails too, move the file away".to_owned()),
    }
}

/// Says what an error of the file system means for the journal at `path`.
pub(super) fn explain_io(path: &Path, doing: &str, error: &io::Error) -> JournalError {
    let folder = path.parent().unwrap_or(path).display();
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free space on the filesystem that holds {folder}; until then nothing can be changed from here")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
            "name a file in a folder as path in [journal]".to_owned()
        }
        _ => format!("make {folder} yours and writable, or name another file as path in [journal]"),
    };
    JournalError::new(format!("cannot {doing} the journal {}: {error}", path.display()), hint)
}
