//! The newest events of an engine, as people read them. Pure.

use crate::domain::{EngineEvent, alert::Labels};
use bollard::models::EventMessage;
use jiff::Timestamp;
use std::collections::VecDeque;

/// Events kept.
pub(super) const KEPT: usize = 300;
/// Characters kept of a name or an attribute.
const LONGEST: usize = 200;
/// Digits of an id that people write.
const SHORT_ID: usize = 12;
/// The attributes worth telling. Labels of the container come with them, and are told by its page.
const ATTRIBUTES: [&str; 9] =
    ["exitCode", "signal", "image", "oldName", "container", "type", "driver", "execDuration", "reclaimed"];

/// The newest events, each once.
#[derive(Debug, Default)]
pub(super) struct Log {
    events: VecDeque<EngineEvent>,
    next: u64,
}

impl Log {
    /// Takes in an event that is newer than all before `since`; older ones came again after a reconnection.
    pub(super) fn take(&mut self, message: &EventMessage, since: Option<Timestamp>) {
        let Some(event) = event(message, self.next) else { return };
        if since.is_some_and(|since| event.at <= since) {
            return;
        }
        self.next += 1;
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The newest event's time.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.events.iter().map(|event| event.at).max()
    }

    /// All that are kept, oldest first.
    pub(super) fn events(&self) -> Vec<EngineEvent> {
        self.events.iter().cloned().collect()
    }
}

/// `None` for what nobody wants to read: what a health check or a shell inside a container starts, that a container
/// without a network joined none, or an event without a time.
fn event(message: &EventMessage, number: u64) -> Option<EngineEvent> {
    let action = message.action.as_deref().filter(|action| !action.is_empty() && !action.starts_with("exec_"))?;
    let nanoseconds = message.time_nano.map(i128::from).or_else(|| Some(i128::from(message.time?) * 1_000_000_000))?;
    let actor = message.actor.clone().unwrap_or_default();
    let all = actor.attributes.unwrap_or_default();
    let kind = message.typ.map(|kind| kind.to_string()).unwrap_or_default();
    if kind == "network" && matches!(all.get("type").map(String::as_str), Some("null" | "host")) {
        return None;
    }
    let told = ATTRIBUTES.iter().filter_map(|name| Some(((*name).to_owned(), attribute(name, all.get(*name)?))));
    Some(EngineEvent {
        number,
        at: Timestamp::from_nanosecond(nanoseconds).ok()?,
        kind,
        action: cut(action),
        id: actor.id.as_deref().map(cut).unwrap_or_default(),
        name: all.get("name").map(|name| cut(name)).unwrap_or_default(),
        attributes: told.filter(|(_, value)| !value.is_empty()).collect::<Labels>(),
    })
}

/// A container's id is cut as people write it.
fn attribute(name: &str, value: &str) -> String {
    if name == "container" { value.chars().take(SHORT_ID).collect() } else { cut(value) }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn recorded(text: &str) -> Vec<EventMessage> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn told(text: &str) -> Vec<String> {
        let mut log = Log::default();
        for message in recorded(text) {
            log.take(&message, None);
        }
        let events = log.events();
        events
            .iter()
            .map(|event| format!("{} {} {} {:?}", event.kind, event.action, event.name, event.attributes))
            .collect()
    }

    #[test]
    fn a_real_engines_events_are_read() {
        let told = told(include_str!("../../../tests/fixtures/docker/events.jsonl"));
        assert!(told.iter().all(|line| !line.contains("exec_")), "{told:#?}");
        let die = told.iter().find(|line| line.starts_with("container die ")).unwrap();
        assert!(die.contains("\"exitCode\": ") && !die.contains("com.docker"), "{die}");
    }

    #[test]
    fn a_podmans_events_are_read() {
        let told = told(include_str!("../../../tests/fixtures/docker/podman-events.jsonl"));
        let die = told.iter().find(|line| line.contains(" die pod-gone ")).unwrap();
        assert!(die.contains("\"exitCode\": \"7\""), "{die}");
    }

    #[test]
    fn joining_no_network_is_no_event() {
        let joined = |kind: &str| {
            let attributes = json!({"container": "880116680f7f68a489f5967a9bad362b", "name": "a", "type": kind});
            let event = json!({"Type": "network", "Action": "connect", "timeNano": 1, "Actor": {"ID": "n", "Attributes": attributes}});
            event_of(&event.to_string())
        };
        assert_eq!(joined("bridge").unwrap().attributes["container"], "880116680f7f");
        assert_eq!(joined("null"), None);
    }

    fn event_of(text: &str) -> Option<EngineEvent> {
        event(&serde_json::from_str(text).unwrap(), 0)
    }

    #[test]
    fn the_newest_are_kept_each_once() {
        let mut log = Log::default();
        let at =
            |at: i64| EventMessage { action: Some("start".into()), time_nano: Some(at), ..EventMessage::default() };
        for time in 0..400 {
            log.take(&at(time), None);
        }
        assert_eq!((log.events.len(), log.events[0].number, log.next), (KEPT, 100, 400));
        let since = log.last();
        log.take(&at(399), since);
        assert_eq!(log.next, 400, "it came again");
        log.take(&at(400), since);
        assert_eq!(log.next, 401);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(action in "\\PC*", time: i64, time_nano: Option<i64>) {
            let message = EventMessage { action: Some(action), time: Some(time), time_nano, ..EventMessage::default() };
            let _ = event(&message, 0);
        }
    }
}
