//! Watches the files of the config and those of the runbooks, and has them read again when they have changed or somebody asks for it.
//!
//! By looking at them once a second, not by the kernel's notices: editors and deployments replace files and folders instead of
//! writing into them, and a network's file system tells nobody. A look is a handful of `stat` calls, on a thread where files may be slow.
//! A file counts as changed when it is the same at two looks: what is being written is not read half.

use crate::connect::Connections;
use crate::domain::SourceId;
use crate::domain::risk::Policy;
use crate::event::Reloaded;
use crate::sources::{Pace, Source};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

/// From look to look.
const LOOK: Duration = Duration::from_secs(1);

/// Who knows the files and can read them.
pub trait Renew: Send {
    /// The files that would be read now, whether they are there or not.
    fn files(&self) -> Vec<PathBuf>;
    /// Those of them that are known to stand as they were read. The others count as changed: to look at them now would hold up the first frame.
    fn known(&self) -> Vec<PathBuf> {
        self.files()
    }
    /// It has to be read again though no file has changed.
    fn is_stale(&self) -> bool {
        false
    }
    /// Reads all of it. What is right is what the next reading is compared with. `None`: there is nothing to tell.
    fn read(&mut self) -> Option<Fresh>;
}

/// What came of a reading.
pub struct Fresh {
    /// For the state.
    pub told: Reloaded,
    /// What the runtime has to change; `None`: nothing.
    pub swap: Option<Swap>,
}

/// Sources and ways out that take the place of others.
pub struct Swap {
    /// What steps go through from now on.
    pub connections: Connections,
    /// What answer a risk takes from now on.
    pub policy: Policy,
    /// The feeds that are asked no more.
    pub closed: Vec<SourceId>,
    /// Those that are asked from now on.
    pub opened: Vec<(SourceId, Pace, Box<dyn Source>)>,
}

/// The tasks that watch. They end when nobody listens any more.
pub struct Watcher {
    asked: Vec<Arc<Notify>>,
}

impl Watcher {
    /// Starts one for each set of files; what is read comes out of the channel. Without any it stays empty.
    pub fn start(all: Vec<Box<dyn Renew>>) -> (Self, mpsc::Receiver<Fresh>) {
        let (sender, fresh) = mpsc::channel(1);
        let start = |renew: Box<dyn Renew>| {
            let asked = Arc::new(Notify::new());
            tokio::spawn(run(Watch::new(renew), Arc::clone(&asked), sender.clone()));
            asked
        };
        (Self { asked: all.into_iter().map(start).collect() }, fresh)
    }

    /// Has all of it read now, whether anything changed or not.
    pub fn read_now(&self) {
        self.asked.iter().for_each(|asked| asked.notify_one());
    }
}

async fn run(mut watch: Watch, asked: Arc<Notify>, fresh: mpsc::Sender<Fresh>) {
    loop {
        let asked = tokio::select! {
            () = sleep(LOOK) => false,
            () = asked.notified() => true,
            () = fresh.closed() => return,
        };
        let looked = tokio::task::spawn_blocking(move || {
            let fresh = watch.look(asked);
            (watch, fresh)
        });
        let Ok((back, read)) = looked.await else {
            let first = "reading it failed by a defect, and it is not watched any more: start again".to_owned();
            let _ = fresh.send(Fresh { told: Reloaded::Wrong { first, others: 0 }, swap: None }).await;
            return;
        };
        watch = back;
        if let Some(read) = read
            && fresh.send(read).await.is_err()
        {
            return;
        }
    }
}

/// All that changes when a file is written, replaced, linked elsewhere, or gets other permissions.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64, u32, u32)>;
/// That of a file and of its folder, whose permissions decide whether the file can be trusted.
type Stamps = BTreeMap<PathBuf, (Stamp, Option<(u32, u32)>)>;

struct Watch {
    renew: Box<dyn Renew>,
    /// As they were when they were read.
    read: Stamps,
    /// As they were at the last look.
    seen: Stamps,
}

impl Watch {
    fn new(renew: Box<dyn Renew>) -> Self {
        let read = stamps(renew.known());
        Self { renew, seen: read.clone(), read }
    }

    fn look(&mut self, asked: bool) -> Option<Fresh> {
        let now = stamps(self.renew.files());
        let still = now == self.seen;
        self.seen.clone_from(&now);
        if !asked && !self.renew.is_stale() && (now == self.read || !still) {
            return None;
        }
        let fresh = self.renew.read();
        // It may name other files now. What was written while it was read is read at the next look.
        self.read = stamps(self.renew.files());
        for (path, stamp) in &mut self.read {
            if let Some(before) = now.get(path) {
                *stamp = *before;
            }
        }
        self.seen.clone_from(&self.read);
        fresh
    }
}

fn stamps(files: Vec<PathBuf>) -> Stamps {
    files.into_iter().map(|path| (path.clone(), (stamp(&path), folder(&path)))).collect()
}

fn stamp(path: &Path) -> Stamp {
    let of = |data: Metadata| {
        let (changed, written) = ((data.ctime(), data.ctime_nsec()), (data.mtime(), data.mtime_nsec()));
        let owner = (data.mode(), data.uid());
        (data.dev(), data.ino(), data.size(), changed.0, changed.1, written.0, written.1, owner.0, owner.1)
    };
    std::fs::metadata(path).ok().map(of)
}

fn folder(path: &Path) -> Option<(u32, u32)> {
    let real = path.canonicalize().ok()?;
    std::fs::metadata(real.parent()?).ok().map(|data| (data.mode(), data.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(PathBuf, Arc<AtomicUsize>);

    impl Renew for Counting {
        fn files(&self) -> Vec<PathBuf> {
            vec![self.0.clone()]
        }

        fn read(&mut self) -> Option<Fresh> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Some(Fresh { told: Reloaded::Wrong { first: String::new(), others: 0 }, swap: None })
        }
    }

    /// How often it was read after two looks at each state of the file.
    fn read_after(changes: &[&dyn Fn(&Path)]) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let (path, count) = (folder.path().join("config.toml"), Arc::new(AtomicUsize::new(0)));
        fs::write(&path, "a").unwrap();
        let mut watch = Watch::new(Box::new(Counting(path.clone(), Arc::clone(&count))));
        let look = |change: &&dyn Fn(&Path)| {
            change(&path);
            assert!(watch.look(false).is_none(), "it may still be being written");
            watch.look(false);
            watch.look(false);
            count.load(Ordering::Relaxed)
        };
        changes.iter().map(look).collect()
    }

    #[test]
    fn it_is_read_once_for_each_change_when_it_stands_still() {
        let nothing = |_: &Path| {};
        let longer = |path: &Path| fs::write(path, "ab").unwrap();
        let replace = |path: &Path| {
            fs::write(path.with_extension("new"), "cd").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        };
        let remove = |path: &Path| fs::remove_file(path).unwrap();
        let create = |path: &Path| fs::write(path, "ef").unwrap();
        assert_eq!(read_after(&[&nothing, &longer, &nothing, &replace, &remove, &create]), [0, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn permissions_count_and_so_do_those_of_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        let folder = |path: &Path| {
            fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
        };
        assert_eq!(read_after(&[&open, &folder]), [1, 2]);
    }

    #[tokio::test]
    async fn who_asks_has_it_read_though_nothing_changed() {
        let (path, count) = (PathBuf::from("/nowhere"), Arc::new(AtomicUsize::new(0)));
        let (watcher, mut fresh) = Watcher::start(vec![Box::new(Counting(path, Arc::clone(&count)))]);
        watcher.read_now();
        assert!(fresh.recv().await.is_some());
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
