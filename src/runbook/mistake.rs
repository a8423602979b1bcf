//! A page that can't be used as its file stands, and what is said of it for as long as it stands so. Pure.

use super::model::Runbook;
use jiff::Timestamp;
use std::fmt;
use std::path::PathBuf;

/// A file, or a folder of files, that can't be used as it stands. It keeps nobody from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file or folder.
    pub path: PathBuf,
    /// Line and column, from 1; `None` when the whole of it is meant.
    pub place: Option<(u32, u32)>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
    /// More mistakes in the same file.
    pub others: usize,
    /// The id that the file gives itself, if it says one.
    pub id: Option<String>,
    /// Since when it stands so: its last change, or when it was found gone.
    pub since: Timestamp,
    /// The runbooks, by their ids, that are shown as they were before. None for a file that was never read without a mistake.
    pub kept: Vec<String>,
}

/// `file:line:column: what; mend`
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.path.display();
        write!(f, "{file}{}: {}", self.at(), self.said())?;
        match self.others {
            0 => Ok(()),
            more => write!(f, " (and {more} more: `quarterdeck runbook lint {file}`)"),
        }
    }
}

impl Mistake {
    /// What its file is called, without the folders.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Where, since when, what and how it is mended: `(own.md:6:1, since 2026-11-28 21:05Z): …; add …`.
    pub fn told(&self) -> String {
        format!("({}{}, since {}): {}", self.name(), self.at(), minute(self.since), self.said())
    }

    /// Why a runbook that is shown as it was before can't be run.
    pub fn why(&self, runbook: &Runbook) -> String {
        let version = runbook.written.map_or_else(|| "before".to_owned(), minute);
        format!("its file has a mistake {}; shown is the version of {version}", self.told())
    }

    fn at(&self) -> String {
        self.place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default()
    }

    /// `what; mend`
    fn said(&self) -> String {
        let Self { what, mend, .. } = self;
        let joint = if mend.is_empty() || what.ends_with('?') { "" } else { ";" };
        format!("{what}{joint} {mend}").trim_end().to_owned()
    }
}

/// As times of files are told.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}
