//! What is new and critical, for those who look elsewhere: an alert that begins to fire, a server that goes down, a container that
//! becomes unhealthy.
//!
//! What a source tells in its first answer was there before, and is no news. Pure: decides what is to be told and when.

use crate::domain::notify::Notify;
use crate::domain::{AlertState, Health, Now, Severity, SourceId, Subject, text};
use crate::store::{Feed, Store};
use std::collections::BTreeSet;
use std::time::Duration;

/// At most one notice in this time; what comes in between is counted in the next.
const APART: Duration = Duration::from_secs(60);

/// Longest text of a notice, in cells.
const WIDEST: usize = 120;

/// What was critical, and what is to be told.
#[derive(Debug, Default)]
pub struct News {
    /// What is critical as far as is known, by an identity that survives a change of source.
    known: BTreeSet<(Subject, String)>,
    /// The sources that have answered.
    heard: BTreeSet<SourceId>,
    /// The first one that is to be told, and how many others.
    waiting: Option<(String, usize)>,
    /// When somebody was told last; monotonic.
    last: Option<Duration>,
}

impl News {
    /// Takes in what the store knows after an answer of this source.
    pub fn take(&mut self, store: &Store, source: &SourceId) {
        let Some(feed) = store.feed(source).filter(|feed| feed.error.is_none()) else { return };
        let subject = feed.subject;
        let mut now = BTreeSet::new();
        for feed in store.about(subject) {
            let heard = self.heard.contains(&feed.id);
            critical(store, feed, |id, words| {
                let id = (subject, id);
                if heard && !self.known.contains(&id) && !now.contains(&id) {
                    match &mut self.waiting {
                        Some((_, others)) => *others += 1,
                        none => *none = Some((words(), 0)),
                    }
                }
                now.insert(id);
            });
        }
        self.known.retain(|(about, _)| *about != subject);
        self.known.append(&mut now);
        self.heard.insert(source.clone());
    }

    /// Sources that will be heard for the first time once more: what they tell first is no news.
    pub fn forget(&mut self, sources: &[SourceId]) {
        self.heard.retain(|source| !sources.contains(source));
    }

    /// The notice whose time has come. In quiet hours it is dropped: the morning begins with what is on the screen.
    pub fn due(&mut self, how: &Notify, now: Now) -> Option<String> {
        self.waiting.as_ref()?;
        if how.is_off() || how.is_quiet(now.wall) {
            self.waiting = None;
        }
        if self.deadline().is_none_or(|at| now.mono < at) {
            return None;
        }
        let (first, others) = self.waiting.take()?;
        self.last = Some(now.mono);
        let rest = match others {
            0 => String::new(),
            1 => ", and 1 other".to_owned(),
            _ => format!(", and {others} others"),
        };
        let first = text::clean(&first);
        Some(format!("critical: {}{rest}", text::truncate(&first, WIDEST)))
    }

    /// When the next notice is due; monotonic.
    pub fn deadline(&self) -> Option<Duration> {
        self.waiting.as_ref().map(|_| self.last.map_or(Duration::ZERO, |last| last + APART))
    }
}

/// Everything of a source's rows that is to be told of, with the words for it. No label beside the name and no annotation: those
/// may hold what nobody should read over a shoulder.
fn critical(store: &Store, feed: &Feed, mut found: impl FnMut(String, &dyn Fn() -> String)) {
    match feed.subject {
        Subject::Alerts => {
            let firing = |alert: &&std::sync::Arc<crate::domain::Alert>| {
                alert.state == AlertState::Firing && alert.severity == Severity::Critical
            };
            for alert in store.alerts(feed).iter().filter(firing) {
                found(alert.fingerprint.to_string(), &|| format!("{} {}", alert.name, alert.target()));
            }
        }
        Subject::Servers => {
            // Of each answer, however many servers there are.
            for server in store.servers(feed).iter().filter(|server| server.is_down()) {
                found(server.name.clone(), &|| format!("{} is down", server.name));
            }
        }
        Subject::Containers => {
            let all = feed.snapshot().and_then(crate::domain::Snapshot::engine).map(|engine| engine.containers.iter());
            for container in all.into_iter().flatten().filter(|container| container.health == Health::Unhealthy) {
                found(container.id.to_string(), &|| format!("{} is unhealthy", container.name));
            }
        }
        Subject::Databases => {}
    }
}
