//! What somebody asks a machine about itself: disks, memory, processes, services.

use super::{Machine, files, server};
use crate::drill::shell::{Call, Done, Files};
use crate::drill::world::Server;
use std::fmt::Write as _;

fn one(machine: &Machine) -> Server {
    machine.stage.lock().world.servers[machine.server].clone()
}

/// As `df -h` shows bytes.
fn short(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1_073_741_824.0 => format!("{:.0}G", bytes / 1_073_741_824.0),
        bytes => format!("{:.0}M", bytes / 1_048_576.0),
    }
}

/// One filesystem, whatever is asked about.
pub(super) fn df(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let one = one(machine);
    let flags: String = call.args.iter().filter_map(|word| word.strip_prefix('-')).collect();
    let places: Vec<&String> = call.args.iter().filter(|word| !word.starts_with('-')).collect();
    if let Some(missing) = places.iter().find(|place| files.get(place).is_none()) {
        return Done::failed(1, format!("df: {missing}: No such file or directory\n"));
    }
    let used = one.disk_used.min(one.disk);
    // What only root may use is neither used nor available.
    let available = one.available();
    let percent = (used / (used + available) * 100.0).ceil();
    let (heading, sizes) = if flags.contains('h') {
        ("Size  Used Avail Use%", [short(one.disk), short(used), short(available)])
    } else {
        let unit = if flags.contains('m') { 1_048_576.0 } else { 1_024.0 };
        (
            "1024-blocks      Used Available Capacity",
            [one.disk, used, available].map(|size| format!("{:.0}", size / unit)),
        )
    };
    let [size, used, free] = sizes;
    Done::said(format!("Filesystem     {heading} Mounted on\n/dev/vda1      {size} {used} {free} {percent:.0}% /\n"))
}

pub(super) fn free(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let one = one(machine);
    let unit = if call.args.iter().any(|word| word == "-m") { 1_048_576.0 } else { 1_024.0 };
    let [total, used, free] =
        [one.memory, one.memory_used, one.memory - one.memory_used].map(|size| (size / unit) as u64);
    Done::said(format!(
        "               total        used        free   available\nMem: {total:>15} {used:>11} {free:>11} {free:>11}\nSwap:               0           0           0\n"
    ))
}

pub(super) fn uptime(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let (one, at) = (one(machine), machine.stage.lock().world.at);
    let days = (at - one.booted) / 86_400;
    let [a, b, c] = one.load;
    Done::said(format!(" up {days} days,  1 user,  load average: {a:.2}, {b:.2}, {c:.2}\n"))
}

/// The processes of its containers.
pub(super) fn ps(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let stage = machine.stage.lock();
    let mut out = "USER       PID %CPU %MEM COMMAND\nroot         1  0.0  0.1 /sbin/init\n".to_owned();
    for at in stage.world.on(machine.server) {
        let one = &stage.world.containers[at];
        if one.runs() {
            let share = one.memory / stage.world.servers[machine.server].memory * 100.0;
            let _ = writeln!(
                out,
                "root      {:>4} {:>4.1} {share:>4.1} /usr/local/bin/{}",
                2_000 + at,
                one.cpu * 100.0,
                one.service
            );
        }
    }
    if stage.world.servers[machine.server].infected.is_some() {
        out += "deploy    6611 99.0  0.4 /tmp/.cache/kworkerd --all /opt/spacetime /backup\n";
    }
    Done::said(out)
}

pub(super) fn ss(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let stage = machine.stage.lock();
    let mut out = "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0      128    0.0.0.0:22         0.0.0.0:*\n".to_owned();
    let ports =
        [("nginx", 80), ("godot-server", 8_080), ("godot-api", 8_081), ("postgres", 5_432), ("node-exporter", 9_100)];
    for at in stage.world.on(machine.server) {
        let one = &stage.world.containers[at];
        if let Some((_, port)) = ports.iter().find(|(service, _)| *service == one.service && one.runs()) {
            let _ = writeln!(out, "LISTEN 0      4096   0.0.0.0:{port:<11} 0.0.0.0:*");
        }
    }
    Done::said(out)
}

pub(super) fn nproc(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    Done::said(format!("{:.0}\n", one(machine).cores))
}

/// Who was logged in.
pub(super) fn last(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let one = one(machine);
    let who = if one.infected.is_some() { "deploy   pts/0        185.220.101.4    still logged in\n" } else { "" };
    Done::said(format!("{who}ops      pts/0        10.0.1.30        still logged in\n"))
}

pub(super) fn uname(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let name = &machine.name;
    Done::said(match call.args.first().map(String::as_str) {
        Some("-n") => format!("{name}\n"),
        Some("-r") => "6.12.48-drill\n".to_owned(),
        Some("-m") => "x86_64\n".to_owned(),
        Some(_) => format!("Linux {name} 6.12.48-drill x86_64 GNU/Linux\n"),
        None => "Linux\n".to_owned(),
    })
}

pub(super) fn hostname(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    Done::said(format!("{}\n", machine.name))
}

/// All that a drill's machines have runs in containers; PostgreSQL is a unit besides.
pub(super) fn systemctl(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let words: Vec<&str> = call.args.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    if let [verb, "postgresql" | "postgresql.service"] = words[..]
        && let Some(done) = server::unit(machine, verb, call.args.iter().any(|word| word == "--value"))
    {
        return done;
    }
    match words.as_slice() {
        ["is-active", "nginx" | "docker" | "ssh"] => Done::said("active\n"),
        ["is-active", ..] => Done { code: 3, ..Done::said("inactive\n") },
        ["status", "nginx" | "docker" | "ssh"] => Done::said("   Active: active (running)\n"),
        ["list-units", ..] => {
            Done::said("docker.service loaded active running Docker\nssh.service loaded active running OpenSSH\n")
        }
        [_, unit, ..] => Done::failed(
            5,
            format!("Unit {unit}.service could not be found: what a drill's machines do runs in containers\n"),
        ),
        _ => Done::failed(1, "systemctl: a drill's systemctl takes is-active, status and list-units\n"),
    }
}

pub(super) fn journalctl(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let stage = machine.stage.lock();
    let of = |thing: &str| {
        thing == machine.name || thing.strip_prefix(&machine.name).is_some_and(|rest| rest.starts_with('/'))
    };
    let lines = stage.world.events.iter().filter(|event| of(&event.thing));
    let told = lines.map(|event| {
        let when = stage.clock.moment(event.at).strftime("%b %d %H:%M:%S").to_string();
        format!("{when} {} dockerd[411]: {} {}\n", machine.name, event.thing, event.what)
    });
    Done::said(told.collect::<String>())
}

pub(super) fn dmesg(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    let stage = machine.stage.lock();
    let of = |thing: &str| thing.strip_prefix(&machine.name).is_some_and(|rest| rest.starts_with('/'));
    let killed = stage.world.events.iter().filter(|event| of(&event.thing) && event.what.contains("out of memory"));
    Done::said(
        killed
            .map(|event| format!("[{}] Memory cgroup out of memory: Killed process ({})\n", event.at, event.thing))
            .collect::<String>(),
    )
}

pub(super) fn git(_: &Machine, _: &Call, _: &mut Files) -> Done {
    Done::failed(128, "fatal: not a git repository (or any of the parent directories): .git\n")
}

/// Tests of the game: whoever names one has it pass while the game answers.
pub(super) fn python(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let Some(script) = call.args.first() else { return Done::failed(2, "python: a drill's python runs a file\n") };
    let path = crate::drill::shell::files::absolute(&call.folder, script);
    if files.get(&path).is_none() {
        return Done::failed(2, format!("python: can't open file '{path}': [Errno 2] No such file or directory\n"));
    }
    if machine.stage.lock().world.serves(machine.server) {
        Done { seconds: 3.0, ..Done::said("OK\n") }
    } else {
        Done::failed(1, "FAILED: the server does not answer\n")
    }
}

pub(super) fn nothing(_: &Machine, _: &Call, _: &mut Files) -> Done {
    Done::default()
}

/// What takes the room: the logs that may go, and all else. `-s`: what a database's files come to, in KiB.
pub(super) fn du(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let one = one(machine);
    if let [flags, folder] = &call.args[..]
        && flags.starts_with("-s")
    {
        let stage = machine.stage.lock();
        let bytes = stage.world.databases.iter().find(|own| own.server == machine.server).map_or(0.0, |own| own.size);
        return Done::said(format!("{:.0}\t{folder}\n", bytes / 1_024.0));
    }
    let large: f64 =
        files::large(&one).iter().filter(|(path, _)| files.get(path).is_some()).map(|(_, bytes)| bytes).sum();
    let debug = if one.disk_growth > one.usual_growth * 2.0 { one.disk_used * 0.45 } else { 0.0 };
    let mib = |bytes: f64| (bytes / 1_048_576.0) as u64;
    let rest = (one.disk_used - large - debug).max(0.0);
    let mut out = String::new();
    for (path, bytes) in [
        ("/var/lib/docker", rest * 0.7 + debug),
        ("/var/lib/docker/containers", debug),
        ("/opt/spacetime/production/logs", large),
        ("/usr", rest * 0.2),
        ("/", one.disk_used),
    ] {
        let _ = writeln!(out, "{}\t{path}", mib(bytes));
    }
    Done::said(out)
}
