//! What a runbook says to people: its prose, heading by heading, without Markdown's marks. The fences that run are left out:
//! the plan shows them as they would be sent.

use crate::domain::prose::{Block, BlockKind, Mark};
use crate::runbook::model::Passage;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Reads the Markdown after the front matter.
pub(super) fn read(markdown: &str) -> Vec<Passage> {
    let mut reader = Reader::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TASKLISTS) {
        reader.take(event);
    }
    reader.passages
}

#[derive(Default)]
struct Reader {
    passages: Vec<Passage>,
    block: Block,
    heading: bool,
    /// In a fence that runs.
    hidden: bool,
    /// Lists that are open, innermost last: the number of the next item, where they have numbers.
    lists: Vec<Option<u64>>,
    quotes: u32,
    strong: u32,
    links: Vec<String>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Heading { .. }) => self.heading = true,
            Event::End(TagEnd::Heading(_)) => {
                self.heading = false;
                let heading = std::mem::take(&mut self.block).text().trim().to_owned();
                self.passages.push(Passage { heading, blocks: Vec::new() });
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.close();
                self.block.kind = BlockKind::Code;
                self.hidden = matches!(kind, CodeBlockKind::Fenced(info) if info.split_whitespace().count() > 1);
            }
            Event::End(TagEnd::CodeBlock) => {
                self.close();
                self.hidden = false;
            }
            Event::Start(Tag::List(first)) => {
                self.close();
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => drop(self.lists.pop()),
            Event::Start(Tag::Item) => {
                self.close();
                self.block.kind = self.item();
            }
            Event::Start(Tag::BlockQuote(_)) => self.quotes += 1,
            Event::End(TagEnd::BlockQuote(_)) => self.quotes = self.quotes.saturating_sub(1),
            Event::Start(Tag::Strong) => self.strong += 1,
            Event::End(TagEnd::Strong) => self.strong = self.strong.saturating_sub(1),
            Event::Start(Tag::Link { dest_url, .. }) => self.links.push(dest_url.into_string()),
            Event::End(TagEnd::Link) => self.close_link(),
            Event::Start(Tag::Paragraph) if self.quotes > 0 && self.block.kind == BlockKind::Paragraph => {
                self.block.kind = BlockKind::Quote;
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) => self.close(),
            Event::Text(text) if !self.hidden => {
                let mark = if self.strong > 0 { Mark::Strong } else { Mark::Plain };
                self.push(mark, &text);
            }
            Event::Code(text) => self.push(Mark::Code, &text),
            // Whether these are lines of their own is known when the block is over.
            Event::SoftBreak => self.push(Mark::Plain, "\n"),
            Event::HardBreak => self.push(Mark::Plain, " \n"),
            Event::TaskListMarker(done) => {
                if let BlockKind::Item { sign, .. } = &mut self.block.kind {
                    (if done { "[x]" } else { "[ ]" }).clone_into(sign);
                }
            }
            // Other marks around text, and HTML, which nobody reads here.
            _ => {}
        }
    }

    fn push(&mut self, mark: Mark, text: &str) {
        match self.block.pieces.last_mut() {
            Some((last, piece)) if *last == mark => piece.push_str(text),
            _ => self.block.pieces.push((mark, text.to_owned())),
        }
    }

    fn item(&mut self) -> BlockKind {
        let depth = u8::try_from(self.lists.len().saturating_sub(1)).unwrap_or(u8::MAX);
        let sign = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}.", *number - 1)
            }
            Some(None) | None => "-".to_owned(),
        };
        BlockKind::Item { depth, sign }
    }

    /// Where a link leads stands behind it, unless it is what the link says, or a place in the same page.
    fn close_link(&mut self) {
        let Some(address) = self.links.pop() else { return };
        let says = self.block.pieces.last().is_some_and(|(_, text)| text.ends_with(&address));
        if !self.heading && !says && address.contains("://") {
            self.push(Mark::Address, &format!(" ({address})"));
        }
    }

    /// A block is over.
    fn close(&mut self) {
        let Block { mut kind, mut pieces } = std::mem::take(&mut self.block);
        if kind != BlockKind::Code {
            let whole: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
            // A table, which keeps its lines.
            if whole.contains('\n') && whole.lines().all(|line| line.starts_with('|')) {
                (kind, pieces) = (BlockKind::Code, vec![(Mark::Plain, whole)]);
            } else {
                for (_, text) in &mut pieces {
                    *text = text.replace('\n', " ");
                }
            }
        }
        if let Some((_, text)) = pieces.last_mut() {
            text.truncate(text.trim_end().len());
        }
        if let Some((_, text)) = pieces.first_mut().filter(|_| kind != BlockKind::Code) {
            *text = text.trim_start().to_owned();
        }
        pieces.retain(|(_, text)| !text.is_empty());
        if pieces.is_empty() || self.heading {
            return;
        }
        if self.passages.is_empty() {
            self.passages.push(Passage::default());
        }
        if let Some(passage) = self.passages.last_mut() {
            passage.blocks.push(Block { kind, pieces });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(page: &[Passage]) -> Vec<(&str, Vec<String>)> {
        page.iter()
            .map(|passage| (passage.heading.as_str(), passage.blocks.iter().map(Block::text).collect()))
            .collect()
    }

    #[test]
    fn prose_is_kept_without_its_marks_and_without_what_runs() {
        let page = read(
            "# Restart\n\n**Meaning.** It `hangs`\nor leaks.\n\n- one\n- two *now*\n\n```\n  as it is\n```\n\n## Do it\n\nFirst.\n\n```sql run on=x\nSELECT 1\n```\n\nThen.\n",
        );
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let first = ("Restart", list(&["Meaning. It hangs or leaks.", "- one", "- two now", "  as it is"]));
        assert_eq!(plain(&page), [first, ("Do it", list(&["First.", "Then."]))]);
        let pieces = &page[0].blocks[0].pieces;
        assert_eq!(pieces[..2], [(Mark::Strong, "Meaning.".to_owned()), (Mark::Plain, " It ".to_owned())]);
        assert_eq!(pieces[2], (Mark::Code, "hangs".to_owned()));
    }

    #[test]
    fn lists_have_their_depth_and_their_numbers_and_tables_their_lines() {
        let page = read(
            "3. three\n   - deep\n     more\n4. four\n\n- [ ] open\n- [x] done\n\n> said\n\n| a | b |\n| - | - |\n\n[here](https://x.example/y) <https://z.example>\n",
        );
        let blocks = &page[0].blocks;
        let texts: Vec<String> = blocks.iter().map(Block::text).collect();
        let there = "here (https://x.example/y) https://z.example";
        assert_eq!(
            texts,
            ["3. three", "- deep more", "4. four", "[ ] open", "[x] done", "said", "| a | b |\n| - | - |", there]
        );
        assert_eq!(blocks[1].kind, BlockKind::Item { depth: 1, sign: "-".to_owned() });
        assert_eq!((&blocks[5].kind, &blocks[6].kind), (&BlockKind::Quote, &BlockKind::Code));
    }

    #[test]
    fn text_before_any_heading_is_not_lost() {
        assert_eq!(plain(&read("hello\n"))[0].1, ["hello"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            read(&text);
        }
    }
}
