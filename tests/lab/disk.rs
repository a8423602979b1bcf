//! A small disk that fills up without harm: a tmpfs in a mount namespace of its own, which only what is started in it sees.

use super::service::{Service, folder};
use super::{is_root, program};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Far more than a mount takes.
const LIMIT: Duration = Duration::from_secs(20);

/// The disk. Gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    /// Where it is, for whoever is started by [`Self::wrapper`].
    pub at: PathBuf,
    nsenter: PathBuf,
    /// Keeps the namespace.
    keeper: Service,
}

/// One of 2 MB.
pub fn small_disk() -> Result<SmallDisk, String> {
    if !is_root() {
        return Err("the right to mount (root)".to_owned());
    }
    let [unshare, nsenter] = ["unshare", "nsenter"].map(|name| program(&[name], &[]));
    let (unshare, nsenter) = unshare.zip(nsenter).ok_or("unshare and nsenter (util-linux)")?;
    let at = folder("disk");
    let script =
        format!("mount -t tmpfs -o size=2m,mode=700 none {0} && touch {0}/here && exec sleep 86400", at.display());
    let mut keeper = Service::start("disk-log", Command::new(unshare).args(["--mount", "sh", "-c", &script]))?;
    keeper = keeper.ends_by(Signal::KILL);
    let here = seen(&keeper, &at).join("here");
    keeper.ready(LIMIT, || here.exists())?;
    Ok(SmallDisk { at, nsenter, keeper })
}

impl SmallDisk {
    /// The words of a command that sees it; the command's own follow.
    pub fn wrapper(&self) -> Vec<String> {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.keeper.pid());
        vec![self.nsenter.display().to_string(), namespace, "--".to_owned()]
    }

    /// Writes until there is no room for one byte more.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file on the small disk");
        let zeros = [0; 4096];
        while file.write_all(&zeros).is_ok() {}
    }

    /// Makes room again.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("what filled it goes");
    }

    fn ballast(&self) -> PathBuf {
        seen(&self.keeper, &self.at).join("ballast")
    }
}

/// The place as this process sees it, through the namespace of another one.
fn seen(keeper: &Service, at: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", keeper.pid(), at.display()))
}
