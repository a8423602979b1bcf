//! Documentation that repeats what the code says: written by these tests (`UPDATE_DOCS=1`), and held to the code by them.

use crate::desk::Desk;
use quarterdeck::domain::Subject;
use quarterdeck::keymap::{self, Binding, Keymap, PRESETS, Scope};
use quarterdeck::panes::PANES;
use quarterdeck::sources::{SOURCES, server};
use quarterdeck::theme::BUILTIN;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- from here on written by a test -->\n";
/// What a snapshot's data are made of, by subject.
const ROOTS: [&str; 4] = ["Server", "Engine", "AlertReport", "Database"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Holds the file to `expected`, or writes it.
fn held(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is not what the code says: run this test with UPDATE_DOCS=1", path.display());
}

/// Holds the end of a page, behind the mark.
fn end_held(path: &Path, end: &str) {
    let page = fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let own = page.split(BEGIN).next().unwrap().trim_end();
    held(path, &format!("{own}\n\n{BEGIN}\n{end}"));
}

#[test]
fn every_source_has_a_page_with_every_key_of_its_table() {
    for kind in SOURCES {
        let example = if kind.read.is_some() { kind.example } else { server::EXAMPLE };
        let page = root().join("docs/sources").join(format!("{}.md", kind.name));
        end_held(&page, &format!("## Every key\n\n```toml\n{example}```\n"));
    }
}

#[test]
fn every_pane_has_a_page_with_its_keys() {
    for kind in PANES {
        let Some(path) = page_of(kind.action.name().as_ref()) else { continue };
        end_held(&path, &keys_of(kind.scope, kind.title));
    }
    end_held(&root().join("docs/panes/logs.md"), &keys_of(Scope::Logs, "a log"));
}

#[test]
fn the_page_about_filters_names_the_fields_of_every_table() {
    let mut out = "## Fields\n\n| table | fields, with their other names |\n| --- | --- |\n".to_owned();
    for kind in PANES {
        let mut pane = (kind.make)();
        let Some(hands) = pane.hands() else { continue };
        let fields = hands.fields().into_iter().map(|(name, others)| {
            let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
            format!("`{name}`{others}")
        });
        let _ = writeln!(out, "| {} | {} |", kind.title, fields.collect::<Vec<_>>().join(" · "));
    }
    end_held(&root().join("docs/filters.md"), &out);
}

/// The page of a pane; the view of runs is told in the README.
fn page_of(name: &str) -> Option<PathBuf> {
    let name = match name {
        "runs" => return None,
        "alert-groups" => "groups",
        "engine-events" => "events",
        name => name,
    };
    Some(root().join("docs/panes").join(format!("{name}.md")))
}

fn keys_of(scope: Scope, title: &str) -> String {
    let mut out = format!("## Keys in {title}\n\n| key | what it does |\n| --- | --- |\n");
    let keymap = Keymap::builtin();
    for binding in keymap.bindings(scope).filter(|binding| binding.scope == scope) {
        let keys: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
        let what = binding.action.name().strip_prefix("runbook:").map(|id| format!("asks for a plan: runbook `{id}`"));
        let _ = writeln!(out, "| `{}` | {} |", keys.join(" "), what.unwrap_or_else(|| binding.action.doc().to_owned()));
    }
    out.push_str("\nAnd those that work everywhere: `?` shows all of them.\n");
    out
}

/// All keys of the default keymap, and what the presets change in it.
#[test]
fn every_key_stands_on_the_page_of_keys() {
    let mut out = String::new();
    for scope in Scope::EVERY {
        let title = if scope == Scope::All { "everywhere".to_owned() } else { format!("in {}", scope.word()) };
        let _ = writeln!(out, "## Keys {title}\n\n| key | action | what it does |\n| --- | --- | --- |");
        rows(&mut out, &Keymap::builtin(), scope, |_| true);
        out.push('\n');
    }
    for (name, ..) in PRESETS.iter().filter(|(name, ..)| *name != "default") {
        let (preset, plain) = (keymap::load_named(name).unwrap(), Keymap::builtin());
        let new = |binding: &Binding| !plain.bindings(binding.scope).any(|other| other == binding);
        let _ = writeln!(out, "## What `{name}` adds\n\n| key | action | what it does |\n| --- | --- | --- |");
        rows(&mut out, &preset, Scope::All, new);
        let gone =
            plain.bindings(Scope::All).filter(|binding| !preset.bindings(Scope::All).any(|other| other == *binding));
        let gone: Vec<String> = gone.map(|binding| format!("`{}`", printed(binding))).collect();
        if !gone.is_empty() {
            let _ = writeln!(out, "\nand takes away: {}.", gone.join(" "));
        }
        out.push('\n');
    }
    end_held(&root().join("docs/keys.md"), &format!("{}\n", out.trim_end()));
}

fn rows(out: &mut String, keymap: &Keymap, scope: Scope, wanted: impl Fn(&Binding) -> bool) {
    for binding in keymap.bindings(scope).filter(|binding| binding.scope == scope && wanted(binding)) {
        let name = binding.action.name();
        let what = if name.starts_with("runbook:") { "asks for a plan" } else { binding.action.doc() };
        let _ = writeln!(out, "| `{}` | `{name}` | {what} |", printed(binding));
    }
}

fn printed(binding: &Binding) -> String {
    binding.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_theme_stands_on_its_page_in_the_help_and_in_the_example() {
    let page = fs::read_to_string(root().join("docs/themes.md")).unwrap();
    let example = fs::read_to_string(root().join("assets/config.example.toml")).unwrap();
    let help = Desk::bare().run(&["--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let names = BUILTIN.iter().map(|(name, _)| *name).chain(PRESETS.iter().map(|(name, ..)| *name));
    for name in names {
        assert!(help.contains(name) && example.contains(name), "{name}");
    }
    for (name, _) in BUILTIN {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// A struct or an enum of the domain, as the source has it.
struct Shape {
    doc: String,
    /// Name, type (empty for a variant) and meaning.
    parts: Vec<(String, String, String)>,
    is_enum: bool,
}

/// The JSON of `snapshot --json` is serde's view of the domain: its fields are documented where they are declared, and
/// here from there.
#[test]
fn the_json_of_a_snapshot_is_documented_field_by_field() {
    let shapes = shapes();
    let mut out = String::from(HEAD);
    let (mut queue, mut seen): (VecDeque<&str>, BTreeSet<&str>) = (ROOTS.into(), ROOTS.into());
    while let Some(name) = queue.pop_front() {
        let Some(shape) = shapes.get(name) else { continue };
        let _ = write!(out, "\n## {name}\n\n{}\n\n", shape.doc);
        out.push_str(if shape.is_enum {
            "| value | meaning |\n| --- | --- |\n"
        } else {
            "| field | type | meaning |\n| --- | --- | --- |\n"
        });
        for (field, kind, meaning) in &shape.parts {
            let meaning = meaning.replace('|', "\\|");
            if shape.is_enum {
                let _ = writeln!(out, "| `{}` | {meaning} |", snake(field));
                continue;
            }
            let _ = writeln!(out, "| `{field}` | {} | {meaning} |", written(kind, &shapes));
            for inner in words(kind).filter_map(|word| shapes.get_key_value(word)).map(|(name, _)| name.as_str()) {
                if seen.insert(inner) {
                    queue.push_back(inner);
                }
            }
        }
    }
    assert!(seen.len() > 20, "the declarations were not found");
    assert_eq!(Subject::ALL.len(), ROOTS.len());
    held(&root().join("docs/snapshot.md"), &out);
}

const HEAD: &str = "\
# snapshot --json, field by field

Written by a test from the declarations in `src/domain/`. A field that is not known is `null`, never zero. Fields are added; none is renamed or taken away
without a line in the changelog.

| field | type | meaning |
| --- | --- | --- |
| `at` | time | when it was printed |
| `environment` | text | the config's `environment` |
| `sources` | list | one for each source that was asked, in the config's order |
| `sources[].id` | text | `kind/name`; a part of a source that is asked by itself has its name behind: `prometheus/main/rules` |
| `sources[].subject` | text | `servers`, `containers`, `alerts` or `databases` |
| `sources[].took_ms` | whole number | how long the answer took, milliseconds |
| `sources[].data` | by subject: list of [Server](#server), [Engine](#engine), [AlertReport](#alertreport) or [Database](#database) | the answer; absent when there was none |
| `sources[].error` | `{ what, hint }` | why there was none, and how to mend it; absent otherwise |
| `servers` | list of [Server](#server) | one for each server, with what all sources tell of it, as the pane shows it; each with `severity` and `why` |

Times are RFC 3339 in UTC. A length of time is `{ \"secs\": …, \"nanos\": … }`.
";

fn shapes() -> BTreeMap<String, Shape> {
    let mut shapes = BTreeMap::new();
    let mut folders = vec![root().join("src/domain")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                read(&fs::read_to_string(path).unwrap(), &mut shapes);
            }
        }
    }
    shapes
}

/// Reads declarations as rustfmt leaves them. Only what serde writes counts.
fn read(source: &str, shapes: &mut BTreeMap<String, Shape>) {
    let (mut doc, mut serialized) = (Vec::new(), false);
    let mut open: Option<(String, Shape)> = None;
    for line in source.lines() {
        let bare = line.trim();
        if let Some(text) = bare.strip_prefix("///") {
            doc.push(text.trim().to_owned());
        } else if line.starts_with("#[derive(") {
            serialized = bare.contains("Serialize");
        } else if bare.starts_with("#[") {
        } else if line == "}" {
            if let Some((name, shape)) = open.take() {
                shapes.insert(name, shape);
            }
            (doc, serialized) = (Vec::new(), false);
        } else if let Some((_, shape)) = &mut open {
            let meaning = std::mem::take(&mut doc).join(" ");
            if let Some((name, kind)) = part(bare, shape.is_enum) {
                shape.parts.push((name, kind, meaning));
            }
        } else {
            let declared = [("pub struct ", false), ("pub enum ", true)];
            let found = declared.iter().find_map(|(start, is_enum)| Some((bare.strip_prefix(start)?, *is_enum)));
            let about = std::mem::take(&mut doc).join(" ");
            if let (true, Some((rest, is_enum))) = (serialized && line.ends_with('{'), found) {
                let name = rest.split([' ', '<', '(']).next().unwrap_or_default().to_owned();
                open = Some((name, Shape { doc: about, parts: Vec::new(), is_enum }));
            }
        }
    }
}

/// The name and type of a field, or the name of a variant.
fn part(line: &str, is_enum: bool) -> Option<(String, String)> {
    if is_enum {
        let name = line.strip_suffix(',')?;
        return name.chars().all(char::is_alphanumeric).then(|| (name.to_owned(), String::new()));
    }
    let (name, kind) = line.strip_prefix("pub ")?.strip_suffix(',')?.split_once(": ")?;
    Some((name.trim_start_matches("r#").to_owned(), kind.to_owned()))
}

fn words(kind: &str) -> impl Iterator<Item = &str> {
    kind.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

/// A type in JSON's words.
fn written(kind: &str, shapes: &BTreeMap<String, Shape>) -> String {
    let inside = |outer: &str| kind.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>')).map(str::to_owned);
    if let Some(inner) = inside("Option<") {
        return format!("{} or null", written(&inner, shapes));
    }
    if let Some(inner) = inside("Vec<") {
        return format!("list of {}", written(&inner, shapes));
    }
    if let Some(inner) = inside("Arc<") {
        return written(&inner, shapes);
    }
    match kind {
        "String" | "str" | "SourceId" => "text".to_owned(),
        "bool" => "true or false".to_owned(),
        "f64" | "f32" => "number".to_owned(),
        "Labels" => "object of texts".to_owned(),
        "Timestamp" => "time".to_owned(),
        "Duration" => "length of time".to_owned(),
        number if number.len() <= 5 && number.starts_with(['u', 'i']) => "whole number".to_owned(),
        known if shapes.contains_key(known) => format!("[{known}](#{})", known.to_lowercase()),
        other => format!("`{}`", other.replace('|', "\\|")),
    }
}

/// As serde's `snake_case` writes a variant.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, char) in name.chars().enumerate() {
        if char.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

/// Tests that the page about safety names by a link, and files of tests that it names: all of them are there.
#[test]
fn every_test_that_the_page_about_safety_names_is_there() {
    let docs = root().join("docs");
    let page = fs::read_to_string(docs.join("safety.md")).unwrap();
    let links = page.split("[`").skip(1).filter_map(|rest| rest.split_once("`](")).filter_map(|(name, rest)| {
        let file = rest.split(')').next().unwrap();
        is_rust(file).then_some((name, docs.join(file)))
    });
    let missing: Vec<_> = links.clone().filter(|(name, file)| !is_test(file, name)).collect();
    assert_eq!(missing, [], "tests that are not there");
    assert!(links.count() > 50, "the table is read");
    let files = page.split('`').skip(1).step_by(2).filter(|word| is_rust(word) && !word.contains(' '));
    let places = ["", "src", "tests/it"].map(|place| root().join(place));
    let gone: Vec<&str> = files.filter(|file| !places.iter().any(|place| place.join(file).exists())).collect();
    assert_eq!(gone, [""; 0], "files that are not there");
}

fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|kind| kind == "rs")
}

/// Whether a file has a test of this name: a function, or a line of a macro that makes tests.
fn is_test(file: &Path, name: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_function = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|line| line.strip_prefix(name)).is_some_and(|rest| rest.starts_with("()"))
    };
    let made = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" at "));
    let marked = |at: usize| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    let function = lines.iter().position(|line| is_function(line)).is_some_and(marked);
    function || lines.iter().any(made)
}
