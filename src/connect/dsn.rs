//! Where a PostgreSQL server is, as people write it: libpq's address or its `key=value` form, checked before anybody connects.
//!
//! The driver passes over keys that it does not know, so that a typing mistake would be another server. No message repeats more
//! than the name of a key: the text may hold a password, although it must not.

use super::libpq;
use crate::domain::nearest;
use reqwest::Url;
use serde::de::{Deserialize, Deserializer, Error};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// How it is written.
pub const EXAMPLE: &str =
    "write it as postgres://user@host:5432/database, or postgres:///database?host=/var/run/postgresql";

/// Keys of libpq that make no difference here, or that the driver has not.
const NOT_OURS: [&str; 12] = [
    "connect_timeout",
    "target_session_attrs",
    "keepalives",
    "keepalives_idle",
    "tcp_user_timeout",
    "channel_binding",
    "gssencmode",
    "passfile",
    "service",
    "sslcrl",
    "load_balance_hosts",
    "client_encoding",
];

/// Reads the key `dsn` of a table, and holds it to [`check`].
///
/// # Errors
/// When it is no text or can't be used; serde tells the place.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let checked = text.as_deref().map_or(Ok(()), check);
    checked.map_err(|(why, hint)| D::Error::custom(format!("dsn {why}: {hint}")))?;
    Ok(text)
}

/// Whether a server can be looked for there.
///
/// # Errors
/// What is wrong, to stand behind "dsn", and how to mend it.
pub fn check(text: &str) -> Result<(), (String, String)> {
    let wrong = |why: &str| (why.to_owned(), EXAMPLE.to_owned());
    let url = address(text).ok_or_else(|| wrong("is no address"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(wrong("is no address of PostgreSQL"));
    }
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err(("names several hosts".to_owned(), "write a table for each server".to_owned()));
    }
    for (key, value) in url.query_pairs() {
        key_is_known(&key)?;
        if key == "port" && !value.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(("has a port that is none".to_owned(), "write a number from 1 to 65535".to_owned()));
        }
    }
    if url.port() == Some(0) {
        return Err(("has a port that is none".to_owned(), "write a number from 1 to 65535".to_owned()));
    }
    let read = PgConnectOptions::from_str(url.as_str());
    read.map(|_| ()).map_err(|_| wrong("has a part that PostgreSQL does not know"))
}

fn key_is_known(key: &str) -> Result<(), (String, String)> {
    let dashed =
        ["ssl-mode", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key", "statement-cache-capacity", "application_name"];
    if libpq::KEYS.contains(&key) || dashed.contains(&key) || key.starts_with("options[") {
        return Ok(());
    }
    let what = format!("has the key {key:?}, which quarterdeck does not know");
    let hint = match nearest(key, libpq::KEYS) {
        _ if NOT_OURS.contains(&key) => "libpq does, but it would do nothing here: take it out".to_owned(),
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("there are: {}", libpq::KEYS.join(", ")),
    };
    Err((what, hint))
}

/// As an address that the driver reads; `None` when it is none in either form.
pub fn address(text: &str) -> Option<Url> {
    if !text.contains("://") {
        return pairs(text).and_then(|pairs| libpq::address(&pairs));
    }
    Url::parse(&user_without_host(text).unwrap_or_else(|| text.to_owned())).ok()
}

/// `postgres://user@/database` is an address to libpq, but not to the standard for addresses: the user moves to the end.
fn user_without_host(dsn: &str) -> Option<String> {
    let (scheme, rest) = dsn.split_once("://")?;
    let (user, rest) = rest.split_once("@/")?;
    let mark = if rest.contains('?') { '&' } else { '?' };
    let plain = !user.contains([':', '/', '?', '&']);
    plain.then(|| format!("{scheme}:///{rest}{mark}user={user}"))
}

/// `host=db port=5433 user='q d'`: blanks around `=` are allowed, `\'` and `\\` stand for themselves. `None`: it is not that.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let (mut pairs, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let key = key.trim_end();
        if key.is_empty() || !key.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            return None;
        }
        let (value, behind) = value(behind.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start();
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// A value and what stands behind it; `None`: its quotes are not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let (mut value, mut escaped) = (String::new(), false);
    for (at, char) in text.char_indices().skip(usize::from(quoted)) {
        match char {
            _ if escaped => value.push(char),
            '\\' => {
                escaped = true;
                continue;
            }
            '\'' if quoted => return Some((value, &text[at + 1..])),
            blank if !quoted && blank.is_whitespace() => return Some((value, &text[at..])),
            _ => value.push(char),
        }
        escaped = false;
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> PgConnectOptions {
        check(text).unwrap();
        PgConnectOptions::from_str(address(text).unwrap().as_str()).unwrap()
    }

    #[test]
    fn both_forms_of_libpq_are_read() {
        for text in [
            "postgres://q@db-1:5433/app?sslmode=require",
            "postgresql://q@db-1:5433/app",
            "host=db-1 port=5433 user=q dbname=app",
            " host = 'db-1' port=5433  user=q dbname='app' sslmode=verify-full",
        ] {
            let options = read(text);
            let told = (options.get_host(), options.get_port(), options.get_username(), options.get_database());
            assert_eq!(told, ("db-1", 5433, "q", Some("app")), "{text}");
        }
        assert_eq!(read(r"host=db user='it\'s'").get_username(), "it's");
        assert_eq!(read("postgres://me@/app?host=/run/postgresql").get_username(), "me");
    }

    #[test]
    fn what_can_not_be_used_is_told_without_its_values() {
        for (text, why) in [
            ("db-primary", "is no address"),
            ("me:hunter2@db", "is no address"),
            ("host='db", "is no address"),
            ("http://db/app", "is no address of PostgreSQL"),
            ("postgres://q@db:99999/app", "is no address"),
            ("postgres://q@db:0/app", "has a port that is none"),
            ("host=db port=54a2", "has a port that is none"),
            ("postgres://q@a,b/app", "names several hosts"),
            ("postgres://q@db/app?sslmode=hunter2", "has a part that PostgreSQL does not know"),
            ("postgres://q@db/app?sslmod=require", "has the key \"sslmod\", which quarterdeck does not know"),
            ("host=db usr=hunter2", "has the key \"usr\", which quarterdeck does not know"),
            (
                "postgres://q@db/app?connect_timeout=5",
                "has the key \"connect_timeout\", which quarterdeck does not know",
            ),
        ] {
            let (what, hint) = check(text).unwrap_err();
            assert_eq!(what, why, "{text}");
            assert!(!hint.is_empty() && !hint.contains("hunter2"));
        }
        assert_eq!(check("host=db usr=q").unwrap_err().1, "did you mean \"user\"?");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,30}|(host|port|=| |'|\\\\|://|@|/|a){0,12}") {
            let _ = check(&text);
        }
    }
}
