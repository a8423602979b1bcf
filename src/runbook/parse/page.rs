//! What a runbook says to people: its prose, heading by heading, without Markdown's marks. The fences that run are left out:
//! the plan shows them as they would be sent.

use crate::runbook::model::Passage;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// Reads the Markdown after the front matter.
pub(super) fn read(markdown: &str) -> Vec<Passage> {
    let mut reader = Reader::default();
    for event in Parser::new(markdown) {
        reader.take(event);
    }
    reader.passages
}

#[derive(Default)]
struct Reader {
    passages: Vec<Passage>,
    text: String,
    heading: bool,
    /// In a fence that runs.
    hidden: bool,
    /// In a block of code: its lines are as they are.
    code: bool,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Heading { .. }) => self.heading = true,
            Event::End(TagEnd::Heading(_)) => {
                self.heading = false;
                let heading = std::mem::take(&mut self.text).trim().to_owned();
                self.passages.push(Passage { heading, blocks: Vec::new() });
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.code = true;
                self.hidden = matches!(kind, CodeBlockKind::Fenced(info) if info.split_whitespace().count() > 1);
            }
            Event::End(TagEnd::CodeBlock) => {
                self.close();
                (self.code, self.hidden) = (false, false);
            }
            Event::Start(Tag::Item) => {
                self.close();
                self.text.push_str("- ");
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) => self.close(),
            Event::Text(text) | Event::Code(text) if !self.hidden => self.text.push_str(&text),
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            // Marks around text, and HTML, which nobody reads here.
            _ => {}
        }
    }

    /// A block is over.
    fn close(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = if self.code { text.trim_end() } else { text.trim() };
        if text.is_empty() || text == "-" {
            return;
        }
        if self.passages.is_empty() {
            self.passages.push(Passage::default());
        }
        if let Some(passage) = self.passages.last_mut() {
            passage.blocks.push(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prose_is_kept_without_its_marks_and_without_what_runs() {
        let page = read(
            "# Restart\n\n**Meaning.** It `hangs`\nor leaks.\n\n- one\n- two *now*\n\n```\n  as it is\n```\n\n## Do it\n\nFirst.\n\n```sql run on=x\nSELECT 1\n```\n\nThen.\n",
        );
        let passage = |heading: &str, blocks: &[&str]| Passage {
            heading: heading.to_owned(),
            blocks: blocks.iter().map(|block| (*block).to_owned()).collect(),
        };
        let first = passage("Restart", &["Meaning. It hangs or leaks.", "- one", "- two now", "  as it is"]);
        assert_eq!(page, [first, passage("Do it", &["First.", "Then."])]);
    }

    #[test]
    fn text_before_any_heading_is_not_lost() {
        assert_eq!(read("hello\n")[0].blocks, ["hello"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            read(&text);
        }
    }
}
