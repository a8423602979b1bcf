//! What the panes ask a machine over SSH: its figures, and its processes.

use crate::drill::machine::Machine;
use crate::drill::world::World;
use std::fmt::Write as _;

/// Clock ticks in a second, as the kernel counts.
const TICKS: f64 = 100.0;
/// Bytes of a sector.
const SECTOR: f64 = 512.0;

/// The answer to a script of a pane; `None`: it is something else.
pub(super) fn answer(machine: &Machine, text: &str) -> Option<String> {
    let asked = |what: &str| text.contains("\nqd() {\n") && text.contains(what);
    let stage = machine.stage().lock();
    if asked("at mounts;") {
        return Some(figures(&stage.world, machine.server));
    }
    asked("'@@ command-lines'").then(|| processes(&stage.world, machine.server))
}

fn boot(world: &World, server: usize) -> String {
    format!("{server:08x}-d711-4a11-8a11-{:012x}", world.servers[server].booted.unsigned_abs())
}

fn figures(world: &World, server: usize) -> String {
    let (one, up) = (&world.servers[server], (world.at - world.servers[server].booted) as f64);
    let counted = &one.counted;
    let kib = |bytes: f64| (bytes / 1024.0) as u64;
    let [cpu, memory, io] =
        counted.pressure.map(|seconds| format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={:.0}", seconds * 1e6));
    let ticks = |seconds: f64| (seconds * TICKS) as u64;
    let mut text = format!(
        "@@ date\n{}\n@@ uname\nLinux {} 6.12.48-drill x86_64\n@@ from\n127.0.0.1 0 {} 22\n@@ boot\n{}\n@@ uptime\n{up:.2} {:.2}\n\
         @@ load\n{:.2} {:.2} {:.2} 1/310 4711\n@@ pressure-cpu\n{cpu}\n@@ pressure-memory\n{memory}\n@@ pressure-io\n{io}\n@@ cpus\n{:.0}\n",
        jiff::Timestamp::now().as_millisecond() as f64 / 1000.0,
        one.name,
        one.address,
        boot(world, server),
        counted.idle,
        one.load[0],
        one.load[1],
        one.load[2],
        one.cores,
    );
    let free = one.memory - one.memory_used;
    // A String takes everything.
    let _ = write!(
        text,
        "@@ counts\ncpu  {} 0 {} {} {} 0 0 0 0 0\nMemTotal: {} kB\nMemFree: {} kB\nMemAvailable: {} kB\nBuffers: 0 kB\nCached: 0 kB\n\
         SwapTotal: 0 kB\nSwapFree: 0 kB\noom_kill {:.0}\n",
        ticks(counted.user),
        ticks(counted.system),
        ticks(counted.idle),
        ticks(counted.waiting),
        kib(one.memory),
        kib(free * 0.7),
        kib(free),
        counted.oom_kills,
    );
    let sectors = |bytes: f64| (bytes / SECTOR) as u64;
    let (used, left) = (one.disk_used.min(one.disk), (one.disk - one.disk_used).max(0.0));
    let percent = (used / one.disk * 100.0).ceil();
    let _ = write!(
        text,
        "@@ net\n  eth0: {:.0} 0 0 0 0 0 0 0 {:.0} 0 0 0 0 0 0 0\n@@ disks\n 253 0 vda 0 0 {} 0 0 0 {} 0 0 0 0\n@@ mounts\n/dev/vda1 / ext4 rw\n\
         @@ df\nFilesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 {} {} {} {percent:.0}% /\n@@ df-status 0\n\
         @@ inodes\nFilesystem Inodes IUsed IFree IUse% Mounted on\n/dev/vda1 10000000 400000 9600000 4% /\n@@ inodes-status 0\n@@ end\n",
        counted.received,
        counted.sent,
        sectors(counted.read),
        sectors(counted.written),
        kib(one.disk),
        kib(used),
        kib(left),
    );
    text
}

/// A process for each container that runs, and the first one.
fn processes(world: &World, server: usize) -> String {
    let one = &world.servers[server];
    let up = (world.at - one.booted) as f64;
    let own = world.on(server).map(|at| (2_000 + at, &world.containers[at])).filter(|(_, container)| container.runs());
    let mut all = vec![(1, "init".to_owned(), 40.0, 12_000_000.0, 0.0)];
    all.extend(own.map(|(pid, container)| {
        let began = (container.started - one.booted).max(0) as f64;
        (pid, container.service.clone(), container.cpu_seconds, container.memory, began)
    }));
    let mut text = format!("@@ uptime {up:.2}\n@@ boot {}\n@@ total {}\n@@ stat\n", boot(world, server), all.len());
    for (pid, name, seconds, _, began) in &all {
        let short: String = name.chars().take(15).collect();
        let (ticks, began) = ((seconds * TICKS) as u64, (began * TICKS) as u64);
        let _ = writeln!(text, "{pid} ({short}) S 1 {pid} {pid} 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 8 0 {began}");
    }
    text.push_str("@@ users-and-memory\n");
    for (pid, _, _, memory, _) in &all {
        let _ = writeln!(text, "{pid}/status:Uid:\t0\t0\t0\t0\n{pid}/status:VmRSS:\t{} kB", (memory / 1024.0) as u64);
    }
    text.push_str("@@ names-of-users\nroot:x:0\nops:x:1000\n@@ command-lines\n");
    for (pid, name, ..) in &all {
        let _ = write!(text, "==> /proc/{pid}/cmdline <==\n/usr/local/bin/{name}\0\n");
    }
    text.push_str("==> /dev/null <==\n@@ status-of-command-lines 0\n");
    text
}
