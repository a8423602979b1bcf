//! What steps that are under way have said so far. The journal has it when they are over, and nothing of it is kept here then.

use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};

/// Lines kept of the beginning.
const HEAD: usize = 100;
/// Lines kept of the end.
const TAIL: usize = 400;

/// By run and step.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    said: HashMap<(RunId, String), Output>,
    /// Those that go on without a line to their host, and when each was last heard of.
    detached: HashMap<(RunId, String), Timestamp>,
}

/// What a step said: both ends of it when it is long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    head: Vec<String>,
    tail: VecDeque<String>,
    left_out: u64,
}

impl Outputs {
    /// Takes in lines, harmless and without secrets; `lost` of them were dropped before these.
    pub fn take(&mut self, run: RunId, step: String, lines: Vec<String>, lost: u64) {
        self.said.entry((run, step)).or_default().take(lines, lost);
    }

    /// A step is over, or its run: the record has it.
    pub fn apply(&mut self, record: &Record) {
        let Some(run) = record.entry.run else { return };
        match (record.entry.kind, &record.entry.step) {
            (RecordKind::StepExit, Some(step)) => {
                let key = (run, step.clone());
                self.said.remove(&key);
                self.detached.remove(&key);
            }
            (RecordKind::RunFinish, _) => {
                self.said.retain(|(other, _), _| *other != run);
                self.detached.retain(|(other, _), _| *other != run);
            }
            _ => {}
        }
    }

    /// The line to a step's host broke, which was last heard of then, or (`None`) it is back.
    pub fn detach(&mut self, run: RunId, step: String, since: Option<Timestamp>) {
        match since {
            Some(since) => drop(self.detached.insert((run, step), since)),
            None => drop(self.detached.remove(&(run, step))),
        }
    }

    /// When a step that goes on without a line to its host was last heard of; `None`: it is followed.
    pub fn detached(&self, run: RunId, step: &str) -> Option<Timestamp> {
        self.detached.iter().find_map(|((of, name), since)| (*of == run && name == step).then_some(*since))
    }

    /// The step that has been without a line for the longest, since when it is not heard of, and how many others there are; `None`: all are
    /// followed.
    pub fn most_silent(&self) -> Option<(RunId, &str, Timestamp, usize)> {
        let ((run, step), since) = self.detached.iter().min_by_key(|(key, since)| (**since, *key))?;
        Some((*run, step, *since, self.detached.len() - 1))
    }

    /// What a step under way has said.
    pub fn of(&self, run: RunId, step: &str) -> Option<&Output> {
        // A handful of steps are under way at most.
        self.said.iter().find_map(|((of, name), output)| (*of == run && name == step).then_some(output))
    }
}

impl Output {
    fn take(&mut self, lines: Vec<String>, lost: u64) {
        if lost > 0 {
            self.left_out += lost + self.tail.len() as u64;
            self.tail.clear();
        }
        for line in lines {
            if self.head.len() < HEAD && self.left_out == 0 && self.tail.is_empty() {
                self.head.push(line);
                continue;
            }
            if self.tail.len() == TAIL {
                self.tail.pop_front();
                self.left_out += 1;
            }
            self.tail.push_back(line);
        }
    }

    /// Its lines in order; between both ends stands how many are missing.
    pub fn lines(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        let gap = (self.left_out > 0).then(|| format!("… {} lines left out …", self.left_out).into());
        let head = self.head.iter().map(|line| line.as_str().into());
        head.chain(gap).chain(self.tail.iter().map(|line| line.as_str().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_step_that_was_heard_of_least_is_told_until_it_is_followed_again() {
        let (mut outputs, run) = (Outputs::default(), RunId(Uuid::from_u128(1)));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(outputs.most_silent(), None);
        outputs.detach(run, "b".to_owned(), Some(at(20)));
        outputs.detach(run, "a".to_owned(), Some(at(10)));
        assert_eq!(outputs.most_silent(), Some((run, "a", at(10), 1)));
        outputs.detach(run, "a".to_owned(), None);
        assert_eq!(outputs.most_silent(), Some((run, "b", at(20), 0)));
        outputs.detach(run, "b".to_owned(), None);
        assert_eq!(outputs.most_silent(), None);
    }

    #[test]
    fn both_ends_are_kept_and_what_is_missing_is_counted() {
        let mut output = Output::default();
        output.take((0..1000).map(|at| at.to_string()).collect(), 0);
        let lines: Vec<_> = output.lines().collect();
        assert_eq!(lines.len(), HEAD + 1 + TAIL);
        assert_eq!((&*lines[0], &*lines[HEAD], &*lines[HEAD + TAIL]), ("0", "… 500 lines left out …", "999"));
        output.take(vec!["last".to_owned()], 7);
        let lines: Vec<_> = output.lines().collect();
        assert_eq!((&*lines[HEAD], &*lines[HEAD + 1]), ("… 907 lines left out …", "last"));
    }
}
