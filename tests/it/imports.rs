//! Who may import whom: the layers of ARCHITECTURE.md, held by reading every source file.
//!
//! A mention counts wherever it stands (`use`, a path in code, a test module inside the file), in every form: through
//! `crate::`, through `super::`, through the crate's own name, in a group. Comments and string literals do not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The top modules, lowest layer first, each with all that it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("redact", &["domain"]),
    ("store", &["domain"]),
    ("action", &["domain"]),
    ("clock", &["domain"]),
    ("theme", &["domain"]),
    ("keymap", &["domain", "action"]),
    ("runbook", &["domain", "redact"]),
    ("incident", &["domain", "runbook"]),
    ("connect", &["domain", "redact", "clock"]),
    // Of `runbook` what the gate takes as evidence, and what is asked of others, as records tell it.
    ("journal", &["domain", "redact", "clock", "runbook", "connect"]),
    ("recording", &["domain", "redact", "store"]),
    ("sources", &["domain", "redact", "clock", "connect"]),
    ("logs", &["domain", "redact", "clock", "connect"]),
    ("steps", &["domain", "redact", "clock", "runbook", "connect"]),
    ("config", &["domain", "redact", "store", "action", "theme", "keymap", "runbook", "connect", "sources", "steps"]),
    ("event", &["domain", "store", "theme", "keymap", "runbook", "recording"]),
    ("effect", &["domain", "store", "runbook", "recording"]),
    ("cx", &["domain", "store", "action", "theme", "keymap", "runbook", "incident"]),
    ("widgets", &["domain", "store", "action", "theme", "keymap", "cx"]),
    (
        "panes",
        &["domain", "redact", "store", "action", "theme", "keymap", "runbook", "incident", "effect", "cx", "widgets"],
    ),
    (
        "app",
        &[
            "domain",
            "redact",
            "store",
            "action",
            "theme",
            "keymap",
            "runbook",
            "incident",
            "recording",
            "config",
            "event",
            "effect",
            "cx",
            "widgets",
            "panes",
        ],
    ),
    (
        "ui",
        &[
            "domain",
            "store",
            "action",
            "theme",
            "keymap",
            "runbook",
            "incident",
            "recording",
            "cx",
            "widgets",
            "panes",
            "app",
        ],
    ),
    ("share", BELOW_RUNTIME),
    ("runtime", BELOW_RUNTIME),
    // Of `steps` what hosts are given to read: a drill's hosts read it.
    ("drill", &["domain", "clock", "steps"]),
    (
        "cli",
        &[
            "domain",
            "redact",
            "store",
            "action",
            "clock",
            "theme",
            "keymap",
            "runbook",
            "incident",
            "connect",
            "journal",
            "recording",
            "sources",
            "steps",
            "config",
            "event",
            "effect",
            "cx",
            "widgets",
            "panes",
            "app",
            "ui",
            "share",
            "runtime",
            "drill",
        ],
    ),
];

/// What the async shell may import: everything below it.
const BELOW_RUNTIME: &[&str] = &[
    "domain",
    "redact",
    "store",
    "action",
    "clock",
    "theme",
    "keymap",
    "runbook",
    "incident",
    "connect",
    "journal",
    "recording",
    "sources",
    "logs",
    "steps",
    "config",
    "event",
    "effect",
    "cx",
    "widgets",
    "panes",
    "app",
    "ui",
];

/// Where the terminal library must not be named.
const NO_RATATUI: &[&str] = &[
    "domain",
    "redact",
    "store",
    "runbook",
    "journal",
    "recording",
    "incident",
    "connect",
    "sources",
    "logs",
    "steps",
];

/// Where the async runtime may be named, and nowhere else.
const TOKIO: &[&str] = &["runtime", "connect", "sources", "logs", "steps", "journal", "share", "drill", "cli"];

#[test]
fn no_module_imports_what_it_must_not() {
    let sources = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 10, "the sources were not found");
    let wrong: Vec<String> = sources.iter().flat_map(|(path, text)| check(path, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A second person's approval is made of what the server of a team's journal says, and of nothing else: whoever could make one elsewhere could let
/// oneself through the gate.
#[test]
fn only_a_team_s_journal_makes_an_approval() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let makers = rust_files(&root).into_iter().filter(|(_, text)| text.contains("Approval::granted("));
    let makers: Vec<PathBuf> = makers.map(|(path, _)| path).collect();
    assert_eq!(makers, ["journal/postgres/approval.rs", "runbook/gate/tests.rs"].map(PathBuf::from));
}

#[test]
fn the_table_is_in_layers() {
    let order: Vec<&str> = ALLOWED.iter().map(|(module, _)| *module).collect();
    for (place, (module, allowed)) in ALLOWED.iter().enumerate() {
        for import in *allowed {
            let below = order.iter().position(|other| other == import).is_some_and(|other| other < place);
            assert!(below, "`{module}` may import `{import}`, which is not below it");
        }
    }
}

#[test]
fn nothing_links_openssl() {
    let lock = include_str!("../../Cargo.lock");
    for name in ["openssl", "openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "Cargo.lock holds {name}");
    }
}

/// All Rust files under a folder, as paths relative to it, sorted.
fn rust_files(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).expect("a source folder can be read").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).expect("a source file can be read");
                found.push((entry.strip_prefix(root).expect("it is below").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// What is wrong with one file of `src/`, a line for each mistake.
fn check(path: &Path, text: &str) -> Vec<String> {
    let modules = module_path(path);
    let Some(top) = modules.first().map(String::as_str) else { return Vec::new() };
    let Some((_, allowed)) = ALLOWED.iter().find(|(module, _)| *module == top) else {
        return vec![format!("src/{}: `{top}` is not in the table of tests/it/imports.rs", path.display())];
    };
    let mentions = mentions(text, &modules);
    let problem = |mention: &Mention| match mention {
        Mention::Ours(module, _) if ALLOWED.iter().all(|(known, _)| known != module) => None,
        Mention::Ours(module, second) if module == top => other_pane(&modules, second.as_deref()),
        Mention::Ours(module, _) => (!allowed.contains(&module.as_str()))
            .then(|| format!("`{top}` must not import `{module}` (it may: {})", allowed.join(", "))),
        Mention::Theirs(name) if name == "ratatui" && NO_RATATUI.contains(&top) => {
            Some(format!("`{top}` must not name ratatui: it does not draw"))
        }
        Mention::Theirs(name) if name == "tokio" && !TOKIO.contains(&top) => {
            Some(format!("`{top}` must not name tokio: only the shell is async"))
        }
        Mention::Theirs(_) => None,
    };
    mentions
        .iter()
        .filter_map(|(line, mention)| Some(format!("src/{}:{line}: {}", path.display(), problem(mention)?)))
        .collect()
}

/// A pane that names another pane. What is in `panes/mod.rs`, and its registry, is common to all.
fn other_pane(modules: &[String], second: Option<&str>) -> Option<String> {
    let (top, pane) = (modules.first()?, modules.get(1)?);
    let second = second?;
    let is_module = second.starts_with(char::is_lowercase) && PANES.contains(&second);
    (top == "panes" && is_module && second != pane).then(|| format!("pane `{pane}` must not import pane `{second}`"))
}

/// The panes of product.md, by folder.
const PANES: &[&str] = &[
    "servers",
    "containers",
    "events",
    "alerts",
    "groups",
    "silences",
    "rules",
    "targets",
    "members",
    "databases",
    "locks",
    "replication",
    "activity",
    "statistics",
    "runbooks",
    "runs",
    "timeline",
    "logs",
];

/// The module path of a file of `src/`: empty for `lib.rs` and `main.rs`, which may import everything.
fn module_path(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    if matches!(parts.iter().map(String::as_str).collect::<Vec<_>>()[..], ["lib" | "main"]) {
        Vec::new()
    } else {
        parts
    }
}

/// A path that a file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mention {
    /// A top module of this crate, and the next name in it if there is one.
    Ours(String, Option<String>),
    /// Another crate.
    Theirs(String),
}

/// Every path in a file, with its line. `modules` is the file's own module path.
fn mentions(text: &str, modules: &[String]) -> BTreeSet<(usize, Mention)> {
    let tokens = tokens(text);
    let mut found = BTreeSet::new();
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let word = |ahead: usize| tokens.get(at + ahead).map_or("", |(_, word)| word.as_str());
        match word(0) {
            "mod" if word(2) == "{" => inline.push((depth, word(1).to_owned())),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(opened, _)| *opened == depth);
            }
            _ => {}
        }
        let mut here = modules.to_vec();
        here.extend(inline.iter().map(|(_, name)| name.clone()));
        if starts_path(&tokens, at) {
            at += walk(&tokens, at, &Start::of(word(0), &here), &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Whether a path starts at token `at`: a name followed by `::`, or one right after `use`. The `::` of a path from the
/// root (`::tokio::spawn`) stands before its first name, and neither a name nor the end of `<…>` before that.
fn starts_path(tokens: &[(usize, String)], at: usize) -> bool {
    let back = |steps: usize| at.checked_sub(steps).map_or("", |place| tokens[place].1.as_str());
    let (name, next) = (tokens[at].1.as_str(), tokens.get(at + 1).map_or("", |(_, word)| word.as_str()));
    let (rooted, before, ahead) = if back(1) == "::" { (true, back(2), back(3)) } else { (false, back(1), back(2)) };
    let closes = before == ">" && !matches!(ahead, "-" | "=");
    let continues = rooted && (closes || is_name(before) && !KEYWORDS.contains(&before));
    is_name(name) && !KEYWORDS.contains(&name) && !continues && (next == "::" || before == "use")
}

/// Words that look like names and can stand before a path.
const KEYWORDS: &[&str] = &[
    "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "match", "move", "mut", "ref", "return",
    "static", "unsafe", "use", "where", "while", "yield",
];

/// From where a path counts.
#[derive(Clone, Debug)]
enum Start {
    /// Inside this crate, at this module path.
    Inside(Vec<String>),
    /// Another crate, or a name that is in scope.
    Outside(String),
}

impl Start {
    fn of(word: &str, here: &[String]) -> Self {
        match word {
            "crate" | "quarterdeck" => Self::Inside(Vec::new()),
            "self" => Self::Inside(here.to_vec()),
            "super" => Self::Inside(here[..here.len().saturating_sub(1)].to_vec()),
            other => Self::Outside(other.to_owned()),
        }
    }

    fn then(&self, word: &str) -> Self {
        match self {
            Self::Inside(path) if word == "super" => Self::Inside(path[..path.len().saturating_sub(1)].to_vec()),
            Self::Inside(path) => Self::Inside(path.iter().cloned().chain([word.to_owned()]).collect()),
            Self::Outside(name) => Self::Outside(name.clone()),
        }
    }

    fn mention(&self) -> Option<Mention> {
        match self {
            Self::Inside(path) => Some(Mention::Ours(path.first()?.clone(), path.get(1).cloned())),
            Self::Outside(name) => Some(Mention::Theirs(name.clone())),
        }
    }
}

/// Reads one path that starts at token `at`, with its groups; how many tokens were read.
fn walk(tokens: &[(usize, String)], at: usize, start: &Start, found: &mut BTreeSet<(usize, Mention)>) -> usize {
    let word = |place: usize| tokens.get(place).map_or("", |(_, word)| word.as_str());
    let (mut here, mut next) = (start.clone(), at + 1);
    while word(next) == "::" && is_name(word(next + 1)) {
        here = here.then(word(next + 1));
        next += 2;
    }
    if word(next) == "::" && word(next + 1) == "{" {
        return group(tokens, next + 2, &here, found) - at;
    }
    found.extend(here.mention().map(|mention| (tokens[at].0, mention)));
    next - at
}

/// Reads the inside of `{…}` of a use tree; the place after its end.
fn group(tokens: &[(usize, String)], mut at: usize, start: &Start, found: &mut BTreeSet<(usize, Mention)>) -> usize {
    found.extend(start.mention().map(|mention| (tokens[at - 1].0, mention)));
    while let Some((_, word)) = tokens.get(at) {
        match word.as_str() {
            "}" => return at + 1,
            "as" => at += 2,
            name if is_name(name) => at += walk(tokens, at, &start.then(name), found),
            _ => at += 1,
        }
    }
    at
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The names, `::` and single marks of Rust code with their lines, without comments and literals.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < letters.len() {
        let end = token_end(&letters, at);
        let word: String = letters[at..end].iter().collect();
        if is_name(&word) && end > at && !is_literal(&word)
            || word == "::"
            || (end == at + 1 && !word.trim().is_empty())
        {
            found.push((line, word.trim_start_matches("r#").to_owned()));
        }
        line += letters[at..end].iter().filter(|letter| **letter == '\n').count();
        at = end;
    }
    found
}

fn is_literal(word: &str) -> bool {
    word.contains(['"', '\''])
}

/// Where the token, comment or literal that starts at `at` ends.
fn token_end(letters: &[char], at: usize) -> usize {
    let next = |ahead: usize| letters.get(at + ahead).copied().unwrap_or('\0');
    match (letters[at], next(1)) {
        ('/', '/') => {
            letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |length| at + length)
        }
        ('/', '*') => comment_end(letters, at),
        ('"', _) => string_end(letters, at),
        ('\'', '\\') => quoted_end(letters, at + 1, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        (':', ':') => at + 2,
        (first, _) if first.is_alphabetic() || first == '_' => name_end(letters, at),
        _ => at + 1,
    }
}

/// The end of a name, or of the string literal that a prefix (`r`, `b`, `c`, `br` …) opens.
fn name_end(letters: &[char], at: usize) -> usize {
    let end = (at..letters.len())
        .find(|place| !letters[*place].is_alphanumeric() && letters[*place] != '_')
        .unwrap_or(letters.len());
    let name: String = letters[at..end].iter().collect();
    let hashes = letters[end..].iter().take_while(|letter| **letter == '#').count();
    let quote = letters.get(end + hashes).copied();
    match name.as_str() {
        "r" | "br" | "cr" if quote == Some('"') => raw_end(letters, end + hashes + 1, hashes),
        "r" if hashes == 1 => name_end(letters, end + 1),
        "b" | "c" if hashes == 0 && quote == Some('"') => string_end(letters, end),
        "b" if quote == Some('\'') => quoted_end(letters, end + 1, '\''),
        _ => end,
    }
}

fn string_end(letters: &[char], at: usize) -> usize {
    quoted_end(letters, at + 1, '"')
}

fn quoted_end(letters: &[char], mut at: usize, quote: char) -> usize {
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

fn raw_end(letters: &[char], mut at: usize, hashes: usize) -> usize {
    while at < letters.len() {
        let closed = letters[at] == '"'
            && letters[at + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes;
        if closed {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

fn comment_end(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn complaints(path: &str, text: &str) -> Vec<String> {
    check(Path::new(path), text)
}

#[test]
fn an_import_from_above_is_found_in_every_form() {
    for text in [
        "use crate::app::State;",
        "use crate::{domain::Now, app::State};",
        "use crate::{\n    domain::Now,\n    app,\n};",
        "fn f() { crate::app::update(); }",
        "use super::app::State;",
        "pub use crate::app;",
        "use quarterdeck::app;",
        "use ::quarterdeck::app;",
        "#[cfg(test)]\nmod tests { use super::super::app; }",
        "macro_rules! m { () => { $crate::app::x() } }",
        "const C: char = '\"'; use crate::app::X; const D: &str = \"\";",
        "fn f<'a>(x: &'a str) -> &'a str { crate::app::y(x) }",
        "const C: [char; 2] = ['\\\\', '\\'']; use crate::app::X;",
        "fn f() -> ::quarterdeck::app::State { todo!() }",
        "use {::quarterdeck::app, std::fs};",
    ] {
        assert_eq!(complaints("clock.rs", text).len(), 1, "{text}");
    }
    assert_eq!(
        complaints("store/feed.rs", "\nuse crate::app::State;"),
        ["src/store/feed.rs:2: `store` must not import `app` (it may: domain)"]
    );
    assert_eq!(complaints("store/feed.rs", "use super::super::app;").len(), 1);
}

#[test]
fn what_is_allowed_or_no_import_is_not_complained_about() {
    for text in [
        "use crate::domain::Now;",
        "// use crate::app::State;\n/* crate::app::x /* nested */ crate::app::y */",
        "/// See [`crate::app::State`].\nfn f() {}",
        "const A: &str = \"crate::app::x\"; const B: &str = r#\"crate::app::\"x\"#; const C: &[u8] = b\"crate::app::x\";",
        "#[cfg(test)]\nmod tests { use super::*; fn f() { super::app::g() } }",
        "use self::app::x;",
        "pub(in crate::store) fn f() {}",
        "fn f() { Vec::<u8>::app::x(); self::a::app::x() }",
    ] {
        assert_eq!(complaints("store/mod.rs", text), [""; 0], "{text}");
    }
    assert_eq!(complaints("main.rs", "use quarterdeck::cli; use tokio::main;"), [""; 0]);
}

#[test]
fn the_libraries_of_the_shell_stay_in_the_shell() {
    assert_eq!(complaints("runbook/gate.rs", "use ratatui::Frame;").len(), 1);
    assert_eq!(complaints("steps/sql/mod.rs", "fn f(x: &mut ratatui::buffer::Buffer) {}").len(), 1);
    assert_eq!(complaints("app/mod.rs", "#[tokio::test]\nasync fn f() {}").len(), 1);
    assert_eq!(complaints("panes/alerts/mod.rs", "use tokio;").len(), 1);
    assert_eq!(complaints("panes/alerts/mod.rs", "use ratatui::Frame;"), [""; 0]);
    assert_eq!(complaints("sources/docker/mod.rs", "use tokio::time;"), [""; 0]);
}

#[test]
fn a_pane_knows_no_other_pane_and_a_module_needs_a_line_in_the_table() {
    assert_eq!(complaints("panes/alerts/mod.rs", "use crate::panes::servers::Rows;").len(), 1);
    assert_eq!(complaints("panes/alerts/mod.rs", "use super::servers::Rows;").len(), 1);
    assert_eq!(complaints("panes/alerts/rows.rs", "use super::super::servers::Rows;").len(), 1);
    assert_eq!(
        complaints("panes/alerts/mod.rs", "use super::{Pane, PaneKind}; use crate::panes::alerts::rows;"),
        [""; 0]
    );
    assert_eq!(complaints("panes/mod.rs", "mod alerts; const P: &[Kind] = &[alerts::KIND];"), [""; 0]);
    assert_eq!(complaints("helpers.rs", "fn f() {}").len(), 1);
}
