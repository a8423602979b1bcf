//! `vacuumdb` and `reindexdb`: PostgreSQL's programs that look after tables.

use super::{Machine, docker, psql};
use crate::drill::shell::{Call, Done, Files};
use crate::drill::world::Order;
use crate::drill::world::table::{Upkeep, Work};

/// `vacuumdb [--full] [--analyze] [--table=NAME] DATABASE`
pub(super) fn vacuumdb(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let has = |name: &str| call.args.iter().any(|word| word == name);
    let what = if has("--full") { Work::Rewrite } else { Work::Vacuum(has("--analyze")) };
    run(machine, call, what)
}

/// `reindexdb [--concurrently] --table=NAME DATABASE`
pub(super) fn reindexdb(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    run(machine, call, Work::Reindex)
}

fn run(machine: &Machine, call: &Call, what: Work) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let table = docker::option(&mut words, &["-t", "--table"]).last().map(|name| (*name).to_owned());
    let failed = |code: i32, why: &str| Done::failed(code, format!("{}: error: {why}\n", call.name));
    match psql::which(machine) {
        Err(gone) => return gone,
        Ok(0) => {}
        Ok(_) => return failed(1, "processing of the database failed: ERROR:  cannot execute this during recovery"),
    }
    let told = table.clone().unwrap_or_else(|| "all tables".to_owned());
    match machine.stage.lock().order(&Order::LookAfter(Upkeep { what, table })) {
        Ok(()) => Done { seconds: 5.0, ..Done::said(format!("{}: {told} is done\n", call.name)) },
        Err(why) => failed(1, &why.0),
    }
}
