//! PostgreSQL: the statements that the product and the shipped runbooks send, prepared by a real server and by a drill's.

use super::lacking;
use crate::desk::Desk;
use crate::lab::postgres::{Postgres, password};
use crate::lab::wait;
use crate::support::two_logins_config;
use quarterdeck::runbook::language::sql::{Bound, Shape, bind};
use quarterdeck::runbook::language::types_of;
use quarterdeck::runbook::library::Library;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, PgConnection, SqlSafeStr, Statement, TypeInfo,
};
use std::collections::BTreeSet;
use std::process::Command;

/// Statements that are wrong, each in its own way.
const WRONG: [&str; 6] = [
    "SELEC 1",
    "SELECT * FROM nothing",
    "SELECT nothing FROM pg_stat_activity",
    "SELECT nothing()",
    "SELECT current_setting('nothing')",
    "SELECT 'x'::int4",
];

/// Columns: names and types; or the SQLSTATE of why there are none.
type Prepared = Result<Vec<(String, String)>, String>;

struct Servers {
    real: PgConnection,
    drill: PgConnection,
}

/// All that differs.
pub fn compare(server: &Postgres, dsn: &str) -> Vec<String> {
    let own = looked(server);
    let real: PgConnectOptions = server.url("qd_act").parse().unwrap();
    let mut found = wait(async {
        let real = real.clone().password(&password("qd_act")).ssl_mode(PgSslMode::Disable).connect().await.unwrap();
        let drill = PgConnection::connect(dsn).await.unwrap();
        let mut servers = Servers { real, drill };
        let mut found = servers.statements(&own).await;
        found.extend(servers.runbooks().await);
        found.extend(servers.mistakes().await);
        found
    });
    found.extend(logins(server, dsn));
    found.extend(tags(server, dsn, &own));
    found
}

/// What the product sends when it looks, while somebody waits for a lock.
fn looked(server: &Postgres) -> BTreeSet<String> {
    server.run("CREATE TABLE shards (id int)");
    server.run("GRANT ALL ON shards TO app");
    let mut holder = server.session("app", "holder");
    holder.run("BEGIN; LOCK TABLE shards");
    let mut waiter = server.session("app", "waiter");
    waiter.wait_for_lock("BEGIN; LOCK TABLE shards");
    let desk = Desk::with(&two_logins_config(server.port));
    let looked = desk.run(&["snapshot", "--json"]);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    let sent: BTreeSet<String> = server.statements("qd_read").into_iter().collect();
    assert!(sent.len() > 8 && sent.iter().any(|one| one.contains("pg_locks")), "{sent:#?}");
    sent
}

async fn prepared(connection: &mut PgConnection, text: &str) -> Prepared {
    match connection.prepare(AssertSqlSafe(text.to_owned()).into_sql_str()).await {
        Ok(statement) => Ok(statement
            .columns()
            .iter()
            .map(|column| {
                (column.name().to_owned(), format!("{} ({:?})", column.type_info().name(), column.type_info().oid()))
            })
            .collect()),
        Err(error) => Err(state(&error)),
    }
}

fn state(error: &sqlx::Error) -> String {
    let told = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    told.unwrap_or_else(|| panic!("no SQLSTATE: {error}"))
}

impl Servers {
    async fn both(&mut self, text: &str) -> (Prepared, Prepared) {
        (prepared(&mut self.real, text).await, prepared(&mut self.drill, text).await)
    }

    /// The product reads these by the types of their columns.
    async fn statements(&mut self, sent: &BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        for text in sent {
            let (theirs, ours) = self.both(text).await;
            if theirs != ours {
                found.push(format!("{text}\n    {theirs:?}\n    {ours:?} in a drill"));
            }
        }
        found
    }

    /// These it reads as JSON, so that the names count, and that what is wrapped is one column of that type.
    async fn runbooks(&mut self) -> Vec<String> {
        let (mut found, mut lacking) = (Vec::new(), BTreeSet::new());
        for (id, bound) in bound() {
            let names = |of: &Prepared| of.clone().map(|all| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
            let (theirs, ours) = self.both(&bound.text).await;
            let unknown = matches!(&ours, Err(code) if code == "42P01" || code == "42883");
            if unknown && theirs.is_ok() && lacking::RUNBOOKS.iter().any(|(known, _)| *known == id) {
                lacking.insert(id);
                continue;
            }
            if names(&theirs) != names(&ours) {
                found.push(format!("{id}: {}\n    {theirs:?}\n    {ours:?} in a drill", bound.text));
            }
            let (theirs, ours) = self.both(&bound.wrapped()).await;
            if bound.shape != Shape::Command && theirs != ours {
                found.push(format!("{id}, as JSON: {}\n    {theirs:?}\n    {ours:?} in a drill", bound.text));
            }
        }
        let known = lacking::RUNBOOKS.iter().filter(|(id, _)| !lacking.contains(*id));
        found.extend(known.map(|(id, _)| format!("{id}: a drill knows all of it by now: take it out of the table")));
        found
    }

    async fn mistakes(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for text in WRONG {
            let run = async |connection: &mut PgConnection| {
                sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map(drop).map_err(|error| state(&error))
            };
            let (theirs, ours) = (run(&mut self.real).await, run(&mut self.drill).await);
            if theirs != ours {
                found.push(format!("{text}: {theirs:?}, {ours:?} in a drill"));
            }
        }
        found
    }
}

/// Who is not known, and what database is not: through the socket of the real one, which asks for no password either.
fn logins(server: &Postgres, dsn: &str) -> Vec<String> {
    let real = PgConnectOptions::new_without_pgpass().socket(&server.socket).port(server.port).database("shop");
    let drill: PgConnectOptions = dsn.parse().unwrap();
    let state =
        |options: PgConnectOptions| wait(async { options.connect().await.map(drop).map_err(|error| state(&error)) });
    let mut found = Vec::new();
    for (what, user, database) in
        [("an unknown user", Some("nobody-known"), None), ("an unknown database", None, Some("nothing"))]
    {
        let with = |options: PgConnectOptions, known: &str| {
            let options = options.username(user.unwrap_or(known)).ssl_mode(PgSslMode::Disable);
            database.map_or(options.clone(), |database| options.database(database))
        };
        let (theirs, ours) = (state(with(real.clone(), "postgres")), state(with(drill.clone(), "quarterdeck")));
        if theirs != ours {
            found.push(format!("{what}: {theirs:?}, {ours:?} in a drill"));
        }
    }
    found
}

/// The statements of all shipped runbooks, each with the id of its own.
fn bound() -> Vec<(String, Bound)> {
    let mut all = Vec::new();
    for runbook in Library::builtin().iter() {
        let types = types_of(runbook);
        let fences = runbook.steps.iter().flat_map(|step| &step.fences).filter(|fence| fence.language.name == "sql");
        all.extend(fences.map(|fence| (runbook.id.clone(), bind(&fence.body, &types).unwrap())));
    }
    all
}

/// What the servers say that they did, as `psql` prints it.
fn tags(server: &Postgres, dsn: &str, sent: &BTreeSet<String>) -> Vec<String> {
    let rows = |text: &&String| {
        text.trim_start().to_ascii_uppercase().starts_with("SELECT") || text.starts_with("WITH") || text.contains('$')
    };
    let mut texts: Vec<String> = sent.iter().filter(|text| !rows(text)).cloned().collect();
    let commands = bound()
        .into_iter()
        .map(|(_, bound)| bound)
        .filter(|bound| bound.shape == Shape::Command && bound.names.is_empty());
    texts.extend(commands.map(|bound| bound.text));
    texts.push("COMMIT".to_owned());
    let run = |dsn: &str, text: &str| {
        let output = Command::new("psql")
            .args(["-X", "-w", "-c", text, dsn])
            .env("PGPASSWORD", password("qd_act"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let real = server.url("qd_act") + "?sslmode=disable";
    let told = texts.iter().map(|text| (text, run(&real, text), run(dsn, text)));
    told.filter(|(_, theirs, ours)| theirs != ours)
        .map(|(text, theirs, ours)| format!("{text}: {theirs:?}, {ours:?} in a drill"))
        .collect()
}
