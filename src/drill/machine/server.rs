//! The programs of PostgreSQL's server, which look at its files or start and end it.

use super::{Machine, docker, psql};
use crate::drill::shell::{Call, Done, Files};
use crate::drill::world::{Order, Refused};

/// Pages that are looked at for, of which so many are damaged.
const PAGES: u64 = 4_639_212;
const DAMAGED: u64 = 3;

/// Starts or ends the server of this machine, which runs in a container.
fn serve(machine: &Machine, verb: &str) -> Result<(), String> {
    let mut stage = machine.stage.lock();
    let at = stage.world.service(machine.server, "postgres").ok_or("there is no PostgreSQL here")?;
    docker::order(&mut stage, verb, at).map_err(|Refused(why)| why)
}

fn runs(machine: &Machine) -> bool {
    let stage = machine.stage.lock();
    let at = stage.world.service(machine.server, "postgres");
    at.is_some_and(|at| stage.world.containers[at].runs())
}

/// Seconds until it is done: one that starts is waited for until it answers.
fn takes(verb: &str) -> f64 {
    if matches!(verb, "start" | "restart") { 2.5 } else { 0.5 }
}

/// `systemctl VERB postgresql`; `None`: this machine has no such unit. `bare`: what is shown stands there without its name.
pub(super) fn unit(machine: &Machine, verb: &str, bare: bool) -> Option<Done> {
    machine.stage.lock().world.service(machine.server, "postgres")?;
    Some(match verb {
        "start" | "stop" | "restart" => match serve(machine, verb) {
            Ok(()) => Done { seconds: takes(verb), ..Done::default() },
            Err(why) => Done::failed(1, format!("Job for postgresql.service failed: {why}\n")),
        },
        "is-active" if runs(machine) => Done::said("active\n"),
        "is-active" => Done { code: 3, ..Done::said("inactive\n") },
        "status" if runs(machine) => Done::said("   Active: active (running)\n"),
        "status" => Done { code: 3, ..Done::said("   Active: inactive (dead)\n") },
        "show" => {
            let state = if runs(machine) { "active" } else { "inactive" };
            Done::said(format!("{}{state}\n", if bare { "" } else { "ActiveState=" }))
        }
        other => Done::failed(1, format!("systemctl: a drill's systemctl does not {other} postgresql\n")),
    })
}

/// `pg_ctl [options] start|stop|restart|status|promote`
pub(super) fn pg_ctl(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let verbs = ["start", "stop", "restart", "status", "promote"];
    let verb = call.args.iter().map(String::as_str).find(|word| verbs.contains(word));
    let done = match verb {
        Some("status") if runs(machine) => return Done::said("pg_ctl: server is running (PID: 1)\n"),
        Some("status") => return Done { code: 3, ..Done::said("pg_ctl: no server running\n") },
        Some("promote") => {
            let mut stage = machine.stage.lock();
            let own = stage.world.databases[1].server == machine.server;
            let promoted = if own { stage.order(&Order::Promote) } else { Err(Refused("it is no standby".to_owned())) };
            promoted.map_err(|Refused(why)| why)
        }
        Some(verb) => serve(machine, verb),
        None => Err("no operation specified".to_owned()),
    };
    match done {
        Ok(()) => Done { seconds: takes(verb.unwrap_or_default()), ..Done::said("server signaled\n") },
        Err(why) => Done::failed(1, format!("pg_ctl: {why}\n")),
    }
}

/// Every page of the files; the server must not run.
pub(super) fn pg_checksums(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    if runs(machine) {
        return Done::failed(1, "pg_checksums: error: cluster must be shut down\n");
    }
    let bad = if psql::damaged(machine).is_some() { DAMAGED } else { 0 };
    let each = |nth: u64| {
        let block = 1_181 + nth;
        format!(
            "pg_checksums: error: checksum verification failed in file \"base/16384/16512\", block {block}: calculated checksum {:X} but block contains 0\n",
            0x5D2A + nth
        )
    };
    let said = format!(
        "Checksum operation completed\nFiles scanned:   1288\nBlocks scanned:  {PAGES}\nBad checksums:  {bad}\n"
    );
    let err: String = (1..=bad).map(each).collect();
    Done { code: i32::from(bad > 0), seconds: 1.0, err: err.into(), ..Done::said(said) }
}

/// Every table and index of one database, while the server runs.
pub(super) fn pg_amcheck(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let names = docker::option(&mut words, &["-d", "--database"]);
    if let Err(gone) = psql::which(machine) {
        return gone;
    }
    match psql::damaged(machine).filter(|_| names.last() == Some(&psql::GAME)) {
        Some(table) => Done {
            code: 2,
            seconds: 1.0,
            ..Done::said(format!(
                "heap table \"{0}.public.{table}\", block 1182:\n    invalid page in block 1182 of relation base/16384/16512\n",
                psql::GAME
            ))
        },
        None => Done { seconds: 1.0, ..Done::default() },
    }
}
