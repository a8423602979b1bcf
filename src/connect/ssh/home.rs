//! The private folder for control sockets, logs of masters and forwarded sockets. Whoever can open a control socket acts as its
//! owner on the host, so the folder is open to its owner alone, and new for each process.
//!
//! A process that was killed leaves its folder behind. The next one removes it: each holds a lock on a file in its own, and the
//! kernel lets go of that however a process ends.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The start of the name of every such folder.
const PREFIX: &str = "quarterdeck-ssh.";
/// The path of a Unix socket has room for about 100 bytes, and `ssh` appends some while it makes one.
const LONGEST: usize = 40;

/// The folder of this process; made at the first use, removed when dropped.
#[derive(Debug, Default)]
pub struct Home(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Where it is.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match &mut *made {
            Some(made) => made,
            none => none.insert(make(&place())?),
        };
        Ok(made.folder.clone())
    }

    /// Removes it, with all that is in it.
    pub fn remove(&self) {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(made) = made {
            // Nothing in it is worth a complaint; the next process tries again.
            let _ = fs::remove_dir_all(made.folder);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The folder for sockets that the system gives to each user, else the one for temporary files.
fn place() -> PathBuf {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
    let short = |path: &PathBuf| path.as_os_str().len() <= LONGEST;
    runtime.into_iter().chain([std::env::temp_dir()]).find(short).unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn make(place: &Path) -> io::Result<Made> {
    remove_dead(place);
    // A name that nobody can guess, and an error if somebody did: a folder that others made is never used.
    let folder = place.join(format!("{PREFIX}{}", &uuid::Uuid::new_v4().simple().to_string()[..12]));
    DirBuilder::new().mode(0o700).create(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Made { folder, _lock: lock })
}

fn remove_dead(place: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let own = named && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
        if own && is_dead(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether nobody holds the lock. One without a lock file is being made this very moment, or was half removed: left alone.
fn is_dead(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_private_and_those_of_the_dead_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let living = make(place.path()).unwrap();
        let mode = living.folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let dead = make(place.path()).unwrap();
        let left = dead.folder.clone();
        drop(dead);
        assert!(left.exists());
        // A process that another test has just forked holds the lock too, until it is another program.
        let gone = || make(place.path()).is_ok().then(|| !left.exists()).filter(|gone| *gone);
        assert!(crate::lab::poll(std::time::Duration::from_secs(30), gone).is_some());
        assert!(living.folder.exists());
    }

    #[test]
    fn it_is_gone_with_its_owner() {
        let home = Home::default();
        let folder = home.folder().unwrap();
        assert_eq!(home.folder().unwrap(), folder);
        drop(home);
        assert!(!folder.exists());
    }
}
