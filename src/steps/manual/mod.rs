//! A step that a person does: its prose is shown, and what the person says is recorded. Nothing is sent anywhere.

use crate::domain::prose::Block;
use crate::runbook::model::{Manual, Step};
use crate::runbook::parse;

/// What its page says below the heading, but for what is to be ticked and chosen: that is a list of its own.
pub fn text(step: &Step) -> String {
    let mut out = String::new();
    for block in parse::prose(&step.prose).iter().filter(|block| !is_listed(step, block)) {
        let gap = if block.is_item() { "\n" } else { "\n\n" };
        out.push_str(if out.is_empty() { "" } else { gap });
        out.push_str(&block.text());
    }
    out
}

/// It is asked for item by item, or says that what follows it is.
fn is_listed(step: &Step, block: &Block) -> bool {
    let Manual { tasks, choices, .. } = &step.manual;
    let text: String = block.pieces.iter().map(|(_, text)| text.as_str()).collect();
    let listed = tasks.iter().chain(choices).any(|item| item.trim() == text.trim());
    block.is_item() && listed || !choices.is_empty() && text.trim() == "Choose:"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_item_by_item_is_not_said_twice() {
        let mut step = Step {
            id: "a/b".to_owned(),
            title: "Call the owner".to_owned(),
            prose: "Tell them.".to_owned(),
            line: 1,
            fences: Vec::new(),
            manual: Manual::default(),
            host: None,
        };
        assert_eq!(text(&step), "Tell them.");
        step.prose = "**Tell** them:\n\n- [ ] now\n- by phone\n\n**Choose:**\n\n- one\n- two".to_owned();
        step.manual.tasks = vec!["now".to_owned()];
        step.manual.choices = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(text(&step), "Tell them:\n- by phone");
        step.prose.clear();
        assert_eq!(text(&step), "");
    }
}
