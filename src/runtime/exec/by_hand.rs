//! Lists that a person ticks, and choices: what is open, and what is recorded of each.

use crate::domain::text::clean;
use crate::effect::RunAnswer;
use crate::event::TaskList;
use crate::runbook::model::Step;
use serde_json::{Value, json};

/// What a step wants to have ticked and chosen, with nothing done yet.
pub(super) fn list(step: &Step) -> TaskList {
    let text = |text: &String| clean(text).into_owned();
    TaskList {
        tasks: step.manual.tasks.iter().map(|task| (text(task), false)).collect(),
        choices: step.manual.choices.iter().map(text).collect(),
        chosen: None,
        plans: false,
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
