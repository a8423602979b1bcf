//! Reads a runbook: front matter, sections, steps, fences, and every rule that can be checked without asking anybody.
//!
//! All problems are reported at once, each with its place and how to mend it. What comes out of here keeps the rules, so
//! that the planner and the steps need not ask again.

mod body;
mod fence;
mod front;
mod info;
mod lint;
mod literal;
mod marks;
mod page;
mod rollout;
mod yaml;

pub(super) use front::is_plain;
#[cfg(test)]
pub(super) use front::{KEYS, LIMIT_KEYS, PARAM_KEYS};

use super::model::Runbook;
use crate::domain::prose::Block;
use crate::domain::text::line_column;
use sha2::{Digest, Sha256};
use std::fmt;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// Everything that is wrong with a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The file, as people know it.
    pub file: String,
    /// At least one.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            let Problem { line, column, what, mend } = problem;
            let joint = if what.ends_with('?') { "" } else { ";" };
            write!(f, "{line_break}{}:{line}:{column}: {what}{joint} {mend}", self.file)?;
        }
        Ok(())
    }
}

/// Reads a runbook. `file` is what the problems are reported under.
pub fn parse(file: &str, source: &str) -> Result<Runbook, Problems> {
    let mut faults = Faults { source, list: Vec::new() };
    let runbook = read(source, &mut faults);
    faults.list.sort();
    faults.list.dedup();
    match runbook {
        Some(runbook) if faults.list.is_empty() => Ok(runbook),
        _ => Err(Problems { file: file.to_owned(), list: faults.list }),
    }
}

fn read(source: &str, faults: &mut Faults<'_>) -> Option<Runbook> {
    let (yaml, body_at) = front::split(source, faults)?;
    let front = front::read(&yaml, faults);
    let before = faults.list.len();
    let draft = body::read(source, body_at, faults);
    let whole = faults.list.len() == before;
    literal::find(source, &draft, faults);
    let (steps, sections, handed) = lint::steps(draft, front.as_ref(), whole, faults);
    let front = front?;
    Some(Runbook {
        id: front.id,
        title: front.title,
        owner: front.owner,
        reviewed: front.reviewed,
        handbook: front.handbook,
        alerts: front.alerts,
        pane: front.pane,
        key: front.key,
        environments: front.environments,
        risk: front.risk,
        affects: front.affects.map(|(text, _)| text),
        verb: front.verb,
        lock: front.lock.into_iter().map(|(lock, _)| lock).collect(),
        uses: front.uses,
        limits: front.limits,
        params: front.params.into_iter().map(|(param, _)| param).collect(),
        secrets: front.secrets.into_iter().map(|(name, _)| name).collect(),
        duration: front.duration,
        steps,
        sections,
        handed,
        page: page::read(&source[body_at..]),
        hash: sha256(source),
        path: None,
        commit: None,
        written: None,
        source: source.to_owned(),
    })
}

/// Markdown as blocks for people, without headings and without what runs.
pub fn prose(markdown: &str) -> Vec<Block> {
    page::read(markdown).into_iter().flat_map(|passage| passage.blocks).collect()
}

/// Whether a page says that it is a runbook: its front matter has a line `runbook:`. Every other page is prose, and is nobody's
/// mistake.
pub fn is_runbook(source: &str) -> bool {
    let mut lines = source.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    lines.next() == Some("---") && lines.take_while(|line| *line != "---").any(|line| line.starts_with("runbook:"))
}

/// The id that a page gives itself, though it may be full of mistakes.
pub fn id(source: &str) -> Option<String> {
    let mut lines = source.trim_start_matches('\u{feff}').lines().skip(1).take_while(|line| line.trim_end() != "---");
    let said = lines.find_map(|line| line.strip_prefix("id:"))?.split(" #").next()?;
    let id = said.trim().trim_matches(['"', '\'']);
    (!id.is_empty()).then(|| id.to_owned())
}

/// A link of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads, as it is written.
    pub to: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// The links of a page, also of one of prose.
pub fn links(source: &str) -> Vec<Link> {
    // What else is wrong with the page is told by [`parse`].
    let mut faults = Faults { source, list: Vec::new() };
    let from = front::split(source, &mut faults).map_or(0, |(_, at)| at);
    let links = body::read(source, from, &mut faults).links;
    let at = |(to, at): (String, usize)| {
        let (line, column) = faults.place(at);
        Link { to, line, column }
    };
    links.into_iter().map(at).collect()
}

/// SHA-256 of a text, as lower-case hex.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Problems as they are found.
struct Faults<'a> {
    source: &'a str,
    list: Vec<Problem>,
}

impl Faults<'_> {
    /// At a byte of the source.
    fn at(&mut self, byte: usize, what: impl Into<String>, mend: impl Into<String>) {
        let (line, column) = self.place(byte);
        self.list.push(Problem { line, column, what: what.into(), mend: mend.into() });
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, byte: usize) -> (u32, u32) {
        let (line, column) = line_column(self.source, byte);
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The byte of a line and a column.
    fn byte(&self, line: u64, column: u64) -> usize {
        let skip = usize::try_from(line.saturating_sub(1)).unwrap_or_default();
        let start = match skip {
            0 => 0,
            _ => self.source.match_indices('\n').nth(skip - 1).map_or(self.source.len(), |(at, _)| at + 1),
        };
        let column = usize::try_from(column.saturating_sub(1)).unwrap_or_default();
        self.source[start..].char_indices().nth(column).map_or(self.source.len(), |(at, _)| start + at)
    }
}

#[cfg(test)]
mod corpus;
