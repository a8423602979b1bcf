//! Where the journal and the log are kept.

use crate::config::FOLDER;
use std::env::var_os;
use std::path::PathBuf;

/// `$XDG_STATE_HOME/quarterdeck`, with `~/.local/state` when the variable is not set or not absolute.
///
/// # Errors
/// When there is no home folder either.
pub fn state() -> Result<PathBuf, String> {
    let set = |name: &str| var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join(FOLDER))
        .ok_or_else(|| "there is no folder to keep the journal in: set HOME or XDG_STATE_HOME".to_owned())
}

/// The journal: what the config names, else in the state folder.
///
/// # Errors
/// As [`state`].
pub fn journal(configured: Option<PathBuf>) -> Result<PathBuf, String> {
    configured.map_or_else(|| Ok(state()?.join("journal.sqlite")), Ok)
}
