//! What a failure of a server or of the line to it means, and how it is mended.

use super::login::{ACQUIRE, Login};
use crate::connect::root;
use crate::domain::SourceError;

/// The login was not let in: its password may be another one by now.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "28P01" | "28000"))
}

/// `table`: where the config has the login.
pub(super) fn explain(table: &str, place: &str, login: &Login, error: &sqlx::Error) -> SourceError {
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            let what = format!("PostgreSQL at {place} refuses: {} ({code})", refused.message());
            let hint = match (&*code, &login.database) {
                ("3D000", Some(_)) => "name a database of that server in `on=NAME/database`".to_owned(),
                ("42501", Some(name)) => format!("GRANT what it needs in the database {name}"),
                (code, _) => hint(table, code, refused.message()),
            };
            SourceError::new(what, hint)
        }
        sqlx::Error::Io(error) if is_unknown_host(error) => SourceError::new(
            format!("no PostgreSQL answers at {place}: the host name is not known"),
            format!("check the host in dsn of {table}, or PGHOST"),
        ),
        sqlx::Error::Io(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
                _ => error.to_string(),
            };
            let hint =
                format!("is its machine up? start it, or correct where it is: dsn in {table}, or PGHOST and PGPORT");
            SourceError::new(format!("no PostgreSQL answers at {place}: {why}"), hint)
        }
        sqlx::Error::PoolTimedOut => SourceError::new(
            format!("PostgreSQL at {place} gave no connection within {} s", ACQUIRE.as_secs()),
            format!(
                "it is down, hangs or takes no more clients, or quarterdeck's pool is at work: {} connections at most",
                login.most
            ),
        ),
        sqlx::Error::Tls(error) => SourceError::new(
            format!("no TLS with PostgreSQL at {place}: {}", root(&**error)),
            "check sslmode and sslrootcert in dsn",
        ),
        error => SourceError::new(
            format!("PostgreSQL at {place}: {}", root(error)),
            "is it really PostgreSQL, version 12 or later, that answers there?",
        ),
    }
}

/// The standard library has no kind of error for it.
fn is_unknown_host(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address information")
}

fn hint(table: &str, code: &str, message: &str) -> String {
    match code {
        "28P01" => format!("set PGPASSWORD or ~/.pgpass, or write password in {table}"),
        "28000" => format!("set PGUSER or write dsn in {table}, and see pg_hba.conf"),
        "3D000" => format!("set PGDATABASE, or name a database at the end of dsn in {table}"),
        "53300" => "every connection is taken: that may be the incident; a superuser still gets in".to_owned(),
        "57P03" | "57P01" | "57P02" => "it is starting or stopping: wait, then see its log".to_owned(),
        "57014" if message.contains("user request") => "somebody cancelled it".to_owned(),
        "57014" => format!("it is too slow just now: raise timeout in {table}"),
        "22021" => format!("name a database with the encoding UTF8 in dsn of {table}: this one has none"),
        "42501" => "GRANT pg_monitor to the reading login".to_owned(),
        _ if message.contains("startup parameter") => {
            "a pooler stands in front: name the server itself, for only it knows its sessions".to_owned()
        }
        _ => "see the server's log".to_owned(),
    }
}
