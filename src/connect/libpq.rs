//! What libpq reads from files: services, which the driver does not know, and the password file, whose passwords the driver
//! uses without telling, so that they are read here to be hidden.

use crate::domain::SourceError;
use crate::domain::secret::Secret;
use reqwest::Url;
use std::env;
use std::fs;
use std::path::PathBuf;

/// The keys of a service that the driver understands, as they stand in an address.
pub(super) const KEYS: [&str; 11] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "options",
];

/// The address of the service that `PGSERVICE` names; `None` when it names none. It may hold a password: never to be shown.
///
/// # Errors
/// When no file has that service.
pub(super) fn service() -> Result<Option<String>, SourceError> {
    let Some(name) = env::var("PGSERVICE").ok().filter(|name| !name.is_empty()) else { return Ok(None) };
    let files = service_files();
    match files.iter().find_map(|file| find(&fs::read_to_string(file).ok()?, &name)) {
        Some(settings) => {
            let known = settings.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
            Ok(address(&known.collect::<Vec<_>>()).map(String::from))
        }
        None => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let hint = format!("looked in {}: write the service there, or unset PGSERVICE", files.join(", "));
            Err(SourceError::new(format!("PGSERVICE names the service {name}, which no file has"), hint))
        }
    }
}

/// Every password of the files that libpq would read.
pub(super) fn passwords() -> Vec<Secret> {
    let home = home().map(|home| home.join(".pgpass"));
    let files = env::var_os("PGPASSFILE").map(PathBuf::from).into_iter().chain(home);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    let mut found: Vec<Secret> = texts.flat_map(|text| fifth_fields(&text)).map(Secret::from).collect();
    if let Ok(name) = env::var("PGSERVICE") {
        let texts = service_files().into_iter().filter_map(|file| fs::read_to_string(file).ok());
        let settings = texts.filter_map(|text| find(&text, &name)).flatten();
        found.extend(settings.filter(|(key, _)| key == "password").map(|(_, value)| Secret::from(value)));
    }
    found
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The user's file, or the one that is named instead; then the machine's.
fn service_files() -> Vec<PathBuf> {
    let named = env::var_os("PGSERVICEFILE").map(PathBuf::from);
    let user = named.or_else(|| Some(home()?.join(".pg_service.conf")));
    let system = env::var_os("PGSYSCONFDIR").map_or_else(|| PathBuf::from("/etc/postgresql-common"), PathBuf::from);
    user.into_iter().chain([system.join("pg_service.conf")]).collect()
}

/// The settings of one section of a service file.
fn find(text: &str, name: &str) -> Option<Vec<(String, String)>> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(name))?;
    let own = lines.take_while(|line| !line.starts_with('['));
    let pairs = own.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Some(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
}

/// Settings as an address.
pub(super) fn address(settings: &[(String, String)]) -> Option<Url> {
    let mut url = Url::parse("postgres:///").ok()?;
    url.query_pairs_mut().extend_pairs(settings);
    Some(url)
}

/// The passwords of a password file: `host:port:database:user:password`, with `\:` and `\\` for the two.
fn fifth_fields(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(fifth_field).filter(|password| !password.is_empty()).collect()
}

fn fifth_field(line: &str) -> Option<String> {
    let (mut field, mut password, mut chars) = (0, String::new(), line.chars());
    while let Some(char) = chars.next() {
        match char {
            '\\' => password.extend(chars.next()),
            ':' if field < 4 => {
                field += 1;
                password.clear();
            }
            other => password.push(other),
        }
    }
    (field == 4).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sqlx::postgres::PgConnectOptions;
    use std::str::FromStr;

    #[test]
    fn a_service_becomes_an_address_that_the_driver_reads() {
        let text = "# ours\n[other]\nhost=x\n\n[prod db]\n host = db-1.example\nport=5433\n# no\nuser=q d\ndbname=a/b\napplication_name=x\n[next]\nport=1\n";
        let settings = find(text, "prod db").unwrap();
        let options = PgConnectOptions::from_str(address(&settings).unwrap().as_str()).unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db-1.example", 5433));
        assert_eq!((options.get_username(), options.get_database()), ("q d", Some("a/b")));
        assert_eq!(find(text, "none"), None);
    }

    #[test]
    fn passwords_are_found_whatever_they_hold() {
        let text = "# host:port:db:user:commented\n*:*:*:me:hunter2\nh\\:1:5432:db:u:a\\:b\\\\c:d\nshort:line\n::::\n";
        assert_eq!(fifth_fields(text), ["hunter2", "a:b\\c:d"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(\\[|\\]|=|:|\\\\|#|\n|[a-zé ]{1,4}){0,20}", name in "[a-z]{0,3}") {
            let _ = (fifth_fields(&text), find(&text, &name).and_then(|settings| address(&settings)));
        }
    }
}
