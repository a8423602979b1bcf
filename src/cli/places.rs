//! Where the journal and the log are kept.

use crate::config::{FOLDER, JournalChoice};
use crate::journal::{Store, Team};
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

/// The journal: the team's that the config names, else the file that it names, else one in the state folder.
///
/// # Errors
/// As [`state`].
pub fn journal(configured: &JournalChoice) -> Result<Store, String> {
    match (&configured.postgres, &configured.path) {
        (Some(login), _) => {
            let usual = configured.path.clone().map_or_else(usual, Ok).ok();
            // A login that can't be one says so when it is used.
            let file = usual.and_then(|usual| Team::file_beside(login, &usual).ok());
            Ok(Store::Team(Box::new(Team { login: login.clone(), file })))
        }
        (None, Some(path)) => Ok(Store::File(path.clone())),
        (None, None) => usual().map(Store::File),
    }
}

fn usual() -> Result<PathBuf, String> {
    Ok(state()?.join("journal.sqlite"))
}
