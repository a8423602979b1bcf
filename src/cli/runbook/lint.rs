//! `quarterdeck runbook lint`: every rule about runbooks, each problem with its place and its mend.

use super::super::{Global, setup};
use super::shelf::today;
use crate::config::{self, Config};
use crate::domain::{json, text};
use crate::runbook::model::Need;
use crate::runbook::parse::{is_runbook, parse};
use crate::runbook::{Library, Problem, library};
use clap::{Args, ValueEnum};
use color_eyre::eyre::{bail, eyre};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What, and how it is told.
#[derive(Debug, Args)]
pub struct Lint {
    /// Files and folders; else the folders that the config names
    paths: Vec<PathBuf>,
    /// How it is told: text is `file:line:column: what; mend`
    #[arg(long, value_name = "HOW", default_value = "text")]
    format: Format,
    /// Let warnings count as errors
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each problem
    Text,
    /// {ok, runbooks, prose: [file], problems: [{file, line, column, level, rule, what, mend}]}
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Error,
    Warning,
}

/// A problem with its file.
#[derive(Debug, Serialize)]
struct Told {
    file: String,
    line: u32,
    column: u32,
    level: Level,
    rule: &'static str,
    what: String,
    mend: String,
}

impl Lint {
    /// Checks and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let wanted = self.files(&config)?;
        let report = Report::of(&wanted, &config)?;
        let printed = match self.format {
            Format::Text => report.text(),
            Format::Json => json::text(&report.json())?,
            Format::Sarif => json::text(&report.sarif())?,
        };
        stdout().write_all(printed.as_bytes())?;
        let bad = report.problems.iter().any(|told| self.strict || told.level == Level::Error);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn files(&self, config: &Config) -> color_eyre::Result<Vec<PathBuf>> {
        let paths = if self.paths.is_empty() { &config.runbooks } else { &self.paths };
        if paths.is_empty() {
            bail!(
                "there is nothing to check: name files or folders, or folders as paths under [runbooks] in the config"
            );
        }
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                let (found, troubles) = config::pages(path);
                files.extend(found);
                if let Some(trouble) = troubles.first() {
                    bail!("{trouble}");
                }
            } else {
                files.push(path.clone());
            }
        }
        Ok(files)
    }
}

/// What came of it.
struct Report {
    runbooks: usize,
    prose: Vec<String>,
    problems: Vec<Told>,
}

/// A file by its absolute path, as somebody named it.
struct Page {
    real: String,
    name: String,
    source: String,
}

impl Page {
    fn read(path: &Path) -> color_eyre::Result<Self> {
        let name = path.display().to_string();
        let unread = |error| eyre!("{name}: can't be read: {error}");
        let real = path.canonicalize().map_err(unread)?.display().to_string();
        let bytes = fs::read(path).map_err(unread)?;
        // Prose may be written in any encoding; a runbook may not, for nobody would know what runs.
        let source = String::from_utf8(bytes).or_else(|error| {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            if is_runbook(&text) { Err(eyre!("{name}: it is no UTF-8: save it as that")) } else { Ok(text) }
        })?;
        Ok(Self { real, name, source })
    }
}

impl Report {
    fn of(files: &[PathBuf], config: &Config) -> color_eyre::Result<Self> {
        let mut pages = files.iter().map(|path| Page::read(path)).collect::<color_eyre::Result<Vec<_>>>()?;
        let mut seen = Vec::new();
        pages.retain(|page| {
            !seen.contains(&page.real) && {
                seen.push(page.real.clone());
                true
            }
        });
        let (pages, prose): (Vec<_>, Vec<_>) = pages.into_iter().partition(|page| is_runbook(&page.source));
        let mut problems = Self::together(&pages);
        let environments = environments(config);
        for page in &pages {
            let Ok(runbook) = parse(&page.name, &page.source) else { continue };
            let told = |rule, level| move |problem| told(page, problem, rule, level);
            let taken = Library::builtin().get(&runbook.id).is_some_and(|own| own.hash != runbook.hash);
            problems.extend(taken.then(|| told("id", Level::Error)(taken_by_builtin(&runbook.id, &page.source))));
            problems.extend(library::placeholders(&runbook).into_iter().map(told("placeholder", Level::Error)));
            problems.extend(library::overdue(&runbook, today()).map(told("review", Level::Warning)));
            if !config.is_builtin() {
                let names: Vec<&str> = environments.iter().map(String::as_str).collect();
                let secrets: Vec<&str> = config.secrets.keys().map(String::as_str).collect();
                let unknown = library::unknown(&runbook, &names, &|need| has(config, need), &secrets);
                problems.extend(unknown.into_iter().map(told("config", Level::Error)));
            }
        }
        problems.sort_by(|a, b| (&a.file, a.line, a.column, a.level).cmp(&(&b.file, b.line, b.column, b.level)));
        Ok(Self { runbooks: pages.len(), prose: prose.into_iter().map(|page| page.name).collect(), problems })
    }

    /// The rules about each by itself and about several together, those that are called among them.
    fn together(pages: &[Page]) -> Vec<Told> {
        let mut all: BTreeMap<String, String> =
            pages.iter().map(|page| (page.real.clone(), page.source.clone())).collect();
        let mut open: Vec<String> = all.keys().cloned().collect();
        while let Some(file) = open.pop() {
            let Ok(runbook) = parse(&file, &all[&file]) else { continue };
            for called in library::called(&file, &runbook) {
                if !all.contains_key(&called)
                    && let Ok(source) = fs::read_to_string(&called)
                {
                    all.insert(called.clone(), source);
                    open.push(called);
                }
            }
        }
        let files: Vec<(&str, &str)> = all.iter().map(|(file, source)| (file.as_str(), source.as_str())).collect();
        let here = std::env::current_dir().map(|here| format!("{}/", here.display())).unwrap_or_default();
        let mut list = Vec::new();
        for found in library::lint(&files, &|path| Path::new(path).exists()) {
            let Some(page) = pages.iter().find(|page| page.real == found.file) else { continue };
            for mut problem in found.list {
                if !here.is_empty() {
                    problem.what = problem.what.replace(&here, "");
                }
                list.push(told(page, problem, "format", Level::Error));
            }
        }
        list
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for Told { file, line, column, level, what, mend, .. } in &self.problems {
            let level = if *level == Level::Warning { "warning: " } else { "" };
            let joint = if what.ends_with('?') { "" } else { ";" };
            let whole = format!("{file}:{line}:{column}: {level}{what}{joint} {mend}");
            let _ = writeln!(out, "{}", text::clean(&whole));
        }
        for file in &self.prose {
            let _ = writeln!(out, "{}: no runbook: a page of prose", text::clean(file));
        }
        let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let of = |level| self.problems.iter().filter(|told| told.level == level).count();
        let (errors, warnings) = (count(of(Level::Error), "error"), count(of(Level::Warning), "warning"));
        out + &format!("{}: {errors}, {warnings}\n", count(self.runbooks, "runbook"))
    }

    fn json(&self) -> Value {
        let ok = self.problems.iter().all(|told| told.level != Level::Error);
        json!({ "ok": ok, "runbooks": self.runbooks, "prose": self.prose, "problems": self.problems })
    }

    fn sarif(&self) -> Value {
        let result = |told: &Told| {
            json!({
                "ruleId": told.rule,
                "level": told.level,
                "message": { "text": format!("{}; {}", told.what, told.mend) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(&told.file) },
                    "region": { "startLine": told.line, "startColumn": told.column },
                } }],
            })
        };
        let rules = [
            ("format", "What a runbook must be like"),
            ("id", "No other runbook has the id"),
            ("config", "What it names is in the config"),
            ("placeholder", "Nothing of it is still as `runbook new` wrote it"),
            ("review", "Somebody has looked at it lately"),
        ];
        let rules = rules.map(|(id, what)| json!({ "id": id, "shortDescription": { "text": what } }));
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "quarterdeck", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "columnKind": "unicodeCodePoints",
                "results": self.problems.iter().map(result).collect::<Vec<_>>(),
            }],
        })
    }
}

/// A path as a URI says it: what is neither a letter, a digit nor one of a few marks is escaped.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let path: String = path.bytes().map(escaped).collect();
    if path.starts_with('/') { format!("file://{path}") } else { path }
}

fn told(page: &Page, problem: Problem, rule: &'static str, level: Level) -> Told {
    let Problem { line, column, what, mend } = problem;
    Told { file: page.name.clone(), line, column, level, rule, what, mend }
}

fn taken_by_builtin(id: &str, source: &str) -> Problem {
    let line = source.lines().position(|line| line.starts_with("id:")).map_or(1, |line| line as u32 + 1);
    let what = format!("the id `{id}` is that of a runbook that is built in");
    Problem { line, column: 1, what, mend: "give it another id".to_owned() }
}

/// The environments that there are: the config's own, and those that files beside it are called by.
fn environments(config: &Config) -> Vec<String> {
    let mut names = vec![config.environment.clone()];
    for folder in config.files.iter().filter_map(|file| file.parent()) {
        let beside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let overlays = beside.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        names.extend(overlays.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())));
    }
    names
}

/// The config has it.
fn has(config: &Config, need: &Need) -> bool {
    let name = need.name.as_str();
    match need.kind.as_str() {
        "server" => config.servers.iter().any(|server| server.name == name),
        "role" => config.servers.iter().any(|server| server.roles.iter().any(|role| role == name)),
        "http" => setup::sites(config).contains_key(name),
        kind => config.sources.iter().any(|source| source.id.kind() == kind && source.id.name() == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("a b/ü.md"), "a%20b/%C3%BC.md");
        assert_eq!(uri("/a.md"), "file:///a.md");
    }
}
