//! Answers to questions that were asked because somebody looked. The newest few are kept.

use crate::domain::{Answered, Inquiry, Now, Series, SourceError};
use std::time::Duration;

/// How many are kept: more than one page has charts.
const KEPT: usize = 64;
/// An answer is asked for again after this, as long as somebody looks.
const FRESH: Duration = Duration::from_secs(30);

/// What was asked, when, and what came.
#[derive(Clone, Debug)]
struct Asked {
    inquiry: Inquiry,
    at: Now,
    outcome: Option<Result<Series, SourceError>>,
}

/// The answers.
#[derive(Clone, Debug, Default)]
pub struct Answers(Vec<Asked>);

impl Answers {
    /// Whether it is time to ask (again); remembers that it was asked now.
    pub fn ask(&mut self, inquiry: &Inquiry, now: Now) -> bool {
        if let Some(asked) = self.0.iter_mut().find(|asked| asked.inquiry == *inquiry) {
            let due = now.since(asked.at) > FRESH;
            if due {
                asked.at = now;
            }
            return due;
        }
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(Asked { inquiry: inquiry.clone(), at: now, outcome: None });
        true
    }

    /// When it was asked last.
    pub fn asked_at(&self, inquiry: &Inquiry) -> Option<Now> {
        self.0.iter().find(|asked| asked.inquiry == *inquiry).map(|asked| asked.at)
    }

    /// Takes an answer in; one that nobody waits for any more is dropped.
    pub fn take(&mut self, answered: Answered) {
        if let Some(asked) = self.0.iter_mut().find(|asked| asked.inquiry == answered.inquiry) {
            asked.outcome = Some(answered.outcome);
        }
    }

    /// The newest answer; `None` while it is waited for.
    pub fn of(&self, inquiry: &Inquiry) -> Option<&Result<Series, SourceError>> {
        self.0.iter().find(|asked| asked.inquiry == *inquiry)?.outcome.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceId;

    fn inquiry(query: &str) -> Inquiry {
        let source = SourceId::new("prometheus", "main");
        Inquiry::Range { source, query: query.into(), back: Duration::from_secs(3600) }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn it_is_asked_once_and_again_after_a_while() {
        let mut answers = Answers::default();
        assert!(answers.ask(&inquiry("up"), at(0)));
        assert!(!answers.ask(&inquiry("up"), at(1)));
        assert_eq!(answers.of(&inquiry("up")).map(Result::is_ok), None);
        let series = Series { points: vec![1.0], of: 1 };
        answers.take(Answered { inquiry: inquiry("up"), outcome: Ok(series.clone()) });
        assert_eq!(answers.of(&inquiry("up")), Some(&Ok(series)));
        assert!(answers.ask(&inquiry("up"), at(31)));
        assert!(answers.of(&inquiry("up")).is_some(), "the old answer is shown until the new one is there");
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
