//! A step that a person does: its prose is shown, and what the person says is recorded. Nothing is sent anywhere.

use crate::runbook::model::Step;

/// What to ask: the heading, then the prose as it stands in the file.
pub fn prompt(step: &Step) -> String {
    if step.prose.is_empty() { step.title.clone() } else { format!("{}\n\n{}", step.title, step.prose) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::model::Manual;

    #[test]
    fn the_prompt_is_the_heading_and_the_prose() {
        let mut step = Step {
            id: "a/b".to_owned(),
            title: "Call the owner".to_owned(),
            prose: "Tell them.".to_owned(),
            line: 1,
            fences: Vec::new(),
            manual: Manual::default(),
            host: None,
        };
        assert_eq!(prompt(&step), "Call the owner\n\nTell them.");
        step.prose.clear();
        assert_eq!(prompt(&step), "Call the owner");
    }
}
