//! This machine's processes. Reading the command line of a process that hangs in the kernel can hang too: so it is done in a
//! thread of its own, and there is one at most.

use super::{Gathered, LONGEST, MOST, stat};
use crate::domain::{Processes, SourceError};
use crate::redact::Redactor;
use std::fs::{self, File};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for all of them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Whether a reading is under way, be it one that hangs.
static READING: AtomicBool = AtomicBool::new(false);

/// Reads them all.
///
/// # Errors
/// When there is no `/proc` to read, or reading it hangs.
pub(super) async fn read(redactor: &Redactor) -> Result<Processes, SourceError> {
    if READING.swap(true, Ordering::AcqRel) {
        return Err(hangs());
    }
    let (answer, asked) = oneshot::channel();
    let redactor = redactor.clone();
    let thread = std::thread::Builder::new().name("processes".to_owned()).spawn(move || {
        let found = processes(&redactor);
        READING.store(false, Ordering::Release);
        // Nobody may listen any more; then nobody minds.
        let _ = answer.send(found);
    });
    if thread.is_err() {
        READING.store(false, Ordering::Release);
    }
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Ok(None) | Err(_)) => Err(SourceError::new(
            "this machine does not tell its processes",
            "they are read from /proc, as Linux has it: see whether it is mounted and readable",
        )),
        Err(_) => Err(hangs()),
    }
}

fn hangs() -> SourceError {
    SourceError::new(
        "reading this machine's processes hangs",
        "one of them is stuck in the kernel, mostly on a dead disk or network mount: `ps -eo pid,stat,wchan` without \
         command lines may show it",
    )
}

fn processes(redactor: &Redactor) -> Option<Processes> {
    let mut gathered = Gathered::default();
    let at = uptime()?;
    let mut pids: Vec<i32> =
        fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let total = pids.len();
    for pid in pids.into_iter().take(MOST) {
        // What ends in between is left out.
        let Some(read) = text(pid, "stat").and_then(|text| stat(&text)) else { continue };
        gathered.stats.push(read);
        for line in text(pid, "status").unwrap_or_default().lines() {
            gathered.status(pid, line);
        }
        gathered.command(pid, &bytes(pid, "cmdline").unwrap_or_default(), redactor);
    }
    let mut found = gathered.processes(at, &fs::read_to_string("/etc/passwd").unwrap_or_default());
    found.boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned());
    // Those that ended in between are not missing.
    found.total = if total > MOST { total } else { found.list.len() };
    Some(found)
}

fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_whitespace().next()?.parse().ok()?).ok()
}

fn bytes(pid: i32, file: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = if file == "cmdline" { LONGEST as u64 } else { 64 << 10 };
    File::open(format!("/proc/{pid}/{file}")).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(pid: i32, file: &str) -> Option<String> {
    bytes(pid, file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_test_finds_itself() {
        if uptime().is_none() {
            return;
        }
        let found = read(&Redactor::default()).await.unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let own = found.list.iter().find(|process| process.pid == own).unwrap();
        assert!(own.memory.unwrap() > 1 << 20 && own.threads >= 1 && own.age < Duration::from_hours(1), "{own:?}");
        assert!(own.command.as_ref().unwrap().contains("quarterdeck"), "{own:?}");
        assert!(!own.user.is_empty() && found.total >= found.list.len());
    }
}
