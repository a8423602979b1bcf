//! What was said of an incident: nothing of it is ever deleted, what was taken back does not count any more, and of what two said the first counts.

use super::{Ended, Incident, Judged, Mark};
use crate::domain::IncidentId;
use crate::domain::incident::{ClosedAs, Duty, Priority};
use crate::domain::record::RecordKind;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// All of it, in the order of corrected time.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) acknowledged: Vec<Mark>,
    pub(super) duties: Vec<(Duty, Mark)>,
    pub(super) called: Vec<(usize, Mark)>,
    pub(super) updates: Vec<Mark>,
    pub(super) actions: Vec<Mark>,
    pub(super) mitigated: Vec<Mark>,
    /// What it was called, once that was changed.
    pub(super) titles: Vec<Mark>,
    pub(super) judged: Vec<Judged>,
    /// Ends, and that they were none.
    pub(super) turns: Vec<(Mark, Turn)>,
    /// Others that it is not the same as.
    pub(super) apart: Vec<(IncidentId, Mark)>,
    taken_back: BTreeSet<Uuid>,
}

/// It ended, or had not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// Perhaps as none of its own.
    Resolved(Option<ClosedAs>),
    Reopened,
}

/// A record of this kind can be taken back.
pub const fn can_be_taken_back(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::IncidentAcknowledge
            | RecordKind::IncidentRole
            | RecordKind::IncidentNote
            | RecordKind::IncidentUpdate
            | RecordKind::IncidentEscalate
            | RecordKind::IncidentMitigate
    )
}

/// Puts it where it belongs by its time; of the same moment by its record, so that all who have the same records say who was first.
pub(super) fn put<T>(all: &mut Vec<T>, one: T, order: impl Fn(&T) -> (Timestamp, Uuid)) {
    let place = all.partition_point(|other| order(other) <= order(&one));
    all.insert(place, one);
}

impl Said {
    /// It was not taken back.
    pub(super) fn counts(&self, mark: &Mark) -> bool {
        !self.taken_back.contains(&mark.record)
    }

    /// Of these, those that were not taken back.
    pub(super) fn counting<'a>(&'a self, marks: &'a [Mark]) -> impl DoubleEndedIterator<Item = &'a Mark> {
        marks.iter().filter(|mark| self.counts(mark))
    }

    fn called(&self) -> BTreeMap<usize, Mark> {
        let mut called = BTreeMap::new();
        for (level, mark) in self.called.iter().filter(|(_, mark)| self.counts(mark)) {
            called.entry(*level).or_insert_with(|| mark.clone());
        }
        called
    }

    /// The last word counts; an empty name: nobody any more.
    fn duties(&self) -> BTreeMap<Duty, String> {
        let mut duties = BTreeMap::new();
        for (duty, mark) in self.duties.iter().filter(|(_, mark)| self.counts(mark)) {
            duties.insert(*duty, mark.text.clone());
        }
        duties.retain(|_, name| !name.is_empty());
        duties
    }

    /// What it was thought to be from when on: who says what it is thought to be already changes nothing.
    fn judged(&self, declared_as: Priority) -> Vec<Judged> {
        let mut before = declared_as;
        let is_news = |judged: &&Judged| std::mem::replace(&mut before, judged.priority) != judged.priority;
        self.judged.iter().filter(is_news).cloned().collect()
    }

    /// Ends that were none, and the one that is: the first of each counts, until it was open again.
    fn ends(&self) -> (Vec<Ended>, Option<(Mark, Option<ClosedAs>)>) {
        let (mut ended, mut over) = (Vec::new(), None);
        for (mark, turn) in &self.turns {
            match (turn, over.take()) {
                (Turn::Resolved(closed_as), None) => over = Some((mark.clone(), *closed_as)),
                (Turn::Resolved(_), before) => over = before,
                (Turn::Reopened, None) => {}
                (Turn::Reopened, Some((resolved, closed_as))) => {
                    let since = ended.last().map(|ended: &Ended| ended.reopened.at);
                    let mitigated = closed_as.is_none().then(|| self.mitigated(since, Some(&resolved))).flatten();
                    ended.push(Ended { mitigated, resolved, reopened: mark.clone(), closed_as });
                }
            }
        }
        (ended, over)
    }

    /// When nobody suffered any more, in what began then and is over now, if it is: what was resolved counts as mitigated by then.
    fn mitigated(&self, since: Option<Timestamp>, resolved: Option<&Mark>) -> Option<Mark> {
        let within = |mark: &&Mark| {
            since.is_none_or(|since| mark.at >= since) && resolved.is_none_or(|resolved| mark.at <= resolved.at)
        };
        self.counting(&self.mitigated).find(within).or(resolved).cloned()
    }
}

impl Incident {
    /// Takes back what the record with this id says, also one that comes later than this: its line says so.
    pub(super) fn take_back(&mut self, record: Uuid) {
        self.said.taken_back.insert(record);
        for line in &mut self.lines {
            line.take_back_if(record);
        }
    }

    /// Who was called, by their levels: also who was after somebody else of that level, but for what was taken back.
    pub fn calls(&self) -> Vec<(usize, &Mark)> {
        let called = self.said.called.iter().filter(|(_, mark)| self.said.counts(mark));
        let mut calls: Vec<(usize, &Mark)> = called.map(|(level, mark)| (*level, mark)).collect();
        // Those of one level stay in the order of time.
        calls.sort_by_key(|(level, _)| *level);
        calls
    }

    /// All that it was ever called.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        let later = self.said.titles.iter().map(|mark| mark.text.as_str());
        std::iter::once(self.declared_title.as_str()).chain(later)
    }

    /// Somebody has said that it is not the same as that one.
    pub(super) fn is_apart_from(&self, other: IncidentId) -> bool {
        self.said.apart.iter().any(|(from, mark)| *from == other && self.said.counts(mark))
    }

    /// It was taken back before it came here.
    pub(super) fn is_taken_back(&self, record: Uuid) -> bool {
        self.said.taken_back.contains(&record)
    }

    /// How it stands by what was said and not taken back.
    pub(super) fn settle(&mut self) {
        let said = &self.said;
        self.updates = said.counting(&said.updates).cloned().collect();
        self.actions = said.counting(&said.actions).cloned().collect();
        (self.called, self.duties, self.judged) = (said.called(), said.duties(), said.judged(self.declared_as));
        self.priority = self.judged.last().map_or(self.declared_as, |judged| judged.priority);
        let (ended, over) = said.ends();
        (self.ended, self.closed_as) = (ended, over.as_ref().and_then(|(_, closed_as)| *closed_as));
        self.resolved = over.map(|(resolved, _)| resolved);
        // What was written before it was opened again does not tell of that.
        self.reported = self.reported.take().filter(|_| self.resolved.is_some());
        let since = self.ended.last().map(|ended| ended.reopened.at);
        self.mitigated = said.mitigated(since, self.resolved.as_ref());
        self.acknowledged = said.counting(&said.acknowledged).find(|mark| self.over_at(mark.at).is_none()).cloned();
        let title = said.counting(&said.titles).next_back().map(|mark| mark.text.as_str());
        title.unwrap_or(&self.declared_title).clone_into(&mut self.title);
        self.hear();
    }
}
