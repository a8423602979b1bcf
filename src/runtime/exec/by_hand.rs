//! What a person is asked to do: its words, the lists that are ticked, and choices; what is open, and what is recorded of each.

use super::scene::Scene;
use crate::domain::text::{clean, clean_lines};
use crate::effect::RunAnswer;
use crate::event::TaskList;
use crate::runbook::model::{Manual, Step};
use crate::steps::manual;
use serde_json::{Value, json};

/// What a step asks, as it is shown: the words of its page, with what was captured before in their place.
pub(super) struct Question {
    /// Its text, without what is to be ticked and chosen.
    pub(super) text: String,
    /// Items to tick, in order.
    pub(super) tasks: Vec<String>,
    /// What there is to choose from.
    pub(super) choices: Vec<String>,
    /// Its page alone does not say what was asked.
    pub(super) is_filled: bool,
}

impl Question {
    /// `shown`: the parameters as people read them.
    pub(super) fn of(step: &Step, scene: Scene<'_>, shown: &[(String, String)]) -> Self {
        let (page, Manual { tasks, choices, .. }) = (manual::text(step), &step.manual);
        let say = |text: &str| scene.say(step, shown, text);
        let (text, told): (String, Vec<String>) = (say(&page), tasks.iter().map(|task| say(task)).collect());
        Self {
            is_filled: text != page || told != *tasks,
            text: clean_lines(&text),
            tasks: told.iter().map(|task| clean(task).into_owned()).collect(),
            choices: choices.iter().map(|choice| clean(choice).into_owned()).collect(),
        }
    }

    /// What it wants to have ticked and chosen, with nothing done yet.
    pub(super) fn list(&self) -> TaskList {
        let tasks = self.tasks.iter().map(|task| (task.clone(), false)).collect();
        TaskList { tasks, choices: self.choices.clone(), chosen: None, plans: false }
    }
}

/// Takes a tick or a choice into the list; what is recorded of it. `None`: the answer is neither, or means nothing here.
pub(super) fn take(list: &mut TaskList, answer: &RunAnswer) -> Option<Value> {
    match answer {
        RunAnswer::Tick { item, done } => {
            let (task, ticked) = list.tasks.get_mut(*item)?;
            *ticked = *done;
            let mark = if *done { "[x]" } else { "[ ]" };
            Some(json!({ "output": format!("{mark} {task}"), "item": item, "ticked": done }))
        }
        RunAnswer::Pick(chosen) => {
            let choice = list.choices.get(*chosen)?;
            list.chosen = Some(*chosen);
            Some(json!({ "output": format!("chosen: {choice}"), "chosen": choice }))
        }
        RunAnswer::Confirm(_)
        | RunAnswer::Done
        | RunAnswer::Skip(_)
        | RunAnswer::Choose { .. }
        | RunAnswer::Declined
        | RunAnswer::Stop
        | RunAnswer::Cancel { .. }
        | RunAnswer::Pause(_)
        | RunAnswer::Leave => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_when_all_is_ticked_and_chosen() {
        let tasks = vec![("a".to_owned(), false), ("b".to_owned(), false)];
        let mut list = TaskList { tasks, choices: vec!["x".to_owned(), "y".to_owned()], chosen: None, plans: false };
        assert_eq!(list.missing().as_deref(), Some("2 items are not ticked"));
        let told = take(&mut list, &RunAnswer::Tick { item: 0, done: true }).unwrap();
        assert_eq!(told["output"], "[x] a");
        take(&mut list, &RunAnswer::Tick { item: 1, done: true }).unwrap();
        assert_eq!(list.missing().as_deref(), Some("choose one first"));
        take(&mut list, &RunAnswer::Pick(1)).unwrap();
        assert_eq!((list.missing(), list.choice()), (None, Some("y")));
        take(&mut list, &RunAnswer::Tick { item: 1, done: false }).unwrap();
        assert_eq!(list.missing().as_deref(), Some("one item is not ticked"));
    }

    #[test]
    fn what_is_not_on_the_list_changes_nothing() {
        let mut list = TaskList::default();
        for answer in [RunAnswer::Tick { item: 0, done: true }, RunAnswer::Pick(0), RunAnswer::Done] {
            assert_eq!(take(&mut list, &answer), None);
        }
        assert_eq!(list, TaskList::default());
    }
}
