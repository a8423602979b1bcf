//! What prose asks of a person: items to tick (`- [ ]`), what there is to choose from (a list under `**Choose:**`), another runbook
//! (a link under `**Run:**`). And every link of the page.

use super::Faults;
use pulldown_cmark::{Event, Tag, TagEnd};

/// One such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: MarkKind,
    /// Its text: the item, the choice, the link's title.
    pub(super) text: String,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MarkKind {
    /// An item to tick.
    Task,
    /// One of several.
    Choice,
    /// A runbook, by its file.
    Call(String),
}

impl MarkKind {
    /// What it is part of, for people.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Task => "a check list",
            Self::Choice => "a choice",
            Self::Call(_) => "a call of another runbook",
        }
    }
}

/// A paragraph of one bold word says what the list under it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Choose,
    Run,
}

/// Finds them in the events of a page.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) found: Vec<Mark>,
    /// Where links lead, with their bytes.
    pub(super) links: Vec<(String, usize)>,
    /// Items that are open, innermost last: each with its text so far, its byte, and whether it is to be ticked.
    items: Vec<(String, usize, bool)>,
    /// Nothing but marks of emphasis came in this paragraph so far.
    fresh: bool,
    bold: Option<String>,
    /// The label of the paragraph before, or of this one, with its byte and with how many were found before it.
    label: Option<(Label, usize, usize)>,
    /// Depth of the list under a label; 0: in none.
    list: u32,
    link: Option<(String, String, usize)>,
}

impl Marks {
    pub(super) fn take(&mut self, event: &Event<'_>, at: usize, faults: &mut Faults<'_>) {
        match event {
            Event::Start(Tag::Paragraph) if self.list == 0 => {
                self.unlabel(faults);
                self.fresh = self.items.is_empty();
            }
            Event::Start(Tag::List(_)) => self.open_list(),
            Event::End(TagEnd::List(_)) => {
                self.list = self.list.saturating_sub(1);
                if self.list == 0 {
                    self.unlabel(faults);
                }
            }
            Event::Start(Tag::Item) => self.items.push((String::new(), at, false)),
            Event::End(TagEnd::Item) => self.close_item(),
            Event::Start(Tag::Strong) if self.fresh => self.bold = Some(String::new()),
            Event::End(TagEnd::Strong) => self.close_bold(at),
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.links.push((dest_url.to_string(), at));
                self.link = Some((dest_url.to_string(), String::new(), at));
            }
            Event::Start(Tag::Image { dest_url, .. }) => self.links.push((dest_url.to_string(), at)),
            Event::End(TagEnd::Link) => self.close_link(),
            Event::TaskListMarker(done) => {
                if let Some((_, _, task)) = self.items.last_mut() {
                    *task = true;
                }
                if *done {
                    faults.at(at, "this item is ticked already", "write `- [ ]`: who runs it ticks it");
                }
            }
            Event::Text(text) | Event::Code(text) => self.text(text),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            Event::Start(Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::BlockQuote(_)) => self.unlabel(faults),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(bold) = &mut self.bold {
            bold.push_str(text);
        } else {
            self.fresh = false;
        }
        if let Some((_, title, _)) = &mut self.link {
            title.push_str(text);
        }
        if let Some((item, ..)) = self.items.last_mut() {
            item.push_str(text);
        }
    }

    fn close_bold(&mut self, at: usize) {
        self.fresh = false;
        let label = match self.bold.take().as_deref() {
            Some("Choose:") => Label::Choose,
            Some("Run:") => Label::Run,
            _ => return,
        };
        self.label = Some((label, at, self.found.len()));
    }

    /// The list under a label begins, or one inside it.
    fn open_list(&mut self) {
        if self.label.is_some() || self.list > 0 {
            self.list += 1;
        }
        // An item is told without the list inside it.
        if let Some(item) = self.items.last_mut()
            && item.2
        {
            let (text, at, _) = std::mem::take(item);
            self.push(MarkKind::Task, &text, at);
        }
    }

    fn close_item(&mut self) {
        let Some((text, at, task)) = self.items.pop() else { return };
        match self.label {
            Some((Label::Choose, ..)) if self.list == 1 => self.push(MarkKind::Choice, &text, at),
            _ if task => self.push(MarkKind::Task, &text, at),
            _ => {}
        }
    }

    fn close_link(&mut self) {
        let Some((file, title, at)) = self.link.take() else { return };
        if self.label.is_some_and(|(label, ..)| label == Label::Run) {
            self.push(MarkKind::Call(file), &title, at);
        }
    }

    fn push(&mut self, kind: MarkKind, text: &str, at: usize) {
        self.found.push(Mark { kind, text: text.trim().to_owned(), at });
    }

    /// What a label speaks of is over.
    fn unlabel(&mut self, faults: &mut Faults<'_>) {
        let Some((label, at, before)) = self.label.take() else { return };
        self.list = 0;
        if self.found.len() > before {
            return;
        }
        match label {
            Label::Choose => faults.at(at, "there is nothing to choose from", "put a list under `**Choose:**`"),
            Label::Run => faults.at(at, "no runbook is named here", "put a link to one behind `**Run:**` or under it"),
        }
    }

    /// The page is over.
    pub(super) fn end(&mut self, faults: &mut Faults<'_>) {
        self.unlabel(faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse::body::OPTIONS;
    use proptest::prelude::*;
    use pulldown_cmark::Parser;

    fn read(page: &str) -> (Vec<Mark>, Vec<String>) {
        let (mut marks, mut faults) = (Marks::default(), Faults { source: page, list: Vec::new() });
        for (event, range) in Parser::new_ext(page, OPTIONS).into_offset_iter() {
            marks.take(&event, range.start, &mut faults);
        }
        marks.end(&mut faults);
        (marks.found, faults.list.into_iter().map(|fault| fault.what).collect())
    }

    fn told(page: &str) -> Vec<String> {
        read(page).0.into_iter().map(|mark| format!("{:?} {}", mark.kind, mark.text)).collect()
    }

    #[test]
    fn check_lists_are_found_and_lists_are_not() {
        assert_eq!(told("- [ ] ask `dba`\n- no task\n  - [ ] inner\n"), ["Task ask dba", "Task inner"]);
        assert_eq!(told("- [ ] outer\n  - [ ] inner\n"), ["Task outer", "Task inner"]);
        assert_eq!(told("- one\n- two\n"), [""; 0]);
        assert_eq!(read("- [x] done\n").1, ["this item is ticked already"]);
    }

    #[test]
    fn a_label_says_what_its_list_is() {
        assert_eq!(
            told("**Choose:**\n\n- wait\n- go *on*\n\n- [ ] not a choice?\n"),
            ["Choice wait", "Choice go on", "Choice not a choice?"]
        );
        assert_eq!(told("**Choose:**\n- a\n- b\n\nprose\n\n- c\n"), ["Choice a", "Choice b"]);
        assert_eq!(told("**Run:** [the other](other.md)\n\n[no](call.md)\n"), ["Call(\"other.md\") the other"]);
        assert_eq!(told("**Run:**\n\n- [the other](other.md)\n"), ["Call(\"other.md\") the other"]);
        assert_eq!(told("We **Run:** this, and **Choose** that.\n\n- x\n"), [""; 0]);
    }

    #[test]
    fn a_label_without_its_list_is_told() {
        assert_eq!(read("**Choose:**\n\nprose\n").1, ["there is nothing to choose from"]);
        assert_eq!(read("**Run:** the other\n").1, ["no runbook is named here"]);
    }

    proptest! {
        #[test]
        fn any_page_is_read_without_a_panic(page in "[-*\\[\\]() x:#>`\n]*|\\PC*") {
            read(&page);
        }
    }
}
