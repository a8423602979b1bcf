//! The fullest filesystem of this machine, by what `df` calls its use.

use crate::domain::{Filesystem, Usage};
use crate::sources::machine;
use std::path::PathBuf;
use std::time::Duration;
use sysinfo::{DiskRefreshKind, Disks as List};
use tokio::sync::oneshot;

/// Longest wait for the filesystems; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks for the filesystems in a thread; at most one at a time, so that a mount that hangs costs one thread, not one
/// for every poll. A thread and not the runtime's pool: that one would be waited for at the end of the program.
#[derive(Default)]
pub(super) struct Disks {
    asked: Option<oneshot::Receiver<Option<Filesystem>>>,
}

impl Disks {
    /// The fullest one; `None` when there is none, or one of them hangs. Safe to drop at any await.
    pub(super) async fn worst(&mut self) -> Option<Filesystem> {
        let asked = match &mut self.asked {
            Some(asked) => asked,
            none => none.insert(ask()?),
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?;
        self.asked = None;
        answer.ok().flatten()
    }
}

fn ask() -> Option<oneshot::Receiver<Option<Filesystem>>> {
    let (answer, asked) = oneshot::channel();
    let thread = std::thread::Builder::new().name("filesystems".to_owned());
    // Nobody may listen any more; then nobody minds.
    thread.spawn(move || answer.send(worst(mounts()))).ok().map(|_| asked)
}

/// A mounted filesystem, with what it says of itself.
#[derive(Clone, Debug)]
struct Mount {
    /// The device; several mounts of one device are one filesystem.
    device: String,
    /// Where.
    at: PathBuf,
    /// Its kind, as `ext4`.
    kind: String,
    /// Nothing can be written to it, so it can't fill up.
    read_only: bool,
    /// Used, and used + available to ordinary users.
    usage: Usage,
}

fn mounts() -> Vec<Mount> {
    let list = List::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage());
    let mut mounts: Vec<Mount> = list.iter().flat_map(|list| list.iter()).filter_map(mount).collect();
    if !mounts.iter().any(is_real) {
        // In a container the root is an overlay: better the figures of what lies under it than none.
        mounts.extend(usage("/".as_ref()).map(|usage| Mount {
            device: "/".to_owned(),
            at: PathBuf::from("/"),
            kind: String::new(),
            read_only: false,
            usage,
        }));
    }
    mounts
}

fn mount(disk: &sysinfo::Disk) -> Option<Mount> {
    Some(Mount {
        device: disk.name().to_string_lossy().into_owned(),
        at: disk.mount_point().to_owned(),
        kind: disk.file_system().to_string_lossy().into_owned(),
        read_only: disk.is_read_only(),
        usage: usage(disk.mount_point())?,
    })
}

/// As `df` counts: blocks reserved for root are neither used nor available.
fn usage(at: &std::path::Path) -> Option<Usage> {
    let stat = rustix::fs::statvfs(at).ok()?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize);
    let total = used.saturating_add(stat.f_bavail.saturating_mul(stat.f_frsize));
    (total > 0).then_some(Usage { used, total })
}

fn is_real(mount: &Mount) -> bool {
    !mount.read_only && machine::is_real_filesystem(&mount.kind)
}

/// The fullest of the real ones; of the mounts of one device the one with the shortest path.
fn worst(mut mounts: Vec<Mount>) -> Option<Filesystem> {
    mounts.retain(is_real);
    mounts.sort_by_key(|mount| mount.at.as_os_str().len());
    let mut seen = std::collections::HashSet::new();
    mounts.retain(|mount| seen.insert(mount.device.clone()));
    let fullest = mounts.into_iter().max_by(|one, other| one.usage.ratio().total_cmp(&other.usage.ratio()))?;
    Some(Filesystem { mount: fullest.at.display().to_string(), usage: fullest.usage, ..Filesystem::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, at: &str, kind: &str, used: u64) -> Mount {
        let usage = Usage { used, total: 100 };
        Mount { device: device.into(), at: at.into(), kind: kind.into(), read_only: false, usage }
    }

    #[test]
    fn the_fullest_real_one_is_told_by_its_shortest_path() {
        let full_image = Mount { read_only: true, ..mount("/dev/loop0", "/snap/x", "ext4", 100) };
        let mounts = vec![
            mount("/dev/a", "/var/lib/docker", "ext4", 60),
            mount("/dev/a", "/", "ext4", 60),
            mount("/dev/b", "/data", "xfs", 40),
            mount("overlay", "/var/lib/docker/overlay2/x/merged", "overlay", 90),
            mount("tmpfs", "/tmp", "tmpfs", 99),
            full_image,
        ];
        let worst = worst(mounts).unwrap();
        assert_eq!((worst.mount.as_str(), worst.usage.used), ("/", 60));
    }

    #[test]
    fn none_is_none() {
        assert_eq!(worst(Vec::new()), None);
    }

    #[test]
    fn the_figures_are_those_of_df() {
        let df = std::process::Command::new("df").args(["-B1", "--output=used,avail", "/"]).output().unwrap();
        let text = String::from_utf8(df.stdout).unwrap();
        let figures: Vec<u64> =
            text.lines().nth(1).unwrap().split_whitespace().map(|word| word.parse().unwrap()).collect();
        let usage = usage("/".as_ref()).unwrap();
        // Other programs write meanwhile: within 1 % of the whole.
        let near = |one: u64, other: u64| one.abs_diff(other) < usage.total / 100;
        assert!(near(usage.used, figures[0]) && near(usage.total, figures[0] + figures[1]), "{usage:?} {figures:?}");
    }

    #[tokio::test]
    async fn a_mount_that_hangs_is_asked_once() {
        let (answer, asked) = oneshot::channel();
        let mut disks = Disks { asked: Some(asked) };
        assert_eq!(disks.worst().await, None);
        let late = Filesystem { mount: "/late".into(), usage: Usage { used: 1, total: 2 }, ..Filesystem::default() };
        answer.send(Some(late.clone())).unwrap();
        assert_eq!(disks.worst().await, Some(late));
    }
}
