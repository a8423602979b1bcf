//! What somebody has to be told when a record comes: that what they said had been said before, and that two incidents are perhaps one.

use crate::action::Action;
use crate::app::State;
use crate::domain::record::{Record, RecordKind};
use crate::domain::{IncidentId, text};
use crate::incident::{Incident, twins};
use std::collections::HashSet;
use uuid::Uuid;

use super::menu;

/// What of a record's incident is known to have been said before.
pub(super) fn before(state: &State, record: &Record) -> HashSet<Uuid> {
    let said = of(state, record).into_iter().flat_map(Incident::said_before);
    said.map(|(record, _)| record).collect()
}

fn of<'a>(state: &'a State, record: &Record) -> Option<&'a Incident> {
    let id = record.incident.as_deref().and_then(IncidentId::parse)?;
    state.watch.incidents().get(id)
}

/// Tells what came with it.
pub(super) fn tell(state: &mut State, record: &Record, before: &HashSet<Uuid>) {
    let told = second(state, record, before).or_else(|| alike(state, record));
    if let Some(told) = told {
        state.toasts.bad(state.now, told);
    }
}

/// Somebody else had said it before whoever sits here: neither knew of the other.
fn second(state: &State, record: &Record, before: &HashSet<Uuid>) -> Option<String> {
    let incident = of(state, record)?;
    let own = |record: Uuid| incident.lines.iter().any(|line| line.record == record && line.by == own_name(state));
    let (second, _) = incident.said_before().find(|(record, _)| !before.contains(record) && own(*record))?;
    Some(format!("{}: {}", incident.short(), incident.second(second)?))
}

fn own_name(state: &State) -> String {
    text::clean(state.who.split('@').next().unwrap_or_default()).into_owned()
}

/// An incident is declared of which another one was declared by somebody who did not know of it.
fn alike(state: &State, record: &Record) -> Option<String> {
    let declared = of(state, record).filter(|_| record.entry.kind == RecordKind::IncidentDeclare)?;
    let (first, later) = state.watch.incidents().twins(declared)?;
    let key = state.keymap.key_of(state.scope(), &Action::Incident).unwrap_or_default();
    let (when, by) = (twins::before(first, later), text::clean(&first.declared.by));
    let (this, that) = (menu::title(later), menu::title(first));
    Some(format!(
        "{this} is perhaps the same as {that}, which {by} declared {when}: {key} y closes it as that one's duplicate, {key} k says that they are two"
    ))
}
