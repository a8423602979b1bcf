//! What is hidden before anything is written down: the values of known secrets, and text that looks like a password.
//!
//! Pure but for the list of known secrets, which grows as secrets are read. Must not try to be clever about free text:
//! it hides too much rather than too little, and the record of an action stays readable because names, hosts and
//! statements are no secrets. Hiding twice is the same as hiding once.

mod mask;

pub use mask::Mask;

use crate::domain::record::Entry;
use crate::domain::secret::Secret;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// What stands where a secret was.
pub const REDACTED: &str = "‹redacted›";

/// Known secrets shorter than this (in bytes) are not searched for: they would hit half of all words.
const SHORTEST: usize = 4;
/// The same for a line of a secret of several lines: shorter ones (`}`, `ok`) stand everywhere.
const SHORTEST_PART: usize = 8;

/// Hides secrets. A clone shares the list of known secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Vec<Secret>>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// Adds a secret that was read: from now on its value is hidden wherever it appears. Values shorter than four bytes
    /// are left out.
    pub fn learn(&self, secret: &Secret) {
        let value = secret.expose_secret();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if value.len() >= SHORTEST && !known.iter().any(|other| other.expose_secret() == value) {
            known.push(secret.clone());
            // Longest first: a secret that holds another one is hidden whole.
            known.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        }
    }

    /// The text without secrets. Borrows when there is nothing to hide.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        for secret in self.known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if out.contains(secret.expose_secret()) {
                out = Cow::Owned(out.replace(secret.expose_secret(), REDACTED));
            }
        }
        match hide_shapes(&out) {
            Some(hidden) => Cow::Owned(hidden),
            None => out,
        }
    }

    /// One line of a text whose other lines are not there: of a secret of several lines each is hidden by itself.
    pub fn line(&self, line: &str) -> String {
        let mut out = line.to_owned();
        for secret in self.known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let parts = secret.expose_secret().lines().map(str::trim).filter(|part| part.len() >= SHORTEST_PART);
            for part in parts.filter(|_| secret.expose_secret().contains('\n')) {
                if out.contains(part) {
                    out = out.replace(part, REDACTED);
                }
            }
        }
        self.text(&out).into_owned()
    }

    /// A command line without secrets, its arguments joined by spaces. An argument that is a secret as a whole (after
    /// `--password`, or where a known program takes one) is hidden whole, spaces and all.
    pub fn argv(&self, args: &[&str]) -> String {
        let program = args.first().map_or("", |path| path.rsplit('/').next().unwrap_or_default());
        let mut out = String::new();
        let mut hide_next = false;
        for (index, arg) in args.iter().enumerate() {
            out.push_str(if index > 0 { " " } else { "" });
            if std::mem::take(&mut hide_next) && !arg.starts_with('-') {
                out.push_str(REDACTED);
                continue;
            }
            let (shown, hidden) = argument(program, arg, index > 0);
            out.push_str(shown);
            match hidden {
                Hidden::Nothing => {}
                Hidden::Rest => out.push_str(REDACTED),
                Hidden::Next => hide_next = true,
            }
        }
        self.text(&out).into_owned()
    }

    /// One word of a list (a command line, an environment) without secrets; it is hidden whole where the word before it, as in
    /// `--password`, says that it is one.
    pub fn argument(&self, before: &str, word: &str) -> String {
        match (argument("", before, true), argument("", word, true)) {
            ((_, Hidden::Next), _) if !word.starts_with('-') => REDACTED.to_owned(),
            (_, (shown, Hidden::Rest)) => format!("{shown}{REDACTED}"),
            (_, (_, Hidden::Nothing | Hidden::Next)) => self.text(word).into_owned(),
        }
    }

    /// The value without secrets: every string in it, keys too, and whole strings under keys such as `password`.
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.json(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, value)| self.field(&name, value)).collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    fn field(&self, name: &str, value: Value) -> (String, Value) {
        let value = match value {
            Value::String(text) if is_secret_name(name) && !text.is_empty() => Value::String(REDACTED.to_owned()),
            other => self.json(other),
        };
        (self.text(name).into_owned(), value)
    }

    /// The entry without secrets in its data, target and step.
    pub fn entry(&self, entry: Entry) -> Entry {
        let hide = |text: String| self.text(&text).into_owned();
        Entry {
            step: entry.step.map(hide),
            target: entry.target.map(hide),
            data: self.json(entry.data),
            kind: entry.kind,
            run: entry.run,
            role: entry.role,
            env: entry.env,
        }
    }
}

/// What of a command line is a secret beside what an argument shows.
enum Hidden {
    Nothing,
    /// What follows in the same argument.
    Rest,
    /// The next argument.
    Next,
}

/// Programs that take a secret behind a short option, which says nothing by itself. With `true` it may stand in the same
/// argument alone (`mysql -psecret`: a bare `-p` asks for it).
const SHORT_OPTIONS: [(&str, &str, bool); 11] = [
    ("mysql", "-p", true),
    ("mysqldump", "-p", true),
    ("mysqladmin", "-p", true),
    ("mariadb", "-p", true),
    ("mariadb-dump", "-p", true),
    ("sshpass", "-p", false),
    ("redis-cli", "-a", false),
    ("curl", "-u", false),
    ("curl", "--user", false),
    ("ldapsearch", "-w", false),
    ("smbclient", "-U", false),
];

/// One argument: how much of it is shown, and what is hidden.
fn argument<'a>(program: &str, arg: &'a str, is_option: bool) -> (&'a str, Hidden) {
    let of_program = SHORT_OPTIONS.iter().filter(|(name, ..)| *name == program && is_option);
    for (_, option, joined_only) in of_program {
        match arg.strip_prefix(option) {
            Some("") if !joined_only => return (arg, Hidden::Next),
            Some(rest) if !rest.is_empty() && !arg.starts_with("--") => return (&arg[..option.len()], Hidden::Rest),
            Some(_) | None => {}
        }
    }
    match arg.split_once('=') {
        Some((name, value)) if is_secret_name(name.trim_start_matches('-')) && !value.is_empty() => {
            (&arg[..=name.len()], Hidden::Rest)
        }
        Some(_) => (arg, Hidden::Nothing),
        None if arg.starts_with('-') && is_secret_name(arg.trim_start_matches('-')) => (arg, Hidden::Next),
        None => (arg, Hidden::Nothing),
    }
}

/// Last parts of a name (after the last `_`, `-` or `.`, or the whole) that make it the name of a secret.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pgpassword",
    "sslpassword",
    "secret",
    "token",
    "apikey",
    "authorization",
    "credential",
];

/// Names of two parts that make a secret only together: a `key` alone is a column.
const SECRET_PAIRS: [&str; 5] = ["api_key", "access_key", "secret_key", "private_key", "auth_key"];

/// Whether a key or variable of this name holds a secret itself: `password`, `DB_PASSWORD`, `api-key`. A name that
/// says where the secret is (`password_file`) is none.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '.'], "_");
    let last = name.rsplit('_').next().unwrap_or_default();
    SECRET_NAMES.contains(&last) || SECRET_PAIRS.iter().any(|pair| name.ends_with(pair))
}

/// Whether the text holds a password in the user part of a URL, or as `password=…`.
pub fn holds_password(text: &str) -> bool {
    hide_shapes(text).is_some()
}

/// Where something stands that is shaped like a secret, in order; spots may overlap.
pub fn secret_shapes(text: &str) -> Vec<Range<usize>> {
    let mut spots: Vec<Range<usize>> = urls(text).chain(assignments(text)).chain(bearers(text)).collect();
    spots.retain(|spot| !spot.is_empty() && &text[spot.clone()] != REDACTED);
    spots.sort_by_key(|spot| (spot.start, spot.end));
    spots
}

/// The text with everything hidden that is shaped like a secret; `None` when there is nothing of the kind.
fn hide_shapes(text: &str) -> Option<String> {
    let spots = secret_shapes(text);
    if spots.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for spot in spots {
        if spot.start >= done {
            out.push_str(&text[done..spot.start]);
            out.push_str(REDACTED);
        }
        done = done.max(spot.end);
    }
    out.push_str(&text[done..]);
    Some(out)
}

/// Passwords in `scheme://user:password@host`.
fn urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let word = word(&text[start..], &['"', '\'', '`', '<', '>']);
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        // A password with an unescaped slash is no valid URL, but people write it: then the `@` comes after the slash, and
        // what stands after the colon is no port.
        let port = authority.split_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let end = match authority.rfind('@') {
            Some(end) => end,
            None if !port => word.rfind('@')?,
            None => return None,
        };
        let colon = word[..end].find(':')?;
        Some(start + colon + 1..start + end)
    })
}

/// Values in `password=…`, `"token": "…"`, `--password …`, `PASSWORD '…'`.
fn assignments(text: &str) -> impl Iterator<Item = Range<usize>> {
    names(text).filter_map(|name| {
        let before = text[..name.start].chars().next_back();
        let quote = before.filter(|char| matches!(char, '"' | '\'') && text[name.end..].starts_with(*char));
        let at = name.end + quote.map_or(0, char::len_utf8);
        let rest = &text[at..];
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let rest = &rest[spaces..];
        let sign = rest.chars().next();
        let word = text[name.clone()].to_ascii_lowercase();
        let flag = text[..name.start].ends_with("--");
        // In prose, "token: expired" is no secret; in JSON, a DSN and a header it is.
        let colon = quote.is_some() || !word.ends_with("token") && !word.ends_with("secret");
        match sign {
            Some('=') => value(text, at + spaces + 1, &word),
            Some(':') if colon => value(text, at + spaces + 1, &word),
            Some('\'' | '"') if spaces > 0 && quote.is_none() => value(text, at + spaces, &word),
            _ if flag && spaces > 0 => value(text, at + spaces, &word),
            _ => None,
        }
    })
}

/// Identifiers in the text that name a secret.
fn names(text: &str) -> impl Iterator<Item = Range<usize>> {
    let part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let start = at + text[at..].find(part)?;
            let end = text[start..].find(|char| !part(char)).map_or(text.len(), |length| start + length);
            at = end;
            let dashes = text[start..end].len() - text[start..end].trim_start_matches('-').len();
            if is_secret_name(&text[start + dashes..end]) {
                return Some(start + dashes..end);
            }
        }
        None
    })
}

/// The extent of a value that starts at `at` or after spaces: quoted, or up to what ends a word. A header's scheme
/// (`Bearer`) is not part of it.
fn value(text: &str, at: usize, name: &str) -> Option<Range<usize>> {
    let trimmed = text[at..].trim_start_matches([' ', '\t']);
    let start = text.len() - trimmed.len();
    if trimmed.starts_with(REDACTED) {
        return None;
    }
    if name.ends_with("authorization") {
        return header(text, start);
    }
    let quote = trimmed.chars().next().filter(|char| matches!(char, '"' | '\''));
    let range = match quote {
        Some(quote) => start + 1..start + 1 + quoted(&trimmed[1..], quote),
        None => start..start + word(trimmed, &['"', '\'', '`', ',', ';', '&', ')', '}', ']', '|', '<', '>']).len(),
    };
    Some(range)
}

/// What follows `Authorization:`, up to the end of the line or the quote; a scheme before it stays.
fn header(text: &str, start: usize) -> Option<Range<usize>> {
    let inner = text[start..].trim_start_matches(['"', '\'']);
    let start = text.len() - inner.len();
    let line = &inner[..inner.find(['\n', '\r', '"', '\'']).unwrap_or(inner.len())];
    let skip =
        line.find(' ').filter(|at| line[..*at].bytes().all(|byte| byte.is_ascii_alphabetic())).map_or(0, |at| at + 1);
    let value = line[skip..].trim_end();
    (value != REDACTED).then_some(start + skip..start + skip + value.len())
}

/// Tokens after the word `Bearer`, wherever it stands. Short words are prose.
fn bearers(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(['B', 'b']).filter_map(|(at, _)| {
        let start = at + "bearer ".len();
        let found = text.get(at..start).is_some_and(|head| head.eq_ignore_ascii_case("bearer "));
        let token = found.then(|| word(&text[start..], &['"', '\'', '`', ',', ';', ')']))?;
        // What was hidden in it before makes a short word no longer one.
        let told = token.len() - token.matches(REDACTED).count() * REDACTED.len();
        (told >= 8).then_some(start..start + token.len())
    })
}

/// The text up to white space or one of `ends`.
fn word<'a>(text: &'a str, ends: &[char]) -> &'a str {
    let end = text.find(|char: char| char.is_whitespace() || ends.contains(&char));
    &text[..end.unwrap_or(text.len())]
}

/// The length of a quoted text whose opening quote is passed: a backslash or a doubled quote does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let doubled = char == quote && chars.peek().is_some_and(|(_, next)| *next == quote);
        if char == '\\' || doubled {
            chars.next();
        } else if char == quote {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::RecordKind;
    use proptest::prelude::*;
    use serde_json::json;

    fn plain(text: &str) -> String {
        Redactor::default().text(text).into_owned()
    }

    #[test]
    fn passwords_are_hidden_and_the_rest_stays() {
        let cases = [
            ("postgres://web:hunter2@db/app", "postgres://web:‹redacted›@db/app"),
            ("see https://a:b:c@h/x and http://h:80/y@z", "see https://a:‹redacted›@h/x and http://h:80/y@z"),
            ("redis://u:p/w@h", "redis://u:‹redacted›@h"),
            ("redis://:pw@h", "redis://:‹redacted›@h"),
            ("host=db password=hunter2 user=x", "host=db password=‹redacted› user=x"),
            ("host=db password='a b\\'c' user=x", "host=db password='‹redacted›' user=x"),
            ("PGPASSWORD=hunter2 psql", "PGPASSWORD=‹redacted› psql"),
            ("ALTER ROLE x PASSWORD 'hun''ter' VALID", "ALTER ROLE x PASSWORD '‹redacted›' VALID"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ‹redacted›"),
            ("authorization: Basic dXNlcjpwdw==\nx: y", "authorization: Basic ‹redacted›\nx: y"),
            ("curl -H 'Authorization: tok en' http://h", "curl -H 'Authorization: tok ‹redacted›' http://h"),
            ("with Bearer abcdefgh12 sent", "with Bearer ‹redacted› sent"),
            ("the bearer of news", "the bearer of news"),
            ("Bearer token=‹redacted›", "Bearer token=‹redacted›"),
            (r#"{"token":"abc","n":1}"#, r#"{"token":"‹redacted›","n":1}"#),
            ("deploy --api-key k123 now", "deploy --api-key ‹redacted› now"),
            ("?access_key=abc&x=1", "?access_key=‹redacted›&x=1"),
            ("token: expired", "token: expired"),
            ("password_file=/run/x", "password_file=/run/x"),
            ("postgres://web@db/app", "postgres://web@db/app"),
        ];
        for (given, expected) in cases {
            assert_eq!(plain(given), expected, "{given}");
        }
    }

    #[test]
    fn a_command_line_tells_no_secret_argument() {
        let cases: [(&[&str], &str); 11] = [
            (&["/usr/bin/mysql", "-u", "root", "-phunter2", "shop"], "/usr/bin/mysql -u root -p‹redacted› shop"),
            (&["mysql", "-p", "shop"], "mysql -p shop"),
            (&["sshpass", "-p", "a b c", "ssh", "h"], "sshpass -p ‹redacted› ssh h"),
            (&["redis-cli", "-a", "hunter2", "ping"], "redis-cli -a ‹redacted› ping"),
            (&["app", "--password", "two words", "--port", "1"], "app --password ‹redacted› --port 1"),
            (&["app", "--api-key=two words", "x"], "app --api-key=‹redacted› x"),
            (&["app", "--token", "--verbose"], "app --token ‹redacted›"),
            (&["env", "DB_PASSWORD=a b", "app"], "env DB_PASSWORD=‹redacted› app"),
            (&["psql", "postgres://web:hunter2@db/app"], "psql postgres://web:‹redacted›@db/app"),
            (&["curl", "-H", "Authorization: Bearer abcdefgh12", "u"], "curl -H Authorization: Bearer ‹redacted›"),
            (&["nginx: worker process"], "nginx: worker process"),
        ];
        for (args, expected) in cases {
            let shown = Redactor::default().argv(args);
            assert!(shown.starts_with(expected), "{args:?}: {shown}");
        }
    }

    #[test]
    fn known_secrets_are_hidden_the_longest_first() {
        let redactor = Redactor::default();
        for secret in ["open", "opensesame", "abc"] {
            redactor.learn(&Secret::from(secret));
        }
        let shared = redactor.clone();
        assert_eq!(shared.text("say opensesame, then open; abc"), "say ‹redacted›, then ‹redacted›; abc");
    }

    #[test]
    fn every_string_of_an_entry_is_covered() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::from("s3cret"));
        let entry = Entry {
            kind: RecordKind::StepExit,
            run: None,
            step: Some("a/s3cret".into()),
            role: None,
            target: Some("http://u:pw@h".into()),
            env: "local".into(),
            data: json!({ "output": ["x", { "deep": "s3cret" }], "db_password": "x", "s3cret": 1, "password": "" }),
        };
        let text = serde_json::to_string(&redactor.entry(entry)).unwrap();
        assert!(!text.contains("s3cret") && !text.contains(":pw@"), "{text}");
        assert!(text.contains(r#""db_password":"‹redacted›""#) && text.contains(r#""password":"""#), "{text}");
    }

    #[test]
    fn borrows_when_there_is_nothing_to_hide() {
        assert!(matches!(Redactor::default().text("docker restart api"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn hiding_twice_is_hiding_once(
            text in "(://|:|@|=|'|\"| |password|token|--|Authorization|Bearer |‹redacted›|[a-z0-9/é\\\\\n]{1,9}){0,14}"
        ) {
            let once = plain(&text);
            prop_assert_eq!(plain(&once), once.clone(), "{}", text);
        }

        #[test]
        fn a_password_never_survives_in_a_dsn(user in "[a-z]{1,8}", password in "[A-Z0-9%._~-]{8,20}", host in "[a-z]{1,8}") {
            for text in [
                format!("postgres://{user}:{password}@{host}/db"),
                format!("host={host} user={user} password={password}"),
                format!("{{\"password\": \"{password}\"}}"),
            ] {
                prop_assert!(!plain(&text).contains(&password), "{}", text);
            }
        }
    }
}
