//! The selected thing as what a runbook is about.

use super::{Overlay, State, planning, way};
use crate::domain::{SourceId, Subject, ThingId, text};
use crate::effect::Effects;
use crate::keymap::Scope;
use crate::panes::{Presence, Selected};
use crate::runbook::PlanRequest;
use serde_json::Value;
use std::collections::BTreeMap;

/// Asks the planner for a plan for the selected thing.
pub(super) fn plan(state: &mut State, id: &str, effects: &mut Effects) {
    if let Some(why) = super::freeze::refusal(state) {
        return state.toasts.bad(state.now, why);
    }
    if state.replay.is_some() {
        return super::replay::refuse(state);
    }
    let listed = |thing: Selected| matches!(thing.id, ThingId::Runbook(listed) if *listed == *id);
    if state.library.get(id).is_none() && !state.pane().selected().is_some_and(listed) {
        let why = text::clean(&state.library.absent(id)).into_owned();
        return state.toasts.bad(state.now, format!("{why}; or mend the key's binding in the keymap"));
    }
    match state.pane().selected() {
        Some(selected) if selected.presence != Presence::Here => {
            let why = way::missing(&selected).unwrap_or_default();
            state.toasts.bad(state.now, why);
        }
        // Of an alert the labels are the parameters, and without a thing they are asked for.
        Some(Selected { id: ThingId::Alert { .. } | ThingId::Runbook(_), .. }) => {
            super::offers::ask(state, id, effects);
        }
        selected => {
            super::hands::say_marks(state, selected.as_ref());
            let mut args = arguments(state, selected.as_ref());
            if let Some(runbook) = state.library.get(id) {
                args.retain(|name, _| runbook.params.iter().any(|param| param.name == *name));
            }
            let mut request = PlanRequest::new(id.to_owned(), args);
            super::offers::complete(state, &mut request);
            // What the row alone does not tell (where players are drained to) is asked for; of a runbook that is about other things, all of it.
            let of_pane =
                state.library.get(id).and_then(|runbook| runbook.pane).map(Subject::word) == Some(state.scope().word());
            let asks = selected.is_some() || !of_pane;
            match asks.then(|| super::offers::form(state, &request)).flatten() {
                Some(form) => state.overlay = Some(Overlay::Params(Box::new(form))),
                None => planning::ask(state, request, effects),
            }
        }
    }
}

/// The selected thing as a runbook's parameters, more of them than one runbook takes. A pane without a selection still knows its first source.
pub(super) fn arguments(state: &State, selected: Option<&Selected>) -> BTreeMap<String, Value> {
    let pair = |name: &str, text: String| BTreeMap::from([(name.to_owned(), Value::String(text))]);
    match selected.map(|selected| &selected.id) {
        Some(ThingId::Container { source, id }) => {
            let server = server_of(state, source).map(|server| ("server".to_owned(), server.into()));
            pair("container", format!("{}/{id}", source.name())).into_iter().chain(server).collect()
        }
        // A process number alone may be another session's by the time that it is read.
        Some(ThingId::Session { source, pid, backend_start }) => BTreeMap::from([
            ("database".to_owned(), source.name().into()),
            ("pid".to_owned(), (*pid).into()),
            ("started".to_owned(), backend_start.to_string().into()),
        ]),
        Some(ThingId::Server { name }) => pair("server", name.to_string()),
        // A row of a page about a database: a standby, a slot, a group of sessions.
        Some(ThingId::Entry { source, .. }) if state.scope() == Scope::Databases => {
            pair("database", source.name().to_owned())
        }
        Some(
            ThingId::Alert { .. }
            | ThingId::Process { .. }
            | ThingId::Entry { .. }
            | ThingId::Run(_)
            | ThingId::Runbook(_),
        ) => BTreeMap::new(),
        None if state.scope() == Scope::Databases => {
            let first = state.subject().and_then(|subject| state.store.about(subject).next());
            first.map_or_else(BTreeMap::new, |feed| pair("database", feed.id.name().to_owned()))
        }
        None => BTreeMap::new(),
    }
}

/// The `[[server]]` on which a source's containers are, if it is known.
fn server_of(state: &State, source: &SourceId) -> Option<String> {
    let engine = state.store.feed(source)?.snapshot()?.engine()?;
    let name = crate::panes::server_called(&state.cx(), engine.server.as_deref()?)?;
    state.store.is_configured(name).then(|| name.to_owned())
}
