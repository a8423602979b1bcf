//! The Markdown: which headings are sections and steps, and which fences stand below them.

use super::Faults;
use super::info::{self, Info};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use std::ops::Range;

/// A step as it stands in the file, not checked yet.
pub(super) struct DraftStep {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) prose: String,
    pub(super) at: usize,
    pub(super) fences: Vec<DraftFence>,
    /// A fence of it could not be read at all, and is reported.
    pub(super) broken: bool,
}

/// A fence with a role.
pub(super) struct DraftFence {
    pub(super) info: Info,
    pub(super) body: String,
    /// Byte of the fence's first line.
    pub(super) at: usize,
    /// Byte where the body begins.
    pub(super) body_at: usize,
}

struct Heading {
    level: HeadingLevel,
    title: String,
    range: Range<usize>,
}

enum Part {
    Heading(Heading),
    Fence(DraftFence, Range<usize>),
    /// A fence that could not be read.
    Broken,
}

/// Reads the Markdown that begins at byte `from`.
pub(super) fn read(source: &str, from: usize, faults: &mut Faults<'_>) -> Vec<DraftStep> {
    let parts = parts(source, from, faults);
    let mut steps: Vec<DraftStep> = Vec::new();
    let mut section: Option<String> = None;
    for (index, part) in parts.iter().enumerate() {
        let Part::Heading(heading) = part else { continue };
        let fences = fences_below(&parts, index);
        match heading.level {
            HeadingLevel::H2 => {
                section = slug(heading, faults);
                // A section is a step of its own only when it holds fences; else its prose introduces its steps.
                if fences > 0
                    && let Some(id) = section.clone()
                {
                    steps.push(step(source, &parts, index, id));
                }
            }
            HeadingLevel::H3 => match (&section, slug(heading, faults)) {
                (Some(section), Some(slug)) => steps.push(step(source, &parts, index, format!("{section}/{slug}"))),
                (None, Some(_)) => {
                    faults.at(heading.range.start, "a step stands outside a section", "put a `##` heading before it");
                }
                (_, None) => {}
            },
            HeadingLevel::H1 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 if fences > 0 => {
                faults.at(
                    heading.range.start,
                    "a fence with a role stands under this heading",
                    "put it under `##` or `###`",
                );
            }
            HeadingLevel::H1 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => {}
        }
    }
    // Before the first heading: the first part is a fence.
    if let Some(Part::Fence(fence, _)) = parts.first() {
        faults.at(fence.at, "a fence with a role stands before the first heading", "put it under `##` or `###`");
    }
    duplicates(&steps, faults);
    steps
}

fn fences_below(parts: &[Part], index: usize) -> usize {
    parts[index + 1..].iter().take_while(|part| !matches!(part, Part::Heading(_))).count()
}

fn step(source: &str, parts: &[Part], index: usize, id: String) -> DraftStep {
    let Part::Heading(heading) = &parts[index] else { unreachable!("the caller stands at a heading") };
    let end = parts[index + 1..].iter().find_map(|part| match part {
        Part::Heading(next) => Some(next.range.start),
        Part::Fence(..) | Part::Broken => None,
    });
    let (mut prose, mut at) = (String::new(), heading.range.end);
    let (mut fences, mut broken) = (Vec::new(), false);
    for part in &parts[index + 1..] {
        let (fence, range) = match part {
            Part::Heading(_) => break,
            Part::Fence(fence, range) => (fence, range),
            Part::Broken => {
                broken = true;
                continue;
            }
        };
        prose.push_str(&source[at..range.start]);
        at = range.end;
        fences.push(DraftFence {
            info: fence.info.clone(),
            body: fence.body.clone(),
            at: fence.at,
            body_at: fence.body_at,
        });
    }
    prose.push_str(&source[at..end.unwrap_or(source.len()).max(at)]);
    DraftStep {
        id,
        title: heading.title.clone(),
        prose: prose.trim().to_owned(),
        at: heading.range.start,
        fences,
        broken,
    }
}

fn duplicates(steps: &[DraftStep], faults: &mut Faults<'_>) {
    for (index, step) in steps.iter().enumerate() {
        if let Some(first) = steps[..index].iter().find(|first| first.id == step.id) {
            let (line, _) = faults.place(first.at);
            faults.at(
                step.at,
                format!("the step `{}` is there already, at line {line}", step.id),
                "change one heading",
            );
        }
    }
}

fn slug(heading: &Heading, faults: &mut Faults<'_>) -> Option<String> {
    let words: Vec<String> = heading
        .title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        faults.at(heading.range.start, "this heading holds no word", "give the step a name");
        return None;
    }
    Some(words.join("-"))
}

fn parts(source: &str, from: usize, faults: &mut Faults<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut title: Option<String> = None;
    let mut depth = 0_u32;
    let mut block: Option<String> = None;
    for (event, range) in Parser::new(&source[from..]).into_offset_iter() {
        let range = range.start + from..range.end + from;
        match event {
            Event::Start(Tag::Heading { .. }) => title = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => {
                let title = title.take().unwrap_or_default().trim().to_owned();
                parts.push(Part::Heading(Heading { level, title, range }));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => block = Some(String::new()),
            Event::End(TagEnd::CodeBlock) => {
                let Some(body) = block.take() else { continue };
                let before = faults.list.len();
                match fence(source, body, &range, depth, faults) {
                    Some(fence) => parts.push(Part::Fence(fence, range)),
                    None if faults.list.len() > before => parts.push(Part::Broken),
                    None => {}
                }
            }
            Event::Start(Tag::List(_) | Tag::BlockQuote(_)) => depth += 1,
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_)) => depth = depth.saturating_sub(1),
            Event::Text(text) | Event::Code(text) => match (&mut block, &mut title) {
                (Some(body), _) => body.push_str(&text),
                (None, Some(title)) => title.push_str(&text),
                (None, None) => {}
            },
            _ => {}
        }
    }
    parts
}

/// A fence with a role; `None` for documentation, and for what is reported.
fn fence(source: &str, body: String, range: &Range<usize>, depth: u32, faults: &mut Faults<'_>) -> Option<DraftFence> {
    let block = &source[range.clone()];
    let line = block.lines().next().unwrap_or_default();
    let marker = line.chars().next().filter(|c| "`~".contains(*c))?;
    let ticks = line.chars().take_while(|c| *c == marker).count();
    let info = info::read(&line[ticks..], range.start + ticks, faults)?;
    if depth > 0 {
        faults.at(range.start, "a fence with a role stands inside a list or quote", "move it to the left margin");
        return None;
    }
    let closed = block.lines().count() > 1
        && block.lines().last().is_some_and(|last| {
            let last = last.trim();
            last.len() >= ticks && last.chars().all(|c| c == marker)
        });
    if !closed {
        faults.at(range.start, "this fence is never closed", "end it with a line of three backticks");
        return None;
    }
    let body_at = range.start + line.len() + 1;
    Some(DraftFence { info, body, at: range.start, body_at })
}
