//! PostgreSQL's programs, as the runbooks call them: over the views of the drill's own, and over databases that are made beside it to prove
//! a dump or to restore one.

use super::files::{BROKEN_DUMP, DUMP};
use super::{Machine, docker};
use crate::drill::serve::postgres;
use crate::drill::shell::{Call, Done, Files};
use crate::drill::world::Order;
use crate::drill::world::database::INVALID_PAGE;
use std::collections::BTreeMap;

/// What each database of a machine is, by name; those that were always there are not in it.
pub(super) type Databases = BTreeMap<String, Held>;

/// A database that somebody has made.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// What is said of it (`COMMENT ON DATABASE`).
    said: String,
    /// The table that is damaged, or all of them while nothing was restored into it.
    damaged: Option<String>,
}

/// The game's.
pub(super) const GAME: &str = "spacetime";
/// Those that were always there.
const ALWAYS: [&str; 2] = ["postgres", GAME];
/// What a database is that was made and never filled.
const EMPTY: &str = "all tables";
/// What somebody finds who counts the rows of all tables.
const COUNTS: &str = "public.events 48211000\npublic.friends 9120000\npublic.inventory 30417000\npublic.players 12650000\npublic.scores 7733000\npublic.shards 4\npublic.users 12650000\n";
const DATA: &str = "/var/lib/postgresql/data";

/// The table of the game's database that is damaged on this machine.
pub(super) fn damaged(machine: &Machine) -> Option<String> {
    let stage = machine.stage.lock();
    let own = stage.world.databases.iter().find(|one| one.server == machine.server);
    own.and_then(|one| one.damaged.clone())
}

/// Which server a machine has: 0 the primary, 1 the standby.
pub(super) fn which(machine: &Machine) -> Result<usize, Done> {
    let stage = machine.stage.lock();
    let found = stage.world.databases.iter().position(|one| one.server == machine.server);
    let refused =
        "connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n";
    match found {
        Some(which) if stage.world.serves(machine.server) => Ok(which),
        _ => Err(Done::failed(2, format!("psql: error: {refused}"))),
    }
}

/// Which one is meant: this machine's, or one that is named by its host.
fn meant(machine: &Machine, host: Option<&str>) -> Result<usize, Done> {
    let stage = machine.stage.lock();
    let named = host.filter(|host| !host.starts_with('/') && !matches!(*host, "localhost" | "127.0.0.1"));
    let Some(host) = named else {
        drop(stage);
        return which(machine);
    };
    let at = stage.world.servers.iter().position(|one| one.name == host || one.address == host);
    let found =
        at.and_then(|at| stage.world.databases.iter().position(|one| one.server == at && stage.world.serves(at)));
    found.ok_or_else(|| {
        Done::failed(2, format!("psql: error: connection to server at \"{host}\" failed: Connection refused\n"))
    })
}

pub(super) fn pg_isready(machine: &Machine, _: &Call, _: &mut Files) -> Done {
    match which(machine) {
        Ok(_) => Done::said("/var/run/postgresql:5432 - accepting connections\n"),
        Err(_) => Done { code: 2, ..Done::said("/var/run/postgresql:5432 - no response\n") },
    }
}

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let hosts = docker::option(&mut words, &["-h", "--host"]);
    let names = docker::option(&mut words, &["-d", "--dbname"]);
    let asked = docker::option(&mut words, &["-c", "--command"]);
    let outs = docker::option(&mut words, &["-o", "--output"]);
    let vars = docker::option(&mut words, &["-v", "--set"]);
    docker::option(&mut words, &["-p", "--port", "-U", "--username"]);
    let which = match meant(machine, hosts.last().copied()) {
        Ok(which) => which,
        Err(gone) => return gone,
    };
    let name = names.last().copied().unwrap_or("postgres");
    if !is_there(machine, name) {
        return Done::failed(2, format!("psql: error: FATAL:  database \"{name}\" does not exist\n"));
    }
    let input = String::from_utf8_lossy(&call.stdin).into_owned();
    let texts = if asked.is_empty() { vec![input.as_str()] } else { asked };
    let mut out = String::new();
    for text in texts {
        match answer(machine, which, (&call.user, name), &filled(text, &vars)) {
            Ok(said) => out += &said,
            Err(why) => return Done { out: out.into(), ..Done::failed(3, format!("ERROR:  {why}\n")) },
        }
    }
    if outs.is_empty() { Done::said(out) } else { Done::default() }
}

fn is_there(machine: &Machine, name: &str) -> bool {
    ALWAYS.contains(&name) || machine.databases().contains_key(name)
}

/// `:'name'` and `:"name"`, as `-v name=value` says.
fn filled(text: &str, vars: &[&str]) -> String {
    vars.iter().filter_map(|var| var.split_once('=')).fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!(":'{name}'"), &format!("'{value}'"))
            .replace(&format!(":\"{name}\""), &format!("\"{value}\""))
    })
}

/// What a dump or a few statements say.
fn answer(machine: &Machine, which: usize, login: (&str, &str), text: &str) -> Result<String, String> {
    if text.contains("-- PostgreSQL database dump") {
        return restored(machine, login.1, text);
    }
    if text.contains("\\gexec") || text.contains("pg_export_snapshot") {
        return Ok(counted(text));
    }
    let text = chosen(machine, text);
    let statements = text.split(';').map(str::trim).filter(|one| !one.is_empty());
    statements.map(|one| statement(machine, which, login, one)).collect()
}

/// What is left of a text with `\gset`, `\if` and `\endif`: of those, whether databases are there is all that the runbooks ask.
fn chosen(machine: &Machine, text: &str) -> String {
    let (mut known, mut leaves_out) = (BTreeMap::new(), false);
    let mut kept = String::new();
    for line in text.lines() {
        if let Some(asked) = line.trim_end().strip_suffix("\\gset") {
            // Each of `NOT EXISTS (… = 'name') AS variable`.
            let asked: Vec<&str> = asked.split("EXISTS").collect();
            for (before, one) in asked.iter().zip(asked.iter().skip(1)) {
                let there = quoted(one, '\'').first().is_some_and(|name| is_there(machine, name));
                let variable =
                    one.split(" AS ").nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap_or_default();
                known.insert(variable.to_owned(), there != before.trim_end().ends_with("NOT"));
            }
        } else if let Some(variable) = line.strip_prefix("\\if :") {
            leaves_out = !known.get(variable.trim()).copied().unwrap_or_default();
        } else if line.starts_with("\\endif") {
            leaves_out = false;
        } else if !leaves_out {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// A dump that is whole fills the database that it is read into.
fn restored(machine: &Machine, name: &str, dump: &str) -> Result<String, String> {
    if !dump.trim_end().ends_with("-- PostgreSQL database dump complete\n--") {
        return Err("unexpected end of input: the dump broke off".to_owned());
    }
    if let Some(held) = machine.databases().get_mut(name) {
        held.damaged = None;
    }
    Ok(String::new())
}

/// A snapshot, the rows of all tables as they are in it, and what is echoed behind them.
fn counted(text: &str) -> String {
    let snapshot = if text.contains("pg_export_snapshot") { "00000004-0000002A-1\n" } else { "" };
    let counts = if text.contains("\\gexec") { COUNTS } else { "" };
    let echoed = text.lines().filter_map(|line| line.strip_prefix("\\echo "));
    format!("{snapshot}{counts}{}", echoed.map(|word| format!("{word}\n")).collect::<String>())
}

fn statement(machine: &Machine, which: usize, login: (&str, &str), text: &str) -> Result<String, String> {
    if let Some(read) = table_read(machine, login.1, text) {
        return read;
    }
    if text.to_ascii_uppercase().starts_with("ALTER DATABASE")
        && let [from, to, ..] = quoted(text, '"')[..]
    {
        return rename(machine, from, to);
    }
    if let Some(said) = own(machine, which, text) {
        return Ok(said);
    }
    let rows = postgres::ask(machine.stage.clone(), which, login, text)?;
    let lines = rows.into_iter().flat_map(|rows| rows.rows);
    Ok(lines.map(|row| row.iter().map(postgres::value::V::show).collect::<Vec<_>>().join("|") + "\n").collect())
}

/// `SELECT count(*) FROM players`, or all rows of one: how many there are, unless a page of it can't be read.
fn table_read(machine: &Machine, name: &str, text: &str) -> Option<Result<String, String>> {
    let (before, behind) = text.split_once(" FROM ")?;
    let table = behind.split(|letter: char| letter.is_whitespace() || letter == ')').next()?;
    let bare = table.strip_prefix("public.").unwrap_or(table);
    let rows = COUNTS.lines().find_map(|line| line.strip_prefix("public.")?.strip_prefix(bare)?.strip_prefix(' '))?;
    if name == GAME && damaged(machine).is_some_and(|damaged| damaged == bare || damaged == EMPTY) {
        return Some(Err(INVALID_PAGE.to_owned()));
    }
    match before.trim_start().to_ascii_uppercase() {
        count if count.ends_with("COUNT(*)") => Some(Ok(format!("{rows}\n"))),
        copy if copy.starts_with("COPY") => Some(Ok(String::new())),
        _ => None,
    }
}

/// One database is called otherwise. What comes to be called as the game's is what players have from then on.
fn rename(machine: &Machine, from: &str, to: &str) -> Result<String, String> {
    if !is_there(machine, from) {
        return Err(format!("database \"{from}\" does not exist"));
    }
    let known = damaged(machine);
    let held = machine.databases().remove(from).unwrap_or(Held { damaged: known, ..Held::default() });
    if to == GAME {
        // The order can't be refused.
        let _ = machine.stage.lock().order(&Order::Replace(held.damaged));
    } else {
        machine.databases().insert(to.to_owned(), held);
    }
    Ok(String::new())
}

/// What stands between quotes in a text, one after the other.
fn quoted(text: &str, quote: char) -> Vec<&str> {
    text.split(quote).skip(1).step_by(2).collect()
}

/// Statements about databases, which the drill's own PostgreSQL has two of.
fn own(machine: &Machine, which: usize, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let size = machine.stage.lock().world.databases[which].size as u64;
    let upper: Vec<String> = words.iter().take(3).map(|word| word.to_uppercase()).collect();
    let begins = upper.iter().map(String::as_str).collect::<Vec<_>>();
    Some(match begins.as_slice() {
        ["SHOW", "DATA_DIRECTORY", ..] => format!("{DATA}\n"),
        ["COMMENT", "ON", "DATABASE"] => {
            let (name, said) = (*quoted(text, '"').first()?, *quoted(text, '\'').first()?);
            said.clone_into(&mut machine.databases().entry(name.to_owned()).or_default().said);
            String::new()
        }
        ["CREATE", "EXTENSION", ..] | ["ANALYZE" | "COPY", ..] => String::new(),
        _ if text.contains("pg_database_size") => format!("{size}\n"),
        _ if text.contains("shobj_description") => {
            let name = *quoted(text, '\'').iter().find(|word| **word != "pg_database")?;
            machine.databases().get(name).map_or_else(String::new, |held| format!("{}\n", held.said))
        }
        _ if text.contains("installed_version IS NULL") => "0\n".to_owned(),
        _ if text.contains("pg_extension") || text.contains("pg_available_extensions") => "1\n".to_owned(),
        _ if text.contains("FROM pg_class") => "6\n".to_owned(),
        // How a database is made, and what two differ in: all of the drill's are set up alike.
        _ if text.contains("'--encoding='") => "--encoding=UTF8\n--lc-collate=C.UTF-8\n--lc-ctype=C.UTF-8\n".to_owned(),
        _ if text.contains("pg_db_role_setting") => String::new(),
        _ if text.contains("FROM pg_database") => databases(machine, text),
        _ => return None,
    })
}

/// Which of the databases that a text names are there: how many, or their names.
fn databases(machine: &Machine, text: &str) -> String {
    let named = quoted(text, '\'').into_iter().filter(|word| !word.trim().is_empty() && !word.contains(','));
    let mut there: Vec<&str> = named.filter(|name| is_there(machine, name)).collect();
    there.sort_unstable();
    if text.contains("count(*)") {
        return format!("{}\n", there.len());
    }
    let between = if text.contains("string_agg(datname, ', ')") { ", " } else { " " };
    format!("{}\n", there.join(between))
}

/// `createdb [options] NAME`
pub(super) fn createdb(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let name = last(call);
    if is_there(machine, name) {
        return Done::failed(
            1,
            format!("createdb: error: database creation failed: ERROR:  database \"{name}\" already exists\n"),
        );
    }
    let held = Held { damaged: Some(EMPTY.to_owned()), ..Held::default() };
    machine.databases().insert(name.to_owned(), held);
    Done { seconds: 1.0, ..Done::default() }
}

/// `dropdb [--if-exists] NAME`
pub(super) fn dropdb(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let (name, quiet) = (last(call), call.args.iter().any(|word| word == "--if-exists"));
    if ALWAYS.contains(&name) {
        return Done::failed(1, format!("dropdb: error: a drill's PostgreSQL keeps {name}\n"));
    }
    match machine.databases().remove(name) {
        None if !quiet => Done::failed(1, format!("dropdb: error: database \"{name}\" does not exist\n")),
        _ => Done::default(),
    }
}

fn last(call: &Call) -> &str {
    call.args.last().map_or("", String::as_str)
}

/// The whole database, as its last line says; one of which a page can't be read breaks off.
pub(super) fn pg_dump(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let hosts = docker::option(&mut words, &["-h", "--host"]);
    let which = match meant(machine, hosts.last().copied()) {
        Ok(which) => which,
        Err(gone) => return gone,
    };
    let mut stage = machine.stage.lock();
    let server = stage.world.databases[which].server;
    // It can always be done.
    let _ = stage.order(&Order::BackUp(server));
    match &stage.world.databases[which].damaged {
        None => Done { seconds: 6.0, ..Done::said(DUMP) },
        Some(table) => Done {
            out: BROKEN_DUMP.into(),
            ..Done::failed(
                1,
                format!("pg_dump: error: Dumping the contents of table \"{table}\" failed: ERROR:  {INVALID_PAGE}\n"),
            )
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_what_is_quoted_is_found() {
        assert_eq!(filled("a :'x' :\"x\" :'y'", &["x=1"]), "a '1' \"1\" :'y'");
        assert_eq!(quoted("ALTER DATABASE \"a\" RENAME TO \"b\"", '"'), ["a", "b"]);
    }
}
