//! The filesystems of this machine, by what `df` calls their use.

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
    asked: Option<oneshot::Receiver<Vec<Filesystem>>>,
}

impl Disks {
    /// All of them, the fullest first; `None` when one of them hangs. Safe to drop at any await.
    pub(super) async fn all(&mut self) -> Option<Vec<Filesystem>> {
        let asked = match &mut self.asked {
            Some(asked) => asked,
            none => none.insert(ask()?),
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?;
        self.asked = None;
        answer.ok()
    }
}

fn ask() -> Option<oneshot::Receiver<Vec<Filesystem>>> {
    let (answer, asked) = oneshot::channel();
    let thread = std::thread::Builder::new().name("filesystems".to_owned());
    // Nobody may listen any more; then nobody minds.
    thread.spawn(move || answer.send(filesystems(mounts()))).ok().map(|_| asked)
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
    /// Nothing can be written to it.
    read_only: bool,
    /// Used, and used + available to ordinary users.
    usage: Usage,
    /// Where it counts them.
    inodes: Option<Usage>,
}

fn mounts() -> Vec<Mount> {
    let list = List::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage());
    let mut mounts: Vec<Mount> = list.iter().flat_map(|list| list.iter()).filter_map(mount).collect();
    if !mounts.iter().any(is_real) {
        // In a container the root is an overlay: better the figures of what lies under it than none.
        mounts.extend(usage("/".as_ref()).map(|(usage, inodes)| Mount {
            device: "/".to_owned(),
            at: PathBuf::from("/"),
            kind: String::new(),
            read_only: false,
            usage,
            inodes,
        }));
    }
    mounts
}

fn mount(disk: &sysinfo::Disk) -> Option<Mount> {
    let (usage, inodes) = usage(disk.mount_point())?;
    Some(Mount {
        device: disk.name().to_string_lossy().into_owned(),
        at: disk.mount_point().to_owned(),
        kind: disk.file_system().to_string_lossy().into_owned(),
        read_only: disk.is_read_only(),
        usage,
        inodes,
    })
}

/// As `df` counts: blocks reserved for root are neither used nor available; likewise the inodes.
fn usage(at: &std::path::Path) -> Option<(Usage, Option<Usage>)> {
    let stat = rustix::fs::statvfs(at).ok()?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize);
    let total = used.saturating_add(stat.f_bavail.saturating_mul(stat.f_frsize));
    let inodes = Usage { used: stat.f_files.saturating_sub(stat.f_ffree), total: stat.f_files };
    (total > 0).then_some((Usage { used, total }, (inodes.total > 0).then_some(inodes)))
}

/// Holds data of its own. What lies on a loop device is an image, and full for ever.
fn is_real(mount: &Mount) -> bool {
    machine::is_real_filesystem(&mount.kind) && !mount.device.starts_with("/dev/loop")
}

/// The real ones; of the mounts of one device one that can be written to, and of these the one with the shortest path.
fn filesystems(mut mounts: Vec<Mount>) -> Vec<Filesystem> {
    mounts.retain(is_real);
    mounts.sort_by_key(|mount| (mount.read_only, mount.at.as_os_str().len()));
    let mut seen = std::collections::HashSet::new();
    mounts.retain(|mount| seen.insert(mount.device.clone()));
    let filesystem = |Mount { at, usage, inodes, read_only, .. }: Mount| Filesystem {
        mount: at.display().to_string(),
        usage,
        inodes,
        read_only,
        full_in: None,
    };
    let mut filesystems: Vec<Filesystem> = mounts.into_iter().map(filesystem).collect();
    machine::fullest_first(&mut filesystems);
    filesystems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, at: &str, kind: &str, used: u64) -> Mount {
        let usage = Usage { used, total: 100 };
        Mount { device: device.into(), at: at.into(), kind: kind.into(), read_only: false, usage, inodes: None }
    }

    #[test]
    fn each_real_one_is_told_once_by_its_shortest_path_the_fullest_first() {
        let sealed = |mount: Mount| Mount { read_only: true, ..mount };
        let mounts = vec![
            mount("/dev/a", "/var/lib/docker", "ext4", 60),
            mount("/dev/a", "/", "ext4", 60),
            sealed(mount("/dev/a", "/a", "ext4", 60)),
            mount("/dev/b", "/data", "xfs", 70),
            mount("overlay", "/var/lib/docker/overlay2/x/merged", "overlay", 90),
            mount("tmpfs", "/tmp", "tmpfs", 99),
            sealed(mount("/dev/loop0", "/snap/x", "ext4", 100)),
            sealed(mount("/dev/c", "/broken", "ext4", 95)),
        ];
        let told = filesystems(mounts);
        let told: Vec<_> = told.iter().map(|disk| (disk.mount.as_str(), disk.usage.used, disk.read_only)).collect();
        assert_eq!(told, [("/data", 70, false), ("/", 60, false), ("/broken", 95, true)]);
    }

    #[test]
    fn none_is_none() {
        assert_eq!(filesystems(Vec::new()), []);
    }

    #[test]
    fn the_figures_are_those_of_df() {
        let df = std::process::Command::new("df").args(["-B1", "--output=used,avail", "/"]).output().unwrap();
        let text = String::from_utf8(df.stdout).unwrap();
        let figures: Vec<u64> =
            text.lines().nth(1).unwrap().split_whitespace().map(|word| word.parse().unwrap()).collect();
        let (usage, _) = usage("/".as_ref()).unwrap();
        // Other programs write meanwhile: within 1 % of the whole.
        let near = |one: u64, other: u64| one.abs_diff(other) < usage.total / 100;
        assert!(near(usage.used, figures[0]) && near(usage.total, figures[0] + figures[1]), "{usage:?} {figures:?}");
    }

    #[tokio::test]
    async fn a_mount_that_hangs_is_asked_once() {
        let (answer, asked) = oneshot::channel();
        let mut disks = Disks { asked: Some(asked) };
        assert_eq!(disks.all().await, None);
        let late = Filesystem { mount: "/late".into(), usage: Usage { used: 1, total: 2 }, ..Filesystem::default() };
        answer.send(vec![late.clone()]).unwrap();
        assert_eq!(disks.all().await, Some(vec![late]));
    }
}
