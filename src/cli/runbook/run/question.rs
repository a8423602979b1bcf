//! What a run asks on the command line, and what a line typed there answers.

use crate::domain::{RunId, reason, text};
use crate::effect::RunAnswer;
use crate::event::TaskList;
use crate::runbook::Answer;
use crate::runbook::machine::Way;
use std::fmt::Write;

/// What a run waits for.
pub(super) struct Question {
    /// Which: this one, or one that it calls.
    pub(super) run: RunId,
    pub(super) phrase: Option<String>,
    pub(super) manual: bool,
    /// That it is done means to make a plan.
    pub(super) plans: bool,
    /// How many items there are to tick, and to choose from.
    pub(super) items: (usize, usize),
    pub(super) ways: Vec<Way>,
    pub(super) text: String,
}

pub(super) fn phrase(text: &str) -> Answer {
    Answer::Phrase(text.to_owned())
}

pub(super) fn asked(prompt: &str, phrase: Option<&str>, manual: bool, list: &TaskList, ways: &[Way]) -> String {
    let mut out = format!("{}\n", text::clean_lines(prompt));
    for (number, (task, _)) in (1..).zip(&list.tasks) {
        let _ = writeln!(out, "  tick {number}: {}", text::clean(task));
    }
    for (number, choice) in (1..).zip(&list.choices) {
        let _ = writeln!(out, "  pick {number}: {}", text::clean(choice));
    }
    if !ways.is_empty() {
        let by_phrase = phrase.filter(|_| ways.contains(&Way::Undo));
        let words = ways.iter().filter(|way| by_phrase.is_none() || **way != Way::Undo).map(|way| word(*way));
        let words = words.collect::<Vec<_>>().join(", ");
        let undo = by_phrase.map(|phrase| format!("; to undo it type  {phrase} ")).unwrap_or_default();
        return format!("{out}{words}{undo}:");
    }
    let go = match (phrase, manual) {
        (Some(phrase), _) => format!("type  {phrase}  to go on"),
        (None, true) if list.plans => "plan (y)".to_owned(),
        (None, true) => "done (y)".to_owned(),
        (None, false) => "y".to_owned(),
    };
    out + &format!("{go}, skip REASON (s), or stop:")
}

/// What is typed for a way on: `continue REASON (c)`.
fn word(way: Way) -> String {
    let reason = if way.is_reasoned() { " REASON" } else { "" };
    let letter = way.letter().map(|letter| format!(" ({letter})")).unwrap_or_default();
    format!("{}{reason}{letter}", way.word())
}

/// A way on by its word or its letter.
fn is_way(way: Way, verb: &str) -> bool {
    way.word() == verb || way.letter().is_some_and(|letter| verb.chars().eq([letter]))
}

/// What a line answers; the error says that it answers nothing, or that its reason is none.
pub(super) fn read(question: &Question, line: &str) -> Result<RunAnswer, String> {
    let answer = meant(question, line).ok_or_else(|| format!("{:?} is no answer to this", text::clean(line)))?;
    match &answer {
        RunAnswer::Choose { way: Way::Undo, reason } => match question.phrase.as_deref() {
            Some(phrase) if reason != phrase => Err(format!("to undo it type  {phrase} ")),
            _ => Ok(answer),
        },
        RunAnswer::Choose { way, reason } if way.is_reasoned() => reason::given(reason).map(|_| answer),
        RunAnswer::Skip(why) => reason::given(why).map(|_| answer),
        _ => Ok(answer),
    }
}

fn meant(question: &Question, line: &str) -> Option<RunAnswer> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    if !question.ways.is_empty() {
        if question.phrase.as_deref() == Some(line) {
            return Some(RunAnswer::Choose { way: Way::Undo, reason: line.to_owned() });
        }
        let way = question.ways.iter().copied().find(|way| is_way(*way, verb))?;
        let reasoned = way.is_reasoned() || rest.is_empty();
        return reasoned.then(|| RunAnswer::Choose { way, reason: rest.to_owned() });
    }
    let item = |count: usize| rest.parse::<usize>().ok()?.checked_sub(1).filter(|item| *item < count);
    match (verb, question.phrase.as_deref()) {
        _ if question.phrase.as_deref() == Some(line) => Some(RunAnswer::Confirm(phrase(line))),
        ("stop", _) if rest.is_empty() => Some(RunAnswer::Stop),
        ("plan", _) if question.plans && rest.is_empty() => Some(RunAnswer::Done),
        ("done" | "y" | "yes", _) if question.manual && rest.is_empty() => Some(RunAnswer::Done),
        ("tick", _) if question.manual => Some(RunAnswer::Tick { item: item(question.items.0)?, done: true }),
        ("pick", _) if question.manual => Some(RunAnswer::Pick(item(question.items.1)?)),
        ("y" | "yes", None) if !question.manual && rest.is_empty() => Some(RunAnswer::Confirm(Answer::Yes)),
        ("skip" | "s", _) => Some(RunAnswer::Skip(rest.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(phrase: Option<&str>, manual: bool) -> Question {
        let (phrase, run) = (phrase.map(str::to_owned), RunId(uuid::Uuid::nil()));
        Question { run, phrase, manual, plans: false, items: (2, 1), ways: Vec::new(), text: String::new() }
    }

    #[test]
    fn only_what_was_asked_is_an_answer() {
        let read = |question: &Question, line: &str| super::read(question, line).ok();
        let manual = question(None, true);
        for done in ["done", "y"] {
            assert_eq!(read(&manual, done), Some(RunAnswer::Done));
        }
        let called = Question { plans: true, ..question(None, true) };
        assert_eq!((read(&called, "plan"), read(&manual, "plan")), (Some(RunAnswer::Done), None));
        assert_eq!(read(&manual, "stop"), Some(RunAnswer::Stop));
        for skip in ["skip it is not here", "s it is not here"] {
            assert_eq!(read(&manual, skip), Some(RunAnswer::Skip("it is not here".to_owned())));
        }
        for wrong in ["", "skip", "skip ", "s", "skip it", "Done"] {
            assert_eq!(read(&manual, wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&manual, "tick 2"), Some(RunAnswer::Tick { item: 1, done: true }));
        assert_eq!((read(&manual, "tick 3"), read(&manual, "tick 0"), read(&manual, "pick 2")), (None, None, None));
        let failed = Question { ways: vec![Way::Undo, Way::GoOn], ..question(None, false) };
        assert_eq!(read(&failed, "undo"), Some(RunAnswer::Choose { way: Way::Undo, reason: String::new() }));
        assert_eq!(read(&failed, "u"), read(&failed, "undo"));
        let by_phrase = Question { phrase: Some("undo on web-1".to_owned()), ..question(None, false) };
        let by_phrase = Question { ways: vec![Way::Again, Way::Undo, Way::Stop], ..by_phrase };
        let typed = RunAnswer::Choose { way: Way::Undo, reason: "undo on web-1".to_owned() };
        assert_eq!(read(&by_phrase, "undo on web-1"), Some(typed));
        for less in ["u", "undo", "undo on web-2", "u on web-1"] {
            assert_eq!(read(&by_phrase, less), None, "{less:?}");
        }
        assert_eq!(super::read(&by_phrase, "u"), Err("to undo it type  undo on web-1 ".to_owned()));
        let said = asked("it failed", by_phrase.phrase.as_deref(), false, &TaskList::default(), &by_phrase.ways);
        assert_eq!(said, "it failed\nagain (a), stop; to undo it type  undo on web-1 :");
        assert_eq!(read(&by_phrase, "a"), Some(RunAnswer::Choose { way: Way::Again, reason: String::new() }));
        let all_the_same = RunAnswer::Choose { way: Way::GoOn, reason: "the test host".to_owned() };
        assert_eq!(read(&failed, "continue the test host"), Some(all_the_same.clone()));
        assert_eq!(read(&failed, "c the test host"), Some(all_the_same));
        assert_eq!((read(&failed, "continue"), read(&failed, "stop"), read(&failed, "y")), (None, None, None));
        assert_eq!(super::read(&failed, "continue known"), Err(reason::WANTED.to_owned()));
        let unbound = Question { ways: vec![Way::Wait, Way::Glass, Way::Stop], ..question(None, false) };
        let glass = RunAnswer::Choose { way: Way::Glass, reason: "the shop is down".to_owned() };
        assert_eq!(read(&unbound, "break-glass the shop is down"), Some(glass.clone()));
        assert_eq!((read(&unbound, "! the shop is down"), read(&unbound, "!")), (Some(glass), None));
        assert_eq!(read(&unbound, "w"), Some(RunAnswer::Choose { way: Way::Wait, reason: String::new() }));
        let next = Question { ways: vec![Way::Next, Way::Stop], ..question(None, false) };
        let on = Some(RunAnswer::Choose { way: Way::Next, reason: String::new() });
        assert_eq!((read(&next, "continue"), read(&next, "c"), read(&next, "next")), (on.clone(), on, None));
        let typed = question(Some("kill 3 on db"), false);
        assert_eq!(read(&typed, "kill 3 on db"), Some(RunAnswer::Confirm(phrase("kill 3 on db"))));
        for wrong in ["y", "yes", "done", "kill 3", ""] {
            assert_eq!(read(&typed, wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&question(None, false), "y"), Some(RunAnswer::Confirm(Answer::Yes)));
    }
}
