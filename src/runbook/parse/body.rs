//! The Markdown: which headings are sections and steps, and which fences stand below them.

use super::Faults;
use super::info::{self, Info};
use super::marks::{Mark, Marks};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// What the Markdown holds, not checked yet.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) steps: Vec<DraftStep>,
    pub(super) sections: Vec<DraftSection>,
    /// Every link of the page: where it leads, and the byte where it stands.
    pub(super) links: Vec<(String, usize)>,
}

/// A section as it stands in the file.
pub(super) struct DraftSection {
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) at: usize,
    /// Its steps, by their place in [`Draft::steps`].
    pub(super) steps: Range<usize>,
    pub(super) rollout: Option<DraftRollout>,
}

/// The fence of a rollout.
#[derive(Clone)]
pub(super) struct DraftRollout {
    pub(super) body: String,
    pub(super) at: usize,
    pub(super) body_at: usize,
}

/// A step as it stands in the file, not checked yet.
pub(super) struct DraftStep {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) prose: String,
    /// Byte where its prose begins; of a step with fences that is in pieces.
    pub(super) prose_at: usize,
    pub(super) at: usize,
    pub(super) fences: Vec<DraftFence>,
    pub(super) marks: Vec<Mark>,
    /// A fence of it could not be read at all, and is reported.
    pub(super) broken: bool,
}

/// A fence with a role.
#[derive(Clone)]
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
    Rollout(DraftRollout, Range<usize>),
    /// A fence that could not be read.
    Broken,
}

/// A `yaml rollout` fence.
const ROLLOUT: [&str; 2] = ["yaml", "rollout"];

/// How the Markdown of a runbook is read.
pub(super) const OPTIONS: Options = Options::ENABLE_TASKLISTS;

/// Reads the Markdown that begins at byte `from`.
pub(super) fn read(source: &str, from: usize, faults: &mut Faults<'_>) -> Draft {
    let (parts, marks) = parts(source, from, faults);
    let mut reader = Reader { source, parts: &parts, marks: &marks.found, draft: Draft::default(), faults };
    for (index, part) in parts.iter().enumerate() {
        if let Part::Heading(heading) = part {
            reader.heading(index, heading);
        }
    }
    let mut draft = reader.draft;
    // Before the first heading: the first part is a fence.
    let first = match parts.first() {
        Some(Part::Fence(fence, _)) => Some(fence.at),
        Some(Part::Rollout(rollout, _)) => Some(rollout.at),
        Some(Part::Heading(_) | Part::Broken) | None => None,
    };
    if let Some(at) = first {
        faults.at(at, "a fence with a role stands before the first heading", "put it under `##` or `###`");
    }
    duplicates(&draft, faults);
    draft.links = marks.links;
    draft
}

struct Reader<'a, 'f, 's> {
    source: &'a str,
    parts: &'a [Part],
    marks: &'a [Mark],
    draft: Draft,
    faults: &'f mut Faults<'s>,
}

impl Reader<'_, '_, '_> {
    fn heading(&mut self, index: usize, heading: &Heading) {
        let below = || self.parts[index + 1..].iter().take_while(|part| !matches!(part, Part::Heading(_)));
        let fences = below().filter(|part| !matches!(part, Part::Rollout(..))).count();
        let rollouts: Vec<(usize, &DraftRollout)> = below()
            .enumerate()
            .filter_map(|(place, part)| match part {
                Part::Rollout(rollout, _) => Some((place, rollout)),
                Part::Heading(_) | Part::Fence(..) | Part::Broken => None,
            })
            .collect();
        match heading.level {
            HeadingLevel::H2 => self.section(index, heading, fences, &rollouts),
            HeadingLevel::H3 => {
                for (_, rollout) in rollouts {
                    self.misplaced(rollout);
                }
                let slug = slug(heading, self.faults);
                match (self.draft.sections.last().map(|section| section.slug.clone()), slug) {
                    (Some(section), Some(slug)) => self.step(index, heading, format!("{section}/{slug}")),
                    (None, Some(_)) => {
                        let mend = "put a `##` heading before it";
                        self.faults.at(heading.range.start, "a step stands outside a section", mend);
                    }
                    (_, None) => {}
                }
            }
            HeadingLevel::H1 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6
                if fences + rollouts.len() > 0 =>
            {
                let mend = "put it under `##` or `###`";
                self.faults.at(heading.range.start, "a fence with a role stands under this heading", mend);
            }
            HeadingLevel::H1 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => {}
        }
    }

    fn section(&mut self, index: usize, heading: &Heading, fences: usize, rollouts: &[(usize, &DraftRollout)]) {
        let Some(slug) = slug(heading, self.faults) else { return };
        let first = self.draft.steps.len();
        for (_, rollout) in rollouts.iter().skip(usize::from(rollouts.first().is_some_and(|(place, _)| *place == 0))) {
            self.misplaced(rollout);
        }
        self.draft.sections.push(DraftSection {
            slug: slug.clone(),
            title: heading.title.clone(),
            at: heading.range.start,
            steps: first..first,
            rollout: rollouts.first().filter(|(place, _)| *place == 0).map(|(_, rollout)| (*rollout).clone()),
        });
        // A section is a step of its own only when it holds fences; else its prose introduces its steps.
        if fences > 0 {
            self.step(index, heading, slug);
            return;
        }
        if let Some(mark) = self.marks_below(index).first() {
            let what = format!("{} stands under a section and not in a step", mark.kind.name());
            self.faults.at(mark.at, what, "put a `###` heading before it");
        }
    }

    fn misplaced(&mut self, rollout: &DraftRollout) {
        let mend = "a rollout stands under a `##` heading, before every other fence and step";
        self.faults.at(rollout.at, "this rollout is not the first in its section", mend);
    }

    /// Where what stands below a heading ends: at the next one.
    fn end(&self, index: usize) -> usize {
        let next = self.parts[index + 1..].iter().find_map(|part| match part {
            Part::Heading(next) => Some(next.range.start),
            Part::Fence(..) | Part::Rollout(..) | Part::Broken => None,
        });
        next.unwrap_or(self.source.len())
    }

    fn marks_below(&self, index: usize) -> Vec<Mark> {
        let Part::Heading(heading) = &self.parts[index] else { return Vec::new() };
        let range = heading.range.end..self.end(index);
        self.marks.iter().filter(|mark| range.contains(&mark.at)).cloned().collect()
    }

    fn step(&mut self, index: usize, heading: &Heading, id: String) {
        let end = self.end(index);
        let (mut prose, mut at) = (String::new(), heading.range.end);
        let (mut fences, mut broken) = (Vec::new(), false);
        for part in &self.parts[index + 1..] {
            let range = match part {
                Part::Heading(_) => break,
                Part::Broken => {
                    broken = true;
                    continue;
                }
                Part::Rollout(_, range) => range,
                Part::Fence(fence, range) => {
                    fences.push(fence.clone());
                    range
                }
            };
            prose.push_str(&self.source[at..range.start]);
            at = range.end;
        }
        prose.push_str(&self.source[at..end.max(at)]);
        let prose_at = heading.range.end + (prose.len() - prose.trim_start().len());
        self.draft.steps.push(DraftStep {
            id,
            title: heading.title.clone(),
            prose: prose.trim().to_owned(),
            prose_at,
            at: heading.range.start,
            fences,
            marks: self.marks_below(index),
            broken,
        });
        if let Some(section) = self.draft.sections.last_mut() {
            section.steps.end = self.draft.steps.len();
        }
    }
}

fn duplicates(Draft { steps, sections, .. }: &Draft, faults: &mut Faults<'_>) {
    for (index, section) in sections.iter().enumerate() {
        // A step that is there twice is told below.
        let twin = |first: &&DraftSection| first.slug == section.slug && !first.steps.is_empty();
        if let Some(first) = sections[..index].iter().find(twin).filter(|_| !section.steps.is_empty()) {
            let (line, _) = faults.place(first.at);
            let what = format!("the section `{}` is there already, at line {line}", section.slug);
            faults.at(section.at, what, "change one heading");
        }
    }
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

fn parts(source: &str, from: usize, faults: &mut Faults<'_>) -> (Vec<Part>, Marks) {
    let (mut parts, mut marks) = (Vec::new(), Marks::default());
    let mut title: Option<String> = None;
    let mut depth = 0_u32;
    let mut block: Option<String> = None;
    for (event, range) in Parser::new_ext(&source[from..], OPTIONS).into_offset_iter() {
        let range = range.start + from..range.end + from;
        marks.take(&event, range.start, faults);
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
                    Some(fence) if [&*fence.info.language.text, &*fence.info.role.text] == ROLLOUT => {
                        if let Some(attr) = fence.info.attrs.first() {
                            let mend = "its keys stand in the fence: `over`, `serial`, `max_fail` …";
                            faults.at(attr.key.at, "a rollout takes no attributes", mend);
                        }
                        let DraftFence { body, at, body_at, .. } = fence;
                        parts.push(Part::Rollout(DraftRollout { body, at, body_at }, range));
                    }
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
    marks.end(faults);
    (parts, marks)
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
