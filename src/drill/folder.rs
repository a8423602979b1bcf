//! The private folder of a drill: its sockets, its config, its journal. It goes with the drill; that of one that was killed goes with the
//! start of the next.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// How its name begins.
const PREFIX: &str = "quarterdeck-drill-";
/// Held as long as the drill lives: the kernel lets it go, however the process ends.
const LOCK: &str = "lock";

/// A folder that only its owner can enter.
pub struct Folder {
    dir: TempDir,
    _lock: File,
}

impl Folder {
    /// A new one.
    ///
    /// # Errors
    /// When it can't be made there.
    pub fn new(base: &Path) -> io::Result<Self> {
        let dir =
            tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(base)?;
        // It gets its name once it is held: who sweeps up takes one that nobody holds for one that was left.
        let (new, named) = (dir.path().join("lock.new"), dir.path().join(LOCK));
        let lock = File::create(&new)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(new, named)?;
        Ok(Self { dir, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Writes a file that its owner alone can read.
///
/// # Errors
/// When it is there already, or can't be written.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Removes what drills have left that were killed. What can't be removed (it is somebody else's) is left.
pub fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let named =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(named) {
        if is_dead(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Nobody holds its lock. One without a lock is being made at this moment, unless it is old.
fn is_dead(path: &Path) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(_) => {
            let age = fs::metadata(path).and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
            age.is_some_and(|age| age.as_secs() > 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_one_that_lives_stays_and_of_one_that_was_killed_goes() {
        let base = tempfile::tempdir().unwrap();
        let living = Folder::new(base.path()).unwrap();
        assert_eq!(fs::metadata(living.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let killed = base.path().join(format!("{PREFIX}killed"));
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        let (other, young) = (base.path().join("other"), base.path().join(format!("{PREFIX}young")));
        fs::create_dir(&other).unwrap();
        fs::create_dir(&young).unwrap();
        sweep(base.path());
        assert_eq!(
            [living.path().exists(), killed.exists(), other.exists(), young.exists()],
            [true, false, true, true]
        );
    }

    #[test]
    fn it_goes_with_the_drill() {
        let base = tempfile::tempdir().unwrap();
        let path = Folder::new(base.path()).unwrap().path().to_owned();
        assert!(!path.exists());
    }
}
