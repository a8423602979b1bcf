//! Two incidents that are one: two people declared it at the same moment, or while their journals could not meet. Nothing is joined by itself; the later one is
//! said to be perhaps the same as the earlier one, until somebody closes it as its duplicate, or has said that it is another
//! one: in declaring it beside that one, or later.

use super::{Incident, Incidents};
use crate::domain::IncidentId;
use crate::domain::incident::ClosedAs;
use crate::domain::record::RecordKind;
use crate::domain::time::{between, words};
use jiff::Timestamp;

/// What two titles have in common, however they are typed.
pub(super) fn plain(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// After a record of this kind another incident may be the same as one, or none any more.
pub(super) const fn may_change(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::IncidentDeclare
            | RecordKind::IncidentResolve
            | RecordKind::IncidentReopen
            | RecordKind::IncidentNote
            | RecordKind::IncidentTakeBack
    )
}

impl Incident {
    /// What is declared first: by time, and of the same moment by the id.
    fn order(&self) -> (Timestamp, IncidentId) {
        (self.declared.at, self.id)
    }

    /// It was declared before the other, was open then, and who declared the other did not say that it is another one.
    fn is_twin_before(&self, later: &Self) -> bool {
        let same = || self.fingerprint().is_some_and(|print| later.is_of_alert(print));
        let called = || plain(&self.declared_title) == plain(&later.declared_title);
        let open_then = || self.resolved.as_ref().is_none_or(|resolved| resolved.at > later.declared.at);
        self.env == later.env
            && self.order() < later.order()
            && !later.is_apart_from(self.id)
            && !self.is_apart_from(later.id)
            && self.closed_as.and_then(ClosedAs::of) != Some(later.id)
            && open_then()
            && (same() || called())
    }
}

/// How long before the later one the earlier one was declared: `3 s before`, `at the same moment`.
pub fn before(first: &Incident, later: &Incident) -> String {
    let age = between(first.declared.at, later.declared.at);
    if age.as_secs() == 0 { "at the same moment".to_owned() } else { format!("{} before", words(age)) }
}

impl Incidents {
    /// Which of those that are open is perhaps the same as an earlier one.
    pub(super) fn pair(&mut self) {
        let twin = |later: &Incident| {
            let before = self.list.iter().filter(|first| later.is_open() && first.is_twin_before(later));
            before.min_by_key(|first| first.order()).map(|first| first.id)
        };
        let twins: Vec<Option<IncidentId>> = self.list.iter().map(twin).collect();
        for (incident, twin) in self.list.iter_mut().zip(twins) {
            incident.twin = twin;
        }
    }

    /// The one that this one is perhaps the same as, declared before it by somebody who did not know of it.
    pub fn twin_of(&self, later: &Incident) -> Option<&Incident> {
        self.get(later.twin?)
    }

    /// Two that are perhaps the same, the earlier one first, of which this one is one.
    pub fn twins(&self, one: &Incident) -> Option<(&Incident, &Incident)> {
        let later = |first: &Incident| self.list.iter().find(|later| later.twin == Some(first.id));
        let as_later = self.twin_of(one).and_then(|first| Some((first, self.get(one.id)?)));
        as_later.or_else(|| Some((self.get(one.id)?, later(one)?)))
    }
}
