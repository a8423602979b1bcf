//! What other processes append to the same file, without asking the database while nothing is written.

use super::super::{JournalError, Others};
use super::Reader;
use crate::domain::record::Record;
use async_trait::async_trait;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Rows read at one look at most; the rest comes at the next one.
const PAGE: u32 = 1000;

/// Size, and seconds and nanoseconds of the last write.
type Mark = (u64, i64, i64);

/// Follows the file behind a reader.
pub(super) struct Following {
    reader: Reader,
    us: Uuid,
    /// The last row that was read.
    place: i64,
    log: PathBuf,
    mark: Mark,
    again: bool,
}

impl Following {
    /// From the first row after `place` on, without those of `us`.
    pub(super) fn new(reader: Reader, us: Uuid, place: i64) -> Self {
        let log = write_ahead_log(&reader.path);
        Self { reader, us, place, log, mark: Mark::default(), again: true }
    }
}

#[async_trait]
impl Others for Following {
    /// Every commit writes into the write-ahead log. One more look follows each change: a file's time has the kernel's coarse ticks, so
    /// that a second write may leave no mark of its own.
    fn stirs(&mut self) -> bool {
        let mark = mark(&self.log);
        let changed = mark != self.mark;
        let stirs = changed || self.again;
        (self.mark, self.again) = (mark, changed);
        stirs
    }

    async fn read(&mut self) -> Result<Vec<Record>, JournalError> {
        let (rows, last, records) = match self.reader.after(self.place, PAGE, self.us).await {
            Ok(found) => found,
            Err(error) => {
                self.again = true;
                return Err(error);
            }
        };
        self.again |= rows == PAGE as usize;
        self.place = last;
        Ok(records)
    }
}

fn mark(log: &Path) -> Mark {
    fs::metadata(log).map(|found| (found.len(), found.mtime(), found.mtime_nsec())).unwrap_or_default()
}

fn write_ahead_log(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}
