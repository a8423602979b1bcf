//! What is hidden on a screen that others see: addresses, people's names, tokens, the literals of SQL, secrets, and whatever the
//! team's own patterns find. It hides too much rather than too little.
//!
//! The same thing gets the same mark (`‹addr-3f2›`) as long as the program runs, so that people can still talk about it. The
//! mark is made with a number drawn at the start: nobody can find an address by making marks of all there are.

use super::Redactor;
use crate::domain::text::Veil;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

/// Names of roles that everybody has: they tell nothing, and stand in half of all sentences.
const NOBODY: [&str; 12] = [
    "admin",
    "alertmanager",
    "daemon",
    "docker",
    "grafana",
    "local",
    "nobody",
    "postgres",
    "prometheus",
    "quarterdeck",
    "root",
    "system",
];

/// All that can be told by its shape, in one pass. The first that fits wins.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"(?P<key>-----BEGIN [A-Z ]+-----)",
        r"(?P<token>\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\b(?:gh[pousr]_|github_pat_|xox[a-z]-|sk[-_]|pk_|glpat-|AKIA|ASIA|npm_|hvs\.)[\w.#-]{6,})",
        r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)*)",
        r"(?P<host>[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#\x22'<>‹]+)",
        r"(?P<mac>\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b)",
        r"(?P<four>\b\d{1,3}(?:\.\d{1,3}){3}\b)",
        r"(?P<six>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}(?:%\w+)?)",
        r"(?P<home>/(?:home|Users)/[\w.-]+)",
        r"(?P<who>(?i:\b(?:user(?:name)?|login|role)(?:[=:]\s?\x22?|\s\x22))[\w.+-]+(?:@[\w-]+(?:\.[\w-]+)*)?\x22?)",
        r"(?P<long>[A-Za-z0-9+=]{20,})",
    ];
    Regex::new(&shapes.join("|")).unwrap_or_else(|error| unreachable!("the shapes are tested: {error}"))
});

/// A statement begins so, perhaps after a comment.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    let words = "select|insert|update|delete|with|merge|call|copy|explain|values|begin|start|commit|rollback|savepoint|\
        create|alter|drop|truncate|grant|revoke|set|reset|show|vacuum|analyze|reindex|cluster|lock|declare|fetch|close|\
        prepare|execute|deallocate|do|listen|notify|refresh|comment|security";
    let all = format!(r"(?is)^\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*(?:{words})\b");
    Regex::new(&all).unwrap_or_else(|error| unreachable!("the pattern is tested: {error}"))
});

/// A word as names are written.
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\w.-]+").unwrap_or_else(|error| unreachable!("the pattern is tested: {error}")));

/// The mask.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    salt: u64,
    patterns: Vec<Regex>,
    secrets: Redactor,
    people: BTreeSet<String>,
}

impl Mask {
    /// With the team's own patterns and the known secrets; `salt` is drawn at the start.
    pub fn new(salt: u64, patterns: Vec<Regex>, secrets: Redactor) -> Self {
        Self { salt, patterns, secrets, people: BTreeSet::new() }
    }

    /// The same with other patterns of the team: what is hidden already keeps its marks.
    #[must_use]
    pub fn with_patterns(&self, patterns: Vec<Regex>) -> Self {
        Self { patterns, salt: self.salt, secrets: self.secrets.clone(), people: self.people.clone() }
    }

    /// The same for other people: names that are hidden wherever they stand as a word.
    #[must_use]
    pub fn with_people(&self, people: BTreeSet<String>) -> Self {
        Self { people, ..self.clone() }
    }

    /// Whose names are hidden.
    pub fn people(&self) -> &BTreeSet<String> {
        &self.people
    }

    fn mark(&self, kind: &str, of: &str) -> String {
        let bytes = self.salt.to_le_bytes().into_iter().chain(of.to_ascii_lowercase().into_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        format!("‹{kind}-{:03x}›", (hash ^ (hash >> 32)) & 0xfff)
    }

    /// What the team's own pattern finds; a part of an address gets no mark of its own, for the whole address gets one.
    fn pattern(&self, pattern: &Regex, text: &str) -> String {
        let is_address = |found: &Captures<'_>| {
            let kinds = ["mail", "host", "who"].into_iter();
            kinds.filter_map(|kind| found.name(kind)).map(|at| at.range()).next()
        };
        let addresses: Vec<_> = SHAPES.captures_iter(text).filter_map(|found| is_address(&found)).collect();
        let hidden = |found: &Captures<'_>| {
            let (range, whole) = found.get(0).map_or((0..0, ""), |all| (all.range(), all.as_str()));
            let within = |address: &Range<usize>| address.start <= range.start && range.end <= address.end;
            if addresses.iter().any(within) { whole.to_owned() } else { self.mark("hidden", whole) }
        };
        pattern.replace_all(text, hidden).into_owned()
    }

    /// What may be the beginning of something that is hidden as a whole: of a name, of an address.
    fn begins_something(&self, word: &str) -> bool {
        let of = |sign: char| word.matches(sign).count();
        let digits = |char: char| char.is_ascii_hexdigit() || matches!(char, '.' | ':');
        let address = of('.') + of(':') > 1 && word.chars().all(digits);
        let name = || word.len() > 1 && self.people.iter().any(|name| name.to_lowercase().starts_with(word));
        address || word.contains('@') || word.contains("://") || name()
    }

    fn shapes<'a>(&self, text: &'a str) -> Cow<'a, str> {
        SHAPES.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |all| all.as_str());
            let range = found.get(0).map_or(0..0, |all| all.range());
            let kind = SHAPES.capture_names().flatten().find(|name| found.name(name).is_some()).unwrap_or_default();
            self.shape(kind, whole, &text[..range.start], &text[range.end..])
        })
    }

    /// What stands in place of something that has a shape; itself, when it only looks so.
    fn shape(&self, kind: &str, whole: &str, before: &str, after: &str) -> String {
        let part = |char: char| char.is_alphanumeric() || char == '_';
        let alone = !before.ends_with(part) && !after.starts_with(part);
        match kind {
            "key" | "token" => self.mark("token", whole),
            "mail" => self.person_in(whole),
            "host" => self.host(whole),
            "mac" => self.mark("mac", whole),
            "four" if whole.parse::<Ipv4Addr>().is_ok() => self.mark("addr", whole),
            "six" if alone && is_six(whole) => self.mark("addr", whole),
            "home" => {
                let at = whole.rfind('/').map_or(0, |at| at + 1);
                format!("{}{}", &whole[..at], self.person(&whole[at..]))
            }
            "who" => self.who(whole),
            "long" if is_token(whole) => self.mark("token", whole),
            _ => whole.to_owned(),
        }
    }

    /// The scheme stays, and so does the port: they tell what it is about.
    fn host(&self, url: &str) -> String {
        let (scheme, authority) = url.split_once("://").unwrap_or(("", url));
        let bare = authority.rsplit('@').next().unwrap_or(authority);
        let port = bare.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let (host, port) = port.map_or((bare, String::new()), |(host, port)| (host, format!(":{port}")));
        if host.is_empty() || host == "localhost" {
            return url.to_owned();
        }
        format!("{scheme}://{}{port}", self.mark("addr", host))
    }

    /// `user=alice`, `user "alice"`.
    fn who(&self, text: &str) -> String {
        let Some(at) = text.find(['=', ':', '"']) else { return text.to_owned() };
        let name = text[at + 1..].trim_matches(['"', ' ', '.', '-', '+']);
        if name.is_empty() {
            return text.to_owned();
        }
        text.replace(name, &self.person(name))
    }

    /// A name among signs that belong to the sentence around it, `…alice@example.org.`: the same name has one mark everywhere.
    fn person_in(&self, text: &str) -> String {
        let name = text.trim_matches(['.', '-', '+']);
        text.replace(name, &self.mark("who", name))
    }

    fn person(&self, name: &str) -> String {
        if NOBODY.contains(&name) { name.to_owned() } else { self.mark("who", name) }
    }

    fn names<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.people.is_empty() {
            return Cow::Borrowed(text);
        }
        WORD.replace_all(text, |found: &Captures<'_>| {
            let word = found.get(0).map_or("", |all| all.as_str());
            let name = word.trim_matches(['.', '-']);
            let known = self.people.contains(name) && !NOBODY.contains(&name);
            if known { word.replace(name, &self.mark("who", name)) } else { word.to_owned() }
        })
    }
}

impl Veil for Mask {
    fn hide(&self, text: &str) -> Option<String> {
        let mut out: Cow<'_, str> = Cow::Borrowed(text);
        for pattern in &self.patterns {
            out = Cow::Owned(self.pattern(pattern, &out));
        }
        out = Cow::Owned(self.secrets.text(&out).into_owned());
        out = Cow::Owned(literals(&out, STATEMENT.is_match(&out)));
        out = Cow::Owned(self.shapes(&out).into_owned());
        out = Cow::Owned(self.names(&out).into_owned());
        (out != text).then(|| out.into_owned())
    }

    fn hide_typed(&self, text: &str) -> Option<String> {
        let whole = self.hide(text).unwrap_or_else(|| text.to_owned());
        let word = |word: &str| {
            let bare = word.trim_matches(['!', '"', '{', '}', '(', ')', ',']);
            let value = bare.trim_start_matches(|char: char| char.is_ascii_alphanumeric() || char == '-');
            let value = value.trim_start_matches([':', '=', '<', '>', '!', '~', '"']);
            let begins = |text: &&str| !text.contains('‹') && self.begins_something(&text.to_lowercase());
            let found = [bare, value].into_iter().find(begins);
            found.map_or_else(|| word.to_owned(), |found| word.replace(found, &self.mark("typed", found)))
        };
        let shown: Vec<String> = whole.split(' ').map(word).collect();
        Some(shown.join(" ")).filter(|shown| shown != text)
    }
}

fn is_six(text: &str) -> bool {
    let bare = text.split('%').next().unwrap_or(text);
    bare.parse::<Ipv6Addr>().is_ok()
}

/// Digits and letters in one long word: nobody names a thing so.
fn is_token(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The text with `'…'` emptied; of a statement the numbers too, and what a cut-off statement leaves open.
fn literals(text: &str, statement: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let before = out.chars().next_back();
        let in_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
        let taken = match char {
            '\'' if !in_word || is_prefix(&out) => quoted(rest, statement),
            '$' if statement && !in_word => dollar_quoted(rest),
            '0'..='9' if statement && !in_word && before != Some('$') => Some(number(rest)),
            _ => None,
        };
        match taken {
            Some((length, mark)) => {
                let _ = write!(out, "{mark}");
                rest = &rest[length..];
            }
            None => {
                out.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
    }
    out
}

/// What was written ends in the letter of a literal: `E'…'`, `B'…'`, `N'…'`, `X'…'`.
fn is_prefix(out: &str) -> bool {
    let mut last = out.chars().rev();
    let letter = last.next().is_some_and(|char| "EeBbNnXx".contains(char));
    letter && last.next().is_none_or(|char| !char.is_alphanumeric() && char != '_')
}

/// A quoted literal: its length and its mark. In prose an apostrophe opens nothing, and what is not closed is none.
fn quoted(rest: &str, statement: bool) -> Option<(usize, &'static str)> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (char, next) {
            ('\'', Some('\'')) => {
                chars.next();
            }
            ('\'', next) if statement || next.is_none_or(|next| !next.is_alphanumeric()) => {
                return Some((at + 1, if at == 1 { "''" } else { "'…'" }));
            }
            _ => {}
        }
    }
    statement.then_some((rest.len(), "'…"))
}

/// `$$…$$` and `$tag$…$tag$`.
fn dollar_quoted(rest: &str) -> Option<(usize, &'static str)> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let plain = tag[1..end - 1].chars().all(|char| char.is_alphanumeric() || char == '_');
    let named = tag[1..].starts_with(|char: char| char.is_ascii_digit());
    if !plain || named {
        return None;
    }
    let length = rest[end..].find(tag).map_or(rest.len(), |close| end + close + end);
    Some((length, "$…$"))
}

fn number(rest: &str) -> (usize, &'static str) {
    let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '.').unwrap_or(rest.len());
    (end, "…")
}

#[cfg(test)]
mod tests;
