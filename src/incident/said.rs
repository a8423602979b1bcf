//! What was said of an incident and can be taken back: nothing of it is ever deleted, and what was taken back does not count any more.

use super::{Incident, Mark};
use crate::domain::incident::Duty;
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
    taken_back: BTreeSet<Uuid>,
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

/// Puts it where it belongs by its time; of the same moment, behind those that are there.
pub(super) fn put<T>(all: &mut Vec<T>, one: T, at: impl Fn(&T) -> Timestamp) {
    let place = all.partition_point(|other| at(other) <= at(&one));
    all.insert(place, one);
}

impl Said {
    fn counts(&self, mark: &Mark) -> bool {
        !self.taken_back.contains(&mark.record)
    }

    fn counting<'a>(&'a self, marks: &'a [Mark]) -> impl DoubleEndedIterator<Item = &'a Mark> {
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
}

impl Incident {
    /// Takes back what the record with this id says, also one that comes later than this: its line says so.
    pub(super) fn take_back(&mut self, record: Uuid) {
        self.said.taken_back.insert(record);
        for line in &mut self.lines {
            line.take_back_if(record);
        }
    }

    /// All that it was ever called.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        let later = self.said.titles.iter().map(|mark| mark.text.as_str());
        std::iter::once(self.declared_title.as_str()).chain(later)
    }

    /// It was taken back before it came here.
    pub(super) fn is_taken_back(&self, record: Uuid) -> bool {
        self.said.taken_back.contains(&record)
    }

    /// How it stands by what was said and not taken back.
    pub(super) fn settle(&mut self) {
        let said = &self.said;
        self.acknowledged = said.counting(&said.acknowledged).next().cloned();
        self.updates = said.counting(&said.updates).cloned().collect();
        self.actions = said.counting(&said.actions).cloned().collect();
        (self.called, self.duties) = (said.called(), said.duties());
        self.mitigated = said.counting(&said.mitigated).next_back().cloned().or_else(|| self.resolved.clone());
        let title = said.counting(&said.titles).next_back().map(|mark| mark.text.as_str());
        title.unwrap_or(&self.declared_title).clone_into(&mut self.title);
    }
}
