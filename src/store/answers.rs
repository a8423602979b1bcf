//! Answers to questions that were asked because somebody looked. The newest few are kept.

use crate::domain::{Answered, Found, Inquiry, Now, SourceError};
use std::sync::Arc;
use std::time::Duration;

/// How many are kept: more than one page has charts.
const KEPT: usize = 64;
/// What tells the present is forgotten when nobody looked for this long.
const FORGOTTEN: Duration = Duration::from_secs(90);
/// A question that has no answer after this long is lost; until then it is not asked twice.
const LOST: Duration = Duration::from_mins(1);

type Outcome = Result<Found, SourceError>;

/// What was asked, when, and what came.
#[derive(Clone, Debug)]
struct Asked {
    inquiry: Inquiry,
    at: Now,
    waiting: bool,
    answer: Option<(Now, Outcome)>,
}

/// The answers.
#[derive(Clone, Debug, Default)]
pub struct Answers(Vec<Asked>);

impl Answers {
    /// Whether it is time to ask (again); remembers that it was asked now.
    pub fn ask(&mut self, inquiry: &Inquiry, now: Now) -> bool {
        self.0.retain(|asked| !asked.inquiry.is_of_now() || now.since(asked.at) < FORGOTTEN);
        if let Some(asked) = self.0.iter_mut().find(|asked| asked.inquiry == *inquiry) {
            let since = now.since(asked.at);
            let pause = asked.inquiry.pause(asked.answer.as_ref().map(|(_, outcome)| outcome));
            let due = since > if asked.waiting { LOST } else { pause };
            if due {
                (asked.at, asked.waiting) = (now, true);
            }
            return due;
        }
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(Asked { inquiry: inquiry.clone(), at: now, waiting: true, answer: None });
        true
    }

    /// When it was asked last.
    pub fn asked_at(&self, inquiry: &Inquiry) -> Option<Now> {
        self.0.iter().find(|asked| asked.inquiry == *inquiry).map(|asked| asked.at)
    }

    /// Takes an answer in; one that nobody waits for any more is dropped.
    pub fn take(&mut self, answered: Answered, now: Now) {
        let Some(asked) = self.0.iter_mut().find(|asked| asked.inquiry == answered.inquiry) else { return };
        let before = asked.answer.take().and_then(|(_, outcome)| outcome.ok());
        asked.waiting = false;
        asked.answer = Some((now, answered.outcome.map(|found| after(found, before.as_ref()))));
    }

    /// The newest answer; `None` while it is waited for.
    pub fn of(&self, inquiry: &Inquiry) -> Option<&Outcome> {
        self.answer(inquiry).map(|(_, outcome)| outcome)
    }

    /// When it came.
    pub fn at(&self, inquiry: &Inquiry) -> Option<Now> {
        self.answer(inquiry).map(|(at, _)| *at)
    }

    fn answer(&self, inquiry: &Inquiry) -> Option<&(Now, Outcome)> {
        self.0.iter().find(|asked| asked.inquiry == *inquiry)?.answer.as_ref()
    }
}

/// What was found, with what only two answers together tell.
fn after(found: Found, before: Option<&Found>) -> Found {
    match found {
        Found::Processes(mut processes) => {
            Arc::make_mut(&mut processes).measure(before.and_then(Found::processes).map(|before| &**before));
            Found::Processes(processes)
        }
        Found::Series(_) | Found::Text(_) => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Process, Processes, Series, SourceId};

    fn inquiry(query: &str) -> Inquiry {
        let source = SourceId::new("prometheus", "main");
        Inquiry::Range { source, query: query.into(), back: Duration::from_secs(3600) }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::UNIX_EPOCH }
    }

    fn processes() -> Inquiry {
        Inquiry::Processes { source: SourceId::new("local", "host") }
    }

    /// A reading so many seconds after the machine's start, with one process that never rests.
    fn reading(seconds: u64) -> Answered {
        let at = Duration::from_secs(seconds);
        let list = vec![Process { pid: 1, cpu_time: at, age: at, ..Process::default() }];
        let found = Found::Processes(Arc::new(Processes { at, list, ..Processes::default() }));
        Answered { inquiry: processes(), outcome: Ok(found) }
    }

    #[test]
    fn it_is_asked_once_and_again_after_a_while() {
        let mut answers = Answers::default();
        assert!(answers.ask(&inquiry("up"), at(0)));
        assert!(!answers.ask(&inquiry("up"), at(1)));
        assert_eq!(answers.of(&inquiry("up")).map(Result::is_ok), None);
        let series = Found::Series(Series { points: vec![1.0], of: 1 });
        answers.take(Answered { inquiry: inquiry("up"), outcome: Ok(series.clone()) }, at(2));
        assert_eq!((answers.of(&inquiry("up")), answers.at(&inquiry("up"))), (Some(&Ok(series)), Some(at(2))));
        assert!(answers.ask(&inquiry("up"), at(31)));
        assert!(answers.of(&inquiry("up")).is_some(), "the old answer is shown until the new one is there");
    }

    #[test]
    fn what_is_still_waited_for_is_not_asked_twice_until_it_is_lost() {
        let mut answers = Answers::default();
        assert!(answers.ask(&processes(), at(0)));
        assert!(!answers.ask(&processes(), at(30)));
        assert!(answers.ask(&processes(), at(61)));
    }

    #[test]
    fn processes_are_read_again_at_once_for_their_cpu_and_then_every_three_seconds() {
        let mut answers = Answers::default();
        assert!(answers.ask(&processes(), at(0)));
        answers.take(reading(100), at(0));
        assert!(answers.ask(&processes(), at(2)));
        answers.take(reading(102), at(2));
        let found = answers.of(&processes()).unwrap().as_ref().unwrap().processes().unwrap();
        assert_eq!((found.measured, found.list[0].cpu), (true, Some(1.0)));
        assert!(!answers.ask(&processes(), at(5)));
        assert!(answers.ask(&processes(), at(6)));
        answers.take(Answered { inquiry: processes(), outcome: Err(SourceError::new("no", "mend it")) }, at(6));
        assert!(!answers.ask(&processes(), at(16)), "what failed is spared for a while");
    }

    #[test]
    fn what_tells_the_present_is_forgotten_when_nobody_looks() {
        let mut answers = Answers::default();
        assert!(answers.ask(&processes(), at(0)));
        answers.take(reading(100), at(1));
        assert!(answers.ask(&inquiry("up"), at(200)));
        assert_eq!(answers.of(&processes()), None);
    }

    #[test]
    fn they_do_not_grow_without_bound() {
        let mut answers = Answers::default();
        for number in 0..200 {
            assert!(answers.ask(&inquiry(&number.to_string()), at(0)));
        }
        assert_eq!(answers.0.len(), KEPT);
    }
}
